//! Whole lives of launch templates, instances and volumes.

use serde_json::{Value, json};

use super::ec2_lives::{AL2023, ED25519, group, id, open, public_parameter, subnet, vpc, with};
use super::*;

#[tokio::test]
async fn launch_templates() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let template = |data: Value, more: Value| {
        let mut want = json!({"launch_template_name": "web", "launch_template_data": data});
        want.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        want
    };
    let small = || json!({"instance_type": "t3.micro"});
    let full = json!({
        "image_id": "resolve:ssm:/image", "key_name": "deploy", "user_data": "#!/bin/sh\necho ü\n", "iam_instance_profile": {"name": "web"},
        "network_interfaces": [{
            "device_index": 0, "subnet_id": "subnet-1", "groups": ["sg-1", "sg-2"], "description": "first",
            "associate_public_ip_address": false, "delete_on_termination": true,
            "private_ip_addresses": [{"private_ip_address": "10.0.0.4", "primary": true}], "ipv6_addresses": ["2001:db8::1"],
            "ipv4_prefixes": ["10.0.0.16/28"], "ipv6_prefixes": ["2001:db8::/80"],
            "ena_srd_specification": {"ena_srd_enabled": true, "ena_srd_udp_specification": {"ena_srd_udp_enabled": true}},
            "connection_tracking_specification": {"tcp_established_timeout": 60},
        }],
        "block_device_mappings": [{
            "device_name": "/dev/xvda",
            "ebs": {"volume_size": 20, "volume_type": "gp3", "iops": 3000, "throughput": 125, "encrypted": true,
                    "kms_key_id": "arn:aws:kms:us-west-2:000000000000:key/1", "delete_on_termination": true},
        }],
        "ebs_optimized": true,
        "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 2,
                             "instance_metadata_tags": "enabled"},
        "monitoring": {"enabled": true}, "placement": {"availability_zone": "us-west-2a", "tenancy": "default"},
        "instance_market_options": {"market_type": "spot", "spot_options": {"spot_instance_type": "one-time", "max_price": "0.05"}},
        "credit_specification": {"cpu_credits": "unlimited"}, "cpu_options": {"core_count": 2, "threads_per_core": 1},
        "capacity_reservation_specification": {"capacity_reservation_target": {"capacity_reservation_id": "cr-1"}},
        "license_specifications": [{"license_configuration_arn": "arn:aws:license-manager:us-west-2:1:license-configuration:l"}],
        "hibernation_options": {"configured": true}, "enclave_options": {"enabled": false},
        "private_dns_name_options": {"hostname_type": "resource-name", "enable_resource_name_dns_a_record": true},
        "maintenance_options": {"auto_recovery": "disabled"}, "disable_api_termination": true, "disable_api_stop": false,
        "instance_initiated_shutdown_behavior": "terminate",
        "tag_specifications": [
            {"resource_type": "instance", "tags": {"Name": "web", "team": "a"}},
            {"resource_type": "volume", "tags": {"Name": "web"}},
        ],
        "instance_requirements": {
            "v_cpu_count": {"min": 2, "max": 8}, "memory_mib": {"min": 4096}, "memory_gib_per_v_cpu": {"min": 1.5},
            "cpu_manufacturers": ["intel", "amd"], "excluded_instance_types": ["t2.*"], "bare_metal": "excluded",
            "baseline_performance_factors": {"cpu": {"references": [{"instance_family": "c6"}]}},
        },
        "security_group_ids": ["sg-1"],
    });
    let first = template(full.clone(), json!({"version_description": "first", "tags": {"Name": "web"}}));
    let second = template(small(), json!({"version_description": "second", "tags": {"Name": "web2"}}));
    let third = template(json!({"user_data": "H4sIAAAAAAAA/w=="}), json!({"tags": {"Name": "web"}}));
    let outputs = bench.life("aws:ec2:LaunchTemplate", first.clone(), &[second, third, first.clone()]).await;
    assert_eq!(outputs["latest_version_number"], phx_model::Value::Int(1));

    let (name, one) = ("aws:ec2:LaunchTemplate", template(small(), json!({})));
    let made = bench.create(name, &one, 2).await.unwrap();
    let two = template(json!({"instance_type": "t3.small"}), json!({}));
    bench.update(name, &made.id, &one, &two).await;
    let observed = bench.settled(name, &made.id, &two).await;
    assert_eq!(observed.outputs["default_version_number"], phx_model::Value::Int(2));
    let taken = bench.create(name, &one, 3).await.unwrap_err();
    assert_eq!(taken.kind, phx_model::error::ErrorKind::AlreadyExists);

    // The token of a template, versions from versions, and what is deleted.
    let create = || ec2.create_launch_template().launch_template_name("other").client_token("t");
    let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().image_id("ami-0123456789abcdef0");
    let first = create().launch_template_data(data.clone().build()).send().await.unwrap().launch_template.unwrap();
    let again = create().launch_template_data(data.build()).send().await.unwrap().launch_template.unwrap();
    assert_eq!(first.launch_template_id(), again.launch_template_id());
    let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().key_name("k").build();
    let version = ec2.create_launch_template_version().launch_template_name("other").source_version("1");
    let version = version.launch_template_data(data).send().await.unwrap().launch_template_version.unwrap();
    let data = version.launch_template_data().unwrap();
    assert_eq!((data.image_id(), data.key_name()), (Some("ami-0123456789abcdef0"), Some("k")));
    let delete = ec2.delete_launch_template_versions().launch_template_name("other").versions("1").versions("2");
    let deleted = delete.send().await.unwrap();
    assert_eq!(deleted.unsuccessfully_deleted_launch_template_versions().len(), 1, "the default one stays");
    let latest = ec2.describe_launch_template_versions().versions("$Default").max_results(1).send().await.unwrap();
    assert_eq!((latest.launch_template_versions().len(), latest.next_token().is_some()), (1, true));
    let missing = ec2.describe_launch_template_versions().launch_template_name("other").versions("9");
    refused!(missing, "InvalidLaunchTemplateId.VersionNotFound");
    let unknown = ec2.describe_launch_templates().launch_template_names("none");
    refused!(unknown, "InvalidLaunchTemplateName.NotFoundException");
}

#[tokio::test]
async fn instances() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let c = Clients::new(&sandbox);
    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let subnet = subnet(&bench, &vpc, 1).await;
    let (one, two) = (group(&bench, &vpc, 1).await, group(&bench, &vpc, 2).await);
    let key = json!({"key_name": "deploy", "public_key_material": format!("{ED25519} me@host"), "tags": {"a": "b"}});
    id(&bench, "aws:ec2:KeyPair", key, 140).await;
    for profile in ["web", "other"] {
        c.iam.create_instance_profile().instance_profile_name(profile).path("/team/").send().await.unwrap();
    }
    let image = public_parameter(AL2023);
    let want = json!({
        "image_id": image, "instance_type": "t3.micro", "subnet_id": subnet, "key_name": "deploy", "security_group_ids": [one],
        "private_ip_address": "10.0.1.10", "user_data": "#!/bin/sh\necho hello\n", "ebs_optimized": true, "source_dest_check": false,
        "monitoring": {"enabled": true}, "iam_instance_profile": {"name": "web"}, "credit_specification": {"cpu_credits": "standard"},
        "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2, "http_endpoint": "enabled"},
        "instance_initiated_shutdown_behavior": "terminate", "disable_api_stop": true, "disable_api_termination": false,
        "maintenance_options": {"auto_recovery": "disabled", "reboot_migration": "disabled"},
        "private_dns_name_options": {"hostname_type": "ip-name", "enable_resource_name_dns_a_record": true},
        "cpu_options": {"core_count": 1, "threads_per_core": 1}, "enclave_options": {"enabled": false},
        "capacity_reservation_specification": {"capacity_reservation_preference": "none"},
        "block_device_mappings": [
            {"device_name": "/dev/xvda", "ebs": {"volume_size": 12, "volume_type": "gp3", "delete_on_termination": true}},
            {"device_name": "/dev/sdf", "ebs": {"volume_size": 20, "volume_type": "gp3", "encrypted": true, "delete_on_termination": false}},
        ],
        "volume_tags": {"of": "web"}, "tags": {"Name": "web"},
    });
    let grown = json!([
        {"device_name": "/dev/xvda", "ebs": {"volume_size": 16, "volume_type": "gp3", "iops": 4000, "delete_on_termination": true}},
        {"device_name": "/dev/sdf", "ebs": {"volume_size": 20, "volume_type": "gp3", "encrypted": true, "delete_on_termination": true}},
    ]);
    let changed = json!({
        "image_id": image, "instance_type": "t3.small", "subnet_id": subnet, "security_group_ids": [one, two],
        "user_data": "#!/bin/sh\necho other\n", "ebs_optimized": false, "source_dest_check": true,
        "monitoring": {"enabled": false}, "iam_instance_profile": {"name": "other"}, "credit_specification": {"cpu_credits": "unlimited"},
        "metadata_options": {"http_tokens": "optional", "http_put_response_hop_limit": 3, "instance_metadata_tags": "enabled"},
        "maintenance_options": {"auto_recovery": "default"}, "disable_api_stop": false, "disable_api_termination": true,
        "private_dns_name_options": {"hostname_type": "resource-name"}, "cpu_options": {"core_count": 1, "threads_per_core": 2},
        "capacity_reservation_specification": {"capacity_reservation_preference": "open"}, "enclave_options": {"enabled": true},
        "network_performance_options": {"bandwidth_weighting": "vpc-1"}, "placement": {"tenancy": "default", "group_name": "g"},
        "block_device_mappings": grown, "volume_tags": {"of": "web", "more": "tags"}, "tags": {"Name": "web2", "Owner": "me"},
    });
    let last = with(&with(&changed, "disable_api_termination", json!(false)), "disable_api_stop", json!(true));
    // No script and no profile any more.
    let mut bare = with(&last, "disable_api_stop", json!(false));
    bare.as_object_mut().unwrap().retain(|name, _| name != "user_data" && name != "iam_instance_profile");
    let outputs = bench.life("aws:ec2:Instance", want.clone(), &[changed, last, bare]).await;
    for name in ["arn", "private_dns_name", "primary_network_interface_id", "root_volume_id", "vpc_id"] {
        assert!(outputs.contains_key(name), "{name}: {outputs:?}");
    }
    assert_eq!(outputs["private_ip_address"].as_str(), Some("10.0.1.10"));
    // What was made with it went with it.
    assert!(c.ec2.describe_volumes().send().await.unwrap().volumes().is_empty());
    assert!(c.ec2.describe_network_interfaces().send().await.unwrap().network_interfaces().is_empty());

    // What an instance holds, while it is there.
    let made = bench.create("aws:ec2:Instance", &want, 7).await.unwrap();
    refused!(c.ec2.delete_subnet().subnet_id(&subnet), "DependencyViolation");
    refused!(c.ec2.delete_security_group().group_id(&one), "DependencyViolation");
    refused!(c.ec2.stop_instances().instance_ids(&made.id), "OperationNotPermitted");
    let taken = c.ec2.run_instances().image_id(&image).subnet_id(&subnet).min_count(1).max_count(1);
    refused!(taken.clone().private_ip_address("10.0.1.10"), "InvalidIPAddress.InUse");
    refused!(taken.clone().private_ip_address("10.0.9.10"), "InvalidParameterValue");
    refused!(taken.clone().key_name("none"), "InvalidKeyPair.NotFound");
    refused!(taken.clone().image_id("ami-1"), "InvalidAMIID.Malformed");
    refused!(taken.clone().subnet_id("subnet-none"), "InvalidSubnetID.NotFound");
    let profile = aws_sdk_ec2::types::IamInstanceProfileSpecification::builder().name("none").build();
    refused!(taken.clone().iam_instance_profile(profile), "InvalidParameterValue");
    // A launch that is refused in the middle leaves nothing behind.
    let bad = aws_sdk_ec2::types::EbsBlockDevice::builder().volume_size(1).volume_type("io1".into()).build();
    let bad = aws_sdk_ec2::types::BlockDeviceMapping::builder().device_name("/dev/sdz").ebs(bad).build();
    refused!(taken.clone().block_device_mappings(bad), "InvalidParameterValue");
    assert_eq!(c.ec2.describe_network_interfaces().send().await.unwrap().network_interfaces().len(), 1);
    let kind = aws_sdk_ec2::types::AttributeValue::builder().value("t3.large").build();
    refused!(c.ec2.modify_instance_attribute().instance_id(&made.id).instance_type(kind), "IncorrectInstanceState");
    bench.deleted("aws:ec2:Instance", &made.id, &want).await;
    let volumes = c.ec2.describe_volumes().filters(by("status", "available")).send().await.unwrap();
    assert_eq!(volumes.volumes().len(), 1, "one was to stay");
    let filter = by("instance-state-name", "terminated");
    let over = c.ec2.describe_instances().filters(filter).send().await.unwrap();
    assert!(over.reservations().iter().flat_map(|r| r.instances()).any(|i| i.instance_id() == Some(&made.id)));
    c.ec2.delete_subnet().subnet_id(&subnet).send().await.unwrap();
}

#[tokio::test]
async fn instances_of_templates_with_interfaces_and_public_addresses() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let name = "aws:ec2:Instance";
    let want =
        json!({"cidr_block": "10.0.0.0/16", "enable_dns_hostnames": true, "amazon_provided_ipv6_cidr_block": true});
    let vpc = id(&bench, "aws:ec2:Vpc", want, 100).await;
    let shown = ec2.describe_vpcs().vpc_ids(&vpc).send().await.unwrap();
    let range =
        shown.vpcs()[0].ipv6_cidr_block_association_set()[0].ipv6_cidr_block().unwrap().replace("::/56", "::/64");
    let want = json!({"vpc_id": vpc, "cidr_block": "10.0.1.0/24", "availability_zone": "us-west-2a", "ipv6_cidr_block": range,
                      "map_public_ip_on_launch": true});
    let subnet = id(&bench, "aws:ec2:Subnet", want, 101).await;
    let (one, two) = (group(&bench, &vpc, 1).await, group(&bench, &vpc, 2).await);

    let template = json!({
        "launch_template_name": "bastion",
        "launch_template_data": {
            "image_id": format!("resolve:ssm:{AL2023}"), "instance_type": "t4g.nano", "monitoring": {"enabled": true},
            "block_device_mappings": [{"device_name": "/dev/xvda", "ebs": {"volume_size": 30, "encrypted": true}}],
            "tag_specifications": [{"resource_type": "instance", "tags": {"team": "a", "Name": "template"}},
                                   {"resource_type": "volume", "tags": {"team": "b"}}],
        },
    });
    let template = id(&bench, "aws:ec2:LaunchTemplate", template, 102).await;
    let from = json!({
        "launch_template": {"launch_template_id": template, "version": "$Latest"}, "subnet_id": subnet, "instance_type": "t4g.micro",
        "security_group_ids": [one], "ipv6_address_count": 1, "tags": {"Name": "own", "team": "a"},
    });
    let outputs = bench
        .life(
            name,
            from.clone(),
            &[with(&from, "ipv6_address_count", json!(3)), with(&from, "ipv6_address_count", json!(1))],
        )
        .await;
    let (address, dns) = (outputs["public_ip_address"].as_str().unwrap(), outputs["public_dns_name"].as_str().unwrap());
    assert_eq!(dns, format!("ec2-{}.us-west-2.compute.amazonaws.com", address.replace('.', "-")));
    let made = bench.create(name, &from, 2).await.unwrap();
    let found = ec2.describe_instances().instance_ids(&made.id).send().await.unwrap();
    let instance = &found.reservations()[0].instances()[0];
    assert_eq!(instance.image_id(), Some(&*public_parameter(AL2023)));
    let volume = ec2.describe_volumes().filters(by("attachment.instance-id", &made.id)).send().await.unwrap();
    let volume = &volume.volumes()[0];
    assert_eq!((volume.size(), volume.encrypted(), volume.tags()[0].value()), (Some(30), Some(true), Some("b")));
    assert!(
        instance.monitoring().unwrap().state().unwrap().as_str() == "enabled" && instance.tags().len() == 5,
        "{instance:?}"
    );
    // A stop loses the public address, a start brings one.
    ec2.stop_instances().instance_ids(&made.id).send().await.unwrap();
    let found = ec2.describe_instances().instance_ids(&made.id).send().await.unwrap();
    assert_eq!(found.reservations()[0].instances()[0].public_ip_address(), None);
    ec2.start_instances().instance_ids(&made.id).send().await.unwrap();
    let found = ec2.describe_instances().instance_ids(&made.id).send().await.unwrap();
    assert!(found.reservations()[0].instances()[0].public_ip_address().is_some());
    bench.deleted(name, &made.id, &from).await;

    let interface = |description: &str, groups: &[&str], secondary: &[&str]| {
        let mut addresses = vec![json!({"private_ip_address": "10.0.1.20", "primary": true})];
        addresses.extend(secondary.iter().map(|ip| json!({"private_ip_address": ip, "primary": false})));
        json!([
            {"device_index": 0, "subnet_id": subnet, "groups": groups, "description": description, "delete_on_termination": true,
             "private_ip_addresses": addresses, "associate_public_ip_address": true,
             "connection_tracking_specification": {"tcp_established_timeout": 600}},
            {"device_index": 1, "subnet_id": subnet, "groups": [two], "delete_on_termination": true},
        ])
    };
    let want =
        json!({"image_id": "ami-0123456789abcdef0", "network_interfaces": interface("first", &[&one], &["10.0.1.30"])});
    let changed = with(&want, "network_interfaces", interface("other", &[&two, &one], &["10.0.1.31", "10.0.1.32"]));
    bench.life(name, want, &[changed]).await;

    let spot = json!({
        "image_id": "ami-0123456789abcdef0", "subnet_id": subnet,
        "instance_market_options": {"market_type": "spot", "spot_options": {"max_price": "0.05", "spot_instance_type": "one-time"}},
    });
    bench.life(name, spot, &[]).await;
}

#[tokio::test]
async fn volumes_and_their_attachments() {
    let (_dir, sandbox) = open().await;
    let bench = bench(&sandbox);
    let ec2 = Clients::new(&sandbox).ec2;
    let volume = |size: u32, iops: u32, rate: u32, tag: &str| {
        json!({
            "availability_zone": "us-west-2a", "size": size, "volume_type": "gp3", "iops": iops, "throughput": rate, "encrypted": true,
            "auto_enable_io": size == 10, "tags": {"Name": tag},
        })
    };
    bench.life("aws:ec2:EbsVolume", volume(10, 3000, 125, "data"), &[volume(20, 4000, 250, "more data")]).await;
    let shared = json!({"availability_zone_id": "usw2-az1", "size": 4, "volume_type": "io2", "iops": 100, "multi_attach_enabled": true});
    bench.life("aws:ec2:EbsVolume", shared, &[]).await;
    let old = json!({"availability_zone": "us-west-2a", "size": 100, "volume_type": "gp2"});
    bench.life("aws:ec2:EbsVolume", old.clone(), &[with(&old, "volume_type", json!("gp3"))]).await;

    let vpc = vpc(&bench, "10.0.0.0/16", 100).await;
    let subnet = subnet(&bench, &vpc, 0).await;
    let instance = json!({"image_id": "ami-0123456789abcdef0", "subnet_id": subnet});
    let instance = id(&bench, "aws:ec2:Instance", instance, 10).await;
    let volume = json!({"availability_zone": "us-west-2a", "size": 1});
    let one = id(&bench, "aws:ec2:EbsVolume", volume.clone(), 11).await;
    let two = id(&bench, "aws:ec2:EbsVolume", volume.clone(), 12).await;
    let at = |volume: &str| json!({"device": "/dev/sdf", "instance_id": instance, "volume_id": volume});
    bench.life("aws:ec2:VolumeAttachment", at(&one), &[at(&two), at(&one)]).await;
    let attachment = id(&bench, "aws:ec2:VolumeAttachment", at(&one), 13).await;
    refused!(ec2.delete_volume().volume_id(&one), "VolumeInUse");
    let attach = |volume: &str| ec2.attach_volume().volume_id(volume).instance_id(&instance).device("/dev/sdf");
    refused!(attach(&one), "VolumeInUse");
    refused!(attach(&two), "InvalidParameterValue");
    let far = id(&bench, "aws:ec2:EbsVolume", with(&volume, "availability_zone", json!("us-west-2b")), 14).await;
    refused!(attach(&far).device("/dev/sdg"), "InvalidVolume.ZoneMismatch");
    refused!(ec2.modify_volume().volume_id(&far).size(1).iops(1), "InvalidParameterCombination");
    refused!(ec2.detach_volume().volume_id(&far), "IncorrectState");
    bench.deleted("aws:ec2:VolumeAttachment", &attachment, &at(&one)).await;
    ec2.delete_volume().volume_id(&one).send().await.unwrap();
}
