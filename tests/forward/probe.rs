//! Does a query come back to us?

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use slipway::dns::forward::{Failure, LoopProbe, Verdict};
use slipway::dns::wire::Rcode;
use slipway::dns::wire::name::Name;
use tokio::time::Instant;

use super::fake::Act::Say;
use super::fake::*;

#[tokio::test]
async fn a_probe_that_comes_back_tells_of_a_loop() {
    let probe: Arc<OnceLock<LoopProbe>> = Arc::default();
    let seen = probe.clone();
    let fake = Fake::new(move |heard| {
        // The upstream's upstream is us.
        assert!(seen.get().unwrap().saw(heard.name.as_wire()));
        assert_eq!(heard.kind, 13);
        vec![Say(reply(heard, Rcode::REFUSED, [&[], &[], &[]]))]
    })
    .await;
    let probe = probe.get_or_init(|| LoopProbe::new(&Name::root()));
    assert!(!probe.saw(b"\x03web\0"));
    assert_eq!(probe.run(&to(&[&fake])).await, Verdict::Looping);
    assert_eq!((probe.seen(), probe.name().labels().count()), (1, 2));
}

#[tokio::test]
async fn a_probe_that_somebody_else_answers_is_clear() {
    let fake = Fake::new(|heard| vec![Say(reply(heard, Rcode::NXDOMAIN, [&[], &[], &[]]))]).await;
    assert_eq!(LoopProbe::new(&Name::parse("example").unwrap()).run(&to(&[&fake])).await, Verdict::Clear);
    assert!(fake.heard()[0].name.is_within(&Name::parse("example").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_reaches_nobody_ends_after_half_a_minute() {
    let silent = Fake::silent().await;
    let began = Instant::now();
    let verdict = LoopProbe::new(&Name::root()).run(&to(&[&silent])).await;
    assert!(matches!(verdict, Verdict::Unreachable(Failure::Silent(_))), "{verdict:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(36), "{took:?}");
}
