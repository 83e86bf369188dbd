//! Why a request takes its route: the rules that were considered, and what happens on the way, in words.

use std::sync::Arc;

use super::endpoints::EndpointTable;
use super::host::{HostTable, Hosts};
use super::path::{Paths, Pattern};
use super::rule::{Action, Route, RouteOrigin};
use crate::model::Name;
use crate::model::policy::BackendProtocol;
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

/// One thing that happens to a request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The annotation, setting or phase it comes from.
    pub name: &'static str,
    /// What it does.
    pub effect: String,
    /// Nothing after it happens to this request.
    pub ends: bool,
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

impl Explanation {
    /// What happens to a request of this `scheme` (`http` or `https`), in its order, up to what ends it.
    pub fn steps(&self, scheme: &str, endpoints: &EndpointTable) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(to) = &self.table.www_redirect {
            steps.push(Step::end("from-to-www-redirect", format!("308 to {scheme}://{to}:PORT and the URI")));
        }
        if let Some(root) = self.table.app_root.as_ref().filter(|_| self.path == "/") {
            steps.push(Step::end("app-root", format!("302 to {root}")));
        }
        if self.route.action == Action::AddSlash {
            steps.push(Step::end("path", format!("301 to {}/, the rule's path", self.path)));
        }
        if let Some(redirect) = &self.route.redirect {
            let name = "permanent-redirect or temporal-redirect";
            steps.push(Step::end(name, format!("{} to {}", redirect.status, redirect.target())));
        }
        if self.route.action == Action::Denied {
            steps.push(Step::end(
                "access",
                "503: an access rule of the Ingress cannot be read or is not honoured".into(),
            ));
        }
        if let Some(redirect) = self.route.traffic.https_redirect.filter(|_| scheme == "http") {
            let name = if redirect.force { "force-ssl-redirect" } else { "ssl-redirect" };
            steps.push(Step::end(name, format!("{} to https://{}", redirect.status, self.host)));
        }
        self.push_backend(&mut steps, endpoints);
        let end = steps.iter().position(|step| step.ends).map_or(steps.len(), |at| at + 1);
        steps.truncate(end);
        steps
    }

    fn push_backend(&self, steps: &mut Vec<Step>, endpoints: &EndpointTable) {
        let Action::Proxy { backend, fallback } = self.route.action else {
            steps.push(Step::end("backend", "404: nothing serves this path".into()));
            return;
        };
        let count = |id| endpoints.find(id).map_or(0, |backend| backend.targets.len());
        let fallback = fallback.filter(|_| count(backend) == 0);
        if count(fallback.unwrap_or(backend)) == 0 {
            steps.push(Step::end("endpoints", "503: the Service has no endpoints".into()));
        } else if fallback.is_some() {
            let effect = "the Service has no endpoints, the default backend answers";
            steps.push(Step::on("default-backend", effect.into()));
        }
        let traffic = &self.route.traffic;
        if let Some(sources) = &traffic.sources {
            let list =
                |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if !sources.deny.is_empty() {
                steps.push(Step::on("denylist-source-range", format!("403 for {}", list(&sources.deny))));
            }
            if !sources.allow.is_empty() {
                steps.push(Step::on(
                    "allowlist-source-range",
                    format!("403 for all but {}", list(&sources.allow)),
                ));
            }
        }
        if let Some(rewrite) = &self.route.rewrite {
            steps.push(Step::on("rewrite-target", format!("the path becomes {}", rewrite.target())));
            if let Some(prefix) = &traffic.forwarded_prefix {
                steps.push(Step::on("x-forwarded-prefix", format!("X-Forwarded-Prefix: {prefix}")));
            }
        }
        if let Some(host) = &traffic.upstream_vhost {
            steps.push(Step::on("upstream-vhost", format!("the backend sees Host {host}")));
        }
        let protocol = match traffic.protocol {
            BackendProtocol::Http => "HTTP/1 in the clear",
            BackendProtocol::Https => "HTTP/1 over TLS, unverified",
            BackendProtocol::Grpc => "HTTP/2 in the clear",
            BackendProtocol::Grpcs => "HTTP/2 over TLS, unverified",
            BackendProtocol::AutoHttp => "the scheme of the request",
        };
        steps.push(Step::on("backend-protocol", protocol.into()));
    }
}

impl Step {
    fn on(name: &'static str, effect: String) -> Self {
        Self { name, effect, ends: false }
    }

    fn end(name: &'static str, effect: String) -> Self {
        Self { name, effect, ends: true }
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
