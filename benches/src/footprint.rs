//! The footprint: the cost of a server as a process. It consists of system calls, context switches,
//! threads, memory and CPU time.
//!
//! All values are in a run with ids `CHUNK/SERVER/QUANTITY` and `held-CLIENTS/SERVER/QUANTITY`. The
//! system calls (`calls/NAME` and `errors/NAME`) are those for one client; all other values of a
//! chunk size belong to `fetches` clients.

mod cost;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod strace;
mod tables;

pub use cost::Cost;
#[cfg(target_os = "linux")]
pub use measure::{Footprints, HELD_CLIENTS};
#[cfg(target_os = "linux")]
pub use strace::why_no_strace;
pub use tables::tables;

/// The name of the program in records.
pub const PROGRAM: &str = "footprint";
