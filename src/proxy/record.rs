//! What is remembered of a request until it ends: for the access log and the metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use http::request::Parts;

use super::asked::Asked;
use super::connection::Client;
use super::error::{Error, Fault};
use super::worker::{self, Counted, View, Worker};
use super::{headers, log};
use crate::metrics::{self, Batch, DURATION_BOUNDS, Labels, RequestSample};
use crate::routing::endpoints::Target;

/// One request. Counted and logged when dropped.
pub(super) struct Record(Box<Facts>);

/// What is known of a request.
pub(super) struct Facts {
    /// When its head was complete.
    pub(super) started: Instant,
    /// The connection it came on.
    pub(super) client: Arc<Client>,
    /// The tables it is served with.
    pub(super) view: Arc<View>,
    /// Its head.
    pub(super) parts: Parts,
    /// Its X-Request-ID.
    pub(super) request_id: String,
    /// What became of it.
    pub(super) trace: Trace,
}

/// What became of a request so far.
#[derive(Default)]
pub(super) struct Trace {
    /// The route it took, once known.
    pub(super) route: Option<Arc<Counted>>,
    /// Bytes of its head and body.
    pub(super) request_length: u64,
    /// The scheme it came with, as far as it is believed.
    pub(super) scheme: &'static str,
    /// The host it asked for.
    pub(super) host: String,
    /// The client's address, when it is not the peer's.
    pub(super) remote: Option<String>,
    /// The status of the answer.
    pub(super) status: u16,
    /// Bytes of the answer's body.
    pub(super) body_bytes: u64,
    /// The endpoint that answered, or was tried last.
    pub(super) upstream: Option<Upstream>,
}

/// A try at an endpoint.
pub(super) struct Upstream {
    /// Where.
    pub(super) target: Target,
    /// Status of its answer; 0 when there was none.
    pub(super) status: u16,
    /// When it began.
    pub(super) began: Instant,
    /// How long it took, to the last byte of the answer.
    pub(super) time: Duration,
}

impl Trace {
    /// Notes what a head said. The host is only kept where the log needs it.
    pub(super) fn note(&mut self, asked: &Asked<'_>, client: &Client, logged: bool) {
        self.scheme = asked.scheme;
        if logged {
            self.host = asked.host.to_string();
        }
        if *asked.address != *client.address {
            self.remote = Some(asked.address.to_string());
        }
    }
}

impl Record {
    /// Begins with the head of a request.
    pub(super) fn new(client: Arc<Client>, view: Arc<View>, parts: Parts) -> Self {
        let trace = Trace { request_length: head_length(&parts), ..Trace::default() };
        let given = parts.headers.get(&headers::X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let request_id = match given.filter(|id| !id.is_empty()) {
            Some(given) => given.to_owned(),
            None => worker::with(Worker::request_id),
        };
        Self(Box::new(Facts { started: Instant::now(), client, view, parts, request_id, trace }))
    }

    /// What is known, to be completed.
    pub(super) fn facts(&mut self) -> &mut Facts {
        &mut self.0
    }

    /// So much of the answer's body went out.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.0.trace.body_bytes += bytes as u64;
    }

    /// The answer broke off.
    pub(super) fn broke_off(&mut self, error: &Error) {
        if error.fault() == Fault::Upstream {
            worker::with(|worker| worker.counts.borrow_mut().upstream_failures += 1);
        }
        let target = self.0.trace.upstream.as_ref().map(|upstream| log::Shown(&upstream.target).to_string());
        tracing::warn!(upstream = target.unwrap_or_default(), "the answer broke off: {error}");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let facts = &mut *self.0;
        // Dropped before there was an answer: the client went away (nginx's 499).
        if facts.trace.status == 0 {
            facts.trace.status = 499;
        }
        let now = Instant::now();
        let elapsed = now - facts.started;
        if let Some(upstream) = &mut facts.trace.upstream {
            upstream.time = now - upstream.began;
        }
        worker::try_with(|worker| {
            let method = metrics::method(facts.parts.method.as_str());
            worker.counts.borrow_mut().count(&facts.trace, method, elapsed);
            if let Some(format) = &facts.view.log {
                worker.log(|out| log::write(out, format, facts, elapsed));
            }
        });
        facts.client.request_ended();
    }
}

/// The bytes of a head as HTTP/1 would write it, near enough for `$request_length`.
fn head_length(parts: &Parts) -> u64 {
    let line =
        parts.method.as_str().len() + 12 + parts.uri.path_and_query().map_or(1, |path| path.as_str().len());
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (line + fields + 2) as u64
}

/// What a worker counts between two batches.
#[derive(Default)]
pub(super) struct Counts {
    requests: HashMap<(usize, &'static str, u16), Sample, FixedState>,
    /// Client connections accepted.
    pub(super) accepted: u64,
    /// Requests that went to another endpoint.
    pub(super) retries: u64,
    /// Connections made to endpoints.
    pub(super) upstream_connects: u64,
    /// Tries that failed.
    pub(super) upstream_failures: u64,
    /// Heads that were refused.
    pub(super) bad_heads: u64,
    /// TLS handshakes that failed.
    pub(super) tls_handshake_failures: u64,
    /// Log lines that could not be written in time.
    pub(super) log_lines_dropped: u64,
}

struct Sample {
    route: Option<Arc<Counted>>,
    count: u64,
    seconds: f64,
    buckets: [u64; DURATION_BOUNDS.len() + 1],
    request_bytes: u64,
    response_bytes: u64,
}

impl Counts {
    fn count(&mut self, trace: &Trace, method: &'static str, elapsed: Duration) {
        let route = trace.route.as_ref().map_or(0, |route| Arc::as_ptr(route) as usize);
        let sample = self.requests.entry((route, method, trace.status)).or_insert_with(|| Sample {
            route: trace.route.clone(),
            count: 0,
            seconds: 0.0,
            buckets: [0; DURATION_BOUNDS.len() + 1],
            request_bytes: 0,
            response_bytes: 0,
        });
        let seconds = elapsed.as_secs_f64();
        let bucket =
            DURATION_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATION_BOUNDS.len());
        sample.count += 1;
        sample.seconds += seconds;
        sample.buckets[bucket] += 1;
        sample.request_bytes += trace.request_length;
        sample.response_bytes += trace.body_bytes;
    }

    /// Everything counted, for the metrics; begins anew.
    pub(super) fn batch(&mut self, worker: usize, active: usize) -> Batch {
        let counted = std::mem::take(self);
        let requests = counted.requests.into_iter().map(|((_, method, status), sample)| RequestSample {
            labels: labels(sample.route.as_deref(), method, status),
            count: sample.count,
            duration_sum_secs: sample.seconds,
            duration_buckets: sample.buckets,
            request_bytes: sample.request_bytes,
            response_bytes: sample.response_bytes,
        });
        Batch {
            requests: requests.collect(),
            connections_accepted: counted.accepted,
            connections_active: i64::try_from(active).unwrap_or(i64::MAX),
            worker,
            retries: counted.retries,
            upstream_connects: counted.upstream_connects,
            upstream_failures: counted.upstream_failures,
            bad_heads: counted.bad_heads,
            tls_handshake_failures: counted.tls_handshake_failures,
            log_lines_dropped: counted.log_lines_dropped,
        }
    }
}

fn labels(counted: Option<&Counted>, method: &'static str, status: u16) -> Labels {
    let origin = counted.map(|counted| &counted.route.origin);
    let ingress = origin.and_then(|origin| origin.ingress.as_ref());
    Labels {
        ingress: ingress.map(|key| key.name.to_string()).unwrap_or_default(),
        namespace: ingress.map(|key| key.namespace.to_string()).unwrap_or_default(),
        service: origin.map(|origin| origin.service.to_string()).unwrap_or_default(),
        host: origin.map(|origin| origin.host.to_string()).unwrap_or_default(),
        path: origin.map(|origin| origin.path.to_string()).unwrap_or_default(),
        method,
        status,
    }
}

impl Upstream {
    /// A try that is about to begin.
    pub(super) fn new(target: Target) -> Self {
        Self { target, status: 0, began: Instant::now(), time: Duration::ZERO }
    }
}
