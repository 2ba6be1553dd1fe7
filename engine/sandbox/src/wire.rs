//! Reading and writing the query protocol of EC2, IAM and STS: form parameters in, XML out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use winterbaume_core::MockResponse;

/// The parameters of a request: `Filter.1.Value.2` → text.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(k, v)| (decode(k), decode(v))).collect())
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every parameter.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Fault> {
        self.get(name)
            .filter(|v| !v.is_empty())
            .ok_or_else(|| Fault::new("MissingParameter", format!("The request must contain the parameter {name}")))
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|v| v.eq_ignore_ascii_case("true"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let parse =
            |v: &str| v.parse().map_err(|_| Fault::invalid(format!("Value ({v}) for parameter {name} is invalid")));
        self.get(name).map(parse).transpose()
    }

    /// Whether a parameter holds a value or a structure.
    pub(super) fn has(&self, name: &str) -> bool {
        let next = self.0.range(name.to_owned()..).next();
        next.is_some_and(|(k, _)| k.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    /// `prefix.1`, `prefix.2`, … as far as there are any, whether they hold a value or a structure.
    pub(super) fn members(&self, prefix: &str) -> Vec<String> {
        (1..).map(|n| format!("{prefix}.{n}")).take_while(|name| self.has(name)).collect()
    }

    /// The next parts of the names that begin with `prefix.`, in alphabetical order; of all names without a prefix.
    pub(super) fn parts(&self, prefix: &str) -> Vec<&str> {
        let start = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        let names = self.0.range(start.clone()..).map(|(name, _)| name.as_str()).take_while(|n| n.starts_with(&start));
        let mut parts: Vec<&str> = names.filter_map(|name| name[start.len()..].split('.').next()).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// The values of `prefix.1`, `prefix.2`, …
    pub(super) fn list(&self, prefix: &str) -> Vec<&str> {
        self.members(prefix).iter().filter_map(|name| self.get(name)).collect()
    }

    /// Keys and values of `prefix.N.Key` and `prefix.N.Value`.
    pub(super) fn tags(&self, prefix: &str) -> BTreeMap<String, String> {
        let members = self.members(prefix);
        let pairs = members.iter().filter_map(|tag| {
            let value = self.get(&format!("{tag}.Value")).unwrap_or_default();
            Some((self.get(&format!("{tag}.Key"))?.to_owned(), value.to_owned()))
        });
        pairs.collect()
    }
}

/// An answer that refuses the request.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn dependency(message: impl Into<String>) -> Self {
        Self::new("DependencyViolation", message)
    }

    /// The request is fine, but nobody here can answer it. 501, because SDKs don't repeat it.
    pub(super) fn not_implemented(what: &str) -> Self {
        let message = format!("phx's sandbox does not implement {what}");
        Self { status: 501, code: "NotImplemented".to_owned(), message }
    }

    pub(super) fn json(&self) -> MockResponse {
        let body = serde_json::json!({"__type": self.code, "message": self.message});
        response(self.status, "application/x-amz-json-1.1", body.to_string())
    }

    /// As EC2 writes it.
    pub(super) fn ec2_xml(&self) -> MockResponse {
        let body = format!(
            "<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{}</RequestID></Response>",
            escape(&self.code),
            escape(&self.message),
            request_id()
        );
        response(self.status, "text/xml", body)
    }

    /// As IAM, STS and (near enough) S3 write it.
    pub(super) fn query_xml(&self) -> MockResponse {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
            escape(&self.code),
            escape(&self.message),
            request_id()
        );
        response(self.status, "text/xml", body)
    }

    /// As S3 writes it.
    pub(super) fn s3_xml(&self) -> MockResponse {
        let (code, message) = (escape(&self.code), escape(&self.message));
        let id = request_id();
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>");
        response(self.status, "application/xml", body)
    }
}

pub(super) fn response(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> MockResponse {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    MockResponse { status, headers, body: body.into() }
}

pub(super) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Members as XML elements; a list's elements are called `item` by EC2 and `member` by IAM. A list whose name ends with `*` has no element of its
/// own: its elements bear its name.
pub(super) fn elements(members: &Map<String, Value>, item: &str) -> String {
    let mut out = String::new();
    for (name, value) in members {
        element(&mut out, name, value, item);
    }
    out
}

fn element(out: &mut String, name: &str, value: &Value, item: &str) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Null => Ok(()),
        Value::String(text) => write!(out, "<{name}>{}</{name}>", escape(text)),
        Value::Bool(_) | Value::Number(_) => write!(out, "<{name}>{value}</{name}>"),
        Value::Object(members) => write!(out, "<{name}>{}</{name}>", elements(members, item)),
        Value::Array(values) if name.ends_with('*') => {
            values.iter().for_each(|v| element(out, name.trim_end_matches('*'), v, item));
            Ok(())
        }
        Value::Array(values) => {
            let mut inner = String::new();
            values.iter().for_each(|v| element(&mut inner, item, v, item));
            write!(out, "<{name}>{inner}</{name}>")
        }
    };
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A form's text: `+` is a space, `%XX` a byte of UTF-8.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
                if let (Some(high), Some(low)) = (digit(), digit()) {
                    bytes.push((high * 16 + low) as u8);
                }
            }
            _ => bytes.push(b),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text for a form or, as IAM returns it, a policy document.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// Whether a text matches a pattern in which `*` stands for any text and `?` for any character, as in EC2's filters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let tail = rest.as_str();
            text.char_indices().map(|(i, _)| i).chain([text.len()]).any(|i| matches(tail, &text[i..]))
        }
        Some(p) => {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| p == '?' || p == c) && matches(rest.as_str(), chars.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_numbered_from_one_without_gaps() {
        let mut body = String::from("A.1.X=1&A.12=gone&B.1=b%2Bc+d%C3%A9&B.3=gone");
        (1..=11).for_each(|n| body.push_str(&format!("&C.{n}={n}")));
        let params = Params::parse(body.as_bytes());
        assert_eq!(params.members("A"), ["A.1"]);
        assert_eq!(params.list("B"), ["b+c dé"]);
        assert_eq!(params.list("C").len(), 11);
        assert!(params.list("D").is_empty());
        assert_eq!(params.parts(""), ["A", "B", "C"]);
        assert_eq!((params.parts("A"), params.parts("A.1")), (vec!["1", "12"], vec!["X"]));
        assert_eq!(decode(&encode("a b+{é}")), "a b+{é}");
    }

    #[test]
    fn filters_take_wildcards() {
        for (pattern, text, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "ab", false),
            ("?", "é", true),
            ("", "", true),
            ("*", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn xml_is_escaped_and_lists_have_items() {
        let Value::Object(members) = serde_json::json!({"a": "<&>", "b": [1, {"c": true}], "d": null, "e*": [1, 2]})
        else {
            unreachable!()
        };
        assert_eq!(
            elements(&members, "item"),
            "<a>&lt;&amp;&gt;</a><b><item>1</item><item><c>true</c></item></b><e>1</e><e>2</e>"
        );
    }
}
