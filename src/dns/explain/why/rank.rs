//! How much it tells that a name of the cluster has no answer: a search path asks for many names that nobody meant.

use super::super::super::query::why::near::similar;
use super::super::super::wire::name::Name;
use super::super::super::zone::Zone;
use super::{ABSENT, ELSEWHERE, PLAIN, STRANGE, UNUSABLE};
use crate::model::service::ServiceKind;
use crate::model::{Key, Snapshot};

/// The rank of the reason why a name has no answer.
pub(super) fn of(zone: &Zone, name: &Name) -> u8 {
    let (domain, snapshot) = (&zone.options().domain, zone.snapshot());
    if !name.is_within(domain) {
        return ABSENT; // an address
    }
    let count = name.labels().count() - domain.labels().count();
    let labels: Vec<String> =
        name.labels().take(count).map(|label| String::from_utf8_lossy(label).into_owned()).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    match labels.as_slice() {
        [service, namespace, "svc"] => of_service(snapshot, service, namespace),
        [port, protocol, service, namespace, "svc"] if port.starts_with('_') || protocol.starts_with('_') => {
            of_service(snapshot, service, namespace)
        }
        [.., service, namespace, "svc"] => match snapshot.services.get(&Key::new(*namespace, *service)) {
            Some(found) if found.kind == ServiceKind::Headless => UNUSABLE,
            // Endpoints of others are seldom meant.
            Some(_) => ABSENT,
            None => PLAIN,
        },
        [_, _, "pod"] => ABSENT,
        // "svc" was forgotten.
        [service, namespace] if has(snapshot, namespace, service) => ELSEWHERE,
        _ => PLAIN,
    }
}

fn of_service(snapshot: &Snapshot, service: &str, namespace: &str) -> u8 {
    let services = || snapshot.services.keys();
    let spaces = || snapshot.namespaces.keys().chain(services().map(|key| &key.namespace));
    if has(snapshot, namespace, service) {
        UNUSABLE
    } else if services().any(|key| *key.name == *service) || has(snapshot, service, namespace) {
        ELSEWHERE
    } else if spaces().any(|known| **known == *namespace) {
        let own = services().filter(|key| *key.namespace == *namespace);
        if similar(service, own.map(|key| &*key.name)).is_some() { ABSENT + 1 } else { ABSENT }
    } else if similar(namespace, spaces().map(|known| &**known)).is_some() {
        ABSENT
    } else {
        STRANGE
    }
}

fn has(snapshot: &Snapshot, namespace: &str, service: &str) -> bool {
    snapshot.services.contains_key(&Key::new(namespace, service))
}
