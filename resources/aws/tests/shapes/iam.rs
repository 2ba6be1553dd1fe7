use phx_model::driver::{Delta, Read};
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::{Value, ValueMap};
use serde_json::{Value as Json, json};

use crate::kit::{self, Answer, Bench, Request, intent};

const DOCUMENT: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
const ARN: &str = "arn:aws:iam::123456789012:";
const WHEN: &str = "<CreateDate>2026-01-01T00:00:00Z</CreateDate>";

fn document() -> Json {
    json!({"Version": "2012-10-17", "Statement": []})
}

fn tags(mark: u32) -> String {
    let tag = |k: &str, v: &str| format!("<member><Key>{k}</Key><Value>{v}</Value></member>");
    format!("<Tags>{}{}</Tags>", tag("a", "b"), tag("phx:intent", intent(mark).as_str()))
}

/// So many members of a list, each with its number for `#`.
fn members(list: &str, member: &str) -> String {
    let all: String = (0..100).map(|n| format!("<member>{}</member>", member.replace('#', &n.to_string()))).collect();
    format!("<{list}>{all}</{list}><IsTruncated>false</IsTruncated>")
}

/// The tagging API, which knows every object that it is asked for.
fn tagged(request: &Request) -> Answer {
    let arns = request.body["ResourceARNList"].as_array().unwrap();
    let one = |arn: &Json| json!({"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "b"}]});
    Answer::Json(json!({"ResourceTagMappingList": arns.iter().map(one).collect::<Vec<_>>()}))
}

/// Reads a hundred objects, ids and fields with their number for `#`, and tells what was called.
async fn read_hundred(bench: &Bench, name: &str, id: &str, want: &Json) -> Vec<String> {
    let numbered = |text: &str, n: u32| text.replace('#', &n.to_string());
    let all: Vec<(String, ValueMap)> = (0..100)
        .map(|n| (numbered(id, n), kit::fields(serde_json::from_str(&numbered(&want.to_string(), n)).unwrap())))
        .collect();
    let targets: Vec<_> = all.iter().map(|(id, want)| (id.as_str(), want)).collect();
    for (read, (id, want)) in bench.read(name, &targets).await.into_iter().zip(&all) {
        let Read::Present(seen) = read else { panic!("{name} {id}: {read:?}") };
        for (field, value) in want {
            let field = bench.driver(name).schema().field(field).unwrap();
            let there = seen.fields.get(field.name).unwrap_or(&Value::Null);
            assert!(phx_model::schema::satisfied(field, value, there), "{name} {id}.{}: {there:?}", field.name);
        }
    }
    bench.operations()
}

#[tokio::test]
async fn a_hundred_are_read_with_one_list_and_their_tags() {
    let policies = members(
        "Policies",
        &format!(
            "<PolicyName>p#</PolicyName><Arn>{ARN}policy/p#</Arn><Path>/</Path><DefaultVersionId>v2</DefaultVersionId>\
             <PolicyVersionList><member><VersionId>v1</VersionId><IsDefaultVersion>false</IsDefaultVersion></member>\
             <member><VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion><Document>{DOCUMENT}</Document>\
             </member></PolicyVersionList>"
        ),
    );
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "GetAccountAuthorizationDetails" => Answer::Query(policies.clone()),
        _ => tagged(request),
    });
    // Descriptions are told policy by policy, and cannot change: those that were set cost nothing.
    let want = json!({"policy_name": "p#", "policy_document": document(), "description": "p#", "tags": {"a": "b"}});
    let calls = read_hundred(&bench, "aws:iam:Policy", &format!("{ARN}policy/p#"), &want).await;
    assert_eq!(calls, ["GetAccountAuthorizationDetails", "GetResources"]);

    let profiles = members(
        "InstanceProfiles",
        &format!(
            "<Path>/</Path><InstanceProfileName>p#</InstanceProfileName><InstanceProfileId>AIPA#</InstanceProfileId>\
             <Arn>{ARN}instance-profile/p#</Arn>{WHEN}<Roles><member><Path>/</Path><RoleName>r#</RoleName>\
             <RoleId>AROA#</RoleId><Arn>{ARN}role/r#</Arn>{WHEN}</member></Roles>"
        ),
    );
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "ListInstanceProfiles" => Answer::Query(profiles.clone()),
        _ => tagged(request),
    });
    let want = json!({"instance_profile_name": "p#", "role_name": "r#", "tags": {"a": "b"}});
    let calls = read_hundred(&bench, "aws:iam:InstanceProfile", "p#", &want).await;
    assert_eq!(calls, ["ListInstanceProfiles", "GetResources"]);
}

#[tokio::test]
async fn a_hundred_are_read_with_one_list() {
    let inline = format!("<member><PolicyName>inline</PolicyName><PolicyDocument>{DOCUMENT}</PolicyDocument></member>");
    let attached = "<AttachedManagedPolicies><member><PolicyArn>arn:aws:iam::aws:policy/View</PolicyArn></member>\
                    </AttachedManagedPolicies>";
    let roles = format!(
        "<Path>/aws-service-role/autoscaling.amazonaws.com/</Path><RoleName>r#_x</RoleName><RoleId>AROA#</RoleId>\
         <Arn>{ARN}role/r#_x</Arn>{WHEN}<AssumeRolePolicyDocument>{DOCUMENT}</AssumeRolePolicyDocument>\
         <RolePolicyList>{inline}</RolePolicyList>{attached}{}",
        tags(1)
    );
    let users = format!(
        "<Path>/</Path><UserName>u#</UserName><UserId>AIDA#</UserId><Arn>{ARN}user/u#</Arn>{WHEN}\
         <UserPolicyList>{inline}</UserPolicyList><GroupList><member>g#</member></GroupList>{attached}\
         <PermissionsBoundary><PermissionsBoundaryArn>arn:b</PermissionsBoundaryArn></PermissionsBoundary>{}",
        tags(1)
    );
    let groups = format!(
        "<Path>/</Path><GroupName>g#</GroupName><GroupId>AGPA#</GroupId><Arn>{ARN}group/g#</Arn>{WHEN}\
         <GroupPolicyList>{inline}</GroupPolicyList>{attached}"
    );
    let lists = [
        ("Role", members("RoleDetailList", &roles)),
        ("User", members("UserDetailList", &users)),
        ("Group", members("GroupDetailList", &groups)),
    ];
    let plain = members(
        "Roles",
        &format!(
            "<Path>/aws-service-role/autoscaling.amazonaws.com/</Path><RoleName>r#_x</RoleName><RoleId>AROA#</RoleId>\
             <Arn>{ARN}role/r#_x</Arn>{WHEN}"
        ),
    );
    let policies = json!([{"policy_name": "inline", "policy_document": document()}]);
    let managed = json!(["arn:aws:iam::aws:policy/View"]);
    for (name, id, want) in [
        (
            "RolePolicy",
            "r#_x/inline",
            json!({"role_name": "r#_x", "policy_name": "inline", "policy_document": document()}),
        ),
        ("RolePolicyAttachment", "r#_x/arn:aws:iam::aws:policy/View", json!({"role_name": "r#_x"})),
        (
            "ServiceLinkedRole",
            "r#_x",
            json!({"aws_service_name": "autoscaling.amazonaws.com", "custom_suffix": "x", "tags": {"a": "b"}}),
        ),
        (
            "User",
            "u#",
            json!({
                "user_name": "u#", "permissions_boundary": "arn:b", "groups": ["g#"], "managed_policy_arns": managed,
                "policies": policies, "tags": {"a": "b"},
            }),
        ),
        ("Group", "g#", json!({"group_name": "g#", "managed_policy_arns": managed, "policies": policies})),
    ] {
        let (lists, plain) = (lists.clone(), plain.clone());
        let bench = kit::scripted(move |request, _| {
            if request.operation == "ListRoles" {
                return Answer::Query(plain.clone());
            }
            let kind = request.body["Filter.member.1"].as_str().unwrap_or_default();
            Answer::Query(lists.iter().find(|(k, _)| *k == kind).unwrap().1.clone())
        });
        let mut calls = read_hundred(&bench, &format!("aws:iam:{name}"), id, &want).await;
        calls.sort();
        // What a role is for and how long its sessions may be is in the other list.
        let other = if name == "ServiceLinkedRole" { &["ListRoles"][..] } else { &[] };
        assert_eq!(calls, [&["GetAccountAuthorizationDetails"][..], other].concat(), "{name}");
    }
}

#[tokio::test]
async fn identity_providers_take_a_call_each() {
    let bench = kit::scripted(|request, _| {
        let n = request.body["OpenIDConnectProviderArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        Answer::Query(format!(
            "<Url>example.org/{n}</Url><ClientIDList><member>sts.amazonaws.com</member></ClientIDList>\
             <ThumbprintList><member>AA</member></ThumbprintList>{}",
            tags(1)
        ))
    });
    let want = json!({
        "url": "https://example.org/#", "client_id_list": ["sts.amazonaws.com"], "thumbprint_list": ["aa"],
        "tags": {"a": "b"},
    });
    let calls = read_hundred(&bench, "aws:iam:OidcProvider", &format!("{ARN}oidc-provider/example.org/#"), &want).await;
    assert_eq!(calls.len(), 100);
}

/// Creates an object whose answer is lost, and looks for it. Then what is found bears another's mark.
async fn lost(name: &str, want: Json, create: &'static str, find: &'static str, there: fn(&str) -> String, id: &str) {
    for mine in [true, false] {
        let bench = kit::scripted(move |request, _| match request.operation.as_str() {
            op if op == create => Answer::Lost,
            "ListOpenIDConnectProviders" => Answer::Query(format!(
                "<OpenIDConnectProviderList><member><Arn>{ARN}oidc-provider/example.org/x</Arn></member>\
                 </OpenIDConnectProviderList>"
            )),
            op if op == find => Answer::Query(there(&tags(if mine { 1 } else { 2 }))),
            other => panic!("{other} was not expected"),
        });
        let (driver, want) = (bench.driver(name), kit::fields(want.clone()));
        let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous, "{name}");
        let found = driver.find(&bench.cx, &want, &intent(1)).await;
        if mine {
            assert_eq!(found.unwrap().unwrap().id, id);
        } else {
            assert_eq!(found.unwrap_err().kind, ErrorKind::AlreadyExists, "{name}");
        }
    }
}

#[tokio::test]
async fn what_was_made_by_a_lost_call_is_found_by_its_mark() {
    let policy = json!({"policy_name": "p", "path": "/team/", "policy_document": document()});
    let there = |tags: &str| format!("<Policy><Arn>{ARN}policy/team/p</Arn>{tags}</Policy>");
    lost("aws:iam:Policy", policy, "CreatePolicy", "GetPolicy", there, &format!("{ARN}policy/team/p")).await;

    let there = |tags: &str| {
        format!(
            "<InstanceProfile><Path>/</Path><InstanceProfileName>p</InstanceProfileName><InstanceProfileId>A\
             </InstanceProfileId><Arn>{ARN}instance-profile/p</Arn>{WHEN}<Roles/>{tags}</InstanceProfile>"
        )
    };
    let profile = json!({"instance_profile_name": "p", "role_name": "r"});
    lost("aws:iam:InstanceProfile", profile, "CreateInstanceProfile", "GetInstanceProfile", there, "p").await;

    let there = |tags: &str| {
        format!("<User><Path>/</Path><UserName>u</UserName><UserId>A</UserId><Arn>{ARN}user/u</Arn>{WHEN}{tags}</User>")
    };
    lost("aws:iam:User", json!({"user_name": "u"}), "CreateUser", "GetUser", there, "u").await;

    let there = |tags: &str| format!("<Url>example.org/x</Url>{tags}");
    let (create, find) = ("CreateOpenIDConnectProvider", "GetOpenIDConnectProvider");
    let id = format!("{ARN}oidc-provider/example.org/x");
    lost("aws:iam:OidcProvider", json!({"url": "https://example.org/x"}), create, find, there, &id).await;
}

#[tokio::test]
async fn what_bears_no_mark_is_found_by_its_name() {
    let role = format!(
        "<member><Path>/aws-service-role/autoscaling.amazonaws.com/</Path><RoleName>AWSServiceRoleForAutoScaling_x\
         </RoleName><RoleId>A</RoleId><Arn>{ARN}role/x</Arn>{WHEN}</member>"
    );
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "CreateGroup" | "CreateServiceLinkedRole" => Answer::Lost,
        "GetGroup" => Answer::Query(format!(
            "<Group><Path>/</Path><GroupName>g</GroupName><GroupId>A</GroupId><Arn>{ARN}group/g</Arn>{WHEN}</Group>\
             <Users/><IsTruncated>false</IsTruncated>"
        )),
        "ListRoles" => Answer::Query(format!("<Roles>{role}</Roles><IsTruncated>false</IsTruncated>")),
        "GetRolePolicy" => Answer::XmlError(404, "NoSuchEntity"),
        other => panic!("{other} was not expected"),
    });
    let linked = |suffix: &str| json!({"aws_service_name": "autoscaling.amazonaws.com", "custom_suffix": suffix});
    for (name, want, id) in [
        ("aws:iam:Group", json!({"group_name": "g"}), Some("g")),
        ("aws:iam:ServiceLinkedRole", linked("x"), Some("AWSServiceRoleForAutoScaling_x")),
        ("aws:iam:ServiceLinkedRole", linked("y"), None),
    ] {
        let (driver, want) = (bench.driver(name), kit::fields(want));
        let error = driver.create(&bench.cx, &want, &intent(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Ambiguous, "{name}");
        let found = driver.find(&bench.cx, &want, &intent(1)).await.unwrap();
        assert_eq!(found.map(|f| f.id).as_deref(), id, "{name}");
    }
    // An inline policy is put, and put again.
    let want = kit::fields(json!({"role_name": "r", "policy_name": "p", "policy_document": document()}));
    let found = bench.driver("aws:iam:RolePolicy").find(&bench.cx, &want, &intent(1)).await;
    assert!(found.unwrap().is_none());
}

#[tokio::test]
async fn what_bears_no_mark_and_is_somebody_elses_is_left_alone() {
    let role = format!(
        "<member><Path>/aws-service-role/autoscaling.amazonaws.com/</Path><RoleName>AWSServiceRoleForAutoScaling\
         </RoleName><RoleId>A</RoleId><Arn>{ARN}role/x</Arn>{WHEN}</member>"
    );
    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "CreateGroup" | "CreateServiceLinkedRole" => Answer::XmlError(409, "EntityAlreadyExists"),
        "GetGroup" => Answer::Query(format!(
            "<Group><Path>/</Path><GroupName>g</GroupName><GroupId>A</GroupId><Arn>{ARN}group/g</Arn>{WHEN}</Group>\
             <Users/><IsTruncated>false</IsTruncated>"
        )),
        "ListRoles" => Answer::Query(format!("<Roles>{role}</Roles><IsTruncated>false</IsTruncated>")),
        "GetRolePolicy" => Answer::Query(format!(
            "<RoleName>r</RoleName><PolicyName>p</PolicyName><PolicyDocument>{DOCUMENT}</PolicyDocument>"
        )),
        other => panic!("{other} was not expected"),
    });
    // Of a run that began after the objects had been made: the engine looks for what it was told is there already.
    let later = IntentId("line.01a205f2252b7521a1ab1e98019c6c9b.1".into());
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let other = json!({"Version": "2012-10-17", "Statement": [statement]});
    for (name, want) in [
        ("aws:iam:Group", json!({"group_name": "g"})),
        ("aws:iam:ServiceLinkedRole", json!({"aws_service_name": "autoscaling.amazonaws.com"})),
        ("aws:iam:RolePolicy", json!({"role_name": "r", "policy_name": "p", "policy_document": other})),
    ] {
        let (driver, want) = (bench.driver(name), kit::fields(want));
        let error = driver.create(&bench.cx, &want, &later).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{name}");
        let error = driver.find(&bench.cx, &want, &later).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{name}");
    }
    let same = kit::fields(json!({"role_name": "r", "policy_name": "p", "policy_document": document()}));
    let made = bench.driver("aws:iam:RolePolicy").create(&bench.cx, &same, &later).await.unwrap();
    assert_eq!(made.id, "r/p");
}

#[tokio::test]
async fn a_sixth_version_takes_the_place_of_the_oldest_idle_one() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "ListPolicyVersions" => {
            let version = |n: u32| {
                format!("<member><VersionId>v{n}</VersionId><IsDefaultVersion>{}</IsDefaultVersion></member>", n == 8)
            };
            let all: String = [12, 11, 10, 9, 8].map(version).concat();
            Answer::Query(format!("<Versions>{all}</Versions><IsTruncated>false</IsTruncated>"))
        }
        "DeletePolicyVersion" => {
            assert_eq!(request.body["VersionId"], "v9");
            Answer::Query(String::new())
        }
        _ => {
            assert_eq!(request.body["SetAsDefault"], "true");
            Answer::Query("<PolicyVersion><VersionId>v13</VersionId></PolicyVersion>".into())
        }
    });
    let want = kit::fields(json!({"policy_name": "p", "policy_document": document()}));
    let change = Delta { before: Value::Null, after: want["policy_document"].clone() };
    let driver = bench.driver("aws:iam:Policy");
    driver.update(&bench.cx, "arn:p", &want, &[("policy_document".into(), change)].into()).await.unwrap();
    assert_eq!(bench.operations(), ["ListPolicyVersions", "DeletePolicyVersion", "CreatePolicyVersion"]);
}

fn set(field: &str, before: Json, after: Json) -> (String, Delta) {
    (field.to_owned(), Delta { before: before.into(), after: after.into() })
}

#[tokio::test]
async fn what_no_emulator_changes() {
    let bench = kit::scripted(|request, _| match request.operation.as_str() {
        "GetUser" => Answer::Query(format!(
            "<User><Path>/new/</Path><UserName>u</UserName><UserId>A</UserId><Arn>{ARN}user/new/u</Arn>{WHEN}</User>"
        )),
        "GetGroup" => Answer::Query(format!(
            "<Group><Path>/new/</Path><GroupName>g</GroupName><GroupId>A</GroupId><Arn>{ARN}group/new/g</Arn>{WHEN}\
             </Group><Users/><IsTruncated>false</IsTruncated>"
        )),
        _ => Answer::Query(String::new()),
    });
    let update = async |name: &str, want: Json, change: (String, Delta)| {
        let before = bench.requests().len();
        let out = bench.driver(name).update(&bench.cx, "id", &kit::fields(want), &[change].into()).await.unwrap();
        (out, bench.requests().split_off(before))
    };
    let provider = json!({"url": "https://example.org"});
    let change = set("client_id_list", json!(["a", "b"]), json!(["b", "c"]));
    let (_, calls) = update("aws:iam:OidcProvider", provider, change).await;
    let said: Vec<_> = calls.iter().map(|r| (r.operation.as_str(), r.body["ClientID"].as_str().unwrap())).collect();
    assert_eq!(said, [("AddClientIDToOpenIDConnectProvider", "c"), ("RemoveClientIDFromOpenIDConnectProvider", "a")]);

    let user = json!({"user_name": "u"});
    let (_, calls) =
        update("aws:iam:User", user.clone(), set("permissions_boundary", json!(null), json!("arn:b"))).await;
    assert_eq!(
        (calls[0].operation.as_str(), &calls[0].body["PermissionsBoundary"]),
        ("PutUserPermissionsBoundary", &json!("arn:b"))
    );
    let (_, calls) =
        update("aws:iam:User", user.clone(), set("permissions_boundary", json!("arn:b"), json!(null))).await;
    assert_eq!(calls[0].operation, "DeleteUserPermissionsBoundary");

    for (name, want) in [("aws:iam:User", user), ("aws:iam:Group", json!({"group_name": "g"}))] {
        let (out, calls) = update(name, want, set("path", json!("/"), json!("/new/"))).await;
        assert_eq!(calls[0].body["NewPath"], "/new/");
        assert!(out.unwrap()["arn"].as_str().unwrap().contains("/new/"), "{name}");
    }
}

#[tokio::test]
async fn a_service_is_asked_whether_it_still_needs_its_role() {
    let status = |status: &str| format!("<Status>{status}</Status>");
    let bench = kit::scripted(move |request, before| match request.operation.as_str() {
        "DeleteServiceLinkedRole" => Answer::Query("<DeletionTaskId>task/1</DeletionTaskId>".into()),
        _ => Answer::Query(status(if before < 3 { "IN_PROGRESS" } else { "SUCCEEDED" })),
    });
    let driver = bench.driver("aws:iam:ServiceLinkedRole");
    driver.delete(&bench.cx, "AWSServiceRoleForX", &ValueMap::new()).await.unwrap();
    assert_eq!(bench.requests().len(), 4);

    let bench = kit::scripted(move |request, _| match request.operation.as_str() {
        "DeleteServiceLinkedRole" => Answer::Query("<DeletionTaskId>task/1</DeletionTaskId>".into()),
        _ => Answer::Query(
            "<Status>FAILED</Status><Reason><Reason>it is needed</Reason><RoleUsageList><member><Region>us-west-2\
             </Region><Resources><member>group-1</member></Resources></member></RoleUsageList></Reason>"
                .into(),
        ),
    });
    let driver = bench.driver("aws:iam:ServiceLinkedRole");
    let error = driver.delete(&bench.cx, "AWSServiceRoleForX", &ValueMap::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InUse);
    assert!(error.message.contains("it is needed") && error.hint.unwrap().contains("group-1 in us-west-2"));
}
