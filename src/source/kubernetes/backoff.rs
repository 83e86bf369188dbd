//! How long to wait after a failure: longer each time, at random, so that many clients do not come back at once.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Waits between tries. May be waited for by a future that is dropped and made anew.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    due: Option<Instant>,
}

impl Backoff {
    /// The first failure waits up to `first`, each further one up to twice as long, at most `longest`.
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0, due: None }
    }

    /// For requests to the API server.
    pub(super) const fn usual() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(15))
    }

    /// A try failed: the next one is not before `at_least`.
    pub(super) fn failed(&mut self, at_least: Duration) {
        let longest = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures += 1;
        let random = longest.mul_f64(0.1 + 0.9 * fastrand::f64());
        self.pause(random.max(at_least));
    }

    /// A try failed, but only the next failure has to wait.
    pub(super) fn excused(&mut self) {
        self.failures += 1;
    }

    /// The next try is not before that.
    pub(super) fn pause(&mut self, time: Duration) {
        let due = Instant::now() + time;
        self.due = Some(self.due.map_or(due, |known| known.max(due)));
    }

    /// A try succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.due = None;
    }

    /// Whether nothing failed since the last success.
    pub(super) fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Waits until it is time.
    pub(super) async fn wait(&mut self) {
        if let Some(due) = self.due {
            sleep_until(due).await;
            self.due = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_and_stay_below_the_longest() {
        let mut backoff = Backoff::usual();
        let mut waits = Vec::new();
        for _ in 0..100 {
            let before = Instant::now();
            backoff.failed(Duration::ZERO);
            backoff.wait().await;
            waits.push(before.elapsed());
        }
        assert!(waits[0] <= Duration::from_millis(201), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(15_001)), "{waits:?}");
        assert!(waits[20..].iter().any(|wait| *wait > Duration::from_secs(5)), "{waits:?}");
        backoff.succeeded();
        backoff.failed(Duration::from_secs(40));
        let before = Instant::now();
        backoff.wait().await;
        assert!(before.elapsed() >= Duration::from_secs(40), "the server may ask for more");
    }
}
