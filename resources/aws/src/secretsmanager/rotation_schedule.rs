//! `aws:secretsmanager:RotationSchedule`.
//!
//! No emulator cancels a rotation without a function, or has secrets that others hold; those parts follow the service model.

use std::time::Duration;

use aws_sdk_secretsmanager::types::{ExternalSecretRotationMetadataItem, RotationRulesType, SecretListEntry};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::schema::satisfied;
use phx_model::state::IntentId;
use phx_model::{Block, CloudError, Input, Outputs, Resource, Value};

use super::{SecretsManager, describe, list};
use crate::arn::Arn;
use crate::batch;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::wait::eventually;

/// How long a function or a permission that was just made may be unknown.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// When and by whom a secret's value is changed.
///
/// It is a part of the secret and cannot bear tags: rotation that is already on is taken over. Deleting it switches rotation off; a secret that
/// another service manages (a database's master password) is rotated as that service has it.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:secretsmanager:RotationSchedule",
    terraform = "aws_secretsmanager_secret_rotation",
    cloudformation = "AWS::SecretsManager::RotationSchedule",
    identity = NaturalKey,
    unique(secret_id),
    vanishes_with(secret_id)
)]
pub struct RotationSchedule {
    /// The secret.
    #[field(replace)]
    pub secret_id: Input<Arn>,
    /// The Lambda function that changes the value. Unset where a service manages the secret. Taken out, it stays: AWS has no way to take it away, and
    /// each attempt would change the value.
    #[field(cloud_default)]
    pub rotation_lambda_arn: Option<Input<Arn>>,
    /// When it is changed.
    #[field(cloud_default)]
    pub rotation_rules: Option<Input<RotationRules>>,
    /// Whether it is also changed at once, whenever this resource is made or changed. AWS's default: yes.
    #[field(write_only)]
    pub rotate_immediately: Option<Input<bool>>,
    /// What the partner that holds the secret has to know.
    #[field(set)]
    pub external_secret_rotation_metadata: Option<Input<Vec<RotationMetadata>>>,
    /// The role with which a secret that a partner holds is changed.
    pub external_secret_rotation_role_arn: Option<Input<Arn>>,
}

/// When a secret's value is changed. <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html>
#[derive(Clone, Debug, Block)]
pub struct RotationRules {
    /// After how many days: 1 to 1000. Either this or `schedule_expression`.
    #[field(cloud_default)]
    pub automatically_after_days: Option<Input<i64>>,
    /// How long the window is in which it happens: `3h`. Unset, it lasts until the end of the day, or for an hour if the schedule is in hours.
    #[field(cloud_default)]
    pub duration: Option<Input<String>>,
    /// When the window begins, in UTC: `rate(10 days)`, `cron(0 8 1 * ? *)`.
    #[field(cloud_default)]
    pub schedule_expression: Option<Input<String>>,
}

/// What a partner has to know to change a secret.
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ExternalSecretRotationMetadataItem.html>
#[derive(Clone, Debug, Block)]
pub struct RotationMetadata {
    /// The name of it.
    pub key: Input<String>,
    /// The value.
    pub value: Input<String>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct RotationScheduleOutputs {
    /// The secret's ARN.
    pub arn: Arn,
}

impl Manage for RotationSchedule {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let listed = list(secrets, targets.len()).await?;
        batch::each(targets, |target| {
            // The list lags behind. Where it tells something else than was set, the secret is asked.
            let known =
                listed.get(target.id).and_then(|s| listed_fields(target.id, s)).filter(|f| is_as_set(f, target));
            async move {
                Ok(match known {
                    Some(fields) => present(target.id, fields),
                    None => match read(secrets, target.id).await {
                        Ok(Some(fields)) => present(target.id, fields),
                        Ok(None) => Found::Gone,
                        Err(error) => Found::Failed(error),
                    },
                })
            }
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &RotationScheduleResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        rotate(secrets, cx, want, client_token(intent)).await?;
        Ok(created(want))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        _: &str,
        want: &RotationScheduleResolved,
        _: &RotationScheduleChange,
    ) -> Result<Option<RotationScheduleOutputs>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        rotate(secrets, cx, want, super::token()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&RotationScheduleResolved>) -> Result<(), CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        let request = secrets.cancel_rotate_secret().secret_id(id);
        match secrets.write_idempotent("CancelRotateSecret", || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            // Refused of a secret that has no rotation, or is going to be deleted; and of one that a service manages, which goes on changing it.
            Err(error) => match (read(secrets, id).await, super::look(secrets, id).await) {
                (Ok(None), _) => Ok(()),
                (_, Ok(Some(secret))) if secret.owning_service().is_some() => Ok(()),
                _ => Err(error),
            },
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &RotationScheduleResolved,
        _: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let secrets = &aws.secretsmanager(cx).await?;
        Ok(read(secrets, want.secret_id.as_str()).await?.map(|_| created(want)))
    }
}

fn created(want: &RotationScheduleResolved) -> Created<RotationSchedule> {
    let arn = want.secret_id.clone();
    Created { id: arn.to_string(), outputs: RotationScheduleOutputs { arn }, complete: true }
}

async fn rotate(
    secrets: &SecretsManager,
    cx: &Cx,
    want: &RotationScheduleResolved,
    token: String,
) -> Result<(), CloudError> {
    let rules = want.rotation_rules.as_ref().map(|rules| {
        RotationRulesType::builder()
            .set_automatically_after_days(rules.automatically_after_days)
            .set_duration(rules.duration.clone())
            .set_schedule_expression(rules.schedule_expression.clone())
            .build()
    });
    let metadata = want.external_secret_rotation_metadata.as_ref().map(|items| {
        let item = |item: &RotationMetadataResolved| {
            ExternalSecretRotationMetadataItem::builder().key(&item.key).value(&item.value).build()
        };
        items.iter().map(item).collect()
    });
    let request = secrets
        .rotate_secret()
        .secret_id(want.secret_id.as_str())
        .client_request_token(token)
        .set_rotation_lambda_arn(want.rotation_lambda_arn.as_ref().map(Arn::to_string))
        .set_rotation_rules(rules)
        .set_rotate_immediately(want.rotate_immediately)
        .set_external_secret_rotation_metadata(metadata)
        .set_external_secret_rotation_role_arn(want.external_secret_rotation_role_arn.as_ref().map(Arn::to_string));
    let send = || secrets.write_idempotent("RotateSecret", || request.clone().send());
    eventually(cx, UNTIL_KNOWN, is_unknown, send).await.map(drop)
}

/// The function, or Secrets Manager's permission to invoke it, is not known yet; or a rotation is still under way.
fn is_unknown(error: &CloudError) -> bool {
    let said = |words: &[&str]| words.iter().any(|word| error.message.contains(word));
    match error.code.as_deref() {
        Some("AccessDeniedException") => said(&["Lambda", "lambda"]),
        Some("InvalidRequestException") => said(&["in progress", "rotation isn't complete"]),
        _ => false,
    }
}

/// `None`: there is no rotation, or no such secret.
async fn read(secrets: &SecretsManager, id: &str) -> Result<Option<RotationScheduleResolved>, CloudError> {
    let Some(secret) = describe(secrets, id).await? else { return Ok(None) };
    if secret.rotation_enabled != Some(true) {
        return Ok(None);
    }
    let lambda = secret.rotation_lambda_arn();
    let role = secret.external_secret_rotation_role_arn();
    Ok(Some(fields(id, lambda, secret.rotation_rules(), secret.external_secret_rotation_metadata(), role)))
}

fn listed_fields(id: &str, secret: &SecretListEntry) -> Option<RotationScheduleResolved> {
    let lambda = secret.rotation_lambda_arn();
    let role = secret.external_secret_rotation_role_arn();
    let fields = fields(id, lambda, secret.rotation_rules(), secret.external_secret_rotation_metadata(), role);
    (secret.rotation_enabled == Some(true)).then_some(fields)
}

fn fields(
    id: &str,
    lambda: Option<&str>,
    rules: Option<&RotationRulesType>,
    metadata: &[ExternalSecretRotationMetadataItem],
    role: Option<&str>,
) -> RotationScheduleResolved {
    let metadata: Vec<RotationMetadataResolved> = metadata
        .iter()
        .filter_map(|m| {
            Some(RotationMetadataResolved { key: m.key.clone()?, value: m.value.clone().unwrap_or_default() })
        })
        .collect();
    let arn = |arn: Option<&str>| arn.filter(|arn| !arn.is_empty()).map(Arn::new);
    RotationScheduleResolved {
        secret_id: Arn::new(id),
        rotation_lambda_arn: arn(lambda),
        rotation_rules: rules.map(|rules| RotationRulesResolved {
            automatically_after_days: rules.automatically_after_days,
            duration: rules.duration.clone(),
            schedule_expression: rules.schedule_expression.clone(),
        }),
        rotate_immediately: None,
        external_secret_rotation_metadata: Some(metadata).filter(|all| !all.is_empty()),
        external_secret_rotation_role_arn: arn(role),
    }
}

/// Whether these are what phx last set.
fn is_as_set(fields: &RotationScheduleResolved, target: &Target<'_>) -> bool {
    let told = RotationSchedule::fields(fields);
    RotationSchedule::schema().fields.iter().filter(|field| !field.write_only).all(|field| {
        let there = told.get(field.name).unwrap_or(&Value::Null);
        target.inputs.get(field.name).is_none_or(|set| satisfied(field, set, there))
    })
}

fn present(id: &str, fields: RotationScheduleResolved) -> Found<RotationSchedule> {
    Found::present(fields, RotationScheduleOutputs { arn: Arn::new(id) })
}
