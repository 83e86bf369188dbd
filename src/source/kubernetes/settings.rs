//! The ConfigMap with the global settings, and what `--set` says over it.

use std::collections::BTreeMap;

use super::context::{Context, Sent};
use super::item::Item;
use super::mirror::left_out;
use super::object;
use super::watch::{Event, Watch};
use crate::model::{Key, Kind, ObjectRef, Report, Severity};
use crate::store::Object;
use crate::translate::settings::{overrides_object, settings};

/// Follows the settings until nobody takes updates any more.
pub(super) async fn follow(context: Context) -> Sent {
    context.begin(Kind::ConfigMap).await?;
    let (without, reports) = settings(&BTreeMap::new(), &context.options.overrides, &overrides_object());
    context.report(overrides_object().key.name, reports).await?;
    context.apply(Object::Settings(without)).await?;
    let Some(key) = context.options.configmap.clone() else {
        context.complete(Kind::ConfigMap).await?;
        return std::future::pending().await;
    };
    let mut watch = context.watch(format!("ConfigMap {key}"), context.one(Kind::ConfigMap, &key));
    let mut following = Following { context, object: ObjectRef { kind: Kind::ConfigMap, key }, found: false };
    loop {
        let event = watch.next().await;
        following.take(event, &mut watch).await?;
    }
}

struct Following {
    context: Context,
    object: ObjectRef,
    /// The list under way holds it.
    found: bool,
}

impl Following {
    async fn take(&mut self, event: Event, watch: &mut Watch) -> Sent {
        match event {
            Event::Begin => self.found = false,
            Event::Apply(item) if item.key == self.object.key => {
                self.found = true;
                self.apply(&item, watch).await?;
            }
            Event::Delete(item) if item.key == self.object.key => self.missing().await?,
            Event::Complete => {
                if !self.found {
                    self.missing().await?;
                }
                self.context.complete(Kind::ConfigMap).await?;
            }
            Event::Forbidden(why) if self.context.once => {
                left_out(&self.context, Kind::ConfigMap, watch.name(), why).await?;
                self.context.complete(Kind::ConfigMap).await?;
            }
            // Others than the one of that name do not come; of what is forbidden the log tells.
            Event::Apply(_) | Event::Delete(_) | Event::Forbidden(_) => {}
        }
        Ok(())
    }

    async fn apply(&self, item: &Item, watch: &mut Watch) -> Sent {
        let reports = match object::config_map(item) {
            Ok(data) => {
                let (settings, reports) = settings(&data, &self.context.options.overrides, &self.object);
                self.context.apply(Object::Settings(settings)).await?;
                self.context.apply(Object::Counted(self.object.clone())).await?;
                reports.into_iter().filter(|report| report.object == self.object).collect()
            }
            Err(report) => {
                watch.unreadable();
                vec![report]
            }
        };
        self.report(reports).await
    }

    async fn missing(&self) -> Sent {
        let Key { namespace, name } = &self.object.key;
        let message = format!(
            "does not exist, so the default settings and --set are in force: create it with \
             `kubectl create configmap -n {namespace} {name}`, or correct --configmap"
        );
        let report = Report::new(&self.object, Severity::Warning, "ConfigMapNotFound", message);
        let (settings, _) = settings(&BTreeMap::new(), &self.context.options.overrides, &self.object);
        self.context.apply(Object::Settings(settings)).await?;
        self.context.delete(Kind::ConfigMap, self.object.key.clone()).await?;
        self.report(vec![report]).await
    }

    async fn report(&self, reports: Vec<Report>) -> Sent {
        self.context.report(self.object.to_string().into(), reports).await
    }
}
