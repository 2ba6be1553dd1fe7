//! Volumes, peerings, DHCP options, prefix lists and VPNs. Instances are in `ec2_b_instance`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::value::{Value, ValueMap};
use serde_json::json;

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

/// An answer of EC2's, and what stands in it.
pub(crate) fn xml(request: &Request, inside: &str) -> Answer {
    let operation = &request.operation;
    Answer::Xml(format!("<{operation}Response>{inside}</{operation}Response>"))
}

pub(crate) fn parameter<'a>(request: &'a Request, name: &str) -> &'a str {
    request.body[name].as_str().unwrap_or_default()
}

/// The requests for an operation.
pub(crate) fn requests(bench: &Bench, operation: &str) -> Vec<Request> {
    bench.requests().into_iter().filter(|r| r.operation == operation).collect()
}

/// The tags of an object that an intent made.
pub(crate) fn tags(n: u32) -> String {
    format!("<tagSet><item><key>phx:intent</key><value>{}</value></item></tagSet>", intent(n))
}

/// A list of an answer's: 120 of the same kind, though 100 were asked for.
fn many(set: &str, one: impl Fn(usize) -> String) -> String {
    let items: String = (0..120).map(|n| format!("<item>{}</item>", one(n))).collect();
    format!("<{set}>{items}</{set}>")
}

/// Reads 100 objects, all of which must be there, and tells what was called.
pub(crate) async fn read_hundred(
    bench: &Bench,
    name: &str,
    id: impl Fn(usize) -> String,
    inputs: impl Fn(usize) -> serde_json::Value,
) -> Vec<String> {
    let ids: Vec<(String, ValueMap)> = (0..100).map(|n| (id(n), fields(inputs(n)))).collect();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|(id, inputs)| (id.as_str(), inputs)).collect();
    for read in bench.read(name, &targets).await {
        assert!(matches!(read, Read::Present(_)), "{read:?}");
    }
    let operations = bench.operations();
    let gone = bench.read(name, &[(&id(999), &ValueMap::new())]).await.remove(0);
    assert!(matches!(gone, Read::Gone), "{gone:?}");
    operations
}

/// A create whose answer is lost is not repeated, and its object is found, but by no other intent.
pub(crate) async fn found_after_loss(bench: &Bench, name: &str, want: &serde_json::Value, id: &str) {
    let driver = bench.driver(name);
    let lost = driver.create(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap_err();
    assert_eq!(lost.kind, ErrorKind::Ambiguous, "{lost}");
    assert_eq!(bench.operations().len(), 1);
    let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some(id));
    assert!(driver.find(&bench.cx, &fields(want.clone()), &intent(2)).await.unwrap().is_none());
}

/// One field's change, from JSON.
pub(crate) fn delta(before: serde_json::Value, after: serde_json::Value) -> Delta {
    Delta { before: Value::from(before), after: Value::from(after) }
}

// Volumes.

fn volume(id: &str, state: &str, size: u32, attached: &str) -> String {
    format!(
        "<volumeId>{id}</volumeId><status>{state}</status><size>{size}</size><volumeType>gp3</volumeType>\
         <availabilityZone>us-west-2a</availabilityZone><attachmentSet>{attached}</attachmentSet>{}",
        tags(1)
    )
}

fn attachment(volume: &str, instance: &str, device: &str, state: &str) -> String {
    format!(
        "<item><volumeId>{volume}</volumeId><instanceId>{instance}</instanceId><device>{device}</device>\
         <status>{state}</status></item>"
    )
}

const VOLUME: &str = "aws:ec2:EbsVolume";

#[tokio::test]
async fn a_hundred_volumes_take_a_call() {
    let bench =
        scripted(|request, _| xml(request, &many("volumeSet", |n| volume(&format!("vol-{n}"), "available", 8, ""))));
    let operations = read_hundred(&bench, VOLUME, |n| format!("vol-{n}"), |_| json!({"size": 8})).await;
    assert_eq!(operations, ["DescribeVolumes"]);
}

#[tokio::test]
async fn a_volume_is_found_again_and_its_error_is_told() {
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "creating", 8, ""))),
    });
    let want = json!({"availability_zone": "us-west-2a", "size": 8});
    found_after_loss(&bench, VOLUME, &want, "vol-1").await;
    assert_eq!(parameter(&bench.requests()[0], "ClientToken").len(), 64);

    let bench = scripted(|request, n| match request.operation.as_str() {
        "CreateVolume" => xml(request, &volume("vol-1", "creating", 8, "")),
        _ => {
            let state = if n < 3 { "creating" } else { "error" };
            xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", state, 8, "")))
        }
    });
    let failed = bench.create(VOLUME, &want, 1).await.unwrap_err();
    assert!(failed.message.contains("vol-1 is error") && failed.hint.unwrap().contains("KMS"));
    assert_eq!(bench.operations().len(), 4);
}

/// An endpoint with one volume, whose change takes a while and ends so.
fn changing_volume(end: &'static str) -> Bench {
    let (changed, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    scripted(move |request, _| match request.operation.as_str() {
        "ModifyVolume" => {
            changed.store(true, Ordering::SeqCst);
            xml(request, "<volumeModification><volumeId>vol-1</volumeId></volumeModification>")
        }
        "DescribeVolumesModifications" if !changed.load(Ordering::SeqCst) => xml(request, ""),
        "DescribeVolumesModifications" => {
            let state = if looks.fetch_add(1, Ordering::SeqCst) < 2 { "modifying" } else { end };
            let old = "<item><volumeId>vol-1</volumeId><modificationState>failed</modificationState>\
                       <startTime>2020-01-01T00:00:00.000Z</startTime></item>";
            let last = format!(
                "<item><volumeId>vol-1</volumeId><modificationState>{state}</modificationState><statusMessage>no room\
                 </statusMessage><startTime>2021-01-01T00:00:00.000Z</startTime></item>"
            );
            xml(request, &format!("<volumeModificationSet>{old}{last}</volumeModificationSet>"))
        }
        "DescribeVolumes" => {
            let size = if looks.load(Ordering::SeqCst) > 2 { 20 } else { 8 };
            xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "in-use", size, "")))
        }
        "DescribeVolumeAttribute" => xml(request, "<autoEnableIO><value>false</value></autoEnableIO>"),
        _ => xml(request, "<return>true</return>"),
    })
}

#[tokio::test]
async fn a_volumes_change_is_waited_for_and_not_asked_for_twice() {
    let bench = changing_volume("optimizing");
    let (have, want) = (json!({"size": 8}), json!({"size": 20}));
    bench.update(VOLUME, "vol-1", &have, &want).await;
    let sent = requests(&bench, "ModifyVolume");
    assert_eq!((sent.len(), parameter(&sent[0], "Size")), (1, "20"));
    // Killed before that was recorded, phx does it again.
    let driver = bench.driver(VOLUME);
    let change = [("size".to_owned(), delta(json!(8), json!(20)))].into();
    driver.update(&bench.cx, "vol-1", &fields(want), &change).await.unwrap();
    assert_eq!(requests(&bench, "ModifyVolume").len(), 1);

    let bench = changing_volume("failed");
    let change = [("size".to_owned(), delta(json!(8), json!(20)))].into();
    let failed =
        bench.driver(VOLUME).update(&bench.cx, "vol-1", &fields(json!({"size": 20})), &change).await.unwrap_err();
    assert!(failed.message.contains("no room"), "{failed}");
}

#[tokio::test]
async fn a_volume_that_was_changed_just_now_is_left_alone_for_hours() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "ModifyVolume" => Answer::XmlError(400, "VolumeModificationRateExceeded"),
        "DescribeVolumes" => {
            xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "in-use", 8, "")))
        }
        _ => xml(request, ""),
    });
    let change = [("size".to_owned(), delta(json!(8), json!(20)))].into();
    let failed =
        bench.driver(VOLUME).update(&bench.cx, "vol-1", &fields(json!({"size": 20})), &change).await.unwrap_err();
    assert!(failed.hint.unwrap().contains("six hours"));
}

#[tokio::test]
async fn input_and_output_after_a_fault_is_an_attribute_of_its_own() {
    let on = AtomicBool::new(false);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "ModifyVolumeAttribute" => {
            on.store(parameter(request, "AutoEnableIO.Value") == "true", Ordering::SeqCst);
            xml(request, "<return>true</return>")
        }
        "DescribeVolumeAttribute" => {
            let on = on.load(Ordering::SeqCst);
            xml(request, &format!("<volumeId>vol-1</volumeId><autoEnableIO><value>{on}</value></autoEnableIO>"))
        }
        "CreateVolume" => xml(request, &volume("vol-1", "creating", 8, "")),
        _ => xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "available", 8, ""))),
    });
    let want = |on: bool| json!({"availability_zone": "us-west-2a", "size": 8, "auto_enable_io": on});
    bench.create(VOLUME, &want(true), 1).await.unwrap();
    bench.settled(VOLUME, "vol-1", &want(true)).await;
    bench.update(VOLUME, "vol-1", &want(true), &want(false)).await;
    bench.settled(VOLUME, "vol-1", &want(false)).await;
}

#[tokio::test]
async fn a_volumes_key_may_be_named_by_its_alias_or_its_id() {
    const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/0a-1b";
    let bench = scripted(|request, _| {
        let key = format!("<kmsKeyId>{KEY}</kmsKeyId>");
        xml(request, &format!("<volumeSet><item>{}{key}</item></volumeSet>", volume("vol-1", "available", 8, "")))
    });
    for named in [KEY, "arn:aws:kms:us-west-2:123456789012:alias/app", "0a-1b"] {
        bench.settled(VOLUME, "vol-1", &json!({"kms_key_id": named})).await;
    }
    let other = fields(json!({"kms_key_id": "arn:aws:kms:us-west-2:123456789012:key/2c-3d"}));
    let Read::Present(seen) = bench.read(VOLUME, &[("vol-1", &other)]).await.remove(0) else {
        panic!("it is not there")
    };
    assert_eq!(seen.fields["kms_key_id"].as_str(), Some(KEY));
}

#[tokio::test]
async fn a_volume_that_the_account_encrypts_is_no_other_volume() {
    let bench = scripted(|request, _| {
        let volume = volume("vol-1", "available", 8, "");
        xml(request, &format!("<volumeSet><item>{volume}<encrypted>true</encrypted></item></volumeSet>"))
    });
    bench.settled(VOLUME, "vol-1", &json!({"size": 8, "encrypted": false})).await;
    // Where nobody said anything, it is told as it is.
    let Read::Present(seen) = bench.read(VOLUME, &[("vol-1", &ValueMap::new())]).await.remove(0) else {
        panic!("it is not there")
    };
    assert_eq!(seen.fields["encrypted"], Value::Bool(true));
}

const ATTACHMENT: &str = "aws:ec2:VolumeAttachment";

#[tokio::test]
async fn a_hundred_attachments_take_a_call() {
    let bench = scripted(|request, _| {
        let at =
            |n: usize| attachment(&format!("vol-{n}"), &format!("i-{}", n / 10), &format!("/dev/sd{n}"), "attached");
        xml(request, &many("volumeSet", |n| volume(&format!("vol-{n}"), "in-use", 8, &at(n))))
    });
    let id = |n: usize| format!("i-{}:/dev/sd{n}", n / 10);
    let inputs = |n: usize| json!({"device": format!("/dev/sd{n}"), "instance_id": format!("i-{}", n / 10), "volume_id": format!("vol-{n}")});
    assert_eq!(read_hundred(&bench, ATTACHMENT, id, inputs).await, ["DescribeVolumes"]);
    let wrong = bench.read(ATTACHMENT, &[("vol-1", &ValueMap::new())]).await.remove(0);
    assert!(matches!(wrong, Read::Failed(error) if error.hint.is_some()));
}

#[tokio::test]
async fn an_attachment_is_waited_for_and_found_again() {
    let want = json!({"device": "/dev/sdf", "instance_id": "i-1", "volume_id": "vol-1"});
    let bench = scripted(|request, n| match request.operation.as_str() {
        "AttachVolume" => xml(request, "<status>attaching</status>"),
        _ => {
            let at = attachment("vol-1", "i-1", "/dev/sdf", if n < 3 { "attaching" } else { "attached" });
            xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "in-use", 8, &at)))
        }
    });
    bench.create(ATTACHMENT, &want, 1).await.unwrap();
    assert_eq!(bench.operations().len(), 4);

    let there = |request: &Request| {
        let at = attachment("vol-1", "i-1", "/dev/sdf", "attaching");
        xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "in-use", 8, &at)))
    };
    let bench = scripted(move |request, n| if n == 0 { Answer::Lost } else { there(request) });
    let lost = bench.driver(ATTACHMENT).create(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap_err();
    assert_eq!(lost.kind, ErrorKind::Ambiguous);
    let found = bench.driver(ATTACHMENT).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
    assert_eq!(found.unwrap().id, "i-1:/dev/sdf");
    // Another volume there is another attachment.
    let other = fields(json!({"device": "/dev/sdf", "instance_id": "i-1", "volume_id": "vol-2"}));
    assert!(bench.driver(ATTACHMENT).find(&bench.cx, &other, &intent(1)).await.unwrap().is_none());
    // One that AWS calls taken, since it is this one already.
    let at = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "AttachVolume" => Answer::XmlError(400, "VolumeInUse"),
        _ if at.fetch_add(1, Ordering::SeqCst) == 0 => there(request),
        _ => {
            let at = attachment("vol-1", "i-1", "/dev/sdf", "attached");
            xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "in-use", 8, &at)))
        }
    });
    assert_eq!(bench.create(ATTACHMENT, &want, 1).await.unwrap().id, "i-1:/dev/sdf");
}

#[tokio::test]
async fn a_volume_that_the_instance_does_not_let_go_of_is_said_to_be_busy() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DetachVolume" => xml(request, "<status>busy</status>"),
        _ => {
            let at = attachment("vol-1", "i-1", "/dev/sdf", "busy");
            xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-1", "in-use", 8, &at)))
        }
    });
    let want = fields(json!({"device": "/dev/sdf", "instance_id": "i-1", "volume_id": "vol-1", "force_detach": true}));
    let stuck = bench.driver(ATTACHMENT).delete(&bench.cx, "i-1:/dev/sdf", &want).await.unwrap_err();
    assert_eq!(stuck.kind, ErrorKind::TimedOut);
    assert!(stuck.hint.unwrap().contains("unmount"));
    assert_eq!(parameter(&requests(&bench, "DetachVolume")[0], "Force"), "true");
}

#[tokio::test]
async fn a_volume_that_somebody_else_put_there_is_not_detached() {
    let bench = scripted(|request, _| {
        let at = attachment("vol-9", "i-1", "/dev/sdf", "attached");
        xml(request, &format!("<volumeSet><item>{}</item></volumeSet>", volume("vol-9", "in-use", 8, &at)))
    });
    let was = fields(json!({"device": "/dev/sdf", "instance_id": "i-1", "volume_id": "vol-1"}));
    bench.driver(ATTACHMENT).delete(&bench.cx, "i-1:/dev/sdf", &was).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeVolumes"]);
}

// Peerings.

const PEERING: &str = "aws:ec2:VpcPeeringConnection";

fn peering(id: &str, status: &str, owner: &str, region: &str) -> String {
    format!(
        "<vpcPeeringConnectionId>{id}</vpcPeeringConnectionId><requesterVpcInfo><vpcId>vpc-1</vpcId><ownerId>123456789012\
         </ownerId><region>us-west-2</region><peeringOptions><allowDnsResolutionFromRemoteVpc>false\
         </allowDnsResolutionFromRemoteVpc></peeringOptions></requesterVpcInfo><accepterVpcInfo><vpcId>vpc-2</vpcId>\
         <ownerId>{owner}</ownerId><region>{region}</region></accepterVpcInfo><status><code>{status}</code><message>ranges \
         overlap</message></status>{}",
        tags(1)
    )
}

fn peerings(request: &Request, one: &str) -> Answer {
    xml(request, &format!("<vpcPeeringConnectionSet><item>{one}</item></vpcPeeringConnectionSet>"))
}

#[tokio::test]
async fn a_hundred_peerings_take_a_call() {
    let bench = scripted(|request, _| {
        let one = |n: usize| peering(&format!("pcx-{n}"), "active", "123456789012", "us-west-2");
        xml(request, &many("vpcPeeringConnectionSet", one))
    });
    let inputs = |_| json!({"vpc_id": "vpc-1", "peer_vpc_id": "vpc-2"});
    let operations = read_hundred(&bench, PEERING, |n| format!("pcx-{n}"), inputs).await;
    assert_eq!(operations, ["DescribeVpcPeeringConnections"]);
}

#[tokio::test]
async fn a_peering_is_found_again_unless_it_is_over() {
    let want = json!({"vpc_id": "vpc-1", "peer_vpc_id": "vpc-2"});
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => peerings(request, &peering("pcx-1", "initiating-request", "123456789012", "us-west-2")),
    });
    found_after_loss(&bench, PEERING, &want, "pcx-1").await;
    for over in ["deleted", "rejected", "expired", "failed"] {
        let bench = scripted(move |request, _| peerings(request, &peering("pcx-1", over, "123456789012", "us-west-2")));
        assert!(bench.driver(PEERING).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().is_none());
        let read = bench.read(PEERING, &[("pcx-1", &fields(want.clone()))]).await.remove(0);
        assert!(matches!(read, Read::Gone), "{read:?}");
    }
}

#[tokio::test]
async fn a_peering_that_fails_says_why() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateVpcPeeringConnection" => {
            let made = peering("pcx-1", "initiating-request", "123456789012", "us-west-2");
            xml(request, &format!("<vpcPeeringConnection>{made}</vpcPeeringConnection>"))
        }
        _ => peerings(request, &peering("pcx-1", "failed", "123456789012", "us-west-2")),
    });
    let failed = bench.create(PEERING, &json!({"vpc_id": "vpc-1", "peer_vpc_id": "vpc-2"}), 1).await.unwrap_err();
    assert!(failed.message.contains("ranges overlap"), "{failed}");
}

#[tokio::test]
async fn a_peering_that_was_there_is_not_taken_over() {
    // AWS answers a second request for the same VPCs with the peering that they have.
    let bench = scripted(|request, _| {
        let theirs = peering("pcx-1", "active", "123456789012", "us-west-2").replace(&tags(1), &tags(7));
        match request.operation.as_str() {
            "CreateVpcPeeringConnection" => {
                xml(request, &format!("<vpcPeeringConnection>{theirs}</vpcPeeringConnection>"))
            }
            _ => peerings(request, &theirs),
        }
    });
    let taken = bench.create(PEERING, &json!({"vpc_id": "vpc-1", "peer_vpc_id": "vpc-2"}), 1).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::AlreadyExists);
    assert!(taken.message.contains("pcx-1"), "{taken}");
}

/// An endpoint with a peering to another account or region.
fn far_peering(owner: &'static str, region: &'static str) -> Bench {
    let accepted = AtomicBool::new(false);
    scripted(move |request, _| match request.operation.as_str() {
        "CreateVpcPeeringConnection" => {
            let made = peering("pcx-1", "initiating-request", owner, region);
            xml(request, &format!("<vpcPeeringConnection>{made}</vpcPeeringConnection>"))
        }
        "AcceptVpcPeeringConnection" => {
            accepted.store(true, Ordering::SeqCst);
            xml(request, "")
        }
        "ModifyVpcPeeringConnectionOptions" => xml(request, ""),
        _ => {
            let status = if accepted.load(Ordering::SeqCst) { "active" } else { "pending-acceptance" };
            peerings(request, &peering("pcx-1", status, owner, region))
        }
    })
}

#[tokio::test]
async fn another_account_accepts_by_itself() {
    let want = json!({"vpc_id": "vpc-1", "peer_vpc_id": "vpc-2", "peer_owner_id": "210987654321"});
    let bench = far_peering("210987654321", "us-west-2");
    let made = bench.create(PEERING, &want, 1).await.unwrap();
    assert_eq!(made.outputs["status"].as_str(), Some("pending-acceptance"));
    assert!(!bench.operations().contains(&"AcceptVpcPeeringConnection".to_owned()));
    bench.settled(PEERING, "pcx-1", &want).await;
    let mut accept = want.clone();
    accept["auto_accept"] = json!(true);
    assert!(bench.create(PEERING, &accept, 1).await.unwrap_err().message.contains("210987654321"));
    let mut options = want;
    options["requester_peering_connection_options"] = json!({"allow_dns_resolution_from_remote_vpc": true});
    assert!(bench.create(PEERING, &options, 1).await.unwrap_err().hint.unwrap().contains("accepted"));
}

#[tokio::test]
async fn each_side_of_two_regions_is_told_in_its_own() {
    let bench = far_peering("123456789012", "eu-west-1");
    let want = json!({
        "vpc_id": "vpc-1",
        "peer_vpc_id": "vpc-2",
        "peer_region": "eu-west-1",
        "requester_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": true},
        "accepter_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": true},
    });
    bench.create(PEERING, &want, 1).await.unwrap();
    let options = requests(&bench, "ModifyVpcPeeringConnectionOptions");
    let sides: Vec<(bool, bool)> = options
        .iter()
        .map(|r| {
            let of = |side: &str| {
                !parameter(r, &format!("{side}PeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc")).is_empty()
            };
            (of("Requester"), of("Accepter"))
        })
        .collect();
    assert_eq!(sides, [(true, false), (false, true)]);
}

// DHCP options.

const DHCP: &str = "aws:ec2:DhcpOptions";

#[tokio::test]
async fn a_hundred_sets_of_options_take_a_call_and_one_is_found_again() {
    let one = |id: &str| {
        let value = |key: &str, value: &str| {
            format!("<item><key>{key}</key><valueSet><item><value>{value}</value></item></valueSet></item>")
        };
        format!(
            "<dhcpOptionsId>{id}</dhcpOptionsId><ownerId>123456789012</ownerId><dhcpConfigurationSet>{}{}</dhcpConfigurationSet>{}",
            value("domain-name", "example.org"),
            value("ipv6-address-preferred-lease-time", "600"),
            tags(1)
        )
    };
    let want = json!({"domain_name": "example.org", "ipv6_address_preferred_lease_time": 600});
    let bench = scripted(move |request, _| xml(request, &many("dhcpOptionsSet", |n| one(&format!("dopt-{n}")))));
    let inputs = want.clone();
    let operations = read_hundred(&bench, DHCP, |n| format!("dopt-{n}"), move |_| inputs.clone()).await;
    assert_eq!(operations, ["DescribeDhcpOptions"]);
    bench.settled(DHCP, "dopt-7", &want).await;

    let bench = scripted(move |request, n| match n {
        0 => Answer::Lost,
        _ => xml(request, &format!("<dhcpOptionsSet><item>{}</item></dhcpOptionsSet>", one("dopt-1"))),
    });
    found_after_loss(&bench, DHCP, &want, "dopt-1").await;
    assert_eq!(parameter(&bench.requests()[0], "DhcpConfiguration.2.Key"), "ipv6-address-preferred-lease-time");
    assert_eq!(parameter(&bench.requests()[0], "DhcpConfiguration.2.Value.1"), "600");
}

const ASSOCIATION: &str = "aws:ec2:VpcDhcpOptionsAssociation";

#[tokio::test]
async fn a_hundred_vpcs_options_take_a_call_and_one_is_found_again() {
    let vpc = |n: usize| format!("<vpcId>vpc-{n}</vpcId><dhcpOptionsId>dopt-{n}</dhcpOptionsId>");
    let bench = scripted(move |request, _| xml(request, &many("vpcSet", vpc)));
    let inputs = |n: usize| json!({"vpc_id": format!("vpc-{n}"), "dhcp_options_id": format!("dopt-{n}")});
    assert_eq!(read_hundred(&bench, ASSOCIATION, |n| format!("vpc-{n}"), inputs).await, ["DescribeVpcs"]);
    let found = |want: serde_json::Value| {
        let (driver, cx) = (bench.driver(ASSOCIATION).clone(), bench.cx.clone());
        async move { driver.find(&cx, &fields(want), &intent(1)).await.unwrap().map(|f| f.id) }
    };
    assert_eq!(found(inputs(1)).await.as_deref(), Some("vpc-1"));
    assert_eq!(found(json!({"vpc_id": "vpc-1", "dhcp_options_id": "dopt-9"})).await, None);

    // A VPC without any of its own has no association.
    let bench = scripted(|request, _| {
        xml(request, "<vpcSet><item><vpcId>vpc-1</vpcId><dhcpOptionsId>default</dhcpOptionsId></item></vpcSet>")
    });
    let read = bench.read(ASSOCIATION, &[("vpc-1", &ValueMap::new())]).await.remove(0);
    assert!(matches!(read, Read::Gone), "{read:?}");
}

// Prefix lists.

const LIST: &str = "aws:ec2:ManagedPrefixList";

fn list(id: &str, state: &str, max: u32, version: usize) -> String {
    format!(
        "<prefixListId>{id}</prefixListId><prefixListName>l</prefixListName><addressFamily>IPv4</addressFamily>\
         <state>{state}</state><stateMessage>it is full</stateMessage><maxEntries>{max}</maxEntries><version>{version}\
         </version>{}",
        tags(1)
    )
}

fn lists(request: &Request, one: &str) -> Answer {
    xml(request, &format!("<prefixListSet><item>{one}</item></prefixListSet>"))
}

#[tokio::test]
async fn a_hundred_prefix_lists_take_a_call_and_their_entries_one_each() {
    let script = |request: &Request, _: usize| match request.operation.as_str() {
        "GetManagedPrefixListEntries" if parameter(request, "NextToken").is_empty() => {
            xml(request, "<nextToken>more</nextToken><entrySet><item><cidr>10.0.0.0/8</cidr></item></entrySet>")
        }
        "GetManagedPrefixListEntries" => {
            xml(request, "<entrySet><item><cidr>10.1.0.0/16</cidr><description>d</description></item></entrySet>")
        }
        _ => xml(request, &many("prefixListSet", |n| list(&format!("pl-{n}"), "create-complete", 10, 1))),
    };
    let plain = json!({"prefix_list_name": "l", "address_family": "IPv4", "max_entries": 10});
    let bench = scripted(script);
    let inputs = plain.clone();
    let operations = read_hundred(&bench, LIST, |n| format!("pl-{n}"), move |_| inputs.clone()).await;
    assert_eq!(operations, ["DescribeManagedPrefixLists"]);

    let mut with_entries = plain;
    with_entries["entries"] = json!([{"cidr": "10.1.0.0/16", "description": "d"}, {"cidr": "10.0.0.0/8"}]);
    let bench = scripted(script);
    let inputs = with_entries.clone();
    let operations = read_hundred(&bench, LIST, |n| format!("pl-{n}"), move |_| inputs.clone()).await;
    // AWS has no call for the entries of several lists; here each list has two pages of them.
    assert_eq!(operations.len(), 1 + 200);
    bench.settled(LIST, "pl-3", &with_entries).await;
}

#[tokio::test]
async fn a_prefix_list_is_waited_for_and_found_again() {
    let want = json!({"prefix_list_name": "l", "address_family": "IPv4", "max_entries": 10});
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => lists(request, &list("pl-1", "create-in-progress", 10, 1)),
    });
    found_after_loss(&bench, LIST, &want, "pl-1").await;
    assert_eq!(parameter(&bench.requests()[0], "ClientToken").len(), 64);
    for (state, ends) in [("create-complete", None), ("create-failed", Some("it is full"))] {
        let bench = scripted(move |request, n| match request.operation.as_str() {
            "CreateManagedPrefixList" => {
                xml(request, &format!("<prefixList>{}</prefixList>", list("pl-1", "create-in-progress", 10, 1)))
            }
            _ => lists(request, &list("pl-1", if n < 3 { "create-in-progress" } else { state }, 10, 1)),
        });
        let made = bench.create(LIST, &want, 1).await;
        assert_eq!(bench.operations().len(), 4);
        match ends {
            None => assert_eq!(made.unwrap().id, "pl-1"),
            Some(why) => assert!(made.unwrap_err().message.contains(why)),
        }
    }
}

#[tokio::test]
async fn room_is_made_before_entries_come_and_taken_after_they_went() {
    let bench = |max: u32| {
        let (versions, size) = (AtomicUsize::new(1), AtomicUsize::new(max as usize));
        scripted(move |request, _| match request.operation.as_str() {
            "ModifyManagedPrefixList" => {
                match parameter(request, "MaxEntries").parse() {
                    Ok(max) => size.store(max, Ordering::SeqCst),
                    Err(_) => drop(versions.fetch_add(1, Ordering::SeqCst)),
                }
                xml(request, "")
            }
            "GetManagedPrefixListEntries" => xml(request, "<entrySet><item><cidr>10.0.0.0/8</cidr></item></entrySet>"),
            _ => {
                let size = u32::try_from(size.load(Ordering::SeqCst)).unwrap();
                lists(request, &list("pl-1", "modify-complete", size, versions.load(Ordering::SeqCst)))
            }
        })
    };
    let want = |max: u32, entries: serde_json::Value| json!({"prefix_list_name": "l", "address_family": "IPv4", "max_entries": max, "entries": entries});
    let have = want(1, json!([{"cidr": "10.0.0.0/8"}]));
    let sent = |bench: &Bench| -> Vec<String> {
        let all = requests(bench, "ModifyManagedPrefixList");
        all.iter().map(|r| if parameter(r, "MaxEntries").is_empty() { "entries" } else { "size" }.to_owned()).collect()
    };
    let grown = bench(1);
    grown.update(LIST, "pl-1", &have, &want(2, json!([{"cidr": "10.0.0.0/8"}, {"cidr": "10.1.0.0/16"}]))).await;
    assert_eq!(sent(&grown), ["size", "entries"]);
    let change = &requests(&grown, "ModifyManagedPrefixList")[1];
    assert_eq!(parameter(change, "CurrentVersion"), "1");
    assert_eq!(parameter(change, "AddEntry.1.Cidr"), "10.1.0.0/16");
    let shrunk = bench(2);
    shrunk.update(LIST, "pl-1", &want(2, json!([{"cidr": "10.0.0.0/8"}])), &want(1, json!([]))).await;
    assert_eq!(sent(&shrunk), ["entries", "size"]);
    assert_eq!(parameter(&requests(&shrunk, "ModifyManagedPrefixList")[0], "RemoveEntry.1.Cidr"), "10.0.0.0/8");
}

#[tokio::test]
async fn a_list_that_is_still_used_says_why_it_is_not_deleted() {
    let bench = scripted(|request, n| match request.operation.as_str() {
        "DeleteManagedPrefixList" => xml(request, ""),
        _ => lists(request, &list("pl-1", if n == 0 { "create-complete" } else { "delete-failed" }, 1, 1)),
    });
    let failed = bench.driver(LIST).delete(&bench.cx, "pl-1", &ValueMap::new()).await.unwrap_err();
    assert!(failed.message.contains("it is full") && failed.hint.is_some());
}

// VPNs.

const CUSTOMER: &str = "aws:ec2:CustomerGateway";

fn customer(id: &str, state: &str, n: u32) -> String {
    format!(
        "<customerGatewayId>{id}</customerGatewayId><state>{state}</state><type>ipsec.1</type><ipAddress>192.0.2.1</ipAddress>\
         <bgpAsn>65010</bgpAsn><bgpAsnExtended>4200000000</bgpAsnExtended><deviceName>office</deviceName>\
         <certificateArn>arn:aws:acm:c</certificateArn>{}",
        tags(n)
    )
}

fn customers(request: &Request, one: &str) -> Answer {
    xml(request, &format!("<customerGatewaySet><item>{one}</item></customerGatewaySet>"))
}

#[tokio::test]
async fn a_hundred_customer_gateways_take_a_call_and_one_is_found_again() {
    let want = json!({
        "type": "ipsec.1",
        "ip_address": "192.0.2.1",
        "bgp_asn_extended": 4_200_000_000_i64,
        "device_name": "office",
        "certificate_arn": "arn:aws:acm:c",
    });
    let bench = scripted(|request, _| {
        xml(request, &many("customerGatewaySet", |n| customer(&format!("cgw-{n}"), "available", 1)))
    });
    let inputs = want.clone();
    let operations = read_hundred(&bench, CUSTOMER, |n| format!("cgw-{n}"), move |_| inputs.clone()).await;
    assert_eq!(operations, ["DescribeCustomerGateways"]);
    bench.settled(CUSTOMER, "cgw-1", &want).await;
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => customers(request, &customer("cgw-1", "pending", 1)),
    });
    found_after_loss(&bench, CUSTOMER, &want, "cgw-1").await;
}

#[tokio::test]
async fn a_gateway_that_was_there_is_not_taken_over() {
    // AWS answers a second request for the same address with the gateway that has it, and tags it no more.
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateCustomerGateway" => {
            xml(request, &format!("<customerGateway>{}</customerGateway>", customer("cgw-1", "available", 7)))
        }
        _ => customers(request, &customer("cgw-1", "available", 7)),
    });
    let want = json!({"type": "ipsec.1", "ip_address": "192.0.2.1", "bgp_asn": 65010});
    let taken = bench.create(CUSTOMER, &want, 1).await.unwrap_err();
    assert_eq!(taken.kind, ErrorKind::AlreadyExists);
    assert!(taken.message.contains("cgw-1"), "{taken}");
}

const GATEWAY: &str = "aws:ec2:VpnGateway";

fn gateway(id: &str, attached: &str) -> String {
    format!(
        "<vpnGatewayId>{id}</vpnGatewayId><state>available</state><type>ipsec.1</type><amazonSideAsn>64512</amazonSideAsn>\
         <attachments>{attached}</attachments>{}",
        tags(1)
    )
}

fn gateways(request: &Request, one: &str) -> Answer {
    xml(request, &format!("<vpnGatewaySet><item>{one}</item></vpnGatewaySet>"))
}

#[tokio::test]
async fn a_hundred_vpn_gateways_take_a_call_and_one_is_found_again() {
    let want = json!({"type": "ipsec.1", "vpc_id": "vpc-1"});
    let here = "<item><vpcId>vpc-0</vpcId><state>detached</state></item><item><vpcId>vpc-1</vpcId><state>attached</state></item>";
    let bench =
        scripted(move |request, _| xml(request, &many("vpnGatewaySet", |n| gateway(&format!("vgw-{n}"), here))));
    let inputs = want.clone();
    let operations = read_hundred(&bench, GATEWAY, |n| format!("vgw-{n}"), move |_| inputs.clone()).await;
    assert_eq!(operations, ["DescribeVpnGateways"]);
    bench.settled(GATEWAY, "vgw-1", &want).await;
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => gateways(request, &gateway("vgw-1", "")),
    });
    found_after_loss(&bench, GATEWAY, &want, "vgw-1").await;
}

#[tokio::test]
async fn an_attachment_to_a_vpc_is_waited_for() {
    let (attached, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateVpnGateway" => xml(request, &format!("<vpnGateway>{}</vpnGateway>", gateway("vgw-1", ""))),
        "AttachVpnGateway" => {
            attached.store(true, Ordering::SeqCst);
            xml(request, "")
        }
        _ if attached.load(Ordering::SeqCst) => {
            let state = if looks.fetch_add(1, Ordering::SeqCst) < 2 { "attaching" } else { "attached" };
            gateways(request, &gateway("vgw-1", &format!("<item><vpcId>vpc-1</vpcId><state>{state}</state></item>")))
        }
        _ => gateways(request, &gateway("vgw-1", "")),
    });
    bench.create(GATEWAY, &json!({"type": "ipsec.1", "vpc_id": "vpc-1"}), 1).await.unwrap();
    assert_eq!(requests(&bench, "AttachVpnGateway").len(), 1);
    assert_eq!(bench.operations().iter().filter(|o| *o == "DescribeVpnGateways").count(), 5);
}

const VPN: &str = "aws:ec2:VpnConnection";
const KEY: &str = "a_key_of_both_ends";

fn connection(id: &str, more: &str, tunnels: &str) -> String {
    format!(
        "<vpnConnectionId>{id}</vpnConnectionId><state>available</state><type>ipsec.1</type><customerGatewayId>cgw-1\
         </customerGatewayId><vpnGatewayId>vgw-1</vpnGatewayId><options><staticRoutesOnly>true</staticRoutesOnly>\
         <localIpv4NetworkCidr>0.0.0.0/0</localIpv4NetworkCidr><tunnelOptionSet>{tunnels}</tunnelOptionSet></options>{more}{}",
        tags(1)
    )
}

fn tunnel(n: usize, key: &str, lifetime: u32) -> String {
    format!(
        "<item><outsideIpAddress>198.51.100.{n}</outsideIpAddress><tunnelInsideCidr>169.254.{n}.0/30</tunnelInsideCidr>\
         <preSharedKey>{key}</preSharedKey><phase1LifetimeSeconds>{lifetime}</phase1LifetimeSeconds><ikeVersionSet><item>\
         <value>ikev2</value></item></ikeVersionSet><phase1DHGroupNumberSet><item><value>20</value></item><item><value>14\
         </value></item></phase1DHGroupNumberSet><logOptions><cloudWatchLogOptions><logEnabled>true</logEnabled>\
         <logGroupArn>arn:aws:logs:g</logGroupArn></cloudWatchLogOptions></logOptions></item>"
    )
}

fn connections(request: &Request, one: &str) -> Answer {
    xml(request, &format!("<vpnConnectionSet><item>{one}</item></vpnConnectionSet>"))
}

fn vpn(tunnels: serde_json::Value) -> serde_json::Value {
    json!({
        "type": "ipsec.1",
        "customer_gateway_id": "cgw-1",
        "vpn_gateway_id": "vgw-1",
        "static_routes_only": true,
        "options": {"local_ipv4_network_cidr": "0.0.0.0/0", "tunnel_options": tunnels},
    })
}

#[tokio::test]
async fn a_hundred_vpn_connections_take_a_call_and_one_is_found_again() {
    let bench = scripted(|request, _| {
        let tunnels = tunnel(1, "made_up_by_aws", 28800) + &tunnel(2, KEY, 28800);
        xml(request, &many("vpnConnectionSet", move |n| connection(&format!("vpn-{n}"), "", &tunnels)))
    });
    // The second tunnel comes first, and only its key is the program's.
    let want = vpn(json!([
        {"tunnel_inside_cidr": "169.254.2.0/30", "pre_shared_key": KEY, "phase1_dh_group_numbers": [14, 20],
         "log_options": {"cloud_watch_log_options": {"log_enabled": true}}},
        {"ike_versions": ["ikev2"]},
    ]));
    let inputs = want.clone();
    let operations = read_hundred(&bench, VPN, |n| format!("vpn-{n}"), move |_| inputs.clone()).await;
    assert_eq!(operations, ["DescribeVpnConnections"]);
    let observed = bench.settled(VPN, "vpn-1", &want).await;
    assert_eq!(observed.outputs["tunnel1_address"].as_str(), Some("198.51.100.2"));
    let shown = format!("{observed:?}");
    assert!(!shown.contains(KEY) && !shown.contains("made_up_by_aws"), "{shown}");
    assert!(!observed.fields.contains_key("routes"));

    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => connections(request, &connection("vpn-1", "", "")),
    });
    found_after_loss(&bench, VPN, &want, "vpn-1").await;
    let sent = bench.requests().remove(0);
    for (name, value) in [
        ("Options.StaticRoutesOnly", "true"),
        ("Options.LocalIpv4NetworkCidr", "0.0.0.0/0"),
        ("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.2.0/30"),
        ("Options.TunnelOptions.1.PreSharedKey", KEY),
        ("Options.TunnelOptions.1.Phase1DHGroupNumber.2.Value", "20"),
        ("Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.LogEnabled", "true"),
        ("Options.TunnelOptions.2.IKEVersion.1.Value", "ikev2"),
    ] {
        assert_eq!(parameter(&sent, name), value, "{name}: {:?}", sent.body);
    }

    // AWS may answer with the connection that is there, whosever it is.
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateVpnConnection" => {
            xml(request, &format!("<vpnConnection>{}</vpnConnection>", connection("vpn-1", "", "")))
        }
        _ => connections(request, &connection("vpn-1", "", "")),
    });
    assert_eq!(bench.create(VPN, &want, 2).await.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_tunnel_is_changed_by_its_address_and_only_where_it_differs() {
    let bench = scripted(|request, _| {
        let tunnels = tunnel(1, "old_key_one", 28800) + &tunnel(2, "old_key_two", 28800);
        connections(request, &connection("vpn-1", "", &tunnels))
    });
    let have = vpn(json!([
        {"tunnel_inside_cidr": "169.254.1.0/30", "pre_shared_key": "old_key_one"},
        {"tunnel_inside_cidr": "169.254.2.0/30", "pre_shared_key": "old_key_two"},
    ]));
    let want = vpn(json!([
        {"tunnel_inside_cidr": "169.254.1.0/30", "pre_shared_key": "old_key_one"},
        {"tunnel_inside_cidr": "169.254.2.0/30", "pre_shared_key": "new_key_two", "phase1_lifetime_seconds": 3600},
    ]));
    bench.update(VPN, "vpn-1", &have, &want).await;
    let sent = requests(&bench, "ModifyVpnTunnelOptions");
    assert_eq!(sent.len(), 1);
    assert_eq!(parameter(&sent[0], "VpnTunnelOutsideIpAddress"), "198.51.100.2");
    assert_eq!(parameter(&sent[0], "TunnelOptions.PreSharedKey"), "new_key_two");
    assert_eq!(parameter(&sent[0], "TunnelOptions.Phase1LifetimeSeconds"), "3600");
    assert_eq!(parameter(&sent[0], "TunnelOptions.TunnelInsideCidr"), "");
    assert!(requests(&bench, "ModifyVpnConnectionOptions").is_empty());
    // Ranges of the whole connection are changed by another call.
    let mut ranged = have.clone();
    ranged["options"]["local_ipv4_network_cidr"] = json!("10.0.0.0/8");
    bench.update(VPN, "vpn-1", &have, &ranged).await;
    let sent = requests(&bench, "ModifyVpnConnectionOptions");
    assert_eq!(parameter(&sent[0], "LocalIpv4NetworkCidr"), "10.0.0.0/8");
    assert_eq!(requests(&bench, "ModifyVpnTunnelOptions").len(), 1);
}

#[tokio::test]
async fn a_key_that_is_kept_in_secrets_manager_is_taken_for_what_was_set() {
    let bench = scripted(|request, _| {
        let arn = "<preSharedKeyArn>arn:aws:secretsmanager:s</preSharedKeyArn>";
        connections(request, &connection("vpn-1", arn, &tunnel(1, "****", 28800)))
    });
    let mut want = vpn(json!([{"pre_shared_key": KEY}]));
    want["pre_shared_key_storage"] = json!("SecretsManager");
    bench.settled(VPN, "vpn-1", &want).await;
    let mut back = want.clone();
    back["pre_shared_key_storage"] = json!("Standard");
    bench.update(VPN, "vpn-1", &want, &back).await;
    let sent = requests(&bench, "ModifyVpnTunnelOptions");
    assert_eq!((sent.len(), parameter(&sent[0], "PreSharedKeyStorage")), (1, "Standard"));
}

#[tokio::test]
async fn a_connection_moves_to_another_gateway() {
    let bench = scripted(|request, _| connections(request, &connection("vpn-1", "", "")));
    let mut want = vpn(json!(null));
    want.as_object_mut().unwrap().remove("vpn_gateway_id");
    want["transit_gateway_id"] = json!("tgw-1");
    bench.update(VPN, "vpn-1", &vpn(json!(null)), &want).await;
    let sent = requests(&bench, "ModifyVpnConnection");
    assert_eq!((sent.len(), parameter(&sent[0], "TransitGatewayId")), (1, "tgw-1"));
}
