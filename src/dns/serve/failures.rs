//! Tells failures of a block to people (`errors`), those that are alike once per period.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use regex::Regex;

use crate::dns::forward::Unusable;
use crate::dns::plan;

/// What is told how.
pub(super) struct Failures {
    rules: Vec<Arc<Rule>>,
}

/// Failures whose text matches are counted and told once per period.
struct Rule {
    period: Duration,
    pattern: Regex,
    count: Mutex<u64>,
}

/// What becomes of a failure.
enum Told {
    /// It is told as it is.
    Now,
    /// It is the first of a period: tell their number at its end.
    First(Arc<Rule>),
    /// It is counted.
    Counted,
}

impl Failures {
    pub(super) fn new(plan: &plan::Errors, line: u32) -> Result<Self, Unusable> {
        let rule = |(period, pattern): &(Duration, String)| {
            let unusable = |error| {
                let message =
                    format!("`consolidate` cannot use {pattern:?} as a regular expression: {error}");
                Unusable { line, message }
            };
            let pattern = Regex::new(pattern).map_err(unusable)?;
            Ok(Arc::new(Rule { period: *period, pattern, count: Mutex::new(0) }))
        };
        Ok(Self { rules: plan.consolidate.iter().map(rule).collect::<Result<_, _>>()? })
    }

    /// Tells of a failure. Call it on a runtime.
    pub(super) fn tell(&self, text: &str) {
        match self.sort(text) {
            Told::Now => tracing::error!("{text}"),
            Told::Counted => {}
            Told::First(rule) => drop(tokio::spawn(async move {
                tokio::time::sleep(rule.period).await;
                tracing::error!("{}", rule.sum());
            })),
        }
    }

    fn sort(&self, text: &str) -> Told {
        let Some(rule) = self.rules.iter().find(|rule| rule.pattern.is_match(text)) else { return Told::Now };
        let mut count = rule.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        if *count == 1 { Told::First(rule.clone()) } else { Told::Counted }
    }
}

impl Rule {
    /// What there is to tell at the end of a period.
    fn sum(&self) -> String {
        let count = std::mem::take(&mut *self.count.lock().unwrap_or_else(PoisonError::into_inner));
        format!("{count} errors like '{}' occurred in last {}s", self.pattern, self.period.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_are_alike_are_told_once_per_period_with_their_number() {
        let consolidate = vec![(Duration::from_secs(30), "timed out$".to_owned())];
        let failures = Failures::new(&plan::Errors { consolidate, stacktrace: false }, 3).unwrap();
        assert!(matches!(failures.sort("a. A: refused"), Told::Now));
        let Told::First(rule) = failures.sort("a. A: timed out") else { panic!() };
        assert!(matches!(failures.sort("b. A: timed out"), Told::Counted));
        assert_eq!(rule.sum(), "2 errors like 'timed out$' occurred in last 30s");
        assert!(matches!(failures.sort("b. A: timed out"), Told::First(_)));
    }

    #[test]
    fn a_pattern_that_is_none_is_told_with_its_line() {
        let consolidate = vec![(Duration::from_secs(1), "(".to_owned())];
        let unusable = Failures::new(&plan::Errors { consolidate, stacktrace: false }, 3).err().unwrap();
        assert_eq!(unusable.line, 3);
        assert!(unusable.message.contains("\"(\""), "{}", unusable.message);
    }
}
