//! Deadlines of a worker: a coarse wheel, so that arming one for every request costs two stores.
//!
//! A timer belongs to the thread that made it. It is queued once and looked at when its slot comes up; if its deadline
//! moved meanwhile it is queued again. Resolution is [`TICK`].

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Resolution of the wheel.
pub(super) const TICK: Duration = Duration::from_millis(50);
const SLOTS: usize = 1024;
const NEVER: u64 = u64::MAX;

thread_local! {
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel::new());
}

/// The time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elapsed;

/// One deadline. Not to be used on another thread than the one that made it.
#[derive(Debug)]
pub(super) struct Timer {
    key: usize,
}

impl Timer {
    /// A timer that is not armed.
    pub(super) fn new() -> Self {
        WHEEL.with_borrow_mut(|wheel| Self { key: wheel.take() })
    }

    /// Lets the timer run out `after` from now. Replaces an earlier deadline.
    pub(super) fn arm(&self, after: Duration) {
        WHEEL.with_borrow_mut(|wheel| wheel.arm(self.key, after));
    }

    /// Stops the timer.
    pub(super) fn disarm(&self) {
        WHEEL.with_borrow_mut(|wheel| wheel.entries[self.key].deadline = NEVER);
    }

    /// Whether a deadline is set.
    pub(super) fn is_armed(&self) -> bool {
        WHEEL.with_borrow(|wheel| wheel.entries[self.key].deadline != NEVER)
    }

    /// Ready when the deadline has passed; otherwise the task is woken when it does.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Elapsed> {
        WHEEL.with_borrow_mut(|wheel| {
            let entry = &mut wheel.entries[self.key];
            if entry.deadline <= wheel.now {
                return Poll::Ready(Elapsed);
            }
            if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                entry.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Waits for `future`, at most `limit`.
    pub(super) async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut armed = false;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                if armed {
                    self.disarm();
                }
                return Poll::Ready(Ok(output));
            }
            if !armed {
                self.arm(limit);
                armed = true;
            }
            self.poll(cx).map(Err)
        })
        .await
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // The thread may be ending, its wheel gone before this timer.
        let _ = WHEEL.try_with(|wheel| wheel.borrow_mut().give_back(self.key));
    }
}

/// Milliseconds since this worker started, as of the last tick.
pub(super) fn now_millis() -> u64 {
    WHEEL.with_borrow(|wheel| wheel.now * millis(TICK))
}

/// Moves the wheel to the present and wakes what ran out. Call it once a [`TICK`].
pub(super) fn advance() {
    let woken = WHEEL.with_borrow_mut(Wheel::advance);
    for waker in woken {
        waker.wake();
    }
}

/// Wakes every task that waits for a timer, so that it looks around (used when a worker drains).
pub(super) fn wake_all() {
    let wakers: Vec<Waker> =
        WHEEL.with_borrow(|wheel| wheel.entries.iter().filter_map(|entry| entry.waker.clone()).collect());
    for waker in wakers {
        waker.wake();
    }
}

struct Wheel {
    start: Instant,
    /// The present, in ticks since `start`.
    now: u64,
    slots: Vec<Vec<usize>>,
    entries: Vec<Entry>,
    free: Vec<usize>,
}

struct Entry {
    /// In ticks; [`NEVER`] when not armed.
    deadline: u64,
    /// The tick of the slot that holds it; [`NEVER`] when none does.
    queued: u64,
    waker: Option<Waker>,
}

impl Wheel {
    fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Self { start: Instant::now(), now: 0, slots, entries: Vec::new(), free: Vec::new() }
    }

    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { deadline: NEVER, queued: NEVER, waker: None });
            self.entries.len() - 1
        })
    }

    fn give_back(&mut self, key: usize) {
        let entry = &mut self.entries[key];
        entry.deadline = NEVER;
        entry.waker = None;
        self.free.push(key);
    }

    fn arm(&mut self, key: usize, after: Duration) {
        // One tick more, because part of the present one is over.
        let ticks = (millis(after).div_ceil(millis(TICK))).min(NEVER / 2) + 1;
        self.entries[key].deadline = self.now + ticks;
        self.queue(key);
    }

    fn queue(&mut self, key: usize) {
        let at = self.entries[key].deadline.min(self.now + SLOTS as u64 - 1);
        if self.entries[key].queued > at {
            self.entries[key].queued = at;
            self.slots[slot(at)].push(key);
        }
    }

    fn advance(&mut self) -> Vec<Waker> {
        let present = millis(self.start.elapsed()) / millis(TICK);
        let mut woken = Vec::new();
        // After a long pause every slot is looked at once.
        let first = self.now.max(present.saturating_sub(SLOTS as u64 - 1)) + 1;
        for tick in first..=present {
            self.now = tick;
            let mut keys = std::mem::take(&mut self.slots[slot(tick)]);
            for key in keys.drain(..) {
                let entry = &mut self.entries[key];
                if entry.queued > tick {
                    continue; // queued again for later, or not at all
                }
                entry.queued = NEVER;
                if entry.deadline <= tick {
                    woken.extend(entry.waker.take());
                } else if entry.deadline != NEVER {
                    self.queue(key);
                }
            }
            if self.slots[slot(tick)].is_empty() {
                self.slots[slot(tick)] = keys; // keeps the allocation
            }
        }
        woken
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).unwrap_or(0)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel_at(now: u64) -> Wheel {
        let mut wheel = Wheel::new();
        wheel.now = now;
        wheel
    }

    /// Moves the start back, so that `ticks` more have passed.
    fn pass(wheel: &mut Wheel, ticks: u64) -> usize {
        let passed = TICK * u32::try_from(wheel.now + ticks).unwrap();
        wheel.start = Instant::now().checked_sub(passed).unwrap();
        wheel.advance().len()
    }

    fn armed(wheel: &mut Wheel, after: Duration) -> usize {
        let key = wheel.take();
        wheel.entries[key].waker = Some(Waker::noop().clone());
        wheel.arm(key, after);
        key
    }

    #[test]
    fn a_deadline_fires_once_its_time_has_passed_and_not_before() {
        let mut wheel = wheel_at(10);
        armed(&mut wheel, TICK * 3);
        assert_eq!(pass(&mut wheel, 3), 0);
        assert_eq!(pass(&mut wheel, 1), 1);
        assert_eq!(pass(&mut wheel, 2000), 0);
    }

    #[test]
    fn a_deadline_beyond_the_wheel_is_carried_on() {
        let mut wheel = wheel_at(0);
        armed(&mut wheel, TICK * 3000);
        assert_eq!(pass(&mut wheel, 1023), 0);
        assert_eq!(pass(&mut wheel, 1023), 0);
        assert_eq!(pass(&mut wheel, 1023), 1);
    }

    #[test]
    fn a_deadline_moved_later_does_not_fire_early_and_one_moved_earlier_not_late() {
        let mut wheel = wheel_at(0);
        let key = armed(&mut wheel, TICK * 5);
        wheel.arm(key, TICK * 50);
        assert_eq!(pass(&mut wheel, 40), 0);
        wheel.arm(key, TICK * 2);
        assert_eq!(pass(&mut wheel, 3), 1);
    }

    #[test]
    fn a_timer_that_was_given_back_does_not_fire() {
        let mut wheel = wheel_at(0);
        let key = armed(&mut wheel, TICK * 5);
        wheel.give_back(key);
        assert_eq!(pass(&mut wheel, 100), 0);
        assert_eq!(wheel.take(), key);
    }

    #[test]
    fn rearming_for_every_request_queues_once() {
        let mut wheel = wheel_at(0);
        let key = armed(&mut wheel, TICK * 500);
        for _ in 0..1000 {
            wheel.entries[key].deadline = NEVER;
            wheel.arm(key, TICK * 500);
        }
        assert_eq!(wheel.slots.iter().map(Vec::len).sum::<usize>(), 1);
    }
}
