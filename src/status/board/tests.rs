use std::sync::Arc;

use super::super::Desired;
use super::super::cause::choose;
use super::*;
use crate::model::map::Map;
use crate::model::status::IngressStatus;
use crate::model::{Kind, ObjectRef, Report, Severity};

/// Causes with these messages, all about one Ingress.
fn causes(messages: &[&str]) -> Vec<(Key, Cause)> {
    let object = ObjectRef::new(Kind::Ingress, "shop", "web");
    let report = |message: &&str| Report::new(&object, Severity::Warning, "Reason", *message);
    let mut statuses = Map::default();
    statuses.insert(object.key.clone(), Arc::new(IngressStatus::default()));
    let reports = Arc::new(messages.iter().map(report).collect());
    let desired = Desired { statuses, is_ours: Arc::new(|_| true), reports };
    choose(&desired).0.into_iter().map(|cause| (cause.event("c"), cause)).collect()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Does all that is due, with this result; answers what it was.
fn work(board: &mut Board, result: &Result<(), Fault>, now: Instant) -> Vec<(EventAction, i32)> {
    let (jobs, _) = board.due(now);
    for job in &jobs {
        assert!(board.begin(job, now));
        assert!(!board.begin(job, now), "only once");
        board.ended(job, result, now);
    }
    jobs.into_iter().map(|job| (job.action, job.count)).collect()
}

#[test]
fn a_cause_that_lasts_is_told_once_and_refreshed_and_ends() {
    let (mut board, start) = (Board::default(), Instant::now());
    board.see(causes(&["a"]), start);
    assert_eq!(board.due(start), (vec![], Some(start + LASTING)));
    board.see(causes(&["a"]), start + secs(1));
    let now = start + LASTING;
    assert_eq!(work(&mut board, &Ok(()), now), [(EventAction::Create, 1)]);
    board.see(causes(&["a"]), now + secs(1));
    assert_eq!(board.due(now + secs(1)), (vec![], Some(now + REFRESH)));
    assert_eq!(work(&mut board, &Ok(()), now + REFRESH), [(EventAction::Refresh, 2)]);
    board.see(vec![], now + REFRESH + secs(1));
    assert_eq!(work(&mut board, &Ok(()), now + REFRESH + secs(1)), [(EventAction::Delete, 3)]);
    assert!(board.entries.is_empty());
}

#[test]
fn a_cause_that_comes_and_goes_is_not_told() {
    let (mut board, start) = (Board::default(), Instant::now());
    for second in 0..60 {
        let now = start + secs(second);
        board.see(causes(if second % 2 == 0 { &["a"] } else { &[] }), now);
        assert_eq!(work(&mut board, &Ok(()), now), []);
    }
}

#[test]
fn what_changes_while_it_is_written_is_put_right_afterwards() {
    type Row = (Result<(), Fault>, &'static [&'static str], Vec<EventAction>);
    let start = Instant::now();
    let now = start + LASTING;
    let later = now + secs(600);
    // (what the answer is, what happens to the cause meanwhile, what is due in the end)
    let away = || Err(Fault::Away(String::new()));
    let ends: &'static [&'static str] = &[];
    let table: [Row; 7] = [
        (Ok(()), ends, vec![EventAction::Delete]),
        (Ok(()), &["a"], vec![]),
        (away(), ends, vec![EventAction::Delete]),
        (away(), &["a"], vec![EventAction::Create]),
        (Err(Fault::Refused(String::new())), ends, vec![]),
        (Err(Fault::Conflict), &["a"], vec![EventAction::Refresh]),
        (Err(Fault::Conflict), ends, vec![EventAction::Delete]),
    ];
    for (answer, meanwhile, expected) in table {
        let mut board = Board::default();
        board.see(causes(&["a"]), start);
        let job = board.due(now).0.remove(0);
        assert!(board.begin(&job, now));
        board.see(causes(meanwhile), now);
        assert_eq!(board.due(now).0, [], "it is under way");
        board.ended(&job, &answer, now);
        let due: Vec<EventAction> = board.due(later).0.iter().map(|job| job.action).collect();
        assert_eq!(due, expected, "{answer:?} {meanwhile:?}");
    }
}

#[test]
fn an_event_that_the_api_server_forgot_is_created_again() {
    let (mut board, start) = (Board::default(), Instant::now());
    board.see(causes(&["a"]), start);
    work(&mut board, &Ok(()), start + LASTING);
    let now = start + LASTING + REFRESH;
    assert_eq!(work(&mut board, &Err(Fault::Absent), now), [(EventAction::Refresh, 2)]);
    assert_eq!(work(&mut board, &Ok(()), now), [(EventAction::Create, 1)]);
}

#[test]
fn a_cause_that_returns_while_its_event_is_deleted_is_told_again() {
    let (mut board, start) = (Board::default(), Instant::now());
    board.see(causes(&["a"]), start);
    let now = start + LASTING;
    work(&mut board, &Ok(()), now);
    board.see(vec![], now);
    let job = board.due(now).0.remove(0);
    assert!(board.begin(&job, now));
    board.see(causes(&["a"]), now + secs(1));
    board.ended(&job, &Ok(()), now + secs(1));
    assert_eq!(board.due(now + secs(1)), (vec![], Some(now + secs(1) + LASTING)));
    // Not deleted yet: nothing is to be done at all.
    board.see(causes(&["a", "b"]), now + secs(1));
    work(&mut board, &Ok(()), now + secs(10));
    board.see(causes(&["a"]), now + secs(11));
    board.see(causes(&["a", "b"]), now + secs(11));
    assert_eq!(board.due(now + secs(12)).0, []);
}

#[test]
fn a_new_leader_goes_on_with_what_is_there_and_deletes_what_is_over() {
    let (mut board, start) = (Board::default(), Instant::now());
    let lasting = causes(&["lasting", "new"]);
    board.see(lasting.clone(), start);
    let existing =
        |event: &Key, known, age| Existing { event: event.clone(), count: 7, age: secs(age), known };
    let lasting = lasting.iter().find(|(_, cause)| format!("{cause:?}").contains("lasting")).unwrap();
    board.adopt(
        vec![
            existing(&lasting.0, true, 600),
            existing(&Key::new("shop", "over"), true, 0),
            existing(&Key::new("shop", "of-somebody-else"), false, 0),
        ],
        start,
    );
    assert_eq!(work(&mut board, &Ok(()), start), [(EventAction::Delete, 8)]);
    assert_eq!(work(&mut board, &Ok(()), start + LASTING), [(EventAction::Create, 1)]);
    assert_eq!(work(&mut board, &Ok(()), start + secs(1199)), []);
    assert_eq!(work(&mut board, &Ok(()), start + secs(1200)), [(EventAction::Refresh, 8)]);
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let (mut board, start) = (Board::default(), Instant::now());
    let mut attempts = 0;
    for second in 0..3600 {
        board.see(causes(&["a"]), start + secs(second));
        attempts += work(&mut board, &Err(Fault::Forbidden(String::new())), start + secs(second)).len();
    }
    assert!((15..=30).contains(&attempts), "{attempts}");
    assert!(board.is_troubled());
}
