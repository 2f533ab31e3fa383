//! The load client, which sends requests to a server and verifies the replies.
//!
//! A [`Plan`] contains the settings of the clients. [`run`] executes a plan and returns a
//! [`Report`]. To observe the progress from another thread, or to let non-reading clients start to
//! read, create a [`Job`] from the plan.
//!
//! Each thread runs one event loop for its share of the connections. The thread reads from all
//! these connections into one buffer. Therefore, the load client needs much less CPU time than a
//! server. The report contains the CPU time of the load client.

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

/// Executes a plan and returns a report. The report also describes the connections that failed.
///
/// # Errors
///
/// Fails if this machine cannot execute the plan, for example because of its file descriptor limit.
pub fn run(plan: Plan) -> io::Result<Report> {
    Job::new(plan)?.run()
}
