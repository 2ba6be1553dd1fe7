//! [`Partition`].

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find};
use crate::arn::partition;

/// The region, and the partition of AWS that it lies in. AWS is not asked: the region is the stack's, or the provider context's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partition {}

/// A region's partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionFacts {
    /// The region: `us-west-2`.
    pub region: String,
    /// The second part of every ARN: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The end of the names of its services' hosts: `amazonaws.com`.
    pub dns_suffix: String,
}

impl Partition {
    /// The lookup.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Lookup for Partition {
    const NAME: &'static str = "aws:Partition";
    type Answer = PartitionFacts;
}

/// <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json> has them for the SDKs.
fn dns_suffix(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

impl Find for Partition {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<PartitionFacts, CloudError>>, CloudError> {
        let region = at.region().await?;
        let name = partition(&region);
        let facts = PartitionFacts { region, partition: name.to_owned(), dns_suffix: dns_suffix(name).to_owned() };
        Ok(wanted.iter().map(|_| Ok(facts.clone())).collect())
    }
}
