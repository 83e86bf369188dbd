//! Namespace -> its name and labels.

use k8s_openapi::api::core::v1;

use super::cluster_wide;
use crate::model::selector::Labels;
use crate::model::{Kind, Name, Report};

/// The label that every Namespace of a cluster has: its name.
const NAME: &str = "kubernetes.io/metadata.name";

/// Translates a Namespace. The label that an API server adds is there also for one from a file.
pub fn namespace(object: &v1::Namespace) -> Result<(Name, Labels), Report> {
    let name = cluster_wide(Kind::Namespace, &object.metadata)?.key.name;
    let mut labels = object.metadata.labels.clone().unwrap_or_default();
    labels.insert(NAME.to_owned(), name.to_string());
    Ok((name, labels))
}
