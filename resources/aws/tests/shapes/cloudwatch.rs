//! CloudWatch.

use std::sync::Mutex;

use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use crate::kit::{self, Answer, Bench, Request};

const ALARM: &str = "aws:cloudwatch:MetricAlarm";

fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:us-west-2:123456789012:alarm:{name}")
}

/// What the tagging API says of objects.
fn tagged(request: &Request, value: &str) -> Answer {
    let of = |arn: &Value| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": value}, {"Key": "phx:intent", "Value": "x"}]});
    let all: Vec<Value> = request.body["ResourceARNList"].as_array().unwrap().iter().map(of).collect();
    Answer::Json(json!({"ResourceTagMappingList": all, "PaginationToken": ""}))
}

/// A CloudWatch that keeps one object as it was put, and its tags as they were when it was made.
fn remembering(put: &'static str, list: &'static str) -> Bench {
    let kept = Mutex::new((None::<Value>, Value::Null));
    kit::scripted(move |request: &Request, _| {
        let mut kept = kept.lock().unwrap();
        match request.operation.as_str() {
            operation if operation == put => {
                let mut body = request.body.clone();
                if kept.0.is_none() {
                    kept.1 = body["Tags"].take();
                }
                body["AlarmArn"] = json!(arn("a"));
                body["StateUpdatedTimestamp"] = json!(1_700_000_000.5);
                kept.0 = Some(body);
                Answer::Json(json!({}))
            }
            operation if operation.starts_with("Delete") => match kept.0.take() {
                Some(_) => Answer::Json(json!({})),
                None => Answer::JsonError(404, "com.amazonaws.cloudwatch#ResourceNotFound"),
            },
            "DescribeAlarms" => Answer::Json(json!({list: kept.0.iter().collect::<Vec<_>>()})),
            "GetDashboard" => match &kept.0 {
                Some(there) => Answer::Json(there.clone()),
                None => Answer::JsonError(404, "com.amazonaws.cloudwatch#ResourceNotFound"),
            },
            "ListTagsForResource" => Answer::Json(json!({"Tags": kept.1})),
            "TagResource" => {
                kept.1 = request.body["Tags"].clone();
                Answer::Json(json!({}))
            }
            "UntagResource" => Answer::Json(json!({})),
            other => panic!("{other}"),
        }
    })
}

#[tokio::test]
async fn a_hundred_alarms_take_two_calls() {
    for (name, list) in [(ALARM, "MetricAlarms"), ("aws:cloudwatch:CompositeAlarm", "CompositeAlarms")] {
        let bench = kit::scripted(move |request, _| match request.operation.as_str() {
            "DescribeAlarms" => {
                let names = request.body["AlarmNames"].as_array().unwrap();
                let alarm = |n: &Value| json!({"AlarmName": n, "AlarmArn": arn(n.as_str().unwrap()), "AlarmRule": "r"});
                let there = names.iter().filter(|n| *n != "a50");
                Answer::Json(json!({list: there.map(alarm).collect::<Vec<_>>()}))
            }
            "GetResources" => tagged(request, "1"),
            other => panic!("{other}"),
        });
        let inputs = kit::fields(json!({"alarm_rule": "r", "tags": {"a": "1"}}));
        let ids: Vec<String> = (0..100).map(|n| format!("a{n}")).collect();
        let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
        let reads = bench.read(name, &targets).await;
        assert!(matches!(reads[50], Read::Gone));
        assert_eq!(reads.iter().filter(|r| matches!(r, Read::Present(_))).count(), 99);
        assert_eq!(bench.operations(), ["DescribeAlarms", "GetResources"]);
    }
}

#[tokio::test]
async fn a_hundred_dashboards_take_a_call_each_and_one_for_their_tags() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "GetDashboard" => Answer::Json(json!({"DashboardBody": "{\"widgets\":[]}"})),
        "GetResources" => tagged(request, "1"),
        other => panic!("{other}"),
    });
    let inputs = kit::fields(json!({"dashboard_body": {"widgets": []}, "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("d{n}")).collect();
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read("aws:cloudwatch:Dashboard", &targets).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(_))));
    assert_eq!(bench.operations().len(), 101);
}

#[tokio::test]
async fn a_dashboard_has_tags_that_say_whose_it_is() {
    let bench = remembering("PutDashboard", "-");
    let want = |text: &str, tag: &str| json!({"dashboard_name": "a", "dashboard_body": {"widgets": [text]}, "tags": {"a": tag}});
    bench.life("aws:cloudwatch:Dashboard", want("x", "1"), &[want("y", "1"), want("y", "2")]).await;
    bench.create("aws:cloudwatch:Dashboard", &want("x", "1"), 1).await.unwrap();
    let error = bench.create("aws:cloudwatch:Dashboard", &want("x", "1"), 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_alarms() {
    let bench = remembering("PutMetricAlarm", "MetricAlarms");
    let watched = |minutes: i32| {
        json!({
            "alarm_name": "a", "evaluation_criteria": {"prom_ql_criteria": {
                "query": "up == 0", "pending_period": 60, "recovery_period": 120
            }},
            "evaluation_interval": 60, "evaluation_window": {"wall_clock_window": {"timezone": "Europe/Berlin"}},
            "warm_up_configuration": {
                "warm_up_period_duration_in_minutes": minutes, "only_start_evaluating_after_warm_up_period_ends": true
            },
            "action_configuration": {"alarm_tags_propagation": {"enabled": true, "included_tag_keys": ["team"]}}
        })
    };
    let plain = json!({
        "alarm_name": "a", "metrics": [
            {"id": "m", "account_id": "210987654321", "return_data": false, "metric_stat": {
                "metric": {"namespace": "n", "metric_name": "m"}, "period": 60, "stat": "Sum"
            }},
            {"id": "band", "expression": "ANOMALY_DETECTION_BAND(m, 2)", "return_data": true, "period": 60}
        ],
        "threshold_metric_id": "band", "comparison_operator": "GreaterThanUpperThreshold", "evaluation_periods": 1
    });
    bench.life(ALARM, watched(5), &[watched(10), plain]).await;
}

#[tokio::test]
async fn a_change_leaves_alone_what_the_program_does_not_set() {
    let bench = remembering("PutMetricAlarm", "MetricAlarms");
    let want = |threshold: f64| {
        json!({
            "alarm_name": "a", "metric_name": "m", "namespace": "n", "statistic": "Sum", "period": 60, "evaluation_periods": 1,
            "threshold": threshold, "comparison_operator": "GreaterThanThreshold"
        })
    };
    // Somebody switches the actions off for a night, and writes down why.
    let mut silent = want(1.0);
    silent["actions_enabled"] = json!(false);
    silent["treat_missing_data"] = json!("ignore");
    silent["alarm_description"] = json!("why");
    silent["datapoints_to_alarm"] = json!(1);
    bench.create(ALARM, &silent, 1).await.unwrap();
    let change = |before: Value, after: Value| Delta { before: before.into(), after: after.into() };
    let driver = bench.driver(ALARM);
    let threshold = ("threshold".to_owned(), change(json!(1.0), json!(2.0)));
    driver.update(&bench.cx, "a", &kit::fields(want(2.0)), &[threshold].into()).await.unwrap();
    let put = || bench.requests().into_iter().rfind(|r| r.operation == "PutMetricAlarm").unwrap().body;
    assert_eq!(put()["ActionsEnabled"], false);
    assert_eq!(put()["TreatMissingData"], "ignore");
    assert_eq!((&put()["AlarmDescription"], &put()["DatapointsToAlarm"]), (&json!("why"), &json!(1)));
    assert_eq!(put()["Threshold"], 2.0);
    // What the program set and sets no more goes.
    let description = ("alarm_description".to_owned(), change(json!("why"), Value::Null));
    driver.update(&bench.cx, "a", &kit::fields(want(2.0)), &[description].into()).await.unwrap();
    assert_eq!(put().get("AlarmDescription"), None);
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_composite_alarms() {
    let bench = remembering("PutCompositeAlarm", "CompositeAlarms");
    let suppressed = |seconds: i32| {
        json!({
            "alarm_name": "a", "alarm_rule": "ALARM(\"x\")", "actions_suppressor": "deploying",
            "actions_suppressor_wait_period": seconds, "actions_suppressor_extension_period": 60, "tags": {"a": "1"},
            "action_configuration": {"alarm_tags_propagation": {"enabled": true, "excluded_tag_keys": ["team"]}}
        })
    };
    let plain = json!({"alarm_name": "a", "alarm_rule": "ALARM(\"y\")", "tags": {"a": "1"}});
    bench.life("aws:cloudwatch:CompositeAlarm", suppressed(30), &[suppressed(90), plain]).await;
}

#[tokio::test]
async fn an_alarm_whose_answer_was_lost_is_made_once() {
    let made = Mutex::new(false);
    let bench = kit::scripted(move |request, _| {
        let mut made = made.lock().unwrap();
        match request.operation.as_str() {
            "DescribeAlarms" => Answer::Json(json!({"MetricAlarms": []})),
            "PutMetricAlarm" if !*made => {
                *made = true;
                Answer::Lost
            }
            _ => Answer::Json(json!({})),
        }
    });
    // Put again, it is the same one.
    bench.create(ALARM, &json!({"alarm_name": "a"}), 1).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeAlarms", "PutMetricAlarm", "PutMetricAlarm"]);
}
