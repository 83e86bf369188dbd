//! The query log (`log`): one line per reply, in CoreDNS's form, written behind the threads that answer.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::dns::plan::{Block, LogClass};
use crate::dns::wire::name::{ends_with, show};
use crate::dns::wire::question::Asked;
use crate::dns::wire::{Rcode, flag, number};
use crate::metrics::dns::Metrics;

/// Lines that may wait to be written; beyond, they are lost and counted.
const WAITING: usize = 4096;
/// CoreDNS's common form.
const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";

/// The way to the thread that writes.
pub(super) struct Log {
    lines: SyncSender<String>,
    metrics: Metrics,
}

/// A name in wire form, as text.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

impl Log {
    /// Starts the thread that writes; it ends with the last sender.
    pub(super) fn new(metrics: Metrics, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("dns-log".into()).spawn(move || write(&waiting, out))?;
        Ok(Self { lines, metrics })
    }

    /// Logs a reply as the block says.
    pub(super) fn reply(
        &self,
        block: &Block,
        asked: &Asked<'_>,
        client: SocketAddr,
        tcp: bool,
        reply: &[u8],
        took: Duration,
    ) {
        let line = Line { asked, client, tcp, reply, took };
        for log in &block.log {
            let zones = if log.zones.is_empty() { &block.zones } else { &log.zones };
            let within = zones.iter().any(|zone| ends_with(asked.name.as_wire(), zone.as_wire()));
            if !within || !line.is_of(&log.classes) {
                continue;
            }
            let text = line.text(log.format.as_deref().unwrap_or(COMMON));
            if let Err(TrySendError::Full(_)) = self.lines.try_send(text) {
                self.metrics.log_line_dropped();
            }
            return;
        }
    }
}

/// Writes what comes; what came together is written together.
fn write(lines: &Receiver<String>, out: impl Write) {
    let mut out = io::BufWriter::new(out);
    while let Ok(mut line) = lines.recv() {
        loop {
            if writeln!(out, "[INFO] {line}").is_err() {
                break;
            }
            match lines.try_recv() {
                Ok(next) => line = next,
                Err(_) => break,
            }
        }
        // Who does not read does not stop the server.
        let _ = out.flush();
    }
}

struct Line<'a> {
    asked: &'a Asked<'a>,
    client: SocketAddr,
    tcp: bool,
    reply: &'a [u8],
    took: Duration,
}

impl Line<'_> {
    fn is_of(&self, classes: &[LogClass]) -> bool {
        let answers = number(self.reply, 6).unwrap_or(0) > 0;
        let class = match self.rcode() {
            Rcode::NOERROR if answers => LogClass::Success,
            Rcode::NOERROR | Rcode::NXDOMAIN => LogClass::Denial,
            _ => LogClass::Error,
        };
        classes.is_empty() || classes.contains(&LogClass::All) || classes.contains(&class)
    }

    /// The code in the header: the upper bits are those of EDNS, which logged replies do not have.
    fn rcode(&self) -> Rcode {
        Rcode(number(self.reply, 2).unwrap_or(0) & 0xf)
    }

    fn text(&self, form: &str) -> String {
        let mut text = String::with_capacity(128);
        let mut rest = form;
        while let Some(open) = rest.find('{') {
            text.push_str(&rest[..open]);
            rest = &rest[open..];
            let Some(close) = rest.find('}') else { break };
            // Writing to a String cannot fail.
            let _ = self.field(&rest[1..close], &mut text);
            rest = &rest[close + 1..];
        }
        text.push_str(rest);
        text
    }

    fn field(&self, field: &str, text: &mut String) -> fmt::Result {
        let flags = number(self.reply, 2).unwrap_or(0);
        match field {
            "type" => write!(text, "{}", kind(self.asked.kind)),
            "class" => text.write_str("IN"),
            "name" => show(self.asked.name.as_wire(), text),
            "proto" => text.write_str(if self.tcp { "tcp" } else { "udp" }),
            "remote" => match self.client.ip() {
                IpAddr::V4(address) => write!(text, "{address}"),
                IpAddr::V6(address) => write!(text, "[{address}]"),
            },
            "port" => write!(text, "{}", self.client.port()),
            "size" => write!(text, "{}", self.asked.message.len()),
            "rcode" => text.write_str(self.rcode().name()),
            "rsize" => write!(text, "{}", self.reply.len()),
            "duration" => write!(text, "{}s", self.took.as_secs_f64()),
            ">id" => write!(text, "{}", self.asked.id),
            ">opcode" => text.write_str("0"),
            ">do" => write!(text, "{}", self.asked.edns.is_some_and(|edns| edns.dnssec)),
            ">bufsize" => write!(text, "{}", self.asked.edns.map_or(512, |edns| edns.payload.max(512))),
            ">rflags" => {
                rflags(flags, text);
                Ok(())
            }
            "common" => text.write_str(&self.text(COMMON)),
            "combined" => write!(text, "{} \"0\"", self.text(COMMON)),
            _ => text.write_str("-"),
        }
    }
}

/// The set flags in the order of the header.
fn rflags(flags: u16, text: &mut String) {
    let names = [
        (flag::QR, "qr"),
        (flag::AA, "aa"),
        (flag::TC, "tc"),
        (flag::RD, "rd"),
        (flag::RA, "ra"),
        (flag::AD, "ad"),
        (flag::CD, "cd"),
    ];
    let mut first = true;
    for (_, name) in names.into_iter().filter(|(bit, _)| flags & bit != 0) {
        if !std::mem::take(&mut first) {
            text.push(',');
        }
        text.push_str(name);
    }
}

/// A record type as text: `A`, `TYPE65280`.
pub(super) fn kind(kind: u16) -> String {
    domain::base::Rtype::from_int(kind).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::plan;
    use crate::dns::wire::name::Name;
    use crate::dns::wire::question::read;

    const QUERY: &[u8] =
        b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01\x01A\x01b\0\0\x1c\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0";
    const REPLY: &[u8] = b"\0\x07\x85\x03\0\x01\0\0\0\0\0\0\x01A\x01b\0\0\x1c\0\x01";

    fn line(form: &str) -> String {
        let asked = read(QUERY).ok().unwrap();
        let client = "[2001:db8::1]:4711".parse().unwrap();
        let took = Duration::from_micros(1500);
        Line { asked: &asked, client, tcp: true, reply: REPLY, took }.text(form)
    }

    #[test]
    fn a_line_is_in_the_form_of_coredns() {
        assert_eq!(
            line(COMMON),
            "[2001:db8::1]:4711 - 7 \"AAAA IN a.b. tcp 32 true 1232\" NXDOMAIN qr,aa,rd 21 0.0015s"
        );
        assert_eq!(line("{type} of {name}{nothing} {>opcode} {"), "AAAA of a.b.- 0 {");
    }

    struct Out(std::sync::mpsc::Sender<Vec<u8>>);
    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_replies_of_the_wanted_classes_and_zones_are_logged() {
        let (sender, lines) = std::sync::mpsc::channel();
        let log = Log::new(Metrics::default(), Out(sender)).unwrap();
        let asked = read(QUERY).ok().unwrap();
        let logged = |zones: &[&str], classes: &[LogClass]| {
            let mut block = Block::new(vec![Name::root()], 53);
            let zones = zones.iter().map(|zone| Name::parse(zone).unwrap()).collect();
            let format = Some("{name}".into());
            block.log = vec![plan::Log { zones, classes: classes.to_vec(), format }];
            log.reply(&block, &asked, "10.0.0.1:53".parse().unwrap(), false, REPLY, Duration::ZERO);
        };
        logged(&["other"], &[]);
        logged(&[], &[LogClass::Success, LogClass::Error]);
        logged(&["b"], &[LogClass::Denial]);
        drop(log);
        let written: Vec<u8> = lines.iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), "[INFO] a.b.\n");
    }
}
