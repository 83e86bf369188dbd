//! Flags of CoreDNS that `slipway dns` does not have.
//!
//! Go writes long flags with one dash, too: clap then names their first letter, so that stands here for all that begin so.

use super::Program;

const CONF: &str = "give --corefile FILE in the place of -conf FILE";
const PORT: &str = "give --listen :PORT in the place of -dns.port PORT";

/// CoreDNS's flags.
pub(super) const FLAGS: Program = Program {
    name: "CoreDNS",
    renamed: &[
        ("c", CONF),
        ("conf", CONF),
        ("d", PORT),
        ("dns.port", PORT),
        ("p", "give --listen :PORT in the place of -p PORT; leave out -pidfile and -plugins"),
        ("plugins", "docs/dns.md says which directives of a Corefile are supported: leave it out"),
        ("q", "leave out -quiet, or give --log-level error"),
        ("quiet", "leave it out, or give --log-level error"),
        ("v", "call slipway --version in the place of -version"),
        ("version", "call slipway --version"),
    ],
    own: ("a way to run in the background", &["pidfile"]),
    absent: &[],
};
