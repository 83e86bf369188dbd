//! Keeps what is answered right: each snapshot and each plan becomes a new [`Serving`], off the threads that answer.
//!
//! ```text
//! Snapshot ─┐
//!           ├─> zones (from the former ones where the options are the same) ──> Published<Serving>
//! Active ───┘                                    └── reports ──> log
//! ```

pub mod zones;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::serve::{Active, Serving};
use super::zone::Zone;
use crate::metrics::dns::Metrics;
use crate::model::service::ServiceKind;
use crate::model::{Key, Report, Snapshot};
use crate::publish::Published;

/// How often values are looked for that no thread uses any more.
const SWEEP: Duration = Duration::from_secs(2);

/// What is kept right, and with what.
pub struct Keeper {
    /// What is known of the cluster; `None` until all is listed.
    pub snapshots: watch::Receiver<Option<Snapshot>>,
    /// What the operator asks for.
    pub plans: watch::Receiver<Arc<Active>>,
    /// What is answered.
    pub published: Published<Serving>,
    /// The Service that leads here.
    pub own_service: Option<Key>,
    /// Whether every zone is known.
    pub complete: watch::Sender<bool>,
    /// What is to be told to the owners of objects.
    pub reports: watch::Sender<Arc<Vec<Report>>>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Keeper {
    /// Goes on until nobody sends snapshots or plans any more. Building a large zone takes longer than a runtime may be held
    /// up: run it on a thread of its own.
    pub async fn run(mut self) {
        let mut former: Option<Snapshot> = None;
        let mut kept = Vec::new();
        loop {
            let active = self.plans.borrow_and_update().clone();
            let snapshot = self.snapshots.borrow_and_update().clone();
            let begun = Instant::now();
            kept = zones::make(active.plan(), snapshot.as_ref(), self.own_service.as_ref(), &kept, serial());
            let zones = kept.iter().map(|made| made.zones.clone()).collect();
            self.published.publish(Arc::new(Serving { active, zones }));
            self.complete.send_replace(kept.iter().all(|made| made.zones.is_some()));
            debug!("zones are in force after {:?}", begun.elapsed());
            if let (Some(former), Some(snapshot)) = (&former, &snapshot) {
                self.programmed(former, snapshot);
            }
            self.tell(kept.iter().filter_map(|made| made.zones.as_ref()).flatten());
            former = snapshot;
            if !self.changed().await {
                return;
            }
        }
    }

    /// Waits for something new; meanwhile values are dropped that no thread uses any more. False: nothing comes any more.
    async fn changed(&mut self) -> bool {
        loop {
            tokio::select! {
                changed = self.snapshots.changed() => return changed.is_ok(),
                changed = self.plans.changed() => return changed.is_ok(),
                () = sleep(SWEEP) => self.published.sweep(),
            }
        }
    }

    fn tell<'a>(&self, zones: impl Iterator<Item = &'a Zone>) {
        let mut all: Vec<Report> = zones.flat_map(|zone| zone.reports().to_vec()).collect();
        all.sort();
        all.dedup();
        self.reports.send_if_modified(|known| {
            let changed = **known != all;
            if changed {
                *known = Arc::new(all);
            }
            changed
        });
    }

    /// Measures how long after it came about a change of endpoints was in force, for headless Services as CoreDNS does.
    fn programmed(&self, former: &Snapshot, snapshot: &Snapshot) {
        let now = millis();
        for key in snapshot.endpoints.changes(&former.endpoints, Arc::ptr_eq) {
            let headless = snapshot.services.get(key).is_some_and(|s| s.kind == ServiceKind::Headless);
            let Some(sets) = snapshot.endpoints.get(key).filter(|_| headless) else { continue };
            let known = former.endpoints.get(key);
            let is_new = |set: &_| !known.is_some_and(|known| known.iter().any(|old| Arc::ptr_eq(old, set)));
            for triggered in sets.iter().filter(|set| is_new(set)).filter_map(|set| set.triggered) {
                let took = u64::try_from(now.saturating_sub(triggered)).unwrap_or(0);
                self.metrics.programmed("headless_with_selector", Duration::from_millis(took));
            }
        }
    }
}

/// The serial of zones made now: seconds since 1970.
pub fn serial() -> u32 {
    u32::try_from(millis() / 1000).unwrap_or(u32::MAX)
}

fn millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
