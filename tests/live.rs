//! The program as an operator runs it: the real binary over a directory of YAML, real sockets, real signals.
//!
//! `SLIPWAY_CHANGES=1000 SLIPWAY_CHANGES_PER_SEC=10` makes the endurance test the long one; `SLIPWAY_SCALE=1` adds the
//! tests with very many rules (`--nocapture` shows their figures); `SLIPWAY_BIN` names another build of the program.

#![allow(clippy::unwrap_used, clippy::pedantic, reason = "test helpers")]

mod live {
    mod backend;
    mod client;
    mod manifest;
    mod server;

    mod admin;
    mod background;
    mod changes;
    mod endurance;
    mod faults;
    mod people;
    mod scale;
    mod signals;
}
