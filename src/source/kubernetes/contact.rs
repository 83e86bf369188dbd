//! Whether a watch follows the truth, for all who want to know: `/readyz`, `/config`, metrics and the log.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::metrics::{Followed, SourceMetrics};
use crate::model::Name;
use crate::model::freshness::{Freshness, Watch, WatchState};

use super::trouble::Trouble;

/// What one watch tells. Its entry goes when this is dropped.
pub(super) struct Contact {
    name: Name,
    kind: &'static str,
    freshness: Arc<watch::Sender<Freshness>>,
    metrics: SourceMetrics,
}

impl Contact {
    /// Adds a watch that waits for its first list.
    pub(super) fn new(
        name: impl Into<Name>,
        kind: &'static str,
        freshness: &Arc<watch::Sender<Freshness>>,
        metrics: &SourceMetrics,
    ) -> Self {
        let contact =
            Self { name: name.into(), kind, freshness: freshness.clone(), metrics: metrics.clone() };
        contact.listing(None);
        contact
    }

    /// What is watched, for people.
    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// Still waits for the first list; why, when something went wrong.
    pub(super) fn listing(&self, why: Option<String>) {
        self.set(WatchState::Listing(why), Followed::Never);
    }

    /// Follows.
    pub(super) fn following(&self) {
        self.set(WatchState::Following, Followed::Now);
    }

    /// Nothing arrives since then (seconds since the epoch).
    pub(super) fn away(&self, since: i64, why: String) {
        self.set(WatchState::Away { since, why }, Followed::Until(since));
    }

    /// Nobody needs it for now.
    pub(super) fn dismiss(&self) {
        self.metrics.watch_ended(&self.name);
        self.freshness.send_if_modified(|all| {
            let before = all.watches.len();
            all.watches.retain(|watch| watch.name != self.name);
            all.watches.len() != before
        });
    }

    /// A list is complete.
    pub(super) fn listed(&self) {
        self.metrics.watch_listed(self.kind);
    }

    /// Something went wrong.
    pub(super) fn failed(&self, trouble: &Trouble) {
        self.metrics.watch_failed(self.kind, trouble.reason());
    }

    /// An object cannot be read.
    pub(super) fn unreadable(&self) {
        self.metrics.watch_failed(self.kind, "unreadable");
    }

    fn set(&self, state: WatchState, followed: Followed) {
        self.metrics.watch_followed(&self.name, self.kind, followed);
        self.freshness.send_if_modified(|all| {
            let Some(known) = all.watches.iter_mut().find(|watch| watch.name == self.name) else {
                all.watches.push(Watch { name: self.name.clone(), state });
                return true;
            };
            let changed = known.state != state;
            known.state = state;
            changed
        });
    }
}

impl Drop for Contact {
    fn drop(&mut self) {
        self.dismiss();
    }
}

/// Seconds since the epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
