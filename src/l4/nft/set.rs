//! Sets and maps: how they are made, and whether one that is there is made like that.

use super::abi::set as abi;
use super::field::{Field, TARGET, fields, kind, length, note, type_of};
use crate::l4::netlink::{Message, Writer, attribute, be32};
use crate::l4::ruleset::{Family, SetId, SetKind};

/// What the kernel has to know of a set, besides its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    flags: u32,
    key_type: u32,
    key_length: u32,
    data_type: u32,
    data_length: u32,
    size: u32,
}

fn form(set: SetId, family: Family) -> Form {
    let key = fields(set.fields());
    let (key_type, key_length) = (kind(&key, family), length(&key, family));
    let plain = Form { flags: 0, key_type, key_length, data_type: 0, data_length: 0, size: 0 };
    let targets = Form {
        flags: abi::MAP,
        data_type: kind(&TARGET, family),
        data_length: length(&TARGET, family),
        ..plain
    };
    match set.kind() {
        SetKind::Set => plain,
        SetKind::Ranges if key.len() == 1 => Form { flags: abi::INTERVAL, ..plain },
        SetKind::Ranges => Form { flags: abi::INTERVAL | abi::CONCATENATED, ..plain },
        SetKind::Targets => targets,
        SetKind::Verdicts => Form { flags: abi::MAP, data_type: abi::VERDICT, data_length: 16, ..plain },
        SetKind::Remembered => {
            Form { flags: abi::MAP | abi::TIMEOUT | abi::DYNAMIC, size: SetId::REMEMBERED, ..targets }
        }
    }
}

/// Writes a set without elements; `id` is its number in this transaction.
pub(super) fn write(set: SetId, family: Family, id: u32, writer: &mut Writer) {
    let form = form(set, family);
    let key = fields(set.fields());
    writer.put_text(abi::NAME, &set.to_string());
    writer.put_u32(abi::FLAGS, form.flags);
    writer.put_u32(abi::KEY_TYPE, form.key_type);
    writer.put_u32(abi::KEY_LENGTH, form.key_length);
    if form.flags & abi::MAP != 0 {
        writer.put_u32(abi::DATA_TYPE, form.data_type);
        writer.put_u32(abi::DATA_LENGTH, form.data_length);
    }
    writer.put_u32(abi::ID, id);
    writer.nest(abi::DESCRIPTION, |out| {
        if form.size > 0 {
            out.put_u32(abi::SIZE, form.size);
        }
        if form.flags & abi::CONCATENATED != 0 {
            out.nest(abi::CONCATENATION, |out| {
                for field in &key {
                    out.nest(1, |out| out.put_u32(abi::FIELD_LENGTH, field.length(family)));
                }
            });
        }
    });
    writer.put(abi::USERDATA, &userdata(&key, form, family));
}

/// What `nft` keeps of a set for itself: with it, it lists keys as they are meant.
fn userdata(key: &[Field], form: Form, family: Family) -> Vec<u8> {
    const BIG_ENDIAN: u32 = 2;
    let order = if key.len() == 1 { BIG_ENDIAN } else { 0 };
    let map = form.flags & abi::MAP != 0;
    let mut out = Vec::new();
    note(&mut out, 0, &order.to_ne_bytes());
    if map {
        note(&mut out, 1, &0_u32.to_ne_bytes());
    }
    note(&mut out, 3, &type_of(key, family));
    if map {
        let data = match form.data_type {
            abi::VERDICT => verdict(),
            _ => type_of(&TARGET, family),
        };
        note(&mut out, 4, &data);
        note(&mut out, 6, &0_u32.to_ne_bytes());
    }
    out
}

/// What `nft` lists as the type of verdicts.
fn verdict() -> Vec<u8> {
    let mut out = Vec::new();
    note(&mut out, 0, &1_u32.to_ne_bytes());
    note(&mut out, 1, &[]);
    out
}

/// Writes the set of transport protocols that one rule asks.
pub(super) fn write_transport(id: u32, writer: &mut Writer) {
    let mut userdata = Vec::new();
    note(&mut userdata, 0, &1_u32.to_ne_bytes());
    note(&mut userdata, 3, &type_of(&[Field::Protocol], Family::Ip));
    writer.put_text(abi::NAME, TRANSPORT);
    writer.put_u32(abi::FLAGS, abi::ANONYMOUS | abi::CONSTANT);
    writer.put_u32(abi::KEY_TYPE, kind(&[Field::Protocol], Family::Ip));
    writer.put_u32(abi::KEY_LENGTH, 1);
    writer.put_u32(abi::ID, id);
    writer.nest(abi::DESCRIPTION, |out| out.put_u32(abi::SIZE, 3));
    writer.put(abi::USERDATA, &userdata);
}

/// The kernel finds a number for it.
pub(super) const TRANSPORT: &str = "__set%d";

/// Whether a set that belongs to one rule is told of.
pub(super) fn is_anonymous(message: &Message<'_>) -> bool {
    message.attribute(abi::FLAGS).and_then(be32).unwrap_or_default() & abi::ANONYMOUS != 0
}

/// Whether the set that is told of is made as we make it.
pub(super) fn is_ours(set: SetId, family: Family, message: &Message<'_>) -> bool {
    let number = |kind| message.attribute(kind).and_then(be32).unwrap_or_default();
    let description = message.attribute(abi::DESCRIPTION).unwrap_or_default();
    let found = Form {
        flags: number(abi::FLAGS),
        key_type: number(abi::KEY_TYPE),
        key_length: number(abi::KEY_LENGTH),
        data_type: number(abi::DATA_TYPE),
        data_length: number(abi::DATA_LENGTH),
        size: attribute(description, abi::SIZE).and_then(be32).unwrap_or_default(),
    };
    found == form(set, family)
}
