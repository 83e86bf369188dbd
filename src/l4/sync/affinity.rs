//! Forgets clients whose endpoint left.
//!
//! The kernel remembers by itself which endpoint a client of a sticky frontend went to, so the map is not part of what is
//! desired. After a change that took endpoints away it is read, and what leads nowhere any more is removed.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use tracing::{debug, warn};

use crate::l4::desired::{Desired, Stale};
use crate::l4::nft::Kernel;
use crate::l4::ruleset::{Family, Frontend, Target};

/// Forgets the clients of these.
pub(super) fn forget(kernel: &mut Kernel, stale: &[Stale]) {
    let mut gone: HashMap<Frontend, Vec<Option<Target>>> = HashMap::new();
    for stale in stale {
        gone.entry(stale.frontend).or_default().push(stale.target);
    }
    for family in Family::ALL {
        if gone.keys().any(|frontend| Family::of(frontend.address) == family) {
            sweep(kernel, family, |frontend, target| {
                gone.get(frontend).is_some_and(|gone| gone.contains(&None) || gone.contains(&Some(*target)))
            });
        }
    }
}

/// Forgets every client that leads where nobody is: of what a former run remembered, nobody told when it left.
pub(super) fn forget_unknown(kernel: &mut Kernel, desired: &Desired) {
    let mut known: HashMap<Frontend, HashSet<Target>> = HashMap::new();
    for port in
        desired.services.values().flat_map(|ports| ports.iter()).filter(|port| port.affinity.is_some())
    {
        for exposed in &port.frontends {
            let outside: &[Target] = if port.is_outside_apart(exposed.kind) { &port.local } else { &[] };
            let targets = port.targets(exposed.kind).iter().chain(outside);
            known.entry(exposed.frontend).or_default().extend(targets);
        }
    }
    for family in Family::ALL {
        sweep(kernel, family, |frontend, target| {
            !known.get(frontend).is_some_and(|targets| targets.contains(target))
        });
    }
}

/// Forgets those of whom `gone` says so.
fn sweep(kernel: &mut Kernel, family: Family, gone: impl Fn(&Frontend, &Target) -> bool) {
    let remembered = match kernel.remembered(family) {
        Ok(remembered) => remembered,
        Err(why) => return warn!("clients of endpoints that left could not be looked for: {why}"),
    };
    let gone = remembered.into_iter().filter(|(frontend, _, target)| gone(frontend, target));
    let gone: Vec<(Frontend, IpAddr)> = gone.map(|(frontend, client, _)| (frontend, client)).collect();
    if gone.is_empty() {
        return;
    }
    match kernel.forget(family, &gone) {
        Ok(count) => debug!("{count} clients of endpoints that left are forgotten"),
        Err(why) => warn!("clients of endpoints that left could not be forgotten: {why}"),
    }
}
