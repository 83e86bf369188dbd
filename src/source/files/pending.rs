//! What happened to files and is not read yet, and when it is time to.
//!
//! A file that somebody has written to and not closed is left alone, however many others change meanwhile: half a file
//! may well be whole YAML, and would take rules away. A writer that stalls is not waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::model::Name;

/// How long nothing must happen before whole files are read: those that change together come together.
const PROMPT: Duration = Duration::from_millis(2);
/// How long nothing must happen before a change is read of which it is not clear that it is whole.
const QUIET: Duration = Duration::from_millis(10);
/// How long a change may be held back while more follows.
const HOLD: Duration = Duration::from_millis(60);
/// How long a writer that keeps its file open may do nothing before what is there is read.
const STALLED: Duration = Duration::from_millis(250);
/// How long a writer may go on before what is there is read.
const LONGEST: Duration = Duration::from_secs(2);

/// Changes that were noticed and not read.
#[derive(Default)]
pub(super) struct Pending {
    files: BTreeSet<Name>,
    /// Files that somebody has written to and not closed: since when, and when last.
    open: BTreeMap<Name, (Instant, Instant)>,
    /// Something happened that names no file: all are to be looked at.
    everything: bool,
    /// Those of which it is not clear that they are whole.
    doubtful: BTreeSet<Name>,
    /// When the first and the last of the changes happened that can be read.
    span: Option<(Instant, Instant)>,
}

impl Pending {
    /// Somebody writes to a file.
    pub(super) fn written(&mut self, file: Name, now: Instant) {
        self.files.remove(&file);
        self.doubtful.remove(&file);
        self.open.entry(file).or_insert((now, now)).1 = now;
    }

    /// A file came, went or was closed.
    pub(super) fn ended(&mut self, file: Name, now: Instant) {
        self.open.remove(&file);
        self.doubtful.remove(&file);
        self.files.insert(file);
        self.touch(now);
    }

    /// Something else happened to a file.
    pub(super) fn changed(&mut self, file: Name, now: Instant) {
        if !self.open.contains_key(&file) {
            self.files.insert(file.clone());
            self.doubtful.insert(file);
            self.touch(now);
        }
    }

    /// Something happened, but to which file is not known.
    pub(super) fn unclear(&mut self, now: Instant) {
        self.everything = true;
        self.touch(now);
    }

    fn touch(&mut self, now: Instant) {
        self.span = Some((self.span.map_or(now, |(first, _)| first), now));
    }

    /// Whether a file is being written.
    pub(super) fn is_open(&self, file: &Name) -> bool {
        self.open.contains_key(file)
    }

    /// When there is something to read.
    pub(super) fn due(&self) -> Option<Instant> {
        self.settled().into_iter().chain(self.open.values().map(patience)).min()
    }

    /// What is to be read now; true when everything is to be looked at.
    pub(super) fn take(&mut self, now: Instant) -> (BTreeSet<Name>, bool) {
        let settled = self.settled().is_some_and(|due| now >= due);
        let mut taken = if settled {
            self.span = None;
            self.doubtful.clear();
            (std::mem::take(&mut self.files), std::mem::take(&mut self.everything))
        } else {
            Default::default()
        };
        self.open.retain(|file, times| {
            let waits = now < patience(times);
            if !waits {
                taken.0.insert(file.clone());
            }
            waits
        });
        taken
    }

    fn settled(&self) -> Option<Instant> {
        let quiet = if self.everything || !self.doubtful.is_empty() { QUIET } else { PROMPT };
        self.span.map(|(first, last)| (last + quiet).min(first + HOLD))
    }
}

/// Until when a writer is waited for.
fn patience((since, last): &(Instant, Instant)) -> Instant {
    (*last + STALLED).min(*since + LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn names(files: &BTreeSet<Name>) -> Vec<&str> {
        files.iter().map(|file| &**file).collect()
    }

    #[test]
    fn a_change_is_due_when_nothing_follows_and_at_last_after_a_while() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        assert_eq!(pending.due(), None);
        pending.changed("a".into(), start);
        assert_eq!(pending.due(), Some(start + QUIET));
        for at in 1..80 {
            pending.changed("b".into(), start + at * MS);
        }
        assert_eq!(pending.due(), Some(start + HOLD));
        let (files, everything) = pending.take(start + HOLD);
        assert_eq!((names(&files), everything), (vec!["a", "b"], false));
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn a_file_that_is_being_written_waits_and_holds_nothing_else_back() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        pending.changed("half".into(), start);
        pending.written("half".into(), start);
        pending.changed("other".into(), start);
        let (files, _) = pending.take(start + QUIET);
        assert_eq!(names(&files), ["other"]);
        pending.changed("half".into(), start + 20 * MS); // its mode, say
        pending.written("half".into(), start + 200 * MS);
        assert_eq!(pending.due(), Some(start + 200 * MS + STALLED));
        pending.ended("half".into(), start + 300 * MS);
        assert_eq!(pending.due(), Some(start + 300 * MS + PROMPT));
        assert_eq!(names(&pending.take(start + 310 * MS).0), ["half"]);
        pending.changed("new".into(), start);
        pending.ended("new".into(), start);
        assert_eq!(pending.due(), Some(start + PROMPT), "it came and was closed");
    }

    #[test]
    fn a_writer_that_stalls_or_never_ends_is_not_waited_for() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        pending.written("stalled".into(), start);
        assert!(pending.take(start + STALLED / 2).0.is_empty());
        assert_eq!(names(&pending.take(start + STALLED).0), ["stalled"]);
        for at in 0..30 {
            pending.written("endless".into(), start + at * 100 * MS);
        }
        assert_eq!(pending.due(), Some(start + LONGEST));
    }
}
