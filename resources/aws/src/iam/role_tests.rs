use std::collections::BTreeMap;

use aws_sdk_iam::types::Tag;
use aws_smithy_types::DateTime;
use phx_model::value::Json;
use phx_model::{Value, ValueMap};

use super::*;

const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";

fn listed_role(name: &str) -> Shown {
    Shown::builder()
        .role_name(name)
        .role_id("AROA1")
        .arn(format!("arn:aws:iam::1:role/{name}"))
        .path("/")
        .create_date(DateTime::from_secs(0))
        .description("what for")
        .max_session_duration(7200)
        .build()
        .unwrap()
}

fn detail(name: &str) -> RoleDetail {
    let tag = Tag::builder().key("k").value("v").build().unwrap();
    let boundary = AttachedPermissionsBoundary::builder().permissions_boundary_arn("arn:b").build();
    RoleDetail::builder()
        .role_name(name)
        .role_id("AROA1")
        .arn(format!("arn:aws:iam::1:role/{name}"))
        .path("/")
        .assume_role_policy_document(TRUST)
        .permissions_boundary(boundary)
        .tags(tag)
        .build()
}

#[test]
fn the_two_lists_are_joined_by_name() {
    let inputs = ValueMap::from([("description".to_owned(), Value::String("what for".into()))]);
    let plain = ValueMap::from([("role_name".to_owned(), Value::String("b".into()))]);
    let targets = [
        Target { id: "a", inputs: &inputs },
        Target { id: "b", inputs: &plain },
        Target { id: "c", inputs: &plain },
        Target { id: "d", inputs: &inputs },
    ];
    let mut found =
        join(&targets, &[detail("d"), detail("b"), detail("a")], &[listed_role("a"), listed_role("b")]).into_iter();
    let Some(Some(Found::Present { fields, outputs })) = found.next() else { panic!("a") };
    assert_eq!(fields.description.as_deref(), Some("what for"));
    assert_eq!((fields.max_session_duration, fields.permissions_boundary), (Some(7200), Some(Arn::new("arn:b"))));
    assert_eq!(fields.tags, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    assert_eq!(outputs.arn, Arn::new("arn:aws:iam::1:role/a"));
    let Some(Some(Found::Present { fields, .. })) = found.next() else { panic!("b") };
    assert_eq!(fields.description.as_deref(), Some("what for"), "it is told whether or not the program sets it");
    assert!(found.next().is_some_and(|c| c.is_none()), "in neither list");
    assert!(found.next().is_some_and(|d| d.is_none()), "only one list has it");
}

#[test]
fn what_is_not_to_change_is_sent_as_it_is() {
    let want = RoleResolved {
        role_name: "a".into(),
        assume_role_policy_document: Json(Value::Null),
        path: None,
        description: Some("new".into()),
        max_session_duration: None,
        permissions_boundary: None,
        tags: BTreeMap::new(),
    };
    let now = listed_role("a");
    let to = |after: Option<&str>| RoleChange {
        description: Some(FieldChange { before: None, after: after.map(str::to_owned) }),
        ..RoleChange::default()
    };
    assert_eq!(described(&want, &to(Some("new")), &now).as_deref(), Some("new"));
    assert_eq!(described(&want, &to(None), &now).as_deref(), Some(""));
    assert_eq!(session(&want, &to(None), &now), 7200);
    let longer = RoleChange {
        max_session_duration: Some(FieldChange { before: Some(3600), after: Some(10000) }),
        ..RoleChange::default()
    };
    assert_eq!(session(&want, &longer, &now), 10000);
    assert_eq!(described(&want, &longer, &now).as_deref(), Some("new"));
    let unset = RoleResolved { description: None, ..want };
    assert_eq!(described(&unset, &longer, &now).as_deref(), Some("what for"));
}

#[test]
fn holders_are_named() {
    assert_eq!(hint(&[]), None);
    let hint = hint(&["the inline policy x".into(), "the instance profile y".into()]).unwrap();
    assert!(hint.contains("the inline policy x, the instance profile y"), "{hint}");
}

#[test]
fn only_an_unknown_principal_passes() {
    let error = |code: &str, message: &str| CloudError {
        code: Some(code.into()),
        ..CloudError::local(ErrorKind::Invalid, message)
    };
    assert!(unknown_principal(&error("MalformedPolicyDocument", r#"Invalid principal in policy: "AWS":"arn""#)));
    assert!(!unknown_principal(&error("MalformedPolicyDocument", "Syntax errors in policy.")));
    assert!(!unknown_principal(&error("ValidationError", "Invalid principal")));
}
