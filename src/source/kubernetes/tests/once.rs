//! Everything read once, for people.

use super::*;

fn store_of(options: &Options, updates: Vec<Update>) -> Store {
    let mut store = Store::new(&kinds(options));
    for update in updates {
        store.apply(update);
    }
    assert!(store.is_complete());
    store
}

#[tokio::test(start_paused = true)]
async fn all_is_there_also_what_is_not_ours() {
    let server = server();
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    server.put("ingresses", ingress("shop", "theirs", "other", Some("secret")));
    server.put("services", service("shop", "web", 80));
    let updates = load(server.client(), options()).await.unwrap();
    let snapshot = store_of(&options(), updates).snapshot();
    assert_eq!(names(&snapshot.ingresses), ["shop/theirs", "shop/web"]);
    assert_eq!(server.asked(&["/secrets/secret"]), 0, "nobody of ours uses it");
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_is_told_and_left_out() {
    let server = server();
    server.put("services", service("shop", "web", 80));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    server.forbid("endpointslices", true);
    server.forbid("secrets", true);
    let updates = load(server.client(), options()).await.unwrap();
    let snapshot = store_of(&options(), updates).snapshot();
    assert_eq!(snapshot.services.len(), 1);
    assert_eq!(reasons(&snapshot), ["Forbidden"]);
    assert!(snapshot.reports[0].message.contains("endpointslices"), "{}", snapshot.reports[0]);
    assert_eq!(snapshot.secrets.len(), 1, "of the Secret its Ingress is told");
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_an_error_that_says_what_to_do() {
    let server = server();
    server.set_down(true);
    let error = load(server.client(), options()).await.unwrap_err();
    assert!(error.contains("cannot be reached") && error.contains("--kubeconfig"), "{error}");
}
