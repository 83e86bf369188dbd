//! Queries as bytes, replies as text.

use std::str::FromStr;

use domain::base::iana::Rtype;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{Message, ParsedRecord};
use domain::rdata::AllRecordData;

use super::super::wire::name::Name;
use super::super::wire::{IN, Rcode, flag};

/// The largest reply that is asked for.
const PAYLOAD: u16 = 4096;

/// What a reply says.
pub(super) struct Said {
    pub(super) rcode: Rcode,
    /// The answer section, a record a line.
    pub(super) records: Vec<String>,
    /// Whether there is a record of the type asked for.
    pub(super) has_kind: bool,
    /// It did not fit: over TCP there is more.
    pub(super) truncated: bool,
}

/// The type of a text: `A`, `srv`, `TYPE64`, `15`.
pub fn kind_of(text: &str) -> Result<u16, String> {
    let number = text.parse().ok();
    let named = || Rtype::from_str(&text.to_ascii_uppercase()).ok().map(Rtype::to_int);
    number.or_else(named).ok_or_else(|| {
        format!("\"{text}\" is no record type: write A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, MX or TYPE and a number")
    })
}

/// How a type is called.
pub(super) fn kind_name(kind: u16) -> String {
    Rtype::from_int(kind).to_string()
}

/// A query that wants recursion and takes large replies.
pub(super) fn query(name: &Name, kind: u16) -> Vec<u8> {
    let mut query = vec![0, 0];
    query.extend(flag::RD.to_be_bytes());
    query.extend([0, 1, 0, 0, 0, 0, 0, 1]);
    query.extend(name.as_wire());
    query.extend(kind.to_be_bytes());
    query.extend(IN.to_be_bytes());
    query.extend([0, 0, 41]); // the root, OPT
    query.extend(PAYLOAD.to_be_bytes());
    query.extend([0; 6]);
    query
}

/// Reads a reply; `None` when it is none.
pub(super) fn said(reply: &[u8], kind: u16) -> Option<Said> {
    let message = Message::from_octets(reply).ok()?;
    let rcode = Rcode(message.opt_rcode().to_int());
    let records: Vec<ParsedRecord<'_, _>> = message.answer().ok()?.map_while(Result::ok).collect();
    let any = Rtype::from_int(kind) == Rtype::ANY;
    Some(Said {
        rcode,
        has_kind: records.iter().any(|record| any || record.rtype().to_int() == kind),
        records: records.iter().map(line).collect(),
        truncated: message.header().tc(),
    })
}

/// A record as dig writes it.
fn line(record: &ParsedRecord<'_, &[u8]>) -> String {
    let (owner, ttl, kind) = (record.owner(), record.ttl().as_secs(), record.rtype());
    let data = record.to_any_record::<AllRecordData<_, _>>();
    let data = data.map_or_else(
        |_| "(cannot be read)".into(),
        |record| record.data().display_zonefile(DisplayKind::Simple).to_string(),
    );
    format!("{owner}. {ttl} IN {kind} {data}").replacen(".. ", ". ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_name_and_number() {
        assert_eq!(kind_of("srv"), Ok(33));
        assert_eq!(kind_of("TYPE65"), Ok(65));
        assert_eq!(kind_of("28"), Ok(28));
        assert!(kind_of("AAAAA").unwrap_err().contains("no record type"));
        assert_eq!(kind_name(33), "SRV");
    }

    #[test]
    fn a_query_is_one_that_the_server_reads() {
        let name = Name::parse("web.shop").unwrap();
        let query = query(&name, 28);
        let asked = super::super::super::wire::question::read(&query).ok().unwrap();
        assert_eq!((asked.name.as_wire(), asked.kind), (name.as_wire(), 28));
        assert_eq!(asked.payload(9999), 4096);
    }

    #[test]
    fn replies_become_text() {
        let mut reply = query(&Name::parse("web.shop").unwrap(), 1);
        (reply[2], reply[3], reply[7]) = (0x81, 0x80, 2);
        let opt = reply.split_off(reply.len() - 11);
        reply.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x04\x01a\xc0\x10");
        reply.extend(b"\x01a\xc0\x10\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x01");
        reply.extend(opt);
        let said = said(&reply, 1).unwrap();
        assert_eq!(said.records, ["web.shop. 30 IN CNAME a.shop.", "a.shop. 30 IN A 10.0.0.1"]);
        assert!(said.has_kind && !said.truncated && said.rcode == Rcode::NOERROR);
        assert!(super::said(b"\0\0", 1).is_none());
    }
}
