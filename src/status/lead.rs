//! The right to write, which ends by itself.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Until when this replica may write; tells when that changes.
#[derive(Clone, Debug)]
pub(super) struct Lead(watch::Receiver<Option<Instant>>);

impl Lead {
    pub(super) fn new(until: watch::Receiver<Option<Instant>>) -> Self {
        Self(until)
    }

    /// Whether writing is allowed at this moment.
    pub(super) fn holds(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until writing is allowed; for ever when nobody gives the right any more.
    pub(super) async fn won(&mut self) {
        while !self.holds() {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until writing is not allowed any more.
    pub(super) async fn lost(&mut self) {
        loop {
            let until = *self.0.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else { return };
            tokio::select! {
                () = sleep_until(until) => {}
                changed = self.0.changed() => if changed.is_err() {
                    return sleep_until(until).await;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_right_ends_with_its_time_unless_it_is_renewed() {
        let start = Instant::now();
        let (sender, receiver) = watch::channel(Some(start + Duration::from_secs(20)));
        let mut lead = Lead::new(receiver);
        lead.won().await;
        tokio::spawn(async move {
            sleep_until(start + Duration::from_secs(10)).await;
            sender.send_replace(Some(start + Duration::from_secs(30)));
            std::future::pending::<()>().await;
        });
        lead.lost().await;
        assert_eq!(start.elapsed().as_secs(), 30);
        assert!(!lead.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_ends_at_once_when_it_is_taken() {
        let start = Instant::now();
        let (sender, receiver) = watch::channel(Some(start + Duration::from_secs(20)));
        let mut lead = Lead::new(receiver);
        sender.send_replace(None);
        lead.lost().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
