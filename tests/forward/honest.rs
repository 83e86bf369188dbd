//! Upstreams that answer: slowly, in parts, in their own way.

use std::time::Duration;

use slipway::dns::forward::Failure;
use slipway::dns::wire::{Rcode, kind};
use tokio::time::Instant;

use super::fake::Act::{Say, Wait};
use super::fake::*;

#[tokio::test]
async fn an_answer_comes_with_the_question_in_lower_case_and_without_opt() {
    let fake = Fake::new(|heard| {
        let mut message = reply(heard, Rcode::NOERROR, [&[a("web.example", 60, [192, 0, 2, 1])], &[], &[]]);
        message[11] = 1;
        message.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
        vec![Say(message)]
    })
    .await;
    let answer = ask(&to(&[&fake]), "Web.Example").await.unwrap();
    assert_eq!(shown(&answer.message), ["Answer web.example. 60 1 192.0.2.1"]);
    assert_eq!(&answer.message[..12], b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0");
    assert_eq!(&answer.message[12..25], b"\x03web\x07example\0");
    assert_eq!(answer.upstream.unwrap().address, fake.address);
}

#[tokio::test]
async fn queries_have_edns_and_come_with_random_ports_ids_and_letters() {
    let fake = Fake::honest([192, 0, 2, 1]).await;
    let forwarder = to(&[&fake]);
    let name = "a-long-name-with-many-letters.example";
    for _ in 0..4 {
        ask(&forwarder, name).await.unwrap();
    }
    let mut wanted = question(name, kind::A);
    (wanted.dnssec, wanted.unchecked) = (true, true);
    forwarder.ask(&wanted).await.unwrap();
    let heard = fake.heard();
    let tail = |at: usize| heard[at].message[heard[at].message.len() - 11..].to_vec();
    assert_eq!(tail(0), b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    assert_eq!(tail(4), b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    assert_eq!((heard[0].message[3] & 0x10, heard[4].message[3] & 0x10), (0, 0x10));
    let different = |of: &dyn Fn(&Heard) -> Vec<u8>| {
        let mut all: Vec<_> = heard.iter().map(of).collect();
        all.sort();
        all.dedup();
        all.len()
    };
    assert!(different(&|heard| heard.message[..2].to_vec()) > 3, "ids");
    assert!(different(&|heard| heard.from.port().to_be_bytes().to_vec()) > 3, "ports");
    assert!(different(&|heard| heard.question().to_vec()) > 3, "letters");
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp_and_the_connection_kept() {
    let fake = Fake::new(|heard| {
        let mut message = honest(heard, [192, 0, 2, 1]);
        if !heard.stream {
            message[2] |= 2;
        }
        vec![Say(message)]
    })
    .await;
    let forwarder = to(&[&fake]);
    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(address(&ask(&forwarder, name).await), [192, 0, 2, 1]);
    }
    let streams: Vec<_> = fake.heard().into_iter().filter(|heard| heard.stream).collect();
    assert_eq!(streams.len(), 3);
    assert!(streams.iter().all(|heard| heard.from == streams[0].from), "one connection");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_too_long_or_was_closed_is_replaced() {
    let fake = Fake::new(|heard| {
        let message = honest(heard, [192, 0, 2, 1]);
        if heard.is("last.example") { vec![Say(message), Act::Close] } else { vec![Say(message)] }
    })
    .await;
    let mut plan = plan(&[fake.address]);
    plan.force_tcp = true;
    let forwarder = forwarder(plan, None);
    for name in ["a.example", "last.example", "b.example"] {
        ask(&forwarder, name).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    ask(&forwarder, "c.example").await.unwrap();
    let ports: Vec<_> = fake.heard().iter().map(|heard| heard.from.port()).collect();
    assert_eq!(ports.len(), 4);
    assert!(fake.heard().iter().all(|heard| heard.stream));
    assert_eq!(ports[0], ports[1]);
    assert_ne!(ports[1], ports[2], "closed by the other side");
    assert_ne!(ports[2], ports[3], "idle for more than 10 s");
}

#[tokio::test]
async fn an_upstream_that_does_not_keep_the_case_is_asked_over_tcp_from_then_on() {
    let fake = Fake::new(|heard| vec![Say(lowered(heard))]).await;
    let forwarder = to(&[&fake]);
    for name in ["a-name-with-letters.example", "another-name-with-letters.example"] {
        assert_eq!(address(&ask(&forwarder, name).await), [192, 0, 2, 7]);
    }
    let streams: Vec<_> = fake.heard().iter().map(|heard| heard.stream).collect();
    assert_eq!(streams, [false, true, true]);
}

#[tokio::test]
async fn an_upstream_without_case_and_without_tcp_is_asked_over_udp_in_lower_case() {
    let fake = Fake::without_tcp(|heard| vec![Say(lowered(heard))]).await;
    let forwarder = to(&[&fake]);
    for name in ["a-name-with-letters.example", "another-name-with-letters.example"] {
        assert_eq!(address(&ask(&forwarder, name).await), [192, 0, 2, 7]);
    }
    assert_eq!(fake.heard().len(), 3);
}

fn lowered(heard: &Heard) -> Vec<u8> {
    let mut message = honest(heard, [192, 0, 2, 7]);
    message[12..12 + heard.name.as_wire().len()].make_ascii_lowercase();
    message
}

#[tokio::test]
async fn an_upstream_that_knows_no_edns_is_asked_without_from_then_on() {
    let fake = Fake::new(|heard| {
        if heard.message[11] == 0 {
            return vec![Say(honest(heard, [192, 0, 2, 1]))];
        }
        vec![Say([&heard.message[..2], b"\x81\x81\0\0\0\0\0\0\0\0"].concat())]
    })
    .await;
    let forwarder = to(&[&fake]);
    for name in ["a.example", "b.example"] {
        assert_eq!(address(&ask(&forwarder, name).await), [192, 0, 2, 1]);
    }
    assert_eq!(fake.heard().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_upstream_is_waited_for_and_others_are_not_held_up() {
    let fake = Fake::new(|heard| {
        let message = honest(heard, [192, 0, 2, 1]);
        if heard.is("slow.example") {
            vec![Wait(Duration::from_millis(1900)), Say(message)]
        } else {
            vec![Say(message)]
        }
    })
    .await;
    let forwarder = to(&[&fake]);
    let began = Instant::now();
    let slow = async {
        assert_eq!(address(&ask(&forwarder, "slow.example").await), [192, 0, 2, 1]);
        began.elapsed()
    };
    let quick = async {
        ask(&forwarder, "quick.example").await.unwrap();
        began.elapsed()
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert!(slow >= Duration::from_millis(1900), "{slow:?}");
    assert!(quick < Duration::from_millis(100), "{quick:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_ends_in_silence_within_five_seconds_and_says_so() {
    let (silent, honest) = (Fake::silent().await, Fake::honest([192, 0, 2, 1]).await);
    let began = Instant::now();
    let failure = ask(&to(&[&silent]), "web.example").await.unwrap_err();
    assert!(began.elapsed() <= Duration::from_millis(5100), "{:?}", began.elapsed());
    let Failure::Silent(said) = failure else { panic!("{failure:?}") };
    assert_eq!((said[0].0.address, said[0].1.as_str()), (silent.address, "no answer in time"));
    let began = Instant::now();
    assert_eq!(address(&ask(&to(&[&silent, &honest]), "web.example").await), [192, 0, 2, 1]);
    assert!(began.elapsed() <= Duration::from_millis(2100), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_dead_upstream_is_noticed_at_once() {
    let dead = Fake::silent().await;
    let gone = dead.address;
    drop(dead);
    let honest = Fake::honest([192, 0, 2, 1]).await;
    let began = std::time::Instant::now();
    let two = forwarder(plan(&[gone, honest.address]), None);
    assert_eq!(address(&ask(&two, "web.example").await), [192, 0, 2, 1]);
    let failure = ask(&forwarder(plan(&[gone]), None), "web.example").await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let Failure::Silent(said) = failure else { panic!("{failure:?}") };
    assert!(said[0].1.contains("nothing listens there"), "{said:?}");
}

#[tokio::test]
async fn codes_of_upstreams_come_through_and_failover_asks_the_next_one() {
    let coded = |rcode: Rcode| Fake::new(move |heard| vec![Say(reply(heard, rcode, [&[], &[], &[]]))]);
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::NOTIMP, Rcode::NXDOMAIN] {
        let fake = coded(rcode).await;
        assert_eq!(ask(&to(&[&fake]), "web.example").await.unwrap().rcode, rcode);
    }
    let (failing, honest) = (coded(Rcode::SERVFAIL).await, Fake::honest([192, 0, 2, 1]).await);
    let mut plan = plan(&[failing.address, honest.address]);
    let plain = forwarder(plan.clone(), None);
    assert_eq!(ask(&plain, "web.example").await.unwrap().rcode, Rcode::SERVFAIL);
    plan.failover = vec![Rcode::SERVFAIL];
    assert_eq!(address(&ask(&forwarder(plan.clone(), None), "web.example").await), [192, 0, 2, 1]);
    plan.to.truncate(1);
    assert_eq!(ask(&forwarder(plan, None), "web.example").await.unwrap().rcode, Rcode::SERVFAIL);
}
