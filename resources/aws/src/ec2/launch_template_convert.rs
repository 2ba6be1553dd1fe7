//! A launch template's data to AWS's form and back. Requests and answers have types of their own that look alike; a block stands for both.

use aws_sdk_ec2::types as sdk;
use aws_smithy_types::date_time::Format;
use phx_model::Val;
use phx_model::error::ErrorKind;
use phx_model::{CloudError, Value};

use super::launch_template_blocks::*;
use super::{KeyName, NetworkInterfaceId, SecurityGroupId, SubnetId};
use crate::arn::Arn;
use crate::ids::InstanceProfileName;

/// The resource type of a launch template's own tags.
const TEMPLATE: &str = "launch-template";

/// What AWS is asked for.
pub(super) fn request(want: &LaunchTemplateDataResolved) -> Result<sdk::RequestLaunchTemplateData, CloudError> {
    let spot = want.instance_market_options.as_ref().and_then(|m| m.spot_options.as_ref());
    if let Some(text) = spot.and_then(|s| s.valid_until.as_deref())
        && instant(text).is_none()
    {
        let message = format!("valid_until is not a moment like 2030-01-01T00:00:00Z: {text:?}");
        return Err(CloudError::local(ErrorKind::Invalid, message));
    }
    Ok(want.request())
}

/// What AWS shows, as a program would write it.
pub(super) fn shown(data: &sdk::ResponseLaunchTemplateData) -> LaunchTemplateDataResolved {
    let mut fields = LaunchTemplateDataResolved::of(data);
    // A template's own tags are no part of its data; not every stand-in for EC2 keeps the two apart.
    if let Some(specifications) = &mut fields.tag_specifications {
        specifications.retain(|s| s.resource_type != TEMPLATE);
    }
    fields
}

/// A block's form in requests and in answers.
trait Mirror: Sized {
    type Request;
    type Response;

    fn request(&self) -> Self::Request;
    fn of(shown: &Self::Response) -> Self;
}

/// Text that is an id or a name.
trait Named {
    fn named(text: &str) -> Self;
}

macro_rules! named {
    ($($id:ident),*) => {$(
        impl Named for $id {
            fn named(text: &str) -> Self {
                Self::new(text)
            }
        }
    )*};
}
named!(Arn, InstanceProfileName, KeyName, NetworkInterfaceId, SecurityGroupId, SubnetId);

/// A structure of AWS's around one text.
trait Wrapped {
    fn wrap(text: &str) -> Self;
    fn text(&self) -> Option<String>;
}

macro_rules! wrapped {
    ($($type:ident.$field:ident),* $(,)?) => {$(
        impl Wrapped for sdk::$type {
            fn wrap(text: &str) -> Self {
                let mut wrapped = Self::builder().build();
                wrapped.$field = Some(text.to_owned());
                wrapped
            }
            fn text(&self) -> Option<String> {
                self.$field.clone()
            }
        }
    )*};
}
wrapped! {
    InstanceIpv6AddressRequest.ipv6_address, InstanceIpv6Address.ipv6_address,
    Ipv4PrefixSpecificationRequest.ipv4_prefix, Ipv4PrefixSpecificationResponse.ipv4_prefix,
    Ipv6PrefixSpecificationRequest.ipv6_prefix, Ipv6PrefixSpecificationResponse.ipv6_prefix,
    SecondaryInterfacePrivateIpAddressSpecificationRequest.private_ip_address,
    SecondaryInterfacePrivateIpAddressSpecification.private_ip_address,
}

/// One of AWS's many types of ranges.
trait Range<N> {
    fn range(min: Option<N>, max: Option<N>) -> Self;
    fn ends(&self) -> (Option<N>, Option<N>);
}

macro_rules! range {
    ($number:ident: $($type:ident),* $(,)?) => {$(
        impl Range<$number> for sdk::$type {
            fn range(min: Option<$number>, max: Option<$number>) -> Self {
                Self::builder().set_min(min).set_max(max).build()
            }
            fn ends(&self) -> (Option<$number>, Option<$number>) {
                (self.min, self.max)
            }
        }
    )*};
}
range! { i32:
    VCpuCountRangeRequest, VCpuCountRange, MemoryMiBRequest, MemoryMiB, NetworkInterfaceCountRequest, NetworkInterfaceCount,
    BaselineEbsBandwidthMbpsRequest, BaselineEbsBandwidthMbps, AcceleratorCountRequest, AcceleratorCount,
    AcceleratorTotalMemoryMiBRequest, AcceleratorTotalMemoryMiB,
}
range! { f64:
    MemoryGiBPerVCpuRequest, MemoryGiBPerVCpu, TotalLocalStorageGbRequest, TotalLocalStorageGb, NetworkBandwidthGbpsRequest,
    NetworkBandwidthGbps,
}

/// A field of a block to AWS's form, by its kind: see [`mirror`].
macro_rules! to_aws {
    (same, $value:expr) => {
        $value.clone()
    };
    (word, $value:expr) => {
        $value.as_deref().map(Into::into)
    };
    (must_word, $value:expr) => {
        Some($value.as_str().into())
    };
    (words, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(|word| word.as_str().into()).collect())
    };
    (id, $value:expr) => {
        $value.as_ref().map(ToString::to_string)
    };
    (ids, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(ToString::to_string).collect())
    };
    (wrapped, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(|text| Wrapped::wrap(text)).collect())
    };
    (range, $value:expr) => {
        $value.as_ref().map(|range| Range::range(range.min, range.max))
    };
    (moment, $value:expr) => {
        $value.as_deref().and_then(instant)
    };
    (user_data, $value:expr) => {
        $value.as_deref().map(super::user_data::encoded)
    };
    (tags, $value:expr) => {
        $value.as_ref().map(|tags| tags.iter().map(|(k, v)| sdk::Tag::builder().key(k).value(v).build()).collect())
    };
    (block, $value:expr) => {
        $value.as_ref().map(Mirror::request)
    };
    (blocks, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(Mirror::request).collect())
    };
}

/// The way back.
macro_rules! from_aws {
    (same, $value:expr) => {
        $value.clone()
    };
    (word, $value:expr) => {
        $value.as_ref().map(|word| word.as_str().to_owned())
    };
    (must_word, $value:expr) => {
        $value.as_ref().map_or_else(String::new, |word| word.as_str().to_owned())
    };
    (words, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(|word| word.as_str().to_owned()).collect())
    };
    (id, $value:expr) => {
        $value.as_deref().filter(|text| !text.is_empty()).map(Named::named)
    };
    (ids, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(|text| Named::named(text)).collect())
    };
    (wrapped, $value:expr) => {
        $value.as_ref().map(|all| all.iter().filter_map(Wrapped::text).collect())
    };
    (range, $value:expr) => {
        $value.as_ref().map(|range| {
            let (min, max) = range.ends();
            from_ends(min, max)
        })
    };
    (moment, $value:expr) => {
        $value.as_ref().and_then(|moment| moment.fmt(Format::DateTime).ok())
    };
    (user_data, $value:expr) => {
        $value.clone().filter(|data| !data.is_empty())
    };
    (tags, $value:expr) => {
        $value.as_deref().map(super::tagging::read)
    };
    (block, $value:expr) => {
        $value.as_ref().map(Mirror::of).filter(says_something)
    };
    (blocks, $value:expr) => {
        $value.as_ref().map(|all| all.iter().map(Mirror::of).collect())
    };
}

/// Whether anything in a block is set: AWS may answer with an empty one in the place of none.
fn says_something<B: Written>(block: &B) -> bool {
    !block.written().is_empty()
}

/// A known block as a value.
trait Written {
    fn written(&self) -> Value;
}

/// A range of either kind of number.
trait Ends<N> {
    fn of_ends(min: Option<N>, max: Option<N>) -> Self;
}

impl Ends<i32> for LaunchTemplateCountRangeResolved {
    fn of_ends(min: Option<i32>, max: Option<i32>) -> Self {
        Self { min, max }
    }
}

impl Ends<f64> for LaunchTemplateAmountRangeResolved {
    fn of_ends(min: Option<f64>, max: Option<f64>) -> Self {
        Self { min, max }
    }
}

fn from_ends<N, E: Ends<N>>(min: Option<N>, max: Option<N>) -> E {
    E::of_ends(min, max)
}

/// What a block's fields are called in both forms, and of what kind each is.
macro_rules! mirror {
    ($($block:ident, $resolved:ident => $request:ident, $response:ident {
        $($field:ident: $kind:ident),* $(,)?
    })*) => {$(
        impl Mirror for $resolved {
            type Request = sdk::$request;
            type Response = sdk::$response;

            fn request(&self) -> Self::Request {
                let mut request = sdk::$request::builder().build();
                $(request.$field = to_aws!($kind, self.$field);)*
                request
            }

            fn of(shown: &Self::Response) -> Self {
                Self { $($field: from_aws!($kind, shown.$field)),* }
            }
        }

        impl Written for $resolved {
            fn written(&self) -> Value {
                $block::to_value(self)
            }
        }
    )*};
}

mirror! {
    LaunchTemplateData, LaunchTemplateDataResolved => RequestLaunchTemplateData, ResponseLaunchTemplateData {
        image_id: same, instance_type: word, instance_requirements: block, key_name: id, iam_instance_profile: block,
        security_group_ids: ids, security_groups: same, network_interfaces: blocks, secondary_interfaces: blocks,
        block_device_mappings: blocks, ebs_optimized: same, metadata_options: block, monitoring: block, placement: block,
        instance_market_options: block, credit_specification: block, cpu_options: block,
        capacity_reservation_specification: block, license_specifications: blocks, hibernation_options: block,
        enclave_options: block, private_dns_name_options: block, maintenance_options: block,
        network_performance_options: block, disable_api_termination: same, disable_api_stop: same,
        instance_initiated_shutdown_behavior: word, tag_specifications: blocks, kernel_id: same, ram_disk_id: same,
        operator: block, user_data: user_data,
    }
    LaunchTemplateOperator, LaunchTemplateOperatorResolved => OperatorRequest, OperatorResponse { principal: same }
    LaunchTemplateIamInstanceProfile, LaunchTemplateIamInstanceProfileResolved =>
        LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateIamInstanceProfileSpecification {
        arn: id, name: id,
    }
    LaunchTemplateTags, LaunchTemplateTagsResolved =>
        LaunchTemplateTagSpecificationRequest, LaunchTemplateTagSpecification { resource_type: must_word, tags: tags }
    LaunchTemplateBlockDevice, LaunchTemplateBlockDeviceResolved =>
        LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateBlockDeviceMapping {
        device_name: same, virtual_name: same, ebs: block, no_device: same,
    }
    LaunchTemplateEbs, LaunchTemplateEbsResolved => LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateEbsBlockDevice {
        volume_size: same, volume_type: word, iops: same, throughput: same, encrypted: same, kms_key_id: id,
        snapshot_id: same, delete_on_termination: same, volume_initialization_rate: same, ebs_card_index: same,
    }
    LaunchTemplateNetworkInterface, LaunchTemplateNetworkInterfaceResolved =>
        LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplateInstanceNetworkInterfaceSpecification {
        device_index: same, network_card_index: same, network_interface_id: id, subnet_id: id, groups: ids,
        description: same, interface_type: same, associate_public_ip_address: same,
        associate_carrier_ip_address: same, delete_on_termination: same, private_ip_address: same,
        private_ip_addresses: blocks, secondary_private_ip_address_count: same, ipv4_prefixes: wrapped,
        ipv4_prefix_count: same, ipv6_addresses: wrapped, ipv6_address_count: same, ipv6_prefixes: wrapped,
        ipv6_prefix_count: same, primary_ipv6: same, ena_srd_specification: block,
        connection_tracking_specification: block, ena_queue_count: same,
    }
    LaunchTemplatePrivateIp, LaunchTemplatePrivateIpResolved =>
        PrivateIpAddressSpecification, PrivateIpAddressSpecification { private_ip_address: same, primary: same }
    LaunchTemplateEnaSrd, LaunchTemplateEnaSrdResolved => EnaSrdSpecificationRequest, LaunchTemplateEnaSrdSpecification {
        ena_srd_enabled: same, ena_srd_udp_specification: block,
    }
    LaunchTemplateEnaSrdUdp, LaunchTemplateEnaSrdUdpResolved =>
        EnaSrdUdpSpecificationRequest, LaunchTemplateEnaSrdUdpSpecification { ena_srd_udp_enabled: same }
    LaunchTemplateConnectionTracking, LaunchTemplateConnectionTrackingResolved =>
        ConnectionTrackingSpecificationRequest, ConnectionTrackingSpecification {
        tcp_established_timeout: same, udp_timeout: same, udp_stream_timeout: same,
    }
    LaunchTemplateSecondaryInterface, LaunchTemplateSecondaryInterfaceResolved =>
        LaunchTemplateInstanceSecondaryInterfaceSpecificationRequest,
        LaunchTemplateInstanceSecondaryInterfaceSpecification {
        device_index: same, network_card_index: same, secondary_subnet_id: same, interface_type: word,
        delete_on_termination: same, private_ip_addresses: wrapped, private_ip_address_count: same,
    }
    LaunchTemplateMetadataOptions, LaunchTemplateMetadataOptionsResolved =>
        LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataOptions {
        http_endpoint: word, http_tokens: word, http_put_response_hop_limit: same, http_protocol_ipv6: word,
        instance_metadata_tags: word,
    }
    LaunchTemplateMonitoring, LaunchTemplateMonitoringResolved =>
        LaunchTemplatesMonitoringRequest, LaunchTemplatesMonitoring { enabled: same }
    LaunchTemplatePlacement, LaunchTemplatePlacementResolved =>
        LaunchTemplatePlacementRequest, LaunchTemplatePlacement {
        availability_zone: same, availability_zone_id: same, affinity: same, group_name: same, group_id: same,
        partition_number: same, host_id: same, host_resource_group_arn: id, tenancy: word, spread_domain: same,
    }
    LaunchTemplateMarketOptions, LaunchTemplateMarketOptionsResolved =>
        LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMarketOptions {
        market_type: word, spot_options: block,
    }
    LaunchTemplateSpotOptions, LaunchTemplateSpotOptionsResolved =>
        LaunchTemplateSpotMarketOptionsRequest, LaunchTemplateSpotMarketOptions {
        max_price: same, spot_instance_type: word, block_duration_minutes: same, valid_until: moment,
        instance_interruption_behavior: word,
    }
    LaunchTemplateCreditSpecification, LaunchTemplateCreditSpecificationResolved =>
        CreditSpecificationRequest, CreditSpecification { cpu_credits: same }
    LaunchTemplateCpuOptions, LaunchTemplateCpuOptionsResolved =>
        LaunchTemplateCpuOptionsRequest, LaunchTemplateCpuOptions {
        core_count: same, threads_per_core: same, amd_sev_snp: word, nested_virtualization: word,
    }
    LaunchTemplateCapacityReservation, LaunchTemplateCapacityReservationResolved =>
        LaunchTemplateCapacityReservationSpecificationRequest, LaunchTemplateCapacityReservationSpecificationResponse {
        capacity_reservation_preference: word, capacity_reservation_target: block,
    }
    LaunchTemplateCapacityReservationTarget, LaunchTemplateCapacityReservationTargetResolved =>
        CapacityReservationTarget, CapacityReservationTargetResponse {
        capacity_reservation_id: same, capacity_reservation_resource_group_arn: id,
    }
    LaunchTemplateLicense, LaunchTemplateLicenseResolved =>
        LaunchTemplateLicenseConfigurationRequest, LaunchTemplateLicenseConfiguration { license_configuration_arn: id }
    LaunchTemplateHibernation, LaunchTemplateHibernationResolved =>
        LaunchTemplateHibernationOptionsRequest, LaunchTemplateHibernationOptions { configured: same }
    LaunchTemplateEnclave, LaunchTemplateEnclaveResolved =>
        LaunchTemplateEnclaveOptionsRequest, LaunchTemplateEnclaveOptions { enabled: same }
    LaunchTemplatePrivateDnsNames, LaunchTemplatePrivateDnsNamesResolved =>
        LaunchTemplatePrivateDnsNameOptionsRequest, LaunchTemplatePrivateDnsNameOptions {
        hostname_type: word, enable_resource_name_dns_a_record: same, enable_resource_name_dns_aaaa_record: same,
    }
    LaunchTemplateMaintenance, LaunchTemplateMaintenanceResolved =>
        LaunchTemplateInstanceMaintenanceOptionsRequest, LaunchTemplateInstanceMaintenanceOptions { auto_recovery: word }
    LaunchTemplateNetworkPerformance, LaunchTemplateNetworkPerformanceResolved =>
        LaunchTemplateNetworkPerformanceOptionsRequest, LaunchTemplateNetworkPerformanceOptions {
        bandwidth_weighting: word,
    }
    LaunchTemplateInstanceRequirements, LaunchTemplateInstanceRequirementsResolved =>
        InstanceRequirementsRequest, InstanceRequirements {
        v_cpu_count: range, memory_mib: range, memory_gib_per_v_cpu: range, cpu_manufacturers: words,
        instance_generations: words, allowed_instance_types: same, excluded_instance_types: same, bare_metal: word,
        burstable_performance: word, require_hibernate_support: same, require_encryption_in_transit: same,
        network_interface_count: range, network_bandwidth_gbps: range, local_storage: word,
        local_storage_types: words, total_local_storage_gb: range, baseline_ebs_bandwidth_mbps: range,
        accelerator_types: words, accelerator_count: range, accelerator_manufacturers: words,
        accelerator_names: words, accelerator_total_memory_mib: range,
        spot_max_price_percentage_over_lowest_price: same, max_spot_price_as_percentage_of_optimal_on_demand_price: same,
        on_demand_max_price_percentage_over_lowest_price: same, baseline_performance_factors: block,
    }
    LaunchTemplatePerformanceFactors, LaunchTemplatePerformanceFactorsResolved =>
        BaselinePerformanceFactorsRequest, BaselinePerformanceFactors { cpu: block }
    LaunchTemplateCpuPerformance, LaunchTemplateCpuPerformanceResolved =>
        CpuPerformanceFactorRequest, CpuPerformanceFactor { references: blocks }
    LaunchTemplatePerformanceReference, LaunchTemplatePerformanceReferenceResolved =>
        PerformanceFactorReferenceRequest, PerformanceFactorReference { instance_family: same }
}
