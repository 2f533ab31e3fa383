//! The event log, which writes events to stdout, keeps them in memory for tests, or discards them.
//!
//! A connection never waits for the program that reads the log. It only adds its event to a bounded
//! queue. A separate thread, the writer, takes all events from the queue at most 100 times per
//! second. If the log is not read or the disk is full, the queue fills up. Further events are
//! dropped and counted, and an event `dropped` reports their number when the writer can write again
//! (clause 11 of the contract).

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::config::LogFormat;
use crate::event::{Event, EventKind};
use crate::log_queue::LogQueue;
use crate::sync::{self, Condvar, Mutex, lock};

/// The maximum number of events in the queue. An event needs about 200 bytes, including its preview
/// or message. Therefore, the queue needs at most about 3 MB.
const QUEUE_EVENTS_MAX: usize = 16_384;

/// The time for which the writer collects events after a write. One write per batch needs less CPU
/// time than a wakeup and a write per event. At 10,000 connections per second, a log with an
/// interval of 2 ms needs 5% more CPU time than no log. A log with an interval of 10 ms needs
/// almost no additional CPU time. Users do not notice a delay of 10 ms.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// The time between a failed write and the next attempt, for example while the disk is full. Ten
/// attempts per second need almost no CPU time.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The time limit for each write while [`EventLog::finish`] waits.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum length of one write, in bytes, which is the capacity of a pipe on Linux.
/// [`EventLog::finish`] counts completed writes to detect whether the log is read. A longer write
/// could take too long to complete.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// A function that appends an event to a string, as one line without a newline.
type PushLine = fn(&Event, &mut String) -> fmt::Result;

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
    Writer(Arc<LogQueue<Event>>),
}

/// The recorded events, for tests.
#[derive(Debug, Default)]
struct Memory {
    events: Mutex<Vec<Event>>,
    added: Condvar,
    observer: Option<fn(&Event)>,
}

impl EventLog {
    /// Returns a log that writes to stdout.
    ///
    /// # Errors
    ///
    /// Returns an error if the writer's thread cannot be started.
    pub fn to_stdout(format: LogFormat) -> io::Result<Self> {
        let push_line: PushLine = match format {
            LogFormat::Off => return Ok(Self::off()),
            LogFormat::Text => |event, out| fmt::Write::write_fmt(out, format_args!("{event}")),
            LogFormat::Json => Event::push_json,
        };
        Self::to_writer(io::stdout(), QUEUE_EVENTS_MAX, push_line)
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

    pub(crate) fn to_writer(
        writer: impl Write + Send + 'static,
        queue_events_max: usize,
        push_line: PushLine,
    ) -> io::Result<Self> {
        let started = Instant::now();
        let queue = Arc::new(LogQueue::new(queue_events_max));
        let writer_queue = Arc::clone(&queue);
        sync::spawn("event-log", move || {
            write_events(&writer_queue, started, writer, push_line);
        })?;
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
                memory.observer.inspect(|observer| observer(&event));
                events.push(event);
                memory.added.notify_all();
            }
            // The time is read while the queue is locked, so that the times in the log never
            // decrease.
            Sink::Writer(queue) => queue.push(|| Event { at_us: micros_since(self.started), kind }),
        }
    }

    /// Returns whether the log discards all events. If so, the caller does not have to create them.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.sink, Sink::Off)
    }

    /// Waits until all events are written, until no write completes within a second, or until a
    /// write fails.
    pub fn finish(&self) {
        self.finish_within(Duration::MAX);
    }

    /// Waits like [`finish`](Self::finish), but at most for `limit`.
    pub(crate) fn finish_within(&self, limit: Duration) {
        if let Sink::Writer(queue) = &self.sink {
            queue.finish(FINISH_TIMEOUT, limit);
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

/// Runs the writer, which writes batches of events until the log is closed and the queue is empty.
fn write_events(
    queue: &LogQueue<Event>,
    started: Instant,
    mut writer: impl Write,
    push_line: PushLine,
) {
    let mut events = Vec::new();
    let mut lines = String::new();
    let mut is_open = true;
    while is_open {
        is_open = queue.take(&mut events, |events| Event {
            at_us: micros_since(started),
            kind: EventKind::Dropped { events },
        });
        for event in events.drain(..) {
            push_line(&event, &mut lines).expect("writing to a String cannot fail");
            lines.push('\n');
        }
        let mut unwritten = lines.as_bytes();
        let mut tries_again = is_open;
        while let Err(error) = write_and_flush(&mut writer, &mut unwritten, || queue.record_write())
        {
            // Nothing can reopen a closed pipe, so the server continues without a log. After any
            // other error, the next attempt continues where the failed write stopped. Therefore, a
            // partial line is completed before the next line. The last attempt starts after the log
            // was closed.
            if error.kind() == io::ErrorKind::BrokenPipe || !tries_again {
                return queue.end();
            }
            tries_again = queue.pause(RETRY_INTERVAL);
        }
        lines.clear();
        if is_open {
            sync::sleep(BATCH_INTERVAL);
        }
    }
    queue.end();
}

/// Writes all bytes and flushes the writer. Removes the bytes that the writer has accepted from
/// `bytes`, even if a later write fails. Calls `record_write` after each write. Another program
/// that shares stdout can make stdout non-blocking. In that case, a write to a full pipe returns
/// `WouldBlock`, and this function repeats the write.
fn write_and_flush(
    writer: &mut impl Write,
    bytes: &mut &[u8],
    record_write: impl Fn(),
) -> io::Result<()> {
    loop {
        let part = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
        let written = if part.is_empty() { writer.flush().map(|()| 0) } else { writer.write(part) };
        match written {
            Ok(0) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                *bytes = &bytes[count..];
                record_write();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sync::sleep(BATCH_INTERVAL),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::{iter, thread};

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
        let mut bytes = &b"every byte of it\n"[..];
        write_and_flush(&mut writer, &mut bytes, || {}).unwrap();
        assert_eq!(bytes, b"");
        assert_eq!(accepted, b"every byte of it\n");
    }

    #[test]
    fn a_closed_stdout_ends_the_log() {
        let (sender, receiver) = mpsc::channel();
        let writer = WriteFn(move |_: &[u8]| {
            let _ = sender.send(());
            Err(io::ErrorKind::BrokenPipe.into())
        });
        let log = EventLog::to_writer(writer, QUEUE_EVENTS_MAX, Event::push_json).unwrap();
        log.record(EventKind::Shutdown);
        // The channel is closed when the writer ends, so the writer has tried only one write.
        assert_eq!(receiver.iter().count(), 1);
        log.record(EventKind::Shutdown);
        log.finish();
    }

    #[test]
    fn a_full_disk_delays_every_line_or_counts_it_as_dropped() {
        let (sender, failures) = mpsc::channel();
        let disk = Arc::new(Mutex::new(Disk { content: Vec::new(), space: 10 }));
        let writer_disk = Arc::clone(&disk);
        let writer = WriteFn(move |bytes: &[u8]| {
            let result = lock(&writer_disk).write(bytes);
            if result.is_err() {
                let _ = sender.send(());
            }
            result
        });
        let log = EventLog::to_writer(writer, 4, Event::push_json).unwrap();
        let record = |conn| log.record(EventKind::Disconnected { conn, sent: 0, received: 0 });
        record(1);
        // The writer has written a partial line. It fails twice, because it tries again.
        failures.recv().unwrap();
        failures.recv().unwrap();
        assert_eq!(lock(&disk).content.len(), 10);
        (2..=7).for_each(record);
        lock(&disk).space = usize::MAX;
        log.finish();
        let text = String::from_utf8(lock(&disk).content.clone()).unwrap();
        let fields = text.lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            (event["conn"].as_u64(), event["events"].as_u64())
        });
        let fit = (1..=5).map(|conn| (Some(conn), None));
        assert!(fields.eq(fit.chain([(None, Some(2))])), "{text}");
    }

    /// A disk with limited space.
    struct Disk {
        content: Vec<u8>,
        space: usize,
    }

    impl Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.space);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.extend(&bytes[..count]);
            self.space -= count;
            Ok(count)
        }
    }

    #[test]
    fn finish_does_not_wait_for_a_full_disk() {
        let writer = WriteFn(|_: &[u8]| Err(io::ErrorKind::StorageFull.into()));
        let log = EventLog::to_writer(writer, QUEUE_EVENTS_MAX, Event::push_json).unwrap();
        log.record(EventKind::Shutdown);
        let started = Instant::now();
        log.finish();
        let elapsed = started.elapsed();
        assert!(elapsed < FINISH_TIMEOUT, "expected less than {FINISH_TIMEOUT:?}, got {elapsed:?}");
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
        let push_line: PushLine = |_, line| {
            line.extend(iter::repeat_n('x', WRITE_BYTES_MAX - 1));
            Ok(())
        };
        let log = EventLog::to_writer(writer, QUEUE_EVENTS_MAX, push_line).unwrap();
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
        let log = EventLog::to_writer(writer, QUEUE_EVENTS_MAX, Event::push_json).unwrap();
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
