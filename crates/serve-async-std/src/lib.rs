//! The file server in async-std, with one task per connection on a few worker threads.
//!
//! async-std provides async versions of std's functions and types. The authors of async-std
//! discontinued it in 2025, and recommend smol (RUSTSEC-2025-0052). This sibling is kept because
//! much existing code uses async-std. The process has one executor, which cannot be dropped.
//! Therefore, the server cancels its tasks through a channel. async-std's sockets do not expose
//! their readiness. A program can only read from a socket and write to a socket.
//!
//! Run `cargo run -p serve-async-std` and open <http://localhost:4000/> in a browser.

mod pool;

use std::io::{self, ErrorKind, Read as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_global_executor::GlobalExecutorConfig;
use async_std::channel::{self, Receiver};
use async_std::future::{pending, poll_fn, timeout};
use async_std::net::{TcpListener, TcpStream};
use async_std::prelude::*;
use async_std::task::{self, Poll, ready, sleep, spawn_blocking, yield_now};
use serve_core::{
    Approach, Body, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Linger, Reply, Server, TimeSlice,
};

/// The description of this sibling.
pub const APPROACH: Approach = Approach {
    name: "async-std",
    summary: "async-std (discontinued), one task per connection on worker threads",
    has_workers: true,
    max_connections: 10_000,
    connection_bytes: 8 * 1024,
    worker_descriptors: 0,
    run,
};

// ANCHOR: run
/// Serves clients until the shutdown (see [`Approach::run`]). The process has one executor. The
/// first server in the process determines the number of worker threads.
///
/// # Errors
///
/// This function never fails. It returns a `Result` because the `run` functions of all siblings
/// have the same signature.
///
/// # Panics
///
/// Panics if the reactor cannot register the listener. async-std has no conversion that returns
/// this error.
pub fn run(listener: std::net::TcpListener, server: Arc<Server>) -> io::Result<()> {
    // ANCHOR: start
    let workers = server.config.workers;
    let config = GlobalExecutorConfig::default().with_min_threads(workers);
    async_global_executor::init_with_config(config.with_max_threads(workers));
    // ANCHOR_END: start
    pool::start();
    // No message is ever sent. Dropping `stop` closes the channel, which cancels all connection
    // tasks.
    let (stop, stopped) = channel::bounded(1);
    let accepting = task::spawn(accept_loop(listener.into(), Arc::clone(&server), stopped));
    server.shutdown.wait();
    task::block_on(accepting.cancel());
    // ANCHOR: stop
    server.wait_until_idle(server.config.grace);
    // A canceled task drops its socket and then its `Connection`.
    drop(stop);
    server.wait_until_idle(Duration::MAX);
    // ANCHOR_END: stop
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_loop(listener: TcpListener, server: Arc<Server>, stopped: Receiver<()>) {
    loop {
        let permit = server.acquire().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                // ANCHOR: spawn
                let stopped = stopped.clone();
                let canceled = async move { _ = stopped.recv().await };
                task::spawn(handle_connection(stream, permit.connected(peer)).race(canceled));
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
pub async fn handle_connection(stream: TcpStream, conn: Connection) {
    // A future that was never polled drops its parameters from first to last. A future that was
    // polled drops its variables from last to first.
    let (conn, stream) = (conn, stream);
    let result = serve(&conn, &stream).await;
    conn.finish(result, &stream);
}

async fn serve(conn: &Connection, stream: &TcpStream) -> io::Result<()> {
    // ANCHOR: both
    let draining = async {
        drain(conn, stream).await?;
        // A client that half-closes still gets the whole file.
        pending().await
    };
    send_file(conn, stream).race(draining).await?;
    // ANCHOR_END: both
    stream.shutdown(Shutdown::Write)?;
    linger(conn, stream).await
}
// ANCHOR_END: serve

// ANCHOR: send
async fn send_file(conn: &Connection, stream: &TcpStream) -> io::Result<()> {
    let server = Arc::clone(conn.server());
    let reply = match Reply::open_cached(&server) {
        Some(reply) => reply,
        None => {
            // The disk may not answer, so first send the bytes that do not depend on the file.
            write_bytes(conn, stream, server.config.preamble.fixed_bytes()).await?;
            spawn_blocking(move || Reply::open(&server)).await
        }
    };
    let sent = conn.record_sent(reply.send_preamble(stream)?);
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
async fn send_copied(conn: &Connection, mut stream: &TcpStream, body: Body) -> io::Result<u64> {
    let mut chunks = ChunkReader::new(body, conn.server());
    let mut time_slice = TimeSlice::new();
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            // If the send buffer is full, `poll_write` returns `Pending`. In that case, the rest of
            // the piece is dropped before the wait, and read again after the wait.
            // ANCHOR: piece
            let write = poll_fn(|cx| {
                let Some(mut piece) = chunks.try_read_cached()? else {
                    return Poll::Ready(Ok(false));
                };
                while !piece.is_empty() {
                    let sent = ready!(Pin::new(&mut stream).poll_write(cx, &piece))?;
                    piece.advance(conn.record_sent(sent));
                }
                Poll::Ready(io::Result::Ok(true))
            });
            // ANCHOR_END: piece
            match timeout(conn.stall_check_interval(), write).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    // The timeout polls `write` once more before it expires. That poll may return
                    // `false`.
                    conn.check_stall(stream)?;
                    chunks = spawn_blocking(move || chunks.fetch()).await?;
                }
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_elapsed) => conn.check_stall(stream)?,
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
    mut stream: &TcpStream,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(conn.stall_check_interval(), stream.write(bytes)).await {
            Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Ok(sent) => bytes = &bytes[conn.record_sent(sent?)..],
            Err(_elapsed) => conn.check_stall(stream)?,
        }
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
async fn send_zero_copy(conn: &Connection, stream: &TcpStream, body: Body) -> io::Result<u64> {
    let mut time_slice = TimeSlice::new();
    for chunk_bytes in body.chunks(conn.config()) {
        let started = conn.chunk_started();
        let mut remaining = chunk_bytes;
        while remaining > 0 {
            remaining -= match body.sendfile(stream, remaining) {
                Ok(sent) => conn.record_sent(sent),
                // A task can wait for an async-std socket only in a read or a write. Therefore,
                // this task waits by writing one byte of the file.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut byte = [0];
                    (&*body.file).read_exact(&mut byte)?;
                    write_bytes(conn, stream, &byte).await?;
                    byte.len()
                }
                Err(error) => return Err(error),
            };
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
async fn drain(conn: &Connection, mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; DRAIN_BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(received) => conn.record_received(&buffer[..received]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // A client that never stops sending must not prevent other tasks from running.
        yield_now().await;
    }
}
// ANCHOR_END: drain

// ANCHOR: linger
async fn linger(conn: &Connection, stream: &TcpStream) -> io::Result<()> {
    let mut linger = Linger::new(conn);
    loop {
        match timeout(linger.wait(), drain(conn, stream)).await {
            Ok(result) => break result?,
            Err(_elapsed) if linger.is_expired(stream)? => return Ok(()),
            Err(_elapsed) => {}
        }
    }
    // A client that half-closed may still be reading.
    while !linger.is_acknowledged(stream)? {
        sleep(linger.wait()).await;
    }
    Ok(())
}
// ANCHOR_END: linger
