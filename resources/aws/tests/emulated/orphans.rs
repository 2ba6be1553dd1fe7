//! Marked objects as moto tells them: a state that has them knows them, and once deleted they are no longer there.

use std::collections::BTreeSet;

use phx_aws::orphans::{self, Known};
use phx_model::Urn;
use phx_model::driver::Registry;
use phx_model::state::{Record, State};
use phx_tests::emulator::Emulator;
use serde_json::{Value as Json, json};

use crate::kit::{self, fields, intent};

#[tokio::test]
async fn marked_objects_are_known_until_they_are_gone() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let mut state = State::empty("line");
    let mut made: Vec<(&str, String, Json)> = Vec::new();
    // moto's tagging API knows some types only, and moto's buckets have no tags when they are made.
    for (type_name, want) in [
        (
            "aws:cloudwatch:MetricAlarm",
            json!({"alarm_name": "busy", "comparison_operator": "GreaterThanThreshold", "evaluation_periods": 1,
            "metric_name": "m", "namespace": "n", "period": 60, "statistic": "Sum", "threshold": 1.0}),
        ),
        (
            "aws:dynamodb:Table",
            json!({"table_name": "orders", "billing_mode": "PAY_PER_REQUEST",
            "attribute_definitions": [{"attribute_name": "id", "attribute_type": "S"}],
            "key_schema": [{"attribute_name": "id", "key_type": "HASH"}]}),
        ),
        ("aws:ec2:EbsVolume", json!({"availability_zone": "us-west-2a", "size": 1})),
        ("aws:ec2:InternetGateway", json!({})),
        ("aws:ec2:Vpc", json!({"cidr_block": "10.0.0.0/16"})),
        ("aws:iam:Role", json!({"role_name": "deploy", "path": "/a/b/", "assume_role_policy_document": document})),
        ("aws:iam:User", json!({"user_name": "deploy"})),
        ("aws:kms:Key", json!({"description": "k", "pending_window_in_days": 7})),
        ("aws:logs:LogGroup", json!({"log_group_name": "/app/x"})),
        (
            "aws:rds:DbInstance",
            json!({"db_instance_identifier": "main", "db_instance_class": "db.t3.micro", "engine": "postgres",
            "allocated_storage": 20, "master_username": "root", "master_user_password": "hunter22",
            "skip_final_snapshot": true}),
        ),
        ("aws:secretsmanager:Secret", json!({"name": "app/db", "secret_string": "s"})),
        ("aws:sns:Topic", json!({"name": "alerts"})),
        ("aws:sqs:Queue", json!({"queue_name": "jobs"})),
        ("aws:ssm:Parameter", json!({"name": "/app/url", "type": "String", "insecure_value": "v"})),
    ] {
        let object = bench.create(type_name, &want, 1).await.unwrap_or_else(|e| panic!("{type_name}: {e}"));
        let urn = Urn::parse(&format!("urn:phx:p:s:{type_name}:x")).unwrap();
        let record = Record { id: object.id.clone(), outputs: object.outputs, ..Record::default() };
        state.resources.insert(urn, record);
        made.push((type_name, object.id, want));
    }

    let lineage = intent(1).as_str().split('.').next().unwrap().to_owned();
    let places = BTreeSet::from([bench.cx.provider.clone()]);
    let marked = orphans::marked(&bench.aws, &places, &lineage).await.unwrap();
    let told: BTreeSet<&str> = marked.iter().filter_map(|one| one.object()).map(|(type_name, _)| type_name).collect();
    // An alarm's ARN does not tell of which kind it is.
    let types: BTreeSet<&str> = made.iter().map(|(name, ..)| *name).filter(|name| !name.ends_with("Alarm")).collect();
    assert_eq!((told, marked.len()), (types, made.len()), "{marked:#?}");

    let mut known = Known::default();
    for one in &marked {
        assert!(!known.has(one), "{one:?}");
    }
    known.add(&state, &phx_model::provider::Home::default());
    for one in &marked {
        assert!(known.has(one), "{one:?}");
    }

    let mut registry = Registry::new();
    phx_aws::register(&mut registry, &bench.aws);
    assert_eq!(orphans::still_there(&registry, marked.clone()).await, marked);
    for (type_name, id, want) in &made {
        bench.driver(type_name).delete(&bench.cx, id, &fields(want.clone())).await.unwrap();
    }
    assert_eq!(orphans::still_there(&registry, marked).await, []);
}
