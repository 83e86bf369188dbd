//! The program as people run it: output word by word, exit codes, start, change, end.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const GOOD: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
spec:
  rules:
    - host: web.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: web, port: {number: 80}}}
          - path: /api
            pathType: Prefix
            backend: {service: {name: web, port: {number: 80}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: shop
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
ports: [{port: 9}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
";

const TYPO: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: typo
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-sise: 8m
spec:
  rules:
    - host: typo.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: web, port: {number: 80}}}
";

const BROKEN: &str = "kind: Ingress\nmetadata: [\n";

fn slipway(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    command.args(args).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = slipway(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn path(directory: &TempDir) -> &str {
    directory.path().to_str().unwrap()
}

#[test]
fn check_in_a_pipe_is_one_plain_line_for_each_object_and_one_for_each_report() {
    let manifests = directory(&[("web.yaml", GOOD), ("typo.yaml", TYPO)]);
    let (code, out, err) = run(&["check", path(&manifests)]);
    let expected = format!(
        "served in part: Ingress shop/typo (1 route; no class; typo.yaml:1)\n  \
         typo.yaml:7:5: warning: annotation proxy-body-sise: is unknown and has no effect; did you mean \
         \"proxy-body-size\"? Correct or remove it\n\
         served: Ingress shop/web (2 routes; no class; web.yaml:1)\n\n\
         {}: 2 files, 2 Ingresses, 1 Service, 1 EndpointSlice; ignored: 1 Deployment\n\
         1 served, 1 served in part\n",
        path(&manifests)
    );
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), expected.as_str(), ""));
}

#[test]
fn check_exits_1_when_something_is_refused_and_names_file_and_line() {
    let manifests = directory(&[("web.yaml", GOOD), ("broken.yaml", BROKEN)]);
    let (code, out, _) = run(&["check", path(&manifests)]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("served: Ingress shop/web"), "{out}");
    assert!(out.contains("\nbroken.yaml:") && out.contains(": error: "), "{out}");
}

#[test]
fn check_reads_standard_input_and_single_files() {
    let mut child = slipway(&["check", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(GOOD.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && out.contains("(2 routes; no class; stdin:1)"), "{out}");
    let manifests = directory(&[("web.yaml", GOOD)]);
    let file = manifests.path().join("web.yaml");
    let (code, out, _) = run(&["check", file.to_str().unwrap()]);
    assert!(code == Some(0) && out.contains("1 file, 1 Ingress, 1 Service"), "{out}");
}

#[test]
fn check_prints_json_for_programs() {
    let manifests = directory(&[("web.yaml", GOOD), ("typo.yaml", TYPO)]);
    let (code, out, _) = run(&["check", path(&manifests), "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(value["summary"]["servedInPart"], 1);
    assert_eq!(value["results"][0]["name"], "typo");
    assert_eq!(value["results"][0]["reports"][0]["place"]["line"], 7);
    assert_eq!(value["ignored"]["Deployment"], 1);
    assert_eq!(value["ok"], true);
}

#[test]
fn unusable_input_exits_2_and_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let missing = empty.path().join("missing");
    for (args, expected) in [
        (vec!["check", missing.to_str().unwrap()], "does not exist: name a directory"),
        (vec!["check", path(&empty)], "holds no YAML or JSON file"),
        (vec!["explain", "ftp://a/", "--manifests", path(&empty)], "write http://HOST/PATH"),
        (vec!["explain", "http://a/", "--admin", "127.0.0.1:1"], "--manifests DIR"),
        (vec!["ingress", "--manifests", "x", "--http-port=1", "--https-port=1"], "another port"),
        (vec!["check", "--cluster", "--kubeconfig", "/nowhere"], "--kubeconfig"),
        (vec!["ingress", "--manifests", "x", "--configmap", "y"], "NAMESPACE/NAME"),
    ] {
        let (code, out, err) = run(&args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(expected), "{args:?}: {err}");
    }
}

#[test]
fn explain_names_the_rule_the_endpoints_and_why_others_lost() {
    let manifests = directory(&[("web.yaml", GOOD)]);
    let (code, out, err) = run(&["explain", "http://web.example/api/x", "--manifests", path(&manifests)]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for expected in [
        "GET http://web.example/api/x\n",
        "rule       web.example/api (Prefix, Ingress shop/web at web.yaml:1) -> Service web:80\n",
        "outcome    the only endpoint answers\nendpoints  127.0.0.1:9\n",
        "  web.example/ (Prefix, Ingress shop/web at web.yaml:1) -> Service web:80\n    shorter path /\n",
    ] {
        assert!(out.contains(expected), "no {expected} in\n{out}");
    }
    let args = ["explain", "http://other.example/", "--manifests", path(&manifests), "-o", "json"];
    let value: serde_json::Value = serde_json::from_str(&run(&args).1).unwrap();
    assert_eq!(value["outcome"]["status"], 404);
}

#[test]
fn the_demo_passes_its_own_check() {
    let (code, out, err) = run(&["demo", "--check"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(out.contains("All 12 checks passed."), "{out}");
}

/// A running `slipway ingress` on ports the kernel chose.
struct Ingress {
    child: Child,
    http: SocketAddr,
    admin: SocketAddr,
    lines: mpsc::Receiver<String>,
}

impl Ingress {
    fn start(manifests: &Path) -> Self {
        Self::start_with(manifests, &[])
    }

    fn start_with(manifests: &Path, flags: &[&str]) -> Self {
        let mut child = slipway(&["ingress", "--manifests", manifests.to_str().unwrap()])
            .args(["--bind-address=127.0.0.1", "--healthz-host=127.0.0.1", "--workers=1"])
            .args(["--http-port=0", "--https-port=0", "--healthz-port=0"])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut ingress =
            Self { child, http: SocketAddr::from(([0; 4], 0)), admin: SocketAddr::from(([0; 4], 0)), lines };
        let ready = ingress.line("ready: ");
        let addresses: Vec<SocketAddr> =
            ready.split([' ', ',', ';']).filter_map(|word| word.parse().ok()).collect();
        (ingress.http, ingress.admin) = (addresses[0], addresses[2]);
        ingress
    }

    /// Waits for a line of the log that holds `text`.
    fn line(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {text:?} in {seen:#?}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn end(mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::yield_now();
        }
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of a GET, and the whole answer.
fn get(address: SocketAddr, host: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), answer)
}

/// Polls until a GET has this status.
fn becomes(address: SocketAddr, host: &str, path: &str, status: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while get(address, host, path).0 != status {
        assert!(Instant::now() < deadline, "{host}{path} is {:?}", get(address, host, path));
        thread::yield_now();
    }
}

const MOVED: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: moved
  annotations: {nginx.ingress.kubernetes.io/permanent-redirect: 'https://new.example'}
spec:
  rules:
    - host: moved.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
";

#[test]
fn a_running_ingress_follows_its_directory_answers_questions_and_ends_in_order() {
    let manifests = directory(&[("web.yaml", GOOD)]);
    let ingress = Ingress::start(manifests.path());
    assert_eq!(get(ingress.admin, "x", "/readyz").0, 200);
    assert_eq!(get(ingress.http, "moved.example", "/").0, 404);

    fs::write(manifests.path().join("moved.yaml"), MOVED).unwrap();
    becomes(ingress.http, "moved.example", "/", 301);
    let admin = ingress.admin.to_string();
    let (code, out, err) = run(&["explain", "http://moved.example/", "--admin", &admin]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("permanent-redirect: 301 to https://new.example"), "{out}");
    assert!(get(ingress.admin, "x", "/config").1.contains("\"moved.example\""));

    fs::write(manifests.path().join("moved.yaml"), BROKEN).unwrap();
    let line = ingress.line("ERROR");
    assert!(line.contains("ERROR moved.yaml:3:1: "), "{line}");
    assert_eq!(get(ingress.http, "moved.example", "/").0, 301, "the last good form serves on");
    fs::remove_file(manifests.path().join("moved.yaml")).unwrap();
    becomes(ingress.http, "moved.example", "/", 404);
    ingress.line("no longer: ");

    assert!(get(ingress.admin, "x", "/metrics").1.contains("nginx_ingress_controller_success"));
    ingress.signal("TERM");
    assert_eq!(ingress.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    // An endpoint that takes the request and never answers.
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = backend.local_addr().unwrap().port().to_string();
    let manifests = directory(&[("web.yaml", &GOOD.replace("{port: 9}", &format!("{{port: {port}}}")))]);
    let ingress = Ingress::start(manifests.path());
    let mut client = TcpStream::connect(ingress.http).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").unwrap();
    let _taken = backend.accept().unwrap();
    ingress.signal("TERM");
    ingress.line("finishing what is in flight");
    assert_eq!(get(ingress.admin, "x", "/healthz").0, 500);
    assert_eq!(get(ingress.admin, "x", "/readyz").0, 503);
    ingress.signal("TERM");
    assert_eq!(ingress.end().code(), Some(128 + 15));
}

#[test]
fn during_the_grace_period_it_serves_on_but_is_not_healthy() {
    let manifests = directory(&[("web.yaml", GOOD)]);
    let ingress = Ingress::start_with(manifests.path(), &["--shutdown-grace-period=600"]);
    assert_eq!(get(ingress.admin, "x", "/healthz").0, 200);
    ingress.signal("TERM");
    ingress.line("finishing what is in flight");
    assert_eq!(get(ingress.admin, "x", "/healthz").0, 500);
    assert_eq!(get(ingress.http, "nobody.example", "/").0, 404, "a new connection is served");
    ingress.signal("INT");
    assert_eq!(ingress.end().code(), Some(128 + 2));
}

#[test]
fn a_flag_of_ingress_nginx_that_is_not_there_is_told_apart_from_a_typo() {
    let (code, _, err) = run(&["ingress", "--manifests", "x", "--validating-webhook=:8443"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("note: ingress-nginx knows --validating-webhook; here, give --admission-port"),
        "{err}"
    );
}

#[test]
fn a_taken_port_is_told_at_once_with_the_flag_to_change() {
    let manifests = directory(&[("web.yaml", GOOD)]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, _, err) = run(&[
        "ingress",
        "--manifests",
        path(&manifests),
        "--bind-address=127.0.0.1",
        &format!("--http-port={port}"),
        "--https-port=0",
        "--healthz-port=0",
    ]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&format!("port {port} is taken: choose another with --http-port")), "{err}");
}
