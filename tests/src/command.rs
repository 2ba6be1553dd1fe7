//! The real program, run as a person would: built once, in a project folder of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::cloud::Cloud;
use crate::emulator::Emulator;
use crate::workspace;

/// A copy of a project's `phx.toml` and stack files in a folder of its own, with its program's binary.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
    binary: PathBuf,
    endpoint: Option<String>,
    settings: Vec<(String, String)>,
}

/// What a finished run said.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub out: String,
    /// What it told people.
    pub err: String,
}

impl Said {
    /// What a process said that has ended.
    pub fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The exit code, -1 if a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// The one JSON object it printed.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("not one JSON object ({e}): {self:?}"))
    }

    /// The JSON lines it printed.
    #[track_caller]
    pub fn events(&self) -> Vec<serde_json::Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line:?} in {self:?}"));
        self.out.lines().map(parse).collect()
    }
}

impl Project {
    /// The project in a folder of the workspace (`stacks`, `examples/scale`), copied so that the test may change it, with its binary built.
    pub fn copy(folder: &str) -> Self {
        let source = workspace().join(folder);
        let package = package_of(&source);
        let (folder, binary) = (tempfile::tempdir().expect("a folder"), build(&package));
        let project = Self { folder, binary, endpoint: None, settings: Vec::new() };
        for entry in std::fs::read_dir(&source).expect("the project's folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "toml") && path.file_name().is_some_and(|n| n != "Cargo.toml") {
                std::fs::copy(&path, project.path().join(path.file_name().unwrap_or_default())).expect("a copy");
            }
        }
        project
    }

    /// The Phoenix platform with nothing but its network, which every emulator serves: for tests of how phx works, whatever it works on.
    pub fn network() -> Self {
        let project = Self::copy("stacks");
        let off = ["eks", "database", "security", "backups", "alerting", "cost"]
            .map(|part| format!("{part} = false\n"))
            .concat();
        for stack in ["dev", "staging", "prod"] {
            project.edit(&format!("{stack}.toml"), "[network]\n", &format!("[components]\n{off}\n[network]\n"));
        }
        project
    }

    /// The same with an emulator as AWS.
    #[must_use]
    pub fn on(mut self, emulator: &Emulator) -> Self {
        self.endpoint = Some(emulator.url());
        self
    }

    /// The same with several emulators as AWS.
    #[must_use]
    pub fn in_cloud(mut self, cloud: &Cloud) -> Self {
        self.endpoint = Some(cloud.endpoint());
        self.settings.extend(cloud.settings());
        self
    }

    /// The same with a variable of the environment set for every command.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// The same with its state in S3 and DynamoDB, which another emulator is, in a bucket and a table made for it. A lease lasts for `ttl` (`2s`).
    #[must_use]
    pub fn with_state_in(self, emulator: &Emulator, ttl: &str) -> Self {
        let project = self
            .with("AWS_ENDPOINT_URL_S3", emulator.url())
            .with("AWS_ENDPOINT_URL_DYNAMODB", emulator.url())
            .with("PHX_STATE", format!("s3://phx-state-of-a-test/here?region=us-west-2&table=phx-test&ttl={ttl}"));
        project.ok(&["state", "init", "--yes"]);
        project
    }

    /// Its program's binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces text in one of its files; the text must be there.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).expect("the file");
        assert!(text.contains(from), "{file} does not contain {from:?}:\n{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("the file is written");
    }

    /// A command line of its program, with nothing of this machine's AWS settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (key, _) in std::env::vars_os() {
            let name = key.to_string_lossy().into_owned();
            if name.starts_with("AWS_") || name.starts_with("PHX_") {
                command.env_remove(&key);
            }
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("PHX_RECOVERY_GRACE", "0s");
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        if let Some(endpoint) = &self.endpoint {
            command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-west-2");
            command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command line to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().expect("the program starts"))
    }

    /// Runs a command line that must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code(), 0, "{arguments:?} failed\n--- out\n{}\n--- err\n{}", said.out, said.err);
        said
    }

    /// Starts a command line whose output nobody reads.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }
}

/// The cargo package that a project's `phx.toml` names.
fn package_of(project: &Path) -> String {
    let text = std::fs::read_to_string(project.join("phx.toml")).expect("phx.toml");
    let line = text.lines().find_map(|l| l.trim().strip_prefix("package")).expect("phx.toml names a package");
    line.trim_start_matches([' ', '=']).trim().trim_matches('"').to_owned()
}

/// Builds a package's binary as the `phx` command would, and gives its path.
pub fn build(package: &str) -> PathBuf {
    static CARGO: OnceLock<String> = OnceLock::new();
    let cargo = CARGO.get_or_init(|| std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--package", package, "--features", "phx/sandbox,phx/crash-points"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(workspace());
    for (key, _) in std::env::vars_os() {
        // What cargo tells a test of its own package. Some build scripts (ring's) look at these: the whole AWS SDK would be built anew, and once
        // more by the next cargo that is not a test's.
        let name = key.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{package} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut paths = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    paths.next_back().unwrap_or_else(|| panic!("{package} has no binary"))
}
