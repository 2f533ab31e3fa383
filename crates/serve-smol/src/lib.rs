//! The file server in smol, with one task per connection on an executor that is an ordinary value.
//!
//! smol is a set of small crates. An [`Executor`] runs its tasks on the threads that call its
//! method `run`, and dropping the executor drops its tasks. [`Async`] makes a std socket
//! asynchronous. An operation on the socket suspends the task until the reactor reports that the
//! socket is ready. smol does not limit how long a task may run, so a task that never waits must
//! yield.
//!
//! Run `cargo run -p serve-smol` and open <http://localhost:4000/> in a browser.

mod pool;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use serve_core::{
    Approach, Body, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Linger, Reply, Server, TimeSlice,
    send,
};
use smol::future::{or, pending, yield_now};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Executor, Timer, block_on, channel, unblock};

/// The description of this sibling.
pub const APPROACH: Approach = Approach {
    name: "smol",
    summary: "smol, one task per connection on an executor that the server owns",
    has_workers: true,
    max_connections: 10_000,
    connection_bytes: 10 * 1024,
    worker_descriptors: 0,
    run,
};

// ANCHOR: run
/// Serves clients until the shutdown (see [`Approach::run`]).
///
/// # Errors
///
/// Returns an error if a worker thread cannot be started, or if the listener cannot be registered
/// with the reactor.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    pool::start();
    // Dropping the executor drops all tasks. Each task drops its socket and then its `Connection`.
    let executor = Arc::new(Executor::new());
    let accepting = accept_loop(Async::new(listener)?, Arc::clone(&server), Arc::clone(&executor));
    let accepting = executor.spawn(accepting);
    // No message is ever sent. Dropping `stop` closes the channel, which ends the worker threads.
    let (stop, stopped) = channel::bounded::<()>(1);
    thread::scope(|scope| {
        let _stop = stop;
        // ANCHOR: start
        for _ in 0..server.config.workers {
            let worker = || block_on(executor.run(stopped.recv()));
            thread::Builder::new().name("smol".to_owned()).spawn_scoped(scope, worker)?;
        }
        // ANCHOR_END: start
        server.shutdown.wait();
        block_on(accepting.cancel());
        // ANCHOR: stop
        server.wait_until_idle(server.config.grace);
        // ANCHOR_END: stop
        Ok(())
    })
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_loop(
    listener: Async<TcpListener>,
    server: Arc<Server>,
    executor: Arc<Executor<'static>>,
) {
    loop {
        let permit = server.acquire().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                // ANCHOR: spawn
                executor.spawn(handle_connection(stream, permit.connected(peer))).detach();
                // ANCHOR_END: spawn
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    Timer::after(pause).await;
                }
            }
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
/// Serves one client. Dropping the future, even before its first poll, closes the socket and then
/// logs `disconnected`.
pub async fn handle_connection(stream: Async<TcpStream>, conn: Connection) {
    // A future that was never polled drops its parameters from first to last. A future that was
    // polled drops its variables from last to first.
    let (conn, stream) = (conn, stream);
    let result = serve(&conn, &stream).await;
    conn.finish(result, &stream);
}

async fn serve(conn: &Connection, stream: &Async<TcpStream>) -> io::Result<()> {
    // ANCHOR: both
    let draining = async {
        drain(conn, stream).await?;
        // A client that half-closes still gets the whole file.
        pending().await
    };
    or(send_file(conn, stream), draining).await?;
    // ANCHOR_END: both
    stream.get_ref().shutdown(Shutdown::Write)?;
    linger(conn, stream).await
}
// ANCHOR_END: serve

// ANCHOR: send
async fn send_file(conn: &Connection, stream: &Async<TcpStream>) -> io::Result<()> {
    let server = Arc::clone(conn.server());
    let reply = match Reply::open_cached(&server) {
        Some(reply) => reply,
        None => {
            // The disk may not answer, so first send the bytes that do not depend on the file.
            write_bytes(conn, stream, server.config.preamble.fixed_bytes()).await?;
            unblock(move || Reply::open(&server)).await
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
async fn send_copied(conn: &Connection, stream: &Async<TcpStream>, body: Body) -> io::Result<u64> {
    let mut chunks = ChunkReader::new(body, conn.server());
    let mut time_slice = TimeSlice::new();
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            // If the send buffer is full, `send` returns `WouldBlock`. In that case, the rest of
            // the piece is dropped before the wait, and read again after the wait.
            // ANCHOR: piece
            let write = stream.write_with(|stream| {
                let Some(mut piece) = chunks.try_read_cached()? else { return Ok(false) };
                while !piece.is_empty() {
                    let sent = send(stream, &piece)?;
                    piece.advance(conn.record_sent(sent));
                }
                Ok(true)
            });
            // ANCHOR_END: piece
            match timeout(conn.stall_check_interval(), write).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    // The timeout polls `write` once more before it expires. That poll may return
                    // `false`.
                    conn.check_stall(stream)?;
                    chunks = unblock(move || chunks.fetch()).await?;
                }
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
    mut stream: &Async<TcpStream>,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(conn.stall_check_interval(), stream.write(bytes)).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(sent) => bytes = &bytes[conn.record_sent(sent?)..],
            Err(_elapsed) => conn.check_stall(stream)?,
        }
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
async fn send_zero_copy(
    conn: &Connection,
    stream: &Async<TcpStream>,
    body: Body,
) -> io::Result<u64> {
    let mut time_slice = TimeSlice::new();
    for chunk_bytes in body.chunks(conn.config()) {
        let started = conn.chunk_started();
        let mut remaining = chunk_bytes;
        while remaining > 0 {
            // ANCHOR: zero_copy_call
            let write = stream.write_with(|stream| body.sendfile(stream, remaining));
            match timeout(conn.stall_check_interval(), write).await {
                Ok(sent) => remaining -= conn.record_sent(sent?),
                Err(_elapsed) => conn.check_stall(stream)?,
            }
            if time_slice.is_expired() {
                yield_now().await;
            }
            // ANCHOR_END: zero_copy_call
        }
        conn.record_chunk(chunk_bytes, started);
    }
    Ok(body.bytes)
}
// ANCHOR_END: zero_copy

// ANCHOR: drain
async fn drain(conn: &Connection, mut stream: &Async<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; DRAIN_BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(received) => conn.record_received(&buffer[..received]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // A client that never stops sending must not prevent other tasks from running.
        yield_now().await;
    }
}
// ANCHOR_END: drain

// ANCHOR: linger
async fn linger(conn: &Connection, stream: &Async<TcpStream>) -> io::Result<()> {
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
        Timer::after(linger.wait()).await;
    }
    Ok(())
}
// ANCHOR_END: linger

// ANCHOR: timeout
/// Waits for a future, but at most for `limit`. The function combines a timer with `or`, which
/// returns the output of the future that completes first.
async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Instant> {
    or(async { Ok(work.await) }, async { Err(Timer::after(limit).await) }).await
}
// ANCHOR_END: timeout
