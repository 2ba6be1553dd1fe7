//! Boundaries at which a run can be killed.
//!
//! Everything that a run does to the world outside it passes a boundary before and after its effect. A [`Life`] counts them, and can end
//! at the n-th: from then on nothing of that run goes on, as after SIGKILL.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The life of the runs over one world. See the [module](self).
#[derive(Debug, Default)]
pub struct Life {
    state: Mutex<State>,
    died: Notify,
}

#[derive(Debug, Default)]
struct State {
    passed: u64,
    ends_at: Option<u64>,
    dead: Option<String>,
}

impl Life {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a run that is killed at the `ends_at`-th boundary, counted from 0; or never.
    pub fn begin(&self, ends_at: Option<u64>) {
        *self.lock() = State { passed: 0, ends_at, dead: None };
    }

    /// How many boundaries the run has passed.
    pub fn passed(&self) -> u64 {
        self.lock().passed
    }

    /// Where the run was killed, in words.
    pub fn killed_at(&self) -> Option<String> {
        self.lock().dead.clone()
    }

    /// A boundary: returns unless the run ends here or has ended already.
    pub async fn boundary(&self, what: impl FnOnce() -> String) {
        let dead = {
            let mut state = self.lock();
            let at = state.passed;
            state.passed += 1;
            if state.dead.is_none() && state.ends_at == Some(at) {
                state.dead = Some(what());
                self.died.notify_one();
            }
            state.dead.is_some()
        };
        if dead {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once the run is killed.
    pub async fn death(&self) {
        self.died.notified().await;
    }
}
