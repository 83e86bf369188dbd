//! Text -> tokens: words between spaces, quoted texts, without comments, with environment variables put in.

use std::sync::Arc;

use super::reader::Reader;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Its text, without quotes.
    pub(super) text: String,
    /// The file it stands in.
    pub(super) file: Arc<str>,
    /// The line it begins on.
    pub(super) line: u32,
    /// It is the first on its line.
    pub(super) first: bool,
    /// It was quoted: a brace in quotes is text.
    pub(super) quoted: bool,
}

impl Token {
    /// Whether it is this word or brace, unquoted.
    pub(super) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text == word
    }
}

/// Splits a text.
///
/// A `#` begins a comment, wherever it stands outside of quotes. A quote begins a quoted text only at the start of a word;
/// in it `\"` stands for a quote, and every other backslash for itself.
pub(super) fn tokens(
    file: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    reader: &mut Reader,
) -> Vec<Token> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lexer = Lexer { file: file.into(), line: 1, first: true, tokens: Vec::new() };
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '\n' => {
                lexer.line += 1;
                lexer.first = true;
                &rest[1..]
            }
            '#' => &rest[rest.find('\n').unwrap_or(rest.len())..],
            space if space.is_whitespace() => &rest[space.len_utf8()..],
            '"' => lexer.quoted(&rest[1..], reader),
            _ => lexer.bare(rest),
        };
    }
    for token in &mut lexer.tokens {
        substitute(token, environment, reader);
    }
    lexer.tokens
}

struct Lexer {
    file: Arc<str>,
    line: u32,
    first: bool,
    tokens: Vec<Token>,
}

impl Lexer {
    /// Takes a word; gives what follows.
    fn bare<'a>(&mut self, text: &'a str) -> &'a str {
        let end = text.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(text.len());
        self.push(text[..end].to_owned(), self.line, false);
        &text[end..]
    }

    /// Takes a quoted text, after its first quote; gives what follows the last.
    fn quoted<'a>(&mut self, text: &'a str, reader: &mut Reader) -> &'a str {
        let (begin, mut value) = (self.line, String::new());
        let mut characters = text.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.push(value, begin, true);
                    return &text[at + 1..];
                }
                '\\' if text[at + 1..].starts_with('"') => {
                    value.push('"');
                    characters.next();
                }
                other => {
                    self.line += u32::from(other == '\n');
                    value.push(other);
                }
            }
        }
        reader.fault_at(&self.file, begin, "a quote that begins here has no end: write \" where it ends");
        self.push(value, begin, true);
        ""
    }

    fn push(&mut self, text: String, line: u32, quoted: bool) {
        let file = self.file.clone();
        self.tokens.push(Token { text, file, line, first: std::mem::take(&mut self.first), quoted });
    }
}

/// Puts values in the places of `{$NAME}` and `{%NAME%}`.
fn substitute(token: &mut Token, environment: &dyn Fn(&str) -> Option<String>, reader: &mut Reader) {
    for (open, close) in [("{$", "}"), ("{%", "%}")] {
        let Some(mut at) = token.text.find(open) else { continue };
        let mut value = String::new();
        let mut rest = token.text.as_str();
        let mut unset = Vec::new();
        while let Some(end) = rest[at..].find(close) {
            let name = rest[at + open.len()..(at + end).max(at + open.len())].to_owned();
            value.push_str(&rest[..at]);
            value.push_str(&environment(&name).unwrap_or_else(|| {
                unset.push(name);
                String::new()
            }));
            rest = &rest[at + end + close.len()..];
            match rest.find(open) {
                Some(next) => at = next,
                None => break,
            }
        }
        value.push_str(rest);
        token.text = value;
        for name in unset {
            reader.note(
                token,
                format!("the environment variable {name} is not set: nothing stands in its place"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, u32, bool)> {
        let environment = |name: &str| (name == "ZONE").then(|| "a b".to_owned());
        let tokens = tokens("Corefile", text, &environment, &mut Reader::new(false));
        tokens.into_iter().map(|token| (token.text, token.line, token.first)).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|(text, ..)| text).collect()
    }

    #[test]
    fn words_have_lines_and_comments_are_nothing() {
        let expected = [(".:53", 2, true), ("{", 2, false), ("log", 3, true), ("}", 4, true)];
        let expected = expected.map(|(text, line, first)| (text.to_owned(), line, first));
        assert_eq!(words("# top\n.:53 { # here\r\n\tlog#x\n}"), expected);
    }

    #[test]
    fn quotes_keep_spaces_lines_and_backslashes() {
        assert_eq!(
            texts(r#"match "a \.b" "say \"hi\"" "" x"y"#),
            ["match", r"a \.b", r#"say "hi""#, "", "x\"y"]
        );
        assert_eq!(words("\"a\nb\" c\nd")[1..], [("c".into(), 2, false), ("d".into(), 3, true)]);
    }

    #[test]
    fn a_quote_without_end_is_named_with_the_line_it_begins_on() {
        let mut reader = Reader::new(false);
        tokens("Corefile", "log\n\"a\nb\n", &|_| None, &mut reader);
        assert_eq!(reader.finish("Corefile").unwrap_err()[0].line, 2);
    }

    #[test]
    fn environment_variables_are_put_in() {
        assert_eq!(
            texts("{$ZONE}.c x{%ZONE%}y{$ZONE}z {$NONE} {$open {$}"),
            ["a b.c", "xa bya bz", "", "{$open", ""]
        );
        let mut reader = Reader::new(false);
        tokens("Corefile", "{$NONE}", &|_| None, &mut reader);
        assert!(reader.finish("Corefile").unwrap()[0].message.contains("NONE is not set"));
    }
}
