//! Bodies: passed on as they come, both ways, of any size in bounded memory, and no longer than allowed.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use crate::backend::{Backend, Speak, feed};
use crate::client::{get, piece, run, until};
use crate::site::Site;
use crate::wire::Wire;

#[test]
fn the_first_part_of_an_answer_arrives_before_the_last_is_made() {
    run(async {
        for protocol in ["chunked", "length"] {
            let (go, wait) = oneshot::channel::<()>();
            let wait = Mutex::new(Some(wait));
            let backend = Backend::raw(move |mut wire, _, _| {
                let wait = wait.lock().unwrap().take().unwrap();
                async move {
                    wire.head().await;
                    if protocol == "chunked" {
                        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
                        wait.await.unwrap();
                        wire.send("3\r\ndef\r\n0\r\n\r\n").await;
                    } else {
                        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").await;
                        wait.await.unwrap();
                        wire.send("def").await;
                    }
                }
            });
            let stage = Site::of(&[backend.await.address]).start();
            let mut client = stage.http1().await;
            let request = client.request("GET", "web.test", "/").body(crate::backend::whole("")).unwrap();
            let mut body = client.begin(request).await.unwrap().into_body();
            assert_eq!(piece(&mut body).await.unwrap(), "abc");
            go.send(()).unwrap();
            assert_eq!(body.collect().await.unwrap().to_bytes(), "def");
        }
    });
}

#[test]
fn the_first_part_of_a_request_arrives_before_the_last_is_made() {
    run(async {
        for framing in ["Content-Length: 6", "Transfer-Encoding: chunked"] {
            let (seen, see) = oneshot::channel::<()>();
            let seen = Mutex::new(Some(seen));
            let backend = Backend::raw(move |mut wire, _, _| {
                let seen = seen.lock().unwrap().take().unwrap();
                async move {
                    let chunked = wire.head().await.unwrap().contains("chunked");
                    let (first, last) = if chunked {
                        let first = wire.chunk().await;
                        seen.send(()).unwrap();
                        (first, wire.chunk().await)
                    } else {
                        let first = wire.take(3).await;
                        seen.send(()).unwrap();
                        (first, wire.take(3).await)
                    };
                    assert_eq!((&*first, &*last), (&b"abc"[..], &b"def"[..]));
                    wire.send("HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            });
            let stage = Site::of(&[backend.await.address]).start();
            let mut wire = stage.wire().await;
            wire.send(format!("POST / HTTP/1.1\r\nHost: web.test\r\n{framing}\r\n\r\n")).await;
            let chunked = framing.contains("chunked");
            wire.send(if chunked { "3\r\nabc\r\n" } else { "abc" }).await;
            see.await.unwrap();
            assert_eq!(wire.ask(if chunked { "3\r\ndef\r\n0\r\n\r\n" } else { "def" }).await.status, 204);
        }
    });
}

/// Echoes every piece of the body as it comes.
async fn parrot(speak: Speak) -> Backend {
    Backend::http(
        |request: http::Request<hyper::body::Incoming>| async move {
            let (feeder, body) = feed();
            tokio::spawn(async move {
                let mut incoming = request.into_body();
                while let Some(data) = piece(&mut incoming).await {
                    if feeder.send(Frame::data(data)).await.is_err() {
                        return;
                    }
                }
            });
            Response::new(body)
        },
        speak,
    )
    .await
}

#[test]
fn request_and_answer_flow_at_the_same_time() {
    run(async {
        let stage = Site::new()
            .service("old", &[parrot(Speak::Http1).await.address])
            .service("new", &[parrot(Speak::Http2).await.address])
            .route("old.test", "/", "old")
            .route("new.test", "/", "new")
            .annotate("backend-protocol", "GRPC")
            .start();
        for host in ["old.test", "new.test"] {
            for mut client in [stage.http1().await, stage.http2().await, stage.http2_tls(host).await] {
                let (feeder, body) = feed();
                let request = client.request("POST", host, "/").body(body).unwrap();
                feeder.send(Frame::data(Bytes::from("0"))).await.unwrap();
                let mut answer = client.begin(request).await.unwrap().into_body();
                assert_eq!(piece(&mut answer).await.unwrap(), "0");
                for n in 1..20 {
                    let text = n.to_string();
                    feeder.send(Frame::data(Bytes::from(text.clone()))).await.unwrap();
                    assert_eq!(piece(&mut answer).await.unwrap(), text);
                }
                drop(feeder);
                assert_eq!(piece(&mut answer).await, None);
            }
        }
    });
}

#[test]
fn an_answer_that_comes_before_the_request_is_sent_is_passed_on() {
    run(async {
        let backend = Backend::raw(|mut wire, _, _| async move {
            wire.head().await;
            wire.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
            wire.rest().await;
        });
        let stage = Site::of(&[backend.await.address]).annotate("proxy-body-size", "0").start();
        let mut wire = stage.wire().await;
        wire.send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 10000000\r\n\r\nsome").await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.text()), (403, "no"));
    });
}

/// How much of this process is in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

const PIECE: usize = 64 << 10;

/// A backend that drinks everything, then pours as many bytes as the path says.
async fn cask() -> Backend {
    Backend::raw(|mut wire, _, requests| async move {
        while let Some(head) = wire.head().await {
            if let Some(length) = head.split("content-length: ").nth(1) {
                let mut left: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                while left > 0 {
                    left -= wire.take(left.min(PIECE)).await.len();
                }
                requests.fetch_add(1, Ordering::SeqCst);
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                continue;
            }
            let mut left: usize = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n")).await;
            while left > 0 {
                let count = left.min(PIECE);
                if !wire.try_send(&[b'x'; PIECE][..count]).await {
                    return;
                }
                left -= count;
            }
        }
    })
    .await
}

#[test]
fn long_bodies_pass_in_bounded_memory() {
    run(async {
        let mebibytes = std::env::var("SLIPWAY_TEST_BODY_MIB").map_or(256, |text| text.parse().unwrap());
        let total: usize = mebibytes << 20;
        let stage = Site::of(&[cask().await.address]).annotate("proxy-body-size", "0").start();
        let mut wire = stage.wire().await;
        wire.ask(get("web.test", "/1000000")).await;
        let before = resident();

        wire.send(format!("PUT / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {total}\r\n\r\n")).await;
        for _ in 0..total / PIECE {
            wire.send([b'x'; PIECE]).await;
        }
        assert_eq!(wire.answer().await.status, 200);

        wire.send(get("web.test", &format!("/{total}"))).await;
        let head = wire.head().await.unwrap();
        assert!(head.contains(&format!("content-length: {total}")), "{head}");
        for _ in 0..total / PIECE {
            wire.take(PIECE).await;
        }
        let grown = resident().saturating_sub(before) >> 20;
        assert!(grown < 64, "{grown} MiB more in memory");
    });
}

#[test]
fn a_reader_that_stops_stops_the_backend() {
    run(async {
        let stage = Site::of(&[cask().await.address]).start();
        let before = resident();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", &format!("/{}", 1_usize << 40))).await;
        wire.take(1 << 20).await;
        // Nobody reads any more: what is on its way stops growing.
        let (mut last, mut same) = (0, 0);
        until("memory stands still", || {
            same = if resident() == last { same + 1 } else { 0 };
            last = resident();
            same > 20
        })
        .await;
        assert!(last.saturating_sub(before) < 64 << 20);
    });
}

#[test]
fn a_backend_that_takes_nothing_of_a_body_is_given_up() {
    run(async {
        let backend = Backend::raw(|mut wire, _, _| async move {
            wire.head().await;
            std::future::pending::<()>().await;
        });
        let stage = Site::of(&[backend.await.address])
            .annotate("proxy-body-size", "0")
            .annotate("proxy-send-timeout", "1")
            .start();
        let (reader, mut writer) = stage.wire().await.stream.into_split();
        let sending = tokio::spawn(async move {
            let head = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1000000000\r\n\r\n";
            writer.write_all(head.as_bytes()).await.unwrap();
            while writer.write_all(&[b'x'; PIECE]).await.is_ok() {}
        });
        let mut wire = Wire::new(tokio::io::join(reader, tokio::io::sink()));
        assert_eq!(wire.answer().await.status, 504);
        sending.abort();
    });
}

#[test]
fn a_body_that_is_too_long_answers_413() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::new()
            .service("web", &[backend.address])
            .route("small.test", "/", "web")
            .annotate("proxy-body-size", "10")
            .route("default.test", "/", "web")
            .route("unlimited.test", "/", "web")
            .annotate("proxy-body-size", "0")
            .start();
        let sized = |host: &str, length: usize| {
            let body = "x".repeat(length);
            format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        let chunked = |host: &str, length: usize| {
            let body = "x".repeat(length);
            format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            )
        };
        for (host, length, status) in [
            ("small.test", 10, 200),
            ("small.test", 11, 413),
            ("default.test", 1 << 20, 200),
            ("default.test", (1 << 20) + 1, 413),
            ("unlimited.test", 3 << 20, 200),
        ] {
            for request in [sized(host, length), chunked(host, length)] {
                let mut wire = stage.wire().await;
                wire.try_send(&request).await;
                assert_eq!(wire.answer().await.status, status, "{host} {length}");
            }
            let mut http2 = stage.http2().await;
            let request = http2.request("POST", host, "/").body(crate::backend::whole("x".repeat(length)));
            assert_eq!(http2.send(request.unwrap()).await.status, status, "{host} {length} over HTTP/2");
        }
    });
}

#[test]
fn a_refused_body_does_not_hurt_other_streams_of_its_connection() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).annotate("proxy-body-size", "10").start();
        let mut http2 = stage.http2().await;
        for _ in 0..20 {
            let request =
                http2.request("POST", "web.test", "/").body(crate::backend::whole("x".repeat(30_000)));
            assert_eq!(http2.send(request.unwrap()).await.status, 413);
            assert_eq!(http2.get("web.test", "/").await.status, 200);
        }
    });
}

#[test]
fn a_client_that_leaves_ends_the_request_to_the_backend() {
    run(async {
        let backend = || {
            Backend::raw(|mut wire, _, requests| async move {
                wire.head().await;
                requests.fetch_add(1, Ordering::SeqCst);
                assert!(wire.rest().await.is_empty());
                requests.fetch_add(1, Ordering::SeqCst);
            })
        };
        let (one, two) = (backend().await, backend().await);
        let stage = Site::new()
            .service("one", &[one.address])
            .service("two", &[two.address])
            .route("one.test", "/", "one")
            .route("two.test", "/", "two")
            .start();
        let mut wire = stage.wire().await;
        wire.send(get("one.test", "/")).await;
        until("the request is there", || one.requests() == 1).await;
        drop(wire);
        until("it is given up", || one.requests() == 2).await;

        // One stream is reset, the connection stays.
        let mut http2 = stage.http2().await;
        let request = http2.request("GET", "two.test", "/").body(crate::backend::whole("")).unwrap();
        tokio::select! {
            _ = http2.begin(request) => panic!("there is no answer"),
            _ = until("the request is there", || two.requests() == 1) => {}
        }
        until("it is given up", || two.requests() == 2).await;
        assert_eq!(http2.get("other.test", "/").await.status, 404);
    });
}

#[test]
fn a_client_that_leaves_in_its_body_is_no_whole_request_for_the_backend() {
    run(async {
        let (seen, see) = oneshot::channel();
        let seen = Mutex::new(Some(seen));
        let backend = Backend::raw(move |mut wire, _, requests| {
            let seen = seen.lock().unwrap().take().unwrap();
            async move {
                wire.head().await;
                wire.chunk().await;
                requests.fetch_add(1, Ordering::SeqCst);
                seen.send(wire.rest().await).unwrap();
            }
        });
        let backend = backend.await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        wire.send("POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            .await;
        until("the first chunk is there", || backend.requests() == 1).await;
        wire.stream.shutdown().await.unwrap();
        drop(wire);
        assert_eq!(see.await.unwrap(), "", "no last chunk that makes it look whole");
    });
}

#[test]
fn a_long_body_passes_over_tls_and_http_2() {
    run(async {
        let stage = Site::of(&[parrot(Speak::Http1).await.address]).annotate("proxy-body-size", "0").start();
        let body: Bytes = (0..4_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
        let mut http2 = stage.http2_tls("web.test").await;
        let request =
            http2.request("POST", "web.test", "/").body(crate::backend::whole(body.clone())).unwrap();
        assert!(http2.send(request).await.body == body);
        let (reader, mut writer) = tokio::io::split(stage.tls("web.test", &[]).await);
        let sent = body.clone();
        let sending = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {}\r\n\r\n", sent.len());
            writer.write_all(head.as_bytes()).await.unwrap();
            writer.write_all(&sent).await.unwrap();
            writer.flush().await.unwrap();
            writer
        });
        let mut wire = Wire::new(tokio::io::join(reader, tokio::io::sink()));
        assert!(wire.answer().await.body == body);
        drop(sending.await.unwrap());
    });
}
