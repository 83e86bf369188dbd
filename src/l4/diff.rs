//! What has to be changed in the kernel, and nothing else.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::ruleset::{Base, Chain, ChainId, Element, Family, Owner, Ruleset, SetId};
use crate::model::map::Map;

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes the table; nothing happens when it is there.
    AddTable(Family),
    /// Removes the table and all in it.
    DeleteTable(Family),
    /// Makes a set or map.
    AddSet(Family, SetId),
    /// Removes a set or map.
    DeleteSet(Family, SetId),
    /// Makes a chain, or nothing when it is there.
    AddChain(Family, ChainId, Option<Base>),
    /// Removes the rules of a chain.
    FlushChain(Family, ChainId),
    /// Removes a chain.
    DeleteChain(Family, ChainId),
    /// Appends the rule with that number of the chain.
    AddRule(Family, ChainId, Arc<Chain>, usize),
    /// Adds an element, of a Service or of none.
    AddElement(Option<Owner>, Element),
    /// Removes an element; its value does not matter.
    DeleteElement(Option<Owner>, Element),
}

/// Steps that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What happens now, in this order: tables, sets, chains, the rules of chains that change (flushed and written anew),
    /// removals of elements, additions of elements; an element whose value changes is removed and added.
    pub commands: Vec<Command>,
    /// What nothing leads to any more: removed a second later, unless it is wanted again by then.
    pub later: Vec<Command>,
}

/// What was found in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The tables of ours that are there.
    pub tables: BTreeSet<Family>,
    /// Their chains that we know by name, with their base and the fingerprints of their rules in order.
    pub chains: BTreeMap<(Family, ChainId), FoundChain>,
    /// Their sets that we know by name and that are made as we make them.
    pub sets: BTreeSet<(Family, SetId)>,
    /// The elements of those, except what the kernel remembers by itself; sorted.
    pub elements: BTreeSet<Element>,
    /// Tables with something that we do not know: a chain or set of another name, another kind of set, an element that
    /// cannot be read. They are made anew as a whole.
    pub strange: BTreeSet<Family>,
}

/// A chain as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundChain {
    /// Where it hangs.
    pub base: Option<Base>,
    /// The fingerprint of each rule ([`super::ruleset::Rule::fingerprint`]); another's rule has none of ours.
    pub rules: Vec<String>,
}

/// The smallest transaction from what was applied to what is desired. Costs what the difference costs.
pub fn diff(applied: &Ruleset, desired: &Ruleset) -> Transaction {
    let moved = |family| {
        let chains = desired.chains.iter().filter(|((of, _), _)| *of == family);
        chains.into_iter().any(|(id, chain)| applied.chains.get(id).is_some_and(|was| was.base != chain.base))
    };
    let courses = Courses::new(|family| has_table(applied, family), moved, desired);
    let mut plan = Plan::new(&courses, desired);
    plan.sets(&applied.sets);
    let was = |id: &Place<ChainId>| applied.chains.get(id);
    plan.chains(
        applied.chains.iter().map(|(id, chain)| (*id, chain.rules.is_empty())),
        |id| was(id).is_some(),
        |id, chain| was(id).is_some_and(|was| Arc::ptr_eq(was, chain) || was.rules == chain.rules),
    );
    let same = |a: &Arc<[Element]>, b: &Arc<[Element]>| Arc::ptr_eq(a, b) || a == b;
    for owner in desired.groups.changes(&applied.groups, same) {
        let (was, is) = (applied.groups.get(owner), desired.groups.get(owner));
        let all = |group: Option<&'_ Arc<[Element]>>| group.cloned().unwrap_or_default();
        let (was, is) = (all(was), all(is));
        plan.elements(was.iter(), is.iter().map(|element| (element, Some(owner))), Some(owner));
    }
    for element in desired.shared.changes(&applied.shared, |_, _| true) {
        let one = |all: &Map<Element, u32>| all.contains_key(element).then_some(element);
        let is = one(&desired.shared).map(|element| (element, None));
        plan.elements(one(&applied.shared).into_iter(), is.into_iter(), None);
    }
    plan.finish()
}

/// The smallest transaction from what was found in the kernel to what is desired.
pub fn adopt(found: &Found, desired: &Ruleset) -> Transaction {
    let moved = |family| {
        let chains = desired.chains.iter().filter(|((of, _), _)| *of == family);
        let other = |(id, chain): (_, &Arc<Chain>)| {
            found.chains.get(id).is_some_and(|found| found.base != chain.base)
        };
        found.strange.contains(&family) || chains.into_iter().any(other)
    };
    let courses = Courses::new(|family| found.tables.contains(&family), moved, desired);
    let mut plan = Plan::new(&courses, desired);
    plan.sets(&found.sets);
    plan.chains(
        found.chains.iter().map(|(id, chain)| (*id, chain.rules.is_empty())),
        |id| found.chains.contains_key(id),
        |id, chain| {
            let rules = chain.rules.iter().map(|rule| rule.fingerprint(id.0));
            found.chains.get(id).is_some_and(|found| rules.eq(found.rules.iter().cloned()))
        },
    );
    plan.elements(found.elements.iter(), with_owners(desired).into_iter(), None);
    plan.finish()
}

/// A chain or set of one of the tables.
type Place<T> = (Family, T);

/// Every element with its owner, sorted.
fn with_owners(ruleset: &Ruleset) -> Vec<(&Element, Option<&Owner>)> {
    let owned = ruleset.groups.iter().flat_map(|(owner, all)| all.iter().map(move |e| (e, Some(owner))));
    let mut all: Vec<_> = owned.chain(ruleset.shared.keys().map(|element| (element, None))).collect();
    all.sort_unstable();
    all
}

fn has_table(ruleset: &Ruleset, family: Family) -> bool {
    let chains = ruleset.chains.keys().map(|(of, _)| *of);
    chains.chain(ruleset.sets.iter().map(|(of, _)| *of)).any(|of| of == family)
}

/// What becomes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// There is none and will be none.
    Absent,
    /// There is none, or it cannot be changed into what is desired: all of it is written.
    Whole { there: bool },
    /// It is there and changes a little.
    Changed,
    /// Nothing of it is wanted.
    Gone,
}

struct Courses([Course; 2]);

impl Courses {
    fn new(
        there: impl Fn(Family) -> bool,
        beyond_repair: impl Fn(Family) -> bool,
        desired: &Ruleset,
    ) -> Self {
        Self(Family::ALL.map(|family| match (there(family), has_table(desired, family)) {
            (false, false) => Course::Absent,
            (true, false) => Course::Gone,
            (true, true) if !beyond_repair(family) => Course::Changed,
            (there, true) => Course::Whole { there },
        }))
    }

    fn of(&self, family: Family) -> Course {
        self.0[family as usize]
    }

    fn changes(&self, family: Family) -> bool {
        self.of(family) == Course::Changed
    }

    fn whole(&self, family: Family) -> bool {
        matches!(self.of(family), Course::Whole { .. })
    }
}

/// A transaction while it is made up.
struct Plan<'a> {
    courses: &'a Courses,
    desired: &'a Ruleset,
    commands: Vec<Command>,
    removals: Vec<(Element, Option<Owner>)>,
    additions: Vec<(Element, Option<Owner>)>,
    later: Vec<Command>,
}

impl<'a> Plan<'a> {
    fn new(courses: &'a Courses, desired: &'a Ruleset) -> Self {
        let mut commands = Vec::new();
        for family in Family::ALL {
            match courses.of(family) {
                Course::Absent | Course::Changed => {}
                Course::Gone => commands.push(Command::DeleteTable(family)),
                Course::Whole { there } => {
                    commands.extend(there.then_some(Command::DeleteTable(family)));
                    commands.push(Command::AddTable(family));
                }
            }
        }
        let mut additions = Vec::new();
        if Family::ALL.into_iter().any(|family| courses.whole(family)) {
            let all = with_owners(desired).into_iter().filter(|(element, _)| courses.whole(element.family));
            additions.extend(all.map(|(element, owner)| (element.clone(), owner.cloned())));
        }
        Self { courses, desired, commands, removals: Vec::new(), additions, later: Vec::new() }
    }

    fn sets(&mut self, there: &BTreeSet<Place<SetId>>) {
        for (family, set) in &self.desired.sets {
            if self.courses.whole(*family) || !there.contains(&(*family, *set)) {
                self.commands.push(Command::AddSet(*family, *set));
            }
        }
        for (family, set) in there.difference(&self.desired.sets) {
            if self.courses.changes(*family) {
                self.later.push(Command::DeleteSet(*family, *set));
            }
        }
    }

    /// `there` are the chains that are there, and whether each is empty.
    fn chains(
        &mut self,
        there: impl Iterator<Item = (Place<ChainId>, bool)>,
        is_there: impl Fn(&Place<ChainId>) -> bool,
        same: impl Fn(&Place<ChainId>, &Arc<Chain>) -> bool,
    ) {
        let mut gone = Vec::new();
        let mut rules = Vec::new();
        for (id @ (family, chain), empty) in there {
            if self.courses.changes(family) && !self.desired.chains.contains_key(&id) {
                rules.extend((!empty).then_some(Command::FlushChain(family, chain)));
                gone.push(Command::DeleteChain(family, chain));
            }
        }
        for (id @ (family, name), chain) in &self.desired.chains {
            let fresh = self.courses.whole(*family) || !is_there(id);
            if fresh {
                self.commands.push(Command::AddChain(*family, *name, chain.base));
            } else if same(id, chain) {
                continue;
            } else {
                rules.push(Command::FlushChain(*family, *name));
            }
            let numbers = 0..chain.rules.len();
            rules.extend(numbers.map(|at| Command::AddRule(*family, *name, chain.clone(), at)));
        }
        self.commands.append(&mut rules);
        gone.append(&mut self.later);
        self.later = gone;
    }

    /// Both are sorted. What is removed belongs to `owner`.
    fn elements<'b>(
        &mut self,
        was: impl Iterator<Item = &'b Element>,
        is: impl Iterator<Item = (&'b Element, Option<&'b Owner>)>,
        owner: Option<&Owner>,
    ) {
        let courses = self.courses;
        let mut was = was.filter(|element| courses.changes(element.family)).peekable();
        let mut is = is.filter(|(element, _)| courses.changes(element.family)).peekable();
        loop {
            let order = match (was.peek(), is.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(was), Some((is, _))) => (*was).cmp(is),
            };
            let gone = if order.is_le() { was.next() } else { None };
            let new = if order.is_ge() { is.next() } else { None };
            match (gone, new) {
                (Some(gone), None) => self.removals.push((gone.clone(), owner.cloned())),
                (None, Some((new, owner))) => self.additions.push((new.clone(), owner.cloned())),
                _ => {}
            }
        }
    }

    fn finish(mut self) -> Transaction {
        // What one Service gave up and another took stays where it is.
        self.removals.sort_unstable();
        self.additions.sort_unstable();
        let stays: BTreeSet<Element> = {
            let mut additions = self.additions.iter().map(|(element, _)| element).peekable();
            let both = |(element, _): &&(Element, _)| {
                while additions.next_if(|added| *added < element).is_some() {}
                additions.peek().is_some_and(|added| *added == element)
            };
            self.removals.iter().filter(both).map(|(element, _)| element.clone()).collect()
        };
        let moves = |all: Vec<(Element, Option<Owner>)>| {
            all.into_iter().filter(|(element, _)| stays.is_empty() || !stays.contains(element))
        };
        let removals = moves(self.removals).map(|(element, owner)| Command::DeleteElement(owner, element));
        self.commands.extend(removals);
        let additions = moves(self.additions).map(|(element, owner)| Command::AddElement(owner, element));
        self.commands.extend(additions);
        Transaction { commands: self.commands, later: self.later }
    }
}

#[cfg(test)]
mod tests;
