//! What the DNS server shows of itself, in the words of CoreDNS.
//!
//! | where | path | answers |
//! |---|---|---|
//! | `--health` | `/health` | 200: the process runs; also while it is about to end |
//! | | `/query` | how a name resolves, step by step, for `slipway dns query`; to programs on this machine only |
//! | `--ready` | `/ready` | 200, or 503 with the parts that are not ready |
//! | `--metrics` | `/metrics` | all metrics, for Prometheus |

pub mod query;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

use super::http::{self, Answer, json, text};
use super::not_ready;
use crate::dns::explain::explain;
use crate::dns::serve::Serving;
use crate::metrics::dns::Metrics;
use crate::model::freshness::Freshness;
use crate::publish::Published;

/// How often the server looks whether it answers about its health.
const LOOK: Duration = Duration::from_secs(1);

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the answers are made of.
#[derive(Clone)]
pub struct State {
    /// What is answered.
    pub serving: Published<Serving>,
    /// The port whose blocks `/query` looks at.
    pub port: u16,
    /// What the node's search path has.
    pub search: Vec<String>,
    /// Whether every zone is known.
    pub complete: watch::Receiver<bool>,
    /// How fresh what the source knows is.
    pub freshness: watch::Receiver<Freshness>,
    /// How far the program's life has come.
    pub phase: watch::Receiver<Phase>,
    /// Everything that is counted.
    pub metrics: Metrics,
}

/// The life of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Queries are not taken yet.
    #[default]
    Starting,
    /// They are.
    Serving,
    /// They still are, but the end has begun.
    Ending,
}

/// A bound server.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds; `0.0.0.0` and `[::]` stand for all addresses of both families. Needs the control runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: http::bind(address)? })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers about health until dropped, and sees itself to how long that takes.
    pub async fn run_health(self, state: State) {
        let address = self.address();
        let metrics = state.metrics.clone();
        let answers = http::run_slowly(self.listener, move |request, peer| {
            let state = state.clone();
            let uri = request.into_parts().0.uri;
            async move { health(uri.path(), uri.query().unwrap_or_default(), peer, &state).await }
        });
        match address {
            Ok(address) => {
                tokio::join!(answers, look(address, &metrics));
            }
            Err(_) => answers.await,
        }
    }

    /// Answers whether queries are answered, until dropped.
    pub async fn run_ready(self, state: State) {
        http::run(self.listener, move |request| ready(request.uri().path(), &state)).await;
    }

    /// Answers with metrics until dropped.
    pub async fn run_metrics(self, state: State) {
        http::run(self.listener, move |request| match request.uri().path() {
            "/metrics" => http::metrics(state.metrics.text()),
            _ => text(StatusCode::NOT_FOUND, "not here; there is /metrics\n"),
        })
        .await;
    }
}

async fn health(path: &str, query: &str, peer: IpAddr, state: &State) -> Answer {
    match path {
        "/health" => text(StatusCode::OK, "OK"),
        // It tells what is in the cluster, and asks upstreams.
        "/query" if !peer.is_loopback() => text(
            StatusCode::FORBIDDEN,
            "only for programs on the same machine: run slipway dns query there\n",
        ),
        "/query" => match query::parse(query, &state.search) {
            Ok(asked) => match explain(&state.serving.load(), state.port, &asked).await {
                Ok(explanation) => json(&explanation),
                Err(message) => text(StatusCode::BAD_REQUEST, &format!("{message}\n")),
            },
            Err(message) => text(StatusCode::BAD_REQUEST, &format!("{message}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "not here; there are /health /query\n"),
    }
}

fn ready(path: &str, state: &State) -> Answer {
    if path != "/ready" {
        return text(StatusCode::NOT_FOUND, "not here; there is /ready\n");
    }
    let phase = *state.phase.borrow();
    if phase == Phase::Ending {
        return text(StatusCode::SERVICE_UNAVAILABLE, "ending\n");
    }
    if !*state.complete.borrow() {
        let why = format!("kubernetes\n{}", not_ready(&state.freshness.borrow()));
        return text(StatusCode::SERVICE_UNAVAILABLE, &why);
    }
    if phase == Phase::Starting {
        return text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
    }
    text(StatusCode::OK, "OK")
}

/// Asks for the own health, again and again, and notes how long that takes: what keeps the control thread busy shows there.
async fn look(address: SocketAddr, metrics: &Metrics) {
    let own = match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => SocketAddr::new([127, 0, 0, 1].into(), address.port()),
        IpAddr::V6(_) => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port()),
    };
    let mut ticks = interval(LOOK);
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        match timeout(PATIENCE, fetch(own)).await {
            Ok(Ok(())) => metrics.health_request(begun.elapsed()),
            _ => metrics.health_request_failed(),
        }
    }
}

async fn fetch(address: SocketAddr) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    if answer.ends_with(b" 200") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dns::plan::Plan;
    use crate::dns::serve::Active;

    fn state(complete: bool, phase: Phase) -> State {
        let metrics = Metrics::default();
        let active = Active::new(Plan::default(), None, &metrics).ok().unwrap();
        State {
            serving: Published::new(Serving { active: Arc::new(active), zones: Vec::new() }),
            port: 53,
            search: Vec::new(),
            complete: watch::channel(complete).1,
            freshness: watch::channel(Freshness::default()).1,
            phase: watch::channel(phase).1,
            metrics,
        }
    }

    #[test]
    fn it_is_ready_while_all_is_known_and_queries_are_taken() {
        let status = |complete, phase| ready("/ready", &state(complete, phase)).status().as_u16();
        assert_eq!(status(true, Phase::Serving), 200);
        assert_eq!(status(false, Phase::Serving), 503);
        assert_eq!(status(true, Phase::Starting), 503);
        assert_eq!(status(true, Phase::Ending), 503);
    }

    #[tokio::test]
    async fn questions_of_others_than_this_machine_are_refused() {
        let state = state(true, Phase::Serving);
        let status = async |peer: &str, query| {
            health("/query", query, peer.parse().unwrap(), &state).await.status().as_u16()
        };
        assert_eq!(status("10.1.0.7", "name=web").await, 403);
        assert_eq!(status("fd00::7", "name=web").await, 403);
        assert_eq!(status("127.0.0.1", "name=web").await, 200);
        assert_eq!(status("::1", "name=a..b").await, 400);
        let health = async |peer: &str| health("/health", "", peer.parse().unwrap(), &state).await.status();
        assert_eq!(health("10.1.0.7").await, 200);
    }
}
