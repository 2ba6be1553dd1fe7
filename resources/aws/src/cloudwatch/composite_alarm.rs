//! [`CompositeAlarm`].
//!
//! moto keeps neither suppressors nor what actions are told; those parts follow the service model alone.

use std::collections::HashMap;

use aws_sdk_cloudwatch::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::metric_alarm_blocks::{self as blocks, ActionConfiguration};
use super::{
    CloudWatch, actions, actions_of, alarm_arn, created_tags, delete_alarm, kept, list_tags, text, update_tags,
};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::{forms, owner};

/// Watches other alarms.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:cloudwatch:CompositeAlarm",
    terraform = "aws_cloudwatch_composite_alarm",
    cloudformation = "AWS::CloudWatch::CompositeAlarm",
    identity = NaturalKey,
    unique(alarm_name)
)]
pub struct CompositeAlarm {
    /// The name, unique in account and region among all kinds of alarms.
    #[field(replace)]
    pub alarm_name: Input<String>,
    /// When it is in alarm: `ALARM("errors") AND NOT ALARM("deploying")`. Made with `phx::format!` of the other alarms' names, it is created after
    /// them and deleted before them.
    pub alarm_rule: Input<String>,
    /// What it is for.
    #[field(normalize = forms::empty_is_unset)]
    pub alarm_description: Option<Input<String>>,
    /// Whether it acts. AWS's default: yes.
    #[field(cloud_default)]
    pub actions_enabled: Option<Input<bool>>,
    /// What is done when it becomes `OK`.
    #[field(set)]
    pub ok_actions: Option<Input<Vec<Arn>>>,
    /// What is done when it becomes `ALARM`.
    #[field(set)]
    pub alarm_actions: Option<Input<Vec<Arn>>>,
    /// What is done when it becomes `INSUFFICIENT_DATA`.
    #[field(set)]
    pub insufficient_data_actions: Option<Input<Vec<Arn>>>,
    /// The alarm, by name or ARN, during which this one does not act.
    pub actions_suppressor: Option<Input<String>>,
    /// For how many seconds it waits for the suppressor's alarm before it acts. Set with `actions_suppressor`.
    pub actions_suppressor_wait_period: Option<Input<i32>>,
    /// For how many seconds it does not act after the suppressor's alarm is over. Set with `actions_suppressor`.
    pub actions_suppressor_extension_period: Option<Input<i32>>,
    /// What its actions are told besides its state.
    #[field(normalize = blocks::no_tags_is_unset)]
    pub action_configuration: Option<Input<ActionConfiguration>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct CompositeAlarmOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The name, by which the rules of composite alarms refer to it.
    pub alarm_name: String,
}

impl Manage for CompositeAlarm {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let alarms = describe(cloudwatch, targets.iter().map(|t| t.id)).await?;
        let arn = |at: usize| alarms.get(targets[at].id).and_then(|a| a.alarm_arn.clone());
        let ask = |_: &str, arn: String| async move { list_tags(cloudwatch, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = targets.iter().enumerate().map(|(at, target)| match (alarms.get(target.id), tags.remove(&at)) {
            (None, _) | (_, Some(Ok(None))) => Found::Gone,
            (_, Some(Err(error))) => Found::Failed(error),
            (Some(alarm), Some(Ok(Some(tags)))) => shown(target, alarm, tags),
            (Some(alarm), None) => shown(target, alarm, TagMap::new()),
        });
        Ok(found.collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &CompositeAlarmResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // PutCompositeAlarm overwrites whatever has the name, and then takes no notice of tags.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let arn = alarm_arn(aws, cx, &want.alarm_name).await?;
        let request = put(cloudwatch, want).set_tags(created_tags(&want.tags, intent));
        cloudwatch.write_idempotent("PutCompositeAlarm", || request.clone().send()).await?;
        Ok(created(want, arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &CompositeAlarmResolved,
        change: &CompositeAlarmChange,
    ) -> Result<Option<CompositeAlarmOutputs>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        if !only_tags(change) {
            let there = describe(cloudwatch, [id]).await?;
            let request = put(cloudwatch, &with_what_is_left_alone(want, change, there.get(id)));
            cloudwatch.write_idempotent("PutCompositeAlarm", || request.clone().send()).await?;
        }
        update_tags(cloudwatch, &alarm_arn(aws, cx, id).await?, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&CompositeAlarmResolved>) -> Result<(), CloudError> {
        delete_alarm(&aws.cloudwatch(cx).await?, id).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &CompositeAlarmResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let name = want.alarm_name.as_str();
        let alarms = describe(cloudwatch, [name]).await?;
        let Some(arn) = alarms.get(name).and_then(|a| a.alarm_arn()) else { return Ok(None) };
        match list_tags(cloudwatch, arn).await {
            Ok(tags) => owner::check(&format!("the alarm {name}"), &tags, intent)?,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(created(want, Arn::new(arn))))
    }
}

fn created(want: &CompositeAlarmResolved, arn: Arn) -> Created<CompositeAlarm> {
    let outputs = CompositeAlarmOutputs { arn, alarm_name: want.alarm_name.clone() };
    Created { id: want.alarm_name.clone(), outputs, complete: true }
}

async fn describe(
    cloudwatch: &CloudWatch,
    names: impl IntoIterator<Item = &str>,
) -> Result<HashMap<String, sdk::CompositeAlarm>, CloudError> {
    let alarms = super::describe(cloudwatch, sdk::AlarmType::CompositeAlarm, names, |a| a.composite_alarms).await?;
    Ok(alarms.into_iter().filter_map(|a| Some((a.alarm_name.clone()?, a))).collect())
}

/// Whether nothing but tags changes, in which PutCompositeAlarm has no part.
fn only_tags(change: &CompositeAlarmChange) -> bool {
    let rest = CompositeAlarmChange { tags: None, ..change.clone() };
    format!("{rest:?}") == format!("{:?}", CompositeAlarmChange::default())
}

/// PutCompositeAlarm replaces the whole alarm: what the program never set is sent as it is.
fn with_what_is_left_alone(
    want: &CompositeAlarmResolved,
    change: &CompositeAlarmChange,
    there: Option<&sdk::CompositeAlarm>,
) -> CompositeAlarmResolved {
    let mut want = want.clone();
    let Some(there) = there else { return want };
    // Whoever switched the actions off for a night has them off.
    want.actions_enabled = want.actions_enabled.or(there.actions_enabled);
    kept(&mut want.alarm_description, change.alarm_description.as_ref(), text(there.alarm_description()));
    kept(&mut want.ok_actions, change.ok_actions.as_ref(), actions_of(there.ok_actions()));
    kept(&mut want.alarm_actions, change.alarm_actions.as_ref(), actions_of(there.alarm_actions()));
    let actions = actions_of(there.insufficient_data_actions());
    kept(&mut want.insufficient_data_actions, change.insufficient_data_actions.as_ref(), actions);
    kept(&mut want.actions_suppressor, change.actions_suppressor.as_ref(), text(there.actions_suppressor()));
    // These go with a suppressor only.
    if want.actions_suppressor.is_some() {
        let (wait, extension) = (there.actions_suppressor_wait_period, there.actions_suppressor_extension_period);
        kept(&mut want.actions_suppressor_wait_period, change.actions_suppressor_wait_period.as_ref(), wait);
        let change = change.actions_suppressor_extension_period.as_ref();
        kept(&mut want.actions_suppressor_extension_period, change, extension);
    }
    let told = there.action_configuration().and_then(blocks::from_action_configuration);
    kept(&mut want.action_configuration, change.action_configuration.as_ref(), told);
    want
}

fn put(
    cloudwatch: &CloudWatch,
    want: &CompositeAlarmResolved,
) -> aws_sdk_cloudwatch::operation::put_composite_alarm::builders::PutCompositeAlarmFluentBuilder {
    cloudwatch
        .put_composite_alarm()
        .alarm_name(&want.alarm_name)
        .alarm_rule(&want.alarm_rule)
        .set_alarm_description(want.alarm_description.clone())
        .set_actions_enabled(want.actions_enabled)
        .set_ok_actions(actions(want.ok_actions.as_ref()))
        .set_alarm_actions(actions(want.alarm_actions.as_ref()))
        .set_insufficient_data_actions(actions(want.insufficient_data_actions.as_ref()))
        .set_actions_suppressor(want.actions_suppressor.clone())
        .set_actions_suppressor_wait_period(want.actions_suppressor_wait_period)
        .set_actions_suppressor_extension_period(want.actions_suppressor_extension_period)
        .set_action_configuration(want.action_configuration.as_ref().map(blocks::to_action_configuration))
}

fn shown(target: &Target<'_>, alarm: &sdk::CompositeAlarm, tags: TagMap) -> Found<CompositeAlarm> {
    let Some(arn) = alarm.alarm_arn() else {
        let message = format!("the answer holds the alarm {} without an ARN", target.id);
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let suppressor = text(alarm.actions_suppressor());
    let fields = CompositeAlarmResolved {
        alarm_name: target.id.to_owned(),
        alarm_rule: alarm.alarm_rule().unwrap_or_default().to_owned(),
        alarm_description: text(alarm.alarm_description()),
        actions_enabled: Some(alarm.actions_enabled().unwrap_or(true)),
        ok_actions: actions_of(alarm.ok_actions()),
        alarm_actions: actions_of(alarm.alarm_actions()),
        insufficient_data_actions: actions_of(alarm.insufficient_data_actions()),
        actions_suppressor_wait_period: alarm.actions_suppressor_wait_period.filter(|_| suppressor.is_some()),
        actions_suppressor_extension_period: alarm.actions_suppressor_extension_period.filter(|_| suppressor.is_some()),
        actions_suppressor: suppressor.map(|told| as_written(target, told)),
        action_configuration: alarm.action_configuration().and_then(blocks::from_action_configuration),
        tags,
    };
    Found::present(fields, CompositeAlarmOutputs { arn: Arn::new(arn), alarm_name: target.id.to_owned() })
}

/// The suppressor as the program names it: AWS takes a name or an ARN, and tells either.
fn as_written(target: &Target<'_>, told: String) -> String {
    let name = |text: &str| text.rsplit_once(":alarm:").map_or(text, |(_, name)| name).to_owned();
    match target.inputs.get("actions_suppressor").and_then(|v| v.as_str()) {
        Some(written) if name(written) == name(&told) => written.to_owned(),
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suppressor_is_told_as_the_program_names_it() {
        let inputs = |name: &str| serde_json::from_str(&format!(r#"{{"actions_suppressor":"{name}"}}"#)).unwrap();
        let arn = "arn:aws:cloudwatch:us-west-2:123456789012:alarm:deploying";
        for (written, told, as_told) in
            [("deploying", arn, "deploying"), (arn, "deploying", arn), ("other", arn, arn), (arn, arn, arn)]
        {
            let inputs = inputs(written);
            assert_eq!(as_written(&Target { id: "a", inputs: &inputs }, told.to_owned()), as_told);
        }
    }
}
