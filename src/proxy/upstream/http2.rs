//! One HTTP/2 exchange with an endpoint, for gRPC. All requests of a worker to an endpoint share a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;

use super::Stream;
use crate::proxy::connection::Spawn;
use crate::proxy::error::Error;

/// Sends requests over one connection.
pub(crate) type Sender = http2::SendRequest<Outgoing>;

/// Opens HTTP/2 over a fresh stream. The connection is driven by a task of its own.
pub(crate) async fn open(stream: Stream) -> io::Result<Sender> {
    let handshake = http2::Builder::new(Spawn).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("HTTP/2 connection to an endpoint ended: {error}");
        }
    });
    Ok(sender)
}

/// An exchange that failed, with what is needed to try again.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Why.
    pub(crate) error: Error,
    /// The body, if there was one and the request never went out.
    pub(crate) body: Option<Incoming>,
}

/// Sends a request and waits for the head of the answer. The caller limits the time.
pub(crate) async fn exchange(
    sender: &mut Sender,
    request: Request<Outgoing>,
) -> Result<Response<Incoming>, Failed> {
    sender.try_send_request(request).await.map_err(|mut failed| {
        let body = failed.take_message().and_then(|request| request.into_body().body);
        let error = failed.into_error();
        Failed { error: if too_large(&error) { Error::TooLarge } else { Error::Http2(error) }, body }
    })
}

fn too_large(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if matches!(inner.downcast_ref(), Some(Error::TooLarge)) {
            return true;
        }
        source = inner.source();
    }
    false
}

/// The body of a request on its way to an HTTP/2 endpoint.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    body: Option<Incoming>,
    allowed: u64,
    /// How many frames went out.
    progress: Arc<AtomicU64>,
}

impl Outgoing {
    /// A body; `limit` in bytes (0 is none).
    pub(crate) fn new(body: Incoming, limit: u64) -> Self {
        let allowed = if limit == 0 { u64::MAX } else { limit };
        Self { body: Some(body), allowed, progress: Arc::default() }
    }

    /// A number that grows while the body goes out.
    pub(crate) fn progress(&self) -> Arc<AtomicU64> {
        self.progress.clone()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
        Pin::new(body).poll_frame(cx).map(|frame| {
            let frame = frame?.map_err(|_| Error::ClientBody);
            let length = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
            let Some(left) = this.allowed.checked_sub(length) else { return Some(Err(Error::TooLarge)) };
            this.allowed = left;
            this.progress.fetch_add(1, Ordering::Relaxed);
            Some(frame)
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
