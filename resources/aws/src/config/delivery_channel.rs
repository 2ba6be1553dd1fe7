//! `aws:config:DeliveryChannel`.

use std::time::Duration;

use aws_sdk_config::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{Config, DEFAULT, kept};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::empty_is_unset;
use crate::ids::BucketName;
use crate::manage::{Created, Found, Manage, Target};
use crate::{owner, wait};

/// How long to wait for a recorder, and for a bucket's policy to be known.
const UNTIL_RECORDER: Duration = Duration::from_secs(120);
/// How long a recorder may take to stop or to be deleted.
const UNTIL_FREE: Duration = Duration::from_secs(120);

/// Where AWS Config delivers what it records. There is one a region.
///
/// It must not depend on the recorder in a program: a recorder that records waits for it. It bears no tags. One that is there already
/// is taken for the intent's if it is exactly as wished; another one is left alone.
///
/// <https://docs.aws.amazon.com/config/latest/APIReference/API_PutDeliveryChannel.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:config:DeliveryChannel",
    terraform = "aws_config_delivery_channel",
    cloudformation = "AWS::Config::DeliveryChannel",
    identity = NaturalKey,
    unique(name)
)]
pub struct DeliveryChannel {
    /// The name. AWS's default: `default`.
    #[field(replace, cloud_default)]
    pub name: Option<Input<String>>,
    /// The bucket, whose policy lets AWS Config write.
    pub s3_bucket_name: Input<BucketName>,
    /// What the names of the objects in it begin with.
    #[field(normalize = empty_is_unset)]
    pub s3_key_prefix: Option<Input<String>>,
    /// The KMS key that the objects are encrypted with.
    pub s3_kms_key_arn: Option<Input<Arn>>,
    /// The SNS topic that is told of changes.
    pub sns_topic_arn: Option<Input<Arn>>,
    /// How often snapshots are delivered. Unset, none are.
    pub config_snapshot_delivery_properties: Option<Input<SnapshotDelivery>>,
}

/// How often snapshots are delivered.
#[derive(Clone, Debug, Block)]
pub struct SnapshotDelivery {
    /// `One_Hour`, `Three_Hours`, `Six_Hours`, `Twelve_Hours` or `TwentyFour_Hours`.
    pub delivery_frequency: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct DeliveryChannelOutputs {
    /// The name.
    pub id: String,
}

impl Manage for DeliveryChannel {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let config = &aws.config(cx).await?;
        let channels = describe(config).await?;
        let found = |target: &Target<'_>| match channels.iter().find(|c| c.name() == Some(target.id)) {
            Some(channel) => Found::present(fields(channel), created(target.id).outputs),
            None => Found::Gone,
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &DeliveryChannelResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // The call would change a channel that is there already, whoever's it is.
        if let Some(made) = Self::find(aws, cx, want, intent).await? {
            return Ok(made);
        }
        put(&aws.config(cx).await?, cx, want).await.map_err(explain)?;
        Ok(created(name(want)))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &DeliveryChannelResolved,
        change: &DeliveryChannelChange,
    ) -> Result<Option<DeliveryChannelOutputs>, CloudError> {
        let config = &aws.config(cx).await?;
        let channels = describe(config).await?;
        let mut next = want.clone();
        // The call sets the whole channel: what the program never set is sent as somebody else set it.
        if let Some(there) = channels.iter().find(|c| c.name() == Some(id)).map(fields) {
            kept(&mut next.s3_key_prefix, change.s3_key_prefix.as_ref(), there.s3_key_prefix);
            kept(&mut next.s3_kms_key_arn, change.s3_kms_key_arn.as_ref(), there.s3_kms_key_arn);
            kept(&mut next.sns_topic_arn, change.sns_topic_arn.as_ref(), there.sns_topic_arn);
            let (change, there) =
                (change.config_snapshot_delivery_properties.as_ref(), there.config_snapshot_delivery_properties);
            kept(&mut next.config_snapshot_delivery_properties, change, there);
        }
        put(config, cx, &next).await.map_err(explain)?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&DeliveryChannelResolved>) -> Result<(), CloudError> {
        let config = &aws.config(cx).await?;
        let request = config.delete_delivery_channel().delivery_channel_name(id);
        let held = |e: &CloudError| e.code.as_deref() == Some("LastDeliveryChannelDeleteFailedException");
        let send = || config.write_idempotent("DeleteDeliveryChannel", || request.clone().send());
        match wait::eventually(cx, UNTIL_FREE, held, send).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if held(&error) => Err(CloudError {
                kind: ErrorKind::InUse,
                ..error.hint("the region's configuration recorder is recording: stop it or delete it first")
            }),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &DeliveryChannelResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let config = &aws.config(cx).await?;
        let name = name(want);
        let channels = describe(config).await?;
        let Some(channel) = channels.iter().find(|c| c.name() == Some(name)) else { return Ok(None) };
        owner::check_alike::<Self>(&format!("the delivery channel {name}"), want, &fields(channel))
            .map_err(|e| e.hint("adopt it with `phx import` if it is this stack's to manage, or delete it"))?;
        Ok(Some(created(name)))
    }
}

fn name(want: &DeliveryChannelResolved) -> &str {
    want.name.as_deref().unwrap_or(DEFAULT)
}

fn explain(error: CloudError) -> CloudError {
    match error.code.as_deref() {
        Some("MaxNumberOfDeliveryChannelsExceededException") => {
            error.hint("a region has one channel: adopt the one that is there with `phx import`, or delete it")
        }
        Some("NoAvailableConfigurationRecorderException") => {
            error.hint("declare a Recorder in the same region; neither must depend on the other")
        }
        _ => error,
    }
}

async fn describe(config: &Config) -> Result<Vec<sdk::DeliveryChannel>, CloudError> {
    let request = config.describe_delivery_channels();
    let answer = config.read("DescribeDeliveryChannels", || request.clone().send()).await?;
    Ok(answer.delivery_channels.unwrap_or_default())
}

/// Sets the channel. The recorder may be made just now, and so may the bucket's policy.
async fn put(config: &Config, cx: &Cx, want: &DeliveryChannelResolved) -> Result<(), CloudError> {
    let snapshots = want.config_snapshot_delivery_properties.as_ref().map(|s| {
        sdk::ConfigSnapshotDeliveryProperties::builder()
            .delivery_frequency(s.delivery_frequency.as_str().into())
            .build()
    });
    let channel = sdk::DeliveryChannel::builder()
        .name(name(want))
        .s3_bucket_name(want.s3_bucket_name.as_str())
        .set_s3_key_prefix(want.s3_key_prefix.clone())
        .set_s3_kms_key_arn(want.s3_kms_key_arn.as_ref().map(Arn::to_string))
        .set_sns_topic_arn(want.sns_topic_arn.as_ref().map(Arn::to_string))
        .set_config_snapshot_delivery_properties(snapshots)
        .build();
    let request = config.put_delivery_channel().delivery_channel(channel);
    let passing = |e: &CloudError| {
        matches!(
            e.code.as_deref(),
            Some("NoAvailableConfigurationRecorderException" | "InsufficientDeliveryPolicyException")
        )
    };
    let send = || config.write_idempotent("PutDeliveryChannel", || request.clone().send());
    wait::eventually(cx, UNTIL_RECORDER, passing, send).await.map(drop)
}

fn created(name: &str) -> Created<DeliveryChannel> {
    Created { id: name.to_owned(), outputs: DeliveryChannelOutputs { id: name.to_owned() }, complete: true }
}

fn fields(channel: &sdk::DeliveryChannel) -> DeliveryChannelResolved {
    let frequency = channel.config_snapshot_delivery_properties().and_then(|p| p.delivery_frequency());
    DeliveryChannelResolved {
        name: channel.name.clone(),
        s3_bucket_name: BucketName::new(channel.s3_bucket_name().unwrap_or_default()),
        s3_key_prefix: channel.s3_key_prefix.clone().filter(|p| !p.is_empty()),
        s3_kms_key_arn: channel.s3_kms_key_arn().filter(|a| !a.is_empty()).map(Arn::new),
        sns_topic_arn: channel.sns_topic_arn().filter(|a| !a.is_empty()).map(Arn::new),
        config_snapshot_delivery_properties: frequency
            .map(|f| SnapshotDeliveryResolved { delivery_frequency: f.as_str().to_owned() }),
    }
}
