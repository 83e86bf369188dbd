//! Kinds that are kept as they are: every object of a collection goes into the store.
//!
//! Where one object of another namespace is needed too, a second, small collection is added to each list of the first:
//! what it holds is remembered here.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::complaints::Complaints;
use super::context::{Context, Sent};
use super::item::Item;
use super::object::Read;
use super::watch::{Event, Watch};
use crate::model::{Key, Kind, Name, ObjectRef, Report, Severity};
use crate::store::Object;

/// Follows all objects of one kind.
pub(super) struct Mirror {
    context: Context,
    kind: Kind,
    read: fn(&Item) -> Read,
    complaints: Complaints,
    /// The first collection's list is under way.
    listing: bool,
    /// The second collection's objects.
    extra: BTreeMap<Key, Object>,
    /// Those of its list under way.
    seen: Option<BTreeSet<Key>>,
    /// Its first list is complete, or it is left out.
    extra_known: bool,
}

impl Mirror {
    /// Follows `main`, and `extra` beside it, until nobody takes updates any more.
    pub(super) async fn run(
        context: Context,
        kind: Kind,
        read: fn(&Item) -> Read,
        mut main: Watch,
        mut extra: Option<Watch>,
    ) -> Sent {
        let complaints = Complaints::new(main.name().clone());
        let mut mirror = Self {
            context,
            kind,
            read,
            complaints,
            listing: true,
            extra: BTreeMap::new(),
            seen: None,
            extra_known: extra.is_none(),
        };
        loop {
            // The first list of the small one comes first: the other's is complete only with it.
            tokio::select! {
                event = next(&mut extra) => mirror.extra(event, extra.as_mut()).await?,
                event = main.next(), if mirror.extra_known => mirror.main(event, &mut main).await?,
            }
        }
    }

    async fn main(&mut self, event: Event, watch: &mut Watch) -> Sent {
        match event {
            Event::Begin => {
                self.listing = true;
                self.complaints.begin();
                self.context.begin(self.kind).await
            }
            Event::Apply(item) => match (self.read)(&item) {
                Ok((object, reports)) => {
                    self.complaints.set(&item.key, reports);
                    self.context.apply(object).await?;
                    self.tell().await
                }
                Err(report) => {
                    watch.unreadable();
                    self.complaints.set(&item.key, vec![report]);
                    self.context.keep(self.kind, item.key).await?;
                    self.tell().await
                }
            },
            Event::Delete(item) => {
                self.complaints.set(&item.key, Vec::new());
                self.context.delete(self.kind, item.key).await?;
                self.tell().await
            }
            Event::Complete => {
                for object in self.extra.values() {
                    self.context.apply(object.clone()).await?;
                }
                self.listing = false;
                self.complaints.complete();
                self.complaints.send(&self.context).await?;
                self.context.complete(self.kind).await
            }
            Event::Forbidden(why) if self.context.once => {
                left_out(&self.context, self.kind, watch.name(), why).await?;
                self.context.complete(self.kind).await
            }
            Event::Forbidden(why) if watch.is_optional() => {
                warn!("{why}; until then nothing is known of them");
                self.context.complete(self.kind).await
            }
            // Tries go on, and the log says so.
            Event::Forbidden(_) => Ok(()),
        }
    }

    /// The second collection: what is lost of it is deleted one by one.
    async fn extra(&mut self, event: Event, watch: Option<&mut Watch>) -> Sent {
        match event {
            Event::Begin => self.seen = Some(BTreeSet::new()),
            Event::Apply(item) => {
                if let Some(seen) = &mut self.seen {
                    seen.insert(item.key.clone());
                }
                // One that cannot be read stays as it was; the first collection's complaints are not about it.
                if let Ok((object, _)) = (self.read)(&item) {
                    if !self.listing {
                        self.context.apply(object.clone()).await?;
                    }
                    self.extra.insert(item.key, object);
                }
            }
            Event::Delete(item) => self.lose(item.key).await?,
            Event::Complete => {
                let seen = self.seen.take().unwrap_or_default();
                let lost: Vec<Key> = self.extra.keys().filter(|key| !seen.contains(*key)).cloned().collect();
                for key in lost {
                    self.lose(key).await?;
                }
                self.extra_known = true;
            }
            Event::Forbidden(why) => {
                if let Some(watch) = watch.filter(|_| self.context.once) {
                    left_out(&self.context, self.kind, watch.name(), why).await?;
                    self.extra_known = true;
                }
            }
        }
        Ok(())
    }

    async fn lose(&mut self, key: Key) -> Sent {
        if self.extra.remove(&key).is_some() && !self.listing {
            self.context.delete(self.kind, key).await?;
        }
        Ok(())
    }

    async fn tell(&mut self) -> Sent {
        self.complaints.send(&self.context).await
    }
}

/// Tells whoever asks only once that something may not be read and is left out.
pub(super) async fn left_out(context: &Context, kind: Kind, name: &Name, why: String) -> Sent {
    let object = ObjectRef::new(kind, "", "*");
    let message = format!("{why}; this answer is made as if there were none");
    let report = Report::new(&object, Severity::Error, "Forbidden", message);
    context.report(format!("{name} (forbidden)").into(), vec![report]).await
}

/// The next event, if there is such a watch.
async fn next(watch: &mut Option<Watch>) -> Event {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
