//! Lets queries gather while there are many: waking up for each one costs more than answering it.
//!
//! As a network card does with its interrupts. Below the rate nothing is waited for; above it a query waits for about a
//! tenth of a millisecond at most, and a full batch for nothing.

use std::time::Duration;

use super::BATCH;

/// How long a look at the rate lasts, in nanoseconds.
const LOOK: u64 = 2_000_000;
/// Queries in that time from which on they are let gather: 20,000 a second.
const MANY: u64 = 40;
/// How long to let them gather; the kernel adds its timer slack of 50 µs.
const PAUSE: Duration = Duration::from_micros(50);

/// Whether to wait after a batch.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since: u64,
    taken: u64,
    many: bool,
}

impl Pace {
    /// So many queries were taken at that time, in nanoseconds; gives how long to wait before the next are.
    #[inline]
    pub(super) fn taken(&mut self, count: usize, now: u64) -> Option<Duration> {
        self.taken += count as u64;
        let looked = now.saturating_sub(self.since);
        if looked >= LOOK {
            self.many = self.taken * LOOK >= MANY * looked;
            (self.since, self.taken) = (now, 0);
        }
        (self.many && count < BATCH).then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is a pause after each of these batches, so many nanoseconds apart.
    fn pauses(count: usize, apart: u64, batches: u64) -> Vec<bool> {
        let mut pace = Pace::default();
        (1..=batches).map(|number| pace.taken(count, number * apart).is_some()).collect()
    }

    #[test]
    fn few_queries_are_never_waited_for() {
        assert!(pauses(1, 100_000, 1000).iter().all(|pause| !pause), "10,000 a second");
        assert!(pauses(1, 1_000_000_000, 10).iter().all(|pause| !pause));
    }

    #[test]
    fn many_queries_gather_after_a_moment_and_a_full_batch_is_followed_at_once() {
        let many = pauses(1, 20_000, 1000);
        assert!(!many[0] && many[200..].iter().all(|pause| *pause), "50,000 a second");
        assert!(pauses(BATCH, 100_000, 1000).iter().all(|pause| !pause));
    }

    #[test]
    fn when_it_becomes_quiet_the_first_query_ends_the_waiting() {
        let mut pace = Pace::default();
        for number in 1..1000 {
            pace.taken(1, number * 20_000);
        }
        assert_eq!(pace.taken(1, 1_000_000_000), None);
    }
}
