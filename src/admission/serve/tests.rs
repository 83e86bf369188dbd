use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Frame;

use super::*;
use crate::model::{Key, Snapshot};
use crate::{compile, translate};

/// A body that gives so many pieces of 1 MiB, and then nothing more without ending.
struct Stuck(usize);

impl Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Pending };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; 1 << 20])))))
    }
}

fn desk() -> Arc<Desk> {
    Arc::new(Desk::new(Rules::default(), watch::channel(Some(compiled(&[]))).1, Metrics::new()))
}

/// What is in force with Ingresses of these names, each with host web.example.
fn compiled(names: &[&str]) -> Compiled {
    let mut snapshot = Snapshot::default();
    for name in names {
        let ingress = translate::ingress_json(
            &object(name),
            &Key::new("default", *name),
            &translate::Options::default(),
        );
        snapshot.ingresses.insert(Key::new("default", *name), ingress.unwrap().ingress.into());
    }
    compile::compile(&snapshot, &Rules::default().compile, 0, None)
}

fn object(name: &str) -> String {
    format!(
        r#"{{"metadata": {{"name": "{name}", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {{"kubernetes.io/ingress.class": "nginx"}}}},
            "spec": {{"rules": [{{"host": "web.example", "http": {{"paths": [{{"path": "/", "pathType": "Prefix",
            "backend": {{"resource": {{"kind": "a", "name": "b"}}}}}}]}}}}]}}}}"#
    )
}

/// Asks whether an Ingress may be created; gives whether it may.
async fn create(desk: &Desk, name: &str, dry_run: bool) -> bool {
    let review = format!(
        r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{"uid": "1", "operation": "CREATE",
            "kind": {{"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}}, "dryRun": {dry_run},
            "name": "{name}", "namespace": "default", "object": {}}}}}"#,
        object(name)
    );
    let (status, body) = post(desk, Full::new(Bytes::from(review))).await;
    assert_eq!(status, 200, "{body:?}");
    body.windows(14).any(|window| window == b"\"allowed\":true")
}

/// Puts Ingresses in force after everything else has come to rest.
fn later(current: &watch::Sender<Option<Compiled>>, names: &'static [&'static str]) {
    let current = current.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        current.send_replace(Some(compiled(names)));
    });
}

async fn post(desk: &Desk, body: impl Body<Data = Bytes> + Unpin) -> (u16, Bytes) {
    let response = desk.serve(Request::post("/").body(body).unwrap()).await;
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_gets_a_reason_before_the_api_server_gives_up() {
    let started = tokio::time::Instant::now();
    let (status, text) = post(&desk(), Stuck(1)).await;
    assert_eq!((status, started.elapsed()), (503, REVIEW));
    assert!(text.starts_with(b"the review took longer"), "{text:?}");
}

#[tokio::test(start_paused = true)]
async fn bodies_beyond_the_memory_for_all_of_them_wait_briefly() {
    let desk = desk();
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let desk = desk.clone();
            tokio::spawn(async move { post(&desk, Stuck(8)).await.0 })
        })
        .collect();
    while desk.bodies.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let (status, text) = post(&desk, Full::new(Bytes::from_static(b"{}"))).await;
    assert_eq!(status, 503);
    assert!(text.starts_with(b"too many reviews"), "{text:?}");
    for slow in slow {
        assert_eq!(slow.await.unwrap(), 503);
    }
    assert_eq!(desk.bodies.available_permits(), BODIES, "the memory is free again");
    assert_eq!(post(&desk, Full::new(Bytes::from_static(b"{}"))).await.0, 400);
    assert_eq!(desk.bodies.available_permits(), BODIES);
}

#[tokio::test(start_paused = true)]
async fn a_review_waits_for_its_turn_and_not_for_ever() {
    let desk = desk();
    let turn = desk.turn.clone().acquire_owned().await.unwrap();
    assert_eq!(post(&desk, Full::new(Bytes::from_static(b"{}"))).await.0, 503);
    let waiting = {
        let desk = desk.clone();
        tokio::spawn(async move { post(&desk, Full::new(Bytes::from_static(b"{}"))).await.0 })
    };
    drop(turn);
    assert_eq!(waiting.await.unwrap(), 400);
}

#[test]
fn the_log_holds_names_only() {
    let named = |namespace: &str, name: &str| {
        let subject = Key::new(namespace, name);
        super::subject(&Answer {
            body: Vec::new(),
            verdict: Verdict::Refused,
            subject,
            reasons: Vec::new(),
            ingress: None,
        })
    };
    assert_eq!(named("shop", "web.v1"), "Ingress shop/web.v1");
    for odd in ["", "a\nb", "a b", "é", "\u{1b}[31m", &"x".repeat(300)] {
        assert_eq!(named("shop", odd), "an Ingress without a proper name");
    }
}

#[tokio::test(start_paused = true)]
async fn a_review_about_the_hosts_of_what_was_just_let_through_waits_for_it() {
    let current = watch::Sender::new(Some(compiled(&[])));
    let desk = Desk::new(Rules::default(), current.subscribe(), Metrics::new());
    assert!(create(&desk, "a", false).await);
    later(&current, &["a"]);
    assert!(!create(&desk, "b", false).await);
    assert!(create(&desk, "a", false).await, "nothing stands against itself");
}

#[tokio::test(start_paused = true)]
async fn what_was_let_through_and_never_comes_is_no_obstacle() {
    let current = watch::Sender::new(Some(compiled(&[])));
    let desk = Desk::new(Rules::default(), current.subscribe(), Metrics::new());
    let started = tokio::time::Instant::now();
    assert!(create(&desk, "dry", true).await && create(&desk, "a", false).await);
    assert_eq!(started.elapsed(), Duration::ZERO, "a dry run is not waited for");
    assert!(create(&desk, "b", false).await);
    assert_eq!(started.elapsed(), SETTLE);
    drop(current);
    assert!(create(&desk, "c", false).await, "the controller is gone: nothing more will come");
}

#[tokio::test(start_paused = true)]
async fn before_it_refuses_for_another_ingress_it_waits_for_the_end_of_that() {
    let current = watch::Sender::new(Some(compiled(&["a"])));
    let desk = Desk::new(Rules::default(), current.subscribe(), Metrics::new());
    let started = tokio::time::Instant::now();
    assert!(!create(&desk, "b", false).await);
    assert_eq!(started.elapsed(), SETTLE);
    later(&current, &[]);
    assert!(create(&desk, "b", false).await);
}
