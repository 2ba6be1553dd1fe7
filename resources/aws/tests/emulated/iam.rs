use phx_model::Value;
use phx_tests::emulator::Emulator;
use serde_json::{Value as Json, json};

use crate::kit;

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
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());

    let want = json!({
        "role_name": "deploy", "path": "/team/", "assume_role_policy_document": trust("ec2.amazonaws.com"),
        "description": "deploys", "max_session_duration": 7200, "permissions_boundary": READ_ONLY, "tags": {"team": "a"},
    });
    let mut changed = want.clone();
    changed["assume_role_policy_document"] = trust("ecs-tasks.amazonaws.com");
    changed["description"] = json!("deploys more");
    changed["max_session_duration"] = json!(3600);
    changed["permissions_boundary"] = json!(VIEW_ONLY);
    changed["tags"] = json!({"cost": "b"});
    bench.life("aws:iam:Role", want, &[changed]).await;

    let policy = |action: &str, tags: Json| {
        json!({
            "policy_name": "read-logs", "path": "/team/", "description": "reads logs",
            "policy_document": allow(action), "tags": tags,
        })
    };
    // More changes than there may be versions.
    let changes: Vec<Json> = (0..7).map(|n| policy(&format!("logs:Get{n}"), json!({"n": n.to_string()}))).collect();
    let made = bench.life("aws:iam:Policy", policy("logs:Get*", json!({"a": "b"})), &changes).await;
    assert_eq!(made["arn"], Value::String("arn:aws:iam::123456789012:policy/team/read-logs".into()));

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
    // With its role in it, it can be deleted all the same.
    let with_role = profile(json!("web"), json!({}));
    let made = bench.create("aws:iam:InstanceProfile", &with_role, 4).await.unwrap();
    bench.deleted("aws:iam:InstanceProfile", &made.id, &with_role).await;
    bench.deleted("aws:iam:Role", "web", &role("web")).await;
}

#[tokio::test]
async fn a_policy_that_is_attached_says_to_what() {
    let moto = Emulator::moto();
    let mut bench = kit::emulated(&moto.url());
    bench.cx.timeout = std::time::Duration::from_secs(2);
    let policy = json!({"policy_name": "read", "policy_document": allow("logs:Get*")});
    let made = bench.create("aws:iam:Policy", &policy, 1).await.unwrap();
    bench.create("aws:iam:Role", &role("web"), 2).await.unwrap();
    let attachment = json!({"role_name": "web", "policy_arn": made.id});
    let attached = bench.create("aws:iam:RolePolicyAttachment", &attachment, 3).await.unwrap();
    let role_driver = bench.driver("aws:iam:Role");
    let refused = role_driver.delete(&bench.cx, "web", &kit::fields(role("web"))).await.unwrap_err();
    assert!(refused.hint.is_some_and(|hint| hint.contains(&made.id)), "{}", refused.message);
    bench.deleted("aws:iam:RolePolicyAttachment", &attached.id, &attachment).await;
    bench.deleted("aws:iam:Policy", &made.id, &policy).await;
}

#[tokio::test]
async fn identity_providers_and_service_linked_roles() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let provider = |audiences: Json, thumbprint: &str, tags: Json| {
        json!({
            "url": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", "client_id_list": audiences,
            "thumbprint_list": [thumbprint.repeat(40)], "tags": tags,
        })
    };
    // moto has neither AddClientIDToOpenIDConnectProvider nor its opposite: see shapes.
    let made = bench
        .life(
            "aws:iam:OidcProvider",
            provider(json!(["sts.amazonaws.com"]), "a", json!({"a": "b"})),
            &[provider(json!(["sts.amazonaws.com"]), "b", json!({"c": "d"}))],
        )
        .await;
    assert_eq!(made["issuer"], Value::String("oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE".into()));

    let linked = |description: &str, tags: Json| {
        json!({
            "aws_service_name": "autoscaling.amazonaws.com", "custom_suffix": "blue", "description": description,
            "tags": tags,
        })
    };
    let (want, changed) = (linked("for blue", json!({"a": "b"})), linked("for green", json!({"c": "d"})));
    bench.life("aws:iam:ServiceLinkedRole", want.clone(), &[changed]).await;
    bench.create("aws:iam:ServiceLinkedRole", &want, 1).await.unwrap();
    let taken = bench.create("aws:iam:ServiceLinkedRole", &want, 2).await.unwrap_err();
    assert_eq!(taken.kind, phx_model::error::ErrorKind::AlreadyExists, "{taken}");
}

#[tokio::test]
async fn users_and_groups() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    let inline = |action: &str| json!({"policy_name": "inline", "policy_document": allow(action)});
    let group = |policies: Json, managed: Json| json!({"group_name": "admins", "path": "/people/", "managed_policy_arns": managed, "policies": policies});
    // moto's UpdateGroup changes a path only together with the name: see shapes.
    bench
        .life(
            "aws:iam:Group",
            group(json!([inline("s3:Get*")]), json!([READ_ONLY])),
            &[group(json!([inline("s3:*")]), json!([VIEW_ONLY])), json!({"group_name": "admins", "path": "/people/"})],
        )
        .await;
    for name in ["a", "b"] {
        bench.create("aws:iam:Group", &json!({"group_name": name}), 1).await.unwrap();
    }
    // moto has no permissions boundaries of users: see shapes.
    let user = |path: &str, groups: Json, managed: Json, tags: Json| {
        json!({
            "user_name": "jo", "path": path, "groups": groups, "managed_policy_arns": managed,
            "policies": [inline("s3:Get*")], "tags": tags,
        })
    };
    let want = user("/people/", json!(["a"]), json!([READ_ONLY]), json!({"a": "b"}));
    let changed = user("/people/", json!(["b"]), json!([VIEW_ONLY]), json!({"c": "d"}));
    // moto loses a user's tags when the path changes.
    let moved = user("/staff/", json!(["b"]), json!([VIEW_ONLY]), json!({}));
    bench.life("aws:iam:User", want, &[changed, moved]).await;
}

#[tokio::test]
async fn many_are_read_as_one_by_one() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
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
        ("aws:iam:User", json!({"user_name": "NAME", "groups": ["NAME"], "tags": {"a": "b"}})),
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
}

#[tokio::test]
async fn a_users_boundary() {
    let ministack = Emulator::ministack();
    let bench = kit::emulated(&ministack.url());
    let user = |boundary: Json| json!({"user_name": "jo", "permissions_boundary": boundary, "tags": {"a": "b"}});
    bench.life("aws:iam:User", user(json!(READ_ONLY)), &[user(json!(VIEW_ONLY)), user(json!(null))]).await;
}
