//! ConfigMap keys and `--set key=value` -> [`Settings`], by one table.
//!
//! Every documented key of ingress-nginx has a row in [`TABLE`]. To honour one more: change its row from `Known` to
//! `Into` a parser, give [`Settings`] a field, and add a golden pair. A wrong value is told and the default is used;
//! where the default would let in or trust more than asked, the readable part of the value is used instead.

mod read;
mod table;

use std::collections::BTreeMap;

use super::value;
use crate::model::settings::Settings;
use crate::model::{Kind, ObjectRef, Report, Severity};

pub use table::{REMOVED, TABLE};

/// One documented key.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// How it is read.
    pub parse: Parse,
}

/// How a key is read.
pub enum Parse {
    /// Parsed into the settings.
    Into(Parser),
    /// Known, but without effect yet.
    Known {
        /// Values that ask for nothing but what happens anyway.
        harmless: &'static [&'static str],
        /// What happens without it, for the report; empty when there is nothing to say.
        without: &'static str,
        /// How much it matters.
        severity: Severity,
    },
}

impl std::fmt::Debug for Parse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Into(_)) { "Into" } else { "Known" })
    }
}

/// Reads a value (never empty, already trimmed) into the settings. The error says what is wrong, and what is used
/// instead when that is not the default.
pub type Parser = fn(&str, &mut Settings) -> Result<(), String>;

/// The object that reports about `--set` name, since they belong to no object.
pub fn overrides_object() -> ObjectRef {
    ObjectRef::new(Kind::File, "", "--set")
}

/// Reads the keys of a ConfigMap, then those of `--set`, which win. Reports about the former name `object` and the
/// field `data.KEY`; those about the latter name [`overrides_object`].
pub fn settings(
    data: &BTreeMap<String, String>,
    overrides: &[(String, String)],
    object: &ObjectRef,
) -> (Settings, Vec<Report>) {
    let mut settings = Settings::default();
    let mut reports = Vec::new();
    for (key, text) in data {
        if let Err(complaint) = read(key, text, &mut settings) {
            reports.push(complaint.report(object, key).at(format!("data.{key}"), None));
        }
    }
    let command_line = overrides_object();
    for (key, text) in overrides {
        if let Err(complaint) = read(key, text, &mut settings) {
            reports.push(complaint.report(&command_line, key));
        }
    }
    (settings, reports)
}

struct Complaint {
    severity: Severity,
    reason: &'static str,
    message: String,
}

impl Complaint {
    fn report(self, object: &ObjectRef, key: &str) -> Report {
        Report::new(object, self.severity, self.reason, format!("setting {key}: {}", self.message))
    }
}

/// Finds a row by its key.
pub fn find(key: &str) -> Option<&'static Setting> {
    TABLE.binary_search_by(|row| row.key.cmp(key)).ok().map(|at| &TABLE[at])
}

fn read(key: &str, text: &str, settings: &mut Settings) -> Result<(), Complaint> {
    let Some(row) = find(key) else { return Err(unknown(key)) };
    let text = text.trim();
    if text.is_empty() {
        return Ok(()); // as if it were absent
    }
    match &row.parse {
        Parse::Known { harmless, .. } if harmless.contains(&text) => Ok(()),
        Parse::Known { without, severity, .. } => {
            let rest = if without.is_empty() { "it has no effect" } else { without };
            let message = format!("is known but not yet honoured: {rest}");
            Err(Complaint { severity: *severity, reason: "SettingIgnored", message })
        }
        Parse::Into(parser) => parser(text, settings).map_err(|message| Complaint {
            severity: Severity::Warning,
            reason: "InvalidSetting",
            message,
        }),
    }
}

fn unknown(key: &str) -> Complaint {
    if let Some((_, why)) = REMOVED.iter().find(|(removed, _)| *removed == key) {
        let message = format!("has no effect: {why}");
        return Complaint { severity: Severity::Warning, reason: "SettingIgnored", message };
    }
    let hint = match value::nearest(key, TABLE.iter().map(|row| row.key)) {
        Some(nearest) => format!("did you mean \"{nearest}\"? Correct or remove it"),
        None => "remove it, or correct its name".to_owned(),
    };
    let message = format!("is unknown and has no effect; {hint}");
    Complaint { severity: Severity::Warning, reason: "UnknownSetting", message }
}

#[cfg(test)]
mod tests;
