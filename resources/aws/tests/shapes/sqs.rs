//! SQS: the number of calls, lost answers, and what emulators do at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use crate::kit::{Answer, fields, intent, scripted};

const QUEUE: &str = "aws:sqs:Queue";
const URL: &str = "https://sqs.us-west-2.amazonaws.com/123456789012/";

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-west-2:123456789012:{name}")
}

fn attributes(request: &crate::kit::Request, delay: &str) -> Answer {
    let name = request.body["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    Answer::Json(json!({"Attributes": {"QueueArn": arn(&name), "DelaySeconds": delay}}))
}

#[tokio::test]
async fn a_hundred_queues_take_little_more_than_a_hundred_calls() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetQueueAttributes" => attributes(request, "0"),
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            let tags = json!([{"Key": "a", "Value": "1"}]);
            let told: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
            Answer::Json(json!({"ResourceTagMappingList": told}))
        }
        other => panic!("{other}"),
    });
    let set = fields(json!({"queue_name": "q", "tags": {"a": "1"}}));
    let urls: Vec<String> = (0..100).map(|n| format!("{URL}q{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = urls.iter().map(|url| (url.as_str(), &set)).collect();
    let reads = bench.read(QUEUE, &targets).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(seen) if seen.fields["tags"] == set["tags"])), "{reads:?}");
    assert!(bench.requests().len() <= 101, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn a_lost_queue_is_found_by_its_mark() {
    let mark = intent(1).as_str().to_owned();
    let bench = scripted(move |request, n| match request.operation.as_str() {
        "GetQueueUrl" if n == 0 => Answer::JsonError(400, "com.amazonaws.sqs#QueueDoesNotExist"),
        "GetQueueUrl" => Answer::Json(json!({"QueueUrl": format!("{URL}q")})),
        "CreateQueue" => Answer::Lost,
        "ListQueueTags" => Answer::Json(json!({"Tags": {"phx:intent": mark}})),
        _ => attributes(request, "0"),
    });
    let want = json!({"queue_name": "q"});
    let error = bench.create(QUEUE, &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error:?}");
    let found = bench.driver(QUEUE).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().unwrap();
    assert_eq!(found.outputs["arn"].as_str(), Some(arn("q").as_str()));
    let other = bench.driver(QUEUE).find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
    assert_eq!(other.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_name_that_is_not_free_yet_is_waited_for() {
    let bench = scripted(|request, n| match request.operation.as_str() {
        "GetQueueUrl" => Answer::JsonError(400, "QueueDoesNotExist"),
        "CreateQueue" if n < 3 => Answer::JsonError(400, "QueueDeletedRecently"),
        "CreateQueue" => Answer::Json(json!({"QueueUrl": format!("{URL}q")})),
        // A new queue is not known everywhere at once.
        _ if n < 5 => Answer::JsonError(400, "QueueDoesNotExist"),
        _ => attributes(request, "0"),
    });
    let made = bench.create(QUEUE, &json!({"queue_name": "q"}), 1).await.unwrap();
    assert_eq!(made.id, format!("{URL}q"));
    assert_eq!(bench.operations().iter().filter(|o| *o == "CreateQueue").count(), 3);
}

#[tokio::test]
async fn settings_are_waited_for_and_so_is_the_end() {
    let state = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "SetQueueAttributes" | "DeleteQueue" => {
            state.store(10, Ordering::SeqCst);
            Answer::Json(json!({}))
        }
        _ => match state.fetch_add(1, Ordering::SeqCst) {
            0..10 => attributes(request, "0"),
            10..12 if request.operation == "GetQueueAttributes" => attributes(request, "0"),
            _ => attributes(request, "5"),
        },
    });
    let (before, after) =
        (json!({"queue_name": "q", "delay_seconds": 0}), json!({"queue_name": "q", "delay_seconds": 5}));
    bench.update(QUEUE, &format!("{URL}q"), &before, &after).await;
    let looks = bench.operations().iter().filter(|o| *o == "GetQueueAttributes").count();
    assert_eq!(looks, 4, "{:?}", bench.operations());

    let gone = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DeleteQueue" => Answer::Json(json!({})),
        _ if gone.fetch_add(1, Ordering::SeqCst) < 2 => attributes(request, "0"),
        _ => Answer::JsonError(400, "QueueDoesNotExist"),
    });
    bench.deleted(QUEUE, &format!("{URL}q"), &before).await;
    assert!(bench.operations().len() >= 5, "{:?}", bench.operations());
}

#[tokio::test]
async fn who_may_send_here_what_was_received_in_vain_is_told_and_taken_away() {
    let policy = r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-west-2:123456789012:a"]}"#;
    let taken = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "SetQueueAttributes" => {
            taken.store(1, Ordering::SeqCst);
            Answer::Json(json!({}))
        }
        _ if taken.load(Ordering::SeqCst) == 1 => attributes(request, "0"),
        _ => Answer::Json(json!({"Attributes": {"QueueArn": arn("q"), "RedriveAllowPolicy": policy}})),
    });
    let want = json!({"queue_name": "q", "redrive_allow_policy": {"redrive_permission": "byQueue",
        "source_queue_arns": ["arn:aws:sqs:us-west-2:123456789012:a"]}});
    bench.settled(QUEUE, &format!("{URL}q"), &want).await;
    bench.update(QUEUE, &format!("{URL}q"), &want, &json!({"queue_name": "q"})).await;
    let set = bench.requests().into_iter().find(|r| r.operation == "SetQueueAttributes").unwrap();
    assert_eq!(set.body["Attributes"], json!({"RedriveAllowPolicy": ""}));
}
