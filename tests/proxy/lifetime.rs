//! How long connections live: idle ones, slow ones, worn ones, and the end of the proxy.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::backend::{Backend, whole};
use crate::client::{get, run, until};
use crate::site::Site;
use crate::wire::Wire;

/// Real time must pass here: connections are put aside when they were idle for about a second.
async fn stay_idle(time: Duration) {
    tokio::time::sleep(time).await;
}

#[test]
fn a_connection_that_was_idle_for_long_still_serves() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).start();
        let (mut plain, mut fresh) = (stage.wire().await, stage.wire().await);
        let mut tls = Wire::new(stage.tls("web.test", &["http/1.1"]).await);
        let mut silent = Wire::new(stage.tls("web.test", &["http/1.1"]).await);
        let mut http2 = stage.http2_tls("web.test").await;
        for _ in 0..2 {
            for _ in 0..2 {
                assert_eq!(plain.ask(get("web.test", "/")).await.text(), "a");
                assert_eq!(tls.ask(get("web.test", "/")).await.text(), "a");
                assert_eq!(http2.get("web.test", "/").await.text(), "a");
            }
            stay_idle(Duration::from_millis(2300)).await;
        }
        assert_eq!(fresh.ask(get("web.test", "/")).await.text(), "a", "its first request comes late");
        assert_eq!(silent.ask(get("web.test", "/")).await.text(), "a", "its first request comes late");
        assert_eq!(plain.ask(get("web.test", "/")).await.text(), "a");
        assert_eq!(tls.ask(get("web.test", "/")).await.text(), "a");
        assert_eq!(http2.get("web.test", "/").await.text(), "a");
        assert_eq!(stage.proxy().open_connections(), 5);
    });
}

#[test]
fn a_request_in_pieces_with_long_pauses_is_served() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        let mut tls = Wire::new(stage.tls("web.test", &[]).await);
        for piece in ["POST /x HT", "TP/1.1\r\nHost: web.test\r\nContent-Le", "ngth: 4\r\n\r\nbo"] {
            wire.send(piece).await;
            tls.send(piece).await;
            stay_idle(Duration::from_millis(1300)).await;
        }
        for answer in [wire.ask("dy").await, tls.ask("dy").await] {
            assert!(answer.text().ends_with("\n\nbody"), "{}", answer.text());
        }
    });
}

#[test]
fn half_a_request_behind_a_whole_one_is_waited_for() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", "/one") + "GET /two HTTP/1.1\r\nHos").await;
        assert_eq!(wire.answer().await.saw_line(), "GET /one HTTP/1.1");
        stay_idle(Duration::from_millis(2300)).await;
        assert_eq!(wire.ask("t: web.test\r\n\r\n").await.saw_line(), "GET /two HTTP/1.1");
    });
}

#[test]
fn an_idle_connection_is_closed_after_keep_alive() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).set("keep-alive", "2").start();
        let mut plain = stage.wire().await;
        let mut tls = Wire::new(stage.tls("web.test", &[]).await);
        let mut http2 = stage.http2().await;
        for _ in 0..2 {
            assert_eq!(plain.ask(get("web.test", "/")).await.status, 200);
            assert_eq!(tls.ask(get("web.test", "/")).await.status, 200);
            assert_eq!(http2.get("web.test", "/").await.status, 200);
        }
        let began = Instant::now();
        assert!(plain.rest().await.is_empty() && tls.rest().await.is_empty());
        assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
        assert!(http2.ended.await.unwrap(), "with GOAWAY, no error");
        until("all are gone", || stage.proxy().open_connections() == 0).await;
    });
}

#[test]
fn keep_alive_0_means_one_request_each() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).set("keep-alive", "0").start();
        let mut wire = stage.wire().await;
        let answer = wire.ask(get("web.test", "/")).await;
        assert_eq!((answer.text(), answer.header("connection")), ("a", "close"));
        assert!(wire.rest().await.is_empty());
    });
}

#[test]
fn a_connection_ends_after_keep_alive_requests() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).set("keep-alive-requests", "3").start();
        let mut wire = stage.wire().await;
        for expected in ["", "", "close"] {
            assert_eq!(wire.ask(get("web.test", "/")).await.header("connection"), expected);
        }
        assert!(wire.rest().await.is_empty());
    });
}

#[test]
fn a_client_that_is_slow_with_its_head_is_cut_off() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).set("client-header-timeout", "1").start();
        let began = Instant::now();
        let mut silent = stage.wire().await;
        let mut begun = stage.wire().await;
        begun.send("GET / HT").await;
        let mut second = stage.wire().await;
        assert_eq!(second.ask(get("web.test", "/")).await.status, 200);
        second.send("GET / HT").await;
        // One more byte now and then does not help.
        let mut drips = stage.wire().await;
        let mut dripped = 0;
        while drips.try_send("G").await {
            dripped += 1;
            stay_idle(Duration::from_millis(100)).await;
        }
        assert!(dripped < 60, "{dripped}");
        for wire in [&mut silent, &mut begun, &mut second] {
            let rest = wire.rest().await;
            assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    });
}

#[test]
fn a_client_that_is_slow_with_its_body_gets_408() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).set("client-body-timeout", "1").start();
        for framing in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let mut wire = stage.wire().await;
            let answer = wire.ask(format!("POST / HTTP/1.1\r\nHost: web.test\r\n{framing}")).await;
            assert_eq!(answer.status, 408, "{framing:?}");
        }
        // Slow, but never that slow.
        let mut wire = stage.wire().await;
        wire.send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 4\r\n\r\n").await;
        for piece in ["b", "o", "d"] {
            wire.send(piece).await;
            stay_idle(Duration::from_millis(600)).await;
        }
        assert_eq!(wire.ask("y").await.status, 200);
    });
}

#[test]
fn http_2_pings_of_an_idle_client_do_not_count_as_a_slow_head() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).set("client-header-timeout", "1").start();
        let mut http2 = stage.http2().await;
        assert_eq!(http2.get("web.test", "/").await.text(), "a");
        stay_idle(Duration::from_millis(2500)).await;
        assert_eq!(http2.get("web.test", "/").await.text(), "a");
        // By hand: the preface, SETTINGS, and a PING now and then.
        let mut wire = stage.wire().await;
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        for _ in 0..6 {
            wire.send(b"\0\0\x08\x06\0\0\0\0\0pingpong").await;
            stay_idle(Duration::from_millis(400)).await;
        }
        assert!(wire.try_send(b"\0\0\x08\x06\0\0\0\0\0lastping").await);
        while wire.take(1).await[0] != b'l' {}
        assert_eq!(wire.take(7).await, "astping");
    });
}

#[test]
fn an_http_2_client_that_never_finishes_a_head_is_let_go() {
    run(async {
        let stage = Site::new().set("client-header-timeout", "1").set("keep-alive", "2").start();
        let mut wire = stage.wire().await;
        // HEADERS without END_HEADERS, and nothing behind it.
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82").await;
        wire.rest().await;
        until("it is gone", || stage.proxy().open_connections() == 0).await;
    });
}

/// A backend that answers when it is told to.
async fn waiting() -> (Backend, oneshot::Sender<()>) {
    let (go, wait) = oneshot::channel();
    let wait = Mutex::new(Some(wait));
    let backend = Backend::raw(move |mut wire, _, requests| {
        let wait = wait.lock().unwrap().take().unwrap();
        async move {
            wire.head().await;
            requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            wait.await.unwrap();
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        }
    });
    (backend.await, go)
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_closes_the_rest() {
    run(async {
        let (one, go_one) = waiting().await;
        let (two, go_two) = waiting().await;
        let stage = Site::new()
            .service("one", &[one.address])
            .service("two", &[two.address])
            .service("fast", &[Backend::named("a").await.address])
            .route("one.test", "/", "one")
            .route("two.test", "/", "two")
            .route("web.test", "/", "fast")
            .start();
        let mut parked = stage.wire().await;
        assert_eq!(parked.ask(get("web.test", "/")).await.text(), "a");
        stay_idle(Duration::from_millis(1500)).await;
        let (mut idle, mut fresh, mut busy) = (stage.wire().await, stage.wire().await, stage.wire().await);
        assert_eq!(idle.ask(get("web.test", "/")).await.text(), "a");
        let idle_http2 = stage.http2().await;
        busy.send(get("one.test", "/")).await;
        let mut busy_http2 = stage.http2().await;
        let request = busy_http2.request("GET", "two.test", "/").body(whole("")).unwrap();
        let answer = busy_http2.start(request).await;
        until("both are in flight", || one.requests() + two.requests() == 2).await;

        stage.proxy().drain();
        for wire in [&mut parked, &mut idle, &mut fresh] {
            assert!(wire.rest().await.is_empty());
        }
        assert!(idle_http2.ended.await.unwrap(), "with GOAWAY, no error");
        until("nobody is let in", || std::net::TcpStream::connect(stage.http).is_err()).await;
        assert!(TcpStream::connect(stage.https).await.is_err());
        until("only those in flight are left", || stage.proxy().open_connections() == 2).await;

        go_one.send(()).unwrap();
        go_two.send(()).unwrap();
        let last = busy.answer().await;
        assert_eq!((last.text(), last.header("connection")), ("done", "close"));
        assert!(busy.rest().await.is_empty());
        assert_eq!(answer.await.text(), "done");
        assert!(busy_http2.ended.await.unwrap());
        stage.proxy().drained().await;
    });
}

#[test]
fn connections_made_before_the_doors_open_are_served() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).workers(3).start();
        let mut wires = Vec::new();
        for _ in 0..60 {
            wires.push(stage.wire().await);
        }
        for wire in &mut wires {
            assert_eq!(wire.ask(get("web.test", "/")).await.text(), "a");
        }
        assert_eq!(stage.proxy().open_connections(), 60);
        drop(wires);
        until("all are gone", || stage.proxy().open_connections() == 0).await;
    });
}

#[test]
fn idle_connections_to_backends_are_closed_after_their_time() {
    run(async {
        let backend = Backend::raw(|mut wire, _, requests| async move {
            while wire.head().await.is_some() {
                wire.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            }
            requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        })
        .await;
        let stage = Site::of(&[backend.address]).set("upstream-keepalive-timeout", "1").start();
        assert_eq!(stage.get("web.test", "/").await.status, 204);
        until("the idle connection is closed", || backend.requests() == 1).await;
    });
}

#[test]
fn a_connection_to_a_backend_carries_no_more_requests_than_allowed() {
    run(async {
        let backend = Backend::named("a").await;
        let stage = Site::of(&[backend.address]).set("upstream-keepalive-requests", "2").start();
        let mut wire = stage.wire().await;
        for _ in 0..6 {
            assert_eq!(wire.ask(get("web.test", "/")).await.text(), "a");
        }
        assert_eq!(backend.connections(), 3);
    });
}
