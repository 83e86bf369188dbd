//! Names that become others before they are looked up, and back in the reply: the `rewrite` directive.
//!
//! The client never sees the name that was looked up: the question is always set back. Names in the records are set back where
//! the rule says so.

mod message;

use std::borrow::Cow;
use std::fmt::Write as _;

use regex::Regex;

use super::plan::{Matcher, Rewrite, RewriteRule};
use super::wire::name::{Name, ends_with, show};

/// The rules of a block, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    list: Vec<Compiled>,
}

/// A question that became another.
#[derive(Debug)]
pub struct Changed {
    /// The name to look up.
    pub name: Name,
    /// The type to look up.
    pub kind: u16,
    /// How the reply is made one to the question that was asked.
    pub back: Back,
}

/// How the reply to a rewritten question becomes the reply to the one that was asked.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// Owners of records.
    owners: Vec<Replace>,
    /// Names in the data of records.
    values: Vec<Replace>,
    /// The times of answers lie between these, in seconds.
    ttl: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
enum Replace {
    /// This very name.
    Whole(Name, Name),
    /// What matches, with its groups in the places of `{1}`.
    Pattern(Regex, String),
}

#[derive(Debug)]
struct Compiled {
    stop: bool,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Name(Change),
    Kind(u16, u16),
    Ttl(Names, (u32, u32)),
}

/// What becomes of a name.
#[derive(Debug)]
struct Change {
    names: Names,
    to: To,
    /// The names in the records that are the new name are set back.
    auto: bool,
    owners: Vec<Replace>,
    values: Vec<Replace>,
}

#[derive(Debug)]
enum Names {
    Exact(Name),
    Suffix(Name),
    Prefix(String),
    Substring(String),
    Pattern(Regex),
}

#[derive(Debug)]
enum To {
    Name(Name),
    Text(String),
}

impl Rules {
    /// Compiles the rules; an error says which expression cannot be read.
    pub fn new(rules: &[Rewrite]) -> Result<Self, Vec<String>> {
        let (mut list, mut wrong) = (Vec::new(), Vec::new());
        for Rewrite { stop, rule } in rules {
            match compile(rule) {
                Ok(rule) => list.push(Compiled { stop: *stop, rule }),
                Err(why) => wrong.push(why.to_string()),
            }
        }
        if wrong.is_empty() { Ok(Self { list }) } else { Err(wrong) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What to look up in the place of `name`, in lower case and wire form, and `kind`. `None` when no rule matches: that costs
    /// no allocation where rules are for whole names and suffixes. `Some(Err)` when a rule makes something of the name that
    /// is no name: SERVFAIL.
    pub fn forward(&self, name: &[u8], kind: u16) -> Option<Result<Changed, Unnameable>> {
        let mut seen = Seen { name: Cow::Borrowed(name), text: String::new() };
        let mut now: Option<Changed> = None;
        for Compiled { stop, rule } in &self.list {
            let asked = now.as_ref().map_or(kind, |changed| changed.kind);
            if !rule.matches(&mut seen, asked) {
                continue;
            }
            let unchanged = || Some(Changed { name: Name::from_wire(name)?, kind, back: Back::default() });
            let changed = now.take().or_else(unchanged).ok_or(Unnameable);
            match changed.and_then(|changed| rule.apply(&mut seen, changed)) {
                Ok(changed) => {
                    let name = Cow::Owned(changed.name.as_wire().to_vec());
                    seen = Seen { name, text: String::new() };
                    now = Some(changed);
                }
                Err(why) => return Some(Err(why)),
            }
            if *stop {
                break;
            }
        }
        now.map(Ok)
    }
}

/// A rule made something of a name that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unnameable;

/// A name that is looked at; its text is made when a rule wants it.
struct Seen<'a> {
    name: Cow<'a, [u8]>,
    text: String,
}

impl Seen<'_> {
    fn text(&mut self) -> &str {
        if self.text.is_empty() {
            // Writing to a string does not fail.
            let _ = show(&self.name, &mut self.text);
        }
        &self.text
    }
}

impl Rule {
    fn matches(&self, seen: &mut Seen<'_>, kind: u16) -> bool {
        match self {
            Self::Name(change) => change.names.matches(seen),
            Self::Kind(from, _) => *from == kind,
            Self::Ttl(names, _) => names.matches(seen),
        }
    }

    fn apply(&self, seen: &mut Seen<'_>, mut changed: Changed) -> Result<Changed, Unnameable> {
        match self {
            Self::Name(change) => {
                let new = change.apply(seen)?;
                let back = &mut changed.back;
                // The last change is the first to be undone.
                let mut owners = change.owners.clone();
                let mut values = change.values.clone();
                if change.auto {
                    let whole = Replace::Whole(new.clone(), changed.name.clone());
                    owners.insert(0, whole.clone());
                    values.insert(0, whole);
                }
                owners.append(&mut back.owners);
                values.append(&mut back.values);
                (back.owners, back.values) = (owners, values);
                changed.name = new;
            }
            Self::Kind(_, to) => changed.kind = *to,
            Self::Ttl(_, range) => changed.back.ttl = Some(*range),
        }
        Ok(changed)
    }
}

impl Names {
    fn matches(&self, seen: &mut Seen<'_>) -> bool {
        match self {
            Self::Exact(name) => *seen.name == *name.as_wire(),
            Self::Suffix(name) => ends_with(&seen.name, name.as_wire()),
            Self::Prefix(text) => seen.text().starts_with(text.as_str()),
            Self::Substring(text) => seen.text().contains(text.as_str()),
            Self::Pattern(regex) => regex.is_match(seen.text()),
        }
    }
}

impl Change {
    fn apply(&self, seen: &mut Seen<'_>) -> Result<Name, Unnameable> {
        let text = match (&self.names, &self.to) {
            (Names::Suffix(from), To::Name(to)) => {
                let kept = &seen.name[..seen.name.len() - from.as_wire().len()];
                return Name::from_wire(&[kept, to.as_wire()].concat()).ok_or(Unnameable);
            }
            (_, To::Name(to)) => return Ok(to.clone()),
            (Names::Prefix(from), To::Text(to)) => format!("{to}{}", &seen.text()[from.len()..]),
            (Names::Substring(from), To::Text(to)) => seen.text().replace(from.as_str(), to),
            (Names::Pattern(regex), To::Text(to)) => replace(regex, to, seen.text()).ok_or(Unnameable)?,
            (_, To::Text(to)) => to.clone(),
        };
        Name::parse(&text).map_err(|_| Unnameable)
    }
}

impl Back {
    /// Makes the reply to the rewritten question one to `question`, which stands in the message that came: name as written,
    /// type, class. `None` when the reply cannot be read. Names are written out, but for those that are the question's: the
    /// result may be longer than the reply.
    pub fn apply(&self, reply: &[u8], question: &[u8]) -> Option<Vec<u8>> {
        message::rewrite(reply, question, self)
    }

    /// What becomes of an owner, in lower case; `None`: it stays.
    fn owner(&self, name: &[u8]) -> Option<Name> {
        replaced(&self.owners, name)
    }

    /// What becomes of a name in the data of a record; `None`: it stays.
    fn value(&self, name: &[u8]) -> Option<Name> {
        replaced(&self.values, name)
    }
}

/// Each in its turn.
fn replaced(list: &[Replace], name: &[u8]) -> Option<Name> {
    let mut now: Option<Name> = None;
    for one in list {
        let current = now.as_ref().map_or(name, Name::as_wire);
        let next = match one {
            Replace::Whole(from, to) => (current == from.as_wire()).then(|| to.clone()),
            Replace::Pattern(regex, to) => {
                let mut text = String::new();
                let _ = show(current, &mut text);
                replace(regex, to, &text).and_then(|text| Name::parse(&text).ok())
            }
        };
        now = next.or(now);
    }
    now
}

/// The replacement with the groups of the first match in the places of `{0}`, `{1}`, ...
fn replace(regex: &Regex, to: &str, text: &str) -> Option<String> {
    let captures = regex.captures(text)?;
    let mut made = String::new();
    let mut rest = to;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        let group =
            after.split_once('}').and_then(|(number, tail)| Some((number.parse::<usize>().ok()?, tail)));
        if let Some((number, tail)) = group {
            made.push_str(captures.get(number).map_or("", |group| group.as_str()));
            rest = tail;
        } else {
            let _ = made.write_char('{');
            rest = after;
        }
    }
    made.push_str(rest);
    Some(made)
}

fn compile(rule: &RewriteRule) -> Result<Rule, regex::Error> {
    let change =
        |names, to, auto| Rule::Name(Change { names, to, auto, owners: Vec::new(), values: Vec::new() });
    Ok(match rule {
        RewriteRule::Exact { from, to, answer } => {
            change(Names::Exact(from.clone()), To::Name(to.clone()), *answer)
        }
        RewriteRule::Suffix { from, to, answer } => {
            change(Names::Suffix(from.clone()), To::Name(to.clone()), *answer)
        }
        RewriteRule::Prefix { from, to, answer } => {
            change(Names::Prefix(from.clone()), To::Text(to.clone()), *answer)
        }
        RewriteRule::Substring { from, to, answer } => {
            change(Names::Substring(from.clone()), To::Text(to.clone()), *answer)
        }
        RewriteRule::Regex { pattern, to, answer, answer_name, answer_value } => {
            let list = |list: &[(String, String)]| {
                let one = |(from, to): &(String, String)| Ok(Replace::Pattern(Regex::new(from)?, to.clone()));
                list.iter().map(one).collect::<Result<Vec<_>, regex::Error>>()
            };
            Rule::Name(Change {
                names: Names::Pattern(Regex::new(pattern)?),
                to: To::Text(to.clone()),
                auto: *answer,
                owners: list(answer_name)?,
                values: list(answer_value)?,
            })
        }
        RewriteRule::Kind { from, to } => Rule::Kind(*from, *to),
        RewriteRule::Ttl { names, least, most } => {
            let names = match names {
                Matcher::Exact(name) => Names::Exact(name.clone()),
                Matcher::Suffix(name) => Names::Suffix(name.clone()),
                Matcher::Prefix(text) => Names::Prefix(text.clone()),
                Matcher::Substring(text) => Names::Substring(text.clone()),
                Matcher::Regex(pattern) => Names::Pattern(Regex::new(pattern)?),
            };
            Rule::Ttl(names, (*least, *most))
        }
    })
}

#[cfg(test)]
mod tests;
