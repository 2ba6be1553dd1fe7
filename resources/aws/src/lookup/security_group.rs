//! [`ExistingSecurityGroup`].

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::vpc::tags;
use super::{At, Find, choose};
use crate::arn::Arn;
use crate::ec2::describe;
use crate::ids::{SecurityGroupId, VpcId};

/// A security group that the program does not manage.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingSecurityGroup {
    vpc_id: Option<String>,
    id: Option<String>,
    group_name: Option<String>,
    tags: BTreeMap<String, String>,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its ARN.
    pub arn: Arn,
    /// Its name, unique in its VPC.
    pub group_name: String,
    /// What it is for.
    pub description: String,
    /// The VPC that it is in.
    pub vpc_id: VpcId,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl ExistingSecurityGroup {
    /// The one of this name in a VPC. Each VPC has one named `default`.
    pub fn named(vpc: &VpcId, group_name: impl Into<String>) -> Self {
        Self { vpc_id: Some(vpc.to_string()), group_name: Some(group_name.into()), ..Self::default() }
    }

    /// The one of this id.
    pub fn of_id(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// The only one with this tag.
    pub fn tagged(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::default().tag(key, value)
    }

    /// It has this tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    fn fits(&self, group: &SecurityGroup) -> bool {
        self.vpc_id.as_ref().is_none_or(|id| id == group.vpc_id.as_str())
            && self.id.as_ref().is_none_or(|id| id == group.id.as_str())
            && self.group_name.as_ref().is_none_or(|name| *name == group.group_name)
            && self.tags.iter().all(|(key, value)| group.tags.get(key) == Some(value))
    }
}

impl Lookup for ExistingSecurityGroup {
    const NAME: &'static str = "aws:ec2:SecurityGroup";
    type Answer = SecurityGroup;
}

impl Find for ExistingSecurityGroup {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<SecurityGroup, CloudError>>, CloudError> {
        let (region, account) = (at.region().await?, at.aws.account(&at.cx.provider).await?);
        let read = |group: sdk::SecurityGroup| {
            let id = group.group_id.as_deref()?.to_owned();
            let owner = group.owner_id().unwrap_or(&account);
            Some(SecurityGroup {
                arn: Arn::of("ec2", &region, owner, &format!("security-group/{id}")),
                group_name: group.group_name().unwrap_or_default().to_owned(),
                description: group.description().unwrap_or_default().to_owned(),
                vpc_id: VpcId::new(group.vpc_id().unwrap_or_default()),
                tags: tags(group.tags()),
                id: SecurityGroupId::new(id),
            })
        };
        let ask = async |query| -> Result<Vec<SecurityGroup>, CloudError> {
            let groups = describe::security_groups(&at.aws.ec2(&at.cx).await?, query).await?;
            Ok(groups.into_iter().filter_map(&read).collect())
        };
        type Groups = Vec<SecurityGroup>;
        let vpcs: Option<BTreeSet<&str>> = wanted.iter().map(|w| w.vpc_id.as_deref()).collect();
        let mut all: Groups = Vec::new();
        match vpcs {
            Some(vpcs) if at.known::<Groups>("security groups").is_none() => {
                let name = |vpc: &str| format!("security groups of {vpc}");
                let new: Vec<&str> =
                    vpcs.iter().copied().filter(|vpc| at.known::<Groups>(&name(vpc)).is_none()).collect();
                if !new.is_empty() {
                    let found = ask(describe::by("vpc-id", new.iter().copied())).await?;
                    for vpc in new {
                        let of_it = found.iter().filter(|group| group.vpc_id.as_str() == vpc);
                        at.put(&name(vpc), of_it.cloned().collect::<Groups>());
                    }
                }
                let known = vpcs.iter().filter_map(|vpc| at.known::<Groups>(&name(vpc)));
                known.for_each(|groups| all.extend(groups.iter().cloned()));
            }
            _ => all.extend(at.sheet("security groups", ask(describe::all())).await?.iter().cloned()),
        }
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let fitting = all.iter().filter(|group| wanted.fits(group)).cloned().collect();
            let name = |group: &SecurityGroup| group.id.to_string();
            answers.push(choose::one(at, "security group", "vpc, group_name, id, tags", fitting, name).await);
        }
        Ok(answers)
    }
}
