//! Cost Explorer's anomaly monitors and subscriptions, which no emulator serves.

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const MONITOR: &str = "aws:ce:AnomalyMonitor";
const SUBSCRIPTION: &str = "aws:ce:AnomalySubscription";

fn arn(kind: &str, n: usize) -> String {
    format!("arn:aws:ce::123456789012:anomaly{kind}/{n}")
}

fn answer(request: &Request) -> Answer {
    let impact = json!({"Dimensions": {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "Values": ["100"], "MatchOptions": ["GREATER_THAN_OR_EQUAL"]}});
    Answer::Json(match request.operation.as_str() {
        "GetAnomalyMonitors" => json!({"AnomalyMonitors": (0..100).map(|n| json!({
            "MonitorArn": arn("monitor", n), "MonitorName": "costs", "MonitorType": "CUSTOM", "DimensionalValueCount": 0,
            "MonitorSpecification": {"Tags": {"Key": "team", "Values": ["y", "x"], "MatchOptions": ["EQUALS"]}}})).collect::<Vec<_>>()}),
        "GetAnomalySubscriptions" => json!({"AnomalySubscriptions": (0..100).map(|n| json!({
            "SubscriptionArn": arn("subscription", n), "SubscriptionName": "people", "Frequency": "DAILY", "AccountId": "123456789012",
            "MonitorArnList": ["arn:m2", "arn:m1"], "ThresholdExpression": impact,
            "Subscribers": [{"Address": "a@x", "Type": "EMAIL", "Status": "CONFIRMED"}]})).collect::<Vec<_>>()}),
        "ListTagsForResource" => {
            let mine = request.body["ResourceArn"].as_str().unwrap().ends_with("/7");
            json!({"ResourceTags": [{"Key": "a", "Value": "1"}, {"Key": "phx:intent", "Value": intent(if mine { 1 } else { 9 }).as_str()}]})
        }
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            json!({"ResourceTagMappingList": arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]})).collect::<Vec<_>>()})
        }
        "CreateAnomalyMonitor" => json!({"MonitorArn": arn("monitor", 7)}),
        "CreateAnomalySubscription" => json!({"SubscriptionArn": arn("subscription", 7)}),
        _ => json!({}),
    })
}

fn monitor() -> Json {
    json!({"monitor_name": "costs", "monitor_type": "CUSTOM", "tags": {"a": "1"},
        "monitor_specification": {"Tags": {"Key": "team", "Values": ["x", "y"]}}})
}

fn subscription() -> Json {
    json!({"subscription_name": "people", "frequency": "DAILY", "monitor_arn_list": ["arn:m1", "arn:m2"], "tags": {"a": "1"},
        "subscribers": [{"address": "a@x", "type": "EMAIL"}], "threshold_expression": {"Dimensions":
            {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "Values": ["100"], "MatchOptions": ["GREATER_THAN_OR_EQUAL"]}}})
}

fn sent(bench: &Bench, operation: &str) -> Vec<Json> {
    bench.requests().into_iter().filter(|r| r.operation == operation).map(|r| r.body).collect()
}

#[tokio::test]
async fn a_monitor_lives() {
    let bench = scripted(|request, _| answer(request));
    let made = bench.create(MONITOR, &monitor(), 1).await.unwrap();
    let create = sent(&bench, "CreateAnomalyMonitor").remove(0);
    assert_eq!(
        create["AnomalyMonitor"]["MonitorSpecification"],
        json!({"Tags": {"Key": "team", "Values": ["x", "y"]}})
    );
    assert!(create["ResourceTags"].to_string().contains("phx:intent"));
    bench.settled(MONITOR, &made.id, &monitor()).await;
    let mut other = monitor();
    other["monitor_name"] = json!("all costs");
    other["tags"] = json!({"b": "2"});
    bench.update(MONITOR, &made.id, &monitor(), &other).await;
    assert_eq!(sent(&bench, "UpdateAnomalyMonitor")[0], json!({"MonitorArn": made.id, "MonitorName": "all costs"}));
    assert_eq!(sent(&bench, "UntagResource")[0]["ResourceTagKeys"], json!(["a"]));
}

#[tokio::test]
async fn a_subscription_lives() {
    let bench = scripted(|request, _| answer(request));
    let made = bench.create(SUBSCRIPTION, &subscription(), 1).await.unwrap();
    bench.settled(SUBSCRIPTION, &made.id, &subscription()).await;
    let mut other = subscription();
    other["frequency"] = json!("IMMEDIATE");
    other["subscribers"] = json!([{"address": "arn:aws:sns:us-east-1:123456789012:t", "type": "SNS"}]);
    bench.update(SUBSCRIPTION, &made.id, &subscription(), &other).await;
    let update = sent(&bench, "UpdateAnomalySubscription").remove(0);
    assert_eq!(update["Frequency"], json!("IMMEDIATE"));
    assert_eq!(update["Subscribers"][0]["Type"], json!("SNS"));
    assert!(update.get("MonitorArnList").is_none() && update.get("ThresholdExpression").is_none(), "{update}");
}

#[tokio::test]
async fn lost_answers_are_found_by_their_marks() {
    for (name, want, create) in
        [(MONITOR, monitor(), "CreateAnomalyMonitor"), (SUBSCRIPTION, subscription(), "CreateAnomalySubscription")]
    {
        let bench =
            scripted(move |request, _| if request.operation == create { Answer::Lost } else { answer(request) });
        let driver = bench.driver(name);
        let error = driver.create(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous);
        let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().unwrap();
        assert!(found.id.ends_with("/7"), "{}", found.id);
        assert!(driver.find(&bench.cx, &fields(want), &intent(2)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_hundred_take_a_list_and_their_tags() {
    for (name, kind, want) in [(MONITOR, "monitor", monitor()), (SUBSCRIPTION, "subscription", subscription())] {
        let bench = scripted(|request, _| answer(request));
        let (set, ids): (_, Vec<String>) = (fields(want), (0..100).map(|n| arn(kind, n)).collect());
        let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
        let read = bench.read(name, &targets).await;
        assert!(read.iter().all(|read| matches!(read, Read::Present(_))), "{read:?}");
        assert!(bench.operations().len() <= 2, "{:?}", bench.operations());
    }
}

#[tokio::test]
async fn what_is_gone_is_gone() {
    for (name, code) in [(MONITOR, "UnknownMonitorException"), (SUBSCRIPTION, "UnknownSubscriptionException")] {
        let bench = scripted(move |request, _| match request.operation.as_str() {
            "DeleteAnomalyMonitor" | "DeleteAnomalySubscription" => Answer::JsonError(400, code),
            _ => Answer::Json(json!({"AnomalyMonitors": [], "AnomalySubscriptions": []})),
        });
        let want = if name == MONITOR { monitor() } else { subscription() };
        bench.deleted(name, &arn("x", 1), &want).await;
    }
}
