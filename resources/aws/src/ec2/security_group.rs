//! [`SecurityGroup`].

use std::collections::HashMap;

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{Ec2, SecurityGroupId, VpcId, arn, holders, once_free, once_known, tagging};
use crate::arn::Arn;
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// A firewall around network interfaces. Its rules are types of their own:
/// [`SecurityGroupIngressRule`](super::SecurityGroupIngressRule), [`SecurityGroupEgressRule`](super::SecurityGroupEgressRule).
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:SecurityGroup",
    terraform = "aws_security_group",
    cloudformation = "AWS::EC2::SecurityGroup",
    identity = IntentTag,
    unique(group_name, vpc_id)
)]
pub struct SecurityGroup {
    /// Its name, which no other group of the VPC has.
    #[field(replace)]
    pub group_name: Input<String>,
    /// What it is for. AWS cannot change it.
    #[field(replace)]
    pub description: Input<String>,
    /// The VPC that it belongs to. Not set: the region's default VPC.
    #[field(replace, cloud_default)]
    pub vpc_id: Option<Input<VpcId>>,
    /// Whether the rule stays that AWS gives every new group: everything may go out. Not a parameter of AWS's, which always adds it;
    /// `false` removes it. Not set: it is left alone.
    #[field(cloud_default)]
    pub default_egress_rule: Option<Input<bool>>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`SecurityGroup`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SecurityGroupOutputs {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its ARN.
    pub arn: Option<Arn>,
}

impl Manage for SecurityGroup {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let groups = describe::security_groups(&ec2, by("group-id", targets.iter().map(|t| t.id)));
        // Who made a rule shows in its tags, which only the rules' own call tells.
        let asked = targets.iter().filter(|t| t.wants("default_egress_rule")).map(|t| t.id);
        let rules = describe::security_group_rules(&ec2, by("group-id", asked));
        let (groups, rules) = futures::try_join!(groups, rules)?;
        let mut open: HashMap<&str, bool> = HashMap::new();
        for rule in &rules {
            if let Some(group) = rule.group_id() {
                *open.entry(group).or_default() |= is_default(rule);
            }
        }
        Ok(align(
            targets,
            groups,
            |group| group.group_id(),
            |target, group| {
                let default_egress_rule =
                    target.wants("default_egress_rule").then(|| open.get(target.id).copied().unwrap_or(false));
                present(&region, group, default_egress_rule)
            },
        ))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &SecurityGroupResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .create_security_group()
            .group_name(&want.group_name)
            .description(&want.description)
            .set_vpc_id(want.vpc_id.as_ref().map(ToString::to_string))
            .tag_specifications(tagging::specification(ResourceType::SecurityGroup, &want.tags, intent));
        let made = once_known(cx, || ec2.write("CreateSecurityGroup", || request.clone().send())).await;
        let answer = made.map_err(|error| match error.kind {
            ErrorKind::AlreadyExists => error.hint("give it another group_name, or import the group by its id (sg-…)"),
            _ => error,
        })?;
        let id = answer.group_id.ok_or_else(|| ec2.unexpected("CreateSecurityGroup", "the answer names no group"))?;
        let outputs =
            SecurityGroupOutputs { id: SecurityGroupId::new(&id), arn: answer.security_group_arn.map(Arn::new) };
        Ok(Created { id, outputs, complete: want.default_egress_rule != Some(false) })
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &SecurityGroupResolved,
    ) -> Result<Option<SecurityGroupOutputs>, CloudError> {
        if want.default_egress_rule == Some(false) {
            let ec2 = aws.ec2(cx).await?;
            once_known(cx, || close_new(&ec2, id)).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &SecurityGroupResolved,
        change: &SecurityGroupChange,
    ) -> Result<Option<SecurityGroupOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        match change.default_egress_rule.as_ref().and_then(|c| c.after) {
            Some(true) => open(&ec2, id).await?,
            Some(false) => {
                close(&ec2, id).await?;
            }
            None => {}
        }
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&SecurityGroupResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2.delete_security_group().group_id(id);
        let deleted = once_free(cx, || ec2.write_idempotent("DeleteSecurityGroup", || request.clone().send())).await;
        holders::explain(deleted, holders::of_security_group(&ec2, id)).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SecurityGroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let region = aws.region(&cx.provider).await?;
        let groups = describe::security_groups(&ec2, by_intent(intent)).await?;
        let found = groups.iter().find(|g| tagging::has_intent(g.tags(), intent)).and_then(|g| outputs(&region, g));
        let complete = want.default_egress_rule != Some(false);
        Ok(found.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete }))
    }
}

fn outputs(region: &str, group: &sdk::SecurityGroup) -> Option<SecurityGroupOutputs> {
    let id = group.group_id()?;
    let arn = group.security_group_arn().map(Arn::new).or_else(|| arn(region, group.owner_id(), "security-group", id));
    Some(SecurityGroupOutputs { id: SecurityGroupId::new(id), arn })
}

fn present(region: &str, group: &sdk::SecurityGroup, default_egress_rule: Option<bool>) -> Found<SecurityGroup> {
    let Some(outputs) = outputs(region, group) else { return Found::Gone };
    let fields = SecurityGroupResolved {
        group_name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        vpc_id: group.vpc_id().map(VpcId::new),
        default_egress_rule,
        tags: tagging::read(group.tags()),
    };
    Found::present(fields, outputs)
}

/// Whether it is the rule that AWS gives a new group: it lets everything out, and nobody has put a name or a tag on it. In a VPC
/// with IPv6 there are two.
pub(super) fn is_default(rule: &sdk::SecurityGroupRule) -> bool {
    rule.is_egress() == Some(true)
        && rule.ip_protocol() == Some("-1")
        && (rule.cidr_ipv4() == Some("0.0.0.0/0") || rule.cidr_ipv6() == Some("::/0"))
        && rule.description().is_none_or(str::is_empty)
        && rule.tags().is_empty()
}

/// Takes the rules away that AWS gives a group, and tells whether any rule of the group was listed.
async fn close(ec2: &Ec2, id: &str) -> Result<bool, CloudError> {
    let rules = describe::security_group_rules(ec2, by("group-id", [id])).await?;
    let mine: Vec<&sdk::SecurityGroupRule> = rules.iter().filter(|rule| rule.group_id() == Some(id)).collect();
    let default = mine.iter().filter(|rule| is_default(rule));
    let ids: Vec<String> = default.filter_map(|rule| rule.security_group_rule_id.clone()).collect();
    if ids.is_empty() {
        return Ok(!mine.is_empty());
    }
    let request = ec2.revoke_security_group_egress().group_id(id).set_security_group_rule_ids(Some(ids));
    match ec2.write_idempotent("RevokeSecurityGroupEgress", || request.clone().send()).await {
        // Gone meanwhile.
        Err(error) if error.code.as_deref().is_some_and(|code| code.starts_with("InvalidSecurityGroupRuleId")) => {
            Ok(true)
        }
        done => done.map(|_| true),
    }
}

/// The same of a new group, whose rules may not be listed yet: then they are named by what they say. A group that is taken for closed stays
/// open to everything until somebody looks.
async fn close_new(ec2: &Ec2, id: &str) -> Result<(), CloudError> {
    if close(ec2, id).await? {
        return Ok(());
    }
    let all = || IpPermission::builder().ip_protocol("-1");
    let v4 = all().ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
    let v6 = all().ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build()).build();
    // One by one: where one of them is not there, AWS refuses the whole call.
    for rule in [v4, v6] {
        let request = ec2.revoke_security_group_egress().group_id(id).ip_permissions(rule);
        match ec2.write_idempotent("RevokeSecurityGroupEgress", || request.clone().send()).await {
            // The group was closed before, or its VPC has no IPv6.
            Err(error) if error.code.as_deref() == Some("InvalidPermission.NotFound") => {}
            done => drop(done?),
        }
    }
    Ok(())
}

async fn open(ec2: &Ec2, id: &str) -> Result<(), CloudError> {
    let everywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    let all = IpPermission::builder().ip_protocol("-1").ip_ranges(everywhere).build();
    let request = ec2.authorize_security_group_egress().group_id(id).ip_permissions(all);
    match ec2.write_idempotent("AuthorizeSecurityGroupEgress", || request.clone().send()).await {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
        done => done.map(drop),
    }
}
