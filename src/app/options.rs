//! What the operator asked for, as each component wants to be told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use crate::config::flags::ProxyMode;
use crate::config::{self, Named, Rules};
use crate::model::Key;
use crate::model::certificate::Certificate;
use crate::model::selector::Selector;
use crate::model::status::Address;
use crate::source::{files, kubernetes};
use crate::{compile, l4, status, translate};

/// How a directory is read.
pub fn files(rules: &Rules, directory: &Path) -> files::Options {
    files::Options {
        directory: directory.to_owned(),
        translate: translate::Options { annotations_prefix: rules.annotations_prefix.clone() },
        configmap: rules.configmap.as_ref().map(key),
        overrides: rules.set.clone(),
    }
}

/// What of a cluster is read, and how. The error says which flag is wrong.
pub fn kubernetes(rules: &Rules) -> Result<kubernetes::Options, String> {
    Ok(kubernetes::Options {
        interest: kubernetes::Interest::Ingress,
        translate: translate::Options { annotations_prefix: rules.annotations_prefix.clone() },
        namespace: rules.namespace.as_deref().map(Into::into),
        namespace_selector: selector(rules)?,
        configmap: rules.configmap.as_ref().map(key),
        overrides: rules.set.clone(),
        default_certificate: rules.default_certificate.as_ref().map(key),
        default_backend: rules.default_backend.as_ref().map(key),
        controller: rules.controller_class.as_str().into(),
        ingress_class: rules.ingress_class.as_str().into(),
        by_name: rules.class_by_name,
        without_class: rules.without_class,
    })
}

/// What of a cluster the service proxy of a node reads.
pub fn service_proxy_source(config: &config::ServiceProxy) -> kubernetes::Options {
    let interest = kubernetes::Interest::ServiceProxy { node: config.node.as_str().into() };
    kubernetes::Options { interest, ..kubernetes::Options::default() }
}

/// How the Services of a node are served. `liberal`: the kernel passes on packets that it calls invalid.
pub fn service_proxy(config: &config::ServiceProxy, liberal: bool) -> l4::Options {
    l4::Options {
        desired: l4::desired::Options {
            node: config.node.as_str().into(),
            pods: match &config.pods {
                config::Pods::Ranges(ranges) => l4::desired::Pods::Ranges(ranges.clone()),
                config::Pods::NodeCidrs => l4::desired::Pods::NodeCidrs,
            },
            node_ports: match &config.node_ports {
                config::NodePorts::Primary => l4::desired::NodePorts::Primary,
                config::NodePorts::Ranges(ranges) => l4::desired::NodePorts::Ranges(ranges.clone()),
            },
            masquerade_all: config.masquerade_all,
            liberal,
            // The kernel does not lead packets from elsewhere to a loopback address.
            loopback: config.mode == ProxyMode::Userspace,
        },
        mode: match config.mode {
            ProxyMode::Nftables => l4::Mode::Nftables,
            ProxyMode::Userspace => l4::Mode::Userspace,
        },
    }
}

/// What is written back to a cluster, and by whom.
pub fn status(config: &config::Ingress) -> status::Options {
    let config::Ingress { publish, election, .. } = config;
    let address = |text: &String| match text.trim().parse::<IpAddr>() {
        Ok(ip) => Address::Ip(ip.to_string().into()),
        Err(_) => Address::Hostname(text.trim().into()),
    };
    let known = !config.pod_name.is_empty() && !config.pod_namespace.is_empty();
    status::Options {
        lease: key(&election.lease),
        ttl: election.ttl,
        pod: known.then(|| Key::new(config.pod_namespace.as_str(), config.pod_name.as_str())),
        controller: config.rules.controller_class.as_str().into(),
        namespace: config.rules.namespace.as_deref().map(Into::into),
        addresses: publish.status,
        remove_at_end: publish.remove_at_end,
        fixed: publish.addresses.iter().map(address).collect(),
        service: publish.service.as_ref().map(key),
        internal_address: publish.internal_address,
    }
}

/// How what was read is compiled. In a directory without any IngressClass every Ingress is taken. The error says which
/// flag is wrong.
pub fn compile(
    rules: &Rules,
    fallback: Option<Arc<Certificate>>,
    directory: bool,
) -> Result<compile::Options, String> {
    Ok(compile::Options {
        class: compile::ClassOptions {
            ingress_class: rules.ingress_class.as_str().into(),
            controller: rules.controller_class.as_str().into(),
            watch_without_class: rules.without_class,
            by_name: rules.class_by_name,
            take_all_without_classes: directory,
        },
        default_backend: rules.default_backend.as_ref().map(key),
        default_certificate: rules.default_certificate.as_ref().map(key),
        fallback_certificate: fallback,
        watch_namespace: rules.namespace.as_deref().map(Into::into),
        namespace_selector: selector(rules)?,
        disable_catch_all: rules.no_catch_all,
        disable_external_name: rules.no_external_name,
    })
}

/// The address that stands for all: of both families where the machine has both.
pub fn any_address() -> IpAddr {
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if TcpListener::bind((six, 0)).is_ok() { six } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

fn selector(rules: &Rules) -> Result<Option<Selector>, String> {
    let parsed = rules.namespace_selector.as_deref().map(Selector::parse).transpose();
    parsed.map_err(|why| format!("--watch-namespace-selector: {why}"))
}

fn key(named: &Named) -> Key {
    Key::new(named.namespace.as_str(), named.name.as_str())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::flags::{Command, Flags};

    #[test]
    fn a_selector_that_cannot_be_read_is_an_error_that_names_its_flag() {
        let flags =
            Flags::try_parse_from(["slipway", "check", "--watch-namespace-selector", "team=a,stage>1"]);
        let Command::Check(flags) = flags.unwrap().command else { unreachable!("the command is check") };
        let rules = Rules::from(flags.rules);
        let error = compile(&rules, None, true).unwrap_err();
        assert!(error.starts_with("--watch-namespace-selector: \"stage>1\""), "{error}");
        assert!(kubernetes(&rules).is_err());
    }
}
