//! A reply as it is put together: header and question as they were asked, records, and at the end OPT.
//!
//! Records come encoded. Their pointers count from the message's start, where the question stands at [`HEADER`]: an owner
//! written as [`OWNER`] is the name as the client wrote it.

use super::question::Asked;
use super::{HEADER, Rcode, flag, kind};

/// A pointer to the question's name.
pub const OWNER: [u8; 2] = [0xc0, 0x0c];

/// The length of an OPT record without options.
const OPT: usize = 11;

/// Where records stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who says so; the SOA of a denial.
    Authority,
    /// What is likely to be asked next.
    Additional,
}

/// A reply under way.
pub struct Reply<'a> {
    out: &'a mut [u8],
    at: usize,
    room: usize,
    counts: [u16; 3],
    flags: u16,
    edns: Option<(u16, bool)>,
    options: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Begins the reply to `asked` in `out`. It gets at most `limit` bytes, of which OPT with `options` (encoded) takes what
    /// it needs, where the client speaks EDNS; `payload` is what we take ourselves. `out` must hold at least 512 bytes.
    pub fn new(asked: &Asked<'_>, out: &'a mut [u8], limit: usize, payload: u16, options: &'a [u8]) -> Self {
        let question = asked.question();
        out[..2].copy_from_slice(&asked.id.to_be_bytes());
        out[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        let at = HEADER + question.len();
        out[HEADER..at].copy_from_slice(question);
        let edns = asked.edns.map(|edns| (payload, edns.dnssec));
        let reserved = if edns.is_some() { OPT + options.len() } else { 0 };
        let room = limit.min(out.len()).saturating_sub(reserved);
        let flags = flag::QR | asked.flags & (flag::RD | flag::CD);
        Self { out, at, room, counts: [0; 3], flags, edns, options }
    }

    /// Sets [`flag::AA`], [`flag::RA`], [`flag::AD`] or [`flag::TC`].
    #[inline]
    pub fn set(&mut self, flags: u16) {
        self.flags |= flags;
    }

    /// Says that something did not fit: the client is to ask over TCP.
    #[inline]
    pub fn truncate(&mut self) {
        self.flags |= flag::TC;
    }

    /// How many bytes are left for records.
    #[inline]
    pub fn left(&self) -> usize {
        self.room.saturating_sub(self.at)
    }

    /// Where the next record goes, from the message's start.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Adds encoded records; false, and nothing added, when they do not fit. Sections come in order.
    #[inline]
    pub fn push(&mut self, section: Section, records: &[u8], count: u16) -> bool {
        if records.len() > self.left() {
            return false;
        }
        self.out[self.at..self.at + records.len()].copy_from_slice(records);
        self.at += records.len();
        self.counts[section as usize] += count;
        true
    }

    /// What was added from a position on, to set pointers or times in it.
    #[inline]
    pub fn added(&mut self, from: usize) -> &mut [u8] {
        &mut self.out[from..self.at]
    }

    /// Takes back what was added from a position on; the counts are those of then.
    pub fn rewind(&mut self, position: usize, counts: [u16; 3]) {
        self.at = position;
        self.counts = counts;
    }

    /// How many records each section has.
    pub fn counts(&self) -> [u16; 3] {
        self.counts
    }

    /// Ends the reply; gives its length.
    #[inline]
    pub fn finish(mut self, rcode: Rcode) -> usize {
        let flags = self.flags | rcode.0 & 0xf;
        self.out[2..4].copy_from_slice(&flags.to_be_bytes());
        if let Some((payload, dnssec)) = self.edns {
            let [high, low] = payload.to_be_bytes();
            let extended = (rcode.0 >> 4).to_be_bytes()[1];
            let length = u16::try_from(self.options.len()).unwrap_or(0).to_be_bytes();
            let [type_high, type_low] = kind::OPT.to_be_bytes();
            let dnssec = if dnssec { 0x80 } else { 0 };
            let opt: [u8; OPT] =
                [0, type_high, type_low, high, low, extended, 0, dnssec, 0, length[0], length[1]];
            let end = self.at + OPT;
            self.out[self.at..end].copy_from_slice(&opt);
            self.out[end..end + self.options.len()].copy_from_slice(self.options);
            self.at = end + self.options.len();
            self.counts[Section::Additional as usize] += 1;
        }
        for (at, count) in self.counts.iter().enumerate() {
            self.out[6 + 2 * at..8 + 2 * at].copy_from_slice(&count.to_be_bytes());
        }
        self.at
    }
}

/// A header that answers a message of which no more can be said, for [`super::question::Unreadable::Answer`]. `message` has
/// at least a header.
pub fn bare(message: &[u8], rcode: Rcode) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&message[..2]);
    let kept = u16::from_be_bytes([message[2], message[3]]) & (flag::OPCODE | flag::RD | flag::CD);
    header[2..4].copy_from_slice(&(flag::QR | kept | rcode.0 & 0xf).to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::super::question::read;
    use super::*;

    const QUERY: &[u8] = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x03wEb\0\0\x01\0\x01";
    const EDNS: &[u8] =
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03wEb\0\0\x01\0\x01\0\0\x29\x10\0\0\0\x80\0\0\0";

    #[test]
    fn a_reply_repeats_the_question_as_written_and_counts_its_records() {
        let mut out = [0xff; 512];
        let asked = read(QUERY).ok().unwrap();
        let mut reply = Reply::new(&asked, &mut out, 512, 1232, b"");
        reply.set(flag::AA);
        assert!(reply.push(Section::Answer, b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x01", 1));
        let length = reply.finish(Rcode::NOERROR);
        let expected = b"\x12\x34\x85\x10\0\x01\0\x01\0\0\0\0\x03wEb\0\0\x01\0\x01\
            \xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x01";
        assert_eq!(out[..length], expected[..]);
    }

    #[test]
    fn room_for_edns_is_kept_and_extended_codes_are_split() {
        let mut out = [0; 512];
        let asked = read(EDNS).ok().unwrap();
        let mut reply = Reply::new(&asked, &mut out, 40, 1232, b"\0\x0a\0\0");
        assert_eq!(reply.left(), 40 - 21 - 15);
        assert!(!reply.push(Section::Answer, b"12345", 1));
        reply.truncate();
        let length = reply.finish(Rcode::BADVERS);
        assert_eq!(&out[2..12], b"\x83\0\0\x01\0\0\0\0\0\x01");
        assert_eq!(&out[21..length], b"\0\0\x29\x04\xd0\x01\0\x80\0\0\x04\0\x0a\0\0");
    }

    #[test]
    fn a_bare_header_keeps_id_operation_and_wishes() {
        assert_eq!(
            bare(b"\xab\xcd\x29\0\0\x01\0\0\0\0\0\0", Rcode::NOTIMP),
            *b"\xab\xcd\xa9\x04\0\0\0\0\0\0\0\0"
        );
    }
}
