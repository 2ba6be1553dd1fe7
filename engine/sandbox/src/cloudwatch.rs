//! CloudWatch: alarms, composite alarms and dashboards, in each of the three protocols that its clients speak (CBOR, JSON and the query protocol).
//! No metrics: an alarm stays in `INSUFFICIENT_DATA`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::form::tree;
use super::service::{Call, GLOBAL, Model, Tags};
use super::shape::{
    Members, at, fault, json_answer, limit, members, now, page, query_answer, tag_answer, tags_of, text, texts, unknown,
};
use super::wire::Fault;
use super::{ACCOUNT_ID, cbor};

const XMLNS: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";
/// Lists tell so many at once.
const PAGE: usize = 100;
/// What forms say in text and is none.
const NUMBERS: &[&str] = &[
    "ActionsSuppressorExtensionPeriod",
    "ActionsSuppressorWaitPeriod",
    "DatapointsToAlarm",
    "EvaluationInterval",
    "EvaluationPeriods",
    "MaxRecords",
    "Period",
    "Threshold",
];
const FLAGS: &[&str] = &["ActionsEnabled", "ReturnData"];

#[derive(Clone, Default, Serialize, Deserialize)]
struct Alarm {
    composite: bool,
    fields: Members,
    tags: Tags,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Dashboard {
    body: String,
    modified: i64,
    tags: Tags,
}

/// Alarms belong to a region, dashboards to the account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct CloudWatch {
    alarms: BTreeMap<String, BTreeMap<String, Alarm>>,
    dashboards: BTreeMap<String, Dashboard>,
}

fn validation(message: impl Into<String>) -> Fault {
    Fault::new("ValidationError", message)
}

fn dashboard_arn(name: &str) -> String {
    format!("arn:aws:cloudwatch::{ACCOUNT_ID}:dashboard/{name}")
}

fn no_dashboard(name: &str) -> Fault {
    fault(404, "ResourceNotFound", format!("Dashboard {name} does not exist"))
}

/// The names of the alarms in a composite alarm's rule: `ALARM("a b") AND NOT OK(c)`, by name or ARN.
fn named(rule: &str) -> Vec<String> {
    let mut names = Vec::new();
    for state in ["ALARM(", "OK(", "INSUFFICIENT_DATA("] {
        for (at, _) in rule.match_indices(state) {
            let word_before = rule[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let inner = rule[at + state.len()..].trim_start();
            let name = match inner.strip_prefix(['"', '\'']) {
                Some(quoted) => quoted.split(&inner[..1]).next(),
                None => inner.split(')').next().map(str::trim_end),
            };
            if let Some(name) = name.filter(|_| !word_before) {
                names.push(name.rsplit_once(":alarm:").map_or(name, |(_, name)| name).to_owned());
            }
        }
    }
    names
}

impl CloudWatch {
    fn region(&mut self, call: &Call) -> &mut BTreeMap<String, Alarm> {
        self.alarms.entry(call.region.clone()).or_default()
    }

    fn put_alarm(&mut self, call: &Call, body: &Value, composite: bool) -> Result<Value, Fault> {
        let name = text(body, "AlarmName").map_err(|_| validation("AlarmName must not be empty"))?.to_owned();
        let arn = call.arn("cloudwatch", &format!("alarm:{name}"));
        let alarms = self.region(call);
        if composite {
            let rule = text(body, "AlarmRule").map_err(|_| validation("AlarmRule must not be empty"))?;
            let children = named(rule);
            if let Some(absent) = children.iter().find(|child| !alarms.contains_key(*child)) {
                return Err(validation(format!("AlarmRule: the alarm {absent} does not exist")));
            }
            if children.contains(&name) {
                return Err(validation("AlarmRule: an alarm must not depend on itself"));
            }
        } else {
            for needed in ["EvaluationPeriods", "ComparisonOperator"] {
                // An alarm over PromQL is evaluated otherwise.
                if body[needed].is_null() && body["EvaluationCriteria"].is_null() {
                    return Err(validation(format!("{needed} must not be null")));
                }
            }
            let sources = ["MetricName", "Metrics", "EvaluationCriteria"];
            let sources = sources.iter().filter(|s| !body[**s].is_null() && body[**s] != json!([])).count();
            if sources != 1 {
                return Err(validation("An alarm has either a MetricName or Metrics"));
            }
            if !body["MetricName"].is_null() && (body["Namespace"].is_null() || body["Period"].is_null()) {
                return Err(validation("Namespace and Period are needed with MetricName"));
            }
        }
        let there = alarms.get(&name);
        if there.is_some_and(|there| there.composite != composite) {
            return Err(validation(format!("An alarm of another kind has the name {name}")));
        }
        let mut fields = members(body.clone());
        fields.remove("Tags");
        fields.retain(|_, value| !value.is_null());
        fields.entry("ActionsEnabled").or_insert_with(|| json!(true));
        // Tags count only when the alarm is made, and its state stays.
        let (tags, state) = match there {
            Some(there) => (there.tags.clone(), at(&there.fields, "StateValue").clone()),
            None => (tags_of(&body["Tags"], "Key", "Value"), json!("INSUFFICIENT_DATA")),
        };
        for (field, value) in [
            ("AlarmArn", json!(arn)),
            ("AlarmConfigurationUpdatedTimestamp", now()),
            ("StateUpdatedTimestamp", now()),
            ("StateValue", state),
            ("StateReason", json!("Unchecked: Initial alarm creation")),
        ] {
            fields.insert(field.to_owned(), value);
        }
        alarms.insert(name, Alarm { composite, fields, tags });
        Ok(json!({}))
    }

    fn delete_alarms(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let names = texts(&body["AlarmNames"]);
        let alarms = self.region(call);
        if let Some(absent) = names.iter().find(|name| !alarms.contains_key(*name)) {
            return Err(fault(404, "ResourceNotFound", format!("The alarm {absent} does not exist")));
        }
        for (parent, alarm) in alarms.iter().filter(|(name, alarm)| alarm.composite && !names.contains(name)) {
            let children = named(at(&alarm.fields, "AlarmRule").as_str().unwrap_or_default());
            if let Some(child) = names.iter().find(|name| children.contains(name)) {
                return Err(validation(format!(
                    "Cannot delete {child} as there are composite alarm(s) depending on it: {parent}"
                )));
            }
        }
        alarms.retain(|name, _| !names.contains(name));
        Ok(json!({}))
    }

    fn describe_alarms(&mut self, call: &Call, body: &Value) -> Result<Value, Fault> {
        let names = texts(&body["AlarmNames"]);
        let prefix = body["AlarmNamePrefix"].as_str().unwrap_or_default();
        let kinds = texts(&body["AlarmTypes"]);
        let state = body["StateValue"].as_str();
        for filter in ["ChildrenOfAlarmName", "ParentsOfAlarmName", "ActionPrefix"] {
            if !body[filter].is_null() {
                return Err(Fault::not_implemented(&format!("cloudwatch:DescribeAlarms by {filter}")));
            }
        }
        let wanted = |name: &str, alarm: &Alarm| {
            let kind = if alarm.composite { "CompositeAlarm" } else { "MetricAlarm" };
            let of_kind = if kinds.is_empty() { !alarm.composite } else { kinds.iter().any(|k| k == kind) };
            of_kind
                && (names.is_empty() || names.iter().any(|n| n == name))
                && name.starts_with(prefix)
                && state.is_none_or(|state| at(&alarm.fields, "StateValue") == state)
        };
        let all: Vec<Alarm> = self
            .region(call)
            .iter()
            .filter(|(name, alarm)| wanted(name, alarm))
            .map(|(_, alarm)| alarm.clone())
            .collect();
        let (all, next) = page(all, body["NextToken"].as_str(), limit(&body["MaxRecords"], PAGE))?;
        let (composite, metric): (Vec<_>, Vec<_>) = all.into_iter().partition(|alarm| alarm.composite);
        let fields = |alarms: Vec<Alarm>| alarms.into_iter().map(|alarm| alarm.fields).collect::<Vec<_>>();
        Ok(json!({"MetricAlarms": fields(metric), "CompositeAlarms": fields(composite), "NextToken": next}))
    }

    fn put_dashboard(&mut self, body: &Value) -> Result<Value, Fault> {
        let name = text(body, "DashboardName").map_err(|_| validation("DashboardName must not be empty"))?;
        let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let document = body["DashboardBody"].as_str().unwrap_or_default();
        if !fine || serde_json::from_str::<Members>(document).is_err() {
            let message = "The field DashboardName or DashboardBody is invalid";
            return Err(Fault::new("InvalidParameterInput", message));
        }
        let tags = tags_of(&body["Tags"], "Key", "Value");
        let dashboard =
            self.dashboards.entry(name.to_owned()).or_insert_with(|| Dashboard { tags, ..Dashboard::default() });
        document.clone_into(&mut dashboard.body);
        dashboard.modified = now().as_i64().unwrap_or_default();
        Ok(json!({"DashboardValidationMessages": []}))
    }

    fn dashboards(&mut self, action: &str, body: &Value) -> Result<Value, Fault> {
        let name = body["DashboardName"].as_str().unwrap_or_default();
        match action {
            "GetDashboard" => {
                let there = self.dashboards.get(name).ok_or_else(|| no_dashboard(name))?;
                Ok(json!({"DashboardName": name, "DashboardArn": dashboard_arn(name), "DashboardBody": there.body}))
            }
            "DeleteDashboards" => {
                let names = texts(&body["DashboardNames"]);
                if let Some(absent) = names.iter().find(|name| !self.dashboards.contains_key(*name)) {
                    return Err(no_dashboard(absent));
                }
                self.dashboards.retain(|name, _| !names.contains(name));
                Ok(json!({}))
            }
            _ => {
                let prefix = body["DashboardNamePrefix"].as_str().unwrap_or_default();
                let shown = |(name, there): (&String, &Dashboard)| {
                    json!({"DashboardName": name, "DashboardArn": dashboard_arn(name),
                           "LastModified": there.modified, "Size": there.body.len()})
                };
                let all = self.dashboards.iter().filter(|(name, _)| name.starts_with(prefix)).map(shown).collect();
                let (all, next) = page(all, body["NextToken"].as_str(), 1000)?;
                Ok(json!({"DashboardEntries": all, "NextToken": next}))
            }
        }
    }

    fn tags(&mut self, call: &Call, body: &Value) -> Result<&mut Tags, Fault> {
        let arn = body["ResourceARN"].as_str().unwrap_or_default();
        let absent = || fault(404, "ResourceNotFoundException", format!("{arn} does not exist"));
        if let Some((_, name)) = arn.split_once(":dashboard/") {
            return self.dashboards.get_mut(name).map(|d| &mut d.tags).ok_or_else(absent);
        }
        let name = arn.split_once(":alarm:").map(|(_, name)| name.to_owned()).ok_or_else(absent)?;
        self.region(call).get_mut(&name).map(|alarm| &mut alarm.tags).ok_or_else(absent)
    }

    fn act(&mut self, call: &Call, action: &str, body: &Value) -> Result<Value, Fault> {
        match action {
            "PutMetricAlarm" => self.put_alarm(call, body, false),
            "PutCompositeAlarm" => self.put_alarm(call, body, true),
            "DescribeAlarms" => self.describe_alarms(call, body),
            "DeleteAlarms" => self.delete_alarms(call, body),
            "EnableAlarmActions" | "DisableAlarmActions" => {
                let names = texts(&body["AlarmNames"]);
                for (_, alarm) in self.region(call).iter_mut().filter(|(name, _)| names.contains(name)) {
                    alarm.fields.insert("ActionsEnabled".to_owned(), json!(action == "EnableAlarmActions"));
                }
                Ok(json!({}))
            }
            "PutDashboard" => self.put_dashboard(body),
            "GetDashboard" | "DeleteDashboards" | "ListDashboards" => self.dashboards(action, body),
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                Ok(tag_answer(action, body, "", self.tags(call, body)?))
            }
            _ => Err(Fault::not_implemented(&format!("cloudwatch:{action}"))),
        }
    }
}

/// Numbers and flags of a form, which has text only.
fn typed(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if NUMBERS.contains(&name) => {
            let whole = text.parse::<i64>().map(Value::from);
            whole.or_else(|_| text.parse::<f64>().map(Value::from)).unwrap_or(Value::String(text))
        }
        Value::String(text) if FLAGS.contains(&name) => json!(text == "true"),
        // That is how an empty list is written.
        Value::String(text) if text.is_empty() && name.ends_with('s') => json!([]),
        Value::Array(items) => items.into_iter().map(|item| typed("", item)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name.clone(), typed(&name, value))).collect())
        }
        other => other,
    }
}

/// Times as XML has them.
fn timed(name: &str, value: Value) -> Value {
    match value {
        Value::Number(number) if cbor::is_time(name) => {
            let at = number.as_i64().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
            at.map_or(Value::Null, |at| Value::String(at.to_string()))
        }
        Value::Array(items) => items.into_iter().map(|item| timed("", item)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name.clone(), timed(&name, value))).collect())
        }
        other => other,
    }
}

impl Model for CloudWatch {
    const GLOBAL: bool = true;

    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        if let Some(operation) = cbor::operation(call) {
            let body = cbor::read(&call.body)?;
            return cbor::answer(self.act(call, &operation, &body)?);
        }
        if call.headers.contains_key("x-amz-target") {
            return Ok(json_answer(self.act(call, &call.action, &call.json()?)?));
        }
        if call.action.is_empty() {
            return unknown("cloudwatch", call);
        }
        let body = typed("", Value::Object(tree(&call.form)));
        Ok(query_answer(&call.action, XMLNS, timed("", self.act(call, &call.action, &body)?)))
    }

    fn refusal(fault: &Fault, call: &Call) -> MockResponse {
        if cbor::operation(call).is_some() {
            cbor::refusal(fault)
        } else if call.headers.contains_key("x-amz-target") {
            fault.json()
        } else {
            fault.query_xml()
        }
    }

    fn tagged(&self, region: &str) -> Vec<(String, Tags)> {
        let alarm =
            |alarm: &Alarm| (at(&alarm.fields, "AlarmArn").as_str().unwrap_or_default().to_owned(), alarm.tags.clone());
        let dashboards = self.dashboards.iter().filter(|_| region == GLOBAL);
        let dashboards = dashboards.map(|(name, there)| (dashboard_arn(name), there.tags.clone()));
        self.alarms.get(region).into_iter().flatten().map(|(_, a)| alarm(a)).chain(dashboards).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Params;
    use super::*;

    fn call(headers: &[(&'static str, &'static str)], path: &str, body: Vec<u8>) -> Call {
        let mut call = Call {
            region: "us-west-2".to_owned(),
            method: "POST".to_owned(),
            path_and_query: path.to_owned(),
            headers: http::HeaderMap::new(),
            form: Params::parse(&body),
            action: String::new(),
            body: body.into(),
        };
        for (name, value) in headers {
            call.headers.insert(*name, http::HeaderValue::from_static(value));
        }
        if let Some(action) = call.form.get("Action") {
            call.action = action.to_owned();
        }
        call
    }

    /// What a form set, CBOR and a form tell alike, each with its own types.
    #[test]
    fn three_protocols_tell_one_alarm() {
        let mut state = CloudWatch::default();
        let put = "Action=PutMetricAlarm&Version=2010-08-01&AlarmName=a&MetricName=m&Namespace=n&Period=60&EvaluationPeriods=2\
                   &Threshold=1.5&ComparisonOperator=GreaterThanThreshold&ActionsEnabled=false&AlarmActions.member.1=arn%3Ax\
                   &Dimensions.member.1.Name=d&Dimensions.member.1.Value=v&Tags.member.1.Key=k&Tags.member.1.Value=t";
        state.call(&call(&[], "/", put.into())).unwrap();
        let headers = [("smithy-protocol", "rpc-v2-cbor")];
        let path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
        let told = state.call(&call(&headers, path, Vec::new())).unwrap();
        let told = &cbor::read(&told.body).unwrap()["MetricAlarms"][0];
        for (field, value) in [
            ("Threshold", json!(1.5)),
            ("Period", json!(60)),
            ("ActionsEnabled", json!(false)),
            ("AlarmActions", json!(["arn:x"])),
            ("Dimensions", json!([{"Name": "d", "Value": "v"}])),
            ("StateValue", json!("INSUFFICIENT_DATA")),
        ] {
            assert_eq!(told[field], value, "{field}");
        }
        let told = state.call(&call(&[], "/", b"Action=DescribeAlarms".to_vec())).unwrap();
        let told = String::from_utf8(told.body.to_vec()).unwrap();
        assert!(told.contains("<Dimensions><member><Name>d</Name><Value>v</Value></member></Dimensions>"), "{told}");
        assert!(told.contains("<StateUpdatedTimestamp>20"), "{told}");

        let absent = call(&headers, path.replace("DescribeAlarms", "GetDashboard").as_str(), Vec::new());
        let refused = CloudWatch::refusal(&state.call(&absent).unwrap_err(), &absent);
        assert_eq!(refused.status, 404);
        assert_eq!(cbor::read(&refused.body).unwrap()["__type"], "ResourceNotFound");
        let unknown = state.call(&call(&[], "/", b"Action=PutMetricData".to_vec())).unwrap_err();
        assert_eq!((unknown.status, unknown.code.as_str()), (501, "NotImplemented"));
    }

    #[test]
    fn a_rule_names_its_alarms() {
        let arn = "arn:aws:cloudwatch:us-west-2:000000000000:alarm:e";
        let rule = format!("(ALARM(\"a b\") AND NOT OK( c )) OR INSUFFICIENT_DATA('d') OR ALARM({arn}) OR TRUE");
        let mut names = named(&rule);
        names.sort();
        assert_eq!(names, ["a b", "c", "d", "e"]);
        assert!(named("TRUE").is_empty());
    }
}
