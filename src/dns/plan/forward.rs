//! `forward`: where names outside are asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::dns::wire::Rcode;
use crate::dns::wire::name::Name;

/// One `forward`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The line it stands on.
    pub line: u32,
    /// The zone that is forwarded.
    pub from: Name,
    /// Where to.
    pub to: Vec<Target>,
    /// Zones that are not.
    pub except: Vec<Name>,
    /// Always over TCP.
    pub force_tcp: bool,
    /// Over UDP even what came over TCP.
    pub prefer_udp: bool,
    /// Failures in a row after which an upstream counts as down; 0: never.
    pub max_fails: u32,
    /// How long an idle connection is kept.
    pub expire: Duration,
    /// Which upstream is asked.
    pub policy: Policy,
    /// How often an upstream that failed is looked at.
    pub health_interval: Duration,
    /// What it is asked then.
    pub health_domain: Name,
    /// ... without wanting recursion.
    pub health_no_rec: bool,
    /// Queries under way at most; beyond, REFUSED. 0: no limit of its own.
    pub max_concurrent: usize,
    /// The name in the certificates of TLS upstreams.
    pub tls_servername: Option<String>,
    /// Certificate authorities for TLS upstreams: a PEM file; `None`: those of the system.
    pub tls_ca: Option<PathBuf>,
    /// A client certificate and its key: PEM files.
    pub tls_client: Option<(PathBuf, PathBuf)>,
    /// SERVFAIL at once when all upstreams are down, instead of trying one.
    pub fail_fast: bool,
    /// Response codes for which the next upstream is asked.
    pub failover: Vec<Rcode>,
    /// Response codes for which the next `forward` is asked.
    pub next: Vec<Rcode>,
}

impl Forward {
    /// What CoreDNS does without further words.
    pub fn new(from: Name, to: Vec<Target>) -> Self {
        Self {
            line: 0,
            from,
            to,
            except: Vec::new(),
            force_tcp: false,
            prefer_udp: false,
            max_fails: 2,
            expire: Duration::from_secs(10),
            policy: Policy::Random,
            health_interval: Duration::from_millis(500),
            health_domain: Name::root(),
            health_no_rec: false,
            max_concurrent: 0,
            tls_servername: None,
            tls_ca: None,
            tls_client: None,
            fail_fast: false,
            failover: Vec::new(),
            next: Vec::new(),
        }
    }
}

/// Where a `forward` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One upstream.
    Upstream(Upstream),
    /// The name servers of a file like `/etc/resolv.conf`, read when the plan is put in force.
    File(PathBuf),
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Its address and port.
    pub address: SocketAddr,
    /// DNS over TLS (RFC 7858), with the name its certificate must have where the text gave one (`tls://ADDR%NAME`).
    pub tls: bool,
    /// The interface of a link-local address, or the server's name of a TLS upstream.
    pub name: Option<String>,
}

/// Which upstream is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Any.
    #[default]
    Random,
    /// One after the other.
    RoundRobin,
    /// Always the first that is up.
    Sequential,
}
