//! How long a compile takes: from scratch, and after a change.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use slipway::compile::{Options, compile};
use slipway::model::map::Map;
use slipway::model::route::{BackendRef, Host, Ingress, Path, PathKind, PortRef, Rule};
use slipway::model::service::{
    Endpoint, EndpointPort, EndpointSet, Exposure, Protocol, Service, ServiceKind, ServicePort,
};
use slipway::model::{Key, Kind, ObjectRef, Snapshot};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// `hosts` Ingresses of one host and `paths` paths each, with a Service of two endpoints for every Ingress.
fn snapshot(hosts: usize, paths: usize) -> Snapshot {
    let key = |n: usize| Key::new("ns", format!("app-{n}"));
    let ingresses = (0..hosts).map(|n| (key(n), Arc::new(ingress(n, paths))));
    let services = (0..hosts).map(|n| (key(n), Arc::new(service(n))));
    let endpoints = (0..hosts).map(|n| (key(n), Arc::from([Arc::new(endpoints(n, 2))])));
    Snapshot {
        ingresses: ingresses.collect(),
        services: services.collect(),
        endpoints: endpoints.collect(),
        ..Snapshot::default()
    }
}

fn ingress(n: usize, paths: usize) -> Ingress {
    let paths = (0..paths).map(|index| Path {
        path: if index == 0 { "/".into() } else { format!("/part-{index}/things").into() },
        kind: PathKind::Prefix,
        backend: BackendRef::Service { name: format!("app-{n}").into(), port: PortRef::Number(80) },
        index,
    });
    Ingress {
        object: ObjectRef::new(Kind::Ingress, "ns", format!("app-{n}")),
        origin: None,
        created: Some(n as i64),
        class_name: None,
        class_annotation: Some("nginx".into()),
        rules: vec![Rule {
            host: Host::Exact(format!("host-{n}.example.com").into()),
            paths: paths.collect(),
            index: 0,
        }],
        default_backend: None,
        tls: Vec::new(),
        policy: Arc::default(),
        reports: Vec::new(),
    }
}

fn service(n: usize) -> Service {
    Service {
        object: ObjectRef::new(Kind::Service, "ns", format!("app-{n}")),
        origin: None,
        kind: ServiceKind::ClusterIp,
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

fn endpoints(n: usize, count: u8) -> EndpointSet {
    let endpoint = |last: u8| Endpoint {
        address: [10, (n >> 8) as u8, n as u8, last].into(),
        ready: true,
        serving: true,
        terminating: false,
        topology: None,
        hostname: None,
        pod: None,
    };
    EndpointSet {
        object: ObjectRef::new(Kind::EndpointSlice, "ns", format!("app-{n}-x")),
        service: Key::new("ns", format!("app-{n}")),
        ports: vec![EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port: 8080 }],
        endpoints: (0..count).map(endpoint).collect(),
        triggered: None,
    }
}

fn replace<V: Clone>(map: &Map<Key, V>, n: usize, value: V) -> Map<Key, V> {
    let mut map = map.clone();
    map.insert(Key::new("ns", format!("app-{n}")), value);
    map
}

fn from_scratch(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile from scratch");
    group.sample_size(10);
    for (hosts, paths) in [(1_000, 1), (100_000, 1), (100, 1_000)] {
        let snapshot = snapshot(hosts, paths);
        group.bench_function(format!("{hosts} hosts x {paths} paths"), |b| {
            b.iter_batched(
                || (),
                |()| compile(black_box(&snapshot), &Options::default(), 0, None),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn after_a_change(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile 100,000 rules after a change");
    group.sample_size(10);
    let old = snapshot(100_000, 1);
    let compiled = compile(&old, &Options::default(), 0, None);
    let set: Arc<[Arc<EndpointSet>]> = Arc::from([Arc::new(endpoints(777, 3))]);
    let endpoint = Snapshot { endpoints: replace(&old.endpoints, 777, set), ..old.clone() };
    let ingress =
        Snapshot { ingresses: replace(&old.ingresses, 777, Arc::new(ingress(777, 2))), ..old.clone() };
    for (name, snapshot) in [("of one endpoint", endpoint), ("of one Ingress", ingress), ("of nothing", old)]
    {
        group.bench_function(name, |b| {
            b.iter_batched(
                || (),
                |()| compile(black_box(&snapshot), &Options::default(), 0, Some(&compiled)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, from_scratch, after_a_change);
criterion_main!(benches);
