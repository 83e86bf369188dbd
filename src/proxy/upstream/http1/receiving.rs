//! The body of an HTTP/1 endpoint's answer on its way to the client.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Frame;

use super::{READ, Sending, Wait, Waits, poll_fill};
use crate::proxy::error::Error;
use crate::proxy::timer::{Elapsed, Timer};
use crate::proxy::upstream::chunked::{Decoder, Event};
use crate::proxy::upstream::head::{Framing, Head};
use crate::proxy::upstream::{Connection, SlotId, Stream};
use crate::proxy::worker;

/// How much is read at once while a long body flows.
const READ_BODY: usize = 64 << 10;

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
    pub(super) fn new(
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
        if matches!(body.left, Left::Length(0)) && head.status != StatusCode::SWITCHING_PROTOCOLS {
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

    /// Whether the request is still being sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.is_some()
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
        let before = link.moved;
        let sent = sending.poll(cx, link, &mut Wait::Client);
        if link.moved != before {
            self.timer.disarm(); // it is not silence when the endpoint takes more
        }
        if let Poll::Ready(sent) = sent {
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
