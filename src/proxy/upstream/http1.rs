//! One HTTP/1 exchange with an endpoint: the head and body of a request out, the head of the answer in.
//!
//! Everything is driven from the task of the request; there is no task, channel or queue of the connection's own. A
//! body that is still being sent when the answer begins goes on being sent while the answer is passed on.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::chunked::{Decoder, Event};
use super::head::{self, Framing, Head};
use super::{Connection, SlotId, Stream};
use crate::proxy::error::Error;
use crate::proxy::timer::{Elapsed, Timer};
use crate::proxy::worker;

/// How much is read at once: a first read, and while a long body flows.
const READ: usize = 8 << 10;
const READ_BODY: usize = 64 << 10;

/// How long each wait of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// Between two writes to the endpoint.
    pub(crate) send: Duration,
    /// Between two reads from the endpoint.
    pub(crate) read: Duration,
    /// Between two reads of the client's body.
    pub(crate) client: Duration,
}

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
    /// Something was taken from the client.
    touched: bool,
    ended: bool,
}

/// What an exchange waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Client,
    Endpoint,
    Answer,
}

impl Sending {
    /// A body, chunked when its length is not known; `limit` in bytes (0 is none).
    pub(crate) fn new(body: Incoming, limit: u64) -> Self {
        let (ended, length) = (body.is_end_stream(), body.size_hint().exact());
        let allowed = if limit == 0 { u64::MAX } else { limit };
        Self { body, length, allowed, chunk: Bytes::new(), tail: b"", written: 0, touched: false, ended }
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
        !self.touched
    }

    fn is_sent(&self) -> bool {
        self.ended && self.written == 0 && self.chunk.is_empty() && self.tail.is_empty()
    }

    /// Makes it ready for another try.
    pub(crate) fn rewind(&mut self) {
        self.written = 0;
    }

    /// Ready once all is written. `Err` within `Ready` ends the exchange.
    fn poll(
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
            self.touched = true;
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
                    for (name, value) in &trailers {
                        super::super::headers::Sink::put(out, name, value.as_bytes());
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
            let of_chunk = (count - of_head).min(self.chunk.len());
            self.written += of_head;
            self.chunk.advance(of_chunk);
            self.tail = &self.tail[count - of_head - of_chunk..];
        }
    }
}

/// An exchange that failed, with what is needed to try elsewhere.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Why.
    pub(crate) error: Error,
    /// The body, if there was one.
    pub(crate) sending: Option<Sending>,
    /// The connection had carried requests before, so it may just have been closed for idleness.
    pub(crate) reused: bool,
}

/// Sends a request whose head is in `link` and waits for the head of the answer. `bodiless` says that the request is a
/// HEAD, `slot` where the connection goes afterwards.
pub(crate) async fn exchange(
    mut link: Connection,
    mut sending: Option<Sending>,
    waits: Waits,
    bodiless: bool,
    slot: SlotId,
) -> Result<(Head, Receiving), Failed> {
    let timer = Timer::new();
    let reused = link.reused();
    link.requests += 1;
    match converse(&mut link, &mut sending, waits, bodiless, &timer).await {
        Ok(head) => {
            let receiving = Receiving::new(&head, link, sending, waits, slot, timer);
            Ok((head, receiving))
        }
        Err(error) => Err(Failed { error, sending, reused }),
    }
}

async fn converse(
    link: &mut Connection,
    sending: &mut Option<Sending>,
    waits: Waits,
    bodiless: bool,
    timer: &Timer,
) -> Result<Head, Error> {
    let mut written = 0;
    let mut armed: Option<Wait> = None;
    std::future::poll_fn(move |cx| {
        let mut wait = Wait::Answer;
        let sent = match sending {
            Some(body) => body.poll(cx, link, &mut wait),
            None => poll_write_head(cx, link, &mut written, &mut wait).map_err(Error::Send),
        };
        let answer = poll_head(cx, link, bodiless);
        match (sent, answer) {
            // An endpoint that answers early and closes wins over the failure to send the rest.
            (_, Poll::Ready(Ok(head))) => return Poll::Ready(Ok(head)),
            (Poll::Ready(Err(error)), Poll::Pending | Poll::Ready(Err(_))) | (_, Poll::Ready(Err(error))) => {
                return Poll::Ready(Err(error));
            }
            (Poll::Ready(Ok(())), Poll::Pending) => wait = Wait::Answer,
            (Poll::Pending, Poll::Pending) => {}
        }
        if let (Some(before), Poll::Ready(Elapsed)) = (armed, timer.poll(cx)) {
            return Poll::Ready(Err(match before {
                Wait::Client => Error::ClientTimeout,
                Wait::Endpoint => Error::SendTimeout,
                Wait::Answer => Error::ReadTimeout,
            }));
        }
        // While a body is sent every wake-up means that some of it moved on.
        if armed != Some(wait) || wait != Wait::Answer {
            timer.arm(match wait {
                Wait::Client => waits.client,
                Wait::Endpoint => waits.send,
                Wait::Answer => waits.read,
            });
            armed = Some(wait);
        }
        Poll::Pending
    })
    .await
}

fn poll_write_head(
    cx: &mut Context<'_>,
    link: &mut Connection,
    written: &mut usize,
    wait: &mut Wait,
) -> Poll<io::Result<()>> {
    *wait = Wait::Endpoint;
    while *written < link.write.len() {
        let count = ready!(Pin::new(&mut link.stream).poll_write(cx, &link.write[*written..]))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *written += count;
    }
    Pin::new(&mut link.stream).poll_flush(cx)
}

/// Reads until a final head is there; interim answers (1xx) end here.
fn poll_head(cx: &mut Context<'_>, link: &mut Connection, bodiless: bool) -> Poll<Result<Head, Error>> {
    loop {
        if !link.read.is_empty() {
            match head::take(&mut link.read, bodiless).map_err(Error::InvalidHead)? {
                Some(head) if head.status.is_informational() && head.status != 101 => continue,
                Some(head) => return Poll::Ready(Ok(head)),
                None => {}
            }
        }
        match ready!(poll_fill(cx, &mut link.stream, &mut link.read, READ)) {
            Ok(0) if link.read.is_empty() => {
                return Poll::Ready(Err(Error::Closed(io::ErrorKind::UnexpectedEof.into())));
            }
            Ok(0) => return Poll::Ready(Err(Error::InvalidHead("it ended within the head"))),
            Ok(_) => {}
            Err(error) => return Poll::Ready(Err(Error::Closed(error))),
        }
    }
}

/// Reads once into the buffer, which is given room for `room` bytes when it has little left.
fn poll_fill(
    cx: &mut Context<'_>,
    stream: &mut Stream,
    buffer: &mut BytesMut,
    room: usize,
) -> Poll<io::Result<usize>> {
    if buffer.capacity() - buffer.len() < room / 2 {
        buffer.reserve(room);
    }
    pin!(stream.read_buf(buffer)).poll(cx)
}

/// The body of an answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Receiving {
    link: Option<Connection>,
    sending: Option<Sending>,
    left: Left,
    keep: bool,
    waits: Waits,
    slot: SlotId,
    timer: Timer,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunked(Decoder),
    Close,
}

impl Receiving {
    fn new(
        head: &Head,
        link: Connection,
        sending: Option<Sending>,
        waits: Waits,
        slot: SlotId,
        timer: Timer,
    ) -> Self {
        let sending = sending.filter(|sending| !sending.is_sent());
        let left = match head.framing {
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunked(Decoder::Size),
            Framing::Close => Left::Close,
        };
        timer.disarm();
        let mut body = Self { link: Some(link), sending, left, keep: head.keep, waits, slot, timer };
        if matches!(body.left, Left::Length(0)) && head.status != 101 {
            body.finish();
        }
        body
    }

    /// The whole body when it has already arrived; the connection is then free for the next request.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let Left::Length(left) = self.left else { return None };
        if left == 0 {
            return Some(Bytes::new());
        }
        let link = self.link.as_mut()?;
        let length = usize::try_from(left).ok().filter(|length| link.read.len() >= *length)?;
        let whole = link.read.split_to(length).freeze();
        self.left = Left::Length(0);
        self.finish();
        Some(whole)
    }

    /// The bytes that are left, when their number is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self.left {
            Left::Length(left) => Some(left),
            Left::Chunked(Decoder::Done) => Some(0),
            _ => None,
        }
    }

    /// The stream and what was read too far, after the endpoint switched protocols.
    pub(crate) fn into_stream(mut self) -> Option<(Stream, Bytes)> {
        let link = self.link.take()?;
        Some((link.stream, link.read.freeze()))
    }

    /// The next part of the body.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.drive_sending(cx);
        let Some(link) = self.link.as_mut() else { return Poll::Ready(None) };
        loop {
            match &mut self.left {
                Left::Length(left) if !link.read.is_empty() => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(link.read.len());
                    let data = link.read.split_to(taken).freeze();
                    *left -= taken as u64;
                    if *left == 0 {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Left::Close if !link.read.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(link.read.split().freeze()))));
                }
                Left::Length(_) | Left::Close => {}
                Left::Chunked(decoder) => match decoder.next(&mut link.read).map_err(Error::InvalidHead)? {
                    Event::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Event::End(trailers) => {
                        self.finish();
                        return Poll::Ready(trailers_frame(trailers));
                    }
                    Event::More => {}
                },
            }
            let room = match self.left {
                Left::Length(left) => usize::try_from(left).unwrap_or(READ_BODY).clamp(READ, READ_BODY),
                _ => READ_BODY.min(link.read.capacity().max(READ) * 2),
            };
            match poll_fill(cx, &mut link.stream, &mut link.read, room) {
                Poll::Ready(Ok(0)) if matches!(self.left, Left::Close) => {
                    self.link = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Some(Err(Error::Closed(io::ErrorKind::UnexpectedEof.into()))));
                }
                Poll::Ready(Ok(_)) => self.timer.disarm(),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(Error::Closed(error)))),
                Poll::Pending => return self.poll_wait(cx),
            }
        }
    }

    /// Goes on sending the request. A failure only means that the connection ends with this answer.
    fn drive_sending(&mut self, cx: &mut Context<'_>) {
        let (Some(sending), Some(link)) = (self.sending.as_mut(), self.link.as_mut()) else { return };
        if let Poll::Ready(sent) = sending.poll(cx, link, &mut Wait::Client) {
            self.keep &= sent.is_ok();
            self.sending = None;
        }
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.timer.is_armed() {
            self.timer.arm(self.waits.read);
        }
        self.timer.poll(cx).map(|Elapsed| Some(Err(Error::ReadTimeout)))
    }

    /// The answer is complete: the connection goes back, unless something stands against it.
    fn finish(&mut self) {
        self.left = Left::Length(0);
        let link = self.link.take();
        if let Some(link) = link.filter(|link| self.keep && self.sending.is_none() && link.read.is_empty()) {
            worker::with(|worker| worker.put_back(self.slot, link));
        }
    }
}

fn trailers_frame(trailers: HeaderMap) -> Option<Result<Frame<Bytes>, Error>> {
    (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)))
}
