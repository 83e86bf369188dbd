//! Service -> model.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{namespaced, value};
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
    let cluster_ips = if kind == ServiceKind::ClusterIp { cluster_ips(spec, &mut told) } else { Vec::new() };
    let ports = spec.ports.as_deref().unwrap_or_default();
    let ports = ports.iter().enumerate().filter_map(|(at, port)| service_port(at, port, &mut told)).collect();
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
            created: None,
            exposure: Exposure::default(),
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
        if let Some((address, _)) = value::address(text) {
            addresses.push(address);
            continue;
        }
        let message = format!("\"{text}\" is not an IP address and is ignored: correct or remove it");
        told.tell(Severity::Warning, "InvalidAddress", field, message);
    }
    addresses
}

fn service_port(at: usize, port: &v1::ServicePort, told: &mut Told<'_>) -> Option<ServicePort> {
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
    let target = match &port.target_port {
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
    };
    Some(ServicePort {
        name: port.name.as_deref().unwrap_or_default().into(),
        protocol,
        port: number,
        target,
        node_port: None,
    })
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
