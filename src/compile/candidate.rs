//! The paths that Ingresses want on a host, the fields they come from, and what to say when one loses.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::plan::HostPlan;
use crate::model::route::{Host, Ingress, Path, PathKind, Rule};
use crate::model::{Name, Report, Severity};

/// A path of one of the plan's Ingresses.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'p> {
    /// Index in the plan's Ingresses.
    pub(super) of: usize,
    pub(super) ingress: &'p Arc<Ingress>,
    pub(super) rule: &'p Rule,
    pub(super) path: &'p Path,
}

impl Candidate<'_> {
    pub(super) fn is_exact(&self) -> bool {
        self.path.kind == PathKind::Exact
    }

    pub(super) fn field(&self) -> String {
        format!("spec.rules[{}].http.paths[{}].path", self.rule.index, self.path.index)
    }
}

/// A field that names a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    /// A path: indexes of rule and path.
    Path(usize, usize),
    /// `spec.defaultBackend`.
    Default,
    /// Annotation `default-backend`.
    Annotation,
}

impl Field {
    /// The path of the field's part, `name` or `port`, for reports.
    pub(super) fn path(self, ingress: &Ingress, part: &str) -> String {
        match self {
            Self::Path(rule, path) => format!("spec.rules[{rule}].http.paths[{path}].backend.service.{part}"),
            Self::Default => format!("spec.defaultBackend.service.{part}"),
            Self::Annotation => annotation_field(ingress, "default-backend"),
        }
    }
}

/// Gives `take` every path of the plan, in the order of its Ingresses.
pub(super) fn each<'p>(plan: &'p HostPlan, rules: &mut Rules, mut take: impl FnMut(Candidate<'p>)) {
    for (of, ingress) in plan.ingresses.iter().enumerate() {
        let mut take = |rule: &'p Rule| {
            rule.paths.iter().for_each(|path| take(Candidate { of, ingress, rule, path }));
        };
        if ingress.rules.len() <= MANY {
            ingress.rules.iter().filter(|rule| rule.host == plan.host).for_each(take);
        } else {
            rules.of(ingress, &plan.host).iter().for_each(|&at| take(&ingress.rules[at]));
        }
    }
}

/// An Ingress of more rules than this is looked through once, not once for each of its hosts.
const MANY: usize = 32;

/// Where the rules for each host stand in Ingresses of many rules.
#[derive(Default)]
pub(super) struct Rules {
    places: HashMap<*const Ingress, HashMap<Host, Vec<usize>, FixedState>, FixedState>,
}

impl Rules {
    fn of(&mut self, ingress: &Arc<Ingress>, host: &Host) -> &[usize] {
        let places = self.places.entry(Arc::as_ptr(ingress)).or_insert_with(|| {
            let mut places: HashMap<Host, Vec<usize>, FixedState> = HashMap::default();
            for (at, rule) in ingress.rules.iter().enumerate() {
                places.entry(rule.host.clone()).or_default().push(at);
            }
            places
        });
        places.get(host).map_or(&[], Vec::as_slice)
    }
}

/// A path that an older rule has taken.
pub(super) fn duplicate(host: &Host, loser: &Candidate<'_>, winner: &Candidate<'_>) -> Report {
    let path = &loser.path;
    let (reason, whose) = if Arc::ptr_eq(loser.ingress, winner.ingress) {
        ("RepeatedPath", "an earlier path of this Ingress".to_owned())
    } else {
        ("DuplicatePath", format!("Ingress {}, which is older", winner.ingress.object.key))
    };
    let message = format!(
        "host {host} path {} ({}) already belongs to {whose}; this one is not served: remove one of the two",
        path.path, path.kind
    );
    let report = Report::new(&loser.ingress.object, Severity::Error, reason, message);
    report.at(loser.field(), loser.ingress.origin.as_ref())
}

/// A backend that is no Service.
pub(super) fn resource(ingress: &Ingress, what: &Name, field: Field) -> Report {
    let message = format!("backend resource {what} is not a Service and answers 404: name a Service instead");
    let field = field.path(ingress, "").replace("service.", "resource");
    Report::new(&ingress.object, Severity::Warning, "ResourceBackend", message)
        .at(field, ingress.origin.as_ref())
}

/// The field of an annotation, by its name without the prefix. The prefix is the operator's choice and known from the
/// file; without one the report names the annotations as a whole.
pub(super) fn annotation_field(ingress: &Ingress, name: &str) -> String {
    let is_it = |field: &str| {
        let key = field.strip_prefix(ANNOTATIONS).and_then(|key| key.strip_prefix('.'));
        key.and_then(|key| key.rsplit_once('/')).is_some_and(|(_, last)| last == name)
    };
    let fields = ingress.origin.iter().flat_map(|origin| &origin.fields);
    let found = fields.map(|(field, ..)| field).find(|field| is_it(field));
    found.map_or_else(|| ANNOTATIONS.to_owned(), ToString::to_string)
}

const ANNOTATIONS: &str = "metadata.annotations";

/// A setting for the whole host that an older Ingress has made already.
pub(super) fn host_wide(host: &Host, annotation: &str, ingress: &Ingress, older: &Ingress) -> Report {
    let message = format!(
        "{annotation} counts for the whole host {host}, where Ingress {} is older and decides; this one is ignored: \
         set it there",
        older.object.key
    );
    let report = Report::new(&ingress.object, Severity::Warning, "HostSettingIgnored", message);
    report.at(annotation_field(ingress, annotation), ingress.origin.as_ref())
}
