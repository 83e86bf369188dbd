//! Asks a zone, and reads its replies.

use domain::base::iana::Class;
use domain::base::{Message, MessageBuilder, ToName};
use domain::rdata::AllRecordData;
use slipway::dns::query::{Outcome, answer, deny};
use slipway::dns::wire::Rcode;
use slipway::dns::wire::question::read;
use slipway::dns::wire::reply::Reply;
use slipway::dns::zone::Zone;

/// The types that tables name, with their numbers.
const KINDS: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("ANY", 255),
];

pub(crate) fn kind(text: &str) -> u16 {
    KINDS.iter().find(|(name, _)| *name == text).unwrap_or_else(|| panic!("no type {text}")).1
}

/// How a question is asked.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// The largest reply.
    pub(crate) limit: usize,
    /// With an OPT record.
    pub(crate) edns: bool,
    pub(crate) turn: Option<u32>,
}

pub(crate) const TCP: How = How { limit: 65535, edns: false, turn: None };

/// A reply as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) status: &'static str,
    pub(crate) authoritative: bool,
    pub(crate) truncated: bool,
    /// The records of each section in their order, as zone files write them.
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    /// Without OPT.
    pub(crate) additional: Vec<String>,
    pub(crate) length: usize,
    pub(crate) outcome: Outcome,
}

pub(crate) fn query(name: &str, kind: u16, edns: bool) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec().question();
    let name: domain::base::Name<Vec<u8>> = name.parse().unwrap();
    builder.push((name, domain::base::iana::Rtype::from_int(kind), Class::IN)).unwrap();
    let mut builder = builder.additional();
    if edns {
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(4096);
                Ok(())
            })
            .unwrap();
    }
    builder.finish()
}

pub(crate) fn ask(zone: &Zone, name: &str, kind: u16, how: How) -> Shown {
    ask_bytes(zone, &query(name, kind, how.edns), how)
}

/// Asks with a whole message.
pub(crate) fn ask_bytes(zone: &Zone, query: &[u8], how: How) -> Shown {
    let asked = read(query).ok().unwrap();
    let name = String::from_utf8_lossy(asked.written());
    let mut out = vec![0xee; 65535];
    let mut reply = Reply::new(&asked, &mut out, how.limit, 1232, b"");
    let outcome = answer(zone, &asked, &mut reply, how.turn);
    let code = match &outcome {
        Outcome::Done(code) => *code,
        Outcome::Missing => {
            assert_eq!(reply.counts(), [0, 0, 0], "{name}");
            deny(zone, &asked, &mut reply)
        }
        Outcome::Leads(_) => Rcode::NOERROR,
        Outcome::Elsewhere => Rcode::REFUSED,
    };
    let length = reply.finish(code);
    assert!(length <= how.limit, "{name}: {length} bytes of {}", how.limit);
    shown(&out[..length], code.name(), outcome)
}

fn shown(bytes: &[u8], status: &'static str, outcome: Outcome) -> Shown {
    let message = Message::from_octets(bytes).unwrap();
    let sections = message.sections().unwrap();
    let records = |section: domain::base::message::RecordSection<'_, &[u8]>| -> Vec<String> {
        let records = section.map(|record| {
            let record = record.unwrap().into_any_record::<AllRecordData<_, _>>().unwrap();
            let name = record.owner().fmt_with_dot().to_string();
            let class = record.class();
            let data = record.data();
            let mut text =
                format!("{name} {} {class} {} {}", record.ttl().as_secs(), record.rtype(), print(data));
            if record.rtype() == domain::base::iana::Rtype::OPT {
                text = "OPT".into();
            }
            text
        });
        records.collect()
    };
    let (_, answer, authority, additional) = sections;
    let mut additional = records(additional);
    additional.retain(|record| record != "OPT");
    Shown {
        status,
        authoritative: message.header().aa(),
        truncated: message.header().tc(),
        answer: records(answer),
        authority: records(authority),
        additional,
        length: bytes.len(),
        outcome,
    }
}

fn print(data: &AllRecordData<&[u8], domain::base::ParsedName<&[u8]>>) -> String {
    match data {
        AllRecordData::Srv(srv) => {
            let target = srv.target().fmt_with_dot();
            format!("{} {} {} {target}", srv.priority(), srv.weight(), srv.port())
        }
        AllRecordData::Soa(soa) => {
            let names = format!("{} {}", soa.mname().fmt_with_dot(), soa.rname().fmt_with_dot());
            let times =
                [soa.refresh(), soa.retry(), soa.expire(), soa.minimum()].map(|t| t.as_secs().to_string());
            format!("{names} SERIAL {}", times.join(" "))
        }
        AllRecordData::Cname(name) => name.cname().fmt_with_dot().to_string(),
        AllRecordData::Ptr(name) => name.ptrdname().fmt_with_dot().to_string(),
        AllRecordData::Ns(name) => name.nsdname().fmt_with_dot().to_string(),
        data => data.to_string(),
    }
}

/// In the form of the tables: sections sorted.
pub(crate) fn text(zone: &Zone, name: &str, kind_text: &str) -> String {
    let shown = ask(zone, name, kind(kind_text), TCP);
    let mut text = format!("{name} {kind_text}: {}\n", shown.status);
    for (section, mut records) in [("ANS", shown.answer), ("AUT", shown.authority), ("ADD", shown.additional)]
    {
        records.sort();
        for record in records {
            text += &format!("    {section} {record}\n");
        }
    }
    text
}

/// Every answer, for comparisons.
pub(crate) fn answers(zone: &Zone, name: &str, kind: &str) -> Vec<String> {
    ask(zone, name, self::kind(kind), TCP).answer
}
