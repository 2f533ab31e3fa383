//! One connection: its counts and its events.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Server;
use super::bugs::Bug;
use super::log::{lock, quoted};
use socket2::SockRef;

/// At least so far apart are two `data` events of one client: with the sum at its end that makes
/// ten a second at most.
const DATA_INTERVAL: Duration = Duration::from_millis(120);
/// The most characters of a preview.
const PREVIEW_CHARS_MAX: usize = 80;

/// A client while it is connected; its drop is its `disconnected`.
pub struct Client {
    pub conn: u64,
    pub server: Arc<Server>,
    pub connected_at: Instant,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    unreported: Mutex<Unreported>,
    /// For [`Bug::RemembersEverything`] alone.
    remembered: Mutex<Vec<u8>>,
}

/// What the client said since its last `data` event.
#[derive(Default)]
struct Unreported {
    bytes: usize,
    preview: String,
    reported_at: Option<Instant>,
}

impl Client {
    /// `None` if the server is to stop.
    pub fn connect(
        server: &Arc<Server>,
        conn: u64,
        peer: SocketAddr,
        stream: &Arc<TcpStream>,
    ) -> Option<Self> {
        let mut clients = lock(&server.clients);
        if server.is_stopping.load(SeqCst) && !server.has(Bug::ServesInGrace) {
            return None;
        }
        clients.insert(conn, Arc::clone(stream));
        let client = Self {
            conn,
            server: Arc::clone(server),
            connected_at: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            unreported: Mutex::default(),
            remembered: Mutex::default(),
        };
        client.record("connected", &format!(r#","peer":"{peer}""#));
        Some(client)
    }

    /// Whether it came less than so long ago.
    pub fn is_new(&self, age: Duration) -> bool {
        self.connected_at.elapsed() < age
    }

    pub fn record(&self, event: &str, fields: &str) {
        self.server.log.record(event, &format!(r#","conn":{}{fields}"#, self.conn));
    }

    /// Told at once if it is the first; else summed up, so that a flooder cannot fill the log.
    pub fn heard(&self, bytes: &[u8]) {
        self.received.fetch_add(bytes.len() as u64, SeqCst);
        if self.server.has(Bug::RemembersEverything) {
            lock(&self.remembered).extend(bytes);
        }
        let mut unreported = lock(&self.unreported);
        if unreported.bytes == 0 {
            unreported.preview = match self.server.has(Bug::UnescapedLog) {
                true => format!("\"{}\"", String::from_utf8_lossy(bytes)),
                false => quoted(&preview(bytes)),
            };
        }
        unreported.bytes += bytes.len();
        let is_due = unreported.reported_at.is_none_or(|at| at.elapsed() >= DATA_INTERVAL);
        if is_due || self.server.has(Bug::FloodsLog) {
            self.report(&mut unreported);
        }
    }

    fn report(&self, unreported: &mut Unreported) {
        let (bytes, preview) = (unreported.bytes, mem::take(&mut unreported.preview));
        self.record("data", &format!(r#","bytes":{bytes},"preview":{preview}"#));
        *unreported = Unreported { reported_at: Some(Instant::now()), ..Unreported::default() };
    }

    /// The connection ended like this; the socket is dropped next.
    pub fn ended(&self, how: io::Result<()>, stream: &TcpStream) {
        let Err(error) = how else { return };
        // What breaks after the grace, we broke.
        if self.server.is_cut_off.load(SeqCst) {
            return;
        }
        self.server.failed(Some(self.conn), &error);
        match kind_of(&error) {
            // The kernel would keep for minutes what the client never took.
            "stalled" => reset_on_close(stream),
            "connection_reset" if self.server.has(Bug::DiesOnReset) => process::exit(1),
            _ => {}
        }
    }
}

/// Makes dropping the socket close the connection with a reset.
pub fn reset_on_close(stream: &TcpStream) {
    // It fails if the connection is already gone; then there is nothing to reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut unreported = lock(&self.unreported);
        if unreported.bytes > 0 {
            self.report(&mut unreported);
        }
        let mut clients = lock(&self.server.clients);
        // This one is the last that holds the socket, so now it is closed.
        clients.remove(&self.conn);
        let (sent, received) = (self.sent.load(SeqCst), self.received.load(SeqCst));
        let fields = format!(r#","sent":{sent},"received":{received}"#);
        self.record("disconnected", &fields);
        if self.server.has(Bug::DisconnectedTwice) {
            self.record("disconnected", &fields);
        }
        self.server.changed.notify_all();
    }
}

/// The contract's word for an error.
pub fn kind_of(error: &io::Error) -> &'static str {
    // EMFILE and ENFILE, or on Windows WSAEMFILE and ERROR_TOO_MANY_OPEN_FILES.
    let no_descriptors = if cfg!(windows) { [10024, 4] } else { [24, 23] };
    if error.raw_os_error().is_some_and(|code| no_descriptors.contains(&code)) {
        return "no_descriptors";
    }
    match error.kind() {
        ErrorKind::NotFound => "not_found",
        ErrorKind::IsADirectory => "not_a_file",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::UnexpectedEof => "file_shrank",
        ErrorKind::TimedOut => "stalled",
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => "connection_reset",
        _ => "io",
    }
}

/// Printable ASCII as it is, all else as in a Rust byte string; never half an escape.
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
