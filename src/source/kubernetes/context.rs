//! What every watch needs: the client, the options, and where to send what it learns.

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch as latest;

use super::Options;
use super::collection::Collection;
use super::contact::Contact;
use super::reach::Reach;
use super::watch::Watch;
use crate::metrics::SourceMetrics;
use crate::model::freshness::Freshness;
use crate::model::{Key, Kind, Name, ObjectRef, Report};
use crate::source::Updates;
use crate::store::{Object, Update};

/// Shared by all watches of a source.
#[derive(Clone)]
pub(super) struct Context {
    client: Client,
    pub(super) options: Arc<Options>,
    pub(super) freshness: Arc<latest::Sender<Freshness>>,
    pub(super) metrics: SourceMetrics,
    /// Everything is read once, for people: nothing is put aside, and what is forbidden is told and left out.
    pub(super) once: bool,
    reach: Reach,
    updates: Updates,
}

/// Nobody takes updates any more.
#[derive(Debug)]
pub(super) struct Closed;

/// Whether an update was taken.
pub(super) type Sent = Result<(), Closed>;

impl Context {
    pub(super) fn new(
        client: Client,
        options: Options,
        updates: Updates,
        freshness: Arc<latest::Sender<Freshness>>,
        metrics: SourceMetrics,
        once: bool,
    ) -> Self {
        Self { client, options: options.into(), freshness, metrics, once, reach: Reach::default(), updates }
    }

    /// All objects of a kind in the watched namespaces.
    pub(super) fn all(&self, kind: Kind) -> Collection {
        let namespace = match kind {
            Kind::IngressClass | Kind::Namespace | Kind::Node | Kind::ServiceCIDR => None,
            _ => self.options.namespace.clone(),
        };
        self.collection(kind, namespace)
    }

    /// All objects of a kind, or those of one namespace.
    pub(super) fn collection(&self, kind: Kind, namespace: Option<Name>) -> Collection {
        Collection::new(self.client.clone(), self.reach.clone(), kind, namespace)
    }

    /// One object.
    pub(super) fn one(&self, kind: Kind, key: &Key) -> Collection {
        Collection::named(self.client.clone(), self.reach.clone(), kind, key)
    }

    /// Whether what belongs to this namespace is among the objects of the watched namespaces.
    pub(super) fn covers(&self, namespace: &Name) -> bool {
        self.options.namespace.as_ref().is_none_or(|watched| watched == namespace)
    }

    /// A watch of this name for people.
    pub(super) fn watch(&self, name: impl Into<Name>, collection: Collection) -> Watch {
        let contact = self.contact(name, collection.kind());
        Watch::new(collection, contact)
    }

    /// An entry for people.
    pub(super) fn contact(&self, name: impl Into<Name>, kind: Kind) -> Contact {
        Contact::new(name, word(kind), &self.freshness, &self.metrics)
    }

    pub(super) async fn begin(&self, kind: Kind) -> Sent {
        self.send(Update::Begin(kind)).await
    }

    pub(super) async fn apply(&self, object: Object) -> Sent {
        self.send(Update::Apply(Box::new(object))).await
    }

    pub(super) async fn delete(&self, kind: Kind, key: Key) -> Sent {
        self.send(Update::Delete(ObjectRef { kind, key })).await
    }

    pub(super) async fn keep(&self, kind: Kind, key: Key) -> Sent {
        self.send(Update::Keep(ObjectRef { kind, key })).await
    }

    pub(super) async fn complete(&self, kind: Kind) -> Sent {
        self.send(Update::Complete(kind)).await
    }

    pub(super) async fn report(&self, source: Name, reports: Vec<Report>) -> Sent {
        self.send(Update::Reports { source, reports }).await
    }

    async fn send(&self, update: Update) -> Sent {
        self.updates.send(update).await.map_err(|_| Closed)
    }

    /// Waits until nobody takes updates any more.
    pub(super) async fn closed(&self) {
        self.updates.closed().await;
    }
}

/// A kind as a label of metrics.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Ingress => "Ingress",
        Kind::IngressClass => "IngressClass",
        Kind::Service => "Service",
        Kind::Endpoints => "Endpoints",
        Kind::EndpointSlice => "EndpointSlice",
        Kind::Secret => "Secret",
        Kind::ConfigMap => "ConfigMap",
        Kind::Namespace => "Namespace",
        Kind::Node => "Node",
        Kind::Pod => "Pod",
        Kind::ServiceCIDR => "ServiceCIDR",
        Kind::File => "File",
    }
}
