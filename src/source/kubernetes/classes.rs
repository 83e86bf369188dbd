//! IngressClasses: into the store, and to whoever must know whose an Ingress is.

use std::sync::Arc;

use tokio::sync::watch as latest;
use tracing::warn;

use super::claim::Classes;
use super::complaints::Complaints;
use super::context::{Context, Sent};
use super::item::Item;
use super::mirror::left_out;
use super::object;
use super::watch::{Event, Watch};
use crate::model::{Key, Kind};
use crate::store::Object;

/// The classes of now, `None` before the first list.
pub(super) type Known = latest::Sender<Option<Arc<Classes>>>;

/// Follows the classes.
pub(super) struct Following {
    context: Context,
    known: Known,
    classes: Classes,
    /// Those of a list under way.
    staged: Option<Classes>,
    complaints: Complaints,
}

impl Following {
    /// Follows until nobody takes updates any more.
    pub(super) async fn run(context: Context, known: Known) -> Sent {
        let watch = context.watch("IngressClass", context.all(Kind::IngressClass));
        // With --ingress-class-by-name no class object is needed.
        let mut watch = if context.options.by_name { watch.optional() } else { watch };
        let complaints = Complaints::new(watch.name().clone());
        let mut following = Self { context, known, classes: Classes::default(), staged: None, complaints };
        loop {
            let event = watch.next().await;
            following.take(event, &mut watch).await?;
        }
    }

    async fn take(&mut self, event: Event, watch: &mut Watch) -> Sent {
        match event {
            Event::Begin => {
                self.staged = Some(Classes::default());
                self.complaints.begin();
                self.context.begin(Kind::IngressClass).await?;
            }
            Event::Apply(item) => self.apply(&item, watch).await?,
            Event::Delete(item) => {
                self.current().controllers.remove(&item.key.name);
                self.complaints.set(&item.key, Vec::new());
                self.context.delete(Kind::IngressClass, Key::new("", item.key.name)).await?;
            }
            Event::Complete => {
                self.classes = self.staged.take().unwrap_or_default();
                self.complaints.complete();
                self.context.complete(Kind::IngressClass).await?;
            }
            Event::Forbidden(why) => return self.forbidden(why, watch).await,
        }
        self.complaints.send(&self.context).await?;
        self.publish();
        Ok(())
    }

    async fn apply(&mut self, item: &Item, watch: &mut Watch) -> Sent {
        match object::ingress_class(item) {
            Ok(class) => {
                self.current().controllers.insert(class.object.key.name.clone(), class.controller.clone());
                self.complaints.set(&item.key, Vec::new());
                self.context.apply(Object::IngressClass(class)).await
            }
            Err(report) => {
                watch.unreadable();
                let name = item.key.name.clone();
                if let Some(controller) = self.classes.controllers.get(&name).cloned() {
                    self.current().controllers.insert(name, controller);
                }
                self.complaints.set(&item.key, vec![report]);
                self.context.keep(Kind::IngressClass, item.key.clone()).await
            }
        }
    }

    async fn forbidden(&mut self, why: String, watch: &mut Watch) -> Sent {
        if self.context.options.by_name {
            warn!("{why}; until then --ingress-class-by-name alone decides which Ingresses are served");
            self.classes.unknown = true;
            self.context.complete(Kind::IngressClass).await?;
        } else if self.context.once {
            left_out(&self.context, Kind::IngressClass, watch.name(), why).await?;
            self.context.complete(Kind::IngressClass).await?;
        } else {
            return Ok(());
        }
        self.publish();
        Ok(())
    }

    fn current(&mut self) -> &mut Classes {
        self.staged.as_mut().unwrap_or(&mut self.classes)
    }

    /// Tells the classes, once a list is complete, if they changed.
    fn publish(&self) {
        if self.staged.is_some() {
            return;
        }
        self.known.send_if_modified(|known| {
            let changed = known.as_deref() != Some(&self.classes);
            if changed {
                *known = Some(Arc::new(self.classes.clone()));
            }
            changed
        });
    }
}
