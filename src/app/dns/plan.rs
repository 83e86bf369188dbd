//! Flags and Corefile -> Plan. (Stands in until the real one is there.)

use std::time::Duration;

use crate::config::{Dns, DnsAnswers, UpstreamAt};
use crate::dns::corefile::Fault;
use crate::dns::plan::{
    Block, Cache, Forward, Health, Hosts, Kubernetes, Plan, PodRecords, Target, Upstream,
};
use crate::dns::wire::name::Name;

/// What was read.
pub(crate) struct Wanted {
    /// The plan.
    pub(crate) plan: Plan,
    /// What is passed over.
    pub(crate) notes: Vec<Fault>,
}

/// Reads it. `serving`: for `slipway dns`.
pub(crate) fn wanted(answers: &DnsAnswers, serving: Option<&Dns>) -> Result<Wanted, Vec<Fault>> {
    let port = serving.and_then(|dns| dns.listen.first()).map_or(53, |address| address.port());
    let name = |text: &str| Name::parse(text).unwrap_or_else(|_| Name::root());
    let mut block = Block::new(vec![Name::root()], port);
    block.kubernetes = Some(Kubernetes {
        zones: vec![name(answers.cluster_domain.as_deref().unwrap_or("cluster.local"))],
        reverse: vec![name("in-addr.arpa"), name("ip6.arpa")],
        pods: match answers.pods {
            Some(crate::config::PodRecords::Verified) => PodRecords::Verified,
            Some(crate::config::PodRecords::Disabled) => PodRecords::Disabled,
            _ => PodRecords::Insecure,
        },
        ttl: answers.ttl.unwrap_or(30),
        namespaces: answers.namespaces.clone(),
        labels: None,
        namespace_labels: None,
        endpoint_pod_names: false,
        no_endpoints: false,
        ignore_empty: false,
        fallthrough: Some(vec![name("in-addr.arpa"), name("ip6.arpa")]),
        kubeconfig: None,
        startup: Duration::from_secs(5),
    });
    let to: Vec<Target> = answers
        .forward
        .iter()
        .map(|at| match at {
            UpstreamAt::Address { address, tls, name } => {
                Target::Upstream(Upstream { address: *address, tls: *tls, name: name.clone() })
            }
            UpstreamAt::File(path) => Target::File(path.clone()),
        })
        .collect();
    let to = if to.is_empty() { vec![Target::File("/etc/resolv.conf".into())] } else { to };
    block.forwards = vec![Forward::new(Name::root(), to)];
    block.cache = Some(Cache::default());
    block.shuffle = true;
    block.hosts = answers.hosts.as_ref().map(|file| Hosts {
        file: Some(file.clone()),
        inline: Vec::new(),
        zones: Vec::new(),
        ttl: 3600,
        no_reverse: false,
        reload: Duration::from_secs(5),
        fallthrough: Some(Vec::new()),
    });
    let any = |port| std::net::SocketAddr::from(([0, 0, 0, 0], port));
    let plan = Plan {
        blocks: vec![block],
        health: Some(Health { address: any(8080), lameduck: Duration::from_secs(5) }),
        ready: Some(any(8181)),
        metrics: Some(any(9153)),
        reload: None,
    };
    Ok(Wanted { plan, notes: Vec::new() })
}
