//! Tests the load client, the suites, and the program `measure`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod charts;
#[cfg(target_os = "linux")]
mod footprint;
#[cfg(target_os = "linux")]
mod interrupt;
mod load;
mod pace;
#[cfg(target_os = "linux")]
mod participants;
mod preamble;
mod program;
mod records;
mod report;
mod servers;
mod soak;
mod suites;
mod tables;

use std::panic;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The maximum duration of a test. This time is sufficient even on slow machines.
const DEADLINE: Duration = Duration::from_secs(60);

/// Calls `act` and returns the result of `act`. Panics if `act` does not return within
/// [`DEADLINE`].
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::channel();
    let worker = thread::spawn(move || {
        let result = act();
        let _ = done.send(());
        result
    });
    let waited = ended.recv_timeout(DEADLINE);
    assert_ne!(waited, Err(RecvTimeoutError::Timeout), "the test did not end within {DEADLINE:?}");
    worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}
