//! Which addresses cannot be a frontend or an endpoint.

use std::net::IpAddr;

/// Why that address is of no use, as the end of "10.0.0.1 is ...". `None`: it is fine. Where `loopback` is set, loopback
/// addresses are.
pub(super) fn fault(address: IpAddr, loopback: bool) -> Option<&'static str> {
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if mapped {
        Some("an IPv4 address in the form of an IPv6 address: write it as IPv4")
    } else if address.is_unspecified() {
        Some("the unspecified address: use a real one")
    } else if address.is_loopback() && !loopback {
        Some("a loopback address, which every machine has for itself: use one that others reach")
    } else if address.is_multicast() || broadcast {
        Some("an address of many machines at once: use the address of one")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_one_reachable_machine_are_fine() {
        for (text, fine) in [
            ("10.0.0.1", true),
            ("169.254.20.10", true),
            ("fd00::1", true),
            ("0.0.0.0", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            let fault = |loopback| fault(text.parse().unwrap(), loopback).is_some();
            assert_eq!(fault(false), !fine, "{text}");
            assert_eq!(fault(true), !fine && !["127.0.0.1", "::1"].contains(&text), "{text}");
        }
    }
}
