//! Sends one request of the demo's checks through a real socket.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, LOCATION};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Place;
use super::tries::{Answer, Try};
use crate::app::probe;

/// Time for a request and its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends the request on a connection of its own.
pub(super) async fn send(attempt: &Try, place: &Place, certificate: &str) -> Result<Answer, String> {
    match timeout(PATIENCE, exchange(attempt, place, certificate)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

async fn exchange(attempt: &Try, place: &Place, certificate: &str) -> Result<Answer, String> {
    if !attempt.tls {
        let stream = TcpStream::connect(place.http).await.map_err(|e| e.to_string())?;
        return over_http1(attempt, stream).await;
    }
    let alpn = if attempt.http2 { "h2" } else { "http/1.1" };
    let stream = probe::connect(place.https, attempt.host, certificate, &[alpn]).await;
    let stream = stream.map_err(|e| format!("TLS: {e}"))?;
    if attempt.http2 { over_http2(attempt, stream).await } else { over_http1(attempt, stream).await }
}

async fn over_http1<S>(attempt: &Try, stream: S) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(attempt.path).header(HOST, attempt.host);
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    read(sender.send_request(request).await.map_err(|e| e.to_string())?).await
}

async fn over_http2<S>(attempt: &Try, stream: S) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(format!("https://{}{}", attempt.host, attempt.path));
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    read(sender.send_request(request).await.map_err(|e| e.to_string())?).await
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let status = response.status().as_u16();
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.unwrap_or_default().to_owned();
    let body = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
    Ok(Answer { status, location, body: String::from_utf8_lossy(&body).into_owned() })
}
