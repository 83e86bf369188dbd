//! What each file holds, and which updates follow when a file changes.
//!
//! No I/O here: a file comes in as text. Only names are kept, not objects: the store has those. An object in several
//! files belongs to the first of them in path order; when that one lets go of it, the next is read again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Options;
use super::document::{Outcome, file_object};
use super::node::At;
use super::piece::{Piece, cut};
use crate::model::{Kind, Name, ObjectRef, Place, Report, Severity};
use crate::store::{Object, Update};
use crate::translate::settings;

/// All files of the directory.
pub(super) struct Holdings {
    options: Options,
    files: BTreeMap<Name, File>,
    owners: HashMap<ObjectRef, BTreeSet<Name>>,
    reported: HashSet<Name>,
    updates: Vec<Update>,
    again: BTreeSet<Name>,
}

/// What one file holds.
#[derive(Default)]
struct File {
    pieces: Vec<Piece>,
    /// What it held before and what cannot be read now.
    kept: BTreeSet<ObjectRef>,
    /// Why it cannot be read at all.
    trouble: Option<Report>,
}

impl File {
    /// Every object of the file, in order; one that stands twice comes twice.
    fn items(&self) -> impl Iterator<Item = &(ObjectRef, At)> {
        self.pieces.iter().flat_map(|piece| &piece.items)
    }

    fn names(&self) -> BTreeSet<ObjectRef> {
        self.items().map(|(name, _)| name).chain(&self.kept).cloned().collect()
    }
}

impl Holdings {
    pub(super) fn new(options: Options) -> Self {
        let mut holdings = Self {
            options,
            files: BTreeMap::new(),
            owners: HashMap::new(),
            reported: HashSet::new(),
            updates: Vec::new(),
            again: BTreeSet::new(),
        };
        holdings.default_settings();
        let object = settings::overrides_object();
        let (_, reports) = settings::settings(&BTreeMap::new(), &holdings.options.overrides, &object);
        holdings.report(object.key.name, reports);
        holdings
    }

    /// The updates that follow from all changes since the last call. Deletions come last and only where nobody else
    /// holds the object now: one that moves from file to file is never gone in between.
    pub(super) fn take_updates(&mut self) -> Vec<Update> {
        let all = std::mem::take(&mut self.updates);
        let (deletions, mut updates): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|update| matches!(update, Update::Delete(_)));
        updates.extend(deletions.into_iter().filter(|update| match update {
            Update::Delete(name) => !self.owners.contains_key(name),
            _ => true,
        }));
        updates
    }

    /// Whether the updates to come take away an object that no file holds any more.
    pub(super) fn loses(&self) -> bool {
        let lost =
            |update: &Update| matches!(update, Update::Delete(name) if !self.owners.contains_key(name));
        self.updates.iter().any(lost)
    }

    /// Files that must be read again, because an object is theirs now.
    pub(super) fn take_again(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.again)
    }

    /// Whether a file held objects at the last look.
    pub(super) fn holds_objects(&self, file: &Name) -> bool {
        self.files.get(file).is_some_and(|held| held.items().next().is_some() || !held.kept.is_empty())
    }

    /// How many files there are.
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Whether any file holds an object.
    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether anything is to be told about any file.
    pub(super) fn is_troubled(&self) -> bool {
        self.files.keys().any(|file| self.reported.contains(file))
    }

    /// How many objects of unused kinds there are, by kind.
    pub(super) fn ignored(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for kind in self.files.values().flat_map(|file| &file.pieces).flat_map(|piece| &piece.ignored) {
            *counts.entry(kind.clone()).or_default() += 1;
        }
        counts
    }

    /// Replaces the reports of the whole source.
    pub(super) fn report(&mut self, source: Name, reports: Vec<Report>) {
        let known = if reports.is_empty() {
            self.reported.remove(&source)
        } else {
            self.reported.insert(source.clone());
            true
        };
        if known {
            self.updates.push(Update::Reports { source, reports });
        }
    }

    /// Takes a file's new text. With `whole` nothing of the former reading is used.
    pub(super) fn read(&mut self, file: &Name, text: &str, whole: bool) {
        let old = self.files.remove(file).unwrap_or_default();
        let names = old.names();
        let mut known = HashMap::new();
        // Among repeated objects it can change which one counts, so everything is looked at again.
        let repeats = old.items().count() + old.kept.len() != names.len();
        if !whole && !repeats {
            known.extend(old.pieces.into_iter().map(|piece| ((piece.hash, piece.lines_before), piece)));
        }
        let mut new = File::default();
        let (mut fresh, mut lost, mut lost_unknown) = (Vec::new(), BTreeSet::new(), false);
        for part in cut(text) {
            let piece = known.remove(&(part.hash, part.lines_before)).unwrap_or_else(|| {
                let (piece, outcomes) = part.read(file, &self.options);
                fresh.extend(outcomes);
                piece
            });
            lost.extend(piece.lost.iter().cloned());
            lost_unknown |= piece.lost_unknown;
            new.pieces.push(piece);
        }
        let present: BTreeSet<ObjectRef> = new.items().map(|(name, _)| name.clone()).collect();
        let absent = names.difference(&present);
        new.kept = absent.filter(|name| lost_unknown || lost.contains(*name)).cloned().collect();
        self.put(file, new, &names, fresh);
    }

    /// Takes the news that a file cannot be read: what it held stays.
    pub(super) fn unreadable(&mut self, file: &Name, place: Place, message: &str) {
        let old = self.files.remove(file).unwrap_or_default();
        let names = old.names();
        let report = Report::new(&file_object(file), Severity::Error, "FileUnreadable", message);
        let new = File {
            kept: names.clone(),
            trouble: Some(Report { place: Some(place), ..report }),
            ..File::default()
        };
        self.put(file, new, &names, Vec::new());
    }

    /// Takes the news that a file is gone.
    pub(super) fn gone(&mut self, file: &Name) {
        let Some(old) = self.files.remove(file) else { return };
        let names = old.names();
        self.release(file, names);
        self.report(file.clone(), Vec::new());
    }

    /// Puts a file in force: who owns what, what is applied, what is deleted, what is told.
    fn put(
        &mut self,
        file: &Name,
        new: File,
        old: &BTreeSet<ObjectRef>,
        fresh: Vec<(ObjectRef, Vec<Object>)>,
    ) {
        let names = new.names();
        let mut affected = BTreeSet::from([file.clone()]);
        for name in &names {
            let owners = self.owners.entry(name.clone()).or_default();
            affected.extend(owners.iter().cloned());
            owners.insert(file.clone());
        }
        let mut seen = HashSet::new();
        for (name, objects) in fresh {
            let first = seen.insert(name.clone()) && self.owner(&name) == Some(file);
            if first {
                let objects = objects.into_iter().map(Box::new).map(Update::Apply);
                self.updates.extend(objects);
            }
        }
        self.files.insert(file.clone(), new);
        self.release(file, old.difference(&names).cloned().collect());
        for file in affected {
            let reports = self.reports_of(&file);
            self.report(file, reports);
        }
    }

    /// A file lets go of objects: the next owner is read, or the object is gone.
    fn release(&mut self, file: &Name, names: BTreeSet<ObjectRef>) {
        for name in names {
            let was_owner = self.owner(&name) == Some(file);
            let Some(owners) = self.owners.get_mut(&name) else { continue };
            owners.remove(file);
            if let Some(next) = owners.first().filter(|_| was_owner) {
                self.again.insert(next.clone());
            } else if owners.is_empty() {
                self.owners.remove(&name);
                self.delete(name);
            }
        }
    }

    fn delete(&mut self, name: ObjectRef) {
        if name.kind == Kind::ConfigMap && self.options.configmap.as_ref() == Some(&name.key) {
            self.default_settings();
        }
        self.updates.push(Update::Delete(name));
    }

    /// The settings without a ConfigMap.
    fn default_settings(&mut self) {
        let object = settings::overrides_object();
        let (settings, _) = settings::settings(&BTreeMap::new(), &self.options.overrides, &object);
        self.updates.push(Update::Apply(Box::new(Object::Settings(settings))));
    }

    fn owner(&self, name: &ObjectRef) -> Option<&Name> {
        self.owners.get(name).and_then(BTreeSet::first)
    }

    fn reports_of(&self, file: &Name) -> Vec<Report> {
        let Some(held) = self.files.get(file) else { return Vec::new() };
        let mut reports: Vec<Report> = held.trouble.iter().cloned().collect();
        let mut seen = HashSet::new();
        for piece in &held.pieces {
            let broken = piece.lost_unknown || !piece.lost.is_empty();
            reports.extend(piece.reports.iter().cloned().map(|mut report| {
                if broken && !held.kept.is_empty() && report.severity == Severity::Error {
                    report.message.push_str("; its last good form keeps serving");
                }
                report
            }));
            for (name, at) in &piece.items {
                let owner = self.owner(name).filter(|owner| *owner != file);
                let other = match owner {
                    Some(owner) => format!("in {owner}"),
                    None if !seen.insert(name) => "earlier in this file".to_owned(),
                    None => continue,
                };
                let message = format!("stands also {other}, and that one counts: remove one of them");
                let report = Report::new(name, Severity::Warning, "DuplicateObject", message);
                reports.push(Report { place: Some(super::node::place(file, *at)), ..report });
            }
        }
        if let (Some(trouble), false) =
            (reports.first_mut().filter(|_| held.trouble.is_some()), held.kept.is_empty())
        {
            trouble.message.push_str("; what it held before keeps serving");
        }
        reports
    }
}

/// Splits what became of a piece's objects into what to remember and what to apply.
pub(super) fn sort(piece: &mut Piece, outcomes: Vec<Outcome>) -> Vec<(ObjectRef, Vec<Object>)> {
    let mut fresh = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Kept { name, at, objects, reports } => {
                piece.items.push((name.clone(), at));
                piece.reports.extend(reports);
                fresh.push((name, objects));
            }
            Outcome::Broken { name, reports } => {
                let is_error = reports.iter().any(|report| report.severity == Severity::Error);
                match name {
                    Some(name) => piece.lost.push(name),
                    None => piece.lost_unknown |= is_error,
                }
                piece.reports.extend(reports);
            }
            Outcome::Ignored(kind) => piece.ignored.push(kind),
        }
    }
    fresh
}
