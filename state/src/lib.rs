//! Where phx keeps its states: implementations of [`phx_model::store::Store`].
//!
//! | module | what lives there |
//! |---|---|
//! | [`local`] | the store in a folder: the embedded default |
//! | `s3` | the store in S3 and DynamoDB, for teams and CI (cargo feature `s3`) |
//! | [`memory`] | a store that ends with its process, for tests and for programs that embed the engine |
//! | [`secret`] | encrypted secrets: a store that stands before any other and seals what goes to it |
//! | [`archive`] | a state with its history as one document: export and import |
//! | [`wire`] | the stored forms and their versions, the same for every store |
//! | [`conformance`] | what any store has to do, as checks that run against one |
//!
//! A store keeps; it never decides. Folding, recovery and planning are the engine's.
#![forbid(unsafe_code)]

pub mod archive;
pub mod conformance;
pub mod local;
pub mod memory;
#[cfg(feature = "s3")]
pub mod s3;
pub mod secret;
mod waiting;
pub mod wire;

use std::path::Path;
use std::sync::Arc;

use phx_model::state::{OperationId, State};
use phx_model::store::{Holder, Store, StoreError};
use phx_model::urn::{ProjectName, StackName};

#[cfg(feature = "s3")]
pub use aws_types::SdkConfig;
pub use local::LocalStore;
pub use memory::MemoryStore;
#[cfg(feature = "s3")]
pub use s3::{InitOptions, S3Store, S3Url};
pub use secret::SealedStore;

/// Whether the store at this URL is reached through AWS, so that [`open_with_aws`] has to open it.
pub fn needs_aws(url: &str) -> bool {
    url.starts_with("s3://")
}

/// The store at a URL, `s3://…` included: see [`S3Url`] for its form. `aws` is asked for the way to AWS only if the URL needs it, with the region
/// that the URL names.
#[cfg(feature = "s3")]
pub async fn open_with_aws<F, Fut, E>(
    url: &str,
    base: &Path,
    project: &ProjectName,
    aws: F,
) -> Result<Arc<dyn Store>, StoreError>
where
    F: FnOnce(Option<String>) -> Fut,
    Fut: Future<Output = Result<aws_types::SdkConfig, E>>,
    E: std::fmt::Display,
{
    if !needs_aws(url) {
        return open(url, base, project);
    }
    let parsed = S3Url::parse(url)?;
    let config = aws(parsed.region.clone())
        .await
        .map_err(|e| StoreError::Io { what: format!("opening the state store {parsed}"), why: e.to_string() })?;
    Ok(Arc::new(S3Store::new(&parsed, project.clone(), &config)?))
}

/// The store at a URL that needs no AWS: `file://PATH`, or a plain path. A relative path is taken from `base`, the project's folder.
pub fn open(url: &str, base: &Path, project: &ProjectName) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(LocalStore::new(base.join(folder_of(url)?), project.clone())))
}

/// Whether a store can be at this URL, as far as the URL tells.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    #[cfg(feature = "s3")]
    if needs_aws(url) {
        return S3Url::parse(url).map(drop);
    }
    folder_of(url).map(drop)
}

/// The folder that a URL names.
fn folder_of(url: &str) -> Result<&str, StoreError> {
    let refused = |why: &str| StoreError::Io {
        what: format!("opening the state store {}", without_secrets(url)),
        why: why.to_owned(),
    };
    let path = match url.split_once("://") {
        // Taken for a folder, a URL that was mistyped would be an empty store, and everything would be made a second time.
        None if is_mistyped(url) => {
            return Err(refused("after the kind of store comes ://; use file://PATH or s3://BUCKET/PREFIX"));
        }
        None => url,
        Some(("file", path)) => path,
        Some(("s3", _)) => {
            return Err(refused("it takes a way to AWS, and none was given; use file://PATH, or open_with_aws"));
        }
        Some(_) => return Err(refused("phx knows no such kind of store; use file://PATH or s3://BUCKET/PREFIX")),
    };
    if path.is_empty() {
        return Err(refused("it names no folder; for example file://.phx"));
    }
    Ok(path)
}

/// Whether it begins as a URL does and is none.
fn is_mistyped(url: &str) -> bool {
    url.split_once(':').is_some_and(|(kind, _)| ["s3", "file"].iter().any(|known| kind.eq_ignore_ascii_case(known)))
}

/// The URL without a user and password in front of its host, for messages.
fn without_secrets(url: &str) -> String {
    if let Some((scheme, rest)) = url.split_once("://")
        && scheme != "file"
        && let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
        && let Some((_, host)) = host.rsplit_once('@')
    {
        return format!("{scheme}://{host}{path}");
    }
    url.to_owned()
}

/// Who this process is, for a lease: the user and machine, the process, and what it is about to do.
pub fn holder(kind: &str, operation: OperationId) -> Holder {
    let user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
    let host = gethostname::gethostname();
    Holder {
        who: format!("{user}@{}", host.to_string_lossy()),
        pid: std::process::id(),
        kind: kind.to_owned(),
        operation,
    }
}

/// What cannot be in a state of this stack, though each part of it is as it was written.
pub(crate) fn sound(stack: &StackName, state: &State) -> Vec<String> {
    let mut faults = Vec::new();
    let urns =
        state.resources.keys().chain(state.deposed.iter().map(|d| &d.urn)).chain(state.open.values().map(|i| &i.urn));
    for urn in urns.filter(|urn| urn.stack() != stack.as_str()) {
        faults.push(format!("{urn} is of another stack"));
    }
    for (id, intent) in &state.open {
        if *id != intent.id {
            faults.push(format!("the open intent {} stands under the name {id}", intent.id));
        }
    }
    for (urn, _) in state.resources.iter().filter(|(_, record)| record.id.is_empty()) {
        faults.push(format!("{urn} has a record without the id of its object"));
    }
    faults
}

/// A random name for a stack's life.
fn new_lineage() -> String {
    let mut name = uuid::Uuid::new_v4().simple().to_string();
    name.truncate(16);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_at(url: &str) -> Result<String, String> {
        let project = ProjectName::new("demo").unwrap();
        open(url, Path::new("/srv/project"), &project).map(|s| s.location()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_url_or_a_path_opens_a_folder() {
        assert_eq!(open_at("file://.phx").unwrap(), "file:///srv/project/.phx");
        assert_eq!(open_at(".phx").unwrap(), "file:///srv/project/.phx");
        assert_eq!(open_at("file:///var/phx").unwrap(), "file:///var/phx");
    }

    #[test]
    fn what_cannot_be_opened_says_what_can() {
        for url in
            ["file://", "", "s3://bucket/prefix?table=t", "gs://x", "s3:/bucket/prefix", "S3:bucket", "file:.phx"]
        {
            assert!(open_at(url).unwrap_err().contains("file://"), "{url}");
        }
        let error = open_at("s3://key:hunter2@bucket/a@b").unwrap_err();
        assert!(error.contains("s3://bucket/a@b") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_holder_says_who_and_where() {
        let holder = holder("up", OperationId("op".into()));
        assert!(holder.who.contains('@') && holder.pid == std::process::id() && holder.kind == "up");
    }
}
