//! Snapshot -> routing table, endpoint table, reports.
//!
//! Four steps, each of which is skipped when what it looks at is the same as before: attach Ingresses to hosts and build
//! those that changed, choose certificates, resolve backends, gather reports. Pods change all the time and touch only the
//! third. Everything large is kept in maps that share what they have in common, so that a change costs what it changes.

mod aliases;
mod attach;
mod backends;
mod candidate;
mod certificates;
mod class;
mod host;
mod outcomes;
mod plan;
mod registry;
mod traffic;

use std::fmt;
use std::sync::Arc;

use crate::model::certificate::Certificate;
use crate::model::map::Map;
use crate::model::route::{Host, Ingress};
use crate::model::selector::Selector;
use crate::model::{Key, Name, ObjectRef, Place, Report, Snapshot};
use crate::routing::{RoutingTable, Tables};
use attach::Attached;
use backends::{Backends, Former};
use certificates::Chosen;
use host::HostBuild;

/// What the operator chose about compiling.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which Ingresses are ours.
    pub class: ClassOptions,
    /// `--default-backend-service`: answers what no rule matches; its first port.
    pub default_backend: Option<Key>,
    /// `--default-ssl-certificate`: the Secret for hosts without a certificate of their own.
    pub default_certificate: Option<Key>,
    /// The self-signed certificate for when there is no other.
    pub fallback_certificate: Option<Arc<Certificate>>,
    /// `--watch-namespace`: Ingresses of other namespaces are not ours.
    pub watch_namespace: Option<Name>,
    /// `--watch-namespace-selector`: Ingresses of namespaces without these labels are not ours.
    pub namespace_selector: Option<Selector>,
    /// `--disable-catch-all`: an Ingress of nothing but a default backend is refused.
    pub disable_catch_all: bool,
    /// `--disable-svc-external-name`: ExternalName Services answer 503.
    pub disable_external_name: bool,
}

/// Which Ingresses are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassOptions {
    /// `--ingress-class`: the value of the annotation `kubernetes.io/ingress.class`.
    pub ingress_class: Name,
    /// `--controller-class`: `spec.controller` of our IngressClasses.
    pub controller: Name,
    /// `--watch-ingress-without-class`.
    pub watch_without_class: bool,
    /// `--ingress-class-by-name`: `spec.ingressClassName` may be `ingress_class` without such an object.
    pub by_name: bool,
    /// Everything is ours while there is no IngressClass object at all (for directories).
    pub take_all_without_classes: bool,
}

impl Default for ClassOptions {
    fn default() -> Self {
        Self {
            ingress_class: "nginx".into(),
            controller: "k8s.io/ingress-nginx".into(),
            watch_without_class: false,
            by_name: false,
            take_all_without_classes: false,
        }
    }
}

/// What a compile gives.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What the data threads read.
    pub tables: Arc<Tables>,
    /// What to tell the owners of objects, sorted: of the sources, of translation and of compiling.
    pub reports: Arc<Vec<Report>>,
    /// How large it is.
    pub size: Size,
    state: Arc<State>,
}

/// How large the configuration in force is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Hosts with rules.
    pub hosts: usize,
    /// Rules, over all hosts.
    pub routes: usize,
    /// Pairs of Service and port.
    pub backends: usize,
    /// Targets, over all backends.
    pub endpoints: usize,
}

impl Compiled {
    /// What was compiled.
    pub fn snapshot(&self) -> &Snapshot {
        &self.state.snapshot
    }

    /// Whether an Ingress is of a class that is ours, served or not.
    pub fn is_ours(&self, ingress: &Key) -> bool {
        let other = self.state.attached.others.get(ingress);
        self.state.snapshot.ingresses.get(ingress).is_some()
            && other.is_none_or(|other| other.verdict != Verdict::NotOurs)
    }

    /// The reports about one object, sorted.
    pub fn reports_of(&self, object: &ObjectRef) -> &[Report] {
        outcomes::of(object, &self.reports)
    }

    /// What became of each Ingress and each certificate, sorted. Looks at every one of them.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let State { snapshot, attached, chosen, .. } = &*self.state;
        outcomes::outcomes(snapshot, attached, chosen, &self.reports)
    }
}

/// What the next compile reuses.
struct State {
    snapshot: Snapshot,
    options: Options,
    compiled_at: i64,
    attached: Arc<Attached>,
    chosen: Arc<Chosen>,
    backends: Arc<Backends>,
    /// Every report but those about backends.
    base: Arc<Vec<Report>>,
    /// The hosts that use a backend without targets.
    troubled: Map<Host, Arc<HostBuild>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("compiled_at", &self.compiled_at).finish_non_exhaustive()
    }
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// An Ingress, or a Secret that is a certificate.
    pub object: ObjectRef,
    /// Where it was read, when from a file.
    pub place: Option<Place>,
    /// The verdict.
    pub verdict: Verdict,
    /// How many routes an Ingress has in force; of a Secret, how many hosts use it.
    pub routes: usize,
    /// For people: the class, or a certificate's names and end.
    pub note: String,
}

/// Whether an object is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// All of it is in force.
    Served,
    /// Some of it is ignored or refused; the reports say what.
    ServedInPart,
    /// Nothing of it is in force.
    Refused,
    /// Another controller's, or not used.
    NotOurs,
}

/// Compiles a snapshot. `now` (seconds since the epoch) decides which certificates are expired. What did not change
/// since `previous` is shared with it; options that changed make everything new.
pub fn compile(snapshot: &Snapshot, options: &Options, now: i64, previous: Option<&Compiled>) -> Compiled {
    let former = previous.map(|previous| &*previous.state).filter(|former| former.options.same(options));
    let attached = attach(snapshot, options, former);
    let chosen = choose(snapshot, &attached, options, now, former);
    let backends = resolve(snapshot, &attached, options, former);
    let base = base(snapshot, &attached, &chosen, former);
    let troubled = troubled(&attached, &backends, former);
    let state = State {
        snapshot: snapshot.clone(),
        options: options.clone(),
        compiled_at: now,
        attached,
        chosen,
        backends,
        base,
        troubled,
    };
    let kept = previous.zip(former);
    let reports = reports(&state, kept);
    let tables = tables(&state, kept);
    let (hosts, routes) = state.attached.size;
    let (backends, endpoints) = (state.attached.registry.used(), state.backends.targets);
    let size = Size { hosts, routes, backends, endpoints };
    Compiled { tables, reports, size, state: Arc::new(state) }
}

/// Whether an Ingress would be ours, served or not: by its name, its class and nothing else.
pub fn is_ours(ingress: &Ingress, snapshot: &Snapshot, options: &Options) -> bool {
    class::is_ours(ingress, snapshot, options)
}

type Kept<'a> = Option<(&'a Compiled, &'a State)>;

fn attach(snapshot: &Snapshot, options: &Options, former: Option<&State>) -> Arc<Attached> {
    let same = |former: &&State| {
        former.snapshot.ingresses.is_same(&snapshot.ingresses)
            && same_choice(&former.snapshot, snapshot, options)
            && former.snapshot.settings == snapshot.settings
    };
    match former.filter(same) {
        Some(former) => former.attached.clone(),
        None => Arc::new(attach::attach(snapshot, options, former)),
    }
}

/// Whether what chooses the Ingresses that are ours is the same.
fn same_choice(former: &Snapshot, snapshot: &Snapshot, options: &Options) -> bool {
    let same_labels = || former.namespaces.is_same(&snapshot.namespaces);
    former.classes.is_same(&snapshot.classes) && (options.namespace_selector.is_none() || same_labels())
}

fn choose(
    snapshot: &Snapshot,
    attached: &Arc<Attached>,
    options: &Options,
    now: i64,
    former: Option<&State>,
) -> Arc<Chosen> {
    let same = |former: &&State| {
        former.attached.same_names(attached)
            && former.snapshot.secrets.is_same(&snapshot.secrets)
            && (former.compiled_at..former.chosen.good_until).contains(&now)
    };
    match former.filter(same) {
        Some(former) => former.chosen.clone(),
        None => Arc::new(certificates::choose(snapshot, attached, options, now)),
    }
}

fn resolve(
    snapshot: &Snapshot,
    attached: &Attached,
    options: &Options,
    former: Option<&State>,
) -> Arc<Backends> {
    let former = former.map(|former| Former {
        snapshot: &former.snapshot,
        registry: &former.attached.registry,
        backends: &former.backends,
    });
    backends::resolve(snapshot, &attached.registry, !options.disable_external_name, former.as_ref())
}

fn base(
    snapshot: &Snapshot,
    attached: &Arc<Attached>,
    chosen: &Arc<Chosen>,
    former: Option<&State>,
) -> Arc<Vec<Report>> {
    let same = |former: &&State| {
        Arc::ptr_eq(&former.attached.told, &attached.told)
            && Arc::ptr_eq(&former.chosen, chosen)
            && Arc::ptr_eq(&former.snapshot.reports, &snapshot.reports)
    };
    match former.filter(same) {
        Some(former) => former.base.clone(),
        None => Arc::new(outcomes::reports(snapshot, &attached.told, chosen)),
    }
}

fn reports(state: &State, kept: Kept<'_>) -> Arc<Vec<Report>> {
    let same = |(_, former): &(&Compiled, &State)| {
        Arc::ptr_eq(&former.base, &state.base)
            && former.troubled.is_same(&state.troubled)
            && Arc::ptr_eq(&former.backends.states, &state.backends.states)
    };
    if let Some((previous, _)) = kept.filter(same) {
        return previous.reports.clone();
    }
    let of_backends =
        outcomes::backend_reports(&state.attached, &state.troubled, &state.backends, &state.options);
    if of_backends.is_empty() {
        return state.base.clone();
    }
    Arc::new(outcomes::merge(&state.base, &of_backends))
}

fn troubled(
    attached: &Arc<Attached>,
    backends: &Backends,
    former: Option<&State>,
) -> Map<Host, Arc<HostBuild>> {
    let former = former.map(|former| (&*former.attached, &former.troubled));
    outcomes::troubled(attached, backends, former)
}

fn tables(state: &State, kept: Kept<'_>) -> Arc<Tables> {
    let same_routes = |(_, former): &(&Compiled, &State)| {
        Arc::ptr_eq(&former.attached.hosts, &state.attached.hosts)
            && Arc::ptr_eq(&former.chosen, &state.chosen)
            && Arc::ptr_eq(&former.snapshot.settings, &state.snapshot.settings)
    };
    let routes = match kept.filter(same_routes) {
        Some((previous, _)) => previous.tables.routes.clone(),
        None => Arc::new(RoutingTable::new(
            state.attached.hosts.clone(),
            state.chosen.certificates.clone(),
            state.snapshot.settings.clone(),
        )),
    };
    let endpoints = state.backends.table.clone();
    match kept {
        Some((previous, _))
            if Arc::ptr_eq(&previous.tables.routes, &routes)
                && Arc::ptr_eq(&previous.tables.endpoints, &endpoints) =>
        {
            previous.tables.clone()
        }
        _ => Arc::new(Tables { routes, endpoints }),
    }
}

impl Options {
    fn same(&self, other: &Self) -> bool {
        let certificate = |options: &Self| options.fallback_certificate.as_ref().map(Arc::as_ptr);
        self.class == other.class
            && self.default_backend == other.default_backend
            && self.default_certificate == other.default_certificate
            && certificate(self) == certificate(other)
            && self.watch_namespace == other.watch_namespace
            && self.namespace_selector == other.namespace_selector
            && self.disable_catch_all == other.disable_catch_all
            && self.disable_external_name == other.disable_external_name
    }
}

#[cfg(test)]
mod tests;
