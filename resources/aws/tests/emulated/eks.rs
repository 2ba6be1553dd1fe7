//! EKS: moto for clusters, node groups and Fargate profiles, ministack for the rest.

use phx_tests::emulator::Emulator;
use serde_json::{Value, json};

use crate::kit::{self, Bench};

const ROLE: &str = "arn:aws:iam::123456789012:role/eks";

/// What is in all clusters here.
fn cluster(name: &str, more: Value) -> Value {
    let mut want = json!({
        "name": name,
        "role_arn": ROLE,
        "resources_vpc_config": {"subnet_ids": ["subnet-0a", "subnet-0b"]},
    });
    for (key, value) in more.as_object().unwrap() {
        want[key] = value.clone();
    }
    want
}

async fn with_cluster(emulator: &Emulator) -> Bench {
    let bench = kit::emulated(&emulator.url());
    bench.create("aws:eks:Cluster", &cluster("demo", json!({})), 100).await.unwrap();
    bench
}

#[tokio::test]
async fn clusters_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let outputs = bench
        .life(
            "aws:eks:Cluster",
            cluster(
                "demo",
                json!({
                    "resources_vpc_config": {
                        "subnet_ids": ["subnet-0a", "subnet-0b"],
                        "security_group_ids": ["sg-0a"],
                        "endpoint_public_access": true,
                        "endpoint_private_access": true,
                        "public_access_cidrs": ["203.0.113.0/24"],
                    },
                    "version": "1.33",
                    "logging": {"types": ["audit", "api"]},
                    "kubernetes_network_config": {"service_ipv4_cidr": "10.100.0.0/16", "ip_family": "ipv4"},
                    "encryption_config": [{
                        "resources": ["secrets"],
                        "provider": {"key_arn": "arn:aws:kms:us-west-2:123456789012:key/k"},
                    }],
                    "remote_network_config": {"remote_node_networks": [{"cidrs": ["10.200.0.0/16"]}]},
                    "tags": {"team": "web", "stage": "test"},
                }),
            ),
            &[],
        )
        .await;
    for output in ["arn", "version", "endpoint", "certificate_authority_data", "oidc_issuer"] {
        assert!(outputs[output].as_str().is_some_and(|o| !o.is_empty()), "{output}: {outputs:?}");
    }
}

#[tokio::test]
async fn clusters_change() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    // moto puts what is sent of the VPC configuration in place of all of it: endpoint access and security groups are in `shapes`.
    let remote = |cidr: &str| json!({"remote_node_networks": [{"cidrs": [cidr]}], "remote_pod_networks": [{"cidrs": ["10.201.0.0/16"]}]});
    bench
        .life(
            "aws:eks:Cluster",
            cluster(
                "demo",
                json!({
                    "logging": {"types": ["api", "audit"]},
                    "remote_network_config": remote("10.200.0.0/16"),
                    "tags": {"a": "1", "b": "1"},
                }),
            ),
            &[
                cluster(
                    "demo",
                    json!({
                        "resources_vpc_config": {"subnet_ids": ["subnet-0a", "subnet-0c"]},
                        "logging": {"types": ["audit", "scheduler"]},
                        "remote_network_config": remote("10.202.0.0/16"),
                        "tags": {"a": "2"},
                    }),
                ),
                cluster("demo", json!({})),
            ],
        )
        .await;
}

#[tokio::test]
async fn node_groups_live() {
    let moto = Emulator::moto();
    let bench = with_cluster(&moto).await;
    // moto invents remote access where there is none, and cannot tag a node group that is there.
    let group = |more: Value| {
        let mut want = json!({
            "cluster_name": "demo",
            "nodegroup_name": "workers",
            "node_role": "arn:aws:iam::123456789012:role/node",
            "subnets": ["subnet-0b", "subnet-0a"],
            "remote_access": {"ec2_ssh_key": "ops", "source_security_groups": ["sg-0a"]},
            "tags": {"team": "web"},
        });
        for (key, value) in more.as_object().unwrap() {
            want[key] = value.clone();
        }
        want
    };
    let outputs = bench
        .life(
            "aws:eks:NodeGroup",
            // moto forgets update_config and node_repair_config of a new node group.
            group(json!({
                "scaling_config": {"min_size": 1, "max_size": 3, "desired_size": 2},
                "disk_size": 50,
                "instance_types": ["m7g.large", "m6g.large"],
                "ami_type": "AL2023_ARM_64_STANDARD",
                "capacity_type": "SPOT",
                "labels": {"role": "web", "old": "1"},
                "taints": [
                    {"key": "dedicated", "value": "web", "effect": "NO_SCHEDULE"},
                    {"key": "old", "effect": "NO_EXECUTE"},
                ],
                "version": "1.33",
                "release_version": "1.33.1-20250704",
            })),
            &[
                group(json!({
                    // Whoever scales the nodes keeps their number, as long as it lies within the bounds.
                    "scaling_config": {"min_size": 1, "max_size": 5},
                    "disk_size": 50,
                    "labels": {"role": "batch", "new": "1"},
                    "taints": [{"key": "dedicated", "value": "batch", "effect": "NO_SCHEDULE"}],
                    "update_config": {"max_unavailable_percentage": 50, "update_strategy": "MINIMAL"},
                    "node_repair_config": {"enabled": true, "max_parallel_nodes_repaired_count": 1},
                })),
                group(json!({"scaling_config": {"min_size": 3, "max_size": 5}})),
            ],
        )
        .await;
    assert!(outputs["arn"].as_str().is_some_and(|a| a.contains(":nodegroup/demo/workers/")), "{outputs:?}");
}

#[tokio::test]
async fn fargate_profiles_live() {
    let moto = Emulator::moto();
    let bench = with_cluster(&moto).await;
    // moto cannot tag one that is there.
    bench
        .life(
            "aws:eks:FargateProfile",
            json!({
                "cluster_name": "demo",
                "fargate_profile_name": "batch",
                "pod_execution_role_arn": "arn:aws:iam::123456789012:role/pods",
                "selectors": [{"namespace": "batch", "labels": {"on": "fargate"}}, {"namespace": "jobs"}],
                "subnets": ["subnet-0a"],
                "tags": {"team": "web"},
            }),
            &[],
        )
        .await;
}

#[tokio::test]
async fn what_holds_a_cluster_is_named() {
    let moto = Emulator::moto();
    let bench = with_cluster(&moto).await;
    let group = json!({
        "cluster_name": "demo",
        "nodegroup_name": "workers",
        "node_role": "arn:aws:iam::123456789012:role/node",
        "subnets": ["subnet-0a"],
    });
    let made = bench.create("aws:eks:NodeGroup", &group, 1).await.unwrap();
    let driver = bench.driver("aws:eks:Cluster");
    let error = driver.delete(&bench.cx, "demo", &kit::fields(cluster("demo", json!({})))).await.unwrap_err();
    assert_eq!(error.kind, phx_model::error::ErrorKind::InUse, "{error}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("node groups workers")), "{error}");
    bench.deleted("aws:eks:NodeGroup", &made.id, &group).await;
    bench.deleted("aws:eks:Cluster", "demo", &cluster("demo", json!({}))).await;
}

#[tokio::test]
async fn clusters_are_encrypted_later() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let plain = cluster("demo", json!({"version": "1.33", "tags": {"a": "1"}}));
    let keys = json!([{"provider": {"key_arn": "arn:aws:kms:us-west-2:123456789012:key/k"}}]);
    let encrypted = cluster("demo", json!({"version": "1.33", "encryption_config": keys, "tags": {"a": "1"}}));
    let outputs = bench.life("aws:eks:Cluster", plain, &[encrypted]).await;
    assert!(outputs["cluster_security_group_id"].as_str().is_some_and(|g| g.starts_with("sg-")), "{outputs:?}");
}

#[tokio::test]
async fn addons_live() {
    let ministack = Emulator::ministack();
    let bench = with_cluster(&ministack).await;
    // ministack tells pod identity associations in another form, knows no namespaces, and keeps tags that are set later apart.
    let addon = |more: Value| {
        let mut want = json!({"cluster_name": "demo", "addon_name": "vpc-cni", "tags": {"team": "web"}});
        for (key, value) in more.as_object().unwrap() {
            want[key] = value.clone();
        }
        want
    };
    bench
        .life(
            "aws:eks:Addon",
            addon(json!({
                "addon_version": "v1.19.0-eksbuild.1",
                "service_account_role_arn": "arn:aws:iam::123456789012:role/cni",
                "resolve_conflicts": "OVERWRITE",
                "configuration_values": {"env": {"ENABLE_PREFIX_DELEGATION": "true"}},
                "preserve": false,
            })),
            &[
                addon(json!({
                    "addon_version": "v1.20.0-eksbuild.1",
                    "service_account_role_arn": "arn:aws:iam::123456789012:role/cni-2",
                    "resolve_conflicts": "PRESERVE",
                    "configuration_values": {"env": {"WARM_ENI_TARGET": "2"}},
                })),
                addon(json!({"service_account_role_arn": "arn:aws:iam::123456789012:role/cni-2"})),
            ],
        )
        .await;
    bench.life("aws:eks:Addon", json!({"cluster_name": "demo", "addon_name": "coredns"}), &[]).await;
}

#[tokio::test]
async fn access_is_given_and_taken() {
    let ministack = Emulator::ministack();
    let bench = with_cluster(&ministack).await;
    let principal = "arn:aws:iam::123456789012:role/team/ops";
    let entry = |groups: &[&str], name: &str| {
        json!({
            "cluster_name": "demo",
            "principal_arn": principal,
            "kubernetes_groups": groups,
            "username": name,
            "type": "STANDARD",
            "tags": {"team": "web"},
        })
    };
    let changes = [entry(&["viewers"], "ops-2"), entry(&[], "ops-2")];
    bench.life("aws:eks:AccessEntry", entry(&["admins", "viewers"], "ops"), &changes).await;

    let made = bench.create("aws:eks:AccessEntry", &entry(&[], "ops"), 2).await.unwrap();
    let association = |scope: Value| {
        json!({
            "cluster_name": "demo",
            "principal_arn": made.outputs["principal_arn"].as_str().unwrap(),
            "policy_arn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
            "access_scope": scope,
        })
    };
    let (cluster, namespaces) =
        (json!({"type": "cluster"}), json!({"type": "namespace", "namespaces": ["web", "jobs"]}));
    let changes = [association(namespaces), association(cluster.clone())];
    bench.life("aws:eks:AccessPolicyAssociation", association(cluster), &changes).await;
}

#[tokio::test]
async fn pod_identities_live() {
    let ministack = Emulator::ministack();
    let bench = with_cluster(&ministack).await;
    let association = |role: &str, more: Value| {
        let mut want = json!({
            "cluster_name": "demo",
            "namespace": "web",
            "service_account": "web",
            "role_arn": format!("arn:aws:iam::123456789012:role/{role}"),
            "tags": {"team": "web"},
        });
        for (key, value) in more.as_object().unwrap() {
            want[key] = value.clone();
        }
        want
    };
    let policy = |action: &str| {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    // ministack cannot take a target role or a policy away.
    let target = "arn:aws:iam::210987654321:role/target";
    let outputs = bench
        .life(
            "aws:eks:PodIdentityAssociation",
            association(
                "web",
                json!({"disable_session_tags": true, "policy": policy("s3:GetObject"), "target_role_arn": target}),
            ),
            &[association(
                "web-2",
                json!({"disable_session_tags": true, "policy": policy("s3:*"), "target_role_arn": target}),
            )],
        )
        .await;
    assert!(outputs["external_id"].as_str().is_some_and(|id| !id.is_empty()), "{outputs:?}");
}
