//! One HTTP/1 exchange with an endpoint: the head and body of a request out, the head of the answer in.
//!
//! Everything is driven from the task of the request; there is no task, channel or queue of the connection's own. A
//! body that is still being sent when the answer begins goes on being sent while the answer is passed on.

mod receiving;
mod sending;

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::head::{self, Head};
use super::{Connection, SlotId, Stream};
use crate::proxy::error::Error;
use crate::proxy::timer::{Elapsed, Timer};

pub(crate) use receiving::Receiving;
pub(crate) use sending::Sending;

/// How much is read at once.
const READ: usize = 8 << 10;

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

/// What an exchange waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Client,
    Endpoint,
    Answer,
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
    let mut armed: Option<(Wait, u64)> = None;
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
        if let (Some((before, _)), Poll::Ready(Elapsed)) = (armed, timer.poll(cx)) {
            return Poll::Ready(Err(match before {
                Wait::Client => Error::ClientTimeout,
                Wait::Endpoint => Error::SendTimeout,
                Wait::Answer => Error::ReadTimeout,
            }));
        }
        // The limit counts anew when something else is waited for, or some of the request moved on.
        let moved = link.moved + sending.as_ref().map_or(0, Sending::taken);
        if armed != Some((wait, moved)) {
            timer.arm(match wait {
                Wait::Client => waits.client,
                Wait::Endpoint => waits.send,
                Wait::Answer => waits.read,
            });
            armed = Some((wait, moved));
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
        link.moved += count as u64;
    }
    Pin::new(&mut link.stream).poll_flush(cx)
}

/// Reads until a final head is there; interim answers (1xx) end here.
fn poll_head(cx: &mut Context<'_>, link: &mut Connection, bodiless: bool) -> Poll<Result<Head, Error>> {
    loop {
        if !link.read.is_empty() {
            match head::take(&mut link.read, bodiless).map_err(Error::InvalidHead)? {
                Some(head)
                    if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS =>
                {
                    continue;
                }
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
