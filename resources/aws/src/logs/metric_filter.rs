//! [`MetricFilter`].
//!
//! No emulator keeps field selection, system fields as dimensions, or filters of transformed logs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_cloudwatchlogs::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::log_group::once_free;
use super::{FILTERS, LogGroupName, Logs, malformed, split};
use crate::client::Aws;
use crate::forms::off_is_unset;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner};

/// Up to so many groups are asked for their filters one by one.
const GROUPS_ONE_BY_ONE: usize = 3;

/// What of a log group's events becomes a metric.
///
/// A filter bears no mark: one of that name that is already there is taken over if it is just as the program wants it, and otherwise left alone.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:logs:MetricFilter",
    terraform = "aws_cloudwatch_log_metric_filter",
    cloudformation = "AWS::Logs::MetricFilter",
    identity = NaturalKey,
    unique(log_group_name, filter_name),
    vanishes_with(log_group_name)
)]
pub struct MetricFilter {
    /// The log group.
    #[field(replace)]
    pub log_group_name: Input<LogGroupName>,
    /// The name, unique in the log group.
    #[field(replace)]
    pub filter_name: Input<String>,
    /// Which events count: `ERROR`, `{ $.status = 500 }`. Empty: all.
    pub filter_pattern: Input<String>,
    /// The metric. AWS takes exactly one.
    pub metric_transformations: Input<Vec<MetricTransformation>>,
    /// Whether the events are taken as the group's transformer has changed them. Unset: no.
    #[field(normalize = off_is_unset)]
    pub apply_on_transformed_logs: Option<Input<bool>>,
    /// Which of a centralised group's events count by where they come from: `@aws.region IN ["us-west-2"]`.
    pub field_selection_criteria: Option<Input<String>>,
    /// System fields that become dimensions: `@aws.account`, `@aws.region`.
    #[field(set)]
    pub emit_system_field_dimensions: Option<Input<Vec<String>>>,
}

/// The metric that a filter's events become.
#[derive(Clone, Debug, Block)]
pub struct MetricTransformation {
    /// The metric's name.
    pub metric_name: Input<String>,
    /// The metric's namespace.
    pub metric_namespace: Input<String>,
    /// What an event adds: a number, or a field of the event: `1`, `$.bytes`.
    pub metric_value: Input<String>,
    /// What is told for a time without such events. Unset: nothing. Not with `dimensions`.
    pub default_value: Option<Input<f64>>,
    /// Dimensions, up to three, and the fields of the event that give their values.
    pub dimensions: Option<Input<BTreeMap<String, String>>>,
    /// The unit: `Count`, `Bytes` … . Unset, it is `None`.
    #[field(cloud_default)]
    pub unit: Option<Input<String>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct MetricFilterOutputs {
    /// Log group and filter: `/aws/eks/demo/cluster:errors`.
    pub id: String,
}

/// The filters of each log group that was asked for, by name.
type Filters = HashMap<String, Result<HashMap<String, sdk::MetricFilter>, CloudError>>;

impl Manage for MetricFilter {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let mut groups: BTreeSet<&str> = targets.iter().filter_map(|t| Some(split(t.id)?.0)).collect();
        let mut filters = Filters::new();
        if groups.len() > GROUPS_ONE_BY_ONE {
            let (listed, whole) = list(logs, groups.len()).await?;
            for (group, filter) in listed.into_iter().filter_map(|f| Some((f.log_group_name.clone()?, f))) {
                let named = filters.entry(group).or_insert_with(|| Ok(HashMap::new()));
                if let (Ok(named), Some(name)) = (named, filter.filter_name.clone()) {
                    named.insert(name, filter);
                }
            }
            let there = |id: &str| {
                let found = split(id).map(|(group, name)| (filters.get(group), name));
                matches!(found, Some((Some(Ok(named)), name)) if named.contains_key(name))
            };
            let unclear = targets.iter().filter(|t| !whole && !there(t.id));
            groups = unclear.filter_map(|t| Some(split(t.id)?.0)).collect();
        }
        let asked =
            batch::each(groups, |group| async move { Ok((group.to_owned(), of_group(logs, group, None).await)) });
        filters.extend(asked.await?);
        Ok(targets.iter().map(|target| found(target, &filters)).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &MetricFilterResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // PutMetricFilter overwrites whatever has the name.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        put(&aws.logs(cx).await?, cx, want).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &MetricFilterResolved,
        change: &MetricFilterChange,
    ) -> Result<Option<MetricFilterOutputs>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let (group, name) = split(id).ok_or_else(|| malformed(id))?;
        let mut want = want.clone();
        // The whole filter is written over: what the program never set is sent as it is.
        if let Some(there) = of_group(logs, group, Some(name)).await?.get(name) {
            keep(&mut want, change, fields(there));
        }
        put(logs, cx, &want).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&MetricFilterResolved>) -> Result<(), CloudError> {
        let logs = &aws.logs(cx).await?;
        let (group, filter) = split(id).ok_or_else(|| malformed(id))?;
        let request = logs.delete_metric_filter().log_group_name(group).filter_name(filter);
        match once_free(cx, || logs.write_idempotent("DeleteMetricFilter", || request.clone().send())).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &MetricFilterResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let logs = &aws.logs(cx).await?;
        let joint = logs.joint("metric filters");
        let there = joint.one(&created(want).id, |ids| async move { by_ids(logs, &ids).await }).await?;
        let Some(there) = there.as_ref() else { return Ok(None) };
        let what = format!("the metric filter {} of {}", want.filter_name, want.log_group_name);
        owner::check_alike::<Self>(&what, want, &fields(there))?;
        Ok(Some(created(want)))
    }
}

fn created(want: &MetricFilterResolved) -> Created<MetricFilter> {
    let id = format!("{}:{}", want.log_group_name, want.filter_name);
    Created { outputs: MetricFilterOutputs { id: id.clone() }, id, complete: true }
}

/// Takes over what is there and neither set by the program nor to be taken away.
fn keep(want: &mut MetricFilterResolved, change: &MetricFilterChange, there: MetricFilterResolved) {
    if change.apply_on_transformed_logs.is_none() {
        let on = there.apply_on_transformed_logs.filter(|on| *on);
        want.apply_on_transformed_logs = want.apply_on_transformed_logs.or(on);
    }
    if change.field_selection_criteria.is_none() {
        want.field_selection_criteria = want.field_selection_criteria.take().or(there.field_selection_criteria);
    }
    if change.emit_system_field_dimensions.is_none() {
        let dimensions = want.emit_system_field_dimensions.take();
        want.emit_system_field_dimensions = dimensions.or(there.emit_system_field_dimensions);
    }
    // There is one metric.
    if let ([want], [there]) = (&mut want.metric_transformations[..], &there.metric_transformations[..]) {
        want.unit = want.unit.take().or_else(|| there.unit.clone());
    }
}

async fn put(logs: &Logs, cx: &Cx, want: &MetricFilterResolved) -> Result<(), CloudError> {
    let request = logs
        .put_metric_filter()
        .log_group_name(want.log_group_name.as_str())
        .filter_name(&want.filter_name)
        .filter_pattern(&want.filter_pattern)
        .set_metric_transformations(Some(
            want.metric_transformations.iter().map(to_transformation).collect::<Result<_, _>>()?,
        ))
        .set_apply_on_transformed_logs(want.apply_on_transformed_logs)
        .set_field_selection_criteria(want.field_selection_criteria.clone())
        .set_emit_system_field_dimensions(want.emit_system_field_dimensions.clone());
    once_free(cx, || logs.write_idempotent("PutMetricFilter", || request.clone().send())).await.map(drop)
}

/// All filters of the account, or as many of them as are told in so many calls. Tells whether it is all.
async fn list(logs: &Logs, most: usize) -> Result<(Vec<sdk::MetricFilter>, bool), CloudError> {
    let (mut all, mut token) = (Vec::new(), None);
    for _ in 0..most {
        let request = logs.describe_metric_filters().limit(FILTERS).set_next_token(token.clone());
        let answer = logs.read("DescribeMetricFilters", || request.clone().send()).await?;
        all.extend(answer.metric_filters.unwrap_or_default());
        match answer.next_token.filter(|next| !next.is_empty()) {
            // The same page for ever: what else there is is not known.
            Some(next) if Some(&next) == token.as_ref() => return Ok((all, false)),
            Some(next) => token = Some(next),
            None => return Ok((all, true)),
        }
    }
    Ok((all, false))
}

/// Some filters by their ids; those of one group with one call.
async fn by_ids(logs: &Logs, ids: &BTreeSet<String>) -> Result<HashMap<String, sdk::MetricFilter>, CloudError> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, filter) in ids.iter().filter_map(|id| split(id)) {
        groups.entry(group).or_default().push(filter);
    }
    let found = batch::each(groups, |(group, filters)| async move {
        let prefix = if let [filter] = filters[..] { Some(filter) } else { None };
        let named = of_group(logs, group, prefix).await?;
        Ok(named.into_iter().map(|(name, filter)| (format!("{group}:{name}"), filter)).collect::<Vec<_>>())
    });
    Ok(found.await?.into_iter().flatten().collect())
}

/// The filters of one log group, by name. A group that is not there has none.
async fn of_group(
    logs: &Logs,
    group: &str,
    prefix: Option<&str>,
) -> Result<HashMap<String, sdk::MetricFilter>, CloudError> {
    let answer = batch::pages(|token| async move {
        let request = logs
            .describe_metric_filters()
            .log_group_name(group)
            .set_filter_name_prefix(prefix.map(str::to_owned))
            .limit(FILTERS)
            .set_next_token(token);
        let answer = logs.read("DescribeMetricFilters", || request.clone().send()).await?;
        Ok((answer.metric_filters.unwrap_or_default(), answer.next_token))
    });
    match answer.await {
        // Not every endpoint heeds the group's name.
        Ok(filters) => Ok(filters
            .into_iter()
            .filter(|f| f.log_group_name().is_none_or(|of| of == group))
            .filter_map(|f| Some((f.filter_name.clone()?, f)))
            .collect()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error),
    }
}

fn found(target: &Target<'_>, filters: &Filters) -> Found<MetricFilter> {
    let Some((group, name)) = split(target.id) else { return Found::Failed(malformed(target.id)) };
    match filters.get(group) {
        Some(Ok(named)) => named.get(name).map_or(Found::Gone, |filter| {
            let mut fields = fields(filter);
            fields.log_group_name = LogGroupName::new(group);
            Found::present(fields, MetricFilterOutputs { id: target.id.to_owned() })
        }),
        Some(Err(error)) => Found::Failed(error.clone()),
        None => Found::Gone,
    }
}

fn fields(filter: &sdk::MetricFilter) -> MetricFilterResolved {
    MetricFilterResolved {
        log_group_name: LogGroupName::new(filter.log_group_name().unwrap_or_default()),
        filter_name: filter.filter_name().unwrap_or_default().to_owned(),
        filter_pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
        metric_transformations: filter.metric_transformations().iter().map(from_transformation).collect(),
        apply_on_transformed_logs: Some(filter.apply_on_transformed_logs),
        field_selection_criteria: filter.field_selection_criteria.clone().filter(|c| !c.is_empty()),
        emit_system_field_dimensions: filter.emit_system_field_dimensions.clone().filter(|d| !d.is_empty()),
    }
}

fn to_transformation(want: &MetricTransformationResolved) -> Result<sdk::MetricTransformation, CloudError> {
    sdk::MetricTransformation::builder()
        .metric_name(&want.metric_name)
        .metric_namespace(&want.metric_namespace)
        .metric_value(&want.metric_value)
        .set_default_value(want.default_value)
        .set_dimensions(want.dimensions.clone().map(|d| d.into_iter().collect()))
        // Said even if it is what AWS takes by itself: Terraform always says it, and not everybody who stands in for AWS fills it in.
        .unit(want.unit.as_deref().map_or(sdk::StandardUnit::None, sdk::StandardUnit::from))
        .build()
        .map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))
}

fn from_transformation(there: &sdk::MetricTransformation) -> MetricTransformationResolved {
    MetricTransformationResolved {
        metric_name: there.metric_name.clone(),
        metric_namespace: there.metric_namespace.clone(),
        metric_value: there.metric_value.clone(),
        default_value: there.default_value,
        dimensions: there.dimensions.clone().filter(|d| !d.is_empty()).map(|d| d.into_iter().collect()),
        unit: there.unit().map(|u| u.as_str().to_owned()),
    }
}
