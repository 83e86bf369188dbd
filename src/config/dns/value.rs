//! How the values of `slipway dns`'s flags are written.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::super::flags::Listen;
use super::super::value::{address, duration, listen, network};
use super::{Stub, UpstreamAt, Whence};

/// The port of DNS.
const PORT: u16 = 53;

/// The port of DNS over TLS (RFC 7858).
const TLS_PORT: u16 = 853;

/// `IP`, `IP:PORT` or `:PORT`, which means all addresses.
pub(crate) fn listen_on(text: &str) -> Result<(Option<IpAddr>, u16), String> {
    let text = text.trim();
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok((None, port));
    }
    match listen(text, PORT) {
        Ok(Listen(Some(address))) => Ok((Some(address.ip()), address.port())),
        _ => Err("write IP, IP:PORT or :PORT, such as 0.0.0.0:53, [::]:53 or :1053".into()),
    }
}

/// `IP:PORT`, `IP`, `:PORT`; nothing for nowhere.
pub(crate) fn place(text: &str, usual: u16) -> Result<Listen, String> {
    listen(text, usual)
}

/// A duration as Go writes it, also `0`, `0s` and milliseconds.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    if let Some(millis) = text.strip_suffix("ms").and_then(|number| number.parse().ok()) {
        return Ok(Duration::from_millis(millis));
    }
    duration(text)
}

/// `NAMESPACE` or `NAMESPACE/POD`.
pub(crate) fn whence(text: &str) -> Result<Whence, String> {
    let (namespace, pod) =
        text.split_once('/').map_or((text, None), |(namespace, pod)| (namespace, Some(pod)));
    let fine = |part: &str| {
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        !part.is_empty() && part.len() <= 253 && part.bytes().all(name)
    };
    if fine(namespace) && pod.is_none_or(fine) {
        return Ok(Whence { namespace: namespace.to_owned(), pod: pod.map(str::to_owned) });
    }
    Err("write NAMESPACE or NAMESPACE/POD".into())
}

/// A domain name, without the dot at its end and in lower case; the root is `.`.
pub(crate) fn domain(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    if name == "." {
        return Ok(name);
    }
    let name = name.strip_suffix('.').unwrap_or(&name);
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fine);
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(name.to_owned());
    }
    Err("write a domain name such as cluster.local".into())
}

/// `ADDR`, `ADDR:PORT`, `tls://ADDR%NAME`, or the path of a file.
pub(crate) fn upstream(text: &str) -> Result<UpstreamAt, String> {
    let text = text.trim();
    let (tls, rest) = match (text.strip_prefix("tls://"), text.strip_prefix("dns://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) if text.starts_with('/') || text.starts_with("./") => {
            return Ok(UpstreamAt::File(text.into()));
        }
        (None, None) => (false, text),
    };
    let wrong = || {
        "write an address such as 10.0.0.1, 10.0.0.1:5353 or [::1]:53, tls://9.9.9.9%dns.quad9.net, or a file such as \
         /etc/resolv.conf"
            .to_owned()
    };
    let (rest, name) = named(rest);
    let usual = if tls { TLS_PORT } else { PORT };
    let whole = rest.parse::<SocketAddr>().ok();
    let whole = whole.or_else(|| address(&rest).ok().map(|ip| SocketAddr::new(ip, usual)));
    let address = whole.filter(|address| address.port() != 0).ok_or_else(wrong)?;
    Ok(UpstreamAt::Address { address, tls, name })
}

/// Takes `%NAME` out: what is left, and the name.
fn named(text: &str) -> (String, Option<String>) {
    let Some((before, after)) = text.split_once('%') else { return (text.to_owned(), None) };
    // [fe80::1%eth0]:53 and 9.9.9.9%dns.quad9.net:853 have more behind the name.
    let end = after.find([']', ':']).unwrap_or(after.len());
    let (name, tail) = after.split_at(end);
    (format!("{before}{tail}"), Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// `ZONE=ADDR[:PORT][,...]`.
pub(crate) fn stub(text: &str) -> Result<Stub, String> {
    let wrong = "write ZONE=ADDR[:PORT], such as example.org=10.0.0.1";
    let (zone, addresses) = text.split_once('=').ok_or(wrong)?;
    let to = addresses.split(',').map(upstream).collect::<Result<Vec<_>, _>>()?;
    Ok(Stub { zone: domain(zone)?, to })
}

/// A range of addresses, an address, or `*` (`None`) for everybody.
pub(crate) fn peers(text: &str) -> Result<Option<IpNet>, String> {
    match text.trim() {
        "*" => Ok(None),
        text => network(text).map(Some).map_err(|why| format!("{why}, or * for everybody")),
    }
}

/// 16 bytes in hexadecimal.
pub(crate) fn cookie_secret(text: &str) -> Result<[u8; 16], String> {
    let wrong = || "write 32 hexadecimal digits, such as openssl rand -hex 16 prints".to_owned();
    let digits = text.trim().as_bytes();
    if digits.len() != 32 {
        return Err(wrong());
    }
    let mut secret = [0; 16];
    for (byte, pair) in secret.iter_mut().zip(digits.chunks(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(pair[0]).ok_or_else(wrong)?, digit(pair[1]).ok_or_else(wrong)?);
        *byte = high << 4 | low;
    }
    Ok(secret)
}

/// A number of bytes, with Ki, Mi or Gi behind it (and a B), as Kubernetes writes them.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || "write a number of bytes, or such as 64MiB".to_owned();
    let text = text.trim();
    let bare = text.strip_suffix('B').unwrap_or(text);
    let units = [("Ki", 1usize << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];
    let unit = units.iter().find_map(|(unit, factor)| Some((bare.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((bare, 1));
    let number: usize = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_addresses_tls_names_and_files() {
        let at = |text: &str| upstream(text).unwrap();
        let plain =
            |address: &str| UpstreamAt::Address { address: address.parse().unwrap(), tls: false, name: None };
        assert_eq!(at("10.0.0.1"), plain("10.0.0.1:53"));
        assert_eq!(at("dns://10.0.0.1:5353"), plain("10.0.0.1:5353"));
        assert_eq!(at("fd00::1"), plain("[fd00::1]:53"));
        assert_eq!(at("[fd00::1]:54"), plain("[fd00::1]:54"));
        let tls = |address: &str, name: &str| UpstreamAt::Address {
            address: address.parse().unwrap(),
            tls: true,
            name: Some(name.into()),
        };
        assert_eq!(at("tls://9.9.9.9%dns.quad9.net"), tls("9.9.9.9:853", "dns.quad9.net"));
        assert_eq!(at("tls://9.9.9.9%dns.quad9.net:8853"), tls("9.9.9.9:8853", "dns.quad9.net"));
        assert_eq!(at("/etc/resolv.conf"), UpstreamAt::File("/etc/resolv.conf".into()));
        for wrong in ["", "localhost", "10.0.0.1:", "10.0.0.1:0", "https://10.0.0.1", "10.0.0.1:70000"] {
            assert!(upstream(wrong).unwrap_err().contains("/etc/resolv.conf"), "{wrong}");
        }
    }

    #[test]
    fn sizes_and_times_may_be_zero() {
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!((bytes("64MiB"), bytes("1Ki"), bytes("12")), (Ok(64 << 20), Ok(1024), Ok(12)));
        assert!(bytes("99999999999Gi").is_err() && bytes("big").is_err());
        assert_eq!((span("0s"), span("250ms")), (Ok(Duration::ZERO), Ok(Duration::from_millis(250))));
        assert!(span("soon").is_err());
    }
}
