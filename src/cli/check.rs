//! `slipway check`: what would be served, what is ignored and why.

mod json;
mod text;

use std::collections::BTreeMap;

use super::input::{self, Input};
use super::{FINE, NOT_FINE, UNUSABLE, print};
use crate::compile::{Outcome, Verdict};
use crate::config::Rules;
use crate::config::flags::{CheckFlags, Output};
use crate::model::{ObjectRef, Report, Severity};

/// Runs the command. The exit code is 1 when something is refused.
pub(super) fn run(flags: CheckFlags) -> u8 {
    let rules = Rules::from(flags.rules);
    let input = if flags.cluster {
        input::read_cluster(flags.kubeconfig.as_deref(), &rules)
    } else {
        input::read(&flags.path, &rules)
    };
    let input = match input {
        Ok(input) => input,
        Err(message) => return print::error(&message, UNUSABLE),
    };
    if input.files == Some(0) {
        let message = format!("{} holds no YAML or JSON file: name the directory that does", input.name);
        return print::error(&message, UNUSABLE);
    }
    let findings = Findings::of(&input);
    match flags.output {
        Output::Json => print::out(&json::render(&findings)),
        Output::Text => print::out(&text::render(&findings, print::to_terminal())),
    }
    if findings.refused() { NOT_FINE } else { FINE }
}

/// What there is to say, in the order it is said.
struct Findings<'a> {
    input: &'a Input,
    /// Each Ingress and certificate, with the reports about it.
    judged: Vec<(Outcome, Vec<&'a Report>)>,
    /// Reports about anything else: files, Services, settings.
    others: Vec<&'a Report>,
}

impl<'a> Findings<'a> {
    fn of(input: &'a Input) -> Self {
        let mut by_object: BTreeMap<&ObjectRef, Vec<&Report>> = BTreeMap::new();
        for report in input.compiled.reports.iter() {
            by_object.entry(&report.object).or_default().push(report);
        }
        let judge = |outcome: Outcome| {
            let mut reports = by_object.remove(&outcome.object).unwrap_or_default();
            reports.sort_by(|a, b| (&a.place, b.severity, a).cmp(&(&b.place, a.severity, b)));
            (outcome, reports)
        };
        let judged = input.compiled.outcomes().into_iter().map(judge).collect();
        Self { input, judged, others: by_object.into_values().flatten().collect() }
    }

    /// Whether something is refused: an object, a part of one, or a document that cannot be read.
    fn refused(&self) -> bool {
        let error = |report: &Report| report.severity == Severity::Error;
        self.input.compiled.reports.iter().any(error)
            || self.judged.iter().any(|(outcome, _)| outcome.verdict == Verdict::Refused)
    }

    /// How many objects have this verdict.
    fn count(&self, verdict: Verdict) -> usize {
        self.judged.iter().filter(|(outcome, _)| outcome.verdict == verdict).count()
    }
}

/// How a verdict is written.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Served => "served",
        Verdict::ServedInPart => "served in part",
        Verdict::Refused => "refused",
        Verdict::NotOurs => "not ours",
    }
}
