//! How values are written in a Corefile: zones, times, addresses, types, codes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use regex::Regex;

use super::super::plan::{Target, Upstream};
use super::super::wire::Rcode;
use super::super::wire::name::Name;

/// Why a value cannot be read; says what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// The port of DNS.
pub(super) const PORT: u16 = 53;

/// The port of DNS over TLS (RFC 7858).
const TLS_PORT: u16 = 853;

/// Reverse zones at most that one range stands for.
const REVERSE_ZONES: u32 = 256;

/// A zone, or the reverse zones of a range: `10.0.0.0/24` is `0.0.10.in-addr.arpa`, `10.0.0.0/23` two of them.
pub fn zones(text: &str) -> Result<Vec<Name>, Wrong> {
    if let Ok(net) = text.parse::<IpNet>() {
        return reverse_zones(net.trunc());
    }
    let name = Name::parse(text).map_err(|why| Wrong(format!("{text} is no zone: {why}")))?;
    // What is left over of a brace or a range is no name that anybody asks for.
    if text.bytes().any(|b| b"{}()[]/\\,\"".contains(&b)) {
        return Err(Wrong(format!("{text} is no zone: write one such as example.org or 10.0.0.0/24")));
    }
    Ok(vec![name])
}

fn reverse_zones(net: IpNet) -> Result<Vec<Name>, Wrong> {
    let (step, octets) = match net.addr() {
        IpAddr::V4(ip) => (8, ip.octets().to_vec()),
        IpAddr::V6(ip) => (4, ip.octets().iter().flat_map(|octet| [octet >> 4, octet & 0xf]).collect()),
    };
    let length = usize::from(net.prefix_len());
    let kept = length.div_ceil(step).max(1);
    let count = 1u32 << (kept * step - length);
    if count > REVERSE_ZONES {
        return Err(Wrong(format!("{net} is {count} reverse zones: write a longer prefix")));
    }
    let suffix = if step == 8 { "in-addr.arpa" } else { "ip6.arpa" };
    let zone = |add: u32| {
        let text = octets[..kept].iter().enumerate().rev().fold(String::new(), |text, (at, octet)| {
            let label = u32::from(*octet) + if at + 1 == kept { add } else { 0 };
            if step == 8 { format!("{text}{label}.") } else { format!("{text}{label:x}.") }
        });
        Name::parse(&format!("{text}{suffix}")).map_err(|why| Wrong(format!("{net}: {why}")))
    };
    (0..count).map(zone).collect()
}

/// Whether a zone is one of reverse lookups.
pub(super) fn is_reverse(zone: &Name) -> bool {
    let arpa = ["in-addr.arpa", "ip6.arpa"].map(Name::parse);
    arpa.iter().flatten().any(|arpa| zone.is_within(arpa))
}

/// A duration as Go writes it: `5s`, `1h30m`, `1.5s`, `300ms`, `0`.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || Wrong(format!("{text} is no duration: write one such as 30s, 5m or 1h30m"));
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut total, mut rest) = (0f64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let tail = &rest[digits..];
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let unit = match &tail[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(wrong()),
        };
        total += number * unit;
        rest = &tail[end..];
    }
    if text.is_empty() || total > 1e9 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

/// Where a `forward` leads: `ADDR`, `ADDR:PORT`, `dns://ADDR`, `tls://ADDR%NAME`, or a file such as `/etc/resolv.conf`.
pub fn upstream(text: &str) -> Result<Target, Wrong> {
    let (tls, rest) = match text.split_once("://") {
        Some(("tls", rest)) => (true, rest),
        Some(("dns", rest)) => (false, rest),
        Some((other, _)) => {
            return Err(Wrong(format!("{other}:// is not spoken to upstreams: write dns:// or tls://")));
        }
        None if text.contains('/') => return Ok(Target::File(text.into())),
        None => (false, text),
    };
    let (rest, name) = without_name(rest);
    let usual = if tls { TLS_PORT } else { PORT };
    let whole = rest.parse::<SocketAddr>().ok();
    let whole = whole.or_else(|| ip(&rest).map(|ip| SocketAddr::new(ip, usual)));
    let address = whole.filter(|address| address.port() != 0).ok_or_else(|| {
        Wrong(format!(
            "{text} is no address of an upstream: write IP, IP:PORT, tls://IP%NAME or the path of a file"
        ))
    })?;
    Ok(Target::Upstream(Upstream { address, tls, name }))
}

/// Takes `%NAME` out: what is left, and the name.
fn without_name(text: &str) -> (String, Option<String>) {
    let Some((before, after)) = text.split_once('%') else { return (text.to_owned(), None) };
    let end = after.find([']', ':']).unwrap_or(after.len());
    let (name, tail) = after.split_at(end);
    (format!("{before}{tail}"), Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// An address, IPv6 with or without brackets.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// Where something is shown: `IP:PORT`, `:PORT` or `localhost:PORT`.
pub(super) fn place(text: &str) -> Result<SocketAddr, Wrong> {
    let all = text.strip_prefix(':').map(|port| (IpAddr::from(Ipv4Addr::UNSPECIFIED), port));
    let local = text.strip_prefix("localhost:").map(|port| (IpAddr::from(Ipv4Addr::LOCALHOST), port));
    let short = all.or(local).and_then(|(ip, port)| Some(SocketAddr::new(ip, port.parse().ok()?)));
    let whole = short.or_else(|| text.parse().ok());
    whole.ok_or_else(|| Wrong(format!("{text} is no address: write IP:PORT or :PORT, such as :8080")))
}

/// A range of addresses, or one.
pub(super) fn net(text: &str) -> Result<IpNet, Wrong> {
    let net = text.parse::<IpNet>().map(|net| net.trunc()).ok();
    let net = net.or_else(|| ip(text).map(IpNet::from));
    net.ok_or_else(|| Wrong(format!("{text} is no range: write one such as 10.0.0.0/8")))
}

/// A whole number up to `most`.
pub(super) fn number(text: &str, least: u64, most: u64) -> Result<u64, Wrong> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| Wrong(format!("{text} does not do: write a number from {least} to {most}")))
}

/// A record type by its name (the registry of DNS parameters), or `TYPE123`.
pub(super) fn kind(text: &str) -> Result<u16, Wrong> {
    let upper = text.to_ascii_uppercase();
    let known = KINDS.iter().find(|(name, _)| *name == upper).map(|(_, kind)| *kind);
    let known = known.or_else(|| upper.strip_prefix("TYPE").and_then(|number| number.parse().ok()));
    known.ok_or_else(|| Wrong(format!("{text} is no record type: write one such as A, AAAA or TXT")))
}

const KINDS: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("NULL", 10),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("AAAA", 28),
    ("LOC", 29),
    ("SRV", 33),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("DNAME", 39),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("EUI48", 108),
    ("EUI64", 109),
    ("IXFR", 251),
    ("AXFR", 252),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
];

/// A response code by its name.
pub(super) fn rcode(text: &str) -> Result<Rcode, Wrong> {
    let upper = text.to_ascii_uppercase();
    let upper = if upper == "NOTIMPL" { "NOTIMP" } else { &upper };
    let found = (0..=23).map(Rcode).find(|rcode| rcode.name() == upper);
    found.ok_or_else(|| Wrong(format!("{text} is no response code: write one such as NXDOMAIN or SERVFAIL")))
}

/// A regular expression; Go writes them the same way.
pub(super) fn expression(text: &str) -> Result<Regex, Wrong> {
    Regex::new(text).map_err(|why| {
        let why = why.to_string();
        let reason = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Wrong(format!("{text} is no regular expression: {reason}"))
    })
}

/// The word that was likely meant.
pub(super) fn nearest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let distance = |word: &&str| strsim::damerau_levenshtein(text, word);
    let best = words.iter().copied().min_by_key(distance)?;
    (distance(&best) <= 1 + text.len() / 4).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        zones(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_are_reverse_zones() {
        assert_eq!(shown("Example.ORG"), ["example.org."]);
        assert_eq!(shown("10.0.7.0/24"), ["7.0.10.in-addr.arpa."]);
        assert_eq!(shown("10.0.6.0/23"), ["6.0.10.in-addr.arpa.", "7.0.10.in-addr.arpa."]);
        assert_eq!(shown("10.0.0.0/8"), ["10.in-addr.arpa."]);
        assert_eq!(shown("192.0.2.64/27").len(), 32);
        assert_eq!(shown("192.0.2.64/27")[31], "95.2.0.192.in-addr.arpa.");
        assert_eq!(shown("2001:db8::/32"), ["8.b.d.0.1.0.0.2.ip6.arpa."]);
        assert_eq!(shown("fd00::/7").len(), 2);
        for wrong in ["a..b", ".:53{", "a/b", "[::1]", "10.0.0.0/33"] {
            assert!(zones(wrong).is_err(), "{wrong}");
        }
        assert!(zones("0.0.0.0/0").is_ok(), "all of IPv4 is 256 zones");
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let ms = |text: &str| duration(text).map(|d| d.as_millis()).ok();
        for (text, expected) in [
            ("5s", Some(5000)),
            ("1h30m", Some(5_400_000)),
            ("1.5s", Some(1500)),
            ("300ms", Some(300)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("-5s", None),
            ("1d", None),
            ("1..5s", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(ms(text), expected, "{text}");
        }
    }

    #[test]
    fn places_types_and_codes_have_names() {
        assert_eq!(place(":8080").unwrap().to_string(), "0.0.0.0:8080");
        assert_eq!(place("localhost:1").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(place("[::]:1").unwrap().to_string(), "[::]:1");
        assert!(place("8080").is_err() && place("localhost").is_err());
        assert_eq!((kind("aaaa"), kind("TYPE65280")), (Ok(28), Ok(65280)));
        assert_eq!((rcode("nxdomain"), rcode("NOTIMPL")), (Ok(Rcode(3)), Ok(Rcode(4))));
        assert!(kind("FOO").is_err() && rcode("3").is_err() && rcode("other").is_err());
        assert_eq!(nearest("kubernets", &["forward", "kubernetes"]), Some("kubernetes"));
        assert_eq!(nearest("zzz", &["forward", "kubernetes"]), None);
    }
}
