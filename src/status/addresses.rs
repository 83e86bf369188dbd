//! Finds the addresses that Ingresses are to show: given ones, those of a Service, or those of the nodes with ready pods.

mod choose;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, GetParams, ListParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Options;
use super::fault::{Complaint, Fault, ask};
use super::pace::jittered;
use crate::model::Key;
use crate::model::status::Address;

/// Addresses, sorted, each once, at least one.
pub(super) type Addresses = Arc<[Address]>;

/// How long it takes at most until a change of a Service, or of nodes and pods, is seen. After a change, and at the
/// start, it is looked more often.
const LOOK: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(1));

/// The first wait after a change.
const SOON: Duration = Duration::from_secs(1);

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Where addresses come from.
#[derive(Clone, Debug)]
enum Origin {
    /// `--publish-status-address`.
    Given(Vec<Address>),
    /// `--publish-service`.
    Service(Key),
    /// The nodes on which ready pods of the same kind as this one run.
    Pods(Key),
    /// Nowhere: no flag, and no pod of a cluster.
    Nowhere,
}

/// Finds addresses.
pub(super) struct Resolver {
    client: Client,
    origin: Origin,
    internal: bool,
    /// What selects the pods of the same kind, once it is known; empty when their labels say nothing.
    siblings: Option<String>,
    /// What was found last.
    last: Option<Addresses>,
    complaint: Complaint,
    /// Whether it was said that there is none.
    none: bool,
}

impl Resolver {
    pub(super) fn new(client: Client, options: &Options) -> Self {
        let origin = match (options.fixed.as_slice(), &options.service, &options.pod) {
            ([], None, None) => Origin::Nowhere,
            ([], None, Some(pod)) => Origin::Pods(pod.clone()),
            ([], Some(service), _) => Origin::Service(service.clone()),
            (given, ..) => Origin::Given(given.to_vec()),
        };
        let internal = options.internal_address;
        let complaint = Complaint::default();
        Self { client, origin, internal, siblings: None, last: None, complaint, none: false }
    }

    /// Looks for addresses again and again, and tells of each change. What was found stays when nothing is found any
    /// more.
    pub(super) async fn run(&mut self, found: &watch::Sender<Option<Addresses>>) {
        let mut wait = SOON;
        loop {
            let looked = self.look().await;
            if let Some(now) = looked.filter(|now| found.borrow().as_ref() != Some(now)) {
                if self.last.as_ref() != Some(&now) {
                    info!("Ingresses are to show {}", list(&now));
                    self.last = Some(now.clone());
                }
                found.send_replace(Some(now));
                wait = SOON;
            }
            let most = match self.origin {
                Origin::Given(_) | Origin::Nowhere => return std::future::pending().await,
                Origin::Service(_) => LOOK.0,
                Origin::Pods(_) => LOOK.1,
            };
            sleep(jittered(wait)).await;
            wait = (wait * 2).min(most);
        }
    }

    /// The addresses of now. `None` when there are none, or they could not be read, which is logged.
    async fn look(&mut self) -> Option<Addresses> {
        let what = "reading the addresses that Ingresses are to show";
        match self.resolve().await {
            Ok(addresses) => {
                self.complaint.over(what);
                let addresses: BTreeSet<Address> = addresses.into_iter().collect();
                let none = addresses.is_empty();
                if none && !self.none {
                    warn!("{}", self.nothing());
                }
                self.none = none;
                (!none).then(|| addresses.into_iter().collect())
            }
            Err(fault) => {
                self.complaint.wrong(what, &fault);
                None
            }
        }
    }

    async fn resolve(&mut self) -> Result<Vec<Address>, Fault> {
        match self.origin.clone() {
            Origin::Given(given) => Ok(given),
            Origin::Service(key) => match self.get::<Service>(Some(&key.namespace), &key.name).await {
                Ok(service) => Ok(choose::of_service(&service)),
                Err(Fault::Absent) => Ok(Vec::new()),
                Err(fault) => Err(fault),
            },
            Origin::Pods(pod) => self.of_nodes(&pod).await,
            Origin::Nowhere => Ok(Vec::new()),
        }
    }

    async fn of_nodes(&mut self, pod: &Key) -> Result<Vec<Address>, Fault> {
        let pods = self.siblings(pod, ListParams::default().match_any()).await?;
        let ready = pods.iter().filter(|pod| choose::is_ready(pod));
        let names: BTreeSet<&str> = ready.filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref()).collect();
        let mut addresses = Vec::new();
        for name in names {
            match self.get::<Node>(None, name).await {
                Ok(node) => addresses.extend(choose::of_node(&node, self.internal)),
                Err(Fault::Absent) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(addresses)
    }

    /// Whether another replica runs that goes on when this one ends.
    pub(super) async fn others_stay(&mut self, pod: &Key) -> Result<bool, Fault> {
        let pods = self.siblings(pod, ListParams::default()).await?;
        let others = pods.iter().filter(|other| other.metadata.name.as_deref() != Some(&*pod.name));
        Ok(others.into_iter().any(choose::is_alive))
    }

    /// Learns by which labels pods of the same kind are known, as long as this one is there to tell.
    pub(super) async fn know(&mut self, pod: &Key) -> Result<(), Fault> {
        if self.siblings.is_none() {
            let own =
                self.get::<Pod>(Some(&pod.namespace), &pod.name).await.map_err(|fault| match fault {
                    Fault::Absent => Fault::Refused(format!(
                        "there is no pod {pod}, as POD_NAMESPACE and POD_NAME call this one"
                    )),
                    other => other,
                })?;
            let selector = choose::siblings(&own.metadata.labels.unwrap_or_default());
            self.siblings = Some(selector.unwrap_or_default());
        }
        Ok(())
    }

    /// The pods that run the same program, this one included.
    async fn siblings(&mut self, pod: &Key, params: ListParams) -> Result<Vec<Pod>, Fault> {
        self.know(pod).await?;
        let Some(labels) = self.siblings.as_ref().filter(|labels| !labels.is_empty()) else {
            return Ok(vec![self.get::<Pod>(Some(&pod.namespace), &pod.name).await?]);
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        Ok(ask(LIMIT, pods.list(&params.labels(labels))).await?.items)
    }

    /// Reads one object, from the API server's memory.
    async fn get<K>(&mut self, namespace: Option<&str>, name: &str) -> Result<K, Fault>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let client = self.client.clone();
        let url = K::url_path(&(), namespace);
        let request = kube::core::Request::new(url).get(name, &GetParams::any());
        let request = request.map_err(|error| Fault::Refused(error.to_string()))?;
        ask(LIMIT, client.request(request)).await
    }

    /// What to say when there is no address.
    fn nothing(&self) -> String {
        let what = match &self.origin {
            Origin::Given(_) => "--publish-status-address is empty".to_owned(),
            Origin::Service(key) => {
                format!("the Service {key} of --publish-service has no address yet, or is not there")
            }
            Origin::Pods(_) => "no controller pod is ready on a node with an address".to_owned(),
            Origin::Nowhere => {
                "this is not a pod with POD_NAME and POD_NAMESPACE: give --publish-service or \
                                --publish-status-address"
                    .to_owned()
            }
        };
        format!("{what}; the status of Ingresses stays as it is")
    }
}

fn text(address: &Address) -> &str {
    match address {
        Address::Ip(text) | Address::Hostname(text) => text,
    }
}

/// Addresses for people.
pub(super) fn list(addresses: &[Address]) -> String {
    addresses.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
