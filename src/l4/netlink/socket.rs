//! Sockets.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, sockopt};

use super::parse::{Message, attributes, messages, native32, text};

/// The kernel's answer comes within this time or never.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest message that is received: the kernel writes 32 KiB at once.
const LONGEST: usize = 1 << 18;
/// An answer, or an error.
const ERROR: u16 = 2;
/// The end of a dump.
const DONE: u16 = 3;
/// What was dumped changed meanwhile.
const INTERRUPTED: u16 = 0x10;
/// The message in an error answer is not repeated whole.
const CAPPED: u16 = 0x100;
/// Attributes follow the error.
const WITH_ATTRIBUTES: u16 = 0x200;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was done.
    pub doing: &'static str,
    /// What the system says: an error number; 0 when it did not say anything.
    pub errno: i32,
    /// What the kernel said about it, or nothing.
    pub said: String,
}

impl Error {
    pub(in crate::l4) fn new(doing: &'static str, errno: i32) -> Self {
        Self { doing, errno, said: String::new() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.doing)?;
        match self.errno {
            0 => f.write_str("no answer from the kernel")?,
            number => write!(f, "{}", io::Error::from_raw_os_error(number))?,
        }
        if !self.said.is_empty() {
            write!(f, " ({})", self.said)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// What the kernel says to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::l4) struct Answer {
    /// The number of the message.
    pub(in crate::l4) sequence: u32,
    /// The error number; 0 when all is well.
    pub(in crate::l4) errno: i32,
    /// In words, where the kernel has any.
    pub(in crate::l4) said: String,
    /// Where in the message the wrong attribute is.
    pub(in crate::l4) offset: Option<usize>,
}

impl Answer {
    fn read(message: &Message<'_>) -> Option<Self> {
        let errno = native32(message.body)?.cast_signed().wrapping_neg();
        let mut answer = Self { sequence: message.sequence, errno, said: String::new(), offset: None };
        if message.flags & WITH_ATTRIBUTES != 0 {
            let repeated = native32(message.body.get(4..)?)? as usize;
            let skip = if message.flags & CAPPED == 0 { repeated.next_multiple_of(4) } else { 16 };
            for (kind, value) in attributes(message.body.get(4 + skip..).unwrap_or_default()) {
                match kind {
                    1 => text(value).unwrap_or_default().clone_into(&mut answer.said),
                    2 => answer.offset = native32(value).map(|offset| offset as usize),
                    _ => {}
                }
            }
        }
        Some(answer)
    }
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::l4) enum Next<'a> {
    /// Messages.
    Bytes(&'a [u8]),
    /// Nothing waits.
    Nothing,
    /// Something that did not fit was lost.
    Lost,
}

/// A socket to netfilter, in the network namespace of the thread that opened it.
pub(in crate::l4) struct Socket {
    inner: netlink_sys::Socket,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket that hears of what happens in the groups of the mask, with room for so many bytes of answers.
    pub(in crate::l4) fn open(groups: u32, room: usize) -> Result<Self, Error> {
        let doing = "cannot open a netlink socket";
        let wrong = |errno: Errno| Error::new(doing, errno.raw_os_error());
        let socket = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_NETFILTER)
            .map_err(|error| Error::new(doing, error.raw_os_error().unwrap_or_default()))?;
        // Answers are longer and better with these; without, the rest works.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups)).map_err(wrong)?;
        let address = rustix::net::getsockname(&socket).map_err(wrong)?;
        let port = SocketAddrNetlink::try_from(address).map_err(wrong)?.pid();
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE)).map_err(wrong)?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, room).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, room);
        }
        Ok(Self { inner: socket, port, sequence: 0, buffer: vec![0; LONGEST] })
    }

    /// By which number others know this socket.
    pub(in crate::l4) fn port(&self) -> u32 {
        self.port
    }

    /// The first of so many numbers of messages.
    pub(in crate::l4) fn numbers(&mut self, count: u32) -> u32 {
        if self.sequence.checked_add(count).is_none() {
            self.sequence = 0;
        }
        let first = self.sequence + 1;
        self.sequence += count;
        first
    }

    /// Sends messages as one. When this returns, the kernel has done what they ask.
    pub(in crate::l4) fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let needed = bytes.len() + 4096;
        if sockopt::socket_send_buffer_size(&self.inner)? < needed
            && sockopt::set_socket_send_buffer_size_force(&self.inner, needed).is_err()
        {
            sockopt::set_socket_send_buffer_size(&self.inner, needed)?;
        }
        loop {
            match rustix::net::send(&self.inner, bytes, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// What is there to be received, without waiting.
    pub(in crate::l4) fn receive(&mut self) -> Result<Next<'_>, Errno> {
        self.take(RecvFlags::DONTWAIT)
    }

    fn take(&mut self, flags: RecvFlags) -> Result<Next<'_>, Errno> {
        loop {
            let all = self.buffer.as_mut_slice();
            match rustix::net::recv(&self.inner, all, flags | RecvFlags::TRUNC) {
                Ok((_, length)) if length > self.buffer.len() => {
                    self.buffer.resize(length, 0);
                    return Ok(Next::Lost);
                }
                Ok((_, length)) => return Ok(Next::Bytes(&self.buffer[..length])),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Next::Nothing),
                Err(Errno::NOBUFS) => return Ok(Next::Lost),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// All answers to messages that were sent as one: the kernel gave them while they were sent. The flag says whether
    /// there were more, which did not fit.
    pub(in crate::l4) fn answers(&mut self, first: u32) -> Result<(Vec<Answer>, bool), Errno> {
        let (mut answers, mut lost) = (Vec::new(), false);
        loop {
            match self.receive()? {
                Next::Nothing => return Ok((answers, lost)),
                Next::Lost => lost = true,
                Next::Bytes(bytes) => {
                    let errors = messages(bytes).filter(|message| message.kind == ERROR);
                    answers.extend(errors.filter_map(|error| Answer::read(&error)));
                }
            }
            answers.retain(|answer| answer.sequence >= first);
        }
    }

    /// Sends one message and hands over each that comes back. Says whether what was told held together: nothing
    /// changed meanwhile and nothing was lost.
    pub(in crate::l4) fn ask(
        &mut self,
        doing: &'static str,
        bytes: &[u8],
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<bool, Error> {
        let wrong = |errno: Errno| Error::new(doing, errno.raw_os_error());
        let sequence = native32(bytes.get(8..).unwrap_or_default()).unwrap_or_default();
        self.send(bytes).map_err(wrong)?;
        let mut whole = true;
        loop {
            let bytes = match self.take(RecvFlags::empty()).map_err(wrong)? {
                Next::Nothing => return Err(Error::new(doing, 0)),
                Next::Lost => {
                    whole = false;
                    continue;
                }
                Next::Bytes(bytes) => bytes,
            };
            for message in messages(bytes).filter(|message| message.sequence == sequence) {
                whole &= message.flags & INTERRUPTED == 0;
                match message.kind {
                    ERROR | DONE => {
                        let answer = Answer::read(&message).filter(|answer| answer.errno != 0);
                        return answer.map_or(Ok(whole), |answer| {
                            Err(Error { doing, errno: answer.errno, said: answer.said })
                        });
                    }
                    _ => each(&message),
                }
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.port)
    }
}
