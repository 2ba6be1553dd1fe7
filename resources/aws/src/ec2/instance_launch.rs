//! What is sent when an [`Instance`](super::Instance) is launched.

use std::time::Duration;

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types as sdk;
use aws_smithy_types::date_time::{DateTime, Format};
use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;

use super::instance::InstanceResolved;
use super::instance_blocks::{
    InstanceBlockDeviceResolved, InstanceCapacityReservationResolved, InstanceConnectionTrackingResolved,
    InstanceIamProfileResolved, InstanceMarketOptionsResolved, InstanceNetworkInterfaceResolved,
    InstanceSecondaryInterfaceResolved,
};
use super::{Ec2, tagging, user_data};
use crate::arn::Arn;
use crate::call::client_token;
use crate::wait;

/// An instance profile is known to EC2 some seconds after IAM made it.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// Launches one instance.
pub(super) async fn run(
    ec2: &Ec2,
    cx: &Cx,
    want: &InstanceResolved,
    intent: &IntentId,
) -> Result<sdk::Instance, CloudError> {
    let request = request(ec2, want, intent)?;
    let send = || ec2.write("RunInstances", || request.clone().send());
    let answer = wait::eventually(cx, UNTIL_KNOWN, not_known_yet, send).await.map_err(explained)?;
    let instance = answer.instances.unwrap_or_default().into_iter().next();
    instance.ok_or_else(|| ec2.unexpected("RunInstances", "the answer describes no instance"))
}

/// What the launch refers to is new, and EC2 does not know it everywhere yet.
pub(super) fn not_known_yet(error: &CloudError) -> bool {
    error.kind == ErrorKind::NotFound || (error.kind == ErrorKind::Invalid && names_profile(error))
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html>: changes are not immediately visible.
fn names_profile(error: &CloudError) -> bool {
    let message = error.message.to_ascii_lowercase();
    message.contains("iam instance profile") || message.contains("iaminstanceprofile")
}

fn explained(error: CloudError) -> CloudError {
    match error.code.as_deref() {
        Some("InsufficientInstanceCapacity") => {
            error.hint("AWS has no room for this type in this zone now: try another zone or type, or later")
        }
        Some("InstanceLimitExceeded" | "VcpuLimitExceeded" | "MaxSpotInstanceCountExceeded") => {
            error.hint("the account's quota is used up: ask AWS for more in the Service Quotas console")
        }
        // A new instance comes before the old one goes, which has them still.
        Some("InvalidIPAddress.InUse" | "InvalidNetworkInterface.InUse") => error.hint(
            "if the instance that this one takes the place of has it, let that one go first: `delete_before_replace`",
        ),
        _ => error,
    }
}

fn request(ec2: &Ec2, want: &InstanceResolved, intent: &IntentId) -> Result<RunInstancesFluentBuilder, CloudError> {
    let texts = |ids: &[super::SecurityGroupId]| ids.iter().map(ToString::to_string).collect();
    let ipv6 = |address: &String| sdk::InstanceIpv6Address::builder().ipv6_address(address).build();
    let licenses = want.license_specifications.as_ref().map(|all| {
        let license =
            |arn: &Arn| sdk::LicenseConfigurationRequest::builder().license_configuration_arn(arn.as_str()).build();
        all.iter().map(|l| license(&l.license_configuration_arn)).collect()
    });
    let market = want.instance_market_options.as_ref().map(market_options).transpose()?;
    let mut tags = vec![tagging::specification(sdk::ResourceType::Instance, &want.tags, intent)];
    if let Some(volumes) = want.volume_tags.as_ref().filter(|tags| !tags.is_empty()) {
        let pairs = volumes.iter().map(|(k, v)| sdk::Tag::builder().key(k).value(v).build()).collect();
        let volumes = sdk::TagSpecification::builder().resource_type(sdk::ResourceType::Volume).set_tags(Some(pairs));
        tags.push(volumes.build());
    }
    Ok(ec2
        .run_instances()
        .client_token(client_token(intent))
        .min_count(1)
        .max_count(1)
        .set_image_id(want.image_id.clone())
        .set_instance_type(want.instance_type.as_deref().map(sdk::InstanceType::from))
        .set_key_name(want.key_name.as_ref().map(ToString::to_string))
        .set_subnet_id(want.subnet_id.as_ref().map(ToString::to_string))
        .set_security_group_ids(want.security_group_ids.as_deref().map(texts))
        .set_private_ip_address(want.private_ip_address.clone())
        .set_ipv6_address_count(want.ipv6_address_count.filter(|_| want.ipv6_addresses.is_none()))
        .set_ipv6_addresses(want.ipv6_addresses.as_ref().map(|all| all.iter().map(ipv6).collect()))
        .set_enable_primary_ipv6(want.enable_primary_ipv6)
        .set_network_interfaces(want.network_interfaces.as_ref().map(|all| all.iter().map(interface).collect()))
        .set_secondary_interfaces(
            want.secondary_interfaces.as_ref().map(|all| all.iter().map(secondary_interface).collect()),
        )
        .set_block_device_mappings(want.block_device_mappings.as_ref().map(|all| all.iter().map(device).collect()))
        .set_ebs_optimized(want.ebs_optimized)
        .set_user_data(want.user_data.as_deref().map(user_data::encoded))
        .set_iam_instance_profile(want.iam_instance_profile.as_ref().map(profile))
        .set_monitoring(
            want.monitoring.as_ref().map(|m| sdk::RunInstancesMonitoringEnabled::builder().enabled(m.enabled).build()),
        )
        .set_placement(placement(want))
        .set_metadata_options(metadata_options(want))
        .set_credit_specification(
            want.credit_specification
                .as_ref()
                .map(|c| sdk::CreditSpecificationRequest::builder().cpu_credits(&c.cpu_credits).build()),
        )
        .set_cpu_options(cpu_options(want))
        .set_capacity_reservation_specification(
            want.capacity_reservation_specification.as_ref().map(capacity_reservation),
        )
        .set_hibernation_options(
            want.hibernation_options
                .as_ref()
                .map(|h| sdk::HibernationOptionsRequest::builder().configured(h.configured).build()),
        )
        .set_license_specifications(licenses)
        .set_enclave_options(
            want.enclave_options.as_ref().map(|e| sdk::EnclaveOptionsRequest::builder().enabled(e.enabled).build()),
        )
        .set_private_dns_name_options(private_dns(want))
        .set_maintenance_options(
            want.maintenance_options.as_ref().and_then(|m| m.auto_recovery.as_deref()).map(|recovery| {
                sdk::InstanceMaintenanceOptionsRequest::builder().auto_recovery(recovery.into()).build()
            }),
        )
        .set_network_performance_options(want.network_performance_options.as_ref().map(|n| {
            let weighting = sdk::InstanceBandwidthWeighting::from(n.bandwidth_weighting.as_str());
            sdk::InstanceNetworkPerformanceOptionsRequest::builder().bandwidth_weighting(weighting).build()
        }))
        .set_disable_api_stop(want.disable_api_stop)
        .set_disable_api_termination(want.disable_api_termination)
        .set_instance_initiated_shutdown_behavior(
            want.instance_initiated_shutdown_behavior.as_deref().map(sdk::ShutdownBehavior::from),
        )
        .set_instance_market_options(market)
        .set_launch_template(launch_template(want))
        .set_kernel_id(want.kernel_id.clone())
        .set_ramdisk_id(want.ramdisk_id.clone())
        .set_tag_specifications(Some(tags)))
}

fn market_options(want: &InstanceMarketOptionsResolved) -> Result<sdk::InstanceMarketOptionsRequest, CloudError> {
    let spot = match &want.spot_options {
        None => None,
        Some(spot) => {
            let valid_until = spot.valid_until.as_deref().map(moment).transpose()?;
            let behavior = spot.instance_interruption_behavior.as_deref().map(sdk::InstanceInterruptionBehavior::from);
            Some(
                sdk::SpotMarketOptions::builder()
                    .set_max_price(spot.max_price.clone())
                    .set_spot_instance_type(spot.spot_instance_type.as_deref().map(sdk::SpotInstanceType::from))
                    .set_block_duration_minutes(spot.block_duration_minutes)
                    .set_valid_until(valid_until)
                    .set_instance_interruption_behavior(behavior)
                    .build(),
            )
        }
    };
    Ok(sdk::InstanceMarketOptionsRequest::builder()
        .set_market_type(want.market_type.as_deref().map(sdk::MarketType::from))
        .set_spot_options(spot)
        .build())
}

fn moment(text: &str) -> Result<DateTime, CloudError> {
    DateTime::from_str(text, Format::DateTime).map_err(|error| {
        let message = format!("{text:?} is no moment in time: {error}");
        CloudError::local(ErrorKind::Invalid, message).hint("write it as 2030-01-01T00:00:00Z")
    })
}

fn placement(want: &InstanceResolved) -> Option<sdk::Placement> {
    let of = want.placement.as_ref();
    if of.is_none() && want.availability_zone.is_none() && want.availability_zone_id.is_none() {
        return None;
    }
    // The name goes without the id: AWS takes one of them.
    let id = want.availability_zone_id.clone().filter(|_| want.availability_zone.is_none());
    let placement = sdk::Placement::builder()
        .set_availability_zone(want.availability_zone.clone())
        .set_availability_zone_id(id)
        .set_affinity(of.and_then(|p| p.affinity.clone()))
        .set_group_name(of.and_then(|p| p.group_name.clone()))
        .set_group_id(of.and_then(|p| p.group_id.clone()))
        .set_partition_number(of.and_then(|p| p.partition_number))
        .set_host_id(of.and_then(|p| p.host_id.clone()))
        .set_host_resource_group_arn(of.and_then(|p| p.host_resource_group_arn.as_ref()).map(Arn::to_string))
        .set_tenancy(of.and_then(|p| p.tenancy.as_deref()).map(sdk::Tenancy::from));
    Some(placement.build())
}

fn metadata_options(want: &InstanceResolved) -> Option<sdk::InstanceMetadataOptionsRequest> {
    let want = want.metadata_options.as_ref()?;
    let options = sdk::InstanceMetadataOptionsRequest::builder()
        .set_http_tokens(want.http_tokens.as_deref().map(sdk::HttpTokensState::from))
        .set_http_put_response_hop_limit(want.http_put_response_hop_limit)
        .set_http_endpoint(want.http_endpoint.as_deref().map(sdk::InstanceMetadataEndpointState::from))
        .set_http_protocol_ipv6(want.http_protocol_ipv6.as_deref().map(sdk::InstanceMetadataProtocolState::from))
        .set_instance_metadata_tags(want.instance_metadata_tags.as_deref().map(sdk::InstanceMetadataTagsState::from));
    Some(options.build())
}

fn cpu_options(want: &InstanceResolved) -> Option<sdk::CpuOptionsRequest> {
    let want = want.cpu_options.as_ref()?;
    let nested = want.nested_virtualization.as_deref().map(sdk::NestedVirtualizationSpecification::from);
    let options = sdk::CpuOptionsRequest::builder()
        .set_core_count(want.core_count)
        .set_threads_per_core(want.threads_per_core)
        .set_amd_sev_snp(want.amd_sev_snp.as_deref().map(sdk::AmdSevSnpSpecification::from))
        .set_nested_virtualization(nested);
    Some(options.build())
}

pub(super) fn capacity_reservation(
    want: &InstanceCapacityReservationResolved,
) -> sdk::CapacityReservationSpecification {
    let target = want.capacity_reservation_target.as_ref().map(|target| {
        let group = target.capacity_reservation_resource_group_arn.as_ref().map(Arn::to_string);
        sdk::CapacityReservationTarget::builder()
            .set_capacity_reservation_id(target.capacity_reservation_id.clone())
            .set_capacity_reservation_resource_group_arn(group)
            .build()
    });
    let preference = want.capacity_reservation_preference.as_deref().map(sdk::CapacityReservationPreference::from);
    sdk::CapacityReservationSpecification::builder()
        .set_capacity_reservation_preference(preference)
        .set_capacity_reservation_target(target)
        .build()
}

fn private_dns(want: &InstanceResolved) -> Option<sdk::PrivateDnsNameOptionsRequest> {
    let want = want.private_dns_name_options.as_ref()?;
    let options = sdk::PrivateDnsNameOptionsRequest::builder()
        .set_hostname_type(want.hostname_type.as_deref().map(sdk::HostnameType::from))
        .set_enable_resource_name_dns_a_record(want.enable_resource_name_dns_a_record)
        .set_enable_resource_name_dns_aaaa_record(want.enable_resource_name_dns_aaaa_record);
    Some(options.build())
}

fn launch_template(want: &InstanceResolved) -> Option<sdk::LaunchTemplateSpecification> {
    let want = want.launch_template.as_ref()?;
    let template = sdk::LaunchTemplateSpecification::builder()
        .set_launch_template_id(want.launch_template_id.as_ref().map(ToString::to_string))
        .set_launch_template_name(want.launch_template_name.clone())
        .set_version(want.version.clone());
    Some(template.build())
}

pub(super) fn profile(want: &InstanceIamProfileResolved) -> sdk::IamInstanceProfileSpecification {
    sdk::IamInstanceProfileSpecification::builder()
        .set_arn(want.arn.as_ref().map(Arn::to_string))
        .set_name(want.name.as_ref().map(ToString::to_string))
        .build()
}

fn device(want: &InstanceBlockDeviceResolved) -> sdk::BlockDeviceMapping {
    let ebs = want.ebs.as_ref().map(|ebs| {
        sdk::EbsBlockDevice::builder()
            .set_delete_on_termination(ebs.delete_on_termination)
            .set_iops(ebs.iops)
            .set_snapshot_id(ebs.snapshot_id.clone())
            .set_volume_size(ebs.volume_size)
            .set_volume_type(ebs.volume_type.as_deref().map(sdk::VolumeType::from))
            .set_kms_key_id(ebs.kms_key_id.as_ref().map(Arn::to_string))
            .set_throughput(ebs.throughput)
            .set_outpost_arn(ebs.outpost_arn.as_ref().map(Arn::to_string))
            .set_encrypted(ebs.encrypted)
            .set_volume_initialization_rate(ebs.volume_initialization_rate)
            .set_ebs_card_index(ebs.ebs_card_index)
            .build()
    });
    sdk::BlockDeviceMapping::builder()
        .device_name(&want.device_name)
        .set_ebs(ebs)
        .set_no_device(want.no_device.clone())
        .set_virtual_name(want.virtual_name.clone())
        .build()
}

pub(super) fn connection_tracking(
    want: &InstanceConnectionTrackingResolved,
) -> sdk::ConnectionTrackingSpecificationRequest {
    sdk::ConnectionTrackingSpecificationRequest::builder()
        .set_tcp_established_timeout(want.tcp_established_timeout)
        .set_udp_stream_timeout(want.udp_stream_timeout)
        .set_udp_timeout(want.udp_timeout)
        .build()
}

fn interface(want: &InstanceNetworkInterfaceResolved) -> sdk::InstanceNetworkInterfaceSpecification {
    let ipv6 = |address: &String| sdk::InstanceIpv6Address::builder().ipv6_address(address).build();
    let ipv4_prefix = |prefix: &String| sdk::Ipv4PrefixSpecificationRequest::builder().ipv4_prefix(prefix).build();
    let ipv6_prefix = |prefix: &String| sdk::Ipv6PrefixSpecificationRequest::builder().ipv6_prefix(prefix).build();
    let addresses = want.private_ip_addresses.as_ref().map(|all| {
        let address = |address: &super::instance_blocks::InstancePrivateIpAddressResolved| {
            sdk::PrivateIpAddressSpecification::builder()
                .private_ip_address(&address.private_ip_address)
                .set_primary(address.primary)
                .build()
        };
        all.iter().map(address).collect()
    });
    let srd = want.ena_srd_specification.as_ref().map(|srd| {
        let udp = srd.ena_srd_udp_enabled;
        let udp = udp.map(|on| sdk::EnaSrdUdpSpecificationRequest::builder().ena_srd_udp_enabled(on).build());
        sdk::EnaSrdSpecificationRequest::builder()
            .set_ena_srd_enabled(srd.ena_srd_enabled)
            .set_ena_srd_udp_specification(udp)
            .build()
    });
    let groups = want.groups.as_ref().map(|all| all.iter().map(ToString::to_string).collect());
    sdk::InstanceNetworkInterfaceSpecification::builder()
        .device_index(want.device_index)
        .set_associate_public_ip_address(want.associate_public_ip_address)
        .set_delete_on_termination(want.delete_on_termination)
        .set_description(want.description.clone())
        .set_groups(groups)
        .set_ipv6_address_count(want.ipv6_address_count)
        .set_ipv6_addresses(want.ipv6_addresses.as_ref().map(|all| all.iter().map(ipv6).collect()))
        .set_network_interface_id(want.network_interface_id.as_ref().map(ToString::to_string))
        .set_private_ip_address(want.private_ip_address.clone())
        .set_private_ip_addresses(addresses)
        .set_secondary_private_ip_address_count(want.secondary_private_ip_address_count)
        .set_subnet_id(want.subnet_id.as_ref().map(ToString::to_string))
        .set_associate_carrier_ip_address(want.associate_carrier_ip_address)
        .set_interface_type(want.interface_type.clone())
        .set_network_card_index(want.network_card_index)
        .set_ipv4_prefixes(want.ipv4_prefixes.as_ref().map(|all| all.iter().map(ipv4_prefix).collect()))
        .set_ipv4_prefix_count(want.ipv4_prefix_count)
        .set_ipv6_prefixes(want.ipv6_prefixes.as_ref().map(|all| all.iter().map(ipv6_prefix).collect()))
        .set_ipv6_prefix_count(want.ipv6_prefix_count)
        .set_primary_ipv6(want.primary_ipv6)
        .set_ena_srd_specification(srd)
        .set_connection_tracking_specification(want.connection_tracking_specification.as_ref().map(connection_tracking))
        .set_ena_queue_count(want.ena_queue_count)
        .build()
}

fn secondary_interface(
    want: &InstanceSecondaryInterfaceResolved,
) -> sdk::InstanceSecondaryInterfaceSpecificationRequest {
    let addresses = want.private_ip_addresses.as_ref().map(|all| {
        let address = |address: &String| {
            sdk::InstanceSecondaryInterfacePrivateIpAddressRequest::builder().private_ip_address(address).build()
        };
        all.iter().map(address).collect()
    });
    sdk::InstanceSecondaryInterfaceSpecificationRequest::builder()
        .set_device_index(want.device_index)
        .set_secondary_subnet_id(want.secondary_subnet_id.clone())
        .set_interface_type(want.interface_type.as_deref().map(sdk::SecondaryInterfaceType::from))
        .set_network_card_index(want.network_card_index)
        .set_delete_on_termination(want.delete_on_termination)
        .set_private_ip_addresses(addresses)
        .set_private_ip_address_count(want.private_ip_address_count)
        .build()
}
