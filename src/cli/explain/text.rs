//! An answer for people.

use std::fmt::Write;

use crate::admin::explain::{Answer, Rule};
use crate::cli::print::{BAD, CODE, DIM, GOOD, PARTLY, STRONG, styled};

/// More endpoints than this are counted.
const ENDPOINTS: usize = 20;

pub(super) fn render(answer: &Answer) -> String {
    let mut out = format!("{}\n\n", styled(STRONG, &answer.request));
    fact(&mut out, "host", &answer.host, &answer.host_reason);
    if let Some(certificate) = &answer.certificate {
        fact(&mut out, "tls", certificate, "");
    }
    fact(&mut out, "rule", &rule(&answer.rule), &answer.rule_reason);
    for (at, step) in answer.steps.iter().enumerate() {
        let head = if at == 0 { "filters" } else { "" };
        let _ = writeln!(out, "{head:<10} {}. {}: {}", at + 1, styled(CODE, &step.filter), step.effect);
    }
    let (style, status) = match answer.outcome.status {
        None => (GOOD, String::new()),
        Some(status @ 300..400) => (PARTLY, format!("{status} ")),
        Some(status) => (BAD, format!("{status} ")),
    };
    let _ = writeln!(out, "{:<10} {}", "outcome", styled(style, &format!("{status}{}", answer.outcome.text)));
    for (at, endpoint) in answer.endpoints.iter().take(ENDPOINTS).enumerate() {
        let _ = writeln!(out, "{:<10} {endpoint}", if at == 0 { "endpoints" } else { "" });
    }
    if answer.endpoints.len() > ENDPOINTS {
        let _ = writeln!(out, "{:<10} and {} more", "", answer.endpoints.len() - ENDPOINTS);
    }
    if !answer.others.is_empty() {
        let _ = writeln!(out, "\nThe next best rules, and why they do not answer:");
    }
    for other in &answer.others {
        let _ = writeln!(out, "  {}\n    {}", rule(&other.rule), styled(DIM, &other.reason));
    }
    out
}

fn fact(out: &mut String, name: &str, value: &str, reason: &str) {
    let _ = writeln!(out, "{name:<10} {value}");
    if !reason.is_empty() {
        let _ = writeln!(out, "{:<10} {}", "", styled(DIM, reason));
    }
}

fn rule(rule: &Rule) -> String {
    let ingress = match rule.ingress.as_str() {
        "" => String::new(),
        name => format!(", Ingress {name}"),
    };
    let place = rule.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    let service = match rule.service.as_str() {
        "" => String::new(),
        service => format!(" -> Service {service}"),
    };
    format!("{}{} ({}{ingress}{place}){service}", rule.host, rule.path, rule.kind)
}
