//! Services without privileges: sockets of our own on the Services' addresses and ports.
