//! What it costs with many Services. Run with `--ignored --nocapture`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use slipway::l4::diff::{Found, adopt, diff};
use slipway::l4::nft::{Kernel, Touched, Watcher};
use slipway::l4::ruleset::{
    Action, Chain, ChainId, Element, Family, Frontend, Key, Match, Owner, Pick, Pool, Protocol, Rule,
    Ruleset, SetId, Target, Value, Verdict,
};

use crate::namespace::alone;
use crate::sample;

const PICK: ChainId = ChainId::Pick(Pick { pool: Pool::All, node_port: false, sticky: false, count: 5 });

/// One Service whose endpoints listen there.
fn service(number: u32, port: u16) -> (Owner, Arc<[Element]>) {
    let address = Ipv4Addr::from_bits(0x0a60_0000 + 4096 + number).into();
    let frontend = Frontend { address, protocol: Protocol::Tcp, port: 80 };
    let make = |set, key, value| Element { family: Family::Ip, set, key, value };
    let mut all = vec![
        make(SetId::Services, Key::Frontend(frontend), Value::Verdict(Verdict::Goto(PICK))),
        make(SetId::ClusterIps, Key::Address(address), Value::None),
    ];
    for slot in 0..5 {
        let address = Ipv4Addr::from_bits(0x0a80_0000 + number * 5 + slot).into();
        let port = if slot == 2 { port } else { 8080 };
        all.push(make(SetId::Endpoints, Key::Slot(frontend, slot), Value::Target(Target { address, port })));
    }
    all.sort();
    (format!("default/service-{number}").into(), all.into())
}

fn many(count: u32) -> Ruleset {
    let mut ruleset = sample::ruleset();
    let send = |count| Rule {
        matches: vec![Match::Transport],
        action: Action::Send { pool: Pool::All, any: false, count },
        comment: "any endpoint",
    };
    let chain = Chain { base: None, rules: vec![send(5), send(1)] };
    ruleset.chains.insert((Family::Ip, PICK), Arc::new(chain));
    ruleset.groups.extend((0..count).map(|number| service(number, 8080)));
    ruleset
}

#[test]
#[ignore = "a measurement"]
fn ten_thousand_services() {
    alone("cost::ten_thousand_services", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let mut kernel = Kernel::open().unwrap();
        let mut watcher = Watcher::open(&kernel).unwrap();
        let timed =
            |what: &str, begin: Instant| println!("{what}: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
        let ruleset = many(10_000);
        let now = Instant::now();
        let first = adopt(&Found::default(), &ruleset);
        timed("difference from nothing", now);
        println!("{} commands", first.commands.len());
        let now = Instant::now();
        kernel.apply(&first.commands).unwrap();
        timed("first load", now);

        let mut was = ruleset;
        for round in 0..5 {
            let mut is = was.clone();
            is.groups.extend([service(round * 7, 9000 + u16::try_from(round).unwrap())]);
            let now = Instant::now();
            let change = diff(&was, &is);
            timed("difference of one endpoint", now);
            assert_eq!(change.commands.len(), 2);
            let now = Instant::now();
            kernel.apply(&change.commands).unwrap();
            timed("one endpoint changed", now);
            was = is;
        }
        let now = Instant::now();
        let found = kernel.read().unwrap();
        timed("read", now);
        let now = Instant::now();
        assert!(adopt(&found, &was).commands.is_empty());
        timed("compared", now);
        let mut wrong = first.commands.clone();
        wrong.push(first.commands.last().unwrap().clone());
        wrong.extend(adopt(&Found::default(), &many(10)).commands.into_iter().take(4));
        let now = Instant::now();
        println!("{:?} of {}", kernel.apply(&wrong).unwrap_err().command, wrong.len());
        timed("refused", now);
        let touched = runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::from_millis(500), watcher.touched()).await
        });
        assert!(!matches!(touched, Ok(Touched::ByOther { .. })));
        println!("the watcher: {touched:?}");
    });
}
