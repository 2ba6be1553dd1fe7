//! Lookups on moto, of what it has from the beginning and of what is made for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use phx_aws::Aws;
use phx_aws::lookup::{
    Ami, AvailabilityZones, CallerIdentity, ExistingHostedZone, ExistingKmsKey, ExistingRole, ExistingSecret,
    ExistingSecurityGroup, ExistingSubnets, ExistingVpc, Lookups, Parameter, PrefixList,
};
use phx_model::Stack;
use phx_model::config::ConfigSource;
use phx_model::provider::Provider;
use phx_model::urn::StackName;
use phx_tests::emulator::Emulator;
use serde_json::json;

use crate::kit;

const IMAGE: &str = "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2";

fn stack(aws: &Aws) -> Stack {
    let name = |text| StackName::new(text).unwrap();
    Stack::new(name("p"), name("s"), ConfigSource::default(), BTreeMap::new())
        .with_lookups(Arc::new(Lookups::new(aws.clone())))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_account_has_is_found() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let stack = stack(&bench.aws);
    let (me, zones, vpc) = stack
        .lookup_all((
            CallerIdentity::new(),
            AvailabilityZones::new().state("available").zone_type("availability-zone"),
            ExistingVpc::of_region(),
        ))
        .unwrap();
    assert_eq!(
        (me.account_id.as_str(), vpc.cidr_block.as_str(), vpc.is_default),
        ("123456789012", "172.31.0.0/16", true)
    );
    let names: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names[..2], ["us-west-2a", "us-west-2b"]);
    let (subnets, group) =
        stack.lookup_all((ExistingSubnets::of_vpc(&vpc.id), ExistingSecurityGroup::named(&vpc.id, "default"))).unwrap();
    let of: Vec<&str> = subnets.iter().map(|subnet| subnet.availability_zone.as_str()).collect();
    assert_eq!(of, names);
    assert_eq!(group.vpc_id, vpc.id);
    let (image, newest) =
        stack.lookup_all((Parameter::new(IMAGE), Ami::new(["amazon"], "amzn*-ami-hvm-*-x86_64-*"))).unwrap();
    assert!(image.value.starts_with("ami-") && newest.id.starts_with("ami-"), "{image:?} {newest:?}");
    let s3 = stack.lookup(PrefixList::of_service("s3")).unwrap();
    assert!(s3.id.as_str().starts_with("pl-"), "{s3:?}");

    // In another region, and in another account.
    let there = Provider::new().region("eu-west-1").assume_role("arn:aws:iam::210987654321:role/phx");
    let there = stack.with_provider(&stack.provider("tenant", there).unwrap());
    let them = there.lookup(CallerIdentity::new()).unwrap();
    let (zones, theirs) = there.lookup_all((AvailabilityZones::new(), ExistingVpc::of_region())).unwrap();
    assert_eq!((them.account_id.as_str(), zones[0].name.as_str()), ("210987654321", "eu-west-1a"));
    assert_eq!(theirs.owner_id, them.account_id);
    assert_ne!(theirs.id, vpc.id);
    let error = there.lookup(ExistingVpc::named("none")).unwrap_err().to_string();
    assert!(
        error.starts_with("the lookup aws:ec2:Vpc {\"tags\":{\"Name\":\"none\"}} in 210987654321/eu-west-1: "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_made_is_found_by_its_name() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = async |name: &str, want| bench.create(name, &want, 1).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    let vpc = made("aws:ec2:Vpc", json!({"cidr_block": "10.9.0.0/16", "tags": {"Name": "main"}})).await.id;
    let subnet =
        json!({"vpc_id": vpc, "cidr_block": "10.9.1.0/24", "availability_zone": "us-west-2a", "tags": {"Tier": "db"}});
    let subnet = made("aws:ec2:Subnet", subnet).await.id;
    let zone = made("aws:route53:HostedZone", json!({"name": "example.com"})).await.id;
    made("aws:secretsmanager:Secret", json!({"name": "app/db", "secret_string": "hunter2", "tags": {"app": "x"}}))
        .await;
    made("aws:iam:Role", json!({"role_name": "deploy", "path": "/a/", "assume_role_policy_document": document})).await;
    let key = made("aws:kms:Key", json!({"description": "k", "pending_window_in_days": 7})).await.id;
    made("aws:kms:Alias", json!({"alias_name": "alias/app", "target_key_id": key})).await;
    made("aws:ssm:Parameter", json!({"name": "/app/url", "type": "String", "insecure_value": "v"})).await;

    let stack = stack(&bench.aws);
    let found = stack.lookup(ExistingVpc::named("main")).unwrap();
    assert_eq!(found.id.as_str(), vpc);
    let subnets = stack.lookup(ExistingSubnets::of_vpc(&found.id).tag("Tier", "db")).unwrap();
    assert_eq!(subnets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), [subnet]);
    let (public, secret, role, alias, parameter) = stack
        .lookup_all((
            ExistingHostedZone::named("example.com"),
            ExistingSecret::named("app/db"),
            ExistingRole::named("deploy"),
            ExistingKmsKey::of_alias("app"),
            Parameter::new("/app/url"),
        ))
        .unwrap();
    assert_eq!(public.id.as_str(), zone);
    assert!(
        secret.arn.as_str().starts_with("arn:aws:secretsmanager:us-west-2:123456789012:secret:app/db-"),
        "{secret:?}"
    );
    assert!(!format!("{secret:?}").contains("hunter2"));
    assert_eq!(role.arn.as_str(), "arn:aws:iam::123456789012:role/a/deploy");
    assert_eq!((alias.key_id.as_str(), parameter.value.as_str()), (key.as_str(), "v"));
    assert_eq!(alias.key_arn.as_str(), format!("arn:aws:kms:us-west-2:123456789012:key/{key}"));
    assert_eq!(stack.lookup(ExistingSecret::tagged("app", "x")).unwrap(), secret);
}
