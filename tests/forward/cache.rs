//! What the cache keeps, for how long, and how it says it.

use std::sync::Arc;
use std::time::Duration;

use slipway::dns::forward::cache::{Cache, Hit};
use slipway::dns::forward::{Answer, Question};
use slipway::dns::plan::{self, Prefetch};
use slipway::dns::wire::name::Name;
use slipway::dns::wire::question::read;
use slipway::dns::wire::reply::Reply;
use slipway::dns::wire::{Rcode, kind};

use super::fake::*;

const MIB: usize = 1 << 20;

/// A query for a name as it is written here.
pub fn query(name: &str, kind: u16, edns: bool) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend([kind.to_be_bytes(), [0, 1]].concat());
    if edns {
        message.extend(b"\0\0\x29\x10\0\0\0\0\0\0\0");
    }
    message
}

/// An answer as the forwarder gives it.
pub fn answer(name: &str, kind: u16, rcode: Rcode, sections: [&[Vec<u8>]; 3]) -> (Question, Answer) {
    let heard = Heard::read(&query(name, kind, false), false, "127.0.0.1:1".parse().unwrap());
    let message: Arc<[u8]> = reply(&heard, rcode, sections).into();
    (question(name, kind), Answer { message, rcode, upstream: None, took: Duration::ZERO, stale: false })
}

fn keep(cache: &Cache, name: &str, records: &[Vec<u8>], now: u32) {
    let (question, answer) = answer(name, kind::A, Rcode::NOERROR, [records, &[], &[]]);
    cache.keep(&question, &answer, now);
}

fn one(ttl: u32) -> Vec<Vec<u8>> {
    vec![a("web.example", ttl, [192, 0, 2, 1])]
}

struct Told {
    hit: Hit,
    message: Vec<u8>,
}

impl Told {
    fn lines(&self) -> Vec<String> {
        shown(&self.message)
    }

    /// The time of the first record; `None`: not found.
    fn ttl(&self) -> Option<u32> {
        (self.hit != Hit::Miss).then(|| self.lines()[0].split(' ').nth(2).unwrap().parse().unwrap())
    }
}

fn told(cache: &Cache, query: &[u8], now: u32, limit: usize, turn: Option<u32>) -> Told {
    let asked = read(query).ok().unwrap();
    let mut out = [0; 4096];
    let mut room = Reply::new(&asked, &mut out, limit, 1232, b"");
    let hit = cache.answer(&asked, &mut room, now, turn);
    let rcode = match hit {
        Hit::Fresh(rcode) | Hit::Refresh(rcode) => rcode,
        Hit::Miss => Rcode::NOERROR,
    };
    let length = room.finish(rcode);
    Told { hit, message: out[..length].to_vec() }
}

fn ttl(cache: &Cache, now: u32) -> Option<u32> {
    told(cache, &query("web.example", kind::A, false), now, 512, None).ttl()
}

fn found(cache: &Cache, name: &str, now: u32) -> bool {
    told(cache, &query(name, kind::A, false), now, 512, None).hit != Hit::Miss
}

#[test]
fn times_are_counted_down_and_end() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    assert_eq!(ttl(&cache, 100), None);
    keep(&cache, "web.example", &[cname("web.example", "b.other"), a("b.other", 30, [192, 0, 2, 1])], 100);
    let said = told(&cache, &query("wEb.Example", kind::A, false), 110, 512, None);
    assert_eq!(said.hit, Hit::Fresh(Rcode::NOERROR));
    // As in CoreDNS all records have the time of the shortest.
    assert_eq!(said.lines(), ["Answer web.example. 20 5 b.other.", "Answer b.other. 20 1 192.0.2.1"]);
    assert_eq!(&said.message[12..25], b"\x03wEb\x07Example\0");
    assert_eq!(&said.message[2..4], b"\x81\x80");
    assert_eq!((ttl(&cache, 129), ttl(&cache, 130), ttl(&cache, 5000)), (Some(1), None, None));
    assert_eq!(cache.find(&question("web.example", kind::A), 120).unwrap().message.len(), said.message.len());
    let figures = cache.figures();
    assert_eq!((figures.hits, figures.misses, cache.entries()), ([2, 0], 3, (1, 0)));
}

#[test]
fn times_are_kept_within_bounds_or_as_they_are() {
    let with = |change: &dyn Fn(&mut plan::Cache), ttl_said| {
        let mut plan = plan::Cache::default();
        change(&mut plan);
        let cache = Cache::new(plan, MIB);
        keep(&cache, "web.example", &one(ttl_said), 0);
        [0, 4, 29].map(|now| ttl(&cache, now))
    };
    assert_eq!(with(&|_| {}, 1_000_000), [Some(3600), Some(3596), Some(3571)]);
    assert_eq!(with(&|_| {}, 0), [Some(5), Some(1), None]);
    assert_eq!(with(&|plan| plan.success.max_ttl = 30, 600), [Some(30), Some(26), Some(1)]);
    assert_eq!(with(&|plan| plan.success.min_ttl = 30, 5), [Some(30), Some(26), Some(1)]);
    assert_eq!(with(&|plan| plan.keep_ttl = true, 30), [Some(30), Some(30), Some(30)]);
}

#[test]
fn the_first_answer_has_the_time_for_which_it_is_kept() {
    let mut plan = plan::Cache::default();
    plan.success.max_ttl = 30;
    let cache = Cache::new(plan, MIB);
    let (question, said) = answer("web.example", kind::A, Rcode::NOERROR, [&one(600), &[], &[]]);
    assert_eq!(shown(&cache.take(&question, said, 0).message), ["Answer web.example. 30 1 192.0.2.1"]);
}

#[test]
fn denials_last_as_long_as_their_soa_says_and_failures_for_seconds() {
    let kept = |rcode, authority: &[Vec<u8>]| {
        let cache = Cache::new(plan::Cache::default(), MIB);
        let (question, answer) = answer("web.example", kind::A, rcode, [&[], authority, &[]]);
        cache.keep(&question, &answer, 0);
        let until = (0..4000).find(|now| !found(&cache, "web.example", *now)).unwrap();
        (until, cache.entries())
    };
    assert_eq!(kept(Rcode::NXDOMAIN, &[soa("example", 300, 60)]), (60, (0, 1)));
    assert_eq!(kept(Rcode::NOERROR, &[soa("example", 40, 60)]), (40, (0, 1)));
    assert_eq!(kept(Rcode::NXDOMAIN, &[soa("example", 90_000, 90_000)]), (1800, (0, 1)));
    assert_eq!(kept(Rcode::NXDOMAIN, &[]), (5, (0, 1)));
    assert_eq!(kept(Rcode::SERVFAIL, &[]), (5, (0, 1)));
    assert_eq!(kept(Rcode::REFUSED, &[]), (0, (0, 0)));
    let cache = Cache::new(plan::Cache::default(), MIB);
    let (question, said) =
        answer("web.example", kind::A, Rcode::NXDOMAIN, [&[], &[soa("example", 60, 60)], &[]]);
    cache.keep(&question, &said, 0);
    let told = told(&cache, &query("web.example", kind::A, false), 10, 512, None);
    assert_eq!(told.hit, Hit::Fresh(Rcode::NXDOMAIN));
    assert!(told.lines()[0].starts_with("Authority example. 50 6 "), "{:?}", told.lines());
    let none = plan::Cache { servfail: 0, ..plan::Cache::default() };
    let cache = Cache::new(none, MIB);
    let (question, said) = answer("web.example", kind::A, Rcode::SERVFAIL, [&[], &[], &[]]);
    cache.keep(&question, &said, 0);
    assert_eq!(cache.entries(), (0, 0));
}

#[test]
fn a_failure_does_not_take_the_place_of_an_answer_that_is_still_good() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    keep(&cache, "web.example", &one(30), 0);
    let (question, failed) = answer("web.example", kind::A, Rcode::SERVFAIL, [&[], &[], &[]]);
    cache.keep(&question, &failed, 10);
    assert_eq!(ttl(&cache, 11), Some(19));
    cache.keep(&question, &failed, 30);
    assert_eq!(cache.find(&question, 31).unwrap().rcode, Rcode::SERVFAIL);
}

#[test]
fn names_types_and_dnssec_wishes_are_told_apart_and_truncated_answers_not_kept() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    keep(&cache, "web.example", &one(30), 0);
    assert!(found(&cache, "web.example", 1));
    for other in ["eb.example", "web.example.com", "example"] {
        assert!(!found(&cache, other, 1), "{other}");
    }
    let miss = |query: &[u8]| told(&cache, query, 1, 512, None).hit == Hit::Miss;
    assert!(miss(&query("web.example", kind::AAAA, false)));
    let mut dnssec = query("web.example", kind::A, true);
    assert!(!miss(&dnssec));
    let at = dnssec.len() - 4;
    dnssec[at] = 0x80;
    assert!(miss(&dnssec));
    let mut unchecked = query("web.example", kind::A, false);
    unchecked[3] |= 0x10;
    assert!(miss(&unchecked));
    let mut chaos = query("web.example", kind::A, false);
    *chaos.last_mut().unwrap() = 3;
    assert!(miss(&chaos));
    let (question, mut cut) = answer("cut.example", kind::A, Rcode::NOERROR, [&[], &[], &[]]);
    let mut message = cut.message.to_vec();
    message[2] |= 2;
    cut.message = message.into();
    cache.keep(&question, &cut, 0);
    assert!(!found(&cache, "cut.example", 1));
}

#[test]
fn zones_choose_what_is_kept() {
    let name = |text| Name::parse(text).unwrap();
    let mut plan = plan::Cache { zones: vec![name("example")], ..plan::Cache::default() };
    plan.success.disabled = vec![name("off.example")];
    let cache = Cache::new(plan, MIB);
    for (at, kept) in [("a.example", true), ("a.off.example", false), ("a.other", false)] {
        keep(&cache, at, &[a(at, 30, [192, 0, 2, 1])], 0);
        assert_eq!(found(&cache, at, 1), kept, "{at}");
    }
}

#[test]
fn authentic_data_is_told_to_who_wants_to_know() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    let (question, mut said) = answer("web.example", kind::A, Rcode::NOERROR, [&one(30), &[], &[]]);
    let mut message = said.message.to_vec();
    message[3] |= 0x20;
    said.message = message.into();
    cache.keep(&question, &said, 0);
    let mut query = query("web.example", kind::A, false);
    assert_eq!(told(&cache, &query, 1, 512, None).message[3], 0x80);
    query[3] |= 0x20;
    assert_eq!(told(&cache, &query, 1, 512, None).message[3], 0xa0);
}

#[test]
fn addresses_begin_elsewhere_each_time_and_aliases_stay_first() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    let mut records = vec![cname("web.example", "b.other")];
    records.extend((1..=3).map(|n| a("b.other", 30, [192, 0, 2, n])));
    keep(&cache, "web.example", &records, 0);
    for turn in 0..7 {
        let lines = told(&cache, &query("web.example", kind::A, false), 0, 512, Some(turn)).lines();
        let address = |at: u32| format!("Answer b.other. 30 1 192.0.2.{}", (turn + at) % 3 + 1);
        assert_eq!(lines[0], "Answer web.example. 30 5 b.other.");
        assert_eq!(lines[1..], [address(0), address(1), address(2)]);
    }
}

#[test]
fn what_does_not_fit_is_left_out_from_the_end_and_truncated_without_its_answers() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    let many: Vec<_> = (0..20).map(|n| a("web.example", 30, [192, 0, 2, n])).collect();
    let extra: Vec<_> = (0..20).map(|n| a("x.example", 30, [192, 0, 2, n])).collect();
    let (question, said) = answer(
        "web.example",
        kind::A,
        Rcode::NOERROR,
        [&many, &[rr("example", kind::NS, 30, b"\x02ns\0")], &extra],
    );
    cache.keep(&question, &said, 0);
    let query = query("web.example", kind::A, true);
    let counts = |limit| {
        let message = told(&cache, &query, 1, limit, Some(3)).message;
        (message[2] & 2, message[7], message[9], message[11])
    };
    assert_eq!(counts(1232), (0, 20, 1, 21));
    assert_eq!(counts(700), (0, 20, 1, 1));
    assert_eq!(counts(590), (0, 20, 0, 1));
    assert_eq!(counts(512), (2, 0, 0, 1));
}

#[test]
fn capacities_bound_answers_and_denials_apart() {
    let mut plan = plan::Cache::default();
    (plan.success.capacity, plan.denial.capacity) = (1000, 300);
    let cache = Cache::new(plan, 64 * MIB);
    for n in 0..5000 {
        keep(&cache, &format!("n{n}.example"), &one(30), 0);
        let (question, said) =
            answer(&format!("d{n}.example"), kind::A, Rcode::NXDOMAIN, [&[], &[soa("example", 60, 60)], &[]]);
        cache.keep(&question, &said, 0);
    }
    let (success, denial) = cache.entries();
    assert!((800..=1000).contains(&success) && (240..=300).contains(&denial), "{success} {denial}");
    let [gone, denied] = cache.figures().evictions;
    assert_eq!((gone as usize + success, denied as usize + denial), (5000, 5000));
}

#[test]
fn what_is_in_use_stays_longer() {
    let mut plan = plan::Cache::default();
    plan.success.capacity = 50;
    let cache = Cache::new(plan, MIB);
    keep(&cache, "web.example", &one(3600), 0);
    for n in 0..1000 {
        keep(&cache, &format!("n{n}.example"), &one(3600), 0);
        assert!(found(&cache, "web.example", 1), "after {n}");
    }
}

#[test]
fn bytes_are_bounded() {
    let cache = Cache::new(plan::Cache::default(), MIB);
    let large = rr("web.example", kind::A, 60, &[0; 4]);
    let large: Vec<_> = std::iter::repeat_n(large, 200).collect();
    for n in 0..2000 {
        keep(&cache, &format!("n{n}.example"), &large, 0);
        assert!(cache.figures().bytes <= MIB);
    }
    assert!(cache.entries().0 > 50, "{:?}", cache.entries());
    let huge: Vec<_> = std::iter::repeat_n(rr("web.example", kind::A, 60, &[0; 4]), 2000).collect();
    let tiny = Cache::new(plan::Cache::default(), 10_000);
    keep(&tiny, "web.example", &huge, 0);
    assert_eq!(tiny.entries(), (0, 0));
}

#[test]
fn an_entry_in_demand_is_asked_for_again_before_its_end() {
    let prefetch = Prefetch { amount: 3, within: Duration::from_secs(20), percentage: 10 };
    let plan = plan::Cache { prefetch: Some(prefetch), ..plan::Cache::default() };
    let cache = Cache::new(plan.clone(), MIB);
    keep(&cache, "web.example", &one(100), 0);
    let hit = |cache: &Cache, now| told(cache, &query("web.example", kind::A, false), now, 512, None).hit;
    let (fresh, again) = (Hit::Fresh(Rcode::NOERROR), Hit::Refresh(Rcode::NOERROR));
    assert_eq!([70, 80, 89].map(|now| hit(&cache, now)), [fresh; 3]);
    assert_eq!([90, 90, 91].map(|now| hit(&cache, now)), [again, fresh, again]);
    keep(&cache, "web.example", &one(100), 91);
    assert_eq!([92, 181, 182].map(|now| hit(&cache, now)), [fresh; 3], "the pause was longer than 20 s");
    assert_eq!(cache.figures().prefetches, 2);
    let once = Cache::new(plan, MIB);
    keep(&once, "web.example", &one(100), 0);
    assert_eq!([95, 96].map(|now| hit(&once, now)), [fresh; 2]);
}

#[test]
fn an_answer_fills_a_reply_as_the_cache_does() {
    let records: Vec<_> = (1..=3).map(|n| a("web.example", 30, [192, 0, 2, n])).collect();
    let (_, said) = answer("web.example", kind::A, Rcode::NOERROR, [&records, &[], &[]]);
    let query = query("Web.example", kind::A, false);
    let asked = read(&query).ok().unwrap();
    let mut out = [0; 512];
    let mut room = Reply::new(&asked, &mut out, 512, 1232, b"");
    assert!(said.fill(&mut room, Some(1), false));
    let length = room.finish(said.rcode);
    assert_eq!(shown(&out[..length])[0], "Answer web.example. 30 1 192.0.2.2");
}
