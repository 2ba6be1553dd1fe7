//! VPC endpoints.

use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::value::{Value, ValueMap};
use serde_json::json;

use super::{found_after_loss, gone, items, observed, parameter, read_hundred, tags, xml};
use crate::kit::{Answer, Request, fields, scripted};

const EVERYTHING: &str = r#"{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#;

fn endpoint(id: &str, kind: &str, state: &str, more: &str) -> String {
    let service = if kind == "Gateway" { "s3" } else { "ssm" };
    format!(
        "<vpcEndpointId>{id}</vpcEndpointId><vpcEndpointType>{kind}</vpcEndpointType><vpcId>vpc-1</vpcId>\
         <serviceName>com.amazonaws.us-west-2.{service}</serviceName><state>{state}</state><ownerId>123456789012</ownerId>\
         <policyDocument>{EVERYTHING}</policyDocument>{more}{}",
        tags(1)
    )
}

fn endpoints(request: &Request, all: &str) -> Answer {
    xml(request, &format!("<vpcEndpointSet>{all}</vpcEndpointSet>"))
}

fn prefix_list(request: &Request) -> Answer {
    let list = "<prefixListId>pl-1</prefixListId><prefixListName>com.amazonaws.us-west-2.s3</prefixListName>";
    xml(request, &format!("<prefixListSet><item>{list}</item></prefixListSet>"))
}

#[tokio::test]
async fn a_hundred_vpc_endpoints_take_two_calls() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeVpcEndpoints" => {
            endpoints(request, &items(0..100, |n| endpoint(&format!("vpce-{n}"), "Gateway", "available", "")))
        }
        _ => prefix_list(request),
    });
    let want = json!({"vpc_id": "vpc-1", "service_name": "com.amazonaws.us-west-2.s3"});
    let mut operations = read_hundred(&bench, "aws:ec2:VpcEndpoint", "vpce", &want).await;
    operations.sort();
    assert_eq!(operations, ["DescribeManagedPrefixLists", "DescribeVpcEndpoints"]);
    // AWS's own policy is no difference where the program sets none.
    let observed = bench.settled("aws:ec2:VpcEndpoint", "vpce-1", &want).await;
    assert_eq!(observed.outputs["prefix_list_id"], Value::String("pl-1".into()));

    let bench = scripted(|request, _| {
        endpoints(request, &items(0..100, |n| endpoint(&format!("vpce-{n}"), "Interface", "available", "")))
    });
    assert_eq!(read_hundred(&bench, "aws:ec2:VpcEndpoint", "vpce", &want).await, ["DescribeVpcEndpoints"]);
}

#[tokio::test]
async fn a_vpc_endpoint_is_waited_for() {
    let name = "aws:ec2:VpcEndpoint";
    let entries =
        "<dnsEntrySet><item><dnsName>vpce-1.ssm</dnsName><hostedZoneId>Z1</hostedZoneId></item></dnsEntrySet>";
    let want = json!({
        "vpc_id": "vpc-1",
        "service_name": "com.amazonaws.us-west-2.ssm",
        "vpc_endpoint_type": "Interface",
        "subnet_ids": ["subnet-1"],
        "subnet_configurations": [{"subnet_id": "subnet-1", "ipv4": "10.0.0.9"}],
        "dns_options": {"dns_record_ip_type": "ipv4"},
        "ip_address_type": "ipv4",
    });
    let bench = scripted(move |request, n| match request.operation.as_str() {
        "CreateVpcEndpoint" => {
            xml(request, &format!("<vpcEndpoint>{}</vpcEndpoint>", endpoint("vpce-1", "Interface", "pending", "")))
        }
        _ => {
            let state = if n < 3 { "pending" } else { "available" };
            endpoints(request, &format!("<item>{}</item>", endpoint("vpce-1", "Interface", state, entries)))
        }
    });
    let made = bench.create(name, &want, 1).await.unwrap();
    assert_eq!(made.outputs["dns_names"], Value::List(vec![Value::String("vpce-1.ssm".into())]));
    assert_eq!(made.outputs["hosted_zone_ids"], Value::List(vec![Value::String("Z1".into())]));
    let sent = &bench.requests()[0];
    assert_eq!(parameter(sent, "SubnetConfiguration.1.Ipv4"), "10.0.0.9");
    assert_eq!(parameter(sent, "DnsOptions.DnsRecordIpType"), "ipv4");
    assert_eq!(parameter(sent, "ClientToken").len(), 64);

    // A failure says why; acceptance by the service's owner is not waited for.
    let failing = scripted(|request, _| match request.operation.as_str() {
        "CreateVpcEndpoint" => {
            xml(request, &format!("<vpcEndpoint>{}</vpcEndpoint>", endpoint("vpce-1", "Interface", "pending", "")))
        }
        _ => {
            let error = "<lastError><code>E1</code><message>no addresses left</message></lastError>";
            endpoints(request, &format!("<item>{}</item>", endpoint("vpce-1", "Interface", "failed", error)))
        }
    });
    let error = failing.create(name, &want, 1).await.unwrap_err();
    assert!(error.message.contains("no addresses left") && error.code.as_deref() == Some("E1"), "{error}");
    let accepting = scripted(|request, _| match request.operation.as_str() {
        "CreateVpcEndpoint" => {
            xml(request, &format!("<vpcEndpoint>{}</vpcEndpoint>", endpoint("vpce-1", "Interface", "pending", "")))
        }
        _ => {
            let waiting = endpoint("vpce-1", "Interface", "pendingAcceptance", "");
            endpoints(request, &format!("<item>{waiting}</item>"))
        }
    });
    accepting.create(name, &want, 1).await.unwrap();
}

#[tokio::test]
async fn a_vpc_endpoints_addresses_are_read_in_the_programs_order() {
    let interfaces = "<networkInterfaceIdSet><item>eni-1</item><item>eni-2</item><item>eni-3</item></networkInterfaceIdSet>\
        <subnetIdSet><item>subnet-1</item><item>subnet-2</item><item>subnet-3</item></subnetIdSet>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeVpcEndpoints" => {
            endpoints(request, &format!("<item>{}</item>", endpoint("vpce-1", "Interface", "available", interfaces)))
        }
        _ => {
            let all = items(1..4, |n| {
                format!(
                    "<networkInterfaceId>eni-{n}</networkInterfaceId><subnetId>subnet-{n}</subnetId>\
                     <privateIpAddress>10.0.{n}.9</privateIpAddress>"
                )
            });
            xml(request, &format!("<networkInterfaceSet>{all}</networkInterfaceSet>"))
        }
    });
    let want = json!({
        "vpc_id": "vpc-1",
        "service_name": "com.amazonaws.us-west-2.ssm",
        "vpc_endpoint_type": "Interface",
        "subnet_ids": ["subnet-3", "subnet-1", "subnet-2"],
        "subnet_configurations":
            [{"subnet_id": "subnet-3", "ipv4": "10.0.3.9"}, {"subnet_id": "subnet-1"}],
    });
    bench.settled("aws:ec2:VpcEndpoint", "vpce-1", &want).await;
    assert_eq!(bench.operations(), ["DescribeVpcEndpoints", "DescribeNetworkInterfaces"]);
}

#[tokio::test]
async fn a_vpc_endpoint_is_changed_by_its_difference_and_its_policy_reset() {
    let policy = r#"{"Statement":[{"Action":"s3:*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#;
    let reset = AtomicUsize::new(0);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeVpcEndpoints" => {
            let tables = "<routeTableIdSet><item>rtb-1</item><item>rtb-2</item></routeTableIdSet>";
            let there = endpoint("vpce-1", "Gateway", "available", tables);
            let policy = if reset.load(Ordering::Relaxed) == 0 { policy } else { EVERYTHING };
            endpoints(request, &format!("<item>{}</item>", there.replace(EVERYTHING, policy)))
        }
        "ModifyVpcEndpoint" => {
            reset.store(1, Ordering::Relaxed);
            xml(request, "<return>true</return>")
        }
        _ => prefix_list(request),
    });
    let name = "aws:ec2:VpcEndpoint";
    let service = "com.amazonaws.us-west-2.s3";
    let have = json!({
        "vpc_id": "vpc-1",
        "service_name": service,
        "route_table_ids": ["rtb-1", "rtb-2"],
        "policy_document": serde_json::from_str::<serde_json::Value>(policy).unwrap(),
    });
    let want = json!({"vpc_id": "vpc-1", "service_name": service, "route_table_ids": ["rtb-2", "rtb-3"]});
    bench.update(name, "vpce-1", &have, &want).await;
    let sent = bench.requests().into_iter().find(|r| r.operation == "ModifyVpcEndpoint").unwrap();
    assert_eq!(parameter(&sent, "ResetPolicy"), "true");
    assert_eq!((parameter(&sent, "AddRouteTableId.1"), parameter(&sent, "AddRouteTableId.2")), ("rtb-3", ""));
    assert_eq!((parameter(&sent, "RemoveRouteTableId.1"), parameter(&sent, "RemoveRouteTableId.2")), ("rtb-1", ""));
    let read = bench.read(name, &[("vpce-1", &fields(want))]).await.remove(0);
    assert!(!observed(read).fields.contains_key("policy_document"));
}

#[tokio::test]
async fn a_vpc_endpoint_is_found_again_and_waited_for_until_it_is_gone() {
    let name = "aws:ec2:VpcEndpoint";
    let want = json!({"vpc_id": "vpc-1", "service_name": "com.amazonaws.us-west-2.ssm"});
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => endpoints(request, &format!("<item>{}</item>", endpoint("vpce-1", "Interface", "pending", ""))),
    });
    found_after_loss(&bench, name, &want, "vpce-1").await;

    let bench = scripted(|request, n| match request.operation.as_str() {
        "DeleteVpcEndpoints" if n == 0 => xml(request, "<unsuccessful/>"),
        "DeleteVpcEndpoints" => xml(
            request,
            "<unsuccessful><item><resourceId>vpce-1</resourceId><error><code>InvalidVpcEndpoint.NotFound</code>\
             <message>no</message></error></item></unsuccessful>",
        ),
        _ if n < 3 => endpoints(request, &format!("<item>{}</item>", endpoint("vpce-1", "Interface", "deleting", ""))),
        _ => endpoints(request, ""),
    });
    let driver = bench.driver(name);
    driver.delete(&bench.cx, "vpce-1", &fields(want.clone())).await.unwrap();
    assert_eq!(bench.operations().len(), 4);
    driver.delete(&bench.cx, "vpce-1", &fields(want)).await.unwrap();

    let over = scripted(|request, _| {
        endpoints(request, &format!("<item>{}</item>", endpoint("vpce-1", "Interface", "deleting", "")))
    });
    assert!(gone(&over.read(name, &[("vpce-1", &ValueMap::new())]).await[0]));
}
