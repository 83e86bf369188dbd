//! `slipway service-proxy`, checked.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::flags::{Listen, LocalMode, ProxyMode, ServiceProxyFlags};
use super::{ConfigError, Source, value};

/// `slipway service-proxy`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceProxy {
    /// Where objects come from.
    pub source: Source,
    /// The name of the Node this runs on.
    pub node: String,
    /// How the addresses of pods are known.
    pub pods: Pods,
    /// Which addresses of the node answer NodePorts.
    pub node_ports: NodePorts,
    /// Every connection to a cluster address gets the node's address as its source.
    pub masquerade_all: bool,
    /// How long the kernel remembers a TCP connection on which nothing happens; zero: as it does by itself.
    pub established: Duration,
    /// ... and one that one side has closed.
    pub close_wait: Duration,
    /// Who forwards.
    pub mode: ProxyMode,
    /// Where health is shown; `None`: nowhere. Port 0 lets the kernel choose.
    pub healthz: Option<SocketAddr>,
    /// Where metrics are shown; `None`: nowhere. Port 0 lets the kernel choose.
    pub metrics: Option<SocketAddr>,
}

/// How the addresses of pods are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// They are in these ranges; none: nothing is known.
    Ranges(Vec<IpNet>),
    /// Those of the node are in the ranges that its Node names.
    NodeCidrs,
}

/// Which addresses of the node answer NodePorts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePorts {
    /// The first of each family of its Node.
    Primary,
    /// Those in these ranges.
    Ranges(Vec<IpNet>),
}

/// Where Linux tells the machine's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

impl ServiceProxy {
    /// Checks what was typed.
    pub fn new(flags: ServiceProxyFlags) -> Result<Self, ConfigError> {
        let (Listen(healthz), Listen(metrics)) = (flags.healthz_address, flags.metrics_address);
        if let (Some(first), Some(second)) = (healthz, metrics) {
            let overlap =
                first.ip() == second.ip() || first.ip().is_unspecified() || second.ip().is_unspecified();
            if first.port() == second.port() && first.port() != 0 && overlap {
                let (port, first, second) = (first.port(), "--healthz-address", "--metrics-address");
                return Err(ConfigError::SamePort { port, first, second });
            }
        }
        let host = || fs::read_to_string(HOST_NAME).ok().and_then(|name| value::node_name(&name).ok());
        let by_ranges = !flags.cluster_cidr.is_empty();
        let mode = flags.detect_local_mode;
        let mode = mode.unwrap_or(if by_ranges { LocalMode::ClusterCidr } else { LocalMode::NodeCidr });
        Ok(Self {
            source: match flags.manifests {
                Some(directory) => Source::Directory(directory),
                None => Source::Kubernetes { kubeconfig: flags.kubeconfig },
            },
            node: flags.node_name.or_else(host).ok_or(ConfigError::NoNodeName)?,
            pods: match mode {
                LocalMode::ClusterCidr => Pods::Ranges(flags.cluster_cidr),
                LocalMode::NodeCidr => Pods::NodeCidrs,
            },
            node_ports: node_ports(&flags.nodeport_addresses)?,
            masquerade_all: flags.masquerade_all,
            established: flags.conntrack_tcp_timeout_established,
            close_wait: flags.conntrack_tcp_timeout_close_wait,
            mode: flags.mode,
            healthz,
            metrics,
        })
    }
}

fn node_ports(asked: &[Option<IpNet>]) -> Result<NodePorts, ConfigError> {
    let ranges: Vec<IpNet> = asked.iter().copied().flatten().collect();
    match (ranges.len(), asked.len()) {
        (0, _) => Ok(NodePorts::Primary),
        (some, all) if some == all => Ok(NodePorts::Ranges(ranges)),
        _ => Err(ConfigError::PrimaryAndRanges),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::flags::{Command, Flags};
    use super::*;

    fn typed(args: &[&str]) -> Result<ServiceProxy, String> {
        let all = ["slipway", "service-proxy"].iter().chain(args);
        match Flags::try_parse_from(all).map_err(|e| e.to_string())?.command {
            Command::ServiceProxy(flags) => ServiceProxy::new(*flags).map_err(|e| e.to_string()),
            _ => unreachable!("the command is service-proxy"),
        }
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_defaults_are_those_of_kube_proxy() {
        let config = typed(&["--node-name", "n1"]).unwrap();
        assert_eq!(config.source, Source::Kubernetes { kubeconfig: None });
        assert_eq!((config.pods, config.node_ports), (Pods::NodeCidrs, NodePorts::Primary));
        assert_eq!((config.mode, config.masquerade_all), (ProxyMode::Nftables, false));
        assert_eq!(config.healthz, "0.0.0.0:10256".parse().ok());
        assert_eq!(config.metrics, "127.0.0.1:10249".parse().ok());
    }

    #[test]
    fn the_names_of_kube_proxy_are_taken_too() {
        let config = typed(&[
            "--hostname-override=N1.example",
            "--proxy-mode=nftables",
            "--healthz-bind-address=[::1]:1",
            "--metrics-bind-address=0.0.0.0",
            "--masquerade-all",
        ]);
        let config = config.unwrap();
        assert_eq!((config.node.as_str(), config.masquerade_all), ("n1.example", true));
        assert_eq!(config.healthz, "[::1]:1".parse().ok());
        assert_eq!(config.metrics, "0.0.0.0:10249".parse().ok());
        assert_eq!(typed(&["--healthz-address="]).unwrap().healthz, None);
    }

    #[test]
    fn ranges_may_be_of_both_families() {
        let config = typed(&["--cluster-cidr", "10.244.1.7/16,fd00:10:244::/56"]).unwrap();
        assert_eq!(config.pods, Pods::Ranges(nets(&["10.244.0.0/16", "fd00:10:244::/56"])));
        let config = typed(&["--cluster-cidr=10.244.0.0/16", "--detect-local-mode=NodeCIDR"]).unwrap();
        assert_eq!(config.pods, Pods::NodeCidrs);
        let config = typed(&["--detect-local-mode=ClusterCIDR"]).unwrap();
        assert_eq!(config.pods, Pods::Ranges(Vec::new()));
        let config = typed(&["--nodeport-addresses", "192.0.2.0/24,::1/128,198.51.100.7"]).unwrap();
        let expected = nets(&["192.0.2.0/24", "::1/128", "198.51.100.7/32"]);
        assert_eq!(config.node_ports, NodePorts::Ranges(expected));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        let table: &[(&[&str], &str)] = &[
            (&["--cluster-cidr", "10.244.0.0/33"], "10.244.0.0/16"),
            (&["--cluster-cidr", "pods"], "10.244.0.0/16"),
            (&["--node-name", "my node"], "kubectl get nodes"),
            (&["--node-name", ""], "kubectl get nodes"),
            (&["--mode", "iptables"], "write nftables"),
            (&["--mode", "kernel"], "nftables or userspace"),
            (&["--detect-local-mode", "BridgeInterface"], "not known by their interfaces"),
            (&["--nodeport-addresses", "eth0"], "or primary"),
            (&["--nodeport-addresses", "primary,192.0.2.0/24"], "either primary or ranges"),
            (&["--healthz-address", "localhost:1"], "0.0.0.0:10256"),
            (&["--healthz-address", ":7", "--metrics-address", ":7"], "give one of them another port"),
            (&["--manifests", "x", "--kubeconfig", "y"], "cannot be used with"),
            (&["--cleanup", "--manifests", "x"], "cannot be used with"),
        ];
        for (args, expected) in table {
            let error = typed(args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
    }

    #[test]
    fn the_same_port_on_two_addresses_is_fine() {
        assert!(typed(&["--healthz-address=127.0.0.1:7", "--metrics-address=127.0.0.2:7"]).is_ok());
        assert!(typed(&["--healthz-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"]).is_ok());
    }
}
