//! Tables: written, listed by `nft`, read back, changed by others.

use slipway::l4::diff::{Command, Found, FoundChain};
use slipway::l4::nft::Kernel;
use slipway::l4::ruleset::{Family, Ruleset, SetKind};

use crate::namespace::{alone, load, run};
use crate::sample;

/// Everything, from nothing.
pub(crate) fn all(ruleset: &Ruleset) -> Vec<Command> {
    let mut commands: Vec<Command> = Family::ALL.into_iter().map(Command::AddTable).collect();
    commands.extend(ruleset.sets.iter().map(|(family, set)| Command::AddSet(*family, *set)));
    for ((family, id), chain) in &ruleset.chains {
        commands.push(Command::AddChain(*family, *id, chain.base));
    }
    for ((family, id), chain) in &ruleset.chains {
        let rules = 0..chain.rules.len();
        commands.extend(rules.map(|at| Command::AddRule(*family, *id, chain.clone(), at)));
    }
    commands.extend(ruleset.elements().into_iter().map(|e| Command::AddElement(None, e.clone())));
    commands
}

/// What is found after that.
fn found(ruleset: &Ruleset) -> Found {
    let chain = |((family, id), chain): (&(Family, _), &std::sync::Arc<slipway::l4::ruleset::Chain>)| {
        let rules = chain.rules.iter().map(|rule| rule.fingerprint(*family)).collect();
        ((*family, *id), FoundChain { base: chain.base, rules })
    };
    Found {
        tables: Family::ALL.into_iter().collect(),
        chains: ruleset.chains.iter().map(chain).collect(),
        sets: ruleset.sets.clone(),
        elements: ruleset.elements().into_iter().cloned().collect(),
        strange: Default::default(),
    }
}

fn same(read: &Found, wanted: &Found) {
    assert_eq!(read.elements, wanted.elements);
    assert_eq!(read.sets, wanted.sets);
    for (id, chain) in &wanted.chains {
        assert_eq!((id, read.chains.get(id)), (id, Some(chain)));
    }
    assert_eq!(read, wanted);
}

/// A listing without comments, its elements sorted.
fn plain(listing: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut elements: Vec<String> = Vec::new();
    for line in listing.lines() {
        let line = line.trim();
        let line = line.split_once(" comment \"").map_or(line, |(rule, _)| rule);
        let inside = line.strip_prefix("elements = { ");
        if inside.is_none() && elements.is_empty() {
            lines.push(line.to_owned());
            continue;
        }
        let line = inside.unwrap_or(line);
        let (some, last) = line.strip_suffix(" }").map_or((line, false), |some| (some, true));
        elements.extend(some.split(',').map(|e| e.trim().to_owned()).filter(|e| !e.is_empty()));
        if last {
            elements.sort();
            lines.append(&mut elements);
        }
    }
    lines
}

#[test]
fn what_is_written_is_what_nft_writes() {
    alone("tables::what_is_written_is_what_nft_writes", || {
        let ruleset = sample::ruleset();
        let mut kernel = Kernel::open().unwrap();
        kernel.apply(&all(&ruleset)).unwrap();
        let ours = run("nft", &["list", "ruleset"]);
        let remembers = |line: &&str| line.contains("update @affinity");
        assert_eq!(ours.lines().filter(remembers).count(), 4, "{ours}");
        run("nft", &["flush", "ruleset"]);

        // nft 1.0.6 aborts on that rule in IPv6; it lists it.
        let long = |line: &&str| line.contains("update @affinity") && line.contains("ip6 daddr");
        let text = ruleset.to_string();
        load(&text.lines().filter(|line| !long(line)).collect::<Vec<_>>().join("\n"));
        let theirs = run("nft", &["list", "ruleset"]);
        let ours: Vec<&str> = ours.lines().filter(|line| !long(line)).collect();
        let (ours, theirs) = (plain(&ours.join("\n")), plain(&theirs));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len());
    });
}

#[test]
fn what_was_written_is_read_back() {
    alone("tables::what_was_written_is_read_back", || {
        let ruleset = sample::ruleset();
        let mut kernel = Kernel::open().unwrap();
        assert_eq!(kernel.read().unwrap(), Found::default());
        let before = kernel.generation().unwrap();
        kernel.apply(&all(&ruleset)).unwrap();
        assert_ne!(kernel.generation().unwrap(), before);
        let read = kernel.read().unwrap();
        let wanted = found(&ruleset);
        same(&read, &wanted);
        // Every element can be removed and added again in one go.
        let removed = ruleset.elements().into_iter().cloned().map(|e| Command::DeleteElement(None, e));
        let added = ruleset.elements().into_iter().cloned().map(|e| Command::AddElement(None, e));
        kernel.apply(&removed.chain(added).collect::<Vec<_>>()).unwrap();
        same(&kernel.read().unwrap(), &wanted);
        let filled = |(_, set): &&(Family, slipway::l4::ruleset::SetId)| set.kind() == SetKind::Remembered;
        assert_eq!(read.sets.iter().filter(filled).count(), 2);
    });
}
