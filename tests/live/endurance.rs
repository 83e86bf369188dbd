//! Rules, endpoints and certificates change all the time under load: no request fails, no connection is lost, memory
//! stays flat.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::client::Connection;
use super::manifest::{certificates, ingress, ingress_with, secure, service, slices};
use super::server::{Manifests, Server};

/// Connections of each kind that are opened first and used again last.
const IDLE: usize = 10;

/// What memory may grow by after the first fifth of the changes. A leak of one routing table per change is more.
const GROWTH_KIB: u64 = 12 << 10;

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn hundreds_of_changes_under_load_fail_no_request_and_lose_no_connection() {
    let changes = number("SLIPWAY_CHANGES", 200);
    let pause = Duration::from_secs(1) / number("SLIPWAY_CHANGES_PER_SEC", 20);
    let backends: Vec<Backend> = (0..3).map(|n| Backend::start(&format!("pod-{n}"))).collect();
    let pods: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let manifests = Manifests::new(&[]);
    write_first(&manifests, &pods);
    // Longer than the test: a connection that waits is not closed for its age.
    let server = Server::start(&manifests, &["--set=keep-alive=3600", "--set=disable-access-log=true"]);
    let mut idle = idle_connections(&server);
    let load = Load::start(&server);

    let mut slowest = Duration::ZERO;
    let mut settled_kib = server.rss_kib();
    let mut due = Instant::now();
    for change in 0..changes {
        due += pause;
        thread::sleep(due.saturating_duration_since(Instant::now())); // the rate is part of the test
        apply(&manifests, &pods, change);
        if change % 10 == 9 {
            slowest = slowest.max(mark(&manifests, &server, change));
        }
        if change == changes / 5 {
            settled_kib = server.rss_kib();
        }
    }
    mark(&manifests, &server, changes);
    let grown_kib = server.rss_kib().saturating_sub(settled_kib);
    let (requests, failures) = load.finish();
    let reports: Vec<String> = server.reports();
    println!(
        "{changes} changes, {requests} requests, slowest change live after {slowest:?}, {settled_kib} KiB in use, \
         then {grown_kib} KiB more"
    );
    assert_eq!(failures, BTreeMap::new(), "of {requests} requests");
    assert!(requests > u64::from(changes), "the load was too small to tell: {requests}");
    assert_eq!(reports, Vec::<String>::new());
    for (number, (connection, host)) in idle.iter_mut().enumerate() {
        assert!(!connection.is_closed(), "idle connection {number} was closed");
        assert_eq!(connection.get(host, "/").unwrap().status, 200, "idle connection {number}");
    }
    assert!(grown_kib < GROWTH_KIB, "memory grew by {grown_kib} KiB, from {settled_kib} KiB");
}

fn write_first(manifests: &Manifests, pods: &[SocketAddr]) {
    manifests.write(
        "steady.yaml",
        &(service("steady", pods) + &ingress("steady", "steady.example", "/", "steady")),
    );
    let moving: Vec<String> = (0..pods.len()).map(|n| service(&format!("pod-{n}"), &pods[n..=n])).collect();
    manifests.write("pods.yaml", &moving.concat());
    manifests.write("secure.yaml", &secure("secure", "secure.example", "secure-tls", "steady"));
    for change in 0..KINDS {
        apply(manifests, pods, change);
    }
    manifests.write("mark.yaml", &ingress("mark", "mark.example", "/0", "steady"));
}

/// So many kinds of changes there are; they take turns.
const KINDS: u32 = 5;

/// Makes one change. Each leaves everything that the load asks for served, by some pod.
fn apply(manifests: &Manifests, pods: &[SocketAddr], change: u32) {
    let round = change / KINDS;
    let turn = (round % 3) as usize;
    match change % KINDS {
        // Endpoints come and go; at least one stays.
        0 => {
            let serving: Vec<SocketAddr> = pods.iter().cycle().skip(turn).take(1 + turn).copied().collect();
            manifests.write("scaled.yaml", &(service("scaled", &[]) + &slices("scaled", &serving)));
        }
        // A rule leads elsewhere, with other settings.
        1 => {
            let size = format!("{}m", 1 + round);
            let annotations =
                [("proxy-body-size", size.as_str()), ("use-regex", if turn == 0 { "true" } else { "false" })];
            let moving = ingress_with("moving", "moving.example", "/", &format!("pod-{turn}"), &annotations);
            let scaled = ingress("scaled", "scaled.example", "/", "scaled");
            manifests.replace("moving.yaml", &(moving + &scaled));
        }
        // The certificate is another one.
        2 => manifests.replace("secret.yaml", &certificates()[turn].secret("secure-tls")),
        // Hosts come and go.
        3 => {
            let hosts = (0..10).map(|n| {
                let name = format!("churn-{round}-{n}");
                ingress(&name, &format!("{name}.example"), "/", "steady")
            });
            manifests.write(&format!("churn-{}.yaml", round % 4), &hosts.collect::<String>());
        }
        // The same certificate, written in place; and a path more on a host under load.
        _ => {
            manifests.write("secret.yaml", &certificates()[turn].secret("secure-tls"));
            manifests
                .write("path.yaml", &ingress("path", "steady.example", &format!("/path/{round}"), "pod-0"));
        }
    }
}

/// Writes a rule of its own and waits until it answers, so that all that was written before is in force too.
fn mark(manifests: &Manifests, server: &Server, change: u32) -> Duration {
    let start = Instant::now();
    manifests.replace("mark.yaml", &ingress("mark", "mark.example", &format!("/{change}/"), "steady"));
    server.until_status("mark.example", &format!("/{change}/x"), 200);
    start.elapsed()
}

/// Connections that have been used once and wait now.
fn idle_connections(server: &Server) -> Vec<(Connection, &'static str)> {
    let open = |number: usize| {
        let (mut connection, host) = if number.is_multiple_of(2) {
            (Connection::plain(server.http).unwrap(), "steady.example")
        } else {
            (Connection::tls(server.https, "secure.example").unwrap(), "secure.example")
        };
        let answer = connection.get(host, "/");
        assert_eq!(answer.as_ref().map(|a| a.status).ok(), Some(200), "{number} {answer:?}");
        (connection, host)
    };
    (0..2 * IDLE).map(open).collect()
}

/// Clients that ask all the time.
struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    /// What went wrong, and how often.
    failures: Arc<Mutex<BTreeMap<String, u64>>>,
    clients: Vec<JoinHandle<()>>,
}

/// One client: which host it asks, with TLS or not, and after how many requests it connects anew.
#[derive(Clone, Copy)]
struct Client {
    host: &'static str,
    tls: bool,
    requests: u32,
}

const CLIENTS: [Client; 9] = [
    Client { host: "steady.example", tls: false, requests: u32::MAX },
    Client { host: "moving.example", tls: false, requests: u32::MAX },
    Client { host: "scaled.example", tls: false, requests: u32::MAX },
    Client { host: "secure.example", tls: true, requests: u32::MAX },
    Client { host: "scaled.example", tls: true, requests: u32::MAX },
    Client { host: "steady.example", tls: false, requests: 1 },
    Client { host: "moving.example", tls: false, requests: 3 },
    Client { host: "secure.example", tls: true, requests: 1 },
    Client { host: "secure.example", tls: true, requests: 3 },
];

impl Load {
    fn start(server: &Server) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            requests: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for client in CLIENTS {
            let to = if client.tls { server.https } else { server.http };
            let (stop, requests, failures) =
                (load.stop.clone(), load.requests.clone(), load.failures.clone());
            load.clients.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Err(failure) = client.connection(to, &stop, &requests) {
                        *failures.lock().unwrap().entry(failure).or_default() += 1;
                    }
                }
            }));
        }
        load
    }

    /// Ends the load; says how many requests there were and what failed.
    fn finish(self) -> (u64, BTreeMap<String, u64>) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let failures = self.failures.lock().unwrap().clone();
        (self.requests.load(Ordering::Relaxed), failures)
    }
}

impl Client {
    /// The life of one connection.
    fn connection(self, to: SocketAddr, stop: &AtomicBool, requests: &AtomicU64) -> Result<(), String> {
        let told = |what: &str, error: String| format!("{} {what}: {error}", self.host);
        let connection = if self.tls { Connection::tls(to, self.host) } else { Connection::plain(to) };
        let mut connection = connection.map_err(|error| told("connect", error.to_string()))?;
        if self.tls && self.host == "secure.example" {
            let certificate = connection.certificate();
            if !certificates().iter().any(|known| known.der == certificate) {
                return Err(told("certificate", "none of ours".to_owned()));
            }
        }
        for number in 0..self.requests {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            requests.fetch_add(1, Ordering::Relaxed);
            let answer = connection.get(self.host, "/path").map_err(|error| {
                told(if number == 0 { "first request" } else { "request" }, error.to_string())
            })?;
            if answer.status != 200 || !answer.body.starts_with("Hello from pod-") {
                return Err(told("answer", format!("{} {:?}", answer.status, answer.body)));
            }
            if answer.closes() {
                break;
            }
        }
        Ok(())
    }
}

#[test]
fn a_request_that_comes_along_with_the_end_of_the_handshake_is_answered() {
    let manifests = Manifests::new(&[(
        "web.yaml",
        &(service("web", &[Backend::start("web").address]) + &ingress("web", "web.example", "/", "web")),
    )]);
    let server = Server::start(&manifests, &[]);
    for _ in 0..5 {
        let mut connection = Connection::tls_at_once(server.https, "web.example", "/").unwrap();
        assert_eq!(connection.answer().unwrap().status, 200);
        assert_eq!(connection.get("web.example", "/").unwrap().status, 200);
    }
}
