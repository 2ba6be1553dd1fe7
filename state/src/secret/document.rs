//! Secrets in documents that are not a state: saved plans.

use std::sync::Arc;

use phx_model::key::KeyHeader;
use phx_model::state::Entry;
use phx_model::store::StoreError;
use phx_model::urn::StackName;

use super::key::DataKey;
use super::store::{SealedStore, not_opened, not_sealed};
use super::{seal, walk};

/// A key for a document, which says in its header how the key is found again.
pub struct DocumentKey {
    header: KeyHeader,
    key: Arc<DataKey>,
}

impl SealedStore {
    /// The key of a document about a stack: the one that `header` names, which is the state's or the document's own, or a new one.
    pub async fn document_key(&self, stack: &StackName, header: Option<&KeyHeader>) -> Result<DocumentKey, StoreError> {
        let (header, key) = match header {
            Some(header) => (header.clone(), self.shared.key(stack, header).await?),
            None => self.shared.new_key(stack).await?,
        };
        Ok(DocumentKey { header, key })
    }
}

impl DocumentKey {
    /// What the document has to say of it.
    pub fn header(&self) -> &KeyHeader {
        &self.header
    }

    /// The entry with each secret in it encrypted for its place. The result of an intent has no place of its own here: it is sealed for `intents`.
    pub fn seal(&self, mut entry: Entry) -> Result<Entry, StoreError> {
        let urn = result_of(&entry);
        walk::entry(&mut entry, urn, &mut |place, value| seal::seal(&self.key, place, value)).map_err(not_sealed)?;
        Ok(entry)
    }

    /// The entry as it was before it was sealed. Fails if it was changed since, stood elsewhere, or was sealed with another key.
    pub fn open(&self, mut entry: Entry) -> Result<Entry, StoreError> {
        let urn = result_of(&entry);
        walk::entry(&mut entry, urn, &mut |place, value| seal::open(&self.key, place, value)).map_err(not_opened)?;
        Ok(entry)
    }
}

/// Stands for the URN of an intent's result.
fn result_of(entry: &Entry) -> Option<&'static str> {
    matches!(entry, Entry::Done { .. }).then_some("intents")
}
