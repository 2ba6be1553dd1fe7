//! What there is once in an account and region: the trail of all calls, AWS Config, GuardDuty, Security Hub and S3's public access block.
//!
//! The stack whose configuration says `account_baseline = true` owns it. Two stacks in one account would fight over it, so only one of them
//! says so; of a second one, the detector is refused, and what waits for it is not touched.

use phx::aws::Arn;
use phx::aws::cloudtrail::Trail;
use phx::aws::config::{DeliveryChannel, Recorder, RecordingGroup, Rule, SnapshotDelivery, Source};
use phx::aws::guardduty::Detector;
use phx::aws::iam::policy::{PolicyDocument, Principal, Statement};
use phx::aws::iam::{RolePolicy, ServiceLinkedRole};
use phx::aws::kms::Key;
use phx::aws::logs::LogGroup;
use phx::aws::s3::{
    AccountPublicAccessBlock, Bucket, LifecycleConfiguration, LifecycleExpiration, LifecycleRule, LifecycleTransition,
    NoncurrentVersionExpiration,
};
use phx::aws::securityhub::{Account, StandardsSubscription};
use phx::prelude::*;

use crate::platform::{Platform, arn};

/// AWS Config's own rules that the platform is held to: name and identifier.
const RULES: [(&str, &str); 10] = [
    ("encrypted-volumes", "ENCRYPTED_VOLUMES"),
    ("ssh-not-open", "INCOMING_SSH_DISABLED"),
    ("buckets-not-public-read", "S3_BUCKET_PUBLIC_READ_PROHIBITED"),
    ("buckets-not-public-write", "S3_BUCKET_PUBLIC_WRITE_PROHIBITED"),
    ("databases-encrypted", "RDS_STORAGE_ENCRYPTED"),
    ("databases-not-public", "RDS_INSTANCE_PUBLIC_ACCESS_CHECK"),
    ("flow-logs", "VPC_FLOW_LOGS_ENABLED"),
    ("keys-rotate", "CMK_BACKING_KEY_ROTATION_ENABLED"),
    ("root-has-second-factor", "ROOT_ACCOUNT_MFA_ENABLED"),
    ("trail", "CLOUD_TRAIL_ENABLED"),
];

/// Declares all of it. The trail's log group is told.
pub(super) fn declare(scope: &Scope, platform: &Platform<'_>) -> Result<Handle<LogGroup>> {
    // The detector bears a mark, and is refused where another stack has one. What bears none and would be taken over, and then be deleted with this
    // stack, waits for it.
    let detector = scope.add("account", Detector::new(true).finding_publishing_frequency("FIFTEEN_MINUTES"))?;
    let owner = || Options::new().depends_on(&detector);
    let block = AccountPublicAccessBlock::new()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    scope.add_with("account", block, owner())?;
    let key = audit_key(scope, platform)?;
    let trail = trail(scope, platform, &key)?;
    config(scope, platform, &key, &detector)?;
    let hub = Account::new().enable_default_standards(false).control_finding_generator("SECURITY_CONTROL");
    let hub = scope.add_with("account", hub, owner())?;
    let region = platform.config.region();
    for (name, standard) in [
        ("cis", "cis-aws-foundations-benchmark/v/3.0.0"),
        ("foundational", "aws-foundational-security-best-practices/v/1.0.0"),
    ] {
        let standard = Arn::new(format!("arn:aws:securityhub:{region}::standards/{standard}"));
        scope.add_with(name, StandardsSubscription::new(standard), Options::new().depends_on(&hub))?;
    }
    Ok(trail)
}

/// The key of what is recorded: the trail's files and its log group, and Config's files.
fn audit_key(scope: &Scope, platform: &Platform<'_>) -> Result<Handle<Key>> {
    // The trail is asked for, and not the encryption context: CloudTrail looks at the key too, and that call has none. It has to decrypt since the
    // bucket encrypts by a key of its own that is made of this one.
    let trail = platform.arn_of("cloudtrail", &format!("trail/{}", platform.name("trail")));
    let cloudtrail = Statement::allow()
        .sid("Trail")
        .principal(Principal::service("cloudtrail.amazonaws.com"))
        .actions(["kms:GenerateDataKey*", "kms:Decrypt", "kms:DescribeKey"])
        .resource("*")
        .condition("StringEquals", "aws:SourceArn", trail);
    let group = group_name(platform);
    let services = vec![cloudtrail, platform.key_for(&["config.amazonaws.com"]), platform.key_for_logs(&group)];
    platform.key(scope, "audit", "What CloudTrail and AWS Config record", services)
}

fn group_name(platform: &Platform<'_>) -> String {
    format!("/phoenix/{}/trail", platform.config.environment)
}

/// Kept for a year where it is quickly read, and for seven where it is cheap.
fn seven_years() -> LifecycleConfiguration {
    let rule = LifecycleRule::new("Enabled")
        .id("seven-years")
        .transitions([LifecycleTransition::new("GLACIER").days(365)])
        .expiration(LifecycleExpiration::new().days(2557))
        .noncurrent_version_expiration(NoncurrentVersionExpiration::new().noncurrent_days(30))
        .abort_incomplete_multipart_upload_days(7);
    LifecycleConfiguration::new([rule])
}

/// Lets a service look at a bucket and put its files into its own folder of it. `source` is what it works for: a trail, or all of the account.
fn deliver(platform: &Platform<'_>, bucket: &Handle<Bucket>, service: &str, source: &Input<String>) -> Vec<Statement> {
    let of = |statement: Statement| {
        statement.principal(Principal::service(service)).condition("ArnLike", "aws:SourceArn", source.clone())
    };
    let look = Statement::allow().sid("Look").actions(["s3:GetBucketAcl", "s3:ListBucket"]).resource(bucket.arn());
    let put = Statement::allow()
        .sid("Put")
        .action("s3:PutObject")
        .resource(phx::format!("{}/AWSLogs/{}/*", bucket.arn(), platform.account()))
        .condition("StringEquals", "s3:x-amz-acl", "bucket-owner-full-control");
    vec![of(look), of(put)]
}

/// Every call that changes something, in every region: kept in a bucket, and in a log group that alarms look at.
fn trail(scope: &Scope, platform: &Platform<'_>, key: &Handle<Key>) -> Result<Handle<LogGroup>> {
    let name = platform.name("trail");
    let source = platform.arn_of("cloudtrail", &format!("trail/{name}"));
    let (bucket, policy) =
        platform.add_bucket(scope, "trail", platform.bucket("trail", key), seven_years(), |bucket| {
            deliver(platform, bucket, "cloudtrail.amazonaws.com", &source)
        })?;
    let group = LogGroup::new(group_name(platform))
        .retention_in_days(platform.config.security.trail_retention_days)
        .kms_key_id(key.arn());
    let group = scope.add("trail", group)?;
    let trust = PolicyDocument::assume_role_by_service("cloudtrail.amazonaws.com");
    let role = scope.add("trail", platform.role("trail", "Delivers the trail to CloudWatch", trust))?;
    let write = Statement::allow()
        .actions(["logs:CreateLogStream", "logs:PutLogEvents"])
        .resource(phx::format!("{}:*", group.arn()));
    let write = RolePolicy::new(role.role_name(), "deliver", PolicyDocument::new().statement(write));
    let write = scope.add("trail", write)?;
    let trail = Trail::new(name, bucket.bucket())
        .is_multi_region_trail(true)
        .include_global_service_events(true)
        .enable_log_file_validation(true)
        .kms_key_id(key.arn())
        .cloud_watch_logs_log_group_arn(arn(phx::format!("{}:*", group.arn())))
        .cloud_watch_logs_role_arn(role.arn())
        .is_logging(true);
    scope.add_with("trail", trail, platform.stateful().depends_on(&policy).depends_on(&write))?;
    Ok(group)
}

/// What every object was at any time, and whether it was as the rules say.
fn config(scope: &Scope, platform: &Platform<'_>, key: &Handle<Key>, detector: &Handle<Detector>) -> Result<()> {
    let source = platform.arn_of("config", "*");
    let (bucket, policy) =
        platform.add_bucket(scope, "config", platform.bucket("config", key), seven_years(), |bucket| {
            deliver(platform, bucket, "config.amazonaws.com", &source)
        })?;
    // CIS asks for AWS's own role.
    let role = ServiceLinkedRole::new("config.amazonaws.com");
    let role = scope.add_with("config", role, Options::new().depends_on(detector))?;
    // AWS wants the recorder first, then the channel, then the recorder switched on: the two types wait for one another.
    let recorder = Recorder::new(role.arn())
        .name("default")
        .recording_group(RecordingGroup::new().all_supported(true).include_global_resource_types(true))
        .recording(true);
    let recorder = scope.add("account", recorder)?;
    let channel = DeliveryChannel::new(bucket.bucket())
        .name("default")
        .s3_kms_key_arn(key.arn())
        .config_snapshot_delivery_properties(SnapshotDelivery::new("TwentyFour_Hours"));
    let channel = scope.add_with("account", channel, Options::new().depends_on(&policy).depends_on(detector))?;
    for (name, identifier) in RULES {
        let source = Source::new("AWS").source_identifier(identifier);
        let rule = Rule::new(platform.name(name), source);
        scope.add_with(name, rule, Options::new().depends_on(&recorder).depends_on(&channel))?;
    }
    Ok(())
}
