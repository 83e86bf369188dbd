//! `--mode userspace`: snapshot -> desired -> sockets of our own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::sync::watch;
use tokio::time::interval;

use super::desired::{self, Desired};
use super::telling::Telling;
use super::userspace::{self, Refused, Userspace};
use super::{Error, Told};
use crate::metrics::service_proxy::Metrics;
use crate::model::{Kind, ObjectRef, Report, Severity, Snapshot};

/// How often health is told, and what cannot be listened on is looked at, while nothing changes.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The sockets, and what they were made for.
struct Engine {
    options: desired::Options,
    desired: Option<Desired>,
    /// With the ranges that they were made with.
    sockets: Option<(Userspace, Vec<IpNet>, Vec<IpNet>)>,
    telling: Telling,
}

/// Follows snapshots until nobody sends any more.
pub(super) async fn run(
    options: desired::Options,
    mut snapshots: watch::Receiver<Option<Snapshot>>,
    told: Told,
    metrics: Metrics,
) -> Result<(), Error> {
    let telling = Telling::new(told, metrics);
    let mut engine = Engine { options, desired: None, sockets: None, telling };
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let snapshot = snapshots.borrow_and_update().clone();
                if let Some(snapshot) = snapshot {
                    engine.take(&snapshot)?;
                }
            }
            _ = heartbeat.tick() => engine.look(),
        }
    }
}

impl Engine {
    fn take(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let started = Instant::now();
        self.telling.noticed();
        let desired = desired::desired(snapshot, &self.options, self.desired.as_ref());
        let former = self.desired.replace(desired.clone());
        self.telling.computed(former.as_ref(), &desired);
        let ranges = (desired.node_port_ranges(), desired.pod_ranges());
        if self.sockets.as_ref().is_none_or(|(_, _, pods)| **pods != *ranges.1) {
            // The former ones give their places back first.
            self.sockets = None;
            let (node_ports, pods) = (ranges.0.to_vec(), ranges.1.to_vec());
            let options = userspace::Options {
                node_ports: node_ports.clone(),
                pods: pods.clone(),
                ..userspace::Options::default()
            };
            self.sockets = Some((Userspace::new(options).map_err(Error::Thread)?, node_ports, pods));
        }
        if let Some((sockets, node_ports, _)) = &mut self.sockets
            && **node_ports != *ranges.0
        {
            sockets.set_node_ports(ranges.0);
            *node_ports = ranges.0.to_vec();
        }
        let Some((sockets, ..)) = &mut self.sockets else { return Ok(()) };
        let refused = sockets.update(&desired.services);
        let places = desired.services.values().flat_map(|ports| ports.iter());
        let places: usize = places.filter(|port| port.has_endpoints).map(|port| port.frontends.len()).sum();
        let open = places.saturating_sub(refused.iter().map(|refused| refused.frontends.len()).sum());
        self.telling.opened(open, started.elapsed());
        self.telling.tell(with(&desired, &refused));
        Ok(())
    }

    /// What could not be listened on may be possible now.
    fn look(&mut self) {
        let (Some((sockets, ..)), Some(desired)) = (&mut self.sockets, &self.desired) else { return };
        let refused = sockets.update(&desired.services);
        self.telling.tell(with(desired, &refused));
        self.telling.heartbeat(true);
    }
}

/// What is to be told to owners: what is wrong with their objects, and what cannot be listened on here.
fn with(desired: &Desired, refused: &[Refused]) -> Arc<Vec<Report>> {
    if refused.is_empty() {
        return desired.reports.clone();
    }
    let refused = refused.iter().map(|refused| {
        let object = ObjectRef { kind: Kind::Service, key: refused.service.clone() };
        Report::new(&object, Severity::Warning, "NotListening", refused.to_string())
    });
    let mut all: Vec<Report> = desired.reports.iter().cloned().chain(refused).collect();
    all.sort();
    Arc::new(all)
}
