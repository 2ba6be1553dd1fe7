//! What an object holds: from fields to bytes and back.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_smithy_types::base64;
use phx_model::{CloudError, Value, ValueMap};
use sha2::{Digest, Sha256};

use super::S3;
use super::bucket_settings::invalid;
use super::object::ObjectResolved;

/// What is larger is not fetched to be shown.
const LARGEST: i64 = 1 << 20;

/// Contents as fields: one of the two is set, or none if there is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    pub text: Option<String>,
    pub base64: Option<String>,
}

impl Content {
    fn of_bytes(bytes: &[u8], as_base64: bool) -> Self {
        match std::str::from_utf8(bytes) {
            Ok("") if !as_base64 => Self::default(),
            Ok(text) if !as_base64 => Self { text: Some(text.to_owned()), base64: None },
            _ => Self { text: None, base64: Some(base64::encode(bytes)) },
        }
    }

    /// What the program set, if it set anything that can be known.
    fn set(inputs: &ValueMap) -> Self {
        let text = |field| inputs.get(field).and_then(Value::as_str).map(str::to_owned);
        Self { text: text("content"), base64: text("content_base64") }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.text, &self.base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(coded)) => base64::decode(coded).ok(),
            (None, None) => Some(Vec::new()),
        }
    }
}

/// The bytes that an object shall hold.
pub(super) fn bytes(want: &ObjectResolved) -> Result<Vec<u8>, CloudError> {
    match (&want.content, &want.content_base64) {
        (Some(_), Some(_)) => Err(invalid("an object has a content or a content_base64, not both")),
        (None, Some(coded)) => base64::decode(coded).map_err(|e| invalid(format!("content_base64 is not base64: {e}"))),
        (text, None) => Ok(text.clone().unwrap_or_default().into_bytes()),
    }
}

/// SHA-256 as S3 writes it.
pub(super) fn checksum(bytes: &[u8]) -> String {
    base64::encode(Sha256::digest(bytes))
}

/// What an object holds, in the form in which the program set it. Only what S3's checksum does not show to be as it was set is fetched.
pub(super) async fn read(
    s3: &S3,
    bucket: &str,
    key: &str,
    head: &HeadObjectOutput,
    inputs: &ValueMap,
) -> Result<Content, CloudError> {
    let (set, length) = (Content::set(inputs), head.content_length().unwrap_or_default());
    let wanted = set.bytes();
    if let (Some(wanted), Some(there)) = (&wanted, head.checksum_sha256())
        && checksum(wanted) == there
    {
        return Ok(set);
    }
    let as_base64 = inputs.contains_key("content_base64");
    if length == 0 {
        return Ok(if wanted.is_some_and(|wanted| wanted.is_empty()) { set } else { Content::default() });
    }
    if length > LARGEST {
        // Of something that is being adopted, nothing is said rather than something that it does not hold.
        let note = format!("({length} bytes, ETag {})", head.e_tag().unwrap_or("unknown"));
        let note = (!inputs.is_empty()).then_some(note);
        return Ok(if as_base64 { Content { text: None, base64: note } } else { Content { text: note, base64: None } });
    }
    let fetch = || async {
        let answer = s3.get_object().bucket(bucket).key(key).send().await?;
        // Its connection may break half way: then it is asked for again.
        Ok::<_, aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::get_object::GetObjectError, _>>(
            answer.body.collect().await,
        )
    };
    let body = s3.read("GetObject", fetch).await?;
    let body = body.map_err(|e| s3.unexpected("GetObject", format!("the content broke off: {e}")))?.into_bytes();
    match wanted {
        Some(wanted) if wanted == body => Ok(set),
        _ => Ok(Content::of_bytes(&body, as_base64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_in_the_form_in_which_they_were_set() {
        assert_eq!(Content::of_bytes(b"", false), Content::default());
        assert_eq!(Content::of_bytes(b"hi", false).text.as_deref(), Some("hi"));
        assert_eq!(Content::of_bytes(b"hi", true).base64.as_deref(), Some("aGk="));
        assert_eq!(Content::of_bytes(&[0xff], false).base64.as_deref(), Some("/w=="));
        assert_eq!(Content::of_bytes(&[0xff], false).bytes(), Some(vec![0xff]));
    }

    #[test]
    fn the_checksum_is_what_s3_says() {
        assert_eq!(checksum(b"hello world"), "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=");
    }
}
