use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::fake::{Failure, Fake};
use super::*;
use crate::model::map::Map;
use crate::model::status::IngressStatus;
use crate::model::{Kind, ObjectRef, Report, Severity};

const CONTROLLER: &str = "slipway.dev/ingress-controller";

/// Reports by Ingress and message.
fn desired(reports: &[(&str, &str)]) -> Desired {
    let mut statuses = Map::default();
    for name in ["web", "api", "docs"] {
        let status = IngressStatus { uid: format!("uid-of-{name}").into(), addresses: [].into() };
        statuses.insert(Key::new("shop", name), Arc::new(status));
    }
    let report = |(ingress, message): &(&str, &str)| {
        let object = ObjectRef::new(Kind::Ingress, "shop", *ingress);
        Report::new(&object, Severity::Warning, "ServiceNotFound", *message)
    };
    let mut reports: Vec<Report> = reports.iter().map(report).collect();
    reports.sort();
    Desired { statuses, is_ours: Arc::new(|_| true), reports: Arc::new(reports) }
}

struct Running {
    desired: watch::Sender<Option<Desired>>,
    metrics: Metrics,
    task: JoinHandle<()>,
    _lead: watch::Sender<Option<Instant>>,
}

fn run(fake: &Fake) -> Running {
    let metrics = Metrics::new();
    let author = Author { controller: CONTROLLER.into(), instance: "pod-1".into() };
    let limit = Duration::from_secs(10);
    let mut events = Events::new(fake.client(), author, None, limit, metrics.clone());
    let until = watch::Sender::new(Some(Instant::now() + Duration::from_secs(1_000_000)));
    let lead = Lead::new(until.subscribe());
    let desired = watch::Sender::new(None);
    let receiver = desired.subscribe();
    let task = tokio::spawn(async move { events.run(&lead, receiver).await });
    Running { desired, metrics, task, _lead: until }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

/// The Events that are there: message and count.
fn told(fake: &Fake) -> Vec<(String, i64)> {
    let names = fake.names("events");
    let events = names.iter().map(|name| fake.get(&format!("events/shop/{name}")).unwrap());
    let mut told: Vec<(String, i64)> = events.map(|event| (text(&event["message"]), count(&event))).collect();
    told.sort();
    told
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn count(event: &Value) -> i64 {
    event["count"].as_i64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn reports_become_events_that_last_as_long_as_they_do() {
    let fake = Fake::default();
    let running = run(&fake);
    running.desired.send_replace(Some(desired(&[("web", "no Service a"), ("api", "no Service b")])));
    pass(5).await;
    assert_eq!(told(&fake), [("no Service a".into(), 1), ("no Service b".into(), 1)]);
    let name = fake.names("events").remove(1);
    let event = fake.get(&format!("events/shop/{name}")).unwrap();
    assert_eq!(event["involvedObject"]["uid"], "uid-of-web");
    assert_eq!((&event["source"]["component"], &event["type"]), (&"slipway".into(), &"Warning".into()));
    pass(3600).await;
    assert_eq!(told(&fake), [("no Service a".into(), 3), ("no Service b".into(), 3)]);
    running.desired.send_replace(Some(desired(&[("web", "no Service a")])));
    pass(5).await;
    assert_eq!(told(&fake), [("no Service a".into(), 3)]);
    let text = running.metrics.text();
    assert!(text.contains("slipway_events_total{action=\"create\",result=\"success\"} 2"), "{text}");
    assert!(text.contains("slipway_events_total{action=\"delete\",result=\"success\"} 1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_writes_no_second_event_and_deletes_those_that_are_over() {
    let fake = Fake::default();
    let first = run(&fake);
    let before = [("web", "lasts"), ("api", "ends meanwhile"), ("gone", "of an Ingress that is gone")];
    first.desired.send_replace(Some(desired(&before)));
    pass(5).await;
    first.task.abort();
    // Another controller's, and one of ours about an Ingress in a namespace that is not watched.
    let foreign = |component: &str, ingress: &str| {
        serde_json::json!({
            "metadata": {}, "source": {"component": component}, "reportingComponent": CONTROLLER, "count": 1,
            "involvedObject": {"kind": "Ingress", "namespace": "shop", "name": ingress}, "message": ingress,
        })
    };
    fake.put("events/shop/foreign", foreign("other", "web"));
    fake.put("events/shop/elsewhere", foreign("slipway", "elsewhere"));
    let second = run(&fake);
    second.desired.send_replace(Some(desired(&[("web", "lasts"), ("docs", "new")])));
    pass(5).await;
    let expected = [("elsewhere", 1), ("lasts", 1), ("new", 1), ("web", 1)];
    assert_eq!(told(&fake), expected.map(|(text, count)| (text.to_owned(), count)));
    pass(1800).await;
    assert_eq!(told(&fake)[1], ("lasts".into(), 2));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_events_they_are_written_all_the_same() {
    let fake = Fake::default();
    fake.fail("GET events", Failure::Status(403));
    for _ in 0..2 {
        let running = run(&fake);
        running.desired.send_replace(Some(desired(&[("web", "a")])));
        pass(10).await;
        running.task.abort();
    }
    assert_eq!(told(&fake), [("a".into(), 2)], "the second leader found it there and refreshed it");
}

#[tokio::test(start_paused = true)]
async fn many_events_are_written_in_measure_and_all_in_the_end() {
    let fake = Fake::default();
    let running = run(&fake);
    let mut all = desired(&[]);
    let mut reports = Vec::new();
    for number in 0..500 {
        let key = Key::new("shop", format!("i{number:03}"));
        all.statuses.insert(key.clone(), Arc::new(IngressStatus::default()));
        let object = ObjectRef { kind: Kind::Ingress, key };
        reports.push(Report::new(&object, Severity::Note, "Reason", "text"));
    }
    all.reports = Arc::new(reports);
    fake.fail("POST events", Failure::Status(503));
    running.desired.send_replace(Some(all));
    pass(12).await;
    let attempts = fake.count("POST");
    assert!((100..=140).contains(&attempts), "{attempts}");
    fake.heal();
    pass(120).await;
    assert_eq!(fake.names("events").len(), 500);
}
