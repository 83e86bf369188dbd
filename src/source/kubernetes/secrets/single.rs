//! Follows one Secret by its name, as cheaply as it can: a watch while there are few, else a look now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::From;
use crate::model::certificate::Secret;
use crate::model::{Key, Kind, Report};
use crate::source::kubernetes::backoff::Backoff;
use crate::source::kubernetes::collection::Collection;
use crate::source::kubernetes::context::Context;
use crate::source::kubernetes::item::Item;
use crate::source::kubernetes::object;
use crate::source::kubernetes::trouble::Trouble;
use crate::source::kubernetes::watch::Event;

/// Watches on single Secrets. An API server allows about a hundred streams on a connection.
const WATCHES: usize = 32;

/// Requests at a time.
const REQUESTS: usize = 16;

/// Between two looks at Secrets that were looked at before, over all of them.
const PACE: Duration = Duration::from_millis(50);

/// How often to look at a Secret that is not watched.
const LOOK: Duration = Duration::from_secs(30);

/// How long to wait for a Secret that does not exist or may not be read.
const ABSENT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

/// How soon to ask again a server that may not know its rights yet.
const RIGHTS_AGAIN: Duration = Duration::from_millis(500);

/// Messages that may wait.
const WAITING: usize = 64;

/// What a task learned.
pub(super) struct Message {
    pub(super) number: u64,
    pub(super) key: Key,
    pub(super) found: Found,
}

/// What there is under a name.
pub(super) enum Found {
    /// A Secret, and whether it is of the type for certificates.
    Secret { secret: Box<Secret>, is_tls: bool },
    /// One that cannot be read.
    Unreadable(Report),
    /// Nothing.
    Missing,
    /// The server refuses to tell.
    Forbidden,
}

/// The tasks. They end when this is dropped.
pub(super) struct Singles {
    context: Context,
    limits: Arc<Limits>,
    tasks: JoinSet<()>,
    last: u64,
    found: mpsc::Sender<Message>,
}

struct Limits {
    watches: Semaphore,
    requests: Semaphore,
    pace: Mutex<Interval>,
}

impl Singles {
    /// No task yet; what they learn arrives at the receiver.
    pub(super) fn new(context: Context) -> (Self, mpsc::Receiver<Message>) {
        let (found, messages) = mpsc::channel(WAITING);
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let limits = Limits {
            watches: Semaphore::new(WATCHES),
            requests: Semaphore::new(REQUESTS),
            pace: Mutex::new(pace),
        };
        (Self { context, limits: limits.into(), tasks: JoinSet::new(), last: 0, found }, messages)
    }

    /// Begins to follow a Secret.
    pub(super) fn ask(&mut self, key: &Key) -> From {
        self.last += 1;
        let single = Single {
            collection: self.context.one(Kind::Secret, key),
            context: self.context.clone(),
            limits: self.limits.clone(),
            number: self.last,
            key: key.clone(),
            found: self.found.clone(),
        };
        From::Single(self.last, self.tasks.spawn(single.run()))
    }

    /// Clears away a task that ended.
    pub(super) async fn ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

struct Single {
    collection: Collection,
    context: Context,
    limits: Arc<Limits>,
    number: u64,
    key: Key,
    found: mpsc::Sender<Message>,
}

impl Single {
    async fn run(self) {
        let (mut failing, mut absent) = (Backoff::usual(), Backoff::new(ABSENT.0, ABSENT.1));
        let (reach, mut watchable) = (self.collection.reach(), true);
        loop {
            match self.look().await {
                Ok(Some(item)) => {
                    absent = Backoff::new(ABSENT.0, ABSENT.1);
                    failing.succeeded();
                    self.read(&item).await;
                    match self.limits.watches.try_acquire().ok().filter(|_| watchable) {
                        Some(_permit) => watchable = self.follow().await,
                        None => sleep(LOOK).await,
                    }
                }
                Ok(None) => {
                    self.tell(Found::Missing).await;
                    absent.failed(Duration::ZERO);
                }
                Err(Trouble::Forbidden(_)) if reach.knows_rights() => {
                    self.tell(Found::Forbidden).await;
                    absent.failed(Duration::ZERO);
                }
                Err(Trouble::Forbidden(_)) => failing.pause(RIGHTS_AGAIN),
                Err(trouble) => {
                    failing.failed(trouble.retry_after());
                    let unreached = matches!(trouble, Trouble::Unreachable(_)).then(|| reach.returns());
                    reach.wait(&mut failing, unreached).await;
                }
            }
            failing.wait().await;
            absent.wait().await;
            self.limits.pace.lock().await.tick().await;
        }
    }

    async fn look(&self) -> Result<Option<Item>, Trouble> {
        let _permit = self.limits.requests.acquire().await;
        self.collection.object(&self.key.name).await
    }

    /// Watches until the Secret is gone. Says whether it may be watched at all.
    async fn follow(&self) -> bool {
        let mut watch =
            self.context.watch(format!("Secret {}", self.key), self.collection.clone()).optional();
        let mut there = false;
        loop {
            match watch.next().await {
                Event::Begin => there = false,
                Event::Apply(item) => {
                    there = true;
                    self.read(&item).await;
                }
                Event::Complete if there => {}
                Event::Delete(_) | Event::Complete => {
                    self.tell(Found::Missing).await;
                    return true;
                }
                Event::Forbidden(_) => return false,
            }
        }
    }

    async fn read(&self, item: &Item) {
        let found = match object::secret(item) {
            Ok((secret, is_tls)) => Found::Secret { secret: Box::new(secret), is_tls },
            Err(report) => Found::Unreadable(report),
        };
        self.tell(found).await;
    }

    async fn tell(&self, found: Found) {
        // Nobody there any more: this task is about to end.
        let _ = self.found.send(Message { number: self.number, key: self.key.clone(), found }).await;
    }
}
