//! An explanation for people.

use std::fmt::Write;

use crate::cli::print::{BAD, CODE, DIM, GOOD, STRONG, styled};
use crate::dns::explain::{Answer, Explanation, Outcome, Step};

/// More records than this are counted.
const RECORDS: usize = 12;

pub(super) fn render(explanation: &Explanation) -> String {
    let mut out = String::new();
    let asked = format!("{} {}", explanation.name, explanation.types.join(" "));
    let _ = writeln!(out, "{} from {}", styled(STRONG, &asked), from(explanation)); // writing to a String cannot fail
    if !explanation.search.is_empty() {
        let path: Vec<&str> = explanation.search.iter().map(|name| name.trim_end_matches('.')).collect();
        let _ = writeln!(
            out,
            "{}",
            styled(DIM, &format!("search {}, ndots:{}", path.join(" "), explanation.ndots))
        );
    }
    out.push('\n');
    let width = explanation.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for (at, step) in explanation.steps.iter().enumerate() {
        lookup(&mut out, at + 1, step, width);
    }
    out.push('\n');
    let (style, head) = if explanation.resolved { (GOOD, "resolves") } else { (BAD, "fails") };
    let _ = writeln!(out, "{} {}", styled(style, &format!("{head:<9}")), explanation.result.join(", "));
    let _ = writeln!(out, "{} {}", styled(STRONG, "why      "), explanation.why);
    for note in &explanation.notes {
        let _ = writeln!(out, "{} {note}", styled(STRONG, "note     "));
    }
    out
}

fn from(explanation: &Explanation) -> String {
    let address = explanation.client.as_ref().map(|address| format!(" ({address})")).unwrap_or_default();
    match explanation.from.split_once('/') {
        Some(_) => format!("pod {}{address}", explanation.from),
        None => format!("a pod of namespace {}", explanation.from),
    }
}

/// A step: `1. web.shop.svc.cluster.local.  →  A 10.96.0.1`.
fn lookup(out: &mut String, number: usize, step: &Step, width: usize) {
    let groups = grouped(step);
    for (at, (kinds, answer)) in groups.iter().enumerate() {
        let head =
            if at == 0 { format!("{number:>2}. {:<width$}", step.name) } else { " ".repeat(width + 4) };
        let (style, word) = match answer.outcome {
            Outcome::Found => (GOOD, "found"),
            Outcome::NoData => (DIM, "nothing of this type"),
            Outcome::NoName if answer.rcode.is_empty() => (DIM, "no such name"),
            Outcome::NoName => (DIM, answer.rcode.as_str()),
            Outcome::Failed if answer.rcode.is_empty() => (BAD, "no reply"),
            Outcome::Failed | Outcome::Refused => (BAD, answer.rcode.as_str()),
        };
        let source = styled(DIM, &format!("({})", answer.source));
        let _ = writeln!(out, "{head} → {kinds}: {} {source}", styled(style, word));
        for record in answer.records.iter().take(RECORDS) {
            let _ = writeln!(out, "      {}", styled(CODE, record));
        }
        let more = answer.records.len().saturating_sub(RECORDS);
        if more > 0 {
            let _ = writeln!(out, "      and {more} more");
        }
        if answer.truncated {
            let _ = writeln!(out, "      cut: programs ask again over TCP and get all");
        }
    }
}

/// Types with the same answer in one line.
fn grouped(step: &Step) -> Vec<(String, &Answer)> {
    let mut groups: Vec<(String, &Answer)> = Vec::new();
    for answer in &step.answers {
        let alike = |known: &Answer| {
            known.outcome == answer.outcome
                && known.rcode == answer.rcode
                && known.records.is_empty()
                && answer.records.is_empty()
        };
        match groups.iter_mut().find(|(_, known)| alike(known)) {
            Some((kinds, _)) => {
                let _ = write!(kinds, " {}", answer.kind);
            }
            None => groups.push((answer.kind.clone(), answer)),
        }
    }
    groups
}
