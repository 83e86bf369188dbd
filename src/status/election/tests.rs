use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::super::fake::{Failure, Fake};
use super::*;

const TTL: Duration = Duration::from_secs(30);
const LEASE: &str = "leases/ingress/slipway-leader";

struct Replica {
    lead: Lead,
    task: JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

/// A replica that releases the Lease when it is told to stop.
fn replica(fake: &Fake, identity: &str) -> Replica {
    replica_of(fake.client(), identity)
}

fn replica_of(client: Client, identity: &str) -> Replica {
    let key = Key::new("ingress", "slipway-leader");
    let mut election = Election::new(client, key, identity.into(), TTL, Metrics::new());
    let lead = election.lead();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        tokio::select! {
            _ = election.run() => {}
            _ = stopped => election.release().await,
        }
    });
    Replica { lead, task, stop }
}

/// Lets a time pass in small steps, so that everything that is due happens in its order.
async fn pass(seconds: u64) {
    for _ in 0..seconds * 10 {
        sleep(Duration::from_millis(100)).await;
    }
}

fn holder(fake: &Fake) -> String {
    let lease = fake.get(LEASE).unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_leads_and_renews() {
    let fake = Fake::default();
    let (mut a, b) = (replica(&fake, "a"), replica(&fake, "b"));
    a.lead.won().await;
    pass(100).await;
    assert!(a.lead.holds() && !b.lead.holds());
    let renewals = fake.count("PUT leases");
    assert!((10..=14).contains(&renewals), "{renewals}");
    let looks = fake.count("GET leases");
    assert!(looks <= 4, "followers watch, they do not poll: {looks}");
    assert_eq!(fake.get(LEASE).unwrap()["spec"]["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_once() {
    let fake = Fake::default();
    let mut a = replica(&fake, "a");
    a.lead.won().await;
    let mut b = replica(&fake, "b");
    pass(1).await;
    let released = Instant::now();
    a.stop.send(()).unwrap();
    a.task.await.unwrap();
    assert!(!a.lead.holds());
    b.lead.won().await;
    assert!(released.elapsed() < Duration::from_millis(10), "{:?}", released.elapsed());
    let spec = fake.get(LEASE).unwrap()["spec"].clone();
    assert_eq!((&spec["holderIdentity"], &spec["leaseTransitions"]), (&json!("b"), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_replaced_when_its_lease_has_run_out() {
    let fake = Fake::default();
    let mut a = replica(&fake, "a");
    a.lead.won().await;
    let mut b = replica(&fake, "b");
    pass(25).await;
    let killed = Instant::now();
    a.task.abort();
    b.lead.won().await;
    let took = killed.elapsed();
    assert!(took <= TTL && took >= Duration::from_secs(19), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_begins() {
    let fake = Fake::default();
    let mut a = replica(&fake, "a");
    a.lead.won().await;
    let mut b = replica(&fake, "b");
    pass(5).await;
    for failure in [Failure::Silence, Failure::Status(500)] {
        let (lost, won) = if a.lead.holds() { (&mut a, &mut b) } else { (&mut b, &mut a) };
        // Only the leader is cut off: it alone writes.
        fake.fail("PUT leases", failure);
        let began = Instant::now();
        lost.lead.lost().await;
        assert!(began.elapsed() <= TTL * 2 / 3, "{:?}", began.elapsed());
        let silent = Instant::now();
        fake.heal();
        // What it has seen last is still its own, so it may come back as well as the other one.
        tokio::select! { () = won.lead.won() => {}, () = lost.lead.won() => {} }
        assert!(silent.elapsed() <= TTL / 3, "{:?}", silent.elapsed());
        assert!(won.lead.holds() != lost.lead.holds());
    }
}

#[tokio::test(start_paused = true)]
async fn two_never_lead_at_once_whatever_breaks() {
    let seed = fastrand::u64(..);
    fastrand::seed(seed);
    let fake = Fake::default();
    let names = ["a ", "b ", "c "];
    let replicas: Vec<Replica> = names.iter().map(|name| replica_of(fake.client_of(name), name)).collect();
    let (mut leaders, mut changes, mut leader) = (0, 0, None);
    for round in 0..2000 {
        let how = [Failure::Silence, Failure::Status(500), Failure::Status(409), Failure::Lost];
        let how = how[fastrand::usize(..4)];
        let name = names[fastrand::usize(..3)];
        match fastrand::u8(..20) {
            0 => fake.fail(name, how),
            1 => fake.fail(&format!("{name}PUT"), how),
            2 => fake.fail(&format!("{name}GET"), how),
            3 => fake.fail(&format!("{name}WATCH"), how),
            4 => fake.cut(),
            5..7 => fake.heal(),
            _ => {}
        }
        advance(Duration::from_millis(fastrand::u64(..3000))).await;
        pass(1).await;
        let leading: Vec<usize> = (0..3).filter(|at| replicas[*at].lead.holds()).collect();
        assert!(leading.len() <= 1, "seed {seed}, round {round}: {leading:?}");
        leaders += leading.len();
        changes += usize::from(!leading.is_empty() && leader != leading.first().copied());
        leader = leading.first().copied().or(leader);
    }
    assert!(leaders > 100 && changes > 1, "seed {seed}: {leaders} rounds with a leader, {changes} changes");
}

#[tokio::test(start_paused = true)]
async fn a_lease_taken_by_force_ends_the_term_at_once() {
    let fake = Fake::default();
    let mut a = replica(&fake, "a");
    a.lead.won().await;
    pass(1).await;
    let mut lease = fake.get(LEASE).unwrap();
    lease["spec"]["holderIdentity"] = "retire".into();
    lease["spec"]["leaseDurationSeconds"] = 60.into();
    let taken = Instant::now();
    fake.put(LEASE, lease);
    a.lead.lost().await;
    assert!(taken.elapsed() < Duration::from_millis(10));
    a.lead.won().await;
    assert_eq!(taken.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_watch_the_lease_is_read_now_and_then() {
    let fake = Fake::default();
    fake.fail("WATCH", Failure::Status(403));
    let mut a = replica(&fake, "a");
    a.lead.won().await;
    let mut b = replica(&fake, "b");
    pass(12).await;
    fake.take_log();
    pass(60).await;
    assert!(a.lead.holds() && !b.lead.holds());
    let looks = fake.count("GET leases");
    assert!((10..=45).contains(&looks), "{looks}");
    a.stop.send(()).unwrap();
    let released = Instant::now();
    b.lead.won().await;
    assert!(released.elapsed() <= TTL / 6);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_comes_back() {
    let fake = Fake::default();
    let mut a = replica(&fake, "a");
    a.lead.won().await;
    pass(1).await;
    fake.remove(LEASE);
    pass(1).await;
    assert_eq!(holder(&fake), "a");
    assert!(a.lead.holds());
}

#[tokio::test(start_paused = true)]
async fn without_rights_it_is_tried_slowly_and_works_when_they_are_granted() {
    let fake = Fake::default();
    fake.fail("GET leases", Failure::Status(403));
    let mut a = replica(&fake, "a");
    pass(300).await;
    let asked = fake.count("GET leases");
    assert!((12..=18).contains(&asked), "{asked}");
    fake.heal();
    a.lead.won().await;
}
