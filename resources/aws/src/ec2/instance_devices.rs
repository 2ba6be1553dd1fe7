//! Changes of an [`Instance`](super::Instance)'s devices.

use aws_sdk_ec2::types as sdk;
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use super::instance::InstanceResolved;
use super::instance_blocks::InstanceBlockDeviceResolved;
use super::{Ec2, ebs_volume, instance_read, instance_update};

pub(super) fn unchangeable(id: &str, what: &str) -> CloudError {
    let message = format!("{what} of {id} cannot be changed: it is decided at the launch");
    CloudError::local(ErrorKind::Invalid, message)
        .hint("take the change back, or have a new instance with `phx up --replace`")
}

/// The volumes that came with the instance: that of the root device, and those of the devices that the program names.
pub(super) fn launch_volumes<'a>(instance: &'a sdk::Instance, want: &InstanceResolved) -> Vec<&'a str> {
    let named = want.block_device_mappings.iter().flatten().map(|d| d.device_name.as_str());
    let mut volumes: Vec<&str> = instance
        .root_device_name()
        .into_iter()
        .chain(named)
        .filter_map(|d| instance_read::volume_of(instance, d))
        .collect();
    volumes.sort_unstable();
    volumes.dedup();
    volumes
}

/// What changes of one device.
#[derive(Debug, Default, PartialEq)]
pub(super) struct DeviceChange {
    delete_on_termination: Option<bool>,
    volume: ebs_volume::VolumeChanges,
}

/// What is to change of the devices, or why it cannot.
pub(super) async fn changes(
    ec2: &Ec2,
    id: &str,
    instance: &sdk::Instance,
    wanted: &[InstanceBlockDeviceResolved],
) -> Result<Vec<(String, DeviceChange)>, CloudError> {
    let volumes = instance_read::volumes(ec2, &[instance]).await?;
    let there = instance_read::devices(instance, &volumes, None);
    let mut changes = Vec::new();
    for want in wanted {
        let now = there.iter().find(|d| d.device_name == want.device_name);
        match change(id, now, want)? {
            none if none == DeviceChange::default() => {}
            change => changes.push((want.device_name.clone(), change)),
        }
    }
    Ok(changes)
}

fn change(
    id: &str,
    now: Option<&InstanceBlockDeviceResolved>,
    want: &InstanceBlockDeviceResolved,
) -> Result<DeviceChange, CloudError> {
    let name = &want.device_name;
    let Some(ebs) = &want.ebs else {
        // A disk of the host's own, or a device that is left out: nothing of it can be seen, or changed.
        return match now {
            Some(_) => Err(unchangeable(id, &format!("device {name}"))),
            None => Ok(DeviceChange::default()),
        };
    };
    let Some(now) = now.and_then(|now| now.ebs.as_ref()) else {
        let message = format!("{id} has no device {name}, and devices come only with the launch");
        return Err(CloudError::local(ErrorKind::Invalid, message).hint(
            "declare an EbsVolume and a VolumeAttachment for it, or have a new instance with `phx up --replace`",
        ));
    };
    fn differs<T: PartialEq>(want: &Option<T>, now: &Option<T>) -> bool {
        want.is_some() && want != now
    }
    let other_key = match (&ebs.kms_key_id, &now.kms_key_id) {
        (Some(named), Some(there)) => !instance_read::is_key(named, there),
        (named, _) => named.is_some(),
    };
    let fixed = [
        // Not to ask for it is no change of one that is encrypted.
        ("encrypted", ebs.encrypted == Some(true) && now.encrypted != Some(true)),
        ("kms_key_id", other_key),
        ("snapshot_id", differs(&ebs.snapshot_id, &now.snapshot_id)),
        ("outpost_arn", differs(&ebs.outpost_arn, &now.outpost_arn)),
        ("ebs_card_index", differs(&ebs.ebs_card_index, &now.ebs_card_index)),
        ("volume_initialization_rate", differs(&ebs.volume_initialization_rate, &now.volume_initialization_rate)),
    ];
    if let Some((what, _)) = fixed.iter().find(|(_, differs)| *differs) {
        return Err(unchangeable(id, &format!("{what} of the device {name}")));
    }
    let volume = ebs_volume::VolumeChanges {
        size: ebs.volume_size.filter(|_| differs(&ebs.volume_size, &now.volume_size)),
        volume_type: ebs.volume_type.clone().filter(|_| differs(&ebs.volume_type, &now.volume_type)),
        iops: ebs.iops.filter(|_| differs(&ebs.iops, &now.iops)),
        throughput: ebs.throughput.filter(|_| differs(&ebs.throughput, &now.throughput)),
        multi_attach_enabled: None,
    };
    let volume = volume.with_rates(ebs.iops, ebs.throughput);
    let delete = ebs.delete_on_termination;
    let delete_on_termination = delete.filter(|_| differs(&delete, &now.delete_on_termination));
    Ok(DeviceChange { delete_on_termination, volume })
}

pub(super) async fn apply(
    ec2: &Ec2,
    cx: &Cx,
    id: &str,
    instance: &sdk::Instance,
    device: &str,
    change: DeviceChange,
) -> Result<(), CloudError> {
    if let Some(delete) = change.delete_on_termination {
        let ebs = sdk::EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(delete).build();
        let mapping = sdk::InstanceBlockDeviceMappingSpecification::builder().device_name(device).ebs(ebs).build();
        instance_update::modify(ec2, id, |request| request.block_device_mappings(mapping)).await?;
    }
    match instance_read::volume_of(instance, device) {
        Some(volume) => ebs_volume::modify(ec2, cx, volume, change.volume).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::value::Val;

    fn device(json: &str) -> InstanceBlockDeviceResolved {
        let value = serde_json::from_str::<phx_model::Value>(json).unwrap();
        super::super::instance_blocks::InstanceBlockDevice::from_value(&value).unwrap()
    }

    #[test]
    fn a_devices_size_changes_and_its_encryption_does_not() {
        let now = device(
            r#"{"device_name":"/dev/sda1","ebs":{"volume_size":8,"volume_type":"gp3","iops":3000,"encrypted":false}}"#,
        );
        let grown = device(r#"{"device_name":"/dev/sda1","ebs":{"volume_size":20,"delete_on_termination":true}}"#);
        let grows = change("i-1", Some(&now), &grown).unwrap();
        assert_eq!(
            (grows.volume.size, grows.volume.volume_type, grows.delete_on_termination),
            (Some(20), None, Some(true))
        );
        let same = device(r#"{"device_name":"/dev/sda1","ebs":{"volume_size":8}}"#);
        assert_eq!(change("i-1", Some(&now), &same).unwrap(), DeviceChange::default());
        let encrypted = device(r#"{"device_name":"/dev/sda1","ebs":{"encrypted":true}}"#);
        let error = change("i-1", Some(&now), &encrypted).unwrap_err();
        assert!(error.message.contains("encrypted") && error.hint.unwrap().contains("--replace"));
        // An account may encrypt what was not asked to be: that keeps no other change from being made.
        let unasked = device(r#"{"device_name":"/dev/sda1","ebs":{"encrypted":false,"volume_size":20}}"#);
        let there = device(r#"{"device_name":"/dev/sda1","ebs":{"encrypted":true,"volume_size":8}}"#);
        assert_eq!(change("i-1", Some(&there), &unasked).unwrap().volume.size, Some(20));
        let key = |key: &str| device(&format!(r#"{{"device_name":"/dev/sda1","ebs":{{"kms_key_id":"{key}"}}}}"#));
        let there = key("arn:aws:kms:us-west-2:123456789012:key/1a");
        for named in ["arn:aws:kms:us-west-2:123456789012:key/1a", "arn:aws:kms:us-west-2:123456789012:alias/app", "1a"]
        {
            assert_eq!(change("i-1", Some(&there), &key(named)).unwrap(), DeviceChange::default());
        }
        assert!(change("i-1", Some(&there), &key("2b")).unwrap_err().message.contains("kms_key_id"));
        let error = change("i-1", None, &grown).unwrap_err();
        assert!(error.hint.unwrap().contains("VolumeAttachment"));
        let left_out = device(r#"{"device_name":"/dev/sdb","no_device":""}"#);
        assert_eq!(change("i-1", None, &left_out).unwrap(), DeviceChange::default());
    }
}
