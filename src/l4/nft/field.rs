//! The fields that keys are made of: their length, their type, how a rule loads them, how `nft` is told of them.

use super::expr::Expressions;
use crate::l4::ruleset::{Family, Fields};

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Source address.
    Source,
    /// Destination address, or the unspecified one.
    Destination { any: bool },
    /// Protocol.
    Protocol,
    /// Destination port.
    Port,
    /// A random number below this.
    Number(u32),
    /// Destination address of the connection's first packet, or the unspecified one.
    OriginalDestination { any: bool },
    /// Destination port of that packet.
    OriginalPort,
}

use Field::{Destination, Number, OriginalDestination, OriginalPort, Port, Protocol, Source};

/// The fields side by side, each in as many registers as it needs.
pub(super) fn fields(fields: Fields) -> Vec<Field> {
    match fields {
        Fields::Source => vec![Source],
        Fields::Destination => vec![Destination { any: false }],
        Fields::Frontend { any } => vec![Destination { any }, Protocol, Port],
        Fields::OriginalFrontend { any } => vec![OriginalDestination { any }, Protocol, OriginalPort],
        Fields::OriginalDestination => vec![OriginalDestination { any: false }],
        Fields::Slot { any, count } => vec![Destination { any }, Protocol, Port, Number(count)],
        Fields::FrontendSource { any } => vec![Destination { any }, Protocol, Port, Source],
        Fields::OriginalFrontendSource { any } => {
            vec![OriginalDestination { any }, Protocol, OriginalPort, Source]
        }
        Fields::Pair => vec![Source, Destination { any: false }],
    }
}

/// What maps of endpoints give: address and port.
pub(super) const TARGET: [Field; 2] = [Destination { any: false }, Port];

/// The length of an address.
pub(super) fn address_length(family: Family) -> u32 {
    match family {
        Family::Ip => 4,
        Family::Ip6 => 16,
    }
}

/// The length of fields side by side.
pub(super) fn length(fields: &[Field], family: Family) -> u32 {
    fields.iter().map(|field| field.length(family).next_multiple_of(4)).sum()
}

/// The type of fields side by side, as `nft` counts types.
pub(super) fn kind(fields: &[Field], family: Family) -> u32 {
    fields.iter().fold(0, |all, field| all << 6 | field.kind(family))
}

impl Field {
    /// How many bytes it has.
    pub(super) fn length(self, family: Family) -> u32 {
        match self {
            Source | Destination { .. } | OriginalDestination { .. } => address_length(family),
            Protocol => 1,
            Port | OriginalPort => 2,
            Number(_) => 4,
        }
    }

    /// Its type in `nft`.
    fn kind(self, family: Family) -> u32 {
        match (self, family) {
            (Source | Destination { .. } | OriginalDestination { .. }, Family::Ip) => 7,
            (Source | Destination { .. } | OriginalDestination { .. }, Family::Ip6) => 8,
            (Protocol, _) => 12,
            (Port | OriginalPort, _) => 13,
            (Number(_), _) => 4,
        }
    }

    /// Loads it from a packet into registers.
    pub(super) fn load(self, family: Family, register: u32, out: &mut Expressions<'_>) {
        let length = address_length(family);
        let (source, destination) = match family {
            Family::Ip => (12, 16),
            Family::Ip6 => (8, 24),
        };
        match self {
            Source => out.network(source, length, register),
            Destination { any } => {
                out.network(destination, length, register);
                if any {
                    out.mask(register, &vec![0; length as usize]);
                }
            }
            Protocol => out.protocol(register),
            Port => out.transport(2, 2, register),
            Number(count) => out.random(count, register),
            OriginalDestination { any } => {
                out.original_destination(family, register);
                if any {
                    out.mask(register, &vec![0; length as usize]);
                }
            }
            OriginalPort => out.original_port(register),
        }
    }

    /// The expression that `nft` lists for it: its number there and what tells more of it. `None` for what is never part
    /// of a set's own key.
    fn expression(self, family: Family) -> Option<(u32, Vec<u8>)> {
        const PAYLOAD: u32 = 7;
        const META: u32 = 9;
        const RANDOM: u32 = 0x17;
        let header = match family {
            Family::Ip => 12_u32,
            Family::Ip6 => 13,
        };
        let numbers = |all: &[u32]| {
            let mut out = Vec::new();
            for (kind, value) in (0..).zip(all) {
                note(&mut out, kind, &value.to_ne_bytes());
            }
            out
        };
        Some(match (self, family) {
            (Source, Family::Ip) => (PAYLOAD, numbers(&[header, 11])),
            (Destination { .. }, Family::Ip) => (PAYLOAD, numbers(&[header, 12])),
            (Source, Family::Ip6) => (PAYLOAD, numbers(&[header, 8])),
            (Destination { .. }, Family::Ip6) => (PAYLOAD, numbers(&[header, 9])),
            (Protocol, _) => (META, numbers(&[16])),
            (Port, _) => (PAYLOAD, numbers(&[11, 2])),
            (Number(count), _) => (RANDOM, numbers(&[1, count, 0])),
            (OriginalDestination { .. } | OriginalPort, _) => return None,
        })
    }
}

/// What `nft` lists as `typeof` for fields side by side.
pub(super) fn type_of(fields: &[Field], family: Family) -> Vec<u8> {
    const CONCATENATION: u32 = 13;
    let one = |(number, more): (u32, Vec<u8>)| {
        let mut out = Vec::new();
        note(&mut out, 0, &number.to_ne_bytes());
        note(&mut out, 1, &more);
        out
    };
    let mut all: Vec<Vec<u8>> = fields.iter().filter_map(|field| field.expression(family)).map(one).collect();
    if all.len() == 1 {
        return all.remove(0);
    }
    let mut inner = Vec::new();
    for (kind, field) in (0..).zip(all) {
        note(&mut inner, kind, &field);
    }
    one((CONCATENATION, inner))
}

/// One entry of user data: kind, length, value.
pub(super) fn note(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.extend([kind, u8::try_from(value.len()).expect("user data are a few bytes long")]);
    out.extend(value);
}
