//! How long the kernel remembers connections on which nothing happens.
//!
//! They are set through netlink and not as sysctls, because a container with no more than CAP_NET_ADMIN may not write below
//! /proc/sys. The sysctls `net.netfilter.nf_conntrack_tcp_timeout_*` show what is in force.

use super::super::netlink::{ACK, Error, REQUEST, Socket, Writer};

/// The kind of message: set the defaults of a protocol (NFNL_SUBSYS_CTNETLINK_TIMEOUT, IPCTNL_MSG_TIMEOUT_DEFAULT_SET).
const SET: u16 = 8 << 8 | 3;

const NETWORK: u16 = 2;
const TRANSPORT: u16 = 3;
const TIMES: u16 = 4;
const ESTABLISHED: u16 = 3;
const CLOSE_WAIT: u16 = 5;

const TCP: u8 = 6;
const IPV4: u8 = 2;
const ROOM: usize = 64 << 10;

/// Times in seconds; 0 leaves the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// An established TCP connection.
    pub established: u32,
    /// A TCP connection that one side has closed.
    pub close_wait: u32,
}

impl Timeouts {
    /// Sets them in the network namespace of this thread, for connections of both families.
    pub fn set(self) -> Result<(), Error> {
        let times = [(ESTABLISHED, self.established), (CLOSE_WAIT, self.close_wait)];
        if times.iter().all(|(_, secs)| *secs == 0) {
            return Ok(());
        }
        let doing = "cannot set how long connections are remembered";
        let wrong = |errno: rustix::io::Errno| Error::new(doing, errno.raw_os_error());
        let mut socket = Socket::open(0, ROOM)?;
        let first = socket.numbers(1);
        let mut writer = Writer::default();
        writer.message(SET, REQUEST | ACK, first, IPV4, 0);
        writer.put(NETWORK, &u16::from(IPV4).to_be_bytes());
        writer.put(TRANSPORT, &[TCP]);
        writer.nest(TIMES, |out| {
            for (kind, secs) in times.into_iter().filter(|(_, secs)| *secs != 0) {
                out.put_u32(kind, secs);
            }
        });
        socket.send(&writer.finish()).map_err(wrong)?;
        let (answers, _) = socket.answers(first).map_err(wrong)?;
        match answers.into_iter().find(|answer| answer.errno != 0) {
            Some(answer) => Err(Error { doing, errno: answer.errno, said: answer.said }),
            None => Ok(()),
        }
    }
}
