//! Why a name below `svc` has no answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Asked, near, plain};
use crate::dns::wire::kind;
use crate::dns::zone::admitted;
use crate::model::service::{EndpointSet, Service, ServiceKind};
use crate::model::{Key, Name};

impl Asked<'_> {
    /// `labels` are those before `svc`.
    pub(super) fn service(&self, labels: &[&str]) -> String {
        let Some((space, labels)) = labels.split_last() else {
            return format!("{0} has no records of its own: ask for SERVICE.NAMESPACE.{0}", self.here());
        };
        if let Some(reason) = self.namespace(space, labels.last().copied()) {
            return reason;
        }
        let Some((name, labels)) = labels.split_last() else {
            return format!(
                "{0} is a namespace and has no records of its own: ask for SERVICE.{0}",
                self.here()
            );
        };
        let key = Key::new(*space, *name);
        let Some(service) = self.zone.snapshot().services.get(&key) else {
            return self.no_service(&key, labels);
        };
        match labels {
            [] => self.itself(service),
            [first, second] if first.starts_with('_') || second.starts_with('_') => {
                self.port(service, first, second)
            }
            [protocol @ ("_tcp" | "_udp" | "_sctp")] => self.protocol(service, protocol),
            [.., endpoint] => self.endpoint(service, endpoint, labels),
        }
    }

    /// What is wrong with a namespace; `None` when its names are there.
    pub(super) fn namespace(&self, space: &str, service: Option<&str>) -> Option<String> {
        let snapshot = self.zone.snapshot();
        let keys = snapshot.services.keys().chain(snapshot.endpoints.keys());
        let spaces: BTreeSet<&str> =
            keys.map(|key| &*key.namespace).chain(snapshot.namespaces.keys().map(|name| &**name)).collect();
        if spaces.contains(space) {
            let served = admitted(self.zone.options(), snapshot, &Name::from(space));
            return (!served).then(|| {
                format!("the namespace \"{space}\" is not among those whose names are answered here")
            });
        }
        // Both parts in the wrong order are a common slip.
        if let Some(service) = service
            && snapshot.services.contains_key(&Key::new(service, space))
        {
            let domain = plain(&self.zone.options().domain);
            return Some(format!(
                "there is no namespace \"{space}\", but a Service \"{space}\" in the namespace \"{service}\": \
                 the Service's name comes first, {space}.{service}.svc.{domain}"
            ));
        }
        let mut reason = vec![format!("there is no namespace \"{space}\"")];
        if let Some(similar) = near::similar(space, spaces.into_iter()) {
            reason.push(format!("one is called \"{similar}\""));
        }
        if let Some(service) = service {
            let others = self.spaces_with(service);
            if !others.is_empty() {
                reason.push(format!(
                    "namespaces with a Service \"{service}\": {}",
                    near::list(others.into_iter())
                ));
            }
        }
        Some(reason.join("; "))
    }

    fn no_service(&self, key: &Key, labels: &[&str]) -> String {
        let (space, name) = (&key.namespace, &key.name);
        let mut reason = vec![format!("there is no Service \"{name}\" in the namespace \"{space}\"")];
        let others = self.spaces_with(name);
        let services = self.zone.snapshot().services.keys().filter(|key| key.namespace == *space);
        let similar = near::similar(name, services.map(|key| &*key.name));
        if !others.is_empty() {
            let (first, one) =
                (others.first().map(ToString::to_string).unwrap_or_default(), others.len() == 1);
            let (are, others) =
                (if one { "namespace" } else { "namespaces" }, near::list(others.into_iter()));
            reason.push(format!("there is one in the {are} {others}: ask for {name}.{first}"));
        } else if let Some(similar) = similar {
            reason.push(format!("one is called \"{similar}\""));
        } else if labels.len() > 1 && !labels.iter().any(|label| label.starts_with('_')) {
            reason
                .push("it looks like a name outside of the cluster with a search path behind it".to_owned());
        }
        if self.zone.snapshot().endpoints.contains_key(key) {
            reason.push("there are EndpointSlices for it, but names come from the Service".to_owned());
        }
        reason.join("; ")
    }

    /// The Service is there, and its own name has nothing of the type.
    fn itself(&self, service: &Service) -> String {
        let key = &service.object.key;
        match &service.kind {
            ServiceKind::ExternalName(target) => format!(
                "the Service {key} is not in DNS, because its externalName \"{target}\" is no DNS name: \
                 correct spec.externalName"
            ),
            ServiceKind::Headless if !self.exists => self.no_endpoints(service),
            ServiceKind::ClusterIp if !self.exists => self.hidden(service),
            ServiceKind::Headless | ServiceKind::ClusterIp => match self.kind {
                kind::A | kind::AAAA => self.other_family(service),
                kind::SRV => no_ports(service),
                _ => format!("the Service {key} has no {} records, only addresses and SRV", self.kind()),
            },
        }
    }

    /// A headless Service without a name.
    fn no_endpoints(&self, service: &Service) -> String {
        let key = &service.object.key;
        if self.zone.options().no_endpoints {
            return format!(
                "the Service {key} is headless, and names of endpoints are switched off (noendpoints)"
            );
        }
        if let Some(reason) = self.unnamed(key) {
            return reason;
        }
        let sets = self.sets(key);
        let all = sets.iter().map(|set| set.endpoints.len()).sum::<usize>();
        if all == 0 {
            return format!(
                "the Service {key} is headless and has no endpoints: does its selector match running pods?"
            );
        }
        format!(
            "the Service {key} is headless and has no ready endpoints: {} not ready ({})",
            near::count(all, "endpoint"),
            self.unready(service)
        )
    }

    /// A Service with an address of its own that has no name.
    fn hidden(&self, service: &Service) -> String {
        let key = &service.object.key;
        if let Some(reason) = self.unnamed(key) {
            return reason;
        }
        let all = self.sets(key).iter().map(|set| set.endpoints.len()).sum::<usize>();
        format!(
            "the Service {key} has no ready endpoints ({all} not ready), and such Services are left out \
             (ignore empty_service)"
        )
    }

    /// A Service whose name is no label.
    fn unnamed(&self, key: &Key) -> Option<String> {
        let reports = self.zone.reports();
        let report =
            reports.iter().find(|report| report.object.key == *key && report.reason == "NameNotInDns")?;
        Some(format!("the Service {key} {}", report.message))
    }

    fn other_family(&self, service: &Service) -> String {
        let key = &service.object.key;
        let other = if self.kind == kind::A { "AAAA" } else { "A" };
        if service.kind == ServiceKind::Headless {
            return format!(
                "no ready endpoint of the Service {key} has an {}: ask for {other}",
                self.family()
            );
        }
        if service.cluster_ips.is_empty() {
            return format!("the Service {key} has no address: spec.clusterIP is not set");
        }
        let addresses: Vec<String> = service.cluster_ips.iter().map(ToString::to_string).collect();
        format!(
            "the Service {key} has no {}, its address is {}: ask for {other}",
            self.family(),
            addresses.join(", ")
        )
    }

    pub(super) fn sets(&self, key: &Key) -> &[Arc<EndpointSet>] {
        self.zone.snapshot().endpoints.get(key).map(|sets| &**sets).unwrap_or_default()
    }
}

fn no_ports(service: &Service) -> String {
    let key = &service.object.key;
    if service.kind == ServiceKind::ClusterIp && service.cluster_ips.is_empty() {
        return format!("the Service {key} has no address: spec.clusterIP is not set");
    }
    format!("the Service {key} has no ports, and SRV records tell ports: ask for A or AAAA")
}
