//! What lies in the bucket, and the requests to it.
//!
//! A stack's objects are below `<prefix>/<project>/<stack>/`:
//!
//! | object | holds |
//! |---|---|
//! | `checkpoints/<serial>-<sha256>.json` | states, each under the hash of its bytes; never overwritten, never deleted |
//! | `journal/<serial>-<sha256>.jsonl` | a batch that is too large for an item, until the checkpoint after it |
//! | `history/<generation>-<sha256>.json` | a copy of a finished operation |
//! | `head.json` | a copy of the head; may be one checkpoint behind after a crash |
//! | `before-<serial>/…` | what a rollback took out of force when it wrote the checkpoint of that serial |

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use sha2::{Digest, Sha256};

use super::call::{Calls, Failure, Kind, Patience};
use crate::wire;

/// What the slowest acceptable connection carries in a second.
const SLOWEST: u64 = 128 * 1024;

/// One bucket, and the requests to it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    /// The key that objects are encrypted with, if not the bucket's own.
    pub(super) kms: Option<String>,
}

/// An object that was read.
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) etag: Option<String>,
}

/// What a write that replaces something demands of what is there.
pub(super) enum Replace<'e> {
    /// Nothing is there.
    Nothing,
    /// It has this entity tag.
    Tag(&'e str),
}

impl Bucket {
    /// An object, if it is there. One that is longer than `most` is refused without being read.
    pub(super) async fn get(
        &self,
        calls: &Calls,
        patience: &Patience,
        key: &str,
        most: u64,
    ) -> Result<Option<Object>, Failure> {
        // How large it is shows only in the answer, so an attempt may take as long as the largest does; a connection that stalls ends earlier.
        let patience = Patience { attempt: patience.attempt + transfer(most), ..patience.clone() };
        let send = || async {
            // The beginning of an answer does not take longer the larger the object is; so a connection on which nobody answers any more is given
            // up as early as one on which nothing comes any more.
            let answer = self.client.get_object().bucket(&self.name).key(key).send();
            let answer = tokio::time::timeout(STALLED, answer)
                .await
                .map_err(|_| Failure::new(Kind::Unclear, format!("no answer within {} s", STALLED.as_secs())))??;
            let length = answer.content_length().and_then(|n| u64::try_from(n).ok());
            let too_long = |n: u64| Failure::new(Kind::TooLong, format!("it has {n} bytes, and {most} is the most"));
            if let Some(length) = length.filter(|n| *n > most) {
                return Err(too_long(length));
            }
            let etag = answer.e_tag().map(str::to_owned);
            let mut body = answer.body;
            let mut bytes = Vec::with_capacity(usize::try_from(length.unwrap_or(0)).unwrap_or(0));
            let broken = |why: String| Failure::new(Kind::Unclear, format!("the object did not arrive whole: {why}"));
            loop {
                let next = tokio::time::timeout(STALLED, body.next()).await;
                let next = next.map_err(|_| broken(format!("nothing came for {} s", STALLED.as_secs())))?;
                let Some(chunk) = next else { break };
                bytes.extend_from_slice(&chunk.map_err(|e| broken(e.to_string()))?);
                if bytes.len() as u64 > most {
                    return Err(too_long(bytes.len() as u64));
                }
            }
            if length.is_some_and(|n| n != bytes.len() as u64) {
                return Err(broken(format!("{} bytes of {}", bytes.len(), length.unwrap_or(0))));
            }
            Ok(Object { bytes, etag })
        };
        match calls.send("s3:GetObject", &patience, send).await {
            Ok(object) => Ok(Some(object)),
            Err(e) if e.kind == Kind::Missing => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts an object under a key that its content decides, and makes sure that it is what is there.
    ///
    /// S3 computes the SHA-256 of what arrives and refuses anything else. If the key is taken, by an earlier attempt whose answer was lost or by
    /// the same content in an earlier run, what is there is read back; if it is damaged, it is replaced (the bucket keeps the old version).
    pub(super) async fn put_immutable(
        &self,
        calls: &Calls,
        patience: &Patience,
        key: &str,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let mut failure = match self.put(calls, patience, key, bytes, Replace::Nothing).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        // Twice: whoever else is repairing it writes the same bytes, so after that it is right.
        for _ in 0..2 {
            if failure.kind != Kind::Condition && !failure.maybe_done {
                return Err(failure);
            }
            let found = match self.get(calls, patience, key, (bytes.len() as u64).max(1)).await {
                Ok(Some(found)) if found.bytes == bytes => return Ok(()),
                Ok(Some(found)) => found.etag,
                Ok(None) => return Err(failure),
                // Longer than it should be: damaged as well.
                Err(e) if e.kind == Kind::TooLong => self.etag(calls, patience, key).await?,
                Err(e) => return Err(e),
            };
            let Some(etag) = found else { return Err(failure) };
            tracing::warn!(key, "an object in the state's bucket was damaged and is written again");
            failure = match self.put(calls, patience, key, bytes, Replace::Tag(&etag)).await {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
        }
        Err(failure)
    }

    /// Puts an object under a condition. Gives its entity tag.
    pub(super) async fn put(
        &self,
        calls: &Calls,
        patience: &Patience,
        key: &str,
        bytes: &[u8],
        replace: Replace<'_>,
    ) -> Result<Option<String>, Failure> {
        let patience = Patience { attempt: patience.attempt + transfer(bytes.len() as u64), ..patience.clone() };
        let sum = aws_smithy_types::base64::encode(Sha256::digest(bytes));
        // One buffer for all attempts.
        let body = aws_smithy_types::body::SdkBody::from(bytes);
        let send = || async {
            let body = body.try_clone().ok_or_else(|| Failure::new(Kind::Refused, "the body cannot be sent again"))?;
            let request = self.client.put_object().bucket(&self.name).key(key).body(ByteStream::new(body));
            let request = request.content_type("application/json").checksum_sha256(&sum);
            let request = match replace {
                Replace::Nothing => request.if_none_match("*"),
                Replace::Tag(etag) => request.if_match(etag),
            };
            Ok(self.encrypted(request).send().await?.e_tag)
        };
        calls.send("s3:PutObject", &patience, send).await
    }

    /// Without a key of the store's own, nothing is said: then the bucket's default holds, which is never weaker than AES-256 and may be a key
    /// that its owner has chosen.
    fn encrypted(&self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        match &self.kms {
            Some(key) => {
                request.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(key).bucket_key_enabled(true)
            }
            None => request,
        }
    }

    /// The entity tag of an object, whatever it is. `None`: there is none.
    pub(super) async fn etag(&self, calls: &Calls, patience: &Patience, key: &str) -> Result<Option<String>, Failure> {
        let send = || async { Ok(self.client.head_object().bucket(&self.name).key(key).send().await?.e_tag) };
        match calls.send("s3:HeadObject", patience, send).await {
            Err(e) if e.kind == Kind::Missing => Ok(None),
            found => found,
        }
    }

    /// The keys that begin so, in order; with `folders`, only what follows up to the next `/`, once each.
    pub(super) async fn list(
        &self,
        calls: &Calls,
        patience: &Patience,
        beginning: &str,
        folders: bool,
    ) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let send = || async {
                let request = self.client.list_objects_v2().bucket(&self.name).prefix(beginning);
                let request = if folders { request.delimiter("/") } else { request };
                Ok(request.set_continuation_token(from.clone()).send().await?)
            };
            let page = calls.send("s3:ListObjectsV2", patience, send).await?;
            if folders {
                found.extend(page.common_prefixes.unwrap_or_default().into_iter().filter_map(|p| p.prefix));
            } else {
                found.extend(page.contents.unwrap_or_default().into_iter().filter_map(|o| o.key));
            }
            match page.next_continuation_token {
                Some(token) => from = Some(token),
                None => return Ok(found),
            }
        }
    }

    /// Deletes an object; the bucket keeps it as an old version for as long as its life cycle says.
    pub(super) async fn delete(&self, calls: &Calls, patience: &Patience, key: &str) -> Result<(), Failure> {
        let send = || async {
            self.client.delete_object().bucket(&self.name).key(key).send().await?;
            Ok(())
        };
        calls.send("s3:DeleteObject", patience, send).await
    }
}

/// After this long without a byte a connection is dead.
const STALLED: Duration = Duration::from_secs(20);

/// How much longer a request may take that carries so much.
pub(super) fn transfer(bytes: u64) -> Duration {
    Duration::from_secs(bytes / SLOWEST)
}

/// The key of a checkpoint, below the stack's folder.
pub(super) fn checkpoint_name(serial: u64, sha256: &str) -> String {
    format!("checkpoints/{serial:020}-{sha256}.json")
}

/// The serial and hash in a [`checkpoint_name`].
pub(super) fn checkpoint_numbers(name: &str) -> Option<(u64, &str)> {
    let (serial, sha256) = name.strip_prefix("checkpoints/")?.strip_suffix(".json")?.split_once('-')?;
    wire::is_sha256(sha256).then_some((serial.parse().ok()?, sha256))
}

/// The key of a batch that is too large for an item.
pub(super) fn spill_name(serial: u64, sha256: &str) -> String {
    format!("journal/{serial:020}-{sha256}.jsonl")
}

/// The serial in a [`spill_name`].
pub(super) fn spill_serial(name: &str) -> Option<u64> {
    let (serial, sha256) = name.strip_prefix("journal/")?.strip_suffix(".jsonl")?.split_once('-')?;
    wire::is_sha256(sha256).then(|| serial.parse().ok())?
}

/// The key of the copy of an operation.
pub(super) fn history_name(generation: u64, sha256: &str) -> String {
    format!("history/{generation:020}-{sha256}.json")
}

/// The key of the copy of the head.
pub(super) const HEAD_NAME: &str = "head.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_numbers_and_nothing_else_is_taken_for_one() {
        let sha256 = wire::sha256(b"x");
        assert_eq!(checkpoint_numbers(&checkpoint_name(7, &sha256)), Some((7, sha256.as_str())));
        assert_eq!(spill_serial(&spill_name(7, &sha256)), Some(7));
        for other in ["checkpoints/7-abc.json", "checkpoints/x.json", "head.json", &spill_name(7, &sha256)] {
            assert_eq!(checkpoint_numbers(other), None, "{other}");
        }
        for other in ["journal/7-abc.jsonl", "journal/x", &checkpoint_name(7, &sha256)] {
            assert_eq!(spill_serial(other), None, "{other}");
        }
    }
}
