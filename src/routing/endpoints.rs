//! Where the requests of each backend go.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::list::List;
use crate::model::{Key, Name};

/// Names a backend: an index into [`EndpointTable::backends`]. Stays the same across compiles for the same Service
/// and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(pub u32);

/// Every backend. Unchanged ones are shared with the previous table.
#[derive(Clone, Debug, Default)]
pub struct EndpointTable {
    /// By [`BackendId`]; a freed slot holds a backend without targets.
    pub backends: List<Arc<Backend>>,
}

impl EndpointTable {
    /// The backend of an id. `None` only for an id of another table.
    #[inline]
    pub fn find(&self, id: BackendId) -> Option<&Arc<Backend>> {
        self.backends.get(id.0 as usize)
    }

    /// How many targets there are in all.
    pub fn targets(&self) -> usize {
        self.backends.iter().map(|backend| backend.targets.len()).sum()
    }
}

/// One port of one Service, with what takes its requests now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Unique for each Service, port and mode for the life of the process: what a data thread remembers about a
    /// backend is keyed by it. 0 in a freed slot.
    pub serial: u64,
    /// The Service.
    pub service: Key,
    /// The port as the Ingress wrote it; empty for "the first one".
    pub port: Name,
    /// What takes requests, sorted; empty means 503.
    pub targets: Vec<Target>,
}

/// One place to send a request to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An endpoint, or the cluster address of a Service.
    Address(SocketAddr),
    /// The name of an ExternalName Service, resolved when a connection is made.
    Name {
        /// DNS name, without a trailing dot.
        host: Name,
        /// Port.
        port: u16,
    },
}
