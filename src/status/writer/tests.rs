use std::sync::Arc;

use tokio::time::sleep;

use super::super::fake::{Failure, Fake};
use super::*;
use crate::model::map::Map;
use crate::model::status::IngressStatus;

const LIMIT: Duration = Duration::from_secs(10);

fn addresses(ips: &[&str]) -> Addresses {
    ips.iter().map(|ip| Address::Ip((*ip).into())).collect()
}

/// The Ingresses of the API server, as a watch would tell of them. Those called `x...` are not ours.
fn watched(fake: &Fake) -> Desired {
    let mut statuses = Map::default();
    for name in fake.names("ingresses") {
        let ingress = fake.get(&format!("ingresses/shop/{name}")).unwrap();
        let points = ingress["status"]["loadBalancer"]["ingress"].as_array().cloned().unwrap_or_default();
        let ips: Vec<&str> = points.iter().map(|point| point["ip"].as_str().unwrap()).collect();
        let status = IngressStatus { uid: "".into(), addresses: addresses(&ips).iter().cloned().collect() };
        statuses.insert(Key::new("shop", name.as_str()), Arc::new(status));
    }
    Desired { statuses, is_ours: Arc::new(|key| !key.name.starts_with('x')), reports: Arc::default() }
}

fn shown(fake: &Fake, name: &str) -> Value {
    fake.get(&format!("ingresses/shop/{name}")).unwrap()["status"]["loadBalancer"]["ingress"].clone()
}

fn ingresses(fake: &Fake, names: impl Iterator<Item = String>) {
    for name in names {
        fake.put(&format!("ingresses/shop/{name}"), json!({"metadata": {}, "spec": {"rules": []}}));
    }
}

/// A writer that runs, and what it is told.
struct Running {
    desired: watch::Sender<Option<Desired>>,
    found: watch::Sender<Option<Addresses>>,
    metrics: Metrics,
    lead: watch::Sender<Option<Instant>>,
}

fn run(fake: &Fake) -> Running {
    let metrics = Metrics::new();
    let mut writer = Writer::new(fake.client(), LIMIT, metrics.clone());
    let (desired, found) = (watch::Sender::new(None), watch::Sender::new(None));
    let until = watch::Sender::new(Some(Instant::now() + Duration::from_secs(1_000_000)));
    let lead = Lead::new(until.subscribe());
    let receivers = (desired.subscribe(), found.subscribe());
    tokio::spawn(async move { writer.run(&lead, receivers.0, receivers.1).await });
    Running { desired, found, metrics, lead: until }
}

#[tokio::test(start_paused = true)]
async fn each_ingress_is_written_once_and_only_its_addresses() {
    let fake = Fake::default();
    ingresses(&fake, ["a", "b", "x"].map(str::to_owned).into_iter());
    let running = run(&fake);
    running.desired.send_replace(Some(watched(&fake)));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.count("PATCH"), 0, "nothing is known to write");
    running.found.send_replace(Some(addresses(&["192.0.2.1", "192.0.2.2"])));
    sleep(Duration::from_secs(1)).await;
    for _ in 0..10 {
        running.desired.send_replace(Some(watched(&fake)));
        sleep(Duration::from_secs(100)).await;
    }
    assert_eq!(fake.take_log(), ["PATCH ingresses/shop/a", "PATCH ingresses/shop/b"]);
    assert_eq!(shown(&fake, "a"), json!([{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]));
    assert_eq!(fake.get("ingresses/shop/a").unwrap()["spec"], json!({"rules": []}));
    assert_eq!(shown(&fake, "x"), Value::Null);
    assert!(running.metrics.text().contains("slipway_status_writes_total{result=\"success\"} 2"));
}

#[tokio::test(start_paused = true)]
async fn a_failing_ingress_does_not_stop_others_and_is_tried_again() {
    let fake = Fake::default();
    ingresses(&fake, (0..50).map(|number| format!("i{number}")));
    for (name, failure) in
        [("i7", Failure::Silence), ("i8", Failure::Status(500)), ("i9", Failure::Status(404))]
    {
        fake.fail(&format!("PATCH ingresses/shop/{name}"), failure);
    }
    let running = run(&fake);
    running.desired.send_replace(Some(watched(&fake)));
    running.found.send_replace(Some(addresses(&["192.0.2.1"])));
    sleep(Duration::from_secs(5)).await;
    let written = |number: &i32| shown(&fake, &format!("i{number}")).is_array();
    assert_eq!((0..50).filter(written).count(), 47);
    fake.heal();
    sleep(Duration::from_secs(30)).await;
    assert_eq!((0..50).filter(written).count(), 50);
}

#[tokio::test(start_paused = true)]
async fn thousands_are_written_in_measure() {
    let fake = Fake::default();
    ingresses(&fake, (0..3000).map(|number| format!("i{number}")));
    let running = run(&fake);
    running.desired.send_replace(Some(watched(&fake)));
    running.found.send_replace(Some(addresses(&["192.0.2.1"])));
    sleep(Duration::from_secs(10)).await;
    let after_ten = fake.count("PATCH");
    assert!((2000..=2300).contains(&after_ten), "{after_ten}");
    // Publications go on meanwhile, and half of the writes have not been told of.
    for _ in 0..30 {
        running.desired.send_modify(|_| {});
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(fake.count("PATCH"), 3000);
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_left_our_class_loses_our_addresses_but_not_those_of_others() {
    let fake = Fake::default();
    ingresses(&fake, ["a", "b"].map(str::to_owned).into_iter());
    let running = run(&fake);
    running.found.send_replace(Some(addresses(&["192.0.2.1"])));
    running.desired.send_replace(Some(watched(&fake)));
    sleep(Duration::from_secs(1)).await;
    let mut left = watched(&fake);
    left.is_ours = Arc::new(|_| false);
    // The new controller of b was faster than the watch.
    let mut theirs = fake.get("ingresses/shop/b").unwrap();
    theirs["status"]["loadBalancer"]["ingress"] = json!([{"ip": "198.51.100.1"}]);
    fake.put("ingresses/shop/b", theirs);
    running.desired.send_replace(Some(left));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((shown(&fake, "a"), shown(&fake, "b")), (Value::Null, json!([{"ip": "198.51.100.1"}])));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_without_the_right() {
    let fake = Fake::default();
    ingresses(&fake, ["a".to_owned()].into_iter());
    let running = run(&fake);
    running.lead.send_replace(None);
    running.desired.send_replace(Some(watched(&fake)));
    running.found.send_replace(Some(addresses(&["192.0.2.1"])));
    sleep(Duration::from_secs(100)).await;
    assert_eq!(fake.count("PATCH"), 0);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_all_addresses_go_in_the_time_there_is() {
    let fake = Fake::default();
    ingresses(&fake, (0..500).map(|number| format!("i{number}")));
    let mut writer = Writer::new(fake.client(), LIMIT, Metrics::new());
    for number in 0..500 {
        let path = format!("ingresses/shop/i{number}");
        let mut ingress = fake.get(&path).unwrap();
        ingress["status"]["loadBalancer"]["ingress"] = json!([{"ip": "192.0.2.1"}]);
        fake.put(&path, ingress);
    }
    let before = watched(&fake);
    fake.fail("PATCH ingresses/shop/i99", Failure::Silence);
    fake.remove("ingresses/shop/i77");
    let began = Instant::now();
    let cleared = writer.clear(&before, began + Duration::from_secs(5)).await;
    assert_eq!((cleared, began.elapsed().as_secs()), ((499, 1), 5));
    assert_eq!(shown(&fake, "i0"), Value::Null);
}
