//! Kubernetes objects become model values: everything that can be wrong with one is found and told here.
//!
//! A function returns `Err` only when nothing of the object can be kept. What can be kept is kept, and what was ignored
//! or replaced comes back as reports, each naming its field and, for objects from files, its place.

pub mod annotation;
mod class;
mod endpoints;
pub mod ingress;
mod json;
mod namespace;
mod node;
mod pod;
mod secret;
mod service;
pub mod settings;
mod v1beta1;
mod value;

pub use class::ingress_class;
pub use endpoints::{endpoint_slice, endpoints};
pub use ingress::ingress;
pub use json::{Submitted, ingress_head_json, ingress_json};
pub use namespace::namespace;
pub use node::{node, service_range};
pub use pod::pod;
pub use secret::secret;
pub use service::service;
pub use v1beta1::upgrade as upgrade_v1beta1;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::{Kind, ObjectRef, Report, Severity};

/// How objects are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the names of Slipway's annotations start with, without the slash.
    pub annotations_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { annotations_prefix: "nginx.ingress.kubernetes.io".into() }
    }
}

/// The namespace of an object that names none, as kubectl has it.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Names a namespaced object.
fn namespaced(kind: Kind, metadata: &ObjectMeta) -> Result<ObjectRef, Report> {
    let namespace = metadata.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(DEFAULT_NAMESPACE);
    named(kind, namespace, metadata)
}

/// Names an object that belongs to no namespace.
fn cluster_wide(kind: Kind, metadata: &ObjectMeta) -> Result<ObjectRef, Report> {
    named(kind, "", metadata)
}

fn named(kind: Kind, namespace: &str, metadata: &ObjectMeta) -> Result<ObjectRef, Report> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let object = ObjectRef::new(kind, namespace, name);
    if name.is_empty() {
        return Err(Report::new(&object, Severity::Error, "NameMissing", "metadata.name is missing: add it"));
    }
    Ok(object)
}
