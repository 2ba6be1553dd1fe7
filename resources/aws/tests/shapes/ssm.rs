use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::value::{Value, ValueMap};
use serde_json::{Value as Json, json};

use crate::kit::{self, Answer, Request, intent};

fn arn(name: &str) -> String {
    format!("arn:aws:ssm:us-west-2:123456789012:parameter{name}")
}

fn names(request: &Request) -> Vec<String> {
    let list = match request.operation.as_str() {
        "GetParameters" => &request.body["Names"],
        _ => &request.body["ParameterFilters"][0]["Values"],
    };
    list.as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
}

fn valued(name: &str, kind: &str) -> Json {
    json!({"Name": name, "Type": kind, "Value": "v", "Version": 1, "ARN": arn(name), "DataType": "text"})
}

fn described(name: &str, more: &Json) -> Json {
    let mut metadata = json!({"Name": name, "Type": "String", "Version": 1, "Tier": "Standard", "DataType": "text"});
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    metadata
}

fn tagged(request: &Request) -> Answer {
    let arns = request.body["ResourceARNList"].as_array().unwrap();
    let one = |arn: &Json| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "b"}]});
    Answer::Json(json!({"ResourceTagMappingList": arns.iter().map(one).collect::<Vec<_>>()}))
}

#[tokio::test]
async fn a_hundred_take_thirteen_calls() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "GetParameters" => {
            assert_eq!(request.body["WithDecryption"], true);
            let all: Vec<Json> = names(request).iter().map(|n| valued(n, "SecureString")).collect();
            Answer::Json(json!({"Parameters": all, "InvalidParameters": []}))
        }
        "DescribeParameters" => {
            let more = json!({"Description": "d", "KeyId": "1"});
            Answer::Json(json!({"Parameters": names(request).iter().map(|n| described(n, &more)).collect::<Vec<_>>()}))
        }
        _ => tagged(request),
    });
    let names: Vec<String> = (0..100).map(|n| format!("/app/p{n}")).collect();
    let want = |name: &str| {
        json!({
            "name": name, "type": "SecureString", "value": "v", "description": "d", "tags": {"a": "b"},
            "key_id": "arn:aws:kms:us-west-2:123456789012:key/1",
        })
    };
    let wants: Vec<ValueMap> = names.iter().map(|n| kit::fields(want(n))).collect();
    let targets: Vec<_> = names.iter().map(String::as_str).zip(&wants).collect();
    for (read, want) in bench.read("aws:ssm:Parameter", &targets).await.into_iter().zip(&wants) {
        let Read::Present(seen) = read else { panic!("{read:?}") };
        for (field, value) in want {
            assert_eq!(seen.fields[field].expose(), value, "{field}");
        }
        assert!(matches!(seen.fields["value"], Value::Secret(_)));
    }
    assert_eq!(bench.requests().len(), 13);
}

#[tokio::test]
async fn one_that_cannot_be_decrypted_hides_no_other() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "GetParameters" => {
            let names = names(request);
            if names.iter().any(|n| n == "/b") {
                return Answer::JsonError(400, "AccessDeniedException");
            }
            let there: Vec<Json> = names.iter().filter(|n| *n != "/c").map(|n| valued(n, "String")).collect();
            Answer::Json(json!({"Parameters": there}))
        }
        "DescribeParameters" => {
            let all: Vec<Json> = names(request).iter().map(|n| described(n, &json!({}))).collect();
            Answer::Json(json!({"Parameters": all}))
        }
        _ => tagged(request),
    });
    let want = kit::fields(json!({"type": "String", "insecure_value": "v"}));
    let found = bench.read("aws:ssm:Parameter", &[("/a", &want), ("/b", &want), ("/c", &want)]).await;
    assert!(
        matches!(&found[0], Read::Present(seen) if seen.fields["insecure_value"].as_str() == Some("v")),
        "{found:?}"
    );
    assert!(matches!(&found[1], Read::Failed(error) if error.kind == ErrorKind::Denied), "{found:?}");
    assert!(matches!(&found[2], Read::Gone), "{found:?}");
}

#[tokio::test]
async fn what_was_made_by_a_lost_call_is_found_by_its_mark() {
    for mine in [true, false] {
        let bench = kit::scripted(move |request, _| match request.operation.as_str() {
            "PutParameter" => {
                assert_eq!(request.body["Overwrite"], false);
                Answer::Lost
            }
            "GetParameters" => Answer::Json(json!({"Parameters": [valued("/a", "String")]})),
            _ => {
                let mark = intent(if mine { 1 } else { 2 });
                Answer::Json(json!({"TagList": [{"Key": "phx:intent", "Value": mark.as_str()}]}))
            }
        });
        let driver = bench.driver("aws:ssm:Parameter");
        let want = kit::fields(json!({"name": "/a", "type": "String", "insecure_value": "v"}));
        let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous);
        let found = driver.find(&bench.cx, &want, &intent(1)).await;
        match mine {
            true => assert_eq!(found.unwrap().unwrap().outputs["arn"].as_str(), Some(arn("/a").as_str())),
            false => assert_eq!(found.unwrap_err().kind, ErrorKind::AlreadyExists),
        }
    }
}

#[tokio::test]
async fn policies_are_read_and_taken_away() {
    let expires =
        json!({"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2030-01-01T00:00:00.000Z"}});
    let told = json!({"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "20", "Unit": "Days"}});
    let shown: Vec<Json> = [&told, &expires]
        .map(|p| json!({"PolicyText": p.to_string(), "PolicyType": p["Type"], "PolicyStatus": "Pending"}))
        .into();
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "GetParameters" => Answer::Json(json!({"Parameters": [valued("/a", "String")]})),
        "DescribeParameters" => {
            Answer::Json(json!({"Parameters": [described("/a", &json!({"Tier": "Advanced", "Policies": shown}))]}))
        }
        _ => Answer::Json(json!({"Version": 2, "Tier": "Advanced"})),
    });
    let want = json!({"name": "/a", "type": "String", "insecure_value": "v", "tier": "Intelligent-Tiering", "policies": [expires, told]});
    bench.settled("aws:ssm:Parameter", "/a", &want).await;

    // The tier that it has is said, or it would become the account's.
    let after = json!({"name": "/a", "type": "String", "insecure_value": "v"});
    let change = Delta { before: want["policies"].clone().into(), after: Value::Null };
    let driver = bench.driver("aws:ssm:Parameter");
    let out = driver.update(&bench.cx, "/a", &kit::fields(after), &[("policies".into(), change)].into()).await.unwrap();
    assert_eq!(out.unwrap()["version"], Value::Int(2));
    let sent = bench.requests().pop().unwrap().body;
    assert_eq!(
        (&sent["Policies"], &sent["Tier"], &sent["Overwrite"]),
        (&json!("[{}]"), &json!("Advanced"), &json!(true))
    );
}

#[tokio::test]
async fn an_image_is_waited_for() {
    let bench = kit::scripted(|request, before| match request.operation.as_str() {
        "PutParameter" => Answer::Json(json!({"Version": 1, "Tier": "Standard"})),
        _ if before < 3 => Answer::Json(json!({"Parameters": [], "InvalidParameters": ["/a"]})),
        _ => Answer::Json(json!({"Parameters": [valued("/a", "String")]})),
    });
    let want = json!({"name": "/a", "type": "String", "insecure_value": "ami-1", "data_type": "aws:ec2:image"});
    bench.create("aws:ssm:Parameter", &want, 1).await.unwrap();
    assert_eq!(bench.operations(), ["PutParameter", "GetParameters", "GetParameters", "GetParameters"]);
}

#[tokio::test]
async fn an_advanced_parameter_that_is_to_be_standard_is_told_of() {
    let bench = kit::scripted(|_, _| Answer::JsonError(400, "ValidationException"));
    let want = kit::fields(json!({"name": "/a", "type": "String", "insecure_value": "v", "tier": "Standard"}));
    let change = Delta { before: Value::String("Advanced".into()), after: Value::String("Standard".into()) };
    let driver = bench.driver("aws:ssm:Parameter");
    let error = driver.update(&bench.cx, "/a", &want, &[("tier".into(), change)].into()).await.unwrap_err();
    assert!(error.hint.unwrap().contains("--replace"));
}
