use std::sync::Arc;

use super::*;
use crate::model::status::IngressStatus;

fn addresses(ips: &[&str]) -> Addresses {
    ips.iter().map(|ip| Address::Ip((*ip).into())).collect()
}

/// Ingresses by name with what they show; those whose name begins with `x` are not ours.
fn desired(shown: &[(&str, &[&str])]) -> Desired {
    let mut statuses = crate::model::map::Map::default();
    for (name, ips) in shown {
        let status =
            IngressStatus { uid: (*name).into(), addresses: addresses(ips).iter().cloned().collect() };
        statuses.insert(Key::new("shop", *name), Arc::new(status));
    }
    Desired { statuses, is_ours: Arc::new(|key| !key.name.starts_with('x')), reports: Arc::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn due(plan: &Plan) -> Vec<(&str, &What)> {
    plan.due.iter().map(|change| (&*change.ingress.name, &change.what)).collect()
}

/// Writes all that is due at `now`, with this result.
fn write(ledger: &mut Ledger, plan: Plan, before: &Desired, result: &Result<(), Fault>, now: Instant) {
    for change in plan.due {
        ledger.began(&change.ingress);
        let shown = before.statuses.get(&change.ingress).map(|status| status.addresses.clone());
        ledger.ended(change, shown.as_deref(), result, now);
    }
}

#[test]
fn only_ours_that_show_something_else_are_written() {
    let wanted = addresses(&["192.0.2.1", "192.0.2.2"]);
    let all = desired(&[
        ("right", &["192.0.2.1", "192.0.2.2"]),
        ("empty", &[]),
        ("fewer", &["192.0.2.1"]),
        ("another", &["192.0.2.9"]),
        ("x-foreign", &["192.0.2.9"]),
        ("x-foreign-with-ours", &["192.0.2.1", "192.0.2.2"]),
    ]);
    let plan = Ledger::default().plan(&all, &wanted, Instant::now());
    let show = What::Show(wanted.clone());
    assert_eq!(due(&plan), [("another", &show), ("empty", &show), ("fewer", &show)]);
    assert_eq!(plan.next, None);
}

#[test]
fn what_was_written_is_not_written_again_before_the_watch_had_its_time() {
    let (wanted, start) = (addresses(&["192.0.2.1"]), Instant::now());
    let empty = desired(&[("web", &[])]);
    let mut ledger = Ledger::default();
    let plan = ledger.plan(&empty, &wanted, start);
    ledger.began(&plan.due[0].ingress);
    assert_eq!(ledger.plan(&empty, &wanted, start), Plan::default(), "it is under way");
    write(&mut ledger, plan, &empty, &Ok(()), start);
    let plan = ledger.plan(&empty, &wanted, start + secs(1));
    assert_eq!((plan.due.len(), plan.next), (0, Some(start + ECHO)));
    // Other addresses are written at once.
    let other = addresses(&["192.0.2.2"]);
    assert_eq!(ledger.plan(&empty, &other, start + secs(2)).due.len(), 1);
    // The watch shows it: nothing is left to do.
    let shown = desired(&[("web", &["192.0.2.1"])]);
    assert_eq!(ledger.plan(&shown, &wanted, start + secs(3)), Plan::default());
    // It never does: once more.
    let mut ledger = Ledger::default();
    let plan = ledger.plan(&empty, &wanted, start);
    write(&mut ledger, plan, &empty, &Ok(()), start);
    assert_eq!(ledger.plan(&empty, &wanted, start + ECHO).due.len(), 1);
}

#[test]
fn an_ingress_that_somebody_else_writes_too_is_written_less_and_less_often() {
    let (wanted, start) = (addresses(&["192.0.2.1"]), Instant::now());
    let theirs = desired(&[("web", &["192.0.2.9"])]);
    let ours = desired(&[("web", &["192.0.2.1"])]);
    let mut ledger = Ledger::default();
    let mut writes = 0;
    // The other one writes back at once, for an hour.
    for second in 0..3600 {
        let now = start + secs(second);
        let plan = ledger.plan(&theirs, &wanted, now);
        if !plan.due.is_empty() {
            writes += 1;
            write(&mut ledger, plan, &theirs, &Ok(()), now);
            ledger.plan(&ours, &wanted, now);
        }
    }
    assert!((15..=30).contains(&writes), "{writes}");
}

#[test]
fn an_ingress_whose_address_somebody_removed_gets_it_back_at_once() {
    let (wanted, start) = (addresses(&["192.0.2.1"]), Instant::now());
    let empty = desired(&[("web", &[])]);
    let mut ledger = Ledger::default();
    let plan = ledger.plan(&empty, &wanted, start);
    write(&mut ledger, plan, &empty, &Ok(()), start);
    ledger.plan(&desired(&[("web", &["192.0.2.1"])]), &wanted, start + secs(1));
    assert_eq!(ledger.plan(&empty, &wanted, start + secs(2)).due.len(), 1);
}

#[test]
fn an_ingress_that_stops_being_ours_loses_exactly_our_addresses() {
    let (wanted, start) = (addresses(&["192.0.2.1"]), Instant::now());
    // It is a matter of the name here; the class changes with it.
    let mut ledger = Ledger::default();
    let mut before = desired(&[
        ("x-web", &["192.0.2.1"]),
        ("x-taken", &["192.0.2.1"]),
        ("x-aside", &["192.0.2.1"]),
        ("x-gone", &[]),
    ]);
    before.is_ours = Arc::new(|_| true);
    ledger.plan(&before, &wanted, start);
    let after = desired(&[("x-web", &["192.0.2.1"]), ("x-taken", &["192.0.2.9"])]);
    let plan = ledger.plan(&after, &wanted, start);
    // Of another class it is not told any more what it shows.
    let remove = What::Remove(wanted.clone());
    assert_eq!(due(&plan), [("x-aside", &remove), ("x-web", &remove)]);
    write(&mut ledger, plan, &after, &Err(Fault::Away(String::new())), start);
    let mut again = ledger.plan(&after, &wanted, start + secs(1));
    assert_eq!(again.due.len(), 2, "it is tried again");
    let aside = again.due.pop_front().unwrap();
    ledger.ended(aside, None, &Err(Fault::Absent), start + secs(1));
    // Meanwhile its new controller wrote: the API server finds that the patch does not fit.
    write(&mut ledger, again, &after, &Err(Fault::Refused(String::new())), start + secs(1));
    assert_eq!(ledger.plan(&after, &wanted, start + secs(100)), Plan::default());
    assert_eq!((ledger.failing, ledger.ours.len(), ledger.entries.len()), (0, 0, 0));
}

#[test]
fn an_ingress_that_leaves_before_the_watch_has_shown_what_was_written_is_cleaned_too() {
    let (wanted, start) = (addresses(&["192.0.2.1"]), Instant::now());
    let before = desired(&[("web", &[])]);
    let mut ledger = Ledger::default();
    let plan = ledger.plan(&before, &wanted, start);
    ledger.began(&plan.due[0].ingress);
    let gone = desired(&[]);
    assert_eq!(ledger.plan(&gone, &wanted, start), Plan::default(), "first that is to end");
    write(&mut ledger, plan, &before, &Ok(()), start);
    let plan = ledger.plan(&gone, &wanted, start);
    assert_eq!(due(&plan), [("web", &What::Remove(wanted))]);
}

#[test]
fn an_ingress_that_left_with_the_addresses_before_the_last_change_loses_them() {
    let (first, second, start) = (addresses(&["192.0.2.1"]), addresses(&["192.0.2.2"]), Instant::now());
    let mut before = desired(&[("x-web", &["192.0.2.1"])]);
    before.is_ours = Arc::new(|_| true);
    let mut ledger = Ledger::default();
    ledger.plan(&before, &first, start);
    let plan = ledger.plan(&desired(&[("x-web", &["192.0.2.1"])]), &second, start);
    assert_eq!(due(&plan), [("x-web", &What::Remove(first))]);
}

#[test]
fn failures_are_tried_again_later_and_later_each_on_its_own() {
    let (wanted, start) = (addresses(&["192.0.2.1"]), Instant::now());
    let table = [
        (Fault::Away("gone".into()), 50..=90),
        (Fault::Conflict, 50..=90),
        (Fault::Forbidden("status".into()), 12..=24),
        (Fault::Refused("invalid".into()), 12..=24),
    ];
    for (fault, expected) in table {
        let both = desired(&[("bad", &[]), ("good", &[])]);
        let (mut ledger, mut attempts) = (Ledger::default(), 0);
        for second in 0..3600 {
            let now = start + secs(second);
            let mut plan = ledger.plan(&both, &wanted, now);
            let good = plan.due.iter().position(|change| &*change.ingress.name == "good");
            if let Some(change) = good.and_then(|at| plan.due.remove(at)) {
                ledger.ended(change, None, &Ok(()), now);
            }
            attempts += plan.due.len();
            write(&mut ledger, plan, &both, &Err(fault.clone()), now);
            assert_eq!(ledger.failing, 1);
        }
        assert!(expected.contains(&attempts), "{fault}: {attempts}");
    }
}

#[test]
fn at_the_end_all_of_ours_that_show_something_are_known() {
    let (wanted, now) = (addresses(&["192.0.2.1"]), Instant::now());
    let all = desired(&[("a", &["192.0.2.1"]), ("b", &[]), ("c", &[]), ("x-foreign", &["192.0.2.1"])]);
    let mut ledger = Ledger::default();
    let mut plan = ledger.plan(&all, &wanted, now);
    let change = plan.due.pop_front().unwrap();
    ledger.ended(change, Some(&[]), &Ok(()), now);
    // The watch has not shown yet that b was written.
    assert_eq!(ledger.shown(&all), [Key::new("shop", "a"), Key::new("shop", "b")]);
}
