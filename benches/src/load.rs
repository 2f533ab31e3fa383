//! A load client that verifies the replies.
//!
//! A [`Plan`] contains the settings of the clients. [`run`] executes a plan and returns a
//! [`Report`]. A [`Job`] also executes a plan. While the job runs, another thread can observe its
//! progress and let non-reading clients start to read.
//!
//! Each thread runs one event loop for its share of the connections, and reads from all of them
//! into one buffer. The client therefore needs much less CPU time than a server. The report
//! contains the client's CPU time.

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

/// Executes a plan. The report also describes the connections that failed.
///
/// # Errors
///
/// Fails if this machine cannot execute the plan, for example because of its file descriptor limit.
pub fn run(plan: Plan) -> io::Result<Report> {
    Job::new(plan)?.run()
}
