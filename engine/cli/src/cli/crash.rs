//! Points at which a test build ends its own process with SIGKILL (cargo feature `crash-points`), as a lost machine would.
//!
//! `PHX_CRASH_AT=POINT[:K]` kills the process the K-th time (from 1) that it reaches the point. `PHX_CRASH_COUNT=FILE` adds a line with its name to
//! the file whenever a point is reached, so that a test learns which there are in a run and how often each is passed.
//!
//! The points lie around every call of the store and of the cloud that the engine makes, and, inside the local store, after each thing that it does
//! to a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use phx_model::driver::{Created, Cx, Delta, Driver, Read, ReadTarget, Registry};
use phx_model::schema::Schema;
use phx_model::state::{Entry, IntentId, State};
use phx_model::store::{Holder, Lease, Operation, Session, Store, StoreError};
use phx_model::urn::{ProjectName, StackName};
use phx_model::{CloudError, ValueMap};
use phx_state::LocalStore;

use super::exit::{Exit, Usage};
use super::ui::Ui;
use super::wiring::Context;

/// Every point, and when it is reached.
const POINTS: [(&str, &str); 34] = [
    ("acquire.before", "the lease is about to be taken"),
    ("acquire.after", "the lease was taken, and the state read"),
    ("append.before", "entries are about to be written to the journal"),
    ("append.after", "they are durable, and nobody was told yet"),
    ("checkpoint.before", "a checkpoint is about to be written"),
    ("checkpoint.after", "it is durable"),
    ("record.before", "the operation is about to be written to the history"),
    ("record.after", "it is durable"),
    ("release.before", "the lease is about to be given back"),
    ("release.after", "it was given back"),
    ("read.before", "objects of one type are about to be read"),
    ("read.after", "the cloud has answered"),
    ("find.before", "an object is about to be looked for that an earlier run may have made"),
    ("find.after", "the cloud has answered"),
    ("create.before", "an object is about to be created; its intent is durable"),
    ("create.after", "the cloud has answered, and nothing of it is written"),
    ("finish.before", "what is left after a creation is about to be done"),
    ("finish.after", "it is done, and nothing of it is written"),
    ("update.before", "an object is about to be changed; its intent is durable"),
    ("update.after", "it is changed, and nothing of it is written"),
    ("delete.before", "an object is about to be deleted; its intent is durable"),
    ("delete.after", "it is gone, and nothing of it is written"),
    ("local.checkpoint-durable", "local store: the new checkpoint's file is durable"),
    ("local.checkpoint-moved", "local store: it has its name"),
    ("local.entries-durable", "local store: the journal's new lines are durable"),
    ("local.entries-written", "local store: they are written, and not yet durable"),
    ("local.file-written", "local store: a file to be moved to its place is durable"),
    ("local.head-durable", "local store: the new head is durable"),
    ("local.head-moved", "local store: the new head has its name"),
    ("local.journal-created", "local store: a new, empty journal is there"),
    ("local.lease-durable", "local store: the lease's file is durable"),
    ("local.lease-moved", "local store: it has its name"),
    ("local.left-over-removed", "local store: an old file was removed"),
    ("local.operation-durable", "local store: the history's new line is durable"),
];

/// What is asked of this process.
struct Watch {
    /// The point, and how often it may still be reached before it is the end.
    at: Option<(&'static str, u64)>,
    counts: Option<File>,
    reached: BTreeMap<&'static str, u64>,
}

static WATCH: OnceLock<Mutex<Watch>> = OnceLock::new();

impl Watch {
    /// What the environment asks for; `None`: nothing.
    fn from_env() -> anyhow::Result<Option<Self>> {
        let at = match std::env::var("PHX_CRASH_AT") {
            Ok(text) => Some(parse(&text).map_err(|why| anyhow!(Usage(format!("PHX_CRASH_AT={text}: {why}"))))?),
            Err(_) => None,
        };
        let counts = match std::env::var_os("PHX_CRASH_COUNT") {
            Some(path) => {
                let opened = File::options().append(true).create(true).open(&path);
                Some(opened.with_context(|| format!("opening {} of PHX_CRASH_COUNT", PathBuf::from(&path).display()))?)
            }
            None => None,
        };
        Ok((at.is_some() || counts.is_some()).then_some(Self { at, counts, reached: BTreeMap::new() }))
    }
}

/// A point and a number: `append.after:3`, or `append.after` for the first time.
fn parse(text: &str) -> Result<(&'static str, u64), String> {
    let (name, number) = text.split_once(':').unwrap_or((text, "1"));
    let number = number.parse().ok().filter(|n| *n > 0).ok_or("what follows the colon is no number from 1")?;
    let point = POINTS.iter().find(|(point, _)| *point == name);
    let (point, _) = point.ok_or("there is no such point\n  hint: `phx crash-points` lists them")?;
    Ok((point, number))
}

/// Whether points are watched in this process.
fn watching() -> anyhow::Result<bool> {
    if WATCH.get().is_none()
        && let Some(watch) = Watch::from_env()?
    {
        // Another thread may have been faster, and has read the same environment.
        let _ = WATCH.set(Mutex::new(watch));
    }
    Ok(WATCH.get().is_some())
}

/// A point is reached. Does not return if it is the one.
fn pass(point: &'static str) {
    let Some(watch) = WATCH.get() else { return };
    // Held until the end, so that no other thread comes past a point after the one at which the process ends.
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    let count = watch.reached.entry(point).or_default();
    *count += 1;
    let now = (point, *count);
    if let Some(file) = &mut watch.counts
        && let Err(error) = file.write_all(format!("{point}\n").as_bytes())
    {
        Ui::note(&format!("the points could not be counted: {error}"));
        std::process::exit(1);
    }
    if watch.at == Some(now) {
        if let Err(error) = kill(Pid::this(), Signal::SIGKILL) {
            Ui::note(&format!("the process could not end itself at {point}: {error}"));
            std::process::abort();
        }
        // The signal is on its way; this thread does nothing more.
        loop {
            std::thread::park();
        }
    }
}

/// `phx crash-points`
pub(crate) fn list(cx: &Context) -> anyhow::Result<Exit> {
    if cx.ui.json {
        let points: Vec<_> =
            POINTS.iter().map(|(name, when)| serde_json::json!({"name": name, "when": when})).collect();
        cx.ui.answer(&serde_json::json!({ "points": points }))?;
    } else {
        let lines: String = POINTS.iter().map(|(name, when)| format!("{name:<26}{when}\n")).collect();
        cx.ui.text(&lines)?;
    }
    Ok(Exit::Done)
}

/// A store as it was opened, with the points inside it if it has any.
pub(crate) fn opened(store: Arc<dyn Store>, project: &ProjectName) -> anyhow::Result<Arc<dyn Store>> {
    if !watching()? {
        return Ok(store);
    }
    let Some(folder) = store.location().strip_prefix("file://").map(PathBuf::from) else { return Ok(store) };
    let inside = |point: &'static str| {
        if let Some((point, _)) = POINTS.iter().find(|(name, _)| name.strip_prefix("local.") == Some(point)) {
            pass(point);
        }
    };
    Ok(Arc::new(LocalStore::new(folder, project.clone()).watched(inside)))
}

/// The store with the points around its calls.
pub(crate) fn store(store: Arc<dyn Store>) -> anyhow::Result<Arc<dyn Store>> {
    Ok(if watching()? { Arc::new(Around(store)) } else { store })
}

/// The types with the points around their verbs.
pub(crate) fn registry(registry: Registry) -> anyhow::Result<Registry> {
    if !watching()? {
        return Ok(registry);
    }
    let mut around = Registry::new();
    for schema in registry.schemas() {
        if let Some(driver) = registry.get(schema.type_name) {
            around.add(Arc::new(Around(driver.clone())));
        }
    }
    registry.places().iter().for_each(|places| around.add_places(places.clone()));
    Ok(around)
}

/// Something with points around what it does.
struct Around<T>(T);

#[async_trait]
impl Store for Around<Arc<dyn Store>> {
    fn location(&self) -> String {
        self.0.location()
    }

    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        self.0.stacks().await
    }

    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        self.0.load(stack).await
    }

    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        pass("acquire.before");
        let session = self.0.acquire(stack, holder).await;
        pass("acquire.after");
        Ok(Box::new(Around(session?)))
    }

    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        pass("acquire.before");
        let session = self.0.acquire_waiting(stack, holder, wait).await;
        pass("acquire.after");
        Ok(Box::new(Around(session?)))
    }

    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.0.break_lease(stack).await
    }

    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        self.0.lease(stack).await
    }

    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        self.0.history(stack).await
    }
}

#[async_trait]
impl Session for Around<Box<dyn Session>> {
    fn lease(&self) -> &Lease {
        self.0.lease()
    }

    fn held(&self) -> Result<(), StoreError> {
        self.0.held()
    }

    fn state(&self) -> &State {
        self.0.state()
    }

    async fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        pass("append.before");
        let done = self.0.append(entries).await;
        pass("append.after");
        done
    }

    async fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        pass("checkpoint.before");
        let done = self.0.checkpoint(state).await;
        pass("checkpoint.after");
        done
    }

    async fn record(&self, operation: &Operation) -> Result<(), StoreError> {
        pass("record.before");
        let done = self.0.record(operation).await;
        pass("record.after");
        done
    }

    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        pass("release.before");
        let done = self.0.release().await;
        pass("release.after");
        done
    }
}

#[async_trait]
impl Driver for Around<Arc<dyn Driver>> {
    fn schema(&self) -> &'static Schema {
        self.0.schema()
    }

    async fn read_many(&self, cx: &Cx, targets: &[ReadTarget<'_>]) -> Result<Vec<Read>, CloudError> {
        pass("read.before");
        let read = self.0.read_many(cx, targets).await;
        pass("read.after");
        read
    }

    async fn create(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Created, CloudError> {
        pass("create.before");
        let created = self.0.create(cx, want, intent).await;
        pass("create.after");
        created
    }

    async fn finish(&self, cx: &Cx, id: &str, want: &ValueMap) -> Result<Option<ValueMap>, CloudError> {
        pass("finish.before");
        let finished = self.0.finish(cx, id, want).await;
        pass("finish.after");
        finished
    }

    async fn update(
        &self,
        cx: &Cx,
        id: &str,
        want: &ValueMap,
        change: &BTreeMap<String, Delta>,
    ) -> Result<Option<ValueMap>, CloudError> {
        pass("update.before");
        let updated = self.0.update(cx, id, want, change).await;
        pass("update.after");
        updated
    }

    async fn delete(&self, cx: &Cx, id: &str, inputs: &ValueMap) -> Result<(), CloudError> {
        pass("delete.before");
        let deleted = self.0.delete(cx, id, inputs).await;
        pass("delete.after");
        deleted
    }

    async fn find(&self, cx: &Cx, want: &ValueMap, intent: &IntentId) -> Result<Option<Created>, CloudError> {
        pass("find.before");
        let found = self.0.find(cx, want, intent).await;
        pass("find.after");
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_with_or_without_a_number() {
        assert_eq!(parse("append.after").unwrap(), ("append.after", 1));
        assert_eq!(parse("local.head-moved:12").unwrap(), ("local.head-moved", 12));
        for text in ["", "append", "append.after:", "append.after:0", "append.after:x", ":3"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_point_is_listed_twice() {
        let names: std::collections::BTreeSet<_> = POINTS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), POINTS.len());
    }
}
