//! [`ClusterVersions`].

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose, versions};
use crate::batch;

const PAGE: i32 = 100;

/// The versions of Kubernetes that EKS has: which one a new cluster gets, and how long each is supported.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeClusterVersions.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterVersions {}

/// EKS's versions of Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KubernetesVersions {
    /// The one that a new cluster gets if none is named.
    pub default_version: Option<String>,
    /// The newest one in standard support.
    pub latest_version: String,
    /// All of them, newest first.
    pub versions: Vec<ClusterVersion>,
}

/// A version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterVersion {
    /// The version: `1.33`.
    pub version: String,
    /// `STANDARD_SUPPORT`, `EXTENDED_SUPPORT` (which costs more) or `UNSUPPORTED`.
    pub status: String,
    /// When standard support ends, as seconds since 1970.
    pub end_of_standard_support: Option<i64>,
    /// When extended support ends, as seconds since 1970.
    pub end_of_extended_support: Option<i64>,
}

impl ClusterVersions {
    /// The lookup.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Lookup for ClusterVersions {
    const NAME: &'static str = "aws:eks:ClusterVersions";
    type Answer = KubernetesVersions;
}

impl Find for ClusterVersions {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<KubernetesVersions, CloudError>>, CloudError> {
        let eks = &at.aws.eks(&at.cx).await?;
        let all = batch::pages(|token| async move {
            let request = eks.describe_cluster_versions().max_results(PAGE).set_next_token(token);
            let answer = eks.read("DescribeClusterVersions", || request.clone().send()).await?;
            Ok((answer.cluster_versions.unwrap_or_default(), answer.next_token))
        });
        let all = all.await?;
        let default_version = all.iter().find(|v| v.default_version()).and_then(|v| v.cluster_version());
        let default_version = default_version.map(str::to_owned);
        let mut versions: Vec<ClusterVersion> = all
            .iter()
            .filter_map(|v| {
                Some(ClusterVersion {
                    version: v.cluster_version()?.to_owned(),
                    status: v.version_status().map(|s| s.as_str()).unwrap_or_default().to_owned(),
                    end_of_standard_support: v.end_of_standard_support_date().map(|t| t.secs()),
                    end_of_extended_support: v.end_of_extended_support_date().map(|t| t.secs()),
                })
            })
            .collect();
        versions.sort_by(|a, b| versions::compare(&b.version, &a.version));
        let latest = versions.iter().find(|v| v.status == "STANDARD_SUPPORT").or(versions.first());
        let answer = match latest.map(|v| v.version.clone()) {
            Some(latest_version) => Ok(KubernetesVersions { default_version, latest_version, versions }),
            None => Err(choose::none(at, "version of Kubernetes", "the region").await?),
        };
        Ok(wanted.iter().map(|_| answer.clone()).collect())
    }
}
