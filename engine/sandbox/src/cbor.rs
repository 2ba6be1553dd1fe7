//! The protocol of Smithy RPC v2 with CBOR, which newer clients speak to CloudWatch, to and from JSON trees.

use ciborium::Value as Cbor;
use ciborium::value::Integer;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Number, Value, json};
use winterbaume_core::MockResponse;

use super::service::Call;
use super::wire::{Fault, response};

/// CBOR's tag of a time in seconds (RFC 8949, 3.4.2).
const TIME: u64 = 1;

/// The operation that a request in this protocol names.
pub(super) fn operation(call: &Call) -> Option<String> {
    let protocol = call.headers.get("smithy-protocol").and_then(|v| v.to_str().ok());
    let path = call.path_and_query.split('?').next().unwrap_or_default();
    let operation = path.split_once("/operation/").map(|(_, operation)| operation.to_owned());
    operation.filter(|_| protocol == Some("rpc-v2-cbor"))
}

pub(super) fn read(body: &[u8]) -> Result<Value, Fault> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value: Cbor =
        ciborium::from_reader(body).map_err(|e| Fault::new("SerializationException", format!("not CBOR: {e}")))?;
    Ok(json_of(value))
}

pub(super) fn answer(body: Value) -> Result<MockResponse, Fault> {
    write(200, body)
}

pub(super) fn refusal(fault: &Fault) -> MockResponse {
    let body = json!({"__type": fault.code, "message": fault.message});
    write(fault.status, body).unwrap_or_else(|fault| fault.json())
}

fn write(status: u16, body: Value) -> Result<MockResponse, Fault> {
    let mut bytes = Vec::new();
    let written = ciborium::into_writer(&cbor_of("", body), &mut bytes);
    written.map_err(|e| Fault { status: 500, code: "InternalFailure".to_owned(), message: e.to_string() })?;
    let mut response = response(status, "application/cbor", bytes);
    response.headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    Ok(response)
}

fn json_of(value: Cbor) -> Value {
    match value {
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Integer(number) => i64::try_from(number).map_or(Value::Null, Value::from),
        Cbor::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Cbor::Text(text) => Value::String(text),
        Cbor::Tag(_, inner) => json_of(*inner),
        Cbor::Array(items) => items.into_iter().map(json_of).collect(),
        Cbor::Map(fields) => {
            let named = |(name, value): (Cbor, Cbor)| Some((name.into_text().ok()?, json_of(value)));
            Value::Object(fields.into_iter().filter_map(named).collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

/// JSON has no times: CloudWatch's are the numbers whose names say so.
fn cbor_of(name: &str, value: Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(flag),
        Value::Number(number) => {
            let plain = match number.as_i64() {
                Some(whole) => Cbor::Integer(Integer::from(whole)),
                None => number.as_f64().map_or(Cbor::Null, Cbor::Float),
            };
            if is_time(name) { Cbor::Tag(TIME, Box::new(plain)) } else { plain }
        }
        Value::String(text) => Cbor::Text(text),
        Value::Array(items) => Cbor::Array(items.into_iter().map(|item| cbor_of(name, item)).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = cbor_of(&name, value);
                (Cbor::Text(name), value)
            };
            Cbor::Map(fields.into_iter().map(field).collect())
        }
    }
}

/// Whether a member of CloudWatch's answers is a time.
pub(super) fn is_time(name: &str) -> bool {
    name.ends_with("Timestamp") || name == "LastModified"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let value = json!({"A": [1, 2.5, "ü", true], "B": {"C": -3}, "LastModified": 7});
        assert_eq!(read(&answer(value.clone()).unwrap().body).unwrap(), value);
        assert_eq!(cbor_of("LastModified", json!(7)), Cbor::Tag(1, Box::new(Cbor::Integer(7.into()))));
        assert_eq!(read(b"\xff").unwrap_err().code, "SerializationException");
    }
}
