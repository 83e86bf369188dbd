//! Datagrams with the address they came to, so that the answer leaves from there.
//!
//! A socket on one address always answers from it. A socket on all addresses (NodePorts) must be told the address of each
//! datagram and say it with each answer: IP_PKTINFO, on Linux. Elsewhere the system chooses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{SockRef, Socket};
use tokio::net::UdpSocket;

/// One datagram: its length, who sent it and where it came to.
pub(super) struct Received {
    pub(super) len: usize,
    pub(super) from: SocketAddr,
    /// The address and, for addresses of a link, the interface; `None` when the socket has just one.
    pub(super) to: Option<To>,
}

/// Where a datagram came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct To {
    pub(super) address: IpAddr,
    pub(super) interface: u32,
}

/// Takes a datagram, if there is one.
pub(super) fn receive(socket: &UdpSocket, wildcard: bool, buffer: &mut [u8]) -> io::Result<Received> {
    if wildcard && cfg!(target_os = "linux") {
        return socket.try_io(tokio::io::Interest::READABLE, || linux::receive(socket, buffer));
    }
    let (len, from) = socket.try_recv_from(buffer)?;
    Ok(Received { len, from, to: None })
}

/// Sends an answer, if there is room for it.
pub(super) fn answer(
    socket: &UdpSocket,
    bytes: &[u8],
    client: SocketAddr,
    from: Option<To>,
) -> io::Result<()> {
    match from {
        None => SockRef::from(socket).send_to(bytes, &client.into()).map(drop),
        Some(from) => linux::answer(socket, bytes, client, from),
    }
}

/// Datagrams will come with the address they came to.
pub(super) fn ask_for_destination(socket: &Socket, v6: bool) -> io::Result<()> {
    linux::ask(socket, v6)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::os::fd::AsRawFd;

    use nix::libc;
    use nix::sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
    };
    use socket2::Socket;
    use tokio::net::UdpSocket;

    use super::{Received, To};

    pub(super) fn ask(socket: &Socket, v6: bool) -> io::Result<()> {
        if v6 {
            return Ok(setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?);
        }
        Ok(setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?)
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
        // Room for one message of either family, aligned by nobody: nix reads it without assuming that.
        let mut control = [0_u8; 64];
        let mut slices = [IoSliceMut::new(buffer)];
        let got = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let from = got.address.as_ref().and_then(address_of).ok_or(io::ErrorKind::InvalidData)?;
        let to = got.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let address = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
                Some(To { address: address.into(), interface: 0 })
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let interface = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                Some(To { address: address.into(), interface })
            }
            _ => None,
        });
        Ok(Received { len: got.bytes, from, to })
    }

    pub(super) fn answer(socket: &UdpSocket, bytes: &[u8], client: SocketAddr, from: To) -> io::Result<()> {
        let slices = [IoSlice::new(bytes)];
        let client = SockaddrStorage::from(client);
        let send = |message| {
            sendmsg(socket.as_raw_fd(), &slices, &[message], MsgFlags::MSG_DONTWAIT, Some(&client)).map(drop)
        };
        match from.address {
            IpAddr::V4(address) => {
                let own = libc::in_addr { s_addr: u32::from(address).to_be() };
                let none = libc::in_addr { s_addr: 0 };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: none };
                send(ControlMessage::Ipv4PacketInfo(&info))?;
            }
            IpAddr::V6(address) => {
                let own = libc::in6_addr { s6_addr: address.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: own, ipi6_ifindex: from.interface };
                send(ControlMessage::Ipv6PacketInfo(&info))?;
            }
        }
        Ok(())
    }

    fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::io;
    use std::net::SocketAddr;

    use socket2::{SockRef, Socket};
    use tokio::net::UdpSocket;

    use super::{Received, To};

    #[expect(clippy::unnecessary_wraps, reason = "the same on every system")]
    pub(super) fn ask(_: &Socket, _: bool) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
        let (len, from) = socket.try_recv_from(buffer)?;
        Ok(Received { len, from, to: None })
    }

    pub(super) fn answer(socket: &UdpSocket, bytes: &[u8], client: SocketAddr, _: To) -> io::Result<()> {
        SockRef::from(socket).send_to(bytes, &client.into()).map(drop)
    }
}
