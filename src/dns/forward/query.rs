//! A query as it goes to an upstream.

use std::io;
use std::sync::LazyLock;

use rustls::crypto::{SecureRandom, aws_lc_rs};

use super::Question;
use crate::dns::plan::PAYLOAD;
use crate::dns::wire::name::{MAX, Name};
use crate::dns::wire::{HEADER, IN, flag, kind};

static RANDOM: LazyLock<&'static dyn SecureRandom> =
    LazyLock::new(|| aws_lc_rs::default_provider().secure_random);

/// How a query is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Letters in random case, which an honest answer repeats: more for a forger to guess.
    pub mixed: bool,
    /// With an OPT record.
    pub edns: bool,
    /// Recursion is wanted.
    pub recursion: bool,
}

/// One query.
pub(super) struct Query {
    /// The message.
    pub bytes: Vec<u8>,
    /// How it was written.
    pub form: Form,
    name: usize,
}

impl Query {
    /// Writes a query with an id that nobody can know.
    pub(super) fn new(question: &Question, form: Form) -> io::Result<Self> {
        let mut random = [0; 2 + MAX.div_ceil(8)];
        bytes(&mut random)?;
        let name = question.name.as_wire();
        let mut bytes = Vec::with_capacity(2 + HEADER + name.len() + 4 + OPT.len());
        bytes.extend_from_slice(&random[..2]);
        let recursion = if form.recursion { flag::RD } else { 0 };
        let unchecked = if question.unchecked { flag::CD } else { 0 };
        // AD: whether the answer was validated is wanted, DNSSEC records or not (RFC 6840 section 5.7).
        bytes.extend_from_slice(&(recursion | unchecked | flag::AD).to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(form.edns)]);
        bytes.extend_from_slice(name);
        if form.mixed {
            mix(&mut bytes[HEADER..], &random[2..]);
        }
        bytes.extend_from_slice(&question.kind.to_be_bytes());
        bytes.extend_from_slice(&IN.to_be_bytes());
        if form.edns {
            let mut opt = OPT;
            opt[3..5].copy_from_slice(&PAYLOAD.to_be_bytes());
            opt[7] = if question.dnssec { 0x80 } else { 0 };
            bytes.extend_from_slice(&opt);
        }
        Ok(Self { bytes, form, name: name.len() })
    }

    /// Its id.
    pub(super) fn id(&self) -> [u8; 2] {
        [self.bytes[0], self.bytes[1]]
    }

    /// Its question: name as it was written, type, class.
    pub(super) fn question(&self) -> &[u8] {
        &self.bytes[HEADER..HEADER + self.name + 4]
    }
}

/// The root as owner, the type, and places for payload, code, version, flags, length of options.
const OPT: [u8; 11] = [0, 0, kind::OPT.to_be_bytes()[1], 0, 0, 0, 0, 0, 0, 0, 0];

/// Fills with bytes that nobody can foretell.
fn bytes(random: &mut [u8]) -> io::Result<()> {
    RANDOM.fill(random).map_err(|_| io::Error::other("the system has no randomness"))
}

/// A number that nobody can foretell.
pub fn number() -> io::Result<u64> {
    let mut random = [0; 8];
    bytes(&mut random)?;
    Ok(u64::from_be_bytes(random))
}

/// Sets letters in upper case by random bits. Lengths of labels are no letters.
fn mix(name: &mut [u8], random: &[u8]) {
    for (at, byte) in name.iter_mut().enumerate() {
        let upper = random[at / 8] >> (at % 8) & 1 == 1;
        if upper {
            byte.make_ascii_uppercase();
        }
    }
}

/// A question for the health of an upstream.
pub(super) fn health(domain: &Name) -> Question {
    Question { name: domain.clone(), kind: kind::NS, dnssec: false, unchecked: false }
}
