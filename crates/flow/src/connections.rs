//! Gives each connection a number, under which the clients, the log and the sampler report it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The bytes that a client has read and sent. The client's task increases these values, and the
/// sampler reads them.
#[derive(Debug, Default)]
pub struct Counters {
    pub read: AtomicU64,
    pub uploaded: AtomicU64,
}

/// A known connection.
#[derive(Clone, Debug)]
pub struct Known {
    /// The number of the connection, counted from 1 across all servers.
    pub number: u32,
    pub server: usize,
    /// The client's address. Together with the server, it identifies the connection.
    pub client: SocketAddr,
    /// `None` for a client that this program did not start.
    pub counters: Option<Arc<Counters>>,
}

/// All connections whose end has not been reported.
#[derive(Debug, Default)]
pub struct Connections {
    known: Mutex<HashMap<(usize, SocketAddr), Known>>,
    last: AtomicU64,
}

impl Connections {
    /// Adds a client of this program, and returns the number of its connection. If the server's log
    /// already mentioned the connection, the number stays the same.
    pub fn register(&self, server: usize, client: SocketAddr, counters: Arc<Counters>) -> u32 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry((server, client)).or_insert_with(|| Known {
            number: self.next(),
            server,
            client,
            counters: None,
        });
        entry.counters = Some(counters);
        entry.number
    }

    /// Returns the number of a connection that the log or the kernel mentions. A connection of an
    /// unknown client gets a new number.
    pub fn number(&self, server: usize, client: SocketAddr) -> u32 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Known { number: self.next(), server, client, counters: None };
        known.entry((server, client)).or_insert_with(new).number
    }

    /// Returns all connections.
    #[must_use]
    pub fn all(&self) -> Vec<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Removes a connection after its end was reported, because the system reuses addresses.
    pub fn remove(&self, server: usize, client: SocketAddr) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&(server, client));
    }

    fn next(&self) -> u32 {
        u32::try_from(self.last.fetch_add(1, Ordering::Relaxed) + 1).unwrap_or(u32::MAX)
    }
}
