//! A server in this process, on a free port, with its events in memory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serve_core::{Config, Event, EventKind, EventLog, Server, bind};
use tempfile::TempDir;

use crate::client::{BARE, DEADLINE, assert_same, connect, read_whole};
use crate::{Sends, Sibling};

pub struct Running {
    pub server: Arc<Server>,
    pub addr: SocketAddr,
    ended: Receiver<io::Result<()>>,
    folder: TempDir,
}

/// A server that is set up, with its listener, but not yet started.
pub struct Ready {
    pub server: Server,
    pub addr: SocketAddr,
    listener: TcpListener,
    folder: TempDir,
}

impl Ready {
    /// Serves a file with this content.
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

    pub fn run(mut self, sibling: Sibling) -> Running {
        self.server.config.zero_copy = sibling.sends == Sends::ZeroCopy;
        self.server.reads_page_cache &= sibling.sends != Sends::ByPool;
        let server = Arc::new(self.server);
        let (tell, ended) = mpsc::channel();
        let (run, serving) = (sibling.approach.run, Arc::clone(&server));
        thread::spawn(move || tell.send(run(self.listener, serving)));
        Running { server, addr: self.addr, ended, folder: self.folder }
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

    /// A file so long that no socket buffer holds it; sparse, so it costs nothing.
    pub fn start_with_long_file(
        sibling: Sibling,
        bytes: u64,
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let running = Self::start_with(sibling, b"", configure);
        File::create(running.path()).unwrap().set_len(bytes).unwrap();
        running
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("file.bin")
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.addr)
    }

    /// A client that wants nothing but the file gets it.
    pub fn assert_serves(&self, content: &[u8]) {
        assert_same(&read_whole(&self.connect()), &[BARE, content].concat());
    }

    /// Waits for events that `is_enough` looks for; fails with all events if they do not come.
    pub fn wait_until(&self, what: &str, is_enough: impl Fn(&[Event]) -> bool) {
        if !self.server.log.wait_until(DEADLINE, is_enough) {
            panic!("no {what} within {DEADLINE:?}; events: {}", shown(&self.server.log.events()));
        }
    }

    pub fn wait_for(&self, count: usize, name: &str) {
        self.wait_until(&format!("{count} {name}"), |events| named(events, name) >= count);
    }

    /// Asks it to stop.
    pub fn shut_down(&self) {
        self.server.shut_down();
    }

    /// Waits until it has stopped, which must not take longer than its grace lets it.
    pub fn ended(self) -> Vec<Event> {
        self.ended.recv_timeout(DEADLINE).expect("an end within the deadline").unwrap();
        let events = self.server.log.events();
        assert_grammar(&events);
        events
    }

    pub fn stop(self) -> Vec<Event> {
        self.shut_down();
        self.ended()
    }
}

pub fn named(events: &[Event], name: &str) -> usize {
    events.iter().filter(|event| event.kind.name() == name).count()
}

/// The events of one connection, by name.
pub fn names_of(events: &[Event], conn: u64) -> Vec<&'static str> {
    let of_conn = events.iter().filter(|event| event.kind.conn() == Some(conn));
    of_conn.map(|event| event.kind.name()).collect()
}

pub fn shown(events: &[Event]) -> String {
    let tail = &events[events.len().saturating_sub(40)..];
    tail.iter().map(|event| format!("\n{event}")).collect()
}

/// Clause 11, and what the counts have to add up to.
fn assert_grammar(events: &[Event]) {
    let mut open: HashMap<u64, (u64, u64)> = HashMap::new(); // received, file_ended
    let mut last_at_us = 0;
    for event in events {
        assert!(event.at_us >= last_at_us, "time goes back: {}", shown(events));
        last_at_us = event.at_us;
        match &event.kind {
            EventKind::Connected { conn, .. } => {
                assert!(open.insert(*conn, (0, 0)).is_none(), "{conn} connected twice");
            }
            EventKind::Disconnected { conn, received, .. } => {
                let (told, _) = open.remove(conn).expect("connected before disconnected");
                assert_eq!(told, *received, "data of {conn}: {}", shown(events));
            }
            what => {
                let Some(conn) = what.conn() else { continue };
                let counts = open.get_mut(&conn).expect("nothing outside a connection's life");
                match what {
                    EventKind::Data { bytes, preview, .. } => {
                        counts.0 += bytes;
                        assert!(preview.len() <= 80 && preview.is_ascii(), "{preview}");
                    }
                    EventKind::FileEnded { .. } => {
                        counts.1 += 1;
                        assert_eq!(counts.1, 1, "file_ended of {conn}: {}", shown(events));
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(open.is_empty(), "no disconnected for {:?}: {}", open.keys(), shown(events));
}
