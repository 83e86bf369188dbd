//! (Zone, question) -> answer, nothing of that type, or no such name.

use super::wire::Rcode;
use super::wire::name::Name;
use super::wire::question::Asked;
use super::wire::reply::Reply;
use super::zone::Zone;

/// What a zone says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reply's records are complete: end it with this code.
    Done(Rcode),
    /// The reply has the aliases; what the last one leads to is outside the zone and is to be asked for, with the same type.
    Leads(Name),
    /// No such name, and nothing was added to the reply. Whoever falls through asks others; else [`deny`].
    Missing,
    /// The name is not in this zone.
    Elsewhere,
}

/// Answers from the zone. `turn` is a counter that goes on with each query: A and AAAA begin elsewhere each time.
pub fn answer(zone: &Zone, asked: &Asked<'_>, reply: &mut Reply<'_>, turn: Option<u32>) -> Outcome {
    let _ = (zone, asked, reply, turn);
    Outcome::Elsewhere
}

/// Adds what belongs to NXDOMAIN: the zone's SOA.
pub fn deny(zone: &Zone, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Rcode {
    let _ = (zone, asked, reply);
    Rcode::NXDOMAIN
}
