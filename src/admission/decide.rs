//! Whether an Ingress may become part of the cluster.
//!
//! The snapshot in force is compiled with the object put in, by the very functions that serve it; nothing is rendered,
//! run, stored or published. What is new among the errors decides: an object that was wrong before may still be changed.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::review::Request;
use super::{Rules, change, paths, text};
use crate::compile::{self, Compiled};
use crate::model::route::Ingress;
use crate::model::{Key, Report, Severity};
use crate::translate::{self, Submitted};

/// What is answered.
pub(super) enum Decision {
    /// It may.
    Allowed(Allowance),
    /// It may not.
    Refused(Refusal),
}

/// How an object passes.
#[derive(Default)]
pub(super) struct Allowance {
    /// What its owner should know.
    pub(super) warnings: Vec<String>,
    /// What will be in force, where that is decided by what else is.
    pub(super) ingress: Option<Arc<Ingress>>,
}

/// Why an object is refused.
pub(super) struct Refusal {
    /// For people: every error with its field.
    pub(super) message: String,
    /// For the log: the reasons only, which hold nothing of the object.
    pub(super) reasons: Vec<&'static str>,
}

/// An object of more parts than this is not looked at, which bounds the memory and the time that it can take. A path has
/// about eight.
const PARTS: usize = 100_000;

/// The same for regular expressions, each of which may take a megabyte.
const EXPRESSIONS: usize = 1000;

/// Errors that an owner can live with: the rest of the object is served, as ingress-nginx would.
const TOLERATED: &[&str] = &["CanaryNotServed", "RepeatedPath"];

/// What is not told, since it is not about the object: a Secret is perhaps made later or not read before it is named, and
/// pods come and go.
const UNTOLD: &[&str] = &["SecretNotFound", "NoEndpoints"];

/// Decides. The error says what the request lacks.
pub(super) fn decide(
    request: &Request<'_>,
    current: &Compiled,
    rules: &Rules,
    now: i64,
) -> Result<Decision, &'static str> {
    let changes =
        matches!(request.operation.as_str(), "CREATE" | "UPDATE") && request.sub_resource.is_empty();
    if !changes || !request.kind.is_ingress() {
        return Ok(allowed());
    }
    let Some(object) = request.object else { return Err("the AdmissionReview's request has no object") };
    let key = Key::new(request.namespace.as_str(), request.name.as_str());
    let head = translate::ingress_head_json(object.get(), &key);
    if head.is_some_and(|head| !compile::is_ours(&head, current.snapshot(), &rules.compile)) {
        return Ok(allowed());
    }
    let read = |text: &str| translate::ingress_json(text, &key, &rules.translate);
    let old = request.old_object.map(RawValue::get);
    if is_too_large(object.get()) {
        return Ok(too_large(old.is_some_and(is_too_large)));
    }
    let Submitted { mut ingress, deleting } = match read(object.get()) {
        Ok(submitted) => submitted,
        Err(report) => return Ok(refused(&[(report.reason, text::line(&report))])),
    };
    if deleting {
        return Ok(allowed());
    }
    // The API server has given it a time already, in whole seconds.
    if request.operation == "CREATE" {
        ingress.created = None;
    }
    let old = old.and_then(|old| read(old).ok()).map(|old| old.ingress);
    if old.as_ref() == Some(&ingress) {
        return Ok(allowed()); // whatever changed is nothing that is looked at
    }
    if has_many_expressions(&ingress) {
        return Ok(too_large(old.as_ref().is_some_and(has_many_expressions)));
    }
    Ok(Change { old: old.map(Arc::new), new: Arc::new(ingress) }.decide(current, rules, now))
}

/// An Ingress before and after.
struct Change {
    old: Option<Arc<Ingress>>,
    new: Arc<Ingress>,
}

impl Change {
    fn decide(self, current: &Compiled, rules: &Rules, now: i64) -> Decision {
        let key = &self.new.object.key;
        let compile_with = |ingress: Option<&Arc<Ingress>>| {
            let mut snapshot = current.snapshot().clone();
            snapshot.ingresses.set(key.clone(), ingress.cloned());
            compile::compile(&snapshot, &rules.compile, now, Some(current))
        };
        let after = compile_with(Some(&self.new));
        // What is in force may be behind the API server, or ahead of it.
        let in_force = current.snapshot().ingresses.get(key);
        let before =
            if in_force == self.old.as_ref() { current.clone() } else { compile_with(self.old.as_ref()) };
        self.compare(&before, &after)
    }

    fn compare(&self, before: &Compiled, after: &Compiled) -> Decision {
        let object = &self.new.object;
        let old = self.old.as_ref().filter(|_| before.is_ours(&object.key));
        let known = old.map(|old| told(old, before)).unwrap_or_default();
        let now = told(&self.new, after);
        let (new, mut rest) = change::own(&now, &known);
        let (refusing, tolerated): (Vec<_>, Vec<_>) = new
            .into_iter()
            .partition(|report| report.severity == Severity::Error && !TOLERATED.contains(&report.reason));
        let mut refusals: Vec<_> =
            refusing.iter().map(|report| (report.reason, text::line(report))).collect();
        let taken = change::others(after, before, object);
        refusals.extend(
            taken.iter().map(|report| (report.reason, text::of_another(report, after.snapshot(), &self.new))),
        );
        if !refusals.is_empty() {
            return refused(&refusals);
        }
        rest.extend(tolerated);
        rest.retain(|report| !UNTOLD.contains(&report.reason));
        rest.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        let warnings = text::warnings(rest.iter().map(|report| text::line(report)));
        Decision::Allowed(Allowance { warnings, ingress: Some(self.new.clone()) })
    }
}

/// All there is to say about an Ingress.
fn told(ingress: &Ingress, compiled: &Compiled) -> Vec<Report> {
    let mut reports = compiled.reports_of(&ingress.object).to_vec();
    if compiled.snapshot().settings.strict_path_type {
        reports.extend(paths::reports(ingress));
    }
    reports
}

fn allowed() -> Decision {
    Decision::Allowed(Allowance::default())
}

fn refused(refusals: &[(&'static str, String)]) -> Decision {
    let mut reasons: Vec<_> = refusals.iter().map(|(reason, _)| *reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let message = text::message(refusals.iter().map(|(_, line)| line.as_str()));
    Decision::Refused(Refusal { message, reasons })
}

/// Whether reading it would take too much. Counts what begins a part, in texts as well.
fn is_too_large(object: &str) -> bool {
    object.bytes().filter(|byte| b"{[,".contains(byte)).count() > PARTS
}

fn has_many_expressions(ingress: &Ingress) -> bool {
    let policy = &ingress.policy;
    let paths = ingress.rules.iter().map(|rule| rule.paths.len()).sum();
    let of_paths = if policy.use_regex || policy.rewrite_target.is_some() { paths } else { 0 };
    of_paths + policy.server_aliases.len() > EXPRESSIONS
}

fn too_large(was: bool) -> Decision {
    if was {
        let message = "the Ingress is too large to be checked: split it";
        return Decision::Allowed(Allowance { warnings: vec![message.into()], ingress: None });
    }
    refused(&[(
        "TooLarge",
        "the Ingress is too large to be checked, which is needed to serve it: split it".into(),
    )])
}
