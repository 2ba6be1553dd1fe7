//! Putting the parts together: a project, one of its stacks, the store of its state, the way to its cloud.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use phx_aws::Aws;
use phx_engine::graph::Graph;
use phx_model::Program;
use phx_model::driver::Registry;
use phx_model::state::OperationId;
use phx_model::store::Store;
use phx_model::urn::StackName;

use super::args::Global;
use super::exit::Usage;
use super::ui::Ui;
use super::{ProgramFn, Role};
use crate::project::{DEFAULT_STATE, Project, StackSettings, parse_duration};

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
fn env(name: &str) -> anyhow::Result<Option<String>> {
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

    /// The name of the stack that the command is about: one that has a file or a state.
    pub(crate) async fn known_stack(&self, project: &Project, store: &dyn Store) -> anyhow::Result<StackName> {
        let name = project.stack_name(self.given_stack()?.as_deref())?;
        if !project.stacks()?.contains(&name) && !store.stacks().await?.contains(&name) {
            project.stack(&name)?;
        }
        Ok(name)
    }

    /// The program, written down for a stack and checked as far as it can be without a cloud.
    pub(crate) fn program(&self, stack: &StackSettings) -> anyhow::Result<Program> {
        let Role::Program { program, .. } = &self.role else {
            return Err(anyhow!("this command needs the project's program, and this is the phx driver"));
        };
        let program = stack.write_down(|s| call(program, s))?;
        Graph::new(&program)?;
        Ok(program)
    }

    /// Where state is: a URL, the folder that a relative one begins in, and whether it was named for this run.
    fn state_url(&self, project: &Project) -> anyhow::Result<(String, PathBuf, bool)> {
        let given = match &self.global.state {
            Some(url) => Some(url.clone()),
            None => env("PHX_STATE")?,
        };
        Ok(match given {
            Some(url) => (url, std::env::current_dir().context("finding the current folder")?, true),
            None => (project.state.clone().unwrap_or_else(|| DEFAULT_STATE.to_owned()), project.dir.clone(), false),
        })
    }

    /// The folder of the sandbox and of its stacks' states: beside the real states and never among them.
    pub(crate) fn sandbox_folder(&self, project: &Project) -> anyhow::Result<PathBuf> {
        let (url, base, explicit) = self.state_url(project)?;
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

    /// The store of the project's state.
    pub(crate) fn store(&self, project: &Project) -> anyhow::Result<Arc<dyn Store>> {
        let (url, base, _) = self.state_url(project)?;
        let url = match self.global.sandbox {
            true => format!("file://{}", self.sandbox_folder(project)?.join("state").display()),
            false => url,
        };
        Ok(phx_state::open(&url, &base, &project.name)?)
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

/// The folder that a URL names, if it names one.
fn folder(url: &str) -> Option<&Path> {
    match url.split_once("://") {
        None => Some(Path::new(url)),
        Some(("file", path)) => Some(Path::new(path)),
        Some(_) => None,
    }
}

/// Has the program write itself down. A panic in it is a mistake in the program like any other: nothing has been called yet.
fn call(program: &ProgramFn, stack: &mut phx_model::Stack) -> anyhow::Result<()> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program(stack))) {
        Ok(result) => result,
        Err(_) => {
            Err(anyhow!("the program panicked while it was written down (see above); nothing was called or changed"))
        }
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
