//! Says in the log when contact to the API server is lost and found again, and what is waited for at the start.
//!
//! All watches lose contact at the same time, so what happens within a moment is one line.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch as latest;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use super::contact::now;
use super::context::Sent;
use crate::model::Name;
use crate::model::freshness::{Freshness, WatchState};

/// How long to gather what happens.
const MOMENT: Duration = Duration::from_millis(250);

/// How often to remind of what goes on.
const REMINDER: Duration = Duration::from_mins(1);

/// What was said of each watch that does not follow: since when it is away (`None`: it never followed), and why.
type Told = BTreeMap<Name, (Option<i64>, String)>;

/// Writes until the watches end.
pub(super) async fn write(mut freshness: latest::Receiver<Freshness>) -> Sent {
    let mut told = Told::new();
    let mut reminder = Instant::now() + REMINDER;
    loop {
        tokio::select! {
            changed = freshness.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                sleep(MOMENT).await;
                if told.is_empty() {
                    reminder = Instant::now() + REMINDER;
                }
            }
            () = sleep_until(reminder), if !told.is_empty() => {
                reminder = Instant::now() + REMINDER;
                told.retain(|_, (since, _)| since.is_some()); // what is waited for is said again
                for (why, (since, names)) in groups(&told) {
                    let age = span(now() - since.unwrap_or_default());
                    error!("still no contact since {age} ({names}): {why}; what was known then keeps serving");
                }
            }
        }
        let state = troubled(&freshness.borrow_and_update());
        say(&told, &state);
        told = state;
    }
}

/// The watches that do not follow, with the reason where there is one.
fn troubled(freshness: &Freshness) -> Told {
    let watches = freshness.watches.iter();
    let of = |state: &WatchState| match state {
        WatchState::Following | WatchState::Listing(None) => None,
        WatchState::Listing(Some(why)) => Some((None, why.clone())),
        WatchState::Away { since, why } => Some((Some(*since), why.clone())),
    };
    watches.filter_map(|watch| Some((watch.name.clone(), of(&watch.state)?))).collect()
}

/// Says what is new.
fn say(told: &Told, state: &Told) {
    let is_new = |name: &Name, (since, why): &(Option<i64>, String)| match told.get(name) {
        // The reason may change with each try; the loss is said once.
        Some((known, _)) if since.is_some() => known.is_none(),
        Some((_, known)) => known != why,
        None => true,
    };
    let new: Told = state
        .iter()
        .filter(|(name, entry)| is_new(name, entry))
        .map(|(name, entry)| (name.clone(), entry.clone()))
        .collect();
    for (why, (since, names)) in groups(&new) {
        if since.is_some() {
            error!("contact is lost ({names}): {why}; what is known keeps serving, and tries go on");
        } else {
            warn!("waiting for the first list ({names}): {why}");
        }
    }
    let found: Told = told
        .iter()
        .filter(|(name, (since, _))| since.is_some() && !state.contains_key(*name))
        .map(|(name, (since, _))| (name.clone(), (*since, String::new())))
        .collect();
    for (since, names) in groups(&found).into_values() {
        let age = span(now() - since.unwrap_or_default());
        info!("contact is found again after {age} ({names}): nothing was missed");
    }
}

/// By reason: since when at least one is away, and the names of all.
fn groups(told: &Told) -> BTreeMap<&str, (Option<i64>, String)> {
    let mut groups: BTreeMap<&str, (Option<i64>, String)> = BTreeMap::new();
    for (name, (since, why)) in told {
        let (oldest, names) = groups.entry(why).or_default();
        *oldest = match (*oldest, *since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(name);
    }
    groups
}

fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
