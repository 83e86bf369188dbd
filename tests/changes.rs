//! Any sequence of changes ends where compiling from scratch would: tables, certificates, reports, verdicts, sizes.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

use std::fmt::Write;
use std::sync::Arc;

use slipway::compile::{Compiled, Options, compile};
use slipway::model::certificate::{Certificate, CertificateError, Secret};
use slipway::model::policy::{Alias, Policy};
use slipway::model::route::{BackendRef, Host, Ingress, IngressClass, Path, PathKind, PortRef, Rule, Tls};
use slipway::model::service::{
    Endpoint, EndpointPort, EndpointSet, Exposure, Protocol, Service, ServiceKind, ServicePort,
};
use slipway::model::settings::Settings;
use slipway::model::{Key, Kind, ObjectRef, Report, Severity, Snapshot};
use slipway::routing::{Action, BackendId, Tables};

const HOSTS: &[&str] =
    &["a.x", "b.x", "*.x", "www.a.x", "c.y", "*.y", "d.c.y", "*.c.y", "other.z", "www.other.z", "*"];
const SERVICES: &[&str] = &["s", "t", "u", "v"];

/// A repeatable source of choices.
struct Dice(fastrand::Rng);

impl Dice {
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())].clone()
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.0.usize(..n) == 0
    }

    fn host(&mut self) -> Host {
        let text = self.pick(HOSTS);
        Host::parse(text).unwrap()
    }

    fn backend(&mut self) -> BackendRef {
        if self.once_in(20) {
            return BackendRef::Resource { what: "Bucket/b".into() };
        }
        let port = self.pick(&[PortRef::Number(80), PortRef::Name("http".into()), PortRef::Number(81)]);
        BackendRef::Service { name: self.pick(SERVICES).into(), port }
    }

    fn rule(&mut self, index: usize) -> Rule {
        let paths = (0..self.0.usize(..3)).map(|index| {
            let path = self.pick(&["/", "/a", "/a/", "/b/c", "/(broken"]);
            let kind = self.pick(&[PathKind::Exact, PathKind::Prefix, PathKind::ImplementationSpecific]);
            Path { path: path.into(), kind, backend: self.backend(), index }
        });
        let paths = paths.collect();
        Rule { host: self.host(), paths, index }
    }

    fn policy(&mut self) -> Policy {
        let mut policy = Policy::default();
        if self.once_in(2) {
            return policy;
        }
        policy.from_to_www = self.once_in(4);
        policy.use_regex = self.once_in(8);
        policy.canary = self.once_in(12);
        policy.app_root = self.once_in(6).then(|| "/app".into());
        policy.service_upstream = self.once_in(8).then_some(true);
        policy.default_backend = self.once_in(5).then(|| self.pick(SERVICES).into());
        policy.denied = self.once_in(15).then(|| "auth-url".into());
        if self.once_in(3) {
            policy.server_aliases.push(Alias::Host(self.host()));
            policy.server_aliases.retain(|alias| *alias != Alias::Host(Host::Any));
        }
        if self.once_in(6) {
            policy.server_aliases.push(Alias::Regex(self.pick(&["~^m[0-9]+$", "~^n[0-9]+$"]).into()));
        }
        policy
    }

    fn ingress(&mut self, key: &Key) -> Ingress {
        let object = ObjectRef { kind: Kind::Ingress, key: key.clone() };
        let complaint = Report::new(&object, Severity::Warning, "Complaint", "of translation");
        let rules = (0..self.0.usize(..4)).map(|index| self.rule(index)).collect();
        let tls = (0..self.0.usize(..3).saturating_sub(1)).map(|index| Tls {
            hosts: vec![self.host()],
            secret: if self.once_in(5) { None } else { Some(self.pick(&["p", "q"]).into()) },
            index,
        });
        Ingress {
            tls: tls.collect(),
            origin: None,
            created: self.pick(&[None, Some(1), Some(2), Some(3)]),
            class_name: self.pick(&[None, Some("nginx".into()), Some("nginx".into())]),
            class_annotation: self.pick(&[None, Some("nginx".into()), Some("else".into())]),
            rules,
            default_backend: self.once_in(3).then(|| self.backend()),
            policy: Arc::new(self.policy()),
            reports: if self.once_in(4) { vec![complaint] } else { Vec::new() },
            object,
        }
    }

    fn service(&mut self, key: &Key) -> Service {
        Service {
            object: ObjectRef { kind: Kind::Service, key: key.clone() },
            origin: None,
            kind: self.pick(&[
                ServiceKind::ClusterIp,
                ServiceKind::ClusterIp,
                ServiceKind::ExternalName("out.z".into()),
            ]),
            cluster_ips: vec!["10.96.0.1".parse().unwrap()],
            ports: vec![ServicePort {
                name: "http".into(),
                protocol: Protocol::Tcp,
                port: 80,
                target: PortRef::Number(8080),
                node_port: None,
            }],
            publish_not_ready: false,
            created: None,
            exposure: Exposure::default(),
        }
    }

    fn endpoints(&mut self, key: &Key) -> EndpointSet {
        let endpoint = |last: u8| Endpoint {
            address: [10, 0, 0, last].into(),
            ready: !last.is_multiple_of(3),
            serving: true,
            terminating: false,
            topology: None,
            hostname: None,
            pod: None,
        };
        EndpointSet {
            object: ObjectRef { kind: Kind::EndpointSlice, key: key.clone() },
            service: key.clone(),
            ports: vec![EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port: 8080 }],
            endpoints: (0..self.0.u8(..4)).map(endpoint).collect(),
            triggered: None,
        }
    }

    /// Changes one thing.
    fn change(&mut self, snapshot: &mut Snapshot, certificates: &[Arc<Certificate>]) {
        let service = Key::new("ns", self.pick(SERVICES));
        let stays = !self.once_in(4);
        match self.0.usize(..20) {
            0..12 => {
                let key = Key::new(self.pick(&["ns", "ns", "n2"]), format!("i{}", self.0.u8(..12)));
                let ingress = stays.then(|| Arc::new(self.ingress(&key)));
                snapshot.ingresses.set(key, ingress);
            }
            12 | 13 => {
                let value = stays.then(|| Arc::new(self.service(&service)));
                snapshot.services.set(service, value);
            }
            14..17 => {
                let sets = stays.then(|| Arc::from([Arc::new(self.endpoints(&service))]));
                snapshot.endpoints.set(service, sets);
            }
            17 => {
                let key = Key::new("ns", self.pick(&["p", "q"]));
                let broken = Err(CertificateError::Missing("tls.key"));
                let good = Ok(self.pick(certificates));
                let certificate = if self.once_in(3) { broken } else { good };
                let object = ObjectRef { kind: Kind::Secret, key: key.clone() };
                let secret = Secret { object, origin: None, certificate };
                snapshot.secrets.set(key, stays.then(|| Arc::new(secret)));
            }
            18 => {
                let class = IngressClass {
                    object: ObjectRef::new(Kind::IngressClass, "", "nginx"),
                    controller: self.pick(&["k8s.io/ingress-nginx", "k8s.io/ingress-nginx", "else"]).into(),
                    is_default: false,
                };
                snapshot.classes.set("nginx".into(), stays.then(|| Arc::new(class)));
            }
            _ => {
                let settings = Settings { hsts_max_age: self.0.u64(..3), ..Settings::default() };
                snapshot.settings = Arc::new(settings);
                let object = ObjectRef::new(Kind::File, "", "f.yaml");
                let report = Report::new(&object, Severity::Note, "Note", format!("{}", self.0.u8(..3)));
                snapshot.reports = Arc::new(vec![report]);
            }
        }
    }
}

/// All that a compile says, with backends by what they are: ids depend on the way.
fn dump(compiled: &Compiled) -> String {
    let mut out = String::new();
    let tables = &compiled.tables;
    for table in tables.routes.hosts() {
        let head = (&table.host, &table.app_root, &table.www_redirect, table.certificate);
        writeln!(out, "{head:?}").unwrap();
        for route in table.routes() {
            let parts = (&route.origin, &route.traffic, &route.redirect, &route.rewrite);
            writeln!(out, "  {} {parts:?}", action(tables, route.action)).unwrap();
        }
    }
    for name in HOSTS.iter().copied().chain(["e.x", "f.c.y", "m1", "n1", "nobody", "www.b.x", "www.c.y"]) {
        let table = tables.routes.host(name);
        let paths = ["/", "/a", "/a/b", "/b/c/d"].map(|path| table.route(path).origin.clone());
        writeln!(out, "{name}: {:?} {:?} {paths:?}", table.host, table.www_redirect).unwrap();
    }
    for (host, certificate) in tables.routes.certificates.all() {
        writeln!(out, "{host}: {}", certificate.serial).unwrap();
    }
    let settings = tables.routes.settings.hsts_max_age;
    let outcomes = compiled.outcomes();
    writeln!(out, "{settings} {:?}\n{:#?}\n{outcomes:#?}", compiled.size, compiled.reports).unwrap();
    out
}

fn action(tables: &Tables, action: Action) -> String {
    let backend = |id: BackendId| {
        let backend = tables.endpoints.find(id).unwrap();
        assert_ne!(backend.serial, 0, "a route names a freed backend");
        format!("{} {} {:?}", backend.service, backend.port, backend.targets)
    };
    match action {
        Action::Proxy { backend: main, fallback } => {
            format!("{} else {:?}", backend(main), fallback.map(backend))
        }
        other => format!("{other:?}"),
    }
}

fn certificates() -> Vec<Arc<Certificate>> {
    let names = [vec!["a.x", "www.a.x"], vec!["*.x"], vec!["c.y", "*.c.y"]];
    let certificate = |names: &Vec<&str>| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let pair = rcgen::generate_simple_self_signed(names).unwrap();
        let key = pair.signing_key.serialize_pem();
        Arc::new(Certificate::parse(pair.cert.pem().as_bytes(), key.as_bytes()).unwrap())
    };
    names.iter().map(certificate).collect()
}

#[test]
fn any_changes_end_where_compiling_from_scratch_would() {
    let certificates = certificates();
    for seed in 0..12 {
        let mut dice = Dice(fastrand::Rng::with_seed(seed));
        let mut options = Options::default();
        options.class.watch_without_class = dice.once_in(2);
        options.class.take_all_without_classes = dice.once_in(2);
        options.default_backend = dice.once_in(2).then(|| Key::new("ns", "v"));
        options.disable_catch_all = dice.once_in(5);
        let mut snapshot = Snapshot::default();
        let mut compiled = compile(&snapshot, &options, 1_800_000_000, None);
        for step in 0..60 {
            for _ in 0..=dice.0.usize(..3) {
                dice.change(&mut snapshot, &certificates);
            }
            compiled = compile(&snapshot, &options, 1_800_000_000, Some(&compiled));
            let scratch = compile(&snapshot, &options, 1_800_000_000, None);
            let (found, wanted) = (dump(&compiled), dump(&scratch));
            if found != wanted {
                let differing = found.lines().zip(wanted.lines()).find(|(a, b)| a != b);
                panic!("seed {seed}, step {step}: found and wanted differ first in {differing:#?}");
            }
        }
    }
}
