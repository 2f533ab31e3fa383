//! Measures the speed, CPU time, memory and system calls of servers.
//!
//! - [`load`] is a client that verifies every reply and needs little CPU time.
//! - [`suite`] contains the parts of the Criterion suites (`benches/suites`).
//! - `servers` starts and stops servers as processes, and `cpu` reads the CPU time of processes
//!   (Linux).
//! - [`footprint`] measures the cost of each server as a process.
//! - [`race`] creates the tables of the race, which compares the servers.
//! - [`soak`] runs all siblings for a long time with clients that behave in different ways.
//! - [`records`] reads and writes the results, and [`report`] generates a page from them.
//!
//! The program `measure` has the subcommands `load`, `footprint`, `race`, `soak`, `report` and
//! `diff`.

#[cfg(target_os = "linux")]
pub mod cpu;
pub mod footprint;
pub mod load;
pub mod race;
pub mod records;
pub mod report;
#[cfg(target_os = "linux")]
pub mod servers;
pub mod soak;
pub mod suite;
