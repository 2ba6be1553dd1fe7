//! [`AccessEntry`].
//!
//! moto has none. ministack has them; tags that are set later it keeps apart from the entry, and it invents no username, so those follow the
//! service model alone.

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{CloudError, Outputs, Resource};

use super::{Eks, EksClusterName, create_named, deleted, known, once_free, once_known, split, update_tags};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::{batch, owner};

/// What a role or user of IAM is to a cluster's Kubernetes. The cluster's `authentication_mode` must allow it.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:AccessEntry",
    terraform = "aws_eks_access_entry",
    cloudformation = "AWS::EKS::AccessEntry",
    identity = NaturalKey,
    unique(cluster_name, principal_arn),
    vanishes_with(cluster_name)
)]
pub struct AccessEntry {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The role or user.
    #[field(replace)]
    pub principal_arn: Input<Arn>,
    /// The Kubernetes groups that it belongs to.
    #[field(set)]
    pub kubernetes_groups: Option<Input<Vec<String>>>,
    /// Its name in Kubernetes. Unset, EKS makes one of the ARN.
    #[field(cloud_default)]
    pub username: Option<Input<String>>,
    /// `STANDARD` (the default), or what nodes there are of this role: `EC2_LINUX`, `EC2_WINDOWS`, `EC2`, `FARGATE_LINUX`, `HYBRID_LINUX`,
    /// `HYPERPOD_LINUX`.
    #[field(replace, cloud_default)]
    pub r#type: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides of an [`AccessEntry`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AccessEntryOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The role or user. An association of an access policy that refers to this output is made when the entry is there.
    pub principal_arn: Arn,
    /// Its name in Kubernetes.
    #[output(volatile)]
    pub username: Option<String>,
}

impl Manage for AccessEntry {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await.unwrap_or_else(Found::Failed)) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &AccessEntryResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let request = &eks
            .create_access_entry()
            .client_request_token(client_token(intent))
            .cluster_name(want.cluster_name.as_str())
            .principal_arn(want.principal_arn.as_str())
            .set_kubernetes_groups(want.kubernetes_groups.clone())
            .set_username(want.username.clone())
            .set_type(want.r#type.clone())
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || async move {
            let answer = once_known(cx, || eks.write("CreateAccessEntry", || request.clone().send())).await?;
            let entry = answer.access_entry.as_ref().and_then(created);
            entry.ok_or_else(|| eks.unexpected("CreateAccessEntry", "the answer names no entry"))
        };
        create_named(cx, send, || Self::find(aws, cx, want, intent)).await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &AccessEntryResolved,
        change: &AccessEntryChange,
    ) -> Result<Option<AccessEntryOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, principal) = split(id)?;
        let entry = describe(eks, cluster, principal).await?.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..eks.unexpected("DescribeAccessEntry", format!("there is no access entry {id}"))
        })?;
        if let Some(arn) = entry.access_entry_arn() {
            update_tags(eks, arn, change.tags.as_ref()).await?;
        }
        if change.kubernetes_groups.is_none() && change.username.is_none() {
            return Ok(None);
        }
        // Groups and name are set together: what the program never set of them is sent as it is.
        let groups = match (&change.kubernetes_groups, &want.kubernetes_groups) {
            (None, None) => entry.kubernetes_groups.clone().filter(|_| is_standard(&entry)),
            (_, groups) => Some(groups.clone().unwrap_or_default()),
        };
        let there = entry.username.clone().filter(|name| is_standard(&entry) && !name.is_empty());
        let request = eks
            .update_access_entry()
            .cluster_name(cluster)
            .principal_arn(principal)
            .set_kubernetes_groups(groups)
            .set_username(want.username.clone().or(there))
            .client_request_token(super::token());
        let send = || eks.write_idempotent("UpdateAccessEntry", || request.clone().send());
        let answer = once_free(cx, send).await?;
        Ok(answer.access_entry.as_ref().and_then(outputs))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&AccessEntryResolved>) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, principal) = split(id)?;
        let request = eks.delete_access_entry().cluster_name(cluster).principal_arn(principal);
        let send = || eks.write_idempotent("DeleteAccessEntry", || request.clone().send());
        deleted(once_free(cx, send).await)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AccessEntryResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let found = describe(eks, want.cluster_name.as_str(), want.principal_arn.as_str()).await?;
        let Some(entry) = found else { return Ok(None) };
        let what = format!("the access entry of {} in the cluster {}", want.principal_arn, want.cluster_name);
        owner::check(&what, &super::tag_map(entry.tags()), intent)?;
        Ok(created(&entry))
    }
}

fn created(entry: &sdk::AccessEntry) -> Option<Created<AccessEntry>> {
    let id = format!("{}/{}", entry.cluster_name()?, entry.principal_arn()?);
    Some(Created { id, outputs: outputs(entry)?, complete: true })
}

async fn describe(eks: &Eks, cluster: &str, principal: &str) -> Result<Option<sdk::AccessEntry>, CloudError> {
    let request = eks.describe_access_entry().cluster_name(cluster).principal_arn(principal);
    let answer = known(eks.read("DescribeAccessEntry", || request.clone().send()).await)?;
    Ok(answer.and_then(|answer| answer.access_entry))
}

async fn read(eks: &Eks, target: &Target<'_>) -> Result<Found<AccessEntry>, CloudError> {
    let (cluster, principal) = split(target.id)?;
    let Some(entry) = describe(eks, cluster, principal).await? else { return Ok(Found::Gone) };
    match (fields(&entry), outputs(&entry)) {
        (Some(fields), Some(outputs)) => Ok(Found::present(fields, outputs)),
        _ => Err(eks.unexpected("DescribeAccessEntry", format!("the answer to {} names no entry", target.id))),
    }
}

/// Whether an entry says itself what its groups and its name are. Those of an entry of nodes are EKS's own, and cannot be said.
fn is_standard(entry: &sdk::AccessEntry) -> bool {
    entry.r#type().is_none_or(|kind| kind == "STANDARD")
}

fn fields(entry: &sdk::AccessEntry) -> Option<AccessEntryResolved> {
    Some(AccessEntryResolved {
        cluster_name: EksClusterName::new(entry.cluster_name()?),
        principal_arn: Arn::new(entry.principal_arn()?),
        kubernetes_groups: entry.kubernetes_groups.clone().filter(|_| is_standard(entry)),
        username: entry.username.clone().filter(|name| !name.is_empty()),
        r#type: entry.r#type.clone(),
        tags: super::tag_map(entry.tags()),
    })
}

fn outputs(entry: &sdk::AccessEntry) -> Option<AccessEntryOutputs> {
    Some(AccessEntryOutputs {
        arn: Arn::new(entry.access_entry_arn()?),
        principal_arn: Arn::new(entry.principal_arn()?),
        username: entry.username.clone().filter(|name| !name.is_empty()),
    })
}
