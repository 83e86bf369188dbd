//! Follows a directory: notices changes, waits until they settle, reads what changed.
//!
//! The kernel names the files that change; those are read when nothing more happened to them for a few milliseconds
//! and their writer has closed them. What no file holds any more is gone a little later: perhaps it comes with the next
//! file. Whatever is not so clear (a directory, a link, a lost event) makes it look at
//! the stamps of all files. Now and then it does so anyway, for file systems that tell nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::oneshot;

use super::directory::{Directory, Reading};
use super::pending::Pending;
use super::tree::{self, Tree};
use super::{KINDS, Options};
use crate::model::Name;
use crate::source::Updates;
use crate::store::Update;

/// How many messages may wait; when more come, everything is looked at instead.
pub(super) const QUEUE: usize = 4096;
/// How long an object may be in no file before it is gone.
const LOSS: Duration = Duration::from_millis(15);
/// How often everything is looked at although nothing was told.
const LOOK: Duration = Duration::from_secs(5);
/// The same, where the kernel tells nothing.
const POLL: Duration = Duration::from_millis(50);

/// What wakes the follower.
pub(super) enum Message {
    /// Something happened in the directory.
    Changed(Event),
    /// Nobody wants to know any more.
    Stop,
}

/// Ends the follower when the task that wanted it is dropped.
pub(super) struct StopOnDrop(pub(super) SyncSender<Message>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // When the queue is full the follower finds out by the closed channel of updates.
        let _ = self.0.try_send(Message::Stop);
    }
}

/// Follows until stopped. `started` hears when the first list is sent, or why there is none.
pub(super) fn run(
    options: Options,
    sender: &SyncSender<Message>,
    messages: &Receiver<Message>,
    updates: &Updates,
    started: oneshot::Sender<io::Result<()>>,
) {
    let mut follower = Follower::new(options, sender.clone());
    follower.watch(); // before the first look, so that no change is lost between
    let first = match follower.directory.look_first() {
        Ok(tree) => tree,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    follower.also_watch(&first);
    follower.directory.settle();
    let sent = send(updates, KINDS.iter().map(|kind| Update::Begin(*kind)))
        && send(updates, follower.directory.holdings.take_updates())
        && send(updates, KINDS.iter().map(|kind| Update::Complete(*kind)));
    if !sent || started.send(Ok(())).is_err() {
        return;
    }
    while follower.wait(messages) {
        follower.act();
        if follower.holds_back() {
            continue;
        }
        if !send(updates, follower.directory.holdings.take_updates()) {
            return;
        }
    }
}

fn send(updates: &Updates, all: impl IntoIterator<Item = Update>) -> bool {
    !updates.is_closed() && all.into_iter().all(|update| updates.blocking_send(update).is_ok())
}

/// The whole path of a directory that is named through a link.
fn link(root: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(root).ok()?;
    let is_link = std::fs::symlink_metadata(&whole).is_ok_and(|metadata| metadata.is_symlink());
    is_link.then_some(whole)
}

/// Whether a path that is no manifest may matter: it may be a directory, or what a link leads to.
fn is_telling(path: &Path, only_content: bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let temporary = [".swp", ".swx", ".swpx", ".tmp", "~"].iter().any(|end| name.ends_with(end));
    let content = path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|k| e == *k));
    !temporary && (content || !only_content)
}

struct Follower {
    directory: Directory,
    sender: SyncSender<Message>,
    overflow: Arc<AtomicBool>,
    watcher: Option<RecommendedWatcher>,
    /// Why the kernel does not tell.
    unwatched: Option<String>,
    /// The directory itself, as it was when the watch began.
    root: Option<(PathBuf, (u64, u64))>,
    /// The directory as it was named, when that is a link: it may be led elsewhere.
    link: Option<PathBuf>,
    outside: BTreeSet<PathBuf>,
    pending: Pending,
    /// Files that lost everything: since when, and after how long to believe it.
    doubtful: BTreeMap<Name, (Instant, Duration)>,
    /// When to believe that objects are gone which no file holds any more.
    losses: Option<Instant>,
    next_look: Instant,
    next_watch: Instant,
}

impl Follower {
    fn new(options: Options, sender: SyncSender<Message>) -> Self {
        Self {
            directory: Directory::new(options),
            sender,
            overflow: Arc::default(),
            watcher: None,
            unwatched: None,
            root: None,
            link: None,
            outside: BTreeSet::new(),
            pending: Pending::default(),
            doubtful: BTreeMap::new(),
            losses: None,
            next_look: Instant::now() + LOOK,
            next_watch: Instant::now() + LOOK,
        }
    }

    /// Asks the kernel to tell, from now on.
    fn watch(&mut self) {
        self.outside.clear();
        (self.watcher, self.root) = (None, None);
        self.link = link(&self.directory.root);
        self.next_watch = Instant::now() + LOOK;
        let Ok(root) = self.directory.root.canonicalize() else { return };
        let Ok(metadata) = std::fs::metadata(&root) else { return };
        let (sender, overflow) = (self.sender.clone(), self.overflow.clone());
        let handler = move |result: notify::Result<Event>| {
            let message = match result {
                Ok(event) if !event.need_rescan() => Message::Changed(event),
                // An error or an overflow: what happened is not known.
                Ok(_) | Err(_) => {
                    overflow.store(true, Ordering::Relaxed);
                    Message::Changed(Event::new(EventKind::Any))
                }
            };
            if let Err(TrySendError::Full(_)) = sender.try_send(message) {
                overflow.store(true, Ordering::Relaxed);
            }
        };
        let home = self.link.as_deref().and_then(Path::parent);
        let watched = notify::recommended_watcher(handler).and_then(|mut watcher| {
            if let Some(home) = home {
                watcher.watch(home, RecursiveMode::NonRecursive)?;
            }
            watcher.watch(&root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watched {
            Ok(telling) => (self.watcher, self.unwatched) = (Some(telling), None),
            Err(error) => self.unwatched = Some(error.to_string()),
        }
        self.root = Some((root, tree::inode(&metadata)));
    }

    /// Watches the directories outside that links lead into.
    fn also_watch(&mut self, tree: &Tree) {
        let Some(watcher) = &mut self.watcher else { return };
        for path in tree.outside.difference(&self.outside) {
            let _ = watcher.watch(path, RecursiveMode::NonRecursive); // else found at the next look
        }
        for path in self.outside.difference(&tree.outside) {
            let _ = watcher.unwatch(path);
        }
        self.outside.clone_from(&tree.outside);
    }

    /// Waits until there is something to do; false when it is time to end.
    fn wait(&mut self, messages: &Receiver<Message>) -> bool {
        // What was told already comes first: a file may have been opened again since it was closed.
        for _ in 0..QUEUE {
            match messages.try_recv() {
                Ok(Message::Changed(event)) => self.note(&event),
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => break,
            }
        }
        loop {
            let due = self.due();
            let Some(rest) = due.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) else {
                return true;
            };
            match messages.recv_timeout(rest) {
                Ok(Message::Changed(event)) => self.note(&event),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => return true,
            }
        }
    }

    /// When the next thing is to be done.
    fn due(&self) -> Instant {
        let doubt = self.doubtful.values().map(|(since, patience)| *since + *patience).min();
        [self.pending.due(), doubt, self.losses].into_iter().flatten().fold(self.next_look, Instant::min)
    }

    /// Whether what was read has to wait, because objects are gone that may come back with the next file.
    fn holds_back(&mut self) -> bool {
        let now = Instant::now();
        let due = *self.losses.get_or_insert(now + LOSS);
        let waits = due > now && self.directory.holdings.loses();
        if !waits {
            self.losses = None;
        }
        waits
    }

    /// Notes what an event names.
    fn note(&mut self, event: &Event) {
        let closed = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Access(_) => return, // our own reading
            _ => false,
        };
        let written = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
        let moved = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        let now = Instant::now();
        for path in &event.paths {
            if self.is_beside(path) {
                continue;
            }
            let Some(file) = self.manifest(path) else {
                if is_telling(path, closed || written) && !self.is_plain(path) {
                    self.pending.unclear(now);
                }
                continue;
            };
            if written {
                self.doubtful.remove(&file); // somebody is about to fill it
                self.pending.written(file, now);
            } else if closed || moved {
                self.pending.ended(file, now);
            } else {
                self.pending.changed(file, now);
            }
        }
        if event.paths.is_empty() || self.overflow.swap(false, Ordering::Relaxed) {
            self.pending.unclear(now);
        }
    }

    /// Whether a path only lies beside the link to the directory.
    fn is_beside(&self, path: &Path) -> bool {
        let Some(link) = &self.link else { return false };
        let home = path.parent().filter(|home| Some(*home) == link.parent());
        home.is_some_and(|home| path != link && !self.outside.contains(home))
    }

    /// Whether a path that is no manifest is, or was, a plain file to which no link can lead.
    fn is_plain(&self, path: &Path) -> bool {
        let Some((root, _)) = &self.root else { return false };
        let Ok(relative) = path.strip_prefix(root) else { return false };
        if self.directory.has_links {
            return false;
        }
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => metadata.is_file(),
            Err(_) => !self.directory.has_below(relative),
        }
    }

    /// The file of the directory that a path names, if it can be told without looking.
    fn manifest(&self, path: &Path) -> Option<Name> {
        let (root, _) = self.root.as_ref()?;
        let relative = path.strip_prefix(root).ok()?.to_str()?;
        let visible = !relative.split('/').any(tree::is_hidden);
        (visible && tree::is_manifest(relative)).then(|| relative.into())
    }

    /// Reads what is due.
    fn act(&mut self) {
        let now = Instant::now();
        let (mut files, everything) = self.pending.take(now);
        let look = everything || self.overflow.swap(false, Ordering::Relaxed);
        // Who removes the whole directory does not mean its files.
        let missing = !self.directory.root.exists();
        if missing || look || now >= self.next_look {
            let changed = self.look();
            files.extend(changed.into_iter().filter(|file| !self.pending.is_open(file)));
        }
        if missing {
            files.clear();
            self.doubtful.clear();
        }
        let believed: Vec<Name> = self
            .doubtful
            .iter()
            .filter(|(_, (since, patience))| now >= *since + *patience)
            .map(|(file, _)| file.clone())
            .collect();
        for file in &believed {
            self.doubtful.remove(file);
            self.directory.read(file, false);
            files.remove(file);
        }
        for file in files {
            match self.directory.read(&file, true) {
                Reading::Wait(patience) => self.doubtful.entry(file).or_insert((now, patience)).1 = patience,
                Reading::Done => {
                    self.doubtful.remove(&file);
                }
            }
        }
        self.directory.settle();
    }

    /// Looks at all files; gives those to read.
    fn look(&mut self) -> Vec<Name> {
        let start = Instant::now();
        let current = std::fs::metadata(&self.directory.root).ok().map(|metadata| tree::inode(&metadata));
        let moved = self.root.as_ref().map(|(_, inode)| *inode) != current;
        if moved || (self.unwatched.is_some() && start >= self.next_watch) {
            self.watch();
        }
        let changed = match self.directory.look() {
            Ok((tree, changed)) => {
                self.also_watch(&tree);
                changed
            }
            Err(_) => Vec::new(), // the directory itself is gone: told, and looked for again
        };
        // A poll takes at most a tenth of the time, however large the directory is.
        let poll = POLL.max(start.elapsed() * 10);
        let told = self.watcher.is_some() && self.root.is_some();
        if let Some(why) = &self.unwatched {
            let message = format!(
                "the kernel does not tell of changes ({why}), so files are looked at every {} ms: raise \
                 fs.inotify.max_user_watches and max_user_instances",
                poll.as_millis()
            );
            self.directory.warn("CannotWatch", message);
        }
        self.next_look = Instant::now() + if told { LOOK } else { poll };
        changed
    }
}
