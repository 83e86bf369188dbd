//! gRPC: HTTP/2 to the backend, streams of messages, trailers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::backend::{Backend, Feed, Speak, describe, feed, refusing, whole};
use crate::client::{get, piece, run, until};
use crate::site::Site;

fn trailers(status: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        ("grpc-status".parse().unwrap(), status.parse().unwrap()),
        ("grpc-message".parse().unwrap(), "fine".parse().unwrap()),
    ])
}

/// Answers `/stream` with three messages and trailers, `/refuse` with trailers only, and anything else with what it saw.
async fn serve(request: Request<Incoming>) -> Response<Feed> {
    let answer = Response::builder().header("content-type", "application/grpc");
    match request.uri().path() {
        "/stream" => {
            let (feeder, body) = feed();
            tokio::spawn(async move {
                for message in ["one", "two", "three"] {
                    feeder.send(Frame::data(Bytes::from(message))).await.unwrap();
                }
                feeder.send(Frame::trailers(trailers("0"))).await.unwrap();
            });
            answer.body(body).unwrap()
        }
        "/refuse" => answer.header("grpc-status", "7").header("grpc-message", "no").body(whole("")).unwrap(),
        _ => answer.body(whole(describe(request).await)).unwrap(),
    }
}

/// A site for both ways to speak gRPC.
async fn site() -> Site {
    let plain = Backend::http(serve, Speak::Http2).await;
    let secure = Backend::http(serve, Speak::Http2Tls).await;
    Site::new()
        .service("plain", &[plain.address])
        .service("secure", &[secure.address])
        .route("plain.test", "/", "plain")
        .annotate("backend-protocol", "GRPC")
        .route("secure.test", "/", "secure")
        .annotate("backend-protocol", "GRPCS")
}

#[test]
fn a_call_with_a_server_stream_ends_with_its_trailers() {
    run(async {
        let stage = site().await.start();
        for host in ["plain.test", "secure.test"] {
            for mut client in [stage.http2().await, stage.http2_tls(host).await] {
                let request =
                    client.request("POST", host, "/stream").header("content-type", "application/grpc");
                let answer =
                    client.send(request.header("te", "trailers").body(whole("hello")).unwrap()).await;
                assert_eq!((answer.status, answer.header("content-type")), (200, "application/grpc"));
                assert_eq!(answer.text(), "onetwothree");
                assert_eq!(answer.trailers, trailers("0"));
            }
        }
    });
}

#[test]
fn an_answer_of_trailers_alone_is_passed_on() {
    run(async {
        let stage = site().await.start();
        let mut client = stage.http2_tls("plain.test").await;
        let request = client.request("POST", "plain.test", "/refuse").body(whole("hello")).unwrap();
        let answer = client.send(request).await;
        assert_eq!((answer.status, answer.header("grpc-status"), answer.text()), (200, "7", ""));
    });
}

#[test]
fn a_backend_sees_te_trailers_its_authority_and_its_path() {
    run(async {
        let stage = site().await.start();
        for host in ["plain.test", "secure.test"] {
            let mut client = stage.http2().await;
            let request = client
                .request("POST", host, "/package.Service/Call?x=y")
                .header("te", "trailers")
                .header("grpc-timeout", "10S");
            let answer = client.send(request.body(whole("hello")).unwrap()).await;
            assert_eq!((answer.saw("te"), answer.saw("grpc-timeout")), ("trailers", "10S"));
            assert!(
                answer.saw_line().ends_with(&format!("{host}/package.Service/Call?x=y HTTP/2.0")),
                "{}",
                answer.text()
            );
            assert_eq!((answer.saw("x-forwarded-for"), answer.saw("x-forwarded-host")), ("127.0.0.1", host));
            assert!(answer.text().ends_with("\n\nhello"));
        }
    });
}

#[test]
fn a_message_each_way_before_the_next_is_sent() {
    run(async {
        let chat = |request: Request<Incoming>| async move {
            let (feeder, body) = feed();
            tokio::spawn(async move {
                let mut incoming = request.into_body();
                while let Some(data) = piece(&mut incoming).await {
                    feeder.send(Frame::data(data)).await.unwrap();
                }
                feeder.send(Frame::trailers(trailers("0"))).await.unwrap();
            });
            Response::new(body)
        };
        let backend = Backend::http(chat, Speak::Http2).await;
        let stage = Site::of(&[backend.address]).annotate("backend-protocol", "GRPC").start();
        let mut client = stage.http2_tls("web.test").await;
        let (feeder, body) = feed();
        let request = client.request("POST", "web.test", "/").body(body).unwrap();
        let mut answer = client.begin(request).await.unwrap().into_body();
        for n in 0..10 {
            feeder.send(Frame::data(Bytes::from(n.to_string()))).await.unwrap();
            assert_eq!(piece(&mut answer).await.unwrap(), n.to_string());
        }
        drop(feeder);
        assert_eq!(answer.collect().await.unwrap().trailers(), Some(&trailers("0")));
    });
}

#[test]
fn calls_share_a_connection_to_each_endpoint_and_are_spread_over_the_endpoints() {
    run(async {
        let backends = [Backend::http(serve, Speak::Http2).await, Backend::http(serve, Speak::Http2).await];
        let stage = Site::of(&backends.each_ref().map(|backend| backend.address))
            .annotate("backend-protocol", "GRPC")
            .start();
        let mut client = stage.http2().await;
        for _ in 0..20 {
            assert_eq!(client.get("web.test", "/stream").await.trailers, trailers("0"));
        }
        assert_eq!(backends.each_ref().map(Backend::requests), [10; 2]);
        assert_eq!(backends.each_ref().map(Backend::connections), [1; 2]);
    });
}

#[test]
fn an_http_1_client_can_ask_an_http_2_backend() {
    run(async {
        let stage = site().await.start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            let answer = wire.ask(get("plain.test", "/x")).await;
            assert!(answer.saw_line().ends_with("/x HTTP/2.0"), "{}", answer.text());
        }
        let post = "POST /x HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 5\r\n\r\nhello";
        assert!(wire.ask(post).await.text().ends_with("\n\nhello"));
    });
}

#[test]
fn failures_of_a_grpc_backend_have_the_documented_status() {
    run(async {
        let silent = Backend::http(|_| std::future::pending::<Response<Feed>>(), Speak::Http2).await;
        let old =
            Backend::fixed("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
        let table =
            [("refusing", refusing(), 502), ("silent", silent.address, 504), ("old", old.address, 502)];
        let mut site = Site::new();
        for (name, address, _) in table {
            site = site
                .service(name, &[address])
                .route(&format!("{name}.test"), "/", name)
                .annotate("backend-protocol", "GRPC")
                .annotate("proxy-read-timeout", "1");
        }
        let stage = site.start();
        let mut client = stage.http2().await;
        for (name, _, status) in table {
            assert_eq!(client.get(&format!("{name}.test"), "/").await.status, status, "{name}");
        }
    });
}

/// An endpoint that says goodbye (GOAWAY) on its first connection while a call is still open, as gRPC servers do when a
/// connection has reached its age.
#[test]
fn a_connection_that_the_endpoint_ends_gently_gets_no_new_calls() {
    run(async {
        let (goodbye, _) = tokio::sync::watch::channel(false);
        let (leave, told) = (goodbye.clone(), Arc::new(AtomicUsize::new(0)));
        let says = told.clone();
        let backend = Backend::raw(move |wire, number, _| {
            let (mut leave, says) = (leave.subscribe(), says.clone());
            async move {
                let service = service_fn(move |request: Request<Incoming>| async move {
                    let (feeder, body) = feed();
                    feeder.send(Frame::data(Bytes::from(number.to_string()))).await.unwrap();
                    if request.uri().path() == "/long" {
                        tokio::spawn(async move {
                            feeder.closed().await;
                        });
                    }
                    Ok::<_, std::convert::Infallible>(Response::new(body))
                });
                let connection = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(wire.stream), service);
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => return,
                    _ = leave.wait_for(|leave| *leave && number == 0) => {}
                }
                connection.as_mut().graceful_shutdown();
                says.fetch_add(1, Ordering::SeqCst);
                let _ = connection.await;
            }
        })
        .await;
        let stage = Site::of(&[backend.address]).annotate("backend-protocol", "GRPC").start();
        let mut client = stage.http2().await;
        let request = client.request("GET", "web.test", "/long").body(whole("")).unwrap();
        let mut long = client.begin(request).await.unwrap().into_body();
        assert_eq!(piece(&mut long).await.unwrap(), "0");
        goodbye.send_replace(true);
        until("the endpoint says goodbye", || told.load(Ordering::SeqCst) == 1).await;
        for _ in 0..10 {
            let call = client.request("POST", "web.test", "/short").body(whole("a message")).unwrap();
            assert_eq!(client.send(call).await.status, 200);
        }
        assert_eq!(client.get("web.test", "/short").await.text(), "1");
        drop(long);
    });
}
