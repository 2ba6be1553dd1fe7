//! The sandbox as the SDK sees it, in process and over HTTP.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::Command;

use aws_credential_types::Credentials;
use aws_sdk_cloudwatchlogs::types::LogGroupClass;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, Filter, IpPermission, IpRange, ResourceType, SecurityGroupRuleRequest,
    SecurityGroupRuleUpdate, Tag, TagSpecification, UserIdGroupPair, VpcAttributeName,
};
use aws_sdk_iam::types::EntityType;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types as s3t;

use super::*;

/// The clients of a region over a sandbox, or over an endpoint.
macro_rules! client {
    ($service:ident, $http:expr) => {
        client!($service, $http, REGION)
    };
    ($service:ident, $http:expr, $region:expr) => {{
        let config = $service::Config::builder()
            .behavior_version($service::config::BehaviorVersion::latest())
            .region($service::config::Region::new($region))
            .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test"))
            .retry_config($service::config::retry::RetryConfig::disabled())
            .http_client($http);
        $service::Client::from_conf(config.build())
    }};
}

/// The code of the error that a call must answer with.
macro_rules! refused {
    ($call:expr, $code:expr) => {{
        let error = $call.send().await.unwrap_err();
        assert_eq!(error.code(), Some($code), "{error:?}");
    }};
}

// After the macros that it uses.
mod ec2_lives;
mod eks_lives;
mod guard_lives;
mod iam_lives;
mod instance_lives;
mod kms_lives;
mod logs_lives;
mod message_lives;
mod network;
mod orphan_lives;
mod rds_lives;
mod restore_lives;
mod secret_lives;

/// The resource types' own bench: whole lives of objects, as the engine leads them.
#[path = "../../../../resources/aws/tests/kit/mod.rs"]
mod kit;

/// The resource types before a sandbox.
fn bench(sandbox: &Sandbox) -> kit::Bench {
    let aws = phx_aws::Aws::builder().http_client(sandbox.http_client()).credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY);
    kit::over(aws.region(Some(REGION.to_owned())).build())
}

struct Clients {
    ec2: aws_sdk_ec2::Client,
    iam: aws_sdk_iam::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    s3: aws_sdk_s3::Client,
    sts: aws_sdk_sts::Client,
}

impl Clients {
    fn new(sandbox: &Sandbox) -> Self {
        Self {
            ec2: client!(aws_sdk_ec2, sandbox.http_client()),
            iam: client!(aws_sdk_iam, sandbox.http_client()),
            logs: client!(aws_sdk_cloudwatchlogs, sandbox.http_client()),
            s3: client!(aws_sdk_s3, sandbox.http_client()),
            sts: client!(aws_sdk_sts, sandbox.http_client()),
        }
    }
}

fn tags(kind: ResourceType, name: &str) -> TagSpecification {
    let tag = |k: &str, v: &str| Tag::builder().key(k).value(v).build();
    TagSpecification::builder()
        .resource_type(kind)
        .tags(tag("phx:intent", name))
        .tags(tag("Name", "naïve & <co>"))
        .build()
}

fn by(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// A sandbox with everything that phx's types make, made as they make it.
async fn furnish(c: &Clients) -> Furniture {
    let vpc = c.ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tags(ResourceType::Vpc, "vpc"));
    let vpc = vpc.send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let on = || AttributeBooleanValue::builder().value(true).build();
    c.ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on()).send().await.unwrap();
    let subnet = c.ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.1.0/24").availability_zone("us-west-2b");
    let subnet = subnet.tag_specifications(tags(ResourceType::Subnet, "subnet")).send().await.unwrap().subnet.unwrap();
    let subnet = subnet.subnet_id.unwrap();
    c.ec2.modify_subnet_attribute().subnet_id(&subnet).map_public_ip_on_launch(on()).send().await.unwrap();
    let igw = c.ec2.create_internet_gateway().tag_specifications(tags(ResourceType::InternetGateway, "igw"));
    let igw = igw.send().await.unwrap().internet_gateway.unwrap().internet_gateway_id.unwrap();
    c.ec2.attach_internet_gateway().internet_gateway_id(&igw).vpc_id(&vpc).send().await.unwrap();
    let eip = c.ec2.allocate_address().tag_specifications(tags(ResourceType::ElasticIp, "eip")).send().await.unwrap();
    let eip = eip.allocation_id.unwrap();
    let nat = c.ec2.create_nat_gateway().subnet_id(&subnet).allocation_id(&eip).client_token("nat-1");
    let nat = nat.tag_specifications(tags(ResourceType::Natgateway, "nat"));
    let first = nat.clone().send().await.unwrap().nat_gateway.unwrap().nat_gateway_id.unwrap();
    let again = nat.send().await.unwrap().nat_gateway.unwrap().nat_gateway_id.unwrap();
    assert_eq!(first, again, "a client token makes one object");
    let nat = first;
    let rtb = c.ec2.create_route_table().vpc_id(&vpc).tag_specifications(tags(ResourceType::RouteTable, "rtb"));
    let rtb = rtb.send().await.unwrap().route_table.unwrap().route_table_id.unwrap();
    let route = || c.ec2.create_route().route_table_id(&rtb);
    route().destination_cidr_block("0.0.0.0/0").gateway_id(&igw).send().await.unwrap();
    route().destination_cidr_block("10.9.0.0/16").nat_gateway_id(&nat).send().await.unwrap();
    let association = c.ec2.associate_route_table().route_table_id(&rtb).subnet_id(&subnet).send().await.unwrap();
    let sg = c.ec2.create_security_group().group_name("web").description("a group").vpc_id(&vpc);
    let sg = sg.tag_specifications(tags(ResourceType::SecurityGroup, "sg")).send().await.unwrap().group_id.unwrap();
    let peer = c.ec2.create_security_group().group_name("peer").description("peer").vpc_id(&vpc).send().await.unwrap();
    let peer = peer.group_id.unwrap();
    let permission = IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443);
    let open =
        permission.clone().ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").description("inside").build()).build();
    let group = permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(&peer).build()).build();
    let mut rules = Vec::new();
    for (name, permission) in [("r1", open), ("r2", group)] {
        let rule = c.ec2.authorize_security_group_ingress().group_id(&sg).ip_permissions(permission);
        let rule = rule.tag_specifications(tags(ResourceType::SecurityGroupRule, name)).send().await.unwrap();
        let [rule] = rule.security_group_rules() else { panic!("one rule: {rule:?}") };
        assert_eq!(rule.tags().len(), 2);
        rules.push(rule.security_group_rule_id().unwrap().to_owned());
    }

    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let tag = |k: &str, v: &str| aws_sdk_iam::types::Tag::builder().key(k).value(v).build().unwrap();
    let role =
        c.iam.create_role().role_name("app").path("/phx/").assume_role_policy_document(trust).description("für alle");
    let role = role.max_session_duration(7200).permissions_boundary("arn:aws:iam::aws:policy/PowerUserAccess");
    let role = role.tags(tag("phx:intent", "role")).tags(tag("Name", "é")).send().await.unwrap().role.unwrap();
    assert_eq!(role.arn(), format!("arn:aws:iam::{ACCOUNT_ID}:role/phx/app"));
    let policy = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceRole";
    c.iam.attach_role_policy().role_name("app").policy_arn(policy).send().await.unwrap();

    let group =
        c.logs.create_log_group().log_group_name("/phx/app").kms_key_id("arn:aws:kms:us-west-2:000000000000:key/1");
    let group =
        group.log_group_class(LogGroupClass::InfrequentAccess).deletion_protection_enabled(true).tags("Name", "é");
    group.send().await.unwrap();
    c.logs.put_retention_policy().log_group_name("/phx/app").retention_in_days(30).send().await.unwrap();

    let here = || s3t::CreateBucketConfiguration::builder().location_constraint(s3t::BucketLocationConstraint::UsWest2);
    c.s3.create_bucket().bucket("phx-data").create_bucket_configuration(here().build()).send().await.unwrap();
    let on = s3t::VersioningConfiguration::builder().status(s3t::BucketVersioningStatus::Enabled).build();
    c.s3.put_bucket_versioning().bucket("phx-data").versioning_configuration(on).send().await.unwrap();
    let kms =
        s3t::ServerSideEncryptionByDefault::builder().sse_algorithm(s3t::ServerSideEncryption::AwsKms).build().unwrap();
    let rule =
        s3t::ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(kms).bucket_key_enabled(true);
    let encryption = s3t::ServerSideEncryptionConfiguration::builder().rules(rule.build()).build().unwrap();
    c.s3.put_bucket_encryption()
        .bucket("phx-data")
        .server_side_encryption_configuration(encryption)
        .send()
        .await
        .unwrap();
    let tag = s3t::Tag::builder().key("Name").value("é").build().unwrap();
    let tagging = s3t::Tagging::builder().tag_set(tag).build().unwrap();
    c.s3.put_bucket_tagging().bucket("phx-data").tagging(tagging).send().await.unwrap();

    let association = association.association_id.unwrap();
    Furniture { vpc, subnet, igw, eip, nat, rtb, association, sg, peer, rules }
}

struct Furniture {
    vpc: String,
    subnet: String,
    igw: String,
    eip: String,
    nat: String,
    rtb: String,
    association: String,
    sg: String,
    peer: String,
    rules: Vec<String>,
}

/// Everything that phx reads, as text, one line an answer.
async fn look(c: &Clients) -> String {
    let mut lines = Vec::new();
    macro_rules! see {
        ($call:expr, $field:ident) => {
            lines.push(format!("{:#?}", $call.send().await.unwrap().$field))
        };
    }
    see!(c.ec2.describe_vpcs(), vpcs);
    see!(c.ec2.describe_subnets(), subnets);
    see!(c.ec2.describe_internet_gateways(), internet_gateways);
    see!(c.ec2.describe_addresses(), addresses);
    see!(c.ec2.describe_nat_gateways(), nat_gateways);
    see!(c.ec2.describe_route_tables(), route_tables);
    see!(c.ec2.describe_security_groups(), security_groups);
    see!(c.ec2.describe_security_group_rules(), security_group_rules);
    for vpc in c.ec2.describe_vpcs().send().await.unwrap().vpcs() {
        let attribute = c.ec2.describe_vpc_attribute().vpc_id(vpc.vpc_id().unwrap());
        see!(attribute.attribute(VpcAttributeName::EnableDnsHostnames), enable_dns_hostnames);
    }
    see!(c.iam.get_account_authorization_details().filter(EntityType::Role), role_detail_list);
    see!(c.iam.list_roles(), roles);
    for role in c.iam.list_roles().send().await.unwrap().roles() {
        see!(c.iam.get_role().role_name(role.role_name()), role);
        see!(c.iam.list_attached_role_policies().role_name(role.role_name()), attached_policies);
    }
    see!(c.logs.describe_log_groups(), log_groups);
    for group in c.logs.describe_log_groups().send().await.unwrap().log_groups() {
        let tags = c.logs.list_tags_for_resource().resource_arn(group.log_group_arn().unwrap());
        see!(tags, tags);
    }
    see!(c.s3.list_buckets(), buckets);
    for bucket in c.s3.list_buckets().send().await.unwrap().buckets() {
        let name = bucket.name().unwrap();
        see!(c.s3.get_bucket_versioning().bucket(name), status);
        see!(c.s3.get_bucket_encryption().bucket(name), server_side_encryption_configuration);
        see!(c.s3.get_public_access_block().bucket(name), public_access_block_configuration);
        see!(c.s3.get_bucket_tagging().bucket(name), tag_set);
        see!(c.s3.head_bucket().bucket(name), bucket_region);
    }
    lines.join("\n")
}

#[tokio::test]
async fn roles_show_what_they_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    furnish(&c).await;
    let identity = c.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some(ACCOUNT_ID));

    let role = c.iam.get_role().role_name("app").send().await.unwrap().role.unwrap();
    assert_eq!((role.description(), role.max_session_duration(), role.tags().len()), (Some("für alle"), Some(7200), 2));
    let trust = role.assume_role_policy_document().unwrap();
    assert!(trust.starts_with("%7B%22Version%22"), "documents come encoded: {trust}");
    assert_eq!(c.iam.list_role_tags().role_name("app").send().await.unwrap().tags().len(), 2);

    c.iam.update_assume_role_policy().role_name("app").policy_document("{}").send().await.unwrap();
    refused!(c.iam.update_assume_role_policy().role_name("app").policy_document("no"), "MalformedPolicyDocument");
    c.iam.update_role().role_name("app").description("new").max_session_duration(3600).send().await.unwrap();
    let tag = aws_sdk_iam::types::Tag::builder().key("Name").value("ü").build().unwrap();
    c.iam.tag_role().role_name("app").tags(tag.clone()).send().await.unwrap();
    c.iam.untag_role().role_name("app").tag_keys("phx:intent").send().await.unwrap();
    let details = || c.iam.get_account_authorization_details();
    let roles = details().filter(EntityType::Role).send().await.unwrap();
    let role = &roles.role_detail_list()[0];
    assert_eq!((role.assume_role_policy_document(), role.tags()), (Some("%7B%7D"), &[tag][..]));
    assert_eq!(role.attached_managed_policies()[0].policy_name(), Some("AmazonEC2ContainerServiceRole"));
    let boundary = role.permissions_boundary().and_then(|b| b.permissions_boundary_arn());
    assert_eq!(boundary, Some("arn:aws:iam::aws:policy/PowerUserAccess"));
    assert!(roles.policies().is_empty() && !details().send().await.unwrap().policies().is_empty());

    for n in 0..100 {
        c.iam.create_role().role_name(format!("r{n:03}")).assume_role_policy_document("{}").send().await.unwrap();
    }
    let first = details().filter(EntityType::Role).send().await.unwrap();
    let second = details().filter(EntityType::Role).marker(first.marker().unwrap()).send().await.unwrap();
    assert!(first.is_truncated() && !second.is_truncated());
    assert_eq!((first.role_detail_list().len(), second.role_detail_list().len()), (100, 1));

    refused!(c.iam.create_role().role_name("app").assume_role_policy_document("{}"), "EntityAlreadyExists");
    refused!(c.iam.delete_role().role_name("app"), "DeleteConflict");
    let policy = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceRole";
    c.iam.detach_role_policy().role_name("app").policy_arn(policy).send().await.unwrap();
    c.iam.delete_role().role_name("app").send().await.unwrap();
    refused!(c.iam.get_role().role_name("app"), "NoSuchEntity");
}

#[tokio::test]
async fn log_groups_keep_key_class_protection_and_retention() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    furnish(&c).await;
    let groups = c.logs.describe_log_groups().log_group_name_prefix("/phx").send().await.unwrap();
    let group = &groups.log_groups()[0];
    assert_eq!(group.retention_in_days(), Some(30));
    assert_eq!(group.log_group_class(), Some(&LogGroupClass::InfrequentAccess));
    assert_eq!(group.kms_key_id(), Some("arn:aws:kms:us-west-2:000000000000:key/1"));
    let arn = group.log_group_arn().unwrap();
    c.logs.tag_resource().resource_arn(arn).tags("b", "2").send().await.unwrap();
    c.logs.untag_resource().resource_arn(arn).tag_keys("Name").send().await.unwrap();
    let tags = c.logs.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap();
    assert_eq!(tags, [("b".to_owned(), "2".to_owned())].into());
    refused!(
        c.logs.put_retention_policy().log_group_name("/phx/app").retention_in_days(2),
        "InvalidParameterException"
    );
    refused!(c.logs.create_log_group().log_group_name("/phx/app"), "ResourceAlreadyExistsException");
    refused!(c.logs.delete_log_group().log_group_name("/phx/app"), "ValidationException");
    let protection = c.logs.put_log_group_deletion_protection().log_group_identifier("/phx/app");
    protection.deletion_protection_enabled(false).send().await.unwrap();
    c.logs.delete_log_group().log_group_name("/phx/app").send().await.unwrap();
    for n in 0..51 {
        c.logs.create_log_group().log_group_name(format!("/g/{n:02}")).send().await.unwrap();
    }
    let first = c.logs.describe_log_groups().send().await.unwrap();
    let second = c.logs.describe_log_groups().next_token(first.next_token().unwrap()).send().await.unwrap();
    assert_eq!((first.log_groups().len(), second.log_groups().len(), second.next_token()), (50, 1, None));
}

#[tokio::test]
async fn buckets_belong_to_the_account_and_keep_their_objects() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    furnish(&c).await;
    let block = c.s3.get_public_access_block().bucket("phx-data").send().await.unwrap();
    assert_eq!(
        block.public_access_block_configuration().unwrap().restrict_public_buckets(),
        Some(true),
        "as AWS makes buckets"
    );
    let off = s3t::PublicAccessBlockConfiguration::builder().block_public_acls(true).block_public_policy(false).build();
    c.s3.put_public_access_block().bucket("phx-data").public_access_block_configuration(off).send().await.unwrap();
    let block = c.s3.get_public_access_block().bucket("phx-data").send().await.unwrap();
    assert_eq!(block.public_access_block_configuration().unwrap().block_public_policy(), Some(false));
    refused!(c.s3.create_bucket().bucket("phx-other"), "IllegalLocationConstraintException");
    refused!(c.s3.get_bucket_tagging().bucket("absent"), "NoSuchBucket");
    let away = client!(aws_sdk_s3, sandbox.http_client(), "us-east-1");
    refused!(away.create_bucket().bucket("Wrong_Name"), "InvalidBucketName");
    refused!(away.create_bucket().bucket("phx-data"), "BucketAlreadyOwnedByYou");
    let head = away.head_bucket().bucket("phx-data").send().await.unwrap();
    assert_eq!(head.bucket_region(), Some(REGION), "found from another region");
    assert!(c.s3.head_bucket().bucket("absent").send().await.unwrap_err().into_service_error().is_not_found());

    let text = aws_sdk_s3::primitives::ByteStream::from_static(b"hello");
    c.s3.put_object().bucket("phx-data").key("a/b").body(text).send().await.unwrap();
    refused!(c.s3.delete_bucket().bucket("phx-data"), "BucketNotEmpty");
    drop((c, sandbox));
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    let object = c.s3.get_object().bucket("phx-data").key("a/b").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "hello");
    for version in c.s3.list_object_versions().bucket("phx-data").send().await.unwrap().versions() {
        let delete = c.s3.delete_object().bucket("phx-data").key("a/b");
        delete.version_id(version.version_id().unwrap()).send().await.unwrap();
    }
    c.s3.delete_bucket_tagging().bucket("phx-data").send().await.unwrap();
    refused!(c.s3.get_bucket_tagging().bucket("phx-data"), "NoSuchTagSet");
    c.s3.delete_bucket().bucket("phx-data").send().await.unwrap();
    assert!(c.s3.list_buckets().send().await.unwrap().buckets().is_empty());
}

#[tokio::test]
async fn state_survives_and_ids_do_not_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    furnish(&c).await;
    let before = look(&c).await;
    assert!(
        before.contains("naïve & <co>") && before.contains("10.9.0.0/16") && before.contains("PowerUserAccess"),
        "{before}"
    );
    sandbox.save().await.unwrap();
    drop((c, sandbox));
    for _ in 0..2 {
        let sandbox = Sandbox::open(dir.path()).await.unwrap();
        let c = Clients::new(&sandbox);
        assert_eq!(look(&c).await, before);
    }
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    c.ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    assert_eq!(c.ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 2, "a new object takes nobody's place");
}

/// What a process that is killed leaves is what was saved on the way.
#[tokio::test]
async fn changes_are_saved_without_being_asked() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    c.ec2.describe_vpcs().send().await.unwrap();
    sandbox.save().await.unwrap();
    assert!(!dir.path().join(STATE_FILE).exists(), "reading changes nothing");
    let vpc = c.ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let saved = async {
        while !fs::read_to_string(dir.path().join(STATE_FILE)).is_ok_and(|text| text.contains(&vpc)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), saved).await.unwrap();
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sandbox::open(dir.path()).await.unwrap();
    let pid = std::process::id();
    for second in [Sandbox::open(dir.path()).await, Sandbox::connect_or_open(dir.path()).await] {
        let error = second.unwrap_err();
        assert!(matches!(error, SandboxError::InUse { pid: p, .. } if p == pid), "{error}");
        assert!(error.to_string().contains(&format!("process {pid}")));
    }
    assert_eq!(status(dir.path()).await.unwrap(), Status::Run { pid });
    assert!(matches!(reset(dir.path()).await, Err(SandboxError::InUse { .. })));
    assert!(!stop(dir.path()).await.unwrap(), "a run is not a server");
    drop(first);
    assert_eq!(status(dir.path()).await.unwrap(), Status::Stopped);
    Sandbox::connect_or_open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_damaged_or_newer_state_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(STATE_FILE);
    for (text, newer) in [("{\"format\":1,\"ec2\":7}", false), ("", false), ("{\"format\":99,\"ec2\":7}", true)] {
        fs::write(&path, text).unwrap();
        let error = Sandbox::open(dir.path()).await.unwrap_err();
        assert_eq!(matches!(error, SandboxError::Newer { found: 99, .. }), newer, "{error}");
        assert!(newer || matches!(error, SandboxError::Damaged { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    reset(dir.path()).await.unwrap();
    Sandbox::open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&sandbox);
    let error = c.ec2.create_snapshot().volume_id("vol-1").send().await.unwrap_err();
    assert_eq!((error.code(), error.raw_response().unwrap().status().as_u16()), (Some("NotImplemented"), 501));
    let tagging = client!(aws_sdk_resourcegroupstagging, sandbox.http_client());
    let error = tagging.get_tag_keys().send().await.unwrap_err();
    assert_eq!((error.code(), error.raw_response().unwrap().status().as_u16()), (Some("NotImplemented"), 501));
    let body = error.raw_response().unwrap().body().bytes().unwrap();
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["__type"], "NotImplemented");
}

/// Whatever endpoint a profile or the environment might name: requests come to the sandbox. (192.0.2.0/24 is nobody's.)
#[tokio::test]
async fn nothing_leaves_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    furnish(&Clients::new(&sandbox)).await;
    for endpoint in ["http://192.0.2.1:9", "https://ec2.us-west-2.amazonaws.com", "https://phx.invalid"] {
        let ec2 = client!(aws_sdk_ec2, sandbox.http_client());
        let ec2 = aws_sdk_ec2::Client::from_conf(ec2.config().to_builder().endpoint_url(endpoint).build());
        assert_eq!(ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 1);
        let s3 = client!(aws_sdk_s3, sandbox.http_client());
        let s3 = s3.config().to_builder().endpoint_url(endpoint).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        assert!(s3.get_bucket_tagging().bucket("phx-data").send().await.is_ok());
    }
}

/// Not a test by itself: the server's process of the next one.
#[tokio::test]
async fn server_process() {
    if let Some(dir) = std::env::var_os("PHX_TEST_SANDBOX_DIR") {
        serve(Path::new(&dir), 0, |_| {}, std::future::pending()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_serves_the_same_account() {
    let dir = tempfile::tempdir().unwrap();
    let here = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&here);
    furnish(&c).await;
    let before = look(&c).await;
    drop((c, here));

    let command = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = module_path!().split_once("::").unwrap().1;
        command.args(["--exact", &format!("{name}::server_process")]).env("PHX_TEST_SANDBOX_DIR", dir.path());
        command
    };
    let started = start(dir.path(), command()).await.unwrap();
    let Status::Server { port, .. } = started else { panic!("{started:?}") };
    assert_eq!(start(dir.path(), command()).await.unwrap(), started, "one is enough");
    assert_eq!(status(dir.path()).await.unwrap(), started);
    assert_eq!(started.exports()[0], ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")));
    assert!(matches!(Sandbox::open(dir.path()).await, Err(SandboxError::InUse { .. })));

    let there = Sandbox::connect_or_open(dir.path()).await.unwrap();
    assert_eq!(there.endpoint(), started.endpoint());
    let c = Clients::new(&there);
    assert_eq!(look(&c).await, before);
    c.ec2.create_vpc().cidr_block("10.1.0.0/16").send().await.unwrap();

    // As other tools come: with the endpoint for a host, and buckets in the path.
    let raw = |path: &str, headers: &[(&'static str, String)]| {
        let mut map = http::HeaderMap::new();
        map.extend(headers.iter().map(|(n, v)| (http::HeaderName::from_static(n), v.parse().unwrap())));
        let path_and_query = path.to_owned();
        emulator::Request {
            method: "GET".into(),
            host: format!("127.0.0.1:{port}"),
            path_and_query,
            headers: map,
            body: bytes::Bytes::new(),
        }
    };
    let scope = "AWS4-HMAC-SHA256 Credential=x/20260101/us-west-2/s3/aws4_request, SignedHeaders=host, Signature=0";
    let answer =
        client::exchange(port, raw("/phx-data?versioning", &[("authorization", scope.to_owned())])).await.unwrap();
    assert!(String::from_utf8_lossy(answer.body()).contains("<Status>Enabled</Status>"), "{answer:?}");
    let answer = client::exchange(port, raw("/_phx/stop", &[("x-phx-token", "guess".to_owned())])).await.unwrap();
    assert_eq!(answer.status(), 403);

    assert!(stop(dir.path()).await.unwrap());
    assert!(!stop(dir.path()).await.unwrap());
    let here = Sandbox::open(dir.path()).await.unwrap();
    let c = Clients::new(&here);
    assert_eq!(c.ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 2, "the server saved what it was told last");
    drop((c, here));

    start(dir.path(), command()).await.unwrap();
    reset(dir.path()).await.unwrap();
    let there = Sandbox::connect_or_open(dir.path()).await.unwrap();
    let c = Clients::new(&there);
    assert!(c.ec2.describe_vpcs().send().await.unwrap().vpcs().is_empty());
    assert!(c.iam.list_roles().send().await.unwrap().roles().is_empty());
    assert!(c.logs.describe_log_groups().send().await.unwrap().log_groups().is_empty());
    assert!(c.s3.list_buckets().send().await.unwrap().buckets().is_empty());
    stop(dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo no such luck >&2; exit 3"]);
    let error = start(dir.path(), command).await.unwrap_err().to_string();
    assert!(error.contains("no such luck") && error.contains("exit status: 3"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = serve(dir.path(), port, |_| {}, std::future::pending()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("--port"), "{error}");
}
