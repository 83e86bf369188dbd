//! Rules as the kernel runs them: small expressions that move values through registers.

use super::abi::{data, element::ITEM, rule};
use super::field::{Field, TARGET, address_length, fields, length, note};
use crate::l4::netlink::Writer;
use crate::l4::ruleset::{Action, Family, Fields, Match, Rule, SetId};

/// The first of 16 registers of 4 bytes.
const FIRST: u32 = 8;
/// The register that holds the verdict.
const VERDICT: u32 = 0;
/// The type of an address that is of this node.
const LOCAL: u32 = 2;

/// Writes a rule: its expressions, and its fingerprint as the comment. `transport` is the number of the set of TCP, UDP
/// and SCTP that was made for this rule, if it asks for one.
pub(super) fn write(rule: &Rule, family: Family, transport: u32, writer: &mut Writer) {
    writer.nest(rule::EXPRESSIONS, |writer| {
        let mut out = Expressions { writer, family, transport };
        for condition in &rule.matches {
            out.condition(*condition);
        }
        out.action(rule.action);
    });
    let mut comment = rule.fingerprint(family).into_bytes();
    comment.push(0);
    let mut userdata = Vec::new();
    note(&mut userdata, rule::COMMENT, &comment);
    writer.put(rule::USERDATA, &userdata);
}

/// Whether a rule needs a set of transport protocols of its own.
pub(super) fn needs_transport(rule: &Rule) -> bool {
    rule.matches.contains(&Match::Transport)
}

/// The expressions of a rule, as they are written.
pub(super) struct Expressions<'a> {
    writer: &'a mut Writer,
    family: Family,
    transport: u32,
}

impl Expressions<'_> {
    fn condition(&mut self, condition: Match) {
        const STATE: u32 = 0;
        const STATUS: u32 = 2;
        match condition {
            Match::Transport => {
                self.protocol(FIRST);
                self.lookup("__set%d", FIRST, None, false, Some(self.transport));
            }
            Match::Tcp => {
                self.protocol(FIRST);
                self.compare(true, &[6]);
            }
            Match::New => self.connection(STATE, 8),
            Match::Invalid => self.connection(STATE, 1),
            Match::Translated => self.connection(STATUS, 0x20),
            Match::SourceIsNode(wanted) => self.of_node(true, wanted),
            Match::DestinationIsNode => self.of_node(false, true),
            Match::NotLoopback => match self.family {
                Family::Ip => {
                    self.network(16, 1, FIRST);
                    self.compare(false, &[127]);
                }
                Family::Ip6 => {
                    self.network(24, 16, FIRST);
                    self.compare(false, &std::net::Ipv6Addr::LOCALHOST.octets());
                }
            },
            Match::In(of, set, wanted) => {
                self.load(of, FIRST);
                self.lookup(&set.to_string(), FIRST, None, !wanted, None);
            }
        }
    }

    fn action(&mut self, action: Action) {
        match action {
            Action::Jump(chain) => self.verdict(data::JUMP, Some(&chain.to_string())),
            Action::Goto(chain) => self.verdict(data::GOTO, Some(&chain.to_string())),
            Action::Return => self.verdict(data::RETURN, None),
            Action::Drop => self.verdict(data::DROP, None),
            Action::Reject => self.reject(),
            Action::Reset => self.add("reject", |out| {
                out.put_u32(1, 1);
                out.put(2, &[0]);
            }),
            Action::Masquerade => self.add("masq", |out| out.put_u32(1, 0x10)),
            Action::Lookup(of, map) => {
                self.load(of, FIRST);
                self.lookup(&map.to_string(), FIRST, Some(VERDICT), false, None);
            }
            Action::Send { pool, any, count } => self.send(Fields::Slot { any, count }, pool.set()),
            Action::SendAsBefore { any } => self.send(Fields::FrontendSource { any }, SetId::Affinity),
            Action::Remember { any, seconds } => {
                let key = Fields::OriginalFrontendSource { any };
                let value = FIRST + length(&fields(key), self.family) / 4;
                self.load(key, FIRST);
                self.load_each(&TARGET, value);
                self.add("dynset", |out| {
                    out.put_text(1, &SetId::Affinity.to_string());
                    out.put_u32(3, 1); // update
                    out.put_u32(4, FIRST);
                    out.put_u32(5, value);
                    out.put_u64(6, u64::from(seconds) * 1000);
                });
            }
        }
    }

    /// Address and port from the map are the new destination.
    fn send(&mut self, key: Fields, map: SetId) {
        self.load(key, FIRST);
        self.lookup(&map.to_string(), FIRST, Some(FIRST), false, None);
        let family = self.family;
        self.add("nat", |out| {
            out.put_u32(1, 1); // the destination
            out.put_u32(2, u32::from(super::number(family)));
            out.put_u32(3, FIRST);
            out.put_u32(5, FIRST + address_length(family) / 4);
        });
    }

    fn load(&mut self, of: Fields, register: u32) {
        self.load_each(&fields(of), register);
    }

    fn load_each(&mut self, all: &[Field], mut register: u32) {
        for field in all {
            field.load(self.family, register, self);
            register += field.length(self.family).div_ceil(4);
        }
    }

    fn add(&mut self, name: &str, fill: impl FnOnce(&mut Writer)) {
        self.writer.nest(ITEM, |item| {
            item.put_text(1, name);
            item.nest(2, fill);
        });
    }

    fn payload(&mut self, header: u32, offset: u32, length: u32, register: u32) {
        self.add("payload", |out| {
            out.put_u32(1, register);
            out.put_u32(2, header);
            out.put_u32(3, offset);
            out.put_u32(4, length);
        });
    }

    /// Bytes of the network header.
    pub(super) fn network(&mut self, offset: u32, length: u32, register: u32) {
        self.payload(1, offset, length, register);
    }

    /// Bytes of the transport header.
    pub(super) fn transport(&mut self, offset: u32, length: u32, register: u32) {
        self.payload(2, offset, length, register);
    }

    /// The transport protocol.
    pub(super) fn protocol(&mut self, register: u32) {
        self.add("meta", |out| {
            out.put_u32(1, register);
            out.put_u32(2, 16);
        });
    }

    /// A random number below `count`.
    pub(super) fn random(&mut self, count: u32, register: u32) {
        self.add("numgen", |out| {
            out.put_u32(1, register);
            out.put_u32(2, count);
            out.put_u32(3, 1); // random
            out.put_u32(4, 0);
        });
    }

    /// Destination address of the connection's first packet.
    pub(super) fn original_destination(&mut self, family: Family, register: u32) {
        let key = match family {
            Family::Ip => 20,
            Family::Ip6 => 22,
        };
        self.original(key, register);
    }

    /// Destination port of that packet.
    pub(super) fn original_port(&mut self, register: u32) {
        self.original(12, register);
    }

    fn original(&mut self, key: u32, register: u32) {
        self.add("ct", |out| {
            out.put_u32(1, register);
            out.put_u32(2, key);
            out.put(3, &[0]);
        });
    }

    /// Keeps those bits.
    pub(super) fn mask(&mut self, register: u32, mask: &[u8]) {
        self.add("bitwise", |out| {
            out.put_u32(1, register);
            out.put_u32(2, register);
            out.put_u32(3, u32::try_from(mask.len()).expect("a mask is as long as an address"));
            out.nest(4, |value| value.put(data::VALUE, mask));
            out.nest(5, |value| value.put(data::VALUE, &vec![0; mask.len()]));
        });
    }

    /// One of those bits of the connection's state or status is set.
    fn connection(&mut self, key: u32, bits: u32) {
        self.add("ct", |out| {
            out.put_u32(1, FIRST);
            out.put_u32(2, key);
        });
        self.mask(FIRST, &bits.to_ne_bytes());
        self.compare(false, &[0; 4]);
    }

    fn of_node(&mut self, source: bool, wanted: bool) {
        self.add("fib", |out| {
            out.put_u32(1, FIRST);
            out.put_u32(2, 3); // the type of the address
            out.put_u32(3, if source { 1 } else { 2 });
        });
        self.compare(wanted, &LOCAL.to_ne_bytes());
    }

    fn compare(&mut self, equal: bool, value: &[u8]) {
        self.add("cmp", |out| {
            out.put_u32(1, FIRST);
            out.put_u32(2, u32::from(!equal));
            out.nest(3, |data| data.put(data::VALUE, value));
        });
    }

    fn lookup(&mut self, set: &str, key: u32, result: Option<u32>, inverted: bool, id: Option<u32>) {
        self.add("lookup", |out| {
            out.put_text(1, set);
            out.put_u32(2, key);
            if let Some(register) = result {
                out.put_u32(3, register);
            }
            if let Some(id) = id {
                out.put_u32(4, id);
            }
            if inverted {
                out.put_u32(5, 1);
            }
        });
    }

    fn verdict(&mut self, code: u32, chain: Option<&str>) {
        self.add("immediate", |out| {
            out.put_u32(1, VERDICT);
            out.nest(2, |out| super::element::verdict(code, chain, out));
        });
    }

    /// "Port unreachable".
    fn reject(&mut self) {
        let code: u8 = match self.family {
            Family::Ip => 3,
            Family::Ip6 => 4,
        };
        self.add("reject", |out| {
            out.put_u32(1, 0);
            out.put(2, &[code]);
        });
    }
}
