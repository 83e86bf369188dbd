//! How it ends: in order at the first signal, at once at the second.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;

use super::backend::Backend;
use super::client::{self, Connection};
use super::manifest::{ingress, service};
use super::server::{Manifests, Server, eventually};

fn serving(args: &[&str]) -> (Manifests, Server, Backend) {
    let backend = Backend::start("web");
    let manifests = Manifests::new(&[
        ("services.yaml", &service("web", &[backend.address])),
        ("web.yaml", &ingress("web", "web.example", "/", "web")),
    ]);
    let server = Server::start(&manifests, args);
    (manifests, server, backend)
}

fn ends_in_order(signal: &str) {
    let (_manifests, mut server, backend) = serving(&[]);
    let mut busy = Connection::plain(server.http).unwrap();
    let mut secure = Connection::tls(server.https, "web.example").unwrap();
    busy.send("web.example", "/held").unwrap();
    secure.send("web.example", "/held").unwrap();
    let mut idle = Connection::plain(server.http).unwrap();
    assert_eq!(idle.get("web.example", "/").unwrap().status, 200);
    backend.wait_for_held(2);
    assert_eq!((server.ask("/readyz").status, server.ask("/healthz").status), (200, 200));

    server.signal(signal);
    eventually("/readyz fails", || match server.ask("/readyz").status {
        503 => Ok(()),
        status => Err(status.to_string()),
    });
    eventually("new connections are refused", || match TcpStream::connect(server.http) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
    eventually(
        "the idle connection is closed",
        || if idle.is_closed() { Ok(()) } else { Err("open".into()) },
    );
    assert!(server.is_running(), "a request is in flight");
    assert_eq!(server.ask("/readyz").status, 503);

    backend.release();
    for connection in [&mut busy, &mut secure] {
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.closes(), "Connection: close is missing: {answer:?}");
    }
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{status:?}");
    server.wait_for(&format!("SIG{signal}: finishing what is in flight"));
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_refuses_what_is_new() {
    ends_in_order("TERM");
}

#[test]
fn sigint_ends_in_the_same_order() {
    ends_in_order("INT");
}

#[test]
fn a_second_signal_ends_at_once() {
    let (_manifests, mut server, backend) = serving(&[]);
    let mut busy = Connection::plain(server.http).unwrap();
    busy.send("web.example", "/held").unwrap();
    backend.wait_for_held(1);
    server.signal("TERM");
    server.wait_for("a second signal ends at once");
    server.signal("INT");
    let status = server.wait();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert!(busy.answer().is_err(), "the request was cut");
}

#[test]
fn the_grace_period_serves_on_without_being_ready() {
    let (_manifests, mut server, _) = serving(&["--shutdown-grace-period=600"]);
    server.signal("TERM");
    eventually("/readyz fails", || match server.ask("/readyz").status {
        503 => Ok(()),
        status => Err(status.to_string()),
    });
    assert_eq!(
        client::get(server.http, "web.example", "/").unwrap().status,
        200,
        "new connections are served"
    );
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(143));
}

#[test]
fn a_drain_ends_at_the_worker_shutdown_timeout() {
    let (_manifests, mut server, backend) = serving(&["--set=worker-shutdown-timeout=1s"]);
    let mut busy = Connection::plain(server.http).unwrap();
    busy.send("web.example", "/held").unwrap();
    backend.wait_for_held(1);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for("still open after 1s");
    assert!(busy.answer().is_err(), "the request was cut");
}
