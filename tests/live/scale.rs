//! Many rules: memory, time to ready, time from write to live. With `SLIPWAY_SCALE=1` very many, best with an optimized
//! program (`SLIPWAY_BIN`) and `--nocapture`.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::manifest::{ingress, service};
use super::server::{Manifests, Server};

/// A directory with so many hosts of one rule each, a hundred to an Ingress, in files of a thousand.
fn directory(routes: usize) -> Manifests {
    let manifests = Manifests::new(&[("services.yaml", &service("web", &[Backend::start("web").address]))]);
    for file in 0..routes.div_ceil(1000) {
        let mut text = String::new();
        for number in 0..10 {
            let first = file * 1000 + number * 100;
            let _ = write!(
                text,
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i{first}}}\nspec:\n  rules:\n"
            );
            for host in first..(first + 100).min(routes) {
                let _ = write!(
                    text,
                    "  - host: h{host}.example\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        \
                     backend: {{service: {{name: web, port: {{number: 80}}}}}}\n"
                );
            }
            text.push_str("---\n");
        }
        manifests.write(&format!("many-{file}.yaml"), &text);
    }
    manifests
}

/// The shortest and the median time from a write to its first answer.
fn time_to_live(manifests: &Manifests, server: &Server) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..21)
        .map(|number| {
            let host = format!("new{number}.example");
            let text = ingress("new", &host, "/", "web");
            let start = Instant::now();
            manifests.write("new.yaml", &text);
            server.until_status(&host, "/", 200);
            start.elapsed()
        })
        .collect();
    times.sort();
    (times[0], times[times.len() / 2])
}

#[test]
fn very_many_rules_are_served_and_changes_among_them_are_live() {
    let wanted: &[usize] =
        if std::env::var_os("SLIPWAY_SCALE").is_some() { &[0, 5_000, 100_000] } else { &[0, 1_000] };
    for &routes in wanted {
        let manifests = directory(routes);
        let start = Instant::now();
        let server = Server::start(&manifests, &[]);
        let ready = start.elapsed();
        let first_kib = server.rss_kib();
        let (best, median) = time_to_live(&manifests, &server);
        if routes > 0 {
            assert_eq!(server.get(&format!("h{}.example", routes - 1), "/").status, 200);
        }
        println!(
            "{routes} routes: ready after {ready:?}, {first_kib} KiB then, {} KiB after 21 changes; a change is live \
             after {best:?} at best, {median:?} in the median",
            server.rss_kib()
        );
    }
}
