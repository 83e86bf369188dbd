//! Looks whether the Corefile, or what it imports, has changed.

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::super::Error;
use super::super::signals::Reloads;
use super::plan::{self, Wanted};
use crate::config::Dns;
use crate::dns::plan::Plan;
use crate::metrics::dns::Metrics;

/// The shortest pause between two looks.
const SHORTEST: Duration = Duration::from_millis(100);

/// The plan to begin with. Everything that is passed over is told.
pub(super) fn first(config: &Dns) -> Result<Plan, Error> {
    let Wanted { plan, notes } =
        plan::wanted(&config.answers, Some(config)).map_err(|faults| Error::Corefile(lines(&faults)))?;
    for note in notes {
        warn!("{note}");
    }
    Ok(plan)
}

/// Looks again and again, and at once on SIGHUP and SIGUSR1; a plan that differs is sent. A configuration that cannot be read is
/// told once; the former one stays.
pub(super) async fn run(config: Dns, known: Plan, plans: mpsc::Sender<Plan>, metrics: Metrics) {
    let mut signals = match Reloads::new() {
        Ok(signals) => signals,
        Err(error) => return error!("changes of the configuration are not noticed: {error}"),
    };
    let mut look = Look { known, told: Vec::new(), config, metrics };
    loop {
        let pause = look.pause();
        let waited = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = waited => {}
            () = signals.next() => info!("looking whether the configuration has changed, as a signal asks"),
        }
        if let Some(plan) = look.again()
            && plans.send(plan).await.is_err()
        {
            return;
        }
    }
}

struct Look {
    config: Dns,
    known: Plan,
    /// The faults that were told last.
    told: Vec<String>,
    metrics: Metrics,
}

impl Look {
    /// Reads the configuration again; gives the plan if it has changed.
    fn again(&mut self) -> Option<Plan> {
        let Wanted { plan, notes } = match plan::wanted(&self.config.answers, Some(&self.config)) {
            Ok(wanted) => wanted,
            Err(faults) => {
                self.broken(lines(&faults));
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
        self.known = plan.clone();
        Some(plan)
    }

    fn broken(&mut self, faults: Vec<String>) {
        if self.told == faults {
            return;
        }
        self.metrics.reload_failed();
        error!("{}; the former configuration stays in force", faults.join("; "));
        self.told = faults;
    }

    /// How long to wait before the next look; `None`: until a signal.
    fn pause(&self) -> Option<Duration> {
        let reload = self.known.reload?;
        let jitter = reload.jitter.mul_f64(fastrand::f64() * 2.0);
        Some((reload.interval + jitter).saturating_sub(reload.jitter).max(SHORTEST))
    }
}

fn lines(faults: &[crate::dns::corefile::Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
