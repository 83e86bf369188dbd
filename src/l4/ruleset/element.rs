//! Elements of sets and maps.

use std::fmt;
use std::net::IpAddr;

use super::{ChainId, Family, SetId};

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Its number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with that number, when it is one of these.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|known| known.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What a client talks to: an address, a protocol, a port. For NodePorts the address is the unspecified one (0.0.0.0, ::):
/// any address of the node that takes NodePorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frontend {
    /// The destination address, or the unspecified one.
    pub address: IpAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The destination port.
    pub port: u16,
}

impl Frontend {
    /// Whether it is a port of any address of the node.
    pub fn is_node_port(&self) -> bool {
        self.address.is_unspecified()
    }
}

impl fmt::Display for Frontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} . {} . {}", self.address, self.protocol, self.port)
    }
}

/// Where a connection is sent: an endpoint's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The endpoint's address.
    pub address: IpAddr,
    /// The endpoint's port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} . {}", self.address, self.port)
    }
}

/// The key of an element; its form is that of its set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Destination address, protocol and port.
    Frontend(Frontend),
    /// The same and a number from 0: which of its endpoints.
    Slot(Frontend, u32),
    /// An address.
    Address(IpAddr),
    /// A range of addresses: the first and the number of leading bits.
    Range(IpAddr, u8),
    /// Source and destination of a packet to an endpoint.
    Pair(IpAddr, IpAddr),
    /// A frontend and a range of sources.
    Sources(Frontend, IpAddr, u8),
    /// A frontend and the address of a client.
    Client(Frontend, IpAddr),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frontend(frontend) => write!(f, "{frontend}"),
            Self::Slot(frontend, index) => write!(f, "{frontend} . {index}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Range(address, length) => write!(f, "{address}/{length}"),
            Self::Pair(source, destination) => write!(f, "{source} . {destination}"),
            Self::Sources(frontend, address, length) => write!(f, "{frontend} . {address}/{length}"),
            Self::Client(frontend, client) => write!(f, "{frontend} . {client}"),
        }
    }
}

/// What a verdict map says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Go on in that chain, and do not come back.
    Goto(ChainId),
    /// The packet is dropped.
    Drop,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goto(chain) => write!(f, "goto {chain}"),
            Self::Drop => f.write_str("drop"),
        }
    }
}

/// What a map gives for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing: an element of a set.
    None,
    /// An endpoint.
    Target(Target),
    /// What to do.
    Verdict(Verdict),
}

/// One element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// The family of its table.
    pub family: Family,
    /// Its set or map.
    pub set: SetId,
    /// Its key.
    pub key: Key,
    /// What the map gives for the key.
    pub value: Value,
}

/// As it stands between the braces of `elements = { }`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::None => write!(f, "{}", self.key),
            Value::Target(target) => write!(f, "{} : {target}", self.key),
            Value::Verdict(verdict) => write!(f, "{} : {verdict}", self.key),
        }
    }
}
