//! Runs every sibling on a machine that fails: a disk that hangs, a log that cannot be written, too
//! few threads, too little memory, and system calls that return errors. The faults are real, so this
//! library needs Linux, and root or a user namespace. On other systems, the library is empty.
//!
//! docs/FAULTS.md describes the faults and lists the results.

#![cfg(target_os = "linux")]

mod arguments;
mod calls;
mod client;
mod clients;
mod disk;
mod fault;
mod kernel;
mod log;
mod memory;
mod report;
mod server;
mod shutdown;
mod suite;
mod threads;

pub use suite::main;
