//! Rules: what they match, what they do.

use super::{Base, ChainId, Family, Pool, SetId};

/// A chain with its rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where it hangs; `None` for a chain that others lead to.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A rule: every match must hold, then the action is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What must hold, in order.
    pub matches: Vec<Match>,
    /// What is done then.
    pub action: Action,
    /// Why, for people who list the rules; at most 120 bytes, without quotes.
    pub comment: &'static str,
}

/// Fields of a packet, side by side: a key to look up. With `any`, the address is masked to the unspecified one, under which
/// ports of the node are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// Destination address, protocol, destination port.
    Frontend {
        /// Masked address.
        any: bool,
    },
    /// The same of the connection's first packet, before it was sent elsewhere.
    OriginalFrontend {
        /// Masked address.
        any: bool,
    },
    /// Destination address of the connection's first packet.
    OriginalDestination,
    /// `Frontend` and a random number below `count`.
    Slot {
        /// Masked address.
        any: bool,
        /// How many there are, from 1; with 1 the number is 0.
        count: u32,
    },
    /// `Frontend` and the source address.
    FrontendSource {
        /// Masked address.
        any: bool,
    },
    /// `OriginalFrontend` and the source address.
    OriginalFrontendSource {
        /// Masked address.
        any: bool,
    },
    /// Source address and destination address.
    Pair,
}

impl Fields {
    /// As nft writes it.
    pub fn text(self, family: Family) -> String {
        let mask = match family {
            Family::Ip => " & 0.0.0.0",
            Family::Ip6 => " & ::",
        };
        let mask = |any: bool| if any { mask } else { "" };
        let frontend = |any| format!("{family} daddr{} . meta l4proto . th dport", mask(any));
        let original =
            |any| format!("ct original {family} daddr{} . meta l4proto . ct original proto-dst", mask(any));
        match self {
            Self::Source => format!("{family} saddr"),
            Self::Destination => format!("{family} daddr"),
            Self::Frontend { any } => frontend(any),
            Self::OriginalFrontend { any } => original(any),
            Self::OriginalDestination => format!("ct original {family} daddr"),
            Self::Slot { any, count } => format!("{} . numgen random mod {count}", frontend(any)),
            Self::FrontendSource { any } => format!("{} . {family} saddr", frontend(any)),
            Self::OriginalFrontendSource { any } => format!("{} . {family} saddr", original(any)),
            Self::Pair => format!("{family} saddr . {family} daddr"),
        }
    }
}

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// TCP, UDP or SCTP.
    Transport,
    /// TCP.
    Tcp,
    /// The first packet of a connection, or one without an answer so far.
    New,
    /// A packet that belongs to no connection and cannot begin one.
    Invalid,
    /// A packet of a connection that was sent elsewhere.
    Translated,
    /// The source is an address of this node, or is not.
    SourceIsNode(bool),
    /// The destination is an address of this node.
    DestinationIsNode,
    /// The destination is not a loopback address.
    NotLoopback,
    /// The fields are in the set, or are not.
    In(Fields, SetId, bool),
}

impl Match {
    /// As nft writes it.
    pub fn text(self, family: Family) -> String {
        match self {
            Self::Transport => "meta l4proto { tcp, udp, sctp }".into(),
            Self::Tcp => "meta l4proto tcp".into(),
            Self::New => "ct state new".into(),
            Self::Invalid => "ct state invalid".into(),
            Self::Translated => "ct status dnat".into(),
            Self::SourceIsNode(true) => "fib saddr type local".into(),
            Self::SourceIsNode(false) => "fib saddr type != local".into(),
            Self::DestinationIsNode => "fib daddr type local".into(),
            Self::NotLoopback => match family {
                Family::Ip => "ip daddr != 127.0.0.0/8".into(),
                Family::Ip6 => "ip6 daddr != ::1".into(),
            },
            Self::In(fields, set, true) => format!("{} @{set}", fields.text(family)),
            Self::In(fields, set, false) => format!("{} != @{set}", fields.text(family)),
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on in that chain, then here.
    Jump(ChainId),
    /// Go on in that chain, then where this one was jumped to from.
    Goto(ChainId),
    /// Go on where this chain was jumped to from.
    Return,
    /// Drop the packet.
    Drop,
    /// Answer that nobody is there: port unreachable.
    Reject,
    /// The same for TCP, as a reset: of ICMP the kernel sends only some in a second.
    Reset,
    /// Give the connection the address of the node, and a random port.
    Masquerade,
    /// Do what the verdict map says, if it says anything.
    Lookup(Fields, SetId),
    /// Send to a random endpoint of the frontend, if there is one.
    Send {
        /// From which map.
        pool: Pool,
        /// Whether the frontend is a port of the node.
        any: bool,
        /// How many endpoints there are, from 1.
        count: u32,
    },
    /// Send to the endpoint that is remembered for the client, if there is one.
    SendAsBefore {
        /// Whether the frontend is a port of the node.
        any: bool,
    },
    /// Remember for so many seconds to which endpoint this client went.
    Remember {
        /// Whether the frontend is a port of the node.
        any: bool,
        /// How long after the last connection.
        seconds: u32,
    },
}

impl Pool {
    /// Its map.
    pub fn set(self) -> SetId {
        match self {
            Self::All => SetId::Endpoints,
            Self::Local => SetId::LocalEndpoints,
        }
    }
}

impl Action {
    /// As nft writes it.
    pub fn text(self, family: Family) -> String {
        match self {
            Self::Jump(chain) => format!("jump {chain}"),
            Self::Goto(chain) => format!("goto {chain}"),
            Self::Return => "return".into(),
            Self::Drop => "drop".into(),
            Self::Reject => "reject".into(),
            Self::Reset => "reject with tcp reset".into(),
            Self::Masquerade => "masquerade fully-random".into(),
            Self::Lookup(fields, map) => format!("{} vmap @{map}", fields.text(family)),
            Self::Send { pool, any, count } => {
                let fields = Fields::Slot { any, count }.text(family);
                format!("dnat {family} to {fields} map @{}", pool.set())
            }
            Self::SendAsBefore { any } => {
                let fields = Fields::FrontendSource { any }.text(family);
                format!("dnat {family} to {fields} map @{}", SetId::Affinity)
            }
            Self::Remember { any, seconds } => {
                let fields = Fields::OriginalFrontendSource { any }.text(family);
                let map = SetId::Affinity;
                format!("update @{map} {{ {fields} timeout {seconds}s : {family} daddr . th dport }}")
            }
        }
    }
}

impl Rule {
    /// As nft writes it.
    pub fn text(&self, family: Family) -> String {
        let mut text: Vec<String> = self.matches.iter().map(|known| known.text(family)).collect();
        text.push(self.action.text(family));
        text.push(format!("comment \"{}\"", self.comment));
        text.join(" ")
    }

    /// Names this rule with all it says: kept in the kernel as the rule's comment, so that what is there can be compared with
    /// what is wanted.
    pub fn fingerprint(&self, family: Family) -> String {
        // FNV-1a: short, and the same in every release.
        let text = self.text(family);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{} #{:08x}", self.comment, hash >> 32)
    }
}
