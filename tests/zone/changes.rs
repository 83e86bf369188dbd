//! A zone that followed changes is the zone that is built of where they led.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use slipway::dns::zone::{Part, Pods, Record, Zone};
use slipway::model::pod::Pod;
use slipway::model::route::PortRef;
use slipway::model::selector::Selector;
use slipway::model::service::{
    Endpoint, EndpointPort, EndpointSet, Exposure, Protocol, Service, ServiceKind, ServicePort,
};
use slipway::model::{Key, Kind, ObjectRef, Snapshot};

use crate::ask::{How, TCP, ask};
use crate::cluster::{SERIAL, options};

const SPACES: [&str; 3] = ["a", "b", "c"];
const SERVICES: [&str; 4] = ["web", "db", "_bad", "kube-dns"];
const PORTS: [&str; 4] = ["", "http", "HTTP", "metrics"];
const HOSTS: [&str; 4] = ["", "one", "two", "not a label"];

/// One change.
#[allow(clippy::large_enum_variant, reason = "a few of them in a test")]
#[derive(Clone, Debug)]
enum Step {
    Service(Key, Option<Service>),
    Endpoints(Key, Option<Vec<EndpointSet>>),
    Space(usize, Option<bool>),
    Pod(Key, Option<Vec<IpAddr>>),
}

fn key() -> impl Strategy<Value = Key> {
    (0..SPACES.len(), 0..SERVICES.len()).prop_map(|(space, name)| Key::new(SPACES[space], SERVICES[name]))
}

/// Few addresses, so that they are shared.
fn address() -> impl Strategy<Value = IpAddr> {
    (0..6_u8, any::<bool>()).prop_map(|(at, v6)| match v6 {
        false => IpAddr::from([10, 0, at / 3, at]),
        true => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(at)]),
    })
}

fn port() -> impl Strategy<Value = (usize, Protocol, u16)> {
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    (0..PORTS.len(), protocol, 80..83_u16)
}

fn service() -> impl Strategy<Value = Service> {
    let alias = prop::sample::select(vec![
        "web.a.svc.cluster.local",
        "db.b.svc.cluster.local",
        "example.com",
        "10.0.0.1",
    ]);
    let kind = prop_oneof![
        Just(ServiceKind::ClusterIp),
        Just(ServiceKind::Headless),
        alias.prop_map(|name| ServiceKind::ExternalName(name.into())),
    ];
    let ports = prop::collection::vec(port(), 0..3);
    (kind, prop::collection::vec(address(), 0..3), ports, any::<bool>()).prop_map(
        |(kind, addresses, ports, publish_not_ready)| Service {
            object: ObjectRef::new(Kind::Service, "", ""),
            origin: None,
            cluster_ips: if kind == ServiceKind::ClusterIp { addresses } else { Vec::new() },
            kind,
            ports: ports
                .into_iter()
                .map(|(name, protocol, port)| ServicePort {
                    name: PORTS[name].into(),
                    protocol,
                    port,
                    target: PortRef::Number(port),
                    node_port: None,
                })
                .collect(),
            publish_not_ready,
            created: None,
            exposure: Exposure::default(),
        },
    )
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (address(), any::<bool>(), 0..HOSTS.len()).prop_map(|(address, ready, host)| Endpoint {
        address,
        ready,
        serving: ready,
        terminating: false,
        topology: None,
        hostname: Some(HOSTS[host]).filter(|host| !host.is_empty()).map(Into::into),
        pod: None,
    })
}

fn set() -> impl Strategy<Value = EndpointSet> {
    (prop::collection::vec(endpoint(), 0..5), prop::collection::vec(port(), 0..3)).prop_map(
        |(endpoints, ports)| EndpointSet {
            object: ObjectRef::new(Kind::EndpointSlice, "", "slice"),
            service: Key::new("", ""),
            ports: ports
                .into_iter()
                .map(|(name, protocol, port)| EndpointPort { name: PORTS[name].into(), protocol, port })
                .collect(),
            endpoints,
            triggered: None,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (key(), prop::option::weighted(0.8, service())).prop_map(|(key, service)| Step::Service(key, service)),
        4 => (key(), prop::option::weighted(0.8, prop::collection::vec(set(), 1..3)))
            .prop_map(|(key, sets)| Step::Endpoints(key, sets)),
        1 => (0..SPACES.len(), prop::option::of(any::<bool>())).prop_map(|(at, label)| Step::Space(at, label)),
        1 => (key(), prop::option::of(prop::collection::vec(address(), 1..3))).prop_map(|(key, all)| Step::Pod(key, all)),
    ]
}

fn apply(snapshot: &mut Snapshot, step: Step) {
    match step {
        Step::Service(key, service) => {
            let service = service.map(|mut service| {
                service.object.key = key.clone();
                Arc::new(service)
            });
            snapshot.services.set(key, service);
        }
        Step::Endpoints(key, sets) => {
            let sets = sets.map(|sets| sets.into_iter().map(Arc::new).collect());
            snapshot.endpoints.set(key, sets);
        }
        Step::Space(at, label) => {
            let labels = label.map(|label| Arc::new([("team".to_owned(), label.to_string())].into()));
            snapshot.namespaces.set(SPACES[at].into(), labels);
        }
        Step::Pod(key, addresses) => {
            let object = ObjectRef { kind: Kind::Pod, key: key.clone() };
            snapshot.pods.set(key, addresses.map(|addresses| Arc::new(Pod { object, addresses })));
        }
    }
}

/// All that a zone says, and how many names it has.
fn all(zone: &Zone) -> (Vec<Record>, usize, String) {
    let parts = [Part::Forward, Part::Reverse(0), Part::Reverse(1), Part::Reverse(2)];
    let records = parts.into_iter().flat_map(|part| zone.records_of(part).collect::<Vec<_>>());
    (records.collect(), zone.len(), format!("{:?}", zone.reports()))
}

fn names(zone: &Zone) -> Vec<String> {
    let parts = [Part::Forward, Part::Reverse(0), Part::Reverse(1), Part::Reverse(2)];
    let records = parts.into_iter().flat_map(|part| zone.records_of(part).collect::<Vec<_>>());
    let mut names: Vec<String> = records.map(|record| record.name.to_string()).collect();
    for name in names.clone() {
        names.extend(
            name.match_indices('.').map(|(at, _)| name[at + 1..].to_owned()).filter(|n| !n.is_empty()),
        );
    }
    for address in 0..6 {
        for space in SPACES {
            names.push(format!("10-0-{}-{address}.{space}.pod.cluster.local.", address / 3));
            names.push(format!("{space}.pod.cluster.local."));
            names.push(format!("{space}.svc.cluster.local."));
        }
    }
    names.sort();
    names.dedup();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn following_changes_and_building_anew_give_the_same(
        steps in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..8),
        pods in prop::sample::select(vec![Pods::Disabled, Pods::Insecure, Pods::Verified]),
        selected in any::<bool>(),
        ignore_empty in any::<bool>(),
        limit in prop::sample::select(vec![512_usize, 600, 1232]),
    ) {
        let mut options = options();
        options.pods = pods;
        options.ignore_empty = ignore_empty;
        options.own_service = Some(Key::new("b", "kube-dns"));
        options.reverse.push(crate::cluster::name("0.0.10.in-addr.arpa"));
        if selected {
            options.namespace_selector = Some(Arc::new(Selector::parse("team!=true").unwrap()));
        }
        let options = Arc::new(options);
        let mut snapshot = Snapshot::default();
        let mut followed = Zone::build(&snapshot, options.clone(), 1);
        let mut asked = names(&followed);
        for changes in steps {
            for step in changes {
                apply(&mut snapshot, step);
            }
            followed = followed.update(&snapshot, SERIAL);
            let built = Zone::build(&snapshot, options.clone(), SERIAL);
            prop_assert_eq!(all(&followed), all(&built));
            asked.extend(names(&built));
        }
        let built = Zone::build(&snapshot, options, SERIAL);
        for name in asked {
            for kind in [1, 28, 33, 12, 16, 6, 2, 255] {
                let how = How { limit, edns: true, turn: Some(3) };
                prop_assert_eq!(ask(&followed, &name, kind, how), ask(&built, &name, kind, how));
                prop_assert_eq!(ask(&followed, &name, kind, TCP), ask(&built, &name, kind, TCP));
            }
        }
    }
}
