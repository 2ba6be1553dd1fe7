//! [`Dashboard`].
//!
//! moto keeps no tags of dashboards.

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource, Value};

use super::{CloudWatch, created_tags, list_tags, update_tags};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::{batch, forms, owner};

/// A page of graphs.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:cloudwatch:Dashboard",
    terraform = "aws_cloudwatch_dashboard",
    cloudformation = "AWS::CloudWatch::Dashboard",
    identity = NaturalKey,
    unique(dashboard_name)
)]
pub struct Dashboard {
    /// The name, unique in the account: dashboards belong to no region.
    #[field(replace)]
    pub dashboard_name: Input<String>,
    /// Its widgets: `{"widgets": […]}`.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
    #[field(json)]
    pub dashboard_body: Input<Json>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DashboardOutputs {
    /// The ARN.
    pub arn: Arn,
}

impl Manage for Dashboard {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        // The list of dashboards does not tell what is in them.
        let bodies = batch::each(targets, |target| async { Ok(get(cloudwatch, target.id).await) }).await?;
        let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
        let arns: Vec<Arn> = targets.iter().map(|t| arn(&region, &account, t.id)).collect();
        let ask = |_: &str, arn: String| async move { list_tags(cloudwatch, &arn).await };
        let named = |at: usize| matches!(&bodies[at], Ok(Some(_))).then(|| arns[at].to_string());
        let mut tags = tagged::read(aws, cx, targets, named, ask).await?;
        let found = targets.iter().zip(&bodies).zip(arns).enumerate().map(|(at, ((target, body), arn))| {
            let body = match body {
                Ok(Some(body)) => body,
                Ok(None) => return Found::Gone,
                Err(error) => return Found::Failed(error.clone()),
            };
            let tags = match tags.remove(&at) {
                None => TagMap::new(),
                Some(Ok(Some(tags))) => tags,
                Some(Ok(None)) => return Found::Gone,
                Some(Err(error)) => return Found::Failed(error),
            };
            let dashboard_body = forms::document(Some(body)).unwrap_or(Json(Value::Null));
            let fields = DashboardResolved { dashboard_name: target.id.to_owned(), dashboard_body, tags };
            Found::present(fields, DashboardOutputs { arn })
        });
        Ok(found.collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DashboardResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // PutDashboard overwrites whatever has the name, and then takes no notice of tags.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
        let request = cloudwatch
            .put_dashboard()
            .dashboard_name(&want.dashboard_name)
            .dashboard_body(forms::text(&want.dashboard_body))
            .set_tags(created_tags(&want.tags, intent));
        cloudwatch.write_idempotent("PutDashboard", || request.clone().send()).await?;
        Ok(created(want, arn(&region, &account, &want.dashboard_name)))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &DashboardResolved,
        change: &DashboardChange,
    ) -> Result<Option<DashboardOutputs>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        if change.dashboard_body.is_some() {
            let body = forms::text(&want.dashboard_body);
            let request = cloudwatch.put_dashboard().dashboard_name(id).dashboard_body(body);
            cloudwatch.write_idempotent("PutDashboard", || request.clone().send()).await?;
        }
        let arn = arn(&aws.region(&cx.provider).await?, &aws.account(&cx.provider).await?, id);
        update_tags(cloudwatch, &arn, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&DashboardResolved>) -> Result<(), CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let request = cloudwatch.delete_dashboards().dashboard_names(id);
        match cloudwatch.write_idempotent("DeleteDashboards", || request.clone().send()).await {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DashboardResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        if get(cloudwatch, &want.dashboard_name).await?.is_none() {
            return Ok(None);
        }
        let arn = arn(&aws.region(&cx.provider).await?, &aws.account(&cx.provider).await?, &want.dashboard_name);
        match list_tags(cloudwatch, arn.as_str()).await {
            Ok(tags) => owner::check(&format!("the dashboard {}", want.dashboard_name), &tags, intent)?,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(created(want, arn)))
    }
}

fn created(want: &DashboardResolved, arn: Arn) -> Created<Dashboard> {
    Created { id: want.dashboard_name.clone(), outputs: DashboardOutputs { arn }, complete: true }
}

/// A dashboard's ARN names no region.
fn arn(region: &str, account: &str, name: &str) -> Arn {
    Arn::new(format!("arn:{}:cloudwatch::{account}:dashboard/{name}", crate::arn::partition(region)))
}

fn is_absent(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound || error.code.as_deref() == Some("DashboardNotFoundError")
}

/// What is in a dashboard; `None` if it is not there.
async fn get(cloudwatch: &CloudWatch, name: &str) -> Result<Option<String>, CloudError> {
    let request = cloudwatch.get_dashboard().dashboard_name(name);
    match cloudwatch.read("GetDashboard", || request.clone().send()).await {
        Ok(answer) => Ok(Some(answer.dashboard_body.unwrap_or_default())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
