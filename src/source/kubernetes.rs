//! The API server as a source: watches that survive its failures.
//!
//! ```text
//! collection (requests) ── lines ── watch (list, follow, resume) ──┬─ mirror       Service, EndpointSlice
//!                                                                  ├─ settings     the ConfigMap
//!                                                                  ├─ classes ────┐
//!                                                                  ├─ namespaces ─┤ whose is it?
//!                                                                  ├─ ingresses <─┘── which Secrets?
//!                                                                  └─ secrets <──────────┘
//! ```
//!
//! Every object is translated on arrival and dropped. `contact` says how each watch goes, `journal` writes it into the log.

mod backoff;
mod claim;
mod classes;
mod collection;
mod complaints;
mod contact;
mod context;
mod event;
mod held;
mod ingresses;
mod item;
mod journal;
mod lines;
mod load;
mod mirror;
mod namespaces;
mod object;
mod reach;
mod secrets;
mod settings;
mod trouble;
mod watch;

use kube::Client;
use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinSet;

use super::Updates;
use crate::metrics::Metrics;
use crate::model::freshness::Freshness;
use crate::model::selector::Selector;
use crate::model::{Key, Kind, Name};
use crate::store::Update;
use crate::translate;

use context::{Context, Sent};
use held::Settled;
use item::Item;
use mirror::Mirror;
use object::Read;

/// Demands for Secrets that may wait.
const DEMANDS: usize = 1024;

/// What to watch, and how it is translated.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How objects are translated.
    pub translate: translate::Options,
    /// Only objects of this namespace.
    pub namespace: Option<Name>,
    /// Only Ingresses of namespaces with these labels.
    pub namespace_selector: Option<Selector>,
    /// The ConfigMap with the settings.
    pub configmap: Option<Key>,
    /// Settings that win over that ConfigMap.
    pub overrides: Vec<(String, String)>,
    /// The Secret for hosts without a certificate, wherever it is.
    pub default_certificate: Option<Key>,
    /// The Service that answers where no rule does, wherever it is.
    pub default_backend: Option<Key>,
    /// `spec.controller` of the classes that are ours.
    pub controller: Name,
    /// Value of the class annotation that is ours; with `by_name` also of `spec.ingressClassName`.
    pub ingress_class: Name,
    /// `--ingress-class-by-name`.
    pub by_name: bool,
    /// `--watch-ingress-without-class`.
    pub without_class: bool,
}

/// The kinds of which this source sends complete lists.
pub fn kinds(options: &Options) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::Ingress,
        Kind::IngressClass,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Secret,
        Kind::ConfigMap,
    ];
    kinds.extend(options.namespace_selector.is_some().then_some(Kind::Namespace));
    kinds
}

/// Follows the API server until nobody takes updates any more.
pub async fn run(
    client: Client,
    options: Options,
    updates: Updates,
    freshness: latest::Sender<Freshness>,
    metrics: Metrics,
) {
    let context = Context::new(client, options, updates, freshness.into(), metrics, false);
    let mut tasks = begin(&context);
    tasks.spawn(journal::write(context.freshness.subscribe()));
    context.closed().await;
}

/// Begins to follow everything. The tasks end when this is dropped.
fn begin(context: &Context) -> JoinSet<Sent> {
    let mut tasks = JoinSet::new();
    let (classes, known_classes) = latest::channel(None);
    tasks.spawn(classes::Following::run(context.clone(), classes));
    let namespaces = context.options.namespace_selector.clone().map(|selector| {
        let (chosen, known) = latest::channel(None);
        tasks.spawn(namespaces::Following::run(context.clone(), selector, chosen));
        known
    });
    let choice = ingresses::Choice { classes: known_classes, namespaces };
    let (demands, demanded) = mpsc::channel(DEMANDS);
    let settled = Settled::default();
    tasks.spawn(ingresses::Following::run(context.clone(), choice, demands, settled.clone()));
    tasks.spawn(secrets::Following::run(context.clone(), demanded, settled));
    tasks.spawn(settings::follow(context.clone()));
    // The default backend may be in a namespace that is not watched.
    let elsewhere = context.options.default_backend.clone().filter(|key| !context.covers(&key.namespace));
    let service = elsewhere
        .as_ref()
        .map(|key| context.watch(format!("Service {key}"), context.one(Kind::Service, key)));
    let slices = elsewhere.as_ref().map(|key| {
        let collection = context.collection(Kind::EndpointSlice, Some(key.namespace.clone()));
        let collection = collection.with_labels(format!("kubernetes.io/service-name={}", key.name));
        context.watch(format!("EndpointSlice of Service {key}"), collection)
    });
    for (kind, read, extra) in [
        (Kind::Service, object::service as fn(&Item) -> Read, service),
        (Kind::EndpointSlice, object::endpoint_slice, slices),
    ] {
        let main = context.watch(kind.to_string(), context.all(kind));
        tasks.spawn(Mirror::run(context.clone(), kind, read, main, extra));
    }
    tasks
}

/// Reads everything once: complete lists of all kinds, in the order a store takes them. The error says what to do.
pub async fn load(client: Client, options: Options) -> Result<Vec<Update>, String> {
    load::load(client, options).await
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
