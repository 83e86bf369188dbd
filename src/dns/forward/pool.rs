//! Connections to one upstream over TCP or TLS. What is idle is kept for a while; a connection carries one query at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::dns::wire::HEADER;

/// Idle connections at most.
const IDLE: usize = 32;

/// Where connections lead.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Idle connections of one upstream.
pub(super) struct Pool {
    route: Route,
    expire: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    stream: Stream,
    since: Instant,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Stream = Box<dyn Duplex>;

impl Pool {
    pub(super) fn new(route: Route, expire: Duration) -> Arc<Self> {
        Arc::new(Self { route, expire, idle: Mutex::default() })
    }

    /// Whether connections are encrypted.
    pub(super) fn encrypts(&self) -> bool {
        self.route.tls.is_some()
    }

    /// Sends a query and gives what comes back, and whether that was over a kept connection. The caller sets the time.
    pub(super) async fn ask(self: &Arc<Self>, query: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        // The other side may have closed it meanwhile; then nothing was said, and a new one is opened.
        if let Some(mut stream) = self.take()
            && let Ok(answer) = exchange(&mut stream, query).await
        {
            self.put(stream);
            return Ok((answer, true));
        }
        let mut stream = self.connect().await?;
        let answer = exchange(&mut stream, query).await?;
        self.put(stream);
        Ok((answer, false))
    }

    async fn connect(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(self.route.address).await?;
        tcp.set_nodelay(true)?;
        match &self.route.tls {
            None => Ok(Box::new(tcp)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), tcp).await?)),
        }
    }

    fn take(&self) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < self.expire);
        idle.pop().map(|kept| kept.stream)
    }

    fn put(self: &Arc<Self>, stream: Stream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.expire.is_zero() || idle.len() >= IDLE {
            return;
        }
        idle.push(Idle { stream, since: Instant::now() });
        if idle.len() == 1 {
            tokio::spawn(Self::sweep(Arc::downgrade(self), self.expire));
        }
    }

    /// Closes what was idle for too long, until nothing is left.
    async fn sweep(pool: Weak<Self>, expire: Duration) {
        loop {
            tokio::time::sleep(expire).await;
            let Some(pool) = pool.upgrade() else { return };
            let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|kept| kept.since.elapsed() < expire);
            if idle.is_empty() {
                return;
            }
        }
    }
}

/// One query and one answer, each after its length (RFC 1035 section 4.2.2).
async fn exchange(stream: &mut Stream, query: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    // In one piece: some servers do not put the length and the rest together again (RFC 7766 section 8).
    let framed = [&length.to_be_bytes()[..], query].concat();
    stream.write_all(&framed).await?;
    stream.flush().await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length < HEADER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message too short to be one"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
