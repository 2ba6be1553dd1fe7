//! CloudTrail: lost answers, insights, tags, and what a read costs.

use phx_model::ValueMap;
use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const TYPE: &str = "aws:cloudtrail:Trail";
const ARN: &str = "arn:aws:cloudtrail:us-west-2:123456789012:trail";

fn trail(name: &str) -> Json {
    json!({
        "Name": name, "S3BucketName": "logs", "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": false,
        "HomeRegion": "us-west-2", "TrailARN": format!("{ARN}/{name}"), "LogFileValidationEnabled": false,
        "SnsTopicName": "t", "SnsTopicARN": "arn:aws:sns:us-west-2:123456789012:t", "IsOrganizationTrail": false})
}

fn answer(request: &Request) -> Answer {
    Answer::Json(match request.operation.as_str() {
        "DescribeTrails" => {
            assert_eq!(request.body["includeShadowTrails"], json!(false));
            let names = request.body["trailNameList"].as_array().unwrap().iter();
            json!({"trailList": names.map(|n| trail(n.as_str().unwrap())).collect::<Vec<_>>()})
        }
        "GetTrailStatus" => json!({"IsLogging": true}),
        "GetEventSelectors" => json!({"AdvancedEventSelectors": [{"Name": "", "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]}),
        "GetInsightSelectors" => json!({"InsightSelectors": [
            {"InsightType": "ApiErrorRateInsight", "EventCategories": ["Management"]}]}),
        "ListTags" => {
            let ids = request.body["ResourceIdList"].as_array().unwrap();
            assert!(ids.len() <= 20, "too many at once");
            let tags = json!([{"Key": "a", "Value": "1"}, {"Key": "phx:intent", "Value": intent(1).as_str()}]);
            json!({"ResourceTagList": ids.iter().map(|id| json!({"ResourceId": id, "TagsList": tags})).collect::<Vec<_>>()})
        }
        "CreateTrail" | "UpdateTrail" => trail("main"),
        _ => json!({}),
    })
}

fn want() -> Json {
    json!({
        "name": "main", "s3_bucket_name": "logs", "sns_topic_name": "t", "is_logging": true, "tags": {"a": "1"},
        "advanced_event_selectors": [{"field_selectors": [
            {"field": "resources.type", "equals": ["AWS::S3::Object"]}, {"field": "eventCategory", "equals": ["Data"]}]}],
        "insight_selectors": [{"insight_type": "ApiErrorRateInsight"}]})
}

fn sent(bench: &Bench, operation: &str) -> Vec<Json> {
    bench.requests().into_iter().filter(|r| r.operation == operation).map(|r| r.body).collect()
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_mark_and_finished() {
    let bench = scripted(|request, _| if request.operation == "CreateTrail" { Answer::Lost } else { answer(request) });
    let driver = bench.driver(TYPE);
    let error = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert!(sent(&bench, "CreateTrail")[0]["TagsList"].to_string().contains("phx:intent"));
    let found = driver.find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.complete), ("main", false));
    let error = driver.find(&bench.cx, &fields(want()), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    driver.finish(&bench.cx, "main", &fields(want())).await.unwrap();
    let done: Vec<String> =
        bench.operations().into_iter().filter(|o| o.starts_with("Put") || o.ends_with("Logging")).collect();
    assert_eq!(done, ["PutEventSelectors", "PutInsightSelectors", "StartLogging"]);
    bench.settled(TYPE, "main", &want()).await;
}

#[tokio::test]
async fn a_trail_logs_unless_it_is_told_not_to() {
    for (logging, started) in [(json!(null), true), (json!(true), true), (json!(false), false)] {
        let bench = scripted(|request, _| answer(request));
        let mut want = json!({"name": "main", "s3_bucket_name": "logs"});
        if logging != json!(null) {
            want["is_logging"] = logging;
        }
        bench.create(TYPE, &want, 1).await.unwrap();
        assert_eq!(!sent(&bench, "StartLogging").is_empty(), started);
    }
}

#[tokio::test]
async fn what_is_taken_away_is_sent_as_nothing() {
    let bench = scripted(|request, _| answer(request));
    let next = json!({"name": "main", "s3_bucket_name": "other", "is_logging": false, "tags": {"b": "2"}});
    bench.update(TYPE, "main", &want(), &next).await;
    let update = sent(&bench, "UpdateTrail").remove(0);
    assert_eq!(update, json!({"Name": "main", "S3BucketName": "other", "SnsTopicName": ""}));
    assert_eq!(sent(&bench, "PutInsightSelectors")[0]["InsightSelectors"], json!([]));
    assert_eq!(sent(&bench, "StopLogging").len(), 1);
    assert_eq!(sent(&bench, "AddTags")[0]["TagsList"], json!([{"Key": "b", "Value": "2"}]));
    assert_eq!(sent(&bench, "RemoveTags")[0]["TagsList"], json!([{"Key": "a"}]));
    assert_eq!(sent(&bench, "RemoveTags")[0]["ResourceId"], json!(format!("{ARN}/main")));
}

#[tokio::test]
async fn a_log_group_goes_with_its_role() {
    let bench = scripted(|request, _| answer(request));
    let (group, role) = ("arn:aws:logs:us-west-2:123456789012:log-group:b:*", "arn:aws:iam::123456789012:role/logs");
    let want = json!({"name": "main", "s3_bucket_name": "logs", "cloud_watch_logs_log_group_arn": group, "cloud_watch_logs_role_arn": role});
    let change = Delta { before: json!("arn:a").into(), after: json!(group).into() };
    let change = ("cloud_watch_logs_log_group_arn".to_owned(), change);
    bench.driver(TYPE).update(&bench.cx, "main", &fields(want), &[change].into()).await.unwrap();
    let update = sent(&bench, "UpdateTrail").remove(0);
    assert_eq!(update, json!({"Name": "main", "CloudWatchLogsLogGroupArn": group, "CloudWatchLogsRoleArn": role}));
}

#[tokio::test]
async fn what_is_not_known_everywhere_yet_is_tried_again() {
    let bench = scripted(|request, n| match request.operation.as_str() {
        "CreateTrail" if n < 2 => Answer::JsonError(400, "InvalidCloudWatchLogsRoleArnException"),
        _ => answer(request),
    });
    bench.create(TYPE, &want(), 1).await.unwrap();
    assert_eq!(sent(&bench, "CreateTrail").len(), 3);
}

#[tokio::test]
async fn without_insights_there_are_none() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetInsightSelectors" => Answer::JsonError(400, "InsightNotEnabledException"),
        _ => answer(request),
    });
    let Read::Present(read) = bench.read(TYPE, &[("main", &ValueMap::new())]).await.remove(0) else { panic!() };
    assert!(!read.fields.contains_key("insight_selectors"));
}

#[tokio::test]
async fn a_hundred_trails() {
    let bench = scripted(|request, _| answer(request));
    let set = fields(json!({"name": "t", "s3_bucket_name": "logs", "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    assert!(bench.read(TYPE, &targets).await.iter().all(|read| matches!(read, Read::Present(_))));
    // One list, and the tags of twenty at once. A setting that is set takes a call for each.
    assert!(bench.operations().len() <= 6, "{:?}", bench.operations());
    let set = fields(json!({"name": "t", "s3_bucket_name": "logs", "is_logging": true}));
    let before = bench.operations().len();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    bench.read(TYPE, &targets).await;
    assert!(bench.operations().len() - before <= 101, "{}", bench.operations().len() - before);
}

#[tokio::test]
async fn what_is_gone_is_gone() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DeleteTrail" => Answer::JsonError(400, "TrailNotFoundException"),
        _ => Answer::Json(json!({"trailList": []})),
    });
    bench.deleted(TYPE, "main", &want()).await;
}
