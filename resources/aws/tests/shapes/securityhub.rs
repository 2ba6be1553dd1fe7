//! Security Hub: settings, tags and standards, which no emulator serves.

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const ACCOUNT: &str = "aws:securityhub:Account";
const STANDARD: &str = "aws:securityhub:StandardsSubscription";
const HUB: &str = "arn:aws:securityhub:us-west-2:123456789012:hub/default";

fn account() -> Json {
    json!({"enable_default_standards": false, "auto_enable_controls": false, "control_finding_generator": "SECURITY_CONTROL", "tags": {"a": "1"}})
}

fn method(request: &Request) -> &str {
    request.operation.split(' ').next().unwrap()
}

#[tokio::test]
async fn security_hub_lives() {
    let bench = scripted(|request, n| match (method(request), request.uri.split('?').next().unwrap()) {
        ("POST", "/accounts") if n == 0 => Answer::Lost,
        ("POST", "/accounts") => Answer::JsonError(409, "ResourceConflictException"),
        ("GET", "/accounts") => Answer::Json(
            json!({"HubArn": HUB, "AutoEnableControls": false, "ControlFindingGenerator": "SECURITY_CONTROL"}),
        ),
        ("GET", _) => Answer::Json(json!({"Tags": {"a": "1", "phx:intent": intent(1).as_str()}})),
        ("DELETE", "/accounts") => Answer::JsonError(404, "ResourceNotFoundException"),
        _ => Answer::Json(json!({})),
    });
    let driver = bench.driver(ACCOUNT);
    let error = driver.create(&bench.cx, &fields(account()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert_eq!(bench.requests()[0].body["EnableDefaultStandards"], json!(false));
    assert_eq!(bench.requests()[0].body["Tags"]["phx:intent"], json!(intent(1).as_str()));
    let found = driver.find(&bench.cx, &fields(account()), &intent(1)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.complete), (HUB, false));
    // Enabled already, by this very intent or by another.
    let made = bench.create(ACCOUNT, &account(), 1).await.unwrap();
    let other = driver.create(&bench.cx, &fields(account()), &intent(2)).await.unwrap_err();
    assert_eq!((made.id.as_str(), other.kind), (HUB, ErrorKind::AlreadyExists));
    let patch = bench.requests().into_iter().find(|r| method(r) == "PATCH").unwrap();
    assert_eq!(patch.body, json!({"AutoEnableControls": false}));
    bench.settled(ACCOUNT, HUB, &account()).await;
    let next =
        json!({"auto_enable_controls": true, "control_finding_generator": "STANDARD_CONTROL", "tags": {"b": "2"}});
    bench.update(ACCOUNT, HUB, &account(), &next).await;
    let sent: Vec<Request> = bench.requests().into_iter().rev().take(3).collect();
    assert_eq!(sent[2].body, json!({"AutoEnableControls": true, "ControlFindingGenerator": "STANDARD_CONTROL"}));
    // Those that go make room for those that come.
    assert!(method(&sent[1]) == "DELETE" && sent[0].body["Tags"] == json!({"b": "2"}), "{sent:?}");
    driver.delete(&bench.cx, HUB, &fields(account())).await.unwrap();
}

#[tokio::test]
async fn each_hub_takes_a_call_and_their_tags_one() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            let all: Vec<Json> =
                arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]})).collect();
            Answer::Json(json!({"ResourceTagMappingList": all}))
        }
        _ => Answer::Json(json!({"HubArn": HUB})),
    });
    let (set, ids): (_, Vec<String>) = (fields(account()), (0..100).map(|n| format!("{HUB}{n}")).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    assert!(bench.read(ACCOUNT, &targets).await.iter().all(|read| matches!(read, Read::Present(_))));
    assert!(bench.operations().len() <= 101, "{} calls", bench.operations().len());
}

fn standard(status: &str) -> Json {
    json!({"StandardsSubscriptionArn": "arn:s", "StandardsArn": "arn:fsbp", "StandardsInput": {}, "StandardsStatus": status})
}

async fn made(bench: &Bench) -> Result<phx_model::driver::Created, phx_model::CloudError> {
    bench.create(STANDARD, &json!({"standards_arn": "arn:fsbp"}), 1).await
}

#[tokio::test]
async fn a_standard_is_waited_for() {
    let looks = AtomicUsize::new(0);
    let bench = scripted(move |request, n| match request.operation.as_str() {
        // Security Hub is busy with another one.
        "POST /standards/register" if n == 0 => Answer::JsonError(409, "ResourceConflictException"),
        "POST /standards/register" => Answer::Json(json!({"StandardsSubscriptions": [standard("PENDING")]})),
        _ => {
            let status = if looks.fetch_add(1, Ordering::SeqCst) < 2 { "PENDING" } else { "READY" };
            Answer::Json(json!({"StandardsSubscriptions": [standard(status)]}))
        }
    });
    assert_eq!(made(&bench).await.unwrap().id, "arn:s");
    bench.settled(STANDARD, "arn:s", &json!({"standards_arn": "arn:fsbp"})).await;
    let found = bench.driver(STANDARD).find(&bench.cx, &fields(json!({"standards_arn": "arn:fsbp"})), &intent(1)).await;
    assert_eq!(found.unwrap().unwrap().id, "arn:s");

    let bench = scripted(|_, _| {
        let mut failed = standard("FAILED");
        failed["StandardsStatusReason"] = json!({"StatusReasonCode": "INTERNAL_ERROR"});
        Answer::Json(json!({"StandardsSubscriptions": [failed]}))
    });
    let error = made(&bench).await.unwrap_err();
    assert!(error.message.contains("INTERNAL_ERROR"), "{error}");
}

#[tokio::test]
async fn a_standard_with_other_parameters_is_not_the_one_that_was_wished() {
    let bench = scripted(|_, _| {
        let mut there = standard("READY");
        there["StandardsInput"] = json!({"p": "1"});
        Answer::Json(json!({"StandardsSubscriptions": [there]}))
    });
    let find = |input: Json| {
        let want = fields(json!({"standards_arn": "arn:fsbp", "standards_input": input}));
        let bench = &bench;
        async move { bench.driver(STANDARD).find(&bench.cx, &want, &intent(1)).await }
    };
    assert_eq!(find(json!({"p": "1"})).await.unwrap().unwrap().id, "arn:s");
    assert_eq!(find(json!({"p": "2"})).await.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_standard_that_goes_is_gone() {
    let looks = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "POST /standards/deregister" => Answer::Json(json!({"StandardsSubscriptions": [standard("DELETING")]})),
        _ if looks.fetch_add(1, Ordering::SeqCst) < 2 => {
            Answer::Json(json!({"StandardsSubscriptions": [standard("DELETING")]}))
        }
        _ => Answer::Json(json!({"StandardsSubscriptions": []})),
    });
    let set = fields(json!({"standards_arn": "arn:fsbp"}));
    let read = bench.read(STANDARD, &[("arn:s", &set)]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
    bench.deleted(STANDARD, "arn:s", &json!({"standards_arn": "arn:fsbp"})).await;
}

#[tokio::test]
async fn standards_are_listed() {
    let bench = scripted(|_, _| {
        let all: Vec<Json> = (0..100)
            .map(|n| json!({"StandardsSubscriptionArn": format!("arn:s{n}"), "StandardsArn": "arn:x", "StandardsStatus": "READY"}))
            .collect();
        Answer::Json(json!({"StandardsSubscriptions": all}))
    });
    let (set, ids): (_, Vec<String>) =
        (fields(json!({"standards_arn": "arn:x"})), (0..100).map(|n| format!("arn:s{n}")).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    assert!(bench.read(STANDARD, &targets).await.iter().all(|read| matches!(read, Read::Present(_))));
    assert!(bench.operations().len() <= 1, "{:?}", bench.operations());
}
