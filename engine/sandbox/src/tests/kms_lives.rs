//! Whole lives of KMS's types, as the engine leads them.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use phx_model::error::ErrorKind;
use serde_json::{Value, json};

use super::*;

fn policy(actions: Value) -> Value {
    json!({"Version": "2012-10-17", "Id": "key", "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT_ID}:root")}, "Action": "kms:*", "Resource": "*"},
        {"Sid": "Use", "Effect": "Allow", "Principal": {"Service": "logs.us-west-2.amazonaws.com"}, "Action": actions, "Resource": "*"},
    ]})
}

#[tokio::test]
async fn keys_and_aliases() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = bench(&sandbox);
    let key = |more: Value| {
        let mut key = json!({"key_usage": "ENCRYPT_DECRYPT", "key_spec": "SYMMETRIC_DEFAULT", "origin": "AWS_KMS",
            "multi_region": true, "pending_window_in_days": 7});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    };
    let want = key(json!({
        "description": "für logs", "policy": policy(json!(["kms:Encrypt*", "kms:Decrypt*"])), "enabled": true,
        "enable_key_rotation": true, "rotation_period_in_days": 90, "tags": {"a": "é"},
    }));
    let changes = [
        key(json!({
            "description": "for all logs", "policy": policy(json!("kms:Decrypt*")), "enabled": false,
            "enable_key_rotation": false, "tags": {"c": "d"},
        })),
        key(json!({"enabled": true, "enable_key_rotation": true, "rotation_period_in_days": 180, "tags": {"c": "d"}})),
        key(json!({"description": "again"})),
    ];
    let outputs = bench.life("aws:kms:Key", want, &changes).await;
    assert!(outputs["id"].as_str().is_some_and(|id| id.starts_with("mrk-")), "{outputs:?}");
    let signing = json!({"enabled": false, "key_usage": "SIGN_VERIFY", "key_spec": "ECC_NIST_P256"});
    bench.life("aws:kms:Key", signing, &[]).await;
    let error = bench.create("aws:kms:Key", &json!({"key_usage": "SIGN_VERIFY"}), 9).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("ValidationException"), "{error:?}");
    let error = bench.create("aws:kms:Key", &json!({"policy": "allow all"}), 9).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("MalformedPolicyDocumentException"), "{error:?}");

    let first = bench.create("aws:kms:Key", &json!({}), 2).await.unwrap();
    let second = bench.create("aws:kms:Key", &json!({}), 3).await.unwrap();
    let alias = |key: &str| json!({"alias_name": "alias/app", "target_key_id": key});
    let arn = second.outputs["arn"].as_str().unwrap().to_owned();
    bench.life("aws:kms:Alias", alias(&first.id), &[alias(&second.id), alias(&first.id), alias(&arn)]).await;

    // A name is one key's; and a key of another kind does not take its place.
    bench.create("aws:kms:Alias", &alias(&first.id), 4).await.unwrap();
    let error = bench.create("aws:kms:Alias", &alias(&second.id), 5).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::AlreadyExists, Some("AlreadyExistsException")));
    let kms = client!(aws_sdk_kms, sandbox.http_client());
    let mac = kms.create_key().key_spec("HMAC_256".into()).key_usage("GENERATE_VERIFY_MAC".into());
    let mac = mac.send().await.unwrap().key_metadata.unwrap().key_id;
    refused!(kms.update_alias().alias_name("alias/app").target_key_id(&mac), "ValidationException");
    refused!(kms.get_key_rotation_status().key_id(&mac), "UnsupportedOperationException");
    refused!(kms.create_alias().alias_name("alias/aws/mine").target_key_id(&mac), "NotAuthorizedException");
    refused!(kms.describe_key().key_id("absent"), "NotFoundException");
    refused!(kms.generate_mac().key_id(&mac).message(Blob::new("x")), "NotImplemented");
    refused!(kms.delete_alias().alias_name("alias/aws/rds"), "NotAuthorizedException");

    // What is going to be deleted keeps its alias and takes no change, until it is called back.
    bench.deleted("aws:kms:Key", &first.id, &json!({})).await;
    refused!(kms.enable_key().key_id(&first.id), "KMSInvalidStateException");
    refused!(kms.create_alias().alias_name("alias/more").target_key_id(&first.id), "KMSInvalidStateException");
    assert_eq!(kms.describe_key().key_id("alias/app").send().await.unwrap().key_metadata.unwrap().key_id, first.id);
    kms.cancel_key_deletion().key_id(&first.id).send().await.unwrap();
    kms.enable_key().key_id(&first.id).send().await.unwrap();
    bench.settled("aws:kms:Key", &first.id, &json!({"enabled": true})).await;

    // All of it is there again in the next process.
    drop((kms, sandbox));
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let bench = super::bench(&sandbox);
    bench.settled("aws:kms:Alias", "alias/app", &alias(&first.id)).await;
    bench.settled("aws:kms:Key", &first.id, &json!({"enabled": true})).await;
}

#[tokio::test]
async fn what_is_encrypted_is_bound_to_its_key_and_context() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let kms = client!(aws_sdk_kms, sandbox.http_client());
    let key = async || kms.create_key().send().await.unwrap().key_metadata.unwrap();
    let (own, other) = (key().await, key().await);
    kms.create_alias().alias_name("alias/state").target_key_id(&own.key_id).send().await.unwrap();
    let data_key = || kms.generate_data_key().key_id("alias/state");
    let made = data_key().key_spec(DataKeySpec::Aes256).encryption_context("stack", "dev").send().await.unwrap();
    assert_eq!((made.key_id(), made.plaintext().unwrap().as_ref().len()), (own.arn(), 32));
    let sealed = made.ciphertext_blob.unwrap();
    let open = |context: &str| kms.decrypt().ciphertext_blob(sealed.clone()).encryption_context("stack", context);
    // The ciphertext names its key; who names one as well must mean that one.
    for opened in [open("dev"), open("dev").key_id("alias/state"), open("dev").key_id(own.arn().unwrap())] {
        assert_eq!(opened.send().await.unwrap().plaintext, made.plaintext);
    }
    refused!(open("prod"), "InvalidCiphertextException");
    refused!(open("dev").encryption_context("more", "x"), "InvalidCiphertextException");
    refused!(kms.decrypt().ciphertext_blob(sealed.clone()), "InvalidCiphertextException");
    refused!(open("dev").key_id(&other.key_id), "IncorrectKeyException");
    refused!(open("dev").key_id("alias/absent"), "NotFoundException");
    let mut bytes = sealed.clone().into_inner();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = kms.decrypt().ciphertext_blob(Blob::new(bytes)).encryption_context("stack", "dev");
    refused!(damaged, "InvalidCiphertextException");
    refused!(kms.decrypt().ciphertext_blob(Blob::new("anything")), "InvalidCiphertextException");
    // Keys are a region's.
    let away = client!(aws_sdk_kms, sandbox.http_client(), "us-east-1");
    refused!(
        away.decrypt().ciphertext_blob(sealed.clone()).encryption_context("stack", "dev"),
        "AccessDeniedException"
    );

    let text = || Blob::new("hunter2");
    let first = kms.encrypt().key_id(&own.key_id).plaintext(text()).send().await.unwrap().ciphertext_blob.unwrap();
    let second = kms.encrypt().key_id(&own.key_id).plaintext(text()).send().await.unwrap().ciphertext_blob.unwrap();
    assert_ne!(first, second, "the same is never encrypted twice in the same way");
    assert_eq!(kms.decrypt().ciphertext_blob(first).send().await.unwrap().plaintext, Some(text()));
    refused!(kms.encrypt().key_id(&own.key_id).plaintext(Blob::new(vec![0; 4097])), "ValidationException");
    refused!(data_key(), "ValidationException");
    refused!(data_key().key_spec(DataKeySpec::Aes128).number_of_bytes(16), "ValidationException");
    refused!(data_key().number_of_bytes(2000), "ValidationException");

    // Keys that do not encrypt, and one of AWS's own.
    let mac = kms.create_key().key_spec("HMAC_256".into()).key_usage("GENERATE_VERIFY_MAC".into());
    let mac = mac.send().await.unwrap().key_metadata.unwrap().key_id;
    refused!(kms.encrypt().key_id(mac).plaintext(text()), "InvalidKeyUsageException");
    let rsa = kms.create_key().key_spec("RSA_2048".into()).send().await.unwrap().key_metadata.unwrap().key_id;
    refused!(kms.encrypt().key_id(rsa).plaintext(text()), "NotImplemented");
    let external = kms.create_key().origin("EXTERNAL".into()).send().await.unwrap().key_metadata.unwrap().key_id;
    refused!(kms.encrypt().key_id(external).plaintext(text()), "KMSInvalidStateException");

    // What was encrypted is readable in the next process, and for as long as its key is on.
    drop((away, kms, sandbox));
    let sandbox = Sandbox::open(dir.path()).await.unwrap();
    let kms = client!(aws_sdk_kms, sandbox.http_client());
    let open = || kms.decrypt().ciphertext_blob(sealed.clone()).encryption_context("stack", "dev");
    assert_eq!(open().send().await.unwrap().plaintext, made.plaintext);
    kms.disable_key().key_id(&own.key_id).send().await.unwrap();
    refused!(open(), "DisabledException");
    refused!(kms.generate_data_key().key_id("alias/state").key_spec(DataKeySpec::Aes256), "DisabledException");
    kms.schedule_key_deletion().key_id(&own.key_id).pending_window_in_days(7).send().await.unwrap();
    refused!(open(), "KMSInvalidStateException");
    kms.cancel_key_deletion().key_id(&own.key_id).send().await.unwrap();
    refused!(open(), "DisabledException");
    kms.enable_key().key_id(&own.key_id).send().await.unwrap();
    assert_eq!(open().send().await.unwrap().plaintext, made.plaintext);
}
