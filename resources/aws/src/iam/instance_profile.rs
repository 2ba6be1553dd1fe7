//! `aws:iam:InstanceProfile`.
//!
//! No emulator tells instance profiles' tags through the tagging API; that part follows its documentation.

use std::collections::HashMap;

use aws_sdk_iam::types::InstanceProfile as Shown;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{Iam, InstanceProfileName, ONE_BY_ONE, PAGE, RoleName};
use crate::arn::Arn;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner};

/// What gives a role to EC2's instances.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:InstanceProfile",
    terraform = "aws_iam_instance_profile",
    cloudformation = "AWS::IAM::InstanceProfile",
    identity = NaturalKey,
    unique(instance_profile_name)
)]
pub struct InstanceProfile {
    /// The name, unique in the account whatever the path.
    #[field(replace)]
    pub instance_profile_name: Input<String>,
    /// Where the profile stands in the account's own order of things: `/service/`. Unset, it is `/`.
    #[field(replace, cloud_default)]
    pub path: Option<Input<String>>,
    /// The role; there can be one.
    pub role_name: Option<Input<RoleName>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct InstanceProfileOutputs {
    /// The name, by which other types refer to the profile.
    pub instance_profile_name: InstanceProfileName,
    /// The ARN.
    pub arn: Arn,
    /// The id, which no other profile will ever have, even one of the same name: `AIPA1234567890EXAMPLE`.
    pub instance_profile_id: String,
}

impl Manage for InstanceProfile {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if targets.len() > ONE_BY_ONE {
            match listed(aws, cx, iam, targets).await {
                Err(error) if super::cannot_list(&error) => tracing::debug!(%error, "profiles are read one by one"),
                answer => return answer,
            }
        }
        batch::each(targets, |target| async { Ok(read(iam, target.id).await) }).await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &InstanceProfileResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam
            .create_instance_profile()
            .instance_profile_name(&want.instance_profile_name)
            .set_path(want.path.clone())
            .set_tags(Some(super::to_tags(&with_intent(&want.tags, intent))?));
        let send = || iam.write("CreateInstanceProfile", || request.clone().send());
        let answer = match super::change(cx, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let profile = answer.instance_profile;
        let profile = profile.ok_or_else(|| iam.unexpected("CreateInstanceProfile", "the answer holds no profile"))?;
        Ok(created(want, &profile))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &InstanceProfileResolved,
    ) -> Result<Option<InstanceProfileOutputs>, CloudError> {
        if let Some(role) = &want.role_name {
            set_role(&aws.iam(cx).await?, cx, id, Some(role)).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &InstanceProfileResolved,
        change: &InstanceProfileChange,
    ) -> Result<Option<InstanceProfileOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if let Some(role) = &change.role_name {
            set_role(iam, cx, id, role.after.as_ref()).await?;
        }
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            // IAM's tag keys have no case: taken away after it is set, `Team` would take `team` with it.
            if !delta.remove.is_empty() {
                let keys = delta.remove.into_iter().collect();
                let request = iam.untag_instance_profile().instance_profile_name(id).set_tag_keys(Some(keys));
                super::change(cx, || iam.write_idempotent("UntagInstanceProfile", || request.clone().send())).await?;
            }
            if !delta.set.is_empty() {
                let tags = super::to_tags(&delta.set)?;
                let request = iam.tag_instance_profile().instance_profile_name(id).set_tags(Some(tags));
                super::change(cx, || iam.write_idempotent("TagInstanceProfile", || request.clone().send())).await?;
            }
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&InstanceProfileResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        // It cannot be deleted with a role in it, whoever put it there.
        if super::if_there(set_role(iam, cx, id, None).await)?.is_none() {
            return Ok(());
        }
        let request = iam.delete_instance_profile().instance_profile_name(id);
        // The role may still be seen in it for a moment.
        let held = |e: &CloudError| e.kind == ErrorKind::InUse;
        let send = || iam.write_idempotent("DeleteInstanceProfile", || request.clone().send());
        super::gone_is_done(super::once_known(cx, held, send).await)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &InstanceProfileResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let name = &want.instance_profile_name;
        let Some(profile) = super::if_there(get(iam, name).await)? else { return Ok(None) };
        owner::check(&format!("the instance profile {name}"), &super::from_tags(profile.tags()), intent)?;
        Ok(Some(created(want, &profile)))
    }
}

fn created(want: &InstanceProfileResolved, profile: &Shown) -> Created<InstanceProfile> {
    let id = profile.instance_profile_name.clone();
    Created { id, outputs: outputs(profile), complete: want.role_name.is_none() }
}

fn outputs(profile: &Shown) -> InstanceProfileOutputs {
    InstanceProfileOutputs {
        instance_profile_name: InstanceProfileName::new(profile.instance_profile_name()),
        arn: Arn::new(profile.arn()),
        instance_profile_id: profile.instance_profile_id.clone(),
    }
}

async fn get(iam: &Iam, name: &str) -> Result<Shown, CloudError> {
    let request = iam.get_instance_profile().instance_profile_name(name);
    let answer = iam.read("GetInstanceProfile", || request.clone().send()).await?;
    answer.instance_profile.ok_or_else(|| iam.unexpected("GetInstanceProfile", "the answer holds no profile"))
}

/// Puts a role in the place of whatever role is there. A profile holds one at most, so the old one goes first.
async fn set_role(iam: &Iam, cx: &Cx, name: &str, role: Option<&RoleName>) -> Result<(), CloudError> {
    // A new profile may not be known everywhere yet; when it is to be deleted, it is not there.
    let unknown = |e: &CloudError| role.is_some() && e.kind == ErrorKind::NotFound;
    let profile = super::once_known(cx, unknown, || get(iam, name)).await?;
    let role = role.map(RoleName::as_str);
    for other in profile.roles().iter().map(|r| r.role_name()).filter(|there| Some(*there) != role) {
        let request = iam.remove_role_from_instance_profile().instance_profile_name(name).role_name(other);
        let send = || iam.write_idempotent("RemoveRoleFromInstanceProfile", || request.clone().send());
        super::gone_is_done(super::change(cx, send).await)?;
    }
    if let Some(role) = role.filter(|role| profile.roles().iter().all(|there| there.role_name() != *role)) {
        let request = iam.add_role_to_instance_profile().instance_profile_name(name).role_name(role);
        let send = || iam.write("AddRoleToInstanceProfile", || request.clone().send());
        // The role may have been made a moment ago, and the place of the one that was there may not be seen free yet.
        let passing = |e: &CloudError| e.kind == ErrorKind::NotFound || e.code.as_deref() == Some("LimitExceeded");
        super::once_known(cx, passing, send).await?;
    }
    Ok(())
}

async fn read(iam: &Iam, name: &str) -> Found<InstanceProfile> {
    match get(iam, name).await {
        Ok(profile) => shown(&profile, super::from_tags(profile.tags())),
        Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

/// Reads all profiles of the account. A list may lag behind: only IAM's answer about the one profile says that it is gone.
async fn listed(
    aws: &Aws,
    cx: &Cx,
    iam: &Iam,
    targets: &[Target<'_>],
) -> Result<Vec<Found<InstanceProfile>>, CloudError> {
    let profiles = batch::pages(|marker| async move {
        let request = iam.list_instance_profiles().max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListInstanceProfiles", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.instance_profiles, next))
    });
    let profiles = profiles.await?;
    let profiles: HashMap<&str, &Shown> = profiles.iter().map(|p| (p.instance_profile_name(), p)).collect();
    let known = |at: usize| profiles.get(targets[at].id);
    let ask = |name, _| async move { Ok(super::from_tags(get(iam, name).await?.tags())) };
    let mut tags = super::tags_of(aws, cx, targets, |at| known(at).map(|p| p.arn.clone()), ask).await?;
    let found: Vec<Option<Found<InstanceProfile>>> = (0..targets.len())
        .map(|at| {
            let profile = known(at)?;
            Some(match tags.remove(&at) {
                Some(Ok(None)) => Found::Gone,
                Some(Err(error)) => Found::Failed(error),
                Some(Ok(Some(tags))) => shown(profile, tags),
                None => shown(profile, TagMap::new()),
            })
        })
        .collect();
    batch::each(targets.iter().zip(found), |(target, found)| async {
        Ok(match found {
            Some(found) => found,
            None => read(iam, target.id).await,
        })
    })
    .await
}

fn shown(profile: &Shown, tags: TagMap) -> Found<InstanceProfile> {
    let fields = InstanceProfileResolved {
        instance_profile_name: profile.instance_profile_name().to_owned(),
        path: Some(profile.path().to_owned()),
        role_name: profile.roles().first().map(|role| RoleName::new(role.role_name())),
        tags,
    };
    Found::present(fields, outputs(profile))
}
