//! What a [`LaunchTemplate`](super::LaunchTemplate) says of the instances that are launched with it. What is not set is left to whoever launches
//! them, and to EC2. Each block's fields are described at <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html>.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use phx_model::Block;
use phx_model::typed::Input;
use phx_model::value::Value;

use super::user_data::meaning as user_data_meaning;
use super::{KeyName, NetworkInterfaceId, SecurityGroupId, SubnetId};
use crate::arn::Arn;
use crate::ids::InstanceProfileName;

/// How instances are launched. Elastic Graphics and Elastic Inference, which AWS has ended, are left out.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateData {
    /// The image: `ami-0a1b`, or `resolve:ssm:` and the name of a parameter that names one at launch.
    pub image_id: Option<Input<String>>,
    /// The type: `m7g.large`. Not together with `instance_requirements`.
    pub instance_type: Option<Input<String>>,
    /// What the type shall offer, where whoever launches chooses among types.
    pub instance_requirements: Option<Input<LaunchTemplateInstanceRequirements>>,
    /// The key pair that may log in.
    pub key_name: Option<Input<KeyName>>,
    /// What instances run when they start first, up to 16 KiB: a script, a cloud-config. Text that is not base64 is encoded by phx; text that is
    /// base64 is sent as it is.
    #[field(normalize = user_data_meaning)]
    pub user_data: Option<Input<String>>,
    /// The role that instances have.
    pub iam_instance_profile: Option<Input<LaunchTemplateIamInstanceProfile>>,
    /// The security groups, in the subnet's VPC. With `network_interfaces`, each of those names its own.
    #[field(set)]
    pub security_group_ids: Option<Input<Vec<SecurityGroupId>>>,
    /// The security groups by their names, in the default VPC.
    #[field(set)]
    pub security_groups: Option<Input<Vec<String>>>,
    /// The network interfaces.
    pub network_interfaces: Option<Input<Vec<LaunchTemplateNetworkInterface>>>,
    /// The interfaces in secondary subnets.
    pub secondary_interfaces: Option<Input<Vec<LaunchTemplateSecondaryInterface>>>,
    /// The volumes.
    pub block_device_mappings: Option<Input<Vec<LaunchTemplateBlockDevice>>>,
    /// Whether they have bandwidth of their own for volumes, for types that do not always have.
    pub ebs_optimized: Option<Input<bool>>,
    /// How instances are asked for what they are.
    pub metadata_options: Option<Input<LaunchTemplateMetadataOptions>>,
    /// Whether CloudWatch gets their numbers each minute.
    pub monitoring: Option<Input<LaunchTemplateMonitoring>>,
    /// Where they run.
    pub placement: Option<Input<LaunchTemplatePlacement>>,
    /// Whether they are bought as spot instances or capacity blocks.
    pub instance_market_options: Option<Input<LaunchTemplateMarketOptions>>,
    /// What burstable ones do when their credits are used up.
    pub credit_specification: Option<Input<LaunchTemplateCreditSpecification>>,
    /// How many cores and threads they have.
    pub cpu_options: Option<Input<LaunchTemplateCpuOptions>>,
    /// Whether they run in reserved capacity.
    pub capacity_reservation_specification: Option<Input<LaunchTemplateCapacityReservation>>,
    /// The licences that they need.
    pub license_specifications: Option<Input<Vec<LaunchTemplateLicense>>>,
    /// Whether they can hibernate.
    pub hibernation_options: Option<Input<LaunchTemplateHibernation>>,
    /// Whether they have enclaves.
    pub enclave_options: Option<Input<LaunchTemplateEnclave>>,
    /// What they are called in the VPC.
    pub private_dns_name_options: Option<Input<LaunchTemplatePrivateDnsNames>>,
    /// What happens when their hardware fails.
    pub maintenance_options: Option<Input<LaunchTemplateMaintenance>>,
    /// How their bandwidth is shared out.
    pub network_performance_options: Option<Input<LaunchTemplateNetworkPerformance>>,
    /// Whether they cannot be terminated through the API.
    pub disable_api_termination: Option<Input<bool>>,
    /// Whether they cannot be stopped through the API.
    pub disable_api_stop: Option<Input<bool>>,
    /// What becomes of them when they shut down: `stop` or `terminate`.
    pub instance_initiated_shutdown_behavior: Option<Input<String>>,
    /// The tags of what is made with them.
    #[field(set)]
    pub tag_specifications: Option<Input<Vec<LaunchTemplateTags>>>,
    /// The kernel; AWS advises against it.
    pub kernel_id: Option<Input<String>>,
    /// The RAM disk; AWS advises against it.
    pub ram_disk_id: Option<Input<String>>,
    /// The service that manages them.
    pub operator: Option<Input<LaunchTemplateOperator>>,
}

/// A service that manages what is launched.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateOperator {
    /// Its principal.
    pub principal: Option<Input<String>>,
}

/// A role for instances, by its profile. One of the two is set.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateIamInstanceProfile {
    /// The profile's ARN.
    pub arn: Option<Input<Arn>>,
    /// The profile's name.
    pub name: Option<Input<InstanceProfileName>>,
}

/// The tags of one kind of what is launched.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateTags {
    /// `instance`, `volume`, `network-interface` or `spot-instances-request`.
    pub resource_type: Input<String>,
    /// The tags.
    pub tags: Option<Input<BTreeMap<String, String>>>,
}

/// A volume.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateBlockDevice {
    /// The name that the instance has for it: `/dev/xvda`.
    pub device_name: Option<Input<String>>,
    /// An instance store volume: `ephemeral0`.
    pub virtual_name: Option<Input<String>>,
    /// An EBS volume.
    pub ebs: Option<Input<LaunchTemplateEbs>>,
    /// An empty text leaves the image's device out.
    pub no_device: Option<Input<String>>,
}

/// An EBS volume.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateEbs {
    /// Its size in GiB.
    pub volume_size: Option<Input<i32>>,
    /// Its type: `gp3`.
    pub volume_type: Option<Input<String>>,
    /// Its operations per second, for `io1`, `io2` and `gp3`.
    pub iops: Option<Input<i32>>,
    /// Its throughput in MiB/s, for `gp3`.
    pub throughput: Option<Input<i32>>,
    /// Whether it is encrypted.
    pub encrypted: Option<Input<bool>>,
    /// The key that it is encrypted with.
    pub kms_key_id: Option<Input<Arn>>,
    /// The snapshot that it begins as.
    pub snapshot_id: Option<Input<String>>,
    /// Whether it goes when the instance does.
    pub delete_on_termination: Option<Input<bool>>,
    /// How fast it is filled from the snapshot, in MiB/s.
    pub volume_initialization_rate: Option<Input<i32>>,
    /// The EBS card that it is attached to.
    pub ebs_card_index: Option<Input<i32>>,
}

/// A network interface: a new one, or one that is there.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateNetworkInterface {
    /// Its place; the first is 0.
    pub device_index: Option<Input<i32>>,
    /// The network card.
    pub network_card_index: Option<Input<i32>>,
    /// One that is there.
    pub network_interface_id: Option<Input<NetworkInterfaceId>>,
    /// The subnet of a new one.
    pub subnet_id: Option<Input<SubnetId>>,
    /// Its security groups.
    #[field(set)]
    pub groups: Option<Input<Vec<SecurityGroupId>>>,
    /// What it is for.
    pub description: Option<Input<String>>,
    /// `interface`, `efa` or `efa-only`.
    pub interface_type: Option<Input<String>>,
    /// Whether it gets a public IPv4 address.
    pub associate_public_ip_address: Option<Input<bool>>,
    /// Whether it gets an address of a carrier, in a Wavelength zone.
    pub associate_carrier_ip_address: Option<Input<bool>>,
    /// Whether it goes when the instance does.
    pub delete_on_termination: Option<Input<bool>>,
    /// Its primary IPv4 address.
    pub private_ip_address: Option<Input<String>>,
    /// Its IPv4 addresses.
    pub private_ip_addresses: Option<Input<Vec<LaunchTemplatePrivateIp>>>,
    /// How many more IPv4 addresses it gets.
    pub secondary_private_ip_address_count: Option<Input<i32>>,
    /// Its IPv4 prefixes.
    pub ipv4_prefixes: Option<Input<Vec<String>>>,
    /// How many IPv4 prefixes it gets.
    pub ipv4_prefix_count: Option<Input<i32>>,
    /// Its IPv6 addresses.
    pub ipv6_addresses: Option<Input<Vec<String>>>,
    /// How many IPv6 addresses it gets.
    pub ipv6_address_count: Option<Input<i32>>,
    /// Its IPv6 prefixes.
    pub ipv6_prefixes: Option<Input<Vec<String>>>,
    /// How many IPv6 prefixes it gets.
    pub ipv6_prefix_count: Option<Input<i32>>,
    /// Whether its first IPv6 address is its primary one, which stays.
    pub primary_ipv6: Option<Input<bool>>,
    /// ENA Express.
    pub ena_srd_specification: Option<Input<LaunchTemplateEnaSrd>>,
    /// How long idle connections are tracked.
    pub connection_tracking_specification: Option<Input<LaunchTemplateConnectionTracking>>,
    /// How many ENA queues it has.
    pub ena_queue_count: Option<Input<i32>>,
}

/// An IPv4 address of a network interface.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplatePrivateIp {
    /// The address.
    pub private_ip_address: Option<Input<String>>,
    /// Whether it is the primary one.
    pub primary: Option<Input<bool>>,
}

/// ENA Express of a network interface.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateEnaSrd {
    /// Whether it is on.
    pub ena_srd_enabled: Option<Input<bool>>,
    /// For UDP.
    pub ena_srd_udp_specification: Option<Input<LaunchTemplateEnaSrdUdp>>,
}

/// ENA Express for UDP.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateEnaSrdUdp {
    /// Whether it is on.
    pub ena_srd_udp_enabled: Option<Input<bool>>,
}

/// How long idle connections are tracked, in seconds.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateConnectionTracking {
    /// Established TCP connections: 60 to 432000.
    pub tcp_established_timeout: Option<Input<i32>>,
    /// UDP flows in one direction, or with a single answer: 30 to 60.
    pub udp_timeout: Option<Input<i32>>,
    /// Other UDP flows: 60 to 180.
    pub udp_stream_timeout: Option<Input<i32>>,
}

/// An interface in a secondary subnet.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateSecondaryInterface {
    /// Its place.
    pub device_index: Option<Input<i32>>,
    /// The network card.
    pub network_card_index: Option<Input<i32>>,
    /// The secondary subnet.
    pub secondary_subnet_id: Option<Input<String>>,
    /// `secondary`.
    pub interface_type: Option<Input<String>>,
    /// Whether it goes when the instance does.
    pub delete_on_termination: Option<Input<bool>>,
    /// Its IPv4 addresses.
    pub private_ip_addresses: Option<Input<Vec<String>>>,
    /// How many IPv4 addresses it gets.
    pub private_ip_address_count: Option<Input<i32>>,
}

/// How instances are asked for what they are. AWS may fill in what is not set.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateMetadataOptions {
    /// Whether they can be asked at all: `enabled` or `disabled`.
    #[field(cloud_default)]
    pub http_endpoint: Option<Input<String>>,
    /// Whether who asks needs a session token: `required` or `optional`.
    #[field(cloud_default)]
    pub http_tokens: Option<Input<String>>,
    /// Over how many hops an answer may go: 1 to 64.
    #[field(cloud_default)]
    pub http_put_response_hop_limit: Option<Input<i32>>,
    /// Whether they can be asked over IPv6: `enabled` or `disabled`.
    #[field(cloud_default)]
    pub http_protocol_ipv6: Option<Input<String>>,
    /// Whether they tell their tags: `enabled` or `disabled`.
    #[field(cloud_default)]
    pub instance_metadata_tags: Option<Input<String>>,
}

/// Whether CloudWatch gets an instance's numbers each minute.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateMonitoring {
    /// Whether it does; otherwise it gets them every five minutes.
    pub enabled: Option<Input<bool>>,
}

/// Where instances run.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplatePlacement {
    /// The zone: `us-west-2a`.
    pub availability_zone: Option<Input<String>>,
    /// The zone's id: `usw2-az1`.
    pub availability_zone_id: Option<Input<String>>,
    /// Whether they come back to the same dedicated host: `default` or `host`.
    pub affinity: Option<Input<String>>,
    /// The placement group's name.
    pub group_name: Option<Input<String>>,
    /// The placement group's id.
    pub group_id: Option<Input<String>>,
    /// The partition of the placement group.
    pub partition_number: Option<Input<i32>>,
    /// The dedicated host.
    pub host_id: Option<Input<String>>,
    /// The group of dedicated hosts.
    pub host_resource_group_arn: Option<Input<Arn>>,
    /// How they share hardware: `default`, `dedicated` or `host`.
    pub tenancy: Option<Input<String>>,
    /// Reserved by AWS.
    pub spread_domain: Option<Input<String>>,
}

/// How instances are bought.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateMarketOptions {
    /// `spot` or `capacity-block`.
    pub market_type: Option<Input<String>>,
    /// What holds for spot instances.
    pub spot_options: Option<Input<LaunchTemplateSpotOptions>>,
}

/// Spot instances.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateSpotOptions {
    /// The most to pay for an hour, in dollars. AWS advises against it; its default is the price on demand.
    pub max_price: Option<Input<String>>,
    /// `one-time` or `persistent`.
    pub spot_instance_type: Option<Input<String>>,
    /// For how long they are wanted, in minutes; AWS has ended it.
    pub block_duration_minutes: Option<Input<i32>>,
    /// Until when a persistent request holds: `2030-01-01T00:00:00Z`.
    #[field(cloud_default, normalize = moment)]
    pub valid_until: Option<Input<String>>,
    /// What becomes of interrupted ones: `hibernate`, `stop` or `terminate`.
    pub instance_interruption_behavior: Option<Input<String>>,
}

/// What burstable instances do when their credits are used up.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateCreditSpecification {
    /// `standard` or `unlimited`.
    pub cpu_credits: Option<Input<String>>,
}

/// Cores and threads.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateCpuOptions {
    /// How many cores.
    pub core_count: Option<Input<i32>>,
    /// How many threads each has: 1 or 2.
    pub threads_per_core: Option<Input<i32>>,
    /// AMD SEV-SNP: `enabled` or `disabled`.
    pub amd_sev_snp: Option<Input<String>>,
    /// Whether they can run virtual machines themselves: `enabled` or `disabled`.
    pub nested_virtualization: Option<Input<String>>,
}

/// Reserved capacity.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateCapacityReservation {
    /// `capacity-reservations-only`, `open` or `none`.
    pub capacity_reservation_preference: Option<Input<String>>,
    /// Certain capacity.
    pub capacity_reservation_target: Option<Input<LaunchTemplateCapacityReservationTarget>>,
}

/// Certain reserved capacity. One of the two is set.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateCapacityReservationTarget {
    /// The reservation: `cr-0a1b`.
    pub capacity_reservation_id: Option<Input<String>>,
    /// The group of reservations.
    pub capacity_reservation_resource_group_arn: Option<Input<Arn>>,
}

/// A licence.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateLicense {
    /// Its configuration in License Manager.
    pub license_configuration_arn: Option<Input<Arn>>,
}

/// Hibernation.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateHibernation {
    /// Whether instances can hibernate.
    pub configured: Option<Input<bool>>,
}

/// Nitro Enclaves.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateEnclave {
    /// Whether instances have them.
    pub enabled: Option<Input<bool>>,
}

/// What instances are called in the VPC.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplatePrivateDnsNames {
    /// After their address or their id: `ip-name` or `resource-name`.
    pub hostname_type: Option<Input<String>>,
    /// Whether the DNS server knows their ids' names with IPv4 addresses.
    pub enable_resource_name_dns_a_record: Option<Input<bool>>,
    /// Whether it knows them with IPv6 addresses.
    pub enable_resource_name_dns_aaaa_record: Option<Input<bool>>,
}

/// What happens when an instance's hardware fails.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateMaintenance {
    /// Whether it starts again elsewhere: `default` (it does) or `disabled`.
    pub auto_recovery: Option<Input<String>>,
}

/// How an instance's bandwidth is shared out.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateNetworkPerformance {
    /// `default`, `vpc-1` or `ebs-1`: more for the network, or for volumes.
    pub bandwidth_weighting: Option<Input<String>>,
}

/// What an instance type shall offer.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceRequirementsRequest.html>
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateInstanceRequirements {
    /// How many virtual CPUs; its least number is required.
    pub v_cpu_count: Option<Input<LaunchTemplateCountRange>>,
    /// How much memory in MiB; its least number is required.
    pub memory_mib: Option<Input<LaunchTemplateCountRange>>,
    /// How much memory in GiB for each virtual CPU.
    pub memory_gib_per_v_cpu: Option<Input<LaunchTemplateAmountRange>>,
    /// The processors' makers: `intel`, `amd`, `amazon-web-services`, `apple`.
    #[field(set)]
    pub cpu_manufacturers: Option<Input<Vec<String>>>,
    /// `current`, `previous`.
    #[field(set)]
    pub instance_generations: Option<Input<Vec<String>>>,
    /// The only types to choose from, with `*` for any text. Not together with `excluded_instance_types`.
    #[field(set)]
    pub allowed_instance_types: Option<Input<Vec<String>>>,
    /// The types not to choose, with `*` for any text.
    #[field(set)]
    pub excluded_instance_types: Option<Input<Vec<String>>>,
    /// `included`, `required` or `excluded`. AWS's default: `excluded`.
    pub bare_metal: Option<Input<String>>,
    /// `included`, `required` or `excluded`. AWS's default: `excluded`.
    pub burstable_performance: Option<Input<String>>,
    /// Whether it can hibernate. AWS's default: no matter.
    pub require_hibernate_support: Option<Input<bool>>,
    /// Whether its traffic to others of its kind is encrypted. AWS's default: no matter.
    pub require_encryption_in_transit: Option<Input<bool>>,
    /// How many network interfaces.
    pub network_interface_count: Option<Input<LaunchTemplateCountRange>>,
    /// How much bandwidth in Gbit/s.
    pub network_bandwidth_gbps: Option<Input<LaunchTemplateAmountRange>>,
    /// Instance store volumes: `included`, `required` or `excluded`. AWS's default: `included`.
    pub local_storage: Option<Input<String>>,
    /// `hdd`, `ssd`.
    #[field(set)]
    pub local_storage_types: Option<Input<Vec<String>>>,
    /// How much of it in GB.
    pub total_local_storage_gb: Option<Input<LaunchTemplateAmountRange>>,
    /// How much bandwidth to volumes in Mbit/s.
    pub baseline_ebs_bandwidth_mbps: Option<Input<LaunchTemplateCountRange>>,
    /// `gpu`, `fpga`, `inference`, `media`.
    #[field(set)]
    pub accelerator_types: Option<Input<Vec<String>>>,
    /// How many accelerators; none if its greatest number is 0.
    pub accelerator_count: Option<Input<LaunchTemplateCountRange>>,
    /// The accelerators' makers: `nvidia`, `amd`, `amazon-web-services`, `xilinx`, `habana`.
    #[field(set)]
    pub accelerator_manufacturers: Option<Input<Vec<String>>>,
    /// Their names: `a100`.
    #[field(set)]
    pub accelerator_names: Option<Input<Vec<String>>>,
    /// How much memory in MiB they have together.
    pub accelerator_total_memory_mib: Option<Input<LaunchTemplateCountRange>>,
    /// How far above the cheapest spot price a price may be, in percent.
    pub spot_max_price_percentage_over_lowest_price: Option<Input<i32>>,
    /// How far a spot price may go, in percent of the best price on demand.
    pub max_spot_price_as_percentage_of_optimal_on_demand_price: Option<Input<i32>>,
    /// How far above the cheapest price on demand a price may be, in percent. AWS's default: 20.
    pub on_demand_max_price_percentage_over_lowest_price: Option<Input<i32>>,
    /// How fast it is at least.
    pub baseline_performance_factors: Option<Input<LaunchTemplatePerformanceFactors>>,
}

/// From how many to how many.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateCountRange {
    /// At least so many.
    pub min: Option<Input<i32>>,
    /// At most so many.
    pub max: Option<Input<i32>>,
}

/// From how much to how much.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateAmountRange {
    /// At least so much.
    pub min: Option<Input<f64>>,
    /// At most so much.
    pub max: Option<Input<f64>>,
}

/// How fast an instance type is at least.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplatePerformanceFactors {
    /// Its processor.
    pub cpu: Option<Input<LaunchTemplateCpuPerformance>>,
}

/// How fast a processor is at least.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplateCpuPerformance {
    /// As fast as these families; AWS takes one.
    pub references: Option<Input<Vec<LaunchTemplatePerformanceReference>>>,
}

/// What an instance type's speed is compared with.
#[derive(Clone, Debug, Block)]
pub struct LaunchTemplatePerformanceReference {
    /// A family of instance types: `c6`.
    pub instance_family: Option<Input<String>>,
}

/// A moment as AWS writes it, in UTC. `None` if it cannot be read.
pub(super) fn instant(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, Format::DateTimeWithOffset).ok()
}

/// What stands for a moment, however it is written.
pub(super) fn moment(value: &Value) -> Value {
    let moment = value.as_str().and_then(instant).and_then(|moment| moment.fmt(Format::DateTime).ok());
    moment.map_or_else(|| value.clone(), |text| Value::String(text.into()))
}
