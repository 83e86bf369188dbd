//! Small HTTP servers on the control thread: an answer for each request, bounded in connections and time.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at a time; more wait for one to end.
const CONNECTIONS: usize = 64;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Time for a request's head.
const HEAD: Duration = Duration::from_secs(10);

/// Time for a whole connection, so that a peer that does not read holds nothing for long.
const CONNECTION: Duration = Duration::from_mins(5);

/// What is answered.
pub(super) type Answer = Response<Full<Bytes>>;

/// Listens. An unspecified address of either family stands for all addresses of both.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_unspecified() {
        return listener(address);
    }
    let all = |ip: IpAddr| listener(SocketAddr::new(ip, address.port()));
    match all(Ipv6Addr::UNSPECIFIED.into()) {
        // A machine without IPv6 has no such address, or no such sockets.
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => all(Ipv4Addr::UNSPECIFIED.into()),
        bound => bound,
    }
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Answers until dropped; then connections end, too.
pub(super) async fn run(
    listener: TcpListener,
    answer: impl Fn(&Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
) {
    run_slowly(listener, move |request, _| ready(answer(&request))).await;
}

/// The same for answers that take time, or that depend on who asks.
pub(super) async fn run_slowly<F: Future<Output = Answer> + Send + 'static>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>, IpAddr) -> F + Clone + Send + Sync + 'static,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                while connections.try_join_next().is_some() {}
                let answer = answer.clone();
                let answer = move |request| answer(request, peer.ip().to_canonical());
                connections.spawn(async move {
                    // A peer that breaks off is its own business.
                    let _ = timeout(CONNECTION, serve(stream, answer)).await;
                    drop(slot);
                });
            }
            // Out of files, most likely: wait for some to be closed.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve<F: Future<Output = Answer>>(
    stream: TcpStream,
    answer: impl Fn(Request<Incoming>) -> F,
) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 << 10);
    server.serve_connection(TokioIo::new(stream), service).await
}

/// All metrics.
pub(super) fn metrics(text: String) -> Answer {
    typed("text/plain; version=0.0.4; charset=utf-8", text)
}

/// A value as JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Answer {
    match serde_json::to_string_pretty(value) {
        Ok(text) => typed("application/json", text + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

/// Plain text.
pub(super) fn text(status: StatusCode, body: &str) -> Answer {
    let mut response = typed("text/plain; charset=utf-8", body.to_owned());
    *response.status_mut() = status;
    response
}

fn typed(kind: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unspecified_address_stands_for_all_of_both_families() {
        let any = bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = any.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            assert!(TcpStream::connect(("::1", port)).await.is_ok());
        }
        let taken = bind(SocketAddr::from(([0, 0, 0, 0], port))).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_single_address_is_only_that_one() {
        let one = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(one.local_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 1]));
    }
}
