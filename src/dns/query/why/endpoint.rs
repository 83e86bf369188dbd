//! Why the name of an endpoint has no answer.

use super::{Asked, near, plain};
use crate::dns::wire::kind;
use crate::dns::zone::{label_of, ready, written};
use crate::model::service::{Endpoint, Service, ServiceKind};

impl Asked<'_> {
    /// `labels` are those before the Service's name, `label` the last of them.
    pub(super) fn endpoint(&self, service: &Service, label: &str, labels: &[&str]) -> String {
        let key = &service.object.key;
        if self.exists {
            return match self.kind {
                kind::A | kind::AAAA => {
                    let other = if self.kind == kind::A { "AAAA" } else { "A" };
                    format!("the endpoint \"{label}\" has no {}: ask for {other}", self.family())
                }
                kind::SRV => format!("the endpoint \"{label}\" has no ports: ask for A or AAAA"),
                _ => {
                    format!("the endpoint \"{label}\" has no {} records, only addresses and SRV", self.kind())
                }
            };
        }
        if matches!(service.kind, ServiceKind::ExternalName(_)) {
            return format!("the Service {key} is of type ExternalName: there are no names below it");
        }
        if labels.len() > 1 {
            return self.deep(service, label, labels);
        }
        if self.zone.options().no_endpoints {
            return format!("there is no \"{label}\": names of endpoints are switched off (noendpoints)");
        }
        let pods = self.zone.options().pod_names;
        let all = || self.sets(key).iter().flat_map(|set| &set.endpoints);
        let called = |endpoint: &&Endpoint| label_of(endpoint, pods).as_bytes() == label.as_bytes();
        if let Some(endpoint) = all().find(called) {
            return format!(
                "the endpoint \"{label}\" of the Service {key} ({}) is {}",
                endpoint.address,
                state(endpoint)
            );
        }
        // Known by its address or its pod, but called otherwise.
        let meant = |endpoint: &&Endpoint| {
            written(endpoint.address).as_bytes() == label.as_bytes() || endpoint.pod.as_deref() == Some(label)
        };
        if let Some(endpoint) = all().find(meant) {
            let name = label_of(endpoint, pods);
            let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
            let state =
                if endpoint.ready { String::new() } else { format!(", which is {}", state(endpoint)) };
            return format!("that endpoint of the Service {key} is called \"{name}\"{state}");
        }
        self.no_such(service, label)
    }

    fn no_such(&self, service: &Service, label: &str) -> String {
        let key = &service.object.key;
        let names = self.ready_names(service);
        if names.is_empty() {
            let all: usize = self.sets(key).iter().map(|set| set.endpoints.len()).sum();
            return format!(
                "the Service {key} has no ready endpoint, \"{label}\" or other ({all} not ready)"
            );
        }
        let similar = near::similar(label, names.iter().map(String::as_str));
        let similar = similar.map(|name| format!("; one is called \"{name}\"")).unwrap_or_default();
        format!(
            "the Service {key} has no endpoint \"{label}\"{similar}; {}: {}",
            near::count(names.len(), "ready name"),
            near::list(names.iter().map(String::as_str))
        )
    }

    /// Too many labels before a Service's name.
    fn deep(&self, service: &Service, label: &str, labels: &[&str]) -> String {
        let key = &service.object.key;
        if labels.iter().any(|label| label.starts_with('_')) {
            return format!(
                "ports have no names below the endpoint \"{label}\": ask for SRV of _PORT._tcp.{}.{}.svc.{}",
                key.name,
                key.namespace,
                plain(&self.zone.options().domain)
            );
        }
        if let [port, protocol @ ("tcp" | "udp" | "sctp")] = labels {
            return format!("names of ports begin with underscores: _{port}._{protocol}");
        }
        format!("nothing is below the names of the endpoints of the Service {key}")
    }

    /// The names of the endpoints that take traffic, each once.
    pub(super) fn ready_names(&self, service: &Service) -> Vec<String> {
        let sets = self.sets(&service.object.key);
        let ready = ready(service, sets, self.zone.options().pod_names);
        let mut names: Vec<String> =
            ready.iter().map(|ready| String::from_utf8_lossy(ready.label.as_bytes()).into_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The first endpoints that are not ready.
    pub(super) fn unready(&self, service: &Service) -> String {
        let endpoints = self.sets(&service.object.key).iter().flat_map(|set| &set.endpoints);
        let texts: Vec<String> = endpoints
            .filter(|endpoint| !endpoint.ready)
            .map(|endpoint| match endpoint.pod.as_deref().or(endpoint.hostname.as_deref()) {
                Some(name) => format!("{name} {}{}", endpoint.address, ending(endpoint)),
                None => format!("{}{}", endpoint.address, ending(endpoint)),
            })
            .collect();
        near::list(texts.iter().map(String::as_str))
    }
}

fn ending(endpoint: &Endpoint) -> &'static str {
    if endpoint.terminating { " terminating" } else { "" }
}

fn state(endpoint: &Endpoint) -> &'static str {
    if endpoint.terminating { "not ready: it is terminating" } else { "not ready" }
}
