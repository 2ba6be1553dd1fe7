use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::value::ValueMap;
use serde_json::{Value as Json, json};

use crate::kit::{self, Answer, Bench, Request, intent};

fn arn(n: u32) -> String {
    format!("arn:aws:secretsmanager:us-west-2:123456789012:secret:s{n}-a1b2c3")
}

fn number(request: &Request) -> u32 {
    let id = request.body["SecretId"].as_str().unwrap();
    (0..100).find(|n| arn(*n) == id || format!("s{n}") == id).unwrap_or_else(|| panic!("{id}"))
}

/// A secret as lists and answers about one have it, but for the versions.
fn secret(n: u32, more: Json) -> Json {
    let mut secret = json!({
        "ARN": arn(n), "Name": format!("s{n}"), "Description": "d",
        "Tags": [{"Key": "a", "Value": "b"}, {"Key": "phx:intent", "Value": intent(1).as_str()}],
    });
    secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    secret
}

fn list(more: impl Fn(u32) -> Json) -> Answer {
    Answer::Json(json!({"SecretList": (0..100).map(|n| secret(n, more(n))).collect::<Vec<_>>()}))
}

async fn read_hundred(
    bench: &Bench,
    name: &str,
    id: impl Fn(u32) -> String,
    want: impl Fn(u32) -> Json,
) -> Vec<String> {
    let all: Vec<(String, ValueMap)> = (0..100).map(|n| (id(n), kit::fields(want(n)))).collect();
    let targets: Vec<_> = all.iter().map(|(id, want)| (id.as_str(), want)).collect();
    let schema = bench.driver(name).schema();
    for (read, (id, want)) in bench.read(name, &targets).await.into_iter().zip(&all) {
        let Read::Present(seen) = read else { panic!("{name} {id}: {read:?}") };
        for (field, value) in want.iter().filter(|(field, _)| !schema.field(field).unwrap().write_only) {
            let there = seen.fields.get(field).unwrap_or_else(|| panic!("{name} {id}.{field}"));
            assert!(
                phx_model::schema::satisfied(schema.field(field).unwrap(), value, there),
                "{name} {id}.{field}: {there:?}"
            );
        }
    }
    bench.operations()
}

#[tokio::test]
async fn a_hundred_secrets_are_read_with_one_list() {
    let bench = kit::scripted(|_, _| list(|_| json!({"Type": "partner"})));
    let want = |n: u32| json!({"name": format!("s{n}"), "description": "d", "type": "partner", "secret_string": "x", "tags": {"a": "b"}});
    assert_eq!(read_hundred(&bench, "aws:secretsmanager:Secret", arn, want).await, ["ListSecrets"]);

    // Where the list is not what was set, the secret itself says; policies are told of one secret only.
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "ListSecrets" => list(|n| json!({"Description": if n < 3 { "old" } else { "d" }})),
        "DescribeSecret" => Answer::Json(secret(number(request), json!({}))),
        _ => Answer::Json(json!({"ResourcePolicy": "{\"Version\":\"2012-10-17\",\"Statement\":[]}"})),
    });
    let want = |n: u32| {
        let mut want = json!({"name": format!("s{n}"), "description": "d", "tags": {"a": "b"}});
        if n < 10 {
            want["resource_policy"] = json!({"Version": "2012-10-17", "Statement": []});
        }
        want
    };
    let calls = read_hundred(&bench, "aws:secretsmanager:Secret", arn, want).await;
    let count = |op: &str| calls.iter().filter(|call| *call == op).count();
    assert_eq!((count("ListSecrets"), count("DescribeSecret"), count("GetResourcePolicy")), (1, 3, 10));
}

#[tokio::test]
async fn a_hundred_versions_and_schedules_are_read_with_one_list() {
    let version = "v".repeat(32);
    let bench =
        kit::scripted(move |_, _| list(|_| json!({"SecretVersionsToStages": {"v".repeat(32): ["AWSCURRENT"]}})));
    let want = |n: u32| json!({"secret_id": arn(n), "secret_string": "x", "version_stages": ["AWSCURRENT"]});
    let id = |n| format!("{}|{version}", arn(n));
    assert_eq!(read_hundred(&bench, "aws:secretsmanager:SecretVersion", id, want).await, ["ListSecrets"]);

    let bench = kit::scripted(|_, _| list(|_| rotation()));
    let calls = read_hundred(&bench, "aws:secretsmanager:RotationSchedule", arn, schedule).await;
    assert_eq!(calls, ["ListSecrets"]);
}

fn rotation() -> Json {
    json!({
        "RotationEnabled": true, "RotationLambdaARN": "arn:aws:lambda:us-west-2:123456789012:function:f",
        "RotationRules": {"ScheduleExpression": "rate(10 days)", "Duration": "3h", "AutomaticallyAfterDays": 10},
        "ExternalSecretRotationMetadata": [{"Key": "k", "Value": "v"}],
        "ExternalSecretRotationRoleArn": "arn:aws:iam::123456789012:role/r",
    })
}

fn schedule(n: u32) -> Json {
    json!({
        "secret_id": arn(n), "rotation_lambda_arn": "arn:aws:lambda:us-west-2:123456789012:function:f",
        "rotation_rules": {"schedule_expression": "rate(10 days)", "duration": "3h"},
        "external_secret_rotation_metadata": [{"key": "k", "value": "v"}],
        "external_secret_rotation_role_arn": "arn:aws:iam::123456789012:role/r",
    })
}

#[tokio::test]
async fn rotation_is_set_and_cancelled() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "RotateSecret" => Answer::Json(json!({"ARN": arn(1)})),
        "CancelRotateSecret" => Answer::JsonError(400, "InvalidRequestException"),
        _ => Answer::Json(secret(1, json!({"RotationEnabled": false}))),
    });
    let mut want = schedule(1);
    want["rotate_immediately"] = json!(false);
    let made = bench.create("aws:secretsmanager:RotationSchedule", &want, 1).await.unwrap();
    let sent = &bench.requests()[0].body;
    assert_eq!(sent["RotateImmediately"], false);
    assert_eq!(sent["RotationRules"], json!({"ScheduleExpression": "rate(10 days)", "Duration": "3h"}));
    assert_eq!(sent["ExternalSecretRotationMetadata"], json!([{"Key": "k", "Value": "v"}]));
    assert_eq!(sent["ClientRequestToken"].as_str().unwrap().len(), 64);
    // It is off already.
    bench.deleted("aws:secretsmanager:RotationSchedule", &made.id, &want).await;

    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "RotateSecret" => Answer::Lost,
        "CancelRotateSecret" => Answer::JsonError(400, "InvalidRequestException"),
        _ => Answer::Json(secret(1, rotation())),
    });
    let (driver, want) = (bench.driver("aws:secretsmanager:RotationSchedule"), kit::fields(want));
    let found = driver.find(&bench.cx, &want, &intent(1)).await.unwrap();
    assert_eq!(found.unwrap().id, arn(1));
    // It is on, and cannot be switched off.
    assert!(driver.delete(&bench.cx, &arn(1), &want).await.is_err());

    // A database's password is changed by RDS, whoever says when.
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "CancelRotateSecret" => Answer::JsonError(400, "InvalidRequestException"),
        _ => Answer::Json(secret(1, json!({"RotationEnabled": true, "OwningService": "rds"}))),
    });
    let driver = bench.driver("aws:secretsmanager:RotationSchedule");
    driver.delete(&bench.cx, &arn(1), &want).await.unwrap();
}

#[tokio::test]
async fn what_was_made_by_a_lost_call_is_found() {
    for mine in [true, false] {
        let bench = kit::scripted(move |request, _| match request.operation.as_str() {
            "CreateSecret" => {
                assert_eq!(request.body["ClientRequestToken"].as_str().unwrap().len(), 64);
                assert_eq!(request.body["Type"], "partner");
                Answer::Lost
            }
            _ => {
                let mark = intent(if mine { 1 } else { 2 });
                Answer::Json(secret(1, json!({"Tags": [{"Key": "phx:intent", "Value": mark.as_str()}]})))
            }
        });
        let driver = bench.driver("aws:secretsmanager:Secret");
        let want = kit::fields(json!({"name": "s1", "type": "partner", "secret_string": "hunter2"}));
        let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous);
        let found = driver.find(&bench.cx, &want, &intent(1)).await;
        match mine {
            true => assert_eq!(found.unwrap().unwrap().id, arn(1)),
            false => assert_eq!(found.unwrap_err().kind, ErrorKind::AlreadyExists),
        }
    }
    // A version's id is the intent's token.
    let token = phx_aws::call::client_token(&intent(1));
    let versions = json!({"VersionIdsToStages": {token.clone(): ["AWSCURRENT"]}});
    let bench = kit::scripted(move |_, _| Answer::Json(secret(1, versions.clone())));
    let driver = bench.driver("aws:secretsmanager:SecretVersion");
    let want = kit::fields(json!({"secret_id": arn(1), "secret_string": "hunter2"}));
    let found = driver.find(&bench.cx, &want, &intent(1)).await.unwrap();
    assert_eq!(found.unwrap().id, format!("{}|{token}", arn(1)));
    assert!(driver.find(&bench.cx, &want, &intent(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_taken_out_is_cleared() {
    let bench = kit::scripted(|_, _| Answer::Json(json!({"ARN": arn(1)})));
    let gone = |field: &str| {
        (field.to_owned(), Delta { before: phx_model::Value::String("x".into()), after: phx_model::Value::Null })
    };
    let change =
        [gone("description"), gone("kms_key_id"), gone("type"), gone("resource_policy"), gone("secret_string")];
    let want = kit::fields(json!({"name": "s1"}));
    let driver = bench.driver("aws:secretsmanager:Secret");
    driver.update(&bench.cx, &arn(1), &want, &change.into()).await.unwrap();
    assert_eq!(bench.operations(), ["UpdateSecret", "DeleteResourcePolicy"]);
    let sent = bench.requests()[0].body.clone();
    assert_eq!((&sent["Description"], &sent["KmsKeyId"], &sent["Type"]), (&json!(""), &json!(""), &json!("")));
    assert!(sent.get("SecretString").is_none());
}

#[tokio::test]
async fn copies_are_waited_for_and_removed_before_the_secret() {
    let copy = |status: &str| json!({"ReplicationStatus": [{"Region": "eu-central-1", "Status": status, "StatusMessage": "no key", "KmsKeyId": "alias/aws/secretsmanager"}]});
    let bench = kit::scripted(move |request, before| match request.operation.as_str() {
        "CreateSecret" => Answer::Json(json!({"ARN": arn(1), "Name": "s1"})),
        "DescribeSecret" => Answer::Json(secret(1, copy(if before < 3 { "InProgress" } else { "InSync" }))),
        _ => Answer::Json(json!({})),
    });
    let want = json!({"name": "s1", "description": "d", "add_replica_regions": [{"region": "eu-central-1"}], "recovery_window_in_days": 7,
        "tags": {"a": "b"}});
    let made = bench.create("aws:secretsmanager:Secret", &want, 1).await.unwrap();
    bench.settled("aws:secretsmanager:Secret", &made.id, &want).await;
    let before = bench.requests().len();
    bench.driver("aws:secretsmanager:Secret").delete(&bench.cx, &made.id, &kit::fields(want)).await.unwrap();
    let calls = bench.requests().split_off(before);
    let names: Vec<_> = calls.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(names, ["DescribeSecret", "RemoveRegionsFromReplication", "DeleteSecret"]);
    assert_eq!(calls[1].body["RemoveReplicaRegions"], json!(["eu-central-1"]));
    assert_eq!(calls[2].body["RecoveryWindowInDays"], 7);

    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "CreateSecret" => Answer::Json(json!({"ARN": arn(1), "Name": "s1"})),
        _ => Answer::Json(secret(1, copy("Failed"))),
    });
    let want = json!({"name": "s1", "add_replica_regions": [{"region": "eu-central-1"}]});
    let error = bench.create("aws:secretsmanager:Secret", &want, 1).await.unwrap_err();
    assert!(error.message.contains("eu-central-1") && error.message.contains("no key"), "{error}");
}

#[tokio::test]
async fn a_secret_deleted_for_ever_is_waited_for() {
    let bench = kit::scripted(|request, before| match request.operation.as_str() {
        "DeleteSecret" => {
            assert_eq!(request.body["ForceDeleteWithoutRecovery"], true);
            assert!(request.body.get("RecoveryWindowInDays").is_none());
            Answer::Json(json!({"ARN": arn(1)}))
        }
        _ if before < 3 => Answer::Json(secret(1, json!({"DeletedDate": 1_700_000_000}))),
        _ => Answer::JsonError(400, "ResourceNotFoundException"),
    });
    let want = kit::fields(json!({"name": "s1", "force_delete_without_recovery": true, "recovery_window_in_days": 7}));
    bench.driver("aws:secretsmanager:Secret").delete(&bench.cx, &arn(1), &want).await.unwrap();
    assert_eq!(bench.operations(), ["DeleteSecret", "DescribeSecret", "DescribeSecret", "DescribeSecret"]);

    // One that can still be brought back is gone, and deleting it again does nothing.
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DeleteSecret" => Answer::JsonError(400, "InvalidRequestException"),
        _ => Answer::Json(secret(1, json!({"DeletedDate": 1_700_000_000}))),
    });
    let want = kit::fields(json!({"name": "s1"}));
    let read = bench.read("aws:secretsmanager:Secret", &[(&arn(1), &want)]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
    bench.driver("aws:secretsmanager:Secret").delete(&bench.cx, &arn(1), &want).await.unwrap();
}

#[tokio::test]
async fn a_copy_is_not_made_anew_for_the_services_own_key() {
    let copy = json!({"ReplicationStatus": [{"Region": "eu-central-1", "Status": "InSync", "KmsKeyId": "alias/aws/secretsmanager"}]});
    let bench = kit::scripted(move |_, _| Answer::Json(secret(1, copy.clone())));
    for key in ["alias/aws/secretsmanager", "arn:aws:kms:eu-central-1:123456789012:alias/aws/secretsmanager"] {
        let want = json!({"name": "s1", "description": "d", "tags": {"a": "b"},
            "add_replica_regions": [{"region": "eu-central-1", "kms_key_id": key}]});
        bench.settled("aws:secretsmanager:Secret", &arn(1), &want).await;
    }
}

#[tokio::test]
async fn a_version_that_others_superseded_is_not_made_again() {
    let id = format!("{}|mine", arn(1));
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeSecret" => {
            Answer::Json(secret(1, json!({"VersionIdsToStages": {"b": ["AWSPREVIOUS"], "c": ["AWSCURRENT"]}})))
        }
        other => panic!("{other} is not expected"),
    });
    let name = "aws:secretsmanager:SecretVersion";
    let want = kit::fields(json!({"secret_id": arn(1), "secret_string": "x"}));
    let read = bench.read(name, &[(&id, &want)]).await.remove(0);
    assert!(matches!(read, Read::Present(_)), "{read:?}");
    // One that is to have a label of its own is gone without it.
    let green = kit::fields(json!({"secret_id": arn(1), "secret_string": "x", "version_stages": ["green"]}));
    let read = bench.read(name, &[(&id, &green)]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
    // And the previous one stays when it is deleted.
    bench.driver(name).delete(&bench.cx, &format!("{}|b", arn(1)), &want).await.unwrap();
}
