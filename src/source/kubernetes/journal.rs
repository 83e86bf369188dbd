//! Says in the log when contact to the API server is lost and found again, and what is waited for at the start.
//!
//! All watches lose contact at the same time, so what happens within a moment is one line for each reason.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch as latest;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use super::contact::now;
use super::context::Sent;
use crate::model::Name;
use crate::model::freshness::{Freshness, WatchState};

/// How long to gather what happens. What is over within it is not worth a line.
const MOMENT: Duration = Duration::from_secs(1);

/// How often to remind of what goes on.
const REMINDER: Duration = Duration::from_mins(1);

/// The watches that do not follow, with the reason where one is known.
type Troubled = BTreeMap<Name, Absence>;

/// Why a watch does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Absence {
    /// Since when (seconds since the epoch); `None`: it never did.
    since: Option<i64>,
    why: String,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Good(String),
    Waiting(String),
    Bad(String),
}

/// Writes until the watches end.
pub(super) async fn write(mut freshness: latest::Receiver<Freshness>) -> Sent {
    let mut told = Troubled::new();
    let mut reminder = Instant::now() + REMINDER;
    loop {
        tokio::select! {
            changed = freshness.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                sleep(MOMENT).await;
            }
            () = sleep_until(reminder) => {
                reminder = Instant::now() + REMINDER;
                remind(&told, now()).iter().for_each(Line::write);
            }
        }
        let state = {
            let freshness = freshness.borrow_and_update();
            // What nobody needs any more is not found again.
            told.retain(|name, _| freshness.watches.iter().any(|watch| watch.name == *name));
            troubled(&freshness)
        };
        if told.is_empty() {
            reminder = Instant::now() + REMINDER;
        }
        news(&told, &state, now()).iter().for_each(Line::write);
        told = state;
    }
}

fn troubled(freshness: &Freshness) -> Troubled {
    let of = |state: &WatchState| match state {
        WatchState::Following | WatchState::Listing(None) => None,
        WatchState::Listing(Some(why)) => Some(Absence { since: None, why: why.clone() }),
        WatchState::Away { since, why } => Some(Absence { since: Some(*since), why: why.clone() }),
    };
    let watches = freshness.watches.iter();
    watches.filter_map(|watch| Some((watch.name.clone(), of(&watch.state)?))).collect()
}

/// What changed. Of a loss the reason may change with every try: it is said once.
fn news(told: &Troubled, state: &Troubled, now: i64) -> Vec<Line> {
    let is_new = |(name, absence): &(&Name, &Absence)| match told.get(*name) {
        Some(known) if absence.since.is_some() => known.since.is_none(),
        Some(known) => known.why != absence.why,
        None => true,
    };
    let mut lines: Vec<Line> = groups(state.iter().filter(is_new))
        .into_iter()
        .map(|((lost, why), group)| {
            let Group { names, .. } = group;
            if lost {
                let effect = "what is known keeps serving, and tries go on";
                Line::Bad(format!("contact is lost ({names}): {why}; {effect}"))
            } else {
                Line::Waiting(format!("waiting for the first list ({names}): {why}; tries go on"))
            }
        })
        .collect();
    let found = told.iter().filter(|(name, absence)| absence.since.is_some() && !state.contains_key(*name));
    let mut again = Group::default();
    found.for_each(|(name, absence)| again.add(name, absence));
    if !again.names.is_empty() {
        let (time, names) = (again.time(now), again.names);
        lines.push(Line::Good(format!("contact is found again after {time} ({names}): nothing was missed")));
    }
    lines
}

/// What goes on.
fn remind(told: &Troubled, now: i64) -> Vec<Line> {
    let line = |((lost, why), group): ((bool, &str), Group)| {
        let (time, names) = (group.time(now), group.names);
        if lost {
            Line::Bad(format!("no contact for {time} ({names}): {why}; what was known then keeps serving"))
        } else {
            Line::Waiting(format!("still waiting for the first list ({names}): {why}"))
        }
    };
    groups(told.iter()).into_iter().map(line).collect()
}

/// Watches that are spoken of together.
#[derive(Default)]
struct Group {
    names: String,
    oldest: Option<i64>,
}

impl Group {
    fn add(&mut self, name: &Name, absence: &Absence) {
        if !self.names.is_empty() {
            self.names.push_str(", ");
        }
        self.names.push_str(name);
        let both = self.oldest.zip(absence.since).map(|(a, b)| a.min(b));
        self.oldest = both.or(self.oldest).or(absence.since);
    }

    fn time(&self, now: i64) -> String {
        let seconds = self.oldest.map_or(0, |since| (now - since).max(0));
        match seconds {
            ..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        }
    }
}

/// By whether contact was lost, and by reason.
fn groups<'a>(all: impl Iterator<Item = (&'a Name, &'a Absence)>) -> BTreeMap<(bool, &'a str), Group> {
    let mut groups: BTreeMap<(bool, &str), Group> = BTreeMap::new();
    for (name, absence) in all {
        groups.entry((absence.since.is_some(), &absence.why)).or_default().add(name, absence);
    }
    groups
}

impl Line {
    fn write(&self) {
        match self {
            Self::Good(text) => info!("{text}"),
            Self::Waiting(text) => warn!("{text}"),
            Self::Bad(text) => error!("{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(watches: &[(&str, Option<i64>, &str)]) -> Troubled {
        let absence = |since: &Option<i64>, why: &str| Absence { since: *since, why: why.to_owned() };
        watches.iter().map(|(name, since, why)| ((*name).into(), absence(since, why))).collect()
    }

    #[test]
    fn a_loss_is_said_once_and_its_end_with_its_length() {
        let fine = Troubled::new();
        let lost = state(&[("Ingress", Some(100), "refused"), ("Service", Some(101), "refused")]);
        let effect = "what is known keeps serving, and tries go on";
        let line = Line::Bad(format!("contact is lost (Ingress, Service): refused; {effect}"));
        assert_eq!(news(&fine, &lost, 102), [line]);
        let later = state(&[("Ingress", Some(100), "timed out"), ("Service", Some(101), "refused")]);
        assert_eq!(news(&lost, &later, 103), [], "the reason may change");
        let reminders = remind(&later, 220);
        assert_eq!(reminders.len(), 2, "one for each reason: {reminders:?}");
        let line = "no contact for 2 min (Ingress): timed out; what was known then keeps serving";
        assert!(reminders.contains(&Line::Bad(line.into())), "{reminders:?}");
        let line =
            Line::Good("contact is found again after 2 min (Ingress, Service): nothing was missed".into());
        assert_eq!(news(&later, &fine, 221), [line]);
    }

    #[test]
    fn what_is_waited_for_at_the_start_is_said_when_the_reason_is_new() {
        let waiting = state(&[("Ingress", None, "refused")]);
        let line =
            |why: &str| Line::Waiting(format!("waiting for the first list (Ingress): {why}; tries go on"));
        assert_eq!(news(&Troubled::new(), &waiting, 0), [line("refused")]);
        assert_eq!(news(&waiting, &waiting, 0), []);
        let forbidden = state(&[("Ingress", None, "forbidden")]);
        assert_eq!(news(&waiting, &forbidden, 0), [line("forbidden")]);
        assert_eq!(news(&forbidden, &Troubled::new(), 0), [], "the first lists have lines of their own");
    }
}
