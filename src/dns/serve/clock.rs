//! The time, read once for many queries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time in the two forms that answers need.
pub(super) struct Clock {
    started: Instant,
    /// What caches called that point in time.
    first: u32,
    /// Seconds since 1970 when it was started, kept true by [`Self::set`].
    epoch: AtomicU64,
}

/// A point in time.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    /// Nanoseconds since the start.
    pub(super) nanos: u64,
    /// In seconds, as caches count them.
    pub(super) secs: u32,
    /// Seconds since 1970, in 32 bits.
    pub(super) unix: u32,
}

impl Clock {
    pub(super) fn new() -> Self {
        let clock = Self { started: Instant::now(), first: seconds(), epoch: AtomicU64::new(0) };
        clock.set();
        clock
    }

    /// Follows the system's clock, should somebody have set it. Call it now and then.
    pub(super) fn set(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.epoch.store(now.wrapping_sub(self.started.elapsed().as_secs()), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Moment {
        let at = Instant::now();
        let since = at.duration_since(self.started);
        let unix = self.epoch.load(Ordering::Relaxed).wrapping_add(since.as_secs());
        Moment {
            at,
            nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            secs: u32::try_from(since.as_secs()).unwrap_or(u32::MAX).saturating_add(self.first),
            unix: u32::try_from(unix & u64::from(u32::MAX)).unwrap_or(0),
        }
    }
}

/// What time it is for caches.
pub(super) fn seconds() -> u32 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    u32::try_from(START.elapsed().as_secs()).unwrap_or(u32::MAX)
}
