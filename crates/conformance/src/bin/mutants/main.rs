//! A small correct file server, and its mutants. The server fulfills the whole contract with
//! blocking std I/O and two threads per connection. `--bug NAME` gives it one deliberate bug, at
//! the place that calls `is_mutant(Mutant::…)`, so that correct and incorrect code are next to each
//! other.
//!
//! `mutants --list` lists the mutants; `mutants --bug never-reads river.webp 4000` runs one of
//! them.

mod connection;
mod log;
mod mutant;
mod options;

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use connection::{Connection, kind_of, reset_on_close};
use log::{Log, lock, quoted};
use mutant::Mutant;
use options::{Options, Preamble, USAGE};
use socket2::{Domain, Socket, Type};

/// The maximum length of the accept queue.
const BACKLOG: i32 = 4096;
/// The pause after an `accept` that failed, for example because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The stack size of a thread. std's default of 2 MiB is more than a thread needs to copy bytes.
const STACK_BYTES: usize = 128 * 1024;

fn main() -> ExitCode {
    let args: Vec<String> =
        env::args_os().skip(1).map(|arg| arg.to_string_lossy().into()).collect();
    if args == ["--list"] {
        for mutant in Mutant::ALL {
            let _ = writeln!(io::stdout(), "{:30} {}", mutant.name(), mutant.description());
        }
        return ExitCode::SUCCESS;
    }
    let started = match Options::parse(args.into_iter()) {
        Ok(options) => run(options).map_err(|error| error.to_string()),
        Err(message) => Err(format!("{message}\n{USAGE}")),
    };
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "mutants: {message}");
            ExitCode::from(2)
        }
    }
}

/// The state that all threads share.
struct Server {
    options: Options,
    log: Log,
    /// The content of the file at startup, used only by [`Mutant::FileReadOnce`].
    startup_content: Arc<[u8]>,
    /// The sockets of the open connections, by connection number. Shutdown needs the sockets; all
    /// other code uses only the number of connections.
    connections: Mutex<HashMap<u64, Arc<TcpStream>>>,
    /// Notified when `connections` changes and when shutdown begins.
    changed: Condvar,
    is_stopping: AtomicBool,
    has_disconnected_all: AtomicBool,
    /// Used only by [`Mutant::BlockingOnExecutor`] and [`Mutant::PoolOfThreads`].
    executor: smol::Executor<'static>,
}

/// Serves clients until a signal starts the shutdown.
fn run(options: Options) -> io::Result<()> {
    let named = |error| io::Error::other(format!("{}: {error}", options.file.display()));
    let mut startup_content = Vec::new();
    let mut file = open_regular(&options.file).map_err(named)?;
    if options.mutant == Some(Mutant::FileReadOnce) {
        file.read_to_end(&mut startup_content).map_err(named)?;
    }
    let bytes = file.metadata()?.len();
    drop(file);
    let listener = bind(&options)?;
    let addr = listener.local_addr()?;
    // A connection to itself wakes `accept` at shutdown. The socket is created now because no file
    // descriptor may be left then.
    let waker = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    let log = Log::to_stdout(options.mutant)?;
    let server = Arc::new(Server {
        log,
        startup_content: startup_content.into(),
        connections: Mutex::default(),
        changed: Condvar::new(),
        is_stopping: AtomicBool::new(false),
        has_disconnected_all: AtomicBool::new(false),
        executor: smol::Executor::new(),
        options,
    });
    stop_on_signals(&server)?;
    let name = server.options.file.file_name().unwrap_or_default().to_string_lossy();
    let fields = format!(r#","approach":"mutants","addr":"{addr}","file":{},"#, quoted(&name));
    server.log.record("listening", &format!(r#"{fields}"bytes":{bytes}"#));
    let acceptor = Arc::clone(&server);
    thread::Builder::new().spawn(move || accept_loop(&acceptor, listener))?;
    for _ in 0..server.executor_threads() {
        let worker = Arc::clone(&server);
        let work = move || smol::block_on(worker.executor.run(smol::future::pending::<()>()));
        thread::Builder::new().spawn(work)?;
    }

    server.wait_until(Duration::MAX, |_| server.is_stopping.load(SeqCst));
    let _ = waker.connect_timeout(&addr.into(), Duration::from_secs(1));
    if !server.is_mutant(Mutant::CutsAtShutdown) {
        server.wait_until(server.options.grace, HashMap::is_empty);
    }
    server.disconnect_all();
    server.wait_until(Duration::from_secs(1), HashMap::is_empty);
    server.log.finish();
    Ok(())
}

fn bind(options: &Options) -> io::Result<TcpListener> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // On Windows, the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    let backlog = if options.mutant == Some(Mutant::SmallBacklog) { 5 } else { BACKLOG };
    let bound = socket.bind(&addr.into()).and_then(|()| socket.listen(backlog));
    bound.map_err(|error| io::Error::new(error.kind(), format!("{addr}: {error}")))?;
    Ok(socket.into())
}

#[cfg(unix)]
fn stop_on_signals(server: &Arc<Server>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let server = Arc::clone(server);
    let wait = move || {
        for _ in signals.forever() {
            if server.is_mutant(Mutant::IgnoresSigterm) {
                continue;
            }
            if server.is_stopping.load(SeqCst) && !server.is_mutant(Mutant::IgnoresSecondSignal) {
                process::exit(130);
            }
            server.stop();
        }
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Does nothing: Windows ends the process without help.
#[cfg(not(unix))]
fn stop_on_signals(_server: &Arc<Server>) -> io::Result<()> {
    Ok(())
}

impl Server {
    fn is_mutant(&self, mutant: Mutant) -> bool {
        self.options.mutant == Some(mutant)
    }

    #[cfg_attr(not(unix), allow(dead_code, reason = "only signals call it"))]
    fn stop(&self) {
        // The lock ensures that no `connected` event follows `shutdown`, and that no waiting thread
        // misses the notification.
        let _connections = lock(&self.connections);
        self.is_stopping.store(true, SeqCst);
        self.log.record("shutdown", "");
        self.changed.notify_all();
    }

    /// Shuts down the sockets of all connections. Errors on them are not logged afterwards.
    fn disconnect_all(&self) {
        self.has_disconnected_all.store(true, SeqCst);
        for stream in lock(&self.connections).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn wait_until(&self, timeout: Duration, is_so: impl Fn(&HashMap<u64, Arc<TcpStream>>) -> bool) {
        let is_not = |connections: &mut HashMap<u64, Arc<TcpStream>>| !is_so(connections);
        let _ = self.changed.wait_timeout_while(lock(&self.connections), timeout, is_not);
    }

    /// The number of executor threads. The correct server has none: it uses threads per connection.
    fn executor_threads(&self) -> usize {
        match self.options.mutant {
            Some(Mutant::BlockingOnExecutor) => 1,
            Some(Mutant::PoolOfThreads) => 64,
            _ => 0,
        }
    }

    fn is_full(&self) -> bool {
        lock(&self.connections).len() >= self.options.max_connections
    }

    fn record_error(&self, id: Option<u64>, error: &io::Error) {
        let conn = id.map(|conn| format!(r#","conn":{conn}"#)).unwrap_or_default();
        let (kind, message) = (kind_of(error), quoted(&error.to_string()));
        self.log.record("error", &format!(r#"{conn},"kind":"{kind}","message":{message}"#));
    }
}

fn accept_loop(server: &Arc<Server>, listener: TcpListener) -> io::Result<()> {
    let mut last_id = 0;
    loop {
        // At the connection limit, new clients wait in the accept queue.
        let connection_limit =
            match server.is_mutant(Mutant::DropsAtCap) || server.is_mutant(Mutant::IgnoresCap) {
                true => usize::MAX,
                false => server.options.max_connections,
            };
        let is_stopping =
            || server.is_stopping.load(SeqCst) && !server.is_mutant(Mutant::ServesInGrace);
        server.wait_until(Duration::MAX, |connections| {
            connections.len() < connection_limit || is_stopping()
        });
        if is_stopping() {
            return Ok(());
        }
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if server.is_mutant(Mutant::QuestionMarkInAccept) => return Err(error),
            Err(error) if kind_of(&error) == "connection_reset" => continue,
            Err(error) => {
                server.record_error(None, &error);
                if !server.is_mutant(Mutant::BusyAccept) {
                    thread::sleep(ACCEPT_PAUSE);
                }
                continue;
            }
        };
        if server.is_mutant(Mutant::DropsAtCap) && server.is_full() {
            continue;
        }
        let stream = Arc::new(stream);
        let Some(connection) = Connection::open(server, last_id + 1, peer, &stream) else {
            reset_on_close(&stream);
            return Ok(());
        };
        last_id += 1;
        match server.options.mutant {
            Some(Mutant::Sequential) => handle_connection(connection, stream),
            Some(Mutant::BlockingOnExecutor | Mutant::PoolOfThreads) => {
                server.executor.spawn(handle_on_executor(connection, stream)).detach();
            }
            _ => {
                let work = move || handle_connection(connection, stream);
                if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(work) {
                    // Dropping the closure closed the connection. A later spawn may succeed.
                    server.record_error(None, &error);
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }
}

/// Serves one connection from the first byte to its end. Parameters are dropped in reverse order,
/// so that the socket is closed before the drop of `connection` logs `disconnected`.
fn handle_connection(connection: Connection, stream: Arc<TcpStream>) {
    let server = Arc::clone(&connection.server);
    match server.options.mutant {
        Some(Mutant::AcceptThenWait) => _ = stream.peek(&mut [0]),
        Some(Mutant::WaitsALittle) => {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(330)));
            let _ = stream.peek(&mut [0]);
            let _ = stream.set_read_timeout(None);
        }
        _ => {}
    }
    let path = match server.is_mutant(Mutant::RequestChoosesFile) {
        true => path_of_request(&server.options.file, &stream),
        false => server.options.file.clone(),
    };
    let ended = thread::scope(|scope| {
        let (connection, stream) = (&connection, &*stream);
        let (sender, drained) = mpsc::channel();
        let reader = move || sender.send(drain(connection, stream));
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let sent = match server.options.mutant {
            Some(Mutant::WriteAndClose) => send_file(connection, stream, &path),
            Some(Mutant::NeverReads) => {
                let sent = send_file(connection, stream, &path);
                thread.spawn_scoped(scope, reader)?;
                sent
            }
            _ => {
                // A thread that is blocked in `write` cannot read, so a second thread reads.
                thread.spawn_scoped(scope, reader)?;
                send_file(connection, stream, &path)
            }
        };
        let ended = sent.and_then(|()| lingering_close(connection, stream, &drained));
        // Wakes the reader thread if it is still blocked in `read`.
        let _ = stream.shutdown(Shutdown::Both);
        ended
    });
    connection.finish(ended, &stream);
}

/// Ends the reply: shuts down the write half, and waits until the client has closed its side or the
/// linger timeout has expired. If the server closed the socket earlier, the kernel would answer
/// further data from the client with a RST.
fn lingering_close(
    connection: &Connection,
    stream: &TcpStream,
    drained: &Receiver<io::Result<()>>,
) -> io::Result<()> {
    let server = &connection.server;
    match server.options.mutant {
        Some(Mutant::CloseWithoutDrain | Mutant::WriteAndClose) => return Ok(()),
        Some(Mutant::NoFin) => return drained.recv().unwrap_or(Ok(())),
        _ => stream.shutdown(Shutdown::Write)?,
    }
    if server.is_mutant(Mutant::NeverLetsGo) {
        return drained.recv().unwrap_or(Ok(()));
    }
    let received = connection.received.load(SeqCst);
    drained.recv_timeout(server.options.linger_timeout).unwrap_or_else(|_| {
        // A client that still sends data would block when its send buffer is full. The RST ends
        // that.
        if connection.received.load(SeqCst) > received {
            reset_on_close(stream);
        }
        Ok(())
    })
}

/// Serves one connection as [`Mutant::BlockingOnExecutor`]: reading is asynchronous, as it should
/// be, but sending blocks the only thread of the executor.
async fn handle_on_executor(connection: Connection, stream: Arc<TcpStream>) {
    let ended = async {
        send_file(&connection, &stream, &connection.server.options.file)?;
        stream.shutdown(Shutdown::Write)?;
        let mut reader = smol::Async::new(stream.try_clone()?)?;
        let drain = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = smol::io::AsyncReadExt::read(&mut reader, &mut buffer).await?;
                if read == 0 {
                    return Ok(());
                }
                connection.record_received(&buffer[..read]);
            }
        };
        let linger = async {
            smol::Timer::after(connection.server.options.linger_timeout).await;
            Ok(())
        };
        smol::future::or(drain, linger).await
    };
    connection.finish(ended.await, &stream);
}

/// Returns the path of the file that `GET /name` requests, if the request arrives within 50 ms, as
/// [`Mutant::RequestChoosesFile`] does.
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

/// Opens the file and sends the reply. If the file cannot be opened, sends only a preamble, whose
/// status reports the error in http mode.
fn send_file(connection: &Connection, stream: &TcpStream, path: &Path) -> io::Result<()> {
    let server = &connection.server;
    let opened = open_file(server, path);
    match server.options.mutant {
        Some(Mutant::MissingFileKills) if opened.is_err() => process::exit(1),
        Some(Mutant::MissingFileHangs) if opened.is_err() => loop {
            thread::park();
        },
        _ => {}
    }
    // Each write times out early enough for eight checks within the stall timeout.
    let stall_check_interval = (server.options.stall_timeout / 8).max(Duration::from_millis(1));
    stream.set_write_timeout(Some(stall_check_interval))?;
    write_bytes(connection, stream, &preamble(server, &opened))?;
    let (mut file, bytes) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            server.record_error(Some(connection.id), &error);
            return Ok(());
        }
    };
    let sent = send_copied(connection, stream, &mut *file, bytes);
    if sent.is_ok() || server.is_mutant(Mutant::FileEndedTooEarly) {
        connection.record("file_ended", &format!(r#","bytes":{bytes}"#));
    }
    if sent.is_err() && server.is_mutant(Mutant::LeaksDescriptors) {
        mem::forget(file);
    }
    sent
}

/// Opens the file and returns it with its current length, which is the length of the reply.
fn open_file(server: &Server, path: &Path) -> io::Result<(Box<dyn Read>, u64)> {
    if server.is_mutant(Mutant::FileReadOnce) {
        let content = Arc::clone(&server.startup_content);
        let bytes = content.len() as u64;
        return Ok((Box::new(Cursor::new(content)), bytes));
    }
    let mut file = open_regular(path)?;
    let bytes = file.metadata()?.len();
    if server.is_mutant(Mutant::WholeFileInMemory) {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        return Ok((Box::new(Cursor::new(content)), bytes));
    }
    Ok((Box::new(file), bytes))
}

/// Opens a regular file. The type is checked first because opening a pipe blocks until it has a
/// writer.
fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "not a regular file"));
    }
    File::open(path)
}

fn preamble(server: &Server, opened: &io::Result<(Box<dyn Read>, u64)>) -> Vec<u8> {
    let (status, length) = match opened {
        Ok((_, bytes)) if server.is_mutant(Mutant::WrongLength) => ("200 OK", bytes + 1),
        Ok((_, bytes)) => ("200 OK", *bytes),
        Err(error) if matches!(kind_of(error), "not_found" | "not_a_file") => ("404 Not Found", 0),
        Err(_) => ("503 Service Unavailable", 0),
    };
    let content_length = match server.is_mutant(Mutant::HttpWithoutLength) {
        true => String::new(),
        false => format!("Content-Length: {length}\r\n"),
    };
    let content_type = match server.options.file.extension().and_then(|ending| ending.to_str()) {
        Some("webp") => "image/webp",
        Some("html") => "text/html",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    };
    match server.options.preamble {
        Preamble::None => Vec::new(),
        Preamble::Bare if server.is_mutant(Mutant::WrongNewline) => b"HTTP/1.1\r\n\r\n".to_vec(),
        Preamble::Bare => b"HTTP/1.1\n\n".to_vec(),
        Preamble::Http => format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{content_length}\
             Connection: close\r\n\r\n"
        )
        .into_bytes(),
    }
}

/// Reads one chunk, writes it completely, and only then reads the next one. This loop is the
/// backpressure.
fn send_copied(
    connection: &Connection,
    stream: &TcpStream,
    file: &mut dyn Read,
    bytes: u64,
) -> io::Result<()> {
    let server = &connection.server;
    let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
    let chunk_bytes = match server.is_mutant(Mutant::WholeWritesInsteadOfChunk) {
        true => whole.max(1),
        false => server.options.chunk_bytes,
    };
    let mut buffer = vec![0; chunk_bytes.min(whole)];
    let mut left = bytes;
    while left > 0 {
        if left < chunk_bytes as u64 && server.is_mutant(Mutant::LosesLastPartialChunk) {
            break;
        }
        let chunk = &mut buffer[..left.min(chunk_bytes as u64) as usize];
        match file.read_exact(chunk) {
            Err(error)
                if error.kind() == ErrorKind::UnexpectedEof && server.is_mutant(Mutant::Pads) =>
            {
                chunk.fill(0);
            }
            read => read?,
        }
        let started = Instant::now();
        write_bytes(connection, stream, chunk)?;
        if server.options.log_chunks {
            let wait_us = started.elapsed().as_micros();
            connection.record("chunk", &format!(r#","bytes":{},"wait_us":{wait_us}"#, chunk.len()));
        }
        left -= chunk.len() as u64;
    }
    if server.is_mutant(Mutant::FollowsGrowth) {
        let mut grown = Vec::new();
        file.read_to_end(&mut grown)?;
        write_bytes(connection, stream, &grown)?;
    }
    Ok(())
}

/// Writes all bytes, or fails if the client acknowledges no byte within the stall timeout. The
/// duration of a single write is not evidence of a stall: the kernel wakes it only when a third of
/// the send buffer is free. A repeated write uses any free space.
fn write_bytes(
    connection: &Connection,
    mut stream: &TcpStream,
    mut bytes: &[u8],
) -> io::Result<()> {
    let server = &connection.server;
    let mut progress_at = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => {
                connection.sent.fetch_add(written as u64, SeqCst);
                bytes = &bytes[written..];
                progress_at = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A write that times out returns `WouldBlock` on Unix and `TimedOut` on Windows.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let since = match server.options.mutant {
                    Some(Mutant::NoStallTimeout) => continue,
                    Some(Mutant::CutsSlowReaders) => connection.connected_at,
                    _ => progress_at,
                };
                if since.elapsed() >= server.options.stall_timeout {
                    let message = "the client took no byte within the stall timeout";
                    return Err(io::Error::new(ErrorKind::TimedOut, message));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads and discards what the client sends until end of file. End of file only means that the
/// client sends no more data; the reply continues.
fn drain(connection: &Connection, mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => {
                match connection.server.options.mutant {
                    Some(Mutant::HalfCloseAsGoodbye) => _ = stream.shutdown(Shutdown::Both),
                    // The loop would never end. Three seconds are long enough for the check.
                    Some(Mutant::SpinsAfterFin)
                        if connection.is_younger_than(Duration::from_secs(3)) =>
                    {
                        continue;
                    }
                    _ => {}
                }
                return Ok(());
            }
            Ok(read) => connection.record_received(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
