//! What failed, whose fault it is, whether another endpoint may be tried, and which status the client gets.

use std::fmt;
use std::io;

/// A request that could not be answered by its backend.
#[derive(Debug)]
pub(crate) enum Error {
    /// No connection to the endpoint.
    Connect(io::Error),
    /// No connection within `proxy-connect-timeout`.
    ConnectTimeout,
    /// The endpoint left its backend before it took the connection.
    Left,
    /// The connection broke while the request was sent.
    Send(io::Error),
    /// The endpoint took nothing for `proxy-send-timeout`.
    SendTimeout,
    /// The connection ended or broke before a complete head came.
    Closed(io::Error),
    /// What came is not HTTP. Says what is wrong.
    InvalidHead(&'static str),
    /// Nothing came for `proxy-read-timeout`.
    ReadTimeout,
    /// HTTP/2 to the backend failed.
    Http2(hyper::Error),
    /// The client's body broke off.
    ClientBody,
    /// The client sent nothing of its body for `client-body-timeout`.
    ClientTimeout,
    /// The client's body is longer than `proxy-body-size`.
    TooLarge,
    /// The backend has no endpoint.
    NoEndpoints,
    /// The body has no length and the backend speaks HTTP/1.0.
    LengthRequired,
}

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The client.
    Client,
    /// The backend or the way to it.
    Upstream,
}

/// Which word of `proxy-next-upstream` covers an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// `error`.
    Error,
    /// `timeout`.
    Timeout,
    /// `invalid_header`.
    InvalidHeader,
    /// None.
    Never,
}

impl Error {
    /// Who caused it.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::ClientBody | Self::ClientTimeout | Self::TooLarge | Self::LengthRequired => Fault::Client,
            _ => Fault::Upstream,
        }
    }

    /// Which word of `proxy-next-upstream` covers it.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Connect(_) | Self::Left | Self::Send(_) | Self::Closed(_) | Self::Http2(_) => Retry::Error,
            Self::ConnectTimeout | Self::SendTimeout | Self::ReadTimeout => Retry::Timeout,
            Self::InvalidHead(_) => Retry::InvalidHeader,
            _ => Retry::Never,
        }
    }

    /// Whether the backend certainly never saw the request, so that even a POST may go elsewhere.
    pub(crate) fn unseen(&self) -> bool {
        match self {
            Self::Connect(_) | Self::ConnectTimeout | Self::Left => true,
            Self::Http2(error) => error.is_canceled(),
            _ => false,
        }
    }

    /// The status the client gets.
    pub(crate) fn status(&self) -> http::StatusCode {
        use http::StatusCode as S;
        match self {
            Self::Connect(_)
            | Self::Left
            | Self::Send(_)
            | Self::Closed(_)
            | Self::InvalidHead(_)
            | Self::Http2(_) => S::BAD_GATEWAY,
            Self::ConnectTimeout | Self::SendTimeout | Self::ReadTimeout => S::GATEWAY_TIMEOUT,
            Self::ClientBody => S::BAD_REQUEST,
            Self::ClientTimeout => S::REQUEST_TIMEOUT,
            Self::TooLarge => S::PAYLOAD_TOO_LARGE,
            Self::NoEndpoints => S::SERVICE_UNAVAILABLE,
            Self::LengthRequired => S::LENGTH_REQUIRED,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "connecting failed: {why}"),
            Self::ConnectTimeout => f.write_str("connecting took longer than proxy-connect-timeout"),
            Self::Left => f.write_str("the endpoint left before it took the connection"),
            Self::Send(why) => write!(f, "sending the request failed: {why}"),
            Self::SendTimeout => f.write_str("the endpoint took nothing for proxy-send-timeout"),
            Self::Closed(why) => write!(f, "the connection ended before the answer: {why}"),
            Self::InvalidHead(why) => write!(f, "the answer is not HTTP: {why}"),
            Self::ReadTimeout => f.write_str("nothing came for proxy-read-timeout"),
            Self::Http2(why) => write!(f, "HTTP/2 failed: {why}"),
            Self::ClientBody => f.write_str("the client's body broke off"),
            Self::ClientTimeout => f.write_str("the client sent nothing of its body for client-body-timeout"),
            Self::TooLarge => f.write_str("the body is longer than proxy-body-size"),
            Self::NoEndpoints => f.write_str("no endpoint is ready"),
            Self::LengthRequired => f.write_str("a body without length cannot go to an HTTP/1.0 backend"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_was_never_sent_counts_as_unseen() {
        assert!(Error::Connect(io::ErrorKind::ConnectionRefused.into()).unseen());
        assert!(!Error::Closed(io::ErrorKind::UnexpectedEof.into()).unseen());
        assert!(!Error::ReadTimeout.unseen());
    }

    #[test]
    fn what_the_client_did_is_never_tried_again() {
        for error in [Error::TooLarge, Error::ClientBody, Error::ClientTimeout] {
            assert_eq!((error.fault(), error.retry()), (Fault::Client, Retry::Never));
        }
    }
}
