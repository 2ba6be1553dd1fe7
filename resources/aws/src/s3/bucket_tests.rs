use super::*;

#[test]
fn outputs_follow_from_name_and_region() {
    let out = outputs("logs", "us-west-2");
    assert_eq!(out.arn, Arn::new("arn:aws:s3:::logs"));
    assert_eq!(out.bucket_regional_domain_name, "logs.s3.us-west-2.amazonaws.com");
    let out = outputs("logs", "cn-north-1");
    assert_eq!(out.arn, Arn::new("arn:aws-cn:s3:::logs"));
    assert_eq!(out.bucket_regional_domain_name, "logs.s3.cn-north-1.amazonaws.com.cn");
}

#[test]
fn the_namespace_follows_from_the_name() {
    assert_eq!(namespace("logs-123456789012-us-west-2-an", "us-west-2"), "account-regional");
    for global in ["logs", "logs-us-west-2-an", "logs-123456789012-us-east-1-an", "x-12345-us-west-2-an"] {
        assert_eq!(namespace(global, "us-west-2"), "global", "{global}");
    }
}

#[test]
fn tags_that_are_not_to_change_are_kept() {
    let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let delta = TagDelta { set: tags(&[("a", "2"), ("b", "1")]), remove: ["c".to_owned()].into() };
    let now = tags(&[("a", "1"), ("c", "1"), ("phx:intent", "i")]);
    assert_eq!(changed(now, &delta), tags(&[("a", "2"), ("b", "1"), ("phx:intent", "i")]));
}

#[test]
fn a_bucket_without_settings_is_complete_at_once() {
    let plain = serde_json::json!({"bucket": "logs", "object_lock_enabled_for_bucket": true,
        "object_ownership": "ObjectWriter", "force_destroy": true, "acl": "private"});
    let phx_model::Value::Map(plain) = phx_model::Value::from(plain) else { panic!("no map") };
    let mut want = Bucket::resolve(&plain).unwrap();
    assert!(created(&want, "us-west-2").complete);
    want.versioning_configuration = Some(settings::VersioningConfigurationResolved { status: "Enabled".into() });
    assert!(!created(&want, "us-west-2").complete);
}

#[test]
fn a_bucket_elsewhere_is_explained() {
    let error = |code: Option<&str>, message: &str| CloudError {
        code: code.map(str::to_owned),
        ..CloudError::local(ErrorKind::Other, message)
    };
    for there in [error(Some("PermanentRedirect"), "use another"), error(None, "refused with status 301")] {
        assert!(explained(there, "us-west-2").hint.is_some_and(|hint| hint.contains("us-west-2")));
    }
    assert_eq!(explained(error(Some("AccessDenied"), "no"), "us-west-2").hint, None);
}

#[test]
fn every_setting_that_is_read_is_a_field() {
    for field in SETTINGS {
        assert!(Bucket::schema().field(field).is_some(), "{field}");
    }
}

#[test]
fn versions_that_s3_does_not_know_of_yet_are_waited_for() {
    let error = |code: &str, message: &str| CloudError {
        code: Some(code.to_owned()),
        ..CloudError::local(ErrorKind::Invalid, message)
    };
    let to = |what: &str| format!("Versioning must be 'Enabled' on the bucket to apply a {what} configuration");
    assert!(is_unversioned(&error("InvalidRequest", &to("replication"))));
    assert!(is_unversioned(&error("InvalidBucketState", &to("Object Lock"))));
    assert!(!is_unversioned(&error("InvalidRequest", "Destination bucket must exist.")));
}
