//! Making the bucket and the table what a store needs, and saying which permissions it needs.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, ContinuousBackupsStatus, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, ScalarAttributeType, SseSpecification, SseType,
    TableDescription, TableStatus,
};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    CreateBucketConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use phx_model::store::StoreError;
use phx_model::urn::ProjectName;
use serde_json::{Value, json};

use super::call::{Failure, Kind, Patience};
use super::table::{PARTITION, SORT};
use super::{S3Store, S3Url, Shared};
use crate::wire;

/// The statement and rule that are phx's own in a bucket that may have others.
const TLS_ONLY: &str = "PhxTlsOnly";
const OLD_VERSIONS: &str = "phx-old-versions";
/// How long a bucket keeps what was overwritten or deleted.
const KEEP_DAYS: i32 = 90;
/// How long a new table may take to become ready.
const TABLE_READY: Duration = Duration::from_secs(180);

/// What [`S3Store::init`] does beyond what it must. The default is everything.
#[derive(Clone, Copy, Debug)]
pub struct InitOptions {
    /// Refuses requests to the bucket that do not come over TLS. Where the bucket is reached without TLS (an endpoint of one's own that begins
    /// with `http://`) this is left out in any case: it would lock phx out.
    pub tls_policy: bool,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { tls_policy: true }
    }
}

/// What [`S3Store::init`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitReport {
    /// What was created or changed, a line each. Empty if all was as it should be.
    pub changed: Vec<String>,
    /// What was as it should be.
    pub kept: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

impl InitReport {
    fn note(&mut self, changed: bool, what: impl Into<String>) {
        if changed { &mut self.changed } else { &mut self.kept }.push(what.into());
    }
}

impl S3Store {
    /// Creates the bucket and the table, or brings what is there up to what a store needs. Run again, it changes nothing.
    ///
    /// The bucket: versioned, encrypted, closed to the public, over TLS only; what was overwritten or deleted is kept for 90 days. The table: paid
    /// by request, with point-in-time recovery, protected against deletion. Policies and rules that are not phx's are left alone.
    pub async fn init(&self, options: &InitOptions) -> Result<InitReport, StoreError> {
        let shared = &*self.shared;
        let mut report = InitReport::default();
        bucket(shared, &self.project, options, &mut report)
            .await
            .map_err(|(what, e)| e.at(format!("preparing the bucket {} ({what})", shared.bucket.name)))?;
        table(shared, &mut report)
            .await
            .map_err(|(what, e)| e.at(format!("preparing the table {} ({what})", shared.table.name)))?;
        Ok(report)
    }

    /// The least IAM policy that working with this store takes, as JSON. Creating it ([`init`](Self::init)) takes more, once.
    pub fn policy(&self) -> String {
        policy(&self.shared.url, self.shared.region.as_ref())
    }
}

type Step<T> = Result<T, (&'static str, Failure)>;

/// Says what was being done when it failed.
trait During<T> {
    fn during(self, what: &'static str) -> Step<T>;
}

impl<T> During<T> for Result<T, Failure> {
    fn during(self, what: &'static str) -> Step<T> {
        self.map_err(|failure| (what, failure))
    }
}

/// What is asked of a bucket is asked when it is known to be there. So where there is none, it was made a moment ago and is not known everywhere.
fn not_yet(failure: Failure) -> Failure {
    match failure.code.as_deref() {
        Some("NoSuchBucket") => Failure { kind: Kind::Busy, ..failure },
        _ => failure,
    }
}

/// Sends one request of the SDK's, repeated as any other.
macro_rules! send {
    ($shared:expr, $operation:literal, $request:expr) => {
        $shared
            .calls
            .send($operation, &setting_up($shared), || async { $request.send().await.map_err(|e| not_yet(e.into())) })
            .await
            .during($operation)
    };
}

/// The same for a setting that may not be there.
macro_rules! look {
    ($shared:expr, $operation:literal, $codes:pat, $request:expr) => {
        match send!($shared, $operation, $request) {
            Ok(found) => Ok(Some(found)),
            Err((_, Failure { code: Some(code), .. })) if matches!(code.as_str(), $codes) => Ok(None),
            Err(error) => Err(error),
        }
    };
}

/// A new bucket or table may take a moment to be known everywhere.
fn setting_up(shared: &Shared) -> Patience {
    Patience { attempt: Duration::from_secs(20), ..shared.patience(Duration::from_secs(60), None) }
}

fn built<T, E: std::fmt::Display>(made: Result<T, E>, what: &'static str) -> Step<T> {
    made.map_err(|e| (what, Failure::new(Kind::Refused, e.to_string())))
}

async fn bucket(shared: &Shared, project: &ProjectName, options: &InitOptions, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.bucket.client, &shared.bucket.name);
    // An answer to HEAD has no body, and so no more of a code than this.
    let there = look!(shared, "s3:HeadBucket", "NotFound" | "404", client.head_bucket().bucket(name));
    let there = match there {
        Err((what, e))
            if e.code.as_deref().is_some_and(|code| matches!(code, "403" | "Forbidden" | "AccessDenied")) =>
        {
            let why = format!("{}; it may belong to another account: bucket names are shared by all", e.why);
            return Err((what, Failure { why, ..e }));
        }
        Err((what, e)) if e.code.as_deref() == Some("301") => {
            let why = format!("{}; it lies in another region than {}", e.why, shared.region);
            return Err((what, Failure { why, ..e }));
        }
        // It comes without a reason; the one that there usually is, is this.
        Err((what, e)) if matches!(e.code.as_deref(), Some("400" | "BadRequest")) => {
            let why = format!("{}; it may lie in another region than {}", e.why, shared.region);
            return Err((what, Failure { why, ..e }));
        }
        there => there?.is_some(),
    };
    if !there {
        // The one region that must not be named.
        let place = (shared.region.as_ref() != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(shared.region.as_ref());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let created = look!(
            shared,
            "s3:CreateBucket",
            // By an attempt whose answer was lost, or by somebody of this account as quick.
            "BucketAlreadyOwnedByYou",
            client.create_bucket().bucket(name).set_create_bucket_configuration(place.clone())
        );
        created?;
    }
    report.note(!there, format!("bucket {name} in {}", shared.region));
    closed_to_the_public(shared, report).await?;
    versioned(shared, report).await?;
    encrypted(shared, report).await?;
    life_cycle(shared, project, report).await?;
    match shared.endpoint.as_deref() {
        Some(plain) if plain.starts_with("http://") => {
            let why = format!("over TLS only: {plain} has no TLS, and the policy would refuse phx itself");
            report.left_out.push(why);
        }
        _ if options.tls_policy => tls_only(shared, report).await?,
        _ => report.left_out.push("over TLS only: not wanted".into()),
    }
    Ok(())
}

async fn closed_to_the_public(shared: &Shared, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.bucket.client, &shared.bucket.name);
    let found = look!(
        shared,
        "s3:GetPublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration" | "404",
        client.get_public_access_block().bucket(name)
    )?;
    let closed = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let change = found.and_then(|found| found.public_access_block_configuration).as_ref() != Some(&closed);
    if change {
        send!(
            shared,
            "s3:PutPublicAccessBlock",
            client.put_public_access_block().bucket(name).public_access_block_configuration(closed.clone())
        )?;
    }
    report.note(change, "closed to the public");
    Ok(())
}

async fn versioned(shared: &Shared, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.bucket.client, &shared.bucket.name);
    // Switching on what is on does no harm; so an answer that cannot be read (its code is that of success) counts as "no".
    let found = look!(shared, "s3:GetBucketVersioning", "200", client.get_bucket_versioning().bucket(name))?;
    let change = found.and_then(|found| found.status) != Some(BucketVersioningStatus::Enabled);
    if change {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        send!(
            shared,
            "s3:PutBucketVersioning",
            client.put_bucket_versioning().bucket(name).versioning_configuration(on.clone())
        )?;
    }
    report.note(change, "versioned");
    Ok(())
}

async fn encrypted(shared: &Shared, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.bucket.client, &shared.bucket.name);
    let found = look!(
        shared,
        "s3:GetBucketEncryption",
        "ServerSideEncryptionConfigurationNotFoundError" | "404",
        client.get_bucket_encryption().bucket(name)
    )?;
    let rules = found.and_then(|found| found.server_side_encryption_configuration).map(|found| found.rules);
    let found = rules.and_then(|rules| rules.into_iter().find_map(|r| r.apply_server_side_encryption_by_default));
    let kms = shared.bucket.kms.as_ref();
    let good = match (&found, kms) {
        (Some(found), Some(key)) => found.kms_master_key_id.as_ref() == Some(key),
        // Without a key of the store's own, whatever the bucket's owner has chosen stays.
        (Some(_), None) => true,
        (None, _) => false,
    };
    if !good {
        let algorithm = if kms.is_some() { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
        let default =
            ServerSideEncryptionByDefault::builder().sse_algorithm(algorithm).set_kms_master_key_id(kms.cloned());
        let default = built(default.build(), "s3:PutBucketEncryption")?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .set_bucket_key_enabled(kms.map(|_| true))
            .build();
        let config = ServerSideEncryptionConfiguration::builder().rules(rule).build();
        let config = built(config, "s3:PutBucketEncryption")?;
        send!(
            shared,
            "s3:PutBucketEncryption",
            client.put_bucket_encryption().bucket(name).server_side_encryption_configuration(config.clone())
        )?;
    }
    report.note(!good, kms.map_or("encrypted".to_owned(), |key| format!("encrypted with {key}")));
    Ok(())
}

async fn life_cycle(shared: &Shared, project: &ProjectName, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.bucket.client, &shared.bucket.name);
    let found = look!(
        shared,
        "s3:GetBucketLifecycleConfiguration",
        "NoSuchLifecycleConfiguration" | "404",
        client.get_bucket_lifecycle_configuration().bucket(name)
    )?;
    let (mut rules, smallest) = match found {
        Some(found) => (found.rules.unwrap_or_default(), found.transition_default_minimum_object_size),
        None => (Vec::new(), None),
    };
    // Without a prefix of the store's own, the project's: what others keep in the bucket is not phx's to delete.
    let ours = if shared.url.prefix.is_empty() { format!("{project}/") } else { shared.url.key("") };
    let of_phx = |rule: &LifecycleRule| rule.id.as_deref().is_some_and(|id| id.starts_with(OLD_VERSIONS));
    let covers = |rule: &LifecycleRule| {
        let prefix = rule.filter.as_ref().and_then(|filter| filter.prefix.as_deref());
        of_phx(rule) && ours.starts_with(prefix.unwrap_or_default())
    };
    let change = !rules.iter().any(covers);
    if change {
        // Another store in the same bucket may have the first of these names.
        let id = match rules.iter().any(of_phx) {
            false => OLD_VERSIONS.to_owned(),
            true => format!("{OLD_VERSIONS}-{}", &wire::sha256(ours.as_bytes())[..16]),
        };
        let rule = LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(&ours).build())
            .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(KEEP_DAYS).build())
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build(),
            );
        rules.push(built(rule.build(), "s3:PutBucketLifecycleConfiguration")?);
        let config = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let config = built(config, "s3:PutBucketLifecycleConfiguration")?;
        send!(
            shared,
            "s3:PutBucketLifecycleConfiguration",
            client
                .put_bucket_lifecycle_configuration()
                .bucket(name)
                .lifecycle_configuration(config.clone())
                // Left out, it would be set back to what it is by default.
                .set_transition_default_minimum_object_size(smallest.clone())
        )?;
    }
    report.note(change, format!("old versions kept for {KEEP_DAYS} days"));
    Ok(())
}

async fn tls_only(shared: &Shared, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.bucket.client, &shared.bucket.name);
    let found =
        look!(shared, "s3:GetBucketPolicy", "NoSuchBucketPolicy" | "404", client.get_bucket_policy().bucket(name))?;
    let old = found.and_then(|found| found.policy);
    let unreadable = |why: String| ("s3:GetBucketPolicy", Failure::new(Kind::Refused, why));
    let mut policy: Value = match &old {
        Some(old) => serde_json::from_str(old).map_err(|e| unreadable(format!("its policy is not JSON: {e}")))?,
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
    };
    if !policy.is_object() {
        return Err(unreadable("its policy is not a JSON object".into()));
    }
    let mut statements = match policy["Statement"].take() {
        Value::Array(statements) => statements,
        Value::Null => Vec::new(),
        // One statement may stand without its list.
        one => vec![one],
    };
    let change = !statements.iter().any(|statement| statement["Sid"] == TLS_ONLY);
    if change {
        let arn = format!("arn:{}:s3:::{name}", partition(shared.region.as_ref()));
        statements.push(json!({
            "Sid": TLS_ONLY, "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        }));
        policy["Statement"] = Value::Array(statements);
        let policy = policy.to_string();
        send!(shared, "s3:PutBucketPolicy", client.put_bucket_policy().bucket(name).policy(&policy))?;
    }
    report.note(change, "over TLS only");
    Ok(())
}

async fn describe(shared: &Shared) -> Step<Option<TableDescription>> {
    let (client, name) = (&shared.table.client, &shared.table.name);
    let found =
        look!(shared, "dynamodb:DescribeTable", "ResourceNotFoundException", client.describe_table().table_name(name));
    Ok(found?.and_then(|found| found.table))
}

async fn table(shared: &Shared, report: &mut InitReport) -> Step<()> {
    let (client, name) = (&shared.table.client, &shared.table.name);
    let found = describe(shared).await?;
    let created = found.is_none();
    if let Some(found) = &found {
        right_keys(found)?;
    } else {
        create_table(shared).await?;
    }
    let ready = Instant::now() + TABLE_READY;
    let found = loop {
        match describe(shared).await? {
            Some(found) if found.table_status == Some(TableStatus::Active) => break found,
            found if Instant::now() >= ready => {
                let status = found.and_then(|f| f.table_status).map_or("missing".into(), |s| s.to_string());
                let why = format!("after {} s it is still {status}", TABLE_READY.as_secs());
                return Err(("dynamodb:DescribeTable", Failure::new(Kind::Refused, why)));
            }
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    };
    report.note(created, format!("table {name} in {}, paid by request", shared.region));

    let protected = found.deletion_protection_enabled == Some(true);
    if !protected {
        send!(
            shared,
            "dynamodb:UpdateTable",
            client.update_table().table_name(name).deletion_protection_enabled(true)
        )?;
    }
    report.note(created || !protected, "protected against deletion");

    let backups =
        send!(shared, "dynamodb:DescribeContinuousBackups", client.describe_continuous_backups().table_name(name))?;
    let backups = backups.continuous_backups_description;
    let recovery = backups.as_ref().and_then(|found| found.point_in_time_recovery_description.as_ref());
    let on = recovery.and_then(|found| found.point_in_time_recovery_status.as_ref())
        == Some(&PointInTimeRecoveryStatus::Enabled)
        && backups.as_ref().is_some_and(|found| found.continuous_backups_status == ContinuousBackupsStatus::Enabled);
    if !on {
        let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let recovery = built(recovery, "dynamodb:UpdateContinuousBackups")?;
        // A new table has no backups yet that could be changed, and gets them when it likes.
        let patience = Patience { until: Instant::now() + TABLE_READY, ..setting_up(shared) };
        let update = || async {
            let request = client.update_continuous_backups().table_name(name);
            Ok(request.point_in_time_recovery_specification(recovery.clone()).send().await?)
        };
        let updated = shared.calls.send("dynamodb:UpdateContinuousBackups", &patience, update).await;
        updated.during("dynamodb:UpdateContinuousBackups")?;
    }
    report.note(!on, "point-in-time recovery");
    Ok(())
}

/// A table of that name may be somebody else's.
fn right_keys(found: &TableDescription) -> Step<()> {
    let keys: Vec<(&str, &KeyType)> =
        found.key_schema.iter().flatten().map(|key| (key.attribute_name.as_str(), &key.key_type)).collect();
    if keys == [(PARTITION, &KeyType::Hash), (SORT, &KeyType::Range)] {
        return Ok(());
    }
    let why = format!(
        "there is such a table, and its keys are not {PARTITION} and {SORT}: it was made for something else\n  hint: name another with &table= in the state URL"
    );
    Err(("dynamodb:DescribeTable", Failure::new(Kind::Refused, why)))
}

async fn create_table(shared: &Shared) -> Step<()> {
    const OPERATION: &str = "dynamodb:CreateTable";
    let (client, name) = (&shared.table.client, &shared.table.name);
    let mut attributes = Vec::new();
    let mut keys = Vec::new();
    for (key, kind) in [(PARTITION, KeyType::Hash), (SORT, KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S);
        attributes.push(built(attribute.build(), OPERATION)?);
        keys.push(built(KeySchemaElement::builder().attribute_name(key).key_type(kind).build(), OPERATION)?);
    }
    let encryption = shared
        .bucket
        .kms
        .as_ref()
        .map(|key| SseSpecification::builder().enabled(true).sse_type(SseType::Kms).kms_master_key_id(key).build());
    let created = look!(
        shared,
        "dynamodb:CreateTable",
        // By an attempt whose answer was lost, or by somebody as quick.
        "ResourceInUseException",
        client
            .create_table()
            .table_name(name)
            .set_attribute_definitions(Some(attributes.clone()))
            .set_key_schema(Some(keys.clone()))
            .billing_mode(BillingMode::PayPerRequest)
            .deletion_protection_enabled(true)
            .set_sse_specification(encryption.clone())
    );
    created.map(drop)
}

/// AWS's partition of a region, as ARNs name it.
fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("us-isob-") => "aws-iso-b",
        r if r.starts_with("us-isof-") => "aws-iso-f",
        r if r.starts_with("us-iso-") => "aws-iso",
        r if r.starts_with("eu-isoe-") => "aws-iso-e",
        r if r.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

fn policy(url: &S3Url, region: &str) -> String {
    let partition = partition(region);
    let bucket = format!("arn:{partition}:s3:::{}", url.bucket);
    let objects = |pattern: &str| format!("{bucket}/{}", url.key(pattern));
    let mut statements = vec![
        // Without it S3 answers "forbidden" where it should answer "not there". To see whether it may say so of an object, it looks for the right to
        // list without a prefix in view, hence IfExists.
        json!({
            "Sid": "PhxStateList", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
            "Condition": { "StringLikeIfExists": { "s3:prefix": [url.key("*")] } },
        }),
        json!({
            "Sid": "PhxStateObjects", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": objects("*"),
        }),
        json!({
            "Sid": "PhxStateSpilledJournal", "Effect": "Allow", "Action": "s3:DeleteObject",
            "Resource": objects("*/*/journal/*"),
        }),
        json!({
            "Sid": "PhxStateTable", "Effect": "Allow",
            "Action": [
                "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            "Resource": format!("arn:{partition}:dynamodb:{region}:*:table/{}", url.table),
            "Condition": {
                "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [format!("{}/{}", url.bucket, url.key("*"))] },
            },
        }),
    ];
    if let Some(key) = &url.kms {
        let actions = json!(["kms:Decrypt", "kms:GenerateDataKey"]);
        let mut statement = json!({ "Sid": "PhxStateKey", "Effect": "Allow", "Action": actions });
        if key.starts_with("arn:") && !key.contains(":alias/") {
            statement["Resource"] = json!(key);
        } else if let Some(alias) = key.split_once("alias/").map(|(_, name)| format!("alias/{name}")) {
            statement["Resource"] = json!(format!("arn:{partition}:kms:{region}:*:key/*"));
            statement["Condition"] = json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": alias } });
        } else {
            statement["Resource"] = json!(format!("arn:{partition}:kms:{region}:*:key/{key}"));
        }
        statements.push(statement);
    }
    format!("{:#}", json!({ "Version": "2012-10-17", "Statement": statements }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_of(url: &str) -> Value {
        serde_json::from_str(&policy(&S3Url::parse(url).unwrap(), "us-gov-west-1")).unwrap()
    }

    fn statement<'p>(policy: &'p Value, sid: &str) -> &'p Value {
        policy["Statement"].as_array().unwrap().iter().find(|s| s["Sid"] == sid).unwrap()
    }

    #[test]
    fn the_policy_reaches_what_the_store_has_and_nothing_else() {
        let policy = policy_of("s3://acme-state/team/a?table=locks");
        let of = |sid| statement(&policy, sid);
        assert_eq!(of("PhxStateObjects")["Resource"], "arn:aws-us-gov:s3:::acme-state/team/a/*");
        assert_eq!(of("PhxStateSpilledJournal")["Resource"], "arn:aws-us-gov:s3:::acme-state/team/a/*/*/journal/*");
        assert_eq!(of("PhxStateTable")["Resource"], "arn:aws-us-gov:dynamodb:us-gov-west-1:*:table/locks");
        let keys = &of("PhxStateTable")["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
        assert_eq!(keys, &json!(["acme-state/team/a/*"]));
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 4);
        let text = policy.to_string();
        assert!(
            !text.contains("\"Resource\":\"*\"") && !text.contains("s3:*") && !text.contains("dynamodb:*"),
            "{text}"
        );
    }

    #[test]
    fn a_key_is_named_however_the_url_names_it() {
        for (kms, resource) in [
            (
                "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/ab-1",
                "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/ab-1",
            ),
            ("ab-1", "arn:aws-us-gov:kms:us-gov-west-1:*:key/ab-1"),
            ("alias/state", "arn:aws-us-gov:kms:us-gov-west-1:*:key/*"),
        ] {
            let policy = policy_of(&format!("s3://acme-state?kms={kms}"));
            let key = statement(&policy, "PhxStateKey");
            assert_eq!(key["Resource"], resource);
            assert_eq!(key["Condition"].is_object(), kms.starts_with("alias/"), "{kms}");
        }
    }
}
