//! `slipway dns`, checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;

use super::flags::{DnsAnswerFlags, DnsFlags, DnsQueryFlags, Listen, Output};
use super::{ConfigError, Named, Source};

pub(super) mod value;

/// The domain of a cluster that says no other.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// Where a running instance shows its health unless told otherwise.
const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

/// `slipway dns`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// What is answered.
    pub answers: DnsAnswers,
    /// Where to listen; empty: as the Corefile says, else everywhere on port 53. Port 0 lets the kernel choose.
    pub listen: Vec<SocketAddr>,
    /// Number of threads that answer, for each address.
    pub workers: usize,
    /// Replies a second that one client gets over UDP; `None`: any number.
    pub client_rate: Option<u32>,
    /// The secret of server cookies; `None`: a random one.
    pub cookie_secret: Option<[u8; 16]>,
    /// Where `/health` is answered.
    pub health: Place,
    /// How long to serve on after the signal to stop; `None`: as the Corefile says.
    pub lameduck: Option<Duration>,
    /// Where `/ready` is answered.
    pub ready: Place,
    /// Where `/metrics` is answered.
    pub metrics: Place,
    /// Whether each query is logged; `None`: as the Corefile says.
    pub log_queries: Option<bool>,
}

/// What is answered. `None` and empty lists: as the Corefile says, or as usual where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAnswers {
    /// Where objects come from.
    pub source: Source,
    /// The Corefile.
    pub corefile: Option<PathBuf>,
    /// Directives that are not supported are passed over.
    pub ignore_unsupported: bool,
    /// The cluster's zone, a domain name.
    pub cluster_domain: Option<String>,
    /// The records of pods.
    pub pods: Option<PodRecords>,
    /// The time of the zone's records, in seconds, at most 3600.
    pub ttl: Option<u32>,
    /// Only Services of these namespaces.
    pub namespaces: Vec<String>,
    /// The Service this is reached by.
    pub service: Named,
    /// The search path of the pod that asks is answered in one reply.
    pub autopath: Option<bool>,
    /// Who may transfer the zone.
    pub transfer_to: Transfers,
    /// Who answers all other names.
    pub forward: Vec<UpstreamAt>,
    /// Who answers the names of some zones.
    pub stubs: Vec<Stub>,
    /// Which of several upstreams is asked.
    pub policy: Option<Policy>,
    /// Forwarded queries under way at most; 0: no limit.
    pub max_concurrent: Option<usize>,
    /// A file like `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// How long answers are kept at most, in seconds; 0: not at all.
    pub cache: Option<u32>,
    /// How much memory kept answers take at most, in bytes.
    pub cache_size: usize,
    /// Answers in demand are asked for again before their time ends.
    pub prefetch: Option<bool>,
    /// How long answers whose time ended may be served; zero: never.
    pub serve_stale: Option<Duration>,
}

/// `slipway dns query`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuery {
    /// The name, as a program would look it up.
    pub name: String,
    /// The type, as it was written; `None`: A and AAAA.
    pub kind: Option<String>,
    /// The pod that asks.
    pub from: Option<Whence>,
    /// The running instance that is asked; `None`: the answer is computed here, from `answers`.
    pub server: Option<SocketAddr>,
    /// With fewer dots than this a name is looked up along the search path first.
    pub ndots: u8,
    /// How to print.
    pub output: Output,
    /// What is answered.
    pub answers: DnsAnswers,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whence {
    /// The namespace.
    pub namespace: String,
    /// A pod of it.
    pub pod: Option<String>,
}

/// Where something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As the Corefile says; the usual place where there is none.
    Unsaid,
    /// Nowhere.
    Nowhere,
    /// Here. Port 0 lets the kernel choose.
    At(SocketAddr),
}

/// Who may transfer the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfers {
    /// Whom the Corefile names.
    Unsaid,
    /// Everybody.
    Everybody,
    /// Who is in one of these.
    To(Vec<IpNet>),
}

/// The records `a-b-c-d.NAMESPACE.pod.ZONE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodRecords {
    /// None.
    Disabled,
    /// The address in the name, whether or not there is such a pod.
    Insecure,
    /// Only if a pod of that namespace has the address.
    Verified,
}

/// Which of several upstreams is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Any.
    Random,
    /// One after the other.
    RoundRobin,
    /// Always the first that is up.
    Sequential,
}

/// Where upstreams are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAt {
    /// One at this address.
    Address {
        /// Its address and port.
        address: SocketAddr,
        /// DNS over TLS.
        tls: bool,
        /// The name that the certificate of a TLS upstream must have; the interface of a link-local address.
        name: Option<String>,
    },
    /// Those that a file like `/etc/resolv.conf` names.
    File(PathBuf),
}

/// A zone that others answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Its domain name.
    pub zone: String,
    /// Who.
    pub to: Vec<UpstreamAt>,
}

impl Dns {
    /// Checks what was typed.
    pub fn new(flags: DnsFlags) -> Result<Self, ConfigError> {
        let shown = [("--health", flags.health), ("--ready", flags.ready), ("--metrics", flags.metrics)];
        let given = |(name, listen): &(&'static str, Option<Listen>)| Some((*name, (*listen)?.0?));
        let given: Vec<(&str, SocketAddr)> = shown.iter().filter_map(given).collect();
        for (at, (second, address)) in given.iter().enumerate() {
            if let Some((first, _)) = given[..at].iter().find(|(_, other)| clash(*other, *address)) {
                return Err(ConfigError::SamePort { port: address.port(), first, second });
            }
        }
        let cores = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            listen: flags.listen.into_iter().flat_map(everywhere).collect(),
            workers: flags.workers.map_or(cores, |n| usize::from(n.get())),
            client_rate: Some(flags.client_rate).filter(|rate| *rate != 0),
            cookie_secret: flags.cookie_secret,
            health: flags.health.into(),
            lameduck: flags.lameduck,
            ready: flags.ready.into(),
            metrics: flags.metrics.into(),
            log_queries: flags.log_queries,
            answers: DnsAnswers::new(flags.answers)?,
        })
    }
}

impl DnsQuery {
    /// Checks what was typed.
    pub fn new(flags: DnsQueryFlags) -> Result<Self, ConfigError> {
        let answers = DnsAnswers::new(flags.answers)?;
        let here = answers.source != Source::Kubernetes { kubeconfig: None } || answers.corefile.is_some();
        Ok(Self {
            name: flags.name,
            kind: flags.kind,
            from: flags.from,
            server: flags.server.or_else(|| (!here).then(|| SocketAddr::from(SERVER))),
            ndots: flags.ndots,
            output: flags.output,
            answers,
        })
    }
}

impl DnsAnswers {
    fn new(flags: DnsAnswerFlags) -> Result<Self, ConfigError> {
        if flags.autopath == Some(true) && flags.pods.is_some_and(|pods| pods != PodRecords::Verified) {
            return Err(ConfigError::AutopathWithoutPods);
        }
        Ok(Self {
            source: match flags.manifests {
                Some(directory) => Source::Directory(directory),
                None => Source::Kubernetes { kubeconfig: flags.kubeconfig },
            },
            corefile: flags.corefile,
            ignore_unsupported: flags.ignore_unsupported,
            cluster_domain: flags.cluster_domain,
            pods: flags.pods,
            ttl: flags.ttl,
            namespaces: flags.namespace.into_iter().filter(|name| !name.is_empty()).collect(),
            service: flags.service,
            autopath: flags.autopath,
            transfer_to: Transfers::new(&flags.transfer_to),
            forward: flags.forward,
            stubs: flags.stub,
            policy: flags.policy,
            max_concurrent: flags.max_concurrent,
            hosts: flags.hosts,
            cache: flags.cache,
            cache_size: flags.cache_size,
            prefetch: flags.prefetch,
            serve_stale: flags.serve_stale,
        })
    }
}

impl Transfers {
    fn new(asked: &[Option<IpNet>]) -> Self {
        if asked.is_empty() {
            return Self::Unsaid;
        }
        asked.iter().copied().collect::<Option<Vec<_>>>().map_or(Self::Everybody, Self::To)
    }
}

impl From<Option<Listen>> for Place {
    fn from(flag: Option<Listen>) -> Self {
        match flag {
            None => Self::Unsaid,
            Some(Listen(None)) => Self::Nowhere,
            Some(Listen(Some(address))) => Self::At(address),
        }
    }
}

/// Without an address: all of both families.
fn everywhere((ip, port): (Option<IpAddr>, u16)) -> Vec<SocketAddr> {
    let all = || vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let ips = ip.map_or_else(all, |ip| vec![ip]);
    ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && overlap
}

#[cfg(test)]
mod tests;
