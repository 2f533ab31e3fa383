//! The maximum number of open connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use event_listener::{Event, Listener};

/// A semaphore that threads can block on and tasks can await.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    max: usize,
    available: AtomicUsize,
    changed: Event,
}

impl ConnectionLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, available: AtomicUsize::new(max), changed: Event::new() }
    }

    /// Takes one connection from the limit. Returns false if none is available.
    pub(crate) fn try_acquire(&self) -> bool {
        let acquire = |available: usize| available.checked_sub(1);
        self.available.fetch_update(Ordering::SeqCst, Ordering::SeqCst, acquire).is_ok()
    }

    /// Returns one connection to the limit.
    pub(crate) fn release(&self) {
        self.available.fetch_add(1, Ordering::SeqCst);
        self.notify();
    }

    /// Makes all waiters check their condition again.
    pub(crate) fn notify(&self) {
        self.changed.notify(usize::MAX);
    }

    /// Returns true if no connection is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.available.load(Ordering::SeqCst) == self.max
    }

    /// Waits until `condition` returns a value. The condition is checked whenever a connection is
    /// released.
    pub(crate) async fn wait_until<T>(&self, condition: impl Fn() -> Option<T>) -> T {
        loop {
            if let Some(value) = condition() {
                return value;
            }
            let listener = self.changed.listen();
            // The condition may have become true before `listen`.
            if let Some(value) = condition() {
                return value;
            }
            listener.await;
        }
    }

    /// Blocks until `condition` returns a value. Returns `None` after `timeout`.
    pub(crate) fn block_until<T>(
        &self,
        timeout: Duration,
        condition: impl Fn() -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let listener = self.changed.listen();
            if let Some(value) = condition() {
                return Some(value);
            }
            match deadline {
                Some(deadline) => listener.wait_deadline(deadline)?,
                // `Instant` cannot represent such a late deadline, so there is none.
                None => listener.wait(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn connections_are_acquired_and_released() {
        let limit = ConnectionLimit::new(1);
        assert!(limit.is_idle());
        assert!(limit.try_acquire());
        assert!(!limit.try_acquire());
        assert!(!limit.is_idle());
        limit.release();
        assert!(limit.is_idle());
    }

    #[test]
    fn a_waiting_thread_acquires_the_released_connection() {
        let limit = ConnectionLimit::new(1);
        assert!(limit.try_acquire());
        let acquire = || limit.try_acquire().then_some(());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| limit.block_until(Duration::MAX, acquire));
            limit.release();
            assert_eq!(waiting.join().unwrap(), Some(()));
        });
    }

    #[test]
    fn blocking_ends_at_the_timeout() {
        let limit = ConnectionLimit::new(0);
        assert_eq!(limit.block_until(Duration::ZERO, || None::<()>), None);
    }
}
