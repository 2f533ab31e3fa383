//! Black-box checks of the contract (docs/CONTRACT.md), for any server in any language.
//!
//! A [`Target`] is a command with placeholders. Each [`Check`] starts the command on a separate
//! port and in a separate folder, tests one requirement of the contract, and returns a [`Verdict`].
//! Therefore, checks cannot influence each other. They can run concurrently, and each check can run
//! alone.
//!
//! A server that ended early, a refused connection, or a check that could not run never counts as a
//! pass.

mod check;
mod checks;
mod client;
mod difference;
mod measure;
mod process;
#[cfg(feature = "program")]
mod report;
mod runner;
mod server;
mod stage;
mod target;
mod verdict;

pub use check::Check;
pub use checks::{ALL, RENAMED};
pub use measure::{Load, Measure, MeasuredValue, measure, reply_time};
#[cfg(feature = "program")]
pub use report::{Format, render};
pub use runner::{
    Filter, HEAVY_JOBS, LIGHT_JOBS, Progress, Record, preflight, run, run_one, run_pairs,
};
pub use target::Target;
pub use verdict::Verdict;
