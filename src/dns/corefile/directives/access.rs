//! Who gets what: acl, transfer.

use super::super::super::plan::{Acl, AclAction, Transfer};
use super::super::syntax::Line;
use super::super::values::{kind, net};
use super::Site;

/// `acl [ZONE...] { ACTION [type TYPE...] [net SOURCE...] }`.
pub(super) fn acl(line: &Line<'_>, site: &mut Site<'_>) {
    let zones = site.zones(&line.words);
    if line.lines.is_empty() {
        site.reader.fault(line.name, "acl needs braces with lines such as: block net 192.0.2.0/24");
    }
    for rule in &line.lines {
        let action = match rule.name.text.as_str() {
            "allow" => AclAction::Allow,
            "block" => AclAction::Block,
            "filter" => AclAction::Filter,
            "drop" => AclAction::Drop,
            _ => {
                site.unknown("acl", rule, &["allow", "block", "filter", "drop"]);
                continue;
            }
        };
        let mut made = Acl { zones: zones.clone(), action, kinds: Vec::new(), nets: Vec::new() };
        let mut part = "";
        // A star takes away what the other words of its part say.
        let (mut all_kinds, mut all_nets) = (false, false);
        for word in &rule.words {
            match (part, word.text.as_str()) {
                (_, "type" | "net") => part = &word.text,
                ("type", "*" | "ANY") => all_kinds = true,
                ("net", "*") => all_nets = true,
                ("type", text) => made.kinds.extend(site.value(word, kind(text))),
                ("net", text) => made.nets.extend(site.value(word, net(text))),
                (_, other) => {
                    site.reader
                        .fault(word, format!("{other} does not belong here: write type or net before it"));
                    break;
                }
            }
        }
        if all_kinds {
            made.kinds.clear();
        }
        if all_nets {
            made.nets.clear();
        }
        site.block.acl.push(made);
    }
}

/// `transfer [ZONE...] { to ADDRESS... }`.
pub(super) fn transfer(line: &Line<'_>, site: &mut Site<'_>) {
    let zones = site.zones(&line.words);
    let mut to = Some(Vec::new());
    for property in &line.lines {
        if property.name.text != "to" {
            site.unknown("transfer", property, &["to"]);
            continue;
        }
        for word in site.words(property, "addresses, or *") {
            if word.text == "*" {
                to = None;
                continue;
            }
            // The port is where CoreDNS sends its notes of changes.
            let bare = word.text.parse::<std::net::SocketAddr>().map(|address| address.ip().to_string());
            let range = net(bare.as_deref().unwrap_or(&word.text));
            if let (Some(range), Some(list)) = (site.value(word, range), to.as_mut()) {
                list.push(range);
            }
        }
    }
    if line.lines.is_empty() {
        site.reader.fault(line.name, "transfer needs braces with: to ADDRESS, or to *");
    }
    site.block.transfers.push(Transfer { zones, to });
}
