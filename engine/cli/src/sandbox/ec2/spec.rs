//! The kinds of objects, and how each is described.

use serde::{Deserialize, Serialize};

/// By the names that tag specifications use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Vpc,
    Subnet,
    InternetGateway,
    ElasticIp,
    Natgateway,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    NetworkInterface,
}

/// What differs between the kinds when they are described.
pub(super) struct Spec {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) prefix: &'static str,
    pub(super) describe: &'static str,
    pub(super) id_param: &'static str,
    pub(super) not_found: &'static str,
    pub(super) set: &'static str,
    /// A filter's name and where its values are in the description; lists on the way are searched.
    pub(super) filters: &'static [(&'static str, &'static str)],
}

pub(super) const SPECS: &[Spec] = &[
    Spec {
        kind: Kind::Vpc,
        name: "vpc",
        prefix: "vpc-",
        describe: "DescribeVpcs",
        id_param: "VpcId",
        not_found: "InvalidVpcID.NotFound",
        set: "vpcSet",
        filters: &[
            ("vpc-id", "vpcId"),
            ("state", "state"),
            ("cidr", "cidrBlock"),
            ("cidr-block", "cidrBlock"),
            ("cidrBlock", "cidrBlock"),
            ("cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"),
            ("dhcp-options-id", "dhcpOptionsId"),
            ("is-default", "isDefault"),
            ("isDefault", "isDefault"),
            ("owner-id", "ownerId"),
        ],
    },
    Spec {
        kind: Kind::Subnet,
        name: "subnet",
        prefix: "subnet-",
        describe: "DescribeSubnets",
        id_param: "SubnetId",
        not_found: "InvalidSubnetID.NotFound",
        set: "subnetSet",
        filters: &[
            ("subnet-id", "subnetId"),
            ("vpc-id", "vpcId"),
            ("state", "state"),
            ("cidr", "cidrBlock"),
            ("cidr-block", "cidrBlock"),
            ("cidrBlock", "cidrBlock"),
            ("availability-zone", "availabilityZone"),
            ("availabilityZone", "availabilityZone"),
            ("availability-zone-id", "availabilityZoneId"),
            ("default-for-az", "defaultForAz"),
            ("map-public-ip-on-launch", "mapPublicIpOnLaunch"),
            ("subnet-arn", "subnetArn"),
            ("owner-id", "ownerId"),
        ],
    },
    Spec {
        kind: Kind::InternetGateway,
        name: "internet-gateway",
        prefix: "igw-",
        describe: "DescribeInternetGateways",
        id_param: "InternetGatewayId",
        not_found: "InvalidInternetGatewayID.NotFound",
        set: "internetGatewaySet",
        filters: &[
            ("internet-gateway-id", "internetGatewayId"),
            ("attachment.vpc-id", "attachmentSet.vpcId"),
            ("attachment.state", "attachmentSet.state"),
            ("owner-id", "ownerId"),
        ],
    },
    Spec {
        kind: Kind::ElasticIp,
        name: "elastic-ip",
        prefix: "eipalloc-",
        describe: "DescribeAddresses",
        id_param: "AllocationId",
        not_found: "InvalidAllocationID.NotFound",
        set: "addressesSet",
        filters: &[
            ("allocation-id", "allocationId"),
            ("association-id", "associationId"),
            ("public-ip", "publicIp"),
            ("domain", "domain"),
            ("network-border-group", "networkBorderGroup"),
            ("network-interface-id", "networkInterfaceId"),
            ("private-ip-address", "privateIpAddress"),
        ],
    },
    Spec {
        kind: Kind::Natgateway,
        name: "natgateway",
        prefix: "nat-",
        describe: "DescribeNatGateways",
        id_param: "NatGatewayId",
        not_found: "NatGatewayNotFound",
        set: "natGatewaySet",
        filters: &[
            ("nat-gateway-id", "natGatewayId"),
            ("vpc-id", "vpcId"),
            ("subnet-id", "subnetId"),
            ("state", "state"),
            ("connectivity-type", "connectivityType"),
        ],
    },
    Spec {
        kind: Kind::RouteTable,
        name: "route-table",
        prefix: "rtb-",
        describe: "DescribeRouteTables",
        id_param: "RouteTableId",
        not_found: "InvalidRouteTableID.NotFound",
        set: "routeTableSet",
        filters: &[
            ("route-table-id", "routeTableId"),
            ("vpc-id", "vpcId"),
            ("owner-id", "ownerId"),
            ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
            ("association.route-table-id", "associationSet.routeTableId"),
            ("association.subnet-id", "associationSet.subnetId"),
            ("association.gateway-id", "associationSet.gatewayId"),
            ("association.main", "associationSet.main"),
            ("route.destination-cidr-block", "routeSet.destinationCidrBlock"),
            ("route.destination-ipv6-cidr-block", "routeSet.destinationIpv6CidrBlock"),
            ("route.destination-prefix-list-id", "routeSet.destinationPrefixListId"),
            ("route.gateway-id", "routeSet.gatewayId"),
            ("route.nat-gateway-id", "routeSet.natGatewayId"),
            ("route.transit-gateway-id", "routeSet.transitGatewayId"),
            ("route.vpc-peering-connection-id", "routeSet.vpcPeeringConnectionId"),
            ("route.origin", "routeSet.origin"),
            ("route.state", "routeSet.state"),
        ],
    },
    Spec {
        kind: Kind::SecurityGroup,
        name: "security-group",
        prefix: "sg-",
        describe: "DescribeSecurityGroups",
        id_param: "GroupId",
        not_found: "InvalidGroup.NotFound",
        set: "securityGroupInfo",
        filters: &[
            ("group-id", "groupId"),
            ("group-name", "groupName"),
            ("description", "groupDescription"),
            ("vpc-id", "vpcId"),
            ("owner-id", "ownerId"),
            ("ip-permission.group-id", "ipPermissions.groups.groupId"),
            ("ip-permission.cidr", "ipPermissions.ipRanges.cidrIp"),
            ("egress.ip-permission.group-id", "ipPermissionsEgress.groups.groupId"),
            ("egress.ip-permission.cidr", "ipPermissionsEgress.ipRanges.cidrIp"),
        ],
    },
    Spec {
        kind: Kind::SecurityGroupRule,
        name: "security-group-rule",
        prefix: "sgr-",
        describe: "DescribeSecurityGroupRules",
        id_param: "SecurityGroupRuleId",
        not_found: "InvalidSecurityGroupRuleId.NotFound",
        set: "securityGroupRuleSet",
        filters: &[("group-id", "groupId"), ("security-group-rule-id", "securityGroupRuleId")],
    },
    Spec {
        kind: Kind::NetworkInterface,
        name: "network-interface",
        prefix: "eni-",
        describe: "DescribeNetworkInterfaces",
        id_param: "NetworkInterfaceId",
        not_found: "InvalidNetworkInterfaceID.NotFound",
        set: "networkInterfaceSet",
        filters: &[
            ("network-interface-id", "networkInterfaceId"),
            ("vpc-id", "vpcId"),
            ("subnet-id", "subnetId"),
            ("group-id", "groupSet.groupId"),
            ("status", "status"),
            ("interface-type", "interfaceType"),
            ("association.public-ip", "association.publicIp"),
            ("association.allocation-id", "association.allocationId"),
        ],
    },
];

impl Kind {
    pub(super) fn spec(self) -> &'static Spec {
        // The table has a row for every kind, in their order; a test holds that.
        &SPECS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for (i, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.kind as usize, i, "{}", spec.name);
            assert_eq!(serde_json::to_value(spec.kind).unwrap(), spec.name);
        }
        assert_eq!(SPECS.len(), Kind::NetworkInterface as usize + 1);
    }
}
