//! Netlink: sockets, messages, attributes. Knows nothing of what the messages mean.

mod parse;
mod socket;
mod write;

pub(super) use parse::{Message, attribute, attributes, be32, messages, text};
pub use socket::Error;
pub(super) use socket::{Answer, Next, Socket};
pub(super) use write::Writer;

/// The message asks for something.
pub(super) const REQUEST: u16 = 0x001;
/// The message wants an answer even when all is well.
pub(super) const ACK: u16 = 0x004;
/// The message asks for all of a kind; also: what is new goes to the end.
pub(super) const DUMP: u16 = 0x300;
/// The message makes something.
pub(super) const CREATE: u16 = 0x400;
/// What is made goes to the end.
pub(super) const APPEND: u16 = 0x800;
