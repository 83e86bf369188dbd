//! Why what was typed does not go together.

use std::fmt;

/// Why flags that are fine each on their own do not go together. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Two flags name the same port.
    SamePort {
        /// The port.
        port: u16,
        /// The first flag.
        first: &'static str,
        /// The second flag.
        second: &'static str,
    },
    /// `primary` stands beside ranges.
    PrimaryAndRanges,
    /// The machine's name cannot be a node's.
    NoNodeName,
    /// The search path of a pod is to be answered, but pods are not to be known.
    AutopathWithoutPods,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SamePort { port, first, second } => {
                write!(f, "{first} and {second} are both {port}: give one of them another port")
            }
            Self::PrimaryAndRanges => {
                f.write_str("--nodeport-addresses has primary beside ranges: write either primary or ranges")
            }
            Self::NoNodeName => {
                f.write_str("the host name is not known or cannot be a node's: give --node-name NAME")
            }
            Self::AutopathWithoutPods => f.write_str(
                "--autopath must know which pod asks: give --pods verified with it, or leave --pods out",
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
