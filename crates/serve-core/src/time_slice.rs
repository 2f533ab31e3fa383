//! The time that a task may run before it yields.

use std::time::{Duration, Instant};

/// The time that a task may run before it yields. With 1 ms, yielding has no measurable cost, and
/// other clients do not notice a delay.
const TIME_SLICE: Duration = Duration::from_millis(1);

/// The time slice of a task on a worker thread. If a client keeps up with the server, the client's
/// task never waits. Such a task must yield, because otherwise no other task could run on the
/// thread.
#[derive(Debug)]
pub struct TimeSlice {
    started: Instant,
}

impl TimeSlice {
    /// Starts a time slice.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    // ANCHOR: time_slice
    /// Returns whether the task has run for 1 ms and must yield. If so, starts the next time slice.
    #[must_use]
    pub fn is_expired(&mut self) -> bool {
        let now = Instant::now();
        let is_expired = now.duration_since(self.started) >= TIME_SLICE;
        if is_expired {
            self.started = now;
        }
        is_expired
    }
    // ANCHOR_END: time_slice
}

impl Default for TimeSlice {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_slice_expires_once() {
        let mut time_slice = TimeSlice::new();
        time_slice.started -= TIME_SLICE;
        assert!(time_slice.is_expired());
        time_slice.started = Instant::now() + TIME_SLICE;
        assert!(!time_slice.is_expired());
    }
}
