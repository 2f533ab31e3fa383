//! The wish to stop, which threads can block on and tasks can await.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_listener::{Event, Listener};

/// Requested once, never taken back. It needs no runtime: `event-listener` wakes threads and
/// tasks alike.
#[derive(Debug, Default)]
pub struct Shutdown {
    asked: AtomicBool,
    requested: AtomicBool,
    event: Event,
}

impl Shutdown {
    /// Asks to stop. Who asks first does something `before` anybody else learns of it.
    pub(crate) fn request(&self, before: impl FnOnce()) {
        if !self.asked.swap(true, Ordering::SeqCst) {
            before();
            self.requested.store(true, Ordering::SeqCst);
            self.event.notify(usize::MAX);
        }
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Waits until somebody asks to stop.
    pub async fn requested(&self) {
        while !self.is_requested() {
            let listener = self.event.listen();
            // It may have been asked for before we listened.
            if !self.is_requested() {
                listener.await;
            }
        }
    }

    /// [`requested`](Self::requested) for a thread.
    pub fn wait(&self) {
        while !self.is_requested() {
            let listener = self.event.listen();
            if !self.is_requested() {
                listener.wait();
            }
        }
    }

    /// Sleeps for `pause`, but not past the wish to stop.
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
    fn the_first_request_does_its_work_before_it_is_known() {
        let shutdown = Shutdown::default();
        assert!(!shutdown.is_requested());
        shutdown.request(|| assert!(!shutdown.is_requested()));
        shutdown.request(|| panic!("it is not the first"));
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
