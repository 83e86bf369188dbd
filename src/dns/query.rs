//! (Zone, question) -> answer, nothing of that type, or no such name.

mod records;
pub mod why;

use std::net::IpAddr;

use super::wire::name::Name;
use super::wire::question::Asked;
use super::wire::reply::{Reply, Section};
use super::wire::{HEADER, Rcode, flag, kind};
use super::zone::{Data, Found, Node, Part, Soa, Zone, pointer};
use records::Owner;

/// How many aliases are followed.
const ALIASES: usize = 8;

/// What a zone says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reply's records are complete: end it with this code.
    Done(Rcode),
    /// The reply has the aliases; what the last one leads to is outside the zone and is to be asked for, with the same type.
    Leads(Name),
    /// No such name, and nothing was added to the reply. Whoever falls through asks others; else [`deny`].
    Missing,
    /// The name is not in this zone.
    Elsewhere,
}

/// Answers from the zone. `turn` is a counter that goes on with each query: A and AAAA begin elsewhere each time.
///
/// A name of a reverse zone that only has others below it is missing, too: others may know more about it. [`deny`] tells
/// the difference.
#[inline]
pub fn answer(zone: &Zone, asked: &Asked<'_>, reply: &mut Reply<'_>, turn: Option<u32>) -> Outcome {
    let name = asked.name.as_wire();
    let Some(part) = zone.part_of(name) else { return Outcome::Elsewhere };
    let Some(found) = zone.find(name) else { return Outcome::Missing };
    if let (Part::Reverse(_), Found::Node(Node { data: Data::Parent { .. }, .. })) = (part, found)
        && name.len() != zone.apex(part).as_wire().len()
    {
        return Outcome::Missing;
    }
    let mut answer = Answer { zone, asked, part, reply, turn };
    let outcome = answer.follow(found);
    if matches!(outcome, Outcome::Done(_)) {
        reply.set(flag::AA);
    }
    outcome
}

/// Adds what belongs to a name that is missing: the SOA of its zone. Gives NXDOMAIN, or NOERROR where there are names below.
pub fn deny(zone: &Zone, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Rcode {
    let Some(part) = zone.part_of(asked.name.as_wire()) else { return Rcode::NXDOMAIN };
    reply.set(flag::AA);
    Answer { zone, asked, part, reply, turn: None }.soa(Section::Authority);
    if exists(zone, asked.name.as_wire()) { Rcode::NOERROR } else { Rcode::NXDOMAIN }
}

/// Whether there is such a name, in wire form and lower case, with records or with names below it.
pub fn exists(zone: &Zone, name: &[u8]) -> bool {
    zone.find(name).is_some()
}

/// An answer under way.
struct Answer<'a, 'r> {
    zone: &'a Zone,
    asked: &'a Asked<'a>,
    part: Part,
    reply: &'a mut Reply<'r>,
    turn: Option<u32>,
}

impl<'a> Answer<'a, '_> {
    /// Answers from what the question's name has, and from what its aliases lead to.
    #[inline]
    fn follow(&mut self, found: Found<'a>) -> Outcome {
        let owner = Owner { name: self.asked.name.as_wire(), at: HEADER };
        match found {
            Found::Node(Node { data: Data::Alias(target), .. })
                if !matches!(self.asked.kind, kind::CNAME | kind::ANY) =>
            {
                self.aliases(target)
            }
            found => Outcome::Done(self.end(found, owner)),
        }
    }

    /// The first alias is the question's name's.
    fn aliases(&mut self, first: &'a Name) -> Outcome {
        let (mut from, mut target, mut at) = (self.asked.name.as_wire(), first, HEADER);
        for _ in 0..ALIASES {
            let place = self.reply.position() + 12;
            if !self.alias(target, at) {
                break;
            }
            at = place;
            let wire = target.as_wire();
            // What leads back is told once; longer circles end with the last alias that is followed.
            if wire == from || wire == self.asked.name.as_wire() {
                break;
            }
            if self.zone.part_of(wire) != Some(Part::Forward) {
                return Outcome::Leads(target.clone());
            }
            match self.zone.find(wire) {
                None => {
                    self.soa(Section::Authority);
                    return Outcome::Done(Rcode::NXDOMAIN);
                }
                Some(Found::Node(Node { data: Data::Alias(next), .. })) => (from, target) = (wire, next),
                Some(found) => return Outcome::Done(self.end(found, Owner { name: wire, at })),
            }
        }
        Outcome::Done(Rcode::NOERROR)
    }

    /// What a name has of the type, or the SOA to say that there is nothing.
    #[inline]
    fn end(&mut self, found: Found<'a>, owner: Owner<'a>) -> Rcode {
        let some = match (found, self.asked.kind) {
            (_, kind::ANY) => self.hinfo(owner),
            (Found::Pod(address), kind) => self.pod(address, kind, owner),
            (Found::Node(node), kind) => match &node.data {
                Data::Host(host) => self.host(host, kind, owner),
                Data::Pointers(claims) if kind == kind::PTR => self.pointers(claims, owner),
                Data::Alias(target) if kind == kind::CNAME => {
                    self.alias(target, owner.at);
                    true
                }
                Data::Version if kind == kind::TXT => self.version(owner),
                _ => false,
            },
        };
        if !some && !self.apex(owner) {
            self.soa(Section::Authority);
        }
        Rcode::NOERROR
    }

    /// What the zone's own name has.
    fn apex(&mut self, owner: Owner<'_>) -> bool {
        // Aliases may lead here, but the SOA's owner is written as a part of the question.
        if owner.at != HEADER || owner.name.len() != self.zone.apex(self.part).as_wire().len() {
            return false;
        }
        match self.asked.kind {
            kind::SOA => self.soa(Section::Answer),
            kind::NS if self.part == Part::Forward => self.server(),
            _ => return false,
        }
        true
    }

    fn pod(&mut self, address: IpAddr, kind: u16, owner: Owner<'_>) -> bool {
        match (address, kind) {
            (IpAddr::V4(address), kind::A) => self.record(owner, kind, &address.octets()),
            (IpAddr::V6(address), kind::AAAA) => self.record(owner, kind, &address.octets()),
            _ => return false,
        }
        true
    }

    /// The SOA of the zone that the question is in; its owner is the end of the question's name.
    fn soa(&mut self, section: Section) {
        let apex = self.zone.apex(self.part).as_wire().len();
        let at = HEADER + self.asked.name.as_wire().len().saturating_sub(apex);
        let soa = Soa::new(self.zone.frame(), at, self.zone.serial());
        if !self.reply.push(section, &soa.0, 1) {
            self.reply.truncate();
        }
    }

    /// An alias; false, and the reply is truncated, when there is no room.
    fn alias(&mut self, target: &Name, at: usize) -> bool {
        let wire = target.as_wire();
        let mut record = [0; 12 + 255];
        let length = u16::try_from(wire.len()).unwrap_or(0);
        record[..12].copy_from_slice(&self.zone.frame().head(kind::CNAME, length));
        record[..2].copy_from_slice(&pointer(at));
        let end = 12 + wire.len();
        record[12..end].copy_from_slice(wire);
        let fits = self.reply.push(Section::Answer, &record[..end], 1);
        if !fits {
            self.reply.truncate();
        }
        fits
    }
}
