//! Sockets: listen, ask whether an address is this machine's, reset.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use ipnet::IpNet;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

const BACKLOG: i32 = 4096;
/// A peer that is silent for so long is asked whether it is there; after three questions without an answer it is not.
const KEEPALIVE: Duration = Duration::from_mins(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// Listens for connections. Accepted sockets inherit the settings.
pub(super) fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    only_v6(&socket, address)?;
    prepare(&SockRef::from(&socket))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Waits for datagrams.
pub(super) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    only_v6(&socket, address)?;
    if address.ip().is_unspecified() {
        super::datagram::ask_for_destination(&socket, address.is_ipv6())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A socket of its own for one client's datagrams to an endpoint.
pub(super) fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(target), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.connect(&target.into())?;
    Ok(socket.into())
}

/// What every TCP socket gets: nothing waits for more to send, and a peer that is gone is found out.
pub(super) fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL).with_retries(3),
    )
}

/// Each family has sockets of its own.
fn only_v6(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
}

/// Closing the socket will reset the connection.
pub(super) fn reset_at_close(socket: &tokio::net::TcpStream) {
    // Fails only for a connection that is gone already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Whether this machine has the address: only then a socket can have it.
pub(super) fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// Where NodePorts are listened on, in the family of `any` (0.0.0.0 or ::): the addresses of this machine that are in the
/// ranges. The unspecified one stands for all of them.
pub(super) fn node_addresses(any: IpAddr, ranges: &[IpNet]) -> Vec<IpAddr> {
    let own: Vec<&IpNet> = ranges.iter().filter(|range| range.addr().is_ipv4() == any.is_ipv4()).collect();
    if ranges.is_empty() || own.iter().any(|range| range.prefix_len() == 0) {
        return vec![any];
    }
    let (hosts, wide): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|range| range.prefix_len() == range.max_prefix_len());
    let mut all: Vec<IpAddr> = hosts.into_iter().map(IpNet::addr).collect();
    if !wide.is_empty() {
        all.extend(
            interfaces().into_iter().filter(|address| wide.iter().any(|range| range.contains(address))),
        );
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The addresses of this machine's interfaces.
#[cfg(target_os = "linux")]
fn interfaces() -> Vec<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(|interface| interface.address);
    all.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    })
    .collect()
}

/// Not known on this system: name each address.
#[cfg(not(target_os = "linux"))]
fn interfaces() -> Vec<IpAddr> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_is_its_own() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(is_own("127.9.9.9".parse().unwrap()));
        assert!(!is_own("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn node_ports_are_on_the_addresses_in_the_ranges() {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        let localhost: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(node_addresses(any, &[]), [any]);
        assert_eq!(node_addresses(any, &ranges(&["0.0.0.0/0"])), [any]);
        assert_eq!(
            node_addresses(any, &ranges(&["127.0.0.7/32", "::1/128"])),
            ["127.0.0.7".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(node_addresses("::".parse().unwrap(), &ranges(&["127.0.0.7/32"])), [] as [IpAddr; 0]);
        if cfg!(target_os = "linux") {
            assert_eq!(node_addresses(any, &ranges(&["127.0.0.0/8"])), [localhost]);
        }
    }
}
