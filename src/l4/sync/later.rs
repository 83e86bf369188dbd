//! What nothing leads to any more. The kernel refuses to remove a chain in the transaction that removes the last element that
//! leads to it, so it is removed a second later, unless it is wanted again by then.

use std::time::{Duration, Instant};

use crate::l4::diff::Command;
use crate::l4::ruleset::Ruleset;

/// How much later.
const WAIT: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Later {
    waiting: Vec<(Instant, Command)>,
}

impl Later {
    pub(super) fn add(&mut self, commands: &[Command]) {
        let at = Instant::now() + WAIT;
        for command in commands {
            if !self.waiting.iter().any(|(_, known)| known == command) {
                self.waiting.push((at, command.clone()));
            }
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|(at, _)| *at).min()
    }

    /// What is to be removed now.
    pub(super) fn take(&mut self, now: Instant, desired: Option<&Ruleset>) -> Vec<Command> {
        let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at <= now);
        self.waiting = waiting;
        let ready: Vec<(Instant, Command)> = ready;
        ready.into_iter().map(|(_, command)| command).filter(|command| !wanted(command, desired)).collect()
    }
}

/// Whether it is in use again.
fn wanted(command: &Command, desired: Option<&Ruleset>) -> bool {
    let Some(desired) = desired else { return true };
    match command {
        Command::DeleteChain(family, chain) => desired.chains.contains_key(&(*family, *chain)),
        Command::DeleteSet(family, set) => desired.sets.contains(&(*family, *set)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::l4::ruleset::{Chain, ChainId, Family, Pick, Pool};

    #[test]
    fn what_is_wanted_again_stays() {
        let pick = |count| ChainId::Pick(Pick { pool: Pool::All, node_port: false, sticky: false, count });
        let mut later = Later::default();
        later.add(&[1, 2].map(|count| Command::DeleteChain(Family::Ip, pick(count))));
        later.add(&[Command::DeleteChain(Family::Ip, pick(1))]);
        assert!(later.take(Instant::now(), None).is_empty(), "too early");
        let mut desired = Ruleset::default();
        desired.chains.insert((Family::Ip, pick(2)), Arc::new(Chain::default()));
        let due = later.due().unwrap() + WAIT;
        assert_eq!(later.take(due, Some(&desired)), [Command::DeleteChain(Family::Ip, pick(1))]);
        assert_eq!(later.due(), None);
    }
}
