//! SNS: the number of calls, lost answers, and subscriptions that nobody has confirmed.

use phx_model::ValueMap;
use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use crate::kit::{Answer, fields, intent, scripted};

const TOPIC: &str = "aws:sns:Topic";
const SUBSCRIPTION: &str = "aws:sns:Subscription";
const ARN: &str = "arn:aws:sns:us-west-2:123456789012:t";

fn attributes(pairs: &[(&str, &str)]) -> Answer {
    let entries: String =
        pairs.iter().map(|(k, v)| format!("<entry><key>{k}</key><value>{v}</value></entry>")).collect();
    Answer::Query(format!("<Attributes>{entries}</Attributes>"))
}

fn tags(pairs: &[(&str, &str)]) -> Answer {
    let tags: String =
        pairs.iter().map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>")).collect();
    Answer::Query(format!("<Tags>{tags}</Tags>"))
}

fn listed(subscriptions: &[(String, &str, String)]) -> Answer {
    let members: String = subscriptions
        .iter()
        .map(|(arn, protocol, endpoint)| {
            format!(
                "<member><SubscriptionArn>{arn}</SubscriptionArn><Protocol>{protocol}</Protocol>\
                 <Endpoint>{endpoint}</Endpoint><TopicArn>{ARN}</TopicArn><Owner>1</Owner></member>"
            )
        })
        .collect();
    Answer::Query(format!("<Subscriptions>{members}</Subscriptions>"))
}

#[tokio::test]
async fn a_hundred_topics_take_little_more_than_a_hundred_calls() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetTopicAttributes" => attributes(&[("DisplayName", ""), ("Owner", "123456789012")]),
        "GetResources" => {
            let arns = request.body["ResourceARNList"].as_array().unwrap();
            let tags = json!([{"Key": "a", "Value": "1"}]);
            let told: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
            Answer::Json(json!({"ResourceTagMappingList": told}))
        }
        other => panic!("{other}"),
    });
    let set = fields(json!({"name": "t", "tags": {"a": "1"}}));
    let arns: Vec<String> = (0..100).map(|n| format!("{ARN}{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = arns.iter().map(|arn| (arn.as_str(), &set)).collect();
    let reads = bench.read(TOPIC, &targets).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(seen) if seen.fields["tags"] == set["tags"])), "{reads:?}");
    assert!(bench.requests().len() <= 101, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn a_lost_topic_is_found_by_its_mark() {
    let mark = intent(1).as_str().to_owned();
    let bench = scripted(move |request, n| match request.operation.as_str() {
        "CreateTopic" => Answer::Lost,
        _ if n == 0 => Answer::XmlError(404, "ResourceNotFound"),
        _ => tags(&[("phx:intent", &mark)]),
    });
    let want = json!({"name": "t"});
    let error = bench.create(TOPIC, &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error:?}");
    let found = bench.driver(TOPIC).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().unwrap();
    assert_eq!(found.id, ARN);
    let other = bench.driver(TOPIC).find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
    assert_eq!(other.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn data_protection_is_set_and_taken_away() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetTopicAttributes" => attributes(&[("Owner", "1")]),
        "GetDataProtectionPolicy" => {
            Answer::Query("<DataProtectionPolicy>{\"Name\":\"n\"}</DataProtectionPolicy>".to_owned())
        }
        "CreateTopic" => Answer::Query(format!("<TopicArn>{ARN}</TopicArn>")),
        "ListTagsForResource" => Answer::XmlError(404, "ResourceNotFound"),
        _ => Answer::Query(String::new()),
    });
    let want = json!({"name": "t", "data_protection_policy": {"Name": "n"}});
    bench.create(TOPIC, &want, 1).await.unwrap();
    let requests = bench.requests();
    let create = requests.iter().find(|r| r.operation == "CreateTopic").unwrap();
    assert_eq!(create.body["DataProtectionPolicy"], r#"{"Name":"n"}"#);
    bench.settled(TOPIC, ARN, &want).await;
    bench.update(TOPIC, ARN, &want, &json!({"name": "t"})).await;
    let put = bench.requests().into_iter().rfind(|r| r.operation == "PutDataProtectionPolicy").unwrap();
    assert_eq!(put.body["DataProtectionPolicy"], "");
}

#[tokio::test]
async fn a_hundred_subscriptions_of_a_topic_take_one_call_unless_their_attributes_matter() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "ListSubscriptionsByTopic" => {
            let all: Vec<_> =
                (0..100).map(|n| (format!("{ARN}:{n}"), "sqs", format!("arn:aws:sqs:r:1:q{n}"))).collect();
            listed(&all)
        }
        "GetSubscriptionAttributes" => {
            attributes(&[("TopicArn", ARN), ("Protocol", "sqs"), ("RawMessageDelivery", "true")])
        }
        other => panic!("{other}"),
    });
    let plain = fields(json!({"topic_arn": ARN, "protocol": "sqs", "endpoint": "x"}));
    let ids: Vec<String> = (0..100).map(|n| format!("{ARN}:{n}")).collect();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &plain)).collect();
    let reads = bench.read(SUBSCRIPTION, &targets).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(_))), "{reads:?}");
    assert!(bench.requests().len() <= 1, "{} calls", bench.requests().len());

    let raw = fields(json!({"topic_arn": ARN, "protocol": "sqs", "raw_message_delivery": true}));
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &raw)).collect();
    bench.read(SUBSCRIPTION, &targets).await;
    assert!(bench.requests().len() <= 101, "{} calls", bench.requests().len());
}

#[tokio::test]
async fn a_lost_subscription_is_made_again_and_is_the_same() {
    let bench = scripted(|request, n| match request.operation.as_str() {
        "Subscribe" if n == 0 => Answer::Lost,
        "Subscribe" => Answer::Query(format!("<SubscriptionArn>{ARN}:1</SubscriptionArn>")),
        _ => listed(&[(format!("{ARN}:1"), "sqs", "arn:aws:sqs:r:1:q".to_owned())]),
    });
    let want = json!({"topic_arn": ARN, "protocol": "sqs", "endpoint": "arn:aws:sqs:r:1:q"});
    let made = bench.create(SUBSCRIPTION, &want, 1).await.unwrap();
    assert_eq!(made.id, format!("{ARN}:1"));
    let found = bench.driver(SUBSCRIPTION).find(&bench.cx, &fields(want), &intent(1)).await.unwrap().unwrap();
    assert_eq!(found.id, made.id);
}

#[tokio::test]
async fn a_subscription_that_nobody_confirmed_is_known_and_let_go() {
    // With an endpoint that does not tell the ARN.
    let bench = scripted(|request, _| match request.operation.as_str() {
        "Subscribe" => Answer::Query("<SubscriptionArn>pending confirmation</SubscriptionArn>".to_owned()),
        "ListSubscriptionsByTopic" => {
            listed(&[("PendingConfirmation".to_owned(), "email", "a@example.com".to_owned())])
        }
        other => panic!("{other}"),
    });
    let want = json!({"topic_arn": ARN, "protocol": "email", "endpoint": "a@example.com"});
    let made = bench.create(SUBSCRIPTION, &want, 1).await.unwrap();
    assert_eq!(made.id, format!("{ARN}/email/a@example.com"));
    let seen = bench.settled(SUBSCRIPTION, &made.id, &want).await;
    assert_eq!(seen.outputs["pending_confirmation"], phx_model::Value::Bool(true));
    let driver = bench.driver(SUBSCRIPTION);
    driver.delete(&bench.cx, &made.id, &fields(want.clone())).await.unwrap();
    // Subscribing again tells what it is: to look for it finds nothing.
    assert!(driver.find(&bench.cx, &fields(want), &intent(1)).await.unwrap().is_none());

    // With AWS, which tells it, and refuses to take it away.
    let bench = scripted(|request, _| match request.operation.as_str() {
        "Unsubscribe" => Answer::XmlError(400, "InvalidParameter"),
        _ => attributes(&[("TopicArn", ARN), ("Protocol", "email"), ("PendingConfirmation", "true")]),
    });
    bench.driver(SUBSCRIPTION).delete(&bench.cx, &format!("{ARN}:1"), &ValueMap::new()).await.unwrap();
}

#[tokio::test]
async fn attributes_are_set_one_by_one() {
    let role = "arn:aws:iam::123456789012:role/r";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "GetTopicAttributes" => attributes(&[
            ("TracingConfig", "Active"),
            ("SignatureVersion", "2"),
            ("MaximumMessageSize", "2048"),
            ("HTTPSuccessFeedbackRoleArn", role),
            ("HTTPSuccessFeedbackSampleRate", "10"),
            ("SQSFailureFeedbackRoleArn", role),
            ("FifoThroughputScope", "MessageGroup"),
        ]),
        _ => Answer::Query(String::new()),
    });
    let want = json!({"name": "t", "tracing_config": "Active", "signature_version": "2", "maximum_message_size": 2048,
        "http_success_feedback_role_arn": role, "http_success_feedback_sample_rate": 10,
        "sqs_failure_feedback_role_arn": role, "fifo_throughput_scope": "MessageGroup"});
    bench.settled(TOPIC, ARN, &want).await;
    let after = json!({"name": "t", "tracing_config": "PassThrough", "http_success_feedback_role_arn": role});
    bench.update(TOPIC, ARN, &want, &after).await;
    let set = bench.requests().into_iter().filter(|r| r.operation == "SetTopicAttributes");
    let set: Vec<Value> = set.map(|r| json!([r.body["AttributeName"], r.body["AttributeValue"]])).collect();
    assert_eq!(set, [json!(["TracingConfig", "PassThrough"]), json!(["SQSFailureFeedbackRoleArn", ""])]);
}

#[tokio::test]
async fn a_password_is_not_told_and_no_difference() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GetSubscriptionAttributes" => attributes(&[
            ("TopicArn", ARN),
            ("Protocol", "https"),
            ("Endpoint", "https://me:****@example.com/in"),
            ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:d"}"#),
        ]),
        "Subscribe" => Answer::Query("<SubscriptionArn>pending confirmation</SubscriptionArn>".to_owned()),
        _ => Answer::Query(String::new()),
    });
    let want = json!({"topic_arn": ARN, "protocol": "https", "endpoint": "https://me:secret@example.com/in",
        "redrive_policy": {"dead_letter_target_arn": "arn:aws:sqs:r:1:d"}});
    let made = bench.create(SUBSCRIPTION, &want, 1).await.unwrap();
    assert_eq!(made.id, format!("{ARN}/https/https://me:****@example.com/in"));
    let id = format!("{ARN}:1");
    bench.settled(SUBSCRIPTION, &id, &want).await;
    let mut without = want.clone();
    without.as_object_mut().unwrap().remove("redrive_policy");
    bench.update(SUBSCRIPTION, &id, &want, &without).await;
    let set = bench.requests().into_iter().find(|r| r.operation == "SetSubscriptionAttributes").unwrap();
    // SNS takes no empty text for it.
    assert_eq!((set.body["AttributeName"].as_str(), set.body.get("AttributeValue")), (Some("RedrivePolicy"), None));
}

#[tokio::test]
async fn a_subscription_that_says_more_is_somebody_elses() {
    let there = |filter: &'static str| {
        scripted(move |request, _| match request.operation.as_str() {
            "Subscribe" => Answer::Query(format!("<SubscriptionArn>{ARN}:1</SubscriptionArn>")),
            "ListSubscriptionsByTopic" => listed(&[(format!("{ARN}:1"), "sqs", "arn:aws:sqs:r:1:q".to_owned())]),
            "GetSubscriptionAttributes" => attributes(&[
                ("TopicArn", ARN),
                ("Protocol", "sqs"),
                ("Endpoint", "arn:aws:sqs:r:1:q"),
                ("RawMessageDelivery", "false"),
                ("FilterPolicyScope", "MessageAttributes"),
                ("FilterPolicy", filter),
            ]),
            other => panic!("{other}"),
        })
    };
    let want = json!({"topic_arn": ARN, "protocol": "sqs", "endpoint": "arn:aws:sqs:r:1:q"});
    // It is there as it is wished.
    let bench = there("{}");
    assert_eq!(bench.create(SUBSCRIPTION, &want, 1).await.unwrap().id, format!("{ARN}:1"));
    // Messages would be left out that the program wants.
    let bench = there(r#"{"event":["sold"]}"#);
    let error = bench.create(SUBSCRIPTION, &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains(ARN) && error.message.contains("filter_policy"), "{error:?}");
    let found = bench.driver(SUBSCRIPTION).find(&bench.cx, &fields(want), &intent(1)).await;
    assert_eq!(found.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_subscription_to_a_topic_that_was_just_made_takes_one_call() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "ListTagsForResource" => Answer::XmlError(404, "ResourceNotFound"),
        "CreateTopic" => Answer::Query(format!("<TopicArn>{ARN}</TopicArn>")),
        "Subscribe" => Answer::Query(format!("<SubscriptionArn>{ARN}:1</SubscriptionArn>")),
        other => panic!("{other}"),
    });
    bench.create(TOPIC, &json!({"name": "t"}), 1).await.unwrap();
    let want = json!({"topic_arn": ARN, "protocol": "sqs", "endpoint": "arn:aws:sqs:r:1:q"});
    bench.create(SUBSCRIPTION, &want, 2).await.unwrap();
}
