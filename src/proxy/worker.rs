//! What one worker thread owns: its view of the tables, its idle connections, its counts.
//!
//! The state lives in a thread-local, so that the futures of requests stay free of references to it and the runtime
//! needs no set of local tasks. Nothing here is shared with another worker.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use foldhash::fast::FixedState;
use http::HeaderValue;

use super::balance::RoundRobin;
use super::record::Counts;
use super::tls::{Acceptors, TlsAcceptor};
use super::upstream::{Connection, Limits, Mode, Pools, SlotId, http2};
use super::{log, timer};
use crate::metrics::Metrics;
use crate::model::settings::Settings;
use crate::publish::Reader;
use crate::routing::endpoints::{Backend, BackendId, Target};
use crate::routing::{Route, Tables};

thread_local! {
    static WORKER: OnceCell<Worker> = const { OnceCell::new() };
}

/// What all workers share. Nothing of it is written while a request is served.
pub(super) struct Shared {
    /// Tells connections to end after the request in flight.
    pub(super) draining: AtomicBool,
    /// Open client connections of each worker.
    pub(super) active: Box<[AtomicUsize]>,
    /// How many sockets are listened on.
    pub(super) listening: AtomicUsize,
    /// TLS for every combination of settings seen so far.
    pub(super) acceptors: Acceptors,
    /// Where batches of access-log lines go.
    pub(super) log: Option<SyncSender<Vec<u8>>>,
    /// Where counts go.
    pub(super) metrics: Metrics,
}

/// The tables as one worker sees them, with what it derived from the settings. Only this worker counts references to
/// it, so cloning it never contends.
pub(super) struct View {
    /// Routes and endpoints.
    pub(super) tables: Arc<Tables>,
    /// `Strict-Transport-Security`, where it is sent.
    pub(super) hsts: Option<HeaderValue>,
    /// What is kept of idle connections to endpoints.
    pub(super) limits: Limits,
    /// How a line of the access log looks; `None` when it is off.
    pub(super) log: Option<Arc<log::LogFormat>>,
    /// Speaks TLS with clients.
    pub(super) tls: TlsAcceptor,
}

impl View {
    /// The global settings.
    pub(super) fn settings(&self) -> &Settings {
        &self.tables.routes.settings
    }
}

/// A route as one worker counts it. As with [`View`], only this worker counts references.
#[derive(Debug)]
pub(super) struct Counted {
    /// The route.
    pub(super) route: Arc<Route>,
}

/// A place for the next try of a request.
#[derive(Debug)]
pub(super) struct Pick {
    /// Where.
    pub(super) target: Target,
    /// Where its idle connections are.
    pub(super) slot: SlotId,
}

/// One worker thread's state.
pub(super) struct Worker {
    /// What it shares with the others.
    pub(super) shared: Arc<Shared>,
    /// Its number.
    pub(super) index: usize,
    reader: RefCell<Reader<Tables>>,
    view: RefCell<Arc<View>>,
    counted: RefCell<HashMap<usize, Arc<Counted>, FixedState>>,
    balancers: RefCell<HashMap<(BackendId, Mode), Balancer, FixedState>>,
    pools: RefCell<Pools>,
    /// What is counted until the next batch.
    pub(super) counts: RefCell<Counts>,
    log: RefCell<Vec<u8>>,
    random: RefCell<fastrand::Rng>,
    ticks: Cell<u32>,
}

/// One backend in one worker: its rotation and the slots of its targets.
struct Balancer {
    backend: Arc<Backend>,
    slots: Vec<SlotId>,
    rotation: RoundRobin,
}

/// Uses this thread's worker.
pub(super) fn with<R>(f: impl FnOnce(&Worker) -> R) -> R {
    WORKER.with(|worker| f(worker.get().expect("requests run on worker threads only")))
}

/// The same, where the thread may be ending and the worker gone.
pub(super) fn try_with(f: impl FnOnce(&Worker)) {
    let _ = WORKER.try_with(|worker| worker.get().map(f));
}

/// Makes this thread worker number `index`.
pub(super) fn install(index: usize, shared: Arc<Shared>, mut reader: Reader<Tables>) {
    let view = View::derive(reader.get(), &shared, None);
    let worker = Worker {
        shared,
        index,
        reader: RefCell::new(reader),
        view: RefCell::new(Arc::new(view)),
        counted: RefCell::default(),
        balancers: RefCell::default(),
        pools: RefCell::default(),
        counts: RefCell::default(),
        log: RefCell::default(),
        random: RefCell::new(fastrand::Rng::new()),
        ticks: Cell::new(0),
    };
    WORKER.with(|place| assert!(place.set(worker).is_ok(), "a thread becomes a worker once"));
}

impl View {
    fn derive(tables: &Arc<Tables>, shared: &Shared, previous: Option<&Self>) -> Self {
        let settings = &tables.routes.settings;
        if let Some(same) = previous.filter(|old| Arc::ptr_eq(&old.tables.routes.settings, settings)) {
            let (hsts, log, tls) = (same.hsts.clone(), same.log.clone(), same.tls.clone());
            return Self { tables: tables.clone(), hsts, limits: same.limits, log, tls };
        }
        Self {
            tables: tables.clone(),
            hsts: settings.hsts_header().and_then(|value| HeaderValue::try_from(value).ok()),
            limits: Limits::from(settings.as_ref()),
            log: log::format(settings).filter(|_| shared.log.is_some()),
            tls: shared.acceptors.acceptor(settings),
        }
    }
}

impl Worker {
    /// The newest tables.
    pub(super) fn view(&self) -> Arc<View> {
        let mut reader = self.reader.borrow_mut();
        let tables = reader.get();
        if !Arc::ptr_eq(tables, &self.view.borrow().tables) {
            let view = View::derive(tables, &self.shared, Some(&self.view.borrow()));
            self.view.replace(Arc::new(view));
            self.forget_what_left();
        }
        self.view.borrow().clone()
    }

    /// The route as this worker counts it.
    pub(super) fn counted(&self, route: &Arc<Route>) -> Arc<Counted> {
        let mut counted = self.counted.borrow_mut();
        let entry = counted.entry(Arc::as_ptr(route) as usize);
        entry.or_insert_with(|| Arc::new(Counted { route: route.clone() })).clone()
    }

    /// The next endpoint of a backend that was not tried yet.
    pub(super) fn pick(&self, view: &View, id: BackendId, mode: Mode, tried: &[Target]) -> Option<Pick> {
        let backend = view.tables.endpoints.find(id)?;
        let mut balancers = self.balancers.borrow_mut();
        let balancer = balancers.entry((id, mode)).or_insert_with(|| Balancer {
            backend: Arc::new(Backend { targets: Vec::new(), ..Backend::clone(backend) }),
            slots: Vec::new(),
            rotation: RoundRobin::default(),
        });
        if !Arc::ptr_eq(&balancer.backend, backend) {
            balancer.adopt(backend, mode, &mut self.pools.borrow_mut());
        }
        let targets = &balancer.backend.targets;
        let picked =
            balancer.rotation.pick_untried(targets.len(), |index| tried.contains(&targets[index]))?;
        Some(Pick { target: targets[picked].clone(), slot: balancer.slots[picked] })
    }

    /// Whether a backend has any endpoint.
    pub(super) fn has_endpoints(view: &View, id: BackendId) -> bool {
        view.tables.endpoints.find(id).is_some_and(|backend| !backend.targets.is_empty())
    }

    /// An idle connection of a slot.
    pub(super) fn take_idle(&self, slot: SlotId) -> Option<Connection> {
        self.pools.borrow_mut().take(slot)
    }

    /// Keeps a connection for the next request.
    pub(super) fn put_back(&self, slot: SlotId, connection: Connection) {
        let limits = self.view.borrow().limits;
        self.pools.borrow_mut().put(slot, connection, &limits);
    }

    /// The HTTP/2 connection of a slot.
    pub(super) fn http2(&self, slot: SlotId) -> Option<http2::Sender> {
        self.pools.borrow_mut().http2(slot)
    }

    /// Keeps an HTTP/2 connection for other requests.
    pub(super) fn put_http2(&self, slot: SlotId, sender: &http2::Sender) {
        self.pools.borrow_mut().put_http2(slot, sender);
    }

    /// Forgets the HTTP/2 connection of a slot, which answers no more.
    pub(super) fn drop_http2(&self, slot: SlotId) {
        self.pools.borrow_mut().drop_http2(slot);
    }

    /// A fresh X-Request-ID: 32 hexadecimal digits.
    pub(super) fn request_id(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = self.random().to_ne_bytes();
        let digits: [u8; 32] = std::array::from_fn(|at| {
            let byte = bytes[at / 2];
            DIGITS[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })]
        });
        std::str::from_utf8(&digits).unwrap_or_default().to_owned()
    }

    /// Random bytes, for a WebSocket key.
    pub(super) fn random(&self) -> u128 {
        self.random.borrow_mut().u128(..)
    }

    /// Adds to the access log.
    pub(super) fn log(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut buffer = self.log.borrow_mut();
        write(&mut buffer);
        if buffer.len() >= log::BATCH {
            self.flush_log(&mut buffer);
        }
    }

    /// Hands over what is left of the log.
    pub(super) fn write_log(&self) {
        self.flush_log(&mut self.log.borrow_mut());
    }

    fn flush_log(&self, buffer: &mut Vec<u8>) {
        if buffer.is_empty() {
            return;
        }
        let batch = std::mem::replace(buffer, Vec::with_capacity(log::BATCH));
        let Some(sender) = &self.shared.log else { return };
        if let Err(full) = sender.try_send(batch) {
            let (std::sync::mpsc::TrySendError::Full(lines)
            | std::sync::mpsc::TrySendError::Disconnected(lines)) = full;
            let lost = lines.split(|byte| *byte == b'\n').count() - 1;
            self.counts.borrow_mut().log_lines_dropped += lost as u64;
        }
    }

    /// One more client connection, or one less.
    pub(super) fn opened(&self, worker: usize) {
        self.shared.active[worker].fetch_add(1, Ordering::Relaxed);
    }

    /// A client connection ended.
    pub(super) fn closed(&self, worker: usize) {
        self.shared.active[worker].fetch_sub(1, Ordering::Release);
    }

    /// Whether connections are to end.
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Every [`timer::TICK`]: deadlines, log, and once a second idle connections, counts and the newest tables.
    pub(super) fn tick(&self) {
        timer::advance();
        self.write_log();
        self.ticks.set(self.ticks.get().wrapping_add(1));
        if self.ticks.get().is_multiple_of(20) {
            let limits = self.view().limits;
            self.pools.borrow_mut().expire(&limits);
            self.send_counts();
        }
    }

    /// Sends what was counted since the last time.
    pub(super) fn send_counts(&self) {
        let active = self.shared.active[self.index].load(Ordering::Relaxed);
        let batch = self.counts.borrow_mut().batch(self.index, active);
        self.shared.metrics.merge(batch);
    }

    /// Drops what belongs to backends and routes that are gone.
    fn forget_what_left(&self) {
        let view = self.view.borrow();
        let mut pools = self.pools.borrow_mut();
        self.balancers.borrow_mut().retain(|(id, _), balancer| {
            let stays = view
                .tables
                .endpoints
                .find(*id)
                .is_some_and(|backend| backend.serial == balancer.backend.serial);
            if !stays {
                balancer.slots.drain(..).for_each(|slot| pools.release(slot));
            }
            stays
        });
        // Held by a request or the counts: still needed; the rest comes back at the next request.
        self.counted.borrow_mut().retain(|_, counted| Arc::strong_count(counted) > 1);
    }
}

impl Balancer {
    /// Takes over the backend's new endpoints; connections to those that stay are kept.
    fn adopt(&mut self, backend: &Arc<Backend>, mode: Mode, pools: &mut Pools) {
        let slots = backend.targets.iter().map(|target| pools.acquire(target, mode)).collect();
        for old in std::mem::replace(&mut self.slots, slots) {
            pools.release(old);
        }
        self.backend = backend.clone();
    }
}
