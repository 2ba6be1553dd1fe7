//! Who is told of trouble on AWS's side, and of which. What happens inside Kubernetes is Prometheus' and Alertmanager's.
//!
//! | tier | who is told | when |
//! |---|---|---|
//! | critical | PagerDuty, and mail addresses | somebody has to get up |
//! | warning | mail addresses | somebody has to look, this week |

mod alarms;
mod dashboard;
mod events;
mod trail;

use phx::aws::iam::policy::{PolicyDocument, Principal, Statement};
use phx::aws::kms::Key;
use phx::aws::sns::{Subscription, Topic};
use phx::prelude::*;

use crate::backups::Backups;
use crate::eks::Kubernetes;
use crate::platform::Platform;
use crate::rds::Postgres;
use crate::security::Security;

/// A topic for each tier.
pub(crate) struct Topics {
    /// Somebody has to get up.
    pub critical: Handle<Topic>,
    /// Somebody has to look.
    pub warning: Handle<Topic>,
}

/// What there is to watch.
pub(crate) struct Watched<'a> {
    /// The NAT gateways, by name.
    pub nat_gateways: &'a [(String, Output<phx::aws::ec2::NatGatewayId>)],
    /// The cluster.
    pub kubernetes: Option<&'a Kubernetes>,
    /// The database.
    pub postgres: Option<&'a Postgres>,
    /// The bastion and the trail.
    pub security: Option<&'a Security>,
    /// The vault.
    pub backups: Option<&'a Backups>,
}

/// The services that tell the topics something.
const SENDERS: [&str; 4] =
    ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com", "backup.amazonaws.com"];

/// Declares the topics and all that speaks to them.
pub(crate) fn declare(scope: &Scope, platform: &Platform<'_>, watched: &Watched<'_>) -> Result<Topics> {
    let config = &platform.config.alerting;
    // EventBridge names no account when it asks for the key.
    let events = Statement::allow()
        .sid("Events")
        .principal(Principal::service("events.amazonaws.com"))
        .actions(["kms:Decrypt", "kms:GenerateDataKey*"])
        .resource("*");
    let key = platform.key(scope, "alerts", "Messages of alarms", vec![platform.key_for(&SENDERS), events])?;
    let topics = Topics {
        critical: topic(scope, platform, "critical", &key)?,
        warning: topic(scope, platform, "warning", &key)?,
    };
    for (tier, topic, mails) in
        [("critical", &topics.critical, &config.critical_emails), ("warning", &topics.warning, &config.warning_emails)]
    {
        for mail in mails {
            let subscription = Subscription::new(topic.arn(), "email").endpoint(mail.as_str());
            scope.add(&format!("{tier}-{}", mail.replace('@', "-at-")), subscription)?;
        }
    }
    if config.pagerduty {
        let address = scope.secret("pagerduty_url")?;
        let subscription = Subscription::new(topics.critical.arn(), "https").endpoint(address);
        scope.add("critical-pagerduty", subscription)?;
    }
    alarms::declare(scope, platform, &topics, watched)?;
    if let Some(trail) = watched.security.and_then(|s| s.trail.as_ref()) {
        trail::declare(scope, platform, &topics, trail)?;
    }
    events::declare(scope, platform, &topics, watched)?;
    dashboard::declare(scope, platform, watched)?;
    Ok(topics)
}

/// A topic that takes encrypted messages from this account's services, and from nobody else.
fn topic(scope: &Scope, platform: &Platform<'_>, tier: &str, key: &Handle<Key>) -> Result<Handle<Topic>> {
    let name = platform.name(tier);
    let own = platform.arn_of("sns", &name);
    let from = |services: &[&str]| {
        let statement = Statement::allow().action("sns:Publish").resource(own.clone());
        services.iter().fold(statement, |s, service| s.principal(Principal::service(*service)))
    };
    let services = from(&SENDERS).sid("Services").condition("StringEquals", "aws:SourceAccount", platform.account());
    // EventBridge says nothing that a condition could ask for: with one, SNS refuses what it sends, and nobody is told.
    let events = from(&["events.amazonaws.com"]).sid("Events");
    let plain = Statement::deny()
        .sid("TlsOnly")
        .principal(Principal::everyone())
        .action("sns:Publish")
        .resource(own.clone())
        .condition("Bool", "aws:SecureTransport", "false");
    let topic = Topic::new(name)
        .display_name(format!("Phoenix {}: {tier}", platform.config.environment))
        .kms_master_key_id(key.arn())
        .policy(PolicyDocument::new().statement(services).statement(events).statement(plain));
    Ok(scope.add(tier, topic)?)
}
