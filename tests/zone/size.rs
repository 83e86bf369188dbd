//! What large clusters cost, in figures: `cargo test --test zone -- --ignored --nocapture`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use slipway::dns::wire::kind;
use slipway::dns::zone::Zone;
use slipway::model::service::{Endpoint, EndpointSet};
use slipway::model::{Key, Snapshot};

use crate::ask::{TCP, ask};
use crate::cluster::{SERIAL, options, snapshot};

fn objects(services: usize, endpoints: usize, headless: bool) -> String {
    let mut yaml = String::new();
    for service in 0..services {
        let ip = if headless {
            "None".to_owned()
        } else {
            format!("10.{}.{}.1", 100 + service / 250, service % 250)
        };
        write!(
            yaml,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{service}, namespace: n{}}}\n\
             spec: {{clusterIP: {ip}, ports: [{{name: http, port: 80}}]}}\n",
            service % 100
        )
        .unwrap();
        for slice in 0..endpoints.div_ceil(100) {
            write!(
                yaml,
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                 metadata: {{name: s{service}-{slice}, namespace: n{}, labels: {{kubernetes.io/service-name: s{service}}}}}\n\
                 addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints:\n",
                service % 100
            )
            .unwrap();
            for at in slice * 100..endpoints.min(slice * 100 + 100) {
                let number = service * endpoints + at;
                writeln!(
                    yaml,
                    "- {{addresses: [10.{}.{}.{}]}}",
                    number / 62500,
                    number / 250 % 250,
                    number % 250
                )
                .unwrap();
            }
        }
    }
    yaml
}

/// How often an endpoint changes; the kernel's clock of a thread goes in steps of some milliseconds.
const ROUNDS: u8 = 200;

/// One endpoint of a Service gets another address.
fn change(snapshot: &Snapshot, key: &Key, round: u8) -> Snapshot {
    let mut snapshot = snapshot.clone();
    let mut sets: Vec<Arc<EndpointSet>> = snapshot.endpoints[key].to_vec();
    let mut set = (*sets[0]).clone();
    set.endpoints[0] = Endpoint { address: [192, 0, 2, round].into(), ..set.endpoints[0].clone() };
    sets[0] = Arc::new(set);
    snapshot.endpoints.insert(key.clone(), sets.into());
    snapshot
}

fn measure(what: &str, yaml: &str, key: &Key) {
    let mut snapshot = snapshot(yaml);
    let before = resident();
    let start = used();
    let mut zone = Zone::build(&snapshot, Arc::new(options()), SERIAL);
    let built = used() - start;
    let grown = resident().saturating_sub(before) / 1024;
    let (mut updates, mut drops) = (Duration::ZERO, Duration::ZERO);
    for round in 1..=ROUNDS {
        snapshot = change(&snapshot, key, round);
        let start = used();
        let next = zone.update(&snapshot, SERIAL);
        updates += used() - start;
        let former = std::mem::replace(&mut zone, next);
        let start = used();
        drop(former);
        drops += used() - start;
    }
    let reverse = ask(&zone, &format!("{ROUNDS}.2.0.192.in-addr.arpa"), kind::PTR, TCP);
    assert_eq!(reverse.answer.len(), 1);
    println!(
        "{what}: {} names, built in {built:?}, {grown} MiB; one changed endpoint: {:?}, and {:?} to drop the former",
        zone.len(),
        updates / u32::from(ROUNDS),
        drops / u32::from(ROUNDS),
    );
}

/// Processor time of this thread: what else runs on the machine does not count.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// KiB in use by this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "prints figures"]
fn one_changed_endpoint_among_100_000() {
    measure("10,000 Services x 10", &objects(10_000, 10, false), &Key::new("n77", "s77"));
    measure("10,000 headless Services x 10", &objects(10_000, 10, true), &Key::new("n77", "s77"));
    measure("20 headless Services x 5,000", &objects(20, 5000, true), &Key::new("n7", "s7"));
}
