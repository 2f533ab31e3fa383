//! Starts, observes, measures and stops the servers that the kit's tools test.
//!
//! - [`Group`] contains a command and all processes that the command starts. All these processes
//!   are killed when the group is dropped, even during a panic, and when the program is
//!   interrupted.
//! - [`cleanup`] kills all groups and removes all [`TempFolder`]s on Ctrl-C and `SIGTERM`.
//! - [`port`] finds free ports and listening sockets.
//! - [`usage`] reads the resource usage of processes.
//! - [`fixture`] writes the files that the servers send.
//! - `fuse` mounts a file system whose calls can hang (Linux only).
//! - `record` defines the format of all measurements, and `derived` computes quantities from
//!   measurements. The modules `record` and `derived` require the feature `record`.
//! - `testing` interrupts a program at random moments, and checks that no process and no file of
//!   the program remains.
//! - [`table`] and [`text`] print and parse tables, sizes and durations.

pub mod cleanup;
#[cfg(feature = "record")]
pub mod derived;
pub mod fixture;
#[cfg(target_os = "linux")]
pub mod fuse;
mod group;
mod invocation;
#[cfg(feature = "record")]
pub mod machine;
pub mod port;
mod processes;
#[cfg(feature = "record")]
pub mod record;
mod registry;
mod signal;
pub mod table;
#[cfg(target_os = "linux")]
pub mod testing;
pub mod text;
pub mod usage;

pub use group::Group;
pub use invocation::invocation;
pub use registry::TempFolder;
pub use signal::{Signal, describe as describe_exit};
