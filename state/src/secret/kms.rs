//! Data keys wrapped by AWS KMS: `GenerateDataKey` makes one, `Decrypt` opens it. Both with the stack's name as encryption context, so that a
//! key's policy can say who may read the secrets of which stack, and each use stands in CloudTrail under that name.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_model::key::{KeyHeader, KeyWrap};
use phx_model::store::StoreError;
use phx_model::urn::{ProjectName, StackName};
use zeroize::Zeroizing;

use super::key::{self, DataKey, KeySource};

/// The encryption context's one key.
const CONTEXT: &str = "phx:stack";

/// A way to AWS, asked for when it is needed, with the region that a key's ARN names.
pub type AwsConfig =
    dyn Fn(Option<String>) -> Pin<Box<dyn Future<Output = Result<aws_types::SdkConfig, String>> + Send>> + Send + Sync;

/// Data keys of AWS KMS.
#[derive(Clone)]
pub struct Kms {
    project: ProjectName,
    /// For new keys.
    key: Option<String>,
    aws: Arc<AwsConfig>,
}

impl Kms {
    /// Keys for the stacks of a project. `key` is for new ones: an id, an ARN, or `alias/…`. A stack that has a key names its own.
    pub fn new(project: ProjectName, key: Option<String>, aws: Arc<AwsConfig>) -> Self {
        Self { project, key, aws }
    }

    fn context(&self, stack: &StackName) -> String {
        format!("{}/{stack}", self.project)
    }

    async fn client(&self, stack: &StackName, key: &str) -> Result<Client, StoreError> {
        let config = (self.aws)(region_of(key)).await.map_err(|why| failed(stack, key, why))?;
        Ok(Client::new(&config))
    }
}

/// The region of an ARN: `arn:aws:kms:us-west-2:…`.
fn region_of(key: &str) -> Option<String> {
    let region = key.strip_prefix("arn:")?.split(':').nth(2)?;
    (!region.is_empty()).then(|| region.to_owned())
}

fn failed(stack: &StackName, key: &str, why: String) -> StoreError {
    StoreError::Key {
        what: format!("the secrets of stack {stack}"),
        why: format!("the KMS key {key} could not be used: {why}"),
        hint: "check the credentials and that they may call kms:GenerateDataKey and kms:Decrypt with this key".into(),
    }
}

/// An error in one line: what KMS said, or what kept it from saying anything.
fn said<E: ProvideErrorMetadata + std::error::Error>(error: &E) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => DisplayErrorContext(error).to_string(),
    }
}

#[async_trait]
impl KeySource for Kms {
    async fn create(&self, stack: &StackName) -> Result<(KeyHeader, DataKey), StoreError> {
        let Some(name) = &self.key else {
            return Err(StoreError::Key {
                what: format!("the secrets of stack {stack}"),
                why: "no KMS key was named for them".into(),
                hint: "name one in phx.toml: [secrets] kms = \"alias/…\", or in PHX_KMS_KEY".into(),
            });
        };
        let client = self.client(stack, name).await?;
        let made = client
            .generate_data_key()
            .key_id(name)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT, self.context(stack))
            .send()
            .await
            .map_err(|e| failed(stack, name, said(&e)))?;
        let odd = || failed(stack, name, "its answer has no data key of 256 bits".into());
        let bytes = Zeroizing::new(made.plaintext.ok_or_else(odd)?.into_inner());
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| odd())?);
        let ciphertext = STANDARD.encode(made.ciphertext_blob.ok_or_else(odd)?);
        let data_key = DataKey::new(&bytes);
        // The ARN, so that an alias which is later turned to another key leaves this one readable.
        let wrap = KeyWrap::Kms { key: made.key_id.unwrap_or_else(|| name.clone()), ciphertext };
        Ok((KeyHeader { id: data_key.id(), wrap }, data_key))
    }

    async fn open(&self, stack: &StackName, header: &KeyHeader) -> Result<DataKey, StoreError> {
        let damaged = |why: String| StoreError::Damaged {
            what: format!("the key of stack {stack}"),
            why,
            hint: "`phx state rollback` restores an earlier checkpoint".into(),
        };
        let KeyWrap::Kms { key: name, ciphertext } = &header.wrap else {
            return Err(damaged(format!("it is wrapped by {}", header.wrap.kind_name())));
        };
        let blob = STANDARD.decode(ciphertext).map_err(|e| damaged(format!("it is not base64: {e}")))?;
        let opened = self
            .client(stack, name)
            .await?
            .decrypt()
            .key_id(name)
            .ciphertext_blob(Blob::new(blob))
            .encryption_context(CONTEXT, self.context(stack))
            .send()
            .await
            .map_err(|e| failed(stack, name, said(&e)))?;
        let bytes = opened.plaintext.map(Blob::into_inner).map(Zeroizing::new).unwrap_or_default();
        key::checked(stack, header, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_its_region_and_an_alias_does_not() {
        assert_eq!(region_of("arn:aws:kms:eu-west-1:123:key/x").as_deref(), Some("eu-west-1"));
        assert_eq!(region_of("arn:aws:kms::123:key/x"), None);
        assert_eq!(region_of("alias/phx"), None);
    }
}
