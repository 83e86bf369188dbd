//! Names that become others: rewrite.

use super::super::super::plan::{Matcher, Rewrite, RewriteRule};
use super::super::lexer::Token;
use super::super::syntax::Line;
use super::super::values::{Wrong, expression as regex, kind, number};
use super::{LEAVE_OUT, Site, name};

/// `rewrite [continue|stop] FIELD ...`, or the same in braces with answers on lines of their own.
pub(super) fn rewrite(line: &Line<'_>, site: &mut Site<'_>) {
    let mut words = line.words.clone();
    let mode = words.first().map_or("", |word| word.text.as_str());
    let stop = mode != "continue";
    if matches!(mode, "continue" | "stop") {
        words.remove(0);
    }
    // In braces the rule's lines are one rule.
    for inner in &line.lines {
        words.push(inner.name);
        words.extend(&inner.words);
        site.flat(inner);
    }
    let Some((field, rest)) = words.split_first() else {
        return site.reader.fault(line.name, "rewrite needs a field behind it: name, type or ttl");
    };
    let rule = match field.text.as_str() {
        "name" => names(field, rest, site),
        "type" => kinds(field, rest, site),
        "ttl" => ttl(field, rest, site),
        "class" | "edns0" | "cname" | "rcode" | "flag" => {
            let message = format!("Slipway does not support rewrite {}: {LEAVE_OUT}", field.text);
            return site.reader.unsupported(field, message);
        }
        other => {
            return site.reader.fault(field, format!("rewrite knows no {other}: write name, type or ttl"));
        }
    };
    site.block.rewrites.extend(rule.map(|rule| Rewrite { stop, rule }));
}

/// The kinds of matches.
const MATCHES: &[&str] = &["exact", "prefix", "suffix", "substring", "regex"];

fn names(field: &Token, words: &[&Token], site: &mut Site<'_>) -> Option<RewriteRule> {
    let (how, from, to, answers) = match words {
        [from, to] => ("exact", *from, *to, &[][..]),
        [from, to, answer, ..] if answer.text == "answer" => ("exact", *from, *to, &words[2..]),
        [how, from, to, answers @ ..] if MATCHES.contains(&how.text.as_str()) => {
            (how.text.as_str(), *from, *to, answers)
        }
        _ => {
            let message = "rewrite name takes [exact|prefix|suffix|substring|regex] FROM TO [answer auto]";
            site.reader.fault(words.first().unwrap_or(&field), message);
            return None;
        }
    };
    let answers = Answers::read(answers, site)?;
    // What a leading dot says, or an expression for the answers, only an expression can.
    let dotted = how == "suffix" && from.text.len() > 1 && from.text.starts_with('.');
    let expression = match how {
        "regex" => Some((from.text.clone(), to.text.clone())),
        "substring" if answers.any() => {
            site.reader.unsupported(from, "Slipway rewrites answers of a substring only with answer auto");
            return None;
        }
        _ if dotted || answers.any() => Some(expression(how, &from.text, &to.text)),
        _ => None,
    };
    if let Some((pattern, to)) = expression {
        check(from, &pattern, &to, site)?;
        return Some(RewriteRule::Regex {
            pattern,
            to: lower(&to),
            answer: answers.auto,
            answer_name: answers.names,
            answer_value: answers.values,
        });
    }
    let answer = answers.auto;
    let text = |token: &Token| token.text.to_ascii_lowercase();
    match how {
        "prefix" => Some(RewriteRule::Prefix { from: text(from), to: text(to), answer }),
        "substring" => Some(RewriteRule::Substring { from: text(from), to: text(to), answer }),
        how => {
            let (from, to) = (site.value(from, name(&from.text))?, site.value(to, name(&to.text))?);
            // The answers of a whole name are set back without being told to.
            Some(if how == "suffix" {
                RewriteRule::Suffix { from, to, answer }
            } else {
                RewriteRule::Exact { from, to, answer: true }
            })
        }
    }
}

/// What is said of the answers.
#[derive(Default)]
struct Answers {
    auto: bool,
    names: Vec<(String, String)>,
    values: Vec<(String, String)>,
}

impl Answers {
    fn any(&self) -> bool {
        !self.names.is_empty() || !self.values.is_empty()
    }

    /// `answer auto`, `answer name PATTERN TO`, `answer value PATTERN TO`, any number of them.
    fn read(mut words: &[&Token], site: &mut Site<'_>) -> Option<Self> {
        let mut answers = Self::default();
        while let Some(first) = words.first() {
            words = match words {
                [answer, auto, rest @ ..] if answer.text == "answer" && auto.text == "auto" => {
                    answers.auto = true;
                    rest
                }
                [answer, what, from, to, rest @ ..]
                    if answer.text == "answer" && matches!(what.text.as_str(), "name" | "value") =>
                {
                    check(from, &from.text, &to.text, site)?;
                    let list = if what.text == "name" { &mut answers.names } else { &mut answers.values };
                    list.push((from.text.clone(), lower(&to.text)));
                    rest
                }
                _ => {
                    let message = "write answer auto, answer name PATTERN TO or answer value PATTERN TO";
                    site.reader.fault(first, message);
                    return None;
                }
            };
        }
        Some(answers)
    }
}

/// The expression and replacement that do the same.
fn expression(how: &str, from: &str, to: &str) -> (String, String) {
    let dot = |text: &str| if text.ends_with('.') { text.to_owned() } else { format!("{text}.") };
    let escaped = |text: &str| ::regex::escape(&text.to_ascii_lowercase());
    match how {
        "prefix" => (format!("^{}(.*)$", escaped(from)), format!("{to}{{1}}")),
        "suffix" => (format!("^(.*){}$", escaped(&dot(from))), format!("{{1}}{}", dot(to))),
        _ => (format!("^{}$", escaped(&dot(from))), dot(to)),
    }
}

/// The expression can be read, and has the groups that the replacement takes.
fn check(at: &Token, pattern: &str, to: &str, site: &mut Site<'_>) -> Option<()> {
    let known = site.value(at, regex(pattern))?;
    let missing = (known.captures_len()..=99).find(|group| to.contains(&format!("{{{group}}}")));
    if let Some(group) = missing {
        site.reader.fault(at, format!("{to} takes {{{group}}}, and {pattern} has no such group"));
        return None;
    }
    Some(())
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn kinds(field: &Token, words: &[&Token], site: &mut Site<'_>) -> Option<RewriteRule> {
    let [from, to] = words else {
        site.reader.fault(field, "rewrite type takes two types: the one asked for and the one looked up");
        return None;
    };
    let (from, to) = (site.value(from, kind(&from.text)), site.value(to, kind(&to.text)));
    Some(RewriteRule::Kind { from: from?, to: to? })
}

/// `ttl [exact|...] NAME SECONDS|MIN-MAX`.
fn ttl(field: &Token, words: &[&Token], site: &mut Site<'_>) -> Option<RewriteRule> {
    let (how, from, time) = match words {
        [from, time] => ("exact", from, time),
        [how, from, time] if MATCHES.contains(&how.text.as_str()) => (how.text.as_str(), from, time),
        _ => {
            let message = "rewrite ttl takes [exact|prefix|suffix|substring|regex] NAME SECONDS";
            site.reader.fault(words.first().unwrap_or(&field), message);
            return None;
        }
    };
    let text = from.text.to_ascii_lowercase();
    let names = match how {
        "prefix" => Matcher::Prefix(text),
        "substring" => Matcher::Substring(text),
        "regex" => {
            check(from, &from.text, "", site)?;
            Matcher::Regex(from.text.clone())
        }
        "suffix" if text.len() > 1 && text.starts_with('.') => Matcher::Regex(expression(how, &text, "").0),
        "suffix" => Matcher::Suffix(site.value(from, name(&text))?),
        _ => Matcher::Exact(site.value(from, name(&text))?),
    };
    let (least, most) = site.value(time, range(&time.text))?;
    Some(RewriteRule::Ttl { names, least, most })
}

/// `30`, `30-60`, `-60`, `30-`.
fn range(text: &str) -> Result<(u32, u32), Wrong> {
    // The longest time there is (RFC 2181 section 8).
    const MOST: u32 = i32::MAX.cast_unsigned();
    let seconds = |text: &str, none: u32| match text {
        "" => Ok(none),
        text => number(text, 0, u64::from(MOST)).map(|n| u32::try_from(n).unwrap_or(MOST)),
    };
    let (least, most) = match text.split_once('-') {
        _ if matches!(text, "" | "-") => return Err(Wrong("write seconds, such as 30 or 30-60".into())),
        Some((least, most)) => (seconds(least, 0)?, seconds(most, MOST)?),
        None => (seconds(text, 0)?, seconds(text, 0)?),
    };
    if least > most {
        return Err(Wrong(format!("{text}: the first number must not be above the second")));
    }
    Ok((least, most))
}
