//! The sets and maps of a table.

use std::fmt;

use super::{Family, Fields};

/// A set or map. They are the same in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetId {
    /// Map: the endpoints of a frontend, numbered from 0.
    Endpoints,
    /// Map: the endpoints on this node, for what comes from outside to a frontend of policy Local.
    LocalEndpoints,
    /// Verdict map: what becomes of connections to a frontend.
    Services,
    /// Verdict map, asked first: what becomes of connections from outside to a frontend of policy Local.
    OutsideServices,
    /// Frontends of Services without any usable endpoint: refused.
    NoEndpoints,
    /// The addresses of all ClusterIPs.
    ClusterIps,
    /// The ranges that Service addresses come from.
    ServiceRanges,
    /// The ranges of pod addresses; empty when they are not known.
    Pods,
    /// Where NodePorts are answered: those addresses of the node that are in these ranges.
    NodePortAddresses,
    /// External frontends whose connections get the node's address as their source.
    Masqueraded,
    /// External frontends of policy Local: only connections from the node itself get its address.
    MasqueradedLocal,
    /// Pairs (endpoint on this node, the same): a pod that reaches itself.
    Hairpin,
    /// Load-balancer frontends with source ranges.
    Restricted,
    /// Who may come to those.
    AllowedSources,
    /// Frontends with session affinity of that many seconds.
    Sticky(u32),
    /// Map, filled by the kernel: the endpoint that a client of a sticky frontend has.
    Affinity,
}

/// What kind of set it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// A set of keys.
    Set,
    /// A set of ranges.
    Ranges,
    /// A map to endpoints.
    Targets,
    /// A map to verdicts.
    Verdicts,
    /// A map to endpoints that rules write, with times after which elements vanish.
    Remembered,
}

impl SetId {
    /// The sets that are always there.
    pub const FIXED: [Self; 15] = [
        Self::Endpoints,
        Self::LocalEndpoints,
        Self::Services,
        Self::OutsideServices,
        Self::NoEndpoints,
        Self::ClusterIps,
        Self::ServiceRanges,
        Self::Pods,
        Self::NodePortAddresses,
        Self::Masqueraded,
        Self::MasqueradedLocal,
        Self::Hairpin,
        Self::Restricted,
        Self::AllowedSources,
        Self::Affinity,
    ];

    /// The set with that name.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(seconds) = name.strip_prefix("sticky-") {
            return seconds.parse().ok().map(Self::Sticky);
        }
        Self::FIXED.into_iter().find(|set| set.to_string() == name)
    }

    /// What kind it is.
    pub fn kind(self) -> SetKind {
        match self {
            Self::Endpoints | Self::LocalEndpoints => SetKind::Targets,
            Self::Services | Self::OutsideServices => SetKind::Verdicts,
            Self::ServiceRanges | Self::Pods | Self::NodePortAddresses | Self::AllowedSources => {
                SetKind::Ranges
            }
            Self::Affinity => SetKind::Remembered,
            _ => SetKind::Set,
        }
    }

    /// What its keys are made of, as fields of a packet.
    pub fn fields(self) -> Fields {
        match self {
            Self::Endpoints | Self::LocalEndpoints => Fields::Slot { any: false, count: 1 },
            Self::ClusterIps | Self::NodePortAddresses | Self::ServiceRanges => Fields::Destination,
            Self::Pods => Fields::Source,
            Self::Hairpin => Fields::Pair,
            Self::AllowedSources | Self::Affinity => Fields::FrontendSource { any: false },
            _ => Fields::Frontend { any: false },
        }
    }

    /// How many clients may be remembered at once.
    pub const REMEMBERED: u32 = 1 << 20;

    pub(super) fn declare(self, f: &mut fmt::Formatter<'_>, family: Family) -> fmt::Result {
        let fields = self.fields().text(family);
        let word = if matches!(self.kind(), SetKind::Set | SetKind::Ranges) { "set" } else { "map" };
        writeln!(f, "\t{word} {self} {{")?;
        match self.kind() {
            SetKind::Set => writeln!(f, "\t\ttypeof {fields}"),
            SetKind::Ranges => writeln!(f, "\t\ttypeof {fields}\n\t\tflags interval"),
            SetKind::Targets => writeln!(f, "\t\ttypeof {fields} : {family} daddr . th dport"),
            SetKind::Verdicts => writeln!(f, "\t\ttypeof {fields} : verdict"),
            SetKind::Remembered => writeln!(
                f,
                "\t\ttypeof {fields} : {family} daddr . th dport\n\t\tsize {}\n\t\tflags dynamic,timeout",
                Self::REMEMBERED
            ),
        }
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoints => "endpoints",
            Self::LocalEndpoints => "local-endpoints",
            Self::Services => "services",
            Self::OutsideServices => "outside-services",
            Self::NoEndpoints => "no-endpoints",
            Self::ClusterIps => "cluster-ips",
            Self::ServiceRanges => "service-ranges",
            Self::Pods => "pods",
            Self::NodePortAddresses => "node-port-addresses",
            Self::Masqueraded => "masqueraded",
            Self::MasqueradedLocal => "masqueraded-local",
            Self::Hairpin => "hairpin",
            Self::Restricted => "restricted",
            Self::AllowedSources => "allowed-sources",
            Self::Affinity => "affinity",
            Self::Sticky(seconds) => return write!(f, "sticky-{seconds}"),
        })
    }
}
