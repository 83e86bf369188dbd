//! Which header fields go to a backend and which come back: hop-by-hop (RFC 9110 7.6.1), forwarded, host.
//!
//! What ingress-nginx sets by default is set here under the same names.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Takes the header fields of a request to a backend, in order.
pub(super) trait Sink {
    /// Adds one field.
    fn put(&mut self, name: &HeaderName, value: &[u8]);
}

/// The bytes of an HTTP/1 head.
impl Sink for Vec<u8> {
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        self.extend_from_slice(name.as_str().as_bytes());
        self.extend_from_slice(b": ");
        self.extend_from_slice(value);
        self.extend_from_slice(b"\r\n");
    }
}

/// The fields of an HTTP/2 request. A value that HTTP forbids is left out; values that came in are never so.
impl Sink for HeaderMap {
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.append(name.clone(), value);
        }
    }
}

/// What is told to the backend about the client and its request.
#[derive(Debug)]
pub(super) struct Forwarded<'a> {
    /// The client's address.
    pub(super) remote: &'a str,
    /// X-Forwarded-For: the client's address, or the whole chain.
    pub(super) chain: &'a str,
    /// The host the client asked for, as received.
    pub(super) host: &'a str,
    /// X-Forwarded-Port.
    pub(super) port: &'a str,
    /// `http` or `https`.
    pub(super) scheme: &'a str,
    /// X-Request-ID.
    pub(super) request_id: &'a str,
    /// X-Original-URI, where asked for.
    pub(super) original_uri: Option<&'a str>,
    /// Fields of the client that the caller puts in itself.
    pub(super) replaced: &'a [&'a str],
    /// X-Forwarded-Prefix, where asked for.
    pub(super) prefix: Option<&'a str>,
}

macro_rules! names {
    ($($constant:ident = $name:literal;)*) => {
        $(pub(super) static $constant: HeaderName = HeaderName::from_static($name);)*
    };
}

names! {
    X_FORWARDED_FOR = "x-forwarded-for";
    X_FORWARDED_HOST = "x-forwarded-host";
    X_FORWARDED_PORT = "x-forwarded-port";
    X_FORWARDED_PROTO = "x-forwarded-proto";
    X_FORWARDED_SCHEME = "x-forwarded-scheme";
    X_FORWARDED_PREFIX = "x-forwarded-prefix";
    X_REAL_IP = "x-real-ip";
    X_REQUEST_ID = "x-request-id";
    X_SCHEME = "x-scheme";
    X_ORIGINAL_URI = "x-original-uri";
    X_ORIGINAL_FORWARDED_FOR = "x-original-forwarded-for";
    X_ORIGINAL_FORWARDED_HOST = "x-original-forwarded-host";
}

/// Passes on what the client sent, less hop-by-hop fields and those set here, then the forwarded fields.
/// `Host` and the framing of the body are the caller's.
pub(super) fn to_backend(received: &HeaderMap, told: &Forwarded<'_>, sink: &mut impl Sink) {
    let connection = connection_options(received);
    let mut cookies_sent = false;
    let (mut original_for, mut original_host) = (None, None);
    for (name, value) in received {
        if is_own(name) {
            if *name == X_FORWARDED_FOR {
                original_for = original_for.or(Some(value));
            } else if *name == X_FORWARDED_HOST {
                original_host = original_host.or(Some(value));
            }
            continue;
        }
        let named = |option: &&str| option.eq_ignore_ascii_case(name.as_str());
        if told.replaced.contains(&name.as_str()) || connection.iter().any(named) {
            continue;
        }
        if *name != header::COOKIE {
            sink.put(name, value.as_bytes());
        } else if !std::mem::replace(&mut cookies_sent, true) {
            sink.put(name, &cookies(received));
        }
    }
    sink.put(&X_REQUEST_ID, told.request_id.as_bytes());
    sink.put(&X_REAL_IP, told.remote.as_bytes());
    sink.put(&X_FORWARDED_FOR, told.chain.as_bytes());
    sink.put(&X_FORWARDED_HOST, told.host.as_bytes());
    sink.put(&X_FORWARDED_PORT, told.port.as_bytes());
    sink.put(&X_FORWARDED_PROTO, told.scheme.as_bytes());
    sink.put(&X_FORWARDED_SCHEME, told.scheme.as_bytes());
    sink.put(&X_SCHEME, told.scheme.as_bytes());
    if let Some(original) = original_for {
        sink.put(&X_ORIGINAL_FORWARDED_FOR, original.as_bytes());
    }
    if let Some(original) = original_host {
        sink.put(&X_ORIGINAL_FORWARDED_HOST, original.as_bytes());
    }
    if let Some(uri) = told.original_uri {
        sink.put(&X_ORIGINAL_URI, uri.as_bytes());
    }
    if let Some(prefix) = told.prefix {
        sink.put(&X_FORWARDED_PREFIX, prefix.as_bytes());
    }
}

/// All cookies as one value: HTTP/2 may split them, HTTP/1 may not (RFC 9113 8.2.3).
fn cookies(received: &HeaderMap) -> Vec<u8> {
    received
        .get_all(header::COOKIE)
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(&b"; "[..])
}

/// Fields of a request that end here: hop-by-hop ones, those that are set anew, `Proxy` (httpoxy), and names that
/// nginx ignores because many backends take `X_Real_IP` for `X-Real-IP`.
fn is_own(name: &HeaderName) -> bool {
    let name = name.as_str();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return true;
    }
    match name.as_bytes()[0] {
        b'x' => matches!(
            name,
            "x-forwarded-for"
                | "x-forwarded-host"
                | "x-forwarded-port"
                | "x-forwarded-proto"
                | "x-forwarded-scheme"
                | "x-forwarded-prefix"
                | "x-real-ip"
                | "x-request-id"
                | "x-scheme"
                | "x-original-uri"
                | "x-original-forwarded-for"
                | "x-original-forwarded-host"
        ),
        b'c' => matches!(name, "connection" | "content-length"),
        b'e' => name == "expect",
        b'h' => matches!(name, "host" | "http2-settings"),
        b'k' => name == "keep-alive",
        b'p' => matches!(name, "proxy" | "proxy-connection"),
        b't' => matches!(name, "te" | "transfer-encoding"),
        b'u' => name == "upgrade",
        _ => false,
    }
}

/// Whether a field of a backend's answer ends here. `upgrade` and `connection` pass with a 101 only.
pub(super) fn ends_here(name: &HeaderName, switching: bool) -> bool {
    match name.as_str() {
        "connection" | "upgrade" => !switching,
        "keep-alive" | "proxy-connection" | "transfer-encoding" | "te" | "server" => true,
        _ => false,
    }
}

/// The names listed in `Connection`, which are hop-by-hop by that.
pub(super) fn connection_options(headers: &HeaderMap) -> Vec<&str> {
    let first = headers.get(header::CONNECTION).map(HeaderValue::as_bytes);
    if first.is_none_or(|value| value.eq_ignore_ascii_case(b"keep-alive")) {
        return Vec::new(); // nearly all requests
    }
    let values = headers.get_all(header::CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|option| !option.is_empty()).collect()
}

/// The protocol the client wants to upgrade to: `Upgrade` with `Connection: upgrade` (RFC 9110 7.8). Never HTTP/2: the
/// requests in such a tunnel would pass every rule by.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<&HeaderValue> {
    let protocol = headers.get(header::UPGRADE)?;
    let mut named = protocol.as_bytes().split(|byte| *byte == b',');
    let asked = connection_options(headers).iter().any(|option| option.eq_ignore_ascii_case("upgrade"));
    let http2 = named.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"h2c"));
    (asked && !http2).then_some(protocol)
}

/// Whether the client takes trailers (`TE: trailers`), which gRPC servers insist on.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    let Some(te) = headers.get(header::TE).and_then(|value| value.to_str().ok()) else { return false };
    te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// X-Forwarded-For with the whole way of a request: what came, and behind it who brought it.
pub(super) fn chain(received: &HeaderMap, peer: &str) -> String {
    let came = received.get_all(&X_FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
    came.chain([peer]).collect::<Vec<_>>().join(", ")
}

/// Whether a field may stand in the trailers for a backend: none that frames, routes, authenticates or is set here
/// (RFC 9110 6.5.1).
pub(super) fn may_trail(name: &HeaderName) -> bool {
    !is_own(name) && *name != header::AUTHORIZATION && *name != header::COOKIE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Forwarded<'static> {
        Forwarded {
            remote: "192.0.2.7",
            chain: "192.0.2.7",
            host: "foo.example:8080",
            port: "8080",
            scheme: "http",
            request_id: "abc",
            original_uri: None,
            replaced: &[],
            prefix: None,
        }
    }

    fn sent(received: &[(&'static str, &'static str)], told: &Forwarded<'_>) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in received {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let mut out = Vec::new();
        to_backend(&headers, told, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn forwarded_fields_are_set_and_those_of_the_client_replaced() {
        let out = sent(
            &[("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "6.6.6.6"), ("x-scheme", "gopher")],
            &told(),
        );
        assert_eq!(
            out,
            "x-request-id: abc\r\nx-real-ip: 192.0.2.7\r\nx-forwarded-for: 192.0.2.7\r\n\
             x-forwarded-host: foo.example:8080\r\nx-forwarded-port: 8080\r\nx-forwarded-proto: http\r\n\
             x-forwarded-scheme: http\r\nx-scheme: http\r\nx-original-forwarded-for: 6.6.6.6\r\n"
        );
    }

    #[test]
    fn hop_by_hop_fields_those_that_connection_names_and_odd_names_end_here() {
        let received = [
            ("connection", "close, X-Secret"),
            ("keep-alive", "5"),
            ("x-secret", "1"),
            ("proxy", "evil"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("x_real_ip", "6.6.6.6"),
            ("x.y", "1"),
            ("accept", "*/*"),
        ];
        let out = sent(&received, &told());
        assert!(out.starts_with("accept: */*\r\nx-request-id"), "{out}");
    }

    #[test]
    fn several_values_of_one_name_stay_apart() {
        let out = sent(&[("accept", "a"), ("accept", "b")], &told());
        assert!(out.starts_with("accept: a\r\naccept: b\r\n"), "{out}");
    }

    #[test]
    fn split_cookies_are_joined() {
        let out = sent(&[("cookie", "a=1"), ("accept", "a"), ("cookie", "b=2")], &told());
        assert!(out.starts_with("cookie: a=1; b=2\r\naccept: a\r\nx-request-id"), "{out}");
    }

    #[test]
    fn prefix_and_original_uri_are_sent_where_asked_for() {
        let told = Forwarded { prefix: Some("/api"), original_uri: Some("/api/x?y"), ..told() };
        let out = sent(&[], &told);
        assert!(out.ends_with("x-original-uri: /api/x?y\r\nx-forwarded-prefix: /api\r\n"), "{out}");
    }

    #[test]
    fn an_upgrade_needs_both_fields() {
        let mut headers = HeaderMap::new();
        headers.insert("upgrade", HeaderValue::from_static("websocket"));
        assert!(upgrade(&headers).is_none());
        headers.insert("connection", HeaderValue::from_static("keep-alive, Upgrade"));
        assert_eq!(upgrade(&headers).unwrap(), "websocket");
        headers.insert("upgrade", HeaderValue::from_static("websocket, H2C"));
        assert!(upgrade(&headers).is_none());
    }

    #[test]
    fn the_whole_chain_ends_with_the_peer() {
        let mut headers = HeaderMap::new();
        assert_eq!(chain(&headers, "3.3.3.3"), "3.3.3.3");
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 2.2.2.2"));
        headers.append("x-forwarded-for", HeaderValue::from_static("2.3.3.3"));
        assert_eq!(chain(&headers, "3.3.3.3"), "1.1.1.1, 2.2.2.2, 2.3.3.3, 3.3.3.3");
    }
}
