//! The immutable table that answers which route a request takes.
//!
//! Everything here is read by the data threads while they serve and never changed: a change of the cluster makes a
//! new table. Looking up a host is one hash lookup, looking up a path one walk over its rules; neither allocates.

pub mod certificates;
pub mod endpoints;
pub mod explain;
pub mod filter;
pub mod host;
pub mod path;
pub mod rule;

use std::sync::Arc;

pub use certificates::Certificates;
pub use endpoints::{Backend, BackendId, EndpointTable, Target};
pub use explain::Explanation;
pub use host::{HostTable, Hosts};
pub use rule::{Action, HttpsRedirect, Retry, Route, RouteOrigin, Sources, Traffic};

use crate::model::settings::Settings;

/// What the data threads read: routes and the endpoints they name, replaced by one swap so that both always fit.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Which route a request takes.
    pub routes: Arc<RoutingTable>,
    /// Where each backend's requests go.
    pub endpoints: Arc<EndpointTable>,
}

impl Tables {
    /// Tables that know nothing: every request gets the built-in 404.
    pub fn empty() -> Self {
        let settings = Arc::new(Settings::default());
        let any = HostTable::empty(&settings);
        let hosts = Hosts::new(Arc::new(any));
        let routes = RoutingTable::new(Arc::new(hosts), Certificates::default(), settings);
        Self { routes: Arc::new(routes), endpoints: Arc::new(EndpointTable::default()) }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::empty()
    }
}

/// Every host with its paths, the certificates and the global settings.
#[derive(Debug)]
pub struct RoutingTable {
    hosts: Arc<Hosts>,
    /// Which certificate answers which server name.
    pub certificates: Certificates,
    /// What is in force for every host.
    pub settings: Arc<Settings>,
}

impl RoutingTable {
    /// A table of its parts.
    pub fn new(hosts: Arc<Hosts>, certificates: Certificates, settings: Arc<Settings>) -> Self {
        Self { hosts, certificates, settings }
    }

    /// The table of a host that went through [`host::normalize`]: the host by name, else by one-label wildcard, else by
    /// alias pattern, else the catch-all. Always answers.
    #[inline]
    pub fn host(&self, host: &str) -> &Arc<HostTable> {
        self.hosts.find(host)
    }

    /// Every host table once, sorted by host; the catch-all is last.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<HostTable>> {
        self.hosts.sorted().into_iter()
    }

    /// Which route answers `host` and `path` (both normalized), and why the next best ones lost.
    pub fn explain(&self, host: &str, path: &str) -> Explanation {
        explain::explain(&self.hosts, host, path)
    }

    /// The hosts, to share them with the next table.
    pub fn shared_hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }
}
