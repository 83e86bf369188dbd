//! Changes while it runs, and what it tells of itself.

use crate::program::{Program, query};

const OBJECTS: &str = include_str!("objects.yaml");

#[test]
fn a_change_is_answered_at_once_and_a_broken_file_changes_nothing() {
    let program = Program::start(OBJECTS, &[]);
    let file = program.directory.path().join("objects.yaml");
    assert_eq!(program.rcode("late.shop.svc.cluster.local", 1), 3);
    let late = "---\napiVersion: v1\nkind: Service\nmetadata: {name: late, namespace: shop}\nspec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}\n";
    std::fs::write(&file, format!("{OBJECTS}{late}")).unwrap();
    program.until("the new Service is answered", || program.rcode("late.shop.svc.cluster.local", 1) == 0);
    std::fs::write(&file, format!("{OBJECTS}{late}---\nkind: Service: broken\n")).unwrap();
    program.until("the typo is told", || {
        program.log().contains("objects.yaml:") && program.log().contains("ERROR")
    });
    assert_eq!(program.rcode("late.shop.svc.cluster.local", 1), 0);
    assert_eq!(program.rcode("web.shop.svc.cluster.local", 1), 0);
    std::fs::write(&file, OBJECTS).unwrap();
    program.until("what was removed is gone", || program.rcode("late.shop.svc.cluster.local", 1) == 3);
}

#[test]
fn metrics_have_the_names_of_coredns() {
    let program = Program::start(OBJECTS, &[]);
    for _ in 0..3 {
        program.ask(&query(1, "web.shop.svc.cluster.local", 1));
    }
    program.ask(&query(1, "nothing.shop.svc.cluster.local", 28));
    let text = program.get(program.metrics, "/metrics");
    let value = |name: &str, labels: &[&str]| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        let line = line.unwrap_or_else(|| panic!("no {name} {labels:?} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(text.contains("coredns_dns_requests_total{"), "{text}");
    assert_eq!(value("coredns_dns_requests_total{", &["type=\"A\"", "proto=\"udp\"", "family=\"1\""]), 3.0);
    assert_eq!(value("coredns_dns_requests_total{", &["type=\"AAAA\"", "zone=\".\""]), 1.0);
    assert_eq!(value("coredns_dns_responses_total{", &["rcode=\"NXDOMAIN\"", "plugin=\"kubernetes\""]), 1.0);
    assert_eq!(value("coredns_dns_request_duration_seconds_count{", &["zone=\".\""]), 4.0);
    for name in [
        "coredns_dns_request_size_bytes_bucket{",
        "coredns_dns_response_size_bytes_bucket{",
        "coredns_build_info{",
        "coredns_panics_total",
        "coredns_plugin_enabled{",
        "coredns_cache_entries{",
        "coredns_cache_misses_total{",
        "process_resident_memory_bytes",
    ] {
        value(name, &[]);
    }
}
