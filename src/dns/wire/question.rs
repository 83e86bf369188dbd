//! A query as it came: the one question and what EDNS says, or what is to be done about a message that is none.

use super::name::MAX;
use super::{HEADER, Rcode, flag, kind, number};

/// The longest option that is looked at: a client's and a server's cookie (RFC 7873 section 4).
const MAX_COOKIE: usize = 40;

/// A name in lower case on the stack.
#[derive(Clone, Copy)]
pub struct Folded {
    bytes: [u8; 256],
    length: u8,
}

impl Folded {
    /// The wire form, in lower case.
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// One query.
pub struct Asked<'a> {
    /// The whole message.
    pub message: &'a [u8],
    /// The number that the reply repeats.
    pub id: u16,
    /// The header's flags as they came: [`flag::RD`], [`flag::CD`], [`flag::AD`].
    pub flags: u16,
    /// What is asked about. As it was written it stands in `message` from [`HEADER`] on, with the same length.
    pub name: Folded,
    /// The record type.
    pub kind: u16,
    /// The class.
    pub class: u16,
    /// What EDNS says, when it is there.
    pub edns: Option<Edns>,
}

/// EDNS(0) of a query (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP payload that the client takes, in bytes; below 512 it counts as 512.
    pub payload: u16,
    /// The version; only 0 is known.
    pub version: u8,
    /// DNSSEC records are wanted.
    pub dnssec: bool,
    /// The cookie option (RFC 7873).
    pub cookie: Option<Cookie>,
    /// The client would like the TCP connection kept open (RFC 7828).
    pub keepalive: bool,
}

/// A cookie option as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    bytes: [u8; MAX_COOKIE],
    length: u8,
}

impl Cookie {
    /// The client's eight bytes.
    pub fn client(&self) -> [u8; 8] {
        let mut client = [0; 8];
        client.copy_from_slice(&self.bytes[..8]);
        client
    }

    /// The server's 8 to 32 bytes; empty when the client does not know them yet.
    pub fn server(&self) -> &[u8] {
        &self.bytes[8..usize::from(self.length)]
    }
}

/// What is to be done about a message that is no query to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing: it is a response, or too short to be answered.
    Drop,
    /// Its header comes back with this code.
    Answer(Rcode),
}

impl Asked<'_> {
    /// The name as it was written, in wire form.
    pub fn written(&self) -> &[u8] {
        &self.message[HEADER..HEADER + usize::from(self.name.length)]
    }

    /// The question's bytes: name, type, class.
    pub fn question(&self) -> &[u8] {
        &self.message[HEADER..HEADER + usize::from(self.name.length) + 4]
    }

    /// The largest reply over UDP that the client takes and the server gives.
    pub fn payload(&self, ours: u16) -> usize {
        let theirs = self.edns.map_or(512, |edns| edns.payload);
        usize::from(theirs.min(ours).max(512))
    }
}

/// Reads a query. Only what comes in one question of an ordinary query is taken; the rest says what to answer.
pub fn read(message: &[u8]) -> Result<Asked<'_>, Unreadable> {
    let (Some(id), Some(flags)) = (number(message, 0), number(message, 2)) else {
        return Err(Unreadable::Drop);
    };
    if message.len() < HEADER || flags & flag::QR != 0 {
        return Err(Unreadable::Drop);
    }
    if flags & flag::OPCODE != 0 {
        return Err(Unreadable::Answer(Rcode::NOTIMP));
    }
    let broken = Unreadable::Answer(Rcode::FORMERR);
    let count = |at| number(message, at).unwrap_or(0);
    if count(4) != 1 {
        return Err(broken);
    }
    let mut name = Folded { bytes: [0; 256], length: 0 };
    let end = fold(message, &mut name).ok_or(broken)?;
    let kind = number(message, end).ok_or(broken)?;
    let class = number(message, end + 2).ok_or(broken)?;
    let mut asked = Asked { message, id, flags, name, kind, class, edns: None };
    // A query has no answers; what an IXFR has in its authority is skipped.
    let mut at = end + 4;
    for left in 0..u32::from(count(6)) + u32::from(count(8)) + u32::from(count(10)) {
        let additional = left >= u32::from(count(6)) + u32::from(count(8));
        at = record(message, at, additional, &mut asked.edns).ok_or(broken)?;
    }
    if at == message.len() { Ok(asked) } else { Err(broken) }
}

/// Takes the question's name in lower case; gives where it ends. There are no pointers in a question.
#[inline]
fn fold(message: &[u8], name: &mut Folded) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        if length > 63 {
            return None;
        }
        at += 1 + length;
        if at - HEADER > MAX {
            return None;
        }
        if length == 0 {
            break;
        }
    }
    let written = message.get(HEADER..at)?;
    let folded = &mut name.bytes[..written.len()];
    folded.copy_from_slice(written);
    // Lengths are below the capital letters' codes (at most 63), so they stay as they are.
    folded.make_ascii_lowercase();
    name.length = u8::try_from(written.len()).ok()?;
    Some(at)
}

/// Passes over a record, and takes what an OPT says. Gives where it ends.
fn record(message: &[u8], at: usize, additional: bool, edns: &mut Option<Edns>) -> Option<usize> {
    let mut end = at;
    let root = *message.get(at)? == 0;
    loop {
        let length = usize::from(*message.get(end)?);
        if length & 0xc0 == 0xc0 {
            end += 2;
            break;
        }
        if length > 63 {
            return None;
        }
        end += 1 + length;
        if length == 0 {
            break;
        }
    }
    let kind = number(message, end)?;
    let class = number(message, end + 2)?;
    let data = end + 10;
    let next = data + usize::from(number(message, end + 8)?);
    let content = message.get(data..next)?;
    if kind == kind::OPT {
        // At most one, in the additional section, owned by the root (RFC 6891 section 6.1.1).
        if !additional || !root || edns.is_some() {
            return None;
        }
        let flags = number(message, end + 6)?;
        let version = *message.get(end + 5)?;
        *edns = Some(options(content, class, version, flags & 0x8000 != 0)?);
    }
    Some(next)
}

fn options(mut content: &[u8], payload: u16, version: u8, dnssec: bool) -> Option<Edns> {
    let mut edns = Edns { payload, version, dnssec, cookie: None, keepalive: false };
    while !content.is_empty() {
        let (code, length) = (number(content, 0)?, usize::from(number(content, 2)?));
        let value = content.get(4..4 + length)?;
        match code {
            10 if edns.cookie.is_none() => edns.cookie = Some(cookie(value)?),
            11 => edns.keepalive = true,
            _ => {} // unknown options are ignored (RFC 6891 section 6.1.2)
        }
        content = &content[4 + length..];
    }
    Some(edns)
}

/// A client's cookie has 8 bytes, with a server's 16 to 40; anything else is malformed (RFC 7873 section 5.2.2).
fn cookie(value: &[u8]) -> Option<Cookie> {
    if value.len() != 8 && !(16..=MAX_COOKIE).contains(&value.len()) {
        return None;
    }
    let mut cookie = Cookie { bytes: [0; MAX_COOKIE], length: u8::try_from(value.len()).ok()? };
    cookie.bytes[..value.len()].copy_from_slice(value);
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for `wEb.Shop A` with these counts and what follows the question.
    fn message(counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 0x01, 0x00];
        bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend(b"\x03wEb\x04Shop\0\0\x01\0\x01");
        bytes.extend(rest);
        bytes
    }

    fn opt(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 41, 0x10, 0x00, 0, 0, 0x80, 0, 0, u8::try_from(options.len()).unwrap()];
        bytes.extend(options);
        bytes
    }

    #[test]
    fn a_plain_query_is_read_with_its_name_in_lower_case() {
        let bytes = message([1, 0, 0, 0], &[]);
        let asked = read(&bytes).ok().unwrap();
        assert_eq!((asked.id, asked.flags, asked.kind, asked.class), (0x1234, flag::RD, kind::A, 1));
        assert_eq!(asked.name.as_wire(), b"\x03web\x04shop\0");
        assert_eq!(asked.written(), b"\x03wEb\x04Shop\0");
        assert_eq!((asked.edns, asked.payload(1232)), (None, 512));
    }

    #[test]
    fn edns_gives_payload_version_dnssec_and_cookie_and_unknown_options_are_ignored() {
        let bytes = message([1, 0, 0, 1], &opt(b"\0\x64\0\x02ab\0\x0a\0\x08clientck\0\x0b\0\0"));
        let asked = read(&bytes).ok().unwrap();
        let edns = asked.edns.unwrap();
        assert_eq!((edns.payload, edns.version, edns.dnssec, edns.keepalive), (4096, 0, true, true));
        let cookie = edns.cookie.unwrap();
        assert_eq!((&cookie.client(), cookie.server()), (b"clientck", &b""[..]));
        assert_eq!((asked.payload(1232), asked.payload(100)), (1232, 512));
    }

    #[test]
    fn what_is_no_ordinary_query_is_dropped_or_answered_with_a_code() {
        let verdict = |bytes: &[u8]| read(bytes).err();
        let fine = message([1, 0, 0, 0], &[]);
        assert_eq!(verdict(&fine[..11]), Some(Unreadable::Drop));
        assert_eq!(verdict(&[]), Some(Unreadable::Drop));
        let mut response = fine.clone();
        response[2] |= 0x80;
        assert_eq!(verdict(&response), Some(Unreadable::Drop));
        let mut update = fine.clone();
        update[2] |= 5 << 3;
        assert_eq!(verdict(&update), Some(Unreadable::Answer(Rcode::NOTIMP)));
        let broken = Some(Unreadable::Answer(Rcode::FORMERR));
        assert_eq!(verdict(&message([0, 0, 0, 0], &[])), broken);
        assert_eq!(verdict(&message([2, 0, 0, 0], &[])), broken);
        assert_eq!(verdict(&message([1, 0, 0, 1], &[])), broken);
        assert_eq!(verdict(&message([1, 0, 0, 0], &[0])), broken, "bytes after the message");
        assert_eq!(verdict(&message([1, 0, 0, 2], &[opt(b""), opt(b"")].concat())), broken);
        assert_eq!(verdict(&message([1, 1, 0, 0], &opt(b""))), broken, "OPT among the answers");
        for cookie in [&b"\0\x0a\0\x07clientc"[..], b"\0\x0a\0\x09clientckx", b"\0\x0a\0\xffx", b"\0\x0a"] {
            assert_eq!(verdict(&message([1, 0, 0, 1], &opt(cookie))), broken, "{cookie:?}");
        }
        let pointer = [&fine[..12], b"\xc0\x0c\0\x01\0\x01"].concat();
        assert_eq!(verdict(&pointer), broken);
        let long = [&fine[..12], &b"\x07abcdefg".repeat(32), b"\0\0\x01\0\x01"].concat();
        assert_eq!(verdict(&long), broken);
    }
}
