//! Clusters from YAML, and what zones are made with.

use std::sync::Arc;

use slipway::dns::wire::name::Name;
use slipway::dns::zone::{Options, Pods, Zone};
use slipway::model::{Key, Snapshot};
use slipway::source::files::{self, KINDS, load_text};
use slipway::store::Store;

pub(crate) const SERIAL: u32 = 1_790_812_800;

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn options() -> Options {
    Options {
        domain: name("cluster.local"),
        reverse: vec![name("in-addr.arpa"), name("ip6.arpa")],
        ttl: 30,
        pods: Pods::Insecure,
        namespaces: None,
        namespace_selector: None,
        pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        own_service: Key::parse("kube-system/kube-dns"),
    }
}

pub(crate) fn snapshot(yaml: &str) -> Snapshot {
    let mut store = Store::new(KINDS);
    for update in load_text("objects.yaml", yaml, &files::Options::default()).updates {
        store.apply(update);
    }
    store.snapshot()
}

pub(crate) fn zone(yaml: &str, change: impl FnOnce(&mut Options)) -> Zone {
    let mut options = options();
    change(&mut options);
    Zone::build(&snapshot(yaml), Arc::new(options), SERIAL)
}
