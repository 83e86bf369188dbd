//! Queries over TCP: threads with a runtime of their own that accept connections and bound their number.

mod connection;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

use super::active::Entry;
use super::desk::Desk;
use super::ending::Ending;
use connection::Connection;

/// The longest message.
const LARGEST: usize = 65535;
/// How long nothing is accepted after an error that does not pass by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// How many connections there are, in all threads.
#[derive(Clone)]
pub(super) struct Limits {
    pub(super) open: Arc<AtomicUsize>,
    pub(super) most: usize,
    pub(super) idle: Duration,
}

/// One thread.
pub(super) struct Thread {
    pub(super) listeners: Vec<(std::net::TcpListener, Entry)>,
    pub(super) desk: Desk,
    pub(super) limits: Limits,
    pub(super) ending: Ending,
}

/// What the connections of a thread share.
struct House {
    desk: RefCell<Desk>,
    /// Room for one reply.
    room: RefCell<Box<[u8]>>,
    limits: Limits,
    guests: RefCell<BTreeMap<u64, Rc<Guest>>>,
    next: Cell<u64>,
    ending: Ending,
}

/// A connection, as others see it.
struct Guest {
    /// When it last had something to do.
    active: Cell<Instant>,
    /// It waits for nothing but the client's next query.
    idle: Cell<bool>,
    /// It is to look whether it has to go.
    look: Notify,
    /// It is to make room for another.
    leave: Cell<bool>,
}

/// A connection's place; given back when dropped.
struct Place {
    house: Rc<House>,
    id: u64,
    guest: Rc<Guest>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.guests.borrow_mut().remove(&self.id);
        let before = self.house.limits.open.fetch_sub(1, Ordering::Relaxed);
        self.house.desk.borrow().common().metrics.connections(before.saturating_sub(1));
    }
}

impl Thread {
    /// Serves until told to stop, and then what is under way.
    pub(super) fn run(self, runtime: &tokio::runtime::Runtime) {
        LocalSet::new().block_on(runtime, self.serve());
    }

    async fn serve(self) {
        let house = Rc::new(House {
            desk: RefCell::new(self.desk),
            room: RefCell::new(vec![0; LARGEST].into()),
            limits: self.limits,
            guests: RefCell::default(),
            next: Cell::new(0),
            ending: self.ending.clone(),
        });
        // Whoever lives holds one; nobody ever sends.
        let (alive, mut gone) = mpsc::channel::<()>(1);
        for (listener, entry) in self.listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    drop(tokio::task::spawn_local(house.clone().accept(listener, entry, alive.clone())));
                }
                Err(error) => tracing::error!("cannot listen for DNS over TCP: {error}"),
            }
        }
        drop(alive);
        let deadline = loop {
            tokio::select! {
                deadline = self.ending.given() => break deadline,
                () = tokio::time::sleep(super::jobs::LOOK) => drop(house.desk.borrow_mut().idle()),
            }
        };
        for guest in house.guests.borrow().values() {
            guest.look.notify_one();
        }
        let _ = tokio::time::timeout_at(deadline.into(), gone.recv()).await;
    }
}

impl House {
    async fn accept(self: Rc<Self>, listener: TcpListener, entry: Entry, alive: mpsc::Sender<()>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.ending.given() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.enter(stream, peer, entry, &alive),
                Err(error) => {
                    tracing::debug!("accepting DNS over TCP failed: {error}");
                    // With too many open files, room is the only help.
                    self.make_room();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // Who came before the end is served, too.
        while let Ok(Ok((stream, peer))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
            self.enter(stream, peer, entry, &alive);
        }
    }

    /// Serves a connection, when there is room or somebody idle can go.
    fn enter(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, entry: Entry, alive: &mpsc::Sender<()>) {
        let before = self.limits.open.fetch_add(1, Ordering::Relaxed);
        if before >= self.limits.most && !self.make_room() {
            self.limits.open.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.desk.borrow().common().metrics.connections(before + 1);
        let id = self.next.replace(self.next.get() + 1);
        let guest = Rc::new(Guest {
            active: Cell::new(Instant::now()),
            idle: Cell::new(true),
            look: Notify::new(),
            leave: Cell::new(false),
        });
        self.guests.borrow_mut().insert(id, guest.clone());
        let place = Place { house: self.clone(), id, guest };
        // Small replies do not wait for more.
        let _ = stream.set_nodelay(true);
        let alive = alive.clone();
        drop(tokio::task::spawn_local(async move {
            Connection::new(stream, peer, entry, place).serve().await;
            drop(alive);
        }));
    }

    /// Has the connection that was idle longest go. False when none is idle.
    fn make_room(&self) -> bool {
        let guests = self.guests.borrow();
        let idle = guests.values().filter(|guest| guest.idle.get() && !guest.leave.get());
        let Some(longest) = idle.min_by_key(|guest| guest.active.get()) else { return false };
        longest.leave.set(true);
        longest.look.notify_one();
        true
    }
}
