//! What is answered how: the Corefile and the flags as checked values. One [`Block`] per server block.
//!
//! The order in which a block's parts are asked is fixed, as in CoreDNS: log, loadbalance, cache, rewrite, autopath, template,
//! hosts, kubernetes, forward. Whatever stands here is honoured; what is not supported never gets here.

mod forward;
mod kubernetes;
mod rewrite;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::wire::Rcode;
use super::wire::name::Name;

pub use forward::{Forward, Policy, Target, Upstream};
pub use kubernetes::{Kubernetes, PodRecords};
pub use rewrite::{Matcher, Rewrite, RewriteRule};

/// Everything that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The server blocks. A question goes to the one with the longest zone that its name is in, among those of its port.
    pub blocks: Vec<Block>,
    /// `health`: where `/health` is answered.
    pub health: Option<Health>,
    /// `ready`: where `/ready` is answered.
    pub ready: Option<SocketAddr>,
    /// `prometheus`: where `/metrics` is answered.
    pub metrics: Option<SocketAddr>,
    /// `reload`: how often the Corefile is looked at; `None`: never.
    pub reload: Option<Reload>,
}

/// `health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Where.
    pub address: SocketAddr,
    /// How long queries are answered after the signal to stop, while `/ready` says no.
    pub lameduck: Duration,
}

/// `reload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// How often.
    pub interval: Duration,
    /// At most so much earlier or later, at random.
    pub jitter: Duration,
}

/// One server block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The line it begins on.
    pub line: u32,
    /// Its zones; never empty.
    pub zones: Vec<Name>,
    /// Its port.
    pub port: u16,
    /// `bind`: the addresses it listens on; empty: all.
    pub bind: Vec<IpAddr>,
    /// `errors`: failures are logged.
    pub errors: Option<Errors>,
    /// `log`: which queries are logged.
    pub log: Vec<Log>,
    /// `bufsize`: the largest UDP payload, in bytes (512 to 4096).
    pub payload: u16,
    /// `any`: ANY is answered minimally. So it is without it, too; kept for the list of what is on.
    pub any: bool,
    /// `loadbalance`: A, AAAA and MX records come in changing order.
    pub shuffle: bool,
    /// `cache`.
    pub cache: Option<Cache>,
    /// `rewrite`, in order.
    pub rewrites: Vec<Rewrite>,
    /// `autopath`.
    pub autopath: Option<Autopath>,
    /// `template`, in order.
    pub templates: Vec<Template>,
    /// `hosts`.
    pub hosts: Option<Hosts>,
    /// `kubernetes`.
    pub kubernetes: Option<Kubernetes>,
    /// `forward`; of several the one with the longest zone is asked.
    pub forwards: Vec<Forward>,
    /// `loop`: a query that comes back to us ends the program.
    pub looping: bool,
    /// `transfer`: who may have the whole zone.
    pub transfers: Vec<Transfer>,
    /// `acl`, in order.
    pub acl: Vec<Acl>,
}

impl Block {
    /// A block with nothing in it.
    pub fn new(zones: Vec<Name>, port: u16) -> Self {
        Self {
            line: 0,
            zones,
            port,
            bind: Vec::new(),
            errors: None,
            log: Vec::new(),
            payload: PAYLOAD,
            any: false,
            shuffle: false,
            cache: None,
            rewrites: Vec::new(),
            autopath: None,
            templates: Vec::new(),
            hosts: None,
            kubernetes: None,
            forwards: Vec::new(),
            looping: false,
            transfers: Vec::new(),
            acl: Vec::new(),
        }
    }
}

/// The UDP payload that passes without fragments (the DNS flag day of 2020).
pub const PAYLOAD: u16 = 1232;

/// `errors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Failures whose text matches are counted and told once per period.
    pub consolidate: Vec<(Duration, String)>,
    /// A failure's stack is never there; the word is taken and does nothing but be told as ignored.
    pub stacktrace: bool,
}

/// One `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Only names within these zones; the block's when empty.
    pub zones: Vec<Name>,
    /// Only these classes; all when empty.
    pub classes: Vec<LogClass>,
    /// The form of a line, with `{type}` and the like; `None`: CoreDNS's common form.
    pub format: Option<String>,
}

/// Which replies are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClass {
    /// All.
    All,
    /// With an answer.
    Success,
    /// NXDOMAIN or nothing of that type.
    Denial,
    /// SERVFAIL, NOTIMP, REFUSED and the like.
    Error,
}

/// `cache`. Times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// Only names within these; the block's when empty.
    pub zones: Vec<Name>,
    /// Answers: how many, and between which times.
    pub success: CacheSide,
    /// Denials.
    pub denial: CacheSide,
    /// How long SERVFAIL is kept; 0: not at all; at most 300.
    pub servfail: u32,
    /// Ask again before an entry in demand ends.
    pub prefetch: Option<Prefetch>,
    /// Serve what has ended when nothing fresh can be had.
    pub stale: Option<Stale>,
    /// Times are not counted down in answers.
    pub keep_ttl: bool,
    /// How much memory it may take, in bytes.
    pub bytes: usize,
}

/// One side of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSide {
    /// Entries at most.
    pub capacity: usize,
    /// The longest time.
    pub max_ttl: u32,
    /// The shortest time.
    pub min_ttl: u32,
    /// Names within these are not kept.
    pub disabled: Vec<Name>,
}

impl Default for Cache {
    /// What CoreDNS does without further words.
    fn default() -> Self {
        let side = |max_ttl| CacheSide { capacity: 9984, max_ttl, min_ttl: 5, disabled: Vec::new() };
        Self {
            zones: Vec::new(),
            success: side(3600),
            denial: side(1800),
            servfail: 5,
            prefetch: None,
            stale: None,
            keep_ttl: false,
            bytes: 32 << 20,
        }
    }
}

/// `prefetch AMOUNT [DURATION] [PERCENTAGE%]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// Asked so often ...
    pub amount: u32,
    /// ... without a pause of more than this.
    pub within: Duration,
    /// Asked for again when only this share of its time is left, in percent.
    pub percentage: u8,
}

/// `serve_stale [DURATION] [REFRESH_MODE]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How long after its end an entry may still be served.
    pub within: Duration,
    /// Look upstream first and serve the old only when that fails (`verify`), else serve the old at once and ask behind
    /// it (`immediate`).
    pub verify: bool,
}

/// `autopath`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Autopath {
    /// `@kubernetes`: the search path of the pod that asks.
    Kubernetes,
    /// The search path of a resolv.conf.
    File(PathBuf),
}

/// One `template`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The line it begins on.
    pub line: u32,
    /// The type; `None`: ANY, all.
    pub kind: Option<u16>,
    /// Only names within these; the block's when empty.
    pub zones: Vec<Name>,
    /// Regular expressions for the whole name with its dot; one must match; `.*` when empty. Checked when read.
    pub matches: Vec<String>,
    /// Records of the answer section, with `{{ .Name }}`, `{{ .Group.x }}` and the like.
    pub answer: Vec<String>,
    /// Records of the authority section.
    pub authority: Vec<String>,
    /// Records of the additional section.
    pub additional: Vec<String>,
    /// The response code.
    pub rcode: Rcode,
    /// Where none matches: the zones for which others are asked; `None`: nobody, `Some([])`: all.
    pub fallthrough: Option<Vec<Name>>,
}

/// `hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// The file; `None`: only what stands inline.
    pub file: Option<PathBuf>,
    /// Lines `ADDRESS NAME...`.
    pub inline: Vec<String>,
    /// Only names within these; the block's when empty.
    pub zones: Vec<Name>,
    /// The time of its answers, in seconds.
    pub ttl: u32,
    /// No reverse answers.
    pub no_reverse: bool,
    /// How often the file is looked at; zero: never again.
    pub reload: Duration,
    /// The zones for which others are asked when there is no entry; `None`: nobody, `Some([])`: all.
    pub fallthrough: Option<Vec<Name>>,
}

/// One `transfer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which zones; the block's when empty.
    pub zones: Vec<Name>,
    /// To whom; `None`: everybody.
    pub to: Option<Vec<ipnet::IpNet>>,
}

/// One rule of `acl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Only names within these; the block's when empty.
    pub zones: Vec<Name>,
    /// What happens.
    pub action: AclAction,
    /// Only these types; all when empty.
    pub kinds: Vec<u16>,
    /// Only clients in these; all when empty.
    pub nets: Vec<ipnet::IpNet>,
}

/// What `acl` does with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclAction {
    /// Go on.
    Allow,
    /// REFUSED.
    Block,
    /// NOERROR and nothing.
    Filter,
    /// No answer.
    Drop,
}
