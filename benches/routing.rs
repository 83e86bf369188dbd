//! How long it takes to find the route of a request.

#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use slipway::compile::{Options, compile};
use slipway::model::route::{BackendRef, Host, Ingress, Path, PathKind, PortRef, Rule};
use slipway::model::{Kind, ObjectRef, Snapshot};
use slipway::routing::{Tables, host, path};

fn tables(hosts: usize, paths: &[&str]) -> Arc<Tables> {
    let ingresses = (0..hosts).map(|n| {
        let ingress = ingress(n, paths);
        (ingress.object.key.clone(), Arc::new(ingress))
    });
    let snapshot = Snapshot { ingresses: ingresses.collect(), ..Snapshot::default() };
    compile(&snapshot, &Options::default(), 0, None).tables
}

fn ingress(n: usize, paths: &[&str]) -> Ingress {
    let backend = BackendRef::Service { name: format!("app-{n}").into(), port: PortRef::Number(80) };
    let paths = paths.iter().enumerate().map(|(index, path)| Path {
        path: (*path).into(),
        kind: PathKind::Prefix,
        backend: backend.clone(),
        index,
    });
    Ingress {
        object: ObjectRef::new(Kind::Ingress, "ns", format!("app-{n}")),
        origin: None,
        created: Some(0),
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

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Every request asks another host, so that large tables pay for their cache misses.
fn hosts(c: &mut Criterion) {
    let mut group = c.benchmark_group("route");
    for count in [1, 10_000, 100_000] {
        let tables = tables(count, &["/"]);
        let names: Vec<String> =
            (0..4096).map(|n| format!("host-{}.example.com", n * 7919 % count)).collect();
        let mut next = 0;
        group.bench_function(format!("hit, {count} hosts"), |b| {
            b.iter(|| {
                next = (next + 1) & 4095;
                tables.routes.host(black_box(&names[next])).route(black_box("/some/path")).origin.is_default
            });
        });
        group.bench_function(format!("miss, {count} hosts"), |b| {
            b.iter(|| {
                tables.routes.host(black_box("nobody.example.org")).route(black_box("/")).origin.is_default
            });
        });
    }
    group.finish();
}

fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("path");
    let few = tables(1, &["/", "/api", "/api/v1/users", "/static"]);
    group.bench_function("4 rules", |b| {
        b.iter(|| {
            few.routes.host("host-0.example.com").route(black_box("/api/v1/things/7")).origin.is_default
        });
    });
    let many: Vec<String> = (0..1000).map(|n| format!("/part-{n}/things")).collect();
    let many = tables(1, &many.iter().map(String::as_str).collect::<Vec<_>>());
    group.bench_function("1,000 rules", |b| {
        b.iter(|| {
            many.routes.host("host-0.example.com").route(black_box("/part-777/things/7")).origin.is_default
        });
    });
    group.finish();
}

fn normalize(c: &mut Criterion) {
    let mut group = c.benchmark_group("normalize");
    group.bench_function("host", |b| b.iter(|| host::normalize(black_box("host-0.example.com:8080"))));
    group.bench_function("path", |b| b.iter(|| path::normalize(black_box("/api/v1/things/7"))));
    group.bench_function("path with escapes", |b| {
        b.iter(|| path::normalize(black_box("/api//v1/%20things/../7")))
    });
    group.finish();
}

criterion_group!(benches, hosts, paths, normalize);
criterion_main!(benches);
