//! Connections: accept, find an endpoint that answers, pass bytes both ways.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::port::{Client, Port};
use super::pump::{broken, pump};
use super::socket;
use super::worker::{Open, Peers};
use crate::l4::desired::Place;
use crate::l4::ruleset::Target;

/// How long each try to connect may take, as kube-proxy's user space mode had it; then the client is given up.
const PATIENCE: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// How many endpoints may say no, which takes no time, before the client is given up.
const REFUSALS: usize = 16;
/// How long accepting rests after an error such as too many open files.
const REST: Duration = Duration::from_millis(100);

/// Where clients come to.
pub(super) struct Entrance {
    /// The port they want.
    pub(super) port: Arc<Port>,
    /// The kind of address they come to.
    pub(super) place: Place,
}

/// Accepts until told to stop.
pub(super) async fn accept(
    listener: TcpListener,
    entrance: Arc<Entrance>,
    peers: Peers,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => peers.place(stream, peer, &entrance),
                Err(error) => {
                    tracing::warn!("accepting a connection to a Service failed: {error}");
                    tokio::time::sleep(REST).await;
                }
            },
            _ = &mut stop => return,
        }
    }
}

/// Serves one client until both sides are done.
pub(super) async fn serve(client: TcpStream, peer: SocketAddr, entrance: Arc<Entrance>, _open: Open) {
    let who = Client { address: peer.ip(), place: entrance.place };
    let endpoint = if entrance.port.admits(who) { dial(&entrance.port, who).await } else { None };
    drop(entrance); // a connection outlives what led to it
    let Some(endpoint) = endpoint else { return socket::reset_at_close(&client) };
    if let Err(error) = both_ways(&client, &endpoint).await {
        tracing::debug!("a connection of {peer} broke: {error}");
        socket::reset_at_close(&client);
        socket::reset_at_close(&endpoint);
    }
}

/// A connection to an endpoint: to another one when one does not answer, and with more patience each time.
async fn dial(port: &Port, client: Client) -> Option<TcpStream> {
    let mut tried: Vec<Target> = Vec::new();
    let (mut waited, mut refused) = (0, 0);
    while waited < PATIENCE.len() && refused < REFUSALS {
        let Some(target) = port.pick(client, &tried) else {
            // None is left. Those that said no will not say yes; those that said nothing may have been slow.
            if tried.len() <= refused || waited == 0 {
                return None;
            }
            tried.clear();
            refused = 0;
            continue;
        };
        match timeout(PATIENCE[waited], connect(target)).await {
            Ok(Ok(stream)) => {
                port.sent(client, target);
                return Some(stream);
            }
            Ok(Err(error)) => {
                tracing::debug!("endpoint {target} does not take a connection: {error}");
                refused += 1;
            }
            Err(_) => {
                tracing::debug!("endpoint {target} does not answer within {:?}", PATIENCE[waited]);
                waited += 1;
            }
        }
        tried.push(target);
    }
    None
}

async fn connect(target: Target) -> io::Result<TcpStream> {
    let address = SocketAddr::new(target.address, target.port);
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket::prepare(&SockRef::from(&socket))?;
    socket.connect(address).await
}

async fn both_ways(client: &TcpStream, endpoint: &TcpStream) -> io::Result<()> {
    let mut up = std::pin::pin!(pump(client, endpoint));
    let mut down = std::pin::pin!(pump(endpoint, client));
    // Whoever has ended is not read from any more, so a reset of his is looked for.
    tokio::select! {
        ended = &mut up => {
            ended?;
            tokio::select! { ended = down => ended, error = broken(client) => Err(error) }
        }
        ended = &mut down => {
            ended?;
            tokio::select! { ended = up => ended, error = broken(endpoint) => Err(error) }
        }
    }
}
