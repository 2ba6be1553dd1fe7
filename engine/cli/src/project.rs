//! A project: the folder with `phx.toml`, its stacks' files, and what they say. Nothing here calls a cloud.
//!
//! ```text
//! phx.toml     the project's name, its program, where its state is
//! dev.toml     the stack `dev`: the table [aws] is phx's, everything else is the program's configuration
//! prod.toml    the stack `prod`
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use phx_model::config::{ConfigError, ConfigSource};
use phx_model::lookup::Answerer;
use phx_model::provider::Home;
use phx_model::urn::{NameError, ProjectName, StackName};
use phx_model::{Program, Stack};
use serde::Deserialize;

/// The file that makes a folder a project.
pub const PROJECT_FILE: &str = "phx.toml";
/// Where state is if nothing else is said.
pub const DEFAULT_STATE: &str = "file://.phx";

/// Other tools' files that may lie beside `phx.toml` and are no stacks.
const NO_STACKS: [&str; 8] = [
    PROJECT_FILE,
    "Cargo.toml",
    "clippy.toml",
    "rustfmt.toml",
    "rust-toolchain.toml",
    "deny.toml",
    "nextest.toml",
    "typos.toml",
];

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its folder.
    pub dir: PathBuf,
    /// Its name, which every URN of it begins with.
    pub name: ProjectName,
    /// Its program.
    pub program: ProgramSource,
    /// The stack that is meant when none is named.
    pub stack: Option<StackName>,
    /// Where its state is: a URL, relative to the folder.
    pub state: Option<String>,
    /// Where the states of stacks are that have a place of their own.
    pub states: BTreeMap<StackName, String>,
    /// How long a new object may take to show up in the cloud's answers after a crash.
    pub recovery_grace: Option<Duration>,
    /// The KMS key that new keys for secrets are wrapped with. Without it, a passphrase.
    pub kms: Option<String>,
}

/// Where a project's program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramSource {
    /// A cargo package, built when it is needed.
    Package {
        /// Its name.
        package: String,
        /// Which of its binaries, if not the one of its own name.
        bin: Option<String>,
    },
    /// A binary that was built before.
    Binary(PathBuf),
}

/// One stack of a project, as its file says.
#[derive(Clone, Debug)]
pub struct StackSettings {
    /// The project's name.
    pub project: ProjectName,
    /// Its name.
    pub name: StackName,
    /// Its file, for the program to read its configuration from.
    pub config: ConfigSource,
    /// The table `[aws]`.
    pub aws: AwsSettings,
}

/// What a stack says of AWS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AwsSettings {
    /// The region. Without it, the environment's or the profile's.
    pub region: Option<String>,
    /// The account that the credentials must belong to. With others, phx does nothing at all.
    pub account_id: Option<AccountId>,
    /// Tags of every object that can have tags, unless it sets them itself.
    pub default_tags: BTreeMap<String, String>,
}

/// An AWS account's id: twelve digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AccountId(String);

impl AccountId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AccountId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is not an AWS account id; expected twelve digits in quotes"))
    }
}

/// A project or a stack that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no project here.
    #[error(
        "there is no phx.toml in {start}, in its folder `stacks`, or in a folder above it\n  hint: `phx new` makes a project; `-C DIR` names the folder of one"
    )]
    NotFound {
        /// Where the search began.
        start: String,
    },
    /// A file cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file has a mistake in it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The project does not say what its program is, or says it twice.
    #[error("{file}: [program] needs either `package` (a cargo package) or `binary` (the path of a built program)")]
    Program {
        /// The file.
        file: String,
    },
    /// A name that no stack can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no such stack.
    #[error("there is no stack {name:?}: {file} does not exist\n  hint: {}", known(.stacks, .dir))]
    UnknownStack {
        /// What was asked for.
        name: String,
        /// The file it would have.
        file: String,
        /// The project's folder.
        dir: String,
        /// The stacks there are.
        stacks: Vec<StackName>,
    },
    /// No stack was named.
    #[error("no stack was named: give `--stack NAME`, set PHX_STACK, or set `stack` in phx.toml\n  hint: {}", known(.stacks, .dir))]
    NoStack {
        /// The project's folder.
        dir: String,
        /// The stacks there are.
        stacks: Vec<StackName>,
    },
}

fn known(stacks: &[StackName], dir: &str) -> String {
    match stacks {
        [] => format!("there are no stacks yet; write {}", Path::new(dir).join("dev.toml").display()),
        [one] => format!("the only stack in {dir} is {one}"),
        more => {
            let names: Vec<&str> = more.iter().map(StackName::as_str).collect();
            format!("the stacks in {dir} are {}", names.join(", "))
        }
    }
}

#[derive(Deserialize)]
struct ProjectFile {
    project: ProjectName,
    stack: Option<StackName>,
    program: ProgramTable,
    #[serde(default)]
    state: StateTable,
    #[serde(default)]
    recovery: RecoveryTable,
    #[serde(default)]
    secrets: SecretsTable,
}

#[derive(Deserialize)]
struct ProgramTable {
    package: Option<String>,
    bin: Option<String>,
    binary: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StateTable {
    url: Option<StateUrl>,
    stacks: BTreeMap<StackName, StateUrl>,
}

/// The URL of a store that there can be.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct StateUrl(String);

impl TryFrom<String> for StateUrl {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        phx_state::check_url(&url).map_err(|e| e.to_string())?;
        Ok(Self(url))
    }
}

#[derive(Default, Deserialize)]
struct SecretsTable {
    kms: Option<String>,
}

#[derive(Default, Deserialize)]
struct RecoveryTable {
    grace: Option<Span>,
}

/// A time in a configuration file: `"10s"`, `"2m"`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Span(Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self)
    }
}

/// Reads a time as people write it: `500ms`, `10s`, `2m 30s`, `1h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time; expected for example 500ms, 10s, 2m or 1h");
    let span: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

impl Project {
    /// The project of a folder: the one whose `phx.toml` lies in it, else in its folder `stacks`, else in the nearest folder above.
    pub fn find(start: &Path) -> Result<Self, ProjectError> {
        let unreadable = |error| ProjectError::Unreadable { file: shown(start), error };
        let whole = std::path::absolute(start).map_err(unreadable)?;
        // A slip in `-C DIR` must not lead to the project of a folder above.
        std::fs::metadata(&whole).map_err(|error| ProjectError::Unreadable { file: shown(&whole), error })?;
        let around =
            [whole.clone(), whole.join("stacks")].into_iter().chain(whole.ancestors().skip(1).map(Path::to_owned));
        for dir in around {
            match std::fs::read_to_string(dir.join(PROJECT_FILE)) {
                Ok(text) => return Self::read(dir, text),
                Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(ProjectError::Unreadable { file: shown(&dir.join(PROJECT_FILE)), error }),
            }
        }
        Err(ProjectError::NotFound { start: shown(&whole) })
    }

    fn read(dir: PathBuf, text: String) -> Result<Self, ProjectError> {
        let file = shown(&dir.join(PROJECT_FILE));
        let source = ConfigSource { file: file.clone(), text, reserved: &[] };
        let read: ProjectFile = source.read()?;
        let program = match (read.program.package, read.program.binary, read.program.bin) {
            (Some(package), None, bin) => ProgramSource::Package { package, bin },
            (None, Some(binary), None) => ProgramSource::Binary(dir.join(binary)),
            _ => return Err(ProjectError::Program { file }),
        };
        let project = Self {
            dir,
            name: read.project,
            program,
            stack: read.stack,
            state: read.state.url.map(|url| url.0),
            states: read.state.stacks.into_iter().map(|(stack, url)| (stack, url.0)).collect(),
            recovery_grace: read.recovery.grace.map(|s| s.0),
            kms: read.secrets.kms,
        };
        // A slip in a name would have the stack's state made anew where all the others are.
        let known = project.stacks()?;
        if let Some(stack) = project.states.keys().find(|stack| !known.contains(stack)) {
            let hint = self::known(&known, &shown(&project.dir));
            let message =
                format!("there is no stack {:?}: {stack}.toml does not exist\n  hint: {hint}", stack.as_str());
            return Err(source.mistake(&["state", "stacks", stack.as_str()], &message).into());
        }
        Ok(project)
    }

    /// Where a stack's state is, or where those are that have no place of their own: a URL, relative to the project's folder.
    pub fn state_url(&self, stack: Option<&StackName>) -> &str {
        let own = stack.and_then(|stack| self.states.get(stack));
        own.or(self.state.as_ref()).map_or(DEFAULT_STATE, String::as_str)
    }

    /// The stacks that have a file, by name.
    pub fn stacks(&self) -> Result<Vec<StackName>, ProjectError> {
        let unreadable = |error| ProjectError::Unreadable { file: shown(&self.dir), error };
        let mut stacks = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            if let Some(name) = name.to_str().filter(|n| !NO_STACKS.contains(n)).and_then(|n| n.strip_suffix(".toml"))
                && let Ok(name) = StackName::new(name)
            {
                stacks.push(name);
            }
        }
        stacks.sort();
        Ok(stacks)
    }

    /// The stack of this name, or the project's own choice if none is given. Its name is checked, its file is not read.
    pub fn stack_name(&self, given: Option<&str>) -> Result<StackName, ProjectError> {
        match (given, &self.stack) {
            (Some(name), _) => Ok(StackName::new(name)?),
            (None, Some(name)) => Ok(name.clone()),
            (None, None) => Err(ProjectError::NoStack { dir: shown(&self.dir), stacks: self.stacks()? }),
        }
    }

    /// Reads a stack's file.
    pub fn stack(&self, name: &StackName) -> Result<StackSettings, ProjectError> {
        let path = self.dir.join(format!("{name}.toml"));
        let file = shown(&path);
        let missing = |file| -> Result<ProjectError, ProjectError> {
            let (dir, stacks) = (shown(&self.dir), self.stacks()?);
            Ok(ProjectError::UnknownStack { name: name.to_string(), file, dir, stacks })
        };
        if NO_STACKS.iter().any(|n| n.strip_suffix(".toml") == Some(name.as_str())) {
            return Err(missing(file)?);
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(missing(file)?),
            Err(error) => return Err(ProjectError::Unreadable { file, error }),
        };
        let config = ConfigSource { file, text, reserved: &["aws"] };
        let aws = config.table("aws")?.unwrap_or_default();
        Ok(StackSettings { project: self.name.clone(), name: name.clone(), config, aws })
    }

    /// Whether the running program, of which the crate's name is known, is this project's own. A prebuilt binary is taken at its word.
    pub(crate) fn is_programs(&self, krate: &str) -> bool {
        match &self.program {
            ProgramSource::Package { package, bin } => bin.as_deref().unwrap_or(package).replace('-', "_") == krate,
            ProgramSource::Binary(_) => true,
        }
    }
}

impl StackSettings {
    /// Has a program write itself down for this stack. Its [lookups](phx_model::lookup) are errors.
    pub fn write_down(&self, program: impl FnOnce(&mut Stack) -> anyhow::Result<()>) -> anyhow::Result<Program> {
        Self::written(self.blank(), program)
    }

    /// Has a program write itself down for this stack that may look things up: in AWS with [`lookups`](Self::lookups), or with
    /// [answers known beforehand](phx_model::lookup::Answers).
    pub fn write_down_with(
        &self,
        lookups: Arc<dyn Answerer>,
        program: impl FnOnce(&mut Stack) -> anyhow::Result<()>,
    ) -> anyhow::Result<Program> {
        Self::written(self.blank().with_lookups(lookups), program)
    }

    /// The stack's own place, as far as its file says.
    pub(crate) fn home(&self) -> Home {
        let account = self.aws.account_id.as_ref().map(ToString::to_string);
        Home { region: self.aws.region.clone(), account }
    }

    fn blank(&self) -> Stack {
        let home = self.home();
        let (project, name, config) = (self.project.clone(), self.name.clone(), self.config.clone());
        Stack::new(project, name, config, self.aws.default_tags.clone()).with_home(home)
    }

    fn written(mut stack: Stack, program: impl FnOnce(&mut Stack) -> anyhow::Result<()>) -> anyhow::Result<Program> {
        program(&mut stack)?;
        Ok(stack.finish())
    }

    /// Answers a program's lookups by this way to AWS. The program must then be written down on a multi-threaded tokio runtime.
    pub fn lookups(&self, aws: &phx_aws::Aws) -> Arc<dyn Answerer> {
        Arc::new(phx_aws::lookup::Lookups::new(aws.clone()))
    }

    /// The way to AWS in the stack's region, with credentials from where the aws CLI has them. Nothing is read or called yet.
    pub fn aws(&self) -> phx_aws::Aws {
        self.aws_builder().build()
    }

    pub(crate) fn aws_builder(&self) -> phx_aws::client::Builder {
        phx_aws::Aws::builder()
            .region(self.aws.region.clone())
            .account_id(self.aws.account_id.as_ref().map(ToString::to_string))
    }
}

/// A path as it is shown: relative to where the reader is, if it lies there.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    match here.as_deref().and_then(|here| path.strip_prefix(here).ok()) {
        Some(rest) if !rest.as_os_str().is_empty() => rest.display().to_string(),
        _ => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn said(dir: &tempfile::TempDir, error: &ProjectError) -> String {
        error.to_string().replace(dir.path().to_str().unwrap(), "DIR")
    }

    const PHX: &str = "project = \"phoenix\"\n[program]\npackage = \"phoenix\"\n";

    #[test]
    fn a_project_is_found_here_in_stacks_and_above() {
        let dir = project(&[("stacks/phx.toml", PHX), ("stacks/src/main.rs", ""), ("other/x", "")]);
        let at = |sub: &str| Project::find(&dir.path().join(sub));
        for sub in ["", "stacks", "stacks/src"] {
            assert_eq!(at(sub).unwrap().dir, dir.path().join("stacks"), "{sub}");
        }
        let error = at("other").unwrap_err();
        insta::assert_snapshot!(said(&dir, &error), @r"
        there is no phx.toml in DIR/other, in its folder `stacks`, or in a folder above it
          hint: `phx new` makes a project; `-C DIR` names the folder of one
        ");
        insta::assert_snapshot!(said(&dir, &at("nowhere").unwrap_err()), @r"DIR/nowhere cannot be read: No such file or directory (os error 2)");
        // Not even where a project lies above.
        assert!(matches!(at("stacks/nowhere"), Err(ProjectError::Unreadable { .. })));
        assert!(at("stacks/phx.toml").is_ok(), "a file of the project's is as good as its folder");
    }

    #[test]
    fn an_unknown_stack_is_answered_with_the_stacks_there_are() {
        let dir =
            project(&[("phx.toml", PHX), ("Cargo.toml", ""), ("dev.toml", ""), ("prod.toml", ""), ("a b.toml", "")]);
        let project = Project::find(dir.path()).unwrap();
        let error = project.stack(&project.stack_name(Some("stage")).unwrap()).unwrap_err();
        insta::assert_snapshot!(said(&dir, &error), @r#"
        there is no stack "stage": DIR/stage.toml does not exist
          hint: the stacks in DIR are dev, prod
        "#);
        insta::assert_snapshot!(said(&dir, &project.stack_name(None).unwrap_err()), @r"
        no stack was named: give `--stack NAME`, set PHX_STACK, or set `stack` in phx.toml
          hint: the stacks in DIR are dev, prod
        ");
        insta::assert_snapshot!(said(&dir, &project.stack_name(Some("../x")).unwrap_err()), @r#"stack or project name "../x" is not valid: it contains '/'; letters, digits, '-', '_' and '.' are allowed"#);
        assert!(matches!(project.stack(&StackName::new("Cargo").unwrap()), Err(ProjectError::UnknownStack { .. })));
    }

    #[test]
    fn mistakes_in_the_files_name_file_line_and_key() {
        for (text, expected) in [
            ("project = \"a b\"\n[program]\npackage = \"x\"", "DIR/phx.toml:1:11: "),
            ("project = \"a\"\nprogramm = 1\n[program]\npackage = \"x\"", "DIR/phx.toml:2:1: "),
            ("project = \"a\"\n[program]\npackage = \"x\"\n[recovery]\ngrace = \"soon\"", "DIR/phx.toml:5:9: "),
            ("project = \"a\"\n[program]\npackage = \"x\"\nbinary = \"y\"", "DIR/phx.toml: [program] needs either"),
            (
                "project = \"a\"\n[program]\npackage = \"x\"\n[state]\nurl = \"gs://x\"",
                "DIR/phx.toml:5:7: `state.url`: ",
            ),
            ("project = \"a\"\n[program]\npackage = \"x\"\n[state.stacks]\n\"a b\" = \"x\"", "DIR/phx.toml:5:1: "),
            (
                "project = \"a\"\n[program]\npackage = \"x\"\n[state.stacks]\ndev = \"s3://b\"",
                "DIR/phx.toml:5:7: `state.stacks.dev`: ",
            ),
            (
                "project = \"a\"\n[program]\npackage = \"x\"\n[state.stacks]\nprod = \"x\"",
                "DIR/phx.toml:5:1: `state.stacks.prod`: there is no stack \"prod\": prod.toml does not exist\n  hint: there are no stacks",
            ),
        ] {
            let dir = project(&[("phx.toml", text)]);
            let error = said(&dir, &Project::find(dir.path()).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
        for (text, expected) in [
            ("[aws]\naccount_id = 123456789012", "DIR/dev.toml:2:14: "),
            ("[aws]\naccount_id = \"12\"", "DIR/dev.toml:2:14: "),
            ("[aws]\nregoin = \"x\"", "DIR/dev.toml:2:1: "),
        ] {
            let dir = project(&[("phx.toml", PHX), ("dev.toml", text)]);
            let found = Project::find(dir.path()).unwrap();
            let error = said(&dir, &found.stack(&StackName::new("dev").unwrap()).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_stack_may_have_a_store_of_its_own() {
        let text =
            format!("{PHX}[state]\nurl = \"file://states\"\n[state.stacks]\nprod = \"s3://states/phx?table=t-1\"\n");
        let dir = project(&[("phx.toml", &text), ("dev.toml", ""), ("prod.toml", "")]);
        let found = Project::find(dir.path()).unwrap();
        let at = |stack: &str| found.state_url(Some(&StackName::new(stack).unwrap()));
        assert_eq!(
            [at("dev"), at("prod"), found.state_url(None)],
            ["file://states", "s3://states/phx?table=t-1", "file://states"]
        );
        let dir = project(&[("phx.toml", PHX)]);
        assert_eq!(Project::find(dir.path()).unwrap().state_url(None), DEFAULT_STATE);
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        assert_eq!(parse_duration("2m 30s"), Ok(Duration::from_secs(150)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        for bad in ["", "10", "-1s", "soon"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_program_knows_its_own_project() {
        let dir = project(&[("phx.toml", "project = \"p\"\n[program]\npackage = \"phx-example-scale\"")]);
        let project = Project::find(dir.path()).unwrap();
        assert!(project.is_programs("phx_example_scale"));
        assert!(!project.is_programs("phoenix"));
    }
}
