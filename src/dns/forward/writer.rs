//! Writes a message anew from what was understood of a foreign one.
//!
//! So nothing of its layout has to be trusted: a pointer into a record's time, say, would be another name once the time is
//! counted down.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::Question;
use crate::dns::wire::record::{Piece, Record, Unpacked, pieces, unpack};
use crate::dns::wire::{HEADER, IN, flag};

/// Names that pointers may lead to, at most.
const KNOWN: usize = 64;

/// The largest place that a pointer can lead to.
const REACH: usize = 0x3fff;

/// NSEC and the older NXT: the case of their names is signed (RFC 6840 section 5.1).
const SIGNED_CASE: [u16; 2] = [30, 47];

/// A message under way.
pub(super) struct Writer<'a> {
    out: Vec<u8>,
    question: &'a [u8],
    known: Vec<(u64, u16)>,
    hash: FixedState,
}

impl<'a> Writer<'a> {
    /// Begins with a header and the question in lower case; `flags` and counts as they will be said by [`Writer::finish`].
    pub(super) fn new(question: &'a Question) -> Self {
        let name = question.name.as_wire();
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(&[0; HEADER]);
        out[5] = 1;
        out.extend_from_slice(name);
        out.extend_from_slice(&question.kind.to_be_bytes());
        out.extend_from_slice(&IN.to_be_bytes());
        Self { out, question: name, known: Vec::new(), hash: FixedState::default() }
    }

    /// Adds a record of another message; `None` when its data is not what its type says or the message gets too long.
    pub(super) fn record(&mut self, message: &[u8], record: &Record) -> Option<()> {
        let (owner, _) = unpack(message, record.owner)?;
        self.name(owner, true);
        self.out.extend_from_slice(&record.kind.to_be_bytes());
        self.out.extend_from_slice(&record.class.to_be_bytes());
        self.out.extend_from_slice(&record.ttl(message).to_be_bytes());
        let length = self.out.len();
        self.out.extend_from_slice(&[0; 2]);
        pieces(message, record, |piece| {
            match piece {
                Piece::Bytes(bytes) => self.out.extend_from_slice(bytes),
                Piece::Name { name, .. } if SIGNED_CASE.contains(&record.kind) => {
                    self.out.extend_from_slice(name.as_wire());
                }
                Piece::Name { name, packs } => self.name(*name, packs),
            }
            Some(())
        })?;
        let size = u16::try_from(self.out.len() - length - 2).ok()?;
        self.out[length..length + 2].copy_from_slice(&size.to_be_bytes());
        u16::try_from(self.out.len()).is_ok().then_some(())
    }

    /// The message with id 0.
    pub(super) fn finish(mut self, flags: u16, counts: [u16; 3]) -> Vec<u8> {
        self.out[2..4].copy_from_slice(&(flag::QR | flags).to_be_bytes());
        for (at, count) in counts.iter().enumerate() {
            self.out[6 + 2 * at..8 + 2 * at].copy_from_slice(&count.to_be_bytes());
        }
        self.out
    }

    /// Writes a name, with pointers to what stands already where it `packs`. What belongs to the question's name comes in
    /// lower case, as the case that was sent upstream is random.
    fn name(&mut self, mut name: Unpacked, packs: bool) {
        let mut at = 0;
        let asked = loop {
            let rest = &name.as_wire()[at..];
            match rest {
                [] | [0, ..] => break None,
                [length, ..] => {
                    if let Some(place) = self.asked(rest) {
                        break Some((at, place));
                    }
                    at += 1 + usize::from(*length);
                }
            }
        };
        if let Some((at, _)) = asked {
            name.fold_from(at);
        }
        let name = name.as_wire();
        let mut at = 0;
        while name[at] != 0 {
            let rest = &name[at..];
            if let Some((_, place)) = asked.filter(|(from, _)| packs && *from == at) {
                return self.point(HEADER + place);
            }
            let hash = self.hash.hash_one(rest);
            if let Some(place) = self.place(rest, hash).filter(|_| packs) {
                return self.point(place);
            }
            let here = self.out.len();
            if here <= REACH && self.known.len() < KNOWN {
                self.known.extend(u16::try_from(here).ok().map(|here| (hash, here)));
            }
            let end = 1 + usize::from(rest[0]);
            self.out.extend_from_slice(&rest[..end]);
            at += end;
        }
        self.out.push(0);
    }

    fn point(&mut self, place: usize) {
        let pointer = u16::try_from(place & REACH).unwrap_or(0) | 0xc000;
        self.out.extend_from_slice(&pointer.to_be_bytes());
    }

    /// Where in the question's name this one begins, when that ends with it.
    fn asked(&self, name: &[u8]) -> Option<usize> {
        let start = self.question.len().checked_sub(name.len())?;
        if !self.question[start..].eq_ignore_ascii_case(name) {
            return None;
        }
        let mut at = 0;
        while at < start {
            at += 1 + usize::from(self.question[at]);
        }
        (at == start).then_some(start)
    }

    fn place(&self, name: &[u8], hash: u64) -> Option<usize> {
        let alike = self.known.iter().filter(|(of, _)| *of == hash);
        let mut places = alike.map(|(_, at)| usize::from(*at));
        places.find(|at| unpack(&self.out, *at).is_some_and(|(known, _)| known.as_wire() == name))
    }
}
