//! What dig does by itself: EDNS with a cookie, TCP after a truncated answer; and what it can be told to do.

use crate::dig::{self, dig};
use crate::program::{Program, query};

const OBJECTS: &str = include_str!("objects.yaml");

/// A headless Service with so many endpoints.
fn crowd(count: usize) -> String {
    let endpoints: Vec<String> =
        (0..count).map(|n| format!("{{addresses: [10.200.{}.{}]}}", n / 250, n % 250 + 1)).collect();
    format!(
        "{OBJECTS}---\napiVersion: v1\nkind: Service\nmetadata: {{name: crowd, namespace: shop}}\n\
         spec: {{clusterIP: None, ports: [{{name: http, port: 80}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: crowd-1, namespace: shop, labels: {{kubernetes.io/service-name: crowd}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: 80}}]\nendpoints: [{}]\n",
        endpoints.join(", ")
    )
}

#[test]
fn a_plain_dig_gets_its_cookie_and_our_payload() {
    if !dig::is_there() {
        return;
    }
    let program = Program::start(OBJECTS, &[]);
    let shown = dig(program.port, &["kubernetes.default.svc.cluster.local"]);
    assert_eq!(shown.status, "NOERROR");
    assert_eq!(shown.flags, "qr aa rd");
    assert_eq!(shown.answer, ["kubernetes.default.svc.cluster.local. 30 IN A 10.96.0.1"]);
    assert!(shown.text.contains("; EDNS: version: 0, flags:; udp: 1232"), "{}", shown.text);
    assert!(shown.text.contains("(good)"), "the server's cookie is well-formed: {}", shown.text);
    assert!(shown.text.contains("recursion requested but not available"), "{}", shown.text);
    // Options that nobody knows, a newer version, DNSSEC wanted, no EDNS at all.
    let shown = dig(program.port, &["+ednsopt=4242:abcd", "web.shop.svc.cluster.local"]);
    assert_eq!((shown.status.as_str(), shown.answer.len()), ("NOERROR", 1), "{}", shown.text);
    let shown = dig(program.port, &["+edns=7", "+noednsnegotiation", "web.shop.svc.cluster.local"]);
    assert_eq!((shown.status.as_str(), shown.answer.len()), ("BADVERS", 0), "{}", shown.text);
    let shown = dig(program.port, &["+dnssec", "web.shop.svc.cluster.local"]);
    assert!(shown.text.contains("flags: do;"), "{}", shown.text);
    let shown = dig(program.port, &["+noedns", "web.shop.svc.cluster.local"]);
    assert!(!shown.text.contains("EDNS:"), "{}", shown.text);
    let shown = dig(program.port, &["+nsid", "web.shop.svc.cluster.local"]);
    assert!(!shown.text.contains("NSID:"), "{}", shown.text);
}

#[test]
fn a_long_answer_is_cut_over_udp_and_whole_over_tcp() {
    if !dig::is_there() {
        return;
    }
    let program = Program::start(&crowd(300), &[]);
    // dig asks again over TCP by itself.
    let shown = dig(program.port, &["crowd.shop.svc.cluster.local"]);
    assert!(shown.text.contains("Truncated, retrying in TCP mode"), "{}", shown.text);
    assert_eq!(shown.answer.len(), 300, "{}", shown.text);
    let cut = dig(program.port, &["+ignore", "crowd.shop.svc.cluster.local"]);
    assert!(cut.flags.contains("tc"), "{}", cut.text);
    assert!(cut.answer.len() > 50 && cut.answer.len() < 80, "{} records in 1232 bytes", cut.answer.len());
    for (size, most) in [(512, 512), (800, 800), (4096, 1232)] {
        let shown = dig(
            program.port,
            &[&format!("+bufsize={size}"), "+ignore", "+stats", "crowd.shop.svc.cluster.local"],
        );
        let received: usize = shown.text.split("rcvd: ").nth(1).unwrap().trim().parse().unwrap();
        assert!(received <= most && received > most - 80, "{received} bytes of {most}");
    }
    let plain = program.ask(&query(1, "crowd.shop.svc.cluster.local", 1));
    assert!(plain.len() <= 512 && plain[2] & 2 != 0, "{} bytes", plain.len());
}

#[test]
fn addresses_come_in_changing_order() {
    let program = Program::start(&crowd(10), &[]);
    let first = |_| {
        let reply = program.ask(&query(1, "crowd.shop.svc.cluster.local", 1));
        assert_eq!(reply[6..8], [0, 10]);
        let at = query(1, "crowd.shop.svc.cluster.local", 1).len() + 12;
        reply[at..at + 4].to_vec()
    };
    let firsts: std::collections::BTreeSet<Vec<u8>> = (0..200).map(first).collect();
    assert!(firsts.len() >= 5, "{firsts:?}");
}

#[test]
fn any_is_answered_minimally_and_other_classes_and_transfers_are_refused() {
    if !dig::is_there() {
        return;
    }
    let program = Program::start(OBJECTS, &[]);
    let shown = dig(program.port, &["+notcp", "web.shop.svc.cluster.local", "ANY"]);
    assert_eq!((shown.status.as_str(), shown.answer.len()), ("NOERROR", 1), "{}", shown.text);
    assert!(shown.answer[0].contains("HINFO"), "{}", shown.text);
    assert_eq!(dig(program.port, &["nothing.shop.svc.cluster.local", "ANY"]).status, "NXDOMAIN");
    assert_eq!(dig(program.port, &["version.bind", "CH", "TXT"]).status, "REFUSED");
    assert!(dig(program.port, &["cluster.local", "AXFR"]).text.contains("Transfer failed"));
}

#[test]
fn whom_transfers_are_allowed_gets_the_whole_zone() {
    if !dig::is_there() {
        return;
    }
    let program = Program::start(OBJECTS, &["--transfer-to", "127.0.0.1"]);
    let shown = dig(program.port, &["cluster.local", "AXFR", "+onesoa"]);
    for record in [
        "web.shop.svc.cluster.local. 30 IN A 10.96.5.1",
        "ext.shop.svc.cluster.local. 30 IN CNAME www.example.com.",
        "_http._tcp.web.shop.svc.cluster.local. 30 IN SRV 0 100 80 web.shop.svc.cluster.local.",
        "dns-version.cluster.local. 28800 IN TXT \"1.1.0\"",
    ] {
        assert!(
            shown.text.contains(&record.replace(' ', "\t"))
                || shown.text.split_whitespace().collect::<Vec<_>>().join(" ").contains(record),
            "{record}\n{}",
            shown.text
        );
    }
}
