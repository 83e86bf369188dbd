//! What is wrong is named with its line, all of it at once.

use super::*;

#[test]
fn faults_have_their_line_and_the_remedy() {
    for (text, expected) in [
        ("", "1: there is no server block"),
        (".:53 {\n loop\n", "1: the block that begins here has no end"),
        (".:53 { loop }\n", "1: a closing brace must stand on a line of its own"),
        (".:53 {\n cache {\n success 10 }\n}\n", "3: a closing brace must stand"),
        (".:53 {\n cache{\n success 10\n }\n}\n", "2: write a space between cache and the brace"),
        (".:53{\n loop\n}\n", "1: write a space between .:53 and the brace"),
        (".:53 {\n loop\n}\n}\n", "4: no block is open here"),
        ("{\n loop\n}\n", "2: this block has no zone"),
        (".:53 {\n loop \"\n}\n", "2: a quote that begins here has no end"),
        (".:99999 {\n}\n", "1: .:99999 has no port that can be"),
        ("a..b {\n}\n", "1: a..b is no zone: a part between two dots is empty"),
        ("a.org a.org {\n}\n", "1: the zone a.org. stands here twice"),
        (".:53 {\n loop\n}\n\n.:53 {\n loop\n}\n", "5: a block with this zone and port is on line 1 already"),
        (".:53 {\n forwrd . 10.0.0.1\n}\n", "2: there is no directive forwrd: is forward meant?"),
        (".:53 {\n kubernets cluster.local\n}\n", "is kubernetes meant?"),
        (".:53 {\n abcdefgh\n}\n", "2: there is no directive abcdefgh"),
        (
            ".:53 {\n cache 30\n loop\n cache 5\n}\n",
            "4: cache may stand in a block once; here it is on line 2, too",
        ),
        (".:53 {\n import a b\n}\n", "2: import takes one word"),
        (".:53 {\n import nothing\n}\n", "2: cannot import nothing: no such file, and no snippet above"),
        (".:53 {\n import s\n}\n(s) {\n loop\n}\n", "2: cannot import s"),
        ("(s) {\n import s\n}\n.:53 {\n import s\n}\n", "s imports itself"),
    ] {
        let told = wrong(text);
        assert!(told.iter().any(|fault| fault.contains(expected)), "{text}: {told:#?}");
    }
}

/// Lines of a block (the first is line 2) and a fault.
const LINES: &[(&str, &str)] = &[
    ("kubernetes", "1: a"),
    ("kubernetes in-addr.arpa", "2: kubernetes needs the cluster's zone"),
    (
        "kubernetes cluster.local {\n pods all\n}",
        "3: pods knows no all: write disabled, insecure or verified",
    ),
    ("kubernetes cluster.local {\n ttl 5000\n}", "3: 5000 does not do: write a number from 0 to 3600"),
    (
        "kubernetes cluster.local {\n falthrough\n}",
        "3: kubernetes has no property falthrough: is fallthrough meant?",
    ),
    ("kubernetes cluster.local {\n ignore all\n}", "3: ignore knows no all"),
    ("kubernetes cluster.local {\n startup_timeout 5\n}", "3: 5 is no duration: write one such as 30s"),
    ("kubernetes cluster.local {\n namespaces\n}", "3: namespaces needs names of namespaces behind it"),
    (
        "kubernetes cluster.local {\n namespaces a\n namespace_labels b=c\n}",
        "2: namespaces and namespace_labels do not",
    ),
    ("kubernetes cluster.local {\n transfer to *\n}", "3: write transfer as a directive of the block"),
    ("forward .", "2: forward needs upstreams behind the zone"),
    ("forward", "2: forward needs a zone"),
    ("forward . localhost", "2: localhost is no address of an upstream"),
    ("forward . https://1.1.1.1", "2: https:// is not spoken to upstreams"),
    ("forward . 10.0.0.1 {\n bogus\n}", "3: forward has no property bogus"),
    ("forward . 10.0.0.1 {\n policy fast\n}", "3: policy knows no fast"),
    ("forward . 10.0.0.1 {\n health_check 0s\n}", "3: health_check 0 is no interval"),
    ("forward . 10.0.0.1 {\n health_check 1s rec\n}", "3: health_check knows no rec"),
    ("forward . 10.0.0.1 {\n next 3\n}", "3: 3 is no response code"),
    ("forward . 10.0.0.1 {\n tls a b c d\n}", "3: tls does not take d"),
    ("forward . 10.0.0.1 {\n force_tcp yes\n}", "3: force_tcp does not take yes"),
    (
        "forward . 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9 1.1.1.10 1.1.1.11 1.1.1.12 1.1.1.13 1.1.1.14 1.1.1.15 1.1.1.16",
        "2: more than 15 upstreams",
    ),
    ("cache 0", "2: 0 does not do: write a number from 1"),
    ("cache {\n servfail 10m\n}", "3: SERVFAIL may not be kept for more than 5m"),
    ("cache {\n disable all\n}", "3: disable knows no all"),
    ("cache {\n prefetch 10 1m 95%\n}", "3: 95 does not do: write a number from 10 to 90"),
    ("cache {\n prefetch 10 1m 20\n}", "3: 20: write such as 10%"),
    ("cache {\n serve_stale 1h later\n}", "3: serve_stale knows no later"),
    ("cache {\n success\n}", "3: success needs a number of entries"),
    ("cache {\n sucess 10\n}", "is success meant?"),
    ("health 8080", "2: 8080 is no address: write IP:PORT or :PORT"),
    ("health {\n lameduck 5\n}", "3: 5 is no duration"),
    ("ready :1 :2", "2: ready does not take :2"),
    ("ready {\n monitor always\n}", "3: always does not do"),
    ("prometheus localhost", "2: localhost is no address"),
    ("reload 1s", "2: 1s is too short"),
    ("loop x", "2: loop does not take x"),
    ("loop {\n x\n}", "3: loop has no braces"),
    ("bufsize 100", "2: 100 does not do: write a number from 512 to 4096"),
    ("errors file", "2: errors are not written to file"),
    ("errors {\n consolidate 5m\n}", "3: consolidate takes a duration and a regular expression"),
    ("errors {\n consolidate 5m (\n}", "3: ( is no regular expression: unclosed group"),
    ("log . {\n class bad\n}", "3: bad is no class"),
    ("loadbalance random", "2: loadbalance knows no random"),
    ("hosts {\n ttl 0\n}", "3: 0 does not do"),
    ("hosts {\n 10.0.0.300 a\n}", "3: hosts has no property 10.0.0.300"),
    ("rewrite", "2: rewrite needs a field"),
    ("rewrite foo a b", "2: rewrite knows no foo"),
    ("rewrite name a", "2: rewrite name takes"),
    ("rewrite name exact a b c", "2: write answer auto"),
    ("rewrite name regex (.* b", "2: (.* is no regular expression"),
    ("rewrite name regex (.*) {2}.b", "2: {2}.b takes {2}, and (.*) has no such group"),
    ("rewrite type FOO A", "2: FOO is no record type"),
    ("rewrite ttl a 60-30", "2: 60-30: the first number must not be above"),
    ("template IN", "2: template needs a class and a type"),
    ("template XX A {\n answer \"a. 1 IN A 10.0.0.1\"\n}", "2: XX is no class"),
    ("template IN FOO {\n}", "2: FOO is no record type"),
    ("template IN A {\n match (\n}", "3: ( is no regular expression"),
    ("template IN A {\n rcode 3\n}", "3: 3 is no response code"),
    (
        "template IN A {\n answer \"{{ .Nam }} 60 IN A 10.0.0.1\"\n}",
        "2: {{ .Nam }} 60 IN A 10.0.0.1: {{ .Nam }} is not known",
    ),
    ("template IN A {\n answer \"a. 60 IN A 10.0.0.x\"\n}", "2: a. 60 IN A 10.0.0.x: this is no record"),
    ("autopath", "2: autopath needs @kubernetes"),
    ("acl", "2: acl needs braces"),
    ("acl {\n deny net *\n}", "3: acl has no property deny"),
    ("acl {\n block 10.0.0.1\n}", "3: 10.0.0.1 does not belong here: write type or net before it"),
    ("acl {\n block net 10.0.0.0/40\n}", "3: 10.0.0.0/40 is no range"),
    ("transfer", "2: transfer needs braces"),
    ("transfer {\n to me\n}", "3: me is no range"),
];

#[test]
fn every_directive_names_what_it_does_not_take() {
    for (lines, expected) in &LINES[1..] {
        let told = wrong(&format!("a.org {{\n{lines}\n}}\n"));
        assert!(told.iter().any(|fault| fault.contains(expected)), "{lines}: {told:#?}");
    }
}

#[test]
fn all_faults_are_told_in_the_order_of_their_lines() {
    let told =
        wrong(".:53 {\n cache 0\n forwrd\n kubernetes cluster.local {\n  ttl x\n }\n}\na..b {\n lop\n}\n");
    let lines: Vec<&str> = told.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["2", "3", "5", "8", "9"], "{told:#?}");
}

/// What CoreDNS does and Slipway does not, with the line of its fault.
const UNSUPPORTED: &[(&str, u32)] = &[
    ("minimal", 2),
    ("local", 2),
    ("nsid", 2),
    ("debug", 2),
    ("pprof", 2),
    ("trace", 2),
    ("file db.example example.org", 2),
    ("etcd {\n path /x\n}", 2),
    ("dnssec {\n key file x\n}", 2),
    ("k8s_external x.org", 2),
    ("kubernetes cluster.local {\n endpoint https://10.0.0.1:6443\n}", 3),
    ("kubernetes cluster.local {\n multicluster x.local\n}", 3),
    ("kubernetes cluster.local {\n kubeconfig a context\n}", 3),
    ("forward . 10.0.0.1 {\n max_connect_attempts 3\n}", 3),
    ("cache {\n serve_stale 1h verify 200ms\n}", 3),
    ("loadbalance weighted file", 2),
    ("bind eth0", 2),
    ("rewrite class CH IN", 2),
    ("rewrite edns0 local set 0xffee abcd", 2),
    ("rewrite rcode a.org NXDOMAIN NOERROR", 2),
    ("rewrite cname exact a. b.", 2),
    ("template CH TXT {\n answer \"x\"\n}", 2),
    ("template IN A {\n ederror 21\n}", 3),
    ("autopath @erratic", 2),
    ("health :1\n}\n.:54 {\n health :2", 5),
];

#[test]
fn what_is_not_supported_refuses_to_start_unless_it_is_to_be_passed_over() {
    for (lines, line) in UNSUPPORTED {
        let text = format!(".:53 {{\n{lines}\n}}\n");
        let faults = read_with(&text, &[], false).unwrap_err();
        let [fault] = &faults[..] else { panic!("{lines}: {faults:#?}") };
        assert!(fault.unsupported && fault.line == *line, "{lines}: {fault:?}");
        let read = read_with(&text, &[], true).unwrap();
        assert_eq!(read.notes, faults, "{lines}");
        assert!(!read.plan.blocks.is_empty());
    }
    let faults = read_with("tls://a.org {\n loop\n}\n.:53 {\n loop\n}\n", &[], true).unwrap();
    assert_eq!(faults.plan.blocks.len(), 1);
}
