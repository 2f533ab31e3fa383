//! A client that loads a server, and looks closely at what it gets.
//!
//! A [`Plan`] says what to do; [`run`] does it and makes a [`Report`]. A [`Job`] is the same for who
//! wants to watch, or to say when clients that are held may go on.
//!
//! Every thread is one event loop over its share of the connections. A connection is a small state
//! machine without memory of its own: all of a thread's connections are read into one buffer. So it
//! costs much less than a server does, and what it costs is in the report.

use std::io;

mod connection;
mod error;
mod expected;
mod job;
mod plan;
mod preamble;
mod report;
mod socket;
mod worker;

pub use error::Kind;
pub use expected::Expected;
pub use job::Job;
pub use plan::{Amount, DEFAULT_REQUEST, DEFAULT_TIMEOUT, Hold, Plan, descriptors};
pub use preamble::PreambleKind;
pub use report::{Percentiles, Report, Verified};

/// Does what a plan says.
///
/// # Errors
///
/// When the plan cannot be carried out here; what goes wrong with connections is in the report.
pub fn run(plan: Plan) -> io::Result<Report> {
    Job::new(plan)?.run()
}
