//! GuardDuty as AWS answers: a detector a region, features of everyone's, tags.

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Request, fields, intent, scripted};

const TYPE: &str = "aws:guardduty:Detector";

fn detector() -> Json {
    let on = |name: &str| json!({"name": name, "status": "ENABLED", "updatedAt": 1.0});
    json!({
        "createdAt": "x", "findingPublishingFrequency": "SIX_HOURS", "serviceRole": "r", "status": "ENABLED", "updatedAt": "x",
        "tags": {"a": "1", "phx:intent": intent(1).as_str()},
        "features": [on("CLOUD_TRAIL"), on("DNS_LOGS"), on("FLOW_LOGS"), on("S3_DATA_EVENTS"),
            {"name": "RUNTIME_MONITORING", "status": "DISABLED", "additionalConfiguration": [
                on("EKS_ADDON_MANAGEMENT"), on("EC2_AGENT_MANAGEMENT")]}]})
}

fn want() -> Json {
    json!({"enable": true, "tags": {"a": "1"}, "features": [
        {"name": "RUNTIME_MONITORING", "status": "DISABLED", "additional_configuration": [
            {"name": "EC2_AGENT_MANAGEMENT", "status": "ENABLED"}]},
        {"name": "S3_DATA_EVENTS", "status": "ENABLED"}]})
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_mark() {
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "POST /detector" => Answer::Lost,
        "GET /detector" => Answer::Json(json!({"detectorIds": ["d"]})),
        "GET /detector/d" => Answer::Json(detector()),
        _ => Answer::Json(json!({})),
    });
    let driver = bench.driver(TYPE);
    let error = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let create = &bench.requests()[0].body;
    assert_eq!(create["clientToken"].as_str().unwrap().len(), 64);
    assert_eq!(create["features"][0]["additionalConfiguration"][0]["name"], json!("EC2_AGENT_MANAGEMENT"));
    let found = driver.find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().unwrap();
    assert_eq!(found.outputs["arn"].as_str(), Some("arn:aws:guardduty:us-west-2:123456789012:detector/d"));
    let error = driver.find(&bench.cx, &fields(want()), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    // What others switched on is no drift.
    bench.settled(TYPE, "d", &want()).await;
    bench.settled(TYPE, "d", &json!({"enable": true, "tags": {"a": "1"}})).await;
    let mut next = want();
    next["features"] = json!([{"name": "S3_DATA_EVENTS", "status": "DISABLED"}]);
    next["tags"] = json!({"b": "2"});
    bench.update(TYPE, "d", &want(), &next).await;
    let sent: Vec<Request> = bench.requests().into_iter().rev().take(3).collect();
    assert_eq!(sent[0].body["tags"], json!({"b": "2"}));
    assert!(sent[1].operation.starts_with("DELETE /tags/") && sent[1].uri.contains("tagKeys=a"), "{sent:?}");
    assert_eq!(sent[2].body, json!({"features": [{"name": "S3_DATA_EVENTS", "status": "DISABLED"}]}));
}

#[tokio::test]
async fn a_detector_that_is_not_the_accounts_is_gone() {
    let bench = scripted(|_, _| Answer::Json(json!({"detectorIds": []})));
    assert!(bench.driver(TYPE).find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().is_none());
    // Another refusal is no answer to whether it is there.
    let bench = scripted(|_, _| Answer::JsonError(403, "AccessDeniedException"));
    let read = bench.read(TYPE, &[("d", &fields(want()))]).await.remove(0);
    assert!(matches!(read, Read::Failed(_)), "{read:?}");
}

#[tokio::test]
async fn each_takes_a_call() {
    let bench = scripted(|_, _| Answer::Json(detector()));
    let (set, ids): (_, Vec<String>) = (fields(want()), (0..100).map(|n| format!("d{n}")).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    assert!(bench.read(TYPE, &targets).await.iter().all(|read| matches!(read, Read::Present(_))));
    assert!(bench.operations().len() <= 100, "{} calls", bench.operations().len());
}
