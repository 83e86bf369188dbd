//! What one Service has in the zone: its name, its ports, its endpoints; or an alias.

mod maker;
mod trouble;

use std::net::IpAddr;
use std::sync::Arc;

use super::Options;
use super::endpoint::{Label, Ready, ready};
use super::frame::Frame;
use super::node::{Data, Node};
use crate::dns::wire::name::Name;
use crate::model::service::{EndpointSet, Service, ServiceKind};
use crate::model::{Key, Report};
use maker::Maker;

/// The names of one Service, in order, and what there is to tell about them.
#[derive(Default)]
pub(super) struct Owned {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) reports: Vec<Report>,
}

/// Makes the names of a Service. `former` is what it had, in order: what is equal is shared.
pub(super) fn owned(
    frame: &Frame,
    options: &Options,
    former: &[Arc<Node>],
    service: &Service,
    sets: &[Arc<EndpointSet>],
) -> Owned {
    let mut reports = trouble::of(service, sets, options);
    let Some(name) = name(frame, &service.object.key) else { return Owned { nodes: Vec::new(), reports } };
    let mut maker = Maker { frame, former, name, nodes: Vec::new() };
    let endpoints = ready(service, sets, options.pod_names);
    let named: &[Ready<'_>] = if options.no_endpoints { &[] } else { &endpoints };
    match &service.kind {
        ServiceKind::ExternalName(target) => match alias(target) {
            Ok(target) => maker.put(Data::Alias(target), maker.name.clone()),
            Err(()) => return Owned { nodes: Vec::new(), reports },
        },
        ServiceKind::ClusterIp if options.ignore_empty && endpoints.is_empty() => reports.clear(),
        ServiceKind::ClusterIp => maker.cluster(service, named),
        ServiceKind::Headless if named.is_empty() => {}
        ServiceKind::Headless => maker.headless(named),
    }
    // Endpoints are in order already, so this goes through them once.
    maker.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Owned { nodes: maker.nodes, reports }
}

/// A Service's name, where its parts can stand in one.
pub(super) fn name(frame: &Frame, key: &Key) -> Option<Name> {
    let space = plain(&key.namespace)?.below(&frame.services)?;
    plain(&key.name)?.below(&space)
}

/// An object's name that is a label. Names of objects are in lower case, so that no two of them make one name here.
pub(super) fn plain(text: &str) -> Option<Label> {
    Label::parse(text).filter(|label| label.as_bytes() == text.as_bytes())
}

/// Where an ExternalName leads, where it is a name and no address.
fn alias(text: &str) -> Result<Name, ()> {
    let fine =
        |label: &[u8]| label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let name = Name::parse(text).ok().filter(|name| !name.is_root() && name.labels().all(fine));
    let address = text.parse::<IpAddr>().is_ok();
    name.filter(|_| !address).ok_or(())
}
