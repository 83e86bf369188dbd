//! Flags of `slipway dns`. A flag that is given wins over the Corefile; so most have no default of their own.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ipnet::IpNet;

use super::super::Named;
use super::super::dns::value::{
    bytes, cookie_secret, domain, listen_on, peers, place, span, stub, upstream, whence,
};
use super::super::dns::{PodRecords, Policy, Stub, UpstreamAt, Whence};
use super::super::value::{admin_address, boolean, named};
use super::{Listen, LogLevel, Output};

/// Flags of `slipway dns`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DnsFlags {
    /// Where objects come from and what is answered.
    #[command(flatten)]
    pub answers: DnsAnswerFlags,

    /// Where to listen, UDP and TCP alike, separated by commas; port 53 unless given, port 0: any free one
    /// [default: as the Corefile says, else all addresses, port 53]
    #[arg(long, value_name = "IP:PORT", value_delimiter = ',', value_parser = listen_on)]
    #[arg(help_heading = "Listening")]
    pub listen: Vec<(Option<IpAddr>, u16)>,

    /// Threads that answer, for each address of --listen [default: one for each core]
    #[arg(long, value_name = "N", help_heading = "Listening")]
    pub workers: Option<NonZeroU16>,

    /// Replies a second that one client gets over UDP, an IPv6 /56 counting as one; 0: any number
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Listening")]
    pub client_rate: u32,

    /// The secret of server cookies, 32 hexadecimal digits, the same for all replicas [default: a random one]
    #[arg(long, value_name = "HEX", env = "SLIPWAY_DNS_COOKIE_SECRET", hide_env_values = true)]
    #[arg(value_parser = cookie_secret, help_heading = "Listening")]
    pub cookie_secret: Option<[u8; 16]>,

    /// Where /health is answered; empty: nowhere [default: as the Corefile says, without one 0.0.0.0:8080]
    #[arg(long, value_name = "IP:PORT", value_parser = |text: &str| place(text, 8080))]
    #[arg(help_heading = "Operation")]
    pub health: Option<Listen>,

    /// After SIGTERM: how long to serve on, not ready [default: as the Corefile says, without one 5s]
    #[arg(long, value_name = "DURATION", value_parser = span, help_heading = "Operation")]
    pub lameduck: Option<Duration>,

    /// Where /ready is answered; empty: nowhere [default: as the Corefile says, without one 0.0.0.0:8181]
    #[arg(long, value_name = "IP:PORT", value_parser = |text: &str| place(text, 8181))]
    #[arg(help_heading = "Operation")]
    pub ready: Option<Listen>,

    /// Where /metrics is answered; empty: nowhere [default: as the Corefile says, without one 0.0.0.0:9153]
    #[arg(long, value_name = "IP:PORT", value_parser = |text: &str| place(text, 9153))]
    #[arg(help_heading = "Operation")]
    pub metrics: Option<Listen>,

    /// A line on standard output for each query [default: as the Corefile says]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = boolean, help_heading = "Operation")]
    pub log_queries: Option<bool>,

    /// How much to say on standard error
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Operation")]
    pub log_level: LogLevel,

    /// Explain one answer in the place of serving.
    #[command(subcommand)]
    pub query: Option<DnsCommand>,
}

/// What `slipway dns` can do besides serving.
#[derive(Debug, Subcommand)]
pub enum DnsCommand {
    /// Say step by step how a name resolves, and if it does not, why
    Query(Box<DnsQueryFlags>),
}

/// Flags that say what is answered: the same for a server and an explanation.
#[derive(Args, Debug)]
pub struct DnsAnswerFlags {
    /// Directory of YAML or JSON files with Services, EndpointSlices, Pods, Namespaces in the place of a cluster;
    /// it is followed: a change is live within 100 ms
    #[arg(long, value_name = "DIR", help_heading = "Where objects come from")]
    pub manifests: Option<PathBuf>,

    /// How to reach the API server [default: as the pod this runs in, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "manifests", help_heading = "Where objects come from")]
    pub kubeconfig: Option<PathBuf>,

    /// A Corefile; it is followed, and a broken one keeps the old in force
    #[arg(long, value_name = "FILE", help_heading = "What is answered")]
    pub corefile: Option<PathBuf>,

    /// Pass over directives of the Corefile that Slipway does not support, with a warning for each
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean)]
    #[arg(help_heading = "What is answered")]
    pub ignore_unsupported: bool,

    /// The cluster's zone [default: as the Corefile says, else cluster.local]
    #[arg(long, value_name = "ZONE", value_parser = domain, help_heading = "The cluster's zone")]
    pub cluster_domain: Option<String>,

    /// Records such as 10-0-0-7.NAMESPACE.pod: none, for every address, or for addresses of pods
    /// [default: as the Corefile says, without one insecure]
    #[arg(long, value_name = "MODE", help_heading = "The cluster's zone")]
    pub pods: Option<PodRecords>,

    /// The time of its records, in seconds [default: as the Corefile says, without one 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3600))]
    #[arg(help_heading = "The cluster's zone")]
    pub ttl: Option<u32>,

    /// Only Services of these namespaces, separated by commas [default: all]
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', help_heading = "The cluster's zone")]
    pub namespace: Vec<String>,

    /// The Service this is reached by: its addresses are those of the zone's name server
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "kube-system/kube-dns", value_parser = named)]
    #[arg(help_heading = "The cluster's zone")]
    pub service: Named,

    /// Answer the search path of the pod that asks in one reply; needs --pods verified
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = boolean, help_heading = "The cluster's zone")]
    pub autopath: Option<bool>,

    /// Who may transfer the cluster's zone: addresses, ranges or *, separated by commas [default: nobody]
    #[arg(long, value_name = "CIDR|*", value_delimiter = ',', value_parser = peers)]
    #[arg(help_heading = "The cluster's zone")]
    pub transfer_to: Vec<Option<IpNet>>,

    /// Who answers all other names: addresses, tls://ADDR%NAME, or a file like /etc/resolv.conf, separated by commas
    /// [default: as the Corefile says, without one /etc/resolv.conf]
    #[arg(long, value_name = "ADDR[:PORT]", value_delimiter = ',', value_parser = upstream)]
    #[arg(help_heading = "All other names")]
    pub forward: Vec<UpstreamAt>,

    /// Who answers the names of one zone: example.org=10.0.0.1,10.0.0.2:5353 (may be repeated)
    #[arg(long, value_name = "ZONE=ADDR[:PORT],...", value_parser = stub, help_heading = "All other names")]
    pub stub: Vec<Stub>,

    /// Which of several is asked [default: as the Corefile says, else random]
    #[arg(long, value_name = "POLICY", help_heading = "All other names")]
    pub policy: Option<Policy>,

    /// Queries under way at most; what is beyond is refused; 0: no limit [default: as the Corefile says, without one 1000]
    #[arg(long, value_name = "N", help_heading = "All other names")]
    pub max_concurrent: Option<usize>,

    /// A file like /etc/hosts with names that are answered before all others; it is followed
    #[arg(long, value_name = "FILE", help_heading = "All other names")]
    pub hosts: Option<PathBuf>,

    /// How long answers are kept at most; 0: not at all [default: as the Corefile says, without one 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=86400))]
    #[arg(help_heading = "Cache")]
    pub cache: Option<u32>,

    /// How much memory kept answers take at most, in bytes, or such as 64MiB
    #[arg(long, value_name = "BYTES", default_value = "32MiB", value_parser = bytes, help_heading = "Cache")]
    pub cache_size: usize,

    /// Ask again for answers in demand before their time ends [default: as the Corefile says]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = boolean, help_heading = "Cache")]
    pub prefetch: Option<bool>,

    /// Serve answers whose time ended up to so long ago (1h unless given) when no other can be had; 0s: never
    /// [default: as the Corefile says]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "1h")]
    #[arg(value_parser = span, help_heading = "Cache")]
    pub serve_stale: Option<Duration>,
}

/// Flags of `slipway dns query`.
#[derive(Args, Debug)]
pub struct DnsQueryFlags {
    /// The name, as a program would look it up: web, web.shop, example.com
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The type [default: A and AAAA, as a program asks that wants to connect]
    #[arg(value_name = "TYPE")]
    pub kind: Option<String>,

    /// The pod that asks: its namespace makes the search path, its address is the client's [default: a pod of namespace default]
    #[arg(long, value_name = "NAMESPACE[/POD]", value_parser = whence)]
    pub from: Option<Whence>,

    /// Ask the running instance whose --health address this is [default: 127.0.0.1:8080, unless --manifests, --kubeconfig or
    /// --corefile is given]
    #[arg(long, value_name = "ADDR", value_parser = admin_address, conflicts_with_all = ["manifests", "kubeconfig"])]
    pub server: Option<SocketAddr>,

    /// With fewer dots than this a name is looked up along the search path first
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=15))]
    pub ndots: u8,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,

    /// Where objects come from and what is answered.
    #[command(flatten)]
    pub answers: DnsAnswerFlags,
}

impl ValueEnum for PodRecords {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Disabled, Self::Insecure, Self::Verified]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::Disabled => "disabled".into(),
            Self::Insecure => "insecure".into(),
            Self::Verified => "verified".into(),
        })
    }
}

impl ValueEnum for Policy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Random, Self::RoundRobin, Self::Sequential]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::Random => "random".into(),
            Self::RoundRobin => "round_robin".into(),
            Self::Sequential => "sequential".into(),
        })
    }
}
