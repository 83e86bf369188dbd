//! Gathers what is wrong, so that all of it is told at once.

use super::Fault;
use super::lexer::Token;

/// What came to light while reading.
pub(super) struct Reader {
    ignore_unsupported: bool,
    faults: Vec<Fault>,
    notes: Vec<Fault>,
}

/// Faults told at most: nobody reads more.
const MOST: usize = 100;

impl Reader {
    pub(super) fn new(ignore_unsupported: bool) -> Self {
        Self { ignore_unsupported, faults: Vec::new(), notes: Vec::new() }
    }

    /// Nothing is wrong so far.
    pub(super) fn is_fine(&self) -> bool {
        self.faults.is_empty()
    }

    /// Something is wrong.
    pub(super) fn fault(&mut self, at: &Token, message: impl Into<String>) {
        self.fault_at(&at.file, at.line, message);
    }

    /// Something is wrong where there is no token.
    pub(super) fn fault_at(&mut self, file: &str, line: u32, message: impl Into<String>) {
        if self.faults.len() < MOST {
            let (file, message) = (file.to_owned(), message.into());
            self.faults.push(Fault { file, line, message, unsupported: false });
        }
    }

    /// Something that CoreDNS does and Slipway does not: a fault, or passed over with a note.
    pub(super) fn unsupported(&mut self, at: &Token, message: impl Into<String>) {
        let (file, message) = (at.file.to_string(), message.into());
        let fault = Fault { file, line: at.line, message, unsupported: true };
        let list = if self.ignore_unsupported { &mut self.notes } else { &mut self.faults };
        if list.len() < MOST {
            list.push(fault);
        }
    }

    /// Something that means nothing here.
    pub(super) fn note(&mut self, at: &Token, message: impl Into<String>) {
        if self.notes.len() < MOST {
            let (file, message) = (at.file.to_string(), message.into());
            self.notes.push(Fault { file, line: at.line, message, unsupported: false });
        }
    }

    /// The notes if nothing is wrong, else the faults: those of the main file first, by line.
    pub(super) fn finish(mut self, main: &str) -> Result<Vec<Fault>, Vec<Fault>> {
        let list = if self.faults.is_empty() { &mut self.notes } else { &mut self.faults };
        list.sort_by(|a, b| (a.file != main, &a.file, a.line).cmp(&(b.file != main, &b.file, b.line)));
        // The lines of a snippet are read wherever it is imported.
        list.dedup();
        if self.faults.is_empty() { Ok(self.notes) } else { Err(self.faults) }
    }
}
