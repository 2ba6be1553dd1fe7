//! `aws:rds:EventSubscription`.
//!
//! No emulator serves its changes.

use std::collections::BTreeSet;

use aws_sdk_rds::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::describe::{named, picked, with_tags};
use super::{Rds, arn, describe, listed, missing, once_settled, tagging};
use crate::arn::Arn;
use crate::client::Aws;
use crate::ids::EventSubscriptionName;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;
use crate::wait::{Stage, until};

/// Messages to an SNS topic about what happens to databases.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateEventSubscription.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:rds:EventSubscription",
    terraform = "aws_db_event_subscription",
    cloudformation = "AWS::RDS::EventSubscription",
    identity = NaturalKey,
    unique(subscription_name)
)]
pub struct EventSubscription {
    /// The name, unique in account and region.
    #[field(replace)]
    pub subscription_name: Input<String>,
    /// The topic that the messages are sent to.
    pub sns_topic_arn: Input<Arn>,
    /// Of which kind the things are whose events are told: `db-instance`, `db-cluster`, `db-parameter-group`, `db-security-group`, `db-snapshot`,
    /// `db-cluster-snapshot`, `db-proxy`, `zero-etl`, `custom-engine-version` or `blue-green-deployment`. Unset, of all kinds.
    pub source_type: Option<Input<String>>,
    /// Which kinds of events are told: `availability`, `backup`, `failover` … . Unset, all of them.
    #[field(set)]
    pub event_categories: Option<Input<Vec<String>>>,
    /// Of which things, all of the kind `source_type`, events are told, by their identifiers. Unset, of all of that kind.
    #[field(set)]
    pub source_ids: Option<Input<Vec<String>>>,
    /// Whether messages are sent. AWS's default: yes.
    #[field(cloud_default)]
    pub enabled: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct EventSubscriptionOutputs {
    /// The name.
    pub subscription_name: EventSubscriptionName,
    /// The ARN.
    pub arn: Arn,
    /// The account whose events are told.
    pub customer_aws_id: Option<String>,
}

impl Manage for EventSubscription {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let names = targets.iter().map(|t| t.id);
        let all = named(names, |name| describe::subscription(rds, name), || describe::subscriptions(rds)).await?;
        let found = picked(targets, "subscription_name", &all, sdk::EventSubscription::cust_subscription_id);
        let arn = sdk::EventSubscription::event_subscription_arn;
        with_tags(aws, cx, rds, targets, &found, arn, |_, subscription, tags| shown(rds, subscription, tags)).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &EventSubscriptionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.subscription_name;
        let expected = arn(aws, cx, "es", name).await?;
        let request = rds
            .create_event_subscription()
            .subscription_name(name)
            .sns_topic_arn(want.sns_topic_arn.as_str())
            .set_source_type(want.source_type.clone())
            .set_event_categories(want.event_categories.clone())
            .set_source_ids(want.source_ids.clone())
            // Said even where it is what AWS would choose: not every stand-in for AWS chooses the same.
            .enabled(want.enabled.unwrap_or(true))
            .set_tags(tagging::marked(&want.tags, intent));
        match rds.write("CreateEventSubscription", || request.clone().send()).await {
            Ok(answer) => {
                let outputs = answer.event_subscription.as_ref().and_then(outputs);
                Ok(created(outputs.unwrap_or_else(|| EventSubscriptionOutputs {
                    subscription_name: EventSubscriptionName::new(name),
                    arn: expected,
                    customer_aws_id: None,
                })))
            }
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                Self::find(aws, cx, want, intent).await?.ok_or(taken)
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &EventSubscriptionResolved,
    ) -> Result<Option<EventSubscriptionOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        active(rds, cx, id).await.map(|subscription| outputs(&subscription))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &EventSubscriptionResolved,
        change: &EventSubscriptionChange,
    ) -> Result<Option<EventSubscriptionOutputs>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let (add, remove) = sources(change);
        // Things of the kind that was leave before the kind changes, and those of the new kind come after it.
        for source in remove {
            let request =
                rds.remove_source_identifier_from_subscription().subscription_name(id).source_identifier(source);
            let send = || rds.write_idempotent("RemoveSourceIdentifierFromSubscription", || request.clone().send());
            match once_settled(cx, send).await {
                Err(error) if error.code.as_deref() == Some("SourceNotFound") => {}
                done => drop(done?),
            }
            active(rds, cx, id).await?;
        }
        let changed = |c: &Option<FieldChange<Vec<String>>>| c.as_ref().map(|c| c.after.clone().unwrap_or_default());
        if change.sns_topic_arn.is_some()
            || change.source_type.is_some()
            || change.event_categories.is_some()
            || change.enabled.is_some()
        {
            let request = rds
                .modify_event_subscription()
                .subscription_name(id)
                .set_sns_topic_arn(change.sns_topic_arn.as_ref().map(|_| want.sns_topic_arn.to_string()))
                // An empty text takes the kind away; left out, it would stay.
                .set_source_type(change.source_type.as_ref().map(|c| c.after.clone().unwrap_or_default()))
                .set_event_categories(changed(&change.event_categories))
                .set_enabled(change.enabled.as_ref().map(|c| c.after.unwrap_or(true)));
            once_settled(cx, || rds.write_idempotent("ModifyEventSubscription", || request.clone().send())).await?;
            active(rds, cx, id).await?;
        }
        for source in add {
            let request = rds.add_source_identifier_to_subscription().subscription_name(id).source_identifier(source);
            let send = || rds.write_idempotent("AddSourceIdentifierToSubscription", || request.clone().send());
            once_settled(cx, send).await?;
            active(rds, cx, id).await?;
        }
        if change.tags.is_some() {
            let arn = arn(aws, cx, "es", id).await?;
            tagging::update(rds, Some(arn.as_str()), change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&EventSubscriptionResolved>) -> Result<(), CloudError> {
        let rds = &aws.rds(cx).await?;
        let request = rds.delete_event_subscription().subscription_name(id);
        let send = || rds.write_idempotent("DeleteEventSubscription", || request.clone().send());
        match once_settled(cx, send).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            done => done?,
        };
        until(cx, &format!("event subscription {id}"), || async {
            Ok(match describe::subscription(rds, id).await? {
                None => Stage::Ready(()),
                Some(subscription) => Stage::Waiting(subscription.status().unwrap_or("in no state").to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &EventSubscriptionResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let rds = &aws.rds(cx).await?;
        let name = &want.subscription_name;
        let Some(subscription) = describe::subscription(rds, name).await? else { return Ok(None) };
        let what = format!("the event subscription {name}");
        let ours = tagging::check(rds, &what, subscription.event_subscription_arn(), intent).await?;
        Ok(outputs(&subscription).filter(|_| ours).map(created))
    }
}

fn created(outputs: EventSubscriptionOutputs) -> Created<EventSubscription> {
    Created { id: outputs.subscription_name.to_string(), outputs, complete: false }
}

fn outputs(subscription: &sdk::EventSubscription) -> Option<EventSubscriptionOutputs> {
    Some(EventSubscriptionOutputs {
        subscription_name: EventSubscriptionName::new(subscription.cust_subscription_id()?),
        arn: Arn::new(subscription.event_subscription_arn()?),
        customer_aws_id: subscription.customer_aws_id.clone(),
    })
}

fn shown(rds: &Rds, subscription: &sdk::EventSubscription, tags: TagMap) -> Found<EventSubscription> {
    if subscription.status() == Some("deleting") {
        return Found::Gone;
    }
    let Some(outputs) = outputs(subscription) else {
        let message = "the answer holds a subscription without an ARN";
        return Found::Failed(rds.unexpected("DescribeEventSubscriptions", message));
    };
    let fields = EventSubscriptionResolved {
        subscription_name: outputs.subscription_name.to_string(),
        sns_topic_arn: Arn::new(subscription.sns_topic_arn().unwrap_or_default()),
        source_type: subscription.source_type.clone().filter(|t| !t.is_empty()),
        event_categories: listed(subscription.event_categories_list().to_vec()),
        source_ids: listed(subscription.source_ids_list().to_vec()),
        enabled: subscription.enabled,
        tags,
    };
    Found::present(fields, outputs)
}

/// Which sources come, and which leave. When the kind changes all of the old kind leave.
fn sources(change: &EventSubscriptionChange) -> (Vec<String>, Vec<String>) {
    let Some(change) = &change.source_ids else { return (Vec::new(), Vec::new()) };
    let set = |ids: &Option<Vec<String>>| ids.iter().flatten().cloned().collect::<BTreeSet<String>>();
    let (before, after) = (set(&change.before), set(&change.after));
    (after.difference(&before).cloned().collect(), before.difference(&after).cloned().collect())
}

/// Waits until the subscription is at work.
async fn active(rds: &Rds, cx: &Cx, name: &str) -> Result<sdk::EventSubscription, CloudError> {
    until(cx, &format!("event subscription {name}"), || async {
        let subscription = describe::subscription(rds, name).await?;
        let subscription = subscription
            .ok_or_else(|| missing(rds, "DescribeEventSubscriptions", &format!("event subscription {name}")))?;
        match subscription.status().unwrap_or("in no state") {
            "active" => Ok(Stage::Ready(subscription)),
            state @ ("no-permission" | "topic-not-exist") => {
                let topic = subscription.sns_topic_arn().unwrap_or_default();
                let why = if state == "no-permission" {
                    format!("RDS may not publish to {topic}: its policy must allow it to events.rds.amazonaws.com")
                } else {
                    format!("there is no topic {topic}")
                };
                Err(CloudError::local(ErrorKind::Other, format!("event subscription {name} is {state}")).hint(why))
            }
            state => Ok(Stage::Waiting(state.to_owned())),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_that_differ_come_and_leave() {
        let ids = |ids: &[&str]| Some(ids.iter().map(|i| (*i).to_owned()).collect());
        let mut change = EventSubscriptionChange::default();
        assert_eq!(sources(&change), (vec![], vec![]));
        change.source_ids = Some(FieldChange { before: ids(&["a", "b"]), after: ids(&["b", "c"]) });
        assert_eq!(sources(&change), (vec!["c".to_owned()], vec!["a".to_owned()]));
        change.source_ids = Some(FieldChange { before: ids(&["a"]), after: None });
        assert_eq!(sources(&change), (vec![], vec!["a".to_owned()]));
    }
}
