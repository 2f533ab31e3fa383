//! Imports and constants that most checks use.

pub use std::thread;
pub use std::time::{Duration, Instant};

pub use harness::fixture::noise;
pub use harness::{Signal, usage};

pub use crate::check::Check;
pub(crate) use crate::check::Run::{Heavy, Light};
pub use crate::client::{Client, Ending};
pub use crate::server::Server;
pub use crate::stage::{Stage, Start};
pub use crate::target::Settings;
pub(crate) use crate::verdict::{Context, Outcome, Stop, demand};

pub const MIB: usize = 1 << 20;

/// The length of a file that does not fit into the kernel's buffers for a non-reading client.
pub const LONG_BYTES: u64 = 64 << 20;

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
