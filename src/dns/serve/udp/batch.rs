//! Many datagrams in one system call (recvmmsg, sendmmsg), in memory that was set aside before.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, SockaddrIn6,
    SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg, sendmsg, setsockopt, sockopt,
};
use socket2::Socket;

use super::{BATCH, LARGEST, To};

/// From one buffer to the next: a line more than a power of two, so that not all begin in the same set of the cache.
const STRIDE: usize = LARGEST + 64;

pub(super) type V4 = SockaddrIn;
pub(super) type V6 = SockaddrIn6;

/// An address of one family, as the kernel has it. The kernel writes the lengths of addresses and control messages back;
/// they stay the same within a family, so that headers can be used again.
pub(super) trait Address: SockaddrLike + Copy + Send + 'static {
    fn socket(&self) -> SocketAddr;
    /// Room for the one control message that says where a datagram came to, or goes from.
    fn control() -> Vec<u8>;
}

impl Address for SockaddrIn {
    fn socket(&self) -> SocketAddr {
        SocketAddrV4::from(*self).into()
    }

    fn control() -> Vec<u8> {
        cmsg_space!(libc::in_pktinfo)
    }
}

impl Address for SockaddrIn6 {
    fn socket(&self) -> SocketAddr {
        SocketAddrV6::from(*self).into()
    }

    fn control() -> Vec<u8> {
        cmsg_space!(libc::in6_pktinfo)
    }
}

/// Queries as they came.
pub(super) struct Incoming<A> {
    headers: MultiHeaders<A>,
    bytes: Box<[u8]>,
    arrived: [Option<Arrived<A>>; BATCH],
}

/// One datagram.
#[derive(Clone, Copy)]
pub(super) struct Arrived<A> {
    pub(super) length: usize,
    /// It was longer than the buffer.
    pub(super) cut: bool,
    pub(super) from: A,
    pub(super) to: Option<To>,
}

impl<A: Address> Incoming<A> {
    /// `wildcard`: the socket is on all addresses, and each datagram tells which one it came to.
    pub(super) fn new(wildcard: bool) -> Self {
        let headers = MultiHeaders::preallocate(BATCH, wildcard.then(A::control));
        Self { headers, bytes: vec![0; STRIDE * BATCH].into(), arrived: [None; BATCH] }
    }

    /// Waits for datagrams, or takes only what is there; gives how many.
    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: bool) -> io::Result<usize> {
        let mut buffers = self.bytes.chunks_exact_mut(STRIDE);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(&mut buffers.next().unwrap_or_default()[..LARGEST])]);
        let flags = if wait { MsgFlags::MSG_WAITFORONE } else { MsgFlags::MSG_DONTWAIT };
        let got = recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut slices, flags, None)?;
        let mut count = 0;
        for (message, place) in got.zip(&mut self.arrived) {
            *place = arrived(&message);
            count += 1;
        }
        Ok(count)
    }

    /// A datagram of those received last; `None` when its sender is not known.
    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<(&[u8], Arrived<A>)> {
        let arrived = (*self.arrived.get(index)?)?;
        let begin = index * STRIDE;
        Some((self.bytes.get(begin..begin + arrived.length)?, arrived))
    }
}

#[inline]
fn arrived<A: Address>(message: &RecvMsg<'_, '_, A>) -> Option<Arrived<A>> {
    let to = match message.cmsgs() {
        Ok(mut messages) => messages.find_map(|message| To::read(&message)),
        Err(_) => None,
    };
    let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
    Some(Arrived { length: message.bytes.min(LARGEST), cut, from: message.address?, to })
}

/// Replies to be sent.
pub(super) struct Outgoing<A> {
    plain: MultiHeaders<A>,
    /// With room for the address that replies leave from.
    from: MultiHeaders<A>,
    bytes: Box<[u8]>,
    lengths: [usize; BATCH],
    addresses: [Option<A>; BATCH],
    leave: [Option<To>; BATCH],
    count: usize,
}

impl<A: Address> Outgoing<A> {
    pub(super) fn new() -> Self {
        Self {
            plain: MultiHeaders::preallocate(BATCH, None),
            from: MultiHeaders::preallocate(BATCH, Some(A::control())),
            bytes: vec![0; STRIDE * BATCH].into(),
            lengths: [0; BATCH],
            addresses: [None; BATCH],
            leave: [None; BATCH],
            count: 0,
        }
    }

    /// Room for the next reply.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u8] {
        let begin = self.count * STRIDE;
        &mut self.bytes[begin..begin + LARGEST]
    }

    /// What was put into the room is a reply of that length. There are at most as many as were received at once.
    #[inline]
    pub(super) fn push(&mut self, length: usize, to: A, from: Option<To>) {
        self.lengths[self.count] = length;
        self.addresses[self.count] = Some(to);
        self.leave[self.count] = from;
        self.count += 1;
    }

    /// Sends all. What the network does not take is lost, as it would be on the way.
    pub(super) fn send(&mut self, socket: &UdpSocket) {
        let mut begin = 0;
        while begin < self.count {
            let from = self.leave[begin];
            let run = self.leave[begin..self.count].iter().take_while(|other| **other == from).count();
            begin += match self.send_run(socket, begin, run, from) {
                Ok(sent) => sent.max(1),
                // It belongs to the first one, or to one sent before.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(_) => 1,
            };
        }
        self.count = 0;
    }

    /// One call has one address to leave from.
    fn send_run(
        &mut self,
        socket: &UdpSocket,
        begin: usize,
        run: usize,
        from: Option<To>,
    ) -> io::Result<usize> {
        let mut buffers = self.bytes.chunks_exact(STRIDE).skip(begin).zip(&self.lengths[begin..]);
        let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            [IoSlice::new(buffers.next().map_or(&[], |(bytes, length)| &bytes[..*length]))]
        });
        let (slices, addresses) = (&slices[..run], &self.addresses[begin..begin + run]);
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
        let sent = match from {
            None => sendmmsg(fd, &mut self.plain, slices, addresses, [], flags)?.count(),
            Some(To::V4(address)) => {
                let info = info_v4(address);
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmmsg(fd, &mut self.from, slices, addresses, control, flags)?.count()
            }
            Some(To::V6(address, interface)) => {
                let info = info_v6(address, interface);
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmmsg(fd, &mut self.from, slices, addresses, control, flags)?.count()
            }
        };
        Ok(sent)
    }
}

impl To {
    fn read(message: &ControlMessageOwned) -> Option<Self> {
        match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Self::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr))))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let interface = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                Some(Self::V6(address, interface))
            }
            _ => None,
        }
    }
}

fn info_v4(address: Ipv4Addr) -> libc::in_pktinfo {
    let own = libc::in_addr { s_addr: u32::from(address).to_be() };
    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: libc::in_addr { s_addr: 0 } }
}

fn info_v6(address: Ipv6Addr, interface: u32) -> libc::in6_pktinfo {
    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: address.octets() }, ipi6_ifindex: interface }
}

/// Datagrams will come with the address they came to.
pub(in crate::dns::serve) fn ask_for_destination(socket: &Socket, v6: bool) -> io::Result<()> {
    if v6 {
        return Ok(setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?);
    }
    Ok(setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?)
}

/// Sends one reply, if there is room for it.
pub(in crate::dns::serve) fn send_one(
    socket: &UdpSocket,
    bytes: &[u8],
    client: SocketAddr,
    from: Option<To>,
) -> io::Result<()> {
    let (fd, slices, client) = (socket.as_raw_fd(), [IoSlice::new(bytes)], SockaddrStorage::from(client));
    let send = |control: &[ControlMessage<'_>]| {
        sendmsg(fd, &slices, control, MsgFlags::MSG_DONTWAIT, Some(&client)).map(drop).map_err(Into::into)
    };
    match from {
        None => send(&[]),
        Some(To::V4(address)) => send(&[ControlMessage::Ipv4PacketInfo(&info_v4(address))]),
        Some(To::V6(address, interface)) => {
            send(&[ControlMessage::Ipv6PacketInfo(&info_v6(address, interface))])
        }
    }
}
