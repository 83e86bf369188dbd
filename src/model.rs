//! What is known of the cluster at one instant, as plain values: no I/O, no clock.

pub mod certificate;
pub mod freshness;
pub mod health;
pub mod list;
pub mod log;
pub mod map;
pub mod node;
pub mod pod;
pub mod policy;
pub mod route;
pub mod selector;
pub mod service;
pub mod settings;
pub mod status;

use std::fmt;
use std::sync::Arc;

use certificate::Secret;
use map::Map;
use node::{Node, ServiceRange};
use pod::Pod;
use route::{Ingress, IngressClass};
use selector::Labels;
use service::{EndpointSet, Service};
use settings::Settings;
use status::IngressStatus;

/// An interned name. Cheap to clone, compared by content.
pub type Name = Arc<str>;

/// A kind of Kubernetes object that Slipway reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// networking.k8s.io/v1 (or an old v1beta1) Ingress.
    Ingress,
    /// networking.k8s.io/v1 IngressClass.
    IngressClass,
    /// v1 Service.
    Service,
    /// v1 Endpoints, the old form of `EndpointSlice`.
    Endpoints,
    /// discovery.k8s.io/v1 `EndpointSlice`.
    EndpointSlice,
    /// v1 Secret.
    Secret,
    /// v1 ConfigMap.
    ConfigMap,
    /// v1 Namespace.
    Namespace,
    /// v1 Node.
    Node,
    /// v1 Pod.
    Pod,
    /// networking.k8s.io/v1 ServiceCIDR.
    ServiceCIDR,
    /// Not an object: a file of a manifest directory, named by its path.
    File,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Namespace and name. The namespace of a cluster-scoped object is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: Name,
    /// Name within the namespace.
    pub name: Name,
}

impl Key {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Parses `namespace/name`, the form that flags and annotations use.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        let fine = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
        fine.then(|| Self::new(namespace, name))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Names one object: kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The object's kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub key: Key,
}

impl ObjectRef {
    /// A reference from kind, namespace and name.
    pub fn new(kind: Kind, namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self { kind, key: Key::new(namespace, name) }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path of the file, relative to the manifest directory.
    pub file: Name,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where an object was read from a file, with the places of the fields that reports point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where the object starts.
    pub place: Place,
    /// Field path (`metadata.annotations.KEY`, `spec.rules[0].http.paths[1].path`, ...), line, column;
    /// sorted by path.
    pub fields: Box<[(Box<str>, u32, u32)]>,
}

impl Origin {
    /// The place of a field, else that of its nearest known parent, else the object's start.
    pub fn locate(&self, field: Option<&str>) -> Place {
        let mut path = field.unwrap_or_default();
        while !path.is_empty() {
            if let Ok(at) = self.fields.binary_search_by(|(known, ..)| known.as_ref().cmp(path)) {
                let (_, line, column) = self.fields[at];
                return Place { file: self.place.file.clone(), line, column };
            }
            path = path.rfind(['.', '[']).map_or("", |cut| &path[..cut]);
        }
        self.place.clone()
    }
}

/// How much a report matters to the object's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; everything asked for is in force.
    Note,
    /// Something asked for is ignored or replaced by a default; the rest is served.
    Warning,
    /// Something is refused: a path, a host, a certificate or the whole object.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What to tell an object's owner: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Report {
    /// Whose owner is told.
    pub object: ObjectRef,
    /// How much it matters.
    pub severity: Severity,
    /// CamelCase, fit for a Kubernetes Event: `ServiceNotFound`.
    pub reason: &'static str,
    /// The field that caused it, as a path.
    pub field: Option<String>,
    /// The place in a file, when the object came from one.
    pub place: Option<Place>,
    /// What is wrong and what happens instead, then what to do.
    pub message: String,
}

impl Report {
    /// A report without field and place.
    pub fn new(
        object: &ObjectRef,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { object: object.clone(), severity, reason, field: None, place: None, message: message.into() }
    }

    /// Adds the field, and its place when the object came from a file.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>, origin: Option<&Arc<Origin>>) -> Self {
        let field = field.into();
        self.place = origin.map(|o| o.locate(Some(&field)));
        self.field = Some(field);
        self
    }

    /// Adds the place of the whole object.
    #[must_use]
    pub fn of(mut self, origin: Option<&Arc<Origin>>) -> Self {
        self.place = origin.map(|o| o.locate(None));
        self
    }
}

impl Report {
    /// Whose report it is, to go before the message; empty where the place has named the file already.
    pub fn subject(&self) -> String {
        match (self.object.kind, &self.place) {
            (Kind::File, Some(_)) => String::new(),
            (Kind::File, None) => format!("{}: ", self.object.key),
            _ => format!("{}: ", self.object),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}{}", self.severity, self.subject(), self.message)
    }
}

/// All that is known of the cluster at one instant. Cloning shares everything.
///
/// Maps share what they have in common, so that two snapshots tell quickly what changed between them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every Ingress, by key.
    pub ingresses: Map<Key, Arc<Ingress>>,
    /// Every IngressClass, by name.
    pub classes: Map<Name, Arc<IngressClass>>,
    /// Every Service, by key.
    pub services: Map<Key, Arc<Service>>,
    /// The endpoints of each Service, by the Service's key. `EndpointSlice`s where there are any, else
    /// the Endpoints object; sorted by object name.
    pub endpoints: Map<Key, Arc<[Arc<EndpointSet>]>>,
    /// Every Secret that may be a certificate, by key.
    pub secrets: Map<Key, Arc<Secret>>,
    /// What the API server shows about each Ingress, by key; empty for a directory.
    pub statuses: Map<Key, Arc<IngressStatus>>,
    /// The labels of each Namespace that is known, by its name.
    pub namespaces: Map<Name, Arc<Labels>>,
    /// The Nodes that are read, by name: with an API server only the one this runs on.
    pub nodes: Map<Name, Arc<Node>>,
    /// The Pods that are read, by key: only for DNS that verifies them.
    pub pods: Map<Key, Arc<Pod>>,
    /// The ranges that Service addresses come from, by the name of their ServiceCIDR.
    pub service_ranges: Map<Name, Arc<ServiceRange>>,
    /// The global settings (ConfigMap and `--set`).
    pub settings: Arc<Settings>,
    /// What the sources have to report: broken files, objects that could not be translated.
    pub reports: Arc<Vec<Report>>,
}
