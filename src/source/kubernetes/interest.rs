//! For whom the API server is followed, and which watches that takes.

use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinSet;

use super::context::{Context, Sent};
use super::held::Settled;
use super::item::Item;
use super::mirror::Mirror;
use super::object::{self, Read};
use super::{Options, classes, ingresses, namespaces, secrets, settings};
use crate::model::{Kind, Name};

/// Demands for Secrets that may wait.
const DEMANDS: usize = 1024;

/// Services that another proxy serves, and the slices of headless Services, need no rules.
const PROXIED: (&str, &str) =
    ("!service.kubernetes.io/service-proxy-name", "!service.kubernetes.io/headless");

/// Pods that have ended have no names.
const RUNNING: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// For whom the API server is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Interest {
    /// The ingress: Ingresses and all they lead to.
    #[default]
    Ingress,
    /// The service proxy of a node: Services, their endpoints, the node itself and the ranges of Service addresses.
    ServiceProxy {
        /// The node's name.
        node: Name,
    },
    /// DNS: Services, endpoints with their names, Namespaces.
    Dns {
        /// Pods, too.
        pods: bool,
        /// Only Services, endpoints and Pods with these labels; the text of a selector.
        labels: Option<String>,
    },
}

/// The kinds of which this source sends complete lists.
pub fn kinds(options: &Options) -> Vec<Kind> {
    match options.interest {
        Interest::Ingress => {
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
        Interest::ServiceProxy { .. } => {
            vec![Kind::Service, Kind::EndpointSlice, Kind::Node, Kind::ServiceCIDR]
        }
        Interest::Dns { pods, .. } => {
            let mut kinds = vec![Kind::Service, Kind::EndpointSlice, Kind::Namespace];
            kinds.extend(pods.then_some(Kind::Pod));
            kinds
        }
    }
}

/// Begins to follow everything. The tasks end when this is dropped.
pub(super) fn begin(context: &Context) -> JoinSet<Sent> {
    match context.options.interest.clone() {
        Interest::Ingress => ingress(context),
        Interest::ServiceProxy { node } => service_proxy(context, &node),
        Interest::Dns { pods, labels } => dns(context, pods, labels.as_deref()),
    }
}

fn ingress(context: &Context) -> JoinSet<Sent> {
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

fn service_proxy(context: &Context, node: &Name) -> JoinSet<Sent> {
    let services = context.all(Kind::Service).with_labels(PROXIED.0.into());
    let slices = context.all(Kind::EndpointSlice).with_labels(PROXIED.1.into());
    let this_node = context.all(Kind::Node).with_fields(format!("metadata.name={node}"));
    // Without them only unallocated addresses are not known; Kubernetes has them from 1.33 on.
    let ranges = context.watch("ServiceCIDR", context.all(Kind::ServiceCIDR)).optional().perhaps_absent();
    let mut tasks = JoinSet::new();
    let mut mirror = |kind, read, watch| {
        tasks.spawn(Mirror::run(context.clone(), kind, read, watch, None));
    };
    mirror(Kind::Service, object::service, context.watch("Service", services));
    mirror(Kind::EndpointSlice, object::placed_endpoint_slice, context.watch("EndpointSlice", slices));
    mirror(Kind::Node, object::node, context.watch(format!("Node {node}"), this_node));
    mirror(Kind::ServiceCIDR, object::service_range, ranges);
    tasks
}

fn dns(context: &Context, pods: bool, labels: Option<&str>) -> JoinSet<Sent> {
    let labelled = |kind| {
        let all = context.all(kind);
        labels.map_or_else(|| all.clone(), |labels| all.clone().with_labels(labels.to_owned()))
    };
    let mut tasks = JoinSet::new();
    let mut mirror = |kind: Kind, read, collection| {
        let watch = context.watch(kind.to_string(), collection);
        tasks.spawn(Mirror::run(context.clone(), kind, read, watch, None));
    };
    mirror(Kind::Service, object::service, labelled(Kind::Service));
    mirror(Kind::EndpointSlice, object::named_endpoint_slice, labelled(Kind::EndpointSlice));
    mirror(Kind::Namespace, object::namespace, context.all(Kind::Namespace));
    if pods {
        mirror(Kind::Pod, object::pod, labelled(Kind::Pod).with_fields(RUNNING.into()));
    }
    tasks
}
