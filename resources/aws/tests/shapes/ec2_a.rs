//! Network ACLs, VPC endpoints, flow logs, egress-only gateways, key pairs and launch templates; of VPCs, subnets and security groups what
//! `wire` does not have.

mod launch_templates;
mod vpc_endpoints;

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use phx_model::value::{Value, ValueMap};
use serde_json::json;

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

/// An answer of EC2's, and what stands in it.
fn xml(request: &Request, inside: &str) -> Answer {
    let operation = &request.operation;
    Answer::Xml(format!("<{operation}Response>{inside}</{operation}Response>"))
}

fn parameter<'a>(request: &'a Request, name: &str) -> &'a str {
    request.body[name].as_str().unwrap_or_default()
}

/// The tags of an object that an intent made.
fn tags(n: u32) -> String {
    format!("<tagSet><item><key>phx:intent</key><value>{}</value></item></tagSet>", intent(n))
}

fn items(ids: impl Iterator<Item = usize>, one: impl Fn(usize) -> String) -> String {
    ids.map(|n| format!("<item>{}</item>", one(n))).collect()
}

/// Reads 100 objects with these ids, all of which must be there.
async fn read_hundred(bench: &Bench, name: &str, prefix: &str, inputs: &serde_json::Value) -> Vec<String> {
    let ids: Vec<String> = (0..100).map(|n| format!("{prefix}-{n}")).collect();
    let inputs = fields(inputs.clone());
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    for read in bench.read(name, &targets).await {
        assert!(matches!(read, Read::Present(_)), "{read:?}");
    }
    bench.operations()
}

/// A create whose answer is lost is not repeated, and its object is found.
async fn found_after_loss(bench: &Bench, name: &str, want: &serde_json::Value, id: &str) {
    let driver = bench.driver(name);
    let lost = driver.create(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap_err();
    assert_eq!(lost.kind, ErrorKind::Ambiguous, "{lost}");
    assert_eq!(bench.operations().len(), 1);
    let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some(id));
    // Endpoints that ignore filters show other intents' objects too.
    assert!(driver.find(&bench.cx, &fields(want.clone()), &intent(2)).await.unwrap().is_none());
}

fn gone(read: &Read) -> bool {
    matches!(read, Read::Gone)
}

fn observed(read: Read) -> phx_model::driver::Observed {
    match read {
        Read::Present(observed) => observed,
        other => panic!("{other:?}"),
    }
}

// Egress-only internet gateways.

fn eigw(id: &str, state: &str) -> String {
    format!(
        "<egressOnlyInternetGatewayId>{id}</egressOnlyInternetGatewayId><attachmentSet><item><vpcId>vpc-1</vpcId>\
         <state>{state}</state></item></attachmentSet>{}",
        tags(1)
    )
}

#[tokio::test]
async fn a_hundred_egress_only_gateways_take_a_call() {
    let bench = scripted(|request, _| {
        let all = items(0..120, |n| eigw(&format!("eigw-{n}"), "attached"));
        xml(request, &format!("<egressOnlyInternetGatewaySet>{all}</egressOnlyInternetGatewaySet>"))
    });
    let name = "aws:ec2:EgressOnlyInternetGateway";
    let operations = read_hundred(&bench, name, "eigw", &json!({"vpc_id": "vpc-1"})).await;
    assert_eq!(operations, ["DescribeEgressOnlyInternetGateways"]);
    // By ids, one that is gone would fail all.
    assert!(bench.requests()[0].body.get("EgressOnlyInternetGatewayId.1").is_none());
    assert!(gone(&bench.read(name, &[("eigw-999", &ValueMap::new())]).await[0]));
}

#[tokio::test]
async fn an_egress_only_gateway_is_waited_for_and_found_again() {
    let name = "aws:ec2:EgressOnlyInternetGateway";
    let want = json!({"vpc_id": "vpc-1"});
    let bench = scripted(|request, n| match request.operation.as_str() {
        "CreateEgressOnlyInternetGateway" => {
            let gateway = eigw("eigw-1", "attaching");
            xml(request, &format!("<egressOnlyInternetGateway>{gateway}</egressOnlyInternetGateway>"))
        }
        _ => {
            let gateway = eigw("eigw-1", if n < 3 { "attaching" } else { "attached" });
            let set = format!("<egressOnlyInternetGatewaySet><item>{gateway}</item></egressOnlyInternetGatewaySet>");
            xml(request, &set)
        }
    });
    bench.create(name, &want, 1).await.unwrap();
    assert_eq!(bench.operations().len(), 4);
    assert_eq!(parameter(&bench.requests()[0], "ClientToken").len(), 64);

    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => {
            let gateway = eigw("eigw-1", "attached");
            let set = format!("<egressOnlyInternetGatewaySet><item>{gateway}</item></egressOnlyInternetGatewaySet>");
            xml(request, &set)
        }
    });
    found_after_loss(&bench, name, &want, "eigw-1").await;
}

// Key pairs.

fn key_pair(id: &str, key: &str) -> String {
    format!(
        "<keyPairId>{id}</keyPairId><keyName>deploy</keyName><keyFingerprint>aa:bb</keyFingerprint>\
         <publicKey>{key}</publicKey>{}",
        tags(1)
    )
}

#[tokio::test]
async fn a_hundred_key_pairs_take_a_call() {
    let bench = scripted(|request, _| {
        xml(request, &format!("<keySet>{}</keySet>", items(0..100, |n| key_pair(&format!("key-{n}"), "ssh-rsa AA"))))
    });
    let want = json!({"key_name": "deploy", "public_key_material": "ssh-rsa AA"});
    assert_eq!(read_hundred(&bench, "aws:ec2:KeyPair", "key", &want).await, ["DescribeKeyPairs"]);
    assert_eq!(parameter(&bench.requests()[0], "IncludePublicKey"), "true");
}

#[tokio::test]
async fn a_key_pair_is_found_again_and_deleted_by_its_id() {
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ if request.operation == "DeleteKeyPair" => Answer::XmlError(400, "InvalidKeyPair.NotFound"),
        _ => xml(request, &format!("<keySet><item>{}</item></keySet>", key_pair("key-1", "ssh-rsa AA deploy\n"))),
    });
    let name = "aws:ec2:KeyPair";
    let want = json!({"key_name": "deploy", "public_key_material": "ssh-rsa  AA me@host"});
    found_after_loss(&bench, name, &want, "key-1").await;
    // The comment is AWS's own, and no difference.
    bench.settled(name, "key-1", &want).await;
    // Base64 of DER does not compare with what AWS shows; nothing can have changed it.
    bench.settled(name, "key-1", &json!({"key_name": "deploy", "public_key_material": "MIIBIjANBg=="})).await;
    bench.driver(name).delete(&bench.cx, "key-1", &fields(want)).await.unwrap();
    let last = bench.requests().pop().unwrap();
    assert_eq!((parameter(&last, "KeyPairId"), parameter(&last, "KeyName")), ("key-1", ""));
}

// Flow logs.

fn flow_log(id: &str, more: &str) -> String {
    format!(
        "<flowLogId>{id}</flowLogId><resourceId>vpc-1</resourceId><trafficType>ALL</trafficType>\
         <flowLogStatus>ACTIVE</flowLogStatus><logDestinationType>s3</logDestinationType>\
         <logDestination>arn:aws:s3:::logs</logDestination><maxAggregationInterval>600</maxAggregationInterval>{more}{}",
        tags(1)
    )
}

fn flow_logs(request: &Request, log: &str) -> Answer {
    xml(request, &format!("<flowLogSet><item>{log}</item></flowLogSet>"))
}

#[tokio::test]
async fn a_hundred_flow_logs_take_a_call() {
    let bench = scripted(|request, _| {
        xml(request, &format!("<flowLogSet>{}</flowLogSet>", items(0..100, |n| flow_log(&format!("fl-{n}"), ""))))
    });
    let want = json!({"resource_id": "vpc-1", "resource_type": "VPC"});
    assert_eq!(read_hundred(&bench, "aws:ec2:FlowLog", "fl", &want).await, ["DescribeFlowLogs"]);
}

#[tokio::test]
async fn a_flow_logs_options_are_sent_and_read() {
    let want = json!({
        "resource_id": "vpc-1",
        "resource_type": "VPC",
        "traffic_type": "ALL",
        "log_destination_type": "s3",
        "log_destination": "arn:aws:s3:::logs",
        "deliver_cross_account_role": "arn:aws:iam::123456789012:role/across",
        "destination_options": {"file_format": "parquet"},
        "tag_field_specifications": [{"resource_type": "instance", "tag_keys": ["b", "a"]}],
    });
    let more = "<deliverCrossAccountRole>arn:aws:iam::123456789012:role/across</deliverCrossAccountRole>\
        <destinationOptions><fileFormat>parquet</fileFormat><hiveCompatiblePartitions>false</hiveCompatiblePartitions>\
        <perHourPartition>false</perHourPartition></destinationOptions><tagFieldSpecificationSet><item>\
        <resourceType>instance</resourceType><tagKeySet><item>a</item><item>b</item></tagKeySet></item>\
        </tagFieldSpecificationSet>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateFlowLogs" => xml(request, "<flowLogIdSet><item>fl-1</item></flowLogIdSet><unsuccessful/>"),
        _ => flow_logs(request, &flow_log("fl-1", more)),
    });
    let made = bench.create("aws:ec2:FlowLog", &want, 1).await.unwrap();
    bench.settled("aws:ec2:FlowLog", &made.id, &want).await;
    let sent = &bench.requests()[0];
    assert_eq!(parameter(sent, "ResourceId.1"), "vpc-1");
    assert_eq!(parameter(sent, "DestinationOptions.FileFormat"), "parquet");
    assert_eq!(parameter(sent, "DeliverCrossAccountRole"), "arn:aws:iam::123456789012:role/across");
    assert_eq!(parameter(sent, "ClientToken").len(), 64);
}

#[tokio::test]
async fn a_refused_flow_log_is_an_error_and_a_new_role_is_waited_for() {
    let refusal = |code: &str, message: &str| {
        format!(
            "<flowLogIdSet/><unsuccessful><item><resourceId>vpc-1</resourceId><error><code>{code}</code>\
             <message>{message}</message></error></item></unsuccessful>"
        )
    };
    let name = "aws:ec2:FlowLog";
    let want = json!({"resource_id": "vpc-1", "resource_type": "VPC", "log_group_name": "flow"});
    let bench = scripted(move |request, n| match n {
        0 => xml(request, &refusal("InvalidParameter", "Unable to assume given IAM role")),
        1 => xml(request, "<flowLogIdSet><item>fl-1</item></flowLogIdSet><unsuccessful/>"),
        2 => xml(request, &refusal("FlowLogAlreadyExists", "There is one")),
        3 => Answer::XmlError(400, "LogDestinationNotFoundException"),
        _ => xml(request, &refusal("InvalidFlowLogId.NotFound", "no")),
    });
    assert_eq!(bench.create(name, &want, 1).await.unwrap().id, "fl-1");
    let there = bench.create(name, &want, 2).await.unwrap_err();
    assert_eq!(there.kind, ErrorKind::AlreadyExists);
    assert!(there.message.contains("There is one") && there.hint.is_some(), "{there}");
    assert!(bench.create(name, &want, 3).await.is_err());
    bench.driver(name).delete(&bench.cx, "fl-1", &fields(want)).await.unwrap();
}

#[tokio::test]
async fn a_flow_log_is_found_again() {
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => flow_logs(request, &flow_log("fl-1", "")),
    });
    let want = json!({"resource_id": "vpc-1", "resource_type": "VPC"});
    found_after_loss(&bench, "aws:ec2:FlowLog", &want, "fl-1").await;
}

// Network ACLs.

fn acl(id: &str, default: bool, entries: &str, subnets: &[(&str, &str)]) -> String {
    let associations: String = subnets
        .iter()
        .map(|(association, subnet)| {
            format!(
                "<item><networkAclAssociationId>{association}</networkAclAssociationId><networkAclId>{id}</networkAclId>\
                 <subnetId>{subnet}</subnetId></item>"
            )
        })
        .collect();
    let last = entry(32767, true, "deny") + &entry(32767, false, "deny") + &entry(32768, false, "deny");
    format!(
        "<networkAclId>{id}</networkAclId><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><default>{default}</default>\
         <entrySet>{entries}{last}</entrySet><associationSet>{associations}</associationSet>{}",
        tags(1)
    )
}

fn entry(number: i32, egress: bool, action: &str) -> String {
    format!(
        "<item><ruleNumber>{number}</ruleNumber><protocol>-1</protocol><ruleAction>{action}</ruleAction>\
         <egress>{egress}</egress><cidrBlock>0.0.0.0/0</cidrBlock></item>"
    )
}

fn acls(request: &Request, all: &[String]) -> Answer {
    let all: String = all.iter().map(|acl| format!("<item>{acl}</item>")).collect();
    xml(request, &format!("<networkAclSet>{all}</networkAclSet>"))
}

fn everything(number: i32, egress: bool) -> serde_json::Value {
    json!({
        "rule_number": number,
        "egress": egress,
        "rule_action": "allow",
        "protocol": "-1",
        "cidr_block": "0.0.0.0/0",
    })
}

#[tokio::test]
async fn a_hundred_network_acls_take_a_call() {
    let bench = scripted(|request, _| {
        let all: Vec<String> =
            (0..100).map(|n| acl(&format!("acl-{n}"), false, &entry(1, true, "allow"), &[("a", "subnet-1")])).collect();
        acls(request, &all)
    });
    let want = json!({"vpc_id": "vpc-1", "entries": [everything(1, true)], "subnet_ids": ["subnet-1"]});
    assert_eq!(read_hundred(&bench, "aws:ec2:NetworkAcl", "acl", &want).await, ["DescribeNetworkAcls"]);
    // The entries that AWS adds are nobody's.
    bench.settled("aws:ec2:NetworkAcl", "acl-1", &want).await;
}

#[tokio::test]
async fn a_network_acl_that_is_gone_does_not_hide_the_others() {
    let bench = scripted(|request, _| match parameter(request, "NetworkAclId.1") {
        "" => acls(request, &[acl("acl-1", false, "", &[]), acl("acl-9", true, "", &[])]),
        _ => Answer::XmlError(400, "InvalidNetworkAclID.NotFound"),
    });
    let inputs = fields(json!({"vpc_id": "vpc-1"}));
    let read = bench.read("aws:ec2:NetworkAcl", &[("acl-1", &inputs), ("acl-2", &inputs)]).await;
    assert!(matches!(read[0], Read::Present(_)) && gone(&read[1]), "{read:?}");
    assert_eq!(bench.operations().len(), 2);
    // A single one needs no second look.
    assert!(gone(&bench.read("aws:ec2:NetworkAcl", &[("acl-2", &inputs)]).await[0]));
    assert_eq!(bench.operations().len(), 3);
}

#[tokio::test]
async fn the_kind_of_an_icmp_message_is_sent_and_read() {
    let ping = "<item><ruleNumber>7</ruleNumber><protocol>58</protocol><ruleAction>allow</ruleAction><egress>false</egress>\
        <ipv6CidrBlock>::/0</ipv6CidrBlock><icmpTypeCode><code>-1</code><type>128</type></icmpTypeCode></item>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateNetworkAcl" => xml(request, &format!("<networkAcl>{}</networkAcl>", acl("acl-1", false, "", &[]))),
        "DescribeNetworkAcls" => acls(request, &[acl("acl-1", false, ping, &[])]),
        _ => xml(request, "<return>true</return>"),
    });
    let want = json!({"vpc_id": "vpc-1", "entries": [{
        "rule_number": 7,
        "egress": false,
        "rule_action": "allow",
        "protocol": "icmpv6",
        "ipv6_cidr_block": "0::/0",
        "icmp_type_code": {"type": 128, "code": -1},
    }]});
    // It is there already: a create that is finished again changes nothing.
    bench.create("aws:ec2:NetworkAcl", &want, 1).await.unwrap();
    assert_eq!(bench.operations(), ["CreateNetworkAcl", "DescribeNetworkAcls"]);
    bench.settled("aws:ec2:NetworkAcl", "acl-1", &want).await;
    // And a change of it is sent whole.
    let mut other = want.clone();
    other["entries"][0]["icmp_type_code"] = json!({"type": 129, "code": 0});
    bench.update("aws:ec2:NetworkAcl", "acl-1", &want, &other).await;
    let sent = bench.requests().pop().unwrap();
    assert_eq!(sent.operation, "ReplaceNetworkAclEntry");
    assert_eq!((parameter(&sent, "Icmp.Type"), parameter(&sent, "Icmp.Code")), ("129", "0"));
    assert_eq!((parameter(&sent, "Protocol"), parameter(&sent, "Egress")), ("58", "false"));
}

#[tokio::test]
async fn a_network_acl_is_found_again() {
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => acls(request, &[acl("acl-1", false, "", &[])]),
    });
    let want = json!({"vpc_id": "vpc-1", "entries": [everything(1, true)]});
    found_after_loss(&bench, "aws:ec2:NetworkAcl", &want, "acl-1").await;
}

#[tokio::test]
async fn a_full_network_acl_gives_up_old_entries_first() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeNetworkAcls" => {
            acls(request, &[acl("acl-1", false, &(entry(1, true, "allow") + &entry(2, true, "deny")), &[])])
        }
        // Full until something is deleted.
        "CreateNetworkAclEntry" if parameter(request, "RuleNumber") == "3" => {
            Answer::XmlError(400, "NetworkAclEntryLimitExceeded")
        }
        _ => xml(request, "<return>true</return>"),
    });
    let (name, driver) = ("aws:ec2:NetworkAcl", bench.driver("aws:ec2:NetworkAcl"));
    let have = json!({"vpc_id": "vpc-1", "entries": [everything(1, true)]});
    let want = json!({"vpc_id": "vpc-1", "entries": [everything(2, true), everything(4, true)]});
    // With room, what is new comes before what is old goes.
    bench.update(name, "acl-1", &have, &want).await;
    let last = |n: usize| bench.operations().split_off(bench.operations().len() - n);
    assert_eq!(last(3), ["ReplaceNetworkAclEntry", "CreateNetworkAclEntry", "DeleteNetworkAclEntry"]);
    // Without, the other way round; and when there is still none, it is an error.
    let full = json!({"vpc_id": "vpc-1", "entries": [everything(3, true)]});
    let change = [(
        "entries".to_owned(),
        phx_model::driver::Delta { before: Value::Null, after: fields(full.clone())["entries"].clone() },
    )];
    let error = driver.update(&bench.cx, "acl-1", &fields(full), &change.into()).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("NetworkAclEntryLimitExceeded"));
    let mut tail = last(4);
    tail.sort();
    assert_eq!(
        tail,
        ["CreateNetworkAclEntry", "CreateNetworkAclEntry", "DeleteNetworkAclEntry", "DeleteNetworkAclEntry"]
    );
}

#[tokio::test]
async fn two_entries_in_one_place_are_refused() {
    let bench = scripted(|request, _| xml(request, ""));
    let twice = [everything(1, true), everything(1, false), everything(1, true)];
    let want = json!({"vpc_id": "vpc-1", "entries": twice});
    let refused = bench.create("aws:ec2:NetworkAcl", &want, 1).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert!(refused.message.contains("leaving traffic") && bench.operations().is_empty(), "{refused}");
}

#[tokio::test]
async fn entries_and_associations_that_changed_meanwhile_are_no_obstacle() {
    let associated = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateNetworkAcl" => xml(request, &format!("<networkAcl>{}</networkAcl>", acl("acl-1", false, "", &[]))),
        // Made by a call whose answer was lost.
        "CreateNetworkAclEntry" => Answer::XmlError(400, "NetworkAclEntryAlreadyExists"),
        "ReplaceNetworkAclAssociation" => match associated.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::XmlError(400, "InvalidAssociationID.NotFound"),
            _ => xml(request, "<newAssociationId>aclassoc-3</newAssociationId>"),
        },
        "DescribeNetworkAcls" => {
            let mine = acl("acl-1", false, "", &[]);
            // Another association by the second look.
            let id = if associated.load(Ordering::Relaxed) == 0 { "aclassoc-1" } else { "aclassoc-2" };
            acls(request, &[mine, acl("acl-0", true, "", &[(id, "subnet-1"), ("aclassoc-9", "subnet-9")])])
        }
        _ => xml(request, "<return>true</return>"),
    });
    let want = json!({"vpc_id": "vpc-1", "entries": [everything(1, true)], "subnet_ids": ["subnet-1"]});
    bench.create("aws:ec2:NetworkAcl", &want, 1).await.unwrap();
    assert!(bench.operations().contains(&"ReplaceNetworkAclEntry".to_owned()));
    let moves = bench.requests().into_iter().filter(|r| r.operation == "ReplaceNetworkAclAssociation");
    let moves: Vec<String> = moves.map(|r| parameter(&r, "AssociationId").to_owned()).collect();
    assert_eq!(moves, ["aclassoc-1", "aclassoc-2"]);
}

#[tokio::test]
async fn a_deleted_network_acl_leaves_its_subnets_to_the_default_one() {
    let moved = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "ReplaceNetworkAclAssociation" => {
            moved.fetch_add(1, Ordering::Relaxed);
            xml(request, "<newAssociationId>aclassoc-2</newAssociationId>")
        }
        "DescribeNetworkAcls" => {
            let left: &[(&str, &str)] =
                if moved.load(Ordering::Relaxed) == 0 { &[("aclassoc-1", "subnet-1")] } else { &[] };
            acls(request, &[acl("acl-1", false, "", left), acl("acl-0", true, "", &[])])
        }
        _ => xml(request, "<return>true</return>"),
    });
    bench.driver("aws:ec2:NetworkAcl").delete(&bench.cx, "acl-1", &ValueMap::new()).await.unwrap();
    let moves = bench.requests().into_iter().find(|r| r.operation == "ReplaceNetworkAclAssociation").unwrap();
    assert_eq!((parameter(&moves, "AssociationId"), parameter(&moves, "NetworkAclId")), ("aclassoc-1", "acl-0"));
    assert_eq!(bench.operations().pop().as_deref(), Some("DeleteNetworkAcl"));
}

// Security groups, VPCs and subnets.

#[tokio::test]
async fn a_new_groups_own_rules_are_taken_away_before_they_are_listed() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "CreateSecurityGroup" => xml(request, "<return>true</return><groupId>sg-1</groupId>"),
        "DescribeSecurityGroupRules" => xml(request, "<securityGroupRuleSet/>"),
        // A VPC without IPv6 has one such rule.
        _ if parameter(request, "IpPermissions.1.Ipv6Ranges.1.CidrIpv6") == "::/0" => {
            Answer::XmlError(400, "InvalidPermission.NotFound")
        }
        _ => xml(request, "<return>true</return>"),
    });
    let want = json!({"group_name": "g", "description": "d", "vpc_id": "vpc-1", "default_egress_rule": false});
    bench.create("aws:ec2:SecurityGroup", &want, 1).await.unwrap();
    let revoke = "RevokeSecurityGroupEgress";
    assert_eq!(bench.operations(), ["CreateSecurityGroup", "DescribeSecurityGroupRules", revoke, revoke]);
    assert_eq!(parameter(&bench.requests()[2], "IpPermissions.1.IpRanges.1.CidrIp"), "0.0.0.0/0");
}

/// A VPC with IPv6 ranges: each with its state and its pool.
fn vpc(ranges: &[[&str; 3]]) -> String {
    let one = |[range, state, pool]: &[&str; 3]| {
        format!(
            "<item><associationId>of-{pool}</associationId><ipv6CidrBlock>{range}</ipv6CidrBlock><ipv6CidrBlockState>\
             <state>{state}</state></ipv6CidrBlockState><ipv6Pool>{pool}</ipv6Pool></item>"
        )
    };
    let ranges: String = ranges.iter().map(one).collect();
    format!(
        "<vpcSet><item><vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/16</cidrBlock><ipv6CidrBlockAssociationSet>{ranges}\
         </ipv6CidrBlockAssociationSet></item></vpcSet>"
    )
}

#[tokio::test]
async fn the_ipv6_range_of_the_program_is_found_among_others_however_it_is_written() {
    let other = ["2001:db8:9::/56", "associated", "ipv6pool-ec2-1"];
    let bench = scripted(move |request, _| xml(request, &vpc(&[other, ["2001:db8:1::/56", "associated", "Amazon"]])));
    let want = json!({
        "cidr_block": "10.0.0.0/16",
        "ipv6_cidr_block": "2001:0DB8:1:0::/56",
        "amazon_provided_ipv6_cidr_block": true,
    });
    bench.settled("aws:ec2:Vpc", "vpc-1", &want).await;
}

#[tokio::test]
async fn an_ipv6_range_on_its_way_in_is_not_asked_for_again() {
    let bench = scripted(|request, n| {
        xml(request, &vpc(&[["2001:db8:1::/56", if n == 0 { "associating" } else { "associated" }, "Amazon"]]))
    });
    let want = fields(json!({"cidr_block": "10.0.0.0/16", "amazon_provided_ipv6_cidr_block": true}));
    let delta = phx_model::driver::Delta { before: Value::Bool(false), after: Value::Bool(true) };
    let change = [("amazon_provided_ipv6_cidr_block".to_owned(), delta)].into();
    bench.driver("aws:ec2:Vpc").update(&bench.cx, "vpc-1", &want, &change).await.unwrap();
    assert_eq!(bench.operations(), ["DescribeVpcs", "DescribeVpcs"]);
}

/// The requests that change something.
fn changing(bench: &Bench) -> Vec<Request> {
    bench.requests().into_iter().filter(|request| !request.operation.starts_with("Describe")).collect()
}

#[tokio::test]
async fn a_vpcs_ipv6_range_is_exchanged_in_place_and_others_stay() {
    let step = AtomicUsize::new(0);
    let bench = scripted(move |request, _| {
        match request.operation.as_str() {
            "DisassociateVpcCidrBlock" => step.store(1, Ordering::Relaxed),
            "AssociateVpcCidrBlock" => step.store(2, Ordering::Relaxed),
            _ => {
                let own = match step.load(Ordering::Relaxed) {
                    0 => ["2001:db8:9::/56", "associated", "ipv6pool-ec2-1"],
                    1 => ["2001:db8:9::/56", "disassociated", "ipv6pool-ec2-1"],
                    _ => ["2001:db8:a::/56", "associated", "ipv6pool-ec2-1"],
                };
                return xml(request, &vpc(&[["2001:db8:1::/56", "associated", "Amazon"], own]));
            }
        }
        xml(request, "<return>true</return>")
    });
    let with =
        |range: &str| json!({"cidr_block": "10.0.0.0/16", "ipv6_pool": "ipv6pool-ec2-1", "ipv6_cidr_block": range});
    let (old, new) = (with("2001:db8:9::/56"), with("2001:db8:a::/56"));
    bench.update("aws:ec2:Vpc", "vpc-1", &old, &new).await;
    bench.settled("aws:ec2:Vpc", "vpc-1", &new).await;
    let changes = changing(&bench);
    assert_eq!(
        changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(),
        ["DisassociateVpcCidrBlock", "AssociateVpcCidrBlock"]
    );
    assert_eq!(parameter(&changes[0], "AssociationId"), "of-ipv6pool-ec2-1");
    assert_eq!(parameter(&changes[1], "Ipv6CidrBlock"), "2001:db8:a::/56");
    assert_eq!(parameter(&changes[1], "Ipv6Pool"), "ipv6pool-ec2-1");
    // Where the program's is not there any more, somebody else's is not told in its place: it would have to go.
    let gone = bench.read("aws:ec2:Vpc", &[("vpc-1", &fields(old))]).await.remove(0);
    assert_eq!(observed(gone).fields.get("ipv6_cidr_block"), None);
}

#[tokio::test]
async fn no_other_range_of_its_pool_goes_for_one_that_is_missing() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeVpcs" => xml(request, &vpc(&[["2001:db8:9::/56", "associated", "IPAM Managed"]])),
        _ => xml(request, "<return>true</return>"),
    });
    let range = "2001:db8:a::/56";
    let want = json!({"cidr_block": "10.0.0.0/16", "ipv6_ipam_pool_id": "ipam-pool-1", "ipv6_cidr_block": range});
    let delta = phx_model::driver::Delta { before: Value::Null, after: Value::String(range.into()) };
    let change = [("ipv6_cidr_block".to_owned(), delta)].into();
    bench.driver("aws:ec2:Vpc").update(&bench.cx, "vpc-1", &fields(want), &change).await.unwrap();
    let changes = changing(&bench);
    assert_eq!(changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(), ["AssociateVpcCidrBlock"]);
}

#[tokio::test]
async fn a_vpcs_range_of_an_ipam_pool_comes_and_goes_with_the_pool() {
    let there = AtomicUsize::new(0);
    let bench = scripted(move |request, _| {
        match request.operation.as_str() {
            "AssociateVpcCidrBlock" => there.store(1, Ordering::Relaxed),
            "DisassociateVpcCidrBlock" => there.store(0, Ordering::Relaxed),
            _ => {
                let mut all = vec![["2001:db8:1::/56", "associated", "Amazon"]];
                if there.load(Ordering::Relaxed) == 1 {
                    all.push(["2001:db8:9::/52", "associated", "IPAM Managed"]);
                }
                return xml(request, &vpc(&all));
            }
        }
        xml(request, "<return>true</return>")
    });
    let driver = bench.driver("aws:ec2:Vpc");
    let plain = json!({"cidr_block": "10.0.0.0/16"});
    let pooled = json!({"cidr_block": "10.0.0.0/16", "ipv6_ipam_pool_id": "ipam-pool-1", "ipv6_netmask_length": 52});
    let change = |before: serde_json::Value, after: serde_json::Value| {
        let delta = phx_model::driver::Delta { before: Value::from(before), after: Value::from(after) };
        [("ipv6_ipam_pool_id".to_owned(), delta)].into()
    };
    // Twice, as after a lost answer: the second time it is there.
    for _ in 0..2 {
        let comes = change(json!(null), json!("ipam-pool-1"));
        driver.update(&bench.cx, "vpc-1", &fields(pooled.clone()), &comes).await.unwrap();
    }
    driver.update(&bench.cx, "vpc-1", &fields(plain), &change(json!("ipam-pool-1"), json!(null))).await.unwrap();
    let changes = changing(&bench);
    assert_eq!(
        changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(),
        ["AssociateVpcCidrBlock", "DisassociateVpcCidrBlock"]
    );
    assert_eq!(parameter(&changes[0], "Ipv6IpamPoolId"), "ipam-pool-1");
    assert_eq!(parameter(&changes[0], "Ipv6NetmaskLength"), "52");
    assert_eq!(parameter(&changes[1], "AssociationId"), "of-IPAM Managed");
    // Of which pool a range is, AWS does not tell.
    let calls = bench.operations().len();
    let exchange = change(json!("ipam-pool-1"), json!("ipam-pool-2"));
    let refused = driver.update(&bench.cx, "vpc-1", &fields(pooled), &exchange).await.unwrap_err();
    assert_eq!((refused.kind, bench.operations().len()), (ErrorKind::Invalid, calls));
}

#[tokio::test]
async fn a_dedicated_vpc_becomes_a_default_one_in_place_and_not_the_other_way_round() {
    let of = |tenancy: &'static str| {
        scripted(move |request, _| match request.operation.as_str() {
            "DescribeVpcs" => {
                let vpc = format!(
                    "<vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/16</cidrBlock><instanceTenancy>{tenancy}</instanceTenancy>"
                );
                xml(request, &format!("<vpcSet><item>{vpc}</item></vpcSet>"))
            }
            _ => xml(request, "<return>true</return>"),
        })
    };
    let with = |tenancy: &str| json!({"cidr_block": "10.0.0.0/16", "instance_tenancy": tenancy});
    let bench = of("dedicated");
    bench.update("aws:ec2:Vpc", "vpc-1", &with("dedicated"), &with("default")).await;
    let changes = changing(&bench);
    assert_eq!(changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(), ["ModifyVpcTenancy"]);
    assert_eq!(parameter(&changes[0], "InstanceTenancy"), "default");

    let bench = of("default");
    let change = |after: &str| {
        let delta = phx_model::driver::Delta { before: Value::Null, after: Value::String(after.into()) };
        [("instance_tenancy".to_owned(), delta)].into()
    };
    let driver = bench.driver("aws:ec2:Vpc");
    // What it is already is no change.
    driver.update(&bench.cx, "vpc-1", &fields(with("default")), &change("default")).await.unwrap();
    let refused =
        driver.update(&bench.cx, "vpc-1", &fields(with("dedicated")), &change("dedicated")).await.unwrap_err();
    assert!(refused.kind == ErrorKind::Invalid && refused.hint.unwrap().contains("--replace"));
    assert!(changing(&bench).is_empty());
}

#[tokio::test]
async fn what_is_about_a_subnets_ipv6_range_is_switched_off_before_it_goes() {
    let there = AtomicUsize::new(1);
    let bench = scripted(move |request, _| {
        match request.operation.as_str() {
            "DisassociateSubnetCidrBlock" => there.store(0, Ordering::Relaxed),
            "DescribeSubnets" => {
                let range = "<item><associationId>a-1</associationId><ipv6CidrBlock>2001:db8:1:1::/64</ipv6CidrBlock>\
                    <ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState></item>";
                let ranges = if there.load(Ordering::Relaxed) == 1 { range } else { "" };
                let subnet = "<subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/24</cidrBlock>";
                let set = format!("<ipv6CidrBlockAssociationSet>{ranges}</ipv6CidrBlockAssociationSet>");
                return xml(request, &format!("<subnetSet><item>{subnet}{set}</item></subnetSet>"));
            }
            _ => {}
        }
        xml(request, "<return>true</return>")
    });
    let delta = |before: serde_json::Value, after: serde_json::Value| phx_model::driver::Delta {
        before: Value::from(before),
        after: Value::from(after),
    };
    let off = || delta(json!(true), json!(false));
    let change = [
        ("ipv6_ipam_pool_id".to_owned(), delta(json!("ipam-pool-1"), json!(null))),
        ("assign_ipv6_address_on_creation".to_owned(), off()),
        ("map_public_ip_on_launch".to_owned(), off()),
    ];
    let want = fields(json!({"vpc_id": "vpc-1", "cidr_block": "10.0.0.0/24"}));
    bench.driver("aws:ec2:Subnet").update(&bench.cx, "subnet-1", &want, &change.into()).await.unwrap();
    let changes = changing(&bench);
    assert_eq!(
        changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(),
        ["ModifySubnetAttribute", "DisassociateSubnetCidrBlock", "ModifySubnetAttribute"]
    );
    assert_eq!(parameter(&changes[0], "AssignIpv6AddressOnCreation.Value"), "false");
    assert_eq!(parameter(&changes[1], "AssociationId"), "a-1");
    assert_eq!(parameter(&changes[2], "MapPublicIpOnLaunch.Value"), "false");
    // The length of a range that is of no pool of the program's says nothing.
    let length = [("ipv6_netmask_length".to_owned(), delta(json!(64), json!(null)))];
    bench.driver("aws:ec2:Subnet").update(&bench.cx, "subnet-1", &want, &length.into()).await.unwrap();
    assert_eq!(changing(&bench).len(), 3);
}

#[tokio::test]
async fn another_route_table_takes_the_place_of_the_old_one_at_once() {
    let name = "aws:ec2:RouteTableAssociation";
    let replaced = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "ReplaceRouteTableAssociation" => {
            replaced.store(1, Ordering::Relaxed);
            xml(request, "<newAssociationId>rtbassoc-2</newAssociationId>")
        }
        "DisassociateRouteTable" if parameter(request, "AssociationId") == "rtbassoc-1" => {
            Answer::XmlError(400, "InvalidAssociationID.NotFound")
        }
        "DescribeRouteTables" => {
            let was = replaced.load(Ordering::Relaxed) == 0;
            let (id, table) = if was { ("rtbassoc-1", "rtb-1") } else { ("rtbassoc-2", "rtb-2") };
            let asked = parameter(request, "Filter.1.Value.1");
            if asked.starts_with("rtbassoc-") && asked != id {
                return xml(request, "<routeTableSet/>");
            }
            let association = format!(
                "<routeTableAssociationId>{id}</routeTableAssociationId><routeTableId>{table}</routeTableId>\
                 <subnetId>subnet-1</subnetId><main>false</main>"
            );
            let table = format!(
                "<routeTableId>{table}</routeTableId><associationSet><item>{association}</item></associationSet>"
            );
            xml(request, &format!("<routeTableSet><item>{table}</item></routeTableSet>"))
        }
        _ => xml(request, "<return>true</return>"),
    });
    let with = |table: &str| json!({"route_table_id": table, "subnet_id": "subnet-1"});
    bench.update(name, "rtbassoc-1", &with("rtb-1"), &with("rtb-2")).await;
    // It is the same one, under another id.
    let there = bench.settled(name, "rtbassoc-1", &with("rtb-2")).await;
    assert_eq!(there.outputs["id"].as_str(), Some("rtbassoc-2"));
    // A table that is not the one that was set last is somebody else's doing.
    let other = fields(with("rtb-9"));
    assert!(gone(&bench.read(name, &[("rtbassoc-1", &other)]).await[0]));
    // Again, as after a lost answer.
    let delta =
        phx_model::driver::Delta { before: Value::String("rtb-1".into()), after: Value::String("rtb-2".into()) };
    let change = [("route_table_id".to_owned(), delta)].into();
    bench.driver(name).update(&bench.cx, "rtbassoc-1", &fields(with("rtb-2")), &change).await.unwrap();
    bench.driver(name).delete(&bench.cx, "rtbassoc-1", &fields(with("rtb-2"))).await.unwrap();
    let changes = changing(&bench);
    assert_eq!(
        changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(),
        ["ReplaceRouteTableAssociation", "DisassociateRouteTable", "DisassociateRouteTable"]
    );
    assert_eq!(parameter(&changes[0], "AssociationId"), "rtbassoc-1");
    assert_eq!(parameter(&changes[0], "RouteTableId"), "rtb-2");
    assert_eq!(parameter(&changes[2], "AssociationId"), "rtbassoc-2");
}

#[tokio::test]
async fn a_gateways_association_is_found_by_its_tables() {
    let name = "aws:ec2:RouteTableAssociation";
    let bench = scripted(|request, _| match request.operation.as_str() {
        "ReplaceRouteTableAssociation" => xml(request, "<newAssociationId>rtbassoc-2</newAssociationId>"),
        "DescribeRouteTables" => {
            // moto answers it with a page.
            assert_ne!(parameter(request, "Filter.1.Name"), "association.gateway-id");
            let is_new = parameter(request, "Filter.1.Value.1") == "rtbassoc-2";
            let (id, table) = if is_new { ("rtbassoc-2", "rtb-2") } else { ("rtbassoc-1", "rtb-1") };
            let association = format!(
                "<routeTableAssociationId>{id}</routeTableAssociationId><routeTableId>{table}</routeTableId>\
                 <gatewayId>igw-1</gatewayId><main>false</main>"
            );
            let table = format!(
                "<routeTableId>{table}</routeTableId><associationSet><item>{association}</item></associationSet>"
            );
            xml(request, &format!("<routeTableSet><item>{table}</item></routeTableSet>"))
        }
        _ => xml(request, "<return>true</return>"),
    });
    let with = |table: &str| json!({"route_table_id": table, "gateway_id": "igw-1"});
    bench.update(name, "rtbassoc-1", &with("rtb-1"), &with("rtb-2")).await;
    let changes = changing(&bench);
    assert_eq!(changes.iter().map(|r| r.operation.as_str()).collect::<Vec<_>>(), ["ReplaceRouteTableAssociation"]);
    assert_eq!(parameter(&changes[0], "AssociationId"), "rtbassoc-1");
    // One that is not there is gone, and no failure.
    assert!(gone(&bench.read(name, &[("rtbassoc-9", &fields(with("rtb-9")))]).await[0]));
}

#[tokio::test]
async fn tags_go_before_others_come() {
    // An object has fifty tags at most.
    let bench = scripted(|request, _| xml(request, "<return>true</return>"));
    let delta = phx_model::driver::Delta {
        before: Value::from(json!({"a": "1", "b": "1"})),
        after: Value::from(json!({"b": "2", "c": "1"})),
    };
    let change = [("tags".to_owned(), delta)].into();
    let want = fields(json!({"vpc_id": "vpc-1", "tags": {"b": "2", "c": "1"}}));
    bench.driver("aws:ec2:RouteTable").update(&bench.cx, "rtb-1", &want, &change).await.unwrap();
    assert_eq!(bench.operations(), ["DeleteTags", "CreateTags"]);
    assert_eq!(parameter(&bench.requests()[0], "Tag.1.Key"), "a");
}

#[test]
fn what_a_vpc_has_one_of_is_deleted_before_another_is_made() {
    use phx_aws::ec2::{EgressOnlyInternetGateway, VpcEndpoint};
    use phx_model::Resource;
    assert_eq!(EgressOnlyInternetGateway::schema().unique, ["vpc_id"]);
    assert!(VpcEndpoint::schema().unique.starts_with(&["vpc_id", "service_name", "vpc_endpoint_type"]));
}

#[tokio::test]
async fn the_switch_of_a_subnets_own_pool_goes_with_the_pool() {
    let bench = scripted(|request, _| xml(request, "<return>true</return>"));
    let want = fields(json!({
        "vpc_id": "vpc-1",
        "cidr_block": "10.0.0.0/24",
        "customer_owned_ipv4_pool": "ipv4pool-coip-1",
        "map_customer_owned_ip_on_launch": true,
    }));
    let delta = phx_model::driver::Delta { before: Value::Bool(false), after: Value::Bool(true) };
    let change = [("map_customer_owned_ip_on_launch".to_owned(), delta)].into();
    bench.driver("aws:ec2:Subnet").update(&bench.cx, "subnet-1", &want, &change).await.unwrap();
    let sent = &bench.requests()[0];
    assert_eq!(parameter(sent, "MapCustomerOwnedIpOnLaunch.Value"), "true");
    assert_eq!(parameter(sent, "CustomerOwnedIpv4Pool"), "ipv4pool-coip-1");
}

#[test]
fn what_is_watched_can_be_named_by_its_typed_id() {
    use phx_aws::ec2::{FlowLog, SubnetId};
    use phx_model::Resource;
    let log = FlowLog::of_subnet(SubnetId::new("subnet-1"));
    let text = |text: &str| phx_model::Expr::Literal(Value::String(text.into()));
    let inputs = log.into_inputs();
    assert_eq!((&inputs["resource_id"], &inputs["resource_type"]), (&text("subnet-1"), &text("Subnet")));
}
