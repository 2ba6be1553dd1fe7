//! Route 53 on moto.

use phx_model::driver::Created;
use phx_model::error::ErrorKind;
use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn zones_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let public =
        |comment: &str, tags: serde_json::Value| json!({"name": "example.com", "comment": comment, "tags": tags});
    let second = public("other", json!({"a": "2", "c": "3"}));
    let outputs = bench.life("aws:route53:HostedZone", public("for all", json!({"a": "1", "b": "2"})), &[second]).await;
    assert!(format!("{:?}", outputs["name_servers"]).contains("ns-"), "{outputs:?}");

    let subnets = moto.aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"]);
    let other = subnets["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let vpcs = moto.aws(&["ec2", "describe-vpcs"]);
    let all: Vec<&str> = vpcs["Vpcs"].as_array().unwrap().iter().map(|v| v["VpcId"].as_str().unwrap()).collect();
    let default = *all.iter().find(|id| **id != other).unwrap();
    let private = |vpcs: &[&str]| {
        let vpcs: Vec<_> = vpcs.iter().map(|id| json!({"vpc_id": id})).collect();
        json!({"name": "internal.example.com.", "private_zone": true, "vpcs": vpcs})
    };
    let first = private(&[default]);
    bench.life("aws:route53:HostedZone", first, &[private(&[default, &other]), private(&[&other])]).await;
}

async fn zone(bench: &kit::Bench) -> Created {
    bench.create("aws:route53:HostedZone", &json!({"name": "example.com"}), 7).await.unwrap()
}

#[tokio::test]
async fn records_live_and_hold_their_zone() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let zone = zone(&bench).await.id;
    let plain = |ttl: i64, values: &[&str]| json!({"hosted_zone_id": zone, "name": "WWW.example.com", "type": "A", "ttl": ttl, "resource_records": values});
    let first = plain(60, &["192.0.2.1", "192.0.2.2"]);
    let outputs = bench.life("aws:route53:Record", first.clone(), &[plain(300, &["192.0.2.3"])]).await;
    assert_eq!(outputs["fqdn"].as_str(), Some("www.example.com"));

    let alias = |health: bool| {
        json!({"hosted_zone_id": zone, "name": "*.example.com.", "type": "A", "alias_target": {
            "hosted_zone_id": "Z1H1FL5HABSF5", "dns_name": "web-1.us-west-2.elb.amazonaws.com", "evaluate_target_health": health
        }})
    };
    bench.life("aws:route53:Record", alias(true), &[alias(false)]).await;

    let text = json!({
        "hosted_zone_id": zone, "name": "_dmarc.example.com", "type": "TXT", "ttl": 5, "resource_records": ["\"v=DMARC1; p=none\""]
    });
    bench.life("aws:route53:Record", text, &[]).await;

    let weighted = |id: &str, weight: i64| {
        json!({
            "hosted_zone_id": zone, "name": "api.example.com", "type": "CNAME", "ttl": 60, "resource_records": ["a.example.net"],
            "set_identifier": id, "weight": weight
        })
    };
    let latency = json!({
        "hosted_zone_id": zone, "name": "api.example.com", "type": "CNAME", "ttl": 60, "resource_records": ["a.example.net"],
        "set_identifier": "blue", "region": "us-west-2"
    });
    bench.create("aws:route53:Record", &weighted("green side", 20), 1).await.unwrap();
    bench.life("aws:route53:Record", weighted("blue", 10), &[weighted("blue", 0)]).await;
    let green = format!("{zone}/CNAME/api.example.com green side");
    bench.deleted("aws:route53:Record", &green, &weighted("green side", 20)).await;
    // Another policy, for the same place.
    bench.life("aws:route53:Record", weighted("blue", 10), &[latency]).await;

    bench.create("aws:route53:Record", &first, 1).await.unwrap();
    let driver = bench.driver("aws:route53:HostedZone");
    let error = driver.delete(&bench.cx, &zone, &kit::fields(json!({"name": "example.com"}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("www.example.com A")), "{error:?}");
}

#[tokio::test]
async fn what_is_there_and_another_is_not_overwritten() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let zone = zone(&bench).await.id;
    let record = |value: &str| json!({"hosted_zone_id": zone, "name": "a.example.com", "type": "A", "ttl": 60, "resource_records": [value]});
    bench.create("aws:route53:Record", &record("192.0.2.1"), 1).await.unwrap();
    // The same one is taken over.
    bench.create("aws:route53:Record", &record("192.0.2.1"), 2).await.unwrap();
}
