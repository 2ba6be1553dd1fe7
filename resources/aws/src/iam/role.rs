//! `aws:iam:Role`.

use std::collections::HashMap;

use aws_sdk_iam::types::{AttachedPermissionsBoundary, Role as Shown, RoleDetail};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::value::Json;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{Iam, ONE_BY_ONE, PAGE, RoleName, UNTIL_FREE, policy};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// What IAM sets when nothing is said.
const DEFAULT_SESSION: i32 = 3600;

/// An identity with permissions that AWS's services, other accounts and federated users can take on.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:Role",
    terraform = "aws_iam_role",
    cloudformation = "AWS::IAM::Role",
    identity = NaturalKey,
    unique(role_name)
)]
pub struct Role {
    /// The name, unique in the account whatever the path.
    #[field(replace)]
    pub role_name: Input<String>,
    /// Who may take on the role: a [`PolicyDocument`](super::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub assume_role_policy_document: Input<Json>,
    /// Where the role stands in the account's own order of things: `/service/`. Unset, it is `/`.
    #[field(replace, cloud_default)]
    pub path: Option<Input<String>>,
    /// What the role is for.
    pub description: Option<Input<String>>,
    /// The longest session in seconds that may be asked for, from 3600 (which it is unset) to 43200.
    #[field(cloud_default)]
    pub max_session_duration: Option<Input<i32>>,
    /// The policy beyond which the role's permissions never go.
    pub permissions_boundary: Option<Input<Arn>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RoleOutputs {
    /// The name, by which other types refer to the role.
    pub role_name: RoleName,
    /// The ARN.
    pub arn: Arn,
    /// The id, which no other role will ever have, even one of the same name: `AROA1234567890EXAMPLE`.
    pub role_id: String,
}

impl Manage for Role {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if targets.len() > ONE_BY_ONE {
            match listed(iam, targets).await {
                Err(error) if super::cannot_list(&error) => tracing::debug!(%error, "roles are read one by one"),
                answer => return answer,
            }
        }
        batch::each(targets, |target| async { Ok(read(iam, target.id).await) }).await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &RoleResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam
            .create_role()
            .role_name(&want.role_name)
            .assume_role_policy_document(policy::text(&want.assume_role_policy_document))
            .set_path(want.path.clone())
            .set_description(want.description.clone())
            .set_max_session_duration(want.max_session_duration)
            .set_permissions_boundary(want.permissions_boundary.as_ref().map(Arn::to_string))
            .set_tags(Some(super::to_tags(&with_intent(&want.tags, intent))?));
        let send = || iam.write("CreateRole", || request.clone().send());
        // The boundary, too, may have been made a moment ago.
        let bounded = want.permissions_boundary.is_some();
        let unknown = |e: &CloudError| unknown_principal(e) || (bounded && e.kind == ErrorKind::NotFound);
        let answer = match super::once_known(cx, unknown, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let role = answer.role.ok_or_else(|| iam.unexpected("CreateRole", "the answer holds no role"))?;
        iam.note_made("role", role.role_name());
        Ok(created(role))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &RoleResolved,
        change: &RoleChange,
    ) -> Result<Option<RoleOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if change.assume_role_policy_document.is_some() {
            let document = policy::text(&want.assume_role_policy_document);
            let request = iam.update_assume_role_policy().role_name(id).policy_document(document);
            let send = || iam.write_idempotent("UpdateAssumeRolePolicy", || request.clone().send());
            super::once_known(cx, unknown_principal, send).await?;
        }
        if change.description.is_some() || change.max_session_duration.is_some() {
            let now = get(iam, id).await?;
            let request = iam
                .update_role()
                .role_name(id)
                .set_description(described(want, change, &now))
                .max_session_duration(session(want, change, &now));
            let send = || iam.write_idempotent("UpdateRole", || request.clone().send());
            super::once_known(cx, |_| false, send).await?;
        }
        match &change.permissions_boundary {
            Some(FieldChange { after: Some(arn), .. }) => {
                let request = iam.put_role_permissions_boundary().role_name(id).permissions_boundary(arn.as_str());
                let send = || iam.write_idempotent("PutRolePermissionsBoundary", || request.clone().send());
                super::once_known(cx, |e| e.kind == ErrorKind::NotFound, send).await?;
            }
            Some(FieldChange { after: None, .. }) => {
                let request = iam.delete_role_permissions_boundary().role_name(id);
                let send = || iam.write_idempotent("DeleteRolePermissionsBoundary", || request.clone().send());
                super::gone_is_done(super::change(cx, send).await)?;
            }
            None => {}
        }
        if let Some(change) = &change.tags {
            update_tags(iam, cx, id, &TagDelta::of(change)).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&RoleResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam.delete_role().role_name(id);
        // What is only just detached may hold the role for a moment; then nothing is listed any more, and no hint is given.
        let passing = |e: &CloudError| super::is_concurrent(e) || (e.kind == ErrorKind::InUse && e.hint.is_none());
        let deleted = wait::eventually(cx, UNTIL_FREE, passing, || async {
            match iam.write_idempotent("DeleteRole", || request.clone().send()).await {
                Err(error) if error.kind == ErrorKind::InUse => {
                    let holders = super::as_told(holders(iam, id)).await;
                    Err(CloudError { hint: hint(&holders), ..error })
                }
                answer => answer,
            }
        });
        match deleted.await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RoleResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        match get(iam, &want.role_name).await {
            Ok(role) => {
                owner::check(&format!("the role {}", want.role_name), &super::from_tags(role.tags()), intent)?;
                Ok(Some(created(role)))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A role that the trust policy names is not known yet, or does not exist.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html>
pub(super) fn unknown_principal(error: &CloudError) -> bool {
    error.code.as_deref() == Some("MalformedPolicyDocument") && error.message.contains("Invalid principal")
}

fn created(role: Shown) -> Created<Role> {
    let outputs =
        RoleOutputs { role_name: RoleName::new(&role.role_name), arn: Arn::new(role.arn), role_id: role.role_id };
    Created { id: role.role_name, outputs, complete: true }
}

async fn get(iam: &Iam, name: &str) -> Result<Shown, CloudError> {
    let answer = iam.read("GetRole", || iam.get_role().role_name(name).send()).await?;
    answer.role.ok_or_else(|| iam.unexpected("GetRole", "the answer holds no role"))
}

async fn read(iam: &Iam, name: &str) -> Found<Role> {
    match get(iam, name).await {
        Ok(role) => shown(&role),
        Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

/// Reads all roles of the account. One list tells the tags and the boundary, the other the description and the longest session.
async fn listed(iam: &Iam, targets: &[Target<'_>]) -> Result<Vec<Found<Role>>, CloudError> {
    let (details, roles) = futures::try_join!(super::role_details(iam), list(iam))?;
    let found = join(targets, &details, &roles);
    // A list may lag behind: only IAM's answer about the one role says that it is gone.
    batch::each(targets.iter().zip(found), |(target, found)| async {
        Ok(match found {
            Some(found) => found,
            None => read(iam, target.id).await,
        })
    })
    .await
}

async fn list(iam: &Iam) -> Result<Vec<Shown>, CloudError> {
    batch::pages(|marker| async move {
        let request = iam.list_roles().max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListRoles", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.roles, next))
    })
    .await
}

/// Lines both lists up with the targets. `None`: not in them.
fn join(targets: &[Target<'_>], details: &[RoleDetail], roles: &[Shown]) -> Vec<Option<Found<Role>>> {
    let details: HashMap<&str, &RoleDetail> = details.iter().filter_map(|d| Some((d.role_name()?, d))).collect();
    let roles: HashMap<&str, &Shown> = roles.iter().map(|r| (r.role_name(), r)).collect();
    let one = |target: &Target<'_>| {
        let (detail, role) = (details.get(target.id)?, roles.get(target.id)?);
        let outputs = RoleOutputs {
            role_name: RoleName::new(target.id),
            arn: Arn::new(detail.arn()?),
            role_id: detail.role_id()?.to_owned(),
        };
        let fields = RoleResolved {
            role_name: target.id.to_owned(),
            assume_role_policy_document: super::document(detail.assume_role_policy_document()),
            path: detail.path().map(str::to_owned),
            description: text(role.description()),
            max_session_duration: role.max_session_duration(),
            permissions_boundary: boundary(detail.permissions_boundary()),
            tags: super::from_tags(detail.tags()),
        };
        Some(Found::present(fields, outputs))
    };
    targets.iter().map(one).collect()
}

fn shown(role: &Shown) -> Found<Role> {
    let fields = RoleResolved {
        role_name: role.role_name().to_owned(),
        assume_role_policy_document: super::document(role.assume_role_policy_document()),
        path: Some(role.path().to_owned()),
        description: text(role.description()),
        max_session_duration: role.max_session_duration(),
        permissions_boundary: boundary(role.permissions_boundary()),
        tags: super::from_tags(role.tags()),
    };
    Found::present(fields, created(role.clone()).outputs)
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

pub(super) fn boundary(boundary: Option<&AttachedPermissionsBoundary>) -> Option<Arn> {
    boundary.and_then(AttachedPermissionsBoundary::permissions_boundary_arn).map(Arn::new)
}

/// The description that UpdateRole is to set: what is wished, or what is there if nothing is.
fn described(want: &RoleResolved, change: &RoleChange, now: &Shown) -> Option<String> {
    match &change.description {
        Some(change) => Some(change.after.clone().unwrap_or_default()),
        None => want.description.clone().or_else(|| now.description.clone()),
    }
}

/// The longest session that UpdateRole is to set. Were it not sent, it would become the default.
fn session(want: &RoleResolved, change: &RoleChange, now: &Shown) -> i32 {
    let there = || want.max_session_duration.or(now.max_session_duration);
    change.max_session_duration.as_ref().map_or_else(there, |c| c.after).unwrap_or(DEFAULT_SESSION)
}

pub(super) async fn update_tags(iam: &Iam, cx: &Cx, id: &str, delta: &TagDelta) -> Result<(), CloudError> {
    // IAM's tag keys have no case: taken away after it is set, `Team` would take `team` with it.
    if !delta.remove.is_empty() {
        let keys = delta.remove.iter().cloned().collect();
        let request = iam.untag_role().role_name(id).set_tag_keys(Some(keys));
        super::once_known(cx, |_| false, || iam.write_idempotent("UntagRole", || request.clone().send())).await?;
    }
    if !delta.set.is_empty() {
        let request = iam.tag_role().role_name(id).set_tags(Some(super::to_tags(&delta.set)?));
        super::once_known(cx, |_| false, || iam.write_idempotent("TagRole", || request.clone().send())).await?;
    }
    Ok(())
}

/// What still holds a role that cannot be deleted.
async fn holders(iam: &Iam, role: &str) -> Result<Vec<String>, CloudError> {
    let attached = super::attached_policies(iam, role);
    let inline = batch::pages(|marker| async move {
        let request = iam.list_role_policies().role_name(role).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListRolePolicies", || request.clone().send()).await?;
        Ok((answer.policy_names, answer.marker.filter(|_| answer.is_truncated)))
    });
    let profiles = batch::pages(|marker| async move {
        let request = iam.list_instance_profiles_for_role().role_name(role).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListInstanceProfilesForRole", || request.clone().send()).await?;
        let names = answer.instance_profiles.into_iter().map(|p| p.instance_profile_name);
        Ok((names.collect(), answer.marker.filter(|_| answer.is_truncated)))
    });
    let (attached, inline, profiles) = futures::try_join!(attached, inline, profiles)?;
    let named = |what: &'static str, names: Vec<String>| names.into_iter().map(move |n| format!("{what} {n}"));
    let all = named("the attached policy", attached)
        .chain(named("the inline policy", inline))
        .chain(named("the instance profile", profiles));
    Ok(all.collect())
}

fn hint(holders: &[String]) -> Option<String> {
    (!holders.is_empty()).then(|| {
        format!("still in the way: {}; phx did not put it there, so take it away yourself", holders.join(", "))
    })
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
