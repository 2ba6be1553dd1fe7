//! AWS emulators that others wrote, started for one test on a free port of 127.0.0.1 and ended with it.
//!
//! They are Python programs. The first test to need one makes a virtual environment for them, with the versions in
//! `tests/emulators/requirements.txt`, in `$PHX_EMULATORS` or `~/.cache/phx-emulators`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::workspace;

/// A running emulator (or proxy before one). It ends when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    port: u16,
}

/// One object that an inventory found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Item {
    /// The cloud's id.
    pub id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Takes inventories of one emulator, many of them faster than [`Emulator::inventory`] does.
#[derive(Debug)]
pub struct Clerk {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Clerk {
    /// What exists now.
    pub fn inventory(&mut self) -> Inventory {
        let asked = self.child.stdin.as_mut().map(|stdin| stdin.write_all(b"?\n"));
        assert!(matches!(asked, Some(Ok(()))), "the inventory takes no questions: {asked:?}");
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap_or_else(|e| panic!("the inventory does not answer: {e}"));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the inventory is not JSON: {e}: {line}"))
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What exists, by kind of object. Kinds of which there is nothing are left out.
pub type Inventory = BTreeMap<String, Vec<Item>>;

impl Emulator {
    /// A moto server with nothing in it.
    pub fn moto() -> Self {
        Self::moto_of("123456789012")
    }

    /// The same with another account than its usual one.
    pub fn moto_of(account: &str) -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        // With an account of its own it has that one only, whichever role is assumed.
        if account != "123456789012" {
            command.env("MOTO_ACCOUNT_ID", account);
        }
        // A certificate is issued so many seconds after it was asked for, and not a minute.
        command.env("MOTO_ACM_VALIDATION_WAIT", "2");
        Self::start(command, port)
    }

    /// A moto server that can be told to ask who may do what (`POST /moto-api/reset-auth` with the number of calls until it does); it begins
    /// without.
    pub fn moto_with_iam() -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/python"));
        command.arg(workspace().join("tests/emulators/moto_with_iam.py"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        Self::start(command, port)
    }

    /// A ministack server with nothing in it.
    pub fn ministack() -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/ministack"));
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0");
        Self::start(command, port)
    }

    /// The sandbox in a program's binary, as a server, with nothing in it. What it has is kept in the folder.
    pub fn sandbox(program: &Path, folder: &Path) -> Self {
        let port = free_port();
        // Any project will do: what is served is the state's neighbour.
        for (file, text) in
            [("phx.toml", "project = \"sandbox\"\n[program]\npackage = \"phoenix\"\n"), ("dev.toml", "")]
        {
            std::fs::write(folder.join(file), text).unwrap_or_else(|e| panic!("{file}: {e}"));
        }
        let mut command = Command::new(program);
        command.arg("-C").arg(folder).args(["sandbox", "start", "--foreground", "--port", &port.to_string()]);
        Self::start(command, port)
    }

    /// A proxy before another emulator that counts calls (and, with arguments such as `--latency-ms 80`, slows or throttles them).
    pub fn counting(upstream: &Self, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/python"));
        command
            .arg(workspace().join("tests/emulators/countproxy.py"))
            .args(["--listen", &port.to_string(), "--upstream", &upstream.url()])
            .args(arguments);
        Self::start(command, port)
    }

    /// A proxy before moto that puts right what moto gets wrong, and counts: see `rightproxy.py`.
    pub fn put_right(moto: &Self) -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/python"));
        command.arg(workspace().join("tests/emulators/rightproxy.py")).args([
            "--listen",
            &port.to_string(),
            "--upstream",
            &moto.url(),
        ]);
        Self::start(command, port)
    }

    /// A proxy before another emulator that breaks calls as its rules say: see [`Emulator::break_calls`].
    pub fn breaking(upstream: &Self) -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/microburst"));
        command.args(["--upstream", &upstream.url(), "--host", "127.0.0.1", "--port", &port.to_string()]);
        Self::start(command, port)
    }

    fn start(mut command: Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|e| panic!("{command:?} did not start: {e}"));
        let emulator = Self { child, port };
        let limit = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < limit, "{command:?} does not listen on port {port}");
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(50));
        }
        emulator
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What exists in it of a network (and buckets), read by boto3.
    pub fn inventory(&self) -> Inventory {
        self.inventory_with(&[], &[])
    }

    /// What exists in it and in the emulators that some services are served by, of all services.
    pub fn inventory_of_all(&self, settings: &[(String, String)]) -> Inventory {
        self.inventory_with(&["--all"], settings)
    }

    fn inventory_with(&self, arguments: &[&str], settings: &[(String, String)]) -> Inventory {
        let script = workspace().join("tests/emulators/inventory.py");
        let mut command = Command::new(environment().join("bin/python"));
        command.arg(script).arg(self.url()).args(arguments);
        let output = command.envs(settings.iter().map(|(name, value)| (name, value))).output();
        let output = output.unwrap_or_else(|e| panic!("the inventory did not start: {e}"));
        assert!(output.status.success(), "the inventory failed: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("the inventory is not JSON: {e}"))
    }

    /// Somebody who takes inventories of it, again and again.
    pub fn clerk(&self) -> Clerk {
        let mut command = Command::new(environment().join("bin/python"));
        command.arg(workspace().join("tests/emulators/inventory.py")).arg(self.url()).arg("--loop");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("the inventory did not start: {e}"));
        let answers = child.stdout.take().map(BufReader::new).unwrap_or_else(|| panic!("the inventory has no answers"));
        Clerk { child, answers }
    }

    /// A proxy before another emulator that lets calls go wrong: see `faultproxy.py` for its arguments. It begins calm.
    pub fn faulty(upstream: &Self, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(environment().join("bin/python"));
        command
            .arg(workspace().join("tests/emulators/faultproxy.py"))
            .args(["--listen", &port.to_string(), "--upstream", &upstream.url()])
            .args(arguments);
        Self::start(command, port)
    }

    /// Lets the storm of a faulty proxy begin, or end.
    pub fn storm(&self, on: bool) {
        let url = format!("{}/{}", self.url(), if on { "__storm" } else { "__calm" });
        let sent = ureq::post(&url).send_empty();
        sent.unwrap_or_else(|e| panic!("the proxy was not told: {e}"));
    }

    /// Sets a breaking proxy's rules, a JSON list as microburst's README has it.
    pub fn break_calls(&self, rules: &serde_json::Value) {
        let url = format!("{}/_microburst/rules", self.url());
        let sent = ureq::patch(&url).send_json(rules);
        sent.unwrap_or_else(|e| panic!("the rules were not taken: {e}"));
    }

    /// A counting proxy's counts: `{"total": n, "ops": {"ec2:CreateVpc": {"n": 1, …}}}`.
    pub fn counts(&self) -> serde_json::Value {
        let mut answer =
            ureq::get(&format!("{}/__count", self.url())).call().unwrap_or_else(|e| panic!("no counts: {e}"));
        answer.body_mut().read_json().unwrap_or_else(|e| panic!("the counts are not JSON: {e}"))
    }

    /// Sets a counting proxy's counts to zero.
    pub fn reset_counts(&self) {
        let sent = ureq::post(&format!("{}/__reset", self.url())).send_empty();
        sent.unwrap_or_else(|e| panic!("the counts were not reset: {e}"));
    }

    /// Calls AWS's own command line on it, as a person would to look at what is there.
    pub fn aws(&self, arguments: &[&str]) -> serde_json::Value {
        self.aws_in("us-west-2", None, arguments)
    }

    /// The same in another region, and in the account of a role.
    pub fn aws_in(&self, region: &str, role: Option<&str>, arguments: &[&str]) -> serde_json::Value {
        let mut command = Command::new(environment().join("bin/aws"));
        command.args(arguments).args(["--endpoint-url", &self.url(), "--region", region, "--output", "json"]);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        if let Some(role) = role {
            let session = self.aws(&["sts", "assume-role", "--role-arn", role, "--role-session-name", "test"]);
            for (name, part) in [
                ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
                ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
                ("AWS_SESSION_TOKEN", "SessionToken"),
            ] {
                command.env(
                    name,
                    session["Credentials"][part].as_str().unwrap_or_else(|| panic!("no session: {session}")),
                );
            }
        }
        let output = command.output().unwrap_or_else(|e| panic!("aws did not start: {e}"));
        assert!(output.status.success(), "aws {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nothing listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|e| panic!("no free port: {e}"));
    listener.local_addr().unwrap_or_else(|e| panic!("no free port: {e}")).port()
}

/// A program that came with the emulators: `aws`.
pub fn tool(name: &str) -> PathBuf {
    environment().join("bin").join(name)
}

/// The virtual environment of the emulators, made if it is not there.
fn environment() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    let root = std::env::var_os("PHX_EMULATORS").map_or_else(|| home.join(".cache/phx-emulators"), PathBuf::from);
    let requirements = workspace().join("tests/emulators/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap_or_else(|e| panic!("{}: {e}", requirements.display()));
    let ready = |root: &Path| std::fs::read_to_string(root.join("ready")).is_ok_and(|made| made == wanted);
    if ready(&root) {
        return root;
    }
    std::fs::create_dir_all(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    let lock = File::create(root.join("lock")).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    // Tests run side by side in processes of their own: one makes the environment, the others wait for it.
    lock.lock().unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    if !ready(&root) {
        let run = |program: &Path, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            let output = output.unwrap_or_else(|e| panic!("{} did not start: {e}", program.display()));
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(Path::new("python3"), &["-m", "venv", &root.to_string_lossy()]);
        let pip = ["-m", "pip", "install", "--quiet", "-r", &requirements.to_string_lossy()];
        run(&root.join("bin/python"), &pip);
        std::fs::write(root.join("ready"), &wanted).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    }
    root
}
