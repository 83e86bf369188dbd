//! Ends what a release has written, while its replicas still run: takes their Lease, then the addresses.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use super::candidate::Candidate;
use super::fault::{Fault, ask};
use super::ledger::What;
use super::writer::write;
use crate::model::{Key, Name};

/// How long nobody else writes from then on.
const TERM: Duration = Duration::from_mins(1);

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a refusal may be that of a server which has just begun and does not know the rights yet.
const SETTLED: Duration = Duration::from_secs(5);

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How long to wait before looking whether somebody has written after all.
const LOOK: Duration = Duration::from_secs(1);

/// Requests under way at once.
const WIDTH: usize = 16;

/// Ingresses of one answer.
const PAGE: u32 = 500;

/// Whose statuses are emptied.
pub struct Release<'a> {
    /// The Lease by which its replicas elect who writes.
    pub lease: Key,
    /// The only namespace there are Ingresses in; `None`: any.
    pub namespace: Option<Name>,
    /// Whether an Ingress is of its class.
    pub is_ours: &'a (dyn Fn(&Key) -> bool + Sync),
}

/// Takes the Lease, so that no replica writes for a minute, and removes the addresses of all Ingresses of the release.
/// Answers how many had some. The error says what to do.
pub async fn retire(client: Client, release: Release<'_>) -> Result<usize, String> {
    let (deadline, settled) = (Instant::now() + PATIENCE, Instant::now() + SETTLED);
    let identity = format!("slipway-retire-{:016x}", fastrand::u64(..));
    let candidate = Candidate::new(release.lease.clone(), identity, TERM);
    let leases = Api::namespaced(client.clone(), &release.lease.namespace);
    let (mut cleared, mut clean) = (BTreeSet::new(), false);
    loop {
        let pass = async {
            seize(&leases, &release.lease, &candidate).await.map_err(|fault| ("taking the Lease", fault))?;
            let shown = shown(&client, &release).await.map_err(|fault| ("reading Ingresses", fault))?;
            let none = shown.is_empty();
            clear(&client, shown, &mut cleared).await.map_err(|fault| ("writing the status", fault))?;
            Ok(none)
        };
        let found: Result<bool, (&str, Fault)> = pass.await;
        match found {
            // Twice in a row: a leader may have written while it was told of the Lease.
            Ok(true) if clean => return Ok(cleared.len()),
            Ok(none) => clean = none,
            Err((what, fault)) => {
                let refused = matches!(fault, Fault::Forbidden(_) | Fault::Refused(_));
                if Instant::now() >= if refused { settled } else { deadline } {
                    return Err(format!("{what}: {fault}"));
                }
                debug!("{what}: {fault}; it is tried again");
            }
        }
        if deadline <= Instant::now() {
            return Err("somebody writes addresses again and again: stop the release's replicas first".into());
        }
        sleep(LOOK).await;
    }
}

/// Holds the Lease from now on, whoever held it.
async fn seize(leases: &Api<Lease>, key: &Key, candidate: &Candidate) -> Result<(), Fault> {
    let params = PostParams::default();
    loop {
        let taken = match ask(LIMIT, leases.get(&key.name)).await {
            Ok(lease) => {
                let lease = candidate.claim(Some(&lease), Timestamp::now());
                ask(LIMIT, leases.replace(&key.name, &params, &lease)).await
            }
            Err(Fault::Absent) => {
                let lease = candidate.claim(None, Timestamp::now());
                let created = ask(LIMIT, leases.create(&params, &lease)).await;
                // Its namespace is not there, so nobody can hold it.
                if created == Err(Fault::Absent) {
                    return Ok(());
                }
                created
            }
            Err(fault) => Err(fault),
        };
        match taken {
            // The leader has renewed it meanwhile.
            Err(Fault::Conflict) => {}
            taken => return taken.map(drop),
        }
    }
}

/// Those of the release that show addresses.
async fn shown(client: &Client, release: &Release<'_>) -> Result<Vec<Key>, Fault> {
    let ingresses: Api<Ingress> = match &release.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let (mut params, mut shown) = (ListParams::default().limit(PAGE), Vec::new());
    loop {
        let page = ask(LIMIT, ingresses.list(&params)).await?;
        shown.extend(page.items.iter().filter(|ingress| shows(ingress)).filter_map(key));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => break,
        }
    }
    shown.retain(|key| (release.is_ours)(key));
    Ok(shown)
}

fn key(ingress: &Ingress) -> Option<Key> {
    let metadata = &ingress.metadata;
    Some(Key::new(metadata.namespace.as_deref()?, metadata.name.as_deref()?))
}

fn shows(ingress: &Ingress) -> bool {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer.and_then(|balancer| balancer.ingress.as_ref()).is_some_and(|points| !points.is_empty())
}

/// Empties these statuses. The error is that of the last one that could not be.
async fn clear(client: &Client, shown: Vec<Key>, cleared: &mut BTreeSet<Key>) -> Result<(), Fault> {
    let writes = shown.into_iter().map(|key| async move {
        let written = write(client, LIMIT, &key, &What::Clear).await;
        (key, written)
    });
    let mut answers = stream::iter(writes).buffer_unordered(WIDTH);
    let mut all = Ok(());
    while let Some((key, written)) = answers.next().await {
        match written {
            Ok(()) => {
                info!("Ingress {key} shows no address any more");
                cleared.insert(key);
            }
            Err(Fault::Absent) => {}
            Err(fault) => all = Err(fault),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::{oneshot, watch};

    use super::super::fake::{Failure, Fake};
    use super::super::{Desired, Options, run};
    use super::*;
    use crate::metrics::Metrics;
    use crate::model::map::Map;
    use crate::model::status::Address;

    const LEASE: &str = "leases/ingress/slipway-leader";

    fn release() -> Release<'static> {
        let lease = Key::new("ingress", "slipway-leader");
        Release { lease, namespace: None, is_ours: &|key| !key.name.starts_with('x') }
    }

    fn ingress(fake: &Fake, name: &str, ip: Option<&str>) {
        let points: Vec<_> = ip.iter().map(|ip| json!({"ip": ip})).collect();
        let status = json!({"loadBalancer": {"ingress": points}});
        fake.put(&format!("ingresses/shop/{name}"), json!({"metadata": {}, "status": status}));
    }

    fn ip(fake: &Fake, name: &str) -> serde_json::Value {
        fake.get(&format!("ingresses/shop/{name}")).unwrap()["status"]["loadBalancer"]["ingress"].clone()
    }

    /// What a watch tells of the Ingress `web`.
    fn desired(shown: &[Address]) -> Desired {
        let mut statuses = Map::default();
        let status = crate::model::status::IngressStatus { uid: "uid".into(), addresses: shown.into() };
        statuses.insert(Key::new("shop", "web"), std::sync::Arc::new(status));
        Desired { statuses, is_ours: std::sync::Arc::new(|_| true), reports: std::sync::Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_addresses_of_the_release_go() {
        let fake = Fake::default();
        ingress(&fake, "a", Some("192.0.2.1"));
        ingress(&fake, "b", None);
        ingress(&fake, "x", Some("192.0.2.9"));
        assert_eq!(retire(fake.client(), release()).await, Ok(1));
        assert_eq!((ip(&fake, "a"), ip(&fake, "x")), (json!(null), json!([{"ip": "192.0.2.9"}])));
        let lease = fake.get(LEASE).unwrap();
        assert_eq!(lease["spec"]["leaseDurationSeconds"], 60);
        assert_eq!(fake.count("PATCH"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_leader_does_not_write_again() {
        let fake = Fake::default();
        ingress(&fake, "web", None);
        let given = Address::Ip("192.0.2.1".into());
        let options = Options {
            lease: release().lease,
            ttl: Duration::from_secs(30),
            pod: None,
            controller: "c".into(),
            namespace: None,
            addresses: true,
            remove_at_end: true,
            fixed: vec![given.clone()],
            service: None,
            internal_address: false,
        };
        let (publications, (_stop, stopped)) = (watch::Sender::new(Some(desired(&[]))), oneshot::channel());
        let (client, receiver) = (fake.client(), publications.subscribe());
        tokio::spawn(run(client, options, receiver, Desired::clone, Metrics::new(), stopped));
        sleep(Duration::from_secs(5)).await;
        assert_eq!(ip(&fake, "web"), json!([{"ip": "192.0.2.1"}]));
        publications.send_replace(Some(desired(std::slice::from_ref(&given))));
        assert_eq!(retire(fake.client(), release()).await, Ok(1));
        publications.send_replace(Some(desired(&[])));
        sleep(Duration::from_secs(55)).await;
        assert_eq!(ip(&fake, "web"), json!(null));
        // Whoever still runs after that was not retired after all.
        sleep(Duration::from_secs(10)).await;
        assert_eq!(ip(&fake, "web"), json!([{"ip": "192.0.2.1"}]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_right_is_told_soon_and_an_outage_after_a_while() {
        let fake = Fake::default();
        ingress(&fake, "a", Some("192.0.2.1"));
        let began = Instant::now();
        for (line, expected) in
            [("PUT leases", "taking the Lease"), ("GET ing", "reading"), ("PATCH ing", "writing the status")]
        {
            fake.put(LEASE, json!({"metadata": {}}));
            fake.fail(line, Failure::Status(403));
            let error = retire(fake.client(), release()).await.unwrap_err();
            assert!(error.starts_with(expected) && error.contains("a right is missing"), "{error}");
            fake.heal();
        }
        assert!(began.elapsed() <= SETTLED * 4, "{:?}", began.elapsed());
        fake.fail("", Failure::Status(503));
        let error = retire(fake.client(), release()).await.unwrap_err();
        assert!(error.contains("does not answer") && began.elapsed() < PATIENCE * 2, "{error}");
    }
}
