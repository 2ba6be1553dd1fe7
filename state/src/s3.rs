//! The store in S3 and DynamoDB: for teams and CI. (Cargo feature `s3`.)
//!
//! Checkpoints, which are large and written seldom, are objects in a bucket; head, lease, journal and history, which are small and have to
//! change together, are items in a table. `s3/table.rs` and `s3/objects.rs` say what lies where.
//!
//! **The head that counts is the item in the table**, not an object in the bucket: so that a head moves, or a journal grows, in the same
//! transaction that checks the lease's generation. An object changed under `If-Match` alone could not do that: between a holder's look at its
//! lease and its write to the bucket it can be stopped for an hour. The bucket has a copy of the head, changed under `If-Match`, from which the
//! stack can be found again if the table is lost, and which shows that a stack that is missing in the table is not a new one (the wrong
//! `table=`, say). Nothing else is decided by it.
//!
//! **One append is one request**: a transaction that puts the batch, under a key that must be free, and renews the lease, if it is still this
//! holder's. A batch that is too large for an item goes to the bucket first, under its hash, and its item names that.
//!
//! **Answers that don't come, or can't be believed**, are not guessed at: the item or object is read back. Each item has the random name of its
//! write, each object the hash of its bytes, so that what is found there is known to be ours or not. Where even reading back fails, the session
//! writes nothing more.
//!
//! How a lease ends, and how a dead holder's is taken over, is in `s3/lease.rs`.

mod call;
mod init;
mod lease;
mod objects;
mod place;
mod rollback;
mod session;
mod table;
mod url;
mod verify;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use futures::StreamExt;
use phx_model::state::State;
use phx_model::store::{Holder, Import, Kept, Lease, Operation, RolledBack, Session, Store, StoreError, Verification};
use phx_model::urn::{ProjectName, StackName};

use call::{Calls, Kind, Patience};
use lease::Held;
use objects::{Bucket, HEAD_NAME};
use place::Place;
use session::S3Session;
use table::{LEASE, LeaseItem, Table};

pub use init::{InitOptions, InitReport};
pub use url::{DEFAULT_TABLE, DEFAULT_TTL, S3Url};

/// How long a reader tries. Nobody's lease ends meanwhile.
const READING: Duration = Duration::from_secs(40);
/// The most that one answer to a query brings.
const PAGE: u64 = 1024 * 1024;
/// How many requests a listing has under way.
const AT_ONCE: usize = 8;

/// States in a bucket and a table. Clones share one connection and one count of requests.
#[derive(Clone)]
pub struct S3Store {
    shared: Arc<Shared>,
    project: ProjectName,
    /// Longer batches go to the bucket.
    most_in_an_item: usize,
}

/// An item may have 400 KB, with its names and keys.
const MOST_IN_AN_ITEM: usize = 350 * 1024;

/// What all stacks of a store have in common.
struct Shared {
    url: S3Url,
    region: Region,
    bucket: Bucket,
    table: Table,
    calls: Calls,
    /// The address that S3 is called at instead of AWS's.
    endpoint: Option<String>,
}

impl Shared {
    /// For reads, which change nothing.
    fn reading(&self) -> Patience {
        self.patience(READING, None)
    }

    /// For reads of as much as there is, page by page: a page may take longer than another request's answer.
    fn reading_pages(&self) -> Patience {
        let reading = self.reading();
        Patience { attempt: reading.attempt + objects::transfer(PAGE), ..reading }
    }

    /// For reading back what became of a write. Somebody waits, and a holder's lease may end meanwhile.
    fn reading_back(&self) -> Patience {
        self.patience(self.url.ttl.min(Duration::from_secs(5)), None)
    }

    /// For a request that is tried for so long, as long as the lease lasts.
    fn patience(&self, total: Duration, lease: Option<&Arc<Held>>) -> Patience {
        // A renewal that hangs must leave time for another.
        let attempt = (self.url.ttl / 4).clamp(Duration::from_millis(500), Duration::from_secs(5));
        Patience { attempt, until: Instant::now() + total, lease: lease.cloned() }
    }
}

impl S3Store {
    /// The states of a project at a URL. `config` brings credentials, HTTP client and endpoint, and the region where the URL names none.
    /// Nothing is sent yet.
    pub fn new(url: &S3Url, project: ProjectName, config: &SdkConfig) -> Result<Self, StoreError> {
        let region = url.region.clone().map(Region::new).or_else(|| config.region().cloned());
        let Some(region) = region else {
            return Err(StoreError::Io {
                what: format!("opening the state store {url}"),
                why: "no AWS region is set\n  hint: add &region=REGION to the URL, or set AWS_REGION or the profile's region"
                    .into(),
            });
        };
        let endpoint = other_endpoint(config);
        // Repetitions and their time limits are the store's own business: see `call.rs`.
        let timeouts = || TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build();
        let table = aws_sdk_dynamodb::config::Builder::from(config)
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .build();
        let bucket = aws_sdk_s3::config::Builder::from(config)
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            // AWS resolves bucket names as host names; other endpoints have one host name only.
            .force_path_style(endpoint.is_some())
            .build();
        let shared = Shared {
            endpoint,
            region,
            bucket: Bucket {
                client: aws_sdk_s3::Client::from_conf(bucket),
                name: url.bucket.clone(),
                kms: url.kms.clone(),
            },
            table: Table { client: aws_sdk_dynamodb::Client::from_conf(table), name: url.table.clone() },
            calls: Calls::default(),
            url: url.clone(),
        };
        Ok(Self { shared: Arc::new(shared), project, most_in_an_item: MOST_IN_AN_ITEM })
    }

    /// The same store, in which batches longer than so many bytes go to the bucket; there is an upper bound of its own. For tests, which would
    /// otherwise have to move much.
    #[must_use]
    pub fn spilling_above(self, bytes: usize) -> Self {
        Self { most_in_an_item: bytes.min(MOST_IN_AN_ITEM), ..self }
    }

    /// How many requests were sent, repetitions included.
    pub fn requests(&self) -> u64 {
        self.shared.calls.counts().values().sum()
    }

    /// How many requests were sent by `service:Operation`, repetitions included.
    pub fn requests_by_operation(&self) -> BTreeMap<&'static str, u64> {
        self.shared.calls.counts()
    }

    fn place(&self, stack: &StackName) -> Place {
        let url = &self.shared.url;
        Place {
            stack: stack.clone(),
            partition: url.partition(&self.project, stack),
            folder: url.folder(&self.project, stack),
            bucket: format!("s3://{}/", url.bucket),
            table: url.table.clone(),
            most_in_an_item: self.most_in_an_item,
        }
    }

    /// Whether a folder in the bucket is a stack with a state or a past, and not what a run that never wrote anything has left.
    async fn is_stack(&self, place: &Place) -> Result<bool, StoreError> {
        if place.read_items(&self.shared).await?.0.is_some() {
            return Ok(true);
        }
        // One that the table has lost must not vanish from sight.
        let copy = match place.read_object(&self.shared, HEAD_NAME, crate::wire::MAX_SMALL).await {
            // Whatever it says: it is there.
            Err(StoreError::Damaged { .. }) => true,
            copy => copy?.is_some(),
        };
        Ok(copy || !place.history_items(&self.shared).await?.is_empty())
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Store({}, {})", self.shared.url, self.project)
    }
}

/// The address of the user's that S3 is called at, from any of the places where the SDK looks for one.
fn other_endpoint(config: &SdkConfig) -> Option<String> {
    use aws_types::service_config::ServiceConfigKey;
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    let of_s3 = key.and_then(|key| config.service_config()?.load_config(key));
    of_s3.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[async_trait]
impl Store for S3Store {
    fn location(&self) -> String {
        self.shared.url.to_string()
    }

    async fn stacks(&self) -> Result<Vec<StackName>, StoreError> {
        let beginning = self.shared.url.key(&format!("{}/", self.project));
        let found = self.shared.bucket.list(&self.shared.calls, &self.shared.reading(), &beginning, true).await;
        let found = found.map_err(|e| e.at(format!("listing s3://{}/{beginning}", self.shared.url.bucket)))?;
        let name = |key: &String| StackName::new(key.strip_prefix(&beginning)?.strip_suffix('/')?).ok();
        let names: Vec<StackName> = found.iter().filter_map(name).collect();
        let mut asked = futures::stream::iter(names)
            .map(|name| async move { (self.is_stack(&self.place(&name)).await, name) })
            .buffered(AT_ONCE);
        let mut stacks = Vec::new();
        while let Some((is_stack, name)) = asked.next().await {
            if is_stack? {
                stacks.push(name);
            }
        }
        stacks.sort();
        Ok(stacks)
    }

    async fn load(&self, stack: &StackName) -> Result<Option<State>, StoreError> {
        self.place(stack).load(&self.shared).await
    }

    async fn acquire(&self, stack: &StackName, holder: &Holder) -> Result<Box<dyn Session>, StoreError> {
        Ok(Box::new(S3Session::acquire(Arc::clone(&self.shared), self.place(stack), holder, None).await?))
    }

    async fn acquire_waiting(
        &self,
        stack: &StackName,
        holder: &Holder,
        wait: Duration,
    ) -> Result<Box<dyn Session>, StoreError> {
        let until = (!wait.is_zero()).then(|| Instant::now().checked_add(wait)).flatten();
        Ok(Box::new(S3Session::acquire(Arc::clone(&self.shared), self.place(stack), holder, until).await?))
    }

    async fn break_lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        let place = self.place(stack);
        let what = || format!("breaking the lease of stack {stack}");
        let (shared, patience) = (&self.shared, self.shared.reading());
        // It changes under our hands for as long as its holder lives.
        for _ in 0..20 {
            let found = match place.read_lease_item(shared, &patience).await {
                Ok(found) => found,
                Err(StoreError::Damaged { .. }) => {
                    // Whoever held it finds that it is gone and writes nothing more; the next one counts on from what is written.
                    let removed = shared.table.remove(&shared.calls, &patience, &place.partition, LEASE).await;
                    removed.map_err(|e| e.at(what()))?;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let Some(found) = found.filter(|lease| lease.held) else { return Ok(None) };
            let broken = LeaseItem {
                held: false,
                nonce: uuid::Uuid::new_v4().simple().to_string(),
                renewals: found.renewals.wrapping_add(1),
                ..found.clone()
            };
            let taken =
                shared.table.take_lease(&shared.calls, &patience, &place.partition, &broken, Some(&found)).await;
            match taken {
                Ok(()) => return Ok(Some(found.lease)),
                Err(e) if e.kind == Kind::Condition || e.maybe_done => {
                    let now = place.read_lease_item(shared, &patience).await?;
                    if now.is_none_or(|now| now.nonce != found.nonce) {
                        return Ok(Some(found.lease));
                    }
                }
                Err(e) => return Err(e.at(what())),
            }
        }
        let why = "its holder renews it faster than it can be broken; try again".to_owned();
        Err(StoreError::Io { what: what(), why })
    }

    async fn lease(&self, stack: &StackName) -> Result<Option<Lease>, StoreError> {
        let found = self.place(stack).read_lease_item(&self.shared, &self.shared.reading()).await?;
        Ok(found.filter(|lease| lease.held).map(|lease| lease.lease))
    }

    async fn history(&self, stack: &StackName) -> Result<Vec<Operation>, StoreError> {
        self.place(stack).history(&self.shared).await
    }

    async fn verify(&self, stack: &StackName) -> Result<Verification, StoreError> {
        verify::verify(&self.shared, &self.place(stack)).await
    }

    async fn checkpoints(&self, stack: &StackName) -> Result<Vec<Kept>, StoreError> {
        let place = self.place(stack);
        let (head, _) = place.read_items(&self.shared).await?;
        let present = rollback::present(&place, head.as_ref())?.map(|head| (head.head.serial, head.head.checkpoint));
        let kept = place.checkpoints(&self.shared).await?.into_iter();
        let kept = kept.map(|one| (present.as_ref() == Some(&one), one));
        Ok(kept.map(|(present, (serial, sha256))| Kept { serial: Some(serial), sha256, present }).collect())
    }

    async fn rollback(&self, stack: &StackName, holder: &Holder, to: Option<u64>) -> Result<RolledBack, StoreError> {
        rollback::under_lease(self, stack, holder, &rollback::Wanted::Earlier(to)).await
    }

    async fn import(&self, stack: &StackName, holder: &Holder, import: &Import) -> Result<RolledBack, StoreError> {
        rollback::under_lease(self, stack, holder, &rollback::Wanted::Import(import)).await
    }
}

/// Runs work that computes for long where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(StoreError::Io { what: "encoding or decoding a state".into(), why: e.to_string() }),
    }
}
