//! All other names: forward.

use std::time::Duration;

use super::super::super::plan::{Forward, Policy};
use super::super::super::wire::Rcode;
use super::super::syntax::Line;
use super::super::values::{Wrong, duration, number, rcode, upstream, zones};
use super::{LEAVE_OUT, Site, name};

/// Upstreams at most.
const UPSTREAMS: usize = 15;

const PROPERTIES: &[&str] = &[
    "except",
    "expire",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "force_tcp",
    "health_check",
    "max_concurrent",
    "max_fails",
    "next",
    "policy",
    "prefer_udp",
    "tls",
    "tls_servername",
];

/// `forward FROM TO... { ... }`.
pub(super) fn forward(line: &Line<'_>, site: &mut Site<'_>) {
    let [from, to @ ..] = &line.words[..] else {
        return site
            .reader
            .fault(line.name, "forward needs a zone and upstreams behind it: forward . /etc/resolv.conf");
    };
    let zones = site.value(from, zones(&from.text)).unwrap_or_default();
    if to.is_empty() {
        site.reader.fault(from, "forward needs upstreams behind the zone, such as /etc/resolv.conf");
    }
    if let Some(word) = to.get(UPSTREAMS) {
        site.reader.fault(word, format!("more than {UPSTREAMS} upstreams: take some out"));
    }
    let to = to.iter().filter_map(|word| site.value(word, upstream(&word.text))).collect();
    let mut made = Forward::new(super::super::super::wire::name::Name::root(), to);
    made.line = line.name.line;
    for property in &line.lines {
        choice(property, &mut made, site);
        site.flat(property);
    }
    // A range may be several zones.
    site.block.forwards.extend(zones.into_iter().map(|from| Forward { from, ..made.clone() }));
}

/// Which names go to which upstream.
fn choice(property: &Line<'_>, made: &mut Forward, site: &mut Site<'_>) {
    match property.name.text.as_str() {
        "except" => {
            let words = site.words(property, "zones");
            made.except.extend(site.zones(words));
        }
        "policy" => {
            let Some(word) = site.word(property, "random, round_robin or sequential") else { return };
            made.policy = match word.text.as_str() {
                "random" => Policy::Random,
                "round_robin" => Policy::RoundRobin,
                "sequential" => Policy::Sequential,
                other => {
                    let message = format!("policy knows no {other}: write random, round_robin or sequential");
                    return site.reader.fault(word, message);
                }
            };
        }
        "max_concurrent" => {
            let Some(word) = site.word(property, "a number") else { return };
            let most = site.value(word, number(&word.text, 0, u64::from(u32::MAX)));
            made.max_concurrent = most.and_then(|most| most.try_into().ok()).unwrap_or(0);
        }
        "next" => made.next.extend(codes(property, site)),
        "failover" => made.failover.extend(codes(property, site)),
        "failfast_all_unhealthy_upstreams" => {
            site.most(property, 0);
            made.fail_fast = true;
        }
        _ => connection(property, made, site),
    }
}

/// How it is asked.
fn connection(property: &Line<'_>, made: &mut Forward, site: &mut Site<'_>) {
    match property.name.text.as_str() {
        "force_tcp" => {
            site.most(property, 0);
            made.force_tcp = true;
        }
        "prefer_udp" => {
            site.most(property, 0);
            made.prefer_udp = true;
        }
        "max_fails" => {
            let Some(word) = site.word(property, "a number") else { return };
            let fails = site.value(word, number(&word.text, 0, u64::from(u32::MAX)));
            made.max_fails = fails.and_then(|fails| fails.try_into().ok()).unwrap_or(made.max_fails);
        }
        "expire" => {
            let Some(word) = site.word(property, "a duration such as 10s") else { return };
            made.expire = site.value(word, duration(&word.text)).unwrap_or(made.expire);
        }
        "health_check" => health(property, made, site),
        "tls" => match property.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>()[..] {
            [] => {}
            [ca] => made.tls_ca = Some(ca.into()),
            [certificate, key] => made.tls_client = Some((certificate.into(), key.into())),
            [certificate, key, ca] => {
                made.tls_client = Some((certificate.into(), key.into()));
                made.tls_ca = Some(ca.into());
            }
            _ => site.most(property, 3),
        },
        "tls_servername" => {
            let Some(word) = site.word(property, "the name in the certificate") else { return };
            made.tls_servername = Some(word.text.clone());
        }
        "max_connect_attempts" | "max_age" | "min_max_dial_timeout" | "max_idle_conns" => {
            site.unsupported("forward", property, LEAVE_OUT);
        }
        _ => site.unknown("forward", property, PROPERTIES),
    }
}

/// `health_check DURATION [no_rec] [domain NAME]`.
fn health(property: &Line<'_>, made: &mut Forward, site: &mut Site<'_>) {
    let [time, rest @ ..] = site.words(property, "a duration such as 500ms") else { return };
    let positive = duration(&time.text).and_then(|time| match time {
        Duration::ZERO => Err(Wrong("health_check 0 is no interval: write max_fails 0 for no checks".into())),
        time => Ok(time),
    });
    made.health_interval = site.value(time, positive).unwrap_or(made.health_interval);
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "no_rec" => made.health_no_rec = true,
            "domain" => match rest.next() {
                Some(domain) => {
                    let domain = site.value(domain, name(&domain.text));
                    made.health_domain = domain.unwrap_or_else(|| made.health_domain.clone());
                }
                None => site.reader.fault(word, "domain needs a name behind it"),
            },
            other => {
                site.reader
                    .fault(word, format!("health_check knows no {other}: write no_rec or domain NAME"));
            }
        }
    }
}

fn codes(property: &Line<'_>, site: &mut Site<'_>) -> Vec<Rcode> {
    let words = site.words(property, "response codes such as SERVFAIL");
    words.iter().filter_map(|word| site.value(word, rcode(&word.text))).collect()
}
