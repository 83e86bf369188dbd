//! Upgraded connections: WebSocket over HTTP/1.1, TLS and HTTP/2, and what a backend answers instead.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::backend::{Backend, whole};
use crate::client::{get, run};
use crate::site::Site;
use crate::tls;
use crate::wire::Wire;

const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket server that says everything back. Its thread ends with the process.
fn websockets() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(stream.unwrap()) else { return };
                while let Ok(message) = socket.read() {
                    if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Talks for a while, then says goodbye and waits for the answer to that.
fn talk<S: Read + Write>(mut socket: WebSocket<S>) {
    for text in ["hello", "", "again"] {
        socket.send(Message::text(text)).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(text));
    }
    let long = vec![7_u8; 1_000_000];
    socket.send(Message::binary(long.clone())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(long));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap();
}

#[test]
fn a_websocket_works_in_the_clear() {
    run(async {
        let stage = Site::of(&[websockets()]).start();
        let address = stage.http;
        blocking(move || {
            let (socket, answer) = tungstenite::client("ws://web.test/chat", connect(address)).unwrap();
            assert_eq!(answer.status(), 101);
            talk(socket);
        })
        .await;
    });
}

#[test]
fn a_websocket_works_over_tls() {
    run(async {
        let stage = Site::of(&[websockets()]).start();
        let address = stage.https;
        blocking(move || {
            let name = ServerName::try_from("web.test").unwrap();
            let config = tls::client(&["http/1.1"], rustls::DEFAULT_VERSIONS);
            let stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), connect(address));
            let (socket, _) = tungstenite::client("wss://web.test/chat", stream).unwrap();
            talk(socket);
        })
        .await;
    });
}

/// A short masked text frame (RFC 6455 5.2) with the mask 0.
fn frame(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[test]
fn a_websocket_works_over_http_2() {
    run(async {
        let stage = Site::of(&[websockets()]).start();
        for mut client in [stage.http2().await, stage.http2_tls("web.test").await] {
            assert_eq!(client.get("other.test", "/").await.status, 404);
            for text in ["hello", "again"] {
                let request = client
                    .request("CONNECT", "web.test", "/chat")
                    .extension(Protocol::from_static("websocket"))
                    .header("sec-websocket-version", "13");
                let answer = client.begin(request.body(whole("")).unwrap()).await.unwrap();
                assert_eq!(answer.status(), 200);
                assert!(!answer.headers().contains_key("sec-websocket-accept"), "RFC 8441 5: not used");
                let mut wire = Wire::new(TokioIo::new(hyper::upgrade::on(answer).await.unwrap()));
                wire.send(frame(text)).await;
                assert_eq!(wire.take(2 + text.len()).await[2..], *text.as_bytes());
            }
        }
    });
}

#[test]
fn only_websockets_are_tunnelled_over_http_2() {
    run(async {
        let backend = Backend::echo().await;
        let stage = Site::of(&[backend.address]).start();
        let mut client = stage.http2().await;
        for protocol in ["h2c", "websocket\r\nX-Real-IP: 10.0.0.1\r\n\r\nGET /admin HTTP/1.1\r\nHost: x"] {
            let request =
                client.request("CONNECT", "web.test", "/").extension(Protocol::from_static(protocol));
            let answer = client.send(request.body(whole("")).unwrap()).await;
            assert_eq!(answer.status, 405, "{protocol:?}");
        }
        // A backend that does not switch: a 200 would say that the tunnel is open.
        let request =
            client.request("CONNECT", "web.test", "/").extension(Protocol::from_static("websocket"));
        assert_eq!(client.send(request.body(whole("")).unwrap()).await.status, 502);
    });
}

#[test]
fn a_backend_may_refuse_to_upgrade() {
    run(async {
        let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nX-Why: no\r\n\r\nno!";
        let backend = Backend::fixed(refusal).await;
        let stage = Site::of(&[backend.address]).start();
        let mut wire = stage.wire().await;
        for _ in 0..2 {
            let request = "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
            let answer = wire.ask(request).await;
            assert_eq!((answer.status, answer.header("x-why"), answer.text()), (403, "no", "no!"));
        }
        let mut http2 = stage.http2().await;
        let request = http2.request("CONNECT", "web.test", "/").extension(Protocol::from_static("websocket"));
        let answer = http2.send(request.body(whole("")).unwrap()).await;
        assert_eq!((answer.status, answer.text()), (403, "no!"));
    });
}

/// A backend that switches to a protocol of its own: what it says at once comes with its 101.
async fn shouting() -> Backend {
    Backend::raw(|mut wire, _, _| async move {
        let head = wire.head().await.unwrap();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: shout\r\n"), "{head}");
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nHELLO")
            .await;
        let words = wire.take(5).await;
        wire.send(words.to_ascii_uppercase()).await;
        assert_eq!(wire.rest().await, "bye");
        wire.send("BYE").await;
    })
    .await
}

#[test]
fn what_is_said_with_the_upgrade_and_after_one_side_s_end_arrives() {
    run(async {
        let stage = Site::of(&[shouting().await.address]).start();
        let mut wire = stage.wire().await;
        // The client does not wait for the answer either.
        wire.send("GET / HTTP/1.1\r\nHost: web.test\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nwords")
            .await;
        let head = wire.head().await.unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: shout\r\n"), "{head}");
        assert_eq!(wire.take(10).await, "HELLOWORDS");
        wire.send("bye").await;
        tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await.unwrap();
        assert_eq!(wire.take(3).await, "BYE");
        assert_eq!(wire.stream.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn an_upgraded_connection_on_which_nothing_moves_ends() {
    run(async {
        let stage = Site::of(&[shouting().await.address]).annotate("proxy-read-timeout", "1").start();
        let mut wire = stage.wire().await;
        wire.send("GET / HTTP/1.1\r\nHost: web.test\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n").await;
        assert!(wire.head().await.unwrap().contains(" 101 "));
        assert_eq!(wire.rest().await, "HELLO");
    });
}

#[test]
fn http_2_is_not_upgraded_to_because_rules_would_be_passed_by() {
    run(async {
        let stage = Site::of(&[Backend::echo().await.address]).start();
        let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
        let mut wire = stage.wire().await;
        let answer = wire.ask(format!("GET / HTTP/1.1\r\nHost: web.test\r\n{fields}\r\n")).await;
        assert_eq!((answer.status, answer.saw("upgrade"), answer.saw("connection")), (200, "", ""));
        assert_eq!(wire.ask(get("web.test", "/")).await.status, 200);
    });
}

#[test]
fn a_tunnel_ends_with_the_backend() {
    run(async {
        let backend = Backend::raw(|mut wire, _, _| async move {
            wire.head().await;
            wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n")
                .await;
        });
        let stage = Site::of(&[backend.await.address]).start();
        let mut wire = stage.wire().await;
        wire.send("GET / HTTP/1.1\r\nHost: web.test\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n").await;
        assert!(wire.head().await.is_some());
        assert!(wire.rest().await.is_empty());
    });
}
