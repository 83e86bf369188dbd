//! `slipway dns` as people run it: flags, health, readiness, metrics, changes, reload, start and end, `slipway dns query`.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

const OBJECTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: posts, namespace: blog}
spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: db-0}}]
";

fn slipway(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    command.arg("dns").args(args).stdin(Stdio::null()).env_remove("SLIPWAY_DNS_COOKIE_SECRET");
    command
}

/// Runs it to its end: exit code, standard output, standard error.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = slipway(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn directory(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("objects.yaml"), text);
    directory
}

/// Replaces a file as a whole.
fn write(path: &Path, text: &str) {
    let temporary = path.with_file_name(".swp");
    fs::write(&temporary, text).unwrap();
    fs::rename(temporary, path).unwrap();
}

/// An upstream where nobody listens.
fn nowhere() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    format!("--forward={}", socket.local_addr().unwrap())
}

/// A running server, and what it wrote to standard error.
struct Server {
    child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
    queries: SocketAddr,
    health: SocketAddr,
    ready: SocketAddr,
    metrics: SocketAddr,
    manifests: TempDir,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let manifests = directory(OBJECTS);
        let mut command = slipway(&["--manifests", manifests.path().to_str().unwrap()]);
        command.args(["--listen=127.0.0.1:0", "--workers=1", "--health=127.0.0.1:0", "--ready=127.0.0.1:0"]);
        command.args(["--metrics=127.0.0.1:0", &nowhere()]);
        if !args.iter().any(|arg| arg.starts_with("--lameduck")) {
            command.arg("--lameduck=0s");
        }
        let mut child = command.args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::<(Mutex<Vec<_>>, Condvar)>::default());
        let told = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                told.0.lock().unwrap().push(line);
                told.1.notify_all();
            }
        });
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server =
            Self { child, lines, queries: none, health: none, ready: none, metrics: none, manifests };
        let line = server.wait_for("dns on ");
        let after = |word: &str| {
            let rest = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
            rest[..rest.find([',', ';']).unwrap_or(rest.len())].parse().unwrap()
        };
        server.queries = after("dns on ");
        (server.health, server.ready, server.metrics) =
            (after("health on "), after("ready on "), after("metrics on "));
        eventually("ready", || (get(server.ready, "/ready")?.0 == 200).then_some(()));
        server
    }

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

    /// The addresses of a name, sorted, or its response code.
    fn ask(&self, name: &str) -> Result<Vec<[u8; 4]>, u8> {
        let mut query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in name.split('.') {
            query.push(label.len() as u8);
            query.extend(label.as_bytes());
        }
        query.extend(b"\0\0\x01\0\x01");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&query, self.queries).unwrap();
        let mut reply = [0; 4096];
        let length = socket.recv(&mut reply).unwrap_or_else(|why| panic!("{name}: {why}\n{}", self.log()));
        match reply[3] & 0xf {
            0 => {
                // Each record: a pointer, type, class, time, length, address.
                let records =
                    reply[query.len()..length].chunks(16).filter(|r| r.starts_with(b"\xc0\x0c\0\x01"));
                let mut found: Vec<[u8; 4]> =
                    records.map(|record| record[12..16].try_into().unwrap()).collect();
                found.sort();
                Ok(found)
            }
            code => Err(code),
        }
    }

    fn metric(&self, line: &str) -> Option<()> {
        get(self.metrics, "/metrics")?.1.contains(line).then_some(())
    }

    fn objects(&self, text: &str) {
        write(&self.manifests.path().join("objects.yaml"), text);
    }

    fn send(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still there:\n{}", self.log());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// `slipway dns query` with this server: exit code, standard output, standard error.
    fn query(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let server = format!("--server=http://{}", self.health);
        run(&[&["query"], args, &[&server]].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body; `None` when nobody listens.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: here\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

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
fn health_readiness_and_metrics_are_answered_as_coredns_does() {
    let server = Server::start(&[]);
    let line = server.wait_for("dns on ");
    assert!(line.contains("cluster.local from ") && line.contains("all else from 127.0.0.1:"), "{line}");
    server.wait_for("ready: 3 Services are known");
    assert_eq!(get(server.health, "/health"), Some((200, "OK".into())));
    assert_eq!(get(server.ready, "/ready"), Some((200, "OK".into())));
    assert_eq!(get(server.ready, "/health").unwrap().0, 404);
    assert_eq!(server.ask("web.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    assert_eq!(server.ask("WEB.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    assert_eq!(server.ask("nothing.shop.svc.cluster.local"), Err(3));
    for line in [
        "coredns_build_info{",
        "coredns_dns_requests_total{",
        "coredns_plugin_enabled{",
        "coredns_reload_failed_total 0",
        "process_resident_memory_bytes ",
    ] {
        eventually(line, || server.metric(line));
    }
    // It looks at itself once a second.
    eventually("its own look", || {
        let text = get(server.metrics, "/metrics")?.1;
        let line =
            text.lines().find(|line| line.starts_with("coredns_health_request_duration_seconds_count"))?;
        (!line.ends_with(" 0")).then_some(())
    });
}

#[test]
fn a_changed_slice_is_answered_and_a_mistake_keeps_the_names() {
    let server = Server::start(&[]);
    let db = "db.shop.svc.cluster.local";
    assert_eq!(server.ask(db), Ok(vec![[10, 1, 0, 1]]));
    let changed = OBJECTS.replace("[10.1.0.1]", "[10.1.0.2]");
    server.objects(&changed);
    eventually("the new address", || (server.ask(db) == Ok(vec![[10, 1, 0, 2]])).then_some(()));
    server.objects(&changed.replace("[{name: sql, port: 5432}]}", "[{name: sql, port: 5432}"));
    server.wait_for("objects.yaml:");
    assert_eq!(server.ask(db), Ok(vec![[10, 1, 0, 2]]), "{}", server.log());
    assert_eq!(server.ask("web.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    assert_eq!(get(server.ready, "/ready").unwrap().0, 200);
    server.objects(&OBJECTS.replace("ready: true", "ready: false"));
    eventually("no ready endpoint, no name", || (server.ask(db) == Err(3)).then_some(()));
    server.wait_for("no longer: objects.yaml:");
}

#[test]
fn pods_are_verified_where_that_is_asked_for() {
    let server = Server::start(&["--pods=verified"]);
    let name = "10-1-0-7.shop.pod.cluster.local";
    assert_eq!(server.ask(name), Err(3));
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nstatus: {phase: Running, podIP: 10.1.0.7}\n";
    server.objects(&format!("{OBJECTS}{pod}"));
    eventually("verified", || (server.ask(name) == Ok(vec![[10, 1, 0, 7]])).then_some(()));
    server.objects(&format!("{OBJECTS}{}", pod.replace("Running", "Succeeded")));
    eventually("gone", || (server.ask(name) == Err(3)).then_some(()));
}

#[test]
fn a_broken_corefile_does_not_start_and_names_its_lines() {
    let files = tempfile::tempdir().unwrap();
    let corefile = files.path().join("Corefile");
    fs::write(&corefile, ".:53 {\n    errors\n    kubernates cluster.local\n    forward .\n}\n").unwrap();
    let (code, _, said) = run(&["--corefile", corefile.to_str().unwrap(), "--manifests=x"]);
    assert_eq!(code, Some(2), "{said}");
    for line in ["Corefile:3: ", "Corefile:4: "] {
        assert!(said.contains(line), "{said}");
    }
    let (code, _, said) = run(&["--corefile=/nowhere/Corefile", "--manifests=x"]);
    assert!(code == Some(2) && said.contains("/nowhere/Corefile"), "{said}");
}

#[test]
fn a_corefile_is_read_again_and_a_broken_one_keeps_the_old() {
    let files = tempfile::tempdir().unwrap();
    let corefile = files.path().join("Corefile");
    let text = |zone: &str| {
        format!(
            ".:53 {{\n    kubernetes {zone} {{\n        ttl 7\n    }}\n    forward . 127.0.0.1:9\n    reload 2s 1s\n}}\n"
        )
    };
    write(&corefile, &text("cluster.local"));
    let flag = format!("--corefile={}", corefile.display());
    let server = Server::start(&[&flag]);
    assert_eq!(server.ask("web.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    write(&corefile, &text("cluster.local").replace("ttl 7", "ttl seven"));
    server.send("USR1");
    let line = server.wait_for("Corefile:3: ");
    assert!(line.contains("ERROR") && line.contains("stays in force"), "{line}");
    eventually("counted", || server.metric("coredns_reload_failed_total 1"));
    assert_eq!(server.ask("web.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    // Without a signal: it is looked at every two seconds.
    write(&corefile, &text("example.test"));
    server.wait_for("the new configuration is in force: example.test");
    eventually("the new zone", || {
        (server.ask("web.shop.svc.example.test") == Ok(vec![[10, 96, 0, 1]])).then_some(())
    });
    assert_ne!(server.ask("web.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    write(&corefile, &text("example.test").replace("reload", "health :9999\n    reload"));
    server.send("HUP");
    // The flag wins over the Corefile, so nothing moves.
    write(&corefile, &text("other.test"));
    server.send("HUP");
    eventually("once more", || {
        (server.ask("web.shop.svc.other.test") == Ok(vec![[10, 96, 0, 1]])).then_some(())
    });
    assert!(!server.log().contains("takes a restart"), "{}", server.log());
}

#[test]
fn it_serves_on_for_the_lameduck_time_and_ends_with_zero() {
    let mut server = Server::start(&["--lameduck=3s"]);
    server.send("TERM");
    server.wait_for("SIGTERM: not ready any more, answering for another 3s");
    assert_eq!(get(server.ready, "/ready").unwrap().0, 503);
    assert_eq!(get(server.health, "/health").unwrap().0, 200);
    assert_eq!(server.ask("web.shop.svc.cluster.local"), Ok(vec![[10, 96, 0, 1]]));
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    server.wait_for("goodbye");
    assert!(get(server.health, "/health").is_none());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&["--lameduck=1h"]);
    server.send("TERM");
    server.wait_for("a second signal ends at once");
    server.send("INT");
    assert_eq!(server.ended(), Some(130), "{}", server.log());
}

#[test]
fn a_taken_port_is_an_error_that_says_what_to_do() {
    let objects = directory(OBJECTS);
    let manifests = objects.path().to_str().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let (code, _, said) = run(&["--manifests", manifests, &listen, "--health=", "--ready=", "--metrics="]);
    assert_eq!(code, Some(1));
    assert!(said.contains("is taken: end what answers DNS there") && said.contains("--listen"), "{said}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    for flag in ["--health", "--ready", "--metrics"] {
        let others = ["--health", "--ready", "--metrics"].into_iter().filter(|other| *other != flag);
        let mut args = vec![format!("{flag}={}", taken.local_addr().unwrap()), "--listen=127.0.0.1:0".into()];
        args.extend(others.map(|other| format!("{other}=")));
        args.extend(["--manifests".into(), manifests.into()]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, _, said) = run(&args);
        assert!(code == Some(1) && said.contains(&format!("choose another with {flag}")), "{said}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_that_says_what_to_do() {
    let args = ["--manifests=/nowhere/at/all", "--listen=127.0.0.1:0", "--health=", "--ready=", "--metrics="];
    let (code, _, said) = run(&args);
    assert_eq!(code, Some(1));
    assert!(said.contains("does not exist: create it, or name another with --manifests"), "{said}");
}

#[test]
fn a_query_is_explained_by_the_running_server() {
    let server = Server::start(&[]);
    let (code, out, _) = server.query(&["web", "--from=shop/cart-0"]);
    assert_eq!(code, Some(0), "{out}");
    for words in [
        "web A AAAA from pod shop/cart-0",
        "1. web.shop.svc.cluster.local. → A: found (kubernetes, zone cluster.local)",
        "web.shop.svc.cluster.local. 30 IN A 10.96.0.1",
        "resolves  10.96.0.1",
    ] {
        assert!(out.contains(words), "{words}\n{out}");
    }
    assert!(!out.contains('\u{1b}'), "plain in a pipe: {out:?}");
    let (code, out, _) = server.query(&["posts", "--from=shop"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("why       there is no Service \"posts\" in the namespace \"shop\""), "{out}");
    assert!(out.contains("namespace blog") && out.contains("1. posts.shop.svc.cluster.local."), "{out}");
    let (code, _, said) = server.query(&["web", "NONSENSE"]);
    assert!(code == Some(2) && said.contains("no record type"), "{said}");
    let (code, out, _) = server.query(&["_sql._tcp.db.shop", "SRV", "-o", "json"]);
    assert_eq!(code, Some(0), "{out}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["resolved"], &json["types"][0]), (&true.into(), &"SRV".into()));
    assert_eq!(json["result"][0], "0 100 5432 10-1-0-1.db.shop.svc.cluster.local.");
}

#[test]
fn a_query_is_explained_from_files() {
    let objects = directory(&OBJECTS.replace("ready: true", "ready: false"));
    let (manifests, forward) = (objects.path().to_str().unwrap(), nowhere());
    let query = |args: &[&str]| run(&[&["query"], args, &["--manifests", manifests, &forward]].concat());
    let (code, out, said) = query(&["web.shop"]);
    assert!(code == Some(0) && out.contains("resolves  10.96.0.1"), "{out}{said}");
    let (code, out, _) = query(&["db", "--from=shop"]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains(
            "Service shop/db is headless and has no ready endpoints: 1 endpoint not ready (db-0 10.1.0.1)"
        ),
        "{out}"
    );
    let (code, out, _) = query(&["wbe", "--from=shop", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["resolved"]), (Some(1), &false.into()));
    assert!(json["why"].as_str().unwrap().contains("one is called \"web\""), "{out}");
    assert_eq!(json["steps"][0]["answers"][0]["outcome"], "noname");
    let (code, out, _) = query(&["www.example.", "--from=shop"]);
    assert_eq!(code, Some(1));
    let upstream = forward.split_once('=').unwrap().1;
    assert!(out.contains(&format!("no upstream gave an answer (upstream {upstream}: ")), "{out}");
    let (code, _, said) = run(&["query", "web", "--manifests=/nowhere/at/all", &forward]);
    assert!(code == Some(2) && said.contains("does not exist"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_remedy() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, said) = run(&["query", "web", &format!("--server={free}")]);
    assert!(code == Some(2) && said.contains("--server") && said.contains("--manifests"), "{said}");
}
