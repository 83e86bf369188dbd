//! One document -> objects: finds the kind, decodes it, has it translated.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::Options;
use super::decode::{decode, misquoted};
use super::node::{At, Data, Node, place};
use crate::model::{Kind, Name, ObjectRef, Origin, Report, Severity};
use crate::store::Object;
use crate::translate::{self, DEFAULT_NAMESPACE};

/// What became of one object of a document.
pub(super) enum Outcome {
    /// It can be kept.
    Kept {
        /// Its name.
        name: ObjectRef,
        /// Where it stands.
        at: At,
        /// What to keep: for the settings' ConfigMap two things.
        objects: Vec<Object>,
        /// What to tell its owner.
        reports: Vec<Report>,
    },
    /// It cannot be read.
    Broken {
        /// Its name, when at least that can be read.
        name: Option<ObjectRef>,
        /// Why, and what to do.
        reports: Vec<Report>,
    },
    /// A kind that is of no use here.
    Ignored(String),
}

/// Reads all objects of a document.
pub(super) fn read(node: Node, file: &Name, options: &Options) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    expand(node, None, &Reader { file, options }, &mut outcomes);
    outcomes
}

/// apiVersion and kind.
#[derive(Clone)]
struct Type {
    version: String,
    kind: String,
}

/// Follows lists into their items; those of a typed list need not repeat their type.
fn expand(mut node: Node, inherited: Option<&Type>, reader: &Reader<'_>, outcomes: &mut Vec<Outcome>) {
    let own = |field: &str| node.find(field).and_then(Node::text).map(str::to_owned);
    let (version, kind) = match (own("apiVersion"), own("kind"), inherited) {
        (version, Some(kind), _) => (version.unwrap_or_default(), kind),
        (_, None, Some(inherited)) => (inherited.version.clone(), inherited.kind.clone()),
        (_, None, None) => {
            outcomes.push(reader.nothing(&node));
            return;
        }
    };
    let listed = kind.strip_suffix("List").filter(|_| node.find("items").is_some());
    let Some(item_kind) = listed else {
        outcomes.push(reader.object(&node, &Type { version, kind }));
        return;
    };
    let inherited = (!item_kind.is_empty()).then(|| Type { version, kind: item_kind.to_owned() });
    let Data::Map(entries) = &mut node.data else { return };
    let items = entries.iter_mut().find(|entry| entry.name == "items").map(|entry| &mut entry.value.data);
    if let Some(Data::List(items)) = items {
        for item in std::mem::take(items) {
            expand(item, inherited.as_ref(), reader, outcomes);
        }
    }
}

/// What a known type is read as.
fn known(of: &Type) -> Result<Option<Kind>, String> {
    let (group, version) = of.version.split_once('/').unwrap_or(("", &of.version));
    let (kind, home, versions): (Kind, &str, &[&str]) = match of.kind.as_str() {
        "Ingress" if group == "extensions" => (Kind::Ingress, "extensions", &["v1beta1"]),
        "Ingress" => (Kind::Ingress, "networking.k8s.io", &["v1", "v1beta1"]),
        "IngressClass" => (Kind::IngressClass, "networking.k8s.io", &["v1", "v1beta1"]),
        "EndpointSlice" => (Kind::EndpointSlice, "discovery.k8s.io", &["v1", "v1beta1"]),
        "Service" => (Kind::Service, "", &["v1"]),
        "Endpoints" => (Kind::Endpoints, "", &["v1"]),
        "Secret" => (Kind::Secret, "", &["v1"]),
        "ConfigMap" => (Kind::ConfigMap, "", &["v1"]),
        "Namespace" => (Kind::Namespace, "", &["v1"]),
        "Node" => (Kind::Node, "", &["v1"]),
        "Pod" => (Kind::Pod, "", &["v1"]),
        "ServiceCIDR" => (Kind::ServiceCIDR, "networking.k8s.io", &["v1", "v1beta1"]),
        _ => return Ok(None),
    };
    if group == home && versions.contains(&version) {
        return Ok(Some(kind));
    }
    // The same word in another group (a Service of Knative) is another kind.
    if group != home && !of.version.is_empty() {
        return Ok(None);
    }
    let right = if home.is_empty() { versions[0].to_owned() } else { format!("{home}/{}", versions[0]) };
    if of.version.is_empty() {
        return Err(format!("has no apiVersion: write \"apiVersion: {right}\""));
    }
    Err(format!("apiVersion \"{}\" is not one of {}: write \"{right}\"", of.version, of.kind))
}

/// The kind that was most likely meant by a word one letter away from it, in the same group.
fn misspelt(of: &Type) -> Option<&'static str> {
    let kinds: &[&str] = match of.version.split_once('/').unwrap_or(("", &of.version)).0 {
        "" => &["Service", "Endpoints", "Secret", "ConfigMap", "Namespace", "Pod"],
        "discovery.k8s.io" => &["EndpointSlice"],
        "networking.k8s.io" | "extensions" => &["Ingress", "IngressClass"],
        _ => &[],
    };
    let word = of.kind.to_lowercase();
    let near = |kind: &&&str| strsim::damerau_levenshtein(&word, &kind.to_lowercase()) <= 1;
    kinds.iter().find(near).copied()
}

struct Reader<'a> {
    file: &'a Name,
    options: &'a Options,
}

impl Reader<'_> {
    /// A document that is no object at all.
    fn nothing(&self, node: &Node) -> Outcome {
        let message = match &node.data {
            Data::Map(_) => {
                "has no \"kind\", so it is no Kubernetes object: add apiVersion and kind, or move it elsewhere"
            }
            _ => "is no Kubernetes object: write apiVersion, kind and metadata, or move it elsewhere",
        };
        let report = Report::new(&self.file_object(), Severity::Warning, "NotAnObject", message);
        Outcome::Broken {
            name: None,
            reports: vec![Report { place: Some(place(self.file, node.at)), ..report }],
        }
    }

    /// A kind that is of no use here, or one that is written wrongly.
    fn ignored(&self, node: &Node, of: &Type) -> Outcome {
        let Some(meant) = misspelt(of) else { return Outcome::Ignored(of.kind.clone()) };
        let message = format!("kind \"{}\" is not known: write \"{meant}\"", of.kind);
        let report = Report::new(&self.file_object(), Severity::Error, "UnknownKind", message);
        let at = node.entry("kind").map_or(node.at, |entry| entry.at);
        Outcome::Broken { name: None, reports: vec![Report { place: Some(place(self.file, at)), ..report }] }
    }

    fn object(&self, node: &Node, of: &Type) -> Outcome {
        let kind = match known(of) {
            Ok(Some(kind)) => kind,
            Ok(None) => return self.ignored(node, of),
            Err(message) => {
                let report = Report::new(&self.file_object(), Severity::Error, "UnknownApiVersion", message);
                let at = node.entry("apiVersion").map_or(node.at, |entry| entry.at);
                let report = Report { place: Some(place(self.file, at)), ..report };
                return Outcome::Broken { name: None, reports: vec![report] };
            }
        };
        let origin = Arc::new(node.origin(self.file));
        let name = match name_of(node, kind) {
            Ok(name) => name,
            Err(report) => {
                return Outcome::Broken {
                    name: None,
                    reports: vec![report.at("metadata.name", Some(&origin))],
                };
            }
        };
        let misquoted = misquoted(node, &name, &origin);
        if !misquoted.is_empty() {
            return Outcome::Broken { name: Some(name), reports: misquoted };
        }
        let at = node.at;
        match self.translate(node, &name, of, &origin) {
            Ok((objects, reports)) => Outcome::Kept { name, at, objects, reports },
            Err(report) => {
                // Reports of translation name fields, those of decoding have their place already.
                let report = if report.place.is_none() { report.of(Some(&origin)) } else { report };
                Outcome::Broken { name: Some(name), reports: vec![report] }
            }
        }
    }

    fn translate(
        &self,
        node: &Node,
        name: &ObjectRef,
        of: &Type,
        origin: &Arc<Origin>,
    ) -> Result<(Vec<Object>, Vec<Report>), Report> {
        let own = Some(origin.clone());
        let one = |object| (vec![object], Vec::new());
        Ok(match name.kind {
            Kind::Ingress => one(self.ingress(node, name, of, origin)?),
            Kind::IngressClass => {
                let object: networking::IngressClass = decode(node, name, origin)?;
                one(Object::IngressClass(translate::ingress_class(&object)?))
            }
            Kind::Service => {
                let object: core::Service = decode(node, name, origin)?;
                let (service, reports) = translate::service(&object, own)?;
                (vec![Object::Service(service)], reports)
            }
            Kind::EndpointSlice => {
                let object: discovery::EndpointSlice = decode(node, name, origin)?;
                let (set, reports) = translate::endpoint_slice(&object, Some(origin))?;
                let service = set.service.clone();
                let sets = if set.endpoints.is_empty() { Vec::new() } else { vec![set] };
                (vec![Object::Endpoints { service, object: name.clone(), sets }], reports)
            }
            Kind::Endpoints => {
                let object: core::Endpoints = decode(node, name, origin)?;
                let (sets, reports) = translate::endpoints(&object, Some(origin))?;
                (vec![Object::Endpoints { service: name.key.clone(), object: name.clone(), sets }], reports)
            }
            Kind::Secret => {
                let object: core::Secret = decode(node, name, origin)?;
                let secret = translate::secret(&object, own)?;
                one(secret.map_or_else(|| Object::Counted(name.clone()), Object::Secret))
            }
            Kind::ConfigMap if self.options.configmap.as_ref() == Some(&name.key) => {
                let object: core::ConfigMap = decode(node, name, origin)?;
                let data = object.data.unwrap_or_default();
                let (settings, reports) = translate::settings::settings(&data, &self.options.overrides, name);
                let own = reports.into_iter().filter(|report| report.object == *name);
                let placed = own
                    .map(|report| Report { place: Some(origin.locate(report.field.as_deref())), ..report });
                (vec![Object::Settings(settings), Object::Counted(name.clone())], placed.collect())
            }
            Kind::Namespace => {
                let object: core::Namespace = decode(node, name, origin)?;
                let (name, labels) = translate::namespace(&object)?;
                one(Object::Namespace { name, labels })
            }
            Kind::Node => {
                let object: core::Node = decode(node, name, origin)?;
                let (node, reports) = translate::node(&object, own)?;
                (vec![Object::Node(node)], reports)
            }
            Kind::ServiceCIDR => {
                let object: networking::ServiceCIDR = decode(node, name, origin)?;
                let (range, reports) = translate::service_range(&object, own.as_ref())?;
                (vec![Object::ServiceRange(range)], reports)
            }
            Kind::Pod => {
                let object: Pod = decode(node, name, origin)?;
                one(translate::pod(&object.into())?.map_or_else(Object::Counted, Object::Pod))
            }
            Kind::ConfigMap | Kind::File => one(Object::Counted(name.clone())),
        })
    }

    fn ingress(
        &self,
        node: &Node,
        name: &ObjectRef,
        of: &Type,
        origin: &Arc<Origin>,
    ) -> Result<Object, Report> {
        let beta = of.version.ends_with("/v1beta1");
        let mut told = Vec::new();
        let object: networking::Ingress = if beta {
            let (value, changes) = translate::upgrade_v1beta1(node.to_value());
            told = changes;
            super::decode::value(value, None, name, origin)?
        } else {
            decode(node, name, origin)?
        };
        let mut ingress = translate::ingress(&object, Some(origin.clone()), &self.options.translate)?;
        ingress.reports.extend(told.into_iter().map(|(field, message)| {
            Report::new(name, Severity::Warning, "OldApiVersion", message).at(field, Some(origin))
        }));
        Ok(Object::Ingress(ingress))
    }

    fn file_object(&self) -> ObjectRef {
        file_object(self.file)
    }
}

/// What of a Pod matters here: what else is wrong with it is not for us to tell.
#[derive(Deserialize)]
struct Pod {
    metadata: ObjectMeta,
    status: Option<core::PodStatus>,
}

impl From<Pod> for core::Pod {
    fn from(Pod { metadata, status }: Pod) -> Self {
        Self { metadata, status, ..Self::default() }
    }
}

/// The object's name, read before anything else so that a broken object is known by it.
fn name_of(node: &Node, kind: Kind) -> Result<ObjectRef, Report> {
    let metadata = node.find("metadata");
    let text = |field: &str| {
        let found = metadata.and_then(|m| m.find(field)).map(|n| &n.data);
        match found {
            Some(Data::Text(text)) => Some(text.clone()),
            Some(Data::Scalar(Value::Null, _)) | None => None,
            // Wrong, and told as such when the object is decoded; but it names the object.
            Some(Data::Scalar(_, text)) => Some(text.to_string()),
            Some(_) => Some(String::new()),
        }
    };
    let cluster_wide = matches!(kind, Kind::IngressClass | Kind::Namespace | Kind::Node | Kind::ServiceCIDR);
    let namespace = if cluster_wide {
        String::new()
    } else {
        text("namespace").filter(|n| !n.is_empty()).unwrap_or_else(|| DEFAULT_NAMESPACE.into())
    };
    let name = text("name").unwrap_or_default();
    let object = ObjectRef::new(kind, namespace.as_str(), name.as_str());
    let fine = |part: &str| {
        part.len() <= 253 && !part.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
    };
    let message = if name.is_empty() {
        "metadata.name is missing: add it"
    } else if !fine(&name) || !fine(&namespace) {
        "metadata.name or metadata.namespace is no Kubernetes name: use lower-case letters, digits, '-' and '.'"
    } else {
        return Ok(object);
    };
    let unnamed = ObjectRef::new(kind, "", if name.is_empty() { "(unnamed)" } else { "(misnamed)" });
    Err(Report::new(&unnamed, Severity::Error, "NameMissing", message))
}

/// The object that reports about a file as a whole name.
pub(super) fn file_object(file: &Name) -> ObjectRef {
    ObjectRef::new(Kind::File, "", file.clone())
}
