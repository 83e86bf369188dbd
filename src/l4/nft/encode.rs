//! Commands -> one batch of messages.

use super::abi::{self, chain, element as elements, message, rule, table};
use super::{element, expr, number, set};
use crate::l4::diff::Command;
use crate::l4::netlink::{ACK, APPEND, CREATE, REQUEST, Writer};
use crate::l4::ruleset::{Base, Element, Family, Hook, HookType, Rule, TABLE};

/// A list of elements in one message ends before this: lengths of attributes have 16 bits.
const LONGEST_LIST: usize = 60_000;

/// A batch, and which command each part of it is for.
pub(super) struct Batch {
    /// What is sent.
    pub(super) bytes: Vec<u8>,
    /// For each message, by its number less the first one: the commands in it, each with the place where it begins.
    parts: Vec<Vec<(usize, usize)>>,
}

impl Batch {
    /// How many numbers of messages a batch of so many commands needs at most.
    pub(super) fn numbers(commands: &[Command]) -> u32 {
        // Begin, end, and up to three messages for a rule.
        u32::try_from(commands.len() * 3 + 2).unwrap_or(u32::MAX)
    }

    /// The command at that place of a message; `None` if it may be one of several.
    pub(super) fn command(&self, message: u32, offset: Option<usize>) -> Option<usize> {
        match self.parts.get(message as usize)?.as_slice() {
            [(_, only)] => Some(*only),
            several => {
                let before = several.partition_point(|(begin, _)| Some(*begin) <= offset);
                before.checked_sub(1).map(|at| several[at].1)
            }
        }
    }

    /// The number of the last command's message, less the first one: it is answered when all is well too.
    pub(super) fn answered(&self) -> u32 {
        u32::try_from(self.parts.len().saturating_sub(2)).unwrap_or(u32::MAX)
    }
}

/// Writes commands as a batch whose messages are numbered from `first`. At most so many elements share a message.
pub(super) fn encode(commands: &[Command], first: u32, together: usize) -> Batch {
    let mut encoder = Encoder { writer: Writer::default(), first, parts: Vec::new(), ids: 0, together };
    encoder.frame(message::BEGIN);
    let mut numbered: Vec<(usize, &Command)> = commands.iter().enumerate().collect();
    for run in numbered.chunk_by_mut(|(_, a), (_, b)| element(a).is_some() && side_by_side(a, b)) {
        // Elements that are added or removed side by side may change places: those of one set come together.
        run.sort_by_key(|(_, command)| element(command).map(|element| (element.family, element.set)));
        for same in run.chunk_by(|(_, a), (_, b)| same_set(a, b)) {
            encoder.commands(same);
        }
    }
    encoder.writer.flag(ACK);
    encoder.frame(message::END);
    Batch { bytes: encoder.writer.finish(), parts: encoder.parts }
}

fn element(command: &Command) -> Option<&Element> {
    match command {
        Command::AddElement(_, element) | Command::DeleteElement(_, element) => Some(element),
        _ => None,
    }
}

fn side_by_side(a: &Command, b: &Command) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

fn same_set(a: &Command, b: &Command) -> bool {
    element(a).zip(element(b)).is_some_and(|(a, b)| a.family == b.family && a.set == b.set)
}

struct Encoder {
    writer: Writer,
    first: u32,
    parts: Vec<Vec<(usize, usize)>>,
    /// The last number that a set got within this batch.
    ids: u32,
    together: usize,
}

impl Encoder {
    /// The begin or the end of the batch.
    fn frame(&mut self, kind: u16) {
        self.message(kind, 0, 0, abi::SUBSYSTEM, None);
    }

    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, command: Option<usize>) {
        let sequence = self.first + u32::try_from(self.parts.len()).expect("as many were counted before");
        self.writer.message(kind, REQUEST | flags, sequence, family, resource);
        self.parts.push(command.map(|command| (0, command)).into_iter().collect());
    }

    /// A message about something in our table.
    fn about(&mut self, kind: u16, flags: u16, family: Family, command: Option<usize>) {
        self.message(kind, flags, number(family), 0, command);
        self.writer.put_text(abi::TABLE, TABLE);
    }

    /// One command, or several that are about elements of the same set.
    fn commands(&mut self, all: &[(usize, &Command)]) {
        match all[0].1 {
            Command::AddElement(_, first) => self.elements(message::NEW_ELEMENT, CREATE, first, all),
            Command::DeleteElement(_, first) => self.elements(message::DELETE_ELEMENT, 0, first, all),
            _ => all.iter().for_each(|(at, command)| self.command(*at, command)),
        }
    }

    fn command(&mut self, at: usize, command: &Command) {
        let at = Some(at);
        match command {
            Command::AddTable(family) => {
                self.message(message::NEW_TABLE, CREATE, number(*family), 0, at);
                self.writer.put_text(table::NAME, TABLE);
                self.writer.put_u32(table::FLAGS, 0);
            }
            Command::DeleteTable(family) => {
                self.message(message::DELETE_TABLE, 0, number(*family), 0, at);
                self.writer.put_text(table::NAME, TABLE);
            }
            Command::AddSet(family, id) => {
                self.ids += 1;
                self.about(message::NEW_SET, CREATE, *family, at);
                set::write(*id, *family, self.ids, &mut self.writer);
            }
            Command::DeleteSet(family, id) => {
                self.about(message::DELETE_SET, 0, *family, at);
                self.writer.put_text(abi::set::NAME, &id.to_string());
            }
            Command::AddChain(family, id, base) => {
                self.about(message::NEW_CHAIN, CREATE, *family, at);
                self.writer.put_text(chain::NAME, &id.to_string());
                if let Some(base) = base {
                    self.base(*base);
                }
            }
            Command::FlushChain(family, id) => {
                self.about(message::DELETE_RULE, 0, *family, at);
                self.writer.put_text(rule::CHAIN, &id.to_string());
            }
            Command::DeleteChain(family, id) => {
                self.about(message::DELETE_CHAIN, 0, *family, at);
                self.writer.put_text(chain::NAME, &id.to_string());
            }
            Command::AddRule(family, id, chain, number) => {
                if let Some(rule) = chain.rules.get(*number) {
                    self.rule(*family, &id.to_string(), rule, at);
                }
            }
            Command::AddElement(..) | Command::DeleteElement(..) => {}
        }
    }

    fn base(&mut self, base: Base) {
        let hook = match base.hook {
            Hook::Prerouting => 0,
            Hook::Input => 1,
            Hook::Forward => 2,
            Hook::Output => 3,
            Hook::Postrouting => 4,
        };
        self.writer.nest(chain::HOOK, |out| {
            out.put_u32(chain::HOOK_NUMBER, hook);
            out.put_u32(chain::HOOK_PRIORITY, base.priority.cast_unsigned());
        });
        self.writer.put_u32(chain::POLICY, chain::ACCEPT);
        let kind = match base.kind {
            HookType::Filter => "filter",
            HookType::Nat => "nat",
        };
        self.writer.put_text(chain::TYPE, kind);
    }

    fn rule(&mut self, family: Family, chain: &str, rule: &Rule, at: Option<usize>) {
        if expr::needs_transport(rule) {
            self.ids += 1;
            self.about(message::NEW_SET, CREATE, family, at);
            set::write_transport(self.ids, &mut self.writer);
            self.about(message::NEW_ELEMENT, CREATE, family, at);
            self.writer.put_text(elements::SET, set::TRANSPORT);
            self.writer.put_u32(elements::SET_ID, self.ids);
            self.writer.nest(elements::ELEMENTS, element::write_transport);
        }
        self.about(message::NEW_RULE, CREATE | APPEND, family, at);
        self.writer.put_text(rule::CHAIN, chain);
        expr::write(rule, family, self.ids, &mut self.writer);
    }

    /// Elements of one set, in as many messages as they need.
    fn elements(&mut self, kind: u16, flags: u16, first: &Element, all: &[(usize, &Command)]) {
        let mut all = all.iter().filter_map(|(at, command)| Some((*at, element(command)?))).peekable();
        while all.peek().is_some() {
            self.about(kind, flags, first.family, None);
            self.writer.put_text(elements::SET, &first.set.to_string());
            let mut parts = Vec::new();
            self.writer.nest(elements::ELEMENTS, |out| {
                while parts.len() < self.together && out.offset() < LONGEST_LIST {
                    let Some((at, element)) = all.next() else { break };
                    parts.push((out.offset(), at));
                    element::write(element, out);
                }
            });
            if let Some(last) = self.parts.last_mut() {
                *last = parts;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l4::netlink::messages;
    use crate::l4::ruleset::{Frontend, Key, Protocol, SetId, Value};

    fn elements() -> Vec<Command> {
        let frontend =
            |port| Key::Frontend(Frontend { address: [10, 0, 0, 1].into(), protocol: Protocol::Sctp, port });
        let set = |port: u16| if port.is_multiple_of(2) { SetId::Masqueraded } else { SetId::Restricted };
        let element =
            |port| Element { family: Family::Ip, set: set(port), key: frontend(port), value: Value::None };
        let commands = (0..5000).map(|port| Command::AddElement(None, element(port)));
        [Command::AddTable(Family::Ip)].into_iter().chain(commands).collect()
    }

    #[test]
    fn elements_of_a_set_share_messages_and_each_is_found_by_its_place() {
        let commands = elements();
        let batch = encode(&commands, 100, usize::MAX);
        let all: Vec<_> = messages(&batch.bytes).collect();
        assert_eq!(all.len(), batch.parts.len());
        assert!(all.len() < 20, "{}", all.len());
        assert!(all.iter().zip(100..).all(|(message, number)| message.sequence == number));
        assert_eq!(batch.command(0, None), None);
        assert_eq!(batch.command(1, None), Some(0));
        // In the third message are the elements of the first set, from its second byte on.
        let (begin, at) = batch.parts[2][7];
        assert_eq!(commands[at], commands[15]);
        assert_eq!(batch.command(2, Some(begin)), Some(15));
        assert_eq!(batch.command(2, Some(begin + 3)), Some(15));
        assert_eq!(batch.command(2, None), None);
        let flags: Vec<bool> = all.iter().map(|message| message.flags & ACK != 0).collect();
        assert_eq!(flags.iter().position(|flag| *flag), Some(batch.answered() as usize));
        assert_eq!(flags.len() - 2, batch.answered() as usize);
    }

    #[test]
    fn alone_each_element_is_found_by_its_message() {
        let commands = elements();
        let batch = encode(&commands, 1, 1);
        assert_eq!(batch.parts.len(), commands.len() + 2);
        assert!(Batch::numbers(&commands) as usize >= batch.parts.len());
        let mut found: Vec<usize> = (0..).map_while(|at| batch.command(at + 1, None)).collect();
        found.sort_unstable();
        assert_eq!(found, (0..commands.len()).collect::<Vec<_>>());
    }
}
