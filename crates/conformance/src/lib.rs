//! Black-box checks of the contract (docs/CONTRACT.md), for any server in any language.
//!
//! A [`Target`] is a command with placeholders. Each [`Check`] starts the command with a separate
//! port and a separate folder, tests one requirement of the contract, and returns a [`Verdict`].
//! Therefore, checks do not influence each other. Checks can run concurrently, and each check can
//! run alone.
//!
//! If a server exits early, a connection is refused, or a check cannot run, the verdict is never a
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
pub use measure::{Load, Measure, MeasuredValue, cpu_time_per_client, measure, reply_time};
#[cfg(feature = "program")]
pub use report::{Format, render};
pub use runner::{
    Filter, HEAVY_JOBS, LIGHT_JOBS, Progress, Record, preflight, run, run_one, run_pairs,
};
pub use target::Target;
pub use verdict::Verdict;
