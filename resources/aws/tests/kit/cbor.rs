//! The protocol that CloudWatch's client speaks (Smithy RPC v2 with CBOR), and moto's way around it: moto knows CloudWatch, but of its protocols
//! only the older ones, so requests and answers are translated to and from JSON on the way.

use std::collections::BTreeMap;

use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use phx_aws::Aws;
use serde_json::{Value, json};

/// The types before an emulator, of which CloudWatch is spoken to in JSON.
pub fn translated(url: &str) -> super::Bench {
    let client = Builder::new().build_http();
    let translating = http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Translator { inner: client.http_connector(settings, components) })
    });
    let aws = Aws::builder().http_client(translating).endpoint(url).credentials("test", "test");
    super::bench(
        aws.region(Some("us-west-2".into())).build(),
        std::sync::Arc::default(),
        std::time::Duration::from_secs(30),
    )
}

/// The operation of a request in this protocol, and its body.
pub fn request(request: &HttpRequest) -> Option<(String, Value)> {
    if request.headers().get("smithy-protocol") != Some("rpc-v2-cbor") {
        return None;
    }
    let operation = request.uri().rsplit('/').next()?.to_owned();
    let body = request.body().bytes().unwrap_or_default();
    Some((operation, if body.is_empty() { json!({}) } else { decode(body) }))
}

/// An answer in this protocol.
pub fn response(status: u16, body: &Value) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(encode(body)));
    response.headers_mut().insert("content-type", "application/cbor");
    response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
    response.headers_mut().insert("x-amzn-requestid", "req-1");
    response
}

#[derive(Debug)]
struct Translator {
    inner: SharedHttpConnector,
}

impl HttpConnector for Translator {
    fn call(&self, mut http: HttpRequest) -> HttpConnectorFuture {
        let Some((operation, body)) = request(&http) else { return self.inner.call(http) };
        let body = body.to_string();
        let root = http.uri().split("/service/").next().unwrap_or_default().to_owned();
        http.set_uri(format!("{root}/")).unwrap();
        http.headers_mut().remove("smithy-protocol");
        http.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        http.headers_mut().insert("accept", "application/json");
        http.headers_mut().insert("content-length", body.len().to_string());
        http.headers_mut().insert("x-amz-target", format!("GraniteServiceVersion20100801.{operation}"));
        *http.body_mut() = SdkBody::from(body);
        let answer = self.inner.call(http);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            let status = answer.status();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|e| ConnectorError::io(e.into()))?.into_bytes();
            if body.is_empty() {
                return Ok(response(status.as_u16(), &json!({})));
            }
            // What is not JSON is a page that says that the operation is not implemented.
            Ok(match serde_json::from_slice(&body) {
                Ok(body) => response(status.as_u16(), &body),
                Err(_) => HttpResponse::new(status, SdkBody::from(body)),
            })
        })
    }
}

/// CBOR of a JSON value. Numbers are times where the name says so.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, value);
    out
}

fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    if let Some(small) = u8::try_from(number).ok().filter(|n| *n < 24) {
        out.push((major << 5) | small);
    } else {
        out.push((major << 5) | 27);
        out.extend(number.to_be_bytes());
    }
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(flag) => out.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => head(out, 0, positive),
            (None, Some(negative)) => head(out, 1, negative.unsigned_abs() - 1),
            _ => {
                out.push(0xfb);
                out.extend(number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::String(text) => {
            head(out, 3, text.len() as u64);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(out, 4, items.len() as u64);
            items.iter().for_each(|item| write(out, item));
        }
        Value::Object(fields) => {
            head(out, 5, fields.len() as u64);
            for (name, value) in fields {
                write(out, &Value::String(name.clone()));
                if value.is_number() && (name.ends_with("Timestamp") || name == "LastModified") {
                    out.push(0xc1);
                }
                write(out, value);
            }
        }
    }
}

/// The JSON of a CBOR value; times are numbers.
pub fn decode(bytes: &[u8]) -> Value {
    read(&mut bytes.iter().copied()).expect("CBOR")
}

/// The next value; `None` at the end of a list or map of unsaid length.
fn read(bytes: &mut dyn Iterator<Item = u8>) -> Option<Value> {
    let first = bytes.next().expect("more CBOR");
    let (major, info) = (first >> 5, first & 31);
    let mut number =
        |width: usize| (0..width).fold(0_u64, |n, _| (n << 8) | u64::from(bytes.next().expect("a number")));
    let argument = match info {
        0..=23 => u64::from(info),
        24 => number(1),
        25 => number(2),
        26 => number(4),
        27 => number(8),
        _ => u64::MAX,
    };
    let open = info == 31;
    Some(match major {
        0 => json!(argument),
        1 => json!(-1 - i64::try_from(argument).unwrap()),
        2 | 3 => {
            assert!(!open, "text in pieces is not written by the SDK");
            let text = (&mut *bytes).take(usize::try_from(argument).unwrap()).collect();
            Value::String(String::from_utf8(text).unwrap())
        }
        4 => {
            let mut items = Vec::new();
            while open || (items.len() as u64) < argument {
                let Some(item) = read(bytes) else { break };
                items.push(item);
            }
            Value::Array(items)
        }
        5 => {
            let mut fields = BTreeMap::new();
            while open || (fields.len() as u64) < argument {
                let Some(name) = read(bytes) else { break };
                fields.insert(name.as_str().unwrap().to_owned(), read(bytes).expect("a value"));
            }
            json!(fields)
        }
        6 => read(bytes)?,
        _ => match info {
            20 => json!(false),
            21 => json!(true),
            22 | 23 => Value::Null,
            26 => json!(f32::from_bits(u32::try_from(argument).unwrap())),
            27 => json!(f64::from_bits(argument)),
            31 => return None,
            other => panic!("CBOR's simple value {other} is not written by the SDK"),
        },
    })
}

#[test]
fn what_is_written_is_read() {
    let value = json!({"a": [1, -2, 300, 5.5, true, null, "text"], "b": {"c": "ü"}, "StateUpdatedTimestamp": 1.5});
    assert_eq!(decode(&encode(&value)), value);
    // A map and a list of unsaid length.
    assert_eq!(decode(&[0xbf, 0x61, b'a', 0x9f, 1, 2, 0xff, 0xff]), json!({"a": [1, 2]}));
}
