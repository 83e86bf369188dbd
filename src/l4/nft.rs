//! The kernel's tables: run a transaction, read back what is there, hear of others' changes. Speaks netlink.
