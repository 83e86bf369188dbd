//! Serving what has ended when nothing fresh can be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use slipway::dns::forward::Forwarder;
use slipway::dns::forward::cache::{Cache, Hit, seconds};
use slipway::dns::plan::{self as plans, Stale};
use slipway::dns::wire::question::read;
use slipway::dns::wire::reply::Reply;
use slipway::dns::wire::{Rcode, kind};
use tokio::time::sleep;

use super::cache::query;
use super::choice::until;
use super::fake::Act::Say;
use super::fake::*;

const WELL: u8 = 0;
const FAILING: u8 = 1;
const SILENT: u8 = 2;

/// An upstream with moods, a forwarder to it, and its cache.
async fn site(verify: bool) -> (Fake, Arc<AtomicU8>, Arc<Forwarder>, Arc<Cache>) {
    let mood = Arc::new(AtomicU8::new(WELL));
    let of = mood.clone();
    let fake = Fake::new(move |heard| match of.load(Ordering::Relaxed) {
        WELL => vec![Say(honest(heard, [192, 0, 2, 1]))],
        FAILING => vec![Say(reply(heard, Rcode::SERVFAIL, [&[], &[], &[]]))],
        _ => vec![],
    })
    .await;
    let stale = Stale { within: Duration::from_secs(3600), verify };
    let cache = Arc::new(Cache::new(plans::Cache { stale: Some(stale), ..plans::Cache::default() }, 1 << 20));
    let forwarder = forwarder(plan(&[fake.address]), Some(cache.clone()));
    ask(&forwarder, "web.example").await.unwrap();
    sleep(Duration::from_secs(100)).await;
    (fake, mood, forwarder, cache)
}

fn look(cache: &Cache) -> (Hit, Vec<String>) {
    let query = query("web.example", kind::A, false);
    let asked = read(&query).ok().unwrap();
    let mut out = [0; 512];
    let mut room = Reply::new(&asked, &mut out, 512, 1232, b"");
    let hit = cache.answer(&asked, &mut room, seconds(), None);
    let length = room.finish(Rcode::NOERROR);
    (hit, shown(&out[..length]))
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_served_at_once_and_asked_for_behind_it() {
    let (fake, _, forwarder, cache) = site(false).await;
    let (hit, lines) = look(&cache);
    assert_eq!((hit, lines[0].as_str()), (Hit::Refresh(Rcode::NOERROR), "Answer web.example. 0 1 192.0.2.1"));
    assert_eq!(look(&cache).0, Hit::Fresh(Rcode::NOERROR), "one who asks behind it is enough");
    let answer = ask(&forwarder, "web.example").await.unwrap();
    assert!(answer.stale);
    until(|| look(&cache).1[0].contains(" 60 ")).await;
    assert_eq!(fake.heard().len(), 2);
    assert!(cache.figures().stale >= 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_served_only_so_long() {
    let (_, mood, forwarder, cache) = site(false).await;
    mood.store(SILENT, Ordering::Relaxed);
    sleep(Duration::from_secs(3500)).await;
    assert!(matches!(look(&cache).0, Hit::Refresh(_)));
    sleep(Duration::from_secs(100)).await;
    assert_eq!(look(&cache).0, Hit::Miss);
    assert!(ask(&forwarder, "web.example").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn with_verify_upstream_is_asked_first_and_the_old_served_when_that_fails() {
    let (fake, mood, forwarder, cache) = site(true).await;
    assert_eq!(look(&cache).0, Hit::Miss);
    for failing in [FAILING, SILENT] {
        mood.store(failing, Ordering::Relaxed);
        let answer = ask(&forwarder, "web.example").await.unwrap();
        assert_eq!((answer.stale, answer.rcode), (true, Rcode::NOERROR));
        assert_eq!(shown(&answer.message), ["Answer web.example. 0 1 192.0.2.1"]);
    }
    mood.store(WELL, Ordering::Relaxed);
    let heard = fake.heard().len();
    let answer = ask(&forwarder, "web.example").await.unwrap();
    assert!(!answer.stale);
    assert_eq!(fake.heard().len(), heard + 1);
    assert!(matches!(look(&cache).0, Hit::Fresh(_)));
}
