//! Attaches Ingresses to hosts and builds the hosts that changed.
//!
//! Compiling from scratch is a change from nothing to everything: there is one way only, so that both give the same.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::aliases;
use super::candidate::Rules;
use super::class::{self, Other, older_first};
use super::host::{self, Context, HostBuild};
use super::plan::{self, Delta, HostPlan};
use super::registry::{BackendKey, Registry};
use super::traffic::Traffics;
use super::{Options, State, same_choice};
use crate::model::map::Map;
use crate::model::route::{Host, Ingress};
use crate::model::{Key, Report, Snapshot};
use crate::routing::{HostTable, Hosts};

/// Every host, built. Copies share what they have in common.
#[derive(Clone)]
pub(super) struct Attached {
    /// The catch-all is always there.
    pub(super) builds: Map<Host, Arc<HostBuild>>,
    /// The Ingresses that are not ours.
    pub(super) others: Map<Key, Arc<Other>>,
    /// Ours with a tls section, the oldest first.
    pub(super) with_tls: Arc<Vec<Arc<Ingress>>>,
    /// Ours that give hosts other names, the oldest first.
    with_names: Arc<Vec<Arc<Ingress>>>,
    /// The wildcard hosts that a tls section names.
    wildcards: Map<Host, ()>,
    /// Aliases and names that only redirect.
    extra: Arc<HashMap<Host, Arc<HostTable>, FixedState>>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) registry: Registry,
    pub(super) told: Arc<Told>,
    /// Hosts with rules, and rules.
    pub(super) size: (usize, usize),
}

/// What is to be told about Ingresses, apart from backends and certificates.
#[derive(Clone, Default)]
pub(super) struct Told {
    /// Ingresses that are not ours, or that translation had to say something about.
    ingresses: Map<Key, Arc<[Report]>>,
    /// Hosts on which something is ignored or refused.
    hosts: Map<Host, Arc<HostBuild>>,
    /// About other names of hosts.
    names: Vec<Report>,
}

impl Told {
    /// All of it.
    pub(super) fn reports(&self) -> impl Iterator<Item = &Report> {
        let of_hosts = self.hosts.values().flat_map(|build| &build.reports);
        self.ingresses.values().flat_map(|reports| &**reports).chain(of_hosts).chain(&self.names)
    }

    fn same(&self, other: &Self) -> bool {
        self.ingresses.is_same(&other.ingresses)
            && self.hosts.is_same(&other.hosts)
            && self.names == other.names
    }
}

impl Attached {
    /// Nothing, but with the ids of former backends.
    fn empty(snapshot: &Snapshot, registry: Registry) -> Self {
        Self {
            builds: Map::default(),
            others: Map::default(),
            with_tls: Arc::default(),
            with_names: Arc::default(),
            wildcards: Map::default(),
            extra: Arc::default(),
            hosts: Arc::new(Hosts::new(Arc::new(HostTable::empty(&snapshot.settings)))),
            registry,
            told: Arc::default(),
            size: (0, 0),
        }
    }

    /// The build of a host.
    pub(super) fn build(&self, host: &Host) -> Option<&Arc<HostBuild>> {
        self.builds.get(host)
    }

    /// Whether certificates go to the same names.
    pub(super) fn same_names(&self, other: &Self) -> bool {
        let same_names = Arc::ptr_eq(&self.with_names, &other.with_names);
        Arc::ptr_eq(&self.with_tls, &other.with_tls)
            && (self.with_tls.is_empty()
                || (same_names && (self.with_names.is_empty() || self.builds.is_same(&other.builds))))
    }

    /// Sorts out the Ingresses that changed.
    fn select(
        &mut self,
        snapshot: &Snapshot,
        former: &Snapshot,
        options: &Options,
        told: &mut Told,
    ) -> Delta {
        let (mut come, mut gone) = (Vec::new(), Vec::new());
        for key in snapshot.ingresses.changes(&former.ingresses, Arc::ptr_eq) {
            if self.others.remove(key).is_none() {
                gone.extend(former.ingresses.get(key).cloned());
            }
            let mut reports = Vec::new();
            if let Some(ingress) = snapshot.ingresses.get(key) {
                if let Some(other) = class::select(ingress, snapshot, options) {
                    reports.extend(other.report.clone());
                    self.others.insert(key.clone(), Arc::new(other));
                } else {
                    reports.clone_from(&ingress.reports);
                    come.push(ingress.clone());
                }
            }
            told.ingresses.set(key.clone(), (!reports.is_empty()).then(|| reports.into()));
        }
        come.sort_by(|a, b| older_first(a, b));
        Delta { come, gone }
    }

    /// Builds the hosts of these plans; gives the tables that are other ones now.
    fn build_all(
        &mut self,
        plans: Vec<HostPlan>,
        snapshot: &Snapshot,
        options: &Options,
        told: &mut Told,
    ) -> Vec<(Host, Option<Arc<HostTable>>)> {
        let default_backend = options.default_backend.as_ref().map(|service| {
            let key = BackendKey { service: service.clone(), port: None, cluster: false };
            let id = self.registry.id(key);
            if self.builds.is_empty() {
                self.registry.hold(id); // for good: rules come and go, the flag stays
            }
            (id, service.clone())
        });
        let mut registry = self.registry.clone();
        let mut context = Context {
            settings: &snapshot.settings,
            registry: &mut registry,
            traffics: &mut Traffics::default(),
            rules: Rules::default(),
            default_backend,
            empty: "".into(),
            slash: "/".into(),
        };
        let mut tables = Vec::with_capacity(plans.len());
        for plan in plans {
            let former = self.builds.get(&plan.host);
            if former.is_some_and(|former| former.plan.same(&plan)) {
                continue;
            }
            let host = plan.host.clone();
            let build = (!plan.is_gone()).then(|| Arc::new(host::build(plan, &mut context)));
            let table = build.as_ref().map(|build| build.table.clone());
            self.replace(&host, build, context.registry, told);
            tables.push((host, table));
        }
        registry.sweep();
        self.registry = registry;
        tables
    }

    /// Puts a build in the place of the former one of its host.
    fn replace(
        &mut self,
        host: &Host,
        build: Option<Arc<HostBuild>>,
        registry: &mut Registry,
        told: &mut Told,
    ) {
        let (mut hosts, mut rules) = self.size;
        for used in build.iter().flat_map(|build| &build.uses) {
            registry.hold(used.backend);
        }
        if let Some(build) = build.as_ref().filter(|build| build.rules > 0) {
            (hosts, rules) = (hosts + 1, rules + build.rules);
        }
        told.hosts.set(host.clone(), build.clone().filter(|build| !build.reports.is_empty()));
        let former = match build {
            Some(build) => self.builds.insert(host.clone(), build),
            None => self.builds.remove(host),
        };
        if let Some(former) = former {
            former.uses.iter().for_each(|used| registry.release(used.backend));
            if former.rules > 0 {
                (hosts, rules) = (hosts - 1, rules - former.rules);
            }
        }
        self.size = (hosts, rules);
    }

    /// Gives hosts their other names and puts `tables` and those names in force.
    fn name(
        &mut self,
        mut tables: Vec<(Host, Option<Arc<HostTable>>)>,
        snapshot: &Snapshot,
        told: &mut Told,
    ) {
        told.names.clear();
        let names = aliases::names(&self.with_names, &self.builds, snapshot, &self.hosts, &mut told.names);
        // A name that somebody has rules for is that host's, and else an alias.
        for (host, table) in tables.iter_mut().filter(|(_, table)| table.is_none()) {
            *table = names.extra.get(host).cloned();
        }
        let known = |(host, table): &(&Host, &Arc<HostTable>)| {
            self.extra.get(*host).is_some_and(|known| Arc::ptr_eq(known, table))
        };
        let new = names.extra.iter().filter(|entry| !known(entry));
        tables.extend(new.map(|(host, table)| (host.clone(), Some(table.clone()))));
        let gone = self.extra.keys().filter(|host| !names.extra.contains_key(*host));
        tables
            .extend(gone.map(|host| (host.clone(), self.builds.get(host).map(|build| build.table.clone()))));
        let patterns = names.patterns;
        let old = self.hosts.patterns();
        let same_patterns = patterns.len() == old.len()
            && patterns.iter().zip(old).all(|(a, b)| a.0.as_str() == b.0.as_str() && Arc::ptr_eq(&a.1, &b.1));
        if !tables.is_empty() || !same_patterns {
            self.hosts = Arc::new(self.hosts.updated(tables, patterns));
            self.extra = Arc::new(names.extra);
        }
    }
}

/// Attaches Ingresses to hosts and builds the hosts that changed since `former`.
pub(super) fn attach(snapshot: &Snapshot, options: &Options, former: Option<&State>) -> Attached {
    let same = |former: &&State| {
        former.snapshot.settings == snapshot.settings && same_choice(&former.snapshot, snapshot, options)
    };
    let nothing = Snapshot::default();
    let (mut attached, old) = if let Some(former) = former.filter(same) {
        ((*former.attached).clone(), &former.snapshot)
    } else {
        let registry = former.map(|former| former.attached.registry.restarted()).unwrap_or_default();
        (Attached::empty(snapshot, registry), &nothing)
    };
    let mut told = (*attached.told).clone();
    let delta = attached.select(snapshot, old, options, &mut told);
    update(&mut attached.with_tls, &delta, |ingress| !ingress.tls.is_empty());
    update(&mut attached.with_names, &delta, |ingress| {
        ingress.policy.from_to_www || !ingress.policy.server_aliases.is_empty()
    });
    let plans = plan::plans(&delta, &attached.builds, &mut attached.wildcards);
    let tables = attached.build_all(plans, snapshot, options, &mut told);
    attached.name(tables, snapshot, &mut told);
    if !attached.told.same(&told) {
        attached.told = Arc::new(told);
    }
    attached
}

/// Keeps a list of Ingresses of some sort.
fn update(list: &mut Arc<Vec<Arc<Ingress>>>, delta: &Delta, wanted: impl Fn(&Ingress) -> bool) {
    let come = || delta.come.iter().filter(|ingress| wanted(ingress));
    let mut gone: Vec<_> = delta.gone.iter().filter(|ingress| wanted(ingress)).map(Arc::as_ptr).collect();
    if come().next().is_none() && gone.is_empty() {
        return;
    }
    gone.sort_unstable();
    let mut new: Vec<Arc<Ingress>> =
        list.iter().filter(|ingress| gone.binary_search(&Arc::as_ptr(ingress)).is_err()).cloned().collect();
    new.extend(come().cloned());
    new.sort_by(|a, b| older_first(a, b)); // two sorted runs: one pass
    *list = Arc::new(new);
}
