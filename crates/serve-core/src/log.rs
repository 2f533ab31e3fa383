//! The event log, which writes events to stdout, keeps them in memory for tests, or discards them.
//!
//! A connection never waits for the program that reads the log. It only adds its event to a bounded
//! queue. A separate thread, the writer, takes all events from the queue at most 100 times per
//! second. If the log is not read, the queue fills up. Further events are dropped and counted, and
//! an event `dropped` reports their number when the log is read again (clause 11 of the contract).

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::LogFormat;
use crate::event::{Event, EventKind};

/// The maximum number of events in the queue. An event needs about 200 bytes, including its preview
/// or message. Therefore, the queue needs at most about 3 MB.
const QUEUE_EVENTS_MAX: usize = 16_384;

/// The time for which the writer collects events after a write. One write per batch needs less CPU
/// time than a wakeup and a write per event. At 10,000 connections per second, a log with an
/// interval of 2 ms needs 5% more CPU time than no log. A log with an interval of 10 ms needs
/// almost no additional CPU time. Users do not notice a delay of 10 ms.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// The time limit for each write while [`EventLog::finish`] waits.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum length of one write, in bytes, which is the capacity of a pipe on Linux.
/// [`EventLog::finish`] counts completed writes to detect whether the log is read. A longer write
/// could take too long to complete.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// The event log of a server. Events are in the order in which they were recorded.
#[derive(Debug)]
pub struct EventLog {
    started: Instant,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Off,
    Memory(Memory),
    Writer(Arc<Queue>),
}

/// The recorded events, for tests.
#[derive(Debug, Default)]
struct Memory {
    events: Mutex<Vec<Event>>,
    added: Condvar,
    observer: Option<fn(&Event)>,
}

/// The queue between the connections and the writer.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    /// The number of completed writes.
    writes: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    /// The events that the writer has not yet taken.
    events: Vec<Event>,
    /// The number of events that were dropped since the last `dropped` event.
    dropped: u64,
    phase: Phase,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Closing,
    Finished,
}

impl EventLog {
    /// Returns a log that writes to stdout.
    ///
    /// # Errors
    ///
    /// Returns an error if the writer's thread cannot be started.
    pub fn to_stdout(format: LogFormat) -> io::Result<Self> {
        match format {
            LogFormat::Off => Ok(Self::off()),
            LogFormat::Text => Self::to_writer(io::stdout(), |event, out| {
                fmt::Write::write_fmt(out, format_args!("{event}"))
            }),
            LogFormat::Json => Self::to_writer(io::stdout(), Event::push_json),
        }
    }

    /// Returns a log that discards all events.
    #[must_use]
    pub fn off() -> Self {
        Self { started: Instant::now(), sink: Sink::Off }
    }

    /// Returns a log that keeps all events in memory without a limit, for tests.
    #[must_use]
    pub fn memory() -> Self {
        Self { started: Instant::now(), sink: Sink::Memory(Memory::default()) }
    }

    /// Returns a log that keeps all events in memory, for tests that check the state of the process
    /// when an event is recorded. The log calls `observer` for each event, on the thread that
    /// records the event.
    #[must_use]
    pub fn memory_with_observer(observer: fn(&Event)) -> Self {
        let memory = Memory { observer: Some(observer), ..Memory::default() };
        Self { started: Instant::now(), sink: Sink::Memory(memory) }
    }

    fn to_writer(
        writer: impl Write + Send + 'static,
        push_line: fn(&Event, &mut String) -> fmt::Result,
    ) -> io::Result<Self> {
        let started = Instant::now();
        let queue = Arc::new(Queue::default());
        let writer_queue = Arc::clone(&queue);
        thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || write_events(&writer_queue, started, writer, push_line))?;
        Ok(Self { started, sink: Sink::Writer(queue) })
    }

    /// Adds an event with the current time. This method never waits for the program that reads the
    /// log.
    pub fn record(&self, kind: EventKind) {
        match &self.sink {
            Sink::Off => {}
            Sink::Memory(memory) => {
                let mut events = lock(&memory.events);
                let event = Event { at_us: micros_since(self.started), kind };
                if let Some(observer) = memory.observer {
                    observer(&event);
                }
                events.push(event);
                memory.added.notify_all();
            }
            Sink::Writer(queue) => {
                // The time is read while the lock is held, so that the times in the log never
                // decrease.
                let mut state = lock(&queue.state);
                let at_us = micros_since(self.started);
                if state.events.len() >= QUEUE_EVENTS_MAX {
                    state.dropped += 1;
                    return;
                }
                state.events.push(Event { at_us, kind });
                let is_first = state.events.len() == 1;
                drop(state);
                if is_first {
                    queue.changed.notify_all();
                }
            }
        }
    }

    /// Returns whether the log discards all events. If so, the caller does not have to create them.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.sink, Sink::Off)
    }

    /// Waits until all events are written, or until no write completes within a second.
    pub fn finish(&self) {
        let Sink::Writer(queue) = &self.sink else { return };
        let mut state = lock(&queue.state);
        state.phase = Phase::Closing;
        queue.changed.notify_all();
        let mut writes_before = None;
        while state.phase != Phase::Finished {
            let writes = queue.writes.load(Ordering::Relaxed);
            if writes_before.replace(writes) == Some(writes) {
                break;
            }
            let is_unfinished = |state: &mut QueueState| state.phase != Phase::Finished;
            let result = queue.changed.wait_timeout_while(state, FINISH_TIMEOUT, is_unfinished);
            state = result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns the events in a [`memory`](Self::memory) log, or an empty vector for other logs.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        match &self.sink {
            Sink::Memory(memory) => lock(&memory.events).clone(),
            Sink::Off | Sink::Writer(_) => Vec::new(),
        }
    }

    /// Waits until the events in a [`memory`](Self::memory) log meet a condition. Returns `false`
    /// if the events do not meet the condition within `timeout`.
    #[must_use]
    pub fn wait_until(&self, timeout: Duration, condition: impl Fn(&[Event]) -> bool) -> bool {
        let Sink::Memory(memory) = &self.sink else { return false };
        let events = lock(&memory.events);
        let (events, _) = memory
            .added
            .wait_timeout_while(events, timeout, |events| !condition(events))
            .unwrap_or_else(PoisonError::into_inner);
        condition(&events)
    }
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Locks a mutex even if a thread panicked while it held the lock, so that the log continues to
/// work. The data is valid even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the writer, which writes batches of events until the log is closed and the queue is empty.
fn write_events(
    queue: &Queue,
    started: Instant,
    mut writer: impl Write,
    push_line: fn(&Event, &mut String) -> fmt::Result,
) {
    let mut events = Vec::new();
    let mut lines = String::new();
    let mut is_open = true;
    let mut can_write = true;
    while is_open {
        {
            let state = lock(&queue.state);
            let is_idle = |s: &mut QueueState| s.events.is_empty() && s.phase == Phase::Open;
            let state = queue.changed.wait_while(state, is_idle);
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut state.events, &mut events);
            is_open = state.phase == Phase::Open;
            let dropped = mem::take(&mut state.dropped);
            if dropped > 0 {
                let kind = EventKind::Dropped { events: dropped };
                events.push(Event { at_us: micros_since(started), kind });
            }
        }
        for event in events.drain(..) {
            push_line(&event, &mut lines).expect("writing to a String cannot fail");
            lines.push('\n');
        }
        // After an error, for example because stdout is closed, the server continues without a log.
        can_write =
            can_write && write_and_flush(&mut writer, lines.as_bytes(), &queue.writes).is_ok();
        lines.clear();
        if is_open {
            thread::sleep(BATCH_INTERVAL);
        }
    }
    lock(&queue.state).phase = Phase::Finished;
    queue.changed.notify_all();
}

/// Writes all bytes and flushes the writer. Another program that shares stdout can make stdout
/// non-blocking. In that case, a write to a full pipe returns `WouldBlock`, and this function
/// repeats the write.
fn write_and_flush(
    writer: &mut impl Write,
    mut bytes: &[u8],
    writes: &AtomicU64,
) -> io::Result<()> {
    loop {
        let part = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
        let written = if part.is_empty() { writer.flush().map(|()| 0) } else { writer.write(part) };
        match written {
            Ok(0) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                writes.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(BATCH_INTERVAL)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;
    use std::sync::mpsc;

    /// A writer that passes the bytes of each write to a function.
    struct WriteFn<F>(F);

    impl<F: FnMut(&[u8]) -> io::Result<usize>> Write for WriteFn<F> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_non_blocking_stdout_loses_no_data() {
        let mut accepted: Vec<u8> = Vec::new();
        let mut is_full = false;
        // Rejects every second write. Accepts at most three bytes of each of the other writes.
        let mut writer = WriteFn(|bytes: &[u8]| {
            is_full = !is_full;
            if is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(3);
            accepted.extend(&bytes[..count]);
            Ok(count)
        });
        write_and_flush(&mut writer, b"every byte of it\n", &AtomicU64::new(0)).unwrap();
        assert_eq!(accepted, b"every byte of it\n");
    }

    #[test]
    fn a_closed_stdout_is_an_error() {
        let mut writer = WriteFn(|_: &[u8]| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(write_and_flush(&mut writer, b"line\n", &AtomicU64::new(0)).is_err());
    }

    #[test]
    fn finish_waits_for_a_slow_reader() {
        let (sender, receiver) = mpsc::channel();
        let writer = WriteFn(move |bytes: &[u8]| {
            // All writes together take longer than the timeout, but a single write does not.
            thread::sleep(FINISH_TIMEOUT / 4);
            let _ = sender.send(bytes.len());
            Ok(bytes.len())
        });
        let log = EventLog::to_writer(writer, |_, line| {
            line.extend(iter::repeat_n('x', WRITE_BYTES_MAX - 1));
            Ok(())
        })
        .unwrap();
        for _ in 0..6 {
            log.record(EventKind::Shutdown);
        }
        log.finish();
        assert_eq!(receiver.try_iter().sum::<usize>(), 6 * WRITE_BYTES_MAX);
    }

    #[test]
    fn finish_writes_all_events_in_order() {
        let (sender, receiver) = mpsc::channel();
        let writer = WriteFn(move |bytes: &[u8]| {
            let _ = sender.send(bytes.to_vec());
            Ok(bytes.len())
        });
        let log = EventLog::to_writer(writer, Event::push_json).unwrap();
        for conn in 1..=1000 {
            log.record(EventKind::Disconnected { conn, sent: 0, received: 0 });
        }
        log.finish();
        drop(log);
        let text = String::from_utf8(receiver.try_iter().flatten().collect()).unwrap();
        let conns = text.lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["conn"].as_u64().unwrap()
        });
        assert!(conns.eq(1..=1000), "{text}");
    }
}
