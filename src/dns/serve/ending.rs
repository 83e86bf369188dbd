//! The signal to end, for threads that look and for tasks that wait.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::watch;

/// When all ends. Clones share it.
#[derive(Clone)]
pub(super) struct Ending(Arc<Inside>);

struct Inside {
    deadline: OnceLock<Instant>,
    told: watch::Sender<()>,
}

impl Default for Ending {
    fn default() -> Self {
        Self(Arc::new(Inside { deadline: OnceLock::new(), told: watch::Sender::new(()) }))
    }
}

impl Ending {
    /// Ends everything: what is under way is finished until the deadline. The first one counts.
    pub(super) fn signal(&self, deadline: Instant) {
        if self.0.deadline.set(deadline).is_ok() {
            self.0.told.send_replace(());
        }
    }

    /// The deadline once the signal was given.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.deadline.get().copied()
    }

    /// Waits for the signal.
    pub(super) async fn given(&self) -> Instant {
        let mut told = self.0.told.subscribe();
        loop {
            if let Some(deadline) = self.deadline() {
                return deadline;
            }
            // The sender is ours.
            let _ = told.changed().await;
        }
    }
}
