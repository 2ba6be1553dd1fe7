//! Network ACLs, VPC endpoints, flow logs, egress-only gateways, key pairs and launch templates.

use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

use crate::kit;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ08YYEMb4ZFnIsvvIk5q2AWv1hTIhx1wfLfDgIa8MzZ";

async fn id(bench: &kit::Bench, name: &str, want: Value, n: u32) -> String {
    bench.create(name, &want, n).await.unwrap_or_else(|e| panic!("{name}: {e:?}")).id
}

async fn vpc(bench: &kit::Bench) -> String {
    id(bench, "aws:ec2:Vpc", json!({"cidr_block": "10.0.0.0/16"}), 100).await
}

async fn subnet(bench: &kit::Bench, vpc: &str, n: u32) -> String {
    let zone = ["us-west-2a", "us-west-2b", "us-west-2c"][n as usize];
    let want = json!({"vpc_id": vpc, "cidr_block": format!("10.0.{n}.0/24"), "availability_zone": zone});
    id(bench, "aws:ec2:Subnet", want, 110 + n).await
}

#[tokio::test]
async fn egress_only_internet_gateways_and_flow_logs() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let vpc = vpc(&bench).await;
    let gateway = |tag: &str| json!({"vpc_id": vpc, "tags": {"Name": tag}});
    bench.life("aws:ec2:EgressOnlyInternetGateway", gateway("a"), &[gateway("b"), json!({"vpc_id": vpc})]).await;

    let subnet = subnet(&bench, &vpc, 0).await;
    let role = "arn:aws:iam::123456789012:role/flow";
    let of_vpc = |tag: &str| {
        json!({
            "resource_id": vpc,
            "resource_type": "VPC",
            "traffic_type": "ALL",
            "log_group_name": "/flow",
            "log_destination_type": "cloud-watch-logs",
            "deliver_logs_permission_arn": role,
            "max_aggregation_interval": 60,
            "log_format": "${version} ${srcaddr}",
            "tags": {"Name": tag},
        })
    };
    bench.life("aws:ec2:FlowLog", of_vpc("a"), &[of_vpc("b")]).await;
    // What AWS fills in is no difference.
    let of_subnet = json!({
        "resource_id": subnet,
        "resource_type": "Subnet",
        "traffic_type": "REJECT",
        "log_destination": "arn:aws:firehose:us-west-2:123456789012:deliverystream/flow",
        "log_destination_type": "kinesis-data-firehose",
    });
    bench.life("aws:ec2:FlowLog", of_subnet, &[]).await;
}

#[tokio::test]
async fn network_acls() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let vpc = vpc(&bench).await;
    let (a, b) = (subnet(&bench, &vpc, 0).await, subnet(&bench, &vpc, 1).await);
    let rule = |number: i32, egress: bool, more: Value| {
        let mut rule = json!({"rule_number": number, "egress": egress, "rule_action": "allow"});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let https = json!({"protocol": "tcp", "cidr_block": "0.0.0.0/0", "port_range": {"from": 443, "to": 443}});
    let high = json!({"protocol": "6", "cidr_block": "10.0.0.0/8", "port_range": {"from": 1024, "to": 65535}});
    // It loses ICMP's types; they are in `shapes`.
    let names = json!({"protocol": "udp", "ipv6_cidr_block": "0::/0", "port_range": {"from": 53, "to": 53}});
    let all = json!({"protocol": "-1", "cidr_block": "0.0.0.0/0"});
    let entries =
        [rule(100, false, https.clone()), rule(110, false, names), rule(100, true, high.clone()), rule(200, true, all)];
    let want = json!({"vpc_id": vpc, "entries": entries, "subnet_ids": [a], "tags": {"Name": "web"}});
    let changed = json!({
        "vpc_id": vpc,
        // One taken out, one changed, one added.
        "entries": [rule(100, false, high), rule(110, true, https), entries[2], entries[3]],
        "subnet_ids": [b],
        "tags": {"Name": "web", "more": "yes"},
    });
    let both = json!({"vpc_id": vpc, "entries": changed["entries"], "subnet_ids": [b, a]});
    let bare = json!({"vpc_id": vpc});
    bench.life("aws:ec2:NetworkAcl", want.clone(), &[changed, both.clone(), bare.clone()]).await;
    // A bare one is made with one call; one that subnets stand behind can be deleted.
    bench.life("aws:ec2:NetworkAcl", bare, &[both]).await;
    // One may take another's subnets.
    let first = id(&bench, "aws:ec2:NetworkAcl", want.clone(), 2).await;
    let second = id(&bench, "aws:ec2:NetworkAcl", want.clone(), 3).await;
    bench.settled("aws:ec2:NetworkAcl", &second, &want).await;
    bench.deleted("aws:ec2:NetworkAcl", &first, &want).await;
    bench.deleted("aws:ec2:NetworkAcl", &second, &want).await;
}

#[tokio::test]
async fn vpc_endpoints() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let vpc = vpc(&bench).await;
    let (a, b) = (subnet(&bench, &vpc, 0).await, subnet(&bench, &vpc, 1).await);
    let table = |n: u32| id(&bench, "aws:ec2:RouteTable", json!({"vpc_id": vpc}), 120 + n);
    let (first, second) = (table(0).await, table(1).await);
    let policy = |action: &str| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}],
        })
    };
    let gateway = |tables: &[&str], action: &str| {
        json!({
            "vpc_id": vpc,
            "service_name": "com.amazonaws.us-west-2.s3",
            "vpc_endpoint_type": "Gateway",
            "route_table_ids": tables,
            "policy_document": policy(action),
            "tags": {"Name": "s3"},
        })
    };
    let changes = [gateway(&[&second], "s3:GetObject"), gateway(&[&first], "s3:GetObject"), gateway(&[&first], "s3:*")];
    let outputs = bench.life("aws:ec2:VpcEndpoint", gateway(&[&first], "s3:Put*"), &changes).await;
    assert!(outputs["prefix_list_id"].as_str().is_some_and(|id| id.starts_with("pl-")), "{outputs:?}");
    assert!(outputs["arn"].as_str().is_some_and(|arn| arn.contains(":vpc-endpoint/vpce-")), "{outputs:?}");

    // Nothing but what is needed: AWS's own policy is no difference.
    let plain = json!({"vpc_id": vpc, "service_name": "com.amazonaws.us-west-2.dynamodb", "route_table_ids": [first]});
    bench.life("aws:ec2:VpcEndpoint", plain, &[]).await;

    let group = |n: u32| {
        let want = json!({"group_name": format!("g{n}"), "description": "g", "vpc_id": vpc});
        id(&bench, "aws:ec2:SecurityGroup", want, 130 + n)
    };
    let (one, two) = (group(0).await, group(1).await);
    let interface = |subnets: &[&str], groups: &[&str]| {
        json!({
            "vpc_id": vpc,
            "service_name": "com.amazonaws.us-west-2.ssm",
            "vpc_endpoint_type": "Interface",
            "subnet_ids": subnets,
            "security_group_ids": groups,
            "private_dns_enabled": true,
        })
    };
    let changes = [interface(&[&b, &a], &[&two, &one]), interface(&[&b], &[&two])];
    let outputs = bench.life("aws:ec2:VpcEndpoint", interface(&[&a], &[&one]), &changes).await;
    let phx_model::Value::List(interfaces) = &outputs["network_interface_ids"] else { panic!("{outputs:?}") };
    assert_eq!(interfaces.len(), 1);
    assert!(!outputs.contains_key("prefix_list_id"));
}

#[tokio::test]
async fn key_pairs() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let want = json!({"key_name": "deploy", "public_key_material": format!("{ED25519} me@host"), "tags": {"a": "b"}});
    let made = bench.create("aws:ec2:KeyPair", &want, 1).await.unwrap();
    let observed = bench.settled("aws:ec2:KeyPair", &made.id, &want).await;
    assert_eq!(observed.outputs, made.outputs);
    let driver = bench.driver("aws:ec2:KeyPair");
    let found = driver.find(&bench.cx, &kit::fields(want.clone()), &kit::intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id), Some(made.id.clone()));
    let changed = json!({"key_name": "deploy", "public_key_material": ED25519, "tags": {"a": "c"}});
    bench.update("aws:ec2:KeyPair", &made.id, &want, &changed).await;
    bench.settled("aws:ec2:KeyPair", &made.id, &changed).await;
    // The name is taken, and this is another intent.
    let taken = bench.create("aws:ec2:KeyPair", &want, 2).await.unwrap_err();
    assert_eq!(taken.kind, phx_model::error::ErrorKind::AlreadyExists);
    // It deletes by name only, so deleting is left to `shapes`.
}

#[tokio::test]
async fn launch_templates() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let template = |data: Value, more: Value| {
        let mut want = json!({"launch_template_name": "web", "launch_template_data": data});
        want.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        want
    };
    let small = || json!({"instance_type": "t3.micro"});
    let full = json!({
        "image_id": "resolve:ssm:/image",
        "key_name": "deploy",
        "user_data": "#!/bin/sh\necho ü\n",
        "iam_instance_profile": {"name": "web"},
        "network_interfaces": [{
            "device_index": 0,
            "subnet_id": "subnet-1",
            "groups": ["sg-1", "sg-2"],
            "description": "first",
            "associate_public_ip_address": false,
            "delete_on_termination": true,
            "private_ip_addresses": [{"private_ip_address": "10.0.0.4", "primary": true}],
            "ipv6_addresses": ["2001:db8::1"],
            "ipv4_prefixes": ["10.0.0.16/28"],
            "ipv6_prefixes": ["2001:db8::/80"],
            "ena_srd_specification":
                {"ena_srd_enabled": true, "ena_srd_udp_specification": {"ena_srd_udp_enabled": true}},
            "connection_tracking_specification": {"tcp_established_timeout": 60},
        }],
        "block_device_mappings": [{
            "device_name": "/dev/xvda",
            "ebs": {
                "volume_size": 20,
                "volume_type": "gp3",
                "iops": 3000,
                "throughput": 125,
                "encrypted": true,
                "kms_key_id": "arn:aws:kms:us-west-2:123456789012:key/1",
                "delete_on_termination": true,
            },
        }],
        "ebs_optimized": true,
        "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 2},
        "monitoring": {"enabled": true},
        "placement": {"availability_zone": "us-west-2a", "tenancy": "default"},
        "instance_market_options": {
            "market_type": "spot",
            "spot_options": {"spot_instance_type": "one-time", "max_price": "0.05"},
        },
        "credit_specification": {"cpu_credits": "unlimited"},
        "cpu_options": {"core_count": 2, "threads_per_core": 1},
        "capacity_reservation_specification": {
            "capacity_reservation_target": {"capacity_reservation_id": "cr-1"},
        },
        "license_specifications": [{"license_configuration_arn": "arn:aws:license-manager:us-west-2:1:license-configuration:l"}],
        "hibernation_options": {"configured": true},
        "enclave_options": {"enabled": false},
        "private_dns_name_options": {"hostname_type": "resource-name", "enable_resource_name_dns_a_record": true},
        "maintenance_options": {"auto_recovery": "disabled"},
        "disable_api_termination": true,
        "disable_api_stop": false,
        "instance_initiated_shutdown_behavior": "terminate",
        "tag_specifications": [
            {"resource_type": "instance", "tags": {"Name": "web", "team": "a"}},
            {"resource_type": "volume", "tags": {"Name": "web"}},
        ],
        "instance_requirements": {
            "v_cpu_count": {"min": 2, "max": 8},
            "memory_mib": {"min": 4096},
            "memory_gib_per_v_cpu": {"min": 1.5},
            "cpu_manufacturers": ["intel", "amd"],
            "excluded_instance_types": ["t2.*"],
            "bare_metal": "excluded",
            "baseline_performance_factors": {"cpu": {"references": [{"instance_family": "c6"}]}},
        },
    });
    let first = template(full.clone(), json!({"version_description": "first", "tags": {"Name": "web"}}));
    let second = template(small(), json!({"version_description": "second", "tags": {"Name": "web"}}));
    // It shows the tags that a template was made with for ever.
    let third = template(json!({"user_data": "H4sIAAAAAAAA/w=="}), json!({"tags": {"Name": "web"}}));
    let outputs = bench.life("aws:ec2:LaunchTemplate", first.clone(), &[second, third, first]).await;
    assert_eq!(outputs["latest_version_number"], phx_model::Value::Int(1));

    // Each update makes one version, and it is the default.
    let (name, one) = ("aws:ec2:LaunchTemplate", template(small(), json!({})));
    let made = bench.create(name, &one, 2).await.unwrap();
    let two = template(json!({"instance_type": "t3.small"}), json!({}));
    bench.update(name, &made.id, &one, &two).await;
    let observed = bench.settled(name, &made.id, &two).await;
    assert_eq!(observed.outputs["default_version_number"], phx_model::Value::Int(2));
    assert_eq!(observed.outputs["latest_version_number"], phx_model::Value::Int(2));
    // What no program of this kind says is not taken for its own.
    let taken = bench.create(name, &one, 3).await.unwrap_err();
    assert_eq!(taken.kind, phx_model::error::ErrorKind::AlreadyExists);
}
