//! What a zone is made with, and what cannot be in it.

use std::sync::Arc;

use slipway::dns::query::Outcome;
use slipway::dns::wire::kind;
use slipway::dns::wire::name::Name;
use slipway::dns::zone::{Part, Pods, Zone};
use slipway::model::selector::Selector;

use crate::ask::{TCP, answers, ask, text};
use crate::cluster::{SERIAL, name, options, snapshot, zone};

const OBJECTS: &str = include_str!("objects.yaml");

fn status(zone: &Zone, name: &str) -> &'static str {
    ask(zone, name, kind::A, TCP).status
}

#[test]
fn names_outside_are_elsewhere_and_a_missing_name_leaves_the_reply_empty() {
    let zone = zone(OBJECTS, |_| {});
    for name in ["www.example.com", "local", "xcluster.local", ".", "arpa"] {
        assert_eq!(ask(&zone, name, kind::A, TCP).outcome, Outcome::Elsewhere, "{name}");
    }
    for name in
        ["nothing.cluster.local", "x.shop.svc.cluster.local", "1.2.3.4.in-addr.arpa", "10.in-addr.arpa"]
    {
        assert_eq!(ask(&zone, name, kind::A, TCP).outcome, Outcome::Missing, "{name}");
    }
}

#[test]
fn an_alias_that_leads_out_says_where_and_is_not_authoritative() {
    let zone = zone(OBJECTS, |_| {});
    let shown = ask(&zone, "ext.shop.svc.cluster.local", kind::A, TCP);
    assert_eq!(shown.outcome, Outcome::Leads(name("www.example.com")));
    assert_eq!(shown.answer, ["ext.shop.svc.cluster.local. 30 IN CNAME www.example.com."]);
    assert!(!shown.authoritative);
    assert!(ask(&zone, "inner.shop.svc.cluster.local", kind::A, TCP).authoritative);
    assert!(ask(&zone, "nothing.shop.svc.cluster.local", kind::A, TCP).authoritative);
}

#[test]
fn a_chain_of_aliases_has_the_right_owners_and_a_circle_ends() {
    let alias = |from: &str, to: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {from}, namespace: shop}}\n\
             spec: {{type: ExternalName, externalName: {to}}}\n"
        )
    };
    let inside = |name: &str| format!("{name}.shop.svc.cluster.local");
    let mut yaml = format!("{OBJECTS}\n");
    yaml += &alias("one", &inside("two"));
    yaml += &alias("two", &inside("peers"));
    yaml += &alias("ping", &inside("pong"));
    yaml += &alias("pong", &inside("ping"));
    yaml += &alias("tail", &inside("ping"));
    yaml += &alias("pod", "10-9-8-7.shop.pod.cluster.local");
    let zone = zone(&yaml, |_| {});
    assert_eq!(
        answers(&zone, "ONE.shop.svc.cluster.local", "AAAA"),
        [
            "ONE.shop.svc.cluster.local. 30 IN CNAME two.shop.svc.cluster.local.",
            "two.shop.svc.cluster.local. 30 IN CNAME peers.shop.svc.cluster.local.",
            "peers.shop.svc.cluster.local. 30 IN AAAA fd00::1",
            "peers.shop.svc.cluster.local. 30 IN AAAA fd00::2",
        ]
    );
    let shown = ask(&zone, &inside("one"), kind::SRV, TCP);
    assert_eq!((shown.answer.len(), shown.additional.len()), (10, 6));
    assert_eq!(answers(&zone, &inside("pod"), "A")[1], "10-9-8-7.shop.pod.cluster.local. 30 IN A 10.9.8.7");
    let shown = ask(&zone, &inside("ping"), kind::A, TCP);
    assert_eq!((shown.status, shown.answer.len()), ("NOERROR", 2));
    assert_eq!(ask(&zone, &inside("tail"), kind::A, TCP).answer.len(), 8);
}

#[test]
fn addresses_begin_with_the_one_whose_turn_it_is() {
    let zone = zone(OBJECTS, |_| {});
    let first = |turn| {
        let how = crate::ask::How { turn: Some(turn), ..TCP };
        let answer = ask(&zone, "peers.shop.svc.cluster.local", kind::A, how).answer;
        assert_eq!(answer.len(), 4);
        answer[0].rsplit_once(' ').unwrap().1.to_owned()
    };
    let found: Vec<String> = (0..5).map(first).collect();
    assert_eq!(found, ["10.244.8.1", "10.244.8.2", "10.244.8.4", "10.244.8.5", "10.244.8.1"]);
    assert_eq!(first(u32::MAX), "10.244.8.5");
}

#[test]
fn only_namespaces_that_were_asked_for_are_there() {
    let only = zone(OBJECTS, |options| options.namespaces = Some(vec!["default".into()]));
    assert_eq!(status(&only, "kubernetes.default.svc.cluster.local"), "NOERROR");
    for name in ["web.shop.svc.cluster.local", "shop.svc.cluster.local", "10-1-2-3.shop.pod.cluster.local"] {
        assert_eq!(status(&only, name), "NXDOMAIN", "{name}");
    }
    assert_eq!(
        text(&only, "1.5.96.10.in-addr.arpa", "PTR").lines().next().unwrap(),
        "1.5.96.10.in-addr.arpa PTR: NXDOMAIN"
    );
    let selected = |text: &str| {
        let selector = Arc::new(Selector::parse(text).unwrap());
        zone(OBJECTS, |options| options.namespace_selector = Some(selector))
    };
    // No Namespace object says so, but every namespace has this label.
    let named = selected("kubernetes.io/metadata.name=default");
    assert_eq!(status(&named, "kubernetes.default.svc.cluster.local"), "NOERROR");
    assert_eq!(status(&named, "web.shop.svc.cluster.local"), "NXDOMAIN");
    let none = selected("team=a");
    assert_eq!(status(&none, "kubernetes.default.svc.cluster.local"), "NXDOMAIN");
}

#[test]
fn a_namespace_is_there_as_soon_as_something_is_in_it() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
        metadata: {name: a, namespace: quiet, labels: {kubernetes.io/service-name: gone}}\n\
        addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\n";
    let zone = zone(slice, |_| {});
    assert_eq!(status(&zone, "quiet.svc.cluster.local"), "NOERROR");
    assert_eq!(status(&zone, "gone.quiet.svc.cluster.local"), "NXDOMAIN");
    assert_eq!(status(&zone, "10-0-0-1.gone.quiet.svc.cluster.local"), "NXDOMAIN");
    assert_eq!(ask(&zone, "1.0.0.10.in-addr.arpa", kind::PTR, TCP).status, "NXDOMAIN");
}

#[test]
fn endpoints_are_left_out_named_after_pods_or_needed_as_asked() {
    let yaml = OBJECTS.replace(
        "{addresses: [10.244.7.1]}",
        "{addresses: [10.244.7.1], targetRef: {kind: Pod, name: web-abc}}",
    );
    let none = zone(&yaml, |options| options.no_endpoints = true);
    for name in ["peers", "alpha.peers", "10-244-7-1.web"] {
        assert_eq!(status(&none, &format!("{name}.shop.svc.cluster.local")), "NXDOMAIN", "{name}");
    }
    assert_eq!(status(&none, "web.shop.svc.cluster.local"), "NOERROR");
    let pods = zone(&yaml, |options| options.pod_names = true);
    assert_eq!(status(&pods, "web-abc.web.shop.svc.cluster.local"), "NOERROR");
    assert_eq!(status(&pods, "named.web.shop.svc.cluster.local"), "NOERROR");
    assert_eq!(status(&pods, "10-244-7-1.web.shop.svc.cluster.local"), "NXDOMAIN");
    let needed = zone(&yaml, |options| options.ignore_empty = true);
    assert_eq!(status(&needed, "web.shop.svc.cluster.local"), "NOERROR");
    assert_eq!(status(&needed, "empty.shop.svc.cluster.local"), "NXDOMAIN");
    assert_eq!(ask(&needed, "3.5.96.10.in-addr.arpa", kind::PTR, TCP).status, "NXDOMAIN");
}

#[test]
fn what_cannot_be_in_dns_is_told_to_its_owner() {
    let long = "p".repeat(63);
    let yaml = format!(
        r#"{OBJECTS}
---
apiVersion: v1
kind: Service
metadata: {{name: odd, namespace: shop}}
spec: {{clusterIP: 10.96.7.1, ports: [{{name: {long}, port: 80}}, {{name: fine, port: 81}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: spaces, namespace: shop}}
spec: {{type: ExternalName, externalName: "not a name"}}
---
apiVersion: v1
kind: Service
metadata: {{name: Upper, namespace: shop}}
spec: {{clusterIP: 10.96.7.2}}
---
apiVersion: v1
kind: Service
metadata: {{name: unset, namespace: shop}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: unset-1, namespace: shop, labels: {{kubernetes.io/service-name: unset}}}}
addressType: IPv4
endpoints: [{{addresses: [10.244.13.1], hostname: under_score}}, {{addresses: [10.244.13.2], hostname: a.b}}, {{addresses: [10.244.13.3], hostname: UP}}]
"#
    );
    let zone = zone(&yaml, |_| {});
    let reports = zone.reports();
    let told: Vec<(String, &str)> =
        reports.iter().map(|report| (report.object.to_string(), report.reason)).collect();
    let expected = [
        ("Service shop/Upper", "NameNotInDns"),
        ("Service shop/addr", "ExternalNameIsAddress"),
        ("Service shop/odd", "PortNameNotInDns"),
        ("Service shop/spaces", "ExternalNameInvalid"),
        ("Service shop/unset", "ClusterIPMissing"),
        ("EndpointSlice shop/unset-1", "HostnameInvalid"),
    ];
    assert_eq!(told, expected.map(|(object, reason)| (object.to_owned(), reason)));
    assert!(
        reports
            .iter()
            .any(|report| report.to_string().contains("hostname \"under_score\" and 1 more is no label"))
    );
    assert!(
        reports
            .iter()
            .filter(|report| report.reason != "HostnameInvalid")
            .all(|report| report.place.is_some())
    );
    let found = |name: &str| status(&zone, &format!("{name}.shop.svc.cluster.local"));
    assert_eq!((found("upper"), found("spaces"), found("unset")), ("NXDOMAIN", "NXDOMAIN", "NOERROR"));
    assert_eq!(answers(&zone, "_fine._tcp.odd.shop.svc.cluster.local", "SRV").len(), 1);
    assert_eq!((found("10-244-13-1.unset"), found("up.unset")), ("NOERROR", "NOERROR"));
}

#[test]
fn reverse_zones_may_be_narrow_nested_or_absent() {
    let reverse = |zones: &[&str]| {
        let zones = zones.iter().map(|text| name(text)).collect();
        zone(OBJECTS, |options| options.reverse = zones)
    };
    let asked = |zone: &Zone, name: &str| ask(zone, name, kind::PTR, TCP);
    let none = reverse(&[]);
    assert_eq!(asked(&none, "1.5.96.10.in-addr.arpa").outcome, Outcome::Elsewhere);
    let narrow = reverse(&["96.10.in-addr.arpa"]);
    assert_eq!(asked(&narrow, "1.5.96.10.in-addr.arpa").answer.len(), 1);
    assert_eq!(asked(&narrow, "1.8.244.10.in-addr.arpa").outcome, Outcome::Elsewhere);
    let denied = asked(&narrow, "77.77.96.10.in-addr.arpa");
    assert!(denied.authority[0].starts_with("96.10.in-addr.arpa. 30 IN SOA ns.dns.96.10.in-addr.arpa. "));
    let nested = reverse(&["in-addr.arpa", "5.96.10.in-addr.arpa", "1.8.244.10.in-addr.arpa"]);
    assert!(asked(&nested, "9.5.96.10.in-addr.arpa").authority[0].starts_with("5.96.10.in-addr.arpa. "));
    assert!(asked(&nested, "9.9.96.10.in-addr.arpa").authority[0].starts_with("in-addr.arpa. "));
    // A zone of one address.
    assert_eq!(asked(&nested, "1.8.244.10.in-addr.arpa").answer.len(), 1);
    assert_eq!(ask(&nested, "1.8.244.10.in-addr.arpa", kind::SOA, TCP).answer.len(), 1);
}

#[test]
fn any_domain_will_do() {
    for domain in ["example", ".", "a.b.c.d.e.f.g.h"] {
        let zone = zone(OBJECTS, |options| options.domain = name(domain));
        let below = |text: &str| if domain == "." { text.to_owned() } else { format!("{text}.{domain}") };
        assert_eq!(answers(&zone, &below("web.shop.svc"), "A").len(), 1, "{domain}");
        assert_eq!(ask(&zone, &below("nothing.shop.svc"), kind::A, TCP).authority.len(), 1);
    }
    let longest =
        Name::parse(&["x".repeat(63), "y".repeat(63), "z".repeat(63), "q".repeat(49)].join(".")).unwrap();
    let zone = zone(OBJECTS, |options| options.domain = longest.clone());
    assert_eq!(zone.apex(Part::Forward), &longest);
    assert_eq!(ask(&zone, &longest.to_string(), kind::A, TCP).authority.len(), 1);
    assert_eq!(answers(&zone, &format!("dns-version.{longest}"), "TXT").len(), 1);
    assert_eq!(status(&zone, &format!("web.{longest}")), "NXDOMAIN");
}

#[test]
fn every_record_is_told_once_for_transfers() {
    let zone = zone(OBJECTS, |_| {});
    let records: Vec<_> = zone.records().collect();
    let owners: Vec<String> = records.iter().map(|record| record.name.to_string()).collect();
    assert_eq!((owners[0].as_str(), records[0].kind), ("cluster.local.", kind::NS));
    for record in &records {
        let text = record.name.to_string();
        let shown = ask(&zone, &text, record.kind, TCP);
        let same =
            records.iter().filter(|other| (&other.name, other.kind) == (&record.name, record.kind)).count();
        assert_eq!(
            shown.answer.iter().filter(|answer| answer.starts_with(&text)).count(),
            same,
            "{text} {}",
            record.kind
        );
    }
    let mut unique = records.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), records.len());
    let pointers: Vec<_> = zone.records_of(Part::Reverse(0)).collect();
    assert!(pointers.len() > 5 && pointers.iter().all(|record| record.kind == kind::PTR));
    let soa = zone.soa(Part::Forward);
    assert_eq!((soa.kind, soa.ttl, soa.data.len()), (kind::SOA, 30, 2 * 15 + 7 + 11 + 20));
}

#[test]
fn pods_are_known_by_address_where_they_are_verified() {
    let pod = |name: &str, space: &str, address: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {space}}}\n\
             status: {{phase: Running, podIP: {address}, podIPs: [{{ip: {address}}}]}}\n"
        )
    };
    let yaml = [
        pod("a", "x", "10.0.0.1"),
        pod("b", "yard", "10.0.0.1"),
        pod("c", "yard", "10.0.0.2"),
        pod("d", "yard", "10.0.0.2"),
    ]
    .concat();
    let yaml = format!("{yaml}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: yard}}\n");
    let mut options = options();
    options.pods = Pods::Verified;
    let zone = Zone::build(&snapshot(&yaml), Arc::new(options), SERIAL);
    let space = |address: &str| zone.namespace_of(address.parse().unwrap()).map(|name| name.to_string());
    assert_eq!((space("10.0.0.1"), space("10.0.0.2"), space("10.0.0.3")), (None, Some("yard".into()), None));
    assert_eq!(status(&zone, "10-0-0-2.yard.pod.cluster.local"), "NOERROR");
}
