//! What has to be changed in the kernel, and nothing else.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::ruleset::{Base, Chain, ChainId, Element, Family, Owner, Ruleset, SetId};

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
    /// What happens now: first what is added and others lead to, removals of elements before additions.
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

/// The smallest transaction from what was applied to what is desired.
pub fn diff(_applied: &Ruleset, _desired: &Ruleset) -> Transaction {
    Transaction::default()
}

/// The smallest transaction from what was found in the kernel to what is desired.
pub fn adopt(_found: &Found, _desired: &Ruleset) -> Transaction {
    Transaction::default()
}
