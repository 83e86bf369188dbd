use super::super::query::Form;
use super::*;
use crate::dns::wire::name::Name;
use crate::dns::wire::record::pieces;

const FORM: Form = Form { mixed: true, edns: true, recursion: true };

fn question(kind: u16, dnssec: bool) -> Question {
    Question { name: Name::parse("web.example").unwrap(), kind, dnssec, unchecked: false }
}

/// A reply with aliases, a service, proofs, an address of what is named, and OPT; names written with pointers where
/// they can be.
fn rich(query: &Query) -> Vec<u8> {
    let mut message = [&query.id()[..], &[0x81, 0xa0, 0, 1, 0, 3, 0, 2, 0, 2], query.question()].concat();
    let record = |message: &mut Vec<u8>, owner: &[u8], kind: u16, data: &[u8]| {
        message.extend(owner);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    };
    record(&mut message, b"\xc0\x0c", kind::CNAME, b"\x01B\xc0\x10");
    let alias = u8::try_from(message.len() - 4).unwrap();
    record(&mut message, &[0xc0, alias], kind::SRV, b"\0\0\0\0\0\x50\x01t\xc0\x10");
    let target = u8::try_from(message.len() - 4).unwrap();
    record(&mut message, &[0xc0, alias], kind::RRSIG, &[&[0; 18][..], b"\x07example\0signed"].concat());
    record(&mut message, b"\xc0\x10", kind::SOA, &[&b"\x02ns\xc0\x10\x01h\xc0\x10"[..], &[0; 20]].concat());
    record(&mut message, b"\xc0\x10", 47, b"\x01Z\xc0\x10\0\x01\x40");
    record(&mut message, &[0xc0, target], kind::A, &[192, 0, 2, 1]);
    message.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    message
}

/// What is said, in words; it is sound in any case.
fn said(message: &[u8], query: &Query, asked: &Question) -> Option<Vec<String>> {
    let Reading::Answer(said) = read(message, query, asked, false) else { return None };
    let message = said.message;
    assert_eq!(message[12..].first_chunk::<13>(), Some(b"\x03web\x07example\0"));
    let mut lines = Vec::new();
    walk(&message, |record| {
        assert_ne!(record.kind, kind::OPT);
        pieces(&message, &record, |_| Some(()))?;
        let target = record.target(&message).map_or(String::new(), |name| name.name().to_string());
        let owner = record.owner(&message).unwrap().name();
        lines.push(format!("{:?} {owner} {} {target}", record.section, record.kind));
        Some(())
    })
    .expect("what is written can be read");
    Some(lines)
}

#[test]
fn a_message_is_written_anew_with_all_that_belongs_to_the_answer() {
    let asked = question(kind::SRV, true);
    let query = Query::new(&asked, FORM).unwrap();
    let Reading::Answer(said) = read(&rich(&query), &query, &asked, false) else { panic!() };
    let expected = b"\0\0\x81\xa0\0\x01\0\x03\0\x02\0\x01\x03web\x07example\0\0\x21\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01B\xc0\x10\
        \xc0\x29\0\x21\0\x01\0\0\0\x3c\0\x11\0\0\0\0\0\x50\x01t\x07example\0\
        \xc0\x29\0\x2e\0\x01\0\0\0\x3c\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07example\0signed\
        \xc0\x10\0\x06\0\x01\0\0\0\x3c\0\x1d\x02ns\xc0\x10\x01h\xc0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xc0\x10\0\x2f\0\x01\0\0\0\x3c\0\x0e";
    assert_eq!(said.message[..expected.len()], expected[..]);
    assert!(said.exact);
    // The end of NSEC's name comes in the case that was sent: its case is signed. Then the address, its owner a pointer.
    let rest = &said.message[expected.len()..];
    assert!(rest[..14].eq_ignore_ascii_case(b"\x01Z\x07example\0\0\x01\x40"));
    assert_eq!(rest[14..], *b"\xc0\x3f\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
}

#[test]
fn an_extended_code_is_put_together_and_wrong_opt_records_are_refused() {
    let asked = question(kind::A, false);
    let query = Query::new(&asked, FORM).unwrap();
    let with = |counts: [u8; 6], rest: &[u8]| {
        let message = [&query.id()[..], &[0x81, 0x80, 0, 1], &counts, query.question(), rest].concat();
        read(&message, &query, &asked, false)
    };
    let opt = |extended: u8| [0, 0, 41, 4, 0xd0, extended, 0, 0, 0, 0, 0];
    let code = |reading| match reading {
        Reading::Answer(said) => Some(said.rcode.0),
        _ => None,
    };
    assert_eq!(code(with([0, 0, 0, 0, 0, 1], &opt(0))), Some(0));
    assert_eq!(code(with([0, 0, 0, 0, 0, 1], &opt(2))), Some(32));
    assert!(matches!(with([0, 0, 0, 0, 0, 1], &opt(1)), Reading::Plain), "BADVERS");
    assert!(matches!(with([0, 0, 0, 0, 0, 2], &[opt(0), opt(0)].concat()), Reading::Wrong(_)));
    assert!(matches!(with([0, 1, 0, 0, 0, 0], &opt(0)), Reading::Wrong(_)));
    assert!(matches!(with([0, 0, 0, 0, 0, 1], b""), Reading::Wrong(_)));
    assert!(matches!(with([0, 0, 0, 0, 0, 0], b"x"), Reading::Wrong(_)));
    let chaos = b"\xc0\x0c\0\x01\0\x03\0\0\0\x3c\0\x04\x06\x06\x06\x06";
    assert!(matches!(with([0, 1, 0, 0, 0, 0], chaos), Reading::Wrong(_)));
}

#[test]
fn a_hundred_thousand_spoiled_messages_are_read_without_harm() {
    let asked = question(kind::SRV, true);
    let query = Query::new(&asked, FORM).unwrap();
    let good = rich(&query);
    let fine = said(&good, &query, &asked).unwrap();
    assert_eq!(fine.len(), 6);
    let mut random = fastrand::Rng::with_seed(6);
    let mut answers = 0;
    for _ in 0..100_000 {
        let mut message = good.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(2..message.len());
            match random.u8(..6) {
                0 => message.truncate(at),
                1 => message[at] = random.u8(..),
                2 => message[at] ^= 1 << random.u8(..8),
                3 => message.insert(at, random.u8(..)),
                4 => message[at] = 0xc0,
                _ => drop(message.remove(at)),
            }
            message.extend_from_slice(&[0; 3][..3_usize.saturating_sub(message.len())]);
        }
        for line in said(&message, &query, &asked).into_iter().flatten() {
            answers += usize::from(line.starts_with("Answer"));
        }
    }
    assert!(answers > 10_000, "too few got through to say much: {answers}");
}

#[test]
fn random_bytes_after_a_good_question_are_read_without_harm() {
    let asked = question(kind::A, false);
    let query = Query::new(&asked, FORM).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..100_000 {
        let counts: [u8; 6] = std::array::from_fn(|at| if at % 2 == 0 { 0 } else { random.u8(..3) });
        let mut message = [&query.id()[..], &[0x81, 0x80, 0, 1], &counts, query.question()].concat();
        let common = [0, 0, 0, 1, 1, 4, 5, 0xc0, 12];
        message.extend((0..random.usize(..80)).map(|_| match random.u8(..4) {
            0 => random.u8(..),
            _ => common[random.usize(..common.len())],
        }));
        said(&message, &query, &asked);
    }
}
