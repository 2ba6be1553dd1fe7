//! [`KeyPair`].
//!
//! No emulator deletes a key pair by its id (both heed the name alone); that follows the service model.

use aws_sdk_ec2::types as sdk;
use aws_sdk_ec2::types::ResourceType;
use aws_smithy_types::{Blob, base64};
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::Value;
use phx_model::{CloudError, Outputs, Resource};

use super::describe::{self, by, by_intent};
use super::{KeyName, KeyPairId, once_free, tagging};
use crate::batch::align;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};

/// An SSH key that instances let in: the public half of a pair that was made elsewhere, so that the private half never comes near AWS or phx.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportKeyPair.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:ec2:KeyPair",
    terraform = "aws_key_pair",
    cloudformation = "AWS::EC2::KeyPair",
    identity = IntentTag,
    unique(key_name)
)]
pub struct KeyPair {
    /// Its name, unique in account and region, up to 255 ASCII characters.
    #[field(replace)]
    pub key_name: Input<String>,
    /// The public key, RSA (1024, 2048 or 4096 bits) or ED25519, as OpenSSH writes it (`ssh-ed25519 AAAA… comment`, whose comment says nothing
    /// to AWS), as RFC 4716 does, or as base64 of DER.
    #[field(replace, normalize = canonical_key)]
    pub public_key_material: Input<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What AWS decides of a [`KeyPair`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct KeyPairOutputs {
    /// Its id.
    pub id: KeyPairId,
    /// Its name, by which instances and launch templates refer to it.
    pub key_name: KeyName,
    /// The key's fingerprint: MD5 of an RSA key, SHA-256 of an ED25519 key.
    pub key_fingerprint: Option<String>,
}

impl Manage for KeyPair {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let pairs = describe::key_pairs(&ec2, by("key-pair-id", targets.iter().map(|t| t.id))).await?;
        Ok(align(targets, pairs, |pair| pair.key_pair_id(), present))
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &KeyPairResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let request = ec2
            .import_key_pair()
            .key_name(&want.key_name)
            .public_key_material(Blob::new(want.public_key_material.as_bytes()))
            .tag_specifications(tagging::specification(ResourceType::KeyPair, &want.tags, intent));
        let made = ec2.write("ImportKeyPair", || request.clone().send()).await;
        let answer = made.map_err(|error| match error.kind {
            ErrorKind::AlreadyExists => {
                error.hint("give it another key_name, or import the key pair by its id (key-…)")
            }
            _ => error,
        })?;
        let outputs = outputs(answer.key_pair_id(), answer.key_name(), answer.key_fingerprint());
        let outputs = outputs.ok_or_else(|| ec2.unexpected("ImportKeyPair", "the answer names no key pair"))?;
        Ok(Created { id: outputs.id.to_string(), outputs, complete: true })
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        _: &KeyPairResolved,
        change: &KeyPairChange,
    ) -> Result<Option<KeyPairOutputs>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        tagging::update(&ec2, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _: Option<&KeyPairResolved>) -> Result<(), CloudError> {
        let ec2 = aws.ec2(cx).await?;
        // By id and not by name: by now the name may be another key pair's.
        let request = ec2.delete_key_pair().key_pair_id(id);
        once_free(cx, || ec2.write_idempotent("DeleteKeyPair", || request.clone().send())).await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        _: &KeyPairResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let ec2 = aws.ec2(cx).await?;
        let pairs = describe::key_pairs(&ec2, by_intent(intent)).await?;
        let found = pairs.iter().find(|p| tagging::has_intent(p.tags(), intent));
        let outputs = found.and_then(|p| outputs(p.key_pair_id(), p.key_name(), p.key_fingerprint()));
        Ok(outputs.map(|outputs| Created { id: outputs.id.to_string(), outputs, complete: true }))
    }
}

fn outputs(id: Option<&str>, name: Option<&str>, fingerprint: Option<&str>) -> Option<KeyPairOutputs> {
    let (id, key_name) = (KeyPairId::new(id?), KeyName::new(name?));
    Some(KeyPairOutputs { id, key_name, key_fingerprint: fingerprint.map(str::to_owned) })
}

fn present(target: &Target<'_>, pair: &sdk::KeyPairInfo) -> Found<KeyPair> {
    let Some(outputs) = outputs(pair.key_pair_id(), pair.key_name(), pair.key_fingerprint()) else {
        return Found::Gone;
    };
    // AWS shows a key as OpenSSH writes it, whatever form it came in. One that came in a form that does not compare is taken to be still
    // the same: AWS has no way to change the key of a key pair.
    let set = target.inputs.get("public_key_material").and_then(Value::as_str);
    let shown = pair.public_key().map(str::trim).filter(|_| set.is_none_or(|set| open_ssh(set).is_some()));
    let Some(material) = shown.or(set) else {
        let message = format!("{} has no public key in AWS's answer", outputs.id);
        return Found::Failed(CloudError::local(ErrorKind::Other, message));
    };
    let fields = KeyPairResolved {
        key_name: outputs.key_name.to_string(),
        public_key_material: material.to_owned(),
        tags: tagging::read(pair.tags()),
    };
    Found::present(fields, outputs)
}

/// A public key as AWS compares it: what OpenSSH writes, without the comment.
fn canonical_key(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => Value::String((open_ssh(text).unwrap_or_else(|| text.trim().to_owned())).into()),
        None => value.clone(),
    }
}

/// The key as OpenSSH writes it, without a comment, if it is in that form or in that of RFC 4716.
fn open_ssh(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
        return of_rfc4716(text);
    }
    let mut words = text.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    (kind.starts_with("ssh-") || kind.starts_with("ecdsa-")).then(|| format!("{kind} {key}"))
}

/// RFC 4716: marks around the key, headers that may go on over several lines, and the key in base64, which begins with the length and the
/// name of its kind.
fn of_rfc4716(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut in_header = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("----")) {
        if in_header || line.contains(':') {
            in_header = line.ends_with('\\');
        } else {
            key.push_str(line);
        }
    }
    let bytes = base64::decode(&key).ok()?;
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let kind = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some(format!("{} {key}", std::str::from_utf8(kind).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ08YYEMb4ZFnIsvvIk5q2AWv1hTIhx1wfLfDgIa8MzZ";

    fn canonical(text: &str) -> Value {
        canonical_key(&Value::String(text.into()))
    }

    #[test]
    fn forms_of_one_key_are_one() {
        let plain = canonical(&format!("ssh-ed25519 {KEY}"));
        assert_eq!(canonical(&format!("ssh-ed25519  {KEY} me@host and more\n")), plain);
        let (first, second) = KEY.split_at(40);
        let rfc4716 = format!(
            "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"a long \\\ncomment\"\nSubject: me\n{first}\n{second}\n---- END SSH2 PUBLIC KEY ----\n"
        );
        assert_eq!(canonical(&rfc4716), plain);
        assert_ne!(canonical("ssh-ed25519 AAAA"), plain);
        // Base64 of DER has no such form.
        assert_eq!(canonical(" MIIBIjANBg== "), Value::String("MIIBIjANBg==".into()));
        assert_eq!(open_ssh("MIIBIjANBg=="), None);
    }
}
