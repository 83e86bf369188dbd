//! What is logged: errors, log.

use super::super::super::plan::{Errors, Log, LogClass};
use super::super::syntax::Line;
use super::super::values::{duration, expression as regex};
use super::Site;

/// CoreDNS's common form of a line.
const COMMON: &str = r#"{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}"#;

/// `errors [stdout] { stacktrace; consolidate DURATION REGEXP [LEVEL] }`.
pub(super) fn errors(line: &Line<'_>, site: &mut Site<'_>) {
    site.most(line, 1);
    if let Some(word) = line.words.first().filter(|word| word.text != "stdout") {
        site.reader.fault(word, format!("errors are not written to {}: leave it out", word.text));
    }
    let mut errors = Errors::default();
    for property in &line.lines {
        match property.name.text.as_str() {
            "stacktrace" => {
                site.reader.note(property.name, "failures have no stack here: stacktrace says nothing");
                errors.stacktrace = true;
            }
            "consolidate" => {
                let [time, pattern, rest @ ..] = &property.words[..] else {
                    let message = "consolidate takes a duration and a regular expression, such as 5m \".* i/o timeout$\"";
                    site.reader.fault(property.name, message);
                    continue;
                };
                if let Some(word) = rest.first() {
                    site.reader
                        .note(word, format!("{} says nothing here: they are told as warnings", word.text));
                }
                let time = site.value(time, duration(&time.text));
                let known = regex(&pattern.text);
                if let (Some(time), Some(_)) = (time, site.value(pattern, known)) {
                    errors.consolidate.push((time, pattern.text.clone()));
                }
            }
            _ => site.unknown("errors", property, &["stacktrace", "consolidate"]),
        }
    }
    site.block.errors = Some(errors);
}

/// `log [NAME...] [FORMAT] { class CLASS... }`.
pub(super) fn log(line: &Line<'_>, site: &mut Site<'_>) {
    let mut names = &line.words[..];
    let mut format = None;
    if let [before @ .., last] = names
        && last.text.contains('{')
    {
        names = before;
        let text = last.text.replace("{combined}", "{common} \"{>opcode}\"").replace("{common}", COMMON);
        format = Some(text).filter(|text| text != COMMON);
    }
    let mut log = Log { zones: site.zones(names), classes: Vec::new(), format };
    for property in &line.lines {
        if property.name.text != "class" {
            site.unknown("log", property, &["class"]);
            continue;
        }
        for word in site.words(property, "all, success, denial or error") {
            match word.text.as_str() {
                "all" => log.classes.push(LogClass::All),
                "success" => log.classes.push(LogClass::Success),
                "denial" => log.classes.push(LogClass::Denial),
                "error" => log.classes.push(LogClass::Error),
                other => {
                    let message = format!("{other} is no class: write all, success, denial or error");
                    site.reader.fault(word, message);
                }
            }
        }
    }
    site.block.log.push(log);
}
