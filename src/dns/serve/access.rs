//! Who may ask what (`acl`), and who may have the whole zone (`transfer`).

use std::net::IpAddr;

use ipnet::IpNet;

use crate::dns::plan::{AclAction, Block};
use crate::dns::wire::Rcode;
use crate::dns::wire::name::{Name, ends_with};
use crate::dns::wire::question::Asked;

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Pass,
    /// This code, and nothing else.
    Answer(Rcode),
    /// Nothing.
    Drop,
}

/// The first rule that fits decides.
pub(super) fn judge(block: &Block, asked: &Asked<'_>, client: IpAddr) -> Verdict {
    let rule = block.acl.iter().find(|rule| {
        within(asked, &rule.zones, &block.zones)
            && (rule.kinds.is_empty() || rule.kinds.contains(&asked.kind))
            && (rule.nets.is_empty() || contain(&rule.nets, client))
    });
    match rule.map(|rule| rule.action) {
        None | Some(AclAction::Allow) => Verdict::Pass,
        Some(AclAction::Block) => Verdict::Answer(Rcode::REFUSED),
        Some(AclAction::Filter) => Verdict::Answer(Rcode::NOERROR),
        Some(AclAction::Drop) => Verdict::Drop,
    }
}

/// Whether a client may have the zone it asks for.
pub(super) fn may_transfer(block: &Block, asked: &Asked<'_>, client: IpAddr) -> bool {
    block.transfers.iter().any(|transfer| {
        within(asked, &transfer.zones, &block.zones)
            && transfer.to.as_ref().is_none_or(|nets| contain(nets, client))
    })
}

fn within(asked: &Asked<'_>, zones: &[Name], of_block: &[Name]) -> bool {
    let zones = if zones.is_empty() { of_block } else { zones };
    zones.iter().any(|zone| ends_with(asked.name.as_wire(), zone.as_wire()))
}

fn contain(nets: &[IpNet], client: IpAddr) -> bool {
    let client = client.to_canonical();
    nets.iter().any(|net| net.contains(&client))
}
