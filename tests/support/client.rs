//! Clients: raw sockets, TLS, and hyper's HTTP/1 and HTTP/2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::backend::{Feed, whole};
use crate::site::Stage;
use crate::tls;
use crate::wire::{Answer, Wire};

/// No test takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs a test, within [`LIMIT`].
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("the test hangs") });
    runtime.shutdown_background();
}

/// Waits until a condition holds, within [`LIMIT`]; answers how long that took.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "this never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// A GET that an HTTP/1.1 client would write.
pub fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

pub type TlsClient = TlsStream<TcpStream>;

impl Stage {
    /// A raw connection to the HTTP port.
    pub async fn wire(&self) -> Wire<TcpStream> {
        let stream = TcpStream::connect(self.http).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire::new(stream)
    }

    /// The answer to these bytes on a connection of their own.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        self.wire().await.ask(request).await
    }

    /// The answer to a GET on a connection of its own.
    pub async fn get(&self, host: &str, target: &str) -> Answer {
        self.ask(get(host, target)).await
    }

    /// The answer to a GET with more fields, each with its line end.
    pub async fn get_with(&self, host: &str, target: &str, fields: &str) -> Answer {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).await
    }

    /// The answer to a GET over HTTPS and HTTP/1.1.
    pub async fn get_tls(&self, host: &str, target: &str) -> Answer {
        Wire::new(self.tls(host, &["http/1.1"]).await).ask(get(host, target)).await
    }

    /// A TLS connection.
    pub async fn tls(&self, name: &str, alpn: &[&str]) -> TlsClient {
        self.try_tls(name, alpn, rustls::DEFAULT_VERSIONS).await.unwrap()
    }

    /// The same, when it may fail.
    pub async fn try_tls(
        &self,
        name: &str,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> std::io::Result<TlsClient> {
        let stream = TcpStream::connect(self.https).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(tls::client(alpn, versions)).connect(name, stream).await
    }

    /// A hyper client over HTTP/1.1 in the clear.
    pub async fn http1(&self) -> Client {
        Client::http1(TcpStream::connect(self.http).await.unwrap()).await
    }

    /// A hyper client over HTTP/2 in the clear.
    pub async fn http2(&self) -> Client {
        Client::http2(TcpStream::connect(self.http).await.unwrap()).await
    }

    /// A hyper client over HTTP/2 and TLS.
    pub async fn http2_tls(&self, name: &str) -> Client {
        let stream = self.tls(name, &["h2"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Client::http2(stream).await
    }
}

/// One connection of a hyper client.
pub struct Client {
    sender: Sender,
    /// Ends with the connection.
    pub ended: tokio::task::JoinHandle<bool>,
}

enum Sender {
    Http1(http1::SendRequest<Feed>),
    Http2(http2::SendRequest<Feed>),
}

impl Client {
    async fn http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let ended = tokio::spawn(async move { connection.await.is_ok() });
        Self { sender: Sender::Http1(sender), ended }
    }

    async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) =
            http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
        let ended = tokio::spawn(async move { connection.await.is_ok() });
        Self { sender: Sender::Http2(sender), ended }
    }

    /// The head of the answer, its body still to come.
    pub async fn begin(&mut self, request: Request<Feed>) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// The whole answer.
    pub async fn send(&mut self, request: Request<Feed>) -> Answer {
        finish(self.begin(request).await.unwrap()).await
    }

    /// Sends a request whose answer is waited for later.
    pub async fn start(&mut self, request: Request<Feed>) -> impl Future<Output = Answer> + use<> {
        let Sender::Http2(sender) = &mut self.sender else { panic!("one at a time over HTTP/1") };
        sender.ready().await.unwrap();
        let answer = sender.send_request(request);
        let task = tokio::spawn(async move { finish(answer.await.unwrap()).await });
        async move { task.await.unwrap() }
    }

    /// The whole answer to a GET.
    pub async fn get(&mut self, host: &str, target: &str) -> Answer {
        let request = self.request("GET", host, target).body(whole("")).unwrap();
        self.send(request).await
    }

    /// A request to be completed.
    pub fn request(&self, method: &str, host: &str, target: &str) -> http::request::Builder {
        match self.sender {
            Sender::Http1(_) => Request::builder().method(method).uri(target).header("host", host),
            Sender::Http2(_) => Request::builder()
                .method(method)
                .uri(format!("http://{host}{target}"))
                .version(http::Version::HTTP_2),
        }
    }
}

/// Reads the rest of an answer.
pub async fn finish(answer: Response<Incoming>) -> Answer {
    let (parts, body) = answer.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let body = collected.to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body, trailers }
}

/// The next piece of a body; `None` at its end.
pub async fn piece(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = body.frame().await?.unwrap();
        if let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) {
            return Some(data);
        }
    }
}
