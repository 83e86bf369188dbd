//! Why the program cannot start. Every text says what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::{admission, l4, proxy};

/// Why the program cannot start.
#[derive(Debug)]
pub enum Error {
    /// The control runtime or its signals.
    Runtime(io::Error),
    /// The admin server's address.
    Admin(SocketAddr, io::Error),
    /// A traffic address, with the flag that chooses it.
    Listen(SocketAddr, &'static str, io::Error),
    /// An address where the service proxy shows health or metrics, with the flag that chooses it.
    Node(SocketAddr, &'static str, io::Error),
    /// An address for DNS queries.
    Queries(SocketAddr, io::Error),
    /// An address where the DNS server shows health, readiness or metrics, with the flag that chooses it.
    Shown(SocketAddr, &'static str, io::Error),
    /// The Corefile, or what flags ask for: each fault with its place.
    Corefile(Vec<String>),
    /// What is sent to upstreams comes back: where, and what to do.
    Looping(String),
    /// The kernel's tables.
    Kernel(l4::Error),
    /// The validating webhook's address or certificate.
    Admission(SocketAddr, admission::Error),
    /// Anything else of the proxy.
    Proxy(proxy::Error),
    /// A flag's value: the text names the flag.
    Flag(String),
    /// The source cannot be read.
    Source(String),
    /// The self-signed certificate could not be made.
    Certificate(String),
}

impl Error {
    /// Adds the flag to an address that cannot be listened on.
    pub(super) fn proxy(error: proxy::Error, options: &proxy::Options) -> Self {
        match error {
            proxy::Error::Bind(address, why) => {
                let http = options.http.iter().any(|asked| asked.port() == address.port());
                Self::Listen(address, if http { "--http-port" } else { "--https-port" }, why)
            }
            other => Self::Proxy(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(why) => write!(f, "cannot start: {why}"),
            Self::Admin(address, why) => listen(f, *address, "--healthz-port", why),
            Self::Listen(address, flag, why) => listen(f, *address, flag, why),
            Self::Node(address, flag, why) => node(f, *address, flag, why),
            Self::Queries(address, why) => queries(f, *address, why),
            Self::Shown(address, flag, why) => shown(f, *address, flag, why),
            Self::Corefile(faults) => f.write_str(&faults.join("\n")),
            Self::Kernel(error) => error.fmt(f),
            Self::Admission(address, admission::Error::Listen(why)) => {
                listen(f, *address, "--admission-port", why)
            }
            Self::Admission(_, error) => error.fmt(f),
            Self::Proxy(error) => error.fmt(f),
            Self::Flag(text) | Self::Source(text) => f.write_str(text),
            Self::Looping(text) => write!(f, "a loop: {text}"),
            Self::Certificate(why) => write!(f, "cannot make a self-signed certificate: {why}"),
        }
    }
}

impl std::error::Error for Error {}

fn node(f: &mut fmt::Formatter<'_>, address: SocketAddr, flag: &str, why: &io::Error) -> fmt::Result {
    let port = address.port();
    match why.kind() {
        io::ErrorKind::AddrInUse => write!(
            f,
            "port {port} is taken: end kube-proxy if it still runs on this node, or choose another port with {flag}"
        ),
        io::ErrorKind::AddrNotAvailable => {
            write!(f, "{} is no address of this machine: correct {flag}", address.ip())
        }
        _ => listen(f, address, flag, why),
    }
}

fn queries(f: &mut fmt::Formatter<'_>, address: SocketAddr, why: &io::Error) -> fmt::Result {
    let port = address.port();
    match why.kind() {
        io::ErrorKind::AddrInUse => write!(
            f,
            "{address} is taken: end what answers DNS there (CoreDNS, dnsmasq, systemd-resolved), or choose another address or \
             port with --listen"
        ),
        io::ErrorKind::PermissionDenied => write!(
            f,
            "port {port} needs privileges: choose one from 1024 up with --listen, or grant CAP_NET_BIND_SERVICE"
        ),
        _ => shown(f, address, "--listen", why),
    }
}

fn shown(f: &mut fmt::Formatter<'_>, address: SocketAddr, flag: &str, why: &io::Error) -> fmt::Result {
    match why.kind() {
        io::ErrorKind::AddrNotAvailable => {
            write!(f, "{} is no address of this machine: correct {flag}", address.ip())
        }
        _ => listen(f, address, flag, why),
    }
}

fn listen(f: &mut fmt::Formatter<'_>, address: SocketAddr, flag: &str, why: &io::Error) -> fmt::Result {
    let port = address.port();
    match why.kind() {
        io::ErrorKind::AddrInUse => write!(f, "port {port} is taken: choose another with {flag}"),
        io::ErrorKind::PermissionDenied => write!(
            f,
            "port {port} needs privileges: choose one from 1024 up with {flag}, or grant CAP_NET_BIND_SERVICE"
        ),
        io::ErrorKind::AddrNotAvailable => {
            write!(f, "{} is no address of this machine: correct --bind-address", address.ip())
        }
        _ => write!(f, "cannot listen on {address}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_of_a_node_asks_for_kube_proxy() {
        let address: SocketAddr = "0.0.0.0:10256".parse().unwrap();
        let text = |kind: io::ErrorKind| Error::Node(address, "--healthz-address", kind.into()).to_string();
        let taken = text(io::ErrorKind::AddrInUse);
        assert!(taken.contains("kube-proxy") && taken.contains("--healthz-address"), "{taken}");
        assert!(text(io::ErrorKind::AddrNotAvailable).contains("correct --healthz-address"));
    }

    #[test]
    fn a_taken_port_names_the_flag_that_chooses_it() {
        let address: SocketAddr = "127.0.0.1:8443".parse().unwrap();
        let options = proxy::Options {
            http: vec!["127.0.0.1:8080".parse().unwrap()],
            https: vec![address],
            workers: 1,
            log: proxy::LogTarget::Off,
        };
        let error = proxy::Error::Bind(address, io::ErrorKind::AddrInUse.into());
        let text = Error::proxy(error, &options).to_string();
        assert_eq!(text, "port 8443 is taken: choose another with --https-port");
    }
}
