//! Text with variables and captures, as nginx writes it: `$host`, `${host}`, `$1`.

use regex::Captures;

use super::{Head, authority};
use crate::routing::path::escape;

/// A parsed text. What is no known variable stays as it is written.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Box<[Part]>,
    /// As written, for people.
    source: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Capture(usize),
    Variable(Variable),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Scheme,
    Host,
    HttpHost,
    ServerPort,
    RequestUri,
    Uri,
    Args,
    IsArgs,
    RequestMethod,
    RemoteAddr,
}

/// What a template is filled with.
pub(super) struct Values<'a, 'h> {
    pub(super) head: &'a Head<'h>,
    pub(super) captures: Option<&'a Captures<'h>>,
    /// Percent-encode what comes from the decoded path.
    pub(super) escape: bool,
}

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            let (part, length) = variable(&rest[at + 1..]);
            match part {
                Some(part) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal).into()));
                    }
                    parts.push(part);
                }
                None => literal.push_str(&rest[at..=at + length]),
            }
            rest = &rest[at + 1 + length..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Self { parts: parts.into(), source: text.into() }
    }

    /// The text as written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn has_captures(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Capture(_)))
    }

    pub(super) fn render(&self, values: &Values<'_, '_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Capture(index) => {
                    let group = values.captures.and_then(|captures| captures.get(*index));
                    push_path(&mut out, group.map_or("", |group| group.as_str()), values.escape);
                }
                Part::Variable(variable) => push_variable(&mut out, *variable, values),
            }
        }
        out
    }
}

/// What stands after a `$`, and how many bytes of it belong to the name. `None`: just text.
fn variable(rest: &str) -> (Option<Part>, usize) {
    let Some((name, length)) = name(rest) else { return (None, 0) };
    if let Ok(index) = name.parse::<usize>() {
        return (Some(Part::Capture(index)), length);
    }
    let variable = match name {
        "scheme" | "pass_access_scheme" => Variable::Scheme,
        "host" | "server_name" | "best_http_host" => Variable::Host,
        "http_host" => Variable::HttpHost,
        "server_port" | "pass_server_port" => Variable::ServerPort,
        "request_uri" => Variable::RequestUri,
        "uri" | "document_uri" => Variable::Uri,
        "args" | "query_string" => Variable::Args,
        "is_args" => Variable::IsArgs,
        "request_method" => Variable::RequestMethod,
        "remote_addr" => Variable::RemoteAddr,
        _ => return (None, length),
    };
    (Some(Part::Variable(variable)), length)
}

/// The name at the start of `rest`, and how many bytes it takes with its braces.
fn name(rest: &str) -> Option<(&str, usize)> {
    if let Some(inner) = rest.strip_prefix('{') {
        return inner.split_once('}').map(|(name, _)| (name, name.len() + 2));
    }
    // A capture is one digit: `$10` is the first capture and a zero, as in nginx.
    let end = if rest.starts_with(|c: char| c.is_ascii_digit()) {
        1
    } else {
        rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
    };
    Some((&rest[..end], end))
}

fn push_variable(out: &mut String, variable: Variable, values: &Values<'_, '_>) {
    let head = values.head;
    match variable {
        Variable::Scheme => out.push_str(head.scheme),
        Variable::Host => out.push_str(head.host),
        Variable::HttpHost => {
            let whole = authority(head);
            out.push_str(whole.split_once("://").map_or("", |(_, host)| host));
        }
        Variable::ServerPort => out.push_str(&head.port.to_string()),
        Variable::RequestUri => out.push_str(head.uri),
        Variable::Uri => push_path(out, head.path, values.escape),
        Variable::Args => out.push_str(head.query.unwrap_or_default()),
        Variable::IsArgs => out.push_str(if head.query.is_some() { "?" } else { "" }),
        Variable::RequestMethod => out.push_str(head.method),
        Variable::RemoteAddr => out.push_str(&head.remote.to_string()),
    }
}

/// The decoded path may hold line breaks, which must not get into a header.
fn push_path(out: &mut String, path: &str, encode: bool) {
    if encode { out.push_str(&escape(path)) } else { out.push_str(path) }
}
