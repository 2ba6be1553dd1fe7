//! AWS Config: tags and modes of recorders, policies of one's own, channels that are there already, and what a read costs.

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::ValueMap;
use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const RECORDER: &str = "aws:config:Recorder";
const CHANNEL: &str = "aws:config:DeliveryChannel";
const RULE: &str = "aws:config:Rule";
const ARN: &str = "arn:aws:config:us-west-2:123456789012";

fn sent(bench: &Bench, operation: &str) -> Vec<Json> {
    bench.requests().into_iter().filter(|r| r.operation == operation).map(|r| r.body).collect()
}

async fn hundred(bench: &Bench, name: &str, prefix: &str, set: &Json) -> usize {
    let (set, ids): (_, Vec<String>) = (fields(set.clone()), (0..100).map(|n| format!("{prefix}{n}")).collect());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &set)).collect();
    let before = bench.operations().len();
    let read = bench.read(name, &targets).await;
    assert!(read.iter().all(|read| matches!(read, Read::Present(_))), "{read:?}");
    bench.operations().len() - before
}

fn tags() -> Json {
    json!({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "phx:intent", "Value": intent(1).as_str()}]})
}

fn tagged(request: &Request) -> Answer {
    let arns = request.body["ResourceARNList"].as_array().unwrap();
    let all: Vec<Json> =
        arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]})).collect();
    Answer::Json(json!({"ResourceTagMappingList": all}))
}

fn recorder(name: &str) -> Json {
    json!({
        "arn": format!("{ARN}:configuration-recorder/{name}/x"), "name": name, "roleARN": "arn:role",
        "recordingGroup": {"allSupported": false, "includeGlobalResourceTypes": false, "resourceTypes": [],
            "exclusionByResourceTypes": {"resourceTypes": ["AWS::EC2::Volume"]},
            "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"}},
        "recordingMode": {"recordingFrequency": "DAILY", "recordingModeOverrides": [
            {"description": "", "resourceTypes": ["AWS::EC2::VPC"], "recordingFrequency": "CONTINUOUS"}]}})
}

fn recorder_wanted() -> Json {
    json!({
        "name": "main", "role_arn": "arn:role", "recording": true, "tags": {"a": "1"},
        "recording_group": {"exclusion_by_resource_types": {"resource_types": ["AWS::EC2::Volume"]},
            "recording_strategy": {"use_only": "EXCLUSION_BY_RESOURCE_TYPES"}},
        "recording_mode": {"recording_frequency": "DAILY", "recording_mode_overrides": [
            {"resource_types": ["AWS::EC2::VPC"], "recording_frequency": "CONTINUOUS"}]}})
}

#[tokio::test]
async fn a_recorder_is_made_and_starts_once_it_can() {
    let made = AtomicUsize::new(0);
    let starts = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeConfigurationRecorders" if made.load(Ordering::SeqCst) == 0 => {
            Answer::Json(json!({"ConfigurationRecorders": []}))
        }
        "DescribeConfigurationRecorders" => Answer::Json(json!({"ConfigurationRecorders": [recorder("main")]})),
        "PutConfigurationRecorder" => {
            made.store(1, Ordering::SeqCst);
            Answer::Json(json!({}))
        }
        "StartConfigurationRecorder" if starts.fetch_add(1, Ordering::SeqCst) < 2 => {
            Answer::JsonError(400, "NoAvailableDeliveryChannelException")
        }
        "DescribeConfigurationRecorderStatus" => {
            Answer::Json(json!({"ConfigurationRecordersStatus": [{"name": "main", "recording": true}]}))
        }
        "ListTagsForResource" => Answer::Json(tags()),
        _ => Answer::Json(json!({})),
    });
    let made = bench.create(RECORDER, &recorder_wanted(), 1).await.unwrap();
    assert_eq!(made.outputs["arn"].as_str(), Some(format!("{ARN}:configuration-recorder/main/x").as_str()));
    assert_eq!(sent(&bench, "StartConfigurationRecorder").len(), 3);
    let put = sent(&bench, "PutConfigurationRecorder").remove(0);
    assert!(put["Tags"].to_string().contains("phx:intent"), "{put}");
    assert_eq!(put["ConfigurationRecorder"]["recordingGroup"]["allSupported"], json!(false));
    assert_eq!(put["ConfigurationRecorder"]["recordingMode"]["recordingFrequency"], json!("DAILY"));
    bench.settled(RECORDER, &made.id, &recorder_wanted()).await;

    // What is not wished for is sent as it is there, and a recorder of someone else's is left alone.
    let next = json!({"name": "main", "role_arn": "arn:other", "tags": {"b": "2"}});
    bench.update(RECORDER, "main", &recorder_wanted(), &next).await;
    let put = sent(&bench, "PutConfigurationRecorder").remove(1);
    assert_eq!(put["ConfigurationRecorder"]["roleARN"], json!("arn:other"));
    assert_eq!(
        put["ConfigurationRecorder"]["recordingGroup"]["exclusionByResourceTypes"],
        json!({"resourceTypes": ["AWS::EC2::Volume"]})
    );
    assert_eq!(sent(&bench, "UntagResource")[0]["TagKeys"], json!(["a"]));
    let error = bench.create(RECORDER, &recorder_wanted(), 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert_eq!(sent(&bench, "PutConfigurationRecorder").len(), 2, "it would have been changed");
}

#[tokio::test]
async fn without_a_channel_a_recorder_says_what_is_missing() {
    let mut bench = scripted(|request, _| match request.operation.as_str() {
        "StartConfigurationRecorder" => Answer::JsonError(400, "NoAvailableDeliveryChannelException"),
        _ => Answer::Json(json!({"ConfigurationRecorders": []})),
    });
    bench.cx.timeout = std::time::Duration::from_millis(300);
    let error = bench.driver(RECORDER).finish(&bench.cx, "main", &fields(recorder_wanted())).await.unwrap_err();
    assert!(
        error.hint.clone().unwrap_or_default().contains("DeliveryChannel") || error.kind == ErrorKind::TimedOut,
        "{error:?}"
    );
}

#[tokio::test]
async fn recorders_are_listed() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetResources" => tagged(request),
        "DescribeConfigurationRecorders" => Answer::Json(
            json!({"ConfigurationRecorders": (0..100).map(|n| recorder(&format!("r{n}"))).collect::<Vec<_>>()}),
        ),
        _ => Answer::Json(json!({"ConfigurationRecordersStatus": []})),
    });
    let calls = hundred(&bench, RECORDER, "r", &recorder_wanted()).await;
    assert!(calls <= 3, "{calls} calls");
}

fn channel_wanted() -> Json {
    json!({"s3_bucket_name": "logs", "s3_key_prefix": "config", "config_snapshot_delivery_properties": {"delivery_frequency": "One_Hour"}})
}

fn channel(name: &str) -> Json {
    json!({"name": name, "s3BucketName": "logs", "s3KeyPrefix": "config", "configSnapshotDeliveryProperties": {"deliveryFrequency": "One_Hour"}})
}

#[tokio::test]
async fn a_channel_waits_for_the_recorder_and_is_found_if_it_is_as_wished() {
    let bench = scripted(|request, n| match request.operation.as_str() {
        "DescribeDeliveryChannels" if n == 0 => Answer::Json(json!({"DeliveryChannels": []})),
        "DescribeDeliveryChannels" => Answer::Json(json!({"DeliveryChannels": [channel("default")]})),
        "PutDeliveryChannel" if n < 3 => Answer::JsonError(400, "NoAvailableConfigurationRecorderException"),
        _ => Answer::Json(json!({})),
    });
    let made = bench.create(CHANNEL, &channel_wanted(), 1).await.unwrap();
    assert_eq!(made.id, "default");
    bench.settled(CHANNEL, "default", &channel_wanted()).await;
    let driver = bench.driver(CHANNEL);
    assert_eq!(driver.find(&bench.cx, &fields(channel_wanted()), &intent(1)).await.unwrap().unwrap().id, "default");
    // What the program never set stays as somebody else set it.
    let next = fields(json!({"s3_bucket_name": "other"}));
    let change = ("s3_bucket_name".to_owned(), Delta { before: json!("logs").into(), after: json!("other").into() });
    driver.update(&bench.cx, "default", &next, &[change].into()).await.unwrap();
    let put = sent(&bench, "PutDeliveryChannel").pop().unwrap();
    assert_eq!(put["DeliveryChannel"]["s3BucketName"], json!("other"));
    assert_eq!(put["DeliveryChannel"]["s3KeyPrefix"], json!("config"));
    let mut other = channel_wanted();
    other["s3_bucket_name"] = json!("other");
    let error = driver.create(&bench.cx, &fields(other), &intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn channels_are_listed_and_held_by_a_recorder() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DeleteDeliveryChannel" => Answer::JsonError(400, "LastDeliveryChannelDeleteFailedException"),
        _ => Answer::Json(json!({"DeliveryChannels": (0..100).map(|n| channel(&format!("c{n}"))).collect::<Vec<_>>()})),
    });
    let calls = hundred(&bench, CHANNEL, "c", &channel_wanted()).await;
    assert!(calls <= 1, "{calls} calls");
    let error = bench.driver(CHANNEL).delete(&bench.cx, "c1", &fields(channel_wanted())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.hint.unwrap().contains("recorder"));
}

fn rule(name: &str) -> Json {
    json!({
        "ConfigRuleName": name, "ConfigRuleArn": format!("{ARN}:config-rule/{name}"), "ConfigRuleId": name,
        "ConfigRuleState": "ACTIVE", "EvaluationModes": [{"Mode": "DETECTIVE"}], "Scope": {}, "Description": "",
        "InputParameters": "{}", "Source": {"Owner": "CUSTOM_POLICY", "SourceDetails": [
            {"EventSource": "aws.config", "MessageType": "ConfigurationItemChangeNotification"}],
            "CustomPolicyDetails": {"PolicyRuntime": "guard-2.x.x", "PolicyText": "", "EnableDebugLogDelivery": false}}})
}

fn rule_wanted() -> Json {
    json!({
        "config_rule_name": "mine", "tags": {"a": "1"}, "evaluation_modes": [{"mode": "DETECTIVE"}],
        "source": {"owner": "CUSTOM_POLICY", "source_details": [{"message_type": "ConfigurationItemChangeNotification"}],
            "custom_policy_details": {"policy_runtime": "guard-2.x.x", "policy_text": "rule x { }"}}})
}

#[tokio::test]
async fn a_rule_of_ones_own_lives() {
    let made = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        // AWS keeps an old one of the same name for a while.
        "DescribeConfigRules" if made.load(Ordering::SeqCst) == 0 => {
            Answer::JsonError(400, "NoSuchConfigRuleException")
        }
        "DescribeConfigRules" => Answer::Json(json!({"ConfigRules": [rule("mine")]})),
        "PutConfigRule" if made.fetch_add(1, Ordering::SeqCst) == 0 => Answer::JsonError(400, "ResourceInUseException"),
        "PutConfigRule" => Answer::Json(json!({})),
        "GetCustomRulePolicy" => Answer::Json(json!({"PolicyText": "rule x { }"})),
        "ListTagsForResource" => Answer::Json(tags()),
        _ => Answer::Json(json!({})),
    });
    let made = bench.create(RULE, &rule_wanted(), 1).await.unwrap();
    assert_eq!(made.outputs["arn"].as_str(), Some(format!("{ARN}:config-rule/mine").as_str()));
    let put = sent(&bench, "PutConfigRule").remove(1);
    assert!(put["Tags"].to_string().contains("phx:intent"), "{put}");
    assert_eq!(put["ConfigRule"]["Source"]["CustomPolicyDetails"]["PolicyText"], json!("rule x { }"));
    bench.settled(RULE, "mine", &rule_wanted()).await;
    let mut next = rule_wanted();
    next["source"]["custom_policy_details"]["policy_text"] = json!("rule y { }");
    next["tags"] = json!({"b": "2"});
    bench.update(RULE, "mine", &rule_wanted(), &next).await;
    let put = sent(&bench, "PutConfigRule").remove(2);
    assert_eq!(put["ConfigRule"]["Source"]["CustomPolicyDetails"]["PolicyText"], json!("rule y { }"));
    assert!(put.get("Tags").is_none(), "AWS takes tags only when a rule is made");
    assert_eq!(sent(&bench, "UntagResource")[0]["TagKeys"], json!(["a"]));
    let driver = bench.driver(RULE);
    assert_eq!(driver.find(&bench.cx, &fields(rule_wanted()), &intent(1)).await.unwrap().unwrap().id, "mine");
    let error = driver.create(&bench.cx, &fields(rule_wanted()), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_rule_is_gone_while_it_goes() {
    let looks = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeConfigRules" if looks.fetch_add(1, Ordering::SeqCst) < 2 => {
            let mut going = rule("mine");
            going["ConfigRuleState"] = json!("DELETING");
            Answer::Json(json!({"ConfigRules": [going]}))
        }
        "DescribeConfigRules" => Answer::JsonError(400, "NoSuchConfigRuleException"),
        _ => Answer::Json(json!({})),
    });
    let read = bench.read(RULE, &[("mine", &fields(rule_wanted()))]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
    bench.deleted(RULE, "mine", &rule_wanted()).await;
    // It stays while its results go.
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeConfigRules" => {
            let mut emptied = rule("mine");
            emptied["ConfigRuleState"] = json!("DELETING_RESULTS");
            Answer::Json(json!({"ConfigRules": [emptied]}))
        }
        _ => Answer::Json(json!({})),
    });
    let read = bench.read(RULE, &[("mine", &fields(rule_wanted()))]).await.remove(0);
    assert!(matches!(read, Read::Present(_)), "{read:?}");
}

#[tokio::test]
async fn rules_are_listed_page_by_page() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetResources" => tagged(request),
        _ => {
            let page = request.body["NextToken"].as_str().map_or(0, |token| token.parse::<usize>().unwrap());
            let rules: Vec<Json> = (0..25)
                .map(|n| {
                    let mut rule = rule(&format!("r{}", 25 * page + n));
                    rule["Source"] = json!({"Owner": "AWS", "SourceIdentifier": "X"});
                    rule
                })
                .collect();
            Answer::Json(json!({"ConfigRules": rules, "NextToken": (page < 3).then(|| (page + 1).to_string())}))
        }
    });
    let set =
        json!({"config_rule_name": "r", "source": {"owner": "AWS", "source_identifier": "X"}, "tags": {"a": "1"}});
    let calls = hundred(&bench, RULE, "r", &set).await;
    assert!(calls <= 5, "{calls} calls");
}

#[tokio::test]
async fn another_rule_is_not_evaluated_as_the_one_before_was() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeConfigRules" => {
            let mut there = rule("mine");
            there["Source"] = json!({"Owner": "AWS", "SourceIdentifier": "ACCESS_KEYS_ROTATED"});
            there["MaximumExecutionFrequency"] = json!("TwentyFour_Hours");
            Answer::Json(json!({"ConfigRules": [there]}))
        }
        _ => Answer::Json(json!({})),
    });
    for (identifier, kept) in [("S3_BUCKET_VERSIONING_ENABLED", false), ("ACCESS_KEYS_ROTATED", true)] {
        let source = json!({"owner": "AWS", "source_identifier": identifier});
        let want = fields(json!({"config_rule_name": "mine", "description": "d", "source": source}));
        let change = ["source", "description"]
            .map(|field| (field.to_owned(), Delta { before: phx_model::Value::Null, after: want[field].clone() }));
        bench.driver(RULE).update(&bench.cx, "mine", &want, &change.into()).await.unwrap();
        let put = sent(&bench, "PutConfigRule").pop().unwrap();
        // A rule that is evaluated when something changes has no frequency, and AWS refuses one.
        assert_eq!(put["ConfigRule"].get("MaximumExecutionFrequency").is_some(), kept, "{put}");
    }
}
