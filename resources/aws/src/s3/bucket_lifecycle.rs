//! What becomes of a bucket's objects as they grow older: blocks of fields, and to and from the SDK's structures.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types as sdk;
use phx_model::{Block, CloudError, Input, Value, ValueMap};

use super::S3;
use super::bucket_settings::{invalid, to_tags, unless};
use crate::forms::{in_order_of, off_is_unset};

/// What becomes of objects as they grow older.
#[derive(Clone, Debug, Block)]
pub struct LifecycleConfiguration {
    /// The rules, up to 1000.
    #[field(set)]
    pub rules: Input<Vec<LifecycleRule>>,
}

/// What becomes of some objects as they grow older. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html>
#[derive(Clone, Debug, Block)]
pub struct LifecycleRule {
    /// `Enabled` or `Disabled`.
    pub status: Input<String>,
    /// The rule's name, up to 255 characters. Unset, S3 makes one up.
    #[field(cloud_default)]
    pub id: Option<Input<String>>,
    /// Which objects it is about; unset, all.
    #[field(normalize = all_is_unset)]
    pub filter: Option<Input<LifecycleFilter>>,
    /// When current versions expire.
    pub expiration: Option<Input<LifecycleExpiration>>,
    /// When current versions are moved to another storage class.
    #[field(set)]
    pub transitions: Option<Input<Vec<LifecycleTransition>>>,
    /// When earlier versions are deleted.
    pub noncurrent_version_expiration: Option<Input<NoncurrentVersionExpiration>>,
    /// When earlier versions are moved to another storage class.
    #[field(set)]
    pub noncurrent_version_transitions: Option<Input<Vec<NoncurrentVersionTransition>>>,
    /// After how many days uploads in parts that were never completed are given up.
    pub abort_incomplete_multipart_upload_days: Option<Input<i32>>,
}

/// Which objects a rule is about: those for which all of this holds.
#[derive(Clone, Debug, Block)]
pub struct LifecycleFilter {
    /// How their keys begin.
    pub prefix: Option<Input<String>>,
    /// The tags that they have.
    pub tags: Option<Input<BTreeMap<String, String>>>,
    /// They are larger than so many bytes.
    pub object_size_greater_than: Option<Input<i64>>,
    /// They are smaller than so many bytes.
    pub object_size_less_than: Option<Input<i64>>,
}

/// When current versions of objects expire: one of the three.
#[derive(Clone, Debug, Block)]
pub struct LifecycleExpiration {
    /// So many days after they were made.
    pub days: Option<Input<i32>>,
    /// On a day, at midnight UTC: `2030-01-01T00:00:00Z`.
    #[field(normalize = canonical_date)]
    pub date: Option<Input<String>>,
    /// Whether deletion markers with no versions behind them are taken away. Unset, they stay.
    #[field(normalize = off_is_unset)]
    pub expired_object_delete_marker: Option<Input<bool>>,
}

/// When current versions of objects are moved: one of the two.
#[derive(Clone, Debug, Block)]
pub struct LifecycleTransition {
    /// Where to: `STANDARD_IA`, `ONEZONE_IA`, `INTELLIGENT_TIERING`, `GLACIER_IR`, `GLACIER` or `DEEP_ARCHIVE`.
    pub storage_class: Input<String>,
    /// So many days after they were made.
    pub days: Option<Input<i32>>,
    /// On a day, at midnight UTC: `2030-01-01T00:00:00Z`.
    #[field(normalize = canonical_date)]
    pub date: Option<Input<String>>,
}

/// When earlier versions of objects are deleted.
#[derive(Clone, Debug, Block)]
pub struct NoncurrentVersionExpiration {
    /// How many days after they ceased to be current.
    pub noncurrent_days: Option<Input<i32>>,
    /// How many of the newest of them are kept all the same, up to 100.
    pub newer_noncurrent_versions: Option<Input<i32>>,
}

/// When earlier versions of objects are moved.
#[derive(Clone, Debug, Block)]
pub struct NoncurrentVersionTransition {
    /// Where to: as for [`LifecycleTransition`].
    pub storage_class: Input<String>,
    /// How many days after they ceased to be current.
    pub noncurrent_days: Option<Input<i32>>,
    /// How many of the newest of them are not moved, up to 100.
    pub newer_noncurrent_versions: Option<Input<i32>>,
}

/// What S3 knows of a bucket's life cycle.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifecycle {
    pub configuration: Option<LifecycleConfigurationResolved>,
    pub smallest: Option<String>,
}

/// `wanted`: what the program set, for the order of the rules.
pub(super) async fn get(s3: &S3, bucket: &str, wanted: Option<&Value>) -> Result<Lifecycle, CloudError> {
    let send = || s3.get_bucket_lifecycle_configuration().bucket(bucket).send();
    let read = s3.read("GetBucketLifecycleConfiguration", send);
    let Some(answer) = unless(&["NoSuchLifecycleConfiguration"], read).await? else { return Ok(Lifecycle::default()) };
    let rules: Vec<_> = answer.rules().iter().map(from_rule).collect();
    let wanted = match wanted.map(Value::expose) {
        Some(Value::Map(parts)) => parts.get("rules"),
        _ => None,
    };
    let rules = in_order_of::<LifecycleRule>(wanted, rules);
    Ok(Lifecycle {
        configuration: (!rules.is_empty()).then_some(LifecycleConfigurationResolved { rules }),
        smallest: answer.transition_default_minimum_object_size().map(|size| size.as_str().to_owned()),
    })
}

pub(super) async fn put(
    s3: &S3,
    bucket: &str,
    want: Option<&LifecycleConfigurationResolved>,
    smallest: Option<&str>,
) -> Result<(), CloudError> {
    let Some(want) = want.filter(|want| !want.rules.is_empty()) else {
        let send = || s3.delete_bucket_lifecycle().bucket(bucket).send();
        s3.write_idempotent("DeleteBucketLifecycle", send).await?;
        return Ok(());
    };
    let rules = want.rules.iter().map(to_rule).collect::<Result<_, _>>()?;
    let configuration = sdk::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().map_err(invalid)?;
    let request = s3
        .put_bucket_lifecycle_configuration()
        .bucket(bucket)
        .lifecycle_configuration(configuration)
        .set_transition_default_minimum_object_size(smallest.map(sdk::TransitionDefaultMinimumObjectSize::from));
    s3.write_idempotent("PutBucketLifecycleConfiguration", || request.clone().send()).await?;
    Ok(())
}

/// Sets the rules of a bucket that may have had some. Where the program says nothing of the size, it stays as it is: what is not sent becomes the
/// default.
pub(super) async fn change(
    s3: &S3,
    bucket: &str,
    want: Option<&LifecycleConfigurationResolved>,
    smallest: Option<&str>,
) -> Result<(), CloudError> {
    let there = match (want, smallest) {
        (Some(_), None) => get(s3, bucket, None).await?.smallest,
        _ => None,
    };
    put(s3, bucket, want, smallest.or(there.as_deref())).await
}

/// Sets the size and nothing else: the rules that are there, whoever set them, are sent again with it. Without any it says nothing.
pub(super) async fn put_smallest(s3: &S3, bucket: &str, smallest: Option<&str>) -> Result<(), CloudError> {
    let send = || s3.get_bucket_lifecycle_configuration().bucket(bucket).send();
    let read = s3.read("GetBucketLifecycleConfiguration", send);
    let rules = unless(&["NoSuchLifecycleConfiguration"], read).await?.and_then(|answer| answer.rules);
    let Some(rules) = rules.filter(|rules| !rules.is_empty()) else { return Ok(()) };
    let configuration = sdk::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().map_err(invalid)?;
    let request = s3
        .put_bucket_lifecycle_configuration()
        .bucket(bucket)
        .lifecycle_configuration(configuration)
        .set_transition_default_minimum_object_size(smallest.map(sdk::TransitionDefaultMinimumObjectSize::from));
    s3.write_idempotent("PutBucketLifecycleConfiguration", || request.clone().send()).await?;
    Ok(())
}

pub(super) fn date(text: &str) -> Result<DateTime, CloudError> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    DateTime::from_str(&whole, DateTimeFormat::DateTime)
        .map_err(|e| invalid(format!("{text:?} is no date such as 2030-01-01T00:00:00Z: {e}")))
}

pub(super) fn date_text(date: &DateTime) -> Option<String> {
    date.fmt(DateTimeFormat::DateTime).ok()
}

/// A day as S3 tells it.
pub(super) fn canonical_date(value: &Value) -> Value {
    match value.as_str().and_then(|text| date_text(&date(text).ok()?)) {
        Some(text) => Value::String(text.into()),
        None => value.expose().clone(),
    }
}

fn to_filter(want: Option<&LifecycleFilterResolved>) -> Result<sdk::LifecycleRuleFilter, CloudError> {
    let none = LifecycleFilterResolved {
        prefix: None,
        tags: None,
        object_size_greater_than: None,
        object_size_less_than: None,
    };
    let want = want.unwrap_or(&none);
    let mut tags = to_tags(want.tags.iter().flatten())?;
    // An empty one is no condition.
    let prefix = want.prefix.clone().filter(|prefix| !prefix.is_empty());
    let conditions = [prefix.is_some(), want.object_size_greater_than.is_some(), want.object_size_less_than.is_some()];
    let count = tags.len() + conditions.iter().filter(|set| **set).count();
    let filter = sdk::LifecycleRuleFilter::builder();
    if count > 1 {
        let all = sdk::LifecycleRuleAndOperator::builder()
            .set_prefix(prefix)
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
            .set_object_size_greater_than(want.object_size_greater_than)
            .set_object_size_less_than(want.object_size_less_than)
            .build();
        return Ok(filter.and(all).build());
    }
    // A filter that says nothing at all is refused in older forms of the API.
    let prefix = prefix.or_else(|| (count == 0).then(String::new));
    Ok(filter
        .set_prefix(prefix)
        .set_tag(tags.pop())
        .set_object_size_greater_than(want.object_size_greater_than)
        .set_object_size_less_than(want.object_size_less_than)
        .build())
}

/// A filter that lets everything through is none, and a part of one that does is no part.
pub(super) fn all_is_unset(value: &Value) -> Value {
    let Value::Map(filter) = value.expose() else { return value.clone() };
    let says_nothing = |name: &str, part: &Value| match part.expose() {
        Value::Null => true,
        Value::String(prefix) => name == "prefix" && prefix.is_empty(),
        Value::Map(tags) => tags.is_empty(),
        _ => false,
    };
    let said = filter.iter().filter(|(name, part)| !says_nothing(name, part));
    let said: ValueMap = said.map(|(name, part)| (name.clone(), part.expose().clone())).collect();
    if said.is_empty() { Value::Null } else { Value::Map(said) }
}

/// The prefix of an old rule stands beside its filter.
fn from_filter(filter: Option<&sdk::LifecycleRuleFilter>, old_prefix: Option<&str>) -> Option<LifecycleFilterResolved> {
    let all = filter.and_then(|f| f.and());
    let prefix = filter.and_then(|f| f.prefix()).or_else(|| all?.prefix()).or(old_prefix);
    let tags = filter.and_then(|f| f.tag()).into_iter().chain(all.map(|a| a.tags()).unwrap_or_default());
    let tags: BTreeMap<String, String> = tags.map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
    let filter = LifecycleFilterResolved {
        prefix: prefix.filter(|p| !p.is_empty()).map(str::to_owned),
        tags: Some(tags).filter(|tags| !tags.is_empty()),
        object_size_greater_than: filter
            .and_then(|f| f.object_size_greater_than())
            .or_else(|| all?.object_size_greater_than()),
        object_size_less_than: filter.and_then(|f| f.object_size_less_than()).or_else(|| all?.object_size_less_than()),
    };
    let says_something = filter.prefix.is_some()
        || filter.tags.is_some()
        || filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some();
    says_something.then_some(filter)
}

fn to_rule(want: &LifecycleRuleResolved) -> Result<sdk::LifecycleRule, CloudError> {
    let expiration = want.expiration.as_ref().map(|e| {
        Ok::<_, CloudError>(
            sdk::LifecycleExpiration::builder()
                .set_days(e.days)
                .set_date(e.date.as_deref().map(date).transpose()?)
                // It is refused beside a day, even where it is off.
                .set_expired_object_delete_marker(e.expired_object_delete_marker.filter(|on| *on))
                .build(),
        )
    });
    let transition = |t: &LifecycleTransitionResolved| {
        Ok::<_, CloudError>(
            sdk::Transition::builder()
                .storage_class(sdk::TransitionStorageClass::from(t.storage_class.as_str()))
                .set_days(t.days)
                .set_date(t.date.as_deref().map(date).transpose()?)
                .build(),
        )
    };
    let transitions = want.transitions.iter().flatten().map(transition).collect::<Result<Vec<_>, _>>()?;
    let noncurrent = want.noncurrent_version_transitions.iter().flatten().map(|t| {
        sdk::NoncurrentVersionTransition::builder()
            .storage_class(sdk::TransitionStorageClass::from(t.storage_class.as_str()))
            .set_noncurrent_days(t.noncurrent_days)
            .set_newer_noncurrent_versions(t.newer_noncurrent_versions)
            .build()
    });
    let noncurrent: Vec<_> = noncurrent.collect();
    let noncurrent_expiration = want.noncurrent_version_expiration.as_ref().map(|e| {
        sdk::NoncurrentVersionExpiration::builder()
            .set_noncurrent_days(e.noncurrent_days)
            .set_newer_noncurrent_versions(e.newer_noncurrent_versions)
            .build()
    });
    let abort = want
        .abort_incomplete_multipart_upload_days
        .map(|days| sdk::AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
    sdk::LifecycleRule::builder()
        .status(sdk::ExpirationStatus::from(want.status.as_str()))
        .set_id(want.id.clone())
        .filter(to_filter(want.filter.as_ref())?)
        .set_expiration(expiration.transpose()?)
        .set_transitions(Some(transitions).filter(|t| !t.is_empty()))
        .set_noncurrent_version_transitions(Some(noncurrent).filter(|t| !t.is_empty()))
        .set_noncurrent_version_expiration(noncurrent_expiration)
        .set_abort_incomplete_multipart_upload(abort)
        .build()
        .map_err(invalid)
}

fn from_rule(rule: &sdk::LifecycleRule) -> LifecycleRuleResolved {
    let expiration = rule.expiration().map(|e| LifecycleExpirationResolved {
        days: e.days().filter(|days| *days > 0),
        date: e.date().and_then(date_text),
        expired_object_delete_marker: e.expired_object_delete_marker().filter(|on| *on),
    });
    let transitions = rule.transitions().iter().map(|t| LifecycleTransitionResolved {
        storage_class: t.storage_class().map(|class| class.as_str().to_owned()).unwrap_or_default(),
        days: t.days().filter(|_| t.date().is_none()),
        date: t.date().and_then(date_text),
    });
    let noncurrent = rule.noncurrent_version_transitions().iter().map(|t| NoncurrentVersionTransitionResolved {
        storage_class: t.storage_class().map(|class| class.as_str().to_owned()).unwrap_or_default(),
        noncurrent_days: t.noncurrent_days(),
        newer_noncurrent_versions: t.newer_noncurrent_versions(),
    });
    let some = |count: usize| (count > 0).then_some(());
    #[allow(deprecated)] // what older tools set
    let old_prefix = rule.prefix();
    LifecycleRuleResolved {
        status: rule.status().as_str().to_owned(),
        id: rule.id().map(str::to_owned),
        filter: from_filter(rule.filter(), old_prefix),
        expiration,
        transitions: some(rule.transitions().len()).map(|()| transitions.collect()),
        noncurrent_version_expiration: rule.noncurrent_version_expiration().map(|e| {
            NoncurrentVersionExpirationResolved {
                noncurrent_days: e.noncurrent_days(),
                newer_noncurrent_versions: e.newer_noncurrent_versions(),
            }
        }),
        noncurrent_version_transitions: some(rule.noncurrent_version_transitions().len())
            .map(|()| noncurrent.collect()),
        abort_incomplete_multipart_upload_days: rule
            .abort_incomplete_multipart_upload()
            .and_then(|a| a.days_after_initiation()),
    }
}

#[cfg(test)]
mod tests {
    use phx_model::value::Val;

    use super::*;

    fn rule(json: serde_json::Value) -> LifecycleRuleResolved {
        LifecycleRule::from_value(&Value::from(json)).unwrap()
    }

    #[test]
    fn rules_come_back_as_they_were_sent() {
        for json in [
            serde_json::json!({"status": "Enabled", "expiration": {"days": 30}}),
            serde_json::json!({"status": "Disabled", "id": "x", "filter": {"prefix": "logs/"},
                "transitions": [{"storage_class": "GLACIER", "date": "2030-01-01T00:00:00Z"}]}),
            serde_json::json!({"status": "Enabled", "filter": {"tags": {"a": "1"}},
                "expiration": {"expired_object_delete_marker": true}}),
            serde_json::json!({"status": "Enabled",
                "filter": {"prefix": "p", "tags": {"a": "1", "b": "2"}, "object_size_less_than": 9_000_000_000_i64},
                "noncurrent_version_expiration": {"noncurrent_days": 5, "newer_noncurrent_versions": 3},
                "noncurrent_version_transitions": [{"storage_class": "ONEZONE_IA", "noncurrent_days": 2}],
                "abort_incomplete_multipart_upload_days": 7}),
        ] {
            let want = rule(json);
            assert_eq!(from_rule(&to_rule(&want).unwrap()), want);
        }
    }

    #[test]
    fn one_condition_stands_alone_and_several_stand_together() {
        let filter = |json| to_filter(rule(json).filter.as_ref()).unwrap();
        let one = filter(serde_json::json!({"status": "Enabled", "filter": {"object_size_greater_than": 5}}));
        assert!(one.and().is_none() && one.prefix().is_none());
        let two = filter(serde_json::json!({"status": "Enabled", "filter": {"prefix": "a", "tags": {"b": "c"}}}));
        assert!(two.prefix().is_none() && two.and().is_some_and(|a| a.tags().len() == 1));
        assert_eq!(filter(serde_json::json!({"status": "Enabled"})).prefix(), Some(""));
        let empty = serde_json::json!({"status": "Enabled", "filter": {"prefix": "", "object_size_less_than": 5}});
        assert!(filter(empty).and().is_none());
    }

    #[test]
    fn a_filter_that_lets_everything_through_is_none() {
        let same = |json| all_is_unset(&Value::from(json));
        for all in
            [serde_json::json!({}), serde_json::json!({"prefix": ""}), serde_json::json!({"prefix": "", "tags": {}})]
        {
            assert_eq!(same(all), Value::Null);
        }
        let some = serde_json::json!({"object_size_less_than": 5});
        assert_eq!(same(serde_json::json!({"prefix": "", "object_size_less_than": 5})), same(some));
    }

    #[test]
    fn days_are_compared_by_what_they_mean() {
        let day = |s: &str| canonical_date(&Value::String(s.into()));
        assert_eq!(day("2030-01-01"), day("2030-01-01T00:00:00.000Z"));
        assert_eq!(day("soon"), Value::String("soon".into()));
    }
}
