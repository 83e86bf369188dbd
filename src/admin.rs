//! Health, metrics and what is in force, over HTTP on the control thread.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process serves, 500 once it shuts down |
//! | `/readyz` | 200 when requests are served, else 503 and why not |
//! | `/metrics` | all metrics, for Prometheus |
//! | `/config` | hosts, routes, backends, certificates (no keys), settings, reports as JSON |
//! | `/explain?url=...` | which rule answers a request and why, as JSON |

pub mod dns;
pub mod dump;
pub mod explain;
mod http;
pub mod node;
mod query;

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::model::Report;
use crate::model::freshness::{Freshness, WatchState};
use crate::publish::Published;
use crate::routing::Tables;
use http::{Answer, json, text};

/// What the answers are made of.
#[derive(Clone)]
pub struct State {
    /// Routes and endpoints in force.
    pub tables: Published<Tables>,
    /// What there is to report.
    pub reports: Published<Vec<Report>>,
    /// Everything that is counted.
    pub metrics: Metrics,
    /// Whether requests are served.
    pub health: Health,
    /// How fresh what the source knows is.
    pub freshness: watch::Receiver<Freshness>,
}

/// Whether requests are served. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Health {
    phase: Arc<AtomicU8>,
}

/// The life of the process, as probes see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first complete list is not in force yet.
    Starting,
    /// Requests are served.
    Ready,
    /// No new ones, please: requests in flight are finished.
    Stopping,
}

impl Health {
    /// Moves to another phase.
    pub fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// The phase of now.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Stopping,
        }
    }
}

/// A bound admin server.
pub struct Admin {
    listener: TcpListener,
    state: Arc<State>,
}

impl Admin {
    /// Binds. Needs the control runtime.
    pub async fn bind(address: SocketAddr, state: State) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, state: Arc::new(state) })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until dropped.
    pub async fn run(self) {
        let state = self.state;
        http::run(self.listener, move |request| answer(request, &state)).await;
    }
}

fn answer<B>(request: &Request<B>, state: &State) -> Answer {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/healthz" => healthz(state.health.phase()),
        "/readyz" => readyz(state.health.phase(), &state.freshness.borrow()),
        "/metrics" => http::metrics(state.metrics.text()),
        "/config" => {
            let freshness = state.freshness.borrow().clone();
            json(&dump::config(&state.tables.load(), &state.reports.load(), &freshness, now()))
        }
        "/explain" => explain(request.uri().query().unwrap_or_default(), state),
        "/" => text(StatusCode::OK, "slipway: /healthz /readyz /metrics /config /explain?url=URL\n"),
        _ => text(
            StatusCode::NOT_FOUND,
            "not here; there are /healthz /readyz /metrics /config /explain?url=URL\n",
        ),
    }
}

fn healthz(phase: Phase) -> Answer {
    match phase {
        Phase::Stopping => text(StatusCode::INTERNAL_SERVER_ERROR, "shutting down\n"),
        Phase::Starting | Phase::Ready => text(StatusCode::OK, "ok"),
    }
}

fn readyz(phase: Phase, freshness: &Freshness) -> Answer {
    match phase {
        Phase::Starting => text(StatusCode::SERVICE_UNAVAILABLE, &not_ready(freshness)),
        Phase::Ready => text(StatusCode::OK, "ok"),
        Phase::Stopping => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: shutting down\n"),
    }
}

/// What is waited for.
fn not_ready(freshness: &Freshness) -> String {
    let mut text = "not ready: the first complete list is not in force yet\n".to_owned();
    for watch in &freshness.watches {
        let _ = match &watch.state {
            WatchState::Following => Ok(()),
            WatchState::Listing(None) => writeln!(text, "waiting for the first list of {}", watch.name),
            WatchState::Listing(Some(why)) | WatchState::Away { why, .. } => {
                writeln!(text, "waiting for the first list of {}: {why}", watch.name)
            }
        };
    }
    text
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn explain(query: &str, state: &State) -> Answer {
    match query::parse(query).and_then(|asked| explain::explain(&state.tables.load(), &asked)) {
        Ok(answer) => json(&answer),
        Err(message) => text(StatusCode::BAD_REQUEST, &format!("{message}\n")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::model::freshness::Watch;

    fn state() -> State {
        State {
            tables: Published::new(Tables::default()),
            reports: Published::new(Vec::new()),
            metrics: Metrics::new(),
            health: Health::default(),
            freshness: watch::channel(Freshness::default()).1,
        }
    }

    fn ask(state: &State, target: &str) -> StatusCode {
        answer(&Request::get(target).body(()).unwrap(), state).status()
    }

    #[test]
    fn readiness_and_health_follow_the_phase() {
        let state = state();
        let both = || (ask(&state, "/healthz").as_u16(), ask(&state, "/readyz").as_u16());
        assert_eq!(both(), (200, 503));
        state.health.set(Phase::Ready);
        assert_eq!(both(), (200, 200));
        state.health.set(Phase::Stopping);
        assert_eq!(both(), (500, 503));
    }

    #[test]
    fn readiness_names_what_is_waited_for() {
        let watch = |name: &str, state| Watch { name: name.into(), state };
        let watches = vec![
            watch("Service", WatchState::Following),
            watch("Ingress", WatchState::Listing(None)),
            watch("Secret", WatchState::Listing(Some("nobody answers".into()))),
        ];
        let text = not_ready(&Freshness { watches });
        let lines: Vec<&str> = text.lines().skip(1).collect();
        let expected =
            ["waiting for the first list of Ingress", "waiting for the first list of Secret: nobody answers"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn unknown_paths_are_404_and_other_methods_405() {
        let state = state();
        assert_eq!(ask(&state, "/nothing"), 404);
        assert_eq!(ask(&state, "/explain"), 400);
        let post = Request::post("/healthz").body(()).unwrap();
        assert_eq!(answer(&post, &state).status(), 405);
    }

    #[tokio::test]
    async fn it_answers_on_a_real_socket() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let admin = Admin::bind(([127, 0, 0, 1], 0).into(), state()).await.unwrap();
        let address = admin.address().unwrap();
        tokio::spawn(admin.run());
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(answer.contains("nginx_ingress_controller_build_info"), "{answer}");
    }
}
