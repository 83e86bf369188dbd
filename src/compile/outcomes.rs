//! What to tell the owners of objects: reports about backends, and a verdict for every Ingress and certificate.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;
use time::OffsetDateTime;

use super::attach::{Attached, Told};
use super::backends::{self, Backends, State};
use super::candidate::Field;
use super::certificates::Chosen;
use super::class::class_note;
use super::host::{HostBuild, Use};
use super::registry::BackendKey;
use super::{Options, Outcome, Verdict};
use crate::model::certificate::{Certificate, CertificateError, Secret};
use crate::model::map::Map;
use crate::model::route::{Host, Ingress};
use crate::model::{Key, Kind, ObjectRef, Origin, Report, Severity, Snapshot};
use crate::routing::BackendId;

/// The reason that says nothing against an Ingress: its pods come and go.
const NO_ENDPOINTS: &str = "NoEndpoints";
/// Another one: an Ingress written in an old form is in force as a whole.
const OLD_FORM: &str = "OldApiVersion";

/// Every report but those about backends, sorted.
pub(super) fn reports(snapshot: &Snapshot, told: &Told, chosen: &Chosen) -> Vec<Report> {
    let mut reports = (*snapshot.reports).clone();
    reports.extend(told.reports().cloned());
    reports.extend(chosen.reports.iter().cloned());
    reports.sort();
    reports.dedup();
    reports
}

/// The hosts that use a backend without targets.
pub(super) fn troubled(
    attached: &Attached,
    backends: &Backends,
    former: Option<(&Attached, &Map<Host, Arc<HostBuild>>)>,
) -> Map<Host, Arc<HostBuild>> {
    if backends.states.iter().all(|state| *state == State::Fine) {
        return Map::default();
    }
    let in_trouble = |build: &&Arc<HostBuild>| {
        build.uses.iter().any(|used| backends::state(&backends.states, used.backend) != State::Fine)
    };
    // A backend that was there before turned: which hosts use it is not noted anywhere.
    let Some((former, known)) = former.filter(|_| !backends.flipped) else {
        let builds = attached.builds.iter().filter(|(_, build)| in_trouble(build));
        return builds.map(|(host, build)| (host.clone(), build.clone())).collect();
    };
    let mut troubled = known.clone();
    for host in attached.builds.changes(&former.builds, Arc::ptr_eq) {
        troubled.set(host.clone(), attached.builds.get(host).filter(in_trouble).cloned());
    }
    troubled
}

/// Reports about backends without targets, one for each Ingress and backend, sorted.
pub(super) fn backend_reports(
    attached: &Attached,
    troubled: &Map<Host, Arc<HostBuild>>,
    backends: &Backends,
    options: &Options,
) -> Vec<Report> {
    let mut first: BTreeMap<(&ObjectRef, BackendId), &Use> = BTreeMap::new();
    for used in troubled.values().flat_map(|build| &build.uses) {
        if backends::state(&backends.states, used.backend) != State::Fine {
            let told = first.entry((&used.ingress.object, used.backend)).or_insert(used);
            if used.field < told.field {
                *told = used;
            }
        }
    }
    let mut reports: Vec<Report> = Vec::with_capacity(first.len());
    for ((_, backend), used) in first {
        let state = backends::state(&backends.states, backend);
        reports.extend(
            attached.registry.slot(backend).map(|slot| backend_report(used, &slot.key, state, backends)),
        );
    }
    reports.extend(default_backend_report(attached, backends, options));
    reports.sort();
    reports
}

fn backend_report(used: &Use, key: &BackendKey, state: State, backends: &Backends) -> Report {
    let (reason, what) = problem(key, state);
    let fine = |id: BackendId| backends::state(&backends.states, id) == State::Fine;
    let effect = match used.field {
        Field::Annotation => "there is nothing to fall back to",
        _ if used.fallback.is_some_and(fine) => "annotation default-backend answers",
        Field::Default => "the default backend answers 503",
        Field::Path(..) => "the path answers 503",
    };
    let part = if state == State::NoPort { "port" } else { "name" };
    let report = Report::new(&used.ingress.object, Severity::Warning, reason, what.replace("EFFECT", effect));
    report.at(used.field.path(&used.ingress, part), used.ingress.origin.as_ref())
}

fn default_backend_report(attached: &Attached, backends: &Backends, options: &Options) -> Option<Report> {
    let service = options.default_backend.as_ref()?;
    let mut slots = attached.registry.of_service(service).iter();
    let id = slots.find(|&&id| attached.registry.slot(id).is_some_and(|slot| slot.key.port.is_none()))?;
    let state = backends::state(&backends.states, *id);
    let slot = attached.registry.slot(*id).filter(|_| state != State::Fine)?;
    let (reason, what) = problem(&slot.key, state);
    let object = ObjectRef { kind: Kind::Service, key: service.clone() };
    let effect = "what no rule matches is answered with 503 (--default-backend-service)";
    Some(Report::new(&object, Severity::Warning, reason, what.replace("EFFECT", effect)))
}

/// The reason, and the message with `EFFECT` where the effect belongs.
fn problem(key: &BackendKey, state: State) -> (&'static str, String) {
    let service = &key.service;
    match state {
        State::NoService => (
            "ServiceNotFound",
            format!("Service {service} does not exist, EFFECT: create it or name another"),
        ),
        State::NoPort => {
            let port = key.port.as_ref().map_or_else(|| "TCP port".into(), |port| format!("TCP port {port}"));
            ("PortNotFound", format!("Service {service} has no {port}, EFFECT: name one of its ports"))
        }
        State::ExternalNameDisabled => (
            "ExternalNameDisabled",
            format!(
                "Service {service} is an ExternalName, which --disable-svc-external-name forbids, EFFECT"
            ),
        ),
        State::NoEndpoints | State::Fine => (
            NO_ENDPOINTS,
            format!(
                "Service {service} has no ready endpoints, EFFECT: check that its pods run and are ready"
            ),
        ),
    }
}

/// Two sorted lists as one.
pub(super) fn merge(a: &[Report], b: &[Report]) -> Vec<Report> {
    let mut all: Vec<Report> = a.iter().chain(b).cloned().collect();
    all.sort(); // two sorted runs: one pass
    all
}

/// The verdicts, sorted by object. `reports` are all, sorted.
pub(super) fn outcomes(
    snapshot: &Snapshot,
    attached: &Attached,
    chosen: &Chosen,
    reports: &[Report],
) -> Vec<Outcome> {
    let mut routes: HashMap<*const Ingress, usize, FixedState> = HashMap::default();
    for build in attached.builds.values() {
        for (ingress, owned) in build.plan.ingresses.iter().zip(&build.owned) {
            *routes.entry(Arc::as_ptr(ingress)).or_default() += *owned as usize;
        }
    }
    let mut outcomes = Vec::with_capacity(snapshot.ingresses.len() + snapshot.secrets.len());
    let ours = |(key, _): &(&Key, &Arc<Ingress>)| !attached.others.contains_key(*key);
    for (_, ingress) in snapshot.ingresses.iter().filter(ours) {
        let routes = routes.get(&Arc::as_ptr(ingress)).copied().unwrap_or_default();
        let verdict = verdict(ingress, routes, reports);
        outcomes.push(outcome(
            &ingress.object,
            ingress.origin.as_ref(),
            verdict,
            routes,
            class_note(ingress),
        ));
    }
    for other in attached.others.values() {
        let origin = other.ingress.origin.as_ref();
        outcomes.push(outcome(&other.ingress.object, origin, other.verdict, 0, other.note.clone()));
    }
    // What may not be read is told to who names it, and nothing is known that could be judged.
    let read = |secret: &&Arc<Secret>| !matches!(secret.certificate, Err(CertificateError::Forbidden));
    let secrets = snapshot.secrets.values().filter(read);
    outcomes.extend(secrets.map(|secret| secret_outcome(secret, chosen, reports)));
    outcomes.sort_by(|a, b| a.object.cmp(&b.object));
    outcomes
}

fn outcome(
    object: &ObjectRef,
    origin: Option<&Arc<Origin>>,
    verdict: Verdict,
    routes: usize,
    note: String,
) -> Outcome {
    let place = origin.map(|origin| origin.locate(None));
    Outcome { object: object.clone(), place, verdict, routes, note }
}

fn verdict(ingress: &Ingress, routes: usize, reports: &[Report]) -> Verdict {
    let told = of(&ingress.object, reports);
    let asks_for_routes = !ingress.rules.is_empty() || ingress.default_backend.is_some();
    let harmless = |report: &Report| [NO_ENDPOINTS, OLD_FORM].contains(&report.reason);
    let complaint = |report: &Report| report.severity > Severity::Note && !harmless(report);
    let refused = |report: &Report| report.severity == Severity::Error;
    match () {
        () if routes == 0 && (told.iter().any(refused) || !asks_for_routes) => Verdict::Refused,
        () if ingress.policy.denied.is_some() => Verdict::Refused,
        () if told.iter().any(complaint) => Verdict::ServedInPart,
        () => Verdict::Served,
    }
}

fn secret_outcome(secret: &Secret, chosen: &Chosen, reports: &[Report]) -> Outcome {
    let uses = chosen.uses.get(&secret.object.key).copied();
    let refused = chosen.refused.contains(&secret.object.key);
    let (verdict, note) = match (&secret.certificate, uses) {
        (Ok(certificate), Some(_)) => {
            let complaint = of(&secret.object, reports).iter().any(|r| r.severity > Severity::Note);
            (if complaint { Verdict::ServedInPart } else { Verdict::Served }, describe(certificate))
        }
        (Ok(certificate), None) if refused => (Verdict::Refused, describe(certificate)),
        (Ok(certificate), None) => (Verdict::NotOurs, format!("not in use: {}", describe(certificate))),
        // Secrets of other kinds have no certificate at all.
        (Err(error @ CertificateError::Missing(_)), _) if !refused => (Verdict::NotOurs, error.to_string()),
        (Err(error), _) => (Verdict::Refused, error.to_string()),
    };
    outcome(&secret.object, secret.origin.as_ref(), verdict, uses.unwrap_or_default(), note)
}

fn describe(certificate: &Certificate) -> String {
    let names: Vec<_> = certificate.names.iter().map(ToString::to_string).collect();
    let end = OffsetDateTime::from_unix_timestamp(certificate.not_after);
    let end = end.map_or_else(|_| "the end of time".to_owned(), |end| end.date().to_string());
    format!("{} for {} until {end}", certificate.algorithm, names.join(", "))
}

/// The reports about one object, of a sorted list.
pub(super) fn of<'r>(object: &ObjectRef, reports: &'r [Report]) -> &'r [Report] {
    let start = reports.partition_point(|report| report.object < *object);
    let end = start + reports[start..].partition_point(|report| report.object == *object);
    &reports[start..end]
}
