//! Which upstream is asked: policies, health, files, limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use slipway::dns::forward::{Failure, Forwarder};
use slipway::dns::plan::{Policy, Target};
use slipway::dns::wire::name::Name;
use slipway::metrics::dns::Metrics;
use tokio::time::{Instant, sleep};

use super::fake::Act::Say;
use super::fake::*;

async fn asked(policy: Policy, queries: usize) -> [usize; 3] {
    let fakes = [Fake::honest([1; 4]).await, Fake::honest([2; 4]).await, Fake::honest([3; 4]).await];
    let mut plan = plan(&fakes.each_ref().map(|fake| fake.address));
    plan.policy = policy;
    let forwarder = forwarder(plan, None);
    for n in 0..queries {
        ask(&forwarder, &format!("n{n}.example")).await.unwrap();
    }
    fakes.each_ref().map(|fake| fake.heard().len())
}

#[tokio::test]
async fn policies_choose_the_first_or_each_in_turn_or_any() {
    assert_eq!(asked(Policy::Sequential, 30).await, [30, 0, 0]);
    assert_eq!(asked(Policy::RoundRobin, 30).await, [10, 10, 10]);
    let random = asked(Policy::Random, 90).await;
    assert!(random.iter().all(|count| (10..60).contains(count)), "{random:?}");
}

/// One that can fall silent.
async fn moody(well: &Arc<AtomicBool>, address: [u8; 4]) -> Fake {
    let well = well.clone();
    Fake::new(
        move |heard| {
            if well.load(Ordering::Relaxed) { vec![Say(honest(heard, address))] } else { vec![] }
        },
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_down_is_passed_over_until_it_is_up_again() {
    let well = Arc::new(AtomicBool::new(false));
    let (first, second) = (moody(&well, [1; 4]).await, Fake::honest([2; 4]).await);
    let forwarder = to(&[&first, &second]);
    assert_eq!(address(&ask(&forwarder, "a.example").await), [2; 4]);
    // Two checks of a second each.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(forwarder.upstreams().iter().map(|(_, up)| *up).collect::<Vec<_>>(), [false, true]);
    let (began, heard) = (Instant::now(), first.heard().len());
    for n in 0..10 {
        assert_eq!(address(&ask(&forwarder, &format!("n{n}.example")).await), [2; 4]);
    }
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(first.heard().len(), heard, "it is only checked");
    well.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(address(&ask(&forwarder, "b.example").await), [1; 4]);
    let checks = first.checks();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(first.checks(), checks, "what is up is not checked");
    assert_eq!(second.checks(), 0);
}

#[tokio::test(start_paused = true)]
async fn health_checks_ask_what_the_plan_says() {
    let fake = Fake::new(|_| vec![]).await;
    let mut plan = plan(&[fake.address]);
    plan.health_domain = Name::parse("health.example").unwrap();
    plan.health_no_rec = true;
    let forwarder = forwarder(plan, None);
    ask(&forwarder, "web.example").await.unwrap_err();
    let check = fake.heard().into_iter().find(|heard| heard.is("health.example")).unwrap();
    assert_eq!((check.kind, check.message[2] & 1), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn when_all_are_down_one_is_tried_all_the_same_unless_the_plan_says_to_fail() {
    let well = Arc::new(AtomicBool::new(false));
    let fake = moody(&well, [1; 4]).await;
    let mut plan = plan(&[fake.address]);
    plan.health_interval = Duration::from_secs(3600);
    plan.max_fails = 1;
    let tries = forwarder(plan.clone(), None);
    plan.fail_fast = true;
    let fails = forwarder(plan, None);
    for forwarder in [&tries, &fails] {
        assert!(ask(forwarder, "a.example").await.is_err());
    }
    well.store(true, Ordering::Relaxed);
    assert_eq!(ask(&fails, "b.example").await.unwrap_err(), Failure::Down);
    assert_eq!(address(&ask(&tries, "b.example").await), [1; 4]);
    assert!(tries.upstreams()[0].1, "it answered, so it is up");
}

#[tokio::test]
async fn more_than_may_be_under_way_are_refused_and_others_take_their_place_later() {
    let well = Arc::new(AtomicBool::new(false));
    let fake = moody(&well, [1; 4]).await;
    let mut plan = plan(&[fake.address]);
    plan.max_concurrent = 2;
    let metrics = Metrics::default();
    let forwarder = Forwarder::new(plan, None, metrics.clone()).unwrap();
    let under_way: Vec<_> = ["a.example", "b.example"]
        .map(|name| {
            let forwarder = forwarder.clone();
            tokio::spawn(async move { ask(&forwarder, name).await })
        })
        .into();
    until(|| fake.heard().len() == 2).await;
    assert_eq!(ask(&forwarder, "c.example").await.unwrap_err(), Failure::Busy);
    assert!(metrics.text().contains("coredns_forward_max_concurrent_rejects_total 1"));
    well.store(true, Ordering::Relaxed);
    for task in under_way {
        assert_eq!(address(&task.await.unwrap()), [1; 4], "asked once more after 2 s");
    }
    ask(&forwarder, "c.example").await.unwrap();
}

#[tokio::test]
async fn upstreams_come_from_a_file_and_what_cannot_be_used_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch example\n").unwrap();
    let mut from_file = plan(&[]);
    from_file.to = vec![Target::File(file.clone())];
    let forwarder = forwarder(from_file.clone(), None);
    let named: Vec<_> = forwarder.upstreams().iter().map(|(upstream, _)| upstream.address).collect();
    assert_eq!(named, ["192.0.2.1:53", "[2001:db8::1]:53"].map(|text| text.parse::<SocketAddr>().unwrap()));
    let unusable = |plan| Forwarder::new(plan, None, Metrics::default()).err().unwrap();
    std::fs::write(&file, "search example\n").unwrap();
    from_file.line = 7;
    let why = unusable(from_file);
    assert_eq!(why.line, 7);
    assert!(why.message.contains("names no usable name server"), "{}", why.message);
    let many: Vec<SocketAddr> = (0..16).map(|n| SocketAddr::from(([192, 0, 2, n], 53))).collect();
    assert!(unusable(plan(&many)).message.contains("16 upstreams"));
    let mut scoped = plan(&["[fe80::1]:53".parse().unwrap()]);
    let Target::Upstream(upstream) = &mut scoped.to[0] else { unreachable!() };
    upstream.name = Some("no-such-interface".into());
    assert!(unusable(scoped).message.contains("no network interface"));
}

/// Looks until it is so, for at most 10 s.
pub async fn until(so: impl Fn() -> bool) {
    let long = std::time::Instant::now();
    while !so() {
        assert!(long.elapsed() < Duration::from_secs(10), "it did not come to pass");
        tokio::task::yield_now().await;
    }
}
