//! The API server as a source: watches that survive its failures.
//!
//! ```text
//! collection (requests) ── lines ── watch (list, follow, resume) ──┬─ mirror       Service, EndpointSlice, Node, ServiceCIDR
//!                                                                  ├─ settings     the ConfigMap
//!                                                                  ├─ classes ────┐
//!                                                                  ├─ namespaces ─┤ whose is it?
//!                                                                  ├─ ingresses <─┘── which Secrets?
//!                                                                  └─ secrets <──────────┘
//! ```
//!
//! `interest` says which of them run for whom. Every object is translated on arrival and dropped. `contact` says how each watch goes, `journal` writes it into the log.

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
mod interest;
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
use tokio::sync::watch as latest;

use super::Updates;
use crate::metrics::SourceMetrics;
use crate::model::freshness::Freshness;
use crate::model::selector::Selector;
use crate::model::{Key, Name};
use crate::store::Update;
use crate::translate;

use context::Context;
use interest::begin;

pub use interest::{Interest, kinds};

/// What to watch, and how it is translated.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For whom.
    pub interest: Interest,
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

/// Follows the API server until nobody takes updates any more.
pub async fn run(
    client: Client,
    options: Options,
    updates: Updates,
    freshness: latest::Sender<Freshness>,
    metrics: SourceMetrics,
) {
    let context = Context::new(client, options, updates, freshness.into(), metrics, false);
    let mut tasks = begin(&context);
    tasks.spawn(journal::write(context.freshness.subscribe()));
    context.closed().await;
}

/// Reads everything once: complete lists of all kinds, in the order a store takes them. The error says what to do.
pub async fn load(client: Client, options: Options) -> Result<Vec<Update>, String> {
    load::load(client, options).await
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
