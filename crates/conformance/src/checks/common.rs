//! Imports and constants that most checks use.

pub use std::thread;
pub use std::time::{Duration, Instant};

pub use harness::fixture::noise;
pub use harness::{Signal, usage};

pub use crate::check::Check;
pub(crate) use crate::check::Run::{Heavy, Light};
pub use crate::client::{Client, Ending};
pub use crate::server::Server;
pub use crate::stage::{Stage, Start};
pub use crate::target::Settings;
pub(crate) use crate::verdict::{Context, Outcome, Stop, demand};

pub const MIB: usize = 1 << 20;

/// The length of a file that does not fit into the kernel's buffers for a non-reading client.
pub const LONG_BYTES: u64 = 64 << 20;

/// The fraction of a timeout for which a server must not yet disconnect a client.
pub const EARLY: f32 = 0.8;

/// The number of wake-ups in 0.3 s that a waiting server must not reach. A server that wakes up every
/// 10 ms wakes up more often.
pub const WAKEUPS_MAX: u64 = 20;

/// The number of wake-ups in 0.3 s that a server must not reach while it tries to accept clients
/// without success. Several threads of a runtime may wake up after each attempt.
pub const RETRYING_WAKEUPS_MAX: u64 = 60;

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

/// Runs a function for each value concurrently. Returns the first failure, in the order of the
/// values.
pub fn for_each_value<T: Copy + Send>(values: &[T], run: impl Fn(T) -> Outcome + Sync) -> Outcome {
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = values.iter().map(|&value| scope.spawn(move || run(value))).collect();
        let panicked = |_| Err(Stop::fail("the check itself panicked"));
        let outcomes: Vec<Outcome> =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect();
        outcomes.into_iter().collect()
    })
}

/// Waits until a point in time.
pub fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}
