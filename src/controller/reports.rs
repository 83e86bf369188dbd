//! Writes reports into the log: each once, and once when it ends.

use std::sync::Arc;

use tracing::{error, info, warn};

use crate::metrics::Severities;
use crate::model::{Report, Severity};

/// More reports than this are counted, not logged one by one.
const LOGGED: usize = 200;

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    reports: Arc<Vec<Report>>,
    /// Where the rest can be read, for the line that counts it; empty: nowhere.
    elsewhere: &'static str,
}

impl Written {
    /// Nothing yet. `elsewhere` says where all reports can be read.
    pub fn new(elsewhere: &'static str) -> Self {
        Self { reports: Arc::default(), elsewhere }
    }

    /// Writes what is new and what is over; `reports` are sorted. Gives how many there are if they changed.
    pub fn write(&mut self, reports: &Arc<Vec<Report>>) -> Option<Severities> {
        let former = std::mem::replace(&mut self.reports, reports.clone());
        if Arc::ptr_eq(&former, reports) {
            return None;
        }
        let begun = missing(reports, &former);
        for report in begun.iter().take(LOGGED) {
            match report.severity {
                Severity::Note => info!("{}", words(report)),
                Severity::Warning => warn!("{}", words(report)),
                Severity::Error => error!("{}", words(report)),
            }
        }
        let more = begun.len().saturating_sub(LOGGED);
        if more > 0 {
            warn!("and {more} more reports{}", self.elsewhere);
        }
        let over = missing(&former, reports);
        for report in over.iter().take(LOGGED) {
            info!("no longer: {}", words(report));
        }
        let more = over.len().saturating_sub(LOGGED);
        if more > 0 {
            info!("no longer: {more} more reports");
        }
        let of = |severity| reports.iter().filter(|report| report.severity == severity).count();
        Some(Severities {
            notes: of(Severity::Note),
            warnings: of(Severity::Warning),
            errors: of(Severity::Error),
        })
    }
}

/// A report without its severity, which the log line begins with.
fn words(report: &Report) -> String {
    let place = report.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{}{}", report.subject(), report.message)
}

/// What stands in the first and not in the second of two sorted lists.
fn missing<'a>(all: &'a [Report], known: &[Report]) -> Vec<&'a Report> {
    let mut known = known.iter().peekable();
    let is_missing = |report: &&Report| {
        while known.next_if(|known| known < report).is_some() {}
        known.peek() != Some(report)
    };
    all.iter().filter(is_missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, ObjectRef};

    fn report(message: &str) -> Report {
        Report::new(&ObjectRef::new(Kind::Service, "n", "s"), Severity::Warning, "X", message)
    }

    #[test]
    fn only_what_is_new_is_missing_in_what_was_known() {
        let (old, new) = ([report("a"), report("b")], [report("b"), report("c")]);
        let texts = |all: Vec<&Report>| all.iter().map(|r| r.message.clone()).collect::<Vec<_>>();
        assert_eq!(texts(missing(&new, &old)), ["c"]);
        assert_eq!(texts(missing(&old, &new)), ["a"]);
    }

    #[test]
    fn the_same_reports_are_written_once() {
        let mut written = Written::new("");
        let reports = Arc::new(vec![report("a")]);
        assert_eq!(written.write(&reports), Some(Severities { warnings: 1, ..Severities::default() }));
        assert_eq!(written.write(&reports), None);
        assert_eq!(written.write(&Arc::default()), Some(Severities::default()));
    }
}
