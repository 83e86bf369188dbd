//! Why a name of the zone has no answer, for people: what is missing, what is similar, what to ask instead.

mod address;
mod endpoint;
pub mod near;
mod pod;
mod port;
mod service;

use super::ALIASES;
use crate::dns::wire::kind;
use crate::dns::wire::name::Name;
use crate::dns::zone::{Data, Found, Node, Part, Zone};
use crate::model::Key;

/// What is in the way of an answer, as a sentence without its full stop; `None` when there is one, when the name is not in the
/// zone or an alias leads out of it.
pub fn why(zone: &Zone, name: &Name, kind: u16) -> Option<String> {
    explain(zone, name, kind, ALIASES)
}

fn explain(zone: &Zone, name: &Name, kind: u16, left: usize) -> Option<String> {
    let part = zone.part_of(name.as_wire())?;
    let found = zone.find(name.as_wire());
    if let Some(Found::Node(Node { data: Data::Alias(target), .. })) = found {
        if matches!(kind, kind::CNAME | kind::ANY) {
            return None;
        }
        if left == 0 || target == name {
            return Some(format!(
                "the alias {} leads back to itself: correct spec.externalName",
                plain(name)
            ));
        }
        let reason = explain(zone, target, kind, left - 1)?;
        return Some(format!("{} is an alias of {}: {reason}", plain(name), plain(target)));
    }
    if found.is_some_and(|found| has(zone, found, name, kind)) {
        return None;
    }
    let asked = Asked { zone, name, kind, exists: found.is_some() };
    Some(match part {
        Part::Forward => asked.forward(),
        Part::Reverse(_) => asked.reverse(),
    })
}

/// Whether a name has records of a type.
fn has(zone: &Zone, found: Found<'_>, name: &Name, kind: u16) -> bool {
    let apex = zone.part_of(name.as_wire()).filter(|part| zone.apex(*part) == name);
    match (found, kind) {
        (_, kind::ANY) => true,
        (_, kind::SOA) => apex.is_some(),
        (_, kind::NS) => apex == Some(Part::Forward),
        (Found::Pod(address), kind::A) => address.is_ipv4(),
        (Found::Pod(address), kind::AAAA) => address.is_ipv6(),
        (Found::Pod(_), _) => false,
        (Found::Node(node), kind) => match &node.data {
            Data::Parent { .. } => false,
            Data::Alias(_) => true,
            Data::Version => kind == kind::TXT,
            Data::Pointers(_) => kind == kind::PTR,
            Data::Host(host) => match kind {
                kind::A => host.v4.is_some(),
                kind::AAAA => host.v6.is_some(),
                kind::SRV => host.srv.is_some(),
                _ => false,
            },
        },
    }
}

/// A question without an answer.
#[derive(Clone, Copy)]
struct Asked<'a> {
    zone: &'a Zone,
    name: &'a Name,
    kind: u16,
    /// The name is there, but has nothing of the type.
    exists: bool,
}

impl Asked<'_> {
    fn forward(&self) -> String {
        let below = self.name.labels().count() - self.zone.options().domain.labels().count();
        let labels: Vec<String> =
            self.name.labels().take(below).map(|label| String::from_utf8_lossy(label).into_owned()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        match labels.as_slice() {
            [] => {
                format!("{} is the zone itself: it has SOA and NS records, no {}", self.here(), self.kind())
            }
            [below @ .., "svc"] => self.service(below),
            [below @ .., "pod"] => self.pod(below),
            ["ns", "dns"] => self.server(),
            ["dns"] => format!("only ns.{} has records, not {}", self.here(), self.here()),
            ["dns-version"] => format!("{} has a TXT record only", self.here()),
            [.., _] => self.stray(&labels),
        }
    }

    /// A name that is neither a Service's nor a pod's.
    fn stray(&self, labels: &[&str]) -> String {
        let domain = plain(&self.zone.options().domain);
        if let [service, space] = labels
            && self.zone.snapshot().services.contains_key(&Key::new(*space, *service))
        {
            return format!(
                "\".svc\" is missing: the Service {space}/{service} is called {service}.{space}.svc.{domain}"
            );
        }
        if let [service] = labels {
            let spaces = self.spaces_with(service);
            if !spaces.is_empty() {
                let spaces = near::list(spaces.iter().copied());
                return format!(
                    "the namespace is missing: ask for {service}.NAMESPACE.svc.{domain}; namespaces with a Service \
                     \"{service}\": {spaces}"
                );
            }
        }
        let what = if self.zone.options().pods == crate::dns::zone::Pods::Disabled {
            "SERVICE.NAMESPACE.svc"
        } else {
            "SERVICE.NAMESPACE.svc and ADDRESS.NAMESPACE.pod"
        };
        format!("{} is not in the zone {domain}: its names are {what}", self.here())
    }

    /// The name of this server without addresses.
    fn server(&self) -> String {
        if !matches!(self.kind, kind::A | kind::AAAA) {
            return format!("{} has A and AAAA records only", self.here());
        }
        match &self.zone.options().own_service {
            None => "it is not known which Service leads to this server".to_owned(),
            Some(key) if !self.zone.snapshot().services.contains_key(key) => {
                format!("the Service {key} that should lead to this server does not exist")
            }
            Some(key) => format!("the Service {key} that leads to this server has no {}", self.family()),
        }
    }

    /// The namespaces with a Service of that name, sorted.
    fn spaces_with(&self, service: &str) -> Vec<&str> {
        let keys = self.zone.snapshot().services.keys().filter(|key| *key.name == *service);
        let mut spaces: Vec<&str> = keys.map(|key| &*key.namespace).collect();
        spaces.sort_unstable();
        spaces
    }

    /// The name that was asked for, without the dot at the end.
    fn here(&self) -> String {
        plain(self.name)
    }

    fn kind(&self) -> String {
        match self.kind {
            kind::A => "A".into(),
            kind::NS => "NS".into(),
            kind::CNAME => "CNAME".into(),
            kind::SOA => "SOA".into(),
            kind::PTR => "PTR".into(),
            kind::MX => "MX".into(),
            kind::TXT => "TXT".into(),
            kind::AAAA => "AAAA".into(),
            kind::SRV => "SRV".into(),
            other => format!("TYPE{other}"),
        }
    }

    /// The addresses that were asked for.
    fn family(&self) -> &'static str {
        if self.kind == kind::AAAA { "IPv6 address" } else { "IPv4 address" }
    }
}

/// Without the dot at the end.
fn plain(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text).to_owned()
}
