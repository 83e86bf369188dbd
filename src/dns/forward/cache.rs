//! What upstreams said, for as long as they allow. Shared by all threads; in shards, so that they seldom wait for each other.

use super::{Answer, Question};
use crate::dns::plan;
use crate::dns::wire::Rcode;
use crate::dns::wire::question::Asked;
use crate::dns::wire::reply::Reply;

/// A cache for one server block.
pub struct Cache {
    plan: plan::Cache,
}

/// What the cache says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The reply's records are complete: end it with this code.
    Fresh(Rcode),
    /// The same, and it is to be asked for again behind it (`prefetch`, or `serve_stale` served what has ended).
    Refresh(Rcode),
    /// Nothing; nothing was added to the reply.
    Miss,
}

impl Cache {
    /// An empty cache. `bytes` bounds what it holds in memory, beside the plan's numbers of entries.
    pub fn new(plan: plan::Cache, bytes: usize) -> Self {
        let _ = bytes;
        Self { plan }
    }

    /// What it was made with.
    pub fn plan(&self) -> &plan::Cache {
        &self.plan
    }

    /// Answers from the cache, with times counted down. `now` is in seconds since any fixed instant. `turn` as for zones.
    pub fn answer(&self, asked: &Asked<'_>, reply: &mut Reply<'_>, now: u32, turn: Option<u32>) -> Hit {
        let _ = (asked, reply, now, turn);
        Hit::Miss
    }

    /// The same for a question that is not a message.
    pub fn find(&self, question: &Question, now: u32) -> Option<Answer> {
        let _ = (question, now);
        None
    }

    /// Keeps an answer.
    pub fn keep(&self, question: &Question, answer: &Answer, now: u32) {
        let _ = (question, answer, now);
    }

    /// How many answers and denials it holds.
    pub fn entries(&self) -> (usize, usize) {
        (0, 0)
    }
}
