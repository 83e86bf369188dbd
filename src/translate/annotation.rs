//! Annotations -> policy, by one table.
//!
//! Every documented annotation of ingress-nginx has a row in [`TABLE`]. To honour one more: change its row from
//! `Known` to `Into` a parser (see the files in `annotation/`), give [`Policy`] a field, and add a golden pair.
//!
//! A value that cannot be read is told and replaced by the default; where the annotation guards access, or decides
//! which content a path shows, the paths of the Ingress answer 503 instead: never wider than asked.

mod access;
mod backend;
mod redirect;
mod rewrite;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Options, value};
use crate::model::policy::Policy;
use crate::model::{Name, ObjectRef, Origin, Report, Severity};

pub use table::{REMOVED, RENAMED, TABLE};

/// One documented annotation.
#[derive(Debug)]
pub struct Annotation {
    /// Its name after the prefix.
    pub key: &'static str,
    /// What it acts on.
    pub scope: Scope,
    /// How dangerous ingress-nginx rates it.
    pub risk: Risk,
    /// How it is read.
    pub parse: Parse,
}

/// What an annotation acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of a host or Ingress.
    Ingress,
    /// Each path.
    Location,
}

/// How dangerous an annotation is, as ingress-nginx rates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Harmless values only.
    Low,
    /// Text that reaches headers or paths.
    Medium,
    /// Reaches other hosts or names.
    High,
    /// Raw configuration.
    Critical,
}

/// How an annotation is read.
pub enum Parse {
    /// Parsed into the policy.
    Into(Parser),
    /// Known, but without effect yet.
    Known {
        /// Values that ask for nothing but what happens anyway.
        harmless: &'static [&'static str],
        /// What is served without it, for the report.
        without: &'static str,
    },
}

impl std::fmt::Debug for Parse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Into(_)) { "Into" } else { "Known" })
    }
}

/// Reads a value (never empty, already trimmed) into the policy.
pub type Parser = fn(&str, &mut Policy, &Context<'_>) -> Result<(), Complaint>;

/// What a parser may look at besides its own value.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The annotation's name after the prefix.
    pub key: &'static str,
    /// The namespace of the Ingress.
    pub namespace: &'a Name,
    annotations: &'a BTreeMap<String, String>,
    prefix: &'a str,
}

impl<'a> Context<'a> {
    /// Another annotation of the same Ingress, trimmed; `None` when it is absent or empty.
    pub fn other(&self, key: &str) -> Option<&'a str> {
        let found = self.annotations.get(&format!("{}/{key}", self.prefix));
        found.map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

/// What a parser has to say about a value.
#[derive(Debug)]
pub struct Complaint {
    severity: Severity,
    reason: &'static str,
    message: String,
    deny: bool,
}

impl Complaint {
    /// The value is wrong and the default is used.
    pub fn default(message: impl Into<String>) -> Self {
        let message = format!("{}; the default is used until then", message.into());
        Self { severity: Severity::Warning, reason: "InvalidAnnotation", message, deny: false }
    }

    /// The value is wrong or not honoured, and without it more would be served than asked: 503.
    pub fn deny(reason: &'static str, message: impl Into<String>) -> Self {
        let message = format!("{}; until then all paths of this Ingress answer 503", message.into());
        Self { severity: Severity::Error, reason, message, deny: true }
    }

    /// The value has less effect than asked, or none.
    pub fn warn(reason: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, reason, message: message.into(), deny: false }
    }

    /// The value is in force, with something worth knowing.
    pub fn note(message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, reason: "AnnotationNote", message: message.into(), deny: false }
    }
}

/// Reads all annotations of an Ingress that carry the prefix.
pub fn policy(
    annotations: &BTreeMap<String, String>,
    object: &ObjectRef,
    origin: Option<&Arc<Origin>>,
    options: &Options,
) -> (Policy, Vec<Report>) {
    let mut policy = Policy::default();
    let mut reports = Vec::new();
    let prefix = options.annotations_prefix.as_str();
    for (full, text) in annotations {
        let Some(key) = full.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let context = Context { key: "", namespace: &object.key.namespace, annotations, prefix };
        if let Err(complaint) = read(key, text, &mut policy, context) {
            if complaint.deny && policy.denied.is_none() {
                policy.denied = Some(key.into());
            }
            let message = format!("annotation {key}: {}", complaint.message);
            let report = Report::new(object, complaint.severity, complaint.reason, message);
            reports.push(report.at(format!("metadata.annotations.{full}"), origin));
        }
    }
    (policy, reports)
}

/// Finds a row by its key.
pub fn find(key: &str) -> Option<&'static Annotation> {
    TABLE.binary_search_by(|row| row.key.cmp(key)).ok().map(|at| &TABLE[at])
}

fn read(key: &str, text: &str, policy: &mut Policy, context: Context<'_>) -> Result<(), Complaint> {
    let renamed = RENAMED.iter().find(|(old, _)| *old == key).map(|(_, new)| *new);
    let Some(row) = find(renamed.unwrap_or(key)) else { return Err(unknown(key)) };
    let text = text.trim();
    if text.is_empty() {
        return Ok(()); // as if it were absent
    }
    if renamed.is_some() && context.other(row.key).is_some() {
        return Err(Complaint::warn(
            "AnnotationIgnored",
            format!("is ignored, since its new name {} is also given: remove this one", row.key),
        ));
    }
    match &row.parse {
        Parse::Known { harmless, .. } if harmless.contains(&text) => Ok(()),
        Parse::Known { without, .. } => {
            Err(Complaint::warn("AnnotationIgnored", format!("is known but not yet honoured: {without}")))
        }
        // Only raw nginx text may have several lines.
        Parse::Into(_) if row.risk < Risk::Critical && text.contains(['\r', '\n']) => Err(multi_line(row)),
        Parse::Into(parser) => parser(text, policy, &Context { key: row.key, ..context }),
    }
}

/// A line break could smuggle a header or hide a part of an access rule.
fn multi_line(row: &Annotation) -> Complaint {
    let message = "holds a line break: write it on one line";
    match row.key {
        "server-alias" | "app-root" | "upstream-vhost" | "x-forwarded-prefix" => Complaint::default(message),
        _ if row.risk == Risk::Low => Complaint::default(message),
        _ => Complaint::deny("InvalidAnnotation", message),
    }
}

fn unknown(key: &str) -> Complaint {
    if let Some((_, why)) = REMOVED.iter().find(|(removed, _)| *removed == key) {
        return Complaint::warn("AnnotationIgnored", format!("has no effect: {why}"));
    }
    let known = TABLE.iter().map(|row| row.key).chain(RENAMED.iter().map(|(old, _)| *old));
    let hint = match value::nearest(key, known) {
        Some(nearest) => format!("did you mean \"{nearest}\"? Correct or remove it"),
        None => "remove it, or correct its name".to_owned(),
    };
    Complaint::warn("UnknownAnnotation", format!("is unknown and has no effect; {hint}"))
}

#[cfg(test)]
mod tests;
