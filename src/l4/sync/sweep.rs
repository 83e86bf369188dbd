//! What follows a transaction: UDP flows and remembered clients of endpoints that left end.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::warn;

use super::{Engine, affinity};
use crate::l4::conntrack;
use crate::l4::desired::{self, Desired};
use crate::l4::diff::Transaction;
use crate::l4::nft;

/// How long after a sweep that found something, or failed, the next one comes.
const SWEEP: Duration = Duration::from_secs(1);

impl Engine {
    /// What follows a transaction: what nothing leads to any more is removed later, clients of endpoints that left are
    /// forgotten, UDP flows to them end. Of what was read from the kernel nobody told what left.
    pub(super) fn settle(&mut self, transaction: &Transaction, read: bool) {
        self.later.add(&transaction.later);
        let (flows, clients) = (std::mem::take(&mut self.flows), std::mem::take(&mut self.clients));
        if read {
            self.sweep = Some(Instant::now());
            return self.sweep_all();
        }
        let Some(desired) = &self.desired else { return };
        let started = Instant::now();
        let deleted = conntrack::delete(&flows, |address| is_node_port(desired, address));
        let forgotten = if clients.is_empty() { Ok(0) } else { affinity::forget(&mut self.kernel, &clients) };
        self.swept(started, deleted, forgotten);
    }

    /// Looks at all UDP flows and all clients, for what nobody told when it left.
    pub(super) fn sweep_all(&mut self) {
        self.sweep = None;
        let Some(desired) = &self.desired else { return };
        let started = Instant::now();
        let serving = desired::serving_udp(desired);
        let deleted = conntrack::keep(&serving, |address| is_node_port(desired, address));
        let forgotten = affinity::forget_unknown(&mut self.kernel, desired);
        self.swept(started, deleted, forgotten);
    }

    /// Of a list that changes while it is read some may be missed: whenever there was something, all is looked at once more.
    fn swept(
        &mut self,
        started: Instant,
        deleted: Result<usize, nft::Error>,
        forgotten: Result<usize, String>,
    ) {
        let mut again = false;
        match deleted {
            Ok(deleted) => self.telling.conntrack(started.elapsed(), deleted),
            Err(why) => {
                again = true;
                warn!("UDP flows to endpoints that left could not be ended: {why}; it is tried again");
            }
        }
        match forgotten {
            Ok(count) => again |= count > 0,
            Err(why) => {
                again = true;
                warn!("clients of endpoints that left could not be forgotten: {why}; it is tried again");
            }
        }
        if again {
            self.sweep = Some(Instant::now() + SWEEP);
        }
    }
}

/// Whether an address of this node may answer NodePorts.
fn is_node_port(desired: &Desired, address: IpAddr) -> bool {
    desired.node_port_ranges().iter().any(|range| range.contains(&address))
}
