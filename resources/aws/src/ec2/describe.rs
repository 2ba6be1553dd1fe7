//! Reading many objects with few calls.
//!
//! Objects are asked for by filter and hardly by id: `DescribeVpcs` with one unknown id among two hundred fails as a whole, while a
//! filter just does not match it. Endpoints that ignore a filter answer with too much, so callers pick theirs out of the answer.

use aws_sdk_ec2::types::{
    Address, EgressOnlyInternetGateway, Filter, FlowLog, InternetGateway, KeyPairInfo, LaunchTemplate, NatGateway,
    NetworkAcl, NetworkInterface, RouteTable, SecurityGroup, SecurityGroupRule, Subnet, Vpc, VpcEndpoint,
};
use aws_sdk_ec2::types::{
    CustomerGateway, DhcpOptions, IamInstanceProfileAssociation, Instance, ManagedPrefixList, SpotInstanceRequest,
    Volume, VolumeModification, VpcPeeringConnection, VpnConnection, VpnGateway,
};
use phx_model::CloudError;
use phx_model::error::ErrorKind;
use phx_model::state::{INTENT_TAG, IntentId};

use super::Ec2;
use crate::batch::{Ask, FILTER_VALUES, ask, each, pages};

/// What to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    filter: String,
    ask: Ask,
}

impl Query {
    /// The filters of each call.
    fn calls(self) -> Vec<Option<Vec<Filter>>> {
        let filter = |values: Vec<String>| vec![Filter::builder().name(&self.filter).set_values(Some(values)).build()];
        match self.ask {
            Ask::All => vec![None],
            Ask::Groups(groups) => groups.into_iter().map(|values| Some(filter(values))).collect(),
        }
    }
}

/// Objects with any of the values.
pub(crate) fn by<'a>(filter: &str, values: impl IntoIterator<Item = &'a str>) -> Query {
    Query { filter: filter.to_owned(), ask: ask(values, FILTER_VALUES) }
}

/// All there are, for calls that have no filter by id.
pub(crate) fn all() -> Query {
    Query { filter: String::new(), ask: Ask::All }
}

/// The objects that an intent made: one, or none.
pub(crate) fn by_intent(intent: &IntentId) -> Query {
    by(&format!("tag:{INTENT_TAG}"), [intent.as_str()])
}

/// One function a `Describe…` call. The page sizes are the largest that AWS takes.
macro_rules! describe {
    ($(#[$doc:meta])* $name:ident: $operation:literal, $call:ident, $set_filters:ident, $page:literal, $items:ident: $item:ty) => {
        $(#[$doc])*
        pub(crate) async fn $name(ec2: &Ec2, query: Query) -> Result<Vec<$item>, CloudError> {
            let found = each(query.calls(), |filters| async move {
                let request = ec2.$call().$set_filters(filters).max_results($page);
                pages(|token| {
                    let request = request.clone().set_next_token(token);
                    async move {
                        let answer = ec2.read($operation, || request.clone().send()).await?;
                        Ok((answer.$items.unwrap_or_default(), answer.next_token))
                    }
                })
                .await
            });
            Ok(found.await?.into_iter().flatten().collect())
        }
    };
}

describe! {
    /// VPCs.
    vpcs: "DescribeVpcs", describe_vpcs, set_filters, 1000, vpcs: Vpc
}
describe! {
    /// Subnets.
    subnets: "DescribeSubnets", describe_subnets, set_filters, 1000, subnets: Subnet
}
describe! {
    /// Internet gateways.
    internet_gateways: "DescribeInternetGateways", describe_internet_gateways, set_filters, 1000, internet_gateways: InternetGateway
}
describe! {
    /// NAT gateways, also those that were deleted within the hour.
    nat_gateways: "DescribeNatGateways", describe_nat_gateways, set_filter, 1000, nat_gateways: NatGateway
}
describe! {
    /// Route tables with their routes and associations.
    route_tables: "DescribeRouteTables", describe_route_tables, set_filters, 100, route_tables: RouteTable
}
describe! {
    /// Security groups.
    security_groups: "DescribeSecurityGroups", describe_security_groups, set_filters, 1000, security_groups: SecurityGroup
}
describe! {
    /// Security groups' rules.
    security_group_rules:
        "DescribeSecurityGroupRules", describe_security_group_rules, set_filters, 1000, security_group_rules: SecurityGroupRule
}
describe! {
    /// Network interfaces.
    network_interfaces: "DescribeNetworkInterfaces", describe_network_interfaces, set_filters, 1000, network_interfaces: NetworkInterface
}
describe! {
    /// Egress-only internet gateways. There is no filter by id.
    egress_only_internet_gateways:
        "DescribeEgressOnlyInternetGateways", describe_egress_only_internet_gateways, set_filters, 255, egress_only_internet_gateways: EgressOnlyInternetGateway
}
describe! {
    /// Flow logs.
    flow_logs: "DescribeFlowLogs", describe_flow_logs, set_filter, 1000, flow_logs: FlowLog
}
describe! {
    /// Network ACLs with their entries and associations.
    network_acls: "DescribeNetworkAcls", describe_network_acls, set_filters, 1000, network_acls: NetworkAcl
}
describe! {
    /// VPC endpoints.
    vpc_endpoints: "DescribeVpcEndpoints", describe_vpc_endpoints, set_filters, 1000, vpc_endpoints: VpcEndpoint
}
describe! {
    /// Launch templates without their versions. There is no filter by id.
    launch_templates: "DescribeLaunchTemplates", describe_launch_templates, set_filters, 200, launch_templates: LaunchTemplate
}

/// The same by ids, for calls of which not all say that they have a filter for it. One object that is gone makes such a call fail for all: then all
/// there are are listed.
macro_rules! describe_ids {
    ($(#[$doc:meta])* $name:ident: $operation:literal, $call:ident, $set_ids:ident, $page:expr, $items:ident: $item:ty, or $list:ident) => {
        $(#[$doc])*
        pub(crate) async fn $name<'a>(
            ec2: &Ec2,
            ids: impl IntoIterator<Item = &'a str>,
        ) -> Result<Vec<$item>, CloudError> {
            let Ask::Groups(groups) = ask(ids, FILTER_VALUES) else { return $list(ec2, all()).await };
            let alone = groups.iter().map(Vec::len).sum::<usize>() == 1;
            let found = each(groups, |ids| async move {
                let request = ec2.$call().$set_ids(Some(ids)).set_max_results($page);
                pages(|token| {
                    let request = request.clone().set_next_token(token);
                    async move {
                        let answer = ec2.read($operation, || request.clone().send()).await?;
                        Ok((answer.$items.unwrap_or_default(), answer.next_token))
                    }
                })
                .await
            });
            match found.await {
                Err(gone) if gone.kind == ErrorKind::NotFound && alone => Ok(Vec::new()),
                Err(gone) if gone.kind == ErrorKind::NotFound => $list(ec2, all()).await,
                found => Ok(found?.into_iter().flatten().collect()),
            }
        }
    };
}

describe_ids! {
    /// Network ACLs by their ids.
    network_acls_by_ids: "DescribeNetworkAcls", describe_network_acls, set_network_acl_ids, None, network_acls: NetworkAcl, or network_acls
}
describe_ids! {
    /// VPC endpoints by their ids.
    vpc_endpoints_by_ids: "DescribeVpcEndpoints", describe_vpc_endpoints, set_vpc_endpoint_ids, None, vpc_endpoints: VpcEndpoint, or vpc_endpoints
}
describe_ids! {
    /// Launch templates by their ids.
    launch_templates_by_ids:
        "DescribeLaunchTemplates", describe_launch_templates, set_launch_template_ids, Some(200), launch_templates: LaunchTemplate, or launch_templates
}

/// Key pairs with their public keys. The call has no pages.
pub(crate) async fn key_pairs(ec2: &Ec2, query: Query) -> Result<Vec<KeyPairInfo>, CloudError> {
    let found = each(query.calls(), |filters| async move {
        let request = ec2.describe_key_pairs().include_public_key(true).set_filters(filters);
        let answer = ec2.read("DescribeKeyPairs", || request.clone().send()).await?;
        Ok(answer.key_pairs.unwrap_or_default())
    });
    Ok(found.await?.into_iter().flatten().collect())
}

/// Elastic IP addresses. The call has no pages.
pub(crate) async fn addresses(ec2: &Ec2, query: Query) -> Result<Vec<Address>, CloudError> {
    let found = each(query.calls(), |filters| async move {
        let request = ec2.describe_addresses().set_filters(filters);
        let answer = ec2.read("DescribeAddresses", || request.clone().send()).await?;
        Ok(answer.addresses.unwrap_or_default())
    });
    Ok(found.await?.into_iter().flatten().collect())
}

describe! {
    /// Volumes.
    volumes: "DescribeVolumes", describe_volumes, set_filters, 1000, volumes: Volume
}
describe! {
    /// Changes to volumes: the last one of each, also when it is done.
    volumes_modifications:
        "DescribeVolumesModifications", describe_volumes_modifications, set_filters, 500, volumes_modifications: VolumeModification
}
describe! {
    /// Requests for spot instances.
    spot_instance_requests:
        "DescribeSpotInstanceRequests", describe_spot_instance_requests, set_filters, 1000, spot_instance_requests: SpotInstanceRequest
}
describe! {
    /// What gives instances their roles.
    iam_instance_profile_associations:
        "DescribeIamInstanceProfileAssociations", describe_iam_instance_profile_associations, set_filters, 1000,
        iam_instance_profile_associations: IamInstanceProfileAssociation
}
describe! {
    /// Peerings of VPCs, also those that were refused or deleted a while ago.
    vpc_peering_connections:
        "DescribeVpcPeeringConnections", describe_vpc_peering_connections, set_filters, 1000, vpc_peering_connections: VpcPeeringConnection
}
describe! {
    /// Sets of DHCP options.
    dhcp_options: "DescribeDhcpOptions", describe_dhcp_options, set_filters, 1000, dhcp_options: DhcpOptions
}
describe! {
    /// Prefix lists without their entries.
    managed_prefix_lists:
        "DescribeManagedPrefixLists", describe_managed_prefix_lists, set_filters, 100, prefix_lists: ManagedPrefixList
}

/// Instances, also those that were terminated within the hour.
pub(crate) async fn instances(ec2: &Ec2, query: Query) -> Result<Vec<Instance>, CloudError> {
    let found = each(query.calls(), |filters| async move {
        let request = ec2.describe_instances().set_filters(filters).max_results(1000);
        pages(|token| {
            let request = request.clone().set_next_token(token);
            async move {
                let answer = ec2.read("DescribeInstances", || request.clone().send()).await?;
                Ok((answer.reservations.unwrap_or_default(), answer.next_token))
            }
        })
        .await
    });
    Ok(found.await?.into_iter().flatten().flat_map(|r| r.instances.unwrap_or_default()).collect())
}

/// The same for `Describe…` calls that have no pages.
macro_rules! describe_whole {
    ($(#[$doc:meta])* $name:ident: $operation:literal, $call:ident, $items:ident: $item:ty) => {
        $(#[$doc])*
        pub(crate) async fn $name(ec2: &Ec2, query: Query) -> Result<Vec<$item>, CloudError> {
            let found = each(query.calls(), |filters| async move {
                let request = ec2.$call().set_filters(filters);
                let answer = ec2.read($operation, || request.clone().send()).await?;
                Ok(answer.$items.unwrap_or_default())
            });
            Ok(found.await?.into_iter().flatten().collect())
        }
    };
}

describe_whole! {
    /// Customer gateways, also those that were deleted a while ago.
    customer_gateways: "DescribeCustomerGateways", describe_customer_gateways, customer_gateways: CustomerGateway
}
describe_whole! {
    /// Virtual private gateways, also those that were deleted a while ago.
    vpn_gateways: "DescribeVpnGateways", describe_vpn_gateways, vpn_gateways: VpnGateway
}
describe_whole! {
    /// VPN connections, also those that were deleted a while ago.
    vpn_connections: "DescribeVpnConnections", describe_vpn_connections, vpn_connections: VpnConnection
}
