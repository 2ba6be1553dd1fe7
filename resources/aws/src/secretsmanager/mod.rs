//! Secrets Manager: values that nobody but who needs them may see.

pub mod rotation_schedule;
pub mod secret;
mod secret_convert;
pub mod secret_version;

pub use rotation_schedule::{RotationMetadata, RotationRules, RotationSchedule};
pub use secret::{ReplicaRegion, Secret};
pub use secret_version::SecretVersion;

use std::collections::HashMap;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::SecretListEntry;
use aws_smithy_types::base64;
use phx_model::CloudError;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;

use crate::client::{Aws, Service};
use crate::{batch, manage};

/// Secrets Manager in one place.
pub type SecretsManager = Service<aws_sdk_secretsmanager::Client>;

/// Adds the service's types. A new type is named here, and nowhere else.
pub fn register(registry: &mut Registry, aws: &Aws) {
    manage::register::<RotationSchedule>(registry, aws);
    manage::register::<Secret>(registry, aws);
    manage::register::<SecretVersion>(registry, aws);
}

/// ListSecrets tells of so many at once.
const PAGE: i32 = 100;
/// Up to so many secrets are asked for one by one.
const ONE_BY_ONE: usize = 5;

/// `None`: there is no such secret, or it is going to be deleted.
async fn describe(secrets: &SecretsManager, id: &str) -> Result<Option<DescribeSecretOutput>, CloudError> {
    Ok(look(secrets, id).await?.filter(|secret| secret.deleted_date().is_none()))
}

/// The same, with those that are going to be deleted.
async fn look(secrets: &SecretsManager, id: &str) -> Result<Option<DescribeSecretOutput>, CloudError> {
    match secrets.read("DescribeSecret", || secrets.describe_secret().secret_id(id).send()).await {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All secrets of the place by ARN, without those that are going to be deleted, if that is fewer calls than asking for each of `wanted`. What
/// the list tells may be five minutes old, so where it is not what was last set, the secret itself is to be asked.
async fn list(secrets: &SecretsManager, wanted: usize) -> Result<HashMap<String, SecretListEntry>, CloudError> {
    if wanted <= ONE_BY_ONE {
        return Ok(HashMap::new());
    }
    let listed = batch::pages(|token| async move {
        let request = secrets.list_secrets().max_results(PAGE).set_next_token(token);
        let answer = secrets.read("ListSecrets", || request.clone().send()).await?;
        Ok((answer.secret_list.unwrap_or_default(), answer.next_token))
    });
    match listed.await {
        Ok(all) => Ok(all
            .into_iter()
            .filter(|s| s.deleted_date().is_none())
            .filter_map(|s| Some((s.arn.clone()?, s)))
            .collect()),
        // Whoever may read their own secrets may not be allowed to list all, and an endpoint may lack the listing.
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => {
            tracing::debug!(%error, "secrets are read one by one");
            Ok(HashMap::new())
        }
        Err(error) => Err(error),
    }
}

/// Binary data as programs write it: base64.
fn binary(text: &str) -> Result<Blob, CloudError> {
    let bytes = base64::decode(text);
    bytes.map(Blob::new).map_err(|e| CloudError::local(ErrorKind::Invalid, format!("secret_binary is not base64: {e}")))
}

/// A token for a request that no intent stands for: another one each time, and the same for its repetitions.
fn token() -> String {
    use std::hash::{BuildHasher, Hasher};
    let part = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    (0..4).map(|_| format!("{:016x}", part())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fit_and_differ() {
        assert_eq!(token().len(), 64);
        assert_ne!(token(), token());
    }

    #[test]
    fn what_is_not_base64_is_refused_without_being_shown() {
        assert_eq!(binary("AQID").map(Blob::into_inner), Ok(vec![1, 2, 3]));
        let error = binary("hunter2!").map(Blob::into_inner).unwrap_err();
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}
