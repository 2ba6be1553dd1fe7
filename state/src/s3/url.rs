//! The URL of an S3 store, as text and as parts.

use std::fmt;
use std::time::Duration;

use phx_model::store::StoreError;
use phx_model::urn::{ProjectName, StackName};

use crate::without_secrets;

/// The table that is used where the URL names none.
pub const DEFAULT_TABLE: &str = "phx-state";
/// How long a lease lasts without being renewed where the URL says nothing.
pub const DEFAULT_TTL: Duration = Duration::from_secs(30);
/// Less would not leave a heartbeat the time of a few requests; more would make a dead run's stack wait for an hour.
const TTL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3600));

/// `s3://bucket/prefix?region=…&table=…&kms=…&ttl=…`, checked.
///
/// | part | meaning | without it |
/// |---|---|---|
/// | bucket, prefix | where the objects are | the prefix may be empty |
/// | `region` | of the bucket and the table | the region that AWS's own settings name |
/// | `table` | the DynamoDB table of leases and journals | `phx-state` |
/// | `kms` | the key (id, ARN or `alias/…`) that objects are encrypted with | the bucket's default encryption |
/// | `ttl` | how long a lease lasts without being renewed: `30s`, `500ms`, `2m` | `30s` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Url {
    /// The bucket.
    pub bucket: String,
    /// What every object's key begins with, without a `/` at either end. May be empty.
    pub prefix: String,
    /// The region, if the URL names one.
    pub region: Option<String>,
    /// The table.
    pub table: String,
    /// The key that objects are encrypted with.
    pub kms: Option<String>,
    /// How long a lease lasts without being renewed.
    pub ttl: Duration,
}

impl S3Url {
    /// Reads a URL. The error says which part is wrong and what would be right.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        parse(url).map_err(|why| StoreError::Io {
            what: format!("opening the state store {}", without_secrets(url)),
            why: format!("{why}\n  hint: the form is s3://bucket/prefix?region=REGION&table=TABLE&kms=KEY&ttl=30s"),
        })
    }

    /// The key of an object below the prefix.
    pub(super) fn key(&self, rest: &str) -> String {
        if self.prefix.is_empty() { rest.to_owned() } else { format!("{}/{rest}", self.prefix) }
    }

    /// The key that all objects of a stack begin with, with its `/`.
    pub(super) fn folder(&self, project: &ProjectName, stack: &StackName) -> String {
        self.key(&format!("{project}/{stack}/"))
    }

    /// What a stack's items in the table are under. The bucket is part of it, so that one table can serve several.
    pub(super) fn partition(&self, project: &ProjectName, stack: &StackName) -> String {
        format!("{}/{}", self.bucket, self.key(&format!("{project}/{stack}")))
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        write!(f, "?table={}", self.table)?;
        if let Some(region) = &self.region {
            write!(f, "&region={region}")?;
        }
        if let Some(kms) = &self.kms {
            write!(f, "&kms={kms}")?;
        }
        if self.ttl != DEFAULT_TTL {
            write!(f, "&ttl={}ms", self.ttl.as_millis())?;
        }
        Ok(())
    }
}

fn parse(url: &str) -> Result<S3Url, String> {
    let rest = url.strip_prefix("s3://").ok_or("it does not begin with s3://")?;
    if rest.contains('#') {
        return Err("it contains a '#', which has no meaning here".into());
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.contains('@') {
        return Err("it contains a user or password; credentials come from AWS's own settings (AWS_PROFILE, SSO, roles), not from the URL".into());
    }
    let mut parsed = S3Url {
        bucket: bucket_name(bucket)?,
        prefix: prefix_path(prefix)?,
        region: None,
        table: DEFAULT_TABLE.to_owned(),
        kms: None,
        ttl: DEFAULT_TTL,
    };
    let mut seen = Vec::new();
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = decoded(value)?;
        if value.is_empty() {
            return Err(format!("its parameter {name:?} has no value"));
        }
        if seen.contains(&name) {
            return Err(format!("its parameter {name:?} is there twice"));
        }
        seen.push(name);
        match name {
            "region" => parsed.region = Some(region_name(value)?),
            "table" => parsed.table = table_name(value)?,
            "kms" => parsed.kms = Some(key_name(value)?),
            "ttl" => parsed.ttl = duration(&value)?,
            _ => return Err(format!("it has a parameter {name:?}; phx knows region, table, kms and ttl")),
        }
    }
    Ok(parsed)
}

fn bucket_name(name: &str) -> Result<String, String> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (3..=63).contains(&name.len())
        && name.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '.'))
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && !name.contains("..");
    if good {
        return Ok(name.to_owned());
    }
    let what =
        if name.is_empty() { "it names no bucket".into() } else { format!("{name:?} is not the name of a bucket") };
    Err(format!("{what}: 3 to 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"))
}

fn prefix_path(path: &str) -> Result<String, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segment = |s: &str| {
        !s.is_empty()
            && !s.trim_matches('.').is_empty()
            && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if path.len() > 512 {
        return Err(format!("its prefix has {} bytes, and 512 is the most", path.len()));
    }
    if path.is_empty() || path.split('/').all(segment) {
        return Ok(path.to_owned());
    }
    Err(format!("the prefix {path:?} is not one: names of letters, digits, '-', '_' and '.', joined by single '/'"))
}

fn region_name(name: String) -> Result<String, String> {
    if name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') && name.contains('-') {
        return Ok(name);
    }
    Err(format!("{name:?} is not the name of a region; for example us-west-2"))
}

fn table_name(name: String) -> Result<String, String> {
    let good = (3..=255).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if good {
        return Ok(name);
    }
    Err(format!("{name:?} is not the name of a table: 3 to 255 letters, digits, '-', '_' and '.'"))
}

fn key_name(name: String) -> Result<String, String> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | ':')) {
        return Ok(name);
    }
    Err(format!("{name:?} is not a KMS key: its id, its ARN or alias/NAME"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; for example 30s, 500ms or 2m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => return Err(wrong()),
    };
    let found = milliseconds.map(Duration::from_millis).ok_or_else(wrong)?;
    if (TTL.0..=TTL.1).contains(&found) {
        return Ok(found);
    }
    Err(format!("a lease of {text} is not possible: 500ms is the least, 60m the most"))
}

/// A value without its percent-encoding.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not percent-encoded as it should");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or_else(wrong);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        S3Url::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_names_its_parts() {
        let url = S3Url::parse(
            "s3://acme-state/phx/prod?region=us-west-2&table=locks&kms=arn%3Aaws:kms:us-west-2:123456789012:key/ab-1&ttl=2m",
        )
        .unwrap();
        assert_eq!((url.bucket.as_str(), url.prefix.as_str()), ("acme-state", "phx/prod"));
        assert_eq!(url.region.as_deref(), Some("us-west-2"));
        assert_eq!(url.table, "locks");
        assert_eq!(url.kms.as_deref(), Some("arn:aws:kms:us-west-2:123456789012:key/ab-1"));
        assert_eq!(url.ttl, Duration::from_secs(120));
        assert_eq!(S3Url::parse(&url.to_string()).unwrap(), url);
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        for text in ["s3://acme-state", "s3://acme-state/", "s3://acme-state?", "s3://acme-state/?&"] {
            let url = S3Url::parse(text).unwrap();
            assert_eq!((url.prefix.as_str(), url.table.as_str(), url.ttl), ("", DEFAULT_TABLE, DEFAULT_TTL), "{text}");
            assert_eq!((url.region, url.kms), (None, None), "{text}");
        }
        assert_eq!(S3Url::parse("s3://acme-state/a/b/").unwrap().prefix, "a/b");
    }

    #[test]
    fn keys_are_below_the_prefix() {
        let (project, stack) = (ProjectName::new("demo").unwrap(), StackName::new("dev").unwrap());
        let url = S3Url::parse("s3://acme-state/a/b").unwrap();
        assert_eq!(url.folder(&project, &stack), "a/b/demo/dev/");
        assert_eq!(url.partition(&project, &stack), "acme-state/a/b/demo/dev");
        let url = S3Url::parse("s3://acme-state").unwrap();
        assert_eq!(url.folder(&project, &stack), "demo/dev/");
        assert_eq!(url.partition(&project, &stack), "acme-state/demo/dev");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("file://x", "s3://"),
            ("s3://", "names no bucket"),
            ("s3://Acme", "\"Acme\""),
            ("s3://a/b", "\"a\""),
            ("s3://a..b/c", "\"a..b\""),
            ("s3://acme//x", "prefix \"/x\""),
            ("s3://acme/a//b", "prefix"),
            ("s3://acme/../b", "prefix"),
            ("s3://acme/a b", "prefix"),
            ("s3://acme?regoin=us-west-2", "\"regoin\""),
            ("s3://acme?region=", "\"region\" has no value"),
            ("s3://acme?region", "\"region\" has no value"),
            ("s3://acme?region=Oregon", "\"Oregon\""),
            ("s3://acme?table=a", "\"a\""),
            ("s3://acme?table=a b", "\"a b\""),
            ("s3://acme?table=one&table=two", "twice"),
            ("s3://acme?kms=a?b", "KMS"),
            ("s3://acme?kms=%zz", "percent"),
            ("s3://acme?kms=%e4", "percent"),
            ("s3://acme?ttl=30", "duration"),
            ("s3://acme?ttl=s", "duration"),
            ("s3://acme?ttl=99999999999999999999s", "duration"),
            ("s3://acme?ttl=18446744073709551615m", "duration"),
            ("s3://acme?ttl=0s", "least"),
            ("s3://acme?ttl=2000m", "most"),
            ("s3://acme/x#y", "'#'"),
        ] {
            let error = error(url);
            assert!(error.contains(part) && error.contains("hint:"), "{url}: {error}");
        }
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        let error = error("s3://AKIA:hunter2@acme/x");
        assert!(error.contains("credentials") && !error.contains("hunter2") && !error.contains("AKIA"), "{error}");
    }
}
