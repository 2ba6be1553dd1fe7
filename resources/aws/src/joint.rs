//! Reads of single objects that steps make at the same moment, joined into calls for many: twenty alarms that are made side by side ask with
//! one `DescribeAlarms` whether their names are taken.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_model::CloudError;
use tokio::sync::oneshot;

/// How long the first one waits for others. Steps that one answer sets free begin within about a millisecond of each other; a call takes tens.
const GATHERING: Duration = Duration::from_millis(5);

type Answer<V> = Result<Option<V>, CloudError>;
type Asked<V> = Vec<(String, oneshot::Sender<Answer<V>>)>;

/// One kind of read at one place.
#[derive(Debug)]
pub(crate) struct Joint<V> {
    waiting: Mutex<Asked<V>>,
}

impl<V> Default for Joint<V> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<V: Clone + Send> Joint<V> {
    /// What has this key, if anything. `read` reads all of some keys and answers by key; that of whoever comes first is used, so all who ask one
    /// `Joint` have to bring the same. A failure is everybody's.
    pub(crate) async fn one<F, Fut>(&self, key: &str, read: F) -> Answer<V>
    where
        F: Fn(BTreeSet<String>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<HashMap<String, V>, CloudError>> + Send,
    {
        loop {
            let (tell, told) = oneshot::channel();
            if self.join(key, tell) {
                let mut gathered = Gathered { joint: self, taken: false };
                tokio::time::sleep(GATHERING).await;
                let asked = gathered.take();
                let found = read(asked.iter().map(|(key, _)| key.clone()).collect()).await;
                for (key, tell) in asked {
                    // Whoever does not wait any longer needs no answer.
                    let _ = tell.send(found.as_ref().map(|found| found.get(&key).cloned()).map_err(Clone::clone));
                }
            }
            match told.await {
                Ok(answer) => return answer,
                // The one that was to ask for all has been given up.
                Err(_) => continue,
            }
        }
    }

    /// Whether it is the first, which asks for all.
    fn join(&self, key: &str, tell: oneshot::Sender<Answer<V>>) -> bool {
        let mut waiting = self.lock();
        waiting.push((key.to_owned(), tell));
        waiting.len() == 1
    }
}

impl<V> Joint<V> {
    fn lock(&self) -> MutexGuard<'_, Asked<V>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who joined; if the first is given up while it waits, they are set free to ask for themselves.
struct Gathered<'a, V> {
    joint: &'a Joint<V>,
    taken: bool,
}

impl<V> Gathered<'_, V> {
    fn take(&mut self) -> Asked<V> {
        self.taken = true;
        std::mem::take(&mut *self.joint.lock())
    }
}

impl<V> Drop for Gathered<'_, V> {
    fn drop(&mut self) {
        if !self.taken {
            self.joint.lock().clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use phx_model::error::ErrorKind;

    use super::*;

    async fn lengths(keys: BTreeSet<String>) -> Result<HashMap<String, usize>, CloudError> {
        Ok(keys.into_iter().filter(|k| !k.is_empty()).map(|k| (k.clone(), k.len())).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_together_are_answered_by_one_call() {
        let (joint, calls) = (Joint::default(), AtomicUsize::new(0));
        let read = |keys| {
            calls.fetch_add(1, Ordering::Relaxed);
            lengths(keys)
        };
        let answers = join_all(["a", "bb", "", "bb"].map(|key| joint.one(key, read))).await;
        assert_eq!(answers, [Ok(Some(1)), Ok(Some(2)), Ok(None), Ok(Some(2))]);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(joint.one("later", read).await, Ok(Some(5)));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_everybodys() {
        let joint = Joint::<usize>::default();
        let fails = |_| async { Err(CloudError::local(ErrorKind::Denied, "no")) };
        let answers = join_all(["a", "b"].map(|key| joint.one(key, fails))).await;
        assert!(answers.iter().all(|a| a.as_ref().is_err_and(|e| e.kind == ErrorKind::Denied)), "{answers:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_one_who_was_given_up() {
        let joint = Joint::default();
        let stuck = |_| std::future::pending::<Result<HashMap<String, usize>, CloudError>>();
        // While it gathers, and while it asks.
        for patience in [GATHERING / 2, GATHERING * 2] {
            let first = tokio::time::timeout(patience, joint.one("first", stuck));
            let second = joint.one("second", lengths);
            let (first, second) = tokio::join!(biased; first, second);
            assert!(first.is_err());
            assert_eq!(second, Ok(Some(6)));
        }
    }
}
