//! Tables of questions and what is answered.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use slipway::dns::zone::{Pods, Zone};

use crate::ask::text;
use crate::cluster::zone;

const OBJECTS: &str = include_str!("objects.yaml");

/// What is asked through dig, too, of the whole program.
const DIG_OBJECTS: &str = include_str!("../dns/objects.yaml");
const DIG: [(&str, Pods); 3] = [
    (include_str!("../dns/answers.txt"), Pods::Insecure),
    (include_str!("../dns/verified.txt"), Pods::Verified),
    (include_str!("../dns/disabled.txt"), Pods::Disabled),
];

const SOA: &str =
    "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 30";

/// A question (name, type) and the text of what is expected.
fn rows(table: &str) -> Vec<((String, String), String)> {
    let mut rows: Vec<((String, String), String)> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(record) = line.strip_prefix("    ") {
            let record = if record == "AUT SOA" { &format!("AUT {SOA}") } else { record };
            writeln!(rows.last_mut().unwrap().1, "    {record}").unwrap();
        } else {
            let (question, status) = line.split_once(": ").unwrap();
            let (name, kind) = question.split_once(' ').unwrap();
            rows.push(((name.to_owned(), kind.to_owned()), format!("{question}: {status}\n")));
        }
    }
    rows
}

fn differences(zone: &Zone, table: &str) -> String {
    let mut wrong = String::new();
    for ((name, kind), expected) in rows(table) {
        let found = text(zone, &name, &kind);
        if found != expected {
            writeln!(wrong, "expected {expected}found    {found}").unwrap();
        }
    }
    wrong
}

#[test]
fn every_row_of_the_specification_and_of_coredns_holds() {
    for (table, pods) in DIG {
        let zone = zone(DIG_OBJECTS, |options| options.pods = pods);
        let wrong = differences(&zone, table);
        assert!(wrong.is_empty(), "{pods:?}:\n{wrong}");
    }
}

#[test]
fn the_golden_answers_hold() {
    for (file, pods) in
        [("insecure", Pods::Insecure), ("verified", Pods::Verified), ("disabled", Pods::Disabled)]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/zone/{file}.txt"));
        let table = fs::read_to_string(&path).unwrap();
        let zone = zone(OBJECTS, |options| options.pods = pods);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let short = |text: String| text.replace(&format!("AUT {SOA}"), "AUT SOA");
            let rows = rows(&table);
            let all: String = rows.iter().map(|((name, kind), _)| short(text(&zone, name, kind))).collect();
            fs::write(&path, all).unwrap();
            continue;
        }
        let wrong = differences(&zone, &table);
        assert!(wrong.is_empty(), "{file}:\n{wrong}");
    }
}
