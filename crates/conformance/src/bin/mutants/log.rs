//! Events, as lines of JSON on stdout.

use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::mutant::Mutant;

/// The maximum number of events that wait for the writer thread.
const QUEUE_EVENTS_MAX: usize = 16_384;

/// The time that [`Log::finish`] waits if nothing reads stdout.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The event log.
pub struct Log {
    mutant: Option<Mutant>,
    started: Instant,
    queue: Mutex<SyncSender<Message>>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Event {
        at_us: u128,
        text: String,
    },
    /// All earlier events have been written when the writer thread drops the sender.
    Finish(SyncSender<()>),
}

impl Log {
    /// Starts the writer thread.
    pub fn to_stdout(mutant: Option<Mutant>) -> io::Result<Self> {
        let capacity = if mutant == Some(Mutant::WaitsForLog) { 0 } else { QUEUE_EVENTS_MAX };
        let (sender, receiver) = sync_channel(capacity);
        let log = Self {
            mutant,
            started: Instant::now(),
            queue: Mutex::new(sender),
            dropped: Arc::default(),
        };
        let dropped = Arc::clone(&log.dropped);
        let write = move || write_events(mutant, &receiver, &dropped);
        thread::Builder::new().spawn(write)?;
        Ok(log)
    }

    /// Adds an event with the current time. `fields` start with a comma. Never blocks: if the queue
    /// is full, the event is counted as dropped.
    pub fn record(&self, event: &str, fields: &str) {
        let queue = lock(&self.queue);
        // The time is read while the lock is held, so that times never decrease.
        let at_us = self.started.elapsed().as_micros();
        let message = Message::Event { at_us, text: format!(r#""event":"{event}"{fields}"#) };
        if self.mutant == Some(Mutant::WaitsForLog) {
            let _ = queue.send(message);
        } else if queue.try_send(message).is_err() {
            self.dropped.fetch_add(1, SeqCst);
        }
    }

    /// Waits until all events are written, or until [`FINISH_TIMEOUT`] has passed.
    pub fn finish(&self) {
        let (sender, receiver) = sync_channel(0);
        // If the queue is full, its message is returned in the error, and keeps the sender alive.
        let _full = lock(&self.queue).try_send(Message::Finish(sender));
        let _ = receiver.recv_timeout(FINISH_TIMEOUT);
    }
}

fn write_events(mutant: Option<Mutant>, queue: &Receiver<Message>, dropped: &AtomicU64) {
    let mut is_open = true;
    for message in queue {
        let (at_us, text) = match message {
            Message::Event { at_us, text } => (at_us, text),
            Message::Finish(done) => {
                drop(done);
                continue;
            }
        };
        let dropped = match dropped.swap(0, SeqCst) {
            0 => String::new(),
            events => format!("{{\"at_us\":{at_us},\"event\":\"dropped\",\"events\":{events}}}\n"),
        };
        let lines = format!("{dropped}{{\"at_us\":{at_us},{text}}}\n");
        // If stdout is closed, events are discarded, and the server continues.
        is_open = is_open && io::stdout().write_all(lines.as_bytes()).is_ok();
        if !is_open && mutant == Some(Mutant::DiesOnClosedStdout) {
            process::exit(101);
        }
    }
}

/// Locks a mutex, even if a thread panicked while it held the lock: the data is always consistent.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns `text` as a JSON string, with quotes.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
