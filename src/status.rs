//! Writes back to the cluster what became of Ingresses: addresses into their status, reports as Events. Only the leader.

mod candidate;
mod election;
#[cfg(test)]
mod fake;
mod fault;
mod lead;
mod pace;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{oneshot, watch};

use self::election::Election;
use crate::metrics::Metrics;
use crate::model::status::{Address, IngressStatus};
use crate::model::{Key, Name, Report};

/// What is written, and by whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Lease that says who writes.
    pub lease: Key,
    /// How long a leader that fell silent stays leader.
    pub ttl: Duration,
    /// This pod; `None` when it is not known, then no other replica is looked for.
    pub pod: Option<Key>,
    /// Value of `spec.controller` of our classes: who reports, in Events.
    pub controller: Name,
    /// Write addresses.
    pub addresses: bool,
    /// Remove them when the last replica ends.
    pub remove_at_end: bool,
    /// `--publish-status-address`: written before any other.
    pub fixed: Vec<Address>,
    /// `--publish-service`.
    pub service: Option<Key>,
    /// Of nodes, the internal address.
    pub internal_address: bool,
}

/// What there is to write back.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The Ingresses of our class, sorted, with what the API server shows of them.
    pub ours: Vec<(Key, Arc<IngressStatus>)>,
    /// What the API server shows of all Ingresses that are known, ours or not: `None` when it is gone.
    pub reports: Arc<Vec<Report>>,
}

/// Writes until `stop` is sent or dropped, then hands over: removes the addresses when this is the last replica, releases
/// the Lease, and returns. `look` makes of a publication what there is to write.
pub async fn run<T>(
    client: Client,
    options: Options,
    _publications: watch::Receiver<Option<T>>,
    _look: impl Fn(&T) -> Desired,
    metrics: Metrics,
    stop: oneshot::Receiver<()>,
) {
    let lease = options.lease.clone();
    let mut election = Election::new(client, lease, identity(&options), options.ttl, metrics);
    tokio::select! {
        _ = election.run() => {}
        _ = stop => {}
    }
    election.release().await;
}

/// How this replica is named in the Lease: after its pod, else by chance.
fn identity(options: &Options) -> String {
    let by_chance = || format!("slipway-{:016x}", fastrand::u64(..));
    options.pod.as_ref().map_or_else(by_chance, |pod| pod.name.to_string())
}
