//! [`SecurityGroupEgressRule`].

use phx_model::driver::Cx;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Ipv4Cidr, Outputs, Resource};

use super::route::canonical_range;
use super::rule::{self, Direction, manage_rule};
use super::{PrefixListId, SecurityGroupId, SecurityGroupRuleId, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// Lets traffic out of the interfaces of a security group to a peer. Exactly one peer is set.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupEgress.html>
///
/// AWS can change a rule's peer to another of the same kind, but not to one of another kind. An IPv4 range is changed in place; for the
/// other peers a new rule comes before the old one goes.
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:SecurityGroupEgressRule",
    terraform = "aws_vpc_security_group_egress_rule",
    cloudformation = "AWS::EC2::SecurityGroupEgress",
    identity = IntentTag,
    unique(group_id, ip_protocol, from_port, to_port, cidr_ip, cidr_ipv6, prefix_list_id, referenced_group_id),
    vanishes_with(group_id)
)]
pub struct SecurityGroupEgressRule {
    /// The group.
    #[field(replace)]
    pub group_id: Input<SecurityGroupId>,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    #[field(normalize = rule::protocol)]
    pub ip_protocol: Input<String>,
    /// The first port, or the ICMP type; -1 for all types.
    #[field(cloud_default)]
    pub from_port: Option<Input<i32>>,
    /// The last port, or the ICMP code; -1 for all codes.
    #[field(cloud_default)]
    pub to_port: Option<Input<i32>>,
    /// Peer: IPv4 addresses. Called `CidrIpv4` where a rule is changed.
    pub cidr_ip: Option<Input<Ipv4Cidr>>,
    /// Peer: IPv6 addresses.
    #[field(replace, normalize = canonical_range)]
    pub cidr_ipv6: Option<Input<String>>,
    /// Peer: the ranges of a prefix list.
    #[field(replace)]
    pub prefix_list_id: Option<Input<PrefixListId>>,
    /// Peer: the interfaces of a security group, also of this one.
    #[field(replace)]
    pub referenced_group_id: Option<Input<SecurityGroupId>>,
    /// The account of `referenced_group_id`, if it is another.
    #[field(replace, cloud_default)]
    pub source_security_group_owner_id: Option<Input<String>>,
    /// What it is for.
    pub description: Option<Input<String>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`SecurityGroupEgressRule`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SecurityGroupEgressRuleOutputs {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// Its ARN.
    pub arn: Option<Arn>,
}

manage_rule!(
    SecurityGroupEgressRule,
    SecurityGroupEgressRuleResolved,
    SecurityGroupEgressRuleChange,
    SecurityGroupEgressRuleOutputs,
    Direction::Out
);
