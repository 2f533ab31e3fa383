//! One file server, small and right: it holds the whole contract in blocking std, two threads a
//! client. And the zoo: `--bug NAME` makes it wrong in one way, at the one place where
//! `has(Bug::…)` asks for it, so that right and wrong stand side by side.
//!
//! `zoo --list` names the bugs; `zoo --bug never-reads river.webp 4000` runs one.

mod bugs;
mod client;
mod log;
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

use bugs::Bug;
use client::{Client, kind_of, reset_on_close};
use log::{Log, lock, quoted};
use options::{Options, Preamble, USAGE};
use socket2::{Domain, Socket, Type};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long accepting rests when no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A thread's stack, in bytes: std's own 2 MiB would be a lot for a thread that copies bytes.
const STACK_BYTES: usize = 128 * 1024;

fn main() -> ExitCode {
    let args: Vec<String> =
        env::args_os().skip(1).map(|arg| arg.to_string_lossy().into()).collect();
    if args == ["--list"] {
        for bug in Bug::ALL {
            let _ = writeln!(io::stdout(), "{:30} {}", bug.name(), bug.sentence());
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
            let _ = writeln!(io::stderr(), "zoo: {message}");
            ExitCode::from(2)
        }
    }
}

/// What all threads share.
struct Server {
    options: Options,
    log: Log,
    /// The file as it was at start, for [`Bug::FileReadOnce`] alone.
    at_start: Arc<[u8]>,
    /// Who is connected. Only the number is counted and, to cut them off, the sockets are used.
    clients: Mutex<HashMap<u64, Arc<TcpStream>>>,
    /// `clients` changed, or the server is to stop.
    changed: Condvar,
    is_stopping: AtomicBool,
    is_cut_off: AtomicBool,
    /// For [`Bug::BlockingOnExecutor`] and [`Bug::PoolOfThreads`] alone.
    executor: smol::Executor<'static>,
}

/// Serves until a signal comes.
fn run(options: Options) -> io::Result<()> {
    let named = |error| io::Error::other(format!("{}: {error}", options.file.display()));
    let mut at_start = Vec::new();
    let mut file = open_regular(&options.file).map_err(named)?;
    if options.bug == Some(Bug::FileReadOnce) {
        file.read_to_end(&mut at_start).map_err(named)?;
    }
    let bytes = file.metadata()?.len();
    drop(file);
    let listener = bind(&options)?;
    let addr = listener.local_addr()?;
    // Made now, since there may be no descriptor left when it has to wake `accept`.
    let waker = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    let log = Log::to_stdout(options.bug)?;
    let server = Arc::new(Server {
        log,
        at_start: at_start.into(),
        clients: Mutex::default(),
        changed: Condvar::new(),
        is_stopping: AtomicBool::new(false),
        is_cut_off: AtomicBool::new(false),
        executor: smol::Executor::new(),
        options,
    });
    stop_on_signals(&server)?;
    let name = server.options.file.file_name().unwrap_or_default().to_string_lossy();
    let fields = format!(r#","approach":"zoo","addr":"{addr}","file":{},"#, quoted(&name));
    server.log.record("listening", &format!(r#"{fields}"bytes":{bytes}"#));
    let accepting = Arc::clone(&server);
    thread::Builder::new().spawn(move || accept_clients(&accepting, listener))?;
    for _ in 0..server.executor_threads() {
        let one = Arc::clone(&server);
        let work = move || smol::block_on(one.executor.run(smol::future::pending::<()>()));
        thread::Builder::new().spawn(work)?;
    }

    server.wait_until(Duration::MAX, |_| server.is_stopping.load(SeqCst));
    let _ = waker.connect_timeout(&addr.into(), Duration::from_secs(1));
    if !server.has(Bug::CutsAtShutdown) {
        server.wait_until(server.options.grace, HashMap::is_empty);
    }
    server.is_cut_off.store(true, SeqCst);
    for stream in lock(&server.clients).values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    server.wait_until(Duration::from_secs(1), HashMap::is_empty);
    server.log.finish();
    Ok(())
}

fn bind(options: &Options) -> io::Result<TcpListener> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // On Windows the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    let backlog = if options.bug == Some(Bug::SmallBacklog) { 5 } else { BACKLOG };
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
            if server.has(Bug::IgnoresSigterm) {
                continue;
            }
            if server.is_stopping.load(SeqCst) && !server.has(Bug::IgnoresSecondSignal) {
                process::exit(130);
            }
            server.stop();
        }
    };
    thread::Builder::new().spawn(wait).map(drop)
}

/// Windows ends the process by itself.
#[cfg(not(unix))]
fn stop_on_signals(_server: &Arc<Server>) -> io::Result<()> {
    Ok(())
}

impl Server {
    fn has(&self, bug: Bug) -> bool {
        self.options.bug == Some(bug)
    }

    #[cfg_attr(not(unix), allow(dead_code, reason = "nobody asks for it there"))]
    fn stop(&self) {
        // Under the lock: nobody is `connected` after `shutdown`, and nobody who waits misses it.
        let _clients = lock(&self.clients);
        self.is_stopping.store(true, SeqCst);
        self.log.record("shutdown", "");
        self.changed.notify_all();
    }

    fn wait_until(&self, timeout: Duration, is_so: impl Fn(&HashMap<u64, Arc<TcpStream>>) -> bool) {
        let is_not = |clients: &mut HashMap<u64, Arc<TcpStream>>| !is_so(clients);
        let _ = self.changed.wait_timeout_while(lock(&self.clients), timeout, is_not);
    }

    /// Right is none: every client has its own.
    fn executor_threads(&self) -> usize {
        match self.options.bug {
            Some(Bug::BlockingOnExecutor) => 1,
            Some(Bug::PoolOfThreads) => 64,
            _ => 0,
        }
    }

    fn is_full(&self) -> bool {
        lock(&self.clients).len() >= self.options.max_connections
    }

    fn failed(&self, conn: Option<u64>, error: &io::Error) {
        let conn = conn.map(|conn| format!(r#","conn":{conn}"#)).unwrap_or_default();
        let (kind, message) = (kind_of(error), quoted(&error.to_string()));
        self.log.record("error", &format!(r#"{conn},"kind":"{kind}","message":{message}"#));
    }
}

fn accept_clients(server: &Arc<Server>, listener: TcpListener) -> io::Result<()> {
    let mut conn = 0;
    loop {
        // At the cap, who comes waits in the backlog.
        let cap = match server.has(Bug::DropsAtCap) || server.has(Bug::IgnoresCap) {
            true => usize::MAX,
            false => server.options.max_connections,
        };
        let is_stopping = || server.is_stopping.load(SeqCst) && !server.has(Bug::ServesInGrace);
        server.wait_until(Duration::MAX, |clients| clients.len() < cap || is_stopping());
        if is_stopping() {
            return Ok(());
        }
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if server.has(Bug::QuestionMarkInAccept) => return Err(error),
            Err(error) if kind_of(&error) == "connection_reset" => continue,
            Err(error) => {
                server.failed(None, &error);
                if !server.has(Bug::BusyAccept) {
                    thread::sleep(ACCEPT_PAUSE);
                }
                continue;
            }
        };
        if server.has(Bug::DropsAtCap) && server.is_full() {
            continue;
        }
        let stream = Arc::new(stream);
        let Some(client) = Client::connect(server, conn + 1, peer, &stream) else {
            reset_on_close(&stream);
            return Ok(());
        };
        conn += 1;
        match server.options.bug {
            Some(Bug::Sequential) => serve_client(client, stream),
            Some(Bug::BlockingOnExecutor | Bug::PoolOfThreads) => {
                server.executor.spawn(serve_on_executor(client, stream)).detach();
            }
            _ => {
                let work = move || serve_client(client, stream);
                if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(work) {
                    // The client went with the closure; the next may have luck.
                    server.failed(None, &error);
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }
}

/// Serves one client to its end. The parameters drop last to first: the socket is closed when the
/// client's drop tells `disconnected`.
fn serve_client(client: Client, stream: Arc<TcpStream>) {
    let server = Arc::clone(&client.server);
    match server.options.bug {
        Some(Bug::AcceptThenWait) => _ = stream.peek(&mut [0]),
        Some(Bug::WaitsALittle) => {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(330)));
            let _ = stream.peek(&mut [0]);
            let _ = stream.set_read_timeout(None);
        }
        _ => {}
    }
    let path = match server.has(Bug::RequestChoosesFile) {
        true => path_of_request(&server.options.file, &stream),
        false => server.options.file.clone(),
    };
    let ended = thread::scope(|scope| {
        let (client, stream) = (&client, &*stream);
        let (tell, heard) = mpsc::channel();
        let hear = move || tell.send(hear_client(client, stream));
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let sent = match server.options.bug {
            Some(Bug::WriteAndClose) => send_file(client, stream, &path),
            Some(Bug::NeverReads) => {
                let sent = send_file(client, stream, &path);
                thread.spawn_scoped(scope, hear)?;
                sent
            }
            _ => {
                // A thread that waits in `write` cannot read: so another one hears.
                thread.spawn_scoped(scope, hear)?;
                send_file(client, stream, &path)
            }
        };
        let ended = sent.and_then(|()| end_reply(client, stream, &heard));
        // Wakes the thread that hears, if it still does.
        let _ = stream.shutdown(Shutdown::Both);
        ended
    });
    client.ended(ended, &stream);
}

/// Everything is sent: says so to the client, and hears it until it says the same. To close earlier
/// would turn its next word into a RST.
fn end_reply(
    client: &Client,
    stream: &TcpStream,
    heard: &Receiver<io::Result<()>>,
) -> io::Result<()> {
    let server = &client.server;
    match server.options.bug {
        Some(Bug::CloseWithoutDrain | Bug::WriteAndClose) => return Ok(()),
        Some(Bug::NoFin) => return heard.recv().unwrap_or(Ok(())),
        _ => stream.shutdown(Shutdown::Write)?,
    }
    if server.has(Bug::NeverLetsGo) {
        return heard.recv().unwrap_or(Ok(()));
    }
    let received = client.received.load(SeqCst);
    heard.recv_timeout(server.options.linger_timeout).unwrap_or_else(|_| {
        // Who still talks would wait for room to say more: a RST tells that nobody listens.
        if client.received.load(SeqCst) > received {
            reset_on_close(stream);
        }
        Ok(())
    })
}

/// [`Bug::BlockingOnExecutor`]: the hearing is asynchronous, as it should be, but the sending
/// blocks the one thread that all tasks share.
async fn serve_on_executor(client: Client, stream: Arc<TcpStream>) {
    let ended = async {
        send_file(&client, &stream, &client.server.options.file)?;
        stream.shutdown(Shutdown::Write)?;
        let mut reader = smol::Async::new(stream.try_clone()?)?;
        let hear = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = smol::io::AsyncReadExt::read(&mut reader, &mut buffer).await?;
                if read == 0 {
                    return Ok(());
                }
                client.heard(&buffer[..read]);
            }
        };
        let linger = async {
            smol::Timer::after(client.server.options.linger_timeout).await;
            Ok(())
        };
        smol::future::or(hear, linger).await
    };
    client.ended(ended.await, &stream);
}

/// [`Bug::RequestChoosesFile`]: what `GET /name` asks for, if it comes soon.
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

/// Opens the file anew and sends it, or says as well as the preamble can that there is none.
fn send_file(client: &Client, stream: &TcpStream, path: &Path) -> io::Result<()> {
    let server = &client.server;
    let opened = open_file(server, path);
    match server.options.bug {
        Some(Bug::MissingFileKills) if opened.is_err() => process::exit(1),
        Some(Bug::MissingFileHangs) if opened.is_err() => loop {
            thread::park();
        },
        _ => {}
    }
    // A write waits only so long that somebody looks eight times within the stall timeout.
    let patience = (server.options.stall_timeout / 8).max(Duration::from_millis(1));
    stream.set_write_timeout(Some(patience))?;
    send_bytes(client, stream, &preamble(server, &opened))?;
    let (mut file, bytes) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            server.failed(Some(client.conn), &error);
            return Ok(());
        }
    };
    let sent = send_chunks(client, stream, &mut *file, bytes);
    if sent.is_ok() || server.has(Bug::FileEndedTooEarly) {
        client.record("file_ended", &format!(r#","bytes":{bytes}"#));
    }
    if sent.is_err() && server.has(Bug::LeaksDescriptors) {
        mem::forget(file);
    }
    sent
}

/// The file and its length, which holds from now on.
fn open_file(server: &Server, path: &Path) -> io::Result<(Box<dyn Read>, u64)> {
    if server.has(Bug::FileReadOnce) {
        let content = Arc::clone(&server.at_start);
        let bytes = content.len() as u64;
        return Ok((Box::new(Cursor::new(content)), bytes));
    }
    let mut file = open_regular(path)?;
    let bytes = file.metadata()?.len();
    if server.has(Bug::WholeFileInMemory) {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        return Ok((Box::new(Cursor::new(content)), bytes));
    }
    Ok((Box::new(file), bytes))
}

/// To open a pipe would wait for its writer, so what it is must be known before.
fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "not a regular file"));
    }
    File::open(path)
}

fn preamble(server: &Server, opened: &io::Result<(Box<dyn Read>, u64)>) -> Vec<u8> {
    let (status, length) = match opened {
        Ok((_, bytes)) if server.has(Bug::WrongLength) => ("200 OK", bytes + 1),
        Ok((_, bytes)) => ("200 OK", *bytes),
        Err(error) if matches!(kind_of(error), "not_found" | "not_a_file") => ("404 Not Found", 0),
        Err(_) => ("503 Service Unavailable", 0),
    };
    let content_length = match server.has(Bug::HttpWithoutLength) {
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
        Preamble::Bare if server.has(Bug::WrongNewline) => b"HTTP/1.1\r\n\r\n".to_vec(),
        Preamble::Bare => b"HTTP/1.1\n\n".to_vec(),
        Preamble::Http => format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{content_length}\
             Connection: close\r\n\r\n"
        )
        .into_bytes(),
    }
}

/// Reads one chunk, writes it whole, and only then reads the next: that loop is the backpressure.
fn send_chunks(
    client: &Client,
    stream: &TcpStream,
    file: &mut dyn Read,
    bytes: u64,
) -> io::Result<()> {
    let server = &client.server;
    let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
    let chunk_bytes = match server.has(Bug::WholeWritesInsteadOfChunk) {
        true => whole.max(1),
        false => server.options.chunk_bytes,
    };
    let mut buffer = vec![0; chunk_bytes.min(whole)];
    let mut left = bytes;
    while left > 0 {
        if left < chunk_bytes as u64 && server.has(Bug::LosesLastPartialChunk) {
            break;
        }
        let chunk = &mut buffer[..left.min(chunk_bytes as u64) as usize];
        match file.read_exact(chunk) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && server.has(Bug::Pads) => {
                chunk.fill(0);
            }
            read => read?,
        }
        let started = Instant::now();
        send_bytes(client, stream, chunk)?;
        if server.options.log_chunks {
            let wait_us = started.elapsed().as_micros();
            client.record("chunk", &format!(r#","bytes":{},"wait_us":{wait_us}"#, chunk.len()));
        }
        left -= chunk.len() as u64;
    }
    if server.has(Bug::FollowsGrowth) {
        let mut grown = Vec::new();
        file.read_to_end(&mut grown)?;
        send_bytes(client, stream, &grown)?;
    }
    Ok(())
}

/// `write_all`, but who takes nothing for too long is given up. That a write waits long says
/// little: it wakes only when a third of the socket's buffer is free. A new try takes any room
/// there is.
fn send_bytes(client: &Client, mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let server = &client.server;
    let mut progress_at = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => {
                client.sent.fetch_add(written as u64, SeqCst);
                bytes = &bytes[written..];
                progress_at = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Unix and Windows call it by different names.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let since = match server.options.bug {
                    Some(Bug::NoStallTimeout) => continue,
                    Some(Bug::CutsSlowReaders) => client.connected_at,
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

/// Reads and throws away what the client says, until its FIN: that is no goodbye, it only means
/// that there is no more to hear.
fn hear_client(client: &Client, mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => {
                match client.server.options.bug {
                    Some(Bug::HalfCloseAsGoodbye) => _ = stream.shutdown(Shutdown::Both),
                    // It would spin for ever; three seconds are enough to be seen.
                    Some(Bug::SpinsAfterFin) if client.is_new(Duration::from_secs(3)) => continue,
                    _ => {}
                }
                return Ok(());
            }
            Ok(read) => client.heard(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
