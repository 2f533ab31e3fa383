//! Tests of `docs-tool` in small repositories.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(unix)]
mod book;
#[cfg(unix)]
mod columns;
mod comparing;
mod errors;
#[cfg(target_os = "linux")]
mod output;
mod pages;
mod pictures;
#[cfg(unix)]
mod player;
mod reading_time;
mod repository;
#[cfg(target_os = "linux")]
mod runs;
mod values;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

type Suite = &'static [(&'static str, fn())];

/// The tests that can run on this system.
const TESTS: &[Suite] = &[
    pages::TESTS,
    comparing::TESTS,
    errors::TESTS,
    pictures::TESTS,
    reading_time::TESTS,
    values::TESTS,
    #[cfg(unix)]
    book::TESTS,
    #[cfg(unix)]
    columns::TESTS,
    #[cfg(unix)]
    player::TESTS,
    #[cfg(target_os = "linux")]
    output::TESTS,
    #[cfg(target_os = "linux")]
    runs::TESTS,
];

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(ended) = runs::main_of_server() {
        return ended;
    }
    let arguments = Arguments::from_args();
    let trials = TESTS.concat().into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
