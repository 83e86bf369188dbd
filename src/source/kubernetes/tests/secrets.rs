//! Secrets: only what is used, however it is brought.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::model::certificate::CertificateError;

pub(super) const TLS: &str = "kubernetes.io/tls";

/// A Secret with a certificate for that host.
pub(super) fn secret(namespace: &str, name: &str, kind: &str, host: &str) -> Value {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    json!({
        "metadata": {"namespace": namespace, "name": name}, "type": kind,
        "data": {"tls.crt": STANDARD.encode(chain), "tls.key": STANDARD.encode(key)},
    })
}

fn host(snapshot: &Snapshot, name: &str) -> Option<String> {
    let secret = snapshot.secrets.get(&key(name))?;
    secret.certificate.as_ref().ok().map(|certificate| certificate.names[0].to_string())
}

#[tokio::test(start_paused = true)]
async fn only_secrets_that_an_ingress_of_ours_names_are_read() {
    let server = server();
    server.put("secrets", secret("shop", "cert", TLS, "a.example"));
    server.put("secrets", secret("shop", "theirs", TLS, "b.example"));
    server.put("secrets", secret("shop", "unused", TLS, "c.example"));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    server.put("ingresses", ingress("shop", "theirs", "other", Some("theirs")));
    let mut rig = Rig::start(&server, options()).await;
    assert_eq!(names(&rig.store.snapshot().secrets), ["shop/cert"]);
    assert_eq!(server.asked(&["/secrets/"]), 0, "the watch brings them");
    server.put("secrets", secret("shop", "cert", TLS, "new.example"));
    rig.until("renewed", |s| host(s, "shop/cert").as_deref() == Some("new.example")).await;

    server.put("ingresses", ingress("shop", "more", "nginx", Some("unused")));
    rig.until("asked for", |s| host(s, "shop/unused").as_deref() == Some("c.example")).await;
    assert_eq!((server.asked(&["/secrets/unused"]), server.watches("secrets")), (1, 1));
    server.put("secrets", secret("shop", "unused", TLS, "d.example"));
    rig.until("renewed", |s| host(s, "shop/unused").as_deref() == Some("d.example")).await;
    server.delete("ingresses", "shop", "more");
    rig.until("released", |s| names(&s.secrets) == ["shop/cert"]).await;
    assert_eq!(server.asked(&["/secrets/"]), 1);
    assert_eq!(server.watches("secrets"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_another_type_is_watched_by_its_name() {
    let server = server();
    server.put("secrets", secret("shop", "cert", "Opaque", "a.example"));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    let mut rig = Rig::start(&server, options()).await;
    assert_eq!(host(&rig.store.snapshot(), "shop/cert").as_deref(), Some("a.example"));
    rig.watches("watched", |f| f.watches.iter().any(|w| &*w.name == "Secret shop/cert")).await;
    server.put("secrets", secret("shop", "cert", "Opaque", "b.example"));
    rig.until("changed", |s| host(s, "shop/cert").as_deref() == Some("b.example")).await;
    server.delete("secrets", "shop", "cert");
    rig.until("gone", |s| s.secrets.is_empty()).await;
    server.put("secrets", secret("shop", "cert", TLS, "c.example"));
    rig.until("of the usual type", |s| host(s, "shop/cert").as_deref() == Some("c.example")).await;
    server.delete("secrets", "shop", "cert");
    server.put("secrets", secret("shop", "cert", "Opaque", "d.example"));
    rig.until("of another", |s| host(s, "shop/cert").as_deref() == Some("d.example")).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_without_a_certificate_is_told_as_such() {
    let server = server();
    let empty =
        json!({"metadata": {"namespace": "shop", "name": "cert"}, "type": "Opaque", "data": {"x": "eA=="}});
    server.put("secrets", empty);
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    let rig = Rig::start(&server, options()).await;
    let snapshot = rig.store.snapshot();
    let error = snapshot.secrets[&key("shop/cert")].certificate.as_ref().unwrap_err();
    assert_eq!(*error, CertificateError::Missing("tls.crt"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_holds_nothing_up_and_arrives_at_once_when_it_is_made() {
    let server = server();
    for number in 0..2000 {
        let name = format!("i{number}");
        server.put("ingresses", ingress("shop", &name, "nginx", Some(&name)));
    }
    let mut rig = Rig::start(&server, options()).await;
    assert_eq!((rig.store.snapshot().ingresses.len(), server.asked(&["/secrets/"])), (2000, 2000));
    rig.pass(Duration::from_mins(1)).await;
    let again = server.asked(&["/secrets/"]) - 2000;
    assert!((100..=60 * 21).contains(&again), "{again} looks in a minute");
    let before = Instant::now();
    server.put("secrets", secret("shop", "i7", TLS, "a.example"));
    rig.until("there", |s| s.secrets.len() == 1).await;
    assert!(before.elapsed() < Duration::from_millis(10), "the watch brought it: {:?}", before.elapsed());
    let looks = server.asked(&["/secrets/i7?"]);
    rig.pass(Duration::from_mins(5)).await;
    assert_eq!(server.asked(&["/secrets/i7?"]), looks, "nobody looks for it any more");
}

#[tokio::test(start_paused = true)]
async fn many_secrets_of_other_types_are_not_all_watched() {
    let server = server();
    for number in 0..40 {
        let name = format!("i{number}");
        server.put("secrets", json!({"metadata": {"namespace": "shop", "name": name}, "type": "Opaque"}));
        server.put("ingresses", ingress("shop", &name, "nginx", Some(&name)));
    }
    let mut rig = Rig::start(&server, options()).await;
    rig.pass(Duration::from_secs(5)).await;
    assert_eq!(server.watches("secrets"), 33, "32 and the one for the usual type");
    for number in 0..40 {
        server.put("secrets", secret("shop", &format!("i{number}"), "Opaque", "a.example"));
    }
    let so = |s: &Snapshot| s.secrets.values().all(|secret| secret.certificate.is_ok());
    rig.until("all have changed", so).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_watch_is_forbidden_secrets_are_read_one_by_one() {
    let server = server();
    server.put("secrets", secret("shop", "cert", TLS, "a.example"));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    server.put("ingresses", ingress("shop", "more", "nginx", Some("hidden")));
    server.forbid("secrets", true);
    let mut rig = Rig::start(&server, options()).await;
    let snapshot = rig.store.snapshot();
    let forbidden = |s: &Snapshot, name: &str| {
        matches!(s.secrets[&key(name)].certificate, Err(CertificateError::Forbidden))
    };
    assert!(forbidden(&snapshot, "shop/cert") && forbidden(&snapshot, "shop/hidden"));
    assert!(rig.state("Secret of type kubernetes.io/tls").is_none(), "it is not missed");
    // Rights on single objects only.
    server.forbid("secrets", false);
    server.forbid("secrets/hidden", true);
    rig.until("read", |s| host(s, "shop/cert").is_some()).await;
    assert!(forbidden(&rig.store.snapshot(), "shop/hidden"));
    server.put("secrets", secret("shop", "cert", TLS, "b.example"));
    rig.until("renewed", |s| host(s, "shop/cert").as_deref() == Some("b.example")).await;
    rig.watches("the watch is back", |f| f.watches.iter().any(|w| w.name.contains("tls"))).await;
    assert_eq!(rig.state("Secret of type kubernetes.io/tls"), Some(WatchState::Following));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_it_was_forbidden_keeps_serving() {
    let server = server();
    server.put("secrets", secret("shop", "cert", TLS, "a.example"));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    let mut rig = Rig::start(&server, options()).await;
    server.forbid("secrets", true);
    server.end_watches(true);
    let snapshot = rig.until("told", |s| reasons(s) == ["SecretForbidden"]).await;
    assert_eq!(host(&snapshot, "shop/cert").as_deref(), Some("a.example"));
    server.forbid("secrets", false);
    rig.until("over", |s| s.reports.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_and_knows_no_rights_yet_is_waited_for() {
    let server = server();
    server.put("secrets", secret("shop", "cert", TLS, "a.example"));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    server.forbid("secrets", true);
    let mut rig = Rig::begin(&server, options());
    rig.pass(Duration::from_secs(2)).await;
    assert!(!rig.store.is_complete());
    server.forbid("secrets", false);
    let snapshot = rig.until("complete", |_| true).await;
    assert_eq!(host(&snapshot, "shop/cert").as_deref(), Some("a.example"));
}

#[tokio::test(start_paused = true)]
async fn the_default_certificate_is_used_wherever_it_is() {
    let server = server();
    server.put("secrets", secret("infra", "default", TLS, "a.example"));
    let default_certificate = Some(key("infra/default"));
    let options = Options { namespace: Some("shop".into()), default_certificate, ..options() };
    let mut rig = Rig::start(&server, options).await;
    assert_eq!(host(&rig.store.snapshot(), "infra/default").as_deref(), Some("a.example"));
    server.put("secrets", secret("infra", "default", TLS, "b.example"));
    rig.until("renewed", |s| host(s, "infra/default").as_deref() == Some("b.example")).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_whose_name_is_none_is_not_asked_for() {
    let server = server();
    server.put("ingresses", ingress("shop", "web", "nginx", Some("../../pods?x=")));
    let rig = Rig::start(&server, options()).await;
    assert!(rig.store.snapshot().secrets.is_empty());
    assert_eq!(server.asked(&["pods"]), 0);
}

#[tokio::test(start_paused = true)]
async fn an_ingress_is_never_served_before_the_secret_it_names_is_read() {
    let server = server();
    server.put("secrets", secret("shop", "cert", TLS, "a.example"));
    let mut rig = Rig::start(&server, options()).await;
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    let together = |s: &Snapshot| {
        let (ingress, secret) = (s.ingresses.len(), s.secrets.len());
        assert!(ingress <= secret, "the Ingress came first");
        ingress == 1
    };
    rig.until("served", together).await;
    // One that is missing is not waited for for long, and an Ingress that is gone is not sent late.
    server.put("ingresses", ingress("shop", "late", "nginx", Some("missing")));
    server.put("ingresses", ingress("shop", "gone", "nginx", Some("absent")));
    server.delete("ingresses", "shop", "gone");
    rig.until("served", |s| s.ingresses.contains_key(&key("shop/late"))).await;
    let after = rig.pass(Duration::from_secs(10)).await;
    assert_eq!(names(&after.ingresses), ["shop/late", "shop/web"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_without_its_rights_for_a_moment_makes_no_noise() {
    let server = server();
    server.put("secrets", secret("shop", "cert", "Opaque", "a.example"));
    server.put("ingresses", ingress("shop", "web", "nginx", Some("cert")));
    server.put("ingresses", ingress("shop", "more", "nginx", Some("missing")));
    let mut rig = Rig::start(&server, options()).await;
    rig.watches("watched", |f| f.watches.iter().any(|w| &*w.name == "Secret shop/cert")).await;
    server.set_down(true);
    // Gone and back while nobody looks: it is asked for anew.
    server.delete("secrets", "shop", "cert");
    server.put("secrets", secret("shop", "cert", "Opaque", "b.example"));
    rig.pass(Duration::from_mins(1)).await;
    server.forbid("secrets", true);
    server.set_down(false);
    let still = rig.pass(Duration::from_secs(2)).await;
    assert_eq!((still.reports.len(), host(&still, "shop/cert").as_deref()), (0, Some("a.example")));
    assert_eq!(names(&still.secrets), ["shop/cert"], "nothing is known to be forbidden");
    server.forbid("secrets", false);
    let quiet = |s: &Snapshot| {
        assert!(s.reports.is_empty(), "{:?}", s.reports);
        host(s, "shop/cert").as_deref() == Some("b.example")
    };
    rig.until("read", quiet).await;
}
