//! Equal questions under way.

use std::sync::Arc;
use std::time::Duration;

use slipway::dns::forward::cache::Cache;
use slipway::dns::wire::kind;
use slipway::dns::{forward::Question, plan as plans};

use super::choice::until;
use super::fake::Act::{Say, Wait};
use super::fake::*;

async fn slow() -> Fake {
    Fake::new(|heard| vec![Wait(Duration::from_millis(50)), Say(honest(heard, [192, 0, 2, 1]))]).await
}

#[tokio::test]
async fn fifty_equal_questions_are_one_query_and_all_get_its_answer() {
    let fake = slow().await;
    let forwarder = to(&[&fake]);
    let many = (0..50).map(|_| ask(&forwarder, "web.example"));
    for answer in futures_util::future::join_all(many).await {
        assert_eq!(address(&answer), [192, 0, 2, 1]);
    }
    assert_eq!(fake.heard().len(), 1);
    ask(&forwarder, "web.example").await.unwrap();
    assert_eq!(fake.heard().len(), 2, "without a cache it is asked again");
}

#[tokio::test]
async fn questions_that_differ_in_type_or_flags_are_asked_apart() {
    let fake = slow().await;
    let forwarder = to(&[&fake]);
    let plain = question("web.example", kind::A);
    let questions = [
        plain.clone(),
        Question { kind: kind::AAAA, ..plain.clone() },
        Question { dnssec: true, ..plain.clone() },
        Question { unchecked: true, ..plain },
    ];
    let all = questions.iter().map(|question| forwarder.ask(question));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(fake.heard().len(), 4);
}

#[tokio::test]
async fn who_asked_first_may_give_up_and_the_others_get_the_answer() {
    let fake = slow().await;
    let forwarder = to(&[&fake]);
    let first = tokio::spawn({
        let forwarder = forwarder.clone();
        async move { ask(&forwarder, "web.example").await }
    });
    until(|| fake.heard().len() == 1).await;
    first.abort();
    assert_eq!(address(&ask(&forwarder, "web.example").await), [192, 0, 2, 1]);
    assert_eq!(fake.heard().len(), 1);
}

#[tokio::test]
async fn an_answer_is_asked_for_once_and_then_comes_from_the_cache() {
    let fake = Fake::honest([192, 0, 2, 1]).await;
    let cache = Arc::new(Cache::new(plans::Cache::default(), 1 << 20));
    let forwarder = forwarder(plan(&[fake.address]), Some(cache.clone()));
    let first = ask(&forwarder, "web.example").await.unwrap();
    let second = ask(&forwarder, "web.example").await.unwrap();
    assert_eq!((first.upstream.is_some(), second.upstream), (true, None));
    assert_eq!((fake.heard().len(), cache.entries()), (1, (1, 0)));
    let denied = forwarder.ask(&question("web.example", kind::AAAA)).await.unwrap();
    assert_eq!((denied.rcode.0, cache.entries()), (0, (1, 1)));
}

#[tokio::test]
async fn a_refresh_asks_again_behind_the_cache_also_from_other_threads() {
    let fake = Fake::honest([192, 0, 2, 1]).await;
    let cache = Arc::new(Cache::new(plans::Cache::default(), 1 << 20));
    let forwarder = forwarder(plan(&[fake.address]), Some(cache));
    ask(&forwarder, "web.example").await.unwrap();
    let other = forwarder.clone();
    std::thread::spawn(move || other.refresh(question("web.example", kind::A))).join().unwrap();
    until(|| fake.heard().len() == 2).await;
}
