//! Instances: their launch and what is told of them. What is attached to one (volumes, interfaces, a profile) is an object of its own, and
//! is read off that when the instance is described.

use serde_json::{Value, json};

use super::image::Image;
use super::interface::{attachment, set_primary_ipv6};
use super::spec::Kind;
use super::volume::NewVolume;
use super::{Answer, Fields, Object, Region, Tags, edit, form, new_id, object, refuse, text, values};
use crate::wire::{Fault, Params};

/// An instance that was not asked for more.
const DEFAULT_TYPE: &str = "m1.small";
/// More instances in one call are more than a new account may have.
const MOST: i64 = 50;

/// What a launch asks for: the request over what its launch template says.
struct Launch<'a> {
    p: &'a Params,
    spec: Fields,
    /// Tags that are given by the template: AWS's own ones, and those of instances and volumes.
    tags: Tags,
    volume_tags: Tags,
}

/// Where a launch puts an instance.
struct Site {
    subnet: String,
    vpc: String,
    zone: (String, String),
}

/// The text at a path through structures.
fn at<'a>(fields: &'a Fields, path: &str) -> Option<&'a str> {
    let (head, tail) = path.split_once('.').unwrap_or((path, ""));
    match fields.get(head)? {
        Value::Object(inner) if !tail.is_empty() => at(inner, tail),
        Value::String(text) if tail.is_empty() => Some(text),
        _ => None,
    }
}

fn flag(fields: &Fields, path: &str) -> Option<bool> {
    at(fields, path).map(|text| text == "true")
}

fn int(fields: &Fields, path: &str) -> Result<Option<i64>, Fault> {
    let parse = |text: &str| text.parse().map_err(|_| Fault::invalid(format!("Value ({text}) for {path} is invalid")));
    at(fields, path).map(parse).transpose()
}

fn items(fields: &Fields, name: &str) -> Vec<Fields> {
    let all = fields.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_object).cloned().collect()
}

/// The members of a structure that answers have in any case, under what is asked for.
fn with_defaults(spec: &Fields, name: &str, defaults: Value) -> Value {
    let mut fields = object(defaults);
    if let Some(Value::Object(asked)) = spec.get(name) {
        form::over(&mut fields, asked.clone());
    }
    Value::Object(fields)
}

pub(super) fn check_type(kind: &str) -> Result<(), Fault> {
    let looks_right = kind.split_once('.').is_some_and(|(family, size)| !family.is_empty() && !size.is_empty());
    looks_right.then_some(()).ok_or_else(|| Fault::invalid(format!("Invalid value '{kind}' for InstanceType.")))
}

/// Cores, and threads of each, of a type, by the pattern of AWS's names: processors of Amazon's own have one thread a core, others two.
pub(super) fn processors(kind: &str) -> (i64, i64) {
    let (family, size) = kind.split_once('.').unwrap_or((kind, ""));
    let count = match size {
        "medium" if family.starts_with('m') || family.starts_with('c') => 1,
        "nano" | "micro" | "small" | "medium" | "large" => 2,
        "xlarge" => 4,
        "metal" => 96,
        other => other.trim_start_matches("metal-").trim_end_matches("xlarge").parse::<i64>().map_or(2, |n| n * 4),
    };
    let first_digit = family.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let own = family[first_digit..].contains('g') && !family.starts_with('g') && !family.starts_with('p');
    if kind == DEFAULT_TYPE || count == 1 {
        (1, 1)
    } else if own {
        (count, 1)
    } else {
        (count / 2, 2)
    }
}

/// Whether a type earns CPU credits.
pub(super) fn is_burstable(kind: &str) -> bool {
    kind.starts_with("t2.") || kind.starts_with("t3.") || kind.starts_with("t3a.") || kind.starts_with("t4g.")
}

impl Region {
    pub(super) fn run_instances(&mut self, p: &Params) -> Answer {
        if let Some(token) = p.get("ClientToken") {
            let same = |o: &Object| o.hidden.get("clientToken").and_then(Value::as_str) == Some(token);
            let made: Vec<String> =
                self.of(Kind::Instance).filter(|(_, o)| same(o)).map(|(id, _)| id.clone()).collect();
            if let Some(first) = made.first() {
                return Ok(self.reservation(&self.reservation_of(first), &made));
            }
        }
        refuse(p, &["SecondaryInterface", "ElasticGpuSpecification", "ElasticInferenceAccelerator", "SecurityGroup"])?;
        let (least, most) = (p.number("MinCount")?.unwrap_or(1), p.number("MaxCount")?.unwrap_or(1));
        if least < 1 || most < least {
            return Err(Fault::invalid(format!("Value ({least}) for parameter minCount is invalid")));
        }
        if least > MOST {
            let message = "You have requested more instances than your current instance limit allows.";
            return Err(Fault::new("InstanceLimitExceeded", message));
        }
        let launch = self.launch(p)?;
        let image = at(&launch.spec, "imageId");
        let image = self.image(
            image.ok_or_else(|| Fault::new("MissingParameter", "The request must contain the parameter ImageId"))?,
        )?;
        let reservation = new_id("r-");
        let mut made = Vec::new();
        for index in 0..most.min(MOST) {
            made.push(self.launch_one(&launch, &image, index, &reservation)?);
        }
        Ok(self.reservation(&reservation, &made))
    }

    /// The request over what the launch template says.
    fn launch<'a>(&self, p: &'a Params) -> Result<Launch<'a>, Fault> {
        let asked = super::template::data(p, "");
        let (mut spec, mut tags, mut volume_tags) = (Fields::new(), Tags::new(), Tags::new());
        if let Some((id, version, data)) = self.launched_with(p)? {
            for item in items(&data, "tagSpecificationSet") {
                let given = items(&item, "tagSet").into_iter().map(|tag| {
                    let text = |name: &str| at(&tag, name).unwrap_or_default().to_owned();
                    (text("key"), text("value"))
                });
                match at(&item, "resourceType") {
                    Some("instance") => tags.extend(given),
                    Some("volume") => volume_tags.extend(given),
                    _ => {}
                }
            }
            tags.insert("aws:ec2launchtemplate:id".to_owned(), id);
            tags.insert("aws:ec2launchtemplate:version".to_owned(), version);
            spec = data;
        }
        // Devices are told apart by their names.
        let named = |device: &Fields| at(device, "deviceName").map(str::to_owned);
        let mut devices = items(&spec, "blockDeviceMappingSet");
        for device in items(&asked, "blockDeviceMappingSet") {
            match devices.iter_mut().find(|below| named(below) == named(&device)) {
                Some(below) => form::over(below, device),
                None => devices.push(device),
            }
        }
        form::over(&mut spec, asked);
        spec.insert("blockDeviceMappingSet".to_owned(), json!(devices));
        Ok(Launch { p, spec, tags, volume_tags })
    }

    /// The interfaces that a launch asks for: one at least.
    fn wanted_interfaces(spec: &Fields) -> Result<Vec<Fields>, Fault> {
        let mut wanted = items(spec, "networkInterfaceSet");
        if wanted.is_empty() {
            let mut only = object(json!({"deviceIndex": "0"}));
            for (from, to) in [
                ("subnetId", "subnetId"),
                ("privateIpAddress", "privateIpAddress"),
                ("ipv6AddressCount", "ipv6AddressCount"),
                ("ipv6AddressSet", "ipv6AddressesSet"),
                ("enablePrimaryIpv6", "primaryIpv6"),
            ] {
                only.extend(spec.get(from).map(|value| (to.to_owned(), value.clone())));
            }
            if let Some(groups) = spec.get("securityGroupIdSet") {
                only.insert("groupSet".to_owned(), json!({"groupId*": groups}));
            }
            return Ok(vec![only]);
        }
        if let Some(field) =
            ["subnetId", "securityGroupIdSet", "privateIpAddress"].iter().find(|f| spec.contains_key(**f))
        {
            let message =
                format!("Network interfaces and an instance-level {field} may not be specified on the same request");
            return Err(Fault::new("InvalidParameterCombination", message));
        }
        wanted.sort_by_key(|interface| at(interface, "deviceIndex").and_then(|n| n.parse::<i64>().ok()));
        match at(&wanted[0], "deviceIndex") {
            Some("0") => Ok(wanted),
            _ => Err(Fault::invalid("One of the network interfaces must have the device index 0")),
        }
    }

    fn site(&self, interface: &Fields) -> Result<Site, Fault> {
        let subnet = at(interface, "subnetId").ok_or_else(|| {
            Fault::new("VPCIdNotSpecified", "No default VPC for this user. The sandbox has none: name a subnet.")
        })?;
        let found = self.get(Kind::Subnet, subnet)?;
        let zone = (text(found, "availabilityZone").to_owned(), text(found, "availabilityZoneId").to_owned());
        Ok(Site { subnet: subnet.to_owned(), vpc: text(found, "vpcId").to_owned(), zone })
    }

    fn launch_one(
        &mut self,
        launch: &Launch<'_>,
        image: &Image,
        index: i64,
        reservation: &str,
    ) -> Result<String, Fault> {
        let spec = &launch.spec;
        let kind = at(spec, "instanceType").unwrap_or(DEFAULT_TYPE).to_owned();
        check_type(&kind)?;
        if let Some(key) = at(spec, "keyName")
            && !self.any(Kind::KeyPair, "keyName", key)
        {
            return Err(Fault::new("InvalidKeyPair.NotFound", format!("The key pair '{key}' does not exist")));
        }
        let profile = match spec.get("iamInstanceProfile") {
            Some(Value::Object(profile)) => Some(self.profile(at(profile, "name"), at(profile, "arn"))?),
            _ => None,
        };
        let interfaces = Self::wanted_interfaces(spec)?;
        let site = self.site(&interfaces[0])?;
        // Others than phx send what they do not ask for as an empty text.
        let asked = |field: &str| at(spec, field).filter(|zone| !zone.is_empty());
        if asked("placement.availabilityZone").is_some_and(|zone| zone != site.zone.0)
            || asked("placement.availabilityZoneId").is_some_and(|zone| zone != site.zone.1)
        {
            return Err(Fault::invalid(format!("The zone that is asked for is not that of {}", site.subnet)));
        }

        let fields = self.instance_fields(launch, image, &kind, &site, index)?;
        let id = self.add(Kind::Instance, "instanceId", Value::Object(fields), launch.p);
        self.set_hidden(&id, launch, &kind, reservation)?;
        for (n, interface) in interfaces.iter().enumerate() {
            self.launch_interface(&id, interface, &site, n == 0)?;
        }
        self.launch_volumes(&id, launch, image, &site)?;
        if let Some(profile) = profile {
            self.associate_profile(&id, profile);
        }
        if at(spec, "instanceMarketOptions.marketType") == Some("spot") {
            self.add_spot_request(&id, spec)?;
        }
        Ok(id)
    }

    fn instance_fields(
        &self,
        launch: &Launch<'_>,
        image: &Image,
        kind: &str,
        site: &Site,
        index: i64,
    ) -> Result<Fields, Fault> {
        let spec = &launch.spec;
        let (cores, threads) = processors(kind);
        let monitored = flag(spec, "monitoring.enabled") == Some(true);
        let names = self.get(Kind::Subnet, &site.subnet)?.fields.get("privateDnsNameOptionsOnLaunch");
        let placement = json!({
            "availabilityZone": site.zone.0, "availabilityZoneId": site.zone.1, "tenancy": "default", "groupName": "",
        });
        let metadata = json!({
            "state": "applied", "httpTokens": if image.imds_v2 { "required" } else { "optional" },
            "httpPutResponseHopLimit": if image.imds_v2 { 2 } else { 1 }, "httpEndpoint": "enabled", "httpProtocolIpv6": "disabled",
            "instanceMetadataTags": "disabled",
        });
        let mut fields = object(json!({
            "imageId": image.id, "instanceType": kind, "keyName": at(spec, "keyName"), "architecture": image.architecture,
            "hypervisor": "xen", "virtualizationType": "hvm", "rootDeviceName": image.root, "rootDeviceType": "ebs",
            "ebsOptimized": flag(spec, "ebsOptimized").unwrap_or(false), "enaSupport": true, "amiLaunchIndex": index,
            "launchTime": jiff::Timestamp::now().to_string(), "clientToken": launch.p.get("ClientToken"),
            "instanceState": {"code": 16, "name": "running"}, "platformDetails": "Linux/UNIX", "usageOperation": "RunInstances",
            "monitoring": {"state": if monitored { "enabled" } else { "disabled" }}, "subnetId": site.subnet, "vpcId": site.vpc,
            "licenseSet": spec.get("licenseSet"), "kernelId": at(spec, "kernelId"),
            "ramdiskId": at(spec, "ramdiskId").or(at(spec, "ramDiskId")),
        }));
        for (name, defaults) in [
            ("placement", placement),
            ("metadataOptions", metadata),
            ("cpuOptions", json!({"coreCount": cores, "threadsPerCore": threads})),
            ("capacityReservationSpecification", json!({"capacityReservationPreference": "open"})),
            ("hibernationOptions", json!({"configured": false})),
            ("enclaveOptions", json!({"enabled": false})),
            ("privateDnsNameOptions", names.cloned().unwrap_or_else(|| json!({}))),
            ("maintenanceOptions", json!({"autoRecovery": "default", "rebootMigration": "default"})),
            ("networkPerformanceOptions", json!({"bandwidthWeighting": "default"})),
        ] {
            fields.insert(name.to_owned(), with_defaults(spec, name, defaults));
        }
        if let Some(reservation) = fields.get_mut("capacityReservationSpecification").and_then(Value::as_object_mut)
            && reservation.contains_key("capacityReservationTarget")
        {
            reservation.remove("capacityReservationPreference");
        }
        Ok(fields)
    }

    fn set_hidden(&mut self, id: &str, launch: &Launch<'_>, kind: &str, reservation: &str) -> Result<(), Fault> {
        let spec = &launch.spec;
        let credits = if kind.starts_with("t2.") { "standard" } else { "unlimited" };
        let hidden = json!({
            "reservationId": reservation, "userData": at(spec, "userData"),
            "disableApiTermination": flag(spec, "disableApiTermination").unwrap_or(false),
            "disableApiStop": flag(spec, "disableApiStop").unwrap_or(false),
            "instanceInitiatedShutdownBehavior": at(spec, "instanceInitiatedShutdownBehavior").unwrap_or("stop"),
            "credits": at(spec, "creditSpecification.cpuCredits").unwrap_or(credits),
        });
        let instance = self.get_mut(Kind::Instance, id)?;
        instance.hidden.extend(object(hidden));
        let mut tags = launch.tags.clone();
        tags.append(&mut instance.tags);
        instance.tags = tags;
        Ok(())
    }

    fn launch_interface(&mut self, id: &str, wanted: &Fields, site: &Site, first: bool) -> Result<(), Fault> {
        if let Some(existing) = at(wanted, "networkInterfaceId") {
            self.get(Kind::NetworkInterface, existing)?;
            return Err(Fault::not_implemented("launches with interfaces that are there already"));
        }
        for count in ["ipv4PrefixCount", "ipv6PrefixCount"] {
            if wanted.contains_key(count) {
                return Err(Fault::not_implemented(&format!("the parameter {count} of an instance's interfaces")));
            }
        }
        let subnet_id = at(wanted, "subnetId").unwrap_or(&site.subnet);
        let groups = values(wanted, "groupSet.groupId*");
        let groups = self.group_set(&groups.iter().map(String::as_str).collect::<Vec<_>>(), &site.vpc)?;
        let index = int(wanted, "deviceIndex")?.unwrap_or(0);
        let card = int(wanted, "networkCardIndex")?.unwrap_or(0);
        let delete = flag(wanted, "deleteOnTermination").unwrap_or(true);
        let mut attached = attachment(id, &self.account, index, card, delete);
        if let Some(srd) = wanted.get("enaSrdSpecification") {
            attached["enaSrdSpecification"] = srd.clone();
        }
        let more = json!({
            "description": at(wanted, "description").unwrap_or_default(), "interfaceType": at(wanted, "interfaceType").unwrap_or("interface"),
            "connectionTrackingConfiguration": wanted.get("connectionTrackingSpecification"), "attachment": attached,
            "ipv4PrefixSet": wanted.get("ipv4PrefixSet"), "ipv6PrefixSet": wanted.get("ipv6PrefixSet"),
        });
        let listed = items(wanted, "privateIpAddressesSet");
        let primary = listed.iter().find(|address| flag(address, "primary") == Some(true));
        let address = at(wanted, "privateIpAddress").or(primary.and_then(|address| at(address, "privateIpAddress")));
        let interface = self.add_interface(subnet_id, groups, address, more)?;
        let others = listed.iter().filter_map(|a| at(a, "privateIpAddress")).filter(|other| Some(*other) != address);
        let more = |name: &str| Ok::<_, Fault>(int(wanted, name)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0));
        self.assign_ipv4(&interface, &others.collect::<Vec<_>>(), more("secondaryPrivateIpAddressCount")?)?;
        let subnet = self.get(Kind::Subnet, subnet_id)?;
        let on = |name: &str| subnet.fields.get(name) == Some(&json!(true));
        let (public, ipv6) = (on("mapPublicIpOnLaunch"), on("assignIpv6AddressOnCreation"));
        let v6 = values(wanted, "ipv6AddressesSet.ipv6Address");
        let mut more_v6 = more("ipv6AddressCount")?;
        if v6.is_empty() && !wanted.contains_key("ipv6AddressCount") && ipv6 {
            more_v6 = 1;
        }
        self.assign_ipv6(&interface, &v6.iter().map(String::as_str).collect::<Vec<_>>(), more_v6)?;
        if flag(wanted, "primaryIpv6") == Some(true) {
            set_primary_ipv6(self.get_mut(Kind::NetworkInterface, &interface)?, true)?;
        }
        if flag(wanted, "associatePublicIpAddress").unwrap_or(public && first) {
            self.set_public_address(&interface, true)?;
        }
        Ok(())
    }

    /// The volumes of the image's root device and of the devices that the launch names.
    fn launch_volumes(&mut self, id: &str, launch: &Launch<'_>, image: &Image, site: &Site) -> Result<(), Fault> {
        let mut devices = items(&launch.spec, "blockDeviceMappingSet");
        if !devices.iter().any(|device| at(device, "deviceName") == Some(image.root.as_str())) {
            devices.push(object(json!({"deviceName": image.root, "ebs": {}})));
        }
        for device in &devices {
            let name =
                at(device, "deviceName").ok_or_else(|| Fault::new("MissingParameter", "A device has no name"))?;
            let Some(Value::Object(ebs)) = device.get("ebs").filter(|_| !device.contains_key("noDevice")) else {
                continue;
            };
            let root = name == image.root;
            let new = NewVolume {
                kind: Some(at(ebs, "volumeType").unwrap_or(if root { "gp3" } else { "gp2" })),
                size: int(ebs, "volumeSize")?.or(root.then_some(image.size)),
                iops: int(ebs, "iops")?,
                throughput: int(ebs, "throughput")?,
                encrypted: flag(ebs, "encrypted"),
                key: at(ebs, "kmsKeyId"),
                snapshot: at(ebs, "snapshotId"),
                multi_attach: false,
                initialization: int(ebs, "volumeInitializationRate")?,
            };
            let volume = self.add_volume(&new, &site.zone, &Params::default())?;
            let mut tags = launch.volume_tags.clone();
            tags.extend(super::tag_specification(launch.p, Kind::Volume));
            self.get_mut(Kind::Volume, &volume)?.tags = tags;
            let delete = flag(ebs, "deleteOnTermination").unwrap_or(root);
            self.attach(&volume, id, name, delete, int(ebs, "ebsCardIndex")?)?;
        }
        Ok(())
    }

    fn add_spot_request(&mut self, id: &str, spec: &Fields) -> Result<(), Fault> {
        let options = match spec.get("instanceMarketOptions").and_then(|market| market.get("spotOptions")) {
            Some(Value::Object(options)) => options.clone(),
            _ => Fields::new(),
        };
        let fields = json!({
            "state": "active", "status": {"code": "fulfilled"}, "instanceId": id, "createTime": jiff::Timestamp::now().to_string(),
            "spotPrice": at(&options, "maxPrice"), "type": at(&options, "spotInstanceType").unwrap_or("one-time"),
            "blockDurationMinutes": at(&options, "blockDurationMinutes"), "validUntil": at(&options, "validUntil"),
            "instanceInterruptionBehavior": at(&options, "instanceInterruptionBehavior").unwrap_or("terminate"),
        });
        let request = self.add(Kind::SpotInstancesRequest, "spotInstanceRequestId", fields, &Params::default());
        let instance = self.get_mut(Kind::Instance, id)?;
        instance.fields.insert("spotInstanceRequestId".to_owned(), json!(request));
        instance.fields.insert("instanceLifecycle".to_owned(), json!("spot"));
        Ok(())
    }

    pub(super) fn cancel_spot_instance_requests(&mut self, p: &Params) -> Answer {
        let ids = p.list("SpotInstanceRequestId");
        ids.iter().try_for_each(|id| self.get(Kind::SpotInstancesRequest, id).map(drop))?;
        let mut cancelled = Vec::new();
        for id in ids {
            self.get_mut(Kind::SpotInstancesRequest, id)?.fields.insert("state".to_owned(), json!("cancelled"));
            cancelled.push(json!({"spotInstanceRequestId": id, "state": "cancelled"}));
        }
        Ok(json!({"spotInstanceRequestSet": cancelled}))
    }

    /// What Describe tells of an instance, with what is attached to it.
    pub(super) fn instance_shown(&self, id: &str, instance: &Object) -> Fields {
        let mut fields = instance.fields.clone();
        fields.insert("reservationId".to_owned(), json!(self.reservation_of(id)));
        let interfaces = self.interfaces_of(id);
        if let Some((_, first)) = interfaces.first() {
            let of_first = |name: &str| first.fields.get(name).cloned().unwrap_or_default();
            for name in ["groupSet", "sourceDestCheck", "privateIpAddress", "privateDnsName"] {
                fields.insert(name.to_owned(), of_first(name));
            }
            if instance.fields.get("privateDnsNameOptions").is_some_and(|o| o["hostnameType"] == json!("resource-name"))
            {
                let zone = text(first, "privateDnsName").split_once('.').map(|(_, zone)| zone).unwrap_or_default();
                fields.insert("privateDnsName".to_owned(), json!(format!("{id}.{zone}")));
            }
            let association = of_first("association");
            if let Some(ip) = association["publicIp"].as_str() {
                fields.insert("ipAddress".to_owned(), json!(ip));
                let named =
                    self.objects.get(text(instance, "vpcId")).and_then(|vpc| vpc.hidden.get("enableDnsHostnames"));
                let name = if named == Some(&json!(true)) { self.public_name(ip) } else { String::new() };
                fields.insert("dnsName".to_owned(), json!(name));
            }
            if let Some(address) = values(&first.fields, "ipv6AddressesSet.ipv6Address").first() {
                fields.insert("ipv6Address".to_owned(), json!(address));
            }
            let all: Vec<&Fields> = interfaces.iter().map(|(_, o)| &o.fields).collect();
            fields.insert("networkInterfaceSet".to_owned(), json!(all));
        }
        let device = |(name, (volume, attachment)): (String, (String, Value))| {
            json!({"deviceName": name, "ebs": {
                "volumeId": volume, "status": attachment["status"], "attachTime": attachment["attachTime"],
                "deleteOnTermination": attachment["deleteOnTermination"], "ebsCardIndex": attachment["ebsCardIndex"],
            }})
        };
        let devices: Vec<Value> = self.devices_of(id).into_iter().map(device).collect();
        fields.insert("blockDeviceMapping".to_owned(), Value::Array(devices));
        if let Some((_, association)) = self.profile_of(id) {
            fields.insert(
                "iamInstanceProfile".to_owned(),
                association.fields.get("iamInstanceProfile").cloned().unwrap_or_default(),
            );
        }
        fields
    }

    fn reservation_of(&self, id: &str) -> String {
        let hidden = self.objects.get(id).and_then(|o| o.hidden.get("reservationId"));
        hidden.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn reservation(&self, reservation: &str, ids: &[String]) -> Value {
        let shown = |id: &String| {
            let instance = self.objects.get(id)?;
            Some(super::render(self.instance_shown(id, instance), &instance.tags))
        };
        let all: Vec<Value> = ids.iter().filter_map(shown).collect();
        json!({"reservationId": reservation, "ownerId": self.account, "groupSet": [], "instancesSet": all})
    }

    /// Instances one by one as reservations, which is what they are described in.
    pub(super) fn in_reservations(&self, instances: Vec<Value>) -> Vec<Value> {
        let wrap = |mut instance: Value| {
            let reservation = instance["reservationId"].take();
            json!({"reservationId": reservation, "ownerId": self.account, "groupSet": [], "instancesSet": [instance]})
        };
        instances.into_iter().map(wrap).collect()
    }

    /// Ends an instance: what was made with it and is to go with it goes. It is described for an hour more.
    pub(super) fn end_instance(&mut self, id: &str) -> Result<(), Fault> {
        let interfaces: Vec<String> = self.interfaces_of(id).into_iter().map(|(id, _)| id.clone()).collect();
        for interface in interfaces {
            let found = self.get_mut(Kind::NetworkInterface, &interface)?;
            if values(&found.fields, "attachment.deleteOnTermination").contains(&"true".to_owned()) {
                self.objects.remove(&interface);
            } else {
                found.fields.remove("attachment");
                found.fields.insert("status".to_owned(), json!("available"));
            }
        }
        for (_, (volume, attachment)) in self.devices_of(id) {
            if attachment["deleteOnTermination"] == json!(true) {
                self.objects.remove(&volume);
            } else {
                let volume = self.get_mut(Kind::Volume, &volume)?;
                edit(volume, "attachmentSet", |all| all.retain(|a| a["instanceId"] != json!(id)));
                if values(&volume.fields, "attachmentSet.instanceId").is_empty() {
                    volume.fields.insert("status".to_owned(), json!("available"));
                }
            }
        }
        if let Some(association) = self.profile_of(id).map(|(id, _)| id.clone()) {
            self.objects.remove(&association);
        }
        let instance = self.get_mut(Kind::Instance, id)?;
        for gone in ["vpcId", "subnetId", "privateIpAddress", "privateDnsName"] {
            instance.fields.remove(gone);
        }
        instance.fields.insert("instanceState".to_owned(), json!({"code": 48, "name": "terminated"}));
        let message = "Client.UserInitiatedShutdown: User initiated shutdown";
        instance
            .fields
            .insert("stateReason".to_owned(), json!({"code": "Client.UserInitiatedShutdown", "message": message}));
        instance.fields.insert("reason".to_owned(), json!(format!("User initiated ({})", jiff::Timestamp::now())));
        instance.hidden.remove("clientToken");
        instance.hidden.insert("deletedAt".to_owned(), json!(jiff::Timestamp::now().to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_tell_their_processors() {
        for (kind, expected) in [
            ("t3.micro", (1, 2)),
            ("t4g.small", (2, 1)),
            ("m5.2xlarge", (4, 2)),
            ("m7g.large", (2, 1)),
            ("c7gn.4xlarge", (16, 1)),
            ("g5.xlarge", (2, 2)),
            ("m1.small", (1, 1)),
        ] {
            assert_eq!(processors(kind), expected, "{kind}");
        }
    }
}
