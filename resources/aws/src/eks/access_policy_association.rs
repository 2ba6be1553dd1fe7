//! [`AccessPolicyAssociation`].
//!
//! moto has none; ministack has them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Input;
use phx_model::{Block, CloudError, Outputs, Resource};

use super::{Eks, EksClusterName, deleted, known, once_free};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner, wait};

/// An access entry that was just made may be unknown for about as long.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);

/// One of EKS's access policies given to a role or user that has an access entry.
///
/// It bears no mark: one that is already there with the same scope is taken over, and deleting it takes the policy away, whoever gave it.
///
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_AssociateAccessPolicy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:AccessPolicyAssociation",
    terraform = "aws_eks_access_policy_association",
    identity = NaturalKey,
    unique(cluster_name, principal_arn, policy_arn),
    vanishes_with(cluster_name)
)]
pub struct AccessPolicyAssociation {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The role or user: the output `principal_arn` of its access entry, so that the entry is made before.
    #[field(replace)]
    pub principal_arn: Input<Arn>,
    /// The policy: `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy` and others that `aws eks list-access-policies` names.
    #[field(replace)]
    pub policy_arn: Input<Arn>,
    /// Where in the cluster it holds.
    pub access_scope: Input<AccessScope>,
}

/// Where in a cluster an access policy holds.
#[derive(Clone, Debug, Block)]
pub struct AccessScope {
    /// `cluster` (everywhere) or `namespace`.
    pub r#type: Input<String>,
    /// The Kubernetes namespaces, where it is `namespace`.
    #[field(set)]
    pub namespaces: Option<Input<Vec<String>>>,
}

/// What AWS decides of an [`AccessPolicyAssociation`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AccessPolicyAssociationOutputs {
    /// Cluster, principal and policy: `demo/arn:aws:iam::123456789012:role/ops/arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`.
    pub id: String,
}

/// A cluster and a role or user.
type Entry<'a> = (&'a str, &'a str);

impl Manage for AccessPolicyAssociation {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let entries: BTreeSet<Entry<'_>> = targets.iter().filter_map(|t| entry(t.id)).collect();
        let asked = batch::each(entries, |entry| async move { Ok((entry, policies(eks, entry).await)) }).await?;
        let asked: HashMap<Entry<'_>, _> = asked.into_iter().collect();
        Ok(targets.iter().map(|target| found(target.id, &asked)).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &AccessPolicyAssociationResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        // Associating a policy that is already associated would change its scope, which may be somebody else's.
        if let Some(there) = Self::find(aws, cx, want, intent).await? {
            return Ok(there);
        }
        associate(&aws.eks(cx).await?, cx, want).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &AccessPolicyAssociationResolved,
        change: &AccessPolicyAssociationChange,
    ) -> Result<Option<AccessPolicyAssociationOutputs>, CloudError> {
        // Associated again, the policy has the new scope.
        if change.access_scope.is_some() {
            associate(&aws.eks(cx).await?, cx, want).await?;
        }
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: Option<&AccessPolicyAssociationResolved>,
    ) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, principal, policy) = split(id).ok_or_else(|| malformed(id))?;
        let request =
            eks.disassociate_access_policy().cluster_name(cluster).principal_arn(principal).policy_arn(policy);
        let send = || eks.write_idempotent("DisassociateAccessPolicy", || request.clone().send());
        deleted(once_free(cx, send).await)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AccessPolicyAssociationResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let policies = policies(eks, (want.cluster_name.as_str(), want.principal_arn.as_str())).await?;
        let Some(there) = policies.iter().find(|p| p.policy_arn() == Some(want.policy_arn.as_str())) else {
            return Ok(None);
        };
        let there = AccessPolicyAssociationResolved { access_scope: scope(there), ..want.clone() };
        let what = format!("the association of {} with {}", want.policy_arn, want.principal_arn);
        owner::check_alike::<Self>(&what, want, &there)?;
        Ok(Some(created(want)))
    }
}

async fn associate(eks: &Eks, cx: &Cx, want: &AccessPolicyAssociationResolved) -> Result<(), CloudError> {
    let scope = sdk::AccessScope::builder()
        .r#type(want.access_scope.r#type.as_str().into())
        .set_namespaces(want.access_scope.namespaces.clone())
        .build();
    let request = eks
        .associate_access_policy()
        .cluster_name(want.cluster_name.as_str())
        .principal_arn(want.principal_arn.as_str())
        .policy_arn(want.policy_arn.as_str())
        .access_scope(scope);
    let send = || eks.write_idempotent("AssociateAccessPolicy", || request.clone().send());
    let send = || wait::eventually(cx, UNTIL_KNOWN, |e| e.kind == ErrorKind::NotFound, send);
    let done = once_free(cx, send).await.map(drop);
    done.map_err(|error| match error.kind {
        ErrorKind::NotFound => error.hint(
            "a policy is given to an access entry: declare one for this principal, and refer to its principal_arn",
        ),
        _ => error,
    })
}

fn created(want: &AccessPolicyAssociationResolved) -> Created<AccessPolicyAssociation> {
    let id = format!("{}/{}/{}", want.cluster_name, want.principal_arn, want.policy_arn);
    Created { outputs: AccessPolicyAssociationOutputs { id: id.clone() }, id, complete: true }
}

/// Cluster, principal and policy of an id. A principal's ARN may have slashes.
fn split(id: &str) -> Option<(&str, &str, &str)> {
    let (cluster, rest) = id.split_once('/').filter(|(cluster, _)| !cluster.is_empty())?;
    let at = rest.rfind("/arn:")?;
    let (principal, policy) = (&rest[..at], &rest[at + 1..]);
    principal.starts_with("arn:").then_some((cluster, principal, policy))
}

fn entry(id: &str) -> Option<Entry<'_>> {
    split(id).map(|(cluster, principal, _)| (cluster, principal))
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no cluster, principal and policy"))
        .hint("write it as CLUSTER/PRINCIPAL-ARN/POLICY-ARN")
}

/// The policies of one entry. An entry that is not there has none.
async fn policies(eks: &Eks, (cluster, principal): Entry<'_>) -> Result<Vec<sdk::AssociatedAccessPolicy>, CloudError> {
    let listed = batch::pages(|token| async move {
        let request =
            eks.list_associated_access_policies().cluster_name(cluster).principal_arn(principal).set_next_token(token);
        let answer = eks.read("ListAssociatedAccessPolicies", || request.clone().send()).await?;
        Ok((answer.associated_access_policies.unwrap_or_default(), answer.next_token))
    });
    known(listed.await).map(Option::unwrap_or_default)
}

fn found(
    id: &str,
    asked: &HashMap<Entry<'_>, Result<Vec<sdk::AssociatedAccessPolicy>, CloudError>>,
) -> Found<AccessPolicyAssociation> {
    let Some((cluster, principal, policy)) = split(id) else { return Found::Failed(malformed(id)) };
    let associated = match asked.get(&(cluster, principal)) {
        Some(Ok(policies)) => policies.iter().find(|p| p.policy_arn() == Some(policy)),
        Some(Err(error)) => return Found::Failed(error.clone()),
        None => None,
    };
    let Some(associated) = associated else { return Found::Gone };
    let fields = AccessPolicyAssociationResolved {
        cluster_name: EksClusterName::new(cluster),
        principal_arn: Arn::new(principal),
        policy_arn: Arn::new(policy),
        access_scope: scope(associated),
    };
    Found::present(fields, AccessPolicyAssociationOutputs { id: id.to_owned() })
}

fn scope(associated: &sdk::AssociatedAccessPolicy) -> AccessScopeResolved {
    let scope = associated.access_scope();
    AccessScopeResolved {
        r#type: scope.and_then(|s| s.r#type()).map(|t| t.as_str().to_owned()).unwrap_or_default(),
        namespaces: scope.map(|s| s.namespaces().to_vec()).filter(|n| !n.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";

    #[test]
    fn an_id_is_cluster_principal_and_policy() {
        let principal = "arn:aws:iam::123456789012:role/team/ops";
        assert_eq!(split(&format!("demo/{principal}/{VIEW}")), Some(("demo", principal, VIEW)));
        for bad in ["demo", "", "demo/ops", &format!("demo/{VIEW}"), &format!("demo/ops/{VIEW}"), "/arn:a/arn:b"] {
            assert_eq!(split(bad), None, "{bad}");
            assert!(matches!(found(bad, &HashMap::new()), Found::Failed(e) if e.kind == ErrorKind::Invalid));
        }
    }

    #[test]
    fn what_is_not_known_is_not_gone() {
        let slow = CloudError::local(ErrorKind::Throttled, "slow down");
        let view = sdk::AssociatedAccessPolicy::builder().policy_arn(VIEW).build();
        let asked = HashMap::from([(("demo", "arn:a"), Ok(vec![view])), (("demo", "arn:b"), Err(slow))]);
        assert!(matches!(found(&format!("demo/arn:a/{VIEW}"), &asked), Found::Present { .. }));
        assert!(matches!(found("demo/arn:a/arn:other", &asked), Found::Gone));
        assert!(matches!(found(&format!("demo/arn:b/{VIEW}"), &asked), Found::Failed(_)));
    }
}
