//! The deadlines of an event loop. The kernel has one timer per loop, which is the timeout of
//! `poll`. This module finds the earliest deadline of all connections, so a timer needs no system
//! call.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::Token;

/// The minimum time between two wakeups for deadlines. A loop with thousands of idle connections
/// then handles many deadlines per wakeup, each at most 10 ms late.
const WAIT_MIN: Duration = Duration::from_millis(10);

/// The maximum wait, because `Instant` cannot represent a deadline that is too late. When the wait
/// is over, the connection waits again.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The time for which the loop that tries `accept` after a pause keeps the other loops from trying,
/// too. The loop needs less time for the call, even on a busy machine.
const ATTEMPT_TIME: Duration = Duration::from_millis(100);

/// Returns the deadline of a wait that begins now.
pub(crate) fn deadline_after(wait: Duration) -> Instant {
    Instant::now() + wait.min(WAIT_MAX)
}

/// The deadline queue of an event loop, which has one deadline per connection.
#[derive(Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Token)>);

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
}

// ANCHOR: accept_pause
/// The pause after a failed `accept`. All loops share one pause, because the cause, such as a lack
/// of file descriptors, affects all of them. After the pause, only one loop calls `accept` again.
pub(crate) struct AcceptPause {
    started: Instant,
    /// The end of the pause in microseconds since `started`, or 0 if there is no pause.
    end_us: AtomicU64,
}

impl AcceptPause {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), end_us: AtomicU64::new(0) }
    }

    /// Starts a pause.
    pub(crate) fn start(&self, pause: Duration) {
        self.end_us.store(self.us_after(pause), Ordering::Relaxed);
    }

    /// Ends the pause, because `accept` did not fail.
    pub(crate) fn end(&self) {
        if self.end_us.load(Ordering::Relaxed) != 0 {
            self.end_us.store(0, Ordering::Relaxed);
        }
    }

    /// Returns the time until this loop may call `accept`, or `None` if the loop may call `accept`
    /// now. If the pause is over, the first loop that calls this method may call `accept`, and then
    /// starts or ends the pause. Meanwhile, the other loops wait.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let end_us = self.end_us.load(Ordering::Relaxed);
        if end_us == 0 {
            return None;
        }
        let now_us = self.us_after(Duration::ZERO);
        if now_us < end_us {
            return Some(Duration::from_micros(end_us - now_us));
        }
        let (next_us, order) = (self.us_after(ATTEMPT_TIME), Ordering::Relaxed);
        let attempt = self.end_us.compare_exchange(end_us, next_us, order, order);
        attempt.err().map(|_| WAIT_MIN)
    }

    fn us_after(&self, wait: Duration) -> u64 {
        // The sum overflows after 584,000 years.
        (self.started.elapsed() + wait).as_micros() as u64
    }
}
// ANCHOR_END: accept_pause
