//! RDS's types against answers in the form of its API's model.

mod instances;
mod others;
mod reads;

use std::collections::{BTreeMap, BTreeSet};

use phx_model::driver::{Delta, Read};
use phx_model::value::ValueMap;
use serde_json::{Value, json};

use crate::kit::{Answer, Bench, Request, fields};

const ACCOUNT: &str = "arn:aws:rds:us-west-2:123456789012";

fn with(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

/// What the request says of a parameter.
fn said<'r>(request: &'r Request, parameter: &str) -> Option<&'r str> {
    request.body[parameter].as_str()
}

/// Tags as an answer has them.
fn tag_list(tags: &[(&str, &str)]) -> String {
    let tag = |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    format!("<TagList>{}</TagList>", tags.iter().map(tag).collect::<String>())
}

fn instance_xml(name: &str, more: &str) -> String {
    let status =
        if more.contains("<DBInstanceStatus>") { "" } else { "<DBInstanceStatus>available</DBInstanceStatus>" };
    format!(
        "<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier><DBInstanceArn>{ACCOUNT}:db:{name}</DBInstanceArn>
         <DBInstanceClass>db.t4g.micro</DBInstanceClass><Engine>postgres</Engine>{status}{more}</DBInstance>"
    )
}

fn instances(inside: &str) -> Answer {
    Answer::Query(format!("<DBInstances>{inside}</DBInstances>"))
}

fn instance(name: &str) -> Value {
    json!({"db_instance_identifier": name, "db_instance_class": "db.t4g.micro", "engine": "postgres"})
}

/// Calls an update with the fields that differ between two declarations.
async fn update(bench: &Bench, name: &str, id: &str, have: &Value, want: &Value) -> Result<(), phx_model::CloudError> {
    let (before, after) = (fields(have.clone()), fields(want.clone()));
    let null = || phx_model::Value::Null;
    let names: BTreeSet<&phx_model::value::Text> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|n| before.get(*n) != after.get(*n)).map(|n| {
        let delta = Delta {
            before: before.get(n).cloned().unwrap_or_else(null),
            after: after.get(n).cloned().unwrap_or_else(null),
        };
        (n.to_string(), delta)
    });
    let change: BTreeMap<String, Delta> = changed.collect();
    bench.driver(name).update(&bench.cx, id, &after, &change).await.map(drop)
}

/// Reads a hundred objects, each declared so, and tells how many calls it took.
async fn calls_for_a_hundred(bench: &Bench, name: &str, want: impl Fn(usize) -> Value) -> usize {
    let wants: Vec<(String, ValueMap)> = (0..100).map(|n| (format!("o-{n:03}"), fields(want(n)))).collect();
    let targets: Vec<(&str, &ValueMap)> = wants.iter().map(|(id, want)| (id.as_str(), want)).collect();
    for read in bench.read(name, &targets).await {
        assert!(matches!(read, Read::Present(_)), "{name}: {read:?}");
    }
    bench.operations().len()
}

/// The same part of an answer for a hundred objects.
fn hundred(part: impl Fn(&str) -> String) -> String {
    (0..100).map(|n| part(&format!("o-{n:03}"))).collect()
}

/// What the tagging API tells of a hundred objects.
fn tagged(kind: &str) -> Answer {
    let resource =
        |n: usize| json!({"ResourceARN": format!("{ACCOUNT}:{kind}:o-{n:03}"), "Tags": [{"Key": "a", "Value": "1"}]});
    Answer::Json(json!({"ResourceTagMappingList": (0..100).map(resource).collect::<Vec<_>>()}))
}

fn proxy_xml(name: &str) -> String {
    format!(
        "<member><DBProxyName>{name}</DBProxyName><DBProxyArn>{ACCOUNT}:db-proxy:{name}</DBProxyArn><Status>available</Status>
         <EngineFamily>MYSQL</EngineFamily><RoleArn>arn:r</RoleArn></member>"
    )
}

fn proxy(name: &str) -> Value {
    json!({"db_proxy_name": name, "engine_family": "MYSQL", "role_arn": "arn:r", "vpc_subnet_ids": ["subnet-1"]})
}

fn cluster_xml(name: &str, more: &str) -> String {
    format!(
        "<DBCluster><DBClusterIdentifier>{name}</DBClusterIdentifier><DBClusterArn>{ACCOUNT}:cluster:{name}</DBClusterArn>
         <Engine>aurora-postgresql</Engine><Status>available</Status>{more}</DBCluster>"
    )
}

/// The names at the beginning of a request's parameters: `VpcSecurityGroupIds.VpcSecurityGroupId.1` → `VpcSecurityGroupIds`.
fn names(request: &Request) -> BTreeSet<String> {
    let parameters = request.body.as_object().unwrap().keys();
    parameters.map(|name| name.split('.').next().unwrap().to_owned()).collect()
}
