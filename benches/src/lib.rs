//! Measures servers.
//!
//! - [`load`] is a client that verifies every reply and needs little CPU time.
//! - [`suite`] is what the Criterion suites (`benches/suites`) have in common.
//! - `servers` starts servers as processes and ends them, and `cpu` reads their CPU time (Linux).
//! - [`footprint`] measures the cost of a server as a process, and [`race`] makes the tables of a
//!   comparison of servers.
//! - [`records`] reads and writes the results, and [`report`] makes a page from them.
//!
//! The program `measure` has a subcommand for each of them.

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
