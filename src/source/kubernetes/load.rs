//! Reads everything of a cluster once, for people who wait for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use kube::Client;
use kube::client::Body;
use tokio::sync::{mpsc, watch as latest};
use tokio::time::{sleep, timeout};

use super::context::Context;
use super::trouble::Trouble;
use super::{Options, begin, kinds};
use crate::metrics::Metrics;
use crate::model::Kind;
use crate::model::freshness::{Freshness, WatchState};
use crate::store::Update;

/// How long to wait for the first answer, and for everything.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

/// Updates that may wait.
const WAITING: usize = 1024;

/// Complete lists of all kinds, in the order a store takes them. The error says what to do.
pub(super) async fn load(client: Client, options: Options) -> Result<Vec<Update>, String> {
    reach(&client).await?;
    let mut waiting: BTreeSet<Kind> = kinds(&options).into_iter().collect();
    let (sender, mut updates) = mpsc::channel(WAITING);
    let freshness = Arc::new(latest::Sender::new(Freshness::default()));
    let context = Context::new(client, options, sender, freshness.clone(), Metrics::new().source(), true);
    let _tasks = begin(&context);
    let mut loaded = Vec::new();
    let deadline = sleep(PATIENCE.1);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            update = updates.recv() => {
                let Some(update) = update else { return Err("reading the cluster ended too early".into()) };
                if let Update::Complete(kind) = &update {
                    waiting.remove(kind);
                }
                loaded.push(update);
                if waiting.is_empty() {
                    return Ok(loaded);
                }
            }
            () = &mut deadline => return Err(too_slow(&freshness.borrow())),
        }
    }
}

/// Whether anybody is there at all.
async fn reach(client: &Client) -> Result<(), String> {
    let remedy = "check that it runs, and name the right cluster with --kubeconfig";
    let request = Request::get("/version").body(Body::empty()).map_err(|error| error.to_string())?;
    match timeout(PATIENCE.0, client.send(request)).await {
        Ok(Ok(answer)) if answer.status() == StatusCode::UNAUTHORIZED => {
            Err(format!("{}; name other ones with --kubeconfig", Trouble::Unauthorized(String::new())))
        }
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{}: {remedy}", Trouble::of(&error))),
        Err(_) => Err(format!("the API server does not answer within {:?}: {remedy}", PATIENCE.0)),
    }
}

/// What is still missing, and why.
fn too_slow(freshness: &Freshness) -> String {
    let missing = freshness.watches.iter().filter_map(|watch| match &watch.state {
        WatchState::Listing(Some(why)) => Some(format!("{}: {why}", watch.name)),
        WatchState::Listing(None) => Some(watch.name.to_string()),
        WatchState::Following | WatchState::Away { .. } => None,
    });
    let missing: Vec<String> = missing.collect();
    let after = PATIENCE.1.as_secs();
    format!("the cluster was not read within {after} seconds, missing are {}: try again", missing.join("; "))
}
