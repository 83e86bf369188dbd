//! A server on loopback, and queries for it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slipway::dns::plan::{Block, Kubernetes, Plan, PodRecords};
use slipway::dns::serve::{Active, Options, Running, Server, Serving};
use slipway::dns::wire::name::Name;
use slipway::dns::zone::{self, Pods, Zone};
use slipway::metrics::dns::Metrics;
use slipway::publish::Published;
use slipway::source::files::{self, KINDS, load_text};
use slipway::store::Store;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const WEB: &str = "web.shop.svc.cluster.local";

const OBJECTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.5.1, ports: [{name: http, port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Service
metadata: {name: many, namespace: shop}
spec: {clusterIP: None, ports: [{name: http, port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: shop}
spec: {type: ExternalName, externalName: www.example.test}
---
apiVersion: v1
kind: Service
metadata: {name: lost, namespace: shop}
spec: {type: ExternalName, externalName: gone.test}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: many-1, namespace: shop, labels: {kubernetes.io/service-name: many}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints:
";

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A block for everything, with the zone of the cluster.
pub(crate) fn block() -> Block {
    let mut block = Block::new(vec![Name::root()], 0);
    block.kubernetes = Some(Kubernetes {
        zones: vec![name("cluster.local")],
        reverse: vec![name("in-addr.arpa"), name("ip6.arpa")],
        pods: PodRecords::Insecure,
        ttl: 30,
        namespaces: Vec::new(),
        labels: None,
        namespace_labels: None,
        endpoint_pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        fallthrough: None,
        kubeconfig: None,
        startup: Duration::ZERO,
    });
    block
}

pub(crate) fn zone() -> Zone {
    let endpoint = |n: u8| format!("- {{addresses: [10.1.0.{n}], conditions: {{ready: true}}}}\n");
    let objects = OBJECTS.to_owned() + &(1..=100).map(endpoint).collect::<String>();
    let mut store = Store::new(KINDS);
    for update in load_text("objects.yaml", &objects, &files::Options::default()).updates {
        store.apply(update);
    }
    let options = zone::Options {
        domain: name("cluster.local"),
        reverse: vec![name("in-addr.arpa"), name("ip6.arpa")],
        ttl: 30,
        pods: Pods::Insecure,
        namespaces: None,
        namespace_selector: None,
        pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        own_service: None,
    };
    Zone::build(&store.snapshot(), Arc::new(options), 1)
}

pub(crate) fn active(block: Block, metrics: &Metrics) -> Arc<Active> {
    Arc::new(Active::new(Plan { blocks: vec![block], ..Plan::default() }, None, metrics).ok().unwrap())
}

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) published: Published<Serving>,
    pub(crate) running: Option<Running>,
}

impl Site {
    /// With the zone, on 127.0.0.1.
    pub(crate) fn start(block: Block, change: impl FnOnce(&mut Options)) -> Self {
        Self::with_zones(block, Some(vec![zone()]), change)
    }

    pub(crate) fn with_zones(
        block: Block,
        zones: Option<Vec<Zone>>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let metrics = Metrics::default();
        let mut options = Options { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Options::default() };
        change(&mut options);
        let server = Server::bind(options).ok().unwrap();
        let address = server.addresses()[0];
        let published = Published::new(Serving { active: active(block, &metrics), zones: vec![zones] });
        let running = Some(server.start(published.clone(), metrics.clone()).unwrap());
        Self { address, metrics, published, running }
    }

    pub(crate) fn plain() -> Self {
        Self::start(block(), |_| {})
    }

    /// A client over UDP.
    pub(crate) fn client(&self) -> UdpSocket {
        let client = UdpSocket::bind((if self.address.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
        client.connect(self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    pub(crate) fn ask(&self, query: &[u8]) -> Vec<u8> {
        ask(&self.client(), query)
    }
}

pub(crate) fn ask(client: &UdpSocket, query: &[u8]) -> Vec<u8> {
    client.send(query).unwrap();
    receive(client)
}

pub(crate) fn receive(client: &UdpSocket) -> Vec<u8> {
    let mut reply = vec![0; 65536];
    let length = client.recv(&mut reply).unwrap();
    reply.truncate(length);
    reply
}

/// A query without EDNS.
pub(crate) fn query(id: u16, asked: &str, kind: u16) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    // The case stays.
    for label in asked.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    query
}

/// The same with EDNS: version, payload, options.
pub(crate) fn edns(mut query: Vec<u8>, version: u8, payload: u16, options: &[u8]) -> Vec<u8> {
    query[11] = 1;
    query.extend([0, 0, 41]);
    query.extend(payload.to_be_bytes());
    query.extend([0, version, 0, 0]);
    query.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
    query.extend(options);
    query
}

/// Code, whether it is cut short, and how many answers.
pub(crate) fn gist(reply: &[u8]) -> (u8, bool, u16) {
    (reply[3] & 0xf, reply[2] & 2 != 0, u16::from_be_bytes([reply[6], reply[7]]))
}

/// Looks until it is so.
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::yield_now();
    }
}
