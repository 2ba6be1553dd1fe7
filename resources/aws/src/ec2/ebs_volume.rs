//! [`EbsVolume`].
//!
//! No emulator keeps a volume or its change on the way, fails one, or serves `auto_enable_io` and initialization rates; those parts
//! follow the service model alone.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{ResourceType, VolumeAttributeName, VolumeType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::Value;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::place::Place;
use super::{Ec2, VolumeId, boolean, holders, once_free, tagging};
use crate::arn::Arn;
use crate::batch::{align, each};
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// A disk for instances of one zone. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
#[derive(Clone, Debug, Resource)]
#[resource(type = "aws:ec2:EbsVolume", terraform = "aws_ebs_volume", cloudformation = "AWS::EC2::Volume", identity = IntentTag)]
pub struct EbsVolume {
    /// The zone: `us-west-2a`. It, or the zone's id, or an Outpost must be given.
    #[field(replace, cloud_default)]
    pub availability_zone: Option<Input<String>>,
    /// The zone's id: `usw2-az1`.
    #[field(replace, cloud_default)]
    pub availability_zone_id: Option<Input<String>>,
    /// Its size in GiB; it can grow. AWS's default: the snapshot's, without which it is required.
    #[field(cloud_default)]
    pub size: Option<Input<i32>>,
    /// `gp3`, `gp2`, `io2`, `io1`, `st1`, `sc1` or `standard`. AWS's default: `gp2`.
    #[field(cloud_default)]
    pub volume_type: Option<Input<String>>,
    /// Operations a second, for `gp3`, `io1` and `io2`. AWS's default for `gp3`: 3000.
    #[field(cloud_default)]
    pub iops: Option<Input<i32>>,
    /// MiB a second, for `gp3`. AWS's default: 125.
    #[field(cloud_default)]
    pub throughput: Option<Input<i32>>,
    /// Whether it is encrypted. `false` asks for nothing: AWS encrypts it all the same where the account or the snapshot says so. AWS's default:
    /// as the account and the snapshot have it.
    #[field(replace, cloud_default)]
    pub encrypted: Option<Input<bool>>,
    /// The KMS key that it is encrypted with. AWS's default: the account's for volumes.
    #[field(replace, cloud_default)]
    pub kms_key_id: Option<Input<Arn>>,
    /// The snapshot that it begins with.
    #[field(replace, cloud_default)]
    pub snapshot_id: Option<Input<String>>,
    /// The Outpost that it stands on.
    #[field(replace, cloud_default)]
    pub outpost_arn: Option<Input<Arn>>,
    /// Whether several instances may use it at once, for `io1` and `io2`. `io2` can change it while the volume is not attached. AWS's default: no.
    #[field(cloud_default)]
    pub multi_attach_enabled: Option<Input<bool>>,
    /// At how many MiB a second blocks are fetched from the snapshot: 100 to 300. AWS's default: as they are asked for.
    #[field(replace, cloud_default)]
    pub volume_initialization_rate: Option<Input<i32>>,
    /// Whether it goes on working after AWS found that its data may be inconsistent. AWS's default: no.
    #[field(cloud_default)]
    pub auto_enable_io: Option<Input<bool>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of an [`EbsVolume`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct EbsVolumeOutputs {
    /// Its id.
    pub id: VolumeId,
    /// Its ARN.
    pub arn: Arn,
    /// The zone that it stands in.
    pub availability_zone: Option<String>,
}

impl Manage for EbsVolume {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let volumes = describe::volumes(ec2, by("volume-id", targets.iter().map(|t| t.id))).await?;
        let mut found =
            align(targets, volumes, |volume| volume.volume_id(), |target, volume| present(&place, target, volume));
        // This one attribute takes a call for each volume. One that is being adopted is not asked: what the program sets is set on it.
        let asked: Vec<(usize, &str)> = targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.inputs.contains_key("auto_enable_io"))
            .filter(|(at, _)| matches!(found[*at], Found::Present { .. }))
            .map(|(at, target)| (at, target.id))
            .collect();
        for (at, answer) in each(asked, |(at, id)| async move { Ok((at, auto_enable_io(ec2, id).await)) }).await? {
            match (answer, &mut found[at]) {
                (Ok(value), Found::Present { fields, .. }) => fields.auto_enable_io = value,
                // It went away between two calls.
                (Err(error), slot) if error.kind == ErrorKind::NotFound => *slot = Found::Gone,
                (Err(error), slot) => *slot = Found::Failed(error),
                (Ok(_), _) => {}
            }
        }
        Ok(found)
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &EbsVolumeResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let place = Place::of(aws, cx).await?;
        let request = ec2
            .create_volume()
            .client_token(client_token(intent))
            .set_availability_zone(want.availability_zone.clone())
            .set_availability_zone_id(want.availability_zone_id.clone())
            .set_size(want.size)
            .set_volume_type(want.volume_type.as_deref().map(VolumeType::from))
            .set_iops(want.iops)
            .set_throughput(want.throughput)
            .set_encrypted(want.encrypted)
            .set_kms_key_id(want.kms_key_id.as_ref().map(Arn::to_string))
            .set_snapshot_id(want.snapshot_id.clone())
            .set_outpost_arn(want.outpost_arn.as_ref().map(Arn::to_string))
            .set_multi_attach_enabled(want.multi_attach_enabled)
            .set_volume_initialization_rate(want.volume_initialization_rate)
            .tag_specifications(tagging::specification(ResourceType::Volume, &want.tags, intent));
        let answer = ec2.write("CreateVolume", || request.clone().send()).await?;
        let id = answer.volume_id.ok_or_else(|| ec2.unexpected("CreateVolume", "the answer names no volume"))?;
        let outputs = EbsVolumeOutputs {
            arn: place.arn("volume", &id),
            id: VolumeId::new(&id),
            availability_zone: answer.availability_zone,
        };
        Ok(Created { id, outputs, complete: false })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &EbsVolumeResolved,
    ) -> Result<Option<EbsVolumeOutputs>, CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        until(cx, &format!("volume {id}"), || async move {
            let Some(volume) = one(ec2, id).await? else { return Ok(Stage::Waiting("not listed yet".to_owned())) };
            match state(&volume) {
                "available" | "in-use" => Ok(Stage::Ready(())),
                state @ ("error" | "deleting" | "deleted") => {
                    // DescribeVolumes has no reason for it.
                    let message = format!("volume {id} is {state}");
                    Err(CloudError::local(ErrorKind::Other, message)
                        .hint("most often the KMS key cannot be used by whoever made the volume, or the snapshot cannot be read"))
                }
                state => Ok(Stage::Waiting(state.to_owned())),
            }
        })
        .await?;
        if want.auto_enable_io == Some(true) {
            set_auto_enable_io(ec2, id, true).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &EbsVolumeResolved,
        change: &EbsVolumeChange,
    ) -> Result<Option<EbsVolumeOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let changes = VolumeChanges {
            size: change.size.as_ref().and_then(|c| c.after),
            volume_type: change.volume_type.as_ref().and_then(|c| c.after.clone()),
            iops: change.iops.as_ref().and_then(|c| c.after),
            throughput: change.throughput.as_ref().and_then(|c| c.after),
            multi_attach_enabled: change.multi_attach_enabled.as_ref().and_then(|c| c.after),
        };
        modify(&ec2, cx, id, changes.with_rates(want.iops, want.throughput)).await?;
        if let Some(io) = &change.auto_enable_io {
            set_auto_enable_io(&ec2, id, io.after.unwrap_or(false)).await?;
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&EbsVolumeResolved>) -> Result<(), CloudError> {
        let ec2 = &aws.ec2(cx).await?;
        let request = ec2.delete_volume().volume_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteVolume", || request.clone().send())).await;
        holders::explain(deleted, users(ec2, id)).await?;
        until(cx, &format!("volume {id}"), || async move {
            let volume = one(ec2, id).await?;
            Ok(match volume.as_ref().map(state) {
                None | Some("deleted") => Stage::Ready(()),
                Some(state) => Stage::Waiting(state.to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &EbsVolumeResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let volumes = describe::volumes(&ec2, by_intent(intent)).await?;
        let mine = volumes.iter().find(|v| tagging::has_intent(v.tags(), intent) && !is_over(state(v)));
        let place = Place::of(aws, cx).await?;
        let outputs = mine.and_then(|volume| outputs(&place, volume));
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: false }))
    }
}

fn state(volume: &sdk::Volume) -> &str {
    volume.state().map_or("in no state", sdk::VolumeState::as_str)
}

fn is_over(state: &str) -> bool {
    matches!(state, "deleting" | "deleted")
}

fn outputs(place: &Place, volume: &sdk::Volume) -> Option<EbsVolumeOutputs> {
    let id = volume.volume_id()?;
    Some(EbsVolumeOutputs {
        id: VolumeId::new(id),
        arn: volume.volume_arn().map_or_else(|| place.arn("volume", id), Arn::new),
        availability_zone: volume.availability_zone.clone(),
    })
}

fn present(place: &Place, target: &Target<'_>, volume: &sdk::Volume) -> Found<EbsVolume> {
    if is_over(state(volume)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(place, volume) else { return Found::Gone };
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let fields = EbsVolumeResolved {
        availability_zone: volume.availability_zone.clone(),
        availability_zone_id: volume.availability_zone_id.clone(),
        size: volume.size(),
        volume_type: volume.volume_type().map(|t| t.as_str().to_owned()),
        iops: volume.iops(),
        throughput: volume.throughput(),
        encrypted: encrypted_as_set(target, volume.encrypted()),
        kms_key_id: text(volume.kms_key_id()).map(|key| key_as_set(target, key)),
        snapshot_id: text(volume.snapshot_id()),
        outpost_arn: text(volume.outpost_arn()).map(Arn::new),
        multi_attach_enabled: volume.multi_attach_enabled(),
        volume_initialization_rate: volume.volume_initialization_rate(),
        auto_enable_io: None,
        tags: tagging::read(volume.tags()),
    };
    Found::present(fields, outputs)
}

/// Whether it is encrypted, as the program said it: what was not asked for is no difference, which would put an empty volume in this one's place
/// at every run, and AWS would encrypt that one too.
fn encrypted_as_set(target: &Target<'_>, there: Option<bool>) -> Option<bool> {
    match target.inputs.get("encrypted").map(Value::expose) {
        Some(Value::Bool(false)) => Some(false),
        _ => there,
    }
}

/// The key as the program named it, if it named it by an alias or by its id alone: AWS answers with the key's ARN, and a difference would put
/// an empty volume in this one's place. Where an alias leads is not asked: a volume keeps the key that it was made with.
fn key_as_set(target: &Target<'_>, there: String) -> Arn {
    let set = target.inputs.get("kms_key_id").and_then(Value::as_str);
    let same = |set: &&str| set.contains("alias/") || there.ends_with(&format!(":key/{set}"));
    let named = set.filter(same).map(str::to_owned);
    Arn::new(named.unwrap_or(there))
}

async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::Volume>, CloudError> {
    let volumes = describe::volumes(ec2, by("volume-id", [id])).await?;
    Ok(volumes.into_iter().find(|v| v.volume_id() == Some(id)))
}

/// The instances that it is attached to.
async fn users(ec2: &Ec2, id: &str) -> Result<Vec<String>, CloudError> {
    let volume = one(ec2, id).await?;
    let attachments = volume.iter().flat_map(|v| v.attachments());
    Ok(attachments.filter_map(|a| a.instance_id.clone()).collect())
}

async fn auto_enable_io(ec2: &Ec2, id: &str) -> Result<Option<bool>, CloudError> {
    let request = ec2.describe_volume_attribute().volume_id(id).attribute(VolumeAttributeName::AutoEnableIo);
    let answer = ec2.read("DescribeVolumeAttribute", || request.clone().send()).await?;
    Ok(answer.auto_enable_io.and_then(|v| v.value))
}

async fn set_auto_enable_io(ec2: &Ec2, id: &str, value: bool) -> Result<(), CloudError> {
    let request = ec2.modify_volume_attribute().volume_id(id).auto_enable_io(boolean(value));
    ec2.write_idempotent("ModifyVolumeAttribute", || request.clone().send()).await.map(drop)
}

/// What `ModifyVolume` can change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct VolumeChanges {
    pub(super) size: Option<i32>,
    pub(super) volume_type: Option<String>,
    pub(super) iops: Option<i32>,
    pub(super) throughput: Option<i32>,
    pub(super) multi_attach_enabled: Option<bool>,
}

impl VolumeChanges {
    /// With a new type the wanted rates go along: AWS would set the type's own.
    pub(super) fn with_rates(mut self, iops: Option<i32>, throughput: Option<i32>) -> Self {
        if self.volume_type.is_some() {
            self.iops = self.iops.or(iops);
            self.throughput = self.throughput.or(throughput);
        }
        self
    }

    /// Without what the volume is already.
    fn but(mut self, volume: &sdk::Volume) -> Self {
        self.size = self.size.filter(|size| Some(*size) != volume.size());
        self.volume_type =
            self.volume_type.filter(|kind| Some(kind.as_str()) != volume.volume_type().map(VolumeType::as_str));
        if self.volume_type.is_none() {
            self.iops = self.iops.filter(|iops| Some(*iops) != volume.iops());
            self.throughput = self.throughput.filter(|rate| Some(*rate) != volume.throughput());
        }
        self.multi_attach_enabled = self.multi_attach_enabled.filter(|on| Some(*on) != volume.multi_attach_enabled());
        self
    }
}

/// Changes a volume, of an instance's own too, and waits until it is as wanted; AWS may go on optimizing it for hours. What it is already
/// is not asked for again: a volume takes its next change hours after the last.
pub(super) async fn modify(ec2: &Ec2, cx: &Cx, id: &str, changes: VolumeChanges) -> Result<(), CloudError> {
    if changes == VolumeChanges::default() {
        return Ok(());
    }
    // One that was asked for before may still be on its way.
    unmodified(ec2, cx, id).await?;
    let changes = match one(ec2, id).await? {
        Some(volume) => changes.but(&volume),
        None => changes,
    };
    if changes == VolumeChanges::default() {
        return Ok(());
    }
    let request = ec2
        .modify_volume()
        .volume_id(id)
        .set_size(changes.size)
        .set_volume_type(changes.volume_type.as_deref().map(VolumeType::from))
        .set_iops(changes.iops)
        .set_throughput(changes.throughput)
        .set_multi_attach_enabled(changes.multi_attach_enabled);
    if let Err(error) = ec2.write("ModifyVolume", || request.clone().send()).await {
        return Err(match error.code.as_deref() {
            Some("IncorrectModificationState" | "VolumeModificationRateExceeded") => error.hint(
                "AWS changes a volume once in six hours, and not while it is optimizing it: run `up` again later",
            ),
            _ => error,
        });
    }
    match unmodified(ec2, cx, id).await? {
        Some(last) if state_of(&last) == "failed" => {
            let why = last.status_message().unwrap_or("AWS gives no reason");
            Err(CloudError::local(ErrorKind::Other, format!("volume {id} is not changed: {why}")))
        }
        _ => Ok(()),
    }
}

fn state_of(modification: &sdk::VolumeModification) -> &str {
    modification.modification_state().map_or("completed", sdk::VolumeModificationState::as_str)
}

/// Waits until no change is being made, and gives the last one.
async fn unmodified(ec2: &Ec2, cx: &Cx, id: &str) -> Result<Option<sdk::VolumeModification>, CloudError> {
    until(cx, &format!("volume {id}'s change"), || async move {
        let all = describe::volumes_modifications(ec2, by("volume-id", [id])).await?;
        let mine = all.into_iter().filter(|m| m.volume_id() == Some(id));
        let last = mine.max_by_key(|m| m.start_time().map(|t| (t.secs(), t.subsec_nanos())));
        Ok(match last.as_ref().map(state_of) {
            Some("modifying") => Stage::Waiting("modifying".to_owned()),
            _ => Stage::Ready(last),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_type_takes_the_wanted_rates_along() {
        let typed = VolumeChanges { volume_type: Some("gp3".into()), iops: Some(5000), ..VolumeChanges::default() };
        let with = typed.clone().with_rates(Some(4000), Some(250));
        assert_eq!(with, VolumeChanges { throughput: Some(250), ..typed.clone() });
        let sized = VolumeChanges { size: Some(9), ..VolumeChanges::default() };
        assert_eq!(sized.clone().with_rates(Some(4000), Some(250)), sized);
        let volume = sdk::Volume::builder().size(9).volume_type(VolumeType::Gp2).iops(5000).build();
        assert_eq!(sized.but(&volume), VolumeChanges::default());
        assert_eq!(typed.clone().but(&volume), typed);
    }
}
