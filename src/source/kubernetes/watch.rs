//! Follows one collection whatever happens: a list, then every change, a list again where changes were missed.
//!
//! ```text
//!              streamed list ──bookmark──┐
//! Unlisted ──<                           ├─> Following ──ends or breaks──> Listed ──> Following
//!              page, page, page ─> Listed┘        └── 410: changes were missed ──> Unlisted
//! ```
//!
//! A list is streamed where the server can, else it comes in pages. After a break the watch goes on from the last version
//! it has seen, so that nothing is lost; only when the server has forgotten that version everything is listed again.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::value::RawValue;
use tracing::debug;

use super::backoff::Backoff;
use super::collection::Collection;
use super::contact::{Contact, now};
use super::event::Line;
use super::item::Item;
use super::lines::Lines;
use super::trouble::Trouble;

/// What happens in a collection.
#[derive(Debug)]
pub(super) enum Event {
    /// A complete list follows.
    Begin,
    /// This object is now so.
    Apply(Item),
    /// This object is gone.
    Delete(Item),
    /// The list is complete: what was not in it is gone.
    Complete,
    /// The server has refused for a while: this may not be read. Tries go on. Holds what to tell people.
    Forbidden(String),
}

/// Follows one collection.
pub(super) struct Watch {
    collection: Collection,
    contact: Contact,
    state: State,
    /// The server can stream lists.
    streams: bool,
    /// How many streamed lists broke off one after the other.
    broken: u32,
    complete: bool,
    /// When contact was lost, in seconds since the epoch.
    lost: Option<i64>,
    tries: Backoff,
    /// Lists that were of no use, since changes were missed right after.
    relists: Backoff,
    /// The consumer was told that it is forbidden.
    refused: bool,
    /// The server could not be reached; how often it had come back then.
    unreached: Option<u64>,
    optional: bool,
    /// The server may not know this kind at all.
    perhaps_absent: bool,
    /// It does not, and the consumer was told that there are none.
    absent: bool,
}

/// Where a watch is.
enum State {
    /// Nothing is known, or it is too old.
    Unlisted,
    /// A list that is streamed.
    Streaming(Lines),
    /// A list that comes in pages.
    Paging { items: VecDeque<Box<RawValue>>, next: Option<String>, version: String },
    /// All is known up to this version, and nothing runs.
    Listed(String),
    /// All is known up to this version, and changes arrive.
    Following(String, Lines),
}

/// How soon to ask again a server that may not know its rights yet.
const RIGHTS_AGAIN: Duration = Duration::from_millis(500);

/// How often to ask again for what may not be read and is not needed.
const OPTIONAL_AGAIN: Duration = Duration::from_mins(1);

/// How often to ask again for a kind that the server does not know.
const ABSENT_AGAIN: Duration = Duration::from_mins(10);

/// After so many streamed lists that broke off it is tried in pages.
const PAGES_AFTER: u32 = 2;

/// A watch that lived that long was of use even if nothing happened.
const OF_USE: Duration = Duration::from_secs(5);

/// Watches that bring nothing are not begun more often than this.
const EMPTY_WATCHES: Duration = Duration::from_secs(1);

impl Watch {
    /// Follows a collection; `contact` tells how it goes.
    pub(super) fn new(collection: Collection, contact: Contact) -> Self {
        Self {
            collection,
            contact,
            state: State::Unlisted,
            streams: true,
            broken: 0,
            complete: false,
            lost: None,
            tries: Backoff::usual(),
            relists: Backoff::usual(),
            refused: false,
            unreached: None,
            optional: false,
            perhaps_absent: false,
            absent: false,
        }
    }

    /// What is not needed may be forbidden: that is told once and asked for again once a minute.
    pub(super) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// A server that does not know this kind has none of it.
    pub(super) fn perhaps_absent(self) -> Self {
        Self { perhaps_absent: true, ..self }
    }

    /// Whether it is not needed.
    pub(super) fn is_optional(&self) -> bool {
        self.optional
    }

    /// What is watched, for people.
    pub(super) fn name(&self) -> &crate::model::Name {
        self.contact.name()
    }

    /// An object cannot be read.
    pub(super) fn unreadable(&self) {
        self.contact.unreadable();
    }

    /// Forgets what is known: a complete list comes next.
    pub(super) fn relist(&mut self) {
        self.state = State::Unlisted;
    }

    /// What happens next. The future may be dropped at any time.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            self.collection.reach().wait(&mut self.tries, self.unreached).await;
            self.unreached = None;
            if matches!(self.state, State::Unlisted) {
                self.relists.wait().await;
            }
            match self.step().await {
                Ok(Some(event)) => return event,
                Ok(None) => {}
                Err(trouble) => {
                    if let Some(event) = self.failed(&trouble) {
                        return event;
                    }
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Event>, Trouble> {
        match &mut self.state {
            State::Unlisted if self.streams && self.broken < PAGES_AFTER => {
                self.state = State::Streaming(self.collection.stream().await?);
                self.answered();
                Ok(Some(Event::Begin))
            }
            State::Unlisted => {
                let page = self.collection.page(None).await?;
                self.answered();
                self.state =
                    State::Paging { items: page.items.into(), next: page.next, version: page.version };
                Ok(Some(Event::Begin))
            }
            State::Streaming(lines) => {
                let line =
                    lines.next().await?.ok_or_else(|| Trouble::Broken("a list ended too early".into()))?;
                self.line(&line)
            }
            State::Paging { items, next, version } => {
                if let Some(raw) = items.pop_front() {
                    let item = Item::read(raw).inspect_err(|error| self.useless(&error.to_string()));
                    return Ok(item.ok().map(Event::Apply));
                }
                if let Some(token) = next {
                    let page = self.collection.page(Some(token)).await?;
                    (*items, *next, *version) = (page.items.into(), page.next, page.version);
                    return Ok(None);
                }
                let version = std::mem::take(version);
                Ok(Some(self.completed(State::Listed(version))))
            }
            State::Listed(version) => {
                let lines = self.collection.watch(version).await?;
                self.state = State::Following(std::mem::take(version), lines);
                self.absent = false;
                self.answered();
                self.contact.following();
                Ok(None)
            }
            State::Following(_, lines) => {
                if let Some(line) = lines.next().await? {
                    return self.line(&line);
                }
                self.ended();
                Ok(None)
            }
        }
    }

    /// One line of a stream.
    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, Trouble> {
        let line = Line::read(line)?;
        if let (Line::Bookmark { version, ends_list: true }, State::Streaming(_)) = (&line, &self.state)
            && let State::Streaming(mut lines) = std::mem::replace(&mut self.state, State::Unlisted)
        {
            lines.relax();
            return Ok(Some(self.completed(State::Following(version.clone(), lines))));
        }
        self.seen(line.version())?;
        Ok(match line {
            Line::Apply(item) => Some(Event::Apply(item)),
            Line::Delete(item) => Some(Event::Delete(item)),
            Line::Bookmark { .. } => None,
            Line::Useless(why) => {
                self.useless(&why);
                None
            }
        })
    }

    fn useless(&self, why: &str) {
        self.contact.unreadable();
        debug!("{}: passed over: {why}", self.contact.name());
    }

    /// A change or bookmark of this version came. Versions only grow: a smaller one means that the server's data were
    /// replaced by older ones.
    fn seen(&mut self, new: Option<&str>) -> Result<(), Trouble> {
        let State::Following(version, _) = &mut self.state else { return Ok(()) };
        self.lost = None;
        self.tries.succeeded();
        self.relists.succeeded();
        let Some(new) = new else { return Ok(()) };
        if let (Ok(old), Ok(new)) = (version.parse::<u128>(), new.parse::<u128>())
            && new < old
        {
            return Err(Trouble::Gone);
        }
        new.clone_into(version);
        Ok(())
    }

    /// A list is complete.
    fn completed(&mut self, state: State) -> Event {
        self.state = state;
        self.complete = true;
        self.broken = 0;
        self.tries.succeeded();
        self.lost = None;
        self.contact.listed();
        self.contact.following();
        Event::Complete
    }

    /// The server answers.
    fn answered(&mut self) {
        self.refused = false;
    }

    /// A watch ended in good order.
    fn ended(&mut self) {
        let State::Following(version, lines) = &mut self.state else { return };
        let (of_use, any) = (lines.begun().elapsed() >= OF_USE, lines.brought_any());
        self.state = State::Listed(std::mem::take(version));
        if of_use {
            self.tries.succeeded();
            self.relists.succeeded();
        } else if !any {
            self.tries.failed(EMPTY_WATCHES);
        }
        self.lost_since(of_use);
    }

    /// Since when contact is lost: since now, if there was any until now.
    fn lost_since(&mut self, until_now: bool) -> i64 {
        let lost = self.lost.filter(|_| !until_now).unwrap_or_else(now);
        self.lost = Some(lost);
        lost
    }

    /// Goes back to where it can go on. What the consumer must know comes back.
    fn failed(&mut self, trouble: &Trouble) -> Option<Event> {
        if self.perhaps_absent && matches!(trouble, Trouble::NotFound(_)) {
            return self.no_such_kind();
        }
        self.contact.failed(trouble);
        debug!("{}: {trouble}", self.contact.name());
        if let Trouble::Broken(_) = trouble {
            self.collection.reach().silent();
        }
        let state = std::mem::replace(&mut self.state, State::Unlisted);
        let until_now = matches!(&state, State::Following(_, lines) if lines.begun().elapsed() >= OF_USE);
        let lost = self.lost_since(until_now);
        match (state, trouble) {
            (State::Unlisted, Trouble::Invalid(_)) if self.streams => {
                self.streams = false;
                return None;
            }
            (State::Streaming(_), Trouble::Broken(_)) => self.broken += 1,
            (_, Trouble::Gone) => {
                self.missed();
                return None;
            }
            (State::Following(version, _) | State::Listed(version), _) => {
                self.state = State::Listed(version);
            }
            _ => {}
        }
        if matches!(trouble, Trouble::Unreachable(_)) {
            self.unreached = Some(self.collection.reach().returns());
        }
        if let Trouble::Forbidden(_) = trouble {
            return self.forbidden(trouble, lost);
        }
        self.refused = false;
        self.tries.failed(trouble.retry_after());
        self.lost_contact(lost, trouble.to_string());
        None
    }

    /// The server does not know this kind: an empty list, once.
    fn no_such_kind(&mut self) -> Option<Event> {
        self.contact.following();
        let (items, version) = (VecDeque::new(), String::new());
        if std::mem::replace(&mut self.absent, true) {
            self.state = State::Listed(version);
            self.tries.pause(ABSENT_AGAIN);
            return None;
        }
        self.state = State::Paging { items, next: None, version };
        Some(Event::Begin)
    }

    /// Changes were missed: everything is listed again, at once unless that was of no use before.
    fn missed(&mut self) {
        if self.relists.is_fresh() {
            self.relists.excused();
        } else {
            self.relists.failed(Duration::ZERO);
        }
    }

    /// A right is missing. The consumer is told once, when the server is sure to know the rights.
    fn forbidden(&mut self, trouble: &Trouble, lost: i64) -> Option<Event> {
        let counts = self.collection.reach().knows_rights();
        let news = counts && !std::mem::replace(&mut self.refused, counts);
        let why = self.collection.explain_forbidden("list and watch", trouble);
        if self.optional && counts {
            self.tries.pause(OPTIONAL_AGAIN);
            self.contact.dismiss();
        } else if counts {
            self.tries.failed(Duration::ZERO);
        } else {
            self.tries.pause(RIGHTS_AGAIN);
        }
        if !self.optional {
            self.lost_contact(lost, why.clone());
        }
        news.then_some(Event::Forbidden(why))
    }

    fn lost_contact(&self, since: i64, why: String) {
        if self.complete {
            self.contact.away(since, why);
        } else {
            self.contact.listing(Some(why));
        }
    }
}
