//! `aws:secretsmanager:Secret`.
//!
//! No emulator takes its time to replicate or to delete a secret, or has types of secrets; those parts follow the service model.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_secretsmanager::types::{ReplicationStatusType, StatusType};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::value::Json;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::secret_convert::{self as convert, Shown};
use super::{SecretsManager, describe, list, look};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::{TagDelta, with_intent};
use crate::wait::{Stage, eventually, until};
use crate::{batch, owner, policy};

/// How long a name stays taken after a secret was deleted at once.
const UNTIL_FREE: Duration = Duration::from_secs(30);
/// How long a role that was just made may be unknown when a secret's policy names it.
const UNTIL_PRINCIPAL_KNOWN: Duration = Duration::from_secs(60);

/// A value that is kept encrypted and told only to who may know it.
///
/// The value itself is optional: it can be set here, as a [`SecretVersion`](super::SecretVersion), or by someone else. phx sends it and never
/// asks for it; taking it out of the program leaves it as it is.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:secretsmanager:Secret",
    terraform = "aws_secretsmanager_secret",
    cloudformation = "AWS::SecretsManager::Secret",
    identity = NaturalKey,
    unique(name)
)]
pub struct Secret {
    /// The name, unique in account and region. It should not end with a hyphen and six characters, since ARNs do.
    #[field(replace)]
    pub name: Input<String>,
    /// What the secret is for.
    pub description: Option<Input<String>>,
    /// The KMS key that it is encrypted with. Unset, it is `aws/secretsmanager`.
    pub kms_key_id: Option<Input<Arn>>,
    /// The value, as text. Either this or `secret_binary`.
    #[field(secret, write_only)]
    pub secret_string: Option<Input<String>>,
    /// The value, as bytes in base64.
    #[field(secret, write_only)]
    pub secret_binary: Option<Input<String>>,
    /// The partner that holds the secret, if it is one that AWS manages for someone else.
    pub r#type: Option<Input<String>>,
    /// The other regions that have a copy.
    #[field(set)]
    pub add_replica_regions: Option<Input<Vec<ReplicaRegion>>>,
    /// Whether a copy takes the place of another secret of the same name in its region. AWS's default: no.
    #[field(write_only)]
    pub force_overwrite_replica_secret: Option<Input<bool>>,
    /// Who may do what with the secret: a [`PolicyDocument`](crate::policy::PolicyDocument), or JSON.
    #[field(json, normalize = policy::canonical)]
    pub resource_policy: Option<Input<Json>>,
    /// Whether a policy that lets everyone in is refused. AWS's default: no.
    #[field(write_only)]
    pub block_public_policy: Option<Input<bool>>,
    /// For how many days after its deletion the secret can be brought back: 7 to 30. AWS's default: 30. Its name stays taken meanwhile.
    #[field(write_only)]
    pub recovery_window_in_days: Option<Input<i32>>,
    /// Whether it is deleted at once and for ever, instead. AWS's default: no.
    #[field(write_only)]
    pub force_delete_without_recovery: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// A copy in another region. <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicaRegionType.html>
#[derive(Clone, Debug, Block)]
pub struct ReplicaRegion {
    /// The region: `eu-central-1`.
    pub region: Input<String>,
    /// The KMS key there that the copy is encrypted with. Unset, it is `aws/secretsmanager`.
    #[field(cloud_default)]
    pub kms_key_id: Option<Input<Arn>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SecretOutputs {
    /// The ARN, by which other types refer to the secret. It ends with six characters of AWS's choosing.
    pub arn: Arn,
}

impl Manage for Secret {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let listed = list(secrets, targets.len()).await?;
        batch::each(targets, |target| {
            // Which regions have a copy is told of one secret only.
            let known = listed.get(target.id).map(Shown::listed).filter(|_| !target.wants("add_replica_regions"));
            let known = known.filter(|secret| convert::is_as_set(secret, target));
            async move {
                Ok(match read(secrets, target, known).await {
                    Ok(Some(fields)) => Found::present(fields, SecretOutputs { arn: Arn::new(target.id) }),
                    Ok(None) => Found::Gone,
                    Err(error) => Found::Failed(error),
                })
            }
        })
        .await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &SecretResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let request = secrets
            .create_secret()
            .name(&want.name)
            .client_request_token(client_token(intent))
            .set_description(want.description.clone())
            .set_kms_key_id(want.kms_key_id.as_ref().map(Arn::to_string))
            .set_secret_string(want.secret_string.clone())
            .set_secret_binary(want.secret_binary.as_deref().map(super::binary).transpose()?)
            .set_type(want.r#type.clone())
            .set_add_replica_regions(want.add_replica_regions.as_ref().map(|all| convert::regions(all)))
            .set_force_overwrite_replica_secret(want.force_overwrite_replica_secret)
            .set_tags(Some(convert::to_tags(&with_intent(&want.tags, intent))));
        let send = || secrets.write("CreateSecret", || request.clone().send());
        let answer = match eventually(cx, UNTIL_FREE, is_still_deleted, send).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            Err(error) if is_still_deleted(&error) => {
                return Err(error.hint(
                    "a deleted secret keeps its name while it can be brought back: restore and import it, or delete it for ever \
                     (`aws secretsmanager delete-secret --force-delete-without-recovery`), or choose another name",
                ));
            }
            answer => answer?,
        };
        let arn = answer.arn.ok_or_else(|| secrets.unexpected("CreateSecret", "the answer names no secret"))?;
        Ok(created(want, &arn))
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, want: &SecretResolved) -> Result<Option<SecretOutputs>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        if want.add_replica_regions.is_some() {
            replicated(secrets, cx, id).await?;
        }
        if let Some(document) = &want.resource_policy {
            put_policy(secrets, cx, id, want, document).await?;
        }
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &SecretResolved,
        change: &SecretChange,
    ) -> Result<Option<SecretOutputs>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        if let Some(request) = convert::update(want, change)? {
            // Secrets Manager takes an empty text for "none", and without a key its own.
            let request = secrets
                .update_secret()
                .secret_id(id)
                .client_request_token(super::token())
                .set_description(request.description)
                .set_kms_key_id(request.kms_key_id)
                .set_type(request.r#type)
                .set_secret_string(request.secret_string)
                .set_secret_binary(request.secret_binary);
            secrets.write_idempotent("UpdateSecret", || request.clone().send()).await?;
        }
        match &change.resource_policy {
            Some(FieldChange { after: Some(document), .. }) => put_policy(secrets, cx, id, want, document).await?,
            Some(FieldChange { after: None, .. }) => {
                let request = secrets.delete_resource_policy().secret_id(id);
                secrets.write_idempotent("DeleteResourcePolicy", || request.clone().send()).await?;
            }
            None => {}
        }
        if let Some(regions) = &change.add_replica_regions {
            replicate(secrets, cx, id, want, regions).await?;
        }
        if let Some(change) = &change.tags {
            let delta = TagDelta::of(change);
            // Those that go make room: a secret has fifty at most.
            if !delta.remove.is_empty() {
                let request =
                    secrets.untag_resource().secret_id(id).set_tag_keys(Some(delta.remove.into_iter().collect()));
                secrets.write_idempotent("UntagResource", || request.clone().send()).await?;
            }
            if !delta.set.is_empty() {
                let request = secrets.tag_resource().secret_id(id).set_tags(Some(convert::to_tags(&delta.set)));
                secrets.write_idempotent("TagResource", || request.clone().send()).await?;
            }
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&SecretResolved>) -> Result<(), CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        // A secret with copies cannot be deleted.
        if was.is_none_or(|was| was.add_replica_regions.is_some()) {
            let Some(there) = describe(secrets, id).await? else { return Ok(()) };
            let regions = there.replication_status().iter().filter_map(|r| r.region.clone()).collect();
            remove_replicas(secrets, id, regions).await?;
        }
        let forced = was.is_some_and(|was| was.force_delete_without_recovery == Some(true));
        let window = was.and_then(|was| was.recovery_window_in_days).map(i64::from).filter(|_| !forced);
        let request = secrets
            .delete_secret()
            .secret_id(id)
            .set_recovery_window_in_days(window)
            .set_force_delete_without_recovery(forced.then_some(true));
        match eventually(cx, UNTIL_FREE, has_replicas, || {
            secrets.write_idempotent("DeleteSecret", || request.clone().send())
        })
        .await
        {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            // It may be deleted already, and only kept for being brought back.
            Err(error) => match describe(secrets, id).await {
                Ok(None) => return Ok(()),
                _ => return Err(error),
            },
        }
        if !forced {
            return Ok(());
        }
        // It is deleted in the background, and until then its name is taken.
        until(cx, &format!("the secret {id}"), || async move {
            Ok(match look(secrets, id).await? {
                None => Stage::Ready(()),
                Some(_) => Stage::Waiting("being deleted".to_owned()),
            })
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SecretResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let Some(secret) = describe(secrets, &want.name).await? else { return Ok(None) };
        owner::check(&format!("the secret {}", want.name), &convert::from_tags(secret.tags()), intent)?;
        let arn = secret.arn.ok_or_else(|| secrets.unexpected("DescribeSecret", "the answer names no secret"))?;
        Ok(Some(created(want, &arn)))
    }
}

fn created(want: &SecretResolved, arn: &str) -> Created<Secret> {
    let complete = want.add_replica_regions.is_none() && want.resource_policy.is_none();
    Created { id: arn.to_owned(), outputs: SecretOutputs { arn: Arn::new(arn) }, complete }
}

/// A secret of this name is going to be deleted, or was a moment ago.
fn is_still_deleted(error: &CloudError) -> bool {
    error.code.as_deref() == Some("InvalidRequestException") && error.message.contains("scheduled for deletion")
}

/// Copies that were just removed may still be seen.
fn has_replicas(error: &CloudError) -> bool {
    error.kind != ErrorKind::NotFound && error.message.contains("replica")
}

/// A role that the policy names is not known yet, or does not exist.
fn unknown_principal(error: &CloudError) -> bool {
    error.code.as_deref() == Some("MalformedPolicyDocumentException") && error.message.contains("principal")
}

/// What is there, as far as the list does not tell it already.
async fn read(
    secrets: &SecretsManager,
    target: &Target<'_>,
    listed: Option<Shown>,
) -> Result<Option<SecretResolved>, CloudError> {
    let shown = match listed {
        Some(shown) => shown,
        None => match describe(secrets, target.id).await? {
            Some(secret) => Shown::described(&secret),
            None => return Ok(None),
        },
    };
    let mut fields = convert::fields(shown, target);
    if target.wants("resource_policy") {
        let request = secrets.get_resource_policy().secret_id(target.id);
        match secrets.read("GetResourcePolicy", || request.clone().send()).await {
            Ok(answer) => fields.resource_policy = answer.resource_policy().map(policy::parse),
            // It went away between two calls.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(fields))
}

async fn put_policy(
    secrets: &SecretsManager,
    cx: &Cx,
    id: &str,
    want: &SecretResolved,
    document: &Json,
) -> Result<(), CloudError> {
    let request = secrets
        .put_resource_policy()
        .secret_id(id)
        .resource_policy(policy::text(document))
        .set_block_public_policy(want.block_public_policy);
    let send = || secrets.write_idempotent("PutResourcePolicy", || request.clone().send());
    eventually(cx, UNTIL_PRINCIPAL_KNOWN, unknown_principal, send).await.map(drop)
}

/// Brings the copies to what is wished. Another key needs another copy.
async fn replicate(
    secrets: &SecretsManager,
    cx: &Cx,
    id: &str,
    want: &SecretResolved,
    change: &FieldChange<Vec<ReplicaRegionResolved>>,
) -> Result<(), CloudError> {
    let by_region = |regions: &Option<Vec<ReplicaRegionResolved>>| -> BTreeMap<String, Option<Arn>> {
        regions.iter().flatten().map(|r| (r.region.clone(), r.kms_key_id.clone())).collect()
    };
    let (before, after) = (by_region(&change.before), by_region(&change.after));
    let stays =
        |region: &str, key: &Option<Arn>| after.get(region).is_some_and(|wanted| wanted.is_none() || wanted == key);
    let leaving = before.iter().filter(|(region, key)| !stays(region, key)).map(|(region, _)| region.clone());
    remove_replicas(secrets, id, leaving.collect()).await?;
    let missing =
        change.after.iter().flatten().filter(|r| !before.get(&r.region).is_some_and(|key| stays(&r.region, key)));
    let missing: Vec<_> = missing.cloned().collect();
    if !missing.is_empty() {
        let request = secrets
            .replicate_secret_to_regions()
            .secret_id(id)
            .set_add_replica_regions(Some(convert::regions(&missing)))
            .set_force_overwrite_replica_secret(want.force_overwrite_replica_secret);
        // A copy that was just removed may still be seen.
        let seen = |e: &CloudError| e.message.contains("replica");
        eventually(cx, UNTIL_FREE, seen, || {
            secrets.write_idempotent("ReplicateSecretToRegions", || request.clone().send())
        })
        .await?;
    }
    replicated(secrets, cx, id).await
}

async fn remove_replicas(secrets: &SecretsManager, id: &str, regions: Vec<String>) -> Result<(), CloudError> {
    if regions.is_empty() {
        return Ok(());
    }
    let request = secrets.remove_regions_from_replication().secret_id(id).set_remove_replica_regions(Some(regions));
    secrets.write_idempotent("RemoveRegionsFromReplication", || request.clone().send()).await.map(drop)
}

/// Waits until every copy is made.
async fn replicated(secrets: &SecretsManager, cx: &Cx, id: &str) -> Result<(), CloudError> {
    until(cx, &format!("the replication of {id}"), || async move {
        let secret = describe(secrets, id).await?;
        let copies = secret.as_ref().map(|s| s.replication_status()).unwrap_or_default();
        let in_state = |state: StatusType| move |copy: &&ReplicationStatusType| copy.status() == Some(&state);
        if let Some(failed) = copies.iter().find(in_state(StatusType::Failed)) {
            let region = failed.region().unwrap_or("another region");
            let why = failed.status_message().unwrap_or("AWS gives no reason");
            return Err(CloudError::local(ErrorKind::Other, format!("{id} gets no copy in {region}: {why}")));
        }
        Ok(match copies.iter().find(in_state(StatusType::InProgress)) {
            Some(copy) => Stage::Waiting(format!("in progress in {}", copy.region().unwrap_or("another region"))),
            None => Stage::Ready(()),
        })
    })
    .await
}
