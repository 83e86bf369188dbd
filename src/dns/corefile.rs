//! The Corefile -> Plan: every directive is honoured, or named with its line.
//!
//! ```text
//! text -> lexer: tokens -> imports: snippets and files in their places -> syntax: blocks of lines -> blocks: Plan
//! ```
//!
//! The rules of writing are those of CoreDNS 1.15, as tried there.

mod blocks;
mod directives;
mod imports;
mod lexer;
mod reader;
mod syntax;
mod values;

use std::fmt;

use super::plan::Plan;
use reader::Reader;

pub use values::{Wrong, duration, upstream, zones};

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

/// A file that was imported: its name and its text.
pub type Imported = (String, String);

/// What reading a Corefile takes from outside.
pub struct Outside<'a> {
    /// The value of an environment variable, for `{$NAME}`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The files that an `import` pattern names, with their texts, sorted; relative to the Corefile's directory.
    pub import: &'a dyn Fn(&str) -> Result<Vec<Imported>, String>,
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
    let mut reader = Reader::new(ignore_unsupported);
    let tokens = lexer::tokens(file, text, outside.environment, &mut reader);
    let tokens = imports::expand(tokens, outside, &mut reader);
    let blocks = syntax::blocks(&tokens, &mut reader);
    let plan = blocks::plan(&blocks, &mut reader);
    if plan.blocks.is_empty() && reader.is_fine() {
        reader.fault_at(file, 1, "there is no server block: write one, such as .:53 { ... }");
    }
    let notes = reader.finish(file)?;
    Ok(Read { plan, notes })
}

/// The Corefile of a cluster without any, as flags alone mean it: `kubernetes` for the domain, `forward`, `cache 30`, `loop`,
/// `loadbalance`, as kubeadm writes it.
pub fn default_text(domain: &str) -> String {
    format!(
        "\
.:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus 0.0.0.0:9153
    forward . /etc/resolv.conf {{
       max_concurrent 1000
    }}
    cache 30
    loop
    reload
    loadbalance
}}
"
    )
}
