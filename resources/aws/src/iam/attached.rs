//! What users and groups hold beside themselves: managed policies and inline ones. Roles have types of their own for these.

use std::collections::BTreeSet;

use aws_sdk_iam::types::{AttachedPolicy, PolicyDetail};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::value::Json;
use phx_model::{Block, CloudError, Input};

use super::{Iam, PAGE, policy};
use crate::arn::Arn;
use crate::batch;

/// Permissions written into a user or a group. <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html>
#[derive(Clone, Debug, Block)]
pub struct InlinePolicy {
    /// The policy's name, unique in the user or group.
    pub policy_name: Input<String>,
    /// The permissions: a [`PolicyDocument`](super::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub policy_document: Input<Json>,
}

/// Who holds policies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holder<'a> {
    /// A user, by name.
    User(&'a str),
    /// A group, by name.
    Group(&'a str),
}

impl Holder<'_> {
    /// Its managed policies' ARNs.
    pub(super) async fn attached(self, iam: &Iam) -> Result<Vec<Arn>, CloudError> {
        let policies = batch::pages(|marker| async move {
            let (policies, more, marker) = match self {
                Self::User(name) => {
                    let request = iam.list_attached_user_policies().user_name(name).max_items(PAGE).set_marker(marker);
                    let answer = iam.read("ListAttachedUserPolicies", || request.clone().send()).await?;
                    (answer.attached_policies, answer.is_truncated, answer.marker)
                }
                Self::Group(name) => {
                    let request =
                        iam.list_attached_group_policies().group_name(name).max_items(PAGE).set_marker(marker);
                    let answer = iam.read("ListAttachedGroupPolicies", || request.clone().send()).await?;
                    (answer.attached_policies, answer.is_truncated, answer.marker)
                }
            };
            Ok((policies.unwrap_or_default(), marker.filter(|_| more)))
        });
        Ok(arns(&policies.await?))
    }

    /// Its inline policies.
    pub(super) async fn inline(self, iam: &Iam) -> Result<Vec<InlinePolicyResolved>, CloudError> {
        let names = self.inline_names(iam).await?;
        batch::each(names, |name| async move {
            let document = match self {
                Self::User(user) => {
                    let request = iam.get_user_policy().user_name(user).policy_name(&name);
                    iam.read("GetUserPolicy", || request.clone().send()).await?.policy_document
                }
                Self::Group(group) => {
                    let request = iam.get_group_policy().group_name(group).policy_name(&name);
                    iam.read("GetGroupPolicy", || request.clone().send()).await?.policy_document
                }
            };
            Ok(InlinePolicyResolved { policy_name: name, policy_document: super::document(Some(&document)) })
        })
        .await
    }

    /// Its inline policies' names.
    pub(super) async fn inline_names(self, iam: &Iam) -> Result<Vec<String>, CloudError> {
        batch::pages(|marker| async move {
            let (names, more, marker) = match self {
                Self::User(name) => {
                    let request = iam.list_user_policies().user_name(name).max_items(PAGE).set_marker(marker);
                    let answer = iam.read("ListUserPolicies", || request.clone().send()).await?;
                    (answer.policy_names, answer.is_truncated, answer.marker)
                }
                Self::Group(name) => {
                    let request = iam.list_group_policies().group_name(name).max_items(PAGE).set_marker(marker);
                    let answer = iam.read("ListGroupPolicies", || request.clone().send()).await?;
                    (answer.policy_names, answer.is_truncated, answer.marker)
                }
            };
            Ok((names, marker.filter(|_| more)))
        })
        .await
    }

    /// Attaches and detaches managed policies.
    pub(super) async fn set_attached(
        self,
        iam: &Iam,
        cx: &Cx,
        before: Option<&Vec<Arn>>,
        after: Option<&Vec<Arn>>,
    ) -> Result<(), CloudError> {
        let before: BTreeSet<&Arn> = before.into_iter().flatten().collect();
        let after: BTreeSet<&Arn> = after.into_iter().flatten().collect();
        // The policy, the user or the group may have been made a moment ago.
        let unknown = |e: &CloudError| e.kind == ErrorKind::NotFound;
        for arn in after.difference(&before) {
            match self {
                Self::User(name) => {
                    let request = iam.attach_user_policy().user_name(name).policy_arn(arn.as_str());
                    let send = || iam.write_idempotent("AttachUserPolicy", || request.clone().send());
                    super::once_known(cx, unknown, send).await.map(drop)?;
                }
                Self::Group(name) => {
                    let request = iam.attach_group_policy().group_name(name).policy_arn(arn.as_str());
                    let send = || iam.write_idempotent("AttachGroupPolicy", || request.clone().send());
                    super::once_known(cx, unknown, send).await.map(drop)?;
                }
            }
        }
        for arn in before.difference(&after) {
            super::gone_is_done(match self {
                Self::User(name) => {
                    let request = iam.detach_user_policy().user_name(name).policy_arn(arn.as_str());
                    let send = || iam.write_idempotent("DetachUserPolicy", || request.clone().send());
                    super::change(cx, send).await.map(drop)
                }
                Self::Group(name) => {
                    let request = iam.detach_group_policy().group_name(name).policy_arn(arn.as_str());
                    let send = || iam.write_idempotent("DetachGroupPolicy", || request.clone().send());
                    super::change(cx, send).await.map(drop)
                }
            })?;
        }
        Ok(())
    }

    /// Writes and deletes inline policies.
    pub(super) async fn set_inline(
        self,
        iam: &Iam,
        cx: &Cx,
        before: Option<&Vec<InlinePolicyResolved>>,
        after: Option<&Vec<InlinePolicyResolved>>,
    ) -> Result<(), CloudError> {
        let unknown = |e: &CloudError| e.kind == ErrorKind::NotFound;
        let there = |p: &InlinePolicyResolved| before.is_some_and(|all| all.contains(p));
        for inline in after.into_iter().flatten().filter(|p| !there(p)) {
            let document = policy::text(&inline.policy_document);
            match self {
                Self::User(name) => {
                    let request = iam
                        .put_user_policy()
                        .user_name(name)
                        .policy_name(&inline.policy_name)
                        .policy_document(document);
                    let send = || iam.write_idempotent("PutUserPolicy", || request.clone().send());
                    super::once_known(cx, unknown, send).await.map(drop)?;
                }
                Self::Group(name) => {
                    let request = iam
                        .put_group_policy()
                        .group_name(name)
                        .policy_name(&inline.policy_name)
                        .policy_document(document);
                    let send = || iam.write_idempotent("PutGroupPolicy", || request.clone().send());
                    super::once_known(cx, unknown, send).await.map(drop)?;
                }
            }
        }
        let stays = |name: &str| after.into_iter().flatten().any(|p| p.policy_name == name);
        for inline in before.into_iter().flatten().filter(|p| !stays(&p.policy_name)) {
            super::gone_is_done(match self {
                Self::User(name) => {
                    let request = iam.delete_user_policy().user_name(name).policy_name(&inline.policy_name);
                    let send = || iam.write_idempotent("DeleteUserPolicy", || request.clone().send());
                    super::change(cx, send).await.map(drop)
                }
                Self::Group(name) => {
                    let request = iam.delete_group_policy().group_name(name).policy_name(&inline.policy_name);
                    let send = || iam.write_idempotent("DeleteGroupPolicy", || request.clone().send());
                    super::change(cx, send).await.map(drop)
                }
            })?;
        }
        Ok(())
    }
}

/// ARNs as an answer lists them.
pub(super) fn arns(policies: &[AttachedPolicy]) -> Vec<Arn> {
    policies.iter().filter_map(|p| p.policy_arn()).map(Arn::new).collect()
}

/// Inline policies as an answer lists them.
pub(super) fn inline(policies: &[PolicyDetail]) -> Vec<InlinePolicyResolved> {
    let one = |policy: &PolicyDetail| {
        Some(InlinePolicyResolved {
            policy_name: policy.policy_name.clone()?,
            policy_document: super::document(policy.policy_document()),
        })
    };
    policies.iter().filter_map(one).collect()
}
