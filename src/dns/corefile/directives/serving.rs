//! Where and how is served: bind, bufsize, health, ready, prometheus, reload, loop, loadbalance.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::super::plan::{Health, Reload};
use super::super::lexer::Token;
use super::super::syntax::Line;
use super::super::values::{duration, ip, number, place};
use super::{LEAVE_OUT, Site};

/// `bind ADDRESS...`.
pub(super) fn bind(line: &Line<'_>, site: &mut Site<'_>) {
    for word in site.words(line, "addresses") {
        match ip(&word.text) {
            Some(ip) if ip.is_unspecified() => {}
            Some(ip) => site.block.bind.push(ip),
            None => site.reader.unsupported(
                word,
                format!(
                    "bind {}: Slipway does not know addresses by their interface: write the address",
                    word.text
                ),
            ),
        }
    }
    for property in &line.lines {
        match property.name.text.as_str() {
            "except" => site.unsupported("bind", property, "write the addresses that are meant"),
            _ => site.unknown("bind", property, &["except"]),
        }
    }
}

/// `bufsize [SIZE]`.
pub(super) fn bufsize(line: &Line<'_>, site: &mut Site<'_>) {
    site.plain(line, 1);
    let Some(word) = line.words.first() else { return };
    if let Some(size) = site.value(word, number(&word.text, 512, 4096)) {
        site.block.payload = u16::try_from(size).unwrap_or(site.block.payload);
    }
}

/// `health [ADDRESS] { lameduck DURATION }`.
pub(super) fn health(line: &Line<'_>, site: &mut Site<'_>) {
    site.most(line, 1);
    let address = address(line, ":8080", site);
    let mut lameduck = Duration::ZERO;
    for property in &line.lines {
        match property.name.text.as_str() {
            "lameduck" => {
                let Some(word) = site.word(property, "a duration such as 5s") else { continue };
                lameduck = site.value(word, duration(&word.text)).unwrap_or_default();
            }
            _ => site.unknown("health", property, &["lameduck"]),
        }
    }
    let Some(address) = address else { return };
    let health = Health { address, lameduck };
    let former = site.plan.health.replace(health);
    single(line.name, former.is_none_or(|former| former == health), site);
}

/// `ready [ADDRESS] { monitor ... }`.
pub(super) fn ready(line: &Line<'_>, site: &mut Site<'_>) {
    site.most(line, 1);
    for property in &line.lines {
        match property.name.text.as_str() {
            "monitor" => {
                let Some(word) = site.word(property, "continuously or until-ready") else { continue };
                match word.text.as_str() {
                    "continuously" => site.reader.note(
                        word,
                        "Slipway stays ready once it was: what it knows it answers, whatever the API server does",
                    ),
                    "until-ready" => {}
                    other => {
                        let message = format!("{other} does not do: write continuously or until-ready");
                        site.reader.fault(word, message);
                    }
                }
            }
            _ => site.unknown("ready", property, &["monitor"]),
        }
    }
    if let Some(address) = address(line, ":8181", site) {
        let former = site.plan.ready.replace(address);
        single(line.name, former.is_none_or(|former| former == address), site);
    }
}

/// `prometheus [ADDRESS]`.
pub(super) fn prometheus(line: &Line<'_>, site: &mut Site<'_>) {
    site.plain(line, 1);
    if let Some(address) = address(line, "localhost:9153", site) {
        let former = site.plan.metrics.replace(address);
        single(line.name, former.is_none_or(|former| former == address), site);
    }
}

/// `reload [INTERVAL] [JITTER]`.
pub(super) fn reload(line: &Line<'_>, site: &mut Site<'_>) {
    site.plain(line, 2);
    let mut times = [Duration::from_secs(30), Duration::from_secs(15)];
    for ((word, time), least) in line.words.iter().zip(&mut times).zip([2, 1]) {
        let Some(given) = site.value(word, duration(&word.text)) else { continue };
        if given < Duration::from_secs(least) {
            site.reader.fault(word, format!("{} is too short: write at least {least}s", word.text));
        }
        *time = given;
    }
    let [interval, jitter] = times;
    let reload = Reload { interval, jitter: jitter.min(interval / 2) };
    let former = site.plan.reload.replace(reload);
    single(line.name, former.is_none_or(|former| former == reload), site);
}

/// `loop`.
pub(super) fn looping(line: &Line<'_>, site: &mut Site<'_>) {
    site.plain(line, 0);
    site.block.looping = true;
}

/// `loadbalance [round_robin]`.
pub(super) fn loadbalance(line: &Line<'_>, site: &mut Site<'_>) {
    site.block.shuffle = true;
    for property in &line.lines {
        match property.name.text.as_str() {
            "prefer" | "reload" => site.unsupported("loadbalance", property, LEAVE_OUT),
            _ => site.unknown("loadbalance", property, &["prefer"]),
        }
    }
    match line.words.first() {
        None => {}
        Some(word) if word.text == "round_robin" => site.most(line, 1),
        Some(word) if word.text == "weighted" => {
            site.reader
                .unsupported(word, format!("Slipway does not support loadbalance weighted: {LEAVE_OUT}"));
        }
        Some(word) => {
            site.reader.fault(word, format!("loadbalance knows no {}: write round_robin", word.text));
        }
    }
}

fn address(line: &Line<'_>, usual: &str, site: &mut Site<'_>) -> Option<SocketAddr> {
    let text = line.words.first().map_or(usual, |word| word.text.as_str());
    site.value(line.last(), place(text))
}

/// There is one of these for the whole program.
fn single(at: &Token, same: bool, site: &mut Site<'_>) {
    if !same {
        let message =
            format!("another block says something else for {}: there is one for all blocks", at.text);
        site.reader.unsupported(at, message);
    }
}
