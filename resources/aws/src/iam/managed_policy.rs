//! `aws:iam:Policy`.
//!
//! No emulator tells policies' tags through the tagging API, as AWS does; that part follows its documentation.

use std::collections::HashMap;

use aws_sdk_iam::types::{EntityType, ManagedPolicyDetail, Policy as Shown, PolicyVersion};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::Tags;
use phx_model::value::{Json, Val};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{Iam, ONE_BY_ONE, PAGE, UNTIL_FREE, policy};
use crate::arn::{Arn, partition};
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tagged::TagMap;
use crate::tags::{TagDelta, with_intent};
use crate::{batch, owner, wait};

/// IAM keeps so many versions of a policy.
const VERSIONS: usize = 5;

/// Permissions that can be given to roles, users and groups: a managed policy of the account's own.
///
/// A change of the document makes a new version the default one. Of five versions, which is as many as IAM keeps, the oldest that is not the
/// default one is deleted first.
///
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:iam:Policy",
    terraform = "aws_iam_policy",
    cloudformation = "AWS::IAM::ManagedPolicy",
    identity = NaturalKey,
    unique(policy_name)
)]
pub struct Policy {
    /// The name, unique in the account whatever the path.
    #[field(replace)]
    pub policy_name: Input<String>,
    /// The permissions: a [`PolicyDocument`](super::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub policy_document: Input<Json>,
    /// Where the policy stands in the account's own order of things: `/service/`. Unset, it is `/`.
    #[field(replace, cloud_default)]
    pub path: Option<Input<String>>,
    /// What the policy is for. IAM cannot change it.
    #[field(replace)]
    pub description: Option<Input<String>>,
    /// The tags.
    pub tags: Tags,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct PolicyOutputs {
    /// The ARN, by which the policy is attached.
    pub arn: Arn,
}

impl Manage for Policy {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if targets.len() > ONE_BY_ONE {
            match listed(aws, cx, iam, targets).await {
                Err(error) if super::cannot_list(&error) => tracing::debug!(%error, "policies are read one by one"),
                answer => return answer,
            }
        }
        batch::each(targets, |target| async { Ok(read(iam, target.id).await) }).await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &PolicyResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let request = iam
            .create_policy()
            .policy_name(&want.policy_name)
            .policy_document(policy::text(&want.policy_document))
            .set_path(want.path.clone())
            .set_description(want.description.clone())
            .set_tags(Some(super::to_tags(&with_intent(&want.tags, intent))?));
        let answer = match super::change(cx, || iam.write("CreatePolicy", || request.clone().send())).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let outputs = answer.policy.as_ref().and_then(outputs);
        outputs.map(created).ok_or_else(|| iam.unexpected("CreatePolicy", "the answer holds no policy"))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &PolicyResolved,
        change: &PolicyChange,
    ) -> Result<Option<PolicyOutputs>, CloudError> {
        let iam = &aws.iam(cx).await?;
        if change.policy_document.is_some() {
            let versions = versions(iam, id).await?;
            if versions.len() >= VERSIONS
                && let Some(oldest) = oldest(&versions)
            {
                delete_version(iam, cx, id, oldest).await?;
            }
            let request = iam
                .create_policy_version()
                .policy_arn(id)
                .policy_document(policy::text(&want.policy_document))
                .set_as_default(true);
            super::change(cx, || iam.write("CreatePolicyVersion", || request.clone().send())).await?;
        }
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            // IAM's tag keys have no case: taken away after it is set, `Team` would take `team` with it.
            if !delta.remove.is_empty() {
                let request = iam.untag_policy().policy_arn(id).set_tag_keys(Some(delta.remove.into_iter().collect()));
                super::change(cx, || iam.write_idempotent("UntagPolicy", || request.clone().send())).await?;
            }
            if !delta.set.is_empty() {
                let request = iam.tag_policy().policy_arn(id).set_tags(Some(super::to_tags(&delta.set)?));
                super::change(cx, || iam.write_idempotent("TagPolicy", || request.clone().send())).await?;
            }
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&PolicyResolved>) -> Result<(), CloudError> {
        let iam = &aws.iam(cx).await?;
        let Some(versions) = super::if_there(versions(iam, id).await)? else { return Ok(()) };
        for version in versions.iter().filter(|v| !v.is_default_version).filter_map(|v| v.version_id()) {
            delete_version(iam, cx, id, version).await?;
        }
        let request = iam.delete_policy().policy_arn(id);
        // What it was only just taken from may hold it for a moment; then nothing is listed any more, and no hint is given.
        let passing = |e: &CloudError| super::is_concurrent(e) || (e.kind == ErrorKind::InUse && e.hint.is_none());
        let deleted = wait::eventually(cx, UNTIL_FREE, passing, || async {
            match iam.write_idempotent("DeletePolicy", || request.clone().send()).await {
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
        want: &PolicyResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let iam = &aws.iam(cx).await?;
        let (region, account) = (aws.region(&cx.provider).await?, aws.account(&cx.provider).await?);
        let path = want.path.as_deref().unwrap_or("/");
        let arn = format!("arn:{}:iam::{account}:policy{path}{}", partition(&region), want.policy_name);
        let Some(policy) = super::if_there(get(iam, &arn).await)? else { return Ok(None) };
        owner::check(&format!("the policy {}", want.policy_name), &super::from_tags(policy.tags()), intent)?;
        Ok(outputs(&policy).map(created))
    }
}

fn created(outputs: PolicyOutputs) -> Created<Policy> {
    Created { id: outputs.arn.to_string(), outputs, complete: true }
}

fn outputs(policy: &Shown) -> Option<PolicyOutputs> {
    Some(PolicyOutputs { arn: Arn::new(policy.arn()?) })
}

/// An ARN ends with path and name.
fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

async fn get(iam: &Iam, arn: &str) -> Result<Shown, CloudError> {
    let answer = iam.read("GetPolicy", || iam.get_policy().policy_arn(arn).send()).await?;
    answer.policy.ok_or_else(|| iam.unexpected("GetPolicy", "the answer holds no policy"))
}

async fn versions(iam: &Iam, arn: &str) -> Result<Vec<PolicyVersion>, CloudError> {
    batch::pages(|marker| async move {
        let request = iam.list_policy_versions().policy_arn(arn).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListPolicyVersions", || request.clone().send()).await?;
        let next = answer.marker.filter(|_| answer.is_truncated);
        Ok((answer.versions.unwrap_or_default(), next))
    })
    .await
}

/// The version to make room with: the oldest of those that are not in force. Versions are counted up: `v12`.
fn oldest(versions: &[PolicyVersion]) -> Option<&str> {
    let number = |id: &str| id.trim_start_matches('v').parse::<u64>().unwrap_or(u64::MAX);
    let idle = versions.iter().filter(|v| !v.is_default_version).filter_map(|v| v.version_id());
    idle.min_by_key(|id| number(id))
}

async fn delete_version(iam: &Iam, cx: &Cx, arn: &str, version: &str) -> Result<(), CloudError> {
    let request = iam.delete_policy_version().policy_arn(arn).version_id(version);
    super::gone_is_done(
        super::change(cx, || iam.write_idempotent("DeletePolicyVersion", || request.clone().send())).await,
    )
}

async fn read(iam: &Iam, arn: &str) -> Found<Policy> {
    let both = async {
        let policy = get(iam, arn).await?;
        let request = iam.get_policy_version().policy_arn(arn).set_version_id(policy.default_version_id.clone());
        let answer = iam.read("GetPolicyVersion", || request.clone().send()).await?;
        Ok::<_, CloudError>((policy, answer.policy_version))
    };
    match both.await {
        Ok((policy, version)) => {
            let Some(outputs) = outputs(&policy) else {
                return Found::Failed(iam.unexpected("GetPolicy", "the answer names no policy"));
            };
            let fields = PolicyResolved {
                policy_name: name(arn).to_owned(),
                policy_document: super::document(version.as_ref().and_then(|v| v.document())),
                path: policy.path.clone(),
                description: policy.description.clone().filter(|text| !text.is_empty()),
                tags: super::from_tags(policy.tags()),
            };
            Found::present(fields, outputs)
        }
        Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

/// Reads all policies of the account. What the list does not tell is asked for policy by policy: that a policy is gone (a list may lag
/// behind) and an adopted one's description. A description cannot change, so one that phx has set is what it was.
async fn listed(aws: &Aws, cx: &Cx, iam: &Iam, targets: &[Target<'_>]) -> Result<Vec<Found<Policy>>, CloudError> {
    let policies = super::details(iam, EntityType::LocalManagedPolicy).await?.policies;
    let policies: HashMap<&str, &ManagedPolicyDetail> = policies.iter().filter_map(|p| Some((p.arn()?, p))).collect();
    let known = |at: usize| policies.get(targets[at].id).filter(|p| tells(&targets[at], p));
    let ask = |_, arn: String| async move { Ok(super::from_tags(get(iam, &arn).await?.tags())) };
    let mut tags = super::tags_of(aws, cx, targets, |at| known(at).and_then(|p| p.arn.clone()), ask).await?;
    let found: Vec<Option<Found<Policy>>> = (0..targets.len())
        .map(|at| {
            let policy = known(at)?;
            Some(match tags.remove(&at) {
                Some(Ok(None)) => Found::Gone,
                Some(Err(error)) => Found::Failed(error),
                Some(Ok(Some(tags))) => shown(&targets[at], policy, tags),
                None => shown(&targets[at], policy, TagMap::new()),
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

/// Whether a listed policy's description is known.
fn tells(target: &Target<'_>, policy: &ManagedPolicyDetail) -> bool {
    policy.description.is_some() || !target.inputs.is_empty()
}

fn shown(target: &Target<'_>, policy: &ManagedPolicyDetail, tags: TagMap) -> Found<Policy> {
    let set = target.inputs.get("description").and_then(|text| String::from_value(text).ok());
    let default = policy.policy_version_list().iter().find(|v| v.is_default_version);
    let fields = PolicyResolved {
        policy_name: name(target.id).to_owned(),
        policy_document: super::document(default.and_then(|v| v.document())),
        path: policy.path.clone(),
        description: policy.description.clone().or(set).filter(|text| !text.is_empty()),
        tags,
    };
    Found::present(fields, PolicyOutputs { arn: Arn::new(target.id) })
}

/// What still has a policy that cannot be deleted.
async fn holders(iam: &Iam, arn: &str) -> Result<Vec<String>, CloudError> {
    batch::pages(|marker| async move {
        let request = iam.list_entities_for_policy().policy_arn(arn).max_items(PAGE).set_marker(marker);
        let answer = iam.read("ListEntitiesForPolicy", || request.clone().send()).await?;
        let next = answer.marker.clone().filter(|_| answer.is_truncated);
        let roles = answer.policy_roles().iter().filter_map(|r| r.role_name()).map(|n| format!("the role {n}"));
        let users = answer.policy_users().iter().filter_map(|u| u.user_name()).map(|n| format!("the user {n}"));
        let groups = answer.policy_groups().iter().filter_map(|g| g.group_name()).map(|n| format!("the group {n}"));
        Ok((roles.chain(users).chain(groups).collect(), next))
    })
    .await
}

fn hint(holders: &[String]) -> Option<String> {
    (!holders.is_empty()).then(|| format!("detach it first from {}; phx did not attach it there", holders.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_idle_version_makes_room() {
        let version =
            |id: &str, default: bool| PolicyVersion::builder().version_id(id).is_default_version(default).build();
        assert_eq!(oldest(&[version("v12", true), version("v11", false), version("v9", false)]), Some("v9"));
        assert_eq!(oldest(&[version("v2", true), version("v10", false), version("v3", false)]), Some("v3"));
        assert_eq!(oldest(&[version("v1", true)]), None);
    }
}
