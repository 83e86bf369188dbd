//! Ingresses: those of other controllers are put aside by their class alone, ours are read whole, and which Secrets they
//! name is told to whoever reads those.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, watch as latest};
use tracing::debug;

use super::claim::{Claim, Classes, Judge, Names, Whose};
use super::complaints::Complaints;
use super::context::{Closed, Context, Sent};
use super::held::{Held, Settled, Waiting};
use super::item::Item;
use super::mirror::left_out;
use super::object;
use super::secrets::Demand;
use super::watch::{Event, Watch};
use crate::model::route::Ingress;
use crate::model::{Key, Kind, Name};
use crate::store::Object;

/// What decides whose an Ingress is, as it is now.
pub(super) struct Choice {
    /// The classes; `None` before the first list.
    pub(super) classes: latest::Receiver<Option<Arc<Classes>>>,
    /// The chosen namespaces, where not all are; `None` in it before the first list.
    pub(super) namespaces: Option<latest::Receiver<Option<Arc<BTreeSet<Name>>>>>,
}

/// Follows the Ingresses.
pub(super) struct Following {
    context: Context,
    choice: Choice,
    names: Names,
    /// Every Ingress that is known.
    known: HashMap<Key, Seen>,
    /// Those of a list under way.
    staged: Option<HashMap<Key, Seen>>,
    /// There was a complete list.
    listed: bool,
    complaints: Complaints,
    /// How many of our Ingresses name a Secret.
    uses: HashMap<Key, usize>,
    demands: mpsc::Sender<Demand>,
    settled: Settled,
    held: Held,
}

/// What is remembered of an Ingress.
struct Seen {
    claim: Claim,
    whose: Whose,
    /// The Secrets it names.
    secrets: Box<[Name]>,
}

impl Following {
    /// Follows until nobody takes updates any more. Begins when the classes are known. `settled` tells which of the
    /// demanded Secrets are read.
    pub(super) async fn run(
        context: Context,
        mut choice: Choice,
        demands: mpsc::Sender<Demand>,
        settled: Settled,
    ) -> Sent {
        let mut watch = context.watch("Ingress", context.all(Kind::Ingress));
        choice.wait().await?;
        let complaints = Complaints::new(watch.name().clone());
        let mut following = Self {
            context,
            choice,
            names: Names::default(),
            known: HashMap::new(),
            staged: None,
            listed: false,
            complaints,
            uses: HashMap::new(),
            demands,
            held: Held::new(settled.clone()),
            settled,
        };
        loop {
            tokio::select! {
                event = watch.next() => following.take(event, &mut watch).await?,
                ready = following.held.ready() => following.let_go(ready).await?,
                changed = following.choice.changed() => {
                    changed?;
                    following.chosen_anew(&mut watch).await?;
                }
            }
        }
    }

    async fn take(&mut self, event: Event, watch: &mut Watch) -> Sent {
        match event {
            Event::Begin => {
                let waiting = self.held.all();
                self.let_go(waiting).await?;
                self.staged = Some(HashMap::new());
                self.complaints.begin();
                self.context.begin(Kind::Ingress).await
            }
            Event::Apply(item) => {
                self.apply(item, watch).await?;
                self.complaints.send(&self.context).await
            }
            Event::Delete(item) => {
                self.complaints.set(&item.key, Vec::new());
                self.complaints.send(&self.context).await?;
                self.forget(item.key).await
            }
            Event::Complete => self.complete().await,
            Event::Forbidden(why) if self.context.once => {
                left_out(&self.context, Kind::Ingress, watch.name(), why).await?;
                self.complete().await
            }
            Event::Forbidden(_) => Ok(()),
        }
    }

    async fn apply(&mut self, item: Item, watch: &mut Watch) -> Sent {
        let claim = match self.names.claim(&item) {
            Ok(claim) => claim,
            Err(report) => {
                self.complaints.set(&item.key, vec![report]);
                return self.unreadable(item.key, watch).await;
            }
        };
        let whose = self.choice.whose(&self.context, &item.key, &claim);
        if whose == Whose::Others && !self.context.once {
            self.complaints.set(&item.key, Vec::new());
            return self.put_aside(item.key, Seen { claim, whose, secrets: Box::default() }).await;
        }
        match object::ingress(&item, &self.context.options.translate) {
            Ok((ingress, status)) => {
                self.complaints.set(&item.key, Vec::new());
                let seen = Seen { claim, whose, secrets: secrets(&ingress) };
                let named = if self.staged.is_some() { Vec::new() } else { named(&item.key, &seen) };
                let released = self.remember(item.key.clone(), seen).await?;
                let waiting = Waiting { ingress, status, named, released };
                match self.held.hold(&item.key, waiting) {
                    Some(ready) => self.let_go(vec![ready]).await,
                    None => Ok(()),
                }
            }
            Err(report) => {
                self.complaints.set(&item.key, vec![report]);
                self.unreadable(item.key, watch).await
            }
        }
    }

    /// Sends Ingresses whose Secrets are known.
    async fn let_go(&mut self, ready: Vec<Waiting>) -> Sent {
        for Waiting { ingress, status, released, .. } in ready {
            let key = ingress.object.key.clone();
            self.context.apply(Object::Ingress(ingress)).await?;
            self.context.apply(Object::IngressStatus { ingress: key, status }).await?;
            self.release(released).await?;
        }
        Ok(())
    }

    /// What was known of it stays.
    async fn unreadable(&mut self, key: Key, watch: &mut Watch) -> Sent {
        watch.unreadable();
        if let Some(staged) = &mut self.staged
            && let Some(Seen { claim, whose, secrets }) = self.known.get(&key)
        {
            let seen = Seen { claim: claim.clone(), whose: *whose, secrets: secrets.clone() };
            staged.insert(key.clone(), seen);
        }
        self.context.keep(Kind::Ingress, key).await
    }

    /// Another controller's: only its claim is kept.
    async fn put_aside(&mut self, key: Key, seen: Seen) -> Sent {
        let was_read = self.known.get(&key).is_some_and(|known| known.whose != Whose::Others);
        let listing = self.staged.is_some();
        let mut released = self.remember(key.clone(), seen).await?;
        released.extend(self.held.drop(&key));
        if was_read && !listing {
            self.context.delete(Kind::Ingress, key).await?;
        }
        self.release(released).await
    }

    async fn forget(&mut self, key: Key) -> Sent {
        if let Some(staged) = &mut self.staged {
            staged.remove(&key);
            return self.context.delete(Kind::Ingress, key).await;
        }
        let Some(seen) = self.known.remove(&key) else { return Ok(()) };
        if seen.whose != Whose::Others || self.context.once {
            self.context.delete(Kind::Ingress, key.clone()).await?;
        }
        let mut released = named(&key, &seen);
        released.extend(self.held.drop(&key));
        self.release(released).await
    }

    /// Remembers an Ingress and asks for the Secrets it names. Gives those that it named before.
    async fn remember(&mut self, key: Key, seen: Seen) -> Result<Vec<Key>, Closed> {
        if let Some(staged) = &mut self.staged {
            staged.insert(key, seen);
            return Ok(Vec::new());
        }
        self.ask(named(&key, &seen)).await?;
        let former = self.known.insert(key.clone(), seen);
        Ok(former.map(|former| named(&key, &former)).unwrap_or_default())
    }

    async fn complete(&mut self) -> Sent {
        if let Some(staged) = self.staged.take() {
            self.known = staged;
        }
        self.complaints.complete();
        self.complaints.send(&self.context).await?;
        // First what is new, then the Ingresses, then what nobody names any more.
        let mut uses: HashMap<Key, usize> = HashMap::new();
        for secret in self.known.iter().flat_map(|(key, seen)| named(key, seen)) {
            *uses.entry(secret).or_default() += 1;
        }
        let former = std::mem::replace(&mut self.uses, uses);
        let new: Vec<Key> = self.uses.keys().filter(|key| !former.contains_key(*key)).cloned().collect();
        for key in &new {
            self.demand(Demand::Want(key.clone())).await?;
        }
        // At the start nothing is served before all Secrets are settled.
        if std::mem::replace(&mut self.listed, true) {
            self.settled.wait(&new).await;
        }
        self.context.complete(Kind::Ingress).await?;
        for key in former.into_keys().filter(|key| !self.uses.contains_key(key)) {
            self.demands.send(Demand::Release(key)).await.map_err(|_| Closed)?;
        }
        self.demand(Demand::Known).await?;
        debug!("{} Ingresses, {} Secrets named", self.known.len(), self.uses.len());
        Ok(())
    }

    async fn ask(&mut self, secrets: Vec<Key>) -> Sent {
        for key in secrets {
            let uses = self.uses.entry(key.clone()).or_default();
            *uses += 1;
            if *uses == 1 {
                self.demand(Demand::Want(key)).await?;
            }
        }
        Ok(())
    }

    async fn release(&mut self, secrets: Vec<Key>) -> Sent {
        for key in secrets {
            let Some(uses) = self.uses.get_mut(&key) else { continue };
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&key);
                self.demand(Demand::Release(key)).await?;
            }
        }
        Ok(())
    }

    async fn demand(&self, demand: Demand) -> Sent {
        self.demands.send(demand).await.map_err(|_| Closed)
    }

    /// Classes or namespaces changed: an Ingress may be ours now, or not any more.
    async fn chosen_anew(&mut self, watch: &mut Watch) -> Sent {
        let (mut read_anew, mut asked, mut released) = (false, Vec::new(), Vec::new());
        for (key, seen) in &mut self.known {
            let whose = self.choice.whose(&self.context, key, &seen.claim);
            if whose == seen.whose {
                continue;
            }
            read_anew |= (whose == Whose::Others) != (seen.whose == Whose::Others);
            let before = named(key, seen);
            seen.whose = whose;
            asked.extend(named(key, seen));
            released.extend(before);
        }
        self.ask(asked).await?;
        self.release(released).await?;
        if read_anew || self.staged.is_some() {
            debug!("the classes or namespaces changed whose an Ingress is: listing them again");
            watch.relist();
        }
        Ok(())
    }
}

/// The Secrets that an Ingress of ours names.
fn named(key: &Key, seen: &Seen) -> Vec<Key> {
    if seen.whose != Whose::Ours {
        return Vec::new();
    }
    let secret = |name: &Name| Key { namespace: key.namespace.clone(), name: name.clone() };
    seen.secrets.iter().map(secret).collect()
}

/// Each Secret that an Ingress names, once.
fn secrets(ingress: &Ingress) -> Box<[Name]> {
    let names: BTreeSet<&Name> = ingress.tls.iter().filter_map(|tls| tls.secret.as_ref()).collect();
    names.into_iter().cloned().collect()
}

impl Choice {
    /// Waits for the first lists.
    async fn wait(&mut self) -> Sent {
        self.classes.wait_for(Option::is_some).await.map_err(|_| Closed)?;
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.wait_for(Option::is_some).await.map_err(|_| Closed)?;
        }
        Ok(())
    }

    async fn changed(&mut self) -> Sent {
        let namespaces = async {
            match &mut self.namespaces {
                Some(namespaces) => namespaces.changed().await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            changed = self.classes.changed() => changed,
            changed = namespaces => changed,
        };
        changed.map_err(|_| Closed)
    }

    fn whose(&self, context: &Context, key: &Key, claim: &Claim) -> Whose {
        let classes = self.classes.borrow();
        let namespaces = self.namespaces.as_ref().map(latest::Receiver::borrow);
        let none = Arc::default();
        let classes = classes.as_ref().unwrap_or(&none);
        let namespaces = namespaces.as_ref().and_then(|known| known.as_deref());
        Judge { options: &context.options, classes, namespaces }.whose(&key.namespace, claim)
    }
}
