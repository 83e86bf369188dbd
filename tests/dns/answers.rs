//! Every row of the Kubernetes DNS specification, and what CoreDNS answers beyond it: asked by dig, over UDP and over TCP.

use std::fmt::Write as _;

use crate::dig::{self, Shown};
use crate::program::Program;

/// `NAME TYPE: STATUS`, then the records of the sections; `AUT SOA` is the zone's.
const TABLE: &str = include_str!("answers.txt");

/// The same for other ways to treat pods.
const VERIFIED: &str = include_str!("verified.txt");
const DISABLED: &str = include_str!("disabled.txt");

const OBJECTS: &str = include_str!("objects.yaml");

const SOA: &str =
    "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 30";

/// A question and the text of what is expected.
fn rows(table: &str) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(record) = line.strip_prefix("    ") {
            let record = if record == "AUT SOA" { &format!("AUT {SOA}") } else { record };
            writeln!(rows.last_mut().unwrap().1, "    {record}").unwrap();
        } else {
            let (question, status) = line.split_once(": ").unwrap();
            rows.push((question.to_owned(), format!("{question}: {status}\n")));
        }
    }
    rows
}

fn text(question: &str, shown: &Shown) -> String {
    let mut text = format!("{question}: {}\n", shown.status);
    for (section, records) in [("ANS", &shown.answer), ("AUT", &shown.authority), ("ADD", &shown.additional)]
    {
        for record in records {
            writeln!(text, "    {section} {record}").unwrap();
        }
    }
    text
}

fn check(table: &str, args: &[&str]) {
    if !dig::is_there() {
        return;
    }
    let program = Program::start(OBJECTS, args);
    let rows = rows(table);
    for transport in ["+notcp +ignore", "+tcp"] {
        // Without EDNS a long answer would be cut over UDP.
        let lines: Vec<String> = rows
            .iter()
            .map(|(question, _)| format!("{transport} +bufsize=4096 +nocookie {question}"))
            .collect();
        let shown = dig::all(program.port, &lines);
        let mut wrong = String::new();
        for ((question, expected), shown) in rows.iter().zip(&shown) {
            let found = text(question, shown);
            if found != *expected {
                writeln!(wrong, "expected {expected}found    {found}").unwrap();
            }
            if shown.status != "REFUSED" {
                assert_eq!(
                    shown.flags, "qr aa rd",
                    "{question}: the zone's own, and no recursion is done for it"
                );
            }
        }
        assert!(wrong.is_empty(), "{transport}:\n{wrong}");
    }
}

#[test]
fn names_of_services_endpoints_and_addresses_are_answered_as_the_specification_and_coredns_say() {
    check(TABLE, &[]);
}

#[test]
fn verified_pod_names_exist_only_where_the_pod_does() {
    check(VERIFIED, &["--pods", "verified"]);
}

#[test]
fn without_pod_records_there_is_nothing_below_pod() {
    check(DISABLED, &["--pods", "disabled"]);
}

#[test]
fn ttl_and_domain_are_those_that_were_asked_for() {
    if !dig::is_there() {
        return;
    }
    let program = Program::start(OBJECTS, &["--ttl", "5", "--cluster-domain", "k8s.example"]);
    let shown = dig::dig(program.port, &["web.shop.svc.k8s.example"]);
    assert_eq!(shown.answer, ["web.shop.svc.k8s.example. 5 IN A 10.96.5.1"]);
    let shown = dig::dig(program.port, &["nothing.shop.svc.k8s.example"]);
    assert_eq!(shown.authority.len(), 1);
    assert!(
        shown.authority[0].starts_with("k8s.example. 5 IN SOA ns.dns.k8s.example."),
        "{:?}",
        shown.authority
    );
    assert!(shown.authority[0].ends_with(" 5"), "{:?}", shown.authority);
}
