//! Instances.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use phx_model::driver::{Delta, Read};
use phx_model::value::ValueMap;
use serde_json::json;

use crate::ec2_b::{delta, found_after_loss, parameter, read_hundred, requests, tags, xml};
use crate::kit::{Answer, Bench, Request, fields, intent, scripted};

const NAME: &str = "aws:ec2:Instance";

/// An instance in an answer: its state, and more about it.
fn instance(id: &str, state: &str, more: &str) -> String {
    format!(
        "<instanceId>{id}</instanceId><imageId>ami-1</imageId><instanceState><name>{state}</name></instanceState>\
         <instanceType>t3.micro</instanceType>{more}"
    )
}

fn reservation(instances: &str) -> String {
    format!(
        "<reservationSet><item><reservationId>r-1</reservationId><instancesSet>{instances}</instancesSet></item></reservationSet>"
    )
}

fn shown(request: &Request, one: &str) -> Answer {
    xml(request, &reservation(&format!("<item>{one}</item>")))
}

const DEVICES: &str = "<rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping>\
     <item><deviceName>/dev/sda1</deviceName><ebs><volumeId>vol-1</volumeId><deleteOnTermination>true</deleteOnTermination></ebs></item>\
     <item><deviceName>/dev/sdf</deviceName><ebs><volumeId>vol-2</volumeId><deleteOnTermination>false</deleteOnTermination></ebs></item>\
     <item><deviceName>/dev/sdx</deviceName><ebs><volumeId>vol-3</volumeId></ebs></item></blockDeviceMapping>";

fn volumes(request: &Request) -> Answer {
    let volume = |id: &str, size: u32| {
        format!(
            "<item><volumeId>{id}</volumeId><size>{size}</size><volumeType>gp3</volumeType><iops>3000</iops><encrypted>true</encrypted>\
             <tagSet><item><key>of</key><value>web</value></item></tagSet></item>"
        )
    };
    xml(request, &format!("<volumeSet>{}{}{}</volumeSet>", volume("vol-1", 8), volume("vol-2", 20), volume("vol-3", 1)))
}

#[tokio::test]
async fn a_hundred_instances_take_a_call() {
    let script = |request: &Request, _: usize| match request.operation.as_str() {
        "DescribeInstances" => {
            let spot =
                "<instanceLifecycle>spot</instanceLifecycle><spotInstanceRequestId>sir-1</spotInstanceRequestId>";
            let one = |n: usize| {
                format!("<item>{}</item>", instance(&format!("i-{n}"), "running", &format!("{DEVICES}{spot}")))
            };
            xml(request, &reservation(&(0..120).map(one).collect::<String>()))
        }
        "DescribeVolumes" => volumes(request),
        "DescribeSpotInstanceRequests" => {
            let one = "<item><spotInstanceRequestId>sir-1</spotInstanceRequestId><spotPrice>0.500000</spotPrice><type>persistent</type>\
                       <validUntil>2030-01-01T00:00:00Z</validUntil><instanceInterruptionBehavior>stop</instanceInterruptionBehavior></item>";
            xml(request, &format!("<spotInstanceRequestSet>{one}</spotInstanceRequestSet>"))
        }
        "DescribeInstanceCreditSpecifications" => {
            let one =
                |n: usize| format!("<item><instanceId>i-{n}</instanceId><cpuCredits>unlimited</cpuCredits></item>");
            let all: String = (0..100).map(one).collect();
            xml(request, &format!("<instanceCreditSpecificationSet>{all}</instanceCreditSpecificationSet>"))
        }
        _ => xml(request, "<userData><value>IyEvYmluL3NoCg==</value></userData>"),
    };
    let id = |n: usize| format!("i-{n}");
    let bench = scripted(script);
    assert_eq!(read_hundred(&bench, NAME, id, |_| json!({"instance_type": "t3.micro"})).await, ["DescribeInstances"]);

    // What other calls tell takes one of each for all.
    let want = json!({
        "credit_specification": {"cpu_credits": "unlimited"},
        "block_device_mappings": [
            {"device_name": "/dev/sdf", "ebs": {"volume_size": 20, "encrypted": true, "delete_on_termination": false}},
            {"device_name": "/dev/sdz", "virtual_name": "ephemeral0"},
            {"device_name": "/dev/sda1", "ebs": {"volume_size": 8, "volume_type": "gp3"}},
        ],
        "volume_tags": {"of": "web"},
        "instance_market_options": {
            "market_type": "spot",
            "spot_options": {"max_price": "0.5", "spot_instance_type": "persistent", "valid_until": "2030-01-01T00:00:00Z",
                             "instance_interruption_behavior": "stop"},
        },
    });
    let bench = scripted(script);
    let inputs = want.clone();
    let mut operations = read_hundred(&bench, NAME, id, move |_| inputs.clone()).await;
    operations.sort();
    let each = ["DescribeInstanceCreditSpecifications", "DescribeInstances", "DescribeSpotInstanceRequests"];
    // A hundred instances have three hundred volumes here, of which a call takes two hundred: but they are the same three.
    assert_eq!(operations, [each[0], each[1], each[2], "DescribeVolumes"]);
    bench.settled(NAME, "i-5", &want).await;

    // User data takes a call each: AWS tells it in no other way.
    let bench = scripted(script);
    let operations = read_hundred(&bench, NAME, id, |_| json!({"user_data": "#!/bin/sh\n"})).await;
    assert_eq!(operations.len(), 1 + 100);
    bench.settled(NAME, "i-5", &json!({"user_data": "#!/bin/sh\n"})).await;
}

#[tokio::test]
async fn everything_that_an_answer_tells_is_read() {
    let more = "<keyName>deploy</keyName><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><privateIpAddress>10.0.0.1</privateIpAddress>\
        <placement><availabilityZone>us-west-2a</availabilityZone><availabilityZoneId>usw2-az1</availabilityZoneId><groupName>g</groupName>\
        <partitionNumber>2</partitionNumber><tenancy>host</tenancy><hostId>h-1</hostId><affinity>host</affinity></placement>\
        <cpuOptions><coreCount>2</coreCount><threadsPerCore>1</threadsPerCore><amdSevSnp>enabled</amdSevSnp></cpuOptions>\
        <capacityReservationSpecification><capacityReservationTarget><capacityReservationId>cr-1</capacityReservationId>\
        </capacityReservationTarget></capacityReservationSpecification><hibernationOptions><configured>true</configured></hibernationOptions>\
        <licenseSet><item><licenseConfigurationArn>arn:aws:license-manager:l</licenseConfigurationArn></item></licenseSet>\
        <enclaveOptions><enabled>false</enabled></enclaveOptions><privateDnsNameOptions><hostnameType>resource-name</hostnameType>\
        <enableResourceNameDnsARecord>true</enableResourceNameDnsARecord></privateDnsNameOptions><maintenanceOptions>\
        <autoRecovery>disabled</autoRecovery><rebootMigration>default</rebootMigration></maintenanceOptions>\
        <networkPerformanceOptions><bandwidthWeighting>vpc-1</bandwidthWeighting></networkPerformanceOptions>\
        <metadataOptions><httpTokens>required</httpTokens><httpPutResponseHopLimit>2</httpPutResponseHopLimit>\
        <httpEndpoint>enabled</httpEndpoint><httpProtocolIpv6>disabled</httpProtocolIpv6><instanceMetadataTags>enabled\
        </instanceMetadataTags></metadataOptions><monitoring><state>pending</state></monitoring><enaSupport>true</enaSupport>\
        <sriovNetSupport>simple</sriovNetSupport><iamInstanceProfile><arn>arn:aws:iam::123456789012:instance-profile/p/web</arn>\
        </iamInstanceProfile><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><subnetId>subnet-1</subnetId>\
        <description>first</description><groupSet><item><groupId>sg-1</groupId></item></groupSet><ipv6AddressesSet><item>\
        <ipv6Address>2001:db8::1</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item></ipv6AddressesSet><privateIpAddress>10.0.0.1\
        </privateIpAddress><privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress><primary>true</primary></item><item>\
        <privateIpAddress>10.0.0.2</privateIpAddress><primary>false</primary></item></privateIpAddressesSet><attachment><attachmentId>\
        eni-attach-1</attachmentId><deviceIndex>0</deviceIndex><deleteOnTermination>true</deleteOnTermination></attachment></item>\
        </networkInterfaceSet><secondaryInterfaceSet><item><secondarySubnetId>ss-1</secondarySubnetId><attachment><deviceIndex>1\
        </deviceIndex><networkCardIndex>1</networkCardIndex></attachment></item></secondaryInterfaceSet><tagSet><item>\
        <key>aws:ec2launchtemplate:id</key><value>lt-1</value></item><item><key>aws:ec2launchtemplate:version</key><value>3</value></item>\
        <item><key>phx:restart</key><value>x</value></item><item><key>Name</key><value>web</value></item></tagSet>";
    let bench = scripted(move |request, _| shown(request, &instance("i-1", "running", more)));
    let want = json!({
        "image_id": "ami-1",
        "instance_type": "t3.micro",
        "key_name": "deploy",
        "subnet_id": "subnet-1",
        "availability_zone": "us-west-2a",
        "availability_zone_id": "usw2-az1",
        "private_ip_address": "10.0.0.1",
        "ipv6_address_count": 1,
        "ipv6_addresses": ["2001:db8::1"],
        "enable_primary_ipv6": true,
        "network_interfaces": [{"device_index": 0, "description": "first", "groups": ["sg-1"], "secondary_private_ip_address_count": 1,
                                "associate_public_ip_address": true, "private_ip_addresses": [
                                    {"private_ip_address": "10.0.0.2"}, {"private_ip_address": "10.0.0.1", "primary": true}]}],
        "secondary_interfaces": [{"device_index": 1, "network_card_index": 1, "secondary_subnet_id": "ss-1"}],
        "placement": {"group_name": "g", "partition_number": 2, "tenancy": "host", "host_id": "h-1", "affinity": "host"},
        "cpu_options": {"core_count": 2, "threads_per_core": 1, "amd_sev_snp": "enabled"},
        "capacity_reservation_specification": {"capacity_reservation_target": {"capacity_reservation_id": "cr-1"}},
        "hibernation_options": {"configured": true},
        "license_specifications": [{"license_configuration_arn": "arn:aws:license-manager:l"}],
        "enclave_options": {"enabled": false},
        "private_dns_name_options": {"hostname_type": "resource-name", "enable_resource_name_dns_a_record": true},
        "maintenance_options": {"auto_recovery": "disabled", "reboot_migration": "default"},
        "network_performance_options": {"bandwidth_weighting": "vpc-1"},
        "metadata_options": {"http_tokens": "required", "instance_metadata_tags": "enabled"},
        "monitoring": {"enabled": true},
        "ena_support": true,
        "sriov_net_support": "simple",
        "iam_instance_profile": {"name": "web"},
        "launch_template": {"launch_template_name": "t", "version": "$Default"},
        "tags": {"Name": "web"},
    });
    bench.settled(NAME, "i-1", &want).await;
}

#[tokio::test]
async fn everything_is_said_at_the_launch() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "RunInstances" => {
            xml(request, &format!("<instancesSet><item>{}</item></instancesSet>", instance("i-1", "pending", "")))
        }
        _ => shown(request, &instance("i-1", "running", "")),
    });
    let want = json!({
        "image_id": "ami-1",
        "availability_zone_id": "usw2-az1",
        "ipv6_addresses": ["2001:db8::1"],
        "user_data": "#!/bin/sh\n",
        "volume_tags": {"of": "web"},
        "block_device_mappings": [{"device_name": "/dev/sda1", "ebs": {"volume_size": 8, "throughput": 250}},
                                  {"device_name": "/dev/sdb", "no_device": ""}],
        "network_interfaces": [{"device_index": 0, "groups": ["sg-1"], "ipv4_prefix_count": 2,
                                "ena_srd_specification": {"ena_srd_enabled": true, "ena_srd_udp_enabled": true}}],
        "placement": {"tenancy": "dedicated"},
        "cpu_options": {"core_count": 2},
        "credit_specification": {"cpu_credits": "standard"},
        "hibernation_options": {"configured": true},
        "enclave_options": {"enabled": true},
        "iam_instance_profile": {"name": "web"},
        "instance_market_options": {"market_type": "spot", "spot_options": {"valid_until": "2030-01-01T00:00:00Z"}},
        "launch_template": {"launch_template_id": "lt-1", "version": "3"},
        "license_specifications": [{"license_configuration_arn": "arn:l"}],
        "maintenance_options": {"auto_recovery": "disabled"},
        "network_performance_options": {"bandwidth_weighting": "ebs-1"},
        "private_dns_name_options": {"hostname_type": "ip-name"},
        "secondary_interfaces": [{"device_index": 1, "private_ip_address_count": 1}],
        "capacity_reservation_specification": {"capacity_reservation_preference": "none"},
    });
    bench.create(NAME, &want, 1).await.unwrap();
    let sent = bench.requests().remove(0);
    for (name, value) in [
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("Placement.AvailabilityZoneId", "usw2-az1"),
        ("Placement.Tenancy", "dedicated"),
        ("Ipv6Address.1.Ipv6Address", "2001:db8::1"),
        ("UserData", "IyEvYmluL3NoCg=="),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.2.ResourceType", "volume"),
        ("TagSpecification.2.Tag.1.Value", "web"),
        ("BlockDeviceMapping.1.Ebs.Throughput", "250"),
        ("BlockDeviceMapping.2.NoDevice", ""),
        ("NetworkInterface.1.SecurityGroupId.1", "sg-1"),
        ("NetworkInterface.1.Ipv4PrefixCount", "2"),
        ("NetworkInterface.1.EnaSrdSpecification.EnaSrdUdpSpecification.EnaSrdUdpEnabled", "true"),
        ("CpuOptions.CoreCount", "2"),
        ("CreditSpecification.CpuCredits", "standard"),
        ("HibernationOptions.Configured", "true"),
        ("EnclaveOptions.Enabled", "true"),
        ("IamInstanceProfile.Name", "web"),
        ("InstanceMarketOptions.MarketType", "spot"),
        ("InstanceMarketOptions.SpotOptions.ValidUntil", "2030-01-01T00:00:00Z"),
        ("LaunchTemplate.LaunchTemplateId", "lt-1"),
        ("LicenseSpecification.1.LicenseConfigurationArn", "arn:l"),
        ("MaintenanceOptions.AutoRecovery", "disabled"),
        ("NetworkPerformanceOptions.BandwidthWeighting", "ebs-1"),
        ("PrivateDnsNameOptions.HostnameType", "ip-name"),
        ("SecondaryInterface.1.PrivateIpAddressCount", "1"),
        ("CapacityReservationSpecification.CapacityReservationPreference", "none"),
    ] {
        assert_eq!(parameter(&sent, name), value, "{name}: {:#?}", sent.body);
    }
    assert!(sent.body.get("BlockDeviceMapping.2.NoDevice").is_some());
    assert_eq!(parameter(&sent, "ClientToken").len(), 64);
}

#[tokio::test]
async fn an_instance_is_found_again_unless_it_is_over() {
    let want = json!({"image_id": "ami-1"});
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => shown(request, &instance("i-1", "pending", &tags(1))),
    });
    found_after_loss(&bench, NAME, &want, "i-1").await;
    let bench = scripted(|request, _| shown(request, &instance("i-1", "shutting-down", &tags(1))));
    assert!(bench.driver(NAME).find(&bench.cx, &fields(want.clone()), &intent(1)).await.unwrap().is_none());
    assert!(matches!(bench.read(NAME, &[("i-1", &fields(want))]).await[0], Read::Gone));
}

#[tokio::test]
async fn a_launch_that_fails_says_why() {
    let reason =
        "<stateReason><code>Client.VolumeLimitExceeded</code><message>too many volumes</message></stateReason>";
    let bench = scripted(move |request, n| match request.operation.as_str() {
        "RunInstances" => {
            xml(request, &format!("<instancesSet><item>{}</item></instancesSet>", instance("i-1", "pending", "")))
        }
        _ if n < 3 => shown(request, &instance("i-1", "pending", "")),
        _ => shown(request, &instance("i-1", "terminated", reason)),
    });
    let failed = bench.create(NAME, &json!({"image_id": "ami-1"}), 1).await.unwrap_err();
    assert_eq!(failed.code.as_deref(), Some("Client.VolumeLimitExceeded"));
    assert!(failed.message.contains("too many volumes") && failed.hint.unwrap().contains("quota"));

    // A subnet that was made just now is waited for.
    let bench = scripted(|request, n| match (request.operation.as_str(), n) {
        ("RunInstances", 0) => Answer::XmlError(400, "InvalidSubnetID.NotFound"),
        ("RunInstances", _) => {
            xml(request, &format!("<instancesSet><item>{}</item></instancesSet>", instance("i-1", "pending", "")))
        }
        _ => shown(request, &instance("i-1", "running", "")),
    });
    bench.create(NAME, &json!({"image_id": "ami-1"}), 1).await.unwrap();
    assert_eq!(bench.operations()[..2], ["RunInstances", "RunInstances"]);
}

/// An endpoint with one instance in some state that can be stopped, started and tagged.
fn machine(state: &'static str, marked: bool) -> Bench {
    let state = Mutex::new((state.to_owned(), marked));
    let looks = AtomicUsize::new(0);
    scripted(move |request, _| {
        let mut now = state.lock().unwrap();
        match request.operation.as_str() {
            "StopInstances" => now.0 = "stopping".to_owned(),
            "StartInstances" => now.0 = "pending".to_owned(),
            "CreateTags" if parameter(request, "Tag.1.Key") == "phx:restart" => now.1 = true,
            "DeleteTags" if parameter(request, "Tag.1.Key") == "phx:restart" => now.1 = false,
            "DescribeInstances" => {
                let mark = if now.1 { "<item><key>phx:restart</key><value>x</value></item>" } else { "" };
                let two = "<networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><attachment><attachmentId>a-1\
                           </attachmentId><deviceIndex>0</deviceIndex></attachment><ipv6AddressesSet><item><ipv6Address>2001:db8::1\
                           </ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet>";
                let told = instance("i-1", &now.0, &format!("{DEVICES}{two}<tagSet>{mark}</tagSet>"));
                if looks.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                    now.0 = now.0.replace("stopping", "stopped").replace("pending", "running");
                }
                return shown(request, &told);
            }
            "DescribeVolumes" => return volumes(request),
            "DescribeInstanceAttribute" => return xml(request, "<userData><value>IyEvYmluL3NoCg==</value></userData>"),
            _ => {}
        }
        xml(request, "<return>true</return>")
    })
}

/// Makes changes, each a field with what it was and what it shall be, and tells what was called but for reading.
async fn changes(bench: &Bench, want: serde_json::Value, changes: &[(&str, Delta)]) -> Vec<String> {
    let changes = changes.iter().map(|(name, delta)| ((*name).to_owned(), delta.clone())).collect();
    bench.driver(NAME).update(&bench.cx, "i-1", &fields(want), &changes).await.unwrap();
    bench.operations().into_iter().filter(|operation| !operation.starts_with("Describe")).collect()
}

#[tokio::test]
async fn what_needs_a_stop_is_changed_between_a_stop_and_a_start() {
    let bench = machine("running", false);
    let want = json!({"instance_type": "t3.small", "user_data": "#!/bin/bash\n", "placement": {"tenancy": "host"}});
    let all = [
        ("instance_type", delta(json!("t3.micro"), json!("t3.small"))),
        ("user_data", delta(json!("IyEvYmluL3NoCg=="), json!("#!/bin/bash\n"))),
        ("placement", delta(json!({"tenancy": "default"}), json!({"tenancy": "host"}))),
        ("cpu_options", delta(json!({"core_count": 2}), json!({"core_count": 1}))),
        ("network_performance_options", delta(json!(null), json!({"bandwidth_weighting": "vpc-1"}))),
        ("capacity_reservation_specification", delta(json!(null), json!({"capacity_reservation_preference": "none"}))),
        (
            "private_dns_name_options",
            delta(json!({"hostname_type": "ip-name"}), json!({"hostname_type": "resource-name"})),
        ),
        ("disable_api_stop", delta(json!(false), json!(true))),
    ];
    let called = changes(&bench, want, &all).await;
    assert_eq!(
        called,
        [
            "CreateTags",
            "StopInstances",
            "ModifyInstanceAttribute",
            "ModifyInstanceAttribute",
            "ModifyInstancePlacement",
            "ModifyInstanceCpuOptions",
            "ModifyInstanceCapacityReservationAttributes",
            "ModifyInstanceNetworkPerformanceOptions",
            "ModifyPrivateDnsNameOptions",
            "StartInstances",
            "DeleteTags",
            "ModifyInstanceAttribute",
        ]
    );
    let sent = requests(&bench, "ModifyInstanceAttribute");
    assert_eq!(parameter(&sent[0], "InstanceType.Value"), "t3.small");
    // Encoded once, whatever it was written as.
    assert_eq!(parameter(&sent[1], "UserData.Value"), "IyEvYmluL2Jhc2gK");
    assert_eq!(parameter(&sent[2], "DisableApiStop.Value"), "true");
}

#[tokio::test]
async fn only_what_phx_stopped_is_started() {
    let change = [("instance_type", delta(json!("t3.micro"), json!("t3.small")))];
    let want = json!({"instance_type": "t3.small"});
    // Somebody else stopped it.
    let bench = machine("stopped", false);
    assert_eq!(changes(&bench, want.clone(), &change).await, ["ModifyInstanceAttribute"]);
    // phx did, and was killed before it started it again.
    let bench = machine("stopped", true);
    assert_eq!(changes(&bench, want, &change).await, ["ModifyInstanceAttribute", "StartInstances", "DeleteTags"]);
    let bench = machine("stopped", true);
    let tags = [("tags", delta(json!({}), json!({"a": "b"})))];
    assert_eq!(
        changes(&bench, json!({"tags": {"a": "b"}}), &tags).await,
        ["StartInstances", "DeleteTags", "CreateTags"]
    );
}

#[tokio::test]
async fn a_refused_change_leaves_the_instance_running() {
    let running = AtomicUsize::new(1);
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "StopInstances" | "StartInstances" => {
            running.fetch_xor(1, Ordering::SeqCst);
            xml(request, "")
        }
        "ModifyInstanceAttribute" => Answer::XmlError(400, "InvalidInstanceAttributeValue"),
        "DescribeInstances" => {
            let state = if running.load(Ordering::SeqCst) == 1 { "running" } else { "stopped" };
            shown(request, &instance("i-1", state, ""))
        }
        _ => xml(request, ""),
    });
    let change = [("instance_type".to_owned(), delta(json!("t3.micro"), json!("x.none")))].into();
    let refused = bench.driver(NAME).update(&bench.cx, "i-1", &ValueMap::new(), &change).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("InvalidInstanceAttributeValue"));
    let called: Vec<String> = bench.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
    assert_eq!(called, ["CreateTags", "StopInstances", "ModifyInstanceAttribute", "StartInstances", "DeleteTags"]);
    // What can be known beforehand stops nothing.
    let change =
        [("cpu_options".to_owned(), delta(json!({"core_count": 2}), json!({"amd_sev_snp": "enabled"})))].into();
    let refused = bench.driver(NAME).update(&bench.cx, "i-1", &ValueMap::new(), &change).await.unwrap_err();
    assert!(refused.hint.unwrap().contains("--replace"));
    assert_eq!(requests(&bench, "StopInstances").len(), 1);
}

#[tokio::test]
async fn most_is_changed_while_it_runs() {
    let bench = machine("running", false);
    let interface = |text: &str, groups: serde_json::Value| {
        json!([{"device_index": 0, "description": text, "groups": groups,
        "delete_on_termination": true, "ipv6_addresses": ["2001:db8::2"]}])
    };
    let all = [
        ("security_group_ids", delta(json!(["sg-1"]), json!(["sg-2", "sg-3"]))),
        ("source_dest_check", delta(json!(true), json!(false))),
        ("disable_api_termination", delta(json!(true), json!(false))),
        ("instance_initiated_shutdown_behavior", delta(json!("stop"), json!("terminate"))),
        ("metadata_options", delta(json!(null), json!({"http_tokens": "required"}))),
        ("monitoring", delta(json!({"enabled": false}), json!({"enabled": true}))),
        ("credit_specification", delta(json!({"cpu_credits": "standard"}), json!({"cpu_credits": "unlimited"}))),
        ("maintenance_options", delta(json!(null), json!({"auto_recovery": "disabled"}))),
        ("private_dns_name_options", delta(json!(null), json!({"enable_resource_name_dns_a_record": true}))),
        ("iam_instance_profile", delta(json!(null), json!({"name": "web"}))),
        ("ipv6_address_count", delta(json!(1), json!(3))),
        (
            "block_device_mappings",
            delta(json!(null), json!([{"device_name": "/dev/sdf", "ebs": {"delete_on_termination": true}}])),
        ),
        ("network_interfaces", delta(json!(null), interface("d", json!(["sg-9"])))),
        ("volume_tags", delta(json!({"of": "web"}), json!({"of": "api"}))),
    ];
    let called = changes(&bench, json!({"volume_tags": {"of": "api"}}), &all).await;
    assert_eq!(
        called,
        [
            "ModifyInstanceAttribute",
            "ModifyInstanceAttribute",
            "ModifyInstanceAttribute",
            "ModifyInstanceAttribute",
            "ModifyInstanceMetadataOptions",
            "MonitorInstances",
            "ModifyInstanceCreditSpecification",
            "ModifyInstanceMaintenanceOptions",
            "ModifyPrivateDnsNameOptions",
            "AssociateIamInstanceProfile",
            "AssignIpv6Addresses",
            "ModifyInstanceAttribute",
            "ModifyNetworkInterfaceAttribute",
            "ModifyNetworkInterfaceAttribute",
            "ModifyNetworkInterfaceAttribute",
            "UnassignIpv6Addresses",
            "AssignIpv6Addresses",
            "CreateTags",
        ]
    );
    let attributes = requests(&bench, "ModifyInstanceAttribute");
    assert_eq!(parameter(&attributes[0], "GroupId.2"), "sg-3");
    assert_eq!(parameter(&attributes[1], "SourceDestCheck.Value"), "false");
    assert_eq!(parameter(&attributes[4], "BlockDeviceMapping.1.Ebs.DeleteOnTermination"), "true");
    assert_eq!(parameter(&requests(&bench, "AssignIpv6Addresses")[0], "Ipv6AddressCount"), "2");
    assert_eq!(parameter(&requests(&bench, "CreateTags")[0], "ResourceId.1"), "vol-1");
}

#[tokio::test]
async fn a_profile_takes_anothers_place() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeIamInstanceProfileAssociations" => {
            let one = "<item><associationId>iip-1</associationId><instanceId>i-1</instanceId><state>associated</state>\
                       <iamInstanceProfile><arn>arn:aws:iam::123456789012:instance-profile/web</arn></iamInstanceProfile></item>";
            xml(request, &format!("<iamInstanceProfileAssociationSet>{one}</iamInstanceProfileAssociationSet>"))
        }
        "DescribeInstances" => shown(request, &instance("i-1", "running", "")),
        _ => xml(request, ""),
    });
    let to = |name: &str| [("iam_instance_profile", delta(json!({"name": "web"}), json!({"name": name})))];
    assert_eq!(changes(&bench, json!({}), &to("other")).await, ["ReplaceIamInstanceProfileAssociation"]);
    // It is so already: phx was killed before it recorded it.
    assert_eq!(changes(&bench, json!({}), &to("web")).await.len(), 1);
    let away = [("iam_instance_profile", delta(json!({"name": "web"}), json!(null)))];
    assert_eq!(changes(&bench, json!({}), &away).await.last().unwrap(), "DisassociateIamInstanceProfile");
}

#[tokio::test]
async fn a_refused_credit_option_is_an_error() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeInstances" => shown(request, &instance("i-1", "running", "")),
        _ => xml(
            request,
            "<unsuccessfulInstanceCreditSpecificationSet><item><instanceId>i-1</instanceId><error><code>InstanceCreditSpecification.NotSupported\
             </code><message>not of this type</message></error></item></unsuccessfulInstanceCreditSpecificationSet>",
        ),
    });
    let change = [("credit_specification".to_owned(), delta(json!(null), json!({"cpu_credits": "unlimited"})))].into();
    let error = bench.driver(NAME).update(&bench.cx, "i-1", &ValueMap::new(), &change).await.unwrap_err();
    assert!(error.message.contains("not of this type"), "{error}");
}

#[tokio::test]
async fn protection_is_told_from_other_refusals_and_a_spot_request_goes_first() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "TerminateInstances" => Answer::XmlError(400, "OperationNotPermitted"),
        _ => shown(request, &instance("i-1", "running", "<spotInstanceRequestId>sir-1</spotInstanceRequestId>")),
    });
    let error = bench.driver(NAME).delete(&bench.cx, "i-1", &ValueMap::new()).await.unwrap_err();
    assert!(error.hint.unwrap().contains("disable_api_termination"));
    let operations = bench.operations();
    assert_eq!(operations[1..], ["CancelSpotInstanceRequests", "TerminateInstances"]);

    // Stopping can be forbidden as well; the mark does not stay.
    let bench = scripted(|request, _| match request.operation.as_str() {
        "StopInstances" => Answer::XmlError(400, "OperationNotPermitted"),
        "DescribeInstances" => shown(request, &instance("i-1", "running", "")),
        _ => xml(request, ""),
    });
    let change = [("instance_type".to_owned(), delta(json!("t3.micro"), json!("t3.small")))].into();
    let error = bench.driver(NAME).update(&bench.cx, "i-1", &ValueMap::new(), &change).await.unwrap_err();
    assert!(error.hint.unwrap().contains("disable_api_stop"));
    assert_eq!(bench.operations().last().unwrap(), "DeleteTags");
}

#[tokio::test]
async fn what_the_launch_does_not_take_is_set_after_it() {
    let bench = machine("running", false);
    let want = json!({"image_id": "ami-1", "source_dest_check": false, "maintenance_options": {"reboot_migration": "disabled"},
                      "ena_support": true, "sriov_net_support": "simple"});
    bench.driver(NAME).finish(&bench.cx, "i-1", &fields(want)).await.unwrap();
    let called: Vec<String> = bench.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
    assert_eq!(
        called,
        [
            "ModifyInstanceAttribute",
            "ModifyInstanceMaintenanceOptions",
            "CreateTags",
            "StopInstances",
            "ModifyInstanceAttribute",
            "ModifyInstanceAttribute",
            "StartInstances",
            "DeleteTags",
        ]
    );
}

#[tokio::test]
async fn an_instance_that_phx_has_yet_to_start_differs_from_what_is_wanted() {
    let mark = "<tagSet><item><key>phx:restart</key><value>x</value></item></tagSet>";
    let bench = scripted(move |request, _| shown(request, &instance("i-1", "stopped", mark)));
    let inputs = fields(json!({"tags": {"a": "b"}}));
    let read = bench.read(NAME, &[("i-1", &inputs)]).await.remove(0);
    let Read::Present(seen) = read else { panic!("{read:?}") };
    assert!(format!("{:?}", seen.fields["tags"]).contains("phx:restart"), "{seen:?}");
}

#[tokio::test]
async fn an_image_that_is_named_by_a_parameter_is_told_as_it_was_set() {
    let bench = scripted(|request, _| shown(request, &instance("i-1", "running", "")));
    bench.settled(NAME, "i-1", &json!({"image_id": "resolve:ssm:/images/web"})).await;
}

#[tokio::test]
async fn interfaces_of_several_cards_are_told_apart() {
    let bench = scripted(|request, _| {
        let interface = |n: usize, card: usize, index: usize| {
            format!(
                "<item><networkInterfaceId>eni-{n}</networkInterfaceId><attachment><attachmentId>a-{n}</attachmentId>\
                 <deviceIndex>{index}</deviceIndex><networkCardIndex>{card}</networkCardIndex></attachment></item>"
            )
        };
        let all = [interface(1, 0, 0), interface(2, 1, 1), interface(3, 2, 1)].concat();
        match request.operation.as_str() {
            "DescribeInstances" => {
                let all = format!("<networkInterfaceSet>{all}</networkInterfaceSet>");
                shown(request, &instance("i-1", "running", &all))
            }
            _ => xml(request, ""),
        }
    });
    let of = |card: i32, id: &str| json!({"device_index": 1, "network_card_index": card, "network_interface_id": id});
    bench.settled(NAME, "i-1", &json!({"network_interfaces": [of(2, "eni-3"), of(1, "eni-2")]})).await;
    let described = json!([{"device_index": 1, "network_card_index": 2, "description": "d"}]);
    changes(&bench, json!({}), &[("network_interfaces", delta(json!(null), described))]).await;
    let sent = requests(&bench, "ModifyNetworkInterfaceAttribute");
    assert_eq!((sent.len(), parameter(&sent[0], "NetworkInterfaceId")), (1, "eni-3"));
}
