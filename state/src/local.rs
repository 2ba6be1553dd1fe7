//! The store in a folder of one machine: the embedded default.
//!
//! A stack's folder, `<root>/<project>/<stack>/`:
//!
//! | file | holds |
//! |---|---|
//! | `head.json` | which checkpoint and which journal are the present; replaced as a whole |
//! | `checkpoints/<sha256>.json` | states, each under the hash of its bytes; never overwritten, the last 100 kept |
//! | `journal-<serial>.jsonl` | what happened since the checkpoint of that serial; appended to, one line an entry |
//! | `history.jsonl` | the finished operations |
//! | `lease.json` | who has the lease, or had it last, and its generation |
//! | `lock` | the lease itself: an operating system's lock on this file, which ends with its process however that ends |
//! | `gate` | held for moments while the lease changes hands |
//!
//! A new head names a new checkpoint and a new, empty journal, both durable before it; so replacing that one small file is what switches
//! from the old state to the new one, and a crash leaves one or the other.

mod files;
mod journal;
mod place;
mod rollback;
mod session;
mod verify;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phx_model::state::State;
use phx_model::store::{Holder, Import, Kept, Lease, Operation, RolledBack, Session, Store, StoreError, Verification};
use phx_model::urn::{ProjectName, StackName};

use files::{Points, io_error};
use place::Place;
use session::LocalSession;

/// States in a folder of this machine.
#[derive(Clone)]
pub struct LocalStore {
    root: PathBuf,
    project: ProjectName,
    points: Points,
}

impl LocalStore {
    /// The states of a project in the folder `root`, which need not exist yet.
    pub fn new(root: PathBuf, project: ProjectName) -> Self {
        Self { root, project, points: Points::default() }
    }

    /// The same store, which calls `watcher` with the name of each point that a write passes, on the thread that writes. For tests
    /// that look at the folder, or end the process, at every one of them.
    #[must_use]
    pub fn watched(self, watcher: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { points: Points(Some(Arc::new(watcher))), ..self }
    }

    fn place(&self, stack: &StackName) -> Place {
        let folder = self.root.join(self.project.as_str()).join(stack.as_str());
        Place { folder, stack: stack.clone(), points: self.points.clone() }
    }
}

/// Creates the store's folder and keeps it out of version control: states are not for commits.
fn make_root(root: &std::path::Path) -> Result<(), StoreError> {
    let new = files::make_folder(root)?;
    // A folder that the user made and named may be anything, even the project's own; only phx's is hidden.
    if new || root.file_name().is_some_and(|name| name == ".phx") {
        let path = root.join(".gitignore");
        match files::private().write(true).create_new(true).open(&path) {
            Ok(mut file) => file.write_all(b"*\n").map_err(|e| io_error("writing", &path, &e))?,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io_error("creating", &path, &e)),
        }
    }
    Ok(())
}

#[async_trait]
impl Store for LocalStore {
    fn location(&self) -> String {
        format!("file://{}", self.root.display())
    }

    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        let folder = self.root.join(self.project.as_str());
        blocking(move || {
            let failed = |e: std::io::Error| io_error("listing", &folder, &e);
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(e) => return Err(failed(e)),
            };
            let mut stacks = Vec::new();
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // A stack that has lost its head still has a history, and must not vanish from sight.
                let has_state = ["head.json", "history.jsonl"].iter().any(|name| entry.path().join(name).exists());
                if let Some(name) = entry.file_name().to_str().and_then(|name| StackName::new(name).ok())
                    && has_state
                {
                    stacks.push(name);
                }
            }
            stacks.sort();
            Ok(stacks)
        })
        .await
    }

    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        let place = self.place(stack);
        blocking(move || load(&place)).await
    }

    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        let root = self.root.clone();
        blocking(move || make_root(&root)).await?;
        Ok(Box::new(LocalSession::acquire(self.place(stack), holder.clone()).await?))
    }

    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        crate::waiting::poll(wait, || self.acquire(stack, holder)).await
    }

    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        let Some(lease) = self.lease(stack).await? else { return Ok(None) };
        Err(StoreError::Unsupported {
            what: format!("breaking the lease of stack {stack}"),
            why: format!(
                "it is a lock of this machine's operating system and ends with its process; end process {} of {}",
                lease.holder.pid, lease.holder.who
            ),
        })
    }

    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        let place = self.place(stack);
        blocking(move || session::look(&place)).await
    }

    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        let place = self.place(stack);
        blocking(move || place.read_history()).await
    }

    async fn verify(&self, stack: &StackName) -> Result<Verification, StoreError> {
        let place = self.place(stack);
        blocking(move || verify::verify(&place)).await
    }

    async fn checkpoints(&self, stack: &StackName) -> Result<Vec<Kept>, StoreError> {
        let place = self.place(stack);
        blocking(move || {
            let present = rollback::present(&place)?.map(|head| head.checkpoint);
            let kept = place.kept_with_serials()?.into_iter();
            let kept = kept.map(|(serial, sha256)| Kept { serial, present: present.as_ref() == Some(&sha256), sha256 });
            Ok(kept.collect())
        })
        .await
    }

    async fn rollback(&self, stack: &StackName, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
        let (place, holder) = (self.place(stack), holder.clone());
        blocking(move || rollback::roll_back(place, &holder, to)).await
    }

    async fn import(&self, stack: &StackName, holder: &Holder, import: &Import) -> Result<RolledBack, StoreError> {
        let (place, holder, import, root) = (self.place(stack), holder.clone(), import.clone(), self.root.clone());
        blocking(move || {
            make_root(&root)?;
            rollback::import(place, &holder, &import)
        })
        .await
    }
}

/// Reads beside a writer, who may replace the head and remove the journal between two of this reader's steps. Only what is wrong
/// twice with the same head is wrong.
fn load(place: &Place) -> Result<Option<State>, StoreError> {
    let mut seen = None;
    for _ in 0..100 {
        let error = match place.read() {
            Ok(found) => return Ok(found.map(|found| found.state)),
            Err(e @ StoreError::Newer { .. }) => return Err(e),
            Err(e) => e,
        };
        let head = fs::read(place.head()).ok();
        if seen.as_ref() == Some(&head) {
            return Err(error);
        }
        seen = Some(head);
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(StoreError::Io {
        what: format!("reading {}", place.folder.display()),
        why: "it changed faster than it could be read; try again".into(),
    })
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(StoreError::Io { what: "working on the state's files".into(), why: e.to_string() }),
    }
}
