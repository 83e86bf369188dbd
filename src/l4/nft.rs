//! The kernel's tables: run a transaction, read back what is there, hear of others' changes. Speaks netlink.
//!
//! What is written here is what `nft` would write for the text of a [`crate::l4::ruleset::Ruleset`], except that each rule
//! carries its fingerprint as a comment. `nft list table ip slipway` shows it to people.

mod abi;
mod element;
mod encode;
mod expr;
mod field;
mod read;
mod set;
mod watch;

use std::fmt;
use std::io;
use std::net::IpAddr;

use abi::{generation, message, table};
use encode::{Batch, encode};

use super::diff::Command;
use super::netlink::{ACK, Answer, DUMP, REQUEST, Socket, Writer, be32, text};
use super::ruleset::{Element, Family, Frontend, Key, SetId, TABLE, Target, Value};

pub use super::netlink::Error;
pub use watch::{Touched, Watcher};

/// Room for answers: a batch whose every message is wrong has that many.
const ROOM: usize = 4 << 20;

/// The kernel's tables in the network namespace of the thread that opened this. Every call waits until the kernel is done,
/// from a millisecond to a second: call it from a thread that may wait.
#[derive(Debug)]
pub struct Kernel {
    socket: Socket,
}

/// Why nothing of a transaction was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The first command that cannot be done, by its place; `None` when the transaction failed as a whole.
    pub command: Option<usize>,
    /// The error number.
    pub errno: i32,
    /// What the kernel says.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    fn new(command: Option<usize>, errno: i32, said: &str) -> Self {
        let mut text = match errno {
            0 => "the kernel did not answer".to_owned(),
            number => io::Error::from_raw_os_error(number).to_string(),
        };
        if !said.is_empty() {
            text = format!("{text} ({said})");
        }
        Self { command, errno, text }
    }
}

impl Kernel {
    /// Opens the way to the kernel's tables. Needs no right; changing anything does (CAP_NET_ADMIN).
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open(0, ROOM)? })
    }

    /// By which number a [`Watcher`] knows what this one does.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Does all of it or nothing.
    pub fn apply(&mut self, commands: &[Command]) -> Result<(), Failure> {
        if commands.is_empty() {
            return Ok(());
        }
        match self.attempt(commands, usize::MAX) {
            // Nothing was done, so it can be tried again in small pieces to find out which one is wrong.
            Err(Failure { command: None, errno, .. }) if errno != 0 => self.attempt(commands, 1),
            result => result,
        }
    }

    fn attempt(&mut self, commands: &[Command], together: usize) -> Result<(), Failure> {
        let (batch, first, answers, lost) = self.run(commands, together)?;
        let wrong = answers.iter().filter(|answer| answer.errno != 0).min_by_key(|answer| answer.sequence);
        if let Some(answer) = wrong {
            let command = batch.command(answer.sequence - first, answer.offset);
            return Err(Failure::new(command, answer.errno, &answer.said));
        }
        let answered = answers.iter().any(|answer| answer.sequence == first + batch.answered());
        if answered && !lost { Ok(()) } else { Err(Failure::new(None, 0, "")) }
    }

    fn run(
        &mut self,
        commands: &[Command],
        together: usize,
    ) -> Result<(Batch, u32, Vec<Answer>, bool), Failure> {
        let first = self.socket.numbers(Batch::numbers(commands));
        let batch = encode(commands, first, together);
        let wrong = |errno: rustix::io::Errno| Failure::new(None, errno.raw_os_error(), "");
        self.socket.send(&batch.bytes).map_err(wrong)?;
        let (answers, lost) = self.socket.answers(first).map_err(wrong)?;
        Ok((batch, first, answers, lost))
    }

    /// A number that every transaction of anybody changes.
    pub fn generation(&mut self) -> Result<u32, Error> {
        let doing = "cannot ask for the generation of the rules";
        let mut found = None;
        self.ask(doing, message::GET_GENERATION, 0, nothing, |message| {
            found = found.or(message.attribute(generation::ID).and_then(be32));
        })?;
        found.ok_or_else(|| Error::new(doing, 0))
    }

    /// The tables of others, each with its family.
    pub fn other_tables(&mut self) -> Result<Vec<(String, String)>, Error> {
        let mut found = Vec::new();
        self.ask("cannot list the tables", message::GET_TABLE, 0, nothing, |message| {
            let family = match message.family() {
                1 => "inet",
                2 => "ip",
                3 => "arp",
                5 => "netdev",
                7 => "bridge",
                10 => "ip6",
                _ => "unknown",
            };
            let name = message.attribute(table::NAME).and_then(text).unwrap_or_default();
            if name != TABLE || !matches!(family, "ip" | "ip6") {
                found.push((family.to_owned(), name.to_owned()));
            }
        })?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// To which endpoints the kernel sends the clients that it remembers.
    pub fn remembered(&mut self, family: Family) -> Result<Vec<(Frontend, IpAddr, Target)>, Error> {
        let doing = "cannot list the clients that are remembered";
        // Clients come and go meanwhile: what is told need not hold together.
        let found = match self.elements(doing, family, SetId::Affinity) {
            Ok((found, _)) => found,
            Err(error) if error.errno == NOT_THERE => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let one = |element: Element| match (element.key, element.value) {
            (Key::Client(frontend, client), Value::Target(target)) => Some((frontend, client, target)),
            _ => None,
        };
        Ok(found.unwrap_or_default().into_iter().filter_map(one).collect())
    }

    /// Makes the kernel forget clients of frontends; says how many of them it knew.
    pub fn forget(&mut self, family: Family, clients: &[(Frontend, IpAddr)]) -> Result<usize, Failure> {
        let delete = |(frontend, client): &(Frontend, IpAddr)| {
            let key = Key::Client(*frontend, *client);
            Command::DeleteElement(None, Element { family, set: SetId::Affinity, key, value: Value::None })
        };
        let mut commands: Vec<Command> = clients.iter().map(delete).collect();
        // Those that vanish by themselves meanwhile are named by the kernel: the others are tried again.
        while !commands.is_empty() {
            let (batch, first, answers, lost) = self.run(&commands, 1)?;
            let mut gone = Vec::new();
            for answer in answers.iter().filter(|answer| answer.errno != 0) {
                match batch.command(answer.sequence - first, None) {
                    Some(command) if answer.errno == NOT_THERE => gone.push(command),
                    command => return Err(Failure::new(command, answer.errno, &answer.said)),
                }
            }
            if gone.is_empty() {
                return if lost { Err(Failure::new(None, 0, "")) } else { Ok(commands.len()) };
            }
            gone.sort_unstable();
            let mut at = 0..;
            commands.retain(|_| at.next().is_none_or(|at: usize| gone.binary_search(&at).is_err()));
        }
        Ok(0)
    }

    /// Asks for one thing, or for all of a kind, narrowed by what `fill` writes; says whether the answer holds together.
    fn ask(
        &mut self,
        doing: &'static str,
        kind: u16,
        family: u8,
        fill: impl FnOnce(&mut Writer),
        each: impl FnMut(&super::netlink::Message<'_>),
    ) -> Result<bool, Error> {
        // A dump says itself when it ends.
        let flags = if kind == message::GET_GENERATION { ACK } else { DUMP };
        let mut writer = Writer::default();
        writer.message(kind, REQUEST | flags, self.socket.numbers(1), family, 0);
        fill(&mut writer);
        self.socket.ask(doing, &writer.finish(), each)
    }
}

/// Asks for all.
fn nothing(_: &mut Writer) {}

/// ENOENT.
const NOT_THERE: i32 = rustix::io::Errno::NOENT.raw_os_error();

/// The number of an address family.
fn number(family: Family) -> u8 {
    match family {
        Family::Ip => 2,
        Family::Ip6 => 10,
    }
}

/// The address family with that number.
fn family(number: u8) -> Option<Family> {
    Family::ALL.into_iter().find(|family| self::number(*family) == number)
}
