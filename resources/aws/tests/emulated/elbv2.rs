//! Elastic Load Balancing on moto.

use phx_model::error::ErrorKind;
use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

use crate::kit;

/// A VPC, its subnets, and a security group in it.
fn network(moto: &Emulator) -> (String, Vec<String>, String) {
    let subnets = moto.aws(&["ec2", "describe-subnets"]);
    let subnets = subnets["Subnets"].as_array().unwrap();
    let vpc = subnets[0]["VpcId"].as_str().unwrap().to_owned();
    let subnets = subnets.iter().map(|s| s["SubnetId"].as_str().unwrap().to_owned()).collect();
    let group =
        moto.aws(&["ec2", "create-security-group", "--group-name", "web", "--description", "web", "--vpc-id", &vpc]);
    (vpc, subnets, group["GroupId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn load_balancers_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let (vpc, subnets, group) = network(&moto);
    let other =
        moto.aws(&["ec2", "create-security-group", "--group-name", "x", "--description", "x", "--vpc-id", &vpc]);
    let other = other["GroupId"].as_str().unwrap();
    let first = json!({
        "name": "web", "type": "application", "scheme": "internal", "subnets": subnets[..2], "security_groups": [group],
        "ip_address_type": "ipv4", "attributes": {"idle_timeout.timeout_seconds": "120"}, "tags": {"a": "1", "b": "1"}
    });
    let second = |kind: &str| {
        json!({
            "name": "web", "subnets": subnets[1..3], "security_groups": [other], "ip_address_type": kind,
            "attributes": {"idle_timeout.timeout_seconds": "90", "deletion_protection.enabled": "false"}, "tags": {"a": "2", "c": "1"}
        })
    };
    // moto forgets the type of addresses that is set with the subnets.
    let changes = [second("ipv4"), second("dualstack")];
    let outputs = bench.life("aws:elbv2:LoadBalancer", first.clone(), &changes).await;
    assert_eq!(outputs["vpc_id"].as_str(), Some(vpc.as_str()));
    assert!(outputs["load_balancer_full_name"].as_str().unwrap().starts_with("app/web/"), "{outputs:?}");

    // Another's is not taken over, and the same intent's is.
    bench.create("aws:elbv2:LoadBalancer", &first, 1).await.unwrap();
    bench.create("aws:elbv2:LoadBalancer", &first, 1).await.unwrap();
    let error = bench.create("aws:elbv2:LoadBalancer", &first, 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");

    let mapped = json!({
        "name": "net", "type": "network", "subnet_mappings": [{"subnet_id": subnets[1]}, {"subnet_id": subnets[0]}]
    });
    let tagged = {
        let mut tagged = mapped.clone();
        tagged["tags"] = json!({"a": "1"});
        tagged
    };
    bench.life("aws:elbv2:LoadBalancer", mapped, &[tagged]).await;
}

#[tokio::test]
async fn target_groups_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let (vpc, ..) = network(&moto);
    let group = |path: &str, codes: &str, delay: &str, tags: Value| {
        json!({
            "name": "web", "protocol": "HTTP", "protocol_version": "HTTP1", "port": 8080, "vpc_id": vpc, "target_type": "ip",
            "ip_address_type": "ipv4", "health_check_protocol": "HTTP", "health_check_port": "traffic-port", "health_check_enabled": true,
            "health_check_path": path, "health_check_interval_seconds": 20, "health_check_timeout_seconds": 6,
            "healthy_threshold_count": 3, "unhealthy_threshold_count": 4, "matcher": {"http_code": codes},
            "attributes": {"deregistration_delay.timeout_seconds": delay}, "tags": tags
        })
    };
    let first = group("/live", "200", "30", json!({"a": "1", "b": "1"}));
    let outputs =
        bench.life("aws:elbv2:TargetGroup", first, &[group("/ready", "200-299", "60", json!({"a": "2"}))]).await;
    assert!(outputs["target_group_full_name"].as_str().unwrap().starts_with("targetgroup/web/"), "{outputs:?}");
}

#[tokio::test]
async fn listeners_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let (vpc, subnets, group) = network(&moto);
    let balancer = json!({"name": "web", "subnets": subnets[..2], "security_groups": [group]});
    let balancer = bench.create("aws:elbv2:LoadBalancer", &balancer, 7).await.unwrap().id;
    let mut groups = Vec::new();
    for (n, name) in ["blue", "green"].into_iter().enumerate() {
        let group = json!({"name": name, "protocol": "HTTP", "port": 80, "vpc_id": vpc});
        groups.push(bench.create("aws:elbv2:TargetGroup", &group, 8 + u32::try_from(n).unwrap()).await.unwrap().id);
    }
    let certificate = |domain: &str| {
        let made = moto.aws(&["acm", "request-certificate", "--domain-name", domain]);
        made["CertificateArn"].as_str().unwrap().to_owned()
    };
    let certificates = ["a.example.com", "b.example.com", "c.example.com"].map(certificate);

    let listener = |port: i32, action: Value, tags: Value| json!({"load_balancer_arn": balancer, "protocol": "HTTP", "port": port, "default_actions": [action], "tags": tags});
    let forward = json!({"type": "forward", "target_group_arn": groups[0]});
    let redirect =
        json!({"type": "redirect", "redirect_config": {"status_code": "HTTP_301", "protocol": "HTTPS", "port": "443"}});
    let fixed = json!({"type": "fixed-response", "fixed_response_config": {
        "status_code": "503", "message_body": "down", "content_type": "text/plain"
    }});
    let weighted = json!({"type": "forward", "forward_config": {
        "target_groups": [
            {"target_group_arn": groups[1], "weight": 1}, {"target_group_arn": groups[0], "weight": 9}
        ],
        "target_group_stickiness_config": {"enabled": true, "duration_seconds": 60}
    }});
    let changes = [
        listener(80, redirect, json!({"a": "2"})),
        listener(8080, fixed, json!({"a": "2", "b": "1"})),
        listener(8080, weighted, json!({})),
    ];
    bench.life("aws:elbv2:Listener", listener(80, forward.clone(), json!({"a": "1"})), &changes).await;

    let secure = |all: &[&String]| {
        json!({
            "load_balancer_arn": balancer, "protocol": "HTTPS", "port": 443, "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "certificates": all, "default_actions": [forward]
        })
    };
    let [a, b, c] = &certificates;
    bench.life("aws:elbv2:Listener", secure(&[a, b]), &[secure(&[a, c]), secure(&[b]), secure(&[a, c, b])]).await;

    let login = |scope: &str| {
        let oidc = json!({
            "issuer": "https://id.example.com", "authorization_endpoint": "https://id.example.com/authorize",
            "token_endpoint": "https://id.example.com/token", "user_info_endpoint": "https://id.example.com/user",
            "client_id": "web", "client_secret": "secret", "scope": scope, "session_timeout": 3600,
            "authentication_request_extra_params": {"prompt": "login"}, "on_unauthenticated_request": "authenticate"
        });
        let mut want = secure(&[a]);
        want["default_actions"] = json!([
            {"type": "authenticate-oidc", "order": 1, "authenticate_oidc_config": oidc},
            {"type": "forward", "order": 2, "target_group_arn": groups[0]}
        ]);
        want
    };
    bench.life("aws:elbv2:Listener", login("openid"), &[login("openid email")]).await;
}
