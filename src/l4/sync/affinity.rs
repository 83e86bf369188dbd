//! Forgets clients whose endpoint left.
//!
//! The kernel remembers by itself which endpoint a client of a sticky frontend went to, so the map is not part of what is
//! desired. After a change that took endpoints away it is read, and what leads nowhere any more is removed.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use tracing::{debug, warn};

use crate::l4::desired::{Desired, Stale};
use crate::l4::nft::Kernel;
use crate::l4::ruleset::{Family, Frontend, SetId, Target};

/// From how many remembered clients on to say so.
const NEARLY_ALL: usize = SetId::REMEMBERED as usize / 10 * 9;

/// Forgets the clients of these; says how many.
pub(super) fn forget(kernel: &mut Kernel, stale: &[Stale]) -> Result<usize, String> {
    let mut gone: HashMap<Frontend, Vec<Option<Target>>> = HashMap::new();
    for stale in stale {
        gone.entry(stale.frontend).or_default().push(stale.target);
    }
    let mut forgotten = 0;
    for family in Family::ALL {
        if gone.keys().any(|frontend| Family::of(frontend.address) == family) {
            forgotten += sweep(kernel, family, |frontend, target| {
                gone.get(frontend).is_some_and(|gone| gone.contains(&None) || gone.contains(&Some(*target)))
            })?;
        }
    }
    Ok(forgotten)
}

/// Forgets every client that leads where nobody is: of what a former run remembered, nobody told when it left. Says how many.
pub(super) fn forget_unknown(kernel: &mut Kernel, desired: &Desired) -> Result<usize, String> {
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
    let mut forgotten = 0;
    for family in Family::ALL {
        forgotten += sweep(kernel, family, |frontend, target| {
            !known.get(frontend).is_some_and(|targets| targets.contains(target))
        })?;
    }
    Ok(forgotten)
}

/// Forgets those of whom `gone` says so; says how many.
fn sweep(
    kernel: &mut Kernel,
    family: Family,
    gone: impl Fn(&Frontend, &Target) -> bool,
) -> Result<usize, String> {
    let remembered = kernel.remembered(family).map_err(|why| why.to_string())?;
    if remembered.len() > NEARLY_ALL {
        warn!(
            "{} clients of Services with session affinity are remembered for {}; with {} no more are, and go to any endpoint",
            remembered.len(),
            family.label(),
            SetId::REMEMBERED
        );
    }
    let gone = remembered.into_iter().filter(|(frontend, _, target)| gone(frontend, target));
    let gone: Vec<(Frontend, IpAddr)> = gone.map(|(frontend, client, _)| (frontend, client)).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    let count = kernel.forget(family, &gone).map_err(|why| why.to_string())?;
    debug!("{count} clients of endpoints that left are forgotten");
    Ok(count)
}
