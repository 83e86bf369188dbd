//! `slipway service-proxy` as people run it, as far as that needs no privileges: flags, health, reports, start and end.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Service with one endpoint, at an address of its own: tests run side by side.
fn web() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let address = format!("127.{high}.{low}.{}", NEXT.fetch_add(1, Ordering::Relaxed));
    WEB.replace("ADDRESS", &address)
}

const WEB: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: ADDRESS
  ports: [{port: 18080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 9}]
endpoints: [{addresses: [127.0.0.1], nodeName: here}]
---
apiVersion: v1
kind: Node
metadata: {name: here}
spec: {podCIDRs: [10.244.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
";

fn slipway(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    command.arg("service-proxy").args(args).stdin(Stdio::null()).env_remove("NODE_NAME");
    command
}

/// Runs it to its end: exit code, standard error.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let output = slipway(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A directory with one file.
fn directory(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), text);
    directory
}

fn write(directory: &Path, text: &str) {
    let temporary = directory.join(".services.swp");
    fs::write(&temporary, text).unwrap();
    fs::rename(temporary, directory.join("services.yaml")).unwrap();
}

/// A running service proxy in userspace mode, and what it wrote to standard error.
struct Proxy {
    child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Proxy {
    fn start(manifests: &Path, args: &[&str]) -> Self {
        let mut command = slipway(&["--manifests", manifests.to_str().unwrap(), "--mode=userspace"]);
        command.args(["--node-name=here", "--healthz-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"]);
        let mut child = command.args(args).stderr(Stdio::piped()).spawn().unwrap();
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::<(Mutex<Vec<_>>, Condvar)>::default());
        let told = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                told.0.lock().unwrap().push(line);
                told.1.notify_all();
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut proxy = Self { child, lines, health: nowhere, metrics: nowhere };
        let line = proxy.wait_for("service proxy of node here (userspace)");
        let after = |word: &str| {
            let rest = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
            rest[..rest.find(',').unwrap_or(rest.len())].parse().unwrap()
        };
        (proxy.health, proxy.metrics) = (after("health on "), after("metrics on "));
        proxy
    }

    /// Waits for a line that holds this text, from the start on.
    fn wait_for(&self, text: &str) -> String {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let lines = self.lines.0.lock().unwrap();
        let lines = self.lines.1.wait_timeout_while(lines, PATIENCE, |lines| found(lines).is_none());
        let lines = lines.unwrap().0;
        found(&lines).unwrap_or_else(|| panic!("no {text:?} in:\n{}", lines.join("\n")))
    }

    fn log(&self) -> String {
        self.lines.0.lock().unwrap().join("\n")
    }

    /// Sends a signal and waits for the end. Gives the exit code.
    fn signal(&mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still there after {name}:\n{}", self.log());
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and whole answer; `None` when nobody listens.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: here\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

/// Asks again and again until it is so.
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "never {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn wrong_flags_are_told_with_the_remedy() {
    for (args, code, expected) in [
        (&["--cluster-cidr", "10.0.0.0/99"][..], 2, "write a range such as 10.244.0.0/16"),
        (&["--mode=ipvs"], 2, "write nftables"),
        (&["--nodeport-addresses=primary,10.0.0.0/8"], 2, "write either primary or ranges"),
        (&["--healthz-address=nowhere"], 2, "write IP:PORT"),
        (&["--conntrack-max-per-core=0"], 2, "set the sysctl"),
        (&["--config=/etc/kube-proxy.conf"], 2, "slipway service-proxy --help"),
        (&["--iptables-sync-period=30s"], 2, "kube-proxy knows --iptables-sync-period"),
        (&["--cluster-cdir=10.0.0.0/8"], 2, "--cluster-cidr"),
    ] {
        let (status, said) = run(args);
        assert!(status == Some(code) && said.contains(expected), "{args:?}: {status:?}\n{said}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_that_says_what_to_do() {
    let args =
        ["--manifests=/nowhere/at/all", "--mode=userspace", "--healthz-address=", "--metrics-address="];
    let (status, said) = run(&args);
    assert_eq!(status, Some(1));
    assert!(said.contains("does not exist: create it, or name another with --manifests"), "{said}");
}

#[test]
fn a_taken_health_port_is_an_error_that_names_kube_proxy_and_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let services = directory(&web());
    let address = format!("--healthz-address={}", taken.local_addr().unwrap());
    let (status, said) = run(&["--manifests", services.path().to_str().unwrap(), &address]);
    assert_eq!(status, Some(1));
    assert!(said.contains("is taken: end kube-proxy") && said.contains("--healthz-address"), "{said}");
}

#[test]
fn health_and_metrics_are_answered_as_kube_proxy_does() {
    let services = directory(&web());
    let proxy = Proxy::start(services.path(), &[]);
    for path in ["/healthz", "/livez"] {
        let (status, answer) = get(proxy.health, path).unwrap();
        assert_eq!(status, 200, "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["nodeEligible"], true, "{answer}");
        assert_eq!(body["lastUpdated"], body["currentTime"], "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
    }
    assert_eq!(get(proxy.health, "/nothing").unwrap().0, 404);
    assert!(get(proxy.metrics, "/proxyMode").unwrap().1.ends_with("\r\n\r\nuserspace"));
    let (status, text) = get(proxy.metrics, "/metrics").unwrap();
    assert_eq!(status, 200);
    for line in [
        "kubeproxy_proxy_healthz_total{code=\"200\"} 1",
        "kubeproxy_proxy_livez_total{code=\"200\"} 1",
        "kubeproxy_sync_proxy_rules_service_changes_pending ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

#[test]
fn a_mistake_in_the_yaml_is_told_and_told_again_when_it_is_over() {
    let web = web();
    let services = directory(&web);
    let proxy = Proxy::start(services.path(), &[]);
    write(services.path(), &web.replace("port: 18080", "port: eighty"));
    let line = proxy.wait_for("services.yaml:6:");
    assert!(line.contains("ERROR") && line.contains("write digits"), "{line}");
    let odd =
        web.replace("clusterIP:", "sessionAffinity: Cookie\n  externalIPs: [192.0.2.300]\n  clusterIP:");
    write(services.path(), &odd);
    proxy.wait_for("no longer: services.yaml:6:");
    let line = proxy.wait_for("Service shop/web: sessionAffinity \"Cookie\" is unknown");
    assert!(line.contains("WARN services.yaml:5:"), "{line}");
    proxy.wait_for("\"192.0.2.300\" is not an IP address and is ignored");
    eventually("counted", || {
        let text = get(proxy.metrics, "/metrics")?.1;
        text.contains("slipway_service_proxy_reports{severity=\"warning\"} 2").then_some(())
    });
    assert_eq!(get(proxy.health, "/healthz").unwrap().0, 200, "the rest is served");
}

#[test]
fn signals_end_it_with_zero_and_it_says_what_stays() {
    for signal in ["TERM", "INT"] {
        let services = directory(&web());
        let mut proxy = Proxy::start(services.path(), &[]);
        assert_eq!(proxy.signal(signal), Some(0), "{}", proxy.log());
        proxy.wait_for(&format!("SIG{signal}: ending; connections through this process end with it"));
        assert!(get(proxy.health, "/healthz").is_none());
    }
}

#[test]
fn health_check_ports_come_and_go_with_their_services() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let balanced = format!(
        "type: LoadBalancer\n  externalTrafficPolicy: Local\n  healthCheckNodePort: {port}\n  ports:"
    );
    let web = web();
    let balanced = web.replace("ports: [{port: 18080}]", &format!("{balanced} [{{port: 18080}}]"));
    let services = directory(&balanced);
    let proxy = Proxy::start(services.path(), &[]);
    let answer = eventually("answered", || get(address, "/any").filter(|(status, _)| *status == 200)).1;
    assert!(answer.contains("x-load-balancing-endpoint-weight: 1"), "{answer}");
    assert!(answer.contains("\"localEndpoints\": 1") && answer.contains("\"name\": \"web\""), "{answer}");
    write(services.path(), &balanced.replace("nodeName: here", "nodeName: elsewhere"));
    eventually("503 without a local endpoint", || get(address, "/").filter(|(status, _)| *status == 503));
    write(services.path(), &web);
    eventually("closed", || get(address, "/").is_none().then_some(()));
    assert_eq!(get(proxy.health, "/readyz").unwrap().0, 200);
}
