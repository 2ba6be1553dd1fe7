use phx_model::driver::Read;
use phx_tests::emulator::Emulator;
use serde_json::{Value as Json, json};

use crate::kit;

#[tokio::test]
async fn parameters() {
    let moto = Emulator::moto();
    let bench = kit::emulated(&moto.url());
    // moto tells policies in a form that AWS does not have: see shapes.
    let plain = |value: &str, more: Json| {
        let mut plain = json!({"name": "/app/url", "type": "String", "insecure_value": value, "data_type": "text"});
        plain.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plain
    };
    let want = plain(
        "a",
        json!({"description": "where", "allowed_pattern": "^[a-z]$", "tier": "Standard", "tags": {"a": "b"}}),
    );
    let changes = [
        plain(
            "b",
            json!({"description": "where else", "allowed_pattern": "^[b-z]$", "tier": "Advanced", "tags": {"c": "d"}}),
        ),
        plain("c", json!({"tier": "Advanced"})),
    ];
    bench.life("aws:ssm:Parameter", want, &changes).await;

    let secure = |value: &str| {
        json!({"name": "/app/key", "type": "SecureString", "value": value, "tier": "Intelligent-Tiering",
            "key_id": "arn:aws:kms:us-west-2:123456789012:key/1"})
    };
    bench.life("aws:ssm:Parameter", secure("hunter2"), &[secure("hunter3")]).await;
    let made = bench.create("aws:ssm:Parameter", &secure("hunter2"), 2).await.unwrap();
    let read = bench.read("aws:ssm:Parameter", &[(&made.id, &kit::fields(secure("hunter2")))]).await.remove(0);
    let Read::Present(observed) = read else { panic!("{read:?}") };
    assert!(observed.fields["value"].has_secret());
    assert!(!format!("{observed:?}").contains("hunter2"));

    bench.life("aws:ssm:Parameter", json!({"name": "list", "type": "StringList", "value": "a,b"}), &[]).await;
    for wrong in [
        json!({"name": "x", "type": "String"}),
        json!({"name": "x", "type": "String", "value": "a", "insecure_value": "b"}),
        json!({"name": "x", "type": "SecureString", "insecure_value": "b"}),
    ] {
        let refused = bench.create("aws:ssm:Parameter", &wrong, 3).await.unwrap_err();
        assert_eq!(refused.kind, phx_model::error::ErrorKind::Invalid, "{refused}");
    }
}
