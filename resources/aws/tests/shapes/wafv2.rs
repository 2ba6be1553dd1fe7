//! AWS WAF: lock tokens, what a change leaves as it is, statements that AWS adds to, what holds a web ACL, and what a read costs.

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const TYPE: &str = "aws:wafv2:WebAcl";

fn arn(name: &str) -> String {
    format!("arn:aws:wafv2:us-west-2:123456789012:regional/webacl/{name}/{name}-id")
}

fn seen(name: &str) -> Json {
    json!({"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": name})
}

/// As AWS tells it, with what it fills in.
fn acl(name: &str) -> Json {
    json!({
        "Name": name, "Id": format!("{name}-id"), "ARN": arn(name), "DefaultAction": {"Allow": {}}, "Description": "",
        "VisibilityConfig": seen(name), "Capacity": 5, "LabelNamespace": format!("awswaf:1:webacl:{name}:"),
        "ManagedByFirewallManager": false, "DataProtectionConfig": {"DataProtections": [
            {"Field": {"FieldType": "SINGLE_HEADER", "FieldKeys": ["authorization"]}, "Action": "HASH",
                "ExcludeRuleMatchDetails": false, "ExcludeRateBasedDetails": false}]},
        "OnSourceDDoSProtectionConfig": {"ALBLowReputationMode": "ACTIVE_UNDER_DDOS"},
        "Rules": [
            {"Name": "rate", "Priority": 1, "Action": {"Block": {}}, "VisibilityConfig": seen("rate"), "Statement": {
                "RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP", "EvaluationWindowSec": 300}}},
            {"Name": "bad", "Priority": 2, "Action": {"Count": {}}, "VisibilityConfig": seen("bad"), "Statement": {
                "NotStatement": {"Statement": {"ByteMatchStatement": {"SearchString": "YmFk", "FieldToMatch": {"Method": {}},
                    "TextTransformations": [{"Priority": 0, "Type": "NONE"}], "PositionalConstraint": "EXACTLY"}}}}}]})
}

fn metrics(name: &str) -> Json {
    json!({"sampled_requests_enabled": true, "cloud_watch_metrics_enabled": true, "metric_name": name})
}

fn want() -> Json {
    json!({
        "name": "front", "scope": "REGIONAL", "default_action": {"action": "Allow"}, "visibility_config": metrics("front"),
        "tags": {"a": "1"},
        "data_protection_config": {"data_protections": [{"field": {"field_type": "SINGLE_HEADER", "field_keys": ["authorization"]},
            "action": "HASH"}]},
        "rules": [
            {"name": "bad", "priority": 2, "action": {"action": "Count"}, "visibility_config": metrics("bad"), "statement": {
                "NotStatement": {"Statement": {"ByteMatchStatement": {"SearchString": "bad", "FieldToMatch": {"Method": {}},
                    "TextTransformations": [{"Priority": 0, "Type": "NONE"}], "PositionalConstraint": "EXACTLY"}}}}},
            {"name": "rate", "priority": 1, "action": {"action": "Block"}, "visibility_config": metrics("rate"), "statement": {
                "RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP"}}}]})
}

fn answer(request: &Request) -> Answer {
    let summary = json!({"Name": "front", "Id": "front-id", "ARN": arn("front"), "LockToken": "t"});
    Answer::Json(match request.operation.as_str() {
        "CreateWebACL" => json!({"Summary": summary}),
        "ListWebACLs" => json!({"WebACLs": [{"Name": "other", "Id": "x", "ARN": arn("other")}, summary]}),
        "GetWebACL" => {
            assert_eq!(request.body["Scope"], json!("REGIONAL"));
            json!({"WebACL": acl(request.body["Name"].as_str().unwrap()), "LockToken": "t", "ApplicationIntegrationURL": "https://x"})
        }
        "ListTagsForResource" => json!({"TagInfoForResource": {"TagList": [
            {"Key": "a", "Value": "1"}, {"Key": "phx:intent", "Value": intent(1).as_str()}]}}),
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            json!({"ResourceTagMappingList": arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]})).collect::<Vec<_>>()})
        }
        _ => json!({}),
    })
}

fn sent(bench: &Bench, operation: &str) -> Vec<Json> {
    bench.requests().into_iter().filter(|r| r.operation == operation).map(|r| r.body).collect()
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_mark() {
    let bench = scripted(|request, _| if request.operation == "CreateWebACL" { Answer::Lost } else { answer(request) });
    let driver = bench.driver(TYPE);
    let error = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let create = sent(&bench, "CreateWebACL").remove(0);
    assert_eq!((&create["Name"], &create["Scope"]), (&json!("front"), &json!("REGIONAL")));
    assert_eq!(create["DefaultAction"], json!({"Allow": {}}));
    assert_eq!(create["Rules"][0]["Action"], json!({"Count": {}}));
    let matched = &create["Rules"][0]["Statement"]["NotStatement"]["Statement"]["ByteMatchStatement"];
    assert_eq!(matched["SearchString"], json!("YmFk"));
    assert!(create["Tags"].to_string().contains("phx:intent"));
    let found = driver.find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().unwrap();
    assert_eq!(found.id, arn("front"));
    let error = driver.find(&bench.cx, &fields(want()), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_name_that_is_taken_is_the_intents_or_an_error() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateWebACL" => Answer::JsonError(400, "WAFDuplicateItemException"),
        _ => answer(request),
    });
    assert_eq!(bench.create(TYPE, &want(), 1).await.unwrap().id, arn("front"));
    assert_eq!(bench.create(TYPE, &want(), 2).await.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_aws_fills_in_is_no_drift() {
    let bench = scripted(|request, _| answer(request));
    let made = bench.create(TYPE, &want(), 1).await.unwrap();
    assert_eq!(made.outputs["application_integration_url"].as_str(), Some("https://x"));
    let read = bench.settled(TYPE, &made.id, &want()).await;
    assert_eq!(read.outputs["capacity"], phx_model::Value::Int(5));
    // A rule that AWS changed is.
    let mut other = want();
    other["rules"][1]["statement"]["RateBasedStatement"]["Limit"] = json!(200);
    let set = fields(other.clone());
    let Read::Present(read) = bench.read(TYPE, &[(&made.id, &set)]).await.remove(0) else { panic!() };
    assert_ne!(read.fields["rules"], set["rules"]);
}

#[tokio::test]
async fn a_change_leaves_the_rest_as_it_is_and_reads_again_if_another_came_in_between() {
    let tries = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "UpdateWebACL" if tries.fetch_add(1, Ordering::SeqCst) == 0 => {
            Answer::JsonError(400, "WAFOptimisticLockException")
        }
        _ => answer(request),
    });
    let mut next = want();
    next["default_action"] = json!({"action": "Block", "custom_response": {"response_code": 403}});
    next["tags"] = json!({"b": "2"});
    next.as_object_mut().unwrap().remove("data_protection_config");
    bench.update(TYPE, &arn("front"), &want(), &next).await;
    let update = sent(&bench, "UpdateWebACL").remove(1);
    assert_eq!(update["DefaultAction"], json!({"Block": {"CustomResponse": {"ResponseCode": 403}}}));
    assert_eq!(update["Rules"], acl("front")["Rules"]);
    assert_eq!(update["OnSourceDDoSProtectionConfig"], acl("front")["OnSourceDDoSProtectionConfig"]);
    assert_eq!(update["LockToken"], json!("t"));
    for gone in ["Description", "DataProtectionConfig", "Capacity", "ARN", "Tags"] {
        assert!(update.get(gone).is_none(), "{gone}: {update}");
    }
    assert_eq!(sent(&bench, "TagResource")[0]["Tags"], json!([{"Key": "b", "Value": "2"}]));
    assert_eq!(sent(&bench, "UntagResource")[0]["TagKeys"], json!(["a"]));
}

#[tokio::test]
async fn what_holds_a_web_acl_is_told() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DeleteWebACL" => Answer::JsonError(400, "WAFAssociatedItemException"),
        "ListResourcesForWebACL" if request.body["ResourceType"] == json!("APPLICATION_LOAD_BALANCER") => {
            Answer::Json(json!({"ResourceArns": ["arn:lb"]}))
        }
        "ListResourcesForWebACL" => Answer::Json(json!({"ResourceArns": []})),
        _ => answer(request),
    });
    let error = bench.driver(TYPE).delete(&bench.cx, &arn("front"), &fields(want())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.hint.unwrap().contains("arn:lb"));
    assert_eq!(sent(&bench, "DeleteWebACL")[0]["LockToken"], json!("t"));
}

#[tokio::test]
async fn what_is_gone_is_gone_and_what_failed_is_not() {
    let bench = scripted(|_, _| Answer::JsonError(400, "WAFNonexistentItemException"));
    bench.deleted(TYPE, &arn("front"), &want()).await;
    let bench = scripted(|_, _| Answer::JsonError(400, "AccessDeniedException"));
    let read = bench.read(TYPE, &[(&arn("front"), &fields(want())), ("nonsense", &ValueMap::new())]).await;
    assert!(read.iter().all(|read| matches!(read, Read::Failed(_))), "{read:?}");
}

#[tokio::test]
async fn a_hundred_web_acls() {
    let bench = scripted(|request, _| answer(request));
    let (set, ids): (_, Vec<String>) = (fields(want()), (0..100).map(|n| arn(&format!("w{n}"))).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    assert!(bench.read(TYPE, &targets).await.iter().all(|read| matches!(read, Read::Present(_))));
    assert!(bench.operations().len() <= 101, "{} calls", bench.operations().len());
}
