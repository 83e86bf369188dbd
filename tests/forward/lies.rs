//! Upstreams, and those who pretend to be one, that say what is not so.

use std::sync::Arc;
use std::time::Duration;

use slipway::dns::forward::cache::{Cache, seconds};
use slipway::dns::forward::{Failure, Question};
use slipway::dns::wire::{Rcode, kind};
use tokio::time::Instant;

use super::fake::Act::{Close, Raw, Say};
use super::fake::*;

/// The address that liars tell.
const FORGED: [u8; 4] = [6, 6, 6, 6];
const TRUE: [u8; 4] = [192, 0, 2, 1];

/// What a liar does.
type Manner = fn(&Heard) -> Vec<Act>;

/// Changes an honest reply.
type Spoil = fn(&Heard, &mut Vec<u8>);

const NOT_FOR_US: [(&str, Spoil); 5] = [
    ("another id", |_, message| message[0] ^= 1),
    ("a query", |_, message| message[2] &= 0x7f),
    ("another operation", |_, message| message[2] |= 0x10),
    ("another name", |_, message| message[13] ^= 3),
    ("another type", |heard, message| message[12 + heard.name.as_wire().len() + 1] = 28),
];

#[tokio::test]
async fn what_is_for_another_question_is_passed_over_until_the_answer_comes() {
    for (what, spoil) in NOT_FOR_US {
        let fake = Fake::new(move |heard| {
            let mut lie = honest(heard, FORGED);
            spoil(heard, &mut lie);
            vec![Say(lie), Say(b"short".to_vec()), Say(honest(heard, TRUE))]
        })
        .await;
        assert_eq!(address(&ask(&to(&[&fake]), "web.example").await), TRUE, "{what}");
        assert_eq!(fake.heard().len(), 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_only_says_what_is_for_another_question_is_given_up_and_others_are_not_held_up() {
    for (what, spoil) in NOT_FOR_US {
        let fake = Fake::new(move |heard| {
            let mut lie = honest(heard, FORGED);
            if heard.is("lie.example") {
                spoil(heard, &mut lie);
            }
            vec![Say(lie)]
        })
        .await;
        let forwarder = to(&[&fake]);
        let began = Instant::now();
        let (lie, other) = tokio::join!(ask(&forwarder, "lie.example"), ask(&forwarder, "web.example"));
        let Err(Failure::Silent(said)) = lie else { panic!("{what}: {lie:?}") };
        assert!(said[0].1.contains("does not answer"), "{what}: {said:?}");
        assert!(began.elapsed() < Duration::from_millis(5100), "{what}");
        assert_eq!(address(&other), FORGED, "{what}");
    }
}

#[tokio::test]
async fn a_forgery_in_another_case_is_looked_into_over_tcp_and_case_counts_from_then_on() {
    let fake = Fake::new(|heard| {
        let mut lie = honest(heard, FORGED);
        lie[12..12 + heard.name.as_wire().len()].make_ascii_lowercase();
        if heard.stream || heard.is("free-of-forgeries-and-with-letters.example") {
            vec![Say(honest(heard, TRUE))]
        } else {
            vec![Say(lie), Say(honest(heard, TRUE))]
        }
    })
    .await;
    let forwarder = to(&[&fake]);
    assert_eq!(address(&ask(&forwarder, "a-name-with-many-letters.example").await), TRUE);
    assert_eq!(address(&ask(&forwarder, "free-of-forgeries-and-with-letters.example").await), TRUE);
    let streams: Vec<_> = fake.heard().iter().map(|heard| heard.stream).collect();
    assert_eq!(streams, [false, true, false]);
}

/// What comes of an answer with these sections.
async fn outcome(sections: [Vec<Vec<u8>>; 3], kind: u16) -> Result<Vec<String>, String> {
    let fake = Fake::new(move |heard| {
        let [answer, authority, additional] = &sections;
        vec![Say(reply(heard, Rcode::NOERROR, [answer, authority, additional]))]
    })
    .await;
    match to(&[&fake]).ask(&question("web.example", kind)).await {
        Ok(answer) => Ok(shown(&answer.message)),
        Err(Failure::Silent(said)) => Err(said[0].1.clone()),
        Err(failure) => panic!("{failure:?}"),
    }
}

#[tokio::test]
async fn answers_follow_aliases_from_the_question_and_nothing_else() {
    let web = || a("web.example", 60, TRUE);
    let fine = [
        vec![web()],
        vec![cname("web.example", "B.other"), cname("b.other", "c.other"), a("c.other", 60, TRUE)],
        vec![a("c.other", 60, TRUE), cname("web.example", "c.other")],
        vec![cname("web.example", "c.other")],
        vec![],
        vec![
            rr("example", kind::DNAME, 60, b"\x05other\0"),
            cname("web.example", "web.other"),
            a("web.other", 60, TRUE),
        ],
        vec![cname("web.example", "b.other"), cname("b.other", "web.example")],
        vec![web(), rr("web.example", kind::RRSIG, 60, &[&[0; 18][..], b"\0sig"].concat())],
    ];
    for answer in fine {
        let said = outcome([answer.clone(), vec![], vec![]], kind::A).await;
        assert_eq!(said.map(|lines| lines.len()), Ok(answer.len()), "{answer:?}");
    }
    let forged = [
        vec![web(), a("bank.example", 60, FORGED)],
        vec![a("bank.example", 60, FORGED)],
        vec![cname("bank.example", "web.example"), web()],
        vec![cname("web.example", "b.other"), a("c.other", 60, FORGED)],
        vec![cname("web.example", "b.other"), cname("c.other", "d.other")],
        vec![web(), rr("other", kind::DNAME, 60, b"\x03bad\0")],
        vec![web(), rr("web.example", kind::DNAME, 60, b"\x03bad\0"), a("x.web.example", 60, FORGED)],
        vec![web(), a("example", 60, FORGED)],
    ];
    for answer in forged {
        let said = outcome([answer.clone(), vec![], vec![]], kind::A).await;
        assert_eq!(said, Err("sent records of names that were not asked for".into()), "{answer:?}");
    }
    let mut chain: Vec<_> =
        (0..40).map(|n| cname(&format!("n{n}.example"), &format!("n{}.example", n + 1))).collect();
    chain.insert(0, cname("web.example", "n0.example"));
    assert_eq!(outcome([chain, vec![], vec![]], kind::A).await, Err("sent too many aliases".into()));
}

#[tokio::test]
async fn records_of_other_types_and_zones_are_left_out() {
    let web = a("web.example", 60, TRUE);
    let said =
        outcome([vec![web.clone(), rr("web.example", kind::TXT, 60, b"\x01x")], vec![], vec![]], kind::A)
            .await;
    assert_eq!(said.unwrap(), ["Answer web.example. 60 1 192.0.2.1"]);
    let ns = |owner: &str| rr(owner, kind::NS, 60, b"\x02ns\x04evil\0");
    let authority = vec![ns("example"), ns("bank"), soa("bank", 60, 60), a("example", 60, FORGED)];
    let said = outcome([vec![web], authority, vec![]], kind::A).await;
    assert_eq!(said.unwrap(), ["Answer web.example. 60 1 192.0.2.1", "Authority example. 60 2 ns.evil."]);
}

#[tokio::test]
async fn additional_records_are_kept_only_where_all_are_named_by_the_answer() {
    let srv = rr("web.example", kind::SRV, 60, b"\0\0\0\0\0\x50\x01A\x07example\0");
    let named = a("a.example", 60, TRUE);
    let said = outcome([vec![srv.clone()], vec![], vec![named.clone()]], kind::SRV).await;
    assert_eq!(
        said.unwrap(),
        ["Answer web.example. 60 33 a.example.", "Additional a.example. 60 1 192.0.2.1"]
    );
    for forged in [a("bank.example", 60, FORGED), rr("a.example", kind::NS, 60, b"\x04evil\0")] {
        let said = outcome([vec![srv.clone()], vec![], vec![named.clone(), forged]], kind::SRV).await;
        assert_eq!(said.unwrap(), ["Answer web.example. 60 33 a.example."]);
    }
    let web = a("web.example", 60, TRUE);
    let said = outcome([vec![web], vec![], vec![a("web.example", 60, FORGED)]], kind::A).await;
    assert_eq!(said.unwrap(), ["Answer web.example. 60 1 192.0.2.1"]);
}

#[tokio::test]
async fn a_forged_answer_makes_the_next_upstream_be_asked() {
    let liar = Fake::new(|heard| {
        let records = [a(&heard.name.to_string(), 60, FORGED), a("bank.example", 60, FORGED)];
        vec![Say(reply(heard, Rcode::NOERROR, [&records, &[], &[]]))]
    })
    .await;
    let honest = Fake::honest(TRUE).await;
    assert_eq!(address(&ask(&to(&[&liar, &honest]), "web.example").await), TRUE);
}

#[tokio::test]
async fn a_name_that_was_made_of_a_records_time_stays_when_that_is_counted_down() {
    let fake = Fake::new(|heard| {
        let mut message = reply(heard, Rcode::NOERROR, [&[], &[], &[]]);
        message[7] = 2;
        let time = u8::try_from(message.len() + 6).unwrap();
        // The alias leads to where its own time stands: `\x02ab\0`.
        message.extend(b"\xc0\x0c\0\x05\0\x01\x02ab\0\0\x02\xc0");
        message.push(time);
        message.extend(a("ab", 60, TRUE));
        vec![Say(message)]
    })
    .await;
    let cache = Arc::new(Cache::new(slipway::dns::plan::Cache::default(), 1 << 20));
    let wanted = question("web.example", kind::A);
    let answer = forwarder(plan(&[fake.address]), Some(cache.clone())).ask(&wanted).await.unwrap();
    assert_eq!(shown(&answer.message), ["Answer web.example. 60 5 ab.", "Answer ab. 60 1 192.0.2.1"]);
    let later = cache.find(&wanted, seconds() + 10).unwrap();
    assert!(shown(&later.message)[0].ends_with("5 ab."), "{:?}", shown(&later.message));
}

#[tokio::test(start_paused = true)]
async fn lies_over_tcp_end_in_silence_and_the_next_upstream_is_asked() {
    let lies: [(&str, Manner); 8] = [
        ("closes", |_| vec![Close]),
        ("closes in the middle", |heard| vec![Raw([&b"\0\x64"[..], &honest(heard, FORGED)].concat()), Close]),
        ("never ends", |heard| vec![Raw([&b"\xff\xff"[..], &honest(heard, FORGED)].concat())]),
        ("too short", |_| vec![Raw(b"\0\x05hello".to_vec())]),
        ("nothing", |_| vec![Raw(b"\0\0".to_vec())]),
        ("another id", |heard| {
            let mut message = honest(heard, FORGED);
            message[0] ^= 1;
            vec![Say(message)]
        }),
        ("truncated", |heard| {
            let mut message = honest(heard, FORGED);
            message[2] |= 2;
            vec![Say(message)]
        }),
        ("silent", |_| vec![]),
    ];
    for (what, lie) in lies {
        let liar = Fake::new(lie).await;
        let good = Fake::honest(TRUE).await;
        let mut alone = plan(&[liar.address]);
        alone.force_tcp = true;
        let began = Instant::now();
        let failure = ask(&forwarder(alone.clone(), None), "web.example").await.unwrap_err();
        assert!(matches!(failure, Failure::Silent(_)), "{what}");
        assert!(began.elapsed() <= Duration::from_millis(5100), "{what}: {:?}", began.elapsed());
        let mut both = plan(&[liar.address, good.address]);
        both.force_tcp = true;
        assert_eq!(address(&ask(&forwarder(both, None), "web.example").await), TRUE, "{what}");
    }
}

#[tokio::test]
async fn what_is_left_on_a_connection_is_no_answer_to_the_next_query() {
    let fake = Fake::new(|heard| {
        let mut more = honest(heard, FORGED);
        more[..2].copy_from_slice(b"\0\0");
        vec![Say(honest(heard, TRUE)), Say(more)]
    })
    .await;
    let mut plan = plan(&[fake.address]);
    plan.force_tcp = true;
    let forwarder = forwarder(plan, None);
    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(address(&ask(&forwarder, name).await), TRUE);
    }
}

#[tokio::test]
async fn a_denial_keeps_its_proof_only_for_who_asked_for_it() {
    let nsec = rr("a.example", 47, 60, b"\x01z\x07example\0\0\x01\x40");
    let fake = Fake::new(move |heard| {
        vec![Say(reply(heard, Rcode::NXDOMAIN, [&[], &[soa("example", 60, 60), nsec.clone()], &[]]))]
    })
    .await;
    let forwarder = to(&[&fake]);
    let lines = |dnssec| {
        let forwarder = forwarder.clone();
        async move {
            let wanted = Question { dnssec, ..question("web.example", kind::A) };
            shown(&forwarder.ask(&wanted).await.unwrap().message).len()
        }
    };
    assert_eq!((lines(false).await, lines(true).await), (1, 2));
}
