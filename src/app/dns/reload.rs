//! Looks whether the Corefile, what it imports, or a hosts file has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::super::Error;
use super::super::signals::Reloads;
use super::plan::{self, Wanted};
use crate::config::Dns;
use crate::dns::plan::Plan;
use crate::metrics::dns::Metrics;

/// What has changed.
pub(super) enum Changed {
    /// The plan.
    Plan(Plan),
    /// A file that the plan names.
    Files,
}

/// The plan to begin with. Everything that is passed over is told.
pub(super) fn first(config: &Dns) -> Result<Plan, Error> {
    let Wanted { plan, notes } =
        plan::wanted(&config.answers, Some(config)).map_err(|faults| Error::Corefile(lines(&faults)))?;
    for note in notes {
        warn!("{note}");
    }
    Ok(plan)
}

/// Looks again and again, and at once on SIGHUP and SIGUSR1. A configuration that cannot be read is told once; the former
/// one stays.
pub(super) async fn run(config: Dns, known: Plan, changes: mpsc::Sender<Changed>, metrics: Metrics) {
    let mut signals = match Reloads::new() {
        Ok(signals) => signals,
        Err(error) => return error!("changes of the configuration are not noticed: {error}"),
    };
    let mut look = Look { stamps: stamps(&known), known, told: Vec::new(), config, metrics };
    let (mut corefile, mut hosts) = (look.next_corefile(), look.next_hosts());
    loop {
        let now = Instant::now();
        let far = now + Duration::from_hours(1);
        let changed = tokio::select! {
            () = signals.next() => {
                info!("looking whether the configuration has changed, as a signal asks");
                look.corefile().or_else(|| look.files())
            }
            () = sleep_until(corefile.unwrap_or(far)) => {
                let changed = look.corefile();
                corefile = look.next_corefile();
                changed
            }
            () = sleep_until(hosts.unwrap_or(far)) => {
                let changed = look.files();
                hosts = look.next_hosts();
                changed
            }
        };
        if let Some(changed) = changed {
            (corefile, hosts) = (look.next_corefile(), look.next_hosts());
            if changes.send(changed).await.is_err() {
                return;
            }
        }
    }
}

type Stamps = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

struct Look {
    config: Dns,
    known: Plan,
    /// Of the files that the plan names.
    stamps: Stamps,
    /// The faults that were told last.
    told: Vec<String>,
    metrics: Metrics,
}

impl Look {
    /// Reads the Corefile again.
    fn corefile(&mut self) -> Option<Changed> {
        let wanted = plan::wanted(&self.config.answers, Some(&self.config));
        let Wanted { plan, notes } = match wanted {
            Ok(wanted) => wanted,
            Err(faults) => {
                let faults = lines(&faults);
                if self.told != faults {
                    self.metrics.reload_failed();
                    error!("{}; the former configuration stays in force", faults.join("; "));
                    self.told = faults;
                }
                return None;
            }
        };
        if !self.told.is_empty() {
            info!("the configuration can be read again");
            self.told.clear();
        }
        if plan == self.known {
            return None;
        }
        for note in notes {
            warn!("{note}");
        }
        self.stamps = stamps(&plan);
        self.known = plan.clone();
        Some(Changed::Plan(plan))
    }

    /// Looks at the files that the plan names.
    fn files(&mut self) -> Option<Changed> {
        let now = stamps(&self.known);
        let changed = now != self.stamps;
        self.stamps = now;
        changed.then_some(Changed::Files)
    }

    fn next_corefile(&self) -> Option<Instant> {
        let reload = self.known.reload?;
        let jitter = reload.jitter.mul_f64(fastrand::f64() * 2.0);
        Some(Instant::now() + (reload.interval + jitter).saturating_sub(reload.jitter))
    }

    fn next_hosts(&self) -> Option<Instant> {
        let hosts = self.known.blocks.iter().filter_map(|block| block.hosts.as_ref());
        let followed = hosts.filter(|hosts| hosts.file.is_some() && !hosts.reload.is_zero());
        followed.map(|hosts| hosts.reload).min().map(|interval| Instant::now() + interval)
    }
}

fn stamps(plan: &Plan) -> Stamps {
    let files = plan.blocks.iter().filter_map(|block| block.hosts.as_ref()?.file.clone());
    let stamp = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    files.map(|path| (path.clone(), stamp(&path))).collect()
}

fn lines(faults: &[crate::dns::corefile::Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
