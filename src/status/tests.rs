use serde_json::json;
use tokio::task::JoinHandle;

use super::fake::{Failure, Fake};
use super::*;
use crate::model::{Kind, ObjectRef, Severity};

const LEASE: &str = "leases/ingress/slipway-leader";

/// One Ingress of ours, which shows `addresses`, and a report about it.
fn desired(addresses: &[&str]) -> Desired {
    let object = ObjectRef::new(Kind::Ingress, "shop", "web");
    let addresses = addresses.iter().map(|ip| Address::Ip((*ip).into())).collect();
    let mut statuses = Map::default();
    statuses.insert(object.key.clone(), Arc::new(IngressStatus { uid: "uid".into(), addresses }));
    let report = Report::new(&object, Severity::Warning, "ServiceNotFound", "no Service");
    Desired { statuses, is_ours: Arc::new(|_| true), reports: Arc::new(vec![report]) }
}

struct Pod {
    name: &'static str,
    publications: watch::Sender<Option<Desired>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn options(pod: Option<&str>) -> Options {
    Options {
        lease: Key::new("ingress", "slipway-leader"),
        ttl: Duration::from_secs(30),
        pod: pod.map(|name| Key::new("ingress", name)),
        controller: "slipway.dev/ingress-controller".into(),
        namespace: None,
        addresses: true,
        remove_at_end: true,
        fixed: vec![Address::Ip("192.0.2.1".into())],
        service: None,
        internal_address: false,
    }
}

fn start(fake: &Fake, name: &'static str) -> Pod {
    let labels = json!({"app.kubernetes.io/name": "slipway"});
    let pod = json!({"metadata": {"labels": labels}, "status": {"phase": "Running"}});
    fake.put(&format!("pods/ingress/{name}"), pod);
    start_with(fake, name, options(Some(name)))
}

fn start_with(fake: &Fake, name: &'static str, options: Options) -> Pod {
    fake.put("ingresses/shop/web", json!({"metadata": {}}));
    let publications = watch::Sender::new(Some(desired(&[])));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(
        fake.client(),
        options,
        publications.subscribe(),
        Desired::clone,
        Metrics::new(),
        stopped,
    ));
    Pod { name, publications, stop, task }
}

/// Tells a pod to end, as a kubelet does.
fn end(fake: &Fake, pod: Pod) -> JoinHandle<()> {
    mark(fake, pod.name);
    pod.stop.send(()).unwrap();
    let publications = pod.publications;
    tokio::spawn(async move {
        pod.task.await.unwrap();
        drop(publications);
    })
}

fn mark(fake: &Fake, name: &str) {
    if let Some(mut ending) = fake.get(&format!("pods/ingress/{name}")) {
        ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        fake.put(&format!("pods/ingress/{name}"), ending);
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

fn shown(fake: &Fake) -> serde_json::Value {
    fake.get("ingresses/shop/web").unwrap()["status"]["loadBalancer"]["ingress"].clone()
}

fn holder(fake: &Fake) -> serde_json::Value {
    fake.get(LEASE).unwrap()["spec"]["holderIdentity"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_leader_writes_and_the_last_replica_removes() {
    let fake = Fake::default();
    let first = start(&fake, "slipway-1");
    pass(5).await;
    let second = start(&fake, "slipway-2");
    fake.take_log();
    pass(5).await;
    first.publications.send_replace(Some(desired(&["192.0.2.1"])));
    second.publications.send_replace(Some(desired(&["192.0.2.1"])));
    pass(60).await;
    assert_eq!(fake.count("PATCH"), 0, "what is shown is right");
    // The first ends: the second goes on.
    end(&fake, first).await.unwrap();
    assert_eq!(fake.count("PATCH"), 0);
    pass(1).await;
    assert_eq!(holder(&fake), "slipway-2");
    // The last ends.
    end(&fake, second).await.unwrap();
    assert_eq!((shown(&fake), holder(&fake)), (json!(null), json!("")));
    assert_eq!(fake.names("events").len(), 1, "what is wrong with it still is");
}

#[tokio::test(start_paused = true)]
async fn addresses_appear_at_once() {
    let fake = Fake::default();
    let _pod = start(&fake, "slipway-1");
    pass(1).await;
    assert_eq!(shown(&fake), json!([{"ip": "192.0.2.1"}]));
    pass(2).await;
    assert_eq!(fake.names("events").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_end_together_one_removes() {
    let fake = Fake::default();
    let leader = start(&fake, "slipway-1");
    pass(5).await;
    let follower = start(&fake, "slipway-2");
    pass(5).await;
    let points = json!([{"ip": "192.0.2.1"}]);
    fake.put("ingresses/shop/web", json!({"status": {"loadBalancer": {"ingress": points}}}));
    for pod in [&leader, &follower] {
        pod.publications.send_replace(Some(desired(&["192.0.2.1"])));
    }
    // The leader looks before the API server knows that the other one ends, too.
    mark(&fake, leader.name);
    leader.stop.send(()).unwrap();
    follower.stop.send(()).unwrap();
    leader.task.await.unwrap();
    follower.task.await.unwrap();
    assert_eq!((shown(&fake), holder(&fake)), (json!(null), json!("")));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_end_is_removed_too() {
    let fake = Fake::default();
    fake.fail("PATCH ingresses", Failure::Slow);
    let pod = start(&fake, "slipway-1");
    sleep(Duration::from_millis(500)).await;
    assert_eq!((fake.count("PATCH ingresses"), shown(&fake)), (1, json!(null)));
    fake.heal();
    end(&fake, pod).await.unwrap();
    pass(2).await;
    assert_eq!(shown(&fake), json!(null));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_where_that_is_not_wanted() {
    for options in [
        Options { remove_at_end: false, ..options(Some("slipway-1")) },
        Options { addresses: false, ..options(Some("slipway-1")) },
    ] {
        let fake = Fake::default();
        fake.put("pods/ingress/slipway-1", json!({"status": {"phase": "Running"}}));
        let writes = usize::from(options.addresses);
        let pod = start_with(&fake, "slipway-1", options);
        pass(5).await;
        pod.publications.send_replace(Some(desired(&["192.0.2.1"])));
        end(&fake, pod).await.unwrap();
        assert_eq!(fake.count("PATCH ingresses"), writes);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_a_pod_removes_only_as_leader() {
    let fake = Fake::default();
    let leader = start_with(&fake, "a", options(None));
    pass(5).await;
    let follower = start_with(&fake, "b", options(None));
    pass(5).await;
    for process in [&leader, &follower] {
        process.publications.send_replace(Some(desired(&["192.0.2.1"])));
    }
    fake.take_log();
    end(&fake, follower).await.unwrap();
    assert_eq!(fake.count("PATCH ingresses"), 0);
    end(&fake, leader).await.unwrap();
    assert_eq!(fake.count("PATCH ingresses"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_hand_over_ends_in_time_though_nobody_answers() {
    for failure in [Failure::Silence, Failure::Status(500)] {
        let fake = Fake::default();
        let pod = start(&fake, "slipway-1");
        pass(5).await;
        let began = Instant::now();
        fake.fail("", failure);
        end(&fake, pod).await.unwrap();
        assert!(began.elapsed() <= HAND_OVER, "{:?}", began.elapsed());
    }
}
