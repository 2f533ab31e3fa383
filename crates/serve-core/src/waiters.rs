//! Lets threads and tasks wait for a condition.

use std::time::{Duration, Instant};

use event_listener::{Event, Listener};

/// The threads and tasks that wait for a condition. This type does not need a runtime, because
/// `event-listener` wakes both threads and tasks.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    event: Event,
}

impl Waiters {
    /// Makes all waiters check their condition again. Call this method after each change that can
    /// make a condition true.
    pub(crate) fn notify(&self) {
        self.event.notify(usize::MAX);
    }

    /// Waits until `condition` returns a value, and returns the value.
    pub(crate) async fn wait_until<T>(&self, condition: impl Fn() -> Option<T>) -> T {
        loop {
            if let Some(value) = condition() {
                return value;
            }
            let listener = self.event.listen();
            // The condition may have become true before the call of `listen`.
            if let Some(value) = condition() {
                return value;
            }
            listener.await;
        }
    }

    /// Blocks until `condition` returns a value, and returns the value. Returns `None` after
    /// `timeout`.
    pub(crate) fn block_until<T>(
        &self,
        timeout: Duration,
        condition: impl Fn() -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let listener = self.event.listen();
            if let Some(value) = condition() {
                return Some(value);
            }
            match deadline {
                Some(deadline) => listener.wait_deadline(deadline)?,
                // `Instant` cannot represent a deadline this late, so wait without a deadline.
                None => listener.wait(),
            }
        }
    }
}
