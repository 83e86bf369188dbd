//! Answers that stand in the Corefile: hosts, template, autopath, any.

use std::net::IpAddr;
use std::time::Duration;

use super::super::super::plan::{Autopath, Hosts, Template};
use super::super::super::template;
use super::super::super::wire::Rcode;
use super::super::syntax::Line;
use super::super::values::{duration, expression as regex, kind, number, rcode};
use super::{LEAVE_OUT, Site};

/// `hosts [FILE [ZONE...]] { ... }`.
pub(super) fn hosts(line: &Line<'_>, site: &mut Site<'_>) {
    let zones = line.words.get(1..).unwrap_or_default();
    let mut made = Hosts {
        file: Some(line.words.first().map_or("/etc/hosts", |word| word.text.as_str()).into()),
        inline: Vec::new(),
        zones: site.zones(zones),
        ttl: 3600,
        no_reverse: false,
        reload: Duration::from_secs(5),
        fallthrough: None,
    };
    for property in &line.lines {
        match property.name.text.as_str() {
            "fallthrough" => made.fallthrough = Some(site.zones(&property.words)),
            "no_reverse" => made.no_reverse = true,
            "ttl" => {
                let Some(word) = site.word(property, "seconds, 1 to 65535") else { continue };
                let ttl = site.value(word, number(&word.text, 1, 65535));
                made.ttl = ttl.and_then(|ttl| ttl.try_into().ok()).unwrap_or(made.ttl);
            }
            "reload" => {
                let Some(word) = site.word(property, "a duration such as 5s") else { continue };
                made.reload = site.value(word, duration(&word.text)).unwrap_or(made.reload);
            }
            address if address.parse::<IpAddr>().is_ok() => {
                let names = site.words(property, "names");
                let words = [property.name].into_iter().chain(names.iter().copied());
                made.inline.push(words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "));
            }
            _ => site.unknown("hosts", property, &["fallthrough", "no_reverse", "ttl", "reload"]),
        }
        site.flat(property);
    }
    site.block.hosts = Some(made);
}

/// `autopath [ZONE...] RESOLV-CONF|@kubernetes`.
pub(super) fn autopath(line: &Line<'_>, site: &mut Site<'_>) {
    site.flat(line);
    let Some((source, zones)) = line.words.split_last() else {
        return site
            .reader
            .fault(line.name, "autopath needs @kubernetes or the path of a resolv.conf behind it");
    };
    if let Some(zone) = zones.first() {
        let known = site.zones(zones);
        if known.iter().any(|zone| !site.block.zones.iter().any(|own| own.is_within(zone))) {
            let message = "Slipway does autopath for all zones of the block: leave the zones out";
            site.reader.unsupported(zone, message);
        }
    }
    site.block.autopath = match source.text.strip_prefix('@') {
        Some("kubernetes") => Some(Autopath::Kubernetes),
        Some(other) => {
            site.reader.unsupported(source, format!("autopath knows no @{other}: write @kubernetes"));
            None
        }
        None => Some(Autopath::File(source.text.as_str().into())),
    };
}

/// `any`.
pub(super) fn any(line: &Line<'_>, site: &mut Site<'_>) {
    site.plain(line, 0);
    site.block.any = true;
}

/// `template CLASS TYPE [ZONE...] { ... }`.
pub(super) fn template(line: &Line<'_>, site: &mut Site<'_>) {
    let [class, kind_word, zones @ ..] = &line.words[..] else {
        return site.reader.fault(line.name, "template needs a class and a type behind it, such as IN A");
    };
    match class.text.as_str() {
        "IN" | "ANY" => {}
        "CH" | "HS" | "CS" | "NONE" => {
            return site.reader.unsupported(class, format!("Slipway answers the class IN only: {LEAVE_OUT}"));
        }
        other => return site.reader.fault(class, format!("{other} is no class: write IN or ANY")),
    }
    let kind = match kind_word.text.as_str() {
        "ANY" => None,
        text => match site.value(kind_word, kind(text)) {
            Some(kind) => Some(kind),
            None => return,
        },
    };
    let mut made = Template {
        line: line.name.line,
        kind,
        zones: site.zones(zones),
        matches: Vec::new(),
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        rcode: Rcode::NOERROR,
        fallthrough: None,
    };
    for property in &line.lines {
        part(property, &mut made, site);
        site.flat(property);
    }
    if site.reader.is_fine() {
        for fault in template::faults(&made) {
            site.reader.fault(line.name, fault);
        }
    }
    site.block.templates.push(made);
}

fn part(property: &Line<'_>, made: &mut Template, site: &mut Site<'_>) {
    let texts = |words: &[&super::super::lexer::Token]| {
        words.iter().map(|word| word.text.clone()).collect::<Vec<_>>()
    };
    match property.name.text.as_str() {
        "match" => {
            for word in site.words(property, "a regular expression") {
                let known = regex(&word.text);
                if site.value(word, known).is_some() {
                    made.matches.push(word.text.clone());
                }
            }
        }
        "answer" => made.answer.extend(texts(site.words(property, "a record in quotes"))),
        "authority" => made.authority.extend(texts(site.words(property, "a record in quotes"))),
        "additional" => made.additional.extend(texts(site.words(property, "a record in quotes"))),
        "rcode" => {
            let Some(word) = site.word(property, "a response code such as NXDOMAIN") else { return };
            made.rcode = site.value(word, rcode(&word.text)).unwrap_or(made.rcode);
        }
        "fallthrough" => made.fallthrough = Some(site.zones(&property.words)),
        "ederror" => site.unsupported("template", property, LEAVE_OUT),
        "upstream" => {
            site.reader.note(property.name, "upstream says nothing here: it can be left out");
        }
        _ => {
            let known = ["match", "answer", "authority", "additional", "rcode", "fallthrough"];
            site.unknown("template", property, &known);
        }
    }
}
