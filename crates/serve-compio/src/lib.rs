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
//! A connection stays on the thread that accepted it. On Linux before 5.19, or if the system does not
//! permit io_uring, compio uses epoll.
//!
//! Run `cargo run -p serve-compio` and open <http://localhost:4000/> in a browser.

mod pool;
mod readiness;
mod worker;

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;

use blocking::unblock;
use compio::buf::IntoInner;
use compio::runtime::fd::PollFd;
use compio::runtime::spawn;
use compio::time::{sleep, timeout};
use futures_lite::future::{or, pending, yield_now};
use serve_core::{
    Approach, Body, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Linger, Reply, Server, TimeSlice,
    send,
};
use socket2::Socket;

use readiness::write_with;

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

/// The reason why compio accepts every socket. compio registers sockets only on Windows.
const REGISTERS_NOTHING: &str = "on Linux, compio does not register sockets";

/// Serves clients until the shutdown (see [`Approach::run`]).
///
/// # Errors
///
/// Returns an error if neither io_uring nor epoll is available, if no file descriptor is left for
/// a runtime, or if a thread cannot be started.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    pool::start();
    let listeners = (0..server.config.workers).map(|_| listener.try_clone());
    let listeners = listeners.collect::<io::Result<_>>()?;
    // The kernel closes the accept queue when every worker has closed its listener.
    drop(listener);
    let work = async |listener| {
        // No client is accepted before the event `listening`, because `acquire` logs this event.
        or(accept_loop(listener, &server), server.shutdown.requested()).await;
        server.disconnect_requested().await;
    };
    worker::run_all(listeners, work, || {
        server.shutdown.wait();
        server.wait_until_idle(server.config.grace);
        // Each worker drops its runtime. This drops the sockets and then their `Connection`s.
        server.disconnect_all();
    })
}

async fn accept_loop(listener: TcpListener, server: &Arc<Server>) {
    let listener = compio::net::TcpListener::from_std(listener).expect(REGISTERS_NOTHING);
    loop {
        let permit = server.acquire().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let stream = stream.into_poll_fd().expect(REGISTERS_NOTHING);
                spawn(handle_connection(stream, permit.connected(peer))).detach();
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    sleep(pause).await;
                }
            }
        }
    }
}

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
    let draining = async {
        drain(conn, stream).await?;
        // A client that half-closes still gets the whole file.
        pending().await
    };
    or(send_file(conn, stream), draining).await?;
    stream.shutdown(Shutdown::Write)?;
    linger(conn, stream).await
}

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

async fn send_copied(conn: &Connection, stream: &PollFd<Socket>, body: Body) -> io::Result<u64> {
    let mut chunks = ChunkReader::new(body, conn.server());
    let mut time_slice = TimeSlice::new();
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            // If the send buffer is full, `send` returns `WouldBlock`. In that case, the rest of
            // the piece is dropped before the wait, and read again after the wait.
            // ANCHOR: piece
            let write = write_with(conn, stream, |stream| {
                let Some(mut piece) = chunks.try_read_cached()? else { return Ok(false) };
                while !piece.is_empty() {
                    let sent = send(stream, &piece)?;
                    piece.advance(conn.record_sent(sent));
                }
                Ok(true)
            });
            // ANCHOR_END: piece
            if !write.await? {
                chunks = unblock(move || chunks.fetch()).await?;
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
        let sent = write_with(conn, stream, |stream| send(stream, bytes)).await?;
        bytes = &bytes[conn.record_sent(sent)..];
    }
    Ok(())
}

async fn send_zero_copy(conn: &Connection, stream: &PollFd<Socket>, body: Body) -> io::Result<u64> {
    let mut time_slice = TimeSlice::new();
    for chunk_bytes in body.chunks(conn.config()) {
        let started = conn.chunk_started();
        let mut remaining = chunk_bytes;
        while remaining > 0 {
            let write = write_with(conn, stream, |stream| body.sendfile(stream, remaining));
            remaining -= conn.record_sent(write.await?);
            if time_slice.is_expired() {
                yield_now().await;
            }
        }
        conn.record_chunk(chunk_bytes, started);
    }
    Ok(body.bytes)
}

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
