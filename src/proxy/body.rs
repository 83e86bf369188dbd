//! The body of an answer: none, at hand, or on its way from an endpoint. Its end is the end of the request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::{Body as _, Incoming};

use super::error::Error;
use super::record::Record;
use super::timer::{Elapsed, Timer};
use super::upstream::http1::Receiving;

/// The body of an answer. When it is dropped the request is recorded.
pub(super) struct Body {
    content: Content,
    record: Option<Record>,
    /// Why it breaks off, once what came before is on its way.
    broken: Option<Error>,
}

/// Where the bytes come from.
pub(super) enum Content {
    /// All of it; empty when there is no body.
    Whole(Bytes),
    /// An HTTP/1 endpoint.
    Http1(Box<Receiving>),
    /// An HTTP/2 endpoint.
    Http2(Box<Http2>),
}

/// A body from an HTTP/2 endpoint.
pub(super) struct Http2 {
    body: Incoming,
    timer: Timer,
    wait: Duration,
}

impl Http2 {
    /// A body that may pause for `wait` between two reads.
    pub(super) fn new(body: Incoming, wait: Duration) -> Self {
        Self { body, timer: Timer::new(), wait }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.timer.disarm();
                Poll::Ready(frame.map(|frame| frame.map_err(Error::Http2)))
            }
            Poll::Pending => {
                if !self.timer.is_armed() {
                    self.timer.arm(self.wait);
                }
                self.timer.poll(cx).map(|Elapsed| Some(Err(Error::ReadTimeout)))
            }
        }
    }
}

impl Body {
    /// A body with the record of its request.
    pub(super) fn new(content: Content, record: Record) -> Self {
        Self { content, record: Some(record), broken: None }
    }

    /// No body, and nothing to record.
    pub(super) fn none() -> Self {
        Self { content: Content::Whole(Bytes::new()), record: None, broken: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = match &mut this.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Http1(receiving) => receiving.poll_frame(cx),
            Content::Http2(http2) => http2.poll_frame(cx),
        };
        match polled {
            Poll::Ready(Some(Err(error))) => {
                if let Some(record) = &mut this.record {
                    record.broke_off(&error);
                }
                // hyper drops what it has not written when a body fails: let it write first.
                this.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(record) = &mut this.record {
                    record.sent(frame.data_ref().map_or(0, Bytes::len));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Http1(receiving) => receiving.remaining() == Some(0),
            Content::Http2(http2) => http2.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Http1(receiving) => {
                receiving.remaining().map_or_else(SizeHint::new, SizeHint::with_exact)
            }
            Content::Http2(http2) => http2.body.size_hint(),
        }
    }
}
