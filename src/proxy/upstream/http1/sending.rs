//! The body of a request on its way to an HTTP/1 endpoint: counted, and in chunks when its length is not known.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::io::AsyncWrite;

use super::Wait;
use crate::proxy::error::Error;
use crate::proxy::headers::{self, Sink};
use crate::proxy::upstream::Connection;

/// A request's body on its way to an endpoint.
#[derive(Debug)]
pub(crate) struct Sending {
    body: Incoming,
    length: Option<u64>,
    /// Bytes that may still come before `proxy-body-size` is passed.
    allowed: u64,
    /// What is being written, behind the connection's write buffer.
    chunk: Bytes,
    /// The line end behind a chunk.
    tail: &'static [u8],
    /// How much of the connection's write buffer is written.
    written: usize,
    /// How many frames were taken from the client.
    taken: u64,
    ended: bool,
}

impl Sending {
    /// A body, chunked when its length is not known; `limit` in bytes (0 is none).
    pub(crate) fn new(body: Incoming, limit: u64) -> Self {
        let (ended, length) = (body.is_end_stream(), body.size_hint().exact());
        let allowed = if limit == 0 { u64::MAX } else { limit };
        Self { body, length, allowed, chunk: Bytes::new(), tail: b"", written: 0, taken: 0, ended }
    }

    /// How many frames were taken from the client.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many bytes it has, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether it goes out in chunks.
    pub(crate) fn is_chunked(&self) -> bool {
        self.length.is_none()
    }

    /// Whether nothing was taken from the client yet, so that it can go to another endpoint.
    pub(crate) fn untouched(&self) -> bool {
        self.taken == 0
    }

    /// Whether all of it is written.
    pub(super) fn is_sent(&self) -> bool {
        self.ended && self.written == 0 && self.chunk.is_empty() && self.tail.is_empty()
    }

    /// Makes it ready for another try.
    pub(crate) fn rewind(&mut self) {
        self.written = 0;
    }

    /// Ready once all is written. `Err` within `Ready` ends the exchange.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut Connection,
        wait: &mut Wait,
    ) -> Poll<Result<(), Error>> {
        loop {
            *wait = Wait::Endpoint;
            ready!(self.poll_flush(cx, link)).map_err(Error::Send)?;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            *wait = Wait::Client;
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            self.taken += 1;
            match frame {
                Some(Ok(frame)) => self.take(frame, &mut link.write)?,
                Some(Err(_)) => return Poll::Ready(Err(Error::ClientBody)),
                None => {
                    if self.is_chunked() {
                        link.write.extend_from_slice(b"0\r\n\r\n");
                    }
                    self.ended = true;
                }
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>, out: &mut Vec<u8>) -> Result<(), Error> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.allowed = self.allowed.checked_sub(data.len() as u64).ok_or(Error::TooLarge)?;
                if self.is_chunked() {
                    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                    self.tail = b"\r\n";
                }
                self.chunk = data;
            }
            Err(frame) => {
                if let (true, Ok(trailers)) = (self.is_chunked(), frame.into_trailers()) {
                    out.extend_from_slice(b"0\r\n");
                    for (name, value) in trailers.iter().filter(|(name, _)| headers::may_trail(name)) {
                        out.put(name, value.as_bytes());
                    }
                    out.extend_from_slice(b"\r\n");
                    self.ended = true;
                }
            }
        }
        Ok(())
    }

    /// Writes the connection's buffer, then the chunk, then its line end.
    fn poll_flush(&mut self, cx: &mut Context<'_>, link: &mut Connection) -> Poll<io::Result<()>> {
        loop {
            let head = &link.write[self.written..];
            if head.is_empty() && self.chunk.is_empty() && self.tail.is_empty() {
                self.written = 0;
                link.write.clear();
                return Pin::new(&mut link.stream).poll_flush(cx);
            }
            let buffers =
                [io::IoSlice::new(head), io::IoSlice::new(&self.chunk), io::IoSlice::new(self.tail)];
            let count = ready!(Pin::new(&mut link.stream).poll_write_vectored(cx, &buffers))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = count.min(head.len());
            link.moved += count as u64;
            let of_chunk = (count - of_head).min(self.chunk.len());
            self.written += of_head;
            self.chunk.advance(of_chunk);
            self.tail = &self.tail[count - of_head - of_chunk..];
        }
    }
}
