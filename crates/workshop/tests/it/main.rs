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

use std::time::{Duration, Instant};

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
