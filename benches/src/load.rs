//! A load client that verifies the replies.
//!
//! A [`Plan`] describes what the clients do. [`run`] executes it and returns a [`Report`]. A
//! [`Job`] does the same, and another thread can watch it and release clients that do not read yet.
//!
//! Each thread runs one event loop for its share of the connections, and reads all of them into one
//! buffer. So the client needs much less CPU time than a server. The report contains this time.

mod connection;
mod failure;
mod job;
mod plan;
mod preamble;
mod report;
pub(crate) mod socket;
mod worker;

use std::io;

pub use failure::Kind;
pub use job::Job;
pub use plan::{Amount, Expected, Hold, Plan, descriptors};
pub use preamble::PreambleKind;
pub use report::{Percentiles, Report, Verified};

/// Executes a plan. The report contains the errors of connections.
pub fn run(plan: Plan) -> io::Result<Report> {
    Job::new(plan)?.run()
}
