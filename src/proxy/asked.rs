//! What a request asks for: host, path, and who asks, as far as the peer is believed.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Version};

use super::connection::Client;
use super::headers;
use crate::model::settings::Settings;
use crate::routing::filter::Head;
use crate::routing::{host, path};

/// The longest request target, in bytes (one of ingress-nginx's large header buffers).
const TARGET_LIMIT: usize = 8 << 10;

/// A request's head, understood.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Lower case, without port and trailing dot. Empty when HTTP/1.0 named none.
    pub(super) host: Cow<'a, str>,
    /// The host as the backend and redirects see it, with its port: X-Forwarded-Host of a trusted proxy, else Host.
    pub(super) authority: &'a str,
    /// Percent-decoded, without dot segments and double slashes.
    pub(super) path: Cow<'a, str>,
    /// Path and query as received.
    pub(super) uri: &'a str,
    /// The query as received, without `?`.
    pub(super) query: Option<&'a str>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The port the client used.
    pub(super) port: &'a str,
    /// The client's address.
    pub(super) remote: IpAddr,
    /// The same as text.
    pub(super) address: Cow<'a, str>,
    /// What a trusted proxy said about the request is believed.
    believed: bool,
    /// The host of `authority`, where that is not the one that is routed by.
    public: Option<Cow<'a, str>>,
    method: &'a str,
}

impl<'a> Asked<'a> {
    /// Reads a head. The error is the status of the answer: 400, 414 or 501.
    pub(super) fn read(
        client: &'a Client,
        settings: &Settings,
        parts: &'a Parts,
    ) -> Result<Self, StatusCode> {
        let uri = parts.uri.path_and_query().map_or("/", |uri| uri.as_str());
        if uri.len() > TARGET_LIMIT {
            return Err(StatusCode::URI_TOO_LONG);
        }
        if !uri.starts_with('/') {
            return Err(StatusCode::BAD_REQUEST); // a query without a path, or no path at all
        }
        if !is_plainly_chunked(&parts.headers) {
            return Err(StatusCode::NOT_IMPLEMENTED);
        }
        let mut authority = authority(parts).ok_or(StatusCode::BAD_REQUEST)?;
        let host = match authority {
            "" => Cow::Borrowed(""),
            named => host::normalize(named).ok_or(StatusCode::BAD_REQUEST)?,
        };
        let mut scheme = if client.listener.secure { "https" } else { "http" };
        let mut port = client.listener.port.as_str();
        let peer = client.peer.ip().to_canonical();
        let (mut remote, mut address) = (peer, Cow::Borrowed(client.address.as_str()));
        let asked_to = settings.use_forwarded_headers || settings.enable_real_ip;
        let believed = asked_to && is_trusted(settings, peer);
        let mut public = None;
        if believed {
            if let Some(origin) = origin(&parts.headers, settings) {
                (remote, address) = (origin, Cow::Owned(origin.to_string()));
            }
            if settings.use_forwarded_headers {
                let said = first(&parts.headers, "x-forwarded-host");
                let said = said.and_then(|said| Some((said, host::normalize(said)?)));
                if let Some((said, name)) = said {
                    (authority, public) = (said, Some(name));
                }
                scheme = match first(&parts.headers, "x-forwarded-proto") {
                    Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
                    Some(proto) if proto.eq_ignore_ascii_case("http") => "http",
                    _ => scheme,
                };
                let said = first(&parts.headers, "x-forwarded-port");
                port = said.filter(|port| port.parse::<u16>().is_ok()).unwrap_or(port);
            }
        }
        Ok(Self {
            host,
            authority,
            path: path::normalize(parts.uri.path()).map_err(|_| StatusCode::BAD_REQUEST)?,
            uri,
            query: parts.uri.query(),
            scheme,
            port,
            remote,
            address,
            believed,
            public,
            method: parts.method.as_str(),
        })
    }

    /// The port the client used, as far as the host it named tells: else the scheme's own.
    fn public_port(&self) -> u16 {
        let named = self.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        named.unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }

    /// The head as the filters see it.
    pub(super) fn head(&self) -> Head<'_> {
        Head {
            scheme: self.scheme,
            host: self.public.as_deref().unwrap_or(&self.host),
            port: self.public_port(),
            path: &self.path,
            uri: self.uri,
            query: self.query,
            method: self.method,
            remote: self.remote,
        }
    }
}

/// The host that is asked for: the target's where it has one (RFC 9112 3.2.2), else the one `Host` field.
fn authority(parts: &Parts) -> Option<&str> {
    let mut fields = parts.headers.get_all(header::HOST).into_iter();
    let field = fields.next();
    if fields.next().is_some() {
        return None; // two hosts: a request smuggler's, or broken
    }
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.as_str()).filter(|authority| !authority.contains('@'));
    }
    match field {
        Some(value) => value.to_str().ok().filter(|host| !host.is_empty()),
        None => (parts.version == Version::HTTP_10).then_some(""),
    }
}

/// Whether the body comes as it is or in chunks and nothing else: another transfer coding would be lost on the way
/// (RFC 9112 6.1).
fn is_plainly_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).into_iter();
    let chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    chunked && codings.next().is_none()
}

fn is_trusted(settings: &Settings, address: IpAddr) -> bool {
    settings.proxy_real_ip_cidr.iter().any(|net| net.contains(&address))
}

/// The client behind trusted proxies: the last address of the chain that is not trusted itself, else the first.
fn origin(headers: &HeaderMap, settings: &Settings) -> Option<IpAddr> {
    let name = HeaderName::from_bytes(settings.forwarded_for_header.as_bytes()).ok()?;
    let mut found = None;
    let values: Vec<_> = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).collect();
    for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Some(address) = parse_address(entry.trim()) else { break };
        found = Some(address);
        if !is_trusted(settings, address) {
            break;
        }
    }
    found
}

/// An address, perhaps with a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// The first entry of a list field.
fn first<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim).filter(|entry| !entry.is_empty())
}

/// X-Forwarded-For for the backend: the client's address, or with `compute-full-forwarded-for` the whole chain.
pub(super) fn forwarded_for<'a>(
    asked: &'a Asked<'_>,
    client: &Client,
    parts: &Parts,
    settings: &Settings,
) -> Cow<'a, str> {
    if settings.compute_full_forwarded_for && settings.use_forwarded_headers && asked.believed {
        return headers::chain(&parts.headers, &client.address).into();
    }
    Cow::Borrowed(&asked.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(trusted: &[&str]) -> Settings {
        let nets = trusted.iter().map(|net| net.parse().unwrap()).collect();
        Settings { use_forwarded_headers: true, proxy_real_ip_cidr: nets, ..Settings::default() }
    }

    fn chain(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), value.parse().unwrap())])
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
        let some = settings(&["10.0.0.0/8"]);
        let table = [
            ("1.1.1.1, 2.2.2.2, 10.0.0.1", Some("2.2.2.2")),
            ("10.0.0.9, 10.0.0.1", Some("10.0.0.9")),
            ("2.2.2.2:443", Some("2.2.2.2")),
            ("rubbish, 10.0.0.1", Some("10.0.0.1")),
            ("rubbish", None),
        ];
        for (value, client) in table {
            assert_eq!(origin(&chain(value), &some), client.map(|c| c.parse().unwrap()), "{value}");
        }
        // Everybody trusted, as by default: the first one.
        let all = settings(&["0.0.0.0/0"]);
        assert_eq!(origin(&chain("1.1.1.1, 2.2.2.2"), &all), Some("1.1.1.1".parse().unwrap()));
    }

    #[test]
    fn a_request_has_one_host() {
        let read = |request: http::request::Builder| {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            authority(&parts).map(str::to_owned)
        };
        let get = || http::Request::get("/x");
        assert_eq!(read(get().header("host", "a:80")), Some("a:80".into()));
        assert_eq!(read(get().header("host", "a").header("host", "a")), None);
        assert_eq!(read(get()), None);
        assert_eq!(read(get().version(Version::HTTP_10)), Some(String::new()));
        assert_eq!(read(http::Request::get("http://b/x").header("host", "a")), Some("b".into()));
        assert_eq!(read(http::Request::get("http://user@b/x")), None);
    }
}
