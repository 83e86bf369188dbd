//! Which table answers a host: exact before one-label wildcard before alias pattern before any.

use std::borrow::Cow;
use std::sync::Arc;

use regex::Regex;

use super::path::Paths;
use super::rule::{Action, Route, RouteOrigin, Traffic};
use crate::model::Name;
use crate::model::map::Map;
use crate::model::policy::Policy;
use crate::model::route::{Host, PathKind};
use crate::model::settings::Settings;

/// One host with its paths.
#[derive(Debug)]
pub struct HostTable {
    /// The host of the rules.
    pub host: Host,
    /// `app-root`: where `/` is redirected to.
    pub app_root: Option<Name>,
    /// This whole name only redirects to that other name (`from-to-www-redirect`).
    pub www_redirect: Option<Name>,
    /// A tls section names the host, or its one-label wildcard.
    pub certificate: bool,
    paths: Paths,
    routes: Box<[Arc<Route>]>,
    default: Arc<Route>,
}

impl HostTable {
    /// A table of rules in order of precedence, and the route for what none of them matches.
    pub fn new(host: Host, paths: Paths, routes: Vec<Arc<Route>>, default: Arc<Route>) -> Self {
        let routes = routes.into();
        Self { host, app_root: None, www_redirect: None, certificate: false, paths, routes, default }
    }

    /// The catch-all of a cluster without rules: 404 for everything.
    pub fn empty(settings: &Settings) -> Self {
        let origin = RouteOrigin {
            ingress: None,
            host: Host::Any,
            path: "/".into(),
            kind: PathKind::Prefix,
            service: "".into(),
            port: "".into(),
            upstream: "".into(),
            is_default: true,
        };
        let traffic = Arc::new(Traffic::resolve(&Policy::default(), settings, false));
        let default = Route { origin, action: Action::NotFound, traffic, redirect: None, rewrite: None };
        Self::new(Host::Any, Paths::Default, Vec::new(), Arc::new(default))
    }

    /// The route for a path that went through [`super::path::normalize`]. Always answers.
    #[inline]
    pub fn route(&self, path: &str) -> &Arc<Route> {
        let found = self.paths.find(path).and_then(|index| self.routes.get(index as usize));
        found.unwrap_or(&self.default)
    }

    /// Every route in order of precedence, the default one last.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter().chain(std::iter::once(&self.default))
    }

    /// How paths are matched, for explanations.
    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }
}

/// Every host of a table.
#[derive(Debug)]
pub struct Hosts {
    exact: Map<Name, Arc<HostTable>>,
    /// By suffix: `foo.com` for `*.foo.com`.
    wildcard: Map<Name, Arc<HostTable>>,
    patterns: Vec<(Regex, Arc<HostTable>)>,
    any: Arc<HostTable>,
}

impl Hosts {
    /// Nothing but the catch-all.
    pub fn new(any: Arc<HostTable>) -> Self {
        Self { exact: Map::default(), wildcard: Map::default(), patterns: Vec::new(), any }
    }

    /// The same with some tables replaced, added or, where there is `None`, removed, and with these alias patterns in
    /// their order. Shares everything else.
    #[must_use]
    pub fn updated(
        &self,
        tables: impl IntoIterator<Item = (Host, Option<Arc<HostTable>>)>,
        patterns: Vec<(Regex, Arc<HostTable>)>,
    ) -> Self {
        let (exact, wildcard) = (self.exact.clone(), self.wildcard.clone());
        let mut hosts = Self { exact, wildcard, patterns, any: self.any.clone() };
        for (host, table) in tables {
            match (host, table) {
                (Host::Exact(name), table) => hosts.exact.set(name, table),
                (Host::Wildcard(suffix), table) => hosts.wildcard.set(suffix, table),
                (Host::Any, Some(table)) => hosts.any = table,
                (Host::Any, None) => {}
            }
        }
        hosts
    }

    /// The table of a normalized host.
    #[inline]
    pub fn find(&self, host: &str) -> &Arc<HostTable> {
        if let Some(table) = self.exact.get(host) {
            return table;
        }
        self.find_pattern(host)
    }

    /// The table of exactly this pattern, if it is one of the rules or aliases.
    pub fn table(&self, host: &Host) -> Option<&Arc<HostTable>> {
        match host {
            Host::Exact(name) => self.exact.get(name),
            Host::Wildcard(suffix) => self.wildcard.get(suffix),
            Host::Any => Some(&self.any),
        }
    }

    /// How many names, wildcards and patterns there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcard.len() + self.patterns.len()
    }

    /// Whether there is nothing but the catch-all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every table once, sorted by host, the catch-all last.
    pub(super) fn sorted(&self) -> Vec<&Arc<HostTable>> {
        let named = self.exact.values().chain(self.wildcard.values());
        let mut tables: Vec<_> = named.collect();
        tables.sort_by(|a, b| a.host.cmp(&b.host));
        tables.dedup_by(|a, b| Arc::ptr_eq(a, b)); // aliases
        tables.push(&self.any);
        tables
    }

    /// The alias patterns in their order, for explanations.
    pub fn patterns(&self) -> &[(Regex, Arc<HostTable>)] {
        &self.patterns
    }

    fn find_pattern(&self, host: &str) -> &Arc<HostTable> {
        if !self.wildcard.is_empty()
            && let Some((label, suffix)) = host.split_once('.')
            && !label.is_empty()
            && let Some(table) = self.wildcard.get(suffix)
        {
            return table;
        }
        let matching = self.patterns.iter().find(|(pattern, _)| pattern.is_match(host));
        matching.map_or(&self.any, |(_, table)| table)
    }
}

/// A Host header (or `:authority`) as rules are compared with it: without port and trailing dot, in lower case.
/// Empty stays empty (the catch-all). `None`: malformed, answered with 400.
pub fn normalize(header: &str) -> Option<Cow<'_, str>> {
    let name = without_port(header)?;
    let name = match name.strip_suffix('.') {
        Some("") => return None,
        Some(rest) => rest,
        None => name,
    };
    let literal = name.starts_with('[');
    if !literal && (name.contains("..") || name.ends_with('.') || !name.bytes().all(is_host_byte)) {
        return None;
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(Cow::Owned(name.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(name))
}

fn without_port(header: &str) -> Option<&str> {
    if let Some(rest) = header.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        let fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return fine.then(|| &header[..address.len() + 2]);
    }
    match header.split_once(':') {
        None => Some(header),
        Some((name, port)) => (!name.is_empty() && is_port(port)).then_some(name),
    }
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

/// What RFC 3986 section 3.2.2 allows in a registered name.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_lose_port_trailing_dot_and_case() {
        let rows = [
            ("foo.com", Some("foo.com")),
            ("Foo.COM", Some("foo.com")),
            ("foo.com.", Some("foo.com")),
            ("foo.com:8080", Some("foo.com")),
            ("foo.com.:80", Some("foo.com")),
            ("foo.com:", Some("foo.com")),
            ("", Some("")),
            ("localhost", Some("localhost")),
            ("under_score.com", Some("under_score.com")),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("[FD00::1]:443", Some("[fd00::1]")),
            ("[::1", None),
            ("[::1]x", None),
            ("[]", None),
            ("[foo]", None),
            ("::1", None),
            (".", None),
            (":80", None),
            ("foo.com:http", None),
            ("foo.com:123456", None),
            ("a..b", None),
            ("foo.com..", None),
            ("foo com", None),
            ("foo/bar", None),
            ("user@foo.com", None),
            ("foo\r\nx", None),
            ("f\u{f6}\u{f6}.com", None),
        ];
        for (header, wanted) in rows {
            assert_eq!(normalize(header).as_deref(), wanted, "{header:?}");
        }
        assert!(matches!(normalize("foo.com:80"), Some(Cow::Borrowed(_))));
    }

    proptest! {
        #[test]
        fn normalizing_a_host_never_panics_and_twice_is_once(header in "\\PC*|[a-zA-Z.:\\[\\]0-9-]{0,20}") {
            if let Some(once) = normalize(&header) {
                prop_assert_eq!(normalize(&once), Some(Cow::Borrowed(&*once)));
                prop_assert!(!once.bytes().any(|b| b.is_ascii_uppercase()));
            }
        }
    }
}
