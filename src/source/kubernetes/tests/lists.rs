//! Lists and changes: what is there is known, and nothing more.

use super::*;

#[tokio::test(start_paused = true)]
async fn everything_is_read_and_every_change_follows() {
    let server = server();
    server.put("ingresses", ingress("shop", "web", "nginx", None));
    server.put("ingresses", ingress("shop", "theirs", "other", None));
    server.put("ingresses", ingress("shop", "nobodys", "gone", None));
    server.put("services", service("shop", "web", 80));
    server.put("endpointslices", slice("shop", "web-1", "web", "10.0.0.1"));
    let mut rig = Rig::start(&server, options()).await;
    let snapshot = rig.store.snapshot();
    assert_eq!(names(&snapshot.ingresses), ["shop/nobodys", "shop/web"], "another controller's is put aside");
    assert_eq!(&*snapshot.statuses[&key("shop/web")].uid, "uid-web");
    assert_eq!(snapshot.classes.len(), 2);
    assert_eq!(snapshot.endpoints[&key("shop/web")].len(), 1);
    assert_eq!(server.asked(&["sendInitialEvents", "resourceVersionMatch=NotOlderThan"]), 5);
    assert_eq!(server.asked(&["limit="]), 0, "every list was streamed");

    server.put("services", service("shop", "web", 81));
    server.delete("ingresses", "shop", "nobodys");
    server.put("endpointslices", slice("shop", "web-1", "web", "10.0.0.2"));
    let so = |s: &Snapshot| {
        s.services[&key("shop/web")].ports[0].port == 81
            && s.ingresses.len() == 1
            && s.endpoints[&key("shop/web")][0].endpoints[0].address.to_string() == "10.0.0.2"
    };
    let after = rig.until("changed", so).await;
    assert!(after.statuses.get(&key("shop/nobodys")).is_none());
    assert!(rig.freshness.borrow().watches.iter().all(|watch| watch.state == WatchState::Following));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_stream_lists_gives_pages() {
    let server = server();
    server.only_pages(2);
    for number in 0..5 {
        server.put("services", service("shop", &format!("s{number}"), 80));
    }
    let mut rig = Rig::start(&server, options()).await;
    assert_eq!(rig.store.snapshot().services.len(), 5);
    assert_eq!(server.asked(&["/services", "limit=500"]), 3);
    assert_eq!(server.asked(&["/services", "sendInitialEvents"]), 1, "it is not tried again");
    server.delete("services", "shop", "s3");
    rig.until("deleted", |s| s.services.len() == 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_written_status_leaves_the_ingress_as_it_is() {
    let server = server();
    server.put("ingresses", ingress("shop", "web", "nginx", None));
    let mut rig = Rig::start(&server, options()).await;
    let before = rig.store.snapshot();
    let mut shown = ingress("shop", "web", "nginx", None);
    shown["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}});
    server.put("ingresses", shown);
    let after = rig.until("shown", |s| s.statuses[&key("shop/web")].addresses.len() == 1).await;
    assert!(before.ingresses.is_same(&after.ingresses));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_keeps_its_last_good_form_over_a_list() {
    let server = server();
    server.put("services", service("shop", "web", 80));
    server.put("services", service("shop", "api", 80));
    server.put("ingresses", ingress("shop", "web", "nginx", None));
    server.put("endpointslices", slice("shop", "web-1", "web", "10.0.0.1"));
    let mut rig = Rig::start(&server, options()).await;
    let broken =
        |name: &str, spec: Value| json!({"metadata": {"namespace": "shop", "name": name}, "spec": spec});
    server.put("services", broken("web", json!({"ports": "many"})));
    server.put("services", broken("new", json!({"ports": 7})));
    server.put("ingresses", broken("web", json!({"ingressClassName": "nginx", "rules": {"host": "x"}})));
    let mut odd = slice("shop", "web-1", "web", "10.0.0.2");
    odd["endpoints"] = json!("none");
    server.put("endpointslices", odd);
    let told = rig.until("told", |s| s.reports.len() == 4).await;
    assert!(told.reports.iter().all(|report| report.reason == "WrongType"), "{:?}", told.reports);
    server.forget();
    server.end_watches(true);
    server.delete("services", "shop", "api");
    let after = rig.until("listed again", |s| s.services.len() == 1).await;
    assert_eq!(after.services[&key("shop/web")].ports[0].port, 80);
    assert_eq!(after.endpoints[&key("shop/web")][0].endpoints[0].address.to_string(), "10.0.0.1");
    assert_eq!(names(&after.ingresses), ["shop/web"]);
    assert_eq!(after.statuses.len(), 1);
    for plural in ["services", "ingresses"] {
        server.delete(plural, "shop", "web");
    }
    server.delete("services", "shop", "new");
    server.delete("endpointslices", "shop", "web-1");
    rig.until("over", |s| s.services.is_empty() && s.ingresses.is_empty() && s.reports.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_make_no_sense_do_no_harm() {
    let server = server();
    let mut rig = Rig::start(&server, options()).await;
    server.line("services", &json!({"type": "PARTY", "object": {"metadata": {}}}));
    server.line("services", &json!({"type": "ADDED", "object": {"spec": {}}}));
    server.line(
        "services",
        &json!({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "oops"}}),
    );
    server.put("services", service("shop", "web", 80));
    rig.until("followed", |s| s.services.len() == 1).await;
    server.line("services", &json!("what?"));
    server.put("services", service("shop", "api", 80));
    rig.until("followed", |s| s.services.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_watched_namespace_is_asked_for() {
    let server = server();
    server.put("services", service("shop", "web", 80));
    server.put("services", service("other", "web", 80));
    let rig = Rig::start(&server, Options { namespace: Some("shop".into()), ..options() }).await;
    assert_eq!(names(&rig.store.snapshot().services), ["shop/web"]);
    for plural in ["ingresses", "services", "endpointslices", "secrets"] {
        assert_eq!(
            server.asked(&[plural]),
            server.asked(&[&format!("/namespaces/shop/{plural}")]),
            "{plural}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_backend_may_be_elsewhere_and_survives_lists() {
    let server = server();
    server.put("services", service("infra", "fallback", 80));
    server.put("services", service("infra", "more", 80));
    server.put("endpointslices", slice("infra", "fallback-1", "fallback", "10.0.0.1"));
    server.put("endpointslices", slice("infra", "more-1", "more", "10.0.0.2"));
    server.put("services", service("shop", "web", 80));
    let default_backend = Some(key("infra/fallback"));
    let mut rig =
        Rig::start(&server, Options { namespace: Some("shop".into()), default_backend, ..options() }).await;
    let snapshot = rig.store.snapshot();
    assert_eq!(names(&snapshot.services), ["infra/fallback", "shop/web"]);
    assert_eq!(names(&snapshot.endpoints), ["infra/fallback"]);
    server.forget();
    server.end_watches(false);
    server.put("services", service("infra", "fallback", 81));
    server.put("services", service("shop", "web", 81));
    let so = |s: &Snapshot| s.services.values().all(|service| service.ports[0].port == 81);
    assert_eq!(rig.until("changed", so).await.services.len(), 2);
    server.delete("endpointslices", "infra", "fallback-1");
    server.delete("services", "infra", "fallback");
    rig.until("gone", |s| s.endpoints.is_empty() && s.services.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn settings_come_from_the_config_map_of_that_name_and_from_the_command_line() {
    let server = server();
    let overrides = vec![("hsts-max-age".to_owned(), "7".to_owned())];
    let configmap = Some(key("ingress/settings"));
    let mut rig = Rig::start(&server, Options { configmap, overrides, ..options() }).await;
    let snapshot = rig.store.snapshot();
    assert_eq!((snapshot.settings.hsts, snapshot.settings.hsts_max_age), (true, 7));
    assert_eq!(reasons(&snapshot), ["ConfigMapNotFound"]);
    let map = |data: Value| json!({"metadata": {"namespace": "ingress", "name": "settings"}, "data": data});
    server.put("configmaps", map(json!({"hsts": "false", "hsts-max-age": "9", "hst": "x"})));
    let snapshot = rig.until("read", |s| !s.settings.hsts).await;
    assert_eq!(snapshot.settings.hsts_max_age, 7, "the command line wins");
    rig.until("told", |s| reasons(s) == ["UnknownSetting"]).await;
    server.put("configmaps", map(json!({"hsts": 7})));
    rig.until("told", |s| reasons(s) == ["WrongType"] && !s.settings.hsts).await;
    server.delete("configmaps", "ingress", "settings");
    rig.until("back", |s| s.settings.hsts && reasons(s) == ["ConfigMapNotFound"]).await;
    assert_eq!(
        server.asked(&["configmaps"]),
        server.asked(&["configmaps", "fieldSelector=metadata.name=settings"])
    );
}
