//! `aws:ce:AnomalyMonitor`.

use aws_sdk_costexplorer::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{CostExplorer, expression, incomplete, to_sdk};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::cost_expression::{self, Expression};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::with_intent;

/// What is looked at for anomalies among costs.
///
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_CreateAnomalyMonitor.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ce:AnomalyMonitor",
    terraform = "aws_ce_anomaly_monitor",
    cloudformation = "AWS::CE::AnomalyMonitor",
    identity = IntentTag
)]
pub struct AnomalyMonitor {
    /// The name.
    pub monitor_name: Input<String>,
    /// `DIMENSIONAL` (each value of a dimension by itself) or `CUSTOM` (what an expression chooses).
    #[field(replace)]
    pub monitor_type: Input<String>,
    /// The dimension of a dimensional monitor: `SERVICE`, `LINKED_ACCOUNT`, `TAG` or `COST_CATEGORY`.
    #[field(replace)]
    pub monitor_dimension: Option<Input<String>>,
    /// What a custom monitor looks at: an expression (see [`cost_expression`](crate::cost_expression)).
    #[field(replace, json, normalize = cost_expression::canonical)]
    pub monitor_specification: Option<Input<Json>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AnomalyMonitorOutputs {
    /// The ARN, which also is its id.
    pub arn: Arn,
}

impl Manage for AnomalyMonitor {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ce = &aws.ce(cx).await?;
        // Asked for by their ARNs, one that is gone would hide all others.
        let monitors = list(ce).await?;
        let of = |id: &str| monitors.iter().find(|m| m.monitor_arn() == Some(id));
        let arn = |at: usize| of(targets[at].id).and_then(|m| m.monitor_arn.clone());
        let ask = |_, arn: String| async move { super::tags(ce, &arn).await };
        let mut tags = tagged::read(aws, &cost_expression::home(aws, cx).await?, targets, arn, ask).await?;
        let found = |(at, target): (usize, &Target<'_>)| match of(target.id) {
            Some(monitor) => tagged::with(tags.remove(&at), |tags| present(target.id, monitor, tags)),
            None => Found::Gone,
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &AnomalyMonitorResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ce = &aws.ce(cx).await?;
        let specification = want.monitor_specification.as_ref().map(|json| {
            Expression::read("monitor_specification", json).and_then(|expression| expression::to_sdk(&expression))
        });
        let monitor = sdk::AnomalyMonitor::builder()
            .monitor_name(&want.monitor_name)
            .monitor_type(want.monitor_type.as_str().into())
            .set_monitor_dimension(want.monitor_dimension.as_deref().map(sdk::MonitorDimension::from))
            .set_monitor_specification(specification.transpose()?)
            .build()
            .map_err(incomplete)?;
        let request = ce
            .create_anomaly_monitor()
            .anomaly_monitor(monitor)
            .set_resource_tags(Some(to_sdk(with_intent(&want.tags, intent))?));
        let answer = ce.write("CreateAnomalyMonitor", || request.clone().send()).await.map_err(explain)?;
        Ok(created(&answer.monitor_arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &AnomalyMonitorResolved,
        change: &AnomalyMonitorChange,
    ) -> Result<Option<AnomalyMonitorOutputs>, CloudError> {
        let ce = &aws.ce(cx).await?;
        if change.monitor_name.is_some() {
            let request = ce.update_anomaly_monitor().monitor_arn(id).monitor_name(&want.monitor_name);
            ce.write_idempotent("UpdateAnomalyMonitor", || request.clone().send()).await?;
        }
        super::update_tags(ce, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&AnomalyMonitorResolved>) -> Result<(), CloudError> {
        let ce = &aws.ce(cx).await?;
        let request = ce.delete_anomaly_monitor().monitor_arn(id);
        match ce.write_idempotent("DeleteAnomalyMonitor", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AnomalyMonitorResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ce = &aws.ce(cx).await?;
        let monitors = list(ce).await?.into_iter().filter(|m| m.monitor_name == want.monitor_name);
        let arns = monitors.filter_map(|m| m.monitor_arn).collect();
        Ok(super::made_by(ce, arns, intent).await?.map(|arn| created(&arn)))
    }
}

/// AWS makes the first monitor of its services by itself.
fn explain(error: CloudError) -> CloudError {
    if error.code.as_deref() == Some("LimitExceededException") {
        return error.hint(
            "an account has one monitor of each dimension, and new accounts have AWS's own of services: adopt the one that is there with `phx import`, or delete it",
        );
    }
    error
}

async fn list(ce: &CostExplorer) -> Result<Vec<sdk::AnomalyMonitor>, CloudError> {
    batch::pages(|token| async move {
        let request = ce.get_anomaly_monitors().set_next_page_token(token);
        let answer = ce.read("GetAnomalyMonitors", || request.clone().send()).await?;
        Ok((answer.anomaly_monitors, answer.next_page_token))
    })
    .await
}

fn created(arn: &str) -> Created<AnomalyMonitor> {
    Created { id: arn.to_owned(), outputs: AnomalyMonitorOutputs { arn: Arn::new(arn) }, complete: true }
}

fn present(arn: &str, monitor: &sdk::AnomalyMonitor, tags: TagMap) -> Found<AnomalyMonitor> {
    let fields = AnomalyMonitorResolved {
        monitor_name: monitor.monitor_name.clone(),
        monitor_type: monitor.monitor_type.as_str().to_owned(),
        monitor_dimension: monitor.monitor_dimension().map(|d| d.as_str().to_owned()),
        monitor_specification: monitor.monitor_specification().map(|e| expression::from_sdk(e).to_json()),
        tags,
    };
    Found::present(fields, created(arn).outputs)
}
