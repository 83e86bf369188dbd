//! Puts a name's records into the reply: as many whole ones as fit.

use std::sync::Arc;

use super::Answer;
use crate::dns::wire::reply::Section;
use crate::dns::wire::{HEADER, kind};
use crate::dns::zone::{
    Claim, Data, Entry, Found, Host, Node, Srv, Targets, V4, V6, VERSION, VERSION_TTL, pointer,
};

/// Whose records are added.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    /// In wire form and lower case.
    pub(super) name: &'a [u8],
    /// Where it stands in the message.
    pub(super) at: usize,
}

impl Answer<'_, '_> {
    /// Addresses and SRV; false when there is nothing of the type.
    #[inline]
    pub(super) fn host(&mut self, host: &Host, kind: u16, owner: Owner<'_>) -> bool {
        match kind {
            kind::A => self.addresses::<V4>(host.v4.as_deref(), owner),
            kind::AAAA => self.addresses::<V6>(host.v6.as_deref(), owner),
            kind::SRV => match &host.srv {
                Some(srv) => self.services(srv, host, owner),
                None => false,
            },
            _ => false,
        }
    }

    /// Records of one length, beginning with the one whose turn it is.
    #[inline]
    fn addresses<const LENGTH: usize>(&mut self, records: Option<&[u8]>, owner: Owner<'_>) -> bool {
        let Some(records) = records else { return false };
        let count = records.len() / LENGTH;
        let start = match self.turn {
            Some(turn) if count > 1 => turn as usize % count,
            _ => 0,
        };
        let (last, first) = records.split_at(start * LENGTH);
        let from = self.reply.position();
        let fits = self.whole::<LENGTH>(first) && self.whole::<LENGTH>(last);
        if !fits {
            self.reply.truncate();
        }
        own::<LENGTH>(self.reply.added(from), owner.at);
        true
    }

    /// As many of these records as fit; false when some did not.
    #[inline]
    fn whole<const LENGTH: usize>(&mut self, records: &[u8]) -> bool {
        let room = self.reply.left() / LENGTH * LENGTH;
        let taken = &records[..records.len().min(room)];
        let count = u16::try_from(taken.len() / LENGTH).unwrap_or(u16::MAX);
        self.reply.push(Section::Answer, taken, count) && taken.len() == records.len()
    }

    /// SRV records, and the addresses of what they lead to as far as they fit.
    fn services(&mut self, srv: &Srv, host: &Host, owner: Owner<'_>) -> bool {
        let start = self.reply.position();
        for entry in &srv.entries {
            let Some(target) = srv.target(owner.name, entry.target) else { continue };
            let mut record = [0; 18 + 255];
            let end = 18 + target.len();
            let Some(room) = record.get_mut(18..end) else { continue };
            room.copy_from_slice(target);
            let length = u16::try_from(6 + target.len()).unwrap_or(0);
            record[..12].copy_from_slice(&self.zone.frame().head(kind::SRV, length));
            record[..2].copy_from_slice(&pointer(owner.at));
            record[14..16].copy_from_slice(&srv.weight.to_be_bytes());
            record[16..18].copy_from_slice(&entry.port.to_be_bytes());
            if !self.reply.push(Section::Answer, &record[..end], 1) {
                self.reply.truncate();
                return true;
            }
        }
        // Their owners are pointers to where the targets stand in the SRV records, in lower case.
        match &srv.targets {
            Targets::Own { .. } => {
                self.along(host, start + 18);
            }
            Targets::Hosts(hosts) => self.targets(srv, hosts, start + 18),
        }
        true
    }

    /// The addresses of targets, the first of which stands at `at`.
    fn targets(&mut self, srv: &Srv, hosts: &[Arc<Node>], mut at: usize) {
        for Entry { target, first, .. } in &srv.entries {
            let Some(node) = hosts.get(*target as usize) else { continue };
            if let (true, Data::Host(host)) = (*first, &node.data)
                && (at > 0x3fff || !self.along(host, at))
            {
                // A pointer reaches no farther, or the room is at its end.
                return;
            }
            at += node.name.as_wire().len() + 18;
        }
    }

    /// All addresses of a host as additional records, or, when they do not fit, those of one family, or none.
    fn along(&mut self, host: &Host, at: usize) -> bool {
        let v4 = self.extra::<V4>(host.v4.as_deref(), at);
        self.extra::<V6>(host.v6.as_deref(), at) && v4
    }

    fn extra<const LENGTH: usize>(&mut self, records: Option<&[u8]>, at: usize) -> bool {
        let records = records.unwrap_or_default();
        let from = self.reply.position();
        let count = u16::try_from(records.len() / LENGTH).unwrap_or(u16::MAX);
        let fits = self.reply.push(Section::Additional, records, count);
        own::<LENGTH>(self.reply.added(from), at);
        fits
    }

    /// The names of an address: Services' own, else endpoints'.
    pub(super) fn pointers(&mut self, claims: &[Claim], owner: Owner<'_>) -> bool {
        let rank = claims.first().map(|claim| claim.rank);
        for claim in claims.iter().filter(|claim| Some(claim.rank) == rank) {
            self.record(owner, kind::PTR, claim.name.as_wire());
        }
        rank.is_some()
    }

    /// The version of the specification.
    pub(super) fn version(&mut self, owner: Owner<'_>) -> bool {
        let from = self.reply.position();
        self.record(owner, kind::TXT, VERSION);
        if let Some(ttl) = self.reply.added(from).get_mut(6..10) {
            ttl.copy_from_slice(&VERSION_TTL.to_be_bytes());
        }
        true
    }

    /// The least that may be said to ANY (RFC 8482 section 4.2).
    pub(super) fn hinfo(&mut self, owner: Owner<'_>) -> bool {
        self.record(owner, kind::HINFO, b"\x07RFC8482\0");
        true
    }

    /// The zone's name server, this one, with its addresses.
    pub(super) fn server(&mut self) {
        let frame = self.zone.frame();
        let from = self.reply.position();
        let [high, low] = pointer(HEADER);
        let owner = Owner { name: &[], at: HEADER };
        self.record(owner, kind::NS, &[2, b'n', b's', 3, b'd', b'n', b's', high, low]);
        if let Some(Found::Node(node)) = self.zone.find(frame.server.as_wire())
            && let Data::Host(host) = &node.data
        {
            self.along(host, from + 12);
        }
    }

    /// One short record.
    pub(super) fn record(&mut self, owner: Owner<'_>, kind: u16, data: &[u8]) {
        let mut record = [0; 12 + 255];
        let end = 12 + data.len();
        let Some(room) = record.get_mut(12..end) else { return };
        room.copy_from_slice(data);
        let length = u16::try_from(data.len()).unwrap_or(0);
        record[..12].copy_from_slice(&self.zone.frame().head(kind, length));
        record[..2].copy_from_slice(&pointer(owner.at));
        if !self.reply.push(Section::Answer, &record[..end], 1) {
            self.reply.truncate();
        }
    }
}

/// Sets the owners of records of one length. They come with the question's name.
#[inline]
fn own<const LENGTH: usize>(records: &mut [u8], at: usize) {
    if at == HEADER {
        return;
    }
    for record in records.chunks_exact_mut(LENGTH) {
        record[..2].copy_from_slice(&pointer(at));
    }
}
