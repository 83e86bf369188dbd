//! Ingresses that wait a moment for the Secrets they name.
//!
//! A new Ingress comes before the Secret that it is the first to name is read. Without the wait it would be served with
//! the default certificate for some milliseconds, and its owner would be told that there is no such Secret.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as latest;
use tokio::time::{Instant, sleep_until};

use crate::model::Key;
use crate::model::route::Ingress;
use crate::model::status::IngressStatus;

/// How long to wait at most.
const MOMENT: Duration = Duration::from_millis(300);

/// More than that do not wait.
const MOST: usize = 256;

/// The Secrets that are read, or known to be absent or forbidden. Clones are the same.
#[derive(Clone)]
pub(super) struct Settled(Arc<latest::Sender<HashSet<Key>>>);

impl Default for Settled {
    fn default() -> Self {
        Self(Arc::new(latest::Sender::default()))
    }
}

impl Settled {
    /// It is known what there is of a Secret.
    pub(super) fn add(&self, key: &Key) {
        self.0.send_if_modified(|keys| !keys.contains(key) && keys.insert(key.clone()));
    }

    /// Nobody wants to know any more.
    pub(super) fn remove(&self, key: &Key) {
        self.0.send_if_modified(|keys| {
            keys.remove(key);
            false // nobody waits for that
        });
    }

    /// Whether all of these are settled.
    fn holds(&self, secrets: &[Key]) -> bool {
        let keys = self.0.borrow();
        secrets.iter().all(|key| keys.contains(key))
    }

    /// Waits until all of these are settled, or for a moment.
    pub(super) async fn wait(&self, secrets: &[Key]) {
        let mut changes = self.0.subscribe();
        let all = changes.wait_for(|keys| secrets.iter().all(|key| keys.contains(key)));
        // After a moment it goes on without them.
        let _ = tokio::time::timeout(MOMENT, all).await;
    }
}

/// An Ingress that waits.
pub(super) struct Waiting {
    pub(super) ingress: Ingress,
    pub(super) status: IngressStatus,
    /// The Secrets it waits for.
    pub(super) named: Vec<Key>,
    /// The Secrets it named before.
    pub(super) released: Vec<Key>,
}

/// The Ingresses that wait.
pub(super) struct Held {
    settled: Settled,
    waiting: HashMap<Key, (Instant, Waiting)>,
}

impl Held {
    /// None yet.
    pub(super) fn new(settled: Settled) -> Self {
        Self { settled, waiting: HashMap::new() }
    }

    /// Takes an Ingress that must wait, else gives it back. What waited under its name is replaced.
    pub(super) fn hold(&mut self, key: &Key, mut waiting: Waiting) -> Option<Waiting> {
        let mut due = Instant::now() + MOMENT;
        if let Some((former_due, former)) = self.waiting.remove(key) {
            due = due.min(former_due);
            waiting.released.extend(former.released);
        }
        if self.settled.holds(&waiting.named) || self.waiting.len() >= MOST {
            return Some(waiting);
        }
        self.waiting.insert(key.clone(), (due, waiting));
        None
    }

    /// Takes an Ingress out that is not to be sent; gives the Secrets that it named before.
    pub(super) fn drop(&mut self, key: &Key) -> Vec<Key> {
        self.waiting.remove(key).map(|(_, waiting)| waiting.released).unwrap_or_default()
    }

    /// Those that need not wait any more. Waits for them; the future may be dropped.
    pub(super) async fn ready(&mut self) -> Vec<Waiting> {
        let mut changes = self.settled.0.subscribe();
        loop {
            let Some(due) = self.waiting.values().map(|(due, _)| *due).min() else {
                return std::future::pending().await;
            };
            let now = Instant::now();
            let settled = &self.settled;
            let ready = self.waiting.extract_if(|_, (due, held)| *due <= now || settled.holds(&held.named));
            let ready: Vec<Waiting> = ready.map(|(_, (_, waiting))| waiting).collect();
            if !ready.is_empty() {
                return ready;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// All of them.
    pub(super) fn all(&mut self) -> Vec<Waiting> {
        self.waiting.drain().map(|(_, (_, waiting))| waiting).collect()
    }
}
