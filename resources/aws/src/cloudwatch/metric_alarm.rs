//! [`MetricAlarm`].
//!
//! No emulator keeps criteria in PromQL, windows by the clock, warm-up times, carried tags or a query's account; those parts follow the service
//! model alone.

use std::collections::HashMap;

use aws_sdk_cloudwatch::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::metric_alarm_blocks::{
    self as blocks, ActionConfiguration, Dimension, EvaluationCriteria, EvaluationWindow, MetricDataQuery,
    WarmUpConfiguration,
};
use super::{
    CloudWatch, actions, actions_of, alarm_arn, created_tags, delete_alarm, kept, list_tags, text, update_tags,
};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::{forms, owner};

/// Watches a metric, or metric math over several, and acts when it crosses a threshold.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:cloudwatch:MetricAlarm",
    terraform = "aws_cloudwatch_metric_alarm",
    cloudformation = "AWS::CloudWatch::Alarm",
    identity = NaturalKey,
    unique(alarm_name)
)]
pub struct MetricAlarm {
    /// The name, unique in account and region among all kinds of alarms.
    #[field(replace)]
    pub alarm_name: Input<String>,
    /// What it is for.
    #[field(normalize = forms::empty_is_unset)]
    pub alarm_description: Option<Input<String>>,
    /// Whether it acts. AWS's default: yes.
    #[field(cloud_default)]
    pub actions_enabled: Option<Input<bool>>,
    /// What is done when it becomes `OK`: topics, functions, Auto Scaling policies.
    #[field(set)]
    pub ok_actions: Option<Input<Vec<Arn>>>,
    /// What is done when it becomes `ALARM`.
    #[field(set)]
    pub alarm_actions: Option<Input<Vec<Arn>>>,
    /// What is done when it becomes `INSUFFICIENT_DATA`.
    #[field(set)]
    pub insufficient_data_actions: Option<Input<Vec<Arn>>>,
    /// The metric, if it is one alone. Not with `metrics`.
    pub metric_name: Option<Input<String>>,
    /// The metric's namespace: `AWS/EC2`.
    pub namespace: Option<Input<String>>,
    /// `SampleCount`, `Average`, `Sum`, `Minimum` or `Maximum`.
    pub statistic: Option<Input<String>>,
    /// A percentile or trimmed statistic in place of `statistic`: `p99.9`, `tm90`.
    pub extended_statistic: Option<Input<String>>,
    /// The metric's dimensions.
    #[field(set)]
    pub dimensions: Option<Input<Vec<Dimension>>>,
    /// How many seconds a data point spans: 10, 20, 30 or a multiple of 60.
    pub period: Option<Input<i32>>,
    /// The metric's unit. Unset: any.
    pub unit: Option<Input<String>>,
    /// Over how many data points it is evaluated.
    pub evaluation_periods: Option<Input<i32>>,
    /// How many of those must cross the threshold. Unset: all.
    pub datapoints_to_alarm: Option<Input<i32>>,
    /// The threshold.
    pub threshold: Option<Input<f64>>,
    /// What crossing it means: `GreaterThanThreshold`, `LessThanOrEqualToThreshold` … .
    pub comparison_operator: Option<Input<String>>,
    /// What a missing data point counts as: `breaching`, `notBreaching`, `ignore` or `missing`, which is AWS's default.
    #[field(cloud_default)]
    pub treat_missing_data: Option<Input<String>>,
    /// For percentiles, whether it is evaluated on few samples: `evaluate` or `ignore`.
    #[field(cloud_default)]
    pub evaluate_low_sample_count_percentile: Option<Input<String>>,
    /// Metrics and metric math over them, of which one returns what is watched.
    #[field(set)]
    pub metrics: Option<Input<Vec<MetricDataQuery>>>,
    /// For anomalies: the id in `metrics` of the band that takes the threshold's place.
    pub threshold_metric_id: Option<Input<String>>,
    /// A query in PromQL in place of metric and threshold.
    pub evaluation_criteria: Option<Input<EvaluationCriteria>>,
    /// How many seconds lie between two evaluations of such a query.
    #[field(cloud_default)]
    pub evaluation_interval: Option<Input<i32>>,
    /// Which stretch of time each evaluation looks at. Unset: one that ends now.
    pub evaluation_window: Option<Input<EvaluationWindow>>,
    /// How long it waits at first before it is evaluated.
    pub warm_up_configuration: Option<Input<WarmUpConfiguration>>,
    /// What its actions are told besides its state.
    #[field(normalize = blocks::no_tags_is_unset)]
    pub action_configuration: Option<Input<ActionConfiguration>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct MetricAlarmOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The name, by which the rules of composite alarms refer to it.
    pub alarm_name: String,
}

impl Manage for MetricAlarm {
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
        want: &MetricAlarmResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // PutMetricAlarm overwrites whatever has the name, and then takes no notice of tags.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let arn = alarm_arn(aws, cx, &want.alarm_name).await?;
        let request = put(cloudwatch, want).set_tags(created_tags(&want.tags, intent));
        cloudwatch.write_idempotent("PutMetricAlarm", || request.clone().send()).await?;
        Ok(created(want, arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &MetricAlarmResolved,
        change: &MetricAlarmChange,
    ) -> Result<Option<MetricAlarmOutputs>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        if !only_tags(change) {
            let there = describe(cloudwatch, [id]).await?;
            let there = there.get(id).map(|alarm| fields(None, alarm, TagMap::new()));
            let request = put(cloudwatch, &with_what_is_left_alone(want, change, there));
            cloudwatch.write_idempotent("PutMetricAlarm", || request.clone().send()).await?;
        }
        update_tags(cloudwatch, &alarm_arn(aws, cx, id).await?, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&MetricAlarmResolved>) -> Result<(), CloudError> {
        delete_alarm(&aws.cloudwatch(cx).await?, id).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &MetricAlarmResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let cloudwatch = &aws.cloudwatch(cx).await?;
        let name = want.alarm_name.as_str();
        let joint = cloudwatch.joint("metric alarms");
        let alarm =
            joint.one(name, |names| async move { describe(cloudwatch, names.iter().map(String::as_str)).await });
        let alarm = alarm.await?;
        let Some(arn) = alarm.as_ref().and_then(|a| a.alarm_arn()) else { return Ok(None) };
        match list_tags(cloudwatch, arn).await {
            Ok(tags) => owner::check(&format!("the alarm {name}"), &tags, intent)?,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(created(want, Arn::new(arn))))
    }
}

fn created(want: &MetricAlarmResolved, arn: Arn) -> Created<MetricAlarm> {
    let outputs = MetricAlarmOutputs { arn, alarm_name: want.alarm_name.clone() };
    Created { id: want.alarm_name.clone(), outputs, complete: true }
}

async fn describe(
    cloudwatch: &CloudWatch,
    names: impl IntoIterator<Item = &str>,
) -> Result<HashMap<String, sdk::MetricAlarm>, CloudError> {
    let alarms = super::describe(cloudwatch, sdk::AlarmType::MetricAlarm, names, |a| a.metric_alarms).await?;
    Ok(alarms.into_iter().filter_map(|a| Some((a.alarm_name.clone()?, a))).collect())
}

/// Whether nothing but tags changes, in which PutMetricAlarm has no part.
fn only_tags(change: &MetricAlarmChange) -> bool {
    let rest = MetricAlarmChange { tags: None, ..change.clone() };
    format!("{rest:?}") == format!("{:?}", MetricAlarmChange::default())
}

/// PutMetricAlarm replaces the whole alarm: fields that the program leaves to AWS, or to whoever switches the actions off for a night or adds a
/// description, are sent as they are.
fn with_what_is_left_alone(
    want: &MetricAlarmResolved,
    change: &MetricAlarmChange,
    there: Option<MetricAlarmResolved>,
) -> MetricAlarmResolved {
    let mut want = want.clone();
    let Some(there) = there else { return want };
    want.actions_enabled = want.actions_enabled.or(there.actions_enabled);
    want.treat_missing_data = want.treat_missing_data.or(there.treat_missing_data);
    // Only percentiles have it, and AWS refuses it with anything else.
    if want.extended_statistic.is_some() {
        let there = there.evaluate_low_sample_count_percentile;
        want.evaluate_low_sample_count_percentile = want.evaluate_low_sample_count_percentile.or(there);
    }
    if want.evaluation_criteria.is_some() {
        want.evaluation_interval = want.evaluation_interval.or(there.evaluation_interval);
    }
    kept(&mut want.alarm_description, change.alarm_description.as_ref(), there.alarm_description);
    kept(&mut want.ok_actions, change.ok_actions.as_ref(), there.ok_actions);
    kept(&mut want.alarm_actions, change.alarm_actions.as_ref(), there.alarm_actions);
    let there_actions = there.insufficient_data_actions;
    kept(&mut want.insufficient_data_actions, change.insufficient_data_actions.as_ref(), there_actions);
    kept(&mut want.action_configuration, change.action_configuration.as_ref(), there.action_configuration);
    // What goes with a metric, with several or with a query is of no use where that becomes another of them.
    let same = want.metric_name == there.metric_name
        && want.namespace == there.namespace
        && want.metrics.is_some() == there.metrics.is_some()
        && want.evaluation_criteria.is_some() == there.evaluation_criteria.is_some();
    if same {
        kept(&mut want.dimensions, change.dimensions.as_ref(), there.dimensions);
        kept(&mut want.unit, change.unit.as_ref(), there.unit);
        kept(&mut want.evaluation_window, change.evaluation_window.as_ref(), there.evaluation_window);
        kept(&mut want.warm_up_configuration, change.warm_up_configuration.as_ref(), there.warm_up_configuration);
        // It is never more than there are data points to look at.
        if change.evaluation_periods.is_none() {
            kept(&mut want.datapoints_to_alarm, change.datapoints_to_alarm.as_ref(), there.datapoints_to_alarm);
        }
    }
    want
}

fn put(
    cloudwatch: &CloudWatch,
    want: &MetricAlarmResolved,
) -> aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder {
    cloudwatch
        .put_metric_alarm()
        .alarm_name(&want.alarm_name)
        .set_alarm_description(want.alarm_description.clone())
        .set_actions_enabled(want.actions_enabled)
        .set_ok_actions(actions(want.ok_actions.as_ref()))
        .set_alarm_actions(actions(want.alarm_actions.as_ref()))
        .set_insufficient_data_actions(actions(want.insufficient_data_actions.as_ref()))
        .set_metric_name(want.metric_name.clone())
        .set_namespace(want.namespace.clone())
        .set_statistic(want.statistic.as_deref().map(sdk::Statistic::from))
        .set_extended_statistic(want.extended_statistic.clone())
        .set_dimensions(blocks::to_dimensions(want.dimensions.as_ref()))
        .set_period(want.period)
        .set_unit(want.unit.as_deref().map(sdk::StandardUnit::from))
        .set_evaluation_periods(want.evaluation_periods)
        .set_datapoints_to_alarm(want.datapoints_to_alarm)
        .set_threshold(want.threshold)
        .set_comparison_operator(want.comparison_operator.as_deref().map(sdk::ComparisonOperator::from))
        .set_treat_missing_data(want.treat_missing_data.clone())
        .set_evaluate_low_sample_count_percentile(want.evaluate_low_sample_count_percentile.clone())
        .set_metrics(want.metrics.as_ref().map(|all| all.iter().map(blocks::to_query).collect()))
        .set_threshold_metric_id(want.threshold_metric_id.clone())
        .set_evaluation_criteria(want.evaluation_criteria.as_ref().and_then(blocks::to_criteria))
        .set_evaluation_interval(want.evaluation_interval)
        .set_evaluation_window(want.evaluation_window.as_ref().map(blocks::to_window))
        .set_warm_up_configuration(want.warm_up_configuration.as_ref().map(blocks::to_warm_up))
        .set_action_configuration(want.action_configuration.as_ref().map(blocks::to_action_configuration))
}

fn shown(target: &Target<'_>, alarm: &sdk::MetricAlarm, tags: TagMap) -> Found<MetricAlarm> {
    let Some(arn) = alarm.alarm_arn() else {
        let message = format!("the answer holds the alarm {} without an ARN", target.id);
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let outputs = MetricAlarmOutputs { arn: Arn::new(arn), alarm_name: target.id.to_owned() };
    Found::present(fields(Some(target), alarm, tags), outputs)
}

fn fields(target: Option<&Target<'_>>, alarm: &sdk::MetricAlarm, tags: TagMap) -> MetricAlarmResolved {
    let metrics: Vec<_> = alarm.metrics().iter().map(blocks::from_query).collect();
    let wanted = target.and_then(|t| t.inputs.get("metrics"));
    let metrics = forms::in_order_of::<MetricDataQuery>(wanted, metrics);
    MetricAlarmResolved {
        alarm_name: alarm.alarm_name().unwrap_or_default().to_owned(),
        alarm_description: text(alarm.alarm_description()),
        actions_enabled: Some(alarm.actions_enabled().unwrap_or(true)),
        ok_actions: actions_of(alarm.ok_actions()),
        alarm_actions: actions_of(alarm.alarm_actions()),
        insufficient_data_actions: actions_of(alarm.insufficient_data_actions()),
        metric_name: text(alarm.metric_name()),
        namespace: text(alarm.namespace()),
        statistic: alarm.statistic().map(|s| s.as_str().to_owned()),
        extended_statistic: text(alarm.extended_statistic()),
        dimensions: blocks::from_dimensions(alarm.dimensions()),
        period: alarm.period,
        unit: alarm.unit().map(|u| u.as_str().to_owned()),
        evaluation_periods: alarm.evaluation_periods,
        datapoints_to_alarm: alarm.datapoints_to_alarm,
        threshold: alarm.threshold,
        comparison_operator: alarm.comparison_operator().map(|c| c.as_str().to_owned()),
        treat_missing_data: text(alarm.treat_missing_data()),
        evaluate_low_sample_count_percentile: text(alarm.evaluate_low_sample_count_percentile()),
        metrics: Some(metrics).filter(|m| !m.is_empty()),
        threshold_metric_id: text(alarm.threshold_metric_id()),
        evaluation_criteria: alarm.evaluation_criteria().map(blocks::from_criteria),
        evaluation_interval: alarm.evaluation_interval,
        evaluation_window: alarm.evaluation_window().and_then(blocks::from_window),
        warm_up_configuration: alarm.warm_up_configuration().and_then(blocks::from_warm_up),
        action_configuration: alarm.action_configuration().and_then(blocks::from_action_configuration),
        tags,
    }
}
