//! One route: where its requests go and what happens to them on the way.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::endpoints::BackendId;
use super::filter::{Redirect, Rewrite};
use crate::model::policy::{BackendProtocol, HttpVersion, NextUpstream, Policy};
use crate::model::route::{Host, PathKind};
use crate::model::settings::Settings;
use crate::model::{Key, Name};

/// One path of one host, with everything prepared that a request on it needs.
#[derive(Debug)]
pub struct Route {
    /// Whose route it is: for logs, metrics and people.
    pub origin: RouteOrigin,
    /// What answers.
    pub action: Action,
    /// How its requests are treated; shared by the routes of an Ingress, and between Ingresses that ask for the same.
    pub traffic: Arc<Traffic>,
    /// `permanent-redirect` or `temporal-redirect`.
    pub redirect: Option<Redirect>,
    /// `rewrite-target`.
    pub rewrite: Option<Rewrite>,
}

/// Where a route comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOrigin {
    /// The Ingress; `None` for the controller's own routes.
    pub ingress: Option<Key>,
    /// The host of the rule.
    pub host: Host,
    /// The path as written.
    pub path: Name,
    /// How the rule says it matches.
    pub kind: PathKind,
    /// The Service's name; empty if none.
    pub service: Name,
    /// Its port as written; empty if none.
    pub port: Name,
    /// `namespace-service-port` as access logs know it, `upstream-default-backend`, or empty.
    pub upstream: Name,
    /// The implicit route of a host for what no rule matches.
    pub is_default: bool,
}

/// What answers the requests of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The endpoints of a backend.
    Proxy {
        /// The backend.
        backend: BackendId,
        /// Annotation `default-backend`: used when `backend` has no endpoints.
        fallback: Option<BackendId>,
    },
    /// The built-in 404.
    NotFound,
    /// 503: an access rule of the Ingress could not be read, or is not honoured.
    Denied,
    /// 301 to the path with a slash at its end ([`super::filter::slash_location`]). Comes before every other filter.
    AddSlash,
}

/// How requests are treated: settings and annotations, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Plain requests are sent to HTTPS; `None`: never.
    pub https_redirect: Option<HttpsRedirect>,
    /// Which client addresses are let in; `None`: all.
    pub sources: Option<Sources>,
    /// Largest request body in bytes; 0 is unlimited.
    pub body_limit: u64,
    /// Time to connect to an endpoint.
    pub connect_timeout: Duration,
    /// Time between two reads from an endpoint.
    pub read_timeout: Duration,
    /// Time between two writes to an endpoint.
    pub send_timeout: Duration,
    /// When another endpoint is tried.
    pub retry: Retry,
    /// What endpoints speak.
    pub protocol: BackendProtocol,
    /// The HTTP/1 version for endpoints.
    pub http_version: HttpVersion,
    /// The Host that endpoints see; `None`: as received.
    pub upstream_vhost: Option<Name>,
    /// `X-Forwarded-Prefix`, sent only together with a rewrite.
    pub forwarded_prefix: Option<Name>,
}

/// How plain requests are sent to HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpsRedirect {
    /// Status code, 308 unless set otherwise.
    pub status: u16,
    /// Keep a slash at the end of the URI.
    pub keep_slash: bool,
    /// Also where the host has no certificate (`force-ssl-redirect`).
    pub force: bool,
}

/// When another endpoint is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After which outcomes.
    pub when: NextUpstream,
    /// Attempts in all; 0 is unlimited.
    pub tries: u32,
    /// Time for all attempts; zero is unlimited.
    pub timeout: Duration,
}

/// Which client addresses are let in. The deny list comes first; an empty allow list lets in the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// These get 403.
    pub deny: Vec<IpNet>,
    /// When not empty, all others get 403.
    pub allow: Vec<IpNet>,
}

impl Traffic {
    /// What annotations ask for, with the settings where they say nothing. `certificate`: the host has a certificate
    /// entry, which is what `ssl-redirect` asks about.
    pub fn resolve(policy: &Policy, settings: &Settings, certificate: bool) -> Self {
        let force = policy.force_ssl_redirect.unwrap_or(settings.force_ssl_redirect);
        let wanted = force || (certificate && policy.ssl_redirect.unwrap_or(settings.ssl_redirect));
        let keep_slash = policy.preserve_trailing_slash.unwrap_or(settings.preserve_trailing_slash);
        let status = settings.http_redirect_code;
        Self {
            https_redirect: wanted.then_some(HttpsRedirect { status, keep_slash, force }),
            sources: Sources::new(
                policy.deny_sources.as_ref().unwrap_or(&settings.deny_sources),
                policy.allow_sources.as_ref().unwrap_or(&settings.allow_sources),
            ),
            body_limit: policy.body_size.unwrap_or(settings.body_size),
            connect_timeout: policy.connect_timeout.unwrap_or(settings.connect_timeout),
            read_timeout: policy.read_timeout.unwrap_or(settings.read_timeout),
            send_timeout: policy.send_timeout.unwrap_or(settings.send_timeout),
            retry: Retry::resolve(policy, settings),
            protocol: policy.backend_protocol.unwrap_or_default(),
            http_version: policy.http_version.unwrap_or_default(),
            upstream_vhost: policy.upstream_vhost.clone().filter(|host| !host.is_empty()),
            forwarded_prefix: policy.forwarded_prefix.clone().filter(|prefix| !prefix.is_empty()),
        }
    }
}

impl Retry {
    fn resolve(policy: &Policy, settings: &Settings) -> Self {
        let mut when = policy.next_upstream.unwrap_or(settings.next_upstream);
        when.non_idempotent |= settings.retry_non_idempotent;
        Self {
            when,
            tries: policy.next_upstream_tries.unwrap_or(settings.next_upstream_tries),
            timeout: policy.next_upstream_timeout.unwrap_or(settings.next_upstream_timeout),
        }
    }
}

impl Sources {
    /// Lists that say something, or `None`.
    pub fn new(deny: &[IpNet], allow: &[IpNet]) -> Option<Self> {
        let says_something = !deny.is_empty() || !allow.is_empty();
        says_something.then(|| Self { deny: deny.to_vec(), allow: allow.to_vec() })
    }

    /// Whether a client is let in. An IPv4 address that came as IPv4-mapped IPv6 counts as IPv4.
    pub fn permits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&client));
        !within(&self.deny) && (self.allow.is_empty() || within(&self.allow))
    }
}

impl fmt::Display for RouteOrigin {
    /// `host`, path, how it matches, whose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ({}", self.host, self.path, self.kind)?;
        match &self.ingress {
            Some(ingress) => write!(f, ", Ingress {ingress})"),
            None => f.write_str(")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn the_deny_list_wins_over_the_allow_list() {
        let sources = Sources::new(&nets(&["10.1.0.0/16"]), &nets(&["10.0.0.0/8"])).unwrap();
        assert!(!sources.permits("10.1.2.3".parse().unwrap()));
        assert!(sources.permits("10.2.2.3".parse().unwrap()));
        assert!(!sources.permits("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_deny_list_alone_lets_in_the_rest_and_mapped_addresses_count_as_ipv4() {
        let sources = Sources::new(&nets(&["10.0.0.0/8"]), &[]).unwrap();
        assert!(sources.permits("192.0.2.1".parse().unwrap()));
        assert!(!sources.permits("::ffff:10.0.0.1".parse().unwrap()));
        assert!(sources.permits("2001:db8::1".parse().unwrap()));
        assert!(Sources::new(&[], &[]).is_none());
    }

    #[test]
    fn ssl_redirect_needs_a_certificate_and_force_does_not() {
        let settings = Settings::default();
        let plain = Policy::default();
        assert!(Traffic::resolve(&plain, &settings, false).https_redirect.is_none());
        let redirect = Traffic::resolve(&plain, &settings, true).https_redirect.unwrap();
        assert_eq!(redirect, HttpsRedirect { status: 308, keep_slash: false, force: false });
        let off = Policy { ssl_redirect: Some(false), ..Policy::default() };
        assert!(Traffic::resolve(&off, &settings, true).https_redirect.is_none());
        let force = Policy { force_ssl_redirect: Some(true), ssl_redirect: Some(false), ..Policy::default() };
        assert!(Traffic::resolve(&force, &settings, false).https_redirect.unwrap().force);
    }

    #[test]
    fn annotations_win_over_settings() {
        let settings = Settings { allow_sources: nets(&["10.0.0.0/8"]), body_size: 7, ..Settings::default() };
        let policy =
            Policy { allow_sources: Some(nets(&["192.0.2.0/24"])), body_size: Some(0), ..Policy::default() };
        let traffic = Traffic::resolve(&policy, &settings, false);
        assert_eq!(traffic.body_limit, 0);
        assert!(traffic.sources.unwrap().permits("192.0.2.9".parse().unwrap()));
        assert_eq!(Traffic::resolve(&Policy::default(), &settings, false).body_limit, 7);
    }
}
