//! Budgets: changes, notifications, subscribers and tags, which no emulator serves.

use phx_model::ValueMap;
use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const TYPE: &str = "aws:budgets:Budget";

fn budget(name: &str) -> Json {
    json!({
        "BudgetName": name, "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": "100.0", "Unit": "USD"},
        "CostFilters": {}, "TimePeriod": {"Start": 1_767_225_600, "End": 3_706_473_600_u64},
        "CostTypes": {"IncludeTax": true, "UseBlended": false}, "BillingViewArn": "arn:aws:billing::123456789012:billingview/primary",
        "FilterExpression": {"Not": {"Dimensions": {"Key": "SERVICE", "Values": ["b", "a"], "MatchOptions": ["EQUALS"]}}}})
}

fn notification(threshold: u32) -> Json {
    json!({"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": threshold, "NotificationState": "OK"})
}

/// Two notifications: at 80 two people are told, at 90 a topic is.
fn answer(request: &Request) -> Answer {
    Answer::Json(match request.operation.as_str() {
        "DescribeBudgets" => json!({"Budgets": (0..100).map(|n| budget(&format!("b{n}"))).collect::<Vec<_>>()}),
        "DescribeBudget" => json!({"Budget": budget("b1")}),
        "DescribeNotificationsForBudget" => json!({"Notifications": [notification(80), notification(90)]}),
        "DescribeBudgetNotificationsForAccount" => json!({"BudgetNotificationsForAccount": (0..100)
            .map(|n| json!({"BudgetName": format!("b{n}"), "Notifications": [notification(80)]}))
            .collect::<Vec<_>>()}),
        "DescribeSubscribersForNotification" => {
            assert!(request.body["Notification"].get("NotificationState").is_none(), "{request:?}");
            if request.body["Notification"]["Threshold"].as_f64() == Some(80.0) {
                json!({"Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@x"}, {"SubscriptionType": "EMAIL", "Address": "b@x"}]})
            } else {
                json!({"Subscribers": [{"SubscriptionType": "SNS", "Address": "arn:t"}]})
            }
        }
        "ListTagsForResource" => {
            json!({"ResourceTags": [{"Key": "a", "Value": "1"}, {"Key": "phx:intent", "Value": intent(1).as_str()}]})
        }
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            json!({"ResourceTagMappingList": arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]})).collect::<Vec<_>>()})
        }
        _ => json!({}),
    })
}

fn told(threshold: u32, people: &[(&str, &str)]) -> Json {
    let people: Vec<Json> = people.iter().map(|(kind, to)| json!({"subscription_type": kind, "address": to})).collect();
    json!({"notification": {"notification_type": "ACTUAL", "comparison_operator": "GREATER_THAN", "threshold": threshold},
        "subscribers": people})
}

fn want() -> Json {
    json!({
        "budget_name": "b1", "budget_type": "COST", "time_unit": "MONTHLY", "budget_limit": {"amount": "100", "unit": "USD"},
        "time_period": {"start": "2026-01-01"}, "cost_types": {"include_tax": true},
        "notifications_with_subscribers": [told(90, &[("SNS", "arn:t")]), told(80, &[("EMAIL", "b@x"), ("EMAIL", "a@x")])],
        "tags": {"a": "1"}})
}

fn sent(bench: &Bench, operation: &str) -> Vec<Json> {
    bench.requests().into_iter().filter(|r| r.operation == operation).map(|r| r.body).collect()
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_mark() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateBudget" => Answer::Lost,
        _ => answer(request),
    });
    let driver = bench.driver(TYPE);
    let error = driver.create(&bench.cx, &fields(want()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let create = sent(&bench, "CreateBudget").remove(0);
    assert_eq!(create["AccountId"], json!("123456789012"));
    assert_eq!(create["Budget"]["BudgetLimit"]["Amount"], json!("100"));
    assert_eq!(create["Budget"]["TimePeriod"]["Start"].as_f64(), Some(1_767_225_600.0));
    assert_eq!(create["NotificationsWithSubscribers"][0]["Subscribers"][0]["SubscriptionType"], json!("SNS"));
    assert!(create["ResourceTags"].to_string().contains("phx:intent"));
    let found = driver.find(&bench.cx, &fields(want()), &intent(1)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.complete), ("b1", true));
    let error = driver.find(&bench.cx, &fields(want()), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_aws_writes_otherwise_is_the_same() {
    let bench = scripted(|request, _| answer(request));
    bench.settled(TYPE, "b1", &want()).await;
    let mut filtered = want();
    filtered["filter_expression"] = json!({"Not": {"Dimensions": {"Key": "SERVICE", "Values": ["a", "b"]}}});
    bench.settled(TYPE, "b1", &filtered).await;
    assert_eq!(sent(&bench, "DescribeBudgets")[0].get("ShowFilterExpression"), None);
    assert_eq!(sent(&bench, "DescribeBudgets")[1]["ShowFilterExpression"], json!(true));
}

#[tokio::test]
async fn people_are_changed_by_their_difference() {
    let bench = scripted(|request, _| answer(request));
    let mut next = want();
    next["notifications_with_subscribers"] =
        json!([told(80, &[("EMAIL", "a@x"), ("EMAIL", "c@x"), ("SNS", "arn:u")]), told(100, &[("EMAIL", "a@x")]),]);
    bench.update(TYPE, "b1", &want(), &next).await;
    let writes: Vec<Request> = bench
        .requests()
        .into_iter()
        .filter(|r| !r.operation.starts_with("Describe") && !r.operation.starts_with("List"))
        .collect();
    let order: Vec<&str> = writes.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(order, ["DeleteNotification", "UpdateSubscriber", "CreateSubscriber", "CreateNotification"]);
    assert_eq!(writes[0].body["Notification"]["Threshold"].as_f64(), Some(90.0));
    assert_eq!(writes[1].body["OldSubscriber"]["Address"], json!("b@x"));
    assert_eq!(writes[1].body["NewSubscriber"]["Address"], json!("c@x"));
    assert_eq!(writes[2].body["Subscriber"]["Address"], json!("arn:u"));
    assert_eq!(writes[3].body["Notification"]["Threshold"].as_f64(), Some(100.0));
}

#[tokio::test]
async fn a_budget_changes_as_a_whole() {
    let bench = scripted(|request, _| answer(request));
    let mut next = want();
    next["budget_limit"]["amount"] = json!("150");
    next["tags"] = json!({"b": "2"});
    bench.update(TYPE, "b1", &want(), &next).await;
    let update = sent(&bench, "UpdateBudget").remove(0)["NewBudget"].clone();
    assert_eq!(update["BudgetLimit"]["Amount"], json!("150"));
    // What AWS or somebody else filled in is sent as it is there.
    assert_eq!(update["BillingViewArn"], budget("b1")["BillingViewArn"]);
    assert_eq!(update["CostTypes"], budget("b1")["CostTypes"]);
    assert_eq!(update["TimePeriod"]["End"].as_f64(), Some(3_706_473_600.0));
    assert!(
        update.get("FilterExpression").is_none(),
        "AWS tells it beside the filters and takes one of the two: {update}"
    );
    let arn = json!("arn:aws:budgets::123456789012:budget/b1");
    assert_eq!(sent(&bench, "TagResource")[0]["ResourceARN"], arn);
    assert_eq!(sent(&bench, "UntagResource")[0]["ResourceTagKeys"], json!(["a"]));
    assert!(sent(&bench, "CreateNotification").is_empty());
}

#[tokio::test]
async fn a_hundred_budgets() {
    let bench = scripted(|request, _| answer(request));
    let mut set = want();
    set["notifications_with_subscribers"] = json!([]);
    let (set, ids): (_, Vec<String>) = (fields(set), (0..100).map(|n| format!("b{n}")).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let read = bench.read(TYPE, &targets).await;
    assert!(read.iter().all(|read| matches!(read, Read::Present(_))), "{read:?}");
    // Two lists and the tags, and for each notification who is told.
    assert!(bench.operations().len() <= 103, "{} calls", bench.operations().len());
}

#[tokio::test]
async fn what_is_gone_is_gone() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DeleteBudget" => Answer::JsonError(400, "NotFoundException"),
        _ => Answer::Json(json!({"Budgets": []})),
    });
    bench.deleted(TYPE, "b1", &want()).await;
}

#[tokio::test]
async fn what_the_program_never_set_of_a_budget_stays() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeBudget" => {
            let mut budget = budget("b1");
            budget["AutoAdjustData"] = json!({"AutoAdjustType": "FORECAST"});
            Answer::Json(json!({"Budget": budget}))
        }
        _ => answer(request),
    });
    let want = fields(json!({"budget_name": "b1", "budget_type": "COST", "time_unit": "MONTHLY",
        "cost_types": {"include_tax": false}}));
    let change = Delta { before: phx_model::Value::Null, after: want["cost_types"].clone() };
    bench.driver(TYPE).update(&bench.cx, "b1", &want, &[("cost_types".to_owned(), change)].into()).await.unwrap();
    let update = sent(&bench, "UpdateBudget").remove(0)["NewBudget"].clone();
    assert_eq!(update["CostTypes"], json!({"IncludeTax": false, "UseBlended": false}));
    // A limit would end that AWS sets it by itself.
    assert_eq!(update["AutoAdjustData"]["AutoAdjustType"], "FORECAST");
    assert!(update.get("BudgetLimit").is_none(), "{update}");
}

#[tokio::test]
async fn a_budget_whose_notifications_are_gone_is_read() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeNotificationsForBudget" => Answer::JsonError(400, "NotFoundException"),
        _ => answer(request),
    });
    let Read::Present(seen) = bench.read(TYPE, &[("b1", &fields(want()))]).await.remove(0) else { panic!() };
    assert!(!seen.fields.contains_key("notifications_with_subscribers"));
}
