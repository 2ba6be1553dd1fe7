use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::value::ValueMap;
use serde_json::{Value as Json, json};

use crate::kit::{self, Answer, Request, intent};

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

fn arn(id: &str) -> String {
    format!("arn:aws:kms:us-west-2:123456789012:key/{id}")
}

fn key(id: &str, more: Json) -> Answer {
    let mut key = json!({"KeyId": id, "Arn": arn(id), "Enabled": true, "KeyState": "Enabled", "KeyUsage": "ENCRYPT_DECRYPT",
        "KeySpec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS", "MultiRegion": false});
    key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Answer::Json(json!({"KeyMetadata": key}))
}

fn id(request: &Request) -> &str {
    request.body["KeyId"].as_str().unwrap()
}

fn policy() -> Json {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "kms:*", "Resource": "*"}]})
}

#[tokio::test]
async fn a_hundred_keys_take_a_call_each_and_one_for_their_tags() {
    for (want, calls) in [
        (json!({"description": "d", "tags": {"a": "b"}}), 101),
        (
            json!({
                "description": "d", "policy": policy(), "enable_key_rotation": true, "rotation_period_in_days": 90,
                "tags": {"a": "b"},
            }),
            301,
        ),
    ] {
        let bench = kit::scripted(|request, _| match request.operation.as_str() {
            "DescribeKey" => key(id(request), json!({"Description": "d"})),
            "GetKeyPolicy" => Answer::Json(json!({"Policy": policy().to_string()})),
            "GetKeyRotationStatus" => Answer::Json(json!({"KeyRotationEnabled": true, "RotationPeriodInDays": 90})),
            _ => {
                let arns = request.body["ResourceARNList"].as_array().unwrap();
                let one = |arn: &Json| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "b"}]});
                Answer::Json(json!({"ResourceTagMappingList": arns.iter().map(one).collect::<Vec<_>>()}))
            }
        });
        let want = kit::fields(want);
        let ids: Vec<String> = (0..100).map(|n| format!("key-{n}")).collect();
        let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &want)).collect();
        for read in bench.read("aws:kms:Key", &targets).await {
            let Read::Present(seen) = read else { panic!("{read:?}") };
            for (field, value) in &want {
                assert_eq!(seen.fields.get(field), Some(value), "{field}");
            }
        }
        assert_eq!(bench.requests().len(), calls);
    }
}

#[tokio::test]
async fn a_key_made_by_a_lost_call_is_found_by_its_mark() {
    // The tagging API knows it already, or lags behind.
    for known in [true, false] {
        let bench = kit::scripted(move |request, _| match request.operation.as_str() {
            "CreateKey" => Answer::Lost,
            "GetResources" => {
                let tags = json!([{"Key": "phx:intent", "Value": intent(1).as_str()}]);
                let found = json!([{"ResourceARN": arn(KEY), "Tags": tags}]);
                Answer::Json(json!({"ResourceTagMappingList": if known { found } else { json!([]) }}))
            }
            "ListKeys" => {
                let keys = ["aws", "other", KEY].map(|id| json!({"KeyId": id, "KeyArn": arn(id)}));
                Answer::Json(json!({"Keys": keys, "Truncated": false}))
            }
            "ListResourceTags" => match id(request) {
                "aws" => Answer::JsonError(400, "AccessDeniedException"),
                other => {
                    let mark = intent(if other == KEY { 1 } else { 2 });
                    Answer::Json(
                        json!({"Tags": [{"TagKey": "phx:intent", "TagValue": mark.as_str()}], "Truncated": false}),
                    )
                }
            },
            _ => key(id(request), json!({})),
        });
        let (driver, want) = (bench.driver("aws:kms:Key"), ValueMap::new());
        let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous);
        let found = driver.find(&bench.cx, &want, &intent(1)).await.unwrap();
        assert_eq!(found.unwrap().id, KEY);
        if !known {
            assert!(driver.find(&bench.cx, &want, &intent(3)).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn a_new_key_is_waited_for_and_then_set_up() {
    let bench = kit::scripted(|request, before| match (request.operation.as_str(), before) {
        ("CreateKey", _) => key(KEY, json!({"KeyState": "Creating", "Enabled": false})),
        ("DescribeKey", 1) => Answer::JsonError(400, "NotFoundException"),
        ("DescribeKey", 2) => key(KEY, json!({"KeyState": "Creating", "Enabled": false})),
        ("DescribeKey", _) => key(KEY, json!({})),
        _ => Answer::Json(json!({})),
    });
    let want = json!({
        "origin": "AWS_CLOUDHSM", "custom_key_store_id": "cks-1", "enable_key_rotation": true,
        "rotation_period_in_days": 90, "enabled": false, "bypass_policy_lockout_safety_check": true, "policy": policy(),
    });
    bench.create("aws:kms:Key", &want, 1).await.unwrap();
    let calls = bench.operations();
    assert_eq!(calls, ["CreateKey", "DescribeKey", "DescribeKey", "DescribeKey", "EnableKeyRotation", "DisableKey"]);
    let requests = bench.requests();
    assert_eq!(requests[4].body["RotationPeriodInDays"], 90);
    assert_eq!(requests[0].body["CustomKeyStoreId"], "cks-1");
    assert_eq!(requests[0].body["BypassPolicyLockoutSafetyCheck"], true);
    let sent: Json = serde_json::from_str(requests[0].body["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(sent, policy());

    let period = json!({"rotation_period_in_days": 90});
    assert_eq!(bench.create("aws:kms:Key", &period, 2).await.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_key_that_is_going_to_be_deleted_is_gone() {
    for state in ["PendingDeletion", "PendingReplicaDeletion"] {
        let bench = kit::scripted(move |request, _| match request.operation.as_str() {
            "ScheduleKeyDeletion" => {
                assert_eq!(request.body["PendingWindowInDays"], 7);
                Answer::JsonError(400, "KMSInvalidStateException")
            }
            _ => key(KEY, json!({"KeyState": state, "Enabled": false})),
        });
        let want = kit::fields(json!({"pending_window_in_days": 7}));
        let read = bench.read("aws:kms:Key", &[(KEY, &want)]).await.remove(0);
        assert!(matches!(read, Read::Gone), "{read:?}");
        bench.driver("aws:kms:Key").delete(&bench.cx, KEY, &want).await.unwrap();
    }
    // A key that cannot be deleted for another reason is not.
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "ScheduleKeyDeletion" => Answer::JsonError(400, "KMSInvalidStateException"),
        _ => key(KEY, json!({})),
    });
    let error = bench.driver("aws:kms:Key").delete(&bench.cx, KEY, &ValueMap::new()).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("KMSInvalidStateException"));
}

#[tokio::test]
async fn a_key_that_cannot_rotate_is_read_all_the_same() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "GetKeyRotationStatus" => Answer::JsonError(400, "UnsupportedOperationException"),
        "GetKeyPolicy" => Answer::Json(json!({"Policy": policy().to_string()})),
        "ListResourceTags" => Answer::Json(json!({"Tags": [], "Truncated": false})),
        _ => key(KEY, json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})),
    });
    let read = bench.read("aws:kms:Key", &[(KEY, &ValueMap::new())]).await.remove(0);
    let Read::Present(seen) = read else { panic!("{read:?}") };
    assert!(!seen.fields.contains_key("enable_key_rotation"));
    assert_eq!(seen.fields["key_spec"].as_str(), Some("RSA_2048"));

    // And one that shall rotate is told of in KMS's words.
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "EnableKeyRotation" => Answer::JsonError(400, "UnsupportedOperationException"),
        _ => key(KEY, json!({})),
    });
    let error = bench.create("aws:kms:Key", &json!({"enable_key_rotation": true}), 1).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Invalid, "says AWS"));
}

#[tokio::test]
async fn another_period_is_set_without_touching_anything_else() {
    let bench = kit::scripted(|_, _| Answer::Json(json!({})));
    let want = kit::fields(json!({"enable_key_rotation": true, "rotation_period_in_days": 180}));
    let change = Delta { before: 90_i64.into_value(), after: 180_i64.into_value() };
    let driver = bench.driver("aws:kms:Key");
    driver.update(&bench.cx, KEY, &want, &[("rotation_period_in_days".into(), change)].into()).await.unwrap();
    assert_eq!(bench.operations(), ["EnableKeyRotation"]);
    assert_eq!(bench.requests()[0].body["RotationPeriodInDays"], 180);
}

trait IntoValue {
    fn into_value(self) -> phx_model::Value;
}

impl IntoValue for i64 {
    fn into_value(self) -> phx_model::Value {
        phx_model::Value::Int(self)
    }
}

#[tokio::test]
async fn aliases_are_read_from_a_list() {
    let bench = kit::scripted(|request, _| {
        let from = if request.body["Marker"] == "m" { 100 } else { 0 };
        let alias = |n: u32| {
            let name = format!("alias/a{n}");
            json!({"AliasName": name, "AliasArn": format!("arn:aws:kms:us-west-2:123456789012:{name}"), "TargetKeyId": KEY})
        };
        let all: Vec<Json> = (from..from + 100).map(alias).collect();
        Answer::Json(
            json!({"Aliases": all, "Truncated": from == 0, "NextMarker": if from == 0 { json!("m") } else { json!(null) }}),
        )
    });
    let ids: Vec<String> = (0..100).map(|n| format!("alias/a{}", 2 * n)).collect();
    // One says the ARN, where KMS tells the id.
    let want =
        |n: usize| json!({"alias_name": ids[n], "target_key_id": if n == 7 { arn(KEY) } else { KEY.to_owned() }});
    let wants: Vec<ValueMap> = (0..100).map(|n| kit::fields(want(n))).collect();
    let targets: Vec<_> = ids.iter().map(String::as_str).zip(&wants).collect();
    for (read, want) in bench.read("aws:kms:Alias", &targets).await.into_iter().zip(&wants) {
        let Read::Present(seen) = read else { panic!("{read:?}") };
        assert_eq!(&seen.fields, want);
    }
    assert_eq!(bench.requests().len(), 2);
}

#[tokio::test]
async fn an_alias_made_by_a_lost_call_is_the_one_that_stands_for_the_key() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "CreateAlias" => Answer::Lost,
        _ => Answer::Json(json!({"Truncated": false, "Aliases": [
            {"AliasName": "alias/app", "AliasArn": "arn:a", "TargetKeyId": KEY}]})),
    });
    let driver = bench.driver("aws:kms:Alias");
    let want = |name: &str, key: &str| kit::fields(json!({"alias_name": name, "target_key_id": key}));
    let error = driver.create(&bench.cx, &want("alias/app", KEY), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    for key in [KEY.to_owned(), arn(KEY)] {
        let found = driver.find(&bench.cx, &want("alias/app", &key), &intent(1)).await.unwrap();
        assert_eq!(found.unwrap().id, "alias/app");
    }
    assert!(driver.find(&bench.cx, &want("alias/other", KEY), &intent(1)).await.unwrap().is_none());
    let taken = driver.find(&bench.cx, &want("alias/app", "another"), &intent(1)).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_period_alone_stops_no_rotation() {
    let bench = kit::scripted(|_, _| panic!("nothing is called"));
    let want = kit::fields(json!({"rotation_period_in_days": 180}));
    let change = Delta { before: 90_i64.into_value(), after: 180_i64.into_value() };
    let driver = bench.driver("aws:kms:Key");
    let updated = driver.update(&bench.cx, KEY, &want, &[("rotation_period_in_days".into(), change)].into()).await;
    assert_eq!(updated.unwrap_err().kind, ErrorKind::Invalid);
}
