//! Asks the API server for objects of one kind: lists, watches, single ones.

use std::fmt::Write;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Collected, Limited};
use kube::Client;
use kube::client::Body;
use kube::core::Request as Ask;
use kube::core::params::{GetParams, ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::item::Item;
use super::lines::Lines;
use super::reach::Reach;
use super::trouble::Trouble;
use crate::model::{Key, Kind, Name};

/// How long a server may think before it begins to answer, and between two pieces of a list.
const ANSWER: Duration = Duration::from_secs(30);

/// Objects on one page of a list.
const PAGE: u32 = 500;

/// The largest page. Objects are limited to a few MB each, and hardly any has that.
const PAGE_BYTES: usize = 512 << 20;

/// The most of a refusal that is read.
const REFUSAL_BYTES: usize = 64 << 10;

/// How long a watch is asked to last: at random, so that the watches do not all begin anew at once.
const WATCH_SECS: std::ops::Range<u32> = 240..300;

/// How much longer than that a silent watch is waited for.
const MARGIN: Duration = Duration::from_secs(15);

/// Objects of one kind in one place, or some of them.
#[derive(Clone)]
pub(super) struct Collection {
    client: Client,
    reach: Reach,
    kind: Kind,
    namespace: Option<Name>,
    fields: Option<String>,
    labels: Option<String>,
}

/// One page of a list.
pub(super) struct Page {
    /// The objects.
    pub(super) items: Vec<Box<RawValue>>,
    /// Where the next page begins; `None` when there is none.
    pub(super) next: Option<String>,
    /// The version of the list.
    pub(super) version: String,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMetadata,
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct ListMetadata {
    resource_version: String,
    r#continue: String,
}

impl Collection {
    /// All objects of a kind, or those of one namespace.
    pub(super) fn new(client: Client, reach: Reach, kind: Kind, namespace: Option<Name>) -> Self {
        Self { client, reach, kind, namespace, fields: None, labels: None }
    }

    /// Only the object of this name.
    pub(super) fn named(client: Client, reach: Reach, kind: Kind, key: &Key) -> Self {
        let fields = format!("metadata.name={}", key.name);
        Self::new(client, reach, kind, Some(key.namespace.clone())).with_fields(fields)
    }

    /// Only those whose fields are so.
    pub(super) fn with_fields(self, selector: String) -> Self {
        Self { fields: Some(selector), ..self }
    }

    /// Only those with such labels.
    pub(super) fn with_labels(self, selector: String) -> Self {
        Self { labels: Some(selector), ..self }
    }

    /// The kind.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the server can be reached.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What is asked for, for people: `ingresses (networking.k8s.io) in namespace shop`.
    pub(super) fn describe(&self) -> String {
        let (group, plural) = resource(self.kind);
        let mut text = plural.to_owned();
        if let Some((group, _)) = group.split_once('/') {
            let _ = write!(text, " ({group})"); // writing to a String cannot fail
        }
        match &self.namespace {
            Some(namespace) => text + " in namespace " + namespace,
            None if cluster_wide(self.kind) => text,
            None => text + " in all namespaces",
        }
    }

    /// Which right is missing, where to read it is forbidden.
    pub(super) fn explain_forbidden(&self, verbs: &str, trouble: &Trouble) -> String {
        format!("{trouble}: grant {verbs} on {} by RBAC", self.describe())
    }

    /// One page of a list, the first or that of a token.
    pub(super) async fn page(&self, token: Option<&str>) -> Result<Page, Trouble> {
        let params = ListParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.clone(),
            limit: Some(PAGE),
            continue_token: token.map(str::to_owned),
            ..ListParams::default()
        };
        let request =
            Ask::new(self.path()).list(&params).map_err(|error| Trouble::Invalid(error.to_string()))?;
        let body = self.send(request).await?.into_body();
        let body = timeout(ANSWER * 2, Limited::new(body, PAGE_BYTES).collect());
        let body = body.await.map_err(|_| silence())?.map_err(|error| Trouble::broken(&*error))?.to_bytes();
        let list: List = serde_json::from_slice(&body).map_err(|error| Trouble::broken(&error))?;
        let ListMetadata { resource_version: version, r#continue: next } = list.metadata;
        if version.is_empty() {
            return Err(Trouble::Broken("a list has no resourceVersion".into()));
        }
        let next = Some(next).filter(|token| !token.is_empty());
        Ok(Page { items: list.items.unwrap_or_default(), next, version })
    }

    /// A watch that begins with all objects, then a bookmark that says so.
    pub(super) async fn stream(&self) -> Result<Lines, Trouble> {
        let mut lines = self.open(WatchParams { send_initial_events: true, ..self.watching() }, "").await?;
        lines.hurry(ANSWER);
        Ok(lines)
    }

    /// A watch from a version on.
    pub(super) async fn watch(&self, version: &str) -> Result<Lines, Trouble> {
        self.open(self.watching(), version).await
    }

    /// A single object; `None` when there is none of that name.
    pub(super) async fn object(&self, name: &str) -> Result<Option<Item>, Trouble> {
        let params = GetParams::default();
        let request =
            Ask::new(self.path()).get(name, &params).map_err(|error| Trouble::Invalid(error.to_string()))?;
        let body = match self.send(request).await {
            Err(Trouble::NotFound(_)) => return Ok(None),
            answer => answer?.into_body(),
        };
        let body = timeout(ANSWER, Limited::new(body, PAGE_BYTES).collect());
        let body = body.await.map_err(|_| silence())?.map_err(|error| Trouble::broken(&*error))?.to_bytes();
        let raw = serde_json::from_slice(&body).map_err(|error| Trouble::broken(&error))?;
        Item::read(raw).map(Some).map_err(|error| Trouble::broken(&error))
    }

    fn watching(&self) -> WatchParams {
        WatchParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.clone(),
            timeout: Some(fastrand::u32(WATCH_SECS)),
            bookmarks: true,
            send_initial_events: false,
        }
    }

    async fn open(&self, params: WatchParams, version: &str) -> Result<Lines, Trouble> {
        let patience = Duration::from_secs(params.timeout.unwrap_or_default().into()) + MARGIN;
        let request = Ask::new(self.path()).watch(&params, version);
        let request = request.map_err(|error| Trouble::Invalid(error.to_string()))?;
        Ok(Lines::new(self.send(request).await?.into_body(), patience))
    }

    /// Sends a request; whatever is not a success is a trouble.
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Body>, Trouble> {
        let answer = match timeout(ANSWER, self.client.send(request.map(Body::from))).await {
            Ok(answer) => answer.map_err(|error| Trouble::of(&error)),
            Err(_) => Err(Trouble::Unreachable(format!("no answer within {ANSWER:?}"))),
        };
        let answer = answer.inspect_err(|_| self.reach.silent())?;
        self.reach.answered();
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        let code = answer.status().as_u16();
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let body = timeout(ANSWER, Limited::new(answer.into_body(), REFUSAL_BYTES).collect());
        let body = body.await.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
        Err(Trouble::refused(code, retry_after.as_deref(), &body))
    }

    fn path(&self) -> String {
        let (group, plural) = resource(self.kind);
        let root = if group == "v1" { "api" } else { "apis" };
        match &self.namespace {
            Some(namespace) => format!("/{root}/{group}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{group}/{plural}"),
        }
    }
}

fn silence() -> Trouble {
    Trouble::Broken("nothing came for too long".into())
}

/// Group with version, and the name in paths and RBAC rules.
fn resource(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Ingress => ("networking.k8s.io/v1", "ingresses"),
        Kind::IngressClass => ("networking.k8s.io/v1", "ingressclasses"),
        Kind::EndpointSlice => ("discovery.k8s.io/v1", "endpointslices"),
        Kind::Service => ("v1", "services"),
        Kind::Endpoints => ("v1", "endpoints"),
        Kind::Secret => ("v1", "secrets"),
        Kind::ConfigMap => ("v1", "configmaps"),
        Kind::Namespace => ("v1", "namespaces"),
        Kind::Node => ("v1", "nodes"),
        Kind::Pod => ("v1", "pods"),
        Kind::ServiceCIDR => ("networking.k8s.io/v1", "servicecidrs"),
        Kind::File => ("v1", "files"),
    }
}

fn cluster_wide(kind: Kind) -> bool {
    matches!(kind, Kind::IngressClass | Kind::Namespace | Kind::Node | Kind::ServiceCIDR)
}

/// Whether an object may have this name: what is no name is nowhere and need not be asked for.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=253).contains(&text.len()) && text.bytes().all(fine) && !text.starts_with('.')
}
