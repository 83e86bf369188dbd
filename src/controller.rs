//! The one loop: update, wait for quiet, snapshot, compile, publish, report.
//!
//! Runs on the control thread and compiles there: nothing else may change tables, so there is nothing to lock.

mod announce;
mod debounce;
pub mod reports;
pub mod snapshots;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::compile::{self, Compiled};
use crate::metrics::Metrics;
use crate::model::{Report, Snapshot};
use crate::publish::Published;
use crate::routing::Tables;
use crate::store::{Store, Update};
use debounce::Debounce;

/// Updates taken in one go before timers get their turn again.
const BATCH: usize = 4096;

/// How often old tables are dropped.
const SWEEP: Duration = Duration::from_secs(1);

/// How often series of routes that left are looked for.
const FORGET: Duration = Duration::from_mins(10);

/// The longest time between two looks at the validity of certificates.
const RECHECK: Duration = Duration::from_hours(1);

/// What the loop tells the rest of the program.
pub struct Status {
    /// Turns true when the first complete compile is published.
    pub ready: watch::Sender<bool>,
    /// Everything that is to be reported now.
    pub reports: Published<Vec<Report>>,
    /// What is in force, for those who write back what became of it.
    pub compiled: watch::Sender<Option<Compiled>>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            ready: watch::Sender::new(false),
            reports: Published::new(Vec::new()),
            compiled: watch::Sender::new(None),
        }
    }
}

/// The loop and what it owns.
pub struct Controller {
    store: Store,
    options: compile::Options,
    tables: Published<Tables>,
    status: Arc<Status>,
    metrics: Metrics,
    debounce: Debounce,
    compiled: Option<Compiled>,
    /// What the last compile saw.
    snapshot: Snapshot,
    /// When validity periods are looked at next.
    recheck: Instant,
    reported: reports::Written,
    clock: fn() -> i64,
}

impl Controller {
    /// A loop that publishes what `store` holds to `tables`.
    pub fn new(
        store: Store,
        options: compile::Options,
        tables: Published<Tables>,
        status: Arc<Status>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            options,
            tables,
            status,
            metrics,
            debounce: Debounce::default(),
            compiled: None,
            snapshot: Snapshot::default(),
            recheck: Instant::now() + RECHECK,
            reported: reports::Written::new(": see all with `slipway check` or at /config"),
            clock: epoch_seconds,
        }
    }

    /// Takes updates until their source is gone.
    pub async fn run(mut self, mut updates: mpsc::Receiver<Update>) {
        let [mut sweep, mut forget] = [SWEEP, FORGET].map(interval);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.debounce.due();
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or(self.recheck)), if due.is_some() => self.publish(),
                update = updates.recv() => match update {
                    Some(update) => {
                        if take(&mut self.store, update, &mut updates) {
                            self.debounce.changed(Instant::now());
                        }
                    }
                    None => break,
                },
                () = sleep_until(self.recheck), if self.compiled.is_some() => self.publish(),
                _ = sweep.tick() => {
                    self.tables.sweep();
                    self.status.reports.sweep();
                }
                _ = forget.tick() => self.forget(),
            }
        }
        if self.debounce.due().is_some() {
            self.publish();
        }
    }

    /// Compiles what the store holds and puts it in force.
    fn publish(&mut self) {
        let snapshot = self.store.snapshot();
        let started = std::time::Instant::now();
        let now = (self.clock)();
        let compiled = compile::compile(&snapshot, &self.options, now, self.compiled.as_ref());
        let took = started.elapsed();
        self.tables.publish(compiled.tables.clone());
        self.status.reports.publish(compiled.reports.clone());
        self.status.compiled.send_replace(Some(compiled.clone()));
        let first = !self.status.ready.send_replace(true);
        self.debounce.published(Instant::now(), took);
        self.announce(&snapshot, &compiled, took, first);
        self.metrics.reload_succeeded(now);
        if !snapshot.secrets.is_same(&self.snapshot.secrets) || self.recheck <= Instant::now() {
            self.recheck = Instant::now() + until_next_boundary(&snapshot, now);
        }
        self.compiled = Some(compiled);
        self.snapshot = snapshot;
    }

    /// Drops series of Ingresses that are gone.
    fn forget(&self) {
        let alive: HashSet<(&str, &str)> =
            self.snapshot.ingresses.keys().map(|key| (key.namespace.as_ref(), key.name.as_ref())).collect();
        self.metrics.forget(|labels| {
            labels.ingress.is_empty() || alive.contains(&(labels.namespace.as_str(), labels.ingress.as_str()))
        });
    }
}

/// Applies an update and those that wait behind it. Says whether there is something new to put in force.
fn take(store: &mut Store, first: Update, updates: &mut mpsc::Receiver<Update>) -> bool {
    let mut changed = store.apply(first);
    for _ in 1..BATCH {
        let Ok(update) = updates.try_recv() else { break };
        changed |= store.apply(update);
    }
    changed && store.is_complete()
}

/// Time until a certificate becomes valid or ends, at most [`RECHECK`].
fn until_next_boundary(snapshot: &Snapshot, now: i64) -> Duration {
    let certificates = snapshot.secrets.values().filter_map(|secret| secret.certificate.as_ref().ok());
    let boundaries = certificates.flat_map(|c| [c.not_before, c.not_after.saturating_add(1)]);
    let next = boundaries.filter(|at| *at > now).min();
    let wait = next.and_then(|at| u64::try_from(at - now).ok()).map(Duration::from_secs);
    wait.map_or(RECHECK, |wait| wait.min(RECHECK))
}

fn epoch_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
