//! Flags over a plan.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{self, Dns, DnsAnswers, Place, Stub, Transfers, UpstreamAt};
use crate::dns::corefile::Fault;
use crate::dns::plan::{
    Autopath, Block, Cache, Errors, Forward, Health, Hosts, Kubernetes, Log, Plan, PodRecords, Policy,
    Prefetch, Stale, Target, Transfer, Upstream,
};
use crate::dns::wire::name::Name;

/// The port of DNS.
const PORT: u16 = 53;

/// What is answered.
pub(super) fn answers(plan: &mut Plan, answers: &DnsAnswers, notes: &mut Vec<Fault>) {
    zone(plan, answers, notes);
    forwards(plan, answers);
    for block in &mut plan.blocks {
        for forward in &mut block.forwards {
            forward.policy = answers.policy.map_or(forward.policy, policy);
            forward.max_concurrent = answers.max_concurrent.unwrap_or(forward.max_concurrent);
        }
        if let Some(file) = &answers.hosts
            && (block.hosts.is_some() || block.zones.iter().any(Name::is_root))
        {
            block.hosts.get_or_insert_with(no_hosts).file = Some(file.clone());
        }
        cache(block, answers);
    }
}

/// How is served.
pub(super) fn serving(plan: &mut Plan, flags: &Dns, notes: &mut Vec<Fault>) {
    listen(plan, &flags.listen, notes);
    let health = plan.health;
    plan.health = place(flags.health, health.map(|health| health.address)).map(|address| {
        let lameduck = health.map_or(Duration::ZERO, |health| health.lameduck);
        Health { address, lameduck: flags.lameduck.unwrap_or(lameduck) }
    });
    plan.ready = place(flags.ready, plan.ready);
    plan.metrics = place(flags.metrics, plan.metrics);
    for block in &mut plan.blocks {
        match flags.log_queries {
            Some(true) if block.log.is_empty() => {
                block.log.push(Log { zones: Vec::new(), classes: Vec::new(), format: None });
            }
            Some(false) => block.log.clear(),
            _ => {}
        }
    }
}

fn place(flag: Place, planned: Option<SocketAddr>) -> Option<SocketAddr> {
    match flag {
        Place::Unsaid => planned,
        Place::Nowhere => None,
        Place::At(address) => Some(address),
    }
}

/// With `--listen`, the blocks of the usual port answer at each of the ports there; other blocks at theirs, if it is one.
fn listen(plan: &mut Plan, listen: &[SocketAddr], notes: &mut Vec<Fault>) {
    if listen.is_empty() {
        return;
    }
    let mut ports: Vec<u16> = listen.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    let usual = plan.blocks.iter().map(|block| block.port).find(|port| *port == PORT);
    let usual = usual.or_else(|| plan.blocks.first().map(|block| block.port)).unwrap_or(PORT);
    let (moved, mut kept): (Vec<Block>, Vec<Block>) =
        std::mem::take(&mut plan.blocks).into_iter().partition(|block| block.port == usual);
    kept.retain(|block| {
        let there = ports.contains(&block.port);
        if !there {
            notes.push(note("--listen", &format!("the blocks of port {} are not served", block.port)));
        }
        there
    });
    // Where each address of the blocks would be a block of its own, addresses go on to tell them apart.
    let same = |(at, block): (usize, &Block)| {
        moved[..at].iter().any(|other| other.zones.iter().any(|zone| block.zones.contains(zone)))
    };
    let apart = moved.iter().enumerate().any(same);
    for port in ports {
        for block in &moved {
            let mut block = Block { port, ..block.clone() };
            if !apart {
                block.bind.clear();
            }
            block
                .zones
                .retain(|zone| !kept.iter().any(|other| other.port == port && other.zones.contains(zone)));
            if !block.zones.is_empty() {
                plan.blocks.push(block);
            }
        }
    }
    plan.blocks.append(&mut kept);
}

/// The cluster's zone.
fn zone(plan: &mut Plan, answers: &DnsAnswers, notes: &mut Vec<Fault>) {
    if let Some(new) = answers.cluster_domain.as_deref().and_then(|domain| Name::parse(domain).ok()) {
        rename(plan, &new);
    }
    let mut any = false;
    for block in &mut plan.blocks {
        let Some(kubernetes) = &mut block.kubernetes else { continue };
        any = true;
        kubernetes.ttl = answers.ttl.unwrap_or(kubernetes.ttl);
        if !answers.namespaces.is_empty() {
            kubernetes.namespaces.clone_from(&answers.namespaces);
        }
        match answers.autopath {
            Some(true) => {
                block.autopath = Some(Autopath::Kubernetes);
                kubernetes.pods = PodRecords::Verified;
            }
            Some(false) => block.autopath = None,
            None => {}
        }
        kubernetes.pods = answers.pods.map_or(kubernetes.pods, pods);
        let to = match &answers.transfer_to {
            Transfers::Unsaid => continue,
            Transfers::Everybody => None,
            Transfers::To(nets) => Some(nets.clone()),
        };
        let zones = kubernetes.zones.clone();
        block.transfers = vec![Transfer { zones, to }];
    }
    let given = [
        ("--cluster-domain", answers.cluster_domain.is_some()),
        ("--pods", answers.pods.is_some()),
        ("--ttl", answers.ttl.is_some()),
        ("--namespace", !answers.namespaces.is_empty()),
        ("--autopath", answers.autopath == Some(true)),
        ("--transfer-to", answers.transfer_to != Transfers::Unsaid),
    ];
    for (flag, _) in given.into_iter().filter(|(_, given)| *given && !any) {
        notes.push(note(flag, "the Corefile has no kubernetes: this says nothing"));
    }
}

/// The cluster's zone gets another name wherever it stands.
fn rename(plan: &mut Plan, new: &Name) {
    let zones = |kubernetes: &Kubernetes| kubernetes.zones.clone();
    let old: Vec<Name> =
        plan.blocks.iter().filter_map(|block| block.kubernetes.as_ref()).flat_map(zones).collect();
    let renamed = |list: &mut Vec<Name>| {
        for name in list.iter_mut().filter(|name| old.contains(name) && !name.is_root()) {
            *name = new.clone();
        }
        let mut seen = Vec::new();
        list.retain(|name| {
            let first = !seen.contains(name);
            seen.push(name.clone());
            first
        });
    };
    for block in &mut plan.blocks {
        renamed(&mut block.zones);
        if let Some(kubernetes) = &mut block.kubernetes {
            kubernetes.zones = vec![new.clone()];
        }
        if let Some(cache) = &mut block.cache {
            for list in [&mut cache.zones, &mut cache.success.disabled, &mut cache.denial.disabled] {
                renamed(list);
            }
        }
        block.forwards.iter_mut().for_each(|forward| renamed(&mut forward.except));
    }
}

fn forwards(plan: &mut Plan, answers: &DnsAnswers) {
    if !answers.forward.is_empty() {
        for block in plan.blocks.iter_mut().filter(|block| block.zones.iter().any(Name::is_root)) {
            let to: Vec<Target> = answers.forward.iter().map(target).collect();
            match block.forwards.iter_mut().find(|forward| forward.from.is_root()) {
                Some(forward) => forward.to = to,
                None => block.forwards.push(Forward::new(Name::root(), to)),
            }
        }
    }
    for Stub { zone, to } in &answers.stubs {
        let Ok(zone) = Name::parse(zone) else { continue };
        let forward = Forward::new(zone.clone(), to.iter().map(target).collect());
        let length = |block: &Block| {
            let within = block.zones.iter().filter(|own| zone.is_within(own));
            within.map(|own| own.as_wire().len()).max()
        };
        // The block that takes the zone's names forwards them elsewhere; where none does, one is made.
        let taking = plan.blocks.iter_mut().filter(|block| length(block).is_some());
        if let Some(block) = taking.max_by_key(|block| length(block)) {
            block.forwards.retain(|other| other.from != zone);
            block.forwards.push(forward);
        } else {
            let mut block = Block::new(vec![zone], plan.blocks.first().map_or(PORT, |block| block.port));
            block.errors = Some(Errors::default());
            block.cache = Some(Cache::default());
            block.forwards.push(forward);
            plan.blocks.push(block);
        }
    }
}

fn cache(block: &mut Block, answers: &DnsAnswers) {
    match answers.cache {
        Some(0) => block.cache = None,
        Some(most) if block.cache.is_some() || !block.forwards.is_empty() => {
            let cache = block.cache.get_or_insert_default();
            for side in [&mut cache.success, &mut cache.denial] {
                (side.max_ttl, side.min_ttl) = (most, side.min_ttl.min(most));
            }
        }
        _ => {}
    }
    let Some(cache) = &mut block.cache else { return };
    cache.bytes = answers.cache_size;
    match answers.prefetch {
        Some(true) if cache.prefetch.is_none() => {
            cache.prefetch = Some(Prefetch { amount: 2, within: Duration::from_mins(1), percentage: 10 });
        }
        Some(false) => cache.prefetch = None,
        _ => {}
    }
    match answers.serve_stale {
        Some(Duration::ZERO) => cache.stale = None,
        Some(within) => {
            let verify = cache.stale.is_none_or(|stale| stale.verify);
            cache.stale = Some(Stale { within, verify });
        }
        None => {}
    }
}

fn no_hosts() -> Hosts {
    Hosts {
        file: None,
        inline: Vec::new(),
        zones: Vec::new(),
        ttl: 3600,
        no_reverse: false,
        reload: Duration::from_secs(5),
        fallthrough: Some(Vec::new()),
    }
}

fn target(at: &UpstreamAt) -> Target {
    match at {
        UpstreamAt::Address { address, tls, name } => {
            Target::Upstream(Upstream { address: *address, tls: *tls, name: name.clone() })
        }
        UpstreamAt::File(path) => Target::File(path.clone()),
    }
}

fn pods(flag: config::PodRecords) -> PodRecords {
    match flag {
        config::PodRecords::Disabled => PodRecords::Disabled,
        config::PodRecords::Insecure => PodRecords::Insecure,
        config::PodRecords::Verified => PodRecords::Verified,
    }
}

fn policy(flag: config::Policy) -> Policy {
    match flag {
        config::Policy::Random => Policy::Random,
        config::Policy::RoundRobin => Policy::RoundRobin,
        config::Policy::Sequential => Policy::Sequential,
    }
}

fn note(flag: &str, message: &str) -> Fault {
    Fault { file: flag.to_owned(), line: 1, message: message.to_owned(), unsupported: false }
}
