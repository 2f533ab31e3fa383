//! The deadlines of an event loop. The kernel has one timer per loop, which is the timeout of
//! `poll`. This module finds the earliest deadline of all connections, so a timer needs no system
//! call.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Token;

/// The minimum time between two wakeups for deadlines. A loop with thousands of idle connections
/// then handles many deadlines per wakeup, each at most 10 ms late.
const WAIT_MIN: Duration = Duration::from_millis(10);

/// The maximum wait, because `Instant` cannot represent a deadline that is too far in the future.
/// When the wait is over, the connection waits again.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The time for which the other loops do not call `accept`, after one loop has called `accept` at
/// the end of a pause. The call needs less time, even on a busy machine.
const ATTEMPT_TIME: Duration = Duration::from_millis(100);

/// Returns the deadline of a wait that begins now.
pub(crate) fn deadline_after(wait: Duration) -> Instant {
    Instant::now() + wait.min(WAIT_MAX)
}

// ANCHOR: timers
/// The deadline queue of an event loop, which has one deadline per connection.
#[derive(Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Token)>);
// ANCHOR_END: timers

impl Timers {
    /// Replaces the deadline of a connection. A new connection has no previous deadline in the
    /// queue.
    pub(crate) fn set(&mut self, token: Token, previous: Instant, deadline: Instant) {
        if previous != deadline {
            self.remove(token, previous);
        }
        self.0.insert((deadline, token));
    }

    pub(crate) fn remove(&mut self, token: Token, deadline: Instant) {
        self.0.remove(&(deadline, token));
    }

    // ANCHOR: expired
    /// Removes and returns a connection whose deadline has passed.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<Token> {
        let &(deadline, token) = self.0.first()?;
        (deadline <= now).then(|| self.remove(token, deadline))?;
        Some(token)
    }

    /// Returns the time until the next deadline, or `None` if there is no deadline.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let (deadline, _) = self.0.first()?;
        Some(deadline.saturating_duration_since(Instant::now()).max(WAIT_MIN))
    }
    // ANCHOR_END: expired
}

/// The pause after a failed `accept`. All loops share one pause, because the cause, such as a lack
/// of file descriptors, affects all of them. After the pause, only one loop calls `accept` again.
#[derive(Default)]
pub(crate) struct AcceptPause(Mutex<Option<Instant>>);

impl AcceptPause {
    /// Starts a pause, or ends the pause if the argument is `None`.
    pub(crate) fn set(&self, pause: Option<Duration>) {
        *self.lock() = pause.map(deadline_after);
    }

    /// Returns the time until this loop may call `accept`, or `None` if the loop may call `accept`
    /// now. If the pause is over, the first loop that calls this method may call `accept`, and then
    /// calls [`set`](Self::set). Meanwhile, the other loops wait.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let mut end = self.lock();
        let remaining = (*end)?.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            *end = Some(deadline_after(ATTEMPT_TIME));
            return None;
        }
        Some(remaining)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
