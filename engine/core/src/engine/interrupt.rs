//! Stopping a run from outside.

use tokio::sync::watch;

/// Asks a run to stop, first politely and then at once. Clones are the same request. Once asked, it stays asked.
#[derive(Clone, Debug)]
pub struct Interrupt {
    level: watch::Sender<Level>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    None,
    Drain,
    Abort,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self::new()
    }
}

impl Interrupt {
    /// Nothing is asked yet.
    pub fn new() -> Self {
        Self { level: watch::Sender::new(Level::None) }
    }

    /// Nothing new is started; what is in flight ends and is recorded.
    pub fn drain(&self) {
        self.raise(Level::Drain);
    }

    /// What is in flight is not waited for either. Its intents stay open, and the next run settles them.
    pub fn abort(&self) {
        self.raise(Level::Abort);
    }

    fn raise(&self, to: Level) {
        self.level.send_if_modified(|level| {
            let raised = *level < to;
            *level = to.max(*level);
            raised
        });
    }

    /// Whether nothing new shall be started.
    pub fn is_draining(&self) -> bool {
        *self.level.borrow() >= Level::Drain
    }

    /// Returns once nothing new shall be started.
    pub async fn draining(&self) {
        self.reached(Level::Drain).await;
    }

    /// Returns once nothing in flight shall be waited for.
    pub async fn aborting(&self) {
        self.reached(Level::Abort).await;
    }

    async fn reached(&self, wanted: Level) {
        // It fails only when the sender is dropped, and that is ours.
        let _ = self.level.subscribe().wait_for(|level| *level >= wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_only_ever_rises() {
        let interrupt = Interrupt::new();
        let other = interrupt.clone();
        assert!(!interrupt.is_draining());
        other.abort();
        other.drain();
        assert!(interrupt.is_draining());
        interrupt.draining().await;
        interrupt.aborting().await;
    }
}
