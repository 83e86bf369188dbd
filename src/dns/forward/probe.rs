//! Does a query that we send upstream come back to us? Asks for a name that nobody else knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{Failure, Forwarder, Question, query};
use crate::dns::wire::kind;
use crate::dns::wire::name::Name;

/// How long upstreams may be out of reach before nothing more is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A name that nobody else knows, and how often somebody asked us for it.
pub struct LoopProbe {
    name: Name,
    seen: AtomicU32,
    sight: Notify,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The query came back: upstream leads here.
    Looping,
    /// Somebody else answered it.
    Clear,
    /// No upstream could be reached for 30 seconds.
    Unreachable(Failure),
}

impl LoopProbe {
    /// A name below `zone`: two numbers by chance.
    pub fn new(zone: &Name) -> Self {
        let number = || query::number().unwrap_or_else(|_| fastrand::u64(..)).to_string();
        let below = zone.prepend(number().as_bytes()).and_then(|name| name.prepend(number().as_bytes()));
        // Only a zone of nearly 255 bytes has no room for them; nothing is found there, and nothing breaks.
        Self { name: below.unwrap_or_else(|_| zone.clone()), seen: AtomicU32::new(0), sight: Notify::new() }
    }

    /// The name, to be asked as HINFO.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether a query is the probe come back; counts it. `asked` is in wire form and lower case. Such a query is best
    /// answered at once, with REFUSED, and not forwarded.
    #[inline]
    pub fn saw(&self, asked: &[u8]) -> bool {
        if asked != self.name.as_wire() {
            return false;
        }
        self.seen.fetch_add(1, Ordering::Relaxed);
        self.sight.notify_one();
        true
    }

    /// How often it came back.
    pub fn seen(&self) -> u32 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Asks, over and over until upstream can be reached. Once is enough to know: only a query of ours can have that name.
    pub async fn run(&self, forwarder: &Arc<Forwarder>) -> Verdict {
        let question =
            Question { name: self.name.clone(), kind: kind::HINFO, dnssec: false, unchecked: false };
        let until = Instant::now() + PATIENCE;
        loop {
            let outcome = tokio::select! {
                () = self.sight.notified() => return Verdict::Looping,
                outcome = forwarder.fetch(&question) => outcome,
            };
            if self.seen() > 0 {
                return Verdict::Looping;
            }
            match outcome {
                Ok(_) => return Verdict::Clear,
                Err(failure) if Instant::now() >= until => return Verdict::Unreachable(failure),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}
