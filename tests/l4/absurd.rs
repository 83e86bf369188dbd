//! Input that cannot be: nothing panics, the rest is served, and somebody is told.

use slipway::l4::desired::stale_udp;
use slipway::model::service::{Endpoint, EndpointSet, Protocol};

use crate::cluster::*;

/// The Service `good` answers whatever stands beside it; gives what is told.
fn beside(change: impl FnOnce(&mut Cluster)) -> Vec<String> {
    let mut cluster = Cluster::new();
    let mut good = service("good", &["10.96.0.2"]);
    good.ports[0].node_port = Some(30002);
    cluster.add(good).endpoints([slice("good", 0, vec![endpoint("10.244.0.9", "here")])]);
    change(&mut cluster);
    let tracer = cluster.tracer();
    assert_eq!(trace(&tracer, packet(V4.pod, "10.96.0.2")), "10.244.0.9");
    assert_eq!(trace(&tracer, to_port(packet(V4.outside, V4.node), 30002)), "10.244.0.9*");
    let desired = cluster.desired();
    for report in desired.reports.iter() {
        assert!(report.object.key.name.starts_with("bad"), "{report}");
    }
    stale_udp(&Default::default(), &desired);
    cluster.messages()
}

fn with(told: &[String], words: &[&str]) {
    let all = told.join("\n");
    for word in words {
        assert!(all.contains(word), "{word:?} is missing in:\n{all}");
    }
}

#[test]
fn addresses_that_cannot_be() {
    let told = beside(|cluster| {
        let mut bad = service("bad", &["0.0.0.0", "127.0.0.1", "::ffff:10.96.0.2", "10.96.0.3"]);
        bad.exposure.external_ips = ["::1", "224.0.0.1"].map(ip).into();
        bad.exposure.load_balancer_ips = vec![ip("255.255.255.255")];
        bad.ports[0].node_port = Some(30003);
        let ends = ["127.0.0.1", "::ffff:10.0.0.1", "ff02::1", "10.244.0.3"];
        let ends = ends.map(|address| endpoint(address, "here"));
        cluster.add(bad).endpoints([slice("bad", 0, ends.into())]);
        assert_eq!(trace(&cluster.tracer(), packet(V4.pod, "10.96.0.3")), "10.244.0.3");
    });
    assert_eq!(told.len(), 7, "{told:#?}");
    with(
        &told,
        &["spec.clusterIPs", "spec.externalIPs", "status.loadBalancer.ingress", "2 more of this object"],
    );
    // No address at all that can be used.
    beside(|cluster| drop(cluster.add(service("bad", &["::", "127.0.0.1"])).desired()));
}

#[test]
fn hundreds_of_ports_and_the_same_one_twice() {
    let told = beside(|cluster| {
        let mut bad = service("bad", &["10.96.0.3"]);
        bad.ports = (0..500).map(|number| port(&format!("p{number}"), number, None)).collect();
        bad.ports.push(port("again", 80, None));
        bad.ports.push(port("nodeport", 600, Some(30005)));
        bad.ports.push(port("same-nodeport", 601, Some(30005)));
        bad.ports.push(port("other-protocol", 601, Some(30005)));
        bad.ports.last_mut().unwrap().protocol = Protocol::Udp;
        let mut set =
            slice("bad", 0, (1..200).map(|last| endpoint(&format!("10.244.3.{last}"), "far")).collect());
        set.ports[0].name = "p80".into();
        cluster.add(bad).endpoints([set]);
        assert!(trace(&cluster.tracer(), packet(V4.pod, "10.96.0.3")).contains("10.244.3.77"));
    });
    assert_eq!(told.len(), 3, "{told:#?}");
    with(&told, &["spec.ports[0].port", "spec.ports[500].port", "tcp 80 is there twice"]);
    with(&told, &["spec.ports[502].nodePort", "NodePort tcp 30005 is there twice"]);
}

#[test]
fn ports_of_endpoints_that_cannot_be() {
    let told = beside(|cluster| {
        let mut set = slice("bad", 0, vec![endpoint("10.244.0.3", "here")]);
        set.ports[0].port = 0;
        let empty =
            EndpointSet { ports: Vec::new(), ..slice("bad", 1, vec![endpoint("10.244.0.4", "here")]) };
        cluster.add(service("bad", &["10.96.0.3"])).endpoints([set, empty]);
        assert_eq!(trace(&cluster.tracer(), packet(V4.pod, "10.96.0.3")), "rejected");
    });
    with(&told, &["port 0 is ignored"]);
}

#[test]
fn affinity_times_that_cannot_be() {
    for (seconds, used, reports) in
        [(0, 10_800, 1), (86_401, 10_800, 1), (u32::MAX, 10_800, 1), (86_400, 86_400, 0)]
    {
        let told = beside(|cluster| {
            let mut bad = service("bad", &["10.96.0.3"]);
            bad.exposure.affinity = Some(seconds);
            cluster.add(bad).endpoints([slice("bad", 0, vec![endpoint("10.244.0.3", "here")])]);
            let rules = cluster.desired().ruleset.to_string();
            assert!(rules.contains(&format!("timeout {used}s")), "{rules}");
        });
        assert_eq!(told.len(), reports, "{told:?}");
    }
}

#[test]
fn two_services_want_the_same() {
    let mut cluster = Cluster::new();
    for (name, address, last) in [("young", "10.96.0.3", 3), ("old", "10.96.0.4", 4)] {
        let mut bad = service(name, &[address]);
        bad.created = Some(if name == "old" { 1 } else { 2 });
        bad.ports[0].node_port = Some(30003);
        bad.exposure.external_ips = vec![ip(V4.external)];
        cluster.add(bad).endpoints([slice(name, 0, vec![endpoint(&format!("10.244.0.{last}"), "here")])]);
    }
    let fates = |cluster: &Cluster| {
        let tracer = cluster.tracer();
        let node_port = trace(&tracer, to_port(packet(V4.outside, V4.node), 30003));
        (
            node_port,
            trace(&tracer, packet(V4.outside, V4.external)),
            trace(&tracer, packet(V4.pod, "10.96.0.3")),
        )
    };
    let wanted = ("10.244.0.4*".to_owned(), "10.244.0.4*".to_owned(), "10.244.0.3".to_owned());
    assert_eq!(fates(&cluster), wanted);
    let told = cluster.messages();
    assert_eq!(told.len(), 2);
    with(&told, &["Service default/young", "belongs to Service default/old", "spec.externalIPs"]);
    with(&told, &["spec.ports[0].nodePort", "NodePort tcp 30003"]);
    cluster.snapshot.services.remove(&slipway::model::Key::new("default", "old"));
    let wanted = ("10.244.0.3*".to_owned(), "10.244.0.3*".to_owned(), "10.244.0.3".to_owned());
    assert_eq!(fates(&cluster), wanted);
    assert!(cluster.messages().is_empty());
}

#[test]
fn nobody_takes_a_cluster_address_by_naming_it() {
    let told = beside(|cluster| {
        let mut thief = service("bad", &["10.96.0.3"]);
        thief.created = Some(-1);
        thief.exposure.external_ips = vec![ip("10.96.0.2")];
        cluster.add(thief).endpoints([slice("bad", 0, vec![endpoint("10.244.0.3", "here")])]);
    });
    with(&told, &["10.96.0.2 tcp 80 belongs to Service default/good"]);
}

#[test]
fn one_cluster_address_for_two_services() {
    beside(|cluster| {
        let mut bad = service("bad", &["10.96.0.2"]);
        bad.created = Some(9);
        bad.ports.push(port("more", 81, None));
        cluster.add(bad);
        let key = slipway::model::Key::new("default", "bad");
        assert_eq!(trace(&cluster.tracer(), to_port(packet(V4.pod, "10.96.0.2"), 81)), "rejected");
        cluster.snapshot.services.remove(&key);
        // The address is still there for the other one.
        assert_eq!(trace(&cluster.tracer(), to_port(packet(V4.pod, "10.96.0.2"), 81)), "rejected");
    });
}

#[test]
fn nothing_in_it() {
    let empty = |cluster: &mut Cluster| {
        let mut bad = service("bad", &["10.96.0.3"]);
        bad.ports.clear();
        cluster.add(bad).endpoints([slice("bad", 0, Vec::<Endpoint>::new())]);
        assert_eq!(trace(&cluster.tracer(), packet(V4.pod, "10.96.0.3")), "rejected");
    };
    assert!(beside(empty).is_empty());
}
