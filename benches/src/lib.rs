//! Measures the speed, CPU time, memory and system calls of servers.
//!
//! - [`load`] is a client that verifies every reply and needs little CPU time.
//! - [`suite`] contains the parts of the Criterion suites (`benches/suites`).
//! - `servers` starts servers as processes and ends them, and `cpu` reads their CPU time (Linux).
//! - [`footprint`] measures the cost of a server as a process.
//! - [`race`] creates the tables of the race, which compares servers.
//! - [`records`] reads and writes the results, and [`report`] generates a page from them.
//!
//! The program `measure` has the subcommands `load`, `footprint`, `race`, `report` and `diff`.

#[cfg(target_os = "linux")]
pub mod cpu;
pub mod footprint;
pub mod load;
pub mod race;
pub mod records;
pub mod report;
#[cfg(target_os = "linux")]
pub mod servers;
pub mod suite;
