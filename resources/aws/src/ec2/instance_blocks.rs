//! The groups of fields of an [`Instance`](super::Instance).

use phx_model::Block;
use phx_model::typed::Input;
use phx_model::value::Value;

use super::launch_template_blocks::moment;
use super::{LaunchTemplateId, NetworkInterfaceId, SecurityGroupId, SubnetId};
use crate::arn::Arn;
use crate::ids::InstanceProfileName;

/// A device that an instance has from its launch.
#[derive(Clone, Debug, Block)]
pub struct InstanceBlockDevice {
    /// The device's name: `/dev/sdf`; the image's root device by the name that the image has for it.
    pub device_name: Input<String>,
    /// Its volume.
    #[field(cloud_default)]
    pub ebs: Option<Input<InstanceEbs>>,
    /// Set to the empty text, the image's device of this name is left out.
    #[field(cloud_default)]
    pub no_device: Option<Input<String>>,
    /// A disk of the host's own: `ephemeral0` to `ephemeral23`.
    #[field(cloud_default)]
    pub virtual_name: Option<Input<String>>,
}

/// A volume that an instance has from its launch. Size, type, rates and `delete_on_termination` can be changed in place.
#[derive(Clone, Debug, Block)]
pub struct InstanceEbs {
    /// Whether it is deleted with the instance. AWS's default: as the image says; yes for the root device.
    #[field(cloud_default)]
    pub delete_on_termination: Option<Input<bool>>,
    /// Operations a second, for `gp3`, `io1` and `io2`.
    #[field(cloud_default)]
    pub iops: Option<Input<i32>>,
    /// The snapshot that it begins with.
    #[field(cloud_default)]
    pub snapshot_id: Option<Input<String>>,
    /// Its size in GiB; it can grow.
    #[field(cloud_default)]
    pub volume_size: Option<Input<i32>>,
    /// `gp3`, `gp2`, `io2`, `io1`, `st1`, `sc1` or `standard`.
    #[field(cloud_default)]
    pub volume_type: Option<Input<String>>,
    /// The KMS key that it is encrypted with.
    #[field(cloud_default)]
    pub kms_key_id: Option<Input<Arn>>,
    /// MiB a second, for `gp3`.
    #[field(cloud_default)]
    pub throughput: Option<Input<i32>>,
    /// The Outpost that it stands on.
    #[field(cloud_default)]
    pub outpost_arn: Option<Input<Arn>>,
    /// Whether it is encrypted. `false` asks for nothing: AWS encrypts it all the same where the account or the snapshot says so.
    #[field(cloud_default)]
    pub encrypted: Option<Input<bool>>,
    /// At how many MiB a second blocks are fetched from the snapshot: 100 to 300.
    #[field(cloud_default)]
    pub volume_initialization_rate: Option<Input<i32>>,
    /// The card that it is attached to, for instances with several. AWS's default: 0.
    #[field(cloud_default)]
    pub ebs_card_index: Option<Input<i32>>,
}

/// Whether an instance is monitored in detail.
#[derive(Clone, Debug, Block)]
pub struct InstanceMonitoring {
    /// Whether CloudWatch gets numbers every minute, at a charge, and not every five.
    pub enabled: Input<bool>,
}

/// Where an instance runs, as far as it can be changed (by a stop and a start). Its zone is a field of the instance's.
#[derive(Clone, Debug, Block)]
pub struct InstancePlacement {
    /// Whether it stays on its dedicated host when it is stopped: `default` or `host`.
    #[field(cloud_default)]
    pub affinity: Option<Input<String>>,
    /// The placement group's name.
    #[field(cloud_default)]
    pub group_name: Option<Input<String>>,
    /// The placement group's id, in place of its name.
    #[field(cloud_default)]
    pub group_id: Option<Input<String>>,
    /// Which partition of a partition placement group.
    #[field(cloud_default)]
    pub partition_number: Option<Input<i32>>,
    /// The dedicated host.
    #[field(cloud_default)]
    pub host_id: Option<Input<String>>,
    /// The group of dedicated hosts.
    #[field(cloud_default)]
    pub host_resource_group_arn: Option<Input<Arn>>,
    /// `default`, `dedicated` or `host`: whether hardware is shared with other accounts. AWS's default: as the VPC has it.
    #[field(cloud_default)]
    pub tenancy: Option<Input<String>>,
}

/// The launch template that fills in what the program does not set. One of id and name is set.
#[derive(Clone, Debug, Block)]
pub struct InstanceLaunchTemplate {
    /// Its id.
    #[field(cloud_default)]
    pub launch_template_id: Option<Input<LaunchTemplateId>>,
    /// Its name.
    #[field(cloud_default)]
    pub launch_template_name: Option<Input<String>>,
    /// Its version: a number, `$Latest` or `$Default`. AWS's default: `$Default`.
    #[field(cloud_default)]
    pub version: Option<Input<String>>,
}

/// How an instance is paid for.
#[derive(Clone, Debug, Block)]
pub struct InstanceMarketOptions {
    /// `spot`, `capacity-block` or `interruptible-capacity-reservation`.
    #[field(cloud_default)]
    pub market_type: Option<Input<String>>,
    /// More about a spot instance.
    #[field(cloud_default)]
    pub spot_options: Option<Input<InstanceSpotOptions>>,
}

/// How a spot instance is paid for, and what becomes of it when AWS needs its place.
#[derive(Clone, Debug, Block)]
pub struct InstanceSpotOptions {
    /// The most that is paid for an hour, in dollars. AWS recommends to leave it out. AWS's default: the price on demand.
    #[field(cloud_default, normalize = price)]
    pub max_price: Option<Input<String>>,
    /// `one-time` or `persistent`. AWS's default: `one-time`.
    #[field(cloud_default)]
    pub spot_instance_type: Option<Input<String>>,
    /// For how many minutes it runs undisturbed. AWS takes it from no new customers.
    #[field(cloud_default)]
    pub block_duration_minutes: Option<Input<i32>>,
    /// Until when a persistent request stands: `2030-01-01T00:00:00Z`.
    #[field(cloud_default, normalize = moment)]
    pub valid_until: Option<Input<String>>,
    /// `terminate`, `stop` or `hibernate`; the last two for persistent requests. AWS's default: `terminate`.
    #[field(cloud_default)]
    pub instance_interruption_behavior: Option<Input<String>>,
}

/// What a burstable instance does when its CPU credits are used up.
#[derive(Clone, Debug, Block)]
pub struct InstanceCreditSpecification {
    /// `standard` (slows down) or `unlimited` (costs). AWS's default: `standard` for T2, otherwise `unlimited`.
    pub cpu_credits: Input<String>,
}

/// An instance's processors. They can be changed by a stop and a start, but for `amd_sev_snp`.
#[derive(Clone, Debug, Block)]
pub struct InstanceCpuOptions {
    /// How many cores.
    #[field(cloud_default)]
    pub core_count: Option<Input<i32>>,
    /// How many threads a core runs: 1 or 2.
    #[field(cloud_default)]
    pub threads_per_core: Option<Input<i32>>,
    /// `enabled` or `disabled`: whether AMD SEV-SNP encrypts its memory. It is decided at the launch.
    #[field(replace, cloud_default)]
    pub amd_sev_snp: Option<Input<String>>,
    /// `enabled` or `disabled`: whether it can run virtual machines.
    #[field(cloud_default)]
    pub nested_virtualization: Option<Input<String>>,
}

/// Which capacity reservations an instance uses.
#[derive(Clone, Debug, Block)]
pub struct InstanceCapacityReservation {
    /// `open`, `none` or `capacity-reservations-only`. AWS's default: `open`.
    #[field(cloud_default)]
    pub capacity_reservation_preference: Option<Input<String>>,
    /// A certain one, in place of a preference.
    #[field(cloud_default)]
    pub capacity_reservation_target: Option<Input<InstanceCapacityReservationTarget>>,
}

/// A certain capacity reservation, or a group of them.
#[derive(Clone, Debug, Block)]
pub struct InstanceCapacityReservationTarget {
    /// The reservation.
    pub capacity_reservation_id: Option<Input<String>>,
    /// The group.
    pub capacity_reservation_resource_group_arn: Option<Input<Arn>>,
}

/// Whether an instance can hibernate.
#[derive(Clone, Debug, Block)]
pub struct InstanceHibernation {
    /// Whether it can. AWS's default: no.
    pub configured: Input<bool>,
}

/// A license that an instance counts against.
#[derive(Clone, Debug, Block)]
pub struct InstanceLicense {
    /// The license configuration.
    pub license_configuration_arn: Input<Arn>,
}

/// How what runs on an instance gets at its metadata and credentials. AWS's defaults come from the image and the account.
#[derive(Clone, Debug, Block)]
pub struct InstanceMetadataOptions {
    /// `required` (IMDSv2 only) or `optional`.
    #[field(cloud_default)]
    pub http_tokens: Option<Input<String>>,
    /// Over how many hops an answer travels: 1 to 64. Containers need 2.
    #[field(cloud_default)]
    pub http_put_response_hop_limit: Option<Input<i32>>,
    /// `enabled` or `disabled`: whether there is metadata at all.
    #[field(cloud_default)]
    pub http_endpoint: Option<Input<String>>,
    /// `enabled` or `disabled`: whether it is to be had over IPv6 too.
    #[field(cloud_default)]
    pub http_protocol_ipv6: Option<Input<String>>,
    /// `enabled` or `disabled`: whether the instance's tags are part of it.
    #[field(cloud_default)]
    pub instance_metadata_tags: Option<Input<String>>,
}

/// Whether an instance can have enclaves.
#[derive(Clone, Debug, Block)]
pub struct InstanceEnclaveOptions {
    /// Whether it can. AWS's default: no.
    pub enabled: Input<bool>,
}

/// What an instance's private DNS name is made of, and what answers to it. AWS's defaults come from the subnet.
#[derive(Clone, Debug, Block)]
pub struct InstancePrivateDnsNameOptions {
    /// `ip-name` or `resource-name`. A change needs a stop and a start.
    #[field(cloud_default)]
    pub hostname_type: Option<Input<String>>,
    /// Whether the name made of the instance's id has an IPv4 address.
    #[field(cloud_default)]
    pub enable_resource_name_dns_a_record: Option<Input<bool>>,
    /// Whether the name made of the instance's id has an IPv6 address.
    #[field(cloud_default)]
    pub enable_resource_name_dns_aaaa_record: Option<Input<bool>>,
}

/// What AWS may do when an instance's host fails.
#[derive(Clone, Debug, Block)]
pub struct InstanceMaintenanceOptions {
    /// `default` (it is moved to another host) or `disabled`. AWS's default: `default`.
    #[field(cloud_default)]
    pub auto_recovery: Option<Input<String>>,
    /// `default` or `disabled`: whether AWS may move it when it reboots it for maintenance. AWS's default: `default`.
    #[field(cloud_default)]
    pub reboot_migration: Option<Input<String>>,
}

/// What an instance's bandwidth is for.
#[derive(Clone, Debug, Block)]
pub struct InstanceNetworkPerformance {
    /// `default`, `vpc-1` or `ebs-1`: the latter two take bandwidth from volumes and from the network. AWS's default: `default`.
    pub bandwidth_weighting: Input<String>,
}

/// The instance profile whose role an instance has. One of the two is set.
#[derive(Clone, Debug, Block)]
pub struct InstanceIamProfile {
    /// Its ARN.
    #[field(cloud_default)]
    pub arn: Option<Input<Arn>>,
    /// Its name.
    #[field(cloud_default)]
    pub name: Option<Input<InstanceProfileName>>,
}

/// A network interface that an instance has from its launch: one that is made for it, or, by its id, one that is there.
/// Groups, description and `delete_on_termination` can be changed in place.
#[derive(Clone, Debug, Block)]
pub struct InstanceNetworkInterface {
    /// Its place among the instance's interfaces; 0 is the first.
    pub device_index: Input<i32>,
    /// Whether it gets a public IPv4 address; for an instance with this one interface. AWS's default: as the subnet says.
    #[field(cloud_default)]
    pub associate_public_ip_address: Option<Input<bool>>,
    /// Whether it is deleted with the instance. AWS's default: yes, if it was made for it.
    #[field(cloud_default)]
    pub delete_on_termination: Option<Input<bool>>,
    /// What it is for.
    #[field(cloud_default)]
    pub description: Option<Input<String>>,
    /// Its security groups. AWS's default: the VPC's own.
    #[field(set, cloud_default)]
    pub groups: Option<Input<Vec<SecurityGroupId>>>,
    /// How many IPv6 addresses AWS shall choose.
    #[field(cloud_default)]
    pub ipv6_address_count: Option<Input<i32>>,
    /// Its IPv6 addresses.
    #[field(set, cloud_default)]
    pub ipv6_addresses: Option<Input<Vec<String>>>,
    /// An interface that is there.
    #[field(cloud_default)]
    pub network_interface_id: Option<Input<NetworkInterfaceId>>,
    /// Its first private IPv4 address.
    #[field(cloud_default)]
    pub private_ip_address: Option<Input<String>>,
    /// All its private IPv4 addresses.
    #[field(set, cloud_default)]
    pub private_ip_addresses: Option<Input<Vec<InstancePrivateIpAddress>>>,
    /// How many more private IPv4 addresses AWS shall choose.
    #[field(cloud_default)]
    pub secondary_private_ip_address_count: Option<Input<i32>>,
    /// The subnet that it stands in.
    #[field(cloud_default)]
    pub subnet_id: Option<Input<SubnetId>>,
    /// Whether it gets an address of the carrier's, in a Wavelength zone.
    #[field(cloud_default)]
    pub associate_carrier_ip_address: Option<Input<bool>>,
    /// `interface`, `efa` or `efa-only`. AWS's default: `interface`.
    #[field(cloud_default)]
    pub interface_type: Option<Input<String>>,
    /// The network card that it is attached to, for instances with several. AWS's default: 0.
    #[field(cloud_default)]
    pub network_card_index: Option<Input<i32>>,
    /// IPv4 prefixes that it answers to.
    #[field(set, cloud_default)]
    pub ipv4_prefixes: Option<Input<Vec<String>>>,
    /// How many IPv4 prefixes AWS shall choose.
    #[field(cloud_default)]
    pub ipv4_prefix_count: Option<Input<i32>>,
    /// IPv6 prefixes that it answers to.
    #[field(set, cloud_default)]
    pub ipv6_prefixes: Option<Input<Vec<String>>>,
    /// How many IPv6 prefixes AWS shall choose.
    #[field(cloud_default)]
    pub ipv6_prefix_count: Option<Input<i32>>,
    /// Whether its first IPv6 address stays the same for good.
    #[field(cloud_default)]
    pub primary_ipv6: Option<Input<bool>>,
    /// How it uses ENA Express.
    #[field(cloud_default)]
    pub ena_srd_specification: Option<Input<InstanceEnaSrd>>,
    /// After how long of silence connections are forgotten.
    #[field(cloud_default)]
    pub connection_tracking_specification: Option<Input<InstanceConnectionTracking>>,
    /// How many queues it has.
    #[field(cloud_default)]
    pub ena_queue_count: Option<Input<i32>>,
}

/// A private IPv4 address of a network interface.
#[derive(Clone, Debug, Block)]
pub struct InstancePrivateIpAddress {
    /// The address.
    pub private_ip_address: Input<String>,
    /// Whether it is the first; of one interface, one is.
    #[field(cloud_default)]
    pub primary: Option<Input<bool>>,
}

/// How a network interface uses ENA Express.
#[derive(Clone, Debug, Block)]
pub struct InstanceEnaSrd {
    /// Whether it does. AWS's default: no.
    #[field(cloud_default)]
    pub ena_srd_enabled: Option<Input<bool>>,
    /// Whether it does for UDP too. AWS's default: no.
    #[field(cloud_default)]
    pub ena_srd_udp_enabled: Option<Input<bool>>,
}

/// After how many seconds of silence a network interface's security groups forget a connection.
#[derive(Clone, Debug, Block)]
pub struct InstanceConnectionTracking {
    /// A TCP connection: 60 to 432000. AWS's default: 432000.
    #[field(cloud_default)]
    pub tcp_established_timeout: Option<Input<i32>>,
    /// A UDP flow with more than one request and answer: 60 to 180. AWS's default: 180.
    #[field(cloud_default)]
    pub udp_stream_timeout: Option<Input<i32>>,
    /// Any other UDP flow: 30 to 60. AWS's default: 30.
    #[field(cloud_default)]
    pub udp_timeout: Option<Input<i32>>,
}

/// A secondary network interface, in a network for machine learning.
#[derive(Clone, Debug, Block)]
pub struct InstanceSecondaryInterface {
    /// Its place among the instance's interfaces.
    #[field(cloud_default)]
    pub device_index: Option<Input<i32>>,
    /// The secondary subnet that it stands in.
    #[field(cloud_default)]
    pub secondary_subnet_id: Option<Input<String>>,
    /// `secondary`, the only value.
    #[field(cloud_default)]
    pub interface_type: Option<Input<String>>,
    /// The network card that it is attached to.
    #[field(cloud_default)]
    pub network_card_index: Option<Input<i32>>,
    /// Whether it is deleted with the instance. It must be.
    #[field(cloud_default)]
    pub delete_on_termination: Option<Input<bool>>,
    /// Its private IPv4 addresses.
    #[field(set, cloud_default)]
    pub private_ip_addresses: Option<Input<Vec<String>>>,
    /// How many private IPv4 addresses AWS shall choose.
    #[field(cloud_default)]
    pub private_ip_address_count: Option<Input<i32>>,
}

/// What stands for a price: AWS tells `0.05` as `0.050000`, and another price would make another instance.
fn price(value: &Value) -> Value {
    let number = value.as_str().and_then(|text| text.trim().parse::<f64>().ok()).filter(|number| number.is_finite());
    number.map_or_else(|| value.clone(), |number| Value::String(number.to_string().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_a_number() {
        let of = |text: &str| price(&Value::String(text.into()));
        assert_eq!(of("0.05"), of("0.050000"));
        assert_ne!(of("0.05"), of("0.06"));
        assert_eq!(of("cheap"), Value::String("cheap".into()));
    }
}
