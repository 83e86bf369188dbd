//! Whether the API server can be reached, and since when, as every request finds out for all others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as latest;
use tokio::time::Instant;

use super::backoff::Backoff;

/// Shared by all requests to one server.
#[derive(Clone)]
pub(super) struct Reach {
    state: Arc<latest::Sender<State>>,
}

#[derive(Default)]
struct State {
    /// The first answer after the last silence; `None` in the silence.
    answers_since: Option<Instant>,
    /// How often it came back.
    returns: u64,
}

/// How long a server may refuse after it came back before that counts: one that starts knows no rights yet.
pub(super) const REFUSAL_COUNTS: Duration = Duration::from_secs(3);

impl Default for Reach {
    fn default() -> Self {
        Self { state: Arc::new(latest::Sender::default()) }
    }
}

impl Reach {
    /// It answered.
    pub(super) fn answered(&self) {
        self.state.send_if_modified(|state| {
            let back = state.answers_since.is_none();
            if back {
                state.answers_since = Some(Instant::now());
                state.returns += 1;
            }
            back
        });
    }

    /// It did not, or the connection broke.
    pub(super) fn silent(&self) {
        self.state.send_if_modified(|state| {
            state.answers_since = None;
            false // nobody waits for that
        });
    }

    /// How often it came back.
    pub(super) fn returns(&self) -> u64 {
        self.state.borrow().returns
    }

    /// Whether it has been there long enough to know who may do what.
    pub(super) fn knows_rights(&self) -> bool {
        self.state.borrow().answers_since.is_some_and(|since| since.elapsed() >= REFUSAL_COUNTS)
    }

    /// Waits before the next try. After one in vain, when the server had come back `unreached` times, not longer than until
    /// it comes back once more.
    pub(super) async fn wait(&self, tries: &mut Backoff, unreached: Option<u64>) {
        let Some(known) = unreached else { return tries.wait().await };
        let mut state = self.state.subscribe();
        tokio::select! {
            () = tries.wait() => {}
            _ = state.wait_for(|state| state.returns > known) => tries.succeeded(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_by_the_first_answer_of_anybody() {
        let reach = Reach::default();
        reach.answered();
        reach.answered();
        assert_eq!(reach.returns(), 1);
        reach.silent();
        let waits = tokio::spawn({
            let reach = reach.clone();
            async move {
                let mut tries = Backoff::usual();
                tries.failed(Duration::from_hours(1));
                reach.wait(&mut tries, Some(1)).await;
                tries.is_fresh()
            }
        });
        reach.clone().answered();
        assert!(waits.await.unwrap());
        assert_eq!(reach.returns(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_came_back_is_given_time_to_learn_its_rights() {
        let reach = Reach::default();
        assert!(!reach.knows_rights());
        reach.answered();
        assert!(!reach.knows_rights());
        tokio::time::advance(REFUSAL_COUNTS).await;
        assert!(reach.knows_rights());
        reach.silent();
        assert!(!reach.knows_rights());
    }
}
