//! Lookups: how many calls they take, and what of the answers they choose.

use std::collections::BTreeMap;
use std::sync::Arc;

use phx_aws::Aws;
use phx_aws::ids::VpcId;
use phx_aws::lookup::{
    AddonVersions, Ami, AvailabilityZones, CallerIdentity, ClusterVersions, EngineVersions, ExistingHostedZone,
    ExistingKmsKey, ExistingRole, ExistingSecret, ExistingSecurityGroup, ExistingSubnets, ExistingVpc, Lookups,
    Parameter, Partition, PrefixList,
};
use phx_model::config::ConfigSource;
use phx_model::provider::Provider;
use phx_model::urn::StackName;
use phx_model::{Lookup, Stack};
use serde_json::json;

use crate::kit::{self, Answer, Bench};

/// A stack whose lookups are answered by the bench's endpoint. What it asks first, whose credentials these are, is answered here.
fn stack(script: impl Fn(&kit::Request, usize) -> Answer + Send + Sync + 'static) -> (Bench, Stack) {
    let bench = kit::scripted(move |request, n| match request.operation.as_str() {
        "GetCallerIdentity" => Answer::Query(
            "<Arn>arn:aws:iam::123456789012:user/me</Arn><UserId>AIDA1</UserId><Account>123456789012</Account>".into(),
        ),
        _ => script(request, n),
    });
    let stack = over(&bench.aws);
    (bench, stack)
}

fn over(aws: &Aws) -> Stack {
    let name = |text| StackName::new(text).unwrap();
    Stack::new(name("p"), name("s"), ConfigSource::default(), BTreeMap::new())
        .with_lookups(Arc::new(Lookups::new(aws.clone())))
}

/// The calls but the first one, which checks the account.
fn calls(bench: &Bench) -> Vec<String> {
    let all = bench.operations();
    assert_eq!(all[0], "GetCallerIdentity");
    all[1..].to_vec()
}

fn said<L: Lookup<Answer: std::fmt::Debug>>(stack: &Stack, lookup: L) -> String {
    stack.lookup(lookup).unwrap_err().to_string()
}

fn list(operation: &str, set: &str, items: &[String]) -> Answer {
    let items: String = items.iter().map(|item| format!("<item>{item}</item>")).collect();
    Answer::Xml(format!("<{operation}Response><{set}>{items}</{set}></{operation}Response>"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_and_where_take_one_call() {
    let (bench, stack) = stack(|request, _| panic!("{request:?}"));
    let (me, here) = stack.lookup_all((CallerIdentity::new(), Partition::new())).unwrap();
    assert_eq!((me.account_id.as_str(), me.user_id.as_str()), ("123456789012", "AIDA1"));
    assert_eq!(
        (here.region.as_str(), here.partition.as_str(), here.dns_suffix.as_str()),
        ("us-east-1", "aws", "amazonaws.com")
    );
    assert_eq!(stack.lookup(CallerIdentity::new()).unwrap(), me);
    assert_eq!(calls(&bench), [""; 0]);
    assert_eq!(bench.aws.api_calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_asked_for_once_and_chosen_from() {
    let (bench, stack) = stack(|request, _| {
        assert_eq!(
            (request.operation.as_str(), &request.body["AllAvailabilityZones"]),
            ("DescribeAvailabilityZones", &json!("true"))
        );
        let zone = |name: &str, kind: &str, opted: &str, state: &str| {
            format!(
                "<zoneName>{name}</zoneName><zoneId>id-{name}</zoneId><zoneType>{kind}</zoneType><optInStatus>{opted}</optInStatus><zoneState>{state}</zoneState><groupName>g</groupName>"
            )
        };
        list(
            "DescribeAvailabilityZones",
            "availabilityZoneInfo",
            &[
                zone("b", "availability-zone", "opt-in-not-required", "available"),
                zone("a", "availability-zone", "opt-in-not-required", "available"),
                zone("c", "availability-zone", "opt-in-not-required", "impaired"),
                zone("lax", "local-zone", "not-opted-in", "available"),
            ],
        )
    });
    let names =
        |lookup: AvailabilityZones| stack.lookup(lookup).unwrap().into_iter().map(|z| z.name).collect::<Vec<_>>();
    let usual = || AvailabilityZones::new().state("available").zone_type("availability-zone");
    assert_eq!(names(usual()), ["a", "b"]);
    assert_eq!(names(AvailabilityZones::new()), ["a", "b", "c", "lax"]);
    assert_eq!(names(AvailabilityZones::new().opt_in_status("not-opted-in").opt_in_status("opted-in")), ["lax"]);
    let none = said(&stack, AvailabilityZones::new().state("constrained"));
    assert!(none.starts_with("the lookup aws:ec2:AvailabilityZones {\"state\":\"constrained\"}: there is no such zone in us-east-1\n  hint: "), "{none}");
    assert_eq!(calls(&bench), ["DescribeAvailabilityZones"]);
    // Another place is asked for itself.
    let replica = stack.provider("replica", Provider::new().region("eu-west-1")).unwrap();
    stack.with_provider(&replica).lookup(usual()).unwrap();
    assert_eq!(calls(&bench).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_asked_for_ten_at_a_time() {
    let (bench, stack) = stack(|request, _| {
        let names = request.body["Names"].as_array().unwrap().clone();
        assert!(names.len() <= 10, "{request:?}");
        let one = |name: &serde_json::Value| {
            let kind = if name == "/p/secret" { "SecureString" } else { "String" };
            let (bare, selector) = name
                .as_str()
                .unwrap()
                .split_once(':')
                .map_or((name.as_str().unwrap(), None), |(n, s)| (n, Some(format!(":{s}"))));
            json!({"Name": bare, "Selector": selector, "Value": format!("value of {bare}"), "Type": kind, "Version": 3, "ARN": format!("arn:{bare}")})
        };
        let found: Vec<_> = names.iter().filter(|name| *name != "/p/none").map(one).collect();
        Answer::Json(json!({"Parameters": found, "InvalidParameters": []}))
    });
    let many: Vec<Parameter> = (0..23).map(|n| Parameter::new(format!("/p/{n}"))).collect();
    let found = stack.lookup_all(many).unwrap();
    assert_eq!((found.len(), found[22].value.as_str(), found[22].version), (23, "value of /p/22", 3));
    assert_eq!(calls(&bench), ["GetParameters"; 3]);
    assert_eq!(stack.lookup(Parameter::new("/p/7")).unwrap(), found[7]);
    assert_eq!(stack.lookup_all([Parameter::new("/p/1"), Parameter::new("/p/1")]).unwrap()[0], found[1]);
    assert_eq!(calls(&bench).len(), 3, "what was asked before is not asked again");
    assert_eq!(stack.lookup(Parameter::new("/p/x:2")).unwrap().value, "value of /p/x");
    let none = said(&stack, Parameter::new("/p/none"));
    assert!(none.contains("{\"name\":\"/p/none\"}: there is no such parameter in us-east-1"), "{none}");
    let secret = said(&stack, Parameter::new("/p/secret"));
    assert!(secret.contains("SecureString") && !secret.contains("value of"), "{secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_the_same_owners_are_asked_for_at_once_and_the_newest_is_meant() {
    let (bench, stack) = stack(|request, _| {
        let image = |id: &str, name: &str, made: &str| {
            format!(
                "<imageId>{id}</imageId><name>{name}</name><creationDate>{made}</creationDate><architecture>arm64</architecture><imageOwnerId>1</imageOwnerId>"
            )
        };
        assert_eq!((&request.body["Owner.1"], &request.body["Filter.1.Name"]), (&json!("amazon"), &json!("name")));
        list(
            "DescribeImages",
            "imagesSet",
            &[
                image("ami-1", "al2023-1-arm64", "2026-01-01T00:00:00.000Z"),
                image("ami-2", "al2023-2-arm64", "2026-02-01T00:00:00.000Z"),
                image("ami-3", "bottlerocket-1", "2026-03-01T00:00:00.000Z"),
            ],
        )
    });
    let ami = |name: &str| Ami::new(["amazon"], name).architecture("arm64");
    let [linux, bottle] = stack.lookup_all([ami("al2023-*-arm64"), ami("bottlerocket-?")]).unwrap();
    assert_eq!((linux.id.as_str(), bottle.id.as_str()), ("ami-2", "ami-3"));
    assert_eq!(calls(&bench), ["DescribeImages"]);
    let several = said(&stack, ami("al2023-*-arm64").only(true));
    assert!(
        several.contains("2 images in us-east-1 are like this: ami-2 (al2023-2-arm64), ami-1 (al2023-1-arm64)"),
        "{several}"
    );
    assert!(said(&stack, ami("ubuntu-*")).contains("no such image"));
    assert!(said(&stack, Ami::new([""; 0], "x")).contains("names no owner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_are_found_by_name_tag_range_and_id() {
    let tags = |name: &str| format!("<tagSet><item><key>Name</key><value>{name}</value></item></tagSet>");
    let (bench, stack) = stack(move |request, _| match request.operation.as_str() {
        "DescribeVpcs" => {
            let vpc = |id: &str, range: &str, name: &str| {
                format!(
                    "<vpcId>{id}</vpcId><cidrBlock>{range}</cidrBlock><ownerId>123456789012</ownerId><isDefault>{}</isDefault>{}",
                    name == "default",
                    tags(name)
                )
            };
            list(
                "DescribeVpcs",
                "vpcSet",
                &[
                    vpc("vpc-1", "10.0.0.0/16", "main"),
                    vpc("vpc-2", "10.1.0.0/16", "other"),
                    vpc("vpc-3", "10.2.0.0/16", "other"),
                    vpc("vpc-4", "172.31.0.0/16", "default"),
                ],
            )
        }
        "DescribeSubnets" => {
            let of: Vec<&str> = (1..9).filter_map(|n| request.body[format!("Filter.1.Value.{n}")].as_str()).collect();
            let subnet = |vpc: &str, zone: &str| {
                format!(
                    "<subnetId>subnet-{vpc}-{zone}</subnetId><vpcId>{vpc}</vpcId><availabilityZone>{zone}</availabilityZone><cidrBlock>10.0.0.0/24</cidrBlock>{}",
                    tags(zone)
                )
            };
            let all: Vec<String> = of.iter().flat_map(|vpc| [subnet(vpc, "b"), subnet(vpc, "a")]).collect();
            list("DescribeSubnets", "subnetSet", &all)
        }
        "DescribeSecurityGroups" => {
            let vpc = request.body["Filter.1.Value.1"].as_str();
            let group = |id: &str, name: &str, vpc: &str| {
                format!(
                    "<groupId>{id}</groupId><groupName>{name}</groupName><vpcId>{vpc}</vpcId><ownerId>9</ownerId><groupDescription>d</groupDescription>"
                )
            };
            let all =
                [group("sg-1", "default", "vpc-1"), group("sg-2", "web", "vpc-1"), group("sg-3", "default", "vpc-2")];
            list("DescribeSecurityGroups", "securityGroupInfo", if vpc.is_some() { &all[..2] } else { &all })
        }
        "DescribeManagedPrefixLists" => {
            let one = |id: &str, name: &str, owner: &str| {
                format!(
                    "<prefixListId>{id}</prefixListId><prefixListName>{name}</prefixListName><ownerId>{owner}</ownerId>"
                )
            };
            list(
                "DescribeManagedPrefixLists",
                "prefixListSet",
                &[one("pl-1", "com.amazonaws.us-east-1.s3", "AWS"), one("pl-2", "office", "123456789012")],
            )
        }
        other => panic!("{other}"),
    });
    let (main, by_range, by_id, default) = stack
        .lookup_all((
            ExistingVpc::named("main"),
            ExistingVpc::named("other").cidr_block("10.2.0.0/16"),
            ExistingVpc::of_id("vpc-2"),
            ExistingVpc::of_region(),
        ))
        .unwrap();
    assert_eq!(
        [main.id.as_str(), by_range.id.as_str(), by_id.id.as_str(), default.id.as_str()],
        ["vpc-1", "vpc-3", "vpc-2", "vpc-4"]
    );
    let several = said(&stack, ExistingVpc::named("other"));
    assert!(
        several.contains("2 VPCs in us-east-1 are like this: vpc-2, vpc-3") && several.contains("hint: say more of"),
        "{several}"
    );
    assert!(said(&stack, ExistingVpc::tagged("a", "b")).contains("there is no such VPC in us-east-1"));
    assert_eq!(calls(&bench), ["DescribeVpcs"]);

    let of = |id: &str| ExistingSubnets::of_vpc(&VpcId::new(id));
    let [one, two] = stack.lookup_all([of("vpc-1"), of("vpc-2")]).unwrap();
    let ids = |subnets: &[phx_aws::lookup::Subnet]| subnets.iter().map(|s| s.id.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (ids(&one), ids(&two)),
        (
            vec!["subnet-vpc-1-a".into(), "subnet-vpc-1-b".into()],
            vec!["subnet-vpc-2-a".into(), "subnet-vpc-2-b".into()]
        )
    );
    assert_eq!(ids(&stack.lookup(of("vpc-1").availability_zone("b")).unwrap()), ["subnet-vpc-1-b"]);
    assert_eq!(ids(&stack.lookup(of("vpc-2").tag("Name", "a")).unwrap()), ["subnet-vpc-2-a"]);
    let missing = said(&stack, of("vpc-1").ids(["subnet-vpc-1-a", "subnet-9"]));
    assert!(missing.contains("there is no such subnet as subnet-9"), "{missing}");
    assert_eq!(calls(&bench)[1..], ["DescribeSubnets"]);

    let vpc = VpcId::new("vpc-1");
    let web = stack.lookup(ExistingSecurityGroup::named(&vpc, "web")).unwrap();
    assert_eq!((web.id.as_str(), web.arn.as_str()), ("sg-2", "arn:aws:ec2:us-east-1:9:security-group/sg-2"));
    assert_eq!(stack.lookup(ExistingSecurityGroup::named(&vpc, "default")).unwrap().id.as_str(), "sg-1");
    assert_eq!(stack.lookup(ExistingSecurityGroup::of_id("sg-3")).unwrap().vpc_id.as_str(), "vpc-2");
    let (s3, office) = stack.lookup_all((PrefixList::of_service("s3"), PrefixList::named("office"))).unwrap();
    assert_eq!((s3.id.as_str(), office.owner_id.as_str()), ("pl-1", "123456789012"));
    assert!(said(&stack, PrefixList::of_service("dynamodb")).contains("no such prefix list"));
    assert_eq!(calls(&bench)[2..], ["DescribeSecurityGroups", "DescribeSecurityGroups", "DescribeManagedPrefixLists"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_add_ons_of_a_kubernetes_version_take_one_listing() {
    let (bench, stack) = stack(|request, _| {
        assert_eq!(request.operation, "GET /addons/supported-versions");
        let kubernetes = request.uri.split("kubernetesVersion=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let version = |v: &str, default: bool| json!({"addonVersion": v, "compatibilities": [{"clusterVersion": kubernetes, "defaultVersion": default}]});
        if request.uri.contains("nextToken") {
            return Answer::Json(
                json!({"addons": [{"addonName": "kube-proxy", "addonVersions": [version("v1.33.0-eksbuild.2", true)]}]}),
            );
        }
        let versions = [
            version("v1.9.3-eksbuild.1", false),
            version("v1.10.0-eksbuild.1", false),
            version("v1.9.5-eksbuild.10", true),
        ];
        Answer::Json(json!({"addons": [{"addonName": "vpc-cni", "addonVersions": versions}], "nextToken": "more"}))
    });
    let of = |name: &str| AddonVersions::new(name, "1.33");
    let [cni, proxy] = stack.lookup_all([of("vpc-cni"), of("kube-proxy")]).unwrap();
    assert_eq!(
        (cni.default_version.as_deref(), cni.latest_version.as_str()),
        (Some("v1.9.5-eksbuild.10"), "v1.10.0-eksbuild.1")
    );
    assert_eq!(cni.versions, ["v1.10.0-eksbuild.1", "v1.9.5-eksbuild.10", "v1.9.3-eksbuild.1"]);
    assert_eq!(proxy.default_version.as_deref(), Some("v1.33.0-eksbuild.2"));
    assert!(said(&stack, of("none")).contains("no such add-on"));
    assert_eq!(calls(&bench).len(), 2, "two pages");
    stack.lookup(AddonVersions::new("vpc-cni", "1.34")).unwrap();
    assert_eq!(calls(&bench).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_kubernetes_and_of_engines_are_in_their_order() {
    let (bench, stack) = stack(|request, _| match request.operation.as_str() {
        "GET /cluster-versions" => {
            let one = |v: &str, status: &str, default: bool| json!({"clusterVersion": v, "versionStatus": status, "defaultVersion": default, "endOfStandardSupportDate": 1_800_000_000});
            Answer::Json(
                json!({"clusterVersions": [one("1.9", "EXTENDED_SUPPORT", false), one("1.33", "STANDARD_SUPPORT", true), one("1.34", "STANDARD_SUPPORT", false)]}),
            )
        }
        "DescribeDBEngineVersions" => {
            let one = |v: &str, major: &str| {
                format!(
                    "<DBEngineVersion><Engine>postgres</Engine><EngineVersion>{v}</EngineVersion><MajorEngineVersion>{major}</MajorEngineVersion><DBParameterGroupFamily>postgres{major}</DBParameterGroupFamily><Status>available</Status></DBEngineVersion>"
                )
            };
            let versions = match request.body["DefaultOnly"].as_str() {
                Some(_) => {
                    assert_eq!(request.body["EngineVersion"], "16");
                    one("16.4", "16")
                }
                None => [one("16.9", "16"), one("16.10", "16"), one("17.1", "17")].concat(),
            };
            Answer::Query(format!("<DBEngineVersions>{versions}</DBEngineVersions>"))
        }
        other => panic!("{other}"),
    });
    let kubernetes = stack.lookup(ClusterVersions::new()).unwrap();
    assert_eq!((kubernetes.default_version.as_deref(), kubernetes.latest_version.as_str()), (Some("1.33"), "1.34"));
    assert_eq!(kubernetes.versions.iter().map(|v| v.version.as_str()).collect::<Vec<_>>(), ["1.34", "1.33", "1.9"]);
    assert_eq!(kubernetes.versions[0].end_of_standard_support, Some(1_800_000_000));
    let postgres = || EngineVersions::new("postgres");
    let (all, major) = stack.lookup_all((postgres(), postgres().version("16"))).unwrap();
    assert_eq!((all.latest_version.as_str(), all.parameter_group_family.as_str()), ("17.1", "postgres17"));
    assert_eq!((major.latest_version.as_str(), major.default_version.as_deref()), ("16.10", None));
    assert_eq!(calls(&bench), ["GET /cluster-versions", "DescribeDBEngineVersions"]);
    let default = stack.lookup(postgres().version("16").with_default(true)).unwrap();
    assert_eq!(default.default_version.as_deref(), Some("16.4"));
    assert_eq!(calls(&bench).len(), 3);
    assert!(said(&stack, postgres().version("9")).contains("no such version of an engine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_lead_to_zones_secrets_roles_and_keys() {
    let (bench, stack) = stack(|request, _| {
        match request.operation.as_str() {
        "GET /2013-04-01/hostedzone" => {
            let zone = |id: &str, name: &str, private: bool| format!("<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}</Name><CallerReference>r</CallerReference><Config><PrivateZone>{private}</PrivateZone></Config><ResourceRecordSetCount>3</ResourceRecordSetCount></HostedZone>");
            let zones = [zone("Z1", "example.com.", false), zone("Z2", "example.com.", true)].concat();
            Answer::Xml(format!("<ListHostedZonesResponse><HostedZones>{zones}</HostedZones><Marker></Marker><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesResponse>"))
        }
        "ListSecrets" => {
            let filter = &request.body["Filters"][0];
            assert!(filter["Key"] == "name" || filter["Key"] == "tag-key", "{request:?}");
            // By the beginning of the name, as AWS does.
            let one = |name: &str| json!({"Name": name, "ARN": format!("arn:aws:secretsmanager:us-east-1:1:secret:{name}-AbCdEf"), "Tags": [{"Key": "app", "Value": name}]});
            Answer::Json(json!({"SecretList": [one("db"), one("db-replica"), one("api")]}))
        }
        "GetRole" if request.body["RoleName"] == "deploy" => Answer::Query(
            "<Role><RoleName>deploy</RoleName><Arn>arn:aws:iam::1:role/a/deploy</Arn><RoleId>AROA1</RoleId><Path>/a/</Path><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>".into(),
        ),
        "GetRole" => Answer::XmlError(404, "NoSuchEntity"),
        "ListAliases" => {
            let one = |name: &str, key: Option<&str>| json!({"AliasName": name, "AliasArn": format!("arn:aws:kms:us-east-1:1:{name}"), "TargetKeyId": key});
            Answer::Json(json!({"Aliases": [one("alias/app", Some("k-1")), one("alias/aws/ebs", None)]}))
        }
        other => panic!("{other}"),
    }
    });
    let (public, private) = stack
        .lookup_all((
            ExistingHostedZone::named("Example.com"),
            ExistingHostedZone::named("example.com.").private_zone(true),
        ))
        .unwrap();
    assert_eq!(
        (public.id.as_str(), public.arn.as_str(), public.name.as_str()),
        ("Z1", "arn:aws:route53:::hostedzone/Z1", "example.com")
    );
    assert_eq!((private.id.as_str(), private.record_count), ("Z2", 3));
    assert_eq!(calls(&bench), ["GET /2013-04-01/hostedzone"]);
    assert!(said(&stack, ExistingHostedZone::named("example.org")).contains("no such hosted zone"));

    let [db, api] = stack.lookup_all([ExistingSecret::named("db"), ExistingSecret::named("api")]).unwrap();
    assert_eq!((db.name.as_str(), api.arn.as_str()), ("db", "arn:aws:secretsmanager:us-east-1:1:secret:api-AbCdEf"));
    assert_eq!(calls(&bench)[1..], ["ListSecrets"]);
    assert_eq!(stack.lookup(ExistingSecret::tagged("app", "db-replica")).unwrap().name, "db-replica");

    let role = stack.lookup(ExistingRole::named("deploy")).unwrap();
    assert_eq!((role.arn.as_str(), role.path.as_str()), ("arn:aws:iam::1:role/a/deploy", "/a/"));
    assert!(said(&stack, ExistingRole::named("none")).contains("no such role"));

    let key = stack.lookup(ExistingKmsKey::of_alias("app")).unwrap();
    assert_eq!((key.key_id.as_str(), key.key_arn.as_str()), ("k-1", "arn:aws:kms:us-east-1:1:key/k-1"));
    assert!(said(&stack, ExistingKmsKey::of_alias("alias/aws/ebs")).contains("leads to no key yet"));
    assert!(said(&stack, ExistingKmsKey::of_alias("none")).contains("no such alias"));
    assert_eq!(calls(&bench)[3..], ["GetRole", "GetRole", "ListAliases"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_asked_again_and_what_did_not_is_not() {
    let (bench, stack) = stack(|request, n| match request.operation.as_str() {
        "ListAliases" => Answer::Json(json!({"Aliases": []})),
        "DescribeVpcs" if n < 3 => Answer::XmlError(403, "UnauthorizedOperation"),
        _ => list(
            "DescribeVpcs",
            "vpcSet",
            &["<vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/16</cidrBlock><isDefault>true</isDefault>".into()],
        ),
    });
    stack.lookup(ExistingKmsKey::of_alias("x")).unwrap_err();
    let error = said(&stack, ExistingVpc::of_region());
    assert!(error.contains("ec2:DescribeVpcs: UnauthorizedOperation: says AWS (request req-1)"), "{error}");
    assert_eq!(stack.lookup(ExistingVpc::of_region()).unwrap().id.as_str(), "vpc-1");
    stack.lookup(ExistingKmsKey::of_alias("y")).unwrap_err();
    assert_eq!(calls(&bench), ["ListAliases", "DescribeVpcs", "DescribeVpcs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_by_the_credentials_of_another_account() {
    let bench = kit::scripted(|request, _| {
        assert_eq!(request.operation, "GetCallerIdentity");
        Answer::Query(
            "<Arn>arn:aws:iam::999999999999:user/me</Arn><UserId>u</UserId><Account>999999999999</Account>".into(),
        )
    });
    let error = said(&over(&bench.aws), AvailabilityZones::new());
    assert!(error.contains("belong to the AWS account 999999999999, and the stack is for 123456789012"), "{error}");
}
