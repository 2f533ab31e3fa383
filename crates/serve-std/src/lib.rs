//! The file server in blocking std, with one thread per connection.
//!
//! The kernel schedules the threads, so each thread runs sequential code. A thread that waits in
//! `write` cannot read. Therefore, a connection that writes for longer than 10 ms starts a second
//! thread, which reads the client's data. Each thread needs a stack, so the default connection
//! limit is lower than in the other siblings. A thread cannot be canceled. To end a thread, the
//! server shuts down the socket that the thread waits for.
//!
//! Run `cargo run -p serve-std` and open <http://localhost:4000/> in a browser.

mod threads;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, Scope};
use std::time::Instant;

use serve_core::{
    Approach, Body, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Linger, Reply, Server,
};

use threads::{OpenStreams, ReaderThread, accept_waker, is_timeout, reset_on_close, spawn};

/// The description of this sibling.
pub const APPROACH: Approach = Approach {
    name: "std",
    summary: "blocking std, one thread per connection",
    has_workers: false,
    max_connections: 2_000,
    connection_bytes: 72 * 1024,
    worker_descriptors: 0,
    run,
};

// ANCHOR: run
/// Serves clients until the shutdown (see [`Approach::run`]).
///
/// # Errors
///
/// Returns an error if no file descriptor is left for the function that wakes `accept`, or if the
/// thread that accepts connections cannot be started.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let wake_accept = accept_waker(&listener)?;
    let streams = OpenStreams::default();
    thread::scope(|scope| {
        // ANCHOR: start
        spawn(scope, "accept", || accept_loop(listener, &server, &streams, scope))?;
        // ANCHOR_END: start
        server.shutdown.wait();
        wake_accept();
        // ANCHOR: stop
        server.wait_until_idle(server.config.grace);
        // A shutdown wakes the threads that wait for the socket. The scope joins these threads.
        server.disconnect_all();
        streams.shut_down();
        // ANCHOR_END: stop
        Ok(())
    })
}
// ANCHOR_END: run

// ANCHOR: accept
fn accept_loop<'scope>(
    listener: TcpListener,
    server: &Arc<Server>,
    streams: &OpenStreams,
    scope: &'scope Scope<'scope, '_>,
) {
    while let Some(permit) = server.acquire_blocking() {
        match listener.accept() {
            Ok((stream, _)) if server.shutdown.is_requested() => reset_on_close(&stream),
            Ok((stream, peer)) => {
                // ANCHOR: spawn
                let conn = Arc::new(permit.connected(peer));
                let stream = streams.add(stream);
                let work = {
                    let (stream, conn) = (Arc::clone(&stream), Arc::clone(&conn));
                    move || handle_connection(stream, conn)
                };
                if let Err(error) = spawn(scope, "connection", work) {
                    conn.finish(Err(error), &*stream);
                }
                // ANCHOR_END: spawn
            }
            Err(_) if server.shutdown.is_requested() => {}
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    server.shutdown.wait_timeout(pause);
                }
            }
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
fn handle_connection(stream: Arc<TcpStream>, conn: Arc<Connection>) {
    let result = serve(&conn, &stream);
    conn.finish(result, &*stream);
    // Close the socket before `conn` is dropped, because dropping `conn` logs `disconnected`.
    drop(stream);
}

fn serve(conn: &Connection, stream: &TcpStream) -> io::Result<()> {
    // ANCHOR: both
    thread::scope(|scope| {
        let reader = ReaderThread::new(scope, conn, stream)?;
        send_file(conn, stream, &reader)?;
        stream.shutdown(Shutdown::Write)?;
        linger(conn, stream, &reader)
    })
    // ANCHOR_END: both
}
// ANCHOR_END: serve

// ANCHOR: send
fn send_file(conn: &Connection, stream: &TcpStream, reader: &ReaderThread) -> io::Result<()> {
    let server = conn.server();
    let reply = match Reply::open_cached(server) {
        Some(reply) => reply,
        None => {
            // The disk may not answer, so first send the bytes that do not depend on the file.
            write_bytes(conn, stream, reader, server.config.preamble.fixed_bytes())?;
            Reply::open(server)
        }
    };
    let sent = conn.record_sent(reply.send_preamble(stream)?);
    write_bytes(conn, stream, reader, &reply.preamble[sent..])?;
    let file_bytes = match reply.body {
        Ok(body) if conn.config().zero_copy => send_zero_copy(conn, stream, reader, body)?,
        Ok(body) => send_copied(conn, stream, reader, body)?,
        Err(error) => return conn.record_file_failed(&error),
    };
    conn.record_file_ended(file_bytes);
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: copy
fn send_copied(
    conn: &Connection,
    stream: &TcpStream,
    reader: &ReaderThread,
    body: Body,
) -> io::Result<u64> {
    let mut chunks = ChunkReader::new(body, conn.server());
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            // ANCHOR: piece
            let mut piece = chunks.read_blocking()?;
            write_bytes(conn, stream, reader, &piece)?;
            piece.advance(piece.len());
            // ANCHOR_END: piece
        }
        conn.record_chunk(chunk_bytes, started);
    }
    Ok(chunks.sent_bytes())
}

fn write_bytes(
    conn: &Connection,
    mut stream: &TcpStream,
    reader: &ReaderThread,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        reader.start_if_due()?;
        match stream.write(bytes) {
            Ok(sent) => bytes = &bytes[conn.record_sent(sent)..],
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(reader.cause_of(error)),
        }
        if !bytes.is_empty() {
            // A partial write also means that the write timeout has expired.
            conn.check_stall(stream)?;
        }
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
fn send_zero_copy(
    conn: &Connection,
    stream: &TcpStream,
    reader: &ReaderThread,
    body: Body,
) -> io::Result<u64> {
    for chunk_bytes in body.chunks(conn.config()) {
        let started = conn.chunk_started();
        let mut remaining = chunk_bytes;
        while remaining > 0 {
            reader.start_if_due()?;
            match body.sendfile(stream, remaining) {
                Ok(sent) => remaining -= conn.record_sent(sent),
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(reader.cause_of(error)),
            }
            if remaining > 0 {
                conn.check_stall(stream)?;
            }
        }
        conn.record_chunk(chunk_bytes, started);
    }
    Ok(body.bytes)
}
// ANCHOR_END: zero_copy

// ANCHOR: drain
/// Drains the socket until EOF or until the deadline. Returns whether EOF was read.
fn drain(conn: &Connection, mut stream: &TcpStream, deadline: Option<Instant>) -> io::Result<bool> {
    let mut buffer = [0; DRAIN_BUFFER_BYTES];
    loop {
        if let Some(deadline) = deadline {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Ok(false);
            }
            stream.set_read_timeout(Some(remaining))?;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(received) => conn.record_received(&buffer[..received]),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: drain

// ANCHOR: linger
fn linger(conn: &Connection, stream: &TcpStream, reader: &ReaderThread) -> io::Result<()> {
    let mut linger = Linger::new(conn);
    while !reader.drain(linger.wait())? {
        if linger.is_expired(stream)? {
            return Ok(());
        }
    }
    // A client that half-closed may still be reading.
    while !linger.is_acknowledged(stream)? {
        if conn.server().wait_for_disconnect(linger.wait()) {
            break;
        }
    }
    Ok(())
}
// ANCHOR_END: linger
