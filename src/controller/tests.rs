use tokio::task::JoinHandle;
use tokio::time::{advance, timeout};

use super::*;
use crate::model::certificate::Certificate;
use crate::model::certificate::Secret;
use crate::model::settings::Settings;
use crate::model::{Kind, ObjectRef, Severity};
use crate::store::Object;

/// A running controller with a source that the test plays.
struct Rig {
    updates: mpsc::Sender<Update>,
    tables: Published<Tables>,
    status: Arc<Status>,
    metrics: Metrics,
    loop_: JoinHandle<()>,
}

impl Rig {
    fn start() -> Self {
        Self::start_at(|| 1_700_000_000)
    }

    fn start_at(clock: fn() -> i64) -> Self {
        let (updates, receiver) = mpsc::channel(64);
        let tables = Published::new(Tables::default());
        let status = Arc::new(Status::default());
        let metrics = Metrics::new();
        let store = Store::new(&[Kind::Ingress, Kind::Service]);
        let options = compile::Options::default();
        let mut controller = Controller::new(store, options, tables.clone(), status.clone(), metrics.clone());
        controller.clock = clock;
        let loop_ = tokio::spawn(controller.run(receiver));
        Self { updates, tables, status, metrics, loop_ }
    }

    async fn send(&self, update: Update) {
        self.updates.send(update).await.unwrap();
    }

    async fn complete(&self) {
        for kind in [Kind::Ingress, Kind::Service] {
            self.send(Update::Begin(kind)).await;
            self.send(Update::Complete(kind)).await;
        }
        self.settle().await;
    }

    /// A change that nothing else equals.
    async fn change(&self, mark: u64) {
        let settings = Settings { hsts_max_age: mark, ..Settings::default() };
        self.send(Update::Apply(Box::new(Object::Settings(settings)))).await;
        self.settle().await;
    }

    /// Lets the loop run until it waits. Time stands still.
    async fn settle(&self) {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    fn publications(&self) -> u64 {
        self.tables.generation()
    }
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_every_kind_had_its_first_list() {
    let rig = Rig::start();
    rig.change(1).await;
    rig.send(Update::Complete(Kind::Ingress)).await;
    advance(500 * MS).await;
    rig.settle().await;
    assert_eq!((rig.publications(), *rig.status.ready.borrow()), (0, false));
    rig.send(Update::Complete(Kind::Service)).await;
    rig.settle().await;
    assert_eq!((rig.publications(), *rig.status.ready.borrow()), (1, true));
}

#[tokio::test(start_paused = true)]
async fn the_first_change_after_a_pause_is_published_at_once() {
    let rig = Rig::start();
    rig.complete().await;
    advance(50 * MS).await;
    rig.change(1).await;
    assert_eq!(rig.publications(), 2, "no time went by");
}

#[tokio::test(start_paused = true)]
async fn what_follows_is_published_together_and_within_a_hundred_milliseconds() {
    let rig = Rig::start();
    rig.complete().await;
    for mark in 0..25 {
        advance(4 * MS).await;
        rig.change(mark).await;
    }
    assert_eq!(rig.publications(), 1, "the first change was 96 ms ago");
    advance(5 * MS).await;
    rig.settle().await;
    assert_eq!(rig.publications(), 2);
    advance(Duration::from_mins(5)).await;
    rig.settle().await;
    assert_eq!(rig.publications(), 2, "nothing was left over");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_told_again_unchanged_is_no_change() {
    let rig = Rig::start();
    rig.complete().await;
    rig.change(1).await;
    advance(50 * MS).await;
    rig.settle().await;
    let before = rig.publications();
    rig.change(1).await;
    advance(200 * MS).await;
    rig.settle().await;
    assert_eq!(rig.publications(), before);
}

#[tokio::test(start_paused = true)]
async fn reports_come_and_go_with_their_cause() {
    let rig = Rig::start();
    rig.complete().await;
    let object = ObjectRef::new(Kind::File, "", "web.yaml");
    let report = Report::new(&object, Severity::Error, "BadYaml", "line 3 is not YAML");
    let tell = |reports| Update::Reports { source: "web.yaml".into(), reports };
    rig.send(tell(vec![report.clone()])).await;
    advance(50 * MS).await;
    rig.settle().await;
    assert!(rig.status.reports.load().contains(&report));
    assert!(rig.metrics.text().contains("slipway_reports{severity=\"error\"} 1"));
    rig.send(tell(Vec::new())).await;
    advance(50 * MS).await;
    rig.settle().await;
    assert!(!rig.status.reports.load().contains(&report));
    assert!(rig.metrics.text().contains("slipway_reports{severity=\"error\"} 0"));
}

#[tokio::test(start_paused = true)]
async fn the_last_change_is_published_when_the_source_ends() {
    let rig = Rig::start();
    rig.complete().await;
    rig.change(7).await;
    drop(rig.updates);
    timeout(Duration::from_secs(1), rig.loop_).await.unwrap().unwrap();
    assert_eq!(rig.tables.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn validity_is_looked_at_again_every_hour() {
    let rig = Rig::start();
    rig.complete().await;
    advance(Duration::from_mins(61)).await;
    rig.settle().await;
    assert_eq!(rig.publications(), 2);
}

#[test]
fn the_next_look_is_when_a_certificate_begins_or_ends() {
    let key = rcgen::generate_simple_self_signed(vec!["a.example".into()]).unwrap();
    let (chain, private) = (key.cert.pem(), key.signing_key.serialize_pem());
    let mut certificate = Certificate::parse(chain.as_bytes(), private.as_bytes()).unwrap();
    (certificate.not_before, certificate.not_after) = (1000, 2000);
    let object = ObjectRef::new(Kind::Secret, "shop", "tls");
    let secret = Secret { object: object.clone(), origin: None, certificate: Ok(Arc::new(certificate)) };
    let secrets = [(object.key, Arc::new(secret))].into();
    let snapshot = Snapshot { secrets, ..Snapshot::default() };
    for (now, wait) in [(990, 10), (1000, 1001), (1900, 101), (2000, 1), (2001, 3600), (-9000, 3600)] {
        assert_eq!(until_next_boundary(&snapshot, now), Duration::from_secs(wait), "at {now}");
    }
}
