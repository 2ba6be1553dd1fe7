//! [`Target`].
//!
//! No emulator serves parameters of ECS, Batch, Redshift, Systems Manager, SageMaker and AppSync as AWS does; those parts follow the service
//! model alone.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::target_blocks::{
    AppSyncParameters, BatchParameters, DeadLetterConfig, EcsParameters, HttpParameters, InputTransformer,
    KinesisParameters, RedshiftDataParameters, RetryPolicy, RunCommandTarget, SageMakerPipelineParameter,
    SqsParameters,
};
use super::target_convert::{from_target, to_target};
use super::{DEFAULT_BUS, EventRuleName, Events, PAGE, bus_name, once_free, rule_id, split, unless_absent};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target as Asked};
use crate::{batch, owner};

/// What a rule sends its events to.
///
/// A target bears no mark: one of its rule with the same id that is already there is taken over if it is just as the program wants it, and
/// otherwise left alone.
///
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:events:Target",
    terraform = "aws_cloudwatch_event_target",
    identity = NaturalKey,
    unique(rule, event_bus_name, target_id)
)]
pub struct Target {
    /// The rule.
    #[field(replace)]
    pub rule: Input<EventRuleName>,
    /// The rule's bus, by name or ARN. Unset: the account's own, `default`.
    #[field(replace, cloud_default, normalize = super::bus)]
    pub event_bus_name: Option<Input<String>>,
    /// What tells it from the rule's other targets.
    #[field(replace)]
    pub target_id: Input<String>,
    /// What the events are sent to: a function, queue, topic, stream, log group, state machine, another bus … .
    pub arn: Input<Arn>,
    /// The role with which they are sent, where the target's own policy does not allow it.
    pub role_arn: Option<Input<Arn>>,
    /// What is sent in place of the event: JSON. At most one of it, `input_path` and `input_transformer` is set.
    #[field(json)]
    pub input: Option<Input<Json>>,
    /// The part of the event that is sent: `$.detail`.
    pub input_path: Option<Input<String>>,
    /// What is made of the event and sent.
    pub input_transformer: Option<Input<InputTransformer>>,
    /// Of a Kinesis stream.
    pub kinesis_parameters: Option<Input<KinesisParameters>>,
    /// Of Systems Manager's Run Command: the instances.
    pub run_command_parameters: Option<Input<Vec<RunCommandTarget>>>,
    /// Of an ECS task.
    pub ecs_parameters: Option<Input<EcsParameters>>,
    /// Of a Batch job.
    pub batch_parameters: Option<Input<BatchParameters>>,
    /// Of a queue.
    pub sqs_parameters: Option<Input<SqsParameters>>,
    /// Of an API or an API destination.
    pub http_parameters: Option<Input<HttpParameters>>,
    /// Of a Redshift cluster.
    pub redshift_data_parameters: Option<Input<RedshiftDataParameters>>,
    /// Of a SageMaker pipeline.
    pub sage_maker_pipeline_parameters: Option<Input<Vec<SageMakerPipelineParameter>>>,
    /// Where events go that cannot be delivered.
    pub dead_letter_config: Option<Input<DeadLetterConfig>>,
    /// How long and how often delivery is tried.
    #[field(cloud_default)]
    pub retry_policy: Option<Input<RetryPolicy>>,
    /// Of an AppSync API.
    pub app_sync_parameters: Option<Input<AppSyncParameters>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct TargetOutputs {
    /// Rule and target, and before them the bus if it is not the default one: `nightly/function`, `orders/nightly/function`.
    pub id: String,
}

impl Manage for Target {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Asked<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let events = &aws.events(cx).await?;
        let rules: BTreeMap<&str, ()> = targets.iter().filter_map(|t| Some((t.id.rsplit_once('/')?.0, ()))).collect();
        let asked = batch::each(rules.into_keys(), |rule| async move {
            let (bus, name) = split(rule);
            Ok((rule, of_rule(events, bus, name).await))
        });
        let rules: HashMap<&str, Result<Vec<sdk::Target>, CloudError>> = asked.await?.into_iter().collect();
        let found = |target: &Asked<'_>| {
            let Some((rule, id)) = target.id.rsplit_once('/') else { return Found::Failed(malformed(target.id)) };
            match rules.get(rule) {
                Some(Ok(all)) => all.iter().find(|t| t.id == id).map_or(Found::Gone, |there| {
                    let (bus, name) = split(rule);
                    Found::present(from_target(bus, name, there), TargetOutputs { id: target.id.to_owned() })
                }),
                Some(Err(error)) => Found::Failed(error.clone()),
                None => Found::Gone,
            }
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &TargetResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let events = &aws.events(cx).await?;
        // PutTargets overwrites whatever has the id. A rule that was made just now has no targets.
        if !events.is_first_in("rule", &rule_id(want.event_bus_name.as_deref(), want.rule.as_str()), &want.target_id)
            && let Some(there) = Self::find(aws, cx, want, intent).await?
        {
            return Ok(there);
        }
        put(events, cx, want).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &TargetResolved,
        change: &TargetChange,
    ) -> Result<Option<TargetOutputs>, CloudError> {
        let events = &aws.events(cx).await?;
        let (rule, target) = id.rsplit_once('/').ok_or_else(|| malformed(id))?;
        let (bus, name) = split(rule);
        let mut want = want.clone();
        // The whole target is written over: what the program never set is sent as it is.
        if let Some(there) = of_rule(events, bus, name).await?.iter().find(|there| there.id == target) {
            keep(&mut want, change, from_target(bus, name, there));
        }
        put(events, cx, &want).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&TargetResolved>) -> Result<(), CloudError> {
        let events = &aws.events(cx).await?;
        let (rule, target) = id.rsplit_once('/').ok_or_else(|| malformed(id))?;
        let (bus, name) = split(rule);
        let request = events.remove_targets().rule(name).event_bus_name(bus).ids(target);
        let removed = once_free(cx, || async {
            let answer = events.write_idempotent("RemoveTargets", || request.clone().send()).await?;
            let failed = answer.failed_entries.unwrap_or_default().into_iter().next();
            failed.map_or(Ok(()), |f| Err(refused(events, "RemoveTargets", f.error_code, f.error_message)))
        });
        unless_absent(removed.await).map(drop)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &TargetResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let events = &aws.events(cx).await?;
        let bus = want.event_bus_name.as_deref().map_or(DEFAULT_BUS, bus_name);
        let targets = of_rule(events, bus, want.rule.as_str()).await?;
        let Some(there) = targets.iter().find(|t| t.id == want.target_id) else { return Ok(None) };
        let what = format!("the target {} of the rule {}", want.target_id, want.rule);
        owner::check_alike::<Self>(&what, want, &from_target(bus, want.rule.as_str(), there))?;
        Ok(Some(created(want)))
    }
}

fn created(want: &TargetResolved) -> Created<Target> {
    let id = format!("{}/{}", rule_id(want.event_bus_name.as_deref(), want.rule.as_str()), want.target_id);
    Created { outputs: TargetOutputs { id: id.clone() }, id, complete: true }
}

/// Takes over what is there and neither set by the program nor to be taken away.
fn keep(want: &mut TargetResolved, change: &TargetChange, there: TargetResolved) {
    macro_rules! keep {
        ($($field:ident),*) => {$(
            if change.$field.is_none() {
                want.$field = want.$field.take().or(there.$field);
            }
        )*};
    }
    keep!(retry_policy, dead_letter_config);
    // At most one of the three is set.
    if want.input.is_none() && want.input_path.is_none() && want.input_transformer.is_none() {
        keep!(input, input_path, input_transformer);
    }
    // What is sent elsewhere takes neither the role nor the parameters of where it was sent before.
    if change.arn.is_none() {
        keep!(role_arn, kinesis_parameters, run_command_parameters, ecs_parameters, batch_parameters, sqs_parameters);
        keep!(http_parameters, redshift_data_parameters, sage_maker_pipeline_parameters, app_sync_parameters);
    }
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no rule and target"))
        .hint("write it as RULE/TARGET, with the bus before it if it is not the default one: orders/nightly/function")
}

/// The calls about targets succeed even if what they were called for did not: then the answer says so.
fn refused(events: &Events, operation: &str, code: Option<String>, message: Option<String>) -> CloudError {
    let kind = crate::call::kind_of(code.as_deref(), 400);
    let message = message.unwrap_or_else(|| "refused".to_owned());
    CloudError { kind, code, ..events.unexpected(operation, message) }
}

async fn put(events: &Events, cx: &Cx, want: &TargetResolved) -> Result<(), CloudError> {
    let request = events
        .put_targets()
        .rule(want.rule.as_str())
        .set_event_bus_name(want.event_bus_name.clone())
        .targets(to_target(want)?);
    once_free(cx, || async {
        let answer = events.write_idempotent("PutTargets", || request.clone().send()).await?;
        let failed = answer.failed_entries.unwrap_or_default().into_iter().next();
        failed.map_or(Ok(()), |f| Err(refused(events, "PutTargets", f.error_code, f.error_message)))
    })
    .await
}

/// The targets of a rule. A rule that is not there has none.
pub(super) async fn of_rule(events: &Events, bus: &str, rule: &str) -> Result<Vec<sdk::Target>, CloudError> {
    let all = batch::pages(|token| async move {
        let request = events.list_targets_by_rule().rule(rule).event_bus_name(bus).limit(PAGE).set_next_token(token);
        let answer = events.read("ListTargetsByRule", || request.clone().send()).await?;
        Ok((answer.targets.unwrap_or_default(), answer.next_token))
    });
    Ok(unless_absent(all.await)?.unwrap_or_default())
}
