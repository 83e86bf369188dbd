//! A file cut into pieces, each read once: a piece that did not change since the last reading is not read again.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::Options;
use super::document::{self, Outcome};
use super::holdings::sort;
use super::node::{At, Fault, Node, place};
use super::{json, yaml};
use crate::model::{Name, ObjectRef, Report, Severity};
use crate::store::Object;

/// What a piece was found to hold.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) hash: u64,
    pub(super) lines_before: u32,
    /// The objects that can be kept, and where they stand.
    pub(super) items: Vec<(ObjectRef, At)>,
    /// Kinds of objects that are of no use here.
    pub(super) ignored: Vec<String>,
    pub(super) reports: Vec<Report>,
    /// Objects that are there but cannot be read.
    pub(super) lost: Vec<ObjectRef>,
    /// Something is there of which not even the name can be read.
    pub(super) lost_unknown: bool,
}

/// The text of a piece.
pub(super) struct Text<'a> {
    part: yaml::Part<'a>,
    is_json: bool,
    pub(super) hash: u64,
    pub(super) lines_before: u32,
}

/// Cuts a file: YAML at its `---` lines, JSON not at all. Which of both it is tells the text, not the file's name.
pub(super) fn cut(text: &str) -> Vec<Text<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parts = yaml::split(text);
    let is_json = text.trim_start().starts_with('{') && parts.len() == 1;
    let hasher = FixedState::default();
    let piece = |part: yaml::Part<'_>| hasher.hash_one(part.text);
    parts
        .into_iter()
        .map(|part| Text { is_json, hash: piece(part), lines_before: part.lines_before, part })
        .collect()
}

impl Text<'_> {
    /// Reads the piece: what to remember of it, and what to apply.
    pub(super) fn read(&self, file: &Name, options: &Options) -> (Piece, Vec<(ObjectRef, Vec<Object>)>) {
        let (mut documents, fault) = self.parse();
        if fault.is_some() {
            documents.retain(|node| !node.entries().is_empty()); // half a map looks like text
        }
        let mut piece = Piece { hash: self.hash, lines_before: self.lines_before, ..Piece::default() };
        let mut outcomes: Vec<Outcome> =
            documents.into_iter().flat_map(|node| document::read(node, file, options)).collect();
        outcomes.extend(fault.map(|fault| self.broken(&fault, file)));
        let fresh = sort(&mut piece, outcomes);
        (piece, fresh)
    }

    /// A text that begins like JSON may still be YAML in braces.
    fn parse(&self) -> (Vec<Node>, Option<Fault>) {
        if !self.is_json {
            return yaml::parse(self.part);
        }
        // JSON never has lines before it here: it is the only part; comments above it make it YAML.
        let (documents, fault) = json::parse(self.part.text);
        if fault.is_none() {
            return (documents, None);
        }
        let (other, other_fault) = yaml::parse(self.part);
        if other_fault.is_none() { (other, None) } else { (documents, fault) }
    }

    fn broken(&self, fault: &Fault, file: &Name) -> Outcome {
        let text = self.part.text;
        let template = text.find("{{").is_some_and(|start| text[start..].contains("}}"));
        let remedy =
            if template { "this looks like a template, render it first" } else { remedy(&fault.what) };
        let message = format!("cannot be read from here on: {}; {remedy}", fault.what);
        let report = Report::new(&document::file_object(file), Severity::Error, "InvalidSyntax", message);
        Outcome::Broken { name: None, reports: vec![Report { place: Some(place(file, fault.at)), ..report }] }
    }
}

/// What to do about a syntax error, by words of the parsers.
fn remedy(what: &str) -> &'static str {
    const REMEDIES: &[(&str, &str)] = &[
        ("tab", "use spaces"),
        ("simple key", "write \"key: value\", with a colon and a space"),
        ("mapping values", "put text that holds \": \" in quotes, or correct the indentation"),
        ("mapping keys", "correct the indentation"),
        ("expected key", "lines of one map begin in the same column: correct the indentation"),
        ("'-' indicator", "entries of one list begin in the same column: correct the indentation"),
        ("indentation", "correct the indentation"),
        ("'}'", "close what \"{\" opened, and put commas between the entries"),
        ("']'", "close what \"[\" opened, and put commas between the entries"),
        ("end of stream", "close the quotes"),
        ("unknown anchor", "put text that begins with \"*\", such as a wildcard host, in quotes"),
    ];
    let known = REMEDIES.iter().find(|(words, _)| what.contains(words));
    known.map_or("correct it", |(_, remedy)| remedy)
}
