//! Who is told of what happens in a bucket: notifications and access logs. Blocks of fields, and to and from the SDK's structures.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::types as sdk;
use phx_model::{Block, CloudError, Input, Value};

use super::bucket_settings::{invalid, is_named_by_operation};
use super::{BucketName, S3};
use crate::arn::Arn;
use crate::forms::{empty_is_unset, in_order_of, off_is_unset};

/// Who is told of what happens to a bucket's objects.
#[derive(Clone, Debug, Block)]
pub struct NotificationConfiguration {
    /// Topics that messages are sent to.
    #[field(set)]
    pub topic_configurations: Option<Input<Vec<TopicConfiguration>>>,
    /// Queues that messages are sent to.
    #[field(set)]
    pub queue_configurations: Option<Input<Vec<QueueConfiguration>>>,
    /// Functions that are called.
    #[field(set)]
    pub lambda_function_configurations: Option<Input<Vec<LambdaFunctionConfiguration>>>,
    /// Whether EventBridge is told everything.
    #[field(normalize = off_is_unset)]
    pub event_bridge_enabled: Option<Input<bool>>,
}

/// A topic that is told of events.
#[derive(Clone, Debug, Block)]
pub struct TopicConfiguration {
    /// The topic. Its policy must allow S3 to publish.
    pub topic_arn: Input<Arn>,
    /// What it is told of: `s3:ObjectCreated:*`.
    #[field(set)]
    pub events: Input<Vec<String>>,
    /// A name for this. Unset, S3 makes one up.
    #[field(cloud_default)]
    pub id: Option<Input<String>>,
    /// How the keys begin of the objects that it is told of.
    #[field(normalize = empty_is_unset)]
    pub prefix: Option<Input<String>>,
    /// How the keys end of the objects that it is told of.
    #[field(normalize = empty_is_unset)]
    pub suffix: Option<Input<String>>,
}

/// A queue that is told of events.
#[derive(Clone, Debug, Block)]
pub struct QueueConfiguration {
    /// The queue. Its policy must allow S3 to send.
    pub queue_arn: Input<Arn>,
    /// What it is told of: `s3:ObjectCreated:*`.
    #[field(set)]
    pub events: Input<Vec<String>>,
    /// A name for this. Unset, S3 makes one up.
    #[field(cloud_default)]
    pub id: Option<Input<String>>,
    /// How the keys begin of the objects that it is told of.
    #[field(normalize = empty_is_unset)]
    pub prefix: Option<Input<String>>,
    /// How the keys end of the objects that it is told of.
    #[field(normalize = empty_is_unset)]
    pub suffix: Option<Input<String>>,
}

/// A function that is called for events.
#[derive(Clone, Debug, Block)]
pub struct LambdaFunctionConfiguration {
    /// The function. Its policy must allow S3 to call it.
    pub lambda_function_arn: Input<Arn>,
    /// What it is called for: `s3:ObjectCreated:*`.
    #[field(set)]
    pub events: Input<Vec<String>>,
    /// A name for this. Unset, S3 makes one up.
    #[field(cloud_default)]
    pub id: Option<Input<String>>,
    /// How the keys begin of the objects that it is called for.
    #[field(normalize = empty_is_unset)]
    pub prefix: Option<Input<String>>,
    /// How the keys end of the objects that it is called for.
    #[field(normalize = empty_is_unset)]
    pub suffix: Option<Input<String>>,
}

/// Where records of access to a bucket go.
#[derive(Clone, Debug, Block)]
pub struct BucketLoggingStatus {
    /// The bucket that they are put into, in the same region. Its policy must allow `logging.s3.amazonaws.com` to put objects there.
    pub target_bucket: Input<BucketName>,
    /// How the records' keys begin. Unset, with nothing before their date.
    #[field(normalize = empty_is_unset)]
    pub target_prefix: Option<Input<String>>,
    /// Whether the records' keys also name account, region, bucket and day. Unset, they do not.
    pub partitioned_prefix: Option<Input<PartitionedPrefix>>,
    /// Who may read the records, where the bucket that they are put into has ACLs.
    #[field(set)]
    pub target_grants: Option<Input<Vec<TargetGrant>>>,
}

/// The day that stands in the keys of access records.
#[derive(Clone, Debug, Block)]
pub struct PartitionedPrefix {
    /// Of the access (`EventTime`) or of its record's delivery (`DeliveryTime`).
    pub partition_date_source: Input<String>,
}

/// What someone may do with access records: one of the three says who.
#[derive(Clone, Debug, Block)]
pub struct TargetGrant {
    /// `FULL_CONTROL`, `READ` or `WRITE`.
    pub permission: Input<String>,
    /// An account, by its canonical user id.
    pub id: Option<Input<String>>,
    /// A group, by its URI.
    pub uri: Option<Input<String>>,
    /// An account, by its e-mail address.
    pub email_address: Option<Input<String>>,
}

/// `wanted`: what the program set, for the order of the lists.
pub(super) async fn get_notification(
    s3: &S3,
    bucket: &str,
    wanted: Option<&Value>,
) -> Result<Option<NotificationConfigurationResolved>, CloudError> {
    let send = || async {
        match s3.get_bucket_notification_configuration().bucket(bucket).send().await {
            // What stands in for S3 may say nothing under another name.
            Err(SdkError::ServiceError(e)) if is_named_by_operation(e.raw(), "GetBucketNotification") => {
                Ok(GetBucketNotificationConfigurationOutput::builder().build())
            }
            answer => answer,
        }
    };
    let answer = s3.read("GetBucketNotificationConfiguration", send).await?;
    let wanted = |list: &str| match wanted.map(Value::expose) {
        Some(Value::Map(parts)) => parts.get(list),
        _ => None,
    };
    let topics = answer.topic_configurations().iter().map(|c| TopicConfigurationResolved {
        topic_arn: Arn::new(c.topic_arn()),
        events: texts(c.events()),
        id: c.id().map(str::to_owned),
        prefix: rule(c.filter(), "prefix"),
        suffix: rule(c.filter(), "suffix"),
    });
    let queues = answer.queue_configurations().iter().map(|c| QueueConfigurationResolved {
        queue_arn: Arn::new(c.queue_arn()),
        events: texts(c.events()),
        id: c.id().map(str::to_owned),
        prefix: rule(c.filter(), "prefix"),
        suffix: rule(c.filter(), "suffix"),
    });
    let functions = answer.lambda_function_configurations().iter().map(|c| LambdaFunctionConfigurationResolved {
        lambda_function_arn: Arn::new(c.lambda_function_arn()),
        events: texts(c.events()),
        id: c.id().map(str::to_owned),
        prefix: rule(c.filter(), "prefix"),
        suffix: rule(c.filter(), "suffix"),
    });
    let topics = in_order_of::<TopicConfiguration>(wanted("topic_configurations"), topics.collect());
    let queues = in_order_of::<QueueConfiguration>(wanted("queue_configurations"), queues.collect());
    let functions =
        in_order_of::<LambdaFunctionConfiguration>(wanted("lambda_function_configurations"), functions.collect());
    let bridge = answer.event_bridge_configuration().is_some();
    let nothing = topics.is_empty() && queues.is_empty() && functions.is_empty() && !bridge;
    Ok((!nothing).then(|| NotificationConfigurationResolved {
        topic_configurations: Some(topics).filter(|t| !t.is_empty()),
        queue_configurations: Some(queues).filter(|q| !q.is_empty()),
        lambda_function_configurations: Some(functions).filter(|f| !f.is_empty()),
        event_bridge_enabled: bridge.then_some(true),
    }))
}

/// Sets all of it; nothing is wished if `want` is not there.
pub(super) async fn put_notification(
    s3: &S3,
    bucket: &str,
    want: Option<&NotificationConfigurationResolved>,
    skip_validation: Option<bool>,
) -> Result<(), CloudError> {
    let configuration = want.map(to_notification).transpose()?;
    let configuration = configuration.unwrap_or_else(|| sdk::NotificationConfiguration::builder().build());
    let request = s3
        .put_bucket_notification_configuration()
        .bucket(bucket)
        .notification_configuration(configuration)
        .set_skip_destination_validation(skip_validation);
    s3.write_idempotent("PutBucketNotificationConfiguration", || request.clone().send()).await?;
    Ok(())
}

/// S3 sends a message to each destination before it takes it, and the permission for that may have been given only a moment ago.
pub(super) fn is_unvalidated(error: &CloudError) -> bool {
    error.code.as_deref() == Some("InvalidArgument")
        && error.message.contains("Unable to validate the following destination")
}

fn to_notification(want: &NotificationConfigurationResolved) -> Result<sdk::NotificationConfiguration, CloudError> {
    let topic = |c: &TopicConfigurationResolved| {
        sdk::TopicConfiguration::builder()
            .set_id(c.id.clone())
            .topic_arn(c.topic_arn.as_str())
            .set_events(Some(events(&c.events)))
            .set_filter(filter(c.prefix.as_deref(), c.suffix.as_deref()))
            .build()
            .map_err(invalid)
    };
    let queue = |c: &QueueConfigurationResolved| {
        sdk::QueueConfiguration::builder()
            .set_id(c.id.clone())
            .queue_arn(c.queue_arn.as_str())
            .set_events(Some(events(&c.events)))
            .set_filter(filter(c.prefix.as_deref(), c.suffix.as_deref()))
            .build()
            .map_err(invalid)
    };
    let function = |c: &LambdaFunctionConfigurationResolved| {
        sdk::LambdaFunctionConfiguration::builder()
            .set_id(c.id.clone())
            .lambda_function_arn(c.lambda_function_arn.as_str())
            .set_events(Some(events(&c.events)))
            .set_filter(filter(c.prefix.as_deref(), c.suffix.as_deref()))
            .build()
            .map_err(invalid)
    };
    let topics = want.topic_configurations.iter().flatten().map(topic).collect::<Result<_, _>>()?;
    let queues = want.queue_configurations.iter().flatten().map(queue).collect::<Result<_, _>>()?;
    let functions = want.lambda_function_configurations.iter().flatten().map(function).collect::<Result<_, _>>()?;
    let bridge = (want.event_bridge_enabled == Some(true)).then(|| sdk::EventBridgeConfiguration::builder().build());
    Ok(sdk::NotificationConfiguration::builder()
        .set_topic_configurations(Some(topics))
        .set_queue_configurations(Some(queues))
        .set_lambda_function_configurations(Some(functions))
        .set_event_bridge_configuration(bridge)
        .build())
}

fn events(events: &[String]) -> Vec<sdk::Event> {
    events.iter().map(|event| sdk::Event::from(event.as_str())).collect()
}

fn texts(events: &[sdk::Event]) -> Vec<String> {
    events.iter().map(|event| event.as_str().to_owned()).collect()
}

fn filter(prefix: Option<&str>, suffix: Option<&str>) -> Option<sdk::NotificationConfigurationFilter> {
    let rule = |name, value: &str| sdk::FilterRule::builder().name(name).value(value).build();
    let rules: Vec<_> = prefix
        .map(|p| rule(sdk::FilterRuleName::Prefix, p))
        .into_iter()
        .chain(suffix.map(|s| rule(sdk::FilterRuleName::Suffix, s)))
        .collect();
    (!rules.is_empty()).then(|| {
        let key = sdk::S3KeyFilter::builder().set_filter_rules(Some(rules)).build();
        sdk::NotificationConfigurationFilter::builder().key(key).build()
    })
}

/// S3 writes the names of the rules as `Prefix` and `Suffix` in its answers.
fn rule(filter: Option<&sdk::NotificationConfigurationFilter>, name: &str) -> Option<String> {
    let rules = filter.and_then(|f| f.key()).map(|k| k.filter_rules()).unwrap_or_default();
    let rule = rules.iter().find(|r| r.name().is_some_and(|n| n.as_str().eq_ignore_ascii_case(name)))?;
    rule.value().filter(|value| !value.is_empty()).map(str::to_owned)
}

pub(super) async fn get_logging(s3: &S3, bucket: &str) -> Result<Option<BucketLoggingStatusResolved>, CloudError> {
    let answer = s3.read("GetBucketLogging", || s3.get_bucket_logging().bucket(bucket).send()).await?;
    Ok(answer.logging_enabled().map(from_logging))
}

pub(super) async fn put_logging(
    s3: &S3,
    bucket: &str,
    want: Option<&BucketLoggingStatusResolved>,
) -> Result<(), CloudError> {
    let logging = want.map(to_logging).transpose()?;
    let status = sdk::BucketLoggingStatus::builder().set_logging_enabled(logging).build();
    let request = s3.put_bucket_logging().bucket(bucket).bucket_logging_status(status);
    s3.write_idempotent("PutBucketLogging", || request.clone().send()).await?;
    Ok(())
}

fn to_logging(want: &BucketLoggingStatusResolved) -> Result<sdk::LoggingEnabled, CloudError> {
    let grants = want.target_grants.iter().flatten().map(|g| {
        let kind = match (&g.id, &g.uri) {
            (Some(_), _) => sdk::Type::CanonicalUser,
            (None, Some(_)) => sdk::Type::Group,
            (None, None) => sdk::Type::AmazonCustomerByEmail,
        };
        let grantee = sdk::Grantee::builder()
            .r#type(kind)
            .set_id(g.id.clone())
            .set_uri(g.uri.clone())
            .set_email_address(g.email_address.clone())
            .build()
            .map_err(invalid)?;
        let permission = sdk::BucketLogsPermission::from(g.permission.as_str());
        Ok::<_, CloudError>(sdk::TargetGrant::builder().grantee(grantee).permission(permission).build())
    });
    let grants = grants.collect::<Result<Vec<_>, _>>()?;
    let format = want.partitioned_prefix.as_ref().map(|p| {
        let source = sdk::PartitionDateSource::from(p.partition_date_source.as_str());
        let prefix = sdk::PartitionedPrefix::builder().partition_date_source(source).build();
        sdk::TargetObjectKeyFormat::builder().partitioned_prefix(prefix).build()
    });
    sdk::LoggingEnabled::builder()
        .target_bucket(want.target_bucket.as_str())
        .target_prefix(want.target_prefix.clone().unwrap_or_default())
        .set_target_grants(Some(grants).filter(|g| !g.is_empty()))
        .set_target_object_key_format(format)
        .build()
        .map_err(invalid)
}

fn from_logging(logging: &sdk::LoggingEnabled) -> BucketLoggingStatusResolved {
    let grants = logging.target_grants().iter().map(|g| TargetGrantResolved {
        permission: g.permission().map(|p| p.as_str().to_owned()).unwrap_or_default(),
        id: g.grantee().and_then(|g| g.id()).map(str::to_owned),
        uri: g.grantee().and_then(|g| g.uri()).map(str::to_owned),
        email_address: g.grantee().and_then(|g| g.email_address()).map(str::to_owned),
    });
    let grants: Vec<_> = grants.collect();
    let prefix = logging.target_object_key_format().and_then(|f| f.partitioned_prefix());
    let partitioned = prefix.map(|p| PartitionedPrefixResolved {
        partition_date_source: p.partition_date_source().map(|s| s.as_str().to_owned()).unwrap_or_default(),
    });
    BucketLoggingStatusResolved {
        target_bucket: BucketName::new(logging.target_bucket()),
        target_prefix: Some(logging.target_prefix()).filter(|p| !p.is_empty()).map(str::to_owned),
        partitioned_prefix: partitioned,
        target_grants: Some(grants).filter(|g| !g.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use phx_model::value::Val;

    use super::*;

    #[test]
    fn logging_comes_back_as_it_was_sent() {
        for json in [
            serde_json::json!({"target_bucket": "logs"}),
            serde_json::json!({"target_bucket": "logs", "target_prefix": "a/",
                "partitioned_prefix": {"partition_date_source": "EventTime"},
                "target_grants": [{"permission": "READ", "id": "me"}]}),
        ] {
            let want = BucketLoggingStatus::from_value(&Value::from(json)).unwrap();
            assert_eq!(from_logging(&to_logging(&want).unwrap()), want);
        }
    }

    #[test]
    fn only_a_destination_that_may_not_be_told_is_tried_again() {
        let error = |code: &str, message: &str| CloudError {
            code: Some(code.into()),
            ..CloudError::local(phx_model::error::ErrorKind::Invalid, message)
        };
        let message = "Unable to validate the following destination configurations";
        assert!(is_unvalidated(&error("InvalidArgument", message)));
        assert!(!is_unvalidated(&error("InvalidArgument", "The event is not supported")));
        assert!(!is_unvalidated(&error("AccessDenied", message)));
    }

    #[test]
    fn a_filter_is_read_whatever_its_names_case() {
        let read = filter(Some("in/"), Some(".jpg"));
        assert_eq!(rule(read.as_ref(), "prefix").as_deref(), Some("in/"));
        let upper = sdk::FilterRule::builder().name(sdk::FilterRuleName::from("Suffix")).value(".png").build();
        let key = sdk::S3KeyFilter::builder().filter_rules(upper).build();
        let filter = sdk::NotificationConfigurationFilter::builder().key(key).build();
        assert_eq!(rule(Some(&filter), "suffix").as_deref(), Some(".png"));
        assert_eq!(rule(None, "suffix"), None);
    }
}
