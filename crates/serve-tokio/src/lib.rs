//! The file server in Tokio, with one task per connection on a few worker threads.
//!
//! A waiting task needs a few hundred bytes of memory, whereas a thread needs a stack. However, a
//! task must not block its worker thread. Tokio's reactor reports when a socket is ready, but it
//! cannot report when a file is ready. Therefore, data that is not in the page cache is read on the
//! blocking pool.
//!
//! Run `cargo run -p serve-tokio` and open <http://localhost:4000/> in a browser.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serve_core::{
    Approach, Body, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Linger, POOL_THREADS, Reply,
    Server, TimeSlice, pool_calls, send,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, tcp};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tokio::time::{sleep, timeout};

/// The description of this sibling.
pub const APPROACH: Approach = Approach {
    name: "tokio",
    summary: "Tokio, one task per connection on a few worker threads",
    has_workers: true,
    max_connections: 10_000,
    connection_bytes: 8 * 1024,
    worker_descriptors: 0,
    run,
};

// ANCHOR: run
/// Serves clients until the shutdown (see [`Approach::run`]).
///
/// # Errors
///
/// Returns an error if no file descriptor is left for the runtime, or if a thread cannot be
/// started.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let mut builder = Builder::new_multi_thread();
    builder.max_blocking_threads(POOL_THREADS.get()).thread_keep_alive(Duration::MAX);
    // ANCHOR: start
    let workers = server.config.workers;
    let runtime = builder.worker_threads(workers).enable_all().build()?;
    // ANCHOR_END: start
    // The accept loop runs in a task, because a worker thread keeps the tasks that it spawns. The
    // current thread would have to pass each new task to a worker thread.
    let result = runtime.block_on(runtime.spawn(async move {
        let mut connections = JoinSet::new();
        tokio::select! {
            result = accept_loop(listener, &server, &mut connections) => result?,
            () = server.shutdown.requested() => {}
        }
        // ANCHOR: stop
        let all_finished = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(server.config.grace, all_finished).await;
        // Aborting a task drops its socket and then its `Connection`.
        connections.shutdown().await;
        // ANCHOR_END: stop
        Ok(())
    }));
    // Dropping the runtime would wait for the calls on the blocking pool, which may hang.
    runtime.shutdown_background();
    result?
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_loop(
    listener: TcpListener,
    server: &Arc<Server>,
    connections: &mut JoinSet<()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // The system may refuse to start a thread later.
    for call in pool_calls().map(spawn_blocking) {
        call.await?;
    }
    loop {
        let permit = server.acquire().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                // ANCHOR: spawn
                connections.spawn(handle_connection(stream, permit.connected(peer)));
                // ANCHOR_END: spawn
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    sleep(pause).await;
                }
            }
        }
        // The `JoinSet` keeps a finished task until the task is joined.
        while connections.try_join_next().is_some() {}
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
/// Serves one client. Dropping the future, even before its first poll, closes the socket and then
/// logs `disconnected`.
pub async fn handle_connection(stream: TcpStream, conn: Connection) {
    // A future that was never polled drops its parameters from first to last. A future that was
    // polled drops its variables from last to first.
    let (conn, mut stream) = (conn, stream);
    let result = serve(&conn, &mut stream).await;
    conn.finish(result, &stream);
}

async fn serve(conn: &Connection, stream: &mut TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    // ANCHOR: both
    tokio::select! {
        result = send_file(conn, &mut writer) => result?,
        // A client that half-closes (`Ok`) still gets the whole file.
        Err(error) = drain(conn, &mut reader) => return Err(error),
    }
    // ANCHOR_END: both
    writer.shutdown().await?;
    linger(conn, &mut reader).await
}
// ANCHOR_END: serve

// ANCHOR: send
async fn send_file(conn: &Connection, stream: &mut tcp::WriteHalf<'_>) -> io::Result<()> {
    let server = Arc::clone(conn.server());
    let reply = match Reply::open_cached(&server) {
        Some(reply) => reply,
        None => {
            // The disk may not answer, so first send the bytes that do not depend on the file.
            write_bytes(conn, stream, server.config.preamble.fixed_bytes()).await?;
            spawn_blocking(move || Reply::open(&server)).await?
        }
    };
    let sent = conn.record_sent(reply.send_preamble(stream.as_ref())?);
    write_bytes(conn, stream, &reply.preamble[sent..]).await?;
    let file_bytes = match reply.body {
        Ok(body) if conn.config().zero_copy && body.file.is_local() => {
            send_zero_copy(conn, stream.as_ref(), body).await?
        }
        Ok(body) => send_copied(conn, stream.as_ref(), body).await?,
        Err(error) => return conn.record_file_failed(&error),
    };
    conn.record_file_ended(file_bytes);
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: copy
async fn send_copied(conn: &Connection, stream: &TcpStream, body: Body) -> io::Result<u64> {
    let mut chunks = ChunkReader::new(body, conn.server());
    // `try_io` does not consume Tokio's cooperative budget, so this function must yield.
    let mut time_slice = TimeSlice::new();
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            // If the send buffer is full, `send` returns `WouldBlock`. In that case, the rest of
            // the piece is dropped before the wait, and read again after the wait. With a `timeout`
            // around each write, chunks of one byte would be 15% to 20% slower.
            // ANCHOR: piece
            let result = stream.try_io(Interest::WRITABLE, || {
                let Some(mut piece) = chunks.try_read_cached()? else { return Ok(false) };
                while !piece.is_empty() {
                    let sent = send(stream, &piece)?;
                    piece.advance(conn.record_sent(sent));
                }
                Ok(true)
            });
            // ANCHOR_END: piece
            match result {
                Ok(true) => {}
                Ok(false) => chunks = spawn_blocking(move || chunks.fetch()).await??,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = timeout(conn.stall_check_interval(), stream.writable()).await;
                    ready.unwrap_or_else(|_elapsed| conn.check_stall(stream))?;
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
    stream: &mut tcp::WriteHalf<'_>,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(conn.stall_check_interval(), stream.write(bytes)).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(sent) => bytes = &bytes[conn.record_sent(sent?)..],
            Err(_elapsed) => conn.check_stall(stream.as_ref())?,
        }
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
async fn send_zero_copy(conn: &Connection, stream: &TcpStream, body: Body) -> io::Result<u64> {
    // The cooperative budget is not sufficient, because each of its 128 operations may send 1 MiB.
    let mut time_slice = TimeSlice::new();
    for chunk_bytes in body.chunks(conn.config()) {
        let started = conn.chunk_started();
        let mut remaining = chunk_bytes;
        while remaining > 0 {
            let write = stream.async_io(Interest::WRITABLE, || body.sendfile(stream, remaining));
            match timeout(conn.stall_check_interval(), write).await {
                Ok(sent) => remaining -= conn.record_sent(sent?),
                Err(_elapsed) => conn.check_stall(stream)?,
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
async fn drain(conn: &Connection, stream: &mut tcp::ReadHalf<'_>) -> io::Result<()> {
    let mut buffer = [0; DRAIN_BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(received) => conn.record_received(&buffer[..received]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: drain

// ANCHOR: linger
async fn linger(conn: &Connection, stream: &mut tcp::ReadHalf<'_>) -> io::Result<()> {
    let mut linger = Linger::new(conn);
    loop {
        match timeout(linger.wait(), drain(conn, stream)).await {
            Ok(result) => break result?,
            Err(_elapsed) if linger.is_expired(stream.as_ref())? => return Ok(()),
            Err(_elapsed) => {}
        }
    }
    // A client that half-closed may still be reading.
    while !linger.is_acknowledged(stream.as_ref())? {
        sleep(linger.wait()).await;
    }
    Ok(())
}
// ANCHOR_END: linger
