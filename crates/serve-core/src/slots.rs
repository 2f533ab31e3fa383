//! How many clients there may be at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use event_listener::{Event, Listener};

/// A count of free places, which threads can block on and tasks can await.
#[derive(Debug)]
pub(crate) struct Slots {
    total: usize,
    free: AtomicUsize,
    released: Event,
}

impl Slots {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, free: AtomicUsize::new(total), released: Event::new() }
    }

    /// Takes a place if one is free.
    pub(crate) fn try_take(&self) -> bool {
        let take = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    /// Gives a place back.
    pub(crate) fn release(&self) {
        self.free.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    /// Makes all who wait look again.
    pub(crate) fn wake(&self) {
        self.released.notify(usize::MAX);
    }

    /// Whether all places are free.
    pub(crate) fn is_idle(&self) -> bool {
        self.free.load(Ordering::SeqCst) == self.total
    }

    /// Waits until `look`, which looks again whenever a place is given back, finds something.
    pub(crate) async fn when<T>(&self, look: impl Fn() -> Option<T>) -> T {
        loop {
            if let Some(found) = look() {
                return found;
            }
            let listener = self.released.listen();
            // A place may have been given back before we listened.
            if let Some(found) = look() {
                return found;
            }
            listener.await;
        }
    }

    /// [`when`](Self::when) for a thread, and no longer than `timeout`.
    pub(crate) fn wait_for<T>(&self, timeout: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let listener = self.released.listen();
            if let Some(found) = look() {
                return Some(found);
            }
            match deadline {
                Some(deadline) => listener.wait_deadline(deadline)?,
                // So far away that it is never.
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
    fn places_are_taken_and_given_back() {
        let slots = Slots::new(1);
        assert!(slots.is_idle());
        assert!(slots.try_take());
        assert!(!slots.try_take());
        assert!(!slots.is_idle());
        slots.release();
        assert!(slots.is_idle());
    }

    #[test]
    fn a_waiting_thread_gets_the_place_that_is_given_back() {
        let slots = Slots::new(1);
        assert!(slots.try_take());
        thread::scope(|scope| {
            let waiting =
                scope.spawn(|| slots.wait_for(Duration::MAX, || slots.try_take().then_some(())));
            slots.release();
            assert_eq!(waiting.join().unwrap(), Some(()));
        });
    }

    #[test]
    fn waiting_ends_at_its_timeout() {
        let slots = Slots::new(0);
        assert_eq!(slots.wait_for(Duration::ZERO, || None::<()>), None);
    }
}
