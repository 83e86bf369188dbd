//! One port of a Service in one family: which endpoint a client gets.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::affinity::Affinity;
use super::socket;
use crate::l4::desired::{Place, Proxied};
use crate::l4::ruleset::Target;

/// A port of a Service. Every worker reads it; [`super::Userspace::update`] gives it new endpoints.
pub(super) struct Port {
    now: ArcSwap<One>,
    version: AtomicU64,
    affinity: Mutex<Affinity>,
    started: Instant,
    pods: Arc<[ipnet::IpNet]>,
}

/// One of the ports of a Service.
struct One {
    all: Arc<[Proxied]>,
    at: usize,
}

impl One {
    fn get(&self) -> &Proxied {
        &self.all[self.at]
    }
}

/// A client, as far as it matters for the choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    /// Its address.
    pub(super) address: IpAddr,
    /// How it came.
    pub(super) place: Place,
}

impl Port {
    /// The port at that place of the list. `pods`: who is treated as part of the cluster wherever it comes in.
    pub(super) fn new(all: Arc<[Proxied]>, at: usize, pods: Arc<[ipnet::IpNet]>) -> Self {
        Self {
            now: ArcSwap::from_pointee(One { all, at }),
            version: AtomicU64::new(0),
            affinity: Mutex::default(),
            started: Instant::now(),
            pods,
        }
    }

    /// Gives it new endpoints and policies.
    pub(super) fn set(&self, all: Arc<[Proxied]>, at: usize) {
        let new = One { all, at };
        if self.now.load().get() == new.get() {
            return;
        }
        let mut affinity = self.affinity();
        match new.get().affinity {
            Some(_) => affinity.retain(|target| has(new.get(), target)),
            None => *affinity = Affinity::default(),
        }
        drop(affinity);
        self.now.store(Arc::new(new));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes whenever endpoints or policies do.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether the client may come at all (`loadBalancerSourceRanges`).
    pub(super) fn admits(&self, client: Client) -> bool {
        let now = self.now.load();
        let ranges = now.get().source_ranges.as_ref().filter(|_| client.place == Place::LoadBalancer);
        ranges.is_none_or(|ranges| ranges.iter().any(|range| range.contains(&client.address)))
    }

    /// An endpoint for a new connection of the client, none of `tried`: the one it keeps, else any.
    pub(super) fn pick(&self, client: Client, tried: &[Target]) -> Option<Target> {
        let now = self.now.load();
        let pool = self.pool(now.get(), client);
        if let Some(kept) = self.kept(now.get(), client)
            && pool.contains(&kept)
            && !tried.contains(&kept)
        {
            return Some(kept);
        }
        if tried.is_empty() {
            return fastrand::choice(pool).copied();
        }
        let left = pool.iter().filter(|target| !tried.contains(target));
        fastrand::choice(left.collect::<Vec<_>>()).copied()
    }

    /// The client was sent to that endpoint.
    pub(super) fn sent(&self, client: Client, target: Target) {
        if let Some(secs) = self.now.load().get().affinity {
            let timeout = Duration::from_secs(secs.into());
            self.affinity().put(client.address, target, timeout, self.started.elapsed());
        }
    }

    /// Whether that endpoint is still one for the client.
    pub(super) fn still(&self, client: Client, target: Target) -> bool {
        self.pool(self.now.load().get(), client).contains(&target)
    }

    fn kept(&self, now: &Proxied, client: Client) -> Option<Target> {
        let timeout = Duration::from_secs(now.affinity?.into());
        self.affinity().get(client.address, timeout, self.started.elapsed())
    }

    fn pool<'a>(&self, now: &'a Proxied, client: Client) -> &'a [Target] {
        let local = match client.place {
            Place::ClusterIp => now.internal_local,
            _ => now.external_local && !self.is_inside(client.address),
        };
        if local { &now.local } else { &now.cluster }
    }

    /// Pods and this machine itself are in the cluster: policy Local means others.
    fn is_inside(&self, client: IpAddr) -> bool {
        self.pods.iter().any(|range| range.contains(&client)) || socket::is_own(client)
    }

    fn affinity(&self) -> MutexGuard<'_, Affinity> {
        self.affinity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether anybody who comes to such a place could be served.
pub(super) fn is_served(port: &Proxied, place: Place) -> bool {
    if !port.has_endpoints {
        return false;
    }
    match place {
        Place::ClusterIp if port.internal_local => !port.local.is_empty(),
        Place::ClusterIp => !port.cluster.is_empty(),
        _ => !port.cluster.is_empty() || port.external_local && !port.local.is_empty(),
    }
}

fn has(port: &Proxied, target: &Target) -> bool {
    port.cluster.contains(target) || port.local.contains(target)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::l4::ruleset::Family;

    const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 7));
    const SELF: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn target(last: u8) -> Target {
        Target { address: Ipv4Addr::new(198, 51, 100, last).into(), port: 80 }
    }

    fn proxied() -> Proxied {
        Proxied {
            port: "".into(),
            family: Family::Ip,
            frontends: Vec::new(),
            cluster: [target(1), target(2)].into(),
            local: [target(3)].into(),
            serving: Arc::default(),
            has_endpoints: true,
            internal_local: false,
            external_local: false,
            affinity: None,
            source_ranges: None,
        }
    }

    fn port(proxied: Proxied) -> Port {
        Port::new([proxied].into(), 0, ["10.244.0.0/16".parse().unwrap()].into())
    }

    fn picks(port: &Port, address: IpAddr, place: Place) -> Vec<Target> {
        let client = Client { address, place };
        let mut seen: Vec<Target> = (0..200).filter_map(|_| port.pick(client, &[])).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    #[test]
    fn policies_choose_the_pool() {
        let both = vec![target(1), target(2)];
        let local = vec![target(3)];
        let cluster = port(proxied());
        assert_eq!(picks(&cluster, OUTSIDE, Place::ClusterIp), both);
        assert_eq!(picks(&cluster, OUTSIDE, Place::NodePort), both);
        let internal = port(Proxied { internal_local: true, ..proxied() });
        assert_eq!(picks(&internal, POD, Place::ClusterIp), local);
        assert_eq!(picks(&internal, OUTSIDE, Place::ExternalIp), both);
        let external = port(Proxied { external_local: true, ..proxied() });
        for place in [Place::NodePort, Place::ExternalIp, Place::LoadBalancer] {
            assert_eq!(picks(&external, OUTSIDE, place), local, "{place:?}");
            assert_eq!(picks(&external, POD, place), both, "{place:?}");
            assert_eq!(picks(&external, SELF, place), both, "{place:?}");
        }
        assert_eq!(picks(&external, OUTSIDE, Place::ClusterIp), both);
    }

    #[test]
    fn only_places_that_can_be_served_are() {
        let no_local = Proxied { local: Arc::default(), ..proxied() };
        assert!(is_served(&no_local, Place::ClusterIp));
        assert!(!is_served(&Proxied { internal_local: true, ..no_local.clone() }, Place::ClusterIp));
        assert!(is_served(&Proxied { external_local: true, ..no_local.clone() }, Place::NodePort));
        assert!(!is_served(&Proxied { has_endpoints: false, ..proxied() }, Place::NodePort));
        let only_local = Proxied { cluster: Arc::default(), ..proxied() };
        assert!(!is_served(&only_local, Place::NodePort));
        assert!(is_served(&Proxied { external_local: true, ..only_local }, Place::NodePort));
    }

    #[test]
    fn an_endpoint_that_was_tried_is_not_picked_again() {
        let port = port(proxied());
        let client = Client { address: OUTSIDE, place: Place::ClusterIp };
        assert_eq!(port.pick(client, &[target(1)]), Some(target(2)));
        assert_eq!(port.pick(client, &[target(1), target(2)]), None);
    }

    #[test]
    fn affinity_is_kept_forgotten_and_switched_off() {
        let sticky = Proxied { affinity: Some(60), ..proxied() };
        let port = port(sticky.clone());
        let client = Client { address: OUTSIDE, place: Place::ClusterIp };
        port.sent(client, target(2));
        assert_eq!(picks(&port, OUTSIDE, Place::ClusterIp), [target(2)]);
        assert_eq!(port.pick(client, &[target(2)]), Some(target(1)), "it does not answer");
        port.set([Proxied { cluster: [target(1)].into(), ..sticky.clone() }].into(), 0);
        assert_eq!(picks(&port, OUTSIDE, Place::ClusterIp), [target(1)]);
        port.set([sticky].into(), 0);
        assert_eq!(picks(&port, OUTSIDE, Place::ClusterIp).len(), 2, "it left, so it is forgotten");
        port.sent(client, target(2));
        port.set([proxied()].into(), 0);
        assert_eq!(picks(&port, OUTSIDE, Place::ClusterIp).len(), 2);
    }

    #[test]
    fn source_ranges_hold_for_load_balancer_addresses_only() {
        let port = port(Proxied { source_ranges: Some(vec!["10.0.0.0/8".parse().unwrap()]), ..proxied() });
        let admits = |address, place| port.admits(Client { address, place });
        assert!(admits(POD, Place::LoadBalancer));
        assert!(!admits(OUTSIDE, Place::LoadBalancer));
        assert!(admits(OUTSIDE, Place::NodePort));
    }

    #[test]
    fn the_version_changes_with_the_endpoints_only() {
        let port = port(proxied());
        port.set([proxied()].into(), 0);
        assert_eq!(port.version(), 0);
        port.set([Proxied { cluster: [target(1)].into(), ..proxied() }].into(), 0);
        assert_eq!(port.version(), 1);
        let client = Client { address: OUTSIDE, place: Place::ClusterIp };
        assert!(port.still(client, target(1)) && !port.still(client, target(2)));
    }
}
