//! Why a name of the cluster has no answer: which object would carry it, and what that lacks.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::super::wire::kind;
use super::super::super::wire::name::Name;
use super::super::super::zone::{Pods, Zone};
use super::super::Outcome;
use super::super::message::kind_name;
use super::{ABSENT, ELSEWHERE, PLAIN, Reason, STRANGE, UNUSABLE, reason_of};
use crate::model::service::{Endpoint, EndpointSet, Service, ServiceKind};
use crate::model::{Key, Snapshot};

/// More names than this are not listed.
const LISTED: usize = 5;

/// Why. The name is in the zone.
pub(super) fn reason(zone: &Zone, name: &Name, kind: u16, outcome: Outcome) -> Reason {
    let domain = &zone.options().domain;
    if !name.is_within(domain) {
        return reason_of(
            ABSENT,
            format!("no Service of the cluster and no endpoint has the address that {name} stands for"),
        );
    }
    let count = name.labels().count() - domain.labels().count();
    let labels: Vec<String> =
        name.labels().take(count).map(|label| String::from_utf8_lossy(label).into_owned()).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let asked = Asked { zone, snapshot: zone.snapshot(), name, kind, outcome };
    match labels.as_slice() {
        [namespace, "svc" | "pod"] => asked.namespace_alone(namespace),
        [service, namespace, "svc"] => asked.service(service, namespace),
        [host, service, namespace, "svc"] if !host.starts_with('_') => {
            asked.endpoint(host, service, namespace)
        }
        [port, protocol, service, namespace, "svc"] if port.starts_with('_') => {
            asked.port(port, protocol, service, namespace)
        }
        [address, namespace, "pod"] => asked.pod(address, namespace),
        [] | ["svc" | "pod" | "dns-version"] | ["ns", "dns"] => asked.structure(),
        [.., "svc"] => reason_of(
            PLAIN,
            format!("{name} is no name of a Service: those are SERVICE.NAMESPACE.svc.{domain}"),
        ),
        _ => reason_of(
            PLAIN,
            format!("directly below {domain} there are only SERVICE.NAMESPACE.svc and ADDRESS.NAMESPACE.pod"),
        ),
    }
}

struct Asked<'a> {
    zone: &'a Zone,
    snapshot: &'a Snapshot,
    name: &'a Name,
    kind: u16,
    outcome: Outcome,
}

impl Asked<'_> {
    /// A name that exists only for what is below it.
    fn structure(&self) -> Reason {
        let kind = kind_name(self.kind);
        reason_of(PLAIN, format!("{} is part of the zone itself, without a {kind} record", self.name))
    }

    fn namespace_alone(&self, namespace: &str) -> Reason {
        if self.has_namespace(namespace) {
            let text = format!("{} is a namespace; only Services and pods in it have addresses", self.name);
            return reason_of(PLAIN, text);
        }
        reason_of(PLAIN, format!("{} would be a namespace {namespace}, and there is none", self.name))
    }

    fn has_namespace(&self, namespace: &str) -> bool {
        self.snapshot.namespaces.contains_key(namespace)
            || self.snapshot.services.keys().any(|key| &*key.namespace == namespace)
    }

    /// The Service, or why there is none.
    fn find(&self, service: &str, namespace: &str) -> Result<&Arc<Service>, Reason> {
        let options = self.zone.options();
        if let Some(found) = self.snapshot.services.get(&Key::new(namespace, service)) {
            let chosen = options.namespaces.as_ref().is_none_or(|all| all.iter().any(|n| &**n == namespace));
            let labels = self.snapshot.namespaces.get(namespace);
            let fits = |selector: &crate::model::selector::Selector| {
                labels.is_some_and(|labels| selector.matches(labels))
            };
            let chosen = chosen && options.namespace_selector.as_ref().is_none_or(|s| fits(s));
            return if chosen {
                Ok(found)
            } else {
                let text = format!(
                    "the server is not to answer for namespace {namespace}: see namespaces in its configuration"
                );
                Err(reason_of(UNUSABLE, text))
            };
        }
        Err(self.missing(service, namespace))
    }

    fn missing(&self, service: &str, namespace: &str) -> Reason {
        let mut elsewhere: Vec<&str> = self
            .snapshot
            .services
            .keys()
            .filter(|key| &*key.name == service)
            .map(|key| &*key.namespace)
            .collect();
        elsewhere.sort_unstable();
        let absent = if self.has_namespace(namespace) {
            format!("namespace {namespace} has no Service {service}")
        } else {
            format!("there is no namespace {namespace}")
        };
        if let Some(first) = elsewhere.first() {
            let places = list(&elsewhere);
            let text =
                format!("{absent}, but there is a Service {service} in {places}: ask for {service}.{first}");
            return reason_of(ELSEWHERE, text);
        }
        if let Some(near) = self.nearest(service, namespace) {
            return reason_of(ELSEWHERE - 1, format!("{absent}; did you mean {near}?"));
        }
        if self.has_namespace(namespace) {
            return reason_of(ABSENT, absent);
        }
        let names = self.snapshot.namespaces.keys().map(|name| &**name);
        match nearest(namespace, names) {
            Some(near) => reason_of(ABSENT, format!("{absent}; did you mean {near}?")),
            None => reason_of(STRANGE, absent),
        }
    }

    fn nearest(&self, service: &str, namespace: &str) -> Option<String> {
        let own = self.snapshot.services.keys().filter(|key| &*key.namespace == namespace);
        nearest(service, own.map(|key| &*key.name)).map(|near| format!("{near}.{namespace}"))
    }

    fn service(&self, service: &str, namespace: &str) -> Reason {
        let found = match self.find(service, namespace) {
            Ok(found) => found,
            Err(reason) => return reason,
        };
        let title = format!("Service {namespace}/{service}");
        match &found.kind {
            ServiceKind::ExternalName(target) if target.parse::<IpAddr>().is_ok() => reason_of(
                UNUSABLE,
                format!(
                    "{title} is an alias for {target}, which is an address and no name: write a name, or make it a headless Service with an EndpointSlice"
                ),
            ),
            ServiceKind::ExternalName(target) if self.outcome == Outcome::NoName => {
                reason_of(UNUSABLE, format!("{title} is an alias for {target}, and there is no such name"))
            }
            ServiceKind::ExternalName(target) => reason_of(
                UNUSABLE,
                format!("{title} is an alias for {target}, and that has no {} record", kind_name(self.kind)),
            ),
            ServiceKind::Headless => self.headless(&title, found),
            ServiceKind::ClusterIp if self.outcome == Outcome::NoName => self.without_endpoints(
                &title,
                found,
                "and the server is to leave out such Services (ignore empty_service)",
            ),
            ServiceKind::ClusterIp => {
                let addresses: Vec<String> = found.cluster_ips.iter().map(ToString::to_string).collect();
                let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
                self.lacks(&title, &format!("its address is {}", list(&addresses)))
            }
        }
    }

    fn headless(&self, title: &str, service: &Service) -> Reason {
        if self.outcome == Outcome::NoName {
            return self.without_endpoints(
                title,
                service,
                "and it has no address of its own (it is headless)",
            );
        }
        let count = self.endpoints(service).filter(|e| usable(service, e)).count();
        self.lacks(title, &format!("it is headless, with {count} ready endpoints"))
    }

    /// Nothing of this type.
    fn lacks(&self, title: &str, what: &str) -> Reason {
        let kind = kind_name(self.kind);
        let text = match self.kind {
            kind::A | kind::AAAA => format!("{title} has no {kind} record: {what}"),
            kind::SRV => format!(
                "{title} has SRV records for its named ports only, and none has a name: {what}, and SRV needs a name in spec.ports"
            ),
            _ => format!("{title} has no {kind} record; there are A, AAAA and SRV"),
        };
        // Everything is as it should be where the other family answers.
        reason_of(if self.kind == kind::AAAA { STRANGE } else { ABSENT }, text)
    }

    fn without_endpoints(&self, title: &str, service: &Service, so: &str) -> Reason {
        let all: Vec<&Endpoint> = self.endpoints(service).collect();
        let mut text = match all.len() {
            0 => format!("{title} has no endpoints"),
            1 => format!("{title} has one endpoint, and it is not ready:"),
            count => format!("{title} has {count} endpoints, and none is ready:"),
        };
        for endpoint in all.iter().take(LISTED) {
            let state = if endpoint.terminating { "terminating" } else { "not ready" };
            let pod = endpoint.pod.as_ref().map(|pod| format!("pod {pod}, ")).unwrap_or_default();
            let _ = write!(text, " {} ({pod}{state}),", endpoint.address);
        }
        if all.len() > LISTED {
            let _ = write!(text, " and {} more,", all.len() - LISTED);
        }
        let text = text.trim_end_matches(',');
        let remedy = if all.is_empty() {
            "see whether its selector fits any pod"
        } else {
            "see why with kubectl describe pod"
        };
        reason_of(UNUSABLE, format!("{text} {so}: {remedy}"))
    }

    fn endpoints(&self, service: &Service) -> impl Iterator<Item = &Endpoint> {
        self.sets(service).flat_map(|set| set.endpoints.iter())
    }

    fn sets(&self, service: &Service) -> impl Iterator<Item = &Arc<EndpointSet>> {
        self.snapshot.endpoints.get(&service.object.key).into_iter().flat_map(|sets| sets.iter())
    }

    fn endpoint(&self, host: &str, service: &str, namespace: &str) -> Reason {
        let found = match self.find(service, namespace) {
            Ok(found) => found,
            Err(reason) => {
                let text = format!("{} would be an endpoint {host}, but {}", self.name, reason.text);
                return reason_of(reason.rank.min(PLAIN), text);
            }
        };
        let title = format!("Service {namespace}/{service}");
        if self.outcome != Outcome::NoName {
            return self.lacks(&format!("endpoint {host} of {title}"), "its address is of the other family");
        }
        let named = |endpoint: &&Endpoint| {
            let dashed = endpoint.address.to_string().replace(['.', ':'], "-");
            endpoint.hostname.as_deref() == Some(host)
                || dashed == host
                || endpoint.pod.as_deref() == Some(host)
        };
        if let Some(endpoint) = self.endpoints(found).find(named) {
            let text = if usable(found, endpoint) {
                let hostname = endpoint.hostname.as_deref();
                let real = hostname
                    .map_or_else(|| endpoint.address.to_string().replace(['.', ':'], "-"), Into::into);
                format!(
                    "endpoint {host} of {title} has another name: {real} (set hostname and subdomain in its pod)"
                )
            } else {
                format!("endpoint {host} of {title} is not ready: see why with kubectl describe pod")
            };
            return reason_of(UNUSABLE, text);
        }
        let mut names: Vec<&str> = self.endpoints(found).filter_map(|e| e.hostname.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let known = match names.as_slice() {
            [] => "; none of its endpoints has a hostname".to_owned(),
            names => format!("; there are {}", list(names)),
        };
        reason_of(ABSENT, format!("{title} has no endpoint named {host}{known}"))
    }

    fn port(&self, port: &str, protocol: &str, service: &str, namespace: &str) -> Reason {
        let found = match self.find(service, namespace) {
            Ok(found) => found,
            Err(reason) => return reason,
        };
        let title = format!("Service {namespace}/{service}");
        let names: Vec<String> = found
            .ports
            .iter()
            .filter(|port| !port.name.is_empty())
            .map(|port| format!("_{}._{}", port.name, format!("{:?}", port.protocol).to_lowercase()))
            .collect();
        let wanted = format!("{port}.{protocol}");
        if names.contains(&wanted) {
            if found.kind == ServiceKind::Headless && !self.endpoints(found).any(|e| usable(found, e)) {
                return self.without_endpoints(&title, found, "so there is nothing to point to");
            }
            return self.lacks(&format!("port {wanted} of {title}"), "ask for SRV");
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = match names.as_slice() {
            [] => "none of its ports has a name".to_owned(),
            names => format!("there are {}", list(names)),
        };
        reason_of(UNUSABLE, format!("{title} has no port {wanted}: {known}"))
    }

    fn pod(&self, address: &str, namespace: &str) -> Reason {
        let pods = self.zone.options().pods;
        let text = match pods {
            Pods::Disabled => {
                format!(
                    "names of pods are not answered: set pods in the server's configuration to get {}",
                    self.name
                )
            }
            _ if !self.has_namespace(namespace) => format!("there is no namespace {namespace}"),
            Pods::Verified if parse(address).is_some() => {
                format!("no running pod of namespace {namespace} has the address {address}")
            }
            _ if self.outcome == Outcome::NoName => {
                format!("{address} is no address with dashes, such as 10-0-0-7")
            }
            _ => format!("{address} has no {} record: it is of the other family", kind_name(self.kind)),
        };
        reason_of(if self.outcome == Outcome::NoData { STRANGE } else { ABSENT }, text)
    }
}

fn usable(service: &Service, endpoint: &Endpoint) -> bool {
    endpoint.ready || service.publish_not_ready
}

/// An address that is written with dashes.
fn parse(dashed: &str) -> Option<IpAddr> {
    dashed.replace('-', ".").parse().ok().or_else(|| dashed.replace('-', ":").parse().ok())
}

fn list(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        let _ = write!(text, " and {} more", names.len() - LISTED);
    }
    text
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter(|name| name.len().abs_diff(word.len()) <= 2)
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 5)
        .min()
        .map(|(_, name)| name)
}
