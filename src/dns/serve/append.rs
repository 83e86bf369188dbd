//! Puts the records of one message into another.

use crate::dns::wire::reply::Reply;

/// The records of an answer to the same question: they stand where they stood, so that pointers stay good. What does not fit
/// is left out from there on.
pub(super) fn verbatim(reply: &mut Reply<'_>, message: &[u8]) {
    let _ = (reply, message);
}

/// The records of an answer to another question, with their names written out.
pub(super) fn elsewhere(reply: &mut Reply<'_>, message: &[u8]) {
    let _ = (reply, message);
}
