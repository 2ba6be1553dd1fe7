//! [`ExistingVpc`].

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;
use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::ec2::describe;
use crate::ids::VpcId;

/// A VPC that the program does not manage.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcs.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingVpc {
    id: Option<String>,
    cidr_block: Option<String>,
    is_default: Option<bool>,
    tags: BTreeMap<String, String>,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Its first range of addresses.
    pub cidr_block: String,
    /// All its IPv4 ranges.
    pub cidr_blocks: Vec<String>,
    /// Its IPv6 ranges.
    pub ipv6_cidr_blocks: Vec<String>,
    /// Whether it is the region's default one.
    pub is_default: bool,
    /// The account that owns it, since it may be shared.
    pub owner_id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl ExistingVpc {
    /// The one of this name: its tag `Name`.
    pub fn named(name: impl Into<String>) -> Self {
        Self::default().tag("Name", name)
    }

    /// The one of this id.
    pub fn of_id(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// The region's default one.
    pub fn of_region() -> Self {
        Self { is_default: Some(true), ..Self::default() }
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

    /// It has this range of addresses.
    #[must_use]
    pub fn cidr_block(mut self, range: impl Into<String>) -> Self {
        self.cidr_block = Some(range.into());
        self
    }

    fn fits(&self, vpc: &Vpc) -> bool {
        self.id.as_ref().is_none_or(|id| id == vpc.id.as_str())
            && self.cidr_block.as_ref().is_none_or(|range| vpc.cidr_blocks.contains(range))
            && self.is_default.is_none_or(|yes| yes == vpc.is_default)
            && self.tags.iter().all(|(key, value)| vpc.tags.get(key) == Some(value))
    }
}

impl Lookup for ExistingVpc {
    const NAME: &'static str = "aws:ec2:Vpc";
    type Answer = Vpc;
}

impl Find for ExistingVpc {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Vpc, CloudError>>, CloudError> {
        let all = at.sheet("vpcs", async {
            let vpcs = describe::vpcs(&at.aws.ec2(&at.cx).await?, describe::all()).await?;
            Ok(vpcs.into_iter().filter_map(read).collect::<Vec<Vpc>>())
        });
        let all = all.await?;
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let fitting = all.iter().filter(|vpc| wanted.fits(vpc)).cloned().collect();
            answers.push(choose::one(at, "VPC", "id, tags, cidr_block", fitting, |vpc| vpc.id.to_string()).await);
        }
        Ok(answers)
    }
}

fn read(vpc: sdk::Vpc) -> Option<Vpc> {
    let ranges = vpc.cidr_block_association_set().iter().filter_map(|a| a.cidr_block());
    let mut cidr_blocks: Vec<String> = ranges.map(str::to_owned).collect();
    let cidr_block = vpc.cidr_block().unwrap_or_default().to_owned();
    if !cidr_blocks.contains(&cidr_block) {
        cidr_blocks.insert(0, cidr_block.clone());
    }
    let ipv6 = vpc.ipv6_cidr_block_association_set().iter().filter_map(|a| a.ipv6_cidr_block());
    Some(Vpc {
        cidr_block,
        cidr_blocks,
        ipv6_cidr_blocks: ipv6.map(str::to_owned).collect(),
        is_default: vpc.is_default().unwrap_or_default(),
        owner_id: vpc.owner_id().unwrap_or_default().to_owned(),
        tags: tags(vpc.tags()),
        id: VpcId::new(vpc.vpc_id?),
    })
}

/// EC2's tags as a map.
pub(super) fn tags(tags: &[sdk::Tag]) -> BTreeMap<String, String> {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect()
}
