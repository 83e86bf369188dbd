//! Puts the records of one message into another. What does not fit is left out from there on.

use crate::dns::wire::kind;
use crate::dns::wire::record::{Piece, Record, pieces, walk};
use crate::dns::wire::reply::{Reply, Section};

/// The records of an answer to the same question, before any other: they stand where they stood, so that pointers stay good.
/// False when the message is broken.
pub(super) fn verbatim(reply: &mut Reply<'_>, message: &[u8]) -> bool {
    let mut full = false;
    let walked = walk(message, |record| {
        let bytes = message.get(record.owner..record.data.end)?;
        // Without OPT there is no gap; after one, positions would differ.
        if !full && record.kind != kind::OPT {
            if reply.position() != record.owner {
                return None;
            }
            full = !add(reply, record.section, bytes);
        }
        Some(())
    });
    walked.is_some()
}

/// The records of an answer to another question, with their names written out. False when the message is broken.
pub(super) fn elsewhere(reply: &mut Reply<'_>, message: &[u8], section: Section) -> bool {
    let mut full = false;
    let walked = walk(message, |record| {
        if !full && record.section == section && record.kind != kind::OPT {
            full = !add(reply, section, &written_out(message, &record)?);
        }
        Some(())
    });
    walked.is_some()
}

/// A record whose names are without pointers.
pub(super) fn written_out(message: &[u8], record: &Record) -> Option<Vec<u8>> {
    let mut bytes = record.owner(message)?.as_wire().to_vec();
    // Type, class, time.
    bytes.extend(message.get(record.time - 4..record.time + 4)?);
    let length = bytes.len();
    bytes.extend([0, 0]);
    pieces(message, record, |piece| {
        match piece {
            Piece::Bytes(more) => bytes.extend(more),
            Piece::Name { name, .. } => bytes.extend(name.as_wire()),
        }
        Some(())
    })?;
    let data = u16::try_from(bytes.len() - length - 2).ok()?;
    bytes[length..length + 2].copy_from_slice(&data.to_be_bytes());
    Some(bytes)
}

/// What is lost of answer and authority is said; additional records are a gift.
fn add(reply: &mut Reply<'_>, section: Section, record: &[u8]) -> bool {
    let fits = reply.push(section, record, 1);
    if !fits && section != Section::Additional {
        reply.truncate();
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::wire::Rcode;
    use crate::dns::wire::question::read;

    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01A\x01b\0\0\x01\0\x01";
    /// a.b CNAME c.b; c.b A 10.0.0.1; b SOA; with pointers.
    const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x02\0\x01\0\0\x01a\x01b\0\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x04\x01c\xc0\x0e\
        \xc0\x21\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x01\
        \xc0\x0e\0\x02\0\x01\0\0\0\x1e\0\x04\x01n\xc0\x0e";

    fn filled(limit: usize, fill: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
        let mut out = vec![0; 512];
        let asked = read(QUERY).ok().unwrap();
        let mut reply = Reply::new(&asked, &mut out, limit, 1232, b"");
        fill(&mut reply);
        let length = reply.finish(Rcode::NOERROR);
        out.truncate(length);
        out
    }

    #[test]
    fn an_answer_to_the_same_question_is_taken_as_it_stands() {
        let reply = filled(512, |reply| assert!(verbatim(reply, ANSWER)));
        assert_eq!(reply[20..], ANSWER[20..]);
        assert_eq!(&reply[6..16], b"\0\x02\0\x01\0\0\x01A\x01b");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let reply = filled(40, |reply| assert!(verbatim(reply, ANSWER)));
        assert_eq!((reply.len(), reply[2] & 2, reply[7]), (37, 2, 1));
        let reply = filled(60, |reply| assert!(verbatim(reply, ANSWER)));
        assert_eq!((reply[2] & 2, reply[7], reply[9]), (2, 2, 0));
    }

    #[test]
    fn records_of_another_question_have_their_names_written_out() {
        let reply = filled(512, |reply| {
            assert!(reply.push(Section::Answer, b"\xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x05\x01a\x01b\0", 1));
            assert!(elsewhere(reply, ANSWER, Section::Answer));
        });
        let added = b"\x01a\x01b\0\0\x05\0\x01\0\0\0\x1e\0\x05\x01c\x01b\0\x01c\x01b\0\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x01";
        assert_eq!(reply[38..], added[..]);
        assert_eq!(reply[7], 3);
    }

    #[test]
    fn a_broken_message_is_not_taken() {
        for cut in 20..ANSWER.len() {
            filled(512, |reply| assert!(!verbatim(reply, &ANSWER[..cut])));
        }
    }
}
