//! An object's text -> the model. Only the fields that are used are read: `managedFields` and the like are passed over.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::item::Item;
use crate::model::certificate::{CertificateError, Secret};
use crate::model::route::{Ingress, IngressClass};
use crate::model::status::{Address, IngressStatus};
use crate::model::{Kind, ObjectRef, Report, Severity};
use crate::store::Object;
use crate::translate;

/// An object as the store takes it, with what there is to tell about it; or why it cannot be read.
pub(super) type Read = Result<(Object, Vec<Report>), Report>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: Option<String>,
    uid: String,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    annotations: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: Some(metadata.name),
            namespace: metadata.namespace,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            annotations: metadata.annotations,
            labels: metadata.labels,
            ..Self::default()
        }
    }
}

/// Just the name.
#[derive(Deserialize)]
struct Named {
    name: String,
    namespace: Option<String>,
}

impl From<Named> for ObjectMeta {
    fn from(named: Named) -> Self {
        Self { name: Some(named.name), namespace: named.namespace, ..Self::default() }
    }
}

#[derive(Deserialize)]
struct WrittenIngress {
    metadata: Metadata,
    spec: Option<networking::IngressSpec>,
    status: Option<networking::IngressStatus>,
}

/// An Ingress, and what the API server shows about it.
pub(super) fn ingress(item: &Item, options: &translate::Options) -> Result<(Ingress, IngressStatus), Report> {
    let WrittenIngress { mut metadata, spec, status } = decode(item, Kind::Ingress)?;
    let uid = std::mem::take(&mut metadata.uid).into();
    let object = networking::Ingress { metadata: metadata.into(), spec, status: None };
    let ingress = translate::ingress(&object, None, options)?;
    let shown = status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
    let mut addresses: Vec<Address> = Vec::new();
    for entry in shown.into_iter().flatten() {
        addresses.extend(entry.ip.filter(|ip| !ip.is_empty()).map(|ip| Address::Ip(ip.into())));
        addresses.extend(
            entry.hostname.filter(|name| !name.is_empty()).map(|name| Address::Hostname(name.into())),
        );
    }
    addresses.sort();
    Ok((ingress, IngressStatus { uid, addresses: addresses.into() }))
}

/// An IngressClass.
pub(super) fn ingress_class(item: &Item) -> Result<IngressClass, Report> {
    #[derive(Deserialize)]
    struct Written {
        metadata: Metadata,
        spec: Option<networking::IngressClassSpec>,
    }
    let Written { metadata, spec } = decode(item, Kind::IngressClass)?;
    translate::ingress_class(&networking::IngressClass { metadata: metadata.into(), spec })
}

/// A Service.
pub(super) fn service(item: &Item) -> Read {
    #[derive(Deserialize)]
    struct Written {
        metadata: Metadata,
        spec: Option<core::ServiceSpec>,
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        load_balancer: Option<core::LoadBalancerStatus>,
    }
    let Written { metadata, spec, status } = decode(item, Kind::Service)?;
    let status = status.map(|Status { load_balancer }| core::ServiceStatus {
        load_balancer,
        ..core::ServiceStatus::default()
    });
    let object = core::Service { metadata: metadata.into(), spec, status };
    let (service, reports) = translate::service(&object, None)?;
    Ok((Object::Service(service), reports))
}

/// An `EndpointSlice`, without what only a node's service proxy asks for: so that does not change for an ingress.
pub(super) fn endpoint_slice(item: &Item) -> Read {
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(default)]
        addresses: Vec<String>,
        conditions: Option<discovery::EndpointConditions>,
    }
    slice(item, |Endpoint { addresses, conditions }| discovery::Endpoint {
        addresses,
        conditions,
        ..discovery::Endpoint::default()
    })
}

/// An `EndpointSlice` that says where its endpoints run and who should use them.
pub(super) fn placed_endpoint_slice(item: &Item) -> Read {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Endpoint {
        #[serde(default)]
        addresses: Vec<String>,
        conditions: Option<discovery::EndpointConditions>,
        node_name: Option<String>,
        hints: Option<discovery::EndpointHints>,
    }
    slice(item, |Endpoint { addresses, conditions, node_name, hints }| discovery::Endpoint {
        addresses,
        conditions,
        node_name,
        hints,
        ..discovery::Endpoint::default()
    })
}

/// An `EndpointSlice` as DNS reads it: who its endpoints are, but not where they run.
pub(super) fn named_endpoint_slice(item: &Item) -> Read {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Endpoint {
        #[serde(default)]
        addresses: Vec<String>,
        conditions: Option<discovery::EndpointConditions>,
        hostname: Option<String>,
        target_ref: Option<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Option<String>,
        name: Option<String>,
    }
    slice(item, |Endpoint { addresses, conditions, hostname, target_ref }| discovery::Endpoint {
        addresses,
        conditions,
        hostname,
        target_ref: target_ref.map(|Target { kind, name }| core::ObjectReference {
            kind,
            name,
            ..core::ObjectReference::default()
        }),
        ..discovery::Endpoint::default()
    })
}

fn slice<E: DeserializeOwned>(item: &Item, endpoint: fn(E) -> discovery::Endpoint) -> Read {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written<E> {
        metadata: Metadata,
        #[serde(default)]
        address_type: String,
        ports: Option<Vec<discovery::EndpointPort>>,
        endpoints: Option<Vec<E>>,
    }
    let Written { metadata, address_type, ports, endpoints } = decode(item, Kind::EndpointSlice)?;
    let endpoints = endpoints.map(|all| all.into_iter().map(endpoint).collect());
    let object = discovery::EndpointSlice { metadata: metadata.into(), address_type, ports, endpoints };
    let (set, reports) = translate::endpoint_slice(&object, None)?;
    let (service, object) = (set.service.clone(), set.object.clone());
    let sets = if set.endpoints.is_empty() { Vec::new() } else { vec![set] };
    Ok((Object::Endpoints { service, object, sets }, reports))
}

/// A Node. Of its large status only the addresses are read.
pub(super) fn node(item: &Item) -> Read {
    #[derive(Deserialize)]
    struct Written {
        metadata: Metadata,
        spec: Option<core::NodeSpec>,
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    struct Status {
        addresses: Option<Vec<core::NodeAddress>>,
    }
    let Written { metadata, spec, status } = decode(item, Kind::Node)?;
    let status =
        status.map(|Status { addresses }| core::NodeStatus { addresses, ..core::NodeStatus::default() });
    let object = core::Node { metadata: metadata.into(), spec, status };
    let (node, reports) = translate::node(&object, None)?;
    Ok((Object::Node(node), reports))
}

/// A ServiceCIDR.
pub(super) fn service_range(item: &Item) -> Read {
    #[derive(Deserialize)]
    struct Written {
        metadata: Metadata,
        spec: Option<networking::ServiceCIDRSpec>,
    }
    let Written { metadata, spec } = decode(item, Kind::ServiceCIDR)?;
    let object = networking::ServiceCIDR { metadata: metadata.into(), spec, status: None };
    let (range, reports) = translate::service_range(&object, None)?;
    Ok((Object::ServiceRange(range), reports))
}

/// A Namespace.
pub(super) fn namespace(item: &Item) -> Read {
    #[derive(Deserialize)]
    struct Written {
        metadata: Metadata,
    }
    let Written { metadata } = decode(item, Kind::Namespace)?;
    let object = core::Namespace { metadata: metadata.into(), ..core::Namespace::default() };
    let (name, labels) = translate::namespace(&object)?;
    Ok((Object::Namespace { name, labels }, Vec::new()))
}

/// A Pod; one that has ended or goes is only counted. Of its large rest nothing is read.
pub(super) fn pod(item: &Item) -> Read {
    #[derive(Deserialize)]
    struct Written {
        metadata: Life,
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Life {
        deletion_timestamp: Option<Time>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        phase: Option<String>,
        #[serde(rename = "podIP")]
        pod_ip: Option<String>,
        #[serde(rename = "podIPs")]
        pod_ips: Option<Vec<core::PodIP>>,
    }
    let Written { metadata: Life { deletion_timestamp }, status } = decode(item, Kind::Pod)?;
    let metadata = ObjectMeta {
        name: Some(item.key.name.to_string()),
        namespace: Some(item.key.namespace.to_string()),
        deletion_timestamp,
        ..ObjectMeta::default()
    };
    let status = status.map(|Status { phase, pod_ip, pod_ips }| core::PodStatus {
        phase,
        pod_ip,
        pod_ips,
        ..core::PodStatus::default()
    });
    let pod = translate::pod(&core::Pod { metadata, status, ..core::Pod::default() })?;
    Ok((pod.map_or_else(Object::Counted, Object::Pod), Vec::new()))
}

/// The keys of a ConfigMap.
pub(super) fn config_map(item: &Item) -> Result<BTreeMap<String, String>, Report> {
    #[derive(Deserialize)]
    struct Written {
        data: Option<BTreeMap<String, String>>,
    }
    let Written { data } = decode(item, Kind::ConfigMap)?;
    Ok(data.unwrap_or_default())
}

/// The type of a Secret that holds a certificate.
pub(super) const TLS: &str = "kubernetes.io/tls";

/// A Secret that an Ingress names, and whether it is of the type for certificates. Nothing else of it is read.
pub(super) fn secret(item: &Item) -> Result<(Secret, bool), Report> {
    #[derive(Deserialize)]
    struct Written {
        metadata: Named,
        r#type: Option<String>,
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "tls.crt")]
        chain: Option<ByteString>,
        #[serde(rename = "tls.key")]
        key: Option<ByteString>,
    }
    let Written { metadata, r#type, data } = decode(item, Kind::Secret)?;
    let is_tls = r#type.as_deref() == Some(TLS);
    let data = data.map(|Data { chain, key }| {
        let entries = [("tls.crt", chain), ("tls.key", key)];
        entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    });
    let object = core::Secret { metadata: metadata.into(), type_: r#type, data, ..core::Secret::default() };
    let secret = translate::secret(&object, None)?.unwrap_or_else(|| Secret {
        object: ObjectRef { kind: Kind::Secret, key: item.key.clone() },
        origin: None,
        certificate: Err(CertificateError::Missing("tls.crt")),
    });
    Ok((secret, is_tls))
}

fn decode<T: DeserializeOwned>(item: &Item, kind: Kind) -> Result<T, Report> {
    // Nearly every object is right; only for one that is not, the way to its fault is followed.
    if let Ok(object) = serde_json::from_str(item.text()) {
        return Ok(object);
    }
    let text = &mut serde_json::Deserializer::from_str(item.text());
    serde_path_to_error::deserialize(text).map_err(|error| {
        let (field, why) = (error.path().to_string(), error.inner().to_string());
        let object = ObjectRef { kind, key: item.key.clone() };
        // No value of a Secret ever appears in a report.
        let why = if kind == Kind::Secret { "has the wrong type".to_owned() } else { why };
        let message = format!("{field}: {why}; what was known of it stays in force: correct it");
        Report::new(&object, Severity::Error, "WrongType", message).at(field, None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Item {
        Item::read(serde_json::value::RawValue::from_string(text.into()).unwrap()).unwrap()
    }

    #[test]
    fn an_ingress_comes_with_its_shown_addresses_sorted() {
        let text = r#"{"metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "managedFields": [{"fieldsV1": {"f:x": {}}}],
            "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": {"kubernetes.io/ingress.class": "nginx"}},
            "spec": {"ingressClassName": "web", "tls": [{"secretName": "cert"}]},
            "status": {"loadBalancer": {"ingress": [{"hostname": "b.example"}, {"ip": "10.0.0.2"}, {"ip": "10.0.0.1", "ports": []}]}}}"#;
        let (ingress, status) = ingress(&item(text), &translate::Options::default()).unwrap();
        assert_eq!(ingress.object.to_string(), "Ingress shop/web");
        assert_eq!(ingress.created, Some(1_767_323_045));
        assert_eq!(ingress.class_annotation.as_deref(), Some("nginx"));
        assert_eq!(&*status.uid, "u-1");
        let addresses = [
            Address::Ip("10.0.0.1".into()),
            Address::Ip("10.0.0.2".into()),
            Address::Hostname("b.example".into()),
        ];
        assert_eq!(*status.addresses, addresses);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_field() {
        let text =
            r#"{"metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [{"port": "eighty"}]}}"#;
        let report = service(&item(text)).unwrap_err();
        assert_eq!(report.field.as_deref(), Some("spec.ports[0].port"));
        assert!(report.message.contains("stays in force"), "{report}");
    }

    #[test]
    fn no_value_of_a_secret_is_told() {
        let text = r#"{"metadata": {"name": "s", "namespace": "n"}, "type": "Opaque", "data": {"tls.key": 42424242}}"#;
        let report = secret(&item(text)).unwrap_err();
        assert!(!report.to_string().contains("4242"), "{report}");
        let text = r#"{"metadata": {"name": "s", "namespace": "n"}, "type": "Opaque", "data": {"password": "c2VjcmV0"}}"#;
        let (secret, is_tls) = secret(&item(text)).unwrap();
        assert_eq!((secret.certificate.unwrap_err(), is_tls), (CertificateError::Missing("tls.crt"), false));
    }
}
