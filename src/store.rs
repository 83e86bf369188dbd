//! The only owner of state: takes updates from the sources, hands out snapshots, knows when it is complete.
//!
//! A source sends `Begin(kind)`, that kind's objects, `Complete(kind)`, then single changes. What came between the two is
//! swapped in on `Complete`, so that an object deleted while a source could not look is gone afterwards. An object
//! that is equal to what is known keeps its old `Arc`: whoever compares by pointer sees only true changes.

mod endpoints;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::model::certificate::Secret;
use crate::model::node::{Node, ServiceRange};
use crate::model::pod::Pod;
use crate::model::route::{Ingress, IngressClass};
use crate::model::selector::Labels;
use crate::model::service::{EndpointSet, Service};
use crate::model::settings::Settings;
use crate::model::status::IngressStatus;
use crate::model::{Key, Kind, Name, ObjectRef, Report, Snapshot};

use endpoints::Endpoints;
use table::Table;

/// One object as the store keeps it.
#[derive(Clone, Debug)]
pub enum Object {
    /// An Ingress.
    Ingress(Ingress),
    /// An IngressClass.
    IngressClass(IngressClass),
    /// A Service.
    Service(Service),
    /// One `EndpointSlice` or Endpoints object.
    Endpoints {
        /// The Service it belongs to.
        service: Key,
        /// The object itself: tells the kind.
        object: ObjectRef,
        /// Its endpoints.
        sets: Vec<EndpointSet>,
    },
    /// A Secret that may be a certificate.
    Secret(Secret),
    /// What the API server shows about an Ingress. Listed, and deleted, together with the Ingress.
    IngressStatus {
        /// The Ingress.
        ingress: Key,
        /// What is shown.
        status: IngressStatus,
    },
    /// A Namespace.
    Namespace {
        /// Its name.
        name: Name,
        /// Its labels.
        labels: Labels,
    },
    /// A Node.
    Node(Node),
    /// A ServiceCIDR.
    ServiceRange(ServiceRange),
    /// A Pod that DNS answers for.
    Pod(Pod),
    /// The global settings.
    Settings(Settings),
    /// An object that is known but not used: only counted.
    Counted(ObjectRef),
}

/// One step of what a source knows.
#[derive(Clone, Debug)]
pub enum Update {
    /// A complete list of this kind follows.
    Begin(Kind),
    /// This object is now so.
    Apply(Box<Object>),
    /// This object is gone.
    Delete(ObjectRef),
    /// This object is there but cannot be read now: what was known of it stays, also where a list is under way.
    Keep(ObjectRef),
    /// The list is complete: what was not in it is gone.
    Complete(Kind),
    /// Replaces the former reports of that source (a file path or the name of a watch).
    Reports {
        /// Who reports.
        source: Name,
        /// All it has to report now.
        reports: Vec<Report>,
    },
}

/// All objects of now.
pub struct Store {
    waiting: BTreeSet<Kind>,
    ingresses: Table<Key, Ingress>,
    classes: Table<Name, IngressClass>,
    services: Table<Key, Service>,
    secrets: Table<Key, Secret>,
    statuses: Table<Key, IngressStatus>,
    namespaces: Table<Name, Labels>,
    nodes: Table<Name, Node>,
    service_ranges: Table<Name, ServiceRange>,
    pods: Table<Key, Pod>,
    endpoints: Endpoints,
    counted: BTreeMap<Kind, Table<Key, ()>>,
    settings: Arc<Settings>,
    reports: BTreeMap<Name, Vec<Report>>,
    flat_reports: OnceLock<Arc<Vec<Report>>>,
}

impl Store {
    /// An empty store that is complete when each of `kinds` had its first list.
    pub fn new(kinds: &[Kind]) -> Self {
        Self {
            waiting: kinds.iter().copied().collect(),
            ingresses: Table::new(|a, b| a == b),
            classes: Table::new(|a, b| a == b),
            services: Table::new(|a, b| a == b),
            secrets: Table::new(same_secret),
            statuses: Table::new(|a, b| a == b),
            namespaces: Table::new(|a, b| a == b),
            nodes: Table::new(|a, b| a == b),
            service_ranges: Table::new(|a, b| a == b),
            pods: Table::new(|a, b| a == b),
            endpoints: Endpoints::new(),
            counted: BTreeMap::new(),
            settings: Arc::default(),
            reports: BTreeMap::new(),
            flat_reports: OnceLock::new(),
        }
    }

    /// Takes an update. Says whether a snapshot of now differs from one before; the end of the first list of the last
    /// awaited kind counts as a difference.
    pub fn apply(&mut self, update: Update) -> bool {
        match update {
            Update::Begin(kind) => {
                self.begin(kind);
                false
            }
            Update::Apply(object) => self.put(*object),
            Update::Delete(object) => self.delete(&object),
            Update::Keep(object) => {
                self.keep(&object);
                false
            }
            Update::Complete(kind) => {
                let changed = self.complete(kind);
                (self.waiting.remove(&kind) && self.waiting.is_empty()) || changed
            }
            Update::Reports { source, reports } => self.report(source, reports),
        }
    }

    /// Whether every awaited kind had its first list.
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that is known now. Costs a few pointers.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            ingresses: self.ingresses.live(),
            classes: self.classes.live(),
            services: self.services.live(),
            endpoints: self.endpoints.live(),
            secrets: self.secrets.live(),
            statuses: self.statuses.live(),
            namespaces: self.namespaces.live(),
            nodes: self.nodes.live(),
            service_ranges: self.service_ranges.live(),
            pods: self.pods.live(),
            settings: self.settings.clone(),
            reports: self
                .flat_reports
                .get_or_init(|| {
                    let mut all: Vec<Report> = self.reports.values().flatten().cloned().collect();
                    all.sort();
                    Arc::new(all)
                })
                .clone(),
        }
    }

    /// How many objects there are of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts: BTreeMap<Kind, usize> = self.counted.iter().map(|(k, t)| (*k, t.len())).collect();
        counts.insert(Kind::Ingress, self.ingresses.len());
        counts.insert(Kind::IngressClass, self.classes.len());
        counts.insert(Kind::Service, self.services.len());
        counts.insert(Kind::Namespace, self.namespaces.len());
        counts.insert(Kind::Node, self.nodes.len());
        counts.insert(Kind::ServiceCIDR, self.service_ranges.len());
        *counts.entry(Kind::Pod).or_default() += self.pods.len();
        *counts.entry(Kind::Secret).or_default() += self.secrets.len();
        counts.insert(Kind::EndpointSlice, self.endpoints.len(Kind::EndpointSlice));
        counts.insert(Kind::Endpoints, self.endpoints.len(Kind::Endpoints));
        counts
    }

    fn put(&mut self, object: Object) -> bool {
        match object {
            Object::Ingress(ingress) => self.ingresses.put(ingress.object.key.clone(), ingress),
            Object::IngressClass(class) => self.classes.put(class.object.key.name.clone(), class),
            Object::Service(service) => self.services.put(service.object.key.clone(), service),
            Object::Secret(secret) => {
                self.counted(Kind::Secret).remove(&secret.object.key);
                self.secrets.put(secret.object.key.clone(), secret)
            }
            Object::Endpoints { service, object, sets } => self.endpoints.put(&object, &service, sets),
            Object::IngressStatus { ingress, status } => self.statuses.put(ingress, status),
            Object::Namespace { name, labels } => self.namespaces.put(name, labels),
            Object::Node(node) => self.nodes.put(node.object.key.name.clone(), node),
            Object::ServiceRange(range) => self.service_ranges.put(range.object.key.name.clone(), range),
            Object::Pod(pod) => {
                self.counted(Kind::Pod).remove(&pod.object.key);
                self.pods.put(pod.object.key.clone(), pod)
            }
            Object::Settings(settings) => {
                let changed = *self.settings != settings;
                if changed {
                    self.settings = Arc::new(settings);
                }
                changed
            }
            Object::Counted(object) => {
                // A Secret that is no certificate any more, a Pod that has ended.
                let gone = match object.kind {
                    Kind::Secret => self.secrets.remove(&object.key),
                    Kind::Pod => self.pods.remove(&object.key),
                    _ => false,
                };
                self.counted(object.kind).put(object.key, ());
                gone
            }
        }
    }

    fn delete(&mut self, object: &ObjectRef) -> bool {
        match object.kind {
            Kind::Ingress => self.statuses.remove(&object.key) | self.ingresses.remove(&object.key),
            Kind::IngressClass => self.classes.remove(&object.key.name),
            Kind::Service => self.services.remove(&object.key),
            Kind::Namespace => self.namespaces.remove(&object.key.name),
            Kind::Node => self.nodes.remove(&object.key.name),
            Kind::ServiceCIDR => self.service_ranges.remove(&object.key.name),
            Kind::Pod => {
                self.counted(Kind::Pod).remove(&object.key);
                self.pods.remove(&object.key)
            }
            // A Secret that is no certificate is only counted.
            Kind::Secret => {
                self.counted(Kind::Secret).remove(&object.key);
                self.secrets.remove(&object.key)
            }
            Kind::EndpointSlice | Kind::Endpoints => self.endpoints.remove(object),
            kind => {
                self.counted(kind).remove(&object.key);
                false
            }
        }
    }

    fn keep(&mut self, object: &ObjectRef) {
        match object.kind {
            Kind::Ingress => {
                self.ingresses.keep(&object.key);
                self.statuses.keep(&object.key);
            }
            Kind::IngressClass => self.classes.keep(&object.key.name),
            Kind::Service => self.services.keep(&object.key),
            Kind::Namespace => self.namespaces.keep(&object.key.name),
            Kind::Node => self.nodes.keep(&object.key.name),
            Kind::ServiceCIDR => self.service_ranges.keep(&object.key.name),
            Kind::Pod => {
                self.counted(Kind::Pod).keep(&object.key);
                self.pods.keep(&object.key);
            }
            Kind::Secret => {
                self.counted(Kind::Secret).keep(&object.key);
                self.secrets.keep(&object.key);
            }
            Kind::EndpointSlice | Kind::Endpoints => self.endpoints.keep(object),
            kind => self.counted(kind).keep(&object.key),
        }
    }

    fn begin(&mut self, kind: Kind) {
        match kind {
            Kind::Ingress => {
                self.ingresses.begin();
                self.statuses.begin();
            }
            Kind::IngressClass => self.classes.begin(),
            Kind::Service => self.services.begin(),
            Kind::Namespace => self.namespaces.begin(),
            Kind::Node => self.nodes.begin(),
            Kind::ServiceCIDR => self.service_ranges.begin(),
            Kind::Pod => {
                self.counted(Kind::Pod).begin();
                self.pods.begin();
            }
            Kind::Secret => {
                self.counted(Kind::Secret).begin();
                self.secrets.begin();
            }
            Kind::EndpointSlice | Kind::Endpoints => self.endpoints.begin(kind),
            kind => self.counted(kind).begin(),
        }
    }

    fn complete(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Ingress => self.statuses.complete() | self.ingresses.complete(),
            Kind::IngressClass => self.classes.complete(),
            Kind::Service => self.services.complete(),
            Kind::Namespace => self.namespaces.complete(),
            Kind::Node => self.nodes.complete(),
            Kind::ServiceCIDR => self.service_ranges.complete(),
            Kind::Pod => {
                self.counted(Kind::Pod).complete();
                self.pods.complete()
            }
            Kind::Secret => {
                self.counted(Kind::Secret).complete();
                self.secrets.complete()
            }
            Kind::EndpointSlice | Kind::Endpoints => self.endpoints.complete(kind),
            kind => {
                self.counted(kind).complete();
                false
            }
        }
    }

    fn report(&mut self, source: Name, reports: Vec<Report>) -> bool {
        let known = self.reports.get(&source).map_or(&[][..], Vec::as_slice);
        if known == reports {
            return false;
        }
        if reports.is_empty() {
            self.reports.remove(&source);
        } else {
            self.reports.insert(source, reports);
        }
        self.flat_reports = OnceLock::new();
        true
    }

    fn counted(&mut self, kind: Kind) -> &mut Table<Key, ()> {
        self.counted.entry(kind).or_insert_with(|| Table::new(|(), ()| true))
    }
}

/// Two Secrets are the same when they hold the same certificate: the chain names the key that belongs to it.
fn same_secret(a: &Secret, b: &Secret) -> bool {
    let same_certificate = match (&a.certificate, &b.certificate) {
        (Ok(a), Ok(b)) => a.key.cert == b.key.cert,
        (Err(a), Err(b)) => a == b,
        _ => false,
    };
    same_certificate && a.object == b.object && a.origin == b.origin
}

#[cfg(test)]
mod tests;
