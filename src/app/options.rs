//! What the operator asked for, as each component wants to be told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use crate::config::{Named, Rules};
use crate::model::Key;
use crate::model::certificate::Certificate;
use crate::source::files;
use crate::{compile, translate};

/// How a directory is read.
pub fn files(rules: &Rules, directory: &Path) -> files::Options {
    files::Options {
        directory: directory.to_owned(),
        translate: translate::Options { annotations_prefix: rules.annotations_prefix.clone() },
        configmap: rules.configmap.as_ref().map(key),
        overrides: rules.set.clone(),
    }
}

/// How what was read is compiled.
pub fn compile(rules: &Rules, fallback: Option<Arc<Certificate>>) -> compile::Options {
    compile::Options {
        class: compile::ClassOptions {
            ingress_class: rules.ingress_class.as_str().into(),
            controller: rules.controller_class.as_str().into(),
            watch_without_class: rules.without_class,
            by_name: rules.class_by_name,
            take_all_without_classes: true,
        },
        default_backend: rules.default_backend.as_ref().map(key),
        default_certificate: rules.default_certificate.as_ref().map(key),
        fallback_certificate: fallback,
        watch_namespace: rules.namespace.as_deref().map(Into::into),
        disable_catch_all: rules.no_catch_all,
        disable_external_name: rules.no_external_name,
    }
}

/// The address that stands for all: of both families where the machine has both.
pub fn any_address() -> IpAddr {
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if TcpListener::bind((six, 0)).is_ok() { six } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

fn key(named: &Named) -> Key {
    Key::new(named.namespace.as_str(), named.name.as_str())
}
