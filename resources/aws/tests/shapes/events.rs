//! EventBridge.

use std::sync::Mutex;

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use crate::kit::{self, Answer, Bench};

const RULE: &str = "aws:events:Rule";
const TARGET: &str = "aws:events:Target";

fn arn(bus: &str, rule: &str) -> String {
    format!("arn:aws:events:us-west-2:123456789012:rule/{bus}{rule}")
}

#[tokio::test]
async fn a_hundred_rules_take_two_calls() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "ListRules" => {
            assert_eq!(request.body["EventBusName"], "default");
            let rule = |n: usize| {
                json!({
                    "Name": format!("r{n}"), "Arn": arn("", &format!("r{n}")), "State": "ENABLED", "ScheduleExpression": "rate(1 day)"
                })
            };
            Answer::Json(json!({"Rules": (0..99).map(rule).collect::<Vec<_>>()}))
        }
        "GetResources" => {
            let of = |arn: &Value| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]});
            let all: Vec<Value> = request.body["ResourceARNList"].as_array().unwrap().iter().map(of).collect();
            Answer::Json(json!({"ResourceTagMappingList": all}))
        }
        other => panic!("{other}"),
    });
    let inputs = kit::fields(json!({"schedule_expression": "rate(1 day)", "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("r{n}")).collect();
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read(RULE, &targets).await;
    assert!(reads[..99].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(matches!(reads[99], Read::Gone));
    assert_eq!(bench.operations(), ["ListRules", "GetResources"]);
}

#[tokio::test]
async fn one_bus_that_cannot_be_read_says_nothing_of_the_others() {
    let bench = kit::scripted(|request, _| match request.body["EventBusName"].as_str() {
        Some("secret") => Answer::JsonError(400, "AccessDeniedException"),
        Some("gone") => Answer::JsonError(400, "ResourceNotFoundException"),
        _ => Answer::Json(json!({"Name": "r", "Arn": arn("", "r"), "State": "ENABLED"})),
    });
    let inputs = kit::fields(json!({"description": "x"}));
    let reads = bench.read(RULE, &[("r", &inputs), ("secret/r", &inputs), ("gone/r", &inputs)]).await;
    assert!(matches!(reads[0], Read::Present(_)));
    assert!(matches!(&reads[1], Read::Failed(e) if e.kind == ErrorKind::Denied));
    assert!(matches!(reads[2], Read::Gone));
}

#[tokio::test]
async fn a_rule_that_somebody_disabled_stays_so() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeRule" => {
            Answer::Json(json!({"Name": "r", "Arn": arn("", "r"), "State": "DISABLED", "Description": "old"}))
        }
        "ListTagsForResource" => Answer::Json(json!({"Tags": []})),
        _ => Answer::Json(json!({"RuleArn": arn("", "r")})),
    });
    let want = |text: &str| json!({"name": "r", "description": text});
    bench.update(RULE, "r", &want("old"), &want("new")).await;
    let put = bench.requests().into_iter().find(|r| r.operation == "PutRule").unwrap();
    assert_eq!((put.body["State"].as_str(), put.body["Description"].as_str()), (Some("DISABLED"), Some("new")));
}

#[tokio::test]
async fn a_rule_whose_answer_was_lost_is_found_by_its_mark() {
    let kept = Mutex::new(None::<Value>);
    let bench = kit::scripted(move |request, _| {
        let mut kept = kept.lock().unwrap();
        match (request.operation.as_str(), kept.as_ref()) {
            ("PutRule", None) => {
                *kept = Some(request.body.clone());
                Answer::Lost
            }
            ("PutRule", Some(_)) => Answer::JsonError(400, "AccessDeniedException"),
            ("DescribeRule", Some(rule)) => {
                Answer::Json(json!({"Name": rule["Name"], "Arn": arn("", "r"), "State": "ENABLED"}))
            }
            ("ListTagsForResource", Some(rule)) => Answer::Json(json!({"Tags": rule["Tags"]})),
            _ => Answer::JsonError(400, "ResourceNotFoundException"),
        }
    });
    let want = json!({"name": "r", "schedule_expression": "rate(1 day)", "tags": {"a": "1"}});
    // What came after the lost answer tells nothing of it.
    bench.create(RULE, &want, 1).await.unwrap_err();
    let found = bench.driver(RULE).find(&bench.cx, &kit::fields(want.clone()), &kit::intent(1)).await.unwrap().unwrap();
    assert_eq!(found.id, "r");
    let other = bench.driver(RULE).find(&bench.cx, &kit::fields(want.clone()), &kit::intent(2)).await.unwrap_err();
    assert_eq!(other.kind, ErrorKind::AlreadyExists);
}

/// An EventBridge that keeps one target.
fn remembering() -> Bench {
    let kept = Mutex::new(None::<Value>);
    kit::scripted(move |request, _| {
        let mut kept = kept.lock().unwrap();
        match request.operation.as_str() {
            "PutTargets" => *kept = Some(request.body["Targets"][0].clone()),
            "RemoveTargets" => *kept = None,
            _ => return Answer::Json(json!({"Targets": kept.iter().collect::<Vec<_>>()})),
        }
        Answer::Json(json!({"FailedEntryCount": 0, "FailedEntries": []}))
    })
}

#[tokio::test]
async fn targets_are_read_by_rule() {
    let bench = kit::scripted(|_, _| {
        let target = |n: usize| json!({"Id": format!("t{n}"), "Arn": "arn:aws:lambda:x"});
        Answer::Json(json!({"Targets": (0..5).map(target).collect::<Vec<_>>()}))
    });
    let inputs = kit::fields(json!({"arn": "arn:aws:lambda:x"}));
    let ids: Vec<String> = (0..20).flat_map(|r| (0..5).map(move |t| format!("r{r}/t{t}"))).collect();
    let targets: Vec<_> =
        ids.iter().map(|id| (id.as_str(), &inputs)).chain([("r0/t9", &inputs), ("bad", &inputs)]).collect();
    let reads = bench.read(TARGET, &targets).await;
    assert!(reads[..100].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(matches!(reads[100], Read::Gone));
    assert!(matches!(&reads[101], Read::Failed(e) if e.kind == ErrorKind::Invalid));
    // A rule has five targets at most, and there is no list of all rules'.
    assert_eq!(bench.operations().len(), 20);
}

#[tokio::test]
async fn an_entry_that_is_refused_is_an_error() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "ListTargetsByRule" => Answer::Json(json!({"Targets": []})),
        // The first one is only busy.
        _ => Answer::Json(json!({"FailedEntryCount": 1, "FailedEntries": [{
            "TargetId": "t", "ErrorMessage": "says AWS",
            "ErrorCode": if n < 2 { "ConcurrentModificationException" } else { "AccessDeniedException" }
        }]})),
    });
    let want = json!({"rule": "r", "target_id": "t", "arn": "arn:aws:lambda:x"});
    let error = bench.create(TARGET, &want, 1).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Denied, "says AWS"));
    assert_eq!(bench.operations(), ["ListTargetsByRule", "PutTargets", "PutTargets"]);
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_targets() {
    let bench = remembering();
    let with = |part: &str, value: Value| {
        let mut want = json!({"rule": "r", "event_bus_name": "orders", "target_id": "t", "arn": "arn:aws:x"});
        want[part] = value;
        want
    };
    let task = |count: i32| {
        with(
            "ecs_parameters",
            json!({
                "task_definition_arn": "arn:aws:ecs:x", "task_count": count, "platform_version": "1.4.0", "group": "g",
                "awsvpc_configuration": {"subnets": ["subnet-1"], "security_groups": ["sg-1"], "assign_public_ip": "DISABLED"},
                "capacity_provider_strategy": [{"capacity_provider": "FARGATE", "weight": 1, "base": 2}],
                "enable_ecs_managed_tags": true, "enable_execute_command": true,
                "placement_constraints": [{"type": "memberOf", "expression": "attribute:x == y"}],
                "placement_strategy": [{"type": "spread", "field": "instanceId"}, {"type": "random"}],
                "propagate_tags": "TASK_DEFINITION", "reference_id": "ref", "tags": {"a": "1"}
            }),
        )
    };
    let changes = [
        task(2),
        with("batch_parameters", json!({"job_definition": "d", "job_name": "j", "array_size": 10, "attempts": 3})),
        with(
            "http_parameters",
            json!({
                "path_parameter_values": ["a"], "header_parameters": {"x": "y"}, "query_string_parameters": {"q": "1"}
            }),
        ),
        with(
            "redshift_data_parameters",
            json!({
                "secret_manager_arn": "arn:aws:secretsmanager:x", "database": "d", "sqls": ["select 1", "select 2"],
                "statement_name": "s", "with_event": true
            }),
        ),
        with("redshift_data_parameters", json!({"db_user": "u", "database": "d", "sql": "select 1"})),
        with("run_command_parameters", json!([{"key": "tag:team", "values": ["a", "b"]}])),
        with("sage_maker_pipeline_parameters", json!([{"name": "n", "value": "v"}])),
        with("kinesis_parameters", json!({"partition_key_path": "$.id"})),
        with("app_sync_parameters", json!({"graph_ql_operation": "mutation { x }"})),
        with("input_path", json!("$.detail")),
    ];
    let outputs = bench.life(TARGET, task(1), &changes).await;
    assert_eq!(outputs["id"].as_str(), Some("orders/r/t"));
}

#[tokio::test]
async fn what_the_program_never_set_is_not_taken_away() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeRule" => {
            Answer::Json(json!({"Name": "r", "Arn": arn("", "r"), "State": "ENABLED", "Description": "theirs"}))
        }
        "ListTargetsByRule" => {
            Answer::Json(json!({"Targets": [{"Id": "t", "Arn": "arn:aws:x", "InputPath": "$.detail",
            "RetryPolicy": {"MaximumRetryAttempts": 3}}]}))
        }
        _ => Answer::Json(json!({"RuleArn": arn("", "r"), "FailedEntries": [], "FailedEntryCount": 0})),
    });
    let change = |field: &str, want: &phx_model::ValueMap| {
        let delta = phx_model::driver::Delta { before: phx_model::Value::Null, after: want[field].clone() };
        [(field.to_owned(), delta)]
    };
    let rule = kit::fields(json!({"name": "r", "schedule_expression": "rate(1 day)"}));
    bench.driver(RULE).update(&bench.cx, "r", &rule, &change("schedule_expression", &rule).into()).await.unwrap();
    let target =
        kit::fields(json!({"rule": "r", "target_id": "t", "arn": "arn:aws:x", "role_arn": "arn:aws:iam::1:role/r"}));
    bench.driver(TARGET).update(&bench.cx, "r/t", &target, &change("role_arn", &target).into()).await.unwrap();
    let put = |operation: &str| bench.requests().into_iter().find(|r| r.operation == operation).unwrap().body;
    assert_eq!(put("PutRule")["Description"], "theirs");
    let sent = put("PutTargets")["Targets"][0].clone();
    assert_eq!((&sent["InputPath"], &sent["RetryPolicy"]), (&json!("$.detail"), &json!({"MaximumRetryAttempts": 3})));
}

#[tokio::test]
async fn targets_that_are_gone_are_in_a_rules_way_for_a_while_and_those_that_are_there_for_good() {
    const HELD: Answer =
        Answer::JsonErrorSaying(400, "ValidationException", "Rule can't be deleted since it has targets.");
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "DeleteRule" if n < 4 => HELD,
        _ => Answer::Json(json!({"Targets": []})),
    });
    bench.driver(RULE).delete(&bench.cx, "r", &kit::fields(json!({"name": "r"}))).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "DeleteRule").count(), 3);

    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DeleteRule" => HELD,
        _ => Answer::Json(json!({"Targets": [{"Id": "theirs", "Arn": "arn:aws:x"}]})),
    });
    let error = bench.driver(RULE).delete(&bench.cx, "r", &kit::fields(json!({"name": "r"}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.hint.is_some_and(|hint| hint.contains("the targets theirs")));
    assert_eq!(bench.operations(), ["DeleteRule", "ListTargetsByRule"]);
}

#[tokio::test]
async fn a_rules_new_role_may_not_be_known_yet() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "PutRule" if n < 3 => Answer::JsonErrorSaying(
            400,
            "ValidationException",
            "Provided role 'arn:aws:iam::1:role/r' cannot be assumed by principal 'events.amazonaws.com'.",
        ),
        "PutRule" => Answer::Json(json!({"RuleArn": arn("", "r")})),
        _ => Answer::JsonError(400, "ResourceNotFoundException"),
    });
    let want = json!({"name": "r", "schedule_expression": "rate(1 day)", "role_arn": "arn:aws:iam::1:role/r"});
    bench.create(RULE, &want, 1).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| *o == "PutRule").count(), 3);
}
