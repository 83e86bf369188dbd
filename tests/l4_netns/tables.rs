//! Tables: written, listed by `nft`, read back, changed by others.

use std::time::Duration;

use slipway::l4::diff::{Command, Found, FoundChain, Transaction, adopt};
use slipway::l4::nft::{Kernel, Touched, Watcher};
use slipway::l4::ruleset::{
    ChainId, Element, Family, Key, Pick, Pool, Ruleset, SetId, SetKind, Target, Value, Verdict,
};

use crate::namespace::{alone, load, nft_as, run};
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
        let filled = |(_, set): &&(Family, SetId)| set.kind() == SetKind::Remembered;
        assert_eq!(read.sets.iter().filter(filled).count(), 2);
    });
}

#[test]
fn a_command_that_cannot_be_done_is_named_and_nothing_is_done() {
    alone("tables::a_command_that_cannot_be_done_is_named_and_nothing_is_done", || {
        let ruleset = sample::ruleset();
        let mut kernel = Kernel::open().unwrap();
        let good = all(&ruleset);
        let (own, _) = sample::elements(Family::Ip6);
        // An element twice with different values, in the middle of others of its set.
        let doubled = |at: usize, to: Verdict| {
            let mut commands = good.clone();
            let find = |c: &Command| matches!(c, Command::AddElement(_, e) if e.set == SetId::Services && e.family == Family::Ip6);
            let first = commands.iter().position(find).unwrap();
            let Command::AddElement(_, mut element) = commands[first].clone() else { unreachable!() };
            element.value = Value::Verdict(to);
            commands.insert(first + at, Command::AddElement(None, element));
            (first + at, commands)
        };
        for at in 1..4 {
            let (wrong, commands) = doubled(at, Verdict::Drop);
            let failure = kernel.apply(&commands).unwrap_err();
            assert_eq!(failure.command, Some(wrong), "{failure}");
            assert_eq!(failure.text, "File exists (os error 17)");
            assert_eq!(kernel.read().unwrap(), Found::default());
        }
        let nowhere = ChainId::Pick(Pick { pool: Pool::Local, node_port: false, sticky: true, count: 77 });
        let (_, mut commands) = doubled(2, Verdict::Goto(nowhere));
        let wrong = commands.iter().position(|c| matches!(c, Command::AddElement(_, e) if e.value == Value::Verdict(Verdict::Goto(nowhere)))).unwrap();
        assert_eq!(kernel.apply(&commands).unwrap_err().command, Some(wrong));

        let owned = own.into_iter().map(|e| Command::AddElement(Some("default/web".into()), e));
        commands = owned.collect();
        assert_eq!(kernel.apply(&commands).unwrap_err().command, Some(0));
        let missing = Command::FlushChain(Family::Ip, nowhere);
        kernel.apply(&good).unwrap();
        let failure = kernel.apply(&[Command::AddTable(Family::Ip), missing]).unwrap_err();
        assert_eq!((failure.command, failure.errno), (Some(1), 2));
        // Both are there: nothing happens. And all can be made anew in one go.
        kernel.apply(&Family::ALL.map(Command::AddTable)).unwrap();
        let anew = Family::ALL.into_iter().map(Command::DeleteTable).chain(good).collect::<Vec<_>>();
        kernel.apply(&anew).unwrap();
        same(&kernel.read().unwrap(), &found(&ruleset));
        kernel.apply(&Family::ALL.map(Command::DeleteTable)).unwrap();
        assert_eq!(kernel.read().unwrap(), Found::default());
    });
}

#[test]
fn what_others_did_is_found_and_repaired() {
    alone("tables::what_others_did_is_found_and_repaired", || {
        let ruleset = sample::ruleset();
        let mut kernel = Kernel::open().unwrap();
        kernel.apply(&adopt(&Found::default(), &ruleset).commands).unwrap();
        let good = found(&ruleset);
        same(&kernel.read().unwrap(), &good);
        // Each edit, and whether the table has to be made anew for it.
        let edits = [
            ("add element ip slipway no-endpoints { 10.9.9.9 . tcp . 9 }", false),
            ("delete element ip slipway pods { 10.1.0.0/16 }", false),
            ("add element ip slipway pods { 10.77.0.0/24, 10.78.0.0/24 }", false),
            ("add element ip6 slipway allowed-sources { fd00::10:200:0:1 . tcp . 80 . fd00:9::/64 }", false),
            ("delete element ip6 slipway services { fd00::10:96:0:1 . tcp . 80 }", false),
            ("add element ip slipway pods { 10.77.0.1-10.77.0.6 }", true),
            ("add element ip slipway services { 10.9.9.9 . tcp . 9 : accept }", true),
            ("insert rule ip slipway services accept", false),
            ("add rule ip slipway pick-2 drop comment \"mine\"", false),
            ("flush chain ip6 slipway masquerading", false),
            ("add chain ip slipway mine", true),
            ("add chain ip slipway pick-9; add rule ip slipway pick-9 drop", false),
            ("add set ip slipway sticky-7 { type mark; }", true),
            (
                "add set ip slipway sticky-7 { typeof ip daddr . meta l4proto . th dport; elements = { 1.1.1.1 . udp . 1 }; }",
                false,
            ),
            ("add table ip6 slipway { flags dormant; }", true),
            ("add chain ip slipway filter-input { policy drop; }", true),
            ("delete table ip slipway", false),
            ("delete table ip6 slipway; add table ip6 slipway", false),
            ("flush ruleset", false),
        ];
        for (edit, anew) in edits {
            run("nft", &[edit]);
            let read = kernel.read().unwrap();
            assert_ne!(read, good, "{edit}");
            assert_eq!(!read.strange.is_empty(), anew, "{edit}: {:?}", read.strange);
            let Transaction { commands, later } = adopt(&read, &ruleset);
            kernel.apply(&commands).unwrap_or_else(|failure| panic!("{edit}: {failure} {commands:?}"));
            kernel.apply(&later).unwrap_or_else(|failure| panic!("{edit}: {failure} {later:?}"));
            same(&kernel.read().unwrap(), &good);
        }
        assert_eq!(kernel.other_tables().unwrap(), []);
        run("nft", &["add table inet mine; add table ip kube-proxy; add table inet slipway"]);
        let named = |family: &str, name: &str| (family.to_owned(), name.to_owned());
        let others = [named("inet", "mine"), named("inet", "slipway"), named("ip", "kube-proxy")];
        assert_eq!(kernel.other_tables().unwrap(), others);
        same(&kernel.read().unwrap(), &good);
    });
}

#[test]
fn changes_of_others_are_heard_and_our_own_are_not() {
    alone("tables::changes_of_others_are_heard_and_our_own_are_not", || {
        let ruleset = sample::ruleset();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut kernel = Kernel::open().unwrap();
            let mut watcher = Watcher::open(&kernel).unwrap();
            // Of each round only the edit is heard, by the name under which it is made.
            let edits = ["delete table ip slipway", "add rule ip6 slipway services drop", "flush ruleset"];
            for (name, edit) in ["first", "second", "third"].into_iter().zip(edits) {
                kernel.apply(&all(&ruleset)).unwrap();
                run("nft", &["add table inet mine; add chain inet mine slipway"]);
                nft_as(name, &[edit]);
                match tokio::time::timeout(Duration::from_secs(10), watcher.touched()).await.unwrap() {
                    Touched::ByOther { process, pid } => assert_eq!((&*process, pid != 0), (name, true)),
                    Touched::Unknown => panic!("it is known"),
                }
                let there = kernel.read().unwrap().tables.into_iter().map(Command::DeleteTable);
                kernel.apply(&there.collect::<Vec<_>>()).unwrap();
                run("nft", &["flush ruleset"]);
            }
        });
    });
}

#[test]
fn clients_that_the_kernel_remembers_are_listed_and_forgotten() {
    alone("tables::clients_that_the_kernel_remembers_are_listed_and_forgotten", || {
        let mut kernel = Kernel::open().unwrap();
        assert_eq!(kernel.remembered(Family::Ip6).unwrap(), []);
        kernel.apply(&all(&sample::ruleset())).unwrap();
        for family in Family::ALL {
            assert_eq!(kernel.remembered(family).unwrap(), []);
            let frontend = sample::sticky(family);
            let clients: Vec<_> = (1..=5).map(|n| sample::address(family, &format!("0.9.{n}"))).collect();
            let target = Target { address: sample::address(family, "0.1.2"), port: 5353 };
            for client in &clients {
                // nft 1.0.6 cannot write such long keys.
                let key = Key::Client(frontend, *client);
                let set = SetId::Affinity;
                let element = Element { family, set, key, value: Value::Target(target) };
                kernel.apply(&[Command::AddElement(None, element)]).unwrap();
            }
            let mut known = kernel.remembered(family).unwrap();
            known.sort();
            assert_eq!(known, clients.iter().map(|client| (frontend, *client, target)).collect::<Vec<_>>());
            let one = (frontend, clients[1]);
            assert_eq!(kernel.forget(family, &[one]).unwrap(), 1);
            let all: Vec<_> = clients.iter().map(|client| (frontend, *client)).collect();
            assert_eq!(kernel.forget(family, &all).unwrap(), 4);
            assert_eq!(kernel.forget(family, &all).unwrap(), 0);
            assert_eq!(kernel.remembered(family).unwrap(), []);
        }
    });
}
