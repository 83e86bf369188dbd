//! Questions under way: equal ones are asked once, and there are not too many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Answer, Failure, Forwarder, Question};

/// Questions under way where the plan sets no limit: each has a socket.
const FLIGHTS: usize = 8192;

/// Who waits for them, at most.
const WAITING: usize = 32768;

type Outcome = Option<Result<Answer, Failure>>;

/// All that are under way.
pub(super) struct Flights {
    limit: usize,
    waiting: Arc<AtomicUsize>,
    aloft: Mutex<HashMap<Question, watch::Receiver<Outcome>>>,
}

/// A wait for an answer.
pub(super) struct Landing {
    outcome: watch::Receiver<Outcome>,
    waiting: Arc<AtomicUsize>,
}

impl Flights {
    pub(super) fn new(limit: usize) -> Self {
        let limit = if limit == 0 { FLIGHTS } else { limit };
        Self { limit, waiting: Arc::default(), aloft: Mutex::default() }
    }

    /// Waits with those who asked the same, or asks. `None`: too many are under way. Needs a runtime.
    pub(super) fn join(&self, forwarder: &Arc<Forwarder>, question: Question) -> Option<Landing> {
        let mut aloft = self.aloft.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = aloft.get(&question) {
            return self.landing(outcome.clone());
        }
        if aloft.len() >= self.limit {
            return None;
        }
        let (sender, outcome) = watch::channel(None);
        let landing = self.landing(outcome.clone())?;
        aloft.insert(question.clone(), outcome);
        drop(aloft);
        // A task of its own: whoever asked first may give up, others wait for the same.
        let ended = Ended { forwarder: forwarder.clone(), question };
        tokio::spawn(async move {
            let answer = ended.forwarder.consult(&ended.question).await;
            drop(ended);
            let _ = sender.send(Some(answer));
        });
        Some(landing)
    }

    fn landing(&self, outcome: watch::Receiver<Outcome>) -> Option<Landing> {
        let landing = Landing { outcome, waiting: self.waiting.clone() };
        (landing.waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(landing)
    }
}

/// Takes a question off the list, whatever becomes of its task.
struct Ended {
    forwarder: Arc<Forwarder>,
    question: Question,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let aloft = &self.forwarder.flights.aloft;
        aloft.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.question);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Landing {
    pub(super) async fn wait(&mut self) -> Result<Answer, Failure> {
        // The sender goes without a word only when the runtime ends.
        let outcome = self.outcome.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| outcome.clone()).unwrap_or_else(|| Err(Failure::Silent(Vec::new())))
    }
}
