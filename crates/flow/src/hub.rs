//! Keeps the most recent lines, and passes new lines to all subscribers.

mod dropped;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::trace::{Header, Line};

use dropped::Dropped;

/// The maximum length of all kept lines in bytes. With 2 servers and 1,000 connections each, this
/// is about one minute. Older lines are dropped.
pub const MAX_HISTORY_BYTES: usize = 64 << 20;

/// The lines of a trace that is being recorded.
pub struct Hub {
    header: Header,
    start: Instant,
    max_bytes: usize,
    history: Mutex<History>,
    /// The number of the next line. Subscribers wait for a change.
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct History {
    /// Each element is one JSON line without the newline.
    lines: VecDeque<Box<str>>,
    /// The number of the first element of `lines`.
    first: u64,
    bytes: usize,
    dropped: Dropped,
}

/// Lines, and the number of the line after them.
pub struct Batch {
    /// JSON lines, each with a newline.
    pub text: String,
    pub next: u64,
    /// Whether lines between the requested number and the first line of this batch were dropped.
    pub has_gap: bool,
    /// The time of the last dropped line. If `has_gap` is true, the batch begins with the values at
    /// this time.
    pub begin_us: u64,
}

impl Hub {
    /// Creates a hub. The times of all lines count from this moment.
    #[must_use]
    pub fn new(header: Header) -> Self {
        Self::with_max(header, MAX_HISTORY_BYTES)
    }

    /// Creates a hub that keeps lines of at most this length.
    pub(crate) fn with_max(header: Header, max_bytes: usize) -> Self {
        let (history, next) = (Mutex::default(), watch::Sender::new(0));
        Self { header, start: Instant::now(), max_bytes, history, next }
    }

    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the microseconds since the start of the trace.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    /// Converts a moment to microseconds since the start of the trace.
    #[must_use]
    pub fn at_us(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX)
    }

    /// Appends lines, and wakes all subscribers.
    pub fn push(&self, lines: impl IntoIterator<Item = Line>) {
        let lines = lines.into_iter().map(|line| {
            serde_json::to_string(&line).expect("a line has no map with keys that are not strings")
        });
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            history.bytes += line.len();
            history.lines.push_back(line.into_boxed_str());
        }
        while history.bytes > self.max_bytes {
            let Some(line) = history.lines.pop_front() else { break };
            history.bytes -= line.len();
            history.first += 1;
            history.dropped.add(&line);
        }
        let next = history.first + history.lines.len() as u64;
        drop(history);
        self.next.send_replace(next);
    }

    /// Returns the lines, starting with the line that has this number.
    #[must_use]
    pub fn since(&self, number: u64) -> Batch {
        self.batch(number, usize::MAX)
    }

    /// Returns lines, starting with the line that has this number, until their length reaches
    /// `bytes`.
    ///
    /// If lines were dropped, the batch begins with lines that contain the values of each server,
    /// thread and connection that existed when the last line was dropped.
    #[must_use]
    pub fn batch(&self, number: u64, bytes: usize) -> Batch {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let end = history.first + history.lines.len() as u64;
        // A number after the end belongs to an earlier run of the program.
        let has_gap = number < history.first || number > end;
        let mut next = if has_gap { history.first } else { number };
        let mut text = if has_gap { history.dropped.lines() } else { String::new() };
        // The values of the dropped lines do not count, so that each batch contains further lines.
        let max_bytes = text.len().saturating_add(bytes);
        let skipped = usize::try_from(next - history.first).expect("the line is in the history");
        for line in history.lines.range(skipped..) {
            if text.len() >= max_bytes {
                break;
            }
            text.push_str(line);
            text.push('\n');
            next += 1;
        }
        Batch { text, next, has_gap, begin_us: history.dropped.at_us() }
    }

    /// Returns a receiver that changes whenever lines are appended.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Connection, State, VERSION};

    /// The maximum length of the history in bytes.
    const MAX_BYTES: usize = 1000;

    fn hub() -> Hub {
        let (system, servers) = ("linux".to_owned(), vec!["one".to_owned()]);
        let header = Header { flow_trace: VERSION, system, file_bytes: 10, servers };
        Hub::with_max(header, MAX_BYTES)
    }

    fn connection(connection: u32) -> Line {
        Line::Connection(Connection { connection, ..Connection::default() })
    }

    #[test]
    fn a_batch_is_limited_and_can_be_continued() {
        let hub = hub();
        hub.push((1..=10).map(connection));
        let first = hub.batch(0, 100);
        assert!(!first.has_gap);
        assert!((100..200).contains(&first.text.len()), "{}", first.text.len());
        let rest = hub.batch(first.next, usize::MAX);
        assert_eq!(first.text + &rest.text, hub.since(0).text);
        assert_eq!(rest.next, 10);
        assert_eq!(hub.batch(10, 100).text, "");
        assert!(hub.batch(11, 100).has_gap, "the number belongs to an earlier run");
    }

    #[test]
    fn old_lines_are_dropped_and_their_last_values_are_kept() {
        let hub = hub();
        hub.push((1..=1000).map(|at_us| {
            let connection = u32::try_from(at_us % 2 + 1).unwrap();
            let state = Some(State::Writing);
            Line::Connection(Connection { at_us, connection, state, ..Connection::default() })
        }));
        let batch = hub.batch(500, usize::MAX);
        assert!(batch.has_gap);
        assert_eq!(batch.next, 1000);
        assert!((900..MAX_BYTES + 200).contains(&batch.text.len()), "{}", batch.text.len());
        let lines = batch.text.lines().map(|line| match serde_json::from_str(line).unwrap() {
            Line::Connection(connection) => (connection.at_us, connection.connection),
            other => panic!("expected a connection, got {other:?}"),
        });
        let lines: Vec<_> = lines.collect();
        let begin = batch.begin_us;
        assert_eq!(lines[..2], [(begin, 1), (begin, 2)], "the last values");
        assert_eq!(lines[2].0, begin + 1);
        assert_eq!(lines.last(), Some(&(1000, 1)));
        assert!(!hub.batch(999, usize::MAX).has_gap);
    }
}
