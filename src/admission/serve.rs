//! HTTP of the webhook: one review a request, within bounds of size, memory and time.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
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
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

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
        Self { rules: Arc::new(rules), current, metrics, bodies, turn: Arc::new(Semaphore::new(1)) }
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
        let (body, held) = self.body(request.into_body()).await?;
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| Refusal::Failed)?;
        let current = self.current.borrow().clone().ok_or(Refusal::NotReady)?;
        let (rules, metrics) = (self.rules.clone(), self.metrics.clone());
        // Compiling may take many milliseconds, and the control thread has other things to do.
        let decided = spawn_blocking(move || {
            let started = Instant::now();
            let answer = super::answer(&body, &current, &rules, epoch_seconds());
            let ingresses = current.snapshot().ingresses.len();
            metrics.admission_tested(Review { ingresses, took: started.elapsed() });
            drop((turn, held)); // also when nobody waits for the answer any more
            answer
        });
        decided.await.map_err(|_| Refusal::Failed)?.map_err(Refusal::Malformed)
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
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;
    use crate::compile;
    use crate::model::Snapshot;

    /// A body that gives so many pieces of 1 MiB, and then nothing more without ending.
    struct Stuck(usize);

    impl Body for Stuck {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Pending };
            self.0 = left;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; 1 << 20])))))
        }
    }

    fn desk() -> Arc<Desk> {
        let rules = Rules::default();
        let compiled = compile::compile(&Snapshot::default(), &rules.compile, 0, None);
        let (_, current) = watch::channel(Some(compiled));
        Arc::new(Desk::new(rules, current, Metrics::new()))
    }

    async fn post(desk: &Desk, body: impl Body<Data = Bytes> + Unpin) -> (u16, Bytes) {
        let response = desk.serve(Request::post("/").body(body).unwrap()).await;
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_gets_a_reason_before_the_api_server_gives_up() {
        let started = tokio::time::Instant::now();
        let (status, text) = post(&desk(), Stuck(1)).await;
        assert_eq!((status, started.elapsed()), (503, REVIEW));
        assert!(text.starts_with(b"the review took longer"), "{text:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_beyond_the_memory_for_all_of_them_wait_briefly() {
        let desk = desk();
        let slow: Vec<_> = (0..4)
            .map(|_| {
                let desk = desk.clone();
                tokio::spawn(async move { post(&desk, Stuck(8)).await.0 })
            })
            .collect();
        while desk.bodies.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (status, text) = post(&desk, Full::new(Bytes::from_static(b"{}"))).await;
        assert_eq!(status, 503);
        assert!(text.starts_with(b"too many reviews"), "{text:?}");
        for slow in slow {
            assert_eq!(slow.await.unwrap(), 503);
        }
        assert_eq!(desk.bodies.available_permits(), BODIES, "the memory is free again");
        assert_eq!(post(&desk, Full::new(Bytes::from_static(b"{}"))).await.0, 400);
        assert_eq!(desk.bodies.available_permits(), BODIES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_review_waits_for_its_turn_and_not_for_ever() {
        let desk = desk();
        let turn = desk.turn.clone().acquire_owned().await.unwrap();
        assert_eq!(post(&desk, Full::new(Bytes::from_static(b"{}"))).await.0, 503);
        let waiting = {
            let desk = desk.clone();
            tokio::spawn(async move { post(&desk, Full::new(Bytes::from_static(b"{}"))).await.0 })
        };
        drop(turn);
        assert_eq!(waiting.await.unwrap(), 400);
    }

    #[test]
    fn the_log_holds_names_only() {
        let named = |namespace: &str, name: &str| {
            let subject = crate::model::Key::new(namespace, name);
            super::subject(&Answer {
                body: Vec::new(),
                verdict: Verdict::Refused,
                subject,
                reasons: Vec::new(),
            })
        };
        assert_eq!(named("shop", "web.v1"), "Ingress shop/web.v1");
        for odd in ["", "a\nb", "a b", "é", "\u{1b}[31m", &"x".repeat(300)] {
            assert_eq!(named("shop", odd), "an Ingress without a proper name");
        }
    }
}
