//! A tree -> a Kubernetes object, with the place of whatever has the wrong type.

use std::fmt::Write;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::node::{Data, Node};
use crate::model::{Kind, ObjectRef, Origin, Report, Severity};

/// Decodes an object.
pub(super) fn decode<T: DeserializeOwned>(
    node: &Node,
    name: &ObjectRef,
    origin: &Arc<Origin>,
) -> Result<T, Report> {
    // Nearly every object is right; only for one that is not, the way to its fault is followed.
    if let Ok(object) = T::deserialize(node) {
        return Ok(object);
    }
    value(node.to_value(), Some(node), name, origin)
}

/// Decodes an object from its plain value; `shape` is the tree it came from.
pub(super) fn value<T: DeserializeOwned>(
    mut value: Value,
    shape: Option<&Node>,
    name: &ObjectRef,
    origin: &Arc<Origin>,
) -> Result<T, Report> {
    fill_empty(&mut value);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = field_path(error.path());
        let found = shape.and_then(|node| follow(node, error.path()));
        let mut message = explain(&error.inner().to_string(), found, name.kind == Kind::Secret);
        // How the port was written in v1beta1, and what most people try.
        if let (true, Some(Data::Scalar(_, text))) = (field.ends_with("service.port"), found.map(|n| &n.data))
        {
            message = message.replace(": correct it", &format!(": write {{number: {text}}}"));
        }
        let subject = if field.is_empty() { "the object".to_owned() } else { field.clone() };
        let message = format!("{subject}: {message}");
        Report::new(name, Severity::Error, "WrongType", message).at(field, Some(origin))
    })
}

/// Values of annotations, labels and data that are not text although kubectl wants text there.
pub(super) fn misquoted(node: &Node, name: &ObjectRef, origin: &Arc<Origin>) -> Vec<Report> {
    let metadata = node.find("metadata");
    let inner = |field: &str| metadata.and_then(|m| m.find(field));
    let maps = [
        ("metadata.annotations", inner("annotations")),
        ("metadata.labels", inner("labels")),
        ("data", node.find("data")),
        ("stringData", node.find("stringData")),
    ];
    let is_secret = name.kind == Kind::Secret;
    let entries =
        maps.iter().flat_map(|(path, map)| map.iter().flat_map(|m| m.entries()).map(move |e| (path, e)));
    let wrong = entries.filter(|(_, entry)| !entry.value.is_null() && entry.value.text().is_none());
    wrong
        .map(|(path, entry)| {
            let message = match &entry.value.data {
                Data::Scalar(..) if is_secret => {
                    format!(
                        "{} is {} where text is needed: put it in quotes",
                        entry.name,
                        entry.value.describe()
                    )
                }
                Data::Scalar(_, text) => format!(
                    "{}: {text} is {} where text is needed: put it in quotes, \"{text}\"",
                    entry.name,
                    entry.value.describe()
                ),
                _ => format!("{} is {} where text is needed", entry.name, entry.value.describe()),
            };
            let field = format!("{path}.{}", entry.name);
            Report::new(name, Severity::Error, "WrongType", message).at(field, Some(origin))
        })
        .collect()
}

/// An entry without a value is empty text in Go's JSON, but an error to serde.
fn fill_empty(value: &mut Value) {
    for path in ["/metadata/annotations", "/metadata/labels", "/data", "/stringData"] {
        let map = value.pointer_mut(path).and_then(Value::as_object_mut);
        for (_, entry) in map.into_iter().flatten().filter(|(_, entry)| entry.is_null()) {
            *entry = Value::String(String::new());
        }
    }
}

/// `spec.rules[0].host`, as [`Origin`] writes it.
fn field_path(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                let _ = write!(text, "[{index}]"); // writing to a String cannot fail
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    text
}

fn follow<'a>(node: &'a Node, path: &Path) -> Option<&'a Node> {
    let mut at = node;
    for segment in path {
        at = match (segment, &at.data) {
            (Segment::Seq { index }, Data::List(items)) => items.get(*index)?,
            (Segment::Map { key }, Data::Map(_)) => at.find(key)?,
            _ => return None,
        };
    }
    Some(at)
}

/// Says what stands there and what should, and never a value of a Secret.
fn explain(error: &str, found: Option<&Node>, is_secret: bool) -> String {
    let wanted = error.rsplit_once("expected ").map(|(_, wanted)| match wanted {
        "a string" => "text",
        "i32" | "i64" | "u16" | "u32" | "u64" | "usize" => "a number",
        "a boolean" => "true or false",
        "a map" => "a map",
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other.chars().next().is_some_and(char::is_uppercase) => {
            "a map"
        }
        other => other,
    });
    match (wanted, found) {
        (Some(wanted), Some(found)) if !error.starts_with("missing") => {
            let hint = match (wanted, &found.data) {
                ("text", Data::Scalar(value, _)) if !value.is_null() => ": put it in quotes",
                ("a number", Data::Text(text)) if text.parse::<f64>().is_err() => ": write digits",
                ("a number" | "true or false", Data::Text(_)) => ": write it without quotes",
                _ => ": correct it",
            };
            format!("{} stands where {wanted} is needed{hint}", found.describe())
        }
        _ if is_secret => {
            "is not valid base64, or has the wrong type: use stringData for plain text".to_owned()
        }
        _ => format!("{error}: correct it"),
    }
}
