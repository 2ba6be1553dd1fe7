//! EC2: networks and what is in them.
//!
//! Everything that is alike in the service's types lives beside them: [`describe`] (reading many with few calls), [`tagging`],
//! [`holders`] (what still holds an object that cannot be deleted), [`rule`] (what both kinds of security group rules share).
//!
//! Objects of EC2 are tagged with the intent while they are created, and found by that tag. Requests that take a client token
//! carry one too, but no type relies on it alone.

pub mod customer_gateway;
pub mod describe;
pub mod dhcp_options;
pub mod ebs_volume;
pub mod egress_only_internet_gateway;
pub mod eip;
pub mod flow_log;
pub mod holders;
pub mod instance;
pub mod instance_blocks;
mod instance_devices;
mod instance_interfaces;
mod instance_launch;
mod instance_read;
mod instance_update;
pub mod internet_gateway;
pub mod key_pair;
pub mod launch_template;
pub mod launch_template_blocks;
mod launch_template_convert;
pub mod managed_prefix_list;
pub mod nat_gateway;
pub mod network_acl;
mod place;
pub mod route;
pub mod route_table;
pub mod route_table_association;
pub mod rule;
pub mod security_group;
pub mod security_group_egress_rule;
pub mod security_group_ingress_rule;
pub mod subnet;
pub mod tagging;
mod user_data;
pub mod volume_attachment;
pub mod vpc;
pub mod vpc_dhcp_options_association;
pub mod vpc_endpoint;
pub mod vpc_peering_connection;
pub mod vpn_connection;
pub mod vpn_gateway;
pub mod vpn_tunnel;

pub use egress_only_internet_gateway::EgressOnlyInternetGateway;
pub use eip::Eip;
pub use flow_log::{FlowLog, FlowLogDestinationOptions, FlowLogTagFields};
pub use instance::Instance;
pub use instance_blocks::{
    InstanceBlockDevice, InstanceCapacityReservation, InstanceCapacityReservationTarget, InstanceConnectionTracking,
    InstanceCpuOptions, InstanceCreditSpecification, InstanceEbs, InstanceEnaSrd, InstanceEnclaveOptions,
    InstanceHibernation, InstanceIamProfile, InstanceLaunchTemplate, InstanceLicense, InstanceMaintenanceOptions,
    InstanceMarketOptions, InstanceMetadataOptions, InstanceMonitoring, InstanceNetworkInterface,
    InstanceNetworkPerformance, InstancePlacement, InstancePrivateDnsNameOptions, InstancePrivateIpAddress,
    InstanceSecondaryInterface, InstanceSpotOptions,
};
pub use internet_gateway::InternetGateway;
pub use key_pair::KeyPair;
pub use launch_template::LaunchTemplate;
pub use launch_template_blocks::*;
pub use nat_gateway::{NatGateway, ZoneAddresses};
pub use network_acl::{IcmpTypeCode, NetworkAcl, NetworkAclEntry, PortRange};
pub use route::Route;
pub use route_table::RouteTable;
pub use route_table_association::RouteTableAssociation;
pub use security_group::SecurityGroup;
pub use security_group_egress_rule::SecurityGroupEgressRule;
pub use security_group_ingress_rule::SecurityGroupIngressRule;
pub use subnet::Subnet;
pub use vpc::{Vpc, VpcEncryption};
pub use vpc_endpoint::{SubnetConfiguration, VpcEndpoint, VpcEndpointDnsOptions};

pub use customer_gateway::CustomerGateway;
pub use dhcp_options::DhcpOptions;
pub use ebs_volume::EbsVolume;
pub use managed_prefix_list::{ManagedPrefixList, PrefixListEntry};
pub use volume_attachment::VolumeAttachment;
pub use vpc_dhcp_options_association::VpcDhcpOptionsAssociation;
pub use vpc_peering_connection::{PeeringConnectionOptions, VpcPeeringConnection};
pub use vpn_connection::VpnConnection;
pub use vpn_gateway::VpnGateway;
pub use vpn_tunnel::{VpnCloudWatchLogOptions, VpnConnectionOptions, VpnTunnelLogOptions, VpnTunnelOptions};

pub use crate::ids::{
    AllocationId, CarrierGatewayId, CustomerGatewayId, DhcpOptionsId, EgressOnlyInternetGatewayId, InstanceId,
    InternetGatewayId, IpamPoolId, LocalGatewayId, NatGatewayId, NetworkInterfaceId, PrefixListId, RouteId,
    RouteTableAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, TransitGatewayId,
    VolumeAttachmentId, VolumeId, VpcEndpointId, VpcId, VpcPeeringConnectionId, VpnConnectionId, VpnGatewayId,
};
pub use crate::ids::{FlowLogId, KeyName, KeyPairId, LaunchTemplateId, NetworkAclId};

use std::future::Future;
use std::time::Duration;

use aws_sdk_ec2::types::{AttributeBooleanValue, UnsuccessfulItem};
use phx_model::CloudError;
use phx_model::driver::{Cx, Registry};
use phx_model::error::ErrorKind;

use crate::arn::Arn;
use crate::call::kind_of;
use crate::client::{Aws, Service};
use crate::manage;
use crate::wait;

/// EC2 in one place.
pub type Ec2 = Service<aws_sdk_ec2::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<EgressOnlyInternetGateway>(registry, aws);
    manage::register::<Eip>(registry, aws);
    manage::register::<FlowLog>(registry, aws);
    manage::register::<Instance>(registry, aws);
    manage::register::<InternetGateway>(registry, aws);
    manage::register::<KeyPair>(registry, aws);
    manage::register::<LaunchTemplate>(registry, aws);
    manage::register::<NatGateway>(registry, aws);
    manage::register::<NetworkAcl>(registry, aws);
    manage::register::<Route>(registry, aws);
    manage::register::<RouteTable>(registry, aws);
    manage::register::<RouteTableAssociation>(registry, aws);
    manage::register::<SecurityGroup>(registry, aws);
    manage::register::<SecurityGroupEgressRule>(registry, aws);
    manage::register::<SecurityGroupIngressRule>(registry, aws);
    manage::register::<Subnet>(registry, aws);
    manage::register::<Vpc>(registry, aws);
    manage::register::<CustomerGateway>(registry, aws);
    manage::register::<DhcpOptions>(registry, aws);
    manage::register::<EbsVolume>(registry, aws);
    manage::register::<ManagedPrefixList>(registry, aws);
    manage::register::<VolumeAttachment>(registry, aws);
    manage::register::<VpcDhcpOptionsAssociation>(registry, aws);
    manage::register::<VpcPeeringConnection>(registry, aws);
    manage::register::<VpnConnection>(registry, aws);
    manage::register::<VpnGateway>(registry, aws);
    manage::register::<VpcEndpoint>(registry, aws);
}

/// A new object is known to the part of EC2 that made it at once, and to the others a little later: EC2's documentation asks callers
/// to repeat what fails with `…NotFound` meanwhile.
const UNTIL_KNOWN: Duration = Duration::from_secs(15);
/// What was just deleted may still hold what it stood in, for about as long.
const UNTIL_FREE: Duration = Duration::from_secs(30);

/// Repeats a call for a short while when it fails because an object that it names is not known yet.
pub(crate) async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, |e| e.kind == ErrorKind::NotFound, call).await
}

/// Deletes, and repeats it for a short while when something still holds the object. What is gone already is deleted.
pub(crate) async fn once_free<T, F, Fut>(cx: &Cx, call: F) -> Result<(), CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    match wait::eventually(cx, UNTIL_FREE, |e| e.kind == ErrorKind::InUse, call).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Calls that take a list of objects tell in their answer, not by failing, which of them they refused.
pub(crate) fn refused(ec2: &Ec2, operation: &str, items: &[UnsuccessfulItem]) -> Option<CloudError> {
    let error = items.first()?.error();
    let code = error.and_then(|e| e.code());
    let why = error.and_then(|e| e.message()).unwrap_or("AWS gives no reason");
    Some(CloudError { kind: kind_of(code, 400), code: code.map(str::to_owned), ..ec2.unexpected(operation, why) })
}

/// An attribute's value as the API wraps it.
pub(crate) fn boolean(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

/// An object's ARN, which most answers leave out: `vpc/vpc-0a1b`. Without the owner there is none.
pub(crate) fn arn(region: &str, owner: Option<&str>, kind: &str, id: &str) -> Option<Arn> {
    owner.map(|owner| Arn::of("ec2", region, owner, &format!("{kind}/{id}")))
}
