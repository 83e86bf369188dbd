//! The life of one request: match, decide, pick, send, respond, record.

mod asked;
mod balance;
mod body;
mod connection;
mod error;
mod headers;
mod listener;
mod log;
mod record;
mod respond;
mod send;
mod timer;
mod tls;
mod tunnel;
mod upstream;
mod worker;
mod workers;

use std::convert::Infallible;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

pub use workers::{Bound, Error, LogTarget, Options, Proxy, start};

use crate::model::route::Host;
use crate::routing::endpoints::BackendId;
use crate::routing::{Action, HostTable, Route, filter};
use asked::Asked;
use body::Body;
use connection::Client;
use record::{Facts, Record};
use send::{Job, Outcome};
use tunnel::Tunnel;
use upstream::Stream;
use worker::{View, Worker};

/// Serves one request of a client.
async fn serve(client: Arc<Client>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    client.request_started();
    let view = worker::with(Worker::view);
    let (mut parts, body) = request.into_parts();
    let tunnel = Wanted::of(&mut parts);
    let mut record = Record::new(client, view, parts);
    // A body of unknown length counts with its head only.
    record.facts().trace.request_length += body.size_hint().exact().unwrap_or(0);
    let empty = body.is_end_stream();
    let answered = answer(record.facts(), &tunnel, body).await;
    if answered.is_err() && !empty {
        record.facts().client.leave_unread();
    }
    Ok(match answered {
        // To the client of an extended CONNECT any 2xx would mean that the tunnel is open (RFC 8441 5).
        Ok(Outcome::Answer(status, ..)) if status.is_success() && matches!(tunnel, Wanted::Connect(_)) => {
            respond::page(record, StatusCode::BAD_GATEWAY, None)
        }
        Ok(Outcome::Answer(status, headers, content)) => respond::finish(record, status, headers, content),
        Ok(Outcome::Switched(headers, stream, early)) => switch(record, tunnel, headers, stream, early),
        Err(Reply::Page(status, location)) => respond::page(record, status, location),
        Err(Reply::Healthy) => respond::text(record, "ok"),
    })
}

/// An answer that does not come from a backend.
enum Reply {
    /// A status, perhaps with a `Location`.
    Page(StatusCode, Option<String>),
    /// The proxy is alive.
    Healthy,
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        Self::Page(status, None)
    }
}

async fn answer(facts: &mut Facts, tunnel: &Wanted, body: Incoming) -> Result<Outcome, Reply> {
    let Facts { client, view, parts, request_id, trace, .. } = facts;
    let (view, parts) = (&**view, &*parts);
    if parts.method == Method::CONNECT {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    let asked = match Asked::read(client, view.settings(), parts) {
        Ok(asked) => asked,
        Err(status) => {
            worker::with(|worker| worker.counts.borrow_mut().bad_heads += 1);
            return Err(status.into());
        }
    };
    trace.note(&asked, client, view.log.is_some());
    let host = view.tables.routes.host(&asked.host);
    let route = host.route(&asked.path);
    trace.route = Some(worker::with(|worker| worker.counted(route)));
    let (backend, fallback) = decide(view, host, route, &asked, &body)?;
    let rewritten = route.rewrite.as_ref().and_then(|rewrite| rewrite.apply(&asked.head()));
    let upgrade = tunnel.protocol(parts);
    let job = Job {
        parts,
        asked: &asked,
        client,
        route,
        view,
        backend,
        rewritten,
        fallback,
        request_id,
        upgrade,
        websocket_key: tunnel.key(),
    };
    let sent = send::send(&job, client.listener.secure, body, trace).await;
    sent.map_err(|error| error.status().into())
}

/// Everything that may answer a request before a backend does, in ingress-nginx's order; else the backend, and whether
/// it is the default one in place of the route's own.
fn decide(
    view: &View,
    host: &HostTable,
    route: &Route,
    asked: &Asked<'_>,
    body: &Incoming,
) -> Result<(BackendId, bool), Reply> {
    let page = |status: u16, location: String| {
        Reply::Page(StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND), Some(location))
    };
    if let Some(to) = &host.www_redirect {
        return Err(page(view.settings().http_redirect_code, filter::www_location(&asked.head(), to)));
    }
    if let Some(root) = host.app_root.as_ref().filter(|_| asked.path == "/") {
        return Err(page(302, filter::root_location(&asked.head(), root)));
    }
    let unclaimed = route.origin.is_default || route.origin.path.as_ref() == "/";
    if asked.path == "/healthz" && host.host == Host::Any && unclaimed {
        return Err(Reply::Healthy);
    }
    let traffic = &*route.traffic;
    let length = http_body::Body::size_hint(body).lower();
    if traffic.body_limit > 0 && length > traffic.body_limit {
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into());
    }
    if let Some(redirect) = &route.redirect {
        return Err(page(redirect.status, redirect.location(&asked.head())));
    }
    if route.action == Action::Denied {
        return Err(StatusCode::SERVICE_UNAVAILABLE.into());
    }
    if let Some(redirect) = traffic.https_redirect.filter(|_| asked.scheme == "http")
        && !view
            .settings()
            .no_tls_redirect_locations
            .iter()
            .any(|start| asked.path.starts_with(start.as_str()))
    {
        return Err(page(redirect.status, filter::https_location(&asked.head(), redirect.keep_slash)));
    }
    let chosen = match route.action {
        Action::AddSlash => return Err(page(301, filter::slash_location(&asked.head()))),
        Action::NotFound | Action::Denied => return Err(StatusCode::NOT_FOUND.into()),
        Action::Proxy { backend, .. } if Worker::has_endpoints(view, backend) => (backend, false),
        Action::Proxy { fallback: Some(fallback), .. } if Worker::has_endpoints(view, fallback) => {
            (fallback, true)
        }
        Action::Proxy { .. } => return Err(StatusCode::SERVICE_UNAVAILABLE.into()),
    };
    if traffic.sources.as_ref().is_some_and(|sources| !sources.permits(asked.remote)) {
        return Err(StatusCode::FORBIDDEN.into());
    }
    Ok(chosen)
}

/// Whether a request asks for a tunnel, and how.
enum Wanted {
    Nothing,
    /// HTTP/1.1 `Upgrade`.
    Upgrade,
    /// HTTP/2 extended CONNECT (RFC 8441), with the key that HTTP/1.1 wants in its place.
    Connect(Box<(OnUpgrade, Protocol, String)>),
}

impl Wanted {
    fn of(parts: &mut Parts) -> Self {
        if parts.version < Version::HTTP_2 {
            let upgrade = !parts.headers.is_empty() && headers::upgrade(&parts.headers).is_some();
            return if upgrade { Self::Upgrade } else { Self::Nothing };
        }
        let Some(protocol) = parts.extensions.remove::<Protocol>() else { return Self::Nothing };
        match parts.extensions.remove::<OnUpgrade>() {
            // The name goes into the head for the backend: nothing but the one that is registered.
            Some(upgrade) if parts.method == Method::CONNECT && protocol.as_str() == "websocket" => {
                parts.method = Method::GET;
                Self::Connect(Box::new((upgrade, protocol, websocket_key())))
            }
            _ => Self::Nothing,
        }
    }

    fn protocol<'a>(&'a self, parts: &'a Parts) -> Option<&'a [u8]> {
        match self {
            Self::Nothing => None,
            Self::Upgrade => headers::upgrade(&parts.headers).map(HeaderValue::as_bytes),
            Self::Connect(connect) => Some(connect.1.as_str().as_bytes()),
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Self::Connect(connect) => Some(&connect.2),
            _ => None,
        }
    }
}

/// Joins client and endpoint once the head of the answer is out.
fn switch(
    mut record: Record,
    wanted: Wanted,
    mut headers: HeaderMap,
    stream: Stream,
    early: Bytes,
) -> Response<Body> {
    let facts = record.facts();
    let idle = facts
        .trace
        .route
        .as_ref()
        .map_or(facts.view.settings().read_timeout, |counted| counted.route.traffic.read_timeout);
    let client = facts.client.clone();
    facts.trace.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    let tunnel = Tunnel { stream, early, idle, record };
    let Wanted::Connect(connect) = wanted else {
        client.leave_tunnel(tunnel);
        return respond::switch(StatusCode::SWITCHING_PROTOCOLS, headers);
    };
    tokio::spawn(async move {
        match connect.0.await {
            Ok(upgraded) => tunnel.run(TokioIo::new(upgraded), Bytes::new()).await,
            Err(error) => tracing::debug!("a tunnel over HTTP/2 did not open: {error}"),
        }
    });
    for name in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT] {
        headers.remove(name);
    }
    respond::switch(StatusCode::OK, headers)
}

/// `Sec-WebSocket-Key`: 16 random bytes in base64 (RFC 6455 4.1).
fn websocket_key() -> String {
    BASE64_STANDARD.encode(worker::with(Worker::random).to_be_bytes())
}
