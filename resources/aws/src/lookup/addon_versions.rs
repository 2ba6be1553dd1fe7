//! [`AddonVersions`].

use std::collections::BTreeMap;

use phx_model::CloudError;
use phx_model::lookup::Lookup;
use serde::{Deserialize, Serialize};

use super::{At, Find, choose, versions};
use crate::batch;

const PAGE: i32 = 100;

/// The versions of an EKS add-on for a version of Kubernetes: which one AWS installs if none is named, and which is the newest.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonVersions.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddonVersions {
    addon_name: String,
    kubernetes_version: String,
}

/// An add-on's versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Addon {
    /// Its name: `vpc-cni`.
    pub addon_name: String,
    /// The version that AWS installs if none is named: `v1.19.2-eksbuild.1`. Few add-ons have none.
    pub default_version: Option<String>,
    /// The newest one.
    pub latest_version: String,
    /// All of them, newest first.
    pub versions: Vec<String>,
}

impl AddonVersions {
    /// Of this add-on, for this version of Kubernetes (`1.33`).
    pub fn new(addon_name: impl Into<String>, kubernetes_version: impl Into<String>) -> Self {
        Self { addon_name: addon_name.into(), kubernetes_version: kubernetes_version.into() }
    }
}

impl Lookup for AddonVersions {
    const NAME: &'static str = "aws:eks:AddonVersions";
    type Answer = Addon;
}

impl Find for AddonVersions {
    async fn find(at: &At, wanted: Vec<Self>) -> Result<Vec<Result<Addon, CloudError>>, CloudError> {
        batch::each(wanted, |wanted| async move {
            let kubernetes = wanted.kubernetes_version.as_str();
            let all = at.sheet(&format!("add-ons of {kubernetes}"), ask(at, kubernetes)).await?;
            Ok(match all.get(&wanted.addon_name) {
                Some(addon) => Ok(addon.clone()),
                None => Err(choose::none(at, "add-on", "addon_name, kubernetes_version").await?),
            })
        })
        .await
    }
}

async fn ask(at: &At, kubernetes: &str) -> Result<BTreeMap<String, Addon>, CloudError> {
    let eks = &at.aws.eks(&at.cx).await?;
    let all = batch::pages(|token| async move {
        let request =
            eks.describe_addon_versions().kubernetes_version(kubernetes).max_results(PAGE).set_next_token(token);
        let answer = eks.read("DescribeAddonVersions", || request.clone().send()).await?;
        Ok((answer.addons.unwrap_or_default(), answer.next_token))
    });
    let mut addons: BTreeMap<String, Addon> = BTreeMap::new();
    for addon in all.await? {
        let Some(name) = addon.addon_name() else { continue };
        let is_default = |version: &aws_sdk_eks::types::AddonVersionInfo| {
            let mut compatible = version.compatibilities().iter();
            compatible.any(|c| c.default_version() && c.cluster_version().is_none_or(|v| v == kubernetes))
        };
        let default_version = addon.addon_versions().iter().find(|v| is_default(v)).and_then(|v| v.addon_version());
        let mut versions: Vec<String> =
            addon.addon_versions().iter().filter_map(|v| v.addon_version()).map(str::to_owned).collect();
        versions.sort_by(|a, b| versions::compare(b, a));
        let Some(latest_version) = versions.first().cloned() else { continue };
        let default_version = default_version.map(str::to_owned);
        let addon = Addon { addon_name: name.to_owned(), default_version, latest_version, versions };
        addons.insert(name.to_owned(), addon);
    }
    Ok(addons)
}
