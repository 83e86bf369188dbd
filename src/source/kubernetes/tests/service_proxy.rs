//! What a node's service proxy follows.

use super::*;

fn options() -> Options {
    Options { interest: Interest::ServiceProxy { node: "n1".into() }, ..Options::default() }
}

fn node(name: &str, zone: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": {"podCIDRs": ["10.1.0.0/24", "fd00:1::/64"], "taints": [{"key": "x", "effect": "NoSchedule"}]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "images": [{"names": ["a"]}]},
    })
}

fn range(name: &str, cidr: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"cidrs": [cidr]}})
}

fn labelled(mut object: Value, label: &str) -> Value {
    object["metadata"]["labels"][label] = json!("");
    object
}

#[tokio::test(start_paused = true)]
async fn it_follows_services_slices_its_node_and_the_ranges_and_nothing_else() {
    let server = server();
    let mut balanced = service("shop", "web", 80);
    balanced["metadata"]["creationTimestamp"] = json!("1970-01-01T00:01:00Z");
    balanced["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.9", "ipMode": "VIP"}]}});
    server.put("services", balanced);
    server
        .put("services", labelled(service("shop", "theirs", 80), "service.kubernetes.io/service-proxy-name"));
    server.put("endpointslices", slice("shop", "web-1", "web", "10.1.0.1"));
    server.put(
        "endpointslices",
        labelled(slice("shop", "db-1", "db", "10.1.0.2"), "service.kubernetes.io/headless"),
    );
    server.put("nodes", node("n1", "z1"));
    server.put("nodes", node("n2", "z2"));
    server.put("servicecidrs", range("kubernetes", "10.96.0.0/16"));
    let mut rig = Rig::start(&server, options()).await;
    let snapshot = rig.store.snapshot();
    assert_eq!(names(&snapshot.services), ["shop/web"]);
    let web = &snapshot.services[&key("shop/web")];
    assert_eq!((web.created, web.exposure.load_balancer_ips.len()), (Some(60), 1));
    assert_eq!(names(&snapshot.endpoints), ["shop/web"]);
    assert!(snapshot.endpoints[&key("shop/web")][0].endpoints[0].is_on("n"));
    assert_eq!(snapshot.nodes.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["n1"]);
    assert_eq!(snapshot.nodes["n1"].zone.as_deref(), Some("z1"));
    assert_eq!((snapshot.nodes["n1"].addresses.len(), snapshot.nodes["n1"].pod_cidrs.len()), (1, 2));
    assert_eq!(snapshot.service_ranges.len(), 1);
    for kind in ["ingresses", "ingressclasses", "secrets", "configmaps", "namespaces", "endpoints?"] {
        assert_eq!(server.asked(&[kind]), 0, "{kind}");
    }
    server.put("nodes", node("n1", "z9"));
    rig.until("in another zone", |snapshot| snapshot.nodes["n1"].zone.as_deref() == Some("z9")).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_without_service_ranges_has_none_until_it_learns_them() {
    for pages in [false, true] {
        let server = server();
        if pages {
            server.only_pages(10);
        }
        server.set_unknown("servicecidrs", true);
        server.put("services", service("shop", "web", 80));
        let mut rig = Rig::start(&server, options()).await;
        assert_eq!(rig.store.snapshot().service_ranges.len(), 0);
        rig.pass(Duration::from_mins(30)).await;
        assert_eq!(rig.state("ServiceCIDR"), Some(WatchState::Following), "nothing is wrong");
        assert!(server.asked(&["servicecidrs"]) < 10);
        server.set_unknown("servicecidrs", false);
        server.put("servicecidrs", range("kubernetes", "10.96.0.0/16"));
        rig.until("learned", |snapshot| snapshot.service_ranges.len() == 1).await;
        server.delete("servicecidrs", "", "kubernetes");
        rig.until("gone again", |snapshot| snapshot.service_ranges.is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_the_ranges_all_else_is_served() {
    let server = server();
    server.forbid("servicecidrs", true);
    server.put("services", service("shop", "web", 80));
    server.put("servicecidrs", range("kubernetes", "10.96.0.0/16"));
    let mut rig = Rig::start(&server, options()).await;
    assert_eq!((rig.store.snapshot().services.len(), rig.store.snapshot().service_ranges.len()), (1, 0));
    server.forbid("servicecidrs", false);
    rig.until("granted", |snapshot| snapshot.service_ranges.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_services_it_is_not_ready() {
    let server = server();
    server.forbid("services", true);
    let mut rig = Rig::begin(&server, options());
    rig.pass(Duration::from_mins(1)).await;
    assert!(!rig.store.is_complete());
    let Some(WatchState::Listing(Some(why))) = rig.state("Service") else { panic!("not told") };
    assert!(why.contains("grant list and watch on services"), "{why}");
}
