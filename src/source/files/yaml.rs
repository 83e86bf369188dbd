//! YAML text -> trees with places.
//!
//! A file is cut at its `---` lines first, which YAML allows nowhere else at the start of a line: so a document that
//! cannot be read does not hide those after it. Plain words are read as kubectl reads them (`yes` and `on` are
//! booleans, `0777` is octal), so that what kubectl refuses is refused here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Number, Value};

use super::node::{At, Data, Entry, Fault, Node};

/// How deep a document may be.
const MAX_DEPTH: usize = 128;
/// How much the anchors and aliases of one document may copy, in [`Node::weight`]: a few lines of YAML could
/// otherwise ask for more memory than there is.
const MAX_COPIES: usize = 100_000;

/// A part of a file that holds one document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    /// Lines of the file before this part.
    pub(super) lines_before: u32,
}

/// Cuts a file at its `---` lines.
pub(super) fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut at, mut line) = (0, 0, 0, 0);
    for full in text.split_inclusive('\n') {
        let marker = full
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && at > start {
            parts.push(Part { text: &text[start..at], lines_before: start_line });
            (start, start_line) = (at, line);
        }
        at += full.len();
        line += 1;
    }
    parts.push(Part { text: &text[start..], lines_before: start_line });
    parts.retain(|part| !is_blank(part.text));
    parts
}

/// Only comments, directives and markers.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| {
        line.is_empty() || line.starts_with('#') || line.starts_with('%') || line == "---" || line == "..."
    })
}

/// Reads the documents of a part: those before a fault, and the fault.
pub(super) fn parse(part: Part<'_>) -> (Vec<Node>, Option<Fault>) {
    let mut documents = Vec::new();
    let mut builder = Builder::new(part.lines_before);
    let mut parser = Parser::new_from_str(part.text);
    let fault = builder.run(&mut parser, &mut documents).err().map(|fault| at_tab(fault, part));
    documents.retain(|node| !node.is_null());
    (documents, fault)
}

/// The parser names the word before a forbidden tab; people look for the tab.
fn at_tab(fault: Fault, part: Part<'_>) -> Fault {
    if !fault.what.contains("tab") {
        return fault;
    }
    let lines = (1..).zip(part.text.lines()).map(|(number, line)| (number + part.lines_before, line));
    let tab = lines.skip_while(|(number, _)| *number < fault.at.line).find_map(|(number, line)| {
        let indent = line.bytes().take_while(|b| matches!(b, b' ' | b'\t'));
        indent.zip(1..).find(|(byte, _)| *byte == b'\t').map(|(_, column)| At { line: number, column })
    });
    Fault { at: tab.unwrap_or(fault.at), what: "a tab stands in the indentation".into() }
}

/// Puts events together to trees, without recursion.
struct Builder {
    lines_before: u32,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied: usize,
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, At)>,
    merged: Vec<Node>,
}

impl Builder {
    fn new(lines_before: u32) -> Self {
        Self { lines_before, open: Vec::new(), anchors: HashMap::new(), copied: 0 }
    }

    fn run<'a>(
        &mut self,
        parser: &mut Parser<'a, StrInput<'a>>,
        documents: &mut Vec<Node>,
    ) -> Result<(), Fault> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            documents.extend(self.event(event, span)?);
        }
        Ok(())
    }

    /// Takes one event; gives a tree when it ends the outermost one.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Fault> {
        let at = self.at(&span.start);
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.copied = 0;
                Ok(None)
            }
            Event::MappingStart(anchor, _) => self.begin(at, Data::Map(Vec::new()), anchor),
            Event::SequenceStart(anchor, _) => self.begin(at, Data::List(Vec::new()), anchor),
            Event::Scalar(text, style, anchor, tag) => {
                let data = scalar(text, style, tag.as_deref());
                self.finish(Node { at, data }, anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Fault {
                        at,
                        what: "the alias stands inside what it refers to: write it out".into(),
                    });
                };
                let mut copy = node.clone();
                copy.at = at;
                self.charge(&copy, at)?;
                self.finish(copy, 0)
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(done) = self.open.pop() else { return Ok(None) };
                unique(done.node.entries())?;
                let node = merge(done.node, done.merged)?;
                self.finish(node, done.anchor)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(None),
        }
    }

    fn begin(&mut self, at: At, data: Data, anchor: usize) -> Result<Option<Node>, Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault {
                at,
                what: format!("nested deeper than {MAX_DEPTH} levels: make it flatter"),
            });
        }
        if let Some(Open { node: Node { data: Data::Map(_), .. }, key: None, .. }) = self.open.last() {
            return Err(Fault { at, what: "a key must be plain text: quote it if it holds { or [".into() });
        }
        self.open.push(Open { node: Node { at, data }, anchor, key: None, merged: Vec::new() });
        Ok(None)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Fault> {
        if anchor != 0 {
            self.charge(&node, node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else { return Ok(Some(node)) };
        match (&mut open.node.data, open.key.take()) {
            (Data::List(items), _) => items.push(node),
            (Data::Map(_), Some((name, _))) if name == "<<" => open.merged.push(node),
            (Data::Map(entries), Some((name, at))) => entries.push(Entry { name, at, value: node }),
            (Data::Map(_), None) => {
                let (at, name) = (node.at, key_text(node)?);
                open.key = Some((name, at));
            }
            (Data::Scalar(..) | Data::Text(_), _) => {}
        }
        Ok(None)
    }

    /// Refuses documents that copy too much or too deep.
    fn charge(&mut self, copy: &Node, at: At) -> Result<(), Fault> {
        self.copied += copy.weight();
        if self.copied > MAX_COPIES || self.open.len() + copy.depth() > MAX_DEPTH {
            return Err(Fault { at, what: "its anchors and aliases grow too large: write it out".into() });
        }
        Ok(())
    }

    fn at(&self, marker: &Marker) -> At {
        let line = u32::try_from(marker.line()).unwrap_or(u32::MAX).saturating_add(self.lines_before);
        At { line, column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX) }
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        Fault { at: self.at(error.marker()), what: error.info().to_owned() }
    }
}

/// A key: text, or the text of a plain word.
fn key_text(node: Node) -> Result<String, Fault> {
    match node.data {
        Data::Text(text) => Ok(text),
        Data::Scalar(_, text) => Ok(text.into()),
        Data::List(_) | Data::Map(_) => Err(Fault { at: node.at, what: "a key must be plain text".into() }),
    }
}

/// A key that stands twice would hide one of its values.
fn unique(entries: &[Entry]) -> Result<(), Fault> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name)); // stable: the first stays first
    let Some(pair) = sorted.windows(2).find(|pair| pair[0].name == pair[1].name) else { return Ok(()) };
    let what =
        format!("key \"{}\" stands twice, first in line {}: remove one", pair[1].name, pair[0].at.line);
    Err(Fault { at: pair[1].at, what })
}

/// Adds what `<<` names, for keys that are not there already.
fn merge(mut node: Node, merged: Vec<Node>) -> Result<Node, Fault> {
    let Data::Map(entries) = &mut node.data else { return Ok(node) };
    if merged.is_empty() {
        return Ok(node);
    }
    let mut names: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    for source in merged {
        let at = source.at;
        let maps = if let Data::List(items) = source.data { items } else { vec![source] };
        for map in maps {
            let Data::Map(more) = map.data else {
                return Err(Fault { at, what: "\"<<\" must name a map or a list of maps".into() });
            };
            for entry in more {
                if names.insert(entry.name.clone()) {
                    entries.push(entry);
                }
            }
        }
    }
    Ok(node)
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    let is_string_tag =
        tag.is_some_and(|tag| tag.is_yaml_core_schema() && matches!(&*tag.suffix, "str" | "binary"));
    if style != ScalarStyle::Plain || is_string_tag {
        return Data::Text(text.into_owned());
    }
    match plain(&text) {
        Some(value) => Data::Scalar(value, text.into()),
        None => Data::Text(text.into_owned()),
    }
}

/// What a plain word is, unless it is text. Follows YAML 1.1 as kubectl does.
fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Value::Bool(false));
        }
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    integer(text).or_else(|| float(text)).map(Value::Number)
}

fn integer(text: &str) -> Option<Number> {
    let text = text.replace('_', "");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(size.into());
    }
    0_i64.checked_sub_unsigned(size).map(Number::from)
}

fn float(text: &str) -> Option<Number> {
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let fine = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !digits || !fine {
        return None;
    }
    text.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests;
