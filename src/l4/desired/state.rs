//! From one snapshot to the next: which Services are looked at again, and what becomes of what they share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ipnet::IpNet;

use super::claims::{Claimant, Claims};
use super::elements::{self, Drawn};
use super::node::Facts;
use super::service::{self, Plan, Planned};
use super::skeleton::{self, Usage};
use super::{Desired, Exposed, Options, Place, Proxied};
use crate::l4::ruleset::{Element, Family, Frontend, Owner};
use crate::model::health::HealthCheck;
use crate::model::map::Map;
use crate::model::service::{EndpointSet, Service};
use crate::model::{Key, Report, Severity, Snapshot};

/// What is remembered of the snapshot and of each Service. Cloning shares nearly everything.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) services: Map<Key, Arc<Service>>,
    pub(super) endpoints: Map<Key, Arc<[Arc<EndpointSet>]>>,
    facts: Arc<Facts>,
    entries: Map<Key, Arc<Entry>>,
    frontends: Claims<Frontend>,
    checks: Claims<u16>,
    usage: Arc<Usage>,
    told: Map<Key, Arc<[Report]>>,
    /// What is told about health check ports that two Services want.
    told_of_checks: Map<u16, Arc<[Report]>>,
    /// By internal and external policy, in IPv4 and IPv6.
    without_local: [(usize, usize); 2],
}

/// What one Service has, and wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    claims: Vec<(Frontend, Claimant)>,
    check: Option<(u16, Claimant, usize)>,
    drawn: Drawn,
    without_local: [(usize, usize); 2],
}

impl State {
    pub(super) fn without_local(&self, family: Family) -> (usize, usize) {
        self.without_local[at(family)]
    }

    pub(super) fn node_port_ranges(&self) -> &[IpNet] {
        &self.facts.node_ports
    }

    pub(super) fn pod_ranges(&self) -> &[IpNet] {
        &self.facts.pods
    }
}

fn at(family: Family) -> usize {
    usize::from(family == Family::Ip6)
}

/// One step.
pub(super) struct Update<'a> {
    next: &'a mut Desired,
    snapshot: &'a Snapshot,
    facts: Arc<Facts>,
    /// Something is told to owners that was not told before, or no longer.
    told: bool,
    /// The health check ports that look different now.
    checks: BTreeSet<u16>,
}

impl<'a> Update<'a> {
    pub(super) fn new(next: &'a mut Desired, snapshot: &'a Snapshot, options: &Options) -> Self {
        let facts = Arc::new(Facts::of(snapshot, options));
        Self { next, snapshot, facts, told: false, checks: BTreeSet::new() }
    }

    pub(super) fn run(mut self) {
        let plans: Vec<_> = self.changed().into_iter().map(|key| (self.plan(&key), key)).collect();
        let mut others = self.claim(&plans);
        for (_, key) in &plans {
            others.remove(key);
        }
        let others = others.into_iter().map(|key| (self.plan(&key), key));
        let plans = plans.into_iter().chain(others.collect::<Vec<_>>());
        let former = self.next.state.usage.clone();
        for (plan, key) in plans {
            self.settle(key, plan);
        }
        self.answer_checks();
        self.node(&former);
        let state = &mut self.next.state;
        state.services = self.snapshot.services.clone();
        state.endpoints = self.snapshot.endpoints.clone();
    }

    /// The Services that have to be looked at.
    fn changed(&self) -> BTreeSet<Key> {
        let (state, now) = (&self.next.state, self.snapshot);
        if state.facts.here != self.facts.here {
            return now.services.keys().chain(state.entries.keys()).cloned().collect();
        }
        let services = now.services.changes(&state.services, |a, b| Arc::ptr_eq(a, b) || a == b);
        let endpoints = now.endpoints.changes(&state.endpoints, |a, b| Arc::ptr_eq(a, b) || a == b);
        let known = |key: &&&Key| now.services.contains_key(**key) || state.entries.contains_key(**key);
        services.iter().chain(endpoints.iter().filter(known)).copied().cloned().collect()
    }

    fn plan(&self, key: &Key) -> Option<Plan> {
        let service = self.snapshot.services.get(key)?;
        let sets = self.snapshot.endpoints.get(key).map(AsRef::as_ref).unwrap_or_default();
        service::plan(service, sets, &self.facts.here)
    }

    fn claimant(&self, key: &Key, written: bool) -> Claimant {
        let created = self.snapshot.services.get(key).and_then(|service| service.created);
        Claimant { written, created: created.unwrap_or(i64::MAX), key: key.clone() }
    }

    fn claims_of(&self, key: &Key, plan: &Plan) -> Vec<(Frontend, Claimant)> {
        let exposed = plan.ports.iter().flat_map(|port| &port.proxied.frontends);
        let mut claims: Vec<_> =
            exposed.map(|it| (it.frontend, self.claimant(key, it.kind != Place::ClusterIp))).collect();
        claims.sort_unstable();
        claims
    }

    /// Replaces the claims of the Services; gives those for whom something is different now, among them others.
    fn claim(&mut self, plans: &[(Option<Plan>, Key)]) -> BTreeSet<Key> {
        let mut moved: HashMap<Frontend, Option<Claimant>> = HashMap::new();
        for (plan, key) in plans {
            let wanted = plan.as_ref().map(|plan| self.claims_of(key, plan)).unwrap_or_default();
            let entry = self.next.state.entries.get(key).cloned();
            let former = entry.as_ref().map(|entry| entry.claims.as_slice()).unwrap_or_default();
            let frontends = &mut self.next.state.frontends;
            let gone = former.iter().filter(|claim| wanted.binary_search(claim).is_err());
            let come = wanted.iter().filter(|claim| former.binary_search(claim).is_err());
            for (claim, comes) in gone.map(|claim| (claim, false)).chain(come.map(|claim| (claim, true))) {
                let (frontend, claimant) = claim;
                moved.entry(*frontend).or_insert_with(|| frontends.owner(frontend).cloned());
                if comes {
                    frontends.add(frontend, claimant.clone());
                } else {
                    frontends.remove(frontend, claimant);
                }
            }
        }
        let frontends = &self.next.state.frontends;
        let moved = moved.iter().filter(|(frontend, owner)| frontends.owner(frontend) != owner.as_ref());
        moved.flat_map(|(frontend, _)| frontends.all(frontend)).map(|claimant| claimant.key.clone()).collect()
    }

    /// Puts what a Service has now in the place of what it had.
    fn settle(&mut self, key: Key, plan: Option<Plan>) {
        let former = self.next.state.entries.get(&key).cloned().unwrap_or_default();
        let Some(mut plan) = plan else {
            self.replace(&key, &former, None);
            self.next.services.remove(&key);
            self.tell(key, Vec::new());
            return;
        };
        let claims = self.claims_of(&key, &plan);
        let check = plan.check.map(|(port, count)| (port, self.claimant(&key, true), count));
        let lost = self.give_up(&key, &mut plan.ports);
        plan.reports.extend(lost);
        let drawn = elements::draw(&plan.ports, &plan.cluster_ips, &self.facts.here);
        plan.ports.retain(|port| !port.proxied.frontends.is_empty());
        let mut without_local = [(0, 0); 2];
        for Planned { proxied, .. } in &plan.ports {
            let count = &mut without_local[at(proxied.family)];
            let lacks = proxied.has_endpoints && proxied.local.is_empty();
            count.0 += usize::from(lacks && proxied.internal_local);
            count.1 += usize::from(lacks && proxied.external_local);
        }
        self.replace(&key, &former, Some(Entry { claims, check, drawn, without_local }));
        let ports: Vec<Proxied> = plan.ports.into_iter().map(|port| port.proxied).collect();
        if ports.is_empty() {
            self.next.services.remove(&key);
        } else if self.next.services.get(&key).is_none_or(|known| **known != *ports) {
            self.next.services.insert(key.clone(), ports.into());
        }
        self.tell(key, plan.reports);
    }

    /// Takes from the ports what others have, and says so.
    fn give_up(&self, key: &Key, ports: &mut [Planned]) -> Vec<Report> {
        let mut reports = Vec::new();
        for Planned { proxied, at, .. } in ports {
            proxied.frontends.retain(|exposed| {
                let owner = self.next.state.frontends.owner(&exposed.frontend);
                let Some(owner) = owner.filter(|owner| owner.key != *key) else { return true };
                reports.extend(self.snapshot.services.get(key).map(|it| taken(it, *at, exposed, &owner.key)));
                false
            });
        }
        reports
    }

    /// Elements, and what is counted.
    fn replace(&mut self, key: &Key, former: &Entry, entry: Option<Entry>) {
        let (ruleset, state) = (&mut self.next.ruleset, &mut self.next.state);
        let nothing = Entry::default();
        let now = entry.as_ref().unwrap_or(&nothing);
        if now.drawn.own != former.drawn.own {
            let owner: Owner = key.to_string().into();
            let own = Some(now.drawn.own.as_slice()).filter(|own| !own.is_empty());
            ruleset.groups.set(owner, own.map(Into::into));
        }
        for element in former.drawn.shared.difference(&now.drawn.shared) {
            release(&mut ruleset.shared, element);
        }
        for element in now.drawn.shared.difference(&former.drawn.shared) {
            want(&mut ruleset.shared, element);
        }
        if (&now.drawn.picks, &now.drawn.sticky) != (&former.drawn.picks, &former.drawn.sticky) {
            Arc::make_mut(&mut state.usage).replace(&former.drawn, &now.drawn);
        }
        for (total, (old, new)) in
            state.without_local.iter_mut().zip(former.without_local.iter().zip(&now.without_local))
        {
            *total = (total.0 + new.0 - old.0, total.1 + new.1 - old.1);
        }
        if now.check != former.check {
            if let Some((port, claimant, _)) = &former.check {
                state.checks.remove(port, claimant);
                self.checks.insert(*port);
            }
            if let Some((port, claimant, _)) = &now.check {
                state.checks.add(port, claimant.clone());
                self.checks.insert(*port);
            }
        }
        // What others are told names this Service.
        let contested = now.check.as_ref().filter(|(port, ..)| state.checks.all(port).len() > 1);
        self.checks.extend(contested.map(|(port, ..)| *port));
        if entry.as_ref().is_none_or(|entry| entry != former) || !state.entries.contains_key(key) {
            state.entries.set(key.clone(), entry.map(Arc::new));
        }
    }

    fn tell(&mut self, key: Key, reports: Vec<Report>) {
        let known = self.next.state.told.get(&key).map(AsRef::as_ref).unwrap_or_default();
        if known != reports {
            self.told = true;
            self.next.state.told.set(key, Some(reports.into()).filter(|it: &Arc<[_]>| !it.is_empty()));
        }
    }

    /// Brings the list of health checks up to date.
    fn answer_checks(&mut self) {
        if self.checks.is_empty() {
            return;
        }
        let checks = std::mem::take(&mut self.checks);
        let mut list = self.next.health_checks.to_vec();
        for port in checks {
            let claimants: Vec<Key> =
                self.next.state.checks.all(&port).into_iter().map(|it| it.key.clone()).collect();
            self.tell_of_check(port, &claimants);
            let found = list.binary_search_by_key(&port, |check| check.port);
            let check = claimants.first().map(|key| self.check(key, port));
            match (found, check) {
                (Ok(at), Some(check)) => list[at] = check,
                (Ok(at), None) => drop(list.remove(at)),
                (Err(at), Some(check)) => list.insert(at, check),
                (Err(_), None) => {}
            }
        }
        if *list != *self.next.health_checks {
            self.next.health_checks = list.into();
        }
    }

    fn tell_of_check(&mut self, port: u16, claimants: &[Key]) {
        let owner = claimants.first();
        let others = claimants.iter().skip(1).filter_map(|key| self.snapshot.services.get(key));
        let reports = others.zip(owner.into_iter().cycle()).map(|(service, owner)| {
            let message = format!(
                "health check port {port} belongs to Service {owner}, which was first; nobody answers for this \
                 Service: give one of the two another port"
            );
            let report = Report::new(&service.object, Severity::Warning, "HealthCheckPortTaken", message);
            report.at("spec.healthCheckNodePort", service.origin.as_ref())
        });
        let reports: Arc<[Report]> = reports.collect();
        let told = &mut self.next.state.told_of_checks;
        if told.get(&port).map(AsRef::as_ref).unwrap_or_default() != &*reports {
            told.set(port, Some(reports).filter(|reports| !reports.is_empty()));
            self.told = true;
        }
    }

    fn check(&self, key: &Key, port: u16) -> HealthCheck {
        let entry = self.next.state.entries.get(key);
        let count = entry.and_then(|entry| entry.check.as_ref()).map(|(_, _, count)| *count);
        HealthCheck { service: key.clone(), port, local_endpoints: count.unwrap_or_default() }
    }

    /// What does not belong to one Service: ranges, chains, sets, the list of reports.
    fn node(&mut self, former: &Usage) {
        let Desired { ruleset, state, .. } = &mut *self.next;
        let facts_differ = state.facts != self.facts;
        if facts_differ || ruleset.is_empty() {
            for element in state.facts.elements() {
                release(&mut ruleset.shared, &element);
            }
            for element in self.facts.elements() {
                want(&mut ruleset.shared, &element);
            }
        }
        let same_classes = state.usage.picks.keys().eq(former.picks.keys())
            && state.usage.sticky.keys().eq(former.sticky.keys());
        if facts_differ || ruleset.is_empty() || !same_classes {
            ruleset.chains = skeleton::chains(&self.facts, &state.usage, &ruleset.chains);
            ruleset.sets = skeleton::sets(&state.usage);
        }
        if self.told || facts_differ {
            let own = state.told.values().chain(state.told_of_checks.values());
            let own = own.flat_map(|reports| reports.iter());
            let mut reports: Vec<Report> = own.chain(&self.facts.reports).cloned().collect();
            reports.sort_unstable();
            self.next.reports = Arc::new(reports);
        }
        self.next.node_eligible = self.facts.eligible;
        if facts_differ {
            self.next.state.facts = self.facts.clone();
        }
    }
}

fn want(shared: &mut Map<Element, u32>, element: &Element) {
    let count = shared.get(element).copied().unwrap_or_default();
    shared.insert(element.clone(), count + 1);
}

fn release(shared: &mut Map<Element, u32>, element: &Element) {
    let count = shared.get(element).copied().unwrap_or_default();
    shared.set(element.clone(), Some(count.saturating_sub(1)).filter(|count| *count > 0));
}

/// What the owner of a Service is told whose frontend another one has.
fn taken(service: &Service, at: usize, exposed: &Exposed, owner: &Key) -> Report {
    let Exposed { kind, frontend } = exposed;
    let (protocol, port) = (frontend.protocol, frontend.port);
    let (field, what, change) = match kind {
        Place::ClusterIp => ("spec.clusterIPs".to_owned(), frontend.address.to_string(), "address or port"),
        Place::ExternalIp => ("spec.externalIPs".to_owned(), frontend.address.to_string(), "address or port"),
        Place::LoadBalancer => {
            ("status.loadBalancer.ingress".to_owned(), frontend.address.to_string(), "address or port")
        }
        Place::NodePort => (format!("spec.ports[{at}].nodePort"), "NodePort".to_owned(), "nodePort"),
    };
    let message = format!(
        "{what} {protocol} {port} belongs to Service {owner}, which was first; this Service does not get it: give one \
         of the two another {change}"
    );
    Report::new(&service.object, Severity::Warning, "AddressTaken", message)
        .at(field, service.origin.as_ref())
}
