//! How many calls reading a hundred objects may take, of the types that every stack has.
//!
//! The endpoint answers as AWS does: what a filter names and no more of what there is, in pages that are no larger than the service's.

use phx_model::driver::Read;
use phx_model::schema::satisfied;
use phx_model::{Value, ValueMap};
use serde_json::{Value as Json, json};

use crate::kit::{Answer, Bench, Request, fields, scripted};

/// So many objects are read.
const READ: usize = 100;
/// So many there are.
const THERE: usize = 150;
const TAGS: &str = "<tagSet><item><key>Name</key><value>main</value></item></tagSet>";

/// A type, and what reading a hundred of its objects may cost.
struct Case {
    name: &'static str,
    id: fn(usize) -> String,
    inputs: fn(usize) -> Json,
    calls: usize,
}

/// Reads a hundred objects, which must all be there as they were set, with no more calls than the case allows.
async fn check(bench: &Bench, case: Case) {
    let Case { name, id, inputs, calls } = case;
    let targets: Vec<(String, ValueMap)> = (0..READ).map(|n| (id(n), fields(inputs(n)))).collect();
    let asked: Vec<(&str, &ValueMap)> = targets.iter().map(|(id, inputs)| (id.as_str(), inputs)).collect();
    let found = bench.read(name, &asked).await;
    assert_eq!(found.len(), READ, "{name}");
    let schema = bench.driver(name).schema();
    for ((id, inputs), found) in targets.iter().zip(found) {
        let Read::Present(found) = found else { panic!("{name} {id} is not found: {found:?}") };
        for (field, set) in inputs {
            let there = found.fields.get(field).cloned().unwrap_or(Value::Null);
            assert!(
                satisfied(schema.field(field).unwrap(), set, &there),
                "{name} {id}: {field} is {there:?}, not {set:?}"
            );
        }
    }
    let made = bench.operations();
    assert!(made.len() <= calls, "{name}: {READ} take {} calls and may take {calls}: {made:?}", made.len());
}

/// What EC2 has of one kind, and how it tells it.
#[derive(Clone, Copy)]
struct Stock {
    operation: &'static str,
    /// The list in the answer.
    list: &'static str,
    /// The largest page.
    page: usize,
    /// The filter that finds them, and its value for each.
    filter: &'static str,
    value: fn(usize) -> String,
    item: fn(usize) -> String,
}

fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.body[name].as_str()
}

fn number(request: &Request, name: &str) -> Option<usize> {
    parameter(request, name).map(|text| text.parse().unwrap())
}

fn ec2(request: &Request, stocks: &[Stock]) -> Answer {
    let operation = &request.operation;
    let xml = |inside: &str| Answer::Xml(format!("<{operation}Response>{inside}</{operation}Response>"));
    if operation == "DescribeVpcAttribute" {
        return xml("<enableDnsHostnames><value>true</value></enableDnsHostnames>");
    }
    let stock =
        stocks.iter().find(|s| s.operation == operation).unwrap_or_else(|| panic!("{operation} is not expected"));
    assert_eq!(parameter(request, "Filter.1.Name"), Some(stock.filter), "{operation}");
    let values = (1..).map_while(|n| parameter(request, &format!("Filter.1.Value.{n}"))).collect::<Vec<_>>();
    assert!(values.len() <= 200, "EC2 refuses {} values of a filter", values.len());
    let items: Vec<String> =
        (0..THERE).filter(|n| values.contains(&(stock.value)(*n).as_str())).map(stock.item).collect();
    let (from, page) = (number(request, "NextToken").unwrap_or(0), number(request, "MaxResults").unwrap_or(stock.page));
    let to = (from + page.min(stock.page)).min(items.len());
    let next = if to < items.len() { format!("<nextToken>{to}</nextToken>") } else { String::new() };
    xml(&format!("<{list}>{}</{list}>{next}", items[from..to].concat(), list = stock.list))
}

async fn check_ec2(stocks: &'static [Stock], case: Case) {
    check(&scripted(move |request, _| ec2(request, stocks)), case).await;
}

const VPCS: Stock = Stock {
    operation: "DescribeVpcs",
    list: "vpcSet",
    page: 1000,
    filter: "vpc-id",
    value: |n| format!("vpc-{n}"),
    item: |n| {
        format!(
            "<item><vpcId>vpc-{n}</vpcId><ownerId>123456789012</ownerId><cidrBlock>10.{n}.0.0/16</cidrBlock>\
             <instanceTenancy>default</instanceTenancy>{TAGS}</item>"
        )
    },
};

#[tokio::test]
async fn vpcs_take_a_call() {
    let inputs = |n: usize| json!({"cidr_block": format!("10.{n}.0.0/16"), "tags": {"Name": "main"}});
    check_ec2(&[VPCS], Case { name: "aws:ec2:Vpc", id: VPCS.value, inputs, calls: 1 }).await;
}

#[tokio::test]
async fn an_attribute_of_vpcs_takes_a_call_for_each_that_sets_it() {
    let inputs = |n: usize| match n {
        0..10 => json!({"cidr_block": format!("10.{n}.0.0/16"), "enable_dns_hostnames": true}),
        _ => json!({"cidr_block": format!("10.{n}.0.0/16")}),
    };
    check_ec2(&[VPCS], Case { name: "aws:ec2:Vpc", id: VPCS.value, inputs, calls: 1 + 10 }).await;
}

#[tokio::test]
#[should_panic(expected = "100 take 1 calls and may take 0")]
async fn a_call_too_many_is_a_failure() {
    let inputs = |n: usize| json!({"cidr_block": format!("10.{n}.0.0/16")});
    check_ec2(&[VPCS], Case { name: "aws:ec2:Vpc", id: VPCS.value, inputs, calls: 0 }).await;
}

#[tokio::test]
async fn subnets_take_a_call() {
    const SUBNETS: Stock = Stock {
        operation: "DescribeSubnets",
        list: "subnetSet",
        page: 1000,
        filter: "subnet-id",
        value: |n| format!("subnet-{n}"),
        item: |n| {
            format!(
                "<item><subnetId>subnet-{n}</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.0.{n}.0/24</cidrBlock>\
                 <availabilityZone>us-west-2a</availabilityZone><mapPublicIpOnLaunch>true</mapPublicIpOnLaunch>{TAGS}</item>"
            )
        },
    };
    let inputs = |n: usize| {
        json!({
            "vpc_id": "vpc-1",
            "cidr_block": format!("10.0.{n}.0/24"),
            "availability_zone": "us-west-2a",
            "map_public_ip_on_launch": true,
            "tags": {"Name": "main"},
        })
    };
    check_ec2(&[SUBNETS], Case { name: "aws:ec2:Subnet", id: SUBNETS.value, inputs, calls: 1 }).await;
}

#[tokio::test]
async fn internet_gateways_take_a_call() {
    const GATEWAYS: Stock = Stock {
        operation: "DescribeInternetGateways",
        list: "internetGatewaySet",
        page: 1000,
        filter: "internet-gateway-id",
        value: |n| format!("igw-{n}"),
        item: |n| {
            format!(
                "<item><internetGatewayId>igw-{n}</internetGatewayId><attachmentSet><item><vpcId>vpc-{n}</vpcId>\
                 <state>available</state></item></attachmentSet>{TAGS}</item>"
            )
        },
    };
    let inputs = |n: usize| json!({"vpc_id": format!("vpc-{n}"), "tags": {"Name": "main"}});
    check_ec2(&[GATEWAYS], Case { name: "aws:ec2:InternetGateway", id: GATEWAYS.value, inputs, calls: 1 }).await;
}

#[tokio::test]
async fn addresses_take_a_call() {
    const ADDRESSES: Stock = Stock {
        operation: "DescribeAddresses",
        list: "addressesSet",
        page: usize::MAX, // it has no pages
        filter: "allocation-id",
        value: |n| format!("eipalloc-{n}"),
        item: |n| {
            format!(
                "<item><allocationId>eipalloc-{n}</allocationId><publicIp>203.0.113.{n}</publicIp><domain>vpc</domain>{TAGS}</item>"
            )
        },
    };
    let inputs = |_| json!({"domain": "vpc", "tags": {"Name": "main"}});
    check_ec2(&[ADDRESSES], Case { name: "aws:ec2:Eip", id: ADDRESSES.value, inputs, calls: 1 }).await;
}

#[tokio::test]
async fn nat_gateways_take_a_call() {
    const GATEWAYS: Stock = Stock {
        operation: "DescribeNatGateways",
        list: "natGatewaySet",
        page: 1000,
        filter: "nat-gateway-id",
        value: |n| format!("nat-{n}"),
        item: |n| {
            format!(
                "<item><natGatewayId>nat-{n}</natGatewayId><state>available</state><subnetId>subnet-{n}</subnetId>\
                 <vpcId>vpc-1</vpcId><connectivityType>public</connectivityType><natGatewayAddressSet><item>\
                 <allocationId>eipalloc-{n}</allocationId><publicIp>203.0.113.{n}</publicIp><isPrimary>true</isPrimary>\
                 </item></natGatewayAddressSet>{TAGS}</item>"
            )
        },
    };
    let inputs = |n: usize| {
        json!({
            "subnet_id": format!("subnet-{n}"),
            "allocation_id": format!("eipalloc-{n}"),
            "connectivity_type": "public",
            "tags": {"Name": "main"},
        })
    };
    check_ec2(&[GATEWAYS], Case { name: "aws:ec2:NatGateway", id: GATEWAYS.value, inputs, calls: 1 }).await;
}

/// Route tables, each with ten routes and an association.
const TABLES: Stock = Stock {
    operation: "DescribeRouteTables",
    list: "routeTableSet",
    page: 100,
    filter: "route-table-id",
    value: |n| format!("rtb-{n}"),
    item: |n| {
        let route = |at: usize| {
            format!(
                "<item><destinationCidrBlock>10.{at}.0.0/16</destinationCidrBlock><gatewayId>igw-1</gatewayId>\
                 <state>active</state><origin>CreateRoute</origin></item>"
            )
        };
        format!(
            "<item><routeTableId>rtb-{n}</routeTableId><vpcId>vpc-1</vpcId><routeSet>{}</routeSet><associationSet><item>\
             <routeTableAssociationId>rtbassoc-{n}</routeTableAssociationId><routeTableId>rtb-{n}</routeTableId>\
             <subnetId>subnet-{n}</subnetId><main>false</main><associationState><state>associated</state></associationState>\
             </item></associationSet>{TAGS}</item>",
            (0..10).map(route).collect::<String>()
        )
    },
};

#[tokio::test]
async fn route_tables_take_a_call() {
    let inputs = |_| json!({"vpc_id": "vpc-1", "tags": {"Name": "main"}});
    check_ec2(&[TABLES], Case { name: "aws:ec2:RouteTable", id: TABLES.value, inputs, calls: 1 }).await;
}

#[tokio::test]
async fn routes_take_a_call() {
    let id = |n: usize| format!("rtb-{}_10.{}.0.0/16", n / 10, n % 10);
    let inputs = |n: usize| {
        json!({
            "route_table_id": format!("rtb-{}", n / 10),
            "destination_cidr_block": format!("10.{}.0.0/16", n % 10),
            "gateway_id": "igw-1",
        })
    };
    check_ec2(&[TABLES], Case { name: "aws:ec2:Route", id, inputs, calls: 1 }).await;
}

#[tokio::test]
async fn route_table_associations_take_a_call() {
    const ASSOCIATIONS: Stock =
        Stock { filter: "association.route-table-association-id", value: |n| format!("rtbassoc-{n}"), ..TABLES };
    let inputs = |n: usize| json!({"route_table_id": format!("rtb-{n}"), "subnet_id": format!("subnet-{n}")});
    let case = Case { name: "aws:ec2:RouteTableAssociation", id: ASSOCIATIONS.value, inputs, calls: 1 };
    check_ec2(&[ASSOCIATIONS], case).await;
}

const GROUPS: Stock = Stock {
    operation: "DescribeSecurityGroups",
    list: "securityGroupInfo",
    page: 1000,
    filter: "group-id",
    value: |n| format!("sg-{n}"),
    item: |n| {
        format!(
            "<item><groupId>sg-{n}</groupId><groupName>group {n}</groupName><groupDescription>web</groupDescription>\
             <vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId>{TAGS}</item>"
        )
    },
};

fn rule(n: usize, egress: bool) -> String {
    format!(
        "<item><securityGroupRuleId>sgr-{n}</securityGroupRuleId><groupId>sg-{}</groupId><groupOwnerId>123456789012</groupOwnerId>\
         <isEgress>{egress}</isEgress><ipProtocol>tcp</ipProtocol><fromPort>{n}</fromPort><toPort>{n}</toPort>\
         <cidrIpv4>10.0.0.0/8</cidrIpv4>{TAGS}</item>",
        n / 10
    )
}

/// Rules, ten of a group.
const INGRESS: Stock = Stock {
    operation: "DescribeSecurityGroupRules",
    list: "securityGroupRuleSet",
    page: 1000,
    filter: "group-id",
    value: |n| format!("sg-{}", n / 10),
    item: |n| rule(n, false),
};
const EGRESS: Stock = Stock { item: |n| rule(n, true), ..INGRESS };

#[tokio::test]
async fn security_groups_take_a_call() {
    let inputs = |n: usize| json!({"group_name": format!("group {n}"), "description": "web", "vpc_id": "vpc-1", "tags": {"Name": "main"}});
    check_ec2(&[GROUPS], Case { name: "aws:ec2:SecurityGroup", id: GROUPS.value, inputs, calls: 1 }).await;
    // Where it is set whether AWS's own rule stays, the rules are asked for too.
    let inputs = |n: usize| json!({"group_name": format!("group {n}"), "description": "web", "vpc_id": "vpc-1", "default_egress_rule": false});
    check_ec2(&[GROUPS, EGRESS], Case { name: "aws:ec2:SecurityGroup", id: GROUPS.value, inputs, calls: 2 }).await;
}

#[tokio::test]
async fn security_group_rules_take_a_call() {
    let id = |n: usize| format!("sgr-{n}");
    let inputs = |n: usize| {
        json!({
            "group_id": format!("sg-{}", n / 10),
            "ip_protocol": "tcp",
            "from_port": n,
            "to_port": n,
            "cidr_ip": "10.0.0.0/8",
            "tags": {"Name": "main"},
        })
    };
    check_ec2(&[INGRESS], Case { name: "aws:ec2:SecurityGroupIngressRule", id, inputs, calls: 1 }).await;
    check_ec2(&[EGRESS], Case { name: "aws:ec2:SecurityGroupEgressRule", id, inputs, calls: 1 }).await;
}

/// `{"Version":"2012-10-17"}`, as IAM sends it.
const DOCUMENT: &str = "%7B%22Version%22%3A%222012-10-17%22%7D";

fn policy(n: usize) -> String {
    format!("arn:aws:iam::123456789012:policy/p{n}")
}

/// IAM with the account's roles, each with two managed policies.
fn iam(request: &Request) -> Answer {
    let what = |n: usize| {
        format!(
            "<Path>/</Path><RoleName>r{n}</RoleName><RoleId>A{n}</RoleId><Arn>arn:aws:iam::123456789012:role/r{n}</Arn>\
             <CreateDate>2024-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{DOCUMENT}</AssumeRolePolicyDocument>"
        )
    };
    let attached =
        |n: usize| format!("<member><PolicyName>p{n}</PolicyName><PolicyArn>{}</PolicyArn></member>", policy(n));
    let role = |n: usize| match request.operation.as_str() {
        "ListRoles" => {
            let more = "<Description>deploys</Description><MaxSessionDuration>7200</MaxSessionDuration>";
            format!("<member>{}{more}</member>", what(n))
        }
        "GetAccountAuthorizationDetails" => {
            assert_eq!(parameter(request, "Filter.member.1"), Some("Role"));
            format!(
                "<member>{}<AttachedManagedPolicies>{}{}</AttachedManagedPolicies>\
                 <Tags><member><Key>Name</Key><Value>main</Value></member></Tags></member>",
                what(n),
                attached(0),
                attached(1),
            )
        }
        other => panic!("{other} is not expected"),
    };
    let (from, page) = (number(request, "Marker").unwrap_or(0), number(request, "MaxItems").unwrap_or(100).min(1000));
    let to = (from + page).min(THERE);
    let list = if request.operation == "ListRoles" { "Roles" } else { "RoleDetailList" };
    let next = if to < THERE { format!("<Marker>{to}</Marker>") } else { String::new() };
    Answer::Query(format!(
        "<{list}>{}</{list}><IsTruncated>{}</IsTruncated>{next}",
        (from..to).map(role).collect::<String>(),
        to < THERE
    ))
}

#[tokio::test]
async fn roles_take_two_calls() {
    let inputs = |n: usize| {
        json!({
            "role_name": format!("r{n}"),
            "assume_role_policy_document": {"Version": "2012-10-17"},
            "description": "deploys",
            "max_session_duration": 7200,
            "tags": {"Name": "main"},
        })
    };
    let case = Case { name: "aws:iam:Role", id: |n| format!("r{n}"), inputs, calls: 2 };
    check(&scripted(|request, _| iam(request)), case).await;
}

#[tokio::test]
async fn attachments_take_two_calls_at_most() {
    let id = |n: usize| format!("r{}/{}", n / 2, policy(n % 2));
    let inputs = |n: usize| json!({"role_name": format!("r{}", n / 2), "policy_arn": policy(n % 2)});
    let case = Case { name: "aws:iam:RolePolicyAttachment", id, inputs, calls: 2 };
    check(&scripted(|request, _| iam(request)), case).await;
}

/// CloudWatch Logs and the tagging API with the account's log groups. Half of them have nothing to do with those that are read.
fn logs(request: &Request) -> Answer {
    let name = |n: usize| if n < READ { format!("/app/{n:03}") } else { format!("/other/{n:03}") };
    let arn = |n: usize| format!("arn:aws:logs:us-west-2:123456789012:log-group:{}", name(n));
    let body = &request.body;
    match request.operation.as_str() {
        "DescribeLogGroups" => {
            let prefix = body["logGroupNamePrefix"].as_str().unwrap_or_default();
            let all: Vec<usize> = (0..THERE).filter(|n| name(*n).starts_with(prefix)).collect();
            let from: usize = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
            let page = body["limit"].as_u64().map_or(50, |limit| usize::try_from(limit).unwrap()).min(50);
            let to = (from + page).min(all.len());
            let group = |n: &usize| {
                json!({
                    "logGroupName": name(*n),
                    "arn": format!("{}:*", arn(*n)),
                    "logGroupArn": arn(*n),
                    "retentionInDays": 30,
                    "logGroupClass": "STANDARD",
                })
            };
            let groups: Vec<Json> = all[from..to].iter().map(group).collect();
            let next = if to < all.len() { json!(to.to_string()) } else { Json::Null };
            Answer::Json(json!({"logGroups": groups, "nextToken": next}))
        }
        "GetResources" => {
            let asked = body["ResourceARNList"].as_array().unwrap();
            assert!(asked.len() <= 100, "the tagging API refuses {} ARNs", asked.len());
            let tagged = |arn: &Json| json!({"ResourceARN": arn, "Tags": [{"Key": "Name", "Value": "main"}]});
            Answer::Json(json!({"ResourceTagMappingList": asked.iter().map(tagged).collect::<Vec<_>>()}))
        }
        other => panic!("{other} is not expected"),
    }
}

#[tokio::test]
async fn log_groups_take_their_pages_and_a_call_for_the_tags() {
    let id = |n: usize| format!("/app/{n:03}");
    let inputs =
        |n| json!({"log_group_name": format!("/app/{n:03}"), "retention_in_days": 30, "tags": {"Name": "main"}});
    let case = Case { name: "aws:logs:LogGroup", id, inputs, calls: READ / 50 + 1 };
    check(&scripted(|request, _| logs(request)), case).await;
}
