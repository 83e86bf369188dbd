//! Puts snippets and files in the places of `import`.

use std::collections::HashMap;

use super::Outside;
use super::lexer::{Token, tokens};
use super::reader::Reader;

/// Imports within imports at most.
const DEPTH: usize = 50;

/// Tokens at most, all imports included.
const TOKENS: usize = 1_000_000;

/// Expands every `import`. Snippets, `(NAME) { ... }` outside of blocks, are taken out.
pub(super) fn expand(list: Vec<Token>, outside: &Outside<'_>, reader: &mut Reader) -> Vec<Token> {
    let mut import =
        Import { outside, reader, snippets: HashMap::new(), out: Vec::new(), nesting: 0, full: false };
    import.walk(list, 0);
    import.out
}

struct Import<'a, 'b> {
    outside: &'a Outside<'b>,
    reader: &'a mut Reader,
    snippets: HashMap<String, Vec<Token>>,
    out: Vec<Token>,
    nesting: usize,
    full: bool,
}

impl Import<'_, '_> {
    fn walk(&mut self, list: Vec<Token>, depth: usize) {
        let mut list = list.into_iter().peekable();
        while let Some(token) = list.next() {
            if self.full {
                return;
            }
            if token.first && token.is("import") {
                let mut names = Vec::new();
                while let Some(name) = list.next_if(|next| !next.first) {
                    names.push(name);
                }
                self.import(&token, &names, depth);
            } else if self.nesting == 0 && snippet(&token).is_some() && list.peek().is_some_and(|t| t.is("{"))
            {
                list.next();
                let inside = inside(&mut list);
                let name = snippet(&token).unwrap_or_default().to_owned();
                if inside.is_none() {
                    self.reader
                        .fault(&token, format!("the snippet {name} has no end: write }} where it ends"));
                }
                self.snippets.insert(name, inside.unwrap_or_default());
            } else {
                self.push(token);
            }
        }
    }

    fn push(&mut self, token: Token) {
        if self.out.len() == TOKENS {
            self.full = true;
            return self.reader.fault(&token, "the imports are too large: do they import each other?");
        }
        if token.is("{") {
            self.nesting += 1;
        } else if token.is("}") {
            self.nesting = self.nesting.saturating_sub(1);
        }
        self.out.push(token);
    }

    fn import(&mut self, at: &Token, names: &[Token], depth: usize) {
        let [name] = names else {
            return self
                .reader
                .fault(at, "import takes one word: the name of a snippet, or files such as conf.d/*.conf");
        };
        if depth == DEPTH {
            self.full = true;
            return self.reader.fault(at, format!("{} imports itself", name.text));
        }
        if let Some(tokens) = self.snippets.get(&name.text) {
            let tokens = tokens.clone();
            return self.put(tokens, depth);
        }
        match (self.outside.import)(&name.text) {
            Ok(files) if files.is_empty() => {
                self.reader.note(name, format!("no file is called {}", name.text));
            }
            Ok(files) => {
                for (file, text) in files {
                    let tokens = tokens(&file, &text, self.outside.environment, self.reader);
                    self.put(tokens, depth);
                }
            }
            Err(why) => {
                let snippet =
                    if name.text.contains('/') { "" } else { ", and no snippet above has that name" };
                self.reader.fault(name, format!("cannot import {}: {why}{snippet}", name.text));
            }
        }
    }

    fn put(&mut self, mut list: Vec<Token>, depth: usize) {
        if let Some(token) = list.first_mut() {
            token.first = true;
        }
        self.walk(list, depth + 1);
    }
}

/// The name in `(NAME)`.
fn snippet(token: &Token) -> Option<&str> {
    if !token.first || token.quoted {
        return None;
    }
    token.text.strip_prefix('(')?.strip_suffix(')')
}

/// What stands before the closing brace; `None` when there is none.
fn inside(list: &mut impl Iterator<Item = Token>) -> Option<Vec<Token>> {
    let (mut nesting, mut inside) = (0usize, Vec::new());
    for token in list {
        if token.is("{") {
            nesting += 1;
        } else if token.is("}") {
            if nesting == 0 {
                return Some(inside);
            }
            nesting -= 1;
        }
        inside.push(token);
    }
    None
}
