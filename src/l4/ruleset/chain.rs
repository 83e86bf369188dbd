//! The chains of a table.

use std::fmt;

/// A chain. They are the same in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainId {
    /// Base chain: source ranges, for what arrives.
    FilterPrerouting,
    /// Base chain: source ranges, for what the node sends.
    FilterOutputEarly,
    /// Base chain: picks an endpoint for what arrives.
    NatPrerouting,
    /// Base chain: picks an endpoint for what the node sends.
    NatOutput,
    /// Base chain: remembers clients of endpoints on the node itself.
    NatInput,
    /// Base chain: remembers clients, masquerades.
    NatPostrouting,
    /// Base chain: refuses what no endpoint answers, of what is forwarded.
    FilterForward,
    /// Base chain: the same, of what is for the node.
    FilterInput,
    /// Base chain: the same, of what the node sends.
    FilterOutput,
    /// Drops whom the source ranges do not allow.
    Restricting,
    /// From destination to verdict.
    Services,
    /// The same for ports of the node.
    NodePorts,
    /// Remembers which endpoint a client of a sticky frontend got.
    Remembering,
    /// Decides who gets the node's address as source.
    Masquerading,
    /// Refuses what has no endpoint.
    Unserved,
    /// The same for ports of the node.
    UnservedNodePorts,
    /// Answers "connection refused".
    Rejecting,
    /// Sends to one of so many endpoints.
    Pick(Pick),
}

/// Which endpoints to pick from: one chain for each combination in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pick {
    /// The map of the endpoints.
    pub pool: Pool,
    /// Whether the frontend is a port of any of the node's addresses.
    pub node_port: bool,
    /// Whether a client that is remembered goes where it was before.
    pub sticky: bool,
    /// How many endpoints there are, from 1.
    pub count: u32,
}

/// The two maps of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// `endpoints`.
    All,
    /// `local-endpoints`.
    Local,
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node_port = if self.node_port { "node-port-" } else { "" };
        let local = if self.pool == Pool::Local { "local-" } else { "" };
        let verb = if self.sticky { "sticky" } else { "pick" };
        write!(f, "{node_port}{local}{verb}-{}", self.count)
    }
}

impl ChainId {
    /// The chains that are always there.
    pub const FIXED: [Self; 17] = [
        Self::FilterPrerouting,
        Self::FilterOutputEarly,
        Self::NatPrerouting,
        Self::NatOutput,
        Self::NatInput,
        Self::NatPostrouting,
        Self::FilterForward,
        Self::FilterInput,
        Self::FilterOutput,
        Self::Restricting,
        Self::Services,
        Self::NodePorts,
        Self::Remembering,
        Self::Masquerading,
        Self::Unserved,
        Self::UnservedNodePorts,
        Self::Rejecting,
    ];

    /// The chain with that name.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(fixed) = Self::FIXED.into_iter().find(|chain| chain.to_string() == name) {
            return Some(fixed);
        }
        let (head, count) = name.rsplit_once('-')?;
        let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
        let (node_port, head) = head.strip_prefix("node-port-").map_or((false, head), |rest| (true, rest));
        let (pool, head) = head.strip_prefix("local-").map_or((Pool::All, head), |rest| (Pool::Local, rest));
        let sticky = match head {
            "pick" => false,
            "sticky" => true,
            _ => return None,
        };
        Some(Self::Pick(Pick { pool, node_port, sticky, count }))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FilterPrerouting => "filter-prerouting",
            Self::FilterOutputEarly => "filter-output-early",
            Self::NatPrerouting => "nat-prerouting",
            Self::NatOutput => "nat-output",
            Self::NatInput => "nat-input",
            Self::NatPostrouting => "nat-postrouting",
            Self::FilterForward => "filter-forward",
            Self::FilterInput => "filter-input",
            Self::FilterOutput => "filter-output",
            Self::Restricting => "restricting",
            Self::Services => "services",
            Self::NodePorts => "node-ports",
            Self::Remembering => "remembering",
            Self::Masquerading => "masquerading",
            Self::Unserved => "unserved",
            Self::UnservedNodePorts => "unserved-node-ports",
            Self::Rejecting => "rejecting",
            Self::Pick(pick) => return write!(f, "{pick}"),
        })
    }
}

/// Where a base chain hangs. Its policy is always to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// What its rules may do.
    pub kind: HookType,
    /// Where packets meet it.
    pub hook: Hook,
    /// Its place among the chains of that hook.
    pub priority: i32,
}

/// What the rules of a base chain may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookType {
    /// Accept, drop, reject.
    Filter,
    /// Change addresses; sees the first packet of a connection only.
    Nat,
}

/// Where packets meet a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// What arrives, before it is routed.
    Prerouting,
    /// What is for this node.
    Input,
    /// What is passed on.
    Forward,
    /// What this node sends.
    Output,
    /// What leaves.
    Postrouting,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            HookType::Filter => "filter",
            HookType::Nat => "nat",
        };
        let hook = match self.hook {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        };
        write!(f, "type {kind} hook {hook} priority {}; policy accept;", self.priority)
    }
}
