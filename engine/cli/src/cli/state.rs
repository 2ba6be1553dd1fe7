//! `phx state`: the store, and what it keeps of a stack.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use phx_model::store::{Holder, Kept, RolledBack, Store, StoreError, Summary, Verification};
use phx_model::urn::StackName;
use phx_state::InitOptions;
use phx_state::archive::{Archive, MAX_ARCHIVE};
use serde_json::{Value as Json, json};

use super::args;
use super::ask::confirm;
use super::edit::{self, finished, holder};
use super::exit::{self, Exit};
use super::inspect::{self, time};
use super::secret::sealed;
use super::ui::Ui;
use super::wiring::{self, Context};
use crate::project::Project;
use crate::render::style::{ERROR, clean, paint};
use crate::render::table::table;
use crate::render::{count, thousands};

/// `phx state …`
pub(crate) async fn state(cx: &Context, command: &args::State) -> anyhow::Result<Exit> {
    let project = cx.project()?;
    if let args::State::Init { print_policy } = command {
        return init(cx, &project, *print_policy).await;
    }
    let (name, store) = cx.known_stack(&project).await?;
    let at = Stack { cx, project: &project, name: &name, store: store.as_ref() };
    match command {
        args::State::Init { .. } => Ok(Exit::Done),
        args::State::List => inspect::list(cx, &name, store.load(&name).await?.as_ref()),
        args::State::Show { urn } => inspect::show(cx, urn, &at.there(store.load(&name).await?)?),
        args::State::Mv { old, new, waiting } => {
            // Encrypted values are good only under the name that they were encrypted for.
            let keyed = sealed(cx, &project, store.clone())?;
            edit::mv(cx, &keyed, &project.name, &name, (old, new), waiting.wait_lock).await
        }
        args::State::Rm { urns, force, waiting } => {
            edit::rm(cx, store.as_ref(), &name, urns, *force, waiting.wait_lock).await
        }
        args::State::Export { file } => at.export(file.as_deref()).await,
        args::State::Import { file, force } => at.import(file, *force).await,
        args::State::Verify => at.verify(&store.verify(&name).await?),
        args::State::Rollback { to } => at.rollback(*to).await,
    }
}

async fn init(cx: &Context, project: &Project, print_policy: bool) -> anyhow::Result<Exit> {
    let mut answers: Vec<Json> = Vec::new();
    for (url, store) in cx.stores_wanted(project).await? {
        let location = store.location();
        if !phx_state::needs_aws(&url) {
            if !cx.ui.json {
                cx.ui.text(&format!(
                    "{location} is a folder, which is made when it is needed: there is nothing to do.\n"
                ))?;
            }
            answers.push(json!({ "state": location, "changed": [], "kept": [], "left_out": [] }));
            continue;
        }
        let store = wiring::open_s3(&url, project).await?;
        if print_policy {
            let policy = store.policy();
            if !cx.ui.json {
                cx.ui.text(&format!("{policy}\n"))?;
            }
            let policy: Json = serde_json::from_str(&policy).context("reading the policy back")?;
            answers.push(json!({ "state": location, "policy": policy }));
            continue;
        }
        // Nobody is asked: to make these is all that the command is for, and whoever has them loses nothing by it.
        let report = store.init(&InitOptions::default()).await?;
        if !cx.ui.json {
            let lines = |title: &str, lines: &[String]| -> String {
                lines.iter().map(|line| format!("  {title} {}\n", clean(line))).collect()
            };
            let said =
                [lines("done:", &report.changed), lines("kept:", &report.kept), lines("left out:", &report.left_out)];
            let end = if report.changed.is_empty() { "All was as it should be." } else { "It is ready." };
            cx.ui.text(&format!("{location}\n{}{end}\n", said.concat()))?;
        }
        answers.push(json!({
            "state": location, "changed": report.changed, "kept": report.kept, "left_out": report.left_out,
        }));
    }
    if cx.ui.json {
        cx.ui.answer(&json!({ "stores": answers }))?;
    }
    Ok(Exit::Done)
}

/// A stack and where its state is.
struct Stack<'a> {
    cx: &'a Context,
    project: &'a Project,
    name: &'a StackName,
    store: &'a dyn Store,
}

impl Stack<'_> {
    fn there<T>(&self, state: Option<T>) -> anyhow::Result<T> {
        state.ok_or_else(|| anyhow!("the stack {} has no state yet\n  hint: `phx up` makes it", self.name))
    }

    async fn export(&self, file: Option<&Path>) -> anyhow::Result<Exit> {
        let ui = &self.cx.ui;
        if let Some(lease) = self.store.lease(self.name).await? {
            let holder = &lease.holder;
            Ui::note(&format!(
                "{} (process {}, {}) is at work on {}: this is how far it has come\n",
                clean(&holder.who),
                holder.pid,
                clean(&holder.kind),
                self.name
            ));
        }
        let archive = Archive {
            project: self.project.name.clone(),
            stack: self.name.clone(),
            exported: Timestamp::now(),
            by: wiring::who(),
            state: self.there(self.store.load(self.name).await?)?,
            history: self.store.history(self.name).await?,
        };
        let bytes = archive.encode()?;
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            let mut out = std::io::stdout().lock();
            out.write_all(&bytes)?;
            out.flush()?;
            return Ok(Exit::Done);
        };
        let saving = || format!("writing {}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Whole or not at all, and for its owner alone.
        let mut whole = tempfile::NamedTempFile::new_in(folder).with_context(saving)?;
        whole.write_all(&bytes).with_context(saving)?;
        whole.as_file().sync_all().with_context(saving)?;
        whole.persist(path).with_context(saving)?;
        let state = &archive.state;
        if ui.json {
            ui.answer(&json!({
                "stack": self.name, "file": path.display().to_string(), "lineage": state.lineage, "serial": state.serial,
                "resources": state.resources.len(), "operations": archive.history.len(),
            }))?;
        } else {
            ui.text(&format!(
                "{} and {} of {} (serial {}) are in {}.\n",
                count(state.resources.len() as u64, "resource"),
                count(archive.history.len() as u64, "operation"),
                self.name,
                state.serial,
                path.display()
            ))?;
        }
        Ok(Exit::Done)
    }

    async fn import(&self, file: &Path, force: bool) -> anyhow::Result<Exit> {
        let bytes = read(file)?;
        let hint = "export it again with `phx state export`";
        let archive = Archive::decode(&bytes).map_err(|why| why.at(file.display().to_string(), hint))?;
        if (&archive.project, &archive.stack) != (&self.project.name, self.name) {
            bail!(
                "{} is the state of stack {} of project {}, and this is stack {} of project {}: its resources' names would be another stack's",
                file.display(),
                archive.stack,
                archive.project,
                self.name,
                self.project.name
            );
        }
        let (resources, operations) = (archive.state.resources.len(), archive.history.len());
        let what = format!("{} (serial {})", count(resources as u64, "resource"), archive.state.serial);
        let import = archive.into_import(force);
        // So that nobody is asked about what is refused anyway; what counts is what the store finds under its lease.
        let present = self.store.load(self.name).await;
        import.may_replace(&present)?;
        let instead = match &present {
            Ok(None) => String::new(),
            Ok(Some(state)) => {
                format!(", in place of {} (serial {})", count(state.resources.len() as u64, "resource"), state.serial)
            }
            Err(_) => ", in place of a damaged state".to_owned(),
        };
        if !confirm(self.cx, &format!("Import {what} into {} at {}{instead}?", self.name, self.store.location()))? {
            return Ok(Exit::Error);
        }
        let (holder, started) = (holder("import"), Timestamp::now());
        let done = self.store.import(self.name, &holder, &import).await?;
        self.note(&holder, started, &done).await?;
        let serial = done.state.serial;
        if self.cx.ui.json {
            self.cx.ui.answer(&json!({
                "stack": self.name, "state": self.store.location(), "lineage": done.state.lineage, "serial": serial,
                "from": done.from, "resources": resources, "operations": operations, "set_aside": set_aside(&done),
            }))?;
        } else {
            let said = format!("{what} of {} are now at {}, as serial {serial}.\n", self.name, self.store.location());
            self.cx.ui.text(&format!("{said}{}", kept_beside(&done)))?;
        }
        Ok(Exit::Done)
    }

    fn verify(&self, found: &Verification) -> anyhow::Result<Exit> {
        let exit = if found.faults.is_empty() { Exit::Done } else { Exit::Error };
        if self.cx.ui.json {
            let mut json = serde_json::to_value(found)?;
            json["stack"] = json!(self.name);
            json["state"] = json!(self.store.location());
            self.cx.ui.answer(&json)?;
            return Ok(exit);
        }
        let parts =
            [(found.checkpoints, "checkpoint"), (found.entries, "journal entry"), (found.operations, "operation")];
        let parts = parts.map(|(n, one)| match (n, one) {
            (1, _) => format!("1 {one}"),
            (_, "journal entry") => format!("{} journal entries", thousands(n)),
            _ => format!("{} {one}s", thousands(n)),
        });
        let mut text = String::new();
        for fault in &found.faults {
            text.push_str(&format!("{} {}: {}\n", paint(ERROR, "fault:"), clean(&fault.what), clean(&fault.why)));
            text.extend(fault.hint.iter().map(|hint| format!("  hint: {}\n", clean(hint))));
        }
        let good = parts.join(", ");
        text.push_str(&match (found.faults.len(), found.serial) {
            (0, None) => format!("The stack {} has no state at {}; {good}.\n", self.name, self.store.location()),
            (0, Some(serial)) => format!("The state of {} is whole (serial {serial}): {good}.\n", self.name),
            (n, _) => format!("{} in the state of {}; good are {good}.\n", count(n as u64, "fault"), self.name),
        });
        self.cx.ui.text(&text)?;
        Ok(exit)
    }

    async fn rollback(&self, to: Option<u64>) -> anyhow::Result<Exit> {
        let present = self.store.load(self.name).await;
        let question = match (&present, to) {
            (Err(error @ StoreError::Newer { .. }), _) => return Err(anyhow!(error.clone())),
            (Err(error @ StoreError::Damaged { .. }), None) => {
                Ui::note(&exit::describe(&anyhow!(error.clone())));
                "Go back to what is good?".to_owned()
            }
            (Err(error), None) => return Err(anyhow!(error.clone())),
            (Ok(_), None) => return self.list_checkpoints().await,
            (_, Some(to)) => {
                let now = present
                    .iter()
                    .flatten()
                    .map(|state| format!(" of {}, which is now at {}", self.name, state.serial));
                format!("Go back to checkpoint {to}{}?", now.collect::<String>())
            }
        };
        if !confirm(self.cx, &question)? {
            return Ok(Exit::Error);
        }
        let (holder, started) = (holder("rollback"), Timestamp::now());
        let done = self.store.rollback(self.name, &holder, to).await?;
        self.note(&holder, started, &done).await?;
        let (serial, resources) = (done.state.serial, done.state.resources.len());
        if self.cx.ui.json {
            self.cx.ui.answer(&json!({
                "stack": self.name, "from": done.from, "serial": serial, "resources": resources, "set_aside": set_aside(&done),
            }))?;
        } else {
            let said = format!(
                "{} is back at checkpoint {}, which is now serial {serial}: {}.\n",
                self.name,
                done.from,
                count(resources as u64, "resource")
            );
            let then = "What the cloud has meanwhile is not changed by this: look at `phx preview`.\n";
            self.cx.ui.text(&format!("{said}{}{then}", kept_beside(&done)))?;
        }
        Ok(Exit::Done)
    }

    async fn list_checkpoints(&self) -> anyhow::Result<Exit> {
        let (kept, history) =
            futures::future::try_join(self.store.checkpoints(self.name), self.store.history(self.name)).await?;
        let by = |kept: &Kept| history.iter().rev().find(|operation| Some(operation.serial) == kept.serial);
        if self.cx.ui.json {
            let kept: Vec<Json> = kept
                .iter()
                .map(|one| {
                    let by = by(one).map(|o| json!({"id": o.id, "kind": o.kind, "who": o.who, "ended": o.ended}));
                    json!({"serial": one.serial, "sha256": one.sha256, "present": one.present, "operation": by})
                })
                .collect();
            self.cx.ui.answer(&json!({ "stack": self.name, "checkpoints": kept }))?;
            return Ok(Exit::Done);
        }
        if kept.is_empty() {
            self.cx.ui.text(&format!("The stack {} has no checkpoints.\n", self.name))?;
            return Ok(Exit::Done);
        }
        let rows: Vec<_> = kept
            .iter()
            .map(|one| {
                let by = by(one).map(|o| format!("{} by {} {}", clean(&o.kind), clean(&o.who), time(o.ended)));
                [
                    one.serial.map_or_else(|| "?".to_owned(), |serial| serial.to_string()),
                    one.sha256.get(..12).unwrap_or(&one.sha256).to_owned(),
                    by.unwrap_or_default(),
                    if one.present { "in force" } else { "" }.to_owned(),
                ]
            })
            .collect();
        let how = "Go back to one with `phx state rollback --to SERIAL`.\n";
        self.cx.ui.text(&format!("{}{how}", table(["SERIAL", "SHA-256", "WRITTEN BY", ""], &rows)))?;
        Ok(Exit::Done)
    }

    /// Puts it in the history. The state is in place by now, so an error says so.
    async fn note(&self, holder: &Holder, started: Timestamp, done: &RolledBack) -> anyhow::Result<()> {
        let operation = finished(holder, started, Summary::default(), done.state.serial);
        let noted = async {
            let session = self.store.acquire(self.name, holder).await?;
            let recorded = session.record(&operation).await;
            session.release().await?;
            recorded
        };
        noted.await.with_context(|| {
            format!("the state is in place as serial {}, but the history does not tell of it", done.state.serial)
        })
    }
}

/// What is read, however it comes, up to a bound.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let reading = || format!("reading {}", file.display());
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().lock().take(MAX_ARCHIVE + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|file| file.take(MAX_ARCHIVE + 1).read_to_end(&mut bytes)),
    };
    if read.with_context(reading)? as u64 > MAX_ARCHIVE {
        bail!("{} is longer than {MAX_ARCHIVE} bytes, which no exported state is", file.display());
    }
    Ok(bytes)
}

fn set_aside(done: &RolledBack) -> Vec<String> {
    done.set_aside.iter().map(|path| path.display().to_string()).collect()
}

fn kept_beside(done: &RolledBack) -> String {
    set_aside(done).iter().map(|path| format!("  kept: {path}\n")).collect()
}
