//! `aws:secretsmanager:SecretVersion`.

use std::collections::{BTreeSet, HashMap};

use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::{Val, Value};
use phx_model::{CloudError, Input, Outputs, Resource};

use super::{SecretsManager, describe, list};
use crate::arn::Arn;
use crate::batch;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// The label of the version that is told to whoever asks for the secret.
const CURRENT: &str = "AWSCURRENT";
/// The label of the one before, which Secrets Manager moves by itself.
const PREVIOUS: &str = "AWSPREVIOUS";

/// One value of a secret. A new value is a new version; the old one stays for a while, as the previous one.
///
/// phx sends the value and never asks for it. The version's id is made from the intent, so that it is found again. Deleting a version takes
/// away its labels, after which Secrets Manager deletes it by itself; the current one and the one before it keep theirs until other versions
/// have them or the secret is deleted. A version whose labels others have moved on (a rotation, twice) counts as there, unless the program says
/// which labels it has: to make it again would be to put an old value in the place of theirs.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:secretsmanager:SecretVersion",
    terraform = "aws_secretsmanager_secret_version",
    identity = ClientToken,
    vanishes_with(secret_id)
)]
pub struct SecretVersion {
    /// The secret.
    #[field(replace)]
    pub secret_id: Input<Arn>,
    /// The value, as text. Either this or `secret_binary`.
    #[field(replace, secret, write_only)]
    pub secret_string: Option<Input<String>>,
    /// The value, as bytes in base64.
    #[field(replace, secret, write_only)]
    pub secret_binary: Option<Input<String>>,
    /// The labels, of which each is on one version of the secret. Unset, it is `AWSCURRENT`.
    #[field(set, cloud_default)]
    pub version_stages: Option<Input<Vec<String>>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SecretVersionOutputs {
    /// The secret's ARN and the version's id: `arn:aws:secretsmanager:us-west-2:123456789012:secret:db-a1b2c3|0a1b…`.
    pub id: String,
    /// The secret's ARN, for those who are to wait until it has a value.
    pub arn: Arn,
    /// The version's id.
    pub version_id: String,
}

impl Manage for SecretVersion {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let wanted: BTreeSet<&str> = targets.iter().filter_map(|t| Some(split(t.id)?.0)).collect();
        let listed = list(secrets, wanted.len()).await?;
        let is_listed = |target: &Target<'_>| {
            let Some((secret, version)) = split(target.id) else { return true };
            let labels = listed.get(secret).and_then(|s| s.secret_versions_to_stages()?.get(version));
            labels.is_some_and(|labels| is_as_set(labels, target))
        };
        // The list lags behind. Where it tells something else, the secrets themselves are asked, each once.
        let unclear: BTreeSet<&str> =
            targets.iter().filter(|t| !is_listed(t)).filter_map(|t| Some(split(t.id)?.0)).collect();
        let asked = batch::each(unclear, |secret| async move { Ok((secret, stages(secrets, secret).await)) });
        let asked: HashMap<&str, Result<Option<Stages>, CloudError>> = asked.await?.into_iter().collect();
        let found = |target: &Target<'_>| {
            let Some((secret, version)) = split(target.id) else { return Found::Failed(malformed(target.id)) };
            match asked.get(secret) {
                Some(Ok(Some(stages))) => present(target, secret, version, stages.get(version)),
                Some(Ok(None)) => Found::Gone,
                Some(Err(error)) => Found::Failed(error.clone()),
                None => {
                    let stages = listed.get(secret).and_then(|s| s.secret_versions_to_stages());
                    present(target, secret, version, stages.and_then(|s| s.get(version)))
                }
            }
        };
        Ok(targets.iter().map(found).collect())
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &SecretVersionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let request = secrets
            .put_secret_value()
            .secret_id(want.secret_id.as_str())
            .client_request_token(client_token(intent))
            .set_secret_string(want.secret_string.clone())
            .set_secret_binary(want.secret_binary.as_deref().map(super::binary).transpose()?)
            .set_version_stages(want.version_stages.clone());
        // The token makes it the same version however often it is sent.
        let answer = secrets.write_idempotent("PutSecretValue", || request.clone().send()).await?;
        Ok(created(want, &answer.version_id.unwrap_or_else(|| client_token(intent))))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &SecretVersionResolved,
        change: &SecretVersionChange,
    ) -> Result<Option<SecretVersionOutputs>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let (secret, version) = split(id).ok_or_else(|| malformed(id))?;
        let Some(change) = &change.version_stages else { return Ok(None) };
        let stages = stages(secrets, secret).await?.unwrap_or_default();
        let wanted: BTreeSet<&str> = want.version_stages.iter().flatten().map(String::as_str).collect();
        let there: BTreeSet<&str> = stages.get(version).into_iter().flatten().map(String::as_str).collect();
        for label in wanted.difference(&there) {
            let holder = stages.iter().find(|(_, labels)| labels.iter().any(|l| l == label)).map(|(v, _)| v.as_str());
            label_moves(secrets, secret, label, holder, Some(version)).await?;
        }
        let stays = staying(change.before.as_ref());
        for label in there.difference(&wanted).filter(|label| !stays(label)) {
            label_moves(secrets, secret, label, Some(version), None).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&SecretVersionResolved>) -> Result<(), CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let (secret, version) = split(id).ok_or_else(|| malformed(id))?;
        let stages = stages(secrets, secret).await?.unwrap_or_default();
        let stays = staying(was.and_then(|was| was.version_stages.as_ref()));
        for label in stages.get(version).into_iter().flatten().filter(|label| !stays(label)) {
            match label_moves(secrets, secret, label, Some(version), None).await {
                Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SecretVersionResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let version = client_token(intent);
        let stages = stages(secrets, want.secret_id.as_str()).await?.unwrap_or_default();
        Ok(stages.contains_key(&version).then(|| created(want, &version)))
    }
}

/// The labels of a secret's versions, by version. Versions without any are left out.
type Stages = HashMap<String, Vec<String>>;

/// `None`: there is no such secret, or it is going to be deleted.
async fn stages(secrets: &SecretsManager, secret: &str) -> Result<Option<Stages>, CloudError> {
    let secret = describe(secrets, secret).await?;
    Ok(secret.map(|s| s.version_ids_to_stages.unwrap_or_default()))
}

/// The labels that are not taken away: the current one's, which AWS leaves on some version, and that of the one before it, unless the program
/// gave it that label. Whoever was handed the old value a moment ago, or wants to go back to it, finds it by that.
fn staying(given: Option<&Vec<String>>) -> impl Fn(&str) -> bool {
    let given = given.is_some_and(|labels| labels.iter().any(|label| label == PREVIOUS));
    move |label| label == CURRENT || (label == PREVIOUS && !given)
}

async fn label_moves(
    secrets: &SecretsManager,
    secret: &str,
    label: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(), CloudError> {
    let request = secrets
        .update_secret_version_stage()
        .secret_id(secret)
        .version_stage(label)
        .set_remove_from_version_id(from.map(str::to_owned))
        .set_move_to_version_id(to.map(str::to_owned));
    secrets.write_idempotent("UpdateSecretVersionStage", || request.clone().send()).await.map(drop)
}

fn created(want: &SecretVersionResolved, version: &str) -> Created<SecretVersion> {
    let outputs = outputs(want.secret_id.as_str(), version);
    Created { id: outputs.id.clone(), outputs, complete: true }
}

fn outputs(secret: &str, version: &str) -> SecretVersionOutputs {
    let id = format!("{secret}|{version}");
    SecretVersionOutputs { id, arn: Arn::new(secret), version_id: version.to_owned() }
}

/// Secret and version of an id.
fn split(id: &str) -> Option<(&str, &str)> {
    id.split_once('|').filter(|(secret, version)| !secret.is_empty() && !version.is_empty())
}

fn malformed(id: &str) -> CloudError {
    CloudError::local(ErrorKind::Invalid, format!("{id:?} names no secret and version"))
        .hint("write it as SECRET-ARN|VERSION-ID")
}

/// Whether the labels are those that phx last set.
fn is_as_set(labels: &[String], target: &Target<'_>) -> bool {
    let set = match target.inputs.get("version_stages").map(Value::expose) {
        None | Some(Value::Null) => return true,
        Some(set) => Vec::<String>::from_value(set).unwrap_or_default(),
    };
    labels.iter().collect::<BTreeSet<_>>() == set.iter().collect()
}

fn present(target: &Target<'_>, secret: &str, version: &str, labels: Option<&Vec<String>>) -> Found<SecretVersion> {
    let none = Vec::new();
    let unset = || !target.inputs.is_empty() && target.inputs.get("version_stages").is_none_or(Value::is_empty);
    let labels = match labels.filter(|labels| !labels.is_empty()) {
        Some(labels) => labels,
        // Superseded, and perhaps deleted by Secrets Manager since then.
        None if unset() => &none,
        None => return Found::Gone,
    };
    // The label of the previous version comes by itself, when another one becomes the current one.
    let named = match target.inputs.get("version_stages").map(Value::expose) {
        Some(Value::List(set)) => set.iter().any(|label| label.as_str() == Some(PREVIOUS)),
        _ => true,
    };
    let labels = labels.iter().filter(|label| named || *label != PREVIOUS).cloned().collect();
    let fields = SecretVersionResolved {
        secret_id: Arn::new(secret),
        secret_string: None,
        secret_binary: None,
        version_stages: Some(labels),
    };
    Found::present(fields, outputs(secret, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_secret_and_version() {
        let arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-a1b2c3";
        assert_eq!(split(&format!("{arn}|v1")), Some((arn, "v1")));
        for bad in [arn, "", "|v", "x|"] {
            assert_eq!(split(bad), None, "{bad}");
        }
        assert_eq!(split(&outputs(arn, "v1").id), Some((arn, "v1")));
    }
}
