//! Requests that are broken, too long, or mean different things to different readers (RFC 9112).

use crate::backend::Backend;
use crate::client::{get, run};
use crate::site::Site;

/// Requests that must be refused, none of which may reach the backend.
const REFUSED: &[(&str, u16, &str)] = &[
    ("two hosts", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nHost: web.test\r\n\r\n"),
    ("two different hosts", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nHost: other\r\n\r\n"),
    ("no host", 400, "GET / HTTP/1.1\r\n\r\n"),
    ("empty host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("host with a space", 400, "GET / HTTP/1.1\r\nHost: web .test\r\n\r\n"),
    ("host with a path", 400, "GET / HTTP/1.1\r\nHost: web.test/x\r\n\r\n"),
    ("host with a user", 400, "GET / HTTP/1.1\r\nHost: me@web.test\r\n\r\n"),
    ("host with a broken port", 400, "GET / HTTP/1.1\r\nHost: web.test:8x\r\n\r\n"),
    ("a user in the target", 400, "GET http://me@web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("space before the colon", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nX-A : b\r\n\r\n"),
    ("a folded line", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nX-A: b\r\n c\r\n\r\n"),
    ("a line without colon", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nX-A\r\n\r\n"),
    ("an empty field name", 400, "GET / HTTP/1.1\r\nHost: web.test\r\n: b\r\n\r\n"),
    ("a field before the first line", 400, " GET / HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("a NUL in a value", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nX-A: a\0b\r\n\r\n"),
    ("a bare CR in a value", 400, "GET / HTTP/1.1\r\nHost: web.test\r\nX-A: a\rb\r\n\r\n"),
    ("no version", 400, "GET /\r\nHost: web.test\r\n\r\n"),
    ("an unknown version", 400, "GET / HTTP/3.7\r\nHost: web.test\r\n\r\n"),
    ("no target", 400, "GET  HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("a target with a space", 400, "GET /a b HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("a target without slash", 400, "GET foo HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    (
        "two lengths",
        400,
        "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ),
    ("a list of lengths", 400, "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1, 2\r\n\r\nab"),
    ("a signed length", 400, "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: +1\r\n\r\na"),
    ("a length that is none", 400, "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 0x1\r\n\r\na"),
    ("an empty length", 400, "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length:\r\n\r\na"),
    (
        "chunked that is not last",
        400,
        "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding nobody undoes",
        501,
        "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked twice",
        501,
        "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks in HTTP/1.0",
        400,
        "POST / HTTP/1.0\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("percent zero", 400, "GET /a%00b HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("a broken escape", 400, "GET /a%zz HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("a cut escape", 400, "GET /a%4 HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("above the root", 400, "GET /../x HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("above the root, later", 400, "GET /a/../../x HTTP/1.1\r\nHost: web.test\r\n\r\n"),
    ("above the root, in disguise", 400, "GET /%2e%2E/x HTTP/1.1\r\nHost: web.test\r\n\r\n"),
];

#[test]
fn broken_requests_are_refused_and_never_reach_the_backend() {
    run(async {
        let backend = Backend::named("a").await;
        let stage = Site::new().service("web", &[backend.address]).route("", "/", "web").start();
        let mut wrong = Vec::new();
        for (what, status, request) in REFUSED {
            let mut wire = stage.wire().await;
            let answer = wire.ask(request).await;
            if answer.status != *status || backend.requests() > 0 {
                wrong.push(format!("{what}: {} instead of {status}, {}", answer.status, backend.requests()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn length_and_chunks_together_are_read_as_chunks_and_end_the_connection() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        for fields in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
        ] {
            let mut wire = stage.wire().await;
            let request =
                format!("POST / HTTP/1.1\r\nHost: web.test\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
            let answer = wire.ask(request + &get("web.test", "/smuggled")).await;
            assert_eq!((answer.status, answer.saw("content-length")), (200, ""));
            assert!(answer.text().ends_with("\n\nabc"), "{}", answer.text());
            assert!(wire.rest().await.is_empty(), "RFC 9112 6.1: the connection ends");
        }
    });
}

#[test]
fn a_second_request_in_a_body_stays_a_body() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address]).start();
        let inner = get("web.test", "/inner");
        let request =
            format!("GET / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
        let mut wire = stage.wire().await;
        let answer = wire.ask(request).await;
        assert!(answer.saw_line().starts_with("GET / "));
        assert_eq!(wire.ask(get("web.test", "/next")).await.saw_line(), "GET /next HTTP/1.1");
        assert_eq!(backend.requests(), 2);
    });
}

#[test]
fn two_equal_lengths_count_as_one() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let answer = stage
            .ask("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab")
            .await;
        assert_eq!((answer.status, answer.saw("content-length")), (200, "2"));
    });
}

#[test]
fn a_broken_chunk_ends_the_request_with_400() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        for chunk in [
            "xyz\r\n",
            "-1\r\nabc\r\n",
            "3\r\nabcdef\r\n0\r\n\r\n",
            "FFFFFFFFFFFFFFFFF\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
        ] {
            let mut wire = stage.wire().await;
            let head = "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n";
            let answer = wire.ask(format!("{head}{chunk}")).await;
            assert_eq!(answer.status, 400, "{chunk:?}");
            assert!(wire.rest().await.is_empty(), "the connection ends: {chunk:?}");
        }
    });
}

#[test]
fn lines_that_end_in_a_bare_line_feed_are_understood() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let answer = stage.ask("GET /x HTTP/1.1\nHost: web.test\nX-A: b\n\n").await;
        assert_eq!((answer.saw_line(), answer.saw("x-a")), ("GET /x HTTP/1.1", "b"));
    });
}

#[test]
fn empty_lines_before_a_request_are_passed_over() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            let answer = wire.ask(format!("\r\n{}", get("web.test", "/x"))).await;
            assert_eq!(answer.saw_line(), "GET /x HTTP/1.1");
        }
    });
}

#[test]
fn the_host_of_an_absolute_target_wins() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let answer = stage.ask("GET http://web.test/x?y HTTP/1.1\r\nHost: elsewhere\r\n\r\n").await;
        assert_eq!(answer.saw_line(), "GET /x?y HTTP/1.1");
        assert_eq!((answer.saw("host"), answer.saw("x-forwarded-host")), ("web.test", "web.test"));
    });
}

#[test]
fn a_target_that_is_too_long_answers_414() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address]).start();
        for length in [8 << 10, 70_000] {
            let answer = stage.get("web.test", &format!("/{}", "a".repeat(length))).await;
            assert!(matches!(answer.status, 414 | 431), "{length}: {}", answer.status);
        }
        assert_eq!(backend.requests(), 0);
        assert_eq!(stage.get("web.test", &format!("/{}", "a".repeat(8000))).await.status, 200);
    });
}

#[test]
fn a_head_that_is_too_long_answers_431() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address]).start();
        let long = format!("X-A: {}\r\n", "a".repeat(48 << 10));
        assert_eq!(stage.get_with("web.test", "/", &long).await.status, 431);
        let many = "X-A: b\r\n".repeat(200);
        assert_eq!(stage.get_with("web.test", "/", &many).await.status, 431);
        assert_eq!(backend.requests(), 0);
        let fine = format!("X-A: {}\r\n", "a".repeat(24 << 10));
        assert_eq!(stage.get_with("web.test", "/", &fine).await.status, 200);
    });
}

#[test]
fn a_huge_head_over_http_2_is_refused() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address]).start();
        let mut http2 = stage.http2().await;
        let mut request = http2.request("GET", "web.test", "/");
        for n in 0..60 {
            request = request.header(format!("x-{n}"), "a".repeat(1000));
        }
        let answer = http2.begin(request.body(crate::backend::whole("")).unwrap()).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431));
        assert_eq!(backend.requests(), 0);
        assert_eq!(stage.get("web.test", "/").await.status, 200);
    });
}

/// Rubbish, and good requests with a few bytes changed, from a fixed seed.
#[test]
fn nothing_a_client_sends_stops_the_others() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address]).start();
        let mut random = fastrand::Rng::with_seed(0x51_1b_3a_77);
        let good = [
            get("web.test", "/a/b?c=d"),
            "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 3\r\n\r\nabc".into(),
            "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                .into(),
            "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\x05\0\0\0\x01\x40\x01a\x01b"
                .into(),
        ];
        let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
        let mut round = 0;
        while std::time::Instant::now() < until {
            let mut bytes: Vec<u8> = match round % 6 {
                0 => {
                    let count = random.usize(1..300);
                    std::iter::repeat_with(|| random.u8(..)).take(count).collect()
                }
                n => good[n - 1].clone().into_bytes(),
            };
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                match random.u8(..3) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes.insert(at, random.u8(..)),
                    _ if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {}
                }
            }
            let mut wire = stage.wire().await;
            wire.try_send(&bytes).await;
            drop(wire); // whatever the answer
            if round % 20 == 0 {
                assert_eq!(stage.get("web.test", "/alive").await.saw_line(), "GET /alive HTTP/1.1");
            }
            round += 1;
        }
        assert!(round > 100, "only {round} rounds");
        assert_eq!(stage.get("web.test", "/alive").await.status, 200);
    });
}
