//! A whole zone, record by record (AXFR, RFC 5936), for those who may have it.

use super::Serving;
use super::active::Chosen;
use crate::dns::wire::name::Name;
use crate::dns::wire::question::{Asked, read};
use crate::dns::wire::reply::{Reply, Section};
use crate::dns::wire::{IN, Rcode, flag};
use crate::dns::zone::{Part, Record, Zone};

/// The length of a message at most, in bytes: pointers are not needed, so any length would do.
const MESSAGE: usize = 32 << 10;

/// The messages of the reply to a query for a zone.
pub(super) fn messages(serving: &Serving, chosen: Chosen, query: &[u8]) -> Vec<Vec<u8>> {
    let Ok(asked) = read(query) else { return Vec::new() };
    let kubernetes = chosen.block.and_then(|at| serving.active.blocks[at].kubernetes);
    let Some(zones) = kubernetes.and_then(|at| serving.zones.get(at)) else {
        return vec![empty(&asked, Rcode::REFUSED)];
    };
    let Some(zones) = zones else { return vec![empty(&asked, Rcode::SERVFAIL)] };
    match zones.iter().find(|zone| zone.options().domain.as_wire() == asked.name.as_wire()) {
        Some(zone) => whole(&asked, zone),
        None => vec![empty(&asked, Rcode::REFUSED)],
    }
}

/// SOA, everything else, SOA.
fn whole(asked: &Asked<'_>, zone: &Zone) -> Vec<Vec<u8>> {
    let soa = zone.soa(Part::Forward);
    let mut records = std::iter::once(soa.clone())
        .chain(zone.records())
        .chain([soa])
        .map(|record| encoded(&record))
        .peekable();
    let mut messages = Vec::new();
    while records.peek().is_some() {
        let mut out = vec![0; MESSAGE];
        let mut reply = Reply::new(asked, &mut out, MESSAGE, crate::dns::plan::PAYLOAD, &[]);
        reply.set(flag::AA);
        while let Some(record) = records.next_if(|record| record.len() <= reply.left()) {
            reply.push(Section::Answer, &record, 1);
        }
        let stuck = reply.counts()[0] == 0;
        let length = reply.finish(Rcode::NOERROR);
        out.truncate(length);
        messages.push(out);
        // No record of a zone is that long.
        if stuck {
            break;
        }
    }
    messages
}

fn encoded(record: &Record) -> Vec<u8> {
    let Record { name, kind, ttl, data } = record;
    let mut bytes = Vec::with_capacity(Name::as_wire(name).len() + 10 + data.len());
    bytes.extend(name.as_wire());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn empty(asked: &Asked<'_>, rcode: Rcode) -> Vec<u8> {
    let mut out = vec![0; 512];
    let length = Reply::new(asked, &mut out, 512, crate::dns::plan::PAYLOAD, &[]).finish(rcode);
    out.truncate(length);
    out
}
