//! What a zone has before it has any Service: its own names and its SOA.

use super::Options;
use crate::dns::wire::kind;
use crate::dns::wire::name::Name;
use crate::dns::wire::reply::OWNER;

/// What `dns-version.ZONE` says: the version of the specification of DNS-based service discovery.
pub(crate) const VERSION: &[u8] = b"\x051.1.0";

/// How long that may be kept, in seconds, as CoreDNS has it.
pub(crate) const VERSION_TTL: u32 = 28_800;

/// Refresh, retry and expire of an SOA, in seconds.
const TIMES: [u32; 3] = [7200, 1800, 86_400];

/// Names and numbers that records are made with.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// `ZONE`.
    pub(crate) domain: Name,
    /// `svc.ZONE`.
    pub(crate) services: Name,
    /// `pod.ZONE`.
    pub(crate) pods: Name,
    /// `dns.ZONE`.
    pub(crate) parent: Name,
    /// `ns.dns.ZONE`.
    pub(crate) server: Name,
    /// `dns-version.ZONE`.
    pub(crate) version: Name,
    /// The time of every record, as it is sent.
    pub(crate) ttl: [u8; 4],
}

impl Frame {
    /// The names of a zone. Below a domain so long that they do not fit there are none.
    pub(super) fn new(options: &Options) -> Self {
        let domain = &options.domain;
        let below = |label: &[u8], parent: &Name| parent.prepend(label).unwrap_or_else(|_| domain.clone());
        let parent = below(b"dns", domain);
        Self {
            services: below(b"svc", domain),
            pods: below(b"pod", domain),
            server: below(b"ns", &parent),
            parent,
            version: below(b"dns-version", domain),
            domain: domain.clone(),
            ttl: options.ttl.to_be_bytes(),
        }
    }

    /// What comes before a record's data: its owner is the question's name.
    #[inline]
    pub(crate) fn head(&self, kind: u16, length: u16) -> [u8; 12] {
        let [kind, length] = [kind.to_be_bytes(), length.to_be_bytes()];
        let ttl = self.ttl;
        [OWNER[0], OWNER[1], kind[0], kind[1], 0, 1, ttl[0], ttl[1], ttl[2], ttl[3], length[0], length[1]]
    }
}

/// An SOA record whose names are pointers.
pub(crate) struct Soa(pub(crate) [u8; Self::LENGTH]);

impl Soa {
    /// How long it is: head, `ns.dns` and `hostmaster` with their pointers, five numbers.
    const LENGTH: usize = 12 + 9 + 13 + 20;

    /// The SOA of a zone whose name stands at this place of the message, at most 0x3fff.
    #[inline]
    pub(crate) fn new(frame: &Frame, at: usize, serial: u32) -> Self {
        let mut soa = [0; Self::LENGTH];
        let [high, low] = pointer(at);
        let length = u16::try_from(Self::LENGTH - 12).unwrap_or(0);
        soa[..12].copy_from_slice(&frame.head(kind::SOA, length));
        soa[..2].copy_from_slice(&[high, low]);
        soa[12..19].copy_from_slice(b"\x02ns\x03dns");
        soa[19..21].copy_from_slice(&[high, low]);
        soa[21..32].copy_from_slice(b"\x0ahostmaster");
        soa[32..34].copy_from_slice(&[high, low]);
        soa[34..].copy_from_slice(&numbers(frame, serial));
        Self(soa)
    }

    /// The data of the SOA of a zone, without pointers.
    pub(super) fn data(frame: &Frame, apex: &Name, serial: u32) -> Vec<u8> {
        let apex = apex.as_wire();
        [&b"\x02ns\x03dns"[..], apex, b"\x0ahostmaster", apex, &numbers(frame, serial)].concat()
    }
}

/// A pointer to a place of the message.
#[inline]
pub(crate) fn pointer(at: usize) -> [u8; 2] {
    let [high, low] = u16::try_from(at & 0x3fff).unwrap_or(0).to_be_bytes();
    [0xc0 | high, low]
}

fn numbers(frame: &Frame, serial: u32) -> [u8; 20] {
    let mut numbers = [0; 20];
    numbers[..4].copy_from_slice(&serial.to_be_bytes());
    for (at, time) in TIMES.iter().enumerate() {
        numbers[4 + 4 * at..8 + 4 * at].copy_from_slice(&time.to_be_bytes());
    }
    // Denials may be kept as long as answers.
    numbers[16..].copy_from_slice(&frame.ttl);
    numbers
}
