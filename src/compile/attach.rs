//! Which Ingresses belong to which host, oldest first, and the hosts built from them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::aliases;
use super::class::{self, Other};
use super::host::{self, Context, HostBuild};
use super::registry::{BackendKey, Registry};
use super::traffic::Traffics;
use super::{Options, State};
use crate::model::route::{Host, Ingress};
use crate::model::{Report, Severity, Snapshot};
use crate::routing::Hosts;

/// What a host is built from: when this is the same as before, so is the host.
#[derive(Clone, Debug)]
pub(super) struct HostPlan {
    pub(super) host: Host,
    /// Every Ingress with a rule for the host, the oldest first.
    pub(super) ingresses: Vec<Arc<Ingress>>,
    /// For the catch-all: the Ingress of nothing but a default backend.
    pub(super) catch_all: Option<Arc<Ingress>>,
    /// A tls section names the host, or its one-label wildcard.
    pub(super) certificate: bool,
}

impl HostPlan {
    fn new(host: Host) -> Self {
        Self { host, ingresses: Vec::new(), catch_all: None, certificate: false }
    }

    /// The Ingress whose default backend and annotations the implicit `/` has.
    pub(super) fn default_owner(&self) -> Option<&Arc<Ingress>> {
        let oldest = self.ingresses.first();
        match self.host {
            // The catch-all's default is nobody's unless an Ingress names a default backend.
            Host::Any => {
                self.catch_all.as_ref().or(oldest.filter(|ingress| ingress.default_backend.is_some()))
            }
            _ => oldest,
        }
    }

    /// Whether `ssl-redirect` acts: a certificate for no host in particular is none.
    pub(super) fn redirects(&self) -> bool {
        self.certificate && self.host != Host::Any
    }

    fn same(&self, other: &Self) -> bool {
        let same_one = |a: &Option<Arc<Ingress>>, b: &Option<Arc<Ingress>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.certificate == other.certificate
            && same_one(&self.catch_all, &other.catch_all)
            && self.ingresses.len() == other.ingresses.len()
            && self.ingresses.iter().zip(&other.ingresses).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// Every host, built.
pub(super) struct Attached {
    /// Ours, the oldest first.
    pub(super) ours: Vec<Arc<Ingress>>,
    pub(super) others: Vec<Other>,
    /// In the order of the oldest Ingress that names the host; the catch-all is last.
    pub(super) builds: Vec<Arc<HostBuild>>,
    by_host: HashMap<Host, Arc<HostBuild>, FixedState>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) registry: Arc<Registry>,
    /// What to tell the owners, apart from what each host's build says.
    pub(super) reports: Vec<Report>,
}

impl Attached {
    /// The build of a host.
    pub(super) fn build(&self, host: &Host) -> Option<&Arc<HostBuild>> {
        self.by_host.get(host)
    }
}

/// Attaches Ingresses to hosts and builds those that changed.
pub(super) fn attach(snapshot: &Snapshot, options: &Options, former: Option<&State>) -> Attached {
    let selection = class::select(snapshot, options);
    let mut reports = selection.reports;
    let plans = plans(&selection.ours, &mut reports);
    let old = former.map(|former| &former.attached);
    let shared = former.filter(|former| former.snapshot.settings == snapshot.settings).map(|f| &f.attached);
    let mut registry = old.map(|old| (*old.registry).clone()).unwrap_or_default();
    let builds = build(plans, snapshot, options, &mut registry, shared.map(AsRef::as_ref));
    let registry = settle(registry, &builds, options, old.map(|old| &old.registry));
    let by_host: HashMap<_, _, _> =
        builds.iter().map(|build| (build.plan.host.clone(), build.clone())).collect();
    let old_hosts = shared.map(|old| &old.hosts);
    let hosts = aliases::hosts(&selection.ours, &builds, &by_host, snapshot, old_hosts, &mut reports);
    let hosts = Arc::new(hosts);
    Attached { ours: selection.ours, others: selection.others, builds, by_host, hosts, registry, reports }
}

/// Groups the Ingresses by host; the catch-all is always there, as the last one.
fn plans(ours: &[Arc<Ingress>], reports: &mut Vec<Report>) -> Vec<HostPlan> {
    let mut index: HashMap<&Host, usize, FixedState> = HashMap::default();
    let mut plans: Vec<HostPlan> = Vec::with_capacity(ours.len() + 1);
    let mut any = HostPlan::new(Host::Any);
    let mut certified: HashSet<&Host, FixedState> = HashSet::default();
    for ingress in ours {
        for rule in &ingress.rules {
            let plan = if rule.host == Host::Any {
                &mut any
            } else {
                let at = *index.entry(&rule.host).or_insert_with(|| {
                    plans.push(HostPlan::new(rule.host.clone()));
                    plans.len() - 1
                });
                &mut plans[at]
            };
            if !plan.ingresses.last().is_some_and(|last| Arc::ptr_eq(last, ingress)) {
                plan.ingresses.push(ingress.clone());
            }
            if !ingress.tls.is_empty() {
                certified.insert(&rule.host);
            }
        }
        if ingress.rules.is_empty() && ingress.default_backend.is_some() {
            attach_catch_all(&mut any, ingress, reports);
        }
    }
    for plan in plans.iter_mut().chain([&mut any]) {
        plan.certificate = !certified.is_empty() && is_certified(&plan.host, &certified);
        report_ignored_defaults(plan, reports);
    }
    plans.push(any);
    plans
}

fn is_certified(host: &Host, certified: &HashSet<&Host, FixedState>) -> bool {
    let wildcard = || match host {
        Host::Exact(name) => name.split_once('.').map(|(_, suffix)| Host::Wildcard(suffix.into())),
        _ => None,
    };
    certified.contains(host) || wildcard().is_some_and(|wildcard| certified.contains(&wildcard))
}

/// The oldest Ingress of nothing but a default backend answers everything else; it goes first on the catch-all.
fn attach_catch_all(any: &mut HostPlan, ingress: &Arc<Ingress>, reports: &mut Vec<Report>) {
    let Some(winner) = &any.catch_all else {
        any.catch_all = Some(ingress.clone());
        any.ingresses.push(ingress.clone());
        return;
    };
    let message = format!(
        "the default backend for everything already belongs to Ingress {}, which is older; this one is not served: \
         remove one of the two",
        winner.object.key
    );
    let report = Report::new(&ingress.object, Severity::Error, "DuplicateDefaultBackend", message);
    reports.push(report.at("spec.defaultBackend", ingress.origin.as_ref()));
}

/// Only the oldest Ingress of a host decides its default backend.
fn report_ignored_defaults(plan: &HostPlan, reports: &mut Vec<Report>) {
    let Some(oldest) = plan.default_owner().or(plan.ingresses.first()) else { return };
    for ingress in plan.ingresses.iter().filter(|ingress| !Arc::ptr_eq(ingress, oldest)) {
        if ingress.default_backend.is_none() || ingress.default_backend == oldest.default_backend {
            continue;
        }
        let message = format!(
            "the default backend does not act on host {}, where Ingress {} is older and decides: set it there",
            plan.host, oldest.object.key
        );
        let report = Report::new(&ingress.object, Severity::Warning, "DefaultBackendIgnored", message);
        reports.push(report.at("spec.defaultBackend", ingress.origin.as_ref()));
    }
}

fn build(
    plans: Vec<HostPlan>,
    snapshot: &Snapshot,
    options: &Options,
    registry: &mut Registry,
    former: Option<&Attached>,
) -> Vec<Arc<HostBuild>> {
    let default_backend = options.default_backend.as_ref().map(|service| {
        let key = BackendKey { service: service.clone(), port: None, cluster: false };
        (registry.id(key), service.clone())
    });
    let mut context = Context {
        settings: &snapshot.settings,
        registry,
        traffics: &mut Traffics::default(),
        default_backend,
        empty: "".into(),
        slash: "/".into(),
    };
    let builds = plans.into_iter().map(|plan| {
        let former = former.and_then(|former| former.build(&plan.host));
        match former.filter(|former| former.plan.same(&plan)) {
            Some(former) => former.clone(),
            None => Arc::new(host::build(plan, &mut context)),
        }
    });
    builds.collect()
}

/// Frees the backends that nothing uses any more; an unchanged registry is shared.
fn settle(
    mut registry: Registry,
    builds: &[Arc<HostBuild>],
    options: &Options,
    former: Option<&Arc<Registry>>,
) -> Arc<Registry> {
    let mut in_use = vec![false; registry.len()];
    if let Some(service) = &options.default_backend {
        let key = BackendKey { service: service.clone(), port: None, cluster: false };
        in_use[registry.id(key).0 as usize] = true;
    }
    for used in builds.iter().flat_map(|build| &build.uses) {
        in_use[used.backend.0 as usize] = true;
    }
    let freed = registry.retain(&in_use);
    match former {
        Some(former) if !freed && former.is_same(&registry) => former.clone(),
        _ => Arc::new(registry),
    }
}
