use clap::Parser;

use super::*;
use crate::config::flags::{Command, Flags};
use crate::dns::plan::{Autopath, Block, PodRecords, Target};
use crate::dns::wire::name::Name;

fn typed(args: &[&str]) -> Dns {
    let all = ["slipway", "dns"].iter().chain(args);
    match Flags::try_parse_from(all).unwrap().command {
        Command::Dns(flags) => Dns::new(*flags).unwrap(),
        _ => unreachable!("the command is dns"),
    }
}

fn wanted_by(args: &[&str]) -> Wanted {
    let config = typed(args);
    wanted(&config.answers, Some(&config)).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn plan(args: &[&str]) -> Plan {
    wanted_by(args).plan
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// The plan of a Corefile with flags.
fn with_corefile(text: &str, args: &[&str]) -> Wanted {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Corefile");
    fs::write(&path, text).unwrap();
    let flag = format!("--corefile={}", path.display());
    wanted_by(&[&[flag.as_str()], args].concat())
}

fn targets(block: &Block) -> Vec<String> {
    let text = |target: &Target| match target {
        Target::Upstream(upstream) => upstream.address.to_string(),
        Target::File(path) => path.display().to_string(),
    };
    let line = |to: &Vec<Target>| to.iter().map(text).collect::<Vec<_>>().join(",");
    block.forwards.iter().map(|forward| format!("{} {}", forward.from, line(&forward.to))).collect()
}

#[test]
fn without_a_corefile_it_is_that_of_a_cluster() {
    let plan = plan(&[]);
    let [block] = &plan.blocks[..] else { panic!("{plan:?}") };
    let kubernetes = block.kubernetes.as_ref().unwrap();
    assert_eq!((kubernetes.zones[0].to_string(), kubernetes.ttl), ("cluster.local.".into(), 30));
    assert_eq!((kubernetes.pods, kubernetes.reverse.len()), (PodRecords::Insecure, 2));
    assert_eq!(targets(block), [". /etc/resolv.conf"]);
    assert_eq!(block.forwards[0].max_concurrent, 1000);
    assert_eq!((block.cache.as_ref().unwrap().success.max_ttl, block.port), (30, 53));
    let shown = [plan.health.unwrap().address, plan.ready.unwrap(), plan.metrics.unwrap()];
    assert_eq!(shown.map(|address| address.to_string()), ["0.0.0.0:8080", "0.0.0.0:8181", "0.0.0.0:9153"]);
    assert!(block.looping && block.shuffle && block.errors.is_some() && plan.reload.is_some());
}

#[test]
fn a_flag_that_is_given_wins() {
    let plan = plan(&[
        "--listen=127.0.0.1:1053",
        "--cluster-domain=Example.Test",
        "--ttl=7",
        "--autopath",
        "--namespace=a,b",
        "--forward=10.0.0.1",
        "--stub=corp.test=10.0.0.2,10.0.0.3:54",
        "--policy=sequential",
        "--max-concurrent=5",
        "--hosts=/h",
        "--cache=60",
        "--prefetch",
        "--serve-stale=2h",
        "--transfer-to=10.0.0.0/8",
        "--health=",
        "--ready=127.0.0.1:1",
        "--log-queries",
    ]);
    let [block] = &plan.blocks[..] else { panic!("{plan:?}") };
    let kubernetes = block.kubernetes.as_ref().unwrap();
    assert_eq!((&kubernetes.zones[..], kubernetes.ttl), (&[name("example.test")][..], 7));
    assert_eq!(
        (kubernetes.pods, block.autopath.as_ref()),
        (PodRecords::Verified, Some(&Autopath::Kubernetes))
    );
    assert_eq!((kubernetes.namespaces.len(), block.port, block.log.len()), (2, 1053, 1));
    assert_eq!(targets(block), [". 10.0.0.1:53", "corp.test. 10.0.0.2:53,10.0.0.3:54"]);
    assert!(block.forwards.iter().all(|forward| forward.max_concurrent == 5));
    let cache = block.cache.as_ref().unwrap();
    assert_eq!((cache.success.max_ttl, cache.denial.max_ttl, cache.prefetch.is_some()), (60, 60, true));
    assert_eq!(cache.stale.unwrap().within.as_secs(), 7200);
    assert_eq!(block.hosts.as_ref().unwrap().fallthrough, Some(Vec::new()));
    assert_eq!(block.transfers[0].to.as_ref().unwrap().len(), 1);
    assert_eq!((plan.health, plan.ready), (None, "127.0.0.1:1".parse().ok()));
}

#[test]
fn with_a_corefile_only_what_it_says_is_on_and_flags_win_over_it() {
    let text = "cluster.local {\n kubernetes cluster.local\n cache {\n disable denial cluster.local\n}\n}\n. {\n forward . 10.0.0.1\n}\n";
    let Wanted { plan, notes } = with_corefile(text, &[]);
    assert_eq!((plan.health, plan.ready, plan.metrics, plan.reload), (None, None, None, None));
    assert_eq!((plan.blocks.len(), notes.len()), (2, 0));
    let plan = with_corefile(
        text,
        &["--cluster-domain=other.test", "--cache=9", "--metrics=:1", "--stub=x.test=10.0.0.9"],
    )
    .plan;
    let [cluster, rest] = &plan.blocks[..] else { panic!("{plan:?}") };
    assert_eq!(cluster.zones, [name("other.test")]);
    assert_eq!(cluster.cache.as_ref().unwrap().denial.disabled, [name("other.test")]);
    assert_eq!(
        (cluster.cache.as_ref().unwrap().success.max_ttl, rest.cache.as_ref().unwrap().success.max_ttl),
        (9, 9)
    );
    assert_eq!(targets(rest), [". 10.0.0.1:53", "x.test. 10.0.0.9:53"]);
    assert_eq!(plan.metrics, "0.0.0.0:1".parse().ok());
    let notes = with_corefile(". {\n forward . 10.0.0.1\n}\n", &["--ttl=3"]).notes;
    assert!(notes[0].message.contains("no kubernetes"), "{notes:?}");
}

#[test]
fn ports_of_blocks_follow_the_flag() {
    let text = ". {\n bind 127.0.0.1\n loop\n}\nx.test:5353 {\n loop\n}\n";
    let ports = |args: &[&str]| {
        let wanted = with_corefile(text, args);
        let blocks = wanted.plan.blocks.iter().map(|block| format!("{}{}", block.zones[0], block.port));
        (blocks.collect::<Vec<_>>(), wanted.notes.len())
    };
    assert_eq!(ports(&[]), (vec![".53".into(), "x.test.5353".into()], 0));
    assert_eq!(ports(&["--listen=127.0.0.1:0"]), (vec![".0".into()], 1));
    assert_eq!(ports(&["--listen=:1053,:5353"]).0, [".1053", ".5353", "x.test.5353"]);
}

#[test]
fn faults_have_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Corefile");
    let faults = || {
        let config = typed(&[&format!("--corefile={}", path.display())]);
        let faults = wanted(&config.answers, None).err().unwrap();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(faults()[0].contains("Corefile:1: the Corefile cannot be read"));
    fs::write(directory.path().join("part.conf"), "relod\n").unwrap();
    fs::write(&path, ". {\n  import *.conf\n  forwrd . 10.0.0.1\n}\n").unwrap();
    let found = faults();
    assert!(found[0].contains("Corefile:3: there is no directive forwrd: is forward meant?"), "{found:?}");
    assert!(found[1].contains("part.conf:1: there is no directive relod: is reload meant?"), "{found:?}");
}
