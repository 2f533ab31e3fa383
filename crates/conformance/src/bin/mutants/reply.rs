//! Sends the reply, which consists of the preamble and the file.

use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::mem;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serve_core::{Body, Connection, Preamble, Reply};

use crate::mutant::{self, Mutant};

/// The content of the file at startup, for [`Mutant::FileReadOnce`].
pub static STARTUP_CONTENT: OnceLock<Vec<u8>> = OnceLock::new();

/// A lock that [`Mutant::BlockingOnExecutor`] holds while it sends to a client, so that all other
/// clients have to wait.
static ONLY_THREAD: Mutex<()> = Mutex::new(());

/// A connected client. Dropping this value closes the socket and then logs `disconnected`.
pub struct Client {
    pub stream: Arc<TcpStream>,
    pub conn: Connection,
    pub connected_at: Instant,
    /// Indicates whether the server has written the whole reply.
    pub has_ended_reply: AtomicBool,
    /// Indicates whether the client's FIN has arrived.
    pub has_read_fin: AtomicBool,
}

impl Client {
    pub fn new(stream: Arc<TcpStream>, conn: Connection) -> Self {
        let [has_ended_reply, has_read_fin] = [AtomicBool::new(false), AtomicBool::new(false)];
        Self { stream, conn, connected_at: Instant::now(), has_ended_reply, has_read_fin }
    }
}

/// Opens the file and sends the reply. If the file cannot be opened, sends only the preamble. The
/// status in an `http` preamble reports the error.
pub fn send_file(client: &Client) -> io::Result<()> {
    let Client { stream, conn, .. } = client;
    let lock = || ONLY_THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    let _only_thread = Mutant::BlockingOnExecutor.is_active().then(lock);
    let mut reply = Reply::open(conn.server());
    match mutant::active() {
        Some(Mutant::RequestChoosesFile) => {
            reply.body = Body::open(&path_of_request(&conn.config().file, stream));
        }
        Some(Mutant::ExitsOnMissingFile) if reply.body.is_err() => process::exit(1),
        Some(Mutant::HangsOnMissingFile) if reply.body.is_err() => loop {
            thread::park();
        },
        _ => {}
    }
    stream.set_write_timeout(Some(conn.stall_check_interval()))?;
    write_bytes(client, &preamble(conn.config().preamble, &reply))?;
    let (mut file, bytes) = match reply.body.and_then(open) {
        Ok(opened) => opened,
        Err(error) => {
            if Mutant::LeaksIfFileIsMissing.is_active() {
                mem::forget(stream.try_clone());
            }
            return conn.record_file_failed(&error);
        }
    };
    let sent = send_copied(client, &mut *file, bytes);
    if sent.is_ok() || Mutant::FileEndedTooEarly.is_active() {
        conn.record_file_ended(bytes);
    }
    let leaks = match mutant::active() {
        Some(Mutant::LeaksDescriptors) => sent.is_err(),
        // A client that closes its socket also sends a FIN. Only a half-closed client receives the
        // whole reply.
        Some(Mutant::LeaksAfterHalfClose) => {
            sent.is_ok() && client.has_read_fin.load(Ordering::Relaxed)
        }
        _ => false,
    };
    if leaks {
        mem::forget(file);
    }
    sent
}

/// Returns the path of the file that the request `GET /name` selects. Returns `default` if no such
/// request arrives within 50 ms.
fn path_of_request(default: &Path, stream: &TcpStream) -> PathBuf {
    let mut request = [0; 512];
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let read = stream.peek(&mut request).unwrap_or(0);
    let _ = stream.set_read_timeout(None);
    let request = String::from_utf8_lossy(&request[..read]);
    let name = request.strip_prefix("GET /").and_then(|rest| rest.split(' ').next());
    match name.and_then(|name| Path::new(name).file_name()) {
        Some(name) => default.with_file_name(name),
        None => default.to_owned(),
    }
}

/// Returns the preamble, which some mutants modify.
fn preamble(kind: Preamble, reply: &Reply) -> Vec<u8> {
    // `Reply::open` expects that the server has already sent the fixed bytes.
    let whole = [kind.fixed_bytes(), &reply.preamble].concat();
    let bytes = reply.body.as_ref().map_or(0, |body| body.bytes);
    let length = format!("Content-Length: {bytes}\r\n");
    let replace =
        |from: &str, to: &str| String::from_utf8_lossy(&whole).replace(from, to).into_bytes();
    match mutant::active() {
        Some(Mutant::WrongNewline) if kind == Preamble::Bare => replace("\n", "\r\n"),
        Some(Mutant::HttpWithoutLength) => replace(&length, ""),
        Some(Mutant::WrongLength) => {
            replace(&length, &format!("Content-Length: {}\r\n", bytes + 1))
        }
        Some(Mutant::HttpTwoLengths) => replace(&length, &length.repeat(2)),
        Some(Mutant::HttpChunked) => {
            replace(&length, &format!("{length}Transfer-Encoding: chunked\r\n"))
        }
        Some(Mutant::Http404WithBody) if reply.body.is_err() => [&whole[..], b"not found"].concat(),
        _ => whole,
    }
}

/// Returns a reader for the content of the file, and the length of the content in bytes.
fn open(mut body: Body) -> io::Result<(Box<dyn Read>, u64)> {
    match mutant::active() {
        Some(Mutant::FileReadOnce) => {
            let content = STARTUP_CONTENT.get().map_or(&[][..], Vec::as_slice);
            Ok((Box::new(content), content.len() as u64))
        }
        Some(Mutant::CachesByLength) => {
            static CACHE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
            let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.len() as u64 != body.bytes {
                cache.clear();
                body.file.read_to_end(&mut cache)?;
            }
            Ok((Box::new(Cursor::new(cache.clone())), body.bytes))
        }
        Some(Mutant::KeepsFirstLength) => {
            static FIRST_BYTES: OnceLock<u64> = OnceLock::new();
            let first_bytes = *FIRST_BYTES.get_or_init(|| body.bytes);
            Ok((Box::new(body.file), body.bytes.min(first_bytes)))
        }
        Some(Mutant::WholeFileInMemory) => {
            let mut content = Vec::new();
            body.file.read_to_end(&mut content)?;
            Ok((Box::new(Cursor::new(content)), body.bytes))
        }
        _ => Ok((Box::new(body.file), body.bytes)),
    }
}

/// Reads one chunk, writes it completely, and only then reads the next chunk. This loop creates
/// backpressure.
fn send_copied(client: &Client, file: &mut dyn Read, bytes: u64) -> io::Result<()> {
    let conn = &client.conn;
    let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
    let chunk_bytes = match mutant::active() {
        Some(Mutant::WholeFileAsOneChunk) => whole.max(1),
        Some(Mutant::RoundsChunkUp) => conn.config().chunk_bytes.next_multiple_of(4096),
        _ => conn.config().chunk_bytes,
    };
    let mut buffer = vec![0; chunk_bytes.min(whole)];
    let mut left = bytes;
    while left > 0 {
        if left < chunk_bytes as u64 && Mutant::LosesLastPartialChunk.is_active() {
            break;
        }
        let chunk = &mut buffer[..left.min(chunk_bytes as u64) as usize];
        match file.read_exact(chunk) {
            Err(_) if Mutant::PadsShrunkFile.is_active() => chunk.fill(0),
            read => read?,
        }
        let started = conn.chunk_started();
        write_bytes(client, chunk)?;
        conn.record_chunk(chunk.len(), started);
        left -= chunk.len() as u64;
    }
    if Mutant::FollowsGrowth.is_active() {
        let mut grown = Vec::new();
        file.read_to_end(&mut grown)?;
        write_bytes(client, &grown)?;
    }
    Ok(())
}

/// Writes all bytes. Fails if the client acknowledges no byte within the stall timeout.
fn write_bytes(client: &Client, mut bytes: &[u8]) -> io::Result<()> {
    let Client { stream, conn, connected_at, .. } = client;
    while !bytes.is_empty() {
        match (&**stream).write(bytes) {
            Ok(written) => bytes = &bytes[conn.record_sent(written)..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A write that times out returns `WouldBlock` on Unix and `TimedOut` on Windows.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                match mutant::active() {
                    Some(Mutant::NoStallTimeout) => {}
                    Some(Mutant::ResetsSlowReaders)
                        if connected_at.elapsed() >= conn.config().stall_timeout =>
                    {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    _ => conn.check_stall(&**stream)?,
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
