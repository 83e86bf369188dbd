//! The access log: a line is formatted by the worker that served the request and written by one thread for all.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::record::Facts;
use crate::model::log::Piece;
use crate::model::log::Variable as V;
use crate::model::settings::Settings;
use crate::routing::endpoints::Target;

pub(super) use crate::model::log::LogFormat;

/// A worker hands its lines over when it has this many bytes of them, or at its next tick.
pub(super) const BATCH: usize = 32 << 10;
/// How many batches may wait; when standard output is slower than that, lines are dropped and counted.
const WAITING: usize = 256;

const LOCAL: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
const ISO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+00:00");

/// The format in force; `None` when the log is off.
pub(super) fn format(settings: &Settings) -> Option<Arc<LogFormat>> {
    settings.access_log.then(|| Arc::new(LogFormat::parse(&settings.log_format, settings.log_escape_json).0))
}

/// Starts the thread that writes to standard output. It ends when all senders are gone.
pub(super) fn writer() -> std::io::Result<(SyncSender<Vec<u8>>, std::thread::JoinHandle<()>)> {
    let (sender, batches) = sync_channel::<Vec<u8>>(WAITING);
    let run = move || {
        for batch in batches {
            // A reader of the log that went away must not end the proxy.
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(&batch).and_then(|()| out.flush());
        }
    };
    let thread = std::thread::Builder::new().name("access-log".into()).spawn(run)?;
    Ok((sender, thread))
}

/// Appends the line of one request.
pub(super) fn write(out: &mut Vec<u8>, format: &LogFormat, facts: &Facts, elapsed: Duration) {
    for piece in &format.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Value(variable) => value(out, variable, facts, elapsed, format.escape_json),
        }
    }
    out.push(b'\n');
}

fn value(out: &mut Vec<u8>, variable: &V, facts: &Facts, elapsed: Duration, json: bool) {
    let (parts, trace) = (&facts.parts, &facts.trace);
    let origin = trace.route.as_ref().map(|counted| &counted.route.origin);
    let ingress = origin.and_then(|origin| origin.ingress.as_ref());
    let upstream = trace.upstream.as_ref();
    let tls = facts.client.tls.as_ref();
    let uri = parts.uri.path_and_query().map_or("*", |uri| uri.as_str());
    let version = version(parts.version);
    let mut text = |value: &str| escaped(out, value, json);
    match variable {
        V::RemoteAddr => text(trace.remote.as_deref().unwrap_or(&facts.client.address)),
        V::RemotePort => number(out, facts.client.peer.port()),
        V::RemoteUser => text(&user(&parts.headers).unwrap_or_default()),
        V::TimeLocal => text(&now(LOCAL)),
        V::TimeIso8601 => text(&now(ISO)),
        V::Msec => seconds(out, since_epoch()),
        V::Request => text(&format!("{} {uri} {version}", parts.method)),
        V::RequestMethod => text(parts.method.as_str()),
        V::RequestUri => text(uri),
        V::Uri => text(parts.uri.path()),
        V::Args => text(parts.uri.query().unwrap_or_default()),
        V::Scheme => text(trace.scheme),
        V::Host => text(&trace.host),
        V::ServerPort => text(&facts.client.listener.port),
        V::ServerProtocol => text(version),
        V::Status => number(out, trace.status),
        V::BodyBytesSent => number(out, trace.body_bytes),
        V::RequestLength => number(out, trace.request_length),
        V::RequestTime => seconds(out, elapsed),
        V::ProxyUpstreamName => text(origin.map_or("", |origin| &origin.upstream)),
        V::UpstreamAddr => {
            text(&upstream.map(|upstream| Shown(&upstream.target).to_string()).unwrap_or_default());
        }
        V::UpstreamResponseLength if upstream.is_some() => number(out, trace.body_bytes),
        V::UpstreamResponseTime if upstream.is_some() => seconds(out, upstream.map_or(elapsed, |up| up.time)),
        V::UpstreamStatus if upstream.is_some() => number(out, upstream.map_or(0, |up| up.status)),
        V::ProxyAlternativeUpstreamName
        | V::UpstreamResponseLength
        | V::UpstreamResponseTime
        | V::UpstreamStatus => text(""),
        V::RequestId => text(&facts.request_id),
        V::Namespace => text(ingress.map_or("", |key| &key.namespace)),
        V::IngressName => text(ingress.map_or("", |key| &key.name)),
        V::ServiceName => text(origin.map_or("", |origin| &origin.service)),
        V::ServicePort => text(origin.map_or("", |origin| &origin.port)),
        V::LocationPath => text(origin.map_or("", |origin| &origin.path)),
        V::TlsVersion => text(tls.map_or("", |tls| &tls.version)),
        V::TlsCipher => text(tls.map_or("", |tls| &tls.cipher)),
        V::TlsServerName => text(tls.map_or("", |tls| &tls.server_name)),
        V::Header(name) => text(&field(&parts.headers, name)),
    }
}

/// The user name of Basic authentication, as sent.
fn user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    let decoded =
        BASE64_STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    String::from_utf8_lossy(&decoded).split_once(':').map(|(user, _)| user.to_owned())
}

fn field(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

fn now(format: &[BorrowedFormatItem<'_>]) -> String {
    OffsetDateTime::now_utc().format(&format).unwrap_or_default()
}

fn since_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

fn number(out: &mut Vec<u8>, value: impl fmt::Display) {
    let _ = write!(out, "{value}");
}

/// Seconds with three digits behind the point, as nginx writes times.
fn seconds(out: &mut Vec<u8>, value: Duration) {
    let _ = write!(out, "{}.{:03}", value.as_secs(), value.subsec_millis());
}

/// A value as nginx escapes it: `-` for nothing, `\xHH` for what could break the line; or as inside a JSON string.
fn escaped(out: &mut Vec<u8>, value: &str, json: bool) {
    if value.is_empty() && !json {
        out.push(b'-');
    }
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' if json => out.extend_from_slice(&[b'\\', byte]),
            0..=31 if json => number(out, format_args!("\\u{byte:04x}")),
            b'"' | b'\\' | 0..=31 | 127..=255 if !json => number(out, format_args!("\\x{byte:02X}")),
            _ => out.push(byte),
        }
    }
}

/// A target as the log shows it: `address:port` or `name:port`.
pub(super) struct Shown<'a>(pub(super) &'a Target);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Target::Address(address) => write!(f, "{address}"),
            Target::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(value: &str, json: bool) -> String {
        let mut out = Vec::new();
        escaped(&mut out, value, json);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_cannot_break_a_line() {
        assert_eq!(escape("a\"b\\c\nd\u{e9}", false), "a\\x22b\\x5Cc\\x0Ad\\xC3\\xA9");
        assert_eq!(escape("a\"b\\c\nd\u{e9}", true), "a\\\"b\\\\c\\u000ad\u{e9}");
        assert_eq!((escape("", false), escape("", true)), ("-".into(), String::new()));
    }

    #[test]
    fn times_have_three_digits() {
        let mut out = Vec::new();
        seconds(&mut out, Duration::from_micros(61_002_900));
        assert_eq!(out, b"61.002");
    }
}
