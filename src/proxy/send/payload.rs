//! The body of a request over several tries.

use http_body::Body as _;
use hyper::body::Incoming;

use crate::proxy::upstream::Mode;
use crate::proxy::upstream::http1::Sending;

/// The body of a request, as far as it can still be sent.
pub(super) enum Payload {
    /// There is none.
    None,
    /// For an HTTP/1 endpoint.
    Http1(Sending),
    /// For an HTTP/2 endpoint.
    Http2(Incoming),
    /// A try has taken some of it.
    Gone,
}

impl Payload {
    /// The whole body, as `mode` sends it; `limit` in bytes (0 is none).
    pub(super) fn new(body: Incoming, mode: Mode, limit: u64) -> Self {
        if body.is_end_stream() {
            Self::None
        } else if mode.is_http2() {
            Self::Http2(body)
        } else {
            Self::Http1(Sending::new(body, limit))
        }
    }

    /// Whether nothing of it is lost to a try.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::None | Self::Http2(_) => true,
            Self::Http1(sending) => sending.untouched(),
            Self::Gone => false,
        }
    }
}
