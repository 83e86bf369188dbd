//! Hears of others who change our tables.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Kernel;
use super::abi::{generation, message};
use super::read::ours;
use crate::l4::netlink::{Error, Message, Next, Socket, be32, messages, text};

/// The group that hears of every change of the rules.
const CHANGES: u32 = 1 << 6;
/// Room for what was not yet looked at: the first load of a large cluster.
const ROOM: usize = 64 << 20;

/// Hears of every change of the rules in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Watcher {
    socket: AsyncFd<Socket>,
    seen: Seen,
}

/// Who changed a table of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Another process, or another part of this one.
    ByOther {
        /// Its name.
        process: String,
        /// Its number, as the whole machine counts.
        pid: u32,
    },
    /// More was changed than could be followed: perhaps a table of ours too.
    Unknown,
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByOther { process, pid } => write!(f, "process {process} ({pid}) changed our tables"),
            Self::Unknown => f.write_str("more rules were changed than could be followed"),
        }
    }
}

impl Watcher {
    /// Hears of everything from now on; what `kernel` does is left out. Call it inside of a runtime.
    pub fn open(kernel: &Kernel) -> Result<Self, Error> {
        let wrong =
            |error: io::Error| Error::new("cannot watch the rules", error.raw_os_error().unwrap_or_default());
        let socket = Socket::open(CHANGES, ROOM)?;
        #[expect(
            deprecated,
            reason = "the other form is unsafe; our socket keeps its descriptor while it lives"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE).map_err(wrong)?;
        Ok(Self { socket, seen: Seen { own: kernel.port(), touched: false, news: VecDeque::new() } })
    }

    /// Waits until somebody else has touched a table of ours. Nothing is lost when this is given up while it waits.
    pub async fn touched(&mut self) -> Touched {
        loop {
            if let Some(touched) = self.seen.news.pop_front() {
                return touched;
            }
            let Ok(mut ready) = self.socket.readable_mut().await else {
                // The runtime ends.
                return std::future::pending().await;
            };
            match ready.get_inner_mut().receive() {
                Ok(Next::Nothing) => ready.clear_ready(),
                Ok(Next::Bytes(bytes)) => messages(bytes).for_each(|message| self.seen.see(&message)),
                Ok(Next::Lost) | Err(_) => self.seen.lose(),
            }
        }
    }
}

/// What was heard.
#[derive(Debug)]
struct Seen {
    own: u32,
    /// Whether the transaction that is being told of touches a table of ours.
    touched: bool,
    news: VecDeque<Touched>,
}

impl Seen {
    fn see(&mut self, message: &Message<'_>) {
        if message.kind != message::NEW_GENERATION {
            self.touched |= message.port != self.own && ours(message).is_some();
            return;
        }
        if std::mem::take(&mut self.touched) {
            let process = message.attribute(generation::PROCESS_NAME).and_then(text).unwrap_or("?");
            let pid = message.attribute(generation::PROCESS).and_then(be32).unwrap_or_default();
            self.news.push_back(Touched::ByOther { process: process.to_owned(), pid });
        }
    }

    fn lose(&mut self) {
        self.touched = false;
        if self.news.back() != Some(&Touched::Unknown) {
            self.news.push_back(Touched::Unknown);
        }
    }
}
