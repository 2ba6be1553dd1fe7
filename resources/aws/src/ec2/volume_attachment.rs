//! [`VolumeAttachment`].
//!
//! No emulator keeps an attachment on its way; those parts follow the service model alone.

use std::collections::BTreeSet;

use aws_sdk_ec2::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Input;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by};
use super::{Ec2, InstanceId, VolumeAttachmentId, VolumeId, once_known};
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::{Stage, until};

/// A volume as a device of an instance.
///
/// It bears no mark: a volume that is attached there already is taken over. Another volume at the same device is a change in place, the
/// old one being detached first. When the instance is terminated, AWS detaches the volume by itself.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:VolumeAttachment",
    terraform = "aws_volume_attachment",
    cloudformation = "AWS::EC2::VolumeAttachment",
    identity = NaturalKey,
    unique(volume_id),
    vanishes_with(instance_id)
)]
pub struct VolumeAttachment {
    /// The device's name: `/dev/sdf`. The instance may call it otherwise.
    #[field(replace)]
    pub device: Input<String>,
    /// The instance.
    #[field(replace)]
    pub instance_id: Input<InstanceId>,
    /// The volume, of the same zone.
    pub volume_id: Input<VolumeId>,
    /// The card that it is attached to, for instances with several. AWS's default: 0.
    #[field(replace, cloud_default)]
    pub ebs_card_index: Option<Input<i32>>,
    /// Whether it is detached even if the instance does not let go of it, which may damage the file system. phx's default: no.
    #[field(write_only)]
    pub force_detach: Option<Input<bool>>,
}

/// What AWS decides of a [`VolumeAttachment`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct VolumeAttachmentOutputs {
    /// Instance and device: `i-0a1b:/dev/sdf`.
    pub id: VolumeAttachmentId,
}

impl Manage for VolumeAttachment {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let instances: BTreeSet<&str> = targets.iter().filter_map(|t| Some(split(t.id)?.0)).collect();
        let volumes = describe::volumes(&ec2, by("attachment.instance-id", instances)).await?;
        let found = |target: &Target<'_>| {
            let Some((instance, device)) = split(target.id) else { return Found::Failed(malformed(target.id)) };
            let Some(attachment) = living(&volumes, instance, device).next() else { return Found::Gone };
            let Some(volume) = attachment.volume_id() else { return Found::Gone };
            let fields = VolumeAttachmentResolved {
                device: device.to_owned(),
                instance_id: InstanceId::new(instance),
                volume_id: VolumeId::new(volume),
                ebs_card_index: attachment.ebs_card_index(),
                force_detach: None,
            };
            Found::present(fields, VolumeAttachmentOutputs { id: VolumeAttachmentId::new(target.id) })
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &VolumeAttachmentResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        match attach(&ec2, cx, want).await {
            Ok(()) => Ok(created(want)),
            // Perhaps by a call whose answer was lost.
            Err(error) if error.kind != ErrorKind::Ambiguous => {
                Self::find(aws, cx, want, intent).await?.ok_or_else(|| explained(error, want))
            }
            Err(error) => Err(error),
        }
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &VolumeAttachmentResolved,
    ) -> Result<Option<VolumeAttachmentOutputs>, CloudError> {
        attached(&aws.ec2(cx).await?, cx, want).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &VolumeAttachmentResolved,
        change: &VolumeAttachmentChange,
    ) -> Result<Option<VolumeAttachmentOutputs>, CloudError> {
        if change.volume_id.is_none() {
            // What is left is about detaching.
            return Ok(None);
        }
        let ec2 = aws.ec2(cx).await?;
        let volumes = on_instance(&ec2, want.instance_id.as_str()).await?;
        let now: Vec<String> =
            living(&volumes, want.instance_id.as_str(), &want.device).filter_map(|a| a.volume_id.clone()).collect();
        for old in now.iter().filter(|old| *old != want.volume_id.as_str()) {
            detach(&ec2, cx, id, old, want.force_detach).await?;
        }
        if !now.iter().any(|volume| volume == want.volume_id.as_str()) {
            attach(&ec2, cx, want).await.map_err(|error| explained(error, want))?;
        }
        attached(&ec2, cx, want).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&VolumeAttachmentResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let (instance, device) = split(id).ok_or_else(|| malformed(id))?;
        let volumes = on_instance(&ec2, instance).await?;
        let now: Vec<&str> = volumes
            .iter()
            .flat_map(|v| v.attachments())
            .filter(|a| is_at(a, instance, device) && state(a) != "detached")
            .filter_map(|a| a.volume_id())
            // Somebody may have put another volume there since.
            .filter(|volume| was.is_none_or(|was| was.volume_id.as_str() == *volume))
            .collect();
        for volume in now {
            detach(&ec2, cx, id, volume, was.and_then(|was| was.force_detach)).await?;
        }
        Ok(())
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &VolumeAttachmentResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let volumes = on_instance(&aws.ec2(cx).await?, want.instance_id.as_str()).await?;
        let mut there = living(&volumes, want.instance_id.as_str(), &want.device);
        Ok(there.any(|a| a.volume_id() == Some(want.volume_id.as_str())).then(|| created(want)))
    }
}

fn created(want: &VolumeAttachmentResolved) -> Created<VolumeAttachment> {
    let id = format!("{}:{}", want.instance_id, want.device);
    Created { outputs: VolumeAttachmentOutputs { id: VolumeAttachmentId::new(&id) }, id, complete: false }
}

/// Instance and device of an id.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once(':').filter(|(instance, device)| instance.starts_with("i-") && !device.is_empty())
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no instance and device"))
        .hint("write it as INSTANCE:DEVICE: i-0a1b2c3d4e5f60718:/dev/sdf")
}

fn state(attachment: &sdk::VolumeAttachment) -> &str {
    attachment.state().map_or("attached", sdk::VolumeAttachmentState::as_str)
}

fn is_at(attachment: &sdk::VolumeAttachment, instance: &str, device: &str) -> bool {
    attachment.instance_id() == Some(instance) && attachment.device() == Some(device)
}

/// The attachments at a device that are there or on their way in: one, or none.
fn living<'a>(
    volumes: &'a [sdk::Volume],
    instance: &'a str,
    device: &'a str,
) -> impl Iterator<Item = &'a sdk::VolumeAttachment> {
    let all = volumes.iter().flat_map(|v| v.attachments());
    all.filter(move |a| is_at(a, instance, device) && !matches!(state(a), "detaching" | "detached"))
}

async fn on_instance(ec2: &Ec2, instance: &str) -> Result<Vec<sdk::Volume>, CloudError> {
    describe::volumes(ec2, by("attachment.instance-id", [instance])).await
}

async fn attach(ec2: &Ec2, cx: &Cx, want: &VolumeAttachmentResolved) -> Result<(), CloudError> {
    let request = ec2
        .attach_volume()
        .device(&want.device)
        .instance_id(want.instance_id.as_str())
        .volume_id(want.volume_id.as_str())
        .set_ebs_card_index(want.ebs_card_index);
    once_known(cx, || ec2.write("AttachVolume", || request.clone().send())).await.map(drop)
}

fn explained(error: CloudError, want: &VolumeAttachmentResolved) -> CloudError {
    match error.code.as_deref() {
        Some("VolumeInUse") => error.hint(format!("{} is attached elsewhere: detach it there first", want.volume_id)),
        Some("IncorrectState" | "IncorrectInstanceState") => {
            error.hint(format!("{} must be running or stopped to take a volume", want.instance_id))
        }
        _ => error,
    }
}

async fn attached(ec2: &Ec2, cx: &Cx, want: &VolumeAttachmentResolved) -> Result<(), CloudError> {
    let (instance, device) = (want.instance_id.as_str(), want.device.as_str());
    until(cx, &format!("{} at {device} of {instance}", want.volume_id), || async move {
        let volumes = on_instance(ec2, instance).await?;
        let mut here = living(&volumes, instance, device);
        Ok(match here.find(|a| a.volume_id() == Some(want.volume_id.as_str())).map(state) {
            Some("attached") => Stage::Ready(()),
            // The instance still uses the device for something else.
            Some(state) => Stage::Waiting(state.to_owned()),
            None => Stage::Waiting("not listed yet".to_owned()),
        })
    })
    .await
}

/// Detaches a volume and waits until it is free.
async fn detach(ec2: &Ec2, cx: &Cx, id: &str, volume: &str, force: Option<bool>) -> Result<(), CloudError> {
    let (instance, device) = split(id).ok_or_else(|| malformed(id))?;
    let request =
        ec2.detach_volume().volume_id(volume).instance_id(instance).device(device).set_force(force.filter(|f| *f));
    match ec2.write_idempotent("DetachVolume", || request.clone().send()).await {
        Ok(_) => {}
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
        // It is detached already, or being detached: seen below.
        Err(error) if error.code.as_deref() == Some("IncorrectState") => {
            tracing::debug!(%error, "the volume is not attached");
        }
        Err(error) => return Err(error),
    }
    let what = format!("{volume} at {device} of {instance}");
    let waited = until(cx, &what, || async move {
        let volumes = describe::volumes(ec2, by("volume-id", [volume])).await?;
        let mut all = volumes.iter().filter(|v| v.volume_id() == Some(volume)).flat_map(|v| v.attachments());
        Ok(match all.find(|a| is_at(a, instance, device)).map(state) {
            None | Some("detached") => Stage::Ready(()),
            Some(state) => Stage::Waiting(state.to_owned()),
        })
    });
    waited.await.map_err(|error| match error.kind {
        ErrorKind::TimedOut if error.message.contains("busy") => {
            error.hint("the instance still uses it: unmount it there, stop the instance, or set `force_detach`")
        }
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_instance_and_a_device() {
        assert_eq!(split("i-1:/dev/sdf"), Some(("i-1", "/dev/sdf")));
        assert_eq!(split("i-1:xvdf"), Some(("i-1", "xvdf")));
        for wrong in ["", "i-1", "i-1:", "vol-1:i-1", ":/dev/sdf"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
