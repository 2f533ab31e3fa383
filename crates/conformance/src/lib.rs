//! Black-box checks of the contract (docs/CONTRACT.md), for any server in any language.
//!
//! A [`Target`] is a command with placeholders. Each [`Check`] starts it anew, on a port of its own,
//! in a folder of its own, does something to it that the contract speaks of, and says whether the
//! contract held. So checks cannot spoil each other's verdict, they can run side by side, and one of
//! them can be run alone.
//!
//! Whatever could be mistaken for good behaviour is not: a server that ended early, a connection that
//! was refused, or a check that could not run never counts as held.

mod check;
mod checks;
mod client;
mod content;
mod measure;
#[cfg(feature = "program")]
mod report;
mod runner;
mod server;
mod system;
mod target;
mod text;

pub use check::{Check, Verdict};
pub use checks::ALL;
pub use measure::{Counted, Load, Measure, measure, reply_time};
#[cfg(feature = "program")]
pub use report::{Format, print};
pub use runner::{HEAVY_JOBS, Progress, Record, Wanted, preflight, run, run_one, run_pairs};
pub use system::{kill_all, kill_all_on_interrupt, kill_group, spawn_group};
pub use target::Target;
pub use text::wrapped;
