//! A server that runs in this process, on a free port, with its events in memory.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
#[cfg(target_os = "linux")]
use std::time::Duration;

use serve_core::{Config, ErrorKind, Event, EventKind, EventLog, Server, bind};
use tempfile::TempDir;

use crate::client::{DEADLINE, assert_reply, connect};
use crate::sibling::{SendMode, Sibling};

/// The length of a file that does not fit into the socket buffers, in bytes. To send the whole
/// file, the server must wait for the client.
pub const LONG_FILE_BYTES: u64 = 64 << 20;

/// A running server.
pub struct Running {
    pub server: Arc<Server>,
    pub addr: SocketAddr,
    result: Receiver<io::Result<()>>,
    folder: TempDir,
}

/// A server that has not been started yet, and its bound listener.
pub struct Ready {
    pub server: Server,
    pub addr: SocketAddr,
    listener: TcpListener,
    folder: TempDir,
}

impl Ready {
    /// Creates a file with this content, and binds the listener of a server for that file.
    pub fn new(content: &[u8], configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.bin");
        fs::write(&path, content).unwrap();
        let mut config = Config::new(path);
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        configure(&mut config);
        let listener = bind(&config).unwrap();
        let addr = listener.local_addr().unwrap();
        Self { server: Server::new(config, EventLog::memory()), addr, listener, folder }
    }

    /// Sets the time after which the kernel ends a connection whose client acknowledges no data.
    #[cfg(target_os = "linux")]
    pub fn set_kernel_timeout(&self, timeout: Duration) {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap();
        rustix::net::sockopt::set_tcp_user_timeout(&self.listener, timeout_ms).unwrap();
    }

    pub fn run(mut self, sibling: Sibling) -> Running {
        self.server.config.zero_copy = sibling.mode == SendMode::ZeroCopy;
        self.server.reads_page_cache &= sibling.mode != SendMode::CopyByPool;
        let server = Arc::new(self.server);
        let (sender, result) = mpsc::channel();
        let (run, running) = (sibling.approach.run, Arc::clone(&server));
        thread::spawn(move || sender.send(run(self.listener, running)));
        Running { server, addr: self.addr, result, folder: self.folder }
    }
}

impl Running {
    pub fn start(sibling: Sibling, content: &[u8]) -> Self {
        Self::start_with(sibling, content, |_| {})
    }

    pub fn start_with(
        sibling: Sibling,
        content: &[u8],
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        Ready::new(content, configure).run(sibling)
    }

    /// Starts a server for a file of [`LONG_FILE_BYTES`] bytes. The file is sparse, so it needs no
    /// disk space.
    pub fn start_with_long_file(sibling: Sibling, configure: impl FnOnce(&mut Config)) -> Self {
        let running = Self::start_with(sibling, b"", configure);
        running.set_file_length(LONG_FILE_BYTES);
        running
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("file.bin")
    }

    /// Extends the served file with zeros, or truncates it.
    pub fn set_file_length(&self, bytes: u64) {
        OpenOptions::new().write(true).open(self.path()).unwrap().set_len(bytes).unwrap();
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.addr)
    }

    /// Asserts that a client receives the bare preamble and this content.
    pub fn assert_serves(&self, content: &[u8]) {
        assert_reply(&self.connect(), content);
    }

    /// Waits until the events meet a condition. If the deadline expires, panics with a message that
    /// contains the last events.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&[Event]) -> bool) {
        if !self.server.log.wait_until(DEADLINE, condition) {
            let events = self.server.log.events();
            panic!(
                "expected {what} within {DEADLINE:?}, got these events: {}",
                format_events(&events)
            );
        }
    }

    /// Waits until the log contains at least `count` events with this name.
    pub fn wait_for(&self, count: usize, name: &str) {
        self.wait_until(&format!("{count} `{name}` events"), |events| {
            count_named(events, name) >= count
        });
    }

    /// Requests the shutdown.
    pub fn shut_down(&self) {
        self.server.shut_down();
    }

    /// Waits until the server has stopped. Checks and returns the server's events.
    pub fn join(self) -> Vec<Event> {
        let result = self.result.recv_timeout(DEADLINE);
        result.expect("expected the server to stop within the deadline").unwrap();
        let events = self.server.log.events();
        check_events(&events);
        events
    }

    /// Requests the shutdown, and waits until the server has stopped.
    pub fn stop(self) -> Vec<Event> {
        self.shut_down();
        self.join()
    }
}

/// Returns the number of events with this name.
pub fn count_named(events: &[Event], name: &str) -> usize {
    events.iter().filter(|event| event.kind.name() == name).count()
}

/// Returns the names of the events of one connection.
pub fn names_of(events: &[Event], conn: u64) -> Vec<&'static str> {
    let of_conn = events.iter().filter(|event| event.kind.conn() == Some(conn));
    of_conn.map(|event| event.kind.name()).collect()
}

/// Returns the kinds of the errors of one connection.
pub fn errors_of(events: &[Event], of_conn: u64) -> Vec<ErrorKind> {
    let kinds = events.iter().filter_map(|event| match event.kind {
        EventKind::Error { conn: Some(conn), kind, .. } if conn == of_conn => Some(kind),
        _ => None,
    });
    kinds.collect()
}

/// Panics if the events do not contain an event of this kind with these fields.
pub fn assert_contains(events: &[Event], kind: EventKind) {
    let contains = events.iter().any(|event| event.kind == kind);
    assert!(contains, "expected {kind:?}, got these events: {}", format_events(events));
}

/// Formats the last 40 events for a message.
pub fn format_events(events: &[Event]) -> String {
    let tail = &events[events.len().saturating_sub(40)..];
    tail.iter().map(|event| format!("\n{event}")).collect()
}

/// The totals that [`check_events`] counts in the events of an open connection.
#[derive(Default)]
struct Counts {
    received: u64,
    file_ended: u64,
}

/// Panics if the events violate clause 11 of the contract, or if the sum of the sizes in the `data`
/// events is incorrect.
fn check_events(events: &[Event]) {
    let mut open: HashMap<u64, Counts> = HashMap::new();
    let mut last_at_us = 0;
    for event in events {
        assert!(
            event.at_us >= last_at_us,
            "expected times that do not decrease, got these events: {}",
            format_events(events)
        );
        last_at_us = event.at_us;
        match &event.kind {
            EventKind::Connected { conn, .. } => {
                let previous = open.insert(*conn, Counts::default());
                assert!(previous.is_none(), "expected one `connected` of #{conn}, got two");
            }
            EventKind::Disconnected { conn, received, .. } => {
                let counts = open.remove(conn).expect("`connected` comes before `disconnected`");
                assert_eq!(
                    counts.received,
                    *received,
                    "the sum of the sizes in the `data` events of #{conn}: {}",
                    format_events(events)
                );
            }
            kind => {
                let Some(conn) = kind.conn() else { continue };
                let counts = open
                    .get_mut(&conn)
                    .expect("an event of a connection is logged while the connection is open");
                match kind {
                    EventKind::Data { bytes, preview, .. } => {
                        counts.received += bytes;
                        assert!(
                            preview.len() <= 80 && preview.is_ascii(),
                            "#{conn}: expected at most 80 ASCII characters, got {preview}"
                        );
                    }
                    EventKind::FileEnded { .. } => {
                        counts.file_ended += 1;
                        assert_eq!(
                            counts.file_ended,
                            1,
                            "the number of `file_ended` events of #{conn}: {}",
                            format_events(events)
                        );
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(
        open.is_empty(),
        "expected a `disconnected` event for each connection, got none for {:?}: {}",
        open.keys(),
        format_events(events)
    );
}
