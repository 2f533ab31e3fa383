//! The load client, before servers that are right and before servers that are wrong in known ways.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

#[cfg(target_os = "linux")]
mod footprint;
mod load;
mod program;
mod records;
mod report;
mod servers;
mod suites;

use std::panic;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Longer than any test takes, on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Does something that has to end in time.
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::channel();
    let worker = thread::spawn(move || {
        let result = act();
        let _ = done.send(());
        result
    });
    let waited = ended.recv_timeout(DEADLINE);
    assert_ne!(waited, Err(RecvTimeoutError::Timeout), "no end within {DEADLINE:?}");
    worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}
