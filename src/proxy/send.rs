//! Sends a request to an endpoint of its backend, and to another one when that is safe.

mod job;
mod payload;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper::body::Incoming;

use super::body::{Content, Http2};
use super::error::{Error, Fault, Retry};
use super::headers::{self, Sink};
use super::record::{Trace, Upstream};
use super::timer::{Elapsed, Timer};
use super::upstream::http1::{self, Sending, Waits};
use super::upstream::http2::Outgoing;
use super::upstream::{self, Connection, Mode, Stream, http2};
use super::worker::{self, Pick, View, Worker};
use crate::model::policy::HttpVersion;
use crate::routing::{Target, Traffic};
use payload::Payload;

pub(super) use job::Job;

/// How often a connection that is being made is asked whether its endpoint is still there. The address of a pod that ended
/// answers nothing, not even a refusal.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// What came back.
pub(super) enum Outcome {
    /// An answer.
    Answer(StatusCode, HeaderMap, Content),
    /// The endpoint switched protocols: its stream, and what it sent already.
    Switched(HeaderMap, Stream, Bytes),
}

/// One try at one endpoint.
struct Attempt<'a> {
    job: &'a Job<'a>,
    pick: Pick,
    mode: Mode,
    /// Not over an idle connection.
    fresh: bool,
}

/// Why a try failed. `stale`: over a connection that had been idle, which says nothing about the endpoint.
struct Failure {
    error: Error,
    stale: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, stale: false }
    }
}

/// Sends a request until an endpoint answers, no try is left, or another one would not be safe.
pub(super) async fn send(
    job: &Job<'_>,
    secure: bool,
    body: Incoming,
    trace: &mut Trace,
) -> Result<Outcome, Error> {
    let traffic = &*job.route.traffic;
    let mode = Mode::of(traffic.protocol, secure);
    let mut payload = Payload::new(body, mode, traffic.body_limit);
    let (mut began, mut tried, mut fresh) = (None, Vec::new(), false);
    let mut last = Error::NoEndpoints;
    while let Some(pick) = pick(job, mode, &tried, began.is_some()) {
        let target = pick.target.clone();
        let upstream = trace.upstream.insert(Upstream::new(target.clone()));
        let began = *began.get_or_insert(upstream.began);
        let result = Attempt { job, pick, mode, fresh }.run(&mut payload, trace).await;
        let repeatable = payload.is_whole() && is_repeatable(job);
        let elsewhere = || tries_left(traffic, tried.len() + 1, began) && others(job, &target, &tried);
        match result {
            Ok(outcome) => {
                let again = traffic.retry.when.status(outcome.status().as_u16());
                if !(again && repeatable && elsewhere()) {
                    return Ok(outcome);
                }
            }
            Err(Failure { error, stale }) => {
                note(&error, job, trace);
                let safe = repeatable || (payload.is_whole() && error.unseen());
                if stale && safe && !fresh {
                    fresh = true; // not a try of its own
                    continue;
                }
                if !(safe && covers(traffic, &error) && elsewhere()) {
                    return Err(error);
                }
                last = error;
            }
        }
        worker::with(|worker| worker.counts.borrow_mut().retries += 1);
        tried.push(target);
    }
    Err(last)
}

fn tries_left(traffic: &Traffic, made: usize, began: Instant) -> bool {
    let retry = &traffic.retry;
    let tries = retry.tries == 0 || made < retry.tries as usize;
    tries && (retry.timeout == Duration::ZERO || began.elapsed() < retry.timeout)
}

/// The next endpoint; after a try, one of those that there are by now.
fn pick(job: &Job<'_>, mode: Mode, tried: &[Target], again: bool) -> Option<Pick> {
    worker::with(|worker| {
        let newest = if again { newest(job, worker) } else { None };
        worker.pick(newest.as_deref().unwrap_or(job.view), job.backend, mode, tried)
    })
}

/// The newest tables, unless the backend is gone from them.
fn newest(job: &Job<'_>, worker: &Worker) -> Option<Arc<View>> {
    let serial = |view: &View| view.tables.endpoints.find(job.backend).map(|backend| backend.serial);
    Some(worker.view()).filter(|newest| serial(newest) == serial(job.view))
}

/// Whether the backend has by now an endpoint beside this one that was not tried.
fn others(job: &Job<'_>, this: &Target, tried: &[Target]) -> bool {
    let untried = |target: &Target| target != this && !tried.contains(target);
    worker::with(|worker| {
        let newest = newest(job, worker);
        let tables = &newest.as_deref().unwrap_or(job.view).tables;
        tables.endpoints.find(job.backend).is_some_and(|backend| backend.targets.iter().any(untried))
    })
}

/// Whether an endpoint left the backend, and others are there.
fn has_left(job: &Job<'_>, target: &Target) -> bool {
    let newest = worker::with(|worker| newest(job, worker));
    let backend = newest.as_ref().and_then(|view| view.tables.endpoints.find(job.backend));
    backend.is_some_and(|backend| !backend.targets.is_empty() && !backend.targets.contains(target))
}

/// Whether sending the request twice does no harm, or the operator said so.
fn is_repeatable(job: &Job<'_>) -> bool {
    let method = &job.parts.method;
    let once = *method == Method::POST || *method == Method::PATCH || method.as_str() == "LOCK";
    !once || job.route.traffic.retry.when.non_idempotent
}

fn covers(traffic: &Traffic, error: &Error) -> bool {
    let when = &traffic.retry.when;
    match error.retry() {
        Retry::Error => when.error,
        Retry::Timeout => when.timeout,
        Retry::InvalidHeader => when.invalid_header,
        Retry::Never => false,
    }
}

fn note(error: &Error, job: &Job<'_>, trace: &Trace) {
    if error.fault() == Fault::Upstream {
        worker::with(|worker| worker.counts.borrow_mut().upstream_failures += 1);
        let target =
            trace.upstream.as_ref().map(|up| super::log::Shown(&up.target).to_string()).unwrap_or_default();
        tracing::debug!(upstream = %job.route.origin.upstream, target, "{error}");
    }
}

impl Outcome {
    fn status(&self) -> StatusCode {
        match self {
            Self::Answer(status, ..) => *status,
            Self::Switched(..) => StatusCode::SWITCHING_PROTOCOLS,
        }
    }
}

impl Attempt<'_> {
    async fn run(&self, payload: &mut Payload, trace: &mut Trace) -> Result<Outcome, Failure> {
        let result =
            if self.mode.is_http2() { self.run_http2(payload).await } else { self.run_http1(payload).await };
        if let Some(upstream) = &mut trace.upstream {
            upstream.status = result.as_ref().map_or(0, |outcome| outcome.status().as_u16());
        }
        result
    }

    async fn run_http1(&self, payload: &mut Payload) -> Result<Outcome, Failure> {
        let traffic = &*self.job.route.traffic;
        let old = traffic.http_version == HttpVersion::Http10;
        if old && matches!(payload, Payload::Http1(sending) if sending.is_chunked()) {
            return Err(Error::LengthRequired.into());
        }
        let mut link = self.link().await?;
        let sending = match std::mem::replace(payload, Payload::Gone) {
            Payload::Http1(sending) => Some(sending),
            other => {
                *payload = other;
                None
            }
        };
        self.write_head(link.head(), sending.as_ref(), old);
        let waits = Waits {
            send: traffic.send_timeout,
            read: traffic.read_timeout,
            client: self.job.view.settings().client_body_timeout,
        };
        let bodiless = self.job.parts.method == Method::HEAD;
        match http1::exchange(link, sending, waits, bodiless, self.pick.slot).await {
            Ok((head, receiving)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                let switched = receiving.into_stream().filter(|_| self.job.upgrade.is_some());
                let (stream, early) =
                    switched.ok_or(Error::InvalidHead("it switched protocols without being asked to"))?;
                Ok(Outcome::Switched(head.headers, stream, early))
            }
            Ok((head, mut receiving)) => {
                if receiving.is_sending() {
                    self.job.client.leave_unread();
                }
                let whole = receiving.take_whole();
                let content = whole.map_or_else(|| Content::Http1(Box::new(receiving)), Content::Whole);
                Ok(Outcome::Answer(head.status, head.headers, content))
            }
            Err(failed) => {
                if let Some(mut sending) = failed.sending {
                    sending.rewind();
                    *payload = Payload::Http1(sending);
                }
                let closed = matches!(failed.error, Error::Closed(_) | Error::Send(_));
                Err(Failure { error: failed.error, stale: failed.reused && closed })
            }
        }
    }

    async fn link(&self) -> Result<Connection, Error> {
        let idle = if self.fresh { None } else { worker::with(|worker| worker.take_idle(self.pick.slot)) };
        match idle {
            Some(link) => Ok(link),
            None => self.connect().await.map(Connection::new),
        }
    }

    async fn connect(&self) -> Result<Stream, Error> {
        worker::with(|worker| worker.counts.borrow_mut().upstream_connects += 1);
        let (timer, began) = (Timer::new(), Instant::now());
        let limit = self.job.route.traffic.connect_timeout;
        let mut connecting = pin!(upstream::connect(&self.pick.target, self.mode));
        loop {
            let left = limit.saturating_sub(began.elapsed());
            match timer.within(left.min(LOOK_AROUND), connecting.as_mut()).await {
                Ok(connected) => return connected.map_err(Error::Connect),
                Err(Elapsed) if left <= LOOK_AROUND => return Err(Error::ConnectTimeout),
                Err(Elapsed) if has_left(self.job, &self.pick.target) => return Err(Error::Left),
                Err(Elapsed) => {}
            }
        }
    }

    fn write_head(&self, out: &mut Vec<u8>, sending: Option<&Sending>, old: bool) {
        let job = self.job;
        out.extend_from_slice(job.parts.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.job.uri().as_bytes());
        out.extend_from_slice(if old { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
        out.put(&header::HOST, job.host().as_bytes());
        job.forward(out);
        match sending.map(Sending::length) {
            Some(Some(length)) => out.put(&header::CONTENT_LENGTH, length.to_string().as_bytes()),
            Some(None) => out.put(&header::TRANSFER_ENCODING, b"chunked"),
            None if job.parts.headers.contains_key(header::CONTENT_LENGTH) => {
                out.put(&header::CONTENT_LENGTH, b"0");
            }
            None => {}
        }
        if let Some(protocol) = job.upgrade {
            out.put(&header::CONNECTION, b"upgrade");
            out.put(&header::UPGRADE, protocol);
            if let Some(key) = job.websocket_key {
                out.put(&header::SEC_WEBSOCKET_KEY, key.as_bytes());
            }
        } else if old {
            out.put(&header::CONNECTION, b"close");
        }
        out.extend_from_slice(b"\r\n");
    }

    async fn run_http2(&self, payload: &mut Payload) -> Result<Outcome, Failure> {
        let traffic = &*self.job.route.traffic;
        let (mut sender, reused) = self.http2_sender().await?;
        let body = match std::mem::replace(payload, Payload::Gone) {
            Payload::Http2(body) => Outgoing::new(body, traffic.body_limit),
            other => {
                *payload = other;
                Outgoing::default()
            }
        };
        let scheme = if self.mode == Mode::Http2Tls { "https" } else { "http" };
        let uri =
            http::Uri::builder().scheme(scheme).authority(self.job.host()).path_and_query(self.job.uri());
        let mut request = Request::new(body);
        *request.method_mut() = self.job.parts.method.clone();
        *request.uri_mut() = uri.build().map_err(|_| Error::InvalidHead("the request's target is broken"))?;
        *request.version_mut() = Version::HTTP_2;
        self.job.forward(request.headers_mut());
        if headers::takes_trailers(&self.job.parts.headers) {
            request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
        }
        let progress = request.body().progress();
        let exchange = http2::exchange(&mut sender, request);
        let Some(answered) = while_it_moves(exchange, &progress, traffic.read_timeout).await else {
            // Perhaps the other end is gone without a word: the next request opens a connection of its own.
            worker::with(|worker| worker.drop_http2(self.pick.slot));
            return Err(Error::ReadTimeout.into());
        };
        let answered = answered.map_err(|failed| {
            if let Some(body) = failed.body {
                *payload = Payload::Http2(body);
            }
            Failure { stale: reused && matches!(failed.error, Error::Http2(_)), error: failed.error }
        });
        let (mut head, body) = answered?.into_parts();
        head.headers.remove(header::SERVER);
        let content = Content::Http2(Box::new(Http2::new(body, traffic.read_timeout)));
        Ok(Outcome::Answer(head.status, head.headers, content))
    }

    /// The connection that the requests of this worker share, and whether it was there before.
    async fn http2_sender(&self) -> Result<(http2::Sender, bool), Error> {
        let open = if self.fresh { None } else { worker::with(|worker| worker.http2(self.pick.slot)) };
        if let Some(sender) = open {
            return Ok((sender, true));
        }
        let sender = http2::open(self.connect().await?).await.map_err(Error::Connect)?;
        worker::with(|worker| worker.put_http2(self.pick.slot, &sender));
        Ok((sender, false))
    }
}

/// Waits for an answer. The limit counts anew whenever some of the request's body went out.
async fn while_it_moves<T>(
    answer: impl Future<Output = T>,
    progress: &AtomicU64,
    limit: Duration,
) -> Option<T> {
    let timer = Timer::new();
    let mut answer = pin!(answer);
    loop {
        let before = progress.load(Ordering::Relaxed);
        match timer.within(limit, answer.as_mut()).await {
            Ok(answer) => return Some(answer),
            Err(Elapsed) if progress.load(Ordering::Relaxed) != before => {}
            Err(Elapsed) => return None,
        }
    }
}
