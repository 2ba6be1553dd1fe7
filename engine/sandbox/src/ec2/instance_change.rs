//! Changes of instances.

use serde_json::{Value, json};

use super::instance::is_burstable;
use super::spec::Kind;
use super::{Answer, Object, Region, done, edit, form, object, text, values};
use crate::wire::{Fault, Params};

fn state(instance: &Object) -> String {
    values(&instance.fields, "instanceState.name").pop().unwrap_or_default()
}

/// Attributes of `ModifyInstanceAttribute`: the request's parameter, the answer's field, whether the instance has to stand still for it, and whether
/// Describe shows it.
const ATTRIBUTES: &[(&str, &str, bool, bool)] = &[
    ("InstanceType", "instanceType", true, true),
    ("UserData", "userData", true, false),
    ("EbsOptimized", "ebsOptimized", true, true),
    ("Kernel", "kernelId", true, true),
    ("Ramdisk", "ramdiskId", true, true),
    ("EnaSupport", "enaSupport", true, true),
    ("SriovNetSupport", "sriovNetSupport", true, true),
    ("DisableApiTermination", "disableApiTermination", false, false),
    ("DisableApiStop", "disableApiStop", false, false),
    ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior", false, false),
];

fn scalar(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        text => json!(text),
    }
}

impl Region {
    /// An instance that is not terminated.
    fn living(&mut self, id: &str) -> Result<&mut Object, Fault> {
        let instance = self.get_mut(Kind::Instance, id)?;
        match state(instance).as_str() {
            "terminated" => {
                let message =
                    format!("This instance '{id}' is not in a state from which it can be changed: it is terminated.");
                Err(Fault::new("IncorrectInstanceState", message))
            }
            _ => Ok(instance),
        }
    }

    /// An instance that stands still.
    fn stopped(&mut self, id: &str) -> Result<&mut Object, Fault> {
        let instance = self.living(id)?;
        match state(instance).as_str() {
            "stopped" => Ok(instance),
            _ => {
                Err(Fault::new("IncorrectInstanceState", format!("The instance '{id}' is not in the 'stopped' state.")))
            }
        }
    }

    /// Starts, stops or terminates instances: all of them or none.
    pub(super) fn change_state(&mut self, p: &Params, to: &str) -> Answer {
        let ids = p.list("InstanceId");
        if ids.is_empty() {
            return Err(Fault::new("MissingParameter", "The request must contain the parameter InstanceId"));
        }
        let (protection, code) = match to {
            "terminated" => (Some("disableApiTermination"), 48),
            "stopped" => (Some("disableApiStop"), 80),
            _ => (None, 16),
        };
        for id in &ids {
            let instance = self.get(Kind::Instance, id)?;
            if let Some(protection) = protection.filter(|name| instance.hidden.get(*name) == Some(&json!(true))) {
                let message = format!(
                    "The instance '{id}' may not be {to}. Modify its '{protection}' instance attribute and try again."
                );
                return Err(Fault::new("OperationNotPermitted", message));
            }
            if state(instance) == "terminated" && to != "terminated" {
                let message = format!("The instance '{id}' is not in a state from which it can be {to}.");
                return Err(Fault::new("IncorrectInstanceState", message));
            }
        }
        let mut changes = Vec::new();
        for id in ids {
            let before = self.get(Kind::Instance, id)?.fields.get("instanceState").cloned().unwrap_or_default();
            if before["name"] != json!(to) {
                match to {
                    "terminated" => self.end_instance(id)?,
                    _ => self.run_or_stop(id, to, code)?,
                }
            }
            let current = json!({"code": code, "name": to});
            changes.push(json!({"instanceId": id, "currentState": current, "previousState": before}));
        }
        Ok(json!({"instancesSet": changes}))
    }

    fn run_or_stop(&mut self, id: &str, to: &str, code: i32) -> Result<(), Fault> {
        // A public address that is not an Elastic IP lasts until the next stop.
        let interfaces: Vec<String> = self.interfaces_of(id).into_iter().map(|(id, _)| id.clone()).collect();
        for interface in interfaces {
            let found = self.get_mut(Kind::NetworkInterface, &interface)?;
            if to == "stopped" && found.fields.contains_key("association") {
                found.hidden.insert("public".to_owned(), json!(true));
                self.set_public_address(&interface, false)?;
            } else if to == "running" && found.hidden.remove("public").is_some() {
                self.set_public_address(&interface, true)?;
            }
        }
        let instance = self.get_mut(Kind::Instance, id)?;
        instance.fields.insert("instanceState".to_owned(), json!({"code": code, "name": to}));
        if to == "stopped" {
            let message = "Client.UserInitiatedShutdown: User initiated shutdown";
            let reason = json!({"code": "Client.UserInitiatedShutdown", "message": message});
            instance.fields.insert("stateReason".to_owned(), reason);
        } else {
            instance.fields.remove("stateReason");
            instance.fields.insert("launchTime".to_owned(), json!(jiff::Timestamp::now().to_string()));
        }
        Ok(())
    }

    /// One attribute a call.
    pub(super) fn modify_instance_attribute(&mut self, p: &Params) -> Answer {
        let id = p.required("InstanceId")?.to_owned();
        self.living(&id)?;
        super::refuse(p, &["Attribute"])?;
        let others = ["SourceDestCheck", "EnclaveOptions", "GroupId", "BlockDeviceMapping"];
        let names = ATTRIBUTES.iter().map(|attribute| attribute.0).chain(others);
        match names.filter(|name| p.has(name)).count() {
            1 => {}
            0 => return Err(Fault::new("MissingParameter", "The request must contain an attribute to modify")),
            _ => {
                return Err(Fault::new("InvalidParameterCombination", "Fields for multiple attribute types specified"));
            }
        }
        if let Some((param, field, still, shown)) = ATTRIBUTES.iter().find(|attribute| p.has(attribute.0)) {
            let value = p.get(&format!("{param}.Value")).unwrap_or_default();
            let instance = if *still { self.stopped(&id)? } else { self.living(&id)? };
            let fields = if *shown { &mut instance.fields } else { &mut instance.hidden };
            match value {
                "" => drop(fields.remove(*field)),
                value => drop(fields.insert((*field).to_owned(), scalar(value))),
            }
            return done();
        }
        if p.has("EnclaveOptions") {
            let enabled = p.flag("EnclaveOptions.Enabled").unwrap_or(false);
            self.stopped(&id)?.fields.insert("enclaveOptions".to_owned(), json!({"enabled": enabled}));
            return done();
        }
        if p.has("BlockDeviceMapping") {
            for member in p.members("BlockDeviceMapping") {
                let device = p.required(&format!("{member}.DeviceName"))?;
                let volume =
                    self.devices_of(&id).into_iter().find(|(name, _)| name == device).map(|(_, (volume, _))| volume);
                let missing = || Fault::invalid(format!("No device is currently mapped at {device}"));
                let volume = self.get_mut(Kind::Volume, &volume.ok_or_else(missing)?)?;
                if let Some(delete) = p.flag(&format!("{member}.Ebs.DeleteOnTermination")) {
                    edit(volume, "attachmentSet", |all| {
                        all.iter_mut()
                            .filter(|a| a["instanceId"] == json!(id))
                            .for_each(|a| a["deleteOnTermination"] = json!(delete));
                    });
                }
            }
            return done();
        }
        let interfaces = self.interfaces_of(&id);
        let [(interface, first)] = interfaces.as_slice() else {
            let message = format!(
                "There are multiple interfaces attached to instance '{id}'. Please specify an interface ID for the operation instead."
            );
            return Err(Fault::new("InvalidInstanceID", message));
        };
        let (interface, vpc) = ((*interface).clone(), text(first, "vpcId").to_owned());
        let (field, value) = match p.flag("SourceDestCheck.Value") {
            Some(check) => ("sourceDestCheck", json!(check)),
            None => ("groupSet", Value::Array(self.group_set(&p.list("GroupId"), &vpc)?)),
        };
        self.get_mut(Kind::NetworkInterface, &interface)?.fields.insert(field.to_owned(), value);
        done()
    }

    pub(super) fn describe_instance_attribute(&self, p: &Params) -> Answer {
        let id = p.required("InstanceId")?;
        let instance = self.get(Kind::Instance, id)?;
        let name = p.required("Attribute")?;
        let shown = self.instance_shown(id, instance);
        let mut answer = json!({"instanceId": id});
        answer[name] = match name {
            "userData" | "disableApiTermination" | "disableApiStop" | "instanceInitiatedShutdownBehavior" => {
                instance.hidden.get(name).filter(|v| !v.is_null()).map_or(json!({}), |value| json!({"value": value}))
            }
            "instanceType" | "ebsOptimized" | "enaSupport" | "sriovNetSupport" | "sourceDestCheck"
            | "rootDeviceName" => {
                shown.get(name).filter(|v| !v.is_null()).map_or(json!({}), |value| json!({"value": value}))
            }
            "kernel" | "ramdisk" => shown.get(&format!("{name}Id")).map_or(json!({}), |value| json!({"value": value})),
            "groupSet" | "blockDeviceMapping" | "enclaveOptions" => shown.get(name).cloned().unwrap_or_default(),
            "productCodes" => json!([]),
            other => {
                let message = format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
                return Err(Fault::invalid(message));
            }
        };
        Ok(answer)
    }

    /// Calls that change one structure of an instance: the structure's name, and whether the instance has to stand still.
    pub(super) fn modify_instance_structure(&mut self, p: &Params, name: &str, still: bool) -> Answer {
        let id = p.required("InstanceId")?.to_owned();
        let mut new = form::shown(
            p,
            if name == "capacityReservationSpecification" { "CapacityReservationSpecification" } else { "" },
        );
        ["instanceId", "action", "version", "dryRun"].iter().for_each(|other| drop(new.remove(*other)));
        if let Some(kind) = new.remove("privateDnsHostnameType") {
            new.insert("hostnameType".to_owned(), kind);
        }
        let instance = if still { self.stopped(&id)? } else { self.living(&id)? };
        if name == "capacityReservationSpecification" {
            instance.fields.insert(name.to_owned(), Value::Object(new));
        } else {
            form::over(&mut instance.fields, object(json!({name: new})));
        }
        let structure = instance.fields.get(name).cloned().unwrap_or_default();
        let mut answer =
            if name == "metadataOptions" { json!({"instanceMetadataOptions": structure}) } else { structure };
        answer["instanceId"] = json!(id);
        answer["return"] = json!(true);
        Ok(answer)
    }

    pub(super) fn monitor_instances(&mut self, p: &Params, on: bool) -> Answer {
        let monitoring = json!({"state": if on { "enabled" } else { "disabled" }});
        let ids = p.list("InstanceId");
        ids.iter().try_for_each(|id| self.get(Kind::Instance, id).map(drop))?;
        let mut items = Vec::new();
        for id in ids {
            self.living(id)?.fields.insert("monitoring".to_owned(), monitoring.clone());
            items.push(json!({"instanceId": id, "monitoring": monitoring}));
        }
        Ok(json!({"instancesSet": items}))
    }

    /// Of the types that are asked for by name; the sandbox has no catalogue of them all.
    pub(super) fn describe_instance_types(&self, p: &Params) -> Answer {
        let kinds = p.list("InstanceType");
        if kinds.is_empty() || !super::raw_filters(p).is_empty() {
            return Err(Fault::not_implemented("ec2:DescribeInstanceTypes without the types' names, or with filters"));
        }
        let one = |kind: &&str| {
            super::instance::check_type(kind)?;
            let (cores, threads) = super::instance::processors(kind);
            let processors =
                json!({"defaultVCpus": cores * threads, "defaultCores": cores, "defaultThreadsPerCore": threads});
            Ok(json!({
                "instanceType": kind, "currentGeneration": true, "bareMetal": kind.contains("metal"), "vCpuInfo": processors,
                "burstablePerformanceSupported": is_burstable(kind), "hypervisor": "nitro",
            }))
        };
        let all = kinds.iter().map(one).collect::<Result<Vec<_>, Fault>>()?;
        Ok(json!({"instanceTypeSet": all}))
    }

    pub(super) fn describe_credits(&self, p: &Params) -> Answer {
        if let Some((name, _)) = super::raw_filters(p).first() {
            return Err(super::unknown_filter(name));
        }
        let ids = p.list("InstanceId");
        for id in &ids {
            let instance = self.get(Kind::Instance, id)?;
            if !is_burstable(text(instance, "instanceType")) {
                let message = format!("The instance '{id}' is not of a burstable type");
                return Err(Fault::new("InvalidInstanceID.NotBurstable", message));
            }
        }
        let wanted = |id: &str, o: &Object| {
            if ids.is_empty() {
                is_burstable(text(o, "instanceType")) && o.hidden.get("credits") == Some(&json!("unlimited"))
            } else {
                ids.contains(&id)
            }
        };
        let all = self.of(Kind::Instance).filter(|(id, o)| wanted(id, o));
        let all: Vec<Value> =
            all.map(|(id, o)| json!({"instanceId": id, "cpuCredits": o.hidden.get("credits")})).collect();
        Ok(json!({"instanceCreditSpecificationSet": all}))
    }

    pub(super) fn modify_credits(&mut self, p: &Params) -> Answer {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for member in p.members("InstanceCreditSpecification") {
            let id = p.required(&format!("{member}.InstanceId"))?;
            let credits = p.required(&format!("{member}.CpuCredits"))?;
            let fault = match self.get(Kind::Instance, id) {
                Err(fault) => Some(fault),
                Ok(o) if !is_burstable(text(o, "instanceType")) => Some(Fault::new(
                    "InstanceCreditSpecification.NotSupported",
                    format!("{id} is not of a burstable type"),
                )),
                Ok(_) => None,
            };
            match fault {
                Some(fault) => {
                    refused.push(json!({"instanceId": id, "error": {"code": fault.code, "message": fault.message}}));
                }
                None => {
                    self.living(id)?.hidden.insert("credits".to_owned(), json!(credits));
                    done.push(json!({"instanceId": id}));
                }
            }
        }
        Ok(json!({
            "successfulInstanceCreditSpecificationSet": done, "unsuccessfulInstanceCreditSpecificationSet": refused,
        }))
    }

    /// An instance profile as IAM has it, by name or ARN.
    pub(super) fn profile(&self, name: Option<&str>, arn: Option<&str>) -> Result<Value, Fault> {
        let is_it = |(known, known_arn, _): &&(String, String, String)| {
            name.is_none_or(|name| name == known) && arn.is_none_or(|arn| arn == known_arn)
        };
        let found = self.profiles.iter().find(is_it).filter(|_| name.is_some() || arn.is_some());
        let (field, value) = if name.is_some() { ("name", name) } else { ("arn", arn) };
        let missing = || {
            let value = value.unwrap_or_default();
            let message = format!(
                "Value ({value}) for parameter iamInstanceProfile.{field} is invalid. Invalid IAM Instance Profile {field}"
            );
            Fault::invalid(message)
        };
        let (_, arn, id) = found.ok_or_else(missing)?;
        Ok(json!({"arn": arn, "id": id}))
    }

    /// The association that gives an instance its profile.
    pub(super) fn profile_of(&self, instance: &str) -> Option<(&String, &Object)> {
        self.of(Kind::IamInstanceProfileAssociation).find(|(_, o)| text(o, "instanceId") == instance)
    }

    pub(super) fn associate_profile(&mut self, instance: &str, profile: Value) -> String {
        let fields = json!({
            "instanceId": instance, "iamInstanceProfile": profile, "state": "associated",
            "timestamp": jiff::Timestamp::now().to_string(),
        });
        self.add(Kind::IamInstanceProfileAssociation, "associationId", fields, &Params::default())
    }

    pub(super) fn associate_iam_instance_profile(&mut self, p: &Params) -> Answer {
        let instance = p.required("InstanceId")?;
        self.living(instance)?;
        let profile = self.profile(p.get("IamInstanceProfile.Name"), p.get("IamInstanceProfile.Arn"))?;
        if self.profile_of(instance).is_some() {
            return Err(Fault::new(
                "IncorrectState",
                format!("There is an existing association for instance {instance}"),
            ));
        }
        let id = self.associate_profile(instance, profile);
        Ok(json!({"iamInstanceProfileAssociation": self.show(&id)}))
    }

    pub(super) fn replace_iam_instance_profile(&mut self, p: &Params) -> Answer {
        let id = p.required("AssociationId")?;
        let instance = text(self.get(Kind::IamInstanceProfileAssociation, id)?, "instanceId").to_owned();
        let profile = self.profile(p.get("IamInstanceProfile.Name"), p.get("IamInstanceProfile.Arn"))?;
        self.objects.remove(id);
        let id = self.associate_profile(&instance, profile);
        Ok(json!({"iamInstanceProfileAssociation": self.show(&id)}))
    }

    pub(super) fn disassociate_iam_instance_profile(&mut self, p: &Params) -> Answer {
        let id = p.required("AssociationId")?;
        self.get(Kind::IamInstanceProfileAssociation, id)?;
        let mut gone = self.show(id);
        gone["state"] = json!("disassociating");
        self.objects.remove(id);
        Ok(json!({"iamInstanceProfileAssociation": gone}))
    }
}
