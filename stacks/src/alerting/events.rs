//! What services report by themselves: findings of GuardDuty, AWS Health, backups that fail, the database's troubles; and what the logs tell.

use phx::aws::events::{InputTransformer, Rule, Target};
use phx::aws::logs::{LogGroup, MetricFilter, MetricTransformation};
use phx::model::value::Json;
use phx::prelude::*;

use super::alarms::{Limit, Tier, alarm};
use super::{Topics, Watched};
use crate::platform::Platform;

/// Declares them.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>, topics: &Topics, watched: &Watched<'_>) -> Result<()> {
    let mut rules = vec![(
        "health",
        Tier::Warning,
        "AWS Health has a notice for the account",
        serde_json::json!({ "source": ["aws.health"], "detail-type": ["AWS Health Event"] }),
    )];
    if platform.config.account_baseline && platform.config.components.security {
        let severe = serde_json::json!({
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Finding"],
            "detail": { "severity": [{ "numeric": [">=", 7] }] },
        });
        rules.push(("threat", Tier::Critical, "GuardDuty has found something severe", severe));
        let lesser = serde_json::json!({
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Finding"],
            "detail": { "severity": [{ "numeric": [">=", 4, "<", 7] }] },
        });
        rules.push(("suspicion", Tier::Warning, "GuardDuty has found something", lesser));
    }
    if watched.backups.is_some() {
        let failures = ["FAILED", "ABORTED", "EXPIRED"];
        let failed = serde_json::json!({
            "source": ["aws.backup"],
            "detail-type": ["Backup Job State Change", "Restore Job State Change"],
            // A backup has a state, and a restore a status.
            "detail": { "$or": [{ "state": failures }, { "status": failures }] },
        });
        rules.push(("backup-failed", Tier::Critical, "A backup or a restore has failed", failed));
    }
    if watched.postgres.is_some() {
        let trouble = serde_json::json!({
            "source": ["aws.rds"],
            "detail-type": ["RDS DB Instance Event"],
            "detail": {
                "SourceIdentifier": [platform.name("postgres")],
                "EventCategories": ["availability", "failover", "failure", "low storage", "maintenance", "recovery"],
            },
        });
        rules.push(("database-event", Tier::Warning, "RDS reports something of the database", trouble));
    }
    for (name, tier, text, pattern) in rules {
        rule(scope, platform, topics, name, tier, text, &pattern)?;
    }
    if let Some(postgres) = watched.postgres {
        let text = "PostgreSQL reports fatal errors.";
        log_alarm(scope, platform, topics, &postgres.logs, "database-fatal", "\"FATAL\"", text, 5.0)?;
    }
    if let Some(kubernetes) = watched.kubernetes {
        let pattern = "{ ($.responseStatus.code = 403) && ($.user.username = \"system:anonymous\") }";
        let text = "Somebody without a name asks the Kubernetes API server for things that he must not have.";
        log_alarm(scope, platform, topics, &kubernetes.logs, "anonymous-requests", pattern, text, 20.0)?;
    }
    Ok(())
}

/// Sends what fits a pattern to a topic, in words.
fn rule(
    scope: &Scope,
    platform: &Platform<'_>,
    topics: &Topics,
    name: &str,
    tier: Tier,
    text: &str,
    pattern: &serde_json::Value,
) -> Result<()> {
    let rule = Rule::new(platform.name(name)).description(text).event_pattern(Json::parse(&pattern.to_string())?);
    let rule = scope.add(name, rule)?;
    let topic = if tier == Tier::Critical { &topics.critical } else { &topics.warning };
    let words = format!(
        "\"{text} in {}: <type> (<time>, <region>). Runbook: {}/{name}\"",
        platform.config.environment, platform.config.alerting.runbooks
    );
    let paths = [("type", "$.detail-type"), ("time", "$.time"), ("region", "$.region")];
    let paths = paths.map(|(name, path)| (name.to_owned(), path.to_owned()));
    let transformer = InputTransformer::new(words).input_paths_map(std::collections::BTreeMap::from(paths));
    scope.add(name, Target::new(rule.name(), "topic", topic.arn()).input_transformer(transformer))?;
    Ok(())
}

/// Counts lines of a log, and warns when there are too many in five minutes.
#[allow(clippy::too_many_arguments)] // each says one thing about the alarm
fn log_alarm(
    scope: &Scope,
    platform: &Platform<'_>,
    topics: &Topics,
    group: &Handle<LogGroup>,
    name: &'static str,
    pattern: &str,
    text: &'static str,
    threshold: f64,
) -> Result<()> {
    let namespace = format!("Phoenix/{}", platform.config.environment);
    let metric = MetricTransformation::new(name, namespace.as_str(), "1").default_value(0.0);
    scope.add(name, MetricFilter::new(group.log_group_name(), platform.name(name), pattern, [metric]))?;
    let limit = Limit::warning(name, text, name, "Sum").above(threshold, 1);
    scope.add(name, alarm(platform, topics, None, &limit).namespace(namespace))?;
    Ok(())
}
