//! Tokens -> server blocks of directives, with their words and the lines in their braces.

use super::lexer::Token;
use super::reader::Reader;

/// One server block.
#[derive(Debug)]
pub(super) struct ServerBlock<'a> {
    /// The zones, with ports.
    pub(super) keys: Vec<&'a Token>,
    /// Its directives.
    pub(super) lines: Vec<Line<'a>>,
}

/// A directive, or a line in the braces of one.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// The first word.
    pub(super) name: &'a Token,
    /// The others.
    pub(super) words: Vec<&'a Token>,
    /// What stands in its braces.
    pub(super) lines: Vec<Line<'a>>,
}

impl<'a> Line<'a> {
    /// The last word.
    pub(super) fn last(&self) -> &'a Token {
        self.words.last().copied().unwrap_or(self.name)
    }
}

/// Braces within braces at most; two are ever needed.
const DEPTH: usize = 8;

/// Reads the server blocks. A file with no braces is one block.
pub(super) fn blocks<'a>(tokens: &'a [Token], reader: &mut Reader) -> Vec<ServerBlock<'a>> {
    let mut parser = Parser { tokens, at: 0, reader };
    let mut blocks = Vec::new();
    while parser.peek().is_some() {
        let keys = parser.keys();
        let braces = parser.take("{");
        let open = parser.at;
        let lines = parser.lines(braces, 0);
        if braces && !parser.take("}") && open > 0 {
            let at = &tokens[open - 1];
            parser.reader.fault(at, "the block that begins here has no end: write } on a line of its own");
        }
        blocks.push(ServerBlock { keys, lines });
    }
    blocks
}

struct Parser<'a, 'b> {
    tokens: &'a [Token],
    at: usize,
    reader: &'b mut Reader,
}

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn take(&mut self, brace: &str) -> bool {
        let there = self.peek().is_some_and(|token| token.is(brace));
        self.at += usize::from(there);
        there
    }

    /// The keys of a block stand on one line, or on the next one after a comma.
    fn keys(&mut self) -> Vec<&'a Token> {
        let mut keys: Vec<&'a Token> = Vec::new();
        while let Some(token) = self.peek() {
            let more = keys.last().is_none_or(|last| last.text.ends_with(','));
            if token.is("{") || (token.first && !more) {
                break;
            }
            self.at += 1;
            if token.is("}") {
                self.reader.fault(token, "no block is open here: take this } away");
            } else {
                keys.push(token);
            }
        }
        keys
    }

    /// Lines up to a closing brace, or to the end of the file.
    fn lines(&mut self, braces: bool, depth: usize) -> Vec<Line<'a>> {
        let mut lines = Vec::new();
        while let Some(name) = self.peek() {
            if name.is("}") && braces {
                break;
            }
            self.at += 1;
            if name.is("{") || name.is("}") {
                self.reader.fault(name, format!("{} stands here alone: take it away", name.text));
                continue;
            }
            lines.push(self.line(name, depth));
        }
        lines
    }

    fn line(&mut self, name: &'a Token, depth: usize) -> Line<'a> {
        let mut line = Line { name, words: Vec::new(), lines: Vec::new() };
        while let Some(word) = self.peek().filter(|word| !word.first) {
            self.at += 1;
            if word.is("}") {
                self.reader.fault(word, "a closing brace must stand on a line of its own");
                self.at -= 1;
                break;
            }
            if !word.is("{") {
                line.words.push(word);
                continue;
            }
            if depth == DEPTH {
                self.reader.fault(word, "too many braces within braces");
                self.at = self.tokens.len();
                break;
            }
            line.lines = self.lines(true, depth + 1);
            if !self.take("}") {
                self.reader
                    .fault(word, "the brace that opens here is not closed: write } on a line of its own");
            } else if let Some(after) = self.peek().filter(|after| !after.first && !after.is("}")) {
                self.reader.fault(after, "write this on a line of its own, after the closing brace");
                while self.peek().is_some_and(|after| !after.first) {
                    self.next();
                }
            }
            break;
        }
        line
    }
}
