//! The kinds of values that annotations and settings have: each parsed in one place, with a message that says what
//! would be right.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;

use crate::model::policy::NextUpstream;

/// A boolean as Go reads it.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("\"{text}\" is not a boolean: write \"true\" or \"false\"")),
    }
}

/// A whole number from `low` to `high`.
pub(super) fn integer(text: &str, low: u64, high: u64) -> Result<u64, String> {
    let fine = |number: &u64| (low..=high).contains(number);
    text.parse().ok().filter(fine).ok_or_else(|| match high {
        u64::MAX => format!("\"{text}\" is not a whole number from {low} on"),
        _ => format!("\"{text}\" is not a whole number from {low} to {high}"),
    })
}

/// A whole number that fits a `u32`.
pub(super) fn count(text: &str) -> Result<u32, String> {
    let number = integer(text, 0, u32::MAX.into())?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A duration: its value, and whether it was written with units (nginx's form) rather than as plain seconds.
pub(super) struct Span {
    pub(super) duration: Duration,
    pub(super) has_units: bool,
}

/// Seconds, or nginx's `1h 30m`, `60s`, `500ms`.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let wrong = || format!("\"{text}\" is not a duration: write whole seconds, such as \"60\"");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Span { duration: Duration::from_secs(seconds.into()), has_units: false });
    }
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u32 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &after[..letters] {
            "ms" => Duration::from_millis(1),
            "s" | "" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            "d" => Duration::from_hours(24),
            "w" => Duration::from_hours(24 * 7),
            _ => return Err(wrong()),
        };
        total = unit.checked_mul(number).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = after[letters..].trim_start();
    }
    if total > Duration::from_secs(u32::MAX.into()) {
        return Err(wrong());
    }
    Ok(Span { duration: total, has_units: true })
}

/// A duration that must not be zero.
pub(super) fn timeout(text: &str) -> Result<Span, String> {
    let span = span(text)?;
    if span.duration.is_zero() {
        return Err(format!("\"{text}\" would time out at once: write whole seconds from 1 on"));
    }
    Ok(span)
}

/// A size as nginx writes it: bytes, or with `k`, `m`, `g` in either case. 0 is what nginx calls unlimited.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "\"{text}\" is not a size: write digits with k, m or g after them, such as \"8m\", or \"0\" for no limit"
        )
    };
    let shift = match text.bytes().last() {
        Some(b'k' | b'K') => 10,
        Some(b'm' | b'M') => 20,
        Some(b'g' | b'G') => 30,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(wrong)
}

/// Comma-separated networks or single addresses: the good ones, and those that cannot be read.
pub(super) fn networks(text: &str) -> (Vec<IpNet>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match network(item) {
            Some(net) => good.push(net),
            None => bad.push(format!("\"{item}\"")),
        }
    }
    good.sort();
    good.dedup();
    (good, bad)
}

/// A network or a single address.
pub(super) fn network(item: &str) -> Option<IpNet> {
    item.parse::<IpNet>().map(|net| net.trunc()).ok().or_else(|| address(item).map(|(ip, _)| IpNet::from(ip)))
}

/// An IP address. Leading zeros in IPv4, which some old objects have, are dropped: then the flag is set.
pub(super) fn address(text: &str) -> Option<(IpAddr, bool)> {
    if let Ok(address) = text.parse() {
        return Some((address, false));
    }
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = part.len() <= 8 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        *octet = part.parse().ok().filter(|_| digits)?;
    }
    parts.next().is_none().then(|| (IpAddr::V4(Ipv4Addr::from(octets)), true))
}

/// The words of `proxy-next-upstream`.
pub(super) fn next_upstream(text: &str) -> Result<NextUpstream, String> {
    let mut when = NextUpstream { error: false, timeout: false, ..NextUpstream::default() };
    let mut statuses = 0;
    for word in text.split_ascii_whitespace() {
        match word {
            "error" => when.error = true,
            "timeout" => when.timeout = true,
            "invalid_header" => when.invalid_header = true,
            "non_idempotent" => when.non_idempotent = true,
            "off" => return Ok(NextUpstream { error: false, timeout: false, ..NextUpstream::default() }),
            "http_403" | "http_404" | "http_429" | "http_500" | "http_502" | "http_503" | "http_504" => {
                let status: u16 = word[5..].parse().unwrap_or(0);
                if !when.status(status) {
                    when.statuses[statuses] = status;
                    statuses += 1;
                }
            }
            _ => {
                return Err(format!(
                    "\"{word}\" is not a condition: use error, timeout, invalid_header, http_403, http_404, http_429, \
                     http_500, http_502, http_503, http_504, non_idempotent or off, separated by spaces"
                ));
            }
        }
    }
    Ok(when)
}

/// A value that becomes a header value: printable ASCII.
pub(super) fn header_text(text: &str) -> Result<&str, String> {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(text);
    }
    Err("holds characters that no header can carry: use printable ASCII".into())
}

/// The name in `known` that `word` most likely meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    known
        .filter(|name| name.len().abs_diff(length) <= 1 + name.len() / 5) // comparing takes time, and words may be long
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 5)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_nginx() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("8m"), Ok(8 << 20));
        assert_eq!(size("8M"), Ok(8 << 20));
        assert_eq!(size("2k"), Ok(2048));
        assert_eq!(size("1G"), Ok(1 << 30));
        assert_eq!(size("1234"), Ok(1234));
        for wrong in ["", "m", "-1", "8mb", "8 m", "1.5m", "99999999999999999999", "99999999999999g", "8µ"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_seconds_or_nginx_units() {
        let secs = |text: &str| span(text).map(|s| s.duration.as_secs_f64()).ok();
        assert_eq!(secs("60"), Some(60.0));
        assert_eq!(secs("60s"), Some(60.0));
        assert_eq!(secs("1h 30m"), Some(5400.0));
        assert_eq!(secs("1m30"), Some(90.0));
        assert_eq!(secs("500ms"), Some(0.5));
        assert_eq!(secs("0"), Some(0.0));
        for wrong in ["-5", "5x", "s", "99999999999", "1.5", "9999999w", "5µ"] {
            assert_eq!(secs(wrong), None, "{wrong}");
        }
        assert!(timeout("0").is_err());
    }

    #[test]
    fn networks_may_be_single_addresses_and_bad_ones_do_not_take_the_good_ones() {
        let (good, bad) = networks("10.0.0.0/8, 192.168.1.7,::1 , nonsense,300.1.1.1/8, 10.1.2.3/8");
        assert_eq!(good.len(), 3, "{good:?}");
        assert_eq!(bad, ["\"nonsense\"", "\"300.1.1.1/8\""]);
        assert_eq!(networks("").0, []);
    }

    #[test]
    fn leading_zeros_of_an_address_are_dropped() {
        assert_eq!(address("010.000.001.009"), Some(([10, 0, 1, 9].into(), true)));
        assert_eq!(address("10.0.1.9"), Some(([10, 0, 1, 9].into(), false)));
        for wrong in ["10.0.1", "10.0.1.2.3", "10.0.1.256", "10.0.1.+2", "10.0..1", "", "000000000010.1.1.1"]
        {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn next_upstream_words_and_off() {
        let when = next_upstream("error http_502 http_502 http_503 non_idempotent").unwrap();
        assert!(when.error && !when.timeout && when.status(502) && when.status(503) && when.non_idempotent);
        assert!(!when.status(500));
        let off = next_upstream("off").unwrap();
        assert!(!off.error && !off.timeout);
        assert!(next_upstream("error, timeout").is_err());
    }

    #[test]
    fn a_typo_finds_its_word_and_nonsense_finds_none() {
        let known = ["ssl-redirect", "rewrite-target", "use-regex"];
        assert_eq!(nearest("rewrite-taget", known.into_iter()), Some("rewrite-target"));
        assert_eq!(nearest("ssl-redirects", known.into_iter()), Some("ssl-redirect"));
        assert_eq!(nearest("something-else", known.into_iter()), None);
    }
}
