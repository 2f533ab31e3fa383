//! The one table of all siblings. Whoever compares them (tests, benches, checks) goes through it,
//! so that a new sibling is one more line here.

use std::env;
use std::process::ExitCode;

use serve_core::Approach;

/// All siblings, in the order in which the lessons meet them.
pub const ALL: [&Approach; 4] = [
    &serve_std::APPROACH,
    &serve_tokio::APPROACH,
    &serve_async_std::APPROACH,
    &serve_smol::APPROACH,
];

/// The sibling of a name, as in `serve-NAME`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Approach> {
    ALL.into_iter().find(|approach| approach.name == name)
}

/// A program that asks this before all else can be started as any sibling: called as
/// `PROGRAM serve-tokio …`, it is that server, and this is its exit code. So whoever needs a sibling
/// as a process starts itself, and always runs what it was built with.
#[must_use]
pub fn main_of_server() -> Option<ExitCode> {
    let name = env::args_os().nth(1)?.into_string().ok()?;
    let approach = by_name(name.strip_prefix("serve-")?)?;
    Some(serve_core::main_with_args(approach, env::args_os().skip(1)))
}
