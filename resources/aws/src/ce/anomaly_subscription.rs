//! `aws:ce:AnomalySubscription`.

use aws_sdk_costexplorer::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{CostExplorer, expression, incomplete, to_sdk};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::cost_expression::{self, Expression};
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::with_intent;

/// Who is told of anomalies that [`AnomalyMonitor`](super::AnomalyMonitor)s find.
///
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_CreateAnomalySubscription.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ce:AnomalySubscription",
    terraform = "aws_ce_anomaly_subscription",
    cloudformation = "AWS::CE::AnomalySubscription",
    identity = IntentTag
)]
pub struct AnomalySubscription {
    /// The name.
    pub subscription_name: Input<String>,
    /// How often people are told: `IMMEDIATE` (by SNS), `DAILY` or `WEEKLY` (by e-mail).
    pub frequency: Input<String>,
    /// The monitors.
    #[field(set)]
    pub monitor_arn_list: Input<Vec<Arn>>,
    /// Who is told.
    #[field(set)]
    pub subscribers: Input<Vec<Subscriber>>,
    /// From how many dollars on they are told. AWS replaced it by `threshold_expression`, and takes one of the two.
    #[field(cloud_default)]
    pub threshold: Option<Input<f64>>,
    /// From which impact on they are told: an expression over `ANOMALY_TOTAL_IMPACT_ABSOLUTE` and
    /// `ANOMALY_TOTAL_IMPACT_PERCENTAGE` (see [`cost_expression`](crate::cost_expression)).
    #[field(json, cloud_default, normalize = cost_expression::canonical)]
    pub threshold_expression: Option<Input<Json>>,
    /// The tags.
    pub tags: Tags,
}

/// Who is told.
#[derive(Clone, Debug, Block)]
pub struct Subscriber {
    /// The address, or the topic's ARN.
    pub address: Input<String>,
    /// `EMAIL` or `SNS`.
    pub r#type: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AnomalySubscriptionOutputs {
    /// The ARN, which also is its id.
    pub arn: Arn,
}

#[allow(deprecated)] // AWS still takes a threshold
impl Manage for AnomalySubscription {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ce = &aws.ce(cx).await?;
        // Asked for by their ARNs, one that is gone would hide all others.
        let subscriptions = list(ce).await?;
        let of = |id: &str| subscriptions.iter().find(|s| s.subscription_arn() == Some(id));
        let arn = |at: usize| of(targets[at].id).and_then(|s| s.subscription_arn.clone());
        let ask = |_, arn: String| async move { super::tags(ce, &arn).await };
        let mut tags = tagged::read(aws, &cost_expression::home(aws, cx).await?, targets, arn, ask).await?;
        let found = |(at, target): (usize, &Target<'_>)| match of(target.id) {
            Some(subscription) => tagged::with(tags.remove(&at), |tags| present(target.id, subscription, tags)),
            None => Found::Gone,
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &AnomalySubscriptionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ce = &aws.ce(cx).await?;
        let subscription = sdk::AnomalySubscription::builder()
            .subscription_name(&want.subscription_name)
            .frequency(want.frequency.as_str().into())
            .set_monitor_arn_list(Some(want.monitor_arn_list.iter().map(Arn::to_string).collect()))
            .set_subscribers(Some(want.subscribers.iter().map(subscriber).collect()))
            .set_threshold(want.threshold)
            .set_threshold_expression(threshold(want)?)
            .build()
            .map_err(incomplete)?;
        let request = ce
            .create_anomaly_subscription()
            .anomaly_subscription(subscription)
            .set_resource_tags(Some(to_sdk(with_intent(&want.tags, intent))?));
        let answer = ce.write("CreateAnomalySubscription", || request.clone().send()).await?;
        Ok(created(&answer.subscription_arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &AnomalySubscriptionResolved,
        change: &AnomalySubscriptionChange,
    ) -> Result<Option<AnomalySubscriptionOutputs>, CloudError> {
        let ce = &aws.ce(cx).await?;
        let monitors = || want.monitor_arn_list.iter().map(Arn::to_string).collect();
        let subscribers = || want.subscribers.iter().map(subscriber).collect();
        let expression = if change.threshold_expression.is_some() { threshold(want)? } else { None };
        // What is not sent stays as it is.
        let request = ce
            .update_anomaly_subscription()
            .subscription_arn(id)
            .set_subscription_name(change.subscription_name.as_ref().map(|_| want.subscription_name.clone()))
            .set_frequency(change.frequency.as_ref().map(|_| want.frequency.as_str().into()))
            .set_monitor_arn_list(change.monitor_arn_list.as_ref().map(|_| monitors()))
            .set_subscribers(change.subscribers.as_ref().map(|_| subscribers()))
            .set_threshold(change.threshold.as_ref().and_then(|c| c.after))
            .set_threshold_expression(expression);
        let only_tags = change.subscription_name.is_none()
            && change.frequency.is_none()
            && change.monitor_arn_list.is_none()
            && change.subscribers.is_none()
            && change.threshold.is_none()
            && change.threshold_expression.is_none();
        if !only_tags {
            ce.write_idempotent("UpdateAnomalySubscription", || request.clone().send()).await?;
        }
        super::update_tags(ce, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&AnomalySubscriptionResolved>) -> Result<(), CloudError> {
        let ce = &aws.ce(cx).await?;
        let request = ce.delete_anomaly_subscription().subscription_arn(id);
        match ce.write_idempotent("DeleteAnomalySubscription", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AnomalySubscriptionResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ce = &aws.ce(cx).await?;
        let subscriptions = list(ce).await?.into_iter().filter(|s| s.subscription_name == want.subscription_name);
        let arns = subscriptions.filter_map(|s| s.subscription_arn).collect();
        Ok(super::made_by(ce, arns, intent).await?.map(|arn| created(&arn)))
    }
}

async fn list(ce: &CostExplorer) -> Result<Vec<sdk::AnomalySubscription>, CloudError> {
    batch::pages(|token| async move {
        let request = ce.get_anomaly_subscriptions().set_next_page_token(token);
        let answer = ce.read("GetAnomalySubscriptions", || request.clone().send()).await?;
        Ok((answer.anomaly_subscriptions, answer.next_page_token))
    })
    .await
}

fn created(arn: &str) -> Created<AnomalySubscription> {
    Created { id: arn.to_owned(), outputs: AnomalySubscriptionOutputs { arn: Arn::new(arn) }, complete: true }
}

fn subscriber(want: &SubscriberResolved) -> sdk::Subscriber {
    sdk::Subscriber::builder().address(&want.address).r#type(want.r#type.as_str().into()).build()
}

fn threshold(want: &AnomalySubscriptionResolved) -> Result<Option<sdk::Expression>, CloudError> {
    let read = |json| Expression::read("threshold_expression", json).and_then(|e| expression::to_sdk(&e));
    want.threshold_expression.as_ref().map(read).transpose()
}

fn present(arn: &str, subscription: &sdk::AnomalySubscription, tags: TagMap) -> Found<AnomalySubscription> {
    let subscriber = |s: &sdk::Subscriber| {
        Some(SubscriberResolved { address: s.address()?.to_owned(), r#type: s.r#type()?.as_str().to_owned() })
    };
    #[allow(deprecated)] // AWS still takes it
    let threshold = subscription.threshold();
    let fields = AnomalySubscriptionResolved {
        subscription_name: subscription.subscription_name.clone(),
        frequency: subscription.frequency.as_str().to_owned(),
        monitor_arn_list: subscription.monitor_arn_list().iter().map(Arn::new).collect(),
        subscribers: subscription.subscribers().iter().filter_map(subscriber).collect(),
        threshold,
        threshold_expression: subscription.threshold_expression().map(|e| expression::from_sdk(e).to_json()),
        tags,
    };
    Found::present(fields, created(arn).outputs)
}
