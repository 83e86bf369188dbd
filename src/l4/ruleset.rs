//! The rules of a node as types that print themselves: tables, chains, sets, maps, verdict maps, rules, elements.
//!
//! The table `slipway` exists once for IPv4 and once for IPv6, with the same layout in both. How many chains and sets there
//! are does not depend on how many Services there are: what differs between Services are elements of sets and maps.
//! `docs/service-proxy.md` tells why this layout is right. The text is what `nft -f` reads; [`super::nft`] writes the
//! same to the kernel through netlink.

mod chain;
mod element;
mod rule;
mod set;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::map::Map;

pub use chain::{Base, ChainId, Hook, HookType, Pick, Pool};
pub use element::{Element, Frontend, Key, Protocol, Target, Value, Verdict};
pub use rule::{Action, Chain, Fields, Match, Rule};
pub use set::{SetId, SetKind};

/// Name of the table, in both families.
pub const TABLE: &str = "slipway";

/// Address family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4: table `ip slipway`.
    Ip,
    /// IPv6: table `ip6 slipway`.
    Ip6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ip, Self::Ip6];

    /// The family of an address.
    pub fn of(address: std::net::IpAddr) -> Self {
        if address.is_ipv4() { Self::Ip } else { Self::Ip6 }
    }

    /// How metrics call it: `IPv4`, `IPv6`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ip => "IPv4",
            Self::Ip6 => "IPv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        })
    }
}

/// Whose element it is: `namespace/name` of a Service; errors of the kernel are reported on it.
pub type Owner = Arc<str>;

/// Everything that is to be in the kernel. Cloning shares everything.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    /// Every chain with its rules, of each family; sorted. A chain comes and goes with the classes of Services in use
    /// (how many endpoints, affinity), never with one Service.
    pub chains: BTreeMap<(Family, ChainId), Arc<Chain>>,
    /// Every set and map, of each family; sorted.
    pub sets: std::collections::BTreeSet<(Family, SetId)>,
    /// The elements of each Service, sorted. No element is in two groups: of two Services that claim the same, one has it.
    pub groups: Map<Owner, Arc<[Element]>>,
    /// Elements that belong to several Services or to none (hairpin pairs, ranges), each with the number of those who want
    /// it, which is not part of what the kernel knows.
    pub shared: Map<Element, u32>,
}

impl Ruleset {
    /// How many elements there are in all.
    pub fn len(&self) -> usize {
        self.groups.values().map(|group| group.len()).sum::<usize>() + self.shared.len()
    }

    /// Whether there is nothing at all, as after a cleanup.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.sets.is_empty()
    }

    /// Every element, sorted.
    pub fn elements(&self) -> Vec<&Element> {
        let mut all: Vec<&Element> =
            self.groups.values().flat_map(|group| group.iter()).chain(self.shared.keys()).collect();
        all.sort_unstable();
        all
    }
}

/// The whole as `nft -f` reads it: two tables.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = self.elements();
        for family in Family::ALL {
            writeln!(f, "table {family} {TABLE} {{")?;
            for (_, set) in self.sets.iter().filter(|(of, _)| *of == family) {
                set.declare(f, family)?;
                let own = elements.iter().filter(|e| e.family == family && e.set == *set);
                let own: Vec<String> = own.map(ToString::to_string).collect();
                if !own.is_empty() {
                    writeln!(f, "\t\telements = {{\n\t\t\t{}\n\t\t}}", own.join(",\n\t\t\t"))?;
                }
                writeln!(f, "\t}}\n")?;
            }
            for ((_, id), chain) in self.chains.iter().filter(|((of, _), _)| *of == family) {
                writeln!(f, "\tchain {id} {{")?;
                if let Some(base) = &chain.base {
                    writeln!(f, "\t\t{base}")?;
                }
                for rule in &chain.rules {
                    writeln!(f, "\t\t{}", rule.text(family))?;
                }
                writeln!(f, "\t}}\n")?;
            }
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}
