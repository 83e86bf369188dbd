//! Why there is no answer: what people are told.

use slipway::dns::query::why::why;
use slipway::dns::zone::{Options, Pods};

use crate::ask::{TCP, ask, kind};
use crate::cluster::{name, zone};

const OBJECTS: &str = include_str!("objects.yaml");

const MORE: &str = r#"
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: staging}
spec: {clusterIP: 10.96.6.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: orphan-1, namespace: shop, labels: {kubernetes.io/service-name: orphan}}
addressType: IPv4
endpoints: [{addresses: [10.244.11.1]}]
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: staging}
status: {phase: Running, podIP: 10.244.12.1, podIPs: [{ip: 10.244.12.1}]}
"#;

fn reason_with(question: &str, change: impl FnOnce(&mut Options)) -> String {
    let (text, kind_text) = question.split_once(' ').unwrap();
    let zone = zone(&format!("{OBJECTS}{MORE}"), change);
    let text = if text.ends_with(".arpa") { text.to_owned() } else { format!("{text}.cluster.local") };
    let text = text.trim_start_matches('.');
    let shown = ask(&zone, text, kind(kind_text), TCP);
    let reason = why(&zone, &name(text), kind(kind_text));
    let answered = shown.answer.iter().any(|record| !record.contains(" CNAME ")) || kind_text == "CNAME";
    assert_eq!(reason.is_none(), answered, "{question}: {reason:?}, {shown:?}");
    reason.unwrap_or_default()
}

#[test]
fn a_name_without_an_answer_says_what_is_missing_and_what_may_be_meant() {
    let table = [
        ("web.shop.svc A", ""),
        (
            "web.shp.svc A",
            "there is no namespace \"shp\"; one is called \"shop\"; namespaces with a Service \"web\": shop, staging",
        ),
        (
            "shop.web.svc A",
            "there is no namespace \"web\", but a Service \"web\" in the namespace \"shop\": the Service's name comes first, web.shop.svc.cluster.local",
        ),
        (
            "kubernetes.shop.svc A",
            "there is no Service \"kubernetes\" in the namespace \"shop\"; there is one in the namespace default: ask for kubernetes.default",
        ),
        ("wbe.shop.svc A", "there is no Service \"wbe\" in the namespace \"shop\"; one is called \"web\""),
        (
            "orphan.shop.svc A",
            "there is no Service \"orphan\" in the namespace \"shop\"; there are EndpointSlices for it, but names come from the Service",
        ),
        (
            "www.example.com.shop.svc A",
            "there is no Service \"com\" in the namespace \"shop\"; it looks like a name outside of the cluster with a search path behind it",
        ),
        ("web.shop A", "\".svc\" is missing: the Service shop/web is called web.shop.svc.cluster.local"),
        (
            "web A",
            "the namespace is missing: ask for web.NAMESPACE.svc.cluster.local; namespaces with a Service \"web\": shop, staging",
        ),
        (
            "www.example.com A",
            "www.example.com.cluster.local is not in the zone cluster.local: its names are SERVICE.NAMESPACE.svc and ADDRESS.NAMESPACE.pod",
        ),
        (
            "web.shop.svc AAAA",
            "the Service shop/web has no IPv6 address, its address is 10.96.5.1: ask for A",
        ),
        ("web.shop.svc TXT", "the Service shop/web has no TXT records, only addresses and SRV"),
        ("bare.shop.svc A", "the Service shop/bare has no address: spec.clusterIP is not set"),
        ("_http._tcp.bare.shop.svc SRV", "the Service shop/bare has no address: spec.clusterIP is not set"),
        (
            "lonely.shop.svc A",
            "the Service shop/lonely is headless and has no endpoints: does its selector match running pods?",
        ),
        (
            "notready.shop.svc A",
            "the Service shop/notready is headless and has no ready endpoints: 2 endpoints not ready (10.244.9.1 terminating, 10.244.9.2)",
        ),
        (
            "_http._tcp.notready.shop.svc SRV",
            "the Service shop/notready is headless and has no ready endpoints, so it has no ports",
        ),
        (
            "tolerant.shop.svc AAAA",
            "no ready endpoint of the Service shop/tolerant has an IPv6 address: ask for A",
        ),
        (
            "portless.shop.svc SRV",
            "the Service shop/portless has no ports, and SRV records tell ports: ask for A or AAAA",
        ),
        (
            "addr.shop.svc A",
            "the Service shop/addr is not in DNS, because its externalName \"192.0.2.7\" is no DNS name: correct spec.externalName",
        ),
        (
            "dangling.shop.svc A",
            "dangling.shop.svc.cluster.local is an alias of nothing.shop.svc.cluster.local: there is no Service \"nothing\" in the namespace \"shop\"",
        ),
        (
            "selfie.shop.svc A",
            "the alias selfie.shop.svc.cluster.local leads back to itself: correct spec.externalName",
        ),
        ("a.ext.shop.svc A", "the Service shop/ext is of type ExternalName: there are no names below it"),
        (
            "_http._tcp.extports.shop.svc SRV",
            "the Service shop/extports is of type ExternalName: its ports have no names",
        ),
        (
            "_htp._tcp.web.shop.svc SRV",
            "the Service shop/web has no port \"htp\" (tcp); its named ports: _http._tcp, _metrics._udp",
        ),
        (
            "_http._udp.web.shop.svc SRV",
            "the Service shop/web has no port \"http\" (udp); that port is _http._tcp; its named ports: _http._tcp, _metrics._udp",
        ),
        (
            "_80._tcp.web.shop.svc SRV",
            "the Service shop/web has no port \"80\" (tcp); port 80 is called \"http\"; its named ports: _http._tcp, _metrics._udp",
        ),
        (
            "_80._tcp.unnamed.shop.svc SRV",
            "the Service shop/unnamed has only a port without a name, and SRV records need a name",
        ),
        ("http._tcp.web.shop.svc SRV", "names of ports begin with underscores: _http._tcp"),
        ("http.tcp.web.shop.svc SRV", "names of ports begin with underscores: _http._tcp"),
        (
            "_tcp.web.shop.svc SRV",
            "_tcp.web.shop.svc.cluster.local has no records of its own, a port comes before _tcp: _http._tcp, _metrics._udp",
        ),
        (
            "_http._tcp.alpha.peers.shop.svc SRV",
            "ports have no names below the endpoint \"alpha\": ask for SRV of _PORT._tcp.peers.shop.svc.cluster.local",
        ),
        (
            "gamma.peers.shop.svc A",
            "the endpoint \"gamma\" of the Service shop/peers (10.244.8.3) is not ready",
        ),
        ("10-244-8-1.peers.shop.svc A", "that endpoint of the Service shop/peers is called \"alpha\""),
        (
            "10-244-8-3.peers.shop.svc A",
            "that endpoint of the Service shop/peers is called \"gamma\", which is not ready",
        ),
        (
            "alphb.peers.shop.svc A",
            "the Service shop/peers has no endpoint \"alphb\"; one is called \"alpha\"; 4 ready names: 10-244-8-2, alpha, fd00--2, twin",
        ),
        ("twin.peers.shop.svc AAAA", "the endpoint \"twin\" has no IPv6 address: ask for A"),
        ("p0.portless.shop.svc SRV", "the endpoint \"p0\" has no ports: ask for A or AAAA"),
        ("x.empty.shop.svc A", "the Service shop/empty has no ready endpoint, \"x\" or other (0 not ready)"),
        (
            "shop.svc A",
            "shop.svc.cluster.local is a namespace and has no records of its own: ask for SERVICE.shop.svc.cluster.local",
        ),
        ("svc A", "svc.cluster.local has no records of its own: ask for SERVICE.NAMESPACE.svc.cluster.local"),
        (". A", "cluster.local is the zone itself: it has SOA and NS records, no A"),
        ("ns.dns AAAA", "the Service kube-system/kube-dns that leads to this server has no IPv6 address"),
        ("dns-version A", "dns-version.cluster.local has a TXT record only"),
        ("10-1-2-3.nons.pod A", "there is no namespace \"nons\""),
        (
            "foo.shop.pod A",
            "\"foo\" is no address with dashes like 10-1-2-3 or fd00--1; pods have no other names here",
        ),
        ("10-1-2-3.shop.pod AAAA", "10.1.2.3 is the only record of this name: ask for A"),
        (
            "a.10-1-2-3.shop.pod A",
            "a.10-1-2-3.shop.pod.cluster.local has too many parts: ask for an address with dashes before the namespace",
        ),
        ("9.9.9.9.in-addr.arpa PTR", "9.9.9.9 is no Service's address and no endpoint's"),
        (
            "3.8.244.10.in-addr.arpa PTR",
            "10.244.8.3 is an endpoint of the Service shop/peers that is not ready",
        ),
        (
            "1.11.244.10.in-addr.arpa PTR",
            "10.244.11.1 is an endpoint for shop/orphan, a Service that does not exist",
        ),
        (
            "1.12.244.10.in-addr.arpa PTR",
            "10.244.12.1 is the pod staging/alone, which is an endpoint of no Service",
        ),
        ("1.5.96.10.in-addr.arpa TXT", "the reverse name of 10.96.5.1 has PTR records, no TXT"),
        ("244.10.in-addr.arpa PTR", "244.10.in-addr.arpa is the reverse name of no single address"),
    ];
    let mut wrong = String::new();
    for (question, expected) in table {
        let question = question.strip_prefix(". ").map_or(question.to_owned(), |kind| format!(" {kind}"));
        let found = reason_with(&question, |_| {});
        if found != expected {
            wrong += &format!("{question}\n  expected {expected}\n  found    {found}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_options_leave_out_is_said() {
    let pods = |mode| move |options: &mut Options| options.pods = mode;
    assert_eq!(
        reason_with("10-1-2-3.shop.pod A", pods(Pods::Disabled)),
        "names of pods are not answered here: start with --pods insecure or verified, or write it to the Corefile"
    );
    assert_eq!(
        reason_with("10-244-12-1.shop.pod A", pods(Pods::Verified)),
        "no pod in the namespace \"shop\" has the address 10.244.12.1; it belongs to staging/alone"
    );
    assert_eq!(reason_with("10-1-2-3.shop.pod A", pods(Pods::Verified)), "no pod has the address 10.1.2.3");
    let only = |options: &mut Options| options.namespaces = Some(vec!["staging".into()]);
    assert_eq!(
        reason_with("web.shop.svc A", only),
        "the namespace \"shop\" is not among those whose names are answered here"
    );
    assert_eq!(
        reason_with("1.8.244.10.in-addr.arpa PTR", only),
        "10.244.8.1 is an endpoint of the Service shop/peers, whose names are not answered here"
    );
    assert_eq!(
        reason_with("empty.shop.svc A", |options| options.ignore_empty = true),
        "the Service shop/empty has no ready endpoints (0 not ready), and such Services are left out (ignore empty_service)"
    );
    assert_eq!(
        reason_with("peers.shop.svc A", |options| options.no_endpoints = true),
        "the Service shop/peers is headless, and names of endpoints are switched off (noendpoints)"
    );
}
