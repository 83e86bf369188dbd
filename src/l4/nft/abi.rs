//! Numbers of the kernel's interface (`linux/netfilter/nf_tables.h`) and of what `nft` writes for itself.

/// The subsystem in the upper byte of a message's kind.
pub(super) const SUBSYSTEM: u16 = 10;

/// Kinds of messages.
pub(super) mod message {
    const fn of(kind: u16) -> u16 {
        super::SUBSYSTEM << 8 | kind
    }
    pub(in super::super) const BEGIN: u16 = 0x10;
    pub(in super::super) const END: u16 = 0x11;
    pub(in super::super) const NEW_TABLE: u16 = of(0);
    pub(in super::super) const GET_TABLE: u16 = of(1);
    pub(in super::super) const DELETE_TABLE: u16 = of(2);
    pub(in super::super) const NEW_CHAIN: u16 = of(3);
    pub(in super::super) const GET_CHAIN: u16 = of(4);
    pub(in super::super) const DELETE_CHAIN: u16 = of(5);
    pub(in super::super) const NEW_RULE: u16 = of(6);
    pub(in super::super) const GET_RULE: u16 = of(7);
    pub(in super::super) const DELETE_RULE: u16 = of(8);
    pub(in super::super) const NEW_SET: u16 = of(9);
    pub(in super::super) const GET_SET: u16 = of(10);
    pub(in super::super) const DELETE_SET: u16 = of(11);
    pub(in super::super) const NEW_ELEMENT: u16 = of(12);
    pub(in super::super) const GET_ELEMENT: u16 = of(13);
    pub(in super::super) const DELETE_ELEMENT: u16 = of(14);
    pub(in super::super) const NEW_GENERATION: u16 = of(15);
    pub(in super::super) const GET_GENERATION: u16 = of(16);
}

/// The table that a message is about; the same in all of them.
pub(super) const TABLE: u16 = 1;

/// Attributes of a table.
pub(super) mod table {
    pub(in super::super) const NAME: u16 = 1;
    pub(in super::super) const FLAGS: u16 = 2;
}

/// Attributes of a chain.
pub(super) mod chain {
    pub(in super::super) const NAME: u16 = 3;
    pub(in super::super) const HOOK: u16 = 4;
    pub(in super::super) const POLICY: u16 = 5;
    pub(in super::super) const TYPE: u16 = 7;
    pub(in super::super) const HOOK_NUMBER: u16 = 1;
    pub(in super::super) const HOOK_PRIORITY: u16 = 2;
    pub(in super::super) const ACCEPT: u32 = 1;
}

/// Attributes of a rule.
pub(super) mod rule {
    pub(in super::super) const CHAIN: u16 = 2;
    pub(in super::super) const EXPRESSIONS: u16 = 4;
    pub(in super::super) const USERDATA: u16 = 7;
    /// In the user data: a comment.
    pub(in super::super) const COMMENT: u8 = 0;
}

/// Attributes of a set, flags.
pub(super) mod set {
    pub(in super::super) const NAME: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const KEY_TYPE: u16 = 4;
    pub(in super::super) const KEY_LENGTH: u16 = 5;
    pub(in super::super) const DATA_TYPE: u16 = 6;
    pub(in super::super) const DATA_LENGTH: u16 = 7;
    pub(in super::super) const DESCRIPTION: u16 = 9;
    pub(in super::super) const ID: u16 = 10;
    pub(in super::super) const USERDATA: u16 = 13;
    /// In the description.
    pub(in super::super) const SIZE: u16 = 1;
    /// In the description.
    pub(in super::super) const CONCATENATION: u16 = 2;
    pub(in super::super) const FIELD_LENGTH: u16 = 1;

    pub(in super::super) const ANONYMOUS: u32 = 0x01;
    pub(in super::super) const CONSTANT: u32 = 0x02;
    pub(in super::super) const INTERVAL: u32 = 0x04;
    pub(in super::super) const MAP: u32 = 0x08;
    pub(in super::super) const TIMEOUT: u32 = 0x10;
    pub(in super::super) const DYNAMIC: u32 = 0x20;
    pub(in super::super) const CONCATENATED: u32 = 0x80;

    /// The type of data that is a verdict.
    pub(in super::super) const VERDICT: u32 = 0xffff_ff00;
}

/// Attributes of elements.
pub(super) mod element {
    pub(in super::super) const SET: u16 = 2;
    pub(in super::super) const ELEMENTS: u16 = 3;
    pub(in super::super) const SET_ID: u16 = 4;
    /// One of a list, also of expressions.
    pub(in super::super) const ITEM: u16 = 1;
    pub(in super::super) const KEY: u16 = 1;
    pub(in super::super) const DATA: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const USERDATA: u16 = 6;
    pub(in super::super) const KEY_END: u16 = 10;
    pub(in super::super) const INTERVAL_END: u32 = 1;
}

/// Attributes of data: a value, or a verdict.
pub(super) mod data {
    pub(in super::super) const VALUE: u16 = 1;
    pub(in super::super) const VERDICT: u16 = 2;
    pub(in super::super) const CODE: u16 = 1;
    pub(in super::super) const CHAIN: u16 = 2;
    pub(in super::super) const DROP: u32 = 0;
    pub(in super::super) const JUMP: u32 = (-3_i32).cast_unsigned();
    pub(in super::super) const GOTO: u32 = (-4_i32).cast_unsigned();
    pub(in super::super) const RETURN: u32 = (-5_i32).cast_unsigned();
}

/// Attributes of a generation of the rules.
pub(super) mod generation {
    pub(in super::super) const ID: u16 = 1;
    pub(in super::super) const PROCESS: u16 = 2;
    pub(in super::super) const PROCESS_NAME: u16 = 3;
}
