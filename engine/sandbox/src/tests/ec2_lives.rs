//! Whole lives of EC2's types, as the engine leads them.

use serde_json::{Value, json};

use super::kit::Bench;
use super::*;

pub(super) const AL2023: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
pub(super) const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ08YYEMb4ZFnIsvvIk5q2AWv1hTIhx1wfLfDgIa8MzZ";

pub(super) async fn id(bench: &Bench, name: &str, want: Value, n: u32) -> String {
    bench.create(name, &want, n).await.unwrap_or_else(|e| panic!("{name}: {e:?}")).id
}

pub(super) async fn vpc(bench: &Bench, range: &str, n: u32) -> String {
    let want = json!({"cidr_block": range, "enable_dns_support": true, "enable_dns_hostnames": true});
    id(bench, "aws:ec2:Vpc", want, n).await
}

pub(super) async fn subnet(bench: &Bench, vpc: &str, n: u32) -> String {
    let zone = ["us-west-2a", "us-west-2b", "us-west-2c"][n as usize];
    let want = json!({"vpc_id": vpc, "cidr_block": format!("10.0.{n}.0/24"), "availability_zone": zone});
    id(bench, "aws:ec2:Subnet", want, 110 + n).await
}

pub(super) async fn group(bench: &Bench, vpc: &str, n: u32) -> String {
    let want = json!({"vpc_id": vpc, "group_name": format!("g{n}"), "description": "a group"});
    id(bench, "aws:ec2:SecurityGroup", want, 130 + n).await
}

/// A field's value in place of another.
pub(super) fn with(want: &Value, field: &str, value: Value) -> Value {
    let mut want = want.clone();
    want[field] = value;
    want
}

pub(super) fn public_parameter(name: &str) -> String {
    crate::ec2::public_parameter(REGION, name).unwrap()
}

pub(super) async fn open() -> (tempfile::TempDir, Sandbox) {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    (dir, sandbox)
}

#[tokio::test]
async fn network_acls() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let (a, b) = (subnet(&bench, &vpc, 0).await, subnet(&bench, &vpc, 1).await);
    let default = ec2.describe_network_acls().filters(by("default", "true")).send().await.unwrap();
    let [default] = default.network_acls() else { panic!("{default:?}") };
    assert_eq!((default.associations().len(), default.entries().len()), (2, 4));
    let rule = |number: i32, egress: bool, more: Value| {
        let mut rule = json!({"rule_number": number, "egress": egress, "rule_action": "allow"});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let https = json!({"protocol": "tcp", "cidr_block": "0.0.0.0/0", "port_range": {"from": 443, "to": 443}});
    let high = json!({"protocol": "6", "cidr_block": "10.0.0.0/8", "port_range": {"from": 1024, "to": 65535}});
    let names = json!({"protocol": "udp", "ipv6_cidr_block": "0::/0", "port_range": {"from": 53, "to": 53}});
    let ping = json!({"protocol": "icmp", "cidr_block": "10.0.0.0/8", "icmp_type_code": {"type": 8, "code": -1}});
    let all = json!({"protocol": "-1", "cidr_block": "0.0.0.0/0", "rule_action": "deny"});
    let entries = [
        rule(100, false, https.clone()),
        rule(110, false, names),
        rule(120, false, ping),
        rule(100, true, high.clone()),
        rule(200, true, all),
    ];
    let want = json!({"vpc_id": vpc, "entries": entries, "subnet_ids": [a], "tags": {"Name": "web"}});
    let changed = json!({
        "vpc_id": vpc,
        // One taken out, one changed, one added.
        "entries": [rule(100, false, high), rule(110, true, https), entries[3], entries[4]],
        "subnet_ids": [b],
        "tags": {"Name": "web", "more": "yes"},
    });
    let both = json!({"vpc_id": vpc, "entries": changed["entries"], "subnet_ids": [b, a]});
    let bare = json!({"vpc_id": vpc});
    let outputs = bench.life("aws:ec2:NetworkAcl", want.clone(), &[changed, both.clone(), bare.clone()]).await;
    assert_eq!(outputs["owner_id"].as_str(), Some(ACCOUNT_ID));
    bench.life("aws:ec2:NetworkAcl", bare, &[both]).await;

    // One may take another's subnets.
    let first = id(&bench, "aws:ec2:NetworkAcl", want.clone(), 2).await;
    refused!(ec2.delete_network_acl().network_acl_id(&first), "DependencyViolation");
    refused!(ec2.delete_network_acl().network_acl_id(default.network_acl_id().unwrap()), "InvalidParameterValue");
    refused!(ec2.delete_vpc().vpc_id(&vpc), "DependencyViolation");
    let second = id(&bench, "aws:ec2:NetworkAcl", want.clone(), 3).await;
    bench.settled("aws:ec2:NetworkAcl", &second, &want).await;
    bench.deleted("aws:ec2:NetworkAcl", &first, &want).await;
    let entry = |number: i32| {
        let entry = ec2.create_network_acl_entry().network_acl_id(&second).rule_number(number).egress(false);
        entry.protocol("-1").rule_action(aws_sdk_ec2::types::RuleAction::Allow).cidr_block("10.0.0.0/8")
    };
    refused!(entry(100), "NetworkAclEntryAlreadyExists");
    refused!(entry(32767), "InvalidParameterValue");
    let gone = ec2.delete_network_acl_entry().network_acl_id(&second).rule_number(7).egress(false);
    refused!(gone, "InvalidNetworkAclEntry.NotFound");
    for number in 200..217 {
        entry(number).send().await.unwrap();
    }
    refused!(entry(217), "NetworkAclEntryLimitExceeded");
    bench.deleted("aws:ec2:NetworkAcl", &second, &want).await;
    // Whose subnets are the default one's again.
    let default = ec2.describe_network_acls().filters(by("association.subnet-id", &a)).send().await.unwrap();
    assert_eq!(default.network_acls()[0].is_default(), Some(true));
}

#[tokio::test]
async fn flow_logs_and_egress_only_gateways() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let gateway = |tag: &str| json!({"vpc_id": vpc, "tags": {"Name": tag}});
    bench.life("aws:ec2:EgressOnlyInternetGateway", gateway("a"), &[gateway("b"), json!({"vpc_id": vpc})]).await;

    let subnet = subnet(&bench, &vpc, 0).await;
    let role = "arn:aws:iam::000000000000:role/flow";
    let of_vpc = |tag: &str| {
        json!({
            "resource_id": vpc, "resource_type": "VPC", "traffic_type": "ALL", "log_group_name": "/flow",
            "log_destination_type": "cloud-watch-logs", "deliver_logs_permission_arn": role, "max_aggregation_interval": 60,
            "log_format": "${version} ${srcaddr}", "tags": {"Name": tag},
            "tag_field_specifications": [{"resource_type": "instance", "tag_keys": ["Name", "team"]}],
        })
    };
    bench.life("aws:ec2:FlowLog", of_vpc("a"), &[of_vpc("b")]).await;
    let by_arn = json!({
        "resource_id": vpc, "resource_type": "VPC", "traffic_type": "REJECT", "deliver_logs_permission_arn": role,
        "log_destination": "arn:aws:logs:us-west-2:000000000000:log-group:/flow:*",
    });
    bench.life("aws:ec2:FlowLog", by_arn.clone(), &[with(&by_arn, "tags", json!({"a": "b"}))]).await;
    let to_bucket = json!({
        "resource_id": subnet, "resource_type": "Subnet", "traffic_type": "ACCEPT", "log_destination_type": "s3",
        "log_destination": "arn:aws:s3:::logs/flow/", "destination_options": {"file_format": "parquet", "per_hour_partition": true},
    });
    bench.life("aws:ec2:FlowLog", to_bucket.clone(), &[]).await;

    // The same resource and destination twice, a resource that is not there, and a call without a role.
    let log = bench.create("aws:ec2:FlowLog", &of_vpc("a"), 3).await.unwrap();
    let again = bench.create("aws:ec2:FlowLog", &of_vpc("a"), 4).await.unwrap_err();
    assert_eq!(again.kind, phx_model::error::ErrorKind::AlreadyExists, "{again}");
    let roleless = ec2.create_flow_logs().resource_ids(&vpc).resource_type("VPC".into()).traffic_type("ALL".into());
    refused!(roleless.log_group_name("/other"), "InvalidParameter");
    let answer = ec2.delete_flow_logs().flow_log_ids("fl-none").send().await.unwrap();
    assert_eq!(answer.unsuccessful()[0].error().unwrap().code(), Some("InvalidFlowLogId.NotFound"));
    // A VPC takes its flow logs along, but no gateway.
    let gateway = id(&bench, "aws:ec2:EgressOnlyInternetGateway", gateway("a"), 5).await;
    ec2.delete_subnet().subnet_id(&subnet).send().await.unwrap();
    refused!(ec2.delete_vpc().vpc_id(&vpc), "DependencyViolation");
    ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(&gateway).send().await.unwrap();
    ec2.delete_vpc().vpc_id(&vpc).send().await.unwrap();
    assert!(ec2.describe_flow_logs().send().await.unwrap().flow_logs().is_empty(), "{}", log.id);
}

#[tokio::test]
async fn vpc_endpoints() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let name = "aws:ec2:VpcEndpoint";
    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
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
            "vpc_id": vpc, "service_name": "com.amazonaws.us-west-2.s3", "vpc_endpoint_type": "Gateway", "route_table_ids": tables,
            "policy_document": policy(action), "tags": {"Name": "s3"},
        })
    };
    let mut plain = gateway(&[&first, &second], "s3:*");
    plain.as_object_mut().unwrap().remove("policy_document");
    let changes =
        [gateway(&[&second], "s3:GetObject"), gateway(&[&first], "s3:GetObject"), gateway(&[&first], "s3:*"), plain];
    let outputs = bench.life(name, gateway(&[&first], "s3:Put*"), &changes).await;
    assert!(outputs["arn"].as_str().is_some_and(|arn| arn.contains(":vpc-endpoint/vpce-")), "{outputs:?}");

    let plain = json!({"vpc_id": vpc, "service_name": "com.amazonaws.us-west-2.dynamodb", "route_table_ids": [first]});
    let made = bench.create(name, &plain, 2).await.unwrap();
    assert_eq!(made.outputs["prefix_list_id"].as_str(), Some("pl-00a54069"));
    let routes = ec2.describe_route_tables().route_table_ids(&first).send().await.unwrap();
    let route =
        routes.route_tables()[0].routes().iter().find(|r| r.destination_prefix_list_id() == Some("pl-00a54069"));
    assert_eq!(route.unwrap().gateway_id(), Some(made.id.as_str()));
    refused!(
        ec2.delete_route().route_table_id(&first).destination_prefix_list_id("pl-00a54069"),
        "InvalidParameterValue"
    );
    let twice = ec2.create_vpc_endpoint().vpc_id(&vpc).service_name("com.amazonaws.us-west-2.dynamodb");
    refused!(twice.clone().route_table_ids(&first), "RouteAlreadyExists");
    refused!(twice.clone().service_name("com.amazonaws.us-west-2.none"), "InvalidServiceName");
    refused!(twice.route_table_ids("rtb-none"), "InvalidRouteTableID.NotFound");
    // A table that goes leaves the endpoint.
    ec2.delete_route_table().route_table_id(&first).send().await.unwrap();
    let shown = ec2.describe_vpc_endpoints().vpc_endpoint_ids(&made.id).send().await.unwrap();
    assert!(shown.vpc_endpoints()[0].route_table_ids().is_empty());
    refused!(ec2.delete_vpc().vpc_id(&vpc), "DependencyViolation");
    bench.deleted(name, &made.id, &plain).await;

    let (one, two) = (group(&bench, &vpc, 0).await, group(&bench, &vpc, 1).await);
    let interface = |subnets: &[&str], groups: &[&str], private: bool| {
        json!({
            "vpc_id": vpc, "service_name": "com.amazonaws.us-west-2.ecr.api", "vpc_endpoint_type": "Interface", "subnet_ids": subnets,
            "security_group_ids": groups, "private_dns_enabled": private, "tags": {"Name": "ecr"},
        })
    };
    let changes = [interface(&[&b, &a], &[&two, &one], false), interface(&[&b], &[&two], true)];
    let outputs = bench.life(name, interface(&[&a], &[&one], true), &changes).await;
    let texts = |field: &str| match &outputs[field] {
        phx_model::Value::List(items) => items.iter().map(|i| i.as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(texts("network_interface_ids").len(), 1);
    assert!(texts("dns_names").contains(&"api.ecr.us-west-2.amazonaws.com".to_owned()), "{outputs:?}");
    assert!(texts("dns_names")[1].contains("-us-west-2a.api.ecr.us-west-2.vpce.amazonaws.com"), "{outputs:?}");
    assert!(!outputs.contains_key("prefix_list_id"));

    let placed = json!({
        "vpc_id": vpc, "service_name": "com.amazonaws.us-west-2.sts", "vpc_endpoint_type": "Interface", "subnet_ids": [a],
        "security_group_ids": [one], "subnet_configurations": [{"subnet_id": a, "ipv4": "10.0.0.50"}],
    });
    let moved = with(&placed, "subnet_configurations", json!([{"subnet_id": a, "ipv4": "10.0.0.60"}]));
    bench.life(name, placed.clone(), &[moved]).await;

    // Its interfaces hold subnet and group; one of a VPC's endpoints has the service's name.
    let held = bench.create(name, &interface(&[&a], &[&one], true), 3).await.unwrap();
    refused!(ec2.delete_subnet().subnet_id(&a), "DependencyViolation");
    refused!(ec2.delete_security_group().group_id(&one), "DependencyViolation");
    let second = bench.create(name, &interface(&[&b], &[&one], true), 4).await.unwrap_err();
    assert!(second.message.contains("conflicting DNS domain"), "{second}");
    let found = ec2.describe_network_interfaces().filters(by("group-id", &one)).send().await.unwrap();
    assert!(found.network_interfaces()[0].description().unwrap().contains(&held.id));
    bench.deleted(name, &held.id, &interface(&[&a], &[&one], true)).await;
    ec2.delete_subnet().subnet_id(&a).send().await.unwrap();

    let services = ec2.describe_vpc_endpoint_services().filters(by("service-type", "Gateway")).send().await.unwrap();
    assert_eq!(services.service_names(), ["com.amazonaws.us-west-2.dynamodb", "com.amazonaws.us-west-2.s3"]);
    let lists = ec2.describe_prefix_lists().send().await.unwrap();
    assert_eq!((lists.prefix_lists().len(), lists.prefix_lists()[0].cidrs().len()), (2, 2));
}

#[tokio::test]
async fn what_vpcs_refer_to() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let options = |tag: &str| {
        json!({
            "domain_name": "example.org", "domain_name_servers": ["10.0.0.2", "10.0.0.3"], "ntp_servers": ["10.0.0.4"],
            "netbios_name_servers": ["10.0.0.5"], "netbios_node_type": 2, "ipv6_address_preferred_lease_time": 300, "tags": {"Name": tag},
        })
    };
    bench.life("aws:ec2:DhcpOptions", options("a"), &[options("b")]).await;
    let (one, two) = (vpc(&bench, "10.0.0.0/16", 100).await, vpc(&bench, "10.1.0.0/16", 101).await);
    let a = id(&bench, "aws:ec2:DhcpOptions", json!({"domain_name": "a.example.org"}), 10).await;
    let b = id(&bench, "aws:ec2:DhcpOptions", json!({"domain_name": "b.example.org"}), 11).await;
    let of = |options: &str| json!({"vpc_id": one, "dhcp_options_id": options});
    bench.life("aws:ec2:VpcDhcpOptionsAssociation", of(&a), &[of(&b), of(&a)]).await;
    ec2.associate_dhcp_options().vpc_id(&one).dhcp_options_id(&a).send().await.unwrap();
    refused!(ec2.delete_dhcp_options().dhcp_options_id(&a), "DependencyViolation");

    let key = |tag: &str| json!({"key_name": "deploy", "public_key_material": format!("{ED25519} {tag}"), "tags": {"a": tag}});
    bench.life("aws:ec2:KeyPair", key("one"), &[key("two")]).await;

    let list = |name: &str, most: u32, entries: Value| json!({"prefix_list_name": name, "address_family": "IPv4", "max_entries": most, "entries": entries, "tags": {"Name": name}});
    let first = list("offices", 2, json!([{"cidr": "10.0.0.0/8", "description": "inside"}, {"cidr": "192.0.2.0/24"}]));
    let second =
        list("offices", 3, json!([{"cidr": "10.0.0.0/8", "description": "ours"}, {"cidr": "198.51.100.0/24"}]));
    let third = list("branches", 1, json!([{"cidr": "198.51.100.0/24"}]));
    bench.life("aws:ec2:ManagedPrefixList", first.clone(), &[second, third]).await;
    let prefixes = id(&bench, "aws:ec2:ManagedPrefixList", first, 3).await;
    let group = group(&bench, &one, 1).await;
    let rule = |list: &str| json!({"group_id": group, "ip_protocol": "tcp", "from_port": 443, "to_port": 443, "prefix_list_id": list});
    bench.life("aws:ec2:SecurityGroupEgressRule", rule("pl-68a54001"), &[]).await;
    let held = id(&bench, "aws:ec2:SecurityGroupIngressRule", rule(&prefixes), 4).await;
    refused!(ec2.delete_managed_prefix_list().prefix_list_id(&prefixes), "DependencyViolation");
    bench.deleted("aws:ec2:SecurityGroupIngressRule", &held, &rule(&prefixes)).await;
    refused!(
        ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(
            IpPermission::builder()
                .ip_protocol("-1")
                .prefix_list_ids(aws_sdk_ec2::types::PrefixListId::builder().prefix_list_id("pl-none").build())
                .build()
        ),
        "InvalidPrefixListID.NotFound"
    );

    let customer =
        |tag: &str| json!({"type": "ipsec.1", "bgp_asn": 65010, "ip_address": "192.0.2.1", "tags": {"Name": tag}});
    bench.life("aws:ec2:CustomerGateway", customer("a"), &[customer("b")]).await;
    let private = |vpc: Option<&str>, tag: &str| json!({"type": "ipsec.1", "amazon_side_asn": 64620, "vpc_id": vpc, "tags": {"Name": tag}});
    let changes = [private(Some(&two), "a"), private(None, "b"), private(Some(&one), "b")];
    bench.life("aws:ec2:VpnGateway", private(Some(&one), "a"), &changes).await;
    let (cgw, vgw) = (
        id(&bench, "aws:ec2:CustomerGateway", customer("a"), 20).await,
        id(&bench, "aws:ec2:VpnGateway", private(Some(&one), "a"), 21).await,
    );
    let vpn = |routes: Value, lifetime: u32| {
        json!({
            "type": "ipsec.1", "customer_gateway_id": cgw, "vpn_gateway_id": vgw, "static_routes_only": true, "routes": routes,
            "options": {"tunnel_options": [
                {"tunnel_inside_cidr": "169.254.100.0/30", "phase1_lifetime_seconds": lifetime, "ike_versions": ["ikev2"],
                 "dpd_timeout_seconds": 40, "phase1_dh_group_numbers": [14, 20]},
                {"tunnel_inside_cidr": "169.254.101.0/30"},
            ]},
            "tags": {"Name": "office"},
        })
    };
    let changes = [vpn(json!(["198.51.100.0/24", "203.0.113.0/24"]), 3600), vpn(Value::Null, 3600)];
    bench.life("aws:ec2:VpnConnection", vpn(json!(["192.0.2.0/24"]), 7200), &changes).await;
    let held = id(&bench, "aws:ec2:VpnConnection", vpn(Value::Null, 7200), 22).await;
    refused!(ec2.delete_customer_gateway().customer_gateway_id(&cgw), "IncorrectState");
    refused!(ec2.delete_vpn_gateway().vpn_gateway_id(&vgw), "DependencyViolation");
    refused!(ec2.delete_vpc().vpc_id(&one), "DependencyViolation");
    bench.deleted("aws:ec2:VpnConnection", &held, &vpn(Value::Null, 7200)).await;

    let peering = |dns: bool, tag: &str| {
        json!({
            "vpc_id": one, "peer_vpc_id": two, "auto_accept": true, "tags": {"Name": tag},
            "requester_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": dns},
            "accepter_peering_connection_options": {"allow_dns_resolution_from_remote_vpc": !dns},
        })
    };
    bench.life("aws:ec2:VpcPeeringConnection", peering(true, "a"), &[peering(false, "b")]).await;
    let same = vpc(&bench, "10.0.0.0/16", 102).await;
    let overlapping =
        bench.create("aws:ec2:VpcPeeringConnection", &json!({"vpc_id": one, "peer_vpc_id": same}), 30).await;
    assert!(overlapping.unwrap_err().message.contains("overlapping CIDR range"));
}

#[tokio::test]
async fn what_can_be_looked_up() {
    let (_dir, sandbox) = open().await;
    let ec2 = Clients::new(&sandbox).ec2;
    let zones = ec2.describe_availability_zones().filters(by("state", "available")).send().await.unwrap();
    let names: Vec<_> =
        zones.availability_zones().iter().map(|z| (z.zone_name().unwrap(), z.zone_id().unwrap())).collect();
    assert_eq!(names[..2], [("us-west-2a", "usw2-az1"), ("us-west-2b", "usw2-az2")]);
    let one = ec2.describe_availability_zones().zone_names("us-west-2c").send().await.unwrap();
    assert_eq!(one.availability_zones()[0].zone_id(), Some("usw2-az3"));
    refused!(ec2.describe_availability_zones().zone_names("us-west-2z"), "InvalidParameterValue");

    let images = ec2.describe_images().owners("amazon").filters(by("name", "al2023-ami-2023.*-x86_64"));
    let images = images.filters(by("architecture", "x86_64")).filters(by("state", "available")).send().await.unwrap();
    let latest = images.images().iter().max_by_key(|image| image.creation_date().unwrap()).unwrap();
    assert_eq!((images.images().len(), latest.image_id()), (2, Some(&*public_parameter(AL2023))));
    assert_eq!(latest.root_device_name(), Some("/dev/xvda"));
    let ubuntu =
        ec2.describe_images().owners("099720109477").filters(by("name", "ubuntu/images/hvm-ssd-gp3/*-arm64-*"));
    assert_eq!(ubuntu.send().await.unwrap().images().len(), 2);
    let again = ec2.describe_images().image_ids(public_parameter(AL2023)).send().await.unwrap();
    assert_eq!(again.images()[0].owner_id(), Some("137112412989"));
    refused!(ec2.describe_images().image_ids("ami-00000000"), "InvalidAMIID.NotFound");
    assert!(ec2.describe_images().owners("self").send().await.unwrap().images().is_empty());
}
