//! What a node's service proxy shows of itself, in the words of kube-proxy.
//!
//! | where | path | answers |
//! |---|---|---|
//! | `--healthz-address` | `/healthz` | 200, or 503 when a change waits too long or the node is about to go: load balancers ask this |
//! | | `/livez` | the same whatever becomes of the node: the kubelet asks this |
//! | | `/readyz` | 200 once the first rules are in force, else 503 and what is waited for |
//! | `--metrics-address` | `/metrics` | all metrics, for Prometheus |
//! | | `/proxyMode` | `nftables` or `userspace` |
//! | | `/healthz` | 200 |
//! | `healthCheckNodePort` | any | 200 when the Service has a ready endpoint on this node, else 503 |

pub mod checks;

use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use hyper::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::http::{self, Answer, json, text};
use super::not_ready;
use crate::metrics::service_proxy::Metrics;
use crate::model::freshness::Freshness;
use crate::model::health::ProxyHealth;

/// How long a change may wait, in milliseconds: kube-proxy's two periods of 30 seconds.
const PATIENCE: i64 = 60_000;

/// What the answers are made of.
#[derive(Clone)]
pub struct State {
    /// How the rules are doing.
    pub health: watch::Receiver<ProxyHealth>,
    /// How fresh what the source knows is.
    pub freshness: watch::Receiver<Freshness>,
    /// Everything that is counted.
    pub metrics: Metrics,
    /// Who forwards: `nftables` or `userspace`.
    pub mode: &'static str,
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

    /// Answers about health until dropped.
    pub async fn run_health(self, state: State) {
        http::run(self.listener, move |request| health(request.uri().path(), &state)).await;
    }

    /// Answers with metrics until dropped.
    pub async fn run_metrics(self, state: State) {
        http::run(self.listener, move |request| metrics(request.uri().path(), &state)).await;
    }
}

fn health(path: &str, state: &State) -> Answer {
    let known = state.health.borrow().clone();
    match path {
        "/healthz" => {
            let answer = probe(&known, known.node_eligible, now());
            state.metrics.healthz(answer.status().as_u16());
            answer
        }
        "/livez" => {
            let answer = probe(&known, true, now());
            state.metrics.livez(answer.status().as_u16());
            answer
        }
        "/readyz" if known.updated.is_some() => text(StatusCode::OK, "ok"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, &not_ready(&state.freshness.borrow())),
        _ => text(StatusCode::NOT_FOUND, "not here; there are /healthz /livez /readyz\n"),
    }
}

fn metrics(path: &str, state: &State) -> Answer {
    match path {
        "/metrics" => http::metrics(state.metrics.text()),
        "/proxyMode" => text(StatusCode::OK, state.mode),
        "/healthz" => text(StatusCode::OK, "ok"),
        _ => text(StatusCode::NOT_FOUND, "not here; there are /metrics /proxyMode /healthz\n"),
    }
}

/// Whether no change waits too long.
fn is_healthy(health: &ProxyHealth, now: i64) -> bool {
    health.pending.iter().flatten().all(|since| now.saturating_sub(*since) < PATIENCE)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    last_updated: String,
    current_time: String,
    node_eligible: bool,
}

fn probe(health: &ProxyHealth, eligible: bool, now: i64) -> Answer {
    let fine = is_healthy(health, now) && eligible;
    // Where all is well the rules are right as of now, as with kube-proxy, whenever they were last changed.
    let updated = if fine { Some(now) } else { health.updated };
    let mut answer = json(&Probe {
        last_updated: updated.map(stamp).unwrap_or_default(),
        current_time: stamp(now),
        node_eligible: health.node_eligible,
    });
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !fine {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}

/// Milliseconds since 1970 as RFC 3339.
fn stamp(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn state(health: ProxyHealth) -> State {
        State {
            health: watch::channel(health).1,
            freshness: watch::channel(Freshness::default()).1,
            metrics: Metrics::default(),
            mode: "nftables",
        }
    }

    fn eligible() -> ProxyHealth {
        ProxyHealth { node_eligible: true, ..ProxyHealth::default() }
    }

    #[test]
    fn a_change_that_waits_too_long_in_either_family_is_not_healthy() {
        let waits = |four, six| is_healthy(&ProxyHealth { pending: [four, six], ..eligible() }, 100_000);
        assert!(waits(None, None));
        assert!(waits(Some(40_001), Some(99_999)));
        assert!(!waits(Some(40_000), None));
        assert!(!waits(None, Some(1)));
    }

    #[test]
    fn a_node_that_is_about_to_go_is_alive_but_not_healthy() {
        let statuses =
            |state: &State| ["/healthz", "/livez"].map(|path| health(path, state).status().as_u16());
        let state_of = |node_eligible| state(ProxyHealth { node_eligible, ..ProxyHealth::default() });
        assert_eq!(statuses(&state_of(true)), [200, 200], "also before the first rules");
        let leaving = state_of(false);
        assert_eq!(statuses(&leaving), [503, 200]);
        let stuck = state(ProxyHealth { pending: [Some(0), None], ..eligible() });
        assert_eq!(statuses(&stuck), [503, 503]);
        let text = leaving.metrics.text();
        assert!(text.contains("kubeproxy_proxy_healthz_total{code=\"503\"} 1"), "{text}");
        assert!(text.contains("kubeproxy_proxy_livez_total{code=\"200\"} 1"), "{text}");
    }

    #[tokio::test]
    async fn the_answer_tells_both_times_and_whether_the_node_stays() {
        let body = |health: ProxyHealth, now| async move {
            let body = probe(&health, health.node_eligible, now).into_body().collect().await.unwrap();
            serde_json::from_slice::<serde_json::Value>(&body.to_bytes()).unwrap()
        };
        let fine = body(ProxyHealth { updated: Some(1000), ..eligible() }, 61_500).await;
        let expected = serde_json::json!({
            "lastUpdated": "1970-01-01T00:01:01.5Z",
            "currentTime": "1970-01-01T00:01:01.5Z",
            "nodeEligible": true,
        });
        assert_eq!(fine, expected);
        let stuck = ProxyHealth { updated: Some(1000), pending: [Some(1500), None], ..eligible() };
        assert_eq!(body(stuck, 61_500).await["lastUpdated"], "1970-01-01T00:00:01Z");
    }

    #[test]
    fn it_is_ready_once_rules_are_in_force() {
        let status = |updated| health("/readyz", &state(ProxyHealth { updated, ..eligible() })).status();
        assert_eq!((status(None).as_u16(), status(Some(1)).as_u16()), (503, 200));
    }

    #[test]
    fn the_metrics_server_names_the_mode() {
        let state = state(eligible());
        assert_eq!(metrics("/metrics", &state).status(), 200);
        assert_eq!(metrics("/healthz", &state).status(), 200);
        assert_eq!(metrics("/nothing", &state).status(), 404);
        assert_eq!(metrics("/proxyMode", &state).status(), 200);
    }
}
