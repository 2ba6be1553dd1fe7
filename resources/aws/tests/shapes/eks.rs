//! EKS, as its API model has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::schema::Kind;
use phx_model::{CloudError, ValueMap};
use serde_json::{Value, json};

use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const ROLE: &str = "arn:aws:iam::123456789012:role/eks";
const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/k";

/// JSON with more in it.
fn with(mut base: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

/// A cluster as a program has it.
fn cluster(more: Value) -> Value {
    let base = json!({
        "name": "demo",
        "role_arn": ROLE,
        "resources_vpc_config": {"subnet_ids": ["subnet-a", "subnet-b"]},
        "version": "1.32",
    });
    with(base, more)
}

/// A cluster as EKS tells it.
fn shown(status: &str, more: Value) -> Value {
    let base = json!({
        "name": "demo",
        "arn": "arn:aws:eks:us-west-2:123456789012:cluster/demo",
        "roleArn": ROLE,
        "version": "1.32",
        "status": status,
        "endpoint": "https://demo.eks.amazonaws.com",
        "certificateAuthority": {"data": "Q0E="},
        "identity": {"oidc": {"issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/1"}},
        "resourcesVpcConfig": {
            "subnetIds": ["subnet-a", "subnet-b"],
            "securityGroupIds": [],
            "clusterSecurityGroupId": "sg-cluster",
            "vpcId": "vpc-a",
            "endpointPublicAccess": true,
            "endpointPrivateAccess": false,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": "10.100.0.0/16",
            "ipFamily": "ipv4",
            "elasticLoadBalancing": {"enabled": false},
        },
        "logging": {"clusterLogging": [
            {"types": ["api"], "enabled": true},
            {"types": ["audit", "authenticator", "controllerManager", "scheduler"], "enabled": false},
        ]},
        "accessConfig": {"authenticationMode": "CONFIG_MAP"},
        "upgradePolicy": {"supportType": "EXTENDED"},
        "zonalShiftConfig": {"enabled": false},
        "computeConfig": {"enabled": false},
        "storageConfig": {"blockStorage": {"enabled": false}},
        "deletionProtection": false,
        "controlPlaneScalingConfig": {"tier": "standard"},
        "tags": {"phx:intent": intent(1).as_str()},
    });
    with(base, more)
}

fn told(cluster: Value) -> Answer {
    Answer::Json(json!({"cluster": cluster}))
}

/// What a driver is told to change from `have` to `want`.
fn change(bench: &Bench, name: &str, have: &Value, want: &Value) -> BTreeMap<String, Delta> {
    let (have, want) = (fields(have.clone()), fields(want.clone()));
    let value = |of: &ValueMap, name: &str| of.get(name).cloned().unwrap_or_default();
    let all = bench.driver(name).schema().fields.iter().map(|f| f.name);
    let differing = all.filter(|name| value(&have, name) != value(&want, name));
    differing.map(|n| (n.to_owned(), Delta { before: value(&have, n), after: value(&want, n) })).collect()
}

/// Changes an object from `have` to `want`.
async fn update(bench: &Bench, name: &str, id: &str, have: &Value, want: &Value) -> Result<(), CloudError> {
    let deltas = change(bench, name, have, want);
    bench.driver(name).update(&bench.cx, id, &fields(want.clone()), &deltas).await.map(drop)
}

#[tokio::test]
async fn a_cluster_is_waited_for() {
    let looks = Arc::new(Mutex::new(0));
    let mut bench = scripted(move |request, _| match request.operation.as_str() {
        "POST /clusters" => told(shown("CREATING", json!({"endpoint": null, "certificateAuthority": null}))),
        "GET /clusters/demo" => {
            *looks.lock().unwrap() += 1;
            told(shown(if *looks.lock().unwrap() < 3 { "CREATING" } else { "ACTIVE" }, json!({})))
        }
        other => panic!("{other} is not expected"),
    });
    let want = cluster(json!({
        "access_config": {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": false},
        "bootstrap_self_managed_addons": false,
        "compute_config": {"enabled": true, "node_pools": ["system"], "node_role_arn": ROLE},
        "kubernetes_network_config": {"elastic_load_balancing": {"enabled": true, "gateway_api": {"crds": {"managed": true}}}},
        "storage_config": {"block_storage": {"enabled": true}},
        "deletion_protection": true,
        "upgrade_policy": {"support_type": "STANDARD"},
        "zonal_shift_config": {"enabled": true},
        "control_plane_scaling_config": {"tier": "tier-xl"},
        "logging": {"types": ["audit"]},
        "encryption_config": [{"provider": {"key_arn": KEY}}],
        "remote_network_config": {"remote_node_networks": [{"cidrs": ["10.200.0.0/16"]}]},
        "outpost_config": {
            "outpost_arns": ["arn:aws:outposts:us-west-2:123456789012:outpost/op-1"],
            "control_plane_instance_type": "m5.large",
            "control_plane_placement": {"group_name": "g", "spread_level": "host"},
            "etcd_instance_type": "m5.large",
            "etcd_placement": {"spread_level": "rack"},
        },
    }));
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = lines.clone();
    bench.cx.progress = Arc::new(move |line| sink.lock().unwrap().push(line.to_owned()));
    let made = bench.create("aws:eks:Cluster", &want, 1).await.unwrap();
    assert_eq!(made.id, "demo");
    assert_eq!(*lines.lock().unwrap(), ["cluster demo is creating"]);
    for (output, value) in [
        ("endpoint", "https://demo.eks.amazonaws.com"),
        ("certificate_authority_data", "Q0E="),
        ("oidc_issuer", "https://oidc.eks.us-west-2.amazonaws.com/id/1"),
        ("cluster_security_group_id", "sg-cluster"),
        ("vpc_id", "vpc-a"),
        ("service_ipv4_cidr", "10.100.0.0/16"),
        ("version", "1.32"),
    ] {
        assert_eq!(made.outputs[output].as_str(), Some(value), "{output}");
    }
    let sent = &bench.requests()[0].body;
    assert_eq!(sent["clientRequestToken"].as_str().map(str::len), Some(64));
    assert_eq!(sent["tags"]["phx:intent"], intent(1).as_str());
    assert_eq!(
        sent["accessConfig"],
        json!({"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": false})
    );
    assert_eq!(sent["bootstrapSelfManagedAddons"], false);
    assert_eq!(sent["computeConfig"], json!({"enabled": true, "nodePools": ["system"], "nodeRoleArn": ROLE}));
    let balancing = json!({"enabled": true, "gatewayApi": {"crds": {"managed": true}}});
    assert_eq!(sent["kubernetesNetworkConfig"]["elasticLoadBalancing"], balancing);
    assert_eq!(sent["storageConfig"], json!({"blockStorage": {"enabled": true}}));
    assert_eq!(sent["encryptionConfig"], json!([{"resources": ["secrets"], "provider": {"keyArn": KEY}}]));
    assert_eq!(sent["logging"], json!({"clusterLogging": [{"types": ["audit"], "enabled": true}]}));
    assert_eq!(sent["remoteNetworkConfig"], json!({"remoteNodeNetworks": [{"cidrs": ["10.200.0.0/16"]}]}));
    assert_eq!(sent["outpostConfig"]["etcdPlacement"], json!({"spreadLevel": "rack"}));
    assert_eq!(sent["controlPlaneScalingConfig"], json!({"tier": "tier-xl"}));
    assert_eq!((&sent["deletionProtection"], &sent["zonalShiftConfig"]), (&json!(true), &json!({"enabled": true})));
}

#[tokio::test]
async fn a_cluster_that_fails_says_why() {
    let health = json!({"health": {"issues": [
        {"code": "Ec2SubnetNotFound", "message": "no such subnet", "resourceIds": ["subnet-a"]},
    ]}});
    let bench = scripted(move |_, _| told(shown("FAILED", health.clone())));
    let error = bench.create("aws:eks:Cluster", &cluster(json!({})), 1).await.unwrap_err();
    assert_eq!(error.message, "cluster demo is failed: Ec2SubnetNotFound: no such subnet (subnet-a)");
}

#[tokio::test]
async fn a_cluster_whose_answer_was_lost_is_found_by_its_name() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "POST /clusters" => Answer::Lost,
        "GET /clusters/demo" => told(shown("CREATING", json!({}))),
        _ => Answer::JsonError(404, "ResourceNotFoundException"),
    });
    let want = cluster(json!({}));
    let error = bench.create("aws:eks:Cluster", &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error}");
    let driver = bench.driver("aws:eks:Cluster");
    let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.complete), ("demo", false));
    let error = driver.find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    let other = cluster(json!({"name": "other"}));
    assert!(driver.find(&bench.cx, &fields(other), &intent(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_name_that_is_taken_is_taken_over_by_its_own_intent_only() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "POST /clusters" => Answer::JsonError(409, "ResourceInUseException"),
        _ => told(shown("ACTIVE", json!({}))),
    });
    let made = bench.create("aws:eks:Cluster", &cluster(json!({})), 1).await.unwrap();
    assert_eq!(made.id, "demo");
    let error = bench.create("aws:eks:Cluster", &cluster(json!({})), 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
}

/// An endpoint that takes every change of a cluster, works on it for one look, and ends it so.
fn changing(end: Value) -> Bench {
    let asked: Mutex<BTreeMap<String, u32>> = Mutex::default();
    scripted(move |request, at| {
        let (operation, update) = (request.operation.as_str(), format!("u-{at}"));
        match operation {
            "GET /clusters/demo" => told(shown("ACTIVE", json!({}))),
            "POST /clusters/demo/update-config"
            | "POST /clusters/demo/updates"
            | "POST /clusters/demo/encryption-config/associate" => {
                Answer::Json(json!({"update": {"id": update, "status": "InProgress"}}))
            }
            _ if operation.starts_with("GET /clusters/demo/updates/u-") => {
                let mut asked = asked.lock().unwrap();
                let times = asked.entry(operation.to_owned()).or_default();
                *times += 1;
                let working = json!({"status": "InProgress"});
                Answer::Json(json!({"update": if *times == 1 { working } else { end.clone() }}))
            }
            other => panic!("{other} is not expected"),
        }
    })
}

#[tokio::test]
async fn each_change_of_a_cluster_is_a_call_that_is_waited_for() {
    let bench = changing(json!({"status": "Successful"}));
    let have = cluster(json!({"logging": {"types": ["api"]}}));
    let want = cluster(json!({
        "version": "1.33",
        "force": true,
        "resources_vpc_config": {
            "subnet_ids": ["subnet-a", "subnet-c"],
            "security_group_ids": ["sg-a"],
            "endpoint_private_access": true,
            "public_access_cidrs": ["203.0.113.0/24"],
        },
        "logging": {"types": ["audit"]},
        "access_config": {"authentication_mode": "API_AND_CONFIG_MAP"},
        "upgrade_policy": {"support_type": "STANDARD"},
        "zonal_shift_config": {"enabled": true},
        "deletion_protection": true,
        "control_plane_scaling_config": {"tier": "tier-xl"},
        "compute_config": {"enabled": true, "node_pools": ["general-purpose"], "node_role_arn": ROLE},
        "storage_config": {"block_storage": {"enabled": true}},
        "kubernetes_network_config": {"elastic_load_balancing": {"enabled": true}},
        "remote_network_config": {"remote_node_networks": [{"cidrs": ["10.200.0.0/16"]}]},
        "encryption_config": [{"resources": ["secrets"], "provider": {"key_arn": KEY}}],
        "kube_api_server_config": {"event_ttl": "30m", "service_node_port_range": {"min_port": 30000, "max_port": 31000}},
        "kube_scheduler_config": {"node_resources_fit": {"scoring_strategy": {
            "type": "MostAllocated",
            "resources": [{"name": "cpu", "weight": 2}],
        }}},
        "kube_controller_manager_config": {
            "pod_gc_controller_config": {"terminated_pod_gc_threshold": 100},
            "horizontal_pod_autoscaler_controller_config": {"horizontal_pod_autoscaler_sync_period": "30s"},
        },
    }));
    update(&bench, "aws:eks:Cluster", "demo", &have, &want).await.unwrap();
    let requests = bench.requests();
    let sent: Vec<Value> = requests
        .iter()
        .filter(|r| r.operation.starts_with("POST"))
        .map(|r| {
            let mut body = r.body.clone();
            let token = body.as_object_mut().unwrap().remove("clientRequestToken");
            assert_eq!(token.unwrap().as_str().map(str::len), Some(32));
            body
        })
        .collect();
    assert_eq!(
        sent,
        [
            json!({"version": "1.33", "force": true}),
            json!({"resourcesVpcConfig": {"endpointPublicAccess": true, "endpointPrivateAccess": true, "publicAccessCidrs": ["203.0.113.0/24"]}}),
            json!({"resourcesVpcConfig": {"subnetIds": ["subnet-a", "subnet-c"]}}),
            json!({"resourcesVpcConfig": {"securityGroupIds": ["sg-a"]}}),
            json!({"accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}),
            json!({"upgradePolicy": {"supportType": "STANDARD"}}),
            json!({"remoteNetworkConfig": {"remoteNodeNetworks": [{"cidrs": ["10.200.0.0/16"]}], "remotePodNetworks": []}}),
            json!({
                "computeConfig": {"enabled": true, "nodePools": ["general-purpose"], "nodeRoleArn": ROLE},
                "storageConfig": {"blockStorage": {"enabled": true}},
                "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": true}},
            }),
            json!({"logging": {"clusterLogging": [{"types": ["audit"], "enabled": true}, {"types": ["api"], "enabled": false}]}}),
            json!({"zonalShiftConfig": {"enabled": true}}),
            json!({"controlPlaneScalingConfig": {"tier": "tier-xl"}}),
            json!({
                "kubeApiServerConfig": {"eventTtl": "30m", "serviceNodePortRange": {"minPort": 30000, "maxPort": 31000}},
                "kubeSchedulerConfig": {"nodeResourcesFit": {"scoringStrategy": {
                    "type": "MostAllocated",
                    "resources": [{"name": "cpu", "weight": 2}],
                }}},
                "kubeControllerManagerConfig": {
                    "podGcControllerConfig": {"terminatedPodGcThreshold": 100},
                    "horizontalPodAutoscalerControllerConfig": {"horizontalPodAutoscalerSyncPeriod": "30s"},
                },
            }),
            json!({"deletionProtection": true}),
            json!({"encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": KEY}}]}),
        ]
    );
    let looks = requests.iter().filter(|r| r.operation.contains("/updates/u-")).count();
    assert_eq!(looks, 2 * sent.len(), "every change is asked for until it is over");
}

#[tokio::test]
async fn what_is_already_so_is_not_asked_for_again() {
    let bench = changing(json!({"status": "Successful"}));
    // A killed run's changes, planned again before anything was read.
    let have = cluster(json!({"version": "1.31", "deletion_protection": true, "logging": {"types": ["audit"]}}));
    let want = cluster(json!({"deletion_protection": false, "logging": {"types": ["api"]}}));
    let deltas = change(&bench, "aws:eks:Cluster", &have, &want);
    assert_eq!(deltas.len(), 3);
    bench.driver("aws:eks:Cluster").update(&bench.cx, "demo", &fields(want), &deltas).await.unwrap();
    assert_eq!(bench.operations(), ["GET /clusters/demo"]);
}

#[tokio::test]
async fn a_change_that_fails_says_why() {
    let bench = changing(json!({
        "status": "Failed",
        "errors": [{"errorCode": "SubnetNotFound", "errorMessage": "gone", "resourceIds": ["subnet-c"]}],
    }));
    let (have, want) = (cluster(json!({})), cluster(json!({"version": "1.33"})));
    let error = update(&bench, "aws:eks:Cluster", "demo", &have, &want).await.unwrap_err();
    assert_eq!(error.message, "the change of demo failed: SubnetNotFound: gone (subnet-c)");
    assert_eq!((error.operation.as_str(), error.code.as_deref()), ("UpdateClusterVersion", Some("SubnetNotFound")));
}

#[tokio::test]
async fn what_eks_cannot_add_is_refused_before_anything_is_changed() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "GET /clusters/demo" => told(shown(
            "ACTIVE",
            json!({
                "kubernetesNetworkConfig": {"serviceIpv6Cidr": "fd00::/108", "ipFamily": "ipv6"},
                "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": KEY}}],
            }),
        )),
        other => panic!("{other} is not expected"),
    });
    let provider = json!({"provider": {"key_arn": KEY}});
    for (part, want) in [
        ("service_ipv4_cidr", json!({"kubernetes_network_config": {"service_ipv4_cidr": "10.101.0.0/16"}})),
        ("encryption_config", json!({"encryption_config": [provider, provider]})),
    ] {
        let want = cluster(with(want, json!({"version": "1.33"})));
        let error = update(&bench, "aws:eks:Cluster", "demo", &cluster(json!({})), &want).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.message.contains(part) && error.hint.as_deref().unwrap().contains("--replace"), "{error}");
    }
}

#[tokio::test]
async fn parts_that_eks_cannot_change_make_a_new_object() {
    let bench = scripted(|request, _| panic!("{} is not expected", request.operation));
    for (name, path) in [
        ("aws:eks:Cluster", "kubernetes_network_config.service_ipv4_cidr"),
        ("aws:eks:Cluster", "kubernetes_network_config.ip_family"),
        ("aws:eks:Cluster", "access_config.bootstrap_cluster_creator_admin_permissions"),
        ("aws:eks:Cluster", "encryption_config.resources"),
        ("aws:eks:Cluster", "encryption_config.provider.key_arn"),
        ("aws:eks:NodeGroup", "launch_template.id"),
        ("aws:eks:NodeGroup", "launch_template.name"),
    ] {
        let steps: Vec<&str> = path.split('.').collect();
        let (last, blocks) = steps.split_last().unwrap();
        let parts = blocks.iter().fold(bench.driver(name).schema().fields, |fields, step| {
            let field = fields.iter().find(|f| f.name == *step).unwrap();
            assert!(!field.replace, "{name}: not all of {step} is decided for good");
            match field.kind {
                Kind::Block(parts) | Kind::List(&Kind::Block(parts)) => parts,
                _ => panic!("{name}: {step} is no block"),
            }
        });
        assert!(parts.iter().any(|f| f.name == *last && f.replace), "{name}.{path}");
    }
}

#[tokio::test]
async fn a_cluster_is_deleted_when_it_is_gone() {
    let looks = Arc::new(Mutex::new(0));
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DELETE /clusters/demo" => told(shown("DELETING", json!({}))),
        "GET /clusters/demo" if *looks.lock().unwrap() < 2 => {
            *looks.lock().unwrap() += 1;
            told(shown("DELETING", json!({})))
        }
        "GET /clusters/demo" => Answer::JsonError(404, "ResourceNotFoundException"),
        other => panic!("{other} is not expected"),
    });
    let want = fields(cluster(json!({})));
    let read = bench.read("aws:eks:Cluster", &[("demo", &want)]).await.remove(0);
    assert!(matches!(read, Read::Gone), "what is being deleted is gone: {read:?}");
    bench.driver("aws:eks:Cluster").delete(&bench.cx, "demo", &want).await.unwrap();
    assert_eq!(bench.operations().len(), 4);
}

#[tokio::test]
async fn a_protected_cluster_says_so() {
    let bench = scripted(|_, _| Answer::JsonError(400, "InvalidRequestException"));
    let was = fields(cluster(json!({"deletion_protection": true})));
    let error = bench.driver("aws:eks:Cluster").delete(&bench.cx, "demo", &was).await.unwrap_err();
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("deletion_protection")), "{error}");
}

#[tokio::test]
async fn a_cluster_is_read_as_a_program_has_it() {
    let more = json!({
        "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": KEY}}],
        "outpostConfig": {
            "outpostArns": ["arn:aws:outposts:us-west-2:123456789012:outpost/op-1"],
            "controlPlaneInstanceType": "m5.large",
            "controlPlanePlacement": {"groupName": "g", "spreadLevel": "host"},
            "etcdInstanceType": "m5.large",
            "etcdPlacement": {"spreadLevel": "rack"},
        },
        "remoteNetworkConfig": {
            "remoteNodeNetworks": [{"cidrs": ["10.200.0.0/16"]}],
            "remotePodNetworks": [{"cidrs": ["10.201.0.0/16"]}],
        },
        "computeConfig": {"enabled": true, "nodePools": ["system", "general-purpose"], "nodeRoleArn": ROLE},
        "storageConfig": {"blockStorage": {"enabled": true}},
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": "10.100.0.0/16",
            "ipFamily": "ipv4",
            "elasticLoadBalancing": {"enabled": true, "gatewayApi": {"crds": {"managed": true}}},
        },
        "kubeApiServerConfig": {"eventTtl": "30m", "serviceNodePortRange": {"minPort": 30000, "maxPort": 31000}},
        "kubeSchedulerConfig": {"nodeResourcesFit": {"scoringStrategy": {
            "type": "MostAllocated",
            "resources": [{"name": "cpu", "weight": 2}],
        }}},
        "kubeControllerManagerConfig": {
            "podGcControllerConfig": {"terminatedPodGcThreshold": 100},
            "horizontalPodAutoscalerControllerConfig": {"horizontalPodAutoscalerSyncPeriod": "30s"},
        },
    });
    let bench = scripted(move |_, _| told(shown("ACTIVE", more.clone())));
    let plain = cluster(json!({
        "logging": {"types": ["api"]},
        "outpost_config": {
            "outpost_arns": ["arn:aws:outposts:us-west-2:123456789012:outpost/op-1"],
            "control_plane_instance_type": "m5.large",
        },
        "remote_network_config": {
            "remote_node_networks": [{"cidrs": ["10.200.0.0/16"]}],
            "remote_pod_networks": [{"cidrs": ["10.201.0.0/16"]}],
        },
    }));
    bench.settled("aws:eks:Cluster", "demo", &plain).await;
    let full = with(
        plain,
        json!({
            "resources_vpc_config": {
                "subnet_ids": ["subnet-b", "subnet-a"],
                "endpoint_public_access": true,
                "endpoint_private_access": false,
                "public_access_cidrs": ["0.0.0.0/0"],
            },
            "encryption_config": [{"provider": {"key_arn": KEY}}],
            "access_config": {"authentication_mode": "CONFIG_MAP"},
            "upgrade_policy": {"support_type": "EXTENDED"},
            "zonal_shift_config": {"enabled": false},
            "deletion_protection": false,
            "control_plane_scaling_config": {"tier": "standard"},
            "compute_config": {"enabled": true, "node_pools": ["general-purpose", "system"], "node_role_arn": ROLE},
            "storage_config": {"block_storage": {"enabled": true}},
            "kubernetes_network_config": {
                "service_ipv4_cidr": "10.100.0.0/16",
                "elastic_load_balancing": {"enabled": true, "gateway_api": {"crds": {"managed": true}}},
            },
            "kube_api_server_config": {
                "event_ttl": "30m",
                "service_node_port_range": {"min_port": 30000, "max_port": 31000},
            },
            "kube_scheduler_config": {"node_resources_fit": {"scoring_strategy": {
                "type": "MostAllocated",
                "resources": [{"name": "cpu", "weight": 2}],
            }}},
            "kube_controller_manager_config": {
                "pod_gc_controller_config": {"terminated_pod_gc_threshold": 100},
                "horizontal_pod_autoscaler_controller_config": {"horizontal_pod_autoscaler_sync_period": "30s"},
            },
        }),
    );
    bench.settled("aws:eks:Cluster", "demo", &full).await;
}

#[tokio::test]
async fn a_cluster_that_is_being_changed_is_deleted_afterwards() {
    let tries = Arc::new(Mutex::new(0));
    let bench = scripted(move |request, _| {
        let mut tries = tries.lock().unwrap();
        match request.operation.as_str() {
            "DELETE /clusters/demo" => {
                *tries += 1;
                if *tries < 3 {
                    Answer::JsonError(409, "ResourceInUseException")
                } else {
                    told(shown("DELETING", json!({})))
                }
            }
            "GET /clusters/demo/node-groups" => Answer::Json(json!({"nodegroups": []})),
            "GET /clusters/demo/fargate-profiles" => Answer::Json(json!({"fargateProfileNames": []})),
            "GET /clusters/demo" => Answer::JsonError(404, "ResourceNotFoundException"),
            other => panic!("{other} is not expected"),
        }
    });
    bench.driver("aws:eks:Cluster").delete(&bench.cx, "demo", &fields(cluster(json!({})))).await.unwrap();
    assert_eq!(bench.operations().iter().filter(|o| o.starts_with("DELETE")).count(), 3);
}

#[tokio::test]
async fn whether_the_creator_is_administrator_is_what_was_set() {
    let bench = scripted(|_, _| told(shown("ACTIVE", json!({"logging": null, "version": "1.32"}))));
    let want = cluster(json!({
        "access_config": {"authentication_mode": "CONFIG_MAP", "bootstrap_cluster_creator_admin_permissions": false},
    }));
    bench.settled("aws:eks:Cluster", "demo", &want).await;
    // Nor is there a difference where no logs are wished for and none there.
    bench.settled("aws:eks:Cluster", "demo", &cluster(json!({"logging": {"types": []}}))).await;
}

#[tokio::test]
async fn what_is_decided_for_good_makes_no_new_cluster_by_being_said_or_not() {
    let bench = scripted(|request, _| panic!("{} is not expected", request.operation));
    let schema = bench.driver("aws:eks:Cluster").schema();
    let field = schema.field("bootstrap_self_managed_addons").unwrap();
    let same = |a: Value, b: Value| phx_model::schema::same(field, &a.into(), &b.into());
    assert!(field.replace && field.cloud_default);
    assert!(same(json!(true), json!(null)) && !same(json!(false), json!(null)));
}

/// A node group as a program has it.
fn group(more: Value) -> Value {
    let base = json!({"cluster_name": "demo", "nodegroup_name": "workers", "node_role": ROLE, "subnets": ["subnet-a"]});
    with(base, more)
}

/// A node group as EKS tells it.
fn shown_group(status: &str, more: Value) -> Value {
    let base = json!({
        "clusterName": "demo",
        "nodegroupName": "workers",
        "nodegroupArn": "arn:aws:eks:us-west-2:123456789012:nodegroup/demo/workers/1",
        "nodeRole": ROLE,
        "subnets": ["subnet-a"],
        "status": status,
        "version": "1.32",
        "releaseVersion": "1.32.1-20250101",
        "scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": 4},
        "launchTemplate": {"id": "lt-a", "name": "nodes", "version": "1"},
        "updateConfig": {"maxUnavailable": 1},
        "warmPoolConfig": {"enabled": true, "minSize": 1},
        "resources": {"autoScalingGroups": [{"name": "eks-workers"}], "remoteAccessSecurityGroup": "sg-ssh"},
        "tags": {"phx:intent": intent(1).as_str(), "a": "1"},
    });
    with(base, more)
}

const GROUP: &str = "GET /clusters/demo/node-groups/workers";

fn told_group(group: Value) -> Answer {
    Answer::Json(json!({"nodegroup": group}))
}

#[tokio::test]
async fn a_node_group_that_does_not_work_says_why() {
    for status in ["CREATE_FAILED", "DEGRADED"] {
        let health = json!({"health": {"issues": [
            {"code": "NodeCreationFailure", "message": "nodes do not join", "resourceIds": ["i-1"]},
        ]}});
        let bench = scripted(move |_, _| told_group(shown_group(status, health.clone())));
        let error = bench.create("aws:eks:NodeGroup", &group(json!({})), 1).await.unwrap_err();
        assert!(error.message.ends_with("NodeCreationFailure: nodes do not join (i-1)"), "{error}");
        // What could not be made is made anew; what is not well may recover.
        let anew = error.hint.as_deref().is_some_and(|hint| hint.contains("--replace"));
        assert_eq!(anew, status == "CREATE_FAILED", "{error}");
    }
}

#[tokio::test]
async fn a_node_groups_configuration_and_versions_change_one_after_the_other() {
    let bench = scripted(|request, at| match request.operation.as_str() {
        GROUP => told_group(shown_group(if at == 0 { "DEGRADED" } else { "ACTIVE" }, json!({}))),
        "POST /clusters/demo/node-groups/workers/update-config" => {
            Answer::Json(json!({"update": {"id": "u-1", "status": "InProgress"}}))
        }
        "POST /clusters/demo/node-groups/workers/update-version" => {
            Answer::Json(json!({"update": {"id": "u-2", "status": "InProgress"}}))
        }
        operation if operation.starts_with("GET /clusters/demo/updates/") => {
            assert!(request.uri.ends_with("?nodegroupName=workers"), "{}", request.uri);
            Answer::Json(json!({"update": {"status": "Successful"}}))
        }
        operation if operation.contains("/tags/") => Answer::Json(json!({})),
        other => panic!("{other} is not expected"),
    });
    let have = group(json!({
        "scaling_config": {"min_size": 1, "max_size": 5},
        "launch_template": {"id": "lt-a", "version": "1"},
        "warm_pool_config": {"enabled": true},
        "version": "1.32",
        "tags": {"a": "1"},
    }));
    let want = group(json!({
        "scaling_config": {"min_size": 1, "max_size": 3},
        "launch_template": {"id": "lt-a", "version": "2"},
        "update_config": {"max_unavailable_percentage": 25},
        "node_repair_config": {"enabled": true, "node_repair_config_overrides": [{
            "node_monitoring_condition": "AcceleratedInstanceNotReady",
            "node_unhealthy_reason": "NvidiaXID13Error",
            "min_repair_wait_time_mins": 10,
            "repair_action": "Replace",
        }]},
        "labels": {"role": "web"},
        "version": "1.33",
        "force": true,
        "tags": {"b": "1"},
    }));
    update(&bench, "aws:eks:NodeGroup", "demo/workers", &have, &want).await.unwrap();
    let requests = bench.requests();
    let sent = |operation: &str| {
        let mut body = requests.iter().find(|r| r.operation.ends_with(operation)).unwrap().body.clone();
        body.as_object_mut().unwrap().remove("clientRequestToken").unwrap();
        body
    };
    assert_eq!(
        sent("/update-config"),
        json!({
            "labels": {"addOrUpdateLabels": {"role": "web"}},
            "scalingConfig": {"minSize": 1, "maxSize": 3, "desiredSize": 3},
            "updateConfig": {"maxUnavailablePercentage": 25},
            "nodeRepairConfig": {"enabled": true, "nodeRepairConfigOverrides": [{
                "nodeMonitoringCondition": "AcceleratedInstanceNotReady",
                "nodeUnhealthyReason": "NvidiaXID13Error",
                "minRepairWaitTimeMins": 10,
                "repairAction": "Replace",
            }]},
            "warmPoolConfig": {"enabled": false},
        })
    );
    assert_eq!(
        sent("/update-version"),
        json!({"version": "1.33", "launchTemplate": {"id": "lt-a", "version": "2"}, "force": true})
    );
    let tags: Vec<&Request> = requests.iter().filter(|r| r.operation.contains("/tags/")).collect();
    assert_eq!(tags.len(), 2, "{tags:?}");
    assert!(tags[0].operation.starts_with("DELETE") && tags[0].uri.ends_with("?tagKeys=a"), "{tags:?}");
    assert_eq!(tags[1].body, json!({"tags": {"b": "1"}}));
}

#[tokio::test]
async fn a_release_that_is_set_stays_when_the_launch_template_changes() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        GROUP => told_group(shown_group("ACTIVE", json!({}))),
        "POST /clusters/demo/node-groups/workers/update-version" => {
            Answer::Json(json!({"update": {"id": "u", "status": "Successful"}}))
        }
        other => panic!("{other} is not expected"),
    });
    let from = |template: &str| {
        group(json!({
            "launch_template": {"id": "lt-a", "version": template},
            "release_version": "1.32.1-20250101",
        }))
    };
    update(&bench, "aws:eks:NodeGroup", "demo/workers", &from("1"), &from("2")).await.unwrap();
    let sent = bench.requests().into_iter().find(|r| r.operation.ends_with("/update-version")).unwrap().body;
    assert_eq!(sent["launchTemplate"], json!({"id": "lt-a", "version": "2"}));
    assert_eq!(sent["releaseVersion"], "1.32.1-20250101", "left out, EKS takes the newest");
}

#[tokio::test]
async fn a_node_group_is_read_as_a_program_has_it() {
    let more = json!({
        "warmPoolConfig": {"enabled": false},
        "taints": [{"key": "dedicated", "value": "", "effect": "NO_SCHEDULE"}],
    });
    let bench = scripted(move |_, _| told_group(shown_group("ACTIVE", more.clone())));
    let plain = group(json!({
        "taints": [{"key": "dedicated", "effect": "NO_SCHEDULE"}],
        "launch_template": {"name": "nodes", "version": "1"},
        "tags": {"a": "1"},
    }));
    let observed = bench.settled("aws:eks:NodeGroup", "demo/workers", &plain).await;
    assert_eq!(observed.outputs["remote_access_security_group"].as_str(), Some("sg-ssh"));
    let off = with(plain, json!({"warm_pool_config": {"enabled": false}}));
    bench.settled("aws:eks:NodeGroup", "demo/workers", &off).await;
}

const ADDON: &str = "GET /clusters/demo/addons/vpc-cni";

fn shown_addon(status: &str, more: Value) -> Value {
    let base = json!({
        "clusterName": "demo",
        "addonName": "vpc-cni",
        "addonArn": "arn:aws:eks:us-west-2:123456789012:addon/demo/vpc-cni/1",
        "addonVersion": "v1",
        "status": status,
        "serviceAccountRoleArn": ROLE,
        "configurationValues": "{\"a\": 1}",
        "podIdentityAssociations": ["arn:aws:eks:us-west-2:123456789012:podidentityassociation/demo/a-1"],
        "namespaceConfig": {"namespace": "kube-system"},
        "tags": {"phx:intent": intent(1).as_str()},
    });
    with(base, more)
}

fn told_addon(addon: Value) -> Answer {
    Answer::Json(json!({"addon": addon}))
}

fn pod_identity(id: &str, more: Value) -> Answer {
    let base = json!({
        "clusterName": "demo",
        "namespace": "web",
        "serviceAccount": "web",
        "roleArn": ROLE,
        "associationArn": format!("arn:aws:eks:us-west-2:123456789012:podidentityassociation/demo/{id}"),
        "associationId": id,
        "tags": {"phx:intent": intent(1).as_str()},
    });
    Answer::Json(json!({"association": with(base, more)}))
}

#[tokio::test]
async fn an_addon_without_nodes_is_waited_for_and_its_associations_are_read() {
    let looks = Arc::new(Mutex::new(0));
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "POST /clusters/demo/addons" => told_addon(shown_addon("CREATING", json!({}))),
        ADDON => {
            *looks.lock().unwrap() += 1;
            let health =
                json!({"health": {"issues": [{"code": "InsufficientNumberOfReplicas", "message": "no nodes"}]}});
            told_addon(match *looks.lock().unwrap() {
                1 => shown_addon("CREATING", json!({})),
                2 => shown_addon("DEGRADED", health),
                _ => shown_addon("ACTIVE", json!({})),
            })
        }
        "GET /clusters/demo/pod-identity-associations/a-1" => pod_identity("a-1", json!({})),
        other => panic!("{other} is not expected"),
    });
    let want = json!({
        "cluster_name": "demo",
        "addon_name": "vpc-cni",
        "addon_version": "v1",
        "service_account_role_arn": ROLE,
        "resolve_conflicts": "OVERWRITE",
        "configuration_values": {"a": 1},
        "pod_identity_associations": [{"service_account": "web", "role_arn": ROLE}],
        "namespace_config": {"namespace": "kube-system"},
    });
    let made = bench.create("aws:eks:Addon", &want, 1).await.unwrap();
    let sent = bench.requests()[0].body.clone();
    assert_eq!(sent["configurationValues"], "{\"a\":1}");
    assert_eq!(sent["podIdentityAssociations"], json!([{"serviceAccount": "web", "roleArn": ROLE}]));
    assert_eq!(sent["namespaceConfig"], json!({"namespace": "kube-system"}));
    bench.settled("aws:eks:Addon", &made.id, &want).await;
}

#[tokio::test]
async fn what_an_addon_loses_is_said() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        ADDON => told_addon(shown_addon("ACTIVE", json!({}))),
        "POST /clusters/demo/addons/vpc-cni/update" => {
            Answer::Json(json!({"update": {"id": "u", "status": "Successful"}}))
        }
        "GET /clusters/demo/pod-identity-associations/a-1" => pod_identity("a-1", json!({})),
        other => panic!("{other} is not expected"),
    });
    let have = json!({
        "cluster_name": "demo",
        "addon_name": "vpc-cni",
        "service_account_role_arn": ROLE,
        "configuration_values": {"a": 1},
        "pod_identity_associations": [{"service_account": "web", "role_arn": ROLE}],
    });
    let want = json!({"cluster_name": "demo", "addon_name": "vpc-cni", "resolve_conflicts": "PRESERVE"});
    update(&bench, "aws:eks:Addon", "demo/vpc-cni", &have, &want).await.unwrap();
    let sent = bench.requests().into_iter().find(|r| r.operation.ends_with("/update")).unwrap().body;
    assert_eq!(
        sent,
        json!({
            "resolveConflicts": "PRESERVE",
            "configurationValues": "{}",
            "podIdentityAssociations": [],
            "clientRequestToken": sent["clientRequestToken"],
        })
    );
}

#[tokio::test]
async fn a_change_of_an_addon_that_fails_says_why() {
    let bench = scripted(|request, at| match request.operation.as_str() {
        ADDON => told_addon(shown_addon(if at < 2 { "ACTIVE" } else { "UPDATE_FAILED" }, json!({}))),
        "POST /clusters/demo/addons/vpc-cni/update" => {
            Answer::Json(json!({"update": {"id": "u", "status": "InProgress"}}))
        }
        "GET /clusters/demo/updates/u" => {
            assert!(request.uri.ends_with("?addonName=vpc-cni"), "{}", request.uri);
            let errors = json!([{"errorCode": "ConfigurationConflict", "errorMessage": "conflicts found"}]);
            Answer::Json(json!({"update": {"status": "Failed", "errors": errors}}))
        }
        other => panic!("{other} is not expected"),
    });
    let have = json!({"cluster_name": "demo", "addon_name": "vpc-cni", "addon_version": "v1"});
    let want = json!({"cluster_name": "demo", "addon_name": "vpc-cni", "addon_version": "v2"});
    let error = update(&bench, "aws:eks:Addon", "demo/vpc-cni", &have, &want).await.unwrap_err();
    assert_eq!(error.message, "the change of demo/vpc-cni failed: ConfigurationConflict: conflicts found");
    let sent = bench.requests().into_iter().find(|r| r.operation.ends_with("/update")).unwrap().body;
    assert_eq!(sent["serviceAccountRoleArn"], ROLE, "a role that the program never set stays");
}

#[tokio::test]
async fn an_addon_may_leave_its_software_behind() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DELETE /clusters/demo/addons/vpc-cni" => told_addon(shown_addon("DELETING", json!({}))),
        _ => Answer::JsonError(404, "ResourceNotFoundException"),
    });
    let was = fields(json!({"cluster_name": "demo", "addon_name": "vpc-cni", "preserve": true}));
    bench.driver("aws:eks:Addon").delete(&bench.cx, "demo/vpc-cni", &was).await.unwrap();
    assert!(bench.requests()[0].uri.ends_with("?preserve=true"), "{:?}", bench.requests());
}

#[tokio::test]
async fn a_pod_identity_loses_its_target_role_and_policy_by_empty_ones() {
    let more = json!({"targetRoleArn": ROLE, "policy": "{}", "disableSessionTags": true});
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "GET /clusters/demo/pod-identity-associations/a-1" => pod_identity("a-1", more.clone()),
        "POST /clusters/demo/pod-identity-associations/a-1" => {
            pod_identity("a-1", json!({"targetRoleArn": "", "policy": ""}))
        }
        other => panic!("{other} is not expected"),
    });
    let base = json!({"cluster_name": "demo", "namespace": "web", "service_account": "web", "role_arn": ROLE});
    let have = with(base.clone(), json!({"target_role_arn": ROLE, "policy": {"Statement": []}}));
    update(&bench, "aws:eks:PodIdentityAssociation", "demo/a-1", &have, &base).await.unwrap();
    let sent = bench.requests().pop().unwrap().body;
    assert_eq!(sent, json!({"targetRoleArn": "", "policy": "", "clientRequestToken": sent["clientRequestToken"]}));
}

#[tokio::test]
async fn what_a_program_never_set_of_an_access_entry_stays() {
    let entry = |kind: &str| {
        Answer::Json(json!({"accessEntry": {
            "clusterName": "demo",
            "principalArn": ROLE,
            "accessEntryArn": "arn:aws:eks:us-west-2:123456789012:access-entry/demo/role/123456789012/eks/1",
            "kubernetesGroups": ["ops"],
            "username": "jo",
            "type": kind,
        }}))
    };
    // What EKS says itself of an entry of nodes cannot be sent.
    for (kind, groups, name) in [("STANDARD", json!(["ops"]), json!("jo")), ("EC2_LINUX", json!(null), json!(null))] {
        let bench = scripted(move |_, _| entry(kind));
        let base = json!({"cluster_name": "demo", "principal_arn": ROLE});
        let id = format!("demo/{ROLE}");
        let named = with(base.clone(), json!({"username": "jim"}));
        update(&bench, "aws:eks:AccessEntry", &id, &base, &named).await.unwrap();
        let sent = bench.requests().pop().unwrap().body;
        assert_eq!((&sent["kubernetesGroups"], &sent["username"]), (&groups, &json!("jim")), "{kind}");
        let grouped = with(base.clone(), json!({"kubernetes_groups": ["web"]}));
        update(&bench, "aws:eks:AccessEntry", &id, &base, &grouped).await.unwrap();
        let sent = bench.requests().pop().unwrap().body;
        assert_eq!((&sent["kubernetesGroups"], &sent["username"]), (&json!(["web"]), &name), "{kind}");
    }
}

#[tokio::test]
async fn a_policy_that_is_there_with_another_scope_is_left_alone() {
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let bench = scripted(move |request, _| {
        assert!(request.operation.starts_with("GET"), "{}", request.operation);
        let scope = json!({"type": "cluster", "namespaces": []});
        Answer::Json(json!({"associatedAccessPolicies": [{"policyArn": policy, "accessScope": scope}]}))
    });
    let want = |scope: Value| json!({"cluster_name": "demo", "principal_arn": ROLE, "policy_arn": policy, "access_scope": scope});
    let same = bench.create("aws:eks:AccessPolicyAssociation", &want(json!({"type": "cluster"})), 1).await.unwrap();
    assert_eq!(same.id, format!("demo/{ROLE}/{policy}"));
    let other = want(json!({"type": "namespace", "namespaces": ["web"]}));
    let error = bench.create("aws:eks:AccessPolicyAssociation", &other, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
}

#[tokio::test]
async fn one_fargate_profile_waits_for_another() {
    let tries = Arc::new(Mutex::new(0));
    let profile = |status: &str| {
        Answer::Json(json!({"fargateProfile": {
            "clusterName": "demo",
            "fargateProfileName": "batch",
            "fargateProfileArn": "arn:aws:eks:us-west-2:123456789012:fargateprofile/demo/batch/1",
            "podExecutionRoleArn": ROLE,
            "selectors": [{"namespace": "batch"}],
            "subnets": ["subnet-a"],
            "status": status,
            "tags": {"phx:intent": intent(1).as_str()},
        }}))
    };
    let bench = scripted(move |request, _| {
        let mut tries = tries.lock().unwrap();
        match request.operation.as_str() {
            "POST /clusters/demo/fargate-profiles" => {
                *tries += 1;
                if *tries < 3 { Answer::JsonError(409, "ResourceInUseException") } else { profile("CREATING") }
            }
            "GET /clusters/demo/fargate-profiles/batch" if *tries < 3 => {
                Answer::JsonError(404, "ResourceNotFoundException")
            }
            "GET /clusters/demo/fargate-profiles/batch" => profile("ACTIVE"),
            other => panic!("{other} is not expected"),
        }
    });
    let want = json!({
        "cluster_name": "demo",
        "fargate_profile_name": "batch",
        "pod_execution_role_arn": ROLE,
        "selectors": [{"namespace": "batch"}],
        "subnets": ["subnet-a"],
    });
    let made = bench.create("aws:eks:FargateProfile", &want, 1).await.unwrap();
    bench.settled("aws:eks:FargateProfile", &made.id, &want).await;
}

#[tokio::test]
async fn an_identity_providers_life() {
    let state: Arc<Mutex<&str>> = Arc::new(Mutex::new("NONE"));
    let bench = scripted(move |request, _| {
        let mut state = state.lock().unwrap();
        match (request.operation.as_str(), *state) {
            ("POST /clusters/demo/identity-provider-configs/associate", _) => {
                *state = "CREATING";
                Answer::Json(json!({"update": {"id": "u", "status": "InProgress"}}))
            }
            ("POST /clusters/demo/identity-provider-configs/disassociate", "NONE") => {
                Answer::JsonError(404, "ResourceNotFoundException")
            }
            ("POST /clusters/demo/identity-provider-configs/disassociate", _) => {
                *state = "DELETING";
                Answer::Json(json!({"update": {"id": "u", "status": "InProgress"}}))
            }
            ("POST /clusters/demo/identity-provider-configs/describe", "NONE") => {
                Answer::JsonError(404, "ResourceNotFoundException")
            }
            ("POST /clusters/demo/identity-provider-configs/describe", now) => {
                assert_eq!(request.body, json!({"identityProviderConfig": {"type": "oidc", "name": "login"}}));
                let told = json!({"identityProviderConfig": {"oidc": {
                    "clusterName": "demo",
                    "identityProviderConfigName": "login",
                    "identityProviderConfigArn": "arn:aws:eks:us-west-2:123456789012:identityproviderconfig/demo/oidc/login/1",
                    "issuerUrl": "https://login.example.org",
                    "clientId": "kubernetes",
                    "usernameClaim": "sub",
                    "requiredClaims": {"tenant": "web"},
                    "status": now,
                    "tags": {"phx:intent": intent(1).as_str(), "a": "1"},
                }}});
                *state = match now {
                    "CREATING" => "ACTIVE",
                    "DELETING" => "NONE",
                    other => other,
                };
                Answer::Json(told)
            }
            (other, _) => panic!("{other} is not expected"),
        }
    });
    let want = json!({
        "cluster_name": "demo",
        "oidc": {
            "identity_provider_config_name": "login",
            "issuer_url": "https://login.example.org",
            "client_id": "kubernetes",
            "required_claims": {"tenant": "web"},
        },
        "tags": {"a": "1"},
    });
    let outputs = bench.life("aws:eks:IdentityProviderConfig", want, &[]).await;
    assert!(outputs["arn"].as_str().is_some_and(|a| a.ends_with("/demo/oidc/login/1")), "{outputs:?}");
}

#[tokio::test]
async fn a_second_identity_provider_is_refused_at_once() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "POST /clusters/demo/identity-provider-configs/associate" => Answer::JsonError(409, "ResourceInUseException"),
        "GET /clusters/demo/identity-provider-configs" => {
            Answer::Json(json!({"identityProviderConfigs": [{"type": "oidc", "name": "other"}]}))
        }
        _ => Answer::JsonError(404, "ResourceNotFoundException"),
    });
    let oidc = json!({
        "identity_provider_config_name": "login",
        "issuer_url": "https://login.example.org",
        "client_id": "kubernetes",
    });
    let want = json!({"cluster_name": "demo", "oidc": oidc});
    let error = bench.create("aws:eks:IdentityProviderConfig", &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert!(error.message.ends_with("already: other"), "{error}");
}

#[tokio::test]
async fn an_identity_provider_whose_answer_was_lost_is_found() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "POST /clusters/demo/identity-provider-configs/associate" => Answer::Lost,
        _ => Answer::Json(json!({"identityProviderConfig": {"oidc": {
            "clusterName": "demo",
            "identityProviderConfigName": "login",
            "status": "CREATING",
            "tags": {"phx:intent": intent(1).as_str()},
        }}})),
    });
    let oidc = json!({
        "identity_provider_config_name": "login",
        "issuer_url": "https://login.example.org",
        "client_id": "kubernetes",
    });
    let want = json!({"cluster_name": "demo", "oidc": oidc});
    let error = bench.create("aws:eks:IdentityProviderConfig", &want, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error}");
    let driver = bench.driver("aws:eks:IdentityProviderConfig");
    let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some("demo/login"));
    let error = driver.find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
}

/// An object of each type that has a name and a mark, the call that makes it, its id, and the answer by which it is found.
fn lost() -> Vec<(&'static str, Value, &'static str, &'static str, Answer)> {
    let tags = json!({"phx:intent": intent(1).as_str()});
    let entry = json!({
        "clusterName": "demo",
        "principalArn": "arn:aws:iam::123456789012:user/ops",
        "accessEntryArn": "arn:aws:eks:us-west-2:123456789012:access-entry/demo/user/123456789012/ops/1",
        "tags": tags,
    });
    let profile = json!({
        "clusterName": "demo",
        "fargateProfileName": "batch",
        "fargateProfileArn": "arn:aws:eks:us-west-2:123456789012:fargateprofile/demo/batch/1",
        "podExecutionRoleArn": ROLE,
        "status": "CREATING",
        "tags": tags,
    });
    vec![
        (
            "aws:eks:NodeGroup",
            group(json!({})),
            "POST /clusters/demo/node-groups",
            "demo/workers",
            told_group(shown_group("CREATING", json!({}))),
        ),
        (
            "aws:eks:Addon",
            json!({"cluster_name": "demo", "addon_name": "vpc-cni"}),
            "POST /clusters/demo/addons",
            "demo/vpc-cni",
            told_addon(shown_addon("CREATING", json!({}))),
        ),
        (
            "aws:eks:AccessEntry",
            json!({"cluster_name": "demo", "principal_arn": "arn:aws:iam::123456789012:user/ops"}),
            "POST /clusters/demo/access-entries",
            "demo/arn:aws:iam::123456789012:user/ops",
            Answer::Json(json!({"accessEntry": entry})),
        ),
        (
            "aws:eks:FargateProfile",
            json!({
                "cluster_name": "demo",
                "fargate_profile_name": "batch",
                "pod_execution_role_arn": ROLE,
                "selectors": [{"namespace": "batch"}],
            }),
            "POST /clusters/demo/fargate-profiles",
            "demo/batch",
            Answer::Json(json!({"fargateProfile": profile})),
        ),
        (
            "aws:eks:PodIdentityAssociation",
            json!({"cluster_name": "demo", "namespace": "web", "service_account": "web", "role_arn": ROLE}),
            "POST /clusters/demo/pod-identity-associations",
            "demo/a-1",
            pod_identity("a-1", json!({})),
        ),
    ]
}

#[tokio::test]
async fn what_was_made_by_a_call_whose_answer_was_lost_is_found() {
    for (name, want, call, id, answer) in lost() {
        let bench = scripted(move |request, _| match request.operation.as_str() {
            operation if operation == call => Answer::Lost,
            "GET /clusters/demo/pod-identity-associations" => Answer::Json(json!({"associations": [
                {"clusterName": "demo", "namespace": "other", "serviceAccount": "web", "associationId": "a-0"},
                {"clusterName": "demo", "namespace": "web", "serviceAccount": "web", "associationId": "a-1"},
            ]})),
            _ => answer.clone(),
        });
        let error = bench.create(name, &want, 1).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous, "{name}: {error}");
        let driver = bench.driver(name);
        let found = driver.find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap();
        assert_eq!(found.map(|f| f.id).as_deref(), Some(id), "{name}");
        let error = driver.find(&bench.cx, &fields(want), &intent(2)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{name}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_is_deleted() {
    for (name, want, _, id, _) in lost() {
        let bench = scripted(|_, _| Answer::JsonError(404, "ResourceNotFoundException"));
        let want = fields(want);
        let driver = bench.driver(name);
        assert!(driver.find(&bench.cx, &want, &intent(1)).await.unwrap().is_none(), "{name}");
        driver.delete(&bench.cx, id, &want).await.unwrap();
        let read = bench.read(name, &[(id, &want), ("nonsense", &want)]).await;
        assert!(matches!(read.as_slice(), [Read::Gone, Read::Failed(_)]), "{name}: {read:?}");
    }
}

#[tokio::test]
async fn a_failed_call_is_not_a_missing_object() {
    for (name, want, _, id, _) in lost() {
        let bench = scripted(|_, _| Answer::JsonError(403, "AccessDeniedException"));
        let read = bench.read(name, &[(id, &fields(want))]).await.remove(0);
        assert!(matches!(&read, Read::Failed(e) if e.kind == ErrorKind::Denied), "{name}: {read:?}");
    }
}

/// EKS tells of one object at a time. More than that, it is never asked.
#[tokio::test]
async fn a_hundred_objects_take_a_hundred_calls() {
    let all = lost().into_iter().map(|(name, want, _, id, answer)| (name, want, id, answer));
    let cluster = ("aws:eks:Cluster", cluster(json!({})), "demo", told(shown("ACTIVE", json!({}))));
    for (name, want, id, answer) in all.chain([cluster]) {
        let bench = scripted(move |_, _| answer.clone());
        let want = fields(want);
        let read = bench.read(name, &[(id, &want); 100]).await;
        assert!(read.iter().all(|r| matches!(r, Read::Present(_))), "{name}: {read:?}");
        assert!(bench.operations().len() <= 100, "{name}: {}", bench.operations().len());
    }
    let oidc = json!({"oidc": {
        "clusterName": "demo",
        "identityProviderConfigName": "login",
        "issuerUrl": "https://login.example.org",
        "clientId": "kubernetes",
        "status": "ACTIVE",
    }});
    let bench = scripted(move |_, _| Answer::Json(json!({"identityProviderConfig": oidc})));
    let none = ValueMap::new();
    let read = bench.read("aws:eks:IdentityProviderConfig", &[("demo/login", &none); 100]).await;
    assert!(read.iter().all(|r| matches!(r, Read::Present(_))), "{read:?}");
    assert!(bench.operations().len() <= 100);
}

#[tokio::test]
async fn a_hundred_access_policies_take_a_call_for_each_principal() {
    let policy = |n: usize| format!("arn:aws:eks::aws:cluster-access-policy/Policy{n}");
    let bench = scripted(move |_, _| {
        let scope = json!({"type": "cluster"});
        let policies: Vec<Value> = (0..20).map(|n| json!({"policyArn": policy(n), "accessScope": scope})).collect();
        Answer::Json(json!({"associatedAccessPolicies": policies}))
    });
    let ids: Vec<String> =
        (0..100).map(|n| format!("demo/arn:aws:iam::123456789012:role/r{}/{}", n / 20, policy(n % 20))).collect();
    let none = ValueMap::new();
    let targets: Vec<(&str, &ValueMap)> = ids.iter().map(|id| (id.as_str(), &none)).collect();
    let read = bench.read("aws:eks:AccessPolicyAssociation", &targets).await;
    assert!(read.iter().all(|r| matches!(r, Read::Present(_))), "{read:?}");
    assert!(bench.operations().len() <= 5, "{}", bench.operations().len());
}
