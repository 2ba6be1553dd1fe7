//! Waiting until an object is ready: fast at first, slower later, never longer than the verb may take.

use std::future::Future;
use std::time::{Duration, Instant};

use phx_model::CloudError;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;

use crate::call::jitter;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage<T> {
    /// It is ready.
    Ready(T),
    /// It is not; the text says what it is instead: "pending".
    Waiting(String),
}

/// The times between two looks: growing by half each, a fifth of it left to chance so that many waiters spread out.
#[derive(Debug)]
pub struct Steps {
    next: Duration,
    longest: Duration,
}

impl Default for Steps {
    fn default() -> Self {
        Self { next: FIRST, longest: LONGEST }
    }
}

impl Iterator for Steps {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let step = self.next;
        self.next = step.mul_f64(1.5).min(self.longest);
        Some(step.mul_f64(0.9 + 0.2 * jitter()))
    }
}

/// Looks again and again until the object is ready. `what` names it: "nat gateway nat-0a1b".
pub async fn until<T, F, Fut>(cx: &Cx, what: &str, mut look: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Stage<T>, CloudError>>,
{
    let start = Instant::now();
    let mut told = String::new();
    let mut steps = Steps::default();
    loop {
        let stage = match look().await? {
            Stage::Ready(value) => return Ok(value),
            Stage::Waiting(stage) => stage,
        };
        if told != stage {
            (cx.progress)(&format!("{what} is {stage}"));
            told = stage;
        }
        let step = steps.next().unwrap_or(LONGEST);
        let left = cx.timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            let message = format!("{what} is still {told} after {} s", cx.timeout.as_secs());
            return Err(CloudError::local(ErrorKind::TimedOut, message)
                .hint("run it again to go on waiting, or give the resource a longer timeout"));
        }
        cx.pause(tokio::time::sleep(step.min(left))).await;
    }
}

/// Repeats a call for a while as long as it fails in a way that AWS documents as passing: an id that is not known everywhere yet, an
/// object whose last user is just going away. The last failure is returned as it is.
pub async fn eventually<T, F, Fut>(
    cx: &Cx,
    limit: Duration,
    passing: impl Fn(&CloudError) -> bool,
    mut call: F,
) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    let start = Instant::now();
    let limit = limit.min(cx.timeout);
    let mut steps = Steps::default();
    loop {
        let error = match call().await {
            Err(error) if passing(&error) => error,
            done => return done,
        };
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(error);
        }
        tracing::debug!(%error, "not yet; repeated");
        cx.pause(tokio::time::sleep(steps.next().unwrap_or(LONGEST).min(left))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phx_model::state::ProviderKey;
    use std::sync::{Arc, Mutex};

    fn cx(timeout: Duration) -> (Cx, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let progress = Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned()));
        (Cx::new(ProviderKey::default(), progress, timeout), lines)
    }

    #[test]
    fn looks_are_frequent_at_first_and_rarer_later() {
        let steps: Vec<f64> = Steps::default().take(20).map(|d| d.as_secs_f64()).collect();
        assert!((0.18..=0.22).contains(&steps[0]), "{steps:?}");
        assert!((9.0..=11.0).contains(&steps[19]), "{steps:?}");
    }

    #[tokio::test]
    async fn each_stage_is_told_once() {
        let (cx, lines) = cx(Duration::from_secs(60));
        let n = std::cell::Cell::new(0);
        let ready = until(&cx, "it", || async {
            n.set(n.get() + 1);
            Ok(if n.get() < 3 { Stage::Waiting("pending".into()) } else { Stage::Ready(n.get()) })
        });
        assert_eq!(ready.await.unwrap(), 3);
        assert_eq!(*lines.lock().unwrap(), ["it is pending"]);
    }

    #[tokio::test]
    async fn waiting_ends() {
        let (cx, _) = cx(Duration::from_millis(50));
        let error = until::<(), _, _>(&cx, "it", || async { Ok(Stage::Waiting("pending".into())) }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
        let gone = || CloudError::local(ErrorKind::NotFound, "no");
        let passing = |e: &CloudError| e.kind == ErrorKind::NotFound;
        let error = eventually::<(), _, _>(&cx, Duration::from_secs(9), passing, || async { Err(gone()) }).await;
        assert_eq!(error.unwrap_err(), gone());
    }
}
