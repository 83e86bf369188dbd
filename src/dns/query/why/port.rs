//! Why the name of a port has no answer.

use super::{Asked, near};
use crate::dns::wire::kind;
use crate::model::service::{Protocol, Service, ServiceKind};

impl Asked<'_> {
    /// `_tcp` before a Service's name.
    pub(super) fn protocol(&self, service: &Service, protocol: &str) -> String {
        let named = self.named(service);
        if named.is_empty() {
            return format!("the Service {} has no named ports", service.object.key);
        }
        let here = self.here();
        let named = near::list(named.iter().map(String::as_str));
        format!("{here} has no records of its own, a port comes before {protocol}: {named}")
    }

    /// `first` is the port, `second` the protocol.
    pub(super) fn port(&self, service: &Service, first: &str, second: &str) -> String {
        let key = &service.object.key;
        if self.exists {
            return match self.kind {
                kind::A | kind::AAAA => format!(
                    "there is no {} behind the port \"{}\" of the Service {key}",
                    self.family(),
                    bare(first)
                ),
                _ => format!("names of ports have SRV, A and AAAA records, no {}", self.kind()),
            };
        }
        match &service.kind {
            ServiceKind::ExternalName(_) => {
                return format!("the Service {key} is of type ExternalName: its ports have no names");
            }
            ServiceKind::Headless if self.ready_names(service).is_empty() => {
                return format!(
                    "the Service {key} is headless and has no ready endpoints, so it has no ports"
                );
            }
            ServiceKind::ClusterIp if service.cluster_ips.is_empty() => {
                return format!("the Service {key} has no address: spec.clusterIP is not set");
            }
            ServiceKind::ClusterIp | ServiceKind::Headless => {}
        }
        let named = self.named(service);
        if named.is_empty() {
            let unnamed = if service.ports.is_empty() { "no ports" } else { "only a port without a name" };
            return format!("the Service {key} has {unnamed}, and SRV records need a name");
        }
        let wanted = format!("_{}._{}", bare(first), bare(second));
        if named.contains(&wanted) {
            return format!("names of ports begin with underscores: {wanted}");
        }
        let other = named
            .iter()
            .find(|name| name.split_once("._").is_some_and(|(port, _)| bare(port) == bare(first)));
        let number =
            service.ports.iter().find(|port| port.port.to_string() == bare(first) && !port.name.is_empty());
        let hint = match (other, number) {
            (Some(other), _) => format!("; that port is {other}"),
            (None, Some(port)) => format!("; port {} is called \"{}\"", port.port, port.name),
            (None, None) => String::new(),
        };
        let named = near::list(named.iter().map(String::as_str));
        format!(
            "the Service {key} has no port \"{}\" ({}){hint}; its named ports: {named}",
            bare(first),
            bare(second)
        )
    }

    /// The named ports as they begin names.
    fn named(&self, service: &Service) -> Vec<String> {
        let name = |name: &str, protocol| {
            let protocol = match protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
                Protocol::Sctp => "sctp",
            };
            (!name.is_empty()).then(|| format!("_{}._{protocol}", name.to_ascii_lowercase()))
        };
        let sets = self.sets(&service.object.key);
        let mut names: Vec<String> = if service.kind == ServiceKind::Headless {
            let ports = sets.iter().flat_map(|set| &set.ports);
            ports.filter_map(|port| name(&port.name, port.protocol)).collect()
        } else {
            service.ports.iter().filter_map(|port| name(&port.name, port.protocol)).collect()
        };
        names.sort();
        names.dedup();
        names
    }
}

fn bare(label: &str) -> &str {
    label.strip_prefix('_').unwrap_or(label)
}
