//! One object as it came: its name and version, and its text for whoever wants to know more.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Key;

/// An object whose name is known and whose rest is not read yet.
#[derive(Debug)]
pub(super) struct Item {
    /// Its namespace (empty for cluster-scoped kinds) and name.
    pub(super) key: Key,
    /// `metadata.resourceVersion`; empty when it has none.
    pub(super) version: String,
    raw: Box<RawValue>,
}

#[derive(Deserialize)]
struct Envelope {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    resource_version: String,
}

impl Item {
    /// Reads the name; the error says why there is none.
    pub(super) fn read(raw: Box<RawValue>) -> Result<Self, serde_json::Error> {
        let Envelope { metadata } = serde_json::from_str(raw.get())?;
        let Metadata { name, namespace, resource_version } = metadata;
        Ok(Self { key: Key::new(namespace, name), version: resource_version, raw })
    }

    /// The whole object as JSON.
    pub(super) fn text(&self) -> &str {
        self.raw.get()
    }
}
