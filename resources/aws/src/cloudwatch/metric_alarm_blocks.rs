//! The parts of alarms, as blocks of fields, and to and from the SDK's structures.

use aws_sdk_cloudwatch::types as sdk;
use phx_model::{Block, Input};

use super::text;

/// A name and a value that tell one metric from others of its name.
#[derive(Clone, Debug, Block)]
pub struct Dimension {
    /// The name: `InstanceId`.
    pub name: Input<String>,
    /// The value.
    pub value: Input<String>,
}

/// A metric, or metric math over others, of an alarm. One of `metric_stat` and `expression` is set.
#[derive(Clone, Debug, Block)]
pub struct MetricDataQuery {
    /// The name by which expressions refer to it; it begins with a lower-case letter.
    pub id: Input<String>,
    /// The metric.
    pub metric_stat: Option<Input<MetricStat>>,
    /// Metric math or a query: `errors / requests * 100`.
    pub expression: Option<Input<String>>,
    /// What graphs call it.
    pub label: Option<Input<String>>,
    /// Whether this is what the alarm watches: so exactly one of an alarm's queries. AWS's default: yes.
    #[field(cloud_default)]
    pub return_data: Option<Input<bool>>,
    /// How many seconds a data point of an expression spans.
    pub period: Option<Input<i32>>,
    /// The account that the metric lies in, if it is another.
    #[field(cloud_default)]
    pub account_id: Option<Input<String>>,
}

/// A metric and how its values become data points.
#[derive(Clone, Debug, Block)]
pub struct MetricStat {
    /// The metric.
    pub metric: Input<Metric>,
    /// How many seconds a data point spans: 1, 5, 10, 30 or a multiple of 60.
    pub period: Input<i32>,
    /// The statistic: `Average`, `p99` … .
    pub stat: Input<String>,
    /// The unit. Unset: any.
    pub unit: Option<Input<String>>,
}

/// A metric by its names.
#[derive(Clone, Debug, Block)]
pub struct Metric {
    /// The namespace: `AWS/EC2`.
    pub namespace: Option<Input<String>>,
    /// The name.
    pub metric_name: Option<Input<String>>,
    /// The dimensions.
    #[field(set)]
    pub dimensions: Option<Input<Vec<Dimension>>>,
}

/// What an alarm without a threshold watches.
#[derive(Clone, Debug, Block)]
pub struct EvaluationCriteria {
    /// A query in PromQL.
    pub prom_ql_criteria: Option<Input<PromQlCriteria>>,
}

/// A query that finds what is wrong.
#[derive(Clone, Debug, Block)]
pub struct PromQlCriteria {
    /// The query. Whatever it finds is in alarm.
    pub query: Input<String>,
    /// For how many seconds something must be found before it is in alarm.
    #[field(cloud_default)]
    pub pending_period: Option<Input<i32>>,
    /// For how many seconds something must not be found before it is out of alarm.
    #[field(cloud_default)]
    pub recovery_period: Option<Input<i32>>,
}

/// Which stretch of time each evaluation looks at. Unset: one that ends now.
#[derive(Clone, Debug, Block)]
pub struct EvaluationWindow {
    /// Stretches that begin with the clock's: hours, days, weeks.
    pub wall_clock_window: Option<Input<WallClockWindow>>,
}

/// Stretches of time by the clock.
#[derive(Clone, Debug, Block)]
pub struct WallClockWindow {
    /// Whose clock: `Europe/Berlin`, `+05:30`. AWS's default: UTC.
    #[field(cloud_default)]
    pub timezone: Option<Input<String>>,
}

/// How long a new or changed alarm waits before it is evaluated.
#[derive(Clone, Debug, Block)]
pub struct WarmUpConfiguration {
    /// The minutes.
    pub warm_up_period_duration_in_minutes: Input<i32>,
    /// Whether it waits all that time even if there is data enough before. AWS's default: no.
    #[field(cloud_default)]
    pub only_start_evaluating_after_warm_up_period_ends: Option<Input<bool>>,
}

/// What an alarm's actions are told besides its state.
#[derive(Clone, Debug, Block)]
pub struct ActionConfiguration {
    /// Which of the alarm's tags.
    pub alarm_tags_propagation: Option<Input<AlarmTagsPropagation>>,
}

/// Which of an alarm's tags its notifications carry. At most one of the two lists is set.
#[derive(Clone, Debug, Block)]
pub struct AlarmTagsPropagation {
    /// Whether they carry tags at all.
    pub enabled: Input<bool>,
    /// Only tags with these keys.
    #[field(set)]
    pub included_tag_keys: Option<Input<Vec<String>>>,
    /// All tags but those with these keys.
    #[field(set)]
    pub excluded_tag_keys: Option<Input<Vec<String>>>,
}

pub(super) fn to_dimensions(want: Option<&Vec<DimensionResolved>>) -> Option<Vec<sdk::Dimension>> {
    let one = |d: &DimensionResolved| sdk::Dimension::builder().name(&d.name).value(&d.value).build();
    want.map(|dimensions| dimensions.iter().map(one).collect())
}

pub(super) fn from_dimensions(there: &[sdk::Dimension]) -> Option<Vec<DimensionResolved>> {
    let one = |d: &sdk::Dimension| Some(DimensionResolved { name: d.name.clone()?, value: d.value.clone()? });
    Some(there.iter().filter_map(one).collect()).filter(|all: &Vec<_>| !all.is_empty())
}

pub(super) fn to_query(want: &MetricDataQueryResolved) -> sdk::MetricDataQuery {
    sdk::MetricDataQuery::builder()
        .id(&want.id)
        .set_metric_stat(want.metric_stat.as_ref().map(to_stat))
        .set_expression(want.expression.clone())
        .set_label(want.label.clone())
        .set_return_data(want.return_data)
        .set_period(want.period)
        .set_account_id(want.account_id.clone())
        .build()
}

pub(super) fn from_query(there: &sdk::MetricDataQuery) -> MetricDataQueryResolved {
    MetricDataQueryResolved {
        id: there.id().unwrap_or_default().to_owned(),
        metric_stat: there.metric_stat().map(from_stat),
        expression: text(there.expression()),
        label: text(there.label()),
        return_data: Some(there.return_data().unwrap_or(true)),
        period: there.period,
        account_id: text(there.account_id()),
    }
}

fn to_stat(want: &MetricStatResolved) -> sdk::MetricStat {
    let metric = sdk::Metric::builder()
        .set_namespace(want.metric.namespace.clone())
        .set_metric_name(want.metric.metric_name.clone())
        .set_dimensions(to_dimensions(want.metric.dimensions.as_ref()))
        .build();
    sdk::MetricStat::builder()
        .metric(metric)
        .period(want.period)
        .stat(&want.stat)
        .set_unit(want.unit.as_deref().map(sdk::StandardUnit::from))
        .build()
}

fn from_stat(there: &sdk::MetricStat) -> MetricStatResolved {
    let metric = there.metric();
    MetricStatResolved {
        metric: MetricResolved {
            namespace: text(metric.and_then(|m| m.namespace())),
            metric_name: text(metric.and_then(|m| m.metric_name())),
            dimensions: metric.and_then(|m| from_dimensions(m.dimensions())),
        },
        period: there.period().unwrap_or_default(),
        stat: there.stat().unwrap_or_default().to_owned(),
        unit: there.unit().map(|u| u.as_str().to_owned()),
    }
}

pub(super) fn to_criteria(want: &EvaluationCriteriaResolved) -> Option<sdk::EvaluationCriteria> {
    let query = want.prom_ql_criteria.as_ref()?;
    let criteria = sdk::AlarmPromQlCriteria::builder()
        .query(&query.query)
        .set_pending_period(query.pending_period)
        .set_recovery_period(query.recovery_period)
        .build();
    Some(sdk::EvaluationCriteria::PromQlCriteria(criteria))
}

pub(super) fn from_criteria(there: &sdk::EvaluationCriteria) -> EvaluationCriteriaResolved {
    let query = there.as_prom_ql_criteria().ok().map(|c| PromQlCriteriaResolved {
        query: c.query().unwrap_or_default().to_owned(),
        pending_period: c.pending_period,
        recovery_period: c.recovery_period,
    });
    EvaluationCriteriaResolved { prom_ql_criteria: query }
}

pub(super) fn to_window(want: &EvaluationWindowResolved) -> sdk::EvaluationWindow {
    match &want.wall_clock_window {
        Some(clock) => {
            let clock = sdk::WallClockWindow::builder().set_timezone(clock.timezone.clone()).build();
            sdk::EvaluationWindow::WallClockWindow(clock)
        }
        None => sdk::EvaluationWindow::SlidingWindow(sdk::SlidingWindow::builder().build()),
    }
}

/// A sliding window is what every alarm has that sets none.
pub(super) fn from_window(there: &sdk::EvaluationWindow) -> Option<EvaluationWindowResolved> {
    let clock = there.as_wall_clock_window().ok()?;
    Some(EvaluationWindowResolved {
        wall_clock_window: Some(WallClockWindowResolved { timezone: text(clock.timezone()) }),
    })
}

pub(super) fn to_warm_up(want: &WarmUpConfigurationResolved) -> sdk::WarmUpConfiguration {
    sdk::WarmUpConfiguration::builder()
        .warm_up_period_duration_in_minutes(want.warm_up_period_duration_in_minutes)
        .set_only_start_evaluating_after_warm_up_period_ends(want.only_start_evaluating_after_warm_up_period_ends)
        .build()
}

pub(super) fn from_warm_up(there: &sdk::WarmUpConfiguration) -> Option<WarmUpConfigurationResolved> {
    Some(WarmUpConfigurationResolved {
        warm_up_period_duration_in_minutes: there.warm_up_period_duration_in_minutes()?,
        only_start_evaluating_after_warm_up_period_ends: there.only_start_evaluating_after_warm_up_period_ends(),
    })
}

pub(super) fn to_action_configuration(want: &ActionConfigurationResolved) -> sdk::ActionConfiguration {
    let tags = want.alarm_tags_propagation.as_ref().map(|tags| {
        sdk::AlarmTagsPropagation::builder()
            .enabled(tags.enabled)
            .set_included_tag_keys(tags.included_tag_keys.clone())
            .set_excluded_tag_keys(tags.excluded_tag_keys.clone())
            .build()
    });
    sdk::ActionConfiguration::builder().set_alarm_tags_propagation(tags).build()
}

pub(super) fn from_action_configuration(there: &sdk::ActionConfiguration) -> Option<ActionConfigurationResolved> {
    let tags = there.alarm_tags_propagation()?;
    let keys = |keys: &[String]| Some(keys.to_vec()).filter(|k| !k.is_empty());
    Some(ActionConfigurationResolved {
        alarm_tags_propagation: Some(AlarmTagsPropagationResolved {
            enabled: tags.enabled().unwrap_or(false),
            included_tag_keys: keys(tags.included_tag_keys()),
            excluded_tag_keys: keys(tags.excluded_tag_keys()),
        }),
    })
}

/// Alarms of which nothing is said about their tags may say that none are carried.
pub(super) fn no_tags_is_unset(value: &phx_model::Value) -> phx_model::Value {
    use phx_model::Value;
    let part = |value: &Value, name: &str| match value.expose() {
        Value::Map(parts) => parts.get(name).map(|v| v.expose().clone()),
        _ => None,
    };
    match part(value, "alarm_tags_propagation").as_ref().map(|tags| part(tags, "enabled")) {
        Some(Some(Value::Bool(true))) => value.expose().clone(),
        _ => Value::Null,
    }
}
