//! A server for each Service with a `healthCheckNodePort`: load balancers ask there whether this node has an endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info};

use super::super::http::{self, Answer, json};
use super::{is_healthy, now};
use crate::model::Key;
use crate::model::health::{HealthCheck, ProxyHealth};

/// How often a port that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How many endpoints there are, for balancers that weigh nodes.
const WEIGHT: HeaderName = HeaderName::from_static("x-load-balancing-endpoint-weight");

/// Answers on the ports of `checks`, as they come and go, until nobody sends any more.
pub async fn run(mut checks: watch::Receiver<Arc<[HealthCheck]>>, health: watch::Receiver<ProxyHealth>) {
    let mut servers = Servers { health, running: BTreeMap::new(), told: BTreeSet::new() };
    loop {
        let wanted = checks.borrow_and_update().clone();
        let complete = servers.follow(&wanted);
        tokio::select! {
            changed = checks.changed() => if changed.is_err() { return },
            () = sleep(AGAIN), if !complete => {}
        }
    }
}

/// The servers that run.
struct Servers {
    health: watch::Receiver<ProxyHealth>,
    running: BTreeMap<u16, Running>,
    /// Ports that could not be listened on, and whose they are: told once.
    told: BTreeSet<(u16, Key)>,
}

/// One of them. It ends when this is dropped.
struct Running {
    check: watch::Sender<HealthCheck>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Servers {
    /// Begins and ends servers; those that stay are not touched. Says whether all that are wanted run.
    fn follow(&mut self, wanted: &[HealthCheck]) -> bool {
        self.running.retain(|port, _| wanted.iter().any(|check| check.port == *port));
        self.told.retain(|(port, service)| {
            wanted.iter().any(|check| check.port == *port && check.service == *service)
        });
        let mut complete = true;
        for check in wanted {
            if let Some(running) = self.running.get(&check.port) {
                running.check.send_if_modified(|known| {
                    let changed = known != check;
                    known.clone_from(check);
                    changed
                });
                continue;
            }
            complete &= self.begin(check);
        }
        complete
    }

    fn begin(&mut self, check: &HealthCheck) -> bool {
        let HealthCheck { service, port, .. } = check;
        let whose = (*port, service.clone());
        match self.start(check) {
            Ok(running) => {
                if self.told.remove(&whose) {
                    info!("Service {service}: its healthCheckNodePort {port} is answered now");
                }
                self.running.insert(*port, running);
                true
            }
            Err(why) => {
                if self.told.insert(whose) {
                    let why = match why.kind() {
                        io::ErrorKind::AddrInUse => "is taken by another program on this node".to_owned(),
                        _ => format!("cannot be listened on ({why})"),
                    };
                    error!(
                        "Service {service}: its healthCheckNodePort {port} {why}; load balancers see this node as \
                         unhealthy: free the port, it is tried again every {} seconds",
                        AGAIN.as_secs()
                    );
                }
                false
            }
        }
    }

    fn start(&self, check: &HealthCheck) -> io::Result<Running> {
        let listener = http::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), check.port))?;
        let (check, known) = watch::channel(check.clone());
        let health = self.health.clone();
        let task = tokio::spawn(http::run(listener, move |_| {
            answer(&known.borrow(), is_healthy(&health.borrow(), now()))
        }));
        Ok(Running { check, task })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    service: Service<'a>,
    local_endpoints: usize,
    service_proxy_healthy: bool,
}

#[derive(Serialize)]
struct Service<'a> {
    namespace: &'a str,
    name: &'a str,
}

fn answer(check: &HealthCheck, healthy: bool) -> Answer {
    let HealthCheck { service, local_endpoints, .. } = check;
    let mut answer = json(&Body {
        service: Service { namespace: &service.namespace, name: &service.name },
        local_endpoints: *local_endpoints,
        service_proxy_healthy: healthy,
    });
    if *local_endpoints == 0 || !healthy {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(WEIGHT, HeaderValue::from(*local_endpoints));
    answer
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{Instant, timeout};

    use super::*;

    fn check(port: u16, name: &str, local_endpoints: usize) -> HealthCheck {
        HealthCheck { service: Key::new("shop", name), port, local_endpoints }
    }

    async fn free_port() -> u16 {
        TcpListener::bind("[::]:0").await.unwrap().local_addr().unwrap().port()
    }

    async fn ask(port: u16) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"GET /any/path HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    async fn until(port: u16, what: &str, so: impl Fn(Option<&str>) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = ask(port).await;
            if so(answer.as_deref()) {
                return;
            }
            assert!(Instant::now() < deadline, "never {what}: {answer:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn healthy() -> watch::Sender<ProxyHealth> {
        watch::Sender::new(ProxyHealth { node_eligible: true, ..ProxyHealth::default() })
    }

    #[tokio::test]
    async fn each_port_answers_for_its_service() {
        let (a, b) = (free_port().await, free_port().await);
        let (health, checks) = (healthy(), watch::Sender::new(Arc::from([check(a, "web", 2)])));
        tokio::spawn(run(checks.subscribe(), health.subscribe()));
        until(a, "answered", |answer| {
            answer.is_some_and(|answer| {
                answer.starts_with("HTTP/1.0 200 OK")
                    && answer.contains("x-load-balancing-endpoint-weight: 2")
                    && answer.contains("\"namespace\": \"shop\"")
                    && answer.contains("\"localEndpoints\": 2")
                    && answer.contains("\"serviceProxyHealthy\": true")
            })
        })
        .await;
        // Another comes, and the first keeps its connection.
        let mut kept = TcpStream::connect(("127.0.0.1", a)).await.unwrap();
        checks.send_replace(Arc::from([check(a, "web", 0), check(b, "blog", 1)]));
        until(b, "the second", |answer| answer.is_some_and(|answer| answer.contains("blog"))).await;
        kept.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        kept.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 503"), "{answer}");
        checks.send_replace(Arc::from([check(b, "blog", 1)]));
        until(a, "gone", |answer| answer.is_none()).await;
        assert!(ask(b).await.unwrap().contains("200 OK"));
        health.send_modify(|health| health.pending = [Some(0), None]);
        until(b, "unhealthy", |answer| {
            answer.is_some_and(|answer| answer.contains("503") && answer.contains("Healthy\": false"))
        })
        .await;
    }

    #[tokio::test]
    async fn a_port_that_is_taken_does_not_stop_the_others_and_is_answered_once_it_is_free() {
        let taken = TcpListener::bind("[::]:0").await.unwrap();
        let (a, b) = (taken.local_addr().unwrap().port(), free_port().await);
        let (health, checks) =
            (healthy(), watch::Sender::new(Arc::from([check(a, "x", 1), check(b, "y", 1)])));
        let task = tokio::spawn(run(checks.subscribe(), health.subscribe()));
        until(b, "answered", |answer| answer.is_some_and(|answer| answer.contains("200 OK"))).await;
        drop(taken);
        until(a, "answered", |answer| answer.is_some_and(|answer| answer.contains("200 OK"))).await;
        drop(checks);
        timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
        until(b, "ended", |answer| answer.is_none()).await;
    }
}
