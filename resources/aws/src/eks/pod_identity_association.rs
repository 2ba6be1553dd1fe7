//! [`PodIdentityAssociation`].
//!
//! moto has none. ministack has them, but cannot tag one that is there or take a target role or a policy away: those parts follow the service
//! model alone.

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::Json;
use phx_model::{CloudError, Outputs, Resource};

use super::{
    Eks, EksClusterName, PodIdentityAssociationId, create_named, deleted, known, once_free, once_known, split,
    update_tags,
};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::{batch, forms, owner, policy};

/// A role for the pods of one Kubernetes service account, which they take on by way of the pod identity agent.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:PodIdentityAssociation",
    terraform = "aws_eks_pod_identity_association",
    cloudformation = "AWS::EKS::PodIdentityAssociation",
    identity = NaturalKey,
    unique(cluster_name, namespace, service_account)
)]
pub struct PodIdentityAssociation {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The Kubernetes namespace of the service account.
    #[field(replace)]
    pub namespace: Input<String>,
    /// The Kubernetes service account. It need not be there yet.
    #[field(replace)]
    pub service_account: Input<String>,
    /// The role. `pods.eks.amazonaws.com` must be allowed to take it on and to tag the session.
    pub role_arn: Input<Arn>,
    /// Whether sessions go without the tags that name cluster, namespace, service account and pod. EKS's default: no.
    #[field(cloud_default)]
    pub disable_session_tags: Option<Input<bool>>,
    /// Another role, perhaps of another account, that is taken on from `role_arn` and given to the pods in its place.
    pub target_role_arn: Option<Input<Arn>>,
    /// A policy beyond which the pods' rights never go. It needs `disable_session_tags`.
    #[field(json, normalize = policy::canonical)]
    pub policy: Option<Input<Json>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides of a [`PodIdentityAssociation`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct PodIdentityAssociationOutputs {
    /// The id: `a-0a1b`.
    pub id: PodIdentityAssociationId,
    /// The ARN.
    pub arn: Arn,
    /// What the target role's trust policy compares with `sts:ExternalId`.
    #[output(volatile)]
    pub external_id: Option<String>,
}

impl Manage for PodIdentityAssociation {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await.unwrap_or_else(Found::Failed)) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &PodIdentityAssociationResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let request = &eks
            .create_pod_identity_association()
            .client_request_token(client_token(intent))
            .cluster_name(want.cluster_name.as_str())
            .namespace(&want.namespace)
            .service_account(&want.service_account)
            .role_arn(want.role_arn.as_str())
            .set_disable_session_tags(want.disable_session_tags)
            .set_target_role_arn(want.target_role_arn.as_ref().map(Arn::to_string))
            .set_policy(want.policy.as_ref().map(forms::text))
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || async move {
            let send = || eks.write("CreatePodIdentityAssociation", || request.clone().send());
            let answer = once_known(cx, send).await?;
            let made = answer.association.as_ref().and_then(created);
            made.ok_or_else(|| eks.unexpected("CreatePodIdentityAssociation", "the answer names no association"))
        };
        create_named(cx, send, || Self::find(aws, cx, want, intent)).await
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &PodIdentityAssociationResolved,
        change: &PodIdentityAssociationChange,
    ) -> Result<Option<PodIdentityAssociationOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, association_id) = split(id)?;
        let now = describe(eks, cluster, association_id).await?.ok_or_else(|| CloudError {
            kind: ErrorKind::NotFound,
            ..eks.unexpected("DescribePodIdentityAssociation", format!("there is no association {id}"))
        })?;
        if let Some(arn) = now.association_arn() {
            update_tags(eks, arn, change.tags.as_ref()).await?;
        }
        let (target, session_policy) = (&change.target_role_arn, &change.policy);
        let role = change.role_arn.is_some();
        if !role && change.disable_session_tags.is_none() && target.is_none() && session_policy.is_none() {
            return Ok(None);
        }
        // What is left out stays as it is. A target role and a policy are taken away by naming an empty one.
        let request = eks
            .update_pod_identity_association()
            .cluster_name(cluster)
            .association_id(association_id)
            .set_role_arn(role.then(|| want.role_arn.to_string()))
            .set_disable_session_tags(want.disable_session_tags)
            .set_target_role_arn(target.as_ref().map(|t| t.after.as_ref().map(Arn::to_string).unwrap_or_default()))
            .set_policy(session_policy.as_ref().map(|p| p.after.as_ref().map(forms::text).unwrap_or_default()))
            .client_request_token(super::token());
        let send = || eks.write_idempotent("UpdatePodIdentityAssociation", || request.clone().send());
        let answer = once_free(cx, || once_known(cx, send)).await?;
        Ok(answer.association.as_ref().and_then(outputs))
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: Option<&PodIdentityAssociationResolved>,
    ) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, association_id) = split(id)?;
        let request = eks.delete_pod_identity_association().cluster_name(cluster).association_id(association_id);
        let send = || eks.write_idempotent("DeletePodIdentityAssociation", || request.clone().send());
        deleted(once_free(cx, send).await)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &PodIdentityAssociationResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let cluster = want.cluster_name.as_str();
        let request = eks
            .list_pod_identity_associations()
            .cluster_name(cluster)
            .namespace(&want.namespace)
            .service_account(&want.service_account);
        let answer = known(eks.read("ListPodIdentityAssociations", || request.clone().send()).await)?;
        let wanted = |a: &sdk::PodIdentityAssociationSummary| {
            a.namespace() == Some(&want.namespace) && a.service_account() == Some(&want.service_account)
        };
        let listed = answer.and_then(|answer| answer.associations).unwrap_or_default().into_iter().find(wanted);
        let Some(id) = listed.and_then(|a| a.association_id) else { return Ok(None) };
        let Some(association) = describe(eks, cluster, &id).await? else { return Ok(None) };
        let what = format!("the association of the service account {}/{}", want.namespace, want.service_account);
        owner::check(&what, &super::tag_map(association.tags()), intent)?;
        Ok(created(&association))
    }
}

fn created(association: &sdk::PodIdentityAssociation) -> Option<Created<PodIdentityAssociation>> {
    let id = format!("{}/{}", association.cluster_name()?, association.association_id()?);
    Some(Created { id, outputs: outputs(association)?, complete: true })
}

/// Reads one association; `None` if it is not there.
pub(crate) async fn describe(
    eks: &Eks,
    cluster: &str,
    id: &str,
) -> Result<Option<sdk::PodIdentityAssociation>, CloudError> {
    let request = eks.describe_pod_identity_association().cluster_name(cluster).association_id(id);
    let answer = known(eks.read("DescribePodIdentityAssociation", || request.clone().send()).await)?;
    Ok(answer.and_then(|answer| answer.association))
}

async fn read(eks: &Eks, target: &Target<'_>) -> Result<Found<PodIdentityAssociation>, CloudError> {
    let (cluster, id) = split(target.id)?;
    let Some(association) = describe(eks, cluster, id).await? else { return Ok(Found::Gone) };
    match (fields(&association), outputs(&association)) {
        (Some(fields), Some(outputs)) => Ok(Found::present(fields, outputs)),
        _ => {
            let message = format!("the answer to {id} lacks an ARN, a role or a service account");
            Err(eks.unexpected("DescribePodIdentityAssociation", message))
        }
    }
}

fn fields(association: &sdk::PodIdentityAssociation) -> Option<PodIdentityAssociationResolved> {
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    Some(PodIdentityAssociationResolved {
        cluster_name: EksClusterName::new(association.cluster_name()?),
        namespace: association.namespace.clone()?,
        service_account: association.service_account.clone()?,
        role_arn: Arn::new(association.role_arn()?),
        disable_session_tags: association.disable_session_tags(),
        target_role_arn: text(association.target_role_arn()).map(Arn::new),
        policy: forms::document(association.policy()),
        tags: super::tag_map(association.tags()),
    })
}

fn outputs(association: &sdk::PodIdentityAssociation) -> Option<PodIdentityAssociationOutputs> {
    Some(PodIdentityAssociationOutputs {
        id: PodIdentityAssociationId::new(association.association_id()?),
        arn: Arn::new(association.association_arn()?),
        external_id: association.external_id.clone().filter(|id| !id.is_empty()),
    })
}
