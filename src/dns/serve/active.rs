//! A plan made ready: which block a question goes to, and what the block asks.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::autopath::Autopath;
use super::failures::Failures;
use super::hosts::Hosts;
use crate::dns::forward::cache::Cache;
use crate::dns::forward::{Forwarder, LoopProbe, Unusable};
use crate::dns::plan::{self, Plan};
use crate::dns::rewrite::Rules;
use crate::dns::template::Templates;
use crate::dns::wire::name::{Name, ends_with};
use crate::metrics::dns::Metrics;

/// A plan made ready: files are read, expressions compiled, upstreams set up.
pub struct Active {
    plan: Plan,
    /// Tells one plan from another, for those who keep something for it.
    pub(super) id: u64,
    pub(super) blocks: Vec<Block>,
    choices: Vec<Choice>,
    pub(super) slots: Vec<Slot>,
}

/// Where queries are counted, and under what.
pub(super) struct Slot {
    pub(super) server: String,
    pub(super) zone: String,
    port: u16,
}

/// One zone of one block.
struct Choice {
    zone: Name,
    port: u16,
    bind: Vec<IpAddr>,
    block: usize,
    slot: usize,
}

/// A block made ready.
pub(super) struct Block {
    pub(super) plan: plan::Block,
    /// `dns://:53`.
    pub(super) server: String,
    pub(super) cache: Option<Arc<Cache>>,
    /// The one with the longest zone first.
    pub(super) forwards: Vec<Arc<Forwarder>>,
    /// Which of the zones that are served is this block's.
    pub(super) kubernetes: Option<usize>,
    pub(super) failures: Option<Failures>,
    pub(super) rules: Rules,
    pub(super) autopath: Option<Autopath>,
    pub(super) templates: Templates,
    pub(super) hosts: Option<Hosts>,
    /// Whether queries come back to us (`loop`).
    pub(super) probe: Option<LoopProbe>,
}

/// Where a query came in: what was asked for when the socket was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

/// The block that takes a question, and where that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// `None`: nobody takes it.
    pub(super) block: Option<usize>,
    pub(super) slot: usize,
}

impl Active {
    /// Makes a plan ready. What did not change since `former` (caches, upstreams and their health) goes on.
    pub fn new(plan: Plan, former: Option<&Self>, metrics: &Metrics) -> Result<Self, Vec<Unusable>> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let (mut blocks, mut wrong, mut kubernetes) = (Vec::new(), Vec::new(), 0..);
        for of_plan in &plan.blocks {
            let former = former.and_then(|former| former.blocks.iter().find(|old| old.is_same(of_plan)));
            let index = of_plan.kubernetes.as_ref().and_then(|_| kubernetes.next());
            match Block::new(of_plan, index, former, metrics) {
                Ok(block) => blocks.push(block),
                Err(mut more) => wrong.append(&mut more),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let mut active = Self { plan, id, blocks, choices: Vec::new(), slots: Vec::new() };
        active.choose_among();
        active.tell(metrics);
        Ok(active)
    }

    /// What it was made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The block with the longest zone that the name is in.
    #[inline]
    pub(super) fn choose(&self, name: &[u8], entry: Entry) -> Chosen {
        let takes = |choice: &&Choice| {
            choice.port == entry.port
                && choice.is_bound(entry.address)
                && ends_with(name, choice.zone.as_wire())
        };
        match self.choices.iter().find(takes) {
            Some(choice) => Chosen { block: Some(choice.block), slot: choice.slot },
            None => Chosen { block: None, slot: self.nobody(entry) },
        }
    }

    /// Where is counted what no block takes.
    pub(super) fn nobody(&self, entry: Entry) -> usize {
        let nobody = |slot: &Slot| slot.port == entry.port && slot.zone == NOBODY;
        self.slots.iter().position(nobody).unwrap_or(self.slots.len().saturating_sub(1))
    }

    /// Sorts the blocks' zones so that the first that fits is the right one.
    fn choose_among(&mut self) {
        for (at, block) in self.plan.blocks.iter().enumerate() {
            let server = server(block);
            for zone in &block.zones {
                let slot = self.slots.len();
                self.slots.push(Slot { server: server.clone(), zone: zone.to_string(), port: block.port });
                let (zone, bind) = (zone.clone(), block.bind.clone());
                self.choices.push(Choice { zone, port: block.port, bind, block: at, slot });
            }
        }
        self.choices.sort_by_key(|choice| {
            (std::cmp::Reverse(choice.zone.as_wire().len()), choice.bind.is_empty(), choice.block)
        });
        let mut ports: Vec<u16> = self.plan.blocks.iter().map(|block| block.port).collect();
        ports.sort_unstable();
        ports.dedup();
        // One for ports that the plan does not know.
        for port in ports.into_iter().chain([0]) {
            self.slots.push(Slot { server: format!("dns://:{port}"), zone: NOBODY.into(), port });
        }
    }

    fn tell(&self, metrics: &Metrics) {
        let blocks = self.plan.blocks.iter().map(|block| (server(block), parts(block), &block.zones));
        let all: Vec<(String, String, &str)> = blocks
            .flat_map(|(server, parts, zones)| {
                zones.iter().flat_map(move |zone| {
                    let server = server.clone();
                    parts.clone().into_iter().map(move |part| (server.clone(), zone.to_string(), part))
                })
            })
            .collect();
        metrics.plugins(all.iter().map(|(server, zone, part)| (server.as_str(), zone.as_str(), *part)));
    }
}

/// How CoreDNS calls the zone of what no block takes.
const NOBODY: &str = "dropped";

impl Choice {
    /// A socket on one address belongs to the blocks that name it, and to those that name none.
    fn is_bound(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return true };
        self.bind.is_empty() || address.is_unspecified() || self.bind.contains(&address)
    }
}

impl Block {
    fn new(
        plan: &plan::Block,
        kubernetes: Option<usize>,
        former: Option<&Self>,
        metrics: &Metrics,
    ) -> Result<Self, Vec<Unusable>> {
        let kept =
            former.and_then(|former| former.cache.clone()).filter(|c| Some(c.plan()) == plan.cache.as_ref());
        let same_cache = kept.is_some() || plan.cache.is_none();
        let cache = kept.or_else(|| plan.cache.as_ref().map(|cache| fresh(cache, plan, metrics)));
        let former = former.filter(|former| same_cache && former.plan.cache == plan.cache);
        let (mut forwards, mut wrong) = (Vec::new(), Vec::new());
        for forward in &plan.forwards {
            let kept = former.and_then(|former| former.forwards.iter().find(|old| old.plan() == forward));
            match kept
                .cloned()
                .map_or_else(|| Forwarder::new(forward.clone(), cache.clone(), metrics.clone()), Ok)
            {
                Ok(forwarder) => forwards.push(forwarder),
                Err(unusable) => wrong.push(unusable),
            }
        }
        forwards.sort_by_key(|forward| std::cmp::Reverse(forward.plan().from.as_wire().len()));
        let failures = plan.errors.as_ref().map(|errors| Failures::new(errors, plan.line)).transpose();
        let failures = failures.unwrap_or_else(|unusable| {
            wrong.push(unusable);
            None
        });
        let autopath = plan.autopath.as_ref().map(|autopath| Autopath::new(autopath, plan.line)).transpose();
        let autopath = autopath.unwrap_or_else(|unusable| {
            wrong.push(unusable);
            None
        });
        let (rules, templates) = texts(plan, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let hosts = plan.hosts.as_ref().map(|hosts| Hosts::new(hosts, &plan.zones, metrics));
        let probe = plan.looping.then(|| LoopProbe::new(plan.zones.first().unwrap_or(&Name::root())));
        let (plan, server) = (plan.clone(), server(plan));
        Ok(Self {
            plan,
            server,
            cache,
            forwards,
            kubernetes,
            failures,
            rules,
            autopath,
            templates,
            hosts,
            probe,
        })
    }

    /// The `forward` that takes a name, as a place in [`Self::forwards`].
    #[inline]
    pub(super) fn forward(&self, name: &[u8]) -> Option<usize> {
        (0..self.forwards.len()).find(|at| self.takes(*at, name))
    }

    /// Whether a `forward` takes a name.
    #[inline]
    pub(super) fn takes(&self, at: usize, name: &[u8]) -> bool {
        let plan = self.forwards[at].plan();
        ends_with(name, plan.from.as_wire())
            && !plan.except.iter().any(|zone| ends_with(name, zone.as_wire()))
    }

    /// Whether it was made of the block that stands there now.
    fn is_same(&self, plan: &plan::Block) -> bool {
        self.plan.zones == plan.zones && self.plan.port == plan.port && self.plan.bind == plan.bind
    }
}

/// What is compiled from texts.
fn texts(plan: &plan::Block, wrong: &mut Vec<Unusable>) -> (Rules, Templates) {
    let rules = Rules::new(&plan.rewrites).unwrap_or_else(|faults| {
        let fault = |message| Unusable { line: plan.line, message: format!("`rewrite`: {message}") };
        wrong.extend(faults.into_iter().map(fault));
        Rules::default()
    });
    let templates = Templates::new(&plan.templates, &plan.zones).unwrap_or_else(|faults| {
        let fault = |(line, message)| Unusable { line, message: format!("`template`: {message}") };
        wrong.extend(faults.into_iter().map(fault));
        Templates::default()
    });
    (rules, templates)
}

/// An empty cache, with its figures shown for as long as it lives.
fn fresh(cache: &plan::Cache, block: &plan::Block, metrics: &Metrics) -> Arc<Cache> {
    let zones: Vec<String> = block.zones.iter().map(ToString::to_string).collect();
    let cache = Arc::new(Cache::new(cache.clone(), cache.bytes));
    let weak = Arc::downgrade(&cache);
    let figures = move || weak.upgrade().map(|cache| cache.figures());
    metrics.forwarding().cache(&server(block), &zones.join(","), figures);
    cache
}

fn server(block: &plan::Block) -> String {
    match block.bind.as_slice() {
        [IpAddr::V6(address)] => format!("dns://[{address}]:{}", block.port),
        [address] => format!("dns://{address}:{}", block.port),
        _ => format!("dns://:{}", block.port),
    }
}

/// What is on in a block, as CoreDNS calls it.
fn parts(block: &plan::Block) -> Vec<&'static str> {
    let on = [
        ("acl", !block.acl.is_empty()),
        ("any", block.any),
        ("autopath", block.autopath.is_some()),
        ("cache", block.cache.is_some()),
        ("errors", block.errors.is_some()),
        ("forward", !block.forwards.is_empty()),
        ("hosts", block.hosts.is_some()),
        ("kubernetes", block.kubernetes.is_some()),
        ("loadbalance", block.shuffle),
        ("log", !block.log.is_empty()),
        ("loop", block.looping),
        ("rewrite", !block.rewrites.is_empty()),
        ("template", !block.templates.is_empty()),
        ("transfer", !block.transfers.is_empty()),
    ];
    on.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn block(zones: &[&str], port: u16) -> plan::Block {
        plan::Block::new(zones.iter().map(|zone| name(zone)).collect(), port)
    }

    fn chosen(active: &Active, asked: &str, address: Option<&str>, port: u16) -> (Option<usize>, String) {
        let entry = Entry { address: address.map(|address| address.parse().unwrap()), port };
        let chosen = active.choose(name(asked).as_wire(), entry);
        let slot = &active.slots[chosen.slot];
        (chosen.block, format!("{} {}", slot.server, slot.zone))
    }

    fn active(blocks: Vec<plan::Block>) -> Active {
        Active::new(Plan { blocks, ..Plan::default() }, None, &Metrics::default()).ok().unwrap()
    }

    #[test]
    fn the_longest_zone_of_the_port_takes_a_name() {
        let active =
            active(vec![block(&["."], 53), block(&["cluster.local", "local"], 53), block(&["local"], 54)]);
        let at = |asked, port| chosen(&active, asked, None, port);
        assert_eq!(at("a.cluster.local", 53), (Some(1), "dns://:53 cluster.local.".into()));
        assert_eq!(at("cluster.local", 53), (Some(1), "dns://:53 cluster.local.".into()));
        assert_eq!(at("xcluster.local", 53), (Some(1), "dns://:53 local.".into()));
        assert_eq!(at("example.org", 53), (Some(0), "dns://:53 .".into()));
        assert_eq!(at("a.local", 54), (Some(2), "dns://:54 local.".into()));
        assert_eq!(at("example.org", 54), (None, "dns://:54 dropped".into()));
        assert_eq!(at("a.local", 55), (None, "dns://:0 dropped".into()));
    }

    #[test]
    fn a_block_that_is_bound_answers_on_its_addresses_only() {
        let mut bound = block(&["."], 53);
        bound.bind = vec!["10.0.0.1".parse().unwrap()];
        let active = active(vec![block(&["."], 53), bound]);
        let at = |address| chosen(&active, "a.b", Some(address), 53).0;
        assert_eq!((at("10.0.0.1"), at("10.0.0.2")), (Some(1), Some(0)));
        assert_eq!(chosen(&active, "a.b", Some("10.0.0.1"), 53).1, "dns://10.0.0.1:53 .");
    }

    #[test]
    fn a_cache_goes_on_when_it_did_not_change() {
        let with = |prefetch: u32| {
            let mut block = block(&["."], 53);
            block.cache = Some(plan::Cache { servfail: prefetch, ..plan::Cache::default() });
            Plan { blocks: vec![block], ..Plan::default() }
        };
        let metrics = Metrics::default();
        let first = Active::new(with(1), None, &metrics).ok().unwrap();
        let second = Active::new(with(1), Some(&first), &metrics).ok().unwrap();
        let third = Active::new(with(2), Some(&second), &metrics).ok().unwrap();
        let cache = |active: &Active| active.blocks[0].cache.clone().unwrap();
        assert!(Arc::ptr_eq(&cache(&first), &cache(&second)));
        assert!(!Arc::ptr_eq(&cache(&second), &cache(&third)));
    }
}
