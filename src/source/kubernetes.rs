//! The API server as a source: watches that survive its failures.

use kube::Client;
use tokio::sync::watch;

use super::Updates;
use crate::metrics::Metrics;
use crate::model::freshness::Freshness;
use crate::model::selector::Selector;
use crate::model::{Key, Kind, Name};
use crate::store::Update;
use crate::translate;

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
    _client: Client,
    _options: Options,
    _updates: Updates,
    _freshness: watch::Sender<Freshness>,
    _metrics: Metrics,
) {
}

/// Reads everything once: complete lists of all kinds, in the order a store takes them. The error says what to do.
pub async fn load(_client: Client, _options: Options) -> Result<Vec<Update>, String> {
    Err(String::new())
}
