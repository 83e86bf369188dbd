//! One change after the other gives what a start from nothing gives, and costs what changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use slipway::l4::desired::{Desired, NodePorts, Pods, Stale, desired, stale_clients, stale_udp};
use slipway::l4::ruleset::{Element, Family};
use slipway::model::service::{Endpoint, Protocol};
use slipway::model::{Key, Snapshot};

use crate::cluster::*;
use crate::tracer::Tracer;

/// One thing that happens to a cluster of a few Services that get in each other's way.
#[derive(Clone, Debug)]
enum Step {
    /// Which Service; its addresses, ports and policies by bits.
    Service(u8, u32),
    Gone(u8),
    /// Which Service, which slice; its endpoints by bits.
    Endpoints(u8, u8, u32),
    NoEndpoints(u8),
    Node(u8),
    Options(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6_u8, any::<u32>()).prop_map(|(name, bits)| Step::Service(name, bits)),
        2 => (0..6_u8).prop_map(Step::Gone),
        6 => (0..6_u8, 0..2_u8, any::<u32>()).prop_map(|(name, set, bits)| Step::Endpoints(name, set, bits)),
        1 => (0..6_u8).prop_map(Step::NoEndpoints),
        1 => (0..6_u8).prop_map(Step::Node),
        1 => (0..6_u8).prop_map(Step::Options),
    ];
    prop::collection::vec(step, 1..40)
}

fn some_service(name: &str, bits: u32) -> slipway::model::service::Service {
    let bit = |at: u32| bits >> at & 1 == 1;
    let addresses = ["10.96.0.1", "10.96.0.2", "fd00:96::1", "127.0.0.1"];
    let chosen: Vec<&str> = (0..4).filter(|at| bit(*at)).map(|at| addresses[at as usize]).collect();
    let mut made = service(name, &chosen);
    made.created = bit(4).then_some(i64::from(bits >> 5 & 3));
    if bit(7) {
        made.ports.push(port("more", 80 + u16::from(bit(8)), Some(30001)));
        made.ports[1].protocol = Protocol::Udp;
    }
    made.ports[0].node_port = bit(9).then_some(30001 + u16::from(bit(10)));
    made.exposure.internal_local = bit(11);
    made.exposure.external_local = bit(12);
    made.exposure.affinity = [None, Some(60), Some(0), Some(120)][(bits >> 13 & 3) as usize];
    made.exposure.external_ips = if bit(15) { vec![ip(V4.external), ip("10.96.0.1")] } else { vec![] };
    made.exposure.load_balancer_ips = if bit(16) { vec![ip(V4.balancer), ip(V6.balancer)] } else { vec![] };
    made.exposure.source_ranges = bit(17).then(|| vec!["203.0.113.0/24".parse().unwrap()]);
    made.exposure.health_check_node_port = bit(18).then_some(32000 + u16::from(bit(19)));
    made.publish_not_ready = bit(20);
    made.exposure.other_proxy = bits >> 21 & 7 == 7;
    made
}

fn some_endpoints(bits: u32) -> Vec<Endpoint> {
    let known = [
        endpoint("10.244.0.1", "here"),
        endpoint("10.244.0.2", "there"),
        endpoint("fd00:244::1", "here"),
        unready(endpoint("10.244.0.3", "here")),
        terminating(endpoint("10.244.0.4", "here")),
        hinted(endpoint("10.244.0.5", "there"), &["a"], &[]),
        hinted(endpoint("10.244.0.6", "there"), &["b"], &["here"]),
        endpoint("127.0.0.1", "here"),
        Endpoint { topology: None, ..endpoint("10.244.0.7", "") },
    ];
    known.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, it)| it).collect()
}

fn apply(cluster: &mut Cluster, step: &Step) {
    let name = |number: &u8| format!("svc-{number}");
    match step {
        Step::Service(number, bits) => drop(cluster.add(some_service(&name(number), *bits)).messages()),
        Step::Gone(number) => drop(cluster.snapshot.services.remove(&Key::new("default", name(number)))),
        Step::Endpoints(number, at, bits) => {
            let key = Key::new("default", name(number));
            let known = cluster.snapshot.endpoints.get(&key).cloned();
            let mut sets: Vec<_> = known.iter().flat_map(|sets| sets.iter()).cloned().collect();
            let mut set = slice(&name(number), (*at).into(), some_endpoints(*bits));
            if bits >> 10 & 1 == 1 {
                let mut more = set.ports[0].clone();
                (more.name, more.protocol) = ("more".into(), Protocol::Udp);
                set.ports.push(more);
            }
            sets.retain(|known| known.object != set.object);
            sets.push(Arc::new(set));
            sets.sort_by(|a, b| a.object.cmp(&b.object));
            cluster.snapshot.endpoints.insert(key, sets.into());
        }
        Step::NoEndpoints(number) => {
            drop(cluster.snapshot.endpoints.remove(&Key::new("default", name(number))));
        }
        Step::Node(0) => drop(cluster.snapshot.nodes.remove("here")),
        Step::Node(1) => drop(cluster.snapshot.service_ranges.remove("kubernetes")),
        Step::Node(way) => cluster.node(|node| {
            node.zone = [Some("a"), Some("b"), None][usize::from(*way) % 3].map(Into::into);
            node.leaving = *way == 3;
            if *way == 4 {
                node.addresses = vec![ip("203.0.113.200")];
            }
        }),
        Step::Options(way) => {
            let options = &mut cluster.options;
            options.masquerade_all = way % 2 == 0;
            options.liberal = way % 3 == 0;
            options.pods = if *way == 5 { Pods::NodeCidrs } else { options.pods.clone() };
            options.node_ports = match way {
                4 => NodePorts::Ranges(vec!["192.168.0.0/16".parse().unwrap()]),
                _ => NodePorts::Primary,
            };
        }
    }
}

fn same(next: &Desired, anew: &Desired) -> Result<(), TestCaseError> {
    fn sorted<K: Ord + Clone, V: Clone>(map: &slipway::model::map::Map<K, V>) -> BTreeMap<K, V> {
        map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
    prop_assert_eq!(&next.ruleset.chains, &anew.ruleset.chains);
    prop_assert_eq!(&next.ruleset.sets, &anew.ruleset.sets);
    prop_assert_eq!(sorted(&next.ruleset.groups), sorted(&anew.ruleset.groups));
    prop_assert_eq!(sorted(&next.ruleset.shared), sorted(&anew.ruleset.shared));
    prop_assert_eq!(sorted(&next.services), sorted(&anew.services));
    prop_assert_eq!(&next.health_checks, &anew.health_checks);
    prop_assert_eq!(&next.reports, &anew.reports);
    prop_assert_eq!(next.node_eligible, anew.node_eligible);
    for family in Family::ALL {
        prop_assert_eq!(next.without_local_endpoints(family), anew.without_local_endpoints(family));
    }
    Ok(())
}

/// What the rules send and what `services` says are the same.
fn agrees(made: &Desired) -> Result<(), TestCaseError> {
    let targets = made.services.values().flat_map(|ports| ports.iter()).flat_map(|port| {
        let places = port.frontends.iter().filter(|_| port.has_endpoints);
        places.flat_map(|it| (0..).zip(port.targets(it.kind).iter()).map(|(at, to)| (it.frontend, at, *to)))
    });
    let mut wanted: Vec<String> =
        targets.map(|(frontend, at, target)| format!("{frontend} . {at} : {target}")).collect();
    wanted.sort();
    let elements: Vec<&Element> = made.ruleset.elements();
    let endpoints = slipway::l4::ruleset::SetId::Endpoints;
    let mut found: Vec<String> =
        elements.iter().filter(|it| it.set == endpoints).map(|it| it.to_string()).collect();
    found.sort();
    prop_assert_eq!(found, wanted);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn change_by_change_is_the_same_as_from_nothing(steps in steps()) {
        let mut cluster = Cluster::new();
        let mut known = cluster.desired();
        let mut start = known.clone();
        for (at, step) in steps.iter().enumerate() {
            apply(&mut cluster, step);
            // Now and then several changes come together.
            if at % 4 == 3 {
                continue;
            }
            let next = desired(&cluster.snapshot, &cluster.options, Some(&known));
            let anew = cluster.desired();
            same(&next, &anew)?;
            agrees(&next)?;
            Tracer::new(&next.ruleset, &[]);
            // What is told of a change does not depend on how it was found.
            prop_assert_eq!(stale_udp(&known, &next), stale_udp(&known, &anew));
            prop_assert_eq!(stale_clients(&start, &next), stale_clients(&start, &anew));
            if at % 7 == 6 {
                start = next.clone();
            }
            known = next;
        }
    }
}

fn many(services: u16) -> Cluster {
    let mut cluster = Cluster::new();
    for number in 0..services {
        let name = format!("svc-{number}");
        let address = format!("10.96.{}.{}", number / 250, 1 + number % 250);
        cluster.add(service(&name, &[&address]));
        let ends =
            (1..6).map(|last| endpoint(&format!("10.{}.{}.{last}", number / 250, number % 250), "far"));
        cluster.endpoints([slice(&name, 0, ends.collect())]);
    }
    cluster
}

#[test]
fn what_did_not_change_is_shared() {
    let mut cluster = many(300);
    let first = cluster.desired();
    cluster.endpoints([slice("svc-7", 0, vec![endpoint("10.9.9.9", "far")])]);
    let next = desired(&cluster.snapshot, &cluster.options, Some(&first));
    let groups = next.ruleset.groups.changes(&first.ruleset.groups, Arc::ptr_eq);
    assert_eq!(groups.iter().map(|owner| &***owner).collect::<Vec<_>>(), ["default/svc-7"]);
    assert_eq!(next.services.changes(&first.services, Arc::ptr_eq), [&Key::new("default", "svc-7")]);
    for (id, chain) in &next.ruleset.chains {
        let known = first.ruleset.chains.get(id);
        assert!(known.is_none_or(|known| Arc::ptr_eq(known, chain)), "{id:?}");
    }
    // Nothing is written when nothing is different, even if all is looked at again.
    let again = desired(&cluster.snapshot, &cluster.options, Some(&next));
    assert!(
        again.ruleset.groups.is_same(&next.ruleset.groups)
            && again.ruleset.shared.is_same(&next.ruleset.shared)
    );
    cluster.node(|node| node.zone = Some("z".into()));
    let again = desired(&cluster.snapshot, &cluster.options, Some(&next));
    assert!(again.ruleset.groups.changes(&next.ruleset.groups, Arc::ptr_eq).is_empty());
    assert!(again.services.changes(&next.services, Arc::ptr_eq).is_empty());
}

#[test]
fn who_loses_and_who_wins_is_looked_at_again_though_it_did_not_change() {
    let mut cluster = Cluster::new();
    for (name, created) in [("a", 1), ("b", 2), ("c", 3)] {
        let mut made = service(name, &[&format!("10.96.0.{created}")]);
        made.created = Some(created);
        made.exposure.external_ips = vec![ip(V4.external)];
        cluster.add(made);
    }
    let first = cluster.desired();
    let losers = |made: &Desired| -> Vec<String> {
        made.reports
            .iter()
            .map(|it| format!("{} {}", it.object.key.name, it.message.contains("default/b")))
            .collect()
    };
    assert_eq!(losers(&first), ["b false", "c false"]);
    cluster.snapshot.services.remove(&Key::new("default", "a"));
    let next = desired(&cluster.snapshot, &cluster.options, Some(&first));
    assert_eq!(losers(&next), ["c true"]);
}

fn udp(endpoints: &[&str]) -> Snapshot {
    let mut cluster = Cluster::new();
    let mut dns = service("dns", &[V4.cluster_ip]);
    dns.ports[0].protocol = Protocol::Udp;
    dns.ports[0].node_port = Some(30053);
    dns.ports.push(port("tcp", 80, None));
    let mut set = slice("dns", 0, endpoints.iter().map(|address| endpoint(address, "far")).collect());
    set.ports[0].protocol = Protocol::Udp;
    let mut tcp = slice("dns", 1, set.endpoints.clone());
    tcp.ports[0].name = "tcp".into();
    cluster.add(dns).endpoints([set, tcp]);
    cluster.snapshot
}

#[test]
fn udp_connections_that_must_go() {
    let options = Cluster::new().options;
    let none = desired(&udp(&[]), &options, None);
    let one = desired(&udp(&["10.244.0.1"]), &options, Some(&none));
    let other = desired(&udp(&["10.244.0.2"]), &options, Some(&one));
    let gone = desired(&Snapshot::default(), &options, Some(&other));
    let say = |stale: Vec<Stale>| -> Vec<String> {
        let word = |it: &Stale| match it.target {
            Some(target) => format!("{} to {target}", it.frontend),
            None => format!("{} to nobody", it.frontend),
        };
        stale.iter().map(word).collect()
    };
    let first = ["0.0.0.0 . udp . 30053 to nobody", "10.96.0.10 . udp . 80 to nobody"];
    assert_eq!(say(stale_udp(&none, &one)), first);
    assert_eq!(say(stale_udp(&Desired::default(), &one)), first);
    assert!(stale_udp(&one, &one).is_empty() && stale_udp(&Desired::default(), &none).is_empty());
    let left = ["0.0.0.0 . udp . 30053 to 10.244.0.1 . 8080", "10.96.0.10 . udp . 80 to 10.244.0.1 . 8080"];
    assert_eq!(say(stale_udp(&one, &other)), left);
    let all = ["0.0.0.0 . udp . 30053 to 10.244.0.2 . 8080", "10.96.0.10 . udp . 80 to 10.244.0.2 . 8080"];
    assert_eq!(say(stale_udp(&other, &gone)), all);
}

#[test]
fn changes_are_counted_and_say_since_when() {
    let mut cluster = many(3);
    let first = cluster.desired();
    assert_eq!(first.changed_since(&first), Default::default());
    let all = first.changed_since(&Desired::default());
    assert_eq!((all.services, all.endpoint_sets), (3, 3));
    let mut sets = [0, 1].map(|at| slice("svc-1", at, vec![endpoint("10.9.9.9", "far")]));
    sets[0].triggered = Some(2_000);
    sets[1].triggered = Some(1_000);
    cluster.endpoints(sets.clone());
    let second = desired(&cluster.snapshot, &cluster.options, Some(&first));
    let change = second.changed_since(&first);
    assert_eq!((change.services, change.endpoint_sets, change.triggered), (0, 2, vec![1_000, 2_000]));
    // One goes, one changes without saying since when.
    sets[0].endpoints.clear();
    let [changed, _] = sets;
    cluster.endpoints([changed]).add(service("svc-0", &["10.96.9.9"]));
    let third = desired(&cluster.snapshot, &cluster.options, Some(&second));
    let change = third.changed_since(&second);
    assert_eq!((change.services, change.endpoint_sets, change.triggered), (1, 2, vec![]));
}
