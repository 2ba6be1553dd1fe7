//! README's "Restoring the database", command by command, on the whole prod stack in phx's own sandbox, as a server.
#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use phx_tests::command::{Project, Said};
use phx_tests::emulator::Emulator;
use phx_tests::workspace;
use serde_json::Value;
use tempfile::TempDir;

const UP: &str = "phx -C stacks up --stack prod";
const SHOW: &str =
    "phx -C stacks state show --stack prod urn:phx:phoenix:prod:aws:rds:DbInstance:rds/postgres-restored";
/// As prod.toml has it, which is without.
const NONE: &str = "# restored = { to = \"latest\", serves = false }";
const COPY: &str = "phoenix-prod-postgres-restored";

/// The commands of README's section, in their order.
fn documented() -> Vec<String> {
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("the README");
    let (_, section) = readme.split_once("**Restoring the database**").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let commands = section.lines().map(str::trim).filter(|line| line.starts_with("phx ") || line.starts_with("aws "));
    commands.map(str::to_owned).collect()
}

/// Production, and the AWS that it lives in.
struct Prod {
    project: Project,
    sandbox: Emulator,
    _folder: TempDir,
}

impl Prod {
    fn start() -> Self {
        let (project, folder) = (Project::copy("stacks"), tempfile::tempdir().expect("a folder"));
        let sandbox = Emulator::sandbox(project.binary(), folder.path());
        Self { project: project.on(&sandbox), sandbox, _folder: folder }
    }

    /// A command as README has it, in the copy of the project.
    fn run(&self, command: &str, more: &[&str]) -> Said {
        let words: Vec<&str> = command.strip_prefix("phx -C stacks ").expect("a command of phx").split(' ').collect();
        self.project.run(&[words.as_slice(), more].concat())
    }

    #[track_caller]
    fn ok(&self, command: &str, more: &[&str]) -> Said {
        let said = self.run(command, more);
        assert_eq!(said.code(), 0, "{command}\n{}\n{}", said.out, said.err);
        said
    }

    /// A command that fails, with these words in what it says.
    #[track_caller]
    fn refused(&self, command: &str, more: &[&str], words: &[&str]) {
        let said = self.run(command, more);
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code(), 1, "{command}\n{all}");
        for word in words {
            assert!(all.contains(word), "{word:?} is not in what is said of {command}:\n{all}");
        }
    }

    /// An edit of the file makes `up` do this, and no more; then there is nothing left to do, and nothing has drifted.
    #[track_caller]
    fn change(&self, from: &str, to: &str, op: &str, name: &str) {
        self.project.edit("prod.toml", from, to);
        self.up(op, name);
    }

    #[track_caller]
    fn up(&self, op: &str, name: &str) {
        assert_eq!(self.plan(), [(op.to_owned(), name.to_owned())].into());
        self.ok(UP, &["--yes"]);
        self.settled();
    }

    /// What `up` would do: operations with names.
    #[track_caller]
    fn plan(&self) -> BTreeSet<(String, String)> {
        let plan = self.ok("phx -C stacks preview --stack prod", &["--json"]).json();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let steps = plan["steps"].as_array().expect("steps").iter().filter(|step| step["op"] != "same");
        steps.map(|step| (text(&step["op"]), text(&step["name"]))).collect()
    }

    #[track_caller]
    fn settled(&self) {
        assert_eq!(self.plan(), BTreeSet::new());
        self.ok("phx -C stacks drift --stack prod", &[]);
    }

    #[track_caller]
    fn shown(&self, command: &str) -> Value {
        self.ok(command, &["--json"]).json()
    }

    /// An instance as AWS tells it.
    fn instance(&self, name: &str) -> Value {
        let told = self.sandbox.aws(&["rds", "describe-db-instances", "--db-instance-identifier", name]);
        told["DBInstances"][0].clone()
    }

    /// Where the database's name leads.
    #[track_caller]
    fn alias(&self) -> String {
        let command = "phx -C stacks state show --stack prod urn:phx:phoenix:prod:aws:route53:Record:rds/postgres";
        let record = self.shown(command);
        record["inputs"]["resource_records"][0].as_str().unwrap_or_else(|| panic!("{record}")).to_owned()
    }
}

/// A time as the file has it, now.
fn now() -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now).expect("a time").to_string()
}

#[test]
fn the_database_is_restored_as_the_readme_says() {
    assert_eq!(documented(), [UP, SHOW, UP, UP]);
    let prod = Prod::start();
    prod.ok(UP, &["--yes"]);
    let first = prod.instance("phoenix-prod-postgres");

    // A moment that no backup holds.
    prod.project.edit("prod.toml", NONE, "restored = { to = \"2020-01-01T00:00:00Z\" }");
    assert_eq!(prod.plan(), [("create".to_owned(), "rds/postgres-restored".to_owned())].into());
    prod.refused(UP, &["--yes"], &["rds/postgres-restored", "cannot be restored to 2020-01-01T00:00:00Z"]);

    let moment = now();
    let restored = format!("restored = {{ to = \"{moment}\" }}");
    prod.change("restored = { to = \"2020-01-01T00:00:00Z\" }", &restored, "create", "rds/postgres-restored");
    let copy = prod.instance(COPY);
    for same in ["Engine", "EngineVersion", "MasterUsername", "DBName", "AllocatedStorage", "KmsKeyId", "MultiAZ"] {
        assert_eq!(copy[same], first[same], "{same}: {copy:#}");
    }
    for on in ["StorageEncrypted", "DeletionProtection", "IAMDatabaseAuthenticationEnabled", "CopyTagsToSnapshot"] {
        assert_eq!(copy[on], true, "{on}: {copy:#}");
    }
    assert_eq!(prod.instance("phoenix-prod-postgres")["DbiResourceId"], first["DbiResourceId"], "the first one stays");

    // What one needs to look at the data.
    let shown = prod.shown(SHOW);
    let (address, secret) = (&shown["outputs"]["address"], &shown["outputs"]["master_user_secret_arn"]);
    assert_eq!((address, secret), (&copy["Endpoint"]["Address"], &copy["MasterUserSecret"]["SecretArn"]));
    let outputs = || prod.shown("phx -C stacks stack outputs --stack prod")["outputs"].clone();
    let before = outputs();
    assert_ne!(before["database_secret"], *secret);
    let value = ["secretsmanager", "get-secret-value", "--secret-id", secret.as_str().expect("an ARN")];
    let value = prod.sandbox.aws(&value)["SecretString"].as_str().expect("a value").to_owned();
    let user: Value = serde_json::from_str(&value).expect("JSON");
    assert!(user["username"] == "phoenix" && user["password"].is_string(), "it has a user and a password");
    // The name alone is another one's as well, as README says.
    let unclear = prod.run("phx -C stacks state show --stack prod rds/postgres-restored", &[]);
    assert_eq!(unclear.code(), 64, "{}", unclear.err);

    // It serves, and no longer.
    let serving = format!("restored = {{ to = \"{moment}\", serves = true }}");
    prod.change(&restored, &serving, "update", "rds/postgres");
    assert_eq!(prod.alias().as_str(), address.as_str().expect("an address"));
    assert_eq!(outputs(), before);
    prod.change("serves = true", "serves = false", "update", "rds/postgres");
    assert_eq!(prod.alias().as_str(), first["Endpoint"]["Address"].as_str().expect("an address"));

    // Another moment would be another copy, which takes this one's place; and without `restored` there would be none.
    let idle = format!("restored = {{ to = \"{moment}\", serves = false }}");
    let latest = "restored = { to = \"latest\", serves = false }";
    for other in [latest, NONE] {
        prod.project.edit("prod.toml", &idle, other);
        prod.refused(UP, &["--yes"], &["rds/postgres-restored", "protect"]);
        prod.project.edit("prod.toml", other, &idle);
    }
    assert_eq!(prod.instance(COPY)["DbiResourceId"], copy["DbiResourceId"]);

    prod.project.edit("prod.toml", "protect = true", "protect = false");
    prod.project.edit("prod.toml", "deletion_protection = true", "deletion_protection = false");
    prod.ok(UP, &["--yes"]);
    prod.change(&idle, NONE, "delete", "rds/postgres-restored");
    let snapshots = || prod.sandbox.aws(&["rds", "describe-db-snapshots"])["DBSnapshots"].clone();
    let left = snapshots();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left:#}");
    let (of, name) = (&left[0]["DBInstanceIdentifier"], &left[0]["DBSnapshotIdentifier"]);
    assert_eq!((of, name), (&COPY.into(), &format!("{COPY}-final").into()));

    // The next copy leaves a snapshot of its own, beside the one that has its name already.
    prod.change(NONE, latest, "create", "rds/postgres-restored");
    let id = prod.instance(COPY)["DbiResourceId"].as_str().expect("an id").to_lowercase();
    prod.change(latest, NONE, "delete", "rds/postgres-restored");
    let both = snapshots();
    let names = both.as_array().into_iter().flatten().map(|s| s["DBSnapshotIdentifier"].as_str().unwrap_or_default());
    let names: BTreeSet<&str> = names.collect();
    assert_eq!(names, [&*format!("{COPY}-final"), &*format!("{COPY}-final-{id}")].into(), "{both:#}");
}

/// With a replica the password is the program's own, and its stack's secrets are under a key of KMS.
#[test]
fn a_password_of_the_programs_own_is_the_copys_as_well() {
    const PASSWORD: &str = "correct-horse-battery-staple";
    let mut prod = Prod::start();
    let key = prod.sandbox.aws(&["kms", "create-key"])["KeyMetadata"]["Arn"].as_str().expect("an ARN").to_owned();
    prod.project = prod.project.with("PHX_KMS_KEY", key.as_str());
    prod.project.edit("prod.toml", "# replica_class", "replica_class");
    let mut set = prod.project.command(&["secret", "set", "database_password", "--stack", "prod"]);
    let mut child = set.stdin(Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().expect("stdin").write_all(PASSWORD.as_bytes()).expect("the secret is told");
    assert!(child.wait().expect("the program ends").success());
    prod.ok(UP, &["--yes"]);
    prod.settled();

    prod.change(NONE, "restored = { to = \"latest\" }", "create", "rds/postgres-restored");
    let shown = prod.shown(SHOW);
    assert_eq!(shown["outputs"]["master_user_secret_arn"], Value::Null, "{shown:#}");
    assert!(prod.instance(COPY)["MasterUserSecret"].is_null());
    let exported = prod.ok("phx -C stacks state export --stack prod", &["--json"]).out;
    assert!(!exported.contains(PASSWORD), "the password is told");

    // Without the key nothing is decrypted, and with it all is as it was.
    let preview = "phx -C stacks preview --stack prod";
    prod.sandbox.aws(&["kms", "disable-key", "--key-id", &key]);
    prod.refused(preview, &[], &["DisabledException", &key]);
    prod.sandbox.aws(&["kms", "enable-key", "--key-id", &key]);
    prod.settled();
}
