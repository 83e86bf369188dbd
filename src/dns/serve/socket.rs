//! Sockets for an address: as many as there are threads, for UDP and TCP, on the same port.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

const BACKLOG: i32 = 4096;
/// Datagrams wait here while a thread is busy, in bytes. The kernel may give less.
const RECEIVE: usize = 4 << 20;
const SEND: usize = 2 << 20;
/// How often a waiting thread looks whether it is to stop.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How often a port is looked for that is free for both protocols.
const TRIES: usize = 50;

/// The sockets of one address.
pub(super) struct Bound {
    /// With the port that was chosen.
    pub(super) address: SocketAddr,
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

/// Binds so many sockets of either protocol. Port 0: one that both have free.
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Bound> {
    for _ in 0..TRIES {
        match attempt(address, count) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 => {}
            other => return other,
        }
    }
    attempt(address, count)
}

fn attempt(address: SocketAddr, count: usize) -> io::Result<Bound> {
    let first = udp(address, true)?;
    let chosen = SocketAddr::new(address.ip(), first.local_addr()?.port());
    let address = with_port(address, chosen.port());
    let mut bound = Bound { address, udp: vec![first], tcp: vec![tcp(address, true)?] };
    for _ in 1..count {
        bound.udp.push(udp(address, false)?);
        bound.tcp.push(tcp(address, false)?);
    }
    Ok(bound)
}

/// Keeps the scope of an IPv6 address.
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

fn udp(address: SocketAddr, first: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    only_v6(&socket, address)?;
    // Less room is no reason not to serve.
    let _ = socket.set_recv_buffer_size(RECEIVE);
    let _ = socket.set_send_buffer_size(SEND);
    socket.set_read_timeout(Some(LOOK))?;
    if address.ip().is_unspecified() {
        super::udp::ask_for_destination(&socket, address.is_ipv6())?;
    }
    share_and_bind(&socket, address, first)?;
    Ok(socket.into())
}

fn tcp(address: SocketAddr, first: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    only_v6(&socket, address)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    share_and_bind(&socket, address, first)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The first socket of an address is bound without sharing, so that another program there is noticed.
fn share_and_bind(socket: &Socket, address: SocketAddr, first: bool) -> io::Result<()> {
    if !first {
        share(socket)?;
    }
    socket.bind(&address.into())?;
    if first { share(socket) } else { Ok(()) }
}

#[cfg(unix)]
fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share(_: &Socket) -> io::Result<()> {
    Ok(())
}

/// Each family has sockets of its own.
fn only_v6(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sockets_of_an_address_share_one_port_that_nobody_else_gets() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_eq!((bound.udp.len(), bound.tcp.len()), (3, 3));
        for socket in &bound.udp {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
        }
        for socket in &bound.tcp {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
        }
        let error = bind(bound.address, 1).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
