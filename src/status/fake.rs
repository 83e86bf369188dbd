//! An API server in memory, for tests: objects by path, versions, watches, and failures on demand.

mod patch;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The API server.
#[derive(Clone, Default)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    version: u64,
    /// By resource, namespace, name.
    objects: BTreeMap<Id, Value>,
    /// What was asked: `PATCH ingresses/shop/web`.
    log: Vec<String>,
    /// What goes wrong: the beginning of a line of the log, and how.
    failures: Vec<(String, Failure)>,
    watches: Vec<(Asked, mpsc::UnboundedSender<Bytes>)>,
}

type Id = (String, String, String);

/// How a request fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    /// With this status.
    Status(u16),
    /// Nobody answers.
    Silence,
    /// It is done, but the answer is lost.
    Lost,
    /// It is done after a second, whether anybody waits for the answer or not.
    Slow,
}

impl Fake {
    pub(super) fn client(&self) -> kube::Client {
        self.client_of("")
    }

    /// A client whose lines in the log begin with its name.
    pub(super) fn client_of(&self, name: &'static str) -> kube::Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { fake.answer(name, request).await }
        });
        kube::Client::new(service, "default")
    }

    /// Puts an object: `ingresses/shop/web`, `nodes//one`.
    pub(super) fn put(&self, path: &str, mut object: Value) {
        let id = id(path);
        object["metadata"]["name"] = id.2.clone().into();
        if !id.1.is_empty() {
            object["metadata"]["namespace"] = id.1.clone().into();
        }
        self.state().store(&id, object);
    }

    pub(super) fn remove(&self, path: &str) {
        self.state().delete(&id(path));
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(&id(path)).cloned()
    }

    /// The names of a resource's objects.
    pub(super) fn names(&self, resource: &str) -> Vec<String> {
        let state = self.state();
        state.objects.keys().filter(|id| id.0 == resource).map(|id| id.2.clone()).collect()
    }

    /// From now on requests fail whose line in the log begins so.
    pub(super) fn fail(&self, line: &str, how: Failure) {
        self.state().failures.push((line.into(), how));
    }

    /// Everything works again.
    pub(super) fn heal(&self) {
        self.state().failures.clear();
    }

    /// Ends all watches.
    pub(super) fn cut(&self) {
        self.state().watches.clear();
    }

    /// How many requests there were whose line begins so.
    pub(super) fn count(&self, line: &str) -> usize {
        self.state().log.iter().filter(|logged| logged.starts_with(line)).count()
    }

    /// What was asked since the last call.
    pub(super) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn answer(&self, name: &str, request: Request<Body>) -> Result<Response<Answer>, Infallible> {
        let (parts, body) = request.into_parts();
        let asked = Asked::new(&parts);
        let body = body.collect_bytes().await.unwrap();
        let kind = parts.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        let (method, line) = (&parts.method, format!("{name}{}", asked.line(&parts.method)));
        let failure = {
            let mut state = self.state();
            state.log.push(line.clone());
            state.failures.iter().find(|(start, _)| line.starts_with(start)).map(|(_, how)| *how)
        };
        match failure {
            Some(Failure::Silence) => std::future::pending().await,
            Some(Failure::Status(code)) => Ok(status(code, &line)),
            Some(Failure::Lost) => {
                self.state().act(method, asked, kind, &body);
                std::future::pending().await
            }
            Some(Failure::Slow) => {
                let (fake, method, kind) = (self.clone(), method.clone(), kind.to_owned());
                let work = tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    fake.state().act(&method, asked, &kind, &body)
                });
                Ok(work.await.unwrap())
            }
            None => Ok(self.state().act(method, asked, kind, &body)),
        }
    }
}

type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// What a request is about.
struct Asked {
    resource: String,
    namespace: String,
    name: String,
    query: BTreeMap<String, String>,
}

impl Asked {
    fn new(parts: &http::request::Parts) -> Self {
        let path = parts.uri.path();
        let rest = path.strip_prefix("/api/v1/").or_else(|| {
            let rest = path.strip_prefix("/apis/")?;
            rest.splitn(3, '/').nth(2)
        });
        let segments: Vec<&str> = rest.unwrap().split('/').collect();
        let (namespace, segments) = match segments.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            all => ("", all),
        };
        let query = parts.uri.query().unwrap_or_default();
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let plain = |text: &str| text.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/");
        Self {
            resource: segments[0].into(),
            namespace: namespace.into(),
            name: (*segments.get(1).unwrap_or(&"")).into(),
            query: query.map(|(key, value)| (key.into(), plain(value))).collect(),
        }
    }

    fn line(&self, method: &Method) -> String {
        let watch = self.query.contains_key("watch");
        let method = if watch { "WATCH" } else { method.as_str() };
        format!("{method} {}/{}/{}", self.resource, self.namespace, self.name)
    }

    fn id(&self) -> Id {
        (self.resource.clone(), self.namespace.clone(), self.name.clone())
    }

    /// Whether a list or watch includes an object.
    fn includes(&self, id: &Id, object: &Value) -> bool {
        let pairs = |key: &str| self.query.get(key).cloned().unwrap_or_default();
        let holds = |pair: &str, base: &str| {
            let (key, value) = pair.split_once('=').unwrap();
            let found = match (base, key) {
                ("fields", "source") => &object["source"]["component"],
                ("fields", path) => object.pointer(&format!("/{}", path.replace('.', "/"))).unwrap(),
                _ => &object["metadata"]["labels"][key],
            };
            found == value
        };
        let all = |key: &str, base: &str| {
            pairs(key).split(',').filter(|pair| !pair.is_empty()).all(|pair| holds(pair, base))
        };
        self.resource == id.0
            && (self.namespace.is_empty() || self.namespace == id.1)
            && all("labelSelector", "labels")
            && all("fieldSelector", "fields")
    }
}

impl State {
    fn act(&mut self, method: &Method, asked: Asked, kind: &str, body: &[u8]) -> Response<Answer> {
        let id = asked.id();
        let there = self.objects.get(&id).cloned();
        match (method.as_str(), there) {
            ("GET", _) if asked.query.contains_key("watch") => self.watch(asked),
            ("GET", _) if asked.name.is_empty() => self.list(&asked),
            ("POST", _) => self.create(&asked, serde_json::from_slice(body).unwrap()),
            ("GET", Some(object)) => ok(&object),
            ("PUT", Some(there)) => {
                let object: Value = serde_json::from_slice(body).unwrap();
                let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
                if version(&object) != version(&there) {
                    return status(409, "the object has been modified");
                }
                ok(&self.store(&id, object))
            }
            ("PATCH", Some(there)) => match patch::apply(kind, there, body) {
                Some(object) => ok(&self.store(&id, object)),
                None => status(422, "the patch does not fit"),
            },
            ("DELETE", Some(object)) => {
                self.delete(&id);
                ok(&object)
            }
            _ => status(404, "not found"),
        }
    }

    fn create(&mut self, asked: &Asked, object: Value) -> Response<Answer> {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let id = (asked.resource.clone(), asked.namespace.clone(), name);
        if self.objects.contains_key(&id) {
            return status(409, "AlreadyExists");
        }
        ok(&self.store(&id, object))
    }

    fn list(&self, asked: &Asked) -> Response<Answer> {
        let items = self.objects.iter().filter(|(id, object)| asked.includes(id, object));
        let items: Vec<&Value> = items.map(|(_, object)| object).collect();
        ok(&json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
    }

    fn watch(&mut self, asked: Asked) -> Response<Answer> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let since: u64 = asked.query["resourceVersion"].parse().unwrap_or(0);
        for (id, object) in &self.objects {
            let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            if version > since && asked.includes(id, object) {
                sender.send(line("ADDED", object)).unwrap();
            }
        }
        self.watches.push((asked, sender));
        let lines = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let frames = futures_util::StreamExt::map(lines, |line| Ok::<_, Infallible>(Frame::data(line)));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    fn store(&mut self, id: &Id, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let former = self.objects.insert(id.clone(), object.clone());
        let kind = if former.is_some() { "MODIFIED" } else { "ADDED" };
        self.tell(kind, id, &object);
        object
    }

    fn delete(&mut self, id: &Id) {
        self.version += 1;
        if let Some(mut object) = self.objects.remove(id) {
            object["metadata"]["resourceVersion"] = self.version.to_string().into();
            self.tell("DELETED", id, &object);
        }
    }

    fn tell(&mut self, kind: &str, id: &Id, object: &Value) {
        let failures = &self.failures;
        self.watches.retain(|(asked, sender)| {
            let silent = failures.iter().any(|(start, _)| asked.line(&Method::GET).starts_with(start));
            silent || !asked.includes(id, object) || sender.send(line(kind, object)).is_ok()
        });
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": kind, "object": object})).into()
}

fn ok(object: &Value) -> Response<Answer> {
    Response::new(Full::new(object.to_string().into()).boxed_unsync())
}

fn status(code: u16, message: &str) -> Response<Answer> {
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
    let mut response = ok(&status);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn id(path: &str) -> Id {
    let [resource, namespace, name] = path.split('/').collect::<Vec<_>>()[..] else { panic!("{path}") };
    (resource.into(), namespace.into(), name.into())
}
