//! EC2 Auto Scaling on moto.

use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn groups_live() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let subnets = moto.aws(&["ec2", "describe-subnets"]);
    let subnets: Vec<&str> =
        subnets["Subnets"].as_array().unwrap().iter().map(|s| s["SubnetId"].as_str().unwrap()).collect();
    let template = |name: &str| {
        let data = r#"{"ImageId":"ami-12c6146b","InstanceType":"t3.micro"}"#;
        let made = moto.aws(&[
            "ec2",
            "create-launch-template",
            "--launch-template-name",
            name,
            "--launch-template-data",
            data,
        ]);
        made["LaunchTemplate"]["LaunchTemplateId"].as_str().unwrap().to_owned()
    };
    let templates = [template("a"), template("b")];
    // moto keeps neither warm-up times nor lifetimes, and of hooks tells something else.
    let first = json!({
        "auto_scaling_group_name": "web", "min_size": 0, "max_size": 2, "desired_capacity": 1,
        "launch_template": {"launch_template_id": templates[0], "version": "$Latest"}, "vpc_zone_identifier": subnets[..2],
        "health_check_type": "EC2", "health_check_grace_period": 60, "default_cooldown": 120,
        "termination_policies": ["OldestInstance", "Default"], "new_instances_protected_from_scale_in": false,
        "capacity_rebalance": true, "suspended_processes": ["AZRebalance"],
        "tags": {"own": "1", "both": "1", "gone": "1"}, "propagated_tags": {"Name": "web", "team": "a"}
    });
    let second = json!({
        "auto_scaling_group_name": "web", "min_size": 1, "max_size": 3, "desired_capacity": 2,
        "launch_template": {"launch_template_id": templates[1], "version": "1"}, "vpc_zone_identifier": subnets[1..3],
        "health_check_type": "ELB", "health_check_grace_period": 30, "default_cooldown": 120, "capacity_rebalance": true,
        "suspended_processes": ["AlarmNotification"],
        "tags": {"own": "2"}, "propagated_tags": {"Name": "web", "both": "2"}
    });
    let outputs = bench.life("aws:autoscaling:Group", first, &[second]).await;
    assert!(
        outputs["arn"].as_str().unwrap().starts_with("arn:aws:autoscaling:us-west-2:123456789012:autoScalingGroup")
    );

    let mixed = |spot: i32| {
        json!({
            "auto_scaling_group_name": "mixed", "min_size": 0, "max_size": 1, "vpc_zone_identifier": subnets[..1],
            "mixed_instances_policy": {
                "launch_template": {
                    "launch_template_specification": {"launch_template_id": templates[0], "version": "$Default"},
                    "overrides": [
                        {"instance_type": "t3.small", "weighted_capacity": "1"}, {"instance_type": "t3.large", "weighted_capacity": "2"}
                    ]
                },
                "instances_distribution": {
                    "on_demand_base_capacity": 1, "on_demand_percentage_above_base_capacity": spot,
                    "spot_allocation_strategy": "price-capacity-optimized"
                }
            }
        })
    };
    bench.life("aws:autoscaling:Group", mixed(0), &[mixed(50)]).await;
}
