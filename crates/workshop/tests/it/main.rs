//! Tests of the commands for learners and authors, with a small folder of exercises.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod author;
#[cfg(unix)]
mod bad_input;
#[cfg(target_os = "linux")]
mod interrupts;
mod learner;
mod path;
mod sample;
#[cfg(unix)]
mod signals;
mod watching;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

type Suite = &'static [(&'static str, fn())];

/// The tests of each module that this system can run.
const TESTS: &[(&str, Suite)] = &[
    ("author", author::TESTS),
    #[cfg(unix)]
    ("bad_input", bad_input::TESTS),
    #[cfg(target_os = "linux")]
    ("interrupts", interrupts::TESTS),
    ("learner", learner::TESTS),
    ("path", path::TESTS),
    #[cfg(unix)]
    ("signals", signals::TESTS),
    ("watching", watching::TESTS),
];

fn main() -> ExitCode {
    let trials = TESTS.iter().flat_map(|&(module, tests)| {
        tests.iter().map(move |&(name, test)| {
            Trial::test(format!("{module}::{name}"), move || {
                test();
                Ok(())
            })
        })
    });
    let mut arguments = Arguments::from_args();
    // Many tests wait, so run more tests at the same time than a small machine has cores.
    arguments.test_threads = arguments.test_threads.or(Some(6));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Polls until a condition is true.
fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < sample::TIMEOUT, "timed out while waiting for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asserts that the text contains all of `words`.
fn assert_contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "expected \"{word}\" in:\n{text}");
    }
}
