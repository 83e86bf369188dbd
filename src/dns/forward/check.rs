//! Does what came back answer the question? Takes from it only what belongs to the answer.
//!
//! An answer begins with the question's name and follows aliases from there; a record of any other name was put there
//! by somebody who wants it in our cache.

use super::Question;
use super::query::Query;
use super::writer::Writer;
use crate::dns::wire::name::ends_with;
use crate::dns::wire::record::{Record, Unpacked, long, question, walk};
use crate::dns::wire::reply::Section;
use crate::dns::wire::{HEADER, IN, Rcode, flag, kind, number};

/// Aliases that are followed.
const ALIASES: usize = 16;

/// Records of one message.
const RECORDS: usize = 4096;

/// Delegation signer, NSEC, NSEC3: what proves a denial or a delegation.
const PROOFS: [u16; 4] = [43, 47, 50, kind::RRSIG];

/// What a message is to a query.
#[derive(Debug)]
pub(super) enum Reading {
    /// Its answer.
    Answer(Said),
    /// Its answer, but not all of it.
    Truncated,
    /// Its answer, but for the letters' case: a forgery, or a server that does not keep it.
    Folded,
    /// The upstream does not understand EDNS.
    Plain,
    /// Not for this query: waiting goes on.
    Foreign,
    /// For this query, and nothing that can be used.
    Wrong(&'static str),
}

/// What an upstream said, written anew.
#[derive(Debug)]
pub(super) struct Said {
    pub message: Vec<u8>,
    pub rcode: Rcode,
    /// The question came back in the case that was sent.
    pub exact: bool,
}

/// Reads what came back. `stream`: over a connection, where nobody but the upstream can write and the case of letters
/// proves nothing.
pub(super) fn read(message: &[u8], query: &Query, asked: &Question, stream: bool) -> Reading {
    let Some(flags) = number(message, 2).filter(|_| message.len() >= HEADER) else { return Reading::Foreign };
    if message[..2] != query.id() || flags & flag::QR == 0 || flags & flag::OPCODE != 0 {
        return Reading::Foreign;
    }
    let rcode = Rcode(flags & 0xf);
    if query.form.edns && matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP) && message.len() == HEADER {
        return Reading::Plain;
    }
    let sent = query.question();
    let Some(came) = message.get(HEADER..HEADER + sent.len()) else { return Reading::Foreign };
    let (name, rest) = sent.len().checked_sub(4).map_or((sent, &[][..]), |at| sent.split_at(at));
    if number(message, 4) != Some(1)
        || !came[..name.len()].eq_ignore_ascii_case(name)
        || came[name.len()..] != *rest
    {
        return Reading::Foreign;
    }
    let exact = came == sent;
    if !exact && !stream {
        return Reading::Folded;
    }
    if flags & flag::TC != 0 {
        return Reading::Truncated;
    }
    let Some(parts) = Parts::read(message) else { return Reading::Wrong("a message that is broken") };
    let rcode = Rcode(parts.extended << 4 | rcode.0);
    if query.form.edns && !parts.edns && matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP)
        || rcode == Rcode::BADVERS
    {
        return Reading::Plain;
    }
    match parts.write(message, asked, flags & (flag::RA | flag::AD) | rcode.0 & 0xf) {
        Ok(message) => Reading::Answer(Said { message, rcode, exact }),
        Err(wrong) => Reading::Wrong(wrong),
    }
}

/// Whether any sign of life came back to a health check.
pub(super) fn lives(message: &[u8], query: &Query) -> bool {
    message.len() >= HEADER
        && message[..2] == query.id()
        && number(message, 2).is_some_and(|flags| flags & flag::QR != 0)
}

/// The records of a message, by section.
struct Parts {
    answer: Vec<Record>,
    authority: Vec<Record>,
    additional: Vec<Record>,
    edns: bool,
    extended: u16,
}

impl Parts {
    fn read(message: &[u8]) -> Option<Self> {
        let mut parts =
            Self { answer: vec![], authority: vec![], additional: vec![], edns: false, extended: 0 };
        let mut count = 0;
        walk(message, |record| {
            count += 1;
            if record.kind == kind::OPT {
                parts.opt(message, &record)?;
                return Some(());
            }
            if record.class != IN || count > RECORDS {
                return None;
            }
            match record.section {
                Section::Answer => parts.answer.push(record),
                Section::Authority => parts.authority.push(record),
                Section::Additional => parts.additional.push(record),
            }
            Some(())
        })?;
        Some(parts)
    }

    /// There is one at most, of the root, among the additional records (RFC 6891 section 6.1.1).
    fn opt(&mut self, message: &[u8], record: &Record) -> Option<()> {
        if self.edns || record.section != Section::Additional || message[record.owner] != 0 {
            return None;
        }
        self.edns = true;
        self.extended = u16::from(long(message, record.time)?.to_be_bytes()[0]);
        Some(())
    }

    /// Writes what belongs to the answer.
    fn write(&self, message: &[u8], asked: &Question, flags: u16) -> Result<Vec<u8>, &'static str> {
        let chain = Chain::follow(message, &self.answer)?;
        let answer = self.answers(message, asked, &chain)?;
        let authority: Vec<&Record> =
            self.authority.iter().filter(|record| chain.vouches(message, record, asked.dnssec)).collect();
        let additional = self.additionals(message, &answer);
        let mut writer = Writer::new(asked);
        let mut counts = [0; 3];
        for (records, count) in [answer, authority, additional].iter().zip(&mut counts) {
            for record in records {
                let written = writer.record(message, record);
                written.ok_or("a record whose data is broken")?;
                *count += 1;
            }
        }
        let keep = flag::RD | if asked.unchecked { flag::CD } else { 0 };
        Ok(writer.finish(flags | keep, counts))
    }

    /// Records of the chain of types that were asked for; a name outside it is a lie.
    fn answers(&self, message: &[u8], asked: &Question, chain: &Chain) -> Result<Vec<&Record>, &'static str> {
        let mut kept = Vec::with_capacity(self.answer.len());
        for record in &self.answer {
            let owner = record.owner(message).ok_or("a message that is broken")?;
            let own = chain.names.iter().any(|name| owner.is(name.as_wire()));
            let tree = chain.trees.iter().any(|name| owner.is(name.as_wire()));
            if !own && !tree {
                return Err("records of names that were not asked for");
            }
            let wanted = match record.kind {
                kind::DNAME => tree || asked.kind == kind::DNAME,
                kind::CNAME | kind::RRSIG => true,
                of => own && (of == asked.kind || asked.kind == kind::ANY),
            };
            if wanted {
                kept.push(record);
            }
        }
        Ok(kept)
    }

    /// Addresses of what the answer's data names; nothing when there is one that it does not name.
    fn additionals(&self, message: &[u8], answer: &[&Record]) -> Vec<&Record> {
        let leads = |record: &&&Record| matches!(record.kind, kind::NS | kind::MX | kind::SRV | 64 | 65);
        let targets: Vec<Unpacked> =
            answer.iter().filter(leads).filter_map(|record| record.target(message)).collect();
        let named = |record: &Record| {
            let address = matches!(record.kind, kind::A | kind::AAAA | kind::RRSIG);
            let owner = record.owner(message);
            address && owner.is_some_and(|owner| targets.iter().any(|target| owner.is(target.as_wire())))
        };
        if self.additional.iter().all(named) { self.additional.iter().collect() } else { Vec::new() }
    }
}

/// The names that an answer may speak of.
struct Chain {
    /// The question's name, and what aliases lead to; in lower case.
    names: Vec<Unpacked>,
    /// Trees with an alias (DNAME) that one of these is in.
    trees: Vec<Unpacked>,
}

impl Chain {
    fn follow(message: &[u8], answer: &[Record]) -> Result<Self, &'static str> {
        let broken = "a record whose data is broken";
        let mut aliases = Vec::new();
        for record in answer.iter().filter(|record| matches!(record.kind, kind::CNAME | kind::DNAME)) {
            let owner = record.owner(message).ok_or(broken)?.folded();
            let target = record.target(message).ok_or(broken)?.folded();
            aliases.push((record.kind, owner, target));
            if aliases.len() > 2 * ALIASES {
                return Err("too many aliases");
            }
        }
        let (first, _, _, _) = question(message).ok_or(broken)?;
        let mut chain = Self { names: vec![first.folded()], trees: Vec::new() };
        let mut at = 0;
        while at < chain.names.len() {
            let name = chain.names[at];
            at += 1;
            let tree = |(kind, owner, _): &&(u16, Unpacked, Unpacked)| {
                *kind == kind::DNAME
                    && name.as_wire().len() > owner.as_wire().len()
                    && ends_with(name.as_wire(), owner.as_wire())
            };
            chain.trees.extend(aliases.iter().find(tree).map(|(_, owner, _)| *owner));
            let alias =
                aliases.iter().find(|(kind, owner, _)| *kind == kind::CNAME && owner.is(name.as_wire()));
            let Some((.., target)) = alias else { continue };
            if !chain.names.iter().any(|known| known.is(target.as_wire())) {
                chain.names.push(*target);
            }
            if chain.names.len() > ALIASES {
                return Err("too many aliases");
            }
        }
        Ok(chain)
    }

    /// Whether a record of the authority section is one of the zones that these names are in.
    fn vouches(&self, message: &[u8], record: &Record, dnssec: bool) -> bool {
        let Some(owner) = record.owner(message).map(Unpacked::folded) else { return false };
        match record.kind {
            kind::SOA | kind::NS => self.names.iter().any(|name| ends_with(name.as_wire(), owner.as_wire())),
            proof => dnssec && PROOFS.contains(&proof),
        }
    }
}

#[cfg(test)]
mod tests;
