use super::*;
use crate::model::certificate::{CertificateError, Secret};
use crate::model::policy::Policy;
use crate::model::route::{BackendRef, Host, Ingress, IngressClass, Path, PathKind, PortRef, Rule, Tls};
use crate::model::service::{
    Endpoint, EndpointPort, EndpointSet, Exposure, Protocol, Service, ServiceKind, ServicePort,
};
use crate::model::{Kind, Severity};
use crate::routing::{Action, BackendId, Target};

/// A cluster to build a snapshot from.
#[derive(Default)]
struct Cluster(Snapshot);

impl Cluster {
    /// An Ingress of one host with `/` to a port of a Service.
    fn ingress(self, name: &str, host: &str, service: &str, port: PortRef) -> Self {
        self.add(ingress(name, host, service, port))
    }

    fn add(mut self, ingress: Ingress) -> Self {
        self.0.ingresses.insert(ingress.object.key.clone(), Arc::new(ingress));
        self
    }

    fn service(mut self, name: &str, change: impl FnOnce(&mut Service)) -> Self {
        let mut service = Service {
            object: ObjectRef::new(Kind::Service, "ns", name),
            origin: None,
            kind: ServiceKind::ClusterIp,
            cluster_ips: vec!["10.96.0.1".parse().unwrap()],
            ports: vec![port("http", 80, PortRef::Number(8080))],
            publish_not_ready: false,
            created: None,
            exposure: Exposure::default(),
        };
        change(&mut service);
        self.0.services.insert(service.object.key.clone(), Arc::new(service));
        self
    }

    /// One set for each list of endpoints, on port `http` 8080.
    fn endpoints(mut self, service: &str, sets: &[&[Endpoint]]) -> Self {
        let sets = sets.iter().enumerate().map(|(index, endpoints)| {
            Arc::new(EndpointSet {
                object: ObjectRef::new(Kind::EndpointSlice, "ns", format!("{service}-{index}")),
                service: Key::new("ns", service),
                ports: vec![EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port: 8080 }],
                endpoints: endpoints.to_vec(),
                triggered: None,
            })
        });
        self.0.endpoints.insert(Key::new("ns", service), sets.collect());
        self
    }

    fn secret(mut self, name: &str, certificate: Result<Arc<Certificate>, CertificateError>) -> Self {
        let secret = Secret { object: ObjectRef::new(Kind::Secret, "ns", name), origin: None, certificate };
        self.0.secrets.insert(secret.object.key.clone(), Arc::new(secret));
        self
    }

    fn class(mut self, name: &str, controller: &str) -> Self {
        let object = ObjectRef::new(Kind::IngressClass, "", name);
        let class = IngressClass { object, controller: controller.into(), is_default: false };
        self.0.classes.insert(name.into(), Arc::new(class));
        self
    }

    fn compile(&self) -> Compiled {
        self.compile_after(None)
    }

    fn compile_after(&self, previous: Option<&Compiled>) -> Compiled {
        compile(&self.0, &Options::default(), 0, previous)
    }
}

fn ingress(name: &str, host: &str, service: &str, port: PortRef) -> Ingress {
    let backend = BackendRef::Service { name: service.into(), port };
    let path = Path { path: "/".into(), kind: PathKind::Prefix, backend, index: 0 };
    Ingress {
        object: ObjectRef::new(Kind::Ingress, "ns", name),
        origin: None,
        created: Some(0),
        class_name: None,
        class_annotation: Some("nginx".into()),
        rules: vec![Rule { host: Host::parse(host).unwrap(), paths: vec![path], index: 0 }],
        default_backend: None,
        tls: Vec::new(),
        policy: Arc::default(),
        reports: Vec::new(),
    }
}

fn port(name: &str, port: u16, target: PortRef) -> ServicePort {
    ServicePort { name: name.into(), protocol: Protocol::Tcp, port, target, node_port: None }
}

fn ready(address: &str) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        topology: None,
        hostname: None,
        pod: None,
    }
}

fn terminating(address: &str) -> Endpoint {
    Endpoint { ready: false, terminating: true, ..ready(address) }
}

fn number(port: u16) -> PortRef {
    PortRef::Number(port)
}

/// The targets behind `/` of a host, as text.
fn targets(compiled: &Compiled, host: &str) -> Vec<String> {
    let Action::Proxy { backend, .. } = compiled.tables.routes.host(host).route("/").action else {
        panic!("{host} has no backend");
    };
    let backend = compiled.tables.endpoints.find(backend).unwrap();
    let text = |target: &Target| match target {
        Target::Address(address) => address.to_string(),
        Target::Name { host, port } => format!("{host}:{port}"),
    };
    backend.targets.iter().map(text).collect()
}

fn reasons(compiled: &Compiled) -> Vec<&'static str> {
    compiled.reports.iter().map(|report| report.reason).collect()
}

fn verdict(compiled: &Compiled, name: &str) -> Verdict {
    compiled.outcomes().iter().find(|outcome| &*outcome.object.key.name == name).unwrap().verdict
}

#[test]
fn a_port_is_found_by_number_name_or_target_port() {
    let cluster = Cluster::default()
        .service("s", |s| {
            s.ports = vec![
                port("metrics", 9090, number(9090)),
                port("http", 80, number(8080)),
                port("web", 81, PortRef::Name("pod-web".into())),
            ];
        })
        .endpoints("s", &[&[ready("10.0.0.1")]]);
    let rows = [
        (number(80), Some("10.0.0.1:8080")),
        (PortRef::Name("http".into()), Some("10.0.0.1:8080")),
        (number(8080), Some("10.0.0.1:8080")),
        (number(12), None),
        (PortRef::Name("nope".into()), None),
    ];
    for (wanted, found) in rows {
        let cluster = Cluster(cluster.0.clone()).ingress("i", "foo.com", "s", wanted.clone());
        let compiled = cluster.compile();
        assert_eq!(targets(&compiled, "foo.com").first().map(String::as_str), found, "{wanted}");
        let expected: &[&str] = if found.is_some() { &[] } else { &["PortNotFound"] };
        assert_eq!(reasons(&compiled), expected, "{wanted}");
    }
    // Found by the name of its target port, but the slices have no port "web".
    let named = Cluster(cluster.0).ingress("i", "foo.com", "s", PortRef::Name("pod-web".into())).compile();
    assert_eq!(reasons(&named), ["NoEndpoints"]);
}

#[test]
fn ready_endpoints_are_used_sorted_and_once_and_terminating_ones_only_when_nothing_else_is_left() {
    let not_ready = Endpoint { ready: false, serving: false, ..ready("10.0.0.9") };
    let service = |sets: &[&[Endpoint]]| {
        let cluster = Cluster::default().ingress("i", "foo.com", "s", number(80)).service("s", |_| {});
        targets(&cluster.endpoints("s", sets).compile(), "foo.com")
    };
    let sets: &[&[Endpoint]] = &[
        &[ready("10.0.0.2"), terminating("10.0.0.3"), not_ready.clone()],
        &[ready("fd00::1"), ready("10.0.0.1"), ready("10.0.0.2")],
    ];
    assert_eq!(service(sets), ["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"]);
    assert_eq!(service(&[&[terminating("10.0.0.3"), not_ready.clone()]]), ["10.0.0.3:8080"]);
    assert!(service(&[std::slice::from_ref(&not_ready)]).is_empty());
    let cluster = Cluster::default().ingress("i", "foo.com", "s", number(80));
    let cluster = cluster.service("s", |s| s.publish_not_ready = true).endpoints("s", &[&[not_ready]]);
    assert_eq!(targets(&cluster.compile(), "foo.com"), ["10.0.0.9:8080"]);
}

#[test]
fn an_unnamed_service_port_takes_any_port_of_a_slice() {
    let cluster = Cluster::default()
        .ingress("i", "foo.com", "s", number(80))
        .service("s", |s| s.ports = vec![port("", 80, number(80))])
        .endpoints("s", &[&[ready("10.0.0.1")]]);
    assert_eq!(targets(&cluster.compile(), "foo.com"), ["10.0.0.1:8080"]);
}

#[test]
fn external_names_headless_services_and_cluster_addresses() {
    let external = |s: &mut Service| {
        s.kind = ServiceKind::ExternalName("out.example".into());
        s.ports.clear();
    };
    let cluster = Cluster::default()
        .ingress("a", "external.com", "external", number(443))
        .ingress("b", "mapped.com", "mapped", PortRef::Name("http".into()))
        .ingress("c", "headless.com", "headless", number(80))
        .service("external", external)
        .service("mapped", |s| s.kind = ServiceKind::ExternalName("out.example".into()))
        .service("headless", |s| {
            s.kind = ServiceKind::Headless;
            s.cluster_ips.clear();
        })
        .endpoints("headless", &[&[ready("10.0.0.1")]]);
    let compiled = cluster.compile();
    assert_eq!(targets(&compiled, "external.com"), ["out.example:443"]);
    assert_eq!(targets(&compiled, "mapped.com"), ["out.example:8080"]);
    assert_eq!(targets(&compiled, "headless.com"), ["10.0.0.1:8080"]);
    let forbidden = Options { disable_external_name: true, ..Options::default() };
    let forbidden = compile(&cluster.0, &forbidden, 0, None);
    assert!(targets(&forbidden, "external.com").is_empty());
    assert!(reasons(&forbidden).contains(&"ExternalNameDisabled"));

    let mut upstream = ingress("i", "foo.com", "s", number(80));
    upstream.policy = Arc::new(Policy { service_upstream: Some(true), ..Policy::default() });
    let cluster = Cluster::default().add(upstream).service("s", |_| {});
    assert_eq!(targets(&cluster.compile(), "foo.com"), ["10.96.0.1:80"]);
}

#[test]
fn a_missing_service_keeps_the_route_and_says_where_it_is_named() {
    let compiled = Cluster::default().ingress("i", "foo.com", "gone", number(80)).compile();
    assert!(targets(&compiled, "foo.com").is_empty());
    let report = &compiled.reports[0];
    assert_eq!(report.reason, "ServiceNotFound");
    assert_eq!(report.field.as_deref(), Some("spec.rules[0].http.paths[0].backend.service.name"));
    assert!(report.message.contains("answers 503"), "{}", report.message);
    assert_eq!(verdict(&compiled, "i"), Verdict::ServedInPart);
}

#[test]
fn a_fallback_is_the_first_port_of_the_named_service() {
    let mut with_fallback = ingress("i", "foo.com", "s", number(80));
    with_fallback.policy = Arc::new(Policy { default_backend: Some("spare".into()), ..Policy::default() });
    let cluster = Cluster::default().add(with_fallback).service("s", |_| {}).service("spare", |_| {});
    let cluster_without_spare = Cluster(cluster.0.clone());
    let compiled = cluster.endpoints("spare", &[&[ready("10.0.0.7")]]).compile();
    let Action::Proxy { fallback: Some(fallback), .. } =
        compiled.tables.routes.host("foo.com").route("/").action
    else {
        panic!("no fallback");
    };
    assert_eq!(compiled.tables.endpoints.find(fallback).unwrap().targets.len(), 1);
    assert_eq!(reasons(&compiled), ["NoEndpoints"]);
    let message = &compiled.reports[0].message;
    assert!(message.contains("annotation default-backend answers"), "{message}");
    assert_eq!(verdict(&compiled, "i"), Verdict::Served);
    let without = cluster_without_spare.compile();
    assert!(without.reports.iter().any(|report| report.message.contains("the path answers 503")));
}

#[test]
fn a_change_of_endpoints_touches_only_their_backend() {
    let cluster = (0..50).fold(Cluster::default(), |cluster, n| {
        let service = format!("s{n}");
        let cluster = cluster.ingress(&format!("i{n}"), &format!("h{n}.com"), &service, number(80));
        cluster.service(&service, |_| {}).endpoints(&service, &[&[ready("10.0.0.1")]])
    });
    let before = cluster.compile();
    let cluster = cluster.endpoints("s7", &[&[ready("10.0.0.1"), ready("10.0.0.2")]]);
    let after = cluster.compile_after(Some(&before));
    assert!(Arc::ptr_eq(&before.tables.routes, &after.tables.routes));
    assert!(Arc::ptr_eq(&before.reports, &after.reports));
    let backends = before.tables.endpoints.backends.iter().zip(after.tables.endpoints.backends.iter());
    let changed: Vec<_> =
        backends.filter(|(a, b)| !Arc::ptr_eq(a, b)).map(|(a, b)| (a.serial, b.serial)).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0, changed[0].1, "the serial stays");
    assert_eq!(targets(&after, "h7.com").len(), 2);

    // A new Service in between and the end of another, seen side by side with the old map.
    let cluster = cluster.service("new", |_| {});
    let mut services = cluster.0.services.clone();
    services.remove(&Key::new("ns", "s9"));
    let cluster = Cluster(Snapshot { services, ..cluster.0 });
    let last = cluster.compile_after(Some(&after));
    assert!(targets(&last, "h9.com").is_empty());
    assert_eq!(reasons(&last), ["ServiceNotFound"]);
    assert_eq!(targets(&last, "h8.com").len(), 1);
    let nothing = cluster.compile_after(Some(&last));
    assert!(Arc::ptr_eq(&last.tables, &nothing.tables));
}

#[test]
fn a_change_of_one_ingress_shares_the_other_hosts_and_keeps_backend_ids() {
    let cluster = Cluster::default()
        .ingress("a", "a.com", "s", number(80))
        .ingress("b", "b.com", "t", number(80))
        .ingress("c", "c.com", "u", number(80));
    let before = cluster.compile();
    let after = cluster.ingress("b", "b.com", "new", number(80)).compile_after(Some(&before));
    let table = |compiled: &Compiled, host: &str| compiled.tables.routes.host(host).clone();
    let backend = |compiled: &Compiled, host: &str| match table(compiled, host).route("/").action {
        Action::Proxy { backend, .. } => backend,
        _ => BackendId(u32::MAX),
    };
    for host in ["a.com", "c.com"] {
        assert!(Arc::ptr_eq(&table(&before, host), &table(&after, host)), "{host}");
        assert_eq!(backend(&before, host), backend(&after, host));
    }
    assert!(!Arc::ptr_eq(&table(&before, "b.com"), &table(&after, "b.com")));
    assert_ne!(backend(&after, "b.com"), backend(&before, "b.com"));
    let freed = after.tables.endpoints.find(backend(&before, "b.com")).unwrap();
    assert!(freed.targets.is_empty() && freed.serial == 0);
}

#[test]
fn the_same_snapshot_gives_the_same_tables_and_reports() {
    let cluster = (0..30).fold(Cluster::default(), |cluster, n| {
        cluster.ingress(&format!("i{n}"), &format!("h{}.com", n % 7), &format!("s{}", n % 5), number(80))
    });
    let again = Cluster(Snapshot {
        ingresses: cluster.0.ingresses.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        ..Snapshot::default()
    });
    let (a, b) = (cluster.compile(), again.compile());
    assert_eq!(a.reports, b.reports);
    assert_eq!(a.outcomes(), b.outcomes());
    assert_eq!(a.tables.endpoints.backends, b.tables.endpoints.backends);
    let shape = |compiled: &Compiled| format!("{:?}", compiled.tables.routes.hosts().collect::<Vec<_>>());
    assert_eq!(shape(&a), shape(&b));
    assert!(a.reports.is_sorted());
}

#[test]
fn classes_decide_whose_an_ingress_is() {
    let class = |name: Option<&str>, annotation: Option<&str>| Ingress {
        class_name: name.map(Into::into),
        class_annotation: annotation.map(Into::into),
        ..ingress("i", "foo.com", "s", number(80))
    };
    let ours = ClassOptions::default;
    let cluster = |ingress: Ingress| {
        Cluster::default().class("mine", "k8s.io/ingress-nginx").class("other", "example.com/x").add(ingress)
    };
    let rows = [
        (class(Some("mine"), None), ours(), Verdict::ServedInPart),
        (class(Some("other"), Some("nginx")), ours(), Verdict::NotOurs),
        (class(Some("gone"), None), ours(), Verdict::NotOurs),
        (class(Some("nginx"), None), ClassOptions { by_name: true, ..ours() }, Verdict::ServedInPart),
        (class(None, Some("nginx")), ours(), Verdict::ServedInPart),
        (class(None, Some("other")), ours(), Verdict::NotOurs),
        (class(None, None), ours(), Verdict::NotOurs),
        (class(None, None), ClassOptions { watch_without_class: true, ..ours() }, Verdict::ServedInPart),
        (class(None, None), ClassOptions { take_all_without_classes: true, ..ours() }, Verdict::NotOurs),
    ];
    for (ingress, class, wanted) in rows {
        let options = Options { class, ..Options::default() };
        let compiled = compile(&cluster(ingress.clone()).0, &options, 0, None);
        assert_eq!(verdict(&compiled, "i"), wanted, "{ingress:?} {options:?}");
    }
    let all = ClassOptions { take_all_without_classes: true, ..ours() };
    let all = Options { class: all, ..Options::default() };
    let without_classes = Cluster::default().add(class(Some("gone"), None));
    assert_eq!(verdict(&compile(&without_classes.0, &all, 0, None), "i"), Verdict::ServedInPart);
    let gone = cluster(class(Some("gone"), None)).compile();
    assert_eq!(reasons(&gone), ["ClassNotFound"]);
}

#[test]
fn canaries_other_namespaces_and_forbidden_catch_alls_are_not_served() {
    let mut canary = ingress("canary", "foo.com", "s", number(80));
    canary.policy = Arc::new(Policy { canary: true, ..Policy::default() });
    let mut catch_all = ingress("all", "foo.com", "s", number(80));
    catch_all.default_backend = Some(catch_all.rules.remove(0).paths.remove(0).backend);
    let cluster = Cluster::default().add(canary).add(catch_all);
    let options = Options { disable_catch_all: true, ..Options::default() };
    let compiled = compile(&cluster.0, &options, 0, None);
    assert_eq!(verdict(&compiled, "canary"), Verdict::Refused);
    assert_eq!(verdict(&compiled, "all"), Verdict::Refused);
    assert_eq!(compiled.tables.routes.host("foo.com").route("/").action, Action::NotFound);
    let elsewhere = Options { watch_namespace: Some("elsewhere".into()), ..Options::default() };
    assert_eq!(verdict(&compile(&cluster.0, &elsewhere, 0, None), "all"), Verdict::NotOurs);
}

/// A certificate for some names that is valid from 0 to `not_after` (the encoded times do not matter here).
fn certificate(names: &[&str], not_after: i64) -> Arc<Certificate> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params =
        rcgen::CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let certificate = Certificate::parse(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    Arc::new(Certificate { not_before: 0, not_after, ..certificate })
}

fn with_tls(name: &str, host: &str, tls: &[(&[&str], Option<&str>)]) -> Ingress {
    let tls = tls.iter().enumerate().map(|(index, (hosts, secret))| Tls {
        hosts: hosts.iter().map(|host| Host::parse(host).unwrap()).collect(),
        secret: secret.map(Into::into),
        index,
    });
    Ingress { tls: tls.collect(), ..ingress(name, host, "s", number(80)) }
}

const DAY: i64 = 24 * 60 * 60;

/// One Ingress for each thing that can be right or wrong with a certificate, three days after the epoch.
fn certificates(fine: &Arc<Certificate>, fallback: &Arc<Certificate>) -> Compiled {
    let cluster = Cluster::default()
        .secret("fine", Ok(fine.clone()))
        .secret("old", Ok(certificate(&["old.com"], 2 * DAY)))
        .secret("soon", Ok(certificate(&["soon.com"], 12 * DAY)))
        .secret("broken", Err(CertificateError::Mismatch))
        .secret("opaque", Err(CertificateError::Missing("tls.crt")))
        .secret("half", Err(CertificateError::Missing("tls.key")))
        .add(with_tls("a", "a.com", &[(&["a.com"], Some("fine"))]))
        .add(with_tls("any-section", "x.w.com", &[(&["elsewhere"], Some("fine"))]))
        .add(with_tls("no-hosts", "*.w.com", &[(&[], Some("fine"))]))
        .add(with_tls("no-secret", "default.com", &[(&["default.com"], None)]))
        .add(with_tls("old", "old.com", &[(&["old.com"], Some("old"))]))
        .add(with_tls("soon", "soon.com", &[(&["soon.com"], Some("soon"))]))
        .add(with_tls("broken", "broken.com", &[(&["broken.com"], Some("broken"))]))
        .add(with_tls("gone", "gone.com", &[(&["gone.com"], Some("gone"))]))
        .add(with_tls("half", "half.com", &[(&["half.com"], Some("half"))]))
        .add(with_tls("unfit", "unfit.com", &[(&["unfit.com"], Some("fine"))]));
    let options = Options { fallback_certificate: Some(fallback.clone()), ..Options::default() };
    compile(&cluster.0, &options, 3 * DAY, None)
}

#[test]
fn a_certificate_serves_the_hosts_it_covers_and_everything_else_falls_to_the_default() {
    let fine = certificate(&["a.com", "*.w.com"], 1000 * DAY);
    let fallback = certificate(&["ingress.local"], 1000 * DAY);
    let compiled = certificates(&fine, &fallback);
    let certificates = &compiled.tables.routes.certificates;
    let is =
        |name: &str, wanted: &Arc<Certificate>| Arc::ptr_eq(certificates.find(Some(name)).unwrap(), wanted);
    for name in ["a.com", "x.w.com", "y.w.com"] {
        assert!(is(name, &fine), "{name}");
    }
    let others =
        ["default.com", "old.com", "broken.com", "gone.com", "unfit.com", "unknown", "w.com", "q.x.w.com"];
    for name in others {
        assert!(is(name, &fallback), "{name}");
    }
    assert!(Arc::ptr_eq(certificates.find(None).unwrap(), &fallback));
    for host in ["a.com", "old.com", "gone.com", "z.w.com"] {
        assert!(compiled.tables.routes.host(host).certificate, "{host}");
    }
    let all: Vec<_> = certificates.all().map(|(host, _)| host.to_string()).collect();
    assert_eq!(all, ["a.com", "soon.com", "x.w.com", "*.w.com", "*"]);
}

#[test]
fn owners_are_told_what_is_wrong_with_a_certificate() {
    let fine = certificate(&["a.com", "*.w.com"], 1000 * DAY);
    let compiled = certificates(&fine, &fine);
    let told: Vec<_> = compiled
        .reports
        .iter()
        .filter(|report| report.reason != "ServiceNotFound")
        .map(|report| (&*report.object.key.name, report.reason, report.field.as_deref().unwrap_or_default()))
        .collect();
    let name = "spec.tls[0].secretName";
    let wanted = [
        ("broken", "CertificateInvalid", name),
        ("gone", "SecretNotFound", name),
        ("half", "CertificateInvalid", name),
        ("old", "CertificateExpired", name),
        ("unfit", "CertificateMismatch", name),
        ("soon", "CertificateExpiresSoon", ""),
    ];
    assert_eq!(told, wanted);
    let outcomes = compiled.outcomes();
    let secrets = outcomes.iter().filter(|outcome| outcome.object.kind == Kind::Secret);
    let verdicts: Vec<_> =
        secrets.map(|outcome| (&*outcome.object.key.name, outcome.verdict, outcome.routes)).collect();
    let wanted = [
        ("broken", Verdict::Refused, 0),
        ("fine", Verdict::Served, 3),
        ("half", Verdict::Refused, 0),
        ("old", Verdict::Refused, 0),
        ("opaque", Verdict::NotOurs, 0),
        ("soon", Verdict::Served, 1),
    ];
    assert_eq!(verdicts, wanted);
}

#[test]
fn the_default_certificate_is_a_secret_while_that_is_good() {
    let good = certificate(&["default.com"], 10 * DAY);
    let fallback = certificate(&["ingress.local"], 1000 * DAY);
    let cluster = Cluster::default().secret("default", Ok(good.clone()));
    let options = Options {
        default_certificate: Some(Key::new("ns", "default")),
        fallback_certificate: Some(fallback.clone()),
        ..Options::default()
    };
    let first = compile(&cluster.0, &options, 0, None);
    assert!(Arc::ptr_eq(first.tables.routes.certificates.find(None).unwrap(), &good));
    // Time alone changes the answer.
    let same = compile(&cluster.0, &options, DAY, Some(&first));
    assert!(Arc::ptr_eq(&same.tables, &first.tables));
    let expired = compile(&cluster.0, &options, 10 * DAY, Some(&same));
    assert!(Arc::ptr_eq(expired.tables.routes.certificates.find(None).unwrap(), &fallback));
    assert_eq!(expired.reports[0].reason, "CertificateExpired");
    assert_eq!(expired.reports[0].severity, Severity::Error);
}
