//! The `hosts` of a block: read at the start, and again when the file changed.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::dns::hosts::{Options, Outcome, Table};
use crate::dns::plan;
use crate::dns::wire::name::{Name, ends_with};
use crate::dns::wire::question::Asked;
use crate::dns::wire::reply::Reply;
use crate::dns::wire::{Rcode, flag};
use crate::metrics::dns::Metrics;

/// A table that follows its file.
pub(super) struct Hosts {
    pub(super) plan: plan::Hosts,
    options: Options,
    table: ArcSwap<Table>,
    looked: Mutex<Looked>,
}

/// What was known of the file when it was last looked at.
#[derive(Clone, Copy)]
struct Looked {
    at: Instant,
    /// When it was changed, and its length.
    state: Option<(SystemTime, u64)>,
}

impl Hosts {
    /// Reads the file; one that cannot be read is empty until it can, as with CoreDNS.
    pub(super) fn new(plan: &plan::Hosts, zones: &[Name], metrics: &Metrics) -> Self {
        let zones = if plan.zones.is_empty() { zones } else { &plan.zones };
        let options = Options { ttl: plan.ttl, zones: zones.to_vec(), no_reverse: plan.no_reverse };
        let looked = Looked { at: Instant::now(), state: state(plan) };
        let hosts = Self {
            plan: plan.clone(),
            options,
            table: ArcSwap::from_pointee(Table::default()),
            looked: Mutex::new(looked),
        };
        hosts.read(metrics);
        hosts
    }

    /// `None`: others are asked.
    pub(super) fn answer(
        &self,
        asked: &Asked<'_>,
        reply: &mut Reply<'_>,
        turn: Option<u32>,
    ) -> Option<Rcode> {
        match self.table.load().answer(asked, reply, turn) {
            Outcome::Done(rcode) => Some(rcode),
            Outcome::Missing if !falls_through(self.plan.fallthrough.as_deref(), asked) => {
                reply.set(flag::AA);
                Some(Rcode::NXDOMAIN)
            }
            Outcome::Missing | Outcome::Elsewhere => None,
        }
    }

    /// Reads the file again when it is time to look and it has changed. Not for threads that answer.
    pub(super) fn look(&self, metrics: &Metrics) {
        let Some(path) = self.plan.file.as_ref().filter(|_| self.plan.reload > Duration::ZERO) else {
            return;
        };
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.at.elapsed() < self.plan.reload {
                return;
            }
            let state = state(&self.plan);
            let same = state == looked.state;
            *looked = Looked { at: Instant::now(), state };
            // A file that is away for a moment, while it is replaced, says nothing.
            if same || state.is_none() {
                return;
            }
        }
        tracing::info!("reading {} again, which has changed", path.display());
        self.read(metrics);
    }

    fn read(&self, metrics: &Metrics) {
        let mut text = self.plan.inline.join("\n") + "\n";
        if let Some(path) = &self.plan.file {
            match fs::read_to_string(path) {
                Ok(content) => text.push_str(&content),
                Err(error) => tracing::warn!("cannot read the hosts file {}: {error}", path.display()),
            }
        }
        let (table, problems) = Table::parse(&text, &self.options);
        for problem in problems.iter().take(10) {
            tracing::debug!("hosts: {problem}");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        metrics.hosts(table.entries(), now);
        self.table.store(Arc::new(table));
    }
}

/// Whether others are asked for a name that is not there.
pub(super) fn falls_through(zones: Option<&[Name]>, asked: &Asked<'_>) -> bool {
    zones.is_some_and(|zones| {
        zones.is_empty() || zones.iter().any(|zone| ends_with(asked.name.as_wire(), zone.as_wire()))
    })
}

fn state(plan: &plan::Hosts) -> Option<(SystemTime, u64)> {
    let of_file = fs::metadata(plan.file.as_ref()?).ok()?;
    Some((of_file.modified().ok()?, of_file.len()))
}
