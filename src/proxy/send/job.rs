//! A request that is to go to a backend, with all that is told there about it.

use http::header::{self, HeaderName};
use http::request::Parts;

use crate::proxy::asked::{self, Asked};
use crate::proxy::connection::Client;
use crate::proxy::headers::{self, Forwarded, Sink};
use crate::proxy::worker::View;
use crate::routing::Route;
use crate::routing::endpoints::BackendId;

/// What a default backend is told in place of what the client may say.
const FALLBACK_FIELDS: &[&str] = &[
    "x-code",
    "x-format",
    "x-original-uri",
    "x-namespace",
    "x-ingress-name",
    "x-service-name",
    "x-service-port",
];

/// A request that is to go to a backend.
pub(in crate::proxy) struct Job<'a> {
    /// Its head.
    pub(in crate::proxy) parts: &'a Parts,
    /// The same, understood.
    pub(in crate::proxy) asked: &'a Asked<'a>,
    /// Who asks.
    pub(in crate::proxy) client: &'a Client,
    /// Its route.
    pub(in crate::proxy) route: &'a Route,
    /// The tables.
    pub(in crate::proxy) view: &'a View,
    /// Where to.
    pub(in crate::proxy) backend: BackendId,
    /// The target for the backend, where the route rewrites it.
    pub(in crate::proxy) rewritten: Option<String>,
    /// It goes to the default backend, because the route's own has no endpoints.
    pub(in crate::proxy) fallback: bool,
    /// X-Request-ID.
    pub(in crate::proxy) request_id: &'a str,
    /// The protocol the client wants to upgrade to.
    pub(in crate::proxy) upgrade: Option<&'a [u8]>,
    /// `Sec-WebSocket-Key` for a tunnel that was asked for over HTTP/2.
    pub(in crate::proxy) websocket_key: Option<&'a str>,
}

impl Job<'_> {
    /// The target for the backend: as received, unless a rewrite says otherwise.
    pub(super) fn uri(&self) -> &str {
        self.rewritten.as_deref().unwrap_or(self.asked.uri)
    }

    /// The Host for the backend.
    pub(super) fn host(&self) -> &str {
        self.route.traffic.upstream_vhost.as_deref().unwrap_or(self.asked.authority)
    }

    /// The header fields for the backend, but for host and framing.
    pub(super) fn forward(&self, sink: &mut impl Sink) {
        let settings = self.view.settings();
        let told = Forwarded {
            remote: &self.asked.address,
            chain: &asked::forwarded_for(self.asked, self.client, self.parts, settings),
            host: self.asked.authority,
            port: self.asked.port,
            scheme: self.asked.scheme,
            request_id: self.request_id,
            original_uri: settings.proxy_add_original_uri_header.then_some(self.asked.uri),
            replaced: if self.fallback { FALLBACK_FIELDS } else { &[] },
            prefix: self.route.traffic.forwarded_prefix.as_deref().filter(|_| self.rewritten.is_some()),
        };
        headers::to_backend(&self.parts.headers, &told, sink);
        if self.fallback {
            self.explain_fallback(sink);
        }
    }

    /// What a default backend is told, by the names ingress-nginx uses.
    fn explain_fallback(&self, sink: &mut impl Sink) {
        let origin = &self.route.origin;
        let mut put =
            |name: &'static str, value: &str| sink.put(&HeaderName::from_static(name), value.as_bytes());
        put("x-code", "503");
        put(
            "x-format",
            self.parts.headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default(),
        );
        put("x-original-uri", self.asked.uri);
        if let Some(ingress) = &origin.ingress {
            put("x-namespace", &ingress.namespace);
            put("x-ingress-name", &ingress.name);
        }
        put("x-service-name", &origin.service);
        put("x-service-port", &origin.port);
    }
}
