//! `EndpointSlice` and Endpoints -> model.

mod topology;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;

use super::service::protocol;
use super::{namespaced, value};
use crate::model::service::{Endpoint, EndpointPort, EndpointSet};
use crate::model::{Key, Kind, Name, ObjectRef, Origin, Report, Severity};
use topology::{Topologies, triggered};

/// The label that says which Service a slice belongs to.
const SERVICE: &str = "kubernetes.io/service-name";

/// Translates an `EndpointSlice`. One bad address or port does not take the others with it.
pub fn endpoint_slice(
    object: &discovery::EndpointSlice,
    origin: Option<&Arc<Origin>>,
) -> Result<(EndpointSet, Vec<Report>), Report> {
    let name = namespaced(Kind::EndpointSlice, &object.metadata)?;
    let Some(service) = object.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE)) else {
        let message = format!("belongs to no Service: add the label \"{SERVICE}\" with the Service's name");
        let report = Report::new(&name, Severity::Warning, "ServiceLabelMissing", message);
        return Err(report.at("metadata.labels", origin));
    };
    let mut set = EndpointSet {
        service: Key::new(name.key.namespace.clone(), service.as_str()),
        object: name.clone(),
        ports: Vec::new(),
        endpoints: Vec::new(),
        triggered: triggered(&object.metadata),
    };
    let mut told = Told { object: &name, origin, reports: Vec::new() };
    if object.address_type == "FQDN" {
        let message =
            "addressType FQDN is ignored: use IPv4 or IPv6 addresses, or a Service of type ExternalName";
        told.tell(Severity::Note, "AddressTypeIgnored", "addressType", message.to_owned());
        return Ok((set, told.reports));
    }
    for (at, port) in object.ports.iter().flatten().enumerate() {
        let field = format!("ports[{at}]");
        set.ports.extend(told.port(&field, port.name.as_deref(), port.port, port.protocol.as_deref()));
    }
    let mut topologies = Topologies::default();
    for (at, endpoint) in object.endpoints.iter().flatten().enumerate() {
        let topology = topologies.of_slice(endpoint);
        let hostname = label(endpoint.hostname.as_deref());
        let pod = pod(endpoint.target_ref.as_ref());
        let conditions = endpoint.conditions.clone().unwrap_or_default();
        let ready = conditions.ready.unwrap_or(true);
        let serving = conditions.serving.unwrap_or(ready);
        let terminating = conditions.terminating.unwrap_or(false);
        for (index, text) in endpoint.addresses.iter().enumerate() {
            let address = told.address(&format!("endpoints[{at}].addresses[{index}]"), text);
            set.endpoints.extend(address.map(|address| Endpoint {
                address,
                ready,
                serving,
                terminating,
                topology: topology.clone(),
                hostname: hostname.clone(),
                pod: pod.clone(),
            }));
        }
    }
    Ok((set, told.reports))
}

/// Translates an Endpoints object, the old form: one set for each subset.
pub fn endpoints(
    object: &core::Endpoints,
    origin: Option<&Arc<Origin>>,
) -> Result<(Vec<EndpointSet>, Vec<Report>), Report> {
    let name = namespaced(Kind::Endpoints, &object.metadata)?;
    let mut told = Told { object: &name, origin, reports: Vec::new() };
    let mut topologies = Topologies::default();
    let mut sets = Vec::new();
    for (at, subset) in object.subsets.iter().flatten().enumerate() {
        let mut set = EndpointSet {
            service: name.key.clone(),
            object: name.clone(),
            ports: Vec::new(),
            endpoints: Vec::new(),
            triggered: triggered(&object.metadata),
        };
        for (index, port) in subset.ports.iter().flatten().enumerate() {
            let field = format!("subsets[{at}].ports[{index}]");
            let number = Some(port.port);
            set.ports.extend(told.port(&field, port.name.as_deref(), number, port.protocol.as_deref()));
        }
        let lists = [
            ("addresses", &subset.addresses, true),
            ("notReadyAddresses", &subset.not_ready_addresses, false),
        ];
        for (list, addresses, ready) in lists {
            for (index, entry) in addresses.iter().flatten().enumerate() {
                let address = told.address(&format!("subsets[{at}].{list}[{index}]"), &entry.ip);
                set.endpoints.extend(address.map(|address| Endpoint {
                    address,
                    ready,
                    serving: ready,
                    terminating: false,
                    topology: topologies.of_node(entry.node_name.as_deref()),
                    hostname: label(entry.hostname.as_deref()),
                    pod: pod(entry.target_ref.as_ref()),
                }));
            }
        }
        sets.push(set);
    }
    Ok((sets, told.reports))
}

fn label(text: Option<&str>) -> Option<Name> {
    text.filter(|text| !text.is_empty()).map(Name::from)
}

fn pod(reference: Option<&core::ObjectReference>) -> Option<Name> {
    let reference = reference.filter(|reference| reference.kind.as_deref() == Some("Pod"))?;
    label(reference.name.as_deref())
}

/// Where to tell what is wrong.
struct Told<'a> {
    object: &'a ObjectRef,
    origin: Option<&'a Arc<Origin>>,
    reports: Vec<Report>,
}

impl Told<'_> {
    fn tell(&mut self, severity: Severity, reason: &'static str, field: &str, message: String) {
        self.reports.push(Report::new(self.object, severity, reason, message).at(field, self.origin));
    }

    fn address(&mut self, field: &str, text: &str) -> Option<IpAddr> {
        match value::address(text) {
            Some((address, false)) => Some(address),
            Some((address, true)) => {
                let message = format!("\"{text}\" is read as {address}: write it without leading zeros");
                self.tell(Severity::Note, "AddressNormalized", field, message);
                Some(address)
            }
            None => {
                let message = format!("\"{text}\" is not an IP address and is ignored: correct or remove it");
                self.tell(Severity::Warning, "InvalidAddress", field, message);
                None
            }
        }
    }

    fn port(
        &mut self,
        field: &str,
        name: Option<&str>,
        number: Option<i32>,
        transport: Option<&str>,
    ) -> Option<EndpointPort> {
        let Some(port) = number.and_then(|n| u16::try_from(n).ok()).filter(|n| *n != 0) else {
            let message = "the port is ignored: write \"port\" with a number from 1 to 65535".to_owned();
            self.tell(Severity::Warning, "InvalidPort", field, message);
            return None;
        };
        let Some(protocol) = protocol(transport) else {
            let message = "the port is ignored: write TCP, UDP or SCTP as its protocol".to_owned();
            self.tell(Severity::Warning, "InvalidProtocol", field, message);
            return None;
        };
        Some(EndpointPort { name: name.unwrap_or_default().into(), protocol, port })
    }
}

#[cfg(test)]
mod tests;
