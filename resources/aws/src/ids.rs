//! The ids and names by which objects refer to each other. Each is a type of its own, so that one kind cannot be passed where another is wanted.
//! They do not belong to a service's cargo feature: types of one service name objects of another.

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
    /// A volume of Elastic Block Store: `vol-0a1b`.
    VolumeId;
    /// A volume's attachment to an instance: `i-0a1b:/dev/sdf`. AWS has no id for attachments.
    VolumeAttachmentId;
    /// A network interface: `eni-0a1b`.
    NetworkInterfaceId;
    /// A VPC endpoint: `vpce-0a1b`.
    VpcEndpointId;
    /// A peering of two VPCs: `pcx-0a1b`.
    VpcPeeringConnectionId;
    /// A virtual private gateway: `vgw-0a1b`.
    VpnGatewayId;
    /// A customer gateway: `cgw-0a1b`.
    CustomerGatewayId;
    /// A site-to-site VPN connection: `vpn-0a1b`.
    VpnConnectionId;
    /// A set of DHCP options: `dopt-0a1b`.
    DhcpOptionsId;
    /// A transit gateway: `tgw-0a1b`.
    TransitGatewayId;
    /// A local gateway of an Outpost: `lgw-0a1b`.
    LocalGatewayId;
    /// A carrier gateway of a Wavelength zone: `cagw-0a1b`.
    CarrierGatewayId;
    /// A pool of the IP address manager: `ipam-pool-0a1b`.
    IpamPoolId;
    /// A network ACL: `acl-0a1b`.
    NetworkAclId;
    /// A flow log: `fl-0a1b`.
    FlowLogId;
    /// A key pair: `key-0a1b`.
    KeyPairId;
    /// A key pair's name, unique in its account and region, by which instances refer to it.
    KeyName;
    /// A role's name, unique in its account.
    RoleName;
    /// An instance profile's name, unique in its account.
    InstanceProfileName;
    /// An IAM user's name, unique in its account.
    UserName;
    /// An IAM group's name, unique in its account.
    GroupName;
    /// A KMS key: `1234abcd-12ab-34cd-56ef-1234567890ab`, `mrk-0a1b`.
    KeyId;
    /// An alias of a KMS key, unique in its account and region: `alias/app`.
    AliasName;
    /// A parameter's name, unique in its account and region: `/app/database/url`.
    ParameterName;
    /// A bucket's name, unique in its partition of AWS.
    BucketName;
    /// A log group's name, unique in its account and region.
    LogGroupName;
    /// A DynamoDB table's name, unique in its account and region.
    TableName;
    /// A queue's URL, by which SQS knows it: `https://sqs.us-west-2.amazonaws.com/123456789012/jobs`.
    QueueUrl;
    /// An EKS cluster's name, unique in its account and region.
    EksClusterName;
    /// A pod identity association of an EKS cluster: `a-0a1b`.
    PodIdentityAssociationId;
    /// An ECR repository's name, unique in its account and region.
    RepositoryName;
    /// A launch template: `lt-0a1b`.
    LaunchTemplateId;
    /// A hosted zone of Route 53: `Z0A1B2C3`.
    HostedZoneId;
    /// A rule of EventBridge by its name, unique in its event bus.
    EventRuleName;
    /// An Auto Scaling group's name, unique in its account and region.
    AutoScalingGroupName;
    /// A backup vault's name, unique in its account and region.
    BackupVaultName;
    /// A backup plan: a UUID.
    BackupPlanId;
    /// GuardDuty's detector of an account and region.
    DetectorId;
    /// A DB instance's identifier, unique in its account and region.
    DbInstanceId;
    /// A DB cluster's identifier, unique in its account and region.
    DbClusterId;
    /// A DB subnet group's name, unique in its account and region.
    DbSubnetGroupName;
    /// A DB parameter group's name, unique in its account and region.
    DbParameterGroupName;
    /// A DB cluster parameter group's name, unique in its account and region.
    DbClusterParameterGroupName;
    /// An option group's name, unique in its account and region.
    OptionGroupName;
    /// A DB snapshot's identifier, unique in its account and region.
    DbSnapshotId;
    /// A DB proxy's name, unique in its account and region.
    DbProxyName;
    /// An RDS event subscription's name, unique in its account and region.
    EventSubscriptionName;
}
