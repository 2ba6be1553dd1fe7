//! The EC2 types against answers in the form of the service's API model: for what no emulator serves (lost answers, pages, client
//! tokens, failing gateways), and for what must not depend on an emulator's kindness.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use phx_aws::Aws;
use phx_model::driver::{Cx, Delta, Driver, Read, ReadTarget, Registry};
use phx_model::error::ErrorKind;
use phx_model::state::{IntentId, ProviderKey};
use phx_model::value::{Value, ValueMap};

/// What the endpoint does with a request.
enum Answer {
    Xml(String),
    Error(u16, &'static str),
    Html(u16),
    /// An error in another service's envelope.
    Other(u16, &'static str),
    /// A status, and nothing in AWS's form.
    Bare(u16),
    /// It took the request, and the connection broke.
    Lost,
}

type Script = dyn Fn(&BTreeMap<String, String>, usize) -> Answer + Send + Sync;

/// An endpoint that answers as a function of the request's parameters and of how many came before it.
#[derive(Clone)]
struct Endpoint {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoint")
    }
}

impl HttpConnector for Endpoint {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = parameters(std::str::from_utf8(request.body().bytes().unwrap()).unwrap());
        let mut seen = self.seen.lock().unwrap();
        let answer = (self.script)(&request, seen.len());
        seen.push(request);
        let respond = |status: u16, kind: &str, body: String| {
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            response.headers_mut().insert("content-type", kind.to_owned());
            // EC2 names the request in this header, beside the body.
            response.headers_mut().insert("x-amzn-requestid", "req-1");
            Ok(response)
        };
        HttpConnectorFuture::ready(match answer {
            Answer::Xml(body) => respond(200, "text/xml", body),
            Answer::Html(status) => respond(status, "text/html", "<!doctype html><html>no</html>".to_owned()),
            Answer::Bare(status) => respond(status, "text/plain", "no".to_owned()),
            Answer::Other(status, code) => respond(
                status,
                "text/html",
                format!("<Error><Code>{code}</Code><Message>says an emulator</Message></Error>"),
            ),
            Answer::Error(status, code) => respond(
                status,
                "text/xml",
                format!(
                    "<Response><Errors><Error><Code>{code}</Code><Message>says AWS</Message></Error></Errors>\
                 <RequestID>req-1</RequestID></Response>"
                ),
            ),
            Answer::Lost => Err(ConnectorError::io("connection reset".into())),
        })
    }
}

/// A form's parameters.
fn parameters(body: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let (mut out, mut bytes) = (Vec::new(), text.bytes());
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'%' => {
                    let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                other => other,
            });
        }
        String::from_utf8(out).unwrap()
    };
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect()
}

struct Bench {
    endpoint: Endpoint,
    aws: Aws,
    registry: Registry,
    cx: Cx,
}

fn bench(script: impl Fn(&BTreeMap<String, String>, usize) -> Answer + Send + Sync + 'static) -> Bench {
    let endpoint = Endpoint { script: Arc::new(script), seen: Arc::default() };
    let connector = SharedHttpConnector::new(endpoint.clone());
    let client = http_client_fn(move |_, _| connector.clone());
    let aws = Aws::builder().region(Some("us-west-2".into())).http_client(client).credentials("key", "secret").build();
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, &aws);
    let cx = Cx::new(ProviderKey::default(), Arc::new(|_| {}), Duration::from_millis(700));
    Bench { endpoint, aws, registry, cx }
}

impl Bench {
    fn driver(&self, name: &str) -> Arc<dyn Driver> {
        self.registry.get(name).unwrap().clone()
    }

    fn actions(&self) -> Vec<String> {
        self.endpoint.seen.lock().unwrap().iter().map(|request| request["Action"].clone()).collect()
    }

    async fn read(&self, name: &str, targets: &[(&str, &ValueMap)]) -> Vec<Read> {
        let targets: Vec<_> = targets.iter().map(|(id, inputs)| ReadTarget { id, inputs }).collect();
        self.driver(name).read_many(&self.cx, &targets).await.unwrap()
    }
}

fn values<const N: usize>(pairs: [(&str, &str); N]) -> ValueMap {
    pairs.map(|(k, v)| (k.to_owned(), Value::String(v.into()))).into()
}

fn intent() -> IntentId {
    IntentId("0f8f6f6e-1111-4222-8333-444455556666.01890a5d-ac96-774b-bcce-b302099a8057.17".into())
}

fn vpc(id: &str, intent: &str) -> String {
    format!(
        "<item><vpcId>{id}</vpcId><ownerId>123456789012</ownerId><cidrBlock>10.0.0.0/16</cidrBlock>\
         <instanceTenancy>default</instanceTenancy><tagSet><item><key>phx:intent</key><value>{intent}</value></item>\
         <item><key>Name</key><value>main</value></item></tagSet></item>"
    )
}

fn vpcs(items: &str) -> Answer {
    Answer::Xml(format!("<DescribeVpcsResponse><vpcSet>{items}</vpcSet></DescribeVpcsResponse>"))
}

#[tokio::test]
async fn a_throttled_or_failing_read_is_repeated() {
    let bench = bench(|_, n| match n {
        0 => Answer::Error(503, "RequestLimitExceeded"),
        1 => Answer::Error(500, "InternalError"),
        2 => Answer::Lost,
        _ => vpcs(&vpc("vpc-1", "i")),
    });
    let inputs = values([("cidr_block", "10.0.0.0/16")]);
    let read = bench.read("aws:ec2:Vpc", &[("vpc-1", &inputs), ("vpc-2", &inputs)]).await;
    let Read::Present(there) = &read[0] else { panic!("{read:?}") };
    assert_eq!(there.fields["tags"], Value::Map(values([("Name", "main")])), "phx's own tag is hidden");
    assert_eq!(there.outputs["arn"].as_str(), Some("arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1"));
    assert!(matches!(read[1], Read::Gone));
    assert_eq!(bench.aws.api_calls(), 4);
    assert_eq!(bench.aws.api_calls_by_operation()["ec2:DescribeVpcs"], 4);
}

#[tokio::test]
async fn a_create_is_sent_once_and_its_doubt_is_told() {
    let want = values([("cidr_block", "10.0.0.0/16")]);
    for answer in [|| Answer::Lost, || Answer::Error(500, "InternalError"), || Answer::Error(503, "Unavailable")] {
        let bench = bench(move |_, _| answer());
        let error = bench.driver("aws:ec2:Vpc").create(&bench.cx, &want, &intent()).await.unwrap_err();
        assert_eq!((error.kind, bench.aws.api_calls()), (ErrorKind::Ambiguous, 1), "{error}");
        assert_eq!((error.service.as_str(), error.operation.as_str()), ("ec2", "CreateVpc"));
    }
    // Refused without effect: repeated.
    let bench = bench(|_, n| match n {
        0 => Answer::Error(503, "RequestLimitExceeded"),
        _ => Answer::Xml("<CreateVpcResponse><vpc><vpcId>vpc-1</vpcId></vpc></CreateVpcResponse>".into()),
    });
    let made = bench.driver("aws:ec2:Vpc").create(&bench.cx, &want, &intent()).await.unwrap();
    assert_eq!((made.id.as_str(), made.complete, bench.aws.api_calls()), ("vpc-1", true, 2));
}

#[tokio::test]
async fn an_html_page_means_that_the_operation_is_not_implemented() {
    for (status, calls) in [(404, 1), (500, 3)] {
        let bench = bench(move |_, _| Answer::Html(status));
        let inputs = ValueMap::new();
        let targets = [ReadTarget { id: "vpc-1", inputs: &inputs }];
        let error = bench.driver("aws:ec2:Vpc").read_many(&bench.cx, &targets).await.unwrap_err();
        assert_eq!((error.kind, bench.aws.api_calls()), (ErrorKind::Unsupported, calls), "{error}");
        assert!(error.message.contains("does not implement ec2:DescribeVpcs"), "{error}");
        let error = bench.driver("aws:ec2:Vpc").delete(&bench.cx, "vpc-1", &inputs).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported, "not taken for deleted: {error}");
        // What broke half way may have made the object.
        let want = values([("cidr_block", "10.0.0.0/16")]);
        let error = bench.driver("aws:ec2:Vpc").create(&bench.cx, &want, &intent()).await.unwrap_err();
        let kind = if status == 500 { ErrorKind::Ambiguous } else { ErrorKind::Unsupported };
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn what_stands_before_a_service_that_is_down_is_no_word_of_the_service() {
    let inputs = values([("cidr_block", "10.0.0.0/16")]);
    let back = bench(|_, n| if n == 0 { Answer::Html(503) } else { vpcs(&vpc("vpc-1", "i")) });
    let read = back.read("aws:ec2:Vpc", &[("vpc-1", &inputs)]).await;
    assert!(matches!(read[0], Read::Present(_)), "{read:?}");
    let down = bench(|_, _| Answer::Html(503));
    let error = down.driver("aws:ec2:Vpc").create(&down.cx, &inputs, &intent()).await.unwrap_err();
    assert_eq!((error.kind, down.aws.api_calls()), (ErrorKind::Ambiguous, 1), "{error}");
    assert!(error.message.contains("503"), "{error}");
}

#[tokio::test]
async fn a_404_without_a_code_does_not_mean_that_an_object_is_gone() {
    let bench = bench(|_, _| Answer::Bare(404));
    let inputs = values([("cidr_block", "10.0.0.0/16")]);
    let targets = [ReadTarget { id: "vpc-1", inputs: &inputs }];
    let driver = bench.driver("aws:ec2:Vpc");
    let error = driver.read_many(&bench.cx, &targets).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
    let error = driver.delete(&bench.cx, "vpc-1", &inputs).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "not taken for deleted: {error}");
}

#[tokio::test]
async fn an_error_is_understood_in_any_envelope() {
    let bench = bench(|_, _| Answer::Other(403, "AccessDenied"));
    let want = values([("cidr_block", "10.0.0.0/16")]);
    let error = bench.driver("aws:ec2:Vpc").create(&bench.cx, &want, &intent()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Denied, Some("AccessDenied")), "{error}");
    assert!(error.message.contains("says an emulator"), "{error}");
}

#[tokio::test]
async fn what_aws_said_is_kept() {
    let bench = bench(|_, _| Answer::Error(400, "VpcLimitExceeded"));
    let want = values([("cidr_block", "10.0.0.0/16")]);
    let error = bench.driver("aws:ec2:Vpc").create(&bench.cx, &want, &intent()).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("VpcLimitExceeded"));
    assert_eq!(error.request_id.as_deref(), Some("req-1"));
    assert_eq!(error.to_string(), "ec2:CreateVpc: VpcLimitExceeded: says AWS (request req-1)");
}

#[tokio::test]
async fn an_intents_object_is_found_among_others() {
    // The endpoint ignores the filter.
    let bench = bench(|_, _| vpcs(&(vpc("vpc-1", "another") + &vpc("vpc-2", intent().as_str()))));
    let want = values([("cidr_block", "10.0.0.0/16")]);
    let found = bench.driver("aws:ec2:Vpc").find(&bench.cx, &want, &intent()).await.unwrap().unwrap();
    assert_eq!(found.id, "vpc-2");
    let none = bench.driver("aws:ec2:Vpc").find(&bench.cx, &want, &IntentId("none".into())).await.unwrap();
    assert_eq!(none, None);
    let request = bench.endpoint.seen.lock().unwrap()[0].clone();
    assert_eq!(request["Filter.1.Name"], "tag:phx:intent");
    assert_eq!(request["Filter.1.Value.1"], intent().as_str());
}

#[tokio::test]
async fn attributes_that_cost_a_call_are_read_only_if_the_program_sets_them() {
    let bench = bench(|request, _| match request["Action"].as_str() {
        "DescribeVpcs" => vpcs(&(vpc("vpc-1", "i") + &vpc("vpc-2", "i"))),
        _ => Answer::Xml(
            "<DescribeVpcAttributeResponse><enableDnsHostnames><value>true</value></enableDnsHostnames>\
             </DescribeVpcAttributeResponse>"
                .into(),
        ),
    });
    let plain = values([("cidr_block", "10.0.0.0/16")]);
    let mut named = plain.clone();
    named.insert("enable_dns_hostnames", Value::Bool(true));
    let read = bench.read("aws:ec2:Vpc", &[("vpc-1", &plain), ("vpc-2", &named)]).await;
    assert_eq!(bench.actions(), ["DescribeVpcs", "DescribeVpcAttribute"]);
    let Read::Present(there) = &read[1] else { panic!("{read:?}") };
    assert_eq!(there.fields["enable_dns_hostnames"], Value::Bool(true));
    // An object that is adopted is read as a whole.
    bench.read("aws:ec2:Vpc", &[("vpc-1", &ValueMap::new())]).await;
    assert_eq!(bench.actions().len(), 2 + 4);
}

#[tokio::test]
async fn pages_are_followed() {
    let bench = bench(|request, _| {
        let (id, next) = match request.get("NextToken") {
            None => ("subnet-1", "<nextToken>more</nextToken>"),
            Some(token) => {
                assert_eq!(token, "more");
                ("subnet-2", "")
            }
        };
        Answer::Xml(format!(
            "<DescribeSubnetsResponse><subnetSet><item><subnetId>{id}</subnetId><vpcId>vpc-1</vpcId>\
             <cidrBlock>10.0.0.0/24</cidrBlock></item></subnetSet>{next}</DescribeSubnetsResponse>"
        ))
    });
    let inputs = values([("vpc_id", "vpc-1")]);
    let read = bench.read("aws:ec2:Subnet", &[("subnet-1", &inputs), ("subnet-2", &inputs)]).await;
    assert!(read.iter().all(|r| matches!(r, Read::Present(_))), "{read:?}");
    assert_eq!(bench.aws.api_calls(), 2);
}

#[tokio::test]
async fn a_gateway_that_fails_says_why() {
    let bench = bench(|request, n| {
        match (request["Action"].as_str(), n) {
        ("CreateNatGateway", _) => Answer::Xml(
            "<CreateNatGatewayResponse><natGateway><natGatewayId>nat-1</natGatewayId><state>pending</state></natGateway>\
             </CreateNatGatewayResponse>"
                .into(),
        ),
        (_, n) => {
            let state = if n < 2 { "pending" } else { "failed" };
            Answer::Xml(format!(
                "<DescribeNatGatewaysResponse><natGatewaySet><item><natGatewayId>nat-1</natGatewayId><state>{state}</state>\
                 <failureCode>Gateway.NotAttached</failureCode><failureMessage>vpc-1 has no Internet gateway attached</failureMessage>\
                 </item></natGatewaySet></DescribeNatGatewaysResponse>"
            ))
        }
    }
    });
    let want = values([("subnet_id", "subnet-1"), ("allocation_id", "eipalloc-1")]);
    let driver = bench.driver("aws:ec2:NatGateway");
    let made = driver.create(&bench.cx, &want, &intent()).await.unwrap();
    assert!(!made.complete);
    let error = driver.finish(&bench.cx, &made.id, &want).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("Gateway.NotAttached"));
    assert!(error.message.contains("vpc-1 has no Internet gateway attached"), "{error}");
    assert!(matches!(bench.read("aws:ec2:NatGateway", &[("nat-1", &want)]).await[0], Read::Gone));

    driver.create(&bench.cx, &want, &intent()).await.unwrap();
    let seen = bench.endpoint.seen.lock().unwrap();
    let tokens: Vec<_> = seen.iter().filter_map(|request| request.get("ClientToken")).collect();
    assert!(tokens.len() == 2 && tokens[0] == tokens[1] && tokens[0].len() <= 64, "{tokens:?}");
}

#[tokio::test]
async fn waiting_ends_with_the_verbs_time() {
    let bench = bench(|_, _| {
        Answer::Xml(
            "<DescribeNatGatewaysResponse><natGatewaySet><item><natGatewayId>nat-1</natGatewayId><state>pending</state></item>\
             </natGatewaySet></DescribeNatGatewaysResponse>"
                .into(),
        )
    });
    let want = values([("subnet_id", "subnet-1")]);
    let error = bench.driver("aws:ec2:NatGateway").finish(&bench.cx, "nat-1", &want).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.message.contains("nat-1 is still pending"), "{error}");
}

#[tokio::test]
async fn a_refused_delete_says_what_holds_the_object() {
    let bench = bench(|request, _| {
        match request["Action"].as_str() {
        "DeleteSubnet" => Answer::Error(400, "DependencyViolation"),
        _ => Answer::Xml(
            "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>\
             <subnetId>subnet-1</subnetId><description>ELB app/web</description></item>\
             <item><networkInterfaceId>eni-2</networkInterfaceId><subnetId>subnet-2</subnetId></item></networkInterfaceSet>\
             </DescribeNetworkInterfacesResponse>"
                .into(),
        ),
    }
    });
    let error = bench.driver("aws:ec2:Subnet").delete(&bench.cx, "subnet-1", &ValueMap::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    let hint = error.hint.unwrap();
    assert!(hint.contains("eni-1 (ELB app/web)") && !hint.contains("eni-2"), "{hint}");
    assert!(bench.actions().iter().filter(|a| *a == "DeleteSubnet").count() > 1, "tried again before giving up");
}

#[tokio::test]
async fn what_is_gone_is_deleted() {
    for (name, id, code) in [
        ("aws:ec2:Vpc", "vpc-1", "InvalidVpcID.NotFound"),
        ("aws:ec2:Subnet", "subnet-1", "InvalidSubnetID.NotFound"),
        ("aws:ec2:Eip", "eipalloc-1", "InvalidAllocationID.NotFound"),
        ("aws:ec2:NatGateway", "nat-1", "NatGatewayNotFound"),
        ("aws:ec2:RouteTable", "rtb-1", "InvalidRouteTableID.NotFound"),
        ("aws:ec2:Route", "rtb-1_0.0.0.0/0", "InvalidRoute.NotFound"),
        ("aws:ec2:RouteTableAssociation", "rtbassoc-1", "InvalidAssociationID.NotFound"),
        ("aws:ec2:SecurityGroup", "sg-1", "InvalidGroup.NotFound"),
    ] {
        let bench = bench(move |_, _| Answer::Error(400, code));
        bench.driver(name).delete(&bench.cx, id, &ValueMap::new()).await.unwrap();
        assert_eq!(bench.aws.api_calls(), 1, "{name}");
    }
    let bench = bench(|_, _| Answer::Error(400, "InvalidSecurityGroupRuleId.NotFound"));
    let was = values([("group_id", "sg-1"), ("ip_protocol", "tcp")]);
    bench.driver("aws:ec2:SecurityGroupIngressRule").delete(&bench.cx, "sgr-1", &was).await.unwrap();
}

fn open_rule(tags: &str) -> String {
    format!(
        "<DescribeSecurityGroupRulesResponse><securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId>\
         <groupId>sg-1</groupId><groupOwnerId>123456789012</groupOwnerId><isEgress>true</isEgress><ipProtocol>-1</ipProtocol>\
         <fromPort>-1</fromPort><toPort>-1</toPort><cidrIpv4>0.0.0.0/0</cidrIpv4><tagSet>{tags}</tagSet></item>\
         </securityGroupRuleSet></DescribeSecurityGroupRulesResponse>"
    )
}

#[tokio::test]
async fn the_rule_that_aws_gives_every_group_is_taken_over_and_others_are_not() {
    let want = values([("group_id", "sg-1"), ("ip_protocol", "-1"), ("cidr_ip", "0.0.0.0/0")]);
    let script = |tags: &'static str| {
        move |request: &BTreeMap<String, String>, _: usize| match request["Action"].as_str() {
            "AuthorizeSecurityGroupEgress" => Answer::Error(400, "InvalidPermission.Duplicate"),
            "CreateTags" => Answer::Xml("<CreateTagsResponse><return>true</return></CreateTagsResponse>".into()),
            _ => Answer::Xml(open_rule(tags)),
        }
    };
    let own = bench(script(""));
    let made = own.driver("aws:ec2:SecurityGroupEgressRule").create(&own.cx, &want, &intent()).await.unwrap();
    assert_eq!(made.id, "sgr-1");
    let seen = own.endpoint.seen.lock().unwrap().last().unwrap().clone();
    assert_eq!((seen["Action"].as_str(), seen["Tag.1.Value"].as_str()), ("CreateTags", intent().as_str()));

    let other = bench(script("<item><key>Name</key><value>theirs</value></item>"));
    let error = other.driver("aws:ec2:SecurityGroupEgressRule").create(&other.cx, &want, &intent()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.hint.unwrap().contains("sgr-1"));
}

#[tokio::test]
async fn a_rule_is_changed_in_place_and_only_its_tags_if_only_they_differ() {
    let bench = bench(|request, _| {
        let action = &request["Action"];
        Answer::Xml(format!("<{action}Response><return>true</return></{action}Response>"))
    });
    let mut want = values([("group_id", "sg-1"), ("ip_protocol", "tcp"), ("cidr_ip", "10.0.0.0/8")]);
    want.insert("from_port", Value::Int(80));
    want.insert("to_port", Value::Int(81));
    let driver = bench.driver("aws:ec2:SecurityGroupIngressRule");
    let change = [("to_port".to_owned(), Delta { before: Value::Int(80), after: Value::Int(81) })].into();
    driver.update(&bench.cx, "sgr-1", &want, &change).await.unwrap();
    let tag = |value: &str| Value::Map(values([("Name", value)]));
    let change = [("tags".to_owned(), Delta { before: tag("a"), after: tag("b") })].into();
    driver.update(&bench.cx, "sgr-1", &want, &change).await.unwrap();
    assert_eq!(bench.actions(), ["ModifySecurityGroupRules", "CreateTags"]);
    let seen = bench.endpoint.seen.lock().unwrap()[0].clone();
    assert_eq!(seen["SecurityGroupRule.1.SecurityGroupRule.CidrIpv4"], "10.0.0.0/8");
    assert_eq!(seen["SecurityGroupRule.1.SecurityGroupRule.ToPort"], "81");
}

#[tokio::test]
async fn a_new_object_is_waited_for_until_all_of_aws_knows_it() {
    let bench = bench(|_, n| match n {
        0 => Answer::Error(400, "InvalidVpcID.NotFound"),
        _ => Answer::Xml(
            "<CreateSubnetResponse><subnet><subnetId>subnet-1</subnetId></subnet></CreateSubnetResponse>".into(),
        ),
    });
    let want = values([("vpc_id", "vpc-1"), ("cidr_block", "10.0.0.0/24")]);
    let made = bench.driver("aws:ec2:Subnet").create(&bench.cx, &want, &intent()).await.unwrap();
    assert_eq!((made.id.as_str(), made.complete, bench.aws.api_calls()), ("subnet-1", true, 2));
}

#[tokio::test]
async fn a_route_is_read_from_its_table_and_found_by_its_destination() {
    let bench = bench(|_, _| {
        Answer::Xml(
            "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId><routeSet>\
             <item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId>\
             <origin>CreateRouteTable</origin></item>\
             <item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><gatewayId>igw-1</gatewayId>\
             <origin>CreateRoute</origin></item></routeSet></item></routeTableSet></DescribeRouteTablesResponse>"
                .into(),
        )
    });
    let want = values([("route_table_id", "rtb-1"), ("destination_cidr_block", "0.0.0.0/0"), ("gateway_id", "igw-1")]);
    let ids = [("rtb-1_0.0.0.0/0", &want), ("rtb-1_10.0.0.0/16", &want), ("rtb-2_0.0.0.0/0", &want)];
    let read = bench.read("aws:ec2:Route", &ids).await;
    let Read::Present(there) = &read[0] else { panic!("{read:?}") };
    assert_eq!(there.fields, want);
    assert!(matches!(read[1], Read::Gone) && matches!(read[2], Read::Gone));
    assert_eq!(bench.aws.api_calls(), 1);

    let driver = bench.driver("aws:ec2:Route");
    assert_eq!(driver.find(&bench.cx, &want, &intent()).await.unwrap().unwrap().id, "rtb-1_0.0.0.0/0");
    let elsewhere =
        values([("route_table_id", "rtb-1"), ("destination_cidr_block", "0.0.0.0/0"), ("nat_gateway_id", "nat-1")]);
    let error = driver.find(&bench.cx, &elsewhere, &intent()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    let none =
        values([("route_table_id", "rtb-1"), ("destination_cidr_block", "10.9.0.0/16"), ("nat_gateway_id", "nat-1")]);
    assert_eq!(driver.find(&bench.cx, &none, &intent()).await.unwrap(), None);
}

/// Creates a VPC at an address, over the real HTTP client; gives the error and how many requests were sent.
async fn create_at(address: std::net::SocketAddr) -> (phx_model::CloudError, u64) {
    let region = Some("us-west-2".to_owned());
    let endpoint = format!("http://{address}");
    let aws = Aws::builder().region(region).credentials("key", "secret").endpoint(endpoint).build();
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, &aws);
    let cx = Cx::new(ProviderKey::default(), Arc::new(|_| {}), Duration::from_secs(9));
    let want = values([("cidr_block", "10.0.0.0/16")]);
    let driver = registry.get("aws:ec2:Vpc").unwrap();
    (driver.create(&cx, &want, &intent()).await.unwrap_err(), aws.api_calls())
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (error, calls) = create_at(address).await;
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(error.message.contains(&address.to_string()), "{error}");
    assert!(calls > 1, "nothing can have happened, so it was tried again");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_a_create_in_doubt() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut requests = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 1 << 16];
            if stream.read(&mut buffer).await.unwrap() > 0 {
                requests += 1;
            }
            if requests == 2 {
                break;
            }
        }
    });
    let (error, calls) = create_at(address).await;
    assert_eq!((error.kind, calls), (ErrorKind::Ambiguous, 1), "{error}");
    assert!(!server.is_finished(), "a second request was sent");
    server.abort();
}
