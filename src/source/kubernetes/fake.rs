//! An API server for tests, without sockets: lists, pages, streamed lists, watches, and everything that can go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The server. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    /// Versions before this one are forgotten.
    oldest: u64,
    objects: BTreeMap<Id, Value>,
    history: Vec<(u64, &'static str, Id, Value)>,
    streams: Vec<Stream>,
    requests: Vec<String>,
    down: bool,
    pages_only: bool,
    page: Option<usize>,
    forbidden: BTreeSet<String>,
    /// Kinds that it does not know.
    unknown: BTreeSet<String>,
    refusals: Vec<(u16, &'static str)>,
    /// Each watch ends as soon as it began.
    curt: bool,
    /// Every version is forgotten at once.
    forgetful: bool,
}

/// Kind in paths, namespace, name.
type Id = (String, String, String);
type Piece = Result<Bytes, String>;

/// A watch that is open.
struct Stream {
    asked: Asked,
    pieces: mpsc::UnboundedSender<Piece>,
}

/// What a request is about.
#[derive(Clone, Default)]
struct Asked {
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
    query: BTreeMap<String, String>,
}

type Answer = Response<StreamBody<stream::BoxStream<'static, Result<Frame<Bytes>, String>>>>;

impl Server {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        Client::new(
            tower::service_fn(move |request: Request<Body>| {
                let answer = server.answer(request.uri().path(), request.uri().query().unwrap_or_default());
                async move { answer }
            }),
            "default",
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Creates or replaces an object; its kind is that of paths: `services`.
    pub(super) fn put(&self, plural: &str, mut object: Value) {
        let mut state = self.state();
        let id = id(plural, &object);
        let event = if state.objects.contains_key(&id) { "MODIFIED" } else { "ADDED" };
        object["metadata"]["resourceVersion"] = json!((state.version + 1).to_string());
        state.objects.insert(id.clone(), object.clone());
        state.happened(event, id, object);
    }

    pub(super) fn delete(&self, plural: &str, namespace: &str, name: &str) {
        let mut state = self.state();
        let id = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        let Some(mut object) = state.objects.remove(&id) else { return };
        object["metadata"]["resourceVersion"] = json!((state.version + 1).to_string());
        state.happened("DELETED", id, object);
    }

    /// Sends a bookmark to every watch.
    pub(super) fn bookmark(&self) {
        let mut state = self.state();
        state.version += 1;
        let line = bookmark(state.version, &json!({}));
        state.streams.retain(|stream| stream.pieces.send(Ok(line.clone())).is_ok());
    }

    /// Sends any line to the watches on a kind.
    pub(super) fn line(&self, plural: &str, line: &Value) {
        let line = Bytes::from(format!("{line}\n"));
        let state = self.state();
        for stream in state.streams.iter().filter(|stream| stream.asked.plural == plural) {
            let _ = stream.pieces.send(Ok(line.clone()));
        }
    }

    /// Ends all watches in good order, or breaks them off.
    pub(super) fn end_watches(&self, good_order: bool) {
        for stream in std::mem::take(&mut self.state().streams) {
            if !good_order {
                let _ = stream.pieces.send(Ok(Bytes::from_static(b"{\"type\": \"MODIF")));
                let _ = stream.pieces.send(Err("the cable was pulled".into()));
            }
        }
    }

    /// Goes away, with all watches; or comes back.
    pub(super) fn set_down(&self, down: bool) {
        self.state().down = down;
        if down {
            self.end_watches(false);
        }
    }

    /// Forgets what happened before now.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.version += 1;
        state.oldest = state.version;
        state.history.clear();
    }

    /// Does not stream lists, and gives pages of that many objects.
    pub(super) fn only_pages(&self, size: usize) {
        let mut state = self.state();
        (state.pages_only, state.page) = (true, Some(size));
    }

    /// Forbids, or allows, a kind (`secrets`) or one object (`secrets/NAME`).
    pub(super) fn forbid(&self, what: &str, forbidden: bool) {
        let mut state = self.state();
        if forbidden {
            state.forbidden.insert(what.to_owned())
        } else {
            state.forbidden.remove(what)
        };
    }

    /// Does not know a kind (`servicecidrs`), or learns it.
    pub(super) fn set_unknown(&self, plural: &str, unknown: bool) {
        let mut state = self.state();
        if unknown {
            state.unknown.insert(plural.to_owned())
        } else {
            state.unknown.remove(plural)
        };
    }

    /// Refuses the next request.
    pub(super) fn refuse_once(&self, code: u16, retry_after: &'static str) {
        self.state().refusals.push((code, retry_after));
    }

    /// Ends each watch as soon as it began.
    pub(super) fn set_curt(&self, curt: bool) {
        self.state().curt = curt;
    }

    /// Forgets every version at once.
    pub(super) fn set_forgetful(&self, forgetful: bool) {
        self.state().forgetful = forgetful;
    }

    /// Begins to count versions from one again, as after a restore of old data.
    pub(super) fn restore(&self) {
        let mut state = self.state();
        (state.version, state.oldest) = (1, 0);
        state.history.clear();
    }

    /// How many requests there were whose path and query hold all of that.
    pub(super) fn asked(&self, parts: &[&str]) -> usize {
        let state = self.state();
        state.requests.iter().filter(|request| parts.iter().all(|part| request.contains(part))).count()
    }

    /// How many watches are open on a kind.
    pub(super) fn watches(&self, plural: &str) -> usize {
        let mut state = self.state();
        state.streams.retain(|stream| !stream.pieces.is_closed());
        state.streams.iter().filter(|stream| stream.asked.plural == plural).count()
    }

    fn answer(&self, path: &str, query: &str) -> Result<Answer, String> {
        let mut state = self.state();
        if state.down {
            return Err("nobody is there".into());
        }
        let asked = Asked::read(path, query);
        let text = asked.query.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
        state.requests.push(format!("{path}?{}", text.join("&")));
        if let Some((code, retry_after)) = state.refusals.pop() {
            return Ok(refusal(code, retry_after));
        }
        if path == "/version" {
            return Ok(whole(&json!({"major": "1"})));
        }
        Ok(state.grant(asked))
    }
}

impl State {
    fn grant(&mut self, asked: Asked) -> Answer {
        let one = asked
            .name
            .clone()
            .or_else(|| asked.query.get("fieldSelector")?.strip_prefix("metadata.name=").map(Into::into));
        let one = one.map(|name| format!("{}/{name}", asked.plural));
        if self.unknown.contains(&asked.plural) {
            return refusal(404, "");
        }
        if self.forbidden.contains(&asked.plural) || one.is_some_and(|one| self.forbidden.contains(&one)) {
            return refusal(403, "");
        }
        if asked.name.is_some() {
            let found = self.objects.iter().find(|(id, object)| asked.holds(id, object));
            return found.map_or_else(|| refusal(404, ""), |(_, object)| whole(object));
        }
        if asked.query.contains_key("watch") { self.watch(asked) } else { self.list(&asked) }
    }

    fn list(&self, asked: &Asked) -> Answer {
        let limit: usize = asked.query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let limit = limit.min(self.page.unwrap_or(usize::MAX));
        let skip: usize = asked.query.get("continue").map_or(0, |token| token.parse().unwrap());
        let all: Vec<&Value> = self.chosen(asked).collect();
        let items: Vec<&&Value> = all.iter().skip(skip).take(limit).collect();
        let more = skip + items.len() < all.len();
        let next = if more { (skip + items.len()).to_string() } else { String::new() };
        whole(
            &json!({"metadata": {"resourceVersion": self.version.to_string(), "continue": next}, "items": items}),
        )
    }

    fn watch(&mut self, asked: Asked) -> Answer {
        let (pieces, receiver) = mpsc::unbounded_channel();
        let tell = |kind: &str, object: &Value| {
            let _ = pieces.send(Ok(line(kind, object)));
        };
        if asked.query.contains_key("sendInitialEvents") {
            if self.pages_only {
                return refusal(422, "");
            }
            self.chosen(&asked).for_each(|object| tell("ADDED", object));
            let end = json!({"k8s.io/initial-events-end": "true"});
            let _ = pieces.send(Ok(bookmark(self.version, &end)));
        } else {
            // Without a version: what is there now, then every change.
            let known: Option<u64> = asked.query.get("resourceVersion").and_then(|known| known.parse().ok());
            if known.is_none() {
                self.chosen(&asked).for_each(|object| tell("ADDED", object));
            }
            let from = known.unwrap_or(self.version);
            if from < self.oldest || self.forgetful {
                tell("ERROR", &json!({"kind": "Status", "code": 410, "message": "too old"}));
                return streaming(receiver);
            }
            let later = self
                .history
                .iter()
                .filter(|(version, _, id, object)| *version > from && asked.holds(id, object));
            later.for_each(|(_, kind, _, object)| tell(kind, object));
        }
        if !self.curt {
            self.streams.push(Stream { asked, pieces });
        }
        streaming(receiver)
    }

    fn chosen(&self, asked: &Asked) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|(id, object)| asked.holds(id, object)).map(|(_, object)| object)
    }

    fn happened(&mut self, event: &'static str, id: Id, object: Value) {
        self.version += 1;
        let text = line(event, &object);
        let former = self.history.iter().rfind(|(_, _, known, _)| *known == id).map(|(.., object)| object);
        let gone = line("DELETED", &object);
        self.streams.retain(|stream| {
            let holds = |object: &Value| stream.asked.holds(&id, object);
            let text = match (holds(&object), former.is_some_and(holds)) {
                (true, _) => &text,
                (false, true) => &gone, // it does not match the selector any more
                (false, false) => return true,
            };
            stream.pieces.send(Ok(text.clone())).is_ok()
        });
        self.history.push((self.version, event, id, object));
    }
}

impl Asked {
    fn read(path: &str, query: &str) -> Self {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let rest = if parts[0] == "api" { &parts[2..] } else { &parts[parts.len().min(3)..] };
        let mut asked = match rest {
            ["namespaces", namespace, plural, rest @ ..] => Self {
                plural: (*plural).to_owned(),
                namespace: Some((*namespace).to_owned()),
                name: rest.first().map(|name| (*name).to_owned()),
                ..Self::default()
            },
            [plural, ..] => Self { plural: (*plural).to_owned(), ..Self::default() },
            [] => Self::default(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap();
            asked.query.insert(key.to_owned(), decoded(value));
        }
        asked
    }

    fn holds(&self, (plural, namespace, name): &Id, object: &Value) -> bool {
        let one = |selector: &str| match selector.split_once('=').unwrap() {
            ("metadata.name", wanted) => name == wanted,
            (field, wanted) => match field.strip_suffix('!') {
                Some(field) => {
                    object.pointer(&format!("/{}", field.replace('.', "/"))) != Some(&wanted.into())
                }
                None => object[field] == wanted,
            },
        };
        let field = |selectors: &String| selectors.split(',').all(one);
        let label = |selector: &String| {
            if let Some(absent) = selector.strip_prefix('!') {
                return object["metadata"]["labels"][absent].is_null();
            }
            let (label, wanted) = selector.split_once('=').unwrap();
            object["metadata"]["labels"][label] == wanted
        };
        *plural == self.plural
            && self.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self.query.get("fieldSelector").is_none_or(field)
            && self.query.get("labelSelector").is_none_or(label)
    }
}

fn id(plural: &str, object: &Value) -> Id {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (plural.to_owned(), text("namespace"), text("name"))
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": kind, "object": object})).into()
}

fn bookmark(version: u64, annotations: &Value) -> Bytes {
    let metadata = json!({"resourceVersion": version.to_string(), "annotations": annotations});
    line("BOOKMARK", &json!({"kind": "Any", "metadata": metadata}))
}

fn whole(value: &Value) -> Answer {
    let piece = Ok(Frame::data(Bytes::from(value.to_string())));
    Response::new(StreamBody::new(stream::iter([piece]).boxed()))
}

fn refusal(code: u16, retry_after: &str) -> Answer {
    let mut answer = whole(&json!({"kind": "Status", "code": code, "message": "no"}));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    if !retry_after.is_empty() {
        answer.headers_mut().insert("retry-after", retry_after.parse().unwrap());
    }
    answer
}

fn streaming(receiver: mpsc::UnboundedReceiver<Piece>) -> Answer {
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece.map(Frame::data), receiver))
    });
    Response::new(StreamBody::new(pieces.boxed()))
}

/// Undoes `%2F` and `+`.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(out).unwrap()
}
