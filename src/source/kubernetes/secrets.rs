//! Secrets: only what is used. One watch brings those of type kubernetes.io/tls, of which only the ones that an Ingress
//! names are read; the others are remembered by name. What the watch does not bring is asked for one by one.

mod single;

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::warn;

use super::collection::is_name;
use super::complaints::Complaints;
use super::contact::Contact;
use super::context::{Closed, Context, Sent};
use super::held::Settled;
use super::item::Item;
use super::object::{self, TLS};
use super::watch::{Event, Watch};
use crate::model::certificate::{CertificateError, Secret};
use crate::model::{Key, Kind, ObjectRef, Report, Severity};
use crate::store::Object;
use single::{Found, Message, Singles};

/// Which Secrets are used.
#[derive(Debug)]
pub(super) enum Demand {
    /// This one is, from now on.
    Want(Key),
    /// This one is not any more.
    Release(Key),
    /// All that are used were named.
    Known,
}

/// Follows the Secrets that are used.
pub(super) struct Following {
    context: Context,
    wanted: HashMap<Key, Wanted>,
    /// Secrets of type kubernetes.io/tls in the watched namespaces.
    tls: HashSet<Key>,
    /// Those of a list under way.
    seen: Option<HashSet<Key>>,
    watched: Watched,
    singles: Singles,
    complaints: Complaints,
    settled: Settled,
    /// Until everything was read for the first time.
    first: Option<First>,
}

/// A Secret that is used.
struct Wanted {
    from: From,
    /// Read, or known to be absent or forbidden.
    settled: bool,
    /// The store has a certificate of it.
    good: bool,
}

/// Who brings a Secret.
enum From {
    /// The watch.
    Watch,
    /// A task of that number.
    Single(u64, AbortHandle),
}

/// The watch on Secrets of type kubernetes.io/tls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watched {
    /// The first list is not complete.
    NotYet,
    /// It brings everything.
    Well,
    /// It is forbidden.
    Forbidden,
}

/// The first reading.
struct First {
    /// Tells people that it is not over.
    _contact: Contact,
    demands_known: bool,
}

impl Following {
    /// Follows until nobody takes updates any more; `settled` is told which Secrets are read.
    pub(super) async fn run(context: Context, mut demands: mpsc::Receiver<Demand>, settled: Settled) -> Sent {
        let collection = context.all(Kind::Secret).with_fields(format!("type={TLS}"));
        let mut watch = context.watch(format!("Secret of type {TLS}"), collection).optional();
        let contact = context.contact("Secrets that Ingresses name", Kind::Secret);
        context.begin(Kind::Secret).await?;
        let (singles, mut found) = Singles::new(context.clone());
        let complaints = Complaints::new("Secret".into());
        let mut following = Self {
            context,
            wanted: HashMap::new(),
            tls: HashSet::new(),
            seen: None,
            watched: Watched::NotYet,
            singles,
            complaints,
            settled,
            first: Some(First { _contact: contact, demands_known: false }),
        };
        if let Some(key) = following.context.options.default_certificate.clone() {
            following.want(key);
        }
        loop {
            // What is used is known before the first list, so that nothing of it has to be asked for again.
            let begun = following.first.as_ref().is_none_or(|first| first.demands_known);
            tokio::select! {
                event = watch.next(), if begun => following.take(event, &mut watch).await?,
                demand = demands.recv() => following.demanded(demand.ok_or(Closed)?).await?,
                Some(message) = found.recv() => following.found(message).await?,
                () = following.singles.ended() => {}
            }
            following.complaints.send(&following.context).await?;
            following.first_is_complete().await?;
        }
    }

    async fn take(&mut self, event: Event, watch: &mut Watch) -> Sent {
        match event {
            Event::Begin => self.seen = Some(HashSet::new()),
            Event::Apply(item) => {
                if let Some(seen) = &mut self.seen {
                    seen.insert(item.key.clone());
                }
                if !self.tls.contains(&item.key) {
                    self.tls.insert(item.key.clone());
                }
                if self.wanted.contains_key(&item.key) {
                    self.read(&item, watch).await?;
                }
            }
            Event::Delete(item) => self.lost(&item.key).await?,
            Event::Complete => {
                self.watched = Watched::Well;
                let seen = self.seen.take().unwrap_or_default();
                let lost: Vec<Key> = self.tls.difference(&seen).cloned().collect();
                for key in lost {
                    self.lost(&key).await?;
                }
                self.ask_for_the_rest();
            }
            Event::Forbidden(why) => {
                let everywhere = if self.context.once { "" } else { ", and the watch is tried again" };
                warn!("{why}; until then the Secrets that Ingresses name are read one by one{everywhere}");
                self.watched = Watched::Forbidden;
                self.ask_for_the_rest();
            }
        }
        Ok(())
    }

    async fn demanded(&mut self, demand: Demand) -> Sent {
        match demand {
            Demand::Want(key) => self.want(key),
            Demand::Release(key) => {
                if self.context.options.default_certificate.as_ref() == Some(&key) {
                    return Ok(());
                }
                let Some(wanted) = self.wanted.remove(&key) else { return Ok(()) };
                wanted.from.stop();
                self.settled.remove(&key);
                self.complaints.set(&key, Vec::new());
                self.context.delete(Kind::Secret, key).await?;
            }
            Demand::Known => {
                if let Some(first) = &mut self.first {
                    first.demands_known = true;
                }
            }
        }
        Ok(())
    }

    fn want(&mut self, key: Key) {
        if self.wanted.contains_key(&key) {
            return;
        }
        let namable = is_name(&key.name) && is_name(&key.namespace);
        // The first list of the watch will tell.
        let wait = self.watched == Watched::NotYet && self.context.covers(&key.namespace);
        if !namable {
            self.settled.add(&key);
        }
        let from = if wait || !namable { From::Watch } else { self.singles.ask(&key) };
        self.wanted.insert(key, Wanted { from, settled: !namable, good: false });
    }

    /// Asks one by one for what the watch does not bring.
    fn ask_for_the_rest(&mut self) {
        for (key, wanted) in &mut self.wanted {
            let brought = self.watched == Watched::Well && self.tls.contains(key);
            if matches!(wanted.from, From::Watch) && !brought && is_name(&key.name) {
                wanted.from = self.singles.ask(key);
            }
        }
    }

    /// The watch brought a Secret that is used.
    async fn read(&mut self, item: &Item, watch: &mut Watch) -> Sent {
        let Some(wanted) = self.wanted.get_mut(&item.key) else { return Ok(()) };
        // What was asked for may be older than this.
        std::mem::replace(&mut wanted.from, From::Watch).stop();
        match object::secret(item) {
            Ok((secret, _)) => self.apply(secret).await,
            Err(report) => {
                watch.unreadable();
                self.unreadable(&item.key, report);
                Ok(())
            }
        }
    }

    /// The watch does not have it any more. Perhaps there is one of another type now.
    async fn lost(&mut self, key: &Key) -> Sent {
        self.tls.remove(key);
        let Some(wanted) = self.wanted.get_mut(key) else { return Ok(()) };
        if !matches!(wanted.from, From::Watch) {
            return Ok(());
        }
        wanted.good = false;
        wanted.from = self.singles.ask(key);
        self.complaints.set(key, Vec::new());
        self.context.delete(Kind::Secret, key.clone()).await
    }

    /// A task learned something.
    async fn found(&mut self, Message { number, key, found }: Message) -> Sent {
        // Only what the watch has shown will it also take away.
        let watched = self.watched == Watched::Well && self.tls.contains(&key);
        let Some(wanted) = self.wanted.get_mut(&key) else { return Ok(()) };
        if !matches!(wanted.from, From::Single(current, _) if current == number) {
            return Ok(()); // somebody else brings it now
        }
        match found {
            Found::Secret { secret, is_tls } => {
                if is_tls && watched {
                    std::mem::replace(&mut wanted.from, From::Watch).stop();
                }
                self.apply(*secret).await
            }
            Found::Unreadable(report) => {
                self.unreadable(&key, report);
                Ok(())
            }
            Found::Missing => {
                (wanted.settled, wanted.good) = (true, false);
                self.complaints.set(&key, Vec::new());
                self.context.delete(Kind::Secret, key.clone()).await?;
                self.settled.add(&key);
                Ok(())
            }
            Found::Forbidden => self.forbidden(key).await,
        }
    }

    async fn apply(&mut self, secret: Secret) -> Sent {
        let key = secret.object.key.clone();
        if let Some(wanted) = self.wanted.get_mut(&key) {
            (wanted.settled, wanted.good) = (true, secret.certificate.is_ok());
        }
        self.complaints.set(&key, Vec::new());
        self.context.apply(Object::Secret(secret)).await?;
        self.settled.add(&key);
        Ok(())
    }

    fn unreadable(&mut self, key: &Key, report: Report) {
        if let Some(wanted) = self.wanted.get_mut(key) {
            wanted.settled = true;
        }
        self.settled.add(key);
        self.complaints.set(key, vec![report]);
    }

    /// A certificate that may not be read any more keeps serving.
    async fn forbidden(&mut self, key: Key) -> Sent {
        let Some(wanted) = self.wanted.get_mut(&key) else { return Ok(()) };
        wanted.settled = true;
        self.settled.add(&key);
        let object = ObjectRef { kind: Kind::Secret, key: key.clone() };
        if wanted.good {
            let message = format!("{}; what was read of it keeps serving", CertificateError::Forbidden);
            let report = Report::new(&object, Severity::Warning, "SecretForbidden", message);
            self.complaints.set(&key, vec![report]);
            return Ok(());
        }
        let certificate = Err(CertificateError::Forbidden);
        self.context.apply(Object::Secret(Secret { object, origin: None, certificate })).await
    }

    /// Ends the first list when every Secret that is used is settled.
    async fn first_is_complete(&mut self) -> Sent {
        let Some(First { demands_known, .. }) = &self.first else { return Ok(()) };
        if !*demands_known || self.watched == Watched::NotYet {
            return Ok(());
        }
        if self.wanted.values().any(|wanted| !wanted.settled) {
            return Ok(());
        }
        self.first = None;
        self.context.complete(Kind::Secret).await
    }
}

impl From {
    fn stop(&self) {
        if let Self::Single(_, task) = self {
            task.abort();
        }
    }
}
