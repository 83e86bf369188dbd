//! The limit for benches/dns: sends every datagram back with the response bit set, in the same batches as `slipway dns`.
//!
//!     dns_echo ADDRESS:PORT
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "bench helpers")]

#[cfg(target_os = "linux")]
fn main() {
    use std::io::{IoSlice, IoSliceMut};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

    const BATCH: usize = 32;
    let Some(address) = std::env::args().nth(1).filter(|text| text.contains(':')) else { return };
    let socket = UdpSocket::bind(address).unwrap();
    let mut buffers = vec![[0_u8; 4096]; BATCH];
    let mut received = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut sent = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    loop {
        let mut peers: [Option<SockaddrStorage>; BATCH] = [None; BATCH];
        let mut lengths = [0; BATCH];
        let mut count = 0;
        {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let Ok(messages) = recvmmsg(
                socket.as_raw_fd(),
                &mut received,
                slices.iter_mut(),
                MsgFlags::MSG_WAITFORONE,
                None,
            ) else {
                continue;
            };
            for message in messages {
                peers[count] = message.address;
                lengths[count] = message.bytes;
                count += 1;
            }
        }
        for buffer in &mut buffers[..count] {
            buffer[2] |= 0x80;
        }
        let slices: Vec<[IoSlice<'_>; 1]> =
            (0..count).map(|at| [IoSlice::new(&buffers[at][..lengths[at]])]).collect();
        let _ =
            sendmmsg(socket.as_raw_fd(), &mut sent, slices.iter(), &peers[..count], [], MsgFlags::empty());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
