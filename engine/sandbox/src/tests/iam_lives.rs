//! Whole lives of IAM's types, and what else is asked of IAM and STS.

use serde_json::{Value as Json, json};

use super::*;

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const VIEW_ONLY: &str = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess";

fn allow(action: &str) -> Json {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

fn trust(service: &str) -> Json {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]})
}

fn role(name: &str) -> Json {
    json!({"role_name": name, "assume_role_policy_document": trust("ec2.amazonaws.com")})
}

#[tokio::test]
async fn roles_policies_and_instance_profiles() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, c) = (bench(&sandbox), Clients::new(&sandbox));
    let want = json!({
        "role_name": "deploy", "path": "/team/", "assume_role_policy_document": trust("ec2.amazonaws.com"),
        "description": "für alle", "max_session_duration": 7200, "permissions_boundary": READ_ONLY, "tags": {"team": "ä & <b>"},
    });
    let mut changed = want.clone();
    changed["assume_role_policy_document"] = trust("ecs-tasks.amazonaws.com");
    changed["description"] = json!("deploys more");
    changed["max_session_duration"] = json!(3600);
    changed["permissions_boundary"] = json!(VIEW_ONLY);
    changed["tags"] = json!({"cost": "b"});
    let mut bare = changed.clone();
    bare.as_object_mut().unwrap().retain(|name, _| name != "permissions_boundary" && name != "description");
    bench.life("aws:iam:Role", want, &[changed, bare]).await;

    let policy = |action: &str, tags: Json| {
        json!({
            "policy_name": "read-logs", "path": "/team/", "description": "reads logs, für alle",
            "policy_document": allow(action), "tags": tags,
        })
    };
    // More changes than there may be versions.
    let changes: Vec<Json> = (0..7).map(|n| policy(&format!("logs:Get{n}"), json!({"n": n.to_string()}))).collect();
    let made = bench.life("aws:iam:Policy", policy("logs:Get*", json!({"a": "b"})), &changes).await;
    assert_eq!(made["arn"].as_str(), Some("arn:aws:iam::000000000000:policy/team/read-logs"));

    bench.create("aws:iam:Role", &role("web"), 2).await.unwrap();
    bench.create("aws:iam:Role", &role("batch"), 3).await.unwrap();
    let inline = |action: &str| json!({"role_name": "web", "policy_name": "inline", "policy_document": allow(action)});
    bench.life("aws:iam:RolePolicy", inline("s3:Get*"), &[inline("s3:*")]).await;
    let attachment = json!({"role_name": "web", "policy_arn": READ_ONLY});
    bench.life("aws:iam:RolePolicyAttachment", attachment, &[]).await;

    let profile = |role: Json, tags: Json| json!({"instance_profile_name": "web", "path": "/team/", "role_name": role, "tags": tags});
    let changes =
        [profile(json!("batch"), json!({"c": "d"})), json!({"instance_profile_name": "web", "path": "/team/"})];
    bench.life("aws:iam:InstanceProfile", profile(json!("web"), json!({"a": "b"})), &changes).await;
    let with_role = profile(json!("web"), json!({}));
    let made = bench.create("aws:iam:InstanceProfile", &with_role, 4).await.unwrap();
    // What is in use stays, and it is told by what.
    refused!(c.iam.delete_role().role_name("web"), "DeleteConflict");
    refused!(c.iam.delete_instance_profile().instance_profile_name("web"), "DeleteConflict");
    let add = c.iam.add_role_to_instance_profile().instance_profile_name("web");
    refused!(add.role_name("batch"), "LimitExceeded");
    let of_role = c.iam.list_instance_profiles_for_role().role_name("web").send().await.unwrap();
    assert_eq!(of_role.instance_profiles()[0].roles()[0].role_name(), "web");
    let details = c.iam.get_account_authorization_details().filter(EntityType::Role).send().await.unwrap();
    let web = details.role_detail_list().iter().find(|r| r.role_name() == Some("web")).unwrap();
    assert_eq!(web.instance_profile_list()[0].instance_profile_name(), "web");
    bench.deleted("aws:iam:InstanceProfile", &made.id, &with_role).await;

    let made = bench.create("aws:iam:Policy", &policy("logs:Get*", json!({})), 5).await.unwrap();
    let attachment = json!({"role_name": "web", "policy_arn": made.id});
    let attached = bench.create("aws:iam:RolePolicyAttachment", &attachment, 6).await.unwrap();
    refused!(c.iam.delete_policy().policy_arn(&made.id), "DeleteConflict");
    let shown = c.iam.get_policy().policy_arn(&made.id).send().await.unwrap().policy.unwrap();
    assert_eq!(shown.attachment_count(), Some(1));
    let entities = c.iam.list_entities_for_policy().policy_arn(&made.id).send().await.unwrap();
    assert_eq!(entities.policy_roles()[0].role_name(), Some("web"));
    let versions = c.iam.list_policy_versions().policy_arn(&made.id).send().await.unwrap();
    assert_eq!(versions.versions().len(), 1);
    refused!(c.iam.delete_policy_version().policy_arn(&made.id).version_id("v1"), "DeleteConflict");
    bench.deleted("aws:iam:RolePolicyAttachment", &attached.id, &attachment).await;
    bench.deleted("aws:iam:Policy", &made.id, &policy("logs:Get*", json!({}))).await;
    bench.deleted("aws:iam:Role", "web", &role("web")).await;
    refused!(c.iam.create_policy().policy_name("bad").policy_document("no JSON"), "MalformedPolicyDocument");
    // Any name under AWS's own path is one of its policies.
    let aws = c.iam.get_policy().policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await.unwrap();
    assert_eq!(aws.policy().unwrap().policy_name(), Some("AmazonEKSClusterPolicy"));
    let version =
        c.iam.get_policy_version().policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").version_id("v1");
    assert!(version.send().await.unwrap().policy_version.unwrap().document().is_some());
    let own = c.iam.list_policies().scope("Local".into()).send().await.unwrap();
    assert!(own.policies().is_empty(), "{own:?}");
    let all = c.iam.get_account_authorization_details().filter(EntityType::LocalManagedPolicy).send().await.unwrap();
    assert!(all.policies().is_empty(), "{all:?}");
    refused!(
        c.iam.attach_role_policy().role_name("batch").policy_arn("arn:aws:iam::000000000000:policy/none"),
        "NoSuchEntity"
    );
}

#[tokio::test]
async fn identity_providers_and_service_linked_roles() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let provider = |audiences: Json, thumbprint: &str, tags: Json| {
        json!({
            "url": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", "client_id_list": audiences,
            "thumbprint_list": [thumbprint.repeat(40)], "tags": tags,
        })
    };
    let want = provider(json!(["sts.amazonaws.com"]), "a", json!({"a": "b"}));
    let changes = [
        provider(json!(["sts.amazonaws.com", "other"]), "b", json!({"c": "d"})),
        provider(json!(["other"]), "b", json!({})),
    ];
    let made = bench.life("aws:iam:OidcProvider", want.clone(), &changes).await;
    assert_eq!(made["issuer"].as_str(), Some("oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"));
    // AWS finds the thumbprint by itself, if none is given.
    let least = json!({"url": "https://token.actions.githubusercontent.com", "client_id_list": ["sts.amazonaws.com"]});
    bench.life("aws:iam:OidcProvider", least, &[]).await;
    bench.create("aws:iam:OidcProvider", &want, 2).await.unwrap();
    let taken = bench.create("aws:iam:OidcProvider", &want, 3).await.unwrap_err();
    assert_eq!(taken.kind, phx_model::error::ErrorKind::AlreadyExists, "{taken}");

    let linked = |description: &str, tags: Json| json!({"aws_service_name": "autoscaling.amazonaws.com", "custom_suffix": "blue", "description": description, "tags": tags});
    let (want, changed) = (linked("for blue", json!({"a": "b"})), linked("for green", json!({"c": "d"})));
    let made = bench.life("aws:iam:ServiceLinkedRole", want.clone(), &[changed]).await;
    assert_eq!(made["role_name"].as_str(), Some("AWSServiceRoleForAutoScaling_blue"));
    bench.create("aws:iam:ServiceLinkedRole", &want, 1).await.unwrap();
    let taken = bench.create("aws:iam:ServiceLinkedRole", &want, 2).await.unwrap_err();
    assert_eq!(taken.kind, phx_model::error::ErrorKind::AlreadyExists, "{taken}");
    let c = Clients::new(&sandbox);
    for (service, name) in [
        ("eks.amazonaws.com", "AWSServiceRoleForAmazonEKS"),
        ("rds.amazonaws.com", "AWSServiceRoleForRDS"),
        ("guardduty.amazonaws.com", "AWSServiceRoleForAmazonGuardDuty"),
    ] {
        let made = c.iam.create_service_linked_role().aws_service_name(service).send().await.unwrap().role.unwrap();
        assert_eq!(made.arn(), format!("arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/{service}/{name}"));
        refused!(c.iam.delete_role().role_name(name), "UnmodifiableEntity");
    }
}

#[tokio::test]
async fn users_and_groups() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, c) = (bench(&sandbox), Clients::new(&sandbox));
    let inline = |action: &str| json!({"policy_name": "inline", "policy_document": allow(action)});
    let group = |path: &str, policies: Json, managed: Json| json!({"group_name": "admins", "path": path, "managed_policy_arns": managed, "policies": policies});
    let changes = [
        group("/staff/", json!([inline("s3:*")]), json!([VIEW_ONLY])),
        json!({"group_name": "admins", "path": "/people/"}),
    ];
    bench.life("aws:iam:Group", group("/people/", json!([inline("s3:Get*")]), json!([READ_ONLY])), &changes).await;
    for name in ["a", "b"] {
        bench.create("aws:iam:Group", &json!({"group_name": name}), 1).await.unwrap();
    }
    let user = |path: &str, groups: Json, managed: Json, boundary: Json, tags: Json| {
        json!({
            "user_name": "jo", "path": path, "groups": groups, "managed_policy_arns": managed, "policies": [inline("s3:Get*")],
            "permissions_boundary": boundary, "tags": tags,
        })
    };
    let want = user("/people/", json!(["a"]), json!([READ_ONLY]), json!(READ_ONLY), json!({"a": "b"}));
    let changed = user("/people/", json!(["b"]), json!([VIEW_ONLY]), json!(VIEW_ONLY), json!({"c": "d"}));
    let moved = user("/staff/", json!(["b"]), json!([VIEW_ONLY]), Json::Null, json!({"c": "é"}));
    bench.life("aws:iam:User", want.clone(), &[changed, moved]).await;
    bench.create("aws:iam:User", &want, 2).await.unwrap();
    refused!(c.iam.delete_user().user_name("jo"), "DeleteConflict");
    refused!(c.iam.delete_group().group_name("a"), "DeleteConflict");
    let own = c.iam.get_user().send().await.unwrap();
    assert_eq!(own.user().unwrap().arn(), format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox"));
}

#[tokio::test]
async fn many_are_read_as_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let all: Vec<(&str, Json)> = vec![
        (
            "aws:iam:Policy",
            json!({"policy_name": "NAME", "policy_document": allow("s3:*"), "description": "d", "tags": {"a": "b"}}),
        ),
        (
            "aws:iam:Role",
            json!({"role_name": "NAME", "assume_role_policy_document": trust("ec2.amazonaws.com"), "tags": {"a": "b"}}),
        ),
        ("aws:iam:RolePolicy", json!({"role_name": "NAME", "policy_name": "p", "policy_document": allow("s3:*")})),
        ("aws:iam:InstanceProfile", json!({"instance_profile_name": "NAME", "role_name": "NAME", "tags": {"a": "b"}})),
        ("aws:iam:Group", json!({"group_name": "NAME", "managed_policy_arns": [READ_ONLY]})),
        (
            "aws:iam:User",
            json!({"user_name": "NAME", "groups": ["NAME"], "permissions_boundary": READ_ONLY, "tags": {"a": "b"},
                   "policies": [{"policy_name": "p", "policy_document": allow("s3:*")}]}),
        ),
    ];
    for (name, template) in &all {
        let mut made = Vec::new();
        for n in 0..8 {
            let want: Json = serde_json::from_str(&template.to_string().replace("NAME", &format!("n{n}"))).unwrap();
            made.push((bench.create(name, &want, n).await.unwrap().id, kit::fields(want)));
        }
        let targets: Vec<_> = made.iter().map(|(id, want)| (id.as_str(), want)).collect();
        let many = bench.read(name, &targets).await;
        for (target, many) in targets.iter().zip(many) {
            let one = bench.read(name, &[*target]).await.remove(0);
            let shown = |read: &phx_model::driver::Read| match read {
                phx_model::driver::Read::Present(seen) => {
                    let set = seen.fields.iter().filter(|(field, _)| target.1.contains_key(*field));
                    let set: phx_model::ValueMap = set.map(|(field, value)| (field.clone(), value.clone())).collect();
                    (set, seen.outputs.clone())
                }
                other => panic!("{name} {}: {other:?}", target.0),
            };
            assert_eq!(shown(&many), shown(&one), "{name} {}", target.0);
        }
    }
    // Everything in pages, whatever there is most of.
    let iam = Clients::new(&sandbox).iam;
    let (mut seen, mut marker) = (0, None);
    loop {
        let page = iam.get_account_authorization_details().max_items(5).set_marker(marker).send().await.unwrap();
        let local = page.policies().iter().filter(|p| p.arn().is_some_and(|arn| arn.contains(ACCOUNT_ID))).count();
        seen += page.role_detail_list().len() + page.user_detail_list().len() + page.group_detail_list().len() + local;
        marker = page.marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 32);
}

#[tokio::test]
async fn roles_are_assumed() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let (bench, c) = (bench(&sandbox), Clients::new(&sandbox));
    bench.create("aws:iam:Role", &role("deploy"), 1).await.unwrap();
    let arn = format!("arn:aws:iam::{ACCOUNT_ID}:role/deploy");
    let assumed =
        c.sts.assume_role().role_arn(&arn).role_session_name("phx").duration_seconds(900).send().await.unwrap();
    let user = assumed.assumed_role_user().unwrap();
    assert_eq!(user.arn(), format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/deploy/phx"));
    let given = assumed.credentials().unwrap();
    let keys = Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        None,
        "test",
    );
    let config = c.sts.config().to_builder().credentials_provider(keys);
    let identity = aws_sdk_sts::Client::from_conf(config.build()).get_caller_identity().send().await.unwrap();
    assert_eq!((identity.account(), identity.arn()), (Some(ACCOUNT_ID), Some(user.arn())));
    let missing = format!("arn:aws:iam::{ACCOUNT_ID}:role/none");
    refused!(c.sts.assume_role().role_arn(missing).role_session_name("phx"), "AccessDenied");
    refused!(c.sts.assume_role().role_arn("nonsense").role_session_name("phx"), "ValidationError");
    // Another account's role is that account's.
    let far = c
        .sts
        .assume_role()
        .role_arn("arn:aws:iam::111122223333:role/x/deploy")
        .role_session_name("phx")
        .send()
        .await
        .unwrap();
    let given = far.credentials().unwrap();
    let keys = Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        None,
        "test",
    );
    let config = c.sts.config().to_builder().credentials_provider(keys);
    let identity = aws_sdk_sts::Client::from_conf(config.build()).get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("111122223333"));
    assert_eq!(identity.arn(), Some("arn:aws:sts::111122223333:assumed-role/deploy/phx"));
}
