//! Backends of the demo: each says who it is and what it was sent.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Name of each backend, and the port that stands for it in the example's YAML.
const BACKENDS: [(&str, u16); 5] =
    [("storefront", 9101), ("cart-1", 9102), ("cart-2", 9103), ("docs", 9104), ("api", 9105)];

/// The running backends.
pub(super) struct Backends {
    /// The port in the example's YAML, and the one that is listened on.
    pub(super) ports: Vec<(u16, u16)>,
}

impl Backends {
    /// Starts all on ports the kernel chooses. They end with the runtime.
    pub(super) async fn start() -> io::Result<Self> {
        let mut ports = Vec::new();
        for (name, written) in BACKENDS {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push((written, listener.local_addr()?.port()));
            tokio::spawn(listen(name, listener));
        }
        Ok(Self { ports })
    }
}

async fn listen(name: &'static str, listener: TcpListener) {
    // An error is the client's: only Slipway connects here.
    while let Ok((stream, _)) = listener.accept().await {
        let echo = service_fn(move |request| async move { Ok::<_, Infallible>(echo(name, &request)) });
        let server = hyper::server::conn::http1::Builder::new();
        tokio::spawn(server.serve_connection(TokioIo::new(stream), echo));
    }
}

fn echo(name: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut text = format!("Hello from {name}\n\n{} {}\n", request.method(), request.uri());
    for (field, value) in request.headers() {
        let _ = writeln!(text, "{field}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    Response::new(Full::new(Bytes::from(text)))
}
