//! Server blocks -> plan: keys to zones and ports, directives in their turn.

use std::collections::HashMap;
use std::net::IpAddr;

use super::super::plan::{Block, Plan};
use super::super::wire::name::Name;
use super::directives::{self, Site};
use super::lexer::Token;
use super::reader::Reader;
use super::syntax::{Line, ServerBlock};
use super::values::{PORT, nearest, zones};

/// Directives that may stand in a block once.
const ONCE: &[&str] = &[
    "any",
    "autopath",
    "bufsize",
    "cache",
    "errors",
    "health",
    "hosts",
    "kubernetes",
    "loadbalance",
    "loop",
    "prometheus",
    "ready",
    "reload",
];

/// Makes the plan.
pub(super) fn plan(blocks: &[ServerBlock<'_>], reader: &mut Reader) -> Plan {
    let mut plan = Plan::default();
    for block in blocks {
        let ports = keys(block, reader);
        let zones: Vec<Name> = ports.iter().flat_map(|(_, zones)| zones.clone()).collect();
        // What a directive says is the same for every port of the block.
        let mut made = Block::new(zones, PORT);
        let at = block.keys.first().or(block.lines.first().map(|line| &line.name)).copied();
        made.line = at.map_or(1, |key| key.line);
        fill(&block.lines, &mut made, &mut plan, reader);
        for (port, zones) in ports {
            let own = Block { zones, port, ..made.clone() };
            if let (Some(key), Some(line)) = (at, taken(&plan, &own)) {
                reader.fault(key, format!("a block with this zone and port is on line {line} already"));
            }
            plan.blocks.push(own);
        }
    }
    plan
}

/// The zones of each port.
fn keys(block: &ServerBlock<'_>, reader: &mut Reader) -> Vec<(u16, Vec<Name>)> {
    let mut ports: Vec<(u16, Vec<Name>)> = Vec::new();
    for key in &block.keys {
        let text = key.text.strip_suffix(',').unwrap_or(&key.text);
        let text = match text.split_once("://") {
            Some(("dns", rest)) => rest,
            Some((other, _)) => {
                reader
                    .unsupported(key, format!("Slipway does not serve {other}://: write a zone without it"));
                continue;
            }
            None => text,
        };
        if text.is_empty() {
            continue;
        }
        match zone_and_port(text) {
            Ok((zones, port)) => match ports.iter_mut().find(|(other, _)| *other == port) {
                Some((_, list)) => list.extend(zones),
                None => ports.push((port, zones)),
            },
            Err(why) => reader.fault(key, why),
        }
    }
    let bare = block.keys.iter().all(|key| matches!(&*key.text, "" | ","));
    if let Some(line) = block.lines.first().filter(|_| bare) {
        reader.fault(line.name, "this block has no zone: write one before its brace, such as .:53");
    }
    for (_, zones) in &ports {
        let twice = zones.iter().enumerate().find(|(at, zone)| zones[..*at].contains(zone));
        if let (Some((_, zone)), Some(key)) = (twice, block.keys.first()) {
            reader.fault(key, format!("the zone {zone} stands here twice"));
        }
    }
    ports
}

/// `ZONE`, `ZONE:PORT`; the zone may be a range.
fn zone_and_port(text: &str) -> Result<(Vec<Name>, u16), String> {
    if let Some(bare) = text.strip_suffix('{') {
        return Err(format!("write a space between {bare} and the brace"));
    }
    // An IPv6 range has colons before its slash.
    let slash = text.find('/').unwrap_or(0);
    let Some(colon) = text[slash..].rfind(':') else {
        return zones(text).map(|zones| (zones, PORT)).map_err(|why| why.0);
    };
    let (zone, port) = (&text[..slash + colon], &text[slash + colon + 1..]);
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| {
        format!("{text} has no port that can be: write one from 1 to 65535 after the colon")
    })?;
    let zone = if zone.is_empty() { "." } else { zone };
    zones(zone).map(|zones| (zones, port)).map_err(|why| why.0)
}

/// The line of another block that would take the same queries.
fn taken(plan: &Plan, own: &Block) -> Option<u32> {
    let same = |other: &&Block| {
        let bind = |ip: &IpAddr| other.bind.contains(ip);
        let overlap = (own.bind.is_empty() && other.bind.is_empty()) || own.bind.iter().any(bind);
        own.port == other.port && overlap && own.zones.iter().any(|zone| other.zones.contains(zone))
    };
    plan.blocks.iter().find(same).map(|other| other.line)
}

fn fill(lines: &[Line<'_>], block: &mut Block, plan: &mut Plan, reader: &mut Reader) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for line in lines {
        let name = line.name.text.as_str();
        if let Some(first) = seen.get(name).filter(|_| ONCE.contains(&name)) {
            reader.fault(
                line.name,
                format!("{name} may stand in a block once; here it is on line {first}, too"),
            );
            continue;
        }
        seen.insert(name, line.name.line);
        if let Some((_, read)) = directives::ALL.iter().find(|(known, _)| *known == name) {
            read(line, &mut Site { block, plan, reader });
        } else if directives::UNSUPPORTED.contains(&name) {
            reader.unsupported(
                line.name,
                format!("Slipway does not support {name}: take it out, or give --ignore-unsupported to pass over it"),
            );
        } else {
            unknown(line.name, reader);
        }
    }
}

fn unknown(name: &Token, reader: &mut Reader) {
    let text = name.text.as_str();
    if let Some(bare) = text.strip_suffix('{').filter(|bare| !bare.is_empty()) {
        return reader.fault(name, format!("write a space between {bare} and the brace"));
    }
    let known: Vec<&str> = directives::ALL
        .iter()
        .map(|(name, _)| *name)
        .chain(directives::UNSUPPORTED.iter().copied())
        .collect();
    let hint = nearest(text, &known).map(|near| format!(": is {near} meant?")).unwrap_or_default();
    reader.fault(name, format!("there is no directive {text}{hint}"));
}
