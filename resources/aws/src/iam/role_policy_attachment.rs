//! `aws:iam:RolePolicyAttachment`.

use std::collections::{BTreeSet, HashMap, HashSet};

use aws_sdk_iam::types::RoleDetail;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{Iam, ONE_BY_ONE, RoleName};
use crate::arn::Arn;
use crate::batch;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// A managed policy's permissions given to a role.
///
/// An attachment bears no mark, and a policy is attached to a role or it is not: one that is already there is taken over, and deleting
/// it detaches the policy, whoever attached it.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:RolePolicyAttachment",
    terraform = "aws_iam_role_policy_attachment",
    identity = NaturalKey,
    unique(role_name, policy_arn)
)]
pub struct RolePolicyAttachment {
    /// The role.
    #[field(replace)]
    pub role_name: Input<RoleName>,
    /// The policy, AWS's or the account's own.
    #[field(replace)]
    pub policy_arn: Input<Arn>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RolePolicyAttachmentOutputs {
    /// Role and policy: `deploy/arn:aws:iam::aws:policy/ReadOnlyAccess`.
    pub id: String,
}

/// Role and policy, by role.
type Attached = HashMap<String, Result<HashSet<String>, CloudError>>;

impl Manage for RolePolicyAttachment {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let roles: BTreeSet<&str> = targets.iter().filter_map(|t| Some(split(t.id)?.0)).collect();
        let mut attached = Attached::new();
        if roles.len() > ONE_BY_ONE {
            match super::role_details(iam).await {
                Ok(details) => attached = by_role(&details),
                Err(error) if super::cannot_list(&error) => {
                    tracing::debug!(%error, "attached policies are read role by role");
                }
                Err(error) => return Err(error),
            }
        }
        // The list may lag behind: only IAM's answer about the one role says that a policy is not attached.
        let unclear: BTreeSet<&str> = targets
            .iter()
            .filter_map(|t| split(t.id))
            .filter(|(role, policy)| !matches!(attached.get(*role), Some(Ok(policies)) if policies.contains(*policy)))
            .map(|(role, _)| role)
            .collect();
        let asked = batch::each(unclear, |role| async move { Ok((role.to_owned(), ask(iam, role).await)) }).await?;
        attached.extend(asked);
        Ok(targets.iter().map(|target| found(target.id, &attached)).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RolePolicyAttachmentResolved,
        _intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam.attach_role_policy().role_name(want.role_name.as_str()).policy_arn(want.policy_arn.as_str());
        let send = || iam.write_idempotent("AttachRolePolicy", || request.clone().send());
        // The role or the policy may have been made a moment ago.
        super::once_known(cx, |e| e.kind == ErrorKind::NotFound, send).await?;
        Ok(created(want))
    }

    async fn update(
        _aws: &Aws,
        _cx: &Cx,
        _id: &str,
        _want: &RolePolicyAttachmentResolved,
        _change: &RolePolicyAttachmentChange,
    ) -> Result<Option<RolePolicyAttachmentOutputs>, CloudError> {
        // Every change needs a new attachment.
        Ok(None)
    }

    async fn delete(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _was: Option<&RolePolicyAttachmentResolved>,
    ) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        let (role, policy) = split(id).ok_or_else(|| malformed(id))?;
        let request = iam.detach_role_policy().role_name(role).policy_arn(policy);
        let send = || iam.write_idempotent("DetachRolePolicy", || request.clone().send());
        match super::once_known(cx, |_| false, send).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RolePolicyAttachmentResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let policies = ask(iam, want.role_name.as_str()).await?;
        Ok(policies.contains(want.policy_arn.as_str()).then(|| created(want)))
    }
}

fn created(want: &RolePolicyAttachmentResolved) -> Created<RolePolicyAttachment> {
    let id = format!("{}/{}", want.role_name, want.policy_arn);
    Created { outputs: RolePolicyAttachmentOutputs { id: id.clone() }, id, complete: true }
}

/// Role and policy of an id: `deploy/arn:aws:iam::aws:policy/ReadOnlyAccess`. A role's name has no slash.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once('/').filter(|(role, policy)| !role.is_empty() && policy.starts_with("arn:"))
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no role and policy"))
        .hint("write it as ROLE/POLICY-ARN: deploy/arn:aws:iam::aws:policy/ReadOnlyAccess")
}

/// What is attached to one role. To a role that is not there, nothing is.
async fn ask(iam: &Iam, role: &str) -> Result<HashSet<String>, CloudError> {
    match super::attached_policies(iam, role).await {
        Ok(policies) => Ok(policies.into_iter().collect()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

fn by_role(details: &[RoleDetail]) -> Attached {
    let policies = |detail: &RoleDetail| {
        detail.attached_managed_policies().iter().filter_map(|p| p.policy_arn()).map(str::to_owned).collect()
    };
    details.iter().filter_map(|d| Some((d.role_name()?.to_owned(), Ok(policies(d))))).collect()
}

fn found(id: &str, attached: &Attached) -> Found<RolePolicyAttachment> {
    let Some((role, policy)) = split(id) else { return Found::Failed(malformed(id)) };
    match attached.get(role) {
        Some(Ok(policies)) if policies.contains(policy) => Found::present(
            RolePolicyAttachmentResolved { role_name: RoleName::new(role), policy_arn: Arn::new(policy) },
            RolePolicyAttachmentOutputs { id: id.to_owned() },
        ),
        Some(Err(error)) => Found::Failed(error.clone()),
        _ => Found::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_iam::types::AttachedPolicy;

    const READ: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

    #[test]
    fn an_id_is_role_and_policy() {
        assert_eq!(split(&format!("deploy/{READ}")), Some(("deploy", READ)));
        let own = "arn:aws:iam::123456789012:policy/team/deploy";
        assert_eq!(split(&format!("a+b@c/{own}")), Some(("a+b@c", own)));
        for bad in ["deploy", "", "deploy/", "/arn:aws:iam::aws:policy/x", "deploy/ReadOnlyAccess"] {
            assert_eq!(split(bad), None, "{bad}");
            assert!(matches!(found(bad, &Attached::new()), Found::Failed(e) if e.kind == ErrorKind::Invalid));
        }
        let want = RolePolicyAttachmentResolved { role_name: RoleName::new("deploy"), policy_arn: Arn::new(READ) };
        assert_eq!(split(&created(&want).id), Some(("deploy", READ)));
    }

    #[test]
    fn what_is_listed_is_there_and_what_failed_is_not_gone() {
        let policy = AttachedPolicy::builder().policy_arn(READ).build();
        let detail = RoleDetail::builder().role_name("deploy").attached_managed_policies(policy).build();
        let mut attached = by_role(&[detail]);
        attached.insert("other".into(), Err(CloudError::local(ErrorKind::Throttled, "slow down")));
        let look = |id: &str| found(id, &attached);
        assert!(matches!(look(&format!("deploy/{READ}")), Found::Present { .. }));
        assert!(matches!(look("deploy/arn:aws:iam::aws:policy/Other"), Found::Gone));
        assert!(matches!(look(&format!("other/{READ}")), Found::Failed(e) if e.kind == ErrorKind::Throttled));
        assert!(matches!(look(&format!("missing/{READ}")), Found::Gone));
    }
}
