//! Whether the API server can be reached, as every request finds out for all others.

use std::sync::Arc;

use tokio::sync::watch as latest;

/// Shared by all requests to one server.
#[derive(Clone)]
pub(super) struct Reach {
    state: Arc<latest::Sender<State>>,
}

#[derive(Default)]
struct State {
    away: bool,
    /// How often it came back.
    returns: u64,
}

impl Default for Reach {
    fn default() -> Self {
        Self { state: Arc::new(latest::Sender::default()) }
    }
}

impl Reach {
    /// It answered.
    pub(super) fn answered(&self) {
        self.state.send_if_modified(|state| {
            let back = std::mem::take(&mut state.away);
            state.returns += u64::from(back);
            back
        });
    }

    /// It did not.
    pub(super) fn silent(&self) {
        self.state.send_if_modified(|state| {
            state.away = true;
            false // nobody waits for that
        });
    }

    /// How often it came back.
    pub(super) fn returns(&self) -> u64 {
        self.state.borrow().returns
    }

    /// Waits until it came back more often than that.
    pub(super) async fn returned(&self, known: u64) {
        let mut state = self.state.subscribe();
        // The sender is here, so this cannot fail.
        let _ = state.wait_for(|state| state.returns > known).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_by_the_first_answer_of_anybody() {
        let reach = Reach::default();
        reach.answered();
        assert_eq!(reach.returns(), 0, "it was never away");
        reach.silent();
        let waits = tokio::spawn({
            let reach = reach.clone();
            async move { reach.returned(0).await }
        });
        reach.clone().answered();
        waits.await.unwrap();
        assert_eq!(reach.returns(), 1);
    }
}
