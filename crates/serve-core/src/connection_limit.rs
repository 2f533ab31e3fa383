//! The maximum number of open connections.

use crate::sync::{AtomicUsize, Ordering};
use crate::waiters::Waiters;

/// A semaphore that threads can block on and tasks can await.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    max: usize,
    available: AtomicUsize,
    /// The threads and tasks that wait until a connection is released.
    pub(crate) waiters: Waiters,
}

impl ConnectionLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, available: AtomicUsize::new(max), waiters: Waiters::default() }
    }

    /// Acquires one connection, and returns `true`. Returns `false` if the limit is reached.
    pub(crate) fn try_acquire(&self) -> bool {
        let acquire = |available: usize| available.checked_sub(1);
        self.available.fetch_update(Ordering::SeqCst, Ordering::SeqCst, acquire).is_ok()
    }

    /// Releases one connection, and wakes the waiters.
    pub(crate) fn release(&self) {
        self.available.fetch_add(1, Ordering::SeqCst);
        self.waiters.notify();
    }

    /// Returns whether no connection is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.available.load(Ordering::SeqCst) == self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

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
            let waiting = scope.spawn(|| limit.waiters.block_until(Duration::MAX, acquire));
            limit.release();
            assert_eq!(waiting.join().unwrap(), Some(()));
        });
    }

    #[test]
    fn blocking_ends_at_the_timeout() {
        let limit = ConnectionLimit::new(0);
        assert_eq!(limit.waiters.block_until(Duration::ZERO, || None::<()>), None);
    }
}
