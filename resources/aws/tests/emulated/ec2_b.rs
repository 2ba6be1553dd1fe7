//! Instances, volumes, peerings, DHCP options, prefix lists and VPNs.

use phx_model::state::ProviderKey;
use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

use crate::kit;

async fn id(bench: &kit::Bench, name: &str, want: Value, n: u32) -> String {
    bench.create(name, &want, n).await.unwrap_or_else(|e| panic!("{name}: {e:?}")).id
}

async fn vpc(bench: &kit::Bench, range: &str, n: u32) -> String {
    id(bench, "aws:ec2:Vpc", json!({"cidr_block": range}), n).await
}

async fn subnet(bench: &kit::Bench, vpc: &str) -> String {
    let want = json!({"vpc_id": vpc, "cidr_block": "10.0.1.0/24", "availability_zone": "us-west-2a"});
    id(bench, "aws:ec2:Subnet", want, 120).await
}

async fn group(bench: &kit::Bench, vpc: &str, n: u32) -> String {
    let want = json!({"vpc_id": vpc, "group_name": format!("g{n}"), "description": "a group"});
    id(bench, "aws:ec2:SecurityGroup", want, 130 + n).await
}

/// A field's value in place of another.
fn with(want: &Value, field: &str, value: Value) -> Value {
    let mut want = want.clone();
    want[field] = value;
    want
}

#[tokio::test]
async fn instances() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let subnet = subnet(&bench, &vpc).await;
    let (one, two) = (group(&bench, &vpc, 1).await, group(&bench, &vpc, 2).await);
    let want = json!({
        "image_id": "ami-0123456789abcdef0",
        "instance_type": "t3.micro",
        "subnet_id": subnet,
        "key_name": "deploy",
        "security_group_ids": [one],
        "private_ip_address": "10.0.1.10",
        "user_data": "#!/bin/sh\necho hello\n",
        "ebs_optimized": true,
        "source_dest_check": false,
        "monitoring": {"enabled": true},
        "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2, "http_endpoint": "enabled"},
        "instance_initiated_shutdown_behavior": "terminate",
        "disable_api_stop": true,
        "block_device_mappings": [
            {"device_name": "/dev/sda1", "ebs": {"volume_size": 8, "volume_type": "gp3", "delete_on_termination": true}},
            {"device_name": "/dev/sdf", "ebs": {"volume_size": 20, "volume_type": "gp3", "encrypted": true,
                                                "delete_on_termination": false}},
        ],
        "volume_tags": {"of": "web"},
        "tags": {"Name": "web"},
    });
    // moto takes no protection from termination at the launch; it takes it later.
    let grown = json!([
        {"device_name": "/dev/sda1", "ebs": {"volume_size": 16, "volume_type": "gp3", "delete_on_termination": true}},
        {"device_name": "/dev/sdf", "ebs": {"volume_size": 20, "volume_type": "gp3", "encrypted": true,
                                            "delete_on_termination": true}},
    ]);
    let changed = json!({
        "image_id": "ami-0123456789abcdef0",
        "instance_type": "t3.small",
        "subnet_id": subnet,
        "security_group_ids": [one, two],
        // The same, in base64. moto takes no other script later: it wants it to be encoded twice.
        "user_data": "IyEvYmluL3NoCmVjaG8gaGVsbG8K",
        "ebs_optimized": false,
        "source_dest_check": true,
        "metadata_options": {"http_tokens": "optional", "http_put_response_hop_limit": 3},
        "disable_api_stop": false,
        "disable_api_termination": true,
        "block_device_mappings": grown,
        "volume_tags": {"of": "web", "more": "tags"},
        "tags": {"Name": "web2", "Owner": "me"},
    });
    let last = with(&with(&changed, "disable_api_termination", json!(false)), "disable_api_stop", json!(true));
    // No script any more.
    let mut bare = with(&last, "disable_api_stop", json!(false));
    bare.as_object_mut().unwrap().remove("user_data");
    let outputs = bench.life("aws:ec2:Instance", want, &[changed, last, bare]).await;
    for name in ["arn", "private_dns_name", "primary_network_interface_id", "root_volume_id", "vpc_id"] {
        assert!(outputs.contains_key(name), "{name}: {outputs:?}");
    }
}

#[tokio::test]
async fn an_instance_of_few_words_and_one_with_interfaces() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let name = "aws:ec2:Instance";
    let least = json!({"image_id": "ami-0123456789abcdef0"});
    bench.life(name, least.clone(), &[with(&least, "tags", json!({"a": "b"}))]).await;

    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let subnet = subnet(&bench, &vpc).await;
    let group = group(&bench, &vpc, 1).await;
    let interface = |description: &str| {
        json!([{"device_index": 0, "subnet_id": subnet, "groups": [group], "description": description,
                "delete_on_termination": true, "private_ip_address": "10.0.1.20"}])
    };
    let want = json!({"image_id": "ami-0123456789abcdef0", "network_interfaces": interface("first")});
    let made = bench.create(name, &want, 2).await.unwrap();
    // moto forgets the description of an interface that is made with its instance: the rest is as it was set.
    let mut told = want.clone();
    told["network_interfaces"][0].as_object_mut().unwrap().remove("description");
    bench.settled(name, &made.id, &told).await;
    // An interface of another subnet would be another instance.
    let driver = bench.driver(name);
    let mut moved = told.clone();
    moved["network_interfaces"][0]["subnet_id"] = json!("subnet-other");
    let change = phx_model::driver::Delta {
        before: kit::fields(told.clone())["network_interfaces"].clone(),
        after: kit::fields(moved.clone())["network_interfaces"].clone(),
    };
    let change = [("network_interfaces".to_owned(), change)].into();
    let refused = driver.update(&bench.cx, &made.id, &kit::fields(moved), &change).await.unwrap_err();
    assert!(refused.hint.unwrap().contains("--replace"));
    bench.deleted(name, &made.id, &told).await;
}

#[cfg(feature = "iam")]
#[tokio::test]
async fn an_instances_profile() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let registered = phx_aws::schemas().iter().any(|s| s.type_name == "aws:iam:InstanceProfile");
    assert!(registered);
    for (n, profile) in ["web", "other"].into_iter().enumerate() {
        let want = json!({"instance_profile_name": profile});
        id(&bench, "aws:iam:InstanceProfile", want, 200 + u32::try_from(n).unwrap()).await;
    }
    let want = |profile: &str| json!({"image_id": "ami-0123456789abcdef0", "iam_instance_profile": {"name": profile}});
    let none = json!({"image_id": "ami-0123456789abcdef0"});
    // moto does not show on the instance when one profile takes another's place.
    bench.life("aws:ec2:Instance", want("web"), &[none, want("other")]).await;
}

#[tokio::test]
async fn volumes_and_their_attachments() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let want = json!({
        "availability_zone": "us-west-2a",
        "size": 10,
        "volume_type": "gp3",
        "iops": 3000,
        "throughput": 125,
        "encrypted": true,
        "tags": {"Name": "data"},
    });
    let changed = json!({
        "availability_zone": "us-west-2a",
        "size": 20,
        "volume_type": "gp3",
        "iops": 4000,
        "throughput": 250,
        "encrypted": true,
        "tags": {"Name": "more data"},
    });
    bench.life("aws:ec2:EbsVolume", want, &[changed]).await;
    let shared = json!({"availability_zone": "us-west-2a", "size": 4, "volume_type": "io2", "iops": 100, "multi_attach_enabled": true});
    bench.life("aws:ec2:EbsVolume", shared, &[]).await;

    let instance = id(&bench, "aws:ec2:Instance", json!({"image_id": "ami-0123456789abcdef0"}), 10).await;
    let volume = json!({"availability_zone": "us-west-2a", "size": 1});
    let one = id(&bench, "aws:ec2:EbsVolume", volume.clone(), 11).await;
    let two = id(&bench, "aws:ec2:EbsVolume", volume, 12).await;
    let at = |volume: &str| json!({"device": "/dev/sdf", "instance_id": instance, "volume_id": volume});
    let outputs = bench.life("aws:ec2:VolumeAttachment", at(&one), &[at(&two), at(&one)]).await;
    assert_eq!(outputs["id"].as_str(), Some(format!("{instance}:/dev/sdf").as_str()));

    // While it is attached, it cannot be deleted, and it is said where it is.
    let attachment = id(&bench, "aws:ec2:VolumeAttachment", at(&one), 13).await;
    let quick = phx_model::driver::Cx { timeout: std::time::Duration::from_millis(300), ..bench.cx.clone() };
    let refused = bench.driver("aws:ec2:EbsVolume").delete(&quick, &one, &kit::fields(json!({}))).await.unwrap_err();
    assert!(refused.hint.unwrap_or_default().contains(&instance));
    bench.deleted("aws:ec2:VolumeAttachment", &attachment, &at(&one)).await;
}

#[tokio::test]
async fn peerings() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let (one, two) = (vpc(&bench, "10.0.0.0/16", 100).await, vpc(&bench, "10.1.0.0/16", 101).await);
    let name = "aws:ec2:VpcPeeringConnection";
    let want = json!({
        "vpc_id": one,
        "peer_vpc_id": two,
        "auto_accept": true,
        "requester_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": true},
        "tags": {"Name": "a"},
    });
    let changed = json!({
        "vpc_id": one,
        "peer_vpc_id": two,
        "requester_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": false},
        "accepter_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": true},
        "tags": {"Name": "b"},
    });
    bench.life(name, want, &[changed]).await;
    // Without a word it is accepted, too; told not to, it waits until it is told to.
    let plain = json!({"vpc_id": one, "peer_vpc_id": two});
    bench.life(name, plain.clone(), &[with(&plain, "tags", json!({"a": "b"}))]).await;
    let pending = with(&plain, "auto_accept", json!(false));
    bench.life(name, pending, &[with(&plain, "auto_accept", json!(true))]).await;

    // The other region's VPC is accepted in the other region.
    let mut far = kit::emulated(&moto.url());
    far.cx.provider = ProviderKey("eu-west-1".into());
    let three = vpc(&far, "10.2.0.0/16", 100).await;
    let across = json!({
        "vpc_id": one,
        "peer_vpc_id": three,
        "peer_region": "eu-west-1",
        "accepter_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": true},
    });
    bench.life(name, across, &[]).await;
}

#[tokio::test]
async fn dhcp_options_and_what_uses_them() {
    // moto drops the tags that a set is created with.
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let want = |tag: &str| {
        json!({
            "domain_name": "example.org",
            "domain_name_servers": ["10.0.0.2", "10.0.0.3"],
            "ntp_servers": ["10.0.0.4"],
            "netbios_name_servers": ["10.0.0.5"],
            "netbios_node_type": 2,
            "tags": {"Name": tag},
        })
    };
    bench.life("aws:ec2:DhcpOptions", want("a"), &[want("b")]).await;

    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let one = id(&bench, "aws:ec2:DhcpOptions", json!({"domain_name": "a.example.org"}), 10).await;
    let two = id(&bench, "aws:ec2:DhcpOptions", json!({"domain_name": "b.example.org"}), 11).await;
    let of = |options: &str| json!({"vpc_id": vpc, "dhcp_options_id": options});
    bench.life("aws:ec2:VpcDhcpOptionsAssociation", of(&one), &[of(&two), of(&one)]).await;

    // What a VPC uses by now is not taken from it by deleting what it used before.
    let name = "aws:ec2:VpcDhcpOptionsAssociation";
    let association = id(&bench, name, of(&one), 12).await;
    bench.update(name, &association, &of(&one), &of(&two)).await;
    bench.driver(name).delete(&bench.cx, &association, &kit::fields(of(&one))).await.unwrap();
    bench.settled(name, &association, &of(&two)).await;
    bench.deleted(name, &association, &of(&two)).await;
}

#[tokio::test]
async fn prefix_lists() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let list = |name: &str, entries: Value| {
        json!({
            "prefix_list_name": name,
            "address_family": "IPv4",
            "max_entries": 10,
            "entries": entries,
            "tags": {"Name": name},
        })
    };
    let first = list("offices", json!([{"cidr": "10.0.0.0/8", "description": "inside"}, {"cidr": "192.0.2.0/24"}]));
    let second = list("offices", json!([{"cidr": "10.0.0.0/8", "description": "ours"}, {"cidr": "198.51.100.0/24"}]));
    let third = list("branches", json!([{"cidr": "198.51.100.0/24"}]));
    bench.life("aws:ec2:ManagedPrefixList", first, &[second, third]).await;
    // moto cannot empty a list, and does not keep a new size.
    let empty = json!({"prefix_list_name": "none", "address_family": "IPv6", "max_entries": 1});
    bench.life("aws:ec2:ManagedPrefixList", empty, &[]).await;
}

/// Connections live in phx's own sandbox (`ec2_lives`): moto cannot be asked for certain ones, and ministack drops the tags that they are created with.
#[tokio::test]
async fn vpn_gateways() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let (one, two) = (vpc(&bench, "10.0.0.0/16", 100).await, vpc(&bench, "10.1.0.0/16", 101).await);
    let customer =
        |tag: &str| json!({"type": "ipsec.1", "bgp_asn": 65010, "ip_address": "192.0.2.1", "tags": {"Name": tag}});
    bench.life("aws:ec2:CustomerGateway", customer("a"), &[customer("b")]).await;

    let private = |vpc: Option<&str>, tag: &str| json!({"type": "ipsec.1", "amazon_side_asn": 64620, "vpc_id": vpc, "tags": {"Name": tag}});
    let changes = [private(Some(&two), "a"), private(None, "b"), private(Some(&one), "b")];
    bench.life("aws:ec2:VpnGateway", private(Some(&one), "a"), &changes).await;
}
