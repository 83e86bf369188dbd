//! Corefiles -> plan, or faults with their lines.
#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

#[path = "corefile/directives.rs"]
mod directives;
#[path = "corefile/faults.rs"]
mod faults;
#[path = "corefile/writing.rs"]
mod writing;

use std::time::Duration;

use slipway::dns::corefile::{Fault, Outside, Read, default_text, read};
use slipway::dns::plan::{
    Block, Cache, Errors, Forward, Health, Kubernetes, Plan, PodRecords, Reload, Target, Upstream,
};
use slipway::dns::wire::name::Name;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn upstream(address: &str) -> Target {
    Target::Upstream(Upstream { address: address.parse().unwrap(), tls: false, name: None })
}

/// Reads with the variable ZONE and these files to import.
fn read_with(text: &str, files: &[(&str, &str)], ignore: bool) -> Result<Read, Vec<Fault>> {
    let environment = |name: &str| (name == "ZONE").then(|| "example.org".to_owned());
    let import = |pattern: &str| {
        let matching = |(name, _): &&(&str, &str)| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *name == pattern,
        };
        let found: Vec<(String, String)> =
            files.iter().filter(matching).map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let missing = found.is_empty() && !pattern.contains('*');
        if missing { Err("no such file".to_owned()) } else { Ok(found) }
    };
    read("Corefile", text, &Outside { environment: &environment, import: &import }, ignore)
}

fn plan(text: &str) -> Plan {
    match read_with(text, &[], false) {
        Ok(read) => read.plan,
        Err(faults) => panic!("{text}\n{faults:#?}"),
    }
}

/// The only block of a Corefile with these lines in it.
fn block(lines: &str) -> Block {
    let mut plan = plan(&format!(".:53 {{\n{lines}\n}}\n"));
    assert_eq!(plan.blocks.len(), 1);
    plan.blocks.remove(0)
}

/// The faults, each as `LINE: MESSAGE`.
fn wrong(text: &str) -> Vec<String> {
    let faults = read_with(text, &[], false).err().unwrap_or_default();
    faults.iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect()
}

/// The Corefile of a cluster, as kubeadm writes it.
const CLUSTER: &str = "\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
";

fn kubernetes() -> Kubernetes {
    Kubernetes {
        zones: names(&["cluster.local"]),
        reverse: names(&["in-addr.arpa", "ip6.arpa"]),
        pods: PodRecords::Insecure,
        ttl: 30,
        namespaces: Vec::new(),
        labels: None,
        namespace_labels: None,
        endpoint_pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        fallthrough: Some(names(&["in-addr.arpa", "ip6.arpa"])),
        kubeconfig: None,
        startup: Duration::from_secs(5),
    }
}

fn cluster() -> Plan {
    let mut cache = Cache::default();
    for side in [&mut cache.success, &mut cache.denial] {
        side.max_ttl = 30;
        side.disabled = names(&["cluster.local"]);
    }
    let mut forward = Forward::new(Name::root(), vec![Target::File("/etc/resolv.conf".into())]);
    (forward.line, forward.max_concurrent) = (13, 1000);
    let mut block = Block::new(vec![Name::root()], 53);
    block.line = 1;
    block.errors = Some(Errors::default());
    block.kubernetes = Some(kubernetes());
    block.forwards = vec![forward];
    block.cache = Some(cache);
    (block.looping, block.shuffle) = (true, true);
    let any = |port: u16| std::net::SocketAddr::from(([0, 0, 0, 0], port));
    Plan {
        blocks: vec![block],
        health: Some(Health { address: any(8080), lameduck: Duration::from_secs(5) }),
        ready: Some(any(8181)),
        metrics: Some(any(9153)),
        reload: Some(Reload { interval: Duration::from_secs(30), jitter: Duration::from_secs(15) }),
    }
}

#[test]
fn the_corefile_of_a_cluster_carries_over_unchanged() {
    let read = read_with(CLUSTER, &[], false).unwrap();
    assert_eq!(read.plan, cluster());
    assert_eq!(read.notes, []);
}

#[test]
fn the_default_text_is_that_of_a_cluster_and_caches_its_zone_too() {
    let mut expected = cluster();
    for block in &mut expected.blocks {
        let cache = block.cache.as_mut().unwrap();
        cache.success.disabled.clear();
        cache.denial.disabled.clear();
    }
    assert_eq!(plan(&default_text("cluster.local")), expected);
    let other = plan(&default_text("corp.test")).blocks[0].kubernetes.clone().unwrap();
    assert_eq!(other.zones, names(&["corp.test"]));
}

#[test]
fn stub_domains_and_upstreams_are_written_as_the_documentation_of_kubernetes_says() {
    let text = ".:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . 172.16.0.1 10.0.0.2:5353
    cache 30
}
consul.local:53 {
    errors
    cache 30
    forward . 10.150.0.1
}
";
    let plan = plan(text);
    let of = |at: usize| (plan.blocks[at].zones.clone(), plan.blocks[at].forwards[0].to.clone());
    assert_eq!(of(0), (vec![Name::root()], vec![upstream("172.16.0.1:53"), upstream("10.0.0.2:5353")]));
    assert_eq!(of(1), (names(&["consul.local"]), vec![upstream("10.150.0.1:53")]));
    assert_eq!((plan.blocks[0].line, plan.blocks[1].line), (1, 10));
    assert!(plan.blocks[1].kubernetes.is_none());
}

#[test]
fn a_node_local_corefile_is_read() {
    let text = "cluster.local:53 {
    errors
    cache {
        success 9984 30
        denial 9984 5
    }
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.11 {
        force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
}
in-addr.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.11 {
        force_tcp
    }
    prometheus :9253
}
.:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . /etc/resolv.conf
    prometheus :9253
}
";
    let plan = plan(text);
    assert_eq!(plan.blocks.len(), 3);
    assert_eq!(plan.blocks[0].bind.len(), 2);
    let cache = plan.blocks[0].cache.as_ref().unwrap();
    assert_eq!((cache.success.max_ttl, cache.denial.max_ttl, cache.denial.min_ttl), (30, 5, 5));
    assert!(plan.blocks[0].forwards[0].force_tcp);
    assert_eq!(plan.health.unwrap().address.to_string(), "169.254.20.10:8080");
    assert_eq!(plan.metrics.unwrap().port(), 9253);
}
