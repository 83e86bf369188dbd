//! Names and addresses of a file like `/etc/hosts`, encoded beforehand: the `hosts` directive.

use std::fmt;
use std::net::IpAddr;

use foldhash::HashMap;

use super::wire::name::{Name, ends_with};
use super::wire::question::Asked;
use super::wire::reply::{OWNER, Reply, Section};
use super::wire::{IN, Rcode, flag, kind};

/// How a table answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The time of its answers, in seconds.
    pub ttl: u32,
    /// Only names within these; all when empty. Addresses of other names have no reverse answer either.
    pub zones: Vec<Name>,
    /// No reverse answers.
    pub no_reverse: bool,
}

/// Which name has which addresses, and the other way round.
#[derive(Clone, Debug, Default)]
pub struct Table {
    names: HashMap<Name, Addresses>,
    /// By the name of the reverse lookup: the records of all names.
    pointers: HashMap<Name, Vec<Vec<u8>>>,
    zones: Vec<Name>,
    entries: usize,
}

/// The records of a name, encoded, with [`OWNER`] as their owner.
#[derive(Clone, Debug, Default)]
struct Addresses {
    four: Vec<[u8; 16]>,
    six: Vec<[u8; 28]>,
}

/// A line, or a part of one, that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// What a table says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reply is complete: end it with this code.
    Done(Rcode),
    /// The name is in the table's zones, and not in the table. Nothing was added.
    Missing,
    /// It is not for the table to say. Nothing was added.
    Elsewhere,
}

impl Table {
    /// Reads lines `ADDRESS NAME...`; a `#` begins a comment. Lines that say nothing are passed over.
    pub fn parse(text: &str, options: &Options) -> (Self, Vec<Problem>) {
        let mut table = Self { zones: options.zones.clone(), ..Self::default() };
        let mut problems = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(first) = words.next() else { continue };
            let mut problem = |message| problems.push(Problem { line: number, message });
            // An interface after a link-local address says nothing to others.
            let Ok(address) = first.split('%').next().unwrap_or_default().parse::<IpAddr>() else {
                problem(format!("{first} is no address"));
                continue;
            };
            for word in words {
                match Name::parse(word) {
                    Ok(name) if name.is_root() => problem(format!("{word} is no name")),
                    Ok(name) => table.add(address, &name, options),
                    Err(why) => problem(format!("{word} is no name: {why}")),
                }
            }
        }
        (table, problems)
    }

    /// How many pairs of name and address there are.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Answers without allocation. With a `turn`, a counter that goes on with each query, addresses begin elsewhere each time.
    pub fn answer(&self, asked: &Asked<'_>, reply: &mut Reply<'_>, turn: Option<u32>) -> Outcome {
        let name = asked.name.as_wire();
        if asked.kind == kind::PTR {
            let Some(pointers) = self.pointers.get(name) else { return self.without_pointer(name) };
            put(reply, pointers, None);
        } else {
            let Some(addresses) = self.names.get(name) else { return self.missing(name) };
            match asked.kind {
                kind::A => put(reply, &addresses.four, turn),
                kind::AAAA => put(reply, &addresses.six, turn),
                _ => {}
            }
        }
        reply.set(flag::AA);
        Outcome::Done(Rcode::NOERROR)
    }

    fn missing(&self, name: &[u8]) -> Outcome {
        let ours = self.zones.is_empty() || self.zones.iter().any(|zone| ends_with(name, zone.as_wire()));
        if ours { Outcome::Missing } else { Outcome::Elsewhere }
    }

    /// An address that the table does not have may have a name elsewhere; a name that it has has no pointer.
    fn without_pointer(&self, name: &[u8]) -> Outcome {
        if self.names.contains_key(name) { Outcome::Done(Rcode::NOERROR) } else { Outcome::Elsewhere }
    }

    fn add(&mut self, address: IpAddr, name: &Name, options: &Options) {
        if !options.zones.is_empty() && !options.zones.iter().any(|zone| name.is_within(zone)) {
            return;
        }
        let addresses = self.names.entry(name.clone()).or_default();
        let new = match address {
            IpAddr::V4(ip) => insert(&mut addresses.four, record(kind::A, options.ttl, &ip.octets())),
            IpAddr::V6(ip) => insert(&mut addresses.six, record(kind::AAAA, options.ttl, &ip.octets())),
        };
        self.entries += usize::from(new);
        if !options.no_reverse
            && let Ok(reverse) = Name::parse(&reverse(address))
        {
            let mut pointer = head(kind::PTR, options.ttl, name.as_wire().len());
            pointer.extend_from_slice(name.as_wire());
            insert(self.pointers.entry(reverse).or_default(), pointer);
        }
    }
}

/// The name under which the names of an address are asked for.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let nibbles =
                ip.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 0xf, octet >> 4));
            nibbles.collect::<String>() + "ip6.arpa"
        }
    }
}

/// False when it is there already.
fn insert<T: PartialEq>(list: &mut Vec<T>, item: T) -> bool {
    let new = !list.contains(&item);
    if new {
        list.push(item);
    }
    new
}

/// A record before its data.
fn head(kind: u16, ttl: u32, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    [&OWNER[..], &kind.to_be_bytes(), &IN.to_be_bytes(), &ttl.to_be_bytes(), &length].concat()
}

fn record<const SIZE: usize>(kind: u16, ttl: u32, data: &[u8]) -> [u8; SIZE] {
    let mut record = [0; SIZE];
    record[..SIZE - data.len()].copy_from_slice(&head(kind, ttl, data.len()));
    record[SIZE - data.len()..].copy_from_slice(data);
    record
}

/// Adds whole records, as many as fit.
fn put(reply: &mut Reply<'_>, records: &[impl AsRef<[u8]>], turn: Option<u32>) {
    let start = turn.map_or(0, |turn| turn as usize % records.len().max(1));
    let (before, after) = records.split_at(start);
    for record in after.iter().chain(before) {
        if !reply.push(Section::Answer, record.as_ref(), 1) {
            return reply.truncate();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::question::read;
    use super::*;

    const TEXT: &str = "\
# the machine itself
127.0.0.1 localhost
10.0.0.1 web.Example web   # two names
10.0.0.2\tweb.example
10.0.0.1 web.example
fd00::1 web.example
fe80::1%eth0 link
300.0.0.1 wrong
10.0.0.3 a..b . fine
";

    fn table(options: &Options) -> (Table, Vec<Problem>) {
        Table::parse(TEXT, options)
    }

    /// The outcome, and the data of the records.
    fn ask(
        table: &Table,
        name: &str,
        kind: u16,
        turn: Option<u32>,
        limit: usize,
    ) -> (Outcome, Vec<Vec<u8>>, bool) {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(Name::parse(name).unwrap().as_wire());
        message.extend([kind.to_be_bytes(), [0, 1]].concat());
        let asked = read(&message).ok().unwrap();
        let mut out = [0; 512];
        let mut reply = Reply::new(&asked, &mut out, limit, 1232, b"");
        let outcome = table.answer(&asked, &mut reply, turn);
        let length = reply.finish(Rcode::NOERROR);
        let (mut at, mut data) = (message.len(), Vec::new());
        while at < length {
            assert_eq!(
                out[at..at + 10],
                [0xc0, 12, kind.to_be_bytes()[0], kind.to_be_bytes()[1], 0, 1, 0, 0, 0, 60]
            );
            let end = at + 12 + usize::from(u16::from_be_bytes([out[at + 10], out[at + 11]]));
            data.push(out[at + 12..end].to_vec());
            at = end;
        }
        (outcome, data, out[2] & 2 != 0)
    }

    const FOUND: Outcome = Outcome::Done(Rcode::NOERROR);

    #[test]
    fn names_have_their_addresses_once_and_addresses_their_names() {
        let (table, problems) = table(&Options { ttl: 60, ..Options::default() });
        let first = vec![vec![10, 0, 0, 1], vec![10, 0, 0, 2]];
        assert_eq!(ask(&table, "WEB.example", kind::A, None, 512), (FOUND, first.clone(), false));
        let turned = vec![first[1].clone(), first[0].clone()];
        assert_eq!(ask(&table, "web.example", kind::A, Some(7), 512), (FOUND, turned, false));
        assert_eq!(ask(&table, "web.example", kind::AAAA, Some(7), 512).1.len(), 1);
        assert_eq!(
            ask(&table, "web.example", kind::TXT, None, 512),
            (FOUND, vec![], false),
            "nothing of that type"
        );
        let names = vec![b"\x03web\x07example\0".to_vec(), b"\x03web\0".to_vec()];
        assert_eq!(ask(&table, "1.0.0.10.in-addr.arpa", kind::PTR, None, 512), (FOUND, names, false));
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(ask(&table, six, kind::PTR, None, 512).1.len(), 1);
        assert_eq!(ask(&table, "other.example", kind::A, None, 512).0, Outcome::Missing);
        assert_eq!(ask(&table, "9.0.0.10.in-addr.arpa", kind::PTR, None, 512).0, Outcome::Elsewhere);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[0], "line 8: 300.0.0.1 is no address");
        assert_eq!((problems[1].line, problems[2].line), (9, 9));
        assert_eq!(ask(&table, "fine", kind::A, None, 512).0, FOUND, "the rest of the line counts");
        assert_eq!(table.entries(), 7);
    }

    #[test]
    fn names_of_other_zones_are_not_in_the_table() {
        let zones = vec![Name::parse("example").unwrap()];
        let (table, _) = table(&Options { ttl: 60, zones, no_reverse: false });
        assert_eq!(ask(&table, "web", kind::A, None, 512).0, Outcome::Elsewhere);
        assert_eq!(ask(&table, "other.example", kind::A, None, 512).0, Outcome::Missing);
        assert_eq!(ask(&table, "1.0.0.10.in-addr.arpa", kind::PTR, None, 512).1.len(), 1);
    }

    #[test]
    fn reverse_answers_can_be_left_out_and_what_does_not_fit_is_told() {
        let (table, _) = table(&Options { ttl: 60, zones: Vec::new(), no_reverse: true });
        assert_eq!(ask(&table, "1.0.0.10.in-addr.arpa", kind::PTR, None, 512).0, Outcome::Elsewhere);
        let (outcome, data, cut) = ask(&table, "web.example", kind::A, None, 12 + 17 + 16);
        assert_eq!((outcome, data.len(), cut), (FOUND, 1, true));
    }
}
