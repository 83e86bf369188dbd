//! Explains one request: which host, rule, filters and endpoints answer it, and why the next best rules do not.
//!
//! Goes the way of a request with the same tables and the same functions of the head, but sends nothing.

mod url;

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::model::policy::BackendProtocol;
use crate::model::route::Host;
use crate::model::settings::Settings;
use crate::routing::filter::{self, Head};
use crate::routing::{
    Action, BackendId, Explanation, HostTable, Route, RouteOrigin, Tables, Target, host, path,
};
use url::Url;

/// The request that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The URL: `http` or `https`, host, port, path and query.
    pub url: String,
    /// The method.
    pub method: String,
    /// Headers; `Host` replaces the host of the URL.
    pub headers: Vec<(String, String)>,
}

/// What would happen to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The method and URL asked about.
    pub request: String,
    /// The host table that answers, as its rules write it; `*` is the catch-all.
    pub host: String,
    /// Why this host table.
    pub host_reason: String,
    /// The certificate of the handshake, for https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The rule that answers.
    pub rule: Rule,
    /// Why this rule.
    pub rule_reason: String,
    /// What happens, in its order. A step that ends the request is the last.
    pub steps: Vec<Step>,
    /// What comes out.
    pub outcome: Outcome,
    /// Addresses that take the request in turn; empty when no endpoint is asked.
    pub endpoints: Vec<String>,
    /// The next best rules, best first.
    pub others: Vec<Other>,
}

/// A rule of an Ingress, or the default of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Namespace and name of the Ingress; empty for the built-in default.
    pub ingress: String,
    /// The host as written; `*` for none.
    pub host: String,
    /// The path as written.
    pub path: String,
    /// `Exact`, `Prefix` or `ImplementationSpecific`; `default` for what no path matches.
    pub kind: String,
    /// Service and port as `name:port`; empty for none.
    pub service: String,
    /// File and line of the Ingress, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// One thing that happens to a request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The annotation or setting behind it.
    pub filter: String,
    /// What it does.
    pub effect: String,
}

/// How the request ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The status when Slipway answers itself; `None` when an endpoint does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `Location` of a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// In words.
    pub text: String,
}

/// A rule that does not answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// The rule.
    pub rule: Rule,
    /// Why it does not answer.
    pub reason: String,
}

/// Explains. The error says what is wrong with the question.
pub fn explain(tables: &Tables, asked: &Asked) -> Result<Answer, String> {
    let url = Url::parse(asked)?;
    let settings = &tables.routes.settings;
    let scheme = scheme(&url, asked, settings);
    let authority = forwarded(asked, settings, "x-forwarded-host").unwrap_or(&url.authority);
    let host = host::normalize(authority)
        .ok_or_else(|| format!("\"{}\" is no host: such a request gets 400", url.authority))?;
    let path = path::normalize(url.path())
        .map_err(|_| format!("\"{}\" is no path: such a request gets 400", url.path()))?;
    let explanation = tables.routes.explain(&host, &path);
    let head = Head {
        scheme,
        host: &host,
        port: url.port,
        path: &path,
        uri: &url.uri,
        query: url.query(),
        method: &asked.method,
        remote: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let mut way = Way { head, tables, steps: Vec::new(), endpoints: Vec::new() };
    let outcome = way.go(&explanation.table, &explanation.route);
    let (steps, endpoints) = (way.steps, way.endpoints);
    let certificate = (url.scheme == "https").then(|| certificate(tables, &host));
    Ok(answer(asked, &explanation, certificate, steps, outcome, endpoints))
}

fn answer(
    asked: &Asked,
    explanation: &Explanation,
    certificate: Option<String>,
    steps: Vec<Step>,
    outcome: Outcome,
    endpoints: Vec<String>,
) -> Answer {
    let other = |loser: &crate::routing::explain::Loser| Other {
        rule: Rule::of(&loser.origin),
        reason: loser.reason.clone(),
    };
    Answer {
        request: format!("{} {}", asked.method, asked.url),
        host: explanation.table.host.to_string(),
        host_reason: explanation.host_reason.clone(),
        certificate,
        rule: Rule::of(&explanation.route.origin),
        rule_reason: explanation.route_reason.clone(),
        steps,
        outcome,
        endpoints,
        others: explanation.losers.iter().map(other).collect(),
    }
}

impl Rule {
    /// How a route is shown.
    pub fn of(origin: &RouteOrigin) -> Self {
        let colon = if origin.port.is_empty() { "" } else { ":" };
        Self {
            ingress: origin.ingress.as_ref().map(ToString::to_string).unwrap_or_default(),
            host: origin.host.to_string(),
            path: origin.path.to_string(),
            kind: if origin.is_default { "default".into() } else { origin.kind.to_string() },
            service: format!("{}{colon}{}", origin.service, origin.port),
            place: None,
        }
    }
}

/// One request on its way through the phases.
struct Way<'a> {
    head: Head<'a>,
    tables: &'a Tables,
    steps: Vec<Step>,
    endpoints: Vec<String>,
}

impl Way<'_> {
    /// The phases in their order, up to the one that answers.
    fn go(&mut self, table: &HostTable, route: &Route) -> Outcome {
        let host = self.host_redirect(table).or_else(|| self.healthz(table, route));
        let redirect = host.or_else(|| self.route_redirect(route)).or_else(|| self.https_redirect(route));
        redirect.unwrap_or_else(|| self.backend(route))
    }

    fn host_redirect(&mut self, table: &HostTable) -> Option<Outcome> {
        if let Some(to) = &table.www_redirect {
            let location = filter::www_location(&self.head, to);
            let status = self.tables.routes.settings.http_redirect_code;
            return Some(self.redirect("from-to-www-redirect", status, location));
        }
        let root = table.app_root.as_ref().filter(|_| self.head.path == "/")?;
        let location = filter::root_location(&self.head, root);
        Some(self.redirect("app-root", 302, location))
    }

    /// The catch-all host answers load balancers' probes.
    fn healthz(&mut self, table: &HostTable, route: &Route) -> Option<Outcome> {
        let unclaimed = route.origin.is_default || route.origin.path.as_ref() == "/";
        let asked = self.head.path == "/healthz" && table.host == Host::Any && unclaimed;
        asked.then(|| Outcome::own(200, "the health answer of the catch-all host"))
    }

    fn route_redirect(&mut self, route: &Route) -> Option<Outcome> {
        if let Some(redirect) = &route.redirect {
            let location = redirect.location(&self.head);
            let name = if redirect.status == 302 { "temporal-redirect" } else { "permanent-redirect" };
            return Some(self.redirect(name, redirect.status, location));
        }
        (route.action == Action::Denied).then(|| {
            self.step("access", "an access rule of the Ingress could not be read, so nobody is let in");
            Outcome::own(503, "denied until the Ingress is corrected: see `slipway check`")
        })
    }

    fn https_redirect(&mut self, route: &Route) -> Option<Outcome> {
        let redirect = route.traffic.https_redirect?;
        let name = if redirect.force { "force-ssl-redirect" } else { "ssl-redirect" };
        if self.head.scheme == "https" {
            return None;
        }
        let exempt = &self.tables.routes.settings.no_tls_redirect_locations;
        if exempt.iter().any(|prefix| self.head.path.starts_with(prefix.as_str())) {
            self.step(name, "not for this path (no-tls-redirect-locations)");
            return None;
        }
        let location = filter::https_location(&self.head, redirect.keep_slash);
        Some(self.redirect(name, redirect.status, location))
    }

    fn backend(&mut self, route: &Route) -> Outcome {
        if route.action == Action::AddSlash {
            let location = filter::slash_location(&self.head);
            return self.redirect("the rule's path ends in a slash", 301, location);
        }
        let Action::Proxy { backend, fallback } = route.action else {
            return Outcome::own(404, "no rule and no default backend: the built-in 404");
        };
        let mut targets = self.targets(backend);
        if let Some(fallback) = fallback.filter(|_| targets.is_empty()) {
            targets = self.targets(fallback);
            self.step("default-backend", "the Service has no endpoints: the default backend answers");
        }
        if targets.is_empty() {
            return Outcome::own(503, &format!("Service {} has no endpoints", route.origin.service));
        }
        self.access(route);
        self.towards(route);
        self.endpoints = targets;
        let text = match self.endpoints.len() {
            1 => "the only endpoint answers".into(),
            count => format!("one of {count} endpoints answers, in turn"),
        };
        Outcome { text, ..Outcome::default() }
    }

    fn access(&mut self, route: &Route) {
        let Some(sources) = &route.traffic.sources else { return };
        for (name, nets, text) in [
            ("denylist-source-range", &sources.deny, "403 for clients in"),
            ("allowlist-source-range", &sources.allow, "403 for clients outside"),
        ] {
            let nets: Vec<String> = nets.iter().map(ToString::to_string).collect();
            if !nets.is_empty() {
                self.step(name, &format!("{text} {}", nets.join(", ")));
            }
        }
    }

    /// What changes on the way to the endpoint and back.
    fn towards(&mut self, route: &Route) {
        let traffic = &route.traffic;
        match traffic.body_limit {
            0 => self.step("proxy-body-size", "bodies of any size"),
            limit => self.step("proxy-body-size", &format!("413 for bodies over {}", bytes(limit))),
        }
        if let Some(rewrite) = &route.rewrite {
            let target = rewrite.apply(&self.head);
            let unchanged = "the expression does not match: the path stays";
            let effect = target.map_or(unchanged.into(), |target| format!("the backend sees {target}"));
            self.step("rewrite-target", &effect);
            if let Some(prefix) = &traffic.forwarded_prefix {
                self.step("x-forwarded-prefix", &format!("adds X-Forwarded-Prefix: {prefix}"));
            }
        }
        if let Some(vhost) = &traffic.upstream_vhost {
            self.step("upstream-vhost", &format!("the backend sees Host: {vhost}"));
        }
        let protocol = match traffic.protocol {
            BackendProtocol::Http => None,
            BackendProtocol::Https => Some("HTTP/1.1 over TLS, unverified"),
            BackendProtocol::Grpc => Some("HTTP/2 in the clear"),
            BackendProtocol::Grpcs => Some("HTTP/2 over TLS, unverified"),
            BackendProtocol::AutoHttp if self.head.scheme == "https" => {
                Some("HTTP/1.1 over TLS, as the client")
            }
            BackendProtocol::AutoHttp => Some("HTTP/1.1 in the clear, as the client"),
        };
        if let Some(protocol) = protocol {
            self.step("backend-protocol", protocol);
        }
        let settings = &self.tables.routes.settings;
        if let Some(value) = settings.hsts_header().filter(|_| self.head.scheme == "https") {
            self.step("hsts", &format!("the answer carries Strict-Transport-Security: {value}"));
        }
    }

    fn targets(&self, id: BackendId) -> Vec<String> {
        let backend = self.tables.endpoints.find(id);
        backend.map(|backend| backend.targets.iter().map(target).collect()).unwrap_or_default()
    }

    fn redirect(&mut self, filter: &str, status: u16, location: String) -> Outcome {
        self.step(filter, &format!("{status} to {location}"));
        Outcome { status: Some(status), text: format!("redirected to {location}"), location: Some(location) }
    }

    fn step(&mut self, filter: &str, effect: &str) {
        self.steps.push(Step { filter: filter.into(), effect: effect.into() });
    }
}

impl Outcome {
    fn own(status: u16, text: &str) -> Self {
        Self { status: Some(status), text: text.into(), location: None }
    }
}

/// `address:port` or `name:port`.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Address(address) => address.to_string(),
        Target::Name { host, port } => format!("{host}:{port}"),
    }
}

fn certificate(tables: &Tables, host: &str) -> String {
    let Some(certificate) = tables.routes.certificates.find(Some(host)) else {
        return "none: the handshake fails".into();
    };
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    let covers = certificate.names.iter().any(|name| name.matches(host));
    let remark = if covers { "" } else { " (does not cover this host: clients will warn)" };
    format!("{} certificate for {}{remark}", certificate.algorithm, names.join(", "))
}

/// The scheme that filters see.
fn scheme<'a>(url: &'a Url, asked: &Asked, settings: &Settings) -> &'a str {
    match forwarded(asked, settings, "x-forwarded-proto") {
        Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
        Some(proto) if proto.eq_ignore_ascii_case("http") => "http",
        _ => &url.scheme,
    }
}

/// The first value of a header that says what the client asked another proxy for, where such headers are believed.
fn forwarded<'a>(asked: &'a Asked, settings: &Settings, name: &str) -> Option<&'a str> {
    let mut told = asked.headers.iter().filter(|_| settings.use_forwarded_headers);
    let (_, value) = told.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
    value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
}

fn bytes(count: u64) -> String {
    match count {
        0 => "0 bytes".into(),
        n if n % (1 << 30) == 0 => format!("{} GiB", n >> 30),
        n if n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str, headers: &[(&str, &str)]) -> Asked {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Asked { url: url.into(), method: "GET".into(), headers }
    }

    #[test]
    fn without_rules_the_built_in_404_answers() {
        let answer = explain(&Tables::default(), &asked("http://a.example/x?y", &[])).unwrap();
        assert_eq!(answer.outcome.status, Some(404));
        assert_eq!((answer.host.as_str(), answer.rule.kind.as_str()), ("*", "default"));
        assert!(answer.certificate.is_none() && answer.endpoints.is_empty());
    }

    #[test]
    fn a_question_that_makes_no_sense_is_answered_with_the_remedy() {
        let error = |url: &str| explain(&Tables::default(), &asked(url, &[])).unwrap_err();
        assert!(error("ftp://a/").contains("http://HOST/PATH"));
        assert!(error("http:///x").contains("names no host"));
        assert!(error("http://a/%zz").contains("400"));
    }

    #[test]
    fn forwarded_headers_count_only_where_they_are_trusted() {
        let url = asked("http://a/", &[("X-Forwarded-Proto", "https")]);
        let parsed = Url::parse(&url).unwrap();
        assert_eq!(scheme(&parsed, &url, &Settings::default()), "http");
        let trusting = Settings { use_forwarded_headers: true, ..Settings::default() };
        assert_eq!(scheme(&parsed, &url, &trusting), "https");
    }
}
