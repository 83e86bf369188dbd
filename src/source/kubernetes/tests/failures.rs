//! Failures of the server: nothing is lost, and people are told.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_the_last_version_it_has_seen() {
    let server = server();
    server.put("services", service("shop", "web", 80));
    let mut rig = Rig::start(&server, options()).await;
    server.put("services", service("shop", "api", 80));
    rig.until("seen", |s| s.services.len() == 2).await;
    for good_order in [true, false] {
        server.bookmark();
        let version = {
            rig.pass(Duration::from_secs(1)).await;
            server.asked(&["/services"]) // how many requests there were before
        };
        server.end_watches(good_order);
        server.delete("services", "shop", if good_order { "api" } else { "web" });
        rig.until("deleted", |s| s.services.len() == usize::from(good_order)).await;
        assert_eq!(server.asked(&["/services"]), version + 1, "one watch, no list");
    }
    assert_eq!(server.asked(&["/services", "sendInitialEvents"]), 1);
    // The version is that of the bookmark: 4 objects, then two bookmarks with a deletion between them.
    assert_eq!(server.asked(&["/services", "resourceVersion=5"]), 1);
    assert_eq!(server.asked(&["/services", "resourceVersion=7"]), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_while_nobody_looked_is_gone_after_the_next_list() {
    for pages in [false, true] {
        let server = server();
        if pages {
            server.only_pages(1);
        }
        for name in ["a", "b", "c"] {
            server.put("services", service("shop", name, 80));
            server.put("ingresses", ingress("shop", name, "nginx", Some("cert")));
        }
        server
            .put("secrets", json!({"metadata": {"namespace": "shop", "name": "cert"}, "type": secrets::TLS}));
        let mut rig = Rig::start(&server, options()).await;
        let before = rig.store.snapshot();
        server.set_down(true);
        rig.pass(Duration::from_mins(10)).await;
        server.delete("services", "shop", "b");
        server.delete("ingresses", "shop", "b");
        server.delete("secrets", "shop", "cert");
        server.put("services", service("shop", "d", 80));
        server.forget();
        server.set_down(false);
        let so = |s: &Snapshot| {
            s.services.contains_key(&key("shop/d")) && s.ingresses.len() == 2 && s.secrets.is_empty()
        };
        let after = rig.until("right again", so).await;
        assert_eq!(names(&after.services), ["shop/a", "shop/c", "shop/d"]);
        let (old, new) = (&before.services[&key("shop/a")], &after.services[&key("shop/a")]);
        assert!(std::sync::Arc::ptr_eq(old, new), "what is the same is not kept twice");
    }
}

#[tokio::test(start_paused = true)]
async fn away_at_the_start_it_waits_and_says_so() {
    let server = server();
    server.set_down(true);
    let mut rig = Rig::begin(&server, options());
    rig.pass(Duration::from_mins(2)).await;
    assert!(!rig.store.is_complete());
    let Some(WatchState::Listing(Some(why))) = rig.state("Service") else { panic!("{:?}", rig.freshness) };
    assert!(why.contains("cannot be reached (nobody is there)"), "{why}");
    server.set_down(false);
    rig.until("complete", |s| s.classes.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_shows_in_freshness_and_metrics_until_it_is_over() {
    let server = server();
    let mut rig = Rig::start(&server, options()).await;
    server.set_down(true);
    let all_away =
        |f: &Freshness| f.watches.iter().all(|watch| matches!(watch.state, WatchState::Away { .. }));
    rig.watches("away", all_away).await;
    assert!(rig.metrics.text().contains("slipway_watch_following{watch=\"Ingress\"} 0"));
    rig.pass(Duration::from_mins(5)).await;
    assert!(
        rig.metrics.text().contains("slipway_watch_errors_total{reason=\"unreachable\",watch=\"Ingress\"}")
    );
    server.set_down(false);
    let follows = |watch: &crate::model::freshness::Watch| watch.state == WatchState::Following;
    rig.watches("one follows", |f| f.watches.iter().any(follows)).await;
    let before = Instant::now();
    rig.watches("all follow", |f| f.watches.iter().all(follows)).await;
    assert!(before.elapsed() < Duration::from_millis(200), "the first that gets through wakes all others");
    assert!(rig.metrics.text().contains("slipway_watch_following{watch=\"Ingress\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_each_watch_at_once_is_not_asked_all_the_time() {
    let server = server();
    let mut rig = Rig::start(&server, options()).await;
    server.set_curt(true);
    server.end_watches(true);
    let before = server.asked(&["/services"]);
    rig.pass(Duration::from_mins(1)).await;
    let asked = server.asked(&["/services"]) - before;
    assert!((3..=62).contains(&asked), "{asked} requests in a minute");
    server.set_curt(false);
    server.put("services", service("shop", "web", 80));
    rig.until("followed", |s| s.services.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_at_once_is_not_listed_all_the_time() {
    let server = server();
    server.only_pages(10);
    let mut rig = Rig::start(&server, options()).await;
    server.set_forgetful(true);
    server.end_watches(true);
    let before = server.asked(&["/services", "limit"]);
    rig.pass(Duration::from_mins(1)).await;
    let asked = server.asked(&["/services", "limit"]) - before;
    assert!((3..=60).contains(&asked), "{asked} lists in a minute");
    server.set_forgetful(false);
    server.put("services", service("shop", "web", 80));
    rig.until("followed", |s| s.services.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_the_server_asks_for() {
    let server = server();
    let mut rig = Rig::start(&server, options()).await;
    server.forbid("services", true); // no other watch begins anew
    server.end_watches(true);
    rig.pass(Duration::from_secs(30)).await;
    server.forbid("services", false);
    let before = Instant::now();
    server.refuse_once(429, "100");
    rig.watches("following", |f| f.watches.iter().all(|w| w.state == WatchState::Following)).await;
    assert!(before.elapsed() >= Duration::from_secs(100), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn older_data_after_a_restore_are_listed() {
    let server = server();
    for number in 0..5 {
        server.put("services", service("shop", &format!("s{number}"), 80));
    }
    let mut rig = Rig::start(&server, options()).await;
    server.restore();
    server.put("services", service("shop", "s0", 81));
    rig.until("listed", |s| s.services[&key("shop/s0")].ports[0].port == 81).await;
    assert_eq!(server.asked(&["/services", "sendInitialEvents"]), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_later_keeps_serving_and_says_which_right_is_missing() {
    let server = server();
    server.put("services", service("shop", "web", 80));
    let mut rig = Rig::start(&server, options()).await;
    server.forbid("services", true);
    server.end_watches(true);
    rig.watches("away", |f| f.watches.iter().any(|w| matches!(w.state, WatchState::Away { .. }))).await;
    let Some(WatchState::Away { why, .. }) = rig.state("Service") else { panic!("{:?}", rig.freshness) };
    assert!(why.contains("grant list and watch on services in all namespaces by RBAC"), "{why}");
    assert_eq!(rig.store.snapshot().services.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_takes_updates() {
    let server = server();
    let mut rig = Rig::start(&server, options()).await;
    rig.updates.close();
    (&mut rig.task).await.unwrap();
    assert_eq!(server.watches("services"), 0);
}
