//! The Corefile -> Plan: every directive is honoured, or named with its line.

use std::fmt;

use super::plan::Plan;

/// What is wrong at a place of the Corefile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// What is wrong, and what to do.
    pub message: String,
    /// A directive that Slipway does not support, which `--ignore-unsupported` passes over.
    pub unsupported: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// What reading a Corefile takes from outside.
pub struct Outside<'a> {
    /// The value of an environment variable, for `{$NAME}`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The files that an `import` pattern names, with their texts, sorted; relative to the Corefile's directory.
    pub import: &'a dyn Fn(&str) -> Result<Vec<(String, String)>, String>,
}

/// A Corefile that was read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// What it says.
    pub plan: Plan,
    /// What is passed over: unsupported directives with `ignore_unsupported`, words that have no meaning here.
    pub notes: Vec<Fault>,
}

/// Reads a Corefile. All faults are told at once, in the order of their lines.
pub fn read(
    file: &str,
    text: &str,
    outside: &Outside<'_>,
    ignore_unsupported: bool,
) -> Result<Read, Vec<Fault>> {
    let _ = (file, text, outside, ignore_unsupported);
    Ok(Read::default())
}

/// The Corefile of a cluster without any, as flags alone mean it: `kubernetes` for the domain, `forward`, `cache 30`, `loop`,
/// `loadbalance`, as kubeadm writes it.
pub fn default_text(domain: &str) -> String {
    let _ = domain;
    String::new()
}
