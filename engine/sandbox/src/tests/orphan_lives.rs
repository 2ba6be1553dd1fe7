//! Marked objects of EKS, RDS, KMS and Secrets Manager as orphans are looked for: the tagging API tells them until they are gone.

use phx_aws::orphans;
use phx_model::driver::Registry;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn marked_objects_are_told_until_they_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let vpc = bench.create("aws:ec2:Vpc", &json!({"cidr_block": "10.0.0.0/16"}), 90).await.unwrap().id;
    let mut subnets = Vec::new();
    for (at, zone) in ["a", "b"].iter().enumerate() {
        let zone = format!("{REGION}{zone}");
        let want = json!({"vpc_id": vpc, "cidr_block": format!("10.0.{at}.0/24"), "availability_zone": zone});
        subnets.push(bench.create("aws:ec2:Subnet", &want, 91).await.unwrap().id);
    }
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT_ID}:role/{name}");
    let access = json!({"authentication_mode": "API"});
    let wanted = [
        ("aws:kms:Key", json!({"pending_window_in_days": 7})),
        (
            "aws:secretsmanager:Secret",
            json!({"name": "app/db", "secret_string": "s", "force_delete_without_recovery": true}),
        ),
        (
            "aws:rds:DbSubnetGroup",
            json!({"db_subnet_group_name": "main", "db_subnet_group_description": "d", "subnet_ids": subnets}),
        ),
        (
            "aws:rds:DbParameterGroup",
            json!({"db_parameter_group_name": "main", "db_parameter_group_family": "postgres16", "description": "d"}),
        ),
        (
            "aws:rds:DbInstance",
            json!({"db_instance_identifier": "main", "db_instance_class": "db.t4g.micro", "engine": "postgres", "engine_version": "16.4",
                "allocated_storage": 20, "master_username": "master", "manage_master_user_password": true,
                "db_subnet_group_name": "main", "db_parameter_group_name": "main", "skip_final_snapshot": true}),
        ),
        (
            "aws:eks:Cluster",
            json!({"name": "demo", "role_arn": role("eks"), "resources_vpc_config": {"subnet_ids": subnets}, "access_config": access}),
        ),
        ("aws:eks:AccessEntry", json!({"cluster_name": "demo", "principal_arn": role("ops")})),
        ("aws:eks:Addon", json!({"cluster_name": "demo", "addon_name": "coredns"})),
        (
            "aws:eks:NodeGroup",
            json!({"cluster_name": "demo", "nodegroup_name": "n", "node_role": role("node"), "subnets": subnets}),
        ),
        (
            "aws:eks:PodIdentityAssociation",
            json!({"cluster_name": "demo", "namespace": "web", "service_account": "web", "role_arn": role("web")}),
        ),
    ];
    let mut made: Vec<(&str, String, Value)> = Vec::new();
    let mut arns = BTreeSet::new();
    for (type_name, want) in wanted {
        let object = bench.create(type_name, &want, 1).await.unwrap_or_else(|e| panic!("{type_name}: {e}"));
        arns.insert(object.outputs["arn"].as_str().unwrap().to_owned());
        made.push((type_name, object.id, want));
    }
    let lineage = kit::intent(1).as_str().split('.').next().unwrap().to_owned();
    let places = BTreeSet::from([bench.cx.provider.clone()]);
    let marked = orphans::marked(&bench.aws, &places, &lineage).await.unwrap();
    // The network bears marks of the same stack.
    let told: BTreeSet<String> =
        marked.iter().map(|one| one.arn.clone()).filter(|arn| !arn.contains(":ec2:")).collect();
    assert_eq!(told, arns);
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, &bench.aws);
    assert_eq!(orphans::still_there(&registry, marked.clone()).await, marked);
    for (type_name, id, want) in made.iter().rev() {
        bench.deleted(type_name, id, want).await;
    }
    let marked = orphans::marked(&bench.aws, &places, &lineage).await.unwrap();
    assert!(marked.iter().all(|one| one.arn.contains(":ec2:")), "{marked:?}");
}
