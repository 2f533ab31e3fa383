//! Baselines: minimal servers for comparison.
//!
//! A baseline has one thread, serves one client at a time, and has neither a log nor limits. A
//! baseline reads from the client only after it has sent the reply. Each baseline is an
//! [`Approach`], so that the suites can start and measure baselines and siblings with the same
//! code.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serve_core::{Approach, Server};

use super::PREAMBLE;

/// The baseline for copy mode, which writes chunks from memory to the socket and reads no file.
pub const BASELINE_MEMORY: Approach = Approach {
    name: "baseline-memory",
    summary: "A baseline that writes from memory to the socket.",
    has_workers: false,
    max_connections: 1,
    connection_bytes: 0,
    worker_descriptors: 0,
    run: run_memory,
};

/// The baseline for zero-copy mode, which calls `sendfile` in a loop.
#[cfg(target_os = "linux")]
pub const BASELINE_SENDFILE: Approach = Approach {
    name: "baseline-sendfile",
    summary: "A baseline that calls sendfile in a loop.",
    has_workers: false,
    max_connections: 1,
    connection_bytes: 0,
    worker_descriptors: 0,
    run: run_sendfile,
};

fn run_memory(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let reply = [PREAMBLE, &fs::read(&server.config.file)?].concat();
    let chunk_bytes = server.config.chunk_bytes;
    serve(&listener, &server, |mut stream| {
        reply.chunks(chunk_bytes).try_for_each(|chunk| stream.write_all(chunk))
    })
}

#[cfg(target_os = "linux")]
fn run_sendfile(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    use rustix::net::SendFlags;

    let file = fs::File::open(&server.config.file)?;
    let file_bytes = file.metadata()?.len();
    let chunk_bytes = server.config.chunk_bytes;
    serve(&listener, &server, |stream| {
        rustix::net::send(stream, PREAMBLE, SendFlags::MORE | SendFlags::NOSIGNAL)?;
        let mut sent_bytes = 0;
        while sent_bytes < file_bytes {
            if rustix::fs::sendfile(stream, &file, Some(&mut sent_bytes), chunk_bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    })
}

/// Serves one client after another until shutdown.
fn serve(
    listener: &TcpListener,
    server: &Server,
    send: impl Fn(&TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    let addr = listener.local_addr()?;
    server.announce();
    thread::scope(|scope| {
        scope.spawn(|| {
            server.shutdown.wait();
            // This connection makes the blocking `accept` call return, so that the loop ends.
            drop(TcpStream::connect(addr));
        });
        loop {
            let accepted = listener.accept();
            if server.shutdown.is_requested() {
                return Ok(());
            }
            // Ignore an error on one connection, so that the server can serve the next client.
            if let Ok((stream, _)) = accepted {
                let _ = send(&stream).and_then(|()| drain(&stream));
            }
        }
    })
}

/// Shuts down the write half and drains until EOF. If the server closed a socket with unread data,
/// the kernel would reset the connection, and the client could lose part of the reply.
fn drain(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}
