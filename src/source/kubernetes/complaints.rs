//! What there is to report about the objects of a watch, and when that changed.

use std::collections::BTreeMap;

use super::context::{Context, Sent};
use crate::model::{Key, Name, Report};

/// The reports of one watch, by object.
pub(super) struct Complaints {
    source: Name,
    known: BTreeMap<Key, Vec<Report>>,
    /// Those of a list under way.
    staged: Option<BTreeMap<Key, Vec<Report>>>,
    changed: bool,
}

impl Complaints {
    /// None yet; `source` is the name of the watch.
    pub(super) fn new(source: Name) -> Self {
        Self { source, known: BTreeMap::new(), staged: None, changed: false }
    }

    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.staged = Some(BTreeMap::new());
    }

    /// These are the reports about an object now.
    pub(super) fn set(&mut self, object: &Key, reports: Vec<Report>) {
        let (table, listing) = match &mut self.staged {
            Some(staged) => (staged, true),
            None => (&mut self.known, false),
        };
        let known = table.get(object).map_or(&[][..], Vec::as_slice);
        if *known == *reports {
            return;
        }
        if reports.is_empty() {
            table.remove(object);
        } else {
            table.insert(object.clone(), reports);
        }
        self.changed |= !listing;
    }

    /// The list is complete.
    pub(super) fn complete(&mut self) {
        let Some(staged) = self.staged.take() else { return };
        self.changed |= self.known != staged;
        self.known = staged;
    }

    /// Sends them if they changed.
    pub(super) async fn send(&mut self, context: &Context) -> Sent {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let all = self.known.values().flatten().cloned().collect();
        context.report(self.source.clone(), all).await
    }
}
