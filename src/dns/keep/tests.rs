use super::super::plan::{Block, Kubernetes, Plan, PodRecords};
use super::super::wire::name::Name;
use super::zones::{make, options};
use super::*;
use crate::model::ObjectRef;
use crate::model::pod::Pod;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn kubernetes(zones: &[&str]) -> Kubernetes {
    Kubernetes {
        zones: zones.iter().map(|zone| name(zone)).collect(),
        reverse: vec![name("in-addr.arpa")],
        pods: PodRecords::Insecure,
        ttl: 30,
        namespaces: Vec::new(),
        labels: None,
        namespace_labels: Some("team=a".into()),
        endpoint_pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        fallthrough: None,
        kubeconfig: None,
        startup: Duration::from_secs(5),
    }
}

fn plan(all: &[Kubernetes]) -> Plan {
    let block = |kubernetes: &Kubernetes| {
        let mut block = Block::new(vec![name("cluster.local")], 53);
        block.kubernetes = Some(kubernetes.clone());
        block
    };
    Plan { blocks: all.iter().map(block).collect(), ..Plan::default() }
}

fn snapshot_with(pod: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let object = ObjectRef::new(crate::model::Kind::Pod, "n", pod);
    snapshot.pods.insert(object.key.clone(), Arc::new(Pod { object, addresses: Vec::new() }));
    snapshot
}

#[test]
fn each_zone_has_its_options_and_only_the_first_the_reverse_ones() {
    let [first, second] = &options(&kubernetes(&["cluster.local", "other.local"]), None)[..] else {
        panic!()
    };
    assert_eq!((first.domain.to_string(), first.reverse.len()), ("cluster.local.".into(), 1));
    assert_eq!((second.domain.to_string(), second.reverse.len()), ("other.local.".into(), 0));
    assert!(first.namespaces.is_none() && second.namespace_selector.is_some());
}

#[test]
fn nothing_is_known_before_the_first_snapshot_and_alike_zones_are_shared() {
    let (one, mut twin, mut other) = (kubernetes(&["a"]), kubernetes(&["a"]), kubernetes(&["a"]));
    twin.fallthrough = Some(Vec::new());
    other.ttl = 5;
    let plan = plan(&[one, twin, other]);
    let none = make(&plan, None, None, &[], 1);
    assert_eq!(none.iter().filter(|made| made.zones.is_none()).count(), 3);
    let made = make(&plan, Some(&Snapshot::default()), None, &none, 1);
    let options = |at: usize| made[at].zones.as_ref().unwrap()[0].options().clone();
    assert!(Arc::ptr_eq(&options(0), &options(1)));
    assert_eq!((options(0).ttl, options(2).ttl), (30, 5));
}

#[test]
fn zones_go_on_from_the_former_ones_while_their_options_stay() {
    let before = make(&plan(&[kubernetes(&["a"])]), Some(&snapshot_with("p")), None, &[], 1);
    let options = |made: &[zones::Made]| made[0].zones.as_ref().unwrap()[0].options().clone();
    let after = make(&plan(&[kubernetes(&["a"])]), Some(&snapshot_with("q")), None, &before, 2);
    assert!(Arc::ptr_eq(&options(&before), &options(&after)), "updated, not built");
    let mut changed = kubernetes(&["a"]);
    changed.ttl = 7;
    let built = make(&plan(&[changed]), Some(&snapshot_with("q")), None, &after, 3);
    assert_eq!(options(&built).ttl, 7);
}

#[tokio::test]
async fn what_is_published_follows_snapshots_and_plans() {
    let metrics = Metrics::default();
    let active = |ttl| {
        let kubernetes = Kubernetes { ttl, ..kubernetes(&["a"]) };
        Arc::new(Active::new(plan(&[kubernetes]), None, &metrics).ok().unwrap())
    };
    let (snapshots, plans) = (watch::Sender::new(None), watch::Sender::new(active(1)));
    let published = Published::new(Serving { active: active(1), zones: vec![None] });
    let keeper = Keeper {
        snapshots: snapshots.subscribe(),
        plans: plans.subscribe(),
        published: published.clone(),
        own_service: None,
        complete: watch::Sender::default(),
        reports: watch::Sender::default(),
        metrics: metrics.clone(),
    };
    let task = tokio::spawn(keeper.run());
    let until = async |ttl: Option<u32>| {
        let known = || published.load().zones[0].as_ref().map(|zones| zones[0].options().ttl);
        while known() != ttl {
            tokio::task::yield_now().await;
        }
    };
    until(None).await;
    snapshots.send_replace(Some(Snapshot::default()));
    until(Some(1)).await;
    plans.send_replace(active(2));
    until(Some(2)).await;
    drop(snapshots);
    task.await.unwrap();
}
