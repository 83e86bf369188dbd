//! Where objects come from.
//!
//! A source promises: for each kind it first sends `Begin`, every object, `Complete`; after that each change as one
//! `Apply` or `Delete`, and what it has to report as `Reports` under a name of its own. A change that cannot be read
//! never takes away what was good before. When a source lost sight of the truth it sends a complete list again.

pub mod files;
pub mod kubernetes;

use crate::store::Update;

/// Where a source sends what it knows. Bounded: a source waits while the controller is busy.
pub type Updates = tokio::sync::mpsc::Sender<Update>;
