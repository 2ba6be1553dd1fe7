//! What CIS wants to hear of from the account's trail: a metric filter and an alarm for each.

use phx::aws::logs::{LogGroup, MetricFilter, MetricTransformation};
use phx::prelude::*;

use super::Topics;
use super::alarms::{Limit, Tier, alarm};
use crate::platform::Platform;

/// Which of CloudTrail's records are meant.
enum Records {
    /// Those that fit a pattern.
    Fitting(&'static str),
    /// The calls of these names, of one service or of all.
    Calls(Option<&'static str>, &'static [&'static str]),
}

use Records::{Calls, Fitting};

/// Name, tier, what is going on, and which records tell it. The numbers are those of the CIS AWS Foundations Benchmark 3.0.
const WATCHED: [(&str, Tier, &str, Records); 10] = [
    // 4.1
    (
        "unauthorized-calls",
        Tier::Warning,
        "Many calls are refused: a mistake in a policy, or somebody who tries.",
        Fitting(r#"{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }"#),
    ),
    // 4.2
    (
        "sign-in-without-second-factor",
        Tier::Warning,
        "Somebody has signed in to the console without a second factor.",
        Fitting(concat!(
            r#"{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && "#,
            r#"($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }"#
        )),
    ),
    // 4.3
    (
        "root-used",
        Tier::Critical,
        "The account's root user was used.",
        Fitting(concat!(
            r#"{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS && "#,
            r#"$.eventType != "AwsServiceEvent" }"#
        )),
    ),
    // 4.4
    (
        "iam-changed",
        Tier::Warning,
        "Policies of IAM were changed.",
        // Each by its name: an asterisk stands at the beginning or the end of a text only.
        Calls(
            Some("iam"),
            &[
                "PutGroupPolicy",
                "PutRolePolicy",
                "PutUserPolicy",
                "DeleteGroupPolicy",
                "DeleteRolePolicy",
                "DeleteUserPolicy",
                "CreatePolicy",
                "DeletePolicy",
                "CreatePolicyVersion",
                "DeletePolicyVersion",
                "SetDefaultPolicyVersion",
                "AttachGroupPolicy",
                "AttachRolePolicy",
                "AttachUserPolicy",
                "DetachGroupPolicy",
                "DetachRolePolicy",
                "DetachUserPolicy",
            ],
        ),
    ),
    // 4.5
    (
        "trail-changed",
        Tier::Critical,
        "The account's trail was changed or stopped.",
        Calls(None, &["CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"]),
    ),
    // 4.7
    (
        "key-disabled",
        Tier::Critical,
        "A KMS key was disabled or is about to be deleted.",
        Calls(Some("kms"), &["DisableKey", "ScheduleKeyDeletion"]),
    ),
    // 4.8
    (
        "bucket-policy-changed",
        Tier::Warning,
        "A bucket's policy or access was changed.",
        Calls(
            Some("s3"),
            &[
                "PutBucketAcl",
                "PutBucketPolicy",
                "PutBucketCors",
                "PutBucketLifecycle",
                "PutBucketReplication",
                "DeleteBucketPolicy",
                "DeleteBucketCors",
                "DeleteBucketLifecycle",
                "DeleteBucketReplication",
            ],
        ),
    ),
    // 4.9
    (
        "config-changed",
        Tier::Warning,
        "AWS Config was changed or stopped.",
        Calls(
            Some("config"),
            &["StopConfigurationRecorder", "DeleteDeliveryChannel", "PutDeliveryChannel", "PutConfigurationRecorder"],
        ),
    ),
    // 4.10
    (
        "security-group-changed",
        Tier::Warning,
        "Security groups were changed.",
        Calls(
            None,
            &[
                "AuthorizeSecurityGroupIngress",
                "AuthorizeSecurityGroupEgress",
                "RevokeSecurityGroupIngress",
                "RevokeSecurityGroupEgress",
                "CreateSecurityGroup",
                "DeleteSecurityGroup",
            ],
        ),
    ),
    // 4.11 to 4.14
    (
        "network-changed",
        Tier::Warning,
        "The network's ACLs, gateways, routes or VPCs were changed.",
        Calls(
            None,
            &[
                "CreateNetworkAclEntry",
                "DeleteNetworkAclEntry",
                "ReplaceNetworkAclEntry",
                "CreateInternetGateway",
                "AttachInternetGateway",
                "DetachInternetGateway",
                "DeleteInternetGateway",
                "CreateRoute",
                "ReplaceRoute",
                "DeleteRoute",
                "CreateVpc",
                "DeleteVpc",
                "ModifyVpcAttribute",
            ],
        ),
    ),
];

impl Records {
    /// The pattern, in the language of metric filters.
    fn pattern(&self) -> String {
        match self {
            Fitting(pattern) => (*pattern).to_owned(),
            Calls(service, names) => {
                let names = names.iter().map(|name| format!("($.eventName = {name})")).collect::<Vec<_>>().join(" || ");
                match service {
                    Some(service) => format!("{{ ($.eventSource = {service}.amazonaws.com) && ({names}) }}"),
                    None => format!("{{ {names} }}"),
                }
            }
        }
    }
}

/// Declares them.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>, topics: &Topics, trail: &Handle<LogGroup>) -> Result<()> {
    let namespace = format!("Phoenix/{}", platform.config.environment);
    for (name, tier, text, records) in WATCHED {
        let metric = MetricTransformation::new(name, namespace.as_str(), "1").default_value(0.0);
        let filter = MetricFilter::new(trail.log_group_name(), platform.name(name), records.pattern(), [metric]);
        scope.add(name, filter)?;
        // A call that is refused now and then is everyday life.
        let threshold = if name == "unauthorized-calls" { 20.0 } else { 0.0 };
        let limit = Limit { tier, ..Limit::warning(name, text, name, "Sum") }.above(threshold, 1);
        scope.add(name, alarm(platform, topics, None, &limit).namespace(namespace.as_str()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_named_in_the_language_of_metric_filters() {
        let of_one = Calls(Some("kms"), &["DisableKey", "ScheduleKeyDeletion"]);
        assert_eq!(
            of_one.pattern(),
            "{ ($.eventSource = kms.amazonaws.com) && (($.eventName = DisableKey) || ($.eventName = ScheduleKeyDeletion)) }"
        );
        assert_eq!(Calls(None, &["CreateVpc"]).pattern(), "{ ($.eventName = CreateVpc) }");
        // CloudWatch Logs takes patterns of up to 1024 characters.
        for (name, _, _, records) in WATCHED {
            assert!(records.pattern().len() <= 1024, "{name}");
        }
    }
}
