//! The queue between the connections and the thread that writes the log.

use std::mem;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, lock};

/// A queue of limited length. Adding an item never waits. The queue counts the items that do not
/// fit.
#[derive(Debug)]
pub(crate) struct LogQueue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    items_max: usize,
}

#[derive(Debug)]
struct State<T> {
    /// The items that the writer has not yet taken.
    items: Vec<T>,
    /// The number of items that were dropped since the last call of [`LogQueue::take`].
    dropped: u64,
    /// The number of completed writes.
    writes: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The writer writes the remaining items.
    Closing,
    /// The writer has ended.
    Finished,
}

impl<T> LogQueue<T> {
    pub(crate) fn new(items_max: usize) -> Self {
        let state = State { items: Vec::new(), dropped: 0, writes: 0, phase: Phase::Open };
        Self { state: Mutex::new(state), changed: Condvar::default(), items_max }
    }

    /// Adds an item, or counts it if the queue is full. If the writer has ended, does nothing.
    /// Calls `item` while the queue is locked, so that the order of the calls is the order of the
    /// items.
    pub(crate) fn push(&self, item: impl FnOnce() -> T) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Finished {
            return;
        }
        if state.items.len() >= self.items_max {
            state.dropped += 1;
            return;
        }
        state.items.push(item());
        let is_first = state.items.len() == 1;
        drop(state);
        if is_first {
            self.changed.notify_all();
        }
    }

    /// Waits until the queue has items or is closed. Moves all items to `items`, which must be
    /// empty. If items were dropped, adds an item that `dropped_item` creates from their number.
    /// Returns whether the queue is still open.
    pub(crate) fn take(&self, items: &mut Vec<T>, dropped_item: impl FnOnce(u64) -> T) -> bool {
        let is_idle = |state: &mut State<T>| state.items.is_empty() && state.phase == Phase::Open;
        let state = self.changed.wait_while(lock(&self.state), is_idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.items, items);
        let dropped = mem::take(&mut state.dropped);
        if dropped > 0 {
            items.push(dropped_item(dropped));
        }
        state.phase == Phase::Open
    }

    /// Counts a completed write, so that [`finish`](Self::finish) continues to wait.
    pub(crate) fn record_write(&self) {
        lock(&self.state).writes += 1;
    }

    /// Waits for `pause` or until the queue is closed. Returns whether the queue is still open.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let is_open = |state: &mut State<T>| state.phase == Phase::Open;
        let result = self.changed.wait_timeout_while(lock(&self.state), pause, is_open);
        result.unwrap_or_else(PoisonError::into_inner).0.phase == Phase::Open
    }

    /// Records that the writer has ended, and discards all items.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.phase = Phase::Finished;
        state.items = Vec::new();
        drop(state);
        self.changed.notify_all();
    }

    /// Closes the queue. Waits until the writer has ended, until no write completes within
    /// `write_timeout`, or until `limit` has passed.
    pub(crate) fn finish(&self, write_timeout: Duration, limit: Duration) {
        let started = Instant::now();
        let mut state = lock(&self.state);
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            self.changed.notify_all();
        }
        let mut writes_before = None;
        while state.phase != Phase::Finished && writes_before != Some(state.writes) {
            writes_before = Some(state.writes);
            let timeout = write_timeout.min(limit.saturating_sub(started.elapsed()));
            let is_unfinished = |state: &mut State<T>| state.phase != Phase::Finished;
            let result = self.changed.wait_timeout_while(state, timeout, is_unfinished);
            state = result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
