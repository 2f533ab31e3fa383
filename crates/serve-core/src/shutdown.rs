//! The shutdown request, which threads can block on and tasks can await.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_listener::{Event, Listener};

/// A request to shut down, which cannot be withdrawn. It needs no runtime: `event-listener` wakes
/// both threads and tasks.
#[derive(Debug, Default)]
pub struct Shutdown {
    is_announced: AtomicBool,
    is_requested: AtomicBool,
    event: Event,
}

impl Shutdown {
    /// Requests the shutdown. The first call runs `before` before any waiter sees the request.
    pub(crate) fn request(&self, before: impl FnOnce()) {
        if !self.is_announced.swap(true, Ordering::SeqCst) {
            before();
            self.is_requested.store(true, Ordering::SeqCst);
            self.event.notify(usize::MAX);
        }
    }

    /// Returns true if the shutdown is requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }

    /// Waits until the shutdown is requested.
    pub async fn requested(&self) {
        while !self.is_requested() {
            let listener = self.event.listen();
            // The request may have come before `listen`.
            if !self.is_requested() {
                listener.await;
            }
        }
    }

    /// Blocks until the shutdown is requested.
    pub fn wait(&self) {
        while !self.is_requested() {
            let listener = self.event.listen();
            if !self.is_requested() {
                listener.wait();
            }
        }
    }

    /// Blocks for `pause`, or until the shutdown is requested.
    pub fn wait_timeout(&self, pause: Duration) {
        let listener = self.event.listen();
        if !self.is_requested() {
            listener.wait_timeout(pause);
        }
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
