//! Why a name resolves or not: objects and a question -> the sentence that people read.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use slipway::dns::explain::{Asked, Explanation, Outcome, explain};
use slipway::dns::keep::zones::build;
use slipway::dns::plan::{Acl, AclAction, Block, Forward, Kubernetes, Plan, PodRecords, Target, Upstream};
use slipway::dns::serve::{Active, Serving};
use slipway::dns::wire::name::Name;
use slipway::metrics::dns::Metrics;
use slipway::model::Snapshot;
use slipway::source::files::{Options, load_text};
use slipway::store::Store;

const OBJECTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: blog}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: posts, namespace: blog}
spec: {clusterIP: 10.96.0.2, clusterIPs: [10.96.0.2, "fd00::2"], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432}]
endpoints:
- {addresses: [10.1.0.1], hostname: db-0, targetRef: {kind: Pod, name: db-0}}
- {addresses: [10.1.0.2], hostname: db-1, conditions: {ready: false}, targetRef: {kind: Pod, name: db-1}}
---
apiVersion: v1
kind: Service
metadata: {name: down, namespace: shop}
spec: {clusterIP: None, ports: [{port: 1}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: down-1, namespace: shop, labels: {kubernetes.io/service-name: down}}
addressType: IPv4
ports: [{port: 1}]
endpoints:
- {addresses: [10.1.0.9], conditions: {ready: false}, targetRef: {kind: Pod, name: down-0}}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {clusterIP: None, ports: [{port: 1}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: gone.example}
---
apiVersion: v1
kind: Service
metadata: {name: numeric, namespace: shop}
spec: {type: ExternalName, externalName: 192.0.2.1}
---
apiVersion: v1
kind: Service
metadata: {name: blog, namespace: far}
spec: {clusterIP: None, ports: [{port: 1}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: blog-1, namespace: far, labels: {kubernetes.io/service-name: blog}}
addressType: IPv4
ports: [{port: 1}]
endpoints: [{addresses: [10.1.0.5], hostname: posts}]
"#;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn snapshot() -> Snapshot {
    let mut store = Store::new(&[]);
    for update in load_text("objects.yaml", OBJECTS, &Options::default()).updates {
        store.apply(update);
    }
    store.snapshot()
}

fn kubernetes(pods: PodRecords) -> Kubernetes {
    Kubernetes {
        zones: vec![name("cluster.local")],
        reverse: vec![name("in-addr.arpa"), name("ip6.arpa")],
        pods,
        ttl: 30,
        namespaces: Vec::new(),
        labels: None,
        namespace_labels: None,
        endpoint_pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        fallthrough: None,
        kubeconfig: None,
        startup: Duration::ZERO,
    }
}

fn block(upstream: Option<SocketAddr>) -> Block {
    let mut block = Block::new(vec![Name::root()], 53);
    block.kubernetes = Some(kubernetes(PodRecords::Insecure));
    block.forwards = upstream
        .map(|address| {
            let to = Target::Upstream(Upstream { address, tls: false, name: None });
            Forward::new(Name::root(), vec![to])
        })
        .into_iter()
        .collect();
    block
}

fn serving(block: Block, known: bool) -> Serving {
    let wanted = block.kubernetes.clone();
    let plan = Plan { blocks: vec![block], ..Plan::default() };
    let active = Active::new(plan, None, &Metrics::default()).unwrap_or_else(|why| panic!("{why:?}"));
    let zones =
        wanted.map(|wanted| known.then(|| build(&wanted, &snapshot(), None, 1))).into_iter().collect();
    Serving { active: Arc::new(active), zones }
}

/// An upstream that knows no name.
fn denying() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let mut reply = buffer[..end].to_vec();
            reply[2..12].copy_from_slice(&[0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
            let _ = socket.send_to(&reply, from);
        }
    });
    address
}

fn asked(name: &str, kind: Option<&str>, from: &str) -> Asked {
    let (namespace, pod) = from.split_once('/').map_or((from, None), |(n, p)| (n, Some(p.to_owned())));
    Asked {
        name: name.into(),
        kind: kind.map(Into::into),
        from: Some((namespace.into(), pod)),
        ndots: 5,
        search: Vec::new(),
    }
}

fn explained(serving: &Serving, asked: &Asked) -> Explanation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(explain(serving, 53, asked)).unwrap()
}

/// A name and a type.
type Question<'a> = (&'a str, Option<&'a str>);

fn why(serving: &Serving, question: Question<'_>) -> String {
    let explanation = explained(serving, &asked(question.0, question.1, "shop"));
    assert!(!explanation.resolved, "{explanation:#?}");
    explanation.why
}

#[test]
fn a_name_resolves_at_the_step_that_has_it() {
    let serving = serving(block(Some(denying())), true);
    for (name, step, result) in [
        ("web", "web.shop.svc.cluster.local.", &["10.96.0.1"][..]),
        ("posts.blog", "posts.blog.svc.cluster.local.", &["10.96.0.2", "fd00::2"]),
        ("posts.blog.svc", "posts.blog.svc.cluster.local.", &["10.96.0.2", "fd00::2"]),
        ("WEB.shop.svc.cluster.local", "web.shop.svc.cluster.local.", &["10.96.0.1"]),
        ("db-0.db", "db-0.db.shop.svc.cluster.local.", &["10.1.0.1"]),
    ] {
        let explanation = explained(&serving, &asked(name, None, "shop"));
        assert!(explanation.resolved, "{explanation:#?}");
        assert_eq!(explanation.steps.last().unwrap().name, step);
        assert_eq!(explanation.result, result, "{name}");
        assert!(explanation.why.starts_with("kubernetes, zone cluster.local answers"), "{}", explanation.why);
    }
    let srv = explained(&serving, &asked("_http._tcp.web", Some("srv"), "shop"));
    assert_eq!(srv.result, ["0 100 80 web.shop.svc.cluster.local."]);
    let reverse = explained(&serving, &asked("1.0.96.10.in-addr.arpa.", Some("PTR"), "shop"));
    assert_eq!((reverse.result, reverse.steps.len()), (vec!["web.shop.svc.cluster.local.".into()], 1));
}

#[test]
fn what_a_name_lacks_is_said_in_a_sentence() {
    let serving = serving(block(Some(denying())), true);
    let table: &[(Question<'_>, &[&str])] = &[
        // Another namespace, a typo, nothing at all.
        (("posts", None), &["no Service \"posts\" in the namespace \"shop\"", "in the namespace blog"]),
        (("posts.shop", None), &["no Service \"posts\" in the namespace \"shop\"", "in the namespace blog"]),
        (("web.blgo", None), &["no namespace \"blgo\"", "namespaces with a Service \"web\": shop"]),
        (("shop.web", None), &["the Service's name comes first, web.shop.svc.cluster.local"]),
        (("wbe", None), &["no Service \"wbe\" in the namespace \"shop\"; one is called \"web\""]),
        (("nothing", None), &["no Service \"nothing\" in the namespace \"shop\""]),
        (("nothing.blgo", None), &["no namespace \"blgo\"; one is called \"blog\""]),
        (("web.shop.cluster.local", None), &["\".svc\" is missing"]),
        // It is there, but.
        (
            ("down", None),
            &[
                "Service shop/down is headless and has no ready endpoints: 1 endpoint not ready (down-0 10.1.0.9)",
            ],
        ),
        (("empty", None), &["Service shop/empty is headless and has no endpoints: does its selector match"]),
        (("db-1.db", None), &["endpoint \"db-1\" of the Service shop/db (10.1.0.2) is not ready"]),
        (("db-7.db", None), &["Service shop/db has no endpoint \"db-7\"", "db-0"]),
        (
            ("alias", None),
            &["alias.shop.svc.cluster.local. is an alias of gone.example., and", "no name gone.example."],
        ),
        (("numeric", None), &["externalName \"192.0.2.1\" is no DNS name"]),
        // Types and ports.
        (("web", Some("AAAA")), &["Service shop/web has no IPv6 address, its address is 10.96.0.1"]),
        (("web", Some("MX")), &["Service shop/web has no MX records"]),
        (("_https._tcp.web", Some("SRV")), &["Service shop/web has no port \"https\" (tcp)", "_http._tcp"]),
        (("_x._tcp.posts.blog", Some("SRV")), &["a port without a name"]),
        // Pods, addresses, outside.
        (("1-2-3.shop.pod", None), &["\"1-2-3\" is no address with dashes"]),
        (("9.9.9.10.in-addr.arpa.", Some("PTR")), &["10.9.9.9 is no Service's address and no endpoint's"]),
        (("www.example.", None), &["says that there is no name www.example."]),
        (
            ("www.example", None),
            &[
                "none of the 4 names exists: there is no namespace \"example\", and upstream 127.0.0.1",
                "no name www.example.",
            ],
        ),
    ];
    for (question, expected) in table {
        let said = why(&serving, *question);
        for words in *expected {
            assert!(said.contains(words), "{question:?}: {said}");
        }
    }
}

#[test]
fn pods_are_answered_as_the_plan_says() {
    let with = |pods| {
        let mut block = block(None);
        block.kubernetes = Some(kubernetes(pods));
        serving(block, true)
    };
    let of = |pods| why(&with(pods), ("10-1-0-1.shop.pod.cluster.local.", None));
    assert!(of(PodRecords::Disabled).contains("names of pods are not answered"));
    assert!(of(PodRecords::Verified).contains("no pod has the address 10.1.0.1"));
}

#[test]
fn a_dead_upstream_is_named_with_what_it_did() {
    // Bound and silent: the kernel does not refuse.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), free] {
        let serving = serving(block(Some(address)), true);
        let explanation = explained(&serving, &asked("www.example.", Some("A"), "shop"));
        assert!(explanation.why.contains(&format!("upstream {address}: ")), "{}", explanation.why);
        assert_eq!(explanation.result, ["Temporary failure in name resolution"]);
        assert_eq!(explanation.steps[0].answers[0].outcome, Outcome::Failed);
    }
    let serving = serving(block(Some(free)), true);
    let explanation = explained(&serving, &asked("posts", None, "shop"));
    assert!(
        explanation.why.contains("in the namespace blog"),
        "the cluster's reason comes first: {explanation:#?}"
    );
    assert!(
        explanation.notes.iter().any(|note| note.contains("no upstream gave an answer")),
        "{explanation:#?}"
    );
}

#[test]
fn before_all_is_known_that_is_the_reason() {
    let serving = serving(block(None), false);
    let said = why(&serving, ("web", None));
    assert!(said.contains("not all Services are known"), "{said}");
}

#[test]
fn what_nobody_answers_says_what_to_add() {
    let mut alone = block(None);
    let said = why(&serving(alone.clone(), true), ("www.example.", None));
    assert!(said.contains("add forward"), "{said}");
    alone.zones = vec![name("cluster.local")];
    let said = why(&serving(alone, true), ("www.example.", None));
    assert!(said.contains("no block of the server's configuration is for www.example."), "{said}");
}

#[test]
fn a_client_that_is_refused_learns_that() {
    let mut guarded = block(None);
    guarded.acl =
        vec![Acl { zones: Vec::new(), action: AclAction::Block, kinds: Vec::new(), nets: Vec::new() }];
    let said = why(&serving(guarded, true), ("web", None));
    assert!(said.contains("see acl"), "{said}");
}

#[test]
fn the_pod_that_asks_is_known_by_its_endpoint() {
    let serving = serving(block(Some(denying())), true);
    let explanation = explained(&serving, &asked("web", None, "shop/db-0"));
    assert_eq!(explanation.client, Some(IpAddr::from([10, 1, 0, 1]).to_string()));
    assert_eq!(explanation.from, "shop/db-0");
    assert_eq!(explained(&serving, &asked("web", None, "shop/nobody")).client, None);
}

#[test]
fn where_musl_goes_another_way_it_is_said() {
    let serving = serving(block(Some(denying())), true);
    // Endpoint posts of Service far/blog has no such address; Service blog/posts, further along the path, does.
    let explanation = explained(&serving, &asked("posts.blog", Some("AAAA"), "far"));
    assert_eq!(explanation.result, ["fd00::2"], "{explanation:#?}");
    let [note] = &explanation.notes[..] else { panic!("{explanation:#?}") };
    assert!(note.contains("musl (Alpine) stop at posts.blog.far.svc.cluster.local."), "{note}");
    assert!(explained(&serving, &asked("web.shop", Some("A"), "shop")).notes.is_empty());
}

#[test]
fn a_wrong_question_is_an_error() {
    let serving = serving(block(None), true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = |asked: &Asked| runtime.block_on(explain(&serving, 53, asked)).unwrap_err();
    assert!(error(&asked("a..b", None, "shop")).contains("no domain name"));
    assert!(error(&asked("a", Some("NONSENSE"), "shop")).contains("no record type"));
}
