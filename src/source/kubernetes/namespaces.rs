//! Namespaces: into the store, and to whoever must know which of them are chosen.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch as latest;

use super::complaints::Complaints;
use super::context::{Context, Sent};
use super::mirror::left_out;
use super::object;
use super::watch::{Event, Watch};
use crate::model::selector::Selector;
use crate::model::{Kind, Name};
use crate::store::Object;

/// The chosen namespaces, `None` before the first list.
pub(super) type Chosen = latest::Sender<Option<Arc<BTreeSet<Name>>>>;

/// Follows the namespaces.
pub(super) struct Following {
    context: Context,
    selector: Selector,
    chosen: Chosen,
    names: BTreeSet<Name>,
    /// Those of a list under way.
    staged: Option<BTreeSet<Name>>,
    complaints: Complaints,
}

impl Following {
    /// Follows until nobody takes updates any more.
    pub(super) async fn run(context: Context, selector: Selector, chosen: Chosen) -> Sent {
        let mut watch = context.watch("Namespace", context.all(Kind::Namespace));
        let complaints = Complaints::new(watch.name().clone());
        let names = BTreeSet::new();
        let mut following = Self { context, selector, chosen, names, staged: None, complaints };
        loop {
            let event = watch.next().await;
            following.take(event, &mut watch).await?;
        }
    }

    async fn take(&mut self, event: Event, watch: &mut Watch) -> Sent {
        match event {
            Event::Begin => {
                self.staged = Some(BTreeSet::new());
                self.complaints.begin();
                self.context.begin(Kind::Namespace).await?;
            }
            Event::Apply(item) => match object::namespace(&item) {
                Ok((object, reports)) => {
                    self.choose(&object);
                    self.complaints.set(&item.key, reports);
                    self.context.apply(object).await?;
                }
                Err(report) => {
                    watch.unreadable();
                    if self.names.contains(&item.key.name) {
                        self.current().insert(item.key.name.clone());
                    }
                    self.complaints.set(&item.key, vec![report]);
                    self.context.keep(Kind::Namespace, item.key).await?;
                }
            },
            Event::Delete(item) => {
                self.current().remove(&item.key.name);
                self.complaints.set(&item.key, Vec::new());
                self.context.delete(Kind::Namespace, item.key).await?;
            }
            Event::Complete => {
                self.names = self.staged.take().unwrap_or_default();
                self.complaints.complete();
                self.context.complete(Kind::Namespace).await?;
            }
            Event::Forbidden(why) if self.context.once => {
                left_out(&self.context, Kind::Namespace, watch.name(), why).await?;
                self.context.complete(Kind::Namespace).await?;
            }
            Event::Forbidden(_) => return Ok(()),
        }
        self.complaints.send(&self.context).await?;
        self.publish();
        Ok(())
    }

    fn choose(&mut self, object: &Object) {
        let Object::Namespace { name, labels } = object else { return };
        if self.selector.matches(labels) {
            self.current().insert(name.clone());
        } else {
            self.current().remove(name);
        }
    }

    fn current(&mut self) -> &mut BTreeSet<Name> {
        self.staged.as_mut().unwrap_or(&mut self.names)
    }

    /// Tells the chosen ones, once a list is complete, if they changed.
    fn publish(&self) {
        if self.staged.is_some() {
            return;
        }
        self.chosen.send_if_modified(|chosen| {
            let changed = chosen.as_deref() != Some(&self.names);
            if changed {
                *chosen = Some(Arc::new(self.names.clone()));
            }
            changed
        });
    }
}
