//! The records of a message that others wrote: where they stand, and the names in them.
//!
//! Nothing is believed: pointers lead strictly backwards and are counted, a name has at most 255 bytes, data ends where
//! it says.

use std::ops::Range;

use super::name::{MAX, Name};
use super::reply::Section;
use super::{HEADER, kind, number};

/// Pointers that are followed for one name.
const JUMPS: usize = 64;

/// The bits of a length that make it a pointer.
const POINTER: u8 = 0xc0;

/// A name taken out of a message: without pointers, as it was written.
#[derive(Clone, Copy)]
pub struct Unpacked {
    bytes: [u8; MAX + 1],
    length: u8,
}

impl Unpacked {
    /// The wire form, as it was written.
    pub fn as_wire(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether it is this name; case does not count.
    pub fn is(&self, name: &[u8]) -> bool {
        // Lengths are below the letters' codes.
        self.as_wire().eq_ignore_ascii_case(name)
    }

    /// In lower case.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.fold_from(0);
        self
    }

    /// Takes what begins at a label's place in lower case.
    pub fn fold_from(&mut self, at: usize) {
        let length = usize::from(self.length);
        self.bytes[at.min(length)..length].make_ascii_lowercase();
    }

    /// As a name of its own.
    pub fn name(&self) -> Name {
        Name::from_wire(self.as_wire()).unwrap_or_else(Name::root)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where in the message it belongs.
    pub section: Section,
    /// Where its owner begins.
    pub owner: usize,
    /// Its type.
    pub kind: u16,
    /// Its class.
    pub class: u16,
    /// Where its time stands, four bytes.
    pub time: usize,
    /// Its data.
    pub data: Range<usize>,
}

impl Record {
    /// Its time to live in seconds; what looks negative is 0 (RFC 2181 section 8).
    pub fn ttl(&self, message: &[u8]) -> u32 {
        long(message, self.time).filter(|ttl| *ttl <= u32::MAX >> 1).unwrap_or(0)
    }

    /// Its owner.
    pub fn owner(&self, message: &[u8]) -> Option<Unpacked> {
        unpack(message, self.owner).map(|(name, _)| name)
    }

    /// The first name in its data: an alias's target, a service's host.
    pub fn target(&self, message: &[u8]) -> Option<Unpacked> {
        let mut found = None;
        pieces(message, self, |piece| {
            if let Piece::Name { name, .. } = piece {
                found.get_or_insert(*name);
            }
            Some(())
        })?;
        found
    }
}

/// The one question of a message: its name, type, class, and where it ends. `None` when it is broken or there is not
/// exactly one.
pub fn question(message: &[u8]) -> Option<(Unpacked, u16, u16, usize)> {
    if number(message, 4)? != 1 {
        return None;
    }
    let (name, end) = unpack(message, HEADER)?;
    // There is nothing yet that a pointer could lead to.
    if end != HEADER + name.as_wire().len() {
        return None;
    }
    Some((name, number(message, end)?, number(message, end + 2)?, end + 4))
}

/// Shows each record after the question, in order. `None` when the message is broken, has too few or too many bytes, or
/// `visit` said so.
pub fn walk(message: &[u8], mut visit: impl FnMut(Record) -> Option<()>) -> Option<()> {
    let (.., mut at) = question(message)?;
    for (section, count) in [(Section::Answer, 6), (Section::Authority, 8), (Section::Additional, 10)] {
        for _ in 0..number(message, count)? {
            let (record, end) = read(message, at, section)?;
            at = end;
            visit(record)?;
        }
    }
    (at == message.len()).then_some(())
}

fn read(message: &[u8], owner: usize, section: Section) -> Option<(Record, usize)> {
    let (_, at) = unpack(message, owner)?;
    let data = at + 10..at + 10 + usize::from(number(message, at + 8)?);
    let end = data.end;
    let (kind, class) = (number(message, at)?, number(message, at + 2)?);
    let record = Record { section, owner, kind, class, time: at + 4, data };
    (end <= message.len()).then_some((record, end))
}

/// Takes a name out of a message; gives also where what stands at `at` ends.
pub fn unpack(message: &[u8], at: usize) -> Option<(Unpacked, usize)> {
    let mut name = Unpacked { bytes: [0; MAX + 1], length: 0 };
    let (mut at, mut length, mut end) = (at, 0, None);
    // A pointer leads to before the piece it ends.
    let mut piece = at;
    let mut jumps = 0;
    loop {
        let size = *message.get(at)?;
        if size & POINTER == POINTER {
            let target = usize::from(number(message, at)? & 0x3fff);
            end.get_or_insert(at + 2);
            jumps += 1;
            if target >= piece || target < HEADER || jumps > JUMPS {
                return None;
            }
            (at, piece) = (target, target);
            continue;
        }
        if size & POINTER != 0 {
            return None;
        }
        let next = at + 1 + usize::from(size);
        let label = message.get(at..next)?;
        if length + label.len() > MAX {
            return None;
        }
        name.bytes[length..length + label.len()].copy_from_slice(label);
        length += label.len();
        at = next;
        if size == 0 {
            name.length = u8::try_from(length).ok()?;
            return Some((name, end.unwrap_or(at)));
        }
    }
}

/// A part of a record's data.
pub enum Piece<'a> {
    /// Bytes that mean the same anywhere.
    Bytes(&'a [u8]),
    /// A name.
    Name {
        /// Without pointers.
        name: &'a Unpacked,
        /// Whether it may be written with pointers (RFC 3597 section 4: only in the types of RFC 1035).
        packs: bool,
    },
}

#[derive(Clone, Copy)]
enum Part {
    Fixed(usize),
    Name,
    Text,
    Rest,
}

use Part::{Fixed, Rest, Text};

/// Shows the parts of a record's data in order. `None` when it is not what its type says, or `visit` said so.
pub fn pieces(message: &[u8], record: &Record, mut visit: impl FnMut(Piece<'_>) -> Option<()>) -> Option<()> {
    let (parts, packs) = layout(record.kind);
    let Range { start: mut at, end } = record.data.clone();
    for part in parts {
        let length = match part {
            Part::Name => {
                let (name, after) = unpack(message, at)?;
                if after > end {
                    return None;
                }
                visit(Piece::Name { name: &name, packs })?;
                at = after;
                continue;
            }
            Fixed(length) => *length,
            Text => 1 + usize::from(*message.get(at)?),
            Rest => end - at,
        };
        if length > end - at {
            return None;
        }
        visit(Piece::Bytes(&message[at..at + length]))?;
        at += length;
    }
    (at == end).then_some(())
}

/// What a type's data is made of, and whether its names may be written with pointers (RFC 1035 section 3.3, 1183, 2163,
/// 2230, 2782, 3403, 4034, 6672, 9460).
fn layout(kind: u16) -> (&'static [Part], bool) {
    match kind {
        kind::A => (&[Fixed(4)], false),
        kind::AAAA => (&[Fixed(16)], false),
        // Name servers, aliases, pointers and the mailbox types.
        kind::NS | 3 | 4 | kind::CNAME | 7 | 8 | 9 | kind::PTR => (&[Part::Name], true),
        kind::SOA => (&[Part::Name, Part::Name, Fixed(20)], true),
        // MINFO
        14 => (&[Part::Name, Part::Name], true),
        kind::MX => (&[Fixed(2), Part::Name], true),
        // RP
        17 => (&[Part::Name, Part::Name], false),
        // AFSDB, RT, KX
        18 | 21 | 36 => (&[Fixed(2), Part::Name], false),
        // PX
        26 => (&[Fixed(2), Part::Name, Part::Name], false),
        kind::SRV => (&[Fixed(6), Part::Name], false),
        // NAPTR
        35 => (&[Fixed(4), Text, Text, Text, Part::Name], false),
        kind::DNAME => (&[Part::Name], false),
        // SIG, RRSIG
        24 | kind::RRSIG => (&[Fixed(18), Part::Name, Rest], false),
        // NXT, NSEC
        30 | 47 => (&[Part::Name, Rest], false),
        // SVCB, HTTPS
        64 | 65 => (&[Fixed(2), Part::Name, Rest], false),
        _ => (&[Rest], false),
    }
}

/// The big-endian number of four bytes at a place; `None` past the end.
pub fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests;
