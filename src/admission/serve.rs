//! HTTP of the webhook: one review a request, within bounds of size, memory and time.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::recent::{Recent, SETTLE};
use super::{Answer, Rules};
use crate::compile::Compiled;
use crate::metrics::Metrics;
use crate::metrics::admission::{Review, Verdict};

/// The largest body, as in ingress-nginx.
const BODY: usize = 9 << 20;

/// Bytes of all bodies that are held at a time.
const BODIES: usize = 32 << 20;

/// How long a body waits for others to be let go.
const BRIEFLY: Duration = Duration::from_secs(1);

/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Time for a request's head, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(10);

/// Time for a body and its answer: the API server waits 10 seconds, and should get a reason before.
const REVIEW: Duration = Duration::from_secs(9);

/// The life of a connection.
const CONNECTION: Duration = Duration::from_mins(5);

/// Serves a connection to its end. A peer that breaks off is its own business.
pub(super) async fn connection(stream: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    let _ = stream.set_nodelay(true); // an answer is one write
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => return debug!("admission: a TLS handshake failed: {why}"),
        Err(_) => return,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.serve(request).await) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 << 10);
    let mut serving = pin!(server.serve_connection(TokioIo::new(stream), service));
    if timeout(CONNECTION, serving.as_mut()).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _ = timeout(REVIEW, serving).await;
    }
}

/// Where reviews are answered.
pub(super) struct Desk {
    rules: Arc<Rules>,
    current: watch::Receiver<Option<Compiled>>,
    metrics: Metrics,
    /// Bytes of bodies.
    bodies: Arc<Semaphore>,
    /// One object is decided upon at a time.
    turn: Arc<Semaphore>,
    recent: Mutex<Recent>,
}

/// Why there is no answer.
enum Refusal {
    Method,
    TooLarge,
    Malformed(String),
    Busy,
    NotReady,
    TooSlow,
    Failed,
}

impl Desk {
    pub(super) fn new(rules: Rules, current: watch::Receiver<Option<Compiled>>, metrics: Metrics) -> Self {
        let bodies = Arc::new(Semaphore::new(BODIES));
        let turn = Arc::new(Semaphore::new(1));
        Self { rules: Arc::new(rules), current, metrics, bodies, turn, recent: Mutex::default() }
    }

    async fn serve<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let started = Instant::now();
        let reviewed = timeout(REVIEW, self.review(request)).await.unwrap_or(Err(Refusal::TooSlow));
        let took = started.elapsed();
        match reviewed {
            Ok(answer) => {
                self.metrics.admission(answer.verdict, took);
                if answer.verdict == Verdict::Refused {
                    info!("admission: refused {} ({})", subject(&answer), answer.reasons.join(", "));
                }
                let mut response = Response::new(Full::new(answer.body.into()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(refusal) => {
                self.metrics.admission(refusal.verdict(), took);
                refusal.response()
            }
        }
    }

    async fn review<B>(&self, request: Request<B>) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        let body = Arc::new(self.body(request.into_body()).await?);
        let mut current = self.current.clone();
        let settled = tokio::time::Instant::now() + SETTLE;
        loop {
            let in_force = current.borrow_and_update().clone().ok_or(Refusal::NotReady)?;
            let (answer, turn) = self.decide(body.clone(), in_force.clone()).await?;
            let last = tokio::time::Instant::now() >= settled || !self.may_change(&answer, &in_force);
            if !last {
                drop(turn);
                if let Ok(Ok(())) = timeout_at(settled, current.changed()).await {
                    continue;
                }
            }
            self.note(&answer, &in_force);
            return Ok(answer);
        }
    }

    /// Decides by what is in force. Until the turn is dropped nothing else is decided.
    async fn decide(
        &self,
        body: Arc<(Vec<u8>, OwnedSemaphorePermit)>,
        in_force: Compiled,
    ) -> Result<(Answer, OwnedSemaphorePermit), Refusal> {
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| Refusal::Failed)?;
        let (rules, metrics) = (self.rules.clone(), self.metrics.clone());
        // Compiling may take many milliseconds, and the control thread has other things to do. The turn and the memory
        // are let go at the end, also when nobody waits for the answer any more.
        let decided = spawn_blocking(move || {
            let started = Instant::now();
            let answer = super::answer(&body.0, &in_force, &rules, epoch_seconds());
            let ingresses = in_force.snapshot().ingresses.len();
            metrics.admission_tested(Review { ingresses, took: started.elapsed() });
            (answer, turn)
        });
        let (answer, turn) = decided.await.map_err(|_| Refusal::Failed)?;
        Ok((answer.map_err(Refusal::Malformed)?, turn))
    }

    /// Whether what is on its way may lead to another answer: what was let through, or the end of what is in the way.
    fn may_change(&self, answer: &Answer, in_force: &Compiled) -> bool {
        answer.is_contested()
            || answer
                .ingress
                .as_ref()
                .is_some_and(|ingress| self.recent().concerns(ingress, in_force.snapshot(), Instant::now()))
    }

    fn note(&self, answer: &Answer, in_force: &Compiled) {
        if let Some(ingress) = &answer.ingress {
            self.recent().note(ingress.clone(), in_force.snapshot(), Instant::now());
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body; the permit stands for its memory.
    async fn body<B>(&self, mut body: B) -> Result<(Vec<u8>, OwnedSemaphorePermit), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if body.size_hint().lower() > BODY as u64 {
            return Err(Refusal::TooLarge);
        }
        let mut held = self.hold(0).await?;
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::Malformed("the body broke off".into()))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > BODY {
                return Err(Refusal::TooLarge);
            }
            held.merge(self.hold(data.len()).await?);
            bytes.extend_from_slice(&data);
        }
        Ok((bytes, held))
    }

    async fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let count = u32::try_from(bytes).map_err(|_| Refusal::TooLarge)?;
        match timeout(BRIEFLY, self.bodies.clone().acquire_many_owned(count)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Refusal::Busy),
        }
    }
}

impl Refusal {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Busy | Self::NotReady | Self::TooSlow | Self::Failed => Verdict::Unanswered,
            Self::Method | Self::TooLarge | Self::Malformed(_) => Verdict::Malformed,
        }
    }

    fn response(self) -> Response<Full<Bytes>> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, text) = match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "only POST of an AdmissionReview".into()),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 9 MiB".into()),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, why),
            Self::Busy => (unavailable, "too many reviews at a time: try again".into()),
            Self::NotReady => (unavailable, "not ready: the first complete list is not in force yet".into()),
            Self::TooSlow => (unavailable, format!("the review took longer than {} s", REVIEW.as_secs())),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "the review failed".into()),
        };
        let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if status == unavailable {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The name of an Ingress for the log: whoever reaches the port may send any text.
fn subject(answer: &Answer) -> String {
    let fine = |part: &str| {
        (1..=253).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    let key = &answer.subject;
    let named = fine(&key.namespace) && fine(&key.name);
    if named { format!("Ingress {key}") } else { "an Ingress without a proper name".into() }
}

fn epoch_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
