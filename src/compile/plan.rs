//! What a host is built from: the Ingresses that want it, oldest first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::class::older_first;
use super::host::HostBuild;
use crate::model::map::Map;
use crate::model::route::{Host, Ingress};
use crate::model::{Report, Severity};

/// What a host is built from: when this is the same as before, so is the host.
#[derive(Clone, Debug)]
pub(super) struct HostPlan {
    pub(super) host: Host,
    /// Every Ingress with a rule for the host, the oldest first; on the catch-all also the first of `catch_alls`.
    pub(super) ingresses: Vec<Arc<Ingress>>,
    /// For the catch-all: the Ingresses of nothing but a default backend, the oldest first. Only that one counts.
    catch_alls: Vec<Arc<Ingress>>,
    /// A tls section names the host, or its one-label wildcard.
    pub(super) certificate: bool,
}

/// The Ingresses that come to and go from the hosts.
pub(super) struct Delta {
    pub(super) come: Vec<Arc<Ingress>>,
    pub(super) gone: Vec<Arc<Ingress>>,
}

impl HostPlan {
    fn new(host: Host) -> Self {
        Self { host, ingresses: Vec::new(), catch_alls: Vec::new(), certificate: false }
    }

    /// The Ingress of nothing but a default backend that answers everything else.
    fn catch_all(&self) -> Option<&Arc<Ingress>> {
        self.catch_alls.first()
    }

    /// The Ingress whose default backend and annotations the implicit `/` has.
    pub(super) fn default_owner(&self) -> Option<&Arc<Ingress>> {
        let oldest = self.ingresses.first();
        match self.host {
            // The catch-all's default is nobody's unless an Ingress names a default backend.
            Host::Any => self.catch_all().or(oldest.filter(|ingress| ingress.default_backend.is_some())),
            _ => oldest,
        }
    }

    /// Whether `ssl-redirect` acts: a certificate for no host in particular is none.
    pub(super) fn redirects(&self) -> bool {
        self.certificate && self.host != Host::Any
    }

    /// Whether nothing wants the host any more. The catch-all is always there.
    pub(super) fn is_gone(&self) -> bool {
        self.ingresses.is_empty() && self.host != Host::Any
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        let same = |a: &[Arc<Ingress>], b: &[Arc<Ingress>]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        self.certificate == other.certificate
            && same(&self.ingresses, &other.ingresses)
            && same(&self.catch_alls, &other.catch_alls)
    }

    /// What to tell the owners of default backends that do not act here.
    pub(super) fn reports(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for loser in self.catch_alls.iter().skip(1) {
            let message = format!(
                "the default backend for everything already belongs to Ingress {}, which is older; this one is not \
                 served: remove one of the two",
                self.catch_alls[0].object.key
            );
            let report = Report::new(&loser.object, Severity::Error, "DuplicateDefaultBackend", message);
            reports.push(report.at("spec.defaultBackend", loser.origin.as_ref()));
        }
        let Some(oldest) = self.default_owner().or(self.ingresses.first()) else { return reports };
        for ingress in self.ingresses.iter().filter(|ingress| !Arc::ptr_eq(ingress, oldest)) {
            if ingress.default_backend.is_none() || ingress.default_backend == oldest.default_backend {
                continue;
            }
            let message = format!(
                "the default backend does not act on host {}, where Ingress {} is older and decides: set it there",
                self.host, oldest.object.key
            );
            let report = Report::new(&ingress.object, Severity::Warning, "DefaultBackendIgnored", message);
            reports.push(report.at("spec.defaultBackend", ingress.origin.as_ref()));
        }
        reports
    }

    /// Whether a tls section names exactly this host.
    fn has_tls(&self) -> bool {
        self.ingresses.iter().any(|ingress| !ingress.tls.is_empty() && !is_catch_all(ingress))
    }

    fn add(&mut self, ingress: &Arc<Ingress>) {
        let list = if is_catch_all(ingress) { &mut self.catch_alls } else { &mut self.ingresses };
        // Rules for the same host stand together: those of an Ingress are gone through at once.
        if !list.last().is_some_and(|last| Arc::ptr_eq(last, ingress)) {
            list.push(ingress.clone());
        }
    }

    /// Takes away those that are gone, and what `settle` added.
    fn without(&self, gone: &HashSet<*const Ingress, FixedState>) -> Self {
        let left = |list: &[Arc<Ingress>]| -> Vec<Arc<Ingress>> {
            list.iter().filter(|ingress| !gone.contains(&Arc::as_ptr(ingress))).cloned().collect()
        };
        let mut ingresses = left(&self.ingresses);
        ingresses.retain(|ingress| !is_catch_all(ingress));
        Self { host: self.host.clone(), ingresses, catch_alls: left(&self.catch_alls), certificate: false }
    }

    /// Brings everything into order.
    fn settle(&mut self) {
        self.catch_alls.sort_by(|a, b| older_first(a, b));
        self.ingresses.extend(self.catch_alls.first().cloned());
        self.ingresses.sort_by(|a, b| older_first(a, b));
    }
}

fn is_catch_all(ingress: &Ingress) -> bool {
    ingress.rules.is_empty()
}

/// The plans of all hosts that a change may touch, in the order of the oldest Ingress that comes to each; a catch-all
/// that nothing touched is missing. `wildcards` are the wildcard hosts that a tls section names.
pub(super) fn plans(
    delta: &Delta,
    builds: &Map<Host, Arc<HostBuild>>,
    wildcards: &mut Map<Host, ()>,
) -> Vec<HostPlan> {
    let gone: HashSet<*const Ingress, FixedState> = delta.gone.iter().map(Arc::as_ptr).collect();
    let mut index: HashMap<Host, usize, FixedState> = HashMap::default();
    let mut plans: Vec<HostPlan> = Vec::new();
    let mut touch = |host: &Host, plans: &mut Vec<HostPlan>| {
        if let Some(at) = index.get(host) {
            return *at;
        }
        plans.push(match builds.get(host) {
            Some(build) => build.plan.without(&gone),
            None => HostPlan::new(host.clone()),
        });
        index.insert(host.clone(), plans.len() - 1);
        plans.len() - 1
    };
    if builds.is_empty() {
        touch(&Host::Any, &mut plans);
    }
    for ingress in &delta.come {
        for host in hosts(ingress) {
            let at = touch(host, &mut plans);
            plans[at].add(ingress);
        }
    }
    for host in delta.gone.iter().flat_map(|ingress| hosts(ingress)) {
        touch(host, &mut plans);
    }
    plans.iter_mut().for_each(HostPlan::settle);
    for host in turned(&plans, wildcards) {
        for below in builds.keys().filter(|below| wildcard_of(below).as_ref() == Some(&host)) {
            let at = touch(below, &mut plans);
            if plans[at].ingresses.is_empty() {
                plans[at].settle();
            }
        }
    }
    for plan in &mut plans {
        let covered = || wildcard_of(&plan.host).is_some_and(|wildcard| wildcards.contains_key(&wildcard));
        plan.certificate = plan.has_tls() || (!wildcards.is_empty() && covered());
    }
    plans
}

/// The hosts of an Ingress, as often as rules name them.
fn hosts(ingress: &Ingress) -> impl Iterator<Item = &Host> {
    let any = is_catch_all(ingress) && ingress.default_backend.is_some();
    ingress.rules.iter().map(|rule| &rule.host).chain(any.then_some(&Host::Any))
}

/// Notes which wildcard hosts a tls section names; gives those for which that is new.
fn turned(plans: &[HostPlan], wildcards: &mut Map<Host, ()>) -> Vec<Host> {
    let mut turned = Vec::new();
    for plan in plans.iter().filter(|plan| matches!(plan.host, Host::Wildcard(_))) {
        let named = plan.has_tls();
        if named != wildcards.contains_key(&plan.host) {
            wildcards.set(plan.host.clone(), named.then_some(()));
            turned.push(plan.host.clone());
        }
    }
    turned
}

/// The one-label wildcard that covers a name.
fn wildcard_of(host: &Host) -> Option<Host> {
    match host {
        Host::Exact(name) => name.split_once('.').map(|(_, suffix)| Host::Wildcard(suffix.into())),
        _ => None,
    }
}
