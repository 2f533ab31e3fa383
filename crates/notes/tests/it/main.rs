//! The programs themselves, on small repositories made for the purpose.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod comparing;
mod pages;
mod repository;
#[cfg(target_os = "linux")]
mod runs;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(ended) = runs::main_of_server() {
        return ended;
    }
    let arguments = Arguments::from_args();
    let mut tests = [pages::TESTS, comparing::TESTS].concat();
    #[cfg(target_os = "linux")]
    tests.extend(runs::TESTS);
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
