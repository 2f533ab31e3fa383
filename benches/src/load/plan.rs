//! What the clients do.

use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::preamble::PreambleKind;

/// The number of file descriptors that this process needs besides its connections: the standard
/// streams, and one for the event loop of each thread.
const OTHER_DESCRIPTORS: u64 = 20;

/// What the clients do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server's address.
    pub addr: SocketAddr,
    /// The maximum number of open connections.
    pub connections: u64,
    /// The total number of connections.
    pub amount: Amount,
    /// The number of connections to start per second, even if the server is slower.
    pub rate_per_s: Option<f64>,
    /// When non-reading clients start to read. By default, each client reads immediately.
    pub hold: Option<Hold>,
    /// The maximum number of bytes that each client reads per second.
    pub slow_bytes_per_s: Option<u64>,
    /// The number of bytes, preamble included, after which the client resets the connection.
    pub reset_after_bytes: Option<u64>,
    /// The local address of the clients.
    pub source: Option<IpAddr>,
    /// The size of the receive buffer in bytes (`SO_RCVBUF`; Linux doubles it). Non-reading clients
    /// get a larger one when they start to read.
    pub receive_buffer_bytes: Option<usize>,
    /// The maximum size of a TCP segment in bytes.
    pub max_segment_bytes: Option<u32>,
    /// The bytes that each client sends first.
    pub request: Vec<u8>,
    /// The expected reply, without the preamble.
    pub expected: Option<Expected>,
    /// The expected preamble.
    pub preamble: PreambleKind,
    /// Whether the kernel discards the data instead of copying it to the client (Linux).
    pub is_discarding: bool,
    /// The maximum time without a byte on a connection.
    pub timeout: Duration,
    /// The number of threads. Each one runs an event loop.
    pub threads: usize,
}

/// The total number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// This number.
    Total(u64),
    /// All that start within this time. Connections that are open at its end are completed.
    During(Duration),
}

/// When non-reading clients start to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// This long after the last client received the first byte of its reply.
    For(Duration),
    /// When [`release`](super::Job::release) is called.
    UntilReleased,
}

/// The expected reply, without the preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The length in bytes.
    pub bytes: u64,
    /// The 64-bit XXH3 hash, if the content is to be verified.
    pub xxh3: Option<u64>,
}

impl Expected {
    /// Returns the length and the hash of a file.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(1024 * 1024, File::open(path)?);
        let mut hash = Xxh3::new();
        let bytes = io::copy(&mut file, &mut hash)?;
        Ok(Self { bytes, xxh3: Some(hash.digest()) })
    }
}

impl Plan {
    /// Creates a plan for one connection that sends an HTTP request and reads the whole reply.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            connections: 1,
            amount: Amount::Total(1),
            rate_per_s: None,
            hold: None,
            slow_bytes_per_s: None,
            reset_after_bytes: None,
            source: None,
            receive_buffer_bytes: None,
            max_segment_bytes: None,
            request: b"GET / HTTP/1.0\r\n\r\n".to_vec(),
            expected: None,
            preamble: PreambleKind::Auto,
            is_discarding: false,
            timeout: Duration::from_secs(30),
            threads: 1,
        }
    }

    /// Sets the total number of connections, and the maximum number of open ones.
    pub fn with_connections(mut self, total: u64, open: u64) -> Self {
        self.amount = Amount::Total(total);
        self.connections = open;
        self
    }

    /// Returns an error with help if this machine cannot execute the plan.
    pub(super) fn check(&self) -> io::Result<()> {
        let available = descriptors();
        let is_positive = |rate: f64| rate > 0.0 && rate.is_finite();
        let message = if !self.rate_per_s.is_none_or(is_positive) {
            "the rate must be greater than 0".to_owned()
        } else if self.is_discarding && !cfg!(target_os = "linux") {
            "only Linux can discard data in the kernel\nhelp: remove --discard".to_owned()
        } else if self.max_segment_bytes.is_some() && !cfg!(unix) {
            "this system cannot limit the size of segments\nhelp: remove --max-segment".to_owned()
        } else if self.hold.is_some() && self.amount != Amount::Total(self.connections) {
            "all connections of a hold must be open at the same time".to_owned()
        } else if self.connections > available {
            format!(
                "{connections} open connections need as many file descriptors, \
                 and {available} are available\n\
                 help: use fewer connections, or raise the limit as root: ulimit -Hn {limit}",
                connections = self.connections,
                limit = self.connections + OTHER_DESCRIPTORS,
            )
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// Raises the limit of file descriptors, and returns how many connections are possible.
pub fn descriptors() -> u64 {
    let limit = harness::cleanup::raise_descriptor_limit();
    // Windows has no such limit, but each connection needs a port.
    let limit = if cfg!(unix) { limit } else { u16::MAX.into() };
    limit.saturating_sub(OTHER_DESCRIPTORS)
}
