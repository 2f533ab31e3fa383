//! Reads the output of a server, and reports the events of its log.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connections::Connections;
use crate::hub::Hub;
use crate::trace::{Event, Line};

use super::lines::{Logged, OtherLines, read_lines, shortened};

/// The number of lines of stderr that are kept.
const STDERR_LINES_MAX: usize = 200;

/// The maximum number of connections whose progress is kept. This number is reached only if the
/// log loses the events `disconnected` of most connections.
const PROGRESS_MAX: usize = 100_000;

/// The progress of a connection, as the server's log reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of chunks.
    pub chunks: u64,
    /// Indicates whether the kernel has accepted the last byte of the file.
    pub has_file_ended: bool,
    /// Indicates whether the server has closed the connection or its process has ended.
    pub has_disconnected: bool,
    /// Indicates whether the log has reported an error of the connection, such as a reset.
    pub has_failed: bool,
}

/// The state of a server's log. It stays the same when the server is restarted.
pub(super) struct Log {
    server: usize,
    hub: Arc<Hub>,
    connections: Arc<Connections>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Indicates whether the server is running and its log contains events.
    has_events: bool,
    /// The server's open connections, by their number in the log.
    open: HashMap<u64, Open>,
    progress: HashMap<SocketAddr, Progress>,
    /// The server's address, as the event `listening` reports it.
    addr: Option<SocketAddr>,
    /// The last lines of stderr.
    stderr: VecDeque<String>,
}

#[derive(Clone, Copy)]
struct Open {
    client: SocketAddr,
    /// The number of the connection in the trace. It is stored here, because the sampler may
    /// already have removed a closed connection when the log reports its end.
    number: u32,
}

impl Log {
    pub fn new(server: usize, hub: Arc<Hub>, connections: Arc<Connections>) -> Self {
        Self { server, hub, connections, state: Mutex::default() }
    }

    /// Prepares the log for a new process.
    pub fn begin(&self, has_events: bool) {
        let mut state = self.state();
        state.has_events = has_events;
        state.addr = None;
        state.stderr.clear();
    }

    /// The server's process has ended, so that all its connections are closed.
    pub fn end(&self) {
        let mut state = self.state();
        state.has_events = false;
        state.open.clear();
        state.progress.values_mut().for_each(|progress| progress.has_disconnected = true);
    }

    /// Returns the server's address, or `None` if the log has not reported it.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.state().addr
    }

    /// See [`Servers::progress`](super::Servers::progress).
    pub fn progress(&self, client: SocketAddr) -> Option<Progress> {
        let mut state = self.state();
        match state.progress.get(&client).copied() {
            Some(progress) => {
                if progress.has_disconnected {
                    state.progress.remove(&client);
                }
                Some(progress)
            }
            None => state.has_events.then(Progress::default),
        }
    }

    /// Returns the last lines of stderr.
    pub fn stderr(&self) -> String {
        self.state().stderr.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// Reads stdout until its end.
    pub fn read_stdout(&self, pipe: impl Read) {
        let mut clock = Clock::default();
        let mut others = OtherLines::default();
        let mut lines = Vec::new();
        read_lines(pipe, |line| {
            match line {
                Some(line) => match serde_json::from_str::<Logged<'_>>(line) {
                    Ok(logged) => {
                        let at_us = clock.convert(logged.at_us, self.hub.now_us());
                        lines.extend(self.add(&logged, at_us).map(Line::Event));
                    }
                    Err(_) => lines.extend(others.add(self.other("stdout", line))),
                },
                // Everything that was available has been read.
                None if lines.is_empty() => {}
                None => self.hub.push(lines.drain(..)),
            }
        });
        self.hub.push(lines);
    }

    /// Reads stderr until its end. `is_shown` makes its lines events.
    pub fn read_stderr(&self, pipe: impl Read, is_shown: bool) {
        let mut others = OtherLines::default();
        read_lines(pipe, |line| {
            let Some(line) = line else { return };
            let mut state = self.state();
            state.stderr.push_back(line.to_owned());
            if state.stderr.len() > STDERR_LINES_MAX {
                state.stderr.pop_front();
            }
            drop(state);
            if is_shown {
                self.hub.push(others.add(self.other("stderr", line)));
            }
        });
    }

    /// Adds an event of the server. Returns the event for the trace, unless it is a chunk.
    fn add(&self, logged: &Logged<'_>, at_us: u64) -> Option<Event> {
        let mut state = self.state();
        state.has_events = true;
        let event = &*logged.event;
        if let (Some(conn), Some(client), "connected") = (logged.conn, logged.peer, event) {
            let number = self.connections.number(self.server, client);
            state.open.insert(conn, Open { client, number });
            state.forget_old();
            state.progress.insert(client, Progress::default());
        }
        let open = logged.conn.and_then(|conn| state.open.get(&conn).copied());
        if let Some(progress) = open.and_then(|open| state.progress.get_mut(&open.client)) {
            match event {
                "chunk" => progress.chunks += 1,
                "file_ended" => progress.has_file_ended = true,
                "error" => progress.has_failed = true,
                "disconnected" => progress.has_disconnected = true,
                _ => {}
            }
        }
        match event {
            "chunk" => return None,
            "listening" => state.addr = logged.addr,
            "disconnected" => drop(logged.conn.and_then(|conn| state.open.remove(&conn))),
            _ => {}
        }
        Some(Event {
            at_us,
            server: self.server,
            connection: open.map(|open| open.number),
            event: shortened(event),
            details: shortened(&logged.details()),
        })
    }

    /// Returns an event for a line that is not an event of the server's log.
    fn other(&self, event: &str, line: &str) -> Event {
        Event {
            at_us: self.hub.now_us(),
            server: self.server,
            connection: None,
            event: event.to_owned(),
            details: shortened(line),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_old(&mut self) {
        if self.progress.len() >= PROGRESS_MAX {
            self.progress.clear();
            self.open.clear();
        }
    }
}

/// Converts times of a server's clock to times of the trace.
#[derive(Default)]
struct Clock {
    /// The earliest possible start of the server's clock that is known.
    start_us: Option<u64>,
    last_us: u64,
}

impl Clock {
    /// Converts the time of an event that was read at `now_us`. The results never decrease.
    fn convert(&mut self, at_us: u64, now_us: u64) -> u64 {
        // An event is read after it occurred. Therefore, the server's clock started at this time or
        // earlier. The minimum belongs to the event that was read with the shortest delay.
        let latest_us = now_us.saturating_sub(at_us);
        let start_us = self.start_us.map_or(latest_us, |start_us| start_us.min(latest_us));
        self.start_us = Some(start_us);
        self.last_us = start_us.saturating_add(at_us).min(now_us).max(self.last_us);
        self.last_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Header, VERSION};

    const CLIENT: &str = "127.0.0.1:4711";

    fn log() -> (Log, Arc<Hub>) {
        let header = Header {
            flow_trace: VERSION,
            system: "linux".to_owned(),
            file_bytes: 10,
            servers: vec!["one".to_owned()],
        };
        let hub = Arc::new(Hub::new(header));
        (Log::new(0, Arc::clone(&hub), Arc::default()), hub)
    }

    fn lines(hub: &Hub) -> Vec<String> {
        hub.since(0).text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn chunks_are_counted_and_other_events_are_lines() {
        let (log, hub) = log();
        log.begin(true);
        let client = CLIENT.parse().unwrap();
        assert_eq!(log.progress(client), Some(Progress::default()));
        log.read_stdout(
            br#"{"at_us":0,"event":"listening","addr":"127.0.0.1:4000","file":"f","bytes":10}
{"at_us":0,"event":"connected","conn":7,"peer":"127.0.0.1:4711"}
{"at_us":0,"event":"chunk","conn":7,"bytes":5,"wait_us":3}
{"at_us":0,"event":"chunk","conn":7,"bytes":5,"wait_us":3}
{"at_us":0,"event":"file_ended","conn":7,"bytes":10}
"#
            .as_slice(),
        );
        assert_eq!(log.addr(), Some("127.0.0.1:4000".parse().unwrap()));
        let expected = Progress { chunks: 2, has_file_ended: true, ..Progress::default() };
        assert_eq!(log.progress(client), Some(expected));
        let disconnected = r#"{"at_us":0,"event":"disconnected","conn":7,"sent":20,"received":3}"#;
        log.read_stdout(disconnected.as_bytes());
        assert!(log.progress(client).unwrap().has_disconnected);
        assert_eq!(log.progress(client), Some(Progress::default()));
        let lines = lines(&hub);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[1].contains(r#""connection":1,"event":"connected""#), "{lines:?}");
        assert!(lines[3].contains(r#""connection":1,"event":"disconnected""#), "{lines:?}");
        assert!(lines[3].contains("sent 20, received 3 bytes"), "{lines:?}");
    }

    #[test]
    fn other_output_is_limited_and_escaped() {
        let (log, hub) = log();
        log.begin(false);
        assert_eq!(log.progress(CLIENT.parse().unwrap()), None);
        log.read_stdout("\u{1b}[31mred\n".repeat(1000).as_bytes());
        let lines = lines(&hub);
        // The lines may be read in two different seconds.
        assert!((20..=41).contains(&lines.len()), "{}", lines.len());
        assert!(lines[0].contains(r"\\u{1b}[31mred"), "{}", lines[0]);
    }

    #[test]
    fn an_end_of_the_process_ends_all_connections() {
        let (log, _hub) = log();
        log.begin(true);
        log.read_stdout(
            format!(r#"{{"at_us":0,"event":"connected","conn":1,"peer":"{CLIENT}"}}"#).as_bytes(),
        );
        log.end();
        let client = CLIENT.parse().unwrap();
        assert!(log.progress(client).unwrap().has_disconnected);
        assert_eq!(log.progress(client), None);
    }

    #[test]
    fn times_are_converted_and_never_decrease() {
        let mut clock = Clock::default();
        assert_eq!(clock.convert(0, 1000), 1000);
        assert_eq!(clock.convert(500, 1400), 1400, "the clock started at 900 at the latest");
        assert_eq!(clock.convert(600, 2000), 1500);
        assert_eq!(clock.convert(100, 2000), 1500);
        assert_eq!(clock.convert(u64::MAX, 2100), 2100);
    }
}
