//! Writes back to the cluster what became of Ingresses: addresses into their status, reports as Events. Only the leader.

mod addresses;
mod board;
mod candidate;
mod cause;
mod election;
mod events;
#[cfg(test)]
mod fake;
mod fault;
mod lead;
mod ledger;
mod pace;
mod retire;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

pub use self::retire::{Release, retire};

use self::addresses::Resolver;
use self::cause::Author;
use self::election::Election;
use self::events::Events;
use self::writer::Writer;
use crate::metrics::Metrics;
use crate::model::map::Map;
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
    /// The only namespace there are Ingresses in; `None`: any.
    pub namespace: Option<Name>,
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
#[derive(Clone)]
pub struct Desired {
    /// What the API server shows of each Ingress that is known, ours or not.
    pub statuses: Map<Key, Arc<IngressStatus>>,
    /// Whether an Ingress is of a class that is ours.
    pub is_ours: Arc<dyn Fn(&Key) -> bool + Send + Sync>,
    /// What to tell the owners of objects.
    pub reports: Arc<Vec<Report>>,
}

/// Writes until `stop` is sent or dropped, then hands over: removes the addresses when this is the last replica, releases
/// the Lease, and returns. `look` makes of a publication what there is to write.
pub async fn run<T>(
    client: Client,
    options: Options,
    publications: watch::Receiver<Option<T>>,
    look: impl Fn(&T) -> Desired,
    metrics: Metrics,
    stop: oneshot::Receiver<()>,
) {
    let mut replica = Replica::new(client, options, metrics);
    tokio::select! {
        () = replica.write(publications.clone(), &look) => {}
        _ = stop => {}
    }
    let desired = publications.borrow().as_ref().map(look);
    replica.hand_over(desired.as_ref()).await;
}

/// One of those that may write.
struct Replica {
    options: Options,
    election: Election,
    resolver: Resolver,
    writer: Writer,
    events: Events,
}

impl Replica {
    fn new(client: Client, options: Options, metrics: Metrics) -> Self {
        let (lease, identity) = (options.lease.clone(), identity(&options));
        let limit = Election::limit(options.ttl);
        let author = Author { controller: options.controller.to_string(), instance: identity.clone() };
        let events = Events::new(client.clone(), author, options.namespace.clone(), limit, metrics.clone());
        Self {
            election: Election::new(client.clone(), lease, identity, options.ttl, metrics.clone()),
            resolver: Resolver::new(client.clone(), &options),
            writer: Writer::new(client, limit, metrics),
            events,
            options,
        }
    }

    /// Takes part in the election, and writes while this replica leads.
    async fn write<T>(&mut self, publications: watch::Receiver<Option<T>>, look: &impl Fn(&T) -> Desired) {
        let Self { options, election, resolver, writer, events } = self;
        let mut lead = election.lead();
        let terms = async {
            if let Some(pod) = &options.pod {
                let _ = resolver.know(pod).await; // else when it is needed, if the pod is still there then
            }
            loop {
                lead.won().await;
                let (desired, found) = (watch::Sender::new(None), watch::Sender::new(None));
                let right = lead.clone();
                let addresses = async {
                    if options.addresses {
                        let writes = writer.run(&right, desired.subscribe(), found.subscribe());
                        tokio::join!(resolver.run(&found), writes);
                    }
                };
                let told = events.run(&right, desired.subscribe());
                let work =
                    async { tokio::join!(follow(publications.clone(), look, &desired), addresses, told) };
                tokio::select! {
                    () = lead.lost() => {}
                    _ = work => {}
                }
                writer.abandon();
            }
        };
        tokio::select! {
            _ = election.run() => {}
            () = terms => {}
        }
    }

    /// Leaves everything as the next one, or nobody, is to find it.
    async fn hand_over(&mut self, desired: Option<&Desired>) {
        let end = Instant::now() + HAND_OVER;
        let deadline = end - RELEASE;
        self.writer.settle(Instant::now() + SETTLE).await;
        let removal = self.options.addresses && self.options.remove_at_end;
        if let Some(desired) = desired.filter(|_| removal)
            && self.is_last_by(deadline).await
        {
            let lead = Instant::now() + self.options.ttl / 2; // of the two thirds that `obtain` has seen to
            let (removed, left) = self.writer.clear(desired, deadline.min(lead)).await;
            let which = if self.options.pod.is_some() { "the last" } else { "the only known" };
            info!("this was {which} replica: the addresses of {removed} Ingresses are removed");
            if left > 0 {
                warn!(
                    "{left} Ingresses still show addresses: the API server did not take their removal in time"
                );
            }
        }
        let released = timeout_at(end, self.election.release()).await;
        if released.is_err() {
            warn!("the API server did not take the Lease back in time: it runs out by itself");
        }
    }

    /// The same as far as it can be found out in time.
    async fn is_last_by(&mut self, deadline: Instant) -> bool {
        let known = timeout_at(deadline, self.is_last()).await;
        known.unwrap_or_else(|_| {
            warn!(
                "the API server did not say in time whether this is the last replica, so all addresses stay: if it is, \
                 take them out with `slipway retire`"
            );
            false
        })
    }

    /// Whether no other replica goes on, and this one has the right to remove what is shown.
    async fn is_last(&mut self) -> bool {
        let Some(pod) = &self.options.pod else {
            return self.election.lead().holds() && self.election.obtain(Instant::now() + OBTAIN).await;
        };
        match self.resolver.others_stay(pod).await {
            Ok(true) => false,
            // Of two that end together the leader may have seen the other one still running: so a follower tries, too.
            Ok(false) => self.election.obtain(Instant::now() + OBTAIN).await,
            Err(fault) => {
                warn!("whether this is the last replica is not known, so all addresses stay: {fault}");
                false
            }
        }
    }
}

/// Hands on what there is to write, at once and then not more often than is of use.
async fn follow<T>(
    mut publications: watch::Receiver<Option<T>>,
    look: &impl Fn(&T) -> Desired,
    desired: &watch::Sender<Option<Desired>>,
) {
    loop {
        let now = publications.borrow_and_update().as_ref().map(look);
        if now.is_some() {
            desired.send_replace(now);
        }
        sleep(GATHER).await;
        if publications.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// How this replica is named in the Lease: after its pod, else by chance.
fn identity(options: &Options) -> String {
    let by_chance = || format!("slipway-{:016x}", fastrand::u64(..));
    options.pod.as_ref().map_or_else(by_chance, |pod| pod.name.to_string())
}

/// How long publications are gathered.
const GATHER: Duration = Duration::from_millis(250);

/// How long the hand-over may take.
const HAND_OVER: Duration = Duration::from_secs(9);

/// How long of it what is under way may take.
const SETTLE: Duration = Duration::from_secs(2);

/// How long of it to wait for the Lease, when this is the last replica but not the leader.
const OBTAIN: Duration = Duration::from_secs(3);

/// How long of it to keep for the release of the Lease.
const RELEASE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
