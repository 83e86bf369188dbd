//! Rules that somebody deleted or edited come back; others' rules are left alone; a cleanup leaves nothing.

use std::io::Write;
use std::process::Stdio;

use super::client::Outcome::Answered;
use super::client::{tcp, until};
use super::manifest::{PODS, Service};
use super::net::{Net, Side, possible};
use super::program::Program;
use super::server::Server;

#[test]
fn what_somebody_deletes_or_edits_comes_back() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = Service::new(1, &[Side::B]).node_port(30080);
    let program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    net.nft(&["add", "table", "ip", "others"]);
    net.nft(&["add chain ip others mine { type filter hook input priority 10; }"]);
    // Tables and elements are listed in the order of their making.
    let rules = || {
        let listed = net.nft(&["-s", "list", "ruleset"]);
        let mut lines: Vec<String> = listed
            .replace("elements = {", "")
            .split(['\n', ',', '}'])
            .map(|line| line.trim().to_owned())
            .collect();
        lines.sort();
        lines
    };
    let before = rules();
    let edits = [
        "delete table ip slipway",
        "flush chain ip6 slipway services",
        "flush map ip slipway endpoints",
        "add element ip slipway no-endpoints { 10.96.0.9 . tcp . 80 }",
        "add rule ip slipway filter-forward drop",
        "add chain ip slipway surprise",
        "delete element ip6 slipway cluster-ips { fd00:96::1 }",
        "flush ruleset",
    ];
    for (round, edit) in edits.iter().enumerate() {
        net.nft(&[edit]);
        program.until_count("repaired", round + 1);
        if *edit == "flush ruleset" {
            assert!(!net.nft(&["list", "tables"]).contains("others"));
        } else {
            until(&format!("all is as before \"{edit}\""), rules, |now| *now == before);
        }
        for place in service.cluster() {
            assert!(matches!(tcp(&net, Side::A, place), Answered(..)), "{edit}");
        }
    }
}

#[test]
fn others_tables_are_neither_touched_nor_a_reason_to_look() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let service = Service::new(1, &[Side::B]);
    let mut program = Program::start(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    for round in 0..50 {
        net.nft(&[&format!("add table ip others-{round}")]);
    }
    program.write(&Service::new(1, &[Side::B, Side::C]).cluster_yaml());
    program.until_said("endpoint sets changed");
    assert!(!program.said().iter().any(|line| line.contains("repaired")));
    program.stop();
    let binary = std::env::var("SLIPWAY_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_slipway").into());
    for expected in ["removed", "nothing"] {
        let output = net.command(Side::Node, &binary).args(["service-proxy", "--cleanup"]).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains(expected), "{text}");
    }
    let tables = net.nft(&["list", "tables"]);
    assert_eq!(tables.lines().count(), 50, "{tables}");
    assert!(!tables.contains("slipway"), "{tables}");
}

#[test]
fn what_the_kernel_refuses_is_said_and_tried_again() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let _server = Server::start(&net, Side::B, 8080, "b");
    let service = Service::new(1, &[Side::B]);
    // Another process owns the name: nobody else may write there until it ends.
    let mut owner =
        net.command(Side::Node, "nft").arg("-i").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    owner.stdin.as_mut().unwrap().write_all(b"add table ip slipway { flags owner; }\n").unwrap();
    until(
        "the other process has the table",
        || net.nft(&["list", "tables"]),
        |tables| tables.contains("slipway"),
    );
    let program = Program::begin(&net, &service.cluster_yaml(), &["--cluster-cidr", PODS]);
    let line = program.until_said("the kernel refused the rules");
    assert!(line.contains("next try"), "{line}");
    let ready = || {
        let args = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:10256/readyz"];
        let curl = net.command(Side::Node, "curl").args(args).output().unwrap();
        String::from_utf8(curl.stdout).unwrap()
    };
    assert_eq!(ready(), "503", "nothing is in force yet");
    owner.kill().unwrap();
    owner.wait().unwrap();
    program.until_said("ready: ");
    until("it is ready", ready, |code| code == "200");
    for place in service.cluster() {
        assert!(matches!(tcp(&net, Side::A, place), Answered(..)), "{place}");
    }
}

#[test]
fn without_rights_it_says_what_to_do() {
    if !possible() {
        return;
    }
    let net = Net::new();
    let directory = tempfile::tempdir().unwrap();
    let binary = std::env::var("SLIPWAY_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_slipway").into());
    let output = net
        .command(Side::Node, "setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", &binary, "service-proxy", "--node-name", "n"])
        .args(["--healthz-address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0", "--manifests"])
        .arg(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("NET_ADMIN") && text.contains("--mode userspace"),
        "{text}"
    );
}
