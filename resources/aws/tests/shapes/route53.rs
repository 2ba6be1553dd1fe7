//! Route 53.

use std::sync::Mutex;

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::json;

use crate::kit::{self, Answer};

const ZONE: &str = "aws:route53:HostedZone";
const RECORD: &str = "aws:route53:Record";

fn zone_xml(id: &str, reference: &str) -> String {
    format!(
        "<HostedZone><Id>/hostedzone/{id}</Id><Name>example.com.</Name><CallerReference>{reference}</CallerReference>\
         <Config><PrivateZone>false</PrivateZone></Config></HostedZone>"
    )
}

fn get_zone(id: &str, inside: &str) -> Answer {
    let zone = zone_xml(id, "ref").replace("</HostedZone>", &format!("{inside}</HostedZone>"));
    Answer::Xml(format!(
        "<GetHostedZoneResponse>{zone}<DelegationSet><NameServers><NameServer>ns-1.example.net</NameServer></NameServers>\
         </DelegationSet></GetHostedZoneResponse>"
    ))
}

fn sets(all: &str, next: Option<&str>) -> Answer {
    let next = next.map_or_else(
        || "<IsTruncated>false</IsTruncated>".to_owned(),
        |name| format!("<IsTruncated>true</IsTruncated><NextRecordName>{name}</NextRecordName><NextRecordType>A</NextRecordType>"),
    );
    Answer::Xml(format!(
        "<ListResourceRecordSetsResponse><ResourceRecordSets>{all}</ResourceRecordSets>{next}<MaxItems>300</MaxItems>\
         </ListResourceRecordSetsResponse>"
    ))
}

fn a_record(name: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>\
         <Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn changed() -> Answer {
    Answer::Xml(
        "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
         <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
            .to_owned(),
    )
}

#[tokio::test]
async fn a_hundred_zones_take_a_call_each_and_ten_for_their_tags() {
    let bench = kit::scripted(|request, _| match request.uri.rsplit('/').next().unwrap() {
        "hostedzone" => {
            let ids = request.body.as_str().unwrap().split("<ResourceId>").skip(1);
            let of = |rest: &str| {
                let id = rest.split('<').next().unwrap();
                format!(
                    "<ResourceTagSet><ResourceType>hostedzone</ResourceType><ResourceId>{id}</ResourceId>\
                     <Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags></ResourceTagSet>"
                )
            };
            let all: String = ids.map(of).collect();
            Answer::Xml(format!(
                "<ListTagsForResourcesResponse><ResourceTagSets>{all}</ResourceTagSets></ListTagsForResourcesResponse>"
            ))
        }
        "Z7" => Answer::XmlError(404, "NoSuchHostedZone"),
        id => get_zone(id, ""),
    });
    let inputs = kit::fields(json!({"name": "example.com", "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("Z{n}")).collect();
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read(ZONE, &targets).await;
    assert!(matches!(reads[7], Read::Gone));
    let Read::Present(zone) = &reads[8] else { panic!("{:?}", reads[8]) };
    assert_eq!(zone.fields["tags"], json!({"a": "1"}).into());
    assert_eq!(bench.operations().len(), 110);
}

#[tokio::test]
async fn a_zone_whose_answer_was_lost_is_found_by_its_token() {
    let reference = Mutex::new(String::new());
    let bench = kit::scripted(move |request, _| {
        let mut reference = reference.lock().unwrap();
        match request.operation.as_str() {
            "POST /2013-04-01/hostedzone" => {
                let body = request.body.as_str().unwrap();
                let token = body.split("<CallerReference>").nth(1).unwrap().split('<').next().unwrap();
                let again = !reference.is_empty();
                token.clone_into(&mut reference);
                if again { Answer::XmlError(409, "HostedZoneAlreadyExists") } else { Answer::Lost }
            }
            "GET /2013-04-01/hostedzonesbyname" if request.uri.contains("hostedzoneid=Z2") => Answer::Xml(format!(
                "<ListHostedZonesByNameResponse><HostedZones>{}</HostedZones><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems>\
                 </ListHostedZonesByNameResponse>",
                zone_xml("Z2", &reference)
            )),
            // Another zone of the same name comes first.
            "GET /2013-04-01/hostedzonesbyname" => Answer::Xml(format!(
                "<ListHostedZonesByNameResponse><HostedZones>{}</HostedZones><IsTruncated>true</IsTruncated><MaxItems>1</MaxItems>\
                 <NextDNSName>example.com.</NextDNSName><NextHostedZoneId>Z2</NextHostedZoneId></ListHostedZonesByNameResponse>",
                zone_xml("Z1", "somebody's")
            )),
            _ => get_zone("Z2", ""),
        }
    });
    let want = json!({"name": "example.com"});
    assert!(bench.create(ZONE, &want, 1).await.unwrap_err().is_ambiguous());
    let found = bench.driver(ZONE).find(&bench.cx, &kit::fields(want.clone()), &kit::intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some("Z2"));
    // Asked for again, it is the same one.
    let made = bench.create(ZONE, &want, 1).await.unwrap();
    assert_eq!(made.id, "Z2");
    assert_eq!(made.outputs["name_servers"], json!(["ns-1.example.net"]).into());
}

#[tokio::test]
async fn accelerated_recovery_is_waited_for() {
    let state = Mutex::new("DISABLED");
    let bench = kit::scripted(move |request, _| {
        let mut state = state.lock().unwrap();
        match request.operation.as_str() {
            "POST /2013-04-01/hostedzone/Z1/features" => {
                let on = request.body.as_str().unwrap().contains("true");
                *state = if on { "ENABLING" } else { "DISABLED" };
                Answer::Xml("<UpdateHostedZoneFeaturesResponse/>".to_owned())
            }
            "GET /2013-04-01/hostedzone/Z1" => {
                let features =
                    format!("<Features><AcceleratedRecoveryStatus>{}</AcceleratedRecoveryStatus></Features>", *state);
                if *state == "ENABLING" {
                    *state = "ENABLED";
                }
                get_zone("Z1", &features)
            }
            _ => Answer::Xml(
                "<ListTagsForResourcesResponse><ResourceTagSets/></ListTagsForResourcesResponse>".to_owned(),
            ),
        }
    });
    let want = |on: bool| json!({"name": "example.com", "enable_accelerated_recovery": on});
    bench.update(ZONE, "Z1", &want(false), &want(true)).await;
    bench.settled(ZONE, "Z1", &want(true)).await;
    bench.update(ZONE, "Z1", &want(true), &json!({"name": "example.com"})).await;
    bench.settled(ZONE, "Z1", &json!({"name": "example.com"})).await;
}

#[tokio::test]
async fn a_public_zone_does_not_become_private() {
    let bench = kit::scripted(|_, _| get_zone("Z1", ""));
    let change = kit::fields(json!({"name": "example.com", "vpcs": [{"vpc_id": "vpc-1"}]}));
    let delta = phx_model::driver::Delta { before: phx_model::Value::Null, after: change["vpcs"].clone() };
    let changes = [("vpcs".to_owned(), delta)].into();
    let error = bench.driver(ZONE).update(&bench.cx, "Z1", &change, &changes).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    let want = json!({"name": "example.com", "private_zone": true});
    assert_eq!(bench.create(ZONE, &want, 1).await.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_hundred_records_of_a_zone_take_one_call() {
    let bench = kit::scripted(|request, _| match request.uri.contains("name=next") {
        true => sets(&a_record("last.example.com."), None),
        false => {
            let all: String = (0..99).map(|n| a_record(&format!("r{n}.example.com."))).collect();
            sets(&all, Some("next.example.com."))
        }
    });
    let inputs = kit::fields(json!({"ttl": 60}));
    let mut ids: Vec<String> = (0..99).map(|n| format!("Z1/A/r{n}.example.com")).collect();
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read(RECORD, &targets).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(_))));
    // All were found on the first page.
    assert_eq!(bench.operations().len(), 1);

    ids.extend(["Z1/A/last.example.com".to_owned(), "Z1/AAAA/r0.example.com".to_owned(), "bad".to_owned()]);
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read(RECORD, &targets).await;
    assert!(reads[..100].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(matches!(reads[100], Read::Gone));
    assert!(matches!(&reads[101], Read::Failed(e) if e.kind == ErrorKind::Invalid));
    assert_eq!(bench.operations().len(), 3);
}

#[tokio::test]
async fn a_zone_that_cannot_be_read_says_nothing_of_the_others() {
    let bench = kit::scripted(|request, _| match request.uri.split('/').nth(3) {
        Some("Z1") => Answer::XmlError(403, "AccessDenied"),
        Some("Z2") => Answer::XmlError(404, "NoSuchHostedZone"),
        _ => sets(&a_record("a.example.com."), None),
    });
    let inputs = kit::fields(json!({"ttl": 60}));
    let ids = ["Z1/A/a.example.com", "Z2/A/a.example.com", "Z3/A/a.example.com"];
    let reads = bench.read(RECORD, &ids.map(|id| (id, &inputs))).await;
    assert!(matches!(&reads[0], Read::Failed(e) if e.kind == ErrorKind::Denied));
    assert!(matches!(reads[1], Read::Gone));
    assert!(matches!(reads[2], Read::Present(_)));
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_taken_over_if_it_is_the_same() {
    let bench = kit::scripted(|request, n| match request.operation.starts_with("POST") {
        true if n == 0 => Answer::Lost,
        true => Answer::XmlError(400, "InvalidChangeBatch"),
        false => sets(&a_record("a.example.com."), None),
    });
    let want = |ttl: i64| json!({"hosted_zone_id": "Z1", "name": "a.example.com", "type": "A", "ttl": ttl, "resource_records": ["192.0.2.1"]});
    let find = |ttl: i64| kit::fields(want(ttl));
    // The batch is refused, for a reason that this endpoint does not give.
    bench.create(RECORD, &want(60), 1).await.unwrap_err();
    let found = bench.driver(RECORD).find(&bench.cx, &find(60), &kit::intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some("Z1/A/a.example.com"));
    let error = bench.driver(RECORD).find(&bench.cx, &find(61), &kit::intent(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_emulators_do_not_keep_of_records() {
    let kept = Mutex::new(None::<String>);
    let bench = kit::scripted(move |request, _| {
        let mut kept = kept.lock().unwrap();
        if !request.operation.starts_with("POST") {
            return sets(kept.as_deref().unwrap_or_default(), None);
        }
        let body = request.body.as_str().unwrap();
        *kept = None;
        for change in body.split("<Change>").skip(1) {
            let set = change.split("</Action>").nth(1).unwrap().split("</Change>").next().unwrap();
            *kept = (!change.contains("DELETE")).then(|| set.to_owned());
        }
        changed()
    });
    let with = |part: &str, value: serde_json::Value| {
        let mut want = json!({
            "hosted_zone_id": "Z1", "name": "a.example.com", "type": "A", "ttl": 60, "resource_records": ["192.0.2.1"],
            "set_identifier": "x", "health_check_id": "h"
        });
        want[part] = value;
        want
    };
    let first = with("cidr_routing_config", json!({"collection_id": "c", "location_name": "*"}));
    let changes = [
        with("geo_proximity_location", json!({"aws_region": "us-west-2", "bias": 10})),
        with("geo_proximity_location", json!({"coordinates": {"latitude": "49.22", "longitude": "-74.01"}})),
        with("geo_proximity_location", json!({"local_zone_group": "us-west-2-lax-1", "bias": -5})),
        with("geo_location", json!({"country_code": "US", "subdivision_code": "CA"})),
        with("geo_location", json!({"continent_code": "EU"})),
        with("failover", json!("PRIMARY")),
        with("multi_value_answer", json!(true)),
        with("weight", json!(0)),
        with("region", json!("eu-central-1")),
    ];
    bench.life(RECORD, first, &changes).await;
}

#[tokio::test]
async fn a_health_check_that_the_program_never_set_stays() {
    let there = a_record("a.example.com.")
        .replace("</ResourceRecordSet>", "<HealthCheckId>h</HealthCheckId></ResourceRecordSet>");
    let bench = kit::scripted(move |request, _| match request.operation.starts_with("POST") {
        true => changed(),
        false => sets(&there, None),
    });
    let want = kit::fields(
        json!({"hosted_zone_id": "Z1", "name": "a.example.com", "type": "A", "ttl": 5, "resource_records": ["192.0.2.1"]}),
    );
    let delta = phx_model::driver::Delta { before: phx_model::Value::Null, after: want["ttl"].clone() };
    bench
        .driver(RECORD)
        .update(&bench.cx, "Z1/A/a.example.com", &want, &[("ttl".to_owned(), delta)].into())
        .await
        .unwrap();
    let sent = bench.requests().into_iter().find(|r| r.operation.starts_with("POST")).unwrap().body;
    let sent = sent.as_str().unwrap();
    assert!(sent.contains("<HealthCheckId>h</HealthCheckId>") && sent.contains("<TTL>5</TTL>"), "{sent}");
}
