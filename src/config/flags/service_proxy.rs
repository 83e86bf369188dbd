//! Flags of `slipway service-proxy`. They have kube-proxy's names, or an alias of that name, where the meaning is the same.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use super::super::dns::value::span;
use super::super::value::{boolean, listen, local_mode, network, node_name, node_ports, proxy_mode};
use super::LogLevel;

/// Flags of `slipway service-proxy`.
#[derive(Args, Debug)]
pub struct ServiceProxyFlags {
    /// Directory of YAML or JSON files with Services, EndpointSlices, Nodes, ServiceCIDRs in the place of a cluster;
    /// it is followed: a change is live within 100 ms
    #[arg(long, value_name = "DIR", help_heading = "Where objects come from")]
    pub manifests: Option<PathBuf>,

    /// How to reach the API server [default: as the pod this runs in, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "manifests", help_heading = "Where objects come from")]
    pub kubeconfig: Option<PathBuf>,

    /// The name of this node's Node object [default: the host name]
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true, value_parser = node_name)]
    #[arg(visible_alias = "hostname-override", help_heading = "The node")]
    pub node_name: Option<String>,

    /// Where pods have their addresses from, one range or more: connections to cluster addresses from elsewhere get the node's
    /// address as their source
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network, help_heading = "The node")]
    pub cluster_cidr: Vec<IpNet>,

    /// How pods are known: ClusterCIDR (those of --cluster-cidr) or NodeCIDR (this node's, from spec.podCIDRs of its Node)
    /// [default: ClusterCIDR with --cluster-cidr, else NodeCIDR]
    #[arg(long, value_name = "MODE", value_parser = local_mode, help_heading = "The node")]
    pub detect_local_mode: Option<LocalMode>,

    /// Which addresses of the node answer NodePorts: primary (the first of each family of its Node), or those in these ranges
    #[arg(long, value_name = "primary|CIDR", value_delimiter = ',', default_value = "primary")]
    #[arg(value_parser = node_ports, help_heading = "The node")]
    pub nodeport_addresses: Vec<Option<IpNet>>,

    /// Every connection to a cluster address gets the node's address as its source
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(default_value = "false", hide_default_value = true, value_parser = boolean, help_heading = "The node")]
    pub masquerade_all: bool,

    /// How long the kernel remembers a TCP connection on which nothing happens; 0s: as it does by itself
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = span, help_heading = "The node")]
    pub conntrack_tcp_timeout_established: Duration,

    /// How long it remembers one that one side has closed; 0s: as it does by itself
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = span, help_heading = "The node")]
    pub conntrack_tcp_timeout_close_wait: Duration,

    /// Who forwards: nftables (the kernel; needs CAP_NET_ADMIN) or userspace (this process, without privileges)
    #[arg(long, value_name = "MODE", visible_alias = "proxy-mode", default_value = "nftables")]
    #[arg(value_parser = proxy_mode, help_heading = "Operation")]
    pub mode: ProxyMode,

    /// Where /healthz and /livez are answered; empty: nowhere
    #[arg(
        long,
        value_name = "IP:PORT",
        visible_alias = "healthz-bind-address",
        default_value = "0.0.0.0:10256"
    )]
    #[arg(value_parser = |text: &str| listen(text, 10256), help_heading = "Operation")]
    pub healthz_address: Listen,

    /// Where /metrics and /proxyMode are answered; empty: nowhere
    #[arg(
        long,
        value_name = "IP:PORT",
        visible_alias = "metrics-bind-address",
        default_value = "127.0.0.1:10249"
    )]
    #[arg(value_parser = |text: &str| listen(text, 10249), help_heading = "Operation")]
    pub metrics_address: Listen,

    /// Remove all rules from the kernel, and end
    #[arg(long, conflicts_with_all = ["manifests", "kubeconfig"], help_heading = "Operation")]
    pub cleanup: bool,

    /// How much to say on standard error
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Operation")]
    pub log_level: LogLevel,
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

/// How pods are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalMode {
    /// By `--cluster-cidr`.
    ClusterCidr,
    /// By the Node's `spec.podCIDRs`.
    NodeCidr,
}

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyMode {
    /// The kernel.
    Nftables,
    /// This process.
    Userspace,
}
