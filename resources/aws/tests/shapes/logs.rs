//! CloudWatch Logs: filters and resource policies.

use std::sync::Mutex;

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use phx_model::value::ValueMap;
use serde_json::{Value, json};

use crate::kit::{self, Answer, Bench, Request};

const METRIC: &str = "aws:logs:MetricFilter";

fn metric_filter(group: &str, name: &str) -> Value {
    json!({
        "logGroupName": group, "filterName": name, "filterPattern": "ERROR",
        "metricTransformations": [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}], "applyOnTransformedLogs": false
    })
}

/// A service that keeps one object as it was put, and tells it as `list` names it.
fn remembering(put: &'static str, list: &'static str) -> Bench {
    let kept = Mutex::new(None::<Value>);
    kit::scripted(move |request: &Request, _| {
        let mut kept = kept.lock().unwrap();
        match request.operation.as_str() {
            operation if operation == put => *kept = Some(request.body.clone()),
            operation if operation.starts_with("Delete") => *kept = None,
            _ => return Answer::Json(json!({list: kept.iter().collect::<Vec<_>>()})),
        }
        Answer::Json(json!({"revisionId": "r2"}))
    })
}

async fn read_many(bench: &Bench, name: &str, ids: &[String]) -> Vec<Read> {
    let inputs: ValueMap = kit::fields(json!({"filter_pattern": "ERROR"}));
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    bench.read(name, &targets).await
}

#[tokio::test]
async fn a_hundred_metric_filters_take_two_calls() {
    let bench = kit::scripted(|request, _| {
        assert_eq!(request.body["logGroupName"], Value::Null);
        let page = |from: usize| (from..from + 50).map(|n| metric_filter(&format!("g{n}"), "f")).collect::<Vec<_>>();
        Answer::Json(match request.body["nextToken"].as_str() {
            None => json!({"metricFilters": page(0), "nextToken": "a"}),
            Some(_) => json!({"metricFilters": page(50)}),
        })
    });
    let ids: Vec<String> = (0..100).map(|n| format!("g{n}:f")).chain(["g0:other".into(), "gone:f".into()]).collect();
    let reads = read_many(&bench, METRIC, &ids).await;
    assert!(reads[..100].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(reads[100..].iter().all(|r| matches!(r, Read::Gone)));
    assert_eq!(bench.operations(), ["DescribeMetricFilters"; 2]);
}

#[tokio::test]
async fn a_listing_that_does_not_end_hides_no_filter() {
    let bench = kit::scripted(|request, _| match request.body["logGroupName"].as_str() {
        Some(group) => Answer::Json(json!({"metricFilters": [metric_filter(group, "f")]})),
        None => Answer::Json(json!({"metricFilters": [metric_filter("g0", "f")], "nextToken": "same"})),
    });
    let ids: Vec<String> = (0..4).map(|n| format!("g{n}:f")).collect();
    let reads = read_many(&bench, METRIC, &ids).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(_))), "{reads:?}");
}

#[tokio::test]
async fn where_others_own_many_filters_groups_are_asked_one_by_one() {
    let bench = kit::scripted(|request, n| match request.body["logGroupName"].as_str() {
        Some("g3") => Answer::JsonError(400, "ResourceNotFoundException"),
        Some("g2") => Answer::JsonError(400, "AccessDeniedException"),
        Some(group) => Answer::Json(json!({"metricFilters": [metric_filter(group, "f")]})),
        None => Answer::Json(json!({"metricFilters": [metric_filter("other", "f")], "nextToken": n.to_string()})),
    });
    let ids: Vec<String> = (0..4).map(|n| format!("g{n}:f")).chain(["bad".into()]).collect();
    let reads = read_many(&bench, METRIC, &ids).await;
    assert!(reads[..2].iter().all(|r| matches!(r, Read::Present(_))), "{reads:?}");
    assert!(matches!(&reads[2], Read::Failed(e) if e.kind == ErrorKind::Denied));
    assert!(matches!(reads[3], Read::Gone));
    assert!(matches!(&reads[4], Read::Failed(e) if e.kind == ErrorKind::Invalid));
    assert_eq!(bench.operations().len(), 8);
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_metric_filters() {
    let bench = remembering("PutMetricFilter", "metricFilters");
    let want = |on: bool| {
        json!({
            "log_group_name": "g", "filter_name": "f", "filter_pattern": "ERROR", "apply_on_transformed_logs": on,
            "field_selection_criteria": "@aws.region IN [\"us-west-2\"]", "emit_system_field_dimensions": ["@aws.account", "@aws.region"],
            "metric_transformations": [{
                "metric_name": "m", "metric_namespace": "n", "metric_value": "1", "default_value": 0.5, "unit": "Count"
            }]
        })
    };
    let mut without = want(false);
    for field in ["field_selection_criteria", "emit_system_field_dimensions", "apply_on_transformed_logs"] {
        without.as_object_mut().unwrap().remove(field);
    }
    bench.life(METRIC, want(true), &[want(false), without]).await;
}

#[tokio::test]
async fn a_change_that_is_under_way_is_waited_for() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "DescribeMetricFilters" => Answer::Json(json!({})),
        _ if n < 2 => Answer::JsonError(400, "OperationAbortedException"),
        _ => Answer::Json(json!({})),
    });
    let want = json!({
        "log_group_name": "g", "filter_name": "f", "filter_pattern": "",
        "metric_transformations": [{"metric_name": "m", "metric_namespace": "n", "metric_value": "1"}]
    });
    bench.create(METRIC, &want, 1).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeMetricFilters", "PutMetricFilter", "PutMetricFilter"]);
}

#[tokio::test]
async fn subscription_filters_are_read_by_group() {
    let bench = kit::scripted(|request, _| {
        let group = request.body["logGroupName"].as_str().unwrap();
        let filter = |name: &str| {
            json!({
                "logGroupName": group, "filterName": name, "filterPattern": "ERROR", "destinationArn": "arn:aws:lambda:x", "distribution": "ByLogStream"
            })
        };
        Answer::Json(json!({"subscriptionFilters": [filter("a"), filter("b")]}))
    });
    let ids: Vec<String> = (0..50).flat_map(|n| [format!("g{n}:a"), format!("g{n}:b")]).collect();
    let reads = read_many(&bench, "aws:logs:SubscriptionFilter", &ids).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(_))));
    // A group has two filters at most, and there is no list of all groups'.
    assert_eq!(bench.operations().len(), 50);
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_subscription_filters() {
    let bench = remembering("PutSubscriptionFilter", "subscriptionFilters");
    let want = |pattern: &str| {
        json!({
            "log_group_name": "g", "filter_name": "f", "filter_pattern": pattern, "destination_arn": "arn:aws:kinesis:x",
            "role_arn": "arn:aws:iam::1:role/r", "distribution": "Random", "apply_on_transformed_logs": true,
            "field_selection_criteria": "@aws.region IN [\"us-west-2\"]", "emit_system_fields": ["@aws.account"]
        })
    };
    let mut without = want("b");
    for field in
        ["field_selection_criteria", "emit_system_fields", "apply_on_transformed_logs", "role_arn", "distribution"]
    {
        without.as_object_mut().unwrap().remove(field);
    }
    bench.life("aws:logs:SubscriptionFilter", want("a"), &[without]).await;
    // How events are spread was no longer said, and stayed as it was.
    let puts: Vec<_> = bench.requests().into_iter().filter(|r| r.operation == "PutSubscriptionFilter").collect();
    assert_eq!(puts[1].body["distribution"], "Random");
}

#[tokio::test]
async fn a_hundred_resource_policies_take_one_call() {
    let bench = kit::scripted(|_, _| {
        let policy =
            |n: usize| json!({"policyName": format!("p{n}"), "policyDocument": "{\"Version\":\"2012-10-17\"}"});
        Answer::Json(json!({"resourcePolicies": (0..100).map(policy).collect::<Vec<_>>()}))
    });
    let ids: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
    let reads = read_many(&bench, "aws:logs:ResourcePolicy", &ids).await;
    assert!(reads[..100].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(matches!(reads[100], Read::Gone));
    assert_eq!(bench.operations(), ["DescribeResourcePolicies"]);
}

#[tokio::test]
async fn a_log_groups_policy_is_changed_by_its_revision() {
    let arn = "arn:aws:logs:us-west-2:123456789012:log-group:g";
    let kept = Mutex::new(None::<Value>);
    let bench = kit::scripted(move |request, _| {
        let mut kept = kept.lock().unwrap();
        match request.operation.as_str() {
            "DescribeResourcePolicies" => {
                assert_eq!(request.body["resourceArn"], arn);
                Answer::Json(json!({"resourcePolicies": kept.iter().collect::<Vec<_>>()}))
            }
            "PutResourcePolicy" => {
                let expected = kept.as_ref().map_or(Value::Null, |k| k["revisionId"].clone());
                assert_eq!(request.body["expectedRevisionId"], expected);
                let mut policy = request.body.clone();
                policy["revisionId"] = if expected.is_null() { json!("r1") } else { json!("r2") };
                *kept = Some(policy.clone());
                Answer::Json(json!({"revisionId": policy["revisionId"]}))
            }
            _ => {
                let there = kept.take();
                match there {
                    Some(there) => {
                        assert_eq!(request.body["expectedRevisionId"], there["revisionId"]);
                        Answer::Json(json!({}))
                    }
                    None => Answer::JsonError(400, "ResourceNotFoundException"),
                }
            }
        }
    });
    let want = |action: &str| {
        json!({"resource_arn": arn, "policy_document": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "delivery.logs.amazonaws.com"}, "Action": action, "Resource": "*"
        }]}})
    };
    let outputs = bench.life("aws:logs:ResourcePolicy", want("logs:PutLogEvents"), &[want("logs:*")]).await;
    assert_eq!(outputs["revision_id"].as_str(), Some("r1"));
    let neither = json!({"policy_document": {}});
    assert_eq!(bench.create("aws:logs:ResourcePolicy", &neither, 1).await.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn what_the_program_never_set_of_a_filter_is_not_taken_away() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeMetricFilters" => {
            let mut filter = metric_filter("g", "f");
            filter["fieldSelectionCriteria"] = json!("theirs");
            filter["metricTransformations"][0]["unit"] = json!("Bytes");
            Answer::Json(json!({"metricFilters": [filter]}))
        }
        _ => Answer::Json(json!({})),
    });
    let want = kit::fields(json!({"log_group_name": "g", "filter_name": "f", "filter_pattern": "WARN",
        "metric_transformations": [{"metric_name": "m", "metric_namespace": "n", "metric_value": "1"}]}));
    let delta = phx_model::driver::Delta { before: phx_model::Value::Null, after: want["filter_pattern"].clone() };
    let change = [("filter_pattern".to_owned(), delta)];
    bench.driver(METRIC).update(&bench.cx, "g:f", &want, &change.into()).await.unwrap();
    let put = bench.requests().into_iter().find(|r| r.operation == "PutMetricFilter").unwrap().body;
    assert_eq!((put["fieldSelectionCriteria"].as_str(), put["filterPattern"].as_str()), (Some("theirs"), Some("WARN")));
    assert_eq!(put["metricTransformations"][0]["unit"], "Bytes");
}

#[tokio::test]
async fn a_filters_new_role_may_not_be_known_yet() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "PutSubscriptionFilter" if n < 3 => Answer::JsonErrorSaying(
            400,
            if n < 2 { "ValidationException" } else { "InvalidParameterException" },
            "Make sure you have given CloudWatch Logs permission to assume the provided role.",
        ),
        "DescribeSubscriptionFilters" => Answer::Json(json!({"subscriptionFilters": []})),
        _ => Answer::Json(json!({})),
    });
    let want = json!({"log_group_name": "g", "filter_name": "f", "filter_pattern": "",
        "destination_arn": "arn:aws:kinesis:x", "role_arn": "arn:aws:iam::1:role/r"});
    bench.create("aws:logs:SubscriptionFilter", &want, 1).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "PutSubscriptionFilter").count(), 3);
}
