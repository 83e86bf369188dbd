//! HTTP/1.0, HTTP/1.1 and HTTP/2, and what each client may expect of its connection.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::backend::{Backend, Speak, feed, whole};
use crate::client::{get, run};
use crate::site::Site;
use crate::wire::Wire;

#[test]
fn an_http_1_0_connection_ends_after_its_answer() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        let answer = wire.ask("GET /x HTTP/1.0\r\nHost: web.test\r\n\r\n").await;
        assert_eq!((answer.status, answer.saw_line()), (200, "GET /x HTTP/1.1"));
        assert!(wire.rest().await.is_empty());
    });
}

#[test]
fn an_http_1_0_client_that_asks_for_it_keeps_its_connection() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..3 {
            let request = "GET / HTTP/1.0\r\nHost: web.test\r\nConnection: keep-alive\r\n\r\n";
            let answer = wire.ask(request).await;
            assert_eq!((answer.status, answer.text()), (200, "a"));
            assert_eq!(answer.header("connection").to_lowercase(), "keep-alive");
        }
    });
}

#[test]
fn an_http_1_0_client_gets_no_chunks() {
    run(async {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let stage = Site::of(&[Backend::fixed(chunked).await.address]).start();
        let mut wire = stage.wire().await;
        wire.send("GET / HTTP/1.0\r\nHost: web.test\r\nConnection: keep-alive\r\n\r\n").await;
        let head = wire.head().await.unwrap().to_lowercase();
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert_eq!(wire.rest().await, "abc");
    });
}

#[test]
fn an_http_1_0_request_without_host_goes_to_the_catch_all() {
    run(async {
        let echo = Backend::echo().await.address;
        let stage = Site::new().service("web", &[echo]).route("", "/", "web").start();
        let answer = stage.ask("GET /x HTTP/1.0\r\n\r\n").await;
        assert_eq!((answer.status, answer.saw_line()), (200, "GET /x HTTP/1.1"));
    });
}

#[test]
fn an_http_1_1_connection_carries_many_requests_over_one_connection_to_the_backend() {
    run(async {
        let backend = Backend::named("a").await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..20 {
            assert_eq!(wire.ask(get("web.test", "/")).await.text(), "a");
        }
        assert_eq!((backend.requests(), backend.connections()), (20, 1));
    });
}

#[test]
fn connection_close_is_honoured() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).start();
        let mut wire = stage.wire().await;
        let answer = wire.ask("GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n").await;
        assert_eq!((answer.text(), answer.header("connection")), ("a", "close"));
        assert!(wire.rest().await.is_empty());
    });
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        let requests: String = (0..10)
            .map(|n| format!("POST /{n} HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1\r\n\r\n{n}"))
            .collect();
        wire.send(requests).await;
        for n in 0..10 {
            let answer = wire.answer().await;
            assert_eq!(answer.saw_line(), format!("POST /{n} HTTP/1.1"));
            assert!(answer.text().ends_with(&format!("\n\n{n}")), "{}", answer.text());
        }
    });
}

#[test]
fn http_2_in_the_clear_and_http_1_share_a_port() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut http2 = stage.http2().await;
        for _ in 0..3 {
            let answer = http2.get("web.test", "/x?y=1").await;
            assert_eq!((answer.status, answer.saw_line()), (200, "GET /x?y=1 HTTP/1.1"));
            assert_eq!((answer.saw("host"), answer.saw("x-forwarded-proto")), ("web.test", "http"));
        }
        assert_eq!(stage.get("web.test", "/").await.status, 200);
    });
}

#[test]
fn a_preface_that_comes_in_pieces_is_still_http_2() {
    run(async {
        let stage = Site::of(&[Backend::named("a").await.address]).start();
        let mut wire = stage.wire().await;
        for piece in ["P", "RI * HT", "TP/2.0\r\n\r", "\nSM\r\n", "\r\n"] {
            wire.send(piece).await;
            tokio::task::yield_now().await;
        }
        wire.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await; // empty SETTINGS
        let frame = wire.take(9).await;
        assert_eq!(frame[3], 4, "the server's SETTINGS come first: {frame:?}");
    });
}

#[test]
fn a_method_that_begins_like_the_preface_is_http_1() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        wire.send("P").await;
        wire.send("RI").await;
        let answer = wire.ask("NT / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
        assert_eq!(answer.saw_line(), "PRINT / HTTP/1.1");
    });
}

#[test]
fn http_2_over_tls_is_agreed_on_by_alpn() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut http2 = stage.http2_tls("web.test").await;
        let answer = http2.get("web.test", "/").await;
        assert_eq!((answer.status, answer.saw("x-forwarded-proto")), (200, "https"));
        let both = stage.tls("web.test", &["http/1.1", "h2"]).await;
        assert_eq!(both.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "HTTP/2 is preferred");
        let none = stage.tls("web.test", &[]).await;
        assert_eq!(Wire::new(none).ask(get("web.test", "/")).await.status, 200);
    });
}

#[test]
fn many_http_2_streams_are_served_at_once() {
    run(async {
        // Every answer waits until all requests are there.
        let all = std::sync::Arc::new(tokio::sync::Barrier::new(50));
        let backend = Backend::http(
            move |_| {
                let all = all.clone();
                async move {
                    all.wait().await;
                    http::Response::new(whole("together"))
                }
            },
            Speak::Http1,
        );
        let stage = Site::of(&[backend.await.address]).start();
        let mut http2 = stage.http2().await;
        let mut answers = Vec::new();
        for n in 0..50 {
            let request = http2.request("GET", "web.test", &format!("/{n}")).body(whole("")).unwrap();
            answers.push(http2.start(request).await);
        }
        for answer in answers {
            assert_eq!(answer.await.text(), "together");
        }
    });
}

#[test]
fn the_cookies_of_http_2_are_one_field_for_an_http_1_backend() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut http2 = stage.http2().await;
        let request = http2.request("GET", "web.test", "/").header("cookie", "a=1").header("cookie", "b=2");
        let answer = http2.send(request.body(whole("")).unwrap()).await;
        assert_eq!(answer.saw("cookie"), "a=1; b=2");
    });
}

#[test]
fn head_keeps_the_length_and_has_no_body() {
    run(async {
        let backend = Backend::fixed("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX-A: b\r\n\r\n").await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            wire.send("HEAD / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
            let head = crate::wire::parse(&wire.head().await.unwrap());
            assert_eq!((head.status, head.header("content-length"), head.header("x-a")), (200, "12345", "b"));
        }
        assert_eq!(backend.connections(), 1);
        let mut http2 = stage.http2().await;
        let request = http2.request("HEAD", "web.test", "/").body(whole("")).unwrap();
        let answer = http2.send(request).await;
        assert_eq!((answer.header("content-length"), answer.text()), ("12345", ""));
    });
}

#[test]
fn head_of_a_chunked_answer_leaves_the_connection_in_order() {
    run(async {
        let backend = Backend::fixed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..3 {
            wire.send("HEAD / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
            assert_eq!(crate::wire::parse(&wire.head().await.unwrap()).status, 200);
        }
    });
}

#[test]
fn answers_that_have_no_body_by_their_status_leave_the_connection_in_order() {
    run(async {
        for status in ["204 No Content", "304 Not Modified"] {
            let backend = Backend::fixed(format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n")).await;
            let stage = Site::of(&[backend.address]).start();
            let mut wire = stage.wire().await;
            for _ in 0..3 {
                let answer = wire.ask(get("web.test", "/")).await;
                assert_eq!((&*answer.status.to_string(), answer.header("etag")), (&status[..3], "\"x\""));
            }
            assert_eq!(backend.connections(), 1);
        }
    });
}

#[test]
fn a_client_that_expects_100_continue_is_told_to_go_on() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        let head = "POST / HTTP/1.1\r\nHost: web.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(wire.ask(head).await.status, 100);
        let answer = wire.ask("body").await;
        assert_eq!((answer.status, answer.saw("expect")), (200, ""));
        assert!(answer.text().ends_with("\n\nbody"));
    });
}

#[test]
fn a_client_that_expects_100_continue_may_be_refused_instead() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).annotate("proxy-body-size", "3").start();
        let head = "POST / HTTP/1.1\r\nHost: web.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(stage.ask(head).await.status, 413);
    });
}

#[test]
fn interim_answers_of_a_backend_are_passed_over() {
    run(async {
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let stage = Site::of(&[Backend::fixed(answer).await.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            let answer = wire.ask(get("web.test", "/")).await;
            assert_eq!((answer.status, answer.text()), (200, "ok"));
        }
    });
}

#[test]
fn a_chunked_request_reaches_the_backend_with_its_trailers() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut wire = stage.wire().await;
        let head =
            "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
        wire.send(head).await;
        let answer = wire.ask("3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n").await;
        assert_eq!(answer.saw("transfer-encoding"), "chunked");
        assert!(answer.text().ends_with("\n\nabcde\ntrailers\nx-sum: 5\n"), "{}", answer.text());
    });
}

#[test]
fn a_chunked_answer_reaches_the_client_with_its_trailers() {
    run(async {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                       3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n";
        let stage = Site::of(&[Backend::fixed(chunked).await.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            let answer = wire.ask("GET / HTTP/1.1\r\nHost: web.test\r\nTE: trailers\r\n\r\n").await;
            assert_eq!((answer.text(), answer.trailers["x-sum"].to_str().unwrap()), ("abcde", "5"));
        }
        let answer = stage.http2().await.get("web.test", "/").await;
        assert_eq!((answer.text(), answer.trailers["x-sum"].to_str().unwrap()), ("abcde", "5"));
    });
}

#[test]
fn a_body_from_http_2_without_a_length_goes_out_in_chunks() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let mut http2 = stage.http2().await;
        let (feeder, body) = feed();
        let request = http2.request("POST", "web.test", "/").body(body).unwrap();
        let answer = http2.start(request).await;
        feeder.send(Frame::data(Bytes::from("one"))).await.unwrap();
        feeder.send(Frame::data(Bytes::from("two"))).await.unwrap();
        feeder
            .send(Frame::trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "6".parse().unwrap())])))
            .await
            .unwrap();
        drop(feeder);
        let answer = answer.await;
        assert_eq!(answer.saw("transfer-encoding"), "chunked");
        assert!(answer.text().ends_with("\n\nonetwo\ntrailers\nx-sum: 6\n"), "{}", answer.text());
    });
}

#[test]
fn an_answer_without_length_ends_with_the_backend_s_connection() {
    run(async {
        let backend = Backend::fixed("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end").await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            let answer = wire.ask(get("web.test", "/")).await;
            assert_eq!(answer.text(), "until the end");
            assert_eq!(
                answer.header("transfer-encoding"),
                "chunked",
                "so that the client's connection stays"
            );
        }
    });
}

#[test]
fn an_answer_that_breaks_off_does_so_for_the_client() {
    run(async {
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc";
        let stage = Site::of(&[Backend::fixed(short).await.address]).start();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", "/")).await;
        assert!(wire.head().await.unwrap().contains("content-length: 10"));
        assert_eq!(wire.rest().await, "abc", "then the connection ends");

        let short = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n";
        let stage = Site::of(&[Backend::fixed(short).await.address]).start();
        let mut wire = stage.wire().await;
        wire.send(get("web.test", "/")).await;
        wire.head().await.unwrap();
        let body = wire.rest().await;
        assert!(!body.ends_with(b"0\r\n\r\n"), "no end that looks whole: {body:?}");
    });
}

#[test]
fn connect_is_not_for_a_reverse_proxy() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let answer = stage.ask("CONNECT web.test:443 HTTP/1.1\r\nHost: web.test:443\r\n\r\n").await;
        assert_eq!(answer.status, 405);
    });
}
