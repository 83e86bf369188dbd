//! A plan's `kubernetes` -> zones.

use std::sync::Arc;

use super::super::plan::{Kubernetes, Plan, PodRecords};
use super::super::zone::{Options, Pods, Zone};
use crate::model::selector::Selector;
use crate::model::{Key, Snapshot};

/// The zones of one `kubernetes`.
pub(super) struct Made {
    plan: Kubernetes,
    /// `None` before everything was listed once.
    pub(super) zones: Option<Vec<Zone>>,
}

/// Those of every `kubernetes` of a plan, in order of its blocks. `former` are those of before: zones whose options did not
/// change go on from there.
pub(super) fn make(
    plan: &Plan,
    snapshot: Option<&Snapshot>,
    own_service: Option<&Key>,
    former: &[Made],
    serial: u32,
) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for wanted in plan.blocks.iter().filter_map(|block| block.kubernetes.as_ref()) {
        let alike = |made: &&Made| same(&made.plan, wanted);
        let zones = match (made.iter().find(alike), snapshot) {
            (_, None) => None,
            (Some(twin), Some(_)) => twin.zones.clone(),
            (None, Some(snapshot)) => {
                let known = former.iter().find(alike).and_then(|made| made.zones.as_ref());
                Some(match known {
                    Some(zones) => zones.iter().map(|zone| zone.update(snapshot, serial)).collect(),
                    None => build(wanted, snapshot, own_service, serial),
                })
            }
        };
        made.push(Made { plan: wanted.clone(), zones });
    }
    made
}

/// The zones of one `kubernetes`, anew.
pub fn build(wanted: &Kubernetes, snapshot: &Snapshot, own_service: Option<&Key>, serial: u32) -> Vec<Zone> {
    let options = options(wanted, own_service);
    options.into_iter().map(|options| Zone::build(snapshot, Arc::new(options), serial)).collect()
}

/// How the zones of one `kubernetes` are made: one for each of its names; the first carries the reverse ones, too.
pub fn options(wanted: &Kubernetes, own_service: Option<&Key>) -> Vec<Options> {
    // A selector that cannot be read never gets into a plan.
    let selector = wanted.namespace_labels.as_deref().and_then(|text| Selector::parse(text).ok());
    let first = Options {
        domain: super::super::wire::name::Name::root(),
        reverse: wanted.reverse.clone(),
        ttl: wanted.ttl,
        pods: match wanted.pods {
            PodRecords::Disabled => Pods::Disabled,
            PodRecords::Insecure => Pods::Insecure,
            PodRecords::Verified => Pods::Verified,
        },
        namespaces: match wanted.namespaces.as_slice() {
            [] => None,
            names => Some(names.iter().map(|name| name.as_str().into()).collect()),
        },
        namespace_selector: selector.map(Arc::new),
        pod_names: wanted.endpoint_pod_names,
        no_endpoints: wanted.no_endpoints,
        ignore_empty: wanted.ignore_empty,
        own_service: own_service.cloned(),
    };
    let of = |(at, domain): (usize, &super::super::wire::name::Name)| Options {
        domain: domain.clone(),
        reverse: if at == 0 { first.reverse.clone() } else { Vec::new() },
        ..first.clone()
    };
    wanted.zones.iter().enumerate().map(of).collect()
}

/// Whether both are made of a snapshot alike: who is asked afterwards and where objects come from does not matter.
fn same(one: &Kubernetes, other: &Kubernetes) -> bool {
    let bare = |plan: &Kubernetes| Kubernetes {
        fallthrough: None,
        kubeconfig: None,
        startup: std::time::Duration::ZERO,
        ..plan.clone()
    };
    bare(one) == bare(other)
}
