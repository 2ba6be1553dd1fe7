//! What bears a stack's mark.

use std::collections::BTreeSet;

use phx_aws::orphans::{self, Marked};
use phx_model::driver::Registry;
use phx_model::state::ProviderKey;
use serde_json::json;

use crate::kit::{self, Answer, Bench, intent};

const GROUP: &str = "arn:aws:autoscaling:us-west-2:123456789012:autoScalingGroup:0a-1b:autoScalingGroupName/web";
const VPC: &str = "arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";
const USER: &str = "arn:aws:iam::123456789012:user/ci";

fn mark(key: &str) -> String {
    format!("<Tags><member><Key>{key}</Key><Value>{}</Value></member></Tags>", intent(1).as_str())
}

fn lineage() -> String {
    intent(1).as_str().split('.').next().unwrap().to_owned()
}

/// An account with one marked object of each kind, and others.
fn account(groups: impl Fn() -> Answer + Send + Sync + 'static) -> Bench {
    kit::scripted(move |request, _| match request.operation.as_str() {
        "GetResources" => {
            assert_eq!(request.body["TagFilters"], json!([{"Key": "phx:intent"}]));
            let one =
                |arn: &str, mark: &str| json!({"ResourceARN": arn, "Tags": [{"Key": "phx:intent", "Value": mark}]});
            let others = one("arn:aws:ec2:us-west-2:123456789012:vpc/vpc-2", "other.op.1");
            Answer::Json(json!({"ResourceTagMappingList": [one(VPC, intent(1).as_str()), others]}))
        }
        "GetAccountAuthorizationDetails" => {
            let kinds =
                ["Filter.member.1", "Filter.member.2", "Filter.member.3"].map(|name| request.body[name].as_str());
            assert_eq!(kinds, [Some("Role"), Some("User"), None]);
            let (mark, other) = (mark("phx:intent"), mark("a"));
            Answer::Query(format!(
                "<RoleDetailList><member><RoleName>deploy</RoleName><Arn>{ROLE}</Arn>{mark}</member></RoleDetailList>\
                 <UserDetailList><member><UserName>ci</UserName><Arn>{USER}</Arn>{mark}</member>\
                 <member><UserName>x</UserName><Arn>{USER}x</Arn>{other}</member></UserDetailList>"
            ))
        }
        "DescribeAutoScalingGroups" => {
            assert_eq!(request.body["Filters.member.1.Name"], "tag-key");
            assert_eq!(request.body["Filters.member.1.Values.member.1"], "phx:intent");
            groups()
        }
        other => panic!("{other}"),
    })
}

async fn arns(bench: &Bench) -> Vec<String> {
    let places = BTreeSet::from([ProviderKey("us-west-2".into())]);
    let marked = orphans::marked(&bench.aws, &places, &lineage()).await.unwrap();
    marked.into_iter().map(|one| one.arn).collect()
}

#[tokio::test]
async fn marked_objects_are_those_that_their_services_and_the_tagging_api_tell() {
    let bench = account(|| {
        let group = |name: &str, arn: &str, tags: &str| {
            format!(
                "<member><AutoScalingGroupName>{name}</AutoScalingGroupName><AutoScalingGroupARN>{arn}</AutoScalingGroupARN>\
                 {tags}</member>"
            )
        };
        // An endpoint that ignores the filter tells of others, too.
        let (web, other) = (group("web", GROUP, &mark("phx:intent")), group("other", "arn:other", &mark("a")));
        Answer::Query(format!("<AutoScalingGroups>{web}{other}</AutoScalingGroups>"))
    });
    assert_eq!(arns(&bench).await, [GROUP, VPC, ROLE, USER]);
    let mut calls = bench.operations();
    calls.sort();
    // In the stack's region and in the one that tells what belongs to no region.
    let each = ["DescribeAutoScalingGroups", "DescribeAutoScalingGroups"];
    assert_eq!(calls, [&each[..], &["GetAccountAuthorizationDetails", "GetResources", "GetResources"]].concat());
}

#[tokio::test]
async fn groups_that_may_not_be_listed_keep_nothing_else_from_being_found() {
    let bench = account(|| Answer::XmlError(403, "AccessDenied"));
    assert_eq!(arns(&bench).await, [VPC, ROLE, USER]);
}

#[cfg(feature = "ec2")]
#[tokio::test]
async fn what_may_be_of_two_types_is_gone_if_it_is_neither() {
    let bench = kit::scripted(|request, _| {
        assert_eq!(request.operation, "DescribeSecurityGroupRules");
        Answer::Xml(
            "<DescribeSecurityGroupRulesResponse><securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId>\
             <groupId>sg-1</groupId><groupOwnerId>123456789012</groupOwnerId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol>\
             <fromPort>1</fromPort><toPort>1</toPort><cidrIpv4>10.0.0.0/8</cidrIpv4></item></securityGroupRuleSet>\
             </DescribeSecurityGroupRulesResponse>"
                .to_owned(),
        )
    });
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, &bench.aws);
    let rule = |id: &str| Marked {
        arn: format!("arn:aws:ec2:us-west-2:123456789012:security-group-rule/{id}"),
        intent: intent(1).as_str().to_owned(),
        provider: bench.cx.provider.clone(),
    };
    let unknown = Marked { arn: "arn:aws:ec2:us-west-2:123456789012:snapshot/snap-1".into(), ..rule("x") };
    let there = orphans::still_there(&registry, vec![rule("sgr-1"), rule("sgr-2"), unknown.clone()]).await;
    assert_eq!(there, [rule("sgr-1"), unknown]);
    assert_eq!(bench.operations().len(), 2);
}
