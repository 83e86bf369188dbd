use super::*;

const TTL: Duration = Duration::from_secs(30);

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn candidate(identity: &str) -> Candidate {
    Candidate::new(Key::new("ingress", "slipway-leader"), identity.into(), TTL)
}

/// A Lease as another would have written it at `wall` seconds.
fn lease(holder: &str, wall: i64, version: u32) -> Lease {
    let mut lease = candidate(holder).claim(None, Timestamp::from_second(wall).unwrap());
    lease.metadata.resource_version = Some(version.to_string());
    lease
}

fn holder_of(act: &Act) -> Option<&str> {
    match act {
        Act::Create(lease) | Act::Replace(lease) => Some(holder(lease)),
        Act::Look | Act::Wait(_) => None,
    }
}

#[test]
fn what_is_seen_of_the_lease_decides() {
    type Row = (&'static str, Option<Lease>, u64, Result<&'static str, u64>);
    let start = Instant::now();
    let shared = |holder: &str| lease(holder, 1000, 7);
    let without_record = Lease { spec: None, ..shared("") };
    let short = {
        let mut lease = shared("b");
        lease.spec.as_mut().unwrap().lease_duration_seconds = Some(10);
        lease
    };
    // (what is there, seconds since it was seen first, who writes or until when to wait)
    let table: [Row; 9] = [
        ("nothing is there", None, 0, Ok("a")),
        ("nobody holds it", Some(shared("")), 0, Ok("a")),
        ("it was never held", Some(without_record), 0, Ok("a")),
        ("another holds it", Some(shared("b")), 0, Err(30)),
        ("another held it a while ago", Some(shared("b")), 29, Err(30)),
        ("another has let it run out", Some(shared("b")), 30, Ok("a")),
        ("its own duration counts", Some(short.clone()), 9, Err(10)),
        ("its own duration has run out", Some(short), 10, Ok("a")),
        ("this one held it before a restart", Some(shared("a")), 0, Ok("a")),
    ];
    for (name, there, later, expected) in table {
        let mut candidate = candidate("a");
        assert_eq!(candidate.next(start, Timestamp::UNIX_EPOCH), Act::Look, "{name}");
        candidate.saw(there, start);
        let act = candidate.next(start + seconds(later), Timestamp::UNIX_EPOCH);
        match expected {
            Ok(writer) => assert_eq!(holder_of(&act), Some(writer), "{name}: {act:?}"),
            Err(wait) => assert_eq!(act, Act::Wait(start + seconds(wait)), "{name}"),
        }
    }
}

#[test]
fn only_a_change_of_the_record_is_a_sign_of_life_and_no_clock_of_others() {
    let start = Instant::now();
    let mut candidate = candidate("a");
    candidate.saw(Some(lease("b", 1_000_000, 7)), start);
    // The same record again, with a new version: somebody put a label on it.
    candidate.saw(Some(lease("b", 1_000_000, 8)), start + seconds(20));
    assert_eq!(candidate.next(start + seconds(20), Timestamp::UNIX_EPOCH), Act::Wait(start + TTL));
    // A renewal whose clock is far behind.
    candidate.saw(Some(lease("b", 5, 9)), start + seconds(25));
    assert_eq!(candidate.next(start + seconds(30), Timestamp::UNIX_EPOCH), Act::Wait(start + seconds(55)));
}

#[test]
fn the_leader_renews_and_gives_up_before_another_may_take_over() {
    let start = Instant::now();
    let mut candidate = candidate("a");
    candidate.wrote(lease("a", 1000, 7), start, seconds(10));
    assert_eq!(candidate.next(start, Timestamp::UNIX_EPOCH), Act::Wait(start + seconds(10)));
    let renewal = candidate.next(start + seconds(10), Timestamp::from_second(2000).unwrap());
    let Act::Replace(renewal) = renewal else { panic!("{renewal:?}") };
    let spec = renewal.spec.unwrap();
    let times = (spec.acquire_time.unwrap().0.as_second(), spec.renew_time.unwrap().0.as_second());
    assert_eq!((times, spec.lease_transitions), ((1000, 2000), Some(0)), "acquired once, renewed");
    candidate.failed(start + seconds(15));
    assert_eq!(candidate.next(start + seconds(11), Timestamp::UNIX_EPOCH), Act::Wait(start + seconds(15)));
    candidate.failed(start + seconds(25));
    assert_eq!(candidate.next(start + seconds(16), Timestamp::UNIX_EPOCH), Act::Wait(start + seconds(20)));
    assert!(candidate.leads_until(start + seconds(19)).is_some());
    assert_eq!(candidate.leads_until(start + seconds(20)), None);
    // It is still its own by the record, and nobody else's: so it comes back with the API server.
    let act = candidate.next(start + seconds(25), Timestamp::UNIX_EPOCH);
    assert_eq!(holder_of(&act), Some("a"));
}

#[test]
fn who_is_told_of_another_holder_stops_at_once_unless_the_news_is_old() {
    let start = Instant::now();
    let mut leader = candidate("a");
    leader.wrote(lease("a", 1000, 7), start, seconds(10));
    leader.heard(lease("b", 900, 6), false, start);
    assert!(leader.leads_until(start).is_some(), "b was the holder before");
    leader.heard(lease("b", 900, 6), true, start);
    assert!(leader.leads_until(start).is_some(), "and that Lease is gone");
    leader.heard(lease("retire", 1001, 8), false, start + seconds(1));
    assert_eq!(leader.leads_until(start + seconds(1)), None);
    assert_eq!(leader.leader(), Some("retire"));
}

#[test]
fn a_take_over_counts_a_transition_and_keeps_what_else_is_there() {
    let mut there = lease("b", 1000, 7);
    there.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    there.spec.as_mut().unwrap().lease_transitions = Some(4);
    let mut candidate = candidate("a");
    let start = Instant::now();
    candidate.saw(Some(there.clone()), start);
    let act = candidate.next(start + TTL, Timestamp::from_second(3000).unwrap());
    let Act::Replace(taken) = act else { panic!("{act:?}") };
    assert_eq!((&taken.metadata.labels, &taken.metadata.resource_version), {
        (&there.metadata.labels, &there.metadata.resource_version)
    });
    let spec = taken.spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(5));
    assert_eq!(spec.acquire_time.unwrap().0.as_second(), 3000);
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("a"), Some(30)));
}

#[test]
fn only_the_holder_releases() {
    let now = Instant::now();
    let mut candidate = candidate("a");
    assert_eq!(candidate.released(Timestamp::UNIX_EPOCH), None);
    candidate.saw(Some(lease("b", 1000, 7)), now);
    assert_eq!(candidate.released(Timestamp::UNIX_EPOCH), None);
    candidate.wrote(lease("a", 1000, 8), now, seconds(10));
    let released = candidate.released(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(holder(&released), "");
    assert_eq!(released.metadata.resource_version.as_deref(), Some("8"), "only if it is still so");
}
