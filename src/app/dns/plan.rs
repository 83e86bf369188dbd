//! Flags and Corefile -> Plan. A flag that is given wins.

mod flags;
mod imports;

use std::fs;
use std::path::Path;

use crate::config::{self, Dns, DnsAnswers};
use crate::dns::corefile::{self, Fault, Outside, Read};
use crate::dns::plan::Plan;

/// What was read.
pub(crate) struct Wanted {
    /// The plan.
    pub(crate) plan: Plan,
    /// What is passed over.
    pub(crate) notes: Vec<Fault>,
}

/// Reads it; without a Corefile as if there were the usual one of a cluster. `serving`: for `slipway dns`.
pub(crate) fn wanted(answers: &DnsAnswers, serving: Option<&Dns>) -> Result<Wanted, Vec<Fault>> {
    let read = answers.corefile.as_deref().map(|path| from_file(path, answers.ignore_unsupported));
    let Read { mut plan, mut notes } = read.unwrap_or_else(|| usual(answers))?;
    flags::answers(&mut plan, answers, &mut notes);
    if let Some(serving) = serving {
        flags::serving(&mut plan, serving, &mut notes);
    }
    Ok(Wanted { plan, notes })
}

fn usual(answers: &DnsAnswers) -> Result<Read, Vec<Fault>> {
    let domain = answers.cluster_domain.as_deref().unwrap_or(config::CLUSTER_DOMAIN);
    let nothing = Outside { environment: &|_| None, import: &|_| Ok(Vec::new()) };
    corefile::read("the usual Corefile", &corefile::default_text(domain), &nothing, false)
}

fn from_file(path: &Path, ignore_unsupported: bool) -> Result<Read, Vec<Fault>> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|why| {
        let message = format!("the Corefile cannot be read: {why}");
        vec![Fault { file: file.clone(), line: 1, message, unsupported: false }]
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let import = |pattern: &str| imports::files(directory, pattern);
    let outside = Outside { environment: &config::environment, import: &import };
    corefile::read(&file, &text, &outside, ignore_unsupported)
}

#[cfg(test)]
mod tests;
