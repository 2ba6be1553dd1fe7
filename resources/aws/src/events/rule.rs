//! [`Rule`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_eventbridge::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{
    DEFAULT_BUS, EventRuleName, Events, PAGE, UNTIL_FREE, bus_name, once_free, rule_id, split, text, unless_absent,
};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, forms, owner, wait};

/// Up to so many rules of one bus are asked for one by one, all at once.
const ONE_BY_ONE: usize = 3;

/// Which events of a bus count, or at what times one is made. What they are sent to are its targets.
///
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:events:Rule",
    terraform = "aws_cloudwatch_event_rule",
    cloudformation = "AWS::Events::Rule",
    identity = NaturalKey,
    unique(name, event_bus_name)
)]
pub struct Rule {
    /// The name, unique in the bus.
    #[field(replace)]
    pub name: Input<String>,
    /// The bus, by name or ARN. Unset: the account's own, `default`.
    #[field(replace, cloud_default, normalize = super::bus)]
    pub event_bus_name: Option<Input<String>>,
    /// Which events count: `{"source": ["aws.ec2"]}`. It or `schedule_expression` is set, or both.
    #[field(json)]
    pub event_pattern: Option<Input<Json>>,
    /// When an event is made, on the default bus: `cron(0 20 * * ? *)`, `rate(5 minutes)`.
    pub schedule_expression: Option<Input<String>>,
    /// `ENABLED` (AWS's default), `DISABLED`, or `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`.
    #[field(cloud_default)]
    pub state: Option<Input<String>>,
    /// What it is for.
    #[field(normalize = forms::empty_is_unset)]
    pub description: Option<Input<String>>,
    /// The role with which it sends to targets that name none.
    pub role_arn: Option<Input<Arn>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RuleOutputs {
    /// The name, by which targets refer to the rule.
    pub name: EventRuleName,
    /// The ARN.
    pub arn: Arn,
}

/// What AWS tells of a rule, alone or in a list.
#[derive(Clone)]
struct Shown {
    arn: String,
    pattern: Option<String>,
    schedule: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role: Option<String>,
}

impl Manage for Rule {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let events = &aws.events(cx).await?;
        let mut buses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (bus, rule) in targets.iter().map(|t| split(t.id)) {
            buses.entry(bus).or_default().insert(rule);
        }
        let asked =
            batch::each(buses, |(bus, rules)| async move { Ok((bus, of_bus(events, bus, &rules).await)) }).await?;
        let rules: HashMap<&str, Result<HashMap<String, Shown>, CloudError>> = asked.into_iter().collect();
        let there = |target: &Target<'_>| {
            let (bus, rule) = split(target.id);
            match rules.get(bus) {
                Some(Ok(named)) => Ok(named.get(rule)),
                Some(Err(error)) => Err(error.clone()),
                None => Ok(None),
            }
        };
        let arn = |at: usize| there(&targets[at]).ok().flatten().map(|rule| rule.arn.clone());
        let ask = |_: &str, arn: String| async move { list_tags(events, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = targets.iter().enumerate().map(|(at, target)| {
            let rule = match there(target) {
                Ok(Some(rule)) => rule,
                Ok(None) => return Found::Gone,
                Err(error) => return Found::Failed(error),
            };
            match tags.remove(&at) {
                None => shown(target, rule, TagMap::new()),
                Some(Ok(Some(tags))) => shown(target, rule, tags),
                Some(Ok(None)) => Found::Gone,
                Some(Err(error)) => Found::Failed(error),
            }
        });
        Ok(found.collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &RuleResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        // PutRule overwrites whatever has the name, and then takes no notice of tags.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        let events = &aws.events(cx).await?;
        let request = put(events, want).set_tags(Some(to_tags(&with_intent(&want.tags, intent))?));
        let answer = once_free(cx, || events.write_idempotent("PutRule", || request.clone().send())).await?;
        let arn = answer.rule_arn.ok_or_else(|| events.unexpected("PutRule", "the answer names no rule"))?;
        events.note_made("rule", &rule_id(want.event_bus_name.as_deref(), &want.name));
        Ok(created(want, &arn))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RuleResolved,
        change: &RuleChange,
    ) -> Result<Option<RuleOutputs>, CloudError> {
        let events = &aws.events(cx).await?;
        let (bus, rule) = split(id);
        let there = describe(events, bus, rule).await?;
        let there = there.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..events.unexpected("DescribeRule", format!("there is no rule {id}"))
        })?;
        if !only_tags(change) {
            let mut want = want.clone();
            // Whoever disabled the rule has it disabled: what is not sent would become the default, or nothing.
            want.state = want.state.or_else(|| there.state.clone());
            keep(&mut want, change, &there);
            let request = put(events, &want);
            once_free(cx, || events.write_idempotent("PutRule", || request.clone().send())).await?;
        }
        if let Some(tags) = &change.tags {
            update_tags(events, cx, &there.arn, TagDelta::of(tags)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&RuleResolved>) -> Result<(), CloudError> {
        let events = &aws.events(cx).await?;
        let (bus, rule) = split(id);
        let request = events.delete_rule().name(rule).event_bus_name(bus);
        let send = || async {
            let sent = once_free(cx, || events.write_idempotent("DeleteRule", || request.clone().send())).await;
            match sent {
                Err(error) if holds_targets(&error) => Err(held(events, bus, rule, error).await),
                sent => sent,
            }
        };
        // Targets that are gone may be in its way for a while longer.
        match wait::eventually(cx, UNTIL_FREE, holds_targets, send).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RuleResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let events = &aws.events(cx).await?;
        let bus = want.event_bus_name.as_deref().map_or(DEFAULT_BUS, bus_name);
        let id = rule_id(want.event_bus_name.as_deref(), &want.name);
        let joint = events.joint("rules");
        let Some(rule) = joint.one(&id, |ids| by_ids(events, ids)).await? else { return Ok(None) };
        let Some(tags) = unless_absent(list_tags(events, &rule.arn).await)? else { return Ok(None) };
        owner::check(&format!("the rule {} of the event bus {bus}", want.name), &tags, intent)?;
        Ok(Some(created(want, &rule.arn)))
    }
}

fn created(want: &RuleResolved, arn: &str) -> Created<Rule> {
    let outputs = RuleOutputs { name: EventRuleName::new(&want.name), arn: Arn::new(arn) };
    Created { id: rule_id(want.event_bus_name.as_deref(), &want.name), outputs, complete: true }
}

/// The rule has targets, as far as EventBridge knows.
fn holds_targets(error: &CloudError) -> bool {
    error.kind == ErrorKind::Invalid && error.message.contains("has targets")
}

/// Which targets hold a rule, if there are any.
async fn held(events: &Events, bus: &str, rule: &str, error: CloudError) -> CloudError {
    let targets = match super::target::of_rule(events, bus, rule).await {
        Ok(targets) if !targets.is_empty() => targets,
        _ => return error,
    };
    let ids: Vec<&str> = targets.iter().map(|t| t.id.as_str()).collect();
    let hint = format!("it still has the targets {}; delete those first, if phx does not manage them", ids.join(", "));
    CloudError { kind: ErrorKind::InUse, ..error }.hint(hint)
}

/// Takes over what is there and neither set by the program nor to be taken away.
fn keep(want: &mut RuleResolved, change: &RuleChange, there: &Shown) {
    if want.event_pattern.is_none() && change.event_pattern.is_none() {
        want.event_pattern = forms::document(there.pattern.as_deref());
    }
    if want.schedule_expression.is_none() && change.schedule_expression.is_none() {
        want.schedule_expression = text(there.schedule.as_deref());
    }
    if want.description.is_none() && change.description.is_none() {
        want.description = text(there.description.as_deref());
    }
    if want.role_arn.is_none() && change.role_arn.is_none() {
        want.role_arn = text(there.role.as_deref()).map(Arn::new);
    }
}

/// Whether nothing but tags changes, in which PutRule has no part.
fn only_tags(change: &RuleChange) -> bool {
    let rest = RuleChange { tags: None, ..change.clone() };
    format!("{rest:?}") == format!("{:?}", RuleChange::default())
}

fn put(
    events: &Events,
    want: &RuleResolved,
) -> aws_sdk_eventbridge::operation::put_rule::builders::PutRuleFluentBuilder {
    events
        .put_rule()
        .name(&want.name)
        .set_event_bus_name(want.event_bus_name.clone())
        .set_event_pattern(want.event_pattern.as_ref().map(forms::text))
        .set_schedule_expression(want.schedule_expression.clone())
        .set_state(want.state.as_deref().map(Into::into))
        .set_description(want.description.clone())
        .set_role_arn(want.role_arn.as_ref().map(Arn::to_string))
}

/// Some rules by their ids; those of one bus with one call.
async fn by_ids(events: &Events, ids: BTreeSet<String>) -> Result<HashMap<String, Shown>, CloudError> {
    let mut buses: BTreeMap<&str, Vec<(&str, &String)>> = BTreeMap::new();
    for id in &ids {
        let (bus, rule) = split(id);
        buses.entry(bus).or_default().push((rule, id));
    }
    let found = batch::each(buses, |(bus, rules)| async move {
        let there = of_bus(events, bus, &rules.iter().map(|(rule, _)| *rule).collect()).await?;
        Ok(rules.into_iter().filter_map(|(rule, id)| Some((id.clone(), there.get(rule)?.clone()))).collect::<Vec<_>>())
    });
    Ok(found.await?.into_iter().flatten().collect())
}

/// Rules of one bus, few one by one, many with the list of all. A bus that is not there has none.
async fn of_bus(events: &Events, bus: &str, rules: &BTreeSet<&str>) -> Result<HashMap<String, Shown>, CloudError> {
    if rules.len() <= ONE_BY_ONE {
        let asked =
            batch::each(rules, |rule| async move { Ok(((*rule).to_owned(), describe(events, bus, rule).await?)) });
        return Ok(asked.await?.into_iter().filter_map(|(name, rule)| Some((name, rule?))).collect());
    }
    let prefix = Some(batch::common_prefix(rules)).filter(|prefix| !prefix.is_empty());
    let all = batch::pages(|token| async move {
        let request = events
            .list_rules()
            .event_bus_name(bus)
            .set_name_prefix(prefix.map(str::to_owned))
            .limit(PAGE)
            .set_next_token(token);
        let answer = events.read("ListRules", || request.clone().send()).await?;
        Ok((answer.rules.unwrap_or_default(), answer.next_token))
    });
    let all = unless_absent(all.await)?.unwrap_or_default();
    Ok(all.into_iter().filter_map(|rule| Some((rule.name.clone()?, from_list(rule)?))).collect())
}

fn from_list(rule: sdk::Rule) -> Option<Shown> {
    Some(Shown {
        arn: rule.arn?,
        pattern: rule.event_pattern,
        schedule: rule.schedule_expression,
        state: rule.state.map(|s| s.as_str().to_owned()),
        description: rule.description,
        role: rule.role_arn,
    })
}

async fn describe(events: &Events, bus: &str, rule: &str) -> Result<Option<Shown>, CloudError> {
    let request = events.describe_rule().name(rule).event_bus_name(bus);
    let answer = unless_absent(events.read("DescribeRule", || request.clone().send()).await)?;
    Ok(answer.and_then(|rule| {
        Some(Shown {
            arn: rule.arn?,
            pattern: rule.event_pattern,
            schedule: rule.schedule_expression,
            state: rule.state.map(|s| s.as_str().to_owned()),
            description: rule.description,
            role: rule.role_arn,
        })
    }))
}

fn shown(target: &Target<'_>, rule: &Shown, tags: TagMap) -> Found<Rule> {
    let (bus, name) = split(target.id);
    let fields = RuleResolved {
        name: name.to_owned(),
        event_bus_name: Some(bus.to_owned()),
        event_pattern: forms::document(rule.pattern.as_deref()),
        schedule_expression: text(rule.schedule.as_deref()),
        state: rule.state.clone(),
        description: text(rule.description.as_deref()),
        role_arn: text(rule.role.as_deref()).map(Arn::new),
        tags,
    };
    Found::present(fields, RuleOutputs { name: EventRuleName::new(name), arn: Arn::new(&rule.arn) })
}

fn to_tags(tags: &BTreeMap<String, String>) -> Result<Vec<sdk::Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| sdk::Tag::builder().key(key).value(value).build();
    tags.iter().map(|t| tag(t).map_err(|e| CloudError::local(ErrorKind::Invalid, e.to_string()))).collect()
}

async fn list_tags(events: &Events, arn: &str) -> Result<TagMap, CloudError> {
    let request = events.list_tags_for_resource().resource_arn(arn);
    let answer = events.read("ListTagsForResource", || request.clone().send()).await?;
    Ok(answer.tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect())
}

async fn update_tags(events: &Events, cx: &Cx, arn: &str, delta: TagDelta) -> Result<(), CloudError> {
    // Those that go make room: a rule has fifty at most.
    if !delta.remove.is_empty() {
        let keys = delta.remove.into_iter().collect();
        let request = events.untag_resource().resource_arn(arn).set_tag_keys(Some(keys));
        once_free(cx, || events.write_idempotent("UntagResource", || request.clone().send())).await?;
    }
    if !delta.set.is_empty() {
        let request = events.tag_resource().resource_arn(arn).set_tags(Some(to_tags(&delta.set)?));
        once_free(cx, || events.write_idempotent("TagResource", || request.clone().send())).await?;
    }
    Ok(())
}
