//! What happens to a request on a route: annotations, parsed, before the global settings fill the gaps.
//!
//! `None` means "not said": the settings decide. Every field belongs to one row of
//! `translate::annotation`'s table.

use std::time::Duration;

use ipnet::IpNet;

use super::Name;
use super::route::Host;

/// Everything the annotations of one Ingress ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `ssl-redirect`.
    pub ssl_redirect: Option<bool>,
    /// `force-ssl-redirect`.
    pub force_ssl_redirect: Option<bool>,
    /// `preserve-trailing-slash`.
    pub preserve_trailing_slash: Option<bool>,
    /// `app-root`: an absolute path.
    pub app_root: Option<Name>,
    /// `temporal-redirect` or `permanent-redirect` with its code; the temporal one wins.
    pub redirect: Option<Redirect>,
    /// `from-to-www-redirect`.
    pub from_to_www: bool,
    /// `rewrite-target`.
    pub rewrite_target: Option<Name>,
    /// `use-regex`.
    pub use_regex: bool,
    /// `x-forwarded-prefix`.
    pub forwarded_prefix: Option<Name>,
    /// `server-alias`: other names of the hosts of this Ingress.
    pub server_aliases: Vec<Alias>,
    /// `upstream-vhost`: the Host that backends see.
    pub upstream_vhost: Option<Name>,
    /// `default-backend`: a Service of the same namespace that answers when the main one has no endpoints.
    pub default_backend: Option<Name>,
    /// `proxy-body-size` in bytes; 0 is unlimited.
    pub body_size: Option<u64>,
    /// `proxy-connect-timeout`.
    pub connect_timeout: Option<Duration>,
    /// `proxy-read-timeout`: between two reads.
    pub read_timeout: Option<Duration>,
    /// `proxy-send-timeout`: between two writes.
    pub send_timeout: Option<Duration>,
    /// `proxy-next-upstream`.
    pub next_upstream: Option<NextUpstream>,
    /// `proxy-next-upstream-tries`; 0 is unlimited (bounded by the number of endpoints).
    pub next_upstream_tries: Option<u32>,
    /// `proxy-next-upstream-timeout`; zero is unlimited.
    pub next_upstream_timeout: Option<Duration>,
    /// `backend-protocol`.
    pub backend_protocol: Option<BackendProtocol>,
    /// `proxy-http-version`.
    pub http_version: Option<HttpVersion>,
    /// `allowlist-source-range` (`whitelist-source-range`): others get 403.
    pub allow_sources: Option<Vec<IpNet>>,
    /// `denylist-source-range`: these get 403, before the allow list.
    pub deny_sources: Option<Vec<IpNet>>,
    /// `service-upstream`.
    pub service_upstream: Option<bool>,
    /// `canary`: this Ingress only varies another one and must never serve on its own.
    pub canary: bool,
    /// An access rule could not be read or is not honoured: every path answers 503. Holds the annotation's name.
    pub denied: Option<Name>,
}

/// A fixed redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where to: an absolute http(s) URL or an absolute path.
    pub target: Name,
    /// Status code, 300 to 308.
    pub status: u16,
}

/// One value of `server-alias`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alias {
    /// A name or one-label wildcard.
    Host(Host),
    /// `~regex`: matched against the whole host, after all names. Checked to compile.
    Regex(Name),
}

/// `proxy-next-upstream`: on which outcomes another endpoint is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextUpstream {
    /// `error`: connecting, sending or reading the head failed.
    pub error: bool,
    /// `timeout`: the same, by time.
    pub timeout: bool,
    /// `invalid_header`: an empty or broken answer.
    pub invalid_header: bool,
    /// `http_500`, `http_502`, ...: these statuses, as a list ended by zeroes.
    pub statuses: [u16; 8],
    /// `non_idempotent`: POST, LOCK and PATCH as well.
    pub non_idempotent: bool,
}

impl NextUpstream {
    /// Whether a request that got this status goes to another endpoint.
    pub fn status(&self, status: u16) -> bool {
        status != 0 && self.statuses.contains(&status)
    }
}

impl Default for NextUpstream {
    /// `error timeout`.
    fn default() -> Self {
        Self { error: true, timeout: true, invalid_header: false, statuses: [0; 8], non_idempotent: false }
    }
}

/// `backend-protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendProtocol {
    /// HTTP/1.1 in the clear.
    #[default]
    Http,
    /// HTTP/1.1 over TLS, unverified.
    Https,
    /// HTTP/2 in the clear.
    Grpc,
    /// HTTP/2 over TLS, unverified.
    Grpcs,
    /// The scheme of the request.
    AutoHttp,
}

/// `proxy-http-version`: what backends are spoken to with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0: no keep-alive, no chunks.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}
