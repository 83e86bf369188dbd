//! Builds manifests, compiles them as the ingress does, and serves them on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use slipway::app::certificate;
use slipway::compile::{self, Compiled};
use slipway::metrics::Metrics;
use slipway::proxy::{self, LogTarget, Proxy};
use slipway::publish::Published;
use slipway::routing::Tables;
use slipway::source::files;
use slipway::store::Store;
use slipway::translate;

/// The objects of a namespace, and the settings.
#[derive(Clone, Default)]
pub struct Site {
    objects: Vec<Value>,
    ingresses: Vec<Value>,
    settings: Vec<(String, String)>,
    workers: usize,
    default_backend: Option<&'static str>,
}

impl Site {
    pub fn new() -> Self {
        Self { workers: 1, ..Self::default() }
    }

    /// A site whose only Service `web` answers for the host `web.test`.
    pub fn of(endpoints: &[SocketAddr]) -> Self {
        Self::new().service("web", endpoints).route("web.test", "/", "web")
    }

    /// A Service with ready endpoints.
    pub fn service(mut self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.objects.push(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "ns"},
            "spec": {"clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80}]},
        }));
        for endpoint in endpoints {
            self = self.endpoint(name, *endpoint, json!({"ready": true}));
        }
        self
    }

    /// One more endpoint of a Service, in a slice of its own because its port differs.
    pub fn endpoint(mut self, service: &str, endpoint: SocketAddr, conditions: Value) -> Self {
        let name = format!("{service}-{}", self.objects.len());
        self.objects.push(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": "http", "port": endpoint.port()}],
            "endpoints": [{"addresses": [endpoint.ip().to_string()], "conditions": conditions}],
        }));
        self
    }

    /// Any other object.
    pub fn object(mut self, object: Value) -> Self {
        self.objects.push(object);
        self
    }

    /// A Secret of type tls.
    pub fn secret(self, name: &str, (chain, key): &(String, String)) -> Self {
        self.object(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": "ns"}, "stringData": {"tls.crt": chain, "tls.key": key},
        }))
    }

    /// A new Ingress with one rule. `path` is a Prefix, or begins with its type: `Exact /foo`.
    pub fn route(mut self, host: &str, path: &str, service: &str) -> Self {
        let number = self.ingresses.len();
        self.ingresses.push(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": format!("i{number}"), "namespace": "ns", "annotations": {}},
            "spec": {"rules": []},
        }));
        self.and(host, path, service)
    }

    /// One more rule for the last Ingress.
    pub fn and(mut self, host: &str, path: &str, service: &str) -> Self {
        let (kind, path) = path.split_once(' ').unwrap_or(("Prefix", path));
        let path = json!({"path": path, "pathType": kind,
            "backend": {"service": {"name": service, "port": {"number": 80}}}});
        let mut rule = json!({"http": {"paths": [path]}});
        if !host.is_empty() {
            rule["host"] = json!(host);
        }
        self.last()["spec"]["rules"].as_array_mut().unwrap().push(rule);
        self
    }

    /// An annotation of the last Ingress.
    pub fn annotate(mut self, key: &str, value: &str) -> Self {
        self.last()["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{key}")] = json!(value);
        self
    }

    /// A tls section of the last Ingress.
    pub fn tls(mut self, host: &str, secret: &str) -> Self {
        let spec = &mut self.last()["spec"];
        if spec["tls"].is_null() {
            spec["tls"] = json!([]);
        }
        let mut section = json!({"hosts": [host]});
        if !secret.is_empty() {
            section["secretName"] = json!(secret);
        }
        spec["tls"].as_array_mut().unwrap().push(section);
        self
    }

    /// A global setting.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// `--default-backend-service`.
    pub fn default_backend(mut self, service: &'static str) -> Self {
        self.default_backend = Some(service);
        self
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Serves it. Fails when anything is reported as an error, since a test means what it writes.
    pub fn start(self) -> Stage {
        let local = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let options =
            proxy::Options { http: local.clone(), https: local, workers: self.workers, log: LogTarget::Off };
        let fallback = certificate::fallback().unwrap();
        let compile = compile::Options {
            class: compile::ClassOptions { take_all_without_classes: true, ..Default::default() },
            default_backend: self.default_backend.map(|name| slipway::model::Key::new("ns", name)),
            fallback_certificate: Some(fallback),
            ..compile::Options::default()
        };
        let tables = Published::new(Tables::default());
        let proxy = proxy::start(&options, &tables, &Metrics::new()).unwrap();
        let (http, https) = (proxy.bound().http[0], proxy.bound().https[0]);
        let mut stage = Stage { http, https, proxy: Some(proxy), tables, compile, compiled: None };
        stage.publish(&self);
        stage.proxy().open();
        stage
    }

    fn last(&mut self) -> &mut Value {
        self.ingresses.last_mut().unwrap()
    }

    fn text(&self) -> String {
        let items: Vec<&Value> = self.objects.iter().chain(&self.ingresses).collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    }
}

/// A site that is being served.
pub struct Stage {
    pub http: SocketAddr,
    pub https: SocketAddr,
    proxy: Option<Proxy>,
    tables: Published<Tables>,
    compile: compile::Options,
    compiled: Option<Compiled>,
}

impl Stage {
    /// Puts another site in force, as a change of its manifests would.
    pub fn publish(&mut self, site: &Site) {
        let options = files::Options {
            translate: translate::Options { annotations_prefix: "nginx.ingress.kubernetes.io".into() },
            overrides: site.settings.clone(),
            ..files::Options::default()
        };
        let mut store = Store::new(&[]);
        for update in files::load_text("site.yaml", &site.text(), &options).updates {
            store.apply(update);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let compiled = compile::compile(&store.snapshot(), &self.compile, now as i64, self.compiled.as_ref());
        self.tables.publish(Arc::clone(&compiled.tables));
        self.compiled = Some(compiled);
    }

    /// The reports of the last compile, as text.
    pub fn reports(&self) -> Vec<String> {
        self.compiled.iter().flat_map(|c| c.reports.iter()).map(|report| format!("{report:?}")).collect()
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.stop();
        }
    }
}
