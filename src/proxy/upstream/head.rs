//! The head of a backend's HTTP/1 answer: bytes -> status, header fields, framing of the body (RFC 9112 6.3).

use std::cell::RefCell;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};

use crate::proxy::headers;

/// The longest head that is taken from a backend, in bytes.
pub(super) const HEAD_LIMIT: usize = 64 << 10;
const FIELDS: usize = 128;

/// A backend's answer without its body.
#[derive(Debug)]
pub(crate) struct Head {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its fields, less the hop-by-hop ones.
    pub(crate) headers: HeaderMap,
    /// How the body ends.
    pub(super) framing: Framing,
    /// The connection may carry another request.
    pub(super) keep: bool,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Until the connection closes.
    Close,
}

/// Takes one head from the front of `buffer`; `None` when it is not complete yet. `bodiless` says that the request
/// was a HEAD. The error says what is wrong.
pub(super) fn take(buffer: &mut BytesMut, bodiless: bool) -> Result<Option<Head>, &'static str> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        buffer,
        &mut fields,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() >= HEAD_LIMIT => return Err("the head is too long"),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("too many header fields"),
        Err(httparse::Error::Version) => return Err("not an HTTP/1 answer"),
        Err(httparse::Error::Status) => return Err("the status line is broken"),
        Err(_) => return Err("a header field is broken"),
    };
    let status =
        StatusCode::from_u16(response.code.unwrap_or(0)).map_err(|_| "the status code is out of range")?;
    let old = response.version == Some(0);
    // Values are kept as slices of the head's bytes: remember where they are before taking these.
    let start = buffer.as_ptr() as usize;
    let offset = |bytes: &[u8]| if bytes.is_empty() { 0 } else { bytes.as_ptr() as usize - start };
    // The list is taken from this worker and given back, so that it is neither allocated nor cleared for each answer.
    let mut spans = SPANS.take();
    spans.clear();
    spans.extend(response.headers.iter().map(|field| {
        let (name, value) = (field.name.as_bytes(), field.value);
        Span { name: (offset(name), name.len()), value: (offset(value), value.len()) }
    }));
    let bytes = buffer.split_to(length).freeze();
    let fields = spans.iter().map(|Span { name, value }| {
        (&bytes[name.0..name.0 + name.1], bytes.slice(value.0..value.0 + value.1))
    });
    let head = head(status, old, bodiless, fields);
    SPANS.set(spans);
    head.map(Some)
}

thread_local! {
    static SPANS: RefCell<Vec<Span>> = const { RefCell::new(Vec::new()) };
}

/// Where a field is in the head: offset and length of its name and of its value.
struct Span {
    name: (usize, usize),
    value: (usize, usize),
}

fn head<'a>(
    status: StatusCode,
    old: bool,
    bodiless: bool,
    fields: impl Iterator<Item = (&'a [u8], Bytes)>,
) -> Result<Head, &'static str> {
    let switching = status == StatusCode::SWITCHING_PROTOCOLS;
    let mut headers = HeaderMap::with_capacity(16);
    let mut seen = Seen { keep: !old, ..Seen::default() };
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).map_err(|_| "a header field's name is broken")?;
        seen.note(&name, &value)?;
        if headers::ends_here(&name, switching) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| "a header field's value is broken")?;
        headers.append(name, value);
    }
    for named in std::mem::take(&mut seen.named) {
        headers.remove(named);
    }
    let empty = bodiless
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let framing = match (empty, seen.chunked, seen.length) {
        (true, ..) => Framing::Length(0),
        (_, Some(true), length) => {
            // Both say how long it is: the coding holds, and the connection is not trusted further.
            seen.keep &= length.is_none();
            headers.remove(header::CONTENT_LENGTH);
            Framing::Chunked
        }
        (_, None, Some(length)) => Framing::Length(length),
        (_, Some(false), _) | (_, None, None) => Framing::Close,
    };
    let keep = seen.keep && framing != Framing::Close && !switching;
    Ok(Head { status, headers, framing, keep })
}

/// What the fields say about framing and the connection.
#[derive(Default)]
struct Seen {
    keep: bool,
    length: Option<u64>,
    /// There is a transfer coding; whether the last one is `chunked`.
    chunked: Option<bool>,
    /// Fields that `Connection` names.
    named: Vec<HeaderName>,
}

impl Seen {
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), &'static str> {
        if *name == header::CONTENT_LENGTH {
            let digits =
                std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let length = digits.and_then(|text| text.parse().ok()).ok_or("Content-Length is not a number")?;
            if self.length.is_some_and(|other| other != length) {
                return Err("two different Content-Length");
            }
            self.length = Some(length);
        } else if *name == header::TRANSFER_ENCODING {
            let last = value.rsplit(|b| *b == b',').next().unwrap_or_default().trim_ascii();
            self.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
        } else if *name == header::CONNECTION {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.keep = false;
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    self.keep = true;
                } else if let Ok(named) = HeaderName::from_bytes(option) {
                    self.named.extend(Some(named).filter(|named| *named != header::UPGRADE));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Head>, &'static str> {
        take(&mut BytesMut::from(text), false)
    }

    #[test]
    fn framing_follows_rfc_9112() {
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Framing::Length(5), true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked, true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n",
                Framing::Chunked,
                false,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Framing::Close, false),
            ("HTTP/1.1 200 OK\r\n\r\n", Framing::Close, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", Framing::Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Framing::Length(0), true),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", Framing::Length(0), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", Framing::Length(2), false),
            (
                "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n",
                Framing::Length(2),
                true,
            ),
        ];
        for (text, framing, keep) in table {
            let head = parse(text).unwrap().unwrap();
            assert_eq!((head.framing, head.keep), (framing, keep), "{text}");
        }
    }

    #[test]
    fn broken_heads_are_refused_and_unfinished_ones_wait() {
        assert!(parse("HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
        assert!(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n").is_err());
        assert!(parse("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n").is_err());
        assert!(parse("SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(parse("HTTP/1.1 20 OK\r\n\r\n").is_err());
    }

    #[test]
    fn hop_by_hop_fields_and_the_server_name_do_not_come_back() {
        let text = "HTTP/1.1 200 OK\r\nServer: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nX-Stay: 2\r\n\
                    X-Empty:\r\nContent-Length: 0\r\n\r\nrest";
        let mut buffer = BytesMut::from(text);
        let head = take(&mut buffer, false).unwrap().unwrap();
        let mut names: Vec<_> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        names.sort_unstable();
        assert_eq!(names, [("content-length", &b"0"[..]), ("x-empty", b""), ("x-stay", b"2")]);
        assert_eq!(&buffer[..], b"rest");
    }
}
