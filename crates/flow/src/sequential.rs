//! A server that serves one client at a time, for comparison with the siblings. Its command
//! line, its limits and its log are those of the siblings.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serve_core::{Approach, ChunkReader, Connection, DRAIN_BUFFER_BYTES, Reply, Server};

/// The description of this server.
pub const APPROACH: Approach = Approach {
    name: "sequential",
    summary: "blocking std, one client at a time",
    has_workers: false,
    max_connections: 1,
    connection_bytes: 0,
    worker_descriptors: 0,
    run,
};

fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let of_loop = Arc::clone(&server);
    // The thread may wait for a client. It ends with the process.
    thread::Builder::new().name("sequential".to_owned()).spawn(move || {
        while let Some(permit) = of_loop.acquire_blocking() {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let conn = permit.connected(peer);
                    conn.finish(serve(&conn, &stream), &stream);
                    drop(stream);
                }
                Err(error) => {
                    if let Some(pause) = of_loop.accept_failed(&error) {
                        of_loop.shutdown.wait_timeout(pause);
                    }
                }
            }
        }
    })?;
    server.shutdown.wait();
    server.wait_until_idle(server.config.grace);
    Ok(())
}

fn serve(conn: &Connection, mut stream: &TcpStream) -> io::Result<()> {
    let preamble = conn.config().preamble.fixed_bytes();
    stream.write_all(preamble)?;
    conn.record_sent(preamble.len());
    let reply = Reply::open(conn.server());
    let body = match reply.body {
        Ok(body) => body,
        Err(error) => return conn.record_file_failed(&error),
    };
    stream.write_all(&reply.preamble)?;
    conn.record_sent(reply.preamble.len());
    let mut chunks = ChunkReader::new(body, conn.server());
    while let Some(chunk_bytes) = chunks.next_chunk() {
        let started = conn.chunk_started();
        while chunks.remaining() > 0 {
            let mut piece = chunks.read_blocking()?;
            stream.write_all(&piece)?;
            conn.record_sent(piece.len());
            piece.advance(piece.len());
        }
        conn.record_chunk(chunk_bytes, started);
    }
    conn.record_file_ended(chunks.sent_bytes());
    stream.shutdown(Shutdown::Write)?;
    drain(conn, stream)
}

/// Drains the connection until the client's FIN or the linger timeout.
fn drain(conn: &Connection, mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(conn.config().linger_timeout))?;
    let mut buffer = [0; DRAIN_BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => conn.record_received(&buffer[..received]),
            // Unix and Windows report the timeout as different errors.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}
