//! Waiting for a lease that somebody alive holds.

use std::future::Future;
use std::time::Duration;

use phx_model::store::{Session, StoreError};
use tokio::time::Instant;

/// The pauses between two tries grow from the first to the second of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Tries until the lease is free or `wait` is over.
pub(crate) async fn poll<F, Fut>(wait: Duration, mut acquire: F) -> Result<Box<dyn Session>, StoreError>
where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = Result<Box<dyn Session>, StoreError>> + Send,
{
    let began = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let result = acquire().await;
        let left = wait.saturating_sub(began.elapsed());
        if !matches!(result, Err(StoreError::Leased(_))) || left.is_zero() {
            return result;
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
