//! How many steps work at the same time. A step that only waits for the cloud gives its place to another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use phx_model::driver::Place;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places there are.
pub(super) struct Places {
    free: Arc<Semaphore>,
    left: Arc<Notify>,
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), left: Arc::default() }
    }

    /// A place, if one is free. It is free again when what is returned is dropped.
    pub(super) fn take(&self) -> Option<Arc<Own>> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        let held = Held { permit: Some(permit), pauses: 0, queued: Duration::ZERO };
        Some(Arc::new(Own { free: self.free.clone(), left: self.left.clone(), held: Mutex::new(held) }))
    }

    /// Returns once a step has left its place.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }
}

/// One step's place.
pub(super) struct Own {
    free: Arc<Semaphore>,
    left: Arc<Notify>,
    held: Mutex<Held>,
}

struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// A step may wait for several things at once; it works while it waits for none.
    pauses: usize,
    queued: Duration,
}

impl Own {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it has waited for a place so far, which is no part of its work.
    pub(super) fn queued(&self) -> Duration {
        self.held().queued
    }
}

#[async_trait]
impl Place for Own {
    fn leave(&self) {
        let mut held = self.held();
        held.pauses += 1;
        if held.permit.take().is_some() {
            self.left.notify_one();
        }
    }

    async fn enter(&self) {
        {
            let mut held = self.held();
            held.pauses = held.pauses.saturating_sub(1);
            if held.pauses > 0 {
                return;
            }
        }
        let began = Instant::now();
        // The semaphore is never closed; if it were, there would be nothing left to wait for.
        let permit = self.free.clone().acquire_owned().await.ok();
        let mut held = self.held();
        held.permit = permit;
        held.queued += began.elapsed();
    }
}
