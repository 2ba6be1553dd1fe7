//! AWS Backup: changes of plans, selections, tags, and what a read costs.

use std::sync::atomic::{AtomicBool, Ordering};

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const VAULT: &str = "aws:backup:Vault";
const PLAN: &str = "aws:backup:Plan";
const SELECTION: &str = "aws:backup:Selection";
const ARN: &str = "arn:aws:backup:us-west-2:123456789012";

async fn hundred(bench: &Bench, name: &str, ids: impl Fn(usize) -> String, set: &Json) -> usize {
    let (set, ids): (_, Vec<String>) = (fields(set.clone()), (0..100).map(ids).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let before = bench.operations().len();
    let read = bench.read(name, &targets).await;
    assert!(read.iter().all(|read| matches!(read, Read::Present(_))), "{read:?}");
    bench.operations().len() - before
}

/// The tagging API's answer for the ARNs that were asked for.
fn tagged(request: &Request, tags: &Json) -> Answer {
    let arns = request.body["ResourceARNList"].as_array().unwrap();
    let tags: Vec<Json> = tags.as_object().unwrap().iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    let all: Vec<Json> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
    Answer::Json(json!({"ResourceTagMappingList": all}))
}

fn path(request: &Request) -> &str {
    request.uri.split('?').next().unwrap()
}

#[tokio::test]
async fn vaults_are_listed_and_their_tags_told_by_the_hundred() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetResources" => tagged(request, &json!({"a": "1"})),
        "GET /backup-vaults" | "GET /backup-vaults/" => {
            let vaults: Vec<Json> = (0..100)
                .map(|n| json!({"BackupVaultName": format!("v{n}"), "BackupVaultArn": format!("{ARN}:backup-vault:v{n}"), "EncryptionKeyArn": "k"}))
                .collect();
            Answer::Json(json!({"BackupVaultList": vaults}))
        }
        other => panic!("{other}"),
    });
    let calls =
        hundred(&bench, VAULT, |n| format!("v{n}"), &json!({"backup_vault_name": "v", "tags": {"a": "1"}})).await;
    assert!(calls <= 2, "{calls} calls");
}

#[tokio::test]
async fn a_vaults_lost_answer_is_found_by_its_mark_and_its_tags_change() {
    let bench = scripted(|request, _| {
        let (method, at) = request.operation.split_once(' ').unwrap_or(("", ""));
        match method {
            "PUT" => Answer::Lost,
            "GET" if at.starts_with("/backup-vaults") => Answer::Json(json!({"BackupVaultList": [
                {"BackupVaultName": "main", "BackupVaultArn": format!("{ARN}:backup-vault:main")}]})),
            "GET" if at.starts_with("/tags") => {
                Answer::Json(json!({"Tags": {"phx:intent": intent(1).as_str(), "a": "1", "b": "2"}}))
            }
            "POST" => Answer::Json(json!({})),
            "DELETE" => Answer::JsonError(400, "InvalidRequestException"),
            _ => panic!("{request:?}"),
        }
    });
    let want = json!({"backup_vault_name": "main", "tags": {"a": "1", "b": "2"}});
    let driver = bench.driver(VAULT);
    let error = driver.create(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert_eq!(bench.requests()[0].body["BackupVaultTags"]["phx:intent"], json!(intent(1).as_str()));
    let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().unwrap();
    assert_eq!(found.id, "main");
    let other = driver.find(&bench.cx, &fields(want.clone()), &intent(2)).await.unwrap_err();
    assert_eq!(other.kind, ErrorKind::AlreadyExists);
    bench.settled(VAULT, "main", &want).await;
    bench.update(VAULT, "main", &want, &json!({"backup_vault_name": "main", "tags": {"b": "3"}})).await;
    let posts: Vec<Request> = bench.requests().into_iter().filter(|r| r.operation.starts_with("POST")).collect();
    assert!(path(&posts[0]).starts_with("/untag/") && path(&posts[1]).starts_with("/tags/"), "{posts:?}");
    assert_eq!((&posts[1].body["Tags"], &posts[0].body["TagKeyList"]), (&json!({"b": "3"}), &json!(["a"])));
}

/// A full vault is deleted only by force, which deletes what is in it first.
#[tokio::test]
async fn a_full_vault_is_deleted_only_by_force() {
    let point = format!("{ARN}:recovery-point:1");
    let there = point.clone();
    let gone = AtomicBool::new(false);
    let bench = scripted(move |request, _| {
        let emptied = gone.load(Ordering::Relaxed);
        match request.operation.split_once(' ').unwrap() {
            ("DELETE", at) if at.contains("recovery-points") => {
                gone.store(true, Ordering::Relaxed);
                Answer::Json(json!({}))
            }
            ("DELETE", _) if emptied => Answer::Json(json!({})),
            ("DELETE", _) => Answer::JsonErrorSaying(
                400,
                "InvalidRequestException",
                "Backup vault cannot be deleted because it contains recovery points.",
            ),
            ("GET", at) if at.contains("recovery-points") => {
                let left = if emptied { json!([]) } else { json!([{"RecoveryPointArn": there}]) };
                Answer::Json(json!({"RecoveryPoints": left}))
            }
            other => panic!("{other:?}"),
        }
    });
    let driver = bench.driver(VAULT);
    let was = |force: bool| fields(json!({"backup_vault_name": "main", "force_destroy": force}));
    let refused = driver.delete(&bench.cx, "main", &was(false)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InUse);
    assert!(refused.hint.unwrap().contains("force_destroy"));
    assert_eq!(bench.requests().len(), 1, "nothing in it was touched");
    driver.delete(&bench.cx, "main", &was(true)).await.unwrap();
    let deleted: Vec<String> =
        bench.requests().iter().map(|r| r.operation.clone()).filter(|o| o.starts_with("DELETE")).collect();
    assert_eq!(deleted.len(), 4, "{deleted:?}");
}

fn plan(rules: &Json) -> Json {
    json!({"BackupPlanId": "p", "BackupPlanArn": format!("{ARN}:backup-plan:p"), "VersionId": "v1",
        "BackupPlan": {"BackupPlanName": "daily", "Rules": rules,
            "AdvancedBackupSettings": [{"ResourceType": "EC2", "BackupOptions": {"WindowsVSS": "enabled"}}]}})
}

/// A rule as AWS tells it, with all that it fills in.
fn told() -> Json {
    json!({"RuleName": "r", "RuleId": "x", "TargetBackupVaultName": "main", "ScheduleExpression": "cron(0 5 ? * * *)",
        "ScheduleExpressionTimezone": "Etc/UTC", "StartWindowMinutes": 480, "CompletionWindowMinutes": 10080, "Lifecycle": {},
        "CopyActions": [], "EnableContinuousBackup": false})
}

#[tokio::test]
async fn a_plan_changes_as_a_whole_and_gets_another_version() {
    let bench = scripted(|request, _| match request.operation.split(' ').next().unwrap() {
        "POST" => Answer::Json(json!({"BackupPlanId": "p", "BackupPlanArn": "x", "VersionId": "v2"})),
        _ => Answer::Json(plan(&json!([told()]))),
    });
    let have = json!({"backup_plan_name": "daily", "rules": [{"rule_name": "r", "target_backup_vault_name": "main"}],
        "advanced_backup_settings": [{"resource_type": "EC2", "backup_options": {"WindowsVSS": "enabled"}}]});
    bench.settled(PLAN, "p", &have).await;
    let rules = json!([{"rule_name": "r", "target_backup_vault_name": "main", "start_window_minutes": 60,
        "index_actions": [{"resource_types": ["S3"]}], "scan_actions": [{"malware_scanner": "GUARDDUTY", "scan_mode": "FULL_SCAN"}]}]);
    let want = json!({"backup_plan_name": "daily", "rules": rules});
    let change = phx_model::driver::Delta { before: have["rules"].clone().into(), after: want["rules"].clone().into() };
    let driver = bench.driver(PLAN);
    let outputs = driver.update(&bench.cx, "p", &fields(want), &[("rules".to_owned(), change)].into()).await.unwrap();
    assert_eq!(outputs.unwrap()["version_id"].as_str(), Some("v2"));
    let sent = bench.requests().into_iter().find(|r| r.operation.starts_with("POST")).unwrap();
    assert_eq!(path(&sent), "/backup/plans/p");
    let sent = &sent.body["BackupPlan"];
    assert_eq!(sent["Rules"][0]["StartWindowMinutes"], json!(60));
    assert_eq!(sent["Rules"][0]["IndexActions"], json!([{"ResourceTypes": ["S3"]}]));
    // What does not change is sent as it is there.
    assert_eq!(sent["AdvancedBackupSettings"][0]["ResourceType"], json!("EC2"));
}

#[tokio::test]
async fn a_plan_is_found_by_its_request_and_not_deleted_while_it_selects() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "PUT /backup/plans" | "PUT /backup/plans/" => Answer::Lost,
        "GET /backup/plans" | "GET /backup/plans/" => {
            let made = |id: &str, n| json!({"BackupPlanId": id, "BackupPlanArn": "arn", "CreatorRequestId": token(n)});
            Answer::Json(json!({"BackupPlansList": [made("other", 2), made("mine", 1)]}))
        }
        other => panic!("{other}"),
    });
    let want = fields(json!({"backup_plan_name": "daily", "rules": []}));
    let driver = bench.driver(PLAN);
    let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert_eq!(bench.requests()[0].body["CreatorRequestId"], json!(token(1)));
    assert_eq!(driver.find(&bench.cx, &want, &intent(1)).await.unwrap().unwrap().id, "mine");
    assert!(driver.find(&bench.cx, &want, &intent(3)).await.unwrap().is_none());
}

/// What AWS Backup knows an intent's request by.
fn token(n: u32) -> String {
    phx_aws::call::client_token(&intent(n))[..50].to_owned()
}

#[tokio::test]
async fn plans_take_a_call_each_and_their_tags_one() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetResources" => tagged(request, &json!({"a": "1"})),
        _ => {
            let id = path(request).trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
            let mut plan = plan(&json!([told()]));
            plan["BackupPlanArn"] = json!(format!("{ARN}:backup-plan:{id}"));
            plan["BackupPlanId"] = json!(id);
            Answer::Json(plan)
        }
    });
    let set = json!({"backup_plan_name": "daily", "rules": [], "tags": {"a": "1"}});
    let calls = hundred(&bench, PLAN, |n| format!("p{n}"), &set).await;
    assert!(calls <= 101, "{calls} calls");
}

fn selection() -> Json {
    json!({
        "backup_plan_id": "p", "selection_name": "all", "iam_role_arn": "arn:aws:iam::123456789012:role/backup",
        "resources": ["arn:aws:ec2:*:*:volume/*"], "not_resources": ["arn:aws:ec2:*:*:volume/vol-1"],
        "list_of_tags": [{"condition_type": "STRINGEQUALS", "condition_key": "backup", "condition_value": "yes"}],
        "conditions": {"string_like": [{"condition_key": "aws:ResourceTag/team", "condition_value": "plat*"}]}})
}

#[tokio::test]
async fn a_selection_lives() {
    let bench = scripted(|request, n| match (request.operation.split(' ').next().unwrap(), n) {
        // The role was made a moment ago.
        ("PUT", 0) => Answer::Lost,
        ("PUT", _) => Answer::Json(json!({"SelectionId": "s", "BackupPlanId": "p"})),
        ("GET", _) if path(request).trim_end_matches('/').ends_with("/selections") => {
            Answer::Json(json!({"BackupSelectionsList": [{"SelectionId": "s", "CreatorRequestId": token(1)}]}))
        }
        ("GET", _) => Answer::Json(json!({"SelectionId": "s", "BackupPlanId": "p", "BackupSelection": {
            "SelectionName": "all", "IamRoleArn": "arn:aws:iam::123456789012:role/backup",
            "Resources": ["arn:aws:ec2:*:*:volume/*"], "NotResources": ["arn:aws:ec2:*:*:volume/vol-1"],
            "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "yes"}],
            "Conditions": {"StringEquals": [], "StringNotEquals": [], "StringNotLike": [],
                "StringLike": [{"ConditionKey": "aws:ResourceTag/team", "ConditionValue": "plat*"}]}}})),
        ("DELETE", _) => Answer::JsonError(400, "ResourceNotFoundException"),
        other => panic!("{other:?}"),
    });
    let driver = bench.driver(SELECTION);
    let error = driver.create(&bench.cx, &fields(selection()), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let found = driver.find(&bench.cx, &fields(selection()), &intent(1)).await.unwrap().unwrap();
    let made = driver.create(&bench.cx, &fields(selection()), &intent(1)).await.unwrap();
    assert_eq!((found.id.as_str(), made.id.as_str()), ("p/s", "p/s"));
    assert!(driver.find(&bench.cx, &fields(selection()), &intent(2)).await.unwrap().is_none());
    let sent = &bench.requests()[0].body;
    assert_eq!(sent["CreatorRequestId"], json!(token(1)));
    assert_eq!(sent["BackupSelection"]["Conditions"]["StringLike"][0]["ConditionValue"], json!("plat*"));
    bench.settled(SELECTION, "p/s", &selection()).await;
    driver.delete(&bench.cx, "p/s", &fields(selection())).await.unwrap();
    let calls = hundred(&bench, SELECTION, |n| format!("p/s{n}"), &selection()).await;
    assert!(calls <= 100, "{calls} calls");
}
