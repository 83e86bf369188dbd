//! What DNS follows.

use super::*;

fn options(pods: bool) -> Options {
    Options { interest: Interest::Dns { pods, labels: None }, ..Options::default() }
}

fn pod(name: &str, status: Value) -> Value {
    let mut pod = json!({
        "metadata": {"namespace": "shop", "name": name, "managedFields": [{"fieldsV1": {}}]},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n"},
    });
    pod["status"] = status;
    pod
}

fn named_slice(hostname: &str, node: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "db-1", "labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4", "ports": [{"port": 5432}],
        "endpoints": [
            {"addresses": ["10.1.0.1"], "hostname": hostname, "nodeName": node, "targetRef": {"kind": "Pod", "name": "db-0"}},
            {"addresses": ["10.1.0.2"], "nodeName": node, "hints": {"forZones": [{"name": node}]}, "targetRef": {"kind": "Node", "name": "x"}},
        ],
    })
}

#[tokio::test(start_paused = true)]
async fn it_follows_services_slices_with_their_names_and_namespaces_and_nothing_else() {
    let server = server();
    server.put("services", service("shop", "db", 5432));
    server.put("endpointslices", named_slice("first", "n1"));
    server.put("namespaces", json!({"metadata": {"name": "shop", "labels": {"team": "a"}}}));
    server.put("pods", pod("p", json!({"phase": "Running", "podIP": "10.1.0.9"})));
    let mut rig = Rig::start(&server, options(false)).await;
    let snapshot = rig.store.snapshot();
    assert_eq!(names(&snapshot.services), ["shop/db"]);
    assert_eq!(snapshot.namespaces["shop"]["team"], "a");
    let [first, second] = &snapshot.endpoints[&key("shop/db")][0].endpoints[..] else {
        panic!("{snapshot:?}")
    };
    assert_eq!((first.hostname.as_deref(), first.pod.as_deref()), (Some("first"), Some("db-0")));
    assert_eq!((second.hostname.as_deref(), second.pod.as_deref()), (None, None), "a Node is no pod");
    assert!(first.topology.is_none() && second.topology.is_none());
    for kind in [
        "ingresses",
        "ingressclasses",
        "secrets",
        "configmaps",
        "nodes",
        "servicecidrs",
        "pods",
        "endpoints?",
    ] {
        assert_eq!(server.asked(&[kind]), 0, "{kind}");
    }
    server.put("endpointslices", named_slice("first", "n2"));
    let moved = rig.pass(Duration::from_secs(1)).await;
    assert!(moved.endpoints.is_same(&snapshot.endpoints), "to run elsewhere is no change");
    server.put("endpointslices", named_slice("second", "n2"));
    let hostname = |snapshot: &Snapshot| snapshot.endpoints[&key("shop/db")][0].endpoints[0].hostname.clone();
    rig.until("renamed", |snapshot| hostname(snapshot).as_deref() == Some("second")).await;
    server.delete("namespaces", "", "shop");
    rig.until("gone", |snapshot| snapshot.namespaces.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn pods_are_known_by_their_addresses_until_they_end_or_go() {
    for pages in [false, true] {
        let server = server();
        if pages {
            server.only_pages(10);
        }
        let running = |address: &str| json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}, {"ip": "fd00::1"}]});
        for name in ["ends", "fails", "goes", "stays"] {
            server.put("pods", pod(name, running("10.1.0.1")));
        }
        server.put("pods", pod("job", json!({"phase": "Succeeded", "podIP": "10.1.0.2"})));
        server.put("pods", pod("new", json!({"phase": "Pending"})));
        let mut rig = Rig::start(&server, options(true)).await;
        let snapshot = rig.store.snapshot();
        assert_eq!(names(&snapshot.pods), ["shop/ends", "shop/fails", "shop/goes", "shop/stays"]);
        assert_eq!(snapshot.pods[&key("shop/stays")].addresses.len(), 2);
        server.put("pods", pod("new", running("10.1.0.3")));
        server.put("pods", pod("ends", json!({"phase": "Succeeded", "podIP": "10.1.0.1"})));
        server.put("pods", pod("fails", json!({"phase": "Failed", "podIP": "10.1.0.1"})));
        let mut going = pod("goes", running("10.1.0.1"));
        going["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        server.put("pods", going);
        let expected = ["shop/new", "shop/stays"];
        rig.until("only two", |snapshot| names(&snapshot.pods) == expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_is_forgotten_though_it_still_matches() {
    let server = server();
    server.put("pods", pod("p", json!({"phase": "Running", "podIP": "10.1.0.1"})));
    let mut rig = Rig::start(&server, options(true)).await;
    assert_eq!(rig.store.snapshot().pods.len(), 1);
    let mut going = pod("p", json!({"phase": "Running", "podIP": "10.1.0.1"}));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    server.put("pods", going);
    rig.until("forgotten", |snapshot| snapshot.pods.is_empty()).await;
    server.delete("pods", "shop", "p");
    server.put("pods", pod("p", json!({"phase": "Running", "podIP": "10.1.0.2"})));
    rig.until("back", |snapshot| snapshot.pods.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn only_objects_with_the_labels_are_asked_for() {
    let server = server();
    let mut labelled = service("shop", "web", 80);
    labelled["metadata"]["labels"] = json!({"team": "a"});
    server.put("services", labelled);
    server.put("services", service("shop", "other", 80));
    server.put("namespaces", json!({"metadata": {"name": "shop"}}));
    let interest = Interest::Dns { pods: false, labels: Some("team=a".into()) };
    let rig = Rig::start(&server, Options { interest, ..Options::default() }).await;
    let snapshot = rig.store.snapshot();
    assert_eq!((names(&snapshot.services), snapshot.namespaces.len()), (vec!["shop/web".into()], 1));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_pods_it_is_not_ready() {
    let server = server();
    server.forbid("pods", true);
    let mut rig = Rig::begin(&server, options(true));
    rig.pass(Duration::from_mins(1)).await;
    assert!(!rig.store.is_complete());
    let Some(WatchState::Listing(Some(why))) = rig.state("Pod") else { panic!("not told") };
    assert!(why.contains("grant list and watch on pods"), "{why}");
}
