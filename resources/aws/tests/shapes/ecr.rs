//! ECR, as its API model has it.

use phx_model::error::ErrorKind;
use phx_model::{Value as Field, ValueMap};
use serde_json::{Value, json};

use crate::kit::{Answer, Request, fields, intent, scripted};

const REPOSITORY: &str = "aws:ecr:Repository";

fn shown(name: &str) -> Value {
    json!({
        "repositoryName": name,
        "repositoryArn": format!("arn:aws:ecr:us-west-2:123456789012:repository/{name}"),
        "registryId": "123456789012",
        "repositoryUri": format!("123456789012.dkr.ecr.us-west-2.amazonaws.com/{name}"),
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": false},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    })
}

/// Repositories `repo-0` to `repo-(n - 1)` in a world where there are `there` of them. Their tags are those of `tags`.
fn world(there: usize) -> impl Fn(&Request, usize) -> Answer {
    move |request, _| match request.operation.as_str() {
        "DescribeRepositories" => {
            let known: Vec<String> = (0..there).map(|n| format!("repo-{n}")).collect();
            let names: Vec<String> = match request.body["repositoryNames"].as_array() {
                Some(names) => names.iter().map(|n| n.as_str().unwrap().to_owned()).collect(),
                None => known.clone(),
            };
            if names.iter().any(|name| !known.contains(name)) {
                return Answer::JsonError(400, "RepositoryNotFoundException");
            }
            Answer::Json(json!({"repositories": names.iter().map(|n| shown(n)).collect::<Vec<_>>()}))
        }
        "GetResources" => {
            let tags = json!([{"Key": "team", "Value": "web"}, {"Key": "phx:intent", "Value": "i"}]);
            let of = |arn: &Value| json!({"ResourceARN": arn, "Tags": tags});
            let all: Vec<Value> = request.body["ResourceARNList"].as_array().unwrap().iter().map(of).collect();
            Answer::Json(json!({"ResourceTagMappingList": all}))
        }
        "GetLifecyclePolicy" => Answer::Json(json!({"lifecyclePolicyText": "{\"rules\":[]}"})),
        "GetRepositoryPolicy" => Answer::JsonError(400, "RepositoryPolicyNotFoundException"),
        "ListTagsForResource" => Answer::Json(json!({"tags": [{"Key": "team", "Value": "web"}]})),
        other => panic!("{other} is not expected"),
    }
}

fn targets(n: usize, inputs: &ValueMap) -> Vec<(String, ValueMap)> {
    let of = |n: usize| {
        let mut inputs = inputs.clone();
        inputs.insert("repository_name", Field::String(format!("repo-{n}").into()));
        (format!("repo-{n}"), inputs)
    };
    (0..n).map(of).collect()
}

#[tokio::test]
async fn a_hundred_repositories_take_two_calls() {
    let bench = scripted(world(100));
    let targets = targets(100, &fields(json!({"tags": {"team": "web"}})));
    let targets: Vec<(&str, &ValueMap)> = targets.iter().map(|(id, inputs)| (id.as_str(), inputs)).collect();
    let read = bench.read(REPOSITORY, &targets).await;
    assert!(read.iter().all(|r| matches!(r, phx_model::driver::Read::Present(_))), "{read:?}");
    assert!(bench.operations().len() <= 2, "{:?}", bench.operations());
}

#[tokio::test]
async fn those_that_are_gone_are_told_from_the_others_by_a_list() {
    let bench = scripted(world(98));
    let targets = targets(100, &fields(json!({"tags": {"team": "web"}, "lifecycle_policy_text": {"rules": []}})));
    let targets: Vec<(&str, &ValueMap)> = targets.iter().map(|(id, inputs)| (id.as_str(), inputs)).collect();
    let read = bench.read(REPOSITORY, &targets).await;
    for (at, read) in read.iter().enumerate() {
        match read {
            phx_model::driver::Read::Present(_) => assert!(at < 98, "{at}"),
            phx_model::driver::Read::Gone => assert!(at >= 98, "{at}"),
            failed => panic!("{failed:?}"),
        }
    }
    let of = |operation: &str| bench.operations().iter().filter(|o| *o == operation).count();
    assert_eq!((of("DescribeRepositories"), of("GetResources"), of("GetLifecyclePolicy")), (2, 1, 98));
    assert_eq!(of("GetRepositoryPolicy"), 0, "what the program does not set costs nothing");
}

#[tokio::test]
async fn a_lost_answer_is_found() {
    let mark = intent(1).as_str().to_owned();
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateRepository" => Answer::Lost,
        "ListTagsForResource" => Answer::Json(json!({"tags": [{"Key": "phx:intent", "Value": mark}]})),
        _ => world(1)(request, 0),
    });
    let want = json!({"repository_name": "repo-0", "lifecycle_policy_text": {"rules": []}});
    let error = bench.create(REPOSITORY, &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error}");
    let driver = bench.driver(REPOSITORY);
    let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.complete), ("repo-0", false));
    let error = driver.find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    let nothing = json!({"repository_name": "repo-1"});
    assert!(driver.find(&bench.cx, &fields(nothing), &intent(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn images_hold_a_repository_unless_they_may_go_too() {
    let bench = scripted(|request, _| match request.body["force"].as_bool() {
        Some(true) => Answer::Json(json!({"repository": shown("repo-0")})),
        _ => Answer::JsonError(400, "RepositoryNotEmptyException"),
    });
    let driver = bench.driver(REPOSITORY);
    let kept = fields(json!({"repository_name": "repo-0"}));
    let error = driver.delete(&bench.cx, "repo-0", &kept).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse, "{error}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("force_delete")), "{error}");
    let forced = fields(json!({"repository_name": "repo-0", "force_delete": true}));
    driver.delete(&bench.cx, "repo-0", &forced).await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_named_by_an_alias_is_no_other_one() {
    let key = "arn:aws:kms:us-west-2:123456789012:key/1a2b";
    let bench = scripted(move |_, _| {
        let mut there = shown("repo-0");
        there["encryptionConfiguration"] = json!({"encryptionType": "KMS", "kmsKey": key});
        Answer::Json(json!({"repositories": [there]}))
    });
    for named in ["arn:aws:kms:us-west-2:123456789012:alias/images", "alias/images", "1a2b", key] {
        let encryption = json!({"encryption_type": "KMS", "kms_key": named});
        let want = json!({"repository_name": "repo-0", "encryption_configuration": encryption});
        bench.settled(REPOSITORY, "repo-0", &want).await;
    }
}
