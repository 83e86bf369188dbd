//! What could not be listened on, why, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;

use crate::l4::ruleset::Frontend;
use crate::model::Key;

/// Frontends of one Service that are not served, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The Service.
    pub service: Key,
    /// Where it would be found; sorted.
    pub frontends: Vec<Frontend>,
    /// Why not.
    pub cause: Cause,
}

/// Why a frontend is not served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// No interface of this machine has the address.
    NotHere,
    /// The port is below what everybody may use.
    Privileged,
    /// Something else listens there.
    Taken,
    /// SCTP is not for this mode.
    Sctp,
    /// Something else; the system's words.
    Other(String),
}

impl From<&io::Error> for Cause {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrNotAvailable => Self::NotHere,
            io::ErrorKind::PermissionDenied => Self::Privileged,
            io::ErrorKind::AddrInUse => Self::Taken,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// `cannot listen on 10.96.0.10 (53/tcp, 53/udp): ...`, and what to do. The Service is not named.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
        for Frontend { address, protocol, port } in &self.frontends {
            places.entry(*address).or_default().push(format!("{port}/{protocol}"));
        }
        let each = places.iter().map(|(address, ports)| {
            let place = if address.is_unspecified() { "node port".to_owned() } else { address.to_string() };
            format!("{place} ({})", ports.join(", "))
        });
        write!(f, "cannot listen on {}: ", each.collect::<Vec<_>>().join(", "))?;
        match &self.cause {
            Cause::NotHere => {
                f.write_str("this machine does not have the address. ")?;
                let first = places.keys().next().copied();
                let (ip, bits, range) = match first {
                    Some(IpAddr::V6(_)) => ("ip -6", 128, "::1"),
                    _ => ("ip", 32, "127.x.y.z"),
                };
                let address = first.unwrap_or(IpAddr::from([10, 96, 0, 1]));
                write!(
                    f,
                    "As root run `{ip} route add local {address}/{bits} dev lo`, or the same with the range of all \
                     Services; or give the Service the address {range} in its manifest; or use its NodePort"
                )
            }
            Cause::Privileged => f.write_str(
                "ports below 1024 need a right. Give the Service a higher port; or grant CAP_NET_BIND_SERVICE; or as \
                 root run `sysctl net.ipv4.ip_unprivileged_port_start=0`",
            ),
            Cause::Taken => f.write_str(
                "another program or Service listens there. Stop it, or change the port; it is tried again every few \
                 seconds",
            ),
            Cause::Sctp => {
                f.write_str("SCTP is ignored in userspace mode. Use `--mode nftables`, or TCP")
            }
            Cause::Other(why) if why.contains("os error 24") || why.contains("os error 23") => {
                write!(f, "{why}. Raise the number of open files (`ulimit -n`)")
            }
            Cause::Other(why) => write!(f, "{why}. It is tried again from time to time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l4::ruleset::Protocol;

    fn frontend(address: &str, protocol: Protocol, port: u16) -> Frontend {
        Frontend { address: address.parse().unwrap(), protocol, port }
    }

    #[test]
    fn the_text_says_where_what_and_what_to_do() {
        let refused = |frontends: Vec<Frontend>, cause| {
            Refused { service: Key::new("kube-system", "dns"), frontends, cause }.to_string()
        };
        let dns = ["tcp", "udp"].map(|name| {
            frontend("10.96.0.10", if name == "tcp" { Protocol::Tcp } else { Protocol::Udp }, 53)
        });
        let text = refused(dns.to_vec(), Cause::NotHere);
        assert!(text.starts_with("cannot listen on 10.96.0.10 (53/tcp, 53/udp): "), "{text}");
        assert!(text.contains("`ip route add local 10.96.0.10/32 dev lo`"), "{text}");
        let text = refused(vec![frontend("fd00::1", Protocol::Tcp, 80)], Cause::NotHere);
        assert!(text.contains("`ip -6 route add local fd00::1/128 dev lo`"), "{text}");
        let text = refused(vec![frontend("0.0.0.0", Protocol::Tcp, 30080)], Cause::Taken);
        assert!(text.starts_with("cannot listen on node port (30080/tcp): another program"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn causes_come_from_errors() {
        let cause = |number| Cause::from(&io::Error::from_raw_os_error(number));
        assert_eq!(cause(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error()), Cause::NotHere);
        assert_eq!(cause(rustix::io::Errno::ACCESS.raw_os_error()), Cause::Privileged);
        assert_eq!(cause(rustix::io::Errno::ADDRINUSE.raw_os_error()), Cause::Taken);
        assert!(matches!(cause(rustix::io::Errno::MFILE.raw_os_error()), Cause::Other(_)));
    }
}
