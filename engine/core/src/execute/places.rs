//! How many steps work at the same time. A step that only waits for the cloud gives its place to another.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use phx_model::driver::Place;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

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
        Some(Arc::new(Own { free: self.free.clone(), left: self.left.clone(), permit: Mutex::new(Some(permit)) }))
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
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Own {
    fn put(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

#[async_trait]
impl Place for Own {
    fn leave(&self) {
        self.put(None);
        self.left.notify_one();
    }

    async fn enter(&self) {
        // The semaphore is never closed; if it were, there would be nothing left to wait for.
        let permit = self.free.clone().acquire_owned().await.ok();
        self.put(permit);
    }
}
