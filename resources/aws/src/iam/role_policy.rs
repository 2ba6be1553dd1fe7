//! `aws:iam:RolePolicy`.

use std::collections::HashMap;

use aws_sdk_iam::types::PolicyDetail;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{Iam, ONE_BY_ONE, RoleName, policy};
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner};

/// Permissions written into a role: an inline policy.
///
/// It bears no mark: one of that name that is already there is taken over if it says just what the program wants, and otherwise left alone.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:RolePolicy",
    terraform = "aws_iam_role_policy",
    cloudformation = "AWS::IAM::RolePolicy",
    identity = NaturalKey,
    unique(role_name, policy_name)
)]
pub struct RolePolicy {
    /// The role.
    #[field(replace)]
    pub role_name: Input<RoleName>,
    /// The policy's name, unique in the role.
    #[field(replace)]
    pub policy_name: Input<String>,
    /// The permissions: a [`PolicyDocument`](super::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub policy_document: Input<Json>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RolePolicyOutputs {
    /// Role and policy: `deploy/read-logs`.
    pub id: String,
}

impl Manage for RolePolicy {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let mut listed: HashMap<(String, String), PolicyDetail> = HashMap::new();
        if targets.len() > ONE_BY_ONE {
            match super::role_details(iam).await {
                Ok(roles) => {
                    let policies = roles.into_iter().flat_map(|role| {
                        let name = role.role_name.unwrap_or_default();
                        role.role_policy_list.unwrap_or_default().into_iter().map(move |p| (name.clone(), p))
                    });
                    listed = policies.filter_map(|(role, p)| Some(((role, p.policy_name.clone()?), p))).collect();
                }
                Err(error) if super::cannot_list(&error) => {
                    tracing::debug!(%error, "inline policies are read one by one");
                }
                Err(error) => return Err(error),
            }
        }
        let listed = &listed;
        batch::each(targets, |target| async move {
            let Some((role, name)) = split(target.id) else { return Ok(Found::Failed(malformed(target.id))) };
            // The list may lag behind: only IAM's answer about the one policy says that it is gone.
            Ok(match listed.get(&(role.to_owned(), name.to_owned())) {
                Some(policy) => present(target.id, role, name, policy.policy_document()),
                None => match get(iam, role, name).await {
                    Ok(text) => present(target.id, role, name, Some(&text)),
                    Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                    Err(error) => Found::Failed(error),
                },
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RolePolicyResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        // Putting it would overwrite one that is somebody else's. A role that was made just now has none.
        if !iam.is_first_in("role", want.role_name.as_str(), &want.policy_name)
            && let Some(there) = Self::find(aws, cx, want, intent).await?
        {
            return Ok(there);
        }
        put(iam, cx, want).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &RolePolicyResolved,
        _: &RolePolicyChange,
    ) -> Result<Option<RolePolicyOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        put(iam, cx, want).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RolePolicyResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        let (role, name) = split(id).ok_or_else(|| malformed(id))?;
        let request = iam.delete_role_policy().role_name(role).policy_name(name);
        super::gone_is_done(
            super::change(cx, || iam.write_idempotent("DeleteRolePolicy", || request.clone().send())).await,
        )
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RolePolicyResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let there = super::if_there(get(iam, want.role_name.as_str(), &want.policy_name).await)?;
        let Some(text) = there else { return Ok(None) };
        let there = RolePolicyResolved { policy_document: super::document(Some(&text)), ..want.clone() };
        let what = format!("the policy {} of the role {}", want.policy_name, want.role_name);
        owner::check_alike::<Self>(&what, want, &there)?;
        Ok(Some(created(want)))
    }
}

async fn put(iam: &Iam, cx: &Cx, want: &RolePolicyResolved) -> Result<(), CloudError> {
    let request = iam
        .put_role_policy()
        .role_name(want.role_name.as_str())
        .policy_name(&want.policy_name)
        .policy_document(policy::text(&want.policy_document));
    let send = || iam.write_idempotent("PutRolePolicy", || request.clone().send());
    // The role may have been made a moment ago.
    super::once_known(cx, |e| e.kind == ErrorKind::NotFound, send).await.map(drop)
}

async fn get(iam: &Iam, role: &str, name: &str) -> Result<String, CloudError> {
    let request = iam.get_role_policy().role_name(role).policy_name(name);
    Ok(iam.read("GetRolePolicy", || request.clone().send()).await?.policy_document)
}

fn created(want: &RolePolicyResolved) -> Created<RolePolicy> {
    let id = format!("{}/{}", want.role_name, want.policy_name);
    Created { outputs: RolePolicyOutputs { id: id.clone() }, id, complete: true }
}

fn present(id: &str, role: &str, name: &str, document: Option<&str>) -> Found<RolePolicy> {
    let fields = RolePolicyResolved {
        role_name: RoleName::new(role),
        policy_name: name.to_owned(),
        policy_document: super::document(document),
    };
    Found::present(fields, RolePolicyOutputs { id: id.to_owned() })
}

/// Role and policy of an id. Neither's name has a slash.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once('/').filter(|(role, name)| !role.is_empty() && !name.is_empty() && !name.contains('/'))
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no role and policy"))
        .hint("write it as ROLE/POLICY: deploy/read-logs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_role_and_policy() {
        assert_eq!(split("deploy/read-logs"), Some(("deploy", "read-logs")));
        for bad in ["deploy", "", "deploy/", "/x", "a/b/c"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
