//! Starts servers and clients for the tests.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use flow::clients::Clients;
use flow::connections::Connections;
use flow::hub::Hub;
use flow::scenarios::Scenarios;
use flow::servers::{Command, Options, Servers, Setup, names};
use flow::trace::{Event, Header, Line, VERSION};
use tokio::runtime::Runtime;

/// The maximum time until an expected event occurs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until the condition is true. Panics if the deadline passes first.
pub fn wait_until(expected: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "expected within {DEADLINE:?}: {expected}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Running servers with clients and scenarios.
pub struct Flow {
    pub hub: Arc<Hub>,
    pub connections: Arc<Connections>,
    pub servers: Servers,
    pub clients: Clients,
    pub scenarios: Scenarios,
    pub file_bytes: u64,
    // Dropped last.
    _runtime: Runtime,
}

impl Flow {
    pub fn start(siblings: &[&str], file_bytes: u64) -> Self {
        let servers = siblings.iter().map(|name| Command::Sibling((*name).to_owned())).collect();
        let mut options = Options { servers, file_bytes, setup: Setup::default() };
        options.add_on_demand();
        let header = Header {
            flow_trace: VERSION,
            system: std::env::consts::OS.to_owned(),
            file_bytes,
            servers: names(&options.servers),
        };
        let hub = Arc::new(Hub::new(header));
        let connections = Arc::new(Connections::default());
        let servers = Servers::start(Arc::clone(&hub), Arc::clone(&connections), options).unwrap();
        let runtime = Runtime::new().unwrap();
        let _entered = runtime.enter();
        let clients = Clients::new(Arc::clone(&hub), Arc::clone(&connections), servers.clone());
        let scenarios = Scenarios::new(Arc::clone(&hub), clients.clone(), servers.clone());
        drop(_entered);
        Self { hub, connections, servers, clients, scenarios, file_bytes, _runtime: runtime }
    }

    /// The length of a complete reply, which begins with the preamble `HTTP/1.1\n\n`.
    pub fn reply_bytes(&self) -> u64 {
        10 + self.file_bytes
    }

    /// Returns the numbers of bytes that a client has read and uploaded.
    pub fn bytes(&self, number: u32) -> (u64, u64) {
        use std::sync::atomic::Ordering::Relaxed;
        let known = self.connections.all().into_iter().find(|known| known.number == number);
        let counters = known.unwrap().counters.unwrap();
        (counters.read.load(Relaxed), counters.uploaded.load(Relaxed))
    }

    /// Returns all lines.
    pub fn lines(&self) -> Vec<Line> {
        let text = self.hub.since(0).text;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the events with this name of a server.
    pub fn events(&self, server: usize, name: &str) -> Vec<Event> {
        let events = self.lines().into_iter().filter_map(|line| match line {
            Line::Event(event) if event.server == server && event.event == name => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// Returns the notes.
    pub fn notes(&self) -> Vec<String> {
        let notes = self.lines().into_iter().filter_map(|line| match line {
            Line::Note { message, .. } => Some(message),
            _ => None,
        });
        notes.collect()
    }

    /// Returns the highest number of connections of a server that were open at the same time.
    pub fn max_connections(&self, server: usize) -> usize {
        let mut open = HashSet::new();
        let mut max = 0;
        for line in self.lines() {
            let Line::Event(event) = line else { continue };
            if event.server != server {
                continue;
            }
            match (&*event.event, event.connection) {
                ("connected", Some(number)) => _ = open.insert(number),
                ("disconnected", Some(number)) => _ = open.remove(&number),
                _ => {}
            }
            max = max.max(open.len());
        }
        max
    }
}
