//! Cloud Control, which no emulator serves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use phx_aws::cloudcontrol::{Properties, Resource};
use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::{Input, Resource as _, Value, ValueMap};
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const TYPE: &str = "aws:cloudcontrol:Resource";
const BUCKET: &str = "AWS::S3::Bucket";

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn event(operation: &str, status: &str, more: Json) -> Json {
    let mut event = json!({"TypeName": BUCKET, "RequestToken": "r-1", "Operation": operation, "OperationStatus": status,
        "EventTime": now()});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn progress(operation: &str, status: &str, more: Json) -> Answer {
    Answer::Json(json!({"ProgressEvent": event(operation, status, more)}))
}

fn properties(properties: &Json) -> Answer {
    Answer::Json(
        json!({"TypeName": BUCKET, "ResourceDescription": {"Identifier": "logs", "Properties": properties.to_string()}}),
    )
}

fn want() -> Json {
    json!({
        "type_name": BUCKET, "replace_properties": {"/BucketName": "logs"},
        "desired_state": {"BucketName": "logs", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
            "VersioningConfiguration": {"Status": "Enabled"}}})
}

/// What is there, with what AWS adds to it.
fn there() -> Json {
    json!({
        "BucketName": "logs", "Arn": "arn:aws:s3:::logs", "DomainName": "logs.s3.amazonaws.com",
        "VersioningConfiguration": {"Status": "Enabled"},
        "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]})
}

fn sent(bench: &Bench, operation: &str) -> Vec<Json> {
    bench.requests().into_iter().filter(|r| r.operation == operation).map(|r| r.body).collect()
}

fn document(text: &Json) -> Json {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn an_object_is_made_followed_and_read_back() {
    let looks = AtomicUsize::new(0);
    let bench = scripted(move |request: &Request, _| match request.operation.as_str() {
        // The identifier is not known at once, and AWS says when to look again.
        "CreateResource" => progress("CREATE", "PENDING", json!({"RetryAfter": now() + 0.2})),
        "GetResourceRequestStatus" => match looks.fetch_add(1, Ordering::SeqCst) {
            0 => progress("CREATE", "IN_PROGRESS", json!({"StatusMessage": "checking"})),
            1 | 2 => progress("CREATE", "IN_PROGRESS", json!({"Identifier": "logs"})),
            _ => progress("CREATE", "SUCCESS", json!({"Identifier": "logs"})),
        },
        "ListResourceRequests" => Answer::Json(json!({"ResourceRequestStatusSummaries": [
            event("CREATE", "FAILED", json!({"Identifier": "other", "RequestToken": "r-0"})),
            event("CREATE", "IN_PROGRESS", json!({"Identifier": "logs"}))]})),
        "GetResource" => properties(&there()),
        other => panic!("{other}"),
    });
    let begun = std::time::Instant::now();
    let driver = bench.driver(TYPE);
    let made = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap();
    assert!(begun.elapsed().as_millis() >= 150, "it was looked again before AWS had asked for it");
    assert_eq!((made.id.as_str(), made.complete), ("AWS::S3::Bucket/logs", false));
    let outputs = driver.finish(&bench.cx, &made.id, &fields(want())).await.unwrap().unwrap();
    assert_eq!(outputs["identifier"].as_str(), Some("logs"));
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:s3:::logs"));
    assert_eq!(outputs["properties"], Value::from(there()));
    let create = sent(&bench, "CreateResource").remove(0);
    assert_eq!(create["TypeName"], json!(BUCKET));
    assert_eq!(document(&create["DesiredState"]), want()["desired_state"]);
    assert_eq!(create["ClientToken"].as_str().unwrap().len(), 64);
    bench.settled(TYPE, &made.id, &want()).await;
}

#[tokio::test]
async fn what_aws_adds_is_no_drift_and_what_differs_is() {
    let bench = scripted(|_, _| {
        properties(&json!({
            "BucketName": "logs", "Arn": "arn:aws:s3:::logs", "VersioningConfiguration": {"Status": "Suspended", "Mfa": "x"},
            "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]}))
    });
    let mut set = want();
    // Never told: taken to be as it was set.
    set["desired_state"]["Password"] = json!("secret");
    let set = fields(set);
    let Read::Present(read) = bench.read(TYPE, &[("AWS::S3::Bucket/logs", &set)]).await.remove(0) else { panic!() };
    let mut expected = want()["desired_state"].clone();
    expected["Password"] = json!("secret");
    expected["VersioningConfiguration"] = json!({"Status": "Suspended"});
    assert_eq!(read.fields["desired_state"], Value::from(expected));
    assert_eq!(read.fields["replace_properties"], Value::from(json!({"/BucketName": "logs"})));

    // Being adopted, nothing of it is the program's yet.
    let Read::Present(read) = bench.read(TYPE, &[("AWS::S3::Bucket/logs", &ValueMap::new())]).await.remove(0) else {
        panic!()
    };
    assert_eq!(read.fields["desired_state"], Value::Map(ValueMap::new()));
    assert_eq!(read.fields["type_name"].as_str(), Some(BUCKET));
}

#[tokio::test]
async fn what_is_secret_stays_so() {
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "ListResourceRequests" => Answer::Json(json!({})),
        _ => properties(&json!({"BucketName": "logs", "Password": "s3cret"})),
    });
    let mut set = fields(want());
    let Some(Value::Map(state)) = set.get_mut("desired_state") else { panic!() };
    state.insert("Password".to_owned(), Value::String("s3cret".into()).secret());
    let driver = bench.driver(TYPE);
    let outputs = driver.finish(&bench.cx, "AWS::S3::Bucket/logs", &set).await.unwrap().unwrap();
    assert!(outputs["properties"].has_secret());
    let Read::Present(read) = bench.read(TYPE, &[("AWS::S3::Bucket/logs", &set)]).await.remove(0) else { panic!() };
    assert!(!format!("{read:?}").contains("s3cret"), "{read:?}");
    assert!(read.outputs["properties"].has_secret() && read.fields["desired_state"].has_secret());
}

#[tokio::test]
async fn a_change_is_a_patch() {
    let bench = scripted(|request: &Request, n| match request.operation.as_str() {
        "GetResource" if n > 1 => properties(&json!({"BucketName": "logs", "Arn": "arn:aws:s3:::logs"})),
        "GetResource" => properties(&there()),
        "UpdateResource" => progress("UPDATE", "IN_PROGRESS", json!({"Identifier": "logs", "RetryAfter": now() - 5.0})),
        "GetResourceRequestStatus" => progress("UPDATE", "SUCCESS", json!({"Identifier": "logs"})),
        other => panic!("{other}"),
    });
    let after = json!({"BucketName": "logs", "Tags": [{"Key": "a", "Value": "2"}], "AccessControl": "Private"});
    let mut wanted = want();
    wanted["desired_state"] = after.clone();
    let change = Delta { before: want()["desired_state"].clone().into(), after: after.into() };
    let change = [("desired_state".to_owned(), change)].into();
    let driver = bench.driver(TYPE);
    let outputs = driver.update(&bench.cx, "AWS::S3::Bucket/logs", &fields(wanted.clone()), &change).await.unwrap();
    assert_eq!(outputs.unwrap()["identifier"].as_str(), Some("logs"));
    let update = sent(&bench, "UpdateResource").remove(0);
    assert_eq!((&update["TypeName"], &update["Identifier"]), (&json!(BUCKET), &json!("logs")));
    assert_eq!(
        document(&update["PatchDocument"]),
        json!([
            {"op": "add", "path": "/AccessControl", "value": "Private"},
            {"op": "replace", "path": "/Tags", "value": [{"Key": "a", "Value": "2"}]},
            {"op": "remove", "path": "/VersioningConfiguration"},
        ])
    );
    // The same change may come again another day, when AWS still remembers today's token.
    driver.update(&bench.cx, "AWS::S3::Bucket/logs", &fields(wanted), &change).await.unwrap();
    let tokens: Vec<Json> = sent(&bench, "UpdateResource").iter().map(|b| b["ClientToken"].clone()).collect();
    assert!(tokens.len() == 2 && tokens[0] != tokens[1], "{tokens:?}");
}

#[tokio::test]
async fn what_aws_never_tells_is_said_again_unless_it_cannot_be() {
    let tries = AtomicUsize::new(0);
    let bench = scripted(move |request: &Request, _| match request.operation.as_str() {
        "GetResource" => properties(&there()),
        "UpdateResource" if tries.fetch_add(1, Ordering::SeqCst) == 0 => progress(
            "UPDATE",
            "FAILED",
            json!({"ErrorCode": "NotUpdatable", "StatusMessage": "createOnlyProperties [/properties/Snapshot] cannot be updated"}),
        ),
        _ => progress("UPDATE", "SUCCESS", json!({"Identifier": "logs"})),
    });
    let mut have = want();
    have["desired_state"]["Password"] = json!("s");
    have["desired_state"]["Snapshot"] = json!("x");
    have["replace_properties"]["/Origin"] = json!("y");
    let mut wanted = have.clone();
    wanted["desired_state"]["VersioningConfiguration"]["Status"] = json!("Suspended");
    let change = Delta { before: have["desired_state"].clone().into(), after: wanted["desired_state"].clone().into() };
    let change = [("desired_state".to_owned(), change)].into();
    bench.driver(TYPE).update(&bench.cx, "AWS::S3::Bucket/logs", &fields(wanted), &change).await.unwrap();
    let status = json!({"op": "replace", "path": "/VersioningConfiguration/Status", "value": "Suspended"});
    let password = json!({"op": "add", "path": "/Password", "value": "s"});
    let snapshot = json!({"op": "add", "path": "/Snapshot", "value": "x"});
    let patches: Vec<Json> = sent(&bench, "UpdateResource").iter().map(|b| document(&b["PatchDocument"])).collect();
    assert_eq!(patches, [json!([status, password, snapshot]), json!([status, password])]);
}

#[tokio::test]
async fn what_is_said_again_is_not_left_out_because_aws_finds_fault_with_it() {
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "GetResource" => properties(&there()),
        _ => progress(
            "UPDATE",
            "FAILED",
            json!({"ErrorCode": "InvalidRequest", "StatusMessage": "Model validation failed (#/properties/Password: too short)"}),
        ),
    });
    let mut have = want();
    have["desired_state"]["Password"] = json!("s");
    let mut wanted = have.clone();
    wanted["desired_state"]["VersioningConfiguration"]["Status"] = json!("Suspended");
    let change = Delta { before: have["desired_state"].clone().into(), after: wanted["desired_state"].clone().into() };
    let change = [("desired_state".to_owned(), change)].into();
    let driver = bench.driver(TYPE);
    let error = driver.update(&bench.cx, "AWS::S3::Bucket/logs", &fields(wanted), &change).await.unwrap_err();
    assert!(error.message.contains("too short"), "{error}");
    assert_eq!(sent(&bench, "UpdateResource").len(), 1, "without its password the object would lose it");
}

#[tokio::test]
async fn a_change_that_is_there_already_takes_no_request() {
    let bench = scripted(|_, _| properties(&there()));
    let change = Delta { before: json!({}).into(), after: want()["desired_state"].clone().into() };
    let change = [("desired_state".to_owned(), change)].into();
    bench.driver(TYPE).update(&bench.cx, "AWS::S3::Bucket/logs", &fields(want()), &change).await.unwrap();
    assert_eq!(bench.operations(), ["GetResource"]);
}

#[tokio::test]
async fn a_change_waits_for_another_one() {
    let tries = AtomicUsize::new(0);
    let bench = scripted(move |request: &Request, _| match request.operation.as_str() {
        "GetResource" => properties(&there()),
        "UpdateResource" if tries.fetch_add(1, Ordering::SeqCst) == 0 => {
            Answer::JsonError(400, "ConcurrentOperationException")
        }
        _ => progress("UPDATE", "SUCCESS", json!({"Identifier": "logs"})),
    });
    let change = Delta { before: want()["desired_state"].clone().into(), after: json!({"BucketName": "logs"}).into() };
    let change = [("desired_state".to_owned(), change)].into();
    let mut wanted = want();
    wanted["desired_state"] = json!({"BucketName": "logs"});
    bench.driver(TYPE).update(&bench.cx, "AWS::S3::Bucket/logs", &fields(wanted), &change).await.unwrap();
    assert_eq!(sent(&bench, "UpdateResource").len(), 2);
}

#[tokio::test]
async fn a_property_that_cannot_be_changed_is_named() {
    // Refused in the call, and refused by the type's handler.
    for in_handler in [false, true] {
        let bench = scripted(move |request: &Request, _| match request.operation.as_str() {
            "GetResource" => properties(&there()),
            "UpdateResource" if in_handler => progress(
                "UPDATE",
                "FAILED",
                json!({"ErrorCode": "NotUpdatable", "StatusMessage": "createOnlyProperties [/properties/BucketName] cannot be updated"}),
            ),
            _ => Answer::JsonError(400, "NotUpdatableException"),
        });
        let mut wanted = want();
        wanted["desired_state"]["BucketName"] = json!("other");
        wanted.as_object_mut().unwrap().remove("replace_properties");
        let change =
            Delta { before: want()["desired_state"].clone().into(), after: wanted["desired_state"].clone().into() };
        let change = [("desired_state".to_owned(), change)].into();
        let driver = bench.driver(TYPE);
        let error = driver.update(&bench.cx, "AWS::S3::Bucket/logs", &fields(wanted), &change).await.unwrap_err();
        let hint = error.hint.clone().unwrap();
        assert!(hint.contains("replace"), "{hint}");
        if in_handler {
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(hint.contains("/BucketName"), "{hint}");
            assert!(error.message.contains("AWS::S3::Bucket"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_token() {
    let bench = scripted(|request: &Request, n| match request.operation.as_str() {
        "CreateResource" if n == 0 => Answer::Lost,
        "CreateResource" => progress("CREATE", "IN_PROGRESS", json!({"Identifier": "logs"})),
        "GetResourceRequestStatus" => progress("CREATE", "SUCCESS", json!({"Identifier": "logs"})),
        "ListResourceRequests" => Answer::Json(json!({"ResourceRequestStatusSummaries": [
            event("CREATE", "IN_PROGRESS", json!({"Identifier": "logs"}))]})),
        other => panic!("{other}"),
    });
    let driver = bench.driver(TYPE);
    // With its token, the request can be sent again at once.
    let made = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap();
    // After a kill, the same token finds the same object.
    let found = driver.find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().unwrap();
    assert_eq!((made.id.as_str(), found.id.as_str()), ("AWS::S3::Bucket/logs", "AWS::S3::Bucket/logs"));
    let tokens: Vec<Json> = sent(&bench, "CreateResource").iter().map(|b| b["ClientToken"].clone()).collect();
    assert!(tokens.len() == 3 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[tokio::test]
async fn what_aws_never_heard_of_is_not_made_while_looking_for_it() {
    let bench = scripted(|_, _| {
        let mut other = event("CREATE", "SUCCESS", json!({"Identifier": "x"}));
        other["TypeName"] = json!("AWS::SQS::Queue");
        Answer::Json(json!({"ResourceRequestStatusSummaries": [other]}))
    });
    assert!(bench.driver(TYPE).find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().is_none());
    assert_eq!(bench.operations(), ["ListResourceRequests"]);
}

#[tokio::test]
async fn a_forgotten_token_is_not_used_again() {
    let old = |model: Json| {
        scripted(move |_, _| {
            let mut event =
                event("CREATE", "SUCCESS", json!({"Identifier": "logs", "ResourceModel": model.to_string()}));
            event["EventTime"] = json!(now() - 40.0 * 3600.0);
            Answer::Json(json!({"ResourceRequestStatusSummaries": [event]}))
        })
    };
    // It may be this one: a second one would be made.
    let bench = old(there());
    let error = bench.driver(TYPE).find(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("logs") && error.hint.as_ref().unwrap().contains("36 hours"), "{error:?}");
    assert_eq!(bench.operations(), ["ListResourceRequests"]);
    // Another one it was not.
    let bench = old(json!({"BucketName": "else"}));
    assert!(bench.driver(TYPE).find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_name_that_is_taken_is_an_error() {
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        // AWS tells the identifier before it knows that it is another object's.
        "CreateResource" => progress("CREATE", "IN_PROGRESS", json!({"Identifier": "logs", "RetryAfter": now()})),
        "ListResourceRequests" => {
            Answer::Json(json!({"ResourceRequestStatusSummaries": [event("CREATE", "FAILED", json!({}))]}))
        }
        "GetResourceRequestStatus" => progress(
            "CREATE",
            "FAILED",
            json!({"Identifier": "logs", "ErrorCode": "AlreadyExists", "StatusMessage": "logs exists"}),
        ),
        other => panic!("{other}"),
    });
    let driver = bench.driver(TYPE);
    let error = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::AlreadyExists, Some("AlreadyExists")));
    assert_eq!(error.request_id.as_deref(), Some("r-1"));
    assert!(error.hint.as_ref().unwrap().contains("delete_before_replace"), "{error:?}");
    let error = driver.find(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_a_failed_request_left_behind_is_told_from_what_was_there() {
    for (code, identifier, left) in
        [("NotStabilized", "logs", true), ("AccessDenied", "logs", false), ("AccessDenied", "b-0123", true)]
    {
        let bench = scripted(move |request: &Request, _| match request.operation.as_str() {
            "CreateResource" => progress("CREATE", "FAILED", json!({"Identifier": identifier, "ErrorCode": code})),
            "GetResource" => properties(&there()),
            other => panic!("{other}"),
        });
        let made = bench.driver(TYPE).create(&bench.cx, &fields(want()), &intent(1)).await;
        match made {
            Ok(made) => assert!(left && made.id == format!("{BUCKET}/{identifier}"), "{code} {identifier}"),
            Err(error) => assert!(!left && error.code.as_deref() == Some(code), "{code} {identifier}: {error}"),
        }
    }
}

#[tokio::test]
async fn whatever_hides_a_requests_end_leaves_it_in_doubt() {
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "CreateResource" => progress("CREATE", "IN_PROGRESS", json!({"RetryAfter": now()})),
        _ => Answer::JsonError(400, "AccessDeniedException"),
    });
    let error = bench.driver(TYPE).create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error:?}");
    // Nor is one in doubt that goes on for longer than may be waited.
    let bench = scripted(|_, _| progress("CREATE", "IN_PROGRESS", json!({"RetryAfter": now() + 1.0})));
    let error = bench.driver(TYPE).create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error:?}");
    assert!(error.message.contains("being created"), "{error}");
}

#[tokio::test]
async fn a_failed_request_tells_why() {
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "ListResourceRequests" => Answer::Json(json!({"ResourceRequestStatusSummaries": [
            event("CREATE", "FAILED", json!({"Identifier": "logs", "ErrorCode": "NotStabilized", "StatusMessage": "took too long"}))]})),
        "GetResource" => Answer::JsonError(400, "ResourceNotFoundException"),
        other => panic!("{other}"),
    });
    let driver = bench.driver(TYPE);
    let error = driver.finish(&bench.cx, "AWS::S3::Bucket/logs", &fields(want())).await.unwrap_err();
    assert!(error.message.contains("took too long"), "{error}");
    assert_eq!(error.code.as_deref(), Some("NotStabilized"));
    // It took too long, and is there by now.
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "ListResourceRequests" => Answer::Json(json!({"ResourceRequestStatusSummaries": [
            event("CREATE", "FAILED", json!({"Identifier": "logs", "ErrorCode": "NotStabilized"}))]})),
        _ => properties(&there()),
    });
    let driver = bench.driver(TYPE);
    assert!(driver.finish(&bench.cx, "AWS::S3::Bucket/logs", &fields(want())).await.unwrap().is_some());
    // An earlier request failed; the one that made it did not, though AWS never tells all of what was set.
    let bench = scripted(|request: &Request, _| match request.operation.as_str() {
        "ListResourceRequests" => Answer::Json(json!({"ResourceRequestStatusSummaries": [
            event("CREATE", "FAILED", json!({"Identifier": "logs", "EventTime": now() - 60.0})),
            event("CREATE", "SUCCESS", json!({"Identifier": "logs"}))]})),
        _ => properties(&there()),
    });
    let mut set = want();
    set["desired_state"]["Password"] = json!("secret");
    let driver = bench.driver(TYPE);
    assert!(driver.finish(&bench.cx, "AWS::S3::Bucket/logs", &fields(set)).await.unwrap().is_some());
}

#[tokio::test]
async fn deleting_is_followed_to_its_end_and_twice_is_once() {
    let tries = AtomicUsize::new(0);
    let bench = scripted(move |request: &Request, _| match request.operation.as_str() {
        "DeleteResource" => match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::JsonError(400, "ConcurrentOperationException"),
            1 => progress("DELETE", "IN_PROGRESS", json!({"Identifier": "logs", "RetryAfter": now()})),
            2 => progress("DELETE", "FAILED", json!({"Identifier": "logs", "ErrorCode": "NotFound"})),
            _ => Answer::JsonError(400, "ResourceNotFoundException"),
        },
        "GetResourceRequestStatus" => progress("DELETE", "SUCCESS", json!({"Identifier": "logs"})),
        other => panic!("{other}"),
    });
    for _ in 0..3 {
        bench.driver(TYPE).delete(&bench.cx, "AWS::S3::Bucket/logs", &fields(want())).await.unwrap();
    }
    let bench = scripted(|_, _| {
        progress(
            "DELETE",
            "FAILED",
            json!({"Identifier": "logs", "ErrorCode": "ResourceConflict", "StatusMessage": "not empty"}),
        )
    });
    let error = bench.driver(TYPE).delete(&bench.cx, "AWS::S3::Bucket/logs", &fields(want())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.message.contains("not empty"), "{error}");
}

#[tokio::test]
async fn a_type_that_is_unknown_is_no_object_that_is_gone() {
    for (code, gone) in
        [("ResourceNotFoundException", true), ("TypeNotFoundException", false), ("UnsupportedActionException", false)]
    {
        let bench = scripted(move |_, _| Answer::JsonError(400, code));
        let read = bench.read(TYPE, &[("AWS::S3::Bucket/logs", &fields(want()))]).await.remove(0);
        assert_eq!(matches!(read, Read::Gone), gone, "{code}: {read:?}");
        assert_eq!(matches!(read, Read::Failed(_)), !gone, "{code}: {read:?}");
    }
}

#[tokio::test]
async fn a_hundred_objects_take_a_hundred_calls() {
    let bench = scripted(|_, _| properties(&there()));
    let (set, ids): (_, Vec<String>) =
        (fields(want()), (0..100).map(|n| format!("AWS::S3::Bucket/logs-{n}")).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let read = bench.read(TYPE, &targets).await;
    assert!(read.iter().all(|read| matches!(read, Read::Present(_))));
    assert!(bench.operations().len() <= 100, "{} calls", bench.operations().len());
}

#[test]
fn a_program_names_what_cannot_be_changed() {
    let name: Input<String> = "logs".into();
    let bucket = Resource::new(BUCKET, Properties::new().set("BucketName", name).list("Names", ["a", "b"]))
        .replaced_by(["/BucketName", "/Names/1"]);
    let inputs = bucket.into_inputs();
    struct Nothing;
    impl phx_model::expr::Env for Nothing {
        fn output(&self, _: &phx_model::Urn, _: &str) -> Option<Value> {
            None
        }
    }
    let value = inputs["replace_properties"].eval(&Nothing).unwrap();
    assert_eq!(value, Value::from(json!({"/BucketName": "logs", "/Names/1": "b"})));
}
