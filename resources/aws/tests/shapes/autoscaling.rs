//! EC2 Auto Scaling.

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use crate::kit::{self, Answer};

const GROUP: &str = "aws:autoscaling:Group";

fn group(name: &str, inside: &str) -> String {
    format!(
        "<member><AutoScalingGroupName>{name}</AutoScalingGroupName><AutoScalingGroupARN>arn:{name}</AutoScalingGroupARN>\
         <MinSize>0</MinSize><MaxSize>1</MaxSize>{inside}</member>"
    )
}

fn groups(all: &str) -> Answer {
    Answer::Query(format!("<AutoScalingGroups>{all}</AutoScalingGroups>"))
}

fn mark(n: u32) -> String {
    let intent = kit::intent(n);
    format!(
        "<Tags><member><Key>phx:intent</Key><Value>{}</Value><PropagateAtLaunch>false</PropagateAtLaunch></member></Tags>",
        intent.as_str()
    )
}

fn want() -> Value {
    json!({"auto_scaling_group_name": "g", "min_size": 0, "max_size": 1})
}

#[tokio::test]
async fn a_hundred_groups_take_one_call() {
    let bench = kit::scripted(|request, _| {
        assert_eq!(request.body["MaxRecords"], "100");
        let names =
            request.body.as_object().unwrap().iter().filter(|(key, _)| key.starts_with("AutoScalingGroupNames"));
        let one = |name: &str| match name {
            "g50" => String::new(),
            "g51" => group(name, "<Status>Delete in progress</Status>"),
            _ => group(name, ""),
        };
        groups(&names.map(|(_, name)| one(name.as_str().unwrap())).collect::<String>())
    });
    let inputs = kit::fields(json!({"min_size": 0, "max_size": 1, "tags": {"a": "1"}}));
    let ids: Vec<String> = (0..100).map(|n| format!("g{n}")).collect();
    let targets: Vec<_> = ids.iter().map(|id| (id.as_str(), &inputs)).collect();
    let reads = bench.read(GROUP, &targets).await;
    assert!(matches!((&reads[50], &reads[51]), (Read::Gone, Read::Gone)));
    assert_eq!(reads.iter().filter(|r| matches!(r, Read::Present(_))).count(), 98);
    assert_eq!(bench.operations(), ["DescribeAutoScalingGroups"]);
}

#[tokio::test]
async fn a_group_whose_answer_was_lost_is_found_by_its_mark() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "CreateAutoScalingGroup" if n == 0 => Answer::Lost,
        "CreateAutoScalingGroup" => Answer::XmlError(400, "AlreadyExists"),
        _ => groups(&group("g", &mark(1))),
    });
    assert_eq!(bench.create(GROUP, &want(), 1).await.unwrap_err().kind, ErrorKind::Ambiguous);
    let found = bench.driver(GROUP).find(&bench.cx, &kit::fields(want()), &kit::intent(1)).await.unwrap();
    assert_eq!(found.map(|f| f.id).as_deref(), Some("g"));
    // Made again, it is the same one; for another intent it is another's.
    assert_eq!(bench.create(GROUP, &want(), 1).await.unwrap().outputs["arn"].as_str(), Some("arn:g"));
    assert_eq!(bench.create(GROUP, &want(), 2).await.unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_group_is_deleted_with_force_and_waited_for() {
    let bench = kit::scripted(|request, n| match request.operation.as_str() {
        "DeleteAutoScalingGroup" if n == 0 => Answer::XmlError(400, "ScalingActivityInProgress"),
        "DeleteAutoScalingGroup" => {
            assert_eq!(request.body["ForceDelete"], "true");
            Answer::Query(String::new())
        }
        _ if n < 4 => groups(&group("g", "<Status>Delete in progress</Status>")),
        _ => groups(""),
    });
    bench.driver(GROUP).delete(&bench.cx, "g", &kit::fields(want())).await.unwrap();
    assert_eq!(bench.operations().len(), 5);
}

#[tokio::test]
async fn what_is_taken_away_is_sent_as_none() {
    let inside = "<DefaultInstanceWarmup>60</DefaultInstanceWarmup><MaxInstanceLifetime>86400</MaxInstanceLifetime>\
         <PlacementGroup>p</PlacementGroup><CapacityRebalance>true</CapacityRebalance>\
         <NewInstancesProtectedFromScaleIn>true</NewInstancesProtectedFromScaleIn><Context>c</Context>\
         <InstanceMaintenancePolicy><MinHealthyPercentage>90</MinHealthyPercentage><MaxHealthyPercentage>120</MaxHealthyPercentage>\
         </InstanceMaintenancePolicy><EnabledMetrics><member><Metric>GroupMinSize</Metric></member></EnabledMetrics>\
         <DefaultCooldown>300</DefaultCooldown>";
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeAutoScalingGroups" => groups(&group("g", inside)),
        _ => Answer::Query(String::new()),
    });
    let have = json!({
        "auto_scaling_group_name": "g", "min_size": 0, "max_size": 1, "default_instance_warmup": 60, "max_instance_lifetime": 86400,
        "placement_group": "p", "capacity_rebalance": true, "new_instances_protected_from_scale_in": true, "context": "c",
        "instance_maintenance_policy": {"min_healthy_percentage": 90, "max_healthy_percentage": 120},
        "enabled_metrics": ["GroupMinSize"]
    });
    bench.settled(GROUP, "g", &have).await;
    bench.update(GROUP, "g", &have, &want()).await;
    let sent = |operation: &str| bench.requests().into_iter().find(|r| r.operation == operation).unwrap().body;
    let update = sent("UpdateAutoScalingGroup");
    for (name, value) in [
        ("DefaultInstanceWarmup", "-1"),
        ("MaxInstanceLifetime", "0"),
        ("PlacementGroup", ""),
        ("CapacityRebalance", "false"),
        ("NewInstancesProtectedFromScaleIn", "false"),
        ("InstanceMaintenancePolicy.MinHealthyPercentage", "-1"),
    ] {
        assert_eq!(update[name], value, "{name}");
    }
    // What does not change is not sent: others scale the group.
    for name in ["DesiredCapacity", "MinSize", "DefaultCooldown"] {
        assert_eq!(update[name], Value::Null, "{name}");
    }
    assert_eq!(sent("DisableMetricsCollection")["Metrics.member.1"], "GroupMinSize");
}

#[tokio::test]
async fn what_emulators_do_not_tell_of_groups() {
    let inside = "<AvailabilityZoneDistribution><CapacityDistributionStrategy>balanced-only</CapacityDistributionStrategy>\
         </AvailabilityZoneDistribution><AvailabilityZoneImpairmentPolicy><ZonalShiftEnabled>true</ZonalShiftEnabled>\
         <ImpairedZoneHealthCheckBehavior>IgnoreUnhealthy</ImpairedZoneHealthCheckBehavior></AvailabilityZoneImpairmentPolicy>\
         <CapacityReservationSpecification><CapacityReservationPreference>capacity-reservations-first</CapacityReservationPreference>\
         <CapacityReservationTarget><CapacityReservationIds><member>cr-1</member></CapacityReservationIds></CapacityReservationTarget>\
         </CapacityReservationSpecification><InstanceLifecyclePolicy><RetentionTriggers><TerminateHookAbandon>retain</TerminateHookAbandon>\
         </RetentionTriggers></InstanceLifecyclePolicy><DeletionProtection>prevent-all-deletion</DeletionProtection>\
         <TrafficSources><member><Identifier>tg-1</Identifier><Type>elbv2</Type></member><member><Identifier>tg-2</Identifier>\
         <Type>elbv2</Type></member></TrafficSources><DesiredCapacityType>units</DesiredCapacityType>\
         <ServiceLinkedRoleARN>arn:role</ServiceLinkedRoleARN><MixedInstancesPolicy><LaunchTemplate><LaunchTemplateSpecification>\
         <LaunchTemplateId>lt-1</LaunchTemplateId><LaunchTemplateName>n</LaunchTemplateName><Version>1</Version></LaunchTemplateSpecification>\
         <Overrides><member><InstanceRequirements><VCpuCount><Min>2</Min><Max>4</Max></VCpuCount><MemoryMiB><Min>1024</Min></MemoryMiB>\
         <CpuManufacturers><member>intel</member><member>amd</member></CpuManufacturers><BareMetal>excluded</BareMetal>\
         <MemoryGiBPerVCpu><Min>2.5</Min></MemoryGiBPerVCpu></InstanceRequirements></member></Overrides></LaunchTemplate>\
         <InstancesDistribution><OnDemandBaseCapacity>1</OnDemandBaseCapacity><SpotMaxPrice/></InstancesDistribution></MixedInstancesPolicy>";
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeAutoScalingGroups" => groups(&group("g", inside)),
        _ => Answer::Query(String::new()),
    });
    let have = json!({
        "auto_scaling_group_name": "g", "min_size": 0, "max_size": 1, "desired_capacity_type": "units",
        "availability_zone_distribution": {"capacity_distribution_strategy": "balanced-only"},
        "availability_zone_impairment_policy": {
            "zonal_shift_enabled": true, "impaired_zone_health_check_behavior": "IgnoreUnhealthy"
        },
        "capacity_reservation_specification": {
            "capacity_reservation_preference": "capacity-reservations-first",
            "capacity_reservation_target": {"capacity_reservation_ids": ["cr-1"]}
        },
        "instance_lifecycle_policy": "retain", "deletion_protection": "prevent-all-deletion", "service_linked_role_arn": "arn:role",
        "traffic_sources": [{"identifier": "tg-2"}, {"identifier": "tg-1", "type": "elbv2"}],
        "mixed_instances_policy": {
            "launch_template": {
                "launch_template_specification": {"launch_template_id": "lt-1", "version": "1"},
                "overrides": [{"instance_requirements": {
                    "v_cpu_count": {"min": 2, "max": 4}, "memory_mib": {"min": 1024}, "cpu_manufacturers": ["amd", "intel"],
                    "bare_metal": "excluded", "memory_gib_per_v_cpu": {"min": 2.5}
                }}]
            },
            "instances_distribution": {"on_demand_base_capacity": 1}
        }
    });
    bench.settled(GROUP, "g", &have).await;
    let mut other = have.clone();
    other["traffic_sources"] = json!([{"identifier": "tg-1"}, {"identifier": "tg-3", "type": "elbv2"}]);
    other["deletion_protection"] = json!("none");
    other["instance_lifecycle_policy"] = json!("terminate");
    bench.update(GROUP, "g", &have, &other).await;
    let sent = |operation: &str| bench.requests().into_iter().find(|r| r.operation == operation).unwrap().body;
    assert_eq!(sent("DetachTrafficSources")["TrafficSources.member.1.Identifier"], "tg-2");
    assert_eq!(sent("AttachTrafficSources")["TrafficSources.member.1.Identifier"], "tg-3");
    assert_eq!(sent("UpdateAutoScalingGroup")["DeletionProtection"], "none");
}

#[tokio::test]
async fn overrides_that_are_taken_away_are_sent_as_none() {
    let inside = "<MixedInstancesPolicy><LaunchTemplate><LaunchTemplateSpecification><LaunchTemplateId>lt-1</LaunchTemplateId>\
         <LaunchTemplateName>n</LaunchTemplateName><Version>1</Version></LaunchTemplateSpecification><Overrides><member>\
         <InstanceType>t3.micro</InstanceType></member></Overrides></LaunchTemplate></MixedInstancesPolicy>";
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeAutoScalingGroups" => groups(&group("g", inside)),
        _ => Answer::Query(String::new()),
    });
    let with = |template: Value| json!({"auto_scaling_group_name": "g", "min_size": 0, "max_size": 1, "mixed_instances_policy": {"launch_template": template}});
    let specification = json!({"launch_template_id": "lt-1", "version": "1"});
    let have = json!({"launch_template_specification": specification, "overrides": [{"instance_type": "t3.micro"}]});
    let other = json!({"launch_template_specification": specification});
    bench.update(GROUP, "g", &with(have), &with(other)).await;
    let update = bench.requests().into_iter().find(|r| r.operation == "UpdateAutoScalingGroup").unwrap().body;
    assert_eq!(update["MixedInstancesPolicy.LaunchTemplate.Overrides"], "");
}

#[test]
fn a_group_made_like_an_instance_stays_when_it_gets_a_template() {
    use phx_model::Resource;
    let schema = phx_aws::autoscaling::Group::schema();
    assert!(schema.field("instance_id").is_some_and(|field| field.cloud_default));
}

#[tokio::test]
async fn hooks_are_put_and_those_that_are_not_wanted_are_deleted() {
    let hook = |name: &str, seconds: u32| {
        format!(
            "<member><LifecycleHookName>{name}</LifecycleHookName><LifecycleTransition>autoscaling:EC2_INSTANCE_LAUNCHING</LifecycleTransition>\
             <HeartbeatTimeout>{seconds}</HeartbeatTimeout><DefaultResult>CONTINUE</DefaultResult>\
             <NotificationTargetARN>arn:queue</NotificationTargetARN></member>"
        )
    };
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DescribeAutoScalingGroups" => groups(&group("g", "")),
        "DescribeLifecycleHooks" => {
            Answer::Query(format!("<LifecycleHooks>{}{}</LifecycleHooks>", hook("a", 60), hook("b", 60)))
        }
        _ => Answer::Query(String::new()),
    });
    let with = |all: &[(&str, i32)]| {
        let one = |(name, seconds): &(&str, i32)| {
            json!({
                "lifecycle_hook_name": name, "lifecycle_transition": "autoscaling:EC2_INSTANCE_LAUNCHING", "heartbeat_timeout": seconds,
                "notification_target_arn": "arn:queue"
            })
        };
        let mut want = want();
        want["lifecycle_hook_specification_list"] = all.iter().map(one).collect();
        want
    };
    bench.settled(GROUP, "g", &with(&[("b", 60), ("a", 60)])).await;
    bench.update(GROUP, "g", &with(&[("b", 60), ("a", 60)]), &with(&[("b", 90)])).await;
    let sent = |operation: &str| bench.requests().into_iter().find(|r| r.operation == operation).unwrap().body;
    assert_eq!(sent("DeleteLifecycleHook")["LifecycleHookName"], "a");
    assert_eq!(sent("PutLifecycleHook")["HeartbeatTimeout"], "90");
    assert_eq!(sent("PutLifecycleHook")["NotificationTargetARN"], "arn:queue");
    // What the program does not set stays, and what it sets no longer goes.
    let (have, mut bare) = (with(&[("b", 60), ("a", 60)]), with(&[("b", 60), ("a", 60)]));
    for hook in bare["lifecycle_hook_specification_list"].as_array_mut().unwrap() {
        hook.as_object_mut().unwrap().remove("notification_target_arn");
    }
    bench.update(GROUP, "g", &have, &bare).await;
    let last = bench.requests().into_iter().rfind(|r| r.operation == "PutLifecycleHook").unwrap().body;
    assert_eq!((&last["DefaultResult"], &last["NotificationTargetARN"]), (&json!("CONTINUE"), &json!("")));
}

#[tokio::test]
async fn target_groups_are_attached_ten_at_a_time() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "DescribeAutoScalingGroups" => {
            groups(&group("g", "<TargetGroupARNs><member>arn:tg-0</member></TargetGroupARNs>"))
        }
        _ => Answer::Query(String::new()),
    });
    let with = |count: usize| {
        let mut want = want();
        want["target_group_arns"] = (0..count).map(|n| format!("arn:tg-{n}")).collect();
        want
    };
    bench.update(GROUP, "g", &with(1), &with(13)).await;
    let sent = bench.requests().into_iter().filter(|r| r.operation == "AttachLoadBalancerTargetGroups");
    let counts = sent
        .map(|r| r.body.as_object().unwrap().keys().filter(|key| key.starts_with("TargetGroupARNs.member.")).count());
    assert_eq!(counts.collect::<Vec<_>>(), [10, 2]);
}

#[tokio::test]
async fn a_wrong_request_is_not_repeated() {
    // The code alone does not say that it is passing.
    let bench = kit::scripted(|_, _| Answer::XmlError(400, "ValidationError"));
    assert_eq!(bench.create(GROUP, &want(), 1).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(bench.operations().len(), 1);
    let same = json!({
        "auto_scaling_group_name": "g", "min_size": 0, "max_size": 1, "tags": {"a": "1"}, "propagated_tags": {"a": "2"}
    });
    assert!(bench.create(GROUP, &same, 1).await.unwrap_err().message.contains("both tags and propagated_tags"));
    assert_eq!(bench.operations().len(), 1);
}
