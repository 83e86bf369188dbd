//! Why a request takes its route: the rules that were considered, in words.

use std::sync::Arc;

use super::host::{HostTable, Hosts};
use super::path::{Paths, Pattern};
use super::rule::{Action, Route, RouteOrigin};
use crate::model::Name;
use crate::model::route::{Host, PathKind};

/// Which route answers, why, and why the next best ones do not.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The host asked for, normalized.
    pub host: String,
    /// The path asked for, normalized.
    pub path: String,
    /// The host table that answers.
    pub table: Arc<HostTable>,
    /// Why this host table.
    pub host_reason: String,
    /// The route that answers.
    pub route: Arc<Route>,
    /// Why this route.
    pub route_reason: String,
    /// The next best rules, best first; at most [`MOST_LOSERS`].
    pub losers: Vec<Loser>,
}

/// A rule that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loser {
    /// Where it comes from.
    pub origin: RouteOrigin,
    /// Why it lost.
    pub reason: String,
}

/// How many losing rules an explanation names.
pub const MOST_LOSERS: usize = 10;

pub(super) fn explain(hosts: &Hosts, host: &str, path: &str) -> Explanation {
    let table = hosts.find(host);
    let route = table.route(path);
    let mut losers = rivals(table, route, path);
    losers.extend(other_hosts(hosts, table, host));
    losers.truncate(MOST_LOSERS);
    Explanation {
        host: host.to_owned(),
        path: path.to_owned(),
        table: table.clone(),
        host_reason: host_reason(hosts, table, host),
        route: route.clone(),
        route_reason: route_reason(table, route),
        losers,
    }
}

fn host_reason(hosts: &Hosts, table: &Arc<HostTable>, host: &str) -> String {
    if hosts.table(&Host::Exact(host.into())).is_some() {
        return match &table.host {
            Host::Exact(name) if name.as_ref() == host => "the rule names this host".into(),
            other => format!("{host} is an alias of {other}"),
        };
    }
    let suffix: Option<Name> = host.split_once('.').map(|(_, suffix)| suffix.into());
    if suffix
        .is_some_and(|suffix| hosts.table(&Host::Wildcard(suffix)).is_some_and(|t| Arc::ptr_eq(t, table)))
    {
        return format!("no rule names {host}; the wildcard {} matches its first label", table.host);
    }
    if let Some((pattern, _)) = hosts.patterns().iter().find(|(pattern, _)| pattern.is_match(host)) {
        return format!("the alias pattern {} of {} matches", pattern.as_str(), table.host);
    }
    "no rule, wildcard or alias matches this host: the catch-all answers".into()
}

fn route_reason(table: &HostTable, route: &Route) -> String {
    if route.origin.is_default {
        return "no rule of the host matches this path: its default route answers".into();
    }
    if route.action == Action::AddSlash {
        return "a rule of the host is this path with a slash at its end".into();
    }
    match (table.paths(), route.origin.kind) {
        (Paths::Regex(_), _) => "the first expression that matches, longest first".into(),
        (_, PathKind::Exact) => "the rule is exactly this path".into(),
        _ => "the longest rule that matches whole elements from the start".into(),
    }
}

/// The other rules of the host, in order of precedence.
fn rivals(table: &HostTable, chosen: &Arc<Route>, path: &str) -> Vec<Loser> {
    let mut losers = Vec::new();
    for (index, route) in table.routes().enumerate() {
        let told = Arc::ptr_eq(route, chosen) || route.action == Action::AddSlash;
        if told || losers.len() >= MOST_LOSERS {
            continue;
        }
        let patterns = match table.paths() {
            Paths::Regex(patterns) => patterns.iter().filter(|(_, of)| *of as usize == index).collect(),
            _ => Vec::new(),
        };
        let reason = match table.paths() {
            _ if route.origin.is_default => "answers only when no rule matches".to_owned(),
            Paths::Regex(_) => regex_reason(&patterns, path),
            _ => literal_reason(&route.origin, path),
        };
        losers.push(Loser { origin: route.origin.clone(), reason });
    }
    losers
}

fn regex_reason(patterns: &[&(Pattern, u32)], path: &str) -> String {
    let shown: Vec<_> = patterns.iter().map(|(pattern, _)| format!("{pattern:?}")).collect();
    let shown = shown.join(" or ");
    if patterns.iter().any(|(pattern, _)| pattern.matches(path)) {
        format!("{shown} matches too, but comes later in the order")
    } else {
        format!("regex {shown} did not match")
    }
}

fn literal_reason(origin: &RouteOrigin, path: &str) -> String {
    let rule = origin.path.as_ref();
    let stem = rule.strip_suffix('/').unwrap_or(rule);
    let below = path.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match origin.kind {
        PathKind::Exact => format!("Exact {rule} does not equal {path}"),
        _ if below && rule.len() < path.len() => format!("shorter path {rule}"),
        _ if below => "Exact comes before Prefix".to_owned(),
        _ if path.starts_with(rule) => format!("prefix {rule} does not end at an element of {path}"),
        _ => format!("prefix {rule} is not the start of {path}"),
    }
}

/// Hosts that a reader may have expected: the catch-all's and wildcards' rules.
fn other_hosts(hosts: &Hosts, chosen: &Arc<HostTable>, host: &str) -> Vec<Loser> {
    let tables = hosts.sorted();
    let related = tables.into_iter().filter(|table| !Arc::ptr_eq(table, chosen));
    let mut losers = Vec::new();
    for table in related {
        let Some(reason) = other_host_reason(&table.host, host) else { continue };
        let first = table.routes().find(|route| !route.origin.is_default);
        losers.extend(first.map(|route| Loser { origin: route.origin.clone(), reason }));
        if losers.len() >= MOST_LOSERS {
            break;
        }
    }
    losers
}

fn other_host_reason(pattern: &Host, host: &str) -> Option<String> {
    match pattern {
        Host::Wildcard(suffix) if pattern.matches(host) => {
            Some(format!("wildcard *.{suffix} matches too, but a rule names the host"))
        }
        Host::Wildcard(suffix) if host == suffix.as_ref() => {
            Some(format!("wildcard *.{suffix} does not match {suffix} itself"))
        }
        Host::Wildcard(suffix) => {
            let rest = host.strip_suffix(suffix.as_ref())?;
            rest.ends_with('.').then(|| format!("wildcard *.{suffix} matches one label only"))
        }
        Host::Exact(name) => {
            let near = host.ends_with(&format!(".{name}")) || name.ends_with(&format!(".{host}"));
            near.then(|| format!("other host: {name} is not {host}"))
        }
        Host::Any => Some("other host: the catch-all answers only hosts that no rule names".into()),
    }
}
