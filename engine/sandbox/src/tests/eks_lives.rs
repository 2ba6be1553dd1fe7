//! Whole lives of EKS's types, as the engine leads them.

use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use super::kit::Bench;
use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/eks";

fn with(base: &Value, more: Value) -> Value {
    let mut all = base.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// A VPC with a subnet in each of three zones.
struct Place {
    vpc: String,
    subnets: Vec<String>,
}

async fn place(bench: &Bench) -> Place {
    let vpc = bench.create("aws:ec2:Vpc", &json!({"cidr_block": "10.0.0.0/16"}), 90).await.unwrap().id;
    let mut subnets = Vec::new();
    for (at, zone) in ["a", "b", "c"].iter().enumerate() {
        let zone = format!("{REGION}{zone}");
        let want = json!({"vpc_id": vpc, "cidr_block": format!("10.0.{at}.0/24"), "availability_zone": zone});
        subnets.push(bench.create("aws:ec2:Subnet", &want, 91).await.unwrap().id);
    }
    Place { vpc, subnets }
}

fn cluster(place: &Place, more: Value) -> Value {
    let base = json!({"name": "demo", "role_arn": ROLE, "resources_vpc_config": {"subnet_ids": place.subnets[..2]}});
    with(&base, more)
}

async fn with_cluster(sandbox: &Sandbox, more: Value) -> (Bench, Place) {
    let bench = bench(sandbox);
    let place = place(&bench).await;
    bench.create("aws:eks:Cluster", &cluster(&place, more), 100).await.unwrap();
    (bench, place)
}

#[tokio::test]
async fn clusters_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let place = place(&bench).await;
    let group = json!({"vpc_id": place.vpc, "group_name": "g", "description": "a group"});
    let group = bench.create("aws:ec2:SecurityGroup", &group, 92).await.unwrap().id;
    let keys = json!([{"resources": ["secrets"], "provider": {"key_arn": "arn:aws:kms:us-west-2:000000000000:key/k"}}]);
    let networks = |cidr: &str| json!({"remote_node_networks": [{"cidrs": [cidr]}], "remote_pod_networks": [{"cidrs": ["10.201.0.0/16"]}]});
    let vpc = |subnets: &[String], groups: &[&String], private: bool| {
        json!({
            "subnet_ids": subnets, "security_group_ids": groups, "endpoint_public_access": true, "endpoint_private_access": private,
            "public_access_cidrs": ["203.0.113.0/24"],
        })
    };
    let want = cluster(
        &place,
        json!({
            "resources_vpc_config": vpc(&place.subnets[..2], &[&group], true), "version": "1.33",
            "logging": {"types": ["audit", "api"]}, "kubernetes_network_config": {"service_ipv4_cidr": "10.100.0.0/16", "ip_family": "ipv4"},
            "encryption_config": keys, "remote_network_config": networks("10.200.0.0/16"), "deletion_protection": true,
            "access_config": {"authentication_mode": "API_AND_CONFIG_MAP", "bootstrap_cluster_creator_admin_permissions": false},
            "upgrade_policy": {"support_type": "STANDARD"}, "zonal_shift_config": {"enabled": true},
            "bootstrap_self_managed_addons": false, "tags": {"team": "wéb", "stage": "test"},
        }),
    );
    let changed = with(
        &want,
        json!({
            "resources_vpc_config": vpc(&place.subnets[1..], &[], false), "version": "1.34", "logging": {"types": ["audit", "scheduler"]},
            "remote_network_config": networks("10.202.0.0/16"), "deletion_protection": false,
            "access_config": {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": false},
            "upgrade_policy": {"support_type": "EXTENDED"}, "zonal_shift_config": {"enabled": false},
            "kube_api_server_config": {"event_ttl": "2h"}, "control_plane_scaling_config": {"tier": "standard"}, "tags": {"team": "b"},
        }),
    );
    let bare = with(
        &cluster(&place, json!({"version": "1.34", "encryption_config": keys})),
        json!({"resources_vpc_config": {"subnet_ids": place.subnets}}),
    );
    let outputs = bench.life("aws:eks:Cluster", want, &[changed, bare]).await;
    for output in ["arn", "version", "endpoint", "certificate_authority_data", "oidc_issuer"] {
        assert!(outputs[output].as_str().is_some_and(|o| !o.is_empty()), "{output}: {outputs:?}");
    }
    assert_eq!(outputs["vpc_id"].as_str(), Some(place.vpc.as_str()));
    // Its security group went with it.
    let ec2 = Clients::new(&sandbox).ec2;
    let own = outputs["cluster_security_group_id"].as_str().unwrap();
    refused!(ec2.describe_security_groups().group_ids(own), "InvalidGroup.NotFound");
}

#[tokio::test]
async fn a_cluster_takes_what_eks_takes() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, place) = with_cluster(&sandbox, json!({"version": "1.33"})).await;
    let read = bench.settled("aws:eks:Cluster", "demo", &cluster(&place, json!({}))).await;
    // Away from the VPC's own addresses.
    assert_eq!(read.outputs["service_ipv4_cidr"].as_str(), Some("172.20.0.0/16"));
    let group = read.outputs["cluster_security_group_id"].as_str().unwrap();
    let ec2 = Clients::new(&sandbox).ec2;
    let group = ec2.describe_security_groups().group_ids(group).send().await.unwrap();
    assert_eq!(group.security_groups()[0].vpc_id(), Some(place.vpc.as_str()));
    assert!(group.security_groups()[0].tags().iter().any(|tag| tag.key() == Some("kubernetes.io/cluster/demo")));

    let refusal = async |more: Value| {
        let want = with(&cluster(&place, more), json!({"name": "other"}));
        bench
            .driver("aws:eks:Cluster")
            .create(&bench.cx, &kit::fields(want), &kit::intent(7))
            .await
            .unwrap_err()
            .message
    };
    for (more, says) in [
        (json!({"version": "1.9"}), "unsupported Kubernetes version"),
        (json!({"resources_vpc_config": {"subnet_ids": [place.subnets[0]]}}), "two different AZs"),
        (json!({"resources_vpc_config": {"subnet_ids": ["subnet-0a", "subnet-0b"]}}), "subnet-0a"),
        (json!({"compute_config": {"enabled": true}}), "Auto Mode"),
    ] {
        let message = refusal(more).await;
        assert!(message.contains(says), "{message}");
    }
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    let vpc = aws_sdk_eks::types::VpcConfigRequest::builder().set_subnet_ids(Some(place.subnets.clone())).build();
    refused!(eks.create_cluster().name("demo").role_arn(ROLE).resources_vpc_config(vpc), "ResourceInUseException");
    refused!(eks.update_cluster_version().name("demo").version("1.35"), "InvalidParameterException");
    refused!(eks.update_cluster_version().name("demo").version("1.33"), "InvalidParameterException");
    refused!(eks.describe_cluster().name("absent"), "ResourceNotFoundException");
    refused!(eks.list_nodegroups().cluster_name("absent"), "ResourceNotFoundException");
    refused!(eks.list_insights().cluster_name("demo"), "NotImplemented");
    // Without entries, none can be made.
    let entry = json!({"cluster_name": "demo", "principal_arn": ROLE});
    let error = bench.create("aws:eks:AccessEntry", &entry, 8).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("InvalidRequestException"), "{error:?}");
    // Entries are there to stay.
    let api = |mode: &str| cluster(&place, json!({"access_config": {"authentication_mode": mode}}));
    bench.update("aws:eks:Cluster", "demo", &cluster(&place, json!({})), &api("API")).await;
    let access =
        aws_sdk_eks::types::UpdateAccessConfigRequest::builder().authentication_mode("CONFIG_MAP".into()).build();
    refused!(eks.update_cluster_config().name("demo").access_config(access), "InvalidParameterException");
    assert_eq!(eks.list_clusters().send().await.unwrap().clusters(), ["demo"]);

    // A change can be looked up.
    let updates = eks.list_updates().name("demo").send().await.unwrap().update_ids.unwrap();
    let update = eks.describe_update().name("demo").update_id(&updates[0]).send().await.unwrap().update.unwrap();
    assert_eq!(update.status().unwrap().as_str(), "Successful");

    let protected = json!({"access_config": {"authentication_mode": "API"}, "deletion_protection": true});
    bench.update("aws:eks:Cluster", "demo", &api("API"), &cluster(&place, protected.clone())).await;
    let fields = kit::fields(cluster(&place, protected));
    let error = bench.driver("aws:eks:Cluster").delete(&bench.cx, "demo", &fields).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("deletion_protection")), "{error:?}");
}

fn node_group(place: &Place, more: Value) -> Value {
    let base = json!({
        "cluster_name": "demo", "nodegroup_name": "workers", "node_role": "arn:aws:iam::000000000000:role/node",
        "subnets": [place.subnets[1], place.subnets[0]], "tags": {"team": "web"},
    });
    with(&base, more)
}

#[tokio::test]
async fn node_groups_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, place) = with_cluster(&sandbox, json!({"version": "1.34"})).await;
    let remote = json!({"ec2_ssh_key": "ops", "source_security_groups": ["sg-0a"]});
    let want = node_group(
        &place,
        json!({
            "scaling_config": {"min_size": 1, "max_size": 3, "desired_size": 2}, "disk_size": 50, "remote_access": remote,
            "instance_types": ["m7g.large", "m6g.large"], "ami_type": "AL2023_ARM_64_STANDARD", "capacity_type": "SPOT",
            "labels": {"role": "web", "old": "1"},
            "taints": [{"key": "dedicated", "value": "web", "effect": "NO_SCHEDULE"}, {"key": "old", "effect": "NO_EXECUTE"}],
            "update_config": {"max_unavailable": 2}, "node_repair_config": {"enabled": true},
            "version": "1.33", "release_version": "1.33.1-20250704",
        }),
    );
    let changed = node_group(
        &place,
        json!({
            // Whoever scales the nodes keeps their number, as long as it lies within the bounds.
            "scaling_config": {"min_size": 1, "max_size": 5}, "disk_size": 50, "remote_access": remote, "labels": {"role": "batch", "new": "1"},
            "taints": [{"key": "dedicated", "value": "batch", "effect": "NO_SCHEDULE"}],
            "update_config": {"max_unavailable_percentage": 50, "update_strategy": "MINIMAL"},
            "node_repair_config": {"enabled": true, "max_parallel_nodes_repaired_count": 1}, "version": "1.34",
            "warm_pool_config": {"enabled": true, "min_size": 1}, "tags": {"team": "b", "more": "1"},
        }),
    );
    let bare = node_group(&place, json!({"scaling_config": {"min_size": 3, "max_size": 5}, "remote_access": remote}));
    let outputs = bench.life("aws:eks:NodeGroup", want, &[changed, bare]).await;
    assert!(outputs["arn"].as_str().is_some_and(|a| a.contains(":nodegroup/demo/workers/")), "{outputs:?}");

    let refusal = async |more: Value| {
        let want = kit::fields(node_group(&place, more));
        bench.driver("aws:eks:NodeGroup").create(&bench.cx, &want, &kit::intent(7)).await.unwrap_err().message
    };
    for (more, says) in [
        (json!({"version": "1.35"}), "greater than the cluster's"),
        (json!({"scaling_config": {"min_size": 3, "max_size": 2, "desired_size": 2}}), "in this order"),
        (json!({"update_config": {"max_unavailable": 1, "max_unavailable_percentage": 5}}), "can't both be said"),
        (json!({"launch_template": {"name": "absent"}}), "absent"),
    ] {
        let message = refusal(more).await;
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn node_groups_of_launch_templates() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, place) = with_cluster(&sandbox, json!({})).await;
    let template = json!({"launch_template_name": "nodes", "launch_template_data": {"instance_type": "m7i.large"}});
    let template = bench.create("aws:ec2:LaunchTemplate", &template, 80).await.unwrap();
    let group = |version: &str| node_group(&place, json!({"launch_template": {"id": template.id, "version": version}}));
    let ec2 = Clients::new(&sandbox).ec2;
    let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().instance_type("m7i.xlarge".into()).build();
    let second = ec2.create_launch_template_version().launch_template_id(&template.id).launch_template_data(data);
    second.send().await.unwrap();
    bench.life("aws:eks:NodeGroup", group("1"), &[group("2")]).await;
}

#[tokio::test]
async fn fargate_profiles_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, place) = with_cluster(&sandbox, json!({"access_config": {"authentication_mode": "API"}})).await;
    let role = format!("arn:aws:iam::{ACCOUNT_ID}:role/pods");
    let profile = |more: Value| {
        let base = json!({
            "cluster_name": "demo", "fargate_profile_name": "jobs", "pod_execution_role_arn": role,
            "selectors": [{"namespace": "jobs", "labels": {"size": "small"}}, {"namespace": "batch-*"}], "tags": {"team": "a"},
        });
        with(&base, more)
    };
    let want = profile(json!({"subnets": [place.subnets[1], place.subnets[2]]}));
    let outputs = bench.life("aws:eks:FargateProfile", want.clone(), &[with(&want, json!({"tags": {"b": "c"}}))]).await;
    assert!(outputs["arn"].as_str().is_some_and(|a| a.contains(":fargateprofile/demo/jobs/")), "{outputs:?}");
    // Its pods may join.
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    let entry = eks.describe_access_entry().cluster_name("demo").principal_arn(&role).send().await.unwrap();
    assert_eq!(entry.access_entry().unwrap().r#type(), Some("FARGATE_LINUX"));

    // Without subnets it is in the cluster's own, and not in one from which the way out is the internet's.
    let ec2 = Clients::new(&sandbox).ec2;
    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&place.vpc).send().await.unwrap();
    let table = ec2.create_route_table().vpc_id(&place.vpc).send().await.unwrap().route_table.unwrap();
    let table = table.route_table_id.unwrap();
    let route = ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway);
    route.send().await.unwrap();
    ec2.associate_route_table().route_table_id(&table).subnet_id(&place.subnets[1]).send().await.unwrap();
    let made = bench.create("aws:eks:FargateProfile", &profile(json!({})), 2).await.unwrap();
    let there = eks.describe_fargate_profile().cluster_name("demo").fargate_profile_name("jobs").send().await.unwrap();
    assert_eq!(there.fargate_profile().unwrap().subnets(), &place.subnets[..1]);

    let selector = |namespace: &str| aws_sdk_eks::types::FargateProfileSelector::builder().namespace(namespace);
    let request = |name: &str| {
        let request = eks.create_fargate_profile().cluster_name("demo").fargate_profile_name(name);
        request.pod_execution_role_arn(&role)
    };
    refused!(request("jobs").selectors(selector("jobs").build()), "ResourceInUseException");
    refused!(request("other"), "InvalidParameterException");
    let many = (0..6).map(|n| selector(&format!("n{n}")).build()).collect();
    refused!(request("other").set_selectors(Some(many)), "InvalidParameterException");
    let labels = (0..6).fold(selector("jobs"), |selector, n| selector.labels(format!("l{n}"), "x")).build();
    refused!(request("other").selectors(labels), "InvalidParameterException");
    let public = request("other").selectors(selector("jobs").build()).subnets(&place.subnets[1]);
    refused!(public, "InvalidParameterException");
    refused!(request("other").cluster_name("absent"), "ResourceNotFoundException");

    // A cluster is not deleted before them.
    let fields = kit::fields(cluster(&place, json!({})));
    let error = bench.driver("aws:eks:Cluster").delete(&bench.cx, "demo", &fields).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("Fargate profiles jobs")), "{error}");
    bench.deleted("aws:eks:FargateProfile", &made.id, &profile(json!({}))).await;
    bench.deleted("aws:eks:Cluster", "demo", &cluster(&place, json!({}))).await;
}

#[tokio::test]
async fn identity_providers_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, place) = with_cluster(&sandbox, json!({})).await;
    let provider = |name: &str, tag: &str| {
        json!({
            "cluster_name": "demo", "tags": {"team": tag}, "oidc": {
                "identity_provider_config_name": name, "issuer_url": "https://login.example.com/tenant", "client_id": "kubernetes",
                "username_claim": "email", "groups_claim": "groups", "groups_prefix": "oidc:", "required_claims": {"hd": "example.com"},
            },
        })
    };
    let changes = [provider("okta", "b")];
    let outputs = bench.life("aws:eks:IdentityProviderConfig", provider("okta", "a"), &changes).await;
    assert!(outputs["arn"].as_str().is_some_and(|a| a.contains("config/demo/oidc/okta/")), "{outputs:?}");

    // There is one at most.
    let made = bench.create("aws:eks:IdentityProviderConfig", &provider("okta", "a"), 2).await.unwrap();
    let error = bench.create("aws:eks:IdentityProviderConfig", &provider("other", "a"), 3).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error:?}");
    assert!(error.message.contains("okta"), "{error:?}");
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    let listed = eks.list_identity_provider_configs().cluster_name("demo").send().await.unwrap();
    let listed: Vec<&str> = listed.identity_provider_configs().iter().map(|config| config.name()).collect();
    assert_eq!(listed, ["okta"]);
    bench.deleted("aws:eks:IdentityProviderConfig", &made.id, &provider("okta", "a")).await;

    let config = |url: &str| {
        let config = aws_sdk_eks::types::OidcIdentityProviderConfigRequest::builder().client_id("kubernetes");
        config.identity_provider_config_name("okta").issuer_url(url)
    };
    let associate = || eks.associate_identity_provider_config().cluster_name("demo");
    for url in ["http://login.example.com", "https://login.example.com?tenant=1"] {
        refused!(associate().oidc(config(url).build().unwrap()), "InvalidParameterException");
    }
    let system = config("https://login.example.com").groups_prefix("system:").build().unwrap();
    refused!(associate().oidc(system), "InvalidParameterException");
    // The same request once more makes no second one.
    let same = || associate().oidc(config("https://login.example.com").build().unwrap());
    for _ in 0..2 {
        same().client_request_token("once").send().await.unwrap();
    }
    refused!(same().client_request_token("twice"), "ResourceInUseException");
    // It goes with its cluster.
    bench.deleted("aws:eks:Cluster", "demo", &cluster(&place, json!({}))).await;
    bench.create("aws:eks:Cluster", &cluster(&place, json!({})), 4).await.unwrap();
    same().client_request_token("anew").send().await.unwrap();
}

#[tokio::test]
async fn what_holds_a_cluster_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, place) = with_cluster(&sandbox, json!({})).await;
    let group = node_group(&place, json!({}));
    let made = bench.create("aws:eks:NodeGroup", &group, 1).await.unwrap();
    let addon = json!({"cluster_name": "demo", "addon_name": "coredns"});
    bench.create("aws:eks:Addon", &addon, 2).await.unwrap();
    let fields = kit::fields(cluster(&place, json!({})));
    let error = bench.driver("aws:eks:Cluster").delete(&bench.cx, "demo", &fields).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse, "{error}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("node groups workers")), "{error}");
    bench.deleted("aws:eks:NodeGroup", &made.id, &group).await;
    // Add-ons go with their cluster.
    bench.deleted("aws:eks:Cluster", "demo", &cluster(&place, json!({}))).await;
    bench.create("aws:eks:Cluster", &cluster(&place, json!({})), 3).await.unwrap();
    bench.create("aws:eks:Addon", &addon, 4).await.unwrap();
}

#[tokio::test]
async fn addons_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, _) = with_cluster(&sandbox, json!({"version": "1.34"})).await;
    let addon =
        |more: Value| with(&json!({"cluster_name": "demo", "addon_name": "vpc-cni", "tags": {"team": "web"}}), more);
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT_ID}:role/{name}");
    let pods = |name: &str| json!([{"service_account": "aws-node", "role_arn": role(name)}]);
    let outputs = bench
        .life(
            "aws:eks:Addon",
            addon(json!({
                "addon_version": "v1.19.0-eksbuild.1", "service_account_role_arn": role("cni"), "resolve_conflicts": "OVERWRITE",
                "configuration_values": {"env": {"ENABLE_PREFIX_DELEGATION": "true"}}, "preserve": false,
                "pod_identity_associations": pods("a"), "namespace_config": {"namespace": "kube-system"},
            })),
            &[
                addon(json!({
                    "addon_version": "v1.20.0-eksbuild.1", "service_account_role_arn": role("cni-2"), "resolve_conflicts": "PRESERVE",
                    "configuration_values": {"env": {"WARM_ENI_TARGET": "2"}}, "pod_identity_associations": pods("b"), "tags": {"b": "c"},
                })),
                addon(json!({"service_account_role_arn": role("cni-2"), "tags": {"b": "c"}})),
            ],
        )
        .await;
    assert!(outputs["arn"].as_str().is_some_and(|a| a.contains(":addon/demo/vpc-cni/")), "{outputs:?}");
    let newest =
        bench.create("aws:eks:Addon", &json!({"cluster_name": "demo", "addon_name": "kube-proxy"}), 2).await.unwrap();
    assert_eq!(newest.outputs["addon_version"].as_str(), Some("v1.34.0-eksbuild.2"));
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    assert!(eks.list_pod_identity_associations().cluster_name("demo").send().await.unwrap().associations().is_empty());
    let create = || eks.create_addon().cluster_name("demo");
    refused!(create().addon_name("kube-proxy"), "ResourceInUseException");
    refused!(create().addon_name("no-such"), "InvalidParameterException");
    refused!(create().addon_name("coredns").addon_version("latest"), "InvalidParameterException");
    refused!(create().addon_name("coredns").configuration_values("{"), "InvalidParameterException");
}

#[tokio::test]
async fn access_is_given_and_taken() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let mode = json!({"access_config": {"authentication_mode": "API"}});
    let (bench, place) = with_cluster(&sandbox, mode).await;
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    let entries = async || eks.list_access_entries().cluster_name("demo").send().await.unwrap().access_entries.unwrap();
    // Who made it, and, with a node group, its nodes.
    assert_eq!(entries().await, [format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox")]);
    bench.create("aws:eks:NodeGroup", &node_group(&place, json!({})), 1).await.unwrap();
    assert_eq!(entries().await.len(), 2);

    let principal = format!("arn:aws:iam::{ACCOUNT_ID}:role/team/ops");
    let entry = |groups: &[&str], name: &str, tag: &str| {
        json!({
            "cluster_name": "demo", "principal_arn": principal, "kubernetes_groups": groups, "username": name, "type": "STANDARD",
            "tags": {"team": tag},
        })
    };
    let changes = [entry(&["viewers"], "ops-2", "b"), entry(&[], "ops-2", "b")];
    bench.life("aws:eks:AccessEntry", entry(&["admins", "viewers"], "ops", "a"), &changes).await;
    let bare = json!({"cluster_name": "demo", "principal_arn": principal});
    let made = bench.create("aws:eks:AccessEntry", &bare, 2).await.unwrap();
    let session = format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/ops/{{{{SessionName}}}}");
    assert_eq!(made.outputs["username"].as_str(), Some(session.as_str()));

    let association = |scope: Value| {
        json!({
            "cluster_name": "demo", "principal_arn": principal, "access_scope": scope,
            "policy_arn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        })
    };
    let (all, some) = (json!({"type": "cluster"}), json!({"type": "namespace", "namespaces": ["web", "jobs"]}));
    let changes = [association(some), association(all.clone())];
    bench.life("aws:eks:AccessPolicyAssociation", association(all), &changes).await;
    let nodes = json!({"cluster_name": "demo", "principal_arn": format!("arn:aws:iam::{ACCOUNT_ID}:role/own"), "type": "EC2_LINUX"});
    bench.life("aws:eks:AccessEntry", nodes, &[]).await;
    let wrong = eks.create_access_entry().cluster_name("demo").principal_arn("arn:aws:iam::1:group/x");
    refused!(wrong, "InvalidParameterException");
}

#[tokio::test]
async fn pod_identities_live() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, _) = with_cluster(&sandbox, json!({})).await;
    let association = |role: &str, more: Value| {
        let base = json!({
            "cluster_name": "demo", "namespace": "web", "service_account": "web",
            "role_arn": format!("arn:aws:iam::{ACCOUNT_ID}:role/{role}"), "tags": {"team": "web"},
        });
        with(&base, more)
    };
    let policy = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
    let target = "arn:aws:iam::210987654321:role/target";
    let full =
        |action: &str| json!({"disable_session_tags": true, "policy": policy(action), "target_role_arn": target});
    let changes = [
        association("web-2", full("s3:*")),
        association("web-2", json!({"disable_session_tags": false, "tags": {"b": "c"}})),
    ];
    let outputs =
        bench.life("aws:eks:PodIdentityAssociation", association("web", full("s3:GetObject")), &changes).await;
    assert!(outputs["external_id"].as_str().is_some_and(|id| !id.is_empty()), "{outputs:?}");
    bench.create("aws:eks:PodIdentityAssociation", &association("web", json!({})), 2).await.unwrap();
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    let again = eks.create_pod_identity_association().cluster_name("demo").namespace("web").service_account("web");
    refused!(again.role_arn(ROLE), "ResourceInUseException");
}

#[tokio::test]
async fn versions_can_be_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let eks = client!(aws_sdk_eks, sandbox.http_client());
    let all = eks.describe_cluster_versions().send().await.unwrap().cluster_versions.unwrap();
    let newest = all.iter().find(|version| version.default_version()).unwrap();
    assert!(all.len() > 3 && newest.release_date().is_some() && newest.end_of_standard_support_date().is_some());
    let one = eks.describe_cluster_versions().cluster_versions("1.33").send().await.unwrap().cluster_versions.unwrap();
    assert_eq!(one.iter().map(|v| v.cluster_version().unwrap()).collect::<Vec<_>>(), ["1.33"]);

    let versions = eks.describe_addon_versions().kubernetes_version("1.34").addon_name("vpc-cni").send().await.unwrap();
    let [cni] = versions.addons() else { panic!("{versions:?}") };
    let default =
        cni.addon_versions().iter().find(|version| version.compatibilities().iter().any(|c| c.default_version()));
    assert!(default.unwrap().addon_version().unwrap().starts_with('v'));
    let all = eks.describe_addon_versions().send().await.unwrap();
    let proxy = all.addons().iter().find(|addon| addon.addon_name() == Some("kube-proxy")).unwrap();
    assert!(proxy.addon_versions().len() > 3, "one for each version of Kubernetes");
    refused!(eks.describe_addon_versions().addon_name("no-such"), "ResourceNotFoundException");
}
