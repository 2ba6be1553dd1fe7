//! CloudWatch in JSON. The SDK's client speaks CBOR (Smithy RPC v2) and nothing else; AWS takes that as well as the older forms, but other endpoints
//! (emulators, gateways) often know the older ones alone. To them requests go in AWS JSON 1.0, which the service's model names beside CBOR, and
//! their answers are put back into CBOR for the client to read. AWS itself is never spoken to in this way.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use ciborium::Value as Cbor;
use ciborium::value::Integer;
use serde_json::{Map, Number, Value as Json};

/// The name of the service in `X-Amz-Target`.
const TARGET: &str = "GraniteServiceVersion20100801";
/// CBOR's tag of a time in seconds (RFC 8949, 3.4.2).
const TIME: u64 = 1;

/// Puts requests into JSON before they are signed.
#[derive(Debug)]
pub(crate) struct InJson;

#[dyn_dispatch_hint]
impl Intercept for InJson {
    fn name(&self) -> &'static str {
        "InJson"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        to_json(context.request_mut())
    }
}

fn to_json(request: &mut HttpRequest) -> Result<(), BoxError> {
    let Some((root, operation)) = request.uri().split_once("/service/") else { return Ok(()) };
    let operation = operation.rsplit('/').next().unwrap_or_default().to_owned();
    let root = format!("{root}/");
    let body = match request.body().bytes() {
        Some([]) | None => Json::Object(Map::new()),
        Some(bytes) => json_of(ciborium::from_reader(bytes)?),
    };
    let body = body.to_string();
    request.set_uri(root)?;
    let headers = request.headers_mut();
    headers.remove("smithy-protocol");
    headers.insert("content-type", "application/x-amz-json-1.0");
    headers.insert("accept", "application/json");
    headers.insert("content-length", body.len().to_string());
    headers.insert("x-amz-target", format!("{TARGET}.{operation}"));
    *request.body_mut() = SdkBody::from(body);
    Ok(())
}

/// A client whose answers are put back into CBOR.
pub(crate) fn client(inner: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Back { inner: inner.http_connector(settings, components) })
    })
}

#[derive(Debug)]
struct Back {
    inner: SharedHttpConnector,
}

impl HttpConnector for Back {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = ByteStream::new(answer.take_body()).collect().await;
            let body = body.map_err(|e| ConnectorError::io(e.into()))?.into_bytes();
            let told = if body.is_empty() { Ok(Json::Object(Map::new())) } else { serde_json::from_slice(&body) };
            // What is not JSON is a page that says that the operation is not known: it is passed on as it is.
            let Ok(told) = told else {
                *answer.body_mut() = SdkBody::from(body);
                return Ok(answer);
            };
            back(answer, told)
        })
    }
}

fn back(mut answer: HttpResponse, told: Json) -> Result<HttpResponse, ConnectorError> {
    let mut body = Vec::new();
    ciborium::into_writer(&cbor_of("", told), &mut body).map_err(|e| ConnectorError::other(e.into(), None))?;
    let headers = answer.headers_mut();
    headers.insert("content-type", "application/cbor");
    headers.insert("content-length", body.len().to_string());
    headers.insert("smithy-protocol", "rpc-v2-cbor");
    *answer.body_mut() = SdkBody::from(body);
    Ok(answer)
}

/// JSON has no times: they are numbers of seconds. CloudWatch has no bytes.
fn json_of(value: Cbor) -> Json {
    match value {
        Cbor::Bool(flag) => Json::Bool(flag),
        Cbor::Integer(number) => match i64::try_from(number) {
            Ok(number) => Json::from(number),
            Err(_) => u64::try_from(number).map_or(Json::Null, Json::from),
        },
        Cbor::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Cbor::Text(text) => Json::String(text),
        Cbor::Tag(_, inner) => json_of(*inner),
        Cbor::Array(items) => items.into_iter().map(json_of).collect(),
        Cbor::Map(fields) => {
            let named = |(name, value): (Cbor, Cbor)| Some((name.into_text().ok()?, json_of(value)));
            Json::Object(fields.into_iter().filter_map(named).collect())
        }
        _ => Json::Null,
    }
}

/// Numbers are times where the name says so: in this service's answers `…Timestamp` and `LastModified`, and nothing else.
fn cbor_of(name: &str, value: Json) -> Cbor {
    match value {
        Json::Null => Cbor::Null,
        Json::Bool(flag) => Cbor::Bool(flag),
        Json::Number(number) => {
            let whole = number.as_i64().map(Integer::from).or_else(|| number.as_u64().map(Integer::from));
            let plain = match whole {
                Some(whole) => Cbor::Integer(whole),
                None => number.as_f64().map_or(Cbor::Null, Cbor::Float),
            };
            match name.ends_with("Timestamp") || name == "LastModified" {
                true => Cbor::Tag(TIME, Box::new(plain)),
                false => plain,
            }
        }
        Json::String(text) => Cbor::Text(text),
        Json::Array(items) => Cbor::Array(items.into_iter().map(|item| cbor_of(name, item)).collect()),
        Json::Object(fields) => Cbor::Map(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let value = cbor_of(&name, value);
                    (Cbor::Text(name), value)
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_put_into_cbor_comes_back() {
        let value = json!({
            "a": [1, -2, 300, 5.5, true, null, "text", 18_446_744_073_709_551_615_u64], "b": {"c": "ü"},
            "StateUpdatedTimestamp": 1.5
        });
        assert_eq!(json_of(cbor_of("", value.clone())), value);
    }

    #[test]
    fn times_are_times() {
        let Cbor::Map(fields) = cbor_of("", json!({"StateUpdatedTimestamp": 7, "Period": 7})) else { panic!() };
        assert_eq!(fields[0].1, Cbor::Integer(7.into()));
        assert_eq!(fields[1].1, Cbor::Tag(1, Box::new(Cbor::Integer(7.into()))));
    }

    #[test]
    fn a_request_becomes_json_at_the_root() {
        let mut body = Vec::new();
        ciborium::into_writer(&cbor_of("", json!({"AlarmNames": ["a"]})), &mut body).unwrap();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_uri("http://127.0.0.1:1/x/service/GraniteServiceVersion20100801/operation/DescribeAlarms").unwrap();
        request.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
        to_json(&mut request).unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:1/x/");
        assert_eq!(request.headers().get("x-amz-target"), Some("GraniteServiceVersion20100801.DescribeAlarms"));
        assert_eq!(request.body().bytes(), Some(&br#"{"AlarmNames":["a"]}"#[..]));
        assert_eq!(request.headers().get("smithy-protocol"), None);
    }
}
