//! The directives of a server block: which there are, and what they have in common.

mod access;
mod answers;
mod cache;
mod forward;
mod kubernetes;
mod logging;
mod rewrite;
mod serving;

use std::fmt::Display;

use super::super::plan::{Block, Plan};
use super::super::wire::name::Name;
use super::lexer::Token;
use super::reader::Reader;
use super::syntax::Line;
use super::values::{Wrong, nearest, zones};

/// Reads one directive.
type Directive = fn(&Line<'_>, &mut Site<'_>);

/// The directives that Slipway honours.
pub(super) const ALL: &[(&str, Directive)] = &[
    ("acl", access::acl),
    ("any", answers::any),
    ("autopath", answers::autopath),
    ("bind", serving::bind),
    ("bufsize", serving::bufsize),
    ("cache", cache::cache),
    ("errors", logging::errors),
    ("forward", forward::forward),
    ("health", serving::health),
    ("hosts", answers::hosts),
    ("kubernetes", kubernetes::kubernetes),
    ("loadbalance", serving::loadbalance),
    ("log", logging::log),
    ("loop", serving::looping),
    ("prometheus", serving::prometheus),
    ("ready", serving::ready),
    ("reload", serving::reload),
    ("rewrite", rewrite::rewrite),
    ("template", answers::template),
    ("transfer", access::transfer),
];

/// Directives that CoreDNS has and Slipway does not.
pub(super) const UNSUPPORTED: &[&str] = &[
    "auto",
    "azure",
    "cancel",
    "chaos",
    "clouddns",
    "debug",
    "dns64",
    "dnssec",
    "dnstap",
    "dynupdate",
    "erratic",
    "etcd",
    "federation",
    "file",
    "geoip",
    "grpc",
    "grpc_server",
    "header",
    "https",
    "https3",
    "k8s_external",
    "local",
    "metadata",
    "minimal",
    "multisocket",
    "nomad",
    "nsid",
    "on",
    "pprof",
    "proxy",
    "proxyproto",
    "quic",
    "root",
    "route53",
    "secondary",
    "shed",
    "sign",
    "siit",
    "timeouts",
    "tls",
    "trace",
    "tsig",
    "unbound",
    "view",
    "whoami",
];

/// Where a directive stands.
pub(super) struct Site<'a> {
    pub(super) block: &'a mut Block,
    pub(super) plan: &'a mut Plan,
    pub(super) reader: &'a mut Reader,
}

impl Site<'_> {
    /// The value, or a fault at its word.
    fn value<T>(&mut self, at: &Token, value: Result<T, impl Display>) -> Option<T> {
        value.map_err(|why| self.reader.fault(at, why.to_string())).ok()
    }

    /// The only word after the name.
    fn word<'t>(&mut self, line: &Line<'t>, what: &str) -> Option<&'t Token> {
        if let [word] = line.words[..] {
            return Some(word);
        }
        self.reader.fault(line.name, format!("{} takes one word: {what}", line.name.text));
        None
    }

    /// The words after the name, at least one.
    fn words<'l, 't>(&mut self, line: &'l Line<'t>, what: &str) -> &'l [&'t Token] {
        if line.words.is_empty() {
            self.reader.fault(line.name, format!("{} needs {what} behind it", line.name.text));
        }
        &line.words
    }

    /// Nothing stands behind the first `most` words, and nothing in braces.
    fn plain(&mut self, line: &Line<'_>, most: usize) {
        self.most(line, most);
        self.flat(line);
    }

    /// Nothing stands behind the first `most` words.
    fn most(&mut self, line: &Line<'_>, most: usize) {
        if let Some(word) = line.words.get(most) {
            self.reader.fault(word, format!("{} does not take {}", line.name.text, word.text));
        }
    }

    /// Nothing stands in braces.
    fn flat(&mut self, line: &Line<'_>) {
        if let Some(inner) = line.lines.first() {
            self.reader.fault(inner.name, format!("{} has no braces", line.name.text));
        }
    }

    /// A property that there is not.
    fn unknown(&mut self, of: &str, property: &Line<'_>, known: &[&str]) {
        let text = &property.name.text;
        let hint = nearest(text, known).map(|near| format!(": is {near} meant?")).unwrap_or_default();
        self.reader.fault(property.name, format!("{of} has no property {text}{hint}"));
    }

    /// A property that CoreDNS has.
    fn unsupported(&mut self, of: &str, property: &Line<'_>, instead: &str) {
        let text = &property.name.text;
        self.reader.unsupported(property.name, format!("Slipway does not support {text} of {of}: {instead}"));
    }

    /// Zones; a range is all of its reverse zones.
    fn zones(&mut self, words: &[&Token]) -> Vec<Name> {
        words.iter().filter_map(|word| self.value(word, zones(&word.text))).flatten().collect()
    }
}

/// What to do about a property.
const LEAVE_OUT: &str = "take it out, or give --ignore-unsupported to pass over it";

/// A name.
fn name(text: &str) -> Result<Name, Wrong> {
    Name::parse(text).map_err(|why| Wrong(format!("{text} is no domain name: {why}")))
}
