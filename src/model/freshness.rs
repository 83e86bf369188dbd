//! How fresh what a source knows is: which of its watches follow the truth, and since when the others do not.

use super::Name;

/// The state of a source's watches. A directory has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// One for each watch, in the order they were begun.
    pub watches: Vec<Watch>,
}

/// One watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What is watched, for people: `Ingress`, `Secret of type kubernetes.io/tls`.
    pub name: Name,
    /// Whether it follows.
    pub state: WatchState,
}

/// Whether a watch follows the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The first list is not complete yet; why, when something went wrong.
    Listing(Option<String>),
    /// Every change arrives.
    Following,
    /// Nothing arrives: what is known is as old as this.
    Away {
        /// Since when, in seconds since the epoch.
        since: i64,
        /// Why, and what to do.
        why: String,
    },
}

impl Freshness {
    /// Age of the oldest data, in seconds; 0 while everything follows.
    pub fn age_secs(&self, now: i64) -> u64 {
        let ages = self.watches.iter().map(|watch| match watch.state {
            WatchState::Away { since, .. } => u64::try_from(now - since).unwrap_or(0),
            WatchState::Listing(_) | WatchState::Following => 0,
        });
        ages.max().unwrap_or(0)
    }
}
