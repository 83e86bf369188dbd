//! Whatever bytes come back: no panic, no forged record, and an answer once the upstream is well again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use slipway::dns::forward::cache::Cache;
use slipway::dns::forward::{Answer, Question};
use slipway::dns::plan;
use slipway::dns::wire::question::read;
use slipway::dns::wire::reply::Reply;
use slipway::dns::wire::{Rcode, kind, record};

use super::cache::query;
use super::fake::Act::Say;
use super::fake::*;

/// An answer with everything: aliases, addresses, an additional record, OPT.
fn rich(heard: &Heard) -> Vec<u8> {
    let name = heard.name.to_string();
    let answer = [cname(&name, "b.other"), rr("b.other", heard.kind, 60, b"\0\0\0\0\0\x50\x01a\x05other\0")];
    let mut message =
        reply(heard, Rcode::NOERROR, [&answer, &[soa("other", 60, 60)], &[a("a.other", 60, [192, 0, 2, 1])]]);
    message[11] += 1;
    message.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    message
}

#[tokio::test]
async fn thousands_of_spoiled_answers_do_no_harm() {
    let seed = AtomicU64::new(0);
    let fake = Fake::new(move |heard| {
        let mut message = if heard.kind == kind::SRV { rich(heard) } else { honest(heard, [192, 0, 2, 1]) };
        if heard.is("well.example") {
            return vec![Say(message)];
        }
        let mut random = fastrand::Rng::with_seed(seed.fetch_add(1, Ordering::Relaxed));
        for _ in 0..random.usize(1..4) {
            // The id and the question stay, so that the rest is looked at.
            let at = random.usize(2..message.len());
            match random.u8(..5) {
                0 => message.truncate(at.max(12)),
                1 => message[at] = random.u8(..),
                2 => message[at] ^= 1 << random.u8(..8),
                3 => message.insert(at, random.u8(..)),
                _ => message[at] = 0xc0,
            }
        }
        vec![Say(message), Act::Close]
    })
    .await;
    let forwarder = to(&[&fake]);
    let cache = Cache::new(plan::Cache::default(), 1 << 20);
    for round in 0..40 {
        let many = (0..50).map(|n| {
            let wanted =
                question(&format!("n{n}.r{round}.example"), if n % 2 == 0 { kind::SRV } else { kind::A });
            let forwarder = forwarder.clone();
            async move { (forwarder.ask(&wanted).await, wanted) }
        });
        // What was passed over is waited for in vain: take what comes soon.
        let many = many.map(|one| tokio::time::timeout(std::time::Duration::from_millis(100), one));
        for (answer, wanted) in futures_util::future::join_all(many).await.into_iter().flatten() {
            if let Ok(answer) = answer {
                sound(&answer, &wanted);
                cache.keep(&wanted, &answer, 1);
            }
        }
    }
    assert_eq!(address(&ask(&forwarder, "well.example").await), [192, 0, 2, 1]);
}

/// What every answer must be.
fn sound(answer: &Answer, wanted: &Question) {
    let (name, kind, ..) = record::question(&answer.message).unwrap();
    assert_eq!((name.as_wire(), kind), (wanted.name.as_wire(), wanted.kind));
    record::walk(&answer.message, |record| {
        assert_ne!(record.kind, kind::OPT);
        record::pieces(&answer.message, &record, |_| Some(()))
    })
    .unwrap();
}

proptest! {
    #[test]
    fn whatever_is_kept_in_a_cache_is_answered_from_it_without_a_panic(
        spoiled in proptest::collection::vec((12..120_usize, any::<u8>()), 0..4),
        limit in 512..1300_usize,
        turn in any::<u32>(),
    ) {
        let query = query("web.example", kind::A, true);
        let heard = Heard::read(&query, false, "127.0.0.1:1".parse().unwrap());
        let mut message = reply(&heard, Rcode::NOERROR, [
            &[cname("web.example", "b.other"), a("b.other", 60, [1, 1, 1, 1]), a("b.other", 60, [2, 2, 2, 2])],
            &[soa("other", 60, 60)],
            &[a("a.other", 60, [3, 3, 3, 3])],
        ]);
        for (at, byte) in spoiled {
            let at = at % message.len();
            message[at] = byte;
        }
        let cache = Cache::new(plan::Cache::default(), 1 << 20);
        let answer = Answer {
            message: Arc::from(message),
            rcode: Rcode::NOERROR,
            upstream: None,
            took: std::time::Duration::ZERO,
            stale: false,
        };
        cache.keep(&question("web.example", kind::A), &answer, 1);
        let asked = read(&query).ok().unwrap();
        let mut out = [0; 4096];
        let mut room = Reply::new(&asked, &mut out, limit, 1232, b"");
        cache.answer(&asked, &mut room, 3, Some(turn));
        let length = room.finish(Rcode::NOERROR);
        prop_assert!(length <= limit);
    }
}
