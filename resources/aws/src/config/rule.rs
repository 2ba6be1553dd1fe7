//! `aws:config:Rule`.
//!
//! No emulator serves policies of one's own or evaluation modes; those parts follow the service model alone.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_config::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::rule_blocks::{self as blocks, EvaluationMode, EvaluationModeResolved, Scope, Source};
use super::{Config, kept, to_sdk};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::{self, TagMap};
use crate::tags::with_intent;
use crate::wait::{self, Stage};
use crate::{batch, forms, owner};

/// Up to so many rules are asked for by name; of one that is gone AWS says nothing but an error for all.
const ONE_BY_ONE: usize = 3;
/// DescribeConfigRules takes this many names at most.
const NAMES: usize = 25;
/// How long a recorder, a function's permission or the deletion of a rule of the same name may take to be known.
const UNTIL_KNOWN: Duration = Duration::from_secs(120);

/// What a region's resources shall be like.
///
/// <https://docs.aws.amazon.com/config/latest/APIReference/API_PutConfigRule.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:config:Rule",
    terraform = "aws_config_config_rule",
    cloudformation = "AWS::Config::ConfigRule",
    identity = NaturalKey,
    unique(config_rule_name)
)]
pub struct Rule {
    /// The name, unique in account and region.
    #[field(replace)]
    pub config_rule_name: Input<String>,
    /// What it is for.
    #[field(normalize = forms::empty_is_unset)]
    pub description: Option<Input<String>>,
    /// Which resources it looks at. Unset, it is for all that are recorded.
    pub scope: Option<Input<Scope>>,
    /// What it is.
    pub source: Input<Source>,
    /// Its parameters, by their names. All values are text.
    #[field(json)]
    pub input_parameters: Option<Input<Json>>,
    /// How often it is evaluated, if it is by time: `One_Hour`, `Three_Hours`, `Six_Hours`, `Twelve_Hours` or `TwentyFour_Hours`, which is AWS's
    /// default.
    #[field(cloud_default)]
    pub maximum_execution_frequency: Option<Input<String>>,
    /// When resources are evaluated. AWS's default: once they are there.
    #[field(set, cloud_default)]
    pub evaluation_modes: Option<Input<Vec<EvaluationMode>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RuleOutputs {
    /// The id: `config-rule-0a1b2c`. It is known once AWS has answered a read.
    #[output(volatile)]
    pub id: Option<String>,
    /// The ARN.
    #[output(volatile)]
    pub arn: Option<Arn>,
}

impl Manage for Rule {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let config = &aws.config(cx).await?;
        let rules = if targets.len() > ONE_BY_ONE {
            list(config).await?
        } else {
            named(config, targets.iter().map(|t| t.id.to_owned()).collect()).await?.into_values().collect()
        };
        let rules: HashMap<&str, &sdk::ConfigRule> =
            rules.iter().filter(|r| !is_going(r)).filter_map(|r| Some((r.config_rule_name()?, r))).collect();
        let arn = |at: usize| rules.get(targets[at].id).and_then(|r| r.config_rule_arn.clone());
        let ask = |_, arn: String| async move { super::tags(config, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let policies = batch::each(targets, |target| {
            let rule = rules.get(target.id).copied();
            async move { Ok(policy(config, target.id, rule).await) }
        });
        let found =
            |(at, policy): (usize, Result<Option<String>, CloudError>)| match (rules.get(targets[at].id), policy) {
                (None, _) => Found::Gone,
                (Some(_), Err(error)) => Found::Failed(error),
                (Some(rule), Ok(policy)) => tagged::with(tags.remove(&at), |tags| present(rule, policy, tags)),
            };
        Ok(policies.await?.into_iter().enumerate().map(found).collect())
    }

    async fn create(aws: &Aws, cx: &Cx, want: &RuleResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let config = &aws.config(cx).await?;
        // The call would change a rule that is there already, whoever's it is.
        if let Some(made) = Self::find(aws, cx, want, intent).await? {
            return Ok(made);
        }
        let request =
            config.put_config_rule().config_rule(rule(want)?).set_tags(Some(to_sdk(with_intent(&want.tags, intent))));
        let send = || config.write("PutConfigRule", || request.clone().send());
        wait::eventually(cx, UNTIL_KNOWN, passing, send).await.map_err(explain)?;
        Ok(created(&want.config_rule_name, None, None))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, _: &RuleResolved) -> Result<Option<RuleOutputs>, CloudError> {
        // PutConfigRule tells neither id nor ARN.
        let config = &aws.config(cx).await?;
        wait::until(cx, &format!("the rule {id}"), || async {
            Ok(match one(config, id).await? {
                Some(rule) => Stage::Ready(Some(created(id, rule.config_rule_id(), rule.config_rule_arn()).outputs)),
                None => Stage::Waiting("not listed yet".to_owned()),
            })
        })
        .await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RuleResolved,
        change: &RuleChange,
    ) -> Result<Option<RuleOutputs>, CloudError> {
        let config = &aws.config(cx).await?;
        let there = one(config, id).await?.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..config.unexpected("DescribeConfigRules", format!("there is no rule {id}"))
        })?;
        let only_tags = change.description.is_none()
            && change.scope.is_none()
            && change.source.is_none()
            && change.input_parameters.is_none()
            && change.maximum_execution_frequency.is_none()
            && change.evaluation_modes.is_none();
        if !only_tags {
            let request = config.put_config_rule().config_rule(rule(&with_what_is_left_alone(want, change, &there))?);
            let send = || config.write_idempotent("PutConfigRule", || request.clone().send());
            wait::eventually(cx, UNTIL_KNOWN, passing, send).await.map_err(explain)?;
        }
        if let Some(arn) = there.config_rule_arn() {
            super::update_tags(config, arn, change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RuleResolved>) -> Result<(), CloudError> {
        let config = &aws.config(cx).await?;
        let request = config.delete_config_rule().config_rule_name(id);
        let send = || config.write_idempotent("DeleteConfigRule", || request.clone().send());
        match wait::eventually(cx, UNTIL_KNOWN, passing, send).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            done => drop(done?),
        }
        // Until then its name is taken.
        wait::until(cx, &format!("the rule {id}"), || async {
            Ok(match one(config, id).await? {
                None => Stage::Ready(()),
                Some(_) => Stage::Waiting("being deleted".to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RuleResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let config = &aws.config(cx).await?;
        let name = want.config_rule_name.as_str();
        // Most likely none of them is there; of several AWS would say no more than that.
        let perhaps = config.joint("rules that may be there");
        let read = |names: BTreeSet<String>| async move {
            if names.len() <= ONE_BY_ONE { named(config, names).await } else { Ok(by_name(list(config).await?)) }
        };
        let Some(rule) = perhaps.one(name, read).await?.filter(|r| !is_going(r)) else { return Ok(None) };
        let tags = super::tags(config, rule.config_rule_arn().unwrap_or_default()).await?;
        owner::check(&format!("the rule {name}"), &tags, intent)?;
        Ok(Some(created(name, rule.config_rule_id(), rule.config_rule_arn())))
    }
}

/// A rule is still being deleted or evaluated, or what it needs was made a moment ago.
fn passing(error: &CloudError) -> bool {
    matches!(
        error.code.as_deref(),
        Some(
            "ResourceInUseException" | "InsufficientPermissionsException" | "NoAvailableConfigurationRecorderException"
        )
    )
}

fn explain(error: CloudError) -> CloudError {
    match error.code.as_deref() {
        Some("NoAvailableConfigurationRecorderException") => {
            error.hint("rules need a configuration recorder in the same region: declare one")
        }
        Some("InsufficientPermissionsException") => {
            error.hint("the function must let config.amazonaws.com invoke it, before the rule is made")
        }
        _ => error,
    }
}

/// Whether a rule is being deleted. One whose results are being deleted stays.
fn is_going(rule: &sdk::ConfigRule) -> bool {
    matches!(rule.config_rule_state(), Some(sdk::ConfigRuleState::Deleting))
}

async fn list(config: &Config) -> Result<Vec<sdk::ConfigRule>, CloudError> {
    batch::pages(|token| async move {
        let request = config.describe_config_rules().set_next_token(token);
        let answer = config.read("DescribeConfigRules", || request.clone().send()).await?;
        Ok((answer.config_rules.unwrap_or_default(), answer.next_token))
    })
    .await
}

async fn one(config: &Config, name: &str) -> Result<Option<sdk::ConfigRule>, CloudError> {
    config.joint("rules").one(name, |names| named(config, names)).await
}

/// Some rules by their names. AWS answers for all that are asked for, or, if one does not exist, for none.
async fn named(config: &Config, names: BTreeSet<String>) -> Result<HashMap<String, sdk::ConfigRule>, CloudError> {
    let names: Vec<String> = names.into_iter().collect();
    let found = batch::each(names.chunks(NAMES), |names| async move {
        let request = config.describe_config_rules().set_config_rule_names(Some(names.to_vec()));
        match config.read("DescribeConfigRules", || request.clone().send()).await {
            Ok(answer) => Ok(answer.config_rules.unwrap_or_default()),
            Err(error) if error.kind == ErrorKind::NotFound && names.len() == 1 => Ok(Vec::new()),
            Err(error) if error.kind == ErrorKind::NotFound => list(config).await,
            Err(error) => Err(error),
        }
    });
    Ok(by_name(found.await?.into_iter().flatten()))
}

fn by_name(rules: impl IntoIterator<Item = sdk::ConfigRule>) -> HashMap<String, sdk::ConfigRule> {
    rules.into_iter().filter_map(|rule| Some((rule.config_rule_name.clone()?, rule))).collect()
}

/// The text of a rule's own policy, if it has one.
async fn policy(config: &Config, name: &str, rule: Option<&sdk::ConfigRule>) -> Result<Option<String>, CloudError> {
    let owner = rule.and_then(|r| r.source()).map(|s| s.owner());
    if owner != Some(&sdk::Owner::CustomPolicy) {
        return Ok(None);
    }
    let request = config.get_custom_rule_policy().config_rule_name(name);
    let answer = config.read("GetCustomRulePolicy", || request.clone().send()).await?;
    Ok(answer.policy_text)
}

fn created(name: &str, id: Option<&str>, arn: Option<&str>) -> Created<Rule> {
    let outputs = RuleOutputs { id: id.map(str::to_owned), arn: arn.map(Arn::new) };
    Created { id: name.to_owned(), outputs, complete: false }
}

/// PutConfigRule sets the whole rule: what AWS filled in, and what the program never set, is sent as it is there.
fn with_what_is_left_alone(want: &RuleResolved, change: &RuleChange, there: &sdk::ConfigRule) -> RuleResolved {
    let mut next = want.clone();
    let same = there.source().is_some_and(|source| {
        let identifier = source.source_identifier().filter(|identifier| !identifier.is_empty());
        source.owner().as_str() == want.source.owner && identifier == want.source.source_identifier.as_deref()
    });
    // Not every rule is evaluated by time, or in every mode.
    if same {
        let frequency = there.maximum_execution_frequency().map(|f| f.as_str().to_owned());
        next.maximum_execution_frequency = next.maximum_execution_frequency.or(frequency);
        next.evaluation_modes = next.evaluation_modes.or(modes(there));
    }
    kept(&mut next.description, change.description.as_ref(), description(there));
    if let (Some(next), Some(there)) =
        (&mut next.source.custom_policy_details, there.source().and_then(|s| s.custom_policy_details()))
    {
        next.enable_debug_log_delivery = next.enable_debug_log_delivery.or(Some(there.enable_debug_log_delivery()));
    }
    // Another rule has parameters and a scope of its own.
    if change.source.is_none() {
        kept(&mut next.scope, change.scope.as_ref(), there.scope().and_then(blocks::scope_of));
        kept(&mut next.input_parameters, change.input_parameters.as_ref(), parameters(there));
    }
    next
}

fn rule(want: &RuleResolved) -> Result<sdk::ConfigRule, CloudError> {
    let mode =
        |m: &EvaluationModeResolved| sdk::EvaluationModeConfiguration::builder().mode(m.mode.as_str().into()).build();
    Ok(sdk::ConfigRule::builder()
        .config_rule_name(&want.config_rule_name)
        .set_description(want.description.clone())
        .set_scope(want.scope.as_ref().map(blocks::scope))
        .source(blocks::source(&want.source)?)
        .set_input_parameters(want.input_parameters.as_ref().map(forms::text))
        .set_maximum_execution_frequency(want.maximum_execution_frequency.as_deref().map(Into::into))
        .set_evaluation_modes(want.evaluation_modes.as_ref().map(|all| all.iter().map(mode).collect()))
        .build())
}

fn description(rule: &sdk::ConfigRule) -> Option<String> {
    rule.description.clone().filter(|d| !d.is_empty())
}

fn parameters(rule: &sdk::ConfigRule) -> Option<Json> {
    forms::document(rule.input_parameters()).filter(|json| !json.0.is_empty())
}

fn modes(rule: &sdk::ConfigRule) -> Option<Vec<EvaluationModeResolved>> {
    let mode =
        |m: &sdk::EvaluationModeConfiguration| Some(EvaluationModeResolved { mode: m.mode()?.as_str().to_owned() });
    Some(rule.evaluation_modes().iter().filter_map(mode).collect()).filter(|modes: &Vec<_>| !modes.is_empty())
}

fn present(rule: &sdk::ConfigRule, policy: Option<String>, tags: TagMap) -> Found<Rule> {
    let (Some(name), Some(source)) = (rule.config_rule_name(), rule.source()) else {
        let name = rule.config_rule_name().unwrap_or_default();
        let message = format!("the answer does not say what the rule {name} is");
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let fields = RuleResolved {
        config_rule_name: name.to_owned(),
        description: description(rule),
        scope: rule.scope().and_then(blocks::scope_of),
        source: blocks::source_of(source, policy),
        input_parameters: parameters(rule),
        maximum_execution_frequency: rule.maximum_execution_frequency().map(|f| f.as_str().to_owned()),
        evaluation_modes: modes(rule),
        tags,
    };
    Found::present(fields, created(name, rule.config_rule_id(), rule.config_rule_arn()).outputs)
}
