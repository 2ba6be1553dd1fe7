//! `aws:iam:User`.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_iam::types::{EntityType, User as Shown, UserDetail};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::attached::{self, Holder, InlinePolicy};
use super::role::boundary;
use super::{GroupName, Iam, ONE_BY_ONE, PAGE, UNTIL_FREE, UserName};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// An identity with long-lived credentials: a person's or a program's. Roles are to be preferred wherever they are possible.
///
/// Passwords, access keys and MFA devices are not phx's affair: they are secrets, or belong to a person. While a user has any, it cannot be
/// deleted.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:User",
    terraform = "aws_iam_user",
    cloudformation = "AWS::IAM::User",
    identity = NaturalKey,
    unique(user_name)
)]
pub struct User {
    /// The name, unique in the account whatever the path. IAM could change it, but everything that phx knows of a user goes by it.
    #[field(replace)]
    pub user_name: Input<String>,
    /// Where the user stands in the account's own order of things: `/division/`. Unset, it is `/`.
    #[field(cloud_default)]
    pub path: Option<Input<String>>,
    /// The policy beyond which the user's permissions never go.
    pub permissions_boundary: Option<Input<Arn>>,
    /// The groups that the user is in: all of them, if this is set.
    #[field(set)]
    pub groups: Option<Input<Vec<GroupName>>>,
    /// The managed policies that the user has: all of them, if this is set.
    #[field(set)]
    pub managed_policy_arns: Option<Input<Vec<Arn>>>,
    /// The permissions written into the user: all of them, if this is set.
    #[field(set)]
    pub policies: Option<Input<Vec<InlinePolicy>>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct UserOutputs {
    /// The name, by which other types refer to the user.
    pub user_name: UserName,
    /// The ARN. The path is a part of it.
    #[output(volatile)]
    pub arn: Arn,
    /// The id, which no other user will ever have, even one of the same name: `AIDA1234567890EXAMPLE`.
    pub user_id: String,
}

impl Manage for User {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let mut users = Vec::new();
        if targets.len() > ONE_BY_ONE {
            match super::details(iam, EntityType::User).await {
                Ok(details) => users = details.users,
                Err(error) if super::cannot_list(&error) => tracing::debug!(%error, "users are read one by one"),
                Err(error) => return Err(error),
            }
        }
        let users: HashMap<&str, &UserDetail> = users.iter().filter_map(|u| Some((u.user_name()?, u))).collect();
        batch::each(targets, |target| {
            let listed = users.get(target.id).and_then(|user| shown(target, user));
            async move {
                // A list may lag behind: only IAM's answer about the one user says that it is gone.
                Ok(match listed {
                    Some(found) => found,
                    None => match read(iam, target).await {
                        Ok(found) => found,
                        Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
                        Err(error) => Found::Failed(error),
                    },
                })
            }
        })
        .await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &UserResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam
            .create_user()
            .user_name(&want.user_name)
            .set_path(want.path.clone())
            .set_permissions_boundary(want.permissions_boundary.as_ref().map(Arn::to_string))
            .set_tags(Some(super::to_tags(&with_intent(&want.tags, intent))?));
        let send = || iam.write("CreateUser", || request.clone().send());
        // The boundary may have been made a moment ago.
        let bounded = want.permissions_boundary.is_some();
        let answer = match super::once_known(cx, |e| bounded && e.kind == ErrorKind::NotFound, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let user = answer.user.ok_or_else(|| iam.unexpected("CreateUser", "the answer holds no user"))?;
        Ok(created(want, &user))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &UserResolved) -> Result<Option<UserOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let holder = Holder::User(id);
        holder.set_attached(iam, cx, None, want.managed_policy_arns.as_ref()).await?;
        holder.set_inline(iam, cx, None, want.policies.as_ref()).await?;
        set_groups(iam, cx, id, None, want.groups.as_ref()).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &UserResolved,
        change: &UserChange,
    ) -> Result<Option<UserOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let holder = Holder::User(id);
        match &change.permissions_boundary {
            Some(FieldChange { after: Some(arn), .. }) => {
                let request = iam.put_user_permissions_boundary().user_name(id).permissions_boundary(arn.as_str());
                let send = || iam.write_idempotent("PutUserPermissionsBoundary", || request.clone().send());
                super::once_known(cx, |e| e.kind == ErrorKind::NotFound, send).await?;
            }
            Some(FieldChange { after: None, .. }) => {
                let request = iam.delete_user_permissions_boundary().user_name(id);
                let send = || iam.write_idempotent("DeleteUserPermissionsBoundary", || request.clone().send());
                super::gone_is_done(super::change(cx, send).await)?;
            }
            None => {}
        }
        // What is set is all that there shall be, whatever is there.
        if let Some(FieldChange { before, after }) = &change.managed_policy_arns {
            let there = if after.is_some() { Some(holder.attached(iam).await?) } else { before.clone() };
            holder.set_attached(iam, cx, there.as_ref(), after.as_ref()).await?;
        }
        if let Some(FieldChange { before, after }) = &change.policies {
            let there = if after.is_some() { Some(holder.inline(iam).await?) } else { before.clone() };
            holder.set_inline(iam, cx, there.as_ref(), after.as_ref()).await?;
        }
        if let Some(FieldChange { before, after }) = &change.groups {
            let there = if after.is_some() { Some(groups(iam, id).await?) } else { before.clone() };
            set_groups(iam, cx, id, there.as_ref(), after.as_ref()).await?;
        }
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            // IAM's tag keys have no case: taken away after it is set, `Team` would take `team` with it.
            if !delta.remove.is_empty() {
                let request = iam.untag_user().user_name(id).set_tag_keys(Some(delta.remove.into_iter().collect()));
                super::change(cx, || iam.write_idempotent("UntagUser", || request.clone().send())).await?;
            }
            if !delta.set.is_empty() {
                let request = iam.tag_user().user_name(id).set_tags(Some(super::to_tags(&delta.set)?));
                super::change(cx, || iam.write_idempotent("TagUser", || request.clone().send())).await?;
            }
        }
        let Some(path) = change.path.as_ref().and_then(|c| c.after.as_deref()) else { return Ok(None) };
        let request = iam.update_user().user_name(id).new_path(path);
        super::change(cx, || iam.write_idempotent("UpdateUser", || request.clone().send())).await?;
        Ok(Some(outputs(&get(iam, id).await?)))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&UserResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        if let Some(was) = was {
            let holder = Holder::User(id);
            holder.set_attached(iam, cx, was.managed_policy_arns.as_ref(), None).await?;
            holder.set_inline(iam, cx, was.policies.as_ref(), None).await?;
            set_groups(iam, cx, id, was.groups.as_ref(), None).await?;
        }
        let request = iam.delete_user().user_name(id);
        // What is only just taken away may hold the user for a moment; then nothing is listed any more, and no hint is given.
        let passing = |e: &CloudError| super::is_concurrent(e) || (e.kind == ErrorKind::InUse && e.hint.is_none());
        let deleted = wait::eventually(cx, UNTIL_FREE, passing, || async {
            match iam.write_idempotent("DeleteUser", || request.clone().send()).await {
                Err(error) if error.kind == ErrorKind::InUse => {
                    let holders = super::as_told(holders(iam, id)).await;
                    Err(CloudError { hint: hint(&holders), ..error })
                }
                answer => answer,
            }
        });
        super::gone_is_done(deleted.await)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &UserResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let Some(user) = super::if_there(get(iam, &want.user_name).await)? else { return Ok(None) };
        owner::check(&format!("the user {}", want.user_name), &super::from_tags(user.tags()), intent)?;
        Ok(Some(created(want, &user)))
    }
}

fn created(want: &UserResolved, user: &Shown) -> Created<User> {
    let complete = want.groups.is_none() && want.managed_policy_arns.is_none() && want.policies.is_none();
    Created { id: user.user_name.clone(), outputs: outputs(user), complete }
}

fn outputs(user: &Shown) -> UserOutputs {
    UserOutputs { user_name: UserName::new(user.user_name()), arn: Arn::new(user.arn()), user_id: user.user_id.clone() }
}

async fn get(iam: &Iam, name: &str) -> Result<Shown, CloudError> {
    let answer = iam.read("GetUser", || iam.get_user().user_name(name).send()).await?;
    answer.user.ok_or_else(|| iam.unexpected("GetUser", "the answer holds no user"))
}

async fn groups(iam: &Iam, name: &str) -> Result<Vec<GroupName>, CloudError> {
    batch::pages(|marker| async move {
        let request = iam.list_groups_for_user().user_name(name).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListGroupsForUser", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.groups.iter().map(|g| GroupName::new(g.group_name())).collect(), next))
    })
    .await
}

async fn set_groups(
    iam: &Iam,
    cx: &Cx,
    user: &str,
    before: Option<&Vec<GroupName>>,
    after: Option<&Vec<GroupName>>,
) -> Result<(), CloudError> {
    let before: BTreeSet<&GroupName> = before.into_iter().flatten().collect();
    let after: BTreeSet<&GroupName> = after.into_iter().flatten().collect();
    for group in after.difference(&before) {
        let request = iam.add_user_to_group().user_name(user).group_name(group.as_str());
        let send = || iam.write_idempotent("AddUserToGroup", || request.clone().send());
        super::once_known(cx, |e| e.kind == ErrorKind::NotFound, send).await?;
    }
    for group in before.difference(&after) {
        let request = iam.remove_user_from_group().user_name(user).group_name(group.as_str());
        let send = || iam.write_idempotent("RemoveUserFromGroup", || request.clone().send());
        super::gone_is_done(super::change(cx, send).await)?;
    }
    Ok(())
}

async fn read(iam: &Iam, target: &Target<'_>) -> Result<Found<User>, CloudError> {
    let user = get(iam, target.id).await?;
    let holder = Holder::User(target.id);
    let groups = async { if target.wants("groups") { groups(iam, target.id).await.map(Some) } else { Ok(None) } };
    let attached =
        async { if target.wants("managed_policy_arns") { holder.attached(iam).await.map(Some) } else { Ok(None) } };
    let inline = async { if target.wants("policies") { holder.inline(iam).await.map(Some) } else { Ok(None) } };
    let (groups, managed_policy_arns, policies) = futures::try_join!(groups, attached, inline)?;
    let fields = UserResolved {
        user_name: user.user_name.clone(),
        path: Some(user.path.clone()),
        permissions_boundary: boundary(user.permissions_boundary()),
        groups: groups.filter(|list| !list.is_empty()),
        managed_policy_arns: managed_policy_arns.filter(|list| !list.is_empty()),
        policies: policies.filter(|list| !list.is_empty()),
        tags: super::from_tags(user.tags()),
    };
    Ok(Found::present(fields, outputs(&user)))
}

/// A user in the list of all. `None`: the list does not tell enough.
fn shown(target: &Target<'_>, user: &UserDetail) -> Option<Found<User>> {
    let groups: Vec<GroupName> = user.group_list().iter().map(GroupName::new).collect();
    let (managed, inline) =
        (attached::arns(user.attached_managed_policies()), attached::inline(user.user_policy_list()));
    let fields = UserResolved {
        user_name: target.id.to_owned(),
        path: user.path.clone(),
        permissions_boundary: boundary(user.permissions_boundary()),
        groups: Some(groups).filter(|list| target.wants("groups") && !list.is_empty()),
        managed_policy_arns: Some(managed).filter(|list| target.wants("managed_policy_arns") && !list.is_empty()),
        policies: Some(inline).filter(|list| target.wants("policies") && !list.is_empty()),
        tags: super::from_tags(user.tags()),
    };
    let outputs = UserOutputs {
        user_name: UserName::new(target.id),
        arn: Arn::new(user.arn()?),
        user_id: user.user_id()?.to_owned(),
    };
    Some(Found::present(fields, outputs))
}

/// What a user still has that cannot be deleted.
async fn holders(iam: &Iam, name: &str) -> Result<Vec<String>, CloudError> {
    let holder = Holder::User(name);
    let keys = batch::pages(|marker| async move {
        let request = iam.list_access_keys().user_name(name).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListAccessKeys", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.access_key_metadata.into_iter().filter_map(|k| k.access_key_id).collect::<Vec<_>>(), next))
    });
    let devices = batch::pages(|marker| async move {
        let request = iam.list_mfa_devices().user_name(name).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListMFADevices", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.mfa_devices.into_iter().map(|d| d.serial_number).collect::<Vec<_>>(), next))
    });
    let password = async {
        let request = iam.get_login_profile().user_name(name);
        super::if_there(iam.read("GetLoginProfile", || request.clone().send()).await)
    };
    let (attached, inline, groups, keys, devices, password) =
        futures::try_join!(holder.attached(iam), holder.inline_names(iam), groups(iam, name), keys, devices, password)?;
    let named = |what: &'static str, names: Vec<String>| names.into_iter().map(move |n| format!("{what} {n}"));
    let all = named("the attached policy", attached.iter().map(Arn::to_string).collect())
        .chain(named("the inline policy", inline))
        .chain(named("the group", groups.iter().map(GroupName::to_string).collect()))
        .chain(named("the access key", keys))
        .chain(named("the MFA device", devices))
        .chain(password.map(|_| "a password".to_owned()));
    Ok(all.collect())
}

fn hint(holders: &[String]) -> Option<String> {
    (!holders.is_empty()).then(|| {
        format!("still in the way: {}; phx did not put it there, so take it away yourself", holders.join(", "))
    })
}
