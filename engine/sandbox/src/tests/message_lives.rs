//! Whole lives of what tells, waits and watches: SNS, SQS, CloudWatch, EventBridge, Systems Manager and Route 53.

use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use super::kit::{Bench, fields};
use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/r";

async fn open() -> (tempfile::TempDir, Sandbox) {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    (dir, sandbox)
}

async fn arn(bench: &Bench, name: &str, want: Value, n: u32) -> String {
    let made = bench.create(name, &want, n).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
    made.outputs["arn"].as_str().unwrap().to_owned()
}

/// What deleting an object is refused with.
async fn held(bench: &Bench, name: &str, id: &str, want: Value) -> phx_model::CloudError {
    bench.driver(name).delete(&bench.cx, id, &fields(want)).await.unwrap_err()
}

fn policy(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Sid": "s", "Effect": "Allow", "Principal": {"AWS": "000000000000"},
           "Action": action, "Resource": "*"}]})
}

#[tokio::test]
async fn topics() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let want = json!({"name": "alerts", "display_name": "Älerts & <more>", "policy": policy("sns:Publish"),
        "delivery_policy": {"http": {"defaultHealthyRetryPolicy": {"numRetries": 3}}}, "kms_master_key_id": "alias/aws/sns",
        "signature_version": "2", "tracing_config": "Active", "maximum_message_size": 1024,
        "data_protection_policy": {"Name": "p", "Version": "2021-06-01", "Statement": []},
        "sqs_success_feedback_role_arn": ROLE, "sqs_success_feedback_sample_rate": 50, "sqs_failure_feedback_role_arn": ROLE,
        "tags": {"a": "1", "b": "ü"}});
    let mut changed = want.clone();
    changed["display_name"] = json!("Other");
    changed["policy"] = policy("sns:Subscribe");
    changed["tags"] = json!({"b": "3"});
    let outputs = bench
        .life(
            "aws:sns:Topic",
            want,
            &[changed, json!({"name": "alerts", "signature_version": "1", "tags": {"b": "3"}})],
        )
        .await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:sns:us-west-2:000000000000:alerts"));
    let fifo = json!({"name": "a.fifo", "fifo_topic": true, "content_based_deduplication": true,
        "archive_policy": {"MessageRetentionPeriod": "30"}, "fifo_throughput_scope": "MessageGroup"});
    bench.life("aws:sns:Topic", fifo, &[json!({"name": "a.fifo", "fifo_topic": true})]).await;
    bench.create("aws:sns:Topic", &json!({"name": "theirs"}), 1).await.unwrap();
    let error = bench.create("aws:sns:Topic", &json!({"name": "theirs"}), 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");
    for wrong in [json!({"name": "a b"}), json!({"name": "a.fifo"}), json!({"name": "a", "fifo_topic": true})] {
        let error = bench.create("aws:sns:Topic", &wrong, 3).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error:?}");
    }
}

#[tokio::test]
async fn subscriptions_and_queues() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let queue = |name: &str| json!({"queue_name": name});
    let topic = arn(&bench, "aws:sns:Topic", json!({"name": "told"}), 1).await;
    let told = arn(&bench, "aws:sqs:Queue", queue("told"), 2).await;
    let dead = arn(&bench, "aws:sqs:Queue", queue("dead"), 3).await;
    let plain = json!({"topic_arn": topic, "protocol": "sqs", "endpoint": told});
    let with = |more: Value| {
        let mut with = plain.clone();
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with
    };
    let want = with(json!({"filter_policy": {"event": ["made"]}, "raw_message_delivery": true,
        "redrive_policy": {"dead_letter_target_arn": dead}}));
    let changed = with(json!({"filter_policy": {"event": ["sold"]}, "filter_policy_scope": "MessageBody"}));
    bench.life("aws:sns:Subscription", want, &[changed, plain.clone()]).await;

    // Mail waits for its reader, and goes with the topic.
    let mail = json!({"topic_arn": topic, "protocol": "email", "endpoint": "a@example.com"});
    let waiting = bench.create("aws:sns:Subscription", &mail, 4).await.unwrap();
    let observed = bench.settled("aws:sns:Subscription", &waiting.id, &mail).await;
    assert_eq!(observed.outputs["pending_confirmation"], phx_model::Value::Bool(true));
    bench.driver("aws:sns:Subscription").delete(&bench.cx, &waiting.id, &fields(mail.clone())).await.unwrap();
    bench.deleted("aws:sns:Topic", &topic, &json!({"name": "told"})).await;
    bench.deleted("aws:sns:Subscription", &waiting.id, &mail).await;
    // The type itself would wait for the topic to be known.
    let sns = bench.aws.sns(&bench.cx).await.unwrap();
    let error = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&told).send().await.unwrap_err();
    assert_eq!(error.code(), Some("NotFound"), "{error:?}");

    let want = json!({"queue_name": "jobs", "delay_seconds": 5, "maximum_message_size": 2048, "message_retention_period": 60,
        "receive_message_wait_time_seconds": 3, "visibility_timeout": 7, "policy": policy("sqs:SendMessage"),
        "redrive_policy": {"dead_letter_target_arn": dead, "max_receive_count": 4},
        "redrive_allow_policy": {"redrive_permission": "byQueue", "source_queue_arns": [told]}, "tags": {"a": "1", "b": "ü"}});
    let changed = json!({"queue_name": "jobs", "delay_seconds": 0, "visibility_timeout": 30, "policy": policy("sqs:ReceiveMessage"),
        "redrive_policy": {"dead_letter_target_arn": dead, "max_receive_count": 9}, "tags": {"b": "3"}});
    bench.life("aws:sqs:Queue", want, &[changed, json!({"queue_name": "jobs", "delay_seconds": 1})]).await;
    let key =
        json!({"queue_name": "kms", "kms_master_key_id": "alias/aws/sqs", "kms_data_key_reuse_period_seconds": 60});
    bench.life("aws:sqs:Queue", key, &[json!({"queue_name": "kms", "sqs_managed_sse_enabled": true})]).await;
    let fifo = json!({"queue_name": "jobs.fifo", "fifo_queue": true, "content_based_deduplication": true,
        "deduplication_scope": "messageGroup", "fifo_throughput_limit": "perMessageGroupId"});
    bench.life("aws:sqs:Queue", fifo, &[json!({"queue_name": "jobs.fifo", "fifo_queue": true})]).await;
    for wrong in [
        json!({"queue_name": "a b"}),
        json!({"queue_name": "a", "visibility_timeout": 43201}),
        json!({"queue_name": "a", "deduplication_scope": "queue"}),
    ] {
        let error = bench.create("aws:sqs:Queue", &wrong, 6).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error:?}");
    }
}

#[tokio::test]
async fn alarms() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let topic = |name: &str| json!([format!("arn:aws:sns:us-west-2:000000000000:{name}")]);
    let first = json!({
        "alarm_name": "cpu", "alarm_description": "too busy", "actions_enabled": true, "ok_actions": topic("ok"),
        "alarm_actions": topic("alarm"), "insufficient_data_actions": topic("none"), "metric_name": "CPUUtilization",
        "namespace": "AWS/EC2", "statistic": "Average", "dimensions": [{"name": "InstanceId", "value": "i-1"}], "period": 60,
        "unit": "Percent", "evaluation_periods": 3, "datapoints_to_alarm": 2, "threshold": 80.5,
        "comparison_operator": "GreaterThanThreshold", "treat_missing_data": "breaching", "tags": {"team": "ü", "old": "1"}});
    let second = json!({
        "alarm_name": "cpu", "actions_enabled": false, "metric_name": "CPUUtilization", "namespace": "AWS/EC2",
        "extended_statistic": "p99", "period": 120, "evaluation_periods": 1, "threshold": 90.0,
        "comparison_operator": "GreaterThanOrEqualToThreshold", "evaluate_low_sample_count_percentile": "ignore", "tags": {"team": "b"}});
    let outputs = bench.life("aws:cloudwatch:MetricAlarm", first, &[second]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:cloudwatch:us-west-2:000000000000:alarm:cpu"));

    let query = |id: &str, metric: &str| {
        json!({"id": id, "return_data": false, "metric_stat": {
            "metric": {"namespace": "App", "metric_name": metric, "dimensions": [{"name": "Service", "value": "web"}]},
            "period": 300, "stat": "Sum", "unit": "Count"}})
    };
    let rate = |name: &str, expression: &str| {
        let rate = json!({"id": "rate", "expression": expression, "label": "rate of errors", "return_data": true});
        json!({"alarm_name": name, "evaluation_periods": 1, "threshold": 1.0, "comparison_operator": "GreaterThanThreshold",
               "metrics": [rate, query("errors", "Errors"), query("requests", "Requests")]})
    };
    bench
        .life(
            "aws:cloudwatch:MetricAlarm",
            rate("rate", "errors / requests"),
            &[rate("rate", "100 * errors / requests")],
        )
        .await;

    for (n, name) in [(7, "one"), (8, "two")] {
        bench.create("aws:cloudwatch:MetricAlarm", &rate(name, "errors / requests"), n).await.unwrap();
    }
    let error = bench.create("aws:cloudwatch:MetricAlarm", &rate("one", "errors / requests"), 9).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");
    let any = |rule: &str, description: &str| {
        json!({"alarm_name": "any", "alarm_rule": rule, "alarm_description": description, "actions_enabled": true,
               "alarm_actions": topic("alarm"), "ok_actions": topic("ok"), "insufficient_data_actions": topic("none"),
               "actions_suppressor": "two", "actions_suppressor_wait_period": 60, "actions_suppressor_extension_period": 120,
               "tags": {"a": "1"}})
    };
    let both = any("ALARM(\"one\") AND ALARM(\"two\")", "both");
    bench.life("aws:cloudwatch:CompositeAlarm", any("ALARM(\"one\")", "one"), std::slice::from_ref(&both)).await;
    bench.create("aws:cloudwatch:CompositeAlarm", &both, 1).await.unwrap();
    let error = held(&bench, "aws:cloudwatch:MetricAlarm", "one", rate("one", "errors / requests")).await;
    assert!(error.message.contains("composite alarm"), "{error:?}");
    let error = bench
        .create(
            "aws:cloudwatch:CompositeAlarm",
            &{
                let mut absent = any("ALARM(\"none\")", "none");
                absent["alarm_name"] = json!("absent");
                absent
            },
            2,
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error:?}");

    let dashboard = |text: &str| {
        let widget = json!({"type": "text", "x": 0, "y": 0, "width": 3, "height": 3, "properties": {"markdown": text}});
        json!({"dashboard_name": "main", "dashboard_body": {"widgets": [widget]}, "tags": {"of": text}})
    };
    let outputs = bench.life("aws:cloudwatch:Dashboard", dashboard("one"), &[dashboard("two")]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:cloudwatch::000000000000:dashboard/main"));
}

#[tokio::test]
async fn rules_and_targets() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let first = json!({"name": "stopped", "event_pattern": {"source": ["aws.ec2"], "detail": {"state": ["stopped"]}},
        "state": "DISABLED", "description": "stopped", "role_arn": ROLE, "tags": {"a": "1", "b": "ü"}});
    let second =
        json!({"name": "stopped", "event_pattern": {"source": ["aws.ec2"]}, "state": "ENABLED", "tags": {"a": "2"}});
    let outputs = bench.life("aws:events:Rule", first, &[second]).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:events:us-west-2:000000000000:rule/stopped"));
    let nightly = |at: &str| json!({"name": "nightly", "schedule_expression": at, "event_bus_name": "default"});
    bench.life("aws:events:Rule", nightly("cron(0 20 * * ? *)"), &[nightly("rate(1 day)")]).await;
    let error = bench
        .create(
            "aws:events:Rule",
            &json!({"name": "x", "event_bus_name": "none", "schedule_expression": "rate(1 day)"}),
            1,
        )
        .await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::NotFound);

    let rule = nightly("rate(1 day)");
    bench.create("aws:events:Rule", &rule, 7).await.unwrap();
    let queue = "arn:aws:sqs:us-west-2:000000000000:jobs";
    let plain = json!({"rule": "nightly", "target_id": "queue", "arn": queue, "role_arn": ROLE, "input": {"do": ["this", 1]},
        "retry_policy": {"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 600}, "dead_letter_config": {"arn": queue}});
    let transformed = json!({"rule": "nightly", "target_id": "queue", "arn": queue,
        "input_transformer": {"input_paths_map": {"at": "$.time"}, "input_template": "\"it is <at>\""},
        "sqs_parameters": {"message_group_id": "g"}, "retry_policy": {"maximum_retry_attempts": 5}});
    let task = json!({"rule": "nightly", "target_id": "queue", "arn": "arn:aws:ecs:us-west-2:000000000000:cluster/c", "role_arn": ROLE,
        "ecs_parameters": {"task_definition_arn": "arn:aws:ecs:us-west-2:000000000000:task-definition/t:1", "task_count": 2,
            "launch_type": "FARGATE", "platform_version": "LATEST", "tags": {"a": "1"},
            "awsvpc_configuration": {"subnets": ["subnet-1"], "assign_public_ip": "ENABLED"}}});
    bench.life("aws:events:Target", plain.clone(), &[transformed, task]).await;
    let made = bench.create("aws:events:Target", &plain, 1).await.unwrap();
    let error = held(&bench, "aws:events:Rule", "nightly", rule.clone()).await;
    assert_eq!(error.kind, ErrorKind::InUse, "{error:?}");
    bench.deleted("aws:events:Target", &made.id, &plain).await;
    bench.deleted("aws:events:Rule", "nightly", &rule).await;
}

#[tokio::test]
async fn parameters() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let plain = |value: &str, more: Value| {
        let mut plain = json!({"name": "/app/url", "type": "String", "insecure_value": value, "data_type": "text"});
        plain.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plain
    };
    let want = plain(
        "a",
        json!({"description": "where", "allowed_pattern": "^[a-z]$", "tier": "Standard", "tags": {"a": "ü"}}),
    );
    let policies =
        json!([{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2027-01-01T00:00:00Z"}}]);
    let changes = [
        plain(
            "b",
            json!({"description": "else", "allowed_pattern": "^[b-z]$", "tier": "Advanced", "policies": policies, "tags": {"c": "d"}}),
        ),
        plain("c", json!({"tier": "Advanced"})),
    ];
    let outputs = bench.life("aws:ssm:Parameter", want, &changes).await;
    assert_eq!(outputs["arn"].as_str(), Some("arn:aws:ssm:us-west-2:000000000000:parameter/app/url"));
    let secure = |value: &str| {
        json!({"name": "/app/key", "type": "SecureString", "value": value, "tier": "Intelligent-Tiering",
               "key_id": "arn:aws:kms:us-west-2:000000000000:key/1"})
    };
    bench.life("aws:ssm:Parameter", secure("hunter2"), &[secure("hunter3")]).await;
    bench.life("aws:ssm:Parameter", json!({"name": "list", "type": "StringList", "value": "a,b"}), &[]).await;
    for wrong in
        [json!({"name": "aws-x", "type": "String", "value": "a"}), plain("1", json!({"allowed_pattern": "^[a-z]$"}))]
    {
        let error = bench.create("aws:ssm:Parameter", &wrong, 3).await.unwrap_err();
        assert!(error.code.is_some(), "the sandbox refuses it: {error:?}");
    }
    let ssm = bench.aws.ssm(&bench.cx).await.unwrap();
    let name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let told = ssm.read("GetParameters", || ssm.get_parameters().names(name).names("/none").send()).await.unwrap();
    assert!(told.parameters()[0].value().unwrap().starts_with("ami-"), "{told:?}");
    assert_eq!(told.invalid_parameters(), ["/none"]);
}

#[tokio::test]
async fn zones_and_records() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let public = |comment: &str, tags: Value| json!({"name": "example.com", "comment": comment, "tags": tags});
    let outputs = bench
        .life(
            "aws:route53:HostedZone",
            public("for all", json!({"a": "1", "b": "ü"})),
            &[public("other", json!({"a": "2", "c": "3"}))],
        )
        .await;
    assert!(format!("{:?}", outputs["name_servers"]).contains("ns-"), "{outputs:?}");
    let mut vpcs = Vec::new();
    for (n, range) in [(1, "10.1.0.0/16"), (2, "10.2.0.0/16")] {
        vpcs.push(bench.create("aws:ec2:Vpc", &json!({"cidr_block": range}), n).await.unwrap().id);
    }
    let private = |vpcs: &[&str]| {
        let vpcs: Vec<_> = vpcs.iter().map(|id| json!({"vpc_id": id})).collect();
        json!({"name": "internal.example.com.", "private_zone": true, "vpcs": vpcs, "tags": {"a": "1"}})
    };
    let (one, other) = (vpcs[0].as_str(), vpcs[1].as_str());
    bench.life("aws:route53:HostedZone", private(&[one]), &[private(&[one, other]), private(&[other])]).await;

    let zone = bench.create("aws:route53:HostedZone", &json!({"name": "example.com"}), 7).await.unwrap().id;
    let plain = |ttl: i64, values: &[&str]| json!({"hosted_zone_id": zone, "name": "WWW.example.com", "type": "A", "ttl": ttl, "resource_records": values});
    let first = plain(60, &["192.0.2.1", "192.0.2.2"]);
    let outputs = bench.life("aws:route53:Record", first.clone(), &[plain(300, &["192.0.2.3"])]).await;
    assert_eq!(outputs["fqdn"].as_str(), Some("www.example.com"));
    let alias = |health: bool| {
        json!({"hosted_zone_id": zone, "name": "*.example.com.", "type": "A", "alias_target": {
            "hosted_zone_id": "Z1H1FL5HABSF5", "dns_name": "web-1.us-west-2.elb.amazonaws.com", "evaluate_target_health": health}})
    };
    bench.life("aws:route53:Record", alias(true), &[alias(false)]).await;
    let text = json!({"hosted_zone_id": zone, "name": "_dmarc.example.com", "type": "TXT", "ttl": 5,
        "resource_records": ["\"v=DMARC1; p=none & <more>\""]});
    bench.life("aws:route53:Record", text, &[]).await;
    let weighted = |id: &str, weight: i64| {
        json!({"hosted_zone_id": zone, "name": "api.example.com", "type": "CNAME", "ttl": 60, "resource_records": ["a.example.net"],
               "set_identifier": id, "weight": weight})
    };
    let near = json!({"hosted_zone_id": zone, "name": "api.example.com", "type": "CNAME", "ttl": 60,
        "resource_records": ["a.example.net"], "set_identifier": "blue", "geo_location": {"continent_code": "EU"}});
    bench.create("aws:route53:Record", &weighted("green side", 20), 1).await.unwrap();
    bench.life("aws:route53:Record", weighted("blue", 10), &[weighted("blue", 0)]).await;
    let error = bench.create("aws:route53:Record", &near, 9).await.unwrap_err();
    assert!(error.message.contains("another routing policy"), "{error:?}");
    bench
        .deleted("aws:route53:Record", &format!("{zone}/CNAME/api.example.com green side"), &weighted("green side", 20))
        .await;
    bench.life("aws:route53:Record", weighted("blue", 10), &[near]).await;
    let outside = json!({"hosted_zone_id": zone, "name": "example.org", "type": "A", "ttl": 60, "resource_records": ["192.0.2.1"]});
    let error = bench.create("aws:route53:Record", &outside, 9).await.unwrap_err();
    assert!(error.message.contains("not permitted in zone"), "{error:?}");

    let made = bench.create("aws:route53:Record", &first, 1).await.unwrap();
    let error = held(&bench, "aws:route53:HostedZone", &zone, json!({"name": "example.com"})).await;
    assert_eq!(error.kind, ErrorKind::InUse, "{error:?}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("www.example.com A")), "{error:?}");
    bench.deleted("aws:route53:Record", &made.id, &first).await;
    bench.deleted("aws:route53:HostedZone", &zone, &json!({"name": "example.com"})).await;
}
