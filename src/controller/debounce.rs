//! Decides when changes are published: the first at once, what follows together.

use std::time::Duration;

use tokio::time::Instant;

/// How long after a publication a change still counts as following it.
const BURST: Duration = Duration::from_millis(20);

/// The shortest and the longest quiet that ends a gathering. In between, it is as long as the last compile took, so
/// that a large cluster does not compile all the time.
const QUIET: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(20));

/// No change waits longer than this.
const HOLD: Duration = Duration::from_millis(100);

/// The times that matter. Every method is told what time it is.
#[derive(Debug)]
pub(super) struct Debounce {
    published: Option<Instant>,
    quiet: Duration,
    /// The first and the last change that are not published yet, and whether they follow a publication closely.
    pending: Option<(Instant, Instant, bool)>,
}

impl Default for Debounce {
    fn default() -> Self {
        Self { published: None, quiet: QUIET.0, pending: None }
    }
}

impl Debounce {
    /// Something changed.
    pub(super) fn changed(&mut self, now: Instant) {
        let burst = self.published.is_some_and(|at| now.saturating_duration_since(at) < BURST);
        let (first, _, burst) = self.pending.unwrap_or((now, now, burst));
        self.pending = Some((first, now, burst));
    }

    /// When to publish; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last, burst) = self.pending?;
        Some(if burst { (last + self.quiet).min(first + HOLD) } else { first })
    }

    /// Everything is published; the compile took so long.
    pub(super) fn published(&mut self, now: Instant, took: Duration) {
        self.pending = None;
        self.published = Some(now);
        self.quiet = took.clamp(QUIET.0, QUIET.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_change_is_due_at_once() {
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(), None);
        let now = Instant::now();
        debounce.changed(now);
        assert_eq!(debounce.due(), Some(now));
    }

    #[test]
    fn what_follows_closely_waits_for_five_quiet_milliseconds() {
        let mut debounce = Debounce::default();
        let start = Instant::now();
        debounce.published(start, MS);
        debounce.changed(start + 3 * MS);
        assert_eq!(debounce.due(), Some(start + 8 * MS));
        debounce.changed(start + 7 * MS);
        assert_eq!(debounce.due(), Some(start + 12 * MS));
    }

    #[test]
    fn a_change_after_a_pause_is_due_at_once_again() {
        let mut debounce = Debounce::default();
        let start = Instant::now();
        debounce.published(start, MS);
        debounce.changed(start + 20 * MS);
        assert_eq!(debounce.due(), Some(start + 20 * MS));
    }

    #[test]
    fn no_change_waits_longer_than_a_hundred_milliseconds() {
        let mut debounce = Debounce::default();
        let start = Instant::now();
        debounce.published(start, MS);
        for at in 1..=200 {
            debounce.changed(start + at * MS);
        }
        assert_eq!(debounce.due(), Some(start + 101 * MS));
    }

    #[test]
    fn a_slow_compile_makes_the_gathering_longer_within_bounds() {
        let start = Instant::now();
        for (took, quiet) in [(12, 12), (400, 20), (0, 5)] {
            let mut debounce = Debounce::default();
            debounce.published(start, took * MS);
            debounce.changed(start + MS);
            assert_eq!(debounce.due(), Some(start + MS + quiet * MS), "{took} ms");
        }
    }
}
