//! Elastic Load Balancing.

use std::sync::Mutex;

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use phx_model::value::ValueMap;
use serde_json::json;

use crate::kit::{self, Answer, Bench, Request};

const BALANCER: &str = "aws:elbv2:LoadBalancer";
const GROUP: &str = "aws:elbv2:TargetGroup";
const LISTENER: &str = "aws:elbv2:Listener";

fn balancer_arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/{name}/1")
}

fn balancer(name: &str, state: &str) -> String {
    format!(
        "<member><LoadBalancerArn>{}</LoadBalancerArn><LoadBalancerName>{name}</LoadBalancerName><DNSName>x</DNSName>\
         <State><Code>{state}</Code><Reason>says AWS</Reason></State></member>",
        balancer_arn(name)
    )
}

fn balancers(all: &str) -> Answer {
    Answer::Query(format!("<LoadBalancers>{all}</LoadBalancers>"))
}

/// Everything asked for has one tag and the intent's.
fn tags(request: &Request, intent: u32) -> Answer {
    let asked: Vec<&str> = request
        .body
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| key.starts_with("ResourceArns"))
        .map(|(_, arn)| arn.as_str().unwrap())
        .collect();
    assert!(asked.len() <= 20);
    let intent = kit::intent(intent);
    let one = |arn: &&str| {
        format!(
            "<member><ResourceArn>{arn}</ResourceArn><Tags><member><Key>a</Key><Value>1</Value></member>\
         <member><Key>phx:intent</Key><Value>{}</Value></member></Tags></member>",
            intent.as_str()
        )
    };
    Answer::Query(format!("<TagDescriptions>{}</TagDescriptions>", asked.iter().map(one).collect::<String>()))
}

async fn read(bench: &Bench, name: &str, ids: &[String], inputs: &ValueMap) -> Vec<Read> {
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), inputs)).collect();
    bench.read(name, &targets).await
}

#[tokio::test]
async fn a_hundred_load_balancers_take_six_calls() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeLoadBalancers" => {
            balancers(&(0..99).map(|n| balancer(&format!("b{n}"), "active")).collect::<String>())
        }
        _ => tags(request, 1),
    });
    let ids: Vec<String> = (0..100).map(|n| balancer_arn(&format!("b{n}"))).collect();
    let reads = read(&bench, BALANCER, &ids, &kit::fields(json!({"name": "b", "tags": {"a": "1"}}))).await;
    assert!(reads[..99].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(matches!(reads[99], Read::Gone));
    assert_eq!(bench.operations().len(), 6);
}

#[tokio::test]
async fn a_hundred_target_groups_take_six_calls() {
    let arn = |n: usize| format!("arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/g{n}/1");
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeTargetGroups" => {
            let one = |n: usize| format!("<member><TargetGroupArn>{}</TargetGroupArn></member>", arn(n));
            Answer::Query(format!("<TargetGroups>{}</TargetGroups>", (0..99).map(one).collect::<String>()))
        }
        _ => tags(request, 1),
    });
    let ids: Vec<String> = (0..100).map(arn).collect();
    let reads = read(&bench, GROUP, &ids, &kit::fields(json!({"name": "g", "tags": {"a": "1"}}))).await;
    assert!(reads[..99].iter().all(|r| matches!(r, Read::Present(_))));
    assert!(matches!(reads[99], Read::Gone));
    assert_eq!(bench.operations().len(), 6);
}

fn listener_arn(balancer: &str, n: usize) -> String {
    format!("{}/{n}", balancer_arn(balancer).replace(":loadbalancer/", ":listener/"))
}

fn listener(balancer: &str, n: usize, inside: &str) -> String {
    format!(
        "<member><ListenerArn>{}</ListenerArn><LoadBalancerArn>{}</LoadBalancerArn><Protocol>HTTPS</Protocol><Port>443</Port>\
         <DefaultActions><member><Type>forward</Type><TargetGroupArn>tg</TargetGroupArn></member></DefaultActions>{inside}</member>",
        listener_arn(balancer, n),
        balancer_arn(balancer)
    )
}

#[tokio::test]
async fn listeners_take_a_call_for_each_load_balancer_and_for_twenty_listeners_tags() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeListeners" => {
            let arn = request.body["LoadBalancerArn"].as_str().unwrap();
            let name = arn.rsplit('/').nth(1).unwrap();
            match name {
                "gone" => Answer::XmlError(400, "LoadBalancerNotFound"),
                "secret" => Answer::XmlError(403, "AccessDenied"),
                _ => {
                    let all: String = (0..10).map(|n| listener(name, n, "")).collect();
                    Answer::Query(format!("<Listeners>{all}</Listeners>"))
                }
            }
        }
        _ => tags(request, 1),
    });
    let mut ids: Vec<String> = (0..10).flat_map(|b| (0..10).map(move |n| listener_arn(&format!("b{b}"), n))).collect();
    let inputs = kit::fields(json!({"port": 443, "tags": {"a": "1"}}));
    let reads = read(&bench, LISTENER, &ids, &inputs).await;
    assert!(reads.iter().all(|r| matches!(r, Read::Present(_))));
    assert_eq!(bench.operations().len(), 15);

    ids = vec![listener_arn("b1", 99), listener_arn("gone", 1), listener_arn("secret", 1), "bad".to_owned()];
    let reads = read(&bench, LISTENER, &ids, &inputs).await;
    assert!(matches!((&reads[0], &reads[1]), (Read::Gone, Read::Gone)));
    assert!(matches!(&reads[2], Read::Failed(e) if e.kind == ErrorKind::Denied));
    assert!(matches!(&reads[3], Read::Failed(e) if e.kind == ErrorKind::Invalid));
}

#[tokio::test]
async fn a_load_balancer_is_waited_for_and_may_fail() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        // Nothing has the name yet.
        "DescribeLoadBalancers" if n == 0 => Answer::XmlError(400, "LoadBalancerNotFound"),
        "DescribeLoadBalancers" if n < 4 => balancers(&balancer("b", "provisioning")),
        "DescribeLoadBalancers" if n == 4 => balancers(&balancer("b", "active")),
        "DescribeLoadBalancers" => balancers(&balancer("b", "failed")),
        _ => balancers(&balancer("b", "provisioning")),
    });
    let made = bench.create(BALANCER, &json!({"name": "b"}), 1).await.unwrap();
    assert_eq!(made.outputs["load_balancer_full_name"].as_str(), Some("app/b/1"));
    let driver = bench.driver(BALANCER);
    let error = driver.finish(&bench.cx, &made.id, &kit::fields(json!({"name": "b"}))).await.unwrap_err();
    assert!(error.message.contains("failed: says AWS"), "{error}");
}

#[tokio::test]
async fn a_load_balancer_whose_answer_was_lost_is_found_by_its_name_and_mark() {
    let made = Mutex::new(false);
    let bench = kit::scripted(move |request, _| {
        let mut made = made.lock().unwrap();
        match request.operation.as_str() {
            "CreateLoadBalancer" => {
                *made = true;
                Answer::Lost
            }
            "DescribeTags" => tags(request, 1),
            _ if *made => balancers(&balancer("b", "active")),
            _ => Answer::XmlError(400, "LoadBalancerNotFound"),
        }
    });
    let want = json!({"name": "b", "tags": {"a": "1"}});
    assert_eq!(bench.create(BALANCER, &want, 1).await.unwrap_err().kind, ErrorKind::Ambiguous);
    let found = bench.driver(BALANCER).find(&bench.cx, &kit::fields(want.clone()), &kit::intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id), Some(balancer_arn("b")));
    // It is taken over, and not made again.
    let count = bench.operations().len();
    bench.driver(BALANCER).create(&bench.cx, &kit::fields(want.clone()), &kit::intent(1)).await.unwrap();
    assert!(!bench.operations()[count..].contains(&"CreateLoadBalancer".to_owned()));
    let error = bench.driver(BALANCER).find(&bench.cx, &kit::fields(want), &kit::intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_target_group_whose_answer_was_lost_is_found_by_its_name_and_mark() {
    let made = Mutex::new(false);
    let bench = kit::scripted(move |request, _| {
        let mut made = made.lock().unwrap();
        match request.operation.as_str() {
            "CreateTargetGroup" => {
                *made = true;
                Answer::Lost
            }
            "DescribeTags" => tags(request, 1),
            _ if *made => Answer::Query(
                "<TargetGroups><member><TargetGroupArn>arn:g</TargetGroupArn><TargetGroupName>g</TargetGroupName></member></TargetGroups>"
                    .to_owned(),
            ),
            _ => Answer::XmlError(400, "TargetGroupNotFound"),
        }
    });
    let want = json!({"name": "g", "attributes": {"stickiness.enabled": "true"}});
    assert_eq!(bench.create(GROUP, &want, 1).await.unwrap_err().kind, ErrorKind::Ambiguous);
    let found = bench.driver(GROUP).find(&bench.cx, &kit::fields(want), &kit::intent(1)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.complete), ("arn:g", false));
}

#[tokio::test]
async fn a_listener_whose_answer_was_lost_is_found_by_its_mark() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "CreateListener" => Answer::Lost,
        "DescribeTags" => tags(request, 1),
        _ => Answer::Query(format!("<Listeners>{}</Listeners>", listener("b", 1, ""))),
    });
    let want = json!({"load_balancer_arn": balancer_arn("b"), "port": 443, "default_actions": [{"type": "forward"}]});
    assert_eq!(bench.create(LISTENER, &want, 1).await.unwrap_err().kind, ErrorKind::Ambiguous);
    let find = |n: u32| (kit::fields(want.clone()), kit::intent(n));
    let (fields, intent) = find(1);
    let found = bench.driver(LISTENER).find(&bench.cx, &fields, &intent).await.unwrap();
    assert_eq!(found.map(|f| f.id), Some(listener_arn("b", 1)));
    let (fields, intent) = find(2);
    assert!(bench.driver(LISTENER).find(&bench.cx, &fields, &intent).await.unwrap().is_none());

    // One with the same port and protocol is not made again: AWS would answer with it, whosever it is.
    let mut want = want;
    want["protocol"] = json!("HTTPS");
    let count = bench.operations().len();
    assert_eq!(bench.create(LISTENER, &want, 1).await.unwrap().id, listener_arn("b", 1));
    assert_eq!(bench.create(LISTENER, &want, 2).await.unwrap_err().kind, ErrorKind::AlreadyExists);
    assert!(!bench.operations()[count..].contains(&"CreateListener".to_owned()));
}

#[tokio::test]
async fn what_emulators_do_not_tell_of_load_balancers() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeLoadBalancers" => balancers(&format!(
            "<member><LoadBalancerArn>{}</LoadBalancerArn><LoadBalancerName>b</LoadBalancerName><Type>network</Type>\
             <AvailabilityZones><member><SubnetId>subnet-1</SubnetId><LoadBalancerAddresses><member><AllocationId>eipalloc-1</AllocationId>\
             <IpAddress>192.0.2.1</IpAddress></member></LoadBalancerAddresses><SourceNatIpv6Prefixes><member>2001:db8::/80</member>\
             </SourceNatIpv6Prefixes></member><member><SubnetId>subnet-2</SubnetId></member></AvailabilityZones>\
             <EnablePrefixForIpv6SourceNat>on</EnablePrefixForIpv6SourceNat><IpamPools><Ipv4IpamPoolId>ipam-pool-1</Ipv4IpamPoolId></IpamPools>\
             <EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>off</EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic></member>",
            balancer_arn("b")
        )),
        "DescribeCapacityReservation" => Answer::Query(
            "<MinimumLoadBalancerCapacity><CapacityUnits>100</CapacityUnits></MinimumLoadBalancerCapacity>".to_owned(),
        ),
        _ => Answer::Query(String::new()),
    });
    let want = json!({
        "name": "b", "type": "network", "enable_prefix_for_ipv6_source_nat": "on", "ipam_pools": {"ipv4_ipam_pool_id": "ipam-pool-1"},
        "enforce_security_group_inbound_rules_on_private_link_traffic": "off", "minimum_load_balancer_capacity": {"capacity_units": 100},
        "subnet_mappings": [
            {"subnet_id": "subnet-2"},
            {"subnet_id": "subnet-1", "allocation_id": "eipalloc-1", "source_nat_ipv6_prefix": "2001:db8::/80"}
        ]
    });
    let id = balancer_arn("b");
    bench.settled(BALANCER, &id, &want).await;
    let other = json!({
        "name": "b", "type": "network", "enable_prefix_for_ipv6_source_nat": "off",
        "enforce_security_group_inbound_rules_on_private_link_traffic": "on", "subnets": ["subnet-1", "subnet-3"],
        "security_groups": ["sg-1"]
    });
    bench.update(BALANCER, &id, &want, &other).await;
    let sent = |operation: &str| bench.requests().into_iter().find(|r| r.operation == operation).unwrap().body;
    assert_eq!(sent("SetSubnets")["EnablePrefixForIpv6SourceNat"], "off");
    assert_eq!(sent("SetSubnets")["Subnets.member.2"], "subnet-3");
    assert_eq!(sent("SetSecurityGroups")["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"], "on");
    // Other groups alone do not switch it on again.
    let mut grouped = want.clone();
    grouped["security_groups"] = json!(["sg-1"]);
    bench.update(BALANCER, &id, &want, &grouped).await;
    let last = bench.requests().into_iter().rfind(|r| r.operation == "SetSecurityGroups").unwrap().body;
    assert_eq!(last["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"], "off");
    assert_eq!(sent("ModifyIpPools")["RemoveIpamPools.member.1"], "ipv4");
    assert_eq!(sent("ModifyCapacityReservation")["ResetCapacityReservation"], "true");
}

#[tokio::test]
async fn a_protected_load_balancer_says_what_to_do() {
    let bench = kit::scripted(|_, _| Answer::XmlError(400, "OperationNotPermitted"));
    let want = kit::fields(json!({"name": "b"}));
    let error = bench.driver(BALANCER).delete(&bench.cx, &balancer_arn("b"), &want).await.unwrap_err();
    assert!(error.hint.unwrap().contains("deletion_protection.enabled"));
}

#[tokio::test]
async fn a_target_group_in_use_says_by_what() {
    let bench = kit::scripted(|request, _| {
        match request.operation.as_str() {
        "DeleteTargetGroup" => Answer::XmlError(400, "ResourceInUse"),
        _ => Answer::Query(
            "<TargetGroups><member><TargetGroupArn>g</TargetGroupArn><LoadBalancerArns><member>lb-1</member></LoadBalancerArns></member>\
             </TargetGroups>"
                .to_owned(),
        ),
    }
    });
    let error = bench.driver(GROUP).delete(&bench.cx, "g", &kit::fields(json!({"name": "g"}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.hint.unwrap().contains("lb-1"));
}

#[tokio::test]
async fn what_emulators_do_not_tell_of_listeners() {
    let mutual = "<MutualAuthentication><Mode>verify</Mode><TrustStoreArn>ts</TrustStoreArn>\
                  <IgnoreClientCertificateExpiry>false</IgnoreClientCertificateExpiry></MutualAuthentication>\
                  <AlpnPolicy><member>HTTP2Optional</member></AlpnPolicy>";
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeListeners" => Answer::Query(format!("<Listeners>{}</Listeners>", listener("b", 1, mutual))),
        "DescribeListenerAttributes" => Answer::Query(
            "<Attributes><member><Key>tcp.idle_timeout.seconds</Key><Value>400</Value></member>\
             <member><Key>other</Key><Value>x</Value></member></Attributes>"
                .to_owned(),
        ),
        _ => Answer::Query(String::new()),
    });
    let want = json!({
        "load_balancer_arn": balancer_arn("b"), "protocol": "HTTPS", "port": 443, "alpn_policy": ["HTTP2Optional"],
        "default_actions": [{"type": "forward", "target_group_arn": "tg"}],
        "mutual_authentication": {"mode": "verify", "trust_store_arn": "ts"}, "attributes": {"tcp.idle_timeout.seconds": "400"}
    });
    let id = listener_arn("b", 1);
    bench.settled(LISTENER, &id, &want).await;
    let token = json!({"type": "jwt-validation", "order": 1, "jwt_validation_config": {
        "jwks_endpoint": "https://id.example.com/keys", "issuer": "i",
        "additional_claims": [{"format": "single-string", "name": "aud", "values": ["web"]}]
    }});
    let other = json!({
        "load_balancer_arn": balancer_arn("b"), "protocol": "HTTPS", "port": 443, "mutual_authentication": {"mode": "off"},
        "default_actions": [token, {"type": "forward", "order": 2, "target_group_arn": "tg"}],
        "attributes": {"tcp.idle_timeout.seconds": "500"}
    });
    bench.update(LISTENER, &id, &want, &other).await;
    let sent = |operation: &str| bench.requests().into_iter().find(|r| r.operation == operation).unwrap().body;
    let modified = sent("ModifyListener");
    assert_eq!(modified["AlpnPolicy.member.1"], "None");
    assert_eq!(modified["MutualAuthentication.Mode"], "off");
    assert_eq!(
        modified["DefaultActions.member.1.JwtValidationConfig.AdditionalClaims.member.1.Values.member.1"],
        "web"
    );
    assert_eq!(sent("ModifyListenerAttributes")["Attributes.member.1.Value"], "500");
}

#[tokio::test]
async fn certificates_are_added_and_removed_one_by_one() {
    let certificate = |arn: &str| format!("<member><CertificateArn>{arn}</CertificateArn></member>");
    let default = format!("<Certificates>{}</Certificates>", certificate("a"));
    let more = format!("<Certificates>{}{}</Certificates>", certificate("b"), certificate("c"));
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeListeners" => Answer::Query(format!("<Listeners>{}</Listeners>", listener("b", 1, &default))),
        "DescribeListenerCertificates" => Answer::Query(more.clone()),
        _ => Answer::Query(String::new()),
    });
    let with = |certificates: &[&str]| {
        json!({
            "load_balancer_arn": balancer_arn("b"), "protocol": "HTTPS", "port": 443, "certificates": certificates,
            "default_actions": [{"type": "forward", "target_group_arn": "tg"}]
        })
    };
    bench.update(LISTENER, &listener_arn("b", 1), &with(&["a", "b", "c"]), &with(&["a", "d", "e"])).await;
    let sent = |operation: &str| {
        let requests = bench.requests().into_iter().filter(|r| r.operation == operation);
        let one = |r: Request| {
            assert!(r.body.get("Certificates.member.2.CertificateArn").is_none(), "{:?}", r.body);
            r.body["Certificates.member.1.CertificateArn"].as_str().unwrap().to_owned()
        };
        requests.map(one).collect::<Vec<_>>()
    };
    assert_eq!(sent("AddListenerCertificates"), ["d", "e"]);
    assert_eq!(sent("RemoveListenerCertificates"), ["b", "c"]);
}
