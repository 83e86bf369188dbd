//! How fast things are tried: a bucket of permits, a few at a time, and longer waits after each failure.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

/// The wait after the `tries`th failure in a row: twice the one before, from `first` to `last`, a little less by chance
/// so that replicas do not try in step.
pub(super) fn backoff(tries: u32, first: Duration, last: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(20));
    jittered(doubled.min(last))
}

/// Up to a quarter less, by chance.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 - 0.25 * fastrand::f64())
}

/// Lets through so many a second, and a burst after a pause.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { per_second: f64::from(per_second), burst, level: burst, at: Instant::now() }
    }

    /// One permit, else when there will be one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.level = (self.level + gained).min(self.burst);
        self.at = now;
        if self.level < 1.0 {
            let missing = (1.0 - self.level) / self.per_second;
            return Err(now + Duration::from_secs_f64(missing) + Duration::from_millis(1));
        }
        self.level -= 1.0;
        Ok(())
    }
}

/// Requests under way: not more than `width` at once, not faster than the bucket allows.
pub(super) struct Pool<T> {
    running: FuturesUnordered<BoxFuture<'static, T>>,
    width: usize,
    bucket: Bucket,
}

impl<T> Pool<T> {
    pub(super) fn new(width: usize, bucket: Bucket) -> Self {
        Self { running: FuturesUnordered::new(), width, bucket }
    }

    /// Room for one more: take it with `start`. Else when to ask again; `None`: when one has ended.
    pub(super) fn room(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        if self.running.len() >= self.width {
            return Err(None);
        }
        self.bucket.take(now).map_err(Some)
    }

    pub(super) fn start(&mut self, request: impl Future<Output = T> + Send + 'static) {
        self.running.push(Box::pin(request));
    }

    /// The next that ends; never while none is under way.
    pub(super) async fn ended(&mut self) -> T {
        match self.running.next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Gives up what is under way: whether it still happens is open.
    pub(super) fn abandon(&mut self) {
        self.running.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_last_and_vary_a_little() {
        for (tries, most) in [(1, 1), (2, 2), (3, 4), (6, 30), (60, 30)] {
            let (wait, most) = (backoff(tries, SECOND, 30 * SECOND), most * SECOND);
            assert!(wait <= most && wait >= most.mul_f64(0.75), "{tries}: {wait:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_through_and_then_so_many_a_second() {
        let (mut bucket, start) = (Bucket::new(10, 25), Instant::now());
        let mut now = start;
        for _ in 0..45 {
            while let Err(later) = bucket.take(now) {
                now = later;
            }
        }
        let took = now - start;
        assert!(took >= 2 * SECOND && took < 3 * SECOND, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn not_more_than_the_width_is_under_way() {
        let mut pool = Pool::new(2, Bucket::new(100, 100));
        for end in [1, 2] {
            assert_eq!(pool.room(Instant::now()), Ok(()));
            pool.start(async move { end });
        }
        assert_eq!(pool.room(Instant::now()), Err(None));
        pool.ended().await;
        assert_eq!(pool.room(Instant::now()), Ok(()));
    }
}
