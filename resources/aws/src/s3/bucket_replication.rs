//! Copying a bucket's objects to other buckets: blocks of fields, and to and from the SDK's structures.

use std::collections::BTreeMap;

use aws_sdk_s3::types as sdk;
use phx_model::{Block, CloudError, Input, Value};

use super::S3;
use super::bucket_settings::{invalid, to_tags, unless};
use crate::arn::Arn;
use crate::forms::in_order_of;

/// What is copied to other buckets, and as whom. Both buckets must keep versions.
#[derive(Clone, Debug, Block)]
pub struct ReplicationConfiguration {
    /// The role that S3 takes on to copy.
    pub role: Input<Arn>,
    /// The rules, up to 1000.
    #[field(set)]
    pub rules: Input<Vec<ReplicationRule>>,
}

/// What is copied where. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html>
#[derive(Clone, Debug, Block)]
pub struct ReplicationRule {
    /// `Enabled` or `Disabled`.
    pub status: Input<String>,
    /// Where to.
    pub destination: Input<ReplicationDestination>,
    /// The rule's name, up to 255 characters. Unset, S3 makes one up.
    #[field(cloud_default)]
    pub id: Option<Input<String>>,
    /// Which of two rules with one destination counts: the one with the higher number. Unset, the earlier rule's is the lower.
    #[field(cloud_default)]
    pub priority: Option<Input<i32>>,
    /// Which objects it is about; unset, all.
    #[field(normalize = super::bucket_lifecycle::all_is_unset)]
    pub filter: Option<Input<ReplicationFilter>>,
    /// Whether deletion markers are copied too: `Enabled` or `Disabled`, which it is unset.
    #[field(cloud_default)]
    pub delete_marker_replication: Option<Input<String>>,
    /// Whether objects that are encrypted with KMS keys are copied: `Enabled` or `Disabled`.
    #[field(cloud_default)]
    pub sse_kms_encrypted_objects: Option<Input<String>>,
    /// Whether changes to the copies' metadata are copied back: `Enabled` or `Disabled`.
    #[field(cloud_default)]
    pub replica_modifications: Option<Input<String>>,
    /// Whether objects that were there before the rule are copied: `Enabled` or `Disabled`. S3 takes it from accounts that asked for it.
    #[field(cloud_default)]
    pub existing_object_replication: Option<Input<String>>,
}

/// Which objects are copied: those for which all of this holds.
#[derive(Clone, Debug, Block)]
pub struct ReplicationFilter {
    /// How their keys begin.
    pub prefix: Option<Input<String>>,
    /// The tags that they have.
    pub tags: Option<Input<BTreeMap<String, String>>>,
}

/// Where copies go.
#[derive(Clone, Debug, Block)]
pub struct ReplicationDestination {
    /// The bucket.
    pub bucket: Input<Arn>,
    /// The account that the bucket belongs to, if copies shall belong to it.
    pub account: Option<Input<String>>,
    /// The copies' storage class. Unset, the objects'.
    pub storage_class: Option<Input<String>>,
    /// Whose the copies are: `Destination`, for the account of `account`. Unset, the objects' owner's.
    pub owner: Option<Input<String>>,
    /// The KMS key that copies are encrypted with.
    pub replica_kms_key_id: Option<Input<Arn>>,
    /// Within how many minutes copies are promised to be there: 15. Unset, nothing is promised. `metrics_minutes` goes with it.
    pub replication_time_minutes: Option<Input<i32>>,
    /// After how many minutes without its copy an object is reported: 15. Unset, nothing is measured, unless `metrics` is set.
    pub metrics_minutes: Option<Input<i32>>,
    /// Whether it is measured how far copies lag behind: `Enabled` or `Disabled`. Unset, they are if `metrics_minutes` is set.
    #[field(cloud_default)]
    pub metrics: Option<Input<String>>,
}

/// `wanted`: what the program set, for the order of the rules.
pub(super) async fn get(
    s3: &S3,
    bucket: &str,
    wanted: Option<&Value>,
) -> Result<Option<ReplicationConfigurationResolved>, CloudError> {
    let send = || s3.get_bucket_replication().bucket(bucket).send();
    let read = s3.read("GetBucketReplication", send);
    let answer = unless(&["ReplicationConfigurationNotFoundError"], read).await?;
    let Some(configuration) = answer.and_then(|a| a.replication_configuration) else { return Ok(None) };
    let wanted = match wanted.map(Value::expose) {
        Some(Value::Map(parts)) => parts.get("rules"),
        _ => None,
    };
    let rules = configuration.rules().iter().map(from_rule).collect();
    Ok(Some(ReplicationConfigurationResolved {
        role: Arn::new(configuration.role()),
        rules: in_order_of::<ReplicationRule>(wanted, rules),
    }))
}

pub(super) async fn put(
    s3: &S3,
    bucket: &str,
    want: Option<&ReplicationConfigurationResolved>,
) -> Result<(), CloudError> {
    let Some(want) = want else {
        let send = || s3.delete_bucket_replication().bucket(bucket).send();
        s3.write_idempotent("DeleteBucketReplication", send).await?;
        return Ok(());
    };
    let rules = want.rules.iter().enumerate().map(|(at, rule)| to_rule(at, rule)).collect::<Result<_, _>>()?;
    let configuration = sdk::ReplicationConfiguration::builder()
        .role(want.role.as_str())
        .set_rules(Some(rules))
        .build()
        .map_err(invalid)?;
    let request = s3.put_bucket_replication().bucket(bucket).replication_configuration(configuration);
    s3.write_idempotent("PutBucketReplication", || request.clone().send()).await?;
    Ok(())
}

fn to_filter(want: Option<&ReplicationFilterResolved>) -> Result<sdk::ReplicationRuleFilter, CloudError> {
    // An empty one is no condition.
    let prefix = want.and_then(|f| f.prefix.clone()).filter(|prefix| !prefix.is_empty());
    let mut tags = to_tags(want.and_then(|f| f.tags.as_ref()).into_iter().flatten())?;
    let filter = sdk::ReplicationRuleFilter::builder();
    if tags.len() + usize::from(prefix.is_some()) > 1 {
        let all = sdk::ReplicationRuleAndOperator::builder().set_prefix(prefix).set_tags(Some(tags)).build();
        return Ok(filter.and(all).build());
    }
    let prefix = prefix.or_else(|| tags.is_empty().then(String::new));
    Ok(filter.set_prefix(prefix).set_tag(tags.pop()).build())
}

fn from_filter(
    filter: Option<&sdk::ReplicationRuleFilter>,
    old_prefix: Option<&str>,
) -> Option<ReplicationFilterResolved> {
    let all = filter.and_then(|f| f.and());
    let prefix = filter.and_then(|f| f.prefix()).or_else(|| all?.prefix()).or(old_prefix);
    let tags = filter.and_then(|f| f.tag()).into_iter().chain(all.map(|a| a.tags()).unwrap_or_default());
    let tags: BTreeMap<String, String> = tags.map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
    let prefix = prefix.filter(|p| !p.is_empty()).map(str::to_owned);
    let tags = Some(tags).filter(|tags| !tags.is_empty());
    (prefix.is_some() || tags.is_some()).then_some(ReplicationFilterResolved { prefix, tags })
}

fn minutes(minutes: i32) -> sdk::ReplicationTimeValue {
    sdk::ReplicationTimeValue::builder().minutes(minutes).build()
}

fn to_destination(want: &ReplicationDestinationResolved) -> Result<sdk::Destination, CloudError> {
    let translation = want.owner.as_deref().map(|owner| {
        let owner = sdk::OwnerOverride::from(owner);
        sdk::AccessControlTranslation::builder().owner(owner).build().map_err(invalid)
    });
    let encryption = want.replica_kms_key_id.as_ref();
    let encryption =
        encryption.map(|key| sdk::EncryptionConfiguration::builder().replica_kms_key_id(key.as_str()).build());
    let time = want.replication_time_minutes.map(|m| {
        let time = sdk::ReplicationTime::builder().status(sdk::ReplicationTimeStatus::Enabled).time(minutes(m));
        time.build().map_err(invalid)
    });
    let measured = want.metrics.as_deref().or_else(|| want.metrics_minutes.map(|_| "Enabled"));
    let metrics = measured.map(|status| {
        let status = sdk::MetricsStatus::from(status);
        let threshold = want.metrics_minutes.map(minutes);
        sdk::Metrics::builder().status(status).set_event_threshold(threshold).build().map_err(invalid)
    });
    sdk::Destination::builder()
        .bucket(want.bucket.as_str())
        .set_account(want.account.clone())
        .set_storage_class(want.storage_class.as_deref().map(sdk::StorageClass::from))
        .set_access_control_translation(translation.transpose()?)
        .set_encryption_configuration(encryption)
        .set_replication_time(time.transpose()?)
        .set_metrics(metrics.transpose()?)
        .build()
        .map_err(invalid)
}

fn from_destination(destination: Option<&sdk::Destination>) -> ReplicationDestinationResolved {
    let d = destination;
    let time = d.and_then(|d| d.replication_time()).filter(|t| t.status() == &sdk::ReplicationTimeStatus::Enabled);
    let metrics = d.and_then(|d| d.metrics());
    ReplicationDestinationResolved {
        bucket: Arn::new(d.map(|d| d.bucket()).unwrap_or_default()),
        account: d.and_then(|d| d.account()).map(str::to_owned),
        storage_class: d.and_then(|d| d.storage_class()).map(|class| class.as_str().to_owned()),
        owner: d.and_then(|d| d.access_control_translation()).map(|t| t.owner().as_str().to_owned()),
        replica_kms_key_id: d.and_then(|d| d.encryption_configuration()?.replica_kms_key_id()).map(Arn::new),
        replication_time_minutes: time.and_then(|t| t.time()?.minutes()),
        metrics_minutes: metrics.and_then(|m| m.event_threshold()?.minutes()),
        metrics: metrics.map(|m| m.status().as_str().to_owned()),
    }
}

/// `at`: the place of the rule among the others, by which S3 decides unless priorities are set.
fn to_rule(at: usize, want: &ReplicationRuleResolved) -> Result<sdk::ReplicationRule, CloudError> {
    let encrypted = want.sse_kms_encrypted_objects.as_deref().map(|status| {
        let status = sdk::SseKmsEncryptedObjectsStatus::from(status);
        sdk::SseKmsEncryptedObjects::builder().status(status).build().map_err(invalid)
    });
    let modified = want.replica_modifications.as_deref().map(|status| {
        let status = sdk::ReplicaModificationsStatus::from(status);
        sdk::ReplicaModifications::builder().status(status).build().map_err(invalid)
    });
    let selection = (encrypted.is_some() || modified.is_some()).then(|| {
        Ok::<_, CloudError>(
            sdk::SourceSelectionCriteria::builder()
                .set_sse_kms_encrypted_objects(encrypted.transpose()?)
                .set_replica_modifications(modified.transpose()?)
                .build(),
        )
    });
    let existing = want.existing_object_replication.as_deref().map(|status| {
        let status = sdk::ExistingObjectReplicationStatus::from(status);
        sdk::ExistingObjectReplication::builder().status(status).build().map_err(invalid)
    });
    let markers = want.delete_marker_replication.as_deref().unwrap_or("Disabled");
    let markers = sdk::DeleteMarkerReplicationStatus::from(markers);
    sdk::ReplicationRule::builder()
        .status(sdk::ReplicationRuleStatus::from(want.status.as_str()))
        .set_id(want.id.clone())
        // A rule with a filter must have a priority and say something of deletion markers.
        .set_priority(want.priority.or_else(|| i32::try_from(at).ok()))
        .filter(to_filter(want.filter.as_ref())?)
        .destination(to_destination(&want.destination)?)
        .delete_marker_replication(sdk::DeleteMarkerReplication::builder().status(markers).build())
        .set_source_selection_criteria(selection.transpose()?)
        .set_existing_object_replication(existing.transpose()?)
        .build()
        .map_err(invalid)
}

fn from_rule(rule: &sdk::ReplicationRule) -> ReplicationRuleResolved {
    let selection = rule.source_selection_criteria();
    #[allow(deprecated)] // what older tools set
    let old_prefix = rule.prefix();
    ReplicationRuleResolved {
        status: rule.status().as_str().to_owned(),
        destination: from_destination(rule.destination()),
        id: rule.id().map(str::to_owned),
        priority: rule.priority(),
        filter: from_filter(rule.filter(), old_prefix),
        delete_marker_replication: rule
            .delete_marker_replication()
            .and_then(|d| d.status())
            .map(|status| status.as_str().to_owned()),
        sse_kms_encrypted_objects: selection
            .and_then(|s| s.sse_kms_encrypted_objects())
            .map(|e| e.status().as_str().to_owned()),
        replica_modifications: selection
            .and_then(|s| s.replica_modifications())
            .map(|m| m.status().as_str().to_owned()),
        existing_object_replication: rule.existing_object_replication().map(|e| e.status().as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use phx_model::value::Val;

    use super::*;

    #[test]
    fn rules_come_back_as_they_were_sent() {
        let bucket = "arn:aws:s3:::copies";
        for json in [
            serde_json::json!({"status": "Enabled", "id": "a", "priority": 3, "delete_marker_replication": "Enabled",
                "destination": {"bucket": bucket}}),
            serde_json::json!({"status": "Enabled", "id": "b", "priority": 1, "delete_marker_replication": "Disabled",
                "filter": {"prefix": "p", "tags": {"a": "1"}}, "sse_kms_encrypted_objects": "Enabled",
                "replica_modifications": "Disabled", "existing_object_replication": "Enabled",
                "destination": {"bucket": bucket, "account": "123456789012", "owner": "Destination",
                    "storage_class": "STANDARD_IA", "replica_kms_key_id": "arn:aws:kms:r:1:key/k",
                    "replication_time_minutes": 15, "metrics_minutes": 15, "metrics": "Enabled"}}),
        ] {
            let want = ReplicationRule::from_value(&Value::from(json)).unwrap();
            assert_eq!(from_rule(&to_rule(0, &want).unwrap()), want);
        }
    }
}
