//! [`FargateProfile`].
//!
//! moto has them, instantly active, and cannot tag one that is there; states follow the service model alone.

use std::collections::BTreeMap;

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::{Block, CloudError, Outputs, Resource};

use super::{
    Eks, EksClusterName, create_named, deleted, going, issues, known, once_free, once_known, settled, split, texts,
    update_tags,
};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::ids::SubnetId;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::wait::{Stage, until};
use crate::{batch, owner};

/// Which pods of a cluster run on Fargate. A cluster makes or deletes one profile at a time; others wait for their turn.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateFargateProfile.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:FargateProfile",
    terraform = "aws_eks_fargate_profile",
    cloudformation = "AWS::EKS::FargateProfile",
    identity = NaturalKey,
    unique(cluster_name, fargate_profile_name)
)]
pub struct FargateProfile {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The name, unique in the cluster.
    #[field(replace)]
    pub fargate_profile_name: Input<String>,
    /// The role by which Fargate joins the cluster and fetches images.
    #[field(replace)]
    pub pod_execution_role_arn: Input<Arn>,
    /// Which pods run on Fargate: those that one of these, up to five, is true of.
    #[field(replace, set)]
    pub selectors: Input<Vec<FargateSelector>>,
    /// The subnets that pods stand in; private ones.
    #[field(replace, set, cloud_default)]
    pub subnets: Option<Input<Vec<SubnetId>>>,
    /// The tags.
    pub tags: Tags,
}

/// Pods that run on Fargate.
#[derive(Clone, Debug, Block)]
pub struct FargateSelector {
    /// Their Kubernetes namespace. `*` and `?` stand for any characters and for one.
    pub namespace: Input<String>,
    /// The labels that they have, all of them.
    pub labels: Option<Input<BTreeMap<String, String>>>,
}

/// What AWS decides of a [`FargateProfile`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct FargateProfileOutputs {
    /// The ARN.
    pub arn: Arn,
}

impl Manage for FargateProfile {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await.unwrap_or_else(Found::Failed)) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &FargateProfileResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let request = &eks
            .create_fargate_profile()
            .client_request_token(client_token(intent))
            .cluster_name(want.cluster_name.as_str())
            .fargate_profile_name(&want.fargate_profile_name)
            .pod_execution_role_arn(want.pod_execution_role_arn.as_str())
            .set_selectors(Some(want.selectors.iter().map(selector).collect()))
            .set_subnets(want.subnets.as_deref().map(texts))
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || async move {
            let answer = once_known(cx, || eks.write("CreateFargateProfile", || request.clone().send())).await?;
            let profile = answer.fargate_profile.as_ref().and_then(created);
            profile.ok_or_else(|| eks.unexpected("CreateFargateProfile", "the answer names no profile"))
        };
        create_named(cx, send, || Self::find(aws, cx, want, intent)).await
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &FargateProfileResolved,
    ) -> Result<Option<FargateProfileOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let what = format!("Fargate profile {id}");
        let profile = until(cx, &what, || async {
            let profile = describe(eks, cluster, name).await?.ok_or_else(|| missing(eks, id))?;
            let now = state(&profile).to_owned();
            settled(&what, &now, &problems(&profile), profile)
        });
        Ok(outputs(&profile.await?))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &FargateProfileResolved,
        change: &FargateProfileChange,
    ) -> Result<Option<FargateProfileOutputs>, CloudError> {
        // Everything else needs a new profile.
        if change.tags.is_some() {
            let eks = &aws.eks(cx).await?;
            let (cluster, name) = split(id)?;
            let profile = describe(eks, cluster, name).await?.ok_or_else(|| missing(eks, id))?;
            if let Some(arn) = profile.fargate_profile_arn() {
                update_tags(eks, arn, change.tags.as_ref()).await?;
            }
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&FargateProfileResolved>) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let request = eks.delete_fargate_profile().cluster_name(cluster).fargate_profile_name(name);
        let send = || eks.write_idempotent("DeleteFargateProfile", || request.clone().send());
        deleted(once_free(cx, send).await)?;
        let what = format!("Fargate profile {id}");
        until(cx, &what, || async {
            match describe(eks, cluster, name).await? {
                None => Ok(Stage::Ready(())),
                Some(profile) => going(&what, state(&profile), &problems(&profile)),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &FargateProfileResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let found = describe(eks, want.cluster_name.as_str(), &want.fargate_profile_name).await?;
        let Some(profile) = found.filter(|profile| state(profile) != "DELETING") else { return Ok(None) };
        let what = format!("the Fargate profile {} of the cluster {}", want.fargate_profile_name, want.cluster_name);
        owner::check(&what, &super::tag_map(profile.tags()), intent)?;
        Ok(created(&profile))
    }
}

fn selector(want: &FargateSelectorResolved) -> sdk::FargateProfileSelector {
    sdk::FargateProfileSelector::builder()
        .namespace(&want.namespace)
        .set_labels(want.labels.as_ref().map(|labels| labels.clone().into_iter().collect()))
        .build()
}

fn created(profile: &sdk::FargateProfile) -> Option<Created<FargateProfile>> {
    let id = format!("{}/{}", profile.cluster_name()?, profile.fargate_profile_name()?);
    Some(Created { id, outputs: outputs(profile)?, complete: false })
}

fn missing(eks: &Eks, id: &str) -> CloudError {
    let error = eks.unexpected("DescribeFargateProfile", format!("there is no Fargate profile {id}"));
    CloudError { kind: ErrorKind::NotFound, ..error }
}

async fn describe(eks: &Eks, cluster: &str, name: &str) -> Result<Option<sdk::FargateProfile>, CloudError> {
    let request = eks.describe_fargate_profile().cluster_name(cluster).fargate_profile_name(name);
    let answer = known(eks.read("DescribeFargateProfile", || request.clone().send()).await)?;
    Ok(answer.and_then(|answer| answer.fargate_profile))
}

async fn read(eks: &Eks, target: &Target<'_>) -> Result<Found<FargateProfile>, CloudError> {
    let (cluster, name) = split(target.id)?;
    let found = describe(eks, cluster, name).await?;
    let Some(profile) = found.filter(|profile| state(profile) != "DELETING") else { return Ok(Found::Gone) };
    match (fields(&profile), outputs(&profile)) {
        (Some(fields), Some(outputs)) => Ok(Found::present(fields, outputs)),
        _ => {
            Err(eks.unexpected("DescribeFargateProfile", format!("the answer to {} lacks a name or a role", target.id)))
        }
    }
}

fn fields(profile: &sdk::FargateProfile) -> Option<FargateProfileResolved> {
    let selector = |s: &sdk::FargateProfileSelector| {
        Some(FargateSelectorResolved {
            namespace: s.namespace.clone()?,
            labels: Some(super::tag_map(s.labels())).filter(|labels| !labels.is_empty()),
        })
    };
    Some(FargateProfileResolved {
        cluster_name: EksClusterName::new(profile.cluster_name()?),
        fargate_profile_name: profile.fargate_profile_name.clone()?,
        pod_execution_role_arn: Arn::new(profile.pod_execution_role_arn()?),
        selectors: profile.selectors().iter().filter_map(selector).collect(),
        subnets: Some(profile.subnets().iter().map(SubnetId::new).collect()),
        tags: super::tag_map(profile.tags()),
    })
}

fn state(profile: &sdk::FargateProfile) -> &str {
    profile.status().map(sdk::FargateProfileStatus::as_str).unwrap_or_default()
}

fn problems(profile: &sdk::FargateProfile) -> Vec<String> {
    issues!(profile.health())
}

fn outputs(profile: &sdk::FargateProfile) -> Option<FargateProfileOutputs> {
    Some(FargateProfileOutputs { arn: Arn::new(profile.fargate_profile_arn()?) })
}
