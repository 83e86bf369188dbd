//! What is kept: cache.

use std::time::Duration;

use super::super::super::plan::{Cache, CacheSide, Prefetch, Stale};
use super::super::super::wire::name::Name;
use super::super::syntax::Line;
use super::super::values::{Wrong, duration, number};
use super::{LEAVE_OUT, Site};

const PROPERTIES: &[&str] =
    &["denial", "disable", "keepttl", "prefetch", "serve_stale", "servfail", "success"];

/// The longest time, in seconds, that SERVFAIL is kept (RFC 2308 section 7.1).
const SERVFAIL: u64 = 300;

/// `cache [TTL] [ZONE...] { ... }`.
pub(super) fn cache(line: &Line<'_>, site: &mut Site<'_>) {
    let mut made = Cache::default();
    let mut zones = &line.words[..];
    if let [first, rest @ ..] = zones
        && first.text.parse::<i64>().is_ok()
    {
        zones = rest;
        if let Some(ttl) = site.value(first, seconds(&first.text, 1)) {
            (made.success.max_ttl, made.denial.max_ttl) = (ttl, ttl);
        }
    }
    made.zones = site.zones(zones);
    for property in &line.lines {
        what(property, &mut made, site);
        site.flat(property);
    }
    for side in [&mut made.success, &mut made.denial] {
        side.min_ttl = side.min_ttl.min(side.max_ttl);
    }
    site.block.cache = Some(made);
}

fn what(property: &Line<'_>, made: &mut Cache, site: &mut Site<'_>) {
    match property.name.text.as_str() {
        "success" => half(property, &mut made.success, site),
        "denial" => half(property, &mut made.denial, site),
        "prefetch" => made.prefetch = prefetch(property, site),
        "serve_stale" => made.stale = stale(property, site),
        "servfail" => {
            let Some(word) = site.word(property, "a duration up to 5m") else { return };
            let time = duration(&word.text).map(|time| time.as_secs());
            let short = time.and_then(|time| match time {
                0..=SERVFAIL => Ok(u32::try_from(time).unwrap_or_default()),
                _ => Err(Wrong("SERVFAIL may not be kept for more than 5m (RFC 2308)".into())),
            });
            made.servfail = site.value(word, short).unwrap_or(made.servfail);
        }
        "disable" => {
            let Some((which, zones)) = property.words.split_first() else {
                return site.reader.fault(property.name, "disable needs success or denial behind it");
            };
            let half = match which.text.as_str() {
                "success" => &mut made.success,
                "denial" => &mut made.denial,
                other => {
                    return site
                        .reader
                        .fault(which, format!("disable knows no {other}: write success or denial"));
                }
            };
            match zones {
                [] => half.disabled.push(Name::root()),
                zones => half.disabled.extend(site.zones(zones)),
            }
        }
        "keepttl" => {
            site.most(property, 0);
            made.keep_ttl = true;
        }
        _ => site.unknown("cache", property, PROPERTIES),
    }
}

/// `success|denial CAPACITY [TTL] [MINTTL]`.
fn half(property: &Line<'_>, half: &mut CacheSide, site: &mut Site<'_>) {
    site.most(property, 3);
    for (at, word) in site.words(property, "a number of entries").iter().take(3).enumerate() {
        match at {
            0 => {
                let entries = site.value(word, number(&word.text, 0, u64::from(u32::MAX)));
                half.capacity = entries.and_then(|entries| entries.try_into().ok()).unwrap_or(half.capacity);
            }
            1 => half.max_ttl = site.value(word, seconds(&word.text, 1)).unwrap_or(half.max_ttl),
            _ => half.min_ttl = site.value(word, seconds(&word.text, 0)).unwrap_or(half.min_ttl),
        }
    }
}

/// `prefetch AMOUNT [DURATION] [PERCENTAGE%]`.
fn prefetch(property: &Line<'_>, site: &mut Site<'_>) -> Option<Prefetch> {
    site.most(property, 3);
    let mut made = Prefetch { amount: 0, within: Duration::from_mins(1), percentage: 10 };
    for (at, word) in site.words(property, "a number").iter().take(3).enumerate() {
        match at {
            0 => made.amount = site.value(word, seconds(&word.text, 0))?,
            1 => made.within = site.value(word, duration(&word.text))?,
            _ => {
                let share = word
                    .text
                    .strip_suffix('%')
                    .ok_or_else(|| Wrong(format!("{}: write such as 10%", word.text)));
                let share = share.and_then(|share| number(share, 10, 90));
                made.percentage = site.value(word, share)?.try_into().unwrap_or(made.percentage);
            }
        }
    }
    Some(made).filter(|made| made.amount > 0)
}

/// `serve_stale [DURATION] [REFRESH_MODE]`.
fn stale(property: &Line<'_>, site: &mut Site<'_>) -> Option<Stale> {
    let mut made = Stale { within: Duration::from_hours(1), verify: false };
    if let Some(word) = property.words.first() {
        made.within = site.value(word, duration(&word.text))?;
    }
    if let Some(word) = property.words.get(1) {
        made.verify = match word.text.to_ascii_lowercase().as_str() {
            "verify" => true,
            "immediate" => false,
            other => {
                site.reader.fault(word, format!("serve_stale knows no {other}: write immediate or verify"));
                return None;
            }
        };
    }
    if let Some(word) = property.words.get(2) {
        let message = format!("Slipway does not support a time limit for verify: {LEAVE_OUT}");
        site.reader.unsupported(word, message);
    }
    site.most(property, 3);
    Some(made)
}

fn seconds(text: &str, least: u64) -> Result<u32, Wrong> {
    let number = number(text, least, u64::from(u32::MAX))?;
    u32::try_from(number).map_err(|why| Wrong(why.to_string()))
}
