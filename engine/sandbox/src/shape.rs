//! Answers and documents in the forms that AWS's protocols have, for the services that phx emulates by itself: what they hold and what they are
//! sent are JSON trees, whichever protocol these come in.

use http::HeaderValue;
use serde_json::{Map, Value, json};
use winterbaume_core::MockResponse;

use super::service::{Call, Tags};
use super::wire::{Fault, escape, request_id, response};

/// Members of an object.
pub(super) type Members = Map<String, Value>;

/// An answer of JSON 1.0, JSON 1.1 or REST with JSON. Members that are null are left out.
pub(super) fn json_answer(mut body: Value) -> MockResponse {
    prune(&mut body);
    response(200, "application/x-amz-json-1.1", body.to_string())
}

/// A refusal of REST with JSON: its code is in a header as well.
pub(super) fn rest_json_refusal(fault: &Fault) -> MockResponse {
    let mut response = fault.json();
    if let Ok(code) = HeaderValue::from_str(&fault.code) {
        response.headers.insert("x-amzn-errortype", code);
    }
    response
}

/// An answer of the query protocol, whose lists' elements are called `member`.
pub(super) fn query_answer(action: &str, xmlns: &str, mut result: Value) -> MockResponse {
    prune(&mut result);
    let result = xml_elements(&wrapped(result));
    let id = request_id();
    let body = format!(
        "<{action}Response xmlns=\"{xmlns}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    response(200, "text/xml", body)
}

/// A map as the query protocol writes it: a list of entries, each with a key and a value.
pub(super) fn entries(map: &Tags) -> Value {
    let entry = |(key, value): (&String, &String)| json!({"key": key, "value": value});
    json!({"entry": map.iter().map(entry).collect::<Vec<_>>()})
}

/// Lists of the query protocol have their items in elements called `member`, but for the entries of maps.
fn wrapped(value: Value) -> Value {
    match value {
        Value::Array(items) => json!({"member": items.into_iter().map(wrapped).collect::<Vec<_>>()}),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| match value {
                Value::Array(items) if name == "entry" => (name, items.into_iter().map(wrapped).collect()),
                value => (name, wrapped(value)),
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

/// A tree as XML: a list is its elements one after the other. The form that [`xml`] reads.
pub(super) fn xml_elements(value: &Value) -> String {
    let Value::Object(members) = value else { return String::new() };
    members.iter().map(|(name, value)| xml_element(name, value)).collect()
}

fn xml_element(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => format!("<{name}>{}</{name}>", escape(text)),
        Value::Bool(_) | Value::Number(_) => format!("<{name}>{value}</{name}>"),
        Value::Object(_) => format!("<{name}>{}</{name}>", xml_elements(value)),
        Value::Array(items) => items.iter().map(|item| xml_element(name, item)).collect(),
    }
}

/// An answer of REST with XML.
pub(super) fn xml_answer(status: u16, name: &str, xmlns: &str, body: &Value) -> MockResponse {
    let body =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name} xmlns=\"{xmlns}\">{}</{name}>", xml_elements(body));
    response(status, "text/xml", body)
}

/// An object's members; none of anything else.
pub(super) fn members(value: Value) -> Members {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// What a member is; null if it is not there.
pub(super) fn at<'m>(members: &'m Members, name: &str) -> &'m Value {
    members.get(name).unwrap_or(&Value::Null)
}

fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// A text member that must be there and not be empty.
pub(super) fn text<'v>(body: &'v Value, name: &str) -> Result<&'v str, Fault> {
    body[name].as_str().filter(|text| !text.is_empty()).ok_or_else(|| {
        Fault::new("ValidationException", format!("1 validation error detected: {name} must not be null or empty"))
    })
}

/// A list of texts; none if there is no list.
pub(super) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Tags of a list of objects, whose members have these names: `Key` and `Value` mostly.
pub(super) fn tags_of(list: &Value, key: &str, value: &str) -> Tags {
    let tag = |tag: &Value| Some((tag[key].as_str()?.to_owned(), tag[value].as_str().unwrap_or_default().to_owned()));
    list.as_array().into_iter().flatten().filter_map(tag).collect()
}

/// Tags of an object.
pub(super) fn tag_map(map: &Value) -> Tags {
    let tag = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
    map.as_object().into_iter().flatten().map(tag).collect()
}

/// Tags as a list of objects.
pub(super) fn tag_list(tags: &Tags, key: &str, value: &str) -> Value {
    tags.iter().map(|(k, v)| json!({key: k, value: v})).collect()
}

/// Answers a call about an object's tags, in the form that most JSON services have: `Tags` and `TagKeys`, which some call `ResourceTags` and
/// `ResourceTagKeys`.
pub(super) fn tag_answer(action: &str, body: &Value, prefix: &str, tags: &mut Tags) -> Value {
    let (list, keys) = (format!("{prefix}Tags"), format!("{prefix}TagKeys"));
    match action {
        "TagResource" => tags.extend(tags_of(&body[list.as_str()], "Key", "Value")),
        "UntagResource" => {
            let keys = texts(&body[keys.as_str()]);
            tags.retain(|key, _| !keys.contains(key));
        }
        _ => return json!({list: tag_list(tags, "Key", "Value")}),
    }
    json!({})
}

/// A page of a list: what comes after the token, at most `limit` of it, and the next page's token. A token is a place in the list.
pub(super) fn page<T>(all: Vec<T>, token: Option<&str>, limit: usize) -> Result<(Vec<T>, Option<String>), Fault> {
    let from = token.filter(|t| !t.is_empty()).map_or(Ok(0), str::parse::<usize>);
    let from = from.map_err(|_| Fault::new("InvalidNextTokenException", "The token is not one of this list's"))?;
    let next = from.saturating_add(limit.max(1));
    let more = (next < all.len()).then(|| next.to_string());
    Ok((all.into_iter().skip(from).take(limit.max(1)).collect(), more))
}

/// How many to show, as a request has it: no more than the service shows at once.
pub(super) fn limit(asked: &Value, most: usize) -> usize {
    let asked = asked.as_u64().or_else(|| asked.as_str()?.parse().ok()).and_then(|n| usize::try_from(n).ok());
    asked.filter(|n| *n > 0).map_or(most, |n| n.min(most))
}

/// The time, in seconds, as JSON has it.
pub(super) fn now() -> Value {
    json!(jiff::Timestamp::now().as_millisecond() / 1000)
}

/// The time, as XML and REST with JSON have it.
pub(super) fn now_text() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// What no operation of the service's here is.
pub(super) fn unknown<T>(service: &str, call: &Call) -> Result<T, Fault> {
    let what = if call.action.is_empty() {
        let path = call.path_and_query.split('?').next().unwrap_or_default();
        format!("{service}: {} {path}", call.method)
    } else {
        format!("{service}:{}", call.action)
    };
    Err(Fault::not_implemented(&what))
}

/// A fault of what is not there, with a status of its own.
pub(super) fn fault(status: u16, code: &str, message: impl Into<String>) -> Fault {
    Fault { status, ..Fault::new(code, message) }
}

/// XML as a tree: an element with elements in it becomes an object, others text; elements of one name become a list.
pub(super) fn xml(body: &[u8]) -> Result<Value, Fault> {
    use quick_xml::events::Event;
    let malformed = |e: &dyn std::fmt::Display| Fault::new("InvalidInput", format!("Invalid XML: {e}"));
    let mut reader = quick_xml::Reader::from_reader(body);
    // What is open: name, members, text.
    let mut open: Vec<(String, Members, String)> = vec![(String::new(), Members::new(), String::new())];
    fn close(open: &mut Vec<(String, Members, String)>) {
        let Some((name, members, text)) = open.pop() else { return };
        let value = if members.is_empty() { Value::String(text) } else { Value::Object(members) };
        let Some((_, parent, _)) = open.last_mut() else { return };
        match parent.get_mut(&name) {
            None => {
                parent.insert(name, value);
            }
            Some(Value::Array(items)) => items.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    loop {
        match reader.read_event().map_err(|e| malformed(&e))? {
            Event::Start(start) => {
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                open.push((name, Members::new(), String::new()));
            }
            Event::Empty(start) => {
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                open.push((name, Members::new(), String::new()));
                close(&mut open);
            }
            Event::End(_) => close(&mut open),
            Event::Text(text) => {
                if let Some((_, _, into)) = open.last_mut() {
                    into.push_str(&text.unescape().map_err(|e| malformed(&e))?);
                }
            }
            Event::CData(data) => {
                if let Some((_, _, into)) = open.last_mut() {
                    into.push_str(&String::from_utf8_lossy(&data));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match open.pop() {
        Some((_, members, _)) if open.is_empty() => Ok(Value::Object(members)),
        _ => Err(malformed(&"an element is not closed")),
    }
}

/// The items of a list in XML: one stands there without a list.
pub(super) fn items(list: &Value, item: &str) -> Vec<Value> {
    match &list[item] {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_becomes_a_tree() {
        let body = br#"<?xml version="1.0"?><A xmlns="x"><B>a&amp;b</B><C><D>1</D><D>2</D></C><E/></A>"#;
        assert_eq!(xml(body).unwrap(), json!({"A": {"B": "a&b", "C": {"D": ["1", "2"]}, "E": ""}}));
        assert_eq!(items(&json!({"D": ["1", "2"]}), "D"), [json!("1"), json!("2")]);
        assert_eq!(items(&json!({"D": "1"}), "D"), [json!("1")]);
        assert!(items(&json!(""), "D").is_empty());
        assert_eq!(xml(b"<A><B></A>").unwrap_err().code, "InvalidInput");
        assert_eq!(xml(b"<A>").unwrap_err().code, "InvalidInput");
    }

    #[test]
    fn tags_are_set_taken_away_and_told() {
        let mut tags = Tags::new();
        let set =
            json!({"ResourceTags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], "Tags": [{"Key": "no"}]});
        assert_eq!(tag_answer("TagResource", &set, "Resource", &mut tags), json!({}));
        assert_eq!(tag_answer("UntagResource", &json!({"TagKeys": ["a", "c"]}), "", &mut tags), json!({}));
        let told = tag_answer("ListTagsForResource", &json!({}), "", &mut tags);
        assert_eq!(told, json!({"Tags": [{"Key": "b", "Value": "2"}]}));
    }

    #[test]
    fn pages_have_their_tokens() {
        let all = || vec![1, 2, 3, 4, 5];
        assert_eq!(page(all(), None, 2).unwrap(), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(page(all(), Some("4"), 2).unwrap(), (vec![5], None));
        assert_eq!(page(all(), Some("3"), 2).unwrap(), (vec![4, 5], None));
        assert!(page(all(), Some("x"), 2).is_err());
    }
}
