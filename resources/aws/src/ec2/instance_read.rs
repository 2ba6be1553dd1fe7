//! How answers about an [`Instance`] are read.
//!
//! One call tells most of many instances. Their volumes take another, credits and spot requests one each, and only if a program sets what
//! they tell; what only `DescribeInstanceAttribute` tells takes a call for each instance and attribute that a program sets.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::InstanceAttributeName;
use aws_smithy_types::date_time::Format;
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::value::{Val, Value};

use super::describe::{self, by};
use super::instance::{Instance, InstanceOutputs, InstanceResolved};
use super::instance_blocks::{
    InstanceBlockDevice, InstanceBlockDeviceResolved, InstanceCapacityReservationResolved,
    InstanceCapacityReservationTargetResolved, InstanceConnectionTrackingResolved, InstanceCpuOptionsResolved,
    InstanceCreditSpecificationResolved, InstanceEbsResolved, InstanceEnaSrdResolved, InstanceEnclaveOptionsResolved,
    InstanceHibernationResolved, InstanceIamProfileResolved, InstanceLaunchTemplate, InstanceLaunchTemplateResolved,
    InstanceLicenseResolved, InstanceMaintenanceOptionsResolved, InstanceMarketOptionsResolved,
    InstanceMetadataOptionsResolved, InstanceMonitoringResolved, InstanceNetworkInterface,
    InstanceNetworkInterfaceResolved, InstanceNetworkPerformanceResolved, InstancePlacementResolved,
    InstancePrivateDnsNameOptionsResolved, InstancePrivateIpAddressResolved, InstanceSecondaryInterface,
    InstanceSecondaryInterfaceResolved, InstanceSpotOptionsResolved,
};
use super::place::Place;
use super::{
    Ec2, InstanceId, KeyName, LaunchTemplateId, NetworkInterfaceId, SecurityGroupId, SubnetId, VolumeId, VpcId,
    instance_update, tagging,
};
use crate::arn::Arn;
use crate::batch::{align, each};
use crate::ids::InstanceProfileName;
use crate::manage::{Found, Target};
use crate::tags::is_hidden;

/// Marks an instance that phx has stopped and has yet to start.
pub(super) const RESTART: &str = "phx:restart";
/// `DescribeInstanceCreditSpecifications` takes so many ids in one call.
const CREDITS_PER_CALL: usize = 1000;

pub(super) fn state(instance: &sdk::Instance) -> &str {
    instance.state().and_then(|s| s.name()).map_or("in no state", sdk::InstanceStateName::as_str)
}

/// Whether it is gone as far as a program is concerned. AWS shows terminated ones for an hour.
pub(super) fn is_over(state: &str) -> bool {
    matches!(state, "shutting-down" | "terminated")
}

pub(super) async fn one(ec2: &Ec2, id: &str) -> Result<Option<sdk::Instance>, CloudError> {
    let instances = describe::instances(ec2, by("instance-id", [id])).await?;
    Ok(instances.into_iter().find(|i| i.instance_id() == Some(id)))
}

pub(super) async fn read_many(
    ec2: &Ec2,
    place: &Place,
    targets: &[Target<'_>],
) -> Result<Vec<Found<Instance>>, CloudError> {
    let instances = describe::instances(ec2, by("instance-id", targets.iter().map(|t| t.id))).await?;
    let by_id: HashMap<&str, &sdk::Instance> = instances.iter().filter_map(|i| Some((i.instance_id()?, i))).collect();
    let living = |target: &Target<'_>| by_id.get(target.id).copied().filter(|i| !is_over(state(i)));
    let wanting = |fields: &'static [&'static str]| {
        targets.iter().filter(|t| fields.iter().any(|f| t.wants(f))).filter_map(living).collect::<Vec<_>>()
    };
    let with_volumes = wanting(&["block_device_mappings", "volume_tags"]);
    let with_credits = wanting(&["credit_specification"]);
    let with_market = wanting(&["instance_market_options"]);
    let (volumes, credits, spots) =
        futures::join!(volumes(ec2, &with_volumes), credits(ec2, &with_credits), spots(ec2, &with_market));
    let mut found =
        align(targets, instances.iter(), |i| i.instance_id(), |target, instance| present(place, target, instance));
    for (target, slot) in targets.iter().zip(&mut found) {
        let (Found::Present { fields, .. }, Some(instance)) = (&mut *slot, living(target)) else { continue };
        let mut failure = None;
        if target.wants("block_device_mappings") || target.wants("volume_tags") {
            match &volumes {
                Ok(volumes) => {
                    let set = target.inputs.get("block_device_mappings");
                    let set = set.and_then(|set| Vec::<InstanceBlockDevice>::from_value(set).ok());
                    fields.block_device_mappings = Some(devices(instance, volumes, set.as_deref()));
                    fields.volume_tags = volume_tags(instance, volumes).filter(|_| target.wants("volume_tags"));
                }
                Err(error) => failure = Some(error.clone()),
            }
        }
        if target.wants("credit_specification") {
            match &credits {
                Ok(credits) => {
                    fields.credit_specification =
                        credits.get(target.id).map(|c| InstanceCreditSpecificationResolved { cpu_credits: c.clone() });
                }
                Err(error) => failure = Some(error.clone()),
            }
        }
        if let (true, Some(market)) = (target.wants("instance_market_options"), &mut fields.instance_market_options) {
            match &spots {
                Ok(spots) => {
                    market.spot_options = instance.spot_instance_request_id().and_then(|r| spots.get(r).cloned())
                }
                Err(error) => failure = Some(error.clone()),
            }
        }
        if let Some(error) = failure {
            *slot = Found::Failed(error);
        }
    }
    read_attributes(ec2, targets, &mut found).await?;
    Ok(found)
}

/// What only `DescribeInstanceAttribute` tells: asked only for what the program sets.
async fn read_attributes(ec2: &Ec2, targets: &[Target<'_>], found: &mut [Found<Instance>]) -> Result<(), CloudError> {
    let attributes = [
        ("user_data", InstanceAttributeName::UserData),
        ("disable_api_stop", InstanceAttributeName::DisableApiStop),
        ("disable_api_termination", InstanceAttributeName::DisableApiTermination),
        ("instance_initiated_shutdown_behavior", InstanceAttributeName::InstanceInitiatedShutdownBehavior),
    ];
    let asked: Vec<_> = targets
        .iter()
        .enumerate()
        .filter(|(at, _)| matches!(found[*at], Found::Present { .. }))
        .flat_map(|(at, target)| {
            let wanted = attributes.iter().filter(|(field, _)| target.wants(field));
            wanted.map(move |(_, name)| (at, target.id, name.clone()))
        })
        .collect();
    let answers = each(asked, |(at, id, name)| async move {
        let request = ec2.describe_instance_attribute().instance_id(id).attribute(name);
        Ok((at, ec2.read("DescribeInstanceAttribute", || request.clone().send()).await))
    });
    for (at, answer) in answers.await? {
        match (answer, &mut found[at]) {
            // An answer tells the attribute that was asked for, and no other.
            (Ok(answer), Found::Present { fields, .. }) => {
                if let Some(data) = answer.user_data.and_then(|v| v.value).filter(|data| !data.is_empty()) {
                    fields.user_data = Some(data);
                }
                let flag = |value: Option<sdk::AttributeBooleanValue>| value.and_then(|v| v.value);
                fields.disable_api_stop = flag(answer.disable_api_stop).or(fields.disable_api_stop);
                fields.disable_api_termination =
                    flag(answer.disable_api_termination).or(fields.disable_api_termination);
                if let Some(behavior) = answer.instance_initiated_shutdown_behavior.and_then(|v| v.value) {
                    fields.instance_initiated_shutdown_behavior = Some(behavior);
                }
            }
            // It went away between two calls.
            (Err(error), slot) if error.kind == ErrorKind::NotFound => *slot = Found::Gone,
            (Err(error), slot) => *slot = Found::Failed(error),
            (Ok(_), _) => {}
        }
    }
    Ok(())
}

/// The volumes of instances, by id.
pub(super) async fn volumes(
    ec2: &Ec2,
    instances: &[&sdk::Instance],
) -> Result<HashMap<String, sdk::Volume>, CloudError> {
    let mappings = instances.iter().flat_map(|i| i.block_device_mappings());
    let ids: Vec<&str> = mappings.filter_map(|m| m.ebs()?.volume_id()).collect();
    let volumes = describe::volumes(ec2, by("volume-id", ids)).await?;
    Ok(volumes.into_iter().filter_map(|v| Some((v.volume_id.clone()?, v))).collect())
}

/// What burstable instances do without credits, by their ids. AWS refuses to be asked about others.
async fn credits(ec2: &Ec2, instances: &[&sdk::Instance]) -> Result<HashMap<String, String>, CloudError> {
    let burstable = |i: &&&sdk::Instance| i.instance_type().is_some_and(|t| t.as_str().starts_with('t'));
    let ids: Vec<String> = instances.iter().filter(burstable).filter_map(|i| i.instance_id.clone()).collect();
    let answers = each(ids.chunks(CREDITS_PER_CALL), |ids| async move {
        let request = ec2.describe_instance_credit_specifications().set_instance_ids(Some(ids.to_vec()));
        let answer = ec2.read("DescribeInstanceCreditSpecifications", || request.clone().send()).await?;
        Ok(answer.instance_credit_specifications.unwrap_or_default())
    });
    let all = answers.await?.into_iter().flatten();
    Ok(all.filter_map(|c| Some((c.instance_id?, c.cpu_credits?))).collect())
}

/// What was asked for spot instances, by the ids of the requests.
async fn spots(
    ec2: &Ec2,
    instances: &[&sdk::Instance],
) -> Result<HashMap<String, InstanceSpotOptionsResolved>, CloudError> {
    let ids: Vec<&str> =
        instances.iter().filter_map(|i| i.spot_instance_request_id()).filter(|id| !id.is_empty()).collect();
    let requests = describe::spot_instance_requests(ec2, by("spot-instance-request-id", ids)).await?;
    let options = |request: sdk::SpotInstanceRequest| {
        let valid_until = request.valid_until().and_then(|until| until.fmt(Format::DateTime).ok());
        let behavior = request.instance_interruption_behavior().map(|b| b.as_str().to_owned());
        let options = InstanceSpotOptionsResolved {
            max_price: request.spot_price.clone(),
            spot_instance_type: request.r#type().map(|t| t.as_str().to_owned()),
            block_duration_minutes: request.block_duration_minutes(),
            valid_until,
            instance_interruption_behavior: behavior,
        };
        Some((request.spot_instance_request_id?, options))
    };
    Ok(requests.into_iter().filter_map(options).collect())
}

pub(super) fn outputs(place: &Place, instance: &sdk::Instance) -> Option<InstanceOutputs> {
    let id = instance.instance_id()?;
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    Some(InstanceOutputs {
        id: InstanceId::new(id),
        arn: place.arn("instance", id),
        availability_zone: instance.placement().and_then(|p| text(p.availability_zone())),
        vpc_id: text(instance.vpc_id()).map(VpcId::new),
        subnet_id: text(instance.subnet_id()).map(SubnetId::new),
        primary_network_interface_id: primary(instance)
            .and_then(|i| i.network_interface_id())
            .map(NetworkInterfaceId::new),
        root_volume_id: root_volume(instance).map(VolumeId::new),
        private_ip_address: text(instance.private_ip_address()),
        private_dns_name: text(instance.private_dns_name()),
        public_ip_address: text(instance.public_ip_address()),
        public_dns_name: text(instance.public_dns_name()),
    })
}

/// Its first network interface.
pub(super) fn primary(instance: &sdk::Instance) -> Option<&sdk::InstanceNetworkInterface> {
    at_index(instance, 0, None)
}

/// Its network interface at a place. Of an instance with several network cards, each card may have one with the same index.
pub(super) fn at_index(
    instance: &sdk::Instance,
    index: i32,
    card: Option<i32>,
) -> Option<&sdk::InstanceNetworkInterface> {
    let at = |i: &&sdk::InstanceNetworkInterface| {
        i.attachment().is_some_and(|a| {
            a.device_index() == Some(index) && a.network_card_index().unwrap_or(0) == card.unwrap_or(0)
        })
    };
    instance.network_interfaces().iter().find(at)
}

/// The volume of a device.
pub(super) fn volume_of<'a>(instance: &'a sdk::Instance, device: &str) -> Option<&'a str> {
    let mapping = instance.block_device_mappings().iter().find(|m| m.device_name() == Some(device));
    mapping.and_then(|m| m.ebs()).and_then(|ebs| ebs.volume_id())
}

fn root_volume(instance: &sdk::Instance) -> Option<&str> {
    volume_of(instance, instance.root_device_name()?)
}

fn present(place: &Place, target: &Target<'_>, instance: &sdk::Instance) -> Found<Instance> {
    if is_over(state(instance)) {
        return Found::Gone;
    }
    let Some(outputs) = outputs(place, instance) else { return Found::Gone };
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let placement = instance.placement();
    let first = primary(instance);
    let ipv6: Option<Vec<String>> =
        first.map(|i| i.ipv6_addresses().iter().filter_map(|a| a.ipv6_address.clone()).collect());
    let primary_ipv6 = first.map(|i| i.ipv6_addresses().iter().any(|a| a.is_primary_ipv6() == Some(true)));
    let licenses: Vec<InstanceLicenseResolved> = instance
        .licenses()
        .iter()
        .filter_map(|l| l.license_configuration_arn())
        .map(|arn| InstanceLicenseResolved { license_configuration_arn: Arn::new(arn) })
        .collect();
    let mut tags = tagging::read(instance.tags());
    // The mark of one that stands still is told, as a foreign tag: else nothing would differ any more where phx was ended between the
    // last change and the start, and nobody would start it. The update that takes the tag away does.
    if !instance_update::is_to_restart(instance) {
        tags.remove(RESTART);
    }
    let fields = InstanceResolved {
        image_id: image(target, instance),
        instance_type: instance.instance_type().map(|t| t.as_str().to_owned()),
        key_name: text(instance.key_name()).map(KeyName::new),
        subnet_id: outputs.subnet_id.clone(),
        availability_zone: outputs.availability_zone.clone(),
        availability_zone_id: placement.and_then(|p| text(p.availability_zone_id())),
        security_group_ids: Some(
            instance.security_groups().iter().filter_map(|g| g.group_id()).map(SecurityGroupId::new).collect(),
        ),
        private_ip_address: outputs.private_ip_address.clone(),
        ipv6_address_count: ipv6.as_ref().and_then(|all| i32::try_from(all.len()).ok()),
        ipv6_addresses: ipv6,
        enable_primary_ipv6: primary_ipv6,
        network_interfaces: target.wants("network_interfaces").then(|| interfaces_of(target, instance)),
        secondary_interfaces: target.wants("secondary_interfaces").then(|| secondary_interfaces_of(target, instance)),
        source_dest_check: instance.source_dest_check(),
        block_device_mappings: None,
        volume_tags: None,
        ebs_optimized: instance.ebs_optimized(),
        user_data: None,
        iam_instance_profile: own_profile(target, instance),
        monitoring: instance
            .monitoring()
            .and_then(|m| m.state())
            .map(|state| InstanceMonitoringResolved { enabled: matches!(state.as_str(), "enabled" | "pending") }),
        placement: placement.map(|p| InstancePlacementResolved {
            affinity: text(p.affinity()),
            group_name: text(p.group_name()),
            group_id: text(p.group_id()),
            partition_number: p.partition_number(),
            host_id: text(p.host_id()),
            host_resource_group_arn: text(p.host_resource_group_arn()).map(Arn::new),
            tenancy: p.tenancy().map(|t| t.as_str().to_owned()),
        }),
        metadata_options: instance.metadata_options().map(metadata_options),
        credit_specification: None,
        cpu_options: instance.cpu_options().map(|c| InstanceCpuOptionsResolved {
            core_count: c.core_count(),
            threads_per_core: c.threads_per_core(),
            amd_sev_snp: c.amd_sev_snp().map(|s| s.as_str().to_owned()),
            nested_virtualization: c.nested_virtualization().map(|n| n.as_str().to_owned()),
        }),
        capacity_reservation_specification: instance.capacity_reservation_specification().map(capacity_reservation),
        hibernation_options: instance
            .hibernation_options()
            .and_then(|h| h.configured())
            .map(|configured| InstanceHibernationResolved { configured }),
        license_specifications: Some(licenses),
        enclave_options: instance
            .enclave_options()
            .and_then(|e| e.enabled())
            .map(|enabled| InstanceEnclaveOptionsResolved { enabled }),
        private_dns_name_options: instance.private_dns_name_options().map(|p| InstancePrivateDnsNameOptionsResolved {
            hostname_type: p.hostname_type().map(|t| t.as_str().to_owned()),
            enable_resource_name_dns_a_record: p.enable_resource_name_dns_a_record(),
            enable_resource_name_dns_aaaa_record: p.enable_resource_name_dns_aaaa_record(),
        }),
        maintenance_options: instance.maintenance_options().map(|m| InstanceMaintenanceOptionsResolved {
            auto_recovery: m.auto_recovery().map(|a| a.as_str().to_owned()),
            reboot_migration: m.reboot_migration().map(|r| r.as_str().to_owned()),
        }),
        network_performance_options: instance
            .network_performance_options()
            .and_then(|n| n.bandwidth_weighting())
            .map(|w| InstanceNetworkPerformanceResolved { bandwidth_weighting: w.as_str().to_owned() }),
        disable_api_stop: None,
        disable_api_termination: None,
        instance_initiated_shutdown_behavior: None,
        instance_market_options: instance.instance_lifecycle().map(|lifecycle| InstanceMarketOptionsResolved {
            market_type: Some(lifecycle.as_str().to_owned()),
            spot_options: None,
        }),
        launch_template: launch_template(target, instance),
        kernel_id: text(instance.kernel_id()),
        ramdisk_id: text(instance.ramdisk_id()),
        ena_support: instance.ena_support(),
        sriov_net_support: text(instance.sriov_net_support()),
        tags,
    };
    Found::present(fields, outputs)
}

fn metadata_options(shown: &sdk::InstanceMetadataOptionsResponse) -> InstanceMetadataOptionsResolved {
    InstanceMetadataOptionsResolved {
        http_tokens: shown.http_tokens().map(|t| t.as_str().to_owned()),
        http_put_response_hop_limit: shown.http_put_response_hop_limit(),
        http_endpoint: shown.http_endpoint().map(|e| e.as_str().to_owned()),
        http_protocol_ipv6: shown.http_protocol_ipv6().map(|p| p.as_str().to_owned()),
        instance_metadata_tags: shown.instance_metadata_tags().map(|t| t.as_str().to_owned()),
    }
}

fn capacity_reservation(shown: &sdk::CapacityReservationSpecificationResponse) -> InstanceCapacityReservationResolved {
    let target = shown.capacity_reservation_target().map(|t| InstanceCapacityReservationTargetResolved {
        capacity_reservation_id: t.capacity_reservation_id.clone(),
        capacity_reservation_resource_group_arn: t.capacity_reservation_resource_group_arn().map(Arn::new),
    });
    InstanceCapacityReservationResolved {
        capacity_reservation_preference: shown.capacity_reservation_preference().map(|p| p.as_str().to_owned()),
        capacity_reservation_target: target,
    }
}

/// The image. One that the program names by a parameter of Systems Manager is told as the program has it: the answer has the image that the
/// parameter named at the launch, and to take that for another would be to replace the instance.
fn image(target: &Target<'_>, instance: &sdk::Instance) -> Option<String> {
    let set = target.inputs.get("image_id").and_then(Value::as_str).filter(|set| set.starts_with("resolve:"));
    set.or(instance.image_id()).filter(|image| !image.is_empty()).map(str::to_owned)
}

/// An instance profile by both of its names: `arn:aws:iam::123456789012:instance-profile/path/name`.
fn profile(shown: &sdk::IamInstanceProfile) -> Option<InstanceIamProfileResolved> {
    let arn = shown.arn().filter(|arn| !arn.is_empty())?;
    let name = arn.rsplit('/').next().map(InstanceProfileName::new);
    Some(InstanceIamProfileResolved { arn: Some(Arn::new(arn)), name })
}

/// The instance profile, unless the instance has it of its launch template and the program says nothing of it.
fn own_profile(target: &Target<'_>, instance: &sdk::Instance) -> Option<InstanceIamProfileResolved> {
    let of_template = instance.tags().iter().any(|t| t.key() == Some("aws:ec2launchtemplate:id"));
    instance.iam_instance_profile().filter(|_| target.wants("iam_instance_profile") || !of_template).and_then(profile)
}

/// The launch template, which AWS tells by tags of its own: its id, and the number of the version. A version that the program does not
/// name by its number is told as the program has it.
fn launch_template(target: &Target<'_>, instance: &sdk::Instance) -> Option<InstanceLaunchTemplateResolved> {
    let tag = |key: &str| instance.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    let set = target.inputs.get("launch_template").and_then(|t| InstanceLaunchTemplate::from_value(t).ok());
    let version = tag("aws:ec2launchtemplate:version").map(str::to_owned);
    let by_number = set.as_ref().and_then(|set| set.version.as_ref()).is_none_or(|v| v.parse::<u64>().is_ok());
    Some(InstanceLaunchTemplateResolved {
        launch_template_id: Some(LaunchTemplateId::new(tag("aws:ec2launchtemplate:id")?)),
        launch_template_name: set.as_ref().and_then(|set| set.launch_template_name.clone()),
        version: if by_number { version } else { set.and_then(|set| set.version) },
    })
}

/// Whether a volume's key is the one that the program names, by its ARN, by an alias or by its id alone: AWS answers with the key's ARN. Where an
/// alias leads is not asked: a volume keeps the key that it was made with.
pub(super) fn is_key(named: &Arn, there: &Arn) -> bool {
    let alias = named.as_str().contains("alias/");
    alias || named == there || there.as_str().ends_with(&format!(":key/{}", named.as_str()))
}

/// The devices that the program names, in its order; all of them, if it names none.
pub(super) fn devices(
    instance: &sdk::Instance,
    volumes: &HashMap<String, sdk::Volume>,
    set: Option<&[InstanceBlockDeviceResolved]>,
) -> Vec<InstanceBlockDeviceResolved> {
    let read = |name: &str| {
        let mapping = instance.block_device_mappings().iter().find(|m| m.device_name() == Some(name))?;
        let shown = mapping.ebs()?;
        let volume = shown.volume_id().and_then(|id| volumes.get(id));
        let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
        let set = set.and_then(|set| set.iter().find(|set| set.device_name == name)).and_then(|set| set.ebs.as_ref());
        let key = volume.and_then(|v| text(v.kms_key_id())).map(Arn::new).map(|key| {
            let named = set.and_then(|set| set.kms_key_id.as_ref()).filter(|named| is_key(named, &key));
            named.cloned().unwrap_or(key)
        });
        // What was not asked for is no difference: no change could take it away.
        let asked = set.and_then(|set| set.encrypted).filter(|asked| !asked);
        let ebs = InstanceEbsResolved {
            delete_on_termination: shown.delete_on_termination(),
            iops: volume.and_then(|v| v.iops()),
            snapshot_id: volume.and_then(|v| text(v.snapshot_id())),
            volume_size: volume.and_then(|v| v.size()),
            volume_type: volume.and_then(|v| v.volume_type()).map(|t| t.as_str().to_owned()),
            kms_key_id: key,
            throughput: volume.and_then(|v| v.throughput()),
            outpost_arn: volume.and_then(|v| text(v.outpost_arn())).map(Arn::new),
            encrypted: asked.or(volume.and_then(|v| v.encrypted())),
            volume_initialization_rate: volume.and_then(|v| v.volume_initialization_rate()),
            ebs_card_index: shown.ebs_card_index(),
        };
        Some(InstanceBlockDeviceResolved {
            device_name: name.to_owned(),
            ebs: Some(ebs),
            no_device: None,
            virtual_name: None,
        })
    };
    match set {
        // Disks of the host, and what was left out, are in no answer.
        Some(set) => set
            .iter()
            .filter_map(|set| if set.ebs.is_some() { read(&set.device_name) } else { Some(set.clone()) })
            .collect(),
        None => instance.block_device_mappings().iter().filter_map(|m| read(m.device_name()?)).collect(),
    }
}

/// The tags that the volumes got at the launch, seen at the root device's.
fn volume_tags(instance: &sdk::Instance, volumes: &HashMap<String, sdk::Volume>) -> Option<BTreeMap<String, String>> {
    let volume = volumes.get(root_volume(instance)?)?;
    let tags: BTreeMap<_, _> = tagging::read(volume.tags()).into_iter().filter(|(key, _)| !is_hidden(key)).collect();
    (!tags.is_empty()).then_some(tags)
}

/// The interfaces that the program names, in its order; all of them, if it names none.
fn interfaces_of(target: &Target<'_>, instance: &sdk::Instance) -> Vec<InstanceNetworkInterfaceResolved> {
    let set = target.inputs.get("network_interfaces");
    match set.and_then(|set| Vec::<InstanceNetworkInterface>::from_value(set).ok()) {
        Some(set) => set
            .iter()
            .filter_map(|set| interface_at(instance, set.device_index, set.network_card_index, Some(set)))
            .collect(),
        None => instance
            .network_interfaces()
            .iter()
            .filter_map(|shown| Some(interface(shown, shown.attachment()?.device_index()?, None)))
            .collect(),
    }
}

/// The interface at a place, if there is one; `set` is what the program last said of it.
pub(super) fn interface_at(
    instance: &sdk::Instance,
    device_index: i32,
    card: Option<i32>,
    set: Option<&InstanceNetworkInterfaceResolved>,
) -> Option<InstanceNetworkInterfaceResolved> {
    Some(interface(at_index(instance, device_index, card)?, device_index, set))
}

/// The private addresses, in the order in which the program has them. The first one is left out if the program leaves it to AWS.
fn private_addresses(
    shown: &sdk::InstanceNetworkInterface,
    set: Option<&[InstancePrivateIpAddressResolved]>,
) -> Vec<InstancePrivateIpAddressResolved> {
    let place = |address: &str| set?.iter().position(|set| set.private_ip_address == address);
    let mut there: Vec<InstancePrivateIpAddressResolved> = shown
        .private_ip_addresses()
        .iter()
        .filter_map(|a| {
            let private_ip_address = a.private_ip_address.clone()?;
            Some(InstancePrivateIpAddressResolved { private_ip_address, primary: a.primary() })
        })
        .filter(|a| set.is_none() || a.primary != Some(true) || place(&a.private_ip_address).is_some())
        .collect();
    there.sort_by_key(|a| place(&a.private_ip_address).unwrap_or(usize::MAX));
    there
}

fn interface(
    shown: &sdk::InstanceNetworkInterface,
    device_index: i32,
    set: Option<&InstanceNetworkInterfaceResolved>,
) -> InstanceNetworkInterfaceResolved {
    let attachment = shown.attachment();
    let count = |n: usize| i32::try_from(n).ok();
    let addresses = private_addresses(shown, set.and_then(|set| set.private_ip_addresses.as_deref()));
    let ipv6: Vec<String> = shown.ipv6_addresses().iter().filter_map(|a| a.ipv6_address.clone()).collect();
    let ipv4_prefixes: Vec<String> = shown.ipv4_prefixes().iter().filter_map(|p| p.ipv4_prefix.clone()).collect();
    let ipv6_prefixes: Vec<String> = shown.ipv6_prefixes().iter().filter_map(|p| p.ipv6_prefix.clone()).collect();
    InstanceNetworkInterfaceResolved {
        device_index,
        // Asked for at the launch; a stopped instance has no such address, so answers do not tell.
        associate_public_ip_address: set.and_then(|s| s.associate_public_ip_address),
        associate_carrier_ip_address: set.and_then(|s| s.associate_carrier_ip_address),
        delete_on_termination: attachment.and_then(|a| a.delete_on_termination()),
        description: shown.description.clone().filter(|d| !d.is_empty()),
        groups: Some(shown.groups().iter().filter_map(|g| g.group_id()).map(SecurityGroupId::new).collect()),
        ipv6_address_count: count(ipv6.len()),
        ipv6_addresses: Some(ipv6),
        network_interface_id: shown.network_interface_id().map(NetworkInterfaceId::new),
        private_ip_address: shown.private_ip_address.clone(),
        secondary_private_ip_address_count: count(shown.private_ip_addresses().len().saturating_sub(1)),
        private_ip_addresses: Some(addresses),
        subnet_id: shown.subnet_id().map(SubnetId::new),
        interface_type: shown.interface_type.clone(),
        network_card_index: attachment.and_then(|a| a.network_card_index()),
        ipv4_prefix_count: count(ipv4_prefixes.len()),
        ipv4_prefixes: Some(ipv4_prefixes),
        ipv6_prefix_count: count(ipv6_prefixes.len()),
        ipv6_prefixes: Some(ipv6_prefixes),
        primary_ipv6: Some(shown.ipv6_addresses().iter().any(|a| a.is_primary_ipv6() == Some(true))),
        ena_srd_specification: attachment.and_then(|a| a.ena_srd_specification()).map(|srd| InstanceEnaSrdResolved {
            ena_srd_enabled: srd.ena_srd_enabled(),
            ena_srd_udp_enabled: srd.ena_srd_udp_specification().and_then(|u| u.ena_srd_udp_enabled()),
        }),
        connection_tracking_specification: shown.connection_tracking_configuration().map(|t| {
            InstanceConnectionTrackingResolved {
                tcp_established_timeout: t.tcp_established_timeout(),
                udp_stream_timeout: t.udp_stream_timeout(),
                udp_timeout: t.udp_timeout(),
            }
        }),
        ena_queue_count: attachment.and_then(|a| a.ena_queue_count()),
    }
}

/// The secondary interfaces, in the order of the program's as far as it says where they are.
fn secondary_interfaces_of(target: &Target<'_>, instance: &sdk::Instance) -> Vec<InstanceSecondaryInterfaceResolved> {
    let read = |shown: &sdk::InstanceSecondaryInterface| {
        let attachment = shown.attachment();
        let addresses: Vec<String> =
            shown.private_ip_addresses().iter().filter_map(|a| a.private_ip_address.clone()).collect();
        InstanceSecondaryInterfaceResolved {
            device_index: attachment.and_then(|a| a.device_index()),
            secondary_subnet_id: shown.secondary_subnet_id.clone(),
            interface_type: shown.interface_type().map(|t| t.as_str().to_owned()),
            network_card_index: attachment.and_then(|a| a.network_card_index()),
            delete_on_termination: attachment.and_then(|a| a.delete_on_termination()),
            private_ip_address_count: i32::try_from(addresses.len()).ok(),
            private_ip_addresses: Some(addresses),
        }
    };
    let mut there: Vec<_> = instance.secondary_interfaces().iter().map(read).collect();
    let set = target.inputs.get("secondary_interfaces");
    let set = set.and_then(|set| Vec::<InstanceSecondaryInterface>::from_value(set).ok()).unwrap_or_default();
    there.sort_by_key(|shown| {
        let same = |set: &InstanceSecondaryInterfaceResolved| {
            set.device_index == shown.device_index
                && set.network_card_index.is_none_or(|c| Some(c) == shown.network_card_index)
        };
        set.iter().position(same).unwrap_or(usize::MAX)
    });
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_two_names() {
        let arn = "arn:aws:iam::123456789012:instance-profile/team/web";
        let read = profile(&sdk::IamInstanceProfile::builder().arn(arn).build()).unwrap();
        assert_eq!(read.name, Some(InstanceProfileName::new("web")));
        assert_eq!(read.arn, Some(Arn::new(arn)));
        assert_eq!(profile(&sdk::IamInstanceProfile::builder().build()), None);
    }

    #[test]
    fn a_profile_of_the_launch_template_is_the_templates_own() {
        let arn = "arn:aws:iam::123456789012:instance-profile/web";
        let with = |tag: &str| {
            let profile = sdk::IamInstanceProfile::builder().arn(arn).build();
            let tag = sdk::Tag::builder().key(tag).value("lt-1").build();
            sdk::Instance::builder().iam_instance_profile(profile).tags(tag).build()
        };
        let told = |json: &str, tag: &str| {
            let inputs = serde_json::from_str(json).unwrap();
            own_profile(&Target { id: "i-1", inputs: &inputs }, &with(tag)).is_some()
        };
        let set = r#"{"iam_instance_profile":{"name":"web"}}"#;
        assert!(!told(r#"{"instance_type":"t3.micro"}"#, "aws:ec2launchtemplate:id"));
        assert!(told(r#"{"instance_type":"t3.micro"}"#, "Name"), "somebody has given it one");
        assert!(told(set, "aws:ec2launchtemplate:id") && told("{}", "aws:ec2launchtemplate:id"));
    }

    #[test]
    fn a_version_that_is_no_number_is_told_as_it_was_set() {
        let tag = |k: &str, v: &str| sdk::Tag::builder().key(k).value(v).build();
        let instance = sdk::Instance::builder()
            .tags(tag("aws:ec2launchtemplate:id", "lt-1"))
            .tags(tag("aws:ec2launchtemplate:version", "3"))
            .build();
        let told = |json: &str| {
            let inputs = serde_json::from_str(json).unwrap();
            launch_template(&Target { id: "i-1", inputs: &inputs }, &instance).unwrap().version
        };
        assert_eq!(
            told(r#"{"launch_template":{"launch_template_name":"t","version":"$Latest"}}"#).as_deref(),
            Some("$Latest")
        );
        assert_eq!(told(r#"{"launch_template":{"launch_template_id":"lt-1","version":"2"}}"#).as_deref(), Some("3"));
        assert_eq!(told("{}").as_deref(), Some("3"));
    }
}
