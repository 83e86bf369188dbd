//! Texts with places to fill in.

use std::net::IpAddr;

use regex::{Captures, Regex};

/// A text, taken apart.
#[derive(Debug)]
pub(super) struct Text(Vec<Part>);

/// What is known when a question is answered.
pub(super) struct Known<'a> {
    /// The name, with its dot, in lower case.
    pub(super) name: &'a str,
    /// The zone that matched.
    pub(super) zone: &'a str,
    /// The type's name.
    pub(super) kind: &'a str,
    /// Who asks.
    pub(super) client: IpAddr,
    /// The expression that matched.
    pub(super) regex: &'a Regex,
    /// Its groups.
    pub(super) captures: &'a Captures<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Plain(String),
    Field(Field),
    /// A field read as a number with a base, at most so many bits long.
    Number(Field, u32, u32),
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Name,
    Zone,
    Kind,
    Class,
    Remote,
    Group(String),
    Match(usize),
}

impl Text {
    /// Takes a text apart. Groups must be in every expression, or none would be put in their places.
    pub(super) fn read(text: &str, matches: &[Regex]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inner, after) = after.split_once("}}").ok_or("{{ has no }}")?;
            // {{- and -}} take the spaces beside them away.
            let (trim_before, inner) = inner.strip_prefix("- ").map_or((false, inner), |inner| (true, inner));
            let (trim_after, inner) = inner.strip_suffix(" -").map_or((false, inner), |inner| (true, inner));
            let before = if trim_before { before.trim_end() } else { before };
            parts.push(Part::Plain(before.to_owned()));
            parts.push(part(inner.trim())?);
            rest = if trim_after { after.trim_start() } else { after };
        }
        parts.push(Part::Plain(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Plain(text) if text.is_empty()));
        for part in &parts {
            let (Part::Field(field) | Part::Number(field, ..)) = part else { continue };
            for regex in matches {
                field.check(regex)?;
            }
        }
        Ok(Self(parts))
    }

    /// The text, when there is nothing to fill in.
    pub(super) fn fixed(&self) -> Option<String> {
        let plain = |part: &Part| match part {
            Part::Plain(text) => Some(text.clone()),
            _ => None,
        };
        self.0.iter().map(plain).collect()
    }

    /// Fills in; `None` when a value has characters that would change what the text means.
    pub(super) fn fill(&self, known: &Known<'_>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Field(field) => {
                    let value = field.value(known)?;
                    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.*:/=+,%".contains(&b);
                    if !value.bytes().all(fine) {
                        return None;
                    }
                    text.push_str(&value);
                }
                Part::Number(field, base, bits) => {
                    let value = u64::from_str_radix(&field.value(known)?, *base).ok()?;
                    if *bits < 64 && value >> bits != 0 {
                        return None;
                    }
                    text.push_str(&value.to_string());
                }
            }
        }
        Some(text)
    }
}

impl Field {
    fn check(&self, regex: &Regex) -> Result<(), String> {
        match self {
            Self::Group(name) if group(regex, name).is_none() => {
                Err(format!("there is no group {name} in {regex}: write (?P<{name}>...) there"))
            }
            Self::Match(at) if *at >= regex.captures_len() => {
                Err(format!("there is no group {at} in {regex}"))
            }
            _ => Ok(()),
        }
    }

    fn value(&self, known: &Known<'_>) -> Option<String> {
        let capture = |at: usize| known.captures.get(at).map_or("", |found| found.as_str()).to_owned();
        Some(match self {
            Self::Name => known.name.to_owned(),
            Self::Zone => known.zone.to_owned(),
            Self::Kind => known.kind.to_owned(),
            Self::Class => "IN".to_owned(),
            Self::Remote => known.client.to_string(),
            Self::Group(name) => capture(group(known.regex, name)?),
            Self::Match(at) => capture(*at),
        })
    }
}

/// The number of a group, which may be its name.
fn group(regex: &Regex, name: &str) -> Option<usize> {
    let named = regex.capture_names().position(|group| group == Some(name));
    named.or_else(|| name.parse().ok().filter(|at| *at < regex.captures_len()))
}

fn part(inner: &str) -> Result<Part, String> {
    let wrong = || {
        format!(
            "{{{{ {inner} }}}} is not known here: write .Name, .Zone, .Type, .Class, .Remote, .Group.NAME, index .Match N or \
             parseInt .Group.NAME BASE BITS"
        )
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let words: Vec<&str> = inner.split_whitespace().collect();
    Ok(match words[..] {
        [one] => Part::Field(field(one).ok_or_else(wrong)?),
        ["index", ".Match", at] => Part::Field(Field::Match(at.parse().map_err(|_| wrong())?)),
        ["index", ".Group", name] => Part::Field(Field::Group(name.trim_matches(['"', '`']).to_owned())),
        ["parseInt", of, base, bits] => {
            let (base, bits) = (number(base)?, number(bits)?);
            if !(2..=36).contains(&base) || bits > 64 {
                return Err(wrong());
            }
            Part::Number(field(of).ok_or_else(wrong)?, base, if bits == 0 { 64 } else { bits })
        }
        _ => return Err(wrong()),
    })
}

fn field(text: &str) -> Option<Field> {
    Some(match text {
        ".Name" | ".Question.Name" => Field::Name,
        ".Zone" => Field::Zone,
        ".Type" => Field::Kind,
        ".Class" => Field::Class,
        ".Remote" => Field::Remote,
        _ => Field::Group(text.strip_prefix(".Group.").filter(|name| !name.is_empty())?.to_owned()),
    })
}
