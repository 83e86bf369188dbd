//! Keeps the kernel's rules what they should be: desired -> difference -> one transaction, and a look when somebody else
//! wrote there.

mod affinity;
mod held;
mod later;
mod sweep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use super::desired::{self, Desired, Stale};
use super::diff::{Command, Transaction, adopt, diff};
use super::nft::{Failure, Kernel, Touched, Watcher};
use super::ruleset::{Family, Ruleset};
use super::telling::{Sync, Telling};
use super::{Error, Told};
use crate::metrics::service_proxy::Metrics;
use crate::model::Snapshot;
use crate::model::node::Node;
use held::Held;
use later::Later;

/// The first and the longest wait before a failed transaction is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The shortest time between two looks at the whole table.
const LOOK: Duration = Duration::from_secs(1);

/// How often the whole is looked at when somebody wrote to the kernel's tables, whoever and wherever.
const RESYNC: Duration = Duration::from_mins(10);

/// Services that are put aside in one go, before the rest waits for the next try.
const ASIDE: usize = 32;

/// How often health is told while nothing changes.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The kernel's side, and what is known of it.
pub(super) struct Engine {
    options: desired::Options,
    kernel: Kernel,
    desired: Option<Desired>,
    /// What the kernel has; `None` when it has to be read first.
    applied: Option<Ruleset>,
    held: Held,
    later: Later,
    telling: Telling,
    /// UDP flows that end once the rules are in force.
    flows: Vec<Stale>,
    /// Clients that are forgotten then.
    clients: Vec<Stale>,
    /// When all flows and clients are looked at, whatever is known to have left.
    sweep: Option<Instant>,
    /// This Node, as it was when it was there last.
    node: Option<Arc<Node>>,
    /// When a failed transaction is tried again, and the next wait.
    retry: Option<Instant>,
    backoff: Duration,
    /// When to look at the whole table.
    look: Option<(Instant, Touched)>,
    looked: Instant,
    /// The kernel's generation after the last look.
    generation: u32,
}

/// Why rules could not be brought up to date.
enum Trouble {
    /// The transaction was refused, and no single Service is to blame.
    Refused(Failure),
    /// The kernel could not be read.
    Unreadable(String),
    /// So many Services are refused that the cause is another.
    Many,
}

/// Follows snapshots until nobody sends any more. Runs on a thread of its own: reading a large table takes a while.
pub(super) async fn run(
    options: desired::Options,
    mut snapshots: watch::Receiver<Option<Snapshot>>,
    told: Told,
    metrics: Metrics,
) -> Result<(), Error> {
    let mut kernel = Kernel::open().map_err(|why| Error::Kernel(why.to_string()))?;
    kernel.generation().map_err(|why| Error::Kernel(why.to_string()))?;
    let mut watcher = Watcher::open(&kernel).map_err(|why| Error::Kernel(why.to_string()))?;
    others(&mut kernel);
    let mut engine = Engine::new(options, kernel, Telling::new(told, metrics));
    loop {
        let due = tokio::time::Instant::from_std(engine.due());
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let snapshot = snapshots.borrow_and_update().clone();
                if let Some(snapshot) = snapshot {
                    engine.take(&snapshot);
                }
            }
            touched = watcher.touched() => engine.touched(touched),
            () = sleep_until(due) => engine.tick(),
        }
    }
}

impl Engine {
    fn new(options: desired::Options, kernel: Kernel, telling: Telling) -> Self {
        Self {
            options,
            kernel,
            desired: None,
            applied: None,
            held: Held::default(),
            later: Later::default(),
            telling,
            flows: Vec::new(),
            clients: Vec::new(),
            sweep: None,
            node: None,
            retry: None,
            backoff: BACKOFF.0,
            look: None,
            looked: Instant::now(),
            generation: 0,
        }
    }

    /// When [`Self::tick`] has something to do.
    fn due(&self) -> Instant {
        let look = self.look.as_ref().map(|(at, _)| *at);
        let heartbeat = self.telling.told() + HEARTBEAT;
        [self.retry, look, self.later.due(), self.held.due(), self.sweep]
            .into_iter()
            .flatten()
            .fold(heartbeat, Instant::min)
    }

    /// Brings the rules up to what the snapshot asks for.
    fn take(&mut self, snapshot: &Snapshot) {
        let started = Instant::now();
        self.telling.noticed();
        let snapshot = self.with_node(snapshot);
        let desired = desired::desired(&snapshot, &self.options, self.desired.as_ref());
        let former = self.desired.replace(desired);
        let Some(desired) = &self.desired else { return };
        self.telling.computed(former.as_ref(), desired);
        self.held.release_changed(&desired.ruleset);
        if let Some(former) = &former {
            self.flows.extend(desired::stale_udp(former, desired));
            self.clients.extend(desired::stale_clients(former, desired));
        }
        // While the kernel refuses, it is not asked more often because more changes.
        if self.retry.is_none_or(|at| at <= started) {
            self.write(&Sync::Change, started);
        }
    }

    /// A Node that is gone is taken as it was, but for new connections from outside: its addresses and ranges are what
    /// running pods go by.
    fn with_node(&mut self, snapshot: &Snapshot) -> Snapshot {
        let mut snapshot = snapshot.clone();
        match (snapshot.nodes.get(&self.options.node), &self.node) {
            (Some(node), _) => self.node = Some(node.clone()),
            (None, Some(last)) => {
                let gone = Node { deleting: true, ..Node::clone(last) };
                snapshot.nodes.insert(self.options.node.clone(), Arc::new(gone));
            }
            (None, None) => {}
        }
        snapshot
    }

    /// What is to be in the kernel: all that is desired, without what the kernel refuses.
    fn wanted(&self) -> Ruleset {
        self.desired.as_ref().map(|desired| self.held.without(&desired.ruleset)).unwrap_or_default()
    }

    /// Writes what is missing, says how it went.
    fn write(&mut self, sync: &Sync, started: Instant) {
        match self.bring_up_to_date() {
            Ok((transaction, read)) => {
                self.retry = None;
                self.backoff = BACKOFF.0;
                self.telling.written(sync, &transaction, self.applied.as_ref(), read, started.elapsed());
                self.settle(&transaction, read);
            }
            Err(trouble) => {
                let why = match trouble {
                    Trouble::Refused(failure) => format!("the kernel refused the rules: {failure}"),
                    Trouble::Unreadable(why) => format!("the kernel's rules cannot be read: {why}"),
                    Trouble::Many => format!("the kernel refuses the rules of more than {ASIDE} Services"),
                };
                self.applied = None;
                // What left meanwhile is found out when the rules are in force again.
                self.flows = Vec::new();
                self.clients = Vec::new();
                self.retry = Some(Instant::now() + self.backoff);
                error!("{why}; the rules stay as they are, the next try is in {} s", self.backoff.as_secs());
                self.backoff = (self.backoff * 2).min(BACKOFF.1);
                self.telling.failed();
            }
        }
        if let Some(desired) = &self.desired {
            self.telling.tell(self.held.with(&desired.reports));
        }
    }

    /// One transaction from what the kernel has to what it should have. Of a Service that the kernel refuses everything is
    /// left out; the others do not wait for it. Says whether the kernel had to be read.
    fn bring_up_to_date(&mut self) -> Result<(Transaction, bool), Trouble> {
        let mut read = false;
        for _ in 0..ASIDE {
            let wanted = self.wanted();
            let transaction = if let Some(applied) = &self.applied {
                diff(applied, &wanted)
            } else {
                read = true;
                let found = self.kernel.read().map_err(|why| Trouble::Unreadable(why.to_string()))?;
                adopt(&found, &wanted)
            };
            let failure = match self.apply(&transaction.commands) {
                Ok(()) => {
                    self.applied = Some(wanted);
                    return Ok((transaction, read));
                }
                Err(failure) => failure,
            };
            // What was believed to be there may not be, or the other way round: look first.
            if !read {
                warn!("the kernel refused a change ({failure}): its rules are read anew");
                self.applied = None;
                continue;
            }
            let owner = failure.command.and_then(|at| owner(transaction.commands.get(at)?));
            match owner {
                Some(owner)
                    if is_about_it(&failure) && self.held.hold(&owner, &failure, self.desired.as_ref()) =>
                {
                    error!(
                        "Service {owner}: the kernel refuses its rules ({failure}); it is left out, all others are served"
                    );
                }
                _ => return Err(Trouble::Refused(failure)),
            }
        }
        Err(Trouble::Many)
    }

    fn apply(&mut self, commands: &[Command]) -> Result<(), Failure> {
        if commands.is_empty() {
            return Ok(());
        }
        self.kernel.apply(commands)
    }

    /// Somebody else wrote to our tables, or may have.
    fn touched(&mut self, touched: Touched) {
        if self.desired.is_some() && self.look.is_none() {
            self.look = Some((Instant::now().max(self.looked + LOOK), touched));
        }
    }

    /// Does what is due.
    fn tick(&mut self) {
        let now = Instant::now();
        if self.look.as_ref().is_some_and(|(at, _)| *at <= now)
            && let Some((_, touched)) = self.look.take()
        {
            self.look_again(&Sync::Repair(touched.to_string()));
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.write(&Sync::Change, now);
        }
        if self.held.due().is_some_and(|at| at <= now) {
            self.held.release_all();
            self.write(&Sync::Change, now);
        }
        if self.sweep.is_some_and(|at| at <= now) {
            self.sweep_all();
        }
        // One by one: what cannot be removed stays until the next look at the whole, and keeps nothing else.
        for command in self.later.take(now, self.desired.as_ref().map(|desired| &desired.ruleset)) {
            if let Err(failure) = self.kernel.apply(std::slice::from_ref(&command)) {
                info!("what is not used any more stays for now: {failure}");
            }
        }
        if now.duration_since(self.looked) >= RESYNC && self.desired.is_some() {
            match self.kernel.generation() {
                Ok(generation) if generation == self.generation => self.looked = now,
                _ => self.look_again(&Sync::Look),
            }
        }
        self.telling.heartbeat(self.retry.is_none() && self.desired.is_some());
    }

    fn look_again(&mut self, sync: &Sync) {
        self.looked = Instant::now();
        self.applied = None;
        self.write(sync, Instant::now());
        self.generation = self.kernel.generation().unwrap_or(0);
    }
}

/// Says when another service proxy left its rules: whichever comes first would win.
pub(super) fn others(kernel: &mut Kernel) {
    match kernel.other_tables() {
        Ok(tables) => {
            let others: Vec<String> = tables
                .iter()
                .filter(|(_, name)| name == "kube-proxy")
                .map(|(family, name)| format!("{family} {name}"))
                .collect();
            if !others.is_empty() {
                warn!(
                    "the rules of kube-proxy are still in the kernel (table {}): stop it and run \"kube-proxy --cleanup\" on this node",
                    others.join(", table ")
                );
            }
        }
        Err(why) => warn!("whether another service proxy left rules cannot be told: {why}"),
    }
}

/// Whether the kernel means the command itself: it is wrong, and not that there is no right or no memory.
fn is_about_it(failure: &Failure) -> bool {
    const NO_RIGHT: [i32; 2] = [1, 13];
    const NO_ROOM: [i32; 3] = [12, 23, 105];
    !NO_RIGHT.contains(&failure.errno) && !NO_ROOM.contains(&failure.errno)
}

/// Whose element a command is about.
fn owner(command: &Command) -> Option<super::ruleset::Owner> {
    match command {
        Command::AddElement(owner, _) | Command::DeleteElement(owner, _) => owner.clone(),
        _ => None,
    }
}

/// Removes our tables. Says whether there were any.
pub(super) fn cleanup() -> Result<bool, Error> {
    let kernel = |why: super::nft::Error| Error::Kernel(why.to_string());
    let mut open = Kernel::open().map_err(kernel)?;
    let found = open.read().map_err(kernel)?;
    let commands: Vec<Command> =
        Family::ALL.into_iter().filter(|f| found.tables.contains(f)).map(Command::DeleteTable).collect();
    if commands.is_empty() {
        return Ok(false);
    }
    open.apply(&commands).map_err(|failure| Error::Kernel(failure.to_string()))?;
    Ok(true)
}
