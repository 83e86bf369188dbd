//! One datagram at a time, where the system has no calls for many. Replies leave from the address that the system chooses.

use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, UdpSocket};

use socket2::Socket;

use super::{LARGEST, To};

/// An address.
pub(super) trait Address: Copy + Send + 'static {
    fn socket(&self) -> SocketAddr;
}

/// Addresses are the same for both families here.
#[derive(Clone, Copy)]
pub(super) struct V4(SocketAddr);
pub(super) type V6 = V4;

impl Address for V4 {
    fn socket(&self) -> SocketAddr {
        self.0
    }
}

pub(super) struct Incoming<A> {
    bytes: Box<[u8]>,
    arrived: Option<Arrived<V4>>,
    family: PhantomData<A>,
}

#[derive(Clone, Copy)]
pub(super) struct Arrived<A> {
    pub(super) length: usize,
    pub(super) cut: bool,
    pub(super) from: A,
    pub(super) to: Option<To>,
}

impl<A> Incoming<A> {
    pub(super) fn new(_: bool) -> Self {
        Self { bytes: vec![0; LARGEST + 1].into(), arrived: None, family: PhantomData }
    }

    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: bool) -> io::Result<usize> {
        socket.set_nonblocking(!wait)?;
        let (length, from) = socket.recv_from(&mut self.bytes)?;
        let cut = length > LARGEST;
        self.arrived = Some(Arrived { length: length.min(LARGEST), cut, from: V4(from), to: None });
        Ok(1)
    }

    pub(super) fn at(&self, _: usize) -> Option<(&[u8], Arrived<V4>)> {
        let arrived = self.arrived?;
        Some((self.bytes.get(..arrived.length)?, arrived))
    }
}

pub(super) struct Outgoing<A> {
    bytes: Box<[u8]>,
    replies: Vec<(Vec<u8>, SocketAddr)>,
    family: PhantomData<A>,
}

impl<A: Address> Outgoing<A> {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; LARGEST].into(), replies: Vec::new(), family: PhantomData }
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn push(&mut self, length: usize, to: V4, _: Option<To>) {
        self.replies.push((self.bytes[..length].to_vec(), to.0));
    }

    pub(super) fn send(&mut self, socket: &UdpSocket) {
        for (bytes, to) in self.replies.drain(..) {
            let _ = socket.send_to(&bytes, to);
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the same on every system")]
pub(in crate::dns::serve) fn ask_for_destination(_: &Socket, _: bool) -> io::Result<()> {
    Ok(())
}

/// Sends one reply.
pub(in crate::dns::serve) fn send_one(
    socket: &UdpSocket,
    bytes: &[u8],
    client: SocketAddr,
    _: Option<To>,
) -> io::Result<()> {
    socket.send_to(bytes, client).map(drop)
}
