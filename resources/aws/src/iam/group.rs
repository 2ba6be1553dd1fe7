//! `aws:iam:Group`.

use std::collections::HashMap;

use aws_sdk_iam::types::{EntityType, Group as Shown, GroupDetail};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::FieldChange;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::attached::{self, Holder, InlinePolicy};
use super::{GroupName, Iam, ONE_BY_ONE, UNTIL_FREE};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, wait};

/// Users that have the same permissions.
///
/// A group cannot bear tags, and so no mark: one that has the name already is refused, but after a creation whose answer was lost a group of
/// this name that is no older than the run is taken for the one that was made. Who is in it is said by each [`User`](super::User).
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:Group",
    terraform = "aws_iam_group",
    cloudformation = "AWS::IAM::Group",
    identity = NaturalKey,
    unique(group_name)
)]
pub struct Group {
    /// The name, unique in the account whatever the path. IAM could change it, but everything that phx knows of a group goes by it.
    #[field(replace)]
    pub group_name: Input<String>,
    /// Where the group stands in the account's own order of things: `/division/`. Unset, it is `/`.
    #[field(cloud_default)]
    pub path: Option<Input<String>>,
    /// The managed policies that the group has: all of them, if this is set.
    #[field(set)]
    pub managed_policy_arns: Option<Input<Vec<Arn>>>,
    /// The permissions written into the group: all of them, if this is set.
    #[field(set)]
    pub policies: Option<Input<Vec<InlinePolicy>>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct GroupOutputs {
    /// The name, by which other types refer to the group.
    pub group_name: GroupName,
    /// The ARN. The path is a part of it.
    #[output(volatile)]
    pub arn: Arn,
    /// The id, which no other group will ever have, even one of the same name: `AGPA1234567890EXAMPLE`.
    pub group_id: String,
}

impl Manage for Group {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let mut groups = Vec::new();
        if targets.len() > ONE_BY_ONE {
            match super::details(iam, EntityType::Group).await {
                Ok(details) => groups = details.groups,
                Err(error) if super::cannot_list(&error) => tracing::debug!(%error, "groups are read one by one"),
                Err(error) => return Err(error),
            }
        }
        let groups: HashMap<&str, &GroupDetail> = groups.iter().filter_map(|g| Some((g.group_name()?, g))).collect();
        batch::each(targets, |target| {
            let listed = groups.get(target.id).and_then(|group| shown(target, group));
            async move {
                // A list may lag behind: only IAM's answer about the one group says that it is gone.
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

    async fn create(aws: &Aws, cx: &Cx, want: &GroupResolved, _: &IntentId) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam.create_group().group_name(&want.group_name).set_path(want.path.clone());
        let answer = match super::change(cx, || iam.write("CreateGroup", || request.clone().send())).await {
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Err(taken.hint("choose another name, or adopt the group with `phx import`"));
            }
            answer => answer?,
        };
        let group = answer.group.ok_or_else(|| iam.unexpected("CreateGroup", "the answer holds no group"))?;
        Ok(created(want, &group))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &GroupResolved) -> Result<Option<GroupOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let holder = Holder::Group(id);
        holder.set_attached(iam, cx, None, want.managed_policy_arns.as_ref()).await?;
        holder.set_inline(iam, cx, None, want.policies.as_ref()).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &GroupResolved,
        change: &GroupChange,
    ) -> Result<Option<GroupOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let holder = Holder::Group(id);
        // What is set is all that there shall be, whatever is there.
        if let Some(FieldChange { before, after }) = &change.managed_policy_arns {
            let there = if after.is_some() { Some(holder.attached(iam).await?) } else { before.clone() };
            holder.set_attached(iam, cx, there.as_ref(), after.as_ref()).await?;
        }
        if let Some(FieldChange { before, after }) = &change.policies {
            let there = if after.is_some() { Some(holder.inline(iam).await?) } else { before.clone() };
            holder.set_inline(iam, cx, there.as_ref(), after.as_ref()).await?;
        }
        let Some(path) = change.path.as_ref().and_then(|c| c.after.as_deref()) else { return Ok(None) };
        let request = iam.update_group().group_name(id).new_path(path);
        super::change(cx, || iam.write_idempotent("UpdateGroup", || request.clone().send())).await?;
        Ok(Some(outputs(&get(iam, id).await?)))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&GroupResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        if let Some(was) = was {
            let holder = Holder::Group(id);
            holder.set_attached(iam, cx, was.managed_policy_arns.as_ref(), None).await?;
            holder.set_inline(iam, cx, was.policies.as_ref(), None).await?;
        }
        let request = iam.delete_group().group_name(id);
        // What is only just taken away may hold the group for a moment; then nothing is listed any more, and no hint is given.
        let passing = |e: &CloudError| super::is_concurrent(e) || (e.kind == ErrorKind::InUse && e.hint.is_none());
        let deleted = wait::eventually(cx, UNTIL_FREE, passing, || async {
            match iam.write_idempotent("DeleteGroup", || request.clone().send()).await {
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
        want: &GroupResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let Some(group) = super::if_there(get(iam, &want.group_name).await)? else { return Ok(None) };
        super::made_since(&format!("the group {}", want.group_name), group.create_date(), intent)?;
        Ok(Some(created(want, &group)))
    }
}

fn created(want: &GroupResolved, group: &Shown) -> Created<Group> {
    let complete = want.managed_policy_arns.is_none() && want.policies.is_none();
    Created { id: group.group_name.clone(), outputs: outputs(group), complete }
}

fn outputs(group: &Shown) -> GroupOutputs {
    GroupOutputs {
        group_name: GroupName::new(group.group_name()),
        arn: Arn::new(group.arn()),
        group_id: group.group_id.clone(),
    }
}

/// The call also lists the group's users, of which one is as many as it must.
async fn get(iam: &Iam, name: &str) -> Result<Shown, CloudError> {
    let answer = iam.read("GetGroup", || iam.get_group().group_name(name).max_items(1).send()).await?;
    answer.group.ok_or_else(|| iam.unexpected("GetGroup", "the answer holds no group"))
}

async fn read(iam: &Iam, target: &Target<'_>) -> Result<Found<Group>, CloudError> {
    let group = get(iam, target.id).await?;
    let holder = Holder::Group(target.id);
    let attached =
        async { if target.wants("managed_policy_arns") { holder.attached(iam).await.map(Some) } else { Ok(None) } };
    let inline = async { if target.wants("policies") { holder.inline(iam).await.map(Some) } else { Ok(None) } };
    let (managed_policy_arns, policies) = futures::try_join!(attached, inline)?;
    let fields = GroupResolved {
        group_name: group.group_name.clone(),
        path: Some(group.path.clone()),
        managed_policy_arns: managed_policy_arns.filter(|list| !list.is_empty()),
        policies: policies.filter(|list| !list.is_empty()),
    };
    Ok(Found::present(fields, outputs(&group)))
}

/// A group in the list of all. `None`: the list does not tell enough.
fn shown(target: &Target<'_>, group: &GroupDetail) -> Option<Found<Group>> {
    let managed = attached::arns(group.attached_managed_policies());
    let inline = attached::inline(group.group_policy_list());
    let fields = GroupResolved {
        group_name: target.id.to_owned(),
        path: group.path.clone(),
        managed_policy_arns: Some(managed).filter(|list| target.wants("managed_policy_arns") && !list.is_empty()),
        policies: Some(inline).filter(|list| target.wants("policies") && !list.is_empty()),
    };
    let outputs = GroupOutputs {
        group_name: GroupName::new(target.id),
        arn: Arn::new(group.arn()?),
        group_id: group.group_id()?.to_owned(),
    };
    Some(Found::present(fields, outputs))
}

/// What a group still has that cannot be deleted.
async fn holders(iam: &Iam, name: &str) -> Result<Vec<String>, CloudError> {
    let holder = Holder::Group(name);
    let users = batch::pages(|marker| async move {
        let request = iam.get_group().group_name(name).set_marker(marker);
        let answer = iam.read("GetGroup", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.users.into_iter().map(|u| u.user_name).collect::<Vec<_>>(), next))
    });
    let (attached, inline, users) = futures::try_join!(holder.attached(iam), holder.inline_names(iam), users)?;
    let named = |what: &'static str, names: Vec<String>| names.into_iter().map(move |n| format!("{what} {n}"));
    let all = named("the attached policy", attached.iter().map(Arn::to_string).collect())
        .chain(named("the inline policy", inline))
        .chain(named("the user", users));
    Ok(all.collect())
}

fn hint(holders: &[String]) -> Option<String> {
    (!holders.is_empty()).then(|| {
        format!("still in the way: {}; phx did not put it there, so take it away yourself", holders.join(", "))
    })
}
