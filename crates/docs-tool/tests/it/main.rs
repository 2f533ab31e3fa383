//! The programs themselves, on small repositories made for the purpose.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod book;
mod comparing;
mod figures;
mod pages;
mod repository;
#[cfg(target_os = "linux")]
mod runs;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Only Linux runs commands.
const RUNS: &[(&str, fn())] = {
    #[cfg(target_os = "linux")]
    {
        runs::TESTS
    }
    #[cfg(not(target_os = "linux"))]
    {
        &[]
    }
};

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(ended) = runs::main_of_server() {
        return ended;
    }
    let arguments = Arguments::from_args();
    let tests = [pages::TESTS, figures::TESTS, comparing::TESTS, book::TESTS, RUNS].concat();
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
