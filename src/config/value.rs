//! How the values of flags are written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::Named;
use super::flags::{Listen, LocalMode, ProxyMode};

/// A boolean as Go's flag package reads it.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

/// A duration as Go writes it, in whole units: 90s, 5m, 1h30m. Not zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 30s, 5m or 1h".to_owned();
    let (mut total, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(wrong()),
        };
        total = number.checked_mul(unit).and_then(|n| n.checked_add(total)).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if total == 0 { Err(wrong()) } else { Ok(Duration::from_secs(total)) }
}

/// `NAMESPACE/NAME`.
pub(super) fn named(text: &str) -> Result<Named, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Named { namespace: namespace.into(), name: name.into() })
        }
        _ => Err("write NAMESPACE/NAME, such as default/web".into()),
    }
}

/// `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as hsts=false")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value', such as 'Host: shop.example'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// An IP address, IPv6 with or without brackets.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "write an IP address, such as 127.0.0.1 or ::1".into())
}

/// `IP:PORT`, `:PORT`, `PORT` or `localhost:PORT`, with or without `http://`.
pub(super) fn admin_address(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let local = bare.strip_prefix("localhost:").or_else(|| bare.strip_prefix(':')).unwrap_or(bare);
    let port = local.parse::<u16>().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    port.or_else(|_| bare.parse()).map_err(|_| "write IP:PORT, such as 127.0.0.1:10254".into())
}

/// A range of addresses; host bits are cut off.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let range = text.parse::<IpNet>().map(|range| range.trunc());
    let range = range.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range.map_err(|_| "write a range such as 10.244.0.0/16 or fd00:10:244::/56".into())
}

/// A range of node addresses; `None` for `primary`.
pub(super) fn node_ports(text: &str) -> Result<Option<IpNet>, String> {
    match text.trim() {
        "primary" | "" => Ok(None),
        range => network(range).map(Some).map_err(|why| format!("{why}, or primary")),
    }
}

/// A node's name: lower-case, as the kubelet writes it.
pub(super) fn node_name(text: &str) -> Result<String, String> {
    let name = text.trim().to_lowercase();
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let whole = name.len() <= 253 && name.bytes().all(fine);
    if whole && ends(name.bytes().next()) && ends(name.bytes().last()) {
        return Ok(name);
    }
    Err("write the name that `kubectl get nodes` shows: letters, digits, '-' and '.'".into())
}

/// Who forwards.
pub(super) fn proxy_mode(text: &str) -> Result<ProxyMode, String> {
    match text {
        "nftables" => Ok(ProxyMode::Nftables),
        "userspace" => Ok(ProxyMode::Userspace),
        "iptables" | "ipvs" => Err("write nftables: it does what kube-proxy's other modes do".into()),
        _ => Err("write nftables or userspace".into()),
    }
}

/// How pods are known.
pub(super) fn local_mode(text: &str) -> Result<LocalMode, String> {
    match text {
        "ClusterCIDR" => Ok(LocalMode::ClusterCidr),
        "NodeCIDR" => Ok(LocalMode::NodeCidr),
        "BridgeInterface" | "InterfaceNamePrefix" => {
            Err("pods are not known by their interfaces yet: write ClusterCIDR or NodeCIDR".into())
        }
        _ => Err("write ClusterCIDR or NodeCIDR".into()),
    }
}

/// `IP:PORT` to listen on, or `IP`, `:PORT`; nothing for nowhere.
pub(super) fn listen(text: &str, usual: u16) -> Result<Listen, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Listen(None));
    }
    let any = text.strip_prefix(':').and_then(|port| port.parse().ok());
    let any = any.map(|port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
    let whole = any.or_else(|| text.parse().ok());
    let whole = whole.or_else(|| address(text).ok().map(|ip| SocketAddr::new(ip, usual)));
    let wrong = || format!("write IP:PORT, such as 0.0.0.0:{usual} or [::1]:{usual}");
    whole.map(|address| Listen(Some(address))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (text, seconds) in
            [("30s", Some(30)), ("1h30m", Some(5400)), ("0s", None), ("30", None), ("-5s", None)]
        {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
        assert!(
            duration("99999999999999999999s").is_err() && duration("1d").is_err() && duration("").is_err()
        );
    }

    #[test]
    fn an_admin_address_may_be_short() {
        let local = "127.0.0.1:9000".parse().unwrap();
        for text in ["127.0.0.1:9000", "localhost:9000", ":9000", "9000", "http://127.0.0.1:9000/"] {
            assert_eq!(admin_address(text), Ok(local), "{text}");
        }
        assert!(admin_address("example.com").unwrap_err().contains("IP:PORT"));
    }
}
