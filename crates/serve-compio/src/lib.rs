//! The file server on compio, with an io_uring instance per worker thread.
//!
//! With io_uring, a program submits an operation, such as `accept`, to a queue that it shares with
//! the kernel. The kernel performs the operation and reports its completion. A single system call,
//! `io_uring_enter`, submits all queued operations and waits for completions. The kernel owns the
//! buffer of an operation until the operation is complete. A write to a non-reading client would
//! therefore occupy a buffer until the client reads. For this reason, this sibling submits only
//! operations without a buffer: it accepts connections, and waits until a socket is readable or
//! writable ([`PollFd`]). Then it reads and writes immediately, with a buffer of the thread.
//!
//! A connection stays on the thread that accepted it. If the system does not permit io_uring, compio
//! uses epoll.
//!
//! Run `cargo run -p serve-compio` and open <http://localhost:4000/> in a browser.

mod pool;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;

use blocking::unblock;
use compio::buf::IntoInner;
use compio::driver::DriverType;
use compio::runtime::fd::PollFd;
use compio::runtime::{Runtime, spawn};
use compio::time::{sleep, timeout};
use futures_lite::future::{or, pending, yield_now};
use rustix::event::{self, PollFlags, Timespec, epoll, poll};
use serve_core::{
    Approach, Body, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Linger, Reply, Server, TimeSlice,
    no_thread, send,
};
use socket2::Socket;

/// The description of this sibling.
pub const APPROACH: Approach = Approach {
    name: "compio",
    summary: "compio, one io_uring instance per worker thread",
    has_workers: true,
    max_connections: 10_000,
    connection_bytes: 10 * 1024,
    // A worker thread has a duplicate of the listener and an eventfd of its waker. In addition, it
    // has an io_uring instance, or an epoll instance and a timerfd.
    worker_descriptors: 4,
    run,
};

// ANCHOR: run
/// Serves clients until the shutdown (see [`Approach::run`]).
///
/// # Errors
///
/// Returns an error if neither io_uring nor epoll is available, if no file descriptor is left for
/// a runtime, or if a thread cannot be started.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    pool::start();
    let listeners: Vec<_> =
        (0..server.config.workers).map(|_| listener.try_clone()).collect::<Result<_, _>>()?;
    // The kernel closes the accept queue when every worker has closed its listener.
    drop(listener);
    let is_started = OnceLock::new();
    thread::scope(|scope| {
        // ANCHOR: start
        let (sender, drivers) = mpsc::channel();
        let spawned = listeners.into_iter().try_for_each(|listener| {
            let (sender, server, is_started) = (sender.clone(), &server, &is_started);
            let worker = move || run_worker(listener, server, sender, is_started);
            let thread = thread::Builder::new().name("compio".to_owned());
            thread.spawn_scoped(scope, worker).map(drop).map_err(no_thread)
        });
        drop(sender);
        let drivers: io::Result<Vec<_>> = spawned.and_then(|()| drivers.iter().collect());
        // ANCHOR_END: start
        let result = drivers.map(|drivers| {
            if drivers.iter().any(DriverType::is_polling) {
                let warning = "warning: io_uring is not available, so the server uses epoll\n";
                let _ = io::stderr().write_all(warning.as_bytes());
            }
            server.announce();
            let _ = is_started.set(true);
            server.shutdown.wait();
            // ANCHOR: stop
            server.wait_until_idle(server.config.grace);
            // Each worker drops its runtime. This drops the sockets and then their `Connection`s.
            server.disconnect_all();
            // ANCHOR_END: stop
        });
        // If a worker has failed, the other workers end without serving clients.
        let _ = is_started.set(false);
        result
    })
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_loop(listener: TcpListener, server: &Arc<Server>) -> io::Result<()> {
    let listener = compio::net::TcpListener::from_std(listener)?;
    loop {
        let permit = server.acquire().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                // ANCHOR: spawn
                let stream = stream.into_poll_fd()?;
                spawn(handle_connection(stream, permit.connected(peer))).detach();
                // ANCHOR_END: spawn
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    sleep(pause).await;
                }
            }
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
/// Serves one client. Dropping the future, even before its first poll, closes the socket and then
/// logs `disconnected`.
pub async fn handle_connection(stream: PollFd<Socket>, conn: Connection) {
    // A future that was never polled drops its parameters from first to last. A future that was
    // polled drops its variables from last to first.
    let (conn, stream) = (conn, stream);
    let result = serve(&conn, &stream).await;
    conn.finish(result, &*stream);
    // A pending operation keeps the socket open until the kernel has canceled the operation.
    drop(stream.into_inner().take().await);
}

async fn serve(conn: &Connection, stream: &PollFd<Socket>) -> io::Result<()> {
    rustix::io::ioctl_fionbio(stream, true)?;
    // ANCHOR: both
    let draining = async {
        drain(conn, stream).await?;
        // A client that half-closes still gets the whole file.
        pending().await
    };
    or(send_file(conn, stream), draining).await?;
    // ANCHOR_END: both
    stream.shutdown(Shutdown::Write)?;
    linger(conn, stream).await
}
// ANCHOR_END: serve

// ANCHOR: send
async fn send_file(conn: &Connection, stream: &PollFd<Socket>) -> io::Result<()> {
    let server = Arc::clone(conn.server());
    let reply = match Reply::open_cached(&server) {
        Some(reply) => reply,
        None => {
            // The disk may not answer, so first send the bytes that do not depend on the file.
            write_bytes(conn, stream, server.config.preamble.fixed_bytes()).await?;
            unblock(move || Reply::open(&server)).await
        }
    };
    let sent = conn.record_sent(reply.send_preamble(&**stream)?);
    write_bytes(conn, stream, &reply.preamble[sent..]).await?;
    let file_bytes = match reply.body {
        Ok(body) if conn.config().zero_copy && body.file.is_local() => {
            send_zero_copy(conn, stream, body).await?
        }
        Ok(body) => send_copied(conn, stream, body).await?,
        Err(error) => return conn.record_file_failed(&error),
    };
    conn.record_file_ended(file_bytes);
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: copy
async fn send_copied(conn: &Connection, stream: &PollFd<Socket>, body: Body) -> io::Result<u64> {
    let mut chunks = ChunkReader::new(body, conn.server());
    let mut time_slice = TimeSlice::new();
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            // If the send buffer is full, `send` returns `WouldBlock`. In that case, the rest of
            // the piece is dropped before the wait, and read again after the wait.
            // ANCHOR: piece
            let mut write_piece = || -> io::Result<bool> {
                let Some(mut piece) = chunks.try_read_cached()? else { return Ok(false) };
                while !piece.is_empty() {
                    let sent = send(&**stream, &piece)?;
                    piece.advance(conn.record_sent(sent));
                }
                Ok(true)
            };
            // ANCHOR_END: piece
            match write_piece() {
                Ok(true) => {}
                Ok(false) => chunks = unblock(move || chunks.fetch()).await?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait_writable(conn, stream).await?;
                }
                Err(error) => return Err(error),
            }
            if time_slice.is_expired() {
                yield_now().await;
            }
        }
        conn.record_chunk(chunk_bytes, started);
    }
    Ok(chunks.sent_bytes())
}

async fn write_bytes(
    conn: &Connection,
    stream: &PollFd<Socket>,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(&**stream, bytes) {
            Ok(sent) => bytes = &bytes[conn.record_sent(sent)..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait_writable(conn, stream).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
async fn send_zero_copy(conn: &Connection, stream: &PollFd<Socket>, body: Body) -> io::Result<u64> {
    let mut time_slice = TimeSlice::new();
    for chunk_bytes in body.chunks(conn.config()) {
        let started = conn.chunk_started();
        let mut remaining = chunk_bytes;
        while remaining > 0 {
            match body.sendfile(&**stream, remaining) {
                Ok(sent) => remaining -= conn.record_sent(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait_writable(conn, stream).await?;
                }
                Err(error) => return Err(error),
            }
            if time_slice.is_expired() {
                yield_now().await;
            }
        }
        conn.record_chunk(chunk_bytes, started);
    }
    Ok(body.bytes)
}
// ANCHOR_END: zero_copy

// ANCHOR: drain
async fn drain(conn: &Connection, stream: &PollFd<Socket>) -> io::Result<()> {
    loop {
        stream.read_ready().await?;
        let mut buffer = [0; DRAIN_BUFFER_BYTES];
        match (&**stream).read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => conn.record_received(&buffer[..received]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: drain

// ANCHOR: linger
async fn linger(conn: &Connection, stream: &PollFd<Socket>) -> io::Result<()> {
    let mut linger = Linger::new(conn);
    loop {
        match timeout(linger.wait(), drain(conn, stream)).await {
            Ok(result) => break result?,
            Err(_elapsed) if linger.is_expired(&**stream)? => return Ok(()),
            Err(_elapsed) => {}
        }
    }
    // A client that half-closed may still be reading.
    while !linger.is_acknowledged(&**stream)? {
        sleep(linger.wait()).await;
    }
    Ok(())
}
// ANCHOR_END: linger

/// Waits until the send buffer has space, and checks whether the client still acknowledges data.
async fn wait_writable(conn: &Connection, stream: &PollFd<Socket>) -> io::Result<()> {
    let ready = async {
        stream.write_ready().await?;
        // After the client's FIN, every poll operation of io_uring completes immediately
        // (`POLLRDHUP`), even if the send buffer is full. An epoll instance ignores the FIN, and is
        // itself a descriptor that becomes readable.
        if poll(&mut [event::PollFd::new(stream, PollFlags::OUT)], Some(&Timespec::default()))? == 0
        {
            let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            epoll::add(&events, stream, epoll::EventData::new_u64(0), epoll::EventFlags::OUT)?;
            PollFd::new(events)?.read_ready().await?;
        }
        Ok(())
    };
    match timeout(conn.stall_check_interval(), ready).await {
        Ok(result) => result,
        Err(_elapsed) => conn.check_stall(&**stream),
    }
}

/// Runs the tasks of one worker thread. Sends the driver of its runtime, or the error, and waits
/// until the server starts.
fn run_worker(
    listener: TcpListener,
    server: &Arc<Server>,
    sender: Sender<io::Result<DriverType>>,
    is_started: &OnceLock<bool>,
) {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("neither io_uring nor epoll is available: {error}");
            let _ = sender.send(Err(io::Error::new(error.kind(), message)));
            return;
        }
    };
    let _ = sender.send(Ok(runtime.driver_type()));
    drop(sender);
    if !*is_started.wait() {
        return;
    }
    runtime.block_on(async {
        let accepting = async { accept_loop(listener, server).await };
        let _ = or(accepting, async { Ok(server.shutdown.requested().await) }).await;
        server.disconnect_requested().await;
    });
}
