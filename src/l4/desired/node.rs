//! What the options and the Node say about this node.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{NodePorts, Options, Pods, address};
use crate::l4::ruleset::{Element, Family, Key, SetId, Value};
use crate::model::node::Node;
use crate::model::{Kind, Name, ObjectRef, Report, Severity, Snapshot};

/// All that counts. When it is the same as before, what is the same for all Services stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// What the rules of each Service depend on.
    pub(super) here: Here,
    pub(super) masquerade_all: bool,
    pub(super) liberal: bool,
    pub(super) eligible: bool,
    pub(super) reports: Vec<Report>,
    pub(super) pods: Vec<IpNet>,
    service_ranges: Vec<IpNet>,
    pub(super) node_ports: Vec<IpNet>,
}

/// Where this node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) node: Name,
    pub(super) zone: Option<Name>,
    pub(super) addresses: Vec<IpAddr>,
    /// Loopback addresses count like others.
    pub(super) loopback: bool,
}

impl Facts {
    pub(super) fn of(snapshot: &Snapshot, options: &Options) -> Self {
        let node = snapshot.nodes.get(&options.node).map(AsRef::as_ref);
        let mut addresses = node.map(|node| node.addresses.clone()).unwrap_or_default();
        addresses.retain(|known| address::fault(*known, options.loopback).is_none());
        let pods = match &options.pods {
            Pods::Ranges(ranges) => ranges.clone(),
            Pods::NodeCidrs => node.map(|node| node.pod_cidrs.clone()).unwrap_or_default(),
        };
        let node_ports = match &options.node_ports {
            NodePorts::Primary => primary(&addresses),
            NodePorts::Ranges(ranges) => with_others(ranges),
        };
        let service_ranges = snapshot.service_ranges.values().flat_map(|range| range.cidrs.clone()).collect();
        Self {
            reports: reports(node, options, &addresses),
            eligible: !node.is_some_and(|node| node.deleting || node.leaving),
            here: Here {
                node: options.node.clone(),
                zone: node.and_then(|node| node.zone.clone()).filter(|zone| !zone.is_empty()),
                addresses,
                loopback: options.loopback,
            },
            masquerade_all: options.masquerade_all,
            liberal: options.liberal,
            pods: IpNet::aggregate(&pods),
            service_ranges: IpNet::aggregate(&service_ranges),
            node_ports: IpNet::aggregate(&node_ports),
        }
    }

    /// Whether it can be told of an address of that family if it is a pod's.
    pub(super) fn knows_pods(&self, family: Family) -> bool {
        self.pods.iter().any(|range| Family::of(range.addr()) == family)
    }

    /// The ranges, as elements.
    pub(super) fn elements(&self) -> Vec<Element> {
        let sets = [
            (SetId::Pods, &self.pods),
            (SetId::ServiceRanges, &self.service_ranges),
            (SetId::NodePortAddresses, &self.node_ports),
        ];
        let elements = sets.into_iter().flat_map(|(set, ranges)| {
            ranges.iter().map(move |range| Element {
                family: Family::of(range.addr()),
                set,
                key: Key::Range(range.network(), range.prefix_len()),
                value: Value::None,
            })
        });
        elements.collect()
    }
}

/// As kube-proxy has it: of a family that is not named, every address.
fn with_others(ranges: &[IpNet]) -> Vec<IpNet> {
    if ranges.is_empty() {
        return Vec::new();
    }
    let everything = [IpAddr::from([0; 4]), IpAddr::from([0; 16])].map(|any| (Family::of(any), any));
    let missing =
        everything.into_iter().filter(|(family, _)| ranges.iter().all(|it| Family::of(it.addr()) != *family));
    let missing = missing.filter_map(|(_, any)| IpNet::new(any, 0).ok());
    ranges.iter().copied().chain(missing).collect()
}

/// The first address of each family.
fn primary(addresses: &[IpAddr]) -> Vec<IpNet> {
    let first = |family| addresses.iter().find(|address| Family::of(**address) == family);
    Family::ALL.into_iter().filter_map(first).map(|address| IpNet::from(*address)).collect()
}

/// What is to be told about the Node: only what the options need of it.
fn reports(node: Option<&Node>, options: &Options, addresses: &[IpAddr]) -> Vec<Report> {
    let object = ObjectRef::new(Kind::Node, "", options.node.clone());
    let primary = options.node_ports == NodePorts::Primary;
    let cidrs = options.pods == Pods::NodeCidrs;
    let warn = |reason, message: &str| Report::new(&object, Severity::Warning, reason, message);
    let Some(node) = node else {
        // Sockets of this process listen on every address then.
        if options.loopback {
            return Vec::new();
        }
        let needed = match (primary, cidrs) {
            (false, false) => return Vec::new(),
            (true, false) => "no NodePort is answered",
            (false, true) => "nothing is known to be a pod",
            (true, true) => "no NodePort is answered and nothing is known to be a pod",
        };
        let message = format!(
            "this Node is not known, so {needed}: give its name with --node-name, or say --nodeport-addresses \
             and --cluster-cidr"
        );
        return vec![warn("NodeNotFound", &message)];
    };
    let origin = node.origin.as_ref();
    let mut reports = Vec::new();
    if primary && addresses.is_empty() && !options.loopback {
        let message = "no address, so no NodePort is answered: wait for the Node's addresses, or say \
                       --nodeport-addresses";
        reports.push(warn("NodeAddressMissing", message).at("status.addresses", origin));
    }
    if cidrs && node.pod_cidrs.is_empty() {
        let message = "no range of pod addresses, so nothing is known to be a pod: say --cluster-cidr";
        reports.push(warn("PodRangeMissing", message).at("spec.podCIDRs", origin));
    }
    reports
}
