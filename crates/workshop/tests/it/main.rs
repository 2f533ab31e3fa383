//! The runner as a learner and an author start it, with a small folder of exercises.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod author;
mod learner;
mod sample;

use std::time::{Duration, Instant};

/// Waits for something that nobody tells of.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < sample::PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The text has all of these.
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "\"{word}\" is not in:\n{text}");
    }
}
