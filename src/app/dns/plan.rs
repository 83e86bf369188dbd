//! Flags and Corefile -> Plan. (Stands in until the real one is there.)

use crate::config::{Dns, DnsAnswers};
use crate::dns::corefile::Fault;
use crate::dns::plan::Plan;

/// What was read.
pub(crate) struct Wanted {
    /// The plan.
    pub(crate) plan: Plan,
    /// What is passed over.
    pub(crate) notes: Vec<Fault>,
}

/// Reads it. `serving`: for `slipway dns`.
pub(crate) fn wanted(answers: &DnsAnswers, serving: Option<&Dns>) -> Result<Wanted, Vec<Fault>> {
    let _ = (answers, serving);
    Ok(Wanted { plan: Plan::default(), notes: Vec::new() })
}
