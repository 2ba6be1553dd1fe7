//! Volumes and where they are attached.

use serde_json::{Value, json};

use super::spec::Kind;
use super::{Answer, Fields, Object, Region, done, edit, object, refuse, text, values};
use crate::wire::{Fault, Params};

/// What a volume is made of, of `CreateVolume` or of an instance's device.
#[derive(Default)]
pub(super) struct NewVolume<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) size: Option<i64>,
    pub(super) iops: Option<i64>,
    pub(super) throughput: Option<i64>,
    pub(super) encrypted: Option<bool>,
    pub(super) key: Option<&'a str>,
    pub(super) snapshot: Option<&'a str>,
    pub(super) multi_attach: bool,
    pub(super) initialization: Option<i64>,
}

/// Operations a second and throughput that a volume has if nobody says it.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
fn rates(kind: &str, size: i64) -> (Option<i64>, Option<i64>) {
    match kind {
        "gp2" => (Some((size * 3).clamp(100, 16000)), None),
        "gp3" => (Some(3000), Some(125)),
        _ => (None, None),
    }
}

impl NewVolume<'_> {
    fn fields(&self, zone: &(String, String)) -> Result<Fields, Fault> {
        let kind = self.kind.unwrap_or("gp2");
        if !["standard", "gp2", "gp3", "io1", "io2", "sc1", "st1"].contains(&kind) {
            return Err(Fault::new("UnknownVolumeType", format!("Unknown volume type '{kind}'")));
        }
        let size = self.size.or(self.snapshot.map(|_| 8));
        let size = size.ok_or_else(|| Fault::new("MissingParameter", "The request must contain size or snapshotId"))?;
        check_size(kind, size)?;
        let provisioned = ["io1", "io2"].contains(&kind);
        if provisioned && self.iops.is_none() {
            return Err(Fault::new(
                "MissingParameter",
                format!("The parameter iops must be specified for {kind} volumes."),
            ));
        }
        if self.iops.is_some() && !provisioned && kind != "gp3" {
            let message = format!("The parameter iops is not supported for {kind} volumes.");
            return Err(Fault::new("InvalidParameterCombination", message));
        }
        if self.throughput.is_some() && kind != "gp3" {
            let message = format!("The parameter throughput is not supported for {kind} volumes.");
            return Err(Fault::new("InvalidParameterCombination", message));
        }
        if self.multi_attach && !provisioned {
            let message = "MultiAttach is only supported for io1 and io2 volumes.";
            return Err(Fault::new("InvalidParameterCombination", message));
        }
        let (iops, throughput) = rates(kind, size);
        Ok(object(json!({
            "availabilityZone": zone.0, "availabilityZoneId": zone.1, "size": size, "volumeType": kind,
            "iops": self.iops.or(iops), "throughput": self.throughput.or(throughput),
            "encrypted": self.encrypted.unwrap_or(self.key.is_some()), "kmsKeyId": self.key, "snapshotId": self.snapshot.unwrap_or_default(),
            "multiAttachEnabled": self.multi_attach, "volumeInitializationRate": self.initialization, "status": "available",
            "createTime": jiff::Timestamp::now().to_string(), "attachmentSet": [],
        })))
    }
}

/// GiB.
fn check_size(kind: &str, size: i64) -> Result<(), Fault> {
    let range = match kind {
        "io1" | "io2" => 4..=65536,
        "st1" | "sc1" => 125..=16384,
        "standard" => 1..=1024,
        _ => 1..=65536,
    };
    if range.contains(&size) {
        return Ok(());
    }
    let message =
        format!("Volume of {size}GiB is out of the range of {kind} volumes, {} to {}GiB", range.start(), range.end());
    Err(Fault::invalid(message))
}

impl Region {
    pub(super) fn create_volume(&mut self, p: &Params) -> Answer {
        if let Some(made) = self.made_before(Kind::Volume, p) {
            return Ok(made);
        }
        refuse(p, &["OutpostArn"])?;
        let zone = self.zone(p.get("AvailabilityZone"), p.get("AvailabilityZoneId"))?;
        let zone = zone.ok_or_else(|| Fault::new("MissingParameter", "The request must contain AvailabilityZone"))?;
        let new = NewVolume {
            kind: p.get("VolumeType"),
            size: p.number("Size")?,
            iops: p.number("Iops")?,
            throughput: p.number("Throughput")?,
            encrypted: p.flag("Encrypted"),
            key: p.get("KmsKeyId"),
            snapshot: p.get("SnapshotId"),
            multi_attach: p.flag("MultiAttachEnabled") == Some(true),
            initialization: p.number("VolumeInitializationRate")?,
        };
        let id = self.add_volume(&new, &zone, p)?;
        Ok(self.show(&id))
    }

    pub(super) fn add_volume(
        &mut self,
        new: &NewVolume<'_>,
        zone: &(String, String),
        p: &Params,
    ) -> Result<String, Fault> {
        let fields = new.fields(zone)?;
        let id = self.add(Kind::Volume, "volumeId", Value::Object(fields), p);
        let arn = self.arn(Kind::Volume, &id);
        let volume = self.get_mut(Kind::Volume, &id)?;
        volume.fields.insert("volumeArn".to_owned(), json!(arn));
        Ok(id)
    }

    pub(super) fn delete_volume(&mut self, p: &Params) -> Answer {
        let id = p.required("VolumeId")?;
        let volume = self.get(Kind::Volume, id)?;
        if let Some(instance) = values(&volume.fields, "attachmentSet.instanceId").first() {
            return Err(Fault::new("VolumeInUse", format!("Volume {id} is currently attached to {instance}")));
        }
        self.objects.remove(id);
        done()
    }

    pub(super) fn attach_volume(&mut self, p: &Params) -> Answer {
        let (id, instance_id) = (p.required("VolumeId")?, p.required("InstanceId")?);
        let device = p.required("Device")?;
        let volume = self.get(Kind::Volume, id)?;
        let instance = self.get(Kind::Instance, instance_id)?;
        let state = values(&instance.fields, "instanceState.name").pop().unwrap_or_default();
        if !["running", "stopped"].contains(&state.as_str()) {
            let message = format!("Instance '{instance_id}' is not 'running' or 'stopped': it is '{state}'.");
            return Err(Fault::new("IncorrectState", message));
        }
        let zone = values(&instance.fields, "placement.availabilityZone").pop().unwrap_or_default();
        if zone != text(volume, "availabilityZone") {
            let message = format!("The volume '{id}' is not in the same availability zone as instance '{instance_id}'");
            return Err(Fault::new("InvalidVolume.ZoneMismatch", message));
        }
        let holders = values(&volume.fields, "attachmentSet.instanceId");
        let shared = volume.fields.get("multiAttachEnabled") == Some(&json!(true));
        if holders.iter().any(|holder| !shared || holder == instance_id) {
            return Err(Fault::new("VolumeInUse", format!("{id} is already attached to an instance")));
        }
        if self.devices_of(instance_id).iter().any(|(name, _)| name == device) {
            let message =
                format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use");
            return Err(Fault::invalid(message));
        }
        let card = p.number("EbsCardIndex")?;
        self.attach(id, instance_id, device, false, card)
    }

    pub(super) fn attach(&mut self, id: &str, instance: &str, device: &str, delete: bool, card: Option<i64>) -> Answer {
        let attachment = json!({
            "volumeId": id, "instanceId": instance, "device": device, "status": "attached", "deleteOnTermination": delete,
            "attachTime": jiff::Timestamp::now().to_string(), "ebsCardIndex": card,
        });
        let volume = self.get_mut(Kind::Volume, id)?;
        edit(volume, "attachmentSet", |all| all.push(attachment.clone()));
        volume.fields.insert("status".to_owned(), json!("in-use"));
        Ok(attachment)
    }

    pub(super) fn detach_volume(&mut self, p: &Params) -> Answer {
        let id = p.required("VolumeId")?;
        let volume = self.get_mut(Kind::Volume, id)?;
        let (instance, device) = (p.get("InstanceId"), p.get("Device"));
        let is_it = |a: &Value| {
            instance.is_none_or(|i| a["instanceId"] == json!(i)) && device.is_none_or(|d| a["device"] == json!(d))
        };
        let taken = edit(volume, "attachmentSet", |all| all.iter().position(is_it).map(|at| all.remove(at)));
        let left = values(&volume.fields, "attachmentSet.instanceId").is_empty();
        if left {
            volume.fields.insert("status".to_owned(), json!("available"));
        }
        let mut taken =
            taken.ok_or_else(|| Fault::new("IncorrectState", format!("Volume '{id}' is in the 'available' state.")))?;
        taken["status"] = json!("detached");
        Ok(taken)
    }

    /// The devices of an instance: their names, and their volumes' ids and attachments.
    pub(super) fn devices_of(&self, instance: &str) -> Vec<(String, (String, Value))> {
        let mut devices = Vec::new();
        for (id, volume) in self.of(Kind::Volume) {
            let attachments = volume.fields.get("attachmentSet").and_then(Value::as_array);
            for attachment in attachments.into_iter().flatten().filter(|a| a["instanceId"] == json!(instance)) {
                let device = attachment["device"].as_str().unwrap_or_default().to_owned();
                devices.push((device, (id.clone(), attachment.clone())));
            }
        }
        devices.sort_by(|a, b| a.0.cmp(&b.0));
        devices
    }

    /// A change is made at once, and remembered as the last one.
    pub(super) fn modify_volume(&mut self, p: &Params) -> Answer {
        let id = p.required("VolumeId")?;
        let volume = self.get(Kind::Volume, id)?;
        let old = volume.fields.clone();
        let number = |fields: &Fields, name: &str| fields.get(name).and_then(Value::as_i64);
        let size = p.number("Size")?.or(number(&old, "size"));
        if size < number(&old, "size") {
            return Err(Fault::invalid("New size cannot be smaller than existing size"));
        }
        let old_kind = text(volume, "volumeType");
        let kind = p.get("VolumeType").unwrap_or(old_kind);
        let multi_attach = p.flag("MultiAttachEnabled").or(old.get("multiAttachEnabled").and_then(Value::as_bool));
        // What belongs to a type does not stay with another one.
        let same = kind == old_kind;
        let keeps = |name: &str| number(&old, name).filter(|_| same && kind != "gp2");
        let new = NewVolume {
            kind: Some(kind),
            size,
            iops: p.number("Iops")?.or(keeps("iops")),
            throughput: p.number("Throughput")?.or(keeps("throughput")),
            multi_attach: multi_attach == Some(true),
            ..NewVolume::default()
        };
        let made = new.fields(&(String::new(), String::new()))?;
        let volume = self.get_mut(Kind::Volume, id)?;
        let mut modification = object(json!({
            "volumeId": id, "modificationState": "completed", "progress": 100,
            "startTime": jiff::Timestamp::now().to_string(), "endTime": jiff::Timestamp::now().to_string(),
        }));
        for (field, name) in [
            ("size", "Size"),
            ("iops", "Iops"),
            ("volumeType", "VolumeType"),
            ("throughput", "Throughput"),
            ("multiAttachEnabled", "MultiAttachEnabled"),
        ] {
            let value = made.get(field).filter(|value| !value.is_null());
            modification.insert(format!("original{name}"), old.get(field).cloned().unwrap_or_default());
            modification.insert(format!("target{name}"), value.cloned().unwrap_or_default());
            match value {
                Some(value) => volume.fields.insert(field.to_owned(), value.clone()),
                None => volume.fields.remove(field),
            };
        }
        volume.hidden.insert("modification".to_owned(), Value::Object(modification.clone()));
        Ok(json!({"volumeModification": modification}))
    }

    pub(super) fn describe_volumes_modifications(&self, p: &Params) -> Answer {
        let ids = p.list("VolumeId");
        let wanted = super::raw_filters(p);
        if let Some((name, _)) = wanted.iter().find(|(name, _)| name != "volume-id" && name != "modification-state") {
            return Err(super::unknown_filter(name));
        }
        let accepted = |id: &str| {
            (ids.is_empty() || ids.contains(&id))
                && wanted.iter().all(|(name, values)| {
                    let text = if name == "volume-id" { id } else { "completed" };
                    values.iter().any(|v| crate::wire::matches(v, text))
                })
        };
        let all = self.of(Kind::Volume).filter(|(id, _)| accepted(id));
        let all: Vec<&Value> = all.filter_map(|(_, o)| o.hidden.get("modification")).collect();
        Ok(json!({"volumeModificationSet": all}))
    }

    pub(super) fn describe_volume_attribute(&self, p: &Params) -> Answer {
        let id = p.required("VolumeId")?;
        let volume = self.get(Kind::Volume, id)?;
        match p.required("Attribute")? {
            "autoEnableIO" => {
                let value = volume.hidden.get("autoEnableIO").unwrap_or(&json!(false)).clone();
                Ok(json!({"volumeId": id, "autoEnableIO": {"value": value}}))
            }
            "productCodes" => Ok(json!({"volumeId": id, "productCodes": []})),
            other => {
                Err(Fault::invalid(format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.")))
            }
        }
    }

    pub(super) fn modify_volume_attribute(&mut self, p: &Params) -> Answer {
        let value = p.flag("AutoEnableIO.Value");
        let value = value.ok_or_else(|| Fault::new("MissingParameter", "The request must contain AutoEnableIO"))?;
        let volume: &mut Object = self.get_mut(Kind::Volume, p.required("VolumeId")?)?;
        volume.hidden.insert("autoEnableIO".to_owned(), json!(value));
        done()
    }
}
