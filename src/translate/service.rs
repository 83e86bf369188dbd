//! Service -> model.

mod exposure;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::namespaced;
use crate::model::route::PortRef;
use crate::model::service::{Exposure, Protocol, Service, ServiceKind, ServicePort};
use crate::model::{Kind, ObjectRef, Origin, Report, Severity};

/// Translates a Service. One bad port or address does not take the good ones with it.
pub fn service(object: &v1::Service, origin: Option<Arc<Origin>>) -> Result<(Service, Vec<Report>), Report> {
    let name = namespaced(Kind::Service, &object.metadata)?;
    let empty = v1::ServiceSpec::default();
    let spec = object.spec.as_ref().unwrap_or(&empty);
    let mut told = Told { object: &name, origin: origin.as_ref(), reports: Vec::new() };
    let kind = kind(spec, &mut told)?;
    let (mut cluster_ips, mut exposure) = (Vec::new(), Exposure::default());
    if kind == ServiceKind::ClusterIp {
        cluster_ips = self::cluster_ips(spec, &mut told);
        exposure = exposure::exposure(object, spec, &mut told);
    }
    let on_nodes = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
    let ports = spec.ports.as_deref().unwrap_or_default().iter().enumerate();
    let ports = ports.filter_map(|(at, port)| service_port(at, port, on_nodes, &mut told)).collect();
    let reports = told.reports;
    let publish_not_ready = spec.publish_not_ready_addresses.unwrap_or(false);
    Ok((
        Service {
            object: name,
            origin,
            kind,
            cluster_ips,
            ports,
            publish_not_ready,
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second()),
            exposure,
        },
        reports,
    ))
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
}

fn kind(spec: &v1::ServiceSpec, told: &mut Told<'_>) -> Result<ServiceKind, Report> {
    match spec.type_.as_deref().unwrap_or("ClusterIP") {
        "ExternalName" => {
            let name = spec.external_name.as_deref().unwrap_or_default();
            let lower = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            if lower.is_empty() {
                let message = "type ExternalName needs spec.externalName, a DNS name: add it";
                let report = Report::new(told.object, Severity::Error, "ExternalNameMissing", message);
                return Err(report.at("spec.externalName", told.origin));
            }
            Ok(ServiceKind::ExternalName(lower.into()))
        }
        "ClusterIP" | "NodePort" | "LoadBalancer" => {
            let headless = spec.cluster_ip.as_deref() == Some("None");
            Ok(if headless { ServiceKind::Headless } else { ServiceKind::ClusterIp })
        }
        other => {
            let message = format!(
                "type \"{other}\" is unknown, ClusterIP is used: \
                 write ClusterIP, NodePort, LoadBalancer or ExternalName"
            );
            told.tell(Severity::Warning, "UnknownServiceType", "spec.type", message);
            Ok(ServiceKind::ClusterIp)
        }
    }
}

fn cluster_ips(spec: &v1::ServiceSpec, told: &mut Told<'_>) -> Vec<IpAddr> {
    let listed = spec.cluster_ips.as_deref().unwrap_or_default();
    let single = spec.cluster_ip.as_slice();
    let (field, texts) =
        if listed.is_empty() { ("spec.clusterIP", single) } else { ("spec.clusterIPs", listed) };
    let mut addresses = Vec::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        addresses.extend(exposure::usable(field, text, told));
    }
    addresses
}

fn service_port(
    at: usize,
    port: &v1::ServicePort,
    on_nodes: bool,
    told: &mut Told<'_>,
) -> Option<ServicePort> {
    let field = format!("spec.ports[{at}]");
    let Some(number) = u16::try_from(port.port).ok().filter(|number| *number != 0) else {
        let message = format!("port {} is ignored: write a number from 1 to 65535", port.port);
        told.tell(Severity::Error, "InvalidPort", &format!("{field}.port"), message);
        return None;
    };
    let Some(protocol) = protocol(port.protocol.as_deref()) else {
        let message = format!(
            "protocol \"{}\" is unknown, the port is ignored: write TCP, UDP or SCTP",
            port.protocol.as_deref().unwrap_or_default()
        );
        told.tell(Severity::Error, "InvalidProtocol", &format!("{field}.protocol"), message);
        return None;
    };
    Some(ServicePort {
        name: port.name.as_deref().unwrap_or_default().into(),
        protocol,
        port: number,
        target: target(&field, port, number, told),
        node_port: node_port(&field, port, on_nodes, told),
    })
}

/// Where endpoints listen: the port itself when nothing else is said.
fn target(field: &str, port: &v1::ServicePort, number: u16, told: &mut Told<'_>) -> PortRef {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => PortRef::Number(number),
        Some(IntOrString::Int(target)) => {
            let fine = u16::try_from(*target).ok();
            if fine.is_none() {
                let message =
                    format!("targetPort {target} is ignored: write a number from 1 to 65535 or a name");
                told.tell(Severity::Error, "InvalidPort", &format!("{field}.targetPort"), message);
            }
            PortRef::Number(fine.unwrap_or(number))
        }
        // The API server wants a letter in a name; a quoted number can only mean the number.
        Some(IntOrString::String(target)) => match target.parse::<u16>() {
            Ok(target) => PortRef::Number(target),
            Err(_) if target.is_empty() => PortRef::Number(number),
            Err(_) => PortRef::Name(target.as_str().into()),
        },
    }
}

/// The port on every node. Only two types of Services have one.
fn node_port(field: &str, port: &v1::ServicePort, on_nodes: bool, told: &mut Told<'_>) -> Option<u16> {
    let asked = port.node_port.filter(|port| *port != 0)?;
    let number = u16::try_from(asked).ok();
    let message = match number {
        Some(_) if on_nodes => return number,
        Some(_) => format!("nodePort {asked} is ignored: write type NodePort or LoadBalancer, or remove it"),
        None => format!("nodePort {asked} is ignored: write a number from 1 to 65535"),
    };
    told.tell(Severity::Warning, "InvalidPort", &format!("{field}.nodePort"), message);
    None
}

/// TCP when not said; `None` when unknown.
pub(super) fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        None | Some("" | "TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
