//! A whole reply, record by record, with other names in it.

use super::super::wire::name::MAX;
use super::super::wire::reply::OWNER;
use super::super::wire::{HEADER, kind, number};
use super::Back;

/// Pointers that are followed for one name at most: more than a name has labels is a loop.
const POINTERS: usize = 127;

/// Writes the reply anew: the question as it was asked, owners and names in data as `back` says, times in its bounds.
pub(super) fn rewrite(reply: &[u8], question: &[u8], back: &Back) -> Option<Vec<u8>> {
    let asked = question.get(..question.len().checked_sub(4)?)?;
    let mut out = Vec::with_capacity(reply.len() + 64);
    out.extend_from_slice(reply.get(..HEADER)?);
    out[4..6].copy_from_slice(&[0, 1]);
    out.extend_from_slice(question);
    let mut at = HEADER;
    for _ in 0..number(reply, 4)? {
        at = skip(reply, at)? + 4;
    }
    let (answers, authority, additional) = (number(reply, 6)?, number(reply, 8)?, number(reply, 10)?);
    for index in 0..u32::from(answers) + u32::from(authority) + u32::from(additional) {
        let (owner, end) = name(reply, at)?;
        let fixed = reply.get(end..end + 10)?;
        let (kind, length) = (number(fixed, 0)?, usize::from(number(fixed, 8)?));
        let data = end + 10;
        at = data + length;
        if at > reply.len() {
            return None;
        }
        if kind == kind::OPT {
            out.extend_from_slice(reply.get(end - owner.len()..at)?);
            continue;
        }
        let folded = owner.to_ascii_lowercase();
        let own = back.owner(&folded);
        put(&mut out, own.as_ref().map_or(&owner, |name| name.as_wire()), asked);
        out.extend_from_slice(&fixed[..4]);
        let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let bounds = back.ttl.filter(|_| index < u32::from(answers));
        let ttl = bounds.map_or(ttl, |(least, most)| ttl.clamp(least, most.max(least)));
        out.extend_from_slice(&ttl.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        values(reply, kind, data, length, back, &mut out)?;
        let written = u16::try_from(out.len() - start - 2).ok()?;
        out[start..start + 2].copy_from_slice(&written.to_be_bytes());
    }
    u16::try_from(out.len()).is_ok().then_some(out)
}

/// Names in data that may be compressed (RFC 1035, RFC 3597 section 4), with the bytes before them.
fn layout(kind: u16) -> Option<(usize, usize)> {
    match kind {
        kind::NS | 3 | 4 | kind::CNAME | 7..=9 | kind::PTR | kind::DNAME => Some((0, 1)),
        kind::SOA | 14 | 17 => Some((0, 2)),
        kind::MX | 18 | 21 | 36 => Some((2, 1)),
        kind::SRV => Some((6, 1)),
        _ => None,
    }
}

fn values(reply: &[u8], kind: u16, data: usize, length: usize, back: &Back, out: &mut Vec<u8>) -> Option<()> {
    let end = data + length;
    let Some((before, names)) = layout(kind) else {
        out.extend_from_slice(reply.get(data..end)?);
        return Some(());
    };
    out.extend_from_slice(reply.get(data..data + before).filter(|_| before <= length)?);
    let mut at = data + before;
    for which in 0..names {
        let (value, next) = name(reply, at)?;
        // Who is responsible for a zone is no name of a host.
        let new = (which == 0).then(|| back.value(&value.to_ascii_lowercase())).flatten();
        out.extend_from_slice(new.as_ref().map_or(&value, |name| name.as_wire()));
        at = next;
    }
    out.extend_from_slice(reply.get(at..end)?);
    Some(())
}

/// An owner; as a pointer where it is the question's.
fn put(out: &mut Vec<u8>, owner: &[u8], asked: &[u8]) {
    let pointer = owner.eq_ignore_ascii_case(asked) && owner.len() > 1;
    out.extend_from_slice(if pointer { &OWNER } else { owner });
}

/// Where the name that begins here ends.
fn skip(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*message.get(at)?) {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + length,
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// The name that begins here, written out, and where it ends.
fn name(message: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (mut at, mut wire, mut pointers) = (start, Vec::new(), 0);
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => {
                wire.push(0);
                let whole = wire.len() <= MAX;
                return whole.then_some((wire, skip(message, start)?));
            }
            1..=63 => {
                wire.extend_from_slice(message.get(at..=at + length)?);
                at += 1 + length;
            }
            192.. => {
                pointers += 1;
                at = usize::from(number(message, at)? & 0x3fff);
            }
            _ => return None,
        }
        if wire.len() > MAX || pointers > POINTERS {
            return None;
        }
    }
}
