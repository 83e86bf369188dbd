//! What is in the kernel.

use std::collections::BTreeSet;

use super::abi::{self, chain, element, message, rule, set as sets, table};
use super::element::Reader;
use super::{Kernel, NOT_THERE, family, nothing, number, set};
use crate::l4::diff::{Found, FoundChain};
use crate::l4::netlink::{Error, Message, Writer, attribute, be32, text};
use crate::l4::ruleset::{Base, ChainId, Element, Family, Hook, HookType, SetId, SetKind, TABLE};

/// How often what changes while it is read is read again.
const TRIES: u32 = 4;

impl Kernel {
    /// Everything of ours that is in the kernel, as it is between two transactions; when others write all the time, as well as
    /// that can be told.
    pub fn read(&mut self) -> Result<Found, Error> {
        let mut before = self.generation()?;
        let mut last = None;
        for _ in 0..TRIES {
            let (found, whole, was_there) = match self.look() {
                Ok((found, whole)) => (found, whole, true),
                // A set that was there a moment ago.
                Err(error) if error.errno == NOT_THERE => (Found::default(), false, false),
                Err(error) => return Err(error),
            };
            let after = self.generation()?;
            if whole && before == after {
                return Ok(found);
            }
            before = after;
            last = Some(found).filter(|_| was_there);
        }
        // Others write to their tables all the time. Of ours little can be wrong then: what is added twice does no harm,
        // and what is removed though it is gone is refused, and read again.
        last.ok_or_else(|| Error::new("cannot read the rules: somebody changes them all the time", 0))
    }

    fn look(&mut self) -> Result<(Found, bool), Error> {
        let mut found = Found::default();
        let mut whole = self.look_at_tables(&mut found)?;
        if !found.tables.is_empty() {
            whole &= self.look_at_chains(&mut found)?;
            for family in Family::ALL {
                whole &= self.look_at_rules(family, &mut found)?;
            }
            whole &= self.look_at_sets(&mut found)?;
        }
        Ok((found, whole))
    }

    fn look_at_tables(&mut self, found: &mut Found) -> Result<bool, Error> {
        self.ask("cannot list the tables", message::GET_TABLE, 0, nothing, |message| {
            if let Some(family) = ours(message) {
                found.tables.insert(family);
                // A table with flags is asleep, or belongs to a process.
                if message.attribute(table::FLAGS).and_then(be32) != Some(0) {
                    found.strange.insert(family);
                }
            }
        })
    }

    fn look_at_chains(&mut self, found: &mut Found) -> Result<bool, Error> {
        self.ask("cannot list the chains", message::GET_CHAIN, 0, nothing, |message| {
            let Some(family) = ours(message) else { return };
            let name = message.attribute(chain::NAME).and_then(text).and_then(ChainId::parse);
            let hook = message.attribute(chain::HOOK);
            let base = hook.and_then(|hook| base(message, hook));
            match name.filter(|_| base.is_some() == hook.is_some()) {
                Some(name) => {
                    found.chains.insert((family, name), FoundChain { base, rules: Vec::new() });
                }
                None => drop(found.strange.insert(family)),
            }
        })
    }

    fn look_at_rules(&mut self, family: Family, found: &mut Found) -> Result<bool, Error> {
        // The kernel stops after one table of that name.
        let of_ours = |out: &mut Writer| out.put_text(abi::TABLE, TABLE);
        self.ask("cannot list the rules", message::GET_RULE, number(family), of_ours, |message| {
            if ours(message) != Some(family) {
                return;
            }
            let name = message.attribute(rule::CHAIN).and_then(text).and_then(ChainId::parse);
            if let Some(chain) = name.and_then(|name| found.chains.get_mut(&(family, name))) {
                let userdata = message.attribute(rule::USERDATA).unwrap_or_default();
                chain.rules.push(comment(userdata).unwrap_or_default().to_owned());
            }
        })
    }

    fn look_at_sets(&mut self, found: &mut Found) -> Result<bool, Error> {
        let doing = "cannot list the sets";
        let mut whole = self.ask(doing, message::GET_SET, 0, nothing, |message| {
            let Some(family) = ours(message).filter(|_| !set::is_anonymous(message)) else { return };
            let name = message.attribute(sets::NAME).and_then(text).and_then(SetId::parse);
            match name.filter(|name| set::is_ours(*name, family, message)) {
                Some(name) => drop(found.sets.insert((family, name))),
                None => drop(found.strange.insert(family)),
            }
        })?;
        let filled = found.sets.iter().filter(|(_, set)| set.kind() != SetKind::Remembered);
        let filled: Vec<(Family, SetId)> = filled.copied().collect();
        let mut elements = Vec::new();
        for (family, set) in filled {
            let (read, held) = self.elements(doing, family, set)?;
            whole &= held;
            match read {
                Some(read) => elements.extend(read),
                None => drop(found.strange.insert(family)),
            }
        }
        found.elements = BTreeSet::from_iter(elements);
        Ok(whole)
    }

    /// The elements of one set, or `None` if there are some that we would not write, and whether the answer holds together.
    pub(super) fn elements(
        &mut self,
        doing: &'static str,
        family: Family,
        set: SetId,
    ) -> Result<(Option<Vec<Element>>, bool), Error> {
        let mut reader = Reader::new(family, set);
        let of_set = |out: &mut Writer| {
            out.put_text(abi::TABLE, TABLE);
            out.put_text(element::SET, &set.to_string());
        };
        let whole = self.ask(doing, message::GET_ELEMENT, number(family), of_set, |message| {
            reader.read(message);
        })?;
        Ok((reader.finish(), whole))
    }
}

/// The family of a message about our table.
pub(super) fn ours(message: &Message<'_>) -> Option<Family> {
    let table = message.attribute(abi::TABLE).and_then(text)?;
    family(message.family()).filter(|_| table == TABLE)
}

/// Where a base chain hangs; `None` if not as one of ours could.
fn base(message: &Message<'_>, hook: &[u8]) -> Option<Base> {
    let kind = match message.attribute(chain::TYPE).and_then(text)? {
        "filter" => HookType::Filter,
        "nat" => HookType::Nat,
        _ => return None,
    };
    let number = |kind| attribute(hook, kind).and_then(be32);
    let known = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
    let hook = *known.get(number(chain::HOOK_NUMBER)? as usize)?;
    let priority = number(chain::HOOK_PRIORITY)?.cast_signed();
    let accepts = message.attribute(chain::POLICY).and_then(be32) == Some(chain::ACCEPT);
    accepts.then_some(Base { kind, hook, priority })
}

/// The comment among what `nft` keeps of a rule.
fn comment(mut userdata: &[u8]) -> Option<&str> {
    loop {
        let [kind, length, rest @ ..] = userdata else { return None };
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *kind == rule::COMMENT {
            return text(value);
        }
        userdata = rest;
    }
}
