//! Classes and namespaces that change while it runs.

use super::*;
use crate::model::selector::Selector;

#[tokio::test(start_paused = true)]
async fn a_class_that_becomes_ours_brings_its_ingresses_and_takes_them_along_again() {
    let server = server();
    server.put("ingresses", ingress("shop", "ours", "nginx", None));
    server.put("ingresses", ingress("shop", "theirs", "other", None));
    let mut rig = Rig::start(&server, options()).await;
    assert_eq!(names(&rig.store.snapshot().ingresses), ["shop/ours"]);
    server.put("ingressclasses", class("other", "ours"));
    rig.until("both are ours", |s| s.ingresses.len() == 2).await;
    server.put("ingressclasses", class("nginx", "theirs"));
    let snapshot = rig.until("one is", |s| s.ingresses.len() == 1).await;
    assert_eq!(names(&snapshot.ingresses), ["shop/theirs"]);
    server.delete("ingressclasses", "", "nginx");
    rig.until("nobody's are told, so they are read", |s| s.ingresses.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_changes_its_class_comes_and_goes() {
    let server = server();
    server.put("ingresses", ingress("shop", "web", "other", None));
    let mut rig = Rig::start(&server, options()).await;
    assert!(rig.store.snapshot().ingresses.is_empty());
    server.put("ingresses", ingress("shop", "web", "nginx", None));
    rig.until("ours", |s| s.ingresses.len() == 1 && s.statuses.len() == 1).await;
    server.put("ingresses", ingress("shop", "web", "other", None));
    rig.until("theirs", |s| s.ingresses.is_empty() && s.statuses.is_empty()).await;
    assert_eq!(server.asked(&["/ingresses"]), 1, "no list was needed");
}

#[tokio::test(start_paused = true)]
async fn ingresses_wait_for_the_classes() {
    let server = server();
    server.forbid("ingressclasses", true);
    server.put("ingresses", ingress("shop", "web", "nginx", None));
    let mut rig = Rig::begin(&server, options());
    rig.pass(Duration::from_mins(1)).await;
    assert!(!rig.store.is_complete());
    assert_eq!(server.asked(&["/ingresses?"]), 0);
    let Some(WatchState::Listing(Some(why))) = rig.state("IngressClass") else {
        panic!("{:?}", rig.freshness)
    };
    assert!(why.contains("grant list and watch on ingressclasses (networking.k8s.io) by RBAC"), "{why}");
    server.forbid("ingressclasses", false);
    rig.until("served", |s| s.ingresses.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn by_name_no_class_object_is_needed_and_they_may_be_forbidden() {
    let server = server();
    server.forbid("ingressclasses", true);
    server.put("ingresses", ingress("shop", "ours", "nginx", None));
    server.put("ingresses", ingress("shop", "theirs", "other", None));
    let mut rig = Rig::start(&server, Options { by_name: true, ..options() }).await;
    assert_eq!(names(&rig.store.snapshot().ingresses), ["shop/ours"], "other may be anybody's class");
    server.put("ingressclasses", class("other", "ours"));
    server.forbid("ingressclasses", false);
    rig.until("the classes are known", |s| s.classes.len() == 2 && s.ingresses.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_chosen_by_their_labels() {
    let server = server();
    let namespace = |name: &str, team: &str| json!({"metadata": {"name": name, "labels": {"team": team}}});
    server.put("namespaces", namespace("one", "a"));
    server.put("namespaces", namespace("two", "b"));
    server.put("ingresses", ingress("one", "web", "nginx", Some("cert")));
    server.put("ingresses", ingress("two", "web", "nginx", Some("cert")));
    let namespace_selector = Selector::parse("team=a").ok();
    let mut rig = Rig::start(&server, Options { namespace_selector, ..options() }).await;
    let snapshot = rig.store.snapshot();
    assert_eq!((names(&snapshot.ingresses), snapshot.namespaces.len()), (vec!["one/web".to_owned()], 2));
    assert_eq!(server.asked(&["/namespaces/two/secrets/cert"]), 0, "nobody uses that one");
    server.put("namespaces", namespace("two", "a"));
    rig.until("both", |s| s.ingresses.len() == 2).await;
    server.delete("namespaces", "", "one");
    let snapshot = rig.until("one", |s| s.ingresses.len() == 1 && s.namespaces.len() == 1).await;
    assert_eq!(names(&snapshot.ingresses), ["two/web"]);
}

#[tokio::test(start_paused = true)]
async fn a_class_that_is_made_later_brings_its_ingress_with_its_secret() {
    let server = server();
    server.put("secrets", json!({"metadata": {"namespace": "shop", "name": "cert"}, "type": secrets::TLS}));
    server.put("ingresses", ingress("shop", "web", "late", Some("cert")));
    let mut rig = Rig::start(&server, options()).await;
    let snapshot = rig.store.snapshot();
    assert_eq!((snapshot.ingresses.len(), snapshot.secrets.len()), (1, 0), "nobody of ours uses it yet");
    server.put("ingressclasses", class("late", "ours"));
    rig.until("read", |s| s.secrets.len() == 1).await;
    server.delete("ingressclasses", "", "late");
    rig.until("released", |s| s.secrets.is_empty()).await;
}
