//! Name servers of a file like `/etc/resolv.conf` (resolv.conf(5)).

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::dns::plan;

/// The port of DNS.
const PORT: u16 = 53;

/// Reads the file; an error says what to do.
pub(super) fn read(file: &Path) -> Result<Vec<plan::Upstream>, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        format!("{name} cannot be read ({error}): name upstreams by address, or another file")
    })?;
    let servers = servers(&text);
    if servers.is_empty() {
        return Err(format!(
            "{name} names no usable name server: add a line \"nameserver ADDRESS\", or name upstreams by address"
        ));
    }
    Ok(servers)
}

fn servers(text: &str) -> Vec<plan::Upstream> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then_some(())?;
        let (address, interface) = match words.next()?.split_once('%') {
            Some((address, interface)) => (address.parse().ok()?, Some(interface.to_owned())),
            None => (line.split_whitespace().nth(1)?.parse::<IpAddr>().ok()?, None),
        };
        Some(plan::Upstream { address: SocketAddr::new(address, PORT), tls: false, name: interface })
    });
    servers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_and_other_lines_passed_over() {
        let text = "# comment\nsearch shop.svc\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 \nnameserver fe80::1%eth0\n\
            nameserver nonsense\nnameservers 192.0.2.9\n;nameserver 192.0.2.8\noptions ndots:5\n";
        let found = servers(text);
        let shown: Vec<_> =
            found.iter().map(|server| (server.address.to_string(), server.name.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("192.0.2.1:53".into(), None),
                ("[2001:db8::1]:53".into(), None),
                ("[fe80::1]:53".into(), Some("eth0")),
            ]
        );
    }

    #[test]
    fn a_file_without_name_servers_or_no_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        assert!(read(&file).unwrap_err().contains("cannot be read"));
        fs::write(&file, "search a\n").unwrap();
        assert!(read(&file).unwrap_err().contains("names no usable name server"));
    }
}
