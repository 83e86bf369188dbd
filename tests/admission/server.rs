//! The webhook on real sockets.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use slipway::admission::{Admission, Error, Options};
use slipway::compile::Compiled;
use slipway::metrics::Metrics;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::golden::Case;
use crate::tls;
use crate::wire::{Answer, Wire};

const NAME: &str = "slipway-admission.ingress.svc";

/// A running webhook.
struct Webhook {
    address: SocketAddr,
    files: TempDir,
    current: watch::Sender<Option<Compiled>>,
    metrics: Metrics,
    case: Case,
}

impl Webhook {
    /// One that has what `case` says in force.
    async fn of(case: &str) -> Self {
        let webhook = Self::start(case).await;
        webhook.current.send_replace(Some(webhook.case.compiled()));
        webhook
    }

    /// One that has nothing in force yet.
    async fn start(case: &str) -> Self {
        let (files, case) = (TempDir::new().unwrap(), Case::named(case));
        write(files.path(), &tls::pair(&[NAME]));
        let (current, metrics) = (watch::Sender::new(None), Metrics::new());
        let options = options(files.path(), &case);
        let bound = Admission::bind(options, current.subscribe(), metrics.clone()).await.unwrap();
        let address = bound.address().unwrap();
        tokio::spawn(bound.reread_every(Duration::from_millis(20)).run());
        Self { address, files, current, metrics, case }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let connector = TlsConnector::from(tls::client(&["http/1.1"], rustls::ALL_VERSIONS));
        let tcp = TcpStream::connect(self.address).await.unwrap();
        connector.connect(ServerName::try_from(NAME).unwrap(), tcp).await.unwrap()
    }

    async fn ask(&self, head: &str, body: &[u8]) -> Answer {
        let mut wire = Wire::new(self.connect().await);
        wire.send(format!("{head}\r\nHost: {NAME}\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        wire.send(body).await;
        wire.answer().await
    }

    async fn post(&self, body: &[u8]) -> Answer {
        self.ask("POST / HTTP/1.1", body).await
    }

    fn review(&self) -> Vec<u8> {
        self.case.review().to_string().into_bytes()
    }

    /// The names of the certificate that handshakes get.
    async fn names(&self) -> Vec<String> {
        let stream = self.connect().await;
        tls::names(&stream.get_ref().1.peer_certificates().unwrap()[0])
    }

    async fn until_named(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.names().await != [name] {
            assert!(Instant::now() < deadline, "the certificate never became {name}");
        }
    }
}

fn options(files: &Path, case: &Case) -> Options {
    Options {
        address: ([127, 0, 0, 1], 0).into(),
        certificate: files.join("tls.crt"),
        key: files.join("tls.key"),
        rules: case.rules.clone(),
    }
}

fn write(directory: &Path, (chain, key): &(String, String)) {
    fs::write(directory.join("tls.crt"), chain).unwrap();
    fs::write(directory.join("tls.key"), key).unwrap();
}

fn response(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{answer:?}");
    serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].clone()
}

#[tokio::test]
async fn a_review_is_answered_at_any_path() {
    let webhook = Webhook::of("create-path-owned").await;
    for path in ["/", "/networking/v1/ingresses", "/networking/v1/ingresses?timeout=10s"] {
        let answer = webhook.ask(&format!("POST {path} HTTP/1.1"), &webhook.review()).await;
        let response = response(&answer);
        assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(403)));
        assert_eq!(response["uid"], webhook.case.review()["request"]["uid"]);
    }
    let text = webhook.metrics.text();
    assert!(text.contains("slipway_admission_reviews_total{verdict=\"refused\"} 3"), "{text}");
    assert!(text.contains("nginx_ingress_controller_admission_tested_ingresses 1"), "{text}");
}

#[tokio::test]
async fn what_is_in_force_next_decides_next() {
    let webhook = Webhook::of("create-path-owned").await;
    assert_eq!(response(&webhook.post(&webhook.review()).await)["allowed"], false);
    webhook.current.send_replace(Some(Case::named("create-annotation-odd").compiled()));
    assert_eq!(response(&webhook.post(&webhook.review()).await)["allowed"], true);
}

#[tokio::test]
async fn before_anything_is_in_force_there_is_no_answer() {
    let webhook = Webhook::start("create-fine").await;
    let answer = webhook.post(&webhook.review()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert!(answer.text().contains("not ready"));
    webhook.current.send_replace(Some(webhook.case.compiled()));
    assert_eq!(response(&webhook.post(&webhook.review()).await)["allowed"], true);
}

#[tokio::test]
async fn other_methods_and_other_bodies_are_told_apart() {
    let webhook = Webhook::of("create-fine").await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answer = webhook.ask(&format!("{method} / HTTP/1.1"), b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
    }
    let bodies: [&[u8]; 5] = [b"", b"x", b"[]", b"{\"kind\": \"Ingress\"}", b"\0\xff"];
    for body in bodies {
        let answer = webhook.post(body).await;
        assert_eq!(answer.status, 400, "{body:?}");
        assert!(answer.text().contains("AdmissionReview"), "{}", answer.text());
    }
    let text = webhook.metrics.text();
    assert!(text.contains("slipway_admission_reviews_total{verdict=\"malformed\"} 9"), "{text}");
}

#[tokio::test]
async fn a_body_of_more_than_9_mib_is_refused_whichever_way_it_comes() {
    let webhook = Webhook::of("create-fine").await;
    let padded = |length: usize| {
        let mut body = webhook.review();
        body.resize(length, b' ');
        body
    };
    assert_eq!(webhook.post(&padded(9 << 20)).await.status, 200);

    let mut announced = Wire::new(webhook.connect().await);
    announced.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", (9 << 20) + 1)).await;
    assert_eq!(announced.answer().await.status, 413);

    let mut chunked = Wire::new(webhook.connect().await);
    chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    chunked.send(format!("{:x}\r\n", 9 << 20)).await;
    chunked.send(padded(9 << 20)).await;
    chunked.send("\r\n1\r\n \r\n").await;
    assert_eq!(chunked.answer().await.status, 413);
}

#[tokio::test]
async fn one_connection_serves_many_reviews_and_many_connections_one_each() {
    let webhook = Webhook::of("create-fine").await;
    let review = webhook.review();
    let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", review.len());
    let mut wire = Wire::new(webhook.connect().await);
    for _ in 0..20 {
        wire.send(&request).await;
        wire.send(&review).await;
        assert_eq!(response(&wire.answer().await)["allowed"], true);
    }
    // More than may be served at a time: those wait.
    let all = (0..150).map(|_| webhook.post(&review));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(response(&answer)["allowed"], true);
    }
}

#[tokio::test]
async fn peers_that_speak_nonsense_or_break_off_harm_nobody() {
    let webhook = Webhook::of("create-fine").await;
    for nonsense in ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\0\0", "\0\0\0\0\0\0\0\0"] {
        let mut plain = TcpStream::connect(webhook.address).await.unwrap();
        plain.write_all(nonsense.as_bytes()).await.unwrap();
        let _ = plain.shutdown().await;
        let mut rest = Vec::new();
        let _ = plain.read_to_end(&mut rest).await; // an alert, or a reset
        assert!(!rest.starts_with(b"HTTP"), "{nonsense:?}");
    }
    for nonsense in ["NONSENSE\r\n\r\n", "POST / HTTP/9.9\r\n\r\n", "\0\0\0\r\n\r\n"] {
        let mut wire = Wire::new(webhook.connect().await);
        wire.send(nonsense).await;
        assert_eq!(wire.answer().await.status, 400, "{nonsense:?}");
    }
    for _ in 0..50 {
        let mut broken = webhook.connect().await;
        broken.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n{").await.unwrap();
        drop(broken);
    }
    assert_eq!(response(&webhook.post(&webhook.review()).await)["allowed"], true);
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_handshake_on_and_a_broken_one_is_not() {
    let webhook = Webhook::of("create-fine").await;
    let directory = webhook.files.path();
    let mut kept = Wire::new(webhook.connect().await);
    assert_eq!(webhook.names().await, [NAME]);
    write(directory, &tls::pair(&["two.test"]));
    webhook.until_named("two.test").await;

    // A key that is another certificate's, then one that is none.
    let (chain, _) = tls::pair(&["three.test"]);
    fs::write(directory.join("tls.crt"), chain).unwrap();
    fs::remove_file(directory.join("tls.key")).unwrap();
    for _ in 0..20 {
        assert_eq!(webhook.names().await, ["two.test"]);
    }
    write(directory, &tls::pair(&["four.test"]));
    webhook.until_named("four.test").await;

    let review = webhook.review();
    kept.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", review.len())).await;
    kept.send(&review).await;
    assert_eq!(response(&kept.answer().await)["allowed"], true);
}

#[cfg(unix)]
#[tokio::test]
async fn a_mounted_secret_is_followed_through_its_links() {
    let webhook = Webhook::of("create-fine").await;
    let directory = webhook.files.path();
    // As the kubelet does it: the files are links through ..data, which is turned in one step.
    for (version, name) in [("..1", "one.test"), ("..2", "two.test")] {
        fs::create_dir(directory.join(version)).unwrap();
        write(&directory.join(version), &tls::pair(&[name]));
        std::os::unix::fs::symlink(version, directory.join("..new")).unwrap();
        fs::rename(directory.join("..new"), directory.join("..data")).unwrap();
        for file in ["tls.crt", "tls.key"] {
            let _ = fs::remove_file(directory.join(file));
            std::os::unix::fs::symlink(format!("..data/{file}"), directory.join(file)).unwrap();
        }
        webhook.until_named(name).await;
    }
}

#[tokio::test]
async fn what_is_wrong_at_the_start_names_the_flag() {
    let (files, case) = (TempDir::new().unwrap(), Case::named("create-fine"));
    let bind = async |options: Options| {
        let bound = Admission::bind(options, watch::channel(None).1, Metrics::new()).await;
        bound.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let wrong = bind(options(files.path(), &case)).await;
    assert!(wrong.contains("--admission-certificate") && wrong.contains("cannot be read"), "{wrong}");
    let (chain, key) = tls::pair(&[NAME]);
    for (chain, key, flag, why) in [
        (chain.as_str(), "", "--admission-key", "no PEM private key"),
        ("", key.as_str(), "--admission-certificate", "no PEM certificate chain"),
        (chain.as_str(), tls::pair(&[NAME]).1.as_str(), "--admission-key", "does not belong"),
    ] {
        write(files.path(), &(chain.to_owned(), key.to_owned()));
        let wrong = bind(options(files.path(), &case)).await;
        assert!(wrong.contains(flag) && wrong.contains(why), "{wrong}");
    }
    write(files.path(), &(chain, key));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { address: taken.local_addr().unwrap(), ..options(files.path(), &case) };
    let error = Admission::bind(options, watch::channel(None).1, Metrics::new()).await.err();
    assert!(matches!(error, Some(Error::Listen(_))), "{error:?}");
}
