//! The ports of a Service -> elements of sets and maps.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::node::Here;
use super::service::Planned;
use super::{Exposed, Place, Proxied};
use crate::l4::ruleset::{
    ChainId, Element, Family, Frontend, Key, Pick, Pool, SetId, Target, Value, Verdict,
};

/// What a Service puts into the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Its own elements, sorted.
    pub(super) own: Vec<Element>,
    /// Elements that others may want too.
    pub(super) shared: BTreeSet<Element>,
    /// The chains its verdicts lead to.
    pub(super) picks: BTreeSet<(Family, Pick)>,
    /// Its affinity times.
    pub(super) sticky: BTreeSet<(Family, u32)>,
}

/// The elements of a Service.
pub(super) fn draw(ports: &[Planned], cluster_ips: &[IpAddr], here: &Here) -> Drawn {
    let mut drawn = Drawn::default();
    for address in cluster_ips {
        let (family, key) = (Family::of(*address), Key::Address(*address));
        drawn.shared.insert(Element { family, set: SetId::ClusterIps, key, value: Value::None });
    }
    for planned in ports {
        let port = &planned.proxied;
        for exposed in &port.frontends {
            drawn.restrict(port, exposed, here);
            drawn.frontend(port, exposed);
        }
        for address in planned.hairpin.iter().filter(|_| !port.frontends.is_empty()) {
            let (family, key) = (port.family, Key::Pair(*address, *address));
            drawn.shared.insert(Element { family, set: SetId::Hairpin, key, value: Value::None });
        }
    }
    drawn.own.sort_unstable();
    drawn
}

impl Drawn {
    fn add(&mut self, family: Family, set: SetId, key: Key, value: Value) {
        self.own.push(Element { family, set, key, value });
    }

    fn frontend(&mut self, port: &Proxied, exposed: &Exposed) {
        let (family, frontend) = (port.family, exposed.frontend);
        let key = Key::Frontend(frontend);
        if !port.has_endpoints {
            self.add(family, SetId::NoEndpoints, key, Value::None);
            return;
        }
        self.lead(port, frontend, Pool::All, port.targets(exposed.kind));
        if port.is_outside_apart(exposed.kind) {
            self.lead(port, frontend, Pool::Local, &port.local);
        }
        if exposed.kind != Place::ClusterIp {
            let set = if port.external_local { SetId::MasqueradedLocal } else { SetId::Masqueraded };
            self.add(family, set, key.clone(), Value::None);
        }
        if let Some(seconds) = port.affinity {
            self.add(family, SetId::Sticky(seconds), key, Value::None);
            self.sticky.insert((family, seconds));
        }
    }

    /// Leads what comes to the frontend to those endpoints, or drops it when there is none.
    fn lead(&mut self, port: &Proxied, frontend: Frontend, pool: Pool, targets: &[Target]) {
        let family = port.family;
        for (index, target) in (0..).zip(targets) {
            self.add(family, pool.set(), Key::Slot(frontend, index), Value::Target(*target));
        }
        let verdict = match u32::try_from(targets.len()) {
            Ok(count) if count > 0 => {
                let (node_port, sticky) = (frontend.is_node_port(), port.affinity.is_some());
                let pick = Pick { pool, node_port, sticky, count };
                self.picks.insert((family, pick));
                Verdict::Goto(ChainId::Pick(pick))
            }
            _ => Verdict::Drop,
        };
        let map = match pool {
            Pool::All => SetId::Services,
            Pool::Local => SetId::OutsideServices,
        };
        self.add(family, map, Key::Frontend(frontend), Value::Verdict(verdict));
    }

    /// Says who may come to the address of a load balancer.
    fn restrict(&mut self, port: &Proxied, exposed: &Exposed, here: &Here) {
        let Some(ranges) = port.source_ranges.as_ref().filter(|_| exposed.kind == Place::LoadBalancer) else {
            return;
        };
        let (family, frontend) = (port.family, exposed.frontend);
        let own = ranges.iter().filter(|range| Family::of(range.addr()) == family);
        let mut own: Vec<IpNet> = own.copied().collect();
        if own.iter().any(|range| range.prefix_len() == 0) {
            return;
        }
        // The node may have the address itself: what it sends there then comes from that address.
        if here.addresses.iter().any(|address| own.iter().any(|range| range.contains(address))) {
            own.push(frontend.address.into());
        }
        self.add(family, SetId::Restricted, Key::Frontend(frontend), Value::None);
        for range in IpNet::aggregate(&own) {
            let key = Key::Sources(frontend, range.network(), range.prefix_len());
            self.add(family, SetId::AllowedSources, key, Value::None);
        }
    }
}
