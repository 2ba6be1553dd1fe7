//! The lease: taking it, watching a holder, keeping it, and knowing when it is over.
//!
//! **No two clocks are compared.** A contender never asks what time the holder wrote; it watches the lease's counter of renewals on its own
//! monotonic clock. The rule:
//!
//! 1. A lease that was given back, or that nobody ever had, is taken at once.
//! 2. Otherwise the contender reads it every few hundred milliseconds. As soon as the counter moves or another run takes the lease, its holder is
//!    alive, and the answer is [`Leased`](StoreError::Leased). A holder renews every tenth of the lease's duration (3 s of 30 s), and more
//!    often while it works, since every append to the journal renews too: so this answer comes within about that time.
//! 3. If the counter has not moved for the lease's whole duration (the holder's, which stands in the lease), the holder is dead or cut off. The
//!    contender takes over, on the condition that the counter still has not moved. Nobody is asked.
//!
//! So a CI job that runs again after its machine was killed goes on by itself after at most one lease duration, and one that runs beside a
//! live holder fails within seconds, or waits if it was told to.
//!
//! The holder measures from before it sent the last renewal that succeeded, by a clock that goes on while its machine sleeps. After four fifths of
//! the duration it stops by itself, for good, whether or not anyone has taken over: before a contender, who began to count later, can have come to
//! the end. And whatever either believes, each write is conditional on the lease's generation in the table: that is what keeps a superseded holder
//! out, the clocks only spare it useless calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use phx_model::store::StoreError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Shared;
use super::call::{Failure, Kind, Patience};
use super::place::Place;
use super::table::{LEASE, LeaseItem};

/// A moment. How long ago it was includes the time that the machine has slept since, which an [`Instant`] leaves out on most systems: the others'
/// clocks went on meanwhile, and so did what is left of a lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    sleepless: Option<Duration>,
    at: Instant,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { sleepless: sleepless(), at: Instant::now() }
    }

    fn elapsed(self) -> Duration {
        let awake = self.at.elapsed();
        match (self.sleepless, sleepless()) {
            (Some(then), Some(now)) => awake.max(now.saturating_sub(then)),
            _ => awake,
        }
    }
}

/// A clock that goes on while the machine sleeps, and that nobody sets. `None`: there is none here, or an [`Instant`] is one.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn sleepless() -> Option<Duration> {
    #[cfg(not(target_vendor = "apple"))]
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    #[cfg(target_vendor = "apple")]
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    nix::time::clock_gettime(clock).ok().map(Duration::from)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn sleepless() -> Option<Duration> {
    None
}

/// A lease that this process holds, as far as it knows.
pub(super) struct Held {
    partition: String,
    generation: u64,
    nonce: String,
    ttl: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    /// When the last renewal that succeeded was sent.
    renewed: Moment,
    /// What became of the last one that did not.
    last_failure: String,
    /// Why it is over.
    over: Option<StoreError>,
}

impl Held {
    /// How long one attempt to renew may take.
    pub(super) fn a_renewals_time(&self) -> Duration {
        self.ttl / 6
    }

    pub(super) fn new(partition: String, item: &LeaseItem, sent: Moment) -> Self {
        Self {
            partition,
            generation: item.lease.generation,
            nonce: item.nonce.clone(),
            ttl: item.ttl,
            inner: Mutex::new(Inner { renewed: sent, last_failure: "none was made".into(), over: None }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn partition(&self) -> &str {
        &self.partition
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// When it ends for its holder, unless it is renewed.
    pub(super) fn until(&self) -> Instant {
        let inner = self.lock();
        if inner.over.is_some() { inner.renewed.at } else { inner.renewed.at + self.lasts() }
    }

    fn lasts(&self) -> Duration {
        self.ttl.mul_f64(0.8)
    }

    /// Whether anything may still be written. Once it may not, it never may again.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let age = inner.renewed.elapsed();
        if inner.over.is_none() && age >= self.lasts() {
            let slept = age.saturating_sub(inner.renewed.at.elapsed()).as_secs();
            let why = match slept {
                0 => inner.last_failure.clone(),
                _ => format!("{}; the machine slept for {slept} s", inner.last_failure),
            };
            let error = StoreError::Expired { held: self.generation, seconds: age.as_secs(), why };
            tracing::error!("{error}");
            inner.over = Some(error);
        }
        inner.over.clone().map_or(Ok(()), Err)
    }

    /// A renewal that was sent at this time has succeeded.
    pub(super) fn renewed(&self, sent: Moment) {
        let mut inner = self.lock();
        if sent.at > inner.renewed.at {
            inner.renewed = sent;
        }
    }

    fn failed(&self, failure: &Failure) {
        self.lock().last_failure = failure.why.clone();
    }

    /// Another run has the lease.
    pub(super) fn superseded(&self) -> StoreError {
        let error = StoreError::Superseded { held: self.generation };
        self.lock().over.get_or_insert(error).clone()
    }

    /// Whether the lease in the table is this one.
    pub(super) fn is(&self, item: Option<&LeaseItem>) -> bool {
        item.is_some_and(|item| {
            item.held && (item.lease.generation, item.nonce.as_str()) == (self.generation, self.nonce.as_str())
        })
    }

    fn age(&self) -> Duration {
        self.lock().renewed.elapsed()
    }
}

/// How often a lease is renewed.
fn interval(ttl: Duration) -> Duration {
    ttl / 10
}

/// The renewing of a lease.
pub(super) struct Heartbeat {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Heartbeat {
    /// Ends it, and waits a moment for a renewal that is under way: one that came after the lease was given back would be refused, but not every
    /// table that stands in for DynamoDB takes the two one after the other.
    pub(super) async fn end(&mut self, patience: Duration) {
        // Whoever is not there any more needs no telling.
        let _ = self.stop.send(true);
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }

    /// Ends it at once.
    pub(super) fn abort(&self) {
        self.task.abort();
    }
}

/// Renews the lease until it is over. Appends renew it too, so under load there is nothing to do here.
pub(super) fn keep(shared: Arc<Shared>, place: Place, held: Arc<Held>) -> Heartbeat {
    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        let interval = interval(held.ttl);
        while held.check().is_ok() && !*stopped.borrow() {
            let age = held.age();
            if age < interval {
                tokio::select! {
                    () = tokio::time::sleep(interval - age) => {}
                    _ = stopped.changed() => {}
                }
                continue;
            }
            let sent = Moment::now();
            // One attempt's time each, so that `sent` is never long past; the loop is the repetition.
            let patience = shared.patience(held.a_renewals_time(), None);
            match shared.table.renew(&shared.calls, &patience, &held, true).await {
                Ok(()) => held.renewed(sent),
                Err(failure) if failure.kind == Kind::Condition => {
                    match place.read_lease_item(&shared, &shared.reading_back()).await {
                        Ok(found) if !held.is(found.as_ref()) => {
                            held.superseded();
                        }
                        // It is ours after all: the table contradicts itself, or the answer was another's. The next renewal tells.
                        Ok(_) => tokio::time::sleep(interval / 4).await,
                        Err(error) => {
                            held.failed(&Failure::new(Kind::Unclear, error.to_string()));
                            tokio::time::sleep(interval / 4).await;
                        }
                    }
                }
                Err(failure) => {
                    tracing::warn!(why = failure.why, "the stack's lease could not be renewed; it is tried again");
                    held.failed(&failure);
                    tokio::time::sleep(interval / 4).await;
                }
            }
        }
    });
    Heartbeat { task, stop }
}

/// What watching a lease has shown.
pub(super) enum Seen {
    /// It is free, or its holder is dead: it can be taken, if it is still as here.
    Takeable(Option<LeaseItem>),
    /// Its holder is alive.
    Alive(LeaseItem),
}

/// Finds out whether a lease that is held can be taken. While its holder is alive, it is watched until `wait_until`, and in any case until that
/// is known.
pub(super) async fn watch(
    shared: &Shared,
    place: &Place,
    mut seen: LeaseItem,
    wait_until: Option<Instant>,
) -> Result<Seen, StoreError> {
    let mut since = Instant::now();
    let holder = &seen.lease.holder;
    tracing::info!(
        "the stack's lease is held by {} (process {}, {}); watching whether it is renewed",
        holder.who,
        holder.pid,
        holder.kind
    );
    loop {
        tokio::time::sleep((interval(seen.ttl) / 4).clamp(Duration::from_millis(25), Duration::from_millis(500))).await;
        let Some(now) = place.read_lease_item(shared, &shared.reading()).await? else {
            return Ok(Seen::Takeable(None));
        };
        // Taken after the answer, so that no renewal seen in it can be later.
        let at = Instant::now();
        if !now.held {
            return Ok(Seen::Takeable(Some(now)));
        }
        if !now.unchanged_since(&seen) {
            if wait_until.is_none_or(|until| at >= until) {
                return Ok(Seen::Alive(now));
            }
            (seen, since) = (now, at);
        } else if at.duration_since(since) >= seen.ttl {
            let holder = &seen.lease.holder;
            tracing::warn!(
                "the lease of {} (process {}, generation {}) was not renewed for {} s and is taken over",
                holder.who,
                holder.pid,
                seen.lease.generation,
                seen.ttl.as_secs_f32()
            );
            return Ok(Seen::Takeable(Some(now)));
        }
    }
}

impl Place {
    /// The lease as it stands in the table.
    pub(super) async fn read_lease_item(
        &self,
        shared: &Shared,
        patience: &Patience,
    ) -> Result<Option<LeaseItem>, StoreError> {
        let item = shared.table.get(&shared.calls, patience, &self.partition, LEASE).await;
        let item = item.map_err(|e| e.at(format!("reading the lease of stack {}", self.stack)))?;
        item.map(|item| LeaseItem::decode(&item).map_err(|why| self.damaged_lease(why))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use phx_model::state::OperationId;
    use phx_model::store::{Holder, Lease};

    use super::*;

    #[test]
    fn a_lease_goes_on_ending_while_the_machine_sleeps() {
        let holder = Holder { who: "me@here".into(), pid: 1, kind: "up".into(), operation: OperationId("op".into()) };
        let lease = Lease { holder, generation: 4, acquired: Timestamp::UNIX_EPOCH, expires: None };
        let ttl = Duration::from_secs(30);
        let item = LeaseItem { lease, nonce: "n".into(), renewals: 1, held: true, ttl, tail: None };
        let now = Moment::now();
        let held = Held::new("p".into(), &item, now);
        held.check().unwrap();
        // On a system without such a clock there is nothing to see.
        let Some(clock) = now.sleepless else { return };
        // As if that clock had gone on for 25 s since, and the other had stood still.
        let held = Held::new("p".into(), &item, Moment { sleepless: Some(clock.saturating_sub(ttl * 5 / 6)), ..now });
        let error = held.check().unwrap_err();
        assert!(matches!(error, StoreError::Expired { held: 4, .. }), "{error}");
        assert!(error.to_string().contains("the machine slept"), "{error}");
        // It stays over, also if a renewal is answered after all.
        held.renewed(Moment::now());
        held.check().unwrap_err();
    }
}
