//! One line of a watch -> what it says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::item::Item;
use super::trouble::{Refusal, Trouble};

/// The annotation of the bookmark that ends a streamed list.
const END_OF_LIST: &str = "k8s.io/initial-events-end";

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    /// This object is now so.
    Apply(Item),
    /// This object is gone.
    Delete(Item),
    /// Everything up to this version was sent.
    Bookmark {
        /// The version.
        version: String,
        /// The list that came first is complete.
        ends_list: bool,
    },
    /// Nothing of use; why.
    Useless(String),
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    object: Box<RawValue>,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Line {
    /// Reads a line. An error of the server is a trouble; an object without a name is useless.
    pub(super) fn read(line: &[u8]) -> Result<Self, Trouble> {
        let Event { r#type, object } =
            serde_json::from_slice(line).map_err(|error| Trouble::broken(&error))?;
        let item = |object| Item::read(object).map_err(|error| Self::Useless(format!("an object: {error}")));
        Ok(match r#type.as_str() {
            "ADDED" | "MODIFIED" => item(object).map_or_else(|useless| useless, Self::Apply),
            "DELETED" => item(object).map_or_else(|useless| useless, Self::Delete),
            "BOOKMARK" => {
                let mark = serde_json::from_str(object.get()).map_err(|error| Trouble::broken(&error))?;
                let Bookmark { metadata: Metadata { resource_version: version, annotations } } = mark;
                Self::Bookmark { version, ends_list: annotations.contains_key(END_OF_LIST) }
            }
            "ERROR" => {
                let refusal: Refusal = serde_json::from_str(object.get()).unwrap_or_default();
                return Err(Trouble::told(refusal));
            }
            other => Self::Useless(format!("an event of the unknown type {other:?}")),
        })
    }

    /// The version it brings.
    pub(super) fn version(&self) -> Option<&str> {
        let version = match self {
            Self::Apply(item) | Self::Delete(item) => &item.version,
            Self::Bookmark { version, .. } => version,
            Self::Useless(_) => return None,
        };
        Some(version.as_str()).filter(|version| !version.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        let read = |text: &str| Line::read(text.as_bytes());
        let object = r#"{"metadata": {"name": "a", "namespace": "n", "resourceVersion": "7"}}"#;
        let line = read(&format!(r#"{{"type": "MODIFIED", "object": {object}}}"#)).unwrap();
        assert_eq!(line.version(), Some("7"));
        assert!(matches!(line, Line::Apply(item) if item.key.to_string() == "n/a"));
        let line = read(&format!(r#"{{"object": {object}, "type": "DELETED"}}"#)).unwrap();
        assert!(matches!(line, Line::Delete(_)));
        let mark =
            r#"{"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}"#;
        let line = read(&format!(r#"{{"type": "BOOKMARK", "object": {mark}}}"#)).unwrap();
        assert!(
            matches!(line, Line::Bookmark { ref version, ends_list: true } if version == "9"),
            "{line:?}"
        );
        let gone = read(r#"{"type": "ERROR", "object": {"kind": "Status", "code": 410}}"#);
        assert_eq!(gone.unwrap_err(), Trouble::Gone);
        assert!(matches!(read(r#"{"type": "ERROR", "object": "?"}"#), Err(Trouble::Server { code: 0, .. })));
        assert!(matches!(read(r#"{"type": "PARTY", "object": {}}"#), Ok(Line::Useless(_))));
        assert!(matches!(read(r#"{"type": "ADDED", "object": {"metadata": {}}}"#), Ok(Line::Useless(_))));
        assert!(matches!(read("<html>"), Err(Trouble::Broken(_))));
    }
}
