//! The findings for people: a table on a terminal, one line each in a pipe.

use std::fmt::Write;

use anstyle::Style;

use super::{Findings, word};
use crate::cli::print::{BAD, DIM, GOOD, PARTLY, STRONG, plural, styled, table};
use crate::compile::{Outcome, Verdict};
use crate::model::{Kind, Report, Severity};

pub(super) fn render(findings: &Findings<'_>, terminal: bool) -> String {
    let mut out = String::new();
    if terminal {
        table_of(findings, &mut out);
    } else {
        lines_of(findings, &mut out);
    }
    for report in &findings.others {
        let _ = writeln!(out, "{}", full(report));
    }
    if !findings.others.is_empty() {
        out.push('\n');
    }
    summary(findings, &mut out);
    out
}

/// The verdicts as a table, then the reports under the names of their objects.
fn table_of(findings: &Findings<'_>, out: &mut String) {
    let row = |(outcome, _): &(Outcome, _)| {
        let cells = vec![
            word(outcome.verdict).to_owned(),
            outcome.object.to_string(),
            use_of(outcome),
            outcome.note.clone(),
            place(outcome),
        ];
        (style(outcome.verdict), cells)
    };
    let rows: Vec<_> = findings.judged.iter().map(row).collect();
    if !rows.is_empty() {
        out.push_str(&table(&["verdict", "object", "in force", "note", "place"], &rows));
        out.push('\n');
    }
    for (outcome, reports) in findings.judged.iter().filter(|(_, reports)| !reports.is_empty()) {
        let _ = writeln!(out, "{}", styled(STRONG, &outcome.object.to_string()));
        for report in reports {
            let _ = writeln!(out, "  {}", brief(report));
        }
        out.push('\n');
    }
}

/// One line for each object, its reports indented below.
fn lines_of(findings: &Findings<'_>, out: &mut String) {
    for (outcome, reports) in &findings.judged {
        let verdict = styled(style(outcome.verdict), word(outcome.verdict));
        let mut line = format!("{verdict}: {}", outcome.object);
        let details = [use_of(outcome), outcome.note.clone(), place(outcome)];
        let details: Vec<String> = details.into_iter().filter(|detail| !detail.is_empty()).collect();
        if !details.is_empty() {
            let _ = write!(line, " ({})", details.join("; "));
        }
        let _ = writeln!(out, "{line}");
        for report in reports {
            let _ = writeln!(out, "  {}", brief(report));
        }
    }
    if !findings.judged.is_empty() {
        out.push('\n');
    }
}

/// What was looked at and what came out, in two lines.
fn summary(findings: &Findings<'_>, out: &mut String) {
    let input = findings.input;
    let objects = input.counts.iter().filter(|(kind, count)| **count > 0 && **kind != Kind::File);
    let objects: Vec<String> = objects.map(|(kind, count)| plural(*count, &kind.to_string())).collect();
    let objects = if objects.is_empty() { "nothing that Slipway reads".into() } else { objects.join(", ") };
    let files = input.files.map(|files| plural(files, "file") + ", ").unwrap_or_default();
    let _ = write!(out, "{}: {files}{objects}", input.name);
    if !input.ignored.is_empty() {
        let ignored = input.ignored.iter().map(|(kind, count)| format!("{count} {kind}"));
        let _ =
            write!(out, "; {}", styled(DIM, &format!("ignored: {}", ignored.collect::<Vec<_>>().join(", "))));
    }
    out.push('\n');
    let all = [Verdict::Served, Verdict::ServedInPart, Verdict::Refused, Verdict::NotOurs];
    let counted = all.into_iter().map(|verdict| (verdict, findings.count(verdict)));
    let counted = counted.filter(|(verdict, count)| *count > 0 || *verdict == Verdict::Served);
    let parts: Vec<String> = counted
        .map(|(verdict, count)| {
            let style = if count == 0 { DIM } else { style(verdict) };
            styled(style, &format!("{count} {}", word(verdict)))
        })
        .collect();
    let _ = writeln!(out, "{}", parts.join(", "));
}

/// A report below the name of its object.
fn brief(report: &Report) -> String {
    let place = report.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{}: {}", severity(report.severity), report.message)
}

/// A report on its own.
fn full(report: &Report) -> String {
    let place = report.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{}: {}{}", severity(report.severity), report.subject(), report.message)
}

fn severity(severity: Severity) -> String {
    let style = match severity {
        Severity::Note => DIM,
        Severity::Warning => PARTLY,
        Severity::Error => BAD,
    };
    styled(style, &severity.to_string())
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Served => GOOD,
        Verdict::ServedInPart => PARTLY,
        Verdict::Refused => BAD,
        Verdict::NotOurs => DIM,
    }
}

fn use_of(outcome: &Outcome) -> String {
    match (outcome.object.kind, outcome.verdict) {
        (_, Verdict::NotOurs | Verdict::Refused) => String::new(),
        (Kind::Secret, _) => plural(outcome.routes, "host"),
        _ => plural(outcome.routes, "route"),
    }
}

fn place(outcome: &Outcome) -> String {
    outcome.place.as_ref().map(|place| format!("{}:{}", place.file, place.line)).unwrap_or_default()
}
