//! Updates become snapshots, for whoever needs no compile: the first when everything is known, what follows is gathered.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::debounce::Debounce;
use super::take;
use crate::model::Snapshot;
use crate::store::{Store, Update};

/// Takes updates until their source is gone; each state that is to be put in force is sent. Whoever is slow gets the last.
pub async fn run(
    mut store: Store,
    mut updates: mpsc::Receiver<Update>,
    snapshots: watch::Sender<Option<Snapshot>>,
) {
    let mut debounce = Debounce::default();
    let send = |store: &Store, debounce: &mut Debounce| {
        snapshots.send_replace(Some(store.snapshot()));
        debounce.published(Instant::now(), Duration::ZERO);
    };
    loop {
        let due = debounce.due();
        tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                send(&store, &mut debounce);
            }
            update = updates.recv() => match update {
                Some(update) => {
                    if take(&mut store, update, &mut updates) {
                        debounce.changed(Instant::now());
                    }
                }
                None => break,
            },
        }
    }
    if debounce.due().is_some() {
        send(&store, &mut debounce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, ObjectRef};
    use crate::store::Object;

    const MS: Duration = Duration::from_millis(1);

    fn namespace(name: String) -> Update {
        Update::Apply(Box::new(Object::Namespace { name: name.into(), labels: [].into() }))
    }

    fn known(snapshots: &watch::Receiver<Option<Snapshot>>) -> Option<usize> {
        snapshots.borrow().as_ref().map(|snapshot| snapshot.namespaces.len())
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_before_everything_is_known_then_at_once() {
        let (updates, receiver) = mpsc::channel(16);
        let (sender, mut snapshots) = watch::channel(None);
        let task = tokio::spawn(run(Store::new(&[Kind::Namespace]), receiver, sender));
        updates.send(Update::Begin(Kind::Namespace)).await.unwrap();
        updates.send(namespace("a".into())).await.unwrap();
        tokio::time::sleep(1000 * MS).await;
        assert_eq!(known(&snapshots), None);
        let before = Instant::now();
        updates.send(Update::Complete(Kind::Namespace)).await.unwrap();
        snapshots.changed().await.unwrap();
        assert_eq!((known(&snapshots), before.elapsed()), (Some(1), Duration::ZERO));
        drop(updates);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_closely_is_gathered_and_nothing_is_lost_at_the_end() {
        let (updates, receiver) = mpsc::channel(16);
        let (sender, mut snapshots) = watch::channel(None);
        let task = tokio::spawn(run(Store::new(&[]), receiver, sender));
        updates.send(namespace("first".into())).await.unwrap();
        snapshots.changed().await.unwrap();
        assert_eq!(known(&snapshots), Some(1));
        for n in 0..300 {
            updates.send(namespace(format!("n{n}"))).await.unwrap();
        }
        let mut sent = 0;
        while known(&snapshots) != Some(301) {
            snapshots.changed().await.unwrap();
            sent += 1;
        }
        assert!(sent <= 2, "sent {sent} times");
        updates.send(namespace("last".into())).await.unwrap();
        drop(updates);
        task.await.unwrap();
        assert_eq!(known(&snapshots), Some(302));
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_that_changes_nothing_sends_nothing() {
        let (updates, receiver) = mpsc::channel(16);
        let (sender, mut snapshots) = watch::channel(None);
        tokio::spawn(run(Store::new(&[]), receiver, sender));
        updates.send(namespace("a".into())).await.unwrap();
        snapshots.changed().await.unwrap();
        updates.send(namespace("a".into())).await.unwrap();
        updates.send(Update::Delete(ObjectRef::new(Kind::Namespace, "", "b"))).await.unwrap();
        assert!(tokio::time::timeout(1000 * MS, snapshots.changed()).await.is_err());
    }
}
