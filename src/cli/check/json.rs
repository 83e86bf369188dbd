//! The findings as JSON, for programs.

use serde_json::{Value, json};

use super::{Findings, word};
use crate::admin::dump;
use crate::compile::{Outcome, Verdict};
use crate::model::Report;

pub(super) fn render(findings: &Findings<'_>) -> String {
    let input = findings.input;
    let counts = input.counts.iter().filter(|(_, count)| **count > 0);
    let value = json!({
        "source": input.name,
        "files": input.files,
        "objects": counts.map(|(kind, count)| (kind.to_string(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "ignored": input.ignored,
        "results": findings.judged.iter().map(|(outcome, reports)| result(outcome, reports)).collect::<Vec<_>>(),
        "reports": findings.others.iter().map(|report| dump::report(report)).collect::<Vec<_>>(),
        "summary": {
            "served": findings.count(Verdict::Served),
            "servedInPart": findings.count(Verdict::ServedInPart),
            "refused": findings.count(Verdict::Refused),
            "notOurs": findings.count(Verdict::NotOurs),
        },
        "ok": !findings.refused(),
    });
    format!("{value:#}\n")
}

fn result(outcome: &Outcome, reports: &[&Report]) -> Value {
    let mut value = json!({
        "kind": outcome.object.kind.to_string(),
        "namespace": *outcome.object.key.namespace,
        "name": *outcome.object.key.name,
        "verdict": word(outcome.verdict),
        "routes": outcome.routes,
        "note": outcome.note,
        "reports": reports.iter().map(|report| dump::report(report)).collect::<Vec<_>>(),
    });
    if let Some(place) = &outcome.place {
        value["place"] = json!({ "file": *place.file, "line": place.line, "column": place.column });
    }
    value
}
