//! The tables are well formed, and what is made of them is what they say. The types are those of the default features.

use std::collections::BTreeSet;

use phx_model::ValueMap;
use serde_json::{Value as Json, json};

use super::*;

fn fields(json: Json) -> ValueMap {
    match phx_model::Value::from(json) {
        phx_model::Value::Map(fields) => fields,
        other => panic!("not fields: {other:?}"),
    }
}

fn place() -> Place {
    Place::new(Some("123456789012".into()), Some("us-west-2".into()))
}

fn used<'a>(place: &'a Place, type_name: &'a str, fields: &'a ValueMap, verbs: &'a [Verb]) -> Use<'a> {
    Use { type_name, fields, verbs, ..Use::nothing(place) }
}

fn document(uses: &[Use<'_>]) -> Json {
    let mut policies = policies(&grants(uses), Some("123456789012"), Vec::new());
    assert_eq!(policies.len(), 1);
    let policy = policies.remove(0);
    assert_eq!(policy.documents.len(), 1);
    policy.documents[0].clone()
}

/// The statements that have an action: what they are about, and their conditions.
fn about(document: &Json, action: &str) -> Vec<(Json, Json)> {
    let has = |statement: &&Json| match &statement["Action"] {
        Json::String(one) => one == action,
        many => many.as_array().unwrap().iter().any(|one| one == action),
    };
    let statements = document["Statement"].as_array().unwrap();
    statements.iter().filter(has).map(|s| (s["Resource"].clone(), s["Condition"].clone())).collect()
}

#[test]
fn every_line_is_a_row() {
    for line in TABLES.iter().chain([&LOOKUPS]).flat_map(|table| lines(table)) {
        let row = row(&line).unwrap_or_else(|| panic!("not a row: {line:?}"));
        assert!(!row.verbs.is_empty() && row.action.split_once(':').is_some(), "{row:?}");
    }
    let mut known = BTreeSet::new();
    for line in lines(include_str!("../../permissions/arns.tsv")) {
        assert_eq!(line.len(), 3, "{line:?}");
        assert!(known.insert((line[0], line[1])), "twice: {line:?}");
    }
}

#[test]
fn rows_name_fields_and_resources_that_there_are() {
    let schemas: std::collections::BTreeMap<&str, _> =
        crate::schemas().into_iter().map(|schema| (schema.type_name, schema)).collect();
    for row in rows() {
        let schema = schemas[row.type_name];
        let check = |path: &str| {
            let field = path.split('.').next().unwrap();
            assert!(schema.field(field).is_some(), "{}: {field} is no field: {row:?}", row.type_name);
        };
        for when in &row.when {
            let (When::Touched(path) | When::Set(path) | When::Begins(path, _)) = when;
            check(path);
        }
        for form in row.resources.iter().flat_map(|resource| arns::named(row.type_name, resource)) {
            assert!(form.starts_with("arn:") || form.starts_with('{'), "{form} is no form of an ARN: {row:?}");
            for name in form.split('{').skip(1).map(|rest| rest.split(['}', '|']).next().unwrap()) {
                if !["partition", "region", "account", "id"].contains(&name) {
                    check(name.rsplit(':').next().unwrap());
                }
            }
        }
    }
}

#[test]
#[cfg(feature = "iam")]
fn an_arn_is_told_from_names_or_not_at_all() {
    let (here, nowhere) = (place(), Place::new(None, Some("us-west-2".into())));
    let role = fields(json!({"role_name": "deploy", "path": "/ci/"}));
    let told = Some("arn:aws:iam::123456789012:role/ci/deploy");
    assert_eq!(arn("aws:iam:Role", &here, &role, None).as_deref(), told);
    let any = Some("arn:aws:iam::*:role/ci/deploy");
    assert_eq!(arn("aws:iam:Role", &nowhere, &role, None).as_deref(), any, "in which account?");
    let unknown = ValueMap::from([("role_name", phx_model::Value::Unknown)]);
    assert_eq!(arn("aws:iam:Role", &here, &unknown, None), None);
    assert_eq!(arn("aws:iam:RolePolicy", &here, &role, None), None, "it has no ARN of its own");
    let china = Place::new(Some("123456789012".into()), Some("cn-north-1".into()));
    let short = fields(json!({"role_name": "x"}));
    assert_eq!(arn("aws:iam:Role", &china, &short, None).as_deref(), Some("arn:aws-cn:iam::123456789012:role/x"));
}

#[test]
#[cfg(feature = "logs")]
fn names_narrow_a_policy_and_what_is_unknown_does_not() {
    let (place, known) = (place(), fields(json!({"log_group_name": "/app", "retention_in_days": 7})));
    let used = Use { type_name: "aws:logs:LogGroup", fields: &known, verbs: &[Verb::Create], ..Use::nothing(&place) };
    let region = json!({"StringEquals": {"aws:RequestedRegion": "us-west-2"}});
    let group = "arn:aws:logs:us-west-2:123456789012:log-group:/app";
    let policy = document(&[used]);
    assert_eq!(about(&policy, "logs:CreateLogGroup"), [(json!([group, format!("{group}:*")]), region.clone())]);
    assert_eq!(about(&policy, "logs:DescribeLogGroups"), [(json!("*"), region.clone())]);
    assert_eq!(about(&policy, "logs:PutRetentionPolicy").len(), 1);
    assert!(about(&policy, "logs:DeleteLogGroup").is_empty() && about(&policy, "logs:UntagResource").is_empty());

    let unknown = ValueMap::from([("log_group_name", phx_model::Value::Unknown)]);
    let policy = document(&[Use { fields: &unknown, ..used }]);
    assert_eq!(about(&policy, "logs:CreateLogGroup"), [(json!("*"), region)]);
    assert!(about(&policy, "logs:PutRetentionPolicy").is_empty(), "no retention is set");
}

#[test]
#[cfg(feature = "logs")]
fn an_update_needs_what_its_changes_take() {
    let (place, known) = (place(), fields(json!({"log_group_name": "/app"})));
    let touched = BTreeSet::from(["tags".to_owned()]);
    let verbs = &[Verb::Update];
    let used = Use { type_name: "aws:logs:LogGroup", fields: &known, verbs, ..Use::nothing(&place) };
    let policy = document(&[Use { touched: Some(&touched), ..used }]);
    assert!(!about(&policy, "logs:TagResource").is_empty() && about(&policy, "logs:PutRetentionPolicy").is_empty());
    // Whatever may change, everything may be needed.
    let policy = document(&[used]);
    assert!(!about(&policy, "logs:TagResource").is_empty() && !about(&policy, "logs:PutRetentionPolicy").is_empty());
}

#[test]
#[cfg(all(feature = "iam", feature = "logs"))]
fn a_role_is_passed_to_one_service_and_only_where_one_is_named() {
    let place = place();
    let filter = |role: Option<&str>| {
        let mut all = json!({"log_group_name": "/app", "filter_name": "f", "destination_arn": "arn:aws:kinesis:us-west-2:1:stream/s"});
        all["role_arn"] = json!(role);
        fields(all)
    };
    let policy_of =
        |fields: &ValueMap| document(&[used(&place, "aws:logs:SubscriptionFilter", fields, &[Verb::Create])]);
    let role = "arn:aws:iam::123456789012:role/logs";
    let policy = policy_of(&filter(Some(role)));
    let to = json!({"StringEquals": {"iam:PassedToService": ["logs.amazonaws.com", "logs.us-west-2.amazonaws.com"]}});
    assert_eq!(about(&policy, "iam:PassRole"), [(json!(role), to)]);
    assert!(about(&policy_of(&filter(None)), "iam:PassRole").is_empty());

    // By its name: the program's own where it stands, another one wherever it may.
    let own = fields(json!({"role_name": "web", "path": "/app/"}));
    let profile = fields(json!({"instance_profile_name": "web", "role_name": "web"}));
    let role = Use { type_name: "aws:iam:Role", fields: &own, ..Use::nothing(&place) };
    let profile = Use { type_name: "aws:iam:InstanceProfile", fields: &profile, verbs: &[Verb::Create], ..role };
    let arns = |policy: &Json| about(policy, "iam:PassRole").remove(0).0;
    assert_eq!(arns(&document(&[role, profile])), json!("arn:aws:iam::123456789012:role/app/web"));
    let any = ["arn:aws:iam::123456789012:role/*/web", "arn:aws:iam::123456789012:role/web"];
    assert_eq!(arns(&document(&[profile])), json!(any));
}

#[test]
#[cfg(all(feature = "ec2", feature = "iam"))]
fn the_role_of_an_instance_is_found_by_its_profile_and_its_template() {
    let place = place();
    let role = fields(json!({"role_name": "web"}));
    let profile = fields(json!({"instance_profile_name": "web", "role_name": "web"}));
    let template = fields(json!({
        "launch_template_name": "web", "launch_template_data": {"iam_instance_profile": {"name": "web"}},
    }));
    let all = [
        used(&place, "aws:iam:Role", &role, &[]),
        used(&place, "aws:iam:InstanceProfile", &profile, &[]),
        used(&place, "aws:ec2:LaunchTemplate", &template, &[]),
    ];
    for (instance, passed) in [
        (json!({"iam_instance_profile": {"name": "web"}}), Some(json!("arn:aws:iam::123456789012:role/web"))),
        (
            json!({"launch_template": {"launch_template_name": "web"}}),
            Some(json!("arn:aws:iam::123456789012:role/web")),
        ),
        (json!({"iam_instance_profile": {"name": "another"}}), Some(json!("*"))),
        (json!({"image_id": "ami-1"}), None),
    ] {
        let instance = fields(instance);
        let instance_too = [used(&place, "aws:ec2:Instance", &instance, &[Verb::Create])];
        let policy = document(&[&all[..], &instance_too].concat());
        let found = about(&policy, "iam:PassRole");
        assert_eq!(found.first().map(|(resource, _)| resource.clone()), passed, "{instance:?}");
        for (_, condition) in found {
            assert_eq!(condition, json!({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}));
        }
    }
}

#[test]
#[cfg(feature = "ec2")]
fn tags_are_for_what_is_being_created_and_the_calls_are_in_one_statement() {
    let place = place();
    let nothing = ValueMap::default();
    let used = |type_name| Use { type_name, fields: &nothing, verbs: &[Verb::Create], ..Use::nothing(&place) };
    let policy = document(&[used("aws:ec2:Vpc"), used("aws:ec2:Subnet")]);
    let tags = about(&policy, "ec2:CreateTags");
    assert_eq!(tags.len(), 1, "{policy:#}");
    let equals = &tags[0].1["StringEquals"];
    assert_eq!(equals["ec2:CreateAction"], json!(["CreateSubnet", "CreateVpc"]));
    // Of what exists, the id is known.
    let vpc = Use { id: Some("vpc-1"), verbs: &[Verb::Delete], ..used("aws:ec2:Vpc") };
    let vpc = about(&document(&[vpc]), "ec2:DeleteVpc").remove(0).0;
    assert_eq!(vpc, json!("arn:aws:ec2:us-west-2:123456789012:vpc/vpc-1"));
}

#[test]
#[cfg(feature = "kms")]
fn an_alias_changes_hands_between_two_keys() {
    let place = place();
    let key = "arn:aws:kms:us-west-2:123456789012:key";
    let alias = "arn:aws:kms:us-west-2:123456789012:alias/app";
    for given in ["1234-ab", "arn:aws:kms:us-west-2:123456789012:key/1234-ab"] {
        let known = fields(json!({"alias_name": "alias/app", "target_key_id": given}));
        let policy = document(&[used(&place, "aws:kms:Alias", &known, &[Verb::Create])]);
        assert_eq!(about(&policy, "kms:CreateAlias").remove(0).0, json!([alias, format!("{key}/1234-ab")]));
        // The key that it stood for is to let it go.
        let policy = document(&[used(&place, "aws:kms:Alias", &known, &[Verb::Update])]);
        assert_eq!(about(&policy, "kms:UpdateAlias").remove(0).0, json!([alias, format!("{key}/*")]));
    }
}

#[test]
#[cfg(all(feature = "cloudwatch", feature = "elbv2", feature = "rds"))]
fn what_is_listed_whole_is_asked_for_whole_and_tags_are_for_every_kind() {
    let place = place();
    let everything = |type_name, known: &ValueMap, action: &str| {
        let policy = document(&[used(&place, type_name, known, &[Verb::Read])]);
        assert_eq!(about(&policy, action).remove(0).0, json!("*"), "{action}");
    };
    everything("aws:rds:DbInstance", &fields(json!({"db_instance_identifier": "main"})), "rds:DescribeDBInstances");
    everything("aws:cloudwatch:CompositeAlarm", &fields(json!({"alarm_name": "a"})), "cloudwatch:DescribeAlarms");
    let network = fields(json!({"name": "front", "type": "network"}));
    let policy = document(&[used(&place, "aws:elbv2:LoadBalancer", &network, &[Verb::Create])]);
    let tagged = about(&policy, "elasticloadbalancing:AddTags").remove(0).0;
    let of = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/net/front/*";
    assert!(tagged.as_array().unwrap().contains(&json!(of)), "{tagged}");
}

#[test]
#[cfg(all(feature = "iam", feature = "logs"))]
fn a_policy_is_canonical_whatever_the_order() {
    let place = place();
    let (a, b) = (fields(json!({"log_group_name": "/a"})), fields(json!({"log_group_name": "/b"})));
    let role = fields(json!({"role_name": "r"}));
    let used = |type_name, fields| Use { type_name, fields, verbs: &Verb::ALL, ..Use::nothing(&place) };
    let mut uses = [used("aws:logs:LogGroup", &a), used("aws:logs:LogGroup", &b), used("aws:iam:Role", &role)];
    let one = document(&uses).to_string();
    uses.reverse();
    assert_eq!(one, document(&uses).to_string());
    let sids: Vec<String> = serde_json::from_str::<Json>(&one).unwrap()["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["Sid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), sids.len(), "{sids:?}");
    assert!(sids.iter().all(|sid| sid.chars().all(|c| c.is_ascii_alphanumeric())), "{sids:?}");
    assert!(!one.contains("iam:RequestedRegion"));
}

#[test]
#[cfg(feature = "logs")]
fn a_long_policy_is_cut_and_nothing_of_it_is_lost() {
    let place = place();
    let names: Vec<ValueMap> =
        (0..90).map(|n| fields(json!({"log_group_name": format!("/long/name/of/{n:04}")}))).collect();
    let uses: Vec<Use<'_>> = names
        .iter()
        .map(|fields| Use { type_name: "aws:logs:LogGroup", fields, verbs: &Verb::ALL, ..Use::nothing(&place) })
        .collect();
    let extra =
        json!({"Sid": "PhxStateList", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"});
    let policies = policies(&grants(&uses), Some("123456789012"), vec![extra]);
    let documents = &policies[0].documents;
    assert!(documents.len() > 1);
    let mut found = BTreeSet::new();
    for document in documents {
        let length = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
        assert!(length <= LIMIT, "{length}");
        let sids: Vec<&Json> = document["Statement"].as_array().unwrap().iter().map(|s| &s["Sid"]).collect();
        assert_eq!(sids.iter().map(|s| s.as_str()).collect::<BTreeSet<_>>().len(), sids.len(), "{sids:?}");
        for (resource, _) in about(document, "logs:DeleteLogGroup") {
            found.extend(resource.as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(found.len(), 180, "each group has two forms of ARN");
    assert!(documents.iter().any(|d| !about(d, "s3:ListBucket").is_empty()));
}

#[test]
#[cfg(feature = "logs")]
fn each_account_has_a_policy_of_its_own() {
    let (home, away) = (place(), Place::new(Some("210987654321".into()), Some("eu-west-1".into())));
    let group = fields(json!({"log_group_name": "/a"}));
    let used =
        |place| Use { type_name: "aws:logs:LogGroup", fields: &group, verbs: &[Verb::Read], ..Use::nothing(place) };
    let policies = policies(&grants(&[used(&home), used(&away)]), Some("123456789012"), Vec::new());
    let accounts: Vec<Option<&str>> = policies.iter().map(|policy| policy.account.as_deref()).collect();
    assert_eq!(accounts, [Some("123456789012"), Some("210987654321")]);
    let text = policies[1].documents[0].to_string();
    assert!(text.contains("eu-west-1") && !text.contains("us-west-2") && !text.contains("123456789012"), "{text}");
}
