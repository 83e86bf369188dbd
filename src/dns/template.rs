//! Answers made from texts: the `template` directive.
//!
//! A text is a record as a zone file has it, with the part of Go's templates that such texts use: `{{ .Name }}`, `.Zone`,
//! `.Type`, `.Class`, `.Remote`, `.Question.Name`, `.Group.NAME`, `index .Match N`, `index .Group "NAME"`, `parseInt FIELD BASE
//! BITS`.

mod text;

use std::net::IpAddr;

use bytes::Bytes;
use domain::base::Rtype;
use domain::base::iana::Class;
use domain::base::name::Name as DomainName;
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};
use regex::Regex;

use super::plan::Template;
use super::wire::name::{Name, ends_with, show};
use super::wire::question::Asked;
use super::wire::reply::{Reply, Section};
use super::wire::{Rcode, kind};
use text::{Known, Text};

/// The templates of a block, compiled.
#[derive(Debug, Default)]
pub struct Templates {
    list: Vec<Compiled>,
}

/// What the templates say to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This.
    Answer(Answer),
    /// SERVFAIL: a record could not be made, or no expression matches and the template lets nobody else answer.
    Failed,
    /// Nothing: others are asked.
    Pass,
}

/// Records in wire form without pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The response code.
    pub rcode: Rcode,
    /// The records of the three sections.
    pub sections: [Records; 3],
    /// What the answer leads to: it ends with an alias, and addresses were asked for.
    pub alias: Option<Name>,
}

/// Records, each in wire form, without pointers.
pub type Records = Vec<Vec<u8>>;

#[derive(Debug)]
struct Compiled {
    kind: Option<u16>,
    zones: Vec<Name>,
    matches: Vec<Regex>,
    sections: [Vec<Text>; 3],
    rcode: Rcode,
    fallthrough: Option<Vec<Name>>,
}

/// What is wrong with a template, as far as it shows before a question comes.
pub fn faults(template: &Template) -> Vec<String> {
    Compiled::new(template, &[]).err().unwrap_or_default()
}

impl Templates {
    /// Compiles the templates of a block with these zones. An error has the line of its template.
    pub fn new(templates: &[Template], zones: &[Name]) -> Result<Self, Vec<(u32, String)>> {
        let (mut list, mut wrong) = (Vec::new(), Vec::new());
        for template in templates {
            match Compiled::new(template, zones) {
                Ok(compiled) => list.push(compiled),
                Err(faults) => wrong.extend(faults.into_iter().map(|fault| (template.line, fault))),
            }
        }
        if wrong.is_empty() { Ok(Self { list }) } else { Err(wrong) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Answers a question that `client` asks. Allocates.
    pub fn answer(&self, asked: &Asked<'_>, client: IpAddr) -> Outcome {
        let mut name = String::new();
        for compiled in &self.list {
            let Some(zone) = compiled.zone(asked) else { continue };
            if name.is_empty() {
                // Writing to a string does not fail.
                let _ = show(asked.name.as_wire(), &mut name);
            }
            let found = compiled.matches.iter().find_map(|regex| Some((regex, regex.captures(&name)?)));
            let Some((regex, captures)) = found else {
                if compiled.falls_through(asked.name.as_wire()) {
                    continue;
                }
                return Outcome::Failed;
            };
            let zone = zone.to_string();
            let kind = Rtype::from_int(asked.kind).to_string();
            let known = Known { name: &name, zone: &zone, kind: &kind, client, regex, captures: &captures };
            return compiled.render(&known, asked.kind).map_or(Outcome::Failed, Outcome::Answer);
        }
        Outcome::Pass
    }
}

impl Answer {
    /// Puts the records into a reply, which is marked as cut short when an answer does not fit. Gives the code to end it with.
    pub fn put(&self, reply: &mut Reply<'_>) -> Rcode {
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for (section, records) in sections.into_iter().zip(&self.sections) {
            if !records.iter().all(|record| reply.push(section, record, 1)) {
                if section != Section::Additional {
                    reply.truncate();
                }
                break;
            }
        }
        self.rcode
    }
}

impl Compiled {
    fn new(template: &Template, zones: &[Name]) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut regex = |pattern: &str| Regex::new(pattern).map_err(|why| wrong.push(why.to_string())).ok();
        let mut matches: Vec<Regex> = template.matches.iter().filter_map(|pattern| regex(pattern)).collect();
        if template.matches.is_empty() {
            matches.extend(regex(".*"));
        }
        let sections = [&template.answer, &template.authority, &template.additional];
        let sections = sections.map(|texts| {
            let read = |text: &String| match Text::read(text, &matches) {
                Ok(compiled) => {
                    // A text with nothing to put in can be read right now.
                    let fixed = compiled.fixed().map(|text| record(&text));
                    if let Some(Err(why)) = fixed {
                        wrong.push(format!("{text}: {why}"));
                    }
                    Some(compiled)
                }
                Err(why) => {
                    wrong.push(format!("{text}: {why}"));
                    None
                }
            };
            texts.iter().filter_map(read).collect()
        });
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let zones = if template.zones.is_empty() { zones } else { &template.zones };
        Ok(Self {
            kind: template.kind,
            zones: zones.to_vec(),
            matches,
            sections,
            rcode: template.rcode,
            fallthrough: template.fallthrough.clone(),
        })
    }

    /// The longest of its zones that the name is in, if the question is one for it.
    fn zone(&self, asked: &Asked<'_>) -> Option<&Name> {
        if self.kind.is_some_and(|kind| kind != asked.kind) {
            return None;
        }
        let name = asked.name.as_wire();
        let within = self.zones.iter().filter(|zone| ends_with(name, zone.as_wire()));
        within.max_by_key(|zone| zone.as_wire().len())
    }

    fn falls_through(&self, name: &[u8]) -> bool {
        let zones = self.fallthrough.as_ref();
        zones
            .is_some_and(|zones| zones.is_empty() || zones.iter().any(|zone| ends_with(name, zone.as_wire())))
    }

    fn render(&self, known: &Known<'_>, asked: u16) -> Option<Answer> {
        let mut answer = Answer { rcode: self.rcode, sections: [const { Vec::new() }; 3], alias: None };
        let mut alias = None;
        for (at, (texts, records)) in self.sections.iter().zip(&mut answer.sections).enumerate() {
            for text in texts {
                let (wire, target) = record(&text.fill(known)?).ok()?;
                records.push(wire);
                if at == 0 {
                    alias = target;
                }
            }
        }
        answer.alias = alias.filter(|_| matches!(asked, kind::A | kind::AAAA));
        Some(answer)
    }
}

/// A record of a zone file in wire form; with what it is an alias of.
fn record(text: &str) -> Result<(Vec<u8>, Option<Name>), String> {
    let mut zone = Zonefile::from(format!("{text}\n").as_str());
    zone.set_origin(DomainName::<Bytes>::root_bytes());
    zone.set_default_class(Class::IN);
    match (zone.next_entry(), zone.next_entry()) {
        (Ok(Some(Entry::Record(record))), Ok(None)) => {
            let mut wire = Vec::new();
            let _ = record.compose(&mut wire);
            let target = match record.data() {
                ZoneRecordData::Cname(alias) => Name::parse(&alias.cname().to_string()).ok(),
                _ => None,
            };
            Ok((wire, target))
        }
        (Err(why), _) => Err(format!("this is no record: {why}")),
        _ => Err("write one record here, as a zone file has it".into()),
    }
}

#[cfg(test)]
mod tests;
