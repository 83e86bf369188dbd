//! What a node's service proxy tells about its health.

use super::Key;

/// How the rules of a node are doing. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHealth {
    /// When rules were last found to be what they should be; `None` before the first time.
    pub updated: Option<i64>,
    /// Since when a change waits to be applied, for IPv4 and IPv6.
    pub pending: [Option<i64>; 2],
    /// The node is not being deleted and not about to be.
    pub node_eligible: bool,
}

/// A Service that load balancers ask about on a port of its own (`healthCheckNodePort`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The Service.
    pub service: Key,
    /// Where it is asked.
    pub port: u16,
    /// How many ready endpoints it has on this node.
    pub local_endpoints: usize,
}
