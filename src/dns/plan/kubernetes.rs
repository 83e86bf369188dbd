//! `kubernetes`: the zone of the cluster.

use std::path::PathBuf;
use std::time::Duration;

use crate::dns::wire::name::Name;

/// `kubernetes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// The zones that carry the records of Services, the first one named in answers to reverse lookups.
    pub zones: Vec<Name>,
    /// The reverse zones that are answered.
    pub reverse: Vec<Name>,
    /// The pod records.
    pub pods: PodRecords,
    /// The time of its records, in seconds, 0 to 3600.
    pub ttl: u32,
    /// Only these namespaces; all when empty.
    pub namespaces: Vec<String>,
    /// Only objects with these labels (`labels`); the text of a selector.
    pub labels: Option<String>,
    /// Only namespaces with these labels (`namespace_labels`).
    pub namespace_labels: Option<String>,
    /// Endpoints without a hostname are named after their pod.
    pub endpoint_pod_names: bool,
    /// No records of endpoints.
    pub no_endpoints: bool,
    /// A ClusterIP Service without ready endpoints does not exist.
    pub ignore_empty: bool,
    /// The zones for which others are asked when there is no such name; `None`: nobody, `Some([])`: all.
    pub fallthrough: Option<Vec<Name>>,
    /// `endpoint`, `kubeconfig`, `tls`: how to reach the API server; the flag's or the pod's own way when `None`.
    pub kubeconfig: Option<PathBuf>,
    /// How long the start waits for the first complete list.
    pub startup: Duration,
}

/// The records `a-b-c-d.NAMESPACE.pod.ZONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodRecords {
    /// None.
    #[default]
    Disabled,
    /// The address in the name, whether or not there is such a pod.
    Insecure,
    /// Only if a pod of that namespace has the address.
    Verified,
}
