//! DNS messages as bytes: names, questions as they come, replies as they go (RFC 1035, 6891, 7873).
//!
//! What is common is read and written here by hand, without allocation. Nothing here panics on foreign bytes.

pub mod name;
pub mod question;
pub mod record;
pub mod reply;

/// Record types that Slipway knows by name (RFC 1035 and the registry of DNS parameters).
pub mod kind {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// An alias.
    pub const CNAME: u16 = 5;
    /// The start of a zone of authority.
    pub const SOA: u16 = 6;
    /// A pointer, for reverse lookups.
    pub const PTR: u16 = 12;
    /// Host information; also the minimal answer to ANY (RFC 8482).
    pub const HINFO: u16 = 13;
    /// A mail exchange.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// A service's host and port (RFC 2782).
    pub const SRV: u16 = 33;
    /// The alias of a whole tree (RFC 6672).
    pub const DNAME: u16 = 39;
    /// EDNS(0) (RFC 6891).
    pub const OPT: u16 = 41;
    /// A signature.
    pub const RRSIG: u16 = 46;
    /// An incremental transfer.
    pub const IXFR: u16 = 251;
    /// A transfer of a whole zone.
    pub const AXFR: u16 = 252;
    /// Whatever there is.
    pub const ANY: u16 = 255;
}

/// The class of the Internet.
pub const IN: u16 = 1;

/// The length of a message's header.
pub const HEADER: usize = 12;

/// Response codes (RFC 1035, 6891, 7873).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// There is an answer, or the name has nothing of this type.
    pub const NOERROR: Self = Self(0);
    /// The message cannot be read.
    pub const FORMERR: Self = Self(1);
    /// Something is wrong here or upstream.
    pub const SERVFAIL: Self = Self(2);
    /// There is no such name.
    pub const NXDOMAIN: Self = Self(3);
    /// That kind of request is not done here.
    pub const NOTIMP: Self = Self(4);
    /// Not for you, or not now.
    pub const REFUSED: Self = Self(5);
    /// An EDNS version that is not known here.
    pub const BADVERS: Self = Self(16);
    /// The server cookie is wrong.
    pub const BADCOOKIE: Self = Self(23);

    /// As dig and CoreDNS write it: `NOERROR`, `NXDOMAIN`; `RCODE11` for one without a name.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            16 => "BADVERS",
            23 => "BADCOOKIE",
            _ => "other",
        }
    }
}

/// Bits of the header's second 16 bits.
pub mod flag {
    /// A response.
    pub const QR: u16 = 1 << 15;
    /// From who has the zone.
    pub const AA: u16 = 1 << 10;
    /// Cut short.
    pub const TC: u16 = 1 << 9;
    /// Recursion is wanted.
    pub const RD: u16 = 1 << 8;
    /// Recursion is there.
    pub const RA: u16 = 1 << 7;
    /// Authentic data.
    pub const AD: u16 = 1 << 5;
    /// Checking is disabled.
    pub const CD: u16 = 1 << 4;
    /// The operation.
    pub const OPCODE: u16 = 0xf << 11;
}

/// The big-endian number at a place; `None` past the end.
#[inline]
pub fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}
