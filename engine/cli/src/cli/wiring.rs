//! Putting the parts together: a project, one of its stacks, the store of its state, the way to its cloud.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use phx_aws::Aws;
use phx_engine::graph::Graph;
use phx_model::Program;
use phx_model::driver::Registry;
use phx_model::error::ErrorKind;
use phx_model::state::OperationId;
use phx_model::store::Store;
use phx_model::urn::StackName;
use phx_state::{S3Store, S3Url};

use super::args::Global;
use super::cloud::Cloud;
use super::exit::Usage;
use super::ui::Ui;
use super::{ProgramFn, Role};
use crate::project::{Project, StackSettings, parse_duration};

/// What every command gets.
pub(crate) struct Context {
    /// What was said for all commands.
    pub(crate) global: Global,
    /// Where output goes.
    pub(crate) ui: Arc<Ui>,
    /// Whose command line this is.
    pub(crate) role: Role,
}

/// A variable of the environment; an empty one is as good as none.
pub(super) fn env(name: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(anyhow!(Usage(format!("{name} is not valid UTF-8")))),
    }
}

impl Context {
    /// The project that the command is about.
    pub(crate) fn project(&self) -> anyhow::Result<Project> {
        let start = self.global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let project = Project::find(&start)?;
        if let Role::Program { krate: Some(krate), .. } = &self.role
            && !project.is_programs(krate)
        {
            return Err(anyhow!(
                "this is the program {krate:?}, and the project {:?} in {} has another one\n  hint: go to the program's own project, or name it with -C DIR",
                project.name.as_str(),
                crate::project::shown(&project.dir),
            ));
        }
        Ok(project)
    }

    fn given_stack(&self) -> anyhow::Result<Option<String>> {
        match &self.global.stack {
            Some(name) => Ok(Some(name.clone())),
            None => env("PHX_STACK"),
        }
    }

    /// The stack that the command is about, with its file read.
    pub(crate) fn stack(&self, project: &Project) -> anyhow::Result<StackSettings> {
        let name = project.stack_name(self.given_stack()?.as_deref())?;
        Ok(project.stack(&name)?)
    }

    /// The name of the stack that the command is about, one that has a file or a state, and the store of its state.
    pub(crate) async fn known_stack(&self, project: &Project) -> anyhow::Result<(StackName, Arc<dyn Store>)> {
        let name = project.stack_name(self.given_stack()?.as_deref())?;
        let store = self.store(project, &name).await?;
        if !project.stacks()?.contains(&name) && !store.stacks().await?.contains(&name) {
            project.stack(&name)?;
        }
        Ok((name, store))
    }

    /// The program, written down for a stack and checked as far as it can be without a cloud; and the way to the cloud, in which its lookups were
    /// answered.
    pub(crate) async fn program(&self, project: &Project, stack: &StackSettings) -> anyhow::Result<(Program, Cloud)> {
        let Role::Program { program, .. } = &self.role else {
            return Err(anyhow!("this command needs the project's program, and this is the phx driver"));
        };
        let cloud = Cloud::open(self, project, stack).await?;
        let program = stack.write_down_with(cloud.lookups(), |s| call(program, s))?;
        Graph::new(&program)?;
        Ok((program, cloud))
    }

    /// Where a stack's state is, or the states of all that have no place of their own: a URL, the folder that a relative one begins in, and
    /// whether it was named for this run.
    fn state_url(&self, project: &Project, stack: Option<&StackName>) -> anyhow::Result<(String, PathBuf, bool)> {
        let given = match &self.global.state {
            Some(url) => Some(url.clone()),
            None => env("PHX_STATE")?,
        };
        Ok(match given {
            Some(url) => (url, std::env::current_dir().context("finding the current folder")?, true),
            None => (project.state_url(stack).to_owned(), project.dir.clone(), false),
        })
    }

    /// The folder of the sandbox and of its stacks' states: beside the real states and never among them.
    pub(crate) fn sandbox_folder(&self, project: &Project) -> anyhow::Result<PathBuf> {
        // The sandbox is the project's and not a stack's.
        let (url, base, explicit) = self.state_url(project, None)?;
        let folder = match (folder(&url), explicit) {
            (Some(path), _) => base.join(path),
            // What happens in the sandbox stays on this machine, so its state does too.
            (None, false) => project.dir.join(".phx"),
            (None, true) => {
                return Err(anyhow!(Usage(format!("{url}: with --sandbox, state is kept in a folder (file://PATH)"))));
            }
        };
        Ok(folder.join("sandbox"))
    }

    /// Where the state of a stack is in this run, or the states of all that have no place of their own: a URL, and the folder that a relative
    /// one begins in.
    fn state_place(&self, project: &Project, stack: Option<&StackName>) -> anyhow::Result<(String, PathBuf)> {
        let (url, base, _) = self.state_url(project, stack)?;
        Ok(match self.global.sandbox {
            true => (format!("file://{}", self.sandbox_folder(project)?.join("state").display()), base),
            false => (url, base),
        })
    }

    /// The store of a stack's state. Opening one calls nobody.
    pub(crate) async fn store(&self, project: &Project, stack: &StackName) -> anyhow::Result<Arc<dyn Store>> {
        let (url, base) = self.state_place(project, Some(stack))?;
        open_store(&url, &base, project).await
    }

    /// All stores that the project keeps states in, each with the URL it was named by: the common one first.
    pub(crate) async fn stores(&self, project: &Project) -> anyhow::Result<Vec<(String, Arc<dyn Store>)>> {
        let mut stores: Vec<(String, Arc<dyn Store>)> = Vec::new();
        for stack in std::iter::once(None).chain(project.states.keys().map(Some)) {
            let (url, base) = self.state_place(project, stack)?;
            if stores.iter().all(|(known, _)| *known != url) {
                let store = open_store(&url, &base, project).await?;
                stores.push((url, store));
            }
        }
        Ok(stores)
    }

    /// The same, or only the one of the stack that was named.
    pub(crate) async fn stores_wanted(&self, project: &Project) -> anyhow::Result<Vec<(String, Arc<dyn Store>)>> {
        let Some(given) = self.given_stack()? else { return self.stores(project).await };
        let stack = project.stack_name(Some(&given))?;
        Ok(vec![(self.store_of(project, &stack)?, self.store(project, &stack).await?)])
    }

    /// Which of the project's [`stores`](Self::stores) is a stack's own: its URL.
    pub(crate) fn store_of(&self, project: &Project, stack: &StackName) -> anyhow::Result<String> {
        Ok(self.state_place(project, Some(stack))?.0)
    }

    /// How the engine works.
    pub(crate) fn engine_settings(
        &self,
        project: &Project,
        parallel: Option<u32>,
    ) -> anyhow::Result<phx_engine::engine::Settings> {
        let defaults = phx_engine::engine::Settings::default();
        let grace = match env("PHX_RECOVERY_GRACE")? {
            Some(text) => parse_duration(&text).map_err(|e| anyhow!(Usage(format!("PHX_RECOVERY_GRACE: {e}"))))?,
            // The emulator shows what it has at once.
            None if self.global.sandbox => Duration::ZERO,
            None => project.recovery_grace.unwrap_or(defaults.recovery_grace),
        };
        Ok(phx_engine::engine::Settings {
            parallel: parallel.and_then(|n| usize::try_from(n).ok()),
            recovery_grace: grace,
            ..defaults
        })
    }
}

/// Opens a store. The way to AWS, where it takes one, is that of the SDK's own settings, in the region that the URL names: a stack's account and
/// region say where its resources are, and its state may be elsewhere.
pub(crate) async fn open_store(url: &str, base: &Path, project: &Project) -> anyhow::Result<Arc<dyn Store>> {
    let store = phx_state::open_with_aws(url, base, &project.name, way_to_aws).await?;
    #[cfg(feature = "crash-points")]
    let store = super::crash::opened(store, &project.name)?;
    Ok(store)
}

/// The store at an `s3://` URL, to be made ready. Nothing is called yet.
pub(crate) async fn open_s3(url: &str, project: &Project) -> anyhow::Result<S3Store> {
    let parsed = S3Url::parse(url)?;
    let config =
        way_to_aws(parsed.region.clone()).await.map_err(|e| anyhow!("opening the state store {parsed}: {e}"))?;
    Ok(S3Store::new(&parsed, project.name.clone(), &config)?)
}

async fn way_to_aws(region: Option<String>) -> Result<phx_state::SdkConfig, String> {
    let config = Aws::builder().region(region.clone()).build().sdk_config().await;
    config.map_err(|e| match (e.kind, region) {
        // Nothing else can be wrong before anything is called.
        (ErrorKind::Invalid, None) => {
            "no AWS region is set\n  hint: add region=REGION to the URL's parameters, or set AWS_REGION or the profile's region".to_owned()
        }
        _ => e.to_string(),
    })
}

/// The folder that a URL names, if it names one.
fn folder(url: &str) -> Option<&Path> {
    match url.split_once("://") {
        None => Some(Path::new(url)),
        Some(("file", path)) => Some(Path::new(path)),
        Some(_) => None,
    }
}

/// Has the program write itself down. A panic in it is a mistake in the program like any other: nothing has been changed yet.
fn call(program: &ProgramFn, stack: &mut phx_model::Stack) -> anyhow::Result<()> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program(stack))) {
        Ok(result) => result,
        Err(_) => Err(anyhow!("the program panicked while it was written down (see above); nothing was changed")),
    }
}

/// The types that a program can use.
pub(crate) fn registry(aws: &Aws) -> Registry {
    let mut registry = Registry::new();
    phx_aws::register(&mut registry, aws);
    registry
}

/// `user@host`, for leases and the history.
pub(crate) fn who() -> String {
    phx_state::holder("", OperationId(String::new())).who
}
