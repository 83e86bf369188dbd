//! Where endpoints run, who should use them, and since when they are as they are.

use std::sync::Arc;

use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

use crate::model::Name;
use crate::model::service::Topology;

/// The annotation that says when the change came about that an object is the answer to.
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The topologies of one object; endpoints of the same node share theirs.
#[derive(Default)]
pub(super) struct Topologies(Vec<Arc<Topology>>);

impl Topologies {
    /// That of an endpoint of a slice; `None` when nothing is said.
    pub(super) fn of_slice(&mut self, endpoint: &discovery::Endpoint) -> Option<Arc<Topology>> {
        let hints = endpoint.hints.as_ref();
        let zones = hints.and_then(|hints| hints.for_zones.as_ref()).into_iter().flatten();
        let nodes = hints.and_then(|hints| hints.for_nodes.as_ref()).into_iter().flatten();
        self.share(Topology {
            node: name(endpoint.node_name.as_deref()),
            for_zones: zones.filter_map(|zone| name(Some(&zone.name))).collect(),
            for_nodes: nodes.filter_map(|node| name(Some(&node.name))).collect(),
        })
    }

    /// That of an address which says no more than its node.
    pub(super) fn of_node(&mut self, node: Option<&str>) -> Option<Arc<Topology>> {
        self.share(Topology { node: name(node), ..Topology::default() })
    }

    fn share(&mut self, topology: Topology) -> Option<Arc<Topology>> {
        if topology == Topology::default() {
            return None;
        }
        if let Some(known) = self.0.iter().rfind(|known| ***known == topology) {
            return Some(known.clone());
        }
        let topology = Arc::new(topology);
        self.0.push(topology.clone());
        Some(topology)
    }
}

fn name(text: Option<&str>) -> Option<Name> {
    text.filter(|text| !text.is_empty()).map(Name::from)
}

/// When the change came about, in milliseconds since 1970. What cannot be read says nothing: it is for metrics only.
pub(super) fn triggered(metadata: &ObjectMeta) -> Option<i64> {
    let text = metadata.annotations.as_ref()?.get(TRIGGERED)?;
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}
