//! Backends: an echo, scripted ones over raw sockets, and HTTP/2 ones for gRPC. They end with the test's runtime.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::tls;
use crate::wire::Wire;

/// A body that a test feeds piece by piece.
#[derive(Debug)]
pub struct Feed(mpsc::Receiver<Frame<Bytes>>);

/// The other end of a [`Feed`]; dropping it ends the body.
pub type Feeder = mpsc::Sender<Frame<Bytes>>;

pub fn feed() -> (Feeder, Feed) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Feed(receiver))
}

/// A body at hand.
pub fn whole(text: impl Into<Bytes>) -> Feed {
    let (sender, body) = feed();
    let bytes = text.into();
    if !bytes.is_empty() {
        sender.try_send(Frame::data(bytes)).unwrap();
    }
    body
}

impl http_body::Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

/// A listening backend and what it counted.
#[derive(Clone)]
pub struct Backend {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Backend {
    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests it counted; scripted ones count with [`Backend::count`].
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Runs `script` for every connection, with the connection's number from 0.
    pub async fn raw<F>(
        script: impl Fn(Wire<TcpStream>, usize, Arc<AtomicUsize>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let counts = backend.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let number = counts.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Wire::new(stream), number, counts.requests.clone()));
            }
        });
        backend
    }

    /// Reads one head without body after the other and answers each with these bytes.
    pub async fn fixed(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::raw(move |mut wire, _, requests| {
            let answer = answer.clone();
            async move {
                while wire.head().await.is_some() {
                    requests.fetch_add(1, Ordering::SeqCst);
                    if !wire.try_send(&answer).await || answer.contains("onnection: close") {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Answers 200 with its name.
    pub async fn named(name: &str) -> Self {
        Self::fixed(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())).await
    }

    /// Answers with the request it saw: its line, its fields, a blank line, its body.
    pub async fn echo() -> Self {
        Self::http(|request| async move { Response::new(whole(describe(request).await)) }, Speak::Http1).await
    }

    /// An HTTP server.
    pub async fn http<F>(
        serve: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        speak: Speak,
    ) -> Self
    where
        F: Future<Output = Response<Feed>> + Send + 'static,
    {
        let acceptor = speak.is_tls().then(|| {
            let alpn = if matches!(speak, Speak::Http2Tls) { "h2" } else { "http/1.1" };
            TlsAcceptor::from(tls::server(&tls::pair(&["backend.test"]), &[alpn]))
        });
        Self::raw(move |wire, _, requests| {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            async move {
                match acceptor {
                    None => speak.run(wire.stream, serve, requests).await,
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(wire.stream).await else { return };
                        speak.run(stream, serve, requests).await;
                    }
                }
            }
        })
        .await
    }
}

/// What a backend speaks.
#[derive(Clone, Copy, Debug)]
pub enum Speak {
    Http1,
    Http1Tls,
    Http2,
    Http2Tls,
}

impl Speak {
    fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    async fn run<S, F>(
        self,
        stream: S,
        serve: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        requests: Arc<AtomicUsize>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Response<Feed>> + Send + 'static,
    {
        let service = service_fn(move |request| {
            requests.fetch_add(1, Ordering::SeqCst);
            let answer = serve(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let io = TokioIo::new(stream);
        let _ = match self {
            Self::Http1 | Self::Http1Tls => {
                hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
            }
            Self::Http2 | Self::Http2Tls => {
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.enable_connect_protocol().serve_connection(io, service).await
            }
        };
    }
}

/// A request as an echo backend tells it.
pub async fn describe(request: Request<Incoming>) -> String {
    let (parts, body) = request.into_parts();
    let mut text = format!("{} {} {:?}\n", parts.method, parts.uri, parts.version);
    tell(&mut text, &parts.headers);
    let collected = body.collect().await.expect("a whole body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let _ = write!(text, "\n{}", String::from_utf8_lossy(&collected.to_bytes()));
    if !trailers.is_empty() {
        text.push_str("\ntrailers\n");
        tell(&mut text, &trailers);
    }
    text
}

fn tell(text: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
}

/// An address where nothing listens.
pub fn refusing() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
