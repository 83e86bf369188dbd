//! JSON text -> trees with places.
//!
//! serde_json decides what is JSON; this file only walks over text that it accepted, to note where things stand.

use serde_json::Value;

use super::node::{At, Data, Entry, Fault, Node};

/// Reads the documents of a JSON text: those before a fault, and the fault.
pub(super) fn parse(text: &str) -> (Vec<Node>, Option<Fault>) {
    let mut documents = Vec::new();
    let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut walk = Walk { text, at: 0, line: 1, column: 1, counted: 0 };
    for value in stream {
        match value {
            Ok(value) => match walk.value(value) {
                Ok(node) => documents.push(node),
                Err(fault) => return (documents, Some(fault)),
            },
            Err(error) => return (documents, Some(fault(&error))),
        }
    }
    (documents, None)
}

fn fault(error: &serde_json::Error) -> Fault {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    let full = error.to_string();
    let what = full.rsplit_once(" at line ").map_or(full.as_str(), |(what, _)| what);
    Fault { at: At { line: number(error.line()), column: number(error.column()) }, what: what.to_owned() }
}

/// The one thing that serde_json lets pass and that takes the walk out of step.
fn twice(at: At) -> Fault {
    Fault { at, what: "a key stands twice in a map here: remove one".to_owned() }
}

/// Goes over the text in step with the value read from it.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    /// The column of byte `counted`, so that a long line is counted once.
    column: u32,
    counted: usize,
}

impl Walk<'_> {
    fn value(&mut self, value: Value) -> Result<Node, Fault> {
        self.skip(b":,");
        let at = self.place();
        let start = self.at;
        let fits = self.peek().is_some_and(|byte| match &value {
            Value::Object(_) => byte == b'{',
            Value::Array(_) => byte == b'[',
            Value::String(_) => byte == b'"',
            _ => byte.is_ascii_alphanumeric() || byte == b'-',
        });
        if !fits {
            return Err(twice(at));
        }
        let data = match value {
            Value::Object(_) => {
                self.at += 1;
                Data::Map(self.entries(value)?)
            }
            Value::Array(items) => {
                self.at += 1;
                let items = items.into_iter().map(|item| self.value(item)).collect::<Result<_, _>>()?;
                self.close(b']', at)?;
                Data::List(items)
            }
            Value::String(text) => {
                self.string();
                Data::Text(text)
            }
            scalar => {
                self.word();
                let text = self.text.get(start..self.at).unwrap_or_default();
                Data::Scalar(scalar, text.into())
            }
        };
        Ok(Node { at, data })
    }

    /// The entries in the order of the text, which the value has lost.
    fn entries(&mut self, value: Value) -> Result<Vec<Entry>, Fault> {
        let Value::Object(mut map) = value else { return Ok(Vec::new()) };
        let start = self.place();
        let mut entries = Vec::with_capacity(map.len());
        loop {
            self.skip(b",");
            if self.peek() != Some(b'"') {
                break;
            }
            let (at, start) = (self.place(), self.at);
            self.string();
            let name: String = self
                .text
                .get(start..self.at)
                .and_then(|raw| serde_json::from_str(raw).ok())
                .unwrap_or_default();
            let Some(value) = map.remove(&name) else {
                return Err(Fault { at, what: format!("key \"{name}\" stands twice: remove one") });
            };
            let value = self.value(value)?;
            entries.push(Entry { name, at, value });
        }
        self.close(b'}', start)?;
        Ok(entries)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn place(&mut self) -> At {
        let before = self.text.get(self.counted..self.at).map_or(0, |before| before.chars().count());
        self.column = self.column.saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
        self.counted = self.at;
        At { line: self.line, column: self.column }
    }

    /// Over white space and `also`.
    fn skip(&mut self, also: &[u8]) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    (self.column, self.counted) = (1, self.at + 1);
                }
                b' ' | b'\t' | b'\r' => {}
                _ if also.contains(&byte) => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// Over a closing bracket. Another byte there means that text and value are out of step.
    fn close(&mut self, bracket: u8, at: At) -> Result<(), Fault> {
        self.skip(b",");
        if self.peek() != Some(bracket) {
            return Err(twice(at));
        }
        self.at += 1;
        Ok(())
    }

    /// Over a string, quotes included.
    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    /// Over a number, `true`, `false` or `null`.
    fn word(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn every_field_knows_its_place() {
        let text = "{\n  \"kind\": \"X\",\n\t\"spec\": {\"a\\\"b\": [1, true,\n null], \"c\": -1.5e3}\n}\n{\"x\": 1}";
        let (documents, fault) = parse(text);
        assert_eq!(fault, None);
        let origin = documents[0].origin(&Name::from("f.json"));
        let at = |path: &str| {
            let place = origin.locate(Some(path));
            (place.line, place.column)
        };
        assert_eq!(at("kind"), (2, 3));
        assert_eq!(at("spec"), (3, 2));
        assert_eq!(at("spec.a\"b[1]"), (3, 23));
        assert_eq!(at("spec.a\"b[2]"), (4, 2));
        assert_eq!(at("spec.c"), (4, 9));
        assert_eq!(documents[1].find("x").unwrap().at, At { line: 6, column: 7 });
    }

    #[test]
    fn a_fault_has_its_place_and_a_key_stands_once() {
        let (documents, fault) = parse("{\"a\": 1}\n{\"b\": }");
        assert_eq!(documents.len(), 1);
        assert_eq!(fault.unwrap().at.line, 2);
        let (_, fault) = parse("{\"a\": 1,\n \"a\": 2}");
        assert_eq!(fault.unwrap().at, At { line: 2, column: 2 });
    }
}
