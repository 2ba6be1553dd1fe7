//! [`ExistingSubnets`].

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::vpc::tags;
use super::{At, Find, choose};
use crate::ec2::describe;
use crate::ids::{SubnetId, VpcId};

/// Subnets that the program does not manage, by zone and range. One is meant too by what only one has: its name, its id.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingSubnets {
    vpc_id: Option<String>,
    ids: Vec<String>,
    availability_zone: Option<String>,
    tags: BTreeMap<String, String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// The VPC that it is a part of.
    pub vpc_id: VpcId,
    /// Its range of addresses; empty for one that has IPv6 only.
    pub cidr_block: String,
    /// The zone's name: `us-west-2a`.
    pub availability_zone: String,
    /// The zone's id: `usw2-az1`.
    pub availability_zone_id: String,
    /// Whether what starts in it gets a public address.
    pub map_public_ip_on_launch: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl ExistingSubnets {
    /// All of the region.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a VPC.
    pub fn of_vpc(vpc: &VpcId) -> Self {
        Self { vpc_id: Some(vpc.to_string()), ..Self::default() }
    }

    /// Those of these ids.
    #[must_use]
    pub fn ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.ids.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Those in this zone.
    #[must_use]
    pub fn availability_zone(mut self, zone: impl Into<String>) -> Self {
        self.availability_zone = Some(zone.into());
        self
    }

    /// Those with this tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    fn fits(&self, subnet: &Subnet) -> bool {
        self.vpc_id.as_ref().is_none_or(|id| id == subnet.vpc_id.as_str())
            && (self.ids.is_empty() || self.ids.iter().any(|id| id == subnet.id.as_str()))
            && self.availability_zone.as_ref().is_none_or(|zone| *zone == subnet.availability_zone)
            && self.tags.iter().all(|(key, value)| subnet.tags.get(key) == Some(value))
    }
}

impl Lookup for ExistingSubnets {
    const NAME: &'static str = "aws:ec2:Subnets";
    type Answer = Vec<Subnet>;
}

impl Find for ExistingSubnets {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Vec<Subnet>, CloudError>>, CloudError> {
        let ask = async |query| -> Result<Vec<Subnet>, CloudError> {
            let subnets = describe::subnets(&at.aws.ec2(&at.cx).await?, query).await?;
            Ok(subnets.into_iter().filter_map(read).collect())
        };
        let vpcs: Option<BTreeSet<&str>> = wanted.iter().map(|w| w.vpc_id.as_deref()).collect();
        let mut all: Vec<Subnet> = Vec::new();
        match vpcs {
            // All of them are of certain VPCs, and those that are not known yet are asked for at once.
            Some(vpcs) if at.known::<Vec<Subnet>>("subnets").is_none() => {
                let name = |vpc: &str| format!("subnets of {vpc}");
                let new: Vec<&str> =
                    vpcs.iter().copied().filter(|vpc| at.known::<Vec<Subnet>>(&name(vpc)).is_none()).collect();
                if !new.is_empty() {
                    let found = ask(describe::by("vpc-id", new.iter().copied())).await?;
                    for vpc in new {
                        let of_it = found.iter().filter(|subnet| subnet.vpc_id.as_str() == vpc);
                        at.put(&name(vpc), of_it.cloned().collect::<Vec<Subnet>>());
                    }
                }
                let known = vpcs.iter().filter_map(|vpc| at.known::<Vec<Subnet>>(&name(vpc)));
                known.for_each(|subnets| all.extend(subnets.iter().cloned()));
            }
            _ => all.extend(at.sheet("subnets", ask(describe::all())).await?.iter().cloned()),
        }
        all.sort_by(|a, b| {
            (&a.availability_zone, &a.cidr_block, &a.id).cmp(&(&b.availability_zone, &b.cidr_block, &b.id))
        });
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let subnets: Vec<Subnet> = all.iter().filter(|subnet| wanted.fits(subnet)).cloned().collect();
            let missing = wanted.ids.iter().find(|id| !subnets.iter().any(|subnet| subnet.id.as_str() == *id));
            answers.push(match (subnets.is_empty(), missing) {
                (false, None) => Ok(subnets),
                (_, Some(id)) => Err(choose::none(at, &format!("subnet as {id}"), "vpc, ids, zone, tags").await?),
                (true, None) => Err(choose::none(at, "subnet", "vpc, ids, zone, tags").await?),
            });
        }
        Ok(answers)
    }
}

fn read(subnet: sdk::Subnet) -> Option<Subnet> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Some(Subnet {
        cidr_block: text(subnet.cidr_block()),
        availability_zone: text(subnet.availability_zone()),
        availability_zone_id: text(subnet.availability_zone_id()),
        map_public_ip_on_launch: subnet.map_public_ip_on_launch().unwrap_or_default(),
        tags: tags(subnet.tags()),
        vpc_id: VpcId::new(subnet.vpc_id?),
        id: SubnetId::new(subnet.subnet_id?),
    })
}
