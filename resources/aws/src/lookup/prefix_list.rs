//! [`PrefixList`].

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose};
use crate::arn::Arn;
use crate::ec2::describe;
use crate::ids::PrefixListId;

/// A managed prefix list: one of AWS's own, or one that the program does not manage.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeManagedPrefixLists.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrefixList {
    name: Option<String>,
    service: Option<String>,
}

/// A prefix list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixListFacts {
    /// Its id.
    pub id: PrefixListId,
    /// Its ARN.
    pub arn: Arn,
    /// Its name: `com.amazonaws.us-west-2.s3`.
    pub name: String,
    /// The account that owns it; `AWS` for AWS's own.
    pub owner_id: String,
    /// `IPv4` or `IPv6`.
    pub address_family: String,
    /// For how many rules it counts in a security group or route table; AWS's own have none of this.
    pub max_entries: Option<i32>,
}

impl PrefixList {
    /// The one of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// AWS's own of one of its services in the region: `s3`, `dynamodb`, `vpc-lattice`.
    pub fn of_service(service: impl Into<String>) -> Self {
        Self { service: Some(service.into()), ..Self::default() }
    }
}

impl Lookup for PrefixList {
    const NAME: &'static str = "aws:ec2:PrefixList";
    type Answer = PrefixListFacts;
}

impl Find for PrefixList {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<PrefixListFacts, CloudError>>, CloudError> {
        let all = at.sheet("prefix lists", async {
            let lists = describe::managed_prefix_lists(&at.aws.ec2(&at.cx).await?, describe::all()).await?;
            let lists = lists.into_iter().filter_map(|list| {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                Some(PrefixListFacts {
                    arn: Arn::new(text(list.prefix_list_arn())),
                    name: text(list.prefix_list_name()),
                    owner_id: text(list.owner_id()),
                    address_family: text(list.address_family()),
                    max_entries: list.max_entries(),
                    id: PrefixListId::new(list.prefix_list_id?),
                })
            });
            Ok(lists.collect::<Vec<PrefixListFacts>>())
        });
        let (all, region) = (all.await?, at.region().await?);
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let of_service = wanted.service.as_ref().map(|service| format!("com.amazonaws.{region}.{service}"));
            let fits = |list: &&PrefixListFacts| match &of_service {
                Some(name) => list.name == *name && list.owner_id == "AWS",
                None => wanted.name.as_ref() == Some(&list.name),
            };
            let fitting = all.iter().filter(fits).cloned().collect();
            answers.push(choose::one(at, "prefix list", "name", fitting, |list| list.id.to_string()).await);
        }
        Ok(answers)
    }
}
