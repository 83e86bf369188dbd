//! A document as a tree in which every key and value knows its place.

use serde_json::{Map, Value};

use crate::model::{Name, Origin, Place};

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Why text is not a tree, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) what: String,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) data: Data,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Data {
    /// Null, a boolean or a number, with the text it was written as.
    Scalar(Value, Box<str>),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map; no name occurs twice.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) value: Node,
}

impl Node {
    /// The entries, when this is a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of that name, when this is a map that has it.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name == name)
    }

    /// The value of that name, when this is a map that has it.
    pub(super) fn find(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The text, when this is text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(Value::Null, _))
    }

    /// What this is, for people.
    pub(super) fn describe(&self) -> &'static str {
        match &self.data {
            Data::Scalar(Value::Null, _) => "nothing",
            Data::Scalar(Value::Bool(_), _) => "a boolean",
            Data::Scalar(..) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// How deep the tree is; a scalar is 1.
    pub(super) fn depth(&self) -> usize {
        let below = match &self.data {
            Data::List(items) => items.iter().map(Node::depth).max(),
            Data::Map(entries) => entries.iter().map(|entry| entry.value.depth()).max(),
            _ => None,
        };
        1 + below.unwrap_or(0)
    }

    /// How much memory a copy costs, in nodes: a long text counts as several.
    pub(super) fn weight(&self) -> usize {
        1 + match &self.data {
            Data::List(items) => items.iter().map(Node::weight).sum(),
            Data::Map(entries) => entries.iter().map(|e| 1 + e.name.len() / 64 + e.value.weight()).sum(),
            Data::Text(text) => text.len() / 64,
            Data::Scalar(..) => 0,
        }
    }

    /// The plain value, without places.
    pub(super) fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value, _) => value.clone(),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Data::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.name.clone(), entry.value.to_value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// The places of the fields that reports point to. Status, labels and bookkeeping are left out.
    pub(super) fn origin(&self, file: &Name) -> Origin {
        let mut fields = Fields { path: String::new(), found: Vec::new() };
        for entry in self.entries() {
            match entry.name.as_str() {
                "metadata" => fields.inside(&["metadata"], |fields| {
                    fields.push(entry.at);
                    let wanted = ["name", "namespace", "annotations", "labels", "creationTimestamp"];
                    for inner in entry.value.entries().iter().filter(|e| wanted.contains(&e.name.as_str())) {
                        fields.inside(&[".", &inner.name], |fields| fields.collect(inner.at, &inner.value));
                    }
                }),
                "status" => {}
                name => fields.inside(&[name], |fields| fields.collect(entry.at, &entry.value)),
            }
        }
        let mut fields = fields.found;
        fields.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Origin { place: place(file, self.at), fields: fields.into() }
    }
}

/// A place in a file.
pub(super) fn place(file: &Name, at: At) -> Place {
    Place { file: file.clone(), line: at.line, column: at.column }
}

/// Gathers the places of fields.
struct Fields {
    /// Where the walk is.
    path: String,
    found: Vec<(Box<str>, u32, u32)>,
}

impl Fields {
    /// Does something one step deeper.
    fn inside(&mut self, step: &[&str], what: impl FnOnce(&mut Self)) {
        let outside = self.path.len();
        self.path.extend(step.iter().copied());
        what(self);
        self.path.truncate(outside);
    }

    fn push(&mut self, at: At) {
        self.found.push((self.path.as_str().into(), at.line, at.column));
    }

    fn collect(&mut self, at: At, node: &Node) {
        match &node.data {
            Data::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let index = index.to_string();
                    self.inside(&["[", &index, "]"], |fields| fields.collect(item.at, item));
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    self.inside(&[".", &entry.name], |fields| fields.collect(entry.at, &entry.value));
                }
            }
            _ => {}
        }
        self.push(at);
    }
}
