//! Label selectors as kubectl writes them: `a=b, c!=d, e in (x,y), f notin (z), g, !h`.
//!
//! All parts must hold. `!=` and `notin` hold also where the label is absent, as in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A parsed selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Present,
    Absent,
}

impl Selector {
    /// Parses a selector; the error says which part is wrong and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let requirements = parts(text)?.into_iter().map(Requirement::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), requirements })
    }

    /// Whether an object with these labels is chosen.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Requirement {
    fn parse(part: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "\"{part}\" {why}: write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY"
            )
        };
        let (key, wanted) = if let Some(key) = part.strip_prefix('!') {
            (key, Wanted::Absent)
        } else if let Some((key, value)) = part.split_once("!=") {
            (key, Wanted::NotIn(one(value)))
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (key, Wanted::In(one(value)))
        } else if let Some((head, values)) = part.split_once('(') {
            let values = values.strip_suffix(')').ok_or_else(|| wrong("has no closing parenthesis"))?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            match head.trim_end().rsplit_once(char::is_whitespace) {
                Some((key, "in")) => (key, Wanted::In(values)),
                Some((key, "notin")) => (key, Wanted::NotIn(values)),
                _ => return Err(wrong("has a list without \"in\" or \"notin\"")),
            }
        } else {
            (part, Wanted::Present)
        };
        let key = key.trim();
        if !key_fine(key) {
            return Err(wrong("does not begin with the name of a label"));
        }
        match &wanted {
            Wanted::In(values) | Wanted::NotIn(values) if !values.iter().all(|value| value_fine(value)) => {
                Err(wrong("has a value that no label can have"))
            }
            _ => Ok(Self { key: key.to_owned(), wanted }),
        }
    }

    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.wanted {
            Wanted::In(values) => value.is_some_and(|value| values.contains(value)),
            Wanted::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
            Wanted::Present => value.is_some(),
            Wanted::Absent => value.is_none(),
        }
    }
}

fn one(value: &str) -> BTreeSet<String> {
    BTreeSet::from([value.trim().to_owned()])
}

/// Splits at the commas outside of parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut inside, mut start, mut found) = (false, 0, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(text[start..].trim());
    if found.contains(&"") {
        return Err(format!("\"{text}\" has an empty part: write LABEL=VALUE,LABEL=VALUE"));
    }
    Ok(found)
}

/// `name` or `prefix/name`.
fn key_fine(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fine = prefix.is_none_or(|prefix| {
        let label = |label: &str| {
            let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty() && label.bytes().all(fine) && !label.starts_with('-') && !label.ends_with('-')
        };
        prefix.len() <= 253 && prefix.split('.').all(label)
    });
    prefix_fine && !name.is_empty() && value_fine(name)
}

/// Empty, or up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn value_fine(value: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let end = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    value.len() <= 63 && value.bytes().all(fine) && end(bytes.first()) && end(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn every_part_must_hold() {
        let table = [
            ("team=a", "team=a", true),
            ("team=a", "team=b", false),
            ("team==a", "team=a x=y", true),
            ("team = a , stage != test", "team=a stage=live", true),
            ("team=a,stage!=test", "team=a stage=test", false),
            ("stage!=test", "", true),
            ("team in (a, b)", "team=b", true),
            ("team in (a,b),x", "team=b", false),
            ("team in(a)", "team=a", true),
            ("team notin (a,b)", "team=b", false),
            ("team notin (a,b)", "", true),
            ("team", "team=", true),
            ("!team", "team=", false),
            ("! team", "", true),
            ("team=", "team=", true),
            ("team=", "", false),
            ("kubernetes.io/metadata.name in (web)", "kubernetes.io/metadata.name=web", true),
        ];
        for (selector, set, expected) in table {
            assert_eq!(
                Selector::parse(selector).unwrap().matches(&labels(set)),
                expected,
                "{selector} on {set}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for text in [
            "", ",", "a=b,", "=b", "a in (b", "a of (b)", "(b)", "a b", "a=b c", "-a", "a=b=c", "A/B/c",
            "a>1",
        ] {
            let error = Selector::parse(text).unwrap_err();
            assert!(error.contains(": write "), "{text}: {error}");
        }
    }
}
