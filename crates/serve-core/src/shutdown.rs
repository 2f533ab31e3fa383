//! The shutdown request, which threads can block on and tasks can await.

use std::time::Duration;

use crate::sync::{AtomicBool, Ordering};
use crate::waiters::Waiters;

/// A request to shut down, which cannot be withdrawn.
#[derive(Debug, Default)]
pub struct Shutdown {
    is_announced: AtomicBool,
    is_requested: AtomicBool,
    waiters: Waiters,
}

impl Shutdown {
    /// Requests the shutdown. The first call runs `before`, makes the request visible, and wakes
    /// the waiters. Later calls have no effect.
    pub(crate) fn request(&self, before: impl FnOnce()) {
        if !self.is_announced.swap(true, Ordering::SeqCst) {
            before();
            self.is_requested.store(true, Ordering::SeqCst);
            self.waiters.notify();
        }
    }

    /// Returns whether the shutdown has been requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }

    /// Waits until the shutdown is requested.
    pub async fn requested(&self) {
        self.waiters.wait_until(|| self.is_requested().then_some(())).await;
    }

    /// Blocks until the shutdown is requested.
    pub fn wait(&self) {
        self.wait_timeout(Duration::MAX);
    }

    /// Blocks until `pause` has passed or the shutdown is requested.
    pub fn wait_timeout(&self, pause: Duration) {
        self.waiters.block_until(pause, || self.is_requested().then_some(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_first_request_runs_its_function_before_it_is_visible() {
        let shutdown = Shutdown::default();
        assert!(!shutdown.is_requested());
        shutdown.request(|| assert!(!shutdown.is_requested()));
        shutdown.request(|| panic!("expected only the first request to run its function"));
        shutdown.wait();
    }

    #[test]
    fn a_request_wakes_every_waiting_thread() {
        let shutdown = Shutdown::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| shutdown.wait());
            }
            scope.spawn(|| shutdown.wait_timeout(Duration::MAX));
            shutdown.request(|| {});
        });
    }
}
