//! `aws:config:Recorder`.
//!
//! A recorder can record only once there is a delivery channel, and a channel can be made only once there is a recorder. So the recorder
//! waits for the channel before it starts: the two must not depend on each other in a program.
//!
//! Emulators know neither recorders' tags nor their recording modes; those parts follow the service model alone.

use std::time::{Duration, Instant};

use aws_sdk_config::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::{Config, DEFAULT, incomplete, to_sdk};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::owner;
use crate::tagged::{self, TagMap};
use crate::tags::with_intent;
use crate::wait::{self, Stage};

/// How long to wait for a delivery channel.
const UNTIL_CHANNEL: Duration = Duration::from_secs(180);
/// How long a role may be unknown that was made a moment ago.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// What records the configurations of a region's resources. There is one a region.
///
/// <https://docs.aws.amazon.com/config/latest/APIReference/API_PutConfigurationRecorder.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:config:Recorder",
    terraform = "aws_config_configuration_recorder",
    cloudformation = "AWS::Config::ConfigurationRecorder",
    identity = NaturalKey,
    unique(name)
)]
pub struct Recorder {
    /// The name. AWS's default: `default`.
    #[field(replace, cloud_default)]
    pub name: Option<Input<String>>,
    /// The role with which AWS Config reads.
    pub role_arn: Input<Arn>,
    /// Which resources are recorded. AWS's default: all but those of global services.
    #[field(cloud_default)]
    pub recording_group: Option<Input<RecordingGroup>>,
    /// How often they are recorded. AWS's default: continuously.
    #[field(cloud_default)]
    pub recording_mode: Option<Input<RecordingMode>>,
    /// Whether it records, for which there has to be a delivery channel. AWS's default: no.
    #[field(cloud_default)]
    pub recording: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// Which resources are recorded.
#[derive(Clone, Debug, Block)]
pub struct RecordingGroup {
    /// Whether all types are.
    #[field(cloud_default)]
    pub all_supported: Option<Input<bool>>,
    /// Whether those of global services are too. AWS's default: no.
    #[field(cloud_default)]
    pub include_global_resource_types: Option<Input<bool>>,
    /// The types that are, if not all: `AWS::EC2::VPC`.
    #[field(set)]
    pub resource_types: Option<Input<Vec<String>>>,
    /// The types that are not.
    pub exclusion_by_resource_types: Option<Input<ExclusionByResourceTypes>>,
    /// Which of these ways is meant.
    #[field(cloud_default)]
    pub recording_strategy: Option<Input<RecordingStrategy>>,
}

/// Types of resources that are not recorded.
#[derive(Clone, Debug, Block)]
pub struct ExclusionByResourceTypes {
    /// The types.
    #[field(set)]
    pub resource_types: Input<Vec<String>>,
}

/// How the recorded types are chosen.
#[derive(Clone, Debug, Block)]
pub struct RecordingStrategy {
    /// `ALL_SUPPORTED_RESOURCE_TYPES`, `INCLUSION_BY_RESOURCE_TYPES` or `EXCLUSION_BY_RESOURCE_TYPES`.
    pub use_only: Input<String>,
}

/// How often resources are recorded.
#[derive(Clone, Debug, Block)]
pub struct RecordingMode {
    /// `CONTINUOUS` or `DAILY`.
    pub recording_frequency: Input<String>,
    /// Types that are recorded otherwise.
    pub recording_mode_overrides: Option<Input<Vec<RecordingModeOverride>>>,
}

/// Types that are recorded otherwise.
#[derive(Clone, Debug, Block)]
pub struct RecordingModeOverride {
    /// What it is for.
    pub description: Option<Input<String>>,
    /// The types.
    #[field(set)]
    pub resource_types: Input<Vec<String>>,
    /// `CONTINUOUS` or `DAILY`.
    pub recording_frequency: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RecorderOutputs {
    /// The name.
    pub id: String,
    /// The ARN. Older recorders have none.
    #[output(volatile)]
    pub arn: Option<Arn>,
}

impl Manage for Recorder {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let config = &aws.config(cx).await?;
        let recorders = describe(config).await?;
        let of = |id: &str| recorders.iter().find(|r| r.name() == Some(id));
        let recording = if targets.iter().any(|t| t.wants("recording") && of(t.id).is_some()) {
            statuses(config).await?
        } else {
            Vec::new()
        };
        let arn = |at: usize| of(targets[at].id).and_then(|r| r.arn.clone());
        let ask = |_, arn: String| async move { super::tags(config, &arn).await };
        let mut tags = tagged::read(aws, cx, targets, arn, ask).await?;
        let found = |(at, target): (usize, &Target<'_>)| match of(target.id) {
            Some(recorder) => tagged::with(tags.remove(&at), |tags| {
                let status = recording.iter().find(|s| s.name() == Some(target.id));
                let fields = fields(recorder, status.map(sdk::ConfigurationRecorderStatus::recording), tags);
                Found::present(fields, created(target.id, recorder.arn()).outputs)
            }),
            None => Found::Gone,
        };
        Ok(targets.iter().enumerate().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RecorderResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let config = &aws.config(cx).await?;
        // The call would change a recorder that is there already, whoever's it is.
        if let Some(made) = Self::find(aws, cx, want, intent).await? {
            return Ok(made);
        }
        let request = config
            .put_configuration_recorder()
            .configuration_recorder(recorder(want)?)
            .set_tags(Some(to_sdk(with_intent(&want.tags, intent))));
        let send = || config.write("PutConfigurationRecorder", || request.clone().send());
        wait::eventually(cx, UNTIL_KNOWN, unknown_role, send).await.map_err(explain)?;
        Ok(created(name(want), None))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RecorderResolved,
    ) -> Result<Option<RecorderOutputs>, CloudError> {
        let config = &aws.config(cx).await?;
        if want.recording == Some(true) {
            start(config, cx, id).await?;
        }
        let recorders = describe(config).await?;
        let arn = recorders.iter().find(|r| r.name() == Some(id)).and_then(|r| r.arn());
        Ok(Some(created(id, arn).outputs))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RecorderResolved,
        change: &RecorderChange,
    ) -> Result<Option<RecorderOutputs>, CloudError> {
        let config = &aws.config(cx).await?;
        let recorders = describe(config).await?;
        let there = recorders.iter().find(|r| r.name() == Some(id));
        if change.role_arn.is_some() || change.recording_group.is_some() || change.recording_mode.is_some() {
            // The call sets all of it: what does not change is sent as it is there, with the parts that the program does not set.
            let mut next = want.clone();
            if let Some(there) = there.map(|r| fields(r, None, TagMap::new())) {
                if change.recording_group.is_none() {
                    next.recording_group = there.recording_group.or(next.recording_group);
                }
                if change.recording_mode.is_none() {
                    next.recording_mode = there.recording_mode.or(next.recording_mode);
                }
            }
            let request = config.put_configuration_recorder().configuration_recorder(recorder(&next)?);
            let send = || config.write_idempotent("PutConfigurationRecorder", || request.clone().send());
            wait::eventually(cx, UNTIL_KNOWN, unknown_role, send).await?;
        }
        match change.recording.as_ref().and_then(|c| c.after) {
            Some(true) => start(config, cx, id).await?,
            Some(false) => {
                let request = config.stop_configuration_recorder().configuration_recorder_name(id);
                config.write_idempotent("StopConfigurationRecorder", || request.clone().send()).await?;
            }
            None => {}
        }
        if let Some(arn) = there.and_then(|r| r.arn()) {
            super::update_tags(config, arn, change.tags.as_ref()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RecorderResolved>) -> Result<(), CloudError> {
        let config = &aws.config(cx).await?;
        let request = config.delete_configuration_recorder().configuration_recorder_name(id);
        match config.write_idempotent("DeleteConfigurationRecorder", || request.clone().send()).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RecorderResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let config = &aws.config(cx).await?;
        let name = name(want);
        let recorders = describe(config).await?;
        let Some(recorder) = recorders.iter().find(|r| r.name() == Some(name)) else { return Ok(None) };
        let tags = match recorder.arn() {
            Some(arn) => super::tags(config, arn).await?,
            None => TagMap::new(),
        };
        owner::check(&format!("the configuration recorder {name}"), &tags, intent)?;
        Ok(Some(created(name, recorder.arn())))
    }
}

fn name(want: &RecorderResolved) -> &str {
    want.name.as_deref().unwrap_or(DEFAULT)
}

/// A role that was made a moment ago.
fn unknown_role(error: &CloudError) -> bool {
    error.code.as_deref() == Some("InvalidRoleException")
}

fn explain(error: CloudError) -> CloudError {
    if error.code.as_deref() == Some("MaxNumberOfConfigurationRecordersExceededException") {
        return error.hint("a region has one recorder: adopt the one that is there with `phx import`, or delete it");
    }
    error
}

/// All recorders of the region. There are few, and one that is gone would hide all others were they asked for by name.
async fn describe(config: &Config) -> Result<Vec<sdk::ConfigurationRecorder>, CloudError> {
    let request = config.describe_configuration_recorders();
    let answer = config.read("DescribeConfigurationRecorders", || request.clone().send()).await?;
    Ok(answer.configuration_recorders.unwrap_or_default())
}

async fn statuses(config: &Config) -> Result<Vec<sdk::ConfigurationRecorderStatus>, CloudError> {
    let request = config.describe_configuration_recorder_status();
    let answer = config.read("DescribeConfigurationRecorderStatus", || request.clone().send()).await?;
    Ok(answer.configuration_recorders_status.unwrap_or_default())
}

/// Starts recording, as soon as there is a delivery channel.
async fn start(config: &Config, cx: &Cx, id: &str) -> Result<(), CloudError> {
    let begun = Instant::now();
    let request = config.start_configuration_recorder().configuration_recorder_name(id);
    wait::until(cx, &format!("the configuration recorder {id}"), || async {
        match config.write_idempotent("StartConfigurationRecorder", || request.clone().send()).await {
            Err(error) if error.code.as_deref() == Some("NoAvailableDeliveryChannelException") => {
                if begun.elapsed() >= UNTIL_CHANNEL.min(cx.timeout) {
                    return Err(error.hint(
                        "declare a DeliveryChannel in the same region, and let it not depend on the recorder: the two wait for each other",
                    ));
                }
                Ok(Stage::Waiting("waiting for a delivery channel".to_owned()))
            }
            Err(error) => Err(error),
            Ok(_) => Ok(Stage::Ready(())),
        }
    })
    .await
}

fn created(name: &str, arn: Option<&str>) -> Created<Recorder> {
    let outputs = RecorderOutputs { id: name.to_owned(), arn: arn.map(Arn::new) };
    Created { id: name.to_owned(), outputs, complete: false }
}

fn recorder(want: &RecorderResolved) -> Result<sdk::ConfigurationRecorder, CloudError> {
    let mode = want.recording_mode.as_ref().map(|mode| {
        let other = |o: &RecordingModeOverrideResolved| {
            sdk::RecordingModeOverride::builder()
                .set_description(o.description.clone())
                .set_resource_types(Some(o.resource_types.iter().map(|t| t.as_str().into()).collect()))
                .recording_frequency(o.recording_frequency.as_str().into())
                .build()
                .map_err(incomplete)
        };
        let others = mode.recording_mode_overrides.as_ref();
        sdk::RecordingMode::builder()
            .recording_frequency(mode.recording_frequency.as_str().into())
            .set_recording_mode_overrides(
                others.map(|all| all.iter().map(other).collect::<Result<_, _>>()).transpose()?,
            )
            .build()
            .map_err(incomplete)
    });
    Ok(sdk::ConfigurationRecorder::builder()
        .name(name(want))
        .role_arn(want.role_arn.as_str())
        .set_recording_group(want.recording_group.as_ref().map(group))
        .set_recording_mode(mode.transpose()?)
        .build())
}

fn group(want: &RecordingGroupResolved) -> sdk::RecordingGroup {
    let types = |types: &Vec<String>| types.iter().map(|t| t.as_str().into()).collect::<Vec<sdk::ResourceType>>();
    let exclusion = want
        .exclusion_by_resource_types
        .as_ref()
        .map(|e| sdk::ExclusionByResourceTypes::builder().set_resource_types(Some(types(&e.resource_types))).build());
    let strategy = want.recording_strategy.as_ref();
    let strategy = strategy.map(|s| sdk::RecordingStrategy::builder().use_only(s.use_only.as_str().into()).build());
    let chosen = want.resource_types.is_some() || want.exclusion_by_resource_types.is_some();
    sdk::RecordingGroup::builder()
        .all_supported(want.all_supported.unwrap_or(!chosen))
        .include_global_resource_types(want.include_global_resource_types.unwrap_or(false))
        .set_resource_types(want.resource_types.as_ref().map(types))
        .set_exclusion_by_resource_types(exclusion)
        .set_recording_strategy(strategy)
        .build()
}

fn fields(recorder: &sdk::ConfigurationRecorder, recording: Option<bool>, tags: TagMap) -> RecorderResolved {
    RecorderResolved {
        name: recorder.name.clone(),
        role_arn: Arn::new(recorder.role_arn().unwrap_or_default()),
        recording_group: recorder.recording_group().map(group_of),
        recording_mode: recorder.recording_mode().map(mode_of),
        recording,
        tags,
    }
}

fn texts(types: &[sdk::ResourceType]) -> Vec<String> {
    types.iter().map(|t| t.as_str().to_owned()).collect()
}

fn group_of(group: &sdk::RecordingGroup) -> RecordingGroupResolved {
    let types = Some(texts(group.resource_types())).filter(|types| !types.is_empty());
    let exclusion = group.exclusion_by_resource_types().map(|e| texts(e.resource_types()));
    RecordingGroupResolved {
        all_supported: Some(group.all_supported()),
        include_global_resource_types: Some(group.include_global_resource_types()),
        resource_types: types,
        exclusion_by_resource_types: exclusion
            .filter(|types| !types.is_empty())
            .map(|resource_types| ExclusionByResourceTypesResolved { resource_types }),
        recording_strategy: group
            .recording_strategy()
            .and_then(|s| s.use_only())
            .map(|s| RecordingStrategyResolved { use_only: s.as_str().to_owned() }),
    }
}

fn mode_of(mode: &sdk::RecordingMode) -> RecordingModeResolved {
    let other = |o: &sdk::RecordingModeOverride| RecordingModeOverrideResolved {
        description: o.description.clone().filter(|d| !d.is_empty()),
        resource_types: texts(o.resource_types()),
        recording_frequency: o.recording_frequency().as_str().to_owned(),
    };
    let others: Vec<_> = mode.recording_mode_overrides().iter().map(other).collect();
    RecordingModeResolved {
        recording_frequency: mode.recording_frequency().as_str().to_owned(),
        recording_mode_overrides: (!others.is_empty()).then_some(others),
    }
}
