//! A secret goes through every path that there is, and none of the bytes that are written on the way has it: not in plaintext, not in base64 or
//! hexadecimal, not in a word of AWS's own.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use phx_tests::command::{Project, Said};
use phx_tests::emulator::Emulator;

/// Characters that JSON and URLs write otherwise are in it.
const CANARY: &str = "canary+7f3a91/=q:tweet";

/// The forms in which a careless program could write it.
fn forms() -> Vec<Vec<u8>> {
    let hex: String = CANARY.bytes().map(|b| format!("{b:02x}")).collect();
    // The middle of its base64 at each of the three ways it can lie in what is encoded.
    let base64 = (0..3).map(|shift| {
        let mut bytes = vec![b'x'; shift];
        bytes.extend(CANARY.bytes());
        let text = base64(&bytes);
        text[4..text.len() - 4].to_owned()
    });
    let url = CANARY.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace(':', "%3A");
    let mut forms = vec![CANARY.to_owned(), hex, url, "7f3a91/=q".to_owned()];
    forms.extend(base64);
    forms.into_iter().map(String::into_bytes).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            text.push(char::from(LETTERS[(n >> (18 - 6 * i)) as usize & 63]));
        }
    }
    text
}

#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).any(|window| window == form);
        assert!(!found, "{what} has {:?}:\n{}", String::from_utf8_lossy(&form), String::from_utf8_lossy(bytes));
    }
}

#[track_caller]
fn clean_said(what: &str, said: &Said) {
    clean(&format!("the output of {what}"), said.out.as_bytes());
    clean(&format!("the errors of {what}"), said.err.as_bytes());
}

/// Every file below a folder.
fn clean_folder(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += clean_folder(&path);
        } else {
            clean(&path.display().to_string(), &std::fs::read(&path).expect("a file"));
            files += 1;
        }
    }
    files
}

/// Sets a secret as a script does: from stdin.
fn set(project: &Project, name: &str, value: &str) -> Said {
    let mut child = project
        .command(&["secret", "set", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("stdin").write_all(format!("{value}\n").as_bytes()).expect("stdin is read");
    Said::from(child.wait_with_output().expect("the program ends"))
}

#[test]
fn the_search_finds_every_form() {
    for form in forms() {
        let text = [b"before ", form.as_slice(), b" after"].concat();
        assert!(std::panic::catch_unwind(|| clean("a test", &text)).is_err(), "{:?}", String::from_utf8_lossy(&form));
    }
    assert_eq!(base64(b"phx says"), "cGh4IHNheXM");
    clean("a test", b"nothing at all");
}

fn through_every_path(project: &Project, moto: &Emulator) {
    let run = |arguments: &[&str]| {
        let said = project.run(arguments);
        clean_said(&arguments.join(" "), &said);
        said
    };
    let ok = |arguments: &[&str]| {
        let said = run(arguments);
        assert_eq!(said.code(), 0, "{arguments:?}: {}{}", said.out, said.err);
        said
    };
    let missing = run(&["preview"]);
    assert!(missing.code() == 1 && missing.err.contains("phx secret set external_id"), "{}", missing.err);
    let said = set(project, "external_id", CANARY);
    assert_eq!(said.code(), 0, "{}", said.err);
    clean_said("secret set", &said);

    for arguments in [
        &["preview"][..],
        &["preview", "-v"],
        &["preview", "--json"],
        &["preview", "--out", "plan.json"],
        &["graph", "--format", "dot"],
        &["graph", "--format", "json"],
        &["secret", "list", "--json"],
        &["up", "--plan", "plan.json", "--json"],
        &["up", "--yes", "-v"],
        &["state", "list", "--json"],
        &["state", "show", "partner"],
        &["state", "show", "partner", "--json"],
        &["state", "export", "state.json"],
        &["stack", "outputs"],
        &["stack", "outputs", "--json"],
        &["stack", "history", "--json"],
        &["state", "verify"],
        &["lock", "status", "--json"],
    ] {
        ok(arguments);
    }
    let roles = moto.aws(&["iam", "get-role", "--role-name", "phx-example-partner"]);
    assert!(roles.to_string().contains(CANARY), "AWS is told it: {roles}");
    assert!(project.ok(&["stack", "outputs", "--show-secrets"]).out.contains(CANARY));
    assert_eq!(project.ok(&["secret", "get", "external_id"]).out.trim_end(), CANARY);

    // Changed by somebody, and put right.
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"CANARY"}}}]}"#;
    let trust = trust.replace("CANARY", CANARY);
    moto.aws(&["iam", "update-assume-role-policy", "--role-name", "phx-example-partner", "--policy-document", &trust]);
    let changed = run(&["preview", "--detailed-exitcode", "-v"]);
    assert_eq!(changed.code(), 2, "{}{}", changed.out, changed.err);
    run(&["preview", "--detailed-exitcode", "--json"]);
    ok(&["refresh", "--yes"]);
    ok(&["state", "show", "partner", "-v"]);
    ok(&["up", "--yes"]);
    ok(&["preview", "--detailed-exitcode"]);

    // What AWS refuses, it quotes: moto says which document it could not read.
    assert_eq!(set(project, "external_id", &format!("{CANARY} again")).code(), 0);
    ok(&["preview", "-v"]);
    ok(&["secret", "rotate", "--passphrase", "--yes"]);
}

#[test]
fn with_the_state_in_a_folder() {
    let moto = Emulator::moto();
    let project = Project::copy("examples/partner")
        .on(&moto)
        .with("PHX_PASSPHRASE", "correct horse")
        .with("PHX_NEW_PASSPHRASE", "correct horse");
    through_every_path(&project, &moto);
    project.ok(&["destroy", "--yes"]);
    assert!(clean_folder(project.path()) > 10, "the state is somewhere else");
}

#[test]
fn with_the_state_in_s3_and_the_key_in_kms() {
    let moto = Emulator::moto();
    let store = Emulator::moto();
    let key = moto.aws(&["kms", "create-key"]);
    let key = key["KeyMetadata"]["Arn"].as_str().expect("a key").to_owned();
    let project = Project::copy("examples/partner")
        .on(&moto)
        .with_state_in(&store, "30s")
        .with("PHX_KMS_KEY", key)
        .with("PHX_NEW_PASSPHRASE", "battery staple");
    through_every_path(&project, &moto);
    clean_folder(project.path());
    let mut seen = 0;
    let bucket = "phx-state-of-a-test";
    let objects = store.aws(&["s3api", "list-objects-v2", "--bucket", bucket]);
    for object in objects["Contents"].as_array().expect("objects") {
        let key = object["Key"].as_str().expect("a key");
        let file = project.path().join("object");
        store.aws(&["s3api", "get-object", "--bucket", bucket, "--key", key, file.to_str().expect("a path")]);
        clean(key, &std::fs::read(&file).expect("an object"));
        seen += 1;
    }
    assert!(seen > 3, "{objects}");
    let items = store.aws(&["dynamodb", "scan", "--table-name", "phx-test"]);
    assert!(items["Count"].as_i64() > Some(3), "{items}");
    clean("the table", items.to_string().as_bytes());
}
