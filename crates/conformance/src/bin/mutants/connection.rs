//! A connection: its counters and its events.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serve_core::ErrorKind;
use socket2::SockRef;

use crate::log::{lock, quoted};
use crate::mutant::Mutant;
use crate::server::Server;

/// The minimum interval between two `data` events of one connection. Together with the last event
/// of the connection, this results in at most ten events per second.
const DATA_INTERVAL: Duration = Duration::from_millis(120);
/// The maximum length of a preview.
const PREVIEW_CHARS_MAX: usize = 80;

/// An open connection. Dropping it logs its `disconnected` event.
pub struct Connection {
    pub id: u64,
    pub server: Arc<Server>,
    /// Its socket. `None` only during the drop, which closes it.
    stream: Option<Arc<TcpStream>>,
    pub connected_at: Instant,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    unreported: Mutex<Unreported>,
    /// Used only by [`Mutant::RemembersEverything`].
    remembered: Mutex<Vec<u8>>,
}

/// The data that the client has sent since the last `data` event.
#[derive(Default)]
struct Unreported {
    bytes: usize,
    preview: String,
    reported_at: Option<Instant>,
}

impl Connection {
    /// Registers a new connection and logs `connected`. If the shutdown has begun, resets the
    /// connection and returns `None`.
    pub fn open(
        server: &Arc<Server>,
        id: u64,
        peer: SocketAddr,
        stream: TcpStream,
    ) -> Option<Self> {
        let mut connections = lock(&server.connections);
        if server.is_stopping.load(SeqCst) && !server.is_mutant(Mutant::ServesInGrace) {
            reset_on_close(&stream);
            return None;
        }
        let stream = Arc::new(stream);
        connections.insert(id, Arc::clone(&stream));
        let connection = Self {
            id,
            server: Arc::clone(server),
            stream: Some(stream),
            connected_at: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            unreported: Mutex::default(),
            remembered: Mutex::default(),
        };
        connection.record("connected", &format!(r#","peer":"{peer}""#));
        Some(connection)
    }

    /// Whether the server has one deliberate bug.
    pub fn is_mutant(&self, mutant: Mutant) -> bool {
        self.server.is_mutant(mutant)
    }

    /// Returns its socket.
    pub fn stream(&self) -> &TcpStream {
        self.stream.as_deref().expect("the socket is open until the drop")
    }

    /// Logs an event of this connection.
    pub fn record(&self, event: &str, fields: &str) {
        self.server.log.record(event, &format!(r#","conn":{}{fields}"#, self.id));
    }

    /// Counts received bytes. The first ones are logged immediately, later ones at most once per
    /// [`DATA_INTERVAL`], so that a client cannot fill the log.
    pub fn record_received(&self, bytes: &[u8]) {
        self.received.fetch_add(bytes.len() as u64, SeqCst);
        if self.is_mutant(Mutant::RemembersEverything) {
            lock(&self.remembered).extend(bytes);
        }
        let mut unreported = lock(&self.unreported);
        if unreported.bytes == 0 {
            unreported.preview = match self.is_mutant(Mutant::UnescapedLog) {
                true => format!("\"{}\"", String::from_utf8_lossy(bytes)),
                false => quoted(&preview(bytes)),
            };
        }
        unreported.bytes += bytes.len();
        let is_due = unreported.reported_at.is_none_or(|at| at.elapsed() >= DATA_INTERVAL);
        if is_due || self.is_mutant(Mutant::FloodsLog) {
            self.report(&mut unreported);
        }
    }

    fn report(&self, unreported: &mut Unreported) {
        let (bytes, preview) = (unreported.bytes, mem::take(&mut unreported.preview));
        self.record("data", &format!(r#","bytes":{bytes},"preview":{preview}"#));
        *unreported = Unreported { reported_at: Some(Instant::now()), ..Unreported::default() };
    }

    /// Logs the error that ended the connection, if any, and closes the connection.
    pub fn finish(self, result: io::Result<()>) {
        let Err(error) = result else { return };
        // After the grace period, the server itself causes the errors.
        if self.server.has_disconnected_all.load(SeqCst) {
            return;
        }
        self.server.record_error(Some(self.id), &error);
        match ErrorKind::of(&error) {
            // Without a reset, the kernel would keep the unsent data for minutes.
            ErrorKind::Stalled => reset_on_close(self.stream()),
            ErrorKind::ConnectionReset if self.is_mutant(Mutant::DiesOnReset) => process::exit(1),
            _ => {}
        }
    }
}

/// Makes dropping the socket close the connection with a reset.
pub fn reset_on_close(stream: &TcpStream) {
    // It fails if the connection is already gone; then there is nothing to reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut unreported = lock(&self.unreported);
        if unreported.bytes > 0 {
            self.report(&mut unreported);
        }
        let mut connections = lock(&self.server.connections);
        // These are the last references to the socket, so this closes it.
        self.stream = None;
        connections.remove(&self.id);
        let (sent, received) = (self.sent.load(SeqCst), self.received.load(SeqCst));
        let fields = format!(r#","sent":{sent},"received":{received}"#);
        self.record("disconnected", &fields);
        if self.is_mutant(Mutant::DisconnectedTwice) {
            self.record("disconnected", &fields);
        }
        self.server.changed.notify_all();
    }
}

/// Returns the first bytes as text: printable ASCII unchanged, other bytes escaped as in a Rust
/// byte string. An escape sequence is never truncated.
fn preview(bytes: &[u8]) -> String {
    let mut preview = String::new();
    for byte in bytes.iter().take(PREVIEW_CHARS_MAX) {
        let escaped = byte.escape_ascii().to_string();
        if preview.len() + escaped.len() > PREVIEW_CHARS_MAX {
            break;
        }
        preview.push_str(&escaped);
    }
    preview
}
