//! The ids of EC2's objects. Each is a type of its own, so that one kind cannot be passed where another is wanted.

phx_model::id_type! {
    /// A VPC: `vpc-0a1b`.
    VpcId;
    /// A subnet: `subnet-0a1b`.
    SubnetId;
    /// An internet gateway: `igw-0a1b`.
    InternetGatewayId;
    /// An egress-only internet gateway: `eigw-0a1b`.
    EgressOnlyInternetGatewayId;
    /// An Elastic IP address: `eipalloc-0a1b`.
    AllocationId;
    /// A NAT gateway: `nat-0a1b`.
    NatGatewayId;
    /// A route table: `rtb-0a1b`.
    RouteTableId;
    /// A route: `rtb-0a1b_10.0.0.0/16`. AWS has no id for routes.
    RouteId;
    /// A route table's association: `rtbassoc-0a1b`.
    RouteTableAssociationId;
    /// A security group: `sg-0a1b`.
    SecurityGroupId;
    /// A security group's rule: `sgr-0a1b`.
    SecurityGroupRuleId;
    /// A prefix list: `pl-0a1b`.
    PrefixListId;
    /// An instance: `i-0a1b`.
    InstanceId;
    /// A network interface: `eni-0a1b`.
    NetworkInterfaceId;
    /// A VPC endpoint: `vpce-0a1b`.
    VpcEndpointId;
    /// A peering of two VPCs: `pcx-0a1b`.
    VpcPeeringConnectionId;
    /// A virtual private gateway: `vgw-0a1b`.
    VpnGatewayId;
    /// A transit gateway: `tgw-0a1b`.
    TransitGatewayId;
    /// A local gateway of an Outpost: `lgw-0a1b`.
    LocalGatewayId;
    /// A carrier gateway of a Wavelength zone: `cagw-0a1b`.
    CarrierGatewayId;
    /// A pool of the IP address manager: `ipam-pool-0a1b`.
    IpamPoolId;
}
