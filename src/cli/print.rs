//! Writes to the terminal: colours where there is one, plain text in a pipe.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};

/// Green: works.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Yellow: works in part.
pub(super) const PARTLY: Style = AnsiColor::Yellow.on_default().bold();
/// Red: does not work.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Grey: beside the point.
pub(super) const DIM: Style = Style::new().dimmed();
/// What to look at first.
pub(super) const STRONG: Style = Style::new().bold();
/// Something to type or to open.
pub(super) const CODE: Style = AnsiColor::Cyan.on_default();

/// `text` in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes to standard output, without colours where it is no terminal. Nobody reading is no error.
pub(super) fn out(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes `error: ...` to standard error and answers the exit code.
pub(super) fn error(message: &str, code: u8) -> u8 {
    let mut err = anstream::stderr();
    let _ = writeln!(err, "{BAD}error{BAD:#}: {message}");
    code
}

/// Writes a hint to standard error.
pub(super) fn note(message: &str) {
    let mut err = anstream::stderr();
    let _ = writeln!(err, "\n{GOOD}note{GOOD:#}: {message}");
}

/// Whether standard output is a terminal.
pub(super) fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A table with a header, for terminals. The first column of each row is painted in the row's style.
pub(super) fn table(header: &[&str], rows: &[(Style, Vec<String>)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    for (_, row) in rows {
        table.add_row(row);
    }
    // Painted afterwards: the table would count the colours as width.
    let mut styles = rows.iter();
    let paint = |line: &str| match line.strip_prefix("│ ") {
        Some(rest) if !line.contains(header[0]) => {
            let Some((style, row)) = styles.next() else { return line.to_owned() };
            let first = row.first().map_or("", String::as_str);
            rest.strip_prefix(first)
                .map_or_else(|| line.to_owned(), |rest| format!("│ {}{rest}", styled(*style, first)))
        }
        _ => line.to_owned(),
    };
    let lines: Vec<String> = table.to_string().lines().map(paint).collect();
    lines.join("\n") + "\n"
}

/// `1 file`, `2 files`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    let ending = match noun.as_bytes().last() {
        _ if count == 1 || noun == "Endpoints" => "",
        Some(b's') => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_are_counted() {
        assert_eq!(plural(1, "Ingress"), "1 Ingress");
        assert_eq!(plural(2, "Ingress"), "2 Ingresses");
        assert_eq!(plural(0, "file"), "0 files");
    }

    #[test]
    fn a_table_is_painted_without_losing_its_shape() {
        let rows = [
            (GOOD, vec!["served".into(), "Ingress shop/web".into()]),
            (BAD, vec!["refused".into(), "Ingress shop/bad".into()]),
        ];
        let painted = table(&["verdict", "object"], &rows);
        assert!(painted.contains(&styled(BAD, "refused")), "{painted}");
        let plain = anstream::adapter::strip_str(&painted).to_string();
        let widths: Vec<usize> = plain.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{plain}");
    }
}
