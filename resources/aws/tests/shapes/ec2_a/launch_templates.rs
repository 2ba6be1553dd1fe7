//! Launch templates.

use phx_model::driver::Read;
use phx_model::error::ErrorKind;
use phx_model::value::Value;
use serde_json::json;

use super::{found_after_loss, gone, items, parameter, read_hundred, tags, xml};
use crate::kit::{Answer, Bench, Request, fields, scripted};

fn template(id: &str) -> String {
    format!(
        "<launchTemplateId>{id}</launchTemplateId><launchTemplateName>web</launchTemplateName>\
         <defaultVersionNumber>1</defaultVersionNumber><latestVersionNumber>2</latestVersionNumber>\
         <operator><managed>false</managed></operator>{}",
        tags(1)
    )
}

fn version(id: &str, number: u32, data: &str) -> String {
    format!(
        "<launchTemplateId>{id}</launchTemplateId><launchTemplateName>web</launchTemplateName>\
         <versionNumber>{number}</versionNumber><launchTemplateData>{data}</launchTemplateData>"
    )
}

const MICRO: &str = "<instanceType>t3.micro</instanceType><userData></userData><placement/>";

fn micro() -> serde_json::Value {
    json!({"launch_template_name": "web", "launch_template_data": {"instance_type": "t3.micro"}})
}

fn templates(request: &Request, all: &str) -> Answer {
    xml(request, &format!("<launchTemplates>{all}</launchTemplates>"))
}

fn versions(request: &Request, all: &str) -> Answer {
    xml(request, &format!("<launchTemplateVersionSet>{all}</launchTemplateVersionSet>"))
}

#[tokio::test]
async fn a_hundred_launch_templates_take_two_calls() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        "DescribeLaunchTemplates" => templates(request, &items(0..100, |n| template(&format!("lt-{n}")))),
        _ => versions(request, &items(0..120, |n| version(&format!("lt-{n}"), 1, MICRO))),
    });
    let name = "aws:ec2:LaunchTemplate";
    let operations = read_hundred(&bench, name, "lt", &micro()).await;
    assert_eq!(operations, ["DescribeLaunchTemplates", "DescribeLaunchTemplateVersions"]);
    let asked = &bench.requests()[1];
    assert_eq!((parameter(asked, "LaunchTemplateVersion.1"), parameter(asked, "LaunchTemplateId")), ("$Default", ""));
    bench.settled(name, "lt-7", &micro()).await;
}

#[tokio::test]
async fn launch_templates_that_are_gone_do_not_hide_the_others() {
    let bench = scripted(|request, _| match request.operation.as_str() {
        // One unknown id makes the call fail for all.
        "DescribeLaunchTemplates" if !parameter(request, "LaunchTemplateId.1").is_empty() => {
            Answer::XmlError(400, "InvalidLaunchTemplateId.NotFound")
        }
        "DescribeLaunchTemplates" => {
            templates(request, &format!("<item>{}</item><item>{}</item>", template("lt-1"), template("lt-3")))
        }
        // Deleted between the two calls.
        _ if parameter(request, "LaunchTemplateId") == "lt-3" => {
            Answer::XmlError(400, "InvalidLaunchTemplateId.NotFound")
        }
        _ => versions(request, &format!("<item>{}</item>", version("lt-1", 1, MICRO))),
    });
    let inputs = fields(micro());
    let read = bench.read("aws:ec2:LaunchTemplate", &[("lt-1", &inputs), ("lt-2", &inputs), ("lt-3", &inputs)]).await;
    assert!(matches!(read[0], Read::Present(_)), "{read:?}");
    assert!(gone(&read[1]) && gone(&read[2]), "{read:?}");
}

#[tokio::test]
async fn a_launch_template_is_found_again_and_its_warnings_are_told() {
    let name = "aws:ec2:LaunchTemplate";
    let bench = scripted(|request, n| match n {
        0 => Answer::Lost,
        _ => templates(request, &format!("<item>{}</item>", template("lt-1"))),
    });
    found_after_loss(&bench, name, &micro(), "lt-1").await;

    let mut bench = scripted(|request, _| {
        let warning = "<warning><errorSet><item><code>InvalidAMIID.NotFound</code><message>no such image</message></item>\
            </errorSet></warning>";
        xml(request, &format!("<launchTemplate>{}</launchTemplate>{warning}", template("lt-1")))
    });
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = lines.clone();
    bench.cx.progress = std::sync::Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned()));
    let made = bench.create(name, &micro(), 1).await.unwrap();
    assert_eq!(made.outputs["latest_version_number"], Value::Int(2));
    let lines = lines.lock().unwrap();
    assert!(lines.len() == 1 && lines[0].contains("no such image"), "{lines:?}");
}

#[tokio::test]
async fn an_update_that_was_cut_off_does_not_make_its_version_twice() {
    let name = "aws:ec2:LaunchTemplate";
    let small = "<instanceType>t3.small</instanceType>";
    let script = move |latest: &'static str| {
        move |request: &Request, _: usize| match request.operation.as_str() {
            "DescribeLaunchTemplates" => templates(request, &format!("<item>{}</item>", template("lt-1"))),
            "DescribeLaunchTemplateVersions" if parameter(request, "LaunchTemplateVersion.1") == "$Latest" => {
                versions(request, &format!("<item>{}</item>", version("lt-1", 2, latest)))
            }
            "DescribeLaunchTemplateVersions" => {
                versions(request, &format!("<item>{}</item>", version("lt-1", 1, MICRO)))
            }
            "CreateLaunchTemplateVersion" => {
                xml(request, &format!("<launchTemplateVersion>{}</launchTemplateVersion>", version("lt-1", 3, "")))
            }
            _ => xml(request, &format!("<launchTemplate>{}</launchTemplate>", template("lt-1"))),
        }
    };
    let want = json!({"launch_template_name": "web", "launch_template_data": {"instance_type": "t3.small"}});
    let chosen = |bench: &Bench| {
        let last = bench.requests().pop().unwrap();
        assert_eq!(last.operation, "ModifyLaunchTemplate");
        parameter(&last, "SetDefaultVersion").to_owned()
    };
    // The version is there, and only has to become the default.
    let bench = scripted(script(small));
    bench.update(name, "lt-1", &micro(), &want).await;
    assert_eq!(chosen(&bench), "2");
    assert!(!bench.operations().contains(&"CreateLaunchTemplateVersion".to_owned()));
    // It is not; and the same version after the same one has the same token.
    let token = |bench: &Bench| {
        let made = bench.requests().into_iter().find(|r| r.operation == "CreateLaunchTemplateVersion").unwrap();
        parameter(&made, "ClientToken").to_owned()
    };
    let (one, two) = (scripted(script(MICRO)), scripted(script(MICRO)));
    one.update(name, "lt-1", &micro(), &want).await;
    two.update(name, "lt-1", &micro(), &want).await;
    assert_eq!(chosen(&one), "3");
    assert_eq!((token(&one).len(), token(&one)), (64, token(&two)));
}

#[tokio::test]
async fn a_new_version_keeps_what_the_program_leaves_to_aws() {
    let name = "aws:ec2:LaunchTemplate";
    let there = "<instanceType>t3.micro</instanceType><metadataOptions><httpTokens>required</httpTokens>\
        <httpPutResponseHopLimit>2</httpPutResponseHopLimit></metadataOptions>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "DescribeLaunchTemplates" => templates(request, &format!("<item>{}</item>", template("lt-1"))),
        "DescribeLaunchTemplateVersions" => versions(request, &format!("<item>{}</item>", version("lt-1", 1, there))),
        "CreateLaunchTemplateVersion" => {
            xml(request, &format!("<launchTemplateVersion>{}</launchTemplateVersion>", version("lt-1", 2, "")))
        }
        _ => xml(request, &format!("<launchTemplate>{}</launchTemplate>", template("lt-1"))),
    });
    let of = |kind: &str| {
        let data = json!({"instance_type": kind, "metadata_options": {"http_tokens": "required"}});
        json!({"launch_template_name": "web", "launch_template_data": data})
    };
    bench.update(name, "lt-1", &of("t3.micro"), &of("t3.small")).await;
    let made = bench.requests().into_iter().find(|r| r.operation == "CreateLaunchTemplateVersion").unwrap();
    assert_eq!(parameter(&made, "LaunchTemplateData.InstanceType"), "t3.small");
    assert_eq!(parameter(&made, "LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit"), "2");
}

#[tokio::test]
async fn what_emulators_leave_out_of_a_launch_template_is_sent_and_read() {
    let name = "aws:ec2:LaunchTemplate";
    let data = "<capacityReservationSpecification><capacityReservationPreference>none</capacityReservationPreference>\
        </capacityReservationSpecification><instanceMarketOptions><marketType>spot</marketType><spotOptions>\
        <validUntil>2030-01-01T00:00:00.000Z</validUntil></spotOptions></instanceMarketOptions>\
        <networkPerformanceOptions><bandwidthWeighting>vpc-1</bandwidthWeighting></networkPerformanceOptions>\
        <operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator>\
        <secondaryInterfaceSet><item><deviceIndex>1</deviceIndex><secondarySubnetId>ss-1</secondarySubnetId>\
        <privateIpAddressesSet><item><privateIpAddress>10.1.0.4</privateIpAddress></item></privateIpAddressesSet></item>\
        </secondaryInterfaceSet><metadataOptions><state>pending</state><httpTokens>required</httpTokens>\
        <httpEndpoint>enabled</httpEndpoint></metadataOptions><userData>H4sIAAAAAAAA/w==</userData>";
    let bench = scripted(move |request, _| match request.operation.as_str() {
        "CreateLaunchTemplate" => xml(request, &format!("<launchTemplate>{}</launchTemplate>", template("lt-1"))),
        "DescribeLaunchTemplates" => templates(request, &format!("<item>{}</item>", template("lt-1"))),
        _ => versions(request, &format!("<item>{}</item>", version("lt-1", 1, data))),
    });
    let want = json!({
        "launch_template_name": "web",
        "launch_template_data": {
            "capacity_reservation_specification": {"capacity_reservation_preference": "none"},
            "instance_market_options": {
                "market_type": "spot",
                "spot_options": {"valid_until": "2030-01-01T01:00:00+01:00"},
            },
            "network_performance_options": {"bandwidth_weighting": "vpc-1"},
            "operator": {"principal": "eks.amazonaws.com"},
            "secondary_interfaces":
                [{"device_index": 1, "secondary_subnet_id": "ss-1", "private_ip_addresses": ["10.1.0.4"]}],
            // AWS fills in the end point.
            "metadata_options": {"http_tokens": "required"},
            "user_data": "H4sIAAAAAAAA/w==",
        },
    });
    let made = bench.create(name, &want, 1).await.unwrap();
    bench.settled(name, &made.id, &want).await;
    let sent = &bench.requests()[0];
    assert_eq!(
        parameter(sent, "LaunchTemplateData.InstanceMarketOptions.SpotOptions.ValidUntil"),
        "2030-01-01T00:00:00Z"
    );
    assert_eq!(parameter(sent, "LaunchTemplateData.UserData"), "H4sIAAAAAAAA/w==");

    let broken = json!({"launch_template_name": "web", "launch_template_data": {
        "instance_market_options": {"spot_options": {"valid_until": "tomorrow"}},
    }});
    assert_eq!(bench.create(name, &broken, 1).await.unwrap_err().kind, ErrorKind::Invalid);
}
