//! An Ingress as JSON, as the API server hands it to a webhook -> model.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ingress::CLASS;
use super::{Options, ingress};
use crate::model::route::Ingress;
use crate::model::{Key, Kind, ObjectRef, Report, Severity};

/// An Ingress that is to become part of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// What it says.
    pub ingress: Ingress,
    /// It is on its way out and only waits for its finalizers.
    pub deleting: bool,
}

/// The fields that are read; `managedFields`, which is most of an object, is passed over.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<v1::IngressSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<IgnoredAny>,
    annotations: Option<BTreeMap<String, String>>,
}

/// The fields that say which controller an Ingress belongs to. All others are passed over.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: HeadMetadata,
    #[serde(default)]
    spec: HeadSpec,
}

#[derive(Default, Deserialize)]
struct HeadMetadata {
    name: Option<String>,
    namespace: Option<String>,
    annotations: Option<HeadAnnotations>,
}

#[derive(Deserialize)]
struct HeadAnnotations {
    #[serde(rename = "kubernetes.io/ingress.class")]
    class: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadSpec {
    ingress_class_name: Option<String>,
}

/// An Ingress without anything but its name and its class, which takes little of any JSON. `None` when that cannot be
/// read.
pub fn ingress_head_json(text: &str, key: &Key) -> Option<Ingress> {
    let Head { metadata, spec } = serde_json::from_str(text).ok()?;
    let HeadMetadata { name, namespace, annotations } = metadata;
    let class = annotations.and_then(|annotations| annotations.class);
    let metadata = ObjectMeta {
        name: or(name, &key.name),
        namespace: or(namespace, &key.namespace),
        annotations: class.map(|class| BTreeMap::from([(CLASS.to_owned(), class)])),
        ..ObjectMeta::default()
    };
    let spec = v1::IngressSpec { ingress_class_name: spec.ingress_class_name, ..v1::IngressSpec::default() };
    ingress(&v1::Ingress { metadata, spec: Some(spec), status: None }, None, &Options::default()).ok()
}

/// Bytes of all annotations of an object, as the API server has it.
const ANNOTATIONS: usize = 256 << 10;

/// Translates an Ingress (networking.k8s.io/v1) from its JSON. `key` names it where it does not name itself.
pub fn ingress_json(text: &str, key: &Key, options: &Options) -> Result<Submitted, Report> {
    let mut json = serde_json::Deserializer::from_str(text);
    let object: Object = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let why = error.inner().to_string();
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        let object = ObjectRef { kind: Kind::Ingress, key: key.clone() };
        Report::new(&object, Severity::Error, "WrongType", format!("{why}: correct it")).at(field, None)
    })?;
    let Metadata { name, namespace, creation_timestamp, deletion_timestamp, annotations } = object.metadata;
    let size: usize = annotations.iter().flatten().map(|(key, text)| key.len() + text.len()).sum();
    if size > ANNOTATIONS {
        let object = ObjectRef { kind: Kind::Ingress, key: key.clone() };
        let message = "the annotations are larger than Kubernetes allows: make them shorter";
        let report = Report::new(&object, Severity::Error, "TooLarge", message);
        return Err(report.at("metadata.annotations", None));
    }
    let metadata = ObjectMeta {
        name: or(name, &key.name),
        namespace: or(namespace, &key.namespace),
        creation_timestamp,
        annotations,
        ..ObjectMeta::default()
    };
    let ingress = ingress(&v1::Ingress { metadata, spec: object.spec, status: None }, None, options)?;
    Ok(Submitted { ingress, deleting: deletion_timestamp.is_some() })
}

/// What the object does not say of its name the request does.
fn or(given: Option<String>, known: &str) -> Option<String> {
    given.filter(|given| !given.is_empty()).or_else(|| Some(known.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Submitted, Report> {
        ingress_json(text, &Key::new("shop", "web"), &Options::default())
    }

    #[test]
    fn what_the_object_does_not_say_the_request_does() {
        let text = r#"{"kind": "Ingress", "metadata": {"creationTimestamp": "1970-01-01T00:01:00Z", "managedFields": [7]}}"#;
        let Submitted { ingress, deleting } = read(text).unwrap();
        assert_eq!(
            (ingress.object.key, ingress.created, deleting),
            (Key::new("shop", "web"), Some(60), false)
        );
        let text = r#"{"metadata": {"name": "own", "namespace": "its", "deletionTimestamp": "1970-01-01T00:01:00Z"}}"#;
        let Submitted { ingress, deleting } = read(text).unwrap();
        assert_eq!((ingress.object.key, ingress.created, deleting), (Key::new("its", "own"), None, true));
    }

    #[test]
    fn the_head_has_name_and_class_whatever_else_there_is() {
        let head = |text: &str| {
            ingress_head_json(text, &Key::new("shop", "web"))
                .map(|head| (head.class_name, head.class_annotation))
        };
        let both = r#"{"metadata": {"annotations": {"a": 7, "kubernetes.io/ingress.class": "x"}},
            "spec": {"rules": 7, "ingressClassName": "y"}}"#;
        assert_eq!(head(both), Some((Some("y".into()), Some("x".into()))));
        assert_eq!(head("{}"), Some((None, None)));
        assert_eq!(head(r#"{"spec": {"ingressClassName": 7}}"#), None);
        assert_eq!(head(""), None);
    }

    #[test]
    fn annotations_have_the_bound_that_kubernetes_gives_them() {
        let with = |length| {
            read(&format!(r#"{{"metadata": {{"annotations": {{"ab": "{}"}}}}}}"#, "x".repeat(length)))
        };
        assert!(with(ANNOTATIONS - 2).is_ok());
        assert_eq!(with(ANNOTATIONS - 1).unwrap_err().reason, "TooLarge");
    }

    #[test]
    fn an_object_of_wrong_types_names_the_field() {
        for (text, field) in [
            (r#"{"spec": {"rules": [{}, {"host": 7}]}}"#, "spec.rules[1].host"),
            (r#"{"metadata": {"annotations": {"a/b": true}}}"#, "metadata.annotations.a/b"),
        ] {
            let report = read(text).unwrap_err();
            assert_eq!((report.field.as_deref(), report.reason), (Some(field), "WrongType"));
            assert!(!report.message.contains("line"), "{}", report.message);
        }
        for broken in ["", "7", "null", "[]", "{", &"[".repeat(1000)] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
