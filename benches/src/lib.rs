//! What measures servers.
//!
//! [`load`] is a client that asks little of the machine, so that what is seen is the server. [`suite`]
//! is what the criterion suites (`benches/suites`) have in common; [`footprint`] is what a server costs
//! as a process; [`records`] is where results are, and [`report`] makes a page of them. The programs of
//! this package are `load`, which is the client's command line, `footprint`, `report`, and `peers`,
//! which lets the kit's servers race against each other and against those that people know.

#[cfg(target_os = "linux")]
pub mod cpu;
pub mod footprint;
pub mod load;
pub mod machine;
pub mod race;
pub mod records;
pub mod report;
#[cfg(target_os = "linux")]
pub mod servers;
pub mod suite;
pub mod table;
pub mod units;
