//! The files of a directory as they were last seen, and what they hold.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Options;
use super::document::file_object;
use super::holdings::Holdings;
use super::node::{At, place};
use super::tree::{self, MAX_FILE_BYTES, Stamp, Tree};
use crate::model::{Name, Report, Severity};

/// How long a file may be gone before that counts: some editors put the new one there a moment later.
const GONE: Duration = Duration::from_millis(30);
/// How long a file may be empty before that counts. A busy disk can hold a writer up between emptying and writing, and
/// nobody who means to delete everything waits for an answer.
const EMPTY: Duration = Duration::from_secs(1);

/// The name under which the directory as a whole reports.
const WHOLE: &str = ".";

/// A directory and what is known of it.
pub(super) struct Directory {
    pub(super) root: PathBuf,
    pub(super) holdings: Holdings,
    /// There are links, so that a file may be seen under another name.
    pub(super) has_links: bool,
    stamps: BTreeMap<Name, Stamp>,
    trouble: Vec<Report>,
}

/// What became of reading a file.
#[derive(PartialEq)]
pub(super) enum Reading {
    /// What it holds now is in force.
    Done,
    /// It is suddenly empty or gone, perhaps because somebody is about to write it: so long may that take.
    Wait(Duration),
}

/// Why a file cannot be read.
enum Unread {
    Gone,
    Empty,
    Wrong(At, String),
}

impl Directory {
    pub(super) fn new(options: Options) -> Self {
        let root = options.directory.clone();
        let holdings = Holdings::new(options);
        Self { root, holdings, has_links: false, stamps: BTreeMap::new(), trouble: Vec::new() }
    }

    /// Reads everything. The error is about the directory itself.
    pub(super) fn look_first(&mut self) -> io::Result<Tree> {
        let (tree, changed) = self.look()?;
        for file in &changed {
            self.read(file, false);
        }
        self.settle();
        Ok(tree)
    }

    /// Finds which files changed, came or went since the last look.
    pub(super) fn look(&mut self) -> io::Result<(Tree, Vec<Name>)> {
        let tree = match tree::scan(&self.root) {
            Ok(tree) => tree,
            Err(error) => {
                let message =
                    format!("cannot be read any more ({error}), what it held keeps serving: bring it back");
                self.trouble = vec![self.whole(Severity::Error, "DirectoryUnreadable", message)];
                return Err(error);
            }
        };
        let hidden = |file: &Name| {
            tree.trouble
                .iter()
                .any(|(prefix, _)| file.strip_prefix(&**prefix).is_some_and(|rest| rest.starts_with('/')))
        };
        let differs = |(file, stamp): &(&Name, &Stamp)| self.stamps.get(*file) != Some(*stamp);
        let mut changed: Vec<Name> =
            tree.files.iter().filter(differs).map(|(file, _)| file.clone()).collect();
        let gone = self.stamps.keys().filter(|file| !tree.files.contains_key(*file) && !hidden(file));
        changed.extend(gone.cloned());
        let trouble = tree.trouble.iter().map(|(name, why)| {
            let message =
                format!("cannot be read ({why}), what it held keeps serving: check its permissions");
            Report::new(&file_object(name), Severity::Error, "DirectoryUnreadable", message)
        });
        self.trouble = trouble.collect();
        self.has_links = tree.has_links;
        Ok((tree, changed))
    }

    /// Whether files are known below a path relative to the directory.
    pub(super) fn has_below(&self, path: &Path) -> bool {
        let Some(start) = path.to_str().map(|path| Name::from(format!("{path}/"))) else { return true };
        self.stamps.range(start.clone()..).next().is_some_and(|(file, _)| file.starts_with(&*start))
    }

    /// Reads a file, or notices that it is gone. With `patient`, a file that lost everything is left for later.
    pub(super) fn read(&mut self, file: &Name, patient: bool) -> Reading {
        let path = self.root.join(&**file);
        let stamp = fs::metadata(&path).ok().map(|metadata| tree::stamp(&metadata));
        let result = text(&path);
        let patience = match result {
            Err(Unread::Gone) => Some(GONE),
            Err(Unread::Empty) => Some(EMPTY),
            _ => None,
        };
        if let Some(patience) = patience.filter(|_| patient && self.holdings.holds_objects(file)) {
            return Reading::Wait(patience);
        }
        match stamp {
            Some(stamp) => self.stamps.insert(file.clone(), stamp),
            None => self.stamps.remove(file),
        };
        self.put(file, result, false);
        Reading::Done
    }

    fn put(&mut self, file: &Name, result: Result<String, Unread>, whole: bool) {
        match result {
            Ok(text) => self.holdings.read(file, &text, whole),
            Err(Unread::Empty) => self.holdings.read(file, "", whole),
            Err(Unread::Gone) => self.holdings.gone(file),
            Err(Unread::Wrong(at, why)) => self.holdings.unreadable(file, place(file, at), &why),
        }
    }

    /// Reads what became due through other files, and reports about the directory as a whole.
    pub(super) fn settle(&mut self) {
        // Each round takes an owner away from some object, so this ends.
        loop {
            let again = self.holdings.take_again();
            if again.is_empty() {
                break;
            }
            for file in again {
                let result = text(&self.root.join(&*file));
                self.put(&file, result, true);
            }
        }
        let mut reports = self.trouble.clone();
        if reports.is_empty() && self.holdings.is_empty() && !self.holdings.is_troubled() {
            let message =
                "holds no Kubernetes objects that are served: put .yaml, .yml or .json files with them there";
            reports.push(self.whole(Severity::Warning, "NothingToServe", message.to_owned()));
        }
        self.holdings.report(WHOLE.into(), reports);
    }

    /// Reports something about the directory until the next look.
    pub(super) fn warn(&mut self, reason: &'static str, message: String) {
        let report = self.whole(Severity::Warning, reason, message);
        self.trouble.push(report);
    }

    /// A report about the directory, by the name it was given.
    fn whole(&self, severity: Severity, reason: &'static str, message: String) -> Report {
        Report::new(&file_object(&self.root.to_string_lossy().into()), severity, reason, message)
    }
}

/// The text of a file.
fn text(path: &std::path::Path) -> Result<String, Unread> {
    let start = At { line: 1, column: 1 };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unread::Gone,
        _ => Unread::Wrong(start, format!("cannot be read ({error}): check its permissions")),
    };
    // Opened only once it is known to be a plain file: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Unread::Gone);
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("is larger than {} MiB: split it", MAX_FILE_BYTES >> 20);
        return Err(Unread::Wrong(start, message));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let at = At { line: number(line), column: number(column) };
        Unread::Wrong(at, "is not UTF-8 text here: save it as UTF-8".to_owned())
    })?;
    if text.trim().is_empty() { Err(Unread::Empty) } else { Ok(text) }
}
