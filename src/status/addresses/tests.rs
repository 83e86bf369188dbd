use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::fake::{Failure, Fake};
use super::*;

fn options() -> Options {
    Options {
        lease: Key::new("ingress", "slipway-leader"),
        ttl: Duration::from_secs(30),
        pod: Some(Key::new("ingress", "slipway-1")),
        controller: "slipway.dev/ingress-controller".into(),
        namespace: None,
        addresses: true,
        remove_at_end: true,
        fixed: Vec::new(),
        service: None,
        internal_address: false,
    }
}

fn pod(node: &str, ready: bool) -> Value {
    let labels = json!({"app.kubernetes.io/name": "slipway", "pod-template-hash": node});
    let conditions = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
    json!({
        "metadata": {"labels": labels},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running", "conditions": conditions},
    })
}

fn node(fake: &Fake, name: &str, address: &str) {
    let addresses = json!([{"type": "InternalIP", "address": address}]);
    fake.put(&format!("nodes//{name}"), json!({"metadata": {}, "status": {"addresses": addresses}}));
}

fn ips(ips: &[&str]) -> Addresses {
    ips.iter().map(|ip| choose::address(ip)).collect()
}

#[tokio::test]
async fn nodes_with_ready_pods_of_the_same_kind_give_the_addresses() {
    let fake = Fake::default();
    for (at, ready) in [(1, true), (2, true), (3, false), (4, true)] {
        fake.put(&format!("pods/ingress/slipway-{at}"), pod(&format!("node-{at}"), ready));
        node(&fake, &format!("node-{at}"), &format!("10.0.0.{at}"));
    }
    // Two pods on one node, one of another program, one in another namespace.
    fake.put("pods/ingress/slipway-5", pod("node-1", true));
    let mut other = pod("node-3", true);
    other["metadata"]["labels"]["app.kubernetes.io/name"] = "other".into();
    fake.put("pods/ingress/other", other);
    fake.put("pods/elsewhere/slipway-6", pod("node-3", true));
    // Its node is gone.
    fake.remove("nodes//node-4");
    let mut resolver = Resolver::new(fake.client(), &options());
    assert_eq!(resolver.look().await, Some(ips(&["10.0.0.1", "10.0.0.2"])));
    assert!(resolver.others_stay(&Key::new("ingress", "slipway-1")).await.unwrap());
}

#[tokio::test]
async fn the_last_replica_is_alone_or_among_those_that_end() {
    let fake = Fake::default();
    let own = Key::new("ingress", "slipway-1");
    fake.put("pods/ingress/slipway-1", pod("node-1", true));
    let mut ending = pod("node-2", true);
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    fake.put("pods/ingress/slipway-2", ending);
    let mut resolver = Resolver::new(fake.client(), &options());
    assert_eq!(resolver.others_stay(&own).await, Ok(false));
    fake.put("pods/ingress/slipway-3", pod("node-3", false));
    assert_eq!(resolver.others_stay(&own).await, Ok(true), "it runs, if not ready");
}

#[tokio::test]
async fn given_addresses_win_over_a_service_and_are_sorted() {
    let fake = Fake::default();
    let given = ["192.0.2.7", "lb.example", "192.0.2.3", "192.0.2.7"];
    let given = given.map(choose::address).to_vec();
    let service = Some(Key::new("ingress", "slipway"));
    let mut resolver = Resolver::new(fake.client(), &Options { fixed: given, service, ..options() });
    assert_eq!(resolver.look().await, Some(ips(&["192.0.2.3", "192.0.2.7", "lb.example"])));
    assert_eq!(fake.count(""), 0);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_gets_its_address_is_seen_within_seconds() {
    let fake = Fake::default();
    let options = Options { service: Some(Key::new("ingress", "slipway")), ..options() };
    let mut resolver = Resolver::new(fake.client(), &options);
    let (sender, mut found) = watch::channel(None);
    tokio::spawn(async move { resolver.run(&sender).await });
    sleep(Duration::from_mins(5)).await;
    assert!(found.borrow().is_none());
    let began = Instant::now();
    let balancer = |ip: &str| {
        json!({
            "metadata": {},
            "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [{"ip": ip}]}},
        })
    };
    fake.put("services/ingress/slipway", balancer("192.0.2.1"));
    found.changed().await.unwrap();
    assert_eq!(*found.borrow_and_update(), Some(ips(&["192.0.2.1"])));
    assert!(began.elapsed() <= Duration::from_secs(10));
    // What was found stays through an outage and after the Service is gone.
    fake.fail("GET services", Failure::Status(500));
    sleep(Duration::from_mins(1)).await;
    fake.heal();
    fake.remove("services/ingress/slipway");
    sleep(Duration::from_mins(1)).await;
    assert_eq!(*found.borrow(), Some(ips(&["192.0.2.1"])));
    fake.put("services/ingress/slipway", balancer("192.0.2.2"));
    found.changed().await.unwrap();
    assert_eq!(*found.borrow(), Some(ips(&["192.0.2.2"])));
}
