use proptest::prelude::*;

use super::*;

/// `a.b A`: an alias to `c.b`, whose address follows; a mail exchange as additional.
const MESSAGE: &[u8] = b"\0\0\x80\0\0\x01\0\x02\0\0\0\x01\x01A\x01b\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x04\x01c\xc0\x0e\
    \xc0\x21\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01\
    \x01c\xc0\x0e\0\x0f\0\x01\x80\0\0\x3c\0\x05\0\x0a\x01d\0";

fn records(message: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    walk(message, |record| {
        pieces(message, &record, |_| Some(()))?;
        records.push(record);
        Some(())
    })?;
    Some(records)
}

#[test]
fn records_are_found_with_owners_times_and_the_names_in_their_data() {
    let records = records(MESSAGE).unwrap();
    let shown = |record: &Record| {
        let target = record.target(MESSAGE).map(|name| name.name().to_string());
        (record.owner(MESSAGE).unwrap().name().to_string(), record.kind, record.ttl(MESSAGE), target)
    };
    assert_eq!(
        records.iter().map(shown).collect::<Vec<_>>(),
        [
            ("a.b.".into(), kind::CNAME, 30, Some("c.b.".into())),
            ("c.b.".into(), kind::A, 60, None),
            ("c.b.".into(), kind::MX, 0, Some("d.".into())),
        ]
    );
    assert_eq!(records[0].owner(MESSAGE).unwrap().as_wire(), b"\x01A\x01b\0");
}

#[test]
fn a_message_with_a_byte_less_or_more_is_broken() {
    for length in 0..MESSAGE.len() {
        assert_eq!(records(&MESSAGE[..length]), None, "{length}");
    }
    assert_eq!(records(&[MESSAGE, b"\0"].concat()), None);
}

#[test]
fn pointers_lead_backwards_and_end() {
    let name = |bytes: &[u8], at: usize| unpack(&[&[0; 12][..], bytes].concat(), 12 + at).is_some();
    assert!(name(b"\x01a\0\xc0\x0c", 3));
    assert!(!name(b"\xc0\x0c", 0), "to itself");
    assert!(!name(b"\x01a\xc0\x0c", 0), "to its own start");
    assert!(!name(b"\xc0\x0e\0", 0), "forwards");
    assert!(!name(b"\x01a\0\xc0\x00", 3), "into the header");
    assert!(!name(b"\x01a\0\x40", 3), "a length of no kind");
    assert!(!name(b"\x01a\0\xc0", 3), "half a pointer");
    let mut chain = b"\x01a\0\xc0\x0c".to_vec();
    for at in 0..JUMPS {
        chain.extend((0xc000 + u16::try_from(15 + 2 * at).unwrap()).to_be_bytes());
    }
    assert!(name(&chain, 3 + 2 * (JUMPS - 1)));
    assert!(!name(&chain, 3 + 2 * JUMPS), "one pointer too many");
    let long = [&b"\x07abcdefg".repeat(31)[..], b"\x05abcde\0\x01a\xc0\x0c"].concat();
    assert!(name(&long, 0));
    assert!(!name(&long, 255), "257 bytes");
}

#[test]
fn data_that_is_not_what_its_type_says_is_broken() {
    let with = |kind: u16, data: &[u8]| {
        let mut message = b"\0\0\x80\0\0\x01\0\x01\0\0\0\0\0\0\x01\0\x01\0".to_vec();
        message.extend(kind.to_be_bytes());
        message.extend(b"\0\x01\0\0\0\x1e");
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
        records(&message).is_some()
    };
    for (kind, fine) in [
        (kind::A, &b"abcd"[..]),
        (kind::AAAA, &[0; 16]),
        (kind::NS, b"\x01a\0"),
        (kind::SRV, b"\0\0\0\0\0\x50\x01a\0"),
        (kind::SOA, &[&b"\x01a\0\x01b\0"[..], &[0; 20]].concat()),
        (35, b"\0\x01\0\x01\x01u\0\x01r\0"),
        (kind::RRSIG, &[&[0; 18][..], b"\x01a\0signature"].concat()),
    ] {
        assert!(with(kind, fine), "{kind}");
        assert!(!with(kind, &fine[..fine.len() - 1]) || kind == kind::RRSIG, "{kind} too short");
        assert!(!with(kind, &[fine, b"x"].concat()) || kind == kind::RRSIG, "{kind} too long");
    }
    assert!(!with(kind::RRSIG, &[0; 18]));
    assert!(with(99, b"anything"));
}

proptest! {
    #[test]
    fn any_bytes_are_walked_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = records(&bytes);
        for at in 0..bytes.len() {
            let _ = unpack(&bytes, at);
        }
    }

    #[test]
    fn any_bytes_behind_a_header_are_walked_without_a_panic(
        rest in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xc0), 10..50_u8, any::<u8>()], 0..400),
        counts in [0..3_u8, 0..9_u8, 0..9_u8, 0..9_u8],
    ) {
        let mut message = vec![0, 0, 0x80, 0];
        message.extend(counts.iter().flat_map(|count| [0, *count]));
        message.extend(rest);
        let _ = records(&message);
    }

    #[test]
    fn a_spoiled_message_is_walked_without_a_panic(at in 0..MESSAGE.len(), byte in any::<u8>()) {
        let mut message = MESSAGE.to_vec();
        message[at] = byte;
        let _ = records(&message);
    }
}
