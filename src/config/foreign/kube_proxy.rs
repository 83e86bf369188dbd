//! Flags of kube-proxy that `slipway service-proxy` does not have.

use super::Program;

/// They are sysctls of the node, which Slipway leaves alone.
const SYSCTL: &str = "set the sysctl on the node: Slipway changes none";

/// kube-proxy's flags.
pub(super) const FLAGS: Program = Program {
    name: "kube-proxy",
    renamed: &[
        ("config", "write what the file says as flags: see slipway service-proxy --help"),
        (
            "conntrack-max-per-core",
            "net.netfilter.nf_conntrack_max: set the sysctl on the node, Slipway changes none",
        ),
        ("conntrack-min", "net.netfilter.nf_conntrack_max: set the sysctl on the node, Slipway changes none"),
        (
            "conntrack-tcp-be-liberal",
            "set the sysctl net.netfilter.nf_conntrack_tcp_be_liberal on the node: it is read at the start",
        ),
        ("conntrack-udp-timeout", SYSCTL),
        ("conntrack-udp-timeout-stream", SYSCTL),
        ("healthz-port", "give --healthz-address 0.0.0.0:PORT"),
        ("logging-format", "the log is lines of text: leave it out"),
        ("master", "write it into a kubeconfig and give --kubeconfig FILE"),
        ("metrics-port", "give --metrics-address 127.0.0.1:PORT"),
        ("v", "give --log-level debug, or leave it out"),
        ("vmodule", "give --log-level debug, or leave it out"),
    ],
    own: (
        "kube-proxy's own ways",
        &[
            "bind-address",
            "bind-address-hard-fail",
            "cleanup-ipvs",
            "config-sync-period",
            "iptables-masquerade-bit",
            "iptables-min-sync-period",
            "iptables-sync-period",
            "ipvs-exclude-cidrs",
            "ipvs-min-sync-period",
            "ipvs-scheduler",
            "ipvs-strict-arp",
            "ipvs-sync-period",
            "ipvs-tcp-timeout",
            "ipvs-tcpfin-timeout",
            "ipvs-udp-timeout",
            "kube-api-burst",
            "kube-api-content-type",
            "kube-api-qps",
            "log-flush-frequency",
            "log-json-info-buffer-size",
            "log-json-split-stream",
            "log-text-info-buffer-size",
            "log-text-split-stream",
            "logtostderr",
            "profiling",
            "proxy-port-range",
            "show-hidden-metrics-for-version",
            "udp-timeout",
            "write-config-to",
        ],
    ),
    absent: &[
        "feature-gates",
        "init-only",
        "iptables-localhost-nodeports",
        "oom-score-adj",
        "pod-bridge-interface",
        "pod-interface-name-prefix",
    ],
};
