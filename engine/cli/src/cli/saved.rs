//! Saved plans as files: `preview --out FILE`, `up --plan FILE`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context as _;
use phx_engine::saved::{MAX_BYTES, SavedPlan, SealedPlan, Sealer};
use phx_model::state::Entry;
use phx_model::store::StoreError;
use phx_model::urn::StackName;
use phx_state::secret::{DocumentKey, SealedStore};

use crate::project::shown;

struct Key(DocumentKey);

impl Sealer for Key {
    fn seal(&self, entry: Entry) -> Result<Entry, StoreError> {
        self.0.seal(entry)
    }

    fn open(&self, entry: Entry) -> Result<Entry, StoreError> {
        self.0.open(entry)
    }
}

/// Writes a plan to a file, which is there as a whole or as it was before, and which only its owner can read. `store` has the key for its secrets; it
/// is asked for it if there are any.
pub(super) async fn write(path: &Path, plan: &SavedPlan, stack: &StackName, store: &SealedStore) -> anyhow::Result<()> {
    let saving = || format!("saving the plan to {}", shown(path));
    let key = match plan.has_secrets() {
        true => Some(Key(store.document_key(stack, plan.key()).await.with_context(saving)?)),
        false => None,
    };
    let bytes = plan.encode(key.as_ref().map(|key| (key.0.header(), key as &dyn Sealer))).with_context(saving)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(saving)?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).with_context(saving)?;
    file.persist(path).with_context(saving)?;
    Ok(())
}

/// Reads a plan that was saved. Nothing that it says is believed before all of it was checked.
pub(super) fn read(path: &Path) -> anyhow::Result<SealedPlan> {
    let reading = || format!("reading the saved plan {}", shown(path));
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).with_context(reading)?;
    SealedPlan::read(&bytes).with_context(reading)
}

/// Opens its secrets, if it has any.
pub(super) async fn open(
    path: &Path,
    sealed: SealedPlan,
    stack: &StackName,
    store: &SealedStore,
) -> anyhow::Result<SavedPlan> {
    let opening = || format!("reading the saved plan {}", shown(path));
    let key = match sealed.key() {
        Some(header) => Some(Key(store.document_key(stack, Some(header)).await.with_context(opening)?)),
        None => None,
    };
    sealed.open(key.as_ref().map(|key| key as &dyn Sealer)).with_context(opening)
}
