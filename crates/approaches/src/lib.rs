//! The table of all siblings. Tests, benchmarks and checks iterate over this table, so that a new
//! sibling requires only one additional line in the table.

use std::env;
use std::process::ExitCode;

use serve_core::Approach;

/// All siblings, in the order in which the lessons introduce them.
pub const ALL: [&Approach; 5] = [
    &serve_std::APPROACH,
    &serve_tokio::APPROACH,
    &serve_async_std::APPROACH,
    &serve_smol::APPROACH,
    &serve_mio::APPROACH,
];

/// The optional siblings that this build contains. The feature `compio` adds the compio sibling.
pub const OPTIONAL: &[&Approach] = &[
    #[cfg(feature = "compio")]
    &serve_compio::APPROACH,
];

/// Returns all siblings of this build. The tables with one column per sibling contain only [`ALL`].
pub fn built() -> impl Iterator<Item = &'static Approach> {
    ALL.into_iter().chain(OPTIONAL.iter().copied())
}

/// Returns the sibling with this name, such as `tokio` for `serve-tokio`. Returns `None` if there
/// is no sibling with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Approach> {
    built().find(|approach| approach.name == name)
}

/// Runs a sibling if the process was started as `PROGRAM serve-tokio …`, and returns the sibling's
/// exit code. Returns `None` if the first argument is not the name of a sibling's program.
///
/// Programs of tests and benchmarks call this function at the beginning of `main`. To run a sibling
/// as a separate process, such a program starts its own executable with these arguments. Therefore,
/// the new process always runs the version of the sibling with which the executable was built.
#[must_use]
pub fn main_of_server() -> Option<ExitCode> {
    let name = env::args_os().nth(1)?.into_string().ok()?;
    let approach = by_name(name.strip_prefix("serve-")?)?;
    Some(serve_core::main_with_args(approach, env::args_os().skip(1)))
}
