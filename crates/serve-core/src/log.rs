//! Where events go: to stdout by a thread of its own, to memory for tests, or nowhere.
//!
//! A client never waits for whoever reads the log. It only puts its event into a bounded queue;
//! the writer takes the whole queue at once, a few hundred times a second at most. When nobody
//! reads, the queue fills, what does not fit is counted, and an event `dropped` tells the count
//! once it flows again (clause 11 of the contract).

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::LogFormat;
use crate::event::{Event, EventKind};

/// The most events that wait for the writer. At 200 bytes each (88 of them the event, the rest a
/// preview or a message) that bounds the queue's memory to about 3 MB.
const QUEUE_EVENTS_MAX: usize = 16_384;

/// How long the writer gathers after a write. One write for a batch costs the clients less than
/// a wake-up and a write for each line: with 2 ms between them, 10,000 connections a second cost a
/// twentieth more processor time than without a log, with 10 ms next to none more. Nobody sees 10 ms.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// How long [`EventLog::finish`] waits for a reader that does not read.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The most bytes of one write, so that it is seen whether somebody reads: a pipe's size on Linux.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// A server's events, in the order in which they happened.
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

/// What happened so far, for tests.
#[derive(Debug, Default)]
struct Memory {
    events: Mutex<Vec<Event>>,
    grown: Condvar,
    observer: Option<fn(&Event)>,
}

/// What the writer has not taken yet.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// So many writes were taken.
    writes: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Event>,
    dropped: u64,
    progress: Progress,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Open,
    Closing,
    Finished,
}

impl EventLog {
    /// Writes to stdout, in a format.
    ///
    /// # Errors
    ///
    /// When the writer's thread cannot be started.
    pub fn to_stdout(format: LogFormat) -> io::Result<Self> {
        match format {
            LogFormat::Off => Ok(Self::off()),
            LogFormat::Text => Self::to_writer(io::stdout(), |event, out| {
                fmt::Write::write_fmt(out, format_args!("{event}"))
            }),
            LogFormat::Json => Self::to_writer(io::stdout(), Event::push_json),
        }
    }

    /// Writes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { started: Instant::now(), sink: Sink::Off }
    }

    /// Keeps all events in memory, without bound: for tests.
    #[must_use]
    pub fn memory() -> Self {
        Self { started: Instant::now(), sink: Sink::Memory(Memory::default()) }
    }

    /// Keeps all events in memory, and calls `observer` for each event on the thread that records it:
    /// for tests that check the state at that moment.
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
        let taken = Arc::clone(&queue);
        thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || write_events(&taken, started, writer, push_line))?;
        Ok(Self { started, sink: Sink::Writer(queue) })
    }

    /// Adds an event, now. Never blocks on whoever reads.
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
                memory.grown.notify_all();
            }
            Sink::Writer(queue) => {
                // The time is read under the lock, so that the lines' times never go back.
                let mut waiting = lock(&queue.waiting);
                let at_us = micros_since(self.started);
                if waiting.events.len() >= QUEUE_EVENTS_MAX {
                    waiting.dropped += 1;
                    return;
                }
                waiting.events.push(Event { at_us, kind });
                let is_first = waiting.events.len() == 1;
                drop(waiting);
                if is_first {
                    queue.changed.notify_all();
                }
            }
        }
    }

    /// Whether events go nowhere, so that nobody needs to prepare them.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.sink, Sink::Off)
    }

    /// Writes what is still queued; gives up once nobody has read for a second.
    pub fn finish(&self) {
        let Sink::Writer(queue) = &self.sink else { return };
        let mut waiting = lock(&queue.waiting);
        waiting.progress = Progress::Closing;
        queue.changed.notify_all();
        let mut writes_before = None;
        while waiting.progress != Progress::Finished {
            let writes = queue.writes.load(Ordering::Relaxed);
            if writes_before.replace(writes) == Some(writes) {
                break;
            }
            let is_unfinished = |waiting: &mut Waiting| waiting.progress != Progress::Finished;
            let waited = queue.changed.wait_timeout_while(waiting, FINISH_TIMEOUT, is_unfinished);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What a [`memory`](Self::memory) log holds so far; nothing for the others.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        match &self.sink {
            Sink::Memory(memory) => lock(&memory.events).clone(),
            Sink::Off | Sink::Writer(_) => Vec::new(),
        }
    }

    /// Waits until a [`memory`](Self::memory) log holds what `is_enough` looks for; false if it
    /// does not within `timeout`.
    #[must_use]
    pub fn wait_until(&self, timeout: Duration, is_enough: impl Fn(&[Event]) -> bool) -> bool {
        let Sink::Memory(memory) = &self.sink else { return false };
        let events = lock(&memory.events);
        let (events, _) = memory
            .grown
            .wait_timeout_while(events, timeout, |events| !is_enough(events))
            .unwrap_or_else(PoisonError::into_inner);
        is_enough(&events)
    }
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A panic elsewhere must not silence the log: what a lock guards here is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writer's thread: batch after batch until the log is closed and empty.
fn write_events(
    queue: &Queue,
    started: Instant,
    mut writer: impl Write,
    push_line: fn(&Event, &mut String) -> fmt::Result,
) {
    let mut events = Vec::new();
    let mut lines = String::new();
    let mut is_open = true;
    let mut is_read = true;
    while is_open {
        {
            let waiting = lock(&queue.waiting);
            let is_idle = |w: &mut Waiting| w.events.is_empty() && w.progress == Progress::Open;
            let waiting = queue.changed.wait_while(waiting, is_idle);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut waiting.events, &mut events);
            is_open = waiting.progress == Progress::Open;
            let dropped = mem::take(&mut waiting.dropped);
            if dropped > 0 {
                let kind = EventKind::Dropped { events: dropped };
                events.push(Event { at_us: micros_since(started), kind });
            }
        }
        for event in events.drain(..) {
            push_line(&event, &mut lines).expect("a String takes all");
            lines.push('\n');
        }
        // Who closed our stdout has no wish to read: the clients go on, the lines are lost.
        is_read = is_read && write_whole(&mut writer, lines.as_bytes(), &queue.writes).is_ok();
        lines.clear();
        if is_open {
            thread::sleep(BATCH_INTERVAL);
        }
    }
    lock(&queue.waiting).progress = Progress::Finished;
    queue.changed.notify_all();
}

/// `write_all` and `flush`, also where stdout does not block because a program that shares it asked
/// so: then a full pipe is an error, and all that helps is to try again.
fn write_whole(writer: &mut impl Write, mut bytes: &[u8], writes: &AtomicU64) -> io::Result<()> {
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

    /// Takes three bytes at a time, and nothing every other time.
    #[derive(Default)]
    struct Reluctant {
        taken: Vec<u8>,
        is_full: bool,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if self.is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(3);
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_stdout_that_does_not_block_loses_nothing() {
        let mut writer = Reluctant::default();
        write_whole(&mut writer, b"every byte of it\n", &AtomicU64::new(0)).unwrap();
        assert_eq!(writer.taken, b"every byte of it\n");
    }

    #[test]
    fn a_closed_stdout_is_an_error_and_no_loop() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(write_whole(&mut Closed, b"line\n", &AtomicU64::new(0)).is_err());
    }

    #[test]
    fn a_reader_that_is_slow_misses_nothing_at_the_end() {
        struct Slow(std::sync::mpsc::Sender<usize>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                // Its slowness is what this is about.
                thread::sleep(FINISH_TIMEOUT / 4);
                let _ = self.0.send(bytes.len());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let log = EventLog::to_writer(Slow(sender), |_, line| {
            line.extend(std::iter::repeat_n('x', WRITE_BYTES_MAX - 1));
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
    fn what_is_recorded_is_written_in_order_before_the_log_finishes() {
        let (sender, receiver) = std::sync::mpsc::channel();
        struct Lines(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.send(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = EventLog::to_writer(Lines(sender), Event::push_json).unwrap();
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
